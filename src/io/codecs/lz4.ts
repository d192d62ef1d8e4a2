/** LZ4 block and blosclz decoding in plain TypeScript; PackBits both ways. */
import { KERNEL_CORRUPT, KERNEL_OVERFLOW } from "./byte-kernels.ts";

/** Above this a run is moved by the engine's copy instead of byte by byte. */
const LONG_RUN = 48;

/** See `ByteKernels.lz4Decode`. Source: lz4's `doc/lz4_Block_format.md`. */
export function lz4Decode(src: Uint8Array, dst: Uint8Array): number {
  const n = src.length;
  const capacity = dst.length;
  let at = 0;
  let out = 0;
  while (at < n) {
    const token = src[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= n) return KERNEL_CORRUPT;
        more = src[at++]!;
        literals += more;
      }
    }
    if (literals > n - at) return KERNEL_CORRUPT;
    if (literals > capacity - out) return KERNEL_OVERFLOW;
    if (literals > LONG_RUN) {
      dst.set(src.subarray(at, at + literals), out);
      at += literals;
      out += literals;
    } else for (const end = at + literals; at < end; ) dst[out++] = src[at++]!;
    if (at === n) return out; // the last sequence has no match
    if (n - at < 2) return KERNEL_CORRUPT;
    const distance = src[at]! | (src[at + 1]! << 8);
    at += 2;
    if (distance === 0 || distance > out) return KERNEL_CORRUPT;
    let length = (token & 15) + 4;
    if (length === 19) {
      let more = 255;
      while (more === 255) {
        if (at >= n) return KERNEL_CORRUPT;
        more = src[at++]!;
        length += more;
      }
    }
    if (length > capacity - out) return KERNEL_OVERFLOW;
    const end = out + length;
    if (length > LONG_RUN) copyLongMatch(dst, out, { distance, end });
    else for (let from = out - distance; out < end; ) dst[out++] = dst[from++]!;
    out = end;
  }
  return n === 0 ? KERNEL_CORRUPT : out;
}

/** Repeat what lies `distance` back up to `end`; source and destination may overlap. */
function copyLongMatch(dst: Uint8Array, at: number, run: { readonly distance: number; readonly end: number }): void {
  const { distance, end } = run;
  const from = at - distance;
  if (distance === 1) {
    dst.fill(dst[from]!, at, end);
    return;
  }
  // Doubling: each copy ends where its own source ends, so it never overlaps itself.
  for (let out = at; out < end; ) {
    const step = Math.min(out - from, end - out);
    dst.copyWithin(out, from, from + step);
    out += step;
  }
}

/** See `ByteKernels.packbitsDecode`. Source: TIFF 6.0 section 9. */
export function packbitsDecode(src: Uint8Array, dst: Uint8Array): number {
  const n = src.length;
  const capacity = dst.length;
  let at = 0;
  let out = 0;
  while (at < n && out < capacity) {
    const head = src[at++]!;
    if (head === 128) continue;
    if (head < 128) {
      const count = head + 1;
      if (count > n - at) return KERNEL_CORRUPT;
      const kept = Math.min(count, capacity - out);
      for (let k = 0; k < kept; k++) dst[out + k] = src[at + k]!;
      at += count;
      out += kept;
    } else {
      if (at >= n) return KERNEL_CORRUPT;
      const end = Math.min(out + 257 - head, capacity);
      dst.fill(src[at++]!, out, end);
      out = end;
    }
  }
  return out;
}

/** See `ByteKernels.packbitsEncode`. */
export function packbitsEncode(src: Uint8Array, dst: Uint8Array, rowBytes: number): number {
  let out = 0;
  for (let row = 0; row < src.length; row += rowBytes) {
    const end = Math.min(row + rowBytes, src.length);
    for (let at = row; at < end; ) {
      let run = 1;
      while (run < 128 && at + run < end && src[at + run] === src[at]) run++;
      if (run >= 2) {
        if (out + 2 > dst.length) return KERNEL_OVERFLOW;
        dst[out++] = 257 - run;
        dst[out++] = src[at]!;
        at += run;
        continue;
      }
      // Literals end where three equal bytes begin: a pair inside costs nothing extra.
      let count = 1;
      while (count < 128 && at + count < end && !startsRun(src, at + count, end)) count++;
      if (out + 1 + count > dst.length) return KERNEL_OVERFLOW;
      dst[out++] = count - 1;
      for (let k = 0; k < count; k++) dst[out++] = src[at++]!;
    }
  }
  return out;
}

function startsRun(src: Uint8Array, at: number, end: number): boolean {
  return at + 2 < end && src[at] === src[at + 1] && src[at] === src[at + 2];
}
