/**
 * The transition table: what happens to a task between two states. Handlers only recommend; one loop applies what is
 * recommended, oldest first, until nothing is left. A cell may find that its reason has passed and leave the task.
 */
import { InvariantError, invariant, KilledWorkerError } from "../../base/index.ts";
import type { Key } from "../../graph/index.ts";
import type { WireFailure } from "../../protocol/index.ts";
import { addHolder, endMoves, removeHolder, reserve, retreatHead, unreserve } from "./admission.ts";
import { rankLate } from "./batches.ts";
import {
  CELL,
  DEATHS,
  DEPENDENTS,
  FLAG_EVICT,
  FLAG_FOLLOWS,
  FLAG_NEXT,
  FLAG_STARTED,
  FLAGS,
  HOLDER,
  MISSING,
  NEAR_SOME,
  PLACE,
  RANK,
  RUN_ID,
  type Slot,
  STATE,
  TASK,
  WAITERS,
  WANTS,
  WORKER,
} from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import { arriveInChain, callOff } from "./follow.ts";
import { foretell } from "./foretell.ts";
import { send } from "./fused.ts";
import { forgetTask, knowTask } from "./lifetime.ts";
import { refreshWorker } from "./load.ts";
import { goesAsColumn } from "./outgoing.ts";
import { releaseMany } from "./releases.ts";
import {
  ERRED,
  FORGOTTEN,
  isActive,
  MEMORY,
  NO_WORKER,
  PROCESSING,
  QUEUED,
  RELEASED,
  STATES,
  type TaskState,
  WAITING,
} from "./states.ts";
import { addresses, tellMemory } from "./tell.ts";
import { useResources, type WorkerState } from "./workers.ts";

/** Filled and read within one function; no cell calls another. */
const inputs: Slot[] = [];
const dependents: Slot[] = [];

/** One cell: what it takes to go from one state to another. */
export type Transition = (core: Core, slot: Slot) => void;

/** Every pair of states. `null`: cannot happen. */
export type TransitionTable = { readonly [From in TaskState]: { readonly [To in TaskState]: Transition | null } };

/**
 * Apply recommendations until none is left. A task that has moved since it was recommended is left alone where the
 * table has no move from its new state: what moved it has recommended the rest.
 */
export function settle(core: Core): void {
  const { recommended } = core;
  for (let slot = recommended.slot; slot >= 0; slot = recommended.slot) {
    const { from, to } = recommended;
    const state = core.columns.cells[(slot << CELL) + STATE] as number; // a slot given out
    if (state === MEMORY && to === RELEASED && releaseMany(core, slot)) continue;
    recommended.shift();
    if (state !== from && (state === FORGOTTEN || !CELLS[state * STATES.length + to])) continue;
    transition(core, slot, to);
  }
}

/**
 * Move one task.
 * @throws {InvariantError} the table has no such move
 */
export function transition(core: Core, slot: Slot, to: number): void {
  const from = core.columns.cells[(slot << CELL) + STATE] as number; // a slot given out
  if (from === to) return;
  const cell = CELLS[from * STATES.length + to];
  if (!cell) throw impossible(core, slot, to);
  cell(core, slot);
}

function impossible(core: Core, slot: Slot, to: number): Error {
  const key = core.keyOf(slot);
  return new InvariantError(`task ${core.show(slot)} cannot go from ${core.stateName(slot)} to ${STATES[to]}`, {
    details: { key, story: core.story.of([key]) },
  });
}

/** A needed task starts to claim its inputs. */
function releasedToWaiting(core: Core, slot: Slot): void {
  const { columns } = core;
  // The order has come to it: its claims on its inputs stand since it came to those.
  const isNext = ((columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_NEXT) !== 0;
  if (!isNext && !core.isNeeded(slot)) return;
  columns.cells[(slot << CELL) + FLAGS] = (columns.cells[(slot << CELL) + FLAGS] as number) & ~FLAG_NEXT;
  const count = core.dependencies(slot, inputs);
  const batch = core.batchOf(slot);
  if (batch) rankLate(columns, batch, slot);
  if (!batch && core.recordOf(slot).runSpec === null) return core.recommend(slot, ERRED);
  core.enter(slot, WAITING);
  columns.cells[(slot << CELL) + MISSING] = 0;
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    if (!isNext) columns.cells[(input << CELL) + WAITERS] = (columns.cells[(input << CELL) + WAITERS] as number) + 1;
    if (columns.cells[(input << CELL) + STATE] === MEMORY) continue;
    columns.cells[(slot << CELL) + MISSING] = (columns.cells[(slot << CELL) + MISSING] as number) + 1;
    startInput(core, slot, input);
  }
  if (batch) retreatHead(core, batch, columns.cells[(slot << CELL) + RANK] as number);
  if (columns.cells[(slot << CELL) + MISSING] === 0) recommendReady(core, slot);
}

