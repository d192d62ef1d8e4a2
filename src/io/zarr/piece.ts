/** One chunk of a region: its bytes, its place in messages, its way into the block. */
import { CodecError } from "../../base/index.ts";
import { DTYPES } from "../../dtype/index.ts";
import { copyBlock, type NDArray } from "../../ndarray/index.ts";
import type { ByteKernels } from "../codecs/index.ts";
import type { Region, SourceSpec } from "../source.ts";
import type { ObjectVersion } from "../store/store.ts";
import { decodingStart, noteDecoded } from "../work.ts";
import { atChunk, type ChunkCodec, chunkView, decodeChunk, decodeChunkInto, makeChunkCodec } from "./chunk-codec.ts";
import { fillBlock } from "./fill.ts";
import { type Piece, partOf, storageOf, targetOf } from "./grid.ts";
import type { ShardSpec } from "./model.ts";
import { indexBytes, type ShardIndex } from "./shard.ts";

/** The codec of a source's chunks. */
export function codecFor(source: SourceSpec): ChunkCodec {
  return makeChunkCodec(storageOf(source), source.dtype, source.chunkShape);
}

/** One call's constants. */
export interface Job {
  readonly source: SourceSpec;
  readonly region: Region;
  readonly into: NDArray;
  readonly codec: ChunkCodec;
  readonly kernels: ByteKernels;
}

/** Bytes of one encoded chunk within its object. */
export interface ChunkRange {
  readonly offset: number;
  readonly length: number;
  readonly version: ObjectVersion;
}

/** A piece's name in messages. */
export function placeOf(source: SourceSpec, piece: Piece): string {
  const inner = piece.inner < 0 ? "" : ` chunk (${piece.at.join(", ")})`;
  return `${source.url.replace(/\/$/, "")}/${piece.key}${inner}`;
}

/** @throws {CodecError} `oversize`: more bytes than a chunk can encode to */
export function checkLength(job: Pick<Job, "source" | "codec">, piece: Piece, length: number): void {
  if (length <= job.codec.encodedBytesMax) return;
  const place = placeOf(job.source, piece);
  const message = `${place} has ${length} bytes; a chunk of ${job.codec.nbytes} encodes to at most ${job.codec.encodedBytesMax}`;
  throw new CodecError(message, { details: { object: place, length } }, "oversize");
}

/** A shard whose index has been read. */
export interface OpenShard {
  readonly index: ShardIndex;
  readonly version: ObjectVersion;
}

/** What an index is read for. */
export interface ShardOf {
  readonly job: Pick<Job, "source">;
  readonly shard: ShardSpec;
}

/** Where the index of a shard of `size` bytes lies. */
export function indexRange(
  key: string,
  size: number,
  of: ShardOf,
): { readonly at: number; readonly length: number; readonly place: string } {
  const { shard, job } = of;
  const length = indexBytes(shard, job.source.chunkShape);
  const place = `${job.source.url.replace(/\/$/, "")}/${key}`;
  if (size < length) {
    throw new CodecError(
      `${place} has ${size} bytes, its shard index alone ${length}`,
      { details: { object: place } },
      "short",
    );
  }
  return { at: shard.location === "end" ? size - length : 0, length, place };
}

/** A chunk's bytes within its shard; null when it was never written. */
export function innerRange(open: OpenShard, piece: Piece, job: Pick<Job, "source" | "codec">): ChunkRange | null {
  const range = open.index.range(piece.inner);
  if (range === null) return null;
  checkLength(job, piece, range.length);
  return { ...range, version: open.version };
}

/** Give a piece's part of the block the fill value. */
export function fillPiece(job: Job, piece: Piece): void {
  fillBlock(targetOf(job.source, piece.at, job.region, job.into).target, storageOf(job.source).fill);
}

/**
 * Decode one chunk and put its part into the block; straight there when it is a run of the block's memory, else by way of
 * `room` if that is large enough.
 */
export function decodePiece(job: Job, piece: Piece, data: Uint8Array, room?: Uint8Array): void {
  const { source, region, into, codec, kernels } = job;
  const { target, from, isWhole } = targetOf(source, piece.at, region, into);
  const place = placeOf(source, piece);
  const startMs = decodingStart();
  atChunk(place, { object: place, chunk: piece.at }, () => {
    if (isWhole && codec.chain.order === null && target.isContiguous) {
      const { itemsize } = DTYPES[into.dtype];
      const at = into.data.byteOffset + target.offset * itemsize;
      decodeChunkInto(codec, data, new Uint8Array(into.data.buffer, at, codec.nbytes), kernels);
    } else {
      const chunk = chunkView(codec, decodeChunk(codec, data, kernels, room));
      copyBlock(target, partOf(chunk, from, target.shape));
    }
  });
  noteDecoded(startMs);
}
