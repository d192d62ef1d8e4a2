/** Moves that are recommended and not applied yet, oldest first: columns that are used again when they are empty. */
import type { Slot } from "./columns.ts";

/** States are numbers of so many bits. */
const STATE_BITS = 4;
const STATE_MASK = (1 << STATE_BITS) - 1;
const FIRST = 256;

/** Tasks that are to move, each with its state when that was recommended, and where to. */
export class Recommendations {
  #slots = new Int32Array(FIRST);
  #states = new Uint8Array(FIRST);
  #at = 0;
  #end = 0;

  /** Moves to be applied. */
  get size(): number {
    return this.#end - this.#at;
  }

  add(slot: Slot, from: number, to: number): void {
    if (this.#end === this.#slots.length) this.#grow();
    this.#slots[this.#end] = slot;
    this.#states[this.#end++] = (from << STATE_BITS) | to;
  }

  /** The task that is next; -1: there is none. */
  get slot(): Slot {
    return this.#at === this.#end ? -1 : (this.#slots[this.#at] as Slot);
  }

  /** State of the next task when the move was recommended. */
  get from(): number {
    return (this.#states[this.#at] as number) >>> STATE_BITS; // there is a next one
  }

  /** State to which the next task is to move. */
  get to(): number {
    return (this.#states[this.#at] as number) & STATE_MASK; // the same
  }

  /** The next one is seen to. */
  shift(): void {
    if (++this.#at !== this.#end) return;
    this.#at = 0;
    this.#end = 0;
  }

  #grow(): void {
    const [slots, states] = [this.#slots, this.#states];
    this.#slots = new Int32Array(2 * slots.length);
    this.#slots.set(slots);
    this.#states = new Uint8Array(2 * states.length);
    this.#states.set(states);
  }
}
