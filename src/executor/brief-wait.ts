/** What the owner of a ring does about ends without being called back by its event loop, and how much of that. */
import type { Ring } from "./ring.ts";

/** Time for which a task is waited for that is expected to be short, and how often in one turn of the event loop. */
const WAIT_MS = 0.2;
const WAITS_MAX = 8;
/** How often ends are looked for in one turn of the event loop. */
const LOOKS_MAX = 16;

/**
 * Waits for lone short tasks. Where the last one took about as long as the event loop takes to wake this thread, to wait here
 * is the shortest way to the next one's result. Now and then the event loop gets its turn.
 */
export class BriefWait {
  readonly #ring: Pick<Ring, "waitEndedHere">;
  /** Milliseconds that the last task took. */
  lastMs: number = Number.POSITIVE_INFINITY;
  // Since the event loop's last turn.
  #waits = 0;
  #looks = 0;

  constructor(ring: Pick<Ring, "waitEndedHere">) {
    this.#ring = ring;
  }

  /** Wait for what has ended since `seen`, if the only task under way may be short. */
  waitFor(seen: number): void {
    if (this.lastMs > WAIT_MS / 2 || this.#waits >= WAITS_MAX) return;
    if (this.#waits++ === 0) setImmediate(this.#mayWait);
    this.#ring.waitEndedHere(seen, WAIT_MS);
  }

  /**
   * Whether the owner may look for ends at once. What follows from them runs in the same turn of the event loop, so that a
   * chain of tasks that end before one can sleep would go on in it until its end, deaf to everything else.
   * False: in the loop's next turn, of which {@link turned} tells.
   */
  mayLook(): boolean {
    return this.#looks++ < LOOKS_MAX;
  }

  /** The event loop has turned since the last look. */
  turned(): void {
    this.#looks = 0;
  }

  readonly #mayWait = (): void => {
    this.#waits = 0;
  };
}
