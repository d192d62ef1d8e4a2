/** The machine's memory: tasks, peers, heaps, figures and the story; and the loop that applies recommendations. */
import { Heap } from "../../base/index.ts";
import type { Key, TaskId } from "../../graph/index.ts";
import type { WorkerToScheduler } from "../../protocol/index.ts";
import { Ends, Starts } from "./blocks.ts";
import { open } from "./columns.ts";
import type {
  NeedOf,
  Ref,
  StoryEntry,
  WorkerAddress,
  WorkerInstruction,
  WorkerLimits,
  WorkerStatus,
} from "./events.ts";
import { TaskTable } from "./layers.ts";
import { ReadyHeap } from "./ready-heap.ts";
import { Orders, type RunningRow } from "./rows.ts";
import {
  isBefore,
  type KnownGraph,
  keyOfBlock,
  type LayerTasks,
  TASK_STATES,
  type TaskState,
  type TaskTarget,
  type WorkerTask,
} from "./task.ts";

/** Transitions that are remembered unless somebody says how many. */
const STORY_LENGTH = 16_384;

/** A worker that holds values we may want. */
export interface Peer {
  readonly address: WorkerAddress;
  readonly host: string;
  readonly hasWhat: Set<WorkerTask>;
  /** Tasks in `fetch` that it holds. */
  readonly needed: Heap<WorkerTask>;
  /** What one open request asks for; null: none is open. */
  asked: readonly WorkerTask[] | null;
  askedBytes: number;
  /** Of these, what rechunks cut; -1: nothing. */
  askedCutBytes: number;
  /** Not to be asked before this time. */
  busyUntil: number;
}

/** All state of a worker machine. Plain data and small steps; decisions are in `transitions`, `gather` and `machine`. */
export class Core {
  readonly limits: WorkerLimits;
  readonly needOf: NeedOf;
  readonly host: string;
  readonly tasks: TaskTable = new TaskTable((layer, index) => open(this, layer, index));
  readonly peers: Map<WorkerAddress, Peer> = new Map();
  readonly ready: ReadyHeap = new ReadyHeap();
  readonly constrained: Heap<WorkerTask> = new Heap(isBefore);
  /** Orders in columns, of blocks that have no task object; and those of them that occupy a thread, by number. */
  readonly orders: Orders = new Orders();
  readonly rows: Map<Ref, RunningRow> = new Map();
  orderCount = 0;
  /** Tasks that may rest, at the end of this event. */
  readonly touched: WorkerTask[] = [];
  /** Tasks that occupy a thread, in whatever state. */
  readonly executing: Set<WorkerTask> = new Set();
  /** Those of them that were ordered in columns, by what the shell calls them. */
  readonly blocks: Map<Ref, WorkerTask> = new Map();
  readonly longRunning: Set<WorkerTask> = new Set();
  readonly missing: Set<WorkerTask> = new Set();
  /** Peers with something in `needed`. */
  readonly needyPeers: Set<Peer> = new Set();
  readonly free: Map<string, number> = new Map();
  readonly stateCounts: Record<TaskState, number>;
  status: WorkerStatus = "paused";
  managedBytes = 0;
  reservedBytes = 0;
  incomingBytes = 0;
  incomingCount = 0;
  /** Of these, what rechunks cut, and requests with such. */
  cutBytes = 0;
  cutCount = 0;
  /** What a task of a graph took on average lately, in seconds; null: none has ended. */
  meanSeconds: number | null = null;

  now = 0;
  stimulusId = "";
  outbox: WorkerInstruction[] = [];
  /** Time of the earliest wake-up asked for and not yet come. */
  /** Values are let go without word to the scheduler. */
  isSilent = false;
  wakeAt: number = Number.POSITIVE_INFINITY;
  /** When the scheduler is to be asked (again) where missing inputs are. */
  missingAskAt: number = Number.POSITIVE_INFINITY;
  readonly orphans: Set<WorkerTask> = new Set();
  /** Inputs that nobody was reading any more at some time since recommendations were last applied. */
  readonly unread: Set<WorkerTask> = new Set();
  readonly refresh: Set<WorkerTask> = new Set();

  readonly starts: Starts = new Starts();
  readonly ends: Ends = new Ends();

  readonly #queued: WorkerTask[] = [];
  readonly #targets: TaskTarget[] = [];
  #next = 0;
  #dropped: Key[] = [];
  #droppedBlocks: number[] = [];
  #added: Key[] = [];
  /** A task, or the layer of a block that had none. */
  readonly #storyTasks: (WorkerTask | LayerTasks)[] = [];
  readonly #storyIndexes: number[] = [];
  readonly #storyFrom: TaskState[] = [];
  readonly #storyTo: TaskState[] = [];
  readonly #storyStimulus: string[] = [];
  readonly #storyNow: number[] = [];
  /** Places of the rings, one at the least, and the next one. */
  readonly #storyPlaces: number;
  #storyNext = 0;

