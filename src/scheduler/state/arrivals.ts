/** Blocks on their way to workers: a hash table of typed arrays, as there are some for every task that is sent. */
import type { Slot } from "./columns.ts";

const FIRST_BITS = 8;
/** Multiplier of Fibonacci hashing: 2³² divided by the golden ratio. */
const GOLDEN = 0x9e37_79b1;
const FREE = -1;

/** Pairs of a block and a worker, with the number of reasons for which the block comes. All of one block are neighbours. */
export class Arrivals {
  #bits = FIRST_BITS;
  #slots: Int32Array = new Int32Array(1 << FIRST_BITS).fill(FREE);
  #workers: Int32Array = new Int32Array(1 << FIRST_BITS);
  #reasons: Uint32Array = new Uint32Array(1 << FIRST_BITS);

  /** Pairs. */
  size = 0;

  /** True when the block is on its way to this worker. */
  has(slot: Slot, worker: number): boolean {
    return this.#find(slot, worker) >= 0;
  }

  /** One more reason; true for the first. */
  add(slot: Slot, worker: number): boolean {
    const at = this.#find(slot, worker);
    if (at >= 0) {
      this.#reasons[at] = (this.#reasons[at] as number) + 1; // a pair
      return false;
    }
    this.#enter(slot, worker, 1);
    this.size++;
    if (this.size * 2 > this.#slots.length) this.#grow();
    return true;
  }

  /** One reason less; true for the last. Nothing happens where there is none. */
  drop(slot: Slot, worker: number): boolean {
    const at = this.#find(slot, worker);
    if (at < 0) return false;
    const left = (this.#reasons[at] as number) - 1; // a pair
    this.#reasons[at] = left;
    if (left === 0) this.#remove(at);
    return left === 0;
  }

  /** Whatever the reasons: it has arrived, or will not; true when it was on its way. */
  delete(slot: Slot, worker: number): boolean {
    const at = this.#find(slot, worker);
    if (at >= 0) this.#remove(at);
    return at >= 0;
  }

  /** Workers to which the block is on its way. */
  workersOf(slot: Slot): number[] {
    const out: number[] = [];
    if (this.size === 0) return out;
    const mask = this.#slots.length - 1;
    for (let at = this.#home(slot); this.#slots[at] !== FREE; at = (at + 1) & mask)
      if (this.#slots[at] === slot) out.push(this.#workers[at] as number); // a pair
    return out;
  }

  /** All pairs. */
  *pairs(): Generator<{ readonly slot: Slot; readonly worker: number }> {
    for (const [at, slot] of this.#slots.entries())
      if (slot !== FREE) yield { slot, worker: this.#workers[at] as number }; // a pair
  }

  #home(slot: Slot): number {
    return Math.imul(slot, GOLDEN) >>> (32 - this.#bits);
  }

  #find(slot: Slot, worker: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = this.#home(slot); ; at = (at + 1) & mask) {
      const each = slots[at];
      if (each === slot && this.#workers[at] === worker) return at;
      if (each === FREE) return -1;
    }
  }

  #enter(slot: Slot, worker: number, reasons: number): void {
    const mask = this.#slots.length - 1;
    let at = this.#home(slot);
    while (this.#slots[at] !== FREE) at = (at + 1) & mask;
    this.#slots[at] = slot;
    this.#workers[at] = worker;
    this.#reasons[at] = reasons;
  }

  /** What stands behind a pair that goes moves up to it where it may, so that searches end at the first free place. */
  #remove(gone: number): void {
    const mask = this.#slots.length - 1;
    let hole = gone;
    for (let at = (gone + 1) & mask; this.#slots[at] !== FREE; at = (at + 1) & mask) {
      const slot = this.#slots[at] as Slot; // in use
      if (((at - this.#home(slot)) & mask) < ((at - hole) & mask)) continue;
      this.#slots[hole] = slot;
      this.#workers[hole] = this.#workers[at] as number;
      this.#reasons[hole] = this.#reasons[at] as number;
      hole = at;
    }
    this.#slots[hole] = FREE;
    this.size--;
  }

  #grow(): void {
    const [slots, workers, reasons] = [this.#slots, this.#workers, this.#reasons];
    this.#bits++;
    const n = 1 << this.#bits;
    this.#slots = new Int32Array(n).fill(FREE);
    this.#workers = new Int32Array(n);
    this.#reasons = new Uint32Array(n);
    for (const [at, slot] of slots.entries())
      if (slot !== FREE) this.#enter(slot, workers[at] as number, reasons[at] as number); // a pair
  }
}
