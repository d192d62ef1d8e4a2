/**
 * Room: io. Stores (file, http, memory), range merging, codecs, Zarr, TIFF, COG.
 * In: URLs, regions, blocks. Out: metadata, plain-data read and write plans, blocks; bytes in files and objects.
 * Imports: base, config, dtype, ndarray, geo. Byte kernels are injected by executor; no WebAssembly here.
 * @module
 */
export type {
  ObjectHead,
  ObjectVersion,
  ReadOptions,
  Store,
  StoreAbilities,
  StoreCounters,
  StoredObject,
  SyncStore,
  WriteOptions,
} from "./store/store.ts";
export { isSyncStore, sameVersion } from "./store/store.ts";
