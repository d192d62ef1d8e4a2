/** Remote reads: their compressed bytes are fetched here, on the owner's thread, before the task goes to a compute thread. */
import type { TaskSpec } from "../graph/index.ts";
import { fetchRegion, isLocalUrl, plainByteKernels, type ReadPlan, type SourceSpec } from "../io/index.ts";
import { planStep, type ReadStep } from "./steps-io.ts";

/** A read that has to be fetched first. */
export interface RemoteRead {
  readonly step: number;
  readonly plan: ReadPlan;
}

/** The reads of a task that cannot be answered synchronously by a compute thread. */
export function remoteReads(spec: TaskSpec): RemoteRead[] {
  const isRemote = (source: unknown): boolean => !isLocalUrl((source as SourceSpec).url); // made by io
  return spec.steps.flatMap((step, k) =>
    step.do === "read" && isRemote(step.source) ? [{ step: k, plan: planStep(step as ReadStep) }] : [],
  );
}

/** Bytes that a fetched read takes, so that the next one begins aligned. */
export function slotBytesOf(plan: ReadPlan): number {
  return Math.ceil(plan.slotBytes / 64) * 64;
}

/** Fetch all reads into `slots`, one after the other in memory; bytes that came. The first failure aborts the others. */
export async function fetchReads(
  reads: readonly RemoteRead[],
  slots: Uint8Array,
  signal: AbortSignal,
): Promise<number> {
  const stop = new AbortController();
  const context = { kernels: plainByteKernels, signal: AbortSignal.any([signal, stop.signal]) };
  let at = 0;
  const running = reads.map(({ plan }) => {
    const part = slots.subarray(at, at + plan.slotBytes);
    at += slotBytesOf(plan);
    return fetchRegion(plan, part, context);
  });
  try {
    const stats = await Promise.all(running);
    return stats.reduce((sum, s) => sum + s.bytes, 0);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(running); // nothing may write into the slots once they are given back
    throw error;
  }
}
