/** What a worker has done since its start, for the accounting of runs and for `/metrics`. */
import type { Executor, HostReads, SpillFigures } from "../executor/index.ts";
import type { TransferFigures } from "./metrics.ts";

/** Sums since the start; seconds and bytes. Plain data that travels. */
export interface WorkerFigures {
  readonly threads: number;
  readonly tasks: number;
  /** Of all compute threads together. */
  readonly busySeconds: number;
  /** Of that: tasks that read from or wrote to stores. */
  readonly storeSeconds: number;
  readonly transferSeconds: number;
  readonly transferBytes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** To the disk for want of room, and back. */
  readonly bytesSpilled: number;
  readonly bytesUnspilled: number;
  readonly spill: SpillFigures;
  /** What stores sent, by host. */
  readonly reads: readonly HostReads[];
  /** Highest bytes of live blocks so far, and what they may take. */
  readonly peakBytes: number;
  readonly budgetBytes: number;
  /** Processor time of the whole process. */
  readonly cpuSeconds: number;
  readonly kernels: {
    readonly modulesCompiled: number;
    readonly moduleBytes: number;
    readonly compileMs: number;
    readonly cacheHits: number;
    readonly interpreted: number;
  };
}

/** The sums now. */
export function figuresOf(executor: Executor, transfers: TransferFigures): WorkerFigures {
  const stats = executor.stats();
  const { user, system } = process.cpuUsage();
  const { modulesCompiled, moduleBytes, compileMs, cacheHits, interpreted } = stats.kernels;
  return {
    threads: executor.threads,
    tasks: stats.tasksDone,
    busySeconds: stats.busyMs.reduce((sum, ms) => sum + ms, 0) / 1000,
    storeSeconds: stats.storeMs / 1000,
    transferSeconds: transfers.incomingSecondsTotal,
    transferBytes: transfers.incomingBytesTotal,
    bytesRead: stats.bytesRead,
    bytesWritten: stats.bytesWritten,
    bytesSpilled: stats.spill.bytesWritten,
    bytesUnspilled: stats.spill.bytesRead,
    spill: stats.spill,
    reads: executor.ioFigures().reads,
    peakBytes: stats.bytesPeak,
    budgetBytes: executor.budgetBytes,
    cpuSeconds: (user + system) / 1e6,
    kernels: { modulesCompiled, moduleBytes, compileMs, cacheHits, interpreted },
  };
}
