/** A warning where much is sent to the scheduler that had better be on the workers: `large-graph-warning-threshold`. */
import { formatBytes, type Logger } from "../base/index.ts";
import { config } from "../config/index.ts";

/** Less is no large graph whatever the threshold: single calls do not ask the configuration. */
const LEAST_BYTES = 4096;

/** Warn of a graph of more than `distributed.admin.large-graph-warning-threshold` bytes. */
export function warnOfLarge(nbytes: number, logger: Pick<Logger, "warning">): void {
  if (nbytes < LEAST_BYTES) return;
  const most = config.bytes("distributed.admin.large-graph-warning-threshold");
  if (most === null || nbytes <= most) return;
  logger.warning(
    `a graph of ${formatBytes(nbytes)} is sent to the scheduler: scatter what is large, or read it from a store, so that it travels once`,
  );
}
