/** One task that is to run here, and the order in which they start. */
import type { BlockHandle, LaneTask, Programs, TaskOutcome } from "../executor/index.ts";
import type { TaskId } from "../graph/index.ts";
import type { OpenGraph } from "./blocks.ts";

/** Which attempt it is, and how urgent: priority, then submission, then rank. */
export interface Attempt {
  readonly runId: number;
  readonly rank: number;
  readonly priority: number;
  readonly generation: number;
}

/** `waiting`: for an input that another task gives; `gone`: it will not start. */
export type OrderState = "waiting" | "ready" | "running" | "gone";

const NO_INPUTS: readonly BlockHandle[] = [];

/** A task from the word of the scheduler to its end. */
export class Order implements LaneTask {
  readonly open: OpenGraph;
  readonly task: TaskId;
  attempt: Attempt;
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
  readonly #ended: (order: Order, outcome: TaskOutcome) => void;

  constructor(open: OpenGraph, task: TaskId, attempt: Attempt, ended: (order: Order, outcome: TaskOutcome) => void) {
    this.open = open;
    this.task = task;
    this.attempt = attempt;
    this.#ended = ended;
  }

  get programs(): Programs {
    return this.open.programs;
  }

  done(outcome: TaskOutcome): void {
    this.#ended(this, outcome);
  }
}

function isBefore({ attempt: a }: Order, { attempt: b }: Order): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.generation === b.generation ? a.rank < b.rank : a.generation < b.generation;
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
