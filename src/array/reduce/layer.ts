/** Reductions: one fused partial kernel, a fixed tree, NumPy's result dtypes. */
import { ArgumentError, AxisError, DTypeError, ShapeError } from "../../base/index.ts";
import { asDType, type DType, dtypeInfo, givesIndex, reductionType, type Scalar } from "../../dtype/index.ts";
import {
  type BlockInput,
  blockwiseNode,
  KernelBuilder,
  type LayerNode,
  type NodeId,
  type ReduceOp,
  type ReduceSpec,
  reduceNode,
} from "../../graph/index.ts";
import { normalizeAxes } from "../../ndarray/index.ts";
import { axisAnd, type WithAxis } from "../axis-options.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { isSelected } from "../unknown.ts";
import { complexReduceLayer } from "./complex.ts";
import { reduceSelected } from "./selected.ts";

/** Axes to reduce: one, several, or all when absent. */
export type Axis = number | readonly number[] | null;

/** Options of reductions, as NumPy and Dask have them. */
export interface ReduceOptions {
  /** Keep reduced axes with size 1. */
  readonly keepdims?: boolean;
  /** dtype that the values take before a sum, product, mean or variance, and that the result has. */
  readonly dtype?: DType;
  /** Delta degrees of freedom of var and std. */
  readonly ddof?: number;
  /** The Array API's name of `ddof`. */
  readonly correction?: number;
  /** Partials combined at once, per axis; default 4. */
  readonly splitEvery?: number;
}

/** Axes to reduce, alone or as one of the options: `sum(0)`, `sum({ axis: 0, keepdims: true })`. */
export type AxisOrOptions<A extends Axis = Axis> = A | (ReduceOptions & WithAxis<A>);

/** What the labelled layer adds: a mask of elements that take part, and what an empty result is. */
export interface MaskedReduce {
  /** Build the value and the mask (null: all take part) from the array's node. */
  readonly value?: (b: KernelBuilder, x: NodeId) => { readonly value: NodeId; readonly mask: NodeId | null };
  readonly minCount?: number;
  readonly empty?: Scalar | null;
  /** dtype of the result where it differs from NumPy's. */
  readonly result?: DType;
  /** Bools, cut like the array, for the elements that take part. */
  readonly rows?: BlockInput<LayerNode>;
}

const OPTIONS: ReadonlySet<string> = new Set(["keepdims", "dtype", "ddof", "correction", "splitEvery"]);
const HAS_DTYPE: ReadonlySet<ReduceOp> = new Set([
  ...(["sum", "nansum", "prod", "nanprod", "mean", "nanmean", "var", "nanvar", "std", "nanstd"] as const),
]);
const HAS_DDOF: ReadonlySet<ReduceOp> = new Set(["var", "nanvar", "std", "nanstd"] as const);

/**
 * Layer of a reduction.
 * @throws {AxisError} axis out of bounds or repeated  @throws {ShapeError} min, max, argmin or argmax of nothing
 * @throws {DTypeError} not defined for the dtype  @throws {ArgumentError} an option that the reduction does not have
 */
