/** One table of byte codecs: ids of Zarr v2, Zarr v3 and TIFF to what decodes and encodes. */
import { UnsupportedError } from "../../base/index.ts";
import { bloscCodec } from "./blosc.ts";
import type { ItemSize, PredictorShape } from "./byte-kernels.ts";
import { type Codec, type CodecContext, type CodecOptions, codecError, expectLength, integerOption } from "./codec.ts";
import { gzipCodec, zlibCodec, zstdCodec } from "./zlib-codecs.ts";

/** Codecs of fixed size ratio share this shape: `decodedBytes` is exact, so `decodeUpTo` can allocate. */
function sized(id: string, of: Pick<Codec, "decode" | "encode" | "workspace"> & SizePair): Codec {
  return {
    id,
    isFresh: false,
    decode: of.decode,
    decodeUpTo(src, maxBytes, context): Uint8Array {
      const n = of.decodedBytes(src);
      if (n > maxBytes) throw codecError(id, "oversize", `decodes to ${n} bytes, at most ${maxBytes} expected`);
      const out = new Uint8Array(n);
      of.decode(src, out, context);
      return out;
    },
    encode: of.encode,
    workspace: of.workspace,
    encodedBytes: of.encodedBytes,
  };
}

interface SizePair {
  /** Length that `src` decodes to; the codec's own error when it says nothing sane. */
  decodedBytes(src: Uint8Array): number;
  encodedBytes(decodedBytes: number): number | null;
}

function noneCodec(): Codec {
  return sized("none", {
    decode(src, dst): void {
      expectLength("none", src.length, dst.length);
      dst.set(src);
    },
    encode: (src) => src.slice(),
    workspace: () => 0,
    decodedBytes: (src) => src.length,
    encodedBytes: (n) => n,
  });
}

const LZ4_PREFIX = 4;

/** numcodecs' `lz4`: u32 little-endian decoded length, then one LZ4 block. Decodes only. */
function lz4Codec(): Codec {
  const decodedBytes = (src: Uint8Array): number => {
    if (src.length < LZ4_PREFIX) throw codecError("lz4", "short", `${src.length} bytes hold no length`);
    return new DataView(src.buffer, src.byteOffset).getUint32(0, true);
  };
  return sized("lz4", {
    decode(src, dst, context): void {
      expectLength("lz4", decodedBytes(src), dst.length);
      const got = context.kernels.lz4Decode(src.subarray(LZ4_PREFIX), dst);
      if (got < 0) throw codecError("lz4", "corrupt", `block of ${src.length} bytes is corrupt`);
      expectLength("lz4", got, dst.length);
    },
    encode(): Uint8Array {
      throw new UnsupportedError("writing lz4 is not supported; use zstd or blosc", { details: { codec: "lz4" } });
    },
    workspace: () => 0,
    decodedBytes,
    encodedBytes: () => null,
  });
}

function shuffleCodec(options: CodecOptions): Codec {
  const itemsize = integerOption(options, "elementsize", { codec: "shuffle", min: 1, max: 255, fallback: 4 });
  return sized("shuffle", {
    decode(src, dst, context): void {
      expectLength("shuffle", src.length, dst.length);
      context.kernels.unshuffle(src, dst, itemsize);
    },
    encode(src, context): Uint8Array {
      const out = new Uint8Array(src.length);
      context.kernels.shuffle(src, out, itemsize);
      return out;
    },
    workspace: () => 0,
    decodedBytes: (src) => src.length,
    encodedBytes: (n) => n,
  });
}

/** Differences between neighbours, as numcodecs' `delta` of little-endian integers; `itemsize` 1, 2, 4 or 8. */
function deltaCodec(options: CodecOptions): Codec {
  const itemsize = integerOption(options, "itemsize", { codec: "delta", min: 1, max: 8 }) as ItemSize; // checked next
  if (![1, 2, 4, 8].includes(itemsize)) {
    throw new UnsupportedError(`delta of ${itemsize}-byte items is not supported`, { details: { codec: "delta" } });
  }
  const shapeOf = (n: number): PredictorShape => ({ rows: 1, width: n / itemsize, samples: 1, itemsize });
  return sized("delta", {
    decode(src, dst, context): void {
      expectLength("delta", src.length, dst.length);
      dst.set(src);
      context.kernels.predictor2Decode(dst, shapeOf(dst.length));
    },
    encode(src, context): Uint8Array {
      const out = src.slice();
      context.kernels.predictor2Encode(out, shapeOf(out.length));
      return out;
    },
    workspace: () => 0,
    decodedBytes: (src) => src.length,
    encodedBytes: (n) => n,
  });
}

