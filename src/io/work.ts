/** What reading takes beside traffic, counted per thread: time of decoding, and how far the caches help. */
import { systemClock } from "./store/system-clock.ts";

/** Caches of this room: files held open, tables of TIFF files, indexes of shards (within one read). */
export const IO_CACHES = ["open-files", "tiff-tables", "shard-indexes"] as const;

/** One of {@link IO_CACHES}. */
export type IoCache = (typeof IO_CACHES)[number];

/** Sums of a thread since its start. */
export interface IoWork {
  /** Decompressing chunks and tiles, and bringing their pixels into blocks; several threads add up. */
  readonly decodeMs: number;
  readonly hits: Readonly<Record<IoCache, number>>;
  readonly misses: Readonly<Record<IoCache, number>>;
}

const none = (): Record<IoCache, number> => ({ "open-files": 0, "tiff-tables": 0, "shard-indexes": 0 });
const work = { decodeMs: 0, hits: none(), misses: none() };

/** The sums of this thread now; the object changes as it works. */
export function ioWork(): IoWork {
  return work;
}

/** Somebody has asked a cache. */
export function noteCache(cache: IoCache, isHit: boolean): void {
  (isHit ? work.hits : work.misses)[cache]++;
}

/** When decoding begins; for {@link noteDecoded}. */
export function decodingStart(): number {
  return systemClock.now();
}

/** A chunk or tile is decoded. */
export function noteDecoded(startMs: number): void {
  work.decodeMs += systemClock.now() - startMs;
}
