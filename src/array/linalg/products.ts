/** Products of arrays: NumPy's names over lazy arrays. */
import { AxisError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { NDArray, normalizeAxis } from "../../ndarray/index.ts";
import { ChunkedArray, isChunkedArray } from "../chunked-array.ts";
import { conjNode } from "../elementwise/complex-terms.ts";
import { elementwise, type Operand } from "../elementwise/layer.ts";
import { binaryTerm, strong, type Term } from "../elementwise/terms.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reduceLayer } from "../reduce/layer.ts";
import { array } from "../shape/create.ts";
import { stack } from "../shape/joining.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { axisNames, contractLayer, matmulLayer, productType } from "./contract.ts";

/** What products take: arrays. */
export type ProductOperand = ChunkedArray | NDArray;

/** A lazy array over what was given; numbers become 0-d arrays. */
export function toLazy(x: Operand): ChunkedArray {
  if (isChunkedArray(x)) return x;
  return x instanceof NDArray ? array(x) : new ChunkedArray(elementwise("scalar", [x], (_, [t]) => t as Term));
}

/**
 * Matrix product over the last two axes; leading axes broadcast, and a 1-d operand is a row or column that is dropped
 * again. dtype by promotion; integers wrap, bool gives "any". float32 sums round once per block of the summed axis.
 *
 * Chunks: rows follow `a`, columns `b`, the summed axis the larger operand; a partial product per summed block.
 * Matches NumPy `matmul`.
 * @throws {ShapeError} sizes that do not agree, or 0-d operands
 */
export function matmul(a: ProductOperand, b: ProductOperand): ChunkedArray {
  const [x, y] = [toLazy(a), toLazy(b)];
  return new ChunkedArray(matmulLayer(x, y));
}

/** Axes to contract: so many, or lists of those of either array. */
export type ContractedAxes = number | readonly [number | readonly number[], number | readonly number[]];

/**
 * Sum of products over axes of two arrays: the last `axes` of `a` with the first of `b`, or lists of axes. The result has
 * the other axes of `a`, then those of `b`. Chunks and dtype as of {@link matmul}. Matches NumPy `tensordot`.
 * @throws {ShapeError} sizes differ  @throws {AxisError} axes out of bounds, repeated, or unequal in number
 */
export function tensordot(
  a: ProductOperand,
  b: ProductOperand,
  options: ContractedAxes | { readonly axes?: ContractedAxes } = {},
): ChunkedArray {
  const [x, y] = [toLazy(a), toLazy(b)];
  const isAxes = typeof options === "number" || "length" in options;
  if (!isAxes) requireKnownOptions("tensordot", options, { axes: true });
  const axes = isAxes ? options : (options.axes ?? 2);
  if (typeof axes === "number" && (!Number.isInteger(axes) || axes < 0 || axes > Math.min(x.ndim, y.ndim)))
    throw new AxisError(`tensordot over ${axes} axes of ranks ${x.ndim} and ${y.ndim}`);
  const [given, other] =
    typeof axes === "number"
      ? [Array.from({ length: axes }, (_, k) => x.ndim - axes + k), Array.from({ length: axes }, (_, k) => k)]
      : axes;
  const ours = [given].flat().map((k) => normalizeAxis(k, x.ndim));
  const theirs = [other].flat().map((k) => normalizeAxis(k, y.ndim));
  if (ours.length !== theirs.length || new Set(ours).size !== ours.length || new Set(theirs).size !== theirs.length)
    throw new AxisError(`tensordot over axes [${ours.join(", ")}] and [${theirs.join(", ")}]: expected pairs of axes`);
  const left = axisNames("m", x.ndim).map((name, k) => (ours.includes(k) ? `k${ours.indexOf(k)}` : name));
  const right = axisNames("n", y.ndim).map((name, k) => (theirs.includes(k) ? `k${theirs.indexOf(k)}` : name));
  const out = [...left, ...right].filter((name) => !name.startsWith("k"));
  return new ChunkedArray(contractLayer("tensordot", { x, labels: left }, { x: y, labels: right }, out));
}

function multiplied(x: LazyArray, y: LazyArray): ChunkedArray {
  return new ChunkedArray(elementwise("multiply", [x, y], (b, [p, q]) => binaryTerm(b, "mul", p as Term, q as Term)));
}

/** Sum over axes in the array's own dtype (integers wrap; bool: any). */
function summed(x: LazyArray, axis: number | readonly number[] | null): ChunkedArray {
  return new ChunkedArray(
    x.dtype === "bool" ? reduceLayer("any", x, axis) : reduceLayer("sum", x, axis, { dtype: x.dtype }),
  );
}

/**
 * Dot product: of vectors a number, of matrices the matrix product, else the sum over the last axis of `a` and the
 * second-to-last of `b`; with a number, `multiply`. Matches NumPy `dot`.
 * @throws {ShapeError} sizes differ
 */
export function dot(a: Operand, b: Operand): ChunkedArray {
  const [x, y] = [toLazy(a), toLazy(b)];
  if (x.ndim === 0 || y.ndim === 0) return multiplied(x, y);
  return tensordot(x, y, { axes: [-1, y.ndim === 1 ? 0 : -2] });
}

/** Sum of products over the last axes; with a number, `multiply`. Matches NumPy `inner`. @throws {ShapeError} sizes differ */
export function inner(a: Operand, b: Operand): ChunkedArray {
  const [x, y] = [toLazy(a), toLazy(b)];
  return x.ndim === 0 || y.ndim === 0 ? multiplied(x, y) : tensordot(x, y, { axes: [-1, -1] });
}

function flat(x: LazyArray): ChunkedArray {
  return new ChunkedArray(x.ndim === 1 ? x.node : reshapeLayer(x, [-1]));
}

/** All products of two flattened arrays: `(m, n)`. Chunks: theirs. Matches NumPy `outer`. */
export function outer(a: ProductOperand, b: ProductOperand): ChunkedArray {
  return multiplied(flat(toLazy(a)).slice(":", null), flat(toLazy(b)).slice(null, ":"));
}

/**
 * Dot product of two flattened arrays, the first conjugated. Matches NumPy `vdot`.
 * @throws {ShapeError} different numbers of elements
 */
export function vdot(a: ProductOperand, b: ProductOperand): ChunkedArray {
  const [x, y] = [toLazy(a), toLazy(b)];
  if (x.size !== y.size)
    throw new ShapeError(`vdot of ${x.size} and ${y.size} elements: expected as many in both arrays`);
  const isSame = x.ndim === y.ndim && x.shape.every((n, k) => n === y.shape[k]);
  return conjugateDot("vdot", isSame ? x : flat(x), isSame ? y : flat(y), null);
}

/** Sum of `conj(x)·y` along axes, fused: the products are never an array. */
function conjugateDot(label: string, x: LazyArray, y: LazyArray, axis: number | null): ChunkedArray {
  productType(label, x.dtype, y.dtype);
  const products = elementwise(label, [x, y], (b, [p, q]) => {
    const left = b.dtype(strong(b, p as Term)) === "bool" ? (p as Term) : { node: conjNode(b, strong(b, p as Term)) };
    return binaryTerm(b, "mul", left, q as Term);
  });
  return summed(lazyOf(products), axis);
}

/**
 * Dot products of vectors along an axis, the first conjugated; other axes broadcast. Matches NumPy `vecdot`.
 * @throws {ShapeError} sizes along `axis` differ  @throws {AxisError}
 */
export function vecdot(a: ProductOperand, b: ProductOperand, options: { readonly axis?: number } = {}): ChunkedArray {
  requireKnownOptions("vecdot", options, { axis: true });
  const [x, y] = [toLazy(a), toLazy(b)];
  const { axis = -1 } = options;
  const [p, q] = [normalizeAxis(axis, x.ndim), normalizeAxis(axis, y.ndim)];
  if (x.shape[p] !== y.shape[q])
    throw new ShapeError(`vecdot of ${x.shape[p]} and ${y.shape[q]} elements along axis ${axis}`);
  // Counted from the end, so that other axes may broadcast.
  const last = (z: ChunkedArray, k: number): ChunkedArray => {
    const order = [...z.shape.keys()].filter((i) => i !== k);
    return k === z.ndim - 1 ? z : z.transpose(...order, k);
  };
  const [left, right] = [last(x, p), last(y, q)];
  return conjugateDot("vecdot", left, right, Math.max(left.ndim, right.ndim) - 1);
}

/**
 * Cross product of vectors of three elements along `axis`; other axes broadcast. Matches NumPy `linalg.cross`.
 * @throws {ShapeError} not three elements  @throws {AxisError}
 */
export function cross(a: ProductOperand, b: ProductOperand, options: { readonly axis?: number } = {}): ChunkedArray {
  requireKnownOptions("cross", options, { axis: true });
  const { axis = -1 } = options;
  const parts = [a, b].map((operand) => {
    const x = toLazy(operand);
    const k = normalizeAxis(axis, x.ndim);
    if (x.shape[k] !== 3)
      throw new ShapeError(`cross of vectors of ${x.shape[k]} elements along axis ${axis}: expected 3`);
    return [0, 1, 2].map((i) => x.slice(...x.shape.map((_, j) => (j === k ? i : ":"))));
  });
  const [p, q] = parts as [ChunkedArray[], ChunkedArray[]]; // two operands
  const difference = (i: number, j: number): ChunkedArray => {
    const [pi, pj, qi, qj] = [p[i], p[j], q[i], q[j]] as [ChunkedArray, ChunkedArray, ChunkedArray, ChunkedArray]; // three parts each
    return multiplied(pi, qj).sub(multiplied(pj, qi));
  };
  const made = [difference(1, 2), difference(2, 0), difference(0, 1)];
  return stackAt(made, axis);
}

function stackAt(parts: readonly ChunkedArray[], axis: number): ChunkedArray {
  const ndim = (parts[0] as ChunkedArray).ndim + 1; // three parts
  const at = normalizeAxis(axis, ndim);
  const joined = stack(parts, { axis: at });
  return joined.rechunk(joined.chunks.map((c, k) => (k === at ? [3] : c)));
}
