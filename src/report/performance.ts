/** `performanceReport(file, fn)`: what happened while a function ran, as one HTML page. */
import { accessSync, constants, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { requireKnownOptions, WriteError } from "../base/index.ts";
import type { Client } from "../client/index.ts";
import { currentRunner } from "../graph/index.ts";
import { performancePage } from "./page.ts";
import { PerformanceRecorder } from "./recorder.ts";

/** Options of {@link performanceReport}. */
export interface PerformanceReportOptions {
  /** Whose cluster is looked at; default the client that was connected last, else the threads of this process. */
  readonly client?: Client;
  /** Title of the page. Default "Performance report". */
  readonly title?: string;
}

/**
 * Run `fn` and write what happened meanwhile to one HTML file, which needs nothing else to be read: figures, the task
 * stream, computing by kind of key, memory, transfers, reads by host, logs, versions. Gives what `fn` gives.
 *
 * The file is written whole or not at all, and replaces one that is there. When `fn` throws, the report is written, and
 * says so; then its error is thrown. What a scheduler does not tell is left out with the reason: Dask's tells single
 * tasks and logs, but no sums. Other work on the cluster at the same time shows as well. From now on the scheduler keeps
 * records of the last tasks that ended; workers' memory is asked for once a second while `fn` runs.
 *
 * Matches dask.distributed `performance_report`, which is a context manager, and needs its dashboard's packages.
 *
 * @param file path of the report; its folder must be there
 * @throws {WriteError} the folder cannot be written to (before `fn` runs), or the file could not be (after it has)
 * @example `const mean = await performanceReport("report.html", () => ndvi.mean().compute());`
 */
export async function performanceReport<T>(
  file: string,
  fn: () => T | Promise<T>,
  options: PerformanceReportOptions = {},
): Promise<T> {
  requireKnownOptions("performanceReport", options, { client: true, title: true });
  checkPlace(file);
  const { title = "Performance report" } = options;
  using recorder = await PerformanceRecorder.begin(options.client ?? (await currentRunner()));
  const report = async (error: unknown): Promise<void> =>
    writeWhole(file, performancePage(await recorder.end({ title, code: String(fn), error })));
  let result: T;
  try {
    result = await fn();
  } catch (error) {
    try {
      await report(error ?? "an error that says nothing");
    } catch (second) {
      // What went wrong first is what the caller has to know.
      process.stderr.write(`${String(second)}\n`);
    }
    throw error;
  }
  await report(null);
  return result;
}

/** Told before hours of work, not after. */
function checkPlace(file: string): void {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (cause) {
    throw cannotWrite(file, cause);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new WriteError(`the report cannot be written to ${file}: it is a folder`, { details: { path: file } });
}

let written = 0;

function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}-${written++}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cannotWrite(file, cause);
  }
}

function cannotWrite(file: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WriteError(`the report cannot be written to ${file}: ${why}`, { cause, details: { path: file } });
}