export function reduceLayer(
  op: ReduceOp,
  x: LazyArray,
  axisOrOptions: AxisOrOptions | undefined,
  given?: ReduceOptions & WithAxis<Axis>,
  masked: MaskedReduce = {},
): LayerNode {
  const asked = axisAnd<Axis, ReduceOptions>(axisOrOptions, given, null);
  const { axis } = asked;
  const { axis: _, ...options } = asked.options;
  if (isSelected(x))
    return reduceSelected(
      op,
      x,
      { axis, options, masked },
      (name) =>
        (...known) =>
          reduceLayer(name, ...known),
    );
  const { splitEvery, ddof, dtype } = checkedOptions(op, options);
  if (givesIndex(op) && typeof axis === "object" && axis !== null)
    throw new AxisError(`${op} along axes [${axis.join(", ")}]: expected one axis, or none for the flat index`);
  const reduced = normalizeAxes(axis, x.ndim);
  if (masked.empty === undefined) checkNotEmpty(op, x.shape, reduced);
  const b = new KernelBuilder();
  const input = b.input(x.dtype);
  const own = dtype === undefined ? input : b.cast(input, dtype);
  const { value, mask: valid } = masked.value?.(b, own) ?? { value: own, mask: null };
  const rows = masked.rows ? b.input("bool") : null;
  const mask = rows !== null && valid !== null ? b.binary("and", rows, valid) : (rows ?? valid);
  const from = b.dtype(value);
  const { kind } = dtypeInfo(from);
  const inputs = [...inputsOf(x), ...(masked.rows ? [masked.rows] : [])];
  if (kind === "c") {
    const layer = (label: string, id: NodeId): LazyArray =>
      lazyOf(blockwiseNode(label, b.build([id]), inputs, x.chunks));
    const z = value === input ? x : layer("astype", value);
    const keepdims = options.keepdims ?? false;
    const real = (name: ReduceOp, part: LazyArray, delta = 0): LayerNode =>
      reduceLayer(name, part, axis, { keepdims, splitEvery, ddof: delta });
    const present = mask === null ? null : layer("notnull", mask);
    return complexReduceLayer(op, z, { axis, keepdims, ddof, present, minCount: masked.minCount ?? 0, real });
  }
  if (kind === "M" || kind === "m") throw new DTypeError(`${op} is not defined for ${from} yet`);
  // Products of several blocks of float16 are rounded once, at the end: what a block gives may be no float16.
  const isWide =
    from === "float16" && (op === "prod" || op === "nanprod") && reduced.some((k) => (x.chunks[k]?.length ?? 0) > 1);
  const entering = isWide ? b.cast(value, "float32") : value;
  const spec: ReduceSpec = {
    op,
    from: b.dtype(entering),
    dtype: masked.result ?? dtype ?? reductionType(op, from),
    ddof,
    minCount: masked.minCount ?? 0,
    empty: masked.empty ?? null,
  };
  const call = b.build(mask === null ? [entering] : [entering, mask]);
  return reduceNode(op, call, spec, inputs, x.chunks, {
    reduced,
    keepdims: options.keepdims ?? false,
    splitEvery,
  });
}

function inputsOf(x: LazyArray): { readonly layer: LayerNode; readonly axes: readonly number[] }[] {
  return [{ layer: x.node, axes: x.shape.map((_, k) => k) }];
}

interface CheckedOptions {
  readonly splitEvery: number;
  readonly ddof: number;
  readonly dtype: DType | undefined;
}

function checkedOptions(op: ReduceOp, options: ReduceOptions): CheckedOptions {
  for (const [name, value] of Object.entries(options)) {
    if (!OPTIONS.has(name) && value !== undefined)
      throw new ArgumentError(
        name === "where" || name === "initial"
          ? `${op} has no option ${name}; select with where(mask, x, neutral) before, or combine with ${name} after`
          : `${op} has no option ${JSON.stringify(name)}; expected ${[...OPTIONS].join(", ")}`,
      );
  }
  const { splitEvery = 4, correction, dtype } = options;
  if (!Number.isInteger(splitEvery) || splitEvery < 2)
    throw new ArgumentError(`splitEvery ${splitEvery}: expected an integer of at least 2`);
  if (correction !== undefined && options.ddof !== undefined && correction !== options.ddof)
    throw new ArgumentError(`ddof ${options.ddof} and correction ${correction} are two names of one number`);
  const ddof = options.ddof ?? correction ?? 0;
  if (!Number.isFinite(ddof)) throw new ArgumentError(`ddof ${ddof}: expected a finite number`);
  if (ddof !== 0 && !HAS_DDOF.has(op)) throw new ArgumentError(`${op} has no ddof`);
  if (dtype === undefined) return { splitEvery, ddof, dtype };
  const to = asDType(dtype);
  if (!HAS_DTYPE.has(op)) throw new ArgumentError(`${op} has no dtype option; use astype`);
  const { kind } = dtypeInfo(to);
  const needsFloat = HAS_DDOF.has(op);
  if (kind === "b" || (needsFloat && kind !== "f" && kind !== "c"))
    throw new DTypeError(`${op} with dtype ${to}: expected ${needsFloat ? "a float" : "a number"} dtype`);
  return { splitEvery, ddof, dtype: to };
}

/** NumPy's rule: a reduced axis without elements has no extreme, even where the result is empty too. */
function checkNotEmpty(op: ReduceOp, shape: readonly number[], reduced: readonly number[]): void {
  if (/min|max/.test(op) && reduced.some((k) => shape[k] === 0))
    throw new ShapeError(`${op} of an empty array of shape (${shape.join(", ")}) has no value`);
}
