/** How long a worker lives: `--lifetime`, `distributed.worker.lifetime`. */
import { LONGEST_TIMER_MS } from "../base/index.ts";

/**
 * Milliseconds of one worker's life: `lifetimeMs`, plus or minus up to `staggerMs`, at least a second. The process's id
 * spreads the workers of one array of jobs as well as a random number would.
 */
export function staggeredMs(lifetimeMs: number, staggerMs: number, pid: number): number {
  const offset = ((pid * 2654435761) % 2 ** 32) / 2 ** 31 - 1;
  return Math.max(1_000, lifetimeMs + offset * staggerMs);
}

/** Call `act` after `ms`, which may be more than one timer's longest. Dispose to give up. */
export function callAfter(ms: number, act: () => void): Disposable {
  let timer: NodeJS.Timeout;
  const wait = (left: number): void => {
    const now = Math.min(left, LONGEST_TIMER_MS);
    timer = setTimeout(() => (left > now ? wait(left - now) : act()), now);
  };
  wait(ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
