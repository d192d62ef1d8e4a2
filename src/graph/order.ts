/** Ranks of tasks: depth first, and whatever becomes ready runs at once, so that blocks die young. */
import { taskDependencies } from "./expand.ts";
import type { Graph, TaskId } from "./graph.ts";

/** Dependencies and dependents of all tasks, as compressed rows. */
export interface TaskEdges {
  /** `dependencies[start[t] … start[t + 1])`. */
  readonly start: Uint32Array;
  readonly dependencies: Uint32Array;
  readonly dependentsStart: Uint32Array;
  readonly dependents: Uint32Array;
}

/** Edges of every task that the graph has. */
export function taskEdges(graph: Graph): TaskEdges {
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
  const dependencies = flat.subarray(0, used);
  const dependentsStart = new Uint32Array(n + 1);
  for (const d of dependencies) dependentsStart[d + 1] = (dependentsStart[d + 1] as number) + 1;
  for (let t = 0; t < n; t++)
    dependentsStart[t + 1] = (dependentsStart[t + 1] as number) + (dependentsStart[t] as number);
  const dependents = new Uint32Array(used);
  const fill = dependentsStart.slice();
  for (let t = 0; t < n; t++) {
    for (let e = start[t] as number; e < (start[t + 1] as number); e++) {
      const d = dependencies[e] as number;
      dependents[fill[d] as number] = t;
      fill[d] = (fill[d] as number) + 1;
    }
  }
  return { start, dependencies, dependentsStart, dependents };
}

/** Tasks in the order in which one thread should run them; tasks that no output needs are left out. */
export function taskOrder(graph: Graph, edges: TaskEdges = taskEdges(graph)): Uint32Array {
  const n = graph.taskCount;
  const needed = neededTasks(graph, edges);
  const missing = new Uint32Array(n);
  for (let t = 0; t < n; t++) missing[t] = (edges.start[t + 1] as number) - (edges.start[t] as number);
  const state = new Uint8Array(n); // 0 new, 1 on the stack, 2 done
  const order = new Uint32Array(n);
  let count = 0;
  const finish = (first: TaskId): void => {
    // A finished task releases its dependents; those that are ready run now, before anything new is produced.
    const ready = [first];
    for (let t = ready.pop(); t !== undefined; t = ready.pop()) {
      if (state[t] === 2) continue;
      state[t] = 2;
      order[count++] = t;
      for (let e = (edges.dependentsStart[t + 1] as number) - 1; e >= (edges.dependentsStart[t] as number); e--) {
        const d = edges.dependents[e] as number;
        missing[d] = (missing[d] as number) - 1;
        if (missing[d] === 0 && needed[d] === 1) ready.push(d);
      }
    }
  };
  const stack: TaskId[] = [];
  for (const root of graph.wanted().flat()) {
    stack.push(root);
    while (stack.length > 0) {
      const t = stack[stack.length - 1] as number;
      if (state[t] === 2) stack.pop();
      else if (state[t] === 0) {
        state[t] = 1;
        for (let e = (edges.start[t + 1] as number) - 1; e >= (edges.start[t] as number); e--) {
          const d = edges.dependencies[e] as number;
          if (state[d] !== 2) stack.push(d);
        }
      } else {
        stack.pop();
        if (missing[t] === 0) finish(t);
      }
    }
  }
  return order.subarray(0, count);
}

function neededTasks(graph: Graph, edges: TaskEdges): Uint8Array {
  const needed = new Uint8Array(graph.taskCount);
  const stack = graph.wanted().flat();
  for (let t = stack.pop(); t !== undefined; t = stack.pop()) {
    if (needed[t] === 1) continue;
    needed[t] = 1;
    for (let e = edges.start[t] as number; e < (edges.start[t + 1] as number); e++)
      stack.push(edges.dependencies[e] as number);
  }
  return needed;
}
