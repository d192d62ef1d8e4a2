/**
 * log, log2, log10 and log1p of float32: x = 2^k·(1 + f) with 1 + f in [√½, √2), log(1 + f) = f - f²/2 + s·(f²/2 + R(s²)) with
 * s = f/(2 + f) as in FreeBSD's msun (`e_logf.c`), R of own fit (`test/kernels/fit_polynomials.py`). Zeros, negatives, infinities, NaN
 * and subnormal numbers are mended only where an iteration has one.
 */
import type { V } from "../map/lanes.ts";
import type { Local } from "../wasm/builder.ts";
import type { FloatCode } from "./float-code.ts";

/** (log((1 + s)/(1 - s)) - 2s)/s³ in s², 0 <= s² <= (3 - 2√2)²: 2^-30 of the logarithm. */
const R: readonly number[] = [0.6666677641576573, 0.39977536916820916, 0.29871863693115286];

/** Bits of √½, and those of sign and exponent. */
const ROOT = 0x3f3504f3n;
const EXPONENT = 0xff800000n;
/** Powers of two come as floats of their bits: 2^23 times. */
const UNIT: number = 2 ** -23;
/** What one has of ln 2 in so few bits that k times it is exact, and the rest; of log10 2 as well. */
const LN2: readonly [number, number] = [0.693138123 * UNIT, 9.05800061e-6 * UNIT];
const LOG10_2: readonly [number, number] = [3.0102920532e-1 * UNIT, 7.9034151668e-7 * UNIT];
/** Powers of two by which arguments near the ends of the range are moved. */
const MOVED = 25;

interface Split {
  /** k·2^23. */
  readonly k: V;
  readonly f: V;
}

/** Bits of 2^k less those of 1, of a positive normal number. */
function powerBits(m: FloatCode, x: V): V {
  return m.and(m.subBits(x, m.bits(ROOT)), m.bits(EXPONENT));
}

function split(m: FloatCode, x: V): Split {
  const bits = powerBits(m, x);
  return { k: m.convert(bits), f: m.sub(m.subBits(x, bits), m.c(1)) };
}

/** k and f of 1 + x, f rounded once. */
function splitMore(m: FloatCode, x: V): Split {
  const bits = powerBits(m, m.add(x, m.c(1)));
  const scale = m.subBits(m.c(1), bits);
  return { k: m.convert(bits), f: m.add(m.mul(x, scale), m.sub(scale, m.c(1))) };
}

interface Series {
  /** f²/2. */
  readonly square: V;
  /** log(1 + f) - f + f²/2. */
  readonly rest: V;
}

function series(m: FloatCode, f: V): Series {
  const s = m.div(f, m.add(f, m.c(2)));
  const z = m.mul(s, s);
  const square = m.mul(m.mul(f, f), m.c(0.5));
  return { square, rest: m.mul(s, m.mulAdd(m.horner(z, R), z, square)) };
}

/** k·ln2 + log(1 + f). */
function natural(m: FloatCode, { k, f }: Split): V {
  const { square, rest } = series(m, f);
  const small = m.mulAdd(k, m.c(LN2[1]), rest);
  return m.sub(m.mul(k, m.c(LN2[0])), m.sub(m.sub(square, small), f));
}

/** log(1 + f)·factor, with `more` added to its small parts. */
function scaled(m: FloatCode, f: V, factor: number, more: V | null): V {
  const { square, rest } = series(m, f);
  const high = Math.fround(factor);
  const low = m.sub(m.mul(f, m.c(factor - high)), m.mul(m.sub(square, rest), m.c(high)));
  return m.mulAdd(f, m.c(high), more === null ? low : m.add(low, more));
}

/** Masks of what is below 2^-126 or not below the number of bits `last`: as signed integers after a shift, they lie above the others. */
function unusual(m: FloatCode, x: V, last: bigint): V {
  return m.greaterBits(m.addBits(x, m.bits(0x7f800000n)), m.bits(BigInt.asUintN(32, last - 1n + 0x7f800000n)));
}

