/** What workers do: join, finish, fail, lose, leave. */
import { assertNever, KilledWorkerError, NoWorkersError } from "../../base/index.ts";
import { type Key, scalarIn } from "../../graph/index.ts";
import type { LongRunning, StealResponse, TaskErred, TaskFinished, WorkerToScheduler } from "../../protocol/index.ts";
import { addHolder, endArrivals, removeHolder, setBytes } from "./admission.ts";
import { disperse } from "./backlog.ts";
import { slotIfAny } from "./batches.ts";
import { CELL, DEATHS, FLAG_STARTED, FLAGS, HOLDER, RETRIES, type Slot, STATE, WORKER } from "./columns.ts";
import type { Core } from "./core.ts";
import { bytesIn, type Finished, finishRows } from "./ends.ts";
import type { SchedulerEvent, WorkerAddress, WorkerStatus } from "./events.ts";
import { callOff } from "./follow.ts";
import { isFused } from "./fused.ts";
import { refreshClasses, refreshWorker, setMean, timeTask } from "./load.ts";
import type { NewsOf } from "./news.ts";
import { ERRED, MEMORY, NO_WORKER, PROCESSING, QUEUED, RELEASED, WAITING } from "./states.ts";
import { addresses } from "./tell.ts";
import { settle, transition } from "./transitions.ts";
import { loadOf, newWorker, type WorkerState } from "./workers.ts";

type Event<T extends SchedulerEvent["type"]> = Extract<SchedulerEvent, { type: T }>;

/** A worker that looks for a block asks each second; after a longer pause it begins anew. */
const SEEK_PAUSE_MS = 5_000;

/** States in which a worker lets go of a task that it is asked back. */
const STEALABLE: ReadonlySet<string | null> = new Set(["ready", "constrained", "waiting"]);
const STATUSES: ReadonlySet<string> = new Set<WorkerStatus>([
  "init",
  "running",
  "paused",
  "closing_gracefully",
  "closing",
  "closed",
]);

export function workerJoined(core: Core, event: Event<"worker-joined">): void {
  if (core.workerAt.has(event.worker.address)) workerLeft(core, event.worker.address, false);
  const worker = newWorker(core.columns, { index: core.nextWorkerIndex++, facts: event.worker, now: core.now });
  core.workers.set(worker.index, worker);
  core.workerOf[worker.index] = worker;
  core.workerAt.set(worker.facts.address, worker);
  if (!worker.facts.isColumnar && worker.facts.kind === "rsdat") core.plainWorkers++;
  workersChanged(core, worker);
  if (Number.isFinite(core.config.workerTtlMs)) core.emit({ type: "wake-at", at: core.now + core.config.workerTtlMs });
}

/** The worker came, went or changed its status: ready tasks may have become runnable, or cannot run any more. */
export function workersChanged(core: Core, worker: WorkerState): void {
  if (worker.status !== "running" || !core.workers.has(worker.index)) disperse(core, worker);
  refreshWorker(core, worker);
  if (!refreshClasses(core)) return;
  for (let slot = 0; slot < core.columns.top; slot++) {
    const state = core.columns.cells[(slot << CELL) + STATE];
    if (state === NO_WORKER) core.recommend(slot, QUEUED);
    else if (state === QUEUED && core.eligible(core.classOf(slot)).length === 0) core.recommend(slot, NO_WORKER);
  }
}

export function workerLeft(core: Core, address: WorkerAddress, isExpected: boolean): void {
  const worker = core.workerAt.get(address);
  if (!worker) return;
  core.workers.delete(worker.index);
  core.workerOf[worker.index] = undefined;
  worker.isHere = false;
  core.workerAt.delete(address);
  if (!worker.facts.isColumnar && worker.facts.kind === "rsdat") core.plainWorkers--;
  workersChanged(core, worker);
  if (worker.arriving > 0) endArrivals(core, worker);
  for (const slot of [...worker.processing]) reschedule(core, slot, worker, isExpected);
  for (const slot of [...worker.has]) {
    removeHolder(core, slot, worker);
    if ((core.columns.cells[(slot << CELL) + HOLDER] as number) < 0) core.recommend(slot, RELEASED); // a slot given out
  }
  for (const other of core.workers.values())
    core.sendWorker(other, { op: "remove-worker", worker: address, stimulusId: core.stimulusId });
}

