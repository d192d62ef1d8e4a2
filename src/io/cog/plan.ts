/** Decides everything about a COG before any pixel exists: levels, tiles, parts, header size, BigTIFF (io.md §6). Pure. */
import { fileURLToPath } from "node:url";
import { ArgumentError, DTypeError, NodataError, ShapeError, UnsupportedError } from "../../base/index.ts";
import { type DType, dtypeInfo, isDType } from "../../dtype/index.ts";
import { stagePath } from "../store/leftovers.ts";
import { toUrl } from "../store/open-store.ts";
import { parseNodata } from "../tiff/gdal-metadata.ts";
import type { TiffCrs, TiffTransform } from "../tiff/geo-keys.ts";
import { headerBytes } from "./header.ts";

/** How tiles are compressed. */
export type CogCompression = "deflate" | "zstd" | "lzw" | "none";

/** CRS of a COG; `kind` is needed for EPSG codes whose WKT is not given, when the code alone does not tell. */
export interface CogCrs extends TiffCrs {
  readonly kind?: "projected" | "geographic";
}

/** What the caller wants. */
export interface CogSpec {
  /** Path or `file:` URL of the target. */
  readonly url: string;
  readonly dtype: DType;
  /** (y, x) or (band, y, x). */
  readonly shape: readonly number[];
  /** Default deflate. */
  readonly compress?: CogCompression;
  /** Default 6 for deflate, 9 for zstd. */
  readonly level?: number;
  /** Default `"auto"`: 2 for integers, 3 for floats, 1 where nothing is compressed. */
  readonly predictor?: "auto" | 1 | 2 | 3;
  /** Pixels per tile side, a multiple of 16; default 512. */
  readonly blocksize?: number;
  /** Default true: halve until both sides fit one tile. A number limits the overviews. */
  readonly overviews?: boolean | number;
  /** Default `"auto"`: from the bound of the file's size. */
  readonly bigtiff?: "auto" | boolean;
  /** Leave out tiles that hold nothing but nodata (0 without nodata); default true. */
  readonly sparse?: boolean;
  /** `"pixel"`: one tile holds all bands, GDAL's default; `"band"`: one tile per band. Default by size of the tile. */
  readonly interleave?: "pixel" | "band";
  readonly nodata?: number | bigint | null;
  readonly crs?: CogCrs | null;
  readonly transform?: TiffTransform | null;
  /** Per band, or one for all. */
  readonly scale?: number | readonly number[] | null;
  readonly offset?: number | readonly number[] | null;
  readonly units?: readonly (string | null)[];
  readonly descriptions?: readonly (string | null)[];
  readonly tags?: Readonly<Record<string, string>>;
  /** `[red, green, blue]`, each 256 or 65536 values of 16 bits. */
  readonly colorMap?: readonly (readonly number[])[] | null;
  /** Replace an existing file; default false. */
  readonly overwrite?: boolean;
  /** Flush to the device before the rename; default true. */
  readonly fsync?: boolean;
  /** Eight or more hex digits that name the spool folder: a hash of what is written. */
  readonly key: string;
}

/** One resolution of the file. */
export interface CogLevel {
  readonly width: number;
  readonly height: number;
  readonly across: number;
  readonly down: number;
  /** Tiles of one row of tiles, all planes. */
  readonly tilesPerRow: number;
  readonly tiles: number;
  /** Rows of pixels of a natural part, a multiple of the blocksize: at least 8 MiB of pixels. */
  readonly partRows: number;
}

/** Plain data; travels to every task that encodes or assembles. */
export interface CogPlan {
  readonly path: string;
  readonly spool: string;
  readonly dtype: DType;
  readonly bands: number;
  readonly rank: 2 | 3;
  readonly blocksize: number;
  readonly compress: CogCompression;
  readonly level: number;
  readonly predictor: 1 | 2 | 3;
  readonly isPlanar: boolean;
  readonly isBig: boolean;
  readonly sparse: boolean;
  /** Text as in GDAL_NODATA; null without. */
  readonly nodata: string | null;
  readonly crs: CogCrs | null;
  readonly transform: TiffTransform | null;
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  readonly units: readonly (string | null)[];
  readonly descriptions: readonly (string | null)[];
  readonly tags: Readonly<Record<string, string>>;
  readonly colorMap: readonly (readonly number[])[] | null;
  readonly overwrite: boolean;
  readonly fsync: boolean;
  /** Full resolution first. */
  readonly levels: readonly CogLevel[];
  /** Length of everything before the first tile. */
  readonly headerBytes: number;
  /** No file of this plan is longer. */
  readonly fileBytesMax: number;
}

