/** Coming and going of tasks, batches and classes: everything that is not a state of a task. */
import { invariant } from "../../base/index.ts";
import { type Key, OrderCuts, type TaskId, TaskWalk } from "../../graph/index.ts";
import {
  isPlanned,
  type LayerBatch,
  owns,
  retriesOf,
  type Single,
  slotOf,
  type TaskRecord,
  twinsIn,
} from "./batches.ts";
import {
  CELL,
  DEATHS,
  DEPENDENTS,
  FLAG_ENQUEUED,
  FLAGS,
  PAGE,
  PAGE_BITS,
  RANK,
  RETRIES,
  type Slot,
  STATE,
  TASK,
} from "./columns.ts";
import type { Core } from "./core.ts";
import type { Language, Placement, SchedulerEvent, SubmittedTask } from "./events.ts";
import { enterKeys, findKeys, isKeyed, languageOf, leaveKeys } from "./keyed.ts";
import { Pieces } from "./pieces.ts";
import { RankOrder, RankSet } from "./rank-set.ts";
import { RankQueue } from "./ready-queue.ts";
import { FORGOTTEN, RELEASED } from "./states.ts";
import { className, type TaskClass } from "./workers.ts";

/** Weight of one unit of user priority against generations. */
const PRIORITY_UNIT = 2 ** 32;
const PRIORITY_MAX = 2 ** 20;

