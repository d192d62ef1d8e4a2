/** `ByteKernels` in plain TypeScript: the oracle of the WebAssembly ones and what runs without them. */
import type { ByteKernels } from "./byte-kernels.ts";
import { crc32c } from "./crc32c.ts";
import { lz4Decode, packbitsDecode, packbitsEncode } from "./lz4.ts";
import { lzwDecode, lzwEncode } from "./lzw.ts";
import { predictor2Decode, predictor2Encode, predictor3Decode, predictor3Encode } from "./predictors.ts";
import { bitshuffle, bitunshuffle, bswap, shuffle, unshuffle } from "./shuffle.ts";

/** The plain kernels; stateless between calls, safe on any thread. */
export const plainByteKernels: ByteKernels = {
  lz4Decode,
  lzwDecode,
  lzwEncode,
  packbitsDecode,
  packbitsEncode,
  shuffle,
  unshuffle,
  bitshuffle,
  bitunshuffle,
  bswap,
  predictor2Decode,
  predictor2Encode,
  predictor3Decode,
  predictor3Encode,
  crc32c,
};
