/** Peaks of an order against a plain simulation over edges in columns, task by task. */
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { GraphEdges } from "../../src/graph/edges.ts";
import { type Graph, simulatePeaks, taskEdges, taskOrder } from "../../src/graph/index.ts";
import { peaksOf } from "../../src/graph/peaks.ts";
import { TaskWalk } from "../../src/graph/walk.ts";
import { randomGraph } from "../sim/random-graph.ts";

/** Workspace of each task, by its program. */
function workspaceOf(graph: Graph): Float64Array {
  return Float64Array.from({ length: graph.taskCount }, (_, t) => graph.expand(t).spec.workspace);
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])("are those of a plain simulation (seed %i)", (seed) => {
  const graph = randomGraph(seededRandom(seed), { fuse: seed % 2 === 0 });
  const edges = new GraphEdges(graph);
  const walk = new TaskWalk(graph, graph.wanted().flat(), edges);
  const users = new Uint32Array(graph.taskCount);
  const order = new Uint32Array(graph.taskCount);
  expect(walk.next(order, order.length + 1, users)).toBe(order.length); // every task is needed
  expect(Array.from(order)).toEqual(Array.from(taskOrder(graph)));
  const peaks = peaksOf(graph, { order, users, edges, needs: walk.needs });
  expect(peaks).toEqual(simulatePeaks(graph, order, taskEdges(graph), workspaceOf(graph)));
  expect(peaks.least).toBe(walk.leastBytes);
});
