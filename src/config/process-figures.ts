/** What this process says of itself: garbage collection, and how long its event loop stays with one turn. */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";

/** Time between two looks at the event loop, as Dask's `distributed.admin.tick.interval`. */
const TICK_MS = 20;

/** Measures from its making to its `close`. */
export class ProcessFigures {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({ resolution: TICK_MS });
  readonly #observer: PerformanceObserver;
  #gcMs = 0;
  #ticks = 0;

  constructor() {
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#gcMs += duration;
    });
    this.#observer.observe({ entryTypes: ["gc"] });
    this.#delay.enable();
  }

  get gcSeconds(): number {
    return this.#gcMs / 1000;
  }

  /** Turns of the event loop that were timed. */
  get ticks(): number {
    return this.#ticks + this.#delay.count;
  }

  /** The longest turn since this was asked last. */
  takeLongestTickSeconds(): number {
    const seconds = this.#delay.count === 0 ? 0 : this.#delay.max / 1e9;
    this.#ticks += this.#delay.count;
    this.#delay.reset();
    return seconds;
  }

  close(): void {
    this.#delay.disable();
    this.#observer.disconnect();
  }
}
