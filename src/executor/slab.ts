/** Arithmetic of one slab of small blocks, in columns: thousands of extents come and go without an object or a table's entry. */
import { invariant } from "../base/index.ts";
import { ALIGNMENT } from "./allocator.ts";

const NOTHING = 0;
const FREE = 1;
const LIVE = 2;

/**
 * Extents of one slab. An extent of exactly the wanted size is reused last freed first, else the slab's untouched end
 * serves, else free neighbours are joined and the smallest that is large enough is cut.
 */
export class SlabAllocator {
  readonly #units: number;
  /** Units of the extent that begins here, live or free; what it says inside extents means nothing. */
  readonly #sizes: Uint16Array;
  /** What begins here: {@link NOTHING}, {@link FREE} or {@link LIVE}. */
  readonly #states: Uint8Array;
  /** Starts of free extents by size, in units. */
  readonly #free = new Map<number, number[]>();
  #top = 0;
  #live = 0;
  /** Something was freed since neighbours were joined. */
  #isLoose = false;

  constructor(capacity: number) {
    this.#units = Math.floor(capacity / ALIGNMENT);
    invariant(this.#units < 2 ** 16, `a slab of ${capacity} bytes`);
    this.#sizes = new Uint16Array(this.#units);
    this.#states = new Uint8Array(this.#units);
  }

  /** Bytes of live extents. */
  get live(): number {
    return this.#live * ALIGNMENT;
  }

  /** Offset of `size` bytes, a multiple of 64, or -1. */
  allocate(size: number): number {
    const n = size / ALIGNMENT;
    if (this.#units - this.#live < n) return -1;
    const start = this.#free.get(n)?.pop();
    if (start !== undefined) return this.#take(start, n);
    if (this.#top + n > this.#units && this.#isLoose) this.#join();
    if (this.#top + n > this.#units) return this.#cut(n);
    this.#top += n;
    return this.#take(this.#top - n, n);
  }

  /** Give a live extent back. */
  release(offset: number): void {
    const start = offset / ALIGNMENT;
    const n = this.#sizes[start] as number; // within the slab
    invariant(this.#states[start] === LIVE, `no extent at ${offset}`);
    this.#live -= n;
    if (this.#live === 0) {
      this.#states.fill(NOTHING, 0, this.#top);
      this.#top = 0;
      this.#free.clear();
      this.#isLoose = false;
      return;
    }
    this.#addFree(start, n);
    this.#isLoose = true;
  }

  #take(start: number, n: number): number {
    this.#sizes[start] = n;
    this.#states[start] = LIVE;
    this.#live += n;
    return start * ALIGNMENT;
  }

  #addFree(start: number, n: number): void {
    this.#sizes[start] = n;
    this.#states[start] = FREE;
    const starts = this.#free.get(n);
    if (starts) starts.push(start);
    else this.#free.set(n, [start]);
  }

  /** Join free neighbours; those at the end are untouched again. */
  #join(): void {
    this.#free.clear();
    this.#isLoose = false;
    const end = this.#top;
    let from = -1; // where the free extents began that precede `at`
    for (let at = 0; at < end; ) {
      const n = this.#sizes[at] as number; // an extent begins here
      if (this.#states[at] === FREE) {
        this.#states[at] = NOTHING; // until it is known how far they reach
        from = from < 0 ? at : from;
      } else if (from >= 0) {
        this.#addFree(from, at - from);
        from = -1;
      }
      at += n;
    }
    if (from >= 0) this.#top = from;
  }

  /** Of the smallest free extent that is large enough. */
  #cut(n: number): number {
    let best = -1;
    for (const [size, starts] of this.#free)
      if (size >= n && starts.length > 0 && (best < 0 || size < best)) best = size;
    const start = best < 0 ? undefined : this.#free.get(best)?.pop();
    if (start === undefined) return -1;
    if (best > n) this.#addFree(start + n, best - n);
    return this.#take(start, n);
  }
}
