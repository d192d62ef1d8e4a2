/** The chunk arena: reference-counted blocks in shared segments, within a byte budget. One owner thread. */
import { formatBytes, InvariantError, invariant } from "../base/index.ts";
import { type DType, itemsize } from "../dtype/index.ts";
import { createSegment, type Segment } from "../kernels/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { ALIGNMENT, footprintOf, SegmentAllocator, TAIL_BYTES } from "./allocator.ts";
import { SlabAllocator } from "./slab.ts";
import type { BlockHandle } from "./types.ts";

/** Blocks up to this many bytes share slabs, so that small long-lived ones do not lie scattered between large ones. */
const SMALL_BYTES = 32 * 1024;
const SLAB_BYTES = 512 * 1024;
/** Size of a segment, and from which budget on the larger size serves (kernels.md §4). */
const SEGMENT_BYTES = 2 ** 30;
const LARGE_SEGMENT_BYTES = 2 ** 32 - 65536;
const LARGE_SEGMENTS_FROM = 32 * 2 ** 30;

/** Bytes that an arena may touch for a budget: alignment, tails, slabs and gaps cost up to a sixteenth. */
function touchableBytes(budgetBytes: number): number {
  return Math.ceil(budgetBytes * (17 / 16)) + 8 * SLAB_BYTES;
}

/** Largest budget of an arena that touches at most `bytes`. */
export function budgetWithin(bytes: number): number {
  return Math.floor((bytes - 8 * SLAB_BYTES) * (16 / 17));
}

/** Where bytes lie. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

/** Bytes inside a large extent of a segment: the extent itself, or a part of a slab. */
interface Extent {
  readonly segment: ArenaSegment;
  /** Offset of the large extent; compaction moves it. */
  base: number;
  readonly slab: Slab | null;
  pins: number;
}

interface Slab {
  readonly extent: Extent;
  readonly allocator: SlabAllocator;
  /** The extent of all its blocks. */
  part: Extent | null;
}

interface ArenaSegment extends Segment {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly allocator: SegmentAllocator;
  /** Large extents by offset. */
  readonly extents: Map<number, Extent>;
}

/** A block's bytes; those of small blocks go from one that is freed to the next one. */
interface BlockBytes {
  readonly extent: Extent;
  /** Offset inside the extent: 0 outside slabs. */
  readonly inner: number;
}

/** A live block. */
class Block implements BlockHandle {
  readonly id: number;
  readonly nbytes: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  references = 1;
  /** Of those of its slab, if it is small, this many are its own. */
  pins = 0;
  /** Null while the bytes are elsewhere. */
  bytes: BlockBytes | null;

  constructor(id: number, dtype: DType, shape: readonly number[], nbytes: number, bytes: BlockBytes) {
    this.id = id;
    this.dtype = dtype;
    this.shape = shape;
    this.nbytes = nbytes;
    this.bytes = bytes;
  }

  get extent(): Extent | null {
    return this.bytes === null ? null : this.bytes.extent;
  }
}

/** Options of an {@link Arena}. */
export interface ArenaOptions {
  /** Bytes that live blocks may take together. */
  readonly budgetBytes: number;
  /** False lets blocks pass the budget; tests only. */
  readonly enforceBudget?: boolean;
  /** Told of every new segment before a block lies in it. */
  readonly onSegment?: (id: number, segment: Segment) => void;
}

/** Blocks in shared memory. `allocate` is refused beyond the budget: who asks has to know that there is room. */
export class Arena {
  readonly budgetBytes: number;
  readonly #enforce: boolean;
  /** Bytes that may ever be touched. */
  readonly #touchable: number;
  readonly #onSegment: (id: number, segment: Segment) => void;
  readonly #segments: ArenaSegment[] = [];
  #blocks = 0;
  readonly #slabs: Slab[] = [];
  readonly #idle = new IdleExtents();
  #nextId = 1;
  #live = 0;
  #peak = 0;
  /** Bytes of blocks that were evicted. */
  #away = 0;

  constructor({ budgetBytes, enforceBudget = true, onSegment = () => undefined }: ArenaOptions) {
    this.budgetBytes = budgetBytes;
    this.#enforce = enforceBudget;
    this.#touchable = enforceBudget ? touchableBytes(budgetBytes) : Number.POSITIVE_INFINITY;
    this.#onSegment = onSegment;
  }

