/** What a lazy array is to the functions that build layers, and lazy arrays over memory. */
import { ShapeError, shownValue } from "../base/index.ts";
import { type DType, itemsize } from "../dtype/index.ts";
import {
  type ChunkSpec,
  type Chunks,
  type LayerNode,
  literalNode,
  normalizeChunks,
  shapeOfChunks,
} from "../graph/index.ts";
import { ascontiguous, type NDArray, sizeOf } from "../ndarray/index.ts";
import { chunkSizeBytes } from "./auto.ts";

/** A layer seen as an array. `ChunkedArray` is one. */
export interface LazyArray {
  readonly node: LayerNode;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly chunks: Chunks;
  readonly ndim: number;
  readonly nbytes: number;
}

/** True for a lazy array of this room. */
export function isLazy(value: unknown): value is LazyArray {
  return typeof value === "object" && value !== null && "node" in value && "chunks" in value;
}

/** A node's array facts. */
export function lazyOf(node: LayerNode): LazyArray {
  const { chunks, dtype } = node.layer;
  const shape = shapeOfChunks(chunks);
  return { node, shape, dtype, chunks, ndim: shape.length, nbytes: sizeOf(shape) * itemsize(dtype) };
}

/** What decides block sizes beside `chunks` and the configuration. */
export interface CutOptions {
  readonly previous?: Chunks;
  readonly align?: readonly number[];
  readonly tolerance?: number;
  /** Bytes of an automatic block; the configured size by default. */
  readonly limitBytes?: number;
}

/** Block sizes of a new or rechunked array, `"auto"` after the configured chunk size. */
export function cutChunks(
  shape: readonly number[],
  dtype: DType,
  spec: ChunkSpec | undefined,
  { limitBytes = chunkSizeBytes(), ...more }: CutOptions = {},
): number[][] {
  return normalizeChunks(spec, shape, { targetBytes: limitBytes, itemsize: itemsize(dtype), ...more });
}

/** Sizes from a number or a list. @throws {ShapeError} a negative or fractional size, or neither of them */
export function checkShape(shape: number | readonly number[]): readonly number[] {
  const list = typeof shape === "number" ? [shape] : shape;
  if (!Array.isArray(list)) throw new ShapeError(`shape ${shownValue(shape)}: expected a size or a list of sizes`);
  for (const n of list)
    if (!Number.isSafeInteger(n) || n < 0) throw new ShapeError(`shape (${list.join(", ")}): ${n} is not a size`);
  return list;
}

/** Layer over a block in memory; its bytes travel with the graph. */
export function arrayNode(block: NDArray, chunks?: ChunkSpec): LayerNode {
  const c = ascontiguous(block);
  const bytes = new Uint8Array(c.data.buffer as ArrayBuffer, c.data.byteOffset, c.data.byteLength).slice();
  return literalNode("array", c.dtype, cutChunks(c.shape, c.dtype, chunks), bytes);
}