/** An input is not in memory: what follows for it, or from it. */
function startInput(core: Core, slot: Slot, input: Slot): void {
  const state = core.columns.cells[(input << CELL) + STATE] as number; // a slot given out
  if (state === RELEASED) core.recommend(input, WAITING);
  else if (state === FORGOTTEN) forgottenToReleased(core, input);
  else if (state === ERRED) core.recommend(slot, ERRED);
}

/** All inputs of a waiting task are there: it is sent already, or waits for a thread, or for a worker that may run it. */
function recommendReady(core: Core, slot: Slot): void {
  if (((core.columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_FOLLOWS) !== 0) core.recommend(slot, PROCESSING);
  else core.recommend(slot, core.eligible(core.classOf(slot)).length === 0 ? NO_WORKER : QUEUED);
}

function waitingToQueued(core: Core, slot: Slot): void {
  if ((core.columns.cells[(slot << CELL) + MISSING] as number) > 0) return;
  if (core.eligible(core.classOf(slot)).length === 0) return recommendReady(core, slot);
  core.enter(slot, QUEUED);
  core.queueOf(slot).push(slot);
}

function waitingToNoWorker(core: Core, slot: Slot): void {
  if ((core.columns.cells[(slot << CELL) + MISSING] as number) > 0) return;
  if (core.eligible(core.classOf(slot)).length > 0) return recommendReady(core, slot);
  core.enter(slot, NO_WORKER);
}

function noWorkerToQueued(core: Core, slot: Slot): void {
  if (core.eligible(core.classOf(slot)).length === 0) return;
  core.enter(slot, QUEUED);
  core.queueOf(slot).push(slot);
}

function queuedToNoWorker(core: Core, slot: Slot): void {
  if (core.eligible(core.classOf(slot)).length === 0) core.enter(slot, NO_WORKER);
}

/** The input of a task that was sent ahead of it is there: its worker runs it by now. */
function waitingToProcessing(core: Core, slot: Slot): void {
  const isAhead = ((core.columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_FOLLOWS) !== 0;
  if (!isAhead || (core.columns.cells[(slot << CELL) + MISSING] as number) > 0) return;
  const worker = arriveInChain(core, slot);
  if (worker) return begin(core, slot, worker);
  callOff(core, slot);
  recommendReady(core, slot);
}

/** An input got lost before the task was sent. */
function readyToWaiting(core: Core, slot: Slot): void {
  core.enter(slot, WAITING);
  countMissing(core, slot);
}

/** Send it to its `WORKER`, which placement has chosen. */
function queuedToProcessing(core: Core, slot: Slot): void {
  const { columns } = core;
  const worker = core.workers.get(columns.cells[(slot << CELL) + WORKER] as number);
  if (!worker) throw impossible(core, slot, PROCESSING);
  const runId = core.nextRunId++;
  columns.cells[(slot << CELL) + RUN_ID] = runId;
  const batch = core.batchOf(slot);
  if (batch && goesAsColumn(worker, batch)) {
    core.totals.sent++;
    return send(core, worker, slot);
  }
  begin(core, slot, worker);
  useResources(worker, core.classOf(slot).resources, 1);
  core.runs.set(runId, slot);
  sendComputeTask(core, slot, worker);
}

/** A task is at its worker from now on. */
function begin(core: Core, slot: Slot, worker: WorkerState): void {
  reserve(core, slot, worker);
  core.enter(slot, PROCESSING);
  worker.processing.add(slot);
  refreshWorker(core, worker);
  core.totals.sent++;
}

function sendComputeTask(core: Core, slot: Slot, worker: WorkerState): void {
  const { columns } = core;
  const count = core.dependencies(slot, inputs);
  const whoHas = count === 0 ? NO_HOLDERS : new Map<Key, WorkerAddress[]>();
  const nbytes = count === 0 ? NO_BYTES : new Map<Key, number>();
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    const key = core.keyOf(input);
    whoHas.set(key, addresses(core, input));
    nbytes.set(key, columns.nbytes[input] as number);
  }
  const batch = core.batchOf(slot);
  const runSpec = batch
    ? core.config.runSpecOf(core.expander.expand(batch, columns.cells[(slot << CELL) + TASK] as number).spec)
    : core.recordOf(slot).runSpec;
  invariant(runSpec, "data that clients put on workers is never sent to run");
  const { resources } = core.classOf(slot);
  core.sendWorker(worker, {
    op: "compute-task",
    key: core.keyOf(slot),
    runId: columns.runIdOf(slot),
    priority: batch
      ? [-batch.priority, batch.generation, columns.cells[(slot << CELL) + RANK] as number]
      : core.recordOf(slot).priority,
    stimulusId: core.stimulusId,
    whoHas,
    nbytes,
    runSpec,
    resourceRestrictions: resources && resources.size > 0 ? resources : null,
    actor: false,
    annotations: NO_ANNOTATIONS,
    spanId: null,
  });
}

const NO_ANNOTATIONS: ReadonlyMap<unknown, unknown> = new Map();
/** Shared by all orders without inputs; nobody writes into a message. */
const NO_HOLDERS: Map<Key, WorkerAddress[]> = new Map();
const NO_BYTES: Map<Key, number> = new Map();

/** Take a task from the worker that has it; its `WORKER` still names it. */
function leaveWorker(core: Core, slot: Slot): WorkerState | undefined {
  const { columns } = core;
  const worker = core.workers.get(columns.cells[(slot << CELL) + WORKER] as number);
  core.runs.delete(columns.runIdOf(slot));
  columns.cells[(slot << CELL) + WORKER] = -1;
  core.clearStealing(slot, worker);
  columns.cells[(slot << CELL) + FLAGS] = (columns.cells[(slot << CELL) + FLAGS] as number) & ~FLAG_STARTED;
  if (core.stolenFor.size > 0) core.stolenFor.delete(slot);
  if (!worker) {
    columns.reserved[slot] = 0;
    return undefined;
  }
  worker.processing.delete(slot);
  if (worker.longRunning.size > 0 && worker.longRunning.delete(slot)) core.longRunning--;
  useResources(worker, core.classOf(slot).resources, -1);
  unreserve(core, slot, worker);
  refreshWorker(core, worker);
  return worker;
}

/** Give up the claims on inputs; those that nobody else needs go. */
export function dropClaims(core: Core, slot: Slot): void {
  const { columns } = core;
  const count = core.dependencies(slot, inputs);
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    columns.cells[(input << CELL) + WAITERS] = (columns.cells[(input << CELL) + WAITERS] as number) - 1;
    if (!core.isNeeded(input)) core.recommend(input, RELEASED);
  }
}

