/**
 * The transition table as data: for every state and every recommended state a function, or null for "cannot happen".
 * Source of the states and of their meaning: distributed/worker_state_machine.py. Where ours differs: an attempt that was
 * called off never lends its result to a later attempt of the same key, since the key may have been given a new meaning
 * in between; the later attempt runs afresh under its own run id.
 */
import { InvariantError } from "../../base/index.ts";
import { showKey, type TaskId } from "../../graph/index.ts";
import type { ComputeTask } from "../../protocol/index.ts";
import type { Core } from "./core.ts";
import { isExpected, isOrdered, type KnownGraph, type TaskState, type TaskTarget, type WorkerTask } from "./task.ts";

/** Applies one transition: writes the state, recommends more, adds messages. */
export type Transition = (core: Core, task: WorkerTask, to: TaskTarget) => void;

type Row = { readonly [T in TaskTarget]: Transition | null };

/** What a row does not name cannot happen. */
const NEVER: Row = {
  released: null,
  waiting: null,
  fetch: null,
  missing: null,
  flight: null,
  ready: null,
  constrained: null,
  executing: null,
  "long-running": null,
  memory: null,
  error: null,
  forgotten: null,
};

/** Every cell; a recommendation of the state a task is in already is dropped before the table is asked. */
export const TRANSITIONS: { readonly [F in TaskState]: Row } = {
  released: { ...NEVER, waiting: toWaiting, fetch: toFetch, memory: scattered, forgotten: forget },
  waiting: {
    ...NEVER,
    ready: toReady,
    constrained: toConstrained,
    released: release,
    memory: throughReleased,
    error: toError,
  },
  fetch: {
    ...NEVER,
    flight: toFlight,
    missing: toMissing,
    released: release,
    waiting: throughReleased,
    memory: throughReleased,
  },
  missing: { ...NEVER, fetch: toFetch, released: release, waiting: throughReleased, memory: throughReleased },
  flight: { ...NEVER, memory: arrived, fetch: toFetch, released: cancel, waiting: throughReleased },
  ready: { ...NEVER, executing: execute, released: release, waiting: backToWaiting, memory: throughReleased },
  constrained: { ...NEVER, executing: execute, released: release, waiting: backToWaiting, memory: throughReleased },
  executing: {
    ...NEVER,
    memory: finish,
    error: toError,
    "long-running": secede,
    released: cancel,
    waiting: throughReleased,
  },
  "long-running": { ...NEVER, memory: finish, error: toError, released: cancel, waiting: throughReleased },
  memory: { ...NEVER, released: release },
  error: { ...NEVER, released: release, waiting: throughReleased, fetch: throughReleased, memory: throughReleased },
  cancelled: {
    ...NEVER,
    released: settle,
    memory: settle,
    error: settle,
    fetch: uncancelFetch,
    waiting: uncancelCompute,
    "long-running": secede,
  },
  resumed: {
    ...NEVER,
    released: cancelAgain,
    memory: settle,
    error: settle,
    fetch: settleOrNext,
    waiting: settleOrNext,
    "long-running": secede,
  },
  forgotten: NEVER,
};

/** Apply recommendations until none is left; what is released then is forgotten, or fetched again for those who read it. */
export function settleAll(core: Core): void {
  do {
    core.applyRecommendations(step);
    // Only now: one that nobody reads any more may have been ordered, or may be read again, since.
    for (const task of core.unread) if (task.dependents.size === 0 && isOnlyWanted(task)) step(core, task, "released");
    core.unread.clear();
    for (const task of core.orphans)
      if (task.state === "released") step(core, task, task.hasDependents ? "fetch" : "forgotten");
    core.orphans.clear();
  } while (core.hasRecommendations);
  core.flushAdded();
  core.flushDropped();
}

