/** From regions to chunks to object names. Pure. */
import { SelectionError } from "../../base/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import type { Region, SourceSpec } from "../source.ts";
import type { KeyEncoding, ShardSpec, StorageSpec } from "./model.ts";

/** A Zarr source's storage. */
export function storageOf(source: SourceSpec): StorageSpec {
  // Made by sourceOf in open.ts; JSON has no narrower type of its own.
  return source.meta as unknown as StorageSpec;
}

/** Name of the object at these coordinates of the grid of objects. */
export function objectKey(keys: KeyEncoding, at: readonly number[]): string {
  if (keys.kind === "v2") return at.length === 0 ? "0" : at.join(keys.separator);
  return at.length === 0 ? "c" : `c${keys.separator}${at.join(keys.separator)}`;
}

/** Shape of one object: the shard, or the chunk. */
export function objectShape(source: SourceSpec): readonly number[] {
  return storageOf(source).shard?.shape ?? source.chunkShape;
}

/** One chunk that a region touches. */
export interface Piece {
  /** Coordinates in the grid of chunks. */
  readonly at: readonly number[];
  /** Object that holds it. */
  readonly key: string;
  /** Its place in the shard's index, or -1. */
  readonly inner: number;
}

/**
 * Chunks that `region` touches, in C order.
 * @throws {SelectionError} a region that is not within the array
 */
export function piecesOf(source: SourceSpec, region: Region): Piece[] {
  const { shape, chunkShape } = source;
  const isInside =
    region.length === shape.length &&
    region.every(
      (r, k) =>
        Number.isInteger(r.start) &&
        Number.isInteger(r.stop) &&
        r.start >= 0 &&
        r.start <= r.stop &&
        r.stop <= shape[k]!,
    );
  if (!isInside) {
    const text = region.map((r) => `${r.start}:${r.stop}`).join(", ");
    throw new SelectionError(`region [${text}] is not within an array of shape (${shape.join(", ")})`);
  }
  if (region.some((r) => r.start === r.stop)) return [];
  const first = region.map((r, k) => Math.floor(r.start / chunkShape[k]!)); // one size per axis, throughout
  const count = region.map((r, k) => Math.ceil(r.stop / chunkShape[k]!) - first[k]!);
  const { keys, shard } = storageOf(source);
  return Array.from({ length: sizeOf(count) }, (_, n) => {
    const at = new Array<number>(count.length);
    let rest = n;
    for (let k = count.length - 1; k >= 0; k--) {
      at[k] = first[k]! + (rest % count[k]!);
      rest = Math.floor(rest / count[k]!);
    }
    return pieceAt(at, { keys, shard, chunkShape });
  });
}

interface PieceGrid {
  readonly keys: KeyEncoding;
  readonly shard: ShardSpec | null;
  readonly chunkShape: readonly number[];
}

function pieceAt(at: readonly number[], grid: PieceGrid): Piece {
  const { keys, shard, chunkShape } = grid;
  if (shard === null) return { at, key: objectKey(keys, at), inner: -1 };
  let inner = 0;
  const object = at.map((i, k) => {
    const per = shard.shape[k]! / chunkShape[k]!; // whole: checked when parsed
    inner = inner * per + (i % per);
    return Math.floor(i / per);
  });
  return { at, key: objectKey(keys, object), inner };
}

/** Where a chunk goes: the target's part, where that begins within the chunk, and whether it is the whole chunk. */
export interface Target {
  readonly target: NDArray;
  readonly from: readonly number[];
  readonly isWhole: boolean;
}

/** Where the chunk at `at` goes in `into`, the region's block. */
export function targetOf(source: SourceSpec, at: readonly number[], region: Region, into: NDArray): Target {
  const from: number[] = [];
  const shape: number[] = [];
  let offset = into.offset;
  let isWhole = true;
  at.forEach((i, k) => {
    const size = source.chunkShape[k]!; // one size per axis, throughout
    const { start, stop } = region[k]!;
    const lo = Math.max(i * size, start);
    const hi = Math.min((i + 1) * size, stop);
    from.push(lo - i * size);
    shape.push(hi - lo);
    offset += (lo - start) * into.stride[k]!;
    isWhole &&= hi - lo === size;
  });
  return { target: new NDArray(into.dtype, into.data, shape, into.stride, offset), from, isWhole };
}

/** The part of `chunk` that starts at `from` with the shape given; a view. */
export function partOf(chunk: NDArray, from: readonly number[], shape: readonly number[]): NDArray {
  const offset = from.reduce((sum, i, k) => sum + i * chunk.stride[k]!, chunk.offset); // one stride per axis
  return new NDArray(chunk.dtype, chunk.data, shape, chunk.stride, offset);
}
