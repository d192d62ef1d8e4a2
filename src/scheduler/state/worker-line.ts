/** Workers in the order in which they came: a list linked by worker, so that coming and going cost little however many there are. */
import type { WorkerState } from "./workers.ts";

/** Of the list's last one. */
const END = -1;
/** Not in the list. */
const OUT = -2;
const FIRST = 16;

/** A set of numbers that remembers in which order they came. Nothing may go between {@link IndexLine.first} and the last {@link IndexLine.after}. */
export class IndexLine {
  #next: Int32Array = new Int32Array(FIRST).fill(OUT);
  #previous: Int32Array = new Int32Array(FIRST);
  /** The one that came first; -1: there is none. */
  first: number = END;
  #last = END;
  size = 0;

  has(index: number): boolean {
    return index < this.#next.length && this.#next[index] !== OUT;
  }

  add(index: number): void {
    if (index >= this.#next.length) this.#grow(index);
    if (this.#next[index] !== OUT) return;
    this.#next[index] = END;
    this.#previous[index] = this.#last;
    if (this.#last === END) this.first = index;
    else this.#next[this.#last] = index;
    this.#last = index;
    this.size++;
  }

  delete(index: number): boolean {
    if (!this.has(index)) return false;
    const [next, previous] = [this.#next[index] as number, this.#previous[index] as number]; // it is in
    if (previous === END) this.first = next;
    else this.#next[previous] = next;
    if (next === END) this.#last = previous;
    else this.#previous[next] = previous;
    this.#next[index] = OUT;
    this.size--;
    return true;
  }

  /** The one behind another; -1: that was the last. */
  after(index: number): number {
    return this.#next[index] as number; // callers have it
  }

  #grow(index: number): void {
    const length = Math.max(2 * this.#next.length, index + 1);
    const next = new Int32Array(length).fill(OUT);
    next.set(this.#next);
    this.#next = next;
    const previous = new Int32Array(length);
    previous.set(this.#previous);
    this.#previous = previous;
  }
}

/** Workers of one kind, in the order in which they became so. */
export class WorkerLine implements Iterable<WorkerState> {
  readonly #line = new IndexLine();
  readonly #workers: readonly (WorkerState | undefined)[];

  /** @param workers all that there are, by index */
  constructor(workers: readonly (WorkerState | undefined)[]) {
    this.#workers = workers;
  }

  get size(): number {
    return this.#line.size;
  }

  add(worker: WorkerState): void {
    this.#line.add(worker.index);
  }

  delete(worker: WorkerState): void {
    this.#line.delete(worker.index);
  }

  /** In order. Any may go meanwhile, and others come: when the one that is looked at goes with the next one, the rest is not looked at. */
  *[Symbol.iterator](): Generator<WorkerState> {
    let next = END;
    for (let index = this.#line.first; index !== END; index = next) {
      next = this.#line.after(index);
      yield this.#workers[index] as WorkerState; // those that leave are taken out
      // Others came behind the last one, or the next one has gone.
      if (next === END || !this.#line.has(next)) next = this.#line.has(index) ? this.#line.after(index) : END;
    }
  }
}
