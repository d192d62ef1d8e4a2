/** Live bytes of a graph while its tasks run in rank order, by simulation. */
import type { GraphEdges } from "./edges.ts";
import type { Graph, TaskId } from "./graph.ts";
import type { TaskNeeds } from "./needs.ts";
import type { TaskEdges } from "./order.ts";

/** Peaks of a simulated run, in bytes. */
export interface Peaks {
  readonly least: number;
  readonly largestTask: number;
  readonly largest: TaskId;
}

/** An order with what its tasks need of each other. */
export interface OrderedTasks {
  readonly order: Uint32Array;
  /** How many tasks of the order need each of them. */
  readonly users: Uint32Array;
  readonly edges: GraphEdges;
  readonly needs: TaskNeeds;
}

/** Live bytes while tasks run one at a time in rank order. Wanted results stay live to the end. */
export function peaksOf(graph: Graph, { order, users, edges, needs }: OrderedTasks): Peaks {
  const nbytes = new Float64Array(graph.taskCount);
  const uses = new Uint32Array(graph.taskCount);
  const need = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const t = order[i] as TaskId; // i < length
    const bytes = needs.of(edges.layerOf(t), t);
    nbytes[t] = bytes.nbytes;
    need[i] = bytes.need;
    uses[t] = users[i] as number; // one for each
  }
  for (const output of graph.outputs) {
    const base = graph.base(output);
    const end = base + graph.count(output);
    for (let t = base; t < end; t++) uses[t] = (uses[t] as number) + 1;
  }
  let [live, least, largestTask, largest] = [0, 0, 0, order[0] ?? 0];
  const inputs: TaskId[] = [];
  for (let i = 0; i < order.length; i++) {
    const t = order[i] as TaskId; // i < length
    const own = need[i] as number;
    least = Math.max(least, live + own);
    live += nbytes[t] as number;
    let read = 0;
    const count = edges.inputs(t, inputs);
    for (let k = 0; k < count; k++) {
      const d = inputs[k] as TaskId; // k < count
      read += nbytes[d] as number;
      uses[d] = (uses[d] as number) - 1;
      if (uses[d] === 0) live -= nbytes[d] as number;
    }
    if (own + read > largestTask) [largestTask, largest] = [own + read, t];
  }
  return { least, largestTask, largest };
}

/** The same from edges in columns and a workspace for each task, step by step: what tests compare with. */
export function simulatePeaks(graph: Graph, order: Uint32Array, edges: TaskEdges, workspace: Float64Array): Peaks {
  const uses = new Uint32Array(graph.taskCount);
  for (let t = 0; t < graph.taskCount; t++)
    uses[t] = (edges.dependentsStart[t + 1] as number) - (edges.dependentsStart[t] as number);
  for (const t of graph.wanted().flat()) uses[t] = (uses[t] as number) + 1;
  const isHeld = (t: TaskId): boolean => graph.layer(graph.locate(t).layer).kind === "held";
  const nbytes = (t: TaskId): number => (isHeld(t) ? 0 : graph.nbytes(t));
  const need = Float64Array.from(order, (t) => nbytes(t) + (workspace[t] as number));
  let [live, least, largestTask, largest] = [0, 0, 0, order[0] ?? 0];
  order.forEach((t, i) => {
    least = Math.max(least, live + (need[i] as number));
    let inputs = 0;
    live += nbytes(t);
    for (let e = edges.start[t] as number; e < (edges.start[t + 1] as number); e++) {
      const d = edges.dependencies[e] as number;
      inputs += nbytes(d);
      uses[d] = (uses[d] as number) - 1;
      if (uses[d] === 0) live -= nbytes(d);
    }
    if ((need[i] as number) + inputs > largestTask) [largestTask, largest] = [(need[i] as number) + inputs, t];
  });
  return { least, largestTask, largest };
}
