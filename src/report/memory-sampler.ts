/** Memory of processes, asked for again and again: once a second at first, more seldom the longer it takes. */
import type { MemorySample } from "./performance-data.ts";

const EVERY_MS = 1_000;
/** With so many samples every other one is dropped, and from then on half as many are taken. */
const SAMPLES_MAX = 400;

/** Samples from `start` to `stop`. */
export class MemorySampler {
  readonly #ask: () => Promise<ReadonlyMap<string, number>>;
  readonly #now: () => number;
  #samples: MemorySample[] = [];
  #everyMs = EVERY_MS;
  #began = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(ask: () => Promise<ReadonlyMap<string, number>>, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  get samples(): readonly MemorySample[] {
    return this.#samples;
  }

  /** Take the first sample; the others follow by themselves. */
  async start(): Promise<readonly MemorySample[]> {
    this.#began = this.#now();
    await this.take();
    if (!this.#isStopped) this.#wait();
    return this.#samples;
  }

  /** Take the last sample. */
  async stop(): Promise<readonly MemorySample[]> {
    if (this.#isStopped) return this.#samples;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.take();
    return this.#samples;
  }

  /** Take a sample now. */
  async take(): Promise<void> {
    const seconds = (this.#now() - this.#began) / 1000;
    try {
      this.#samples.push({ seconds, bytes: await this.#ask() });
    } catch {
      // A moment that nobody tells of is missing in the picture, and no reason to end anything.
      return;
    }
    if (this.#samples.length < SAMPLES_MAX) return;
    this.#samples = this.#samples.filter((_, i) => i % 2 === 0);
    this.#everyMs *= 2;
  }

  /** The next one, unless it is over; a timer that keeps no process alive. */
  #wait(): void {
    this.#timer = setTimeout(() => {
      void this.take().then(() => {
        if (!this.#isStopped) this.#wait();
      });
    }, this.#everyMs).unref();
  }
}
