/** Opens a TIFF: a few ranges of the file become one record of everything its header says. */
import { isRsdatError, MetadataError, NotFoundError, SelectionError, UnsupportedError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import type { SourceSpec } from "../source.ts";
import { redact } from "../store/keys.ts";
import { locate, type StoreOptions, toUrl } from "../store/open-store.ts";
import { isSyncStore, type ObjectVersion, type Store } from "../store/store.ts";
import { LIMIT, tiffError } from "./codes.ts";
import { checkReadable } from "./decode.ts";
import { compressionName, dtypeOf, type TiffDirectory } from "./directory.ts";
import { type GdalMetadata, parseGdalMetadata, parseNodata } from "./gdal-metadata.ts";
import {
  type GroundControlPoint,
  readCrs,
  readGcps,
  readGeoKeys,
  readTransform,
  type TiffCrs,
  type TiffTransform,
} from "./geo-keys.ts";
import { parseHeader, type TiffHeader } from "./header.ts";
import type { FileWindow } from "./header-reader.ts";
import { encodeMeta } from "./meta.ts";

/** Options of {@link openTiff}. */
export interface TiffOptions extends StoreOptions {
  readonly signal?: AbortSignal;
  /** Which full-resolution image of a file with several, from 0; default 0. */
  readonly page?: number;
  /** Bytes of the first read; default 32 KiB. */
  readonly headBytes?: number;
}

/** One resolution of an image. */
export interface TiffLevel {
  readonly width: number;
  readonly height: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly isTiled: boolean;
  readonly compression: string;
  readonly predictor: number;
}

/** Everything that a TIFF's header says about one image and its overviews. No pixels. */
export interface TiffInfo {
  readonly url: string;
  readonly version: ObjectVersion;
  readonly isBig: boolean;
  readonly isLittleEndian: boolean;
  /** Full-resolution images in the file. */
  readonly pages: number;
  readonly width: number;
  readonly height: number;
  /** Number of bands (samples per pixel). */
  readonly bands: number;
  readonly dtype: DType;
  /** Full resolution first, then overviews from fine to coarse. */
  readonly levels: readonly TiffLevel[];
  /** Internal masks by level; empty without. */
  readonly maskLevels: readonly TiffLevel[];
  readonly interleave: "pixel" | "band";
  readonly photometric: number;
  /** Index of the alpha band, or null. */
  readonly alphaBand: number | null;
  /** Per band; equal for all bands in TIFF. */
  readonly nodata: readonly (number | bigint | null)[];
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  readonly units: readonly (string | null)[];
  readonly descriptions: readonly (string | null)[];
  readonly crs: TiffCrs | null;
  readonly transform: TiffTransform | null;
  readonly gcps: readonly GroundControlPoint[];
  /** `[red, green, blue][value]`, 16 bits each. */
  readonly colorMap: readonly (readonly number[])[] | null;
  /** File-wide GDAL items and the TIFF's own texts. */
  readonly tags: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  /**
   * One band of one level as a (y, x) source, or all bands as (band, y, x). `band` counts from 0.
   * @throws {SelectionError} no such band or level
   * @throws {UnsupportedError} a compression or predictor that is not read
   */
  source(band: number | "all", level?: number): SourceSpec;
  /** The internal mask of one level as a (y, x) uint8 source of 0 (missing) and 1, or 255 where it has 8 bits; null without. */
  maskSource(level?: number): SourceSpec | null;
}

const HEAD_BYTES = 32 * 1024;
const ROUNDS_MAX = 2 * LIMIT.directories + 2;
const REDUCED = 1;
const MASK = 4;

/**
 * Open the TIFF at `url` (path, `file:`, `http(s):`, `memory:`): usually one request, one more for what lies elsewhere.
 *
 * @throws {NotFoundError} nothing there
 * @throws {MetadataError} code `tiff-*`: not a TIFF, or its header claims what cannot be
 * @throws {UnsupportedError} complex samples and other types that no dtype holds
 */
export async function openTiff(url: string | URL, options: TiffOptions = {}): Promise<TiffInfo> {
  const href = toUrl(url).href;
  const shown = redact(href);
  const { store, key } = locate(href, options);
  const signal = options.signal ? { signal: options.signal } : {};
  const head = await store.readStart(key, { ...signal, maxBytes: options.headBytes ?? HEAD_BYTES });
  if (!head) {
    // A local store's own error says where the path ends.
    if (isSyncStore(store)) store.readIntoSync(key, 0, new Uint8Array(1));
    throw new NotFoundError(`${shown} does not exist`, { details: { url: shown } });
  }
  const windows: FileWindow[] = [{ offset: 0, bytes: head.bytes }];
  const header = await located(shown, () =>
    readHeader(store, key, { windows, size: head.size, version: head.version, ...signal }),
  );
  return located(shown, async () => describe(href, head.version, header, options.page ?? 0));
}

interface OpenState {
  readonly windows: FileWindow[];
  readonly size: number;
  readonly version: ObjectVersion;
  readonly signal?: AbortSignal;
}

async function readHeader(store: Store, key: string, state: OpenState): Promise<TiffHeader> {
  const { windows, size, version } = state;
  const signal = state.signal ? { signal: state.signal } : {};
  let fetched = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const result = parseHeader(windows, size);
    if (result.kind === "header") return result.header;
    const reads = result.ranges.map(async ({ offset, length }) => {
      fetched += length;
      if (fetched > 2 * LIMIT.headerBytes)
        throw tiffError("size", `the header spreads over more than ${2 * LIMIT.headerBytes} bytes`);
      const bytes = new Uint8Array(length);
      await store.readInto(key, offset, bytes, { ...signal, expect: version });
      windows.push({ offset, bytes });
    });
    await Promise.all(reads);
  }
  throw tiffError("loop", `the header did not end after ${ROUNDS_MAX} reads`);
}

