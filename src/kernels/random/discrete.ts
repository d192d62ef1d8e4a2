/**
 * Draws of whole numbers, in NumPy's order of words. Sources: D. Lemire, "Fast Random Integer Generation in an Interval"
 * (2019); W. Hörmann, "The Transformed Rejection Method for Generating Poisson Random Variables" (1993);
 * V. Kachitvichyanukul and B. W. Schmeiser, "Binomial Random Variate Generation" (1988).
 */
import { type Draw, standardExponential, standardGamma } from "./continuous.ts";
import type { BitStream } from "./pcg64.ts";

/** A whole number in [0, range], range below 2^32, from 32-bit halves. */
export function boundedHalf(range: number): Draw {
  if (range === 0) return () => 0;
  if (range === 0xffffffff) return (s) => s.half();
  const count = range + 1;
  const least = (0xffffffff - range) % count;
  // What is left of the 64-bit product decides whether a draw would favour small numbers.
  if (count <= 2 ** 21)
    return (s) => {
      for (;;) {
        const product = s.half() * count;
        const high = Math.floor(product * 2 ** -32);
        if (product - high * 4294967296 >= least) return high;
      }
    };
  const [top, bottom] = [Math.floor(count / 65536), count % 65536];
  return (s) => {
    for (;;) {
      // The product in two parts that a float64 holds.
      const half = s.half();
      const a = half * top;
      const aHigh = Math.floor(a * 2 ** -16);
      const low = (a - aHigh * 65536) * 65536 + half * bottom;
      const lowHigh = Math.floor(low * 2 ** -32);
      if (low - lowHigh * 4294967296 >= least) return aHigh + lowHigh;
    }
  };
}

/** A whole number in [0, range] for ranges of 2^32 and more, from 64-bit words. */
export function boundedWord(range: bigint): (s: BitStream) => bigint {
  const most = (1n << 64n) - 1n;
  if (range === most) return (s) => s.word();
  const count = range + 1n;
  const least = (most - range) % count;
  return (s) => {
    for (;;) {
      const product = s.word() * count;
      if ((product & most) >= least) return product >> 64n;
    }
  };
}

/** A whole number in [0, range] from the 8- or 16-bit parts of halves; `bits` wide. */
export function boundedPart(range: number, bits: 8 | 16): Draw {
  if (range === 0) return () => 0;
  let [left, buffer] = [0, 0];
  const size = 2 ** bits;
  const mask = size - 1;
  const part = (s: BitStream): number => {
    if (left === 0) {
      buffer = s.half();
      left = 32 / bits - 1;
    } else {
      buffer >>>= bits;
      left--;
    }
    return buffer & mask;
  };
  if (range === size - 1) return part;
  const count = range + 1;
  const least = (size - 1 - range) % count;
  return (s) => {
    for (;;) {
      const product = part(s) * count;
      if ((product & mask) >= least) return product >>> bits;
    }
  };
}

/** 0 or 1 from the bits of halves. */
export function coin(): Draw {
  let [left, buffer] = [0, 0];
  return (s) => {
    if (left === 0) {
      buffer = s.half();
      left = 31;
    } else {
      buffer >>>= 1;
      left--;
    }
    return buffer & 1;
  };
}

/** log of the gamma function by Stirling's series, raised to 7 and above. */
function logGamma(x: number): number {
  if (x === 1 || x === 2) return 0;
  const steps = x <= 7 ? Math.floor(7 - x) : 0;
  let z = x + steps;
  const inverse = 1 / (z * z);
  let series = -1.3924322169059;
  for (const c of [
    0.1796443723688307, -0.02955065359477124, 0.00641025641025641, -0.001917526917526918, 0.0008417508417508418,
    -0.0005952380952380952, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333,
  ])
    series = series * inverse + c;
  let value = series / z + 0.5 * Math.log(2 * Math.PI) + (z - 0.5) * Math.log(z) - z;
  for (let k = 0; k < steps; k++) {
    z -= 1;
    value -= Math.log(z);
  }
  return value;
}

/** Poisson: by multiplication below 10, else by transformed rejection. */
export function poisson(mean: number): Draw {
  if (mean === 0) return () => 0;
  if (mean < 10) {
    const end = Math.exp(-mean);
    return (s) => {
      let count = 0;
      for (let product = s.double(); product > end; product *= s.double()) count++;
      return count;
    };
  }
  const logMean = Math.log(mean);
  const b = 0.931 + 2.53 * Math.sqrt(mean);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const bound = 0.9277 - 3.6224 / (b - 2);
  return (s) => {
    for (;;) {
      const u = s.double() - 0.5;
      const v = s.double();
      const us = 0.5 - Math.abs(u);
      const k = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
      if (us >= 0.07 && v <= bound) return k;
      if (k < 0 || (us < 0.013 && v > us)) continue;
      const left = Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (us * us) + b);
      if (left <= -mean + k * logMean - logGamma(k + 1)) return k;
    }
  };
}

