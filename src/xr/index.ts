/**
 * Room: xr. The labelled layer: names, coordinates, missing values and places on Earth over lazy arrays; files opened and written.
 * In: URLs, lazy arrays, blocks. Out: DataArrays and Datasets, lazy until computed; Zarr stores and COGs.
 * Imports: base, config, dtype, ndarray, geo, graph, io, array.
 * @module
 */

export type { Written } from "../array/index.ts";
export { LazyWrite } from "../array/index.ts";
export type { ConcatOptions } from "./concat.ts";
export type { DataArrayOptions } from "./create.ts";
export { compute, concat, dataArray, dataset, explain, expr, openRaster, openZarr, persist, where } from "./create.ts";
export type { Computed, Operand } from "./data-array.ts";
export { DataArray } from "./data-array.ts";
export type { ComputedVariables, Variables } from "./dataset.ts";
export { Dataset, isLabelled } from "./dataset.ts";
export type { Decode } from "./decode.ts";
export type { LabelValues } from "./label-values.ts";
export type { Attributes } from "./labelled.ts";
export type { OpenRasterOptions } from "./open-raster.ts";
export type { OpenZarrOptions } from "./open-zarr.ts";
export type { ReduceOptions } from "./reduce.ts";
export type { Rio } from "./rio.ts";
export type { Labels, Positions, SelOptions, Slice } from "./select.ts";
export { slice } from "./select.ts";
export type { NamedChunks } from "./source.ts";
export type { TimeLike } from "./time.ts";
export type { CogOptions } from "./to-cog.ts";
export type { VariableEncoding, ZarrOptions } from "./to-zarr.ts";
