/**
 * Tasks as columns: one slot per task, typed arrays that grow together. Materialised tasks have slots of their own; tasks
 * of symbolic graphs get them by the page when they are come to, and give them back when they are done with.
 */
import { invariant } from "../../base/index.ts";
import { LISTED } from "../../graph/index.ts";
import { FORGOTTEN } from "./states.ts";

/** Index of a task in all columns. */
export type Slot = number;

interface FreeRange {
  start: number;
  count: number;
}

const FIRST_CAPACITY = 1024;
/** Slots that there can be: places of their cells' numbers are 31 bits. */
const MOST = 2 ** 27;
/** Slots that neighbouring tasks of a symbolic graph get at once. */
export const PAGE_BITS = 6;
export const PAGE = 64;
/** Inputs of a task that are remembered by slot, and dependents by number, at the most. */
export const LINKS: number = LISTED;
/** Twice {@link LINKS} numbers stand in `links` for each task, as a shift. */
export const LINK_BITS = 3;
/** Pages that are made at once. */
const PAGES_AT_ONCE = 16;

/**
 * What the loops touch of a task stands together, in a cell of 2^CELL numbers of 32 bits: two lines of a processor's cache for
 * sixteen columns. A field is meaningful only in the states its comment names.
 */
export const CELL = 4;
export const STATE = 0;
/** Index of the layer batch that owns the slot; -1: a materialised task. */
export const BATCH = 1;
/** Number of the task in its graph. */
export const TASK = 2;
/** Of two tasks as urgent as each other the smaller rank runs first. */
export const RANK = 3;
/** Waiting: inputs that are not in memory. */
export const MISSING = 4;
/** Dependents that are active, or that an order which is being made has not come to: they claim this result. */
export const WAITERS = 5;
/** Materialised dependents that are known. */
export const DEPENDENTS = 6;
/** Clients that want the result. */
export const WANTS = 7;
/** Processing, or waiting with FLAG_FOLLOWS: index of the worker. Otherwise -1. */
export const WORKER = 8;
/** Memory: index of the first holder; further ones stand in `replicas`. Otherwise -1. */
export const HOLDER = 9;
/** Processing and memory: place in a list of its worker. Waiting and queued: where its inputs are, see {@link NEAR_SOME}. */
export const PLACE = 10;
/** Processing or following: number of the attempt; {@link Columns.runIdOf} reads it. */
export const RUN_ID = 11;
export const DEATHS = 12;
export const RETRIES = 13;
/** Bits: see `FLAG_*`. */
export const FLAGS = 14;
/** Numbers of inputs and of dependents in `links`, each plus one and `LINK_COUNT_BITS` wide, inputs first; 0: they are to be asked for. */
export const LINK_COUNT = 15;
export const LINK_COUNT_BITS = 4;
export const LINK_COUNT_MASK = 15;

/** In PLACE: inputs that are in memory lie at several workers, or it is not known where; none is; they lie at worker `i`: `NEAR + i`. */
export const NEAR_SOME = 0;
export const NEAR_NONE = 1;
export const NEAR = 2;

/** Rank of a task of a graph that has none yet. */
export const NO_RANK = 0x7fff_ffff;

/** What tasks of one graph have in common. */
interface PageOf {
  readonly index: number;
  readonly urgency: number;
  readonly retries: number;
}

/** Cells of tasks of which nothing is known. */
function forgottenCells(count: number, rank: number): Int32Array {
  const cells = new Int32Array(count << CELL);
  for (let at = 0; at < cells.length; at += 1 << CELL) {
    cells[at + BATCH] = -1;
    cells[at + WORKER] = -1;
    cells[at + HOLDER] = -1;
    cells[at + RANK] = rank;
  }
  return cells;
}

/** The columns. */
export class Columns {
  cells: Int32Array = new Int32Array(FIRST_CAPACITY << CELL);
  /** Priority: smaller `urgency`, then smaller rank, runs first. */
  urgency: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Bytes of the result: planned, then reported. */
  nbytes: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Result plus workspace; NaN: not yet asked, -1: unknown. */
  need: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Processing: bytes counted in the worker's `extra`. */
  reserved: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Active tasks of a symbolic graph that is moved in loops: slots of the inputs and, behind them, numbers of the dependents, up to {@link LINKS} of each. */
  links: Int32Array = new Int32Array(FIRST_CAPACITY << LINK_BITS);
  readonly replicas: Map<Slot, number[]> = new Map();
  #capacity = FIRST_CAPACITY;
  #top = 0;
  #free: FreeRange[] = [];
  readonly #freePages: Slot[] = [];
  readonly #pageCells = forgottenCells(PAGE, NO_RANK);

  /** Slots ever given out. */
  get top(): number {
    return this.#top;
  }

  /** A range of `count` slots, all forgotten. */
  allocate(count: number): Slot {
    const start = this.#take(count);
    this.#clear(start, count, forgottenCells(count, 0));
    return start;
  }