/** Binomial: by inversion where n·p is at most 30, else by BTPE. */
export function binomial(n: number, p: number): Draw {
  if (n === 0 || p === 0) return () => 0;
  const small = Math.min(p, 1 - p);
  const draw = n * small <= 30 ? binomialInversion(n, small) : binomialBtpe(n, small);
  return p <= 0.5 ? draw : (s) => n - draw(s);
}

function binomialInversion(n: number, p: number): Draw {
  const q = 1 - p;
  const first = Math.exp(n * Math.log(q));
  const mean = n * p;
  const bound = Math.trunc(Math.min(n, mean + 10 * Math.sqrt(mean * q + 1)));
  return (s) => {
    let x = 0;
    let px = first;
    let u = s.double();
    while (u > px) {
      x++;
      if (x > bound) {
        x = 0;
        px = first;
        u = s.double();
      } else {
        u -= px;
        px = ((n - x + 1) * p * px) / (x * q);
      }
    }
    return x;
  };
}

/** The regions of BTPE: a triangle, two parallelograms beside it, two exponential tails. */
function binomialBtpe(n: number, r: number): Draw {
  const q = 1 - r;
  const fm = n * r + r;
  const m = Math.floor(fm);
  const p1 = Math.floor(2.195 * Math.sqrt(n * r * q) - 4.6 * q) + 0.5;
  const xm = m + 0.5;
  const xl = xm - p1;
  const xr = xm + p1;
  const c = 0.134 + 20.5 / (15.3 + m);
  const slope = (a: number): number => a * (1 + a / 2);
  const left = slope((fm - xl) / (fm - xl * r));
  const right = slope((xr - fm) / (xr * q));
  const p2 = p1 * (1 + 2 * c);
  const p3 = p2 + c / left;
  const p4 = p3 + c / right;
  const accepts = btpeTest({ n, r, q, m, xm });
  return (s) => {
    for (;;) {
      const u = s.double() * p4;
      let v = s.double();
      let y: number;
      if (u <= p1) return Math.floor(xm - p1 * v + u);
      if (u <= p2) {
        const x = xl + (u - p1) / c;
        v = v * c + 1 - Math.abs(m - x + 0.5) / p1;
        if (v > 1) continue;
        y = Math.floor(x);
      } else if (u <= p3) {
        y = Math.floor(xl + Math.log(v) / left);
        if (y < 0 || v === 0) continue;
        v = v * (u - p2) * left;
      } else {
        y = Math.floor(xr - Math.log(v) / right);
        if (y > n || v === 0) continue;
        v = v * (u - p3) * right;
      }
      if (accepts(y, v)) return y;
    }
  };
}

/** BTPE's tests of a candidate: by the recursion near the mode, else by squeezes and Stirling's series. */
function btpeTest({
  n,
  r,
  q,
  m,
  xm,
}: Readonly<Record<"n" | "r" | "q" | "m" | "xm", number>>): (y: number, v: number) => boolean {
  const nrq = n * r * q;
  const stirling = (f: number): number => {
    const f2 = f * f;
    return (13680 - (462 - (132 - (99 - 140 / f2) / f2) / f2) / f2) / f / 166320;
  };
  return (y, v) => {
    const k = Math.abs(y - m);
    if (k <= 20 || k >= nrq / 2 - 1) {
      const ratio = r / q;
      const a = ratio * (n + 1);
      let f = 1;
      for (let i = m + 1; i <= y; i++) f *= a / i - ratio;
      for (let i = y + 1; i <= m; i++) f /= a / i - ratio;
      return v <= f;
    }
    const rho = (k / nrq) * ((k * (k / 3 + 0.625) + 0.16666666666666666) / nrq + 0.5);
    const t = (-k * k) / (2 * nrq);
    const logV = Math.log(v);
    if (logV < t - rho) return true;
    if (logV > t + rho) return false;
    const [x1, f1, z, w] = [y + 1, m + 1, n + 1 - m, n - y + 1];
    const bound =
      xm * Math.log(f1 / x1) +
      (n - m + 0.5) * Math.log(z / w) +
      (y - m) * Math.log((w * r) / (x1 * q)) +
      stirling(f1) +
      stirling(z) +
      stirling(x1) +
      stirling(w);
    return logV <= bound;
  };
}

/** Number of trials up to the first success. */
export function geometric(p: number): Draw {
  if (p >= 1 / 3) {
    return (s) => {
      let count = 1;
      let sum = p;
      let product = p;
      for (const u = s.double(); u > sum; count++) {
        product *= 1 - p;
        sum += product;
      }
      return count;
    };
  }
  const draw = standardExponential();
  const scale = Math.log1p(-p);
  return (s) => Math.ceil(-draw(s) / scale);
}

/** By name and parameters. */
export const DISCRETE: Readonly<Record<string, (p: readonly number[]) => Draw>> = {
  poisson: ([mean = 1]) => poisson(mean),
  binomial: ([n = 1, p = 0.5]) => binomial(n, p),
  geometric: ([p = 0.5]) => geometric(p),
  negativeBinomial: ([n = 1, p = 0.5]) => {
    const draw = standardGamma(n);
    return (s) => poisson(((1 - p) / p) * draw(s))(s);
  },
};
