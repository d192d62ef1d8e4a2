/** Figures of this process for the end of a run. */
import { readFileSync } from "node:fs";

/** Largest resident memory that this process has had, in bytes: VmHWM on Linux, else what Node reports. */
export function processPeakBytes(): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"));
    if (found) return Number(found[1]) * 1024;
  } catch {
    // Not Linux: fall through to what getrusage says.
  }
  return process.resourceUsage().maxRSS * 1024;
}
