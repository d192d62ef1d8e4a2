/** Chunk arithmetic: what users may write for `chunks`, and which blocks a region touches. */
import { ChunkError, parseBytes } from "../base/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import type { Chunks, GatherPart } from "./layer.ts";
import { shapeOfChunks } from "./layer.ts";
import { followPrevious } from "./previous-chunks.ts";
import type { AxisWalk, Interval } from "./task.ts";

/** One interval per axis. */
export type Box = readonly Interval[];

const OFFSETS = new WeakMap<readonly number[], Float64Array>();

/** Start of each block along one axis, and the axis' length last. */
export function offsetsOf(sizes: readonly number[]): Float64Array {
  let offsets = OFFSETS.get(sizes);
  if (!offsets) {
    offsets = new Float64Array(sizes.length + 1);
    for (let i = 0; i < sizes.length; i++) offsets[i + 1] = (offsets[i] as number) + (sizes[i] as number);
    OFFSETS.set(sizes, offsets);
  }
  return offsets;
}

/** Region of one block. */
export function boxOf(chunks: Chunks, position: readonly number[]): Box {
  return position.map((p, k) => {
    const sizes = chunks[k] as readonly number[]; // one per axis
    if (sizes.length === 1) return { start: 0, stop: sizes[0] as number };
    const offsets = offsetsOf(sizes);
    return { start: offsets[p] as number, stop: offsets[p + 1] as number };
  });
}

/** Block that holds element `at` of an axis. */
export function blockAt(sizes: readonly number[], at: number): number {
  const offsets = offsetsOf(sizes);
  let lo = 0;
  let hi = sizes.length - 1;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if ((offsets[mid] as number) <= at) lo = mid;
    else hi = mid - 1;
  }
  while (sizes[lo] === 0 && lo > 0 && (offsets[lo] as number) > at) lo--;
  return lo;
}

/** One piece of a gathered block. */
interface BoxPiece {
  readonly layer: number;
  readonly block: readonly number[];
  /** Per axis of the input block, relative to it. */
  readonly walk: readonly AxisWalk[];
  readonly at: readonly number[];
  readonly count: readonly number[];
}

/** Stretch of an axis of the result that lies in one input block. */
interface Stretch {
  readonly block: number;
  /** Index in the block at the stretch's first element. */
  readonly start: number;
  /** First element, relative to the box, and how many. */
  readonly at: number;
  readonly count: number;
}

/** Pieces of `part` that fill `box` of the result, in C order of the input's blocks. */
export function blocksOfBox(part: GatherPart<number>, chunks: Chunks, box: Box): BoxPiece[] {
  const inside = box.map((i, k) => ({
    start: Math.max(i.start, part.lo[k] as number),
    stop: Math.min(i.stop, part.hi[k] as number),
  }));
  if (inside.some((i) => i.stop <= i.start)) return [];
  const stretches = part.walk.map((w, k): Stretch[] => {
    const sizes = chunks[k] as readonly number[]; // one per input axis
    if (w.axis === null) {
      const block = blockAt(sizes, w.start);
      return [{ block, start: w.start - (offsetsOf(sizes)[block] as number), at: 0, count: 1 }];
    }
    return axisStretches(
      w,
      sizes,
      inside[w.axis] as Interval,
      part.lo[w.axis] as number,
      (box[w.axis] as Interval).start,
    );
  });
  let all: Stretch[][] = [[]];
  for (const options of stretches) all = all.flatMap((head) => options.map((s) => [...head, s]));
  return all.map((choice) => {
    const at = inside.map((i, k) => i.start - (box[k] as Interval).start);
    const count = inside.map((i) => i.stop - i.start);
    const walk = choice.map((s, k): AxisWalk => {
      const { axis, step } = part.walk[k] as AxisWalk; // one per input axis
      if (axis !== null) {
        at[axis] = s.at;
        count[axis] = s.count;
      }
      return { axis, start: s.start, step };
    });
    return { layer: part.layer, block: choice.map((s) => s.block), walk, at, count };
  });
}

