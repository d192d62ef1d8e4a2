/**
 * pow, cbrt and hypot over vectors.
 *
 * float64: log2|x| as a sum of two, times y, and 2^z, as FreeBSD's msun (`e_pow.c`, `s_cbrt.c`: Copyright (C) 1993 by Sun
 * Microsystems, Inc., freely granted provided that this notice is preserved; cbrt optimized by Bruce D. Evans). float32:
 * the same values through float64 logarithm and power.
 */
import type { V } from "../map/lanes.ts";
import { exp2, type Precision } from "./exponential.ts";
import type { FloatCode } from "./float-code.ts";
import { log2Short } from "./logarithm.ts";

const L: readonly number[] = [
  0.5999999999999946, 0.4285714285785502, 0.33333332981837743, 0.272728123808534, 0.23066074577556175,
  0.20697501780033842,
];
const E: readonly number[] = [
  0.16666666666666602, -0.0027777777777015593, 6.613756321437934e-5, -1.6533902205465252e-6, 4.1381367970572385e-8,
];

function head(m: FloatCode, x: V): V {
  return m.and(x, m.bits(0xffffffff00000000n));
}

/** log2 of a positive normal number as a head of 21 bits and a tail. */
function log2Pair(m: FloatCode, x: V): readonly [high: V, low: V] {
  const whole = m.or(m.and(x, m.bits((1n << 52n) - 1n)), m.c(1)); // in [1, 2)
  const isBig = m.compare("ge", whole, m.c(1.7320508075688772));
  const ax = m.select(isBig, m.mul(whole, m.c(0.5)), whole);
  const n = m.add(m.exponent(x), m.and(isBig, m.c(1)));
  const upper = m.compare("ge", ax, m.c(1.224744871391589));
  const bp = m.select(upper, m.c(1.5), m.c(1));
  const u = m.sub(ax, bp);
  const sum = m.add(ax, bp);
  const v = m.div(m.c(1), sum);
  const ss = m.mul(u, v);
  const sHigh = head(m, ss);
  const tHigh0 = head(m, sum);
  const tLow0 = m.sub(ax, m.sub(tHigh0, bp));
  const sLow = m.mul(v, m.sub(m.sub(u, m.mul(sHigh, tHigh0)), m.mul(sHigh, tLow0)));
  const ss2 = m.mul(ss, ss);
  const r = m.mulAdd(m.mul(ss2, ss2), m.poly(ss2, L), m.mul(sLow, m.add(sHigh, ss)));
  const s2 = m.mul(sHigh, sHigh);
  const tHigh = head(m, m.add(m.add(m.c(3), s2), r));
  const tLow = m.sub(r, m.sub(m.sub(tHigh, m.c(3)), s2));
  const p = m.mul(sHigh, tHigh);
  const q = m.add(m.mul(sLow, tHigh), m.mul(tLow, ss));
  const pHigh = head(m, m.add(p, q));
  const pLow = m.sub(q, m.sub(pHigh, p));
  const zHigh = m.mul(m.c(0.9617967009544373), pHigh);
  const dpLow = m.and(upper, m.c(1.350039202129749e-8));
  const dpHigh = m.and(upper, m.c(0.5849624872207642));
  const zLow = m.add(m.add(m.mul(m.c(-7.028461650952758e-9), pHigh), m.mul(pLow, m.c(0.9617966939259756))), dpLow);
  const high = head(m, m.add(m.add(m.add(zHigh, zLow), dpHigh), n));
  return [high, m.sub(zLow, m.sub(m.sub(m.sub(high, n), dpHigh), zHigh))];
}

/** |x|^y of positive normal x, and log2 of it. */
function magnitude(m: FloatCode, x: V, y: V): { readonly value: V; readonly z: V } {
  const [t1, t2] = log2Pair(m, x);
  const y1 = head(m, y);
  const pLow = m.mulAdd(m.sub(y, y1), t1, m.mul(y, t2));
  const pHigh = m.mul(y1, t1);
  const z = m.add(pLow, pHigh);
  const bounded = m.clamp(z, -1020, 1020);
  const low = m.add(bounded, m.magic);
  const rest = m.sub(pHigh, m.sub(low, m.magic));
  const t = head(m, m.add(pLow, rest));
  const u = m.mul(t, m.c(0.6931471824645996));
  const v = m.add(m.mul(m.sub(pLow, m.sub(t, rest)), m.c(Math.LN2)), m.mul(t, m.c(-1.904654299957768e-9)));
  const w0 = m.add(u, v);
  const w = m.sub(v, m.sub(w0, u));
  const square = m.mul(w0, w0);
  const e = m.sub(w0, m.mul(square, m.poly(square, E)));
  const r = m.sub(m.div(m.mul(w0, e), m.sub(e, m.c(2))), m.mulAdd(w0, w, w));
  return { value: m.mul(m.sub(m.c(1), m.sub(r, w0)), m.power2(low)), z };
}

