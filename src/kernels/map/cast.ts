/** Vector code of casts between all dtypes but float16 and complex: `castScalar`'s values, bit for bit. */
import { DTYPES, type DType } from "../../dtype/index.ts";
import {
  anyTrue,
  call,
  extract,
  type F64,
  FunctionBuilder,
  f64,
  i32,
  i64,
  type Local,
  replace,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  truncate,
  truncateInRange,
  type Vector,
  type Vector1Name,
  type Vector2Name,
  vector1,
  vector2,
  vectorConst,
} from "../wasm/builder.ts";
import type { FunctionCode } from "../wasm/encoder.ts";
import {
  floatPattern,
  highHalf,
  type LaneCode,
  type Lanes,
  lowHalves,
  pattern,
  shapeOf,
  type V,
  widthOf,
} from "./lanes.ts";

/** Index of {@link toInt64Function} in every module that casts. */
const TO_INT64 = 1;

/**
 * Scalar function: float64 → int64 by ECMAScript's rule (NaN and ±inf 0, else truncate modulo 2^64). Beyond 2^63 the
 * mantissa is shifted into place. Source: ECMA-262 ToBigInt64 of the truncated value.
 */
export function toInt64Function(): FunctionCode {
  const f = new FunctionBuilder(["f64"], ["i64"]);
  const x = f.param(0, "f64");
  const limit = f64(2 ** 63);
  f.if(scalarCompare("f64.lt", scalar1("f64.abs", x), limit), () => f.return(truncate(x)));
  const bits = f.let(scalar1("i64.reinterpret_f64", x));
  const exponent = f.let(scalar2("i32.and", scalar1("i32.wrap_i64", scalar2("i64.shr_u", bits, i64(52n))), i32(0x7ff)));
  const mantissa = f.let(scalar2("i64.or", scalar2("i64.and", bits, i64((1n << 52n) - 1n)), i64(1n << 52n)));
  const shift = f.let(scalar2("i32.sub", exponent, i32(1075)));
  // From a shift of 64 on nothing is left; infinity and NaN have exponent 2047 and land there too.
  f.if(scalarCompare("i32.ge_u", shift, i32(64)), () => f.return(i64(0n)));
  const magnitude = f.let(scalar2("i64.shl", mantissa, scalar1("i64.extend_i32_u", shift)));
  return f.finish(select(scalarCompare("i64.lt_s", bits, i64(0n)), scalar2("i64.sub", i64(0n), magnitude), magnitude));
}

function isSigned(dtype: DType): boolean {
  return DTYPES[dtype].kind === "i";
}

/** `a` cast to `to`. */
export function lowerCast(code: LaneCode, a: Lanes, to: DType): Lanes {
  if (a.dtype === to) return a;
  const width = widthOf(to);
  const done = (v: readonly V[]): Lanes => ({ dtype: to, width, v });
  if (to === "bool") return { dtype: "bool", width: a.width, v: notZero(code, a) };
  if (a.dtype === "bool") {
    const one = to === "float32" || to === "float64" ? floatPattern(to, 1) : pattern(width, 1n);
    return done(code.map2("v128.and", code.mask(a, width), code.splat(width, one)));
  }
  const [from, target] = [DTYPES[a.dtype].kind, DTYPES[to].kind];
  if (from === "f") return done(target === "f" ? floatToFloat(code, a) : floatToInt(code, a, to));
  if (target === "f") return done(intToFloat(code, a, to as "float32" | "float64")); // float16 has no lanes
  return done(code.resize(a.v, a.width, width, isSigned(a.dtype)));
}

function notZero(code: LaneCode, a: Lanes): V[] {
  const zero = code.splat(a.width, new Uint8Array(16));
  return code.map2(`${shapeOf(a.dtype)}.ne` as Vector2Name, a.v, zero); // every shape has ne
}

function floatToFloat(code: LaneCode, a: Lanes): V[] {
  if (a.dtype === "float32") {
    return a.v.flatMap((x) => [
      code.let(vector1("f64x2.promote_low_f32x4", x)),
      code.let(vector1("f64x2.promote_low_f32x4", highHalf(x))),
    ]);
  }
  return joined(code, code.map1("f32x4.demote_f64x2_zero", a.v));
}

/** Pairs of half-filled vectors as whole ones. */
function joined(code: LaneCode, halves: readonly V[]): V[] {
  return Array.from({ length: halves.length / 2 }, (_, k) =>
    code.let(lowHalves(halves[2 * k] as V, halves[2 * k + 1] as V)),
  );
}

