/** The one model of a Zarr array that both format versions parse into; plain JSON data, so that it travels in plans. */
import type { DType } from "../../dtype/index.ts";
import type { LooseJson } from "./json.ts";

/** A byte codec and its settings, as metadata name them. */
export interface CodecSpec {
  readonly id: string;
  readonly options: { readonly [key: string]: string | number | boolean | null };
}

/** From chunk coordinates to object names. */
export interface KeyEncoding {
  readonly kind: "default" | "v2";
  readonly separator: "/" | ".";
}

/** How elements become the bytes of a chunk, in encoding order: axes permuted, byte order, then byte codecs. */
export interface ChainSpec {
  /** Stored axis `k` is array axis `order[k]`; null where nothing is permuted. */
  readonly order: readonly number[] | null;
  readonly bigEndian: boolean;
  readonly codecs: readonly CodecSpec[];
}

/** A shard: one object of several chunks, with an index of offsets and lengths. */
export interface ShardSpec {
  readonly shape: readonly number[];
  /** The index ends in its CRC-32C. */
  readonly checksum: boolean;
  readonly location: "start" | "end";
}

/** What reading and writing chunks needs; the `meta` of a Zarr `SourceSpec`. */
export interface StorageSpec extends ChainSpec {
  readonly keys: KeyEncoding;
  /** Bytes of one element as hexadecimal, in memory order; null where v2 has no fill value (zeros then). */
  readonly fill: string | null;
  readonly shard: ShardSpec | null;
}

/** Attributes of an array or group. */
export type Attributes = { readonly [key: string]: LooseJson };

/** A parsed array. */
export interface ArrayModel {
  readonly zarrFormat: 2 | 3;
  readonly shape: readonly number[];
  /** The unit of decoding: the inner chunk where chunks lie in shards. */
  readonly chunkShape: readonly number[];
  readonly dtype: DType;
  readonly storage: StorageSpec;
  readonly dimensionNames: readonly (string | null)[] | null;
  readonly attributes: Attributes;
}

/** A parsed group. */
export interface GroupModel {
  readonly zarrFormat: 2 | 3;
  readonly attributes: Attributes;
}

/** Decoded bytes of one chunk at most, unless told otherwise (`rsdat.io.max-block-bytes`). */
export const CHUNK_BYTES_MAX: number = 512 * 2 ** 20;
/** Chunks in one shard at most: 64 MiB of index. */
export const SHARD_CHUNKS_MAX: number = 4 * 2 ** 20;
/** One metadata object at most. */
export const METADATA_BYTES_MAX: number = 64 * 2 ** 20;
