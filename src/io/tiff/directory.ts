/** One TIFF directory as a checked record: image layout, tile table, and the raw geo and GDAL fields. Pure. */
import { UnsupportedError } from "../../base/index.ts";
import { type DType, itemsize } from "../../dtype/index.ts";
import { COMPRESSION, LIMIT, TAG, tiffError } from "./codes.ts";
import type { Entry, HeaderReader } from "./header-reader.ts";

/** Where the pixels of one image are and how they are stored. */
export interface TiffLayout {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly bits: number;
  readonly sampleFormat: number;
  readonly compression: number;
  readonly photometric: number;
  /** Product of the YCbCr subsampling factors; 1 where colour is whole. */
  readonly subsampling: number;
  /** 1 without. */
  readonly predictor: number;
  /** True: one plane per sample; false: samples interleaved by pixel. */
  readonly isPlanar: boolean;
  readonly isTiled: boolean;
  readonly tileWidth: number;
  /** Rows of a tile or strip; the last strip may have fewer. */
  readonly tileHeight: number;
  readonly across: number;
  readonly down: number;
}

/** Place of each tile: plane-major, then row-major. Offset or count 0: sparse. */
export interface TileTable {
  readonly offsets: Float64Array;
  readonly counts: Float64Array;
}

/** A directory, decoded. */
export interface TiffDirectory extends TiffLayout, TileTable {
  /** Where it stands in the file. */
  readonly offset: number;
  readonly subfileType: number;
  readonly extraSamples: readonly number[];
  readonly jpegTables: Uint8Array | null;
  readonly colorMap: readonly number[] | null;
  readonly pixelScale: readonly number[];
  readonly tiepoints: readonly number[];
  readonly transformation: readonly number[];
  readonly geoKeys: readonly number[];
  readonly geoDoubles: readonly number[];
  readonly geoAscii: string;
  readonly gdalMetadata: string;
  readonly gdalNodata: string | null;
  readonly description: string;
  readonly software: string;
  readonly dateTime: string;
}

/** @throws {MetadataError} sizes, counts or offsets that cannot be */
export function toDirectory(reader: HeaderReader, entries: ReadonlyMap<number, Entry>, offset: number): TiffDirectory {
  const list = (tag: number): number[] => {
    const entry = entries.get(tag);
    return entry ? [...reader.numbers(entry)] : [];
  };
  const one = (tag: number, fallback: number): number => list(tag)[0] ?? fallback;
  const text = (tag: number): string => {
    const entry = entries.get(tag);
    return entry ? reader.text(entry) : "";
  };
  const layout = readLayout({ list, one, entries }, offset);
  const tables = entries.get(TAG.jpegTables);
  const oldType = one(TAG.oldSubfileType, 1);
  return {
    ...chopStrips(layout, tileTable(reader, entries, layout)),
    offset,
    subfileType: one(TAG.subfileType, oldType === 2 ? 1 : 0),
    extraSamples: list(TAG.extraSamples),
    jpegTables: tables ? Uint8Array.from(reader.bytes(tables)) : null,
    colorMap: entries.has(TAG.colorMap) ? list(TAG.colorMap) : null,
    pixelScale: list(TAG.pixelScale),
    tiepoints: list(TAG.tiepoints),
    transformation: list(TAG.transformation),
    geoKeys: list(TAG.geoKeys),
    geoDoubles: list(TAG.geoDoubles),
    geoAscii: text(TAG.geoAscii),
    gdalMetadata: text(TAG.gdalMetadata),
    gdalNodata: entries.has(TAG.gdalNodata) ? text(TAG.gdalNodata) : null,
    description: text(TAG.description),
    software: text(TAG.software),
    dateTime: text(TAG.dateTime),
  };
}

/** Name of a compression for messages. */
export function compressionName(compression: number): string {
  return COMPRESSION[compression] ?? `compression ${compression}`;
}

/** Bytes of one stored row of a tile. */
export function tileRowBytes(layout: TiffLayout): number {
  return Math.ceil((layout.tileWidth * (layout.isPlanar ? 1 : layout.samples) * layout.bits) / 8);
}

/**
 * Element type of the decoded pixels; fewer bits than a whole type widen to the next unsigned one.
 * @throws {UnsupportedError} complex types, 24-bit floats and what no type holds
 */