/** Evaluates `core` with positive subnormal numbers moved; `unit` is what doubling adds. */
function mended(m: FloatCode, xs: readonly V[], unit: number, core: (x: V) => V): V[] {
  const { f } = m.code;
  const wild = f.let(m.any(xs.map((x) => unusual(m, x, 0x7f800000n))));
  const given = xs.map((x): Local<"v128"> => m.let(x));
  const isTiny = (x: V): V => m.compare("lt", x, m.c(2 ** -126));
  f.if(wild, () =>
    xs.forEach((x, k) => {
      f.set(given[k] as Local<"v128">, m.select(isTiny(x), m.mul(x, m.c(2 ** MOVED)), x)); // as many
    }),
  );
  const out = m.each(given, core).map((y) => m.let(y));
  f.if(wild, () =>
    xs.forEach((x, k) => {
      const moved = m.sub(out[k] as V, m.and(isTiny(x), m.c(MOVED * unit))); // as many
      const y = m.select(m.compare("lt", x, m.c(Number.POSITIVE_INFINITY)), moved, x); // NaN too
      const below = m.select(m.compare("lt", x, m.c(0)), m.c(Number.NaN), y);
      f.set(out[k] as Local<"v128">, m.select(m.compare("eq", x, m.c(0)), m.c(Number.NEGATIVE_INFINITY), below));
    }),
  );
  return out;
}

export function logSingle(m: FloatCode, xs: readonly V[]): V[] {
  return mended(m, xs, Math.LN2, (x) => natural(m, split(m, x)));
}

export function log2Single(m: FloatCode, xs: readonly V[]): V[] {
  return mended(m, xs, 1, (x) => {
    const { k, f } = split(m, x);
    return m.mulAdd(k, m.c(UNIT), scaled(m, f, Math.LOG2E, null));
  });
}

export function log10Single(m: FloatCode, xs: readonly V[]): V[] {
  return mended(m, xs, Math.log10(2), (x) => {
    const { k, f } = split(m, x);
    return m.mulAdd(k, m.c(LOG10_2[0]), scaled(m, f, Math.LOG10E, m.mul(k, m.c(LOG10_2[1]))));
  });
}

/** log(1 + x) of 0 <= x < 2^125. */
export function log1pCore(m: FloatCode, x: V): V {
  return natural(m, splitMore(m, x));
}

export function log1pSingle(m: FloatCode, xs: readonly V[]): V[] {
  const { f } = m.code;
  const wild = f.let(m.any(xs.map((x) => unusual(m, m.add(x, m.c(1)), 0x7e000000n))));
  const given = xs.map((x): Local<"v128"> => m.let(x));
  const isLarge = (x: V): V => m.compare("ge", x, m.c(2 ** 125)); // all of them unusual: neighbours must not matter
  f.if(wild, () =>
    xs.forEach((x, k) => {
      f.set(given[k] as Local<"v128">, m.select(isLarge(x), m.mul(x, m.c(2 ** -MOVED)), x)); // as many
    }),
  );
  // The sign of a zero is the argument's; others have it already.
  const out = m.each(given, (x) => m.or(log1pCore(m, x), m.and(x, m.signBit))).map((y) => m.let(y));
  f.if(wild, () =>
    xs.forEach((x, k) => {
      const given = out[k] as V; // as many
      const moved = m.select(isLarge(x), m.add(given, m.c(MOVED * Math.LN2)), given);
      const y = m.select(m.compare("lt", x, m.c(Number.POSITIVE_INFINITY)), moved, x); // NaN too
      const below = m.select(m.compare("lt", x, m.c(-1)), m.c(Number.NaN), y);
      f.set(out[k] as Local<"v128">, m.select(m.compare("eq", x, m.c(-1)), m.c(Number.NEGATIVE_INFINITY), below));
    }),
  );
  return out;
}
