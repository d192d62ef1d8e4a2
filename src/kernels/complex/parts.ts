/**
 * Functions of one complex number, in double precision. A result is written to `out[0]` (real) and `out[1]` (imaginary),
 * so that no loop allocates. Sources: C99 Annex G for special values; W. Kahan, "Branch cuts for complex elementary
 * functions" (1987); FreeBSD msun (csqrt, ctanh) for the forms that do not cancel.
 */

import { hypot } from "../map/scalar-float.ts";

/** Where a function puts the two parts of its result. */
export type Pair = Float64Array;
/** Function of one complex number. */
export type ComplexUnary = (re: number, im: number, out: Pair) => void;

const INF = Number.POSITIVE_INFINITY;
/** Beyond this exp overflows before it is multiplied by a sine or cosine. */
const EXP_MAX = 709;
/** Beyond this `1 ± z` is `±z` to the last bit, and squares may overflow. */
const LARGE = 2 ** 60;

/** `magnitude` with the sign of `sign`, zeros included. */
export function copySign(magnitude: number, sign: number): number {
  return sign < 0 || Object.is(sign, -0) ? -Math.abs(magnitude) : Math.abs(magnitude);
}

function set(out: Pair, re: number, im: number): void {
  out[0] = re;
  out[1] = im;
}

/** Product of a·b as the rounded value and what rounding lost. Source: Dekker (1971), Veltkamp's split. */
function lostInSquare(a: number): number {
  const c = 134217729 * a;
  const high = c - (c - a);
  const low = a - high;
  return low * low - (a * a - high * high - 2 * high * low);
}

/** x² + y² − 1 with the cancelled bits, for arguments near the unit circle. */
function squaresLessOne(x: number, y: number): number {
  const [a, b] = Math.abs(x) >= Math.abs(y) ? [x, y] : [y, x];
  const first = (a - 1) * (a + 1); // 1 − ulp and its like come out exactly
  const [aa, bb] = [a * a, b * b];
  if (Math.abs(first) > 0.25 && bb < 0.1) return first + bb;
  const high = aa - 1; // exact within [1/2, 2]
  const sum = high + bb;
  const rest = Math.abs(high) >= Math.abs(bb) ? high - sum + bb : bb - sum + high;
  return sum + (rest + lostInSquare(a) + lostInSquare(b));
}

/** Real part of the logarithm: log |z|. */
function logAbs(re: number, im: number): number {
  const h = hypot(re, im);
  if (h > 0.5 && h < 2) return 0.5 * Math.log1p(squaresLessOne(re, im));
  if (h === INF && Number.isFinite(re) && Number.isFinite(im)) return Math.log(hypot(re / 4, im / 4)) + 2 * Math.LN2;
  return Math.log(h);
}

/** Square root with a cut along the negative real axis. Source: FreeBSD `csqrt`. */
export const sqrt: ComplexUnary = (re, im, out) => {
  if (re === 0 && im === 0) return set(out, 0, im);
  if (im === INF || im === -INF) return set(out, INF, im);
  if (Number.isNaN(re)) return set(out, re, Number.NaN);
  if (re === INF) return set(out, re, copySign(im - im, im));
  if (re === -INF) return set(out, Math.abs(im - im), copySign(re, im));
  if (Number.isNaN(im)) return set(out, im, im);
  let scale = 1;
  if (Math.abs(re) > 2 ** 1020 || Math.abs(im) > 2 ** 1020) {
    re /= 4;
    im /= 4;
    scale = 2;
  } else if (Math.abs(re) < 2 ** -1000 && Math.abs(im) < 2 ** -1000) {
    re *= 2 ** 108;
    im *= 2 ** 108;
    scale = 2 ** -54;
  }
  const t = Math.sqrt((Math.abs(re) + hypot(re, im)) * 0.5);
  if (re >= 0) set(out, scale * t, (scale * im) / (2 * t));
  else set(out, (scale * Math.abs(im)) / (2 * t), scale * copySign(t, im));
};

/** e^re · (cos im, sin im) without an overflow that the factors would undo. */
export const exp: ComplexUnary = (re, im, out) => {
  if (im === 0) return set(out, Math.exp(re), im);
  if (!Number.isFinite(im)) {
    if (re === -INF) return set(out, 0, 0);
    return set(out, re === INF ? INF : Number.NaN, Number.NaN);
  }
  const [cos, sin] = [Math.cos(im), Math.sin(im)];
  if (re > EXP_MAX && re !== INF) {
    const half = Math.exp(re / 2);
    return set(out, half * cos * half, half * sin * half);
  }
  const e = Math.exp(re);
  set(out, e * cos, e * sin);
};

export const log: ComplexUnary = (re, im, out) => set(out, logAbs(re, im), Math.atan2(im, re));

