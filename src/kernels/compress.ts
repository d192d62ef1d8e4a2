/** Elements that a mask keeps, along one axis. */
import { ShapeError } from "../base/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../ndarray/index.ts";
import type { BlockKernel } from "./blocks.ts";
import { copyStrided } from "./copy.ts";
import { pickElements, sourcesOf } from "./pick.ts";

/** Bytes of an index of an element within a block. */
const INDEX_BYTES = 4;
/** Rows shorter than this are picked element by element. */
const ROW_MIN = 32;

function kept(mask: NDArray): Int32Array {
  const n = mask.shape[0] as number; // masks are 1-d
  const step = mask.stride[0] as number;
  const out = new Int32Array(n);
  let count = 0;
  for (let i = 0, at = mask.offset; i < n; i++, at += step) if (mask.data[at]) out[count++] = i;
  return out.subarray(0, count);
}

function compress(x: NDArray, mask: NDArray, axis: number, out: NDArray): void {
  const indices = kept(mask);
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
  // Runs of neighbours are copied at once.
  for (let i = 0; i < indices.length; ) {
    let end = i + 1;
    while (end < indices.length && indices[end] === (indices[end - 1] as number) + 1) end++;
    copyStrided(view(out, i, end - i, stride), view(x, indices[i] as number, end - i, x.stride));
    i = end;
  }
}

export const compressKernels: Readonly<Record<string, BlockKernel>> = {
  /** How many elements of a 1-d bool block are true: float64, shape [1]. */
  "count-true": {
    run: ([mask], out) => {
      out.data[out.offset] = kept(mask as NDArray).length; // one input
    },
    scratch: ([mask]) => sizeOf(mask?.shape ?? []) * INDEX_BYTES,
  },
  /** Elements of the first input along `params.axis` where the second, a 1-d bool block, is true. */
  compress: {
    run: ([x, mask], out, params) => compress(x as NDArray, mask as NDArray, (params as { axis: number }).axis, out),
    scratch: ([, mask], out) => (sizeOf(mask?.shape ?? []) + sizeOf(out.shape)) * INDEX_BYTES,
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
