/** Who gets which ready task: most urgent first, near its inputs, within threads, resources and bytes. */
import type { TaskId } from "../../graph/index.ts";
import { admits, evictable, isAllIdle, isHead, needOf, roomOf } from "./admission.ts";
import { isWorthMoving, isWorthWaiting, leaveBacklog, takeOver, waitFor } from "./backlog.ts";
import { type LayerBatch, owns, slotIfAny } from "./batches.ts";
import {
  CELL,
  FLAG_EVICT,
  FLAG_STARTED,
  FLAG_STEALING,
  FLAGS,
  HOLDER,
  RANK,
  type Slot,
  STATE,
  TASK,
  WORKER,
} from "./columns.ts";
import type { Core } from "./core.ts";
import { isReadable, mayRun, send } from "./fit.ts";
import { hasPlace, isIdle, mayBegin, refreshWorker } from "./load.ts";
import { sendNear } from "./near.ts";
import { isBefore, type TaskQueue } from "./ready-queue.ts";
import { beginRoots } from "./roots.ts";
import { ERRED, MEMORY, PROCESSING, RELEASED } from "./states.ts";
import type { TaskClass, WorkerState } from "./workers.ts";

/** Tasks of one queue that are looked at behind one that cannot be sent now. */
const LOOK_BEHIND = 8;
/** A consumer with more inputs than this makes no group of them; one further up or down than so many tasks neither. */
const GROUP_MAX = 64;
const GROUP_HOPS = 8;
/** Idle workers tried for one task. */
const IDLE_TRIES = 4;
/** Idle workers that look for work at busy ones, and busy ones looked at, in vain after one event. */
const STEAL_TRIES = 8;

const inputs: Slot[] = [];
const numbers: TaskId[] = [];

/** Send what can be sent. May recommend evictions; then it is to be called again when they are settled. */
export function dispatch(core: Core): void {
  if (core.idle.size === 0 && core.roomy.size === 0) return;
  const queues = readyQueues(core);
  const rooted = batchesWithRoots(core);
  const touched = new Set<TaskQueue>();
  while (core.idle.size + core.roomy.size > 0) {
    const at = mostUrgent(core, queues);
    const queue = queues[at];
    const slot = queue?.peek();
    const next = rooted[0];
    if (next && (slot === undefined || (core.columns.urgency[slot] as number) > next.urgency)) {
      if (core.served.size > 0 && serve(core, next.urgency, Number.POSITIVE_INFINITY)) continue;
      rooted.shift();
      if (beginRoots(core, next) && !queues.includes(next.queue)) queues.push(next.queue);
      continue;
    }
    if (!queue || slot === undefined) break;
    if (
      core.served.size > 0 &&
      serve(core, core.columns.urgency[slot] as number, core.columns.cells[(slot << CELL) + RANK] as number)
    )
      continue;
    const batch = queues.length === 1 ? core.batchOf(slot) : null;
    if (batch && sendNear(core, batch)) continue;
    if (!isReadable(core, slot)) {
      queue.take();
      core.recommend(slot, ERRED);
      continue;
    }
    const place = choose(core, slot);
    if (place === "skip" && queue.heldCount < LOOK_BEHIND) {
      touched.add(queue);
      queue.hold();
    } else if (place === "skip" || place === "blocked") queues.splice(at, 1);
    else if (waiting === slot) {
      queue.take();
      waitFor(core, slot, place);
    } else {
      queue.take();
      send(core, slot, place);
    }
  }
  serve(core, Number.POSITIVE_INFINITY, 0);
  for (const queue of touched) queue.restore();
  if (core.idle.size > 0 && core.backlogged.size > 0) takeOverForIdle(core);
}

/** Open batches with roots that are ready, the most urgent first. */
function batchesWithRoots(core: Core): LayerBatch[] {
  const batches: LayerBatch[] = [];
  for (const batch of core.active) if (batch.state === "open" && batch.queue.roots.size > 0) batches.push(batch);
  return batches.length < 2 ? batches : batches.sort((a, b) => a.urgency - b.urgency);
}

