/** Places where an order of tasks may be cut in two, with what it would cost: kept while the order is made. */

/** As many as stand in the heap: most graphs are one call. */
const FIRST_CAPACITY = 8;

/**
 * Before each task that needs nothing of what comes right before it: its rank, the bytes that tasks from there on read of
 * what comes earlier, and the work of everything earlier. Ascending.
 */
export class OrderCuts {
  /** Cuts that are kept. */
  count = 0;
  #ranks = new Float64Array(FIRST_CAPACITY);
  #bytes = new Float64Array(FIRST_CAPACITY);
  #work = new Float64Array(FIRST_CAPACITY);

  /** One more, behind the others. */
  push(rank: number, bytes: number, work: number): void {
    if (this.count === this.#ranks.length) {
      this.#ranks = grown(this.#ranks);
      this.#bytes = grown(this.#bytes);
      this.#work = grown(this.#work);
    }
    this.#ranks[this.count] = rank;
    this.#bytes[this.count] = bytes;
    this.#work[this.count++] = work;
  }

  /** Rank of the first task behind the cut. */
  rank(at: number): number {
    return this.#ranks[at] as number; // at < count
  }

  /** Bytes that cross it. */
  bytes(at: number): number {
    return this.#bytes[at] as number; // at < count
  }

  /** Work before it, in bytes made and what tasks cost beside. */
  work(at: number): number {
    return this.#work[at] as number; // at < count
  }

  /** The first cut that is not before a rank; `count`: there is none. */
  from(rank: number): number {
    let lo = 0;
    let hi = this.count;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if ((this.#ranks[mid] as number) < rank) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }

  /** Forget what is before a rank. */
  drop(rank: number): void {
    const first = this.from(rank);
    if (first * 2 < this.count) return;
    for (const column of [this.#ranks, this.#bytes, this.#work]) column.copyWithin(0, first, this.count);
    this.count -= first;
  }
}

function grown(old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(old.length * 2);
  larger.set(old);
  return larger;
}
