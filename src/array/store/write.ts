/** A write that has been described and waits for its run: part of one graph with whatever is computed beside it. */
import { createLogger, systemClock } from "../../config/index.ts";
import { type LayerNode, type Plain, writeZarrNode } from "../../graph/index.ts";
import type { ZarrWrite } from "../../io/index.ts";
import { ascontiguous, type NDArray } from "../../ndarray/index.ts";
import { type Computable, type ComputeOptions, computeAll } from "../compute.ts";
import type { WritePlace } from "./places.ts";

/** What a write did. */
export interface Written {
  readonly url: string;
  /** Bytes of pixels written, compressed. */
  readonly bytes: number;
  /** Tasks that wrote. */
  readonly tasks: number;
  /** Objects that an earlier run had written; a write with `resume` goes on after them. */
  readonly resumed: number;
  readonly seconds: number;
}

/** Where a write ends, and how it comes to be there. */
export interface WriteJob {
  readonly url: string;
  readonly outputs: readonly LayerNode[];
  readonly places: readonly WritePlace[];
  /** Tasks that write; by default one per block of the outputs. */
  readonly tasks?: number;
  /** Blocks of the outputs that an earlier run has written. */
  readonly resumed?: number;
  /** Write what blocks will be put into: nothing is there before. */
  readonly begin: () => Promise<void>;
  /** Make the result visible, when all blocks are written. */
  readonly finish: () => Promise<void>;
  /** Remove what was begun. */
  readonly abandon: () => Promise<void>;
}

/**
 * The write of blocks (one per object) as the arrays of a planned store; objects that an earlier run has finished are left
 * as they are, and nothing is computed for them alone.
 */
export function zarrJob(url: string, write: ZarrWrite, blocks: ReadonlyMap<string, LayerNode>): WriteJob {
  const target = write.target as unknown as Plain; // plain data by its contract
  const outputs = [...blocks].map(([name, node]) => writeZarrNode(node, target, name, write.finished[name]));
  const finished = [...blocks.keys()].flatMap((name) => [...(write.finished[name] ?? [])]);
  const resumed = finished.filter((bytes) => !Number.isNaN(bytes)).length;
  const logger = createLogger("rsdat.write");
  if (resumed > 0) logger.info(`${url}: ${resumed} of ${finished.length} objects are there already`);
  if (write.hasOther)
    logger.warning(
      `${url}: what an earlier run has left was made from other inputs, another graph or other options; the write begins anew`,
    );
  const { mode, writeUrl, url: to } = write.target;
  const isNew = mode === "w" || mode === "w-" || writeUrl !== to;
  const places = isNew ? [{ url: to, name: null }] : [...blocks.keys()].map((name) => ({ url: to, name }));
  return { ...write, url, outputs, places, resumed };
}

/**
 * A lazy write, from `toZarr` or `toCog` with `{ compute: false }`: run it with `compute()`, or together with other lazy
 * objects with the top-level `compute([…])`, which reads shared inputs once. Until then nothing is written.
 */
export class LazyWrite implements Computable<Written> {
  readonly #job: WriteJob;
  #startedMs: number | null = null; // null: nothing is under way

  constructor(job: WriteJob) {
    this.#job = job;
  }

  get url(): string {
    return this.#job.url;
  }

  /** Objects that an earlier run has written: what remains is the rest. 0 without `resume`. */
  get resumed(): number {
    return this.#job.resumed ?? 0;
  }

  get outputs(): readonly LayerNode[] {
    return this.#job.outputs;
  }

  get places(): readonly WritePlace[] {
    return this.#job.places;
  }

  async prepare(): Promise<void> {
    this.#startedMs = systemClock.now();
    await this.#job.begin();
  }

  async assemble(blocks: readonly (readonly NDArray[])[]): Promise<Written> {
    await this.#job.finish();
    let bytes = 0;
    for (const block of blocks.flat()) for (const n of ascontiguous(block).data) bytes += Number(n);
    const seconds = (systemClock.now() - (this.#startedMs ?? systemClock.now())) / 1000;
    this.#startedMs = null;
    const { resumed = 0 } = this.#job;
    return { url: this.url, bytes, tasks: (this.#job.tasks ?? blocks.flat().length) - resumed, resumed, seconds };
  }

  /** Remove what a run has begun, when it has not ended. */
  async abandon(): Promise<void> {
    if (this.#startedMs === null) return;
    this.#startedMs = null;
    await this.#job.abandon();
  }

  /** Run it. @throws {WriteError | ReadError | TaskError} the first failure; nothing half-written remains */
  async compute(options: ComputeOptions = {}): Promise<Written> {
    return (await computeAll<readonly [Computable<Written>]>([this], options))[0];
  }
}
