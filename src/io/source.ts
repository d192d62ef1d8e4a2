/** Plain-data contracts between planners, executors and formats: sources, regions, read plans. */
import type { DType } from "../dtype/index.ts";
import type { ByteKernels } from "./codecs/index.ts";
import type { ObjectVersion } from "./store/store.ts";

/** Any value that JSON carries. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Plain-data description of an array in a store; travels in plans, made by `open*`, interpreted by `planRead`. */
export interface SourceSpec {
  readonly format: "tiff" | "zarr";
  /** The file (tiff) or the array's folder (zarr); never holds a secret. */
  readonly url: string;
  readonly version: ObjectVersion | null;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Storage tile, strip or chunk, per axis of `shape`. */
  readonly chunkShape: readonly number[];
  /** The format's own. */
  readonly meta: Json;
}

/** A box of a source: one half-open interval per axis. */
export type Region = readonly { readonly start: number; readonly stop: number }[];

/** One request of a plan: bytes of one object. */
export interface RangeRequest {
  readonly key: string;
  readonly offset: number;
  readonly length: number;
  /** Where the bytes go in the slots buffer. */
  readonly slot: number;
}

/** What reading one region takes; made without I/O. */
export interface ReadPlan {
  readonly source: SourceSpec;
  readonly region: Region;
  /** Tiles or chunks that the region touches, sparse ones included. */
  readonly pieces: number;
  readonly requests: readonly RangeRequest[];
  /** Bytes that the requests fetch. */
  readonly bytes: number;
  /** Size of the slots buffer: compressed bytes in flight. */
  readonly slotBytes: number;
  /** Slots plus the largest decoded piece, plus slack: what to reserve beside the block itself. */
  readonly workspaceBytes: number;
  /** The store answers synchronously: `readRegionSync` may be used. */
  readonly local: boolean;
}

/** What the one who reads supplies. */
export interface ReadContext {
  readonly kernels: ByteKernels;
  /** Reused as workspace when it is large enough (see `ReadPlan.workspaceBytes`); never holds a result. */
  readonly scratch?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** What a read did. */
export interface ReadStats {
  readonly requests: number;
  readonly bytes: number;
}
