/**
 * Automatic sizes for an array that is cut already: blocks are merged where they are small, and cut in regular sizes where
 * they are large. The choice is dask.array's (`auto_chunks` with `previous_chunks`), to the element.
 */
import type { Chunks } from "./layer.ts";

/** What decides them. No size of `shape` is 0. */
export interface FollowedChunks {
  readonly shape: readonly number[];
  readonly previous: Chunks;
  /** Axes whose sizes are chosen, ascending. */
  readonly axes: readonly number[];
  /** Elements wanted per block. */
  readonly elements: number;
  /** Elements of the largest block along the other axes. */
  readonly others: number;
  /** How many times the size that is wanted a block of `previous` may have and stay whole. */
  readonly tolerance: number;
}

/** A regular size, or the size of each block. */
export type FollowedSizes = number | readonly number[];

/** Rounds after which sizes stay as they are; two or three are enough for any array known. */
const ROUNDS_MAX = 1000;

/** Sizes of the blocks along each of `axes`. */
export function followPrevious(given: FollowedChunks): Map<number, FollowedSizes> {
  const { shape, previous, axes, elements, tolerance } = given;
  const open = new Set(axes);
  const medians = new Map<number, FollowedSizes>(axes.map((axis) => [axis, median(previous[axis] as number[])])); // one per axis
  let others = given.others;
  let factor = growth(elements, others, medians);
  // Sizes that shrink do so step by step, each from the last.
  const shrinks = factor < 1;
  const result = shrinks ? medians : new Map<number, FollowedSizes>();
  let isChanging = true;
  for (let round = 0; isChanging && round < ROUNDS_MAX; round++) {
    isChanging = false;
    const share = 1 / open.size;
    for (const axis of [...open]) {
      const n = shape[axis] as number; // one per axis
      const sizes = previous[axis] as readonly number[]; // one per axis
      const wanted = (medians.get(axis) as number) * factor ** share; // those of open axes are numbers
      if (wanted > n) {
        open.delete(axis);
        medians.delete(axis);
        others *= n;
        result.set(axis, [n]);
        isChanging = true;
      } else if (shrinks || largest(sizes) > wanted * tolerance ** share) {
        result.set(axis, aligned(wanted, usualSize(sizes, n)));
        if (wanted < 1) {
          isChanging = true;
          open.delete(axis);
        }
      } else result.set(axis, merged(sizes, wanted));
    }
    if (!isChanging && !shrinks) break;
    const before = factor;
    factor = growth(elements, others, medians);
    if (factor !== before) isChanging = true;
  }
  return result;
}

/** How many times larger than it is a block should be. */
function growth(elements: number, others: number, sizes: ReadonlyMap<number, FollowedSizes>): number {
  let own = 1;
  for (const each of sizes.values()) own *= typeof each === "number" ? each || 1 : largest(each) || 1;
  return elements / others / own;
}

function largest(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => Math.max(a, b), 0);
}

function median(sizes: readonly number[]): number {
  const sorted = Float64Array.from(sizes).sort();
  const half = sorted.length >> 1;
  const upper = sorted[half] as number; // an axis has a block
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}

/** The size that at least half of the blocks have, if one has; else the whole axis. */
function usualSize(sizes: readonly number[], n: number): number {
  const counts = new Map<number, number>();
  for (const size of sizes) counts.set(size, (counts.get(size) ?? 0) + 1);
  let [usual, most] = [0, 0];
  for (const [size, count] of counts) if (count > most) [usual, most] = [size, count];
  return usual > 1 && most >= sizes.length / 2 ? usual : n;
}

/** A multiple of `unit`, or less than one. */
function aligned(wanted: number, unit: number): number {
  return wanted <= unit ? Math.max(1, Math.trunc(wanted)) : wanted - (wanted % unit);
}

/** Neighbours together as long as they have no more than `most`. */
function merged(sizes: readonly number[], most: number): number[] {
  const out: number[] = [];
  let open = 0;
  for (const size of sizes) {
    if (size + open <= most) {
      open += size;
      continue;
    }
    if (open > 0) out.push(open);
    open = size;
  }
  if (open > 0) out.push(open);
  return out;
}