/** Apply one recommendation now. */
export function step(core: Core, task: WorkerTask, to: TaskTarget): void {
  // A recommendation can be overtaken: the task went on, or is gone, when its turn comes.
  if (task.state === to || task.state === "forgotten") return;
  if ((to === "ready" || to === "constrained") && task.state !== "waiting") return;
  if (to === "waiting" && task.state === "released" && task.order === null) return; // freed since its input was
  if (to === "missing" && task.state !== "fetch") return;
  if (to === "fetch" && (task.state === "memory" || isOrdered(task))) return; // it is here, or will be
  const cell = TRANSITIONS[task.state][to];
  if (cell === null) {
    throw new InvariantError(`task ${showKey(task.key)}: ${task.state} -> ${to} cannot happen`, {
      details: { story: core.story([task.key]) },
    });
  }
  cell(core, task, to);
}

function throughReleased(core: Core, task: WorkerTask, to: TaskTarget): void {
  const { value, order } = task;
  step(core, task, "released");
  if (to === "memory") task.value = value;
  if (to === "waiting") task.order = order;
  step(core, task, to);
}

/** Inputs are wanted; those not here are fetched. */
function toWaiting(core: Core, task: WorkerTask): void {
  const order = task.order;
  if (!order) throw new InvariantError(`task ${showKey(task.key)} is to wait without an order to compute it`);
  task.need = core.limits.budgetBytes === null || isInColumns(order) ? null : core.needOf(order.runSpec);
  core.setState(task, "waiting");
  const inputs = isInColumns(order) ? blockInputs(core, task, order) : keyInputs(core, task, order);
  task.dependencies = inputs;
  for (const input of inputs) input.dependents.add(task);
  countInputs(core, task);
}

function blockInputs(core: Core, task: WorkerTask, order: KnownGraph): readonly WorkerTask[] {
  const count = order.edges.dependencies(task.taskId, ids);
  if (count === 0) return NO_INPUTS;
  const inputs: WorkerTask[] = [];
  for (let k = 0; k < count; k++) inputs.push(core.ensureBlock(order, ids[k] as TaskId, task.priority)); // k < count
  return inputs;
}

function keyInputs(core: Core, task: WorkerTask, order: ComputeTask): readonly WorkerTask[] {
  const inputs = Array.from(order.whoHas.keys(), (key) => core.ensure(key, task.priority));
  return inputs.filter((input) => input !== task); // nonsense of a peer: a task cannot wait for itself
}

const ids: TaskId[] = [];
const NO_INPUTS: readonly WorkerTask[] = [];

/** See which inputs are here; fetch the others, unless they are being computed here. */
function countInputs(core: Core, task: WorkerTask): void {
  task.waitingFor = 0;
  for (const input of task.dependencies) {
    if (input.state === "memory") continue;
    task.waitingFor++;
    if (!isExpected(input)) core.recommend(input, "fetch");
  }
  if (task.waitingFor === 0) core.recommend(task, isConstrained(task) ? "constrained" : "ready");
}

function isConstrained({ order }: WorkerTask): boolean {
  return order !== null && !isInColumns(order) && (order.resourceRestrictions?.size ?? 0) > 0;
}

/** Ordered as a task of a graph. */
export function isInColumns(order: ComputeTask | KnownGraph): order is KnownGraph {
  return "submission" in order;
}

function toReady(core: Core, task: WorkerTask): void {
  if (task.waitingFor > 0) return; // an input was lost again since this was recommended
  core.setState(task, "ready");
  core.ready.push(task);
}

function toConstrained(core: Core, task: WorkerTask): void {
  if (task.waitingFor > 0) return;
  core.setState(task, "constrained");
  core.constrained.push(task);
}

/** An input of a task that could have run is gone. */
function backToWaiting(core: Core, task: WorkerTask): void {
  core.ready.delete(task);
  core.constrained.delete(task);
  core.setState(task, "waiting");
  countInputs(core, task);
}

/** `machine` has taken it off its heap, with thread, resources and bytes. */
function execute(core: Core, task: WorkerTask): void {
  const order = task.order;
  if (!order) throw new InvariantError(`task ${showKey(task.key)} is to run without an order to compute it`);
  core.setState(task, "executing");
  task.startedRunId = task.runId;
  task.startedAt = core.now;
  if (isInColumns(order)) {
    core.blocks.set(task.ref, task);
    return core.starts.add(order, task, core.outbox);
  }
  core.starts.flush(core.outbox);
  core.outbox.push({
    type: "execute",
    key: task.key,
    runId: task.runId,
    runSpec: order.runSpec,
    dependencies: task.dependencies.map((input) => input.key),
  });
}