/** The sign and the exceptions of C's `pow` for finite x other than 0. */
function signed(m: FloatCode, x: V, y: V, value: V): V {
  const isNegative = m.compare("lt", x, m.c(0));
  const isWhole = m.compare("eq", m.floor(y), y);
  const half = m.mul(y, m.c(0.5));
  const isOdd = m.andNot(isWhole, m.compare("eq", m.floor(half), half));
  const flipped = m.xor(value, m.and(m.and(isNegative, isOdd), m.signBit));
  const real = m.select(m.andNot(isNegative, isWhole), m.c(Number.NaN), flipped);
  return m.select(m.or(m.compare("eq", y, m.c(0)), m.compare("eq", x, m.c(1))), m.c(1), real);
}

/** Powers; `rare` ones are {@link powFar}'s or the host's: zeros, infinities, results that leave the normal range. */
export interface Powers {
  readonly out: V[];
  readonly rare: V[];
  /** y·log2|x| of ordinary x. */
  readonly exponents: V[];
}

export function pow(m: FloatCode, xs: readonly V[], ys: readonly V[]): Powers {
  const rare: V[] = [];
  const exponents: V[] = [];
  const out = m.each(xs, (x, k) => {
    const y = ys[k] as V; // as many
    const a = m.abs(x);
    const { value, z } = magnitude(m, a, y);
    exponents.push(z);
    const ordinary = isOrdinary(m, x);
    const inRange = m.and(m.compare("lt", m.abs(z), m.c(1019)), m.compare("lt", m.abs(y), m.c(2 ** 60)));
    rare.push(m.andNot(m.not(m.and(ordinary, inRange)), m.or(m.isNaN(x), m.isNaN(y))));
    return signed(m, x, y, m.select(m.isNaN(x), x, value));
  });
  return { out, rare, exponents };
}

/** Normal numbers. */
function isOrdinary(m: FloatCode, x: V): V {
  const a = m.abs(x);
  return m.and(m.compare("ge", a, m.c(2 ** -1022)), m.compare("le", a, m.c(Number.MAX_VALUE)));
}

/** Powers that are infinite or 0 for certain, with their signs: of 0, and of ordinary numbers far outside the range. */
export function powFar(m: FloatCode, x: V, y: V, z: V): { readonly value: V; readonly known: V } {
  const infinite = m.c(Number.POSITIVE_INFINITY);
  const isZero = m.compare("eq", x, m.c(0));
  const isPlus = m.andNot(isZero, m.signMask(x));
  const far = m.and(isOrdinary(m, x), m.compare("gt", m.abs(z), m.c(1100)));
  const some = m.compare("lt", m.abs(y), m.c(2 ** 60));
  const grows = m.select(isPlus, m.compare("lt", y, m.c(0)), m.compare("gt", z, m.c(0)));
  return { value: signed(m, x, y, m.and(grows, infinite)), known: m.and(some, m.or(far, isPlus)) };
}

/** |x|^y for float32 in float64, NaN where x or y is; no argument is out of range but {@link powShortRare}'s. */
export function powShort(m: FloatCode, xs: readonly V[], ys: readonly V[]): V[] {
  const logs = m.each(xs, (x) => log2Short(m, m.abs(x)));
  const values = exp2(
    m,
    logs.map((l, k) => m.mul(l, ys[k] as V)), // as many
    { short: true },
  );
  return m.each(values, (v, k) => {
    const [x, y] = [xs[k] as V, ys[k] as V]; // as many
    const one = m.or(m.compare("eq", y, m.c(0)), m.compare("eq", x, m.c(1)));
    return m.select(one, m.c(1), m.select(m.isNaN(x), x, v));
  });
}

/** The values of negative bases. */
export function signedPowers(m: FloatCode, xs: readonly V[], ys: readonly V[], values: readonly V[]): V[] {
  return m.each(values, (v, k) => signed(m, xs[k] as V, ys[k] as V, v)); // as many
}

