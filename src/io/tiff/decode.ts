/** From a tile's stored bytes to pixels in a block: decompress, swap, undo the predictor, scatter (io.md §5.3). */
import { CodecError, isRsdatError, UnsupportedError } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { type Codec, codecOf, type ItemSize } from "../codecs/index.ts";
import type { ReadContext, SourceSpec } from "../source.ts";
import { redact } from "../store/keys.ts";
import { decodingStart, noteDecoded } from "../work.ts";
import { unpackBits } from "./bits.ts";
import { compressionName, isWholeBits, type TiffLayout, tileRowBytes } from "./directory.ts";
import type { TiffMeta } from "./meta.ts";
import type { TilePiece } from "./pieces.ts";
import { checkRare, isRare } from "./rare.ts";
import { type BlockBox, bytesOf, fillBand, fillValue, scatterBand } from "./scatter.ts";

/** Codec ids of our table by TIFF compression. */
const CODEC_ID: Readonly<Record<number, string>> = {
  5: "lzw",
  8: "zlib",
  32773: "packbits",
  32946: "zlib",
  50000: "zstd",
};

/** Everything that decoding the tiles of one source needs. */
export interface TileDecoder {
  readonly source: SourceSpec;
  readonly meta: TiffMeta;
  /** Null: the bytes are raw pixels. */
  readonly codec: Codec | null;
  readonly context: ReadContext;
  /** Room for one decoded tile, 8-byte aligned. */
  readonly tile: Uint8Array;
  /** Room for one tile of widened samples; empty where samples fill elements. */
  readonly widened: Uint8Array;
}

/**
 * Refuse what this reader would get wrong.
 * @throws {UnsupportedError} a compression, predictor or colour layout that is not read
 */
export function checkReadable(layout: TiffLayout, url: string): void {
  const { compression, predictor, bits, sampleFormat } = layout;
  if (isRare(layout)) return checkRare(layout, url);
  if (compression !== 1 && CODEC_ID[compression] === undefined) {
    const name = compressionName(compression);
    throw new UnsupportedError(
      `${url}: TIFF compression ${name} is not supported; expected none, deflate, LZW, zstd or PackBits`,
      { details: { url, compression, name } },
    );
  }
  if (compression === 1 || predictor === 1) return;
  const isSwappable = bits === 8 || bits === 16 || bits === 32 || bits === 64;
  if ((predictor === 2 && isSwappable) || (predictor === 3 && isSwappable && sampleFormat === 3)) return;
  throw new UnsupportedError(
    `${url}: TIFF predictor ${predictor} with ${bits}-bit samples of format ${sampleFormat} is not supported`,
    { details: { url, predictor, bits, sampleFormat } },
  );
}

/** Bytes of the tile and the widened rooms. */
export function decoderRooms(
  meta: TiffLayout,
  itemsize: number,
): { readonly tileBytes: number; readonly widenedBytes: number } {
  const samples = meta.isPlanar ? 1 : meta.samples;
  const tileBytes = tileRowBytes(meta) * meta.tileHeight;
  return { tileBytes, widenedBytes: isWholeBits(meta) ? 0 : meta.tileWidth * samples * meta.tileHeight * itemsize };
}

/** The decoder of `source`; rooms come from `scratch` where it is large enough. */
export function tileDecoder(
  source: SourceSpec,
  meta: TiffMeta,
  context: ReadContext,
  scratch: Uint8Array,
): TileDecoder {
  checkReadable(meta, redact(source.url));
  const id = CODEC_ID[meta.compression];
  const { tileBytes, widenedBytes } = decoderRooms(meta, dtypeInfo(source.dtype).itemsize);
  const start = (8 - (scratch.byteOffset % 8)) % 8;
  const split = start + Math.ceil(tileBytes / 8) * 8;
  const rooms = scratch.length >= split + widenedBytes ? scratch : new Uint8Array(split + widenedBytes);
  const base = rooms === scratch ? start : 0;
  const second = base + Math.ceil(tileBytes / 8) * 8;
  return {
    source,
    meta,
    // The slots of a rare codec hold raw pixels.
    codec: id === undefined ? null : codecOf(id),
    context,
    tile: rooms.subarray(base, base + tileBytes),
    widened: rooms.subarray(second, second + widenedBytes),
  };
}

/** A block of one sample of the same pixels. */
export interface BandTarget {
  readonly sample: number;
  readonly into: NDArray;
}

/**
 * Decode one piece into `into`, a block of the region's shape, and `others`, for which the piece is not decoded again.
 * `bytes` are the piece's stored bytes.
 * @throws {CodecError} with URL, tile and byte range
 */
export function decodePiece(
  decoder: TileDecoder,
  piece: TilePiece,
  bytes: Uint8Array,
  into: NDArray,
  others: readonly BandTarget[] = [],
): void {
  const { meta, source } = decoder;
  if (piece.length === 0) {
    const value = fillValue(meta.fill, source.dtype);
    const filled = { rows: piece.rows, cols: piece.cols, value };
    for (const band of piece.toBands) fillBand(into, blockBox(into, piece, band), filled);
    for (const other of others) fillBand(other.into, blockBox(other.into, piece, 0), filled);
    return;
  }
  const startMs = decodingStart();
  try {
    const direct = directTarget(decoder, piece, into);
    const pixels = decodeTile(decoder, piece, bytes, direct);
    if (direct) return;
    const samples = meta.isPlanar ? 1 : meta.samples;
    const scatter = (sample: number, to: NDArray, band: number): void => {
      const first = ((piece.row - piece.storedRow) * meta.tileWidth + piece.col) * samples + sample;
      const from = { rows: piece.rows, cols: piece.cols, first, rowStep: meta.tileWidth * samples, colStep: samples };
      scatterBand(pixels, from, to, blockBox(to, piece, band));
    };
    piece.samples.forEach((sample, i) => void scatter(sample, into, piece.toBands[i]!));
    for (const other of others) scatter(other.sample, other.into, 0);
  } catch (e) {
    throw located(e, source, piece);
  } finally {
    noteDecoded(startMs);
  }
}

