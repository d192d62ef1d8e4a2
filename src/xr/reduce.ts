/** Reductions by dimension name: missing elements are skipped, an empty cell is missing (api.md §2). */
import { ChunkedArray, type MaskedReduce, reduceLayer } from "../array/index.ts";
import { ArgumentError, type OptionNames, requireKnownOptions, shownValue, UnsupportedError } from "../base/index.ts";
import { type DType, dtypeInfo, reductionType } from "../dtype/index.ts";
import type { KernelBuilder, NodeId, ReduceOp } from "../graph/index.ts";
import { type Attributes, axisOf, keptCoordinates, type Labelled, labelled } from "./labelled.ts";
import { mapSame } from "./map.ts";
import { castValue, isnullValue, missingFloat, type Value } from "./values.ts";

/** Options of reductions. */
export interface ReduceOptions<D extends string = string> {
  /** Missing elements take no part (default); `false`: one makes the result missing. */
  readonly skipna?: boolean;
  /** Keep attributes (default). */
  readonly keepAttrs?: boolean;
  /** Results of fewer elements are missing; default 1 where there is no other answer, 0 for sum, count, any and all. */
  readonly minCount?: number;
  /** dtype of the values that enter. */
  readonly dtype?: DType;
  /** Delta degrees of freedom of var and std; default 0. */
  readonly ddof?: number;
  /** The dimensions, where they are not the first argument: `mean({ dim: "time" })`. */
  readonly dim?: D | readonly D[];
}

const OPTIONS: OptionNames<ReduceOptions> = {
  skipna: true,
  keepAttrs: true,
  minCount: true,
  dtype: true,
  ddof: true,
  dim: true,
};

/** Names of reductions. */
export type ReduceName = "sum" | "mean" | "min" | "max" | "std" | "var" | "count" | "any" | "all";

/**
 * A reduction over named dimensions, all of them by default: `("time")`, `(["y", "x"], { … })`, `({ … })`, `()`.
 * @throws {SelectionError} no such dimension  @throws {ArgumentError} an option out of range
 */
export function reduce(
  l: Labelled,
  op: ReduceName,
  first: string | readonly string[] | ReduceOptions | undefined,
  second: ReduceOptions | undefined,
): Labelled {
  const isNamed = typeof first === "string" || Array.isArray(first);
  if (!isNamed && first !== undefined && typeof first !== "object")
    throw new ArgumentError(
      `${op} over ${shownValue(first)}: expected names of dimensions; the array has ${l.dims.join(", ")}`,
    );
  const options = second ?? (isNamed ? {} : ((first as ReduceOptions | undefined) ?? {}));
  requireKnownOptions(op, options, OPTIONS);
  const named = isNamed ? first : options.dim;
  const dims = named === undefined ? l.dims : ([named].flat() as string[]); // names, as an options object is neither
  const { minCount, ddof = 0 } = options;
  if (minCount !== undefined && !(Number.isInteger(minCount) && minCount >= 0))
    throw new ArgumentError(`minCount ${minCount}: expected an integer from 0 on`);
  if (!(ddof >= 0)) throw new ArgumentError(`ddof ${ddof}: expected a number from 0 on`);
  const axes = dims.map((d) => axisOf(l, d));
  const dtype = options.dtype ?? l.data.dtype;
  const plan = options.skipna === false ? strict(l, op, dtype) : skipping(l, op, dtype, minCount);
  const data = new ChunkedArray(reduceLayer(plan.op, l.data, axes, { ddof }, plan.masked));
  const rest = l.dims.filter((d) => !dims.includes(d));
  const out = labelled({
    ...l,
    ...keptCoordinates(l, rest),
    dims: rest,
    data,
    attrs: options.keepAttrs === false ? {} : keptAttributes(l.attrs, op),
    nodata: null,
    isComplete: false,
    encoding: keepsValues(op) ? l.encoding : {},
  });
  return plan.finish(out);
}

function keepsValues(op: ReduceName): boolean {
  return op === "min" || op === "max";
}

