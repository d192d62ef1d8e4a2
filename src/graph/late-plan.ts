/** Plans of small graphs that are run at once: that they fit is seen at a glance, and nobody may ever ask for their figures. */
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import type { Graph } from "./graph.ts";
import { shapeOfChunks } from "./layer.ts";
import type { PlannedGraph } from "./make-plan.ts";
import type { TaskEdges } from "./order.ts";
import type { Plan, PlanLayer } from "./plan.ts";

/** Most tasks of such a graph. */
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
export function surelyFits(graph: Graph, memoryBytes: number): boolean {
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

/** A graph whose plan is made when it is asked for. */
export class LatePlanned implements PlannedGraph {
  readonly graph: Graph;
  readonly plan: Plan;
  readonly #make: () => PlannedGraph;
  #made: PlannedGraph | null = null;

  constructor(graph: Graph, make: () => PlannedGraph) {
    this.graph = graph;
    this.#make = make;
    this.plan = new LatePlan(
      () => this.#planned.plan,
      () => this.#made !== null,
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
 * Bytes that a run needs at the least, in memory for blocks; 0, which says that nobody knows, where the plan would have to
 * be made for it: the scheduler's own walk finds them.
 */
export function leastBytesIfMade(plan: Plan): number {
  return plan instanceof LatePlan && !plan.isMade ? 0 : plan.leastBytes;
}

class LatePlan implements Plan {
  readonly #plan: () => Plan;
  readonly #isMade: () => boolean;

  constructor(plan: () => Plan, isMade: () => boolean) {
    this.#plan = plan;
    this.#isMade = isMade;
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
