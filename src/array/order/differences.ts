/** Differences of neighbours and gradients: NumPy's names over lazy arrays. */
import { ArgumentError, DTypeError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { dtypeInfo, type Scalar } from "../../dtype/index.ts";
import { concatenateNode, type KernelBuilder, type LayerNode, type NodeId, rechunkNode } from "../../graph/index.ts";
import { ascontiguous, NDArray, normalizeAxes, normalizeAxis } from "../../ndarray/index.ts";
import type { WithAxis } from "../axis-options.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { elementwise } from "../elementwise/layer.ts";
import { binaryTerm, type Term } from "../elementwise/terms.ts";
import { known } from "../inputs.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import type { Axis } from "../reduce/layer.ts";
import { type ArrayLike, full } from "../shape/create.ts";
import { concatenate } from "../shape/joining.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { sliceAlong } from "./scan-layer.ts";

/** Options of `diff`. */
export interface DiffOptions extends WithAxis<number> {
  /** How often differences are taken; default 1. */
  readonly n?: number;
  /** Put before the first element, along the axis: a number, or an array of the same rank. */
  readonly prepend?: ArrayLike;
  /** Put after the last element. */
  readonly append?: ArrayLike;
}

function difference(x: LazyArray, axis: number): LazyArray {
  const n = Math.max(0, (x.shape[axis] as number) - 1);
  const operands = [sliceAlong(x, axis, Math.min(1, x.shape[axis] as number), n), sliceAlong(x, axis, 0, n)];
  const op = x.dtype === "bool" ? "ne" : "sub";
  return lazyOf(elementwise("diff", operands, (b, [p, q]) => binaryTerm(b, op, p as Term, q as Term)));
}

/** A number as an array of size 1 along the axis; other arrays as they are. */
function neighbour(x: ArrayLike, like: LazyArray, axis: number): ChunkedArray {
  const lazy = known("diff", x);
  if (lazy.ndim !== 0) return lazy;
  if (typeof x !== "number" && typeof x !== "bigint" && typeof x !== "boolean")
    throw new ArgumentError("diff: prepend and append are numbers, or arrays of the rank of the input");
  const shape = like.shape.map((n, k) => (k === axis ? 1 : n));
  return full(shape, x as Scalar, { dtype: lazy.dtype });
}

/**
 * Differences of neighbours along `axis` (the last by default), `n` times; of bools whether neighbours differ.
 *
 * Lazy. Shape: `n` fewer along the axis. dtype: the input's; unsigned results wrap. Chunks: the input's, the first
 * shorter; nothing is splintered. `diff(x, n, axis)` or `diff(x, { n, axis, prepend, append })`.
 * @throws {AxisError} @throws {ArgumentError} `n` negative or not whole
 * @example
 * ```ts
 * await diff(array([1, 4, 9, 16])).compute(); // => [3, 5, 7]
 * ```
 * Matches NumPy `diff`.
 */
export function diff(x: ArrayLike, n: number | DiffOptions = 1, axis: number | DiffOptions = -1): ChunkedArray {
  const options: DiffOptions = typeof n === "object" ? n : typeof axis === "object" ? axis : {};
  requireKnownOptions("diff", options, { axis: true, n: true, prepend: true, append: true });
  const times = typeof n === "number" ? n : (n.n ?? 1);
  if (!Number.isInteger(times) || times < 0)
    throw new ArgumentError(`diff: n ${times}: expected a whole number, at least 0`);
  let lazy = known("diff", x);
  const k = normalizeAxis(typeof axis === "number" ? (options.axis ?? axis) : (axis.axis ?? -1), lazy.ndim);
  if (times === 0) return lazy;
  const parts = [
    ...(options.prepend === undefined ? [] : [neighbour(options.prepend, lazy, k)]),
    lazy,
    ...(options.append === undefined ? [] : [neighbour(options.append, lazy, k)]),
  ];
  if (parts.length > 1) lazy = concatenate(parts, k);
  let result: LazyArray = lazy;
  for (let i = 0; i < times; i++) result = difference(result, k);
  return new ChunkedArray(result.node);
}

/** Options of `ediff1d`. */
export interface EdiffOptions {
  readonly toEnd?: ArrayLike;
  readonly toBegin?: ArrayLike;
}

const KINDS = "buifc";

/**
 * Differences of neighbours of the flat array, with values before and after.
 *
 * Lazy, 1-d. dtype: the input's. Matches NumPy `ediff1d`.
 * @throws {DTypeError} `toEnd` or `toBegin` of a wider kind than the input
 */
export function ediff1d(x: ArrayLike, options: EdiffOptions = {}): ChunkedArray {
  const lazy = known("ediff1d", x);
  const flat = (a: LazyArray): LazyArray => (a.ndim === 1 ? a : lazyOf(reshapeLayer(a, [-1])));
  const inner = new ChunkedArray(difference(flat(lazy), 0).node);
  const edge = (name: string, values: ArrayLike | undefined): ChunkedArray[] => {
    if (values === undefined) return [];
    const given = known("ediff1d", values);
    if (KINDS.indexOf(dtypeInfo(given.dtype).kind) > KINDS.indexOf(dtypeInfo(lazy.dtype).kind))
      throw new DTypeError(`ediff1d: ${name} of ${given.dtype} does not fit an array of ${lazy.dtype}`);
    return [new ChunkedArray(flat(given.astype(lazy.dtype)).node)];
  };
  const parts = [...edge("toBegin", options.toBegin), inner, ...edge("toEnd", options.toEnd)];
  return parts.length === 1 ? inner : concatenate(parts, 0);
}

/** Options of `gradient`. */
export interface GradientOptions extends WithAxis<Axis> {
  /** Order of the differences at both ends: 1 (default) or 2. */
  readonly edgeOrder?: 1 | 2;
}

/** Distance between neighbours: one number, or the coordinates along an axis. */
export type Spacing = number | readonly number[] | NDArray | Float64Array | Float32Array;

/** Distances along one axis. `isStrong`: they are float64 and make the arithmetic so. */
type Steps =
  | { readonly step: number; readonly isStrong: boolean }
  | { readonly step: readonly number[]; readonly isStrong: true };

function stepsOf(spacing: Spacing, n: number): Steps {
  if (typeof spacing === "number") return { step: spacing, isStrong: false };
  const block = spacing instanceof NDArray ? ascontiguous(spacing) : null;
  if (block !== null && block.ndim === 0) return { step: Number(block.item()), isStrong: true };
  const values = block === null ? Array.from(spacing as readonly number[], Number) : Array.from(block.data, Number);
  if ((block !== null && block.ndim !== 1) || values.length !== n)
    throw new ShapeError(`gradient: ${values.length} coordinates for an axis of ${n}: expected one for each element`);
  const steps = values.slice(1).map((v, i) => v - (values[i] as number));
  const [first] = steps;
  return first !== undefined && steps.every((s) => s === first)
    ? { step: first, isStrong: true }
    : { step: steps, isStrong: true };
}

/** Sum of operands times weights, term by term; weights are numbers or arrays. */
function weighted(parts: readonly LazyArray[], weights: readonly (number | NDArray)[], isStrong: boolean): LazyArray {
  const { dtype } = parts[0] as LazyArray; // three of them
  const arrays = weights.filter((w): w is NDArray => w instanceof NDArray);
  const node = elementwise("gradient", [...parts, ...arrays], (b, terms) => {
    let next = parts.length;
    const summands = parts.map((_, k): Term => {
      const weight = weights[k] as number | NDArray; // one per part
      const w: Term = typeof weight === "number" ? number(b, weight, isStrong) : (terms[next++] as Term);
      return binaryTerm(b, "mul", w, terms[k] as Term);
    });
    return stored(
      b,
      summands.reduce((p, q) => binaryTerm(b, "add", p, q)),
      dtype,
    );
  });
  return lazyOf(node);
}

function number(b: KernelBuilder, x: number, isStrong: boolean): Term {
  return isStrong ? { node: b.param(x, "float64") } : { weak: x };
}

function stored(b: KernelBuilder, x: Term, dtype: LazyArray["dtype"]): Term {
  return { node: b.cast((x as { readonly node: NodeId }).node, dtype) }; // made from arrays, so it is a node
}

/** (p - q) / step */
function slope(p: LazyArray, q: LazyArray, step: number, isStrong: boolean): LazyArray {
  return lazyOf(
    elementwise("gradient", [p, q], (b, [x, y]) =>
      stored(b, binaryTerm(b, "div", binaryTerm(b, "sub", x as Term, y as Term), number(b, step, isStrong)), p.dtype),
    ),
  );
}

/** Weights of the two ends at order 2, for f[0 … 2] and f[-3 … -1]. Source: NumPy `gradient`. */
function edgeWeights({ step }: Steps): readonly [readonly number[], readonly number[]] {
  if (typeof step === "number")
    return [
      [-1.5 / step, 2 / step, -0.5 / step],
      [0.5 / step, -2 / step, 1.5 / step],
    ];
  const [a, b] = step as [number, number]; // order 2 needs three elements
  const [c, d] = step.slice(-2) as [number, number];
  return [
    [-(2 * a + b) / (a * (a + b)), (a + b) / (a * b), -a / (b * (a + b))],
    [d / (c * (c + d)), -(d + c) / (c * d), (2 * d + c) / (d * (c + d))],
  ];
}

/** Weights of f[i - 1], f[i], f[i + 1] inside, along `axis`. */
function innerWeights(steps: readonly number[], axis: number, ndim: number): NDArray[] {
  const n = steps.length - 1;
  const shape = Array.from({ length: ndim }, (_, k) => (k === axis ? n : 1));
  const weights = (f: (before: number, after: number) => number): NDArray =>
    NDArray.of(
      Float64Array.from({ length: n }, (_, i) => f(steps[i] as number, steps[i + 1] as number)),
      shape,
    );
  return [
    weights((p, q) => -q / (p * (p + q))),
    weights((p, q) => (q - p) / (p * q)),
    weights((p, q) => p / (q * (p + q))),
  ];
}

function gradientLayer(x: LazyArray, axis: number, steps: Steps, edgeOrder: 1 | 2): LayerNode {
  const n = x.shape[axis] as number;
  const { step, isStrong } = steps;
  const at = (start: number, count: number): LazyArray => sliceAlong(x, axis, start, count);
  const inside = n - 2;
  const parts: LazyArray[] = [];
  const [first, last] = typeof step === "number" ? [step, step] : [step[0] as number, step.at(-1) as number];
  const [head, tail] = edgeOrder === 2 ? edgeWeights(steps) : [[], []];
  const three = (start: number): LazyArray[] => [0, 1, 2].map((k) => at(start + k, 1));
  parts.push(edgeOrder === 1 ? slope(at(1, 1), at(0, 1), first, isStrong) : weighted(three(0), head, isStrong));
  if (inside > 0) {
    if (typeof step === "number") parts.push(slope(at(2, inside), at(0, inside), 2 * step, isStrong));
    else {
      const neighbours = [at(0, inside), at(1, inside), at(2, inside)];
      parts.push(weighted(neighbours, innerWeights(step, axis, x.ndim), isStrong));
    }
  }
  parts.push(
    edgeOrder === 1 ? slope(at(n - 1, 1), at(n - 2, 1), last, isStrong) : weighted(three(n - 3), tail, isStrong),
  );
  return rechunkNode(
    concatenateNode(
      parts.map((p) => p.node),
      axis,
    ),
    x.chunks,
  );
}

/**
 * Gradient by central differences inside and one-sided ones at the ends: an array per axis, or one for a single axis.
 *
 * `gradient(x)`, `gradient(x, 2)`, `gradient(x, coordinates, 1, { axis: [0, 1], edgeOrder: 2 })`: one spacing for all
 * axes, or one per axis; a number, or the coordinates of the elements. Lazy. Shape: the input's. dtype: floats stay,
 * integers become float64. Chunks: the input's.
 * @throws {ShapeError} fewer than `edgeOrder + 1` elements, or coordinates that do not fit
 * @throws {DTypeError} bool or dates  @throws {ArgumentError} as many spacings as there are no axes
 *
 * Matches NumPy `gradient`.
 */
export function gradient(
  x: ArrayLike,
  ...args: readonly (Spacing | GradientOptions)[]
): ChunkedArray | readonly ChunkedArray[] {
  const isOptions = (a: Spacing | GradientOptions): a is GradientOptions =>
    typeof a === "object" && !Array.isArray(a) && !ArrayBuffer.isView(a) && !(a instanceof NDArray);
  const spacings = args.filter((a): a is Spacing => !isOptions(a));
  const options = args.find(isOptions) ?? {};
  requireKnownOptions("gradient", options, { axis: true, edgeOrder: true });
  const { edgeOrder = 1 } = options;
  if (edgeOrder !== 1 && edgeOrder !== 2) throw new ArgumentError(`gradient: edgeOrder ${edgeOrder}: expected 1 or 2`);
  const lazy = known("gradient", x);
  const { kind } = dtypeInfo(lazy.dtype);
  if (kind === "b" || kind === "M" || kind === "m") throw new DTypeError(`gradient is not defined for ${lazy.dtype}`);
  const own = kind === "i" || kind === "u" ? lazy.astype("float64") : lazy;
  const axes = gradientAxes(options.axis, lazy.ndim);
  if (spacings.length > 1 && spacings.length !== axes.length)
    throw new ArgumentError(`gradient: ${spacings.length} spacings for ${axes.length} axes`);
  const results = axes.map((axis, k) => {
    const n = lazy.shape[axis] as number;
    if (n < edgeOrder + 1)
      throw new ShapeError(`gradient along axis ${axis} of size ${n}: at least ${edgeOrder + 1} elements are needed`);
    const spacing = spacings[spacings.length === 1 ? 0 : k] ?? 1;
    if (spacings.length === 1 && typeof spacing !== "number" && axes.length > 1)
      throw new ArgumentError("gradient: coordinates of one axis for several; give one spacing per axis");
    return new ChunkedArray(gradientLayer(own, axis, stepsOf(spacing, n), edgeOrder));
  });
  return results.length === 1 ? (results[0] as ChunkedArray) : results;
}

/** Axes in the order in which they were asked for. */
function gradientAxes(axis: Axis | undefined, ndim: number): readonly number[] {
  if (!Array.isArray(axis)) return normalizeAxes(axis, ndim);
  normalizeAxes(axis, ndim);
  return axis.map((k: number) => normalizeAxis(k, ndim));
}
