/** One object of a Zarr array from one block: padded, compared with the fill value, encoded, written atomically. */
import { invariant, ShapeError, UnsupportedError } from "../../base/index.ts";
import { DTYPES } from "../../dtype/index.ts";
import { copyBlock, NDArray, sizeOf } from "../../ndarray/index.ts";
import { Scratch } from "../scratch.ts";
import type { ReadContext, SourceSpec } from "../source.ts";
import { openStore } from "../store/open-store.ts";
import { isSyncStore, type SyncStore } from "../store/store.ts";
import { atChunk, type ChunkCodec, chunkView, decodeChunkInto, encodeChunk } from "./chunk-codec.ts";
import { fillBlock, isAllFill } from "./fill.ts";
import { objectKey, partOf, storageOf } from "./grid.ts";
import { recordObject } from "./ledger.ts";
import { codecFor } from "./piece.ts";
import type { ZarrTarget } from "./target.ts";

/** What a write did. */
export interface WriteStats {
  /** Encoded bytes written; 0 for a chunk that is all fill. */
  readonly bytes: number;
  readonly written: boolean;
}

/** Options of {@link writeZarrObjectSync}. */
export interface WriteObjectOptions {
  /**
   * Where the block begins within the chunk, when it is only a part of it: the rest is kept (read, overlaid, written).
   * Nobody else may write the same object meanwhile.
   */
  readonly at?: readonly number[];
}

/**
 * Write the object at `chunkIndex` of the array `name`. Synchronous; one task per object.
 *
 * `block` has the chunk's shape, cut where the array ends. A chunk that is all fill is not written, and removed where it
 * may have been.
 * @throws {ShapeError} a block of another shape or dtype
 * @throws {WriteError} the store refuses; the object is as it was
 */
export function writeZarrObjectSync(
  target: ZarrTarget,
  name: string,
  write: ObjectWrite,
  context: ReadContext,
): WriteStats {
  const encoded = writeObject(target, name, write, context);
  // After the object: a run that is killed in between writes it again.
  if (target.ledger)
    recordObject(target.ledger, { name, source: sourceOf(target, name), chunkIndex: write.chunkIndex }, encoded);
  return { bytes: encoded?.length ?? 0, written: encoded !== null };
}

type ObjectWrite = { readonly chunkIndex: readonly number[]; readonly block: NDArray } & WriteObjectOptions;

function sourceOf(target: ZarrTarget, name: string): SourceSpec {
  const source = target.arrays[name];
  invariant(source, `target ${target.url} has no array ${name}`);
  return source;
}

/** The bytes that were written; null for a chunk that is all fill. */
function writeObject(target: ZarrTarget, name: string, write: ObjectWrite, context: ReadContext): Uint8Array | null {
  const source = sourceOf(target, name);
  const store = openStore(source.url);
  invariant(isSyncStore(store), `${source.url} has no synchronous store`);
  const { chunkIndex, block } = write;
  const storage = storageOf(source);
  if (storage.shard)
    throw new UnsupportedError(`writing into shards is not supported (${source.url})`, {
      details: { url: source.url },
    });
  const job: Job = {
    source,
    store,
    codec: codecFor(source),
    key: objectKey(storage.keys, chunkIndex),
    context,
    isFresh: target.isFresh,
  };
  checkBlock(job, write);
  const raw = chunkBytes(job, block, write);
  if (isAllFill(raw, storage.fill, source.dtype)) {
    if (!target.isFresh) store.deleteSync(job.key);
    return null;
  }
  const encoded = encodeChunk(job.codec, raw, context.kernels);
  store.writeSync(job.key, [encoded]);
  return encoded;
}

interface Job {
  readonly source: SourceSpec;
  readonly store: SyncStore;
  readonly codec: ChunkCodec;
  readonly key: string;
  readonly context: ReadContext;
  readonly isFresh: boolean;
}

