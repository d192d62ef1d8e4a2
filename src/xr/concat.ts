/** Arrays joined along a dimension, new or there already. */
import { concatenate, stack } from "../array/index.ts";
import { ArgumentError, requireKnownOptions, ShapeError, shownValue } from "../base/index.ts";
import { dtypeInfo, promoteTypes } from "../dtype/index.ts";
import { type Affine, regularAxis } from "../geo/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { joinedLabels, requireAligned, sharedAttributes, sharedName } from "./align.ts";
import { type LabelValues, labelBlock } from "./label-values.ts";
import {
  type Attributes,
  axisOf,
  type Coordinate,
  coordinateOf,
  type Labelled,
  labelled,
  sizeOfDim,
  spatialDims,
} from "./labelled.ts";
import { mapSame } from "./map.ts";
import { isel, transpose } from "./select.ts";
import { lower } from "./values.ts";

/** Options of `xr.concat`. */
export interface ConcatOptions {
  /** Labels along the joined dimension: numbers, or times (dates, ISO texts). Default: those that the arrays carry. */
  readonly values?: LabelValues;
}

/**
 * Arrays joined along `dim`: stacked when none has it, one after another when all do.
 * @throws {ArgumentError} no arrays, or a wrong number of labels
 * @throws {ShapeError | GridMismatchError | CrsMismatchError} arrays that do not belong together
 */
export function concat(arrays: readonly Labelled[], dim: string, options: ConcatOptions = {}): Labelled {
  const first = arrays[0];
  if (!first) throw new ArgumentError("concat needs at least one array");
  if (typeof dim !== "string")
    throw new ArgumentError(
      `concat along ${shownValue(dim)}: expected the name of a dimension, as in concat([a, b], "time")`,
    );
  requireKnownOptions("concat", options, { values: true });
  const having = arrays.filter((a) => a.dims.includes(dim)).length;
  if (having !== 0 && having !== arrays.length)
    throw new ShapeError(`concat along ${dim}: ${having} of ${arrays.length} arrays have that dimension`);
  const isNew = having === 0;
  requireSameDims(arrays, dim);
  requireAligned(isNew ? arrays : arrays.map((a) => withoutDim(a, dim)));
  const alike = alikeValues(arrays.map((a) => transpose(a, first.dims)));
  const model = alike[0] as Labelled; // as many as arrays
  const axis = isNew ? 0 : axisOf(first, dim);
  const blocks = alike.map((a) => a.data);
  const data = isNew ? stack(blocks, 0) : concatenate(blocks, axis);
  const joined = joinedLabels(isNew ? alike : alike.map((a) => withoutDim(a, dim)));
  const dims = isNew ? [dim, ...first.dims] : first.dims;
  const coords = new Map([...joined.coords].filter(([, c]) => c.dims.every((d) => d !== dim)));
  const label = labelsAlong(arrays, dim, options, data.shape[axis] as number);
  if (label) coords.set(dim, label);
  const along = joinedTransform(arrays, dim, label);
  if (along !== undefined) coords.delete(dim);
  return labelled({
    dims,
    data,
    coords,
    crs: joined.crs,
    transform: along ?? (isSpatial(dim) ? null : first.transform),
    nodata: model.nodata,
    isComplete: alike.every((a) => a.isComplete || dtypeInfo(a.data.dtype).kind !== "f"),
    encoding: sameEncoding(alike) ? model.encoding : {},
    attrs: { ...sharedAttributes(arrays), ...sharedMeaning(arrays) },
    name: sharedName(arrays),
  });
}

/** Attributes that measure the values stay true where all arrays agree. */
function sharedMeaning(arrays: readonly Labelled[]): Attributes {
  const [first, ...rest] = arrays;
  const kept = Object.entries(first?.attrs ?? {}).filter(([name, value]) =>
    rest.every((a) => JSON.stringify(a.attrs[name]) === JSON.stringify(value)),
  );
  return Object.fromEntries(kept);
}

function isSpatial(dim: string): boolean {
  const { y, x } = spatialDims([dim]);
  return y !== null || x !== null;
}

function requireSameDims(arrays: readonly Labelled[], dim: string): void {
  const [first, ...rest] = arrays.map((a) => a.dims.filter((d) => d !== dim));
  for (const dims of rest)
    if (dims.length !== first?.length || dims.some((d) => !first.includes(d)))
      throw new ShapeError(`concat: dimensions (${first?.join(", ")}) and (${dims.join(", ")}) differ`);
}

/** The array at its first position along `dim`: what must agree is the rest. */
function withoutDim(l: Labelled, dim: string): Labelled {
  if (!l.dims.includes(dim)) return l;
  const out = isel(l, sizeOfDim(l, dim) === 0 ? { [dim]: [] } : { [dim]: 0 });
  return { ...out, coords: new Map([...out.coords].filter(([name]) => name !== dim)) };
}

/** Arrays of one meaning of missing: as stored where all share dtype and nodata, else missing as NaN. */
function alikeValues(arrays: readonly Labelled[]): Labelled[] {
  const [first] = arrays;
  const same = arrays.every(
    (a) => a.nodata === first?.nodata && (a.nodata === null || a.data.dtype === first?.data.dtype),
  );
  if (same) return [...arrays];
  const dtype = arrays.map((a) => a.data.dtype).reduce(promoteTypes);
  return arrays
    .map((a) => mapSame("lower", { state: a }, [], (b, x) => ({ ...x, term: lower(b, x), nodata: null })))
    .map((a) => (a.data.dtype === dtype ? a : { ...a, encoding: {} }));
}

function sameEncoding(arrays: readonly Labelled[]): boolean {
  const texts = arrays.map((a) => JSON.stringify(a.encoding, (_, v) => (typeof v === "bigint" ? String(v) : v)));
  return texts.every((t) => t === texts[0]);
}

function labelsAlong(
  arrays: readonly Labelled[],
  dim: string,
  options: ConcatOptions,
  n: number,
): Coordinate | undefined {
  const { values } = options;
  if (values !== undefined) {
    const labels = values instanceof NDArray ? values : labelBlock(values);
    if (labels.ndim !== 1 || labels.size !== n)
      throw new ArgumentError(`concat along ${dim}: ${labels.size} labels for ${n} elements`);
    return { dims: [dim], values: labels, attrs: {} };
  }
  const own = arrays.map((a) => coordinateOf(a, dim));
  const first = own[0];
  if (!first || own.some((c) => c === undefined || c.values.dtype !== first.values.dtype)) return undefined;
  const out = NDArray.zeros(first.values.dtype, [n]);
  let at = 0;
  for (const c of own as Coordinate[])
    for (let i = 0; i < c.values.size; i++) {
      const v = c.values.ndim === 0 ? c.values.item() : c.values.item(i);
      out.data[at++] = (typeof v === "boolean" ? Number(v) : v) as never; // of the same dtype
    }
  return { dims: [dim], values: out, attrs: first.attrs };
}

/** Transform of arrays joined along a spatial axis whose joined labels are evenly spaced; undefined otherwise. */
function joinedTransform(arrays: readonly Labelled[], dim: string, label: Coordinate | undefined): Affine | undefined {
  const { y, x } = spatialDims([dim]);
  const t = arrays[0]?.transform;
  if (!t || !label || (y === null && x === null)) return undefined;
  const size = y === null ? t[0] : t[4];
  const values = Array.from({ length: label.values.size }, (_, i) => Number(label.values.item(i)));
  const axis = regularAxis(values, size);
  if (!axis || Math.abs(axis.size / size - 1) > 1e-9 * values.length) return undefined;
  return t; // the first array's corner and pixels
}
