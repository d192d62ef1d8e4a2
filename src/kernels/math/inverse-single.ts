/**
 * asin, acos, atan and atan2 of float32, each by one polynomial and at most one division or root: asin's from Cephes
 * (`asinf.c`, S. Moshier), atan's of own fit over [0, 1] (`test/kernels/fit_polynomials.py`).
 */
import type { V } from "../map/lanes.ts";
import type { FloatCode } from "./float-code.ts";

/** (asin s - s)/s³ for 0 <= s² <= 1/4. */
const ASIN: readonly number[] = [1.6666752422e-1, 7.4953002686e-2, 4.5470025998e-2, 2.4181311049e-2, 4.2163199048e-2];
/** (atan t - t)/t³ for 0 <= t² <= 1. */
const ATAN: readonly number[] = [
  -0.3333315273084982, 0.19993772710628716, -0.1421105427732626, 0.10666000531031077, -0.07552205436235312,
  0.04321175560690238, -0.016367863003171466, 0.002920675935554098,
];

/** π and π/2: what float32 has of them, and the rest. */
const PI_HIGH: number = Math.fround(Math.PI);
const PI_LOW: number = Math.PI - PI_HIGH;

/** `y`, which has no sign, with that of `x`. */
function withSign(m: FloatCode, y: V, x: V): V {
  return m.or(y, m.and(x, m.signBit));
}

interface Half {
  /** Magnitude above 1/2: then `p` is asin of √((1 - |x|)/2), else of `s`. */
  readonly isLarge: V;
  readonly p: V;
}

/** asin of the smaller angle that x belongs to; beyond 1 NaN. */
function half(m: FloatCode, x: V, s: V): Half {
  const a = m.abs(x);
  const isLarge = m.compare("gt", a, m.c(0.5));
  const far = m.mul(m.sub(m.c(1), a), m.c(0.5));
  const z = m.select(isLarge, far, m.mul(x, x));
  const t = m.select(isLarge, m.sqrt(far), s);
  return { isLarge, p: m.mulAdd(m.mul(t, z), m.poly(z, ASIN), t) };
}

export function asinSingle(m: FloatCode, x: V): V {
  const { isLarge, p } = half(m, x, m.abs(x));
  const large = m.sub(m.c(PI_HIGH / 2), m.sub(m.add(p, p), m.c(PI_LOW / 2)));
  return withSign(m, m.select(isLarge, large, p), x);
}

export function acosSingle(m: FloatCode, x: V): V {
  const { isLarge, p } = half(m, x, x);
  const small = m.sub(m.c(PI_HIGH / 2), m.sub(p, m.c(PI_LOW / 2)));
  const twice = m.add(p, p);
  const left = m.sub(m.c(PI_HIGH), m.sub(twice, m.c(PI_LOW)));
  return m.select(isLarge, m.select(m.signMask(x), left, twice), small);
}

/** atan of 0 <= |t| <= 1. */
function atanOf(m: FloatCode, t: V): V {
  const z = m.mul(t, t);
  return m.mulAdd(m.mul(t, z), m.horner(z, ATAN), t);
}

export function atanSingle(m: FloatCode, x: V): V {
  const a = m.abs(x);
  const isLarge = m.compare("gt", a, m.c(1));
  const r = atanOf(m, m.div(m.select(isLarge, m.c(-1), a), m.select(isLarge, a, m.c(1))));
  const rest = m.add(r, m.and(isLarge, m.c(PI_LOW / 2)));
  return withSign(m, m.add(rest, m.and(isLarge, m.c(PI_HIGH / 2))), x);
}

/** Angle of (x, y); origins, infinities and very large operands are the host's. */
export function atan2Single(m: FloatCode, y: V, x: V): V {
  const [p, q] = [m.abs(y), m.abs(x)];
  const isSteep = m.compare("gt", p, q);
  const r = atanOf(m, m.div(m.select(isSteep, q, p), m.select(isSteep, p, q)));
  const isLeft = m.signMask(x);
  const signed = m.xor(r, m.and(m.xor(isSteep, isLeft), m.signBit));
  const base = (of: number): V => m.select(isSteep, m.c(of / 2), m.and(isLeft, m.c(of)));
  return withSign(m, m.add(base(PI_HIGH), m.add(base(PI_LOW), signed)), y);
}