/** Its worker is gone. A task under which too many vanished is blamed, unless they had a reason of their own. */
function reschedule(core: Core, slot: Slot, worker: WorkerState, isExpected: boolean): void {
  const { columns } = core;
  if (!isExpected) columns.cells[(slot << CELL) + DEATHS] = (columns.cells[(slot << CELL) + DEATHS] as number) + 1;
  if ((columns.cells[(slot << CELL) + DEATHS] as number) <= core.config.allowedFailures)
    return transition(core, slot, WAITING);
  const key = core.keyOf(slot);
  const error = new KilledWorkerError(
    `task ${core.show(slot)} was on ${columns.cells[(slot << CELL) + DEATHS]} workers that died, the last one ${worker.facts.address}; it is not tried again`,
    { details: { key, worker: worker.facts.address, deaths: columns.cells[(slot << CELL) + DEATHS] } },
  );
  core.failures.set(slot, core.config.failureOf(error));
  transition(core, slot, ERRED);
}

export function heartbeat(core: Core, event: Event<"worker-heartbeat">): void {
  const worker = core.workerAt.get(event.worker);
  if (!worker) return;
  worker.lastSeenMs = core.now;
  worker.memoryBytes = event.memoryBytes;
  noteStanding(core, worker);
}

/**
 * Nothing has ended there since it was last heard, although it had more than its threads can run: what runs takes as long
 * at least, however short its tasks were until then, so that what stands behind it may be asked back.
 */
function noteStanding(core: Core, worker: WorkerState): void {
  const { lastFull, meanTaskMs } = worker;
  const isFull = loadOf(worker) > worker.facts.nthreads;
  const ms = lastFull && isFull && Object.is(lastFull.meanMs, meanTaskMs) ? core.now - lastFull.atMs : 0;
  if (ms > meanTaskMs) {
    setMean(core, worker, ms);
    refreshWorker(core, worker);
  }
  worker.lastFull = isFull ? { atMs: core.now, meanMs: worker.meanTaskMs } : null;
}

/** Fail tasks that have waited too long for a worker; gives when the next one will have. */
function failUnrunnable(core: Core): number {
  const { noWorkersTimeoutMs: limit } = core.config;
  if (limit === null) return Number.POSITIVE_INFINITY;
  for (const [slot, since] of core.unrunnable) {
    if (since + limit > core.now) return since + limit;
    const error = new NoWorkersError(`no worker that may run ${core.show(slot)} was there within ${limit} ms`, {
      details: { key: core.keyOf(slot), timeoutMs: limit },
    });
    core.failures.set(slot, core.config.failureOf(error));
    transition(core, slot, ERRED);
  }
  return Number.POSITIVE_INFINITY;
}

/** Drop workers that were silent for too long. */
export function tick(core: Core): void {
  let next = failUnrunnable(core);
  for (const worker of [...core.workers.values()]) {
    const at = worker.lastSeenMs + core.config.workerTtlMs;
    if (at > core.now) next = Math.min(next, at);
    else {
      core.emit({
        type: "drop-worker",
        worker: worker.facts.address,
        reason: `silent for ${core.config.workerTtlMs} ms`,
      });
      workerLeft(core, worker.facts.address, false);
    }
  }
  if (Number.isFinite(next)) core.emit({ type: "wake-at", at: next });
}

export function workerMessages(core: Core, event: Event<"worker-messages">): void {
  for (const message of event.messages) {
    // Looked up each time: a message may make the worker leave.
    const worker = core.workerAt.get(event.worker);
    if (!worker) return;
    worker.lastSeenMs = core.now;
    workerMessage(core, worker, message);
  }
}

function workerMessage(core: Core, worker: WorkerState, message: WorkerToScheduler): void {
  switch (message.op) {
    case "task-finished":
      return taskFinished(core, worker, message);
    case "task-erred":
      return taskErred(core, worker, message);
    case "add-keys":
      return addKeys(core, worker, message.keys);
    case "release-worker-data":
      return releaseData(core, worker, message.key);
    case "reschedule":
      return giveBack(core, worker, message.key);
    case "long-running":
      return longRunning(core, worker, message);
    case "request-refresh-who-has":
      return refreshWhoHas(core, worker, message.keys);
    case "steal-response":
      return stealResponse(core, worker, message);
    case "worker-status-change":
      return statusChange(core, worker, message.status);
    case "log-event":
    case "keep-alive":
      return;
    default:
      return assertNever(message);
  }
}