/** NumPy multiplies both parts of the natural logarithm. */
const scaledLog =
  (factor: number): ComplexUnary =>
  (re, im, out) =>
    set(out, logAbs(re, im) * factor, Math.atan2(im, re) * factor);
export const log2: ComplexUnary = scaledLog(Math.LOG2E);
export const log10: ComplexUnary = scaledLog(Math.LOG10E);

/** log(1 + z), exact near 0. */
export const log1p: ComplexUnary = (re, im, out) => {
  const x = re + 1;
  if (Math.abs(re) < 0.5 && Math.abs(im) < 0.5)
    return set(out, 0.5 * Math.log1p(re * (2 + re) + im * im), Math.atan2(im, x));
  set(out, logAbs(x, im), Math.atan2(im, x));
};

export const exp2: ComplexUnary = (re, im, out) => exp(re * Math.LN2, im * Math.LN2, out);

/** e^z − 1. Source: NumPy `nc_expm1`. */
export const expm1: ComplexUnary = (re, im, out) => {
  const s = Math.sin(im / 2);
  set(out, Math.expm1(re) * Math.cos(im) - 2 * s * s, Math.exp(re) * Math.sin(im));
};

/** (cosh x · c, sinh x · s) beyond the range of cosh: both are ±e^|x|/2. */
function wideHyperbolic(x: number, c: number, s: number, out: Pair): void {
  const half = Math.exp(Math.abs(x) / 2) / 2;
  set(out, half * c * (2 * half), copySign(half, x) * s * (2 * half));
}

/** Hyperbolic cosine; special values as C99 G.6.2.4. */
export const cosh: ComplexUnary = (x, y, out) => {
  if (Number.isFinite(x) && Number.isFinite(y)) {
    if (y === 0) return set(out, Math.cosh(x), x * y);
    const [c, s] = [Math.cos(y), Math.sin(y)];
    if (Math.abs(x) > EXP_MAX) return wideHyperbolic(x, c, s, out);
    return set(out, Math.cosh(x) * c, Math.sinh(x) * s);
  }
  if (x === 0) return set(out, Number.NaN, copySign(0, x * copySign(1, y)));
  if (y === 0) return set(out, x * x, Number.isNaN(x) ? copySign(0, (x + x) * y) : copySign(0, x) * y);
  if (Number.isFinite(x)) return set(out, Number.NaN, Number.NaN);
  if (x === INF || x === -INF) {
    if (!Number.isFinite(y)) return set(out, INF, Number.NaN);
    return set(out, INF * Math.cos(y), x * Math.sin(y));
  }
  set(out, Number.NaN, Number.NaN);
};

/** Hyperbolic sine; special values as C99 G.6.2.5. */
export const sinh: ComplexUnary = (x, y, out) => {
  if (Number.isFinite(x) && Number.isFinite(y)) {
    if (y === 0) return set(out, Math.sinh(x), y);
    const [c, s] = [Math.cos(y), Math.sin(y)];
    if (Math.abs(x) > EXP_MAX) {
      wideHyperbolic(x, s, c, out);
      return set(out, out[1] as number, out[0] as number); // a pair has two parts
    }
    return set(out, Math.sinh(x) * c, Math.cosh(x) * s);
  }
  if (x === 0) return set(out, x, Number.NaN);
  if (y === 0) return set(out, x, y);
  if (Number.isFinite(x)) return set(out, Number.NaN, Number.NaN);
  if (x === INF || x === -INF) {
    if (!Number.isFinite(y)) return set(out, x, Number.NaN);
    return set(out, x * Math.cos(y), INF * Math.sin(y));
  }
  set(out, Number.NaN, Number.NaN);
};

/** Hyperbolic tangent. Source: Kahan's algorithm as in FreeBSD `ctanh`. */
export const tanh: ComplexUnary = (x, y, out) => {
  if (!Number.isFinite(x)) {
    if (Number.isNaN(x)) return set(out, x, y === 0 ? y : Number.NaN);
    return set(out, copySign(1, x), copySign(0, Number.isFinite(y) ? Math.sin(y) * Math.cos(y) : y));
  }
  if (!Number.isFinite(y)) return set(out, x === 0 ? x : Number.NaN, Number.NaN);
  if (Math.abs(x) >= 22) {
    const e = Math.exp(-Math.abs(x));
    return set(out, copySign(1, x), 4 * Math.sin(y) * Math.cos(y) * e * e);
  }
  const t = Math.tan(y);
  const beta = 1 + t * t;
  const s = Math.sinh(x);
  const rho = Math.sqrt(1 + s * s);
  const denominator = 1 + beta * s * s;
  if (!Number.isFinite(t)) return set(out, rho / s, 1 / t);
  set(out, (beta * rho * s) / denominator, t / denominator);
};

