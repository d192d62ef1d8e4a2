/** Chunks as functions: what users may write, and arrays cut alike. */
import { ChunkError, parseBytes, UnsupportedError } from "../../base/index.ts";
import { asDType, type DType, itemsize } from "../../dtype/index.ts";
import { type ChunkSpec, normalizeChunks as normalize } from "../../graph/index.ts";
import { chunkSizeBytes, chunkTolerance } from "../auto.ts";
import type { ChunkedArray } from "../chunked-array.ts";
import { known } from "../inputs.ts";
import type { ArrayLike } from "../shape/create.ts";

/** Options of {@link normalizeChunks}. */
export interface NormalizeChunksOptions {
  readonly shape: readonly number[];
  /** dtype whose size `"auto"` counts with; float64 by default. */
  readonly dtype?: DType;
  /** Bytes of an automatic block: a number or `"64MiB"`; the configured size by default. */
  readonly limit?: number | string;
  /** Chunks that null keeps, and that automatic sizes follow as Dask's do. */
  readonly previousChunks?: readonly (readonly number[])[];
}

/**
 * Block sizes for each axis from any form of `chunks`. Automatic sizes without `previousChunks` are balanced, unlike Dask's. dask.array `normalize_chunks`.
 * @throws {ChunkError} sizes that do not add up
 */
export function normalizeChunks(chunks: ChunkSpec, options: NormalizeChunksOptions): number[][] {
  const { shape, dtype = "float64", limit, previousChunks } = options;
  return normalize(chunks, shape, {
    targetBytes: limit === undefined ? chunkSizeBytes() : parseBytes(limit, "limit"),
    itemsize: itemsize(asDType(dtype)),
    ...(previousChunks ? { previous: previousChunks, tolerance: chunkTolerance() } : {}),
  });
}

/** What {@link unifyChunks} gives. */
export interface Unified {
  /** Cuts by index. */
  readonly chunks: Readonly<Record<string, readonly number[]>>;
  readonly arrays: readonly ChunkedArray[];
}

/**
 * Arrays cut alike along the axes that share an index: `unifyChunks(a, "ij", b, "j")`. The array with the most bytes
 * decides; axes of size 1 stay. dask.array `unify_chunks`, which takes the common refinement.
 * @throws {ChunkError} sizes that differ along an index, or an index for each axis missing
 */
export function unifyChunks(...pairs: readonly (ArrayLike | string | readonly (string | number)[])[]): Unified {
  const given: { readonly x: ChunkedArray; readonly index: readonly string[] }[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const x = known("unifyChunks", pairs[i] as ArrayLike); // arrays and indices alternate
    const index = [...((pairs[i + 1] ?? "") as string | readonly (string | number)[])].map(String);
    if (index.length !== x.ndim)
      throw new ChunkError(`unifyChunks with index ${JSON.stringify(pairs[i + 1])} for an array of rank ${x.ndim}`);
    given.push({ x, index });
  }
  const chunks: Record<string, readonly number[]> = {};
  for (const { x, index } of [...given].sort((a, b) => b.x.nbytes - a.x.nbytes))
    index.forEach((name, k) => {
      const n = x.shape[k] as number; // one index per axis
      const known = chunks[name]?.reduce((a, b) => a + b, 0);
      if (known === undefined || (known === 1 && n !== 1)) chunks[name] = x.chunks[k] as readonly number[];
      else if (n !== 1 && n !== known)
        throw new ChunkError(`unifyChunks: index ${name} has ${known} and ${n} elements`);
    });
  const arrays = given.map(({ x, index }) =>
    x.rechunk(index.map((name, k) => (x.shape[k] === 1 ? [1] : (chunks[name] as readonly number[])))),
  );
  return { chunks, arrays };
}

/** Refused: blocks are of one kind here. dask.array `register_chunk_type`. @throws {UnsupportedError} always */
export function registerChunkType(): never {
  throw new UnsupportedError("registerChunkType: blocks are NDArrays, whatever made them; convert with asarray");
}
