/**
 * Functions of single floats that `Math` lacks, or has less exactly: C's `frexp`, `ldexp`, `nextafter`, NumPy's
 * `spacing` and `logaddexp`, exact powers of two, and Cephes' `i0`. Arguments are elements of the dtype as doubles;
 * a result is rounded to the dtype when it is stored.
 */
import type { DType } from "../../dtype/index.ts";

const f64 = new Float64Array(1);
const u64 = new BigUint64Array(f64.buffer);
const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
const f16 = new Float16Array(1);
const u16 = new Uint16Array(f16.buffer);

/** The neighbour of `a` one step further from zero (`away`) or towards it; `a` is neither NaN nor 0. */
function step(a: number, dtype: DType, away: boolean): number {
  if (dtype === "float64") {
    f64[0] = a;
    u64[0] = (u64[0] as bigint) + (away ? 1n : -1n);
    return f64[0];
  }
  if (dtype === "float32") {
    f32[0] = a;
    u32[0] = (u32[0] as number) + (away ? 1 : -1);
    return f32[0];
  }
  f16[0] = a;
  u16[0] = (u16[0] as number) + (away ? 1 : -1);
  return f16[0];
}

function smallest(dtype: DType): number {
  return dtype === "float64" ? Number.MIN_VALUE : dtype === "float32" ? 2 ** -149 : 2 ** -24;
}

/** C `nextafter`: the next element of `dtype` from `a` towards `b`. */
export function nextAfter(dtype: DType): (a: number, b: number) => number {
  return (a, b) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
    if (a === b) return b;
    if (a === 0) return b > 0 ? smallest(dtype) : -smallest(dtype);
    return step(a, dtype, a > 0 === b > a);
  };
}

/** NumPy `spacing`: distance to the neighbour away from zero, with the sign of `a`; float16: always positive, and inf at its largest. */
export function spacing(dtype: DType): (a: number) => number {
  return (a) => {
    if (!Number.isFinite(a)) return Number.NaN;
    if (dtype === "float16") {
      if (a === 65504) return Number.POSITIVE_INFINITY;
      // Source: `npy_half_spacing`: the distance to the next larger float, which for a negative power of two is the smaller gap.
      if (a === 0) return 2 ** -24;
      return a > 0 ? step(a, dtype, true) - a : step(a, dtype, false) - a;
    }
    return a === 0 ? smallest(dtype) : step(a, dtype, true) - a;
  };
}

/** C `frexp`'s mantissa: in [0.5, 1), with the sign of `a`; 0, ±inf and NaN are themselves. */
export function mantissa(a: number): number {
  return a === 0 || !Number.isFinite(a) ? a : scale(a, -exponent(a));
}

/** C `frexp`'s exponent; 0 for 0, ±inf and NaN. */
export function exponent(a: number): number {
  if (a === 0 || !Number.isFinite(a)) return 0;
  f64[0] = a;
  const biased = Number(((u64[0] as bigint) >> 52n) & 0x7ffn);
  return biased === 0 ? exponent(a * 2 ** 54) - 54 : biased - 1022;
}

/** `a`·2^`n` with one rounding, `n` any integer. Source: musl `scalbn`. */
export function scale(a: number, n: number): number {
  let [y, k] = [a, Math.max(-2300, Math.min(2300, n))];
  while (k > 1023) {
    y *= 2 ** 1023;
    k -= 1023;
  }
  while (k < -1022) {
    y *= 2 ** -969; // leaves 53 bits above the subnormals, so that only the last step rounds
    k += 969;
  }
  return y * 2 ** k;
}

/** 2^`a`; exact for integers. */
export function exp2(a: number): number {
  if (Number.isNaN(a)) return a;
  if (Math.abs(a) > 1100) return a < 0 ? 0 : Number.POSITIVE_INFINITY;
  const whole = Math.round(a);
  return scale(Math.exp((a - whole) * Math.LN2), whole);
}

/** Decadic logarithm; exact for powers of ten. */
export function log10(a: number): number {
  const x = Math.log10(a);
  const whole = Math.round(x);
  return whole !== x && Math.abs(whole) <= 22 && whole > 0 && 10 ** whole === a ? whole : x;
}

