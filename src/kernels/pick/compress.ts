/** Elements that a mask keeps: along one axis, or in the flat order of a block; their places. */
import { ShapeError } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockFacts, BlockKernel } from "../blocks.ts";
import { copyStrided } from "../copy.ts";
import { moveListed } from "../moves.ts";
import { keepElements, packed, pickElements, sourcesOf } from "./along.ts";
import { countTrueBytes, numbersMasked } from "./mask-module.ts";

/** Bytes of an index of an element within a block. */
const INDEX_BYTES = 4;
/** Rows shorter than this are picked element by element. */
const ROW_MIN = 32;

/** The mask's bytes in C order. */
function flags(mask: NDArray): Uint8Array {
  const { data, offset, size } = packed(mask);
  return new Uint8Array(data.buffer, data.byteOffset + offset, size);
}

function countTrue(mask: Uint8Array): number {
  const known = countTrueBytes(mask);
  if (known !== null) return known;
  let count = 0;
  for (let i = 0; i < mask.length; i++) count += mask[i] as number; // 0 or 1
  return count;
}

function kept(mask: Uint8Array): Int32Array {
  const out = new Int32Array(countTrue(mask));
  for (let i = 0, k = 0; k < out.length; i++) {
    out[k] = i;
    k += mask[i] as number; // ends before the mask does
  }
  return out;
}

function compress(x: NDArray, mask: NDArray, axis: number, out: NDArray): void {
  if (axis === x.ndim - 1) {
    keepElements(out, packed(x), flags(mask), out.shape[axis] as number);
    return;
  }
  const indices = kept(flags(mask));
  const inner = sizeOf(x.shape.slice(axis + 1));
  if (inner < ROW_MIN) {
    pickElements(out, x, sourcesOf(x, axis, indices));
    return;
  }
  const stride = contiguousStride(out.shape);
  const view = (of: NDArray, start: number, count: number, strides: readonly number[]): NDArray =>
    new NDArray(
      of.dtype,
      of.data,
      of.shape.map((n, k) => (k === axis ? count : n)),
      strides,
      of.offset + start * (strides[axis] as number),
    );
  // Rows in one piece are moved as listed; elsewhere runs of neighbours are copied at once.
  if (axis === 0 && x.isContiguous && moveKept(x, indices, inner, out)) return;
  for (let i = 0; i < indices.length; ) {
    let end = i + 1;
    while (end < indices.length && indices[end] === (indices[end - 1] as number) + 1) end++;
    copyStrided(view(out, i, end - i, stride), view(x, indices[i] as number, end - i, x.stride));
    i = end;
  }
}

/** Rows of `inner` elements; false outside segments. */
function moveKept(x: NDArray, indices: Int32Array, inner: number, out: NDArray): boolean {
  const { itemsize } = dtypeInfo(x.dtype);
  const first = x.data.byteOffset + x.offset * itemsize;
  const bytes = inner * itemsize;
  const starts = Uint32Array.from(indices, (i) => first + i * bytes);
  const to = out.data.byteOffset + out.offset * itemsize;
  return moveListed(out.data.buffer, x.data.buffer, { to, bytes, starts });
}

/** Coordinate `params.axis` in an array of `params.shape` of each true element; the block's flags begin at `first` of the flat order. */
function coordinates(
  mask: NDArray,
  first: number,
  out: NDArray,
  params: { shape: readonly number[]; axis: number },
): void {
  const { shape, axis } = params;
  const inner = sizeOf(shape.slice(axis + 1));
  const n = shape[axis] as number; // an axis of the shape
  const bytes = flags(mask);
  const words = new Uint32Array(out.data.buffer, out.data.byteOffset, out.data.byteLength / 4);
  // Elements come in runs of `inner` with one coordinate each, those of the last axis in runs that count up: no division per element.
  const run = inner === 1 ? n : inner;
  const number = (flat: number): number => (inner === 1 ? flat % n : Math.floor(flat / inner) % n);
  const runs = { first: run - (first % run), length: run, wrap: n };
  const to = { buffer: words.buffer, byteOffset: words.byteOffset + 8 * out.offset, bytes: 8 * out.size };
  if (numbersMasked(bytes, { value: number(first), step: inner === 1 ? 1 : 0, runs }, to) !== null) return;
  const end = 2 * (out.offset + out.size);
  for (let at = 0, w = 2 * out.offset; w < end; ) {
    const flat = first + at;
    const stop = Math.min(bytes.length, at + run - (flat % run));
    const stretch = { at, stop, value: number(flat), end };
    w = inner === 1 ? countingUp(words, w, bytes, stretch) : repeating(words, w, bytes, stretch);
    at = stop;
  }
}

