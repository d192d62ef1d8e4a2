/** Dependencies and dependents of tasks, by arithmetic from the layers; in columns where no formula says them. */
import { type AxisMap, type Inverse, invertTable } from "./axis-map.ts";
import { taskDependencies } from "./expand.ts";
import type { Graph, TaskId } from "./graph.ts";
import { isInProgramOrder, type LayerEdge, layerEdges, NoFormula } from "./layer-edges.ts";
import { programEdges, type TaskEdges } from "./program-edges.ts";

/** An edge, ready to be asked from both ends. */
interface Link {
  /** Layer that needs, and layer that is needed. */
  readonly from: number;
  readonly to: number;
  readonly edge: LayerEdge;
  /** Per axis of the needed layer: for tables, where each place is used. Made when first asked for. */
  readonly inverses: (Inverse | undefined)[];
  /** The only link between these two layers. */
  readonly isOnly: boolean;
  /** Each block needs the one at the same place of an equal grid: number for number. */
  readonly isAlike: boolean;
}

/** Answers without allocation. One instance is asked by one caller at a time: the answers' scratch space is shared. */
export class GraphEdges {
  readonly graph: Graph;
  /** Edges as columns, where formulas do not reach. */
  readonly columns: TaskEdges | null;
  /** Links of each layer to what it needs, and to what needs it. */
  readonly #inputs: readonly (readonly Link[])[];
  readonly #users: readonly (readonly Link[])[];
  /** First task of each layer that has tasks, ascending; and these layers. */
  readonly #bases: Uint32Array;
  readonly #layers: Uint32Array;
  #last = 0;
  /** The last task whose program was asked, and what it said. */
  #askedFor = -1;
  #found: readonly TaskId[] = [];
  readonly #place: number[] = [];
  readonly #inOrder: (boolean | undefined)[] = [];

  constructor(graph: Graph) {
    this.graph = graph;
    const own = graph.layers.flatMap((layer, index) => (layer.inline || graph.count(index) === 0 ? [] : [index]));
    this.#layers = Uint32Array.from(own);
    this.#bases = Uint32Array.from(own, (index) => graph.base(index));
    const links = linksOf(graph);
    this.columns = links ? null : programEdges(graph);
    this.#inputs = graph.layers.map((_, index) => links?.filter((link) => link.from === index) ?? []);
    this.#users = graph.layers.map((_, index) => links?.filter((link) => link.to === index) ?? []);
  }

  /** Layer of a task. */
  layerOf(task: TaskId): number {
    const bases = this.#bases;
    let at = this.#last;
    const next = bases[at + 1];
    if ((bases[at] as number) > task || (next !== undefined && next <= task)) {
      let lo = 0;
      let hi = bases.length - 1;
      while (lo < hi) {
        const mid = (lo + hi + 1) >> 1;
        if ((bases[mid] as number) <= task) lo = mid;
        else hi = mid - 1;
      }
      at = lo;
      this.#last = lo;
    }
    return this.#layers[at] as number; // at is within the layers
  }

  /**
   * What a task needs, in the order in which its program reads it, into `out` from its start; gives their number. The rest
   * of `out` is stale.
   */
  dependencies(task: TaskId, out: TaskId[]): number {
    const layer = this.layerOf(task);
    if (this.columns || this.#isInOrder(layer)) return this.inputs(task, out);
    // The inputs of one task are asked for many times in a row.
    const found =
      this.#askedFor === task ? this.#found : taskDependencies(this.graph, layer, task - this.graph.base(layer));
    this.#askedFor = task;
    this.#found = found;
    for (let i = 0; i < found.length; i++) out[i] = found[i] as TaskId; // i < length
    return found.length;
  }

  /** The same in the order of the layer's formula: each once, always by arithmetic. */
  inputs(task: TaskId, out: TaskId[]): number {
    if (this.columns) return rowOf(this.columns.start, this.columns.dependencies, task, out);
    const layer = this.layerOf(task);
    const links = this.#inputs[layer] as readonly Link[]; // one list per layer
    const first = links[0];
    if (first === undefined) return 0;
    if (links.length === 1 && first.isAlike) {
      out[0] = task - this.graph.base(layer) + this.graph.base(first.to);
      return 1;
    }
    const place = this.#placeOf(layer, task);
    let count = 0;
    for (const link of links) {
      if (!holds(link.edge, place)) continue;
      const added = needed(link, { graph: this.graph, place, out, count });
      count = link.isOnly ? added : withoutTwins(out, count, added);
    }
    return count;
  }

  /** Whether the formulas of a layer keep the order of its programs; else these are asked. */
  #isInOrder(layer: number): boolean {
    let known = this.#inOrder[layer];
    if (known === undefined) {
      known = isInProgramOrder(this.graph, layer);
      this.#inOrder[layer] = known;
    }
    return known;
  }