/** Put the URL before the message of what the header's parts refuse. */
async function located<T>(url: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (e) {
    if (!isRsdatError(e) || e.message.includes(url)) throw e;
    const details = { ...e.details, url };
    if (e.name === "MetadataError") throw new MetadataError(`${url}: ${e.message}`, { cause: e, details }, e.code);
    if (e.name === "UnsupportedError") throw new UnsupportedError(`${url}: ${e.message}`, { cause: e, details });
    throw e;
  }
}

/** The images of one page: itself, its overviews, and their masks. */
interface Page {
  readonly images: TiffDirectory[];
  readonly masks: TiffDirectory[];
}

function pagesOf(directories: readonly TiffDirectory[]): Page[] {
  const pages: Page[] = [];
  for (const d of directories) {
    const page = pages.at(-1);
    const isMask = (d.subfileType & MASK) !== 0;
    if (!page || (!isMask && (d.subfileType & REDUCED) === 0)) pages.push({ images: [d], masks: [] });
    else (isMask ? page.masks : page.images).push(d);
  }
  const bySize = (a: TiffDirectory, b: TiffDirectory): number => b.width - a.width || b.height - a.height;
  for (const { images, masks } of pages) {
    images.sort(bySize);
    masks.sort(bySize);
  }
  return pages;
}

function describe(href: string, version: ObjectVersion, header: TiffHeader, pageIndex: number): TiffInfo {
  const url = redact(href);
  const pages = pagesOf(header.directories);
  const page = pages[pageIndex];
  if (!page)
    throw new SelectionError(`${url} has ${pages.length} images; there is no page ${pageIndex}`, {
      details: { url, page: pageIndex },
    });
  const main = page.images[0]!; // made with one
  const dtype = dtypeOf(main);
  const images = page.images.filter(
    (d) => d.samples === main.samples && d.bits === main.bits && d.sampleFormat === main.sampleFormat,
  );
  const keys = readGeoKeys(main);
  const gdal = parseGdalMetadata(main.gdalMetadata);
  const nodata = parseNodata(main.gdalNodata ?? "", dtype);
  const made = sourceMaker({ url: href, version, header, fill: nodata.value, dtype });
  return {
    url: href,
    version,
    isBig: header.isBig,
    isLittleEndian: header.isLittleEndian,
    pages: pages.length,
    width: main.width,
    height: main.height,
    bands: main.samples,
    dtype,
    levels: images.map(levelOf),
    maskLevels: page.masks.map(levelOf),
    interleave: main.isPlanar || main.samples === 1 ? "band" : "pixel",
    photometric: main.photometric,
    alphaBand: alphaBand(main),
    ...bandFacts(main.samples, gdal),
    nodata: new Array(main.samples).fill(nodata.value),
    crs: readCrs(keys),
    transform: readTransform(main, keys),
    gcps: readGcps(main, keys),
    colorMap: splitColorMap(main.colorMap),
    tags: tagsOf(main, gdal),
    warnings: nodata.warning ? [`${url}: ${nodata.warning}`] : [],
    source: (band, level = 0) => made(imageAt(images, level, url), bandsOf(band, main.samples, url), band === "all"),
    maskSource: (level = 0) =>
      page.masks.length === 0 ? null : made(imageAt(page.masks, level, url), [0], false, true),
  };
}