interface Stretch {
  readonly at: number;
  readonly stop: number;
  readonly value: number;
  readonly end: number;
}

function countingUp(words: Uint32Array, from: number, mask: Uint8Array, stretch: Stretch): number {
  const { at, stop, value, end } = stretch;
  let w = from;
  for (let i = at; i < stop && w < end; i++) {
    const v = value + i - at;
    words[w] = v;
    words[w + 1] = v < 2 ** 32 ? 0 : Math.floor(v / 2 ** 32);
    w += 2 * (mask[i] as number); // 0 or 1
  }
  return w;
}

function repeating(words: Uint32Array, from: number, mask: Uint8Array, stretch: Stretch): number {
  const { at, stop, value, end } = stretch;
  const high = Math.floor(value / 2 ** 32);
  let w = from;
  for (let i = at; i < stop && w < end; i++) {
    words[w] = value;
    words[w + 1] = high;
    w += 2 * (mask[i] as number); // 0 or 1
  }
  return w;
}

const bytesOf = (facts: BlockFacts | undefined): number =>
  facts ? sizeOf(facts.shape) * dtypeInfo(facts.dtype).itemsize : 0;

export const compressKernels: Readonly<Record<string, BlockKernel>> = {
  /** How many elements of a bool block are true: float64, one element. */
  "count-true": {
    run: ([mask], out) => {
      out.data[out.offset] = countTrue(flags(mask as NDArray)); // one input
    },
    scratch: ([mask]) => bytesOf(mask),
  },
  /** Elements of the first input along `params.axis` where the second, a 1-d bool block, is true. */
  compress: {
    run: ([x, mask], out, params) => compress(x as NDArray, mask as NDArray, (params as { axis: number }).axis, out),
    scratch: ([x, mask], out) =>
      bytesOf(mask) + (sizeOf(mask?.shape ?? []) + sizeOf(out.shape)) * INDEX_BYTES + bytesOf(x),
  },
  /** Elements of the first input where the second is true, both of one shape and in the flat order. */
  "compress-flat": {
    run: ([x, mask], out) => keepElements(out, packed(x as NDArray), flags(mask as NDArray), out.size),
    scratch: ([x, mask]) => bytesOf(x) + bytesOf(mask),
  },
  /** Coordinates of true elements along one axis, int64. The second input says where the block begins in the flat order. */
  "true-at": {
    run: ([mask, first], out, params) => {
      const { data, offset } = first as NDArray; // two inputs
      coordinates(mask as NDArray, Number(data[offset]), out, params as { shape: readonly number[]; axis: number });
    },
    scratch: ([mask]) => bytesOf(mask),
  },
  /** The first input, unless an element of the second (how many took part) is 0. */
  "demand-some": {
    run: ([value, count], out, params) => {
      const counts = count as NDArray; // two inputs
      const found = new NDArray("int64", new BigInt64Array(counts.size), counts.shape);
      copyStrided(found, counts);
      if ((found.data as BigInt64Array).includes(0n))
        throw new ShapeError(`${(params as { op: string }).op} of an empty selection has no value`);
      copyStrided(out, value as NDArray);
    },
    scratch: ([, count]) => sizeOf(count?.shape ?? []) * 8,
  },
};
