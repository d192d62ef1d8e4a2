/** Many columns of keys at once: in which of them, and where, is this key? What a column stands for is its owner's. */
import { KeyColumn } from "./key-column.ts";
import { type KeyStore, KeyTable } from "./key-table.ts";
import type { Key } from "./keys.ts";

/** The keys of one column, entered under numbers that follow each other. */
export interface KeyRange {
  /** Number of the first; given when the range is opened, and anew when numbers run out. */
  start: number;
  readonly keys: KeyColumn;
}

/** A key of a range. */
export interface RangePlace<R> {
  readonly range: R;
  readonly index: number;
}

/** Numbers that are given out before all are given anew. */
const NUMBERS_MAX = 2 ** 31;

/** Keys of ranges, each entered at most once. */
export class KeyRanges<R extends KeyRange> implements KeyStore {
  /** By their first numbers. */
  #ranges: R[] = [];
  #table = new KeyTable(this);
  #next = 0;
  /** Ranges in which some key is a tuple, as those of blocks are. */
  #tuples = 0;
  /** The range that was found last. */
  #last: R | undefined;

  /** Keys that are entered. */
  get size(): number {
    return this.#table.size;
  }

  /** Begin with the keys of a column; none of them is entered yet. */
  add(range: R): R {
    if (this.#next + range.keys.length > NUMBERS_MAX) this.#renumber();
    range.start = this.#next;
    this.#next += range.keys.length;
    this.#ranges.push(range);
    if (range.keys.hasTuples) this.#tuples++;
    this.#table.reserve(range.keys.length);
    return range;
  }

  /** Enter key `index` of a range; it is not there. */
  enter(range: R, index: number, hash: number): void {
    this.#table.add(range.start + index, hash);
  }

  /** Forget ranges, with all of their keys that were entered. */
  close(ranges: readonly R[]): void {
    if (ranges.length === this.#ranges.length) {
      this.#table.clear();
      this.#ranges = [];
      this.#next = 0;
      this.#tuples = 0;
    } else {
      for (const { start, keys } of ranges) for (let i = 0; i < keys.length; i++) this.#table.delete(start + i);
      for (const { start, keys } of ranges) {
        this.#ranges.splice(this.#placeOf(start), 1);
        if (keys.hasTuples) this.#tuples--;
      }
    }
    this.#last = undefined;
  }

  /** Range and place of key `index` of a column. */
  findIn(keys: KeyColumn, index: number, hash: number = keys.hashAt(index)): RangePlace<R> | undefined {
    const entry = this.#table.size === 0 ? -1 : this.#table.find(keys, index, hash);
    if (entry < 0) return undefined;
    const range = this.#rangeOf(entry);
    return { range, index: entry - range.start };
  }

  /** Range and place of a key. */
  findKey(key: Key): RangePlace<R> | undefined {
    if (this.#table.size === 0 || (this.#tuples === 0 && key.startsWith("\0"))) return undefined;
    return this.findIn(KeyColumn.of([key]), 0);
  }

  /** Every key that is entered, in no order. */
  *places(): Generator<RangePlace<R>, void, undefined> {
    for (const entry of this.#table.entries()) {
      const range = this.#rangeOf(entry);
      yield { range, index: entry - range.start };
    }
  }

  hash(entry: number): number {
    const { keys, start } = this.#rangeOf(entry);
    return keys.hashAt(entry - start);
  }

  is(entry: number, keys: KeyColumn, index: number): boolean {
    const { keys: own, start } = this.#rangeOf(entry);
    return own.equals(entry - start, keys, index);
  }

  /** A number lies in exactly one range. */
  #rangeOf(entry: number): R {
    const last = this.#last;
    if (last && entry >= last.start && entry < last.start + last.keys.length) return last;
    const range = this.#ranges[this.#placeOf(entry)] as R; // what is in the table lies in one
    this.#last = range;
    return range;
  }

  /** Place of the range in which a number lies. */
  #placeOf(entry: number): number {
    let lo = 0;
    let hi = this.#ranges.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if ((this.#ranges[mid] as R).start <= entry)
        lo = mid; // mid < length
      else hi = mid - 1;
    }
    return lo;
  }

  /** Give all ranges numbers from zero again. */
  #renumber(): void {
    const entered = Array.from(this.places());
    let next = 0;
    for (const range of this.#ranges) {
      range.start = next;
      next += range.keys.length;
    }
    this.#next = next;
    this.#last = undefined;
    this.#table = new KeyTable(this);
    for (const { range, index } of entered) this.#table.add(range.start + index, range.keys.hashAt(index));
  }
}
