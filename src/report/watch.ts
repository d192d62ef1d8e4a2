/** `progress(promise)`: a bar for whatever runs until a promise ends. */
import { ArgumentError, shownValue } from "../base/index.ts";
import { type RunAccounting, watchAccounting, watchRuns } from "../graph/index.ts";
import { accountingText } from "./accounting.ts";
import { type ProgressOptions, progressBar } from "./progress.ts";

/** Options of {@link progress}. */
export interface WatchOptions extends ProgressOptions {
  /** False: no line at the end that says where the time went. A function gets the figures instead. Default true. */
  readonly accounting?: boolean | ((accounting: RunAccounting) => void);
}

/** A future, or what was persisted: something that ends. */
interface Ending {
  wait(): Promise<unknown>;
}

/**
 * Show the progress of what a promise waits for: a bar on a terminal, elsewhere a line a minute and one at the end, with what
 * is being done and the time that is left; then a line that says where the time went. Gives the promise's own result, or
 * its own error.
 *
 * @example `await progress(monthly.toZarr("monthly.zarr"), { label: "monthly medians" });`
 */
export function progress<T>(promise: Promise<T>, options?: WatchOptions): Promise<T>;
/**
 * Show how many of some futures have ended, well or not, until all have. dask `progress`.
 *
 * @throws {ArgumentError} neither a promise nor futures
 */
export function progress(futures: Ending | readonly Ending[], options?: WatchOptions): Promise<undefined>;
export async function progress<T>(
  work: Promise<T> | Ending | readonly Ending[],
  options: WatchOptions = {},
): Promise<T | undefined> {
  if (isPromise(work)) return watched(work, options);
  const all: readonly Ending[] = Array.isArray(work) ? work : [work];
  for (const each of all)
    if (typeof each?.wait !== "function")
      throw new ArgumentError(`progress of ${shownValue(each)}: expected a promise, or futures`);
  const bar = progressBar(options);
  let done = 0;
  const tell = (): void => bar.update({ done, total: all.length, bytesRead: 0, bytesWritten: 0 });
  tell();
  const ended = (): void => {
    done++;
    tell();
  };
  await Promise.all(all.map((each) => each.wait().then(ended, ended)));
  bar.close();
  return undefined;
}

function isPromise<T>(work: Promise<T> | Ending | readonly Ending[]): work is Promise<T> {
  return typeof (work as Partial<Promise<T>> | null)?.then === "function";
}

async function watched<T>(promise: Promise<T>, options: WatchOptions): Promise<T> {
  const { accounting = true } = options;
  const bar = progressBar(options);
  const runs: RunAccounting[] = [];
  using _watch = watchRuns(bar.update);
  using _account = accounting === false ? null : watchAccounting((one) => void runs.push(one));
  let isDone = false;
  try {
    const result = await promise;
    isDone = true;
    return result;
  } finally {
    bar.close(!isDone);
    for (const run of runs) {
      if (typeof accounting === "function") accounting(run);
      else (options.stream ?? process.stderr).write(`${accountingText(run)}\n`);
    }
  }
}
