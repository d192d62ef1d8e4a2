/** Tasks on the threads of this process, with an executor that does what the test says. */
import { expect, test } from "vitest";
import type { BlockHandle, Executor, LaneTask, TaskOutcome } from "../../src/executor/index.ts";
import { Programs } from "../../src/executor/programs.ts";
import { blockwiseNode, type Graph, literalNode } from "../../src/graph/index.ts";
import { blockIn, LocalBlocks } from "../../src/local/blocks.ts";
import type { Finished } from "../../src/local/ends.ts";
import { Run } from "../../src/local/run.ts";
import { ThreadTasks } from "../../src/local/tasks.ts";
import { graphOf, sumCall } from "../sim/random-graph.ts";

const WIDTH = 4;

/** Tasks 0 to 3 are literals, 4 to 7 read them one by one. */
function chain(elements: number): Graph {
  const chunks = [new Array<number>(WIDTH).fill(elements)];
  const x = literalNode("x", "float32", chunks, new Uint8Array(4));
  return graphOf([blockwiseNode("y", sumCall(1), [{ layer: x, axes: [0] }], chunks)]);
}

class Fake {
  readonly threads = 1;
  readonly atThreads: LaneTask[] = [];
  readonly cancelled: LaneTask[] = [];
  readonly released: number[] = [];
  #nextId = 1;

  open(graph: Graph): Programs {
    return new Programs(graph, () => true);
  }
  close(): void {
    this.atThreads.length = 0;
  }
  submitOf(task: LaneTask): void {
    this.atThreads.push(task);
  }
  cancel(task: LaneTask): void {
    this.cancelled.push(task);
  }
  release({ id }: BlockHandle): void {
    this.released.push(id);
  }

