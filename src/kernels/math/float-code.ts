/** Vector arithmetic on floats of one dtype, as functions of elementary functions are written: every value has a name. */
import { floatPattern, type LaneCode, pattern, type V, type Width } from "../map/lanes.ts";
import {
  type Address,
  anyTrue,
  bitselect,
  callHost,
  type F64,
  f64,
  type I32,
  i32,
  type Local,
  laneSelect,
  loadScalar,
  loadVector,
  scalar1,
  scalar2,
  shift,
  type Vector,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { SCRATCH } from "../wasm/runtime.ts";

/** Bytes of one list of vectors while the host computes lanes: 32 of float64. */
const LANES_BYTES = 256;
/** A place that no list of vectors has: there are at most four. */
const UNUSED = 7;

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
  /** By a mask that is at hand: V8's own `abs` makes one each time. */
  abs(a: Vector): V {
    return this.and(a, this.bits(this.isSingle ? 0x7fffffffn : (1n << 63n) - 1n));
  }
  neg(a: Vector): V {
    return this.xor(a, this.signBit);
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
  /** By a mask of whole lanes. */
  select(mask: Vector, a: Vector, b: Vector): V {
    return this.let(laneSelect(this.width, a, b, mask));
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
    if (coefficients.length < 5) return this.horner(x, coefficients);
    const x2 = this.mul(x, x);
    const even = this.horner(
      x2,
      coefficients.filter((_, k) => k % 2 === 0),
    );
    const odd = this.horner(
      x2,
      coefficients.filter((_, k) => k % 2 === 1),
    );
    return this.mulAdd(odd, x, even);
  }

  /** The same in one chain, whose last rounding is of the smallest term. */
  horner(x: V, coefficients: readonly number[]): V {
    const last = this.c(coefficients.at(-1) as number); // not empty
    return coefficients.slice(0, -1).reduceRight<V>((sum, c) => this.mulAdd(sum, x, this.c(c)), last);
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

  /**
   * 1 when any lane of any mask is set. Masks of neighbours meet in a sum, which is not zero where one of them is not:
   * V8 widens the operands of an integer sum, but not those of a disjunction.
   */
  any(masks: readonly Vector[]): I32 {
    const either = (parity: 0 | 1): Vector | undefined =>
      masks.reduce<Vector | undefined>(
        (m, x, k) => (k % 2 !== parity ? m : m ? vector2("v128.or", m, x) : x),
        undefined,
      );
    const [even, odd] = [either(0), either(1)];
    return anyTrue(odd === undefined ? (even as Vector) : vector2("i32x4.add", even as Vector, odd)); // there is one mask at least
  }

  /** Lanes of `out` where `bad` is set: computed one by one by the host. A mask's lanes are all ones or zeros. */
  patch(out: readonly Local<"v128">[], bad: readonly V[], operation: number, args: readonly (readonly V[])[]): void {
    this.code.f.if(this.any(bad), () => this.#callLanes(out, bad, { operation, args }));
  }

  /** All lanes of `out`, computed one by one by the host. */
  all(out: readonly Local<"v128">[], operation: number, args: readonly (readonly V[])[]): void {
    this.#callLanes(out, null, { operation, args });
  }

  get lanes(): 2 | 4 {
    return this.isSingle ? 4 : 2;
  }

  /** New values for locals, by way of memory: V8 widens what follows only where no shuffle or lane reaches it. */
  replace(out: readonly Local<"v128">[], value: (k: number) => V): void {
    this.#write(
      0,
      out.map((_, k) => value(k)),
    );
    this.#readBack(out);
  }

  /**
   * The same values for code that V8 does not widen, inside the condition that leads there: widened vectors would be
   * taken apart before it. What is widened here (operands of an integer sum) is taken apart here; the sum is of no use.
   */
  apart(list: readonly V[]): V[] {
    const same = list.map((x) => this.or(x, this.bits(0n)));
    for (let k = 0; k + 1 < same.length; k += 2) {
      const sum = vector2("i32x4.add", same[k] as V, same[k + 1] as V); // both are there
      this.code.f.storeVector(this.#place(UNUSED, i32(0)), sum);
    }
    return same;
  }

  #place(place: number, base: I32, offset = 0): Address {
    return { memory: this.code.scratch, base, offset: SCRATCH.lanes + place * LANES_BYTES + offset };
  }

  #write(place: number, list: readonly V[]): void {
    for (const [k, x] of [...list.entries()].reverse()) this.code.f.storeVector(this.#place(place, i32(0), 16 * k), x);
  }

  #readBack(out: readonly Local<"v128">[]): void {
    for (const [k, x] of out.entries()) this.code.f.set(x, loadVector("v128.load", this.#place(0, i32(0), 16 * k)));
  }

  /** Through memory, in a loop: a call for each lane in line would be many times as much code. */
  #callLanes(
    out: readonly Local<"v128">[],
    bad: readonly V[] | null,
    { operation, args }: { readonly operation: number; readonly args: readonly (readonly V[])[] },
  ): void {
    const { f } = this.code;
    [out, ...args, ...(bad === null ? [] : [bad])].forEach((list, place) => {
      this.#write(place, bad === null ? list : this.apart(list));
    });
    const left = f.let(i32(16 * out.length));
    const operand = (place: number): F64 => {
      if (place > args.length) return f64(0);
      const at = this.#place(place, left);
      return this.isSingle ? scalar1("f64.promote_f32", loadScalar("f32.load", at)) : loadScalar("f64.load", at);
    };
    const one = (): void => {
      const y = callHost(operation, operand(1), operand(2));
      if (this.isSingle) f.storeScalar("f32.store", this.#place(0, left), scalar1("f32.demote_f64", y));
      else f.storeScalar("f64.store", this.#place(0, left), y);
    };
    f.doWhile(
      () => left,
      () => {
        f.set(left, scalar2("i32.sub", left, i32(this.width)));
        if (bad === null) one();
        else f.if(loadScalar("i32.load", this.#place(args.length + 1, left)), one);
      },
    );
    this.#readBack(out);
  }
}
