/** Byte and bit planes, byte order. Layouts as c-blosc 1.21 `shuffle-generic.h`, `bitshuffle-generic.h`. */

/** See `ByteKernels.shuffle`. */
export function shuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void {
  const count = Math.floor(src.length / itemsize);
  for (let b = 0; b < itemsize; b++) {
    const plane = b * count;
    for (let i = 0, at = b; i < count; i++, at += itemsize) dst[plane + i] = src[at]!;
  }
  copyTail(src, dst, count * itemsize);
}

/** See `ByteKernels.unshuffle`. */
export function unshuffle(src: Uint8Array, dst: Uint8Array, itemsize: number): void {
  const count = Math.floor(src.length / itemsize);
  if (itemsize === 2 && (dst.byteOffset & 1) === 0) unshuffle2(src, new Uint16Array(dst.buffer, dst.byteOffset, count));
  else if (itemsize === 4 && (dst.byteOffset & 3) === 0) {
    unshuffle4(src, new Uint32Array(dst.buffer, dst.byteOffset, count));
  } else if (itemsize === 8 && (dst.byteOffset & 3) === 0) {
    unshuffle8(src, new Uint32Array(dst.buffer, dst.byteOffset, count * 2));
  } else {
    for (let b = 0; b < itemsize; b++) {
      const plane = b * count;
      for (let i = 0, at = b; i < count; i++, at += itemsize) dst[at] = src[plane + i]!;
    }
  }
  copyTail(src, dst, count * itemsize);
}

function unshuffle2(src: Uint8Array, dst: Uint16Array): void {
  const n = dst.length;
  for (let i = 0; i < n; i++) dst[i] = src[i]! | (src[n + i]! << 8);
}

function unshuffle4(src: Uint8Array, dst: Uint32Array): void {
  const n = dst.length;
  const [p2, p3] = [2 * n, 3 * n];
  for (let i = 0; i < n; i++) {
    dst[i] = src[i]! | (src[n + i]! << 8) | (src[p2 + i]! << 16) | (src[p3 + i]! << 24);
  }
}

function unshuffle8(src: Uint8Array, dst: Uint32Array): void {
  const n = dst.length / 2;
  const [p2, p3, p4, p5, p6, p7] = [2 * n, 3 * n, 4 * n, 5 * n, 6 * n, 7 * n];
  for (let i = 0; i < n; i++) {
    dst[2 * i] = src[i]! | (src[n + i]! << 8) | (src[p2 + i]! << 16) | (src[p3 + i]! << 24);
    dst[2 * i + 1] = src[p4 + i]! | (src[p5 + i]! << 8) | (src[p6 + i]! << 16) | (src[p7 + i]! << 24);
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
