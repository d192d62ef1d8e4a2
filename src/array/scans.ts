/** Running sums and products, and forward fill: NumPy's names over lazy arrays. */
import { ArgumentError, AxisError } from "../base/index.ts";
import { type DType, dtypeInfo } from "../dtype/index.ts";
import { normalizeAxis } from "../ndarray/index.ts";
import { axisAnd, type WithAxis } from "./axis-options.ts";
import { ChunkedArray } from "./chunked-array.ts";
import type { ArrayLike } from "./create.ts";
import { elementwise } from "./elementwise.ts";
import { known } from "./inputs.ts";
import { type LazyArray, lazyOf } from "./lazy.ts";
import { reshapeLayer } from "./reshape.ts";
import { pushLayer, type ScanOp, scanLayer, scanType, withInitial } from "./scan-layer.ts";
import { type Term, unaryTerm, whereTerm } from "./terms.ts";

/** Options of running sums and products. */
export interface ScanOptions extends WithAxis<number | null> {
  /** dtype that the values take before they are combined, and that the result has. */
  readonly dtype?: DType;
  /** Dask's choice of plan; both give the same bits here: blocks, then their totals, in order. */
  readonly method?: "sequential" | "blelloch";
}

/** Options of the Array API's functions. */
export interface CumulativeOptions extends WithAxis<number | null> {
  readonly dtype?: DType;
  /** Put the neutral element first. */
  readonly includeInitial?: boolean;
}

type Scan = (x: ArrayLike, axis?: number | null | ScanOptions, options?: ScanOptions) => ChunkedArray;

/** NaN replaced by what changes nothing. */
function withoutNaN(x: LazyArray, op: ScanOp): LazyArray {
  const { kind } = dtypeInfo(x.dtype);
  if (kind !== "f" && kind !== "c") return x;
  const node = elementwise("nan-to-neutral", [x], (b, [term]) => {
    const value = term as Term; // one operand
    return whereTerm(b, unaryTerm(b, "isnan", value), { weak: op === "add" ? 0 : 1 }, value);
  });
  return lazyOf(node);
}

function scanned(op: ScanOp, skipna: boolean): Scan {
  return (x, axis, options) => {
    const given = axisAnd<number | null, ScanOptions>(axis, options);
    const { method = "sequential", dtype } = given.options;
    if (method !== "sequential" && method !== "blelloch")
      throw new ArgumentError(`method ${JSON.stringify(method)}: expected "sequential" or "blelloch"`);
    const lazy = known(op === "add" ? "cumsum" : "cumprod", x);
    const isFlat = given.axis === undefined || given.axis === null;
    const line = isFlat && lazy.ndim !== 1 ? lazyOf(reshapeLayer(lazy, [-1])) : lazy;
    const k = isFlat ? 0 : normalizeAxis(given.axis as number, lazy.ndim); // neither null nor undefined
    return new ChunkedArray(scanLayer(op, skipna ? withoutNaN(line, op) : line, k, scanType(lazy.dtype, dtype)));
  };
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