function intToFloat(code: LaneCode, a: Lanes, to: "float32" | "float64"): V[] {
  if (a.width === 8) return bigToFloat(code, a, to);
  const words = code.resize(a.v, a.width, 4, isSigned(a.dtype));
  const sign = a.dtype === "uint32" ? "u" : "s"; // narrower values are never negative when read as int32
  if (to === "float32") return code.map1(`f32x4.convert_i32x4_${sign}`, words);
  const name: Vector1Name = `f64x2.convert_low_i32x4_${sign}`;
  return words.flatMap((x) => [code.let(vector1(name, x)), code.let(vector1(name, highHalf(x)))]);
}

/** There is no vector form for 64 bits: lane by lane. */
function bigToFloat(code: LaneCode, a: Lanes, to: "float32" | "float64"): V[] {
  const sign = isSigned(a.dtype) ? "s" : "u";
  const perVector = to === "float32" ? 4 : 2;
  return Array.from({ length: code.count(widthOf(to)) }, (_, k) => {
    const out = code.let(vectorConst(new Uint8Array(16)));
    for (let lane = 0; lane < perVector; lane++) {
      const index = k * perVector + lane;
      const x = extract("i64x2.extract_lane", a.v[index >> 1] as V, index % 2);
      const y = to === "float32" ? scalar1(`f32.convert_i64_${sign}`, x) : scalar1(`f64.convert_i64_${sign}`, x);
      code.f.set(out, replace(to === "float32" ? "f32x4.replace_lane" : "f64x2.replace_lane", out, lane, y));
    }
    return out;
  });
}

function lanesAsF64(a: Lanes): F64[] {
  const single = a.dtype === "float32";
  return a.v.flatMap((x) =>
    Array.from(
      { length: single ? 4 : 2 },
      (_, lane): F64 =>
        single
          ? scalar1("f64.promote_f32", extract("f32x4.extract_lane", x, lane))
          : extract("f64x2.extract_lane", x, lane),
    ),
  );
}

/** Vectors of 32 or 64-bit integers, one call per lane, into `out`. */
function slowly(code: LaneCode, a: Lanes, out: readonly Local<"v128">[], bytes: 4 | 8): void {
  const per = 16 / bytes;
  lanesAsF64(a).forEach((x, index) => {
    const whole = call(TO_INT64, "i64", [x]);
    const target = out[Math.floor(index / per)] as Local<"v128">;
    const lane = index % per;
    code.f.set(
      target,
      bytes === 8
        ? replace("i64x2.replace_lane", target, lane, whole)
        : replace("i32x4.replace_lane", target, lane, scalar1("i32.wrap_i64", whole)),
    );
  });
}

function floatToInt(code: LaneCode, a: Lanes, to: DType): readonly V[] {
  const width = widthOf(to);
  if (width === 8) {
    const out = Array.from({ length: code.count(8) }, () => code.let(vectorConst(new Uint8Array(16))));
    slowly(code, a, out, 8);
    return out;
  }
  const float = a.dtype as "float32" | "float64"; // float16 has no lanes
  const shape = shapeOf(float) as "f32x4" | "f64x2";
  const bound = code.f.constant(floatPattern(float, 2 ** 31));
  const words = Array.from({ length: code.count(4) }, () => code.f.local("v128"));
  const fits = (v: readonly V[]): Vector =>
    v
      .map((x): Vector => vector2(`${shape}.lt`, vector1(`${shape}.abs`, x), bound))
      .reduce((m, x) => vector2("v128.and", m, x)); // at least one
  const truncated = (v: readonly V[]): void => {
    words.forEach((word, k) => {
      if (float === "float32") code.f.set(word, truncateInRange("i32x4.f32x4", v[k] as V));
      else {
        const [low, high] = [v[2 * k] as V, v[2 * k + 1] as V]; // two vectors to a word
        code.f.set(
          word,
          lowHalves(truncateInRange("i32x4.f64x2_zero", low), truncateInRange("i32x4.f64x2_zero", high)),
        );
      }
    });
  };
  // Mostly all lanes are in range; then there may be NaN, which becomes 0; the rest goes lane by lane.
  code.f.if(
    anyTrue(vector1("v128.not", fits(a.v))),
    () => {
      const clean = a.v.map((x) => code.let(vector2("v128.and", x, vector2(`${shape}.eq`, x, x))));
      code.f.if(
        anyTrue(vector1("v128.not", fits(clean))),
        () => slowly(code, a, words, 4),
        () => truncated(clean),
      );
    },
    () => truncated(a.v),
  );
  return code.resize(words, 4, width, true);
}
