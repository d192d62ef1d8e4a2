/** How long tasks are taken to last, by the prefixes of their keys: `distributed.scheduler.default-task-durations`. */
import { config } from "../config/index.ts";
import type { Figures } from "./figures.ts";
import type { Hub } from "./hub.ts";

/** Ready tasks that are looked at; the rest is taken to be like them. Source: distributed `Scheduler.adaptive_target`. */
const READY_MOST = 100;
/** Tasks at workers that are looked at, in all. */
const PROCESSING_MOST = 4096;

/** Milliseconds that so many tasks are taken to last in all; `otherMs` each where nothing is known by prefix. */
export interface AssumedDurations {
  ready(count: number, otherMs: number): number;
  processing(address: string, count: number, otherMs: number): number;
}

/** What is assumed now. */
export function assumedDurations(hub: Hub): AssumedDurations {
  const defaults = config.durations("distributed.scheduler.default-task-durations");
  const { figures, machine } = hub;
  if (Array.from(defaults.keys()).every((prefix) => figures.hasSeen(prefix)))
    return {
      ready: (count, otherMs) => count * otherMs,
      processing: (_address, count, otherMs) => count * otherMs,
    };
  const each = Math.ceil(PROCESSING_MOST / Math.max(1, hub.workers.size));
  const total = (prefixes: readonly string[], count: number, otherMs: number): number =>
    prefixes.length === 0
      ? count * otherMs
      : totalMs(figures, prefixes, { defaults, otherMs }) * (count / prefixes.length);
  return {
    ready: (count, otherMs) => total(machine.views.readyPrefixes(READY_MOST), count, otherMs),
    processing: (address, count, otherMs) => total(machine.views.processingPrefixes(address, each), count, otherMs),
  };
}

/**
 * Milliseconds of the tasks with these prefixes: the default of those of which none has ended, `otherMs` of all others.
 * Whoever has a default is waited for, so that it counts no more once one has ended.
 */
function totalMs(
  figures: Figures,
  prefixes: readonly string[],
  { defaults, otherMs }: { readonly defaults: ReadonlyMap<string, number>; readonly otherMs: number },
): number {
  let sum = 0;
  for (const prefix of prefixes) {
    const ms = figures.hasSeen(prefix) ? undefined : defaults.get(prefix);
    if (ms !== undefined) figures.awaited.add(prefix);
    sum += ms ?? otherMs;
  }
  return sum;
}
