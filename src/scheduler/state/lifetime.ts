/** Coming and going of tasks, batches and classes: everything that is not a state of a task. */
import { invariant } from "../../base/index.ts";
import { type Key, taskEdges, taskOrder } from "../../graph/index.ts";
import { type LayerBatch, owns, slotOf, type TaskRecord } from "./batches.ts";
import { FLAG_ENQUEUED, type Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { Language, Placement, SchedulerEvent, SubmittedTask } from "./events.ts";
import { enterKeys, forgetKeys, languageOf } from "./keyed.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { className, type TaskClass } from "./workers.ts";

/** Weight of one unit of user priority against generations. */
const PRIORITY_UNIT = 2 ** 32;
const PRIORITY_MAX = 2 ** 20;

/** Smaller runs first: priority, then the order of submission. */
function urgencyOf(priority: number, generation: number): number {
  return -Math.max(-PRIORITY_MAX, Math.min(PRIORITY_MAX, priority)) * PRIORITY_UNIT + generation;
}

/** As a column holds them. */
function retriesOf(retries: number): number {
  return Math.max(0, Math.min(255, retries));
}

/** The class of tasks of this language and these restrictions, with one user more. */
function useClass(core: Core, language: Language, placement: Placement): TaskClass {
  const name = className(language, placement);
  const { workers, allowOtherWorkers, resources } = placement;
  const taskClass: TaskClass = core.classes.get(name) ?? {
    language,
    name,
    workers,
    allowOtherWorkers,
    resources: resources?.size ? resources : null,
    users: 0,
    eligible: null,
  };
  taskClass.users++;
  core.classes.set(name, taskClass);
  return taskClass;
}

/** One user less; the class goes with the last. */
function leaveClass(core: Core, taskClass: TaskClass): void {
  if (--taskClass.users > 0) return;
  core.classes.delete(taskClass.name);
  // Whatever the queue still holds is forgotten: looking at its top gives the slots back.
  core.classQueues.get(taskClass)?.peek();
  core.classQueues.delete(taskClass);
}

/**
 * Take a symbolic graph in. Its tasks stay forgotten until somebody wants them. `made` gets the slots of results that it
 * reads by key and that are not known.
 */
export function addBatch(
  core: Core,
  event: Extract<SchedulerEvent, { type: "submit-layers" }>,
  made: Slot[],
): LayerBatch {
  const { graph } = event;
  const edges = event.edges ?? taskEdges(graph);
  const { columns } = core;
  const base = columns.allocate(graph.taskCount);
  const { aliases, owners } = core.layerNames.aliasesOf(graph, base);
  const known = enterKeys(core, graph, base, (key) => addData(core, key));
  for (const owner of known.owners) owners.add(owner);
  made.push(...known.made);
  const generation = core.nextGeneration++;
  const free = core.batches.indexOf(undefined);
  const batch: LayerBatch = {
    index: free < 0 ? core.batches.length : free,
    graph,
    base,
    edges,
    generation,
    count: graph.taskCount,
    order: wholeOrder(event.order ?? taskOrder(graph), graph.taskCount),
    aliases: aliases.size > 0 || known.singles ? aliases : null,
    singles: known.singles,
    taskClass: useClass(core, languageOf(graph), event.placement),
    queue: new ReadyQueue(columns, () => undefined),
    priority: event.priority,
    urgency: urgencyOf(event.priority, generation),
    leastBytes: event.leastBytes,
    retries: event.retries,
    state: "idle",
    wasSent: false,
    head: 0,
    live: 0,
    users: 0,
    owners: Array.from(owners),
    foreign: new Map(),
  };
  core.batches[batch.index] = batch;
  core.submissions.set(generation, batch);
  for (const owner of owners) owner.users++;
  columns.batch.fill(batch.index, base, base + batch.count);
  columns.urgency.fill(batch.urgency, base, base + batch.count);
  columns.retries.fill(retriesOf(event.retries), base, base + batch.count);
  batch.order.forEach((task, rank) => {
    columns.rank[base + task] = rank;
  });
  core.layerNames.add(batch);
  return batch;
}

/**
 * The order, and behind it what no output needs: a later graph may name a layer of which this one needs a part, or
 * nothing. Tasks are numbered after their dependencies.
 */
function wholeOrder(order: Uint32Array, count: number): Uint32Array {
  if (order.length === count) return order;
  const isKnown = new Uint8Array(count);
  for (const task of order) isKnown[task] = 1;
  const whole = new Uint32Array(count);
  whole.set(order);
  let at = order.length;
  for (let task = 0; task < count; task++) if (isKnown[task] === 0) whole[at++] = task;
  return whole;
}

/** Give a batch up when nothing of it is known and nobody builds on it. */
export function dropBatchIfEmpty(core: Core, batch: LayerBatch): void {
  if (batch.live > 0 || batch.users > 0 || core.batches[batch.index] !== batch) return;
  if (batch.state === "open") core.openLeastBytes -= batch.leastBytes;
  batch.state = "idle";
  core.active.delete(batch);
  core.layerNames.remove(batch);
  forgetKeys(core, batch);
  leaveClass(core, batch.taskClass);
  core.batches[batch.index] = undefined;
  core.submissions.delete(batch.generation);
  if (batch.wasSent) core.emit({ type: "forget-submission", submission: batch.generation });
  core.columns.release(batch.base, batch.count);
  for (const owner of batch.owners) {
    owner.users--;
    dropBatchIfEmpty(core, owner);
  }
}

/** Enter a materialised task, forgotten as yet and without its dependencies; {@link addDependencies} tells them. */
export function addTask(core: Core, task: SubmittedTask, generation: number): Slot {
  const { columns } = core;
  const slot = newSlot(core, task.key);
  columns.urgency[slot] = urgencyOf(task.priority, generation);
  columns.rank[slot] = task.rank;
  columns.retries[slot] = retriesOf(task.retries);
  columns.need[slot] = task.needBytes ?? -1;
  core.records.set(slot, {
    key: task.key,
    runSpec: task.runSpec,
    taskClass: useClass(core, task.language, task),
    dependencies: [],
    edges: [],
    priority: [-task.priority, generation, task.rank],
  });
  return slot;
}

/** Tell what a task that was just entered depends on. */
export function addDependencies(core: Core, slot: Slot, dependencies: readonly Slot[]): void {
  const record = core.recordOf(slot);
  for (const dependency of new Set(dependencies)) {
    record.dependencies.push(dependency);
    record.edges.push(core.edges.add(dependency, slot));
  }
}

/** Enter data that a client put on workers. */
export function addData(core: Core, key: Key): Slot {
  const slot = newSlot(core, key);
  core.columns.need[slot] = -1;
  const record: TaskRecord = {
    key,
    runSpec: null,
    dependencies: [],
    edges: [],
    priority: [0, 0, 0],
    taskClass: useClass(core, "python", { workers: null, allowOtherWorkers: false, resources: null }),
  };
  core.records.set(slot, record);
  return slot;
}

function newSlot(core: Core, key: Key): Slot {
  invariant(!core.keys.has(key), "a key has one slot");
  const slot = core.columns.allocate(1);
  core.keys.set(key, slot);
  return slot;
}

/** A task becomes known: its dependencies must outlive it. */
export function knowTask(core: Core, slot: Slot): void {
  const { columns } = core;
  const inputs: Slot[] = [];
  const count = core.dependencies(slot, inputs);
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Slot; // i < count
    columns.dependents[input] = (columns.dependents[input] as number) + 1;
  }
  const batch = core.batchOf(slot);
  if (!batch) return;
  batch.live++;
  if (!batch.aliases) return;
  const task = slot - batch.base;
  const dependencies: Slot[] = [];
  for (let e = batch.edges.start[task] as number; e < (batch.edges.start[task + 1] as number); e++) {
    const dependency = batch.edges.dependencies[e] as number; // within start
    if (!owns(batch, dependency)) dependencies.push(slotOf(batch, dependency));
  }
  if (dependencies.length > 0)
    batch.foreign.set(slot, { dependencies, edges: dependencies.map((d) => core.edges.add(d, slot)) });
}

/** A task was forgotten: give back what it took. */
export function forgetTask(core: Core, slot: Slot): void {
  const { columns } = core;
  columns.deaths[slot] = 0;
  core.failures.delete(slot);
  const batch = core.batchOf(slot);
  if (batch) {
    columns.retries[slot] = retriesOf(batch.retries);
    const foreign = batch.foreign.get(slot);
    foreign?.edges.forEach((edge, i) => {
      core.edges.remove(foreign.dependencies[i] as Slot, edge); // made together
    });
    batch.foreign.delete(slot);
    batch.live--;
    if (batch.live === 0) core.emptied.add(batch);
    return;
  }
  const record = core.recordOf(slot);
  record.edges.forEach((edge, i) => {
    core.edges.remove(record.dependencies[i] as Slot, edge); // made together
  });
  core.records.delete(slot);
  core.keys.delete(record.key);
  // A slot that still stands in its ready queue is given back by the queue.
  if (((columns.flags[slot] as number) & FLAG_ENQUEUED) === 0) columns.release(slot, 1);
  leaveClass(core, record.taskClass);
}
