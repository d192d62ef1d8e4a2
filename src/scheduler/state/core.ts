/** All state of the scheduler machine, and the small questions everything else asks of it. */
import { invariant } from "../../base/index.ts";
import { type Key, showKey } from "../../graph/index.ts";
import type { SchedulerToClient, SchedulerToWorker, WireFailure } from "../../protocol/index.ts";
import { batchAt, Expander, type LayerBatch, LayerNames, owns, slotOf, type TaskRecord } from "./batches.ts";
import { Columns, FLAG_STEALING, type Slot } from "./columns.ts";
import { EdgeLists } from "./edge-lists.ts";
import type { ClientId, SchedulerConfig, SchedulerInstruction, WorkerAddress } from "./events.ts";
import { goesAsColumn, Outgoing } from "./outgoing.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { FORGOTTEN, STATES } from "./states.ts";
import { Story } from "./story.ts";
import { type ClientState, eligibleWorkers, type TaskClass, type WorkerState } from "./workers.ts";

/** Workers that are to go once nothing exists only there. */
export interface Retirement {
  readonly workers: Set<WorkerState>;
  readonly done: WorkerAddress[];
  readonly close: boolean;
  /** Blocks under way to other workers: index of the recipient. */
  readonly asked: Map<Slot, number>;
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
  readonly keys: Map<Key, Slot> = new Map();
  readonly edges: EdgeLists = new EdgeLists();
  /** By index; an index is not used again, so that a late answer names nobody else. */
  readonly workers: Map<number, WorkerState> = new Map();
  readonly workerAt: Map<WorkerAddress, WorkerState> = new Map();
  /** Running workers with a free thread, and with room for a task sent ahead; in the order in which they got free. */
  readonly idle: Set<WorkerState> = new Set();
  readonly roomy: Set<WorkerState> = new Set();
  /** Running workers with more tasks than threads, those asked back not counted. */
  readonly busy: Set<WorkerState> = new Set();
  readonly clients: Map<ClientId, ClientState> = new Map();
  readonly classes: Map<string, TaskClass> = new Map();
  /** Ready materialised tasks. */
  readonly classQueues: Map<TaskClass, ReadyQueue> = new Map();
  readonly failures: Map<Slot, WireFailure> = new Map();
  /** Batches of which nothing is known any more; dropped after the event. */
  readonly emptied: Set<LayerBatch> = new Set();
  /** Attempts under way that were sent one by one. */
  readonly runs: Map<number, Slot> = new Map();
  /** Blocks under way to workers, with the number of these. */
  readonly arrivals: Map<Slot, number> = new Map();
  /** Tasks asked back from a busy worker, with the index of the idle one they are for. */
  readonly stolenFor: Map<Slot, number> = new Map();
  /** Sum of `leastBytes` of the open batches. */
  openLeastBytes = 0;
  /** Retirements under way, by request. */
  readonly retiring: Map<number, Retirement> = new Map();
  readonly story: Story = new Story();
  nextRunId = 1;
  nextWorkerIndex = 0;
  nextGeneration = 1;
  /** Of the event being handled. */
  now = 0;
  stimulusId = "";
  /** Counters since the start. */
  readonly totals = { transitions: 0, sent: 0, recomputed: 0, stolen: 0, evicted: 0, forced: 0 };
  #outbox: SchedulerInstruction[] = [];
  readonly #recommendedSlots: Slot[] = [];
  readonly #recommendedStates: number[] = [];
  #recommendedAt = 0;
  readonly #outgoing = new Outgoing();

  constructor(config: SchedulerConfig) {
    this.config = {
      sendAhead: 1,
      sendAheadMs: 5,
      saturation: null,
      stealing: true,
      allowedFailures: 3,
      workerTtlMs: 300_000,
      admission: true,
      ...config,
    };
  }

  begin(event: { readonly now: number; readonly stimulusId: string }, outbox: SchedulerInstruction[]): void {
    this.now = event.now;
    this.stimulusId = event.stimulusId;
    this.#outbox = outbox;
  }

  emit(instruction: SchedulerInstruction): void {
    this.#outbox.push(instruction);
  }

  sendWorker(worker: WorkerState, message: SchedulerToWorker): void {
    this.#outbox.push({ type: "send-worker", worker: worker.facts.address, message });
  }

  sendClient(client: ClientId, message: SchedulerToClient): void {
    this.#outbox.push({ type: "send-client", client, message });
  }

  /** Tell every client that wants the task. */
  report(slot: Slot, message: SchedulerToClient): void {
    if (this.columns.wants[slot] === 0) return;
    for (const client of this.clients.values()) if (client.wants.has(slot)) this.sendClient(client.id, message);
  }

  /** Have a worker drop a key or cancel its task; sent together, before any new task. */
  free(worker: WorkerState, key: Key): void {
    this.#outgoing.freeKey(worker, key);
  }

  /** The same by slot. */
  freeSlot(worker: WorkerState, slot: Slot): void {
    const batch = this.batchOf(slot);
    if (batch && goesAsColumn(worker, batch)) this.#outgoing.freeTask(worker, batch, slot - batch.base);
    else this.#outgoing.freeKey(worker, this.keyOf(slot));
  }

