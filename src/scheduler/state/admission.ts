/**
 * Bytes of workers, and who may be sent.
 *
 * Let S be the sum of `leastBytes` of the open batches: the most that their finished prefixes, run one task at a time
 * in rank order, hold together with the task at the head. On every worker, blocks of finished prefixes and the heads
 * themselves are covered by S; everything else there is `extraBytes`: blocks that finished early, blocks under way to
 * it, results and workspace of other tasks, data of idle batches and of materialised tasks. A task that is no head is
 * sent only if `extraBytes` plus what it adds stays within budget − S. A head adds nothing, so it can always be sent
 * where `extraBytes` ≤ budget − S: the run cannot get stuck, and live bytes cannot pass the budget.
 */
import type { TaskId } from "../../graph/index.ts";
import { type LayerBatch, owns } from "./batches.ts";
import { BATCH, CELL, HOLDER, PAGE, PAGE_BITS, RANK, type Slot, STATE, TASK, WORKER } from "./columns.ts";
import type { Core } from "./core.ts";
import { capacityOf } from "./spill.ts";
import { MEMORY, PROCESSING } from "./states.ts";
import { loadOf, type WorkerState } from "./workers.ts";

const scratch: Slot[] = [];

/** Bytes of result and workspace; 0 where unknown. */
export function needOf(core: Core, slot: Slot): number {
  const known = core.columns.need[slot] as number; // a slot given out
  if (known >= 0) return known;
  if (known < 0) return 0;
  const batch = core.batchOf(slot);
  if (!batch) return 0;
  const task = core.columns.cells[(slot << CELL) + TASK] as number; // a slot given out
  const { nbytes, need } = batch.walk.needs.of(batch.edges.layerOf(task), task);
  core.columns.nbytes[slot] = nbytes;
  core.columns.need[slot] = need;
  return need;
}

/** False where results come from users' functions: S says nothing of their bytes. */
function isPlanned(batch: LayerBatch): boolean {
  return batch.taskClass.language !== "js";
}

/** True for a block that S does not cover. */
function isExtra(core: Core, slot: Slot): boolean {
  const batch = core.batchOf(slot);
  if (batch?.state !== "open" || !isPlanned(batch)) return true;
  return (core.columns.cells[(slot << CELL) + RANK] as number) >= batch.head; // a slot given out
}

/** True for the task at the head of an open batch. */
export function isHead(core: Core, slot: Slot, batch: LayerBatch | null = core.batchOf(slot)): boolean {
  return batch?.state === "open" && core.columns.cells[(slot << CELL) + RANK] === batch.head;
}

/** Bytes that the worker has left for tasks that are no head; Infinity without admission or budget. */
export function roomOf(core: Core, worker: WorkerState): number {
  return worker.facts.budgetBytes === null || !core.config.admission
    ? Number.POSITIVE_INFINITY
    : capacityOf(core, worker.facts) - core.openLeastBytes - worker.extraBytes;
}

/** True when the task's bytes fit there. */
export function admits(core: Core, slot: Slot, worker: WorkerState): boolean {
  const room = roomOf(core, worker);
  return room === Number.POSITIVE_INFINITY || (room >= 0 && addedBytes(core, slot, worker) <= room);
}

/** Bytes that sending the task adds to the worker's `extraBytes`. */
function addedBytes(core: Core, slot: Slot, worker: WorkerState): number {
  let bytes = isHead(core, slot) ? 0 : needOf(core, slot);
  const count = core.dependencies(slot, scratch);
  for (let i = 0; i < count; i++) {
    const dependency = scratch[i] as Slot; // i < count
    if (!worker.has.has(dependency) && !core.arrivals.has(dependency, worker.index) && isExtra(core, dependency))
      bytes += core.columns.nbytes[dependency] as number;
  }
  return bytes;
}

/** A task goes to `worker`: count it and the inputs it will fetch. */
export function reserve(core: Core, slot: Slot, worker: WorkerState): void {
  reserveNeed(core, slot, worker);
  const count = core.dependencies(slot, scratch);
  for (let i = 0; i < count; i++) {
    const input = scratch[i] as Slot; // i < count
    if (!worker.has.has(input)) expect(core, input, worker);
  }
}

/** Count what the task itself takes. */
export function reserveNeed(core: Core, slot: Slot, worker: WorkerState): void {
  const bytes = isHead(core, slot) ? 0 : needOf(core, slot);
  core.columns.reserved[slot] = bytes;
  worker.extraBytes += bytes;
}

/** One more reason for a block that is not there to come to a worker. */
export function expect(core: Core, slot: Slot, worker: WorkerState): void {
  if (!core.arrivals.add(slot, worker.index)) return;
  worker.arriving++;
  if (isExtra(core, slot)) worker.extraBytes += core.columns.nbytes[slot] as number; // a slot given out
}

