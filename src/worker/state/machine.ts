/** The worker machine: what each event recommends, and what may start once nothing is left to recommend. */
import { assertNever, InvariantError, invariant } from "../../base/index.ts";
import { type Key, showKey } from "../../graph/index.ts";
import type { ComputeTask, SchedulerToWorker, StartStop, WireFailure } from "../../protocol/index.ts";
import { checkCore } from "./check.ts";
import { Core, type Peer } from "./core.ts";
import type {
  NeedOf,
  StoryEntry,
  ValueFacts,
  WorkerAddress,
  WorkerCounts,
  WorkerEvent,
  WorkerInstruction,
  WorkerLimits,
  WorkerMachine,
} from "./events.ts";
import { fetchInputs } from "./gather.ts";
import { isBefore, isOrdered, isUnstarted, TASK_STATES, type WorkerTask } from "./task.ts";
import { sendFinished, settleAll, step } from "./transitions.ts";

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
  }

  check(): void {
    checkCore(this.#core);
  }

  story(...keys: readonly Key[]): readonly StoryEntry[] {
    return this.#core.story(keys);
  }

  get isDrained(): boolean {
    const { executing, ready, constrained } = this.#core;
    return executing.size <= 1 && ready.size === 0 && constrained.size === 0;
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
      executing: Array.from(core.executing, (task) => ({ key: task.key, since: task.startedAt })),
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
      return ended(core, event.key, event, (task) => {
        task.value = event.value;
        core.recommend(task, "memory");
      });
    case "execute-failure":
      return ended(core, event.key, event, (task) => {
        task.failure = event.failure;
        core.recommend(task, "error");
      });
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
function obey(core: Core, message: SchedulerToWorker): void {
  switch (message.op) {
    case "compute-task":
      return compute(core, message);
    case "free-keys":
      for (const key of message.keys) freeKey(core, key);
      return;
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
  for (const task of core.tasks.values()) {
    if (!isUnstarted(task)) continue;
    core.send({ op: "reschedule", key: task.key, stimulusId: core.stimulusId });
    core.recommend(task, "released");
  }
}

function compute(core: Core, message: ComputeTask): void {
  if (core.status === "closing_gracefully" && core.tasks.get(message.key)?.state !== "memory")
    return core.send({ op: "reschedule", key: message.key, stimulusId: core.stimulusId }); // sent before it was known
  const task = core.ensure(message.key, message.priority);
  if (task.state === "memory") return sendFinished(core, task, message.runId);
  if (task.order?.runId === message.runId && task.state !== "error" && task.state !== "released") return; // the same order twice
  if (isUnstarted(task)) step(core, task, "released");
  task.order = message;
  task.priority = message.priority;
  for (const [key, workers] of message.whoHas) {
    if (key === message.key) continue;
    const input = core.ensure(key, message.priority);
    if (input.state === "memory") continue;
    input.nbytes = Math.max(0, message.nbytes.get(key) ?? 0);
    core.setWhoHas(input, workers);
  }
  core.recommend(task, "waiting");
}

function freeKey(core: Core, key: Key): void {
  const task = core.tasks.get(key);
  if (task) core.recommend(task, "released");
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
  if (isOrdered(task)) return; // it will be here anyway
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

/** An execution is over: its thread, resources and bytes are free. */
function ended(
  core: Core,
  key: Key,
  event: { readonly thread: number | null; readonly startstops: readonly StartStop[] },
  then: (task: WorkerTask) => void,
): void {
  const task = known(core, key);
  // The story is read only when it is told: this runs for every task.
  if (!core.executing.delete(task) && !core.longRunning.delete(task)) {
    throw new InvariantError(`${showKey(key)} ended without having been started`, {
      details: { story: core.story([key]) },
    });
  }
  for (const [name, amount] of task.heldResources ?? []) core.free.set(name, (core.free.get(name) ?? 0) + amount);
  task.heldResources = null;
  core.reservedBytes -= task.need ?? 0;
  task.need = null;
  task.done = true;
  task.thread = event.thread;
  task.startstops.push(...event.startstops);
  then(task);
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
  const reader = tasks[0]?.dependents.values().next().value;
  reader?.startstops.push(event.startstop);
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
      return core.drop(key);
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

/** Start what may start: tasks on free threads, requests to peers. */
function start(core: Core): void {
  if (core.status !== "running") return;
  while (core.executing.size < core.limits.nthreads) {
    const task = nextTask(core);
    if (!task) break;
    core.reservedBytes += task.need ?? 0;
    core.executing.add(task);
    core.recommend(task, "executing");
    settleAll(core);
  }
  fetchInputs(core);
}

/** The most urgent task that may run, off its heap and holding its resources. */
function nextTask(core: Core): WorkerTask | undefined {
  const ready = core.ready.peek();
  const constrained = core.constrained.peek();
  const order = constrained?.order?.resourceRestrictions ?? null;
  const hasResources =
    constrained !== undefined &&
    Array.from(order ?? []).every(([name, amount]) => (core.free.get(name) ?? 0) >= amount);
  const isConstrainedFirst =
    constrained !== undefined && hasResources && (ready === undefined || isBefore(constrained, ready));
  const task = isConstrainedFirst ? constrained : ready;
  if (!task || !hasRoom(core, task)) return undefined;
  if (isConstrainedFirst) {
    core.constrained.delete(task);
    for (const [name, amount] of order ?? []) core.free.set(name, (core.free.get(name) ?? 0) - amount);
    task.heldResources = order;
  } else core.ready.delete(task);
  return task;
}

/** Own admission, for schedulers that have none: by priority, within the budget; the first runs when nothing else does. */
function hasRoom(core: Core, task: WorkerTask): boolean {
  const { budgetBytes } = core.limits;
  if (budgetBytes === null || task.need === null || core.executing.size === 0) return true;
  return core.managedBytes + core.incomingBytes + core.reservedBytes + task.need <= budgetBytes;
}
