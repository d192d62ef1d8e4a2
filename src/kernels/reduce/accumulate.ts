/**
 * Accumulators in the form that partial blocks have: an 8-byte value (float64, or int64/uint64 bit for bit) beside a
 * float64 count. The same rules serve inside a block, between blocks and in the oracle.
 */
import type { DType, TypedArray } from "../../dtype/index.ts";
import { DTYPES } from "../../dtype/index.ts";
import { type Accumulation, isProduct } from "./plan.ts";

/** Representation of a value slot. */
export type SlotKind = "f64" | "i64" | "u64";

/** Slot kind of values of `dtype`: floats float64, unsigned integers uint64, the rest int64. */
export function slotKind(dtype: DType): SlotKind {
  const { kind } = DTYPES[dtype];
  return kind === "f" ? "f64" : kind === "u" ? "u64" : "i64";
}

/** Slots: value of row `r` at `2 * r`, its count at `2 * r + 1`; one buffer seen three ways. */
export interface Slots {
  readonly f64: Float64Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
}

/** Slots over `buffer`. */
export function slotsOver(buffer: ArrayBufferLike, byteOffset: number, rows: number): Slots {
  return {
    f64: new Float64Array(buffer, byteOffset, 2 * rows),
    i64: new BigInt64Array(buffer, byteOffset, 2 * rows),
    u64: new BigUint64Array(buffer, byteOffset, 2 * rows),
  };
}

/** Two float64 values as `kind` joins them; for min and max NaN wins and the earlier of equals stays. */
export function joinFloats(kind: Accumulation, a: number, b: number): number {
  if (kind === "min") return b < a || Number.isNaN(b) ? b : a;
  if (kind === "max") return a < b || Number.isNaN(b) ? b : a;
  if (isProduct(kind)) return rounded(kind, a * b);
  return a + b;
}

/** A product of two elements of the accumulating dtype, which float64 holds exactly, rounded to that dtype. */
export function rounded(kind: Accumulation, x: number): number {
  return kind === "prod-single" ? Math.fround(x) : kind === "prod-half" ? Math.f16round(x) : x;
}

/** The better of two float64 values, or the one that is a number. */
function skipFloats(kind: Accumulation, a: number, b: number): number {
  return (kind === "min" ? b < a : a < b) || Number.isNaN(a) ? b : a;
}

/** Two 64-bit values as `kind` joins them; storing wraps. */
export function joinBigs(kind: Accumulation, a: bigint, b: bigint): bigint {
  if (kind === "min") return b < a ? b : a;
  if (kind === "max") return a < b ? b : a;
  return kind === "prod-int" ? a * b : a + b;
}

/** Join row `from` of `b` into row `to` of `a`. Rows that counted nothing must hold the identity. */
export function joinSlot(kind: Accumulation, slot: SlotKind, a: Slots, to: number, b: Slots, from: number): void {
  if (slot === "f64") a.f64[2 * to] = joinFloats(kind, a.f64[2 * to] as number, b.f64[2 * from] as number);
  else a[slot][2 * to] = joinBigs(kind, a[slot][2 * to] as bigint, b[slot][2 * from] as bigint);
  a.f64[2 * to + 1] = (a.f64[2 * to + 1] as number) + (b.f64[2 * from + 1] as number);
}

/** Where NumPy's pairwise summation cuts `n` > 128 elements. Source: NumPy `pairwise_sum`. */
export function pairwiseCut(n: number): number {
  const half = Math.floor(n / 2);
  return half - (half % 8);
}

/** Sum of `n` float64 values from `at`, in NumPy's pairwise order. Source: NumPy `DOUBLE_pairwise_sum`. */
function pairwiseSum(a: Float64Array, at: number, n: number): number {
  if (n > 128) {
    const cut = pairwiseCut(n);
    return pairwiseSum(a, at, cut) + pairwiseSum(a, at + cut, n - cut);
  }
  const x = (k: number): number => a[at + k] as number; // within n
  let sum = 0;
  let done = 0;
  if (n >= 8) {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = [x(0), x(1), x(2), x(3), x(4), x(5), x(6), x(7)];
    for (done = 8; done + 8 <= n; done += 8) {
      r0 += x(done);
      r1 += x(done + 1);
      r2 += x(done + 2);
      r3 += x(done + 3);
      r4 += x(done + 4);
      r5 += x(done + 5);
      r6 += x(done + 6);
      r7 += x(done + 7);
    }
    sum = r0 + r1 + (r2 + r3) + (r4 + r5 + (r6 + r7));
  }
  for (; done < n; done++) sum += x(done);
  return sum;
}

function sumInts(values: TypedArray, n: number): bigint {
  let sum = 0n;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let i = 0; i < n; i++) sum += values[i] as bigint;
    return BigInt.asIntN(64, sum);
  }
  for (let i = 0; i < n; ) {
    const end = Math.min(n, i + 0x100000); // 2^20 values of 32 bits stay exact in float64
    let part = 0;
    for (; i < end; i++) part += values[i] as number;
    sum += BigInt(part);
  }
  return sum;
}

/** Multiply `n` values onto the slot's own. */
function multiplyTile(kind: Accumulation, values: TypedArray, n: number, slots: Slots, row: number): void {
  if (kind === "prod-int") {
    let product = slots.i64[2 * row] as bigint;
    for (let i = 0; i < n; i++) product = BigInt.asIntN(64, product * BigInt(values[i] as number | bigint));
    slots.i64[2 * row] = product;
    return;
  }
  let product = slots.f64[2 * row] as number;
  if (kind === "prod-float") for (let i = 0; i < n; i++) product *= values[i] as number;
  else for (let i = 0; i < n; i++) product = Math.fround(product * (values[i] as number));
  slots.f64[2 * row] = product;
}

/**
 * Accumulate `n` values of a tile (counting the mask's trues, if there is one) into row `row`. Products go on from the
 * row's value; with `skips` an extreme steps over NaN.
 */
export function accumulateTile(
  kind: Accumulation,
  values: TypedArray,
  mask: TypedArray | null,
  n: number,
  slots: Slots,
  row: number,
  slot: SlotKind,
  skips = false,
): void {
  if (kind === "sum-float")
    slots.f64[2 * row] = pairwiseSum(values as Float64Array, 0, n); // planReduce casts to float64
  else if (kind === "sum-int") slots.i64[2 * row] = sumInts(values, n);
  else if (isProduct(kind)) multiplyTile(kind, values, n, slots, row);
  else if (kind === "first") {
    const at = (values as Uint8Array).subarray(0, n).indexOf(1); // bools
    slots.f64[2 * row] = at < 0 ? n : at;
  } else if (slot === "f64") {
    let best = values[0] as number;
    if (skips) for (let i = 1; i < n; i++) best = skipFloats(kind, best, values[i] as number);
    else for (let i = 1; i < n; i++) best = joinFloats(kind, best, values[i] as number);
    slots.f64[2 * row] = Number.isNaN(best) && skips ? (kind === "min" ? Infinity : -Infinity) : best;
  } else {
    let best = values[0] as number | bigint;
    for (let i = 1; i < n; i++) {
      const x = values[i] as number | bigint;
      if (kind === "min" ? x < best : x > best) best = x;
    }
    slots[slot][2 * row] = BigInt(best);
  }
  let count = n;
  if (mask !== null) {
    count = 0;
    for (let i = 0; i < n; i++) count += mask[i] as number;
  }
  slots.f64[2 * row + 1] = count;
}
