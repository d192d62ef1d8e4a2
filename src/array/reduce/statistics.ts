/** Statistics made of reductions: weighted means, ranges, central moments, covariances. NumPy's names. */
import { ArgumentError, DTypeError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { type DType, dtypeInfo, promoteTypes, reductionType } from "../../dtype/index.ts";
import { normalizeAxes, normalizeAxis, type SliceArg } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { complex } from "../elementwise/complex.ts";
import { matmulLayer } from "../linalg/contract.ts";
import { full } from "../shape/create.ts";
import { concatenate } from "../shape/joining.ts";
import type { Axis, ReduceOptions } from "./layer.ts";
import { lazyArray, type Reducible } from "./reductions.ts";

/** Largest less smallest element, in the array's dtype. Chunks: as `max`. NumPy `ptp`. @throws {DTypeError} of bool */
export function ptp(
  x: Reducible,
  axis?: Axis,
  options: Pick<ReduceOptions, "keepdims" | "splitEvery"> = {},
): ChunkedArray {
  requireKnownOptions("ptp", options, { keepdims: true, splitEvery: true });
  const a = lazyArray(x);
  if (a.dtype === "bool") throw new DTypeError("ptp of bool: subtraction is not defined for it; use xor");
  return a.max(axis, options).sub(a.min(axis, options));
}

/** Options of {@link average}. */
export interface AverageOptions {
  /** Of the array's shape, or 1-d along the one axis; all 1 by default. */
  readonly weights?: Reducible | null;
  readonly keepdims?: boolean;
}

/**
 * Weighted mean; with `returned`, also the sum of the weights. dtype: a float that holds values and weights.
 * Chunks: one along reduced axes. NumPy `average`; weights that add up to 0 give NaN or infinity where NumPy throws,
 * as in Dask.
 * @throws {ShapeError} weights of another shape  @throws {ArgumentError} 1-d weights without one axis
 */
export function average(
  x: Reducible,
  axis: Axis | undefined,
  options: AverageOptions & { readonly returned: true },
): [ChunkedArray, ChunkedArray];
export function average(
  x: Reducible,
  axis?: Axis,
  options?: AverageOptions & { readonly returned?: false },
): ChunkedArray;
export function average(
  x: Reducible,
  axis?: Axis,
  options: AverageOptions & { readonly returned?: boolean } = {},
): ChunkedArray | [ChunkedArray, ChunkedArray] {
  requireKnownOptions("average", options, { weights: true, keepdims: true, returned: true });
  const a = lazyArray(x);
  const { weights = null, keepdims = false, returned = false } = options;
  if (weights === null) {
    const made = a.mean(axis, { keepdims });
    const n = normalizeAxes(axis, a.ndim).reduce((product, k) => product * (a.shape[k] as number), 1);
    return returned ? [made, full(made.shape, n, { dtype: made.dtype, chunks: made.chunks })] : made;
  }
  const w = weightsFor(a, lazyArray(weights), axis);
  const common = promoteTypes(a.dtype, w.dtype);
  const dtype = isFloat(a.dtype) ? common : promoteTypes(common, "float64");
  const everywhere = w.astype(dtype).mul(full(a.shape, 1, { dtype, chunks: a.chunks }));
  const scale = everywhere.sum(axis, { keepdims });
  const made = a.astype(dtype).mul(w.astype(dtype)).sum(axis, { keepdims }).div(scale);
  return returned ? [made, scale] : made;
}

function isFloat(dtype: DType): boolean {
  const { kind } = dtypeInfo(dtype);
  return kind === "f" || kind === "c";
}

function weightsFor(a: ChunkedArray, w: ChunkedArray, axis: Axis | undefined): ChunkedArray {
  if (w.ndim === a.ndim && w.shape.every((n, k) => n === a.shape[k])) return w;
  const one = [axis ?? []].flat();
  if (w.ndim !== 1 || one.length !== 1)
    throw new ArgumentError(
      `average of shape (${a.shape.join(", ")}) with weights of shape (${w.shape.join(", ")}): expected weights of the array's shape, or 1-d weights and one axis`,
    );
  const k = normalizeAxis(one[0] as number, a.ndim); // just counted
  if (w.shape[0] !== a.shape[k])
    throw new ShapeError(`average: ${w.shape[0]} weights along axis ${k} of ${a.shape[k]} elements`);
  return w.slice(...a.shape.map((_, i): SliceArg => (i === k ? ":" : null)));
}

/** Options of {@link moment}. */
export interface MomentOptions {
  readonly keepdims?: boolean;
  readonly ddof?: number;
  readonly splitEvery?: number;
}

/**
 * Central moment: the mean of `(x - mean) ** order`, with `ddof` less in the divisor. dtype: as of `var` (float64 for orders 0 and 1).
 * The array is read twice. Chunks: one along reduced axes. Matches dask.array `moment`.
 * @throws {ArgumentError} an order that is no integer from 0 on  @throws {DTypeError} complex numbers
 */
export function moment(x: Reducible, order: number, axis?: Axis, options: MomentOptions = {}): ChunkedArray {
  requireKnownOptions("moment", options, { keepdims: true, ddof: true, splitEvery: true });
  if (!Number.isInteger(order) || order < 0) throw new ArgumentError(`moment ${order}: expected an integer from 0 on`);
  const a = lazyArray(x);
  if (dtypeInfo(a.dtype).kind === "c") throw new DTypeError(`moment is not defined for ${a.dtype}`);
  const { keepdims = false, ddof = 0 } = options;
  const split = options.splitEvery === undefined ? {} : { splitEvery: options.splitEvery };
  const dtype = reductionType("var", a.dtype);
  const values = a.astype(dtype);
  if (order < 2) {
    const like = values.sum(axis, { keepdims, ...split });
    return full(like.shape, 1 - order, { dtype: "float64", chunks: like.chunks });
  }
  const n = normalizeAxes(axis, a.ndim).reduce((product, k) => product * (a.shape[k] as number), 1);
  const centred = values.sub(values.mean(axis, { keepdims: true, ...split }));
  let power = centred;
  for (let k = 1; k < order; k++) power = power.mul(centred);
  return power.sum(axis, { keepdims, ...split }).div(n - ddof);
}

/** Variables up to which covariances are sums of fused products, in one pass over the observations for each. */
const STREAMED_MAX = 16;

function isComplex(dtype: DType): boolean {
  return dtypeInfo(dtype).kind === "c";
}

/** Options of {@link cov}. */
export interface CovOptions {
  /** Each row is a variable (default), else each column. */
  readonly rowvar?: boolean;
  /** Divide by n instead of n - 1. */
  readonly bias?: boolean;
  /** Replaces what `bias` implies. */
  readonly ddof?: number | null;
}

/**
 * Covariance matrix of variables by observations, of `x` and, with `y`, of both stacked. dtype: float64, or wider.
 * Chunks: one block along variables. NumPy `cov`.
 * @throws {ShapeError} more than two axes, or other observations in `y`
 */
export function cov(x: Reducible, y?: Reducible | null, options: CovOptions = {}): ChunkedArray {
  requireKnownOptions("cov", options, { rowvar: true, bias: true, ddof: true });
  const { rowvar = true, bias = false } = options;
  const variables = (given: Reducible): ChunkedArray => {
    const a = lazyArray(given);
    if (a.ndim > 2) throw new ShapeError(`cov of ${a.ndim} axes: expected at most 2`);
    const flat = a.ndim === 2 ? a : a.ndim === 1 ? a.slice(null, ":") : a.slice(null, null);
    return rowvar || flat.shape[0] === 1 ? flat : flat.transpose();
  };
  let all = variables(x);
  if (y !== undefined && y !== null) {
    const more = variables(y);
    if (more.shape[1] !== all.shape[1])
      throw new ShapeError(`cov of ${all.shape[1]} and ${more.shape[1]} observations: expected as many`);
    all = concatenate([all, more], 0);
  }
  const values = all.astype(promoteTypes(all.dtype, "float64")).rechunk({ 0: -1 });
  const n = values.shape[1] as number; // two axes
  const ddof = options.ddof ?? (bias ? 0 : 1);
  const centred = values.sub(values.mean(1, { keepdims: true }));
  const other = isComplex(values.dtype) ? centred.conj() : centred;
  // Few variables stream; many are a product of matrices.
  const products =
    (values.shape[0] as number) <= STREAMED_MAX
      ? centred
          .slice(":", null, ":")
          .mul(other.slice(null, ":", ":"))
          .sum(2)
      : new ChunkedArray(matmulLayer(centred, other.transpose()));
  const out = products.div(Math.max(0, n - ddof));
  return out.shape.every((m) => m === 1) ? out.squeeze() : out;
}

/**
 * Pearson correlation matrix of variables by observations, each value (or its parts) within [-1, 1]. dtype of `cov`. Chunks: one block.
 * NumPy `corrcoef`.
 * @throws {ShapeError} as `cov`
 */
export function corrcoef(x: Reducible, y?: Reducible | null, options: Pick<CovOptions, "rowvar"> = {}): ChunkedArray {
  requireKnownOptions("corrcoef", options, { rowvar: true });
  const c = cov(x, y, options);
  if (c.ndim === 0) return c.div(c);
  const n = c.shape[0] as number; // a matrix
  const diagonal = concatenate(
    Array.from({ length: n }, (_, i) => c.slice([i, i + 1], i)),
    0,
  ).real.pow(0.5);
  const scaled = c.div(diagonal.slice(":", null)).div(diagonal.slice(null, ":"));
  if (!isComplex(scaled.dtype)) return scaled.clip(-1, 1);
  return complex(scaled.real.clip(-1, 1), scaled.imag.clip(-1, 1));
}
