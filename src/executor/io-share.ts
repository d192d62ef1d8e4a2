/** What threads have read from stores: counters in shared memory, as compute threads read files where nobody else sees it. */
import { IO_CACHES, type IoCache, ioCountersByOrigin, ioWork } from "../io/index.ts";

/** Reads of one host; `file` for files. */
export interface HostReads {
  readonly host: string;
  /** Requests sent, repeated ones and redirects included; for files, reads. */
  readonly requests: number;
  /** Bytes that came. */
  readonly bytes: number;
}

/** What an owner's thread and its compute threads have read since their start. */
export interface IoFigures {
  readonly reads: readonly HostReads[];
  /** Decompressing chunks and tiles, and bringing their pixels into blocks; sum of all threads. */
  readonly decodeSeconds: number;
  readonly caches: readonly { readonly cache: IoCache; readonly hits: number; readonly misses: number }[];
}

/** Hosts told apart; the reads of further ones are summed under `other`. */
export const HOSTS_MAX = 32;

/** A thread's numbers: reads and bytes of files, milliseconds of decoding, then hits and misses of each cache. */
const NUMBERS = 3 + 2 * IO_CACHES.length;

/** Counters for the threads of a new pool. */
export function createIoShare(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * NUMBERS * 8);
}

function ownNumbers(): number[] {
  const files = ioCountersByOrigin().find((each) => each.origin === "file:");
  const { decodeMs, hits, misses } = ioWork();
  return [
    files?.reads ?? 0,
    files?.bytesRead ?? 0,
    decodeMs,
    ...IO_CACHES.flatMap((cache) => [hits[cache], misses[cache]]),
  ];
}

/** Adds what a thread has read since the last call. A thread that takes another's place goes on from its sums. */
export function ioTeller(share: SharedArrayBuffer, thread: number): () => void {
  const sums = new Float64Array(share, thread * NUMBERS * 8, NUMBERS);
  let told = ownNumbers();
  return () => {
    const now = ownNumbers();
    for (let k = 0; k < NUMBERS; k++) sums[k] = (sums[k] as number) + (now[k] as number) - (told[k] as number); // k < length
    told = now;
  };
}

/** The figures of this thread and of those of `share`. */
export function ioFigures(share: SharedArrayBuffer): IoFigures {
  const own = ownNumbers();
  const all = new Float64Array(share);
  const sum = (k: number): number => {
    let total = own[k] as number; // k < NUMBERS
    for (let i = k; i < all.length; i += NUMBERS) total += all[i] as number;
    return total;
  };
  const web = ioCountersByOrigin()
    .filter((each) => each.origin !== "file:")
    .map(({ origin, reads, bytesRead }) => ({ host: hostOf(origin), requests: reads, bytes: bytesRead }));
  return {
    reads: boundHosts([{ host: "file", requests: sum(0), bytes: sum(1) }, ...web]),
    decodeSeconds: sum(2) / 1000,
    caches: IO_CACHES.map((cache, k) => ({ cache, hits: sum(3 + 2 * k), misses: sum(4 + 2 * k) })),
  };
}

/** Blocks in memory have names of users, not of hosts. */
function hostOf(origin: string): string {
  const url = URL.parse(origin);
  return url === null || url.protocol === "memory:" ? "memory" : url.host;
}

/** One entry for each host; those beyond the first {@link HOSTS_MAX} in one. */
export function boundHosts(reads: readonly HostReads[]): HostReads[] {
  const hosts = new Map<string, HostReads>();
  for (const each of reads) {
    const host = hosts.has(each.host) || hosts.size < HOSTS_MAX ? each.host : "other";
    const { requests, bytes } = hosts.get(host) ?? { requests: 0, bytes: 0 };
    hosts.set(host, { host, requests: requests + each.requests, bytes: bytes + each.bytes });
  }
  return [...hosts.values()];
}
