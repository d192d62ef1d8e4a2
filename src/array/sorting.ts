/** Sorted arrays and orders: NumPy's and Dask's names over lazy arrays. */
import { ArgumentError, AxisError } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import { applyNode, type LayerNode, rechunkNode } from "../graph/index.ts";
import { blockScratch } from "../kernels/index.ts";
import { normalizeAxis } from "../ndarray/index.ts";
import { axisAnd, type WithAxis } from "./axis-options.ts";
import { ChunkedArray } from "./chunked-array.ts";
import type { ArrayLike } from "./create.ts";
import { known } from "./inputs.ts";
import { type LazyArray, lazyOf } from "./lazy.ts";
import { reshapeLayer } from "./reshape.ts";
import { wholeAlong } from "./select-layer.ts";

/** Options of `sort` and `argsort`. */
export interface SortOptions extends WithAxis<number | null> {
  /** The opposite order: NaN comes first. */
  readonly descending?: boolean;
  /** Equal elements keep their order; they always do. */
  readonly stable?: boolean;
}

/** Bytes that a kernel needs beside the largest block of `chunks`. */
export function scratchFor(kernel: string, dtype: DType, chunks: LazyArray["chunks"]): number {
  const facts = { dtype, shape: chunks.map((sizes) => Math.max(0, ...sizes)) };
  return blockScratch(kernel, [facts, facts], facts, null);
}

/** One input, one result block of equal shape, along a whole axis. */
export function orderLayer(kernel: "sort" | "argsort", x: LazyArray, axis: number, descending: boolean): LayerNode {
  const { node, chunks } = wholeAlong(x, [axis]);
  return applyNode(kernel, {
    kernel,
    params: { axis, descending },
    inputs: [{ layer: node, axes: chunks.map((_, k) => k) }],
    dtype: kernel === "sort" ? x.dtype : "int64",
    chunks,
    scratchBytes: scratchFor(kernel, x.dtype, chunks),
  });
}

type Sorting = (x: ArrayLike, axis?: number | null | SortOptions, options?: SortOptions) => ChunkedArray;

function sorting(kernel: "sort" | "argsort"): Sorting {
  return (x, axis, options) => {
    const given = axisAnd<number | null, SortOptions>(axis, options);
    const lazy = known(kernel, x);
    const line = given.axis === null ? lazyOf(reshapeLayer(lazy, [-1])) : lazy;
    if (line.ndim === 0) throw new AxisError(`${kernel} of an array without axes`);
    const k = normalizeAxis(given.axis ?? -1, line.ndim);
    return new ChunkedArray(orderLayer(kernel, line, k, given.options.descending ?? false));
  };
}

/**
 * The elements along `axis` (the last by default; null: of the flat array) in order: NaN last, -0 equal to 0, complex
 * numbers by real, then imaginary part. `descending`: the opposite order.
 *
 * Lazy. Shape and dtype: the input's. Chunks: `axis` becomes whole, others are cut for tasks of the configured size.
 * @throws {AxisError}
 * @example
 * ```ts
 * await sort(array([3, 1, 2])).compute(); // => [1n, 2n, 3n]
 * ```
 * Matches NumPy `sort`.
 */
export const sort: Sorting = sorting("sort");

/**
 * Indices that put the elements along `axis` in order, stable: equal elements keep theirs, also descending.
 *
 * Lazy. Shape: the input's. dtype int64. Chunks as {@link sort}. Matches NumPy `argsort(stable=True)`.
 * @throws {AxisError}
 */
export const argsort: Sorting = sorting("argsort");

/** Options of `topk` and `argtopk`. */
export interface TopOptions extends WithAxis<number> {
  /** Blocks joined at once along the axis; default 4. */
  readonly splitEvery?: number;
}

interface Top {
  readonly axis: number;
  readonly k: number;
}

function topLayer(kernel: string, x: LazyArray, { axis, k }: Top, more: { readonly indices?: LayerNode }): LayerNode {
  const axes = x.chunks.map((_, i) => i);
  const sizes = x.chunks[axis] as readonly number[];
  let at = 0;
  const starts = sizes.map((n) => {
    at += n;
    return at - n;
  });
  return applyNode(kernel, {
    kernel,
    params: kernel === "argtopk" ? { axis, k, starts } : { axis, k },
    inputs: [{ layer: x.node, axes }, ...(more.indices ? [{ layer: more.indices, axes }] : [])],
    dtype: kernel === "topk" ? x.dtype : "int64",
    chunks: x.chunks.map((c, i) => (i === axis ? c.map((n) => Math.min(n, Math.abs(k))) : c)),
    scratchBytes: scratchFor(kernel, x.dtype, x.chunks),
  });
}

/** Neighbouring blocks along the axis joined, `every` at a time. */
function joined(node: LayerNode, axis: number, every: number): LayerNode {
  const sizes = node.layer.chunks[axis] as readonly number[];
  const groups = Array.from({ length: Math.ceil(sizes.length / every) }, (_, g) =>
    sizes.slice(g * every, (g + 1) * every).reduce((a, b) => a + b, 0),
  );
  return rechunkNode(
    node,
    node.layer.chunks.map((c, i) => (i === axis ? groups : c)),
  );
}

function topTree(x: LazyArray, top: Top, splitEvery: number, wantsIndices: boolean): LayerNode {
  let values = topLayer("topk", x, top, {});
  let indices = wantsIndices ? topLayer("argtopk", x, top, {}) : null;
  while ((values.layer.chunks[top.axis] as readonly number[]).length > 1) {
    const candidates = lazyOf(joined(values, top.axis, splitEvery));
    if (indices !== null)
      indices = topLayer("pick-topk", candidates, top, { indices: joined(indices, top.axis, splitEvery) });
    values = topLayer("topk", candidates, top, {});
  }
  return indices ?? values;
}

type TopK = (x: ArrayLike, k: number, axis?: number | TopOptions, options?: TopOptions) => ChunkedArray;

function top(name: "topk" | "argtopk"): TopK {
  return (x, k, axis, options) => {
    const given = axisAnd<number, TopOptions>(axis, options);
    const { splitEvery = 4 } = given.options;
    const lazy = known(name, x);
    if (!Number.isInteger(k) || k === 0)
      throw new ArgumentError(`${name}: k ${k}: expected a whole number other than 0`);
    if (!Number.isInteger(splitEvery) || splitEvery < 2)
      throw new ArgumentError(`splitEvery ${splitEvery}: expected an integer of at least 2`);
    if (lazy.ndim === 0) throw new AxisError(`${name} of an array without axes`);
    const along = normalizeAxis(given.axis ?? -1, lazy.ndim);
    return new ChunkedArray(topTree(lazy, { axis: along, k }, splitEvery, name === "argtopk"));
  };
}

/**
 * The `k` largest elements along `axis` (the last by default), largest first; with negative `k` the `-k` smallest,
 * smallest first. NaN counts as larger than all numbers.
 *
 * Lazy. Shape: `|k|` along the axis, or its size if that is less. dtype: the input's. Chunks: one along the axis; each
 * block gives its own, then `splitEvery` neighbours are joined at a time.
 * @throws {AxisError} @throws {ArgumentError} `k` 0 or not whole
 * @example
 * ```ts
 * await topk(array([5, 1, 3, 6]), 2).compute(); // => [6n, 5n]
 * ```
 * Matches dask.array `topk`.
 */
export const topk: TopK = top("topk");

/** int64 indices of the {@link topk} elements; of equal ones the first. Matches dask.array `argtopk`. */
export const argtopk: TopK = top("argtopk");
