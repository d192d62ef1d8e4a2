/** Plans of graphs that are too large to look at every task. */
import { expect, test } from "vitest";
import { estimatePeaks, TASKS_EXACT } from "../../src/graph/estimate.ts";
import { blockwiseNode, type Graph, planGraph, reduceNode, sourceNode, taskOrder } from "../../src/graph/index.ts";
import { TaskWalk } from "../../src/graph/walk.ts";
import { graphOf, sumCall } from "../sim/random-graph.ts";

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

function sumOf(side: number): Graph {
  const chunks = [new Array<number>(side).fill(4), new Array<number>(side).fill(4)];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 10 });
  return graphOf([
    reduceNode("sum", sumCall(1), SUM, [{ layer: source, axes: [0, 1] }], chunks, {
      reduced: [0, 1],
      keepdims: false,
      splitEvery: 4,
    }),
  ]);
}

test("the peaks of a tree are those of its whole order within the depth that was not seen", () => {
  const graph = sumOf(200);
  const { leastBytes, tasks, seen } = estimatePeaks(graph);
  const walk = new TaskWalk(graph, graph.wanted().flat());
  const order = new Uint32Array(graph.taskCount);
  expect(walk.next(order, order.length)).toBe(tasks);
  expect(tasks).toBe(taskOrder(graph).length);
  expect(seen).toBeLessThan(tasks);
  expect(leastBytes).toBeLessThanOrEqual(walk.leastBytes);
  expect(leastBytes).toBeGreaterThan(walk.leastBytes * 0.7);
});

test("results that stay count, also those that the first tasks do not make", () => {
  const side = 460;
  const chunks = [new Array<number>(side).fill(2), new Array<number>(side).fill(2)];
  const cost = { bytes: 16, requests: 1 };
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const twice = blockwiseNode("twice", sumCall(1), [{ layer: source, axes: [0, 1] }], chunks);
  const { plan } = planGraph([twice], { threads: 2, memoryBytes: 1e9, readCost: () => cost });
  expect(plan.tasks).toBe(side * side);
  expect(plan.tasks).toBeGreaterThan(TASKS_EXACT);
  expect(plan.bytesRead).toBe(side * side * 16);
  expect(plan.requests).toBe(side * side);
  const results = side * side * 4 * 4;
  expect(plan.leastBytes).toBeGreaterThanOrEqual(results);
  expect(plan.leastBytes).toBeLessThan(results * 1.01);
  expect(plan.warnings.join()).toMatch(/^estimated: peaks from the first 16384 of 211600 tasks/);
});
