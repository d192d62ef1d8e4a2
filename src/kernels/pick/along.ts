/** Single elements copied from computed places, whatever their dtype: by the width of an element. */
import { dtypeInfo } from "../../dtype/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import { convert, copyStrided } from "../copy.ts";
import { memoryOf } from "../segment.ts";
import { keepMasked } from "./mask-module.ts";

/** Typed arrays of the widths in which elements are copied. */
type Words = Uint8Array | Uint16Array | Uint32Array;

/**
 * `out[i] = x[sources[i]]` in C order of `out`, which is contiguous. `sources` count elements of `x.data`.
 */
export function pickElements(out: NDArray, x: NDArray, sources: Int32Array): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const [to, from] = [wordsOf(out, itemsize), wordsOf(x, itemsize)];
  if (itemsize === 1) pick8(to as Uint8Array, from as Uint8Array, out.offset, sources);
  else if (itemsize === 2) pick16(to as Uint16Array, from as Uint16Array, out.offset, sources);
  else if (itemsize === 4) pick32(to as Uint32Array, from as Uint32Array, out.offset, sources);
  else if (itemsize === 8) pick64(to as Uint32Array, from as Uint32Array, out.offset, sources);
  else pickWords(to as Uint32Array, from as Uint32Array, { start: out.offset, words: itemsize / 4 }, sources);
}

