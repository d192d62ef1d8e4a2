/**
 * Room: io. Stores (file, http, memory), range merging, codecs, Zarr, TIFF, COG.
 * In: URLs, regions, blocks. Out: metadata, plain-data read and write plans, blocks; bytes in files and objects.
 * Imports: base, config, dtype, ndarray, geo. Byte kernels are injected by executor; no WebAssembly here.
 * @module
 */
export * from "./codecs/index.ts";
export type { CogPartRef, CogWriteStats } from "./cog/assemble.ts";
export { abortCog, assembleCogSync, beginCog, checkCogTarget, writePartSync } from "./cog/assemble.ts";
export type { CogPart, EncodeContext } from "./cog/encode.ts";
export { encodePartSync } from "./cog/encode.ts";
export type { CogCompression, CogCrs, CogLevel, CogPlan, CogSpec } from "./cog/plan.ts";
export { planCog } from "./cog/plan.ts";
export { decodeRegion, fetchRegion, planRead, readRegion, readRegionSync } from "./read.ts";
export type { Json, RangeRequest, ReadContext, ReadPlan, ReadStats, Region, SourceSpec } from "./source.ts";
export { ioCounters, ioCountersByOrigin } from "./store/counters.ts";
export { closeFiles } from "./store/fd-cache.ts";
export type { HttpOptions } from "./store/http-store.ts";
export type { Located, StoreOptions } from "./store/open-store.ts";
export { isLocalUrl, locate, openStore, toUrl } from "./store/open-store.ts";
export type {
  ObjectHead,
  ObjectVersion,
  ReadOptions,
  Store,
  StoreAbilities,
  StoreCounters,
  StoredObject,
  StoredStart,
  SyncStore,
  WriteOptions,
} from "./store/store.ts";
export { isSyncStore, sameVersion } from "./store/store.ts";
export type { GroundControlPoint, TiffCrs, TiffTransform } from "./tiff/geo-keys.ts";
export type { TiffInfo, TiffLevel, TiffOptions } from "./tiff/open.ts";
export { openTiff } from "./tiff/open.ts";
export type { TiffBand } from "./tiff/read.ts";
export { sharesTiles } from "./tiff/read.ts";
export type { IoCache, IoWork } from "./work.ts";
export { IO_CACHES, ioWork } from "./work.ts";
export type {
  Attributes,
  CodecSpec,
  CreateZarrOptions,
  LooseJson,
  OpenZarrOptions,
  WriteObjectOptions,
  WriteStats,
  ZarrArrayInfo,
  ZarrArraySpec,
  ZarrGroupInfo,
  ZarrStoreSpec,
  ZarrTarget,
  ZarrWrite,
  ZarrWriteMode,
} from "./zarr/index.ts";
export {
  abortZarr,
  createZarr,
  defaultCodecs,
  finishZarr,
  openZarrArray,
  openZarrGroup,
  planZarr,
  readZarrArray,
  writeZarrObjectSync,
} from "./zarr/index.ts";
