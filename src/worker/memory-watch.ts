/** When a worker's process takes so much memory that nothing new may start: `distributed.worker.memory.pause`. */

import { setTimeout as sleep } from "node:timers/promises";
import { config } from "../config/index.ts";
import { CollectionTimes, collectGarbage, type Executor } from "../executor/index.ts";

/** What a process takes, in bytes. */
export interface MemoryFigures {
  /** Resident memory of the process. */
  readonly residentBytes: number;
  /** Of the arena: ever used, so resident at the most. */
  readonly touchedBytes: number;
  /** Of the arena: in blocks now. */
  readonly liveBytes: number;
  /** Of the main thread's heap and what hangs on it. */
  readonly heapBytes: number;
}

/** What a worker may take. */
export interface MemoryBounds {
  readonly limitBytes: number;
  /** Of the limit: what admission gives to blocks. */
  readonly budgetBytes: number;
  /** The setting. */
  readonly pauseFraction: number;
  /** True under a scheduler that does not count bytes. */
  readonly isForeign: boolean;
}

/** Share of its limit that a process may pass it by. */
const SLACK = 0.15;

/**
 * True while nothing new may start. A scheduler that does not count bytes needs Dask's rule: all memory against the limit.
 * Where bytes are admitted, blocks never exceed their budget, and a pause for the sake of planned blocks could never end:
 * then memory has to be over the threshold, and the bytes that nobody planned well over what is left to them: the
 * runtime's own never shrink, so a pause because of them would not end either.
 */
export function mustPause(figures: MemoryFigures, bounds: MemoryBounds): boolean {
  const { limitBytes, budgetBytes, pauseFraction, isForeign } = bounds;
  if (isForeign) return figures.heapBytes + figures.liveBytes > pauseFraction * limitBytes;
  const unplanned = unplannedBytes(figures);
  return (
    unplanned + figures.liveBytes > pauseFraction * limitBytes &&
    unplanned > limitBytes - budgetBytes + SLACK * limitBytes
  );
}

/** True while garbage may be what is in the way: what nobody planned takes all that is left to it, or more. */
export function isShort(figures: MemoryFigures, bounds: MemoryBounds): boolean {
  if (bounds.isForeign) return mustPause(figures, bounds);
  return unplannedBytes(figures) > bounds.limitBytes - bounds.budgetBytes;
}

/** Bytes that are in no block: the runtime's, messages on their way, values of users' functions. */
function unplannedBytes({ heapBytes, residentBytes, touchedBytes }: MemoryFigures): number {
  return Math.max(heapBytes, residentBytes - touchedBytes);
}

/** What {@link watchMemory} tells, and by what it looks and collects: this process, unless others are given. */
export interface MemoryWatch {
  readonly signal: AbortSignal;
  onChange(isFull: boolean, figures: MemoryFigures): void;
  look?(executor: Pick<Executor, "stats">): MemoryFigures;
  collect?(): void;
  /** Milliseconds, monotonic. */
  now?(): number;
}

function monotonicMs(): number {
  return performance.now();
}

function figuresOf(executor: Pick<Executor, "stats">): MemoryFigures {
  const { heapUsed, external, rss } = process.memoryUsage();
  const { bytesTouched, bytesLive } = executor.stats();
  return { residentBytes: rss, touchedBytes: bytesTouched, liveBytes: bytesLive, heapBytes: heapUsed + external };
}

/**
 * Look at this process's memory until `signal` is aborted, and say when nothing new may start and when it may again. Where
 * memory is short, garbage is collected first.
 */
export async function watchMemory(
  executor: Pick<Executor, "budgetBytes" | "stats">,
  { limitBytes, isForeign }: Pick<MemoryBounds, "limitBytes" | "isForeign">,
  { signal, onChange, look = figuresOf, collect = collectGarbage, now = monotonicMs }: MemoryWatch,
): Promise<void> {
  const pauseFraction = config.fraction("distributed.worker.memory.pause");
  const intervalMs = config.durationMs("distributed.worker.memory.monitor-interval");
  if (pauseFraction === null || !intervalMs) return;
  const bounds = { limitBytes, budgetBytes: executor.budgetBytes, isForeign, pauseFraction };
  const times = new CollectionTimes();
  let wasFull = false;
  for (;;) {
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined); // aborted when the worker closes
    if (signal.aborted) return;
    let figures = look(executor);
    if (isShort(figures, bounds) && times.isTime(now(), figures.heapBytes)) {
      const [before, started] = [unplannedBytes(figures), now()];
      collect();
      const ended = now();
      figures = look(executor);
      const freedBytes = before - unplannedBytes(figures);
      times.made(ended, ended - started, { freedBytes, unplannedBytes: before, heapBytes: figures.heapBytes });
    }
    const isFull = mustPause(figures, bounds);
    if (isFull !== wasFull) onChange(isFull, figures);
    wasFull = isFull;
  }
}
