/**
 * exp, exp2, expm1, sinh, cosh and tanh over vectors.
 *
 * e^x = 2^n·e^r with n = round(x·log2 e), r = x - n·ln2 in two parts (Cody and Waite), e^r by a polynomial in r of own
 * fit (`test/kernels/fit_polynomials.py`); the hyperbolic functions as in FreeBSD's msun and musl (`s_tanh.c`, `e_sinh.c`,
 * `e_cosh.c`: Copyright (C) 1993 by Sun Microsystems, Inc., freely granted provided that this notice is preserved).
 * Outside the range of normal results the power of two is multiplied in two steps, so that the last one rounds once.
 */
import type { V } from "../map/lanes.ts";
import { type Local, vector2 } from "../wasm/builder.ts";
import type { FloatCode } from "./float-code.ts";

/** Which polynomials: as the dtype has them, or float64 arithmetic that only needs float32's precision. */
export interface Precision {
  readonly short: boolean;
}

const EXP: readonly number[] = [
  0.5, 0.1666666666666667, 0.04166666666666667, 0.00833333333332614, 0.0013888888888883752, 0.00019841269874804214,
  2.4801587325536023e-5, 2.7557255421023506e-6, 2.7557273657975953e-7, 2.5105208339987698e-8, 2.0914680780540267e-9,
];
const EXP_SHORT: readonly number[] = [
  0.5, 0.16666577018959405, 0.041666554653757494, 0.00836317418011074, 0.0013926177501010365,
];
const EXP2: readonly number[] = [
  Math.LN2,
  0.24022650695910072,
  0.05550410866482158,
  0.009618129107628484,
  0.0013333558146428445,
  0.00015403530393362755,
  1.5252733804051129e-5,
  1.3215486815999978e-6,
  1.0178086021185474e-7,
  7.054894386348348e-9,
  4.4455303091051067e-10,
  2.5733568308756892e-11,
  1.3716962392737587e-12,
];
const EXP2_SHORT: readonly number[] = [
  Math.LN2,
  0.24022650922288757,
  0.055504108839096185,
  0.009618056678524637,
  0.001333350238616277,
  0.0001546144469856913,
  1.5297323760701075e-5,
];
/** (2^r - 1)/r, |r| <= 1/2, for float32. */
export const EXP2_SINGLE: readonly number[] = [
  0.6931472028813035, 0.24022647910241895, 0.05550332409080284, 0.009618437609084055, 0.0013398900364111296,
  0.00015353340674018875,
];

/** Parts of ln2: n times the first is exact. */
function ln2(m: FloatCode): readonly [high: number, low: number] {
  return m.isSingle ? [0.693359375, -2.1219444e-4] : [0.6931471803691238, 1.9082149292705877e-10];
}

interface Reduced {
  /** n in the low bits. */
  readonly low: V;
  readonly n: V;
  readonly r: V;
}

/** n = round(x·log2 e) and r = x - n·ln2. */
function reduce(m: FloatCode, x: V): Reduced {
  const low = m.mulAdd(x, m.c(Math.LOG2E), m.magic);
  const n = m.sub(low, m.magic);
  const [high, rest] = ln2(m);
  return { low, n, r: m.sub(m.sub(x, m.mul(n, m.c(high))), m.mul(n, m.c(rest))) };
}

/** e^r - 1 near 0. */
function tail(m: FloatCode, r: V, { short }: Precision): V {
  const q = m.poly(r, m.isSingle || short ? EXP_SHORT : EXP);
  return m.mulAdd(m.mul(r, r), q, r);
}

/** Where results leave the normal numbers, and where they are 0 or infinite for good. */
interface Range {
  readonly limit: number;
  readonly low: number;
  readonly high: number;
}

