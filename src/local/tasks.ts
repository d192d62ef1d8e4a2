/**
 * Tasks on the threads of this process. The scheduler says in columns what is to run and what goes, and hears in columns
 * what has ended; between that a task is a cell of its layer. There are no peers here, so inputs are here or about to be.
 */
import { CancelledError, type ErrorRecord, errorToRecord, InvariantError, invariant } from "../base/index.ts";
import type { BlockHandle, Executor, TaskOutcome } from "../executor/index.ts";
import { aheadOf, type Graph, showKey, type TaskId } from "../graph/index.ts";
import type { TaskRun } from "../scheduler/state/index.ts";
import { blockIn, type LocalBlocks } from "./blocks.ts";
import { Ends, type Finished } from "./ends.ts";
import { type Attempt, Order, type OrderListener, OrderQueue } from "./order.ts";

/** Work that threads find without asking, and the most tasks of it. */
const AHEAD_MS = 2;
const AHEAD_MAX = 512;
/** Bytes up to which larger tasks, too, may have their memory before they run. */
export const AHEAD_BYTES: number = 2 ** 20;
/** Functions of users that took less on average lately are short; such functions ahead of one thread. */
const SHORT_SECONDS = 0.0005;
const SHORT_AHEAD = 32;

/** What a task failed by. */
export interface Failed {
  readonly order: Order;
  readonly error: ErrorRecord;
  readonly outcome: TaskOutcome;
}

/** Who hears of ends. */
export interface TasksListener {
  /** A task has left its thread; null: it went well, and moved no bytes. Its run's counts are the listener's. */
  left(order: Order, outcome: TaskOutcome | null): void;
  finished(columns: Finished): void;
  failed(failed: Failed): void;
  /** Everything that ended in this turn was told. */
  turned(): void;
}

const ids: TaskId[] = [];

