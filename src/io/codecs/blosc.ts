/** The blosc1 container (io.md §3.3). Source: c-blosc 1.21 README_CHUNK_FORMAT.rst and `blosc.c`. */
import { UnsupportedError } from "../../base/index.ts";
import {
  type Codec,
  type CodecContext,
  type CodecOptions,
  codecError,
  expectLength,
  integerOption,
  workspaceOf,
} from "./codec.ts";
import { zlibCodec, zstdCodec, zstdCompress } from "./zlib-codecs.ts";

const HEADER_BYTES = 16;
const FLAG_SHUFFLE = 1;
const FLAG_STORED = 2;
const FLAG_BITSHUFFLE = 4;
const FLAG_NOT_SPLIT = 16;
const FORMATS = ["blosclz", "lz4", "snappy", "zlib", "zstd"] as const;
/** Bytes per block that we write. */
const BLOCK_BYTES = 512 * 1024;

/** c-blosc's own choice of a block stays below this at every level. */
const AUTO_BLOCK_BYTES_MAX = 4 * 2 ** 20;

const inflate = zlibCodec();
const unzstd = zstdCodec();

/** Facts in a blosc1 header. */
interface BloscHeader {
  readonly flags: number;
  readonly typesize: number;
  readonly nbytes: number;
  readonly blocksize: number;
  readonly cbytes: number;
  readonly format: (typeof FORMATS)[number];
}

function u32(src: Uint8Array, at: number): number {
  return (src[at]! | (src[at + 1]! << 8) | (src[at + 2]! << 16) | (src[at + 3]! << 24)) >>> 0;
}

function putU32(dst: Uint8Array, at: number, value: number): void {
  for (let k = 0; k < 4; k++) dst[at + k] = value >>> (8 * k);
}

function parseHeader(src: Uint8Array): BloscHeader {
  if (src.length < HEADER_BYTES)
    throw codecError("blosc", "short", `frame of ${src.length} bytes has no ${HEADER_BYTES}-byte header`);
  const [version, flags] = [src[0]!, src[2]!];
  if (version < 1 || version > 2) throw codecError("blosc", "corrupt", `format version ${version}, expected 1 or 2`);
  const format = FORMATS[flags >>> 5];
  if (format === undefined) throw codecError("blosc", "corrupt", `compressor code ${flags >>> 5} is unknown`);
  const header = {
    flags,
    typesize: src[3]!,
    nbytes: u32(src, 4),
    blocksize: u32(src, 8),
    cbytes: u32(src, 12),
    format,
  };
  if (header.cbytes !== src.length) {
    const fault = header.cbytes > src.length ? "short" : "corrupt";
    throw codecError("blosc", fault, `frame says ${header.cbytes} bytes, the object has ${src.length}`);
  }
  if (header.nbytes > 0 && (header.blocksize === 0 || header.typesize === 0)) {
    throw codecError("blosc", "corrupt", `blocksize ${header.blocksize}, typesize ${header.typesize}`);
  }
  return header;
}

/**
 * Decode a blosc1 frame into `dst`, which it fills.
 * @throws {CodecError} a size or offset that does not fit, a corrupt stream
 * @throws {UnsupportedError} blosclz or snappy inside
 */
function bloscDecode(src: Uint8Array, dst: Uint8Array, context: CodecContext): void {
  const header = parseHeader(src);
  expectLength("blosc", header.nbytes, dst.length);
  if (header.nbytes === 0) return;
  if (header.flags & FLAG_STORED) {
    expectLength("blosc", src.length - HEADER_BYTES, dst.length);
    dst.set(src.subarray(HEADER_BYTES));
    return;
  }
  const { nbytes, blocksize, typesize } = header;
  const count = Math.ceil(nbytes / blocksize);
  if (HEADER_BYTES + 4 * count > src.length)
    throw codecError("blosc", "short", `${count} block starts do not fit ${src.length} bytes`);
  const byShuffle = (header.flags & FLAG_SHUFFLE) !== 0 && typesize > 1;
  const byBits = !byShuffle && (header.flags & FLAG_BITSHUFFLE) !== 0 && blocksize >= typesize;
  const staged = byShuffle || byBits ? workspaceOf(context, Math.min(blocksize, nbytes)) : null;
  for (let k = 0; k < count; k++) {
    const block = dst.subarray(k * blocksize, Math.min((k + 1) * blocksize, nbytes));
    const raw = staged ? staged.subarray(0, block.length) : block;
    decodeBlock(
      src,
      raw,
      { header, start: u32(src, HEADER_BYTES + 4 * k), isShort: block.length < blocksize },
      context,
    );
    if (byShuffle) context.kernels.unshuffle(raw, block, typesize);
    else if (byBits) context.kernels.bitunshuffle(raw, block, typesize);
  }
}

