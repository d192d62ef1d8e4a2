/** zlib streams of tiles, as small as the level promises and no slower than the pixels deserve. */
import zlib from "node:zlib";

/** From this level on the caller wants the smallest stream. */
const THOROUGH_LEVEL = 7;
/** Part of a tile that is tried both ways, and its least size. */
const SAMPLE_FRACTION = 1 / 32;
const SAMPLE_BYTES_MIN = 32 * 1024;
/** How much larger the quick stream may be. */
const QUICK_GROWTH_MAX = 1.045;
const MEMORY_LEVEL = 9;

/**
 * One zlib stream (RFC 1950) of `tile`.
 *
 * Differenced pixels of real scenes are mostly noise, in which a search for repeats finds next to nothing: Huffman codes
 * and runs alone (zlib's `Z_RLE`) then give the same size within a few per cent in a quarter to a third of the time. A piece from
 * the middle of the tile is compressed both ways to tell, so the choice depends on the tile alone.
 */
export function deflateTile(tile: Uint8Array, level: number): Uint8Array {
  if (level >= THOROUGH_LEVEL || tile.length <= SAMPLE_BYTES_MIN)
    return deflate(tile, level, zlib.constants.Z_DEFAULT_STRATEGY);
  const sampleBytes = Math.max(SAMPLE_BYTES_MIN, Math.floor(tile.length * SAMPLE_FRACTION));
  const start = (tile.length - sampleBytes) >> 1;
  const sample = tile.subarray(start, start + sampleBytes);
  const searched = deflate(sample, level, zlib.constants.Z_DEFAULT_STRATEGY).length;
  const quick = deflate(sample, level, zlib.constants.Z_RLE).length;
  return deflate(
    tile,
    level,
    quick <= QUICK_GROWTH_MAX * searched ? zlib.constants.Z_RLE : zlib.constants.Z_DEFAULT_STRATEGY,
  );
}

/**
 * Node leaves a stream in a buffer of `chunkSize`, which is the tile's own: copied to its size, and the room given back at
 * once, as a part holds the streams of many tiles and the collector does not hurry for memory outside its heap.
 */
function deflate(bytes: Uint8Array, level: number, strategy: number): Uint8Array {
  const chunkSize = bytes.length + (bytes.length >> 10) + 64;
  const room = zlib.deflateSync(bytes, { level, strategy, memLevel: MEMORY_LEVEL, chunkSize });
  if (!(room.buffer instanceof ArrayBuffer) || room.buffer.byteLength <= Buffer.poolSize) return room;
  const stream = new Uint8Array(room); // a plain one: Buffer's own `slice` is a view
  room.buffer.transfer(0);
  return stream;
}