  /** The oldest task ends well. */
  end(seconds = 1): BlockHandle {
    const block: BlockHandle = { id: this.#nextId++, nbytes: 4, dtype: "float32", shape: [1] };
    this.atThreads.shift()?.made?.(block, seconds);
    return block;
  }

  fail(): void {
    const figures = { startMs: 0, stopMs: 1000, thread: 0, bytesRead: 0, bytesWritten: 0 };
    const outcome: TaskOutcome = {
      status: "error",
      error: { name: "TaskError", code: "band", message: "no such band", details: {} },
      ...figures,
    };
    this.atThreads.shift()?.done(outcome);
  }
}

/** @param elements of each block */
function setUp(elements = 1): {
  readonly fake: Fake;
  readonly tasks: ThreadTasks;
  readonly blocks: LocalBlocks;
  readonly graph: Graph;
  readonly told: string[];
  order(tasks: readonly number[], runIds: readonly number[]): void;
} {
  const fake = new Fake();
  const executor = fake as unknown as Executor; // what is asked of one here
  const { layers, outputs } = chain(elements);
  const group = { id: 1, outputs: [0], listens: false };
  const run = new Run(
    {
      type: "run",
      groups: [group],
      layers,
      outputs,
      leastBytes: 0,
      memoryBytes: null,
      retries: 0,
      priority: 0,
      keeps: false,
    },
    () => false,
  );
  const blocks = new LocalBlocks(executor);
  blocks.add(run);
  const told: string[] = [];
  const tasks = new ThreadTasks(executor, blocks, {
    left: () => run.underWay--,
    finished: (ends: Finished) => told.push(...Array.from(ends.tasks, (id, k) => `${id} in ${ends.runIds[k]}`)),
    failed: ({ order, error }) => told.push(`${order.task} in ${order.runId}: ${error.message}`),
    turned: () => told.push("turn"),
  });
  const order = (ids: readonly number[], runIds: readonly number[]): void => {
    tasks.run({
      submission: 7,
      graph: run.graph,
      tasks: Uint32Array.from(ids),
      runIds: Uint32Array.from(runIds),
      ranks: Uint32Array.from(ids),
      priority: 0,
      generation: 7,
      fetchStart: new Uint32Array(ids.length + 1),
      fetchTasks: new Uint32Array(0),
      fetchFrom: new Uint32Array(0),
      addresses: [],
      stimulusId: "test",
    });
    tasks.start();
  };
  return { fake, tasks, blocks, graph: run.graph, told, order };
}

const turn = (): Promise<void> => Promise.resolve();
const ids = (tasks: readonly LaneTask[]): number[] => tasks.map(({ task }) => task);

test("start in the order of their ranks, one more than threads, and are told together", async () => {
  const { fake, tasks, told, order } = setUp();
  order([2, 0, 3, 1], [12, 10, 13, 11]);
  expect(ids(fake.atThreads)).toEqual([0, 1]);
  const [first, second] = [fake.end(), fake.end()];
  await turn();
  expect(told).toEqual(["0 in 10", "1 in 11", "turn"]);
  tasks.start();
  expect(ids(fake.atThreads)).toEqual([2, 3]);
  order([4, 5], [14, 15]);
  fake.end();
  fake.end();
  tasks.start();
  expect(fake.atThreads.map(({ inputs }) => inputs)).toEqual([[first], [second]]);
});

test("go ahead of threads by what those of their own layer took: each has its memory from then on", async () => {
  const { fake, tasks, order } = setUp();
  order([0, 1, 2, 3], [10, 11, 12, 13]);
  fake.end(1e-6);
  tasks.start();
  expect(ids(fake.atThreads)).toEqual([1, 2, 3]);
  order([4], [14]);
  expect(ids(fake.atThreads)).toEqual([1, 2, 3]);
  fake.end(1e-6);
  fake.end(1e-6);
  tasks.start();
  expect(ids(fake.atThreads)).toEqual([3, 4]);
  fake.end(1e-6);
  fake.end(1);
  order([5, 6, 7], [15, 16, 17]);
  expect(ids(fake.atThreads)).toEqual([5, 6]);
  await turn();
});

test("of much memory goes ahead what a plan counts with, however short they are; of less a MiB", async () => {
  for (const [elements, expected] of [
    [2 ** 19, [1, 2]],
    [2 ** 16, [1, 2, 3]],
  ] as const) {
    const { fake, tasks, order } = setUp(elements);
    order([0, 1, 2, 3], [10, 11, 12, 13]);
    fake.end(1e-6);
    tasks.start();
    expect(ids(fake.atThreads)).toEqual(expected);
    await turn();
  }
});

test("wait for an input that another one gives; one that nobody gives is a broken promise", async () => {
  const { fake, tasks, told, order } = setUp();
  order([4, 0], [14, 10]);
  expect(ids(fake.atThreads)).toEqual([0]);
  const input = fake.end();
  tasks.start();
  expect(ids(fake.atThreads)).toEqual([4]);
  expect(fake.atThreads[0]?.inputs).toEqual([input]);
  fake.end();
  await turn();
  expect(told).toEqual(["0 in 10", "4 in 14", "turn"]);
  expect(() => order([5], [15])).toThrow(/is not here, but a task needs it/);
});

test("that are freed before they start never do; of those that run the block goes", async () => {
  const { fake, tasks, blocks, graph, told, order } = setUp();
  order([0, 1, 2], [10, 11, 12]);
  tasks.free(7, graph, Uint32Array.of(0, 2));
  expect(ids(fake.cancelled)).toEqual([0]);
  const dropped = fake.end();
  const kept = fake.end();
  await turn();
  tasks.start();
  expect(fake.released).toEqual([dropped.id]);
  expect(fake.atThreads).toEqual([]);
  expect(told).toEqual(["1 in 11", "turn"]);
  tasks.free(7, graph, Uint32Array.of(1));
  expect(fake.released).toEqual([dropped.id, kept.id]);
  expect(blocks.isEmpty).toBe(true);
});

test("ordered again while an unwanted run of theirs is under way run once more, as the new attempt", async () => {
  const { fake, tasks, graph, told, order } = setUp();
  order([0], [10]);
  tasks.free(7, graph, Uint32Array.of(0));
  order([0], [20]);
  fake.end();
  await turn();
  tasks.start();
  expect(ids(fake.atThreads)).toEqual([0]);
  const block = fake.end();
  await turn();
  expect(told).toEqual(["turn", "0 in 20", "turn"]);
  order([0], [30]); // its block is here
  await turn();
  expect(told.slice(3)).toEqual(["0 in 30", "turn"]);
  expect(fake.released).toHaveLength(1);
  expect(fake.released).not.toContain(block.id);
});

test("that fail are told by their attempt, after what ended before them, and leave nothing", async () => {
  const { fake, blocks, graph, told, order } = setUp();
  order([0, 1], [10, 11]);
  fake.end();
  fake.fail();
  await turn();
  expect(told).toEqual(["0 in 10", "1 in 11: no such band", "turn"]);
  const layer = blocks.layer(graph.layer(0).name);
  expect([blockIn(layer?.get(0)) !== null, layer?.get(1)]).toEqual([true, undefined]);
});

test("a layer is gone with its last task, also when that outlives its graph", () => {
  const { fake, tasks, blocks, graph, order } = setUp();
  order([0], [10]);
  const { name } = graph.layer(0);
  expect(blocks.layer(name)?.size).toBe(1);
  const open = blocks.open(7, graph);
  blocks.forget(7);
  expect(blocks.layer(name)?.size).toBe(1);
  open.clear(0);
  expect(blocks.layer(name)).toBeUndefined();
  void [fake, tasks];
});
