/**
 * The part of the thread's scratch memory in which block kernels work: panels, bands, strips. It lies behind what the
 * map engine needs when it moves blocks there and back; what is in it is gone when the next reduction runs.
 */
import { type DType, viewOf } from "../dtype/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { SCRATCH, scratch } from "./wasm/runtime.ts";

/** Bytes that belong to the map engine's copied and staged tiles. */
const ENGINE_BYTES = 512 << 10;

/** From the first byte to the one after the last. */
export const WORK: Readonly<Record<"start" | "end", number>> = {
  start: SCRATCH.copies + ENGINE_BYTES,
  end: SCRATCH.end,
};

/** A block over scratch from byte `at` on; `stride` is positive. */
export function workBlock(dtype: DType, at: number, shape: readonly number[], stride: readonly number[]): NDArray {
  const length = shape.reduce((n, size, k) => n + (size - 1) * (stride[k] as number), 1); // as many strides
  return new NDArray(dtype, viewOf(dtype, scratch().buffer, at, length), shape, stride);
}
