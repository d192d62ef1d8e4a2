/** Queues, variables, events and semaphores where whoever waits goes, or what is waited for ends. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { type Comm, connect, Rpc } from "../../src/comm/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";

let scheduler: SchedulerServer;
let rpc: Rpc;

beforeEach(async () => {
  scheduler = await startScheduler({ port: 0, logger: silentLogger });
  rpc = new Rpc();
});

afterEach(async () => {
  await rpc.close();
  await scheduler.close();
});

function ask(request: Record<string, unknown>): Promise<unknown> {
  return rpc.call(scheduler.address, request);
}

/** A connection whose request has come: those of one connection are answered in order. */
async function waiting(request: Record<string, unknown>): Promise<Comm> {
  const comm = await connect(scheduler.address);
  comm.send({ op: "ncores", reply: true });
  comm.send({ ...request, reply: true });
  await comm.next();
  return comm;
}

const plain = (value: unknown): unknown => new Map(Object.entries({ type: "msgpack", value }));

test("a value that is put into a queue goes to nobody who has gone while he waited for it", async () => {
  await ask({ op: "queue_create", name: "q", maxsize: 0 });
  const several = await waiting({ op: "queue_get", name: "q", batch: 3 });
  await ask({ op: "queue_put", name: "q", data: 1 });
  await several.close();
  const single = await waiting({ op: "queue_get", name: "q" });
  expect(await single.next()).toEqual(plain(1)); // what he had taken is there again
  await single.close();
  await (await waiting({ op: "queue_get", name: "q" })).close();
  await ask({ op: "queue_put", name: "q", data: 2 });
  await expect.poll(() => ask({ op: "queue_qsize", name: "q" })).toBe(1);
  expect(await ask({ op: "queue_get", name: "q", timeout: 1 })).toEqual(plain(2));
});

test("a wait that is longer than Node's timers can tell is no short one", async () => {
  const waiter = ask({ op: "event_wait", name: "e", timeout: 1e9 });
  expect(await ask({ op: "event_wait", name: "other", timeout: 0.05 })).toBe(false);
  await ask({ op: "event_set", name: "e" });
  expect(await waiter).toBe(true);
});
