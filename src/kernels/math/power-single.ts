/**
 * pow of float32: log2|x| and its product with y in float64's lanes, 2^z in float32's. Lanes change their width by shifts
 * and masks (odd ones beside even ones), which V8's 256-bit mode widens, as it does not widen conversions and shuffles.
 * Polynomials of own fit (`test/kernels/fit_polynomials.py`). At most 1.9 units in the last place where measured.
 */
import type { V } from "../map/lanes.ts";
import { EXP2_SINGLE } from "./exponential.ts";
import { FloatCode } from "./float-code.ts";

/** log2((1 + s)/(1 - s))/s in s², 0 <= s² <= (3 - 2√2)²: 2^-30. */
const LOG2: readonly number[] = [2.885390079780184, 0.961798854375725, 0.5767137592007757, 0.43175036266349665];
/** Bits of √½, and of the exponent 128, by which exponents are raised so that none is negative. */
const ROOT = 0x3f3504f3n;
const RAISED = 0x40000000n;
const EXPONENT = 0xff800000n;
/** Where float32's bits lie in float64's lanes: the mantissa ends where float64's begins. */
const SINGLE = 0x1fffffffe0000000n;
const MAGNITUDE = 0x0fffffffe0000000n;
/** What a power of two with float32's exponent bits lacks in float64: y is left smaller by it, log2|x| made larger. */
const BIAS = 896;
const REBIAS: bigint = BigInt(BIAS) << 52n;
const UNIT: number = 2 ** BIAS;
/** Bits of z = y·log2|x| behind the point. */
const FRACTION = 24;
/** More than the estimate |y|·|log2|x|| of arguments that stay in range: it is 0.69 to 1.1 times the true one. */
const ESTIMATE_MAX = 87;

/** |x|^y, and the lanes in which that is not it: x no normal number, z near float32's range or beyond, NaN. */
export interface SinglePowers {
  readonly values: readonly V[];
  readonly rare: readonly V[];
}

export function powSingle(s: FloatCode, xs: readonly V[], ys: readonly V[]): SinglePowers {
  const rare: V[] = [];
  const values = s.each(xs, (x, k) => {
    const y = ys[k] as V; // as many
    const a = s.abs(x);
    rare.push(outside(s, a, y));
    return exp2Fixed(s, product(s, a, y));
  });
  return { values, rare };
}

/** Lanes that are not for {@link powSingle}; `a` is the magnitude of x. */
function outside(s: FloatCode, a: V, y: V): V {
  const unusual = s.greaterBits(s.addBits(a, s.bits(0x7f800000n)), s.bits(0xfeffffffn)); // not 0x00800000 … 0x7f7fffff
  const estimate = s.abs(s.mul(s.convert(s.subBits(a, s.c(1))), y)); // the bits are nearly a logarithm, 2^23 times
  return s.or(unusual, s.greaterBits(estimate, s.c(ESTIMATE_MAX * 2 ** 23))); // NaN is greater
}

/** y·log2(a) as an integer, 2^24 times; `a` is positive. */
function product(s: FloatCode, a: V, y: V): V {
  const wide = new FloatCode(s.code, "float64");
  const raised = s.and(s.subBits(a, s.bits(BigInt.asUintN(32, ROOT - RAISED))), s.bits(EXPONENT));
  const mantissa = s.subBits(a, raised); // less the raise
  const half = (x: V, mask: bigint, isOdd: boolean): V =>
    wide.and(isOdd ? wide.shrU(x, 3) : wide.shl(x, 29), wide.bits(mask));
  const [even, odd] = [false, true].map((isOdd) => {
    const m = wide.addBits(half(mantissa, SINGLE, isOdd), wide.bits(REBIAS - (((1n << 32n) - RAISED) << 29n)));
    // k·2^23 lies in the low bits of 2^(52 + e) + 2^e·(k + 128)·2^23, e = BIAS - 23
    const magic = 2 ** (52 + BIAS - 23);
    const low = isOdd ? wide.shrU(raised, 32) : wide.and(raised, wide.bits(0xffffffffn));
    const k = wide.sub(wide.or(low, wide.c(magic)), wide.c(magic + 128 * UNIT));
    const ratio = wide.div(wide.sub(m, wide.c(1)), wide.add(m, wide.c(1)));
    const scaled = LOG2.map((c) => c * UNIT);
    const log2 = wide.mulAdd(wide.horner(wide.mul(ratio, ratio), scaled), ratio, k);
    return wide.mulAdd(log2, half(y, MAGNITUDE, isOdd), wide.c(1.5 * 2 ** (52 - FRACTION)));
  }) as [V, V];
  const z = wide.or(wide.and(even, wide.bits(0xffffffffn)), wide.shl(odd, 32));
  const sign = s.signMask(y);
  return s.subBits(s.xor(z, sign), sign);
}

/** 2^z of z·2^24 as an integer, |z| < 126. */
function exp2Fixed(s: FloatCode, z: V): V {
  const n = s.and(s.addBits(z, s.bits(1n << 23n)), s.bits(0xff000000n));
  const r = s.mul(s.convert(s.subBits(z, n)), s.c(2 ** -FRACTION));
  return s.addBits(s.mulAdd(s.poly(r, EXP2_SINGLE), r, s.c(1)), s.shr(n, 1));
}
