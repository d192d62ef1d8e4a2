/** What goes to workers together at the end of a round: results to drop, and columns of tasks to run. */
import type { Key, TaskId } from "../../graph/index.ts";
import { type LayerBatch, slotOf } from "./batches.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import type { WorkerState } from "./workers.ts";

/** True when tasks of the batch go to the worker in columns. */
export function goesAsColumn(worker: WorkerState, batch: LayerBatch): boolean {
  return worker.facts.isColumnar && batch.taskClass.resources === null;
}

interface Frees {
  readonly keys: Key[];
  readonly tasks: Map<LayerBatch, number[]>;
}

/** Rows of a {@link TaskRun} that is being filled. */
export class OpenRun {
  readonly worker: WorkerState;
  readonly batch: LayerBatch;
  readonly tasks: number[] = [];
  readonly runIds: number[] = [];
  readonly ranks: number[] = [];
  readonly fetchStart: number[] = [0];
  readonly fetchTasks: number[] = [];
  readonly fetchFrom: number[] = [];
  /** Filled where the graph does not say them. */
  readonly fetchBytes: number[] = [];
  readonly addresses: WorkerAddress[] = [];

  constructor(worker: WorkerState, batch: LayerBatch) {
    this.worker = worker;
    this.batch = batch;
  }

  add(core: Core, slot: Slot): void {
    const { columns } = core;
    const task = columns.task[slot] as number; // a slot given out
    this.tasks.push(task);
    this.runIds.push(columns.runId[slot] as number);
    this.ranks.push(columns.rank[slot] as number);
    addFetches(core, this, task);
    this.fetchStart.push(this.fetchTasks.length);
  }
}

const inputs: TaskId[] = [];

/** Collected while one event is handled. */
export class Outgoing {
  readonly #frees = new Map<WorkerState, Frees>();
  /** By worker; a worker that gets tasks of another batch in between has several. */
  readonly #open = new Map<WorkerState, OpenRun>();
  readonly #runs: OpenRun[] = [];

  freeKey(worker: WorkerState, key: Key): void {
    this.#freesOf(worker).keys.push(key);
  }

  freeTask(worker: WorkerState, batch: LayerBatch, task: number): void {
    const { tasks } = this.#freesOf(worker);
    const known = tasks.get(batch);
    if (known) known.push(task);
    else tasks.set(batch, [task]);
  }

  flushFrees(core: Core): void {
    if (this.#frees.size === 0) return;
    const { stimulusId } = core;
    for (const [worker, { keys, tasks }] of this.#frees) {
      if (!core.workers.has(worker.index)) continue;
      if (keys.length > 0) core.sendWorker(worker, { op: "free-keys", keys, stimulusId });
      for (const [batch, numbers] of tasks) {
        core.emit({
          type: "free-tasks",
          worker: worker.facts.address,
          submission: batch.generation,
          graph: batch.graph,
          tasks: Uint32Array.from(numbers),
          stimulusId,
        });
      }
    }
    this.#frees.clear();
  }

  /** The run of a columnar worker that tasks of the batch may join. */
  runOf(worker: WorkerState, batch: LayerBatch): OpenRun {
    const last = this.#runs.at(-1);
    if (last?.worker === worker && last.batch === batch) return last;
    const known = this.#open.get(worker);
    if (known?.batch === batch) return known;
    const run = new OpenRun(worker, batch);
    this.#open.set(worker, run);
    this.#runs.push(run);
    batch.wasSent = true;
    return run;
  }

  flushRuns(core: Core): void {
    if (this.#runs.length === 0) return;
    for (const rows of this.#runs) {
      const { worker, batch, addresses } = rows;
      core.emit({
        type: "run-tasks",
        worker: worker.facts.address,
        run: {
          submission: batch.generation,
          graph: batch.graph,
          tasks: Uint32Array.from(rows.tasks),
          runIds: Uint32Array.from(rows.runIds),
          ranks: Uint32Array.from(rows.ranks),
          priority: batch.priority,
          generation: batch.generation,
          fetchStart: Uint32Array.from(rows.fetchStart),
          fetchTasks: Uint32Array.from(rows.fetchTasks),
          fetchFrom: Uint32Array.from(rows.fetchFrom),
          ...(batch.taskClass.language === "js" ? { fetchBytes: Float64Array.from(rows.fetchBytes) } : {}),
          addresses,
          stimulusId: core.stimulusId,
        },
      });
    }
    this.#open.clear();
    this.#runs.length = 0;
  }

  #freesOf(worker: WorkerState): Frees {
    let frees = this.#frees.get(worker);
    if (!frees) {
      frees = { keys: [], tasks: new Map() };
      this.#frees.set(worker, frees);
    }
    return frees;
  }
}

/** The inputs of a task that its worker must fetch. */
function addFetches(core: Core, run: OpenRun, task: TaskId): void {
  const count = run.batch.edges.dependencies(task, inputs);
  for (let i = 0; i < count; i++) {
    const input = slotOf(core.columns, run.batch, inputs[i] as TaskId); // i < count
    if (run.worker.has.has(input)) continue;
    const holder = core.workers.get(core.columns.holder[input] as number); // a slot given out
    if (!holder) continue; // an input of a task that is sent has a holder (S-I1, S-I6)
    const { address } = holder.facts;
    let from = run.addresses.indexOf(address);
    if (from < 0) from = run.addresses.push(address) - 1;
    run.fetchTasks.push(inputs[i] as TaskId);
    run.fetchFrom.push(from);
    if (run.batch.taskClass.language === "js") run.fetchBytes.push(core.columns.nbytes[input] as number); // a slot given out
  }
}