export function dtypeOf(layout: TiffLayout): DType {
  const { bits, sampleFormat } = layout;
  const isWhole = bits === 8 || bits === 16 || bits === 32 || bits === 64;
  if ((sampleFormat === 1 || sampleFormat === 4) && bits <= 32)
    return bits <= 8 ? "uint8" : bits <= 16 ? "uint16" : "uint32";
  // The template's values are names of the dtype table for the widths that `isWhole` lets through.
  if ((sampleFormat === 1 || sampleFormat === 4) && bits === 64) return "uint64";
  if (sampleFormat === 2 && isWhole) return `int${bits}` as DType;
  if (sampleFormat === 3 && isWhole && bits > 8) return `float${bits}` as DType;
  const kind =
    sampleFormat === 5
      ? "complex integer"
      : sampleFormat === 6
        ? "complex"
        : sampleFormat === 3
          ? "float"
          : sampleFormat === 2
            ? "int"
            : "sample format";
  throw new UnsupportedError(`TIFF with ${bits}-bit ${kind} samples (format ${sampleFormat}) is not supported`, {
    details: { bits, sampleFormat },
  });
}

/** True where samples fill whole elements of {@link dtypeOf}. */
export function isWholeBits(layout: TiffLayout): boolean {
  return layout.bits === itemsize(dtypeOf(layout)) * 8;
}

interface FieldAccess {
  readonly list: (tag: number) => number[];
  readonly one: (tag: number, fallback: number) => number;
  readonly entries: ReadonlyMap<number, Entry>;
}

function readLayout({ list, one, entries }: FieldAccess, offset: number): TiffLayout {
  const width = one(TAG.width, 0);
  const height = one(TAG.height, 0);
  const samples = one(TAG.samplesPerPixel, 1);
  const allBits = list(TAG.bitsPerSample);
  const bits = allBits[0] ?? 1;
  const formats = list(TAG.sampleFormat);
  if (!(width >= 1 && height >= 1 && samples >= 1) || width * height * samples > Number.MAX_SAFE_INTEGER) {
    throw tiffError("size", `the image at ${offset} claims ${width} × ${height} pixels of ${samples} samples`, {
      offset,
      width,
      height,
      samples,
    });
  }
  if (!(bits >= 1 && bits <= 128))
    throw tiffError("size", `the image at ${offset} claims ${bits} bits per sample`, { offset, bits });
  if (allBits.some((b) => b !== bits) || formats.some((f) => f !== formats[0])) {
    const details = { bits: allBits, formats };
    throw new UnsupportedError(`TIFF whose samples differ in type (bits ${allBits.join(", ")}) is not supported`, {
      details,
    });
  }
  if (one(TAG.fillOrder, 1) !== 1) throw new UnsupportedError("TIFF with reversed bits (FillOrder 2) is not supported");
  const isTiled = entries.has(TAG.tileWidth) || entries.has(TAG.tileOffsets);
  const tileWidth = isTiled ? one(TAG.tileWidth, 0) : width;
  const tileHeight = isTiled ? one(TAG.tileHeight, 0) : Math.min(height, one(TAG.rowsPerStrip, height));
  if (!(tileWidth >= 1 && tileHeight >= 1)) {
    throw tiffError("size", `the image at ${offset} claims tiles of ${tileWidth} × ${tileHeight}`, {
      offset,
      tileWidth,
      tileHeight,
    });
  }
  return {
    width,
    height,
    samples,
    bits,
    sampleFormat: formats[0] ?? 1,
    compression: one(TAG.compression, 1),
    photometric: one(TAG.photometric, 1),
    subsampling: subsampling(list(TAG.ycbcrSubsampling), one(TAG.photometric, 1)),
    predictor: one(TAG.predictor, 1),
    isPlanar: one(TAG.planarConfig, 1) === 2 && samples > 1,
    isTiled,
    tileWidth,
    tileHeight,
    across: Math.ceil(width / tileWidth),
    down: Math.ceil(height / tileHeight),
  };
}

/** TIFF's default for YCbCr is 2 × 2. */
function subsampling(factors: readonly number[], photometric: number): number {
  return photometric === 6 ? (factors[0] ?? 2) * (factors[1] ?? 2) : 1;
}

