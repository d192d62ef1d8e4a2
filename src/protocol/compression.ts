/** Decompression of frames on receive. Names and layouts of distributed/protocol/compression.py. */
import {
  inflate,
  inflateSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdDecompress,
  zstdDecompressSync,
} from "node:zlib";
import { RemoteProtocolError, UnsupportedError } from "../base/index.ts";

/** Most bytes one compressed frame may become; Dask shards at 64 MiB and never compresses above 2 GiB. */
const DECOMPRESSED_BYTES_MAX = 2 ** 31;

/** Pieces in which Node collects what is decompressed on other threads: each is a turn there. */
const PIECE_BYTES = 2 ** 22;
const BOUND = { maxOutputLength: DECOMPRESSED_BYTES_MAX };
const LATER = { zlib: onOtherThread(inflate), zstd: onOtherThread(zstdDecompress) };

type Options = ZlibOptions & ZstdOptions;
type Work = (bytes: Uint8Array, options: Options, done: (error: Error | null, result: Buffer) => void) => void;

/** Work that Node does on libuv's threads, as a promise. */
export function onOtherThread(work: Work): (bytes: Uint8Array, options: Options) => Promise<Buffer> {
  return (bytes, options) =>
    new Promise((resolve, reject) => {
      work(bytes, options, (error, result) => (error ? reject(error) : resolve(result)));
    });
}

/**
 * The frame's plain bytes. Immediate. `name` is what its sub-header's `compression` says (null: none).
 *
 * @throws {UnsupportedError} snappy or an unknown compression
 * @throws {RemoteProtocolError} the bytes are no such stream
 */
export function decompressFrame(name: string | null, frame: Uint8Array): Uint8Array {
  if (name === null) return frame;
  const known = knownName(name);
  try {
    if (known === "lz4") return decompressLz4Frame(frame);
    return ownBytes(known === "zlib" ? inflateSync(frame, BOUND) : zstdDecompressSync(frame, BOUND));
  } catch (cause) {
    throw broken(known, frame, cause);
  }
}

/** As {@link decompressFrame}, on another thread; lz4, for which Node has no code of its own, at once. */
export async function decompressFrameLater(name: string | null, frame: Uint8Array): Promise<Uint8Array> {
  if (name !== "zlib" && name !== "zstd") return decompressFrame(name, frame);
  try {
    return ownBytes(await LATER[name](frame, { ...BOUND, chunkSize: PIECE_BYTES }));
  } catch (cause) {
    throw broken(name, frame, cause);
  }
}

function knownName(name: string): "lz4" | "zlib" | "zstd" {
  if (name === "lz4" || name === "zlib" || name === "zstd") return name;
  throw new UnsupportedError(
    `frames compressed with "${name}"; set distributed.comm.compression to lz4, zlib, zstd or false`,
    {
      details: { compression: name },
    },
  );
}

/** Small results come from Node's shared pool: copy, so that array views are aligned and keep nothing else alive. */
function ownBytes(plain: Buffer): Uint8Array {
  return plain.byteLength < plain.buffer.byteLength ? new Uint8Array(plain) : new Uint8Array(plain.buffer);
}

function broken(name: string, frame: Uint8Array, cause: unknown): Error {
  return new RemoteProtocolError(`a frame of ${frame.byteLength} bytes is not valid ${name}`, { cause });
}

/** python-lz4's `lz4.block`: u32 LE uncompressed size, then one raw block. */
function decompressLz4Frame(frame: Uint8Array): Uint8Array {
  if (frame.byteLength < 4)
    throw new RemoteProtocolError(`lz4 frame of ${frame.byteLength} bytes; at least 4 expected`);
  const nbytes = new DataView(frame.buffer, frame.byteOffset, 4).getUint32(0, true);
  // A block expands at most 255 times, so a larger claim is a lie that need not be allocated.
  if (nbytes > DECOMPRESSED_BYTES_MAX || nbytes > frame.byteLength * 255 + 16) {
    throw new RemoteProtocolError(`lz4 frame of ${frame.byteLength} bytes claims ${nbytes} uncompressed bytes`);
  }
  const out = new Uint8Array(nbytes);
  const written = decompressLz4Block(frame.subarray(4), out);
  if (written !== nbytes) throw new RemoteProtocolError(`lz4 block gave ${written} bytes; ${nbytes} expected`);
  return out;
}

/** Raw LZ4 block into `out`; returns the bytes written, -1 when malformed. Source: lz4_Block_format.md. */
function decompressLz4Block(block: Uint8Array, out: Uint8Array): number {
  const end = block.byteLength;
  const room = out.byteLength;
  let from = 0;
  let to = 0;
  while (from < end) {
    const token = block[from++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && from < end) {
        more = block[from++]!;
        literals += more;
      }
    }
    if (literals > end - from || literals > room - to) return -1;
    for (let i = 0; i < literals; i++) out[to++] = block[from++]!;
    if (from === end) return to;
    if (end - from < 2) return -1;
    const distance = block[from]! | (block[from + 1]! << 8);
    from += 2;
    if (distance === 0 || distance > to) return -1;
    let length = (token & 15) + 4;
    if (length === 19) {
      let more = 255;
      while (more === 255 && from < end) {
        more = block[from++]!;
        length += more;
      }
    }
    if (length > room - to) return -1;
    for (let i = 0; i < length; i++, to++) out[to] = out[to - distance]!;
  }
  return to;
}
