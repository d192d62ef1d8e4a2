/** Retirement: what exists only on workers that are to go is copied elsewhere first. */
import type { Key } from "../../graph/index.ts";
import { isAllIdle, roomOf, startMove } from "./admission.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { SchedulerEvent, WorkerAddress } from "./events.ts";
import { addresses } from "./tell.ts";
import { workersChanged } from "./worker-events.ts";
import type { WorkerState } from "./workers.ts";

export function retireWorkers(core: Core, event: Extract<SchedulerEvent, { type: "retire-workers" }>): void {
  const workers = new Set(event.workers.flatMap((address) => core.workerAt.get(address) ?? []));
  core.retiring.set(event.request, { workers, done: [], close: event.close });
  for (const worker of workers) {
    worker.status = "closing_gracefully";
    core.sendWorker(worker, { op: "worker-status-change", status: "closing_gracefully", stimulusId: core.stimulusId });
    workersChanged(core, worker);
  }
}

/** Look at the retirements under way; called after every event. True when a worker runs tasks again. */
export function retireProgress(core: Core): boolean {
  let isReinstated = false;
  for (const [request, retirement] of core.retiring) {
    for (const worker of retirement.workers) {
      if (worker.processing.size > 0 && core.workers.has(worker.index)) continue;
      const state = core.workers.has(worker.index) ? drain(core, worker) : "empty";
      if (state === "waiting") continue;
      retirement.workers.delete(worker);
      if (state === "stuck") {
        reinstate(core, worker);
        isReinstated = true;
      } else retirement.done.push(worker.facts.address);
      if (state === "empty" && retirement.close && core.workers.has(worker.index))
        core.sendWorker(worker, { op: "close", reason: "retired" });
    }
    if (retirement.workers.size > 0) continue;
    core.retiring.delete(request);
    core.emit({ type: "retired", request, workers: retirement.done });
  }
  return isReinstated;
}

/** Nobody can take what it holds: it stays. */
function reinstate(core: Core, worker: WorkerState): void {
  worker.status = "running";
  core.sendWorker(worker, { op: "worker-status-change", status: "running", stimulusId: core.stimulusId });
  workersChanged(core, worker);
}

/** Ask others for what only this worker, or others that retire too, have. */
function drain(core: Core, worker: WorkerState): "empty" | "waiting" | "stuck" {
  const asks = new Map<WorkerState, Slot[]>();
  let isWaiting = false;
  for (const slot of worker.has) {
    if (!core.isNeeded(slot) || isElsewhere(core, slot)) continue;
    isWaiting = true;
    const asked = core.moving.get(slot) ?? [];
    if (asked.some(({ index, status }) => core.workers.has(index) && status === "running")) continue;
    const recipient = recipientFor(core, worker);
    if (!recipient) return "stuck";
    if (roomOf(core, recipient) < (core.columns.nbytes[slot] as number)) {
      // Later, when what runs there has ended; never beyond the budget.
      if (core.moving.size === 0 && asks.size === 0 && isAllIdle(core)) return "stuck";
      continue;
    }
    startMove(core, slot, recipient);
    asks.set(recipient, [...(asks.get(recipient) ?? []), slot]);
  }
  for (const [recipient, slots] of asks) {
    const whoHas = new Map<Key, WorkerAddress[]>(slots.map((slot) => [core.keyOf(slot), addresses(core, slot)]));
    const nbytes = new Map<Key, number>(slots.map((slot) => [core.keyOf(slot), core.columns.nbytes[slot] as number])); // slots given out
    core.sendWorker(recipient, { op: "acquire-replicas", whoHas, nbytes, stimulusId: core.stimulusId });
  }
  return isWaiting ? "waiting" : "empty";
}

function isElsewhere(core: Core, slot: Slot): boolean {
  return core.columns.holdersOf(slot).some((index) => {
    const status = core.workers.get(index)?.status;
    return status === "running" || status === "paused";
  });
}

/** The running worker of the same kind with the most room. */
function recipientFor(core: Core, worker: WorkerState): WorkerState | undefined {
  let best: WorkerState | undefined;
  for (const other of core.workers.values()) {
    if (other === worker || other.status !== "running" || other.facts.kind !== worker.facts.kind) continue;
    if (
      !best ||
      roomOf(core, other) > roomOf(core, best) ||
      (roomOf(core, other) === roomOf(core, best) && other.has.size < best.has.size)
    )
      best = other;
  }
  return best;
}
