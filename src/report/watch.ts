/** `progress(promise)`: a bar for whatever runs until a promise ends. */
import { watchRuns } from "../graph/index.ts";
import { type ProgressOptions, progressBar } from "./progress.ts";

/**
 * Show the progress of what a promise waits for: a bar on a terminal, elsewhere a line a minute and one at the end.
 * Gives the promise's own result, or its own error.
 *
 * @example `await progress(monthly.toZarr("monthly.zarr"), { label: "monthly medians" });`
 */
export async function progress<T>(promise: Promise<T>, options: ProgressOptions = {}): Promise<T> {
  const bar = progressBar(options);
  using _watch = watchRuns(bar.update);
  try {
    const result = await promise;
    bar.close();
    return result;
  } catch (error) {
    bar.close(true);
    throw error;
  }
}
