/** The same elements in another order or shape: NumPy's names over lazy arrays. */
import { ArgumentError, AxisError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { asDType, type DType } from "../../dtype/index.ts";
import { applyNode, type ChunkSpec, concatenateNode, type LayerNode, sliceNode } from "../../graph/index.ts";
import { type AxisIndex, broadcastShapes as broadcastOf, normalizeAxes, normalizeAxis } from "../../ndarray/index.ts";
import { axisAnd } from "../axis-options.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { known } from "../inputs.ts";
import type { LazyArray } from "../lazy.ts";
import type { Axis } from "../reduce/layer.ts";
import { broadcastLayer } from "./broadcasting.ts";
import { type ArrayLike, array } from "./create.ts";
import { reversedIndex, rolledNode, rollFlatLayer, shuffleLayer } from "./rearranging.ts";
import type { RechunkOptions } from "./rechunk.ts";

/** NumPy `astype`. @throws {DTypeError} unknown dtype */
export function astype(x: ArrayLike, dtype: DType): ChunkedArray {
  return array(x).astype(dtype);
}

/** The same values cut differently. dask.array `rechunk`. @throws {ChunkError} sizes that do not add up */
export function rechunk(x: ArrayLike, chunks: ChunkSpec, options: RechunkOptions = {}): ChunkedArray {
  return known("rechunk", x).rechunk(chunks, options);
}

/** The array again; nothing is copied, since lazy arrays do not change. NumPy `copy`. */
export function copy(x: ArrayLike): ChunkedArray {
  return array(x);
}

/** Sizes of the axes. NumPy `shape`. */
export function shape(x: ArrayLike): readonly number[] {
  return array(x).shape;
}
/** Number of axes. NumPy `ndim`. */
export function ndim(x: ArrayLike): number {
  return array(x).ndim;
}
/** Number of elements, or the size of one axis. NumPy `size`. @throws {AxisError} @throws {UnknownShapeError} */
export function size(x: ArrayLike, axis?: number): number {
  const lazy = known("size", x);
  return axis === undefined ? lazy.size : (lazy.shape[normalizeAxis(axis, lazy.ndim)] as number);
}

/**
 * The elements in C order under another shape; one size may be -1. Chunks: see {@link ChunkedArray.reshape}. NumPy `reshape`.
 * @throws {ShapeError} another number of elements
 */
export function reshape(x: ArrayLike, to: number | readonly number[]): ChunkedArray {
  return known("reshape", x).reshape(...[to].flat());
}

/** One axis of all elements in C order. NumPy `ravel`. */
export function ravel(x: ArrayLike): ChunkedArray {
  return known("ravel", x).ravel();
}

/** Options of {@link reshapeBlockwise}. */
export interface ReshapeBlockwiseOptions {
  /** Cuts of the result, as many as the array has blocks. */
  readonly chunks?: readonly (readonly number[])[];
}

/**
 * Each block reshaped by itself, so that nothing moves: the order is that of the blocks. With `chunks` any shape of as
 * many dimensions or more; without it to fewer dimensions. dask.array `reshape_blockwise`.
 * @throws {ShapeError} another number of elements, or blocks that do not pair
 */
export function reshapeBlockwise(
  x: ArrayLike,
  to: number | readonly number[],
  options: ReshapeBlockwiseOptions = {},
): ChunkedArray {
  requireKnownOptions("reshapeBlockwise", options, { chunks: true });
  return new ChunkedArray(reshapeBlocks(known("reshapeBlockwise", x), [to].flat(), options.chunks));
}

function reshapeBlocks(x: LazyArray, to: readonly number[], given: ReshapeBlockwiseOptions["chunks"]): LayerNode {
  const total = x.shape.reduce((a, b) => a * b, 1);
  const open = to.includes(-1) ? total / to.filter((n) => n !== -1).reduce((a, b) => a * b, 1) : 0;
  const target = to.map((n) => (n === -1 ? open : n));
  const fail = (why: string): never => {
    throw new ShapeError(`reshapeBlockwise of (${x.shape.join(", ")}) into (${to.join(", ")}): ${why}`);
  };
  if (target.reduce((a, b) => a * b, 1) !== total) fail(`expected ${total} elements`);
  const cuts = given ?? (target.length <= x.ndim ? mergedCuts(x, target) : null);
  if (!cuts) return fail("more axes than before need chunks");
  if (cuts.length !== target.length || cuts.some((c, k) => c.reduce((a, b) => a + b, 0) !== target[k]))
    fail("chunks that do not add up to it");
  const sizes = (chunks: readonly (readonly number[])[]): string =>
    chunks.reduce<number[]>((all, c) => all.flatMap((p) => c.map((n) => p * n)), [1]).join();
  if (sizes(cuts) !== sizes(x.chunks)) fail("blocks that do not pair in size and number");
  return applyNode("reshape-blockwise", {
    kernel: "reshape",
    params: { order: "blocks" },
    inputs: [{ layer: x.node, axes: x.shape.map(() => null) }],
    byNumber: true,
    dtype: x.dtype,
    chunks: cuts,
    scratchBytes: 0,
  });
}

/** Cuts of fewer axes: those of merged axes are the products of their blocks. */
function mergedCuts(x: LazyArray, target: readonly number[]): number[][] | null {
  const out: number[][] = [];
  let k = 0;
  for (const n of target) {
    let [size, cuts] = [1, [1]];
    do {
      const own = x.chunks[k];
      if (!own) break;
      size *= x.shape[k] as number; // as many as chunks
      cuts = cuts.flatMap((c) => own.map((o) => c * o));
      k++;
    } while (size < n || (out.length === target.length - 1 && k < x.ndim));
    if (size !== n) return null;
    out.push(cuts);
  }
  return out;
}

/** New axes of size 1 at these places of the result. NumPy `expand_dims`. @throws {AxisError} */
export function expandDims(
  x: ArrayLike,
  axis: number | readonly number[] | { readonly axis: number | readonly number[] },
): ChunkedArray {
  const lazy = known("expandDims", x);
  const at = [axisAnd<number | readonly number[], object>(axis, undefined, ["expandDims", {}]).axis ?? 0].flat();
  const rank = lazy.ndim + at.length;
  const places = normalizeAxes(at, rank);
  let next = 0;
  const index = Array.from(
    { length: rank },
    (_, k): AxisIndex =>
      places.includes(k)
        ? { kind: "newaxis" }
        : { kind: "range", start: 0, step: 1, count: lazy.shape[next++] as number },
  );
  return new ChunkedArray(sliceNode(lazy.node, index));
}

/** Axes of size 1 dropped. NumPy `squeeze`. @throws {ShapeError} an axis of another size */
export function squeeze(x: ArrayLike, axis?: Axis | { readonly axis?: Axis }): ChunkedArray {
  return known("squeeze", x).squeeze(
    axisAnd<number | readonly number[] | null, object>(axis, undefined, ["squeeze", {}]).axis,
  );
}

/** Axes permuted; reversed without `axes`. NumPy `transpose`. @throws {AxisError} no permutation */
export function transpose(
  x: ArrayLike,
  axes?: readonly number[] | { readonly axes?: readonly number[] },
): ChunkedArray {
  const given = Array.isArray(axes) ? axes : (axes as { readonly axes?: readonly number[] } | undefined)?.axes; // one of the two forms
  return known("transpose", x).transpose(...((given as readonly number[] | undefined) ?? []));
}

export { transpose as permuteDims };

/** The last two axes exchanged. NumPy `matrix_transpose`. @throws {AxisError} fewer than two */
export function matrixTranspose(x: ArrayLike): ChunkedArray {
  const lazy = known("matrixTranspose", x);
  if (lazy.ndim < 2) throw new AxisError(`matrixTranspose of rank ${lazy.ndim}: expected at least 2`);
  return lazy.swapaxes(-1, -2);
}

/** Two axes exchanged. NumPy `swapaxes`. @throws {AxisError} */
export function swapaxes(x: ArrayLike, axis1: number, axis2: number): ChunkedArray {
  return known("swapaxes", x).swapaxes(axis1, axis2);
}

/** Axes moved to other places, the others in order. NumPy `moveaxis`. @throws {AxisError} */
export function moveaxis(
  x: ArrayLike,
  source: number | readonly number[],
  destination: number | readonly number[],
): ChunkedArray {
  const lazy = known("moveaxis", x);
  const unique = (axes: number | readonly number[]): number[] => {
    normalizeAxes(axes, lazy.ndim);
    return [axes].flat().map((a) => normalizeAxis(a, lazy.ndim));
  };
  const [from, to] = [unique(source), unique(destination)];
  if (from.length !== to.length)
    throw new AxisError(`moveaxis of ${from.length} axes to ${to.length} places: expected as many`);
  const order = lazy.shape.map((_, k) => k).filter((k) => !from.includes(k));
  const moves = to.map((t, i) => [t, from[i] as number] as const).sort((a, b) => a[0] - b[0]);
  for (const [t, f] of moves) order.splice(t, 0, f);
  return lazy.transpose(...order);
}

/** Axis rolled back until it lies before `start`. NumPy `rollaxis`. @throws {AxisError} */
export function rollaxis(x: ArrayLike, axis: number, start = 0): ChunkedArray {
  const lazy = known("rollaxis", x);
  const from = normalizeAxis(axis, lazy.ndim);
  const to = start < 0 ? start + lazy.ndim : start;
  if (!Number.isInteger(to) || to < 0 || to > lazy.ndim)
    throw new AxisError(`rollaxis to ${start}: expected -${lazy.ndim} to ${lazy.ndim}`);
  const order = lazy.shape.map((_, k) => k).filter((k) => k !== from);
  order.splice(from < to ? to - 1 : to, 0, from);
  return lazy.transpose(...order);
}

/** Elements in reverse order along an axis, several, or all. A view: it moves into sources. NumPy `flip`. @throws {AxisError} */
export function flip(x: ArrayLike, axis?: Axis | { readonly axis?: Axis }): ChunkedArray {
  const lazy = known("flip", x);
  const axes = normalizeAxes(
    axisAnd<number | readonly number[] | null, object>(axis, undefined, ["flip", {}]).axis,
    lazy.ndim,
  );
  return axes.length === 0 ? lazy : new ChunkedArray(sliceNode(lazy.node, reversedIndex(lazy.shape, axes)));
}

function flipAxis(label: string, x: ArrayLike, axis: number): ChunkedArray {
  const lazy = known(label, x);
  if (lazy.ndim <= axis) throw new AxisError(`${label} of rank ${lazy.ndim}: expected at least ${axis + 1}`);
  return flip(lazy, axis);
}

/** The first axis reversed. NumPy `flipud`. @throws {AxisError} 0-d */
export function flipud(x: ArrayLike): ChunkedArray {
  return flipAxis("flipud", x, 0);
}
/** The second axis reversed. NumPy `fliplr`. @throws {AxisError} fewer than two axes */
export function fliplr(x: ArrayLike): ChunkedArray {
  return flipAxis("fliplr", x, 1);
}

/** Options of {@link rot90}. */
export interface Rot90Options {
  /** Quarter turns, from the first of `axes` towards the second; 1 by default. */
  readonly k?: number;
  readonly axes?: readonly [number, number];
}

/** Rotated by quarter turns in a plane of two axes. NumPy `rot90`. @throws {AxisError} axes that are not two */
export function rot90(x: ArrayLike, k?: number | Rot90Options, options: Rot90Options = {}): ChunkedArray {
  const given = typeof k === "object" ? k : options;
  const turns = (typeof k === "number" ? k : (given.k ?? 1)) % 4;
  const lazy = known("rot90", x);
  const [a, b] = (given.axes ?? [0, 1]).map((axis) => normalizeAxis(axis, lazy.ndim)) as [number, number];
  if (a === b || (given.axes?.length ?? 2) !== 2) throw new AxisError("rot90: expected two different axes");
  const quarter = (turns + 4) % 4;
  if (quarter === 0) return lazy;
  if (quarter === 2) return flip(lazy, [a, b]);
  return quarter === 1 ? flip(lazy, b).swapaxes(a, b) : flip(lazy.swapaxes(a, b), b);
}

/**
 * Elements shifted along an axis, those that leave coming back at the other end; without an axis in the flat order.
 * Chunks: the input's. NumPy `roll`.
 * @throws {AxisError}  @throws {ArgumentError} a shift that is no integer, or not one for each axis
 */
export function roll(
  x: ArrayLike,
  shift: number | readonly number[],
  axis?: Axis | { readonly axis?: Axis },
): ChunkedArray {
  const lazy = known("roll", x);
  const at = axisAnd<number | readonly number[] | null, object>(axis, undefined, ["roll", {}]).axis ?? null;
  if (at === null) {
    const total = [shift].flat().reduce((a, b) => a + b, 0);
    return new ChunkedArray(rollFlatLayer(lazy, total));
  }
  const axes = [at].flat().map((a) => normalizeAxis(a, lazy.ndim));
  const shifts = [shift].flat();
  if (axes.length !== shifts.length && axes.length !== 1 && shifts.length !== 1)
    throw new ArgumentError(`roll of ${shifts.length} shifts along ${axes.length} axes: expected one for each`);
  const by = lazy.shape.map(() => 0);
  for (let i = 0; i < Math.max(axes.length, shifts.length); i++) {
    const k = axes[axes.length === 1 ? 0 : i] as number;
    by[k] = (by[k] as number) + (shifts[shifts.length === 1 ? 0 : i] as number);
  }
  return new ChunkedArray(rolledNode(lazy, by));
}

/**
 * Each element repeated along an axis, all as often or by a list; without an axis in the flat order. Chunks: the
 * input's, as much longer. NumPy `repeat`.
 * @throws {AxisError}  @throws {ArgumentError} a count that is negative or no integer, or a list of another length
 */
export function repeat(
  x: ArrayLike,
  repeats: number | readonly number[],
  axis?: number | null | { readonly axis?: number | null },
): ChunkedArray {
  return known("repeat", x).repeat(
    repeats,
    axisAnd<number | null, object>(axis, undefined, ["repeat", {}]).axis ?? null,
  );
}

/** The array repeated as a whole, so often along each axis. NumPy `tile`. @throws {ArgumentError} a count that is negative or no integer */
export function tile(x: ArrayLike, reps: number | readonly number[]): ChunkedArray {
  const lazy = known("tile", x);
  const counts = [reps].flat();
  for (const n of counts)
    if (!Number.isSafeInteger(n) || n < 0) throw new ArgumentError(`tile by ${n}: expected counts`);
  const rank = Math.max(lazy.ndim, counts.length);
  const wide = expandDims(
    lazy,
    Array.from({ length: rank - lazy.ndim }, (_, k) => k),
  );
  const node = counts.reduce((n, count, i) => {
    const k = rank - counts.length + i;
    if (count === 1) return n;
    if (count > 0) return concatenateNode(new Array<LayerNode>(count).fill(n), k);
    return sliceNode(
      n,
      n.layer.chunks.map((c, a) => ({
        kind: "range",
        start: 0,
        step: 1,
        count: a === k ? 0 : c.reduce((p, q) => p + q, 0),
      })),
    );
  }, wide.node);
  return new ChunkedArray(node);
}

/** Shape that all broadcast to. NumPy `broadcast_shapes`. @throws {BroadcastError} */
export function broadcastShapes(...shapes: readonly (number | readonly number[])[]): number[] {
  return broadcastOf(...shapes.map((s) => [s].flat()));
}

/**
 * The array repeated along new leading axes and axes of size 1. Chunks of repeated axes: `chunks`, by default one block.
 * NumPy `broadcast_to`.
 * @throws {BroadcastError}
 */
export function broadcastTo(
  x: ArrayLike,
  to: number | readonly number[],
  options: { readonly chunks?: ChunkSpec } = {},
): ChunkedArray {
  requireKnownOptions("broadcastTo", options, { chunks: true });
  return new ChunkedArray(broadcastLayer(known("broadcastTo", x), [to].flat(), options.chunks));
}

/** The arrays in their common shape, cut alike. NumPy `broadcast_arrays`. @throws {BroadcastError} */
export function broadcastArrays(...arrays: readonly ArrayLike[]): ChunkedArray[] {
  const lazy = arrays.map((a) => known("broadcastArrays", a));
  const to = broadcastOf(...lazy.map((a) => a.shape));
  const largest = [...lazy].sort((a, b) => b.nbytes - a.nbytes);
  const cut = to.map((n, k): readonly number[] => {
    for (const a of largest) {
      const own = a.ndim - to.length + k;
      if (own >= 0 && a.shape[own] === n) return a.chunks[own] as readonly number[];
    }
    return [n];
  });
  return lazy.map((a) => {
    const wide = new ChunkedArray(broadcastLayer(a, to, cut));
    return wide.rechunk(cut);
  });
}

/** Bytes of the last axis seen as another dtype; the axis grows or shrinks by the ratio of sizes. NumPy `ndarray.view`. @throws {ShapeError} bytes that do not divide */
export function view(x: ArrayLike, dtype: DType): ChunkedArray {
  return array(x).view(asDType(dtype));
}

/**
 * Elements along an axis in another order: groups of indices, one after another. A group stays within one block; groups
 * share a block of about the input's average size, at most `array.chunk-size-tolerance` times that. Where one group has
 * more, the other axes are cut finer. dask.array `shuffle`, with its chunks.
 * @throws {SelectionError} out of bounds  @throws {ArgumentError} what is no list of lists
 */
export function shuffle(
  x: ArrayLike,
  indexer: readonly (readonly number[])[],
  axis?: number | { readonly axis?: number },
): ChunkedArray {
  const lazy = known("shuffle", x);
  if (!Array.isArray(indexer) || !indexer.every((g) => Array.isArray(g)))
    throw new ArgumentError("shuffle: expected a list of lists of indices");
  const k = normalizeAxis(axisAnd<number, object>(axis, undefined, ["shuffle", {}]).axis ?? 0, lazy.ndim);
  return new ChunkedArray(shuffleLayer(lazy, indexer, k));
}
