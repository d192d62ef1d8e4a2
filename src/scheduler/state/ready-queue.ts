/**
 * Ready tasks by priority. Of a symbolic graph: bits over its ranks. Of materialised tasks: a 4-ary heap of slots over
 * the priority columns, whose stale entries are dropped when they surface.
 */
import { CELL, type Columns, FLAG_ENQUEUED, FLAG_ROOT, FLAGS, RANK, type Slot, STATE } from "./columns.ts";
import { RankSet } from "./rank-set.ts";
import { FORGOTTEN, QUEUED } from "./states.ts";

/** What placement asks of a queue. */
export interface TaskQueue {
  /** Tasks held back since the last `restore`. */
  readonly heldCount: number;
  push(slot: Slot): void;
  /** The task is not ready any more. */
  remove(slot: Slot): void;
  /** The most urgent task, left in place. */
  peek(): Slot | undefined;
  /** Remove the task that `peek` gave. */
  take(): void;
  /** Set the task that `peek` gave aside until `restore`. */
  hold(): void;
  restore(): void;
}

/** Ready tasks of one graph. */
export class RankQueue implements TaskQueue {
  readonly #columns: Columns;
  readonly #slotOf: (rank: number) => Slot;
  readonly #ranks: RankSet;
  /** Ready roots, which workers begin from their pieces; `peek` gives none of them. */
  readonly roots: RankSet;
  readonly #held: Slot[] = [];

  /** @param count of the graph's tasks */
  constructor(columns: Columns, count: number, slotOf: (rank: number) => Slot) {
    this.#ranks = new RankSet(count);
    this.roots = new RankSet(count);
    this.#columns = columns;
    this.#slotOf = slotOf;
  }

  /** Ready tasks that are not held back, roots aside. */
  get size(): number {
    return this.#ranks.size;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  push(slot: Slot): void {
    const isRoot = ((this.#columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_ROOT) !== 0; // a slot given out
    (isRoot ? this.roots : this.#ranks).add(this.#columns.cells[(slot << CELL) + RANK] as number);
  }

  remove(slot: Slot): void {
    const flags = this.#columns.cells[(slot << CELL) + FLAGS] as number; // a slot given out
    if ((flags & FLAG_ROOT) === 0) return this.#ranks.delete(this.#columns.cells[(slot << CELL) + RANK] as number);
    this.#columns.cells[(slot << CELL) + FLAGS] = flags & ~FLAG_ROOT;
    this.roots.delete(this.#columns.cells[(slot << CELL) + RANK] as number);
  }

  /** A root goes the way of all other tasks. */
  release(slot: Slot): void {
    this.remove(slot);
    this.push(slot);
  }

  peek(): Slot | undefined {
    const rank = this.#ranks.min();
    return rank < 0 ? undefined : this.#slotOf(rank);
  }

  /** Rank of the task that `peek` gives; -1: there is none. */
  min(): number {
    return this.#ranks.min();
  }

  take(): void {
    const rank = this.#ranks.min();
    if (rank >= 0) this.#ranks.delete(rank);
  }

  /** Remove the task of a rank, which is no root. */
  takeRank(rank: number): void {
    this.#ranks.delete(rank);
  }

  hold(): void {
    const slot = this.peek();
    if (slot === undefined) return;
    this.#held.push(slot);
    this.remove(slot);
  }

  restore(): void {
    for (const slot of this.#held) if (this.#columns.cells[(slot << CELL) + STATE] === QUEUED) this.push(slot);
    this.#held.length = 0;
  }
}

/** Ready materialised tasks. A task enters at most once; when it leaves the state `queued` its entry goes stale. */
export class ReadyQueue implements TaskQueue {
  readonly #columns: Columns;
  readonly #heap: Slot[] = [];
  /** Taken by `pop` and given back by `restore`. */
  readonly #held: Slot[] = [];
  readonly #onForgotten: (slot: Slot) => void;

  /** @param onForgotten hears of entries whose task was forgotten meanwhile, so that their slots can be used again */
  constructor(columns: Columns, onForgotten: (slot: Slot) => void) {
    this.#columns = columns;
    this.#onForgotten = onForgotten;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  remove(): void {
    // Its entry is dropped when it surfaces.
  }

  push(slot: Slot): void {
    const flags = this.#columns.cells[(slot << CELL) + FLAGS] as number; // a slot given out
    if ((flags & FLAG_ENQUEUED) !== 0) return;
    this.#columns.cells[(slot << CELL) + FLAGS] = flags | FLAG_ENQUEUED;
    this.#insert(slot);
  }

  peek(): Slot | undefined {
    for (;;) {
      const slot = this.#heap[0];
      if (slot === undefined || this.#columns.cells[(slot << CELL) + STATE] === QUEUED) return slot;
      this.#dropTop(slot);
    }
  }

  take(): void {
    const slot = this.#heap[0];
    if (slot !== undefined) this.#dropTop(slot);
  }

  hold(): void {
    const slot = this.#heap[0];
    if (slot === undefined) return;
    this.#held.push(slot);
    this.#removeTop();
  }

  restore(): void {
    for (const slot of this.#held) this.#insert(slot);
    this.#held.length = 0;
  }

  #insert(slot: Slot): void {
    this.#heap.push(slot);
    this.#rise(this.#heap.length - 1);
  }

  #dropTop(slot: Slot): void {
    this.#columns.cells[(slot << CELL) + FLAGS] =
      (this.#columns.cells[(slot << CELL) + FLAGS] as number) & ~FLAG_ENQUEUED; // a slot given out
    this.#removeTop();
    if (this.#columns.cells[(slot << CELL) + STATE] === FORGOTTEN) this.#onForgotten(slot);
  }

  #removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    const heap = this.#heap;
    const slot = heap[start] as Slot; // callers pass a valid index
    let i = start;
    while (i > 0) {
      const parent = (i - 1) >> 2;
      const above = heap[parent] as Slot; // parent < i
      if (!isBefore(this.#columns, slot, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = slot;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const slot = heap[start] as Slot; // callers pass a valid index
    let i = start;
    for (;;) {
      const first = 4 * i + 1;
      if (first >= heap.length) break;
      let best = first;
      const end = Math.min(first + 4, heap.length);
      for (let child = first + 1; child < end; child++) {
        if (isBefore(this.#columns, heap[child] as Slot, heap[best] as Slot)) best = child; // child < length
      }
      if (!isBefore(this.#columns, heap[best] as Slot, slot)) break;
      heap[i] = heap[best] as Slot;
      i = best;
    }
    heap[i] = slot;
  }
}

/** True when `a` is to run before `b`; ties break on the slot. */
export function isBefore(columns: Columns, a: Slot, b: Slot): boolean {
  const ua = columns.urgency[a] as number; // slots given out
  const ub = columns.urgency[b] as number;
  if (ua !== ub) return ua < ub;
  const ra = columns.cells[(a << CELL) + RANK] as number;
  const rb = columns.cells[(b << CELL) + RANK] as number;
  return ra !== rb ? ra < rb : a < b;
}
