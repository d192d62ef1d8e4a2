/** Bytes of tasks without their programs: tasks of one layer whose blocks have the same extents need the same. */
import { type AxisMap, placesOf } from "./axis-map.ts";
import { CALL_BYTES } from "./calls.ts";
import type { Graph, TaskId } from "./graph.ts";
import { type LayerEdge, layerViews, NoFormula } from "./layer-edges.ts";

/** Bytes of one task. */
export interface TaskBytes {
  /** Of its result. */
  readonly nbytes: number;
  /** Of its result and workspace. */
  readonly need: number;
}

const CALL: TaskBytes = { nbytes: CALL_BYTES, need: CALL_BYTES };

/** Places along one axis, told apart by the extents that a program there has to do with. */
class AxisClasses {
  readonly #describe: (place: number) => string;
  readonly #numbers = new Map<string, number>();
  /** By place, one more than the number; 0: not asked yet. Empty: all but the last are alike, and nobody asks. */
  readonly known: Uint16Array;
  readonly #last: number;
  /** All but the last are alike. */
  readonly isRegular: boolean;
  /** The last is as well. */
  readonly isUniform: boolean;

  /** @param isAsked somebody will ask for numbers */
  constructor(count: number, facts: readonly Fact[], isAsked: boolean) {
    this.#describe = (place) => facts.map(({ at }) => at(place)).join(";");
    this.isRegular = facts.every(({ isRegular: each }) => each);
    this.isUniform = this.isRegular && this.#describe(0) === this.#describe(count - 1);
    this.known = isAsked ? new Uint16Array(count) : EMPTY;
    this.#last = count - 1;
  }

  of(place: number): number {
    const known = this.known[place] as number; // a place of the axis
    return known > 0 ? known - 1 : this.#look(place);
  }

  #look(place: number): number {
    const text = this.isRegular ? String(place === this.#last) : this.#describe(place);
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    if (number < 65535) this.known[place] = number + 1;
    return number;
  }
}

const EMPTY = new Uint16Array(0);

interface LayerClasses {
  readonly axes: readonly AxisClasses[];
  readonly bytes: Map<number, TaskBytes>;
  /** The same where there are few kinds along few axes; null: more. */
  readonly byFew: FewKinds | null;
  /** Along all axes the blocks but the last are alike: by a bit for each axis, set at its last place. */
  readonly byEnds: (TaskBytes | undefined)[] | null;
  readonly grid: readonly number[];
  readonly base: TaskId;
}

/**
 * Bytes of tasks by the kinds of their places, as long as these are among the first {@link FEW}, of layers of up to three axes
 * that have more than one place. Without a loop: an order asks for every task.
 */
class FewKinds {
  readonly #base: TaskId;
  readonly #rank: number;
  readonly #last: number;
  readonly #middle: number;
  /** Kinds along the last axis that has several places, the one before and the one before that; one more than their numbers. */
  readonly #alongLast: Uint16Array;
  readonly #alongMiddle: Uint16Array;
  readonly #alongFirst: Uint16Array;
  readonly #bytes: (TaskBytes | undefined)[];

  constructor(base: TaskId, grid: readonly number[], axes: readonly AxisClasses[]) {
    const long = grid.flatMap((n, k) => (n === 1 ? [] : [k])).reverse();
    const one = new AxisClasses(1, [], true);
    one.of(0);
    const along = (k: number | undefined): Uint16Array => (k === undefined ? one : (axes[k] as AxisClasses)).known; // one per axis
    this.#base = base;
    this.#rank = long.length;
    this.#bytes = new Array<undefined>(FEW ** long.length).fill(undefined);
    this.#last = grid[long[0] ?? -1] ?? 1;
    this.#middle = grid[long[1] ?? -1] ?? 1;
    this.#alongLast = along(long[0]);
    this.#alongMiddle = along(long[1]);
    this.#alongFirst = along(long[2]);
  }

  /** Place of a task's kinds among the bytes; -1: one of them is not among the first, or was not asked for yet. */
  #at(task: TaskId): number {
    const local = task - this.#base;
    const q = (local / this.#last) | 0;
    const last = this.#alongLast[local - q * this.#last] as number; // one per place
    const p = this.#rank < 3 ? 0 : (q / this.#middle) | 0;
    const middle = this.#alongMiddle[q - p * this.#middle] as number;
    const first = this.#alongFirst[p] as number;
    const isKnown = last > 0 && middle > 0 && first > 0 && last <= FEW && middle <= FEW && first <= FEW;
    return isKnown ? ((first - 1) << (2 * FEW_BITS)) | ((middle - 1) << FEW_BITS) | (last - 1) : -1;
  }

