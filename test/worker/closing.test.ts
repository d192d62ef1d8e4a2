/** A worker that closes, with a scheduler that speaks until the end. */
import { expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { type Comm, listen, NO_REPLY, serveRequests } from "../../src/comm/index.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { SCHEDULER_TO_WORKER } from "../../src/protocol/index.ts";
import { Worker } from "../../src/worker/index.ts";

function ops(batch: unknown): unknown[] {
  return Array.isArray(batch) ? batch.map((message) => (message instanceof Map ? message.get("op") : null)) : [];
}

test("what it is told while it says goodbye wakes it no more", async () => {
  let stream: Comm | undefined;
  const said: unknown[] = [];
  await using scheduler = await listen("tcp://127.0.0.1:0", (peer) =>
    serveRequests(
      peer,
      {
        "register-worker": async (_, comm) => {
          stream = comm;
          comm.send({ status: "OK", time: 0, "heartbeat-interval": 60, "worker-plugins": {} });
          await comm.closed;
          return NO_REPLY;
        },
        unregister: async () => {
          const whoHas = new Map([[keyOfValue("nowhere"), []]]);
          const nbytes = new Map([[keyOfValue("nowhere"), 8]]);
          stream?.send([SCHEDULER_TO_WORKER.encode({ op: "acquire-replicas", whoHas, nbytes, stimulusId: "s" })]);
          while (!said.includes("request-refresh-who-has")) said.push(...ops(await stream?.next()));
          return "OK";
        },
      },
      silentLogger,
    ),
  );
  const timers = vi.spyOn(globalThis, "setTimeout");
  const executor = createExecutor({ threads: 1, budgetBytes: 2 ** 24 });
  const worker = await Worker.start({ scheduler: scheduler.address, executor, logger: silentLogger });
  await worker.close();
  expect(said).toContain("request-refresh-who-has");
  // Node tells of a timer that is over nowhere else.
  const isOver = (timer: NodeJS.Timeout): boolean => (timer as unknown as { readonly _destroyed: boolean })._destroyed;
  const left = timers.mock.results.flatMap(({ value }) => (isOver(value) || !value.hasRef() ? [] : [value]));
  timers.mockRestore();
  expect(left).toEqual([]);
});
