/** Writing into arrays that exist: how they store their values decides, not how the values came (as in Xarray). */
import { ArgumentError, DTypeError, NodataError, ShapeError } from "../base/index.ts";
import { type DType, dtypeInfo, type Scalar } from "../dtype/index.ts";
import { requireSameCrs } from "../geo/index.ts";
import {
  openZarrGroup,
  readZarrArray,
  type ZarrArrayInfo,
  type ZarrGroupInfo,
  type ZarrWriteMode,
} from "../io/index.ts";
import { firstDifference } from "./align.ts";
import { crsOfMapping, storageOf } from "./cf.ts";
import type { StoreOptions } from "./encode.ts";
import type { Coordinate, Labelled } from "./labelled.ts";
import { decodeTimes, isTimeUnits, timeText } from "./time.ts";
import type { VariableEncoding } from "./to-zarr.ts";

/** Arrays that a write in `mode` finds at `url`, by name. */
export async function existingArrays(
  url: string | URL,
  mode: ZarrWriteMode,
): Promise<ReadonlyMap<string, ZarrArrayInfo>> {
  if (mode !== "r+" && mode !== "a") return new Map();
  // What cannot be opened is refused by the write itself, which knows what to make of it.
  const group: ZarrGroupInfo | null = await openZarrGroup(url, { consolidated: false }).catch(() => null);
  return group?.arrays ?? new Map();
}

/** Scale and offset as text. */
function packing({ scale, offset }: { readonly scale: unknown; readonly offset: unknown }): string {
  return `scale ${String(scale)} and offset ${String(offset)}`;
}

/**
 * How `l` is to be stored in the array `info`: its dtype, fill value, scale and offset. Stored numbers of the same scale
 * and offset stay as they are; physical values are scaled.
 * @throws {ArgumentError} stored numbers of another scale; an encoding that was given and differs
 * @throws {DTypeError} integers of another dtype into plain ones  @throws {NodataError} missing has no place there
 */
export function existingEncoding(l: Labelled, info: ZarrArrayInfo, given: VariableEncoding): StoreOptions {
  const fill = info.zarrFormat === 2 && info.attributes["_FillValue"] === undefined ? info.fill : null;
  const found = storageOf(info.attributes, info.dtype, fill, info.url);
  checkGiven(info, found.nodata, given);
  const own = { scale: l.encoding.scale ?? 1, offset: l.encoding.offset ?? 0 };
  const isPlain = own.scale === 1 && own.offset === 0;
  const isSame = own.scale === found.scale && own.offset === found.offset;
  if (!isPlain && !isSame)
    throw new ArgumentError(
      `the array holds stored numbers of ${packing(own)}, ${info.url} those of ${packing(found)}; open the source with decode "scaled"`,
      { details: { url: info.url } },
    );
  checkDType(l.data.dtype, info, { isSame, isAsked: given.dtype !== undefined });
  if (l.nodata !== null && found.nodata === null && dtypeInfo(info.dtype).kind !== "f")
    throw new NodataError(
      `${l.nodata} is missing in the array, and ${info.url} has no _FillValue that could stand for it; use fillna`,
      { details: { url: info.url, nodata: l.nodata } },
    );
  const base: StoreOptions = { dtype: info.dtype, nodata: found.nodata };
  return isSame ? base : { ...base, scale: found.scale as number, offset: found.offset as number }; // attributes hold one number
}

function checkDType(
  dtype: DType,
  info: ZarrArrayInfo,
  how: { readonly isSame: boolean; readonly isAsked: boolean },
): void {
  if (dtype === info.dtype || !how.isSame || how.isAsked) return;
  // Floats are rounded, and what becomes a float is not cut off; integers of another size would be.
  if (dtypeInfo(dtype).kind === "f" && dtypeInfo(info.dtype).kind !== "b") return;
  if (dtypeInfo(info.dtype).kind === "f") return;
  throw new DTypeError(`${info.url} is ${info.dtype}, the data are ${dtype}; use astype`, {
    details: { url: info.url, dtype },
  });
}

function checkGiven(info: ZarrArrayInfo, nodata: Scalar | null, given: VariableEncoding): void {
  const refuse = (key: string, found: unknown, wanted: unknown): Error =>
    new ArgumentError(
      `${info.url} exists with ${key} ${String(found)}; encoding asks for ${String(wanted)}. Leave it out, or replace the store`,
      { details: { url: info.url, key } },
    );
  if (given.dtype !== undefined && given.dtype !== info.dtype)
    throw new DTypeError(`${info.url} exists as ${info.dtype}; encoding asks for ${given.dtype}`, {
      details: { url: info.url },
    });
  if (given.codecs !== undefined) throw refuse("codecs", "of its own", "others");
  const numbers = [
    ["scale_factor", info.attributes["scale_factor"] ?? 1],
    ["add_offset", info.attributes["add_offset"] ?? 0],
  ] as const;
  for (const [key, found] of numbers)
    if (given[key] !== undefined && given[key] !== Number(found)) throw refuse(key, found, given[key]);
  const fill = given._FillValue;
  if (fill === undefined || fill === nodata) return;
  const [a, b] = [Number(fill ?? Number.NaN), Number(nodata ?? Number.NaN)];
  if (a !== b && !(Number.isNaN(a) && Number.isNaN(b))) throw refuse("_FillValue", nodata, fill);
}

/**
 * True where the label `name` has to be written: the store's own is another one, and plain numbers.
 * @throws {ShapeError} code `labels`: it is another one, and times or packed numbers, which would come to mean others
 */
export async function isNewLabel(name: string, c: Coordinate, info: ZarrArrayInfo): Promise<boolean> {
  const { attributes } = info;
  const isTime = isTimeUnits(attributes["units"]) && dtypeInfo(c.values.dtype).kind === "M";
  const stored = await readZarrArray(info);
  const found = isTime ? decodeTimes(stored, attributes["units"] as string, attributes["calendar"]) : stored; // by isTime
  const isPacked = ["scale_factor", "add_offset"].some((key) => attributes[key] !== undefined);
  const isSameShape = found.size === c.values.size && found.ndim === c.values.ndim;
  const at = isSameShape ? firstDifference(c.values, found) : null;
  if (isSameShape && at === null && !isPacked) return false;
  if (!isTime && !isPacked && dtypeInfo(c.values.dtype).kind !== "M") return true;
  const text = (values: Coordinate["values"]): string => {
    const value = values.ndim === 0 ? values.item() : values.item(at ?? 0);
    return isTime ? timeText(value as bigint) : String(value); // times are bigints
  };
  throw new ShapeError(
    isSameShape && at !== null
      ? `label ${at} of ${name} is ${text(c.values)}, in ${info.url} it is ${text(found)}; write into a store of the same labels`
      : `the labels ${name} are not stored in ${info.url} as they would be written; drop them, or replace the store`,
    { details: { url: info.url, name } },
    "labels",
  );
}

/** @throws {CrsMismatchError} the store's grid mapping is another one, both named */
export function requireSameMapping(l: Labelled, mapping: ZarrArrayInfo): void {
  requireSameCrs(l.crs, crsOfMapping(mapping.attributes));
}
