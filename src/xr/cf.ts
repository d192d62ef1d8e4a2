/** CF conventions: what attributes of arrays in files mean, and how ours are written. */
import { UnsupportedError } from "../base/index.ts";
import type { DType, Scalar } from "../dtype/index.ts";
import { type Affine, affineText, type Crs, crsWkt, isUpright, parseCrs, regularAxis } from "../geo/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import type { Storage } from "./decode.ts";
import { type Attributes, type Coordinate, spatialDims } from "./labelled.ts";

/** Attributes that say how numbers are stored; they become state and are not attributes of the array in memory. */
const OF_STORAGE: ReadonlySet<string> = new Set([
  "_FillValue",
  "missing_value",
  "scale_factor",
  "add_offset",
  "_Unsigned",
  "grid_mapping",
  "coordinates",
  "_ARRAY_DIMENSIONS",
]);

/** Attributes that describe the values. */
export function ownAttributes(attrs: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attrs).filter(([name]) => !OF_STORAGE.has(name)));
}

function numberOf(value: unknown, fallback: number): number {
  const one = Array.isArray(value) ? value[0] : value;
  return typeof one === "number" || typeof one === "bigint" ? Number(one) : fallback;
}

/**
 * How a variable's numbers are stored. `fill` is what a Zarr v2 array's own fill value says, where it is also nodata.
 * @throws {UnsupportedError} unsigned numbers in a signed dtype
 */
export function storageOf(attrs: Attributes, dtype: DType, fill: Scalar | null, place: string): Storage {
  const given = [attrs["_FillValue"], attrs["missing_value"]].map((v) => (Array.isArray(v) ? v[0] : v));
  const number = (v: unknown): v is Scalar => typeof v === "number" || typeof v === "bigint";
  const nodata = given.find(number) ?? (number(fill) ? fill : null);
  const unsigned = String(attrs["_Unsigned"] ?? "").toLowerCase();
  if (unsigned === "true" && dtype.startsWith("int"))
    throw new UnsupportedError(`${place}: _Unsigned numbers in ${dtype} are not read; open with decode "raw"`, {
      details: { url: place },
    });
  return { nodata, scale: numberOf(attrs["scale_factor"], 1), offset: numberOf(attrs["add_offset"], 0) };
}

/** CRS that a grid-mapping variable names. */
export function crsOfMapping(attrs: Attributes): Crs | null {
  for (const key of ["crs_wkt", "spatial_ref", "epsg_code", "epsg"]) {
    const value = attrs[key];
    if (typeof value === "string" && value !== "") return parseCrs(value);
    if (typeof value === "number") return parseCrs(value);
  }
  return null;
}

/** Transform of `dims`: from the spatial coordinates where they are evenly spaced, else from the mapping's GeoTransform. */
export function transformOf(
  dims: readonly string[],
  coords: ReadonlyMap<string, Coordinate>,
  mapping: Attributes,
): Affine | null {
  const { y, x } = spatialDims(dims);
  if (y === null || x === null) return null;
  const written = geoTransform(mapping["GeoTransform"]);
  const [ys, xs] = [coords.get(y)?.values, coords.get(x)?.values];
  if (!ys || !xs) return written;
  // Labels say where the pixels are: a GeoTransform may be older than a selection that was made since.
  const [rows, cols] = [regularAxis(numbersOf(ys), written?.[4]), regularAxis(numbersOf(xs), written?.[0])];
  if (!rows || !cols) return null;
  const found: Affine = [cols.size, 0, cols.origin, 0, rows.size, rows.origin];
  return written && isUpright(written) && isClose(written, found) ? written : found;
}

/** The written transform is the more exact one where both agree to a thousandth of a pixel. */
function isClose(a: Affine, b: Affine): boolean {
  const close = (p: number, q: number, size: number): boolean => Math.abs(p - q) <= 1e-3 * Math.abs(size);
  return (
    close(a[2], b[2], b[0]) &&
    close(a[5], b[5], b[4]) &&
    Math.abs(a[0] / b[0] - 1) < 1e-6 &&
    Math.abs(a[4] / b[4] - 1) < 1e-6
  );
}

function numbersOf(values: NDArray): Float64Array {
  return Float64Array.from({ length: values.size }, (_, i) => Number(values.item(i)));
}

function geoTransform(text: unknown): Affine | null {
  if (typeof text !== "string") return null;
  const [c, a, b, f, d, e, ...rest] = text
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  if (a === undefined || b === undefined || c === undefined || d === undefined || e === undefined || f === undefined)
    return null;
  return rest.length === 0 && [a, b, c, d, e, f].every(Number.isFinite) ? [a, b, c, d, e, f] : null;
}

/** Attributes of the scalar `spatial_ref`: what rioxarray, GDAL and CF readers look for. */
export function mappingAttributes(crs: Crs | null, transform: Affine | null): Attributes {
  return {
    ...(crs === null ? {} : { crs_wkt: crsWkt(crs), spatial_ref: crsWkt(crs) }),
    ...(crs === null || crs.epsg === null ? {} : { epsg_code: `EPSG:${crs.epsg}` }),
    ...(transform === null ? {} : { GeoTransform: affineText(transform) }),
  };
}