/** `value·2^n` of each argument; `core` sees arguments beyond `limit` cut to [low, high], where an iteration has one. */
function ranged(
  m: FloatCode,
  given: readonly V[],
  { limit, low, high }: Range,
  core: (x: V) => { readonly low: V; readonly value: V },
): V[] {
  const { f } = m.code;
  const wild = f.let(m.any(given.map((x) => m.compare("gt", m.abs(x), m.c(limit)))));
  const xs = given.map((x): Local<"v128"> => m.let(x));
  f.if(wild, () => {
    for (const x of xs) f.set(x, m.clamp(x, low, high));
  });
  const parts: { readonly low: V; readonly value: V }[] = [];
  const out = m
    .each(xs, (x) => {
      const p = core(x);
      parts.push(p);
      return m.mul(p.value, m.power2(p.low));
    })
    .map((y) => m.let(y));
  f.if(wild, () =>
    parts.forEach(({ value, low: n }, k) => {
      f.set(out[k] as Local<"v128">, inTwoSteps(m, value, n)); // as many
    }),
  );
  return out;
}

/** value·2^n, the last of two products rounded. */
function inTwoSteps(m: FloatCode, value: V, n: V): V {
  const whole = m.sub(n, m.magic);
  const low = m.mulAdd(whole, m.c(0.5), m.magic); // half of it, rounded
  const first = m.power2(low);
  const second = m.power2(m.add(m.sub(whole, m.sub(low, m.magic)), m.magic));
  return m.mul(m.mul(value, first), second);
}

/** The same where nothing leaves the range of float64. */
function inRange(
  m: FloatCode,
  given: readonly V[],
  { low, high }: Range,
  core: (x: V) => { readonly low: V; readonly value: V },
): V[] {
  return m.each(given, (x) => {
    const p = core(m.clamp(x, low, high));
    return m.mul(p.value, m.power2(p.low));
  });
}

export function exp(m: FloatCode, given: readonly V[], precision: Precision): V[] {
  const core = (x: V): { readonly low: V; readonly value: V } => {
    const { low, r } = reduce(m, x);
    return { low, value: m.add(tail(m, r, precision), m.c(1)) };
  };
  if (precision.short) return inRange(m, given, { limit: 0, low: -300, high: 300 }, core);
  return ranged(m, given, m.isSingle ? { limit: 87, low: -105, high: 89 } : { limit: 708, low: -746, high: 710 }, core);
}

function exp2Coefficients(m: FloatCode, { short }: Precision): readonly number[] {
  return m.isSingle ? EXP2_SINGLE : short ? EXP2_SHORT : EXP2;
}

export function exp2(m: FloatCode, given: readonly V[], precision: Precision): V[] {
  const core = (x: V): { readonly low: V; readonly value: V } => {
    const low = m.add(x, m.magic);
    const r = m.sub(x, m.sub(low, m.magic));
    return { low, value: m.mulAdd(m.poly(r, exp2Coefficients(m, precision)), r, m.c(1)) };
  };
  if (precision.short) return inRange(m, given, { limit: 0, low: -500, high: 500 }, core);
  return ranged(
    m,
    given,
    m.isSingle ? { limit: 126, low: -151, high: 129 } : { limit: 1021, low: -1080, high: 1025 },
    core,
  );
}

/** e^x - 1 = 2^n·((e^r - 1) + (1 - 2^-n)) of float64, with what rounding r lost. */
function expm1Core(m: FloatCode, x: V, precision: Precision): { readonly low: V; readonly value: V } {
  const { low, n } = reduce(m, x);
  const [ln2High, ln2Low] = ln2(m);
  const high = m.sub(x, m.mul(n, m.c(ln2High)));
  const rest = m.mul(n, m.c(ln2Low));
  const r = m.sub(high, rest);
  const lost = m.sub(m.sub(high, r), rest);
  const q = m.mulAdd(m.mul(r, r), m.poly(r, precision.short ? EXP_SHORT : EXP), m.mulAdd(lost, r, lost));
  const power = m.power2(m.subBits(m.bits(0n), m.subBits(low, m.magic)));
  const minus = m.andNot(power, m.compare("gt", x, m.c(100)));
  // The two large parts first, with what their sum loses: they cancel where the result is small.
  const base = m.sub(m.c(1), minus);
  const sum = m.add(base, r);
  const error = m.add(m.sub(base, sum), r);
  return { low, value: m.add(sum, m.add(q, error)) };
}

