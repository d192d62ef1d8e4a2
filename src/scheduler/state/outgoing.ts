/**
 * What goes to workers together at the end of a round: results to drop, and columns of tasks to run. While a round lasts the
 * rows of all workers stand in one set of columns, linked by worker; each gets its own when they go.
 */
import type { Key, TaskId } from "../../graph/index.ts";
import { expect } from "./admission.ts";
import { type LayerBatch, slotOf } from "./batches.ts";
import { CELL, type Columns, HOLDER, RANK, RUN_ID, type Slot, TASK } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import { clearList, FetchRows, type RowList, RunRows, rowList, TaskRows } from "./rows.ts";
import type { WorkerState } from "./workers.ts";

/** True when tasks of the batch go to the worker in columns. */
export function goesAsColumn(worker: WorkerState, batch: LayerBatch): boolean {
  return worker.facts.isColumnar && batch.taskClass.resources === null;
}

/** Tasks of one batch that one worker is to run: a list of rows. Used again round after round. */
export interface OpenRun extends RowList {
  /** Null: it is not used now. */
  worker: WorkerState | null;
  batch: LayerBatch | null;
  /** Inputs that it has to fetch for them. */
  fetches: number;
}

/** Tasks of one batch that a worker is to drop, and more of other batches. */
interface FreeRun extends RowList {
  batch: LayerBatch | null;
  more: FreeRun | null;
}

/** What one worker is to drop. Used again as well. */
export interface OpenFrees {
  worker: WorkerState | null;
  readonly keys: Key[];
  tasks: FreeRun | null;
}

const NO_ADDRESSES: readonly WorkerAddress[] = [];
const NO_ROWS = new Uint32Array(0);
const inputs: TaskId[] = [];

/** Collected while events are handled. */
export class Outgoing {
  /** Those of this round first; the others are to be used again. */
  readonly #frees: OpenFrees[] = [];
  #freesCount = 0;
  readonly #freeRuns: FreeRun[] = [];
  #freeRunsCount = 0;
  readonly freeRows: TaskRows = new TaskRows();
  readonly #runs: OpenRun[] = [];
  #runsCount = 0;
  readonly #runRows = new RunRows();
  readonly #fetchRows = new FetchRows();
  /** While a run is made: place of each worker's address in it, plus one. */
  #places: Uint32Array = new Uint32Array(64);
  readonly #holders: number[] = [];

  freeKey(worker: WorkerState, key: Key): void {
    this.#freesOf(worker).keys.push(key);
  }

  freeTask(worker: WorkerState, batch: LayerBatch, task: TaskId): void {
    this.freeRows.add(this.freesOf(worker, batch), task);
  }

  /** The tasks of a batch that a columnar worker is to drop; {@link freeRows} takes more of them. */
  freesOf(worker: WorkerState, batch: LayerBatch): RowList {
    const frees = worker.openFrees ?? this.#freesOf(worker);
    const open = frees.tasks;
    return open === null || open.batch !== batch ? this.#freeRunOf(frees, batch) : open;
  }

