/** Layers of medians and quantiles: exact, by ranks along whole axes or by counting over many blocks. */
import { ArgumentError, DTypeError, ShapeError, UnsupportedError } from "../../base/index.ts";
import { type DType, dtypeInfo, type Scalar } from "../../dtype/index.ts";
import {
  KernelBuilder,
  type LayerNode,
  type NodeId,
  type QuantileMethod,
  rechunkNode,
  type SelectSpec,
  sameChunks,
  selectNode,
} from "../../graph/index.ts";
import { DISCRETE_METHODS } from "../../kernels/index.ts";
import { normalizeAxes, sizeOf } from "../../ndarray/index.ts";
import { chunkSizeBytes } from "../auto.ts";
import { axisAnd, type TakenOptions, type WithAxis } from "../axis-options.ts";
import { cutChunks, type LazyArray } from "../lazy.ts";
import type { Axis } from "../reduce/layer.ts";
import { countedSelection } from "./counted-selection.ts";

/** What is selected. `q` is a number or a list for `quantile`, absent for `median`. */
export interface Choice {
  readonly op: "median" | "quantile";
  readonly q?: number | readonly number[];
  readonly method?: QuantileMethod;
  readonly skipna: boolean;
}

/** Options of selections. */
export interface SelectOptions {
  /** Keep ranked axes with size 1. */
  readonly keepdims?: boolean;
}

/** Options of medians. */
export type MedianOptions = SelectOptions & WithAxis<Axis>;

/** Options of quantiles and percentiles. */
export interface QuantileOptions extends SelectOptions, WithAxis<Axis> {
  /** How a quantile between two elements is found, as NumPy names it; default `linear`. */
  readonly method?: QuantileMethod;
  /** Not supported. */
  readonly weights?: null;
}

/** Names of {@link QuantileOptions}, for `axisAnd`. */
export const TAKEN_BY_QUANTILE: TakenOptions<QuantileOptions> = [
  "quantile",
  { keepdims: true, method: true, weights: true },
];

/** What the labelled layer adds: a mask of elements that take part, and what an empty result is. */
export interface MaskedSelect {
  /** Build the value and the mask (null: all take part) from the array's node. */
  readonly value?: (b: KernelBuilder, x: NodeId) => { readonly value: NodeId; readonly mask: NodeId | null };
  readonly empty?: Scalar | null;
  /** dtype of the result where it differs from NumPy's. */
  readonly result?: DType;
}

/** NumPy's methods. */
export const QUANTILE_METHODS: readonly QuantileMethod[] = [
  "inverted_cdf",
  "averaged_inverted_cdf",
  "closest_observation",
  "interpolated_inverted_cdf",
  "hazen",
  "weibull",
  "linear",
  "median_unbiased",
  "normal_unbiased",
  "lower",
  "higher",
  "midpoint",
  "nearest",
];

/** dtype of a median or quantile of `from`. Source: NumPy 2.4 (a list of quantiles interpolates in float64). */
function selectedType(choice: Choice, method: QuantileMethod, from: DType): DType {
  const { kind } = dtypeInfo(from);
  if (kind === "c" || kind === "M" || kind === "m") throw new DTypeError(`${choice.op} is not defined for ${from}`);
  if (choice.op === "median") return kind === "f" ? from : "float64";
  if (DISCRETE_METHODS.has(method)) return from;
  if (kind === "b")
    throw new DTypeError(`quantile of bool by method "${method}" interpolates; take a discrete method or astype first`);
  return kind === "f" && !Array.isArray(choice.q) ? from : "float64";
}

function quantilesOf({ op, q }: Choice): readonly number[] {
  if (op === "median") return [];
  const list = typeof q === "number" ? [q] : [...(q ?? [])];
  for (const x of list) {
    if (typeof x !== "number" || !(x >= 0 && x <= 1))
      throw new ArgumentError(`quantile ${String(x)}: expected a number from 0 to 1 (0 to 100 for percentiles)`);
  }
  return list;
}

