/**
 * sin, cos and tan over vectors.
 *
 * float64: x - n·π/2 in three parts with the exact error of the second, then the kernels of FreeBSD's msun (`k_sin.c`,
 * `k_cos.c`, `e_rem_pio2.c`: Copyright (C) 1993 by Sun Microsystems, Inc., freely granted provided that this notice is
 * preserved). float32: x - n·π/2 in four parts of few bits, polynomials of Cephes: one is evaluated, with
 * the coefficients of the function that n asks for. Large arguments and, in float64, those very near a multiple of π/2 are
 * the host's.
 */
import type { V } from "../map/lanes.ts";
import type { FloatCode } from "./float-code.ts";

const SIN: readonly number[] = [
  -0.16666666666666632, 0.00833333333332249, -0.0001984126982985795, 2.7557313707070068e-6, -2.5050760253406863e-8,
  1.58969099521155e-10,
];
const COS: readonly number[] = [
  0.0416666666666666, -0.001388888888887411, 2.480158728947673e-5, -2.7557314351390663e-7, 2.087572321298175e-9,
  -1.1359647557788195e-11,
];
/** Cephes `sinf.c` (S. Moshier): (sin r - r)/r³ and (cos r - 1)/r². */
const SIN_SINGLE: readonly number[] = [-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4, 0];
const COS_SINGLE: readonly number[] = [-0.5, 4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5];

/** Cephes `tanf.c` (S. Moshier). */
const TAN_SINGLE: readonly number[] = [
  3.33331568548e-1, 1.33387994085e-1, 5.34112807005e-2, 2.44301354525e-2, 3.11992232697e-3, 9.38540185543e-3,
];

const PIO2_1 = 1.5707963267341256;
const PIO2_2 = 6.077100506303966e-11;
const PIO2_3 = 2.0222662487959506e-21;
/** Largest argument of the vector form: n·PIO2_1 is exact, and n fits the low bits of the magic sum. */
export const TRIG_MAX = 500000;
const TRIG_MAX_SINGLE = 8000;

interface Reduced {
  /** Bits of n. */
  readonly n: V;
  readonly y: V;
  /** What y lost. */
  readonly tail: V;
}

/** x - n·π/2 as y + tail. */
function reduce(m: FloatCode, x: V): Reduced {
  const low = m.mulAdd(x, m.c(2 / Math.PI), m.magic);
  const n = m.sub(low, m.magic);
  const first = m.sub(x, m.mul(n, m.c(PIO2_1)));
  const w = m.mul(n, m.c(PIO2_2));
  const second = m.sub(first, w);
  const lost = m.sub(m.sub(first, second), w);
  const rest = m.sub(m.mul(n, m.c(PIO2_3)), lost);
  const y = m.sub(second, rest);
  return { n: low, y, tail: m.sub(m.sub(second, y), rest) };
}

/** A number as a sum of two, the second small. */
interface Sum {
  readonly high: V;
  readonly low: V;
}

/** sin(y + tail), |y| <= π/4. */
function kernelSin(m: FloatCode, { y, tail }: Reduced): Sum {
  const z = m.mul(y, y);
  const v = m.mul(z, y);
  const r = m.poly(z, SIN.slice(1));
  const inner = m.sub(m.mul(z, m.sub(m.mul(m.c(0.5), tail), m.mul(v, r))), tail);
  return { high: y, low: m.sub(m.mul(v, m.c(SIN[0] as number)), inner) };
}

/** cos(y + tail), |y| <= π/4. */
function kernelCos(m: FloatCode, { y, tail }: Reduced): Sum {
  const z = m.mul(y, y);
  const r = m.mul(z, m.poly(z, COS));
  const half = m.mul(z, m.c(0.5));
  const w = m.sub(m.c(1), half);
  const lost = m.sub(m.sub(m.c(1), w), half);
  return { high: w, low: m.add(lost, m.sub(m.mul(z, r), m.mul(y, tail))) };
}

function total(m: FloatCode, { high, low }: Sum): V {
  return m.add(high, low);
}

/** All ones where bit `bit` of n is set. */
function bitMask(m: FloatCode, n: V, bit: 0 | 1): V {
  return m.signMask(m.shl(n, (m.isSingle ? 31 : 63) - bit));
}

function sine(m: FloatCode, x: V, quarter: 0 | 1): V {
  const parts = reduce(m, x);
  const n = quarter === 0 ? parts.n : m.addBits(parts.n, m.bits(1n));
  const [s, c] = [total(m, kernelSin(m, parts)), total(m, kernelCos(m, parts))];
  const y = m.select(bitMask(m, n, 0), c, s);
  return m.xor(y, m.and(bitMask(m, n, 1), m.signBit));
}