  /** The tasks of a batch among what a worker is to drop. */
  #freeRunOf(frees: OpenFrees, batch: LayerBatch): FreeRun {
    let last: FreeRun | null = null;
    for (let run = frees.tasks; run !== null; run = run.more) {
      if (run.batch === batch) return run;
      last = run;
    }
    let run = this.#freeRuns[this.#freeRunsCount++];
    if (run) {
      run.batch = batch;
      run.more = null;
      clearList(run);
    } else {
      run = { batch, more: null, ...rowList() };
      this.#freeRuns.push(run);
    }
    if (last) last.more = run;
    else frees.tasks = run;
    return run;
  }

  flushFrees(core: Core): void {
    if (this.#freesCount === 0) return;
    const { stimulusId } = core;
    const buffer = new ArrayBuffer(4 * this.freeRows.count);
    let at = 0;
    for (let k = 0; k < this.#freesCount; k++) {
      const frees = this.#frees[k] as OpenFrees; // k < count
      const worker = frees.worker as WorkerState; // it is used now
      const { keys } = frees;
      worker.openFrees = null;
      frees.worker = null;
      if (keys.length > 0 && worker.isHere)
        core.sendWorker(worker, { op: "free-keys", keys: keys.slice(), stimulusId });
      keys.length = 0;
      for (let run = frees.tasks; run !== null; run = run.more) {
        const batch = run.batch as LayerBatch; // the same
        run.batch = null;
        if (!worker.isHere) continue;
        const tasks = new Uint32Array(buffer, at, run.count);
        at += 4 * run.count;
        this.freeRows.fill(run, tasks);
        const { generation: submission, graph } = batch;
        core.emit({ type: "free-tasks", worker: worker.facts.address, submission, graph, tasks, stimulusId });
      }
    }
    forget(this.#frees, this.#freesCount);
    forget(this.#freeRuns, this.#freeRunsCount);
    this.#freesCount = 0;
    this.#freeRunsCount = 0;
    this.freeRows.clear();
  }

  /** Send a task, which is being given to a columnar worker, and count the blocks that will come to it for that. */
  run(core: Core, worker: WorkerState, slot: Slot): void {
    const { columns } = core;
    const batch = core.batchOf(slot) as LayerBatch; // of tasks that go in columns
    const run = this.runOf(worker, batch);
    const task = columns.cells[(slot << CELL) + TASK] as number; // a slot given out
    const row = this.#runRows.add(run, task);
    this.#runRows.runId[row] = columns.cells[(slot << CELL) + RUN_ID] as number;
    this.#runRows.rank[row] = columns.cells[(slot << CELL) + RANK] as number;
    const count = batch.edges.dependencies(task, inputs);
    const before = this.#fetchRows.count;
    for (let i = 0; i < count; i++) {
      const input = slotOf(columns, batch, inputs[i] as TaskId); // i < count
      const holder = columns.cells[(input << CELL) + HOLDER] as number;
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

  /** The same of tasks that find all their inputs there: the first so many of `slots`. */
  runHere({ cells }: Columns, run: OpenRun, slots: Int32Array, count: number): void {
    const rows = this.#runRows;
    const first = rows.addMany(run, count);
    const { task, runId, rank, fetches } = rows;
    for (let k = 0; k < count; k++) {
      const at = (slots[k] as Slot) << CELL; // k < count
      task[first + k] = cells[at + TASK] as number;
      runId[first + k] = cells[at + RUN_ID] as number;
      rank[first + k] = cells[at + RANK] as number;
      fetches[first + k] = 0;
    }
  }

  flushRuns(core: Core): void {
    const runs = this.#runsCount;
    if (runs === 0) return;
    let words = 0;
    for (let k = 0; k < runs; k++) words += wordsOf(this.#runs[k] as OpenRun); // k < runs
    const buffer = new ArrayBuffer(4 * words);
    let at = 0;
    for (let k = 0; k < runs; k++) {
      const run = this.#runs[k] as OpenRun;
      this.#emit(core, run, { buffer, at });
      at += 4 * wordsOf(run);
    }
    forget(this.#runs, runs);
    this.#runsCount = 0;
    this.#runRows.clear();
    this.#fetchRows.clear();
  }

  /** The run of a columnar worker that tasks of the batch may join; one that gets tasks of another batch in between has several. */
  runOf(worker: WorkerState, batch: LayerBatch): OpenRun {
    const last = worker.openRun;
    if (last?.batch === batch) return last;
    let run = this.#runs[this.#runsCount++];
    if (run) {
      run.worker = worker;
      run.batch = batch;
      run.fetches = 0;
      clearList(run);
    } else {
      run = { worker, batch, fetches: 0, ...rowList() };
      this.#runs.push(run);
    }
    worker.openRun = run;
    batch.wasSent = true;
    return run;
  }

  #emit(core: Core, run: OpenRun, { buffer, at }: { readonly buffer: ArrayBuffer; readonly at: number }): void {
    const { fetches, count: n } = run;
    const worker = run.worker as WorkerState; // it is used now
    const batch = run.batch as LayerBatch;
    worker.openRun = null;
    run.worker = null;
    run.batch = null;
    const tasks = new Uint32Array(buffer, at, n);
    const runIds = new Uint32Array(buffer, at + 4 * n, n);
    const ranks = new Uint32Array(buffer, at + 8 * n, n);
    const fetchStart = fetches === 0 ? noFetches(n) : new Uint32Array(buffer, at + 12 * n, n + 1);
    const fetchTasks = fetches === 0 ? NO_ROWS : new Uint32Array(buffer, at + 16 * n + 4, fetches);
    const fetchFrom = fetches === 0 ? NO_ROWS : new Uint32Array(buffer, at + 16 * n + 4 + 4 * fetches, fetches);
    const fetchBytes = batch.taskClass.language === "js" ? new Float64Array(fetches) : null;
    this.#runRows.fillRun(run, { tasks, runIds, ranks });
    if (fetches > 0) {
      this.#runRows.fillStarts(run, fetchStart);
      this.#fillFetches(run, { fetchTasks, fetchFrom, fetchBytes });
    }
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
    if (worker.openFrees) return worker.openFrees;
    let frees = this.#frees[this.#freesCount++];
    if (frees) {
      frees.worker = worker;
      frees.tasks = null;
    } else {
      frees = { worker, keys: [], tasks: null };
      this.#frees.push(frees);
    }
    worker.openFrees = frees;
    return frees;
  }
}

/** 32-bit words of a run's columns. */
function wordsOf({ count, fetches }: OpenRun): number {
  return fetches === 0 ? 3 * count : 4 * count + 1 + 2 * fetches;
}

/** Rows of tasks that fetch nothing, one for each number of tasks: most runs have few, and nobody writes there. */
const starts: (Uint32Array | undefined)[] = [];
const STARTS_KEPT = 1024;

function noFetches(count: number): Uint32Array {
  if (count >= STARTS_KEPT) return new Uint32Array(count + 1);
  starts[count] ??= new Uint32Array(count + 1);
  return starts[count] as Uint32Array; // just made
}

/** Objects are kept to be used again, no more than this. */
const KEPT = 8192;

function forget(list: unknown[], used: number): void {
  if (used > KEPT) list.length = KEPT;
}

interface FetchColumns {
  readonly fetchTasks: Uint32Array;
  readonly fetchFrom: Uint32Array;
  readonly fetchBytes: Float64Array | null;
}
