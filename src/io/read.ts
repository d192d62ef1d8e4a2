/** One door to the formats' readers: plans and blocks for any source. */
import { invariant } from "../base/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import type { ReadContext, ReadPlan, ReadStats, Region, SourceSpec } from "./source.ts";
import { decodeTiffRegion, fetchTiffRegion, planTiffRead, readTiffRegionSync, type TiffBand } from "./tiff/read.ts";
import { decodeZarr, fetchZarr } from "./zarr/fetch.ts";
import { planZarrRead, readZarrSync } from "./zarr/read.ts";

/**
 * What reading `region` of `source` takes: pieces, requests, bytes, and the memory beside the block. Pure.
 * @throws {SelectionError} the region leaves the source
 * @throws {UnsupportedError} a codec or layout that is not read
 */
export function planRead(source: SourceSpec, region: Region): ReadPlan {
  return source.format === "tiff" ? planTiffRead(source, region) : planZarrRead(source, region);
}

/**
 * Read `region` of a local source into `into`: the region's shape, the source's dtype, any strides, any memory.
 * Synchronous, for compute threads. A failed read may leave parts of `into` written.
 * `others` are read along where they share its tiles (`sharesTiles`): nothing is fetched or decoded twice.
 * @throws {ReadError | NotFoundError | SourceChangedError | CodecError} naming URL, tile or chunk, and byte range
 */
export function readRegionSync(
  source: SourceSpec,
  region: Region,
  into: NDArray,
  context: ReadContext,
  others: readonly TiffBand[] = [],
): ReadStats {
  if (source.format === "tiff") return readTiffRegionSync(source, region, into, context, others);
  invariant(others.length === 0, "only bands of a TIFF share tiles");
  return readZarrSync(source, region, into, context);
}

/**
 * Phase 1 for remote sources: fetch everything that `plan` asks for into `slots` (at least `plan.slotBytes`; may be
 * shared memory). The first failure aborts the other requests.
 */
export function fetchRegion(plan: ReadPlan, slots: Uint8Array, context: ReadContext): Promise<ReadStats> {
  return plan.source.format === "tiff" ? fetchTiffRegion(plan, slots, context) : fetchZarr(plan, slots, context);
}

/** Phase 2, synchronous, on any thread: decode `slots` into `into`. */
export function decodeRegion(plan: ReadPlan, slots: Uint8Array, into: NDArray, context: ReadContext): void {
  const decode = plan.source.format === "tiff" ? decodeTiffRegion : decodeZarr;
  decode(plan, slots, into, context);
}

/** Both phases in one call, local or not: for small reads and scripts, not for compute threads. */
export async function readRegion(
  source: SourceSpec,
  region: Region,
  into: NDArray,
  context: ReadContext,
): Promise<ReadStats> {
  const plan = planRead(source, region);
  if (plan.local) return readRegionSync(source, region, into, context);
  const slots = new Uint8Array(plan.slotBytes);
  const stats = await fetchRegion(plan, slots, context);
  decodeRegion(plan, slots, into, context);
  return stats;
}
