/**
 * Vector code of integer division, remainders, shifts and powers, which WebAssembly's vectors lack.
 *
 * Quotients of up to 32 bits come from float division, which is exact there: below an integer k a quotient of n-bit
 * integers stays k·2^-n away, more than half a unit of float32 for 16 bits, of float64 for 32 (kernels.md §6). 64-bit
 * lanes, and right shifts of 32-bit ones by different amounts, go through scalars.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import {
  anyTrue,
  bitselect,
  extract,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  laneSelect,
  replace,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  shift,
  shuffle,
  type Vector,
  type Vector1Name,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { highHalf, type LaneCode, type Lanes, pattern, shapeOf, type V } from "./lanes.ts";

/** Operations of the division family. */
export type DivisionOp = "floordiv" | "mod" | "fmod";

type Multiply = (code: LaneCode, a: Lanes, b: Lanes) => Lanes;

function isSigned(dtype: DType): boolean {
  return DTYPES[dtype].kind === "i";
}

function zeros(code: LaneCode, a: Lanes): readonly V[] {
  return code.splat(a.width, new Uint8Array(16));
}

/** Quotient rounded down, or towards zero; anything where `b` is 0. */
function quotient(code: LaneCode, a: Lanes, b: Lanes, rounding: "floor" | "trunc"): readonly V[] {
  return a.width === 4 ? quotient32(code, a, b, rounding) : quotient16(code, a, b, rounding);
}

/** 8 and 16 bits, by float32: the quotient's low bits stand in the sum with 1.5·2^23. */
function quotient16(code: LaneCode, a: Lanes, b: Lanes, rounding: "floor" | "trunc"): readonly V[] {
  const wide = (x: Lanes): V[] => code.map1("f32x4.convert_i32x4_s", code.resize(x.v, x.width, 4, isSigned(x.dtype)));
  const magic = code.f.constant(pattern(4, 0x4b400000n));
  const whole = code.map1(`f32x4.${rounding}`, code.map2("f32x4.div", wide(a), wide(b)));
  const low = whole.map((q) => code.let(vector2("i32x4.sub", vector2("f32x4.add", q, magic), magic)));
  return code.resize(low, 4, a.width, false);
}

/** 32 bits, by float64: modulo 2^32 in the sum with 1.5·2^52. */
function quotient32(code: LaneCode, a: Lanes, b: Lanes, rounding: "floor" | "trunc"): readonly V[] {
  const name: Vector1Name = `f64x2.convert_low_i32x4_${isSigned(a.dtype) ? "s" : "u"}`;
  const wide = (x: Lanes): V[] =>
    x.v.flatMap((v) => [code.let(vector1(name, v)), code.let(vector1(name, highHalf(v)))]);
  const magic = code.f.constant(pattern(8, 0x4338000000000000n));
  const whole = code.map1(`f64x2.${rounding}`, code.map2("f64x2.div", wide(a), wide(b)));
  return code.narrowOnce(
    whole.map((q) => code.let(vector2("f64x2.add", q, magic))),
    8,
  );
}

/** floordiv, mod or fmod of integers; by 0 all give 0. */
export function divide(op: DivisionOp, multiply: Multiply): (code: LaneCode, a: Lanes, b: Lanes) => Lanes {
  return (code, a, b) => {
    if (a.width === 8) return divideWide(code, op, a, b);
    const rounding = op === "fmod" ? "trunc" : "floor";
    const raw: Lanes = { ...a, v: quotient(code, a, b, rounding) };
    const byZero = code.map2(`${shapeOf(a.dtype)}.eq` as Vector2Name, b.v, zeros(code, a)); // every shape has eq
    const value =
      op === "floordiv" ? raw.v : code.map2(`${shapeOf(a.dtype)}.sub` as Vector2Name, a.v, multiply(code, raw, b).v); // every shape has sub
    return { ...a, v: code.map2("v128.andnot", value, byZero) };
  };
}

/** Each 64-bit lane through `f`. */
function byLane64(code: LaneCode, a: Lanes, b: Lanes, f: (x: Local<"i64">, y: Local<"i64">) => I64): Lanes {
  const v = a.v.map((x, k) => {
    const out = code.let(x);
    for (const lane of [0, 1]) {
      const p = code.f.let(extract("i64x2.extract_lane", x, lane));
      const q = code.f.let(extract("i64x2.extract_lane", b.v[k] as V, lane)); // equal counts
      code.f.set(out, replace("i64x2.replace_lane", out, lane, f(p, q)));
    }
    return out;
  });
  return { ...a, v };
}

