/**
 * Tasks as columns: one slot per task, typed arrays that grow together. Materialised tasks have slots of their own; tasks
 * of symbolic graphs get them by the page when they are come to, and give them back when they are done with.
 */
import { invariant } from "../../base/index.ts";
import { FORGOTTEN } from "./states.ts";

/** Index of a task in all columns. */
export type Slot = number;

interface FreeRange {
  start: number;
  count: number;
}

const FIRST_CAPACITY = 1024;
/** Slots that neighbouring tasks of a symbolic graph get at once. */
export const PAGE_BITS = 6;
export const PAGE = 64;
/** Inputs of a task that are remembered by slot, at the most. */
export const LINKS = 4;
/** Pages that are made at once. */
const PAGES_AT_ONCE = 16;

/** The columns. A field is meaningful only in the states its comment names. */
export class Columns {
  state: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  /** Index of the layer batch that owns the slot; -1: a materialised task. */
  batch: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Number of the task in its graph. */
  task: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Priority: smaller `urgency`, then smaller `rank`, runs first. */
  urgency: Float64Array = new Float64Array(FIRST_CAPACITY);
  rank: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Waiting: inputs that are not in memory. */
  missing: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Dependents that are active, or that an order which is being made has not come to: they claim this result. */
  waiters: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Materialised dependents that are known. */
  dependents: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Clients that want the result. */
  wants: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Processing, or waiting with FLAG_FOLLOWS: index of the worker. Otherwise -1. */
  worker: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Memory: index of the first holder; further ones stand in `replicas`. Otherwise -1. */
  holder: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Processing and memory: place in a list of its worker. */
  place: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Bytes of the result: planned, then reported. */
  nbytes: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Result plus workspace; NaN: not yet asked, -1: unknown. */
  need: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Processing: bytes counted in the worker's `extra`. */
  reserved: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Processing or following: number of the attempt. */
  runId: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  deaths: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  retries: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  /** Bits: see `FLAG_*`. */
  flags: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  /**
   * Active tasks of a symbolic graph that is moved in loops: slots of the inputs, {@link LINKS} for each task at the most, and
   * their number plus one; 0: they are to be asked for.
   */
  links: Int32Array = new Int32Array(FIRST_CAPACITY * LINKS);
  linkCount: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  readonly replicas: Map<Slot, number[]> = new Map();
  #capacity = FIRST_CAPACITY;
  #top = 0;
  #free: FreeRange[] = [];
  readonly #freePages: Slot[] = [];

  /** Slots ever given out. */
  get top(): number {
    return this.#top;
  }

  /** A range of `count` slots, all forgotten. */
  allocate(count: number): Slot {
    const start = this.#take(count);
    this.#clear(start, count);
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
    invariant(this.#top < 2 ** 31, `${this.#top} task slots; the limit is 2^31`);
    if (this.#top > this.#capacity) this.#grow();
    return start;
  }

  /** Slots for a page of tasks, all forgotten. */
  allocatePage(): Slot {
    let page = this.#freePages.pop();
    if (page === undefined) {
      // The more there are, the more are made.
      const count = Math.min(PAGES_AT_ONCE, 1 + (this.#top >>> (PAGE_BITS + 3)));
      page = this.#take(count * PAGE);
      for (let i = count - 1; i > 0; i--) this.releasePage(page + i * PAGE);
    }
    this.#clear(page, PAGE);
    return page;
  }

  /** Take a page back. */
  releasePage(page: Slot): void {
    // Nobody who walks the columns takes it for a task.
    this.state.fill(FORGOTTEN, page, page + PAGE);
    this.batch.fill(-1, page, page + PAGE);
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

  /** Workers that hold the result. */
  holdersOf(slot: Slot): readonly number[] {
    const first = this.holder[slot] as number; // a slot given out
    if (first < 0) return [];
    const more = this.replicas.get(slot);
    return more ? [first, ...more] : [first];
  }

  #clear(start: Slot, count: number): void {
    const end = start + count;
    for (const column of [
      this.state,
      this.missing,
      this.waiters,
      this.dependents,
      this.wants,
      this.nbytes,
      this.reserved,
      this.runId,
      this.deaths,
      this.retries,
      this.flags,
      this.linkCount,
    ]) {
      column.fill(0, start, end);
    }
    for (const column of [this.batch, this.worker, this.holder]) column.fill(-1, start, end);
    this.need.fill(Number.NaN, start, end);
  }

  #grow(): void {
    while (this.#capacity < this.#top) this.#capacity *= 2;
    const n = this.#capacity;
    this.state = into(this.state, new Uint8Array(n));
    this.batch = into(this.batch, new Int32Array(n));
    this.task = into(this.task, new Uint32Array(n));
    this.urgency = into(this.urgency, new Float64Array(n));
    this.rank = into(this.rank, new Uint32Array(n));
    this.missing = into(this.missing, new Uint32Array(n));
    this.waiters = into(this.waiters, new Uint32Array(n));
    this.dependents = into(this.dependents, new Uint32Array(n));
    this.wants = into(this.wants, new Uint32Array(n));
    this.worker = into(this.worker, new Int32Array(n));
    this.holder = into(this.holder, new Int32Array(n));
    this.place = into(this.place, new Uint32Array(n));
    this.nbytes = into(this.nbytes, new Float64Array(n));
    this.need = into(this.need, new Float64Array(n));
    this.reserved = into(this.reserved, new Float64Array(n));
    this.runId = into(this.runId, new Uint32Array(n));
    this.deaths = into(this.deaths, new Uint8Array(n));
    this.retries = into(this.retries, new Uint8Array(n));
    this.flags = into(this.flags, new Uint8Array(n));
    this.links = into(this.links, new Int32Array(n * LINKS));
    this.linkCount = into(this.linkCount, new Uint8Array(n));
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
