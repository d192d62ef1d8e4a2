/**
 * Elements as unsigned 32-bit words that sort as they do, and stable sorts of indices by them: least significant digits
 * first. NaN (and NaT) is above all numbers, -0 equals 0.
 */
import { DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import { FEW } from "./leading.ts";

/** Words of the keys: `low`, and above it `high` for 64-bit types. */
export interface Keys {
  readonly low: Uint32Array;
  readonly high: Uint32Array | null;
  /** Bits of the top word that are used. */
  readonly bits: number;
}

const TOP = 0x80000000;

/** Keys of `values`, in order. @param descending keys of the opposite order */
export function keysOf(dtype: DType, values: TypedArray, descending: boolean): Keys {
  const n = values.length;
  const { kind, itemsize } = DTYPES[dtype];
  const turn = descending ? 0xffffffff : 0;
  const low = new Uint32Array(n);
  if (itemsize === 8) {
    const high = new Uint32Array(n);
    const words = new Uint32Array(values.buffer, values.byteOffset, 2 * n);
    wideKeys(kind, words, low, high, turn);
    return { low, high, bits: 32 };
  }
  if (kind === "f") {
    const single = dtype === "float32" ? (values as Float32Array) : Float32Array.from(values as ArrayLike<number>);
    const words = new Uint32Array(single.buffer, single.byteOffset, n);
    for (let i = 0; i < n; i++) {
      const w = words[i] as number;
      const magnitude = w & 0x7fffffff;
      const key = magnitude > 0x7f800000 ? 0xffffffff : magnitude === 0 ? TOP : w < TOP ? w | TOP : ~w;
      low[i] = key ^ turn;
    }
    return { low, high: null, bits: 32 };
  }
  const numbers = values as Int32Array; // or another class of up to 32 bits, whose elements are numbers
  const bits = 8 * itemsize;
  const flip = kind === "i" ? 2 ** (bits - 1) : 0;
  const mask = bits === 32 ? 0xffffffff : 2 ** bits - 1;
  for (let i = 0; i < n; i++) low[i] = (((numbers[i] as number) ^ flip) & mask) ^ (turn & mask);
  return { low, high: null, bits };
}

function wideKeys(kind: string, words: Uint32Array, low: Uint32Array, high: Uint32Array, turn: number): void {
  for (let i = 0; i < low.length; i++) {
    let [l, h] = [words[2 * i] as number, words[2 * i + 1] as number];
    if (kind === "f") {
      const magnitude = h & 0x7fffffff;
      if (magnitude > 0x7ff00000 || (magnitude === 0x7ff00000 && l !== 0)) l = h = 0xffffffff;
      else if (magnitude === 0 && l === 0) h = TOP;
      else if (h < TOP) h |= TOP;
      else [l, h] = [~l, ~h];
    } else if (kind === "M" || kind === "m") {
      if (h === TOP && l === 0)
        l = h = 0xffffffff; // NaT
      else h ^= TOP;
    } else if (kind === "i") h ^= TOP;
    low[i] = l ^ turn;
    high[i] = h ^ turn;
  }
}

const DIGIT = 11;
const DIGITS = 1 << DIGIT;
/** Runs shorter than this are sorted by insertion. */
const INSERT = 48;

/** Buffers of a sort of up to `n` elements. */
export class IndexSorter {
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  readonly #counts = new Uint32Array(DIGITS);

  constructor(n: number) {
    this.#from = new Uint32Array(n);
    this.#to = new Uint32Array(n);
  }

  /** Bytes that a sorter of `n` elements holds, keys of 64 bits included. */
  static bytes(n: number): number {
    return 16 * n + 4 * DIGITS;
  }

  /** Indices of `keys` in stable order; valid until the next sort. */
  sort(keys: Keys): Uint32Array {
    const n = keys.low.length;
    let [from, to] = [this.#from.subarray(0, n), this.#to.subarray(0, n)];
    for (let i = 0; i < n; i++) from[i] = i;
    if (n < INSERT) {
      insertion(keys, from);
      return from;
    }
    const passes: [Uint32Array, number][] = [];
    const bits = keys.high === null ? keys.bits : 32;
    for (let shift = 0; shift < bits; shift += DIGIT) passes.push([keys.low, shift]);
    if (keys.high !== null) for (let shift = 0; shift < 32; shift += DIGIT) passes.push([keys.high, shift]);
    for (const [words, shift] of passes) {
      if (this.#pass(words, shift, from, to)) [from, to] = [to, from];
    }
    return from;
  }

  /** Indices of the `k` smallest keys in stable order, for few; valid until the next sort. */
  smallest(keys: Keys, k: number): Uint32Array {
    const n = keys.low.length;
    if (k > FEW || k * 4 > n) return this.sort(keys).subarray(0, k);
    const best = this.#from.subarray(0, k);
    for (let i = 0; i < k; i++) best[i] = i;
    insertion(keys, best);
    const { low, high } = keys;
    let last = best[k - 1] as number;
    for (let i = k; i < n; i++) {
      const above = high === null ? 0 : (high[i] as number) - (high[last] as number);
      if (above > 0 || (above === 0 && (low[i] as number) >= (low[last] as number))) continue;
      best[k - 1] = i;
      settle(keys, best, k - 1);
      last = best[k - 1] as number;
    }
    return best;
  }

  /** One digit; false when all elements agree in it. */
  #pass(words: Uint32Array, shift: number, from: Uint32Array, to: Uint32Array): boolean {
    const counts = this.#counts.fill(0);
    const n = from.length;
    for (let i = 0; i < n; i++) {
      const d = ((words[i] as number) >>> shift) & (DIGITS - 1);
      counts[d] = (counts[d] as number) + 1;
    }
    if (counts[((words[0] as number) >>> shift) & (DIGITS - 1)] === n) return false;
    for (let d = 0, at = 0; d < DIGITS; d++) {
      const c = counts[d] as number;
      counts[d] = at;
      at += c;
    }
    for (let i = 0; i < n; i++) {
      const k = from[i] as number;
      const d = ((words[k] as number) >>> shift) & (DIGITS - 1);
      const at = counts[d] as number;
      to[at] = k;
      counts[d] = at + 1;
    }
    return true;
  }
}

/** Keys of up to 32 bits put in order, least significant digits first. */
function sortKeys(keys: Uint32Array, bits: number): Uint32Array {
  let [from, to]: [Uint32Array, Uint32Array] = [keys, new Uint32Array(keys.length)];
  const counts = new Uint32Array(DIGITS);
  for (let shift = 0; shift < bits; shift += DIGIT) {
    counts.fill(0);
    for (let i = 0; i < from.length; i++) {
      const d = ((from[i] as number) >>> shift) & (DIGITS - 1);
      counts[d] = (counts[d] as number) + 1;
    }
    for (let d = 0, at = 0; d < DIGITS; d++) {
      const c = counts[d] as number;
      counts[d] = at;
      at += c;
    }
    for (let i = 0; i < from.length; i++) {
      const key = from[i] as number;
      const d = (key >>> shift) & (DIGITS - 1);
      const at = counts[d] as number;
      to[at] = key;
      counts[d] = at + 1;
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Sort `values` of up to 32 bits in place by their digits; `line` is their dtype's class. */
export function sortByDigits(dtype: DType, values: TypedArray): void {
  const { kind, itemsize } = DTYPES[dtype];
  const { low, bits } = keysOf(dtype, values, false);
  const sorted = sortKeys(low, bits);
  if (kind !== "f") {
    const flip = kind === "i" ? 2 ** (bits - 1) : 0;
    // A key with the sign bit turned back is the element modulo 2^bits, which its class makes of it.
    for (let i = 0; i < sorted.length; i++) values[i] = ((sorted[i] as number) ^ flip) as never;
    return;
  }
  for (let i = 0; i < sorted.length; i++) {
    const key = sorted[i] as number;
    sorted[i] = key === 0xffffffff ? 0x7fc00000 : key >= TOP ? key ^ TOP : ~key;
  }
  const floats = new Float32Array(sorted.buffer, sorted.byteOffset, sorted.length);
  if (itemsize === 4) (values as Float32Array).set(floats);
  else for (let i = 0; i < floats.length; i++) values[i] = floats[i] as never; // float16
}

/** Sort `values` of one byte in place by counting them. */
export function sortBytes(dtype: DType, values: TypedArray): void {
  const counts = new Uint32Array(256);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bytes.length; i++) counts[bytes[i] as number] = (counts[bytes[i] as number] as number) + 1;
  const first = DTYPES[dtype].kind === "i" ? 128 : 0; // bytes from 128 on are negative
  let at = 0;
  for (let k = 0; k < 256; k++) {
    const b = (k + first) & 255;
    const n = counts[b] as number;
    bytes.fill(b, at, at + n);
    at += n;
  }
}

function insertion(keys: Keys, order: Uint32Array): void {
  for (let i = 1; i < order.length; i++) settle(keys, order, i);
}

/** Move `order[i]` down to its place among the sorted ones before it, after its equals. */
function settle({ low, high }: Keys, order: Uint32Array, i: number): void {
  const k = order[i] as number;
  const [l, h] = [low[k] as number, high === null ? 0 : (high[k] as number)];
  let j = i - 1;
  for (; j >= 0; j--) {
    const m = order[j] as number;
    const above = high === null ? 0 : (high[m] as number);
    if (above < h || (above === h && (low[m] as number) <= l)) break;
    order[j + 1] = m;
  }
  order[j + 1] = k;
}

/** Stable order of complex numbers: by real part, then imaginary; a NaN part is above all numbers. Source: NumPy's `npy::less`. */
export function complexOrder(values: Float32Array | Float64Array, descending: boolean): Uint32Array {
  const n = values.length / 2;
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const part = (a: number, b: number): number => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    return a < b ? -1 : a > b ? 1 : 0;
  };
  const at = (k: number): number => values[k] as number; // in range
  const compare = (i: number, j: number): number => {
    const nan = (k: number): boolean => Number.isNaN(at(2 * k)) || Number.isNaN(at(2 * k + 1));
    const rank = (k: number): number => (Number.isNaN(at(2 * k)) ? 2 : 0) + (Number.isNaN(at(2 * k + 1)) ? 1 : 0);
    if (nan(i) || nan(j)) {
      const by = rank(i) - rank(j);
      if (by !== 0) return by;
    }
    return part(at(2 * i), at(2 * j)) || part(at(2 * i + 1), at(2 * j + 1));
  };
  return order.sort(descending ? (i, j) => compare(j, i) || i - j : compare);
}
