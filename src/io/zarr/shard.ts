/** The index of a shard: where each chunk lies in the object. Source: Zarr v3 `sharding_indexed`. */
import { CodecError, MetadataError } from "../../base/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import type { ByteKernels } from "../codecs/index.ts";
import type { ShardSpec } from "./model.ts";

const ENTRY_BYTES = 16;
const CHECKSUM_BYTES = 4;
const ABSENT = 2n ** 64n - 1n;

/** Bytes of a shard's index. */
export function indexBytes(shard: ShardSpec, chunkShape: readonly number[]): number {
  return (sizeOf(shard.shape) / sizeOf(chunkShape)) * ENTRY_BYTES + (shard.checksum ? CHECKSUM_BYTES : 0);
}

/** A parsed index. */
export interface ShardIndex {
  /** Offset and length of the chunk `inner`, or null when it was never written. */
  range(inner: number): { readonly offset: number; readonly length: number } | null;
}

/** What an index is checked against. */
export interface IndexOf {
  readonly shard: ShardSpec;
  readonly place: string;
  /** Bytes of the whole object. */
  readonly size: number;
  readonly kernels: ByteKernels;
}

/**
 * Parse an index.
 * @throws {CodecError} `checksum`
 * @throws {MetadataError} `zarr-shard`: on use, a range that is not within the object
 */
export function parseShardIndex(bytes: Uint8Array, of: IndexOf): ShardIndex {
  const { shard, place, size, kernels } = of;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entriesBytes = bytes.length - (shard.checksum ? CHECKSUM_BYTES : 0);
  if (shard.checksum) {
    const [said, is] = [view.getUint32(entriesBytes, true), kernels.crc32c(bytes.subarray(0, entriesBytes))];
    if (said !== is) {
      throw new CodecError(
        `${place}: the shard index has CRC-32C ${is}, it says ${said}`,
        { details: { object: place } },
        "checksum",
      );
    }
  }
  return {
    range(inner) {
      const offset = view.getBigUint64(inner * ENTRY_BYTES, true);
      const length = view.getBigUint64(inner * ENTRY_BYTES + 8, true);
      if (offset === ABSENT && length === ABSENT) return null;
      if (offset + length > BigInt(size)) {
        throw new MetadataError(
          `${place}: the shard index puts chunk ${inner} at ${offset} with ${length} bytes; the object has ${size}`,
          { details: { object: place, inner, size } },
          "zarr-shard",
        );
      }
      return { offset: Number(offset), length: Number(length) }; // within the object, so below 2^53
    },
  };
}
