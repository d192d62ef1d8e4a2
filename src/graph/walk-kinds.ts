/** What tasks of one layer and of the same bytes have in common, by number: a walk asks for it at every task. */
import { type EdgeRows, lineShape, NO_SHAPE, type Strides, sizeOfShape } from "./edge-rows.ts";
import { type GraphEdges, MANY_LINKS, NO_LINKS } from "./edges.ts";
import type { TaskId } from "./graph.ts";
import { type TaskBytes, TaskNeeds } from "./needs.ts";
import { NOTHING } from "./placed-rows.ts";

/** Tasks of a page. */
export const PAGE_BITS = 7;
const PAGE = 1 << PAGE_BITS;
/**
 * Of each task of a page there are first its word and its kind; then first and shape of its inputs and of its dependents,
 * unless edges are columns.
 */
export const LINKS: number = 2 * PAGE;
export const PAGE_WORDS: number = 6 * PAGE;

/** A task whose block is so many times smaller than its inputs gathers: the sooner it runs, the less lives. */
const GATHERS = 4;

/** Tasks of one layer that take the same bytes. */
export interface WalkKind {
  readonly layer: WalkLayer;
  readonly nbytes: number;
  /** Of result and workspace. */
  readonly need: number;
  /** Their programs cannot be made. */
  readonly isNothing: boolean;
}

const NO_STRIDES: Strides = { line: 0, plane: 0 };

/** One layer. */
export class WalkLayer {
  readonly index: number;
  readonly inputAway: number;
  readonly userAway: number;
  /** Formulas of its tasks' inputs and dependents where there is one that tells many. */
  readonly inputs: EdgeRows | null;
  readonly users: EdgeRows | null;
  readonly inputStrides: Strides;
  readonly userStrides: Strides;
  /** Formulas tell inputs in the order of programs. */
  readonly isInOrder: boolean;
  /** All its tasks are results. */
  readonly isWanted: boolean;
  /** Number of the only kind, if all its tasks take the same bytes; null: they do not; undefined: not asked yet. */
  only: number | null | undefined = undefined;
  /** Number of the kind that was found last. */
  last = -1;
  /** By bytes of the result, and of result and workspace. */
  readonly byBytes: Map<number, Map<number, number>> = new Map();
  nothing = -1;
  /** Its blocks are much smaller than what they are made of, as its first one tells; undefined: not looked yet. */
  gathers: boolean | undefined = undefined;

  constructor(index: number, edges: GraphEdges, isWanted: boolean) {
    this.index = index;
    this.inputAway = edges.inputAway[index] as number; // one per layer
    this.userAway = edges.userAway[index] as number;
    this.inputs = this.inputAway === MANY_LINKS ? edges.inputRows(index) : null;
    this.isInOrder = this.inputAway !== MANY_LINKS || edges.isInOrder(index);
    this.users = this.userAway === MANY_LINKS ? edges.userRows(index) : null;
    this.inputStrides = this.inputs?.strides ?? NO_STRIDES;
    this.userStrides = this.users?.strides ?? NO_STRIDES;
    this.isWanted = isWanted;
  }
}

/** The kinds of a graph's tasks; numbers are given as tasks are asked for. */
export class WalkKinds {
  readonly needs: TaskNeeds;
  /** By number. */
  readonly kinds: WalkKind[] = [];
  readonly layers: readonly WalkLayer[];
  readonly #edges: GraphEdges;

  constructor(edges: GraphEdges) {
    const { graph } = edges;
    this.needs = new TaskNeeds(graph);
    this.#edges = edges;
    const outputs = new Set(graph.outputs);
    this.layers = graph.layers.map((_, index) => new WalkLayer(index, edges, outputs.has(index)));
  }

  /** Of all tasks of a layer; null: their bytes are not all the same. */
  ofAll(layer: WalkLayer): number | null {
    if (layer.only === undefined) {
      const bytes = this.#readAll(layer.index);
      layer.only = bytes === null ? null : this.#add(layer, bytes);
    }
    return layer.only;
  }

  /** Of a task of a layer. */
  of(task: TaskId, layer: WalkLayer): number {
    const only = this.ofAll(layer);
    if (only !== null) return only;
    const bytes = this.#read(task, layer.index);
    const last = this.kinds[layer.last];
    if (last && last.nbytes === bytes.nbytes && last.need === bytes.need && !last.isNothing && bytes !== NOTHING)
      return layer.last;
    layer.last = this.#find(layer, bytes);
    return layer.last;
  }

