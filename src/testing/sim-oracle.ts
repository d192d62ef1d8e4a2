/** What a graph must give, whoever runs it: the oracle of simulations. */
import { type Graph, type Key, simulatePeaks, taskEdges, taskOrder } from "../graph/index.ts";

/** Least bytes that a graph can run in: one task at a time in rank order. */
export function leastBytes(graph: Graph): number {
  const edges = taskEdges(graph);
  const workspace = Float64Array.from({ length: graph.taskCount }, (_, task) => graph.expand(task).spec.workspace);
  return simulatePeaks(graph, taskOrder(graph), edges, workspace).least;
}

/** The values that one task after another in rank order would give. */
export function simValue(graph: Graph): Map<Key, number> {
  const values = new Map<Key, number>();
  for (const task of taskOrder(graph)) {
    const inputs = graph.expand(task).dependencies.map((dependency) => values.get(graph.key(dependency)) as number); // ranked before
    values.set(graph.key(task), simValueOf(graph.key(task), inputs));
  }
  return values;
}

/** Tasks among the wanted ones that cannot succeed when tasks of these keys fail. */
export function simDoomed(graph: Graph, fails: (key: Key) => boolean): Set<Key> {
  const doomed = new Set<Key>();
  for (const task of taskOrder(graph)) {
    const key = graph.key(task);
    if (fails(key) || graph.expand(task).dependencies.some((dependency) => doomed.has(graph.key(dependency))))
      doomed.add(key);
  }
  return doomed;
}

/** Value of a task from its key and its inputs' values: a 32-bit hash. */
export function simValueOf(key: Key, inputs: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  for (const input of inputs) hash = Math.imul(hash ^ input, 0x01000193) ^ (hash >>> 15);
  return hash >>> 0;
}
