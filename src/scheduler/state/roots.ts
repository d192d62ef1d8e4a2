/** Tasks without inputs, begun from pieces of their graph's order: each worker goes on in its own. */
import { admits, isAllIdle, needOf } from "./admission.ts";
import { isWorthSharing } from "./backlog.ts";
import { type LayerBatch, slotOf } from "./batches.ts";
import type { Core } from "./core.ts";
import { isReadable, mayRun, send } from "./fit.ts";
import { hasPlace, mayBegin } from "./load.ts";
import { isFree } from "./near.ts";
import { goesAsColumn } from "./outgoing.ts";
import type { Pieces } from "./pieces.ts";
import { Sending } from "./sending.ts";
import { ERRED } from "./states.ts";
import type { WorkerState } from "./workers.ts";

/** Workers that are tried in vain after one event. */
const TRIES = 8;

/** Send roots of an open batch; true when one is now to be placed like other tasks. */
export function beginRoots(core: Core, batch: LayerBatch): boolean {
  const { pieces } = batch;
  if (!pieces) return false;
  const workers = core.eligible(batch.taskClass).length;
  if (workers > pieces.workers && pieces.covered > 0) {
    pieces.workers = workers;
    pieces.cutAgain(workers);
  }
  for (const worker of core.opened) if (hasPlace(worker)) beginAt(core, batch, worker);
  retryCramped(core, batch, pieces);
  if (pieces.free.length > 0) shareFree(core, batch, pieces);
  if (core.idle.size > 0 && batch.queue.roots.size > 0) shareOthers(core, batch, pieces);
  return releaseHead(core, batch, pieces);
}

/** Send a worker roots of its pieces while it has places; true when it got some. */
function beginAt(core: Core, batch: LayerBatch, worker: WorkerState): boolean {
  const pieces = batch.pieces as Pieces; // callers have looked
  if (!mayRun(core, worker, batch.taskClass)) return false;
  const isPlain = isFree(core, batch) && goesAsColumn(worker, batch);
  const sending = new Sending(core, batch);
  let hasSent = false;
  let isCramped = false;
  while (isPlain ? sending.to(worker) : hasPlace(worker)) {
    const rank = pieces.next(worker.index);
    if (rank < 0) {
      if (!pieces.claim(worker.index)) break;
      continue;
    }
    const slot = slotOf(core.columns, batch, batch.order.task(rank));
    if (!isReadable(core, slot)) {
      batch.queue.remove(slot);
      core.recommend(slot, ERRED);
      continue;
    }
    if (!mayBegin(core, worker, needOf(core, slot), sending.pending)) break;
    isCramped = isPlain ? !sending.add(slot) : !admits(core, slot, worker);
    if (isCramped) break;
    if (isPlain) batch.queue.remove(slot);
    else send(core, slot, worker);
    hasSent = true;
  }
  sending.flush();
  if (isCramped) pieces.cramped.add(worker.index);
  else if (pieces.cramped.size > 0) pieces.cramped.delete(worker.index);
  return hasSent;
}

/** Some room may have appeared; whoever is tried in vain goes to the end of the line. */
function retryCramped(core: Core, batch: LayerBatch, pieces: Pieces): void {
  let tries = 0;
  for (const index of pieces.cramped) {
    if (++tries > TRIES) return;
    const worker = core.workers.get(index);
    pieces.cramped.delete(index);
    if (worker && hasPlace(worker)) beginAt(core, batch, worker);
  }
}

/** Pieces that nobody has go to workers that have none. */
function shareFree(core: Core, batch: LayerBatch, pieces: Pieces): void {
  for (const workers of [core.idle, core.roomy]) {
    for (const worker of workers) {
      if (pieces.free.length === 0) return;
      if (!pieces.claims.has(worker.index)) beginAt(core, batch, worker);
    }
  }
}

/** Idle workers without a piece: the order goes on for them, or they share those of others. */
function shareOthers(core: Core, batch: LayerBatch, pieces: Pieces): void {
  let tries = 0;
  for (const worker of core.idle) {
    if (++tries > TRIES) return;
    if (!mayRun(core, worker, batch.taskClass)) continue;
    if (!pieces.claims.has(worker.index)) {
      if (!batch.walk.isDone) {
        pieces.isHungry = pieces.goal <= pieces.covered;
        return;
      }
      const isShared = pieces.split(worker.index, (victim, tasks, bytes) => {
        const other = core.workers.get(victim);
        return other !== undefined && isWorthSharing(core, other, { tasks, bytes });
      });
      if (!isShared) return;
    }
    if (beginAt(core, batch, worker)) tries--;
  }
}

/**
 * The head is a root, and whoever has its piece has no room for it: anybody may take it. So may anybody take the first
 * root when all are idle.
 */
function releaseHead(core: Core, batch: LayerBatch, pieces: Pieces): boolean {
  const { roots } = batch.queue;
  let rank = -1;
  if (pieces.cramped.size > 0 && roots.has(batch.head)) {
    const owner = pieces.ownerOf(batch.head);
    if (owner < 0 || pieces.cramped.has(owner)) rank = batch.head;
  }
  if (rank < 0 && roots.size > 0 && !pieces.isHungry && isAllIdle(core)) rank = roots.min();
  if (rank < 0) return false;
  batch.queue.release(slotOf(core.columns, batch, batch.order.task(rank)));
  return true;
}