/** The result is there: claims end, dependents that waited for it alone are ready. */
function arrive(core: Core, slot: Slot): void {
  dropClaims(core, slot);
  becomeMemory(core, slot);
}

function becomeMemory(core: Core, slot: Slot): void {
  const { columns } = core;
  core.enter(slot, MEMORY);
  columns.cells[(slot << CELL) + DEATHS] = 0;
  if ((columns.cells[(slot << CELL) + WAITERS] as number) > 0) {
    core.dependentsOf(slot, dependents);
    for (const dependent of dependents) {
      if (columns.cells[(dependent << CELL) + STATE] !== WAITING) continue;
      columns.cells[(dependent << CELL) + MISSING] = (columns.cells[(dependent << CELL) + MISSING] as number) - 1;
      columns.cells[(dependent << CELL) + PLACE] = NEAR_SOME;
      if (columns.cells[(dependent << CELL) + MISSING] === 0) recommendReady(core, dependent);
    }
  }
  if ((columns.cells[(slot << CELL) + WANTS] as number) > 0) tellMemory(core, slot);
  if (!core.isNeeded(slot)) core.recommend(slot, RELEASED);
}

/** Finished at its worker; the handler has noted the bytes and the holder is its `WORKER`. */
function processingToMemory(core: Core, slot: Slot): void {
  const worker = leaveWorker(core, slot);
  if (worker) addHolder(core, slot, worker);
  arrive(core, slot);
}

/** Nobody needs it any more: cancel. */
function processingToReleased(core: Core, slot: Slot): void {
  if (core.isNeeded(slot)) return;
  cancelAtWorker(core, slot);
  activeToReleased(core, slot);
}

function cancelAtWorker(core: Core, slot: Slot): void {
  const worker = leaveWorker(core, slot);
  if (worker) core.freeSlot(worker, slot);
}

/** To be sent again: its worker is gone or gave it back, or an input got lost. */
function processingToWaiting(core: Core, slot: Slot): void {
  cancelAtWorker(core, slot);
  core.enter(slot, WAITING);
  countMissing(core, slot);
}

