/** The bytes of one chunk, both ways: byte codecs, byte order, and the view that array axes have of them. */
import { CodecError, isRsdatError } from "../../base/index.ts";
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import { type ByteKernels, type Codec, type CodecContext, codecOf, expectLength } from "../codecs/index.ts";
import { Scratch } from "../scratch.ts";
import type { ChainSpec } from "./model.ts";

/** A chain made ready for chunks of one shape and dtype. */
export interface ChunkCodec {
  readonly dtype: DType;
  readonly chunkShape: readonly number[];
  readonly chain: ChainSpec;
  /** Decoded bytes of a chunk. */
  readonly nbytes: number;
  readonly codecs: readonly Codec[];
  /** Bytes that enter each codec on encoding, where they do not depend on the data. */
  readonly sizes: readonly (number | null)[];
  /** An encoded chunk larger than this is refused unread. */
  readonly encodedBytesMax: number;
  /** Memory that decoding takes beside the encoded and the decoded bytes. */
  readonly workspaceBytes: number;
}

/** Compression that grows its input by more than this is not compression (io.md §2). */
function encodedMax(nbytes: number): number {
  return Math.ceil(nbytes * 1.02) + 64 * 1024;
}

/** Make a chain ready; cheap enough to do per task. */
export function makeChunkCodec(chain: ChainSpec, dtype: DType, chunkShape: readonly number[]): ChunkCodec {
  const nbytes = sizeOf(chunkShape) * DTYPES[dtype].itemsize;
  const codecs = chain.codecs.map((c) => codecOf(c.id, c.options));
  const sizes: (number | null)[] = [nbytes];
  for (const codec of codecs) {
    const size = sizes.at(-1) ?? null;
    sizes.push(size === null ? null : codec.encodedBytes(size));
  }
  const workspace = codecs.map((c, k) => c.workspace(sizes[k] ?? encodedMax(nbytes)));
  // Each layer beyond the innermost makes a buffer of its own.
  const layers = Math.max(0, codecs.length - 1) * encodedMax(nbytes);
  return {
    dtype,
    chunkShape,
    chain,
    nbytes,
    codecs,
    sizes,
    encodedBytesMax: encodedMax(nbytes),
    workspaceBytes: Math.max(0, ...workspace) + layers,
  };
}

/** Stages of codecs: a block of blosc; larger ones are made when they come. */
const STAGE_BYTES = 512 * 1024;
const stage = new Scratch();
const decoded = new Scratch();

/**
 * Decode into `dst`, which has exactly the chunk's bytes: storage order, memory byte order.
 * @throws {CodecError} `short`, `oversize`, `corrupt`, `checksum`
 */
export function decodeChunkInto(codec: ChunkCodec, src: Uint8Array, dst: Uint8Array, kernels: ByteKernels): void {
  const context: CodecContext = { kernels, scratch: stage.take(STAGE_BYTES) };
  let bytes = src;
  for (let k = codec.codecs.length - 1; k > 0; k--) bytes = unwrap(codec, k, bytes, context);
  const innermost = codec.codecs[0];
  if (innermost) innermost.decode(bytes, dst, context);
  else {
    expectLength("bytes", bytes.length, dst.length);
    dst.set(bytes);
  }
  swap(codec, dst, kernels);
}

/** Decode an outer layer of the chain into bytes of its own. */
function unwrap(codec: ChunkCodec, k: number, src: Uint8Array, context: CodecContext): Uint8Array {
  const layer = codec.codecs[k]!; // k counts codecs
  const known = codec.sizes[k] ?? null;
  const bytes = layer.decodeUpTo(src, known ?? codec.encodedBytesMax, context);
  if (known !== null) expectLength(layer.id, bytes.length, known);
  return bytes;
}

/**
 * Decode a chunk; the bytes are valid until the next call in this thread.
 * @param room memory to decode into, aligned to 8, where it is large enough
 * @throws {CodecError} `short`, `oversize`, `corrupt`, `checksum`
 */
export function decodeChunk(codec: ChunkCodec, src: Uint8Array, kernels: ByteKernels, room?: Uint8Array): Uint8Array {
  const hasRoom = room !== undefined && room.length >= codec.nbytes;
  if (codec.codecs[0]?.isFresh && !hasRoom) {
    const context: CodecContext = { kernels, scratch: stage.take(STAGE_BYTES) };
    let bytes = src;
    for (let k = codec.codecs.length - 1; k >= 0; k--) bytes = unwrap(codec, k, bytes, context);
    if (bytes.byteOffset % 8 === 0) {
      swap(codec, bytes, kernels);
      return bytes;
    }
  }
  const dst = hasRoom ? room.subarray(0, codec.nbytes) : decoded.take(codec.nbytes);
  decodeChunkInto(codec, src, dst, kernels);
  return dst;
}

function swap(codec: ChunkCodec, data: Uint8Array, kernels: ByteKernels): void {
  const { itemsize, components } = DTYPES[codec.dtype];
  const width = itemsize / components;
  // itemsize / components is 1, 2, 4 or 8 for every dtype.
  if (codec.chain.bigEndian && width > 1) kernels.bswap(data, width as 2 | 4 | 8);
}

/** Encode a chunk's bytes (storage order, memory byte order; left unchanged) into fresh bytes. */
export function encodeChunk(codec: ChunkCodec, raw: Uint8Array, kernels: ByteKernels): Uint8Array {
  let bytes = raw;
  if (codec.chain.bigEndian) {
    bytes = raw.slice();
    swap(codec, bytes, kernels);
  }
  const context: CodecContext = { kernels, scratch: stage.take(STAGE_BYTES) };
  for (const c of codec.codecs) bytes = c.encode(bytes, context);
  return bytes;
}

/** The chunk's bytes as a block of array axes: a view with the strides that storage order gives. */
export function chunkView(codec: ChunkCodec, bytes: Uint8Array): NDArray {
  const { chunkShape, chain, dtype } = codec;
  const data = viewOf(dtype, bytes.buffer, bytes.byteOffset, sizeOf(chunkShape));
  if (chain.order === null) return new NDArray(dtype, data, chunkShape);
  const stored = contiguousStride(chain.order.map((axis) => chunkShape[axis]!)); // a permutation of the axes
  const stride = new Array<number>(stored.length);
  chain.order.forEach((axis, k) => {
    stride[axis] = stored[k]!;
  });
  return new NDArray(dtype, data, chunkShape, stride);
}

/** Run `body`; a codec's error gets the chunk's place. */
export function atChunk<T>(place: string, details: Readonly<Record<string, unknown>>, body: () => T): T {
  try {
    return body();
  } catch (e) {
    if (!(isRsdatError(e) && e.name === "CodecError")) throw e;
    throw new CodecError(`${place}: ${e.message}`, { cause: e, details: { ...e.details, ...details } }, e.code);
  }
}
