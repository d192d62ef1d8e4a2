/**
 * The shared memory through which one owner hands tasks to many threads and learns how they ended.
 *
 * Task slots hold where a task's message lies and how it went. A ring of slot numbers is filled by the owner and emptied
 * by whichever thread comes first. Threads sleep on the ring's tail, the owner on a count of endings.
 */

/** Tasks that can be under way at once; a power of two. */
export const SLOTS = 1024;
/** Threads that one ring serves. */
const THREADS_MAX = 256;

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
  /** It gave a scalar, which lies where the task's message was. */
  scalar: 7,
} as const;

// Words of the control array.
const HEAD = 0;
const TAIL = 1;
const IDLE = 2;
const ENDED = 3;
/** Entries of the ring of endings that have been given out. */
const ENDING = 4;
/** 1 while the owner sleeps on the count of endings: only then is it woken. */
const ASLEEP = 5;
const STATE = 16;
const CANCEL = STATE + SLOTS;
const ENTRY = CANCEL + SLOTS;
/** Slot + 1 that a thread has taken. */
const CURRENT = ENTRY + SLOTS;
/** Counts what was posted to a thread. */
const POSTED = CURRENT + THREADS_MAX;
/** Slot + 1 that has ended, in order; 0: none yet. As many entries as slots, so that none is overwritten. */
const ENDINGS = POSTED + THREADS_MAX;
const WORDS = ENDINGS + SLOTS;

