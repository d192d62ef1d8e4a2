/** Binary min-heap over a caller's ordering, with O(log n) removal of any member. */

/** Smallest first by `less`; members are unique by identity. */
export class Heap<T> {
  readonly #less: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #at = new Map<T, number>();

  constructor(less: (a: T, b: T) => boolean) {
    this.#less = less;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#at.has(item);
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  /** Add `item`; a member already present stays where it is. */
  push(item: T): void {
    if (this.#at.has(item)) return;
    this.#items.push(item);
    this.#at.set(item, this.#items.length - 1);
    this.#up(this.#items.length - 1);
  }

  pop(): T | undefined {
    const top = this.#items[0];
    if (top !== undefined) this.delete(top);
    return top;
  }

  delete(item: T): boolean {
    const i = this.#at.get(item);
    if (i === undefined) return false;
    const last = this.#items.pop() as T; // non-empty: `item` is in it
    this.#at.delete(item);
    if (last !== item) {
      this.#place(last, i);
      this.#up(i);
      this.#down(this.#at.get(last) ?? i);
    }
    return true;
  }

  /** Members in heap order (not sorted). */
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  #place(item: T, i: number): void {
    this.#items[i] = item;
    this.#at.set(item, i);
  }

  #up(start: number): void {
    let i = start;
    const item = this.#items[i] as T; // callers pass a valid index
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = this.#items[parent] as T; // parent < i
      if (!this.#less(item, above)) break;
      this.#place(above, i);
      i = parent;
    }
    this.#place(item, i);
  }

  #down(start: number): void {
    let i = start;
    const n = this.#items.length;
    const item = this.#items[i] as T; // callers pass a valid index
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && this.#less(this.#items[child + 1] as T, this.#items[child] as T)) child++;
      const below = this.#items[child] as T; // child < n
      if (!this.#less(below, item)) break;
      this.#place(below, i);
      i = child;
    }
    this.#place(item, i);
  }
}
