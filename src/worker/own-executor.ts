/** The compute threads that a worker makes for itself. */
import type { Logger } from "../base/index.ts";
import { allottedCpus, config, workerSpillSetting } from "../config/index.ts";
import { budgetBytesWithin, createExecutor, type Executor } from "../executor/index.ts";
import type { WorkerOptions } from "./options.ts";
import type { ProfileSettings } from "./profile.ts";
import type { SpillOrder } from "./spill.ts";
import { spillOptions } from "./spill-codec.ts";

/** What they work with beside the worker's options. */
export interface OwnExecutor {
  /** Of the process. */
  readonly limitBytes: number;
  readonly profile: ProfileSettings;
  readonly order: SpillOrder;
  readonly logger: Logger;
}

/** @throws {ConfigError} the memory limit is too small */
export function ownExecutor(
  { nthreads, localDirectory }: WorkerOptions,
  { limitBytes, profile, order, logger }: OwnExecutor,
): Executor {
  const threads = nthreads ?? allottedCpus().value;
  const spill = workerSpillSetting(localDirectory);
  return createExecutor({
    threads,
    budgetBytes: budgetBytesWithin(limitBytes, threads),
    ...(spill ? { spill: spillOptions(spill, order) } : {}),
    wide: config.boolean("rsdat.kernels.wide") ?? "proven",
    hugePages: config.boolean("rsdat.kernels.huge-pages") ?? true,
    ...(profile.isEnabled && profile.lowLevel ? { stacks: profile } : {}),
    logger,
  });
}
