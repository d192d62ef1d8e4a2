/** Edges of all tasks, asked of their programs one by one: where formulas do not reach, and their oracle in tests. */
import { callRows } from "./calls.ts";
import { taskDependencies } from "./expand.ts";
import type { Graph } from "./graph.ts";

/** Dependencies and dependents of all tasks, as compressed rows. */
export interface TaskEdges {
  /** `dependencies[start[t] … start[t + 1])`. */
  readonly start: Uint32Array;
  readonly dependencies: Uint32Array;
  readonly dependentsStart: Uint32Array;
  readonly dependents: Uint32Array;
}

/** Edges of every task that the graph has. */
export function programEdges(graph: Graph): TaskEdges {
  const { start, dependencies } = callRows(graph.layers, graph.taskCount) ?? programRows(graph);
  return { start, dependencies, ...invert(start, dependencies) };
}

type Rows = Pick<TaskEdges, "start" | "dependencies">;

function programRows(graph: Graph): Rows {
  const n = graph.taskCount;
  const start = new Uint32Array(n + 1);
  let flat = new Uint32Array(Math.max(16, n * 2));
  let used = 0;
  graph.layers.forEach((layer, l) => {
    if (layer.inline) return;
    for (let i = 0; i < graph.count(l); i++) {
      const deps = taskDependencies(graph, l, i);
      if (used + deps.length > flat.length) {
        const larger = new Uint32Array(Math.max(flat.length * 2, used + deps.length));
        larger.set(flat);
        flat = larger;
      }
      flat.set(deps, used);
      used += deps.length;
      start[graph.base(l) + i + 1] = used;
    }
  });
  return { start, dependencies: flat.subarray(0, used) };
}

function invert(start: Uint32Array, dependencies: Uint32Array): Omit<TaskEdges, keyof Rows> {
  const n = start.length - 1;
  const dependentsStart = new Uint32Array(n + 1);
  for (const d of dependencies) dependentsStart[d + 1] = (dependentsStart[d + 1] as number) + 1;
  for (let t = 0; t < n; t++)
    dependentsStart[t + 1] = (dependentsStart[t + 1] as number) + (dependentsStart[t] as number);
  const dependents = new Uint32Array(dependencies.length);
  const fill = dependentsStart.slice();
  for (let t = 0; t < n; t++) {
    for (let e = start[t] as number; e < (start[t + 1] as number); e++) {
      const d = dependencies[e] as number;
      dependents[fill[d] as number] = t;
      fill[d] = (fill[d] as number) + 1;
    }
  }
  return { dependentsStart, dependents };
}
