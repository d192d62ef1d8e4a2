/** Where the time of a run went, and its bytes planned and observed: sums of the runner after it less those before it. */
import type { Plan } from "./plan.ts";
import type { KernelFigures, Runner } from "./runner.ts";

/** Sums of a runner since its start; seconds and bytes. */
export interface RunnerFigures {
  /** Monotonic seconds of whoever answers; only differences mean anything. */
  readonly clockSeconds: number;
  readonly workers: number;
  /** Compute threads of all workers. */
  readonly threads: number;
  readonly tasks: number;
  /** Of compute threads, in tasks. */
  readonly busySeconds: number;
  /** Of that: in tasks that read from or wrote to stores, with the computing that is fused into them. */
  readonly storeSeconds: number;
  /** Of transfers between workers; several at once count several times. */
  readonly transferSeconds: number;
  /** Processor time of whoever decides. */
  readonly schedulerSeconds: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly bytesTransferred: number;
  readonly bytesSpilled: number;
  /** What stores sent, by host; absent where a runner does not tell. */
  readonly reads?: readonly { readonly host: string; readonly requests: number; readonly bytes: number }[];
  /** Highest bytes of live blocks on one worker since its start, and what these may take. */
  readonly peakBytes: number;
  readonly budgetBytes: number;
  readonly kernels: KernelFigures;
}

/** Accounting of one run, as it is written to `rsdat.accounting`. */
export interface RunAccounting {
  readonly runner: string;
  readonly workers: number;
  readonly threads: number;
  readonly tasks: number;
  readonly seconds: number;
  /** Thread-seconds: computing, tasks that touch stores, nothing to do. They add up to `threads` times `seconds`. */
  readonly computeSeconds: number;
  readonly storeSeconds: number;
  readonly idleSeconds: number;
  readonly transferSeconds: number;
  readonly schedulerSeconds: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly bytesTransferred: number;
  readonly bytesSpilled: number;
  /** On one worker: what the plan said, and the highest that any worker has had so far. */
  readonly peakBytesPlanned: number;
  readonly peakBytesObserved: number;
  readonly budgetBytes: number;
  readonly kernels: KernelFigures;
  /** False when the run threw. */
  readonly isDone: boolean;
}

/** What lies between two looks at a runner. */
export function accountingBetween(
  before: RunnerFigures,
  after: RunnerFigures,
  about: { readonly runner: string; readonly peakBytesPlanned: number; readonly isDone: boolean },
): RunAccounting {
  // A worker that left takes its sums along: nothing below 0 is told.
  const of = (pick: (figures: RunnerFigures) => number): number => Math.max(0, pick(after) - pick(before));
  const seconds = of((f) => f.clockSeconds);
  const busy = of((f) => f.busySeconds);
  const storeSeconds = Math.min(
    busy,
    of((f) => f.storeSeconds),
  );
  return {
    runner: about.runner,
    workers: after.workers,
    threads: after.threads,
    tasks: of((f) => f.tasks),
    seconds,
    computeSeconds: busy - storeSeconds,
    storeSeconds,
    idleSeconds: Math.max(0, after.threads * seconds - busy),
    transferSeconds: of((f) => f.transferSeconds),
    schedulerSeconds: of((f) => f.schedulerSeconds),
    bytesRead: of((f) => f.bytesRead),
    bytesWritten: of((f) => f.bytesWritten),
    bytesTransferred: of((f) => f.bytesTransferred),
    bytesSpilled: of((f) => f.bytesSpilled),
    peakBytesPlanned: about.peakBytesPlanned,
    peakBytesObserved: after.peakBytes,
    budgetBytes: after.budgetBytes,
    kernels: {
      modulesCompiled: of((f) => f.kernels.modulesCompiled),
      moduleBytes: of((f) => f.kernels.moduleBytes),
      compileMs: of((f) => f.kernels.compileMs),
      cacheHits: of((f) => f.kernels.cacheHits),
      interpreted: of((f) => f.kernels.interpreted),
    },
    isDone: about.isDone,
  };
}

type Listener = (accounting: RunAccounting) => void;

const listeners = new Set<Listener>();
let last: RunAccounting | null = null;

/** Get the accounting of every run that begins until the answer is disposed of. */
export function watchAccounting(listener: Listener): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => void listeners.delete(listener) };
}

let sink: ((accounting: RunAccounting) => Promise<void>) | null = null;

/** Where the accounting of runs goes that are to be written; set once by a front door. It must not reject. */
export function onAccounting(to: (accounting: RunAccounting) => Promise<void>): void {
  sink = to;
}

/** Accounting of the last run that somebody wanted accounted for: `progress`, `watchAccounting`, `rsdat.accounting`. */
export function lastRun(): RunAccounting | null {
  return last;
}

/** True when somebody wants to hear of a run that begins now. */
export function isAccounted(isWanted: boolean): boolean {
  return isWanted || listeners.size > 0;
}

/**
 * Look at the runner before a run; the answer looks again after it and tells. Null when nobody wants to hear of it, or the
 * runner keeps no sums: a look costs a message there and back.
 */
export async function beginAccounting(
  runner: Runner,
  { plan, isWanted }: { readonly plan: Pick<Plan, "peakWorkerBytes">; readonly isWanted: boolean },
): Promise<((isDone: boolean) => Promise<void>) | null> {
  if (!isAccounted(isWanted) || !runner.figures) return null;
  const all = [...listeners];
  const before = await runner.figures();
  if (before === null) return null;
  return async (isDone) => {
    const after = await runner.figures?.();
    if (!after) return;
    const accounting = accountingBetween(before, after, {
      runner: runner.name,
      peakBytesPlanned: plan.peakWorkerBytes,
      isDone,
    });
    last = accounting;
    for (const listener of all) listener(accounting);
    if (isWanted) await sink?.(accounting);
  };
}