/** x - n·π/2 of float32. */
function remainder(m: FloatCode, x: V, n: V): V {
  const [a, b, third, fourth] = HALF_PI_PARTS.map((part) => m.mul(n, m.c(part))) as [V, V, V, V];
  const near = m.sub(m.sub(x, a), b);
  const rough = m.sub(near, third);
  const rounded = m.sub(m.sub(near, rough), third);
  return m.sub(rough, m.sub(fourth, rounded));
}

/** tan of float32. */
function tanSingle(m: FloatCode, x: V): V {
  const low = m.mulAdd(x, m.c(2 / Math.PI), m.magic);
  const r = remainder(m, x, m.sub(low, m.magic));
  const z = m.mul(r, r);
  const y = m.mulAdd(m.mul(z, r), m.poly(z, TAN_SINGLE), r);
  const inverse = m.div(m.c(-1), y);
  return m.select(m.compare("eq", x, m.c(0)), x, m.select(bitMask(m, low, 0), inverse, y));
}

/** sin or cos of float32, by sine or cosine of x - n·π/2. */
function single(m: FloatCode, x: V, quarter: 0 | 1): V {
  const low = m.mulAdd(x, m.c(2 / Math.PI), m.magic);
  const r = remainder(m, x, m.sub(low, m.magic));
  const z = m.mul(r, r);
  const turns = quarter === 0 ? low : m.addBits(low, m.bits(1n));
  const isOdd = bitMask(m, turns, 0);
  const [c0, c1, c2, c3] = SIN_SINGLE.map((c, k) => m.select(isOdd, m.c(COS_SINGLE[k] as number), m.c(c))) as [
    V,
    V,
    V,
    V,
  ];
  const series = m.mulAdd(m.mulAdd(c3, z, c2), m.mul(z, z), m.mulAdd(c1, z, c0));
  const y = m.mulAdd(m.select(isOdd, z, m.mul(z, r)), series, m.select(isOdd, m.c(1), r));
  return m.xor(y, m.and(m.shl(turns, 30), m.signBit));
}

/** π/2 in parts of so few bits that n times each is exact. */
const HALF_PI_PARTS: readonly number[] = [
  1.5703125, 0.00048351287841796875, 3.1385570764541626e-7, 6.07710062827671e-11,
];

export function sin(m: FloatCode, xs: readonly V[]): V[] {
  return m.each(xs, (x) => {
    const y = m.isSingle ? single(m, x, 0) : sine(m, x, 0);
    return m.select(m.compare("eq", x, m.c(0)), x, y); // -0 stays
  });
}

export function cos(m: FloatCode, xs: readonly V[]): V[] {
  return m.each(xs, (x) => (m.isSingle ? single(m, x, 1) : sine(m, x, 1)));
}

export function tan(m: FloatCode, xs: readonly V[]): V[] {
  if (m.isSingle) return m.each(xs, (x) => tanSingle(m, x));
  return m.each(xs, (x) => {
    const parts = reduce(m, x);
    const [s, c] = [kernelSin(m, parts), kernelCos(m, parts)];
    const isOdd = bitMask(m, parts.n, 0);
    const pick = (p: V, q: V): V => m.select(isOdd, p, q);
    const y = quotient(
      m,
      { high: pick(m.neg(c.high), s.high), low: pick(m.neg(c.low), s.low) },
      { high: pick(s.high, c.high), low: pick(s.low, c.low) },
    );
    return m.select(m.compare("eq", x, m.c(0)), x, y);
  });
}

/** Quotient of two sums, corrected by what rounding the sums lost. */
function quotient(m: FloatCode, top: Sum, bottom: Sum): V {
  const [p, q] = [total(m, top), total(m, bottom)];
  const ratio = m.div(p, q);
  const pLost = m.add(m.sub(top.high, p), top.low);
  const qLost = m.add(m.sub(bottom.high, q), bottom.low);
  return m.add(ratio, m.div(m.sub(pLost, m.mul(ratio, qLost)), q));
}

/** Lanes that are the host's: large arguments, infinities, and differences that cancel too much. */
export function trigRare(m: FloatCode, x: V): V {
  const a = m.abs(x);
  const large = m.compare("gt", a, m.c(m.isSingle ? TRIG_MAX_SINGLE : TRIG_MAX));
  if (m.isSingle) return large;
  const n = m.sub(m.mulAdd(x, m.c(2 / Math.PI), m.magic), m.magic);
  const near = m.compare("lt", m.abs(m.sub(x, m.mul(n, m.c(Math.PI / 2)))), m.c(2 ** -26));
  return m.or(large, m.and(near, m.compare("ne", n, m.c(0))));
}
