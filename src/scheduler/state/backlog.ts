/**
 * Ready tasks that wait for one worker, because what they need, or what needs them, is there and moving it would take
 * longer than the wait. They are ready like others (`queued`), only out of the common queue, so that whoever is free goes
 * on with what has no place yet instead of tearing groups apart.
 */
import { isHead } from "./admission.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import { refreshWorker } from "./load.ts";
import { isBefore } from "./ready-queue.ts";
import { loadOf, type WorkerState } from "./workers.ts";

/** Tasks that wait for one worker at the most. */
const BACKLOG_MAX = 64;
/** Time of a task while none of the worker has been timed. */
const GUESS_MS = 1;
/** Time that sharing a piece must win at the least. */
const LEAST_MS = 2;
/** Workers that are asked in vain for something to take over. */
const TRIES = 8;

const inputs: Slot[] = [];

/**
 * True when a task had better wait for a worker that has no place than run elsewhere, where bytes would have to move: at
 * `other`, which may have some of them, or where none are.
 */
export function isWorthWaiting(core: Core, slot: Slot, worker: WorkerState, other?: WorkerState): boolean {
  if (worker.status !== "running" || !core.workers.has(worker.index)) return false;
  if (worker.backlog.length >= BACKLOG_MAX || isHead(core, slot)) return false;
  const bytes = bytesAt(core, slot, worker) - (other ? bytesAt(core, slot, other) : 0);
  return waitMs(worker, worker.backlog.length) <= bytes / bytesPerMs(core);
}

/** True when a task that was sent ahead to a worker would wait there longer than it takes to move. */
export function isWorthMoving(core: Core, slot: Slot, worker: WorkerState): boolean {
  return waitMs(worker, -1) >= bytesAt(core, slot, worker) / bytesPerMs(core);
}

/** True when it is worth it that so many tasks of a worker run elsewhere, and so many bytes move. */
export function isWorthSharing(
  core: Core,
  worker: WorkerState,
  { tasks, bytes }: { readonly tasks: number; readonly bytes: number },
): boolean {
  const mean = Number.isNaN(worker.meanTaskMs) ? GUESS_MS : worker.meanTaskMs;
  return (tasks * mean) / worker.facts.nthreads >= LEAST_MS + bytes / bytesPerMs(core);
}

/** Bytes that move in a millisecond. */
function bytesPerMs(core: Core): number {
  return core.config.bandwidth / 1000;
}

/** Bytes that would move if the task ran elsewhere: its inputs that are there, or its result where siblings are. */
function bytesAt(core: Core, slot: Slot, worker: WorkerState): number {
  const count = core.dependencies(slot, inputs);
  if (count === 0) return core.columns.nbytes[slot] as number; // a slot given out
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    if (worker.has.has(input)) bytes += core.columns.nbytes[input] as number;
  }
  return bytes;
}

/** Time until a task behind so many others of the backlog begins. */
function waitMs(worker: WorkerState, ahead: number): number {
  const { nthreads } = worker.facts;
  const mean = Number.isNaN(worker.meanTaskMs) ? GUESS_MS : worker.meanTaskMs;
  return (Math.max(0, loadOf(worker) + ahead - nthreads + 1) / nthreads) * mean;
}

/** A ready task, out of its queue, is to wait for this worker. */
export function waitFor(core: Core, slot: Slot, worker: WorkerState): void {
  const { backlog } = worker;
  let at = backlog.length;
  while (at > 0 && isBefore(core.columns, slot, backlog[at - 1] as Slot)) at--; // at > 0
  backlog.splice(at, 0, slot);
  core.waitsFor.set(slot, worker);
  refreshWorker(core, worker);
}

/** A task is ready no more, or goes back to the common queue. */
export function leaveBacklog(core: Core, slot: Slot): void {
  const worker = core.waitsFor.get(slot);
  if (!worker) return;
  core.waitsFor.delete(slot);
  worker.backlog.splice(worker.backlog.indexOf(slot), 1);
  refreshWorker(core, worker);
}

/** The worker takes no more: what waits for it is anybody's. */
export function disperse(core: Core, worker: WorkerState): void {
  for (const batch of core.batches) batch?.pieces?.release(worker.index);
  for (const slot of worker.backlog.splice(0)) {
    core.waitsFor.delete(slot);
    core.queueOf(slot).push(slot);
  }
}

/** Something for an idle worker from where it would wait longer than it takes to move: the least urgent task there. */
export function takeOver(core: Core, mayTake: (slot: Slot) => boolean): Slot | undefined {
  let tries = 0;
  for (const victim of core.backlogged) {
    if (++tries > TRIES) return undefined;
    const slot = victim.backlog.at(-1);
    if (slot === undefined) continue;
    const moves = bytesAt(core, slot, victim) / bytesPerMs(core);
    if (waitMs(victim, victim.backlog.length - 1) > moves && mayTake(slot)) return slot;
  }
  return undefined;
}
