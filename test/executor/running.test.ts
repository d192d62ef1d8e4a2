/** What threads run at a moment, by each of the ways that a task goes; and stacks of what they ran. */
import { afterAll, expect, test } from "vitest";
import { createExecutor, type Executor, type LaneTask, type RunningTask } from "../../src/executor/index.ts";
import { samplesOf } from "../../src/executor/stacks.ts";
import {
  buildGraph,
  CallsBuilder,
  Graph,
  keyOfValue,
  literalNode,
  reduceNode,
  showKey,
  type TaskSpec,
} from "../../src/graph/index.ts";
import { sumCall } from "../sim/random-graph.ts";

const executor = createExecutor({ threads: 2, budgetBytes: 64 * 2 ** 20 });
afterAll(() => executor[Symbol.asyncDispose]());

const SPIN = "function spin(ms) { const end = performance.now() + ms; while (performance.now() < end); return ms; }";

function callSpec(ms: number): TaskSpec {
  return {
    v: 1,
    inputs: 0,
    steps: [{ do: "call", dtype: "float64", shape: [], text: SPIN, inputs: [], args: [ms], mac: null }],
    out: { dtype: "float64", shape: [], nbytes: 8 },
    workspace: 0,
    scratch: 0,
  };
}

/** What was seen to run until `ended`. */
async function seenUntil(ended: Promise<unknown>): Promise<RunningTask[]> {
  const seen: RunningTask[] = [];
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const now = executor.running();
    expect(new Set(now.map(({ thread }) => thread)).size).toBe(now.length);
    seen.push(...now);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return seen;
}

test("nothing, where nothing runs", () => {
  expect(executor.running()).toEqual([]);
});

test("single tasks: each thread has at most one", async () => {
  const specs = [60, 80].map(callSpec);
  const seen = await seenUntil(
    Promise.all(
      specs.map((spec, k) => executor.run({ key: keyOfValue(`spin-${k}`), spec, inputs: [], trusted: true })),
    ),
  );
  expect(new Set(seen.map(({ key }) => key))).toEqual(new Set(["spin-0", "spin-1"]));
  for (const { key, program } of seen) expect(program).toBe(specs[key === "spin-0" ? 0 : 1]);
  expect(executor.running()).toEqual([]);
});

/** Run the tasks of a graph, and tell what was seen. */
async function ofGraph(graph: Graph, tasks: readonly number[]): Promise<RunningTask[]> {
  const programs = executor.open(graph, () => true);
  const ends = tasks.map(
    (task) =>
      new Promise((resolve) => {
        const done: LaneTask["done"] = (outcome) => {
          if (outcome.status === "ok") executor.release(outcome.output);
          resolve(outcome.status);
        };
        const lane: LaneTask = { programs, task, inputs: [], done };
        executor.submitOf(lane);
      }),
  );
  const seen = await seenUntil(Promise.all(ends));
  expect(await Promise.all(ends)).not.toContain("error");
  executor.close(programs);
  return seen;
}

test("calls in columns: the text of the function", async () => {
  const builder = new CallsBuilder();
  builder.add({ key: keyOfValue("column-1"), text: SPIN, args: [60], inputs: [] });
  const seen = await ofGraph(new Graph([{ ...builder.build("calls", null), inline: false }], [0]), [0]);
  expect(new Set(seen.map(({ key }) => key))).toEqual(new Set(["column-1"]));
  expect(new Set(seen.map(({ program }) => program))).toEqual(new Set([SPIN]));
});

test("shared programs: the tasks of a layer have one", async () => {
  const chunks = [new Array<number>(8).fill(2_000_000)];
  const ones = literalNode("ones", "float64", chunks, new Uint8Array(Float64Array.of(1).buffer));
  const spec = { op: "std", from: "float64", dtype: "float64", ddof: 0, minCount: 0, empty: null } as const;
  const options = { reduced: [0], keepdims: false, splitEvery: 8 };
  const graph = buildGraph([reduceNode("std", sumCall(1), spec, [{ layer: ones, axes: [0] }], chunks, options)]);
  const inputs = Array.from({ length: graph.taskCount }, (_, k) => k).filter(
    (k) => graph.expand(k).dependencies.length === 0,
  );
  const seen = await ofGraph(graph, inputs);
  expect(seen.length).toBeGreaterThan(0);
  for (const { key } of seen) expect(showKey(key)).toMatch(/^\('std/);
  expect(new Set(seen.map(({ program }) => program)).size).toBe(1);
});

test("stacks begin below what runs tasks, and waiting has none", () => {
  const url = "file:///x/src/executor/thread.ts";
  const node = (id: number, functionName: string, children: number[], at = "", lineNumber = 9) => ({
    id,
    callFrame: { functionName, url: at, lineNumber, columnNumber: 0, scriptId: "1" },
    children,
  });
  const nodes = [
    node(1, "(root)", [2, 8, 9]),
    node(2, "main", [3, 4], url),
    node(3, "take", [], "file:///x/src/executor/ring.ts"),
    node(4, "serveMessage", [5], url),
    node(5, "callText", [6], "file:///x/src/executor/steps-call.ts"),
    node(6, "mine", [7], "", 2),
    node(7, "push", [], "", -1),
    node(8, "(idle)", []),
    node(9, "mine", [], "", 2),
  ];
  const profile = {
    nodes,
    startTime: 1_000,
    endTime: 2_000,
    samples: [3, 6, 7, 8, 5, 9],
    timeDeltas: [1, 2, 3, 4, 5, 6],
  };
  const mine = { name: "mine", url: "", line: 1 };
  expect(samplesOf(profile)).toEqual({
    stacks: [[mine], [mine, { name: "push", url: "", line: 0 }], [mine]],
    microseconds: [1_003, 1_006, 1_021],
  });
});

test("stacks are handed over by a thread that rests, and only where they are asked for", async () => {
  const found = async (of: Executor, looks: number): Promise<string[]> => {
    await of.run({ key: keyOfValue("spin"), spec: callSpec(100), inputs: [], trusted: true });
    for (let k = 0; k < looks; k++) {
      const stacks = of.takeStacks().flatMap(({ samples }) => samples.stacks);
      if (stacks.length > 0) return stacks.map((stack) => stack[0]?.name ?? "");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return [];
  };
  await using sampled = createExecutor({
    threads: 1,
    budgetBytes: 2 ** 20,
    stacks: { intervalMs: 2, cycleMs: 1_000 },
  });
  expect(await found(sampled, 300)).toContain("spin");
  expect(await found(executor, 10)).toEqual([]);
});
