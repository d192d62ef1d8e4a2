/** Questions about the machine's state that change nothing; addresses and keys only. */
import { type Key, keyPrefix, keysOf, type TaskId } from "../../graph/index.ts";
import type { WireFailure } from "../../protocol/index.ts";
import { isPlanned, type LayerBatch } from "./batches.ts";
import { CELL, type Slot, STATE, TASK } from "./columns.ts";
import type { Core } from "./core.ts";
import type { ClientId, WorkerAddress, WorkerFacts, WorkerStatus } from "./events.ts";
import { nextUseOf } from "./spill.ts";
import { FORGOTTEN, isActive, MEMORY, NO_WORKER, QUEUED, RELEASED, STATES, type TaskState } from "./states.ts";
import { addresses } from "./tell.ts";
import type { WorkerState } from "./workers.ts";

/** One worker, seen from outside. */
export interface WorkerView {
  readonly facts: WorkerFacts;
  readonly status: WorkerStatus;
  readonly lastSeenMs: number;
  readonly memoryBytes: number;
  readonly processing: number;
  /** Of these: tasks that gave their thread back. */
  readonly longRunning: number;
  /** Mean time of a task there; NaN: none was timed. */
  readonly meanTaskMs: number;
  readonly inMemory: number;
  /** Bytes of results held. */
  readonly heldBytes: number;
  /** Bytes beyond finished prefixes, as admission counts them. */
  readonly extraBytes: number;
}

/** Counts since the start, and of now. */
export interface SchedulerCounts {
  readonly tasks: Readonly<Record<Exclude<TaskState, "forgotten">, number>>;
  readonly workers: number;
  readonly clients: number;
  readonly transitions: number;
  readonly sent: number;
  readonly recomputed: number;
  readonly stolen: number;
  readonly evicted: number;
  readonly forced: number;
  /** Tasks that were sent before their input was there. */
  readonly ahead: number;
  readonly openLeastBytes: number;
}

