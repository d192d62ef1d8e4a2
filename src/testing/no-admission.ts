/** Runs without the byte budget: how much memory a job takes when nobody counts, so that a test of the limit can fail. */
import { budgetBytesWithin, createExecutor } from "../executor/index.ts";
import { registerRunner } from "../graph/index.ts";
import { localRunner } from "../local/index.ts";
import { startScheduler } from "../scheduler/index.ts";
import { Worker } from "../worker/index.ts";

/** What would be respected, were there admission. */
export interface NoAdmissionOptions {
  readonly threads: number;
  /** Bytes that the process is told it may take. */
  readonly memoryLimitBytes: number;
}

/** From now on, lazy objects of this process run on threads that start whatever is ready, whatever it takes. */
export function useThreadsWithoutAdmission({ threads, memoryLimitBytes }: NoAdmissionOptions): void {
  const runner = localRunner({ threads, memoryLimitBytes, admission: false });
  registerRunner(() => Promise.resolve(runner));
}

/** A scheduler and one worker in this process that start whatever is ready; clients connect to `address`. */
export async function startWithoutAdmission({
  threads,
  memoryLimitBytes,
}: NoAdmissionOptions): Promise<{ readonly address: string; close(): Promise<void> }> {
  const scheduler = await startScheduler({ port: 0, machine: { admission: false } });
  const budgetBytes = budgetBytesWithin(memoryLimitBytes, threads);
  const executor = createExecutor({ threads, budgetBytes, enforceBudget: false });
  const worker = await Worker.start({ scheduler: scheduler.address, nthreads: threads, memoryLimitBytes, executor });
  return {
    address: scheduler.address,
    close: async () => {
      await worker.close("the test is over");
      await scheduler.close();
    },
  };
}