  /** Bytes of live blocks in memory, their peak, bytes of evicted ones, bytes ever touched, and counts. */
  stats(): {
    readonly live: number;
    readonly peak: number;
    readonly away: number;
    readonly touched: number;
    readonly blocks: number;
    readonly segments: number;
  } {
    const touched = this.#segments.reduce((sum, s) => sum + s.allocator.touched, 0);
    const [live, peak, away] = [this.#live, this.#peak, this.#away];
    return { live, peak, away, touched, blocks: this.#blocks, segments: this.#segments.length };
  }

  /** Bytes of live blocks in memory. */
  get liveBytes(): number {
    return this.#live;
  }

  /** Every segment by its number, for threads that begin later. */
  segments(): readonly Segment[] {
    return this.#segments;
  }

  /** True when a block of `nbytes` more keeps the budget. */
  hasRoom(nbytes: number): boolean {
    return !this.#enforce || this.#live + nbytes <= this.budgetBytes;
  }

  /** As {@link hasRoom}, and a segment can be as large as the block. */
  canHold(nbytes: number): boolean {
    return footprintOf(nbytes) <= LARGE_SEGMENT_BYTES && this.hasRoom(nbytes);
  }

  /**
   * A block with undefined contents and one reference; null when the budget has room but pinned blocks leave no gap that
   * is large enough: ask again once something was unpinned. `near` names a block in whose segment it had best lie.
   * @throws {InvariantError} beyond the budget
   */
  allocate(dtype: DType, shape: readonly number[], near?: BlockHandle): BlockHandle | null {
    const nbytes = sizeOf(shape) * itemsize(dtype);
    this.#assertRoom(nbytes);
    const size = footprintOf(nbytes);
    const at = near && this.#liveBlock(near)?.extent?.segment.id;
    const found = this.#find(size, at);
    if (found === null) return null;
    const block = new Block(this.#nextId++, dtype, shape, nbytes, found);
    this.#blocks++;
    this.#count(nbytes);
    return block;
  }

  /**
   * Blocks for all of `wanted` (dtype and shape each), pinned; null when there are not gaps for all of them. One that was
   * found first may lie where what is free is cut in two: then they are sought again one behind the other.
   * @throws {InvariantError} beyond the budget
   */
  allocatePinned(wanted: readonly (readonly [DType, readonly number[]])[], near?: BlockHandle): BlockHandle[] | null {
    const found = this.#tryAll(wanted, near);
    if (found !== null || wanted.length === 1) return found;
    // What the first one split has slid together meanwhile, perhaps with nothing left to move.
    this.#compact();
    return this.#tryAll(wanted, near);
  }

  #tryAll(wanted: readonly (readonly [DType, readonly number[]])[], near?: BlockHandle): BlockHandle[] | null {
    const blocks: BlockHandle[] = [];
    let isWhole = false;
    try {
      for (const [dtype, shape] of wanted) {
        const block = this.allocate(dtype, shape, near);
        if (block === null) return null;
        this.pin(block);
        blocks.push(block);
      }
      isWhole = true;
      return blocks;
    } finally {
      for (const block of isWhole ? [] : blocks) {
        this.unpin(block);
        this.release(block);
      }
    }
  }

  /** True when the block can leave: it is in memory, and nobody has pinned it. */
  canEvict(handle: BlockHandle): boolean {
    const block = this.#liveBlock(handle);
    return block !== undefined && block.bytes !== null && block.pins === 0;
  }

  /** True when the block's bytes are in memory. */
  isResident(handle: BlockHandle): boolean {
    return this.#block(handle).extent !== null;
  }

  /** Give the block's memory back; it lives on without bytes until {@link restore}. Only what {@link canEvict}. */
  evict(handle: BlockHandle): void {
    const block = this.#block(handle);
    invariant(this.canEvict(handle) && block.bytes !== null, `block ${handle.id} cannot be evicted`);
    this.#freeBytes(block.bytes, block.nbytes);
    block.bytes = null;
    this.#away += block.nbytes;
  }

  /**
   * Memory with undefined contents for an evicted block; false when no gap is large enough.
   * @throws {InvariantError} beyond the budget
   */
  restore(handle: BlockHandle): boolean {
    const block = this.#block(handle);
    invariant(block.extent === null, `block ${handle.id} is in memory`);
    this.#assertRoom(block.nbytes);
    const found = this.#find(footprintOf(block.nbytes));
    if (found === null) return false;
    block.bytes = found;
    this.#away -= block.nbytes;
    this.#count(block.nbytes);
    return true;
  }

  /** True until the last reference is dropped. */
  isLive(handle: BlockHandle): boolean {
    return this.#liveBlock(handle) !== undefined;
  }

  #assertRoom(nbytes: number): void {
    if (this.hasRoom(nbytes)) return;
    throw new InvariantError(
      `a block of ${formatBytes(nbytes)} beside ${formatBytes(this.#live)} would pass the budget of ${formatBytes(this.budgetBytes)}`,
      { details: { nbytes, live: this.#live, budgetBytes: this.budgetBytes } },
    );
  }

  #count(nbytes: number): void {
    this.#live += nbytes;
    this.#peak = Math.max(this.#peak, this.#live);
  }

  /** Where a block lies now; it stays there while it is pinned. */
  place(handle: BlockHandle): Place {
    const bytes = this.#bytesOf(handle);
    return { segment: bytes.extent.segment.id, offset: offsetOf(bytes) };
  }

  /** Write where a block lies: its segment at `at`, its offset behind that. */
  writePlace(handle: BlockHandle, numbers: Float64Array, at: number): void {
    const bytes = this.#bytesOf(handle);
    numbers[at] = bytes.extent.segment.id;
    numbers[at + 1] = offsetOf(bytes);
  }

  /** The block's elements; valid until something is allocated, unless the block is pinned. */
  view(handle: BlockHandle): NDArray {
    const { segment, offset } = this.place(handle);
    return NDArray.view(handle.dtype, (this.#segments[segment] as ArenaSegment).buffer, offset, handle.shape); // segments are never dropped
  }

  retain(handle: BlockHandle): void {
    this.#block(handle).references++;
  }

  release(handle: BlockHandle): void {
    const block = this.#block(handle);
    if (--block.references > 0) return;
    this.#blocks--;
    const { bytes } = block;
    if (bytes === null) {
      this.#away -= block.nbytes;
      return;
    }
    this.#freeBytes(bytes, block.nbytes);
  }

  /** Give back what a block of so many bytes had. */
  #freeBytes(bytes: BlockBytes, nbytes: number): void {
    this.#live -= nbytes;
    const { slab } = bytes.extent;
    if (slab === null) this.#freeLarge(bytes.extent);
    else if (!this.#idle.keep(bytes, footprintOf(nbytes))) this.#freeSmall(slab, bytes.inner);
  }

  #freeSmall(slab: Slab, inner: number): void {
    slab.allocator.release(inner);
    if (slab.allocator.live === 0) this.#dropSlab(slab.extent);
  }

  #dropSlab(extent: Extent): void {
    this.#slabs.splice(
      this.#slabs.findIndex((slab) => slab.extent === extent),
      1,
    );
    this.#freeLarge(extent);
  }

  /** Give back what is kept for small blocks; true when there was something. */
  #freeIdle(): boolean {
    const all = this.#idle.takeAll();
    for (const { extent, inner } of all) if (extent.slab) this.#freeSmall(extent.slab, inner);
    return all.length > 0;
  }

