/**
 * Ready tasks of a symbolic graph go where most bytes of their inputs are while there is a place, one after the other in
 * one loop. Whatever needs a choice is left to `placement.ts`, which would have chosen the same for these.
 */
import { MANY_LINKS, NO_LINKS, type TaskId } from "../../graph/index.ts";
import { admits } from "./admission.ts";
import type { LayerBatch } from "./batches.ts";
import { CELL, HOLDER, NEAR, NEAR_SOME, PLACE, type Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import { isReadable } from "./fit.ts";
import { inputSlots, isFused, sendThere, slotAt } from "./fused.ts";
import { hasPlace } from "./load.ts";
import { goesAsColumn } from "./outgoing.ts";
import { Sending } from "./sending.ts";
import { speaks } from "./workers.ts";

const inputs: Slot[] = [];
/** Indices of workers that hold inputs of one task, and bytes of them there. */
const holders: number[] = [];
const held: number[] = [];

/** True when tasks of the batch go to any worker that speaks their language, and nothing unusual is under way. */
export function isFree(core: Core, batch: LayerBatch): boolean {
  const { language, workers, resources } = batch.taskClass;
  const isAnyone = language !== "python" && workers === null && resources === null;
  return isAnyone && core.plainWorkers === 0 && core.stolenFor.size === 0 && isFused(core, batch);
}

/** Send the most urgent tasks of a batch where most of their inputs are, up to the first that needs a choice; true when one was sent. */
export function sendNear(core: Core, batch: LayerBatch): boolean {
  if (!isFree(core, batch)) return false;
  const { queue, order } = batch;
  const { language } = batch.taskClass;
  const { cells, need, replicas } = core.columns;
  // What was noted when inputs arrived is where they are, unless there were copies.
  const canTrust = batch.isNearKnown && replicas.size === 0;
  const sending = new Sending(core, batch);
  let sent = 0;
  for (let rank = queue.min(); rank >= 0; rank = queue.min()) {
    const task = order.task(rank);
    const slot = slotAt(batch, task);
    const near = canTrust ? (cells[(slot << CELL) + PLACE] as number) : NEAR_SOME;
    const count = near >= NEAR ? 1 : lookAtHolders(core, batch, slot, task);
    if (near >= NEAR) holders[0] = near - NEAR;
    const worker = count === 0 ? undefined : core.workerOf[holders[0] as number];
    if (!worker || !sending.to(worker) || !speaks(worker, language) || !goesAsColumn(worker, batch)) break;
    if (!((need[slot] as number) >= 0) && !isReadable(core, slot)) break;
    if (count === 1) {
      if (!sending.add(slot)) break;
      queue.takeRank(rank);
    } else {
      sending.flush();
      if (!hasPlace(worker) || !admits(core, slot, worker)) break;
      sendThere(core, worker, slot);
      sent++;
    }
  }
  sending.flush();
  return sent + sending.sent > 0;
}

/** Find the workers that have inputs of a task, the one with most bytes first; gives their number, 0 where some have copies. */
function lookAtHolders(core: Core, batch: LayerBatch, slot: Slot, task: TaskId): number {
  const { cells, replicas } = core.columns;
  const away = batch.edges.inputAway[batch.edges.layerOf(task)] as number; // one per layer
  const hasCopies = replicas.size > 0;
  if (away !== MANY_LINKS) {
    if (away === NO_LINKS) return 0;
    const input = slotAt(batch, task - away);
    holders[0] = cells[(input << CELL) + HOLDER] as number;
    return hasCopies && replicas.has(input) ? 0 : 1;
  }
  const n = inputSlots(core, batch, slot, inputs);
  const first = n === 0 ? -1 : (cells[((inputs[0] as Slot) << CELL) + HOLDER] as number);
  let isOne = n > 0;
  for (let i = 0; i < n; i++) {
    const input = inputs[i] as Slot; // i < n
    if (hasCopies && replicas.has(input)) return 0;
    if (cells[(input << CELL) + HOLDER] !== first) isOne = false;
  }
  holders[0] = first;
  return isOne ? 1 : n === 0 ? 0 : weigh(core, n);
}

/** Sum up what each worker has of the inputs, of which there are so many. */
function weigh(core: Core, n: number): number {
  const { cells, nbytes } = core.columns;
  let count = 0;
  for (let i = 0; i < n; i++) {
    const input = inputs[i] as Slot; // i < n
    const index = cells[(input << CELL) + HOLDER] as number;
    let at = 0;
    while (at < count && holders[at] !== index) at++;
    if (at === count) {
      holders[count] = index;
      held[count++] = 0;
    }
    held[at] = (held[at] as number) + (nbytes[input] as number) + 1; // at < count
  }
  putMostFirst(count);
  return count;
}

/** Of those that have as many bytes the first stays first. */
function putMostFirst(count: number): void {
  let best = 0;
  for (let i = 1; i < count; i++) if ((held[i] as number) > (held[best] as number)) best = i; // i < count
  holders[0] = holders[best] as number;
}
