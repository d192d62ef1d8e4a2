/** Arrays as Zarr stores: how objects are cut, and the write of one array. */
import { ArgumentError, type OptionNames, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { dtypeInfo, type Scalar } from "../../dtype/index.ts";
import { type ChunkSpec, type Chunks, rechunkNode, sameChunks, shapeOfChunks, tokenize } from "../../graph/index.ts";
import { type CodecSpec, planZarr, toUrl, type ZarrWriteMode } from "../../io/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import { cutChunks, type LazyArray } from "../lazy.ts";
import { LazyWrite, zarrJob } from "./write.ts";

/** Decoded bytes of one object, at least and at most (io.md §7). */
const OBJECT_BYTES_MIN = 2 ** 20;
const OBJECT_BYTES_MAX = 16 * 2 ** 20;

/**
 * Shape of one object from an array's blocks: the blocks themselves, cut evenly where they are large and joined where
 * they are small, so that objects begin where blocks do.
 */
export function objectShape(chunks: Chunks, itembytes: number): number[] {
  const shape = shapeOfChunks(chunks);
  const size = chunks.map((sizes) => Math.max(1, commonSize(sizes)));
  const nbytes = (): number => sizeOf(size) * itembytes;
  const inside = (k: number): boolean => (size[k] as number) < (shape[k] as number);
  while (nbytes() > OBJECT_BYTES_MAX) {
    const k = size.indexOf(Math.max(...size));
    const n = size[k] as number; // k is an index of it
    if (n === 1) break;
    // A whole axis may be cut anywhere; others only where all objects still fit the blocks.
    size[k] = inside(k)
      ? n / smallestFactor(n)
      : Math.ceil(n / 2 / 64) * 64 < n
        ? Math.ceil(n / 2 / 64) * 64
        : Math.ceil(n / 2);
  }
  for (let k = size.length - 1; k >= 0; k--)
    while (inside(k) && nbytes() < OBJECT_BYTES_MIN) size[k] = Math.min(shape[k] as number, 2 * (size[k] as number));
  return size;
}

/** Largest size that divides all blocks but the last. */
function commonSize(sizes: readonly number[]): number {
  const [first = 1, ...rest] = sizes.length > 1 ? sizes.slice(0, -1) : sizes;
  const common = rest.reduce(gcd, first);
  return sizes.length > 1 && (sizes.at(-1) as number) > common ? gcd(common, sizes.at(-1) as number) : common;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function smallestFactor(n: number): number {
  for (let f = 2; f * f <= n; f++) if (n % f === 0) return f;
  return n;
}

/** Blocks of a shape that is cut into objects of one shape. */
export function regularChunks(shape: readonly number[], chunk: readonly number[]): Chunks {
  return shape.map((n, k) => {
    const size = chunk[k] as number; // one per axis
    const full = new Array<number>(Math.floor(n / size)).fill(size);
    return n % size === 0 && n > 0 ? full : [...full, n % size];
  });
}

/** Options of `toZarr`. */
export interface ArrayZarrOptions {
  /** Name of the array in the store's group; default `"data"`. */
  readonly component?: string;
  /** `"w-"` (default) refuses an existing store, `"w"` replaces it, `"a"` adds the array. */
  readonly mode?: Exclude<ZarrWriteMode, "r+">;
  /** Shape of one stored chunk, which is one object; default after the array's blocks, 1 to 16 MiB. */
  readonly chunks?: ChunkSpec;
  /** What chunks that are not written read as; default NaN for floats, else 0. */
  readonly fill?: Scalar;
  readonly dimensionNames?: readonly (string | null)[];
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Byte codecs in order; default blosc with zstd 3 and byte shuffle, zstd 3 for single bytes. */
  readonly codecs?: readonly CodecSpec[];
  /**
   * Go on where an earlier run of this write stopped: same graph, inputs and options. Finished objects are recorded beside
   * them, and a run that fails or is killed leaves them. Then `mode` counts for the first run only.
   */
  readonly resume?: boolean;
  /** `false` gives a lazy write. */
  readonly compute?: boolean;
}

const OPTIONS: OptionNames<ArrayZarrOptions> = {
  component: true,
  mode: true,
  chunks: true,
  fill: true,
  dimensionNames: true,
  attributes: true,
  codecs: true,
  resume: true,
  compute: true,
};

/**
 * An array to be written as one array of a Zarr v3 group; nothing is, until it runs.
 * @throws {ExistsError} the store exists  @throws {ShapeError} chunks that are not of one size
 */
export async function zarrWrite(x: LazyArray, url: string | URL, options: ArrayZarrOptions): Promise<LazyWrite> {
  requireKnownOptions("toZarr", options, OPTIONS);
  const { component = "data", mode = "w-", resume = false, codecs, fill } = options;
  if (!/^[^/.][^/]*$/.test(component))
    throw new ArgumentError(`component ${JSON.stringify(component)}: expected the name of one array, without slashes`);
  const { kind } = dtypeInfo(x.dtype);
  const chunk =
    options.chunks === undefined
      ? objectShape(x.chunks, x.nbytes / Math.max(1, sizeOf(x.shape)))
      : chunkShape(x, options.chunks);
  const spec = {
    shape: x.shape,
    chunks: chunk,
    dtype: x.dtype,
    fill: fill ?? (kind === "f" ? Number.NaN : kind === "b" ? false : 0),
    ...(options.dimensionNames ? { dimensionNames: options.dimensionNames } : {}),
    ...(options.attributes ? { attributes: options.attributes } : {}),
    ...(codecs === undefined ? {} : { codecs }),
  };
  const key = tokenize([x.node.layer.name, String(url), component, writerOptions(spec)], 8);
  const write = await planZarr(toUrl(url), { arrays: { [component]: spec } }, { mode, key, resume });
  const cut = regularChunks(x.shape, chunk);
  const node = sameChunks(cut, x.chunks) ? x.node : rechunkNode(x.node, cut);
  return new LazyWrite(zarrJob(String(url), write, new Map([[component, node]])));
}

/** What of a write's options tells two writes of the same values apart. */
export function writerOptions(options: object): string {
  return JSON.stringify(options, (_, value: unknown) =>
    typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value,
  );
}

function chunkShape(x: LazyArray, chunks: ChunkSpec): number[] {
  return cutChunks(x.shape, x.dtype, chunks, { previous: x.chunks }).map((sizes, k) => {
    const first = Math.max(1, sizes[0] ?? 1);
    if (sizes.some((n, i) => (i < sizes.length - 1 ? n !== first : n > first)))
      throw new ShapeError(
        `chunks of axis ${k} are ${sizes.join(", ")}; stored chunks have one size, only the last may be smaller`,
      );
    return first;
  });
}
