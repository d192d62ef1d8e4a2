/** How long a worker lives: `--lifetime`, `distributed.worker.lifetime`. */

/**
 * Milliseconds of one worker's life: `lifetimeMs`, plus or minus up to `staggerMs`, at least a second. The process's id
 * spreads the workers of one array of jobs as well as a random number would.
 */
export function staggeredMs(lifetimeMs: number, staggerMs: number, pid: number): number {
  const offset = ((pid * 2654435761) % 2 ** 32) / 2 ** 31 - 1;
  return Math.max(1_000, lifetimeMs + offset * staggerMs);
}
