/** What clients do: submit, want, release, cancel, retry, put data. */
import { TaskError } from "../../base/index.ts";
import { blockKeyAt, type Key, showKey } from "../../graph/index.ts";
import type { SchedulerToClient } from "../../protocol/index.ts";
import { addHolder, setBytes } from "./admission.ts";
import { isPlanned, type LayerBatch, slotIfAny, slotOf } from "./batches.ts";
import { asSingles, isHeldOneByOne, isKnownBySingles } from "./clash.ts";
import { CELL, type Slot, STATE, TASK, WANTS, WORKER } from "./columns.ts";
import type { Core } from "./core.ts";
import type { ClientId, SchedulerEvent } from "./events.ts";
import { isAlone, knowAll } from "./fused.ts";
import { addBatch, addData, addDependencies, addTask } from "./lifetime.ts";
import { openPlan, reach, reachTask } from "./plan.ts";
import { RankSet } from "./rank-set.ts";
import { ERRED, FORGOTTEN, isActive, MEMORY, RELEASED, WAITING } from "./states.ts";
import { addresses } from "./tell.ts";
import { settle, transition } from "./transitions.ts";
import type { ClientState } from "./workers.ts";

type Event<T extends SchedulerEvent["type"]> = Extract<SchedulerEvent, { type: T }>;

export function clientJoined(core: Core, id: ClientId, isColumnar?: boolean): void {
  const known = core.clients.get(id);
  if (!known) core.clients.set(id, { id, wants: new RankSet(), isColumnar: isColumnar ?? false });
  else known.isColumnar = isColumnar ?? known.isColumnar;
}

export function clientLeft(core: Core, id: ClientId): void {
  const client = core.clients.get(id);
  if (!client) return;
  for (const slot of [...client.wants]) unwant(core, client, slot);
  core.clients.delete(id);
}

function want(core: Core, client: ClientState, slot: Slot): void {
  if (client.wants.has(slot)) return;
  client.wants.add(slot);
  core.columns.cells[(slot << CELL) + WANTS] = (core.columns.cells[(slot << CELL) + WANTS] as number) + 1; // a slot given out
  const batch = core.batchOf(slot);
  if (batch) batch.wants++;
}

function unwant(core: Core, client: ClientState, slot: Slot): void {
  if (!client.wants.has(slot)) return;
  client.wants.delete(slot);
  core.columns.cells[(slot << CELL) + WANTS] = (core.columns.cells[(slot << CELL) + WANTS] as number) - 1; // a slot given out
  const batch = core.batchOf(slot);
  if (batch) batch.wants--;
  if (batch && isPlanned(batch, core.columns.cells[(slot << CELL) + TASK] as number)) core.disturbed.add(batch);
  else if (!core.isNeeded(slot))
    core.recommend(slot, core.columns.cells[(slot << CELL) + STATE] === RELEASED ? FORGOTTEN : RELEASED);
}

/** Make a task and all materialised ones that it needs known, deepest last; nothing starts yet. */
function know(core: Core, wanted: readonly Slot[]): void {
  const stack = [...wanted];
  const inputs: Slot[] = [];
  for (let slot = stack.pop(); slot !== undefined; slot = stack.pop()) {
    if (core.columns.cells[(slot << CELL) + STATE] !== FORGOTTEN) continue;
    transition(core, slot, RELEASED);
    if (core.batchOf(slot)) continue;
    const count = core.dependencies(slot, inputs);
    for (let i = 0; i < count; i++)
      if (core.columns.cells[((inputs[i] as Slot) << CELL) + STATE] === FORGOTTEN) stack.push(inputs[i] as Slot); // i < count
  }
}

/** The client waits for these: start what is not done, tell what is. */
function start(core: Core, client: ClientState, wanted: readonly Slot[]): void {
  for (const slot of wanted) {
    want(core, client, slot);
    const batch = core.batchOf(slot);
    if (batch && isPlanned(batch, core.columns.cells[(slot << CELL) + TASK] as number)) continue; // its turn comes
    if (core.columns.cells[(slot << CELL) + STATE] === RELEASED) core.recommend(slot, WAITING);
    else tell(core, client.id, slot);
  }
}

