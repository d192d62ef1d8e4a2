/** zlib, gzip and zstd by Node's own sync calls, bounded and length-checked (io.md §3.1). */
import zlib from "node:zlib";
import { type Codec, type CodecOptions, codecError, expectLength, integerOption } from "./codec.ts";

/** Room beyond the known size: exactly the size makes Node allocate a second buffer. */
const SLACK = 64;
/** Node refuses chunk sizes below this. */
const CHUNK_MIN = 64;

type Inflate = (src: Uint8Array, options: { chunkSize: number; maxOutputLength: number }) => Uint8Array;

/** Decode with at most `maxBytes` of output, in one allocation of `expected + 64`. */
function bounded(
  id: string,
  inflate: Inflate,
  src: Uint8Array,
  size: { expected: number; maxBytes: number },
): Uint8Array {
  try {
    return inflate(src, {
      chunkSize: Math.max(CHUNK_MIN, size.expected + SLACK),
      maxOutputLength: size.maxBytes + SLACK,
    });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw codecError(id, "oversize", `stream of ${src.length} bytes decodes to more than ${size.maxBytes}`, cause);
    }
    if (code === "Z_BUF_ERROR") {
      throw codecError(
        id,
        "short",
        `stream of ${src.length} bytes ends early; expected ${size.expected} decoded`,
        cause,
      );
    }
    throw codecError(id, "corrupt", `stream of ${src.length} bytes is corrupt (${code || String(cause)})`, cause);
  }
}

/**
 * Give the memory of a fresh buffer back at once. Left to the collector, which does not hurry for memory outside its
 * heap, tens of megabytes per thread pile up; and the next buffer, in the same warm pages, decodes up to twice as fast.
 */
function discard({ buffer }: Uint8Array): void {
  const isShared = buffer.byteLength <= Buffer.poolSize; // small buffers are slices of one
  if (buffer instanceof ArrayBuffer && !isShared) buffer.transfer(0);
}

function nodeCodec(id: string, inflate: Inflate, deflate: (src: Uint8Array) => Uint8Array): Codec {
  return {
    id,
    isFresh: true,
    decode(src, dst): void {
      const bytes = bounded(id, inflate, src, { expected: dst.length, maxBytes: dst.length });
      expectLength(id, bytes.length, dst.length);
      dst.set(bytes);
      discard(bytes);
    },
    decodeUpTo(src, maxBytes): Uint8Array {
      const bytes = bounded(id, inflate, src, { expected: Math.min(maxBytes, 4 * src.length), maxBytes });
      if (bytes.length > maxBytes)
        throw codecError(id, "oversize", `decoded to ${bytes.length} bytes, at most ${maxBytes} expected`);
      return bytes;
    },
    encode: (src) => deflate(src),
    workspace: (n) => n + SLACK,
    encodedBytes: () => null,
  };
}

/** zlib streams (RFC 1950), TIFF's deflate; `level` 0-9, default 1 as numcodecs. */
export function zlibCodec(options: CodecOptions = {}): Codec {
  const level = integerOption(options, "level", { codec: "zlib", min: -1, max: 9, fallback: 1 });
  return nodeCodec(
    "zlib",
    (src, o) => zlib.inflateSync(src, o),
    (src) => zlib.deflateSync(src, { level, chunkSize: deflateBound(src) }),
  );
}

/** gzip members (RFC 1952); `level` 0-9, default 1 as numcodecs. */
export function gzipCodec(options: CodecOptions = {}): Codec {
  const level = integerOption(options, "level", { codec: "gzip", min: -1, max: 9, fallback: 1 });
  return nodeCodec(
    "gzip",
    (src, o) => zlib.gunzipSync(src, o),
    (src) => zlib.gzipSync(src, { level, chunkSize: deflateBound(src) }),
  );
}

/** One zstd frame (RFC 8878); `level` -131072 to 22, default 0 (zstd's own, 3); `checksum` as the Zarr codec. */
export function zstdCodec(options: CodecOptions = {}): Codec {
  const level = integerOption(options, "level", { codec: "zstd", min: -131072, max: 22, fallback: 0 });
  const checksum = options["checksum"] === true;
  return nodeCodec(
    "zstd",
    (src, o) => zlib.zstdDecompressSync(src, o),
    (src) => zstdCompress(src, level, checksum),
  );
}

/** One frame that states its content size, which older readers require. */
export function zstdCompress(src: Uint8Array, level: number, checksum = false): Uint8Array {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
  return zlib.zstdCompressSync(src, {
    chunkSize: Math.max(CHUNK_MIN, src.length + (src.length >> 8) + 512),
    pledgedSrcSize: src.length,
    params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: checksum ? 1 : 0 },
  });
}

function deflateBound(src: Uint8Array): number {
  return Math.max(CHUNK_MIN, src.length + (src.length >> 10) + SLACK);
}
