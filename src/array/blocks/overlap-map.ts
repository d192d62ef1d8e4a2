/** The layer of `mapOverlap`, for the function and the method. */
import { ArgumentError } from "../../base/index.ts";
import { functionText, type LayerNode } from "../../graph/index.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { type BlockInfo, type Labelled, unify } from "./call-layer.ts";
import { type MapBlocksOptions, mapBlocksNode, resultAxes } from "./map-layer.ts";
import {
  type Boundary,
  cutForHalos,
  type Depth,
  type Halo,
  halosOf,
  overlapNode,
  type PerAxis,
  trimsOf,
} from "./overlap-layer.ts";
import { type AnyFunction, type ArgumentValue, composedText } from "./travel.ts";

/** Options of `mapOverlap`; those of `mapBlocks` mean the same. */
export interface MapOverlapOptions<A = ArgumentValue> extends MapBlocksOptions<A> {
  /** Elements of the neighbours that a block is given, per axis; as a list, one such for each array. */
  readonly depth: PerAxis<Depth> | readonly PerAxis<Depth>[];
  /** What lies beyond the array's edges, per axis (default `"none"`: edge blocks are smaller); as a list, one for each array. */
  readonly boundary?: PerAxis<Boundary> | readonly PerAxis<Boundary>[];
  /** The function gives blocks with halos, which are cut off (default). False: it gives blocks without. */
  readonly trim?: boolean;
  /** Cut arrays alike first (default). */
  readonly alignArrays?: boolean;
  /** Merge chunks that are thinner than the depth (default). False: they are an error. */
  readonly allowRechunk?: boolean;
}

/**
 * Layer of `mapOverlap`.
 * @throws {ArgumentError} {ChunkError} {AxisError} {ClosureError}
 */
export function mapOverlapNode(
  fn: AnyFunction,
  arrays: readonly LazyArray[],
  options: MapOverlapOptions<unknown>,
): LayerNode {
  const { depth, boundary = "none", trim = true, alignArrays = true, allowRechunk = true, ...rest } = options;
  if (depth === undefined) throw new ArgumentError("mapOverlap needs the option depth");
  if (arrays.length === 0) throw new ArgumentError("mapOverlap needs an array");
  const depths = perArray<PerAxis<Depth>>(depth, arrays.length, "depth");
  const boundaries = perArray<PerAxis<Boundary>>(boundary, arrays.length, "boundary");
  const halos = arrays.map(
    (a, i) => halosOf(a.ndim, depths[i] as PerAxis<Depth>, boundaries[i] as PerAxis<Boundary>), // one per array
  );
  if (halos.every((axes) => axes.every((h) => h.before === 0 && h.after === 0))) return mapBlocksNode(fn, arrays, rest);
  const labelled = arrays.map((array): Labelled => ({ array, labels: array.shape.map((_, k) => array.ndim - 1 - k) }));
  const aligned = alignArrays ? unify(labelled, true).arrays : arrays;
  const cut = aligned.map((a, i) => cutForHalos(a, halos[i] as Halo[], allowRechunk)); // one per array
  const whole = cut.map((a, i) => lazyOf(overlapNode(a, halos[i] as Halo[]))); // one per array
  if (!trim) return mapBlocksNode(fn, whole, { chunks: (cut[0] as LazyArray).chunks, ...rest });
  // The array of most axes, and the first such, says what is cut off.
  const widest = cut.reduce((best, a, i) => (a.ndim > (cut[best] as LazyArray).ndim ? i : best), 0);
  return trimmedNode(fn, whole, { options: rest, halos: halos[widest] as Halo[] });
}

