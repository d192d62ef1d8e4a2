/** TIFF's LZW in plain TypeScript. Source: TIFF 6.0 section 13; stream layout as libtiff's `tif_lzw.c`. */
import { KERNEL_CORRUPT, KERNEL_OVERFLOW } from "./byte-kernels.ts";

const CLEAR = 256;
const END = 257;
const FIRST = 258;
/** The encoder clears when this code would be next, as libtiff. */
const ENCODER_LIMIT = 4094;

// A code is a slice of the output: it and what follows it by one byte are contiguous there, so no prefix chains.
const startOf = new Int32Array(4097);
const lengthOf = new Int32Array(4097);

/** See `ByteKernels.lzwDecode`. */
export function lzwDecode(src: Uint8Array, dst: Uint8Array): number {
  const n = src.length;
  const capacity = dst.length;
  // Least-significant-bit-first streams of libtiff before 1990.
  if (n >= 2 && src[0] === 0 && (src[1]! & 1) === 1) return KERNEL_CORRUPT;
  const starts = startOf;
  const lengths = lengthOf;
  let at = 0;
  let out = 0;
  let bits = 0; // the low `held` bits count; older ones fall out on the left
  let held = 0;
  let width = 9;
  let next = FIRST;
  let previous = -1; // start of the previous code's output, -1 right after a clear
  let previousLength = 0;
  while (out < capacity) {
    if (held < width) {
      if (at + 1 < n) {
        bits = (bits << 16) | (src[at]! << 8) | src[at + 1]!;
        at += 2;
        held += 16;
      } else {
        if (at >= n) return out;
        bits = (bits << 8) | src[at++]!;
        held += 8;
        if (held < width) return out;
      }
    }
    held -= width;
    const code = (bits >>> held) & ((1 << width) - 1);
    if (code === CLEAR) {
      width = 9;
      next = FIRST;
      previous = -1;
      continue;
    }
    if (code === END) return out;
    if (previous >= 0 && next < 4096) {
      starts[next] = previous;
      lengths[next] = previousLength + 1;
      next++;
      if (next >= (1 << width) - 1 && width < 12) width++;
    }
    previous = out;
    if (code < CLEAR) {
      dst[out++] = code;
      previousLength = 1;
      continue;
    }
    if (code >= next) return KERNEL_CORRUPT;
    let from = starts[code]!;
    previousLength = lengths[code]!;
    // Byte by byte: the newest code overlaps its own output.
    const end = Math.min(out + previousLength, capacity);
    while (out < end) dst[out++] = dst[from++]!;
  }
  return out;
}

const HASH_BITS = 14;
const HASH_MASK = (1 << HASH_BITS) - 1;
const hashKey = new Int32Array(1 << HASH_BITS);
const hashCode = new Uint16Array(1 << HASH_BITS);
let generation = 0;

/** Forget all codes: entries of older generations no longer match. */
function newGeneration(): number {
  generation++;
  if (generation >= 1 << 11) {
    hashKey.fill(0);
    generation = 1;
  }
  return generation << 20;
}

/** See `ByteKernels.lzwEncode`. */
export function lzwEncode(src: Uint8Array, dst: Uint8Array): number {
  const n = src.length;
  const limit = dst.length - 8; // one step writes two codes at most, and the end two more: 48 bits
  let out = 0;
  let bits = CLEAR;
  let held = 9;
  let width = 9;
  let next = FIRST;
  let tag = newGeneration();
  let prefix = n > 0 ? src[0]! : -1;
  for (let at = 1; at <= n && prefix >= 0; at++) {
    if (out > limit) return KERNEL_OVERFLOW;
    const last = at === n;
    let slot = 0;
    if (!last) {
      const key = tag | (prefix << 8) | src[at]!;
      slot = (Math.imul(key, 0x9e3779b1) >>> (32 - HASH_BITS)) & HASH_MASK;
      while (hashKey[slot] !== key && hashKey[slot]! >>> 20 === tag >>> 20) slot = (slot + 1) & HASH_MASK;
      if (hashKey[slot] === key) {
        prefix = hashCode[slot]!;
        continue;
      }
      hashKey[slot] = key;
      hashCode[slot] = next;
      prefix = src[at]! | (prefix << 16);
    } else prefix = prefix << 16;
    bits = (bits << width) | (prefix >>> 16);
    held += width;
    for (; held >= 8; held -= 8) dst[out++] = bits >>> (held - 8);
    bits &= (1 << held) - 1;
    prefix = last ? -1 : prefix & 0xff;
    next++;
    if (next === ENCODER_LIMIT) {
      bits = (bits << width) | CLEAR;
      held += width;
      for (; held >= 8; held -= 8) dst[out++] = bits >>> (held - 8);
      bits &= (1 << held) - 1;
      width = 9;
      next = FIRST;
      tag = newGeneration();
    } else if (next >= 1 << width) width++;
  }
  if (out > limit) return KERNEL_OVERFLOW;
  bits = (bits << width) | END;
  held += width;
  for (; held > 0; held -= 8) dst[out++] = held >= 8 ? bits >>> (held - 8) : bits << (8 - held);
  return out;
}