  pin(handle: BlockHandle): void {
    this.#pinned(handle, 1);
  }

  unpin(handle: BlockHandle): void {
    this.#pinned(handle, -1);
  }

  #pinned(handle: BlockHandle, sign: 1 | -1): void {
    const block = this.#block(handle);
    const { extent } = this.#bytesOf(block);
    (extent.slab?.extent ?? extent).pins += sign;
    block.pins += sign;
  }

  #bytesOf(handle: BlockHandle): BlockBytes {
    const { bytes } = this.#block(handle);
    if (bytes === null) throw new InvariantError(`block ${handle.id} is not in memory`);
    return bytes;
  }

  #block(handle: BlockHandle): Block {
    const block = this.#liveBlock(handle);
    if (block === undefined) throw new InvariantError(`block ${handle.id} is not live`);
    return block;
  }

  /** A handle is its block. */
  #liveBlock(handle: BlockHandle): Block | undefined {
    return handle instanceof Block && handle.references > 0 ? handle : undefined;
  }

  /** Bytes for a block of that footprint; `near`: in this segment, if it is a large one. */
  #find(size: number, near?: number): BlockBytes | null {
    return size <= SMALL_BYTES ? (this.#idle.take(size) ?? this.#small(size)) : this.#large(size, near);
  }

  #small(size: number): { extent: Extent; inner: number } | null {
    for (let k = this.#slabs.length - 1; k >= 0; k--) {
      const slab = this.#slabs[k] as Slab; // k < length
      const inner = slab.allocator.allocate(size);
      if (inner >= 0) return { extent: partOf(slab), inner };
    }
    const found = this.#large(SLAB_BYTES);
    if (found === null) return null;
    const slab = { extent: found.extent, allocator: new SlabAllocator(SLAB_BYTES), part: null };
    this.#slabs.push(slab);
    return { extent: partOf(slab), inner: slab.allocator.allocate(size) };
  }

  #large(size: number, near?: number): { extent: Extent; inner: 0 } | null {
    const found = this.#seek(size, near) ?? (this.#freeIdle() ? this.#seek(size, near) : null);
    return found ?? (this.#compact() ? this.#seek(size, near) : null);
  }

  #seek(size: number, near = 0): { extent: Extent; inner: 0 } | null {
    const ways: ((a: SegmentAllocator) => number)[] = [
      (a) => a.takeExact(size),
      (a) => a.takeFree(size),
      (a) => a.takeTop(size, this.#untouched()),
    ];
    for (const way of ways) {
      for (let k = 0; k < this.#segments.length; k++) {
        const segment = this.#segments[(near + k) % this.#segments.length] as ArenaSegment; // in range by the modulus
        const offset = way(segment.allocator);
        if (offset >= 0) return this.#extent(segment, offset);
      }
    }
    if (size > this.#untouched()) return null;
    const segment = this.#addSegment(size);
    return this.#extent(segment, segment.allocator.takeTop(size));
  }

  #untouched(): number {
    return this.#touchable - this.#segments.reduce((sum, s) => sum + s.allocator.touched, 0);
  }

  #extent(segment: ArenaSegment, offset: number): { extent: Extent; inner: 0 } {
    const extent = { segment, base: offset, slab: null, pins: 0 };
    segment.extents.set(offset, extent);
    return { extent, inner: 0 };
  }

  #addSegment(size: number): ArenaSegment {
    const usual = this.budgetBytes > LARGE_SEGMENTS_FROM ? LARGE_SEGMENT_BYTES : SEGMENT_BYTES;
    const least = Math.min(usual, this.#touchable);
    const segment = createSegment(Math.max(least, size) + TAIL_BYTES);
    const made: ArenaSegment = {
      ...segment,
      id: this.#segments.length,
      bytes: new Uint8Array(segment.buffer),
      allocator: new SegmentAllocator(segment.buffer.byteLength - TAIL_BYTES),
      extents: new Map(),
    };
    this.#segments.push(made);
    this.#onSegment(made.id, segment);
    return made;
  }

  #freeLarge(extent: Extent): void {
    extent.segment.extents.delete(extent.base);
    extent.segment.allocator.release(extent.base);
  }

  /** Slide unpinned blocks together. True when anything moved. */
  #compact(): boolean {
    let moved = false;
    for (const { allocator, extents, bytes } of this.#segments) {
      for (const { from, to, size } of allocator.compact((offset) => (extents.get(offset)?.pins ?? 0) > 0)) {
        bytes.copyWithin(to, from, from + size);
        const extent = extents.get(from) as Extent; // every live extent is in the map
        extents.delete(from);
        extent.base = to;
        extents.set(to, extent);
        moved = true;
      }
    }
    return moved;
  }
}

