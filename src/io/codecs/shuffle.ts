/** Byte and bit planes, byte order. Layouts as c-blosc 1.21 `shuffle-generic.h`, `bitshuffle-generic.h`. */

/** See `ByteKernels.shuffle`. */
export function shuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void {
  const count = Math.floor(src.length / itemsize);
  if (areWords(src, dst, { itemsize, count })) shuffleWords(wordsOf(src), wordsOf(dst), itemsize);
  else {
    for (let b = 0; b < itemsize; b++) {
      const plane = b * count;
      for (let i = 0, at = b; i < count; i++, at += itemsize) dst[plane + i] = src[at]!;
    }
  }
  copyTail(src, dst, count * itemsize);
}

/** See `ByteKernels.unshuffle`. */
export function unshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void {
  const count = Math.floor(src.length / itemsize);
  if (areWords(src, dst, { itemsize, count })) unshuffleWords(wordsOf(src), wordsOf(dst), itemsize);
  else {
    for (let b = 0; b < itemsize; b++) {
      const plane = b * count;
      for (let i = 0, at = b; i < count; i++, at += itemsize) dst[at] = src[plane + i]!;
    }
  }
  copyTail(src, dst, count * itemsize);
}

/** Four items at a time can be moved as whole words: everything is aligned, and no planes end within a word. */
function areWords(
  src: Uint8Array,
  dst: Uint8Array,
  of: { readonly itemsize: number; readonly count: number },
): boolean {
  const isKnown = of.itemsize === 2 || of.itemsize === 4 || of.itemsize === 8;
  return isKnown && of.count % 4 === 0 && src.byteOffset % 4 === 0 && dst.byteOffset % 4 === 0;
}

/** The whole words of `data`; a tail that is no item is left to {@link copyTail}. */
function wordsOf(data: Uint8Array): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, data.length >> 2);
}

const EVEN = 0x00ff00ff;
const ODD = 0xff00ff00;

function unshuffleWords(src: Int32Array, dst: Int32Array, itemsize: number): void {
  const step = itemsize / 4;
  const plane = Math.floor(src.length / itemsize);
  if (itemsize === 2) {
    for (let i = 0, at = 0; i < plane; i++, at += 2) {
      const a = src[i]!;
      const b = src[plane + i]!;
      dst[at] = (a & 0xff) | ((b & 0xff) << 8) | ((a & 0xff00) << 8) | ((b & 0xff00) << 16);
      dst[at + 1] = ((a >>> 16) & 0xff) | ((b >>> 8) & 0xff00) | ((a >>> 8) & 0xff0000) | (b & 0xff000000);
    }
    return;
  }
  for (let half = 0; half < step; half++) {
    const p = half * 4 * plane;
    for (let i = 0, at = half; i < plane; i++, at += 4 * step) {
      const a = src[p + i]!;
      const b = src[p + plane + i]!;
      const c = src[p + 2 * plane + i]!;
      const d = src[p + 3 * plane + i]!;
      const ab = (a & EVEN) | ((b & EVEN) << 8);
      const cd = (c & EVEN) | ((d & EVEN) << 8);
      const ab1 = ((a >>> 8) & EVEN) | (b & ODD);
      const cd1 = ((c >>> 8) & EVEN) | (d & ODD);
      dst[at] = (ab & 0xffff) | (cd << 16);
      dst[at + step] = (ab1 & 0xffff) | (cd1 << 16);
      dst[at + 2 * step] = (ab >>> 16) | (cd & 0xffff0000);
      dst[at + 3 * step] = (ab1 >>> 16) | (cd1 & 0xffff0000);
    }
  }
}

function shuffleWords(src: Int32Array, dst: Int32Array, itemsize: number): void {
  const step = itemsize / 4;
  const plane = Math.floor(src.length / itemsize);
  if (itemsize === 2) {
    for (let i = 0, at = 0; i < plane; i++, at += 2) {
      const a = src[at]!;
      const b = src[at + 1]!;
      dst[i] = (a & 0xff) | ((a >>> 8) & 0xff00) | ((b & 0xff) << 16) | ((b << 8) & 0xff000000);
      dst[plane + i] = ((a >>> 8) & 0xff) | ((a >>> 16) & 0xff00) | ((b << 8) & 0xff0000) | (b & 0xff000000);
    }
    return;
  }
  for (let half = 0; half < step; half++) {
    const p = half * 4 * plane;
    for (let i = 0, at = half; i < plane; i++, at += 4 * step) {
      const a = src[at]!;
      const b = src[at + step]!;
      const c = src[at + 2 * step]!;
      const d = src[at + 3 * step]!;
      const ab = (a & EVEN) | ((b & EVEN) << 8);
      const cd = (c & EVEN) | ((d & EVEN) << 8);
      const ab1 = ((a >>> 8) & EVEN) | (b & ODD);
      const cd1 = ((c >>> 8) & EVEN) | (d & ODD);
      dst[p + i] = (ab & 0xffff) | (cd << 16);
      dst[p + plane + i] = (ab1 & 0xffff) | (cd1 << 16);
      dst[p + 2 * plane + i] = (ab >>> 16) | (cd & 0xffff0000);
      dst[p + 3 * plane + i] = (ab1 >>> 16) | (cd1 & 0xffff0000);
    }
  }
}

