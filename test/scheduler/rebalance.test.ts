/** `rebalance` through the scheduler's shell: what counts as memory, who gives, who takes, and what is answered. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { type ConfigValue, config } from "../../src/config/index.ts";
import { array, Client } from "../../src/index.ts";
import "../../src/register.ts";
import type { Key } from "../../src/graph/index.ts";
import { HEARTBEAT_WORKER, REBALANCE, SCATTER, serialize } from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { FakeClient, FakeWorker, k, METRICS_OF_NOTHING } from "./fake-peers.ts";

const SECTION = "distributed.worker.memory.rebalance";

let scheduler: SchedulerServer;
let rpc: Rpc;

beforeEach(async () => {
  scheduler = await startScheduler({ port: 0, httpPort: 0, logger: silentLogger });
  rpc = new Rpc();
});

afterEach(async () => {
  await rpc.close();
  await scheduler.close();
});

const ask = (request: Record<string, unknown>): Promise<unknown> => rpc.call(scheduler.address, request);
const rebalance = async (keys: readonly Key[] | null = null, workers: readonly string[] | null = null) =>
  REBALANCE.parseAnswer(await ask(REBALANCE.ask({ keys, workers })));
const holders = (key: Key): readonly string[] | undefined => scheduler.views.whoHas([key]).get(key);

/** A worker, of 1 GB, tells what memory it has. */
const tell = (worker: FakeWorker, memory: number): Promise<unknown> =>
  ask(
    HEARTBEAT_WORKER.ask({
      address: worker.address,
      now: 0,
      metrics: { ...METRICS_OF_NOTHING, memory },
      executing: new Map(),
      extensions: new Map(),
    }),
  );

/** Two workers, the first of which has a small result; their process has so many bytes. */
async function lopsided(first: number, second: number): Promise<readonly [FakeWorker, FakeWorker]> {
  const workers = [await FakeWorker.join(scheduler.address), await FakeWorker.join(scheduler.address)] as const;
  await FakeClient.join(scheduler.address, "alice");
  await ask(
    SCATTER.ask({
      data: new Map([[k("x"), serialize("x")]]),
      workers: [workers[0].address],
      client: "alice",
      broadcast: false,
      timeout: 10,
    }),
  );
  await tell(workers[0], first);
  await tell(workers[1], second);
  return workers;
}

/** Whether the result goes to the second worker. */
async function goes(settings: Record<string, ConfigValue>, [first, second]: readonly FakeWorker[]): Promise<boolean> {
  using _set = config.set(settings);
  expect(await rebalance()).toEqual({ status: "OK" });
  const [holder] = holders(k("x")) ?? [];
  expect([first?.address, second?.address]).toContain(holder);
  return holder === second?.address;
}

/** A worker that gets everything that it is to get. */
async function obliging(worker: FakeWorker): Promise<never> {
  for (;;) {
    const { whoHas, stimulusId } = await worker.next("acquire-replicas");
    worker.stream.send({ op: "add-keys", keys: [...whoHas.keys()], stimulusId });
  }
}

test("the measure says what counts", async () => {
  const workers = await lopsided(500e6, 1e6);
  void obliging(workers[1]);
  // Half a gigabyte came just now, and may go again; results are a few bytes.
  for (const measure of ["optimistic", "managed", "managed_total"])
    expect(await goes({ [`${SECTION}.measure`]: measure }, workers), measure).toBe(false);
  await expect(goes({ [`${SECTION}.measure`]: "unmanaged" }, workers)).rejects.toThrow(
    /measure is "unmanaged", expected one of process, optimistic, managed, managed_total/,
  );
  expect(await goes({ [`${SECTION}.measure`]: "process" }, workers)).toBe(true);
});

test("memory that is there for longer than recent-to-old-time counts", async () => {
  const workers = await lopsided(500e6, 1e6);
  void obliging(workers[1]);
  const type = async (): Promise<string | undefined> =>
    /worker_memory_bytes\{worker="[^"]*",type="unmanaged_old"\} (\d+)/.exec(
      await (
        await fetch(`http://127.0.0.1:${scheduler.httpPort}/metrics`, { headers: { connection: "close" } })
      ).text(),
    )?.[1];
  // What the worker had when it joined.
  expect(await type()).toBe("1000");
  expect(await goes({}, workers)).toBe(false);
  using _set = config.set({ "distributed.worker.memory.recent-to-old-time": "0s" });
  await tell(workers[0], 500e6);
  expect(Number(await type())).toBeGreaterThan(499e6);
  expect(await goes({}, workers)).toBe(true);
});

test.each([
  ["sender-min", 0.51],
  ["recipient-max", 0.1],
  ["sender-recipient-gap", 0.9],
])("%s keeps a worker from giving or taking", async (name, fraction) => {
  const workers = await lopsided(500e6, 150e6);
  void obliging(workers[1]);
  const measure = { [`${SECTION}.measure`]: "process" };
  expect(await goes({ ...measure, [`${SECTION}.${name}`]: fraction }, workers)).toBe(false);
  expect(await goes(measure, workers)).toBe(true);
});

test("keys that are nowhere, or do not get there, are told where they were asked for; an unknown worker is an error", async () => {
  const workers = await lopsided(500e6, 1e6);
  using _set = config.set({ [`${SECTION}.measure`]: "process" });
  expect(await rebalance([k("x"), k("y")])).toEqual({ status: "partial-fail", keys: [k("y")] });
  expect(await rebalance([])).toEqual({ status: "OK" });
  expect(await rebalance(null, [workers[0].address])).toEqual({ status: "OK" });
  await expect(rebalance(null, ["tcp://nobody:1"])).rejects.toThrow(/no worker at tcp:\/\/nobody:1/);
  const answer = rebalance([k("x")]);
  await workers[1].next("acquire-replicas");
  await workers[1].leave();
  expect(await answer).toEqual({ status: "partial-fail", keys: [k("x")] });
});

test("blocks of a persisted array are spread over workers of ours, and read from there", async () => {
  using _set = config.set({ [SECTION]: { measure: "managed", "sender-min": 0, "sender-recipient-gap": 0 } });
  const join = () =>
    Worker.start({ scheduler: scheduler.address, nthreads: 1, memoryLimitBytes: 2 ** 29, logger: silentLogger });
  await using client = await Client.connect(scheduler.address, { logger: silentLogger });
  await using _first = await join();
  const held = await array.arange(0, 800, 1, { chunks: 100 }).persist();
  await held.wait();
  await using _second = await join();
  await client.waitForWorkers(2);
  const counts = (): number[] => scheduler.views.workers().map(({ inMemory }) => inMemory);
  expect(counts()).toEqual([8, 0]);
  await client.rebalance(held);
  expect(counts()).toEqual([4, 4]);
  expect((await held.sum().compute()).item()).toBe(BigInt((800 * 799) / 2));
  const gone = await client.scatter([1]);
  gone[0]?.cancel();
  await expect(client.rebalance(gone)).rejects.toThrow();
});
