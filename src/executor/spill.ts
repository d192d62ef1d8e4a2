/** Which blocks leave memory for the disk, and their way out and back. The arena's owner thread. */
import { formatBytes, MemoryBudgetError, ReadError } from "../base/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { Arena } from "./arena.ts";
import { type SavedPlace, SpillFile } from "./spill-file.ts";
import { Turns } from "./turns.ts";
import type { BlockHandle } from "./types.ts";

/** Compression of blocks on disk, on other threads than this one. */
export interface SpillCodec {
  /** Null: it is not worth it, and the block lies there as it is. */
  compress(bytes: Uint8Array): Promise<Uint8Array | null>;
  /** @throws these are not bytes that `compress` gave */
  decompress(bytes: Uint8Array): Promise<Uint8Array>;
}

/** Where blocks go that find no room, and in which order. */
export interface SpillOptions {
  /** Folder on a disk of this machine. */
  readonly folder: string;
  /** Bytes that may lie there. */
  readonly limitBytes: number;
  /** Blocks in the order in which they had best leave: furthest next use first. Those in use are passed over. */
  readonly order: () => Iterable<BlockHandle>;
  /** Default: blocks lie there as they are. */
  readonly codec?: SpillCodec;
}

/** Where a part of a block lies, and whether it is compressed. */
interface SavedPart extends SavedPlace {
  readonly isPacked: boolean;
}

/** Where a block lies: in one part, or in parts that are compressed one by one. */
interface Saved {
  readonly parts: readonly SavedPart[];
  /** Bytes of them there. */
  readonly nbytes: number;
}

/** Bytes of a block that are compressed together: this, twice, is what it takes beside the budget. */
const PART_BYTES = 2 ** 23;

/** What has moved so far, and what lies on disk now. */
export interface SpillFigures {
  /** Bytes of the blocks that are on disk and not in memory. */
  readonly bytesAway: number;
  /** Bytes that these take there: fewer, where they are compressed. So are those written and read. */
  readonly bytesOnDisk: number;
  readonly bytesWritten: number;
  readonly bytesRead: number;
  /** Blocks that were written and read, and the time that this took; those under way at once count one by one. */
  readonly writes: number;
  readonly reads: number;
  readonly writeSeconds: number;
  readonly readSeconds: number;
}

/** Nothing has moved. */
export const NO_SPILL: SpillFigures = {
  bytesAway: 0,
  bytesOnDisk: 0,
  bytesWritten: 0,
  bytesRead: 0,
  writes: 0,
  reads: 0,
  writeSeconds: 0,
  readSeconds: 0,
};

/** More than asked for is made free at a time, as this share of the budget, so that the order is asked for seldom. */
const HEADROOM = 1 / 16;

/**
 * Blocks on their way between the arena and a file. A block that was written keeps its copy while the file has room, so
 * that it leaves a second time for nothing: blocks never change.
 */
export class Spill {
  readonly #arena: Arena;
  readonly #file: SpillFile;
  readonly #order: () => Iterable<BlockHandle>;
  readonly #onChange: () => void;
  readonly #codec: SpillCodec | null;
  /** One part is compressed or decompressed at a time: that takes memory beside the budget. */
  readonly #packing = new Turns();
  readonly #saved = new Map<number, Saved & { readonly block: BlockHandle }>();
  readonly #writing = new Set<number>();
  readonly #reading = new Set<number>();
  /** Blocks that are copied from the file for somebody else, as often as they are. */
  readonly #lending: number[] = [];
  /** Blocks that could not be read back, and why. */
  readonly #unreadable = new Map<number, Error>();
  /** Who waits for room. */
  readonly #waiters: (() => void)[] = [];
  /** Bytes of those being written. */
  #leaving = 0;
  readonly #moved = { bytesWritten: 0, bytesRead: 0, writes: 0, reads: 0, writeSeconds: 0, readSeconds: 0 };
  /** True once a block found no room in the file, until another gives its own back. */
  #isFull = false;
  /** What went wrong with the file other than its being full. */
  #broken: Error | null = null;

  /** @param onChange called whenever memory came free or a block came back @throws {ConfigError} the folder cannot be used */
  constructor(arena: Arena, options: SpillOptions, onChange: () => void) {
    this.#arena = arena;
    this.#file = new SpillFile(options.folder, options.limitBytes);
    this.#order = options.order;
    this.#codec = options.codec ?? null;
    this.#onChange = onChange;
  }

  /** True while something is under way that ends in a call of `onChange`. */
  get isMoving(): boolean {
    return this.#writing.size + this.#reading.size > 0;
  }

  /** True when no more can be written, whatever comes to be there. */
  get isExhausted(): boolean {
    return this.#isFull || this.#broken !== null;
  }

  /** True when the block's bytes can be used. */
  isReady(block: BlockHandle): boolean {
    return this.#arena.isResident(block) && !this.#reading.has(block.id);
  }