/**
 * Give workers that have a place what waits for them, as far as it is more urgent than that. What finds no room there
 * goes back to the common queue; true when something did, or was sent.
 */
function serve(core: Core, urgency: number, rank: number): boolean {
  const { columns } = core;
  let hasServed = false;
  for (const worker of core.served) {
    for (let slot = worker.backlog[0]; slot !== undefined && hasPlace(worker); slot = worker.backlog[0]) {
      const own = columns.urgency[slot] as number; // a slot given out
      if (own > urgency || (own === urgency && (columns.cells[(slot << CELL) + RANK] as number) > rank)) break;
      hasServed = true;
      leaveBacklog(core, slot);
      if (mayTake(core, worker, slot)) send(core, slot, worker);
      else {
        core.queueOf(slot).push(slot);
        return true;
      }
    }
  }
  return hasServed;
}

/** Whoever is idle and finds nothing in the common queue takes what would wait longer elsewhere. */
function takeOverForIdle(core: Core): void {
  for (const worker of core.idle) {
    const slot = takeOver(core, (each) => mayRun(core, worker, core.classOf(each)) && admits(core, each, worker));
    if (slot === undefined) return;
    leaveBacklog(core, slot);
    send(core, slot, worker);
  }
}

function readyQueues(core: Core): TaskQueue[] {
  const queues: TaskQueue[] = [];
  for (const batch of core.active)
    if (batch.state === "open" && batch.queue.peek() !== undefined) queues.push(batch.queue);
  for (const queue of core.classQueues.values()) if (queue.peek() !== undefined) queues.push(queue);
  return queues;
}

/** Index of the queue with the most urgent task, -1 if there is none; queues that ran empty are removed. */
function mostUrgent(core: Core, queues: TaskQueue[]): number {
  if (queues.length === 1 && queues[0]?.peek() !== undefined) return 0;
  let best = -1;
  let bestSlot = -1;
  for (let i = queues.length - 1; i >= 0; i--) {
    const slot = queues[i]?.peek();
    if (slot === undefined) {
      queues.splice(i, 1);
      if (best > i) best--;
    } else if (best < 0 || isBefore(core.columns, slot, bestSlot)) {
      best = i;
      bestSlot = slot;
    }
  }
  return best;
}

/** Set by `choose` to the task that is to wait for the worker that it gives. */
let waiting: Slot = -1;

/** Worker for a ready task; `skip`: none now, a later task may find one; `blocked`: nobody of its class has a place. */
function choose(core: Core, slot: Slot): WorkerState | "skip" | "blocked" {
  waiting = -1;
  const taskClass = core.classOf(slot);
  const eligible = core.eligible(taskClass);
  if (eligible.length === 0) return "blocked";
  const batch = core.batchOf(slot);
  if (core.stolenFor.size > 0) {
    const thief = core.workers.get(core.stolenFor.get(slot) ?? -1);
    core.stolenFor.delete(slot);
    if (thief && isIdle(thief) && mayRun(core, thief, taskClass) && admits(core, slot, thief)) return thief;
  }
  const near = nearest(core, slot, batch);
  const first = near[0];
  const isFull = first !== undefined && !hasPlace(first) && mayRun(core, first, taskClass);
  for (let i = 0; i < near.length; i++) {
    const worker = near[i] as WorkerState; // i < length
    const isOpen = i === 0 ? hasPlace(worker) : isIdle(worker);
    if (!isOpen || !mayTake(core, worker, slot)) continue;
    if (!isFull || !isWorthWaiting(core, slot, first, worker)) return worker;
  }
  if (isFull) {
    if (isWorthWaiting(core, slot, first)) {
      waiting = slot;
      return first;
    }
  }
  // Elsewhere than near its inputs a task goes only to a thread that is free now.
  const isTied = first !== undefined && !isHead(core, slot, batch) && mayAny(core, near, taskClass);
  const other = firstAdmitting(core, core.idle, slot) ?? (isTied ? undefined : firstAdmitting(core, core.roomy, slot));
  if (other) return other;
  // Where the head is a root, its turn comes after that of tasks with inputs: nothing is forced before it was tried.
  const isBeforeHead = batch?.state === "open" && batch.queue.roots.has(batch.head);
  if (!isHead(core, slot, batch) && (isBeforeHead || !isAllIdle(core))) {
    if (taskClass.resources || mayAny(core, core.idle, taskClass) || mayAny(core, core.roomy, taskClass)) return "skip";
    return "blocked";
  }
  const open = [...core.idle, ...core.roomy].filter((worker) => mayRun(core, worker, taskClass));
  if (open.length > 0) return makeRoom(core, open);
  return taskClass.resources ? "skip" : "blocked";
}

