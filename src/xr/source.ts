/** From a source that io describes to a lazy array: chunks by name. */
import { ChunkedArray, sourceLayer } from "../array/index.ts";
import { ArgumentError } from "../base/index.ts";
import type { AxisChunks } from "../graph/index.ts";
import type { SourceSpec } from "../io/index.ts";

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
  return new ChunkedArray(sourceLayer(label, source, spec));
}