  constructor(limits: WorkerLimits, needOf: NeedOf) {
    this.limits = limits;
    this.needOf = needOf;
    this.host = hostOf(limits.address);
    this.#storyPlaces = Math.max(1, limits.storyLength ?? STORY_LENGTH);
    for (const [name, amount] of limits.resources) this.free.set(name, amount);
    // One entry per state, made from the list of states.
    this.stateCounts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  }

  /** The task of this key, made if need be. */
  ensure(key: Key, priority: readonly number[]): WorkerTask {
    return this.#prepared(this.tasks.get(key) ?? this.#made(this.tasks.add(key)), priority);
  }

  /** The task of this number of a known graph, made if need be. */
  ensureBlock(known: KnownGraph, id: TaskId, priority: readonly number[]): WorkerTask {
    return this.#prepared(this.tasks.block(known, id) ?? this.#made(this.tasks.addBlock(known, id)), priority);
  }

  #made(task: WorkerTask): WorkerTask {
    this.stateCounts.released++;
    this.orphans.add(task);
    return task;
  }

  #prepared(task: WorkerTask, priority: readonly number[]): WorkerTask {
    if (task.priority.length === 0) task.priority = priority;
    return task;
  }

  /** Write a state and the story; heaps and figures are the transition's business. */
  setState(task: WorkerTask, state: TaskState): void {
    this.note(task, task.state, state);
    this.stateCounts[task.state]--;
    if (state !== "forgotten") this.stateCounts[state]++;
    task.state = state;
  }

  /** Whatever occupies a thread. */
  get running(): number {
    return this.executing.size + this.rows.size;
  }

  /** One line of the story. */
  note(task: WorkerTask, from: TaskState, to: TaskState): void {
    this.#note(task, from, to);
  }

  /** The same of a block that has no task object. */
  noteCell(layer: LayerTasks, index: number, from: TaskState, to: TaskState): void {
    this.#storyIndexes[this.#storyNext] = index;
    this.#note(layer, from, to);
  }

  #note(whose: WorkerTask | LayerTasks, from: TaskState, to: TaskState): void {
    const at = this.#storyNext;
    this.#storyNext = at + 1 < this.#storyPlaces ? at + 1 : 0;
    this.#storyTasks[at] = whose;
    this.#storyFrom[at] = from;
    this.#storyTo[at] = to;
    this.#storyStimulus[at] = this.stimulusId;
    this.#storyNow[at] = this.now;
  }

  story(keys: readonly Key[]): StoryEntry[] {
    const wanted = new Set(keys);
    const out: StoryEntry[] = [];
    const count = this.limits.storyLength === 0 ? 0 : this.#storyTasks.length;
    const first = count < this.#storyPlaces ? 0 : this.#storyNext;
    for (let i = 0; i < count; i++) {
      const at = (first + i) % this.#storyPlaces;
      // The rings are written together.
      const whose = this.#storyTasks[at] as WorkerTask | LayerTasks;
      const key = "ref" in whose ? whose.key : keyOfBlock(whose, this.#storyIndexes[at] as number);
      if (!wanted.has(key)) continue;
      out.push({
        key,
        from: this.#storyFrom[at] as string,
        to: this.#storyTo[at] as string,
        stimulusId: this.#storyStimulus[at] as string,
        now: this.#storyNow[at] as number,
      });
    }
    return out;
  }

  recommend(task: WorkerTask, to: TaskTarget): void {
    this.#queued.push(task);
    this.#targets.push(to);
  }

  get hasRecommendations(): boolean {
    return this.#queued.length > 0;
  }

  /** Give each recommendation, oldest first, to `apply`, which may add more. */
  applyRecommendations(apply: (core: Core, task: WorkerTask, to: TaskTarget) => void): void {
    while (this.#next < this.#queued.length) {
      const at = this.#next++;
      // Both arrays are written together.
      apply(this, this.#queued[at] as WorkerTask, this.#targets[at] as TaskTarget);
    }
    this.#queued.length = 0;
    this.#targets.length = 0;
    this.#next = 0;
  }

  send(message: WorkerToScheduler): void {
    this.flushAdded();
    this.outbox.push({ type: "send", message });
  }

  /** A replica came: told to the scheduler in one message per event. */
  added(key: Key): void {
    this.#added.push(key);
  }

  /** What was collected goes before anything else that is said. */
  flushAdded(): void {
    this.ends.flush(this.outbox);
    if (this.#added.length === 0) return;
    const keys = this.#added;
    this.#added = [];
    this.outbox.push({ type: "send", message: { op: "add-keys", keys, stimulusId: this.stimulusId } });
  }

  /** The shell shall let go of this value: one instruction per event. */
  drop(task: WorkerTask): void {
    if (typeof task.ref === "number") this.#droppedBlocks.push(task.ref);
    else this.#dropped.push(task.ref);
  }

  /** The same of a block that has no task object. */
  dropRef(ref: number): void {
    this.#droppedBlocks.push(ref);
  }

  flushDropped(): void {
    if (this.#dropped.length > 0) this.outbox.push({ type: "drop", keys: this.#dropped });
    if (this.#droppedBlocks.length > 0) this.outbox.push({ type: "drop-blocks", refs: this.#droppedBlocks });
    if (this.#dropped.length > 0) this.#dropped = [];
    if (this.#droppedBlocks.length > 0) this.#droppedBlocks = [];
  }

  wake(at: number): void {
    if (at >= this.wakeAt) return;
    this.wakeAt = at;
    this.outbox.push({ type: "wake-at", at });
  }

  peer(address: WorkerAddress): Peer {
    let peer = this.peers.get(address);
    if (!peer) {
      peer = {
        address,
        host: hostOf(address),
        hasWhat: new Set(),
        needed: new Heap(isBefore),
        asked: null,
        askedBytes: 0,
        askedCutBytes: -1,
        busyUntil: 0,
      };
      this.peers.set(address, peer);
    }
    return peer;
  }

  /** Peers that hold `task` are exactly `workers`, this worker apart. */
  setWhoHas(task: WorkerTask, workers: readonly WorkerAddress[]): void {
    for (const address of Array.from(task.whoHas)) if (!workers.includes(address)) this.forgetHolder(task, address);
    for (const address of workers) {
      if (address === this.limits.address || task.whoHas.has(address)) continue;
      const peer = this.peer(address);
      task.whoHas.add(address);
      peer.hasWhat.add(task);
      if (task.state === "fetch") this.need(peer, task);
    }
    if (task.state === "missing" && task.whoHas.size > 0) this.recommend(task, "fetch");
    if (task.state === "fetch" && task.whoHas.size === 0) this.recommend(task, "missing");
  }

  forgetHolder(task: WorkerTask, address: WorkerAddress): void {
    const peer = this.peers.get(address);
    task.whoHas.delete(address);
    if (!peer) return;
    peer.hasWhat.delete(task);
    this.unneed(peer, task);
    this.#sweep(peer);
  }

  /** Nobody says where this is any more. */
  forgetHolders(task: WorkerTask): void {
    if (task.hasHolders) for (const address of Array.from(task.whoHas)) this.forgetHolder(task, address);
  }

  need(peer: Peer, task: WorkerTask): void {
    peer.needed.push(task);
    this.needyPeers.add(peer);
  }

  unneed(peer: Peer, task: WorkerTask): void {
    if (peer.needed.delete(task) && peer.needed.size === 0) this.needyPeers.delete(peer);
  }

  /** A peer that left: nothing is there any more; what was only there is missing. */
  losePeer(address: WorkerAddress): void {
    const peer = this.peers.get(address);
    if (!peer) return;
    for (const task of Array.from(peer.hasWhat)) {
      this.forgetHolder(task, address);
      if (task.state === "fetch" && task.whoHas.size === 0) this.recommend(task, "missing");
    }
    this.#sweep(peer);
  }

  /** Close the open request to `peer`. */
  endRequest(peer: Peer): readonly WorkerTask[] {
    const asked = peer.asked ?? [];
    this.incomingBytes -= peer.askedBytes;
    this.incomingCount--;
    if (peer.askedCutBytes >= 0) {
      this.cutBytes -= peer.askedCutBytes;
      this.cutCount--;
    }
    peer.asked = null;
    peer.askedBytes = 0;
    peer.askedCutBytes = -1;
    this.#sweep(peer);
    return asked;
  }

  #sweep(peer: Peer): void {
    if (peer.hasWhat.size === 0 && peer.asked === null && peer.busyUntil <= this.now) this.peers.delete(peer.address);
  }
}

/** Host part of an address. */
export function hostOf(address: WorkerAddress): string {
  return address.replace(/^[a-z]+:\/\//, "").replace(/:\d+$/, "");
}
