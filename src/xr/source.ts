/** From a source that io describes to a lazy array: chunks by name, and a bound on what reading one of them needs. */
import { ChunkedArray, cutChunks } from "../array/index.ts";
import { ArgumentError } from "../base/index.ts";
import { type AxisChunks, type Chunks, offsetsOf, type Plain, sourceNode } from "../graph/index.ts";
import { planRead, type SourceSpec } from "../io/index.ts";

/** `chunks` as users write them: one for all dimensions, a list by position, or an object by dimension name. */
export type NamedChunks<K extends string = string> =
  | AxisChunks
  | readonly AxisChunks[]
  | { readonly [P in K]?: AxisChunks };

/**
 * Chunks with names turned into positions.
 * @throws {ArgumentError} a name that is no dimension
 */
export function positionalChunks(
  chunks: NamedChunks,
  dims: readonly string[],
): AxisChunks | readonly AxisChunks[] | { readonly [axis: number]: AxisChunks } {
  if (typeof chunks !== "object" || chunks === null || Array.isArray(chunks)) return chunks as AxisChunks; // no object by name
  const out: Record<number, AxisChunks> = {};
  for (const [dim, given] of Object.entries(chunks)) {
    const axis = dims.indexOf(dim);
    if (axis < 0)
      throw new ArgumentError(`chunks name dimension ${JSON.stringify(dim)}; the array has ${dims.join(", ")}`, {
        details: { dim, dims },
      });
    out[axis] = given as AxisChunks; // values of the object are axis chunks
  }
  return out;
}

/** Lazy array over a source, cut along its tiles or chunks by default. */
export function sourceArray(
  label: string,
  source: SourceSpec,
  dims: readonly string[],
  chunks: NamedChunks = "auto",
): ChunkedArray {
  const named = positionalChunks(chunks, dims);
  // Dimensions that an object does not name are chosen as by "auto".
  const isByAxis = typeof named === "object" && named !== null && !Array.isArray(named);
  const spec = isByAxis ? dims.map((_, k) => (named as Record<number, AxisChunks>)[k] ?? "auto") : named;
  const cut = cutChunks(source.shape, source.dtype, spec, { align: source.chunkShape });
  const node = sourceNode({
    label,
    source: source as unknown as Plain, // plain data by its contract
    dtype: source.dtype,
    chunks: cut,
    scratchBytes: scratchBytes(source, cut),
  });
  return new ChunkedArray(node);
}

/** Most blocks looked at for the bound; beyond it, evenly chosen ones stand for all. */
const LOOKED_AT_MAX = 1024;

/** Bytes beside the block that reading any block may take. */
function scratchBytes(source: SourceSpec, chunks: Chunks): number {
  const total = chunks.reduce((n, sizes) => n * sizes.length, 1);
  const stride = Math.max(1, Math.floor(total / LOOKED_AT_MAX));
  let most = 0;
  for (let index = 0; index < total; index += stride) {
    let rest = index;
    const region = [...chunks].reverse().map((sizes) => {
      const position = rest % sizes.length;
      rest = Math.floor(rest / sizes.length);
      const start = offsetsOf(sizes)[position] as number; // position is below the length
      return { start, stop: start + (sizes[position] as number) };
    });
    most = Math.max(most, planRead(source, region.reverse()).workspaceBytes);
  }
  return most;
}
