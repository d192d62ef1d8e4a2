/** The plain runner: one task after another in rank order, with a function that executes. Oracle of all simulations. */
import type { NDArray } from "../ndarray/index.ts";
import type { Graph, TaskId } from "./graph.ts";
import type { Key } from "./keys.ts";
import { taskEdges, taskOrder } from "./order.ts";
import type { TaskSpec } from "./task.ts";

/** Runs one program on its dependencies' blocks. */
export type Execute = (spec: TaskSpec, inputs: readonly NDArray[], key: Key) => NDArray | Promise<NDArray>;

/** All outputs' blocks, in output order and C order of each grid; blocks no longer needed are dropped as it goes. */
export async function runSequential(graph: Graph, execute: Execute): Promise<NDArray[][]> {
  const edges = taskEdges(graph);
  const wanted = graph.wanted();
  const uses = new Map<TaskId, number>();
  for (const t of [...edges.dependencies, ...wanted.flat()]) uses.set(t, (uses.get(t) ?? 0) + 1);
  const blocks = new Map<TaskId, NDArray>();
  for (const t of taskOrder(graph)) {
    const { dependencies, spec } = graph.expand(t);
    const inputs = dependencies.map((d) => blocks.get(d) as NDArray); // order runs dependencies first
    blocks.set(t, await execute(spec, inputs, graph.key(t)));
    for (const d of dependencies) {
      const left = (uses.get(d) ?? 0) - 1;
      uses.set(d, left);
      if (left === 0) blocks.delete(d);
    }
  }
  return wanted.map((tasks) => tasks.map((t) => blocks.get(t) as NDArray));
}
