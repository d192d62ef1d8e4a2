/** Arrays from and to stores: Zarr, and any object that takes blocks. */
import { ArgumentError, requireKnownOptions } from "../../base/index.ts";
import type { ChunkSpec } from "../../graph/index.ts";
import { openZarrArray, openZarrGroup } from "../../io/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { lazyArray, type Reducible } from "../reduce/reductions.ts";
import { sourceLayer } from "./source.ts";
import { type LazyStore, lazyStore, type StoreArrayOptions, type StoreTarget } from "./store-write.ts";
import type { LazyWrite, Written } from "./write.ts";
import { type ArrayZarrOptions, zarrWrite } from "./zarr-write.ts";

/** Options of {@link fromZarr}. */
export interface FromZarrOptions {
  /** Array within the group at the URL; default: the URL is an array, or a group of one. */
  readonly component?: string;
  readonly chunks?: ChunkSpec;
}

/**
 * Lazy array over a Zarr array (v2 or v3), without names or missing values: what is stored. Metadata are read at once,
 * chunks when they are needed; slices read only what they name. Chunks: `"auto"` along the store's. dask.array `from_zarr`.
 * @throws {NotFoundError | MetadataError | UnsupportedError} what cannot be opened, and why
 * @throws {ArgumentError} a group of several arrays and no component
 */
export async function fromZarr(url: string | URL, options: FromZarrOptions = {}): Promise<ChunkedArray> {
  requireKnownOptions("fromZarr", options, { component: true, chunks: true });
  const { component, chunks } = options;
  const info = component === undefined ? await onlyArray(url) : await named(url, component);
  return new ChunkedArray(sourceLayer("from-zarr", info.source, chunks));
}

type ArrayInfo = Awaited<ReturnType<typeof openZarrArray>>;

async function named(url: string | URL, component: string): Promise<ArrayInfo> {
  const group = await openZarrGroup(url, { vars: [component] });
  const found = group.arrays.get(component);
  if (found) return found;
  throw (
    group.unreadable.get(component) ??
    new ArgumentError(
      `${group.url} has no array ${JSON.stringify(component)}; it has ${[...group.arrays.keys()].join(", ") || "none"}`,
    )
  );
}

async function onlyArray(url: string | URL): Promise<ArrayInfo> {
  let problem: unknown;
  try {
    return await openZarrArray(url);
  } catch (error) {
    problem = error; // it may be a group
  }
  const group = await openZarrGroup(url).catch(() => null); // then the first reason stands
  if (group === null) throw problem;
  const [only, ...more] = group.arrays.values();
  if (only && more.length === 0) return only;
  throw new ArgumentError(
    `${group.url} is a group of ${[...group.arrays.keys()].join(", ") || "no arrays"}; name one by component`,
  );
}

/**
 * Write an array into a Zarr v3 store: one task per object, none waits for another. dask.array `to_zarr`.
 * @throws {ExistsError | WriteError} the target  @throws {ShapeError} chunks that are not of one size
 */
export function toZarr(
  x: Reducible,
  url: string | URL,
  options: ArrayZarrOptions & { readonly compute: false },
): Promise<LazyWrite>;
export function toZarr(x: Reducible, url: string | URL, options?: ArrayZarrOptions): Promise<Written>;
export async function toZarr(
  x: Reducible,
  url: string | URL,
  options: ArrayZarrOptions = {},
): Promise<LazyWrite | Written> {
  const write = await zarrWrite(lazyArray(x), url, options);
  return options.compute === false ? write : write.compute();
}

/**
 * Give the blocks of arrays to targets: `target.set([[y0, y1], [x0, x1]], block)` once per block, in C order.
 *
 * Arrays beyond 256 MiB are computed in bands along their first axis, so that no more is held here. dask.array `store`.
 * @throws {ArgumentError} another number of targets or regions, or a target without `set`
 * @throws {ShapeError} a region of another shape
 */
export function store(
  sources: Reducible | readonly Reducible[],
  targets: StoreTarget | readonly StoreTarget[],
  options: StoreArrayOptions & { readonly compute: false },
): LazyStore;
export function store(
  sources: Reducible | readonly Reducible[],
  targets: StoreTarget | readonly StoreTarget[],
  options?: StoreArrayOptions,
): Promise<void>;
export function store(
  sources: Reducible | readonly Reducible[],
  targets: StoreTarget | readonly StoreTarget[],
  options: StoreArrayOptions = {},
): LazyStore | Promise<void> {
  requireKnownOptions("store", options, { regions: true, lock: true, compute: true });
  const arrays = [sources].flat().map((x) => lazyArray(x as Reducible)); // one, or a list
  const sinks = [targets].flat() as StoreTarget[]; // one, or a list
  const lazy = lazyStore(arrays, sinks, options.regions);
  return options.compute === false ? lazy : lazy.compute();
}
