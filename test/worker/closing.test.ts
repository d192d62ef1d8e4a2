/** A worker whose scheduler leaves it, or that leaves its scheduler. */
import { expect, test, vi } from "vitest";
import { CommClosedError, silentLogger } from "../../src/base/index.ts";
import { type Comm, listen, NO_REPLY, serveRequests } from "../../src/comm/index.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { REGISTER_WORKER, SCHEDULER_TO_WORKER } from "../../src/protocol/index.ts";
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

test("one that is paused comes back paused", async () => {
  const statuses = async (comm: Comm, count: number): Promise<unknown[]> => {
    const found: unknown[] = [];
    while (found.length < count)
      for (const message of (await comm.next()) as Map<string, unknown>[])
        if (message.get("op") === "worker-status-change") found.push(message.get("status"));
    return found;
  };
  const lives: unknown[][] = [];
  const second = Promise.withResolvers<void>();
  await using scheduler = await listen("tcp://127.0.0.1:0", (peer) =>
    serveRequests(
      peer,
      {
        "register-worker": async (_, comm) => {
          comm.send(REGISTER_WORKER.answer({ status: "OK", time: 0, heartbeatInterval: 60, keepsJournal: true }));
          if (lives.push([]) === 2) {
            lives[1] = await statuses(comm, 1);
            second.resolve();
            await comm.closed;
          } else {
            lives[0] = await statuses(comm, 2);
            comm.abort(new CommClosedError("it is started again"));
          }
          return NO_REPLY;
        },
        unregister: () => "OK",
      },
      silentLogger,
    ),
  );
  await using _worker = await Worker.start({
    scheduler: scheduler.address,
    executor: createExecutor({ threads: 1, budgetBytes: 2 ** 24 }),
    memoryLimitBytes: 1, // less than it takes: it pauses when it first looks
    logger: silentLogger,
  });
  await second.promise;
  expect(lives).toEqual([["running", "paused"], ["paused"]]);
});
