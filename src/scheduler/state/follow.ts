/**
 * Chains of short calls: a task whose only input is computed at a worker, or is itself sent ahead there, is sent to that
 * worker before the input is there. It stays `waiting`, and counts as one task ahead; when the input has ended well it is
 * `processing` without another message. Whatever else becomes of the input calls it off.
 */
import type { TaskId } from "../../graph/index.ts";
import { admits } from "./admission.ts";
import { owns, slotIfAny } from "./batches.ts";
import { CELL, FLAG_DRAWS, FLAG_FOLLOWS, FLAGS, RUN_ID, type Slot, STATE, TASK, WORKER } from "./columns.ts";
import type { Core } from "./core.ts";
import { refreshWorker } from "./load.ts";
import { goesAsColumn } from "./outgoing.ts";
import { MEMORY, PROCESSING, WAITING } from "./states.ts";
import { loadOf, type WorkerState } from "./workers.ts";

/** Mean time of a worker's tasks, milliseconds, up to which asking for the next one takes as long as running it. */
const SHORT_MS = 1;
/** Tasks of one chain that follow each other, at the most. */
const CHAIN_MOST = 16;

/** Slots of one chain. */
const chain: Slot[] = [];
const dependents: TaskId[] = [];

/** Send more of the chains of which a task went to a worker, or began there, in this event. */
export function drawChains(core: Core): void {
  for (const slot of core.drawing) {
    if (core.columns.cells[(slot << CELL) + STATE] !== PROCESSING) continue;
    const worker = core.workerOf[core.columns.cells[(slot << CELL) + WORKER] as number];
    if (worker && worker.meanTaskMs < SHORT_MS && worker.status === "running") draw(core, slot, worker);
  }
  core.drawing.length = 0;
}

/** Send what follows `head`; the one in the middle will draw the rest. */
function draw(core: Core, head: Slot, worker: WorkerState): void {
  const { cells } = core.columns;
  chain.length = 0;
  chain.push(head);
  for (let i = 0; i < chain.length && chain.length <= CHAIN_MOST; i++) {
    const slot = chain[i] as Slot; // i < length
    const batch = core.batchOf(slot);
    if (batch === null) continue; // only tasks of graphs draw
    const count = batch.edges.dependents(cells[(slot << CELL) + TASK] as number, dependents);
    for (let k = 0; k < count && chain.length <= CHAIN_MOST; k++) {
      // What reads others too never follows, and most read several: they are not looked at further.
      if (batch.edges.countInputs(dependents[k] as TaskId) !== 1) continue; // k < count
      const next = owns(batch, dependents[k] as TaskId) ? slotIfAny(batch, dependents[k] as TaskId) : -1;
      if (next >= 0 && follows(core, next, worker)) chain.push(next);
    }
  }
  const middle = chain[(chain.length >> 1) + (chain.length & 1)] ?? chain.at(-1);
  if (middle !== undefined && middle !== head)
    cells[(middle << CELL) + FLAGS] = (cells[(middle << CELL) + FLAGS] as number) | FLAG_DRAWS;
}

/** True when a task, whose only input is in a chain, follows it or does so from now on. */
function follows(core: Core, next: Slot, worker: WorkerState): boolean {
  const { cells } = core.columns;
  if (cells[(next << CELL) + STATE] !== WAITING) return false;
  if (((cells[(next << CELL) + FLAGS] as number) & FLAG_FOLLOWS) !== 0) return true;
  // A free thread is given to another task.
  const { nthreads } = worker.facts;
  const load = Math.max(nthreads, loadOf(worker));
  if (load + worker.following >= nthreads + worker.ahead || !mayFollow(core, next, worker)) return false;
  follow(core, next, worker);
  return true;
}

function mayFollow(core: Core, slot: Slot, worker: WorkerState): boolean {
  const batch = core.batchOf(slot);
  if (batch?.taskClass.language !== "js" || !goesAsColumn(worker, batch)) return false;
  if (
    batch.taskClass.workers !== null ||
    batch.edges.dependencies(core.columns.cells[(slot << CELL) + TASK] as number, inputs) !== 1
  )
    return false;
  // One that stands in another graph goes its own way.
  return owns(batch, inputs[0] as number) && admits(core, slot, worker);
}

const inputs: number[] = [];

function follow(core: Core, slot: Slot, worker: WorkerState): void {
  const { columns } = core;
  columns.cells[(slot << CELL) + FLAGS] = (columns.cells[(slot << CELL) + FLAGS] as number) | FLAG_FOLLOWS;
  columns.cells[(slot << CELL) + WORKER] = worker.index;
  columns.cells[(slot << CELL) + RUN_ID] = core.nextRunId++;
  worker.following++;
  core.following++;
  core.totals.ahead++;
  refreshWorker(core, worker);
  core.run(worker, slot);
}

/** The input of a task that follows it is there: gives the worker where it begins, null where it cannot stay. */
export function arriveInChain(core: Core, slot: Slot): WorkerState | null {
  const worker = core.workers.get(core.columns.cells[(slot << CELL) + WORKER] as number);
  if (!worker || !admits(core, slot, worker)) return null;
  if (((core.columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_DRAWS) !== 0) core.drawing.push(slot);
  stop(core, slot, worker);
  return worker;
}

function stop(core: Core, slot: Slot, worker: WorkerState | undefined): void {
  core.columns.cells[(slot << CELL) + FLAGS] =
    (core.columns.cells[(slot << CELL) + FLAGS] as number) & ~(FLAG_FOLLOWS | FLAG_DRAWS);
  core.following--;
  if (worker) worker.following--;
}

/** A task is not to wait at its worker any more, nor is what follows it there. */
export function callOff(core: Core, slot: Slot): void {
  if (((core.columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_FOLLOWS) === 0) return;
  const worker = core.workers.get(core.columns.cells[(slot << CELL) + WORKER] as number);
  stop(core, slot, worker);
  core.columns.cells[(slot << CELL) + WORKER] = -1;
  if (worker) {
    core.freeSlot(worker, slot);
    refreshWorker(core, worker);
  }
  callOffDependents(core, slot);
}

function callOffDependents(core: Core, slot: Slot): void {
  const dependents: Slot[] = [];
  core.dependentsOf(slot, dependents);
  for (const dependent of dependents) callOff(core, dependent);
}

/** A task changes its state: what follows it, or itself where it follows, may have to be called off. */
export function leaveChain(core: Core, slot: Slot, from: number, to: number): void {
  if (from === WAITING && to !== PROCESSING) callOff(core, slot);
  if (to !== MEMORY && (from === PROCESSING || from === MEMORY)) callOffDependents(core, slot);
}