const PART_BYTES_MIN = 8 * 2 ** 20;
const PIXEL_TILE_BYTES_MAX = 16 * 2 ** 20;
const TILE_BYTES_MAX = 512 * 2 ** 20;
const BIGTIFF_AT = 2 ** 32 - 65536;
/** Incompressible data grow: a little, or by the 12 bits that LZW takes for a byte. */
const GROWTH: Readonly<Record<CogCompression, number>> = { deflate: 1.05, zstd: 1.05, lzw: 1.5, none: 1 };
const TILE_FRAME_BYTES = 8;

/**
 * The plan of a COG.
 * @throws {ArgumentError | DTypeError | ShapeError | NodataError | UnsupportedError} what cannot be written, named
 */
export function planCog(spec: CogSpec): CogPlan {
  const { dtype, bands, rank, height, width } = checkArray(spec);
  const blocksize = checkBlocksize(spec.blocksize ?? 512);
  const compress = spec.compress ?? "deflate";
  const tileBytes = blocksize * blocksize * dtypeInfo(dtype).itemsize;
  const isPlanar =
    bands > 1 && (spec.interleave ?? (tileBytes * bands <= PIXEL_TILE_BYTES_MAX ? "pixel" : "band")) === "band";
  const storedTileBytes = isPlanar ? tileBytes : tileBytes * bands;
  if (storedTileBytes > TILE_BYTES_MAX)
    throw new ArgumentError(
      `a tile of ${storedTileBytes} bytes is larger than ${TILE_BYTES_MAX}; use a smaller blocksize`,
    );
  const levels = levelsOf(
    { width, height, blocksize, planes: isPlanar ? bands : 1, placeBytes: tileBytes * bands },
    spec.overviews ?? true,
  );
  const path = targetPath(spec.url);
  const draft = {
    path,
    spool: spoolPath(path, spec.key),
    dtype,
    bands,
    rank,
    blocksize,
    compress,
    level: levelFor(compress, spec.level),
    predictor: predictorFor(spec.predictor ?? "auto", dtype, compress),
    isPlanar,
    sparse: spec.sparse ?? true,
    nodata: nodataText(spec.nodata ?? null, dtype),
    crs: spec.crs ?? null,
    transform: spec.transform ?? null,
    scale: perBand(spec.scale ?? 1, bands, "scale"),
    offset: perBand(spec.offset ?? 0, bands, "offset"),
    units: spec.units ?? [],
    descriptions: spec.descriptions ?? [],
    tags: spec.tags ?? {},
    colorMap: spec.colorMap ?? null,
    overwrite: spec.overwrite ?? false,
    fsync: spec.fsync ?? true,
    levels,
  };
  const tiles = levels.reduce((sum, l) => sum + l.tiles, 0);
  const dataBytes = tiles * (storedTileBytes * GROWTH[compress] + TILE_FRAME_BYTES + 64);
  const isBig =
    spec.bigtiff === undefined || spec.bigtiff === "auto"
      ? headerBytes(draft, true) + dataBytes >= BIGTIFF_AT
      : spec.bigtiff;
  const header = headerBytes(draft, isBig);
  return { ...draft, isBig, headerBytes: header, fileBytesMax: Math.ceil(header + dataBytes) };
}

interface ArrayFacts {
  readonly dtype: DType;
  readonly bands: number;
  readonly rank: 2 | 3;
  readonly height: number;
  readonly width: number;
}

