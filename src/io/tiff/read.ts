/** Regions of a TIFF into blocks: planned without I/O, read in one go from local files or in two phases from the web. */
import { invariant, ReadError } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { FILE_MERGE, type MergeRule, splitRange, WEB_MERGE } from "../range/merge.ts";
import { Scratch } from "../scratch.ts";
import type { RangeRequest, ReadContext, ReadPlan, ReadStats, Region, SourceSpec } from "../source.ts";
import { redact } from "../store/keys.ts";
import { isLocalUrl, locate } from "../store/open-store.ts";
import { isSyncStore, type Store, sameVersion } from "../store/store.ts";
import { decodingStart, noteDecoded } from "../work.ts";
import { checkReadable, decodePiece, decoderRooms, located, tileDecoder } from "./decode.ts";
import { tileRowBytes } from "./directory.ts";
import { decodeMeta, isSameImage } from "./meta.ts";
import { type TiffPieces, tilePieces } from "./pieces.ts";
import { decodeRare, isRare } from "./rare.ts";

/** Allocations of the runtime around a read. */
const SLACK_BYTES = 256 * 1024;

/** See `planRead`. Rare codecs are never local: they decode while fetching, and their slots hold raw pixels. */
export function planTiffRead(source: SourceSpec, region: Region): ReadPlan {
  const laidOut = tilePieces(source, region, mergeRule(isLocalUrl(source.url)));
  const { meta, pieces } = laidOut;
  checkReadable(meta, redact(source.url));
  const rare = isRare(meta);
  const local = isLocalUrl(source.url) && !rare;
  const { key } = locate(source.url);
  let bytes = 0;
  const requests: RangeRequest[] = laidOut.requests.map(({ offset, length }) => {
    const slot = bytes;
    bytes += length;
    return { key, offset, length, slot };
  });
  const decoding = decoderRooms(meta, dtypeInfo(source.dtype).itemsize);
  const largest = requests.reduce((max, r) => Math.max(max, r.length), 0);
  const slotBytes = rare ? pieces.length * decoding.tileBytes : local ? largest : bytes;
  // The codec's own output is a second tile.
  const workspaceBytes = slotBytes + (rare ? bytes : 0) + 2 * decoding.tileBytes + decoding.widenedBytes + SLACK_BYTES;
  return { source, region, pieces: pieces.length, requests, bytes, slotBytes, workspaceBytes, local };
}

/** A further band of the file that is read, and where its pixels go. */
export interface TiffBand {
  readonly source: SourceSpec;
  readonly into: NDArray;
}

/**
 * True where one decoding of a region's tiles gives both bands: they lie pixel by pixel in one local file. False for stacks
 * of bands, which are one source already.
 */
export function sharesTiles(a: SourceSpec, b: SourceSpec): boolean {
  if (a.format !== "tiff" || b.format !== "tiff" || a.url !== b.url || !isLocalUrl(a.url)) return false;
  if (a.shape.length !== 2 || b.shape.length !== 2 || !isSameFile(a, b)) return false;
  const { meta } = decodeMeta(a);
  return meta.samples > 1 && !meta.isPlanar && !isRare(meta) && isSameImage(meta, decodeMeta(b).meta);
}

function isSameFile({ version: a }: SourceSpec, { version: b }: SourceSpec): boolean {
  return a === null || b === null ? a === b : sameVersion(a, b);
}

/**
 * Read `region` into `into` (the region's shape, the source's dtype, any strides), request by request; `others` are bands
 * that share its tiles ({@link sharesTiles}) and are read along.
 * @throws {ReadError | CodecError | SourceChangedError | NotFoundError} with URL, tile and byte range
 */
