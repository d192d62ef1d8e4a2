/** The byte work inside codecs, as an interface: plain TypeScript here, WebAssembly injected by `executor`. */

/** Negative results of kernels that parse a stream; any other result is the number of bytes written. */
export const KERNEL_CORRUPT = -1;
/** The output did not fit the capacity given. */
export const KERNEL_OVERFLOW = -2;

/** Item sizes that the numeric predictors know, in bytes. */
export type ItemSize = 1 | 2 | 4 | 8;

/** Rows of a tile for predictors: `rows × width` pixels of `samples` interleaved items of `itemsize` bytes. */
export interface PredictorShape {
  readonly rows: number;
  readonly width: number;
  readonly samples: number;
  readonly itemsize: ItemSize;
}

/**
 * Kernels over bytes. All views may lie on a SharedArrayBuffer; `src` and `dst` never overlap.
 *
 * Parsing kernels trust no size in the stream: they stay inside `src` and `dst` and return the bytes written,
 * {@link KERNEL_CORRUPT} or {@link KERNEL_OVERFLOW}. The others assume lengths that the caller has checked.
 */
export interface ByteKernels {
  /** One LZ4 block (no frame, no size prefix). */
  lz4Decode(src: Uint8Array, dst: Uint8Array): number;
  /** TIFF's LZW: most significant bit first, early change. Stops at the end code, the end of `src` or a full `dst`. */
  lzwDecode(src: Uint8Array, dst: Uint8Array): number;
  /** TIFF's LZW; `dst` of `1.5 × src + 16` bytes always suffices. */
  lzwEncode(src: Uint8Array, dst: Uint8Array): number;
  /** PackBits; stops at a full `dst`. */
  packbitsDecode(src: Uint8Array, dst: Uint8Array): number;
  /** PackBits of each run of `rowBytes` by itself, as TIFF wants; `src + rows × ceil(rowBytes / 128)` bytes suffice. */
  packbitsEncode(src: Uint8Array, dst: Uint8Array, rowBytes: number): number;
  /** Byte planes of items (`a0 a1 b0 b1 -> a0 b0 a1 b1`); bytes beyond the last whole item are copied. */
  shuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void;
  /** Inverse of {@link ByteKernels.shuffle}. */
  unshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void;
  /** Bit planes of items, as bitshuffle and blosc1; copied unchanged unless the item count is a multiple of 8. */
  bitshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void;
  /** Inverse of {@link ByteKernels.bitshuffle}. */
  bitunshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void;
  /** Reverse the bytes of each item in place. */
  bswap(data: Uint8Array, itemsize: 2 | 4 | 8): void;
  /** TIFF predictor 2 in place: running sums per sample within each row, wrapping; items in native order. */
  predictor2Decode(data: Uint8Array, shape: PredictorShape): void;
  /** Inverse of {@link ByteKernels.predictor2Decode}. */
  predictor2Encode(data: Uint8Array, shape: PredictorShape): void;
  /** TIFF predictor 3 in place: bytes of floats as most-significant-first planes, differenced; gives native order. */
  predictor3Decode(data: Uint8Array, shape: PredictorShape): void;
  /** Inverse of {@link ByteKernels.predictor3Decode}. */
  predictor3Encode(data: Uint8Array, shape: PredictorShape): void;
  /** CRC-32C (Castagnoli), as RFC 3720; unsigned. */
  crc32c(data: Uint8Array): number;
}
