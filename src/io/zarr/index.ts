/**
 * Room: io/zarr. Zarr v2 and v3: metadata into one model, chunks to blocks and back.
 * In: URLs, regions, blocks. Out: plain-data sources and plans, blocks, stores on disk.
 * Imports: base, dtype, ndarray; io/store, io/codecs.
 * @module
 */
export { decodeZarr, fetchZarr } from "./fetch.ts";
export { abortZarr, finishZarr } from "./finish.ts";
export type { LooseJson } from "./json.ts";
export type { Attributes, CodecSpec } from "./model.ts";
export type { OpenZarrOptions, ZarrArrayInfo, ZarrGroupInfo } from "./open.ts";
export { openZarrArray, openZarrGroup, readZarrArray } from "./open.ts";
export { planZarrRead, readZarrSync } from "./read.ts";
export type { ZarrTarget, ZarrWriteMode } from "./target.ts";
export type { CreateZarrOptions, ZarrWrite } from "./write.ts";
export { createZarr, planZarr } from "./write.ts";
export type { ZarrArraySpec, ZarrStoreSpec } from "./write-metadata.ts";
export { defaultCodecs } from "./write-metadata.ts";
export type { WriteObjectOptions, WriteStats } from "./write-object.ts";
export { writeZarrObjectSync } from "./write-object.ts";
