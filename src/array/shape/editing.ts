/** Elements put in, taken out and replaced: NumPy's `insert`, `delete` and item assignment, each giving a new array. */
import { SelectionError } from "../../base/index.ts";
import type { TypedArray } from "../../dtype/index.ts";
import { concatenateNode, type LayerNode } from "../../graph/index.ts";
import { NDArray, normalizeAxis, parseIndex } from "../../ndarray/index.ts";
import { axisAnd } from "../axis-options.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { known } from "../inputs.ts";
import { broadcastLayer } from "./broadcasting.ts";
import { type ArrayLike, array } from "./create.ts";
import { blockOf, flatValues, inBounds, takeLayer } from "./indexing.ts";
import { concatenate } from "./joining.ts";
import { moveaxis } from "./manipulation.ts";
import { sliceAxis } from "./rearranging.ts";

/** Places along an axis: an index, a list, a slice as text (`"::2"`), or a mask in memory. */
export type Places = number | string | readonly number[] | NDArray | TypedArray;

type AxisOption = number | null | { readonly axis?: number | null };

/** The array along one axis: itself, or flat when no axis is given. */
function along(
  label: string,
  x: ArrayLike,
  axis: AxisOption | undefined,
): { readonly line: ChunkedArray; readonly k: number } {
  const lazy = known(label, x);
  const at = axisAnd<number | null, object>(axis, undefined, [label, {}]).axis ?? null;
  const line = at === null && lazy.ndim !== 1 ? lazy.ravel() : lazy;
  return { line, k: normalizeAxis(at ?? 0, line.ndim) };
}

/** The places as numbers; `single` for one that was not given as a list. */
function placesOf(label: string, places: Places, n: number): { readonly at: number[]; readonly single: boolean } {
  if (typeof places === "string") {
    const [part] = parseIndex([places], [n]);
    if (part?.kind !== "range") throw new SelectionError(`${label} at ${JSON.stringify(places)}: expected a slice`);
    return { at: Array.from({ length: part.count }, (_, i) => part.start + i * part.step), single: false };
  }
  if (places instanceof NDArray && places.dtype === "bool") {
    if (places.ndim !== 1 || places.size !== n)
      throw new SelectionError(`${label} with a mask of shape (${places.shape.join(", ")}) along an axis of ${n}`);
    return { at: flatValues(places).flatMap((v, i) => (v ? [i] : [])), single: false };
  }
  const block = blockOf(label, places);
  return { at: flatValues(block), single: block.ndim === 0 };
}

/** As many pieces of an axis are slices side by side; more are taken by index. */
const PIECES_MAX = 8;

/**
 * The array without the elements at `places` along an axis; without an axis of the flat array. Exported as `delete`.
 * NumPy `delete`.
 * @throws {SelectionError} out of bounds  @throws {AxisError}
 */
function remove(x: ArrayLike, places: Places, axis?: AxisOption): ChunkedArray {
  const { line, k } = along("delete", x, axis);
  const n = line.shape[k] as number; // in bounds
  const gone = new Set(placesOf("delete", places, n).at.map((i) => inBounds(i, n, k)));
  const ends = [...gone].sort((a, b) => a - b);
  if (ends.length === 0) return line;
  const pieces = [-1, ...ends].map((from, i) => [from + 1, ends[i] ?? n] as const).filter(([from, to]) => to > from);
  if (pieces.length > 0 && pieces.length <= PIECES_MAX) {
    const parts = pieces.map(([from, to]) => sliceAxis(line.node, k, from, to));
    return new ChunkedArray(parts.length === 1 ? (parts[0] as LayerNode) : concatenateNode(parts, k));
  }
  const kept = Array.from({ length: n }, (_, i) => i).filter((i) => !gone.has(i));
  return new ChunkedArray(takeLayer(line, kept, k));
}

export { remove as delete };

/**
 * The array with `values` before the elements at `places` (of the array as it was) along an axis; without an axis in the
 * flat array. Values are cast to the array's dtype and broadcast. NumPy `insert`.
 * @throws {SelectionError} out of bounds  @throws {BroadcastError}  @throws {AxisError}
 */
export function insert(x: ArrayLike, places: Places, values: ArrayLike, axis?: AxisOption): ChunkedArray {
  const { line, k } = along("insert", x, axis);
  const n = line.shape[k] as number; // in bounds
  const { at, single } = placesOf("insert", places, n);
  const where = at.map((i) => {
    const place = i < 0 ? i + n : i;
    if (place < 0 || place > n) throw new SelectionError(`index ${i} is out of bounds for axis ${k} of size ${n}`);
    return place;
  });
  const given = known("insert", values).astype(line.dtype);
  const lead = new Array<number>(Math.max(0, line.ndim - given.ndim)).fill(1);
  const wide = lead.length > 0 ? given.reshape(...lead, ...given.shape) : given;
  if (where.length === 1) {
    const block = single ? moveaxis(wide, 0, k) : wide;
    const fit = broadcastLayer(
      block,
      line.shape.map((s, a) => (a === k ? (block.shape[k] as number) : s)),
    );
    const place = where[0] as number;
    const whole = concatenate([slab(line, k, 0, place), new ChunkedArray(fit), slab(line, k, place, n)], k);
    return whole.rechunk({ [k]: grown(line.chunks[k] as readonly number[], place, (whole.shape[k] as number) - n) });
  }
  if (where.length === 0) return line;
  const fit = broadcastLayer(
    wide,
    line.shape.map((s, a) => (a === k ? where.length : s)),
  );
  const order = where.map((place, i) => [place, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const sources: number[] = [];
  let next = 0;
  for (const [place, i] of order) {
    while (next < place) sources.push(next++);
    sources.push(n + i);
  }
  while (next < n) sources.push(next++);
  const both = concatenate([line, new ChunkedArray(fit)], k);
  return new ChunkedArray(takeLayer(both, sources, k));
}

/** Cuts of an axis with `count` more elements at `place`: they join the block there, unless they are more than the largest. */
function grown(sizes: readonly number[], place: number, count: number): number[] {
  const most = sizes.reduce((a, b) => Math.max(a, b), 1);
  let at = 0;
  const block = Math.max(
    0,
    sizes.findIndex((s) => {
      at += s;
      return place <= at;
    }),
  );
  if (count <= most) return sizes.map((s, i) => (i === block ? s + count : s));
  const start = sizes.slice(0, block).reduce((a, b) => a + b, 0);
  const [before, after] = [place - start, (sizes[block] ?? 0) - (place - start)];
  const pieces = Math.ceil(count / most);
  const inner = Array.from(
    { length: pieces },
    (_, p) => Math.round(((p + 1) * count) / pieces) - Math.round((p * count) / pieces),
  );
  return [...sizes.slice(0, block), before, ...inner, after, ...sizes.slice(block + 1)].filter((s) => s > 0);
}

function slab(x: ChunkedArray, k: number, from: number, to: number): ChunkedArray {
  return new ChunkedArray(sliceAxis(x.node, k, from, to));
}

/** The array with `values` in place of the elements that an index names; see {@link ChunkedArray.setitem}. */
export function setitem(
  x: ArrayLike,
  index: Parameters<ChunkedArray["setitem"]>[0],
  value: Parameters<ChunkedArray["setitem"]>[1],
): ChunkedArray {
  return array(x).setitem(index, value);
}
