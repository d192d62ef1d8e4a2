/** A warning where the event loop of a process stands still: heartbeats and answers of others wait meanwhile. */
import { LONGEST_TIMER_MS, type Logger } from "../base/index.ts";
import { type Config, config } from "./config.ts";
import { checkEventLoop } from "./event-loop.ts";

/** Looks at the event loop until its disposal. */
export interface LoopWatch extends Disposable {
  /** Mean time between two goings off of the clock, as the last cycle saw it; before the first, what is set. */
  readonly intervalSeconds: number;
}

/**
 * Warn when one turn of the event loop took longer than `distributed.admin.tick.limit`; asked every
 * `distributed.admin.tick.cycle`, of a clock that goes off every `distributed.admin.tick.interval`. Ends with its disposal.
 * Histograms of Node's would lose the turn in which they are read and set back.
 * @throws {ConfigError} `distributed.admin.event-loop` is none of Dask's
 */
export function watchLoop(logger: Pick<Logger, "warning">, from: Config = config): LoopWatch {
  checkEventLoop(from);
  const limitMs = from.durationMs("distributed.admin.tick.limit") ?? Number.POSITIVE_INFINITY;
  let intervalMs = from.durationMs("distributed.admin.tick.interval") ?? 20;
  const cycleMs = from.durationMs("distributed.admin.tick.cycle") ?? 1_000;
  let last = performance.now();
  let lastCycle = last;
  let [longestMs, ticks] = [0, 0];
  const clock = every(intervalMs, () => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    ticks++;
  });
  const cycle = every(cycleMs, () => {
    if (longestMs > limitMs)
      logger.warning(
        `the event loop was unresponsive for ${(longestMs / 1000).toFixed(2)} s: something computes on it, or the machine stood still`,
      );
    const now = performance.now();
    if (ticks > 0) intervalMs = (now - lastCycle) / ticks;
    lastCycle = now;
    [longestMs, ticks] = [0, 0];
  });
  return {
    get intervalSeconds() {
      return intervalMs / 1000;
    },
    [Symbol.dispose]: () => {
      clearInterval(clock);
      clearInterval(cycle);
    },
  };
}

/** A timer that keeps no process alive. */
export function every(ms: number, run: () => void): NodeJS.Timeout {
  return setInterval(run, Math.min(Math.max(1, ms), LONGEST_TIMER_MS)).unref();
}
