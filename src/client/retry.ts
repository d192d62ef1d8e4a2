/** Asking again where a connection broke: `distributed.comm.retry`, as Dask's clients do. */
import { randomInt } from "node:crypto";
import { isRsdatError } from "../base/index.ts";
import { config } from "../config/index.ts";

/** Part of a delay that chance adds at the most, in thousandths, so that many clients do not ask in step. */
const JITTER_MILLI = 100;
/** What is not helped by another try: the peer answered, or one of the two does not want the other. */
const FINAL: ReadonlySet<string> = new Set(["remote", "remote-protocol", "tls", "unsupported", "client-closed"]);

/**
 * The result of `operation`, which is tried again `distributed.comm.retry.count` times after errors of the connection: once
 * without a delay, then after delays that grow from `delay.min` to `delay.max`.
 * @throws what the last try did
 */
export async function retried<T>(operation: () => Promise<T>): Promise<T> {
  const count = config.number("distributed.comm.retry.count") ?? 0;
  for (let attempt = 0; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (attempt >= count || !isRsdatError(error) || FINAL.has(error.code)) throw error;
      const leastMs = config.durationMs("distributed.comm.retry.delay.min") ?? 1_000;
      const mostMs = config.durationMs("distributed.comm.retry.delay.max") ?? 20_000;
      const delayMs = Math.min(leastMs * (2 ** attempt - 1), mostMs) * (1 + randomInt(JITTER_MILLI) / 1000);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}
