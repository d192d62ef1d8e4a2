/**
 * Sides of a bench take turns, and each goes on for a while after it has answered: results are released, memory is collected.
 * That is not to fall into the other's time.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 100;
/** Share of the machine's processors that may be busy: both clusters' heartbeats, and what else runs there. */
const IDLE_SHARE = 0.05;
/** Machines that others use are never idle. */
const MOST_LOOKS = 30;

/** Ticks of all processors since the start, and those of them that were idle; null where the system does not say. */
function ticks(): { readonly all: number; readonly idle: number } | null {
  try {
    const fields = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
    return { all: fields.reduce((a, b) => a + b, 0), idle: (fields[3] ?? 0) + (fields[4] ?? 0) }; // idle, and waiting for disks
  } catch {
    return null;
  }
}

/** Wait until the machine has little to do, or for three seconds. */
export async function settle(): Promise<void> {
  let before = ticks();
  for (let look = 0; look < MOST_LOOKS; look++) {
    await sleep(LOOK_MS);
    const now = ticks();
    if (!before || !now) continue;
    const busy = 1 - (now.idle - before.idle) / Math.max(1, now.all - before.all);
    if (busy <= IDLE_SHARE) return;
    before = now;
  }
}
