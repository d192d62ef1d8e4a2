/** Keys of tasks of layers that have keys of their own: which task has which. The texts are the layers', as bytes. */
import { type Key, KeyColumn, type KeyStore, KeyTable, type TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";

/** A task of a batch. */
export interface BatchTask {
  readonly batch: LayerBatch;
  readonly task: TaskId;
}

/** The keys of one layer, entered under numbers that follow each other. */
export interface KeyRange {
  /** Number of the first; given anew when numbers run out. */
  start: number;
  readonly keys: KeyColumn;
  /** The first task of the layer. */
  readonly task: TaskId;
  /** Null while the graph is being looked at. */
  batch: LayerBatch | null;
}

/** Numbers that are given out before all are given anew. */
const NUMBERS_MAX = 2 ** 31;

/** All such keys that lead to a task. */
export class CallKeys implements KeyStore {
  /** By their first numbers. */
  #ranges: KeyRange[] = [];
  #table = new KeyTable(this);
  #next = 0;
  /** The range that was found last. */
  #last: KeyRange | undefined;

  get size(): number {
    return this.#table.size;
  }

  /** Begin with the keys of a layer; none of them is entered yet. */
  open(keys: KeyColumn, task: TaskId): KeyRange {
    if (this.#next + keys.length > NUMBERS_MAX) this.#renumber();
    const range: KeyRange = { start: this.#next, keys, task, batch: null };
    this.#next += keys.length;
    this.#ranges.push(range);
    this.#table.reserve(keys.length);
    return range;
  }

  /** Enter key `index` of a range; it is not there. */
  enter(range: KeyRange, index: number, hash: number): void {
    this.#table.add(range.start + index, hash);
  }

  /** Forget ranges, with all of their keys that were entered. */
  close(ranges: readonly KeyRange[]): void {
    if (ranges.length === this.#ranges.length) {
      this.#table.clear();
      this.#ranges = [];
      this.#next = 0;
    } else {
      for (const { start, keys } of ranges) for (let i = 0; i < keys.length; i++) this.#table.delete(start + i);
      for (const { start } of ranges) this.#ranges.splice(this.#placeOf(start), 1);
    }
    this.#last = undefined;
  }

  /** Range and place of a key. */
  findIn(
    keys: KeyColumn,
    index: number,
    hash: number = keys.hashAt(index),
  ): { readonly range: KeyRange; readonly index: number } | undefined {
    const entry = this.#table.size === 0 ? -1 : this.#table.find(keys, index, hash);
    if (entry < 0) return undefined;
    const range = this.#rangeOf(entry);
    return { range, index: entry - range.start };
  }

  /** The task of key `index` of a column. */
  findAt(keys: KeyColumn, index: number): BatchTask | undefined {
    const found = this.findIn(keys, index);
    return found?.range.batch ? { batch: found.range.batch, task: found.range.task + found.index } : undefined;
  }

  /** The task of a key. */
  find(key: Key): BatchTask | undefined {
    return this.#table.size === 0 ? undefined : this.findAt(KeyColumn.of([key]), 0);
  }

  /** Every key that is entered, with its task. */
  *all(): Generator<{ readonly key: Key } & BatchTask, void, undefined> {
    for (const entry of this.#table.entries()) {
      const { batch, keys, start, task } = this.#rangeOf(entry);
      if (batch) yield { key: keys.at(entry - start), batch, task: task + entry - start };
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
  #rangeOf(entry: number): KeyRange {
    const last = this.#last;
    if (last && entry >= last.start && entry < last.start + last.keys.length) return last;
    const range = this.#ranges[this.#placeOf(entry)] as KeyRange; // what is in the table lies in one
    this.#last = range;
    return range;
  }

  /** Place of the range in which a number lies. */
  #placeOf(entry: number): number {
    let lo = 0;
    let hi = this.#ranges.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if ((this.#ranges[mid] as KeyRange).start <= entry) lo = mid;
      else hi = mid - 1;
    }
    return lo;
  }

  /** Give all ranges numbers from zero again. */
  #renumber(): void {
    const entered = Array.from(this.#table.entries(), (entry) => {
      const range = this.#rangeOf(entry);
      return [range, entry - range.start] as const;
    });
    let next = 0;
    for (const range of this.#ranges) {
      range.start = next;
      next += range.keys.length;
    }
    this.#next = next;
    this.#last = undefined;
    this.#table = new KeyTable(this);
    for (const [range, index] of entered) this.#table.add(range.start + index, range.keys.hashAt(index));
  }
}