/** The threads, as the scheduler's worker. */
export class ThreadTasks {
  readonly #executor: Executor;
  readonly #blocks: LocalBlocks;
  readonly #listener: TasksListener;
  readonly #queue = new OrderQueue();
  /** Tasks at the executor, in no order. */
  readonly #running: Order[] = [];
  /** Tasks that have ended and are not told yet; while they are told, the next ones go to the other. */
  #ends: Ends = new Ends();
  #otherEnds: Ends = new Ends();
  #isTurning = false;
  readonly #hear: OrderListener = {
    made: (order, output, seconds) => this.#made(order, output, seconds),
    ended: (order, outcome) => this.#left(order, outcome),
  };

  constructor(executor: Executor, blocks: LocalBlocks, listener: TasksListener) {
    this.#executor = executor;
    this.#blocks = blocks;
    this.#listener = listener;
  }

  /** Tasks at the executor. */
  get running(): readonly Order[] {
    return this.#running;
  }

  /** Tasks of a graph are to run. */
  run({ submission, graph, tasks, runIds, ranks, priority, generation }: TaskRun): void {
    const open = this.#blocks.open(submission, graph);
    const urgency = { priority, generation };
    for (let k = 0; k < tasks.length; k++) {
      const task = tasks[k] as TaskId; // columns of equal length
      const cell = open.get(task);
      if (cell instanceof Order) {
        this.#again(cell, { urgency, runId: runIds[k] as number, rank: ranks[k] as number });
        continue;
      }
      const order = new Order(open, task, this.#hear);
      order.urgency = urgency;
      order.runId = runIds[k] as number;
      order.rank = ranks[k] as number;
      if (cell === undefined) this.#enter(order);
      else this.#tellAgain(order, blockIn(cell));
    }
  }

  /** Start what may start. */
  start(): void {
    const threads = this.#executor.threads + 1; // so that a thread finds its next one without asking here
    for (;;) {
      const order = this.#queue.peek();
      if (order === undefined || (this.#running.length >= threads && !this.#mayGoAhead(order, threads))) return;
      this.#queue.pop();
      this.#launch(order);
    }
  }

  /** Blocks that are wanted no more, and tasks that are not to run. */
  free(submission: number, graph: Graph, tasks: Uint32Array): void {
    const open = this.#blocks.open(submission, graph);
    for (let k = 0; k < tasks.length; k++) {
      const task = tasks[k] as TaskId; // k < length
      const cell = open.get(task);
      if (cell === undefined) continue;
      if (!(cell instanceof Order)) {
        open.clear(task);
        const block = blockIn(cell);
        if (block) this.#executor.release(block);
      } else if (cell.state === "running") {
        cell.again = null;
        if (!cell.isUnwanted) this.#giveUp(cell);
      } else {
        cell.state = "gone";
        open.clear(task);
      }
    }
  }

  #giveUp(order: Order): void {
    order.isUnwanted = true;
    this.#executor.cancel(order);
  }

  #enter(order: Order): void {
    order.open.set(order.task, order);
    this.#queue.push(order);
  }

  /** Ordered while it is ordered: the same word twice, or another attempt. One that runs ends first. */
  #again(order: Order, attempt: Attempt): void {
    if (order.state !== "running") order.become(attempt);
    else if (order.isUnwanted || order.runId !== attempt.runId) {
      order.again = attempt;
      if (!order.isUnwanted) this.#giveUp(order);
    }
  }

  /** Ordered while its block is here. */
  #tellAgain(order: Order, block: BlockHandle | null): void {
    if (!block) {
      const key = order.open.graph.key(order.task);
      throw new InvariantError(`${showKey(key)} is to run again, but its block was handed over`);
    }
    this.#tell(order, block, 0);
  }

  /**
   * Whether a task may be handed over beyond the threads: as many as take little time go, as those of its own layer took
   * it. Every one has its memory from then on, so that long ones, which are the large ones, wait here. A user's function
   * may never end, and what stands behind it can go to no other thread: only some short ones go ahead.
   */
  #mayGoAhead({ open, task }: Order, threads: number): boolean {
    const seconds = open.layerOf(task).meanSeconds;
    if (Number.isNaN(seconds)) return false;
    if (!open.isBounded) return seconds < SHORT_SECONDS && this.#running.length < threads * (1 + SHORT_AHEAD);
    // Of larger ones every two threads have the next one's memory beside those of their own, as the plan has it.
    const large = aheadOf(this.#executor.threads) - 1; // one is among `threads`
    const most = open.isLight(task) ? AHEAD_MAX : Math.max(large, Math.floor(AHEAD_BYTES / open.bytesOf(task)));
    const ahead = Math.min(most, (threads * AHEAD_MS) / (1000 * seconds));
    return this.#running.length < threads + Math.floor(ahead);
  }

  #launch(order: Order): void {
    const { open, task } = order;
    const count = open.edges.dependencies(task, ids);
    if (count > 0) {
      const inputs = new Array<BlockHandle>(count);
      for (let k = 0; k < count; k++) {
        const cell = open.get(ids[k] as TaskId); // k < count
        const block = blockIn(cell);
        if (block) inputs[k] = block;
        else if (cell instanceof Order) {
          order.missing++;
          cell.readers ??= [];
          cell.readers.push(order);
        } else
          throw new InvariantError(`${showKey(open.graph.key(ids[k] as TaskId))} is not here, but a task needs it`);
      }
      if (order.missing > 0) {
        order.state = "waiting";
        return;
      }
      order.inputs = inputs;
    }
    order.state = "running";
    order.at = this.#running.push(order) - 1;
    open.run.underWay++;
    this.#executor.submitOf(order);
  }

  /** The executor is done with a task. */
  #left(order: Order, outcome: TaskOutcome): void {
    const seconds = (outcome.stopMs - outcome.startMs) / 1000;
    this.#leave(order, seconds);
    this.#listener.left(order, outcome);
    // A graph's tasks give blocks; the executor sees to it.
    invariant(outcome.status !== "value", "a task gave no block");
    if (order.isUnwanted) this.#dropped(order, outcome.status === "ok" ? outcome.output : null);
    else if (outcome.status === "ok") {
      order.open.set(order.task, outcome.output);
      this.#tell(order, outcome.output, seconds);
    } else this.#fail(order, outcome);
    this.#turnSoon();
  }

  /** The same of a task that gave a block and moved no bytes. */
  #made(order: Order, output: BlockHandle, seconds: number): void {
    this.#leave(order, seconds);
    this.#listener.left(order, null);
    if (order.isUnwanted) {
      this.#dropped(order, output);
      this.#turnSoon();
    } else {
      order.open.set(order.task, output);
      this.#tell(order, output, seconds);
    }
  }

  #leave(order: Order, seconds: number): void {
    const last = this.#running.pop() as Order; // the task itself is among them
    if (last !== order) {
      this.#running[order.at] = last;
      last.at = order.at;
    }
    order.state = "gone";
    order.open.layerOf(order.task).took(seconds);
  }

  #dropped({ open, task, again, readers }: Order, output: BlockHandle | null): void {
    if (output) this.#executor.release(output);
    open.clear(task);
    if (!again) return;
    const order = new Order(open, task, this.#hear);
    order.become(again);
    order.readers = readers;
    this.#enter(order);
  }

  #fail(order: Order, outcome: Exclude<TaskOutcome, { readonly status: "ok" | "value" }>): void {
    order.open.clear(order.task);
    const { open, task } = order;
    const error =
      outcome.status === "error"
        ? outcome.error
        : errorToRecord(new CancelledError(`${showKey(open.graph.key(task))} was cancelled`));
    this.#flush();
    this.#listener.failed({ order, error, outcome });
  }

  /** A block is here; the scheduler hears of it at the end of the turn. */
  #tell(order: Order, block: BlockHandle, seconds: number): void {
    this.#ends.add(order, block, seconds);
    if (order.readers !== null) this.#wake(order.readers);
    this.#turnSoon();
  }

  #wake(readers: readonly Order[]): void {
    for (const reader of readers) {
      if (--reader.missing > 0 || reader.state !== "waiting") continue;
      reader.state = "ready";
      this.#queue.push(reader);
    }
  }

  #turnSoon(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    queueMicrotask(this.#turn);
  }

  /** Made once: a function that is made there costs every call. */
  readonly #turn = (): void => {
    this.#isTurning = false;
    this.#flush();
    this.#listener.turned();
  };

  /** Tell what has ended, graph by graph. */
  #flush(): void {
    const ends = this.#ends;
    if (ends.count === 0) return;
    this.#ends = this.#otherEnds;
    this.#otherEnds = ends;
    for (let from = 0; from < ends.count; ) {
      const finished = ends.from(from);
      from += finished.tasks.length;
      this.#listener.finished(finished);
    }
    ends.clear();
  }
}
