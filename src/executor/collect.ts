/**
 * Collecting garbage when memory is short. V8 does so when it allocates, and a thread that waits allocates next to nothing:
 * what blocks on their way, or the making of a plan, have left would stay for minutes. distributed's memory monitor calls
 * Python's collector for the same reason.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Between two collections at least; and so many times as long as the last one took, so that they stay below 2 % of the time. */
const LEAST_MS = 1_000;
const REST = 50;
/** Where nothing much was freed, the next one is further away, up to this. */
const LONGEST_MS = 60_000;
/** Share of the memory that nobody planned; a collection that frees less was not worth it. */
const WORTH = 0.05;

let collector: (() => void) | undefined;

/** Collect all garbage of this thread now. */
export function collectGarbage(): void {
  if (!collector) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void; // what that flag adds to a new context
  }
  collector();
}

/** When a collection is worth its time. */
export class CollectionTimes {
  #nextMs = Number.NEGATIVE_INFINITY;
  #waitMs = LEAST_MS;

  /** True when it is time for another one. */
  isTime(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /** One has been made: it ended at `nowMs`, and freed `freedBytes` of `unplannedBytes`. */
  made(nowMs: number, tookMs: number, freed: { readonly freedBytes: number; readonly unplannedBytes: number }): void {
    const isWorth = freed.freedBytes >= WORTH * freed.unplannedBytes;
    this.#waitMs = isWorth ? Math.max(LEAST_MS, REST * tookMs) : Math.min(LONGEST_MS, 2 * this.#waitMs);
    this.#nextMs = nowMs + this.#waitMs;
  }
}

/**
 * Every second in which `isBusy` and the process takes more than `limitBytes`, collect this thread's garbage. Keeps no process
 * alive; the returned function ends it.
 */
export function relieveAbove(limitBytes: number, isBusy: () => boolean): () => void {
  const times = new CollectionTimes();
  const timer = setInterval(() => {
    const started = performance.now();
    if (!isBusy() || !times.isTime(started)) return;
    const before = process.memoryUsage.rss();
    if (before <= limitBytes) return;
    collectGarbage();
    const ended = performance.now();
    times.made(ended, ended - started, { freedBytes: before - process.memoryUsage.rss(), unplannedBytes: before });
  }, LEAST_MS).unref();
  return () => clearInterval(timer);
}
