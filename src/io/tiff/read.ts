/** Regions of a TIFF into blocks: planned without I/O, read in one go from local files or in two phases from the web. */
import { invariant, ReadError } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { FILE_MERGE, type MergeRule, splitRange, WEB_MERGE } from "../range/merge.ts";
import type { RangeRequest, ReadContext, ReadPlan, ReadStats, Region, SourceSpec } from "../source.ts";
import { isLocalUrl, locate } from "../store/open-store.ts";
import { isSyncStore, type Store } from "../store/store.ts";
import { checkReadable, decodePiece, decoderRooms, tileDecoder } from "./decode.ts";
import { type TiffPieces, tilePieces } from "./pieces.ts";

/** Allocations of the runtime around a read. */
const SLACK_BYTES = 256 * 1024;

/** See `planRead`. */
export function planTiffRead(source: SourceSpec, region: Region): ReadPlan {
  const local = isLocalUrl(source.url);
  const laidOut = tilePieces(source, region, mergeRule(local));
  checkReadable(laidOut.meta, source.url);
  const { key } = locate(source.url);
  let slot = 0;
  const requests: RangeRequest[] = laidOut.requests.map(({ offset, length }) => {
    const at = slot;
    slot += length;
    return { key, offset, length, slot: at };
  });
  const rooms = decoderRooms(laidOut.meta, dtypeInfo(source.dtype).itemsize);
  const largest = requests.reduce((max, r) => Math.max(max, r.length), 0);
  // The codec's own output is a second tile.
  const tiles = 2 * rooms.tileBytes + rooms.widenedBytes;
  return {
    source,
    region,
    pieces: laidOut.pieces.length,
    requests,
    bytes: slot,
    slotBytes: local ? largest : slot,
    workspaceBytes: (local ? largest : slot) + tiles + SLACK_BYTES,
    local,
  };
}

/**
 * Read `region` into `into` (the region's shape, the source's dtype, any strides), request by request.
 * @throws {ReadError | CodecError | SourceChangedError | NotFoundError} with URL, tile and byte range
 */
export function readTiffRegionSync(source: SourceSpec, region: Region, into: NDArray, context: ReadContext): ReadStats {
  checkTarget(source, region, into);
  const laidOut = tilePieces(source, region, mergeRule(true));
  const { store, key } = locate(source.url);
  if (!isSyncStore(store))
    throw new ReadError(`${source.url} is not local; fetch it first`, { details: { url: source.url } }, "not-local");
  const largest = laidOut.requests.reduce((max, r) => Math.max(max, r.length), 0);
  const scratch = roomOf(context, largest + decoderBytes(source, laidOut));
  const slot = scratch.subarray(0, largest);
  const decoder = tileDecoder(source, laidOut.meta, context, scratch.subarray(largest));
  const expect = source.version ? { expect: source.version } : {};
  let bytes = 0;
  for (const request of laidOut.requests) {
    context.signal?.throwIfAborted();
    store.readIntoSync(key, request.offset, slot.subarray(0, request.length), expect);
    bytes += request.length;
    for (const member of request.members) {
      const piece = laidOut.pieces[member]!;
      const at = piece.offset - request.offset;
      decodePiece(decoder, piece, slot.subarray(at, at + piece.length), into);
    }
  }
  for (const piece of laidOut.pieces) if (piece.length === 0) decodePiece(decoder, piece, slot, into);
  return { requests: laidOut.requests.length, bytes };
}

/** Fetch all requests of `plan` into `slots` (at least `plan.bytes`); the first failure aborts the others. */
export async function fetchTiffRegion(plan: ReadPlan, slots: Uint8Array, context: ReadContext): Promise<ReadStats> {
  const { store } = locate(plan.source.url);
  const abort = new AbortController();
  const signal = context.signal ? AbortSignal.any([context.signal, abort.signal]) : abort.signal;
  const reads = plan.requests.flatMap((request) =>
    splitRange(request).map((part) => {
      const at = request.slot + part.offset - request.offset;
      return readPart(store, plan, { ...part, key: request.key, slot: at }, { slots, signal });
    }),
  );
  try {
    await Promise.all(reads);
  } catch (e) {
    abort.abort(e);
    await Promise.allSettled(reads);
    throw e;
  }
  return { requests: reads.length, bytes: plan.bytes };
}

async function readPart(
  store: Store,
  plan: ReadPlan,
  part: RangeRequest,
  to: { readonly slots: Uint8Array; readonly signal: AbortSignal },
): Promise<void> {
  const { version } = plan.source;
  const into = to.slots.subarray(part.slot, part.slot + part.length);
  await store.readInto(part.key, part.offset, into, { signal: to.signal, ...(version ? { expect: version } : {}) });
}

/** Decode what {@link fetchTiffRegion} left in `slots` into `into`. */
export function decodeTiffRegion(plan: ReadPlan, slots: Uint8Array, into: NDArray, context: ReadContext): void {
  checkTarget(plan.source, plan.region, into);
  const laidOut = tilePieces(plan.source, plan.region, mergeRule(plan.local));
  invariant(laidOut.requests.length === plan.requests.length, "a plan's requests follow from source and region");
  const decoder = tileDecoder(plan.source, laidOut.meta, context, roomOf(context, decoderBytes(plan.source, laidOut)));
  laidOut.requests.forEach((request, i) => {
    for (const member of request.members) {
      const piece = laidOut.pieces[member]!;
      const at = plan.requests[i]!.slot + piece.offset - request.offset;
      decodePiece(decoder, piece, slots.subarray(at, at + piece.length), into);
    }
  });
  for (const piece of laidOut.pieces) if (piece.length === 0) decodePiece(decoder, piece, slots, into);
}

function mergeRule(local: boolean): MergeRule {
  return local ? FILE_MERGE : WEB_MERGE;
}

function decoderBytes(source: SourceSpec, { meta }: TiffPieces): number {
  const { tileBytes, widenedBytes } = decoderRooms(meta, dtypeInfo(source.dtype).itemsize);
  return tileBytes + widenedBytes + 16;
}

function roomOf(context: ReadContext, nbytes: number): Uint8Array {
  return context.scratch && context.scratch.length >= nbytes ? context.scratch : new Uint8Array(nbytes);
}

function checkTarget(source: SourceSpec, region: Region, into: NDArray): void {
  const isFit =
    into.dtype === source.dtype &&
    into.ndim === region.length &&
    region.every(({ start, stop }, k) => into.shape[k] === stop - start);
  invariant(
    isFit,
    `region of ${source.dtype} ${JSON.stringify(region)} does not fit a ${into.dtype} block of shape (${into.shape.join(", ")})`,
  );
}