interface SingleExpm1 {
  /** n in the low bits. */
  readonly low: V;
  /** e^r - 1. */
  readonly p: () => V;
  readonly value: V;
}

/** e^x - 1 = (2^n·r + (2^n - 1)) + 2^n·(e^r - 1 - r) of float32, |x| <= 88, with what rounding r lost. */
function expm1Of(m: FloatCode, x: V): SingleExpm1 {
  const { low, n } = reduce(m, x);
  const [ln2High, ln2Low] = ln2(m);
  const high = m.sub(x, m.mul(n, m.c(ln2High)));
  const rest = m.mul(n, m.c(ln2Low));
  const r = m.sub(high, rest);
  const lost = m.sub(m.sub(high, r), rest);
  const q = m.mulAdd(m.mul(r, r), m.poly(r, EXP_SHORT), lost);
  const power = m.power2(low);
  // Where its parts have opposite signs and the result is small, the sum is exact.
  const sum = m.mulAdd(power, r, m.sub(power, m.c(1)));
  return { low, p: () => m.add(r, q), value: m.mulAdd(power, q, sum) };
}

/** float32; the sign of a zero is the argument's, and others have it already. */
function expm1Single(m: FloatCode, given: readonly V[]): V[] {
  const { f } = m.code;
  const wild = f.let(m.any(given.map((x) => m.compare("gt", m.abs(x), m.c(87)))));
  const xs = given.map((x): Local<"v128"> => m.let(x));
  f.if(wild, () => {
    for (const x of xs) f.set(x, m.clamp(x, -30, 89));
  });
  const parts: SingleExpm1[] = [];
  const out = m
    .each(xs, (x) => {
      const e = expm1Of(m, x);
      parts.push(e);
      return m.or(e.value, m.and(x, m.signBit));
    })
    .map((y) => m.let(y));
  f.if(wild, () =>
    parts.forEach(({ low, p }, k) => {
      const e = m.sub(inTwoSteps(m, m.add(p(), m.c(1)), low), m.c(1));
      const isFar = m.compare("gt", m.abs(given[k] as V), m.c(87)); // as many
      f.set(out[k] as Local<"v128">, m.select(isFar, e, out[k] as V));
    }),
  );
  return out;
}

export function expm1(m: FloatCode, given: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return expm1Single(m, given);
  const least = -50;
  const core = (x: V): { readonly low: V; readonly value: V } => expm1Core(m, m.clamp(x, least, 1000), precision);
  const out = precision.short
    ? inRange(m, given, { limit: 0, low: least, high: 300 }, core)
    : ranged(m, given, { limit: 708, low: least, high: 710 }, core);
  return out.map((y, k) => m.select(m.compare("lt", m.abs(given[k] as V), m.c(2 ** -54)), given[k] as V, y));
}

/** (e^x - 1) for the hyperbolic functions: x is in a range where nothing overflows. */
function innerExpm1(m: FloatCode, x: V, precision: Precision): V {
  const { low, value } = expm1Core(m, x, precision);
  return m.mul(value, m.power2(low));
}

/** Magnitudes of which e^x is finite; sinh and cosh of larger ones are the host's. */
export function hyperbolicMax(m: FloatCode): number {
  return m.isSingle ? 88 : 707;
}

/** e^a of float32 0 <= a <= 88, within 1 unit of the last place. */
function expSingle(m: FloatCode, a: V): V {
  const { low, r } = reduce(m, a);
  return m.mul(m.add(tail(m, r, { short: true }), m.c(1)), m.power2(low));
}