/** Zeros and infinities, which are the host's. */
export function powShortRare(m: FloatCode, xs: readonly V[], ys: readonly V[]): V[] {
  const infinite = m.c(Number.POSITIVE_INFINITY);
  return xs.map((x, k) => {
    const [a, b] = [m.abs(x), m.abs(ys[k] as V)]; // as many
    return m.or(m.or(m.compare("eq", a, m.c(0)), m.compare("eq", a, infinite)), m.compare("eq", b, infinite));
  });
}

const C: readonly number[] = [
  1.87595182427177, -1.8849797954337717, 1.6214297201053545, -0.758397934778766, 0.14599619288661245,
];

/** Four thirds of the bits of 1, less what makes the largest error of the guess smallest. */
const INVERSE_CBRT = 0x54a1f400n;
/** ((1 - h)^(-1/3) - 1)/h. */
const INVERSE_CBRT_STEP: readonly number[] = [1 / 3, 2 / 9, 14 / 81];

/** Cube root; positive subnormal magnitudes are the host's. */
export function cbrt(m: FloatCode, xs: readonly V[], _precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => cbrtSingle(m, x));
  return m.each(xs, (x) => {
    const a = m.abs(x);
    const third = m.floor(m.mul(m.fromInt(m.shrU(a, 32)), m.c(1 / 3)));
    const word = m.subBits(m.add(third, m.magic), m.magic);
    const guess = m.shl(m.addBits(word, m.bits(715094163n)), 32);
    const r = m.mul(m.mul(guess, guess), m.div(guess, a));
    const t0 = m.mul(guess, m.poly(r, C));
    const t = m.and(m.addBits(t0, m.bits(0x80000000n)), m.bits(0xffffffffc0000000n));
    const q = m.div(a, m.mul(t, t));
    const step = m.div(m.sub(q, t), m.add(m.add(t, t), q));
    const root = m.copySign(m.mulAdd(t, step, t), x);
    const finite = m.and(m.compare("gt", a, m.c(0)), m.compare("lt", a, m.c(Number.POSITIVE_INFINITY)));
    return m.select(finite, root, x);
  });
}

/**
 * float32: 1/∛a from a third of the bits, within 3.5 % (10 % of its cube), and a step of fourth order; then ∛a = a·(1/∛a)², and what the square is off by.
 * No division. Zeros, infinities and NaN are themselves.
 */
function cbrtSingle(m: FloatCode, x: V): V {
  const a = m.abs(x);
  const guess = m.subBits(m.bits(INVERSE_CBRT), m.truncate(m.mul(m.convert(a), m.c(1 / 3))));
  const rest = m.sub(m.c(1), m.mul(m.mul(a, guess), m.mul(guess, guess)));
  const inverse = m.mulAdd(m.mul(rest, m.horner(rest, INVERSE_CBRT_STEP)), guess, guess);
  const square = m.mul(inverse, inverse);
  const t = m.mul(a, square);
  const step = m.mul(m.sub(m.c(1), m.mul(t, inverse)), m.c(2 / 3));
  const root = m.mulAdd(t, step, t);
  const finite = m.and(m.compare("gt", a, m.c(0)), m.compare("lt", a, m.c(Number.POSITIVE_INFINITY)));
  return m.select(finite, m.or(root, m.and(x, m.signBit)), x);
}

export function cbrtRare(m: FloatCode, x: V): V {
  const a = m.abs(x);
  return m.and(m.compare("lt", a, m.c(m.isSingle ? 2 ** -126 : 2 ** -1022)), m.compare("gt", a, m.c(0)));
}

/** sqrt(x² + y²); squares that leave the normal range are the host's. */
export function hypot(m: FloatCode, xs: readonly V[], ys: readonly V[], { short }: Precision): V[] {
  return m.each(xs, (x, k) => {
    const y = ys[k] as V; // as many
    const h = m.sqrt(m.mulAdd(x, x, m.mul(y, y)));
    if (!short) return h;
    const infinite = m.c(Number.POSITIVE_INFINITY);
    return m.select(m.or(m.compare("eq", m.abs(x), infinite), m.compare("eq", m.abs(y), infinite)), infinite, h);
  });
}

export function hypotRare(m: FloatCode, x: V, y: V): V {
  const [a, b] = [m.abs(x), m.abs(y)];
  const [most, least] = m.isSingle ? [2 ** 60, 2 ** -50] : [2 ** 500, 2 ** -480];
  const top = m.c(most);
  const larger = m.select(m.compare("lt", a, b), b, a);
  const isLarge = m.or(m.compare("gt", a, top), m.compare("gt", b, top));
  const isSmall = m.and(m.compare("lt", larger, m.c(least)), m.compare("gt", larger, m.c(0)));
  return m.or(isLarge, isSmall);
}