interface Block {
  readonly header: BloscHeader;
  readonly start: number;
  readonly isShort: boolean;
}

/** A block is one stream, or one per byte of the item; a short last block is never split. */
function decodeBlock(src: Uint8Array, dst: Uint8Array, block: Block, context: CodecContext): void {
  const { header, isShort } = block;
  const streams = header.flags & FLAG_NOT_SPLIT || isShort ? 1 : header.typesize;
  const part = dst.length / streams;
  if (!Number.isInteger(part))
    throw codecError("blosc", "corrupt", `block of ${dst.length} bytes in ${streams} streams`);
  let at = block.start;
  for (let s = 0; s < streams; s++) {
    if (at < HEADER_BYTES || at + 4 > src.length)
      throw codecError("blosc", "corrupt", `block at ${at} is outside the ${src.length} bytes`);
    const length = u32(src, at);
    at += 4;
    if (length === 0 || length > src.length - at)
      throw codecError("blosc", "corrupt", `stream of ${length} bytes at ${at} is outside the ${src.length} bytes`);
    decodeStream(header.format, src.subarray(at, at + length), dst.subarray(s * part, (s + 1) * part), context);
    at += length;
  }
}

function decodeStream(format: BloscHeader["format"], src: Uint8Array, dst: Uint8Array, context: CodecContext): void {
  if (src.length === dst.length) {
    dst.set(src);
    return;
  }
  switch (format) {
    case "lz4": {
      const got = context.kernels.lz4Decode(src, dst);
      if (got < 0) throw codecError("blosc", "corrupt", `lz4 stream of ${src.length} bytes is corrupt`);
      expectLength("blosc", got, dst.length);
      break;
    }
    case "zstd":
      unzstd.decode(src, dst, context);
      break;
    case "zlib":
      inflate.decode(src, dst, context);
      break;
    default:
      throw new UnsupportedError(`blosc with ${format} inside is not supported; lz4, lz4hc, zstd and zlib are`, {
        details: { codec: `blosc/${format}` },
      });
  }
}

interface BloscSettings {
  readonly level: number;
  /** 0 none, 1 bytes, 2 bits. */
  readonly shuffle: number;
  readonly typesize: number;
}

/** One frame: unsplit blocks of at most 512 KiB, zstd inside; stored when that is smaller. */
function bloscEncode(src: Uint8Array, settings: BloscSettings, context: CodecContext): Uint8Array {
  const { level, typesize } = settings;
  const shuffle = settings.shuffle === 1 && typesize === 1 ? 0 : settings.shuffle;
  const whole = Math.max(typesize, BLOCK_BYTES - (BLOCK_BYTES % (8 * typesize)));
  const blocksize = Math.min(whole, src.length);
  const count = src.length === 0 ? 0 : Math.ceil(src.length / blocksize);
  const staged = shuffle === 0 ? null : workspaceOf(context, blocksize);
  const blocks: Uint8Array[] = [];
  let total = HEADER_BYTES + 4 * count;
  for (let k = 0; k < count && level > 0; k++) {
    const block = src.subarray(k * blocksize, Math.min((k + 1) * blocksize, src.length));
    const raw = staged ? staged.subarray(0, block.length) : block;
    if (shuffle === 1) context.kernels.shuffle(block, raw, typesize);
    else if (shuffle === 2) context.kernels.bitshuffle(block, raw, typesize);
    const packed = zstdCompress(raw, level);
    // A stream as long as its block means stored; `raw` is reused, so keep a copy.
    blocks.push(packed.length < raw.length ? packed : raw.slice());
    total += 4 + Math.min(packed.length, raw.length);
  }
  const stored = level === 0 || total >= HEADER_BYTES + src.length;
  const out = new Uint8Array(stored ? HEADER_BYTES + src.length : total);
  const filter = shuffle === 1 ? FLAG_SHUFFLE : shuffle === 2 ? FLAG_BITSHUFFLE : 0;
  out.set([2, 1, filter | FLAG_NOT_SPLIT | (stored ? FLAG_STORED : 0) | (FORMATS.indexOf("zstd") << 5), typesize]);
  putU32(out, 4, src.length);
  putU32(out, 8, blocksize);
  putU32(out, 12, out.length);
  if (stored) out.set(src, HEADER_BYTES);
  else writeBlocks(out, blocks);
  return out;
}