/**
 * Layer of a selection. Reduced axes are made whole; the others are cut for tasks of the configured size.
 * All axes of an array that is larger than one chunk are ranked by counting, block by block.
 * @throws {AxisError} @throws {DTypeError} not defined for the dtype @throws {ArgumentError} no quantile, no method
 * @throws {ShapeError} a quantile of nothing
 */
export function selectLayer(
  choice: Choice,
  x: LazyArray,
  axis: Axis | undefined,
  options: SelectOptions = {},
  masked: MaskedSelect = {},
): LayerNode {
  const reduced = normalizeAxes(axis, x.ndim);
  const method = choice.method ?? "linear";
  if (!QUANTILE_METHODS.includes(method))
    throw new ArgumentError(
      `quantile method ${JSON.stringify(method)}: expected one of ${QUANTILE_METHODS.join(", ")}`,
    );
  const q = quantilesOf(choice);
  const b = new KernelBuilder();
  const input = b.input(x.dtype);
  const { value, mask } = masked.value?.(b, input) ?? { value: input, mask: null };
  const from = b.dtype(value);
  const dtype = masked.result ?? selectedType(choice, method, from);
  const depth = sizeOf(reduced.map((k) => x.shape[k] as number));
  if (choice.op === "quantile" && !choice.skipna && depth === 0)
    throw new ShapeError(`quantile along axes of size 0 of an array of shape (${x.shape.join(", ")}) has no value`);
  const isList = choice.op === "quantile" && typeof choice.q !== "number";
  const spec: SelectSpec = {
    op: choice.op,
    q,
    isList,
    method,
    skipna: choice.skipna,
    from,
    dtype,
    empty: masked.empty ?? null,
  };
  const label = `${choice.skipna ? "nan" : ""}${choice.op}`;
  const call = b.build(mask === null ? [value] : [value, mask]);
  const keepdims = options.keepdims ?? false;
  if (reduced.length === x.ndim && sizeOf(x.chunks.map((c) => c.length)) > 1 && x.nbytes > chunkSizeBytes())
    return countedSelection(label, { call, spec, x, keepdims });
  const { node, chunks } = wholeAlong(x, reduced);
  const inputs = [{ layer: node, axes: x.shape.map((_, k) => k) }];
  return selectNode(label, call, spec, inputs, chunks, { reduced, keepdims });
}

/** Layer of a median as callers write its arguments. */
export function medianOf(
  skipna: boolean,
  x: LazyArray,
  axis: Axis | MedianOptions | undefined,
  options?: MedianOptions,
): LayerNode {
  const given = axisAnd<Axis, SelectOptions>(axis, options, ["median", { keepdims: true }]);
  return selectLayer({ op: "median", skipna }, x, given.axis, given.options);
}

/**
 * Layer of quantiles as callers write their arguments.
 * @throws {UnsupportedError} weights
 */
export function quantileOf(
  skipna: boolean,
  x: LazyArray,
  q: number | readonly number[],
  given: { readonly axis: Axis | undefined; readonly options: QuantileOptions },
): LayerNode {
  const { method, weights } = given.options;
  if (weights !== undefined && weights !== null)
    throw new UnsupportedError("quantiles with weights are not supported; sort and cumulate the weights instead");
  const choice: Choice = { op: "quantile", q, skipna, ...(method === undefined ? {} : { method }) };
  return selectLayer(choice, x, given.axis, given.options);
}

/** The array with one block along `axes`; where it has more the other axes are cut anew. */
export function wholeAlong(
  x: LazyArray,
  axes: readonly number[],
): { readonly node: LayerNode; readonly chunks: readonly (readonly number[])[] } {
  if (axes.every((k) => (x.chunks[k] as readonly number[]).length <= 1)) return { node: x.node, chunks: x.chunks };
  const spec = x.shape.map((n, k): number | "auto" => (axes.includes(k) ? Math.max(n, 1) : "auto"));
  const chunks = cutChunks(x.shape, x.dtype, spec, { previous: x.chunks });
  return { node: sameChunks(chunks, x.chunks) ? x.node : rechunkNode(x.node, chunks), chunks };
}