  /** The same, with whatever stands in the columns. */
  #take(count: number): Slot {
    const at = this.#free.findIndex((range) => range.count >= count);
    const range = this.#free[at];
    if (range) {
      const start = range.start;
      range.start += count;
      range.count -= count;
      if (range.count === 0) this.#free.splice(at, 1);
      return start;
    }
    const start = this.#top;
    this.#top += count;
    invariant(this.#top < MOST, `${this.#top} task slots; the limit is ${MOST}`);
    if (this.#top > this.#capacity) this.#grow();
    return start;
  }

  /** Slots for the page of tasks of a graph that begins with `start`, all forgotten and without a rank. */
  allocatePage(of: PageOf, start: number, count: number): Slot {
    let page = this.#freePages.pop();
    if (page === undefined) {
      // The more there are, the more are made.
      const pages = Math.min(PAGES_AT_ONCE, 1 + (this.#top >>> (PAGE_BITS + 3)));
      page = this.#take(pages * PAGE);
      for (let i = pages - 1; i > 0; i--) this.releasePage(page + i * PAGE);
    }
    this.#clear(page, PAGE, this.#cellsOf(of));
    const { cells } = this;
    for (let i = 0; i < count; i++) cells[((page + i) << CELL) + TASK] = start + i;
    this.urgency.fill(of.urgency, page, page + count);
    return page;
  }

  /** Take a page back, all of whose tasks are forgotten. */
  releasePage(page: Slot): void {
    this.#freePages.push(page);
  }

  /** Take a range back. */
  release(start: Slot, count: number): void {
    let at = this.#free.length;
    while (at > 0 && (this.#free[at - 1] as FreeRange).start > start) at--;
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    if (before && before.start + before.count === start) {
      before.count += count;
      if (after && before.start + before.count === after.start) {
        before.count += after.count;
        this.#free.splice(at, 1);
      }
    } else if (after && start + count === after.start) {
      after.start = start;
      after.count += count;
    } else this.#free.splice(at, 0, { start, count });
    const last = this.#free.at(-1);
    if (last && last.start + last.count === this.#top) {
      this.#top = last.start;
      this.#free.pop();
    }
  }

  /** Number of the attempt under way. */
  runIdOf(slot: Slot): number {
    return (this.cells[(slot << CELL) + RUN_ID] as number) >>> 0; // a slot given out
  }

  /** True when no slot is in use by a task of which something is known. */
  isForgotten(): boolean {
    for (let at = STATE; at < this.cells.length; at += 1 << CELL) if (this.cells[at] !== FORGOTTEN) return false;
    return true;
  }

  /** Workers that hold the result. */
  holdersOf(slot: Slot): readonly number[] {
    const first = this.cells[(slot << CELL) + HOLDER] as number; // a slot given out
    if (first < 0) return [];
    const more = this.replicas.get(slot);
    return more ? [first, ...more] : [first];
  }

  /** Cells of a page of a graph's tasks before anything is known of them. */
  #cellsOf({ index, retries }: PageOf): Int32Array {
    const cells = this.#pageCells;
    if (cells[BATCH] === index && cells[RETRIES] === retries) return cells;
    for (let at = 0; at < cells.length; at += 1 << CELL) {
      cells[at + BATCH] = index;
      cells[at + RETRIES] = retries;
    }
    return cells;
  }

  #clear(start: Slot, count: number, cells: Int32Array): void {
    const end = start + count;
    this.cells.set(cells, start << CELL);
    this.nbytes.fill(0, start, end);
    this.reserved.fill(0, start, end);
    this.need.fill(Number.NaN, start, end);
  }

  #grow(): void {
    while (this.#capacity < this.#top) this.#capacity *= 2;
    const n = this.#capacity;
    this.cells = into(this.cells, new Int32Array(n << CELL));
    this.urgency = into(this.urgency, new Float64Array(n));
    this.nbytes = into(this.nbytes, new Float64Array(n));
    this.need = into(this.need, new Float64Array(n));
    this.reserved = into(this.reserved, new Float64Array(n));
    this.links = into(this.links, new Int32Array(n << LINK_BITS));
  }
}

/** Needs nothing, and is to be begun from a piece of its graph's order; see `pieces.ts`. Until it leaves the state `queued`. */
export const FLAG_ROOT = 128;
/** The order has come to the task, and its dependents' claims stand; it has not claimed its own inputs yet. */
export const FLAG_NEXT = 16;
/** The task stands in its ready queue, perhaps from an earlier time. */
export const FLAG_ENQUEUED = 1;
/** A worker was asked to give the task back. */
export const FLAG_STEALING = 2;
/** The result is dropped although it is needed: bytes are wanted for a task at the head. */
export const FLAG_EVICT = 4;
/** Waiting: the task was sent to `worker`, where its one input is computed. */
export const FLAG_FOLLOWS = 32;
/** Following: when its input is there, more of the chain is sent. */
export const FLAG_DRAWS = 64;
/** The worker said that it runs the task already, so it is not asked to give it back again. */
export const FLAG_STARTED = 8;

interface Settable {
  set(source: this): void;
}

function into<T extends Settable>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
