/** What this process says of itself: garbage collection, and how long its event loop stays with one turn. */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { config } from "./config.ts";

/** Measures from its making to its `close`, by a clock of `distributed.admin.tick.interval`. */
export class ProcessFigures {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({
    resolution: Math.max(1, Math.round(config.durationMs("distributed.admin.tick.interval") ?? 20)),
  });
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
