/**
 * Room: geo. Where pixels are: affine transforms, bounding boxes, CRS handles, geoboxes, alignment of grids.
 * In: numbers, texts. Out: plain values and errors that name both grids. Pure.
 * Imports: base.
 * @module
 */
export type { Affine } from "./affine.ts";
export { affineText, applyAffine, axisCentres, invertAffine, isUpright, regularAxis, windowAffine } from "./affine.ts";
export type { BBox } from "./bbox.ts";
export { bboxOf } from "./bbox.ts";
export type { Crs } from "./crs.ts";
export { crsText, isGeographic, parseCrs, sameCrs } from "./crs.ts";
export { crsWkt, knownCodes } from "./crs-wkt.ts";
export type { GeoBox, GridDifference } from "./geobox.ts";
export { compareGrids, geobox, gridMismatch, requireSameCrs } from "./geobox.ts";