function tileTable(reader: HeaderReader, entries: ReadonlyMap<number, Entry>, layout: TiffLayout): TileTable {
  const [offsetTag, countTag] = layout.isTiled
    ? [TAG.tileOffsets, TAG.tileByteCounts]
    : [TAG.stripOffsets, TAG.stripByteCounts];
  const expected = layout.across * layout.down * (layout.isPlanar ? layout.samples : 1);
  const offsetEntry = entries.get(offsetTag);
  const countEntry = entries.get(countTag);
  for (const [tag, entry] of [
    [offsetTag, offsetEntry],
    [countTag, countEntry],
  ] as const) {
    const isGuessable = tag === countTag && layout.compression === 1 && !entry;
    if (entry?.count === expected || isGuessable) continue;
    const message = `tag ${tag} has ${entry?.count ?? 0} values; ${expected} tiles or strips were expected`;
    throw tiffError("count", message, { tag, count: entry?.count ?? 0, expected });
  }
  const offsets = reader.numbers(offsetEntry!); // its count was checked
  const rowBytes = tileRowBytes(layout);
  const counts = countEntry ? reader.numbers(countEntry) : offsets.map((_, i) => rowBytes * stripRows(layout, i));
  for (let i = 0; i < expected; i++) {
    const needed = layout.compression === 1 ? Math.min(counts[i]!, rowBytes * layout.tileHeight) : counts[i]!;
    if (offsets[i] === 0 || counts[i] === 0 || offsets[i]! + needed <= reader.size) continue;
    const message = `tile ${i}: ${counts[i]} bytes at ${offsets[i]} lie beyond the end of the file at ${reader.size}; is it truncated?`;
    throw tiffError("offset", message, { tile: i, offset: offsets[i], count: counts[i], size: reader.size });
  }
  return { offsets, counts };
}

/** Rows of strip or tile `index` that are stored. */
export function stripRows(layout: TiffLayout, index: number): number {
  if (layout.isTiled) return layout.tileHeight;
  return Math.min(layout.tileHeight, layout.height - (index % layout.down) * layout.tileHeight);
}

const CHOP_ABOVE_BYTES = 2 ** 20;
const CHOP_TO_BYTES = 2 ** 18;
const CHOP_STRIPS_MAX = 2 ** 22;

/** Large uncompressed strips are seen as several small ones, as libtiff does: windows then cost what they hold. */
function chopStrips(layout: TiffLayout, table: TileTable): TiffLayout & TileTable {
  const rowBytes = tileRowBytes(layout);
  const tileHeight = choppedHeight(layout, table, rowBytes);
  if (rowBytes * tileHeight > LIMIT.tileBytes) {
    const message = `tiles of ${layout.tileWidth} × ${tileHeight} pixels take ${rowBytes * tileHeight} bytes; at most ${LIMIT.tileBytes} are read`;
    throw tiffError("size", message, { tileWidth: layout.tileWidth, tileHeight, limit: LIMIT.tileBytes });
  }
  if (tileHeight === layout.tileHeight) return { ...layout, ...table };
  const down = Math.ceil(layout.height / tileHeight);
  const offsets = new Float64Array(down * (layout.isPlanar ? layout.samples : 1));
  const counts = new Float64Array(offsets.length);
  for (let i = 0; i < offsets.length; i++) {
    const row = (i % down) * tileHeight;
    const strip = Math.floor(i / down) * layout.down + Math.floor(row / layout.tileHeight);
    offsets[i] = table.offsets[strip]! + (row % layout.tileHeight) * rowBytes;
    counts[i] = Math.min(tileHeight, layout.height - row) * rowBytes;
  }
  return { ...layout, tileHeight, down, offsets, counts };
}

/** Rows of a chopped strip; the strip's own where it is compressed, small, short or sparse. */
function choppedHeight(layout: TiffLayout, table: TileTable, rowBytes: number): number {
  const isLarge = rowBytes * layout.tileHeight > CHOP_ABOVE_BYTES;
  if (layout.isTiled || layout.compression !== 1 || !isLarge) return layout.tileHeight;
  if (!table.counts.every((n, i) => n >= rowBytes * stripRows(layout, i) && table.offsets[i]! > 0))
    return layout.tileHeight;
  let rows = Math.max(1, Math.min(layout.tileHeight, Math.floor(CHOP_TO_BYTES / rowBytes)));
  while (layout.down > 1 && layout.tileHeight % rows !== 0) rows--;
  const strips = Math.ceil(layout.height / rows) * (layout.isPlanar ? layout.samples : 1);
  return strips > CHOP_STRIPS_MAX ? layout.tileHeight : rows;
}
