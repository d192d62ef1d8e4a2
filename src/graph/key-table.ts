/**
 * Which of many keys is this one? A table of numbers, by open addressing: what a number stands for its owner knows, so that a
 * key costs four bytes here beside those of its column.
 */
import type { KeyColumn } from "./key-column.ts";

/** Where the keys stand that a table's numbers stand for. */
export interface KeyStore {
  /** Hash of the key, as its column gives it. */
  hash(entry: number): number;
  /** True when it is key `index` of `keys`. */
  is(entry: number, keys: KeyColumn, index: number): boolean;
}

/** Part of the cells that are taken at the most, and cells at the least. */
const FULL = 0.8;
const CELLS_MIN = 16;
const GROWTH = 1.6;

/** Numbers by key. */
export class KeyTable {
  readonly #store: KeyStore;
  /** One more than the number; 0: nothing. */
  #cells = new Uint32Array(CELLS_MIN);
  #scale = CELLS_MIN / 2 ** 32;
  #size = 0;

  constructor(store: KeyStore) {
    this.#store = store;
  }

  /** Keys that are in it. */
  get size(): number {
    return this.#size;
  }

  /** Number of a key whose hash is known; -1: it is not there. */
  find(keys: KeyColumn, index: number, hash: number): number {
    const cells = this.#cells;
    let at = Math.floor(hash * this.#scale);
    for (let cell = cells[at] as number; cell !== 0; cell = cells[at] as number) {
      if (this.#store.is(cell - 1, keys, index)) return cell - 1;
      if (++at === cells.length) at = 0;
    }
    return -1;
  }

  /** Make room for so many more. */
  reserve(count: number): void {
    const needed = this.#size + count;
    if (needed <= FULL * this.#cells.length) return;
    const cells = Math.ceil(needed / FULL);
    // Many small steps must not each cost the whole.
    this.#rebuild(this.#size === 0 ? cells : Math.max(cells, Math.ceil(this.#cells.length * GROWTH)));
  }

  /** Enter a number whose key is not there, by the hash of its key. */
  add(entry: number, hash: number): void {
    this.reserve(1);
    this.#put(entry, hash);
    this.#size++;
  }

  /** Take a number out, if it is there. */
  delete(entry: number): void {
    const cells = this.#cells;
    let at = Math.floor(this.#store.hash(entry) * this.#scale);
    while (cells[at] !== entry + 1) {
      if (cells[at] === 0) return;
      if (++at === cells.length) at = 0;
    }
    this.#size--;
    // What follows moves up, unless its place is behind the gap: nothing is ever looked for beyond a gap.
    let next = at;
    for (;;) {
      if (++next === cells.length) next = 0;
      const cell = cells[next] as number; // within the cells
      if (cell === 0) break;
      const home = Math.floor(this.#store.hash(cell - 1) * this.#scale);
      const isBehind = at <= next ? home > at && home <= next : home > at || home <= next;
      if (isBehind) continue;
      cells[at] = cell;
      at = next;
    }
    cells[at] = 0;
    if (this.#size === 0) this.clear();
  }

  /** All of them, in no order. */
  *entries(): Generator<number, void, undefined> {
    for (const cell of this.#cells) if (cell !== 0) yield cell - 1;
  }

  /** Forget all. */
  clear(): void {
    this.#size = 0;
    if (this.#cells.length > CELLS_MIN) this.#cells = new Uint32Array(CELLS_MIN);
    else this.#cells.fill(0);
    this.#scale = CELLS_MIN / 2 ** 32;
  }

  #put(entry: number, hash: number): void {
    const cells = this.#cells;
    let at = Math.floor(hash * this.#scale);
    while (cells[at] !== 0) if (++at === cells.length) at = 0;
    cells[at] = entry + 1;
  }

  #rebuild(count: number): void {
    const old = this.#cells;
    this.#cells = new Uint32Array(count);
    this.#scale = count / 2 ** 32;
    for (let i = 0; i < old.length; i++) {
      const cell = old[i] as number; // i < length
      if (cell !== 0) this.#put(cell - 1, this.#store.hash(cell - 1));
    }
  }
}
