/** Traffic counters per origin, one set per thread. */
import type { StoreCounters } from "./store.ts";

/** Mutable counters of one origin. */
export interface Tally {
  readonly origin: string;
  requests: number;
  reads: number;
  bytesRead: number;
  bytesWasted: number;
  bytesWritten: number;
  readonly retries: Record<string, number>;
}

const TALLIES = new Map<string, Tally>();

/** The counters of `origin` in this thread; made on first use. */
export function tallyOf(origin: string): Tally {
  let tally = TALLIES.get(origin);
  if (!tally) {
    tally = { origin, requests: 0, reads: 0, bytesRead: 0, bytesWasted: 0, bytesWritten: 0, retries: {} };
    TALLIES.set(origin, tally);
  }
  return tally;
}

/** A copy of `tally` that no later traffic changes. */
export function snapshot(tally: Tally): StoreCounters {
  return { ...tally, retries: { ...tally.retries } };
}

/** Traffic of all stores in this thread, summed; `origin` is `"*"`. Other threads report through `ReadStats`. */
export function ioCounters(): StoreCounters {
  const total: Tally = {
    origin: "*",
    requests: 0,
    reads: 0,
    bytesRead: 0,
    bytesWasted: 0,
    bytesWritten: 0,
    retries: {},
  };
  for (const t of TALLIES.values()) {
    total.requests += t.requests;
    total.reads += t.reads;
    total.bytesRead += t.bytesRead;
    total.bytesWasted += t.bytesWasted;
    total.bytesWritten += t.bytesWritten;
    for (const [cause, n] of Object.entries(t.retries)) total.retries[cause] = (total.retries[cause] ?? 0) + n;
  }
  return total;
}

/** Traffic per origin in this thread. */
export function ioCountersByOrigin(): readonly StoreCounters[] {
  return [...TALLIES.values()].map(snapshot);
}