  flushFrees(): void {
    this.#outgoing.flushFrees(this);
  }

  /** Send a task, which is as `processing` there, to a columnar worker; sent together at the end of a round of placement. */
  run(worker: WorkerState, batch: LayerBatch, slot: Slot): void {
    this.#outgoing.run(this, { worker, batch, slot });
  }

  flushRuns(): void {
    this.#outgoing.flushRuns(this);
  }

  recommend(slot: Slot, to: number): void {
    this.#recommendedSlots.push(slot);
    this.#recommendedStates.push((this.columns.state[slot] as number) * STATES.length + to); // a slot given out
  }

  /** True while something is recommended. */
  get isUnsettled(): boolean {
    return this.#recommendedSlots.length > 0;
  }

  /** The next recommendation, oldest first: slot, its state when it was recommended, and where it should go. */
  nextRecommendation(): { readonly slot: Slot; readonly from: number; readonly to: number } | undefined {
    const at = this.#recommendedAt;
    const slot = this.#recommendedSlots[at];
    if (slot === undefined) {
      this.#recommendedSlots.length = 0;
      this.#recommendedStates.length = 0;
      this.#recommendedAt = 0;
      return undefined;
    }
    this.#recommendedAt = at + 1;
    const states = this.#recommendedStates[at] as number; // pushed together
    return { slot, from: Math.floor(states / STATES.length), to: states % STATES.length };
  }

  /** Move a task; only transitions call this. */
  enter(slot: Slot, state: number): void {
    const from = this.columns.state[slot] as number; // a slot given out
    this.columns.state[slot] = state;
    this.totals.transitions++;
    this.story.add(this, slot, from, state);
  }

  /** The question whether a worker gives the task back is answered; false if none was open. */
  clearStealing(slot: Slot, worker: WorkerState | undefined): boolean {
    const flags = this.columns.flags[slot] as number; // a slot given out
    if ((flags & FLAG_STEALING) === 0) return false;
    this.columns.flags[slot] = flags & ~FLAG_STEALING;
    if (worker) worker.stealsOut--;
    return true;
  }

  stateName(slot: Slot): string {
    return STATES[this.columns.state[slot] as number] as string; // numbers come from STATES
  }

  batchOf(slot: Slot): LayerBatch | null {
    const index = this.columns.batch[slot] as number; // a slot given out
    return index < 0 ? null : batchAt(this.batches, index);
  }

  recordOf(slot: Slot): TaskRecord {
    const record = this.records.get(slot);
    invariant(record, `task in slot ${slot} has no definition`);
    return record;
  }

  keyOf(slot: Slot): Key {
    const batch = this.batchOf(slot);
    return batch ? batch.graph.key(slot - batch.base) : this.recordOf(slot).key;
  }

  show(slot: Slot): string {
    return showKey(this.keyOf(slot));
  }

  /** Slot of a known task. A task of a layer that nobody asked for is not known. */
  find(key: Key): Slot | undefined {
    const slot = this.keys.get(key) ?? this.layerNames.find(key);
    return slot === undefined || this.columns.state[slot] === FORGOTTEN ? undefined : slot;
  }

  classOf(slot: Slot): TaskClass {
    return this.batchOf(slot)?.taskClass ?? this.recordOf(slot).taskClass;
  }

  eligible(taskClass: TaskClass): readonly WorkerState[] {
    taskClass.eligible ??= eligibleWorkers(taskClass, this.workers.values());
    return taskClass.eligible;
  }

  queueOf(slot: Slot): ReadyQueue {
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
    return (this.columns.wants[slot] as number) > 0 || (this.columns.waiters[slot] as number) > 0; // a slot given out
  }

  /** Dependencies in order, into `out`; gives their number. The rest of `out` is stale. */
  dependencies(slot: Slot, out: Slot[]): number {
    const batch = this.batchOf(slot);
    if (!batch) {
      const { dependencies } = this.recordOf(slot);
      for (let i = 0; i < dependencies.length; i++) out[i] = dependencies[i] as Slot; // i < length
      return dependencies.length;
    }
    const task = slot - batch.base;
    const start = batch.edges.start[task] as number; // a task of the graph
    const end = batch.edges.start[task + 1] as number;
    for (let e = start; e < end; e++) {
      const dependency = batch.edges.dependencies[e] as number; // within start
      out[e - start] = batch.aliases ? slotOf(batch, dependency) : batch.base + dependency;
    }
    return end - start;
  }

  /** Tasks that may depend on this one, known or not, into `out`; gives their number. */
  dependentsOf(slot: Slot, out: Slot[]): number {
    out.length = 0;
    const batch = this.batchOf(slot);
    if (batch) {
      const task = slot - batch.base;
      const end = batch.edges.dependentsStart[task + 1] as number; // a task of the graph
      for (let e = batch.edges.dependentsStart[task] as number; e < end; e++) {
        const dependent = batch.edges.dependents[e] as number; // within dependentsStart
        if (!batch.aliases || owns(batch, dependent)) out.push(batch.base + dependent);
      }
    }
    if (this.edges.count > 0) this.edges.collect(slot, out);
    return out.length;
  }
}