  /** What needs a task, ascending, into `out` from its start; gives their number. The rest of `out` is stale. */
  dependents(task: TaskId, out: TaskId[]): number {
    if (this.columns) return rowOf(this.columns.dependentsStart, this.columns.dependents, task, out);
    const layer = this.layerOf(task);
    const links = this.#users[layer] as readonly Link[]; // one list per layer
    const first = links[0];
    if (first === undefined) return 0;
    if (links.length === 1 && first.isAlike) {
      out[0] = task - this.graph.base(layer) + this.graph.base(first.from);
      return 1;
    }
    const place = this.#placeOf(layer, task);
    let count = 0;
    for (const link of links) {
      const added = users(link, { graph: this.graph, place, out, count });
      count = link.isOnly ? added : withoutTwins(out, count, added);
    }
    return count;
  }

  /** True when `wanted` are the blocks of the graph's outputs, each once and in order. */
  isWhole(wanted: readonly TaskId[]): boolean {
    let at = 0;
    for (const layer of this.graph.outputs) {
      const base = this.graph.base(layer);
      for (let i = 0; i < this.graph.count(layer); i++) if (wanted[at++] !== base + i) return false;
    }
    return at === wanted.length && new Set(this.graph.outputs).size === this.graph.outputs.length;
  }

  /** True when `wanted`, which are all the outputs, need every task; false also where that is not plain to see. */
  needsAll(wanted: readonly TaskId[]): boolean {
    if (this.columns || !this.isWhole(wanted)) return false;
    const isNeeded = this.graph.layers.map((layer, index) => layer.inline || this.graph.outputs.includes(index));
    for (let index = this.graph.layers.length - 1; index >= 0; index--)
      isNeeded[index] ||= (this.#users[index] as readonly Link[]).some(
        (link) => isNeeded[link.from] === true && coversAll(this.graph, link),
      );
    return isNeeded.every((each) => each);
  }

  /** All edges as columns. */
  toColumns(): TaskEdges {
    if (this.columns) return this.columns;
    const n = this.graph.taskCount;
    const [start, dependencies] = rows(n, (task, out) => this.dependencies(task, out));
    const [dependentsStart, dependents] = rows(n, (task, out) => this.dependents(task, out));
    return { start, dependencies, dependentsStart, dependents };
  }

  #placeOf(layer: number, task: TaskId): number[] {
    const grid = this.graph.grid(layer);
    const place = this.#place;
    let rest = task - this.graph.base(layer);
    for (let k = grid.length - 1; k > 0; k--) {
      const n = grid[k] as number; // k < length
      const next = Math.floor(rest / n);
      place[k] = rest - next * n;
      rest = next;
    }
    place[0] = rest;
    return place;
  }
}

function rowOf(start: Uint32Array, items: Uint32Array, row: number, out: number[]): number {
  const first = start[row] as number; // a task of the graph
  const count = (start[row + 1] as number) - first;
  for (let i = 0; i < count; i++) out[i] = items[first + i] as number; // within the row
  return count;
}

function rows(n: number, fill: (task: TaskId, out: TaskId[]) => number): [Uint32Array, Uint32Array] {
  const start = new Uint32Array(n + 1);
  let flat = new Uint32Array(Math.max(16, 2 * n));
  const out: TaskId[] = [];
  let used = 0;
  for (let task = 0; task < n; task++) {
    const count = fill(task, out);
    if (used + count > flat.length) {
      const larger = new Uint32Array(Math.max(flat.length * 2, used + count));
      larger.set(flat);
      flat = larger;
    }
    for (let i = 0; i < count; i++) flat[used++] = out[i] as TaskId; // i < count
    start[task + 1] = used;
  }
  return [start, flat.subarray(0, used)];
}

