/** Sets of ranks as bits, in pages that exist while they hold some; the smallest is found by skipping what is empty. */

const PAGE_BITS = 12;
const PAGE_WORDS = 1 << (PAGE_BITS - 5);
const WORD_MASK = PAGE_WORDS - 1;

/** Ranks of one graph, or slots. */
export class RankSet {
  readonly #pages: (Uint32Array | undefined)[] = [];
  readonly #counts: number[] = [];
  /** No member is in a page before this one, nor in a word before that one. */
  #first = 0;
  #spare: Uint32Array | undefined;
  readonly #pageWords: number;

  /** Members. */
  size = 0;

  /** @param below all members are: most graphs are one call, and need no page of thousands */
  constructor(below: number = Number.POSITIVE_INFINITY) {
    this.#pageWords = Math.min(PAGE_WORDS, Math.ceil(below / 32));
  }

  has(rank: number): boolean {
    const word = this.#pages[rank >>> PAGE_BITS]?.[(rank >>> 5) & WORD_MASK] ?? 0;
    return ((word >>> (rank & 31)) & 1) === 1;
  }

  add(rank: number): void {
    const p = rank >>> PAGE_BITS;
    let page = this.#pages[p];
    if (!page) {
      page = this.#spare ?? new Uint32Array(this.#pageWords);
      this.#spare = undefined;
      this.#pages[p] = page;
      this.#counts[p] = 0;
    }
    const w = (rank >>> 5) & WORD_MASK;
    const bit = 1 << (rank & 31);
    const word = page[w] as number; // within the page
    if ((word & bit) !== 0) return;
    page[w] = word | bit;
    this.#counts[p] = (this.#counts[p] as number) + 1;
    this.size++;
    if (rank >>> 5 < this.#first) this.#first = rank >>> 5;
  }

  /** Add ranks from `from` on and before `to`, of which none is a member. */
  addNew(from: number, to: number): void {
    for (let rank = from; rank < to; ) {
      // The first makes the page, and is counted; the rest of its word follows.
      this.add(rank);
      const end = Math.min(to, (rank | 31) + 1);
      const rest = end - rank - 1;
      if (rest > 0) {
        const p = rank >>> PAGE_BITS;
        const page = this.#pages[p] as Uint32Array; // it was just made
        const w = (rank >>> 5) & WORD_MASK;
        page[w] = (page[w] as number) | (((1 << rest) - 1) << ((rank & 31) + 1));
        this.#counts[p] = (this.#counts[p] as number) + rest;
        this.size += rest;
      }
      rank = end;
    }
  }

  delete(rank: number): void {
    const p = rank >>> PAGE_BITS;
    const page = this.#pages[p];
    if (!page) return;
    const w = (rank >>> 5) & WORD_MASK;
    const bit = 1 << (rank & 31);
    const word = page[w] as number; // within the page
    if ((word & bit) === 0) return;
    page[w] = word & ~bit;
    this.size--;
    const left = (this.#counts[p] as number) - 1;
    this.#counts[p] = left;
    if (left > 0) return;
    this.#pages[p] = undefined;
    this.#spare = page; // all zero
  }

  /** All members, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (const [p, page] of this.#pages.entries())
      for (const [w, word] of page?.entries() ?? [])
        for (let left = word; left !== 0; left &= left - 1)
          yield (p << PAGE_BITS) + (w << 5) + 31 - Math.clz32(left & -left);
  }

  /** The smallest member; -1: there is none. */
  min(): number {
    if (this.size === 0) return -1;
    let at = this.#first;
    for (;;) {
      const page = this.#pages[at >>> (PAGE_BITS - 5)];
      if (!page) {
        at = ((at >>> (PAGE_BITS - 5)) + 1) << (PAGE_BITS - 5);
        continue;
      }
      const word = page[at & WORD_MASK] as number; // within the page
      if (word !== 0) {
        this.#first = at;
        return at * 32 + 31 - Math.clz32(word & -word);
      }
      at++;
    }
  }

  /** The smallest member from `from` on and before `to`; -1: there is none. */
  next(from: number, to: number): number {
    if (this.size === 0) return -1;
    let at = from >>> 5;
    let mask = -1 << (from & 31);
    while (at * 32 < to) {
      const page = this.#pages[at >>> (PAGE_BITS - 5)];
      if (!page) at = ((at >>> (PAGE_BITS - 5)) + 1) << (PAGE_BITS - 5);
      else {
        const word = (page[at & WORD_MASK] as number) & mask; // within the page
        if (word !== 0) {
          const rank = at * 32 + 31 - Math.clz32(word & -word);
          return rank < to ? rank : -1;
        }
        at++;
      }
      mask = -1;
    }
    return -1;
  }
}

const ORDER_BITS = 10;
const ORDER_PAGE = 1 << ORDER_BITS;

/** Which task has a rank: for those that may still be asked for. */
export class RankOrder {
  readonly #pages: (Uint32Array | undefined)[] = [];
  /** Ranks before this one are known no more. */
  from = 0;
  /** Ranks given out. */
  count = 0;
  /** Tasks of early ranks that were asked for again. */
  readonly #late = new Map<number, number>();
  readonly #pageRanks: number;

  /** @param most so many ranks will be given out */
  constructor(most: number = Number.POSITIVE_INFINITY) {
    this.#pageRanks = Math.min(ORDER_PAGE, most);
  }

  /** Give the next rank to a task. */
  push(task: number): number {
    const rank = this.count++;
    let page = this.#pages[rank >>> ORDER_BITS];
    if (!page) {
      page = new Uint32Array(this.#pageRanks);
      this.#pages[rank >>> ORDER_BITS] = page;
    }
    page[rank & (ORDER_PAGE - 1)] = task;
    return rank;
  }

  /** The same for many, in order; gives the rank of the first. */
  pushAll(tasks: Uint32Array, count: number): number {
    const first = this.count;
    for (let done = 0; done < count; ) {
      const at = this.count & (ORDER_PAGE - 1);
      const page = this.#pages[this.count >>> ORDER_BITS] ?? new Uint32Array(this.#pageRanks);
      this.#pages[this.count >>> ORDER_BITS] = page;
      const fit = Math.min(count - done, ORDER_PAGE - at);
      page.set(tasks.subarray(done, done + fit), at);
      this.count += fit;
      done += fit;
    }
    return first;
  }

  /** The task of a rank that is not before `from`, or was told by {@link recall}. */
  task(rank: number): number {
    const page = this.#pages[rank >>> ORDER_BITS];
    return page ? (page[rank & (ORDER_PAGE - 1)] as number) : (this.#late.get(rank) as number); // by the contract
  }

  /** The task of an early rank is to be done again. */
  recall(rank: number, task: number): void {
    if (rank < this.from) this.#late.set(rank, task);
  }

  /** It is done. */
  settle(rank: number): void {
    if (rank < this.from) this.#late.delete(rank);
  }

  /** Ranks before `rank` will not be asked for, unless they are recalled. */
  drop(rank: number): void {
    while (this.from + ORDER_PAGE <= rank) {
      this.#pages[this.from >>> ORDER_BITS] = undefined;
      this.from += ORDER_PAGE;
    }
  }
}
