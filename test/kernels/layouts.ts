/** Blocks with the same values in many layouts and memories, for tests. */
import { allocate, DTYPES, type DType, type TypedArray, viewOf } from "../../src/dtype/index.ts";
import { createSegment } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

/** Where a block's data lie: ordinary memory, or the segment of this number. */
export type Place = "ordinary" | 0 | 1;

const segments = new Map<number, { readonly buffer: SharedArrayBuffer; used: number }>();

/** Forget all blocks made so far; call between cases so that segments do not fill up. */
export function resetSegments(): void {
  for (const s of segments.values()) s.used = 0;
}

/** Uninitialised elements at `place`; 64-byte aligned plus `skew` elements, filled with a canary byte. */
export function elementsAt(place: Place, dtype: DType, length: number, skew = 0): TypedArray {
  if (place === "ordinary") return allocate(dtype, length + skew).subarray(skew);
  let segment = segments.get(place);
  if (!segment) {
    segment = { buffer: createSegment(64 << 20).buffer, used: 0 };
    segments.set(place, segment);
  }
  const at = segment.used + skew * DTYPES[dtype].itemsize;
  segment.used = (at + (length + 1) * DTYPES[dtype].itemsize + 63) & ~63;
  new Uint8Array(segment.buffer, at, length * DTYPES[dtype].itemsize).fill(0xa5);
  return viewOf(dtype, segment.buffer, at, length);
}

/** How one axis of a block is laid out; the value is the element step (in units of the inner extent). */
export type Layout = "contiguous" | "strided" | "reversed" | "offset" | "far";

export const LAYOUTS: readonly Layout[] = ["contiguous", "strided", "reversed", "offset", "far"];

/** A block of `shape` holding `values` (C order) whose last axis is laid out as `layout` at `place`. */
export function blockOf(
  dtype: DType,
  values: TypedArray,
  shape: readonly number[],
  layout: Layout,
  place: Place,
): NDArray {
  const block = emptyBlock(dtype, shape, layout, place);
  const width = shape.at(-1) ?? 1;
  for (let i = 0; i < block.size; i++) {
    block.data[flatOffset(block, shape, i, width)] = values[i] as never;
  }
  return block;
}

/** Elements of a block in C order. */
export function valuesOf(block: NDArray): TypedArray {
  const out = allocate(block.dtype, block.size);
  const width = block.shape.at(-1) ?? 1;
  for (let i = 0; i < block.size; i++) out[i] = block.data[flatOffset(block, block.shape, i, width)] as never;
  return out;
}

function flatOffset(block: NDArray, shape: readonly number[], i: number, _width: number): number {
  let at = block.offset;
  let rest = i;
  for (let k = shape.length - 1; k >= 0; k--) {
    const n = shape[k] as number;
    at += (rest % n) * (block.stride[k] as number);
    rest = Math.floor(rest / n);
  }
  return at;
}

/** A block without values yet. */
export function emptyBlock(dtype: DType, shape: readonly number[], layout: Layout, place: Place): NDArray {
  const step = layout === "strided" ? 3 : layout === "far" ? 264 : layout === "reversed" ? -1 : 1;
  const stride = new Array<number>(shape.length);
  let extent = step;
  for (let k = shape.length - 1; k >= 0; k--) {
    stride[k] = extent;
    extent =
      Math.abs(extent) * Math.max(1, shape[k] as number) + (k === shape.length - 1 && layout === "strided" ? 1 : 0);
  }
  const length = shape.reduce((sum, n, k) => sum + Math.max(0, n - 1) * Math.abs(stride[k] as number), 1);
  const data = elementsAt(place, dtype, length, layout === "offset" ? 1 : 0);
  const first = shape.reduce((at, n, k) => ((stride[k] as number) < 0 ? at + (n - 1) * -(stride[k] as number) : at), 0);
  return new NDArray(dtype, data, shape, stride, Math.max(0, first));
}

/** Bits of an element with all NaNs alike; for bigints the value. */
export function bitsOf(x: number | bigint): string {
  return typeof x === "bigint" ? `${x}n` : Object.is(x, -0) ? "-0" : String(x);
}