/** 64-bit lanes: where all numbers of an iteration are of 32 bits by float64, else through scalars. */
function divideWide(code: LaneCode, op: DivisionOp, a: Lanes, b: Lanes): Lanes {
  const { f } = code;
  const out = a.v.map((x) => code.let(x));
  const words = (x: V): V => code.let(shuffle(x, x, [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]));
  const low = new Map([...new Set([...a.v, ...b.v])].map((x) => [x, words(x)]));
  const sign = isSigned(a.dtype) ? "s" : "u";
  const wild = [...low].map(([x, w]) => vector2("i64x2.ne", vector1(`i64x2.extend_low_i32x4_${sign}`, w), x));
  const set = (v: readonly V[]): void => {
    for (const [k, x] of v.entries()) f.set(out[k] as Local<"v128">, x); // as many
  };
  f.if(
    anyTrue(wild.reduce((m, x) => vector2("v128.or", m, x))),
    () => set(divideBig(code, op, a, b).v),
    () => set(a.v.map((x, k) => divideLow(code, op, sign, [low.get(x) as V, low.get(b.v[k] as V) as V]))), // all have low words
  );
  return { ...a, v: out };
}

/** 32-bit numbers in the low words, to 64-bit lanes; quotients and what they leave are exact in float64. */
function divideLow(code: LaneCode, op: DivisionOp, sign: "s" | "u", words: readonly [V, V]): V {
  const [x, y] = words.map((v) => code.let(vector1(`f64x2.convert_low_i32x4_${sign}`, v))) as [V, V]; // two for two
  const q = code.let(vector1(op === "fmod" ? "f64x2.trunc" : "f64x2.floor", vector2("f64x2.div", x, y)));
  const value = op === "floordiv" ? q : code.let(vector2("f64x2.sub", x, vector2("f64x2.mul", q, y)));
  const magic = code.f.constant(pattern(8, 0x4338000000000000n)); // 1.5 * 2^52: what is added to it stands in the low bits
  const whole = vector2("i64x2.sub", vector2("f64x2.add", value, magic), magic);
  const zero = code.f.constant(new Uint8Array(16));
  return code.let(vector2("v128.andnot", whole, vector2("f64x2.eq", y, zero)));
}

function divideBig(code: LaneCode, op: DivisionOp, a: Lanes, b: Lanes): Lanes {
  const { f } = code;
  const zero = i64(0n);
  const sign = isSigned(a.dtype) ? "s" : "u";
  return byLane64(code, a, b, (x, y) => {
    const byZero = f.let(scalarCompare("i64.eq", y, zero));
    // The smallest number by -1 traps, so -1 is a sign change.
    const byMinusOne: I32 = sign === "s" ? f.let(scalarCompare("i64.eq", y, i64(-1n))) : i32(0);
    const divisor = f.let(select(scalar2("i32.or", byZero, byMinusOne), i64(1n), y));
    const q = f.let(select(byMinusOne, scalar2("i64.sub", zero, x), scalar2(`i64.div_${sign}`, x, divisor)));
    const r = f.let(select(byMinusOne, zero, scalar2(`i64.rem_${sign}`, x, divisor)));
    const adjust =
      sign === "s" && op !== "fmod"
        ? f.let(
            scalar2(
              "i32.and",
              scalarCompare("i64.ne", r, zero),
              scalarCompare("i64.lt_s", scalar2("i64.xor", r, y), zero),
            ),
          )
        : null;
    const value =
      op === "floordiv"
        ? adjust === null
          ? q
          : scalar2("i64.sub", q, scalar1("i64.extend_i32_u", adjust))
        : adjust === null
          ? r
          : select<"i64">(adjust, scalar2("i64.add", r, y), r);
    return select<"i64">(byZero, zero, value);
  });
}

const LANE_NAME = { 1: "i8x16", 2: "i16x8" } as const;

function lane32(x: V, width: 1 | 2 | 4, lane: number, signed: boolean): I32 {
  if (width === 4) return extract("i32x4.extract_lane", x, lane);
  return extract(`${LANE_NAME[width]}.extract_lane_${signed ? "s" : "u"}`, x, lane);
}

