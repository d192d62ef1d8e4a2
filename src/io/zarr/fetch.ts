/** Remote Zarr arrays: fetch encoded chunks into slots, then decode them without an event loop. */
import type { NDArray } from "../../ndarray/index.ts";
import type { ByteKernels } from "../codecs/index.ts";
import type { ReadContext, ReadPlan, ReadStats } from "../source.ts";
import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import { noteCache } from "../work.ts";
import type { ChunkCodec } from "./chunk-codec.ts";
import { type Piece, piecesOf, storageOf } from "./grid.ts";
import type { ShardSpec } from "./model.ts";
import {
  checkLength,
  codecFor,
  decodePiece,
  fillPiece,
  indexRange,
  innerRange,
  type Job,
  type OpenShard,
} from "./piece.ts";
import { parseShardIndex } from "./shard.ts";

/** Before each slot's bytes: their number, or {@link MISSING}. */
export const SLOT_HEADER_BYTES = 8;
const MISSING = 0xffffffff;
/** Chunks in flight per call; the store bounds connections further. */
const FETCHES_MAX = 16;

/**
 * Fetch the encoded chunks of a plan into `slots` (at least `plan.slotBytes`). The first failure aborts the others.
 * @throws {ReadError} the store fails, or an object is larger than a chunk can be
 */
export async function fetchZarr(plan: ReadPlan, slots: Uint8Array, context: ReadContext): Promise<ReadStats> {
  const { source } = plan;
  const failed = new AbortController();
  const signal = context.signal ? AbortSignal.any([context.signal, failed.signal]) : failed.signal;
  const job: FetchJob = {
    plan,
    slots,
    kernels: context.kernels,
    signal,
    store: openStore(source.url),
    codec: codecFor(source),
    shards: new Map(),
    stats: { requests: 0, bytes: 0 },
  };
  const pieces = piecesOf(source, plan.region);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < pieces.length && !signal.aborted) {
      const k = next++;
      await fetchPiece(job, pieces[k]!, plan.requests[k]!.slot); // k counts both
    }
  };
  const workers = Array.from({ length: Math.min(FETCHES_MAX, pieces.length) }, worker);
  try {
    await Promise.all(workers);
  } catch (e) {
    failed.abort(e);
    await Promise.allSettled(workers); // nobody writes into the slots any more
    throw e;
  }
  context.signal?.throwIfAborted();
  return job.stats;
}

interface FetchJob {
  readonly plan: ReadPlan;
  readonly slots: Uint8Array;
  readonly kernels: ByteKernels;
  readonly signal: AbortSignal;
  readonly store: Store;
  readonly codec: ChunkCodec;
  readonly shards: Map<string, Promise<OpenShard | null>>;
  readonly stats: { requests: number; bytes: number };
}

async function fetchPiece(job: FetchJob, piece: Piece, slot: number): Promise<void> {
  const { plan, slots, store, codec, stats } = job;
  const { shard } = storageOf(plan.source);
  const body = slot + SLOT_HEADER_BYTES;
  let length = MISSING;
  if (shard === null) {
    const object = await store.read(piece.key, { maxBytes: codec.encodedBytesMax, signal: job.signal });
    stats.requests++;
    if (object) {
      slots.set(object.bytes, body);
      length = object.bytes.length;
    }
  } else {
    const open = await openShard(job, piece.key, shard);
    const range = open === null ? null : innerRange(open, piece, { source: plan.source, codec });
    if (range !== null) {
      const into = slots.subarray(body, body + range.length);
      await store.readInto(piece.key, range.offset, into, { expect: range.version, signal: job.signal });
      stats.requests++;
      length = range.length;
    }
  }
  stats.bytes += length === MISSING ? 0 : length;
  new DataView(slots.buffer, slots.byteOffset).setUint32(slot, length, true);
}

/** The index of a shard, read once per call. */
function openShard(job: FetchJob, key: string, shard: ShardSpec): Promise<OpenShard | null> {
  let open = job.shards.get(key);
  noteCache("shard-indexes", open !== undefined);
  if (!open) {
    open = readIndex(job, key, shard);
    job.shards.set(key, open);
  }
  return open;
}

async function readIndex(job: FetchJob, key: string, shard: ShardSpec): Promise<OpenShard | null> {
  const { store, plan, kernels, signal } = job;
  const head = await store.head(key, { signal });
  job.stats.requests++;
  if (head === null) return null;
  const { at, length, place } = indexRange(key, head.size, { job: { source: plan.source }, shard });
  const bytes = new Uint8Array(length);
  await store.readInto(key, at, bytes, { expect: head.version, signal });
  job.stats.requests++;
  return {
    index: parseShardIndex(bytes, { shard, place, size: head.size, kernels }),
    version: head.version,
  };
}

/**
 * Decode what {@link fetchZarr} put into `slots` into the region's block. Synchronous.
 * @throws {CodecError} a chunk of another length, corrupt, or with a wrong checksum
 */
export function decodeZarr(plan: ReadPlan, slots: Uint8Array, into: NDArray, context: ReadContext): void {
  const { source, region } = plan;
  const job: Job = { source, region, into, codec: codecFor(source), kernels: context.kernels };
  const lengths = new DataView(slots.buffer, slots.byteOffset);
  piecesOf(source, region).forEach((piece, k) => {
    const slot = plan.requests[k]!.slot; // one request per piece
    const length = lengths.getUint32(slot, true);
    if (length === MISSING) {
      fillPiece(job, piece);
      return;
    }
    checkLength(job, piece, length);
    decodePiece(job, piece, slots.subarray(slot + SLOT_HEADER_BYTES, slot + SLOT_HEADER_BYTES + length));
  });
}