/** Memory of a block in words of 1, 2 or 4 bytes: a float64 might not keep the bits of a NaN, a bigint would be allocated. */
function wordsOf({ data }: NDArray, itemsize: number): Words {
  const { buffer, byteOffset, byteLength } = data;
  if (itemsize === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (itemsize === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

// One loop per width: a loop that has seen arrays of several classes is slow for all of them.
function pick8(to: Uint8Array, from: Uint8Array, start: number, sources: Int32Array): void {
  for (let i = 0; i < sources.length; i++) to[start + i] = from[sources[i] as number] as number; // sources lie in x
}
function pick16(to: Uint16Array, from: Uint16Array, start: number, sources: Int32Array): void {
  for (let i = 0; i < sources.length; i++) to[start + i] = from[sources[i] as number] as number; // sources lie in x
}
function pick32(to: Uint32Array, from: Uint32Array, start: number, sources: Int32Array): void {
  for (let i = 0; i < sources.length; i++) to[start + i] = from[sources[i] as number] as number; // sources lie in x
}
function pick64(to: Uint32Array, from: Uint32Array, start: number, sources: Int32Array): void {
  for (let i = 0, t = 2 * start; i < sources.length; i++, t += 2) {
    const at = 2 * (sources[i] as number); // sources lie in x
    to[t] = from[at] as number;
    to[t + 1] = from[at + 1] as number;
  }
}
function pickWords(
  to: Uint32Array,
  from: Uint32Array,
  { start, words }: { readonly start: number; readonly words: number },
  sources: Int32Array,
): void {
  for (let i = 0; i < sources.length; i++) {
    const at = sources[i] as number; // i < length
    for (let w = 0; w < words; w++) to[(start + i) * words + w] = from[at * words + w] as number; // sources lie in x
  }
}

/** Rows of equal patterns: in row r, `out[r * length + targets[i]] = x[rows[r] + sources[i]]`. */
export interface Pattern {
  /** Place in `x.data` of each row. */
  readonly rows: Int32Array;
  /** Elements of a row of `out`. */
  readonly length: number;
  readonly targets: Int32Array;
  readonly sources: Int32Array;
}

/** Copy single elements by a pattern; `out` is in C order. */
export function pickPattern(out: NDArray, x: NDArray, pattern: Pattern): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const [to, from] = [wordsOf(out, itemsize), wordsOf(x, itemsize)];
  if (itemsize === 1) pattern8(to as Uint8Array, from as Uint8Array, out.offset, pattern);
  else if (itemsize === 2) pattern16(to as Uint16Array, from as Uint16Array, out.offset, pattern);
  else if (itemsize === 4) pattern32(to as Uint32Array, from as Uint32Array, out.offset, pattern);
  else patternWords(to as Uint32Array, from as Uint32Array, { start: out.offset, words: itemsize / 4 }, pattern);
}

function pattern8(to: Uint8Array, from: Uint8Array, start: number, { rows, length, targets, sources }: Pattern): void {
  for (let r = 0, t = start; r < rows.length; r++, t += length) {
    const at = rows[r] as number; // r < length
    for (let i = 0; i < targets.length; i++)
      to[t + (targets[i] as number)] = from[at + (sources[i] as number)] as number; // in range
  }
}
function pattern16(
  to: Uint16Array,
  from: Uint16Array,
  start: number,
  { rows, length, targets, sources }: Pattern,
): void {
  for (let r = 0, t = start; r < rows.length; r++, t += length) {
    const at = rows[r] as number; // r < length
    for (let i = 0; i < targets.length; i++)
      to[t + (targets[i] as number)] = from[at + (sources[i] as number)] as number; // in range
  }
}
function pattern32(
  to: Uint32Array,
  from: Uint32Array,
  start: number,
  { rows, length, targets, sources }: Pattern,
): void {
  for (let r = 0, t = start; r < rows.length; r++, t += length) {
    const at = rows[r] as number; // r < length
    for (let i = 0; i < targets.length; i++)
      to[t + (targets[i] as number)] = from[at + (sources[i] as number)] as number; // in range
  }
}
function patternWords(
  to: Uint32Array,
  from: Uint32Array,
  { start, words }: { readonly start: number; readonly words: number },
  { rows, length, targets, sources }: Pattern,
): void {
  for (let r = 0, row = start; r < rows.length; r++, row += length) {
    const at = rows[r] as number; // r < length
    for (let i = 0; i < targets.length; i++) {
      const [t, f] = [(row + (targets[i] as number)) * words, (at + (sources[i] as number)) * words]; // in range
      for (let w = 0; w < words; w++) to[t + w] = from[f + w] as number;
    }
  }
}

/** `to[k++] = from[i]` where `mask[i]`, for every row of as many elements as the mask has: both in C order, `count` kept a row. */
export function keepElements(out: NDArray, x: NDArray, mask: Uint8Array, count: number): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const [to, from] = [wordsOf(out, itemsize), wordsOf(x, itemsize)];
  const rows = count === 0 ? 0 : out.size / count;
  for (let r = 0; r < rows; r++) {
    const place = { to: out.offset + r * count, from: x.offset + r * mask.length, count };
    if (itemsize <= 8) {
      const source = { buffer: from.buffer, byteOffset: from.byteOffset + place.from * itemsize };
      const target = { buffer: to.buffer, byteOffset: to.byteOffset + place.to * itemsize, bytes: count * itemsize };
      if (keepMasked(mask, itemsize as 1 | 2 | 4 | 8, source, target)) continue; // sizes of numbers up to 8 bytes
    }
    if (itemsize === 1) keep8(to as Uint8Array, from as Uint8Array, mask, place);
    else if (itemsize === 2) keep16(to as Uint16Array, from as Uint16Array, mask, place);
    else if (itemsize === 4) keep32(to as Uint32Array, from as Uint32Array, mask, place);
    else keepWords(to as Uint32Array, from as Uint32Array, mask, { ...place, words: itemsize / 4 });
  }
}

interface Place {
  readonly to: number;
  readonly from: number;
  readonly count: number;
}

// Every element is stored, and the next one over it if it is not kept: no branch to be guessed.
function keep8(to: Uint8Array, from: Uint8Array, mask: Uint8Array, { to: start, from: first, count }: Place): void {
  for (let i = 0, k = start; k < start + count; i++) {
    to[k] = from[first + i] as number; // ends before the mask does
    k += mask[i] as number;
  }
}
function keep16(to: Uint16Array, from: Uint16Array, mask: Uint8Array, { to: start, from: first, count }: Place): void {
  for (let i = 0, k = start; k < start + count; i++) {
    to[k] = from[first + i] as number; // ends before the mask does
    k += mask[i] as number;
  }
}
function keep32(to: Uint32Array, from: Uint32Array, mask: Uint8Array, { to: start, from: first, count }: Place): void {
  for (let i = 0, k = start; k < start + count; i++) {
    to[k] = from[first + i] as number; // ends before the mask does
    k += mask[i] as number;
  }
}
function keepWords(
  to: Uint32Array,
  from: Uint32Array,
  mask: Uint8Array,
  { to: start, from: first, count, words }: Place & { readonly words: number },
): void {
  for (let i = 0, k = start; k < start + count; i++) {
    for (let w = 0; w < words; w++) to[k * words + w] = from[(first + i) * words + w] as number; // ends before the mask does
    k += mask[i] as number;
  }
}

/** Place in `x.data` of each element of `x` with `indices` along `axis`, in C order of that shape. */
export function sourcesOf(x: NDArray, axis: number, indices: Int32Array): Int32Array {
  const shape = x.shape.map((n, k) => (k === axis ? indices.length : n));
  const out = new Int32Array(sizeOf(shape));
  let count = 0;
  const walk = (k: number, at: number): void => {
    const n = shape[k] as number; // k < ndim
    const step = x.stride[k] as number;
    if (k === shape.length - 1) {
      if (k === axis) for (let i = 0; i < n; i++) out[count + i] = at + (indices[i] as number) * step;
      else for (let i = 0; i < n; i++) out[count + i] = at + i * step;
      count += n;
    } else for (let i = 0; i < n; i++) walk(k + 1, at + (k === axis ? (indices[i] as number) : i) * step);
  };
  if (out.length > 0) walk(0, x.offset);
  return out;
}

/** Elements in C order without gaps: the block itself, or a copy. */
export function packed(x: NDArray): NDArray {
  if (x.isContiguous) return x;
  const out = NDArray.zeros(x.dtype, x.shape);
  copyStrided(out, x);
  return out;
}

/** Integers in C order as float64: exact below 2^53, as all indices are. */
export function indexValues(block: NDArray): Float64Array {
  const out = new NDArray("float64", new Float64Array(block.size), block.shape);
  convert(out, block);
  return out.data as Float64Array; // just made
}

/** Each of `n` elements of `inner` words, `times` over: rows of a repeat. */
export function repeatRows(out: NDArray, x: NDArray, times: number, axis: number): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const inner = sizeOf(x.shape.slice(axis + 1));
  const from = packed(x);
  if (inner === 1 && times <= COPIES_MAX && memoryOf(out.data.buffer) !== undefined)
    return repeatByCopies(out, from, times);
  const [a, b] = [wordsOf(out, itemsize), wordsOf(from, itemsize)];
  const width = inner * (itemsize > 4 ? itemsize / 4 : 1);
  const scale = itemsize > 4 ? itemsize / 4 : 1;
  const rows = sizeOf(x.shape.slice(0, axis + 1));
  const place = { to: out.offset * scale, from: from.offset * scale, rows, width, times };
  if (width > 16) repeatLong(a, b, place);
  else if (width === 1 && itemsize === 1) repeatEach8(a as Uint8Array, b as Uint8Array, place);
  else if (width === 1 && itemsize === 2) repeatEach16(a as Uint16Array, b as Uint16Array, place);
  else if (width === 1) repeatEach32(a as Uint32Array, b as Uint32Array, place);
  else if (itemsize === 1) repeat8(a as Uint8Array, b as Uint8Array, place);
  else if (itemsize === 2) repeat16(a as Uint16Array, b as Uint16Array, place);
  else repeat32(a as Uint32Array, b as Uint32Array, place);
}

