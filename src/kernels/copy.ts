/** Copies and fills of blocks, by the map engine. */
import { invariant } from "../base/index.ts";
import { allocate, DTYPES, type DType } from "../dtype/index.ts";
import { copyBlock, NDArray } from "../ndarray/index.ts";
import { isComplex, partView } from "./complex/views.ts";
import { CallBuilder } from "./map/ir.ts";
import { forEachOuter, type LoopNest, loopNest } from "./map/loop.ts";
import { runMap } from "./map/map.ts";
import { moveRows, repeatBytes } from "./moves.ts";
import { memoryOf } from "./segment.ts";
import { moveTurns, takesTurns } from "./turns.ts";

/** Set all elements of `to` to `value` (a bigint for 64-bit integers). */
export function fill(to: NDArray, value: number | bigint): void {
  if (fillStretch(to, value)) return;
  let call = FILLS.get(to.dtype);
  if (call === undefined) {
    const b = new CallBuilder();
    call = b.build([b.param(value, to.dtype)]);
    FILLS.set(to.dtype, call);
  }
  runMap({ ...call, params: [value] }, [], [to], to.shape);
}

/** Shorter stretches are filled by the map engine. */
const STRETCH_MIN = 16 << 10;

/** A large block in one piece of a segment, as bytes; false for others. */
function fillStretch(to: NDArray, value: number | bigint): boolean {
  const { itemsize } = DTYPES[to.dtype];
  const bytes = to.size * itemsize;
  if (bytes < STRETCH_MIN || !to.isContiguous || isComplex(to.dtype)) return false;
  const one = allocate(to.dtype, 1);
  one[0] = value as never; // the caller gives the dtype's element
  const element = new Uint8Array(one.buffer, 0, itemsize);
  return repeatBytes(to.data.buffer, to.data.byteOffset + to.offset * itemsize, bytes, element);
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

/** Rows of fewer bytes are left to the map engine, which takes elements of any stride. */
const MOVE_MIN = 32;

/** Copy all elements of `from` to `to`: equal shapes and dtypes, any strides, no overlap. */
export function copyStrided(to: NDArray, from: NDArray): void {
  invariant(
    to.dtype === from.dtype && isSame(to.shape, from.shape),
    `copy of ${from.dtype} (${from.shape.join(", ")}) into ${to.dtype} (${to.shape.join(", ")})`,
  );
  const nest = loopNest(to.shape, [to, from]);
  if (moveNest(nest, to, from)) return;
  if (to.size < SMALL || hasLongRows(nest, to)) return copyBlock(to, from);
  if (isComplex(to.dtype)) return copyComplex(to, from);
  let call = COPIES.get(to.dtype);
  if (call === undefined) {
    const b = new CallBuilder();
    call = b.build([b.input(to.dtype)]);
    COPIES.set(to.dtype, call);
  }
  runMap(call, [from], [to], to.shape);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, k) => n === b[k]);
}

/** Fewer elements are copied word by word: every bit stays, signalling NaNs' too, and nothing is compiled. */
const SMALL = 512;
/** Rows of fewer bytes outside segments pass through the map engine's tiles. */
const LONG_MIN = 1024;

function hasLongRows({ shape, strides }: LoopNest, { dtype }: NDArray): boolean {
  const last = shape.length - 1;
  return strides.every((s) => s[last] === 1) && (shape[last] ?? 1) * DTYPES[dtype].itemsize >= LONG_MIN;
}

/** Rows that lie in one piece on both sides, in segments, as bytes; false where they do not. */
function moveNest(nest: LoopNest, to: NDArray, from: NDArray): boolean {
  const depth = nest.shape.length;
  const { itemsize } = DTYPES[to.dtype];
  const [t, f] = nest.strides as [readonly number[], readonly number[]]; // two operands
  const columns = nest.shape[depth - 1] ?? 1;
  if (columns * itemsize < MOVE_MIN || t[depth - 1] !== 1 || f[depth - 1] !== 1) return false;
  const [a, b] = [to.data.buffer, from.data.buffer];
  if (memoryOf(a) === undefined || memoryOf(b) === undefined) return false;
  const rows = {
    bytes: columns * itemsize,
    rows: nest.shape[depth - 2] ?? 1,
    toStep: (t[depth - 2] ?? 0) * itemsize,
    fromStep: (f[depth - 2] ?? 0) * itemsize,
  };
  forEachOuter(nest, Math.max(0, depth - 2), (at) => {
    const start = to.data.byteOffset + (at[0] as number) * itemsize; // two operands
    moveRows(a, b, { ...rows, to: start, from: from.data.byteOffset + (at[1] as number) * itemsize });
  });
  return true;
}

/** Copies of blocks into parts of one, one after another; those that fill every second, third … element go together. */
export function copyParts(parts: readonly { readonly to: NDArray; readonly from: NDArray }[]): void {
  for (let k = 0; k < parts.length; ) {
    const turns = turnsFrom(parts, k);
    if (turns > 0) k += turns;
    else {
      const { to, from } = parts[k++] as (typeof parts)[number]; // k < length
      copyStrided(to, from);
    }
  }
}

/** Copies as many parts from the k-th on as take turns in one run of memory; gives their number, 0 for none. */
function turnsFrom(parts: readonly { readonly to: NDArray; readonly from: NDArray }[], k: number): number {
  const { to } = parts[k] as (typeof parts)[number]; // k < length
  const { itemsize } = DTYPES[to.dtype];
  const last = to.shape.findLastIndex((n) => n > 1);
  const count = to.stride[last] ?? 0;
  if (!takesTurns(count, itemsize) || k + count > parts.length) return 0;
  const turn = parts.slice(k, k + count);
  const takesTurn = (part: (typeof parts)[number], i: number): boolean =>
    part.from.isContiguous &&
    part.to.data === to.data &&
    part.to.offset === to.offset + i &&
    isSame(part.to.shape, to.shape) &&
    isDense(part.to, count);
  if (!turn.every(takesTurn)) return 0;
  const out = new NDArray(to.dtype, to.data, [to.size * count], [1], to.offset);
  const blocks = turn.map(({ from }) => from);
  return moveTurns(out, blocks, itemsize as 1 | 2 | 4 | 8) ? count : 0; // takesTurns looked at it
}

/** Whether elements follow each other in C order, `count` apart. */
function isDense({ shape, stride }: NDArray, count: number): boolean {
  let step = count;
  for (let k = shape.length - 1; k >= 0; k--) {
    if (shape[k] !== 1 && stride[k] !== step) return false;
    step *= shape[k] as number; // k < length
  }
  return true;
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