function axisStretches(
  walk: AxisWalk,
  sizes: readonly number[],
  inside: Interval,
  lo: number,
  boxStart: number,
): Stretch[] {
  const offsets = offsetsOf(sizes);
  const out: Stretch[] = [];
  let o = inside.start;
  while (o < inside.stop) {
    const index = walk.start + walk.step * (o - lo);
    const block = blockAt(sizes, index);
    const edge = walk.step > 0 ? (offsets[block + 1] as number) - 1 - index : index - (offsets[block] as number);
    const count = Math.min(inside.stop - o, Math.floor(edge / Math.abs(walk.step)) + 1);
    out.push({ block, start: index - (offsets[block] as number), at: o - boxStart, count });
    o += count;
  }
  return out;
}

/** What `chunks` arguments may be along one axis. */
export type AxisChunks = number | "auto" | string | null | readonly number[];
/** What a `chunks` argument may be as a whole: one for all axes, a list by position, or an object by axis number. */
export type ChunkSpec = AxisChunks | readonly AxisChunks[] | { readonly [axis: number]: AxisChunks | undefined };

/** What decides automatic sizes. */
export interface AutoChunks {
  /** Bytes wanted per block (`array.chunk-size`). */
  readonly targetBytes: number;
  readonly itemsize: number;
  /** Sizes along each axis are multiples of these (the file's tile or the store's chunk). */
  readonly align?: readonly number[];
  /** Chunks that `null` keeps. */
  readonly previous?: Chunks;
  /**
   * How many times the wanted size a block of `previous` may have and stay whole. With it automatic sizes follow `previous`,
   * as Dask's do; without it they are balanced.
   */
  readonly tolerance?: number;
}

/**
 * Block sizes per axis from a user's `chunks`. Forms and meaning: api.md §3, after dask.array `normalize_chunks`.
 * @throws {ChunkError} sizes that do not add up, are negative or no integers, or too many axes
 */
export function normalizeChunks(spec: ChunkSpec | undefined, shape: readonly number[], auto: AutoChunks): number[][] {
  const perAxis = axisSpecs(spec, shape.length);
  const automatic: number[] = [];
  let bytes: number | null = null;
  const fixed = perAxis.map((given, axis): number[] | null => {
    const n = shape[axis] as number; // one per axis
    if (given === undefined || given === null)
      return auto.previous ? [...(auto.previous[axis] as readonly number[])] : null;
    if (given === "auto") return null;
    if (typeof given === "string") {
      bytes = Math.min(bytes ?? Number.POSITIVE_INFINITY, parseBytes(given, "chunks"));
      return null;
    }
    return typeof given === "number" ? regular(given, n, axis) : explicit(given, n, axis);
  });
  fixed.forEach((sizes, axis) => {
    if (sizes === null) automatic.push(axis);
  });
  const wanted = { axes: automatic, bytes: bytes ?? auto.targetBytes };
  const chosen = followed({ perAxis, fixed, shape }, wanted, auto) ?? evenly({ fixed, shape }, wanted, auto);
  return fixed.map((sizes, axis) => sizes ?? (chosen[automatic.indexOf(axis)] as number[]));
}

/** Axes whose sizes are to be chosen, and the bytes wanted for a block. */
interface Wanted {
  readonly axes: readonly number[];
  readonly bytes: number;
}

interface Given {
  readonly perAxis: readonly (AxisChunks | undefined)[];
  /** Sizes that are given; null where they are to be chosen. */
  readonly fixed: readonly (readonly number[] | null)[];
  readonly shape: readonly number[];
}

/** Sizes along the automatic axes after those of `previous`; null where nothing is to be followed. */
function followed({ perAxis, fixed, shape }: Given, { axes, bytes }: Wanted, auto: AutoChunks): number[][] | null {
  const { previous, tolerance, itemsize } = auto;
  if (previous === undefined || tolerance === undefined || axes.length === 0 || shape.includes(0)) return null;
  const others = fixed.reduce((p, sizes, axis) => {
    const given = perAxis[axis];
    // As in Dask, a size beyond its axis counts as it was written.
    return sizes === null ? p : p * (typeof given === "number" && given !== -1 ? given : largest(sizes));
  }, 1);
  const elements = Math.max(1, bytes) / itemsize;
  const sizes = followPrevious({ shape, previous, axes, elements, others, tolerance });
  return axes.map((axis) => {
    const chosen = sizes.get(axis) ?? (shape[axis] as number); // one per axis
    return typeof chosen === "number" ? regular(chosen, shape[axis] as number, axis) : [...chosen];
  });
}