/** Slot of an attempt that this worker still has; undefined for late answers. */
function currentRun(
  core: Core,
  worker: WorkerState,
  { key, runId }: { readonly key: Key; readonly runId: number },
): Slot | undefined {
  // Attempts that went in columns are found by their key.
  const slot = core.runs.get(runId) ?? core.find(key);
  return slot !== undefined && isCurrent(core, worker, slot, runId) ? slot : undefined;
}

function isCurrent(core: Core, worker: WorkerState, slot: Slot, runId: number): boolean {
  const { columns } = core;
  if (columns.cells[(slot << CELL) + WORKER] !== worker.index || columns.runIdOf(slot) !== runId) return false;
  // It was sent ahead of its input, whose end may have been told just now.
  if (columns.cells[(slot << CELL) + STATE] === WAITING) settle(core);
  // Before its input has ended: the worker had its result from elsewhere, where that was lost. It is not told again (S-C27).
  if (columns.cells[(slot << CELL) + STATE] === WAITING) callOff(core, slot);
  return columns.cells[(slot << CELL) + STATE] === PROCESSING;
}

/** Columns of results. What does not fit together, or names no task, is passed over: workers are not trusted. */
export function tasksFinished(core: Core, event: Finished): void {
  const batch = core.submissions.get(event.submission);
  const count = Math.min(event.tasks.length, event.runIds.length, event.nbytes.length, event.seconds.length);
  const worker = core.workerAt.get(event.worker);
  if (worker) worker.lastSeenMs = core.now;
  if (!batch || !worker) return;
  const canFuse = isFused(core, batch);
  const of = { worker, batch };
  for (let row = 0; row < count; row++) {
    if (canFuse) row = finishRows(core, of, event, { from: row, to: count });
    if (row < count) finishOne(core, of, event, row);
  }
  if (canFuse) refreshWorker(core, worker);
}

/** One result, by the table. */
function finishOne(core: Core, { worker, batch }: NewsOf, event: Finished, row: number): void {
  const task = event.tasks[row] as number; // a row of the event
  if (task >= batch.count) return;
  const slot = slotIfAny(batch, task);
  if (slot < 0 || !isCurrent(core, worker, slot, event.runIds[row] as number)) {
    if (slot < 0) core.freeTask(worker, batch, task);
    else if (!isTheirs(core, worker, slot)) core.freeSlot(worker, slot);
    return;
  }
  setBytes(core, slot, bytesIn(event, row));
  const spent = event.seconds[row] as number;
  if (spent >= 0) timeTask(core, worker, spent * 1000);
  core.scalar = event.kinds ? scalarIn(event, row) : undefined;
  transition(core, slot, MEMORY);
  core.scalar = undefined;
}

function taskFinished(core: Core, worker: WorkerState, message: TaskFinished): void {
  const slot = currentRun(core, worker, message);
  if (slot === undefined) return lateResult(core, worker, message.key);
  setBytes(core, slot, Math.max(0, message.nbytes));
  for (const { action, start, stop } of message.startstops) {
    if (action === "compute" && stop >= start) timeTask(core, worker, (stop - start) * 1000);
  }
  transition(core, slot, MEMORY);
}

/** The answer of an attempt that was given up: the worker drops the result, unless it is asked for it again already. */
function lateResult(core: Core, worker: WorkerState, key: Key): void {
  const slot = core.find(key);
  if (slot === undefined) core.free(worker, key);
  else if (!isTheirs(core, worker, slot)) core.freeSlot(worker, slot);
}

/** True when the worker has the task for another attempt, or its result. */
function isTheirs(core: Core, worker: WorkerState, slot: Slot): boolean {
  return (
    core.columns.cells[(slot << CELL) + WORKER] === worker.index ||
    worker.has.has(slot) ||
    core.arrivals.has(slot, worker.index)
  );
}

function taskErred(core: Core, worker: WorkerState, message: TaskErred): void {
  const slot = currentRun(core, worker, message);
  if (slot === undefined) return lateResult(core, worker, message.key);
  if ((core.columns.cells[(slot << CELL) + RETRIES] as number) > 0) {
    core.columns.cells[(slot << CELL) + RETRIES] = (core.columns.cells[(slot << CELL) + RETRIES] as number) - 1;
    return transition(core, slot, WAITING);
  }
  const { exception, traceback, exceptionText, tracebackText } = message;
  core.failures.set(slot, { exception, traceback, exceptionText, tracebackText });
  core.freeSlot(worker, slot);
  transition(core, slot, ERRED);
}

