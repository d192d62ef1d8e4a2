/** The TIFF part of a source: everything that reading needs, as JSON, and back (io.md §5.2). */
import { MetadataError } from "../../base/index.ts";
import type { Json, SourceSpec } from "../source.ts";
import { redact } from "../store/keys.ts";
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
  const key = `${source.url}\n${JSON.stringify(source.version)}\n${meta.width}\n${meta.offsets.length}\n${meta.offsets}`;
  const found = cache.get(key);
  if (found && found.meta.bands.join() === meta.bands.join()) return found;
  const offsets = new Float64Array(fromBase64(meta.offsets));
  const counts = Float64Array.from(new Uint32Array(fromBase64(meta.counts)));
  const expected = meta.across * meta.down * (meta.isPlanar ? meta.samples : 1);
  if (offsets.length !== expected || counts.length !== expected) {
    throw new MetadataError(
      `source ${redact(source.url)}: ${offsets.length} offsets and ${counts.length} counts for ${expected} tiles`,
      {},
      "tiff-count",
    );
  }
  const decoded = { meta, table: { offsets, counts } };
  remember(key, decoded, 2 * key.length + 16 * expected);
  return decoded;
}

function remember(key: string, source: TiffSource, nbytes: number): void {
  if (nbytes > CACHE_BYTES_MAX / 4) return;
  if (cacheBytes + nbytes > CACHE_BYTES_MAX) {
    cache.clear();
    cacheBytes = 0;
  }
  cache.set(key, source);
  cacheBytes += nbytes;
}

function toBase64(data: Float64Array | Uint32Array | Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

function fromBase64(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, "base64")).buffer;
}
