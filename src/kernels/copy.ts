/** Copies and fills of blocks, by the map engine. */
import { invariant } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import { copyBlock, NDArray } from "../ndarray/index.ts";
import { isComplex, partView } from "./complex/views.ts";
import { CallBuilder } from "./map/ir.ts";
import { runMap } from "./map/map.ts";

/** Set all elements of `to` to `value` (a bigint for 64-bit integers). */
export function fill(to: NDArray, value: number | bigint): void {
  let call = FILLS.get(to.dtype);
  if (call === undefined) {
    const b = new CallBuilder();
    call = b.build([b.param(value, to.dtype)]);
    FILLS.set(to.dtype, call);
  }
  runMap({ ...call, params: [value] }, [], [to], to.shape);
}

const FILLS = new Map<DType, ReturnType<CallBuilder["build"]>>();

const CASTS = new Map<string, ReturnType<CallBuilder["build"]>>();

/** Store the elements of `from` into `to`, cast to its dtype; equal shapes. */
export function convert(to: NDArray, from: NDArray): void {
  const key = `${from.dtype} ${to.dtype}`;
  let call = CASTS.get(key);
  if (call === undefined) {
    const b = new CallBuilder();
    call = b.build([b.cast(b.input(from.dtype), to.dtype)]);
    CASTS.set(key, call);
  }
  runMap(call, [from], [to], to.shape);
}

const COPIES = new Map<DType, ReturnType<CallBuilder["build"]>>();

/** Copy all elements of `from` to `to`: equal shapes and dtypes, any strides, no overlap. */
export function copyStrided(to: NDArray, from: NDArray): void {
  invariant(
    to.dtype === from.dtype && to.shape.join() === from.shape.join(),
    `copy of ${from.dtype} (${from.shape.join(", ")}) into ${to.dtype} (${to.shape.join(", ")})`,
  );
  if (isComplex(to.dtype)) return copyComplex(to, from);
  let call = COPIES.get(to.dtype);
  if (call === undefined) {
    const b = new CallBuilder();
    call = b.build([b.input(to.dtype)]);
    COPIES.set(to.dtype, call);
  }
  runMap(call, [from], [to], to.shape);
}

/** Complex elements: at once where they are words of 8 bytes, else part by part. */
function copyComplex(to: NDArray, from: NDArray): void {
  if (to.isContiguous && from.isContiguous) return copyBlock(to, from);
  const [a, b] = [asWords(to), asWords(from)];
  if (a && b) return copyStrided(a, b);
  for (const part of [0, 1] as const) copyStrided(partView(to, part), partView(from, part));
}

/** A complex64 block as float64 elements, if its memory is aligned to them. Copies keep all bits. */
function asWords(x: NDArray): NDArray | null {
  if (x.dtype !== "complex64" || x.data.byteOffset % 8 !== 0) return null;
  const words = new Float64Array(x.data.buffer, x.data.byteOffset, x.data.length >> 1);
  return new NDArray("float64", words, x.shape, x.stride, x.offset);
}
