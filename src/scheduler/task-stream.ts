/** Which tasks ended when and where, as far as somebody asked for it: Dask's task stream (`get_task_stream`). */
import { parseDurationMs } from "../base/index.ts";
import { type Graph, type Key, valueOfKey } from "../graph/index.ts";
import type { TasksFinished, WorkerToScheduler } from "../protocol/index.ts";

/** Records kept. Dask's `dashboard.status.task-stream-length` and `…tasks.task-stream-length`: the larger. */
const LENGTH = 100_000;

/** One task that ended. */
export interface TaskRecord {
  readonly key: Key;
  readonly worker: string;
  readonly thread: unknown;
  /** `OK` or `error`. */
  readonly status: string;
  /** Seconds since 1970, by what was done. */
  readonly startstops: readonly { readonly action: string; readonly start: number; readonly stop: number }[];
  readonly nbytes: number;
  readonly typename: string;
}

/** The last tasks that ended, from the first question on: before that nothing is kept. */
export class TaskStream {
  readonly #wallSeconds: () => number;
  #records: TaskRecord[] = [];
  /** Tasks ever recorded. */
  #index = 0;
  #isOn = false;

  constructor(wallSeconds: () => number) {
    this.#wallSeconds = wallSeconds;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Record from now on; gives the number of tasks recorded so far. */
  begin(): number {
    this.#isOn = true;
    return this.#index;
  }

  /** What a worker said; anything but ends of tasks is passed over. */
  hear(worker: string, messages: readonly WorkerToScheduler[]): void {
    if (!this.#isOn) return;
    for (const message of messages) {
      if (message.op !== "task-finished" && message.op !== "task-erred") continue;
      const isWell = message.op === "task-finished";
      this.note({
        key: message.key,
        worker,
        thread: message.thread ?? null,
        status: isWell ? "OK" : "error",
        startstops: message.startstops,
        nbytes: isWell ? message.nbytes : 0,
        typename: isWell ? message.typename : "",
      });
    }
  }

  /** Tasks of a graph that a worker told of in columns; when each began and ended is not told, but how long it took. */
  hearColumns(worker: string, graph: Graph | undefined, { tasks, nbytes, seconds }: Omit<TasksFinished, "op">): void {
    if (!this.#isOn || graph === undefined) return;
    const stop = this.#wallSeconds();
    for (const [k, task] of tasks.entries()) {
      if (task >= graph.taskCount) continue; // the machine says what it thinks of that
      this.note({
        key: graph.key(task),
        worker,
        thread: null,
        status: "OK",
        startstops: [{ action: "compute", start: stop - (seconds[k] as number), stop }], // columns of equal length
        nbytes: nbytes[k] as number,
        typename: "numpy.ndarray",
      });
    }
  }

  /** Add one record. */
  note(record: TaskRecord): void {
    if (!this.#isOn) return;
    this.#records.push(record);
    this.#index++;
    // In pieces, so that dropping the oldest costs nothing per task.
    if (this.#records.length > 1.25 * LENGTH) this.#records = this.#records.slice(-LENGTH);
  }

  /** The records that a request asks for, in Dask's fields: by time of their end, by count, or from an index on. */
  collect(request: ReadonlyMap<unknown, unknown>): Record<string, unknown>[] {
    this.begin();
    const records = this.#records;
    const from = request.get("start_index");
    if (typeof from === "number") {
      const first = from - (this.#index - records.length);
      return records.slice(Math.max(0, first)).map(wireOf);
    }
    const start = this.#secondsIn(request.get("start"));
    const stop = this.#secondsIn(request.get("stop"));
    const count = request.get("count");
    let low = start === null ? null : this.#firstFrom(start);
    let high = stop === null ? null : this.#firstFrom(stop);
    if (typeof count === "number") {
      if (low !== null) high ??= low + count;
      low ??= (high ?? records.length) - count;
    }
    return records.slice(Math.max(0, low ?? 0), Math.max(0, high ?? records.length)).map(wireOf);
  }

  /** A point in time: seconds since 1970, or so long ago as a text says. */
  #secondsIn(value: unknown): number | null {
    if (typeof value === "number") return value;
    return typeof value === "string" ? this.#wallSeconds() - parseDurationMs(value, "start") / 1000 : null;
  }

  #firstFrom(seconds: number): number {
    const at = this.#records.findIndex((record) => endOf(record) >= seconds);
    return at < 0 ? this.#records.length : at;
  }
}

function endOf({ startstops }: TaskRecord): number {
  return Math.max(...startstops.map(({ stop }) => stop));
}

function wireOf({ key, ...record }: TaskRecord): Record<string, unknown> {
  return { key: valueOfKey(key), ...record };
}
