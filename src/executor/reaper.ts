/** Ends threads that run a cancelled function which does not end by itself: nothing else stops an endless loop. */
import type { Ring } from "./ring.ts";
import { SLOT_STATE } from "./ring.ts";

/** Time that a cancelled function has to end by itself: it may be in the middle of a write. */
const GRACE_MS = 500;

/** What the reaper watches, and how it ends a thread. */
export interface ReaperOptions {
  readonly ring: Ring;
  readonly threads: number;
  /** End a thread; its task is told to have died. */
  readonly kill: (thread: number) => void;
}

/** Slots whose tasks were told to stop. */
export class Reaper {
  readonly #options: ReaperOptions;

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** A task that calls a function of a user was cancelled; `isStill` says whether the slot is still its own. */
  watch(slot: number, isStill: () => boolean): void {
    // A task under way keeps the process alive, this timer does not have to.
    setTimeout(() => {
      const { ring, threads, kill } = this.#options;
      const state = ring.state(slot);
      if (!isStill() || (state !== SLOT_STATE.running && state !== SLOT_STATE.wanting)) return;
      for (let thread = 0; thread < threads; thread++) if (ring.current(thread) === slot) return kill(thread);
    }, GRACE_MS).unref();
  }
}