/** Tell a client how far a task is, if it is done. */
function tell(core: Core, client: ClientId, slot: Slot): void {
  const state = core.columns.cells[(slot << CELL) + STATE];
  if (state === MEMORY)
    core.sendClient(client, { op: "key-in-memory", key: core.keyOf(slot), workers: addresses(core, slot) });
  const failure = state === ERRED ? core.failures.get(slot) : undefined;
  if (failure)
    core.sendClient(client, {
      op: "task-erred",
      key: core.keyOf(slot),
      exception: failure.exception,
      traceback: failure.traceback,
    });
}

export function submitLayers(core: Core, event: Event<"submit-layers">): void {
  const client = core.clients.get(event.client);
  if (!client) return;
  const missing = core.layerNames.missingIn(event.graph);
  const lost = missing.find((layer) => !isHeldOneByOne(core, event.graph, layer));
  if (lost !== undefined) {
    const { name } = event.graph.layer(lost);
    const failure = core.config.failureOf(
      new TaskError("lost-data", `${name} was held by this scheduler, and is no more; persist it again`),
    );
    for (const task of event.wanted)
      core.sendClient(client.id, {
        op: "task-erred",
        key: event.graph.key(task),
        exception: failure.exception,
        traceback: failure.traceback,
      });
    return;
  }
  if (missing.length > 0 || isKnownBySingles(core, event.graph)) return submitTasks(core, asSingles(core, event));
  const made: Slot[] = [];
  const batch = addBatch(core, event, made);
  core.emptied.add(batch); // dropped after the event if all its layers were known
  if (batch.aliases) for (const owner of batch.owners) reach(core, owner);
  else openPlan(core, batch);
  const wanted = event.wanted.map((task) => slotOf(core.columns, batch, task));
  if (isAlone(core, batch)) knowAll(core, batch, wanted);
  else know(core, wanted);
  start(core, client, wanted);
  forgetUnneeded(core, made);
}

export function submitTasks(core: Core, event: Event<"submit-tasks">): void {
  const client = core.clients.get(event.client);
  if (!client) return;
  const lost = lostInput(core, event);
  if (lost !== undefined) {
    core.sendClient(client.id, {
      op: "cancelled-keys",
      keys: event.wanted,
      reason: "lost dependencies",
      msg: `lost-data: ${showKey(lost)} is not known to this scheduler (any more); compute or persist it again`,
    });
    return;
  }
  const generation = core.nextGeneration++;
  const entered: Slot[] = [];
  // A key may stand twice in one submission: its first definition counts.
  const tasks = event.tasks.filter((task) => {
    if (slotFor(core, task.key) !== undefined) return false;
    entered.push(addTask(core, task, generation));
    return true;
  });
  tasks.forEach((task, i) => {
    addDependencies(
      core,
      entered[i] as Slot, // one for each
      task.dependencies.map((key) => slotFor(core, key) ?? addData(core, key)),
    );
  });
  const wanted = event.wanted.map((key) => slotFor(core, key) ?? addData(core, key));
  know(core, wanted);
  start(core, client, wanted);
  forgetUnneeded(core, entered);
}

/**
 * A result that a Python client's graph reads or wants, and that is neither in it nor known: Dask's words for that are a
 * cancellation. Nothing of the graph is entered, so that its keys are free for whoever computes them again.
 */
function lostInput(core: Core, { tasks, wanted }: Event<"submit-tasks">): Key | undefined {
  if (!tasks.every((task) => task.language === "python")) return undefined;
  const own = new Set(tasks.map((task) => task.key));
  const isLost = (key: Key): boolean => !own.has(key) && slotFor(core, key) === undefined;
  for (const task of tasks) {
    const lost = task.dependencies.find(isLost);
    if (lost !== undefined && slotFor(core, task.key) === undefined) return lost;
  }
  return wanted.find(isLost);
}

