/** Tasks of graphs on the executor: programs that tasks share are their own, and what runs by them gives the same bits. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import {
  createExecutor,
  type Executor,
  type Programs,
  runTaskSync,
  type TaskOutcome,
} from "../../src/executor/index.ts";
import { Programs as ProgramsOf } from "../../src/executor/programs.ts";
import {
  arangeNode,
  blockwiseNode,
  buildGraph,
  Graph,
  type Layer,
  literalNode,
  reduceNode,
  type TaskId,
  transposeNode,
} from "../../src/graph/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { randomGraph, sumCall } from "../sim/random-graph.ts";

const FLOAT32 = new Uint8Array(Float32Array.of(1.5).buffer);
const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

/** Ones of odd chunks, doubled, and summed over one axis or both. */
function tree(chunks: readonly (readonly number[])[], reduced: readonly number[]): Graph {
  const ones = literalNode("ones", "float32", chunks, FLOAT32);
  const axes = chunks.map((_, k) => k);
  const twice = blockwiseNode(
    "twice",
    sumCall(2),
    [
      { layer: ones, axes },
      { layer: ones, axes },
    ],
    chunks,
  );
  const sum = reduceNode("sum", sumCall(1), SUM, [{ layer: twice, axes }], chunks, {
    reduced,
    keepdims: false,
    splitEvery: 3,
  });
  return buildGraph([sum, twice]);
}

const CHUNKS = [
  [4, 4, 4, 4, 4, 4, 4, 2],
  [3, 5, 5, 3, 1, 5],
];
const GRAPHS: readonly (readonly [string, Graph])[] = [
  ["sum of all", tree(CHUNKS, [0, 1])],
  ["sum along one axis", tree(CHUNKS, [1])],
  ["sum of regular chunks", tree([new Array<number>(30).fill(2)], [0])],
  ...Array.from(
    { length: 40 },
    (_, seed) => [`random ${seed}`, randomGraph(seededRandom(seed + 1), { fuse: true })] as const,
  ),
];

describe("programs", () => {
  test.each(GRAPHS)("a shared program is the one of the task: %s", (_, graph) => {
    const programs = new ProgramsOf(graph, () => false);
    for (let task = 0; task < graph.taskCount; task++) {
      const { spec, inputs, isShared } = programs.of(task);
      const expanded = graph.expand(task);
      expect(spec).toEqual(expanded.spec);
      if (isShared)
        expect(inputs).toEqual(
          expanded.dependencies.map((input) => {
            const { layer, index } = graph.locate(input);
            const { dtype } = graph.layer(layer);
            return { dtype, shape: graph.blockShape(layer, graph.position(layer, index)) };
          }),
        );
    }
  });

  test("tasks that look alike share one: a thousand of a tree have a few", () => {
    const graph = tree([new Array<number>(1000).fill(2)], [0]);
    const programs = new ProgramsOf(graph, () => false);
    const all = Array.from({ length: graph.taskCount }, (_, task) => programs.of(task));
    expect(graph.taskCount).toBeGreaterThan(1300);
    expect(all.every(({ isShared }) => isShared)).toBe(true);
    expect(new Set(all).size).toBeLessThan(20);
  });

  test("a block that meets itself on the diagonal has another program than its neighbours", () => {
    const chunks = [
      [2, 2],
      [2, 2],
    ];
    const layer = literalNode(
      "x",
      "float32",
      chunks,
      new Uint8Array(Float32Array.from({ length: 16 }, (_, i) => i).buffer),
    );
    const graph = new Graph(
      [
        { ...layer.layer, inline: false } as Layer,
        {
          kind: "blockwise",
          name: "y",
          dtype: "float32",
          chunks,
          call: sumCall(2),
          inputs: [
            { layer: 0, axes: [0, 1] },
            { layer: 0, axes: [1, 0] },
          ],
          inline: false,
        },
      ],
      [1],
    );
    const programs = new ProgramsOf(graph, () => false);
    expect(Array.from({ length: 4 }, (_, i) => programs.of(4 + i).spec.inputs)).toEqual([1, 2, 2, 1]);
  });
});

describe("on threads", () => {
  let executor: Executor;
  beforeAll(() => {
    executor = createExecutor({ threads: 2, budgetBytes: 32e6 });
  });
  afterAll(async () => executor[Symbol.asyncDispose]());

  const submit = (programs: Programs, task: TaskId, inputs: Parameters<Executor["submitOf"]>[0]["inputs"]) =>
    new Promise<TaskOutcome>((done) => executor.submitOf({ programs, task, inputs, done }));

  /** All blocks of a graph whose tasks are numbered after their inputs, by this executor and one after another here. */
  async function runBoth(graph: Graph): Promise<void> {
    const programs = executor.open(graph, () => false);
    const outcomes: Promise<TaskOutcome>[] = [];
    const plain: NDArray[] = [];
    for (let task = 0; task < graph.taskCount; task++) {
      const { dependencies, spec } = graph.expand(task);
      const inputs = await Promise.all(dependencies.map((input) => outcomes[input] as Promise<TaskOutcome>));
      outcomes.push(
        submit(
          programs,
          task,
          inputs.map((o) => (o.status === "ok" ? o.output : { value: null })),
        ),
      );
      plain.push(
        runTaskSync(
          spec,
          dependencies.map((input) => plain[input]),
        ) as NDArray,
      );
    }
    for (const [task, promise] of outcomes.entries()) {
      const outcome = await promise;
      if (outcome.status !== "ok") throw new Error(`task ${task}: ${JSON.stringify(outcome)}`);
      expect(executor.view(outcome.output).data, `task ${task}`).toEqual(plain[task]?.data);
      executor.release(outcome.output);
    }
    executor.close(programs);
  }

  test.each(GRAPHS.slice(0, 3))("gives the bits of the sequential interpreter: %s", async (_, graph) => {
    await runBoth(graph);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
  });

  test("tasks of programs of their own go the usual way, with the same outcome", async () => {
    await runBoth(buildGraph([transposeNode(arangeNode("int32", [[4, 4, 1]], 3, 2), [0])]));
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
  });

  test("more tasks than there are slots end, each with its own result", async () => {
    const graph = tree([new Array<number>(3000).fill(1)], [0]);
    await runBoth(graph);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
  });

  test("an aborted graph's tasks are cancelled, and nothing is left", async () => {
    const graph = tree([new Array<number>(600).fill(4000)], [0]);
    const stop = new AbortController();
    const programs = executor.open(graph, () => false, stop.signal);
    const sources = Array.from({ length: graph.taskCount }, (_, task) => task).filter(
      (task) => graph.expand(task).dependencies.length === 0,
    );
    const outcomes = sources.map((task) => submit(programs, task, []));
    stop.abort();
    const ends = await Promise.all(outcomes);
    expect(ends.filter(({ status }) => status === "cancelled").length).toBeGreaterThan(0);
    for (const end of ends) if (end.status === "ok") executor.release(end.output);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
    executor.close(programs);
  });

  test("a formula that fails is an error of its task", async () => {
    const graph = tree([[2, 2]], [0]);
    const programs = executor.open(graph, () => false);
    const outcome = await submit(programs, graph.taskCount + 5, []);
    expect(outcome).toMatchObject({ status: "error" });
    executor.close(programs);
  });
});
