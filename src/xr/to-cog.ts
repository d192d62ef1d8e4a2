/** Writing COGs: encoded parts and overviews in one graph, assembled by its last task (io.md §6). */

import { LazyWrite } from "../array/index.ts";
import { ArgumentError, type OptionNames, requireKnownOptions, ShapeError } from "../base/index.ts";
import { type DType, dtypeInfo, type Scalar } from "../dtype/index.ts";
import { isGeographic } from "../geo/index.ts";
import {
  type Chunks,
  coarsenNode,
  cogNode,
  cogPartNode,
  type LayerNode,
  normalizeChunks,
  type Plain,
  rechunkNode,
  sameChunks,
  tokenize,
} from "../graph/index.ts";
import {
  abortCog,
  beginCog,
  type CogCompression,
  type CogLevel,
  type CogPlan,
  checkCogTarget,
  planCog,
  toUrl,
} from "../io/index.ts";
import { type Stored, storedValues } from "./encode.ts";
import { gridOf, type Labelled, spatialDims } from "./labelled.ts";
import { timeText } from "./time.ts";

/** Options of `toCog`. */
export interface CogOptions {
  /** Stored dtype; floats are rounded to integer dtypes. */
  readonly dtype?: DType;
  /** Stands for missing in the file; default what the array has, NaN for floats. */
  readonly nodata?: Scalar | null;
  /** `value = stored · scale + offset`; both are recorded. */
  readonly scale?: number;
  readonly offset?: number;
  /** Default deflate. */
  readonly compress?: CogCompression;
  /** Default 6 for deflate, 9 for zstd. */
  readonly level?: number;
  /** Default: differences between neighbours (2 for integers, 3 for floats). */
  readonly predictor?: boolean;
  /** Pixels per tile side; default 512. */
  readonly blocksize?: number;
  /** How overviews are made; default `"average"`, `"mode"` for bool; `false`: none. */
  readonly overviews?: "average" | "nearest" | "mode" | false;
  readonly bigtiff?: "auto" | boolean;
  /** `"w-"` (default) refuses an existing file, `"w"` replaces it. */
  readonly mode?: "w" | "w-";
  /** `false` gives a lazy write. */
  readonly compute?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
}

const OPTIONS: OptionNames<CogOptions> = {
  dtype: true,
  nodata: true,
  scale: true,
  offset: true,
  compress: true,
  level: true,
  predictor: true,
  blocksize: true,
  overviews: true,
  bigtiff: true,
  mode: true,
  compute: true,
  tags: true,
};

/**
 * A COG to be written from an array of (y, x) or (band or time, y, x).
 * @throws {ShapeError} other dimensions  @throws {ExistsError | WriteError} the target
 * @throws {ArgumentError | DTypeError | NodataError | UnsupportedError} what cannot be written, named
 */
export function lazyCog(l: Labelled, url: string | URL, options: CogOptions): LazyWrite {
  requireKnownOptions("toCog", options, OPTIONS);
  checkDims(l);
  const { mode = "w-", overviews = l.data.dtype === "bool" ? "mode" : "average" } = options;
  if (mode !== "w" && mode !== "w-")
    throw new ArgumentError(
      `mode ${JSON.stringify(mode)}: expected "w-" (refuse an existing file) or "w" (replace it)`,
    );
  if (overviews !== false && !["average", "nearest", "mode"].includes(overviews))
    throw new ArgumentError(`overviews ${JSON.stringify(overviews)}: expected "average", "nearest", "mode" or false`);
  const isBool = (options.dtype ?? l.data.dtype) === "bool";
  const stored = storedValues(l, isBool ? { ...options, dtype: "uint8" } : options);
  const plan = planCog({ ...specOf(l, stored, options), url: toUrl(url).href, overviews: overviews !== false });
  checkCogTarget(plan);
  const levels = levelNodes(stored, plan, overviews === false ? "nearest" : overviews);
  const parts = levels.reduce((n, node) => n + (node.layer.chunks[0]?.length ?? 0), 0);
  return new LazyWrite({
    url: String(url),
    places: [{ url: toUrl(url).href, name: null }],
    outputs: [cogNode(levels, plan as unknown as Plain)], // plain data by its contract
    tasks: parts + 1,
    begin: async () => beginCog(plan),
    finish: () => Promise.resolve(),
    abandon: async () => abortCog(plan),
  });
}

