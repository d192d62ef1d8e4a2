/** Norms of vectors and matrices, and traces. */
import { ArgumentError, AxisError, requireKnownOptions } from "../../base/index.ts";
import { type DType, dtypeInfo } from "../../dtype/index.ts";
import { normalizeAxes, normalizeAxis } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { reduceLayer } from "../reduce/layer.ts";
import { diagonal } from "../shape/grids.ts";
import { svdvals } from "./decompositions.ts";
import { realType } from "./matrices.ts";
import { type ProductOperand, toLazy } from "./products.ts";

/** Orders of norms: a number, ±Infinity, and of matrices Frobenius and nuclear. */
export type NormOrder = number | "fro" | "nuc";

/** Options of norms. */
export interface NormOptions<Order> {
  readonly ord?: Order | null;
  readonly axis?: number | readonly number[] | null;
  readonly keepdims?: boolean;
}

/** Floats of the array; integers become float64. */
function floating(x: ProductOperand): ChunkedArray {
  const lazy = toLazy(x);
  const { kind } = dtypeInfo(lazy.dtype);
  return kind === "f" || kind === "c" ? lazy : lazy.astype("float64");
}

/** Square root of the sum of squares of moduli. */
function euclidean(x: ChunkedArray, axes: readonly number[], keepdims: boolean): ChunkedArray {
  const isComplex = dtypeInfo(x.dtype).kind === "c";
  const parts = isComplex ? [x.real, x.imag] : [x];
  const squares = parts.map((p) => p.mul(p)).reduce((a, b) => a.add(b));
  return squares.sum(axes, { keepdims }).pow(0.5);
}

function vectorNormOf(x: ChunkedArray, ord: number, axes: readonly number[], keepdims: boolean): ChunkedArray {
  if (ord === 2) return euclidean(x, axes, keepdims);
  if (ord === 0) return x.ne(0).astype(realType(x.dtype)).sum(axes, { keepdims });
  const size = x.abs();
  if (ord === Number.POSITIVE_INFINITY) return size.max(axes, { keepdims });
  if (ord === Number.NEGATIVE_INFINITY) return size.min(axes, { keepdims });
  if (ord === 1) return size.sum(axes, { keepdims });
  if (Number.isNaN(ord)) throw new ArgumentError("a norm of order NaN: expected a number");
  return size
    .pow(ord)
    .sum(axes, { keepdims })
    .pow(1 / ord);
}

/**
 * Norm of vectors: of order 2 unless told; axes are one, several (then flattened together) or all. Chunks: one along
 * reduced axes. Matches NumPy `linalg.vector_norm`.
 * @throws {AxisError}  @throws {ArgumentError} an order that is no number
 */
export function vectorNorm(x: ProductOperand, options: NormOptions<number> = {}): ChunkedArray {
  requireKnownOptions("vectorNorm", options, { ord: true, axis: true, keepdims: true });
  const lazy = floating(x);
  const { ord = 2, axis = null, keepdims = false } = options;
  if (typeof ord !== "number" && ord !== null)
    throw new ArgumentError(`vectorNorm of order ${JSON.stringify(ord)}: expected a number`);
  return vectorNormOf(lazy, ord ?? 2, normalizeAxes(axis, lazy.ndim), keepdims);
}

/**
 * Norm of matrices in the last two axes: Frobenius unless told; 1, −1, ±Infinity from sums of moduli, 2, −2 and `"nuc"` from
 * singular values. Matches NumPy `linalg.matrix_norm`.
 * @throws {ArgumentError} another order  @throws {AxisError} fewer than two axes
 */
export function matrixNorm(x: ProductOperand, options: Omit<NormOptions<NormOrder>, "axis"> = {}): ChunkedArray {
  requireKnownOptions("matrixNorm", options, { ord: true, keepdims: true });
  const lazy = floating(x);
  if (lazy.ndim < 2) throw new AxisError(`matrixNorm of rank ${lazy.ndim}: expected at least two axes`);
  const { ord = "fro", keepdims = false } = options;
  return matrixNormOf(lazy, ord ?? "fro", [lazy.ndim - 2, lazy.ndim - 1], keepdims);
}