/** A count, a truth or a variance is not measured in the values' units. */
function keptAttributes(attrs: Attributes, op: ReduceName): Attributes {
  if (!["count", "any", "all", "var"].includes(op)) return attrs;
  const { units: _, ...kept } = attrs;
  return kept;
}

interface Plan {
  readonly op: ReduceOp;
  readonly masked: MaskedReduce;
  readonly finish: (out: Labelled) => Labelled;
}

const asIs = (out: Labelled): Labelled => out;

/** The array's element as it enters, and whether it takes part. */
function entering(l: Labelled, dtype: DType): NonNullable<MaskedReduce["value"]> {
  return (b, x) => {
    const value: Value = { term: { node: x }, nodata: l.nodata, isComplete: l.isComplete };
    const mask = canMiss(l) ? present(b, value) : null;
    return { value: b.cast(x, dtype), mask };
  };
}

function present(b: KernelBuilder, value: Value): NodeId {
  const { term } = isnullValue(b, value);
  return b.unary("not", (term as { readonly node: NodeId }).node); // of a node, so a node
}

function canMiss(l: Labelled): boolean {
  const { kind } = dtypeInfo(l.data.dtype);
  return l.nodata !== null || ((kind === "f" || kind === "c") && !l.isComplete);
}

function skipping(l: Labelled, op: ReduceName, dtype: DType, minCount: number | undefined): Plan {
  const value = entering(l, dtype);
  switch (op) {
    case "count":
      // The interpreter knows the number of elements where nothing can be missing.
      return { op, masked: { value }, finish: asIs };
    case "any":
    case "all":
      return { op, masked: { value, minCount: 0 }, finish: asIs };
    case "sum": {
      const least = minCount ?? 0;
      if (least === 0) return { op, masked: { value }, finish: asIs };
      const own = reductionType("sum", dtype);
      const { kind } = dtypeInfo(own);
      const result = kind === "f" || kind === "c" ? own : "float64";
      return { op, masked: { value, minCount: least, empty: Number.NaN, result }, finish: asIs };
    }
    case "min":
    case "max": {
      if (!canMiss(l) && minCount === undefined) return { op, masked: { value }, finish: asIs };
      const least = Math.max(1, minCount ?? 1);
      if (dtypeInfo(dtype).kind === "f" || dtypeInfo(dtype).kind === "c")
        return { op, masked: { value, minCount: least, empty: Number.NaN }, finish: asIs };
      const nodata = l.nodata;
      if (nodata === null) {
        const result = missingFloat(dtype);
        return { op, masked: { value, minCount: least, empty: Number.NaN, result }, finish: asIs };
      }
      return { op, masked: { value, minCount: least, empty: nodata }, finish: (out) => ({ ...out, nodata }) };
    }
    default:
      return { op, masked: { value, minCount: Math.max(1, minCount ?? 1), empty: Number.NaN }, finish: asIs };
  }
}

/** `skipna: false`: integers with nodata enter as floats whose NaN spreads; min and max come back as integers. */
function strict(l: Labelled, op: ReduceName, dtype: DType): Plan {
  const { nodata } = l;
  if (nodata === null)
    return { op, masked: { value: (b, x) => ({ value: b.cast(x, dtype), mask: null }) }, finish: asIs };
  if (op === "count" || op === "any" || op === "all") return skipping(l, op, dtype, undefined);
  if (dtypeInfo(l.data.dtype).big)
    throw new UnsupportedError(`${op} with skipna: false of ${l.data.dtype} with nodata; cast to float64 first`);
  const value: MaskedReduce["value"] = (b, x) => {
    const { term } = castValue(b, { term: { node: x }, nodata }, "float64", null);
    return { value: (term as { readonly node: NodeId }).node, mask: null }; // a cast gives a node
  };
  if (op !== "min" && op !== "max") return { op, masked: { value }, finish: asIs };
  return {
    op,
    masked: { value },
    finish: (out) => {
      const cast = mapSame(op, { state: out }, [], (b, v) => castValue(b, v, dtype, nodata));
      return { ...cast, nodata };
    },
  };
}