/** The questions. */
export class SchedulerViews {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** All workers, in the order in which they joined. */
  workers(): WorkerView[] {
    return Array.from(this.#core.workers.values(), (worker) => this.#view(worker));
  }

  worker(address: WorkerAddress): WorkerView | undefined {
    const worker = this.#core.workerAt.get(address);
    return worker && this.#view(worker);
  }

  clients(): ClientId[] {
    return [...this.#core.clients.keys()];
  }

  stateOf(key: Key): TaskState {
    const slot = this.#core.find(key);
    if (slot === undefined) {
      const found = this.#core.numberOf(key);
      if (found && isPlanned(found.batch, found.task)) return "released";
    }
    return STATES[
      slot === undefined ? FORGOTTEN : (this.#core.columns.cells[(slot << CELL) + STATE] as number)
    ] as TaskState; // numbers come from STATES
  }

  /** When a result is needed next: grows with the distance; Infinity when no known task needs it. */
  nextUse(key: Key): number {
    const slot = this.#core.find(key);
    return slot === undefined ? Number.POSITIVE_INFINITY : nextUseOf(this.#core, slot);
  }

  /** Why a task failed; undefined when it did not. */
  failureOf(key: Key): WireFailure | undefined {
    const slot = this.#core.find(key);
    return slot === undefined ? undefined : this.#core.failures.get(slot);
  }

  /** Holders by key: of these keys, unknown ones with none; or of everything in memory. */
  whoHas(keys: readonly Key[] | null): Map<Key, readonly WorkerAddress[]> {
    const out = new Map<Key, readonly WorkerAddress[]>();
    if (keys) {
      for (const key of keys) {
        const slot = this.#core.find(key);
        out.set(key, slot === undefined ? [] : addresses(this.#core, slot));
      }
      return out;
    }
    for (const worker of this.#core.workers.values()) {
      for (const slot of worker.has)
        if (!out.has(this.#core.keyOf(slot))) out.set(this.#core.keyOf(slot), addresses(this.#core, slot));
    }
    return out;
  }

  /** Keys held, by worker. */
  hasWhat(workers: readonly WorkerAddress[] | null): Map<WorkerAddress, Key[]> {
    return this.#byWorker(workers, (worker) => worker.has);
  }

  /** Results that a worker holds, with their bytes. */
  *results(address: WorkerAddress): Generator<{ readonly key: Key; readonly nbytes: number }> {
    const { columns } = this.#core;
    for (const slot of this.#core.workerAt.get(address)?.has ?? [])
      yield { key: this.#core.keyOf(slot), nbytes: columns.nbytes[slot] as number }; // a slot given out
  }

  /** True when a worker holds this result. */
  holds(address: WorkerAddress, key: Key): boolean {
    const slot = this.#core.find(key);
    return slot !== undefined && (this.#core.workerAt.get(address)?.has.has(slot) ?? false);
  }

  /** Keys sent and not done, by worker. */
  processing(workers: readonly WorkerAddress[] | null): Map<WorkerAddress, Key[]> {
    return this.#byWorker(workers, (worker) => worker.processing);
  }

  /** Prefixes of the keys of tasks that are ready and have no place: of `most` of them. */
  readyPrefixes(most: number): string[] {
    const { cells, top } = this.#core.columns;
    const ready = (this.#core.counts[QUEUED] as number) + (this.#core.counts[NO_WORKER] as number); // one per state
    const out: string[] = [];
    for (let slot = 0; slot < top && out.length < Math.min(most, ready); slot++) {
      const state = cells[(slot << CELL) + STATE];
      if (state === QUEUED || state === NO_WORKER) out.push(prefixOf(this.#core, slot));
    }
    return out;
  }

  /** The same of tasks that a worker was sent and has not done. */
  processingPrefixes(address: WorkerAddress, most: number): string[] {
    const out: string[] = [];
    for (const slot of this.#core.workerAt.get(address)?.processing ?? []) {
      if (out.length >= most) break;
      out.push(prefixOf(this.#core, slot));
    }
    return out;
  }

  /** Prefix of the key of a task that goes in columns; undefined: there is no such task. */
  prefixOf(submission: number, task: TaskId): string | undefined {
    const batch = this.#core.submissions.get(submission);
    return batch && task < batch.count ? prefixIn(batch, task) : undefined;
  }

  /** Bytes of results in memory. */
  nbytes(keys: readonly Key[] | null): Map<Key, number> {
    const out = new Map<Key, number>();
    for (const key of keys ?? this.whoHas(null).keys()) {
      const slot = this.#core.find(key);
      if (slot !== undefined && this.#core.columns.cells[(slot << CELL) + STATE] === MEMORY)
        out.set(key, this.#core.columns.nbytes[slot] as number);
    }
    return out;
  }

  /** True while something is to be done. */
  isBusy(): boolean {
    if (this.#core.counts.some((count, state) => count > 0 && isActive(state)) || this.#planned() > 0) return true;
    // All that is wanted of a graph is known before it is begun, which takes a worker.
    for (const batch of this.#core.active) if (batch.state === "pending") return true;
    return false;
  }

  /** True when no task is known and no bytes are counted. */
  isEmpty(): boolean {
    const { columns, records, edges, failures, runs, openLeastBytes, workers, batches } = this.#core;
    if (records.size + edges.count + failures.size + runs.size + openLeastBytes + columns.replicas.size > 0)
      return false;
    if (batches.some((batch) => batch !== undefined) || this.#core.arrivals.size + this.#core.moving.size > 0)
      return false;
    if (this.#core.classes.size + this.#core.classQueues.size > 0) return false;
    for (const worker of workers.values())
      if (worker.has.size + worker.processing.size + worker.extraBytes !== 0) return false;
    return columns.isForgotten();
  }

  counts(): SchedulerCounts {
    const byState = this.#core.counts.slice();
    // What an order will come to is known, and does nothing yet.
    byState[RELEASED] = (byState[RELEASED] as number) + this.#planned();
    // One count per state, in the order of STATES.
    const tasks = Object.fromEntries(STATES.map((name, i) => [name, byState[i]]).slice(1)) as SchedulerCounts["tasks"];
    return {
      tasks,
      workers: this.#core.workers.size,
      clients: this.#core.clients.size,
      ...this.#core.totals,
      openLeastBytes: this.#core.openLeastBytes,
    };
  }

  /** Tasks that orders have not come to. */
  #planned(): number {
    let count = 0;
    for (const batch of this.#core.active)
      if (!batch.walk.isDone) count += batch.walk.total - batch.walk.ranked - batch.early;
    return count;
  }

  #view(worker: WorkerState): WorkerView {
    const { columns } = this.#core;
    const { facts, status, lastSeenMs, memoryBytes, extraBytes } = worker;
    return {
      facts,
      status,
      lastSeenMs,
      memoryBytes,
      extraBytes,
      // Added up when asked for: most who look at a worker want to know something else of it.
      get heldBytes(): number {
        let bytes = 0;
        for (const slot of worker.has) bytes += columns.nbytes[slot] as number; // a slot given out
        return bytes;
      },
      processing: worker.processing.size,
      longRunning: worker.longRunning.size,
      meanTaskMs: worker.meanTaskMs,
      inMemory: worker.has.size,
    };
  }

  #byWorker(
    workers: readonly WorkerAddress[] | null,
    pick: (worker: WorkerState) => Iterable<Slot>,
  ): Map<WorkerAddress, Key[]> {
    const out = new Map<WorkerAddress, Key[]>();
    for (const address of workers ?? this.#core.workerAt.keys()) {
      const worker = this.#core.workerAt.get(address);
      out.set(address, worker ? Array.from(pick(worker), (slot) => this.#core.keyOf(slot)) : []);
    }
    return out;
  }
}

function prefixOf(core: Core, slot: Slot): string {
  const batch = core.batchOf(slot);
  return batch
    ? prefixIn(batch, core.columns.cells[(slot << CELL) + TASK] as number) // a slot given out
    : keyPrefix(core.keyOf(slot));
}

/** Keys of blocks begin with the name of their layer. */
function prefixIn({ edges, graph }: LayerBatch, task: TaskId): string {
  const layer = graph.layer(edges.layerOf(task));
  return keyPrefix(keysOf(layer) ? graph.key(task) : (layer.name as Key));
}
