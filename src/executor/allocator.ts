/** Arithmetic of one segment: which bytes are whose. No memory is touched here. */
import { invariant } from "../base/index.ts";

/** Alignment of every extent. */
export const ALIGNMENT = 64;
/** Bytes behind every block that kernels may read (kernels.md §3.6). */
export const TAIL_BYTES = 64;

/** Bytes that a block of `nbytes` occupies: aligned, with its tail. */
export function footprintOf(nbytes: number): number {
  return Math.ceil(nbytes / ALIGNMENT) * ALIGNMENT + TAIL_BYTES;
}

/** One block that {@link SegmentAllocator.compact} moves; apply in the order given, as overlapping moves are possible. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/**
 * Extents of one segment of `capacity` bytes. Sizes and offsets are multiples of 64.
 *
 * Below `top` lie live and free extents, above it nothing was ever handed out or all of it came back. An extent of
 * exactly the wanted size is reused last freed first (its pages are warm), else the smallest that is large enough is
 * split, else `top` rises. Free neighbours join.
 */
export class SegmentAllocator {
  readonly capacity: number;
  #top = 0;
  #peak = 0;
  #live = 0;
  readonly #liveSizes = new Map<number, number>();
  /** Free extents below top: size by start, and start by end. */
  readonly #free = new Map<number, number>();
  readonly #freeEnds = new Map<number, number>();
  /** Starts per size, last freed last; entries that are no longer free are skipped when met. */
  readonly #stacks = new Map<number, number[]>();
  /** Sizes that have a stack, ascending. */
  readonly #sizes: number[] = [];

  constructor(capacity: number) {
    this.capacity = Math.floor(capacity / ALIGNMENT) * ALIGNMENT;
  }

  /** Highest value of the segment's end of use so far: bytes that may be resident. */
  get touched(): number {
    return this.#peak;
  }

  /** Bytes of live extents. */
  get live(): number {
    return this.#live;
  }

  /** Size of a live extent. */
  sizeAt(offset: number): number {
    const size = this.#liveSizes.get(offset);
    invariant(size !== undefined, `no extent at ${offset}`);
    return size;
  }

  /** Offset of a free extent of exactly `size`, or -1. */
  takeExact(size: number): number {
    const stack = this.#stacks.get(size);
    for (let start = stack?.pop(); start !== undefined; start = stack?.pop()) {
      if (this.#free.get(start) !== size) continue;
      this.#removeFree(start, size);
      return this.#take(start, size);
    }
    return -1;
  }

  /** Offset of `size` bytes cut from the smallest free extent that holds them, or -1. */
  takeFree(size: number): number {
    for (let k = lowerBound(this.#sizes, size); k < this.#sizes.length; ) {
      const have = this.#sizes[k] as number; // k < length
      const stack = this.#stacks.get(have) as number[]; // one per size
      const start = stack.pop();
      if (start === undefined) {
        this.#sizes.splice(k, 1);
        this.#stacks.delete(have);
      } else if (this.#free.get(start) === have) {
        this.#removeFree(start, have);
        if (have > size) this.#addFree(start + size, have - size);
        return this.#take(start, size);
      }
    }
    return -1;
  }

  /** Offset of `size` bytes above everything in use, or -1. `touchable` bounds how far the touched part may grow. */
  takeTop(size: number, touchable: number = Number.POSITIVE_INFINITY): number {
    const end = this.#top + size;
    if (end > this.capacity || end - this.#peak > touchable) return -1;
    const start = this.#top;
    this.#top = end;
    this.#peak = Math.max(this.#peak, end);
    return this.#take(start, size);
  }

  /** Any way of the three. */
  allocate(size: number): number {
    const exact = this.takeExact(size);
    if (exact >= 0) return exact;
    const cut = this.takeFree(size);
    return cut >= 0 ? cut : this.takeTop(size);
  }

  /** Give a live extent back. */
  release(offset: number): void {
    const size = this.sizeAt(offset);
    this.#liveSizes.delete(offset);
    this.#live -= size;
    this.#giveBack(offset, size);
  }

  /** Slide extents down over free ones, except those that must stay; gives the moves, with the allocator already there. */
  compact(mustStay: (offset: number) => boolean): Move[] {
    const extents = [...this.#liveSizes].sort((a, b) => a[0] - b[0]);
    const moves: Move[] = [];
    this.#liveSizes.clear();
    this.#free.clear();
    this.#freeEnds.clear();
    this.#stacks.clear();
    this.#sizes.length = 0;
    let at = 0;
    for (const [from, size] of extents) {
      const to = mustStay(from) ? from : at;
      if (to !== from) moves.push({ from, to, size });
      if (to > at) this.#addFree(at, to - at);
      this.#liveSizes.set(to, size);
      at = to + size;
    }
    this.#top = at;
    return moves;
  }

  /** Throw if live and free extents do not tile `[0, top)`. For tests. */
  check(): void {
    const all = [...this.#liveSizes, ...this.#free].sort((a, b) => a[0] - b[0]);
    let at = 0;
    for (const [start, size] of all) {
      invariant(start === at && size > 0 && start % ALIGNMENT === 0, `extent at ${start} where ${at} was expected`);
      at += size;
    }
    invariant(at === this.#top && at <= this.capacity, `extents end at ${at}, top is ${this.#top} of ${this.capacity}`);
  }

  #take(start: number, size: number): number {
    invariant(size > 0 && size % ALIGNMENT === 0, `an extent of ${size} bytes`);
    this.#liveSizes.set(start, size);
    this.#live += size;
    return start;
  }

  #giveBack(given: number, length: number): void {
    let start = given;
    let size = length;
    const before = this.#freeEnds.get(start);
    if (before !== undefined) {
      const n = start - before;
      this.#removeFree(before, n);
      start = before;
      size += n;
    }
    const after = this.#free.get(start + size);
    if (after !== undefined) {
      this.#removeFree(start + size, after);
      size += after;
    }
    if (start + size === this.#top) this.#top = start;
    else this.#addFree(start, size);
  }

  #addFree(start: number, size: number): void {
    this.#free.set(start, size);
    this.#freeEnds.set(start + size, start);
    let stack = this.#stacks.get(size);
    if (stack === undefined) {
      stack = [];
      this.#stacks.set(size, stack);
      this.#sizes.splice(lowerBound(this.#sizes, size), 0, size);
    }
    stack.push(start);
    // Entries of extents that have joined others stay behind; drop them whenever the stack has doubled.
    if (stack.length >= 256 && (stack.length & (stack.length - 1)) === 0) {
      this.#stacks.set(
        size,
        [...new Set(stack)].filter((s) => this.#free.get(s) === size),
      );
    }
  }

  #removeFree(start: number, size: number): void {
    this.#free.delete(start);
    this.#freeEnds.delete(start + size);
  }
}

/** Index of the first of ascending `values` that is at least `wanted`. */
function lowerBound(values: readonly number[], wanted: number): number {
  let [lo, hi] = [0, values.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((values[mid] as number) < wanted) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}
