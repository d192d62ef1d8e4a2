/** How a worker's blocks lie on disk: compressed as Dask compresses frames, where that is set. */
import type { WorkerSpillSetting } from "../config/index.ts";
import type { SpillCodec, SpillOptions } from "../executor/index.ts";
import { COMPRESSORS, compressBytes, decompressFrameLater } from "../protocol/index.ts";
import type { SpillOrder } from "./spill.ts";

/** What an executor is told of a worker's setting. */
export function spillOptions({ compression, ...setting }: WorkerSpillSetting, order: SpillOrder): SpillOptions {
  return { ...setting, order: () => order.blocks(), ...(compression ? { codec: spillCodecOf(compression) } : {}) };
}

/** The codec of a compression. */
export function spillCodecOf(name: keyof typeof COMPRESSORS): SpillCodec {
  return {
    compress: (bytes) => compressBytes(bytes, COMPRESSORS[name]),
    decompress: (bytes) => decompressFrameLater(name, bytes),
  };
}
