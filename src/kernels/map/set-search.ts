/**
 * Membership in large sets: binary search among sorted members in the parameter block. Members are float64 (every number
 * of up to 32 bits and every float is one), or int64 with the top bit of unsigned ones flipped, so that order is signed.
 */
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import {
  type Address,
  extract,
  type F64,
  type I32,
  type I64,
  i32,
  i64,
  loadScalar,
  replace,
  scalar1,
  scalar2,
  scalarCompare,
} from "../wasm/builder.ts";
import { type LaneCode, type Lanes, type V, widthOf } from "./lanes.ts";

/** Largest set that is compared member by member; uint8 and int8 use a table of bits of any size. */
export const SET_MEMBERS_MAX = 32;
/** Largest set that is searched; larger ones do not fit the parameter block. */
export const SET_SEARCH_MAX = 4096;

/** Members of a set in the block, and their padded number. */
export interface SortedSet {
  readonly at: Address;
  readonly size: number;
}

function isBig(dtype: DType): boolean {
  return DTYPES[dtype].big;
}

/** Write `members` sorted, the last repeated to `size`, at byte `at`. */
export function writeSorted(
  buffer: ArrayBufferLike,
  at: number,
  dtype: DType,
  { members, size }: { readonly members: readonly (number | bigint)[]; readonly size: number },
): void {
  if (isBig(dtype)) {
    const flip = DTYPES[dtype].kind === "u" ? 1n << 63n : 0n;
    const sorted = BigInt64Array.from(members, (m) => BigInt.asIntN(64, BigInt(m) ^ flip)).sort();
    const cells = viewOf("int64", buffer, at, size) as BigInt64Array; // by its dtype
    for (let i = 0; i < size; i++) cells[i] = sorted[Math.min(i, sorted.length - 1)] ?? 0n;
    return;
  }
  const sorted = Float64Array.from(members as readonly number[])
    .filter((m) => !Number.isNaN(m)) // NaN equals nothing
    .sort();
  const cells = viewOf("float64", buffer, at, size) as Float64Array; // by its dtype
  for (let i = 0; i < size; i++) cells[i] = sorted[Math.min(i, sorted.length - 1)] ?? Number.NaN;
}

/** Masks of the lanes that are members. */
export function searchSet(code: LaneCode, a: Lanes, set: SortedSet): Lanes {
  const width = widthOf(a.dtype);
  const lanes = Math.min(code.elements, 16 / width);
  const v = a.v.map((x) => {
    const out = code.let(code.f.constant(new Uint8Array(16)));
    for (let lane = 0; lane < lanes; lane++) {
      const found = isBig(a.dtype)
        ? findBig(code, set, bigLane(a.dtype, x, lane))
        : find(code, set, laneOf(a.dtype, x, lane));
      const mask = scalar2("i32.sub", i32(0), found);
      code.f.set(
        out,
        width === 8
          ? replace("i64x2.replace_lane", out, lane, scalar1("i64.extend_i32_s", mask))
          : width === 4
            ? replace("i32x4.replace_lane", out, lane, mask)
            : replace(width === 2 ? "i16x8.replace_lane" : "i8x16.replace_lane", out, lane, mask),
      );
    }
    return out;
  });
  return { dtype: "bool", width, v };
}

function laneOf(dtype: DType, x: V, lane: number): F64 {
  if (dtype === "float64") return extract("f64x2.extract_lane", x, lane);
  if (dtype === "float32") return scalar1("f64.promote_f32", extract("f32x4.extract_lane", x, lane));
  const signed = DTYPES[dtype].kind === "i";
  const word: I32 =
    widthOf(dtype) === 4
      ? extract("i32x4.extract_lane", x, lane)
      : extract(`${widthOf(dtype) === 2 ? "i16x8" : "i8x16"}.extract_lane_${signed ? "s" : "u"}`, x, lane);
  return scalar1(signed ? "f64.convert_i32_s" : "f64.convert_i32_u", word);
}

function bigLane(dtype: DType, x: V, lane: number): I64 {
  const bits = extract("i64x2.extract_lane", x, lane);
  return DTYPES[dtype].kind === "u" ? scalar2("i64.xor", bits, i64(1n << 63n)) : bits;
}

/** 1 where `x` is a member: half the rest is skipped in each of log2(size) steps. */
function find(code: LaneCode, { at, size }: SortedSet, x: F64): I32 {
  const { f } = code;
  const value = f.let(x);
  const place = f.let(at.base);
  for (let step = size / 2; step >= 1; step /= 2) {
    const middle = loadScalar("f64.load", { ...at, base: place, offset: at.offset + 8 * (step - 1) });
    const skip = scalar2("i32.mul", scalarCompare("f64.lt", middle, value), i32(8 * step));
    f.set(place, scalar2("i32.add", place, skip));
  }
  return scalarCompare("f64.eq", loadScalar("f64.load", { ...at, base: place }), value);
}

/** The same of 64-bit integers. */
function findBig(code: LaneCode, { at, size }: SortedSet, x: I64): I32 {
  const { f } = code;
  const value = f.let(x);
  const place = f.let(at.base);
  for (let step = size / 2; step >= 1; step /= 2) {
    const middle = loadScalar("i64.load", { ...at, base: place, offset: at.offset + 8 * (step - 1) });
    const skip = scalar2("i32.mul", scalarCompare("i64.lt_s", middle, value), i32(8 * step));
    f.set(place, scalar2("i32.add", place, skip));
  }
  return scalarCompare("i64.eq", loadScalar("i64.load", { ...at, base: place }), value);
}
