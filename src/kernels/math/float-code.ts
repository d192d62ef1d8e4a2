/** Vector arithmetic on floats of one dtype, as functions of elementary functions are written: every value has a name. */
import { floatPattern, type LaneCode, pattern, type V, type Width } from "../map/lanes.ts";
import {
  anyTrue,
  bitselect,
  callHost,
  extract,
  type F64,
  f64,
  type I32,
  type Local,
  replace,
  scalar1,
  shift,
  type Vector,
  vector1,
  vector2,
} from "../wasm/builder.ts";

/** Float dtypes that have lanes. */
export type LaneFloat = "float32" | "float64";

/** Emits operations on vectors of one float dtype. */
export class FloatCode {
  readonly code: LaneCode;
  readonly dtype: LaneFloat;
  /** Bytes per lane. */
  readonly width: Width;
  readonly #shape: "f32x4" | "f64x2";
  readonly #ints: "i32x4" | "i64x2";

  constructor(code: LaneCode, dtype: LaneFloat) {
    this.code = code;
    this.dtype = dtype;
    this.width = dtype === "float32" ? 4 : 8;
    this.#shape = dtype === "float32" ? "f32x4" : "f64x2";
    this.#ints = dtype === "float32" ? "i32x4" : "i64x2";
  }

  get isSingle(): boolean {
    return this.dtype === "float32";
  }

  /** Bits of the stored mantissa. */
  get mantissaBits(): 23 | 52 {
    return this.isSingle ? 23 : 52;
  }

  /** A constant. */
  c(x: number): V {
    return this.code.f.constant(floatPattern(this.dtype, x));
  }

  /** Bits of a constant. */
  bits(x: bigint): V {
    return this.code.f.constant(pattern(this.width, x));
  }

  let(x: Vector): V {
    return this.code.let(x);
  }

  /** `f` of every vector; what it computes of them runs side by side, so it holds no conditions. */
  each(xs: readonly V[], f: (x: V, k: number) => V): V[] {
    const out: V[] = [];
    this.code.f.interleave(
      xs.map((x, k) => () => {
        out.push(f(x, k));
      }),
    );
    return out;
  }

  add(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#shape}.add`, a, b));
  }
  sub(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#shape}.sub`, a, b));
  }
  mul(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#shape}.mul`, a, b));
  }
  div(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#shape}.div`, a, b));
  }
  /** a·b + c, rounded twice. */
  mulAdd(a: Vector, b: Vector, c: Vector): V {
    return this.let(vector2(`${this.#shape}.add`, vector2(`${this.#shape}.mul`, a, b), c));
  }
  sqrt(a: Vector): V {
    return this.let(vector1(`${this.#shape}.sqrt`, a));
  }
  abs(a: Vector): V {
    return this.let(vector1(`${this.#shape}.abs`, a));
  }
  neg(a: Vector): V {
    return this.let(vector1(`${this.#shape}.neg`, a));
  }
  nearest(a: Vector): V {
    return this.let(vector1(`${this.#shape}.nearest`, a));
  }
  trunc(a: Vector): V {
    return this.let(vector1(`${this.#shape}.trunc`, a));
  }
  floor(a: Vector): V {
    return this.let(vector1(`${this.#shape}.floor`, a));
  }
  /** Limited to [low, high]; NaN stays. */
  clamp(a: Vector, low: number, high: number): V {
    return this.let(vector2(`${this.#shape}.pmax`, vector2(`${this.#shape}.pmin`, a, this.c(high)), this.c(low)));
  }

  compare(op: "lt" | "le" | "gt" | "ge" | "eq" | "ne", a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#shape}.${op}`, a, b));
  }
  isNaN(a: V): V {
    return this.compare("ne", a, a);
  }
  select(mask: Vector, a: Vector, b: Vector): V {
    return this.let(bitselect(a, b, mask));
  }
  and(a: Vector, b: Vector): V {
    return this.let(vector2("v128.and", a, b));
  }
  or(a: Vector, b: Vector): V {
    return this.let(vector2("v128.or", a, b));
  }
  xor(a: Vector, b: Vector): V {
    return this.let(vector2("v128.xor", a, b));
  }
  /** `a` without the bits of `b`. */
  andNot(a: Vector, b: Vector): V {
    return this.let(vector2("v128.andnot", a, b));
  }
  not(a: Vector): V {
    return this.let(vector1("v128.not", a));
  }

  /** Integer sum and difference of bits. */
  addBits(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#ints}.add`, a, b));
  }
  subBits(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#ints}.sub`, a, b));
  }
  shl(a: Vector, n: number): V {
    return this.let(shift(`${this.#ints}.shl`, a, n));
  }
  /** Arithmetic shift; of 64-bit lanes slow. */
  shr(a: Vector, n: number): V {
    return this.let(shift(`${this.#ints}.shr_s`, a, n));
  }
  /** Shift with zeros from above. */
  shrU(a: Vector, n: number): V {
    return this.let(shift(`${this.#ints}.shr_u`, a, n));
  }
  /** All ones where the sign bit is set. */
  signMask(a: Vector): V {
    return this.isSingle ? this.shr(a, 31) : this.let(vector2("i64x2.lt_s", a, this.bits(0n)));
  }

