/** Reductions: one fused partial kernel, a fixed tree, NumPy's result dtypes. */
import { ArgumentError, DTypeError, ShapeError } from "../base/index.ts";
import { type DType, dtypeInfo, reductionType, type Scalar } from "../dtype/index.ts";
import {
  KernelBuilder,
  type LayerNode,
  type NodeId,
  type ReduceOp,
  type ReduceSpec,
  reduceNode,
} from "../graph/index.ts";
import { normalizeAxes } from "../ndarray/index.ts";
import type { LazyArray } from "./lazy.ts";

/** Axes to reduce: one, several, or all when absent. */
export type Axis = number | readonly number[] | null;

/** Options of reductions, as NumPy and Dask have them. */
export interface ReduceOptions {
  /** Keep reduced axes with size 1. */
  readonly keepdims?: boolean;
  /** dtype in which sums accumulate and results come. */
  readonly dtype?: DType;
  /** Delta degrees of freedom of var and std. */
  readonly ddof?: number;
  /** Partials combined at once, per axis; default 4. */
  readonly splitEvery?: number;
}

/** What the labelled layer adds: a mask of elements that take part, and what an empty result is. */
export interface MaskedReduce {
  /** Build the value and the mask (null: all take part) from the array's node. */
  readonly value?: (b: KernelBuilder, x: NodeId) => { readonly value: NodeId; readonly mask: NodeId | null };
  readonly minCount?: number;
  readonly empty?: Scalar | null;
  /** dtype of the result where it differs from NumPy's. */
  readonly result?: DType;
}

/**
 * Layer of a reduction.
 * @throws {AxisError} axis out of bounds or repeated  @throws {ShapeError} min or max of nothing
 * @throws {DTypeError} not defined for the dtype  @throws {ArgumentError} splitEvery below 2
 */
export function reduceLayer(
  op: ReduceOp,
  x: LazyArray,
  axis: Axis | undefined,
  options: ReduceOptions = {},
  masked: MaskedReduce = {},
): LayerNode {
  const reduced = normalizeAxes(axis, x.ndim);
  const splitEvery = options.splitEvery ?? 4;
  if (!Number.isInteger(splitEvery) || splitEvery < 2)
    throw new ArgumentError(`splitEvery ${splitEvery}: expected an integer of at least 2`);
  if (/min|max/.test(op) && masked.empty === undefined && reduced.some((k) => x.shape[k] === 0)) {
    throw new ShapeError(`${op} of an empty array of shape (${x.shape.join(", ")}) has no value`);
  }
  const b = new KernelBuilder();
  const input = b.input(x.dtype);
  const own = options.dtype ? b.cast(input, options.dtype) : input;
  const { value, mask } = masked.value?.(b, own) ?? { value: own, mask: null };
  const from = b.dtype(value);
  const { kind } = dtypeInfo(from);
  if (kind === "M" || kind === "m" || kind === "c") throw new DTypeError(`${op} is not defined for ${from} yet`);
  const spec: ReduceSpec = {
    op,
    from,
    dtype: masked.result ?? reductionType(op, from),
    ddof: options.ddof ?? 0,
    minCount: masked.minCount ?? 0,
    empty: masked.empty ?? null,
  };
  const call = b.build(mask === null ? [value] : [value, mask]);
  const inputs = [{ layer: x.node, axes: x.shape.map((_, k) => k) }];
  return reduceNode(op, call, spec, inputs, x.chunks, { reduced, keepdims: options.keepdims ?? false, splitEvery });
}
