/** `progress(promise)`: a bar for whatever runs until a promise ends. */
import { type RunAccounting, watchAccounting, watchRuns } from "../graph/index.ts";
import { accountingText } from "./accounting.ts";
import { type ProgressOptions, progressBar } from "./progress.ts";

/** Options of {@link progress}. */
export interface WatchOptions extends ProgressOptions {
  /** False: no line at the end that says where the time went. A function gets the figures instead. Default true. */
  readonly accounting?: boolean | ((accounting: RunAccounting) => void);
}

/**
 * Show the progress of what a promise waits for: a bar on a terminal, elsewhere a line a minute and one at the end, with what
 * is being done and the time that is left; then a line that says where the time went. Gives the promise's own result, or
 * its own error.
 *
 * @example `await progress(monthly.toZarr("monthly.zarr"), { label: "monthly medians" });`
 */
export async function progress<T>(promise: Promise<T>, options: WatchOptions = {}): Promise<T> {
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
