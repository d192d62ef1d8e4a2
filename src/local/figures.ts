/** Sums of the embedded runner, for the accounting of runs. */
import { performance } from "node:perf_hooks";
import type { Executor } from "../executor/index.ts";
import type { RunnerFigures } from "../graph/index.ts";

/** Sums since the coordinator was started; called on its thread. */
export function localFigures(executor: Executor): RunnerFigures {
  const { busyMs, storeMs, bytesRead, bytesWritten, bytesPeak, spill, tasksDone, kernels } = executor.stats();
  const { modulesCompiled, moduleBytes, compileMs, cacheHits, interpreted } = kernels;
  return {
    clockSeconds: performance.now() / 1000,
    workers: 1,
    threads: executor.threads,
    tasks: tasksDone,
    busySeconds: busyMs.reduce((sum, ms) => sum + ms, 0) / 1000,
    storeSeconds: storeMs / 1000,
    transferSeconds: 0,
    // The coordinator's thread does nothing else.
    schedulerSeconds: performance.eventLoopUtilization().active / 1000,
    bytesRead,
    bytesWritten,
    bytesTransferred: 0,
    bytesSpilled: spill.bytesWritten,
    peakBytes: bytesPeak,
    reads: executor.ioFigures().reads,
    budgetBytes: executor.budgetBytes,
    kernels: { modulesCompiled, moduleBytes, compileMs, cacheHits, interpreted },
  };
}
