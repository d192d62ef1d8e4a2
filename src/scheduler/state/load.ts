/** The sets that say which workers can take a task, kept as loads change so that nobody scans workers. */
import type { Core } from "./core.ts";
import { loadOf, type WorkerState } from "./workers.ts";

/** Put a worker where its load and status say; a worker that turns idle goes to the end of the line. */
export function refreshWorker(core: Core, worker: WorkerState): void {
  const isRunning = worker.status === "running" && core.workers.has(worker.index);
  const load = isRunning ? loadOf(worker) : Number.POSITIVE_INFINITY;
  const { nthreads } = worker.facts;
  member(core.idle, worker, load < nthreads);
  member(core.roomy, worker, load >= nthreads && load < nthreads + core.config.sendAhead);
  member(core.busy, worker, isRunning && load - worker.stealsOut > nthreads);
}

function member(set: Set<WorkerState>, worker: WorkerState, isIn: boolean): void {
  if (set.has(worker) === isIn) return;
  if (isIn) set.add(worker);
  else set.delete(worker);
}

/** Work out again who may run what; true when a class got its first worker, or lost its last. */
export function refreshClasses(core: Core): boolean {
  let isFlipped = false;
  for (const taskClass of core.classes.values()) {
    const before = taskClass.eligible?.length;
    taskClass.eligible = null;
    const after = core.eligible(taskClass).length;
    if (before === undefined || (before === 0) !== (after === 0)) isFlipped = true;
  }
  return isFlipped;
}
