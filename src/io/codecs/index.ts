/**
 * Room: io/codecs. Byte codecs of Zarr and TIFF, and the byte kernels they call.
 * In: encoded bytes of known decoded length. Out: bytes; typed errors for anything else. Synchronous, any thread.
 * Imports: base.
 * @module
 */
export type { ByteKernels, ItemSize, PredictorShape } from "./byte-kernels.ts";
export { KERNEL_CORRUPT, KERNEL_OVERFLOW } from "./byte-kernels.ts";
export type { Codec, CodecContext, CodecFault, CodecOptions } from "./codec.ts";
export { codecError, expectLength } from "./codec.ts";
export { plainByteKernels } from "./plain-kernels.ts";
export { CODEC_IDS, codecOf } from "./table.ts";