/** C `hypot`: scaled, and corrected by one step with exact products. */
export function hypot(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  if (x === Number.POSITIVE_INFINITY || y === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (y > x) [x, y] = [y, x];
  if (y === 0 || Number.isNaN(x + y)) return x + y;
  const shift = x > 2 ** 500 ? -600 : y < 2 ** -500 ? 600 : 0;
  if (x > y * 2 ** 54) return x + y;
  if (shift !== 0) [x, y] = [scale(x, shift), scale(y, shift)];
  const h = Math.sqrt(x * x + y * y);
  // h² - x² - y², each square split into head and tail (Dekker), so that the step below is nearly exact
  const rest = squareTail(h) - squareTail(x) - squareTail(y);
  const heads = h * h - x * x - y * y;
  return scale(h - (heads + rest) / (2 * h), -shift);
}

/** What `x`² loses when it is rounded. */
function squareTail(x: number): number {
  const c = 134217729 * x;
  const high = c - (c - x);
  const low = x - high;
  return low * low - (x * x - high * high - 2 * high * low);
}

/** log(exp(a) + exp(b)). Source: NumPy `npy_logaddexp`. */
export function logAddExp(a: number, b: number): number {
  if (a === b) return a + Math.LN2;
  const d = a - b;
  return d > 0 ? a + Math.log1p(Math.exp(-d)) : d <= 0 ? b + Math.log1p(Math.exp(d)) : d;
}

/** log2(2^a + 2^b). Source: NumPy `npy_logaddexp2`. */
export function logAddExp2(a: number, b: number): number {
  if (a === b) return a + 1;
  const d = a - b;
  return d > 0 ? a + Math.LOG2E * Math.log1p(exp2(-d)) : d <= 0 ? b + Math.LOG2E * Math.log1p(exp2(d)) : d;
}

/** Chebyshev coefficients of exp(-x)·I0(x) on [0, 8]. Source: Cephes `i0.c` (S. Moshier), as NumPy has them. */
export const I0_SMALL: readonly number[] = [
  -4.4153416464793395e-18, 3.3307945188222384e-17, -2.431279846547955e-16, 1.715391285555133e-15,
  -1.1685332877993451e-14, 7.676185498604936e-14, -4.856446783111929e-13, 2.95505266312964e-12, -1.726826291441556e-11,
  9.675809035373237e-11, -5.189795601635263e-10, 2.6598237246823866e-9, -1.300025009986248e-8, 6.046995022541919e-8,
  -2.670793853940612e-7, 1.1173875391201037e-6, -4.4167383584587505e-6, 1.6448448070728896e-5, -5.754195010082104e-5,
  0.00018850288509584165, -0.0005763755745385824, 0.0016394756169413357, -0.004324309995050576, 0.010546460394594998,
  -0.02373741480589947, 0.04930528423967071, -0.09490109704804764, 0.17162090152220877, -0.3046826723431984,
  0.6767952744094761,
];
/** … of exp(-x)·sqrt(x)·I0(x) on [8, inf). */
export const I0_LARGE: readonly number[] = [
  -7.233180487874754e-18, -4.830504485944182e-18, 4.46562142029676e-17, 3.461222867697461e-17, -2.8276239805165836e-16,
  -3.425485619677219e-16, 1.7725601330565263e-15, 3.8116806693526224e-15, -9.554846698828307e-15,
  -4.150569347287222e-14, 1.54008621752141e-14, 3.8527783827421426e-13, 7.180124451383666e-13, -1.7941785315068062e-12,
  -1.3215811840447713e-11, -3.1499165279632416e-11, 1.1889147107846439e-11, 4.94060238822497e-10, 3.3962320257083865e-9,
  2.266668990498178e-8, 2.0489185894690638e-7, 2.8913705208347567e-6, 6.889758346916825e-5, 0.0033691164782556943,
  0.8044904110141088,
];

function chebyshev(x: number, coefficients: readonly number[]): number {
  let [b0, b1, b2] = [0, 0, 0];
  for (const c of coefficients) {
    [b2, b1] = [b1, b0];
    b0 = x * b1 - b2 + c;
  }
  return 0.5 * (b0 - b2);
}

/** Modified Bessel function of the first kind, order 0. */
export function i0(a: number): number {
  const x = Math.abs(a);
  if (x <= 8) return Math.exp(x) * chebyshev(x / 2 - 2, I0_SMALL);
  return (Math.exp(x) * chebyshev(32 / x - 2, I0_LARGE)) / Math.sqrt(x);
}