/** Smaller runs first: priority, then the order of submission. */
function urgencyOf(priority: number, generation: number): number {
  return -Math.max(-PRIORITY_MAX, Math.min(PRIORITY_MAX, priority)) * PRIORITY_UNIT + generation;
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
 * Take a symbolic graph in. Its tasks stay forgotten until its order comes to them, or somebody wants them. `made` gets the
 * slots of results that it reads by key and that are not known.
 */
export function addBatch(
  core: Core,
  event: Extract<SchedulerEvent, { type: "submit-layers" }>,
  made: Slot[],
): LayerBatch {
  const { graph, wanted } = event;
  const { columns } = core;
  const { aliases, owners } = core.layerNames.knownIn(graph);
  const known = isKeyed(graph) ? findKeys(core, graph, (key) => addData(core, key)) : null;
  for (const owner of known?.owners ?? []) owners.add(owner);
  made.push(...(known?.made ?? []));
  const singles = known?.singles ?? new Map<TaskId, Single>();
  const twins = twinsIn(graph);
  const generation = core.nextGeneration++;
  const free = core.batches.indexOf(undefined);
  const walk = event.walk ?? new TaskWalk(graph, wanted);
  const pageCount = Math.ceil(graph.taskCount / PAGE);
  const order = new RankOrder(graph.taskCount);
  const taskClass = useClass(core, languageOf(graph), event.placement);
  const hasAliases = aliases.size + twins.size + singles.size + (known?.twins.size ?? 0) > 0;
  const queue = new RankQueue(columns, graph.taskCount, (rank) => slotOf(columns, batch, order.task(rank)));
  const batch: LayerBatch = {
    index: free < 0 ? core.batches.length : free,
    graph,
    generation,
    walk,
    wanted,
    edges: walk.edges,
    count: graph.taskCount,
    pages: new Int32Array(pageCount).fill(-1),
    pageKnown: new Uint8Array(pageCount),
    pageRanked: new Uint8Array(pageCount),
    ranks: null,
    order,
    activeRanks: new RankSet(graph.taskCount),
    aliases: hasAliases ? aliases : null,
    singles,
    isKeyed: known !== null,
    keyRanges: known?.ranges ?? [],
    taskClass,
    queue,
    pieces: hasAliases || known || taskClass.resources ? null : newPieces(walk, queue),
    priority: event.priority,
    urgency: urgencyOf(event.priority, generation),
    leastBytes: event.leastBytes,
    isInMemory: graph.layers.some(({ inMemory }) => inMemory === true),
    retries: retriesOf(event.retries),
    state: "idle",
    wasSent: false,
    isNearKnown: true,
    head: 0,
    early: 0,
    live: 0,
    wants: 0,
    users: 0,
    owners: Array.from(owners),
    doomed: null,
    foreign: new Map(),
  };
  for (const [layer, first] of twins) if (!aliases.has(layer)) aliases.set(layer, { batch, layer: first });
  core.batches[batch.index] = batch;
  core.submissions.set(generation, batch);
  for (const owner of owners) owner.users++;
  core.layerNames.add(batch);
  for (const [task, at] of known?.twins ?? []) singles.set(task, { batch, at });
  if (batch.aliases) rankAll(batch);
  if (known) enterKeys(core, batch, known);
  return batch;
}

function newPieces(walk: TaskWalk, queue: RankQueue): Pieces {
  walk.cuts ??= new OrderCuts();
  return new Pieces(queue.roots, walk.cuts);
}

/**
 * Give all tasks of a batch that shares layers their ranks at once: what it needs of others is claimed task by task, so
 * that all of it starts together.
 */
function rankAll(batch: LayerBatch): void {
  const tasks = new Uint32Array(batch.count);
  const count = batch.walk.next(tasks, tasks.length + 1);
  const ranks = new Uint32Array(batch.count);
  for (let i = 0; i < count; i++) ranks[tasks[i] as TaskId] = batch.order.push(tasks[i] as TaskId); // i < count
  batch.ranks = ranks;
  batch.leastBytes = Math.max(batch.leastBytes, batch.walk.leastBytes);
}

/** Give a batch up when nothing of it is known and nobody builds on it. */
export function dropBatchIfEmpty(core: Core, batch: LayerBatch): void {
  const { walk } = batch;
  // An order that has come to all tasks may not have been asked for another one.
  if (batch.live > 0 || batch.users > 0 || (!walk.isDone && walk.ranked < walk.total)) return;
  if (core.batches[batch.index] !== batch) return;
  if (batch.state === "open") core.countOpen(batch, -1);
  batch.state = "idle";
  core.active.delete(batch);
  core.layerNames.remove(batch);
  for (const slot of batch.isKeyed ? leaveKeys(core, batch) : []) {
    if (!core.isNeeded(slot))
      core.recommend(slot, core.columns.cells[(slot << CELL) + STATE] === RELEASED ? FORGOTTEN : RELEASED);
  }
  leaveClass(core, batch.taskClass);
  core.batches[batch.index] = undefined;
  core.submissions.delete(batch.generation);
  if (batch.wasSent) core.emit({ type: "forget-submission", submission: batch.generation });
  for (const page of batch.pages) if (page >= 0) core.columns.releasePage(page);
  // Tasks of it may have fallen quiet in this very turn, and its pages are looked at again: they are somebody else's then.
  batch.pages.fill(-1);
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
  columns.cells[(slot << CELL) + RANK] = task.rank;
  columns.cells[(slot << CELL) + RETRIES] = retriesOf(task.retries);
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

/** A task becomes known. What a materialised one depends on must outlive it; a symbolic one finds it again by its layer. */
export function knowTask(core: Core, slot: Slot): void {
  const { columns } = core;
  const batch = core.batchOf(slot);
  if (!batch) {
    for (const input of core.recordOf(slot).dependencies)
      columns.cells[(input << CELL) + DEPENDENTS] = (columns.cells[(input << CELL) + DEPENDENTS] as number) + 1; // a slot given out
    return;
  }
  batch.live++;
  const task = columns.cells[(slot << CELL) + TASK] as number; // a slot given out
  batch.pageKnown[task >>> PAGE_BITS] = (batch.pageKnown[task >>> PAGE_BITS] as number) + 1; // one per page
  if (isPlanned(batch, task)) batch.early++;
  if (!batch.aliases) return;
  const numbers: TaskId[] = [];
  const count = batch.edges.dependencies(task, numbers);
  const dependencies = numbers
    .slice(0, count)
    .flatMap((input) => (owns(batch, input) ? [] : [slotOf(columns, batch, input)]));
  if (dependencies.length > 0)
    batch.foreign.set(slot, { dependencies, edges: dependencies.map((d) => core.edges.add(d, slot)) });
}

/** A task was forgotten: give back what it took. */
export function forgetTask(core: Core, slot: Slot): void {
  const { columns } = core;
  columns.cells[(slot << CELL) + DEATHS] = 0;
  core.failures.delete(slot);
  core.stolenFor.delete(slot);
  const batch = core.batchOf(slot);
  if (batch) {
    columns.cells[(slot << CELL) + RETRIES] = batch.retries;
    const foreign = batch.aliases ? batch.foreign.get(slot) : undefined;
    foreign?.edges.forEach((edge, i) => {
      core.edges.remove(foreign.dependencies[i] as Slot, edge); // made together
    });
    if (foreign) batch.foreign.delete(slot);
    batch.live--;
    const task = columns.cells[(slot << CELL) + TASK] as number; // a slot given out
    batch.pageKnown[task >>> PAGE_BITS] = (batch.pageKnown[task >>> PAGE_BITS] as number) - 1; // one per page
    if (batch.pageKnown[task >>> PAGE_BITS] === 0) core.quietPages.push({ batch, task });
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
  if (((columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_ENQUEUED) === 0) columns.release(slot, 1);
  leaveClass(core, record.taskClass);
}