function addKeys(core: Core, worker: WorkerState, keys: readonly Key[]): void {
  const unknown: Key[] = [];
  for (const key of keys) {
    const slot = core.find(key);
    if (slot !== undefined && core.columns.cells[(slot << CELL) + STATE] === MEMORY) addHolder(core, slot, worker);
    else unknown.push(key);
  }
  if (unknown.length > 0)
    core.sendWorker(worker, { op: "remove-replicas", keys: unknown, stimulusId: core.stimulusId });
}

function releaseData(core: Core, worker: WorkerState, key: Key): void {
  const slot = core.find(key);
  if (slot === undefined || !worker.has.has(slot)) return;
  removeHolder(core, slot, worker);
  if ((core.columns.cells[(slot << CELL) + HOLDER] as number) < 0) core.recommend(slot, RELEASED);
}

/** Nobody found these keys at this worker. */
export function dataMissing(core: Core, event: Event<"data-missing">): void {
  const worker = core.workerAt.get(event.worker);
  if (worker) for (const key of event.keys) releaseData(core, worker, key);
}

function giveBack(core: Core, worker: WorkerState, key: Key): void {
  const slot = core.find(key);
  if (slot === undefined || core.columns.cells[(slot << CELL) + WORKER] !== worker.index) return;
  if (core.columns.cells[(slot << CELL) + STATE] === WAITING) callOff(core, slot);
  else transition(core, slot, WAITING);
}

function longRunning(core: Core, worker: WorkerState, message: LongRunning): void {
  const slot = currentRun(core, worker, message);
  if (slot === undefined) return;
  if (!worker.longRunning.has(slot)) core.longRunning++;
  worker.longRunning.add(slot);
  refreshWorker(core, worker);
}

/** A key that nobody knows any more is not to be looked for: else the worker would ask for ever. As Dask does. */
function refreshWhoHas(core: Core, worker: WorkerState, keys: readonly Key[]): void {
  const whoHas = new Map<Key, WorkerAddress[]>();
  for (const key of keys) {
    const slot = core.find(key);
    if (slot === undefined) core.free(worker, key);
    else if (core.columns.cells[(slot << CELL) + STATE] === MEMORY && isInVain(core, worker, slot))
      distrust(core, worker, slot);
    else whoHas.set(key, addresses(core, slot));
  }
  if (whoHas.size > 0) core.sendWorker(worker, { op: "refresh-who-has", whoHas, stimulusId: core.stimulusId });
}

/** A worker has asked for so long, again and again, where a block is that its holders should have. */
function isInVain(core: Core, worker: WorkerState, slot: Slot): boolean {
  const seen = worker.seeking.get(slot);
  const isOn = seen !== undefined && core.now - seen.lastMs <= SEEK_PAUSE_MS;
  worker.seeking.set(slot, { sinceMs: isOn ? seen.sinceMs : core.now, lastMs: core.now });
  return isOn && core.now - seen.sinceMs >= core.config.inVainMs;
}

/** Its holders are there and do not give it: their copies do not count, and it is computed again. */
function distrust(core: Core, worker: WorkerState, slot: Slot): void {
  worker.seeking.delete(slot);
  for (const index of core.columns.holdersOf(slot)) {
    const holder = core.workers.get(index);
    if (!holder) continue;
    removeHolder(core, slot, holder);
    core.freeSlot(holder, slot);
  }
  core.recommend(slot, RELEASED);
}

function stealResponse(core: Core, worker: WorkerState, message: StealResponse): void {
  const slot = core.find(message.key);
  if (
    slot === undefined ||
    core.columns.cells[(slot << CELL) + WORKER] !== worker.index ||
    core.columns.cells[(slot << CELL) + STATE] !== PROCESSING
  )
    return;
  if (!core.clearStealing(slot, worker)) return;
  if (!STEALABLE.has(message.state)) {
    core.stolenFor.delete(slot);
    core.columns.cells[(slot << CELL) + FLAGS] = (core.columns.cells[(slot << CELL) + FLAGS] as number) | FLAG_STARTED;
    refreshWorker(core, worker);
    return;
  }
  const thief = core.stolenFor.get(slot);
  core.totals.stolen++;
  transition(core, slot, WAITING);
  if (thief !== undefined) core.stolenFor.set(slot, thief);
}

function statusChange(core: Core, worker: WorkerState, status: string): void {
  if (!STATUSES.has(status) || status === worker.status) return;
  // Checked just above.
  worker.status = status as WorkerStatus;
  workersChanged(core, worker);
}
