/** Functions that move and join arrays: NumPy's names over lazy arrays. */
import { ArgumentError, AxisError, ShapeError } from "../base/index.ts";
import { promoteTypes } from "../dtype/index.ts";
import { type ChunkSpec, concatenateNode, type LayerNode, rechunkNode, sameChunks, stackNode } from "../graph/index.ts";
import { NDArray, normalizeAxis, type SliceArg } from "../ndarray/index.ts";
import { ChunkedArray } from "./chunked-array.ts";
import { fromArray } from "./create.ts";

/** NumPy `astype`. */
export function astype(x: ChunkedArray, dtype: Parameters<ChunkedArray["astype"]>[0]): ChunkedArray {
  return x.astype(dtype);
}
/** Basic indexing; see {@link ChunkedArray.slice}. */
export function slice(x: ChunkedArray, ...index: readonly SliceArg[]): ChunkedArray {
  return x.slice(...index);
}
/** dask.array `rechunk`. */
export function rechunk(x: ChunkedArray, chunks: ChunkSpec): ChunkedArray {
  return x.rechunk(chunks);
}
/** NumPy `transpose`. */
export function transpose(x: ChunkedArray, axes?: readonly number[]): ChunkedArray {
  return x.transpose(...(axes ?? []));
}

function lazies(label: string, arrays: readonly (ChunkedArray | NDArray)[]): ChunkedArray[] {
  if (!Array.isArray(arrays) || arrays.length === 0)
    throw new ArgumentError(`${label} needs a list of at least one array`);
  const lazy = arrays.map((a) => (a instanceof NDArray ? fromArray(a) : a));
  const dtype = lazy.map((a) => a.dtype).reduce(promoteTypes);
  return lazy.map((a) => a.astype(dtype));
}

/** Nodes whose axes (all but `except`) are cut like the largest array's. */
function cutAlike(arrays: readonly ChunkedArray[], except: number | null): LayerNode[] {
  const largest = arrays.reduce((a, b) => (b.nbytes > a.nbytes ? b : a));
  return arrays.map((a) => {
    const wanted = a.chunks.map((c, k) => (k === except ? c : (largest.chunks[k] as readonly number[])));
    return sameChunks(wanted, a.chunks) ? a.node : rechunkNode(a.node, wanted);
  });
}

/**
 * Arrays joined along an existing axis; dtype by promotion. NumPy `concatenate`.
 * @throws {ShapeError} other axes differ  @throws {AxisError}  @throws {ArgumentError} no array
 */
export function concatenate(arrays: readonly (ChunkedArray | NDArray)[], axis = 0): ChunkedArray {
  const lazy = lazies("concatenate", arrays);
  const first = lazy[0] as ChunkedArray; // not empty
  if (first.ndim === 0) throw new AxisError("concatenate of 0-d arrays; use stack");
  const k = normalizeAxis(axis, first.ndim);
  for (const a of lazy) {
    if (a.ndim !== first.ndim || a.shape.some((n, i) => i !== k && n !== first.shape[i])) {
      throw new ShapeError(
        `concatenate along axis ${k}: shapes (${first.shape.join(", ")}) and (${a.shape.join(", ")}) differ elsewhere`,
      );
    }
  }
  return new ChunkedArray(concatenateNode(cutAlike(lazy, k), k));
}

/** Arrays of one shape joined along a new axis; dtype by promotion. NumPy `stack`. @throws {ShapeError} shapes differ */
export function stack(arrays: readonly (ChunkedArray | NDArray)[], axis = 0): ChunkedArray {
  const lazy = lazies("stack", arrays);
  const first = lazy[0] as ChunkedArray; // not empty
  for (const a of lazy) {
    if (a.ndim !== first.ndim || a.shape.some((n, i) => n !== first.shape[i]))
      throw new ShapeError(`stack: shapes (${first.shape.join(", ")}) and (${a.shape.join(", ")}) differ`);
  }
  return new ChunkedArray(stackNode(cutAlike(lazy, null), normalizeAxis(axis, first.ndim + 1)));
}