/** One reason less. */
export function unexpect(core: Core, slot: Slot, worker: WorkerState): void {
  if (!core.arrivals.drop(slot, worker.index)) return;
  worker.arriving--;
  if (isExtra(core, slot)) worker.extraBytes -= core.columns.nbytes[slot] as number; // a slot given out
}

/** A copy of a block is sent for, because its holder is to go: its bytes count from now on. */
export function startMove(core: Core, slot: Slot, worker: WorkerState): void {
  core.moving.set(slot, [...(core.moving.get(slot) ?? []), worker]);
  if (!worker.has.has(slot)) expect(core, slot, worker);
}

/** A block is about to be released: copies that are under way will be dropped where they arrive. */
export function endMoves(core: Core, slot: Slot): void {
  for (const worker of core.moving.get(slot) ?? []) if (core.workers.has(worker.index)) unexpect(core, slot, worker);
  core.moving.delete(slot);
}

/** A copy has arrived, or will not. */
export function endMove(core: Core, slot: Slot, worker: WorkerState): void {
  const left = core.moving.get(slot)?.filter((each) => each !== worker) ?? [];
  if (left.length > 0) core.moving.set(slot, left);
  else core.moving.delete(slot);
}

/** A task left `worker`, done or not: undo {@link reserve}. */
export function unreserve(core: Core, slot: Slot, worker: WorkerState): void {
  worker.extraBytes -= core.columns.reserved[slot] as number; // a slot given out
  core.columns.reserved[slot] = 0;
  if (worker.arriving === 0) return;
  const count = core.dependencies(slot, scratch);
  for (let i = 0; i < count; i++) {
    unexpect(core, scratch[i] as Slot, worker); // i < count
  }
}

/** A block is at a worker now. */
export function addHolder(core: Core, slot: Slot, worker: WorkerState): void {
  if (worker.has.has(slot)) return;
  worker.has.add(slot);
  if (core.moving.size > 0) endMove(core, slot, worker);
  if (worker.seeking.size > 0) worker.seeking.delete(slot);
  const { columns } = core;
  if ((columns.cells[(slot << CELL) + HOLDER] as number) < 0) {
    columns.cells[(slot << CELL) + HOLDER] = worker.index; // a slot given out
    // It went from its last holder in this very event, and is found elsewhere.
    const batch = columns.cells[(slot << CELL) + STATE] === MEMORY ? core.batchOf(slot) : null;
    if (batch) batch.isNearKnown = false;
  } else columns.replicas.set(slot, [...(columns.replicas.get(slot) ?? []), worker.index]);
  if (endArrival(core, slot, worker)) return; // counted since it was on its way
  if (isExtra(core, slot)) worker.extraBytes += columns.nbytes[slot] as number;
}

/** A block is at a worker no more. */
export function removeHolder(core: Core, slot: Slot, worker: WorkerState): void {
  if (!worker.has.delete(slot)) return;
  const { columns } = core;
  if (isExtra(core, slot)) worker.extraBytes -= columns.nbytes[slot] as number; // a slot given out
  const more = columns.replicas.size > 0 ? columns.replicas.get(slot) : undefined;
  if (columns.cells[(slot << CELL) + HOLDER] === worker.index) {
    columns.cells[(slot << CELL) + HOLDER] = more?.shift() ?? -1;
    const batch = more ? core.batchOf(slot) : null;
    if (batch) batch.isNearKnown = false;
  } else more?.splice(more.indexOf(worker.index), 1);
  if (more?.length === 0) columns.replicas.delete(slot);
}

/** Move the head of a batch over everything that is done; blocks that it passes become covered. */
export function advanceHead(core: Core, batch: LayerBatch): void {
  if (batch.state === "idle") return;
  const first = batch.activeRanks.min();
  const head = first < 0 ? batch.order.count : first;
  if (head > batch.head) {
    const old = batch.head;
    if (batch.state === "open") pass(core, batch, old, head);
    batch.head = head;
    batch.order.drop(head);
  }
  if (first < 0) {
    if (batch.walk.isDone) close(core, batch);
  } else if (batch.state === "open") coverHead(core, batch);
}

/** The finished prefix grows over these ranks. */
function pass(core: Core, batch: LayerBatch, from: number, to: number): void {
  const start = Math.max(from, batch.order.from);
  if (start > from) coverRanks(core, batch, { from, to: Math.min(start, to), sign: -1 });
  if (!isPlanned(batch)) return;
  const { cells } = core.columns;
  const hasArrivals = core.arrivals.size > 0;
  for (let rank = start; rank < to; rank++) {
    const slot = ownSlot(batch, batch.order.task(rank));
    if (slot >= 0 && (hasArrivals || (cells[(slot << CELL) + HOLDER] as number) >= 0)) count(core, slot, -1);
  }
}

