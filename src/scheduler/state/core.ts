/** All state of the scheduler machine, and the small questions everything else asks of it. */
import { invariant } from "../../base/index.ts";
import { type ColumnScalar, type Key, KeyColumn, keysOf, showKey, type TaskId } from "../../graph/index.ts";
import type { SchedulerToClient, SchedulerToWorker, WireFailure } from "../../protocol/index.ts";
import { Arrivals } from "./arrivals.ts";
import { leaveBacklog } from "./backlog.ts";
import { batchAt, Expander, type LayerBatch, LayerNames, owns, slotIfAny, slotOf, type TaskRecord } from "./batches.ts";
import { type BatchTask, CallKeys } from "./call-keys.ts";
import {
  BATCH,
  CELL,
  Columns,
  FLAG_STEALING,
  FLAGS,
  LINK_COUNT,
  NEAR_SOME,
  PLACE,
  RANK,
  type Slot,
  STATE,
  TASK,
  WAITERS,
  WANTS,
} from "./columns.ts";
import { EdgeLists } from "./edge-lists.ts";
import type { ClientId, SchedulerConfig, SchedulerInstruction, WorkerAddress } from "./events.ts";
import { leaveChain } from "./follow.ts";
import type { Moving } from "./moves.ts";
import { News, type NewsOf } from "./news.ts";
import { goesAsColumn, Outgoing } from "./outgoing.ts";
import { ReadyQueue, type TaskQueue } from "./ready-queue.ts";
import { Recommendations } from "./recommendations.ts";
import { FORGOTTEN, isActive, NO_WORKER, QUEUED, STATES, WAITING } from "./states.ts";
import { Story } from "./story.ts";
import { WorkerLine } from "./worker-line.ts";
import { type ClientState, eligibleWorkers, type TaskClass, type WorkerState } from "./workers.ts";

/** Workers that are to go once nothing exists only there. */
export interface Retirement {
  readonly workers: Set<WorkerState>;
  readonly done: WorkerAddress[];
  readonly close: boolean;
}

/** Everything. Handlers, transitions, admission and placement are functions over it. */
export class Core {
  readonly config: Required<SchedulerConfig>;
  readonly columns: Columns = new Columns();
  readonly batches: (LayerBatch | undefined)[] = [];
  /** The same by the number that workers know: the generation. */
  readonly submissions: Map<number, LayerBatch> = new Map();
  /** Those that are pending or open. */
  readonly active: Set<LayerBatch> = new Set();
  readonly layerNames: LayerNames = new LayerNames();
  readonly expander: Expander = new Expander();
  readonly records: Map<Slot, TaskRecord> = new Map();
  /** Materialised tasks. */
  readonly keys: Map<Key, Slot> = new Map();
  /** Tasks of layers with keys of their own. */
  readonly callKeys: CallKeys = new CallKeys();
  readonly edges: EdgeLists = new EdgeLists();
  /** By index; an index is not used again, so that a late answer names nobody else. */
  readonly workers: Map<number, WorkerState> = new Map();
  /** The same as a list, with gaps. */
  readonly workerOf: (WorkerState | undefined)[] = [];
  readonly workerAt: Map<WorkerAddress, WorkerState> = new Map();
  /** Running workers with a free thread, and with room for a task sent ahead; in the order in which they got free. */
  readonly idle: WorkerLine = new WorkerLine(this.workerOf);
  readonly roomy: WorkerLine = new WorkerLine(this.workerOf);
  /** Ready tasks that wait for one worker; workers for which some do; those of them that have a place. */
  readonly waitsFor: Map<Slot, WorkerState> = new Map();
  readonly backlogged: Set<WorkerState> = new Set();
  readonly served: Set<WorkerState> = new Set();
  /** Workers that got places in this event, each once. */
  readonly opened: WorkerState[] = [];
  /** Running workers with more tasks than threads, those asked back not counted. */
  readonly busy: Set<WorkerState> = new Set();
  readonly clients: Map<ClientId, ClientState> = new Map();
  readonly classes: Map<string, TaskClass> = new Map();
  /** Ready materialised tasks. */
  readonly classQueues: Map<TaskClass, ReadyQueue> = new Map();
  readonly failures: Map<Slot, WireFailure> = new Map();
  /** Pages of which nothing is known any more, by one of their tasks; given back after the event. */
  readonly quietPages: { readonly batch: LayerBatch; readonly task: TaskId }[] = [];
  /** Batches of which nothing is known any more; dropped after the event. */
  readonly emptied: Set<LayerBatch> = new Set();
  /** Attempts under way that were sent one by one. */
  readonly runs: Map<number, Slot> = new Map();
  /** Blocks under way to workers. */
  readonly arrivals: Arrivals = new Arrivals();
  /** Tasks asked back from a busy worker, with the index of the idle one they are for. */
  readonly stolenFor: Map<Slot, number> = new Map();
  /** Sum of `leastBytes` of the open batches; and how many of these have blocks that may not leave memory. */
  openLeastBytes = 0;
  openInMemory = 0;
  /** Tasks that no worker may run, oldest first, since when; kept only with a limit on that time. */
  readonly unrunnable: Map<Slot, number> = new Map();
  /** Retirements under way, by request. */
  readonly retiring: Map<number, Retirement> = new Map();
  /** Results that go to other workers, by request. */
  readonly moves: Map<number, Moving> = new Map();
  /** Blocks of which copies are under way to workers that are to keep them. */
  readonly moving: Map<Slot, readonly WorkerState[]> = new Map();
  /** Tasks sent ahead of their input. */
  following = 0;
  /** Tasks of calls that went to a worker in this event: more of their chains may follow. */
  readonly drawing: Slot[] = [];
  readonly story: Story;
  nextRunId = 1;
  nextWorkerIndex = 0;
  nextGeneration = 1;
  /** The result of the task that is entering memory, if it came with the news. */
  scalar: ColumnScalar | undefined = undefined;
  /** Of the event being handled. */
  now = 0;
  stimulusId = "";
  /** Known tasks by state. */
  readonly counts: number[] = STATES.map(() => 0);
  /** Tasks that gave their thread back. */
  longRunning = 0;
  /** Places of running workers for tasks that are not taken. */
  places = 0;
  /** Workers that get their tasks one by one: their programs are made here. */
  plainWorkers = 0;
  /** Batches of which a client gave up a result that their order has not come to. */
  readonly disturbed: Set<LayerBatch> = new Set();
  /** Counters since the start. */
  readonly totals = { transitions: 0, sent: 0, recomputed: 0, stolen: 0, evicted: 0, forced: 0, ahead: 0 };
  #outbox: SchedulerInstruction[] = [];
  readonly recommended: Recommendations = new Recommendations();
  readonly outgoing: Outgoing = new Outgoing();
  readonly #news = new News();

