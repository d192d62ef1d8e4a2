/** A geobox: CRS, shape and transform of a grid of pixels; comparison of two grids in pixels. */
import { CrsMismatchError, GridMismatchError } from "../base/index.ts";
import { type Affine, applyAffine, invertAffine } from "./affine.ts";
import { type BBox, bboxOf } from "./bbox.ts";
import { type Crs, crsText, sameCrs } from "./crs.ts";

/** Where a grid of pixels lies. Pixel-is-area: `transform` maps pixel corners, coordinates are those of centres. */
export interface GeoBox {
  /** `"EPSG:32631"`, WKT or PROJJSON; empty where no CRS is known. */
  readonly crs: string;
  /** Rows, columns. */
  readonly shape: readonly [number, number];
  readonly transform: Affine;
  /** Outer edges. */
  readonly bbox: BBox;
  /** Pixel size along x and y, positive, in CRS units. */
  readonly resolution: readonly [number, number];
}

/** The geobox of a grid. */
export function geobox(transform: Affine, shape: readonly [number, number], crs: Crs | null): GeoBox {
  const [a, b, , d, e] = transform;
  return {
    crs: crs === null ? "" : crsText(crs),
    shape,
    transform,
    bbox: bboxOf(transform, shape),
    resolution: [Math.hypot(a, d), Math.hypot(b, e)],
  };
}

/** How a second grid lies relative to a first one, in pixels of the first. */
export interface GridDifference {
  /** Right and down shift of the second grid's first corner. */
  readonly shift: readonly [col: number, row: number];
  /** Largest departure at any corner. */
  readonly most: number;
  readonly sameShape: boolean;
}

/** Departure below which two grids are one, in pixels (api.md §7). */
const ALIGNED_WITHIN = 1e-6;

/** Difference of two grids, or null where they are the same to within 1e-6 pixel. */
export function compareGrids(a: GeoBox, b: GeoBox): GridDifference | null {
  const toPixels = invertAffine(a.transform);
  const [height, width] = a.shape;
  const departure = (col: number, row: number): [number, number] => {
    const [x, y] = applyAffine(b.transform, { col, row });
    const [c, r] = applyAffine(toPixels, { col: x, row: y });
    return [c - col, r - row];
  };
  const shift = departure(0, 0);
  const corners = [shift, departure(width, 0), departure(0, height), departure(width, height)];
  const most = Math.max(...corners.flat().map(Math.abs));
  const sameShape = a.shape[0] === b.shape[0] && a.shape[1] === b.shape[1];
  return sameShape && most <= ALIGNED_WITHIN ? null : { shift, most, sameShape };
}

function gridText(box: GeoBox): string {
  const { shape, transform: t } = box;
  return `${shape[0]} × ${shape[1]} pixels of ${t[0]} × ${t[4]} from (${t[2]}, ${t[5]}) ${box.crs.slice(0, 40)}`.trim();
}

/** The error for two grids that differ: both of them, the shift in pixels, and what helps. */
export function gridMismatch(a: GeoBox, b: GeoBox, difference: GridDifference): Error {
  const [col, row] = difference.shift.map((v) => Number(v.toPrecision(6)));
  const size = difference.sameShape ? "" : `, sizes ${a.shape.join(" × ")} and ${b.shape.join(" × ")}`;
  return new GridMismatchError(
    `the grids differ: the second begins ${col} pixels to the right of and ${row} below the first${size} (first: ${gridText(a)}; second: ${gridText(b)}); cut both to the pixels that they share with isel, or warp one onto the other's grid before it is opened`,
    { details: { first: a, second: b, shift: difference.shift } },
  );
}

/**
 * Refuse two different coordinate systems; an unknown one agrees with any.
 * @throws {CrsMismatchError} with both
 */
export function requireSameCrs(a: Crs | null, b: Crs | null): void {
  if (a === null || b === null || sameCrs(a, b)) return;
  throw new CrsMismatchError(
    `the arrays have different coordinate systems: ${crsText(a).slice(0, 200)} and ${crsText(b).slice(0, 200)}; reproject one of them, or correct a wrong label with rio.writeCrs`,
    { details: { first: crsText(a), second: crsText(b) } },
  );
}
