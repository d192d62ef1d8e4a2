/** The worker machine: what each event recommends, and what may start once nothing is left to recommend. */
import { assertNever, InvariantError, invariant } from "../../base/index.ts";
import { type Graph, type Key, showKey } from "../../graph/index.ts";
import type { StartStop, WireFailure } from "../../protocol/index.ts";
import { CELL } from "./cells.ts";
import { checkCore } from "./check.ts";
import { closeAll, open, openReady, rowEnded } from "./columns.ts";
import { Core, type Peer } from "./core.ts";
import type {
  NeedOf,
  Ref,
  SchedulerWord,
  StoryEntry,
  ValueFacts,
  WorkerAddress,
  WorkerCounts,
  WorkerEvent,
  WorkerInstruction,
  WorkerLimits,
  WorkerMachine,
} from "./events.ts";
import { compute, freeKeys, freeTasks, runTasks } from "./orders.ts";
import { start } from "./start.ts";
import { isExpected, isUnstarted, keyOfBlock, TASK_STATES, type WorkerTask } from "./task.ts";
import { settleAll } from "./transitions.ts";

/** Priority of replicas fetched for the scheduler: after computations of normal and before those of low priority. Source: distributed. */
const REPLICA_PRIORITY: readonly number[] = [1];

/**
 * A worker machine with nothing in it. It is paused until a `status` event says `running`.
 *
 * @param needOf bytes a task needs beyond its inputs; asked only when `limits.budgetBytes` is given
 */
export function createWorkerMachine(limits: WorkerLimits, needOf: NeedOf = () => null): WorkerMachine {
  return new Machine(new Core(limits, needOf));
}

/** Tasks of this length end before a message would have been written. */
const BRISK_SECONDS = 0.0001;

class Machine implements WorkerMachine {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  handle(event: WorkerEvent, outbox: WorkerInstruction[]): void {
    const core = this.#core;
    core.now = event.now;
    core.stimulusId = event.stimulusId;
    core.outbox = outbox;
    react(core, event);
    settleAll(core);
    start(core);
    settleAll(core);
    askForMissing(core);
    core.ends.flush(outbox);
    closeAll(core);
  }