/** What was entered and nobody wants or needs goes again. */
function forgetUnneeded(core: Core, entered: readonly Slot[]): void {
  for (const slot of entered) if (core.columns.cells[(slot << CELL) + STATE] === FORGOTTEN) know(core, [slot]);
  for (const slot of entered) core.recommend(slot, FORGOTTEN);
}

/** Slot of a key, also of a layer's task that is not known yet. */
function slotFor(core: Core, key: Key): Slot | undefined {
  const slot = core.keys.get(key);
  if (slot !== undefined) return slot;
  const found = core.numberOf(key);
  return found && reachTask(core, found.batch, found.task);
}

/** Slot of a known task; its batch's order comes to it if it has not. */
function knownSlot(core: Core, key: Key): Slot | undefined {
  const slot = slotFor(core, key);
  return slot === undefined || core.columns.cells[(slot << CELL) + STATE] === FORGOTTEN ? undefined : slot;
}

/** A submission that nobody could read: its keys fail. */
export function failSubmission(core: Core, event: Event<"submit-failed">): void {
  const client = core.clients.get(event.client);
  if (!client) return;
  for (const key of event.keys) {
    const known = knownSlot(core, key);
    if (known !== undefined) start(core, client, [known]);
    else
      core.sendClient(client.id, {
        op: "task-erred",
        key,
        exception: event.failure.exception,
        traceback: event.failure.traceback,
      });
  }
}

export function desireKeys(core: Core, id: ClientId, keys: readonly Key[]): void {
  const client = core.clients.get(id);
  if (!client) return;
  const wanted = keys.map((key) => slotFor(core, key) ?? addData(core, key));
  know(core, wanted);
  start(core, client, wanted);
}

export function releaseKeys(core: Core, id: ClientId, keys: readonly Key[]): void {
  const client = core.clients.get(id);
  if (!client) return;
  for (const key of keys) {
    const slot = core.find(key);
    if (slot !== undefined) unwant(core, client, slot);
  }
}

/** The same by a column of keys. */
export function releaseColumn(core: Core, { client: id, keys }: Event<"client-releases-column">): void {
  const client = core.clients.get(id);
  if (!client) return;
  for (let i = 0; i < keys.length; i++) {
    const slot = core.findAt(keys, i);
    if (slot !== undefined) unwant(core, client, slot);
  }
}

/** The same by numbers of blocks of a layer. */
export function releaseBlocks(core: Core, { client: id, layer, grid, blocks }: Event<"client-releases-blocks">): void {
  const client = core.clients.get(id);
  const found = core.layerNames.get(layer);
  if (!client) return;
  const own = found?.batch.graph.grid(found.layer);
  // Its tasks may have been taken one by one (S-C21).
  if (!found || own?.length !== grid.length || own.some((n, axis) => n !== grid[axis]))
    return releaseKeys(
      core,
      id,
      Array.from(blocks, (block) => blockKeyAt(layer, grid, block)),
    );
  const base = found.batch.graph.base(found.layer);
  for (const block of blocks) {
    const slot = slotIfAny(found.batch, base + block);
    if (slot >= 0 && core.columns.cells[(slot << CELL) + STATE] !== FORGOTTEN) unwant(core, client, slot);
  }
}

export function reportKey(core: Core, id: ClientId, key: Key): void {
  if (!core.clients.has(id)) return;
  const slot = knownSlot(core, key);
  if (slot !== undefined) tell(core, id, slot);
  else core.sendClient(id, { op: "cancelled-keys", keys: [key], reason: "unknown key", msg: "" });
}

