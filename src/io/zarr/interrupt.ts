/** What a signal that ends the process leaves of writes that can be resumed: one line each, which says how to go on. */
import { createLogger } from "../../config/index.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Writes under way: how far they are, in words. */
const underWay = new Map<symbol, () => string>();

/**
 * From now on until the returned function is called, a signal that ends this process says so in the log.
 *
 * @param progress how far the write is, asked when the signal comes
 */
export function adviseWhenInterrupted(progress: () => string): () => void {
  const id = Symbol("write");
  if (underWay.size === 0) for (const signal of SIGNALS) process.on(signal, advise);
  underWay.set(id, progress);
  return () => leave(id);
}

function leave(id: symbol): void {
  if (!underWay.delete(id) || underWay.size > 0) return;
  for (const signal of SIGNALS) process.off(signal, advise);
}

function advise(signal: NodeJS.Signals): void {
  const logger = createLogger("rsdat.write");
  for (const progress of underWay.values()) logger.warning(progress());
  for (const id of [...underWay.keys()]) leave(id);
  // Whoever else listens decides what the signal does; if nobody does, it ends the process as it would have.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