  #find(layer: WalkLayer, bytes: TaskBytes): number {
    if (bytes === NOTHING) {
      if (layer.nothing < 0) layer.nothing = this.#add(layer, bytes);
      return layer.nothing;
    }
    let byNeed = layer.byBytes.get(bytes.nbytes);
    if (!byNeed) {
      byNeed = new Map();
      layer.byBytes.set(bytes.nbytes, byNeed);
    }
    const known = byNeed.get(bytes.need);
    if (known !== undefined) return known;
    const kind = this.#add(layer, bytes);
    byNeed.set(bytes.need, kind);
    return kind;
  }

  #add(layer: WalkLayer, bytes: TaskBytes): number {
    const { nbytes, need } = bytes;
    return this.kinds.push({ layer, nbytes, need, isNothing: bytes === NOTHING }) - 1;
  }

  layerOf(task: TaskId): WalkLayer {
    return this.layers[this.#edges.layerOf(task)] as WalkLayer; // one per layer
  }

  /** Bytes of a task; none where its program cannot be made. */
  bytesOf(task: TaskId): TaskBytes {
    return this.kinds[this.of(task, this.layerOf(task))] as WalkKind; // a number that was given
  }

  /** Note in a page what is known of its tasks, so many from one on, before any has its place; see {@link LINKS}. */
  fillPage(page: Int32Array, first: TaskId, count: number): void {
    const { graph } = this.#edges;
    for (let task = first; task < first + count; ) {
      const layer = this.layerOf(task);
      const end = Math.min(first + count, graph.base(layer.index) + graph.count(layer.index));
      this.#fill(page, layer, { first, from: task, to: end });
      task = end;
    }
  }

  #fill(
    page: Int32Array,
    layer: WalkLayer,
    { first, from, to }: { readonly first: TaskId; readonly from: TaskId; readonly to: TaskId },
  ): void {
    const only = this.ofAll(layer);
    const { columns } = this.#edges;
    if (columns !== null) {
      for (let task = from; task < to; task++) {
        const at = 2 * (task - first);
        page[at] = 1 + (columns.start[task + 1] as number) - (columns.start[task] as number); // a task of the graph
        page[at + 1] = only ?? this.of(task, layer);
      }
      return;
    }
    const links = LINKS + 4 * (from - first);
    link(page, links, layer.inputAway, layer.inputs, from, to);
    link(page, links + 2, layer.userAway, layer.users, from, to);
    for (let task = from; task < to; task++) {
      const at = 2 * (task - first);
      const shape = page[LINKS + 2 * at + 1] as number; // within the page
      page[at] = 1 + (shape === NO_SHAPE ? this.#edges.countInputs(task) : sizeOfShape(shape));
      page[at + 1] = only ?? this.of(task, layer);
    }
  }

  /** True when blocks of a layer are much smaller than what they are made of. */
  isGathering(layer: WalkLayer): boolean {
    layer.gathers ??= this.#looksGathering(layer.index);
    return layer.gathers;
  }

  #looksGathering(layer: number): boolean {
    const first = this.#edges.graph.base(layer);
    const inputs: TaskId[] = [];
    const count = this.#edges.inputs(first, inputs);
    let read = 0;
    for (let i = 0; i < count; i++) read += this.bytesOf(inputs[i] as TaskId).nbytes; // i < count
    return count > 1 && GATHERS * this.bytesOf(first).nbytes <= read;
  }

  #readAll(layer: number): TaskBytes | null {
    try {
      return this.needs.ofAll(layer);
    } catch {
      return null;
    }
  }

  #read(task: TaskId, layer: number): TaskBytes {
    try {
      return this.needs.of(layer, task);
    } catch {
      // Graphs come from peers: the task will fail when it is to be sent, and says why then.
      return NOTHING;
    }
  }
}

function link(page: Int32Array, start: number, away: number, rows: EdgeRows | null, from: TaskId, to: TaskId): void {
  if (away === MANY_LINKS && rows !== null) {
    rows.shapes(from, to - from, page, start, 4);
    return;
  }
  const shape = away === NO_LINKS ? 0 : away === MANY_LINKS ? NO_SHAPE : lineShape(1);
  for (let task = from, at = start; task < to; task++, at += 4) {
    page[at] = task - away;
    page[at + 1] = shape;
  }
}
