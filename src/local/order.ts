/** One task that is to run here, and the order in which they start. */
import type { BlockHandle, LaneTask, Programs, TaskOutcome } from "../executor/index.ts";
import type { TaskId } from "../graph/index.ts";
import type { OpenGraph } from "./blocks.ts";

/** How urgent tasks of one word of the scheduler are among others: by priority, then by submission, then by rank. */
export interface Urgency {
  readonly priority: number;
  readonly generation: number;
}

/** Which attempt it is, and how urgent. */
export interface Attempt {
  readonly urgency: Urgency;
  readonly runId: number;
  readonly rank: number;
}

/** `waiting`: for an input that another task gives; `gone`: it will not start. */
type OrderState = "waiting" | "ready" | "running" | "gone";

const NO_INPUTS: readonly BlockHandle[] = [];
const NOT_URGENT: Urgency = { priority: 0, generation: 0 };

/** Who hears how a task ended. */
export interface OrderListener {
  /** It gave a block, and moved no bytes. */
  made(order: Order, output: BlockHandle, seconds: number): void;
  ended(order: Order, outcome: TaskOutcome): void;
}

/** A task from the word of the scheduler to its end. */
export class Order implements LaneTask {
  readonly open: OpenGraph;
  readonly task: TaskId;
  urgency: Urgency = NOT_URGENT;
  runId = 0;
  rank = 0;
  state: OrderState = "ready";
  inputs: readonly BlockHandle[] = NO_INPUTS;
  /** Inputs that are not here yet; those that wait for this one. */
  missing = 0;
  readers: Order[] | null = null;
  /** Place among those that run. */
  at = -1;
  /** It runs, and its result is dropped; `again`: then it runs once more. */
  isUnwanted = false;
  again: Attempt | null = null;
  /** The executor's: it was told to stop. */
  isCancelled = false;
  readonly #listener: OrderListener;

  constructor(open: OpenGraph, task: TaskId, listener: OrderListener) {
    this.open = open;
    this.task = task;
    this.#listener = listener;
  }

  /** It is this attempt from now on. */
  become({ urgency, runId, rank }: Attempt): void {
    this.urgency = urgency;
    this.runId = runId;
    this.rank = rank;
  }

  get programs(): Programs {
    return this.open.programs;
  }

  done(outcome: TaskOutcome): void {
    this.#listener.ended(this, outcome);
  }

  made(output: BlockHandle, seconds: number): void {
    this.#listener.made(this, output, seconds);
  }
}

function isBefore(a: Order, b: Order): boolean {
  const own = a.urgency;
  const other = b.urgency;
  if (own === other) return a.rank < b.rank;
  if (own.priority !== other.priority) return own.priority > other.priority;
  return own.generation === other.generation ? a.rank < b.rank : own.generation < other.generation;
}

/** Tasks that may start, the most urgent first: a binary heap. Those that are gone are passed over. */
export class OrderQueue {
  readonly #heap: Order[] = [];

  push(order: Order): void {
    const heap = this.#heap;
    let at = heap.push(order) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Order; // above at
      if (!isBefore(order, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = order;
  }

  peek(): Order | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.state === "ready") return first;
      this.pop();
    }
    return undefined;
  }

  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Order, heap[down] as Order)) down++; // within the heap
      if (!isBefore(heap[down] as Order, last)) break;
      heap[at] = heap[down] as Order;
      at = down;
    }
    heap[at] = last;
  }
}
