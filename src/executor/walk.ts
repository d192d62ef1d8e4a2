/** Views of blocks as steps describe them: walks, axis maps, boxes. Strides only; nothing is copied. */
import { invariant } from "../base/index.ts";
import type { AxisWalk, Interval } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";

/** `block` seen at `count` elements per result axis, each of its own axes walked as told; unnamed result axes repeat. */
export function walkView(block: NDArray, walk: readonly AxisWalk[], count: readonly number[]): NDArray {
  const stride = count.map(() => 0);
  let { offset } = block;
  walk.forEach(({ axis, start, step }, k) => {
    const own = block.stride[k] as number; // one walk per axis
    offset += start * own;
    if (axis !== null) stride[axis] = own * step;
  });
  return new NDArray(block.dtype, block.data, count, stride, offset);
}

/** `block` seen at `shape`: per own axis the result's axis, or null where its size 1 repeats. */
export function axesView(block: NDArray, axes: readonly (number | null)[], shape: readonly number[]): NDArray {
  const stride = shape.map(() => 0);
  axes.forEach((axis, k) => {
    if (axis === null) return;
    const n = block.shape[k] as number; // one entry per axis
    invariant(
      n === shape[axis] || n === 1,
      `axis ${k} of an input has ${n} elements, its result's axis ${axis} ${shape[axis]}`,
    );
    if (n !== 1) stride[axis] = block.stride[k] as number;
  });
  return new NDArray(block.dtype, block.data, shape, stride, block.offset);
}

/** The box of `block` that begins at `at` and holds `count` elements per axis. */
export function boxView(block: NDArray, at: readonly number[], count: readonly number[]): NDArray {
  const offset = at.reduce((sum, a, k) => sum + a * (block.stride[k] as number), block.offset);
  return new NDArray(block.dtype, block.data, count, block.stride, offset);
}

/** What a walked read has to fetch, and how the fetched region is seen from the result. */
export interface TrimmedWalk {
  readonly region: readonly Interval[];
  readonly walk: readonly AxisWalk[];
  /** True when the region's elements can be put straight into the result: every one of them is wanted, once. */
  readonly isDirect: boolean;
}

/** Cut from `region` what `walk` does not visit. */
export function trimWalk(
  region: readonly Interval[],
  walk: readonly AxisWalk[],
  shape: readonly number[],
): TrimmedWalk {
  const trimmed = walk.map((w, k) => {
    const { start } = region[k] as Interval; // one per axis
    const last = w.axis === null ? w.start : w.start + w.step * ((shape[w.axis] as number) - 1);
    const [lo, hi] = [Math.min(w.start, last), Math.max(w.start, last)];
    const isEmpty = w.axis !== null && shape[w.axis] === 0;
    return {
      interval: { start: start + lo, stop: isEmpty ? start + lo : start + hi + 1 },
      walk: { ...w, start: w.start - lo },
    };
  });
  const named = new Set(walk.map((w) => w.axis));
  return {
    region: trimmed.map((t) => t.interval),
    walk: trimmed.map((t) => t.walk),
    isDirect:
      walk.every((w) => w.axis === null || Math.abs(w.step) === 1) && shape.every((n, k) => n === 1 || named.has(k)),
  };
}

/** The result's memory seen as the region of a direct walk: where a read may write. */
export function regionView(out: NDArray, { region, walk }: TrimmedWalk): NDArray {
  let { offset } = out;
  const stride = walk.map(({ axis, start, step }) => {
    if (axis === null) return 0;
    const own = (out.stride[axis] as number) * step; // step is 1 or -1
    offset -= start * own;
    return own;
  });
  return new NDArray(
    out.dtype,
    out.data,
    region.map((i) => i.stop - i.start),
    stride,
    offset,
  );
}