// Numbers of a slot.
const FIELDS = 8;
/** Numbers of a slot's record: where a task of a shared program finds what is its own. */
export const RECORD_NUMBERS = 64;
/** In the place of a message: the task is told by its slot's record. */
const BY_RECORD = -1;
/** An idle thread looks at its event loop so often: what it must hear of may come that way only. */
const IDLE_MS = 500;

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
  /** Records of all slots, `RECORD_NUMBERS` each. */
  readonly records: Float64Array;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  /** Endings that the owner has seen. */
  #seen = 0;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(WORDS * 4 + SLOTS * (FIELDS + RECORD_NUMBERS) * 8)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#numbers = new Float64Array(memory, WORDS * 4, SLOTS * FIELDS);
    this.records = new Float64Array(memory, WORDS * 4 + SLOTS * FIELDS * 8, SLOTS * RECORD_NUMBERS);
  }

  // The owner's end.

  /**
   * Hand a task to the threads; those that sleep have to be woken by {@link wake}. The slot must be free; there are as
   * many ring entries as slots, so there is room.
   */
  push(slot: number, { buffer, offset, length }: MessagePlace): void {
    const at = slot * FIELDS;
    this.#numbers[at] = buffer;
    this.#numbers[at + 1] = offset;
    this.#numbers[at + 2] = length;
    this.#enqueue(slot);
  }

  /** As {@link push}, of a task that its slot's record tells. */
  pushRecord(slot: number): void {
    this.#numbers[slot * FIELDS] = BY_RECORD;
    this.#enqueue(slot);
  }

  /** Only the tail is stored atomically: whoever sees it sees what was written before. */
  #enqueue(slot: number): void {
    const words = this.#words;
    words[CANCEL + slot] = 0;
    words[STATE + slot] = SLOT_STATE.queued;
    const tail = words[TAIL] as number; // the owner's own
    words[ENTRY + (tail & (SLOTS - 1))] = slot;
    Atomics.store(words, TAIL, (tail + 1) | 0);
  }

  /** Wake up to `count` sleeping threads: one call to the kernel for all that was pushed. */
  wake(count: number): void {
    if (count > 0 && Atomics.load(this.#words, IDLE) > 0) Atomics.notify(this.#words, TAIL, count);
  }

  state(slot: number): number {
    return Atomics.load(this.#words, STATE + slot);
  }

  figures(slot: number): SlotFigures {
    const [numbers, at] = [this.#numbers, slot * FIELDS + 3];
    // Five of eight numbers.
    return {
      startMs: numbers[at] as number,
      stopMs: numbers[at + 1] as number,
      thread: numbers[at + 2] as number,
      bytesRead: numbers[at + 3] as number,
      bytesWritten: numbers[at + 4] as number,
    };
  }

  /** Of these: the thread, and milliseconds on it. */
  threadOf(slot: number): number {
    return this.#numbers[slot * FIELDS + 5] as number; // within a slot's numbers
  }

  msOf(slot: number): number {
    const at = slot * FIELDS + 3;
    return (this.#numbers[at + 1] as number) - (this.#numbers[at] as number); // within a slot's numbers
  }

  /** The next slot that has ended, or whose thread wants something; -1: none. */
  nextEnding(): number {
    const at = ENDINGS + (this.#seen & (SLOTS - 1));
    const slot = Atomics.load(this.#words, at) - 1;
    if (slot < 0) return -1;
    Atomics.store(this.#words, at, 0);
    this.#seen++;
    return slot;
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
    Atomics.store(this.#words, ASLEEP, 1); // before the count is compared: who counts on sees it
    const wait = Atomics.waitAsync(this.#words, ENDED, seen);
    if (!wait.async) {
      Atomics.store(this.#words, ASLEEP, 0);
      return null;
    }
    // A thread whose end was seen before may have taken the flag since, and found nobody to wake; what ended then told nobody.
    Atomics.store(this.#words, ASLEEP, 1);
    if (Atomics.load(this.#words, ENDED) !== seen) Atomics.notify(this.#words, ENDED);
    return wait.value;
  }

  /**
   * Sleep here, with all that runs on this thread, until something ended since `seen`, but not longer than `ms`: a thread whose
   * end was seen before may take the flag just before, and then nobody wakes this one.
   */
  waitEndedHere(seen: number, ms: number): void {
    Atomics.store(this.#words, ASLEEP, 1);
    Atomics.wait(this.#words, ENDED, seen, ms);
    Atomics.store(this.#words, ASLEEP, 0);
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

  /** The next task's slot, in order; blocks until there is one. Null when none came for a while. */
  take(thread: number): number | null {
    const words = this.#words;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      const tail = Atomics.load(words, TAIL);
      if (head === tail) {
        Atomics.add(words, IDLE, 1);
        const outcome = Atomics.wait(words, TAIL, tail, IDLE_MS);
        Atomics.sub(words, IDLE, 1);
        if (outcome === "timed-out") return null;
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

  /** Where the task's message lies; null: its slot's record tells it. */
  place(slot: number): MessagePlace | null {
    const [numbers, at] = [this.#numbers, slot * FIELDS];
    // Three of eight numbers.
    const buffer = numbers[at] as number;
    return buffer === BY_RECORD
      ? null
      : { buffer, offset: numbers[at + 1] as number, length: numbers[at + 2] as number };
  }

  isCancelled(slot: number): boolean {
    return Atomics.load(this.#words, CANCEL + slot) !== 0;
  }

  /** The task has ended, or wants something: tell the owner. */
  end(slot: number, state: number, figures: SlotFigures): void {
    const { startMs, stopMs, thread, bytesRead, bytesWritten } = figures;
    const [numbers, at] = [this.#numbers, slot * FIELDS + 3];
    numbers[at] = startMs;
    numbers[at + 1] = stopMs;
    numbers[at + 2] = thread;
    numbers[at + 3] = bytesRead;
    numbers[at + 4] = bytesWritten;
    if (state !== SLOT_STATE.wanting) Atomics.store(this.#words, CURRENT + thread, 0);
    Atomics.store(this.#words, STATE + slot, state);
    const entry = Atomics.add(this.#words, ENDING, 1);
    Atomics.store(this.#words, ENDINGS + (entry & (SLOTS - 1)), slot + 1);
    // Last: who sees the count finds the entry, or one before it that is about to be written, and is called again then.
    Atomics.add(this.#words, ENDED, 1);
    if (Atomics.exchange(this.#words, ASLEEP, 0) === 1) Atomics.notify(this.#words, ENDED);
  }

  /** Count of things posted to a thread, and sleeping until it differs. */
  postedCount(thread: number): number {
    return Atomics.load(this.#words, POSTED + thread);
  }

  waitPosted(thread: number, seen: number): void {
    Atomics.wait(this.#words, POSTED + thread, seen);
  }
}
