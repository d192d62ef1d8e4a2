/** `mapOverlap`: a user's function on blocks that reach into their neighbours; `overlap` and `trimOverlap`. */

import { requireKnownOptions } from "../../base/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { lazyOperand, splitOptions } from "./call-layer.ts";
import type { Blocked, BlockFunction } from "./map-layer.ts";
import {
  type Boundary,
  cutForHalos,
  type Depth,
  halosOf,
  overlapNode,
  type PerAxis,
  trimNode,
} from "./overlap-layer.ts";
import { type MapOverlapOptions, mapOverlapNode } from "./overlap-map.ts";
import type { AnyFunction, ArgumentValue } from "./travel.ts";

/**
 * A function on blocks with rows of their neighbours: `mapOverlap(fn, a, { depth: 1, boundary: "nearest" })`.
 *
 * Lazy. `fn(...blocks, info, args)` as in {@link mapBlocks}; blocks carry `depth` elements more on each side, and what
 * the function gives is trimmed by as many, so that its values do not depend on the chunks. `info` describes the blocks
 * with halos. Chunks: as the array's of most axes, merged where one is thinner than the depth.
 *
 * @throws {ArgumentError} no depth, an unknown boundary, different depths on both sides with one
 * @throws {ChunkError} a depth beyond the axis, or thin chunks with `allowRechunk: false`  @throws {ClosureError}
 * @throws {ShapeError} at run time: the result has another shape than the block with its halo
 * Matches dask.array `map_overlap`.
 */
export function mapOverlap<const T extends readonly Blocked[], A = ArgumentValue>(
  fn: BlockFunction<T, A>,
  ...rest: [...T, MapOverlapOptions<A>]
): ChunkedArray;
export function mapOverlap(fn: AnyFunction, ...rest: readonly unknown[]): ChunkedArray {
  const { arrays, options } = splitOptions<MapOverlapOptions<unknown>>(rest, "mapOverlap");
  return new ChunkedArray(mapOverlapNode(fn, arrays, options));
}

/** Options of {@link overlap}. */
export interface OverlapOptions {
  /** Merge chunks that are thinner than the depth (default). */
  readonly allowRechunk?: boolean;
}

/**
 * Blocks with `depth` elements of their neighbours, side by side: the array is larger than `x` by the halos.
 *
 * Lazy. Chunks: each of `x`'s with its halo. Matches dask.array `overlap.overlap`.
 * @throws {ArgumentError} {ChunkError} as {@link mapOverlap}
 */
export function overlap(
  x: Blocked,
  depth: PerAxis<Depth>,
  boundary: PerAxis<Boundary> = "none",
  options: OverlapOptions = {},
): ChunkedArray {
  requireKnownOptions("overlap", options, { allowRechunk: true });
  const array = lazyOperand(x, "overlap");
  const halos = halosOf(array.ndim, depth, boundary);
  return new ChunkedArray(overlapNode(cutForHalos(array, halos, options.allowRechunk ?? true), halos));
}

/**
 * What {@link overlap} gave, without the halos.
 * @throws {ChunkError} a block is thinner than its halo
 */
export function trimOverlap(x: Blocked, depth: PerAxis<Depth>, boundary: PerAxis<Boundary> = "none"): ChunkedArray {
  const array = lazyOperand(x, "trimOverlap");
  return new ChunkedArray(trimNode(array, halosOf(array.ndim, depth, boundary)));
}