function toFetch(core: Core, task: WorkerTask): void {
  if (task.state === "flight" && !task.done) return; // it is coming
  task.done = false;
  core.missing.delete(task);
  if (task.whoHas.size === 0) return toMissing(core, task);
  core.setState(task, "fetch");
  for (const address of task.whoHas) core.need(core.peer(address), task);
}

/** Nobody is known to have it: the scheduler is asked now, and again until it says. */
function toMissing(core: Core, task: WorkerTask): void {
  task.done = false;
  if (task.state !== "missing") core.setState(task, "missing");
  core.missing.add(task);
  core.refresh.add(task);
}

function toFlight(core: Core, task: WorkerTask): void {
  core.setState(task, "flight");
}

/** Its result is in memory, from a run here. */
function finish(core: Core, task: WorkerTask): void {
  const { order } = task;
  toMemory(core, task);
  if (order !== null && isInColumns(order)) sendBlock(core, task, order, task.startedRunId);
  else sendFinished(core, task, task.startedRunId);
}

/** Its value came from a peer. */
function arrived(core: Core, task: WorkerTask): void {
  toMemory(core, task);
  core.added(task.key);
}

/** Its value came from outside; who put it there tells the scheduler. */
function scattered(core: Core, task: WorkerTask): void {
  toMemory(core, task);
}

function toMemory(core: Core, task: WorkerTask): void {
  unlink(core, task);
  task.done = false;
  core.setState(task, "memory");
  task.nbytes = task.value?.nbytes ?? 0;
  task.order = null;
  task.failure = null;
  core.managedBytes += task.nbytes;
  core.forgetHolders(task);
  if (!task.hasDependents) return void core.touched.push(task);
  for (const reader of task.dependents) {
    if (reader.state !== "waiting") continue;
    if (--reader.waitingFor === 0) core.recommend(reader, isConstrained(reader) ? "constrained" : "ready");
  }
}

/** Tell the scheduler that the value is here. */
export function sendFinished(core: Core, task: WorkerTask, runId: number): void {
  const { nbytes, type, typename } = task.value ?? { nbytes: 0, type: new Uint8Array(0), typename: "" };
  core.send({
    op: "task-finished",
    key: task.key,
    runId,
    nbytes,
    type,
    typename,
    metadata: new Map(),
    thread: task.thread,
    startstops: task.startstops,
    stimulusId: core.stimulusId,
  });
  task.startstops = [];
}

/** As {@link sendFinished}, in columns: task `taskId` of `known`. */
export function sendBlock(core: Core, task: WorkerTask, known: KnownGraph, runId: number): void {
  const { taskId, seconds } = task;
  const { nbytes = 0, scalar } = task.value ?? {};
  core.ends.add(known, { taskId, runId, nbytes, seconds, scalar }, core.outbox);
  task.startstops = [];
}

function toError(core: Core, task: WorkerTask): void {
  const failure = task.failure;
  if (!failure) throw new InvariantError(`task ${showKey(task.key)} failed without a failure`);
  const runId = task.state === "waiting" ? task.runId : task.startedRunId;
  unlink(core, task);
  task.done = false;
  core.setState(task, "error");
  core.send({
    op: "task-erred",
    key: task.key,
    runId,
    ...failure,
    thread: task.thread,
    startstops: task.startstops,
    stimulusId: core.stimulusId,
  });
  task.startstops = [];
  if (task.dependents.size > 0) core.recommend(task, "fetch"); // it is elsewhere, says the order of its readers
}