/** So often and no oftener every element is repeated by strided copies. */
const COPIES_MAX = 16;
/** Elements that are copied at a time: they stay near the core from copy to copy. */
const COPY_ELEMENTS = 1 << 16;

/** Each element `times` over: one copy of all for each time. */
function repeatByCopies(out: NDArray, x: NDArray, times: number): void {
  for (let at = 0; at < x.size; at += COPY_ELEMENTS) {
    const shape = [Math.min(COPY_ELEMENTS, x.size - at)];
    const part = new NDArray(x.dtype, x.data, shape, [1], x.offset + at);
    for (let k = 0; k < times; k++)
      copyStrided(new NDArray(out.dtype, out.data, shape, [times], out.offset + at * times + k), part);
  }
}

interface Rows {
  readonly to: number;
  readonly from: number;
  readonly rows: number;
  readonly width: number;
  readonly times: number;
}

function repeatLong(to: Words, from: Words, { to: start, from: first, rows, width, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++) {
    const row = from.subarray(first + r * width, first + (r + 1) * width);
    for (let i = 0; i < times; i++, t += width) to.set(row, t);
  }
}
function repeat8(to: Uint8Array, from: Uint8Array, { to: start, from: first, rows, width, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++)
    for (let i = 0; i < times; i++) for (let w = 0; w < width; w++) to[t++] = from[first + r * width + w] as number; // rows lie in x
}
function repeat16(to: Uint16Array, from: Uint16Array, { to: start, from: first, rows, width, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++)
    for (let i = 0; i < times; i++) for (let w = 0; w < width; w++) to[t++] = from[first + r * width + w] as number; // rows lie in x
}
function repeat32(to: Uint32Array, from: Uint32Array, { to: start, from: first, rows, width, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++)
    for (let i = 0; i < times; i++) for (let w = 0; w < width; w++) to[t++] = from[first + r * width + w] as number; // rows lie in x
}
function repeatEach8(to: Uint8Array, from: Uint8Array, { to: start, from: first, rows, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++) {
    const v = from[first + r] as number; // rows lie in x
    for (let i = 0; i < times; i++) to[t++] = v;
  }
}
function repeatEach16(to: Uint16Array, from: Uint16Array, { to: start, from: first, rows, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++) {
    const v = from[first + r] as number; // rows lie in x
    for (let i = 0; i < times; i++) to[t++] = v;
  }
}
function repeatEach32(to: Uint32Array, from: Uint32Array, { to: start, from: first, rows, times }: Rows): void {
  for (let r = 0, t = start; r < rows; r++) {
    const v = from[first + r] as number; // rows lie in x
    for (let i = 0; i < times; i++) to[t++] = v;
  }
}