function countMissing(core: Core, slot: Slot): void {
  const { columns } = core;
  const count = core.dependencies(slot, inputs);
  let missing = 0;
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    if (columns.cells[(input << CELL) + STATE] === MEMORY) continue;
    missing++;
    startInput(core, slot, input);
  }
  columns.cells[(slot << CELL) + MISSING] = missing;
  if (missing === 0) recommendReady(core, slot);
}

/** The task failed for good; the handler has noted why. */
function processingToErred(core: Core, slot: Slot): void {
  leaveWorker(core, slot);
  dropClaims(core, slot);
  fail(core, slot);
}

/** What the task needs has failed: it fails with the same exception. */
function waitingToErred(core: Core, slot: Slot): void {
  const count = core.dependencies(slot, inputs);
  const cause = inputs.find((input, i) => i < count && core.columns.cells[(input << CELL) + STATE] === ERRED);
  if (cause === undefined) return;
  core.failures.set(slot, failureOf(core, cause));
  dropClaims(core, slot);
  fail(core, slot);
}

function fail(core: Core, slot: Slot): void {
  core.enter(slot, ERRED);
  const failure = failureOf(core, slot);
  core.dependentsOf(slot, dependents);
  for (const dependent of dependents)
    if (core.columns.cells[(dependent << CELL) + STATE] === WAITING) core.recommend(dependent, ERRED);
  core.report(slot, {
    op: "task-erred",
    key: core.keyOf(slot),
    exception: failure.exception,
    traceback: failure.traceback,
  });
  const batch = core.batchOf(slot);
  if (batch && !batch.walk.isDone) foretell(core, batch, slot, failure);
  if (!core.isNeeded(slot)) core.recommend(slot, RELEASED);
}

/** Its program cannot be made, or no worker came in time; whoever found out has noted why. */
function queuedToErred(core: Core, slot: Slot): void {
  dropClaims(core, slot);
  fail(core, slot);
}

function failureOf(core: Core, slot: Slot): WireFailure {
  const failure = core.failures.get(slot);
  invariant(failure, `erred task ${core.show(slot)} has no failure`);
  return failure;
}

function activeToReleased(core: Core, slot: Slot): void {
  if (core.isNeeded(slot)) return;
  dropClaims(core, slot);
  core.enter(slot, RELEASED);
  afterRelease(core, slot);
}

/** What to do with a released task: compute it again, forget it, or keep it for what depends on it. */
function afterRelease(core: Core, slot: Slot): void {
  if (core.isNeeded(slot)) core.recommend(slot, WAITING);
  else if (core.columns.cells[(slot << CELL) + DEPENDENTS] === 0) core.recommend(slot, FORGOTTEN);
}

