/** Reading regions of Zarr arrays: the plan, made without I/O, and the synchronous reader of local stores. */
import { invariant } from "../../base/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { Scratch } from "../scratch.ts";
import type { ReadContext, ReadPlan, ReadStats, Region, SourceSpec } from "../source.ts";
import { isLocalUrl, openStore } from "../store/open-store.ts";
import { isSyncStore, type SyncStore } from "../store/store.ts";
import { noteCache } from "../work.ts";
import { SLOT_HEADER_BYTES } from "./fetch.ts";
import { type Piece, piecesOf, storageOf } from "./grid.ts";
import {
  type ChunkRange,
  checkLength,
  codecFor,
  decodePiece,
  fillPiece,
  indexRange,
  innerRange,
  type Job,
  type OpenShard,
  type ShardOf,
} from "./piece.ts";
import { parseShardIndex } from "./shard.ts";

const SLACK_BYTES = 256 * 1024;
/**
 * What reading `region` takes. Pure. Encoded lengths are not known beforehand: `bytes` is the decoded size of the chunks
 * touched, and slots are as large as an encoded chunk may be.
 * @throws {SelectionError} a region that is not within the array
 */
export function planZarrRead(source: SourceSpec, region: Region): ReadPlan {
  const codec = codecFor(source);
  const pieces = piecesOf(source, region);
  const slot = SLOT_HEADER_BYTES + Math.ceil(codec.encodedBytesMax / 8) * 8;
  const local = isLocalUrl(source.url);
  const slotBytes = pieces.length * slot;
  return {
    source,
    region,
    pieces: pieces.length,
    requests: pieces.map((p, k) => ({ key: p.key, offset: 0, length: codec.encodedBytesMax, slot: k * slot })),
    bytes: pieces.length * codec.nbytes,
    slotBytes,
    workspaceBytes:
      (local ? Math.min(1, pieces.length) * slot : slotBytes) + codec.nbytes + codec.workspaceBytes + SLACK_BYTES,
    local,
  };
}

const encoded = new Scratch();

/**
 * Read `region` of a local array into `into` (the region's shape and the array's dtype, any strides). A chunk that is
 * not there gives the fill value.
 * @throws {CodecError} a chunk of another length, corrupt, or with a wrong checksum
 * @throws {ReadError} the store fails
 */
export function readZarrSync(source: SourceSpec, region: Region, into: NDArray, context: ReadContext): ReadStats {
  const store = openStore(source.url);
  invariant(isSyncStore(store), `${source.url} has no synchronous store`);
  const job: Job = { source, region, into, codec: codecFor(source), kernels: context.kernels };
  const { shard } = storageOf(source);
  const shards = new Map<string, OpenShard | null>();
  let [requests, bytes] = [0, 0];
  for (const piece of piecesOf(source, region)) {
    context.signal?.throwIfAborted();
    let at: ChunkRange | null;
    if (shard === null) at = wholeObject(store, piece, job);
    else {
      let open = shards.get(piece.key);
      noteCache("shard-indexes", open !== undefined);
      if (open === undefined) {
        open = openShardSync(store, piece.key, { job, shard, kernels: job.kernels });
        shards.set(piece.key, open);
        requests++;
      }
      at = open === null ? null : innerRange(open, piece, job);
    }
    if (at === null) {
      fillPiece(job, piece);
      continue;
    }
    const { data, room } = rooms(context.scratch, at.length);
    store.readIntoSync(piece.key, at.offset, data, { expect: at.version });
    requests++;
    bytes += at.length;
    decodePiece(job, piece, data, room);
  }
  return { requests, bytes };
}

/** Memory for a chunk's encoded bytes, and for its decoded ones: the caller's where that is large enough. */
function rooms(
  scratch: Uint8Array | undefined,
  nbytes: number,
): { readonly data: Uint8Array; readonly room?: Uint8Array } {
  if (scratch === undefined || scratch.length < nbytes) return { data: encoded.take(nbytes) };
  const rest = nbytes + ((8 - ((scratch.byteOffset + nbytes) % 8)) % 8);
  return { data: scratch.subarray(0, nbytes), room: scratch.subarray(Math.min(rest, scratch.length)) };
}

function wholeObject(store: SyncStore, piece: Piece, job: Job): ChunkRange | null {
  const head = store.headSync(piece.key);
  if (head === null) return null;
  checkLength(job, piece, head.size);
  return { offset: 0, length: head.size, version: head.version };
}

function openShardSync(store: SyncStore, key: string, of: ShardOf & Pick<Job, "kernels">): OpenShard | null {
  const head = store.headSync(key);
  if (head === null) return null;
  const { at, length, place } = indexRange(key, head.size, of);
  const bytes = new Uint8Array(length);
  store.readIntoSync(key, at, bytes, { expect: head.version });
  const index = parseShardIndex(bytes, { shard: of.shard, place, size: head.size, kernels: of.kernels });
  return { index, version: head.version };
}
