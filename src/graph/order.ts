/** Ranks and edges of all tasks of a graph at once, for plans, simulations and small runs. */
import { GraphEdges } from "./edges.ts";
import type { Graph } from "./graph.ts";
import type { TaskEdges } from "./program-edges.ts";
import { TaskWalk } from "./walk.ts";

export type { TaskEdges } from "./program-edges.ts";

/** Edges of every task that the graph has. */
export function taskEdges(graph: Graph): TaskEdges {
  return new GraphEdges(graph).toColumns();
}

/** Tasks in the order in which one thread should run them; tasks that no output needs are left out. */
export function taskOrder(graph: Graph): Uint32Array {
  const walk = new TaskWalk(graph, graph.wanted().flat());
  const order = new Uint32Array(graph.taskCount);
  return order.subarray(0, walk.next(order, order.length + 1));
}