/** f(z) = −i·g(iz): how the circular functions follow from the hyperbolic ones. */
const turned =
  (g: ComplexUnary): ComplexUnary =>
  (re, im, out) => {
    g(-im, re, out);
    set(out, out[1] as number, -(out[0] as number)); // a pair has two parts
  };

export const sin: ComplexUnary = turned(sinh);
export const tan: ComplexUnary = turned(tanh);
export const cos: ComplexUnary = (re, im, out) => cosh(-im, re, out);

const roots = [new Float64Array(2), new Float64Array(2)] as const;

/** sqrt(1 − z) and sqrt(1 + z). */
function rootsAround(re: number, im: number): readonly [number, number, number, number] {
  sqrt(1 - re, -im, roots[0]);
  sqrt(1 + re, im, roots[1]);
  return [roots[0][0] as number, roots[0][1] as number, roots[1][0] as number, roots[1][1] as number]; // pairs
}

/** log(2·|z|) for large z. */
function largeLog(re: number, im: number): number {
  return logAbs(re, im) + Math.LN2;
}

/** Inverse hyperbolic sine; special values as C99 G.6.2.2. */
export const asinh: ComplexUnary = (x, y, out) => {
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (x === INF || x === -INF) return set(out, x, Number.NaN);
    if (y === INF || y === -INF) return set(out, y, Number.NaN);
    return set(out, Number.NaN, y === 0 ? y : Number.NaN);
  }
  if (Math.abs(x) > LARGE || Math.abs(y) > LARGE)
    return set(out, copySign(largeLog(x, y), x), Math.atan2(y, Math.abs(x)));
  // asin(iz) = asin(−y + ix): Kahan's form, whose parts do not cancel.
  const [p, q, r, s] = rootsAround(-y, x);
  set(out, x === 0 && Math.abs(y) <= 1 ? x : Math.asinh(p * s - q * r), y === 0 ? y : -Math.atan2(-y, p * r - q * s));
};

export const asin: ComplexUnary = turned(asinh);

/** Inverse cosine; special values as C99 G.6.1.1. */
export const acos: ComplexUnary = (x, y, out) => {
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (x === INF || x === -INF) return set(out, Number.NaN, INF);
    if (y === INF || y === -INF) return set(out, Number.NaN, -y);
    return set(out, x === 0 ? Math.PI / 2 : Number.NaN, Number.NaN);
  }
  if (Math.abs(x) > LARGE || Math.abs(y) > LARGE)
    return set(out, Math.atan2(Math.abs(y), x), copySign(largeLog(x, y), -y));
  const [p, q, r, s] = rootsAround(x, y);
  set(out, 2 * Math.atan2(p, r), y === 0 && Math.abs(x) <= 1 ? -y : Math.asinh(r * q - s * p));
};

/** Inverse hyperbolic cosine: ±i·acos(z) with a real part that is not negative. */
export const acosh: ComplexUnary = (x, y, out) => {
  acos(x, y, out);
  const [a, b] = [out[0] as number, out[1] as number]; // a pair has two parts
  if (Number.isNaN(a) && Number.isNaN(b)) return set(out, b, a);
  if (Number.isNaN(a)) return set(out, Math.abs(b), a);
  if (Number.isNaN(b)) return set(out, b, a);
  set(out, Math.abs(b), copySign(a, y));
};

/** Inverse hyperbolic tangent; special values as C99 G.6.2.3. */
export const atanh: ComplexUnary = (x, y, out) => {
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (x === INF || x === -INF) return set(out, copySign(0, x), Number.NaN);
    if (y === INF || y === -INF) return set(out, copySign(0, x), copySign(Math.PI / 2, y));
    return set(out, x === 0 ? x : Number.NaN, Number.NaN);
  }
  const [a, b] = [Math.abs(x), Math.abs(y)];
  if (a > LARGE || b > LARGE) {
    // Re 1/z, computed without squaring what would overflow.
    const re = a === INF || b === INF ? 0 : a >= b ? 1 / (a + b * (b / a)) : a / b / (b + a * (a / b));
    return set(out, copySign(re, x), copySign(Math.PI / 2, y));
  }
  const gap = 1 - a;
  const re =
    gap === 0 && b < 2 ** -500
      ? 0.5 * (Math.LN2 - Math.log(b)) // b² would vanish
      : 0.25 * Math.log1p((4 * a) / (gap * gap + b * b));
  const im = y === 0 && a <= 1 ? y : 0.5 * Math.atan2(2 * b, gap * (1 + a) - b * b);
  set(out, copySign(re, x), copySign(im, y));
};

export const atan: ComplexUnary = turned(atanh);
