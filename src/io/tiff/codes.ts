/** Numbers of the TIFF 6.0, BigTIFF, GeoTIFF 1.1 and GDAL formats that the reader and the writer share. */
import { type ErrorDetails, MetadataError, type RsdatError } from "../../base/index.ts";

/** Tags by name. */
export const TAG = {
  subfileType: 254,
  oldSubfileType: 255,
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  description: 270,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfig: 284,
  software: 305,
  dateTime: 306,
  predictor: 317,
  colorMap: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  subIfds: 330,
  extraSamples: 338,
  sampleFormat: 339,
  jpegTables: 347,
  ycbcrSubsampling: 530,
  pixelScale: 33550,
  tiepoints: 33922,
  transformation: 34264,
  geoKeys: 34735,
  geoDoubles: 34736,
  geoAscii: 34737,
  gdalMetadata: 42112,
  gdalNodata: 42113,
  lercParameters: 50674,
} as const;

/** Bytes per value of each field type; 0 for numbers that are no type. */
export const TYPE_BYTES: readonly number[] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];

/** Field types that the writer uses. */
export const TYPE = { byte: 1, ascii: 2, short: 3, long: 4, double: 12, long8: 16 } as const;

/** Compression schemes by tag value. */
export const COMPRESSION: Readonly<Record<number, string>> = {
  1: "none",
  2: "ccitt-rle",
  3: "ccitt-fax3",
  4: "ccitt-fax4",
  5: "lzw",
  6: "old-jpeg",
  7: "jpeg",
  8: "deflate",
  32773: "packbits",
  32946: "deflate",
  34712: "jpeg2000",
  34887: "lerc",
  34925: "lzma",
  50000: "zstd",
  50001: "webp",
  50002: "jpegxl",
};

/** Limits of io.md §5.2: what a header may claim before it is refused. */
export const LIMIT: Readonly<Record<"directories" | "entries" | "headerBytes" | "tileBytes", number>> = {
  directories: 256,
  entries: 4096,
  headerBytes: 64 * 2 ** 20,
  tileBytes: 512 * 2 ** 20,
};

/** Why a TIFF was refused; also the error's code, after `tiff-`. */
export type TiffFault = "magic" | "loop" | "count" | "offset" | "size" | "tag" | "truncated";

/** A `MetadataError` with code `tiff-<fault>`. */
export function tiffError(fault: TiffFault, message: string, details: ErrorDetails = {}): RsdatError {
  return new MetadataError(message, { details }, `tiff-${fault}`);
}
