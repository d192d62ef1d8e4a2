/**
 * Ready tasks of a symbolic graph all of whose inputs are at one worker that has a place: they go there, one after
 * the other in one loop. Whatever needs a choice is left to `placement.ts`, which would have chosen the same for these.
 */
import { MANY_LINKS, NO_LINKS, type TaskId } from "../../graph/index.ts";
import { needOf, roomOf } from "./admission.ts";
import type { LayerBatch } from "./batches.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import { isReadable } from "./fit.ts";
import { isFused, sendHere, slotAt } from "./fused.ts";
import { hasPlace } from "./load.ts";
import { goesAsColumn } from "./outgoing.ts";
import { speaks, type WorkerState } from "./workers.ts";

const inputs: TaskId[] = [];

/** True when tasks of the batch go to any worker that speaks their language, and nothing unusual is under way. */
export function isFree(core: Core, batch: LayerBatch): boolean {
  const { language, workers, resources } = batch.taskClass;
  const isAnyone = language === "native" && workers === null && resources === null;
  return isAnyone && core.plainWorkers === 0 && core.stolenFor.size === 0 && isFused(core, batch);
}

/** Send the most urgent tasks of a batch where their inputs are, up to the first that needs a choice; true when one was sent. */
export function sendNear(core: Core, batch: LayerBatch): boolean {
  if (!isFree(core, batch) || core.columns.replicas.size > 0) return false;
  const { queue, order } = batch;
  let hasSent = false;
  for (let rank = queue.min(); rank >= 0; rank = queue.min()) {
    const task = order.task(rank);
    const worker = workerOfInputs(core, batch, task);
    if (!worker || !hasPlace(worker) || !speaks(worker, "native") || !goesAsColumn(worker, batch)) break;
    const slot = slotAt(batch, task);
    if (!isReadable(core, slot) || !fits(core, batch, worker, slot)) break;
    sendHere(core, worker, slot);
    hasSent = true;
  }
  return hasSent;
}

/** The worker that has all inputs of a task, which has some. */
function workerOfInputs(core: Core, batch: LayerBatch, task: TaskId): WorkerState | undefined {
  const { holder } = core.columns;
  const away = batch.edges.inputAway[batch.edges.layerOf(task)] as number; // one per layer
  if (away === NO_LINKS) return undefined;
  if (away !== MANY_LINKS) return core.workerOf[holder[slotAt(batch, task - away)] as number];
  const count = batch.edges.dependencies(task, inputs);
  if (count === 0) return undefined;
  const first = holder[slotAt(batch, inputs[0] as TaskId)] as number; // there is one
  for (let i = 1; i < count; i++) if (holder[slotAt(batch, inputs[i] as TaskId)] !== first) return undefined; // i < count
  return core.workerOf[first];
}

/** The bytes of a task that finds its inputs there have room. */
export function fits(core: Core, batch: LayerBatch, worker: WorkerState, slot: Slot): boolean {
  const room = roomOf(core, worker);
  if (room === Number.POSITIVE_INFINITY) return true;
  return room >= 0 && (core.columns.rank[slot] === batch.head || needOf(core, slot) <= room);
}
