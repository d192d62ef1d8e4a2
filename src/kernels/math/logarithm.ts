/**
 * log, log2, log10 and log1p over vectors.
 *
 * x = 2^k·(1 + f) with 1 + f in [√½, √2); log(1 + f) from s = f/(2 + f) as in FreeBSD's msun (`e_log.c`, `k_log.h`,
 * `e_log2.c`, `e_log10.c`, `s_log1p.c`: Copyright (C) 1993 by Sun Microsystems, Inc., freely
 * granted provided that this notice is preserved). Zeros, negatives, infinities, NaN and subnormal numbers are mended
 * only where an iteration has one. float32 has forms of its own: `logarithm-single.ts`.
 */
import type { V } from "../map/lanes.ts";
import type { Local } from "../wasm/builder.ts";
import type { Precision } from "./exponential.ts";
import type { FloatCode } from "./float-code.ts";
import { log1pSingle, log2Single, log10Single, logSingle } from "./logarithm-single.ts";

const LOG: readonly number[] = [
  0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784, 0.1818357216161805,
  0.15313837699209373, 0.14798198605116586,
];
/** Own fit, for float32's precision in float64. */
const LOG_SHORT: readonly number[] = [0.666666665543, 0.40000122000846017, 0.28550802551295174, 0.23330964090255224];

/** Arguments, mended, and what is subtracted from their biased exponents. */
type Core = (x: V, bias: V) => V;

interface Split {
  readonly k: V;
  readonly f: V;
}

/** k and f of a positive normal number. */
function split(m: FloatCode, x: V, bias: V = exponentBias(m)): Split {
  const [one, root] = [0x3ff0000000000000n, 0x3fe6a09e667f3bcdn];
  const moved = m.addBits(x, m.bits(one - root));
  const mantissa = m.addBits(m.and(moved, m.bits((1n << BigInt(m.mantissaBits)) - 1n)), m.bits(root));
  return { k: m.sub(m.biasedExponent(moved), bias), f: m.sub(mantissa, m.c(1)) };
}

interface Series {
  readonly hfsq: V;
  /** s·(f²/2 + R): log(1 + f) = f - f²/2 + this. */
  readonly rest: V;
}

function series(m: FloatCode, f: V, { short }: Precision): Series {
  const s = m.div(f, m.add(f, m.c(2)));
  const z = m.mul(s, s);
  const r = m.mul(z, m.poly(z, short ? LOG_SHORT : LOG));
  const hfsq = m.mul(m.mul(f, f), m.c(0.5));
  return { hfsq, rest: m.mul(s, m.add(hfsq, r)) };
}

const [LN2_HIGH, LN2_LOW] = [0.6931471803691238, 1.9082149292705877e-10];

/** k·ln2 + log(1 + f), `extra` added to the small part. */
function natural(m: FloatCode, { k, f }: Split, precision: Precision, extra: V | null = null): V {
  const { hfsq, rest } = series(m, f, precision);
  const kLow = m.mul(k, m.c(LN2_LOW));
  const small = m.add(rest, extra === null ? kLow : m.add(kLow, extra));
  return m.sub(m.mul(k, m.c(LN2_HIGH)), m.sub(m.sub(hfsq, small), f));
}

function exponentBias(m: FloatCode): V {
  return m.c(2 ** 52 + 1023);
}

/** Masks of what is no positive normal number: their bits, as signed integers after a shift, lie above the others'. */
function unusual(m: FloatCode, x: V): V {
  const [shift, last] = [(1n << 63n) - 0x0010000000000000n, 0x7fdfffffffffffffn - (1n << 63n)];
  return m.greaterBits(m.addBits(x, m.bits(shift)), m.bits(last));
}

