/** The TIFF part of a source: everything that reading needs, as JSON, and back (io.md §5.2). */
import { MetadataError } from "../../base/index.ts";
import type { Json, SourceSpec } from "../source.ts";
import { redact } from "../store/keys.ts";
import { noteCache } from "../work.ts";
import type { TiffDirectory, TiffLayout, TileTable } from "./directory.ts";

/** What `SourceSpec.meta` of a TIFF holds. `bands` are the samples that the source's first axis names, from 0. */
export interface TiffMeta extends TiffLayout {
  readonly isLittleEndian: boolean;
  readonly bands: readonly number[];
  /** Value of sparse tiles, as text so that 64-bit integers and NaN survive JSON. */
  readonly fill: string;
  /** Little-endian float64 and uint32 arrays in base64. */
  readonly offsets: string;
  readonly counts: string;
  readonly jpegTables: string | null;
}

/** A source's meta with its tables decoded. */
export interface TiffSource {
  readonly meta: TiffMeta;
  readonly table: TileTable;
}

/** JSON form of one image. */
export function encodeMeta(
  d: TiffDirectory,
  more: { readonly isLittleEndian: boolean; readonly bands: readonly number[]; readonly fill: number | bigint | null },
): Json {
  const { width, height, samples, bits, sampleFormat, compression, photometric, subsampling, predictor } = d;
  const { isPlanar, isTiled, tileWidth, tileHeight, across, down } = d;
  return {
    width,
    height,
    samples,
    bits,
    sampleFormat,
    compression,
    photometric,
    subsampling,
    predictor,
    isPlanar,
    isTiled,
    tileWidth,
    tileHeight,
    across,
    down,
    isLittleEndian: more.isLittleEndian,
    bands: more.bands,
    fill: String(more.fill ?? 0),
    offsets: toBase64(d.offsets),
    counts: toBase64(Uint32Array.from(d.counts, (n) => Math.min(n, 0xffffffff))),
    jpegTables: d.jpegTables ? toBase64(d.jpegTables) : null,
  };
}

const CACHE_BYTES_MAX = 64 * 2 ** 20;
const cache = new Map<string, TiffSource>();
let cacheBytes = 0;

/**
 * Decoded meta of `source`; the tables of this thread's recent sources are kept, up to 64 MiB.
 * @throws {MetadataError} the meta is none of ours
 */
export function decodeMeta(source: SourceSpec): TiffSource {
  // encodeMeta made it; the tables' lengths are checked below.
  const meta = source.meta as unknown as TiffMeta;
  // Short on purpose: hashing whole tables on every read would cost more than decoding small ones.
  const key = `${source.url} ${meta.width} ${meta.height} ${meta.bands.length} ${meta.bands[0]} ${meta.offsets.slice(-64)}`;
  const found = cache.get(key);
  const isHit = found !== undefined && isSameMeta(found.meta, meta);
  noteCache("tiff-tables", isHit);
  if (isHit) return found;
  const offsets = new Float64Array(fromBase64(meta.offsets));
  const counts = Float64Array.from(new Uint32Array(fromBase64(meta.counts)));
  const expected = meta.across * meta.down * (meta.isPlanar ? meta.samples : 1);
  if (offsets.length !== expected || counts.length !== expected) {
    const message = `source ${redact(source.url)}: ${offsets.length} offsets and ${counts.length} counts for ${expected} tiles`;
    throw new MetadataError(message, {}, "tiff-count");
  }
  const decoded = { meta, table: { offsets, counts } };
  remember(key, decoded);
  return decoded;
}

function isSameMeta(a: TiffMeta, b: TiffMeta): boolean {
  return isSameImage(a, b) && a.bands.join() === b.bands.join();
}

/** True when both tell of the same pixels, of whatever bands. */
export function isSameImage(a: TiffMeta, b: TiffMeta): boolean {
  if (a === b) return true;
  // Tables first: equal strings compare at memory speed, and nearly everything else follows from them.
  if (a.offsets !== b.offsets || a.counts !== b.counts || a.jpegTables !== b.jpegTables) return false;
  const rest = ({ offsets: _o, counts: _c, jpegTables: _j, bands: _b, ...others }: TiffMeta): string =>
    JSON.stringify(others);
  return rest(a) === rest(b);
}

function remember(key: string, source: TiffSource): void {
  const nbytes = 64 * source.table.offsets.length + 1024;
  if (nbytes > CACHE_BYTES_MAX / 4) return;
  if (cacheBytes + nbytes > CACHE_BYTES_MAX) {
    cache.clear();
    cacheBytes = 0;
  }
  if (!cache.has(key)) cacheBytes += nbytes;
  cache.set(key, source);
}

function toBase64(data: Float64Array | Uint32Array | Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

function fromBase64(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, "base64")).buffer;
}