  get figures(): SpillFigures {
    const { away } = this.#arena.stats();
    return { bytesAway: away, bytesOnDisk: away - this.#saving(), ...this.#moved };
  }

  /** Bytes by which the blocks that are on disk only are smaller there. */
  #saving(): number {
    if (!this.#codec) return 0;
    let nbytes = 0;
    for (const saved of this.#saved.values())
      if (!this.#arena.isResident(saved.block)) nbytes += saved.block.nbytes - saved.nbytes;
    return nbytes;
  }

  /**
   * Work towards `absent` blocks in memory and `nbytes` free beside them. Call again after `onChange`.
   * @throws what kept a block from being read back
   */
  want(absent: readonly BlockHandle[], nbytes: number): void {
    const coming = absent.filter((block) => !this.#reading.has(block.id));
    for (const { id } of coming) {
      const error = this.#unreadable.get(id);
      if (error) throw error;
    }
    const needed = nbytes + coming.reduce((sum, block) => sum + block.nbytes, 0);
    const over = this.#arena.liveBytes + needed - this.#leaving - this.#arena.budgetBytes;
    if (over > 0) this.#makeRoom(over);
    // Inputs come in as room for them appears; the result's room is left for last.
    for (const block of coming) {
      if (!this.#arena.hasRoom(block.nbytes) || !this.#arena.restore(block)) break;
      void this.#read(block);
    }
  }

  /** Spill until `nbytes` are free; false when nothing more can leave now. */
  async makeRoom(nbytes: number): Promise<boolean> {
    while (!this.#arena.hasRoom(nbytes)) {
      this.want([], nbytes);
      if (this.#arena.hasRoom(nbytes)) break;
      if (this.#writing.size === 0) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.push(resolve);
      await promise;
    }
    return true;
  }

  /** Let all go that may; false when nothing may. */
  clear(): boolean {
    const before = this.#arena.liveBytes;
    this.#makeRoom(Number.POSITIVE_INFINITY);
    return this.isMoving || this.#arena.liveBytes < before;
  }

  /** The block's elements in ordinary memory, from the disk: in `into`, if it is given. */
  async load(block: BlockHandle, into?: ArrayBuffer): Promise<NDArray> {
    const saved = this.#saved.get(block.id);
    if (!saved) throw this.error(block.nbytes);
    const bytes = new Uint8Array(into ?? new ArrayBuffer(block.nbytes), 0, block.nbytes);
    this.#arena.retain(block);
    this.#lending.push(block.id);
    try {
      await this.#fromFile(saved, bytes);
    } finally {
      this.#lending.splice(this.#lending.indexOf(block.id), 1);
      this.release(block);
    }
    return NDArray.view(block.dtype, bytes.buffer, 0, block.shape);
  }

  /** Drop one reference of a block; its copy goes with the last. */
  release(block: BlockHandle): void {
    this.#arena.release(block);
    if (!this.#arena.isLive(block)) this.#forget(block);
  }

  /** The error of a task that cannot have the memory it needs. */
  error(nbytes: number): Error {
    const { budgetBytes } = this.#arena;
    const { folder, limitBytes, fullBecause } = this.#file;
    const why = this.#broken?.message ?? fullBecause?.message ?? `${formatBytes(limitBytes)} may lie there`;
    return new MemoryBudgetError(
      `no room for ${formatBytes(nbytes)} within ${formatBytes(budgetBytes)}, and no more blocks can be spilled to ${folder}: ${why}`,
      {
        details: { nbytes, budgetBytes, folder, limitBytes, ...this.#state() },
        cause: this.#broken ?? fullBecause ?? undefined,
      },
    );
  }

  /** What a reader of that error asks next. */
  #state(): Record<string, number | boolean> {
    const { live, away, blocks } = this.#arena.stats();
    const order = Array.from(this.#order());
    const evictable = order.filter((block) => this.#arena.canEvict(block)).length;
    return { live, away, blocks, ordered: order.length, evictable, saved: this.#saved.size, isFull: this.#isFull };
  }

  close(): void {
    this.#file.close();
  }

  /** Evict what has a copy, write what has none, until `nbytes` and a little more are free or on their way out. */
  #makeRoom(nbytes: number): void {
    let left = nbytes + this.#arena.budgetBytes * HEADROOM;
    for (const block of this.#order()) {
      if (left <= 0) return;
      if (!this.#arena.canEvict(block)) continue; // pinned while it is written or read
      if (this.#saved.has(block.id)) this.#arena.evict(block);
      else if (this.#isFull || this.#broken !== null) continue;
      else void this.#write(block);
      left -= block.nbytes;
    }
  }

  async #write(block: BlockHandle): Promise<void> {
    this.#begin(block, this.#writing);
    this.#leaving += block.nbytes;
    try {
      const { buffer, byteOffset, byteLength } = this.#arena.view(block).data;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      const codec = this.#codec;
      const saved = await this.#save(bytes, codec);
      if (saved) this.#saved.set(block.id, { ...saved, block });
      else this.#isFull = true;
      if (saved) this.#moved.writes++;
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error)); // told by whoever finds no room
    }
    this.#leaving -= block.nbytes;
    this.#arena.unpin(block);
    // Somebody may have begun to use it meanwhile; then it stays, with its copy.
    if (this.#saved.has(block.id) && this.#arena.canEvict(block)) this.#arena.evict(block);
    this.#end(block, this.#writing);
  }

  /** Null: there is no room for all of it. */
  async #save(bytes: Uint8Array, codec: SpillCodec | null): Promise<Saved | null> {
    const parts: SavedPart[] = [];
    const size = codec ? PART_BYTES : bytes.byteLength;
    let nbytes = 0;
    let isWhole = false;
    try {
      for (let from = 0; from < bytes.byteLength || parts.length === 0; from += size) {
        const part = bytes.subarray(from, from + size);
        const place = codec ? await this.#packing.run(() => this.#pack(part, codec)) : await this.#toFile(part);
        if (!place) return null;
        parts.push(place);
        nbytes += place.nbytes;
      }
      isWhole = true;
      return { parts, nbytes };
    } finally {
      for (const part of isWhole ? [] : parts) this.#file.free(part);
    }
  }

  async #pack(bytes: Uint8Array, codec: SpillCodec): Promise<SavedPart | null> {
    const packed = await codec.compress(bytes);
    return packed ? this.#toFile(packed, true) : this.#toFile(bytes);
  }

  async #toFile(bytes: Uint8Array, isPacked = false): Promise<SavedPart | null> {
    const began = performance.now();
    const place =
      (await this.#file.write(bytes)) ?? (this.#dropCopies(bytes.byteLength) ? await this.#file.write(bytes) : null);
    if (!place) return null;
    this.#moved.bytesWritten += place.nbytes;
    this.#moved.writeSeconds += (performance.now() - began) / 1000;
    return { ...place, isPacked };
  }

  async #read(block: BlockHandle): Promise<void> {
    this.#begin(block, this.#reading);
    const saved = this.#saved.get(block.id) as Saved; // evicted blocks have a copy
    const { buffer, byteOffset, byteLength } = this.#arena.view(block).data;
    try {
      await this.#fromFile(saved, new Uint8Array(buffer, byteOffset, byteLength));
      this.#arena.unpin(block);
    } catch (error) {
      this.#unreadable.set(block.id, error instanceof Error ? error : new Error(String(error)));
      this.#arena.unpin(block);
      this.#arena.evict(block);
    }
    this.#end(block, this.#reading);
  }

  async #fromFile({ parts }: Saved, bytes: Uint8Array): Promise<void> {
    const codec = this.#codec;
    const size = parts.length > 1 ? PART_BYTES : bytes.byteLength;
    for (const [i, part] of parts.entries()) {
      const into = bytes.subarray(i * size, (i + 1) * size);
      if (codec && part.isPacked) await this.#packing.run(() => this.#unpack(part, into, codec));
      else await this.#bytesOf(part, into);
    }
    this.#moved.reads++;
  }

  async #unpack(saved: SavedPlace, bytes: Uint8Array, codec: SpillCodec): Promise<void> {
    const packed = new Uint8Array(saved.nbytes);
    await this.#bytesOf(saved, packed);
    const damaged = (why: string, cause?: unknown): Error =>
      new ReadError(
        `a part of ${bytes.byteLength} bytes of a spilled block in ${this.#file.folder} is damaged: ${why}`,
        {
          cause,
        },
      );
    const plain = await codec.decompress(packed).catch((cause: unknown) => {
      throw damaged(cause instanceof Error ? cause.message : String(cause), cause);
    });
    if (plain.byteLength !== bytes.byteLength) throw damaged(`it has ${plain.byteLength}`);
    bytes.set(plain);
  }

  async #bytesOf(saved: SavedPlace, bytes: Uint8Array): Promise<void> {
    const began = performance.now();
    await this.#file.read(saved, bytes);
    this.#moved.bytesRead += bytes.byteLength;
    this.#moved.readSeconds += (performance.now() - began) / 1000;
  }

  #begin(block: BlockHandle, moving: Set<number>): void {
    moving.add(block.id);
    this.#arena.retain(block);
    this.#arena.pin(block);
  }

  #end(block: BlockHandle, moving: Set<number>): void {
    moving.delete(block.id);
    this.release(block);
    for (const wake of this.#waiters.splice(0)) wake();
    this.#onChange();
  }

  /** Copies of blocks that are in memory as well make room for `nbytes`. */
  #dropCopies(nbytes: number): boolean {
    let left = nbytes;
    for (const [id, saved] of this.#saved) {
      if (left <= 0) break;
      if (this.#reading.has(id) || this.#lending.includes(id) || !this.#arena.isResident(saved.block)) continue;
      this.#free(saved);
      this.#saved.delete(id);
      left -= saved.nbytes;
    }
    return left < nbytes;
  }

  #forget(block: BlockHandle): void {
    this.#unreadable.delete(block.id);
    const saved = this.#saved.get(block.id);
    if (!saved) return;
    this.#saved.delete(block.id);
    this.#free(saved);
  }

  #free({ parts }: Saved): void {
    this.#isFull = false;
    for (const part of parts) this.#file.free(part);
  }
}
