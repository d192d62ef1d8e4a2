/** Sorted arrays and orders: NumPy's and Dask's names over lazy arrays. */
import { ChunkedArray } from "../chunked-array.ts";
import { known } from "../inputs.ts";
import type { ArrayLike } from "../shape/create.ts";
import { orderOf, type SortOptions, type TopOptions, topOf } from "./order-layer.ts";

export type { SortOptions, TopOptions } from "./order-layer.ts";

type Sorting = (x: ArrayLike, axis?: number | null | SortOptions, options?: SortOptions) => ChunkedArray;

function sorting(kernel: "sort" | "argsort"): Sorting {
  return (x, axis, options) => new ChunkedArray(orderOf(kernel, known(kernel, x), axis, options));
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

type TopK = (x: ArrayLike, k: number, axis?: number | TopOptions, options?: TopOptions) => ChunkedArray;

function top(name: "topk" | "argtopk"): TopK {
  return (x, k, axis, options) => new ChunkedArray(topOf(name, known(name, x), k, { axis, options }));
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
