/** What a client knows of what it wants: key by key, and of all the blocks of an array that is kept. */
import type { RsdatError } from "../base/index.ts";
import { blockKeyAt, type Key, type KeyColumn, valueOfKey } from "../graph/index.ts";

/** State of a key, in Dask's words. */
export type FutureStatus = "pending" | "finished" | "error" | "lost" | "cancelled";

/** What a client knows of one key. */
export class Watch {
  /** Where the key stands; null: it is a text of its own. */
  readonly column: KeyColumn | null;
  readonly index: number;
  #key: Key | null;
  status: FutureStatus = "pending";
  error: RsdatError | undefined = undefined;
  /** Workers that hold the result, as the scheduler last said. */
  workers: readonly string[] = NOWHERE;
  /** The result itself, where the scheduler told it: a list of one. */
  scalar: readonly (number | boolean | null)[] | null = null;
  /** Pickled class of the result, if the scheduler said. */
  type: Uint8Array | undefined = undefined;
  /** True for data that came from here: nobody can compute it again. */
  isScattered = false;
  /** Futures and runs that want it. */
  references = 0;
  /** Called, once each, when the status is no longer `pending`. */
  listeners: ((watch: Watch) => void)[] | null = null;
  /** Nobody wants it any more; the scheduler will hear of it. */
  isReleased = false;
  /** Of `Watches`: where it stands; -1: another one stands there, or nobody asks for it by its key. */
  place = -1;

  constructor(of: Key | KeyColumn, index = 0) {
    const isText = typeof of === "string";
    this.column = isText ? null : of;
    this.index = index;
    this.#key = isText ? of : null;
  }

  get key(): Key {
    this.#key ??= (this.column as KeyColumn).at(this.index); // one of the two
    return this.#key;
  }
}

const NOWHERE: readonly string[] = [];

/** A block is pending, in memory, or watched by its key, because more than that is to be known of it. */
const PENDING = 0;
const IN_MEMORY = 1;
const BY_KEY = 2;

/**
 * All the blocks of one layer, wanted together: a byte for each, until somebody asks for one by its key or something out
 * of the ordinary becomes of it. From then on it has a {@link Watch} of its own, in which these blocks count as one
 * reference.
 */
export class BlockWatches {
  readonly name: string;
  readonly grid: readonly number[];
  /** Blocks that have a watch. */
  readonly byKey: Map<number, Watch> = new Map();
  readonly #state: Uint8Array;
  /** Blocks of which no end has been heard. */
  #left: number;
  readonly #waiting = new Set<PromiseWithResolvers<void>>();

  constructor(name: string, grid: readonly number[]) {
    this.name = name;
    this.grid = grid;
    this.#left = grid.reduce((product, n) => product * n, 1);
    this.#state = new Uint8Array(this.#left);
  }

  /** True for a grid of just these blocks. */
  has(grid: readonly number[]): boolean {
    return grid.length === this.grid.length && grid.every((n, axis) => n === this.grid[axis]);
  }

  /** Number of the block of a key; -1: it is none of these. */
  indexOf(position: readonly unknown[]): number {
    if (position.length !== this.grid.length) return -1;
    let index = 0;
    for (let axis = 0; axis < position.length; axis++) {
      const [p, n] = [position[axis], this.grid[axis] as number]; // axis < length
      if (typeof p !== "number" || !(p >= 0 && p < n)) return -1;
      index = index * n + p;
    }
    return index;
  }

  key(index: number): Key {
    return blockKeyAt(this.name, this.grid, index);
  }

  /** A block got into memory; false where its watch has to hear of it. */
  inMemory(index: number): boolean {
    if (this.#state[index] === BY_KEY) return false;
    if (this.#state[index] === PENDING) {
      this.#state[index] = IN_MEMORY;
      this.#ended();
    }
    return true;
  }

  /** Numbers of the blocks that have no watch. */
  *unwatched(): Generator<number, void, undefined> {
    for (let index = 0; index < this.#state.length; index++) if (this.#state[index] !== BY_KEY) yield index;
  }

  /** Numbers of those of them that are pending. */
  *pending(): Generator<number, void, undefined> {
    for (let index = 0; index < this.#state.length; index++) if (this.#state[index] === PENDING) yield index;
  }

  /** A watch of a block that has none, which says what is known of it. */
  promote(index: number): Watch {
    const watch = new Watch(this.key(index));
    watch.references = 1;
    if (this.#state[index] === IN_MEMORY) watch.status = "finished";
    else
      watch.listeners = [
        () => {
          if (watch.error) this.#fail(watch.error);
          this.#ended();
        },
      ];
    this.#state[index] = BY_KEY;
    this.byKey.set(index, watch);
    return watch;
  }

  /** Until all of them have been in memory, except those watches that are pending again. @throws the first one's error */
  async allEnded(): Promise<void> {
    for (const { error } of this.byKey.values()) if (error) throw error;
    if (this.#left === 0) return;
    const waiting = Promise.withResolvers<void>();
    this.#waiting.add(waiting);
    await waiting.promise;
  }

  #ended(): void {
    if (--this.#left > 0) return;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #fail(error: RsdatError): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}

/** Layers whose blocks are wanted together, by name. */
export class WatchedLayers {
  readonly #layers = new Map<string, BlockWatches>();

  get size(): number {
    return this.#layers.size;
  }

  get(name: string): BlockWatches | undefined {
    return this.#layers.get(name);
  }

  add(blocks: BlockWatches): void {
    this.#layers.set(blocks.name, blocks);
  }

  delete(blocks: BlockWatches): void {
    this.#layers.delete(blocks.name);
  }

  all(): Iterable<BlockWatches> {
    return this.#layers.values();
  }

  /** The block of a key. */
  find(key: Key): { readonly blocks: BlockWatches; readonly index: number } | undefined {
    if (this.#layers.size === 0 || !key.startsWith("\0[")) return undefined;
    const value = valueOfKey(key);
    if (!Array.isArray(value) || typeof value[0] !== "string") return undefined;
    const blocks = this.#layers.get(value[0]);
    const index = blocks?.indexOf(value.slice(1)) ?? -1;
    return blocks && index >= 0 ? { blocks, index } : undefined;
  }
}