const CRC_BYTES = 4;

/** The data, then its CRC-32C, little-endian (Zarr v3 `crc32c`). */
function crc32cCodec(): Codec {
  return sized("crc32c", {
    decode(src, dst, context): void {
      expectLength("crc32c", src.length - CRC_BYTES, dst.length);
      const data = src.subarray(0, dst.length);
      const said = new DataView(src.buffer, src.byteOffset + dst.length).getUint32(0, true);
      const is = context.kernels.crc32c(data);
      if (said !== is)
        throw codecError("crc32c", "checksum", `stored ${hex(said)}, computed ${hex(is)} over ${dst.length} bytes`);
      dst.set(data);
    },
    encode(src, context): Uint8Array {
      const out = new Uint8Array(src.length + CRC_BYTES);
      out.set(src);
      new DataView(out.buffer).setUint32(src.length, context.kernels.crc32c(src), true);
      return out;
    },
    workspace: () => 0,
    decodedBytes: (src) => {
      if (src.length < CRC_BYTES) throw codecError("crc32c", "short", `${src.length} bytes hold no checksum`);
      return src.length - CRC_BYTES;
    },
    encodedBytes: (n) => n + CRC_BYTES,
  });
}

function hex(v: number): string {
  return `0x${v.toString(16).padStart(8, "0")}`;
}

/** A TIFF compression whose stream does not tell its decoded length. */
function streamCodec(
  id: string,
  decode: (src: Uint8Array, dst: Uint8Array, c: CodecContext) => number,
  encode: Codec["encode"],
): Codec {
  return {
    id,
    isFresh: false,
    decode(src, dst, context): void {
      const got = decode(src, dst, context);
      if (got < 0) throw codecError(id, "corrupt", `stream of ${src.length} bytes is corrupt`);
      expectLength(id, got, dst.length);
    },
    decodeUpTo(): Uint8Array {
      throw new UnsupportedError(`${id} needs to know its decoded length`, { details: { codec: id } });
    },
    encode,
    workspace: () => 0,
    encodedBytes: () => null,
  };
}

function lzwCodec(): Codec {
  return streamCodec(
    "lzw",
    (src, dst, { kernels }) => kernels.lzwDecode(src, dst),
    (src, { kernels }) => {
      const out = new Uint8Array(src.length + (src.length >> 1) + 16);
      return out.slice(0, kernels.lzwEncode(src, out));
    },
  );
}

/** `rowBytes`: runs do not cross rows; default one row. */
function packbitsCodec(options: CodecOptions): Codec {
  const given = integerOption(options, "rowBytes", { codec: "packbits", min: 0, max: 2 ** 31, fallback: 0 });
  return streamCodec(
    "packbits",
    (src, dst, { kernels }) => kernels.packbitsDecode(src, dst),
    (src, { kernels }) => {
      const rowBytes = given || Math.max(1, src.length);
      const out = new Uint8Array(src.length + Math.ceil(src.length / rowBytes) * Math.ceil(rowBytes / 128) + 2);
      return out.slice(0, kernels.packbitsEncode(src, out, rowBytes));
    },
  );
}

const TABLE: Readonly<Record<string, (options: CodecOptions) => Codec>> = {
  none: noneCodec,
  zlib: zlibCodec,
  gzip: gzipCodec,
  zstd: zstdCodec,
  blosc: bloscCodec,
  lz4: lz4Codec,
  shuffle: shuffleCodec,
  crc32c: crc32cCodec,
  delta: deltaCodec,
  lzw: lzwCodec,
  packbits: packbitsCodec,
};

/** Ids that {@link codecOf} knows. */
export const CODEC_IDS: readonly string[] = Object.keys(TABLE);

/**
 * The codec `id` with its settings as they stand in metadata.
 * @throws {UnsupportedError} an unknown id or setting
 */
export function codecOf(id: string, options: CodecOptions = {}): Codec {
  const make = Object.hasOwn(TABLE, id) ? TABLE[id] : undefined;
  if (make) return make(options);
  throw new UnsupportedError(`codec ${JSON.stringify(id)} is not supported; expected one of ${CODEC_IDS.join(", ")}`, {
    details: { codec: id },
  });
}
