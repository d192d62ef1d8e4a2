/**
 * Plans of graphs that are run at once and are small beside the memory: that they fit is seen layer by layer, and nobody may
 * ever ask for their figures.
 */
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import type { Graph } from "./graph.ts";
import { shapeOfChunks } from "./layer.ts";
import type { PlannedGraph } from "./make-plan.ts";
import { TaskNeeds } from "./needs.ts";
import type { TaskEdges } from "./order.ts";
import type { Plan, PlanLayer } from "./plan.ts";

/** Most tasks of a graph that is looked at without its programs. */
const TASKS_MAX = 64;
/** Beyond the bytes of a block: alignment and slack of its place in a workspace, twice. */
const BLOCK_SLACK_BYTES = 256;

/** Kinds whose programs need what their layers tell; reads and writes have costs of their own. */
const KINDS: ReadonlySet<string> = new Set(
  "held literal arange blockwise reduce combine gather select apply take coarsen".split(" "),
);

/**
 * True where all tasks of the graph, each with a workspace that holds every block of every layer twice, fit the memory at
 * once: then no order and no number of threads needs more. False says nothing.
 */
function fitsAtAGlance(graph: Graph, memoryBytes: number): boolean {
  const { layers, taskCount } = graph;
  if (taskCount > TASKS_MAX) return false;
  let bytes = 0;
  let scratchBytes = 0;
  for (let index = 0; index < layers.length; index++) {
    const layer = graph.layer(index);
    if (!KINDS.has(layer.kind)) return false;
    // Twice: partials that are folded in a task have sums between them, each as large as a partial.
    if (layer.kind !== "held")
      bytes += 2 * sizeOf(shapeOfChunks(layer.chunks)) * itemsize(layer.dtype) + graph.count(index) * BLOCK_SLACK_BYTES;
    if (layer.kind === "apply") scratchBytes = Math.max(scratchBytes, layer.scratchBytes);
  }
  return (taskCount + 1) * (bytes + scratchBytes) <= memoryBytes;
}

/** Part of the memory that larger graphs may take, all tasks at once. */
const ALL_SHARE = 1 / 4;

/** Bytes of all tasks of a graph at once; null where they are not the same throughout their layers, or more than `most`. */
function bytesOfAll(graph: Graph, most: number): number | null {
  const needs = new TaskNeeds(graph);
  let bytes = 0;
  for (let index = 0; index < graph.layers.length; index++) {
    const layer = graph.layer(index);
    if (layer.kind === "calls") return null; // what calls give is as large as it is
    if (layer.inline) continue;
    const need = needs.most(index);
    if (need === null) return null;
    bytes += graph.count(index) * need;
    if (bytes > most) return null;
  }
  return bytes;
}

/**
 * Null where there may be a doubt that the graph fits the memory, in whatever order, on however many threads; else bytes
 * within which it does, 0 where it is too small for anybody to count them.
 */
export function surelyFits(graph: Graph, memoryBytes: number): number | null {
  if (fitsAtAGlance(graph, memoryBytes)) return 0;
  return graph.taskCount > TASKS_MAX ? bytesOfAll(graph, memoryBytes * ALL_SHARE) : null;
}

/** A graph whose plan is made when it is asked for. */
export class LatePlanned implements PlannedGraph {
  readonly graph: Graph;
  readonly plan: Plan;
  readonly #make: () => PlannedGraph;
  #made: PlannedGraph | null = null;

  /** @param atMostBytes as {@link surelyFits} tells them */
  constructor(graph: Graph, atMostBytes: number, make: () => PlannedGraph) {
    this.graph = graph;
    this.#make = make;
    this.plan = new LatePlan(
      () => this.#planned.plan,
      () => this.#made !== null,
      atMostBytes,
    );
  }

  get #planned(): PlannedGraph {
    this.#made ??= this.#make();
    return this.#made;
  }

  get edges(): TaskEdges {
    return this.#planned.edges;
  }

  get order(): Uint32Array {
    return this.#planned.order;
  }
}

/**
 * Bytes that a run needs at the least, in memory for blocks. Where the plan would have to be made for it, those of all tasks
 * at once, which are few; 0, which says that nobody knows, of a small graph: the scheduler's own walk finds them.
 */
export function leastBytesIfMade(plan: Plan): number {
  return plan instanceof LatePlan && !plan.isMade ? plan.atMostBytes : plan.leastBytes;
}

class LatePlan implements Plan {
  readonly #plan: () => Plan;
  readonly #isMade: () => boolean;
  readonly atMostBytes: number;

  constructor(plan: () => Plan, isMade: () => boolean, atMostBytes: number) {
    this.#plan = plan;
    this.#isMade = isMade;
    this.atMostBytes = atMostBytes;
  }

  get isMade(): boolean {
    return this.#isMade();
  }

  get tasks(): number {
    return this.#plan().tasks;
  }
  get bytesRead(): number {
    return this.#plan().bytesRead;
  }
  get requests(): number {
    return this.#plan().requests;
  }
  get bytesMoved(): number {
    return this.#plan().bytesMoved;
  }
  get bytesSpilled(): number {
    return this.#plan().bytesSpilled;
  }
  get peakWorkerBytes(): number {
    return this.#plan().peakWorkerBytes;
  }
  get leastBytes(): number {
    return this.#plan().leastBytes;
  }
  get largestTaskBytes(): number {
    return this.#plan().largestTaskBytes;
  }
  get kernels(): number {
    return this.#plan().kernels;
  }
  get warnings(): readonly string[] {
    return this.#plan().warnings;
  }
  get layers(): readonly PlanLayer[] {
    return this.#plan().layers;
  }
  toString(): string {
    return this.#plan().toString();
  }
}
