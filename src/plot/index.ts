/**
 * Room: plot. Pictures of rasters: PNG quicklooks through colour maps.
 * In: blocks in memory. Out: bytes of image files. Pure and synchronous.
 * Imports: base, dtype, ndarray, geo.
 * @module
 */
export type { ColorMap } from "./color-maps.ts";
export { colorTable } from "./color-maps.ts";
export type { Rgba } from "./png.ts";
export { encodePng } from "./png.ts";
export type { QuicklookOptions } from "./quicklook.ts";
export { quicklook, thinningOf } from "./quicklook.ts";
