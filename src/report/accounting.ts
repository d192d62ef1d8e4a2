/** Accounting for people, and for programs. */
import { appendFileSync } from "node:fs";
import { formatBytes, formatDuration, WriteError } from "../base/index.ts";
import type { RunAccounting } from "../graph/index.ts";

/** One line: where thread-time went, and memory planned and observed. */
export function accountingText(a: RunAccounting): string {
  const threadSeconds = Math.max(a.threads * a.seconds, 1e-9);
  const share = (seconds: number): string => `${Math.round((100 * seconds) / threadSeconds)} %`;
  const parts = [
    `compute ${share(a.computeSeconds)}`,
    `stores ${share(a.storeSeconds)}`,
    `idle ${share(a.idleSeconds)}`,
    ...(a.bytesTransferred > 0
      ? [`transfer ${formatBytes(a.bytesTransferred)} in ${formatDuration(1000 * a.transferSeconds)}`]
      : []),
    ...(a.bytesSpilled > 0 ? [`spilled ${formatBytes(a.bytesSpilled)}`] : []),
    `scheduler ${formatDuration(1000 * a.schedulerSeconds)}`,
    `peak ${formatBytes(a.peakBytesObserved)} of ${formatBytes(a.peakBytesPlanned)} planned`,
  ];
  return `${a.tasks} tasks on ${a.threads} threads in ${formatDuration(1000 * a.seconds)}: ${parts.join(", ")}`;
}

/**
 * Add one line of JSON to a file.
 * @throws {WriteError} it cannot be written
 */
export function appendAccounting(file: string, accounting: RunAccounting): void {
  try {
    appendFileSync(file, `${JSON.stringify({ time: new Date().toISOString(), ...accounting })}\n`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WriteError(`accounting cannot be added to ${file}: ${why}`, { cause, details: { path: file } });
  }
}