function mayAny(core: Core, workers: Iterable<WorkerState>, taskClass: TaskClass): boolean {
  for (const worker of workers) if (mayRun(core, worker, taskClass)) return true;
  return false;
}

function firstAdmitting(core: Core, workers: Iterable<WorkerState>, slot: Slot): WorkerState | undefined {
  const taskClass = core.classOf(slot);
  let tries = 0;
  for (const worker of workers) {
    if (!mayRun(core, worker, taskClass)) continue;
    if (mayTake(core, worker, slot)) return worker;
    if (++tries >= IDLE_TRIES) return undefined;
  }
  return undefined;
}

/** True when a worker that has a place may run the task, and has room for it. */
function mayTake(core: Core, worker: WorkerState, slot: Slot): boolean {
  if (!mayRun(core, worker, core.classOf(slot)) || !admits(core, slot, worker)) return false;
  return mayBegin(core, worker, needOf(core, slot), 0) || core.dependencies(slot, inputs) > 0;
}

/** Workers near a task, and bytes of its inputs there; made anew by {@link nearest}. */
const near: WorkerState[] = [];
const nearBytes: number[] = [];

/** Workers that hold inputs, most bytes first; for a task without inputs, where its siblings are. */
function nearest(core: Core, slot: Slot, batch: LayerBatch | null): readonly WorkerState[] {
  near.length = 0;
  const count = core.dependencies(slot, inputs);
  if (count === 0) {
    const worker = siblingWorker(core, slot, batch);
    if (worker) near.push(worker);
    return near;
  }
  const { cells, nbytes, replicas } = core.columns;
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    const first = cells[(input << CELL) + HOLDER] as number;
    if (first < 0) continue;
    const bytes = (nbytes[input] as number) + 1;
    addNear(core, first, bytes);
    if (replicas.size > 0) for (const index of replicas.get(input) ?? []) addNear(core, index, bytes);
  }
  if (near.length > 1) sortNear();
  return near;
}

function addNear(core: Core, index: number, bytes: number): void {
  for (let i = 0; i < near.length; i++)
    if ((near[i] as WorkerState).index === index) {
      nearBytes[i] = (nearBytes[i] as number) + bytes; // as long as `near`
      return;
    }
  const worker = core.workerOf[index];
  if (worker) nearBytes[near.push(worker) - 1] = bytes;
}

/** By insertion: they are few, and mostly in order. Those with as many bytes stay in the order of their inputs. */
function sortNear(): void {
  for (let i = 1; i < near.length; i++) {
    const [worker, bytes] = [near[i] as WorkerState, nearBytes[i] as number]; // i < length
    let at = i;
    for (; at > 0 && (nearBytes[at - 1] as number) < bytes; at--) {
      near[at] = near[at - 1] as WorkerState; // at > 0
      nearBytes[at] = nearBytes[at - 1] as number;
    }
    near[at] = worker;
    nearBytes[at] = bytes;
  }
}

/**
 * Where the group of a source is: the worker that has, or was sent, something that feeds the same consumer. The consumer
 * is the first task up the graph that has more inputs than this one.
 */