function checkArray({ dtype, shape }: CogSpec): ArrayFacts {
  const kind = isDType(dtype) ? dtypeInfo(dtype).kind : "";
  if (kind !== "i" && kind !== "u" && kind !== "f") {
    throw new DTypeError(`a GeoTIFF cannot hold ${dtype}; expected an integer or float dtype (cast bool to uint8)`, {
      details: { dtype },
    });
  }
  const [bands, height, width] = shape.length === 2 ? [1, ...shape] : shape;
  if (
    (shape.length !== 2 && shape.length !== 3) ||
    !(bands! >= 1 && height! >= 1 && width! >= 1) ||
    bands! > 65535 ||
    height! > 2 ** 31 ||
    width! > 2 ** 31
  ) {
    throw new ShapeError(
      `a GeoTIFF cannot hold shape (${shape.join(", ")}); expected (y, x) or (band, y, x) without empty axes`,
      { details: { shape } },
    );
  }
  return { dtype, bands: bands!, height: height!, width: width!, rank: shape.length };
}

function checkBlocksize(blocksize: number): number {
  if (Number.isInteger(blocksize) && blocksize >= 16 && blocksize % 16 === 0) return blocksize;
  throw new ArgumentError(`blocksize ${blocksize} is not a positive multiple of 16`, { details: { blocksize } });
}

/** `placeBytes`: bytes of all bands under one tile. */
interface LevelFacts {
  readonly width: number;
  readonly height: number;
  readonly blocksize: number;
  readonly planes: number;
  readonly placeBytes: number;
}

function levelsOf(facts: LevelFacts, overviews: boolean | number): CogLevel[] {
  const { blocksize, planes, placeBytes } = facts;
  const most = overviews === true ? Number.POSITIVE_INFINITY : Number(overviews);
  const levels: CogLevel[] = [];
  let { width, height } = facts;
  for (;;) {
    const across = Math.ceil(width / blocksize);
    const down = Math.ceil(height / blocksize);
    const tileRows = Math.max(1, Math.ceil(PART_BYTES_MIN / (across * placeBytes)));
    levels.push({
      width,
      height,
      across,
      down,
      tilesPerRow: across * planes,
      tiles: across * planes * down,
      partRows: tileRows * blocksize,
    });
    if (levels.length > most || (width <= blocksize && height <= blocksize)) return levels;
    width = Math.ceil(width / 2);
    height = Math.ceil(height / 2);
  }
}

function targetPath(url: string): string {
  const target = toUrl(url);
  if (target.protocol === "file:") return fileURLToPath(target);
  throw new UnsupportedError(`a COG cannot be written to ${target.protocol}// URLs; expected a path or a file: URL`, {
    details: { scheme: target.protocol },
  });
}

function spoolPath(path: string, key: string): string {
  if (!/^[0-9a-zA-Z-]{8,}$/.test(key))
    throw new ArgumentError(`key ${JSON.stringify(key)}: expected at least eight letters and digits`);
  return stagePath(path, key.slice(0, 8));
}

function levelFor(compress: CogCompression, level: number | undefined): number {
  const [fallback, min, max] = compress === "deflate" ? [6, 1, 9] : compress === "zstd" ? [9, 1, 22] : [0, 0, 22];
  const value = level ?? fallback;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ArgumentError(`${compress} level ${value}: expected an integer from ${min} to ${max}`, {
    details: { compress, level: value },
  });
}

function predictorFor(asked: "auto" | 1 | 2 | 3, dtype: DType, compress: CogCompression): 1 | 2 | 3 {
  const isFloat = dtypeInfo(dtype).kind === "f";
  if (compress === "none") return 1;
  if (asked === "auto") return isFloat ? 3 : 2;
  if (asked === 3 && !isFloat)
    throw new ArgumentError(`predictor 3 is for floats; ${dtype} takes 1 or 2`, { details: { dtype } });
  return asked;
}

function nodataText(nodata: number | bigint | null, dtype: DType): string | null {
  if (nodata === null) return null;
  const text = Number.isNaN(nodata)
    ? "nan"
    : nodata === Number.POSITIVE_INFINITY
      ? "inf"
      : nodata === Number.NEGATIVE_INFINITY
        ? "-inf"
        : String(nodata);
  if (parseNodata(text, dtype).value === null)
    throw new NodataError(`nodata ${text} is no ${dtype} value`, { details: { nodata: text, dtype } });
  return text;
}

function perBand(value: number | readonly number[], bands: number, name: string): number[] {
  const all = typeof value === "number" ? new Array<number>(bands).fill(value) : [...value];
  if (all.length === bands && all.every(Number.isFinite)) return all;
  throw new ArgumentError(`${name} [${all.join(", ")}]: expected ${bands} finite numbers`, { details: { bands } });
}