function checkDims(l: Labelled): void {
  const { y, x } = spatialDims(l.dims);
  const n = l.dims.length;
  if ((n === 2 || n === 3) && l.dims[n - 2] === y && l.dims[n - 1] === x && y !== null) return;
  throw new ShapeError(
    `toCog of dimensions (${l.dims.join(", ")}): expected (y, x), or one more before them; use transpose, or isel to drop a dimension`,
    { details: { dims: l.dims } },
  );
}

function specOf(l: Labelled, stored: Stored, options: CogOptions): Omit<Parameters<typeof planCog>[0], "url"> {
  const { data, nodata, scale, offset } = stored;
  const { crs } = l;
  const geographic = crs === null ? null : isGeographic(crs);
  const { compress, level, blocksize, bigtiff, tags, predictor } = options;
  const bands = l.dims.length === 3 ? (l.data.shape[0] as number) : 1;
  return {
    dtype: data.dtype,
    shape: data.shape,
    nodata,
    scale,
    offset,
    transform: gridOf(l)?.transform ?? null,
    crs:
      crs === null
        ? null
        : {
            ...(crs.epsg === null ? {} : { epsg: crs.epsg }),
            ...(crs.text === null || crs.text.startsWith("{") ? {} : { wkt: crs.text }),
            ...(geographic === null ? {} : { kind: geographic ? "geographic" : "projected" }),
          },
    descriptions: bandNames(l, bands),
    units: new Array(bands).fill(typeof l.attrs["units"] === "string" ? l.attrs["units"] : null),
    overwrite: options.mode === "w",
    key: tokenize([data.name, JSON.stringify(options, (_, v) => (typeof v === "bigint" ? String(v) : v))]),
    ...(compress === undefined ? {} : { compress }),
    ...(level === undefined ? {} : { level }),
    ...(blocksize === undefined ? {} : { blocksize }),
    ...(bigtiff === undefined ? {} : { bigtiff }),
    ...(tags === undefined ? {} : { tags }),
    ...(predictor === undefined ? {} : { predictor: predictor ? "auto" : 1 }),
  };
}

/** A band is described by its label, or by the array's name. */
function bandNames(l: Labelled, bands: number): (string | null)[] {
  const long = l.attrs["long_name"];
  if (Array.isArray(long) && long.length === bands) return long.map(String);
  const dim = l.dims.length === 3 ? l.dims[0] : undefined;
  const labels = dim === undefined ? undefined : l.coords.get(dim)?.values;
  if (labels && dtypeInfo(labels.dtype).kind === "M")
    return Array.from({ length: bands }, (_, i) => timeText(labels.item(i) as bigint));
  return new Array<string | null>(bands).fill(typeof long === "string" ? long : l.name);
}

/** Blocks of one level: all bands, whole rows of tiles, the full width. */
function levelChunks(level: CogLevel, lead: readonly number[]): Chunks {
  const rows = normalizeChunks([level.partRows], [level.height], { targetBytes: 1, itemsize: 1 });
  return [...lead.map((n) => [n]), ...rows, [level.width]];
}

/** The encoded parts of each level, full resolution first; each level is made from the one above it. */
function levelNodes(stored: Stored, plan: CogPlan, method: "average" | "nearest" | "mode"): LayerNode[] {
  const lead = stored.data.shape.slice(0, -2);
  // NaN is skipped by itself.
  const nodata = stored.nodata === null || Number.isNaN(stored.nodata) ? null : stored.nodata;
  const nodes: LayerNode[] = [];
  let pixels = stored.data.node;
  plan.levels.forEach((level, k) => {
    const chunks = levelChunks(level, lead);
    if (k > 0) pixels = coarsenNode(pixels, chunks, method, nodata);
    else if (!sameChunks(pixels.layer.chunks, chunks)) pixels = rechunkNode(pixels, chunks);
    const rows = chunks[lead.length] as readonly number[]; // y is there
    const tiles = rows.map((n) => Math.ceil(n / plan.blocksize) * level.tilesPerRow);
    nodes.push(cogPartNode(pixels, plan as unknown as Plain, k, tiles)); // plain data by its contract
  });
  return nodes;
}
