/** `mapBlocks`: one call of a user's function per block. */

import { ChunkedArray } from "../chunked-array.ts";
import { splitOptions } from "./call-layer.ts";
import { type Blocked, type BlockFunction, type MapBlocksOptions, mapBlocksNode } from "./map-layer.ts";
import type { AnyFunction, ArgumentValue } from "./travel.ts";

/**
 * A function on blocks: `mapBlocks(fn, a, b, { dtype })` calls `fn(blockOfA, blockOfB, info, args)` once per block.
 *
 * Lazy. Blocks arrive in C order; the function gives an array, a typed array, nested lists or a number, of the block's
 * shape and of `dtype`. Arrays are matched block by block from the last axis; an array of one block along an axis
 * repeats there. The function must be self-contained, and must not change the blocks that it is given. Chunks: as the
 * array's with the most blocks, changed by `chunks`, `dropAxis` and `newAxis`. It is never run to guess a dtype.
 *
 * @throws {ClosureError} it uses outer names  @throws {ChunkError} block counts or sizes that do not fit
 * @throws {ArgumentError} no array and no chunks  @throws {AxisError}
 * @throws {DTypeMismatchError} at run time: it gave another dtype  @throws {ShapeError} at run time: another shape
 * @example
 * ```ts
 * const x = array([[1, 2], [3, 4]], { dtype: "float64" });
 * await mapBlocks((b) => (b.data as Float64Array).map((v) => 10 * v), x).compute(); // => [[10, 20], [30, 40]]
 * ```
 * Matches dask.array `map_blocks`.
 */
export function mapBlocks<const T extends readonly Blocked[]>(
  fn: BlockFunction<T, Record<string, never>>,
  ...arrays: T
): ChunkedArray;
export function mapBlocks<const T extends readonly Blocked[], A = ArgumentValue>(
  fn: BlockFunction<T, A>,
  ...rest: [...T, MapBlocksOptions<A>]
): ChunkedArray;
export function mapBlocks(fn: AnyFunction, ...rest: readonly unknown[]): ChunkedArray {
  const { arrays, options } = splitOptions<MapBlocksOptions<unknown>>(rest, "mapBlocks");
  return new ChunkedArray(mapBlocksNode(fn, arrays, options));
}
