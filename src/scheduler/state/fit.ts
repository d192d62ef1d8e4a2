/** Whether a task and a worker fit, and sending it there. */
import { RemoteProtocolError } from "../../base/index.ts";
import { needOf } from "./admission.ts";
import { CELL, type Slot, TASK, WORKER } from "./columns.ts";
import type { Core } from "./core.ts";
import { PROCESSING } from "./states.ts";
import { transition } from "./transitions.ts";
import { hasFree, speaks, type TaskClass, type WorkerState } from "./workers.ts";

/** Give a ready task to a worker. */
export function send(core: Core, slot: Slot, worker: WorkerState): void {
  core.columns.cells[(slot << CELL) + WORKER] = worker.index;
  transition(core, slot, PROCESSING);
}

/** The task's program can be made. Graphs come from clients: a formula that fails is that task's failure, not ours. */
export function isReadable(core: Core, slot: Slot): boolean {
  try {
    needOf(core, slot);
    const batch = core.batchOf(slot);
    // It may go to a worker that cannot make its program itself.
    if (batch && (core.plainWorkers > 0 || batch.taskClass.resources))
      core.expander.expand(batch, core.columns.cells[(slot << CELL) + TASK] as number); // a slot given out
    return true;
  } catch (cause) {
    const text = `task ${core.show(slot)} cannot be made from its layer: ${cause instanceof Error ? cause.message : String(cause)}`;
    const error = new RemoteProtocolError(text, { cause, details: { key: core.keyOf(slot) } });
    core.failures.set(slot, core.config.failureOf(error));
    return false;
  }
}

/** True when a worker may run tasks of a class, and has what they take. */
export function mayRun(core: Core, worker: WorkerState, taskClass: TaskClass): boolean {
  const isEligible =
    taskClass.workers === null && taskClass.resources === null
      ? speaks(worker, taskClass.language)
      : core.eligible(taskClass).includes(worker);
  return isEligible && hasFree(worker, taskClass.resources);
}
