/** When and how long to wait before asking a server again (io.md §8.4). Pure. */

/** Attempts in all, the first included. */
export const ATTEMPTS_MAX = 5;
/** No new attempt begins after this. */
export const DEADLINE_MS = 600_000;
const DELAY_BASE_MS = 200;
const DELAY_MAX_MS = 20_000;
const RETRY_AFTER_MAX_MS = 120_000;
const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** True for answers that may differ next time. */
export function isRetryableStatus(status: number): boolean {
  return RETRYABLE.has(status);
}

/** Full jitter: uniform in `[0, min(20 s, 0.2 s × 2^attempt))`; `attempt` counts from 0, `random` is in [0, 1). */
export function retryDelayMs(attempt: number, random: number): number {
  return random * Math.min(DELAY_MAX_MS, DELAY_BASE_MS * 2 ** attempt);
}

/**
 * Milliseconds of a `Retry-After` header, at most 120 s; null when absent or no number or date.
 * Dates are measured against the answer's own `Date` header, so that a wrong clock here does not matter.
 */
export function retryAfterMs(retryAfter: string | undefined, date: string | undefined): number | null {
  if (retryAfter === undefined) return null;
  const seconds = /^\s*\d+\s*$/.test(retryAfter)
    ? Number(retryAfter)
    : (Date.parse(retryAfter) - Date.parse(date ?? "")) / 1e3;
  return Number.isFinite(seconds) ? Math.min(RETRY_AFTER_MAX_MS, Math.max(0, seconds * 1e3)) : null;
}