interface SourceFacts {
  readonly url: string;
  readonly version: ObjectVersion;
  readonly header: TiffHeader;
  readonly fill: number | bigint | null;
  readonly dtype: DType;
}

function sourceMaker({ url, version, header, fill, dtype }: SourceFacts) {
  return (d: TiffDirectory, bands: readonly number[], isStack: boolean, isMask = false): SourceSpec => {
    checkReadable(d, redact(url));
    const lead = isStack ? [bands.length] : [];
    const chunkLead = isStack ? [d.isPlanar ? 1 : bands.length] : [];
    return {
      format: "tiff",
      url,
      version,
      shape: [...lead, d.height, d.width],
      dtype: isMask ? dtypeOf(d) : dtype,
      chunkShape: [...chunkLead, Math.min(d.tileHeight, d.height), Math.min(d.tileWidth, d.width)],
      meta: encodeMeta(d, { isLittleEndian: header.isLittleEndian, bands, fill: isMask ? 0 : fill }),
    };
  };
}

function imageAt(images: readonly TiffDirectory[], level: number, url: string): TiffDirectory {
  const image = images[level];
  if (image) return image;
  throw new SelectionError(`${url} has levels 0 to ${images.length - 1}; there is no level ${level}`, {
    details: { url, level },
  });
}

function bandsOf(band: number | "all", count: number, url: string): number[] {
  if (band === "all") return Array.from({ length: count }, (_, i) => i);
  if (Number.isInteger(band) && band >= 0 && band < count) return [band];
  throw new SelectionError(`${url} has bands 0 to ${count - 1}; there is no band ${band}`, {
    details: { url, band, bands: count },
  });
}

function levelOf(d: TiffDirectory): TiffLevel {
  const { width, height, tileWidth, tileHeight, isTiled, predictor } = d;
  return { width, height, tileWidth, tileHeight, isTiled, predictor, compression: compressionName(d.compression) };
}

function alphaBand(d: TiffDirectory): number | null {
  const at = d.extraSamples.findIndex((kind) => kind === 1 || kind === 2);
  return at < 0 ? null : d.samples - d.extraSamples.length + at;
}

function bandFacts(bands: number, gdal: GdalMetadata): Pick<TiffInfo, "scale" | "offset" | "units" | "descriptions"> {
  const each = <T>(of: ReadonlyMap<number, T>, fallback: T): T[] =>
    Array.from({ length: bands }, (_, i) => of.get(i) ?? fallback);
  return {
    scale: each(gdal.scale, 1),
    offset: each(gdal.offset, 0),
    units: each<string | null>(gdal.unit, null),
    descriptions: each<string | null>(gdal.description, null),
  };
}

function splitColorMap(map: readonly number[] | null): number[][] | null {
  if (!map || map.length === 0 || map.length % 3 !== 0) return null;
  const n = map.length / 3;
  return [map.slice(0, n), map.slice(n, 2 * n), map.slice(2 * n)];
}

function tagsOf(d: TiffDirectory, gdal: GdalMetadata): Record<string, string> {
  const own = { TIFFTAG_IMAGEDESCRIPTION: d.description, TIFFTAG_SOFTWARE: d.software, TIFFTAG_DATETIME: d.dateTime };
  return { ...gdal.tags, ...Object.fromEntries(Object.entries(own).filter(([, text]) => text !== "")) };
}
