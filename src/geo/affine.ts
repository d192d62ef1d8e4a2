/** Affine transforms from pixels to coordinates, in GDAL's terms of corners. */

/** `x = a·col + b·row + c`, `y = d·col + e·row + f`; pixel (0, 0) reaches from col 0 to 1 and from row 0 to 1. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** Coordinates of a place given in pixels (corner (0, 0) is the outer corner of the first pixel). */
export function applyAffine(t: Affine, place: { readonly col: number; readonly row: number }): [x: number, y: number] {
  const [a, b, c, d, e, f] = t;
  return [a * place.col + b * place.row + c, d * place.col + e * place.row + f];
}

/** The transform from coordinates to pixels. A degenerate transform gives numbers that are not finite. */
export function invertAffine(t: Affine): Affine {
  const [a, b, c, d, e, f] = t;
  const det = a * e - b * d;
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

/** True when rows and columns run along the axes: no rotation, no shear. */
export function isUpright(t: Affine): boolean {
  return t[1] === 0 && t[3] === 0;
}

/** Steps through one axis: the first element taken and the distance to the next (negative: backwards). */
export interface AxisSteps {
  readonly start: number;
  readonly step: number;
}

/** Transform of the pixels that strided slices of rows and columns keep; their centres stay where they are. */
export function windowAffine(t: Affine, rows: AxisSteps, cols: AxisSteps): Affine {
  const [a, b, c, d, e, f] = t;
  // Pixel i of the window has its centre at start + step·i + 0.5, so its corner lies half a step before.
  const col = cols.start + 0.5 - cols.step / 2;
  const row = rows.start + 0.5 - rows.step / 2;
  return [a * cols.step, b * rows.step, a * col + b * row + c, d * cols.step, e * rows.step, d * col + e * row + f];
}

/** Coordinates of the centres of `count` pixels along one axis that starts at corner `origin`. */
export function axisCentres(origin: number, size: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => origin + size * (i + 0.5));
}

/** Largest departure from even spacing, in pixels, that still counts as a regular axis. */
const REGULAR_WITHIN = 1e-3;

/** Corner and pixel size of evenly spaced centres; null for uneven ones, and for a single one without `size`. */
export function regularAxis(
  centres: ArrayLike<number | bigint>,
  size?: number,
): { readonly origin: number; readonly size: number } | null {
  const n = centres.length;
  const first = Number(centres[0]);
  const step = n > 1 ? (Number(centres[n - 1]) - first) / (n - 1) : (size ?? Number.NaN);
  if (!Number.isFinite(step) || step === 0) return null;
  for (let i = 0; i < n; i++) if (Math.abs((Number(centres[i]) - first) / step - i) > REGULAR_WITHIN) return null;
  return { origin: first - step / 2, size: step };
}

/** The six numbers in GDAL's order (c a b f d e), as CF's `GeoTransform` attribute has them. */
export function affineText(t: Affine): string {
  const [a, b, c, d, e, f] = t;
  return [c, a, b, f, d, e].join(" ");
}