function writeBlocks(out: Uint8Array, blocks: readonly Uint8Array[]): void {
  let at = HEADER_BYTES + 4 * blocks.length;
  blocks.forEach((block, k) => {
    putU32(out, HEADER_BYTES + 4 * k, at);
    putU32(out, at, block.length);
    out.set(block, at + 4);
    at += 4 + block.length;
  });
}

const SHUFFLES: Readonly<Record<string, number>> = { noshuffle: 0, shuffle: 1, bitshuffle: 2 };
const NAMES = ["zstd", "lz4", "lz4hc", "zlib", "blosclz", "snappy"];

/**
 * blosc1 frames. Settings as in Zarr v2 (`shuffle` -1, 0, 1, 2) or v3 (`noshuffle`, `shuffle`, `bitshuffle`, `typesize`).
 * Reads lz4, lz4hc, zstd and zlib inside; writes zstd, and says so when asked to encode with another.
 * @throws {UnsupportedError} an unknown `cname`, `shuffle` or level
 */
export function bloscCodec(options: CodecOptions = {}): Codec {
  const cname = options["cname"] ?? "zstd";
  if (!NAMES.includes(String(cname))) {
    throw new UnsupportedError(
      `blosc: cname ${JSON.stringify(cname)} is unknown; expected one of ${NAMES.join(", ")}`,
      { details: { codec: "blosc" } },
    );
  }
  const level = integerOption(options, "clevel", { codec: "blosc", min: 0, max: 9, fallback: 5 });
  const typesize = integerOption(options, "typesize", { codec: "blosc", min: 0, max: 255, fallback: 1 }) || 1;
  const given = options["shuffle"] ?? 1;
  const named = typeof given === "string" ? SHUFFLES[given] : given === -1 ? (typesize === 1 ? 2 : 1) : given;
  if (named !== 0 && named !== 1 && named !== 2) {
    throw new UnsupportedError(`blosc: shuffle ${JSON.stringify(given)} is unknown`, { details: { codec: "blosc" } });
  }
  const blockBytes =
    integerOption(options, "blocksize", { codec: "blosc", min: 0, max: 2 ** 31, fallback: 0 }) || AUTO_BLOCK_BYTES_MAX;
  return {
    id: "blosc",
    isFresh: false,
    decode: bloscDecode,
    decodeUpTo(src, maxBytes, context): Uint8Array {
      const { nbytes } = parseHeader(src);
      if (nbytes > maxBytes)
        throw codecError("blosc", "oversize", `frame says ${nbytes} bytes, at most ${maxBytes} expected`);
      const out = new Uint8Array(nbytes);
      bloscDecode(src, out, context);
      return out;
    },
    encode(src, context): Uint8Array {
      if (cname !== "zstd")
        throw new UnsupportedError(`writing blosc with ${cname} is not supported; use zstd`, {
          details: { codec: `blosc/${cname}` },
        });
      return bloscEncode(src, { level, shuffle: named, typesize }, context);
    },
    // A block's stage and its stream's fresh output.
    workspace: (n) => 2 * Math.min(n, blockBytes) + 64,
    encodedBytes: () => null,
  };
}
