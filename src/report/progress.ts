/** Progress for people: a bar on a terminal, a line a minute elsewhere (Slurm logs). */
import { createLogUpdate } from "log-update";
import { formatBytes, formatDuration } from "../base/index.ts";
import type { RunProgress } from "../graph/index.ts";

/** Where progress goes; a process' standard error by default. */
export interface ProgressSink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Options of {@link progressBar}. */
export interface ProgressOptions {
  readonly label?: string;
  readonly stream?: ProgressSink;
  /** Monotonic milliseconds; `performance.now` by default. */
  readonly now?: () => number;
}

/** A progress display: give `update` to a run as `onProgress`, and close it at the end. */
export interface ProgressBar {
  readonly update: (progress: RunProgress) => void;
  /** Last state and time taken; `failed` when the run threw. */
  close(failed?: boolean): void;
}

const LINE_EVERY_MS = 60_000;

/** A bar that redraws itself on a terminal; elsewhere a line a minute and one at the end. */
export function progressBar(options: ProgressOptions = {}): ProgressBar {
  const stream = options.stream ?? process.stderr;
  const now = options.now ?? (() => performance.now());
  const label = options.label ?? "computing";
  const start = now();
  // log-update wants a Node stream; a sink with these members serves it.
  const draw = stream.isTTY ? createLogUpdate(stream as unknown as NodeJS.WritableStream) : null;
  let last: RunProgress = { done: 0, total: 0, bytesRead: 0, bytesWritten: 0 };
  let phase: Phase = "computing";
  let lineAt = start;
  return {
    update: (progress) => {
      phase = phaseOf(last, progress, phase);
      last = progress;
      if (draw) draw(barText(label, progress, now() - start, { columns: stream.columns ?? 80, phase }));
      else if (now() - lineAt >= LINE_EVERY_MS) {
        lineAt = now();
        stream.write(`${lineText(label, progress, now() - start, phase)}\n`);
      }
    },
    close: (failed = false) => {
      if (draw) {
        draw(barText(label, last, now() - start, { columns: stream.columns ?? 80 }));
        draw.done();
      } else stream.write(`${lineText(label, last, now() - start)}${failed ? ", failed" : ""}\n`);
    },
  };
}

/** What a run is busy with. */
export type Phase = "reading" | "computing" | "writing";

/** What has moved since the last look: writing tells most, since its tasks may read and compute as well. */
export function phaseOf(before: RunProgress, after: RunProgress, phase: Phase): Phase {
  if (after.bytesWritten > before.bytesWritten) return "writing";
  if (after.bytesRead > before.bytesRead) return "reading";
  return after.done > before.done ? "computing" : phase;
}

/** One line: label, what is being done, tasks, bytes, time, time left. */
export function lineText(label: string, p: RunProgress, elapsedMs: number, phase?: Phase): string {
  const share = p.total > 0 ? Math.floor((100 * p.done) / p.total) : 0;
  const doing = phase === undefined ? "" : ` ${phase},`;
  return `${label}:${doing} ${p.done}/${p.total} tasks (${share} %), read ${formatBytes(p.bytesRead)}, wrote ${formatBytes(p.bytesWritten)}, ${kernelText(p)}${formatDuration(elapsedMs)}${leftText(p, elapsedMs)}`;
}

/** What is left if the rest goes as what is done. */
function leftText(p: RunProgress, elapsedMs: number): string {
  return p.done > 0 && p.done < p.total ? `, ${formatDuration((elapsedMs / p.done) * (p.total - p.done))} left` : "";
}

/** What kernels have cost, where the runner is in this process. */
function kernelText({ kernels }: RunProgress): string {
  if (!kernels) return "";
  const { modulesCompiled, moduleBytes, compileMs } = kernels;
  return `${modulesCompiled} kernels (${formatBytes(moduleBytes)}) compiled in ${formatDuration(compileMs)}, `;
}

/** The same with a bar, cut to the terminal's width. */
export function barText(
  label: string,
  p: RunProgress,
  elapsedMs: number,
  { columns, phase }: { readonly columns: number; readonly phase?: Phase },
): string {
  const share = p.total > 0 ? p.done / p.total : 0;
  const doing = phase === undefined ? "" : `  ${phase}`;
  const tail = ` ${p.done}/${p.total}  read ${formatBytes(p.bytesRead)}  wrote ${formatBytes(p.bytesWritten)}${doing}  ${formatDuration(elapsedMs)}${leftText(p, elapsedMs)}`;
  const width = Math.max(10, Math.min(40, columns - label.length - tail.length - 4));
  const full = Math.round(share * width);
  return `${label} ${"█".repeat(full)}${"░".repeat(width - full)}${tail}`.slice(0, Math.max(20, columns - 1));
}