export function readTiffRegionSync(
  source: SourceSpec,
  region: Region,
  into: NDArray,
  context: ReadContext,
  others: readonly TiffBand[] = [],
): ReadStats {
  checkTarget(source, region, into);
  for (const other of others) checkTarget(other.source, region, other.into);
  const laidOut = tilePieces(source, region, mergeRule(true));
  const along = others.map((o) => ({ sample: decodeMeta(o.source).meta.bands[0]!, into: o.into }));
  const { store, key } = locate(source.url);
  if (!isSyncStore(store) || isRare(laidOut.meta)) {
    const url = redact(source.url);
    throw new ReadError(`${url} cannot be read synchronously; fetch it first`, { details: { url } }, "not-local");
  }
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
      decodePiece(decoder, piece, slot.subarray(at, at + piece.length), into, along);
    }
  }
  for (const piece of laidOut.pieces) if (piece.length === 0) decodePiece(decoder, piece, slot, into, along);
  return { requests: laidOut.requests.length, bytes };
}

/** Fetch all requests of `plan` into `slots` (at least `plan.slotBytes`); the first failure aborts the others. */
export async function fetchTiffRegion(plan: ReadPlan, slots: Uint8Array, context: ReadContext): Promise<ReadStats> {
  const laidOut = tilePieces(plan.source, plan.region, mergeRule(isLocalUrl(plan.source.url)));
  if (!isRare(laidOut.meta)) return fetchRequests(plan, slots, context);
  const compressed = new Uint8Array(plan.bytes);
  const stats = await fetchRequests(plan, compressed, context);
  const { tileBytes } = decoderRooms(laidOut.meta, 1);
  for (const [piece, bytes] of storedPieces(plan, laidOut, compressed)) {
    context.signal?.throwIfAborted();
    try {
      const startMs = decodingStart();
      const raw = await decodeRare(laidOut.meta, laidOut.pieces[piece]!.tile, bytes);
      noteDecoded(startMs);
      slots.set(raw, piece * tileBytes);
    } catch (e) {
      throw located(e, plan.source, laidOut.pieces[piece]!);
    }
  }
  return stats;
}

async function fetchRequests(plan: ReadPlan, slots: Uint8Array, context: ReadContext): Promise<ReadStats> {
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
  const laidOut = tilePieces(plan.source, plan.region, mergeRule(isLocalUrl(plan.source.url)));
  const decoder = tileDecoder(plan.source, laidOut.meta, context, roomOf(context, decoderBytes(plan.source, laidOut)));
  if (isRare(laidOut.meta)) {
    const { tileBytes } = decoderRooms(laidOut.meta, 1);
    laidOut.pieces.forEach((piece, i) => {
      const rawBytes = piece.storedRows * tileRowBytes(laidOut.meta);
      if (piece.length > 0) decodePiece(decoder, piece, slots.subarray(i * tileBytes, i * tileBytes + rawBytes), into);
    });
  } else {
    for (const [piece, bytes] of storedPieces(plan, laidOut, slots))
      decodePiece(decoder, laidOut.pieces[piece]!, bytes, into);
  }
  for (const piece of laidOut.pieces) if (piece.length === 0) decodePiece(decoder, piece, slots, into);
}

/** Index and stored bytes of every piece that is not sparse. */
function* storedPieces(
  plan: ReadPlan,
  laidOut: TiffPieces,
  slots: Uint8Array,
): Generator<[piece: number, bytes: Uint8Array]> {
  invariant(laidOut.requests.length === plan.requests.length, "a plan's requests follow from source and region");
  for (const [i, request] of laidOut.requests.entries()) {
    for (const member of request.members) {
      const { offset, length } = laidOut.pieces[member]!;
      const at = plan.requests[i]!.slot + offset - request.offset;
      yield [member, slots.subarray(at, at + length)];
    }
  }
}

function mergeRule(local: boolean): MergeRule {
  return local ? FILE_MERGE : WEB_MERGE;
}

function decoderBytes(source: SourceSpec, { meta }: TiffPieces): number {
  const { tileBytes, widenedBytes } = decoderRooms(meta, dtypeInfo(source.dtype).itemsize);
  return tileBytes + widenedBytes + 16;
}

/** Slots of one request and a tile of a few bands; reads of one thread never overlap, as they are synchronous. */
const rooms = new Scratch(8 * 2 ** 20);

function roomOf(context: ReadContext, nbytes: number): Uint8Array {
  return context.scratch && context.scratch.length >= nbytes ? context.scratch : rooms.take(nbytes);
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
