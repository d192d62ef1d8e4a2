/** Opening GeoTIFFs and COGs as labelled arrays: the header is read, no pixel is. */
import { ArgumentError, type OptionNames, requireKnownOptions, SelectionError, shownValue } from "../base/index.ts";
import { dtypeInfo, type Scalar } from "../dtype/index.ts";
import { type Affine, type Crs, parseCrs } from "../geo/index.ts";
import { openTiff, type StoreOptions, type TiffCrs, type TiffInfo } from "../io/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { checkDecode, type Decode, decoded, maskedBy, type Storage, single } from "./decode.ts";
import { type Attributes, type Coordinate, type Labelled, labelled } from "./labelled.ts";
import { type NamedChunks, sourceArray } from "./source.ts";

/** Options of `openRaster`. */
export interface OpenRasterOptions extends StoreOptions {
  /** Default `"auto"`: about `array.chunk-size`, along the file's tiles. */
  readonly chunks?: NamedChunks;
  readonly decode?: Decode;
  /** One band, counted from 1; without it a file of several bands has a dimension `band`. */
  readonly band?: number;
  /** An overview instead of the full resolution, counted from 0, finest first. */
  readonly overview?: number;
  /** Stands for missing, instead of what the file says; null: nothing does. */
  readonly nodata?: Scalar | null;
  /** Instead of what the file says. */
  readonly scale?: number;
  readonly offset?: number;
  readonly signal?: AbortSignal;
}

const OPTIONS: OptionNames<OpenRasterOptions> = {
  http: true,
  chunks: true,
  decode: true,
  band: true,
  overview: true,
  nodata: true,
  scale: true,
  offset: true,
  signal: true,
};

const PALETTE = 3;

/**
 * State of the raster at `url`.
 * @throws {NotFoundError | MetadataError | UnsupportedError} what cannot be opened, and why
 * @throws {SelectionError} no such band or overview, naming those there are
 */
export async function openRasterState(url: string | URL, options: OpenRasterOptions): Promise<Labelled> {
  requireKnownOptions("openRaster", options, OPTIONS);
  const decode = checkDecode(options.decode ?? "masked");
  const info = await openTiff(url, options);
  const level = levelOf(info, options.overview);
  const band = bandOf(info, options.band);
  const isStack = band === null && info.bands > 1;
  const source = info.source(isStack ? "all" : (band ?? 0), level);
  const dims = isStack ? ["band", "y", "x"] : ["y", "x"];
  const { chunks } = options;
  const data = sourceArray("open-raster", source, dims, chunks);
  const array = labelled({
    dims,
    data,
    coords: bandCoordinate(info, band, isStack),
    crs: crsOf(info.crs),
    transform: levelTransform(info, level),
    attrs: attributesOf(info, isStack ? null : (band ?? 0)),
  });
  const storage = storageOf(info, isStack ? null : (band ?? 0), options);
  const stored = decoded(array, storage, decode);
  const isPlain = decode === "raw" || storage.isCategorical === true || storage.nodata !== null;
  return isPlain ? stored : withMask(stored, info, { level, chunks });
}

function levelOf(info: TiffInfo, overview: number | undefined): number {
  if (overview === undefined) return 0;
  const count = info.levels.length - 1;
  if (Number.isInteger(overview) && overview >= 0 && overview < count) return overview + 1;
  const sizes = info.levels.slice(1).map((l, k) => `${k} (${l.height} × ${l.width})`);
  throw new SelectionError(`${info.url} has no overview ${overview}; it has ${sizes.join(", ") || "none"}`, {
    details: { url: info.url, overview, overviews: count },
  });
}

