/** Durations that are assumed of tasks by the prefix of their keys, beside a real scheduler of distributed's: make_durations.py. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { config } from "../../src/config/index.ts";
import { arangeNode, encodeGraph, type Graph } from "../../src/graph/index.ts";
import { pyGlobal, pyGraph, pyTask, serializeExpression } from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { graphOf } from "../sim/random-graph.ts";
import { FakeClient, FakeWorker, k } from "./fake-peers.ts";

const { targetSeconds, cases } = JSON.parse(readFileSync(join(import.meta.dirname, "durations.json"), "utf8")) as {
  readonly targetSeconds: number;
  readonly cases: readonly {
    readonly tasks: Readonly<Record<string, number>>;
    readonly durations: Readonly<Record<string, string | number>>;
    readonly target: number;
  }[];
};
const KEY = "distributed.scheduler.default-task-durations";

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

const target = (): Promise<unknown> =>
  rpc.call(scheduler.address, { op: "adaptive_target", target_duration: targetSeconds });
const ready = (): number => {
  const { queued, "no-worker": unrunnable } = scheduler.views.counts().tasks;
  return queued + unrunnable;
};

/** `int(1)` under each of these keys. */
function submitPython(client: FakeClient, names: readonly string[]): void {
  const tasks = new Map(
    names.map((name) => [k(name), pyTask(k(name), { func: pyGlobal("builtins.int"), args: [1] })] as const),
  );
  client.send({
    op: "update-graph",
    exprSer: serializeExpression(pyGraph(tasks)),
    keys: [...tasks.keys()],
    internalPriority: null,
    submittingTask: null,
    actors: false,
    fifoTimeout: 0,
    code: [],
    annotations: new Map(),
    spanMetadata: null,
  });
}

function submitBlocks(client: FakeClient, start: number): Graph {
  const graph = graphOf([arangeNode("float64", [[2, 2, 2]], start, 1)]);
  client.send({
    op: "update-layers",
    layers: encodeGraph(graph),
    wanted: [[0, 0, 3]],
    annotations: new Map([["least_bytes", 1000]]),
    client: client.id,
    stimulusId: "submit",
  });
  return graph;
}

test.each(cases)("$tasks under $durations ask for $target workers, as Dask's do", async (one) => {
  using _set = config.set({ [KEY]: one.durations });
  const names = Object.entries(one.tasks).flatMap(([prefix, n]) =>
    Array.from({ length: n }, (_, i) => `${prefix}-${i}`),
  );
  submitPython(await FakeClient.join(scheduler.address, "alice"), names);
  await expect.poll(ready).toBe(names.length);
  expect(await target()).toBe(one.target);
});

test("tasks at a worker count as well, until the first with the prefix has ended", async () => {
  using _set = config.set({ [KEY]: { load: "1h" } });
  const worker = await FakeWorker.join(scheduler.address, { nthreads: 4, language: "python" });
  const client = await FakeClient.join(scheduler.address, "alice");
  submitPython(client, ["load-1", "load-2", "load-3", "load-4"]);
  const first = await worker.next("compute-task");
  // Four hours of work: as many workers as there are tasks, by the threads that a worker has.
  expect(await target()).toBe(1);
  using _narrow = config.set({ "distributed.adaptive.target-duration": "1s" });
  using _short = config.set({ [KEY]: { load: "1ms" } });
  submitPython(
    client,
    Array.from({ length: 40 }, (_, i) => `load-${10 + i}`),
  );
  await expect.poll(() => scheduler.views.counts().tasks.queued).toBeGreaterThan(0);
  expect(await target()).toBe(1); // 44 ms of work
  worker.finish(first, 1);
  await expect.poll(() => scheduler.views.counts().tasks.memory).toBe(1);
  // Nothing was timed: 43 tasks of half a second, in five seconds, by workers of four threads.
  expect(await target()).toBe(2);
});

test("blocks are known by their layer's name, and seen when the first came in a column", async () => {
  using _set = config.set({ [KEY]: { arange: "1h" } });
  const client = await FakeClient.join(scheduler.address, "alice");
  const graph = submitBlocks(client, 1);
  // Nobody can begin the graph.
  await expect.poll(target).toBe(1);
  const first = await FakeWorker.join(scheduler.address);
  await expect.poll(ready).toBeGreaterThan(0);
  expect(await target()).toBe(3);
  const inMemory = (): number => scheduler.views.counts().tasks.memory;
  {
    await using _worker = await Worker.start({
      scheduler: scheduler.address,
      nthreads: 1,
      memoryLimitBytes: 2 ** 29,
      logger: silentLogger,
    });
    await first.leave();
    await expect.poll(() => scheduler.views.workers().length).toBe(1);
    await expect.poll(inMemory).toBe(3);
    client.send({ op: "client-releases-keys", keys: [0, 1, 2].map((task) => graph.key(task)), client: client.id });
    await expect.poll(inMemory).toBe(0);
  }
  await expect.poll(() => scheduler.views.workers().length).toBe(0);
  await FakeWorker.join(scheduler.address);
  submitBlocks(client, 2);
  await expect.poll(ready).toBeGreaterThan(0);
  expect(await target()).toBe(1);
});