/** Not needed, lost with its last holder, or evicted. */
function memoryToReleased(core: Core, slot: Slot): void {
  const { columns } = core;
  const isEvicted = ((columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_EVICT) !== 0;
  const isLost = (columns.cells[(slot << CELL) + HOLDER] as number) < 0;
  columns.cells[(slot << CELL) + FLAGS] = (columns.cells[(slot << CELL) + FLAGS] as number) & ~FLAG_EVICT;
  if (core.isNeeded(slot) && !isLost && !isEvicted) return;
  if (core.moving.size > 0) endMoves(core, slot);
  for (const index of columns.holdersOf(slot)) {
    const worker = core.workers.get(index);
    if (!worker) continue;
    removeHolder(core, slot, worker);
    core.freeSlot(worker, slot);
  }
  core.enter(slot, RELEASED);
  if (core.isNeeded(slot)) {
    core.totals.recomputed++;
    core.report(slot, { op: "lost-data", key: core.keyOf(slot) });
    if ((columns.cells[(slot << CELL) + WAITERS] as number) > 0) missAtDependents(core, slot);
  }
  afterRelease(core, slot);
}

/** Tasks that were ready, or sent, with an input that is gone. */
function missAtDependents(core: Core, slot: Slot): void {
  core.dependentsOf(slot, dependents);
  for (const dependent of dependents) {
    const state = core.columns.cells[(dependent << CELL) + STATE] as number;
    if (state === WAITING)
      core.columns.cells[(dependent << CELL) + MISSING] =
        (core.columns.cells[(dependent << CELL) + MISSING] as number) + 1;
    else if (isActive(state)) core.recommend(dependent, WAITING);
  }
}

/** Try again, or nobody asks about the failure any more. */
function erredToReleased(core: Core, slot: Slot): void {
  const isRetried = !core.failures.has(slot);
  if (!isRetried && (core.isNeeded(slot) || hasDependents(core, slot))) return;
  core.failures.delete(slot);
  core.columns.cells[(slot << CELL) + DEATHS] = 0;
  core.enter(slot, RELEASED);
  afterRelease(core, slot);
}

/** Something known depends on it, and may fail with it. */
function hasDependents(core: Core, slot: Slot): boolean {
  if ((core.columns.cells[(slot << CELL) + DEPENDENTS] as number) > 0) return true; // a slot given out
  core.dependentsOf(slot, dependents);
  return dependents.some((dependent) => core.columns.cells[(dependent << CELL) + STATE] !== FORGOTTEN);
}

/** Data that a client had put on workers is gone for good. */
function releasedToErred(core: Core, slot: Slot): void {
  const key = core.keyOf(slot);
  const error = new KilledWorkerError(
    `data ${core.show(slot)} was lost with its worker and cannot be computed again`,
    { details: { key } },
    "lost-data",
  );
  core.failures.set(slot, core.config.failureOf(error));
  fail(core, slot);
}

/** Somebody asked for it, or is to be computed from it. */
function forgottenToReleased(core: Core, slot: Slot): void {
  knowTask(core, slot);
  core.enter(slot, RELEASED);
  if (core.isNeeded(slot)) core.recommend(slot, WAITING);
}

/** Nobody wants it and nothing known depends on it. */
function releasedToForgotten(core: Core, slot: Slot): void {
  const { columns } = core;
  if (core.isNeeded(slot) || (columns.cells[(slot << CELL) + DEPENDENTS] as number) > 0) return;
  const isRecord = core.batchOf(slot) === null;
  // A failed input of a symbolic task is remembered as long as something depends on it; others are nothing to look at.
  const count = isRecord || core.counts[ERRED] !== 0 ? core.knownDependencies(slot, inputs) : 0;
  core.enter(slot, FORGOTTEN);
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    if (isRecord)
      columns.cells[(input << CELL) + DEPENDENTS] = (columns.cells[(input << CELL) + DEPENDENTS] as number) - 1;
    if (columns.cells[(input << CELL) + DEPENDENTS] !== 0 || core.isNeeded(input)) continue;
    const state = columns.cells[(input << CELL) + STATE] as number;
    if (state === RELEASED) core.recommend(input, FORGOTTEN);
    else if (state === ERRED) core.recommend(input, RELEASED);
  }
  forgetTask(core, slot);
}

/** A client put the data on workers; the handler has noted the holders. */
function placedToMemory(core: Core, slot: Slot): void {
  if (isActive(core.columns.cells[(slot << CELL) + STATE] as number)) dropClaims(core, slot);
  becomeMemory(core, slot);
}

const NEVER: { readonly [To in TaskState]: null } = {
  forgotten: null,
  released: null,
  waiting: null,
  "no-worker": null,
  queued: null,
  processing: null,
  memory: null,
  erred: null,
};

/** The table. */
export const TRANSITIONS: TransitionTable = {
  forgotten: { ...NEVER, released: forgottenToReleased },
  released: {
    ...NEVER,
    forgotten: releasedToForgotten,
    waiting: releasedToWaiting,
    memory: placedToMemory,
    erred: releasedToErred,
  },
  waiting: {
    ...NEVER,
    released: activeToReleased,
    "no-worker": waitingToNoWorker,
    queued: waitingToQueued,
    processing: waitingToProcessing,
    memory: placedToMemory,
    erred: waitingToErred,
  },
  "no-worker": {
    ...NEVER,
    released: activeToReleased,
    waiting: readyToWaiting,
    queued: noWorkerToQueued,
    memory: placedToMemory,
    erred: queuedToErred,
  },
  queued: {
    ...NEVER,
    released: activeToReleased,
    waiting: readyToWaiting,
    "no-worker": queuedToNoWorker,
    processing: queuedToProcessing,
    memory: placedToMemory,
    erred: queuedToErred,
  },
  processing: {
    ...NEVER,
    released: processingToReleased,
    waiting: processingToWaiting,
    memory: processingToMemory,
    erred: processingToErred,
  },
  memory: { ...NEVER, released: memoryToReleased },
  erred: { ...NEVER, released: erredToReleased },
};

const CELLS: readonly (Transition | null)[] = STATES.flatMap((from) => STATES.map((to) => TRANSITIONS[from][to]));
