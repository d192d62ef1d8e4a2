/** Blocks of arrays on their way to targets that take them: one after another, within a bound. */
import { ArgumentError, ShapeError } from "../../base/index.ts";
import { type LayerNode, offsetsOf, sliceNode } from "../../graph/index.ts";
import { type NDArray, parseIndex, type SliceArg } from "../../ndarray/index.ts";
import { type Computable, type ComputeOptions, computeAll } from "../compute.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";

/** Per axis of a target, its first element and the first after the region. */
export type StoreRegion = readonly (readonly [number, number])[];

/** Anything that takes blocks: a memory, a file format, a service. */
export interface StoreTarget {
  set(region: StoreRegion, block: NDArray): void | Promise<void>;
}

/** Options of {@link store}. */
export interface StoreArrayOptions {
  /** Where in the targets the arrays go, one region for all or one each; default from 0 on. */
  readonly regions?: StoreRegion | readonly StoreRegion[];
  /** Taken for Dask's sake: blocks are set one after another, whatever it says. */
  readonly lock?: boolean;
  /** `false` gives a lazy write. */
  readonly compute?: boolean;
}

/** Bytes of blocks that are computed, and held, before the first is set. */
const STORE_BYTES_MAX = 256 * 2 ** 20;

/** A store that waits for its run. */
export interface LazyStore extends Computable<void> {
  compute(options?: ComputeOptions): Promise<void>;
}

/**
 * Arrays to be given to targets; nothing is, until it runs.
 * @throws {ArgumentError} another number of targets or regions, or a target without `set`
 * @throws {ShapeError} a region of another shape
 */
export function lazyStore(
  arrays: readonly LazyArray[],
  sinks: readonly StoreTarget[],
  given: StoreArrayOptions["regions"],
): LazyStore {
  if (sinks.length !== arrays.length)
    throw new ArgumentError(`store of ${arrays.length} arrays into ${sinks.length} targets: expected as many`);
  for (const sink of sinks)
    if (typeof sink?.set !== "function") throw new ArgumentError("store: a target has no method set(region, block)");
  const regions = regionsOf(given, arrays);
  return new Store(
    arrays.map((array, i): Job => ({ array, sink: sinks[i] as StoreTarget, origin: regions[i] as number[] })), // one each
  );
}

/** First elements of the regions. */
function regionsOf(given: StoreArrayOptions["regions"], arrays: readonly LazyArray[]): number[][] {
  if (given === undefined) return arrays.map((a) => a.shape.map(() => 0));
  const isOne = given.length === 0 || !Array.isArray(given[0]?.[0]);
  const list = (isOne ? arrays.map(() => given) : given) as readonly StoreRegion[]; // told apart by their depth
  if (list.length !== arrays.length)
    throw new ArgumentError(`store: ${list.length} regions for ${arrays.length} arrays`);
  return list.map((region, i) => {
    const { shape } = arrays[i] as LazyArray; // as many
    if (region.length !== shape.length || region.some(([from, to], k) => to - from !== shape[k]))
      throw new ShapeError(`store: region ${JSON.stringify(region)} for an array of shape (${shape.join(", ")})`);
    return region.map(([from]) => from);
  });
}

interface Job {
  readonly array: LazyArray;
  readonly sink: StoreTarget;
  readonly origin: readonly number[];
}

/** Blocks of arrays on their way to targets. */
class Store implements LazyStore {
  readonly #jobs: readonly Job[];

  constructor(jobs: readonly Job[]) {
    this.#jobs = jobs;
  }

  get outputs(): readonly LayerNode[] {
    return this.#jobs.map(({ array }) => array.node);
  }

  async assemble(blocks: readonly (readonly NDArray[])[]): Promise<void> {
    for (const [i, job] of this.#jobs.entries()) await setAll(job, blocks[i] ?? []);
  }

  async compute(options: ComputeOptions = {}): Promise<void> {
    const total = this.#jobs.reduce((sum, { array }) => sum + array.nbytes, 0);
    if (total <= STORE_BYTES_MAX) {
      await computeAll<readonly [Computable<void>]>([this], options);
      return;
    }
    for (const job of this.#jobs)
      for (const band of bandsOf(job)) await computeAll<readonly [Computable<void>]>([new Store([band])], options);
  }
}

async function setAll({ array, sink, origin }: Job, blocks: readonly NDArray[]): Promise<void> {
  const grid = array.chunks.map((sizes) => sizes.length);
  const position = grid.map(() => 0);
  for (const block of blocks) {
    const region = position.map((p, k): [number, number] => {
      const from = (origin[k] as number) + (offsetsOf(array.chunks[k] as readonly number[])[p] as number);
      return [from, from + (block.shape[k] as number)];
    });
    await sink.set(region, block);
    for (let k = grid.length - 1; k >= 0; k--) {
      position[k] = (position[k] as number) + 1;
      if ((position[k] as number) < (grid[k] as number)) break;
      position[k] = 0;
    }
  }
}

/** Runs of blocks along the first axis, each below the bound or one block. */
function* bandsOf({ array, sink, origin }: Job): Generator<Job> {
  const [first = [], ...rest] = array.chunks;
  if (array.ndim === 0) {
    yield { array, sink, origin };
    return;
  }
  const rowBytes = array.nbytes / Math.max(1, array.shape[0] as number);
  let at = 0;
  for (let b = 0; b < first.length; ) {
    let n = first[b] as number;
    let more = b + 1;
    while (more < first.length && (n + (first[more] as number)) * rowBytes <= STORE_BYTES_MAX)
      n += first[more++] as number;
    const index: SliceArg[] = [[at, at + n], ...rest.map((): SliceArg => ":")];
    yield {
      array: lazyOf(sliceNode(array.node, parseIndex(index, array.shape))),
      sink,
      origin: origin.map((o, k) => (k === 0 ? o + at : o)),
    };
    at += n;
    b = more;
  }
}
