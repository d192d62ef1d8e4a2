/** Failures of tasks as they are told, no longer than `distributed.admin.max-error-length`. */
import { config } from "../config/index.ts";
import { failureOf, type WireFailure } from "../protocol/index.ts";

/** The wire form of what a task threw at this worker. */
export function taskFailure(error: unknown, worker: string): WireFailure {
  const charsMax = config.number("distributed.admin.max-error-length") ?? Number.POSITIVE_INFINITY;
  return failureOf(error, { worker, charsMax });
}