/** Native-order items of the stored rows: in `direct` when given, else in a room of the decoder or in `bytes`. */
function decodeTile(decoder: TileDecoder, piece: TilePiece, bytes: Uint8Array, direct: Uint8Array | null): Uint8Array {
  const { meta, codec, context } = decoder;
  const itemsize = dtypeInfo(decoder.source.dtype).itemsize as ItemSize; // no type that TIFF gives has another size
  const rowBytes = tileRowBytes(meta);
  const isSwapped = !meta.isLittleEndian && itemsize > 1 && isWholeBits(meta) && !(codec && meta.predictor === 3);
  let raw: Uint8Array = bytes;
  if (codec || direct || isSwapped || (meta.bits === 24 && !isWholeBits(meta))) {
    raw = direct ?? decoder.tile.subarray(0, piece.storedRows * rowBytes);
    if (codec) decompress(decoder, codec, bytes, raw);
    else raw.set(bytes);
  }
  if (!isWholeBits(meta)) return widen(decoder, piece, raw);
  if (isSwapped) context.kernels.bswap(raw, itemsize as 2 | 4 | 8);
  if (codec && meta.predictor !== 1) {
    const shape = {
      rows: piece.storedRows,
      width: meta.tileWidth,
      samples: meta.isPlanar ? 1 : meta.samples,
      itemsize,
    };
    if (meta.predictor === 2) context.kernels.predictor2Decode(raw, shape);
    else context.kernels.predictor3Decode(raw, shape);
  }
  return raw;
}

/** Some writers store the last strip at full height: what is beyond the image is dropped. */
function decompress(decoder: TileDecoder, codec: Codec, bytes: Uint8Array, into: Uint8Array): void {
  const { meta, context } = decoder;
  try {
    codec.decode(bytes, into, context);
  } catch (e) {
    const fullBytes = tileRowBytes(meta) * meta.tileHeight;
    if (!isRsdatError(e, "oversize") || into.length >= fullBytes) throw e;
    const whole = codec.decodeUpTo(bytes, fullBytes, context);
    into.set(whole.subarray(0, into.length));
  }
}

function widen(decoder: TileDecoder, piece: TilePiece, raw: Uint8Array): Uint8Array {
  const { meta, widened } = decoder;
  const { itemsize } = dtypeInfo(decoder.source.dtype);
  const perRow = meta.tileWidth * (meta.isPlanar ? 1 : meta.samples);
  const out = widened.subarray(0, piece.storedRows * perRow * itemsize);
  const target =
    itemsize === 1
      ? out
      : itemsize === 2
        ? new Uint16Array(out.buffer, out.byteOffset, out.length >> 1)
        : new Uint32Array(out.buffer, out.byteOffset, out.length >> 2);
  // libtiff swaps the bytes of 24-bit samples of big-endian files, of no other odd width.
  if (meta.bits === 24 && !meta.isLittleEndian) reverseTriples(raw);
  unpackBits(raw, target, { rows: piece.storedRows, perRow, bits: meta.bits });
  return out;
}

function reverseTriples(bytes: Uint8Array): void {
  for (let i = 0; i + 2 < bytes.length; i += 3) {
    const first = bytes[i]!;
    bytes[i] = bytes[i + 2]!;
    bytes[i + 2] = first;
  }
}

/** The block's own bytes where the stored rows are exactly a run of it, so that nothing needs to be moved. */
function directTarget(decoder: TileDecoder, piece: TilePiece, into: NDArray): Uint8Array | null {
  const { meta } = decoder;
  const { itemsize } = dtypeInfo(into.dtype);
  if ((meta.samples > 1 && !meta.isPlanar) || !isWholeBits(meta)) return null;
  if (piece.storedRow !== piece.row || piece.storedRows !== piece.rows || piece.cols !== meta.tileWidth) return null;
  const to = blockBox(into, piece, piece.toBands[0]!);
  if (to.colStep !== 1 || (to.rowStep !== piece.cols && piece.rows > 1)) return null;
  return bytesOf(into.data).subarray(to.first * itemsize, (to.first + piece.rows * piece.cols) * itemsize);
}

function blockBox(into: NDArray, piece: TilePiece, band: number): BlockBox {
  const [rowStep, colStep] = into.stride.slice(-2) as [number, number]; // rank 2 or 3
  const bandStep = into.ndim === 3 ? into.stride[0]! : 0;
  return { first: into.offset + band * bandStep + piece.toRow * rowStep + piece.toCol * colStep, rowStep, colStep };
}

/** The error with its place; others pass through. */
export function located(e: unknown, source: SourceSpec, piece: TilePiece): unknown {
  if (!isRsdatError(e) || e.name !== "CodecError") return e;
  const { tile, offset, length } = piece;
  const url = redact(source.url);
  const message = `${url} tile ${tile}, bytes ${offset}-${offset + length - 1}: ${e.message}`;
  return new CodecError(message, { cause: e, details: { ...e.details, url, tile, offset, length } }, e.code);
}