  check(): void {
    checkCore(this.#core);
  }

  story(...keys: readonly Key[]): readonly StoryEntry[] {
    return this.#core.story(keys);
  }

  get isDrained(): boolean {
    const { running, orders, ready, constrained } = this.#core;
    return running <= 1 && orders.ready === 0 && ready.size === 0 && constrained.size === 0;
  }

  get isBrisk(): boolean {
    const { running, meanSeconds } = this.#core;
    return running > 0 && meanSeconds !== null && meanSeconds < BRISK_SECONDS;
  }

  refOf(key: Key): Ref {
    return this.#core.tasks.refOf(key);
  }

  graphs(): Iterable<Graph> {
    return this.#core.tasks.graphs();
  }

  held(): ReadonlyMap<Ref, Key> {
    const held = new Map<Ref, Key>();
    for (const task of this.#core.tasks.values()) if (task.state === "memory") held.set(task.ref, task.key);
    for (const layer of this.#core.tasks.layers())
      for (const index of layer.cells.of(CELL.memory)) held.set(layer.cells.number(index), keyOfBlock(layer, index));
    return held;
  }

  counts(): WorkerCounts {
    const core = this.#core;
    return {
      tasks: new Map(
        TASK_STATES.filter((state) => core.stateCounts[state] > 0).map((state) => [state, core.stateCounts[state]]),
      ),
      managedBytes: core.managedBytes,
      incomingBytes: core.incomingBytes,
      incomingCount: core.incomingCount,
      executing: [
        ...Array.from(core.executing, (task) => ({ key: task.key, since: task.startedAt })),
        ...Array.from(core.rows.values(), ({ layer, index, startedAt }) => ({
          key: keyOfBlock(layer, index),
          since: startedAt,
        })),
      ],
    };
  }
}

function react(core: Core, event: WorkerEvent): void {
  switch (event.type) {
    case "scheduler-messages":
      for (const message of event.messages) {
        if ("stimulusId" in message) core.stimulusId = message.stimulusId;
        obey(core, message);
        settleAll(core);
      }
      return;
    case "execute-success":
      return succeeded(core, ended(core, known(core, event.key), event), event.value);
    case "execute-failure":
      return failed(core, ended(core, known(core, event.key), event), event.failure);
    case "blocks-executed":
      for (let k = 0; k < event.refs.length; k++) {
        // Columns of equal length.
        const ref = event.refs[k] as Ref;
        const value = event.values[k] as ValueFacts;
        const seconds = event.seconds[k] as number;
        core.meanSeconds = averaged(core.meanSeconds, seconds);
        const row = core.rows.get(ref);
        if (row) rowEnded(core, row, value, seconds);
        else blockEnded(core, started(core, ref), value, seconds);
      }
      return;
    case "block-failed":
      return failed(core, ended(core, started(core, event.ref), event), event.failure);
    case "execute-secede":
      return core.recommend(known(core, event.key), "long-running");
    case "gather-success":
      return gathered(core, event);
    case "gather-busy":
      return busy(core, event.worker);
    case "gather-network-failure":
      for (const task of asked(core, event.worker)) core.recommend(task, "fetch");
      return core.losePeer(event.worker);
    case "gather-failure":
      return unreadable(core, event.worker, event.failure);
    case "update-data":
      for (const [key, value] of event.values) put(core, key, value);
      return;
    case "status":
      // One that retires neither pauses nor goes on, until the scheduler says that it runs again.
      if (core.status === "closing_gracefully") return;
      core.status = event.status;
      core.send({ op: "worker-status-change", status: event.status, stimulusId: event.stimulusId });
      return giveBackUnstarted(core);
    case "wake":
      return woken(core);
    default:
      return assertNever(event);
  }
}

/** One message of the scheduler. Whatever it says, nothing throws: what makes no sense here is ignored. */
function obey(core: Core, message: SchedulerWord): void {
  switch (message.op) {
    case "compute-task":
      return compute(core, message);
    case "graph":
      return core.tasks.addGraph(message.submission, message.graph);
    case "run-tasks":
      return runTasks(core, message);
    case "free-tasks":
      return freeTasks(core, message);
    case "forget-graph":
      core.tasks.forgetGraph(message.submission);
      core.outbox.push({ type: "forget-graph", submission: message.submission });
      return;
    case "free-keys":
      return freeKeys(core, message);
    case "remove-replicas":
      for (const key of message.keys) removeReplica(core, key);
      return;
    case "acquire-replicas":
      for (const [key, workers] of message.whoHas)
        acquire(core, key, { workers, nbytes: message.nbytes.get(key) ?? 0 });
      return;
    case "steal-request":
      return answerSteal(core, message.key);
    case "refresh-who-has":
      for (const [key, workers] of message.whoHas) refresh(core, key, workers);
      return;
    case "cancel-compute": {
      const task = core.tasks.get(message.key);
      if (task && isUnstarted(task) && task.dependents.size === 0) core.recommend(task, "released");
      return;
    }
    case "worker-status-change":
      if (message.status === "running" || message.status === "paused" || message.status === "closing_gracefully")
        core.status = message.status;
      core.send({ op: "worker-status-change", status: core.status, stimulusId: message.stimulusId });
      return giveBackUnstarted(core);
    case "remove-worker":
      return core.losePeer(message.worker);
    case "close":
      core.status = "closing_gracefully";
      core.outbox.push({ type: "close", reason: message.reason ?? "scheduler-close" });
      return;
    default:
      return assertNever(message);
  }
}

/** A worker that leaves starts nothing more: others run what waits here, and nobody waits for it. */
function giveBackUnstarted(core: Core): void {
  if (core.status !== "closing_gracefully") return;
  openReady(core);
  for (const task of core.tasks.values()) {
    // Also what was ordered again while its former run, or its value, is still under way.
    if (!isUnstarted(task) && !(task.state === "resumed" && task.next === "waiting")) continue;
    core.send({ op: "reschedule", key: task.key, stimulusId: core.stimulusId });
    core.recommend(task, "released");
  }
}

/** Refused while a task here reads it: the scheduler is told that the replica stays. */
function removeReplica(core: Core, key: Key): void {
  const task = core.tasks.get(key);
  if (task?.state !== "memory") return;
  if (task.dependents.size > 0) core.added(key);
  else core.recommend(task, "released");
}

function acquire(
  core: Core,
  key: Key,
  { workers, nbytes }: { readonly workers: readonly WorkerAddress[]; readonly nbytes: number },
): void {
  const task = core.ensure(key, REPLICA_PRIORITY);
  if (task.state === "memory") return core.added(key);
  if (isExpected(task)) return; // it will be here anyway
  task.nbytes = Math.max(0, nbytes);
  core.setWhoHas(task, workers);
  core.recommend(task, "fetch");
}

function answerSteal(core: Core, key: Key): void {
  const task = core.tasks.get(key);
  core.send({ op: "steal-response", key, state: task?.state ?? null, stimulusId: core.stimulusId });
  if (task && isUnstarted(task)) core.recommend(task, "released");
}

function refresh(core: Core, key: Key, workers: readonly WorkerAddress[]): void {
  const task = core.tasks.get(key);
  if (task && task.state !== "memory") core.setWhoHas(task, workers);
}

const NO_FIGURES: { readonly thread: number | null; readonly startstops: readonly StartStop[] } = {
  thread: null,
  startstops: [],
};

/** An execution is over: its thread, resources and bytes are free. */
function ended(
  core: Core,
  task: WorkerTask,
  event: { readonly thread: number | null; readonly startstops: readonly StartStop[] },
): WorkerTask {
  // The story is read only when it is told: this runs for every task.
  if (!core.executing.delete(task) && !core.longRunning.delete(task)) {
    throw new InvariantError(`${showKey(task.key)} ended without having been started`, {
      details: { story: core.story([task.key]) },
    });
  }
  if (task.heldResources !== null)
    for (const [name, amount] of task.heldResources) core.free.set(name, (core.free.get(name) ?? 0) + amount);
  task.heldResources = null;
  core.reservedBytes -= task.need ?? 0;
  task.need = null;
  task.done = true;
  task.thread = event.thread;
  task.addTimes(event.startstops);
  return task;
}

function succeeded(core: Core, task: WorkerTask, value: ValueFacts): void {
  task.value = value;
  core.recommend(task, "memory");
}

function failed(core: Core, task: WorkerTask, failure: WireFailure): void {
  task.failure = failure;
  core.recommend(task, "error");
}

function blockEnded(core: Core, task: WorkerTask, value: ValueFacts, seconds: number): void {
  task.seconds = seconds;
  succeeded(core, ended(core, task, NO_FIGURES), value);
}

/** A task that was handed over in columns. */
function started(core: Core, ref: Ref): WorkerTask {
  const row = core.rows.get(ref);
  const task = row ? open(core, row.layer, row.index) : core.blocks.get(ref);
  invariant(task, `block ${ref} ended without having been started`);
  core.blocks.delete(ref);
  return task;
}

/** Moving average over some tens of tasks. */
function averaged(mean: number | null, seconds: number): number {
  return mean === null ? seconds : mean + (seconds - mean) / 32;
}

function known(core: Core, key: Key): WorkerTask {
  const task = core.tasks.get(key);
  if (!task)
    throw new InvariantError(`${showKey(key)} is unknown to the machine that started it`, {
      details: { story: core.story([key]) },
    });
  return task;
}

/** Close the open request to a worker: what it asked for, all of it now `done`. */
function asked(core: Core, worker: WorkerAddress): readonly WorkerTask[] {
  const peer = core.peers.get(worker);
  invariant(peer?.asked, `an answer of ${worker} that was not asked`);
  const tasks = core.endRequest(peer);
  for (const task of tasks) task.done = true;
  return tasks;
}

function gathered(core: Core, event: Extract<WorkerEvent, { readonly type: "gather-success" }>): void {
  const tasks = asked(core, event.worker);
  tasks[0]?.dependents.first()?.addTimes([event.startstop]);
  for (const task of tasks) {
    const value = event.received.get(task.key);
    if (value) {
      task.value = value;
      core.recommend(task, "memory");
    } else {
      core.forgetHolder(task, event.worker);
      core.recommend(task, "fetch");
    }
  }
}

/** Try other holders at once, this one later; where there is no other, the scheduler may know one. */
function busy(core: Core, worker: WorkerAddress): void {
  const until = core.now + core.limits.busyRetryMs;
  const peer: Peer = core.peer(worker);
  peer.busyUntil = until;
  core.wake(until);
  for (const task of asked(core, worker)) {
    core.recommend(task, "fetch");
    const isBusy = (address: WorkerAddress): boolean => (core.peers.get(address)?.busyUntil ?? 0) > core.now;
    if (Array.from(task.whoHas).every(isBusy)) core.refresh.add(task);
  }
}

/** What cannot be read from any holder fails the tasks that need it. */
function unreadable(core: Core, worker: WorkerAddress, failure: WireFailure): void {
  for (const task of asked(core, worker)) {
    core.forgetHolder(task, worker);
    core.recommend(task, "fetch");
    if (task.whoHas.size > 0) continue;
    for (const reader of task.dependents) {
      if (reader.state !== "waiting") continue;
      reader.failure = failure;
      core.recommend(reader, "error");
    }
  }
}

/** A value from outside. Where a run or a transfer of the same key is under way, that one's result counts. */
function put(core: Core, key: Key, value: ValueFacts): void {
  const task = core.ensure(key, REPLICA_PRIORITY);
  switch (task.state) {
    case "memory":
      return; // keys name values: it is the same one
    case "executing":
    case "long-running":
    case "flight":
    case "cancelled":
    case "resumed":
      return core.drop(task);
    default:
      task.value = value;
      core.recommend(task, "memory");
  }
}

function woken(core: Core): void {
  core.wakeAt = Number.POSITIVE_INFINITY;
  for (const peer of core.peers.values()) if (peer.busyUntil > core.now) core.wake(peer.busyUntil);
  if (core.now >= core.missingAskAt) {
    core.missingAskAt = Number.POSITIVE_INFINITY;
    for (const task of core.missing) core.refresh.add(task);
  }
}

/** Ask the scheduler where missing inputs are: at once, then at intervals. */
function askForMissing(core: Core): void {
  const keys: Key[] = [];
  for (const task of core.refresh) if (task.state === "missing" || task.state === "fetch") keys.push(task.key);
  core.refresh.clear();
  if (keys.length > 0) core.send({ op: "request-refresh-who-has", keys, stimulusId: core.stimulusId });
  if (core.missing.size === 0) return;
  if (core.missingAskAt === Number.POSITIVE_INFINITY) core.missingAskAt = core.now + core.limits.missingRetryMs;
  core.wake(core.missingAskAt);
}
