/** The machine's clock and timers, for shells that were given none. */
import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "../../base/index.ts";

export const systemClock: Clock = { now: () => performance.now(), wall: () => Date.now() };

/** Resolves after `ms`, or rejects when `signal` aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, signal ? { signal } : {});
}
