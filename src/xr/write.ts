/** A write that has been described and waits for its run: part of one graph with whatever is computed beside it. */
import { type Computable, type ComputeOptions, computeAll } from "../array/index.ts";
import { systemClock } from "../config/index.ts";
import type { LayerNode } from "../graph/index.ts";
import { ascontiguous, type NDArray } from "../ndarray/index.ts";

/** What a write did. */
export interface Written {
  readonly url: string;
  /** Bytes of pixels written, compressed. */
  readonly bytes: number;
  /** Tasks that wrote. */
  readonly tasks: number;
  readonly seconds: number;
}

/** Where a write ends, and what it has prepared there. */
export interface WriteJob {
  readonly url: string;
  readonly outputs: readonly LayerNode[];
  /** Tasks that write; by default one per block of the outputs. */
  readonly tasks?: number;
  /** Make the result visible, when all blocks are written. */
  readonly finish: () => Promise<void>;
  /** Remove what was prepared. */
  readonly abandon: () => Promise<void>;
}

/**
 * A lazy write, from `toZarr` or `toCog` with `{ compute: false }`: run it with `compute()`, or together with other lazy
 * objects with the top-level `compute([…])`, which reads shared inputs once.
 */
export class LazyWrite implements Computable<Written> {
  readonly #job: WriteJob;
  #startedMs: number | null = null;

  constructor(job: WriteJob) {
    this.#job = job;
  }

  get url(): string {
    return this.#job.url;
  }

  get outputs(): readonly LayerNode[] {
    this.#startedMs ??= systemClock.now();
    return this.#job.outputs;
  }

  async assemble(blocks: readonly (readonly NDArray[])[]): Promise<Written> {
    await this.#job.finish();
    let bytes = 0;
    for (const block of blocks.flat()) for (const n of ascontiguous(block).data) bytes += Number(n);
    const seconds = (systemClock.now() - (this.#startedMs ?? systemClock.now())) / 1000;
    return { url: this.url, bytes, tasks: this.#job.tasks ?? blocks.flat().length, seconds };
  }

  abandon(): Promise<void> {
    return this.#job.abandon();
  }

  /** Run it. @throws {WriteError | ReadError | TaskError} the first failure; nothing half-written remains */
  async compute(options: ComputeOptions = {}): Promise<Written> {
    return (await computeAll<readonly [Computable<Written>]>([this], options))[0];
  }
}