/** True when every block of the input is used by some block. */
function coversAll(graph: Graph, { from, to, edge }: Link): boolean {
  const followed = new Set<number>();
  return edge.axes.every((map, k) => {
    const count = graph.grid(to)[k] as number; // one per axis of the input
    if (map.kind === "range") return map.from === 0 && map.count === count;
    if (map.kind === "table") {
      const isUsed = new Uint8Array(count);
      for (const item of map.items) isUsed[item] = 1;
      if (!isUsed.every((bit) => bit === 1)) return false;
    } else if (edge.holds[map.axis]) return false;
    if (map.axis < 0) return true;
    if (followed.has(map.axis)) return false;
    followed.add(map.axis);
    const places = graph.grid(from)[map.axis] as number; // an axis of the layer
    return map.kind === "table" || places * (map.kind === "group" ? map.size : 1) >= count;
  });
}

/** Links of all layers, by user, then in the order of its formula; null where some cannot be said. */
function linksOf(graph: Graph): Link[] | null {
  if (graph.layers.some(({ kind }) => kind === "calls")) return null; // their edges are columns
  try {
    return graph.layers.flatMap((layer, from) => {
      if (layer.inline) return [];
      const edges = layerEdges(graph, from);
      return edges.map(
        (edge): Link => ({
          from,
          to: edge.layer,
          edge,
          inverses: [],
          isOnly: edges.every((other) => other === edge || other.layer !== edge.layer),
          isAlike: isAlike(graph, from, edge),
        }),
      );
    });
  } catch (error) {
    if (error instanceof NoFormula) return null;
    throw error;
  }
}

function isAlike(graph: Graph, from: number, { layer, axes, holds: masks }: LayerEdge): boolean {
  const [own, other] = [graph.grid(from), graph.grid(layer)];
  return (
    own.length === other.length &&
    own.every((n, k) => n === other[k]) &&
    axes.every((map, k) => (map.kind === "same" ? map.axis === k : map.kind === "range" && other[k] === 1)) &&
    masks.every((mask) => mask === null)
  );
}

function holds(edge: LayerEdge, place: readonly number[]): boolean {
  for (let a = 0; a < edge.holds.length; a++) {
    const mask = edge.holds[a];
    if (mask && mask[place[a] as number] === 0) return false;
  }
  return true;
}

interface Ask {
  readonly graph: Graph;
  readonly place: readonly number[];
  readonly out: TaskId[];
  /** Answers that are there already. */
  readonly count: number;
}

/** Per axis: the places that are combined, `from` counted up or `items` from `from`. */
const froms: number[] = [];
const counts: number[] = [];
const lists: (Uint32Array | null)[] = [];
const at: number[] = [];

function needed(link: Link, { graph, place, out, count }: Ask): number {
  const { axes } = link.edge;
  for (let k = 0; k < axes.length; k++) {
    const map = axes[k] as AxisMap; // k < length
    lists[k] = null;
    if (map.kind === "same") {
      froms[k] = place[map.axis] as number; // an axis of the layer
      counts[k] = 1;
    } else if (map.kind === "range") {
      froms[k] = map.from;
      counts[k] = map.count;
    } else if (map.kind === "group") {
      const from = (place[map.axis] as number) * map.size;
      froms[k] = from;
      counts[k] = Math.min(map.size, map.count - from);
    } else {
      const p = map.axis < 0 ? 0 : (place[map.axis] as number);
      froms[k] = map.start[p] as number;
      counts[k] = (map.start[p + 1] as number) - (froms[k] as number);
      lists[k] = map.items;
    }
  }
  return product(graph.grid(link.to), graph.base(link.to), out, count);
}