/** Index of the band from 0, or null for all. */
function bandOf(info: TiffInfo, band: number | undefined): number | null {
  if (band === undefined) return null;
  if (Number.isInteger(band) && band >= 1 && band <= info.bands) return band - 1;
  const names = info.descriptions.map((d, k) => (d ? `${k + 1} (${d})` : String(k + 1)));
  const advice = Array.isArray(band) ? "; for several, open all and select: .sel({ band: [1, 2] })" : "";
  throw new SelectionError(`${info.url} has no band ${shownValue(band)}; its bands are ${names.join(", ")}${advice}`, {
    details: { url: info.url, band, bands: info.bands },
  });
}

function bandCoordinate(info: TiffInfo, band: number | null, isStack: boolean): Map<string, Coordinate> {
  const numbers = isStack ? Array.from({ length: info.bands }, (_, k) => BigInt(k + 1)) : [BigInt((band ?? 0) + 1)];
  const shape = isStack ? [info.bands] : [];
  const values = new NDArray("int64", BigInt64Array.from(numbers), shape);
  return new Map([["band", { dims: isStack ? ["band"] : [], values, attrs: {} }]]);
}

function crsOf(crs: TiffCrs | null): Crs | null {
  if (crs?.epsg !== undefined) return parseCrs(crs.epsg);
  return crs?.wkt === undefined ? null : parseCrs(crs.wkt);
}

function levelTransform(info: TiffInfo, level: number): Affine | null {
  const { transform, levels, width, height } = info;
  const at = levels[level];
  if (!transform || !at || level === 0) return transform;
  const [a, b, c, d, e, f] = transform;
  const [across, down] = [width / at.width, height / at.height];
  return [a * across, b * down, c, d * across, e * down, f];
}

/** Description and units of one band; those that all bands share for a stack. */
function attributesOf(info: TiffInfo, band: number | null): Attributes {
  const pick = (values: readonly (string | null)[]): string | null =>
    band !== null ? (values[band] ?? null) : values.every((v) => v === values[0]) ? (values[0] ?? null) : null;
  const [name, units] = [pick(info.descriptions), pick(info.units)];
  const names = band === null && name === null && info.descriptions.some((d) => d !== null) ? info.descriptions : null;
  return {
    ...(name === null ? {} : { long_name: name }),
    ...(names === null ? {} : { long_name: names.map((d) => d ?? "") }),
    ...(units === null ? {} : { units }),
  };
}

function storageOf(info: TiffInfo, band: number | null, options: OpenRasterOptions): Storage {
  const pick = (values: readonly number[]): number | readonly number[] =>
    band === null ? single(values) : (values[band] ?? 1);
  const own = info.nodata[band ?? 0] ?? null;
  return {
    nodata: options.nodata === undefined ? own : options.nodata,
    scale: options.scale ?? pick(info.scale),
    offset: options.offset ?? pick(info.offset),
    along: "band",
    isCategorical: info.photometric === PALETTE && dtypeInfo(info.dtype).kind !== "f" && options.nodata === undefined,
  };
}

interface MaskPlace {
  readonly level: number;
  readonly chunks: NamedChunks | undefined;
}

/** Without nodata an internal mask or an alpha band says what is missing. */
function withMask(stored: Labelled, info: TiffInfo, { level, chunks }: MaskPlace): Labelled {
  const source = info.maskSource(level) ?? (info.alphaBand === null ? null : info.source(info.alphaBand, level));
  if (!source) return stored;
  const isNamed = typeof chunks === "object" && chunks !== null && !Array.isArray(chunks);
  const spec = isNamed
    ? Object.fromEntries(Object.entries(chunks).filter(([dim]) => dim !== "band"))
    : Array.isArray(chunks)
      ? chunks.slice(-2)
      : (chunks ?? "auto");
  const data = sourceArray("open-mask", source, ["y", "x"], spec as NamedChunks);
  return maskedBy(stored, labelled({ dims: ["y", "x"], data }));
}

/** @throws {ArgumentError} no text and no URL */
export function checkUrl(url: unknown): string | URL {
  if (url instanceof URL || (typeof url === "string" && url !== "")) return url;
  throw new ArgumentError(`url ${JSON.stringify(url) ?? String(url)}: expected a path or a URL`);
}