/** A part of a slab: moves and is pinned with it. */
function partOf(slab: Slab): Extent {
  slab.part ??= { segment: slab.extent.segment, base: 0, slab, pins: 0 };
  return slab.part;
}

/** Offset of a block's bytes in their segment. */
function offsetOf({ extent, inner }: BlockBytes): number {
  return (extent.slab === null ? extent.base : extent.slab.extent.base) + inner;
}

/** Bytes that are kept for the next small blocks. */
const IDLE_BYTES = 1024 * 1024;

/** Bytes of small blocks that came back, by size, not yet given back to their slabs: the next block takes the last. */
class IdleExtents {
  /** By size, in units of the alignment. */
  readonly #bySize: (BlockBytes[] | undefined)[] = [];
  #bytes = 0;

  /** False: there is enough already. */
  keep(place: BlockBytes, size: number): boolean {
    if (this.#bytes + size > IDLE_BYTES) return false;
    this.#bytes += size;
    const places = this.#bySize[size / ALIGNMENT];
    if (places) places.push(place);
    else this.#bySize[size / ALIGNMENT] = [place];
    return true;
  }

  take(size: number): BlockBytes | undefined {
    const place = this.#bySize[size / ALIGNMENT]?.pop();
    if (place) this.#bytes -= size;
    return place;
  }

  takeAll(): BlockBytes[] {
    const all = this.#bySize.flatMap((places) => places ?? []);
    this.#bySize.length = 0;
    this.#bytes = 0;
    return all;
  }
}