/** Places of a layer's axis that use one place of the input's axis `k`; narrows what other axes said. */
function users(link: Link, { graph, place, out, count }: Ask): number {
  const grid = graph.grid(link.from);
  for (let a = 0; a < grid.length; a++) {
    froms[a] = 0;
    counts[a] = grid[a] as number; // a < length
    lists[a] = link.edge.holds[a] ? placesThatHold(link, a) : null;
    if (lists[a]) counts[a] = (lists[a] as Uint32Array).length;
  }
  const { axes } = link.edge;
  for (let k = 0; k < axes.length; k++) {
    const map = axes[k] as AxisMap; // k < length
    const q = place[k] as number; // one per axis of the input
    if (map.kind === "range") {
      if (q < map.from || q >= map.from + map.count) return count;
    } else if (map.kind === "same") narrowTo(map.axis, q);
    else if (map.kind === "group") narrowTo(map.axis, Math.floor(q / map.size));
    else {
      const inverse = inverseOf(link, k, map, graph.grid(link.to)[k] as number); // k < length
      const [from, to] = [inverse.start[q] as number, inverse.start[q + 1] as number];
      if (map.axis >= 0) narrowToList(map.axis, inverse.items, from, to - from);
      else if (to === from) return count;
    }
  }
  return product(grid, graph.base(link.from), out, count);
}

const HELD = new WeakMap<Uint8Array, Uint32Array>();

function placesThatHold(link: Link, axis: number): Uint32Array {
  const mask = link.edge.holds[axis] as Uint8Array; // asked for where there is one
  let places = HELD.get(mask);
  if (!places) {
    places = Uint32Array.from(Array.from(mask.keys()).filter((p) => mask[p] === 1));
    HELD.set(mask, places);
  }
  return places;
}

function inverseOf(link: Link, k: number, map: Extract<AxisMap, { readonly kind: "table" }>, count: number): Inverse {
  let inverse = link.inverses[k];
  if (!inverse) {
    inverse = invertTable(map, count);
    link.inverses[k] = inverse;
  }
  return inverse;
}

function isPlace(axis: number, place: number): boolean {
  const list = lists[axis];
  const [from, count] = [froms[axis] as number, counts[axis] as number]; // set for every axis
  if (!list) return place >= from && place < from + count;
  for (let i = 0; i < count; i++) if (list[from + i] === place) return true;
  return false;
}

function narrowTo(axis: number, place: number): void {
  counts[axis] = isPlace(axis, place) ? 1 : 0;
  froms[axis] = place;
  lists[axis] = null;
}

function narrowToList(axis: number, items: Uint32Array, from: number, count: number): void {
  let kept = items;
  let first = from;
  let n = count;
  for (let i = 0; i < count; i++) {
    if (isPlace(axis, items[from + i] as number)) continue; // within the row
    kept = items.slice(from, from + count).filter((place) => isPlace(axis, place));
    first = 0;
    n = kept.length;
    break;
  }
  froms[axis] = first;
  counts[axis] = n;
  lists[axis] = kept;
}

/** All combinations of the places, in C order. */
function product(grid: readonly number[], base: TaskId, out: TaskId[], start: number): number {
  const last = grid.length - 1;
  if (last < 0) {
    out[start] = base;
    return start + 1;
  }
  for (let k = 0; k <= last; k++) if (counts[k] === 0) return start;
  for (let k = 0; k < last; k++) at[k] = 0;
  const list = lists[last] ?? null;
  const from = froms[last] as number; // set for every axis
  const many = counts[last] as number;
  let count = start;
  for (;;) {
    let row = 0;
    for (let k = 0; k < last; k++) row = row * (grid[k] as number) + placeAt(k);
    row = base + row * (grid[last] as number);
    for (let i = 0; i < many; i++) out[count++] = row + (list ? (list[from + i] as number) : from + i);
    let k = last - 1;
    while (k >= 0 && (at[k] as number) + 1 === counts[k]) at[k--] = 0;
    if (k < 0) return count;
    at[k] = (at[k] as number) + 1;
  }
}

function placeAt(axis: number): number {
  const place = (froms[axis] as number) + (at[axis] as number); // set for every axis
  const list = lists[axis];
  return list ? (list[place] as number) : place;
}

/** `out[from … to)` less what stands before it; for a layer that is needed by several ways. */
function withoutTwins(out: TaskId[], from: number, to: number): number {
  let count = from;
  for (let i = from; i < to; i++) {
    const task = out[i] as TaskId; // i < to
    let isKnown = false;
    for (let j = 0; j < count && !isKnown; j++) isKnown = out[j] === task;
    if (!isKnown) out[count++] = task;
  }
  return count;
}