function trimmedNode(
  fn: AnyFunction,
  whole: readonly LazyArray[],
  { options, halos }: { readonly options: MapBlocksOptions<unknown>; readonly halos: readonly Halo[] },
): LayerNode {
  const untrimmed = mapBlocksNode(fn, whole, options).layer.chunks;
  const none: Halo = { before: 0, after: 0, boundary: "none" };
  const { labels, added } = resultAxes(halos.length, options);
  const kept = labels.map((label) => (added.has(label) ? none : (halos[halos.length - 1 - (label as number)] as Halo)));
  const trims = untrimmed.map((sizes, k) => sizes.map((_, b) => trimsOf(kept[k] as Halo, b, sizes.length))); // one per axis
  const chunks = untrimmed.map((sizes, k) =>
    sizes.map((n, b) => n - (trims[k]?.[b]?.[0] ?? 0) - (trims[k]?.[b]?.[1] ?? 0)),
  );
  const edges = kept.map((halo) => ({ ...halo, isCut: halo.boundary === "none" }));
  return mapBlocksNode(
    fn,
    whole,
    { ...options, chunks },
    {
      text: composedText(trimming, functionText(fn)),
      args: {
        own: options.args ?? {},
        halos: edges.map(({ before, after, isCut }) => ({ before, after, isCut })),
      },
    },
  );
}

function perArray<T>(given: T | readonly T[], count: number, what: string): readonly T[] {
  if (!Array.isArray(given)) return new Array<T>(count).fill(given as T);
  if (given.length !== count)
    throw new ArgumentError(`${given.length} entries of ${what} for ${count} arrays; an object gives one per axis`);
  return given;
}

/** What travels around the user's function: it calls it, and cuts the halos off what it gives. Self-contained. */
function trimming(fn: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  interface Trimmed {
    readonly data: ArrayLike<unknown>;
    readonly shape: readonly number[];
    readonly stride?: readonly number[];
    readonly offset?: number;
    readonly dtype?: string;
  }
  const contiguous = (shape: readonly number[]): number[] =>
    shape.map((_, k) => shape.slice(k + 1).reduce((a, b) => a * b, 1));
  return (...given) => {
    const { own, halos } = given.pop() as {
      own: unknown;
      halos: readonly { before: number; after: number; isCut: boolean }[];
    };
    const { output } = given.at(-1) as BlockInfo;
    const trims = halos.map(({ before, after, isCut }, k) => {
      const at = output.chunkLocation[k] as number;
      const isLast = at === (output.numChunks[k] as number) - 1;
      return { before: isCut && at === 0 ? 0 : before, after: isCut && isLast ? 0 : after };
    });
    const full = output.chunkShape.map((n, k) => n + (trims[k]?.before ?? 0) + (trims[k]?.after ?? 0));
    const refuse = (shape: readonly number[]): never => {
      const text = `block (${output.chunkLocation.join(", ")}): the function gave shape (${shape.join(", ")}), and (${full.join(", ")}) with its halo was expected; with trim: false it gives blocks without`;
      throw Object.assign(new Error(text), {
        name: "ShapeError",
        code: "shape",
        details: { given: shape, declared: full },
      });
    };
    const cutList = (list: readonly unknown[], axis: number): unknown[] => {
      if (!Array.isArray(list) || list.length !== full[axis]) return refuse([list.length]);
      const { before, after } = trims[axis] as { before: number; after: number };
      const kept = list.slice(before, list.length - after);
      return axis === full.length - 1 ? kept : kept.map((inner) => cutList(inner as unknown[], axis + 1));
    };
    const cut = (result: unknown): unknown => {
      if (Array.isArray(result)) return cutList(result, 0);
      if (typeof result !== "object" || result === null) return full.length === 0 ? result : refuse([]);
      const flat = ArrayBuffer.isView(result);
      const block = (flat ? { data: result, shape: full } : result) as Trimmed;
      const n = full.reduce((a, b) => a * b, 1);
      if (flat && block.data.length !== n && block.data.length !== 2 * n) return refuse([block.data.length]);
      if (block.shape.length !== full.length || block.shape.some((m, k) => m !== full[k])) return refuse(block.shape);
      const stride = block.stride ?? contiguous(full);
      const offset = trims.reduce((sum, { before }, k) => sum + before * (stride[k] as number), block.offset ?? 0);
      const { data, dtype } = block;
      return { data, stride, offset, shape: output.chunkShape, ...(dtype === undefined ? {} : { dtype }) };
    };
    const result = fn(...given, own);
    return result instanceof Promise ? result.then(cut) : cut(result);
  };
}
