/** Queues, variables, events and semaphores where whoever waits goes, or what is waited for ends. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { type Comm, connect, Rpc } from "../../src/comm/index.ts";
import { systemClock } from "../../src/config/index.ts";
import { encodeGraph, type KeyValue, keyOfValue, sourceNode, valueOfKey } from "../../src/graph/index.ts";
import { checkReply } from "../../src/protocol/index.ts";
import { Coordination } from "../../src/scheduler/coordination/index.ts";
import type { Hub } from "../../src/scheduler/hub.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { graphOf } from "../sim/random-graph.ts";
import { FakeClient, FakeWorker, k } from "./fake-peers.ts";

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

test("whoever waits for a variable that is deleted gets the value that it is given then", async () => {
  const reader = await waiting({ op: "variable_get", name: "v" });
  const client = await FakeClient.join(scheduler.address, "alice");
  client.send({ op: "variable_delete", name: "v" }, { op: "report-key", key: k("nothing") });
  await client.next("cancelled-keys");
  await ask({ op: "variable_set", name: "v", data: 3 });
  expect(await reader.next()).toEqual(expect.toSatisfy((got) => got instanceof Map && got.get("value") === 3));
});

test("a semaphore that is closed, or a queue that its last user gives up, lets nobody wait for ever", async () => {
  await ask({ op: "semaphore_register", name: "s", max_leases: 1, lease_timeout: null });
  expect(await ask({ op: "semaphore_acquire", name: "s", lease_id: "a" })).toBe(true);
  const lease = await waiting({ op: "semaphore_acquire", name: "s", lease_id: "b" });
  await ask({ op: "semaphore_close", name: "s" });
  const refused = await lease.next();
  expect(() => checkReply(refused)).toThrow(/Semaphore or Lock "s" not known/);
  await ask({ op: "queue_create", name: "q", maxsize: 1 });
  const getter = await waiting({ op: "queue_get", name: "q" });
  const client = await FakeClient.join(scheduler.address, "alice");
  client.send({ op: "queue_release", name: "q" });
  const ended = await getter.next();
  expect(() => checkReply(ended)).toThrow(/no queue "q"/);
});

/** One block, computed and wanted by this client. */
async function computed(client: FakeClient, worker: FakeWorker, label: string): Promise<unknown> {
  const graph = graphOf([sourceNode({ label, source: label, dtype: "float32", chunks: [[2]], scratchBytes: 1 })]);
  client.send({
    op: "update-layers",
    layers: encodeGraph(graph),
    wanted: [[0, 0, 1]],
    annotations: new Map(),
    client: client.id,
    stimulusId: "submit",
  });
  worker.finish(await worker.next("compute-task"), label);
  return valueOfKey((await client.next("key-in-memory")).key);
}

test("names of queues and variables that hold no key any more are no clients", async () => {
  const worker = await FakeWorker.join(scheduler.address);
  const client = await FakeClient.join(scheduler.address, "alice");
  const key = await computed(client, worker, "held");
  await ask({ op: "queue_create", name: "q", maxsize: 0 });
  await ask({ op: "queue_put", name: "q", key });
  await ask({ op: "queue_put", name: "q", key });
  await ask({ op: "variable_set", name: "v", key });
  expect(scheduler.views.clients()).toEqual(["alice", 'queue-"q"', 'variable-"v"']);
  await ask({ op: "queue_get", name: "q" });
  client.send({ op: "queue-future-release", name: "q", key: keyOfValue(key as KeyValue) });
  await ask({ op: "variable_set", name: "v", data: 1 });
  await expect.poll(() => scheduler.views.clients()).toEqual(["alice", 'queue-"q"']);
  client.send({ op: "queue_release", name: "q" });
  await expect.poll(() => scheduler.views.clients()).toEqual(["alice"]);
});

test("a future that somebody has read of a variable stays until he has it, though another takes its place", async () => {
  const worker = await FakeWorker.join(scheduler.address);
  const alice = await FakeClient.join(scheduler.address, "alice");
  const bob = await FakeClient.join(scheduler.address, "bob");
  const key = await computed(alice, worker, "held");
  const held = keyOfValue(key as KeyValue);
  await ask({ op: "variable_set", name: "v", key });
  alice.send({ op: "client-releases-keys", keys: [held], client: "alice" });
  const gone = await waiting({ op: "variable_get", name: "v", client: "carol" });
  await gone.next();
  const record = await ask({ op: "variable_get", name: "v", client: "bob" });
  const token = String((record as ReadonlyMap<string, unknown>).get("token"));
  await ask({ op: "variable_set", name: "v", data: 1 });
  expect(scheduler.views.stateOf(held)).toBe("memory");
  const confirm = { op: "variable-future-received-confirm", name: "v", key: held, token } as const;
  bob.send(confirm, confirm, { op: "report-key", key: held });
  await bob.next("key-in-memory");
  expect(scheduler.views.clients()).toContain('variable-"v"'); // for who has not said so
  await gone.close();
  await expect.poll(() => scheduler.views.clients()).toEqual(["alice", "bob"]);
  bob.send({ op: "client-releases-keys", keys: [held], client: "bob" });
  expect((await worker.next("free-keys")).keys).toEqual([held]);
});

test("a key that comes for a queue which has ended meanwhile is not held", async () => {
  const worker = await FakeWorker.join(scheduler.address);
  const client = await FakeClient.join(scheduler.address, "alice");
  const key = await computed(client, worker, "late");
  client.send({ op: "client-releases-keys", keys: [keyOfValue(key as KeyValue)], client: "alice" });
  await worker.next("free-keys");
  await ask({ op: "queue_create", name: "q", maxsize: 0 });
  const putting = await waiting({ op: "queue_put", name: "q", key });
  client.send({ op: "queue_release", name: "q" });
  expect(await computed(client, worker, "late")).toEqual(key);
  const answer = await putting.next();
  expect(() => checkReply(answer)).toThrow(/no queue "q"/);
  expect(scheduler.views.clients()).toEqual(["alice"]);
});

test("leases are looked at as long as the scheduler runs, and no longer", () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const coordination = new Coordination({} as Hub, systemClock); // nobody asks
    expect(vi.getTimerCount()).toBe(1);
    coordination.close();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
