/** Values that have a number instead of a key, in pages: numbers rise, and are never used again. */

const PAGE_BITS = 8;
const PAGE = 1 << PAGE_BITS;

interface Page<V, N> {
  readonly values: (V | undefined)[];
  /** What each is a block of, and its number there. */
  readonly owners: (N | undefined)[];
  readonly tasks: Float64Array;
  count: number;
}

/** Values by number. An entry has an owner and a number there, by which it can be named. */
export class BlockPages<V, N> {
  readonly #pages = new Map<number, Page<V, N>>();

  get(ref: number): V | undefined {
    return this.#pages.get(Math.floor(ref / PAGE))?.values[ref % PAGE];
  }

  /** Owner and number there of a value that is here. */
  name(ref: number): { readonly owner: N; readonly task: number } | undefined {
    const page = this.#pages.get(Math.floor(ref / PAGE));
    const owner = page?.owners[ref % PAGE];
    return page && owner !== undefined ? { owner, task: page.tasks[ref % PAGE] as number } : undefined;
  }

  /** A value under a number that has none. */
  set(ref: number, value: V, { owner, task }: { readonly owner: N; readonly task: number }): void {
    const number = Math.floor(ref / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = {
        values: new Array<V | undefined>(PAGE).fill(undefined),
        owners: new Array<N | undefined>(PAGE).fill(undefined),
        tasks: new Float64Array(PAGE),
        count: 0,
      };
      this.#pages.set(number, page);
    }
    const at = ref % PAGE;
    if (page.values[at] === undefined) page.count++;
    page.values[at] = value;
    page.owners[at] = owner;
    page.tasks[at] = task;
  }

  delete(ref: number): V | undefined {
    const number = Math.floor(ref / PAGE);
    const page = this.#pages.get(number);
    const value = page?.values[ref % PAGE];
    if (page === undefined || value === undefined) return undefined;
    page.values[ref % PAGE] = undefined;
    page.owners[ref % PAGE] = undefined;
    if (--page.count === 0) this.#pages.delete(number);
    return value;
  }

  /** Numbers and values, in the order of the pages. */
  *[Symbol.iterator](): Generator<readonly [ref: number, value: V], void, undefined> {
    for (const [number, { values }] of Array.from(this.#pages))
      for (let at = 0; at < PAGE; at++) {
        const value = values[at];
        if (value !== undefined) yield [number * PAGE + at, value];
      }
  }
}