  constructor(config: SchedulerConfig) {
    this.config = {
      sendAhead: 1,
      sendAheadMs: 5,
      sendAheadBytes: Number.POSITIVE_INFINITY,
      orderAhead: 64,
      saturation: null,
      stealing: true,
      noWorkersTimeoutMs: null,
      allowedFailures: 3,
      workerTtlMs: 300_000,
      inVainMs: 10_000,
      bandwidth: 1e8,
      admission: true,
      fused: true,
      storyLength: 16_384,
      ...config,
    };
    this.story = new Story(this.config.storyLength);
  }

  begin(event: { readonly now: number; readonly stimulusId: string }, outbox: SchedulerInstruction[]): void {
    this.now = event.now;
    this.stimulusId = event.stimulusId;
    this.story.begin(event.now, event.stimulusId);
    this.#outbox = outbox;
  }

  emit(instruction: SchedulerInstruction): void {
    this.#outbox.push(instruction);
  }

  sendWorker(worker: WorkerState, message: SchedulerToWorker): void {
    this.#outbox.push({ type: "send-worker", worker: worker.facts.address, message });
  }

  sendClient(client: ClientId, message: SchedulerToClient): void {
    if (!this.#news.isEmpty) this.#news.flush(client, this.#outbox);
    this.#outbox.push({ type: "send-client", client, message });
  }

  /** Tell every client that wants the task. */
  report(slot: Slot, message: SchedulerToClient): void {
    if (this.columns.cells[(slot << CELL) + WANTS] === 0) return;
    for (const client of this.clients.values()) if (client.wants.has(slot)) this.sendClient(client.id, message);
  }

  /** The same of a task whose layer has no keys of its own, and of whose result nothing else is to be told. */
  tellTask(client: ClientId, of: NewsOf, task: TaskId): void {
    this.#news.add(client, of, task);
  }

  /** Tell a client that a task of a layer is in memory at a worker; sent together, before anything else that it is told. */
  tellInColumns(client: ClientId, of: NewsOf, slot: Slot): void {
    const task = this.columns.cells[(slot << CELL) + TASK] as number; // a slot given out
    const { batch, worker } = of;
    if (!batch.isKeyed && this.scalar === undefined) return this.#news.add(client, of, task);
    const layer = batch.edges.layerOf(task);
    const keys = keysOf(batch.graph.layer(layer));
    const named = keys
      ? { keys, index: task - batch.graph.base(layer) }
      : { keys: KeyColumn.of([this.keyOf(slot)]), index: 0 };
    this.#news.addKey(client, worker, named, this.scalar);
  }

  flushNews(): void {
    if (!this.#news.isEmpty) this.#news.flushAll(this.#outbox);
  }

  /** True when something was found out that is not told yet. */
  get hasNews(): boolean {
    return !this.#news.isEmpty;
  }

  /** Have a worker drop a key or cancel its task; sent together, before any new task. */
  free(worker: WorkerState, key: Key): void {
    this.outgoing.freeKey(worker, key);
  }

  /** The same by slot. */
  freeSlot(worker: WorkerState, slot: Slot): void {
    const batch = this.batchOf(slot);
    if (batch) this.freeTask(worker, batch, this.columns.cells[(slot << CELL) + TASK] as number);
    else this.outgoing.freeKey(worker, this.keyOf(slot));
  }

  /** The same by number. */
  freeTask(worker: WorkerState, batch: LayerBatch, task: TaskId): void {
    if (goesAsColumn(worker, batch)) this.outgoing.freeTask(worker, batch, task);
    else this.outgoing.freeKey(worker, batch.graph.key(task));
  }

  flushFrees(): void {
    this.outgoing.flushFrees(this);
  }

  /** Send a task, which is as `processing` there, to a columnar worker; sent together at the end of a round of placement. */
  run(worker: WorkerState, slot: Slot): void {
    this.outgoing.run(this, worker, slot);
  }

  flushRuns(): void {
    this.outgoing.flushRuns(this);
  }

  recommend(slot: Slot, to: number): void {
    this.recommended.add(slot, this.columns.cells[(slot << CELL) + STATE] as number, to); // a slot given out
  }

  #noteUnrunnable(slot: Slot, state: number): void {
    this.unrunnable.delete(slot);
    if (state !== NO_WORKER) return;
    if (this.unrunnable.size === 0)
      this.emit({ type: "wake-at", at: this.now + (this.config.noWorkersTimeoutMs as number) }); // only then called
    this.unrunnable.set(slot, this.now);
  }

  /** Move a task; only transitions call this. */
  enter(slot: Slot, state: number): void {
    const from = this.columns.cells[(slot << CELL) + STATE] as number; // a slot given out
    this.columns.cells[(slot << CELL) + STATE] = state;
    if (!isActive(state)) this.columns.cells[(slot << CELL) + LINK_COUNT] = 0;
    if (state === WAITING) this.columns.cells[(slot << CELL) + PLACE] = NEAR_SOME;
    this.totals.transitions++;
    this.counts[from] = (this.counts[from] as number) - 1;
    this.counts[state] = (this.counts[state] as number) + 1;
    this.story.add(this, slot, from, state);
    if (this.config.noWorkersTimeoutMs !== null) this.#noteUnrunnable(slot, state);
    const batch = this.batchOf(slot);
    if (this.following > 0) leaveChain(this, slot, from, state);
    if (from === QUEUED && batch) batch.queue.remove(slot);
    if (from === QUEUED && this.waitsFor.size > 0) leaveBacklog(this, slot);
    if (!batch || isActive(from) === isActive(state)) return;
    const rank = this.columns.cells[(slot << CELL) + RANK] as number; // active tasks of a graph have one
    if (isActive(state)) {
      batch.activeRanks.add(rank);
      batch.order.recall(rank, this.columns.cells[(slot << CELL) + TASK] as number);
    } else {
      batch.activeRanks.delete(rank);
      batch.order.settle(rank);
    }
  }

  /** The question whether a worker gives the task back is answered; false if none was open. */
  clearStealing(slot: Slot, worker: WorkerState | undefined): boolean {
    const flags = this.columns.cells[(slot << CELL) + FLAGS] as number; // a slot given out
    if ((flags & FLAG_STEALING) === 0) return false;
    this.columns.cells[(slot << CELL) + FLAGS] = flags & ~FLAG_STEALING;
    if (worker) worker.stealsOut--;
    return true;
  }

  stateName(slot: Slot): string {
    return STATES[this.columns.cells[(slot << CELL) + STATE] as number] as string; // numbers come from STATES
  }

  /** A batch opens (1), or is open no more (-1). */
  countOpen({ leastBytes, isInMemory }: LayerBatch, sign: 1 | -1): void {
    this.openLeastBytes += sign * leastBytes;
    if (isInMemory) this.openInMemory += sign;
  }

  batchOf(slot: Slot): LayerBatch | null {
    const index = this.columns.cells[(slot << CELL) + BATCH] as number; // a slot given out
    return index < 0 ? null : batchAt(this.batches, index);
  }

  recordOf(slot: Slot): TaskRecord {
    const record = this.records.get(slot);
    invariant(record, `task in slot ${slot} has no definition`);
    return record;
  }

  keyOf(slot: Slot): Key {
    const batch = this.batchOf(slot);
    return batch ? batch.graph.key(this.columns.cells[(slot << CELL) + TASK] as number) : this.recordOf(slot).key;
  }

  show(slot: Slot): string {
    return showKey(this.keyOf(slot));
  }

  /**
   * Slot of a known task. A task of a layer that nobody asked for is not known; one that its batch's order has not come to
   * is, and has no slot before `reach` of `plan.ts`.
   */
  find(key: Key): Slot | undefined {
    // Texts are hashed where somebody may have them.
    const slot = (this.keys.size > 0 ? this.keys.get(key) : undefined) ?? this.findInLayers(key);
    return slot === undefined || this.columns.cells[(slot << CELL) + STATE] === FORGOTTEN ? undefined : slot;
  }

  /** The same of key `index` of a column. */
  findAt(keys: KeyColumn, index: number): Slot | undefined {
    const found = this.callKeys.findAt(keys, index);
    if (!found) return this.keys.size > 0 || keys.hasTexts ? this.find(keys.at(index)) : undefined;
    const slot = slotIfAny(found.batch, found.task);
    return slot < 0 || this.columns.cells[(slot << CELL) + STATE] === FORGOTTEN ? undefined : slot;
  }

  /** Batch and number of a task of a graph, known or not. */
  numberOf(key: Key): BatchTask | undefined {
    return this.keys.size > 0 && this.keys.has(key)
      ? undefined
      : (this.callKeys.find(key) ?? this.layerNames.find(key));
  }

  /** Slot of a task of a layer, if it has one. */
  findInLayers(key: Key): Slot | undefined {
    const found = this.numberOf(key);
    const slot = found ? slotIfAny(found.batch, found.task) : -1;
    return slot < 0 ? undefined : slot;
  }

  classOf(slot: Slot): TaskClass {
    return this.batchOf(slot)?.taskClass ?? this.recordOf(slot).taskClass;
  }

  eligible(taskClass: TaskClass): readonly WorkerState[] {
    taskClass.eligible ??= eligibleWorkers(taskClass, this.workers.values());
    return taskClass.eligible;
  }

  queueOf(slot: Slot): TaskQueue {
    const batch = this.batchOf(slot);
    if (batch) return batch.queue;
    const { taskClass } = this.recordOf(slot);
    let queue = this.classQueues.get(taskClass);
    if (!queue) {
      queue = new ReadyQueue(this.columns, (gone) => this.columns.release(gone, 1));
      this.classQueues.set(taskClass, queue);
    }
    return queue;
  }

  isNeeded(slot: Slot): boolean {
    return (
      (this.columns.cells[(slot << CELL) + WANTS] as number) > 0 ||
      (this.columns.cells[(slot << CELL) + WAITERS] as number) > 0
    ); // a slot given out
  }

  /** Dependencies in order, into `out`; gives their number. The rest of `out` is stale. */
  dependencies(slot: Slot, out: Slot[]): number {
    const batch = this.batchOf(slot);
    if (!batch) {
      const { dependencies } = this.recordOf(slot);
      for (let i = 0; i < dependencies.length; i++) out[i] = dependencies[i] as Slot; // i < length
      return dependencies.length;
    }
    const count = batch.edges.dependencies(this.columns.cells[(slot << CELL) + TASK] as number, out);
    for (let i = 0; i < count; i++) out[i] = slotOf(this.columns, batch, out[i] as TaskId); // i < count
    return count;
  }

  /** Those dependencies that have slots, the same way; the others are forgotten. */
  knownDependencies(slot: Slot, out: Slot[]): number {
    const batch = this.batchOf(slot);
    if (!batch) return this.dependencies(slot, out);
    const count = batch.edges.dependencies(this.columns.cells[(slot << CELL) + TASK] as number, out);
    let known = 0;
    for (let i = 0; i < count; i++) {
      const input = slotIfAny(batch, out[i] as TaskId); // i < count
      if (input >= 0) out[known++] = input;
    }
    return known;
  }

  /** Tasks with slots that may depend on this one, known or not, into `out`; gives their number. */
  dependentsOf(slot: Slot, out: Slot[]): number {
    const batch = this.batchOf(slot);
    let known = 0;
    if (batch) {
      const count = batch.edges.dependents(this.columns.cells[(slot << CELL) + TASK] as number, out);
      for (let i = 0; i < count; i++) {
        const task = out[i] as TaskId; // i < count
        const dependent = !batch.aliases || owns(batch, task) ? slotIfAny(batch, task) : -1;
        if (dependent >= 0) out[known++] = dependent;
      }
    }
    out.length = known;
    if (this.edges.count > 0) this.edges.collect(slot, out);
    return out.length;
  }
}