/** The sign of x, for what has none. */
function withSign(m: FloatCode, y: V, x: V): V {
  return m.or(y, m.and(x, m.signBit));
}

/** (e + e/(e + 1))/2 with e = e^|x| - 1; what lies beyond {@link hyperbolicMax} is replaced. */
function sinhSingle(m: FloatCode, x: V): V {
  const e = expm1Of(m, m.abs(x)).value;
  return withSign(m, m.mul(m.add(e, m.div(e, m.add(e, m.c(1)))), m.c(0.5)), x);
}

function coshSingle(m: FloatCode, x: V): V {
  const half = m.mul(expSingle(m, m.abs(x)), m.c(0.5));
  return m.add(half, m.div(m.c(0.25), half));
}

/** Cephes `tanhf.c` (S. Moshier): x + x·z·P(z), z = x², near 0. */
const TANH_SINGLE: readonly number[] = [
  -3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3,
];

/** By a polynomial near 0: quotients of e^2x - 1 lose up to 2.5 units in the last place there. */
function tanhSingle(m: FloatCode, x: V): V {
  const a = m.let(vector2("f32x4.pmin", m.abs(x), m.c(22)));
  const large = m.sub(m.c(1), m.div(m.c(2), m.add(expSingle(m, m.add(a, a)), m.c(1))));
  const z = m.mul(a, a);
  const small = m.mulAdd(m.mul(m.poly(z, TANH_SINGLE), z), a, a);
  return withSign(m, m.select(m.compare("lt", a, m.c(0.625)), small, large), x);
}

/** sinh; beyond {@link hyperbolicMax} is the host's. */
export function sinh(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => sinhSingle(m, x));
  return m.each(xs, (x) => {
    const a = m.clamp(m.abs(x), 0, hyperbolicMax(m));
    const t = innerExpm1(m, a, precision);
    const quotient = m.div(t, m.add(t, m.c(1)));
    const small = m.sub(m.add(t, t), m.mul(t, quotient));
    const y = m.mul(m.select(m.compare("lt", a, m.c(1)), small, m.add(t, quotient)), m.c(0.5));
    return m.select(m.compare("lt", a, m.c(smallest(m))), x, m.copySign(y, x));
  });
}

/** Below this an odd function with slope 1 is its argument. */
function smallest(m: FloatCode): number {
  return m.isSingle ? 2 ** -13 : 2 ** -28;
}

/** cosh; beyond {@link hyperbolicMax} is the host's. */
export function cosh(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => coshSingle(m, x));
  return m.each(xs, (x) => {
    const a = m.clamp(m.abs(x), 0, hyperbolicMax(m));
    const t = innerExpm1(m, a, precision);
    const e = m.add(t, m.c(1));
    const small = m.add(m.div(m.mul(t, t), m.add(e, e)), m.c(1));
    const large = m.mulAdd(m.c(0.5), e, m.div(m.c(0.5), e));
    return m.select(m.compare("lt", a, m.c(0.34657)), small, large);
  });
}

export function tanh(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => tanhSingle(m, x));
  return m.each(xs, (x) => {
    const a = m.clamp(m.abs(x), 0, 22);
    const isLarge = m.compare("ge", a, m.c(0.5493061443340549)); // log(3)/2
    const twice = m.add(a, a);
    const isSmall = m.compare("lt", a, m.c(0.2554128118829953)); // log(5/3)/2
    const t = innerExpm1(m, m.select(isSmall, m.neg(twice), twice), precision);
    const bottom = m.add(t, m.c(2));
    const quotient = m.div(m.select(isLarge, m.c(2), m.abs(t)), bottom);
    const y = m.select(isLarge, m.sub(m.c(1), quotient), quotient);
    return m.select(m.compare("lt", a, m.c(smallest(m))), x, m.copySign(y, x));
  });
}
