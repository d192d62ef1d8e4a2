/** Per-origin state of this thread: the queue that limits concurrency, pauses, and what was learnt about the link. */
import PQueue from "p-queue";
import type { Clock } from "../../base/index.ts";
import { type Tally, tallyOf } from "./counters.ts";

const CONCURRENCY_START = 16;
const CONCURRENCY_MAX = 64;
const CLEAN_ANSWERS_PER_STEP = 16;
const HALVE_INTERVAL_MS = 1_000;
const EWMA_WEIGHT = 0.2;

/** What is known about the way to an origin: time to first byte in ms, and bytes per ms of one connection. */
export interface LinkEstimate {
  readonly ttfbMs?: number;
  readonly bytesPerMs?: number;
}

/** Additive increase, multiplicative decrease of the requests in flight (io.md §8.4). */
export class Origin {
  readonly tally: Tally;
  readonly #queue: PQueue = new PQueue({ concurrency: CONCURRENCY_START });
  readonly #clock: Clock;
  #clean = 0;
  #halvedAt = Number.NEGATIVE_INFINITY;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #ttfbMs: number | null = null;
  #bytesPerMs: number | null = null;

  constructor(origin: string, clock: Clock) {
    this.tally = tallyOf(origin);
    this.#clock = clock;
  }

  /** Requests that may be in flight at once, now. */
  get concurrency(): number {
    return this.#queue.concurrency;
  }

  get link(): LinkEstimate {
    return {
      ...(this.#ttfbMs === null ? {} : { ttfbMs: this.#ttfbMs }),
      ...(this.#bytesPerMs === null ? {} : { bytesPerMs: this.#bytesPerMs }),
    };
  }

  /** Milliseconds until the origin may be asked again, after a `Retry-After`. */
  get pauseMs(): number {
    return Math.max(0, this.#pausedUntil - this.#clock.now());
  }

  /** Run `job` when a slot is free; an aborted signal gives the slot up. */
  run<T>(job: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#queue.add(job, signal ? { signal } : {});
  }

  /** An answer came as it should. */
  succeeded(ttfbMs: number, bodyMs: number, nbytes: number): void {
    this.#ttfbMs = ewma(this.#ttfbMs, ttfbMs);
    if (nbytes >= 65_536 && bodyMs > 0) this.#bytesPerMs = ewma(this.#bytesPerMs, nbytes / bodyMs);
    if (++this.#clean < CLEAN_ANSWERS_PER_STEP) return;
    this.#clean = 0;
    this.#queue.concurrency = Math.min(CONCURRENCY_MAX, this.#queue.concurrency + 1);
  }

  /** The origin is overloaded; halves the limit at most once a second and holds everybody for `pauseMs`. */
  overloaded(pauseMs: number): void {
    const now = this.#clock.now();
    this.#pausedUntil = Math.max(this.#pausedUntil, now + pauseMs);
    this.#clean = 0;
    if (now - this.#halvedAt < HALVE_INTERVAL_MS) return;
    this.#halvedAt = now;
    this.#queue.concurrency = Math.max(1, this.#queue.concurrency >> 1);
  }
}

function ewma(old: number | null, sample: number): number {
  return old === null ? sample : old + EWMA_WEIGHT * (sample - old);
}
