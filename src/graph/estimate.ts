/** Figures of graphs too large to look at every task before they run: from the first tasks of the order and samples of each layer. */
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { GraphEdges } from "./edges.ts";
import type { Graph, TaskId } from "./graph.ts";
import { shapeOfChunks } from "./layer.ts";
import { TaskWalk } from "./walk.ts";

/** Graphs of more tasks are estimated. */
export const TASKS_EXACT = 200_000;
/** Tasks of the order that are looked at, and of each layer. */
const ORDER_TASKS = 16_384;
const LAYER_TASKS = 64;

/** What is known without a look at every task. */
interface Estimate {
  /** Tasks that the results need. */
  readonly tasks: number;
  /** Tasks of the order that the peaks come from. */
  readonly seen: number;
  readonly leastBytes: number;
  /** Most of one task: result and workspace; and with its inputs. */
  readonly largestNeed: number;
  readonly largestTask: number;
}

/** Peaks of the first tasks of the order. */
export function estimatePeaks(graph: Graph): Estimate {
  const edges = new GraphEdges(graph);
  const walk = new TaskWalk(graph, graph.wanted().flat(), edges);
  const first = new Uint32Array(ORDER_TASKS);
  const seen = walk.next(first, ORDER_TASKS);
  const inputs: TaskId[] = [];
  let [largestNeed, largestTask] = [0, 0];
  for (const task of [...first.subarray(0, seen), ...samples(graph).flat()]) {
    const { need } = walk.bytesOf(task);
    const count = edges.inputs(task, inputs);
    let bytes = need;
    for (let i = 0; i < count; i++) bytes += walk.bytesOf(inputs[i] as TaskId).nbytes; // i < count
    largestNeed = Math.max(largestNeed, need);
    largestTask = Math.max(largestTask, bytes);
  }
  const held = graph.layers.reduce((sum, { kind }, index) => sum + (kind === "held" ? graph.count(index) : 0), 0);
  return {
    tasks: walk.total - held,
    seen,
    leastBytes: Math.max(walk.leastBytes + resultsAfter(graph, first.subarray(0, seen)), largestTask),
    largestNeed,
    largestTask,
  };
}

/** Bytes of results that the first tasks have not made: they stay to the end. */
function resultsAfter(graph: Graph, first: Uint32Array): number {
  const outputs = new Set(graph.outputs);
  let bytes = 0;
  for (const output of outputs) {
    const { chunks, dtype, kind } = graph.layer(output);
    if (kind !== "held") bytes += sizeOf(shapeOfChunks(chunks)) * itemsize(dtype);
  }
  for (const task of first) if (outputs.has(graph.locate(task).layer)) bytes -= graph.nbytes(task);
  return Math.max(0, bytes);
}

/** Some tasks of each layer, evenly spaced. */
export function samples(graph: Graph): TaskId[][] {
  return graph.layers.map((layer, index) => {
    if (layer.inline || layer.kind === "held") return [];
    const count = graph.count(index);
    const many = Math.min(count, LAYER_TASKS);
    return Array.from({ length: many }, (_, i) => graph.base(index) + Math.floor((i * count) / many));
  });
}