/** Left or right shift; an amount outside the width gives 0, or the sign for right shifts of signed integers. */
export function shiftLanes(direction: "shl" | "shr"): (code: LaneCode, a: Lanes, b: Lanes) => Lanes {
  return (code, a, b) => {
    if (code.splats.has(b.v[0] as V)) return shiftAll(code, direction, a, b);
    if (a.width <= 2 || (a.width === 4 && direction === "shl")) return shiftByProduct(code, direction, a, b);
    return a.width === 8 ? shiftBig(code, direction, a, b) : shiftEach(code, a, b);
  };
}

/** All lanes by one amount. */
function shiftAll(code: LaneCode, direction: "shl" | "shr", a: Lanes, b: Lanes): Lanes {
  const { f } = code;
  const bits = 8 * a.width;
  const shape = shapeOf(a.dtype) as "i8x16" | "i16x8" | "i32x4" | "i64x2"; // integers
  const first = b.v[0] as V; // there is one
  const given: I32 =
    a.width === 8
      ? scalar1("i32.wrap_i64", clampedAmount(code, extract("i64x2.extract_lane", first, 0)))
      : lane32(first, a.width, 0, isSigned(b.dtype));
  const amount = f.let(given);
  const inside = f.let(scalarCompare("i32.lt_u", amount, i32(bits)));
  const signed = direction === "shr" && isSigned(a.dtype);
  const by = f.let(select<"i32">(inside, amount, i32(bits - 1)));
  const name = `${shape}.${direction === "shl" ? "shl" : signed ? "shr_s" : "shr_u"}` as const;
  const shifted = a.v.map((x) => code.let(shift(name, x, by)));
  if (signed) return { ...a, v: shifted };
  const keep = code.let(vector2("i32x4.sub", code.f.constant(new Uint8Array(16)), splat32(code, inside)));
  return { ...a, v: shifted.map((x) => code.let(vector2("v128.and", x, keep))) };
}

function splat32(code: LaneCode, x: I32): Vector {
  const one = code.f.constant(new Uint8Array(16));
  return [0, 1, 2, 3].reduce<Vector>((v, lane) => replace("i32x4.replace_lane", v, lane, x), one);
}

/** A 64-bit amount as one that 32 bits hold: outside 0 … 63 it is 64. */
function clampedAmount(code: LaneCode, x: I64): I64 {
  const y = code.f.let(x);
  return select<"i64">(scalarCompare("i64.lt_u", y, i64(64n)), y, i64(64n));
}

/** 2^n of lanes of 16 or 32 bits; 0 of n beyond them, which must be at most 2^width. Each byte is looked up: bit n - 8·k. */
function powersOfTwo(code: LaneCode, n: readonly V[], width: 2 | 4): V[] {
  const shape = width === 2 ? "i16x8" : "i32x4";
  const bits = code.f.constant(Uint8Array.from({ length: 16 }, (_, k) => (k < 8 ? 1 << k : 0)));
  const every = code.f.constant(new Uint8Array(16).fill(1));
  const below = code.f.constant(Uint8Array.from({ length: 16 }, (_, k) => 8 * (k % width)));
  return n.map((x) =>
    code.let(vector2("i8x16.swizzle", bits, vector2("i8x16.sub", vector2(`${shape}.mul`, x, every), below))),
  );
}

/** Amounts as lanes of 16 or 32 bits, at most their number; a negative one is a large one. */
function amountsOf(code: LaneCode, b: Lanes, width: 2 | 4): V[] {
  const most = (of: 2 | 4): V => code.f.constant(pattern(of, BigInt(8 * width)));
  const clamped = (v: readonly V[], of: 2 | 4): V[] =>
    v.map((x) => code.let(vector2(of === 2 ? "i16x8.min_u" : "i32x4.min_u", x, most(of))));
  const signed = isSigned(b.dtype);
  if (b.width <= width) return clamped(code.resize(b.v, b.width, width, signed), width);
  return [...code.resize(clamped(code.resize(b.v, b.width, 4, signed), 4), 4, width, false)];
}