function secede(core: Core, task: WorkerTask): void {
  core.executing.delete(task);
  core.longRunning.add(task);
  if (task.state !== "executing") {
    task.previous = "long-running"; // unwanted: the scheduler does not know of it
    return;
  }
  core.setState(task, "long-running");
  core.send({
    op: "long-running",
    key: task.key,
    runId: task.startedRunId,
    computeDuration: (core.now - task.startedAt) / 1000,
    stimulusId: core.stimulusId,
  });
}

/** Give up what the task holds here; its readers wait again. */
function release(core: Core, task: WorkerTask): void {
  const wasInMemory = task.state === "memory";
  core.ready.delete(task);
  core.constrained.delete(task);
  core.missing.delete(task);
  if (task.hasHolders)
    for (const address of task.whoHas) {
      const peer = core.peers.get(address);
      if (peer) core.unneed(peer, task);
    }
  unlink(core, task);
  core.setState(task, "released");
  task.order = null;
  task.reset();
  core.orphans.add(task);
  if (!wasInMemory) return;
  core.managedBytes -= task.nbytes;
  core.drop(task);
  // Who frees blocks in columns does not wait to hear of each.
  if (!core.isSilent) core.send({ op: "release-worker-data", key: task.key, stimulusId: core.stimulusId });
  if (!task.hasDependents) return;
  for (const reader of task.dependents) {
    if (reader.state === "ready" || reader.state === "constrained") core.recommend(reader, "waiting");
    else if (reader.state === "waiting") reader.waitingFor++;
  }
}

/** The task no longer reads its inputs; inputs that nobody reads any more are not fetched. */
function unlink(core: Core, task: WorkerTask): void {
  if (task.dependencies.length === 0) return;
  for (const input of task.dependencies) {
    input.dependents.delete(task);
    if (input.dependents.size > 0) continue;
    if (isOnlyWanted(input)) core.unread.add(input);
    else if (input.state === "released") core.orphans.add(input);
    else if (input.state === "memory") core.touched.push(input);
  }
  task.dependencies = [];
}

/** Not here, nor ordered: on its way, or looked for. */
function isOnlyWanted({ state, next }: WorkerTask): boolean {
  return state === "fetch" || state === "missing" || state === "flight" || (state === "resumed" && next === "fetch");
}

/** What runs or flies is given up, but not at once: its end is awaited, and its result dropped. */
function cancel(core: Core, task: WorkerTask): void {
  if (task.state === "executing" || task.state === "long-running" || task.state === "flight")
    task.previous = task.state;
  if (task.previous === "executing" || task.previous === "long-running")
    core.outbox.push({ type: "abort", key: task.key });
  if (task.previous !== "flight") unlink(core, task);
  core.setState(task, "cancelled");
  task.next = null;
}

/** Wanted again as a replica. A transfer simply goes on; after a computation it is fetched. */
function uncancelFetch(core: Core, task: WorkerTask): void {
  if (task.done) return settle(core, task);
  if (task.previous === "flight") {
    task.previous = null;
    core.setState(task, "flight");
    return;
  }
  resume(core, task, "fetch");
}

/** Ordered again: the new attempt begins when the old one has ended. */
function uncancelCompute(core: Core, task: WorkerTask): void {
  resume(core, task, "waiting");
}

function resume(core: Core, task: WorkerTask, next: "waiting" | "fetch"): void {
  task.next = next;
  core.setState(task, "resumed");
}

function cancelAgain(core: Core, task: WorkerTask): void {
  task.next = null;
  core.setState(task, "cancelled");
}

function settleOrNext(core: Core, task: WorkerTask, to: TaskTarget): void {
  if (task.done) settle(core, task);
  else if (to === "waiting" || to === "fetch") task.next = to;
}

/** What was called off has ended: its result is dropped, and what was asked for since begins. */
function settle(core: Core, task: WorkerTask): void {
  if (!task.done) return;
  const next = task.next;
  if (task.value) core.drop(task);
  unlink(core, task);
  core.setState(task, "released");
  task.reset();
  core.orphans.add(task);
  if (next) core.recommend(task, next);
}

function forget(core: Core, task: WorkerTask): void {
  core.forgetHolders(task);
  core.tasks.delete(task);
  core.setState(task, "forgotten");
}
