/**
 * What goes to workers together at the end of a round: results to drop, and columns of tasks to run. While a round lasts the
 * rows of all workers stand in one set of columns, linked by worker; each gets its own when they go.
 */
import type { Key, TaskId } from "../../graph/index.ts";
import { expect } from "./admission.ts";
import { type LayerBatch, slotOf } from "./batches.ts";
import type { Columns, Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import { FetchRows, type RowList, RunRows, rowList, TaskRows } from "./rows.ts";
import type { WorkerState } from "./workers.ts";

/** True when tasks of the batch go to the worker in columns. */
export function goesAsColumn(worker: WorkerState, batch: LayerBatch): boolean {
  return worker.facts.isColumnar && batch.taskClass.resources === null;
}

/** Tasks of one batch that one worker is to run. */
export interface OpenRun {
  readonly worker: WorkerState;
  readonly batch: LayerBatch;
  readonly rows: RowList;
  /** Inputs that it has to fetch for them. */
  fetches: number;
}

/** What one worker is to drop. */
export interface OpenFrees {
  readonly worker: WorkerState;
  readonly keys: Key[];
  readonly tasks: { readonly batch: LayerBatch; readonly rows: RowList }[];
}

const NO_ADDRESSES: readonly WorkerAddress[] = [];
const NO_ROWS = new Uint32Array(0);
const inputs: TaskId[] = [];

/** Collected while events are handled. */
export class Outgoing {
  readonly #frees: OpenFrees[] = [];
  readonly #freeRows = new TaskRows();
  readonly #runs: OpenRun[] = [];
  readonly #runRows = new RunRows();
  readonly #fetchRows = new FetchRows();
  /** While a run is made: place of each worker's address in it, plus one. */
  #places: Uint32Array = new Uint32Array(64);
  readonly #holders: number[] = [];

  freeKey(worker: WorkerState, key: Key): void {
    this.#freesOf(worker).keys.push(key);
  }

  freeTask(worker: WorkerState, batch: LayerBatch, task: TaskId): void {
    const { tasks } = this.#freesOf(worker);
    let open = tasks[0];
    if (open?.batch !== batch) {
      open = tasks.find((each) => each.batch === batch);
      if (!open) {
        open = { batch, rows: rowList() };
        tasks.push(open);
      }
    }
    this.#freeRows.add(open.rows, task);
  }

  flushFrees(core: Core): void {
    if (this.#frees.length === 0) return;
    const { stimulusId } = core;
    const buffer = new ArrayBuffer(4 * this.#freeRows.count);
    let at = 0;
    for (const { worker, keys, tasks } of this.#frees) {
      worker.openFrees = null;
      if (!worker.isHere) continue;
      if (keys.length > 0) core.sendWorker(worker, { op: "free-keys", keys, stimulusId });
      for (const { batch, rows } of tasks) {
        const numbers = new Uint32Array(buffer, at, rows.count);
        at += 4 * rows.count;
        this.#freeRows.fill(rows, numbers);
        core.emit({
          type: "free-tasks",
          worker: worker.facts.address,
          submission: batch.generation,
          graph: batch.graph,
          tasks: numbers,
          stimulusId,
        });
      }
    }
    this.#frees.length = 0;
    this.#freeRows.clear();
  }

  /** Send a task, which is being given to a columnar worker, and count the blocks that will come to it for that. */
  run(core: Core, worker: WorkerState, slot: Slot): void {
    const { columns } = core;
    const batch = core.batchOf(slot) as LayerBatch; // of tasks that go in columns
    const run = this.runOf(worker, batch);
    const task = columns.task[slot] as number; // a slot given out
    const row = this.#runRows.add(run.rows, task);
    this.#runRows.runId[row] = columns.runId[slot] as number;
    this.#runRows.rank[row] = columns.rank[slot] as number;
    const count = batch.edges.dependencies(task, inputs);
    const before = this.#fetchRows.count;
    for (let i = 0; i < count; i++) {
      const input = slotOf(columns, batch, inputs[i] as TaskId); // i < count
      const holder = columns.holder[input] as number;
      if (holder === worker.index || worker.has.has(input)) continue;
      if (holder < 0) continue; // it is made there, and the task was sent ahead of it (S-I1, S-I19)
      expect(core, input, worker);
      this.#fetchRows.add(inputs[i] as TaskId, holder, columns.nbytes[input] as number);
    }
    this.#runRows.fetch[row] = before;
    const fetches = this.#fetchRows.count - before;
    this.#runRows.fetches[row] = fetches;
    run.fetches += fetches;
  }

  /** The same of a task that finds all its inputs there. */
  runHere(columns: Columns, run: OpenRun, slot: Slot): void {
    const rows = this.#runRows;
    const row = rows.add(run.rows, columns.task[slot] as number); // a slot given out
    rows.runId[row] = columns.runId[slot] as number;
    rows.rank[row] = columns.rank[slot] as number;
    rows.fetch[row] = 0;
    rows.fetches[row] = 0;
  }

  flushRuns(core: Core): void {
    if (this.#runs.length === 0) return;
    let words = 0;
    for (const { rows, fetches } of this.#runs) words += 4 * rows.count + 1 + 2 * fetches;
    const buffer = new ArrayBuffer(4 * words);
    let at = 0;
    for (const run of this.#runs) {
      run.worker.openRun = null;
      this.#emit(core, run, { buffer, at });
      at += 4 * (4 * run.rows.count + 1 + 2 * run.fetches);
    }
    this.#runs.length = 0;
    this.#runRows.clear();
    this.#fetchRows.clear();
  }

  /** The run of a columnar worker that tasks of the batch may join; one that gets tasks of another batch in between has several. */
  runOf(worker: WorkerState, batch: LayerBatch): OpenRun {
    const last = worker.openRun;
    if (last?.batch === batch) return last;
    const run: OpenRun = { worker, batch, rows: rowList(), fetches: 0 };
    worker.openRun = run;
    this.#runs.push(run);
    batch.wasSent = true;
    return run;
  }

  #emit(core: Core, run: OpenRun, { buffer, at }: { readonly buffer: ArrayBuffer; readonly at: number }): void {
    const { worker, batch, rows, fetches } = run;
    const n = rows.count;
    const tasks = new Uint32Array(buffer, at, n);
    const runIds = new Uint32Array(buffer, at + 4 * n, n);
    const ranks = new Uint32Array(buffer, at + 8 * n, n);
    const fetchStart = new Uint32Array(buffer, at + 12 * n, n + 1);
    const fetchTasks = fetches === 0 ? NO_ROWS : new Uint32Array(buffer, at + 16 * n + 4, fetches);
    const fetchFrom = fetches === 0 ? NO_ROWS : new Uint32Array(buffer, at + 16 * n + 4 + 4 * fetches, fetches);
    const fetchBytes = batch.taskClass.language === "js" ? new Float64Array(fetches) : null;
    this.#runRows.fillRun(rows, { tasks, runIds, ranks, fetchStart });
    if (fetches > 0) this.#fillFetches(rows, { fetchTasks, fetchFrom, fetchBytes });
    const addresses = fetches > 0 ? this.#takeAddresses(core) : NO_ADDRESSES;
    core.emit({
      type: "run-tasks",
      worker: worker.facts.address,
      run: {
        submission: batch.generation,
        graph: batch.graph,
        tasks,
        runIds,
        ranks,
        priority: batch.priority,
        generation: batch.generation,
        fetchStart,
        fetchTasks,
        fetchFrom,
        ...(fetchBytes ? { fetchBytes } : {}),
        addresses,
        stimulusId: core.stimulusId,
      },
    });
  }

  #fillFetches(rows: RowList, out: FetchColumns): void {
    const { task, holder, bytes } = this.#fetchRows;
    let at = 0;
    let row = rows.first;
    for (let k = 0; k < rows.count; k++) {
      const from = this.#runRows.fetch[row] as number; // a row
      const to = from + (this.#runRows.fetches[row] as number);
      for (let e = from; e < to; e++) {
        out.fetchTasks[at] = task[e] as number; // a row
        if (out.fetchBytes) out.fetchBytes[at] = bytes[e] as number;
        out.fetchFrom[at++] = this.#placeOf(holder[e] as number);
      }
      row = this.#runRows.next[row] as number;
    }
  }

  /** Place of a worker among the addresses of the run that is made. */
  #placeOf(holder: number): number {
    if (holder >= this.#places.length) {
      const larger = new Uint32Array(2 ** Math.ceil(Math.log2(holder + 1)));
      larger.set(this.#places);
      this.#places = larger;
    }
    const known = this.#places[holder] as number; // within the column
    if (known > 0) return known - 1;
    this.#places[holder] = this.#holders.push(holder);
    return this.#holders.length - 1;
  }

  #takeAddresses(core: Core): WorkerAddress[] {
    const addresses = new Array<WorkerAddress>(this.#holders.length);
    for (let k = 0; k < addresses.length; k++) {
      const holder = this.#holders[k] as number; // k < length
      this.#places[holder] = 0;
      // Holders are there (S-I6).
      addresses[k] = (core.workers.get(holder) as WorkerState).facts.address;
    }
    this.#holders.length = 0;
    return addresses;
  }

  #freesOf(worker: WorkerState): OpenFrees {
    let frees = worker.openFrees;
    if (!frees) {
      frees = { worker, keys: [], tasks: [] };
      worker.openFrees = frees;
      this.#frees.push(frees);
    }
    return frees;
  }
}

interface FetchColumns {
  readonly fetchTasks: Uint32Array;
  readonly fetchFrom: Uint32Array;
  readonly fetchBytes: Float64Array | null;
}
