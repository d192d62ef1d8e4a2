/** What stored numbers mean: nodata, scale and offset, as `decode` asks. */
import { fromArray } from "../array/index.ts";
import { ArgumentError } from "../base/index.ts";
import { castScalar, dtypeInfo, type Scalar } from "../dtype/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { type Encoding, type Labelled, labelled } from "./labelled.ts";
import { mapSame, mapValues } from "./map.ts";
import { fittingNodata, lower, missingFloat } from "./values.ts";

/**
 * `"raw"`: stored numbers, nothing is missing. `"masked"` (default): stored numbers, nodata is missing; floats hold NaN
 * for it. `"scaled"`: float32 physical values, `float64(stored) · scale + offset` rounded once.
 */
export type Decode = "raw" | "masked" | "scaled";

/** What the file says of its numbers. */
export interface Storage {
  readonly nodata: Scalar | null;
  readonly scale: number | readonly number[];
  readonly offset: number | readonly number[];
  /** Dimension along which scale and offset run when they are lists. */
  readonly along?: string;
  /** Class numbers or bit fields: no value is missing, nodata is kept for writing only. */
  readonly isCategorical?: boolean;
}

/** @throws {ArgumentError} no such mode */
export function checkDecode(decode: string): Decode {
  if (decode === "raw" || decode === "masked" || decode === "scaled") return decode;
  throw new ArgumentError(`decode ${JSON.stringify(decode)}: expected "raw", "masked" or "scaled"`);
}

/** One value where a list repeats it. */
export function single(values: readonly number[]): number | readonly number[] {
  return values.length > 0 && values.every((v) => v === values[0]) ? (values[0] as number) : values;
}

/** Stored values seen as `decode` asks. */
export function decoded(l: Labelled, storage: Storage, decode: Decode): Labelled {
  const { nodata, scale, offset } = storage;
  const { kind } = dtypeInfo(l.data.dtype);
  const encoding: Encoding = {
    ...(nodata === null ? {} : { nodata }),
    ...(scale === 1 && offset === 0 ? {} : { scale, offset }),
  };
  const known = { ...l, encoding };
  if (decode === "raw" || storage.isCategorical) return known;
  const masked = withNodata(known, nodata);
  if (decode === "masked" || !"biuf".includes(kind)) return masked;
  return scaled(masked, storage);
}

/** The array with `nodata` as its missing value: kept in integers, NaN in floats. Null: nothing is missing. */
export function withNodata(l: Labelled, nodata: Scalar | null): Labelled {
  const { kind } = dtypeInfo(l.data.dtype);
  const { nodata: _, ...rest } = l.encoding;
  if (nodata === null) return { ...l, nodata: null, encoding: rest };
  const encoding = { ...rest, nodata };
  if (kind !== "f") return { ...l, nodata: fittingNodata(nodata, l.data.dtype), encoding };
  if (Number.isNaN(Number(nodata))) return { ...l, encoding, isComplete: false };
  // The file's text need not be exact in float32: compare with the value that a float32 pixel can have.
  const value = castScalar(nodata, l.data.dtype);
  const masked = mapSame("masked", { state: l }, [], (b, x) => ({
    term: lower(b, { ...x, nodata: value }),
    nodata: null,
  }));
  return { ...masked, encoding };
}

function scaled(l: Labelled, { scale, offset, along }: Storage): Labelled {
  const factor = (v: number | readonly number[]): number | { state: Labelled } =>
    typeof v === "number"
      ? v
      : { state: labelled({ dims: [along ?? "band"], data: fromArray(NDArray.of(Float64Array.from(v))) }) };
  const { attrs, name, encoding } = l;
  const { dims } = l;
  const out = mapValues(
    "scaled",
    [{ state: l }, factor(scale), factor(offset)],
    (b, [x, s, o]) => {
      if (!x || !s || !o) return { term: { weak: Number.NaN }, nodata: null }; // three operands give three values
      const term = lower(b, x);
      const node = "node" in term ? term.node : b.param(term.weak, "float64");
      const isPlain = scale === 1 && offset === 0;
      if (isPlain) return { term: { node: b.cast(node, "float32") }, nodata: null, isComplete: x.isComplete === true };
      const lift = (v: typeof s): number => ("node" in v.term ? v.term.node : b.param(v.term.weak, "float64"));
      const product = b.binary("mul", b.cast(node, "float64"), lift(s));
      const sum = b.binary("add", product, lift(o));
      return {
        term: { node: b.cast(sum, "float32") },
        nodata: null,
        isComplete: x.isComplete === true && x.nodata === null,
      };
    },
    { attrs, name, encoding: encoding.nodata === undefined ? {} : { nodata: Number.NaN } },
  );
  return dims.join() === out.dims.join() ? out : l;
}

/** Where a mask band is 0 the pixel is missing: integers become floats wide enough, as there is no value for it. */
export function maskedBy(l: Labelled, mask: Labelled): Labelled {
  return mapSame("masked", { state: l }, [{ state: mask }], (b, x, [m]) => {
    const term = lower(b, x);
    const node = "node" in term ? term.node : b.param(term.weak, "float64");
    const float = missingFloat(b.dtype(node));
    const seen = m && "node" in m.term ? b.cast(m.term.node, "bool") : b.param(true, "bool");
    return { term: { node: b.where(seen, b.cast(node, float), b.param(Number.NaN, float)) }, nodata: null };
  });
}
