/** GeoKeys and model fields of a CRS and an affine transform, for the writer. Pure. */

import { GEO_KEY } from "../tiff/geo-key-codes.ts";
import type { TiffTransform } from "../tiff/geo-keys.ts";
import type { CogCrs } from "./plan.ts";

/** Values of tags 34735 and 34737. */
export interface GeoKeyFields {
  readonly directory: readonly number[];
  readonly ascii: string;
}

const PROJECTED = 1;
const GEOGRAPHIC = 2;
const PIXEL_IS_AREA = 1;
const USER_DEFINED = 32767;

/**
 * Keys that name `crs`: its EPSG code where there is one, else its WKT as the citation that GDAL and ESRI's software
 * read back, else whatever text there is.
 */
export function geoKeyFields(crs: CogCrs | null): GeoKeyFields | null {
  if (!crs) return null;
  const keys: [key: number, place: number, count: number, value: number][] = [
    [GEO_KEY.rasterType, 0, 1, PIXEL_IS_AREA],
  ];
  let ascii = "";
  if (crs.epsg !== undefined) {
    const isGeographic = isGeographicCrs(crs);
    keys.push([GEO_KEY.modelType, 0, 1, isGeographic ? GEOGRAPHIC : PROJECTED]);
    keys.push([isGeographic ? GEO_KEY.geographicType : GEO_KEY.projectedType, 0, 1, crs.epsg]);
  } else if (crs.wkt !== undefined && /^\s*[A-Z]+_?[A-Z]*\s*\[/i.test(crs.wkt)) {
    // GDAL looks for this citation only where the model type is none of the standard ones.
    ascii = `ESRI PE String = ${toAscii(crs.wkt)}|`;
    keys.push([GEO_KEY.modelType, 0, 1, USER_DEFINED]);
    keys.push([GEO_KEY.projectedType, 0, 1, USER_DEFINED], [GEO_KEY.projectedCitation, 34737, ascii.length, 0]);
  } else {
    ascii = `${toAscii(crs.citation ?? crs.wkt ?? "unknown")}|`;
    keys.push([GEO_KEY.modelType, 0, 1, USER_DEFINED], [GEO_KEY.citation, 34737, ascii.length, 0]);
  }
  keys.sort((a, b) => a[0] - b[0]);
  return { directory: [1, 1, 0, keys.length, ...keys.flat()], ascii };
}

/** Tags 33550 and 33922 where rows and columns run along the axes, else 34264. */
export interface ModelFields {
  readonly pixelScale?: readonly number[];
  readonly tiepoints?: readonly number[];
  readonly transformation?: readonly number[];
}

/** Model fields of an affine transform of pixel corners. */
export function modelFields(transform: TiffTransform | null): ModelFields {
  if (!transform) return {};
  const [a, b, c, d, e, f] = transform;
  if (b === 0 && d === 0 && a > 0 && e < 0) return { pixelScale: [a, -e, 0], tiepoints: [0, 0, 0, c, f, 0] };
  return { transformation: [a, b, 0, c, d, e, 0, f, 0, 0, 0, 0, 0, 0, 0, 1] };
}

/** The WKT's first word tells; without WKT the caller's word, else the range in which EPSG keeps geographic systems. */
function isGeographicCrs({ kind, wkt, epsg }: CogCrs): boolean {
  if (kind) return kind === "geographic";
  if (wkt) return /^\s*(GEOGCS|GEOGCRS|GEOGRAPHICCRS|GEODCRS|GEODETICCRS)\b/i.test(wkt);
  return (
    epsg !== undefined &&
    epsg >= 4001 &&
    epsg <= 4999 &&
    !(epsg >= 4399 && epsg <= 4462) &&
    !(epsg >= 4484 && epsg <= 4589)
  );
}

function toAscii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").replaceAll("|", "/");
}
