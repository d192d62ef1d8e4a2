/**
 * Blocks of one layer of which no more is to be known than that they are ordered, run, or are here: a few numbers each,
 * in columns. Whatever else concerns a block makes it a task of its own (`WorkerTask`) first.
 */
import { type ColumnScalar, scalarIn, scalarKind } from "../../graph/index.ts";

/** What a cell says. */
export const CELL = { none: 0, ready: 1, executing: 2, memory: 3 } as const;

/** Cells in a page. */
const PAGE_BITS = 8;
const PAGE = 1 << PAGE_BITS;

interface Page {
  readonly states: Uint8Array;
  /** The order that a ready block waits in; what the shell calls one that runs, or is here. */
  readonly numbers: Float64Array;
  readonly nbytes: Float64Array;
  readonly seconds: Float32Array;
  /** Values that are scalars; null: there was none yet. */
  scalars: { readonly kinds: Uint8Array; readonly scalars: Float64Array } | null;
  count: number;
}

/** What is to be known of a block that is here. */
export interface CellValue {
  readonly nbytes: number;
  readonly seconds: number;
  readonly scalar?: ColumnScalar | undefined;
}

/** Numbers of the blocks of one layer. */
export class Cells {
  /** Blocks that have a cell. */
  count = 0;
  /** Class of all values here, as messages tell it. */
  type: Uint8Array | null = null;
  typename = "";
  readonly #pages = new Map<number, Page>();
  #at = -1;
  #page: Page | undefined;

  state(index: number): number {
    return this.#pageOf(index)?.states[index & (PAGE - 1)] ?? CELL.none;
  }

  /** Number of a block that has a cell. */
  number(index: number): number {
    return this.#pageOf(index)?.numbers[index & (PAGE - 1)] ?? -1;
  }

  nbytes(index: number): number {
    return this.#pageOf(index)?.nbytes[index & (PAGE - 1)] ?? 0;
  }

  seconds(index: number): number {
    return this.#pageOf(index)?.seconds[index & (PAGE - 1)] ?? 0;
  }

  /** A block is ready in this order. */
  setReady(index: number, order: number): void {
    this.#set(index, CELL.ready, order);
  }

  /** It runs, and is called `ref`. */
  setExecuting(index: number, ref: number): void {
    this.#set(index, CELL.executing, ref);
  }

  /** It is here, and is called `ref`. */
  setMemory(index: number, ref: number, { nbytes, seconds, scalar }: CellValue): void {
    const page = this.#set(index, CELL.memory, ref);
    const at = index & (PAGE - 1);
    page.nbytes[at] = nbytes;
    page.seconds[at] = seconds;
    const kind = scalarKind(scalar);
    if (kind === 0 && page.scalars === null) return;
    page.scalars ??= { kinds: new Uint8Array(PAGE), scalars: new Float64Array(PAGE) };
    page.scalars.kinds[at] = kind;
    page.scalars.scalars[at] = kind === 0 ? 0 : Number(scalar);
  }

  /** Value of a block that is here, if it is a scalar. */
  scalar(index: number): ColumnScalar | undefined {
    const scalars = this.#pageOf(index)?.scalars;
    return scalars ? scalarIn(scalars, index & (PAGE - 1)) : undefined;
  }

  delete(index: number): void {
    const page = this.#pageOf(index);
    const at = index & (PAGE - 1);
    if (!page || page.states[at] === CELL.none) return;
    page.states[at] = CELL.none;
    this.count--;
    if (--page.count > 0) return;
    this.#pages.delete(index >>> PAGE_BITS);
    this.#at = -1;
    this.#page = undefined;
  }

  /** Numbers of the blocks that have a cell of this state. */
  *of(state: number): Generator<number, void, undefined> {
    for (const [number, { states }] of Array.from(this.#pages))
      for (let at = 0; at < PAGE; at++) if (states[at] === state) yield number * PAGE + at;
  }

  #pageOf(index: number): Page | undefined {
    const number = index >>> PAGE_BITS;
    if (number !== this.#at) {
      this.#at = number;
      this.#page = this.#pages.get(number);
    }
    return this.#page;
  }

  #set(index: number, state: number, number: number): Page {
    let page = this.#pageOf(index);
    if (page === undefined) {
      page = {
        states: new Uint8Array(PAGE),
        numbers: new Float64Array(PAGE),
        nbytes: new Float64Array(PAGE),
        seconds: new Float32Array(PAGE),
        scalars: null,
        count: 0,
      };
      this.#pages.set(index >>> PAGE_BITS, page);
      this.#page = page;
    }
    const at = index & (PAGE - 1);
    if (page.states[at] === CELL.none) {
      page.count++;
      this.count++;
    }
    page.states[at] = state;
    page.numbers[at] = number;
    return page;
  }
}