function copyTail(src: Uint8Array, dst: Uint8Array, from: number): void {
  for (let k = from; k < src.length; k++) dst[k] = src[k]!;
}

// Words of one 8 × 8 bit matrix between the two halves of its transposition.
let low = 0;
let high = 0;

/** Transpose 8 × 8 bits held as bytes 0-3 in `low`, 4-7 in `high`. Source: Hacker's Delight, 7-3. */
function transposeBits(): void {
  let t = (low ^ (low >>> 7)) & 0x00aa00aa;
  low ^= t ^ (t << 7);
  t = (high ^ (high >>> 7)) & 0x00aa00aa;
  high ^= t ^ (t << 7);
  t = (low ^ (low >>> 14)) & 0x0000cccc;
  low ^= t ^ (t << 14);
  t = (high ^ (high >>> 14)) & 0x0000cccc;
  high ^= t ^ (t << 14);
  t = (low & 0x0f0f0f0f) | ((high & 0x0f0f0f0f) << 4);
  high = ((low >>> 4) & 0x0f0f0f0f) | (high & 0xf0f0f0f0);
  low = t;
}

/** See `ByteKernels.bitshuffle`. */
export function bitshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void {
  const count = Math.floor(src.length / itemsize);
  if (count % 8 !== 0) {
    dst.set(src);
    return;
  }
  moveBits(src, dst, { rows: itemsize, columns: count / 8, itemsize, toPlanes: true });
  copyTail(src, dst, count * itemsize);
}

/** See `ByteKernels.bitunshuffle`. */
export function bitunshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void {
  const count = Math.floor(src.length / itemsize);
  if (count % 8 !== 0) {
    dst.set(src);
    return;
  }
  moveBits(src, dst, { rows: itemsize, columns: count / 8, itemsize, toPlanes: false });
  copyTail(src, dst, count * itemsize);
}

interface BitMove {
  readonly rows: number;
  readonly columns: number;
  readonly itemsize: number;
  readonly toPlanes: boolean;
}

/** Eight items at a time: bytes of one position form an 8 × 8 bit matrix; its transpose is a column of the planes. */
function moveBits(src: Uint8Array, dst: Uint8Array, move: BitMove): void {
  const { rows, columns, itemsize, toPlanes } = move;
  for (let b = 0; b < rows; b++) {
    for (let i = 0; i < columns; i++) {
      const plane = b * 8 * columns + i;
      const item = i * 8 * itemsize + b;
      const [from, fromStep, to, toStep] = toPlanes
        ? [item, itemsize, plane, columns]
        : [plane, columns, item, itemsize];
      low =
        src[from]! |
        (src[from + fromStep]! << 8) |
        (src[from + 2 * fromStep]! << 16) |
        (src[from + 3 * fromStep]! << 24);
      high =
        src[from + 4 * fromStep]! |
        (src[from + 5 * fromStep]! << 8) |
        (src[from + 6 * fromStep]! << 16) |
        (src[from + 7 * fromStep]! << 24);
      transposeBits();
      for (let k = 0; k < 4; k++) {
        dst[to + k * toStep] = low >>> (8 * k);
        dst[to + (4 + k) * toStep] = high >>> (8 * k);
      }
    }
  }
}

/** See `ByteKernels.bswap`. */
export function bswap(data: Uint8Array, itemsize: 2 | 4 | 8): void {
  const whole = data.length - (data.length % itemsize);
  for (let at = 0; at < whole; at += itemsize) {
    for (let i = at, j = at + itemsize - 1; i < j; i++, j--) {
      const held = data[i]!;
      data[i] = data[j]!;
      data[j] = held;
    }
  }
}