/** Slot of a task of the batch's own; -1: it has none, or the task is another batch's. */
function ownSlot(batch: LayerBatch, task: TaskId): Slot {
  const page = batch.pages[task >>> PAGE_BITS] as number; // a task of the graph
  return page < 0 || !owns(batch, task) ? -1 : page + (task & (PAGE - 1));
}

/** A task of rank `rank` is to be done again, or for the first time: everything behind it is no prefix any more. */
export function retreatHead(core: Core, batch: LayerBatch, rank: number): void {
  if (batch.state === "idle") {
    batch.state = "pending";
    core.active.add(batch);
    batch.head = rank;
    return;
  }
  if (rank >= batch.head) return;
  const old = batch.head;
  const formerHead = headSlot(batch);
  batch.head = rank;
  if (batch.state !== "open") return;
  if (formerHead >= 0 && core.columns.cells[(formerHead << CELL) + STATE] === PROCESSING)
    setReserved(core, formerHead, needOf(core, formerHead));
  coverRanks(core, batch, { from: rank, to: old, sign: 1 });
}

/** Slot of the task at the head; -1: nothing is active. */
function headSlot(batch: LayerBatch): Slot {
  return batch.activeRanks.has(batch.head) ? ownSlot(batch, batch.order.task(batch.head)) : -1;
}

/** Count or stop counting blocks of these ranks wherever they are or will be. */
function coverRanks(
  core: Core,
  batch: LayerBatch,
  { from, to, sign }: { readonly from: number; readonly to: number; readonly sign: 1 | -1 },
): void {
  if (from >= to || !isPlanned(batch)) return;
  for (const worker of core.workers.values())
    if (worker.has.size > 0) worker.extraBytes += sign * worker.has.bytesOf(batch.index, { from, to });
  if (core.arrivals.size === 0) return;
  const { columns } = core;
  for (const { slot, worker } of core.arrivals.pairs()) {
    const rank = columns.cells[(slot << CELL) + RANK] as number; // a slot given out
    if (columns.cells[(slot << CELL) + BATCH] === batch.index && rank >= from && rank < to)
      addExtra(core, worker, sign * (columns.nbytes[slot] as number));
  }
}

/** Count (1) or stop counting (-1) a block wherever it is or will be. */
function count(core: Core, slot: Slot, sign: 1 | -1): void {
  const bytes = sign * (core.columns.nbytes[slot] as number); // a slot given out
  const first = core.columns.cells[(slot << CELL) + HOLDER] as number;
  if (first >= 0) {
    addExtra(core, first, bytes);
    if (core.columns.replicas.size > 0)
      for (const index of core.columns.replicas.get(slot) ?? []) addExtra(core, index, bytes);
  }
  if (core.arrivals.size > 0) for (const index of core.arrivals.workersOf(slot)) addExtra(core, index, bytes);
}

function addExtra(core: Core, index: number, bytes: number): void {
  const worker = core.workerOf[index];
  if (worker) worker.extraBytes += bytes;
}

/** The size of a result became known. */
export function setBytes(core: Core, slot: Slot, nbytes: number): void {
  if (core.columns.nbytes[slot] === nbytes) return;
  if (isExtra(core, slot)) count(core, slot, -1);
  core.columns.nbytes[slot] = nbytes;
  if (isExtra(core, slot)) count(core, slot, 1);
}

/** True when the worker was waiting for the block. */
export function endArrival(core: Core, slot: Slot, worker: WorkerState): boolean {
  if (worker.arriving === 0 || !core.arrivals.delete(slot, worker.index)) return false;
  worker.arriving--;
  return true;
}

/** The worker is gone: nothing comes to it. */
export function endArrivals(core: Core, worker: WorkerState): void {
  const gone = Array.from(core.arrivals.pairs()).filter((pair) => pair.worker === worker.index);
  for (const { slot } of gone) endArrival(core, slot, worker);
}

function coverHead(core: Core, batch: LayerBatch): void {
  const slot = headSlot(batch);
  if (slot >= 0 && core.columns.cells[(slot << CELL) + STATE] === PROCESSING) setReserved(core, slot, 0);
}

function setReserved(core: Core, slot: Slot, bytes: number): void {
  const worker = core.workers.get(core.columns.cells[(slot << CELL) + WORKER] as number); // a slot given out
  if (!worker) return;
  worker.extraBytes += bytes - (core.columns.reserved[slot] as number);
  core.columns.reserved[slot] = bytes;
}