type TwoAxes = readonly [number, number];

function matrixNormOf(x: ChunkedArray, ord: NormOrder, [row, column]: TwoAxes, keepdims: boolean): ChunkedArray {
  if (ord === "fro") return euclidean(x, [row, column], keepdims);
  const size = (inner: number, outer: number, op: "max" | "min"): ChunkedArray =>
    x.abs().sum(inner, { keepdims: true })[op]([inner, outer], { keepdims });
  switch (ord) {
    case 1:
      return size(row, column, "max");
    case -1:
      return size(row, column, "min");
    case Number.POSITIVE_INFINITY:
      return size(column, row, "max");
    case Number.NEGATIVE_INFINITY:
      return size(column, row, "min");
    case 2:
    case -2:
    case "nuc": {
      const others = [...x.shape.keys()].filter((k) => k !== row && k !== column);
      const s = svdvals(x.transpose(...others, row, column));
      const made = ord === "nuc" ? s.sum(-1) : ord === 2 ? s.max(-1) : s.min(-1);
      return keepdims ? made.slice(...x.shape.map((_, k) => (k === row || k === column ? null : ":"))) : made;
    }
    default:
      throw new ArgumentError(`matrix norm of order ${String(ord)}: expected "fro", "nuc", ±1, ±2 or ±Infinity`);
  }
}

/**
 * Norm of vectors (one axis) or matrices (two), `norm(x, ord, { axis, keepdims })`: the square root of the sum of squares unless `ord` tells. Without `axis`
 * and `ord` of the whole array. Matches NumPy and dask.array `linalg.norm`.
 * @throws {ArgumentError} an order that the vectors or matrices have not  @throws {AxisError} more than two axes
 */
export function norm(
  x: ProductOperand,
  order?: NormOrder | null | NormOptions<NormOrder>,
  options: NormOptions<NormOrder> = {},
): ChunkedArray {
  const lazy = floating(x);
  const chosen =
    typeof order === "object" && order !== null
      ? order
      : { ...options, ...(order === undefined ? {} : { ord: order }) };
  requireKnownOptions("norm", chosen, { ord: true, axis: true, keepdims: true });
  const { ord = null, axis = null, keepdims = false } = chosen;
  if (axis === null && ord === null) return euclidean(lazy, normalizeAxes(null, lazy.ndim), keepdims);
  const given = axis === null ? [...lazy.shape.keys()] : [axis].flat().map((k) => normalizeAxis(k, lazy.ndim));
  if (given.length === 1) {
    if (typeof ord === "string")
      throw new ArgumentError(`norm of vectors of order ${JSON.stringify(ord)}: expected a number`);
    return vectorNormOf(lazy, ord ?? 2, given, keepdims);
  }
  const [row, column] = given;
  if (given.length !== 2 || row === undefined || column === undefined || row === column)
    throw new AxisError(`norm along axes [${given.join(", ")}]: expected one axis or two`);
  return matrixNormOf(lazy, ord ?? "fro", [row, column], keepdims);
}

/** Options of {@link trace}. */
export interface TraceOptions {
  readonly offset?: number;
  readonly axis1?: number;
  readonly axis2?: number;
  readonly dtype?: DType;
}

/**
 * Sum along a diagonal of two axes, the first two unless told; integers as `sum`: `trace(x)`, `trace(x, offset)`. Matches
 * NumPy `trace`.
 * @throws {AxisError} axes that are not two
 */
export function trace(x: ProductOperand, offset?: number | TraceOptions, options: TraceOptions = {}): ChunkedArray {
  const given = typeof offset === "object" ? offset : options;
  requireKnownOptions("trace", given, { offset: true, axis1: true, axis2: true, dtype: true });
  const { axis1 = 0, axis2 = 1, dtype } = given;
  const along = diagonal(toLazy(x), {
    offset: typeof offset === "number" ? offset : (given.offset ?? 0),
    axis1,
    axis2,
  });
  return new ChunkedArray(reduceLayer("sum", along, -1, dtype === undefined ? {} : { dtype }));
}
