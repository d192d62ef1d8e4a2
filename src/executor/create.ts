/** Making executors. */
import { type Logger, silentLogger } from "../base/index.ts";
import { allowHugePages, enableProvenWide, enableWide } from "../kernels/index.ts";
import { ThreadedExecutor } from "./executor.ts";
import type { Executor, ExecutorOptions } from "./types.ts";

/**
 * An executor with its own threads and arena; end it with `await using` or its async disposal.
 * It holds the event loop only while tasks are under way.
 */
export function createExecutor(options: ExecutorOptions): Executor {
  const logger = options.logger ?? silentLogger;
  allowHugePages(options.hugePages ?? true, (reason) => logger.debug("blocks lie in small pages", { reason }));
  if (options.wide === "proven") enableProvenWide(process.versions.v8);
  else if (options.wide) widenKernels(logger);
  return new ThreadedExecutor(options);
}

/** Before the threads compile anything: the setting is the process's. */
function widenKernels(logger: Logger): void {
  const { state, reason } = enableWide();
  if (state === "refused") logger.warning("kernels are not widened: the self-test failed", { kernel: reason });
}
