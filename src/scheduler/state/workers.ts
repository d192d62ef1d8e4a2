/** What the machine knows of each worker, of each client, and of each class of tasks that may run in the same places. */
import type { Columns, Slot } from "./columns.ts";
import type { ClientId, Language, Placement, WorkerFacts, WorkerStatus } from "./events.ts";
import type { OpenFrees, OpenRun } from "./outgoing.ts";
import type { RankSet } from "./rank-set.ts";
import { HeldSlots, SlotList } from "./slot-list.ts";

/** One worker. */
export interface WorkerState {
  readonly index: number;
  readonly facts: WorkerFacts;
  /** False: it has left. */
  isHere: boolean;
  status: WorkerStatus;
  readonly processing: SlotList;
  /** Of `processing`: tasks that gave their thread back. */
  readonly longRunning: Set<Slot>;
  readonly has: HeldSlots;
  /** Blocks that tasks sent here will fetch. */
  arriving: number;
  /** Bytes beyond the finished prefix of every open graph; see `admission.ts`. */
  extraBytes: number;
  readonly resourcesUsed: Map<string, number>;
  lastSeenMs: number;
  memoryBytes: number;
  /** Mean time of a task there, the last ones weighing most; NaN: none was timed. */
  meanTaskMs: number;
  /** When it was last heard to live with more than its threads can run, and its mean then; null: it had not so much. */
  lastFull: { readonly atMs: number; readonly meanMs: number } | null;
  /** Tasks that it is sent beyond its threads, and the most that it ever was. */
  ahead: number;
  aheadMost: number;
  /** Tasks that were sent and wait there for their input. */
  following: number;
  /** Tasks that it can be given now. */
  places: number;
  /** It got places in this event. */
  isOpened: boolean;
  /** Sets of workers that it is in, as bits; see `load.ts`. */
  memberOf: number;
  /** Tasks it was asked to give back. */
  stealsOut: number;
  /** What it is to be sent at the end of the round. */
  openRun: OpenRun | null;
  openFrees: OpenFrees | null;
  /** Ready tasks that wait for it, most urgent first; see `backlog.ts`. */
  readonly backlog: Slot[];
  /** Blocks that it does not get from their holders: since when it has asked, and when last. */
  readonly seeking: Map<Slot, { readonly sinceMs: number; readonly lastMs: number }>;
}

/** One client. */
export interface ClientState {
  readonly id: ClientId;
  /** Slots. */
  readonly wants: RankSet;
  /** It takes news of many tasks in columns. */
  isColumnar: boolean;
}

/** Tasks with the same language and restrictions. */
export interface TaskClass extends Placement {
  readonly language: Language;
  readonly name: string;
  /** Tasks and batches of the class; without any it is dropped. */
  users: number;
  /** Running workers that may run them; null: to be worked out again. */
  eligible: readonly WorkerState[] | null;
}

/** A fresh worker. */
export function newWorker(
  columns: Columns,
  { index, facts, now }: { readonly index: number; readonly facts: WorkerFacts; readonly now: number },
): WorkerState {
  return {
    index,
    facts,
    isHere: true,
    status: facts.status,
    processing: new SlotList(columns),
    longRunning: new Set(),
    has: new HeldSlots(columns),
    arriving: 0,
    extraBytes: 0,
    resourcesUsed: new Map(),
    lastSeenMs: now,
    memoryBytes: 0,
    meanTaskMs: Number.NaN,
    lastFull: null,
    ahead: 0,
    aheadMost: 0,
    following: 0,
    places: 0,
    isOpened: false,
    memberOf: 0,
    stealsOut: 0,
    openRun: null,
    openFrees: null,
    backlog: [],
    seeking: new Map(),
  };
}

/** Tasks that take a thread now, or will. */
export function loadOf(worker: WorkerState): number {
  return worker.processing.size - worker.longRunning.size;
}

/** Name under which classes are shared. */
export function className(language: Language, placement: Placement): string {
  const resources = placement.resources
    ? Array.from(placement.resources, ([name, amount]) => `${name}=${amount}`).sort()
    : [];
  return JSON.stringify([
    language,
    placement.workers ? placement.workers.toSorted() : null,
    placement.allowOtherWorkers,
    resources,
  ]);
}

/** Running workers that a class may use. A wish for workers none of which is there is no restriction. */
export function eligibleWorkers(taskClass: TaskClass, workers: Iterable<WorkerState>): WorkerState[] {
  const able: WorkerState[] = [];
  for (const worker of workers) {
    if (worker.status === "running" && speaks(worker, taskClass.language) && supplies(worker, taskClass.resources))
      able.push(worker);
  }
  const names = taskClass.workers;
  if (!names) return able;
  const named = able.filter((worker) =>
    names.some(
      (name) => name === worker.facts.address || name === worker.facts.name || name === hostOf(worker.facts.address),
    ),
  );
  return named.length === 0 && taskClass.allowOtherWorkers ? able : named;
}

/** True when the worker runs tasks of this language. */
export function speaks({ facts }: WorkerState, language: Language): boolean {
  if (language === "python") return facts.kind === "python";
  return facts.kind === "rsdat" && (language === "native" || facts.isColumnar);
}

/** True when the worker has these amounts at all. */
function supplies(worker: WorkerState, resources: ReadonlyMap<string, number> | null): boolean {
  if (!resources) return true;
  for (const [name, amount] of resources) if ((worker.facts.resources.get(name) ?? 0) < amount) return false;
  return true;
}

/** True when the worker has these amounts free now. */
export function hasFree(worker: WorkerState, resources: ReadonlyMap<string, number> | null): boolean {
  if (!resources) return true;
  for (const [name, amount] of resources) {
    if ((worker.facts.resources.get(name) ?? 0) - (worker.resourcesUsed.get(name) ?? 0) < amount) return false;
  }
  return true;
}

/** Take (`sign` 1) or give back (-1) resources. */
export function useResources(worker: WorkerState, resources: ReadonlyMap<string, number> | null, sign: 1 | -1): void {
  if (!resources) return;
  for (const [name, amount] of resources)
    worker.resourcesUsed.set(name, (worker.resourcesUsed.get(name) ?? 0) + sign * amount);
}

function hostOf(address: string): string {
  return /^(?:[a-z]+:\/\/)?\[?([^\]]*?)\]?(?::\d+)?$/.exec(address)?.[1] ?? address;
}
