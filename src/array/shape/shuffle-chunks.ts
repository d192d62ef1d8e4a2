/** Cuts of a shuffle: which groups share a block, and finer cuts along other axes where one group is large. dask.array's. */
import type { Chunks } from "../../graph/index.ts";
import { sizeOf } from "../../ndarray/index.ts";

/**
 * Sizes of the blocks that groups of `lengths` fill one after another: about the average of `sizes`, and at most
 * `tolerance` times as many, unless a group alone has more.
 */
export function groupedSizes(sizes: readonly number[], lengths: readonly number[], tolerance: number): number[] {
  const most = Math.trunc((sizes.reduce((a, b) => a + b, 0) / sizes.length) * tolerance);
  const out: number[] = [];
  let open = 0;
  for (const length of lengths) {
    if (open > 0 && open + length > most) {
      out.push(open);
      open = length;
      continue;
    }
    open += length;
    if (open <= most / tolerance) continue;
    out.push(open);
    open = 0;
  }
  return open > 0 ? [...out, open] : out;
}

/** Cuts along the axes other than `axis`, with which a block of `group` elements along it is no larger than blocks are now. */
export function cutForGroup(chunks: Chunks, axis: number, group: number, tolerance: number): Chunks {
  if (group <= widest(chunks[axis] as readonly number[]) * tolerance) return chunks;
  const wanted = Math.max(1, sizeOf(chunks.map(widest)));
  const open = new Set(chunks.keys());
  open.delete(axis);
  const out = chunks.map((sizes, k) => (k === axis ? [group] : sizes));
  while (open.size > 0) {
    const excess = sizeOf(out.map(widest)) / wanted;
    if (excess <= 1) break;
    const share = excess ** (1 / open.size);
    for (const k of [...open]) {
      const before = out[k] as readonly number[]; // an axis of chunks
      const most = widest(before) / share;
      const sizes = (chunks[k] as readonly number[]).flatMap((size) =>
        size > tolerance * most ? parts(size, most) : [size],
      );
      out[k] = sizes;
      // Nothing more to gain along this axis.
      if (widest(sizes) === 1 || (sizes.length === before.length && sizes.every((n, i) => n === before[i])))
        open.delete(k);
    }
  }
  return out.map((sizes, k) => (k === axis ? (chunks[k] as readonly number[]) : sizes));
}

function widest(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => Math.max(a, b), 0);
}

/** Nearly equal parts of `size` that have about `most`, the larger ones first. */
function parts(size: number, most: number): number[] {
  const count = Math.min(size, Math.ceil(size / most));
  const least = Math.floor(size / count);
  return Array.from({ length: count }, (_, i) => (i < size % count ? least + 1 : least));
}
