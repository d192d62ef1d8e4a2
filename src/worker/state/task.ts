/** One task as the worker machine holds it, its states and its order. */
import { blockKeyAt, type Graph, type GraphEdges, type Key, type KeyColumn, type TaskId } from "../../graph/index.ts";
import type { ComputeTask, StartStop, WireFailure } from "../../protocol/index.ts";
import type { Cells } from "./cells.ts";
import type { Ref, ValueFacts, WorkerAddress } from "./events.ts";
import { Few } from "./few.ts";

/** States, spelled as Dask spells them. */
export const TASK_STATES = [
  "released",
  "waiting",
  "fetch",
  "missing",
  "flight",
  "ready",
  "constrained",
  "executing",
  "long-running",
  "memory",
  "error",
  "cancelled",
  "resumed",
  "forgotten",
] as const;

/** State of a task at a worker. */
export type TaskState = (typeof TASK_STATES)[number];

/** States that an event or a transition may recommend; `cancelled` and `resumed` follow from these. */
export type TaskTarget = Exclude<TaskState, "cancelled" | "resumed">;

/** Tasks of one layer by the number of their block; the same layer in several graphs is one, unless it gives keys of its own. */
export interface LayerTasks {
  readonly name: string;
  readonly grid: readonly number[];
  /** Keys that the layer gives its tasks; null: they are called by its name and their place. */
  readonly keys: KeyColumn | null;
  readonly tasks: Map<number, WorkerTask>;
  /** Blocks that have no task object: of which no more is to be known than numbers. */
  readonly cells: Cells;
  /** Known graphs that have it. */
  graphs: number;
  /** A rechunk of one of them cuts its blocks. */
  isCut: boolean;
}

/** A graph that was announced, and not forgotten since. */
export interface KnownGraph {
  readonly submission: number;
  readonly graph: Graph;
  readonly edges: GraphEdges;
  /** By the number of the layer; null for inline layers, for results that it reads by key, and for calls that are few or known already. */
  readonly layers: readonly (LayerTasks | null)[];
  /** Nothing in it is a user's code, which may never end: its tasks may be handed over before a thread is free. */
  readonly isBounded: boolean;
}

/** The key of a block. */
export function keyOfBlock({ name, grid, keys }: LayerTasks, index: number): Key {
  return keys ? keys.at(index) : blockKeyAt(name, grid, index);
}

/** What the machine knows of a task; new ones are `released`. */
export class WorkerTask {
  /** Its name towards the shell: the key, or the number of a block that was named by a run of a graph. */
  readonly ref: Ref;
  /** Layer and number there, of a block of a known layer; else null and -1. */
  layer: LayerTasks | null;
  index: number;
  state: TaskState = "released";
  /** Smaller first, as a tuple; then by `sequence`. */
  priority: readonly number[] = NO_PRIORITY;
  readonly sequence: number;
  /** The latest order to compute it: a message, or a graph of which it is task `taskId`; null for what is only fetched, and once it is done. */
  order: ComputeTask | KnownGraph | null = null;
  taskId: TaskId = -1;
  /** Attempt of the latest order. */
  runId = -1;
  /** Attempt that is executing; its end reports this number. */
  startedRunId = -1;
  /** When it started executing. */
  startedAt = 0;
  /** Inputs, in register order, while the task is unfinished. */
  dependencies: readonly WorkerTask[] = NO_TASKS;
  #dependents: Few<WorkerTask> | null = null;
  /** How many of the dependencies are not in memory; kept while waiting. */
  waitingFor = 0;
  /** Place in the ready heap; -1 outside. */
  readyAt = -1;
  /** Peers that hold the value. */
  #whoHas: Few<WorkerAddress> | null = null;
  nbytes = 0;
  /** Bytes reserved while executing; null: unknown. */
  need: number | null = null;
  /** Resources held; null unless executing. */
  heldResources: ReadonlyMap<string, number> | null = null;
  /** What goes on, and is unwanted, in `cancelled` and `resumed`. */
  previous: "executing" | "long-running" | "flight" | null = null;
  /** What comes after it in `resumed`. */
  next: "waiting" | "fetch" | null = null;
  /** The execution or transfer has ended; set for the transition that its end causes. */
  done = false;
  value: ValueFacts | null = null;
  failure: WireFailure | null = null;
  thread: number | null = null;
  startstops: readonly StartStop[] = NO_TIMES;
  /** Seconds of the last run, where that is all that is told. */
  seconds = 0;
  #key: Key | null;

  constructor(ref: Ref, sequence: number, layer: LayerTasks | null, index: number) {
    this.ref = ref;
    this.sequence = sequence;
    this.layer = layer;
    this.index = index;
    this.#key = typeof ref === "number" ? null : ref;
  }

  /** Made when it is first needed: blocks that only rsdat peers speak of never need it. */
  get key(): Key {
    // A block without a key has a layer.
    this.#key ??= keyOfBlock(this.layer as LayerTasks, this.index);
    return this.#key;
  }

  /** Unfinished tasks here that read this one. */
  get dependents(): Few<WorkerTask> {
    this.#dependents ??= new Few();
    return this.#dependents;
  }

  /** As `dependents.size > 0`; most blocks never have any. */
  get hasDependents(): boolean {
    return this.#dependents !== null && this.#dependents.size > 0;
  }

  /** Peers that hold the value. */
  get whoHas(): Few<WorkerAddress> {
    this.#whoHas ??= new Few();
    return this.#whoHas;
  }

  /** As `whoHas.size > 0`; what is made here has none. */
  get hasHolders(): boolean {
    return this.#whoHas !== null && this.#whoHas.size > 0;
  }

  /** Forget how the last attempt went. */
  reset(): void {
    this.value = null;
    this.failure = null;
    this.previous = null;
    this.next = null;
    this.done = false;
    this.thread = null;
    this.startstops = NO_TIMES;
  }

  /** Add times to what its end reports. */
  addTimes(times: readonly StartStop[]): void {
    if (times.length > 0) this.startstops = this.startstops.length === 0 ? times : [...this.startstops, ...times];
  }
}

const NO_PRIORITY: readonly number[] = [];
const NO_TASKS: readonly WorkerTask[] = [];
const NO_TIMES: readonly StartStop[] = [];

/** Order of execution and of fetching: priorities as tuples, then first come first served. */
export function isBefore(a: WorkerTask, b: WorkerTask): boolean {
  const d = comparePriorities(a.priority, b.priority);
  return d === 0 ? a.sequence < b.sequence : d < 0;
}

/** Negative where `p` is the more urgent. */
export function comparePriorities(p: readonly number[], q: readonly number[]): number {
  const n = Math.min(p.length, q.length);
  for (let i = 0; i < n; i++) {
    const d = (p[i] as number) - (q[i] as number); // i < both lengths
    if (d !== 0) return d;
  }
  return p.length - q.length;
}

/** Ordered and not started. */
export function isUnstarted(task: WorkerTask): boolean {
  return task.state === "waiting" || task.state === "ready" || task.state === "constrained";
}

/** Ordered, wanted and not finished. */
export function isOrdered(task: WorkerTask): boolean {
  return isUnstarted(task) || task.state === "executing" || task.state === "long-running";
}

/** The same, or it will be so when what was called off has ended: a former run, or a transfer. */
export function isExpected(task: WorkerTask): boolean {
  return isOrdered(task) || (task.state === "resumed" && task.next === "waiting");
}