function siblingWorker(core: Core, slot: Slot, batch: LayerBatch | null): WorkerState | undefined {
  if (!batch) return undefined;
  let below = core.columns.cells[(slot << CELL) + TASK] as number; // a slot given out
  for (let hop = 0; hop < GROUP_HOPS; hop++) {
    const consumer = batch.edges.dependents(below, numbers) === 0 ? undefined : numbers[0];
    if (consumer === undefined || !owns(batch, consumer)) return undefined;
    const count = batch.edges.dependencies(consumer, numbers);
    if (count > GROUP_MAX) return undefined;
    if (count > 1) {
      for (let i = 0; i < count; i++) {
        const sibling = numbers[i] === below ? -1 : slotIfAny(batch, numbers[i] as TaskId); // i < count
        const worker = sibling < 0 ? undefined : workerBelow(core, sibling);
        if (worker) return worker;
      }
      return undefined;
    }
    below = consumer;
  }
  return undefined;
}

/** Worker of a task, or of what feeds it first. */
function workerBelow(core: Core, slot: Slot): WorkerState | undefined {
  let at = slot;
  for (let hop = 0; hop < GROUP_HOPS; hop++) {
    const state = core.columns.cells[(at << CELL) + STATE];
    if (state === PROCESSING) return core.workers.get(core.columns.cells[(at << CELL) + WORKER] as number);
    if (state === MEMORY) return core.workers.get(core.columns.cells[(at << CELL) + HOLDER] as number);
    if (core.knownDependencies(at, inputs) === 0) return undefined;
    at = inputs[0] as Slot; // there is one
  }
  return undefined;
}

/**
 * A head finds no room, or nothing at all runs: drop early results where that helps; failing that, and with nothing
 * under way that could end, send it all the same: standing still for ever is worse than passing the budget.
 */
function makeRoom(core: Core, open: readonly WorkerState[]): WorkerState | "blocked" {
  const worker = open.reduce((best, each) => (roomOf(core, each) > roomOf(core, best) ? each : best));
  if (roomOf(core, worker) < 0) {
    const evicted = evictable(core, worker);
    for (const block of evicted) {
      core.columns.cells[(block << CELL) + FLAGS] =
        (core.columns.cells[(block << CELL) + FLAGS] as number) | FLAG_EVICT;
      core.recommend(block, RELEASED);
      core.totals.evicted++;
    }
    if (evicted.length > 0) return "blocked";
  }
  if (!isAllIdle(core)) return "blocked";
  core.totals.forced++;
  return worker;
}

/** Tasks sent ahead to busy workers are asked back for idle ones. */
export function steal(core: Core): void {
  if (core.idle.size === 0 || core.busy.size === 0) return;
  let fruitless = 0;
  for (const thief of core.idle) {
    const found = stealable(core, thief);
    if (found) {
      core.columns.cells[(found.slot << CELL) + FLAGS] =
        (core.columns.cells[(found.slot << CELL) + FLAGS] as number) | FLAG_STEALING;
      found.victim.stealsOut++;
      refreshWorker(core, found.victim);
      core.stolenFor.set(found.slot, thief.index);
      core.sendWorker(found.victim, { op: "steal-request", key: core.keyOf(found.slot), stimulusId: core.stimulusId });
    } else if (++fruitless >= STEAL_TRIES) return;
    if (core.busy.size === 0) return;
  }
}

/** The least urgent task that a victim has beyond its threads and that the thief may run. */
function stealable(core: Core, thief: WorkerState): { readonly slot: Slot; readonly victim: WorkerState } | undefined {
  let tries = 0;
  for (const victim of core.busy) {
    if (victim === thief) continue;
    if (++tries > STEAL_TRIES) return undefined;
    let best: Slot | undefined;
    for (const slot of victim.processing) {
      if (
        ((core.columns.cells[(slot << CELL) + FLAGS] as number) & (FLAG_STEALING | FLAG_STARTED)) !== 0 ||
        victim.longRunning.has(slot)
      )
        continue;
      if (best === undefined || isBefore(core.columns, best, slot)) best = slot;
    }
    if (
      best !== undefined &&
      isWorthMoving(core, best, victim) &&
      mayRun(core, thief, core.classOf(best)) &&
      admits(core, best, thief)
    )
      return { slot: best, victim };
  }
  return undefined;
}