  get(task: TaskId): TaskBytes | undefined {
    const at = this.#at(task);
    return at < 0 ? undefined : this.#bytes[at];
  }

  /** Note bytes of a task whose kinds have numbers. */
  set(task: TaskId, bytes: TaskBytes): void {
    const at = this.#at(task);
    if (at >= 0) this.#bytes[at] = bytes;
  }
}

/** Axes of layers whose blocks are told apart by their being the last ones. */
const ENDS_MAX = 8;

/** Most layers have few kinds along an axis, and few axes: theirs are found without a hash. */
const FEW_BITS = 4;
const FEW = 1 << FEW_BITS;
const FEW_AXES = 3;

/** Kinds of blocks of a layer of which each is looked at. */
const KINDS_MAX = 16;

/** Bytes of all tasks of a graph; programs are expanded once per kind of block. */
export class TaskNeeds {
  readonly #graph: Graph;
  readonly #layers: (LayerClasses | null | undefined)[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** @throws whatever expanding the task's program throws */
  of(layer: number, task: TaskId): TaskBytes {
    let classes = this.#layers[layer];
    if (classes === undefined) {
      classes = classesOf(this.#graph, layer);
      this.#layers[layer] = classes;
    }
    if (classes === null) return bytesOf(this.#graph, layer, task);
    if (classes.byEnds === null) return this.#byClass(layer, task, classes);
    const ends = endsOf(classes, task);
    const known = classes.byEnds[ends];
    if (known !== undefined) return known;
    const bytes = bytesOf(this.#graph, layer, task);
    classes.byEnds[ends] = bytes;
    return bytes;
  }

  /** Those of all tasks of a layer where they are the same; else null. */
  ofAll(layer: number): TaskBytes | null {
    const graph = this.#graph;
    if (graph.count(layer) === 0) return null;
    if (graph.layer(layer).kind === "calls") return CALL;
    const bytes = this.of(layer, graph.base(layer));
    return this.#layers[layer]?.axes.every(({ isUniform }) => isUniform) ? bytes : null;
  }

  /**
   * Most bytes that a task of a layer needs; null where its blocks are of too many kinds to look at one of each.
   * @throws whatever expanding a task's program throws
   */
  most(layer: number): number | null {
    const graph = this.#graph;
    if (graph.count(layer) === 0) return 0;
    const first = this.of(layer, graph.base(layer));
    const classes = this.#layers[layer];
    if (!classes) return graph.count(layer) === 1 ? first.need : null;
    if (classes.axes.every(({ isUniform }) => isUniform)) return first.need;
    if (classes.byEnds === null) return null;
    return mostOf(classes, (task) => this.of(layer, task).need);
  }

  #byClass(layer: number, task: TaskId, classes: LayerClasses): TaskBytes {
    return classes.byFew?.get(task) ?? this.#byNumber(layer, task, classes);
  }

  #byNumber(layer: number, task: TaskId, classes: LayerClasses): TaskBytes {
    const { grid, base, axes, byFew } = classes;
    let rest = task - base;
    let number = 0;
    for (let k = grid.length - 1; k >= 0; k--) {
      const n = grid[k] as number; // k < length
      const next = k === 0 ? 0 : Math.floor(rest / n);
      // 2^16 kinds along an axis at the most; three axes of many kinds are beyond what arrays have.
      number = number * 65_536 + (axes[k] as AxisClasses).of(rest - next * n);
      rest = next;
    }
    const isExact = number <= Number.MAX_SAFE_INTEGER;
    const found = isExact ? classes.bytes.get(number) : undefined;
    const bytes = found ?? bytesOf(this.#graph, layer, task);
    if (isExact) classes.bytes.set(number, bytes);
    byFew?.set(task, bytes);
    return bytes;
  }
}

/** The most of one task of each kind: first or last along every axis that has several places. */
function mostOf({ grid, base }: LayerClasses, needOf: (task: TaskId) => number): number | null {
  let tasks = [0];
  for (const n of grid) tasks = tasks.flatMap((at) => (n === 1 ? [at] : [at * n, at * n + n - 1]));
  if (tasks.length > KINDS_MAX) return null;
  return tasks.reduce((most, at) => Math.max(most, needOf(base + at)), 0);
}

/** A bit for each axis along which the task is the last. */
function endsOf({ grid, base }: LayerClasses, task: TaskId): number {
  let rest = task - base;
  let ends = 0;
  for (let k = grid.length - 1; k > 0; k--) {
    const n = grid[k] as number; // k < length
    const next = (rest / n) >>> 0;
    if (rest - next * n === n - 1) ends |= 1 << k;
    rest = next;
  }
  return rest === (grid[0] as number) - 1 ? ends | 1 : ends;
}

function bytesOf(graph: Graph, layer: number, task: TaskId): TaskBytes {
  // Held blocks exist: whoever holds them counts them.
  const { kind } = graph.layer(layer);
  if (kind === "held") return { nbytes: 0, need: 0 };
  if (kind === "calls") return CALL;
  const { spec } = graph.expand(task);
  return { nbytes: spec.out.nbytes, need: spec.out.nbytes + spec.workspace };
}

/** Null: each task is to be asked by itself. */
function classesOf(graph: Graph, index: number): LayerClasses | null {
  const layer = graph.layer(index);
  if (layer.kind === "calls" || (layer.kind === "write-zarr" && "done" in layer)) return null;
  try {
    const views = layerViews(graph, index);
    const grid = graph.grid(index);
    const facts = grid.map((_, axis) => factsAlong(graph, index, views, axis));
    const isRegular = facts.every((along) => along.every((fact) => fact.isRegular));
    const byEnds = grid.length <= ENDS_MAX && isRegular ? [] : null;
    const axes = grid.map((count, axis) => new AxisClasses(count, facts[axis] as Fact[], byEnds === null)); // one per axis
    const base = graph.base(index);
    const isFew = byEnds === null && grid.filter((n) => n !== 1).length <= FEW_AXES;
    return { axes, bytes: new Map(), byFew: isFew ? new FewKinds(base, grid, axes) : null, byEnds, grid, base };
  } catch (error) {
    if (error instanceof NoFormula) return null;
    throw error;
  }
}

interface Fact {
  readonly at: (place: number) => string;
  /** The same at all places but the last. */
  readonly isRegular: boolean;
}

/** What a program's extents depend on along one axis of its layer. */
function factsAlong(graph: Graph, index: number, views: readonly LayerEdge[], axis: number): Fact[] {
  const layer = graph.layer(index);
  const facts = [sizesFact(layer.chunks[axis] as readonly number[])]; // one per axis
  if (layer.kind === "reduce" && axis > 0) facts.push(sizesFact(layer.loop[axis - 1] as readonly number[]));
  for (const { layer: input, axes, holds } of views) {
    const mask = holds[axis];
    if (mask) facts.push({ at: (place) => String(mask[place]), isRegular: false });
    const { chunks, kind } = graph.layer(input);
    axes.forEach((map, k) => {
      if (!("axis" in map) || map.axis !== axis) return;
      facts.push(mapFact(map, chunks[k] as readonly number[])); // one per axis of the input
      const loop =
        kind === "reduce" && k > 0 ? (graph.layer(input) as { loop?: readonly (readonly number[])[] }).loop : undefined;
      if (loop) facts.push(mapFact(map, loop[k - 1] as readonly number[]));
    });
  }
  return facts;
}

function sizesFact(sizes: readonly number[]): Fact {
  return { at: (place) => String(sizes[place]), isRegular: isRegular(sizes) };
}

function mapFact(map: AxisMap, sizes: readonly number[]): Fact {
  const isFlat = isRegular(sizes);
  return {
    at: (place) =>
      placesOf(map, place)
        .map((p) => sizes[p])
        .join(","),
    // The last group may be short, and has the last block.
    isRegular: isFlat && (map.kind === "same" || map.kind === "group"),
  };
}

/** All sizes but the last are the same. */
function isRegular(sizes: readonly number[]): boolean {
  const first = sizes[0];
  for (let p = 1; p < sizes.length - 1; p++) if (sizes[p] !== first) return false;
  return true;
}
