/** Strided copy in plain TypeScript: the fall-back and oracle of `kernels.copyStrided`. */
import { invariant } from "../base/index.ts";
import { DTYPES, type DType, type TypedArray } from "../dtype/index.ts";
import { NDArray } from "./ndarray.ts";
import { contiguousStride } from "./shape.ts";

/** Copy all elements of `from` to `to`; same shape and dtype, no overlap. */
export function copyBlock(to: NDArray, from: NDArray): void {
  invariant(
    to.dtype === from.dtype && to.ndim === from.ndim && to.shape.every((n, k) => n === from.shape[k]),
    `copy of ${from.dtype} (${from.shape.join(", ")}) into ${to.dtype} (${to.shape.join(", ")})`,
  );
  if (to.size === 0) return;
  const c = DTYPES[to.dtype].components;
  if (to.isContiguous && from.isContiguous) {
    to.data.set(from.data.subarray(from.offset * c, (from.offset + from.size) * c) as never, to.offset * c);
    return;
  }
  walk(to, from, c, 0, to.offset * c, from.offset * c);
}

function walk(to: NDArray, from: NDArray, c: number, axis: number, t: number, f: number): void {
  const n = axis < to.ndim ? (to.shape[axis] as number) : 1;
  const [ts, fs] = axis < to.ndim ? [(to.stride[axis] as number) * c, (from.stride[axis] as number) * c] : [c, c];
  if (axis >= to.ndim - 1) row(to.data, from.data, n, c, t, ts, f, fs);
  else for (let i = 0; i < n; i++) walk(to, from, c, axis + 1, t + i * ts, f + i * fs);
}

function row(
  to: TypedArray,
  from: TypedArray,
  n: number,
  c: number,
  t: number,
  ts: number,
  f: number,
  fs: number,
): void {
  if (ts === c && fs === c) {
    to.set(from.subarray(f, f + n * c) as never, t); // same dtype, so same array class
    return;
  }
  for (let i = 0; i < n; i++) for (let k = 0; k < c; k++) to[t + i * ts + k] = from[f + i * fs + k] as never;
}

/** `block` itself when in C order from offset 0, else a copy in ordinary memory that is. */
export function ascontiguous<D extends DType>(block: NDArray<D>): NDArray<D> {
  if (block.isContiguous) {
    const c = DTYPES[block.dtype].components;
    if (block.offset === 0 && block.data.length === block.size * c) return block;
    return new NDArray(
      block.dtype,
      block.data.subarray(block.offset * c, (block.offset + block.size) * c),
      block.shape,
      contiguousStride(block.shape),
    );
  }
  const out = NDArray.zeros(block.dtype, block.shape);
  copyBlock(out, block);
  return out;
}