/** Cancel for one client, or with `force` for all; tasks that clients want and that depend on it go too. */
export function cancelKeys(core: Core, event: Event<"cancel-keys">): void {
  const asker = core.clients.get(event.client);
  if (!asker) return;
  const stack = event.keys.flatMap((key) => core.find(key) ?? []);
  reachDependents(core, stack);
  const seen = new Set<Slot>();
  const dependents: Slot[] = [];
  for (let slot = stack.pop(); slot !== undefined; slot = stack.pop()) {
    if (seen.has(slot)) continue;
    seen.add(slot);
    const isLast = asker.wants.has(slot) && core.columns.cells[(slot << CELL) + WANTS] === 1;
    if (event.force || isLast || core.columns.cells[(slot << CELL) + WANTS] === 0) {
      core.dependentsOf(slot, dependents);
      stack.push(...dependents.filter((dependent) => core.columns.cells[(dependent << CELL) + STATE] !== FORGOTTEN));
    }
    const message: SchedulerToClient = {
      op: "cancelled-keys",
      keys: [core.keyOf(slot)],
      reason: event.reason,
      msg: event.message,
    };
    for (const client of event.force ? core.clients.values() : [asker]) {
      if (!client.wants.has(slot)) continue;
      core.sendClient(client.id, message);
      unwant(core, client, slot);
    }
  }
}

/** What depends on tasks that are to be cancelled must be known, unless all that is wanted of their graph goes with them. */
function reachDependents(core: Core, slots: readonly Slot[]): void {
  const wants = new Map<LayerBatch, number>();
  for (const slot of slots) {
    const batch = core.batchOf(slot);
    if (batch && !batch.walk.isDone)
      wants.set(batch, (wants.get(batch) ?? 0) + (core.columns.cells[(slot << CELL) + WANTS] as number)); // a slot given out
  }
  for (const [batch, count] of wants) if (count < batch.wants) reach(core, batch);
}

/** Run erred tasks again, from the failures that they inherited on. */
export function retryKeys(core: Core, keys: readonly Key[]): void {
  for (const key of keys) failNow(core, key);
  const stack = keys.flatMap((key) => core.find(key) ?? []);
  const seen = new Set<Slot>();
  const inputs: Slot[] = [];
  for (let slot = stack.pop(); slot !== undefined; slot = stack.pop()) {
    if (seen.has(slot) || core.columns.cells[(slot << CELL) + STATE] !== ERRED) continue;
    seen.add(slot);
    const count = core.dependencies(slot, inputs);
    stack.push(...inputs.slice(0, count));
  }
  // Causes before what inherited from them, so that nobody inherits again.
  for (const slot of [...seen].reverse()) {
    core.failures.delete(slot);
    transition(core, slot, RELEASED);
    core.report(slot, { op: "task-retried", key: core.keyOf(slot) });
  }
}

/** A task of which it was told ahead that it fails does so now, with all that lie between. */
function failNow(core: Core, key: Key): void {
  const found = core.numberOf(key);
  if (!found?.batch.doomed || !isPlanned(found.batch, found.task)) return;
  reach(core, found.batch);
  settle(core);
}

/** Data that a client put on workers, or a worker found it has. */
export function dataPlaced(core: Core, event: Event<"data-placed">): void {
  const client = event.client === null ? undefined : core.clients.get(event.client);
  for (const [key, holders] of event.whoHas) {
    const workers = holders.flatMap((address) => core.workerAt.get(address) ?? []);
    if (workers.length === 0) continue;
    const slot = slotFor(core, key) ?? addData(core, key);
    know(core, [slot]);
    const state = core.columns.cells[(slot << CELL) + STATE] as number; // a slot given out
    if (client) want(core, client, slot);
    if (
      state === MEMORY ||
      !(isActive(state) || state === RELEASED) ||
      core.columns.cells[(slot << CELL) + WORKER] !== -1
    ) {
      // Being computed, failed or there already: the copies are not ours to count unless it is in memory.
      for (const worker of workers) {
        if (state === MEMORY) addHolder(core, slot, worker);
        else core.freeSlot(worker, slot);
      }
      continue;
    }
    setBytes(core, slot, event.nbytes.get(key) ?? 0);
    for (const worker of workers) addHolder(core, slot, worker);
    transition(core, slot, MEMORY);
  }
}

/** Forget everything; workers drop what they have, clients hear that their results are gone. */
export function restart(core: Core): void {
  for (const client of core.clients.values()) {
    for (const slot of [...client.wants]) unwant(core, client, slot);
    core.sendClient(client.id, { op: "restart" });
  }
}
