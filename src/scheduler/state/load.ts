/** The sets that say which workers can take a task, kept as loads change so that nobody scans workers. */
import type { Core } from "./core.ts";
import { loadOf, type WorkerState } from "./workers.ts";

/** Tasks sent ahead to one thread at the most. */
const AHEAD_MAX = 256;
/** Weight of the last task in the mean. */
const NEWEST = 0.2;
/** Work queued at a worker that is worth asking back. */
const STEAL_MS = 2;
/** Tasks that take less on average are not worth it: asking for one takes longer than running it. */
const STEAL_TASK_MS = 0.1;

/** A task took so long at this worker: the shorter its tasks are, the more of them it is sent ahead. */
export function timeTask(core: Core, worker: WorkerState, ms: number): void {
  setMean(core, worker, meanWith(worker.meanTaskMs, ms));
}

/** A mean with one time more. */
export function meanWith(mean: number, ms: number): number {
  return Number.isNaN(mean) ? ms : mean * (1 - NEWEST) + ms * NEWEST;
}

/** The mean of a worker is another. */
export function setMean(core: Core, worker: WorkerState, mean: number): void {
  worker.meanTaskMs = mean;
  if (core.config.saturation !== null) return;
  const perThread = Math.min(AHEAD_MAX, core.config.sendAheadMs / Math.max(mean, 1e-3));
  worker.ahead = Math.max(core.config.sendAhead, Math.round(worker.facts.nthreads * perThread));
}

/** Put a worker where its load and status say; a worker that turns idle goes to the end of the line. */
export function refreshWorker(core: Core, worker: WorkerState): void {
  const isRunning = worker.isHere && worker.status === "running";
  const load = isRunning ? loadOf(worker) : Number.POSITIVE_INFINITY;
  const { nthreads } = worker.facts;
  worker.ahead = leastAhead(core, worker);
  if (worker.ahead > worker.aheadMost) worker.aheadMost = worker.ahead;
  const taken = load + worker.following;
  const places = Math.max(0, Math.min(PLACES_MOST, nthreads + worker.ahead - taken));
  core.places += places - worker.places;
  if (places > worker.places && !worker.isOpened) {
    worker.isOpened = true;
    core.opened.push(worker);
  }
  worker.places = places;
  const spare = load - worker.stealsOut - nthreads;
  const mean = worker.meanTaskMs;
  const isWorthIt = Number.isNaN(mean) || (mean >= STEAL_TASK_MS && spare * mean >= STEAL_MS);
  const waits = worker.backlog.length > 0;
  const memberOf =
    (load < nthreads ? IDLE : 0) |
    (load >= nthreads && taken < nthreads + worker.ahead ? ROOMY : 0) |
    (waits ? BACKLOGGED : 0) |
    (waits && places > 0 ? SERVED : 0) |
    (isRunning && spare > 0 && isWorthIt ? BUSY : 0);
  if (memberOf === worker.memberOf) return;
  member(core.idle, IDLE, worker, memberOf);
  member(core.roomy, ROOMY, worker, memberOf);
  member(core.backlogged, BACKLOGGED, worker, memberOf);
  member(core.served, SERVED, worker, memberOf);
  member(core.busy, BUSY, worker, memberOf);
  worker.memberOf = memberOf;
}

/** The same after one task more was sent: where the worker had more than its threads can run, and has a place still, little changes. */
export function refreshSent(core: Core, worker: WorkerState): void {
  const { places, memberOf } = worker;
  const isPast = worker.processing.size - 1 - worker.longRunning.size >= worker.facts.nthreads;
  const isBusyAsBefore = (memberOf & BUSY) !== 0 || worker.meanTaskMs < STEAL_TASK_MS;
  if (!isPast || places < 2 || places === PLACES_MOST || !isBusyAsBefore || (memberOf & BACKLOGGED) !== 0)
    return refreshWorker(core, worker);
  worker.places = places - 1;
  core.places--;
}

/** What a saturation allows, exactly; without one what was found so far, or the least. */
function leastAhead(core: Core, worker: WorkerState): number {
  const { saturation, sendAhead } = core.config;
  if (saturation === null) return Math.max(worker.ahead, sendAhead);
  if (saturation === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER;
  const { nthreads } = worker.facts;
  return Math.max(0, Math.ceil(saturation * nthreads) - nthreads);
}

/** Bits of the sets in `memberOf`. */
const IDLE = 1;
const ROOMY = 2;
const BACKLOGGED = 4;
const SERVED = 8;
const BUSY = 16;

function member(set: Membership, bit: number, worker: WorkerState, memberOf: number): void {
  const isIn = (memberOf & bit) !== 0;
  if (((worker.memberOf & bit) !== 0) === isIn) return;
  if (isIn) set.add(worker);
  else set.delete(worker);
}

interface Membership {
  add(worker: WorkerState): unknown;
  delete(worker: WorkerState): unknown;
}

/** True when the worker has a free thread. */
export function isIdle(worker: WorkerState): boolean {
  return (worker.memberOf & IDLE) !== 0;
}

/** True when the worker has a place, at a thread or ahead of one. */
export function hasPlace(worker: WorkerState): boolean {
  return (worker.memberOf & (IDLE | ROOMY)) !== 0;
}

/**
 * True when a source that leaves so many bytes may be sent to a worker that has a place. How many tasks go ahead is by their
 * mean time; those that make large blocks take long beside those that use them up, and as many of them as of all would have
 * run before the first of what frees their blocks could be sent.
 *
 * @param pending tasks that go to the worker, and are not counted there yet
 */
export function mayBegin(core: Core, worker: WorkerState, bytes: number, pending: number): boolean {
  if (core.config.sendAheadBytes === Number.POSITIVE_INFINITY) return true;
  const ahead = loadOf(worker) + pending + worker.following + 1 - worker.facts.nthreads;
  return (
    ahead <= largeAhead(core, worker) || ahead * bytes <= core.config.sendAheadBytes || core.config.saturation !== null
  );
}

/** Large sources that a worker has beyond its threads: one for every two. */
export function largeAhead(core: Core, worker: WorkerState): number {
  return Math.max(core.config.sendAhead, worker.facts.nthreads >> 1);
}

/** Tasks that the worker can be given now, for all that a queue can say. */
const PLACES_MOST = 2 ** 20;

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
