/** Bounding boxes: `[west, south, east, north]`. */
import { type Affine, applyAffine } from "./affine.ts";

/** `[west, south, east, north]` in the units of its CRS. */
export type BBox = readonly [west: number, south: number, east: number, north: number];

/** Box around a grid of `shape` (rows, columns): the outer edges of its pixels. */
export function bboxOf(t: Affine, shape: readonly [number, number]): BBox {
  const [height, width] = shape;
  const corners = [0, height].flatMap((row) => [0, width].map((col) => applyAffine(t, { col, row })));
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
