/** From values in memory to what a file stores: dtype, nodata, scale and offset, lowered into the kernel. */
import type { ChunkedArray } from "../array/index.ts";
import { ArgumentError, DTypeError } from "../base/index.ts";
import { asDType, type DType, dtypeInfo, type Scalar } from "../dtype/index.ts";
import type { KernelBuilder, NodeId } from "../graph/index.ts";
import type { Labelled } from "./labelled.ts";
import { mapSame } from "./map.ts";
import { castValue, fittingNodata, isnullValue, lower, type Value } from "./values.ts";

/** How values are stored. */
export interface StoreOptions {
  readonly dtype?: DType;
  readonly nodata?: Scalar | null;
  /** `value = stored · scale + offset`. */
  readonly scale?: number;
  readonly offset?: number;
}

/** Values as stored. */
export interface Stored {
  readonly data: ChunkedArray;
  readonly nodata: number | bigint | null;
  readonly scale: number | readonly number[];
  readonly offset: number | readonly number[];
}

/**
 * The array as it will be stored. Floats become integers by rounding half to even after scaling, limited to what the
 * dtype can hold beside nodata; missing becomes nodata.
 * @throws {NodataError} nodata does not fit, or missing has no place  @throws {ArgumentError} a scale of 0
 */
export function storedValues(l: Labelled, options: StoreOptions): Stored {
  const { encoding } = l;
  const given = options.scale !== undefined || options.offset !== undefined;
  const scale = options.scale ?? 1;
  const offset = options.offset ?? 0;
  if (!Number.isFinite(scale) || scale === 0 || !Number.isFinite(offset))
    throw new ArgumentError(`scale ${scale} and offset ${offset}: expected finite numbers and a scale that is not 0`);
  if (given && dtypeInfo(l.data.dtype).kind !== "f" && l.nodata === null && options.dtype === undefined)
    throw new ArgumentError(
      `scale and offset of ${l.data.dtype}: name the stored dtype as well, e.g. { dtype: "int16" }`,
    );
  const dtype = options.dtype === undefined ? l.data.dtype : asDType(options.dtype);
  const { kind } = dtypeInfo(dtype);
  if (!"biuf".includes(kind)) throw new DTypeError(`values cannot be stored as ${dtype}`, { details: { dtype } });
  const wanted = options.nodata === undefined ? (l.nodata ?? encoding.nodata ?? null) : options.nodata;
  const kept = { scale: given ? scale : (encoding.scale ?? 1), offset: given ? offset : (encoding.offset ?? 0) };
  if (kind === "f") return { ...kept, ...storedFloats(l, dtype, wanted, given ? { scale, offset } : null) };
  if (kind === "b") return { ...kept, data: cast(l, dtype, null), nodata: null };
  if (dtypeInfo(l.data.dtype).kind === "f" || given)
    return { ...kept, ...quantised(l, dtype, wanted, { scale, offset }) };
  const nodata = wanted === null || Number.isNaN(Number(wanted)) ? null : fittingNodata(wanted, dtype);
  const moved = l.nodata !== null && nodata !== null && nodata !== l.nodata;
  return { ...kept, data: moved ? recoded(l, dtype, nodata) : cast(l, dtype, null), nodata };
}

interface Scaling {
  readonly scale: number;
  readonly offset: number;
}

function cast(l: Labelled, dtype: DType, fill: Scalar | null): ChunkedArray {
  if (l.data.dtype === dtype) return l.data;
  return mapSame("encode", { state: l }, [], (b, x) => castValue(b, x, dtype, fill)).data;
}

function storedFloats(
  l: Labelled,
  dtype: DType,
  wanted: Scalar | null,
  scaling: Scaling | null,
): Pick<Stored, "data" | "nodata"> {
  const asNaN = wanted === null || Number.isNaN(Number(wanted));
  if (l.data.dtype === dtype && asNaN && !scaling) return { data: l.data, nodata: Number.NaN };
  const nodata = asNaN ? Number.NaN : fittingNodata(wanted as Scalar, dtype);
  const { data } = mapSame("encode", { state: l }, [], (b, x) => {
    const value = scaling
      ? unscaled(b, x, scaling)
      : (castValue(b, x, dtype, null).term as { readonly node: NodeId }).node;
    const node = b.cast(value, dtype);
    return {
      term: { node: asNaN ? node : b.where(b.unary("isnan", node), b.param(nodata, dtype), node) },
      nodata: null,
    };
  });
  return { data, nodata };
}

/** `(x - offset) / scale` in float64, missing as NaN. */
function unscaled(b: KernelBuilder, x: Value, { scale, offset }: Scaling): NodeId {
  const term = lower(b, x);
  const wide = "node" in term ? b.cast(term.node, "float64") : b.param(term.weak, "float64");
  const shifted = offset === 0 ? wide : b.binary("sub", wide, b.param(offset, "float64"));
  return scale === 1 ? shifted : b.binary("div", shifted, b.param(scale, "float64"));
}

function quantised(
  l: Labelled,
  dtype: DType,
  wanted: Scalar | null,
  scaling: Scaling,
): Pick<Stored, "data" | "nodata"> {
  const canMiss = l.nodata !== null || (dtypeInfo(l.data.dtype).kind === "f" && !l.isComplete);
  const hasNodata = wanted !== null && !Number.isNaN(Number(wanted));
  const nodata = hasNodata ? fittingNodata(wanted as Scalar, dtype) : null;
  const [low, high] = limits(dtype, nodata);
  const { data } = mapSame("encode", { state: l }, [], (b, x) => {
    const y = b.unary("round", unscaled(b, x, scaling));
    const limited = b.binary("min", b.binary("max", y, b.param(low, "float64")), b.param(high, "float64"));
    // NaN passes the limits; the cast refuses it where it has no place.
    return castValue(b, { term: { node: limited }, nodata: null, isComplete: !canMiss }, dtype, nodata);
  });
  return { data, nodata };
}

/** Smallest and largest stored value that is not nodata; 64-bit limits as float64 holds them. */
function limits(dtype: DType, nodata: number | bigint | null): [number, number] {
  const { min = 0n, max = 0n, itemsize } = dtypeInfo(dtype);
  const taken = nodata === null ? null : BigInt(nodata);
  const low = Number(taken === min ? min + 1n : min);
  const high = Number(taken === max ? max - 1n : max);
  return [low, itemsize === 8 ? high - (high > 2 ** 53 ? 1024 : 0) : high];
}

/** Integers whose missing value changes. */
function recoded(l: Labelled, dtype: DType, nodata: number | bigint): ChunkedArray {
  return mapSame("encode", { state: l }, [], (b, x) => {
    const missing = (isnullValue(b, x).term as { readonly node: NodeId }).node; // of a node, so a node
    const value = (x.term as { readonly node: NodeId }).node;
    return { term: { node: b.where(missing, b.param(nodata, dtype), b.cast(value, dtype)) }, nodata };
  }).data;
}
