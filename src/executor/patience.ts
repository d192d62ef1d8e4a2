/**
 * Bytes may be nobody's for a moment: a block that has arrived from a peer, or a result that has just ended, takes room before
 * whoever keeps blocks knows it, and cannot leave until then. A task that finds no room is not given up before that is over.
 */

/** Milliseconds for which a task waits though nothing is under way that would make room, and between two looks. */
const PATIENCE_MS = 1000;
const LOOK_MS = 20;

/** For one task at a time: the first of those that wait. */
export class Patience {
  readonly #again: () => void;
  #waiting: object | null = null;
  #until = 0;
  #isAsked = false;

  /** @param again looks once more whether the task may start */
  constructor(again: () => void) {
    this.#again = again;
  }

  /** True while the task had better be asked again; it is, after a little while. */
  hasFor(task: object): boolean {
    if (this.#waiting !== task) {
      this.#waiting = task;
      this.#until = performance.now() + PATIENCE_MS;
    }
    if (performance.now() >= this.#until) return false;
    if (!this.#isAsked) setTimeout(this.#ask, LOOK_MS);
    this.#isAsked = true;
    return true;
  }

  readonly #ask = (): void => {
    this.#isAsked = false;
    this.#again();
  };
}