  get signBit(): V {
    return this.bits(this.isSingle ? 0x80000000n : 1n << 63n);
  }
  /** Magnitude of `a` with the sign of `b`. */
  copySign(a: Vector, b: Vector): V {
    return this.let(bitselect(b, a, this.signBit));
  }
  /** `a` with its sign flipped where `b` is negative. */
  flipSign(a: Vector, b: Vector): V {
    return this.xor(a, vector2("v128.and", b, this.signBit));
  }

  /**
   * c0 + c1·x + c2·x² + …; even and odd powers apart, so that two chains run side by side.
   */
  poly(x: V, coefficients: readonly number[]): V {
    const horner = (y: V, list: readonly number[]): V =>
      list.slice(0, -1).reduceRight<V>((sum, c) => this.mulAdd(sum, y, this.c(c)), this.c(list.at(-1) as number)); // not empty
    if (coefficients.length < 5) return horner(x, coefficients);
    const x2 = this.mul(x, x);
    const even = horner(
      x2,
      coefficients.filter((_, k) => k % 2 === 0),
    );
    const odd = horner(
      x2,
      coefficients.filter((_, k) => k % 2 === 1),
    );
    return this.mulAdd(odd, x, even);
  }

  /** The bit pattern of 1.5·2^52 (or 2^23): adding it rounds to an integer, which then stands in the low bits. */
  get magic(): V {
    return this.c(this.isSingle ? 1.5 * 2 ** 23 : 1.5 * 2 ** 52);
  }
  /** 2^n of an integer `n` in the low bits (what adding {@link magic} leaves). */
  power2(low: Vector): V {
    return this.addBits(this.shl(low, this.mantissaBits), this.c(1));
  }
  /** Float of a small integer in the bits. */
  fromInt(a: Vector): V {
    return this.sub(this.addBits(a, this.magic), this.magic);
  }

  /** float32 of the bits as signed integers, and the integers nearest to zero of float32 as bits. */
  convert(a: Vector): V {
    return this.let(vector1("f32x4.convert_i32x4_s", a));
  }
  truncate(a: Vector): V {
    return this.let(vector1("i32x4.trunc_sat_f32x4_s", a));
  }

  /** The biased exponent of a positive number, plus 2^52 (or 2^23). */
  biasedExponent(a: Vector): V {
    return this.or(this.shrU(a, this.mantissaBits), this.c(this.isSingle ? 2 ** 23 : 2 ** 52));
  }
  /** The exponent of a positive normal number, as a float. */
  exponent(a: Vector): V {
    return this.sub(this.biasedExponent(a), this.c(this.isSingle ? 2 ** 23 + 127 : 2 ** 52 + 1023));
  }
  /** All ones where the bits, as signed integers, are greater. */
  greaterBits(a: Vector, b: Vector): V {
    return this.let(vector2(`${this.#ints}.gt_s`, a, b));
  }

  /** 1 when any lane of any mask is set. */
  any(masks: readonly Vector[]): I32 {
    return anyTrue(masks.reduce((m, x) => vector2("v128.or", m, x)));
  }

  /** Lanes of `out` where `bad` is set: computed one by one by the host. A mask's lanes are all ones or zeros. */
  patch(out: readonly Local<"v128">[], bad: readonly V[], operation: number, args: readonly (readonly V[])[]): void {
    const { f } = this.code;
    f.if(this.any(bad), () => {
      for (const [k, target] of out.entries()) {
        for (let lane = 0; lane < this.lanes; lane++) {
          f.if(extract("i32x4.extract_lane", bad[k] as V, this.isSingle ? lane : 2 * lane), () =>
            this.#callLane(target, operation, { k, lane, args }),
          );
        }
      }
    });
  }

  /** All lanes of `out`, computed one by one by the host. */
  all(out: readonly Local<"v128">[], operation: number, args: readonly (readonly V[])[]): void {
    for (const [k, target] of out.entries())
      for (let lane = 0; lane < this.lanes; lane++) this.#callLane(target, operation, { k, lane, args });
  }

  get lanes(): 2 | 4 {
    return this.isSingle ? 4 : 2;
  }

  #callLane(
    target: Local<"v128">,
    operation: number,
    { k, lane, args }: { readonly k: number; readonly lane: number; readonly args: readonly (readonly V[])[] },
  ): void {
    const at = (list: readonly V[] | undefined): F64 => (list === undefined ? f64(0) : this.lane(list[k] as V, lane)); // k-th vector
    const y = callHost(operation, at(args[0]), at(args[1]));
    this.code.f.set(
      target,
      this.isSingle
        ? replace("f32x4.replace_lane", target, lane, scalar1("f32.demote_f64", y))
        : replace("f64x2.replace_lane", target, lane, y),
    );
  }

  /** One lane as float64. */
  lane(x: V, lane: number): F64 {
    return this.isSingle
      ? scalar1("f64.promote_f32", extract("f32x4.extract_lane", x, lane))
      : extract("f64x2.extract_lane", x, lane);
  }
}
