/** Georeferencing of a TIFF: GeoKeys, affine transform, ground control points (OGC GeoTIFF 1.1). Pure. */
import type { TiffDirectory } from "./directory.ts";
import { GEO_KEY, type GeoKeys, number } from "./geo-key-codes.ts";
import { identifyEpsg, userDefinedWkt } from "./wkt.ts";

/** A coordinate reference system as a file names it. */
export interface TiffCrs {
  readonly epsg?: number;
  /** WKT, where the file gives one or its keys describe one. */
  readonly wkt?: string;
  readonly citation?: string;
}

/** `x = a·col + b·row + c`, `y = d·col + e·row + f`, for pixel corners. */
export type TiffTransform = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** A pixel place with known coordinates; `col` and `row` count from the outer corner. */
export interface GroundControlPoint {
  readonly col: number;
  readonly row: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

const USER_DEFINED = 32767;
const PIXEL_IS_POINT = 2;

/** The file's GeoKeys; keys whose values lie outside their arrays are passed over. */
export function readGeoKeys(d: Pick<TiffDirectory, "geoKeys" | "geoDoubles" | "geoAscii">): GeoKeys {
  const keys = new Map<number, number | string>();
  const [, , , count = 0] = d.geoKeys;
  for (let i = 0; i < count; i++) {
    const [id, place, n = 0, value] = d.geoKeys.slice(4 + 4 * i, 8 + 4 * i);
    if (id === undefined || value === undefined) break;
    if (place === 0) keys.set(id, value);
    else if (place === 34736 && value < d.geoDoubles.length) keys.set(id, d.geoDoubles[value]!);
    else if (place === 34737) keys.set(id, d.geoAscii.slice(value, value + n).replace(/\|$/, ""));
  }
  return keys;
}

/** The CRS that the keys name: an EPSG code, else WKT from a citation or from the projection's parameters. */
export function readCrs(keys: GeoKeys): TiffCrs | null {
  if (keys.size === 0) return null;
  const model = number(keys, GEO_KEY.modelType);
  const projected = number(keys, GEO_KEY.projectedType);
  const geographic = number(keys, GEO_KEY.geographicType);
  const citation = [GEO_KEY.projectedCitation, GEO_KEY.citation, GEO_KEY.geographicCitation]
    .map((key) => keys.get(key))
    .find((text) => typeof text === "string" && text !== "");
  const cited = typeof citation === "string" ? { citation } : {};
  if (isCode(projected)) return { epsg: projected, ...cited };
  if (model !== 1 && isCode(geographic)) return { epsg: geographic, ...cited };
  const identified = identifyEpsg(keys);
  if (identified !== null) return { epsg: identified, ...cited };
  const wkt = citedWkt(keys) ?? userDefinedWkt(keys);
  if (wkt === null && model === undefined && projected === undefined && geographic === undefined) return null;
  return wkt === null ? (typeof citation === "string" ? { citation } : null) : { wkt, ...cited };
}

/** Affine transform; null when the file has none (it may have ground control points). */
export function readTransform(d: TiffDirectory, keys: GeoKeys): TiffTransform | null {
  const found = affineOf(d);
  if (!found || number(keys, GEO_KEY.rasterType) !== PIXEL_IS_POINT) return found;
  const [a, b, c, e0, e1, f] = found;
  return [a, b, c - 0.5 * a - 0.5 * b, e0, e1, f - 0.5 * e0 - 0.5 * e1];
}

/** Ground control points: tie points where there is neither a scale nor a matrix. */
export function readGcps(d: TiffDirectory, keys: GeoKeys): GroundControlPoint[] {
  if (affineOf(d) || d.tiepoints.length < 12) return [];
  const shift = number(keys, GEO_KEY.rasterType) === PIXEL_IS_POINT ? 0.5 : 0;
  const points: GroundControlPoint[] = [];
  for (let i = 0; i + 6 <= d.tiepoints.length; i += 6) {
    const [col, row, , x, y, z] = d.tiepoints.slice(i, i + 6) as [number, number, number, number, number, number];
    points.push({ col: col + shift, row: row + shift, x, y, z });
  }
  return points;
}

function affineOf(d: TiffDirectory): TiffTransform | null {
  const [sx = 0, sy = 0] = d.pixelScale;
  if (sx !== 0 && sy !== 0 && d.tiepoints.length >= 6) {
    const [col, row, , x, y] = d.tiepoints as [number, number, number, number, number];
    // GDAL takes the vertical scale as downwards whatever its sign.
    return [sx, 0, x - col * sx, 0, -Math.abs(sy), y + row * Math.abs(sy)];
  }
  const m = d.transformation;
  return m.length === 16 ? [m[0]!, m[1]!, m[3]!, m[4]!, m[5]!, m[7]!] : null;
}

function isCode(code: number | undefined): code is number {
  return code !== undefined && code >= 1024 && code < USER_DEFINED;
}

function citedWkt(keys: GeoKeys): string | null {
  for (const key of [GEO_KEY.projectedCitation, GEO_KEY.citation, GEO_KEY.geographicCitation]) {
    const text = keys.get(key);
    const found =
      typeof text === "string"
        ? /(?:ESRI PE String = |^)((?:PROJCS|GEOGCS|PROJCRS|GEOGCRS|BOUNDCRS)\[.*)$/s.exec(text)
        : null;
    if (found?.[1]) return found[1];
  }
  return null;
}