function evenly({ fixed, shape }: Omit<Given, "perAxis">, { axes, bytes }: Wanted, auto: AutoChunks): number[][] {
  const inner = fixed.reduce((p, sizes) => (sizes === null ? p : p * Math.max(1, largest(sizes))), auto.itemsize);
  return autoSizes(
    axes.map((k) => shape[k] as number),
    axes.map((k) => auto.align?.[k] ?? 1),
    bytes / inner,
  );
}

function largest(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => Math.max(a, b), 0);
}

function axisSpecs(spec: ChunkSpec | undefined, ndim: number): (AxisChunks | undefined)[] {
  if (spec === undefined || spec === null || typeof spec === "number" || typeof spec === "string")
    return new Array(ndim).fill(spec ?? (spec === null ? null : "auto"));
  if (Array.isArray(spec)) {
    // One axis: a flat list of numbers is the explicit sizes when it cannot be one entry per axis.
    if (ndim === 1 && spec.length !== 1 && spec.every((s) => typeof s === "number")) return [spec as readonly number[]];
    if (spec.length !== ndim)
      throw new ChunkError(`chunks ${JSON.stringify(spec)} name ${spec.length} axes; the array has ${ndim}`);
    return [...(spec as readonly AxisChunks[])];
  }
  const named = spec as { readonly [axis: number]: AxisChunks | undefined };
  for (const key of Object.keys(named)) {
    const k = Number(key);
    if (!Number.isInteger(k) || k < -ndim || k >= ndim)
      throw new ChunkError(`chunks name axis ${key}; the array has ${ndim} axes`);
  }
  return Array.from({ length: ndim }, (_, k) => named[k] ?? named[k - ndim] ?? null);
}

function regular(size: number, n: number, axis: number): number[] {
  if (size === -1 || size >= n) return [n];
  if (!Number.isInteger(size) || size < 1)
    throw new ChunkError(
      `chunk size ${size} of axis ${axis}: expected a positive integer, or -1 for the whole axis of ${n}`,
    );
  const out = new Array<number>(Math.floor(n / size)).fill(size);
  if (n % size) out.push(n % size);
  return out;
}

function explicit(sizes: readonly number[], n: number, axis: number): number[] {
  const total = sizes.reduce((a, b) => a + b, 0);
  if (sizes.some((s) => !Number.isInteger(s) || s < 0) || total !== n) {
    throw new ChunkError(`chunks [${sizes.join(", ")}] of axis ${axis} add up to ${total}; the axis has ${n}`);
  }
  return [...sizes];
}

/**
 * Balanced, aligned sizes: multiples of `align`, equal within one tile, no sliver at the end; about `elements` per block.
 * Differs from Dask, which cuts 10980 into 8192 and 2788 (api.md §3).
 */
function autoSizes(extents: readonly number[], align: readonly number[], elements: number): number[][] {
  const side = new Array<number>(extents.length).fill(0);
  // Small axes first: an axis shorter than its fair share gives its room to the others.
  const order = extents.map((_, k) => k).sort((a, b) => (extents[a] as number) - (extents[b] as number));
  let room = Math.max(1, elements);
  order.forEach((k, done) => {
    const fair = room ** (1 / (order.length - done));
    const n = extents[k] as number;
    const a = Math.max(1, align[k] as number);
    side[k] = n <= fair ? Math.max(1, n) : Math.min(n, Math.max(a, Math.floor(fair / a) * a));
    room = Math.max(1, room / (side[k] as number));
  });
  return extents.map((n, k) => balanced(n, side[k] as number, Math.max(1, align[k] as number)));
}

function balanced(n: number, most: number, align: number): number[] {
  if (n <= most) return [n];
  const blocks = Math.ceil(n / most);
  const tiles = Math.ceil(n / align);
  const out: number[] = [];
  let used = 0;
  for (let i = 0; i < blocks; i++) {
    const upTo = Math.min(n, Math.round(((i + 1) * tiles) / blocks) * align);
    if (upTo > used) out.push(upTo - used);
    used = upTo;
  }
  return out;
}

/** Largest block, in elements. */
export function largestBlock(chunks: Chunks): number {
  return sizeOf(chunks.map(largest));
}

/** True when both cut every axis alike. */
export function sameChunks(a: Chunks, b: Chunks): boolean {
  return (
    a.length === b.length &&
    a.every((sizes, k) => sizes.length === b[k]?.length && sizes.every((s, i) => s === b[k]?.[i]))
  );
}

export { shapeOfChunks };
