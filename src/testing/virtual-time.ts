/** Time that passes only when something is due. */
import { type Clock, Heap } from "../base/index.ts";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock and an agenda; equal times keep the order in which they were planned. */
export class VirtualTime implements Clock {
  #now = 0;
  #order = 0;
  readonly #agenda = new Heap<Due>((a, b) => (a.at !== b.at ? a.at < b.at : a.order < b.order));

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  /** Plan `run` at a time; what is past runs next. */
  at(at: number, run: () => void): void {
    this.#agenda.push({ at: Math.max(at, this.#now), order: this.#order++, run });
  }

  /** Plan `run` after so many milliseconds. */
  after(ms: number, run: () => void): void {
    this.at(this.#now + ms, run);
  }

  /** Run the next thing that is due; false when nothing is. */
  step(): boolean {
    const next = this.#agenda.pop();
    if (!next) return false;
    this.#now = next.at;
    next.run();
    return true;
  }
}
