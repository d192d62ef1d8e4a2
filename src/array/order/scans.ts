/** Running sums and products, and forward fill: NumPy's names over lazy arrays. */
import { AxisError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import { normalizeAxis } from "../../ndarray/index.ts";
import type { WithAxis } from "../axis-options.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { known } from "../inputs.ts";
import { lazyOf } from "../lazy.ts";
import type { ArrayLike } from "../shape/create.ts";
import { pushLayer, type ScanOp, type ScanOptions, scanLayer, scanOf, scanType, withInitial } from "./scan-layer.ts";

export type { ScanOptions } from "./scan-layer.ts";

/** Options of the Array API's functions. */
export interface CumulativeOptions extends WithAxis<number | null> {
  readonly dtype?: DType;
  /** Put the neutral element first. */
  readonly includeInitial?: boolean;
}

type Scan = (x: ArrayLike, axis?: number | null | ScanOptions, options?: ScanOptions) => ChunkedArray;

function scanned(op: ScanOp, skipna: boolean): Scan {
  const name = op === "add" ? "cumsum" : "cumprod";
  return (x, axis, options) => new ChunkedArray(scanOf({ op, skipna }, known(name, x), axis, options));
}

/**
 * Running sum along an axis, of the flat array without one.
 *
 * Lazy. Shape: the input's. dtype: bool and integers give int64, unsigned uint64 (wrapping), floats stay; or `dtype`.
 * Chunks: the input's. One block has NumPy's bits; with several the total of those before is added to a block's own sums.
 * @throws {AxisError} @throws {DTypeError} dates
 * @example
 * ```ts
 * await cumsum(array([[1, 2], [3, 4]]), 1).compute(); // => [[1, 3], [3, 7]]
 * ```
 * Matches NumPy `cumsum` and dask.array `cumsum`.
 */
export const cumsum: Scan = scanned("add", false);

/** Running product; otherwise as {@link cumsum}. Matches NumPy `cumprod`. */
export const cumprod: Scan = scanned("mul", false);

/** Running sum in which NaN counts as 0. Matches NumPy `nancumsum`. */
export const nancumsum: Scan = scanned("add", true);

/** Running product in which NaN counts as 1. Matches NumPy `nancumprod`. */
export const nancumprod: Scan = scanned("mul", true);

function cumulative(op: ScanOp): (x: ArrayLike, options?: CumulativeOptions) => ChunkedArray {
  return (x, options = {}) => {
    const name = op === "add" ? "cumulativeSum" : "cumulativeProd";
    const lazy = known(name, x);
    if (lazy.ndim !== 1 && (options.axis === undefined || options.axis === null))
      throw new AxisError(`${name} of an array of ${lazy.ndim} axes needs an axis`);
    const axis = normalizeAxis(options.axis ?? 0, lazy.ndim);
    const node = scanLayer(op, lazy, axis, scanType(lazy.dtype, options.dtype));
    return new ChunkedArray(options.includeInitial ? withInitial(op, lazyOf(node), axis) : node);
  };
}

/**
 * The Array API's running sum: an axis is needed unless the array has one; `includeInitial` puts a 0 first, which makes
 * the first chunk one longer. Matches NumPy `cumulative_sum`.
 * @throws {AxisError} no axis for several
 */
export const cumulativeSum: (x: ArrayLike, options?: CumulativeOptions) => ChunkedArray = cumulative("add");

/** The Array API's running product; `includeInitial` puts a 1 first. Matches NumPy `cumulative_prod`. */
export const cumulativeProd: (x: ArrayLike, options?: CumulativeOptions) => ChunkedArray = cumulative("mul");

/**
 * NaN filled with the last number before it along `axis`, at most `n` in a row.
 *
 * Lazy. Shape and dtype: the input's; integers are returned as they are. Chunks: `axis` becomes whole.
 * @throws {AxisError} @throws {ArgumentError} `n` below 1
 * @example
 * ```ts
 * await push(array([1, NaN, NaN, 4]), 1, 0).compute(); // => [1, 1, NaN, 4]
 * ```
 * Matches dask.array `push` (bottleneck's).
 */
export function push(x: ArrayLike, n: number | null = null, axis: number | WithAxis<number> = -1): ChunkedArray {
  const lazy = known("push", x);
  const given = typeof axis === "number" ? axis : (axis.axis ?? -1);
  return new ChunkedArray(pushLayer(lazy, normalizeAxis(given, lazy.ndim), { limit: n }));
}
