/** Sets of slots that a worker has or runs: dense, with the place of each slot in a column. */
import { BATCH, CELL, type Columns, HOLDER, PLACE, RANK, type Slot } from "./columns.ts";

/** Slots, each of which is in one such list at most. A slot that leaves gives its place to the last. */
export class SlotList implements Iterable<Slot> {
  readonly #columns: Columns;
  readonly #slots: Slot[] = [];

  constructor(columns: Columns) {
    this.#columns = columns;
  }

  get size(): number {
    return this.#slots.length;
  }

  has(slot: Slot): boolean {
    return this.#slots[this.#columns.cells[(slot << CELL) + PLACE] as number] === slot; // a slot given out
  }

  add(slot: Slot): void {
    if (!this.has(slot)) this.addNew(slot);
  }

  /** The same of one that is not in the list. */
  addNew(slot: Slot): void {
    this.#columns.cells[(slot << CELL) + PLACE] = this.#slots.length;
    this.#slots.push(slot);
  }

  delete(slot: Slot): boolean {
    const at = this.#columns.cells[(slot << CELL) + PLACE] as number; // a slot given out
    if (this.#slots[at] !== slot) return false;
    const last = this.#slots.pop() as Slot; // there is one
    if (last !== slot) {
      this.#slots[at] = last;
      this.#columns.cells[(last << CELL) + PLACE] = at;
    }
    return true;
  }

  /** Call for each. */
  each(take: (slot: Slot) => void): void {
    for (let i = 0; i < this.#slots.length; i++) take(this.#slots[i] as Slot); // i < length
  }

  [Symbol.iterator](): ArrayIterator<Slot> {
    return this.#slots[Symbol.iterator]();
  }
}

/** Results at one worker: those of which it is the only holder, or was when it got them, in a list; copies in a set. */
export class HeldSlots implements Iterable<Slot> {
  readonly #columns: Columns;
  readonly #own: SlotList;
  readonly #copies = new Set<Slot>();

  constructor(columns: Columns) {
    this.#columns = columns;
    this.#own = new SlotList(columns);
  }

  get size(): number {
    return this.#own.size + this.#copies.size;
  }

  has(slot: Slot): boolean {
    return this.#own.has(slot) || (this.#copies.size > 0 && this.#copies.has(slot));
  }

  /** Enter a result that is not here; before it is noted who holds it. */
  add(slot: Slot): void {
    if ((this.#columns.cells[(slot << CELL) + HOLDER] as number) < 0)
      this.#own.add(slot); // a slot given out
    else this.#copies.add(slot);
  }

  /** The same for one that nobody holds. */
  addOwn(slot: Slot): void {
    this.#own.addNew(slot);
  }

  delete(slot: Slot): boolean {
    return this.#own.delete(slot) || this.#copies.delete(slot);
  }

  /** The same for one that is no copy; false where it is. */
  deleteOwn(slot: Slot): boolean {
    return this.#own.delete(slot);
  }

  /** Bytes of those of a batch with ranks from `from` on and before `to`. */
  bytesOf(batch: number, { from, to }: { readonly from: number; readonly to: number }): number {
    const { cells, nbytes } = this.#columns;
    let bytes = 0;
    const add = (slot: Slot): void => {
      const own = cells[(slot << CELL) + RANK] as number; // a slot given out
      if (cells[(slot << CELL) + BATCH] === batch && own >= from && own < to) bytes += nbytes[slot] as number;
    };
    this.#own.each(add);
    for (const slot of this.#copies) add(slot);
    return bytes;
  }

  *[Symbol.iterator](): Generator<Slot> {
    yield* this.#own;
    yield* this.#copies;
  }
}
