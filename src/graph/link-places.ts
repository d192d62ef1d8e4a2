/** Links asked in the general way: axis by axis, whatever narrows them. */
import { type AxisMap, type Inverse, invertTable } from "./axis-map.ts";
import type { Graph, TaskId } from "./graph.ts";
import type { LayerEdge } from "./layer-edges.ts";
import type { Link } from "./links.ts";

export function holds(edge: LayerEdge, place: readonly number[]): boolean {
  for (let a = 0; a < edge.holds.length; a++) {
    const mask = edge.holds[a];
    if (mask && mask[place[a] as number] === 0) return false;
  }
  return true;
}

/** A task that asks, and where the answer goes. */
export interface Ask {
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

export function needed(link: Link, { graph, place, out, count }: Ask): number {
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
export function users(link: Link, { graph, place, out, count }: Ask): number {
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

export function inverseOf(
  link: Link,
  k: number,
  map: Extract<AxisMap, { readonly kind: "table" }>,
  count: number,
): Inverse {
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
export function withoutTwins(out: TaskId[], from: number, to: number): number {
  let count = from;
  for (let i = from; i < to; i++) {
    const task = out[i] as TaskId; // i < to
    let isKnown = false;
    for (let j = 0; j < count && !isKnown; j++) isKnown = out[j] === task;
    if (!isKnown) out[count++] = task;
  }
  return count;
}
