/** One task as the worker machine holds it, its states and its order. */
import type { Key } from "../../graph/index.ts";
import type { ComputeTask, StartStop, WireFailure } from "../../protocol/index.ts";
import type { ValueFacts, WorkerAddress } from "./events.ts";

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

/** What the machine knows of a task. */
export interface WorkerTask {
  readonly key: Key;
  state: TaskState;
  /** Smaller first, as a tuple; then by `sequence`. */
  priority: readonly number[];
  sequence: number;
  /** The latest order to compute it; null for what is only fetched, and once it is done. */
  order: ComputeTask | null;
  /** Attempt that is executing; its end reports this number. */
  startedRunId: number;
  /** When it started executing. */
  startedAt: number;
  /** Inputs, in register order, while the task is unfinished; and the unfinished tasks here that read this one. */
  dependencies: WorkerTask[];
  readonly dependents: Set<WorkerTask>;
  /** How many of the dependencies are not in memory; kept while waiting. */
  waitingFor: number;
  /** Peers that hold the value. */
  readonly whoHas: Set<WorkerAddress>;
  nbytes: number;
  /** Bytes reserved while executing; null: unknown. */
  need: number | null;
  /** Resources held; null unless executing. */
  heldResources: ReadonlyMap<string, number> | null;
  /** What goes on, and is unwanted, in `cancelled` and `resumed`. */
  previous: "executing" | "long-running" | "flight" | null;
  /** What comes after it in `resumed`. */
  next: "waiting" | "fetch" | null;
  /** The execution or transfer has ended; set for the transition that its end causes. */
  done: boolean;
  value: ValueFacts | null;
  failure: WireFailure | null;
  thread: number | null;
  startstops: StartStop[];
}

/** A task nothing is known of. */
export function newTask(key: Key, sequence: number): WorkerTask {
  return {
    key,
    sequence,
    state: "released",
    priority: [],
    order: null,
    startedRunId: -1,
    startedAt: 0,
    dependencies: [],
    dependents: new Set(),
    waitingFor: 0,
    whoHas: new Set(),
    nbytes: 0,
    need: null,
    heldResources: null,
    previous: null,
    next: null,
    done: false,
    value: null,
    failure: null,
    thread: null,
    startstops: [],
  };
}

/** Order of execution and of fetching: priorities as tuples, then first come first served. */
export function isBefore(a: WorkerTask, b: WorkerTask): boolean {
  const n = Math.min(a.priority.length, b.priority.length);
  for (let i = 0; i < n; i++) {
    const d = (a.priority[i] as number) - (b.priority[i] as number); // i < both lengths
    if (d !== 0) return d < 0;
  }
  if (a.priority.length !== b.priority.length) return a.priority.length < b.priority.length;
  return a.sequence < b.sequence;
}

/** Ordered and not started. */
export function isUnstarted(task: WorkerTask): boolean {
  return task.state === "waiting" || task.state === "ready" || task.state === "constrained";
}

/** Ordered, wanted and not finished. */
export function isOrdered(task: WorkerTask): boolean {
  return isUnstarted(task) || task.state === "executing" || task.state === "long-running";
}