/** Evaluates `core` with the arguments that are no positive normal numbers mended before and after. */
function mended(m: FloatCode, xs: readonly V[], core: Core): V[] {
  const { f } = m.code;
  const least = 2 ** -1022;
  const wild = f.let(m.any(xs.map((x) => unusual(m, x))));
  const given = xs.map((x): Local<"v128"> => m.let(x));
  const biases = xs.map(() => m.let(exponentBias(m)));
  const up = 54;
  f.if(wild, () =>
    xs.forEach((x, k) => {
      const tiny = m.compare("lt", x, m.c(least));
      f.set(given[k] as Local<"v128">, m.select(tiny, m.mul(x, m.c(2 ** up)), x));
      f.set(biases[k] as Local<"v128">, m.add(exponentBias(m), m.and(tiny, m.c(up))));
    }),
  );
  const out = m.each(given, (x, k) => core(x, biases[k] as V)).map((y) => m.let(y));
  f.if(wild, () =>
    xs.forEach((x, k) => {
      const infinite = m.compare("eq", x, m.c(Number.POSITIVE_INFINITY));
      const y = m.select(m.or(infinite, m.isNaN(x)), x, out[k] as V);
      const below = m.select(m.compare("lt", x, m.c(0)), m.c(Number.NaN), y);
      f.set(out[k] as Local<"v128">, m.select(m.compare("eq", x, m.c(0)), m.c(Number.NEGATIVE_INFINITY), below));
    }),
  );
  return out;
}

export function log(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return logSingle(m, xs);
  return mended(m, xs, (x, bias) => natural(m, split(m, x, bias), precision));
}

/** log(1 + f) as a high part of few bits and the rest. */
function parts(m: FloatCode, f: V, precision: Precision): readonly [high: V, low: V] {
  const { hfsq, rest } = series(m, f, precision);
  const high = m.and(m.sub(f, hfsq), m.bits(0xffffffff00000000n));
  return [high, m.add(m.sub(m.sub(f, high), hfsq), rest)];
}

export function log2(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return log2Single(m, xs);
  const [ivHigh, ivLow] = [1.4426950407214463, 1.6751713164886512e-10];
  return mended(m, xs, (x, bias) => {
    const { k, f } = split(m, x, bias);
    const [high, low] = parts(m, f, precision);
    const valHigh = m.mul(high, m.c(ivHigh));
    const valLow = m.mulAdd(m.add(low, high), m.c(ivLow), m.mul(low, m.c(ivHigh)));
    const w = m.add(k, valHigh);
    return m.add(m.add(valLow, m.add(m.sub(k, w), valHigh)), w);
  });
}

/** log2 of a positive normal number with float32's precision, in float64. */
export function log2Short(m: FloatCode, x: V): V {
  const { k, f } = split(m, x);
  const { hfsq, rest } = series(m, f, { short: true });
  return m.mulAdd(m.sub(f, m.sub(hfsq, rest)), m.c(Math.LOG2E), k);
}

export function log10(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return log10Single(m, xs);
  const [ivHigh, ivLow, twoHigh, twoLow] = [
    0.4342944818781689, 2.5082946711645275e-11, 0.30102999566361177, 3.694239077158931e-13,
  ];
  return mended(m, xs, (x, bias) => {
    const { k, f } = split(m, x, bias);
    const [high, low] = parts(m, f, precision);
    const valHigh = m.mul(high, m.c(ivHigh));
    const y = m.mul(k, m.c(twoHigh));
    const valLow = m.add(m.mul(k, m.c(twoLow)), m.mulAdd(m.add(low, high), m.c(ivLow), m.mul(low, m.c(ivHigh))));
    const w = m.add(y, valHigh);
    return m.add(m.add(valLow, m.add(m.sub(y, w), valHigh)), w);
  });
}

export function log1p(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return log1pSingle(m, xs);
  return m.each(xs, (x) => {
    const u = m.add(x, m.c(1));
    const { k, f } = split(m, u);
    const isNear = m.compare("eq", k, m.c(0));
    const lost = m.select(m.compare("ge", k, m.c(2)), m.sub(m.c(1), m.sub(u, x)), m.sub(x, m.sub(u, m.c(1))));
    const extra = m.andNot(m.div(lost, u), isNear);
    const y = natural(m, { k, f: m.select(isNear, x, f) }, precision, extra);
    const infinite = m.compare("eq", x, m.c(Number.POSITIVE_INFINITY));
    const kept = m.select(m.or(m.or(infinite, m.isNaN(x)), m.compare("eq", x, m.c(0))), x, y);
    const below = m.select(m.compare("lt", x, m.c(-1)), m.c(Number.NaN), kept);
    return m.select(m.compare("eq", x, m.c(-1)), m.c(Number.NEGATIVE_INFINITY), below);
  });
}
