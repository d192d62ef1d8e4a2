/** Elements by index: lists and points within a block, elements along an axis, diagonals, repeats. */
import { SelectionError } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import type { Plain } from "../../graph/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { copyStrided } from "../copy.ts";
import { indexValues, pickElements, repeatRows, sourcesOf } from "./along.ts";

/** Slabs of fewer elements are picked element by element. */
const SLAB_MIN = 64;
/** Bytes of an index of an element within a block. */
const INDEX_BYTES = 4;

function axisOf(params: Plain): number {
  return (params as { readonly axis: number }).axis; // kernels of this file that take an axis are given one
}

/** Integers of any width in C order, counted from the front of an axis of `n`. @throws {SelectionError} out of bounds */
function indices(block: NDArray, n: number, axis: number): Int32Array {
  const values = indexValues(block);
  const out = new Int32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const v = values[i] as number; // i < length
    if (v < -n || v >= n) throw new SelectionError(`index ${v} is out of bounds for axis ${axis} of size ${n}`);
    out[i] = v < 0 ? v + n : v;
  }
  return out;
}

/** `out[…, i, …] = x[…, index[…, i, …], …]`; axes of `index` of size 1 repeat. */
function takeAlong(x: NDArray, index: NDArray, axis: number, out: NDArray): void {
  const list = indices(index, x.shape[axis] as number, axis);
  const own = contiguousStride(index.shape);
  const along = x.stride[axis] as number; // an axis of x
  const sources = new Int32Array(out.size);
  let count = 0;
  const walk = (k: number, at: number, place: number): void => {
    const n = out.shape[k] as number; // k < ndim
    const step = index.shape[k] === 1 ? 0 : (own[k] as number);
    const stride = k === axis || x.shape[k] === 1 ? 0 : (x.stride[k] as number);
    if (k === out.ndim - 1) {
      for (let i = 0; i < n; i++) sources[count + i] = at + i * stride + (list[place + i * step] as number) * along;
      count += n;
    } else for (let i = 0; i < n; i++) walk(k + 1, at + i * stride, place + i * step);
  };
  if (out.size > 0) walk(0, x.offset, 0);
  pickElements(out, x, sources);
}

/** Points of a block: `params.at` holds int32 coordinates, one run per axis of `params.axes`; the points' axis comes first. */
function points(x: NDArray, params: Plain, out: NDArray): void {
  const { axes, at } = params as { readonly axes: readonly number[]; readonly at: Uint8Array };
  const bytes = at.slice(); // a copy is aligned
  const count = out.shape[0] as number;
  const coordinates = new Int32Array(bytes.buffer, 0, axes.length * count);
  const rest = x.shape.flatMap((_, k) => (axes.includes(k) ? [] : [k]));
  const pick = (of: readonly number[]): number[] => rest.map((k) => of[k] as number);
  const slab = new NDArray(x.dtype, x.data, pick(x.shape), pick(x.stride), 0);
  const inner = slab.size;
  const starts = Int32Array.from({ length: count }, (_, p) =>
    axes.reduce((s, k, a) => s + (coordinates[a * count + p] as number) * (x.stride[k] as number), x.offset),
  );
  if (inner < SLAB_MIN) {
    const within = inner === 1 ? Int32Array.of(0) : placesOf(slab);
    const sources = new Int32Array(count * inner);
    for (let p = 0, i = 0; p < count; p++)
      for (let w = 0; w < inner; w++) sources[i++] = (starts[p] as number) + (within[w] as number); // one start each
    pickElements(out, x, sources);
    return;
  }
  const shape = out.shape.slice(1);
  const stride = contiguousStride(shape);
  starts.forEach((from, p) => {
    copyStrided(
      new NDArray(out.dtype, out.data, shape, stride, out.offset + p * inner),
      new NDArray(x.dtype, x.data, slab.shape, slab.stride, from),
    );
  });
}

/** Place of each element of a block in C order. */
function placesOf(x: NDArray): Int32Array {
  return x.ndim === 0
    ? Int32Array.of(x.offset)
    : sourcesOf(
        x,
        0,
        Int32Array.from({ length: x.shape[0] as number }, (_, i) => i),
      );
}

export const indexingKernels: Readonly<Record<string, BlockKernel>> = {
  /** Along `axis` the elements that the second input, a list, names. */
  take: {
    run: ([x, list], out, params) => {
      const [block, axis] = [x as NDArray, axisOf(params)];
      pickElements(out, block, sourcesOf(block, axis, indices(list as NDArray, block.shape[axis] as number, axis)));
    },
    scratch: ([, list], out) => sizeOf(out.shape) * INDEX_BYTES + sizeOf(list?.shape ?? []) * 12,
  },
  /** NumPy `take_along_axis` of blocks whose `axis` is whole. */
  "take-along": {
    run: ([x, index], out, params) => takeAlong(x as NDArray, index as NDArray, axisOf(params), out),
    scratch: ([, index], out) => sizeOf(out.shape) * INDEX_BYTES + sizeOf(index?.shape ?? []) * 12,
  },
  points: {
    run: ([x], out, params) => points(x as NDArray, params, out),
    scratch: (_, out) => (sizeOf(out.shape) + 2 * (out.shape[0] ?? 0)) * INDEX_BYTES,
  },
  /** The main diagonal of the last two axes. */
  diagonal: {
    run: ([x], out) => {
      const { dtype, data, shape, stride, offset } = x as NDArray; // one input
      const rank = shape.length;
      const step = (stride[rank - 1] as number) + (stride[rank - 2] as number);
      copyStrided(out, new NDArray(dtype, data, out.shape, [...stride.slice(0, -2), step], offset));
    },
  },
  /** Each element along `axis` as often as the result is longer. */
  repeat: {
    run: ([x], out, params) => {
      const [block, axis] = [x as NDArray, axisOf(params)];
      const n = block.shape[axis] as number; // an axis of the block
      if (n > 0) repeatRows(out, block, (out.shape[axis] as number) / n, axis);
    },
    scratch: ([x]) => (x ? sizeOf(x.shape) * dtypeInfo(x.dtype).itemsize : 0),
  },
  /** Bytes of the last axis seen as another dtype. */
  view: {
    run: ([x], out) => {
      const from = x as NDArray; // one input
      const packed = new NDArray(from.dtype, bytesAs(out, from), from.shape, contiguousStride(from.shape));
      copyStrided(packed, from);
    },
  },
};

/** The result's memory as an array of the input's dtype. */
function bytesAs(out: NDArray, like: NDArray): NDArray["data"] {
  const width = out.data.BYTES_PER_ELEMENT;
  const start = out.data.byteOffset + out.offset * width * (out.dtype.startsWith("complex") ? 2 : 1);
  const { data } = NDArray.view(like.dtype, out.data.buffer, start, like.shape);
  return data;
}
