/** What operators ask: logs of the scheduler and of workers, and which tasks ended where. */
import { ArgumentError } from "../base/index.ts";
import type { Handler } from "../comm/index.ts";
import type { KeptLogs } from "../config/index.ts";
import { broadcast } from "./broadcast.ts";
import type { Hub } from "./hub.ts";
import type { TaskStream } from "./task-stream.ts";

/** Handlers by op. */
export function operationHandlers({
  hub,
  logs,
  taskStream,
}: {
  readonly hub: Hub;
  readonly logs: KeptLogs;
  readonly taskStream: TaskStream;
}): Record<string, Handler> {
  return {
    get_logs: (request) => logs.last(countIn(request)),
    logs: (request) => logs.last(countIn(request)),
    worker_logs: (request) =>
      broadcast(
        hub,
        new Map<unknown, unknown>([
          ["op", "broadcast"],
          [
            "msg",
            new Map<unknown, unknown>([
              ["op", "get_logs"],
              ["n", countIn(request)],
            ]),
          ],
          ["workers", request.get("workers") ?? null],
          ["nanny", request.get("nanny") === true],
        ]),
      ),
    get_task_stream: (request) => taskStream.collect(request),
    get_task_stream_index: () => taskStream.begin(),
  };
}

/** How many records are asked for; null: all that are kept. */
function countIn(request: ReadonlyMap<unknown, unknown>): number | null {
  const n = request.get("n");
  if (n === undefined || n === null) return null;
  if (typeof n === "number" && n >= 0) return n;
  throw new ArgumentError(`n ${String(n)}: expected a number of log records`);
}