/** The chunk's shape, cut where the array ends. */
function extentOf(source: SourceSpec, chunkIndex: readonly number[]): number[] {
  return source.shape.map((n, k) => {
    const size = source.chunkShape[k]!; // one size per axis
    return Math.min(size, n - chunkIndex[k]! * size);
  });
}

function checkBlock(job: Job, write: ObjectWrite): void {
  const { source } = job;
  const { chunkIndex, block, at } = write;
  const extent = extentOf(source, chunkIndex);
  const begin = at ?? extent.map(() => 0);
  const fits =
    block.ndim === extent.length &&
    chunkIndex.length === extent.length &&
    extent.every((n, k) => n > 0 && (at ? begin[k]! >= 0 && begin[k]! + block.shape[k]! <= n : block.shape[k] === n));
  if (fits && block.dtype === source.dtype) return;
  throw new ShapeError(
    `block ${block.dtype} (${block.shape.join(", ")})${at ? ` at (${at.join(", ")})` : ""} for chunk (${chunkIndex.join(", ")}) of ${source.url}: expected ${source.dtype} (${extent.join(", ")})`,
    { details: { url: source.url, chunk: chunkIndex } },
  );
}

const padded = new Scratch();

/** The chunk's bytes in storage order: the block's own memory where it is exactly that. */
function chunkBytes(job: Job, block: NDArray, options: WriteObjectOptions): Uint8Array {
  const { codec, source } = job;
  const { itemsize } = DTYPES[block.dtype];
  const isWhole = block.size === sizeOf(source.chunkShape);
  if (isWhole && block.isContiguous && codec.chain.order === null) {
    const at = block.data.byteOffset + block.offset * itemsize;
    return new Uint8Array(block.data.buffer, at, codec.nbytes);
  }
  const bytes = padded.take(codec.nbytes);
  const chunk = chunkView(codec, bytes);
  const isPart = options.at !== undefined && !isExtent(job, block, options.at);
  if (!(isPart && loadOld(job, bytes)) && !isWhole) fillBlock(chunk, storageOf(source).fill);
  copyBlock(partOf(chunk, options.at ?? chunk.shape.map(() => 0), block.shape), block);
  return bytes;
}

/** A part that covers all of the chunk that lies in the array needs nothing of the old one. */
function isExtent(job: Job, block: NDArray, at: readonly number[]): boolean {
  return at.every((i, k) => i === 0 && block.shape[k] === job.source.chunkShape[k]);
}

function loadOld(job: Job, into: Uint8Array): boolean {
  const { store, codec, key, source, context } = job;
  const old = store.readSync(key, { maxBytes: codec.encodedBytesMax });
  if (old === null) return false;
  const place = `${source.url}${key}`;
  atChunk(place, { object: place }, () => decodeChunkInto(codec, old.bytes, into, context.kernels));
  return true;
}

/** Write all objects of an array from one block in memory. */
export function writeWholeArray(target: ZarrTarget, name: string, data: NDArray, context: ReadContext): void {
  const { shape, chunkShape } = target.arrays[name]!; // the caller has made it
  const counts = shape.map((n, k) => Math.ceil(n / chunkShape[k]!)); // one size per axis
  for (let i = 0, n = sizeOf(counts); i < n; i++) {
    let rest = i;
    const chunkIndex = new Array<number>(counts.length);
    for (let k = counts.length - 1; k >= 0; k--) {
      chunkIndex[k] = rest % counts[k]!;
      rest = Math.floor(rest / counts[k]!);
    }
    const from = chunkIndex.map((c, k) => c * chunkShape[k]!);
    const extent = shape.map((s, k) => Math.min(chunkShape[k]!, s - from[k]!));
    const block = new NDArray(
      data.dtype,
      data.data,
      extent,
      data.stride,
      from.reduce((sum, f, k) => sum + f * data.stride[k]!, data.offset),
    );
    writeObject(target, name, { chunkIndex, block }, context);
  }
}