/** Nothing left to do: what the batch still holds counts as what it is. */
function close(core: Core, batch: LayerBatch): void {
  if (batch.state === "open") {
    coverRanks(core, batch, { from: 0, to: batch.head, sign: 1 });
    core.countOpen(batch, -1);
  }
  batch.state = "idle";
  core.active.delete(batch);
}

/**
 * Open batches in order of urgency while their S fits beside the open ones on some worker. The first that can run is
 * always opened, and so is one on which an open batch builds. A batch that nobody may run holds no bytes back.
 */
export function openBatches(core: Core): void {
  const pending: LayerBatch[] = [];
  let isOneOpen = false;
  for (const batch of core.active) {
    if (batch.state === "open" && core.eligible(batch.taskClass).length === 0) suspend(core, batch);
    if (batch.state === "pending") pending.push(batch);
    else isOneOpen = true;
  }
  if (pending.length === 0) return;
  for (const batch of pending.sort((a, b) => a.urgency - b.urgency)) {
    const eligible = core.eligible(batch.taskClass);
    if (batch.state !== "pending" || eligible.length === 0) continue;
    const fits = eligible.some((worker) => roomOf(core, worker) >= batch.leastBytes);
    if (isOneOpen && !fits && !isBuiltOn(core, batch)) continue;
    isOneOpen = true;
    openWithOwners(core, batch);
  }
}

/** True when no batch is open, and one could be. */
export function mayOpen(core: Core): boolean {
  let isOnePending = false;
  for (const { state, taskClass } of core.active) {
    if (state === "open") return false;
    isOnePending ||= state === "pending" && core.eligible(taskClass).length > 0;
  }
  return isOnePending;
}

/** True when an open batch uses layers of this one. */
function isBuiltOn(core: Core, batch: LayerBatch): boolean {
  return (
    batch.users > 0 && Array.from(core.active).some((other) => other.state === "open" && other.owners.includes(batch))
  );
}

function openWithOwners(core: Core, batch: LayerBatch): void {
  for (const owner of batch.owners) if (owner.state === "pending") openWithOwners(core, owner);
  coverRanks(core, batch, { from: 0, to: batch.head, sign: -1 });
  batch.state = "open";
  core.countOpen(batch, 1);
  advanceHead(core, batch);
}

function suspend(core: Core, batch: LayerBatch): void {
  const head = headSlot(batch);
  if (head >= 0 && core.columns.cells[(head << CELL) + STATE] === PROCESSING)
    setReserved(core, head, needOf(core, head));
  coverRanks(core, batch, { from: 0, to: batch.head, sign: 1 });
  batch.state = "pending";
  core.countOpen(batch, -1);
}

/**
 * Blocks of it are computed again when it is their turn, also of one that is pending: workers bring such when the scheduler
 * was started again. What users' functions gave is not to be asked for twice.
 */
function isRepeatable(batch: LayerBatch | null): boolean {
  return batch !== null && batch.state !== "idle" && isPlanned(batch);
}

/**
 * Make room for a head after lost blocks moved it back: blocks of open batches that finished early, and that no task
 * under way needs, are dropped, last ranks first; they are computed again when it is their turn.
 *
 * @returns slots to release
 */
export function evictable(core: Core, worker: WorkerState): Slot[] {
  let missing = -roomOf(core, worker);
  const out: Slot[] = [];
  const { columns } = core;
  const candidates = Array.from(worker.has).filter(
    (slot) => isRepeatable(core.batchOf(slot)) && isExtra(core, slot) && !isInUse(core, slot),
  );
  candidates.sort(
    (a, b) =>
      (columns.urgency[b] as number) - (columns.urgency[a] as number) ||
      (columns.cells[(b << CELL) + RANK] as number) - (columns.cells[(a << CELL) + RANK] as number),
  );
  for (const slot of candidates) {
    if (missing <= 0) break;
    missing -= columns.nbytes[slot] as number; // a slot given out
    out.push(slot);
  }
  return out;
}

/** True when a task that is at a worker needs it. */
export function isInUse(core: Core, slot: Slot): boolean {
  const dependents: Slot[] = [];
  core.dependentsOf(slot, dependents);
  return dependents.some((dependent) => core.columns.cells[(dependent << CELL) + STATE] === PROCESSING);
}

/** True when no worker has anything to do. */
export function isAllIdle(core: Core): boolean {
  if (core.counts[PROCESSING] === 0) return true;
  if (core.longRunning === 0) return false;
  for (const worker of core.workers.values()) if (loadOf(worker) > 0) return false;
  return true;
}