/** Left: a·2^b. Right, of 16 bits: the upper half of a·2^(16 - b); of negative numbers the complement of the complement's. */
function shiftByProduct(code: LaneCode, direction: "shl" | "shr", a: Lanes, b: Lanes): Lanes {
  const width = a.width === 4 ? 4 : 2;
  const signed = isSigned(a.dtype);
  const value = code.resize(a.v, a.width, width, signed);
  const amount = amountsOf(code, b, width);
  if (direction === "shl") {
    const product = code.map2(width === 4 ? "i32x4.mul" : "i16x8.mul", value, powersOfTwo(code, amount, width));
    return { ...a, v: code.resize(product, width, a.width, false) };
  }
  const zero = code.f.constant(new Uint8Array(16));
  const sixteen = code.f.constant(pattern(2, 16n));
  const powers = powersOfTwo(
    code,
    amount.map((x) => code.let(vector2("i16x8.sub", sixteen, x))),
    2,
  );
  const shifted = value.map((x, k) => {
    const sign = signed ? code.let(shift("i16x8.shr_s", x, 15)) : zero;
    const size = signed ? code.let(vector2("v128.xor", x, sign)) : x;
    const power = powers[k] as V; // one per vector
    const [low, high] = (["low", "high"] as const).map((half) =>
      code.let(vector2(`i32x4.extmul_${half}_i16x8_u`, size, power)),
    ) as [V, V]; // two for two
    const upper = code.let(shuffle(low, high, UPPER_HALVES));
    const moved = code.let(laneSelect(2, size, upper, vector2("i16x8.eq", amount[k] as V, zero))); // 2^16 is no power of 16 bits
    return signed ? code.let(vector2("v128.xor", moved, sign)) : moved;
  });
  return { ...a, v: code.resize(shifted, 2, a.width, false) };
}

/** The upper halves of the eight 32-bit lanes of two vectors. */
const UPPER_HALVES: readonly number[] = Array.from({ length: 8 }, (_, k) => [4 * k + 2, 4 * k + 3]).flat();

/** Right shifts of 32-bit lanes, one by one. */
function shiftEach(code: LaneCode, a: Lanes, b: Lanes): Lanes {
  const { f } = code;
  const signed = isSigned(a.dtype);
  const v = a.v.map((x, k) => {
    const out = code.let(x);
    for (let lane = 0; lane < 4; lane++) {
      const value = extract("i32x4.extract_lane", x, lane);
      const amount = f.let(extract("i32x4.extract_lane", b.v[k] as V, lane)); // equal counts
      const inside = f.let(scalarCompare("i32.lt_u", amount, i32(32)));
      const y: I32 = signed
        ? scalar2("i32.shr_s", value, select<"i32">(inside, amount, i32(31)))
        : select<"i32">(inside, scalar2("i32.shr_u", value, amount), i32(0));
      f.set(out, replace("i32x4.replace_lane", out, lane, y));
    }
    return out;
  });
  return { ...a, v };
}

function shiftBig(code: LaneCode, direction: "shl" | "shr", a: Lanes, b: Lanes): Lanes {
  const signed = isSigned(a.dtype);
  return byLane64(code, a, b, (x, y) => {
    const inside = code.f.let(scalarCompare("i64.lt_u", y, i64(64n)));
    if (direction === "shl") return select<"i64">(inside, scalar2("i64.shl", x, y), i64(0n));
    if (signed) return scalar2("i64.shr_s", x, select<"i64">(inside, y, i64(63n)));
    return select<"i64">(inside, scalar2("i64.shr_u", x, y), i64(0n));
  });
}

/** a to the power b, b not negative, modulo the width: square and multiply while any exponent has bits left. */
export function integerPower(multiply: Multiply): (code: LaneCode, a: Lanes, b: Lanes) => Lanes {
  return (code, a, b) => {
    const { f } = code;
    const shape = shapeOf(a.dtype) as "i8x16" | "i16x8" | "i32x4" | "i64x2"; // integers
    const one = code.splat(a.width, pattern(a.width, 1n));
    const zero = code.f.constant(new Uint8Array(16));
    const result = one.map((x) => code.let(x));
    const base = a.v.map((x) => code.let(x));
    const left = b.v.map((x) => code.let(x));
    f.doWhile(
      () => anyLeft(left),
      () => {
        const product = multiply(code, { ...a, v: result }, { ...a, v: base });
        for (const [k, r] of result.entries()) {
          const e = left[k] as V; // equal counts
          const even = vector2(`${shape}.eq`, vector2("v128.and", e, one[k] as V), zero);
          f.set(r, bitselect(r, product.v[k] as V, even));
        }
        const squares = multiply(code, { ...a, v: base }, { ...a, v: base });
        for (const [k, x] of base.entries()) f.set(x, squares.v[k] as V);
        for (const e of left) f.set(e, shift(`${shape}.shr_u`, e, 1));
      },
    );
    return { ...a, v: result };
  };
}

function anyLeft(left: readonly V[]): I32 {
  return anyTrue(left.reduce<Vector>((m, x) => vector2("v128.or", m, x), left[0] as V)); // there is one
}
