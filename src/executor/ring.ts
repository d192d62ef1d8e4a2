/**
 * The shared memory through which one owner hands tasks to many threads and learns how they ended.
 *
 * Task slots hold where a task's message lies and how it went. A ring of slot numbers is filled by the owner and emptied
 * by whichever thread comes first. Threads sleep on the ring's tail, the owner on a count of endings.
 */

/** Tasks that can be under way at once. */
export const SLOTS = 256;
/** Threads that one ring serves. */
export const THREADS_MAX = 256;

/** State of a slot. */
export const SLOT_STATE = {
  free: 0,
  queued: 1,
  running: 2,
  ok: 3,
  /** How it went was posted to the owner: an error, a value. */
  posted: 4,
  cancelled: 5,
  /** The thread waits for plain input values, to be posted to it. */
  wanting: 6,
} as const;

// Words of the control array.
const HEAD = 0;
const TAIL = 1;
const IDLE = 2;
const ENDED = 3;
const STATE = 16;
const CANCEL = STATE + SLOTS;
const ENTRY = CANCEL + SLOTS;
/** Slot + 1 that a thread has taken. */
const CURRENT = ENTRY + SLOTS;
/** Counts what was posted to a thread. */
const POSTED = CURRENT + THREADS_MAX;
const WORDS = POSTED + THREADS_MAX;

// Numbers of a slot.
const FIELDS = 8;

/** How a task went, as its thread tells. */
export interface SlotFigures {
  readonly startMs: number;
  readonly stopMs: number;
  readonly thread: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Where a task's message lies: number of a message buffer, offset and length in bytes. */
export interface MessagePlace {
  readonly buffer: number;
  readonly offset: number;
  readonly length: number;
}

/** Both ends of the ring; `memory` is what a thread is started with. */
export class Ring {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(WORDS * 4 + SLOTS * FIELDS * 8)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#numbers = new Float64Array(memory, WORDS * 4, SLOTS * FIELDS);
  }

  // The owner's end.

  /**
   * Hand a task to the threads; those that sleep have to be woken by {@link wake}. The slot must be free; there are as
   * many ring entries as slots, so there is room.
   */
  push(slot: number, place: MessagePlace): void {
    this.#numbers.set([place.buffer, place.offset, place.length], slot * FIELDS);
    Atomics.store(this.#words, CANCEL + slot, 0);
    Atomics.store(this.#words, STATE + slot, SLOT_STATE.queued);
    const tail = Atomics.load(this.#words, TAIL);
    Atomics.store(this.#words, ENTRY + (tail & (SLOTS - 1)), slot);
    Atomics.store(this.#words, TAIL, (tail + 1) | 0);
  }

  /** Wake up to `count` sleeping threads: one call to the kernel for all that was pushed. */
  wake(count: number): void {
    if (count > 0 && Atomics.load(this.#words, IDLE) > 0) Atomics.notify(this.#words, TAIL, count);
  }

  state(slot: number): number {
    return Atomics.load(this.#words, STATE + slot);
  }

  figures(slot: number): SlotFigures {
    const [startMs, stopMs, thread, bytesRead, bytesWritten] = this.#numbers.subarray(
      slot * FIELDS + 3,
      (slot + 1) * FIELDS,
    );
    return { startMs, stopMs, thread, bytesRead, bytesWritten } as SlotFigures; // five of eight numbers
  }

  clear(slot: number): void {
    Atomics.store(this.#words, STATE + slot, SLOT_STATE.free);
  }

  cancel(slot: number): void {
    Atomics.store(this.#words, CANCEL + slot, 1);
  }

  /** The thread that wanted something is about to get it. */
  resume(slot: number): void {
    Atomics.store(this.#words, STATE + slot, SLOT_STATE.running);
  }

  /** Number of endings so far; {@link waitEnded} sleeps until it differs. */
  ended(): number {
    return Atomics.load(this.#words, ENDED);
  }

  /** Resolves when something ended since `seen`; null: something has already. Does not hold the event loop. */
  waitEnded(seen: number): Promise<unknown> | null {
    const wait = Atomics.waitAsync(this.#words, ENDED, seen);
    return wait.async ? wait.value : null;
  }

  /** Slot that a thread has taken and not ended, or -1. */
  current(thread: number): number {
    return Atomics.load(this.#words, CURRENT + thread) - 1;
  }

  /** A thread is gone: nothing of its is current any more. If it slept, it sleeps no more. */
  forget(thread: number): void {
    Atomics.store(this.#words, CURRENT + thread, 0);
  }

  /** Tell a thread that something was posted to it. */
  posted(thread: number): void {
    Atomics.add(this.#words, POSTED + thread, 1);
    Atomics.notify(this.#words, POSTED + thread);
  }

  // A thread's end.

  /** The next task's slot, in order; blocks until there is one. */
  take(thread: number): number {
    const words = this.#words;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      const tail = Atomics.load(words, TAIL);
      if (head === tail) {
        Atomics.add(words, IDLE, 1);
        Atomics.wait(words, TAIL, tail);
        Atomics.sub(words, IDLE, 1);
        continue;
      }
      // Read before the exchange: once the head has moved on, the owner may write this entry anew.
      const slot = Atomics.load(words, ENTRY + (head & (SLOTS - 1)));
      if (Atomics.compareExchange(words, HEAD, head, (head + 1) | 0) !== head) continue;
      Atomics.store(words, CURRENT + thread, slot + 1);
      Atomics.store(words, STATE + slot, SLOT_STATE.running);
      return slot;
    }
  }

  place(slot: number): MessagePlace {
    const [buffer, offset, length] = this.#numbers.subarray(slot * FIELDS, slot * FIELDS + 3);
    return { buffer, offset, length } as MessagePlace; // three of eight numbers
  }

  isCancelled(slot: number): boolean {
    return Atomics.load(this.#words, CANCEL + slot) !== 0;
  }

  /** The task has ended, or wants something: tell the owner. */
  end(slot: number, state: number, figures: SlotFigures): void {
    const { startMs, stopMs, thread, bytesRead, bytesWritten } = figures;
    this.#numbers.set([startMs, stopMs, thread, bytesRead, bytesWritten], slot * FIELDS + 3);
    if (state !== SLOT_STATE.wanting) Atomics.store(this.#words, CURRENT + thread, 0);
    Atomics.store(this.#words, STATE + slot, state);
    Atomics.add(this.#words, ENDED, 1);
    Atomics.notify(this.#words, ENDED);
  }

  /** Count of things posted to a thread, and sleeping until it differs. */
  postedCount(thread: number): number {
    return Atomics.load(this.#words, POSTED + thread);
  }

  waitPosted(thread: number, seen: number): void {
    Atomics.wait(this.#words, POSTED + thread, seen);
  }
}
