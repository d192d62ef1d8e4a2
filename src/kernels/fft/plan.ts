/**
 * Discrete Fourier transforms of any length, many at a time: `X[k] = Σ_j x[j] · exp(−2πi jk/n)` in double precision.
 *
 * Mixed radices 4, 2, 3, 5 and other small primes by Stockham's autosort form (C. Van Loan, Computational Frameworks for
 * the Fast Fourier Transform, 1992); lengths with a large prime factor by L. Bluestein's chirp (1970). Twiddles come from
 * angles reduced to an octant, so each is right to the last bit or two, and the error grows with log n only.
 */

/** Parts of `n × lanes` values, `[j][lane]`. */
export interface Parts {
  re: Float64Array;
  im: Float64Array;
}

/** A stage of a plan. */
export interface Stage {
  readonly radix: number;
  /** Sub-transforms of this stage: n / (what came before) / radix. */
  readonly m: number;
  /** What came before. */
  readonly span: number;
  /** cos and −sin of 2π p k / (m · radix), for p < m and k < radix. */
  readonly twiddles: Float64Array;
}

/** A length made ready. */
export interface FftPlan {
  readonly n: number;
  readonly stages: readonly Stage[];
  readonly chirp: Chirp | null;
  /** Values per lane that `work` needs: n, or the length of the chirp's transforms. */
  readonly length: number;
}

interface Chirp {
  /** exp(−πi k²/n). */
  readonly re: Float64Array;
  readonly im: Float64Array;
  /** Transform of the conjugate chirp, over its length. */
  readonly filter: Parts;
  readonly inner: FftPlan;
}

/** Beyond this a prime factor's own sum costs more than a chirp; lengths that kernels transform have the larger one. */
const PRIME_MAX = 31;
const PRIME_MAX_SHORT = 127;
/** Lengths up to this are transformed by kernels, whatever their factors. */
const SHORT_MAX = 32768;
/** Sum of the lengths of plans that are kept, most recently used last: about 32 MiB of twiddles. */
const KEPT_MAX = 2 ** 20;
const plans = new Map<number, FftPlan>();

/** cos and sin of 2π k / n, from an angle within an octant. */
export function circle(k: number, n: number): readonly [cos: number, sin: number] {
  let x = (((k % n) + n) % n) * 8;
  const octant = Math.floor(x / n);
  x -= octant * n; // eighths of a turn past the octant's start, times n
  const near = octant % 2 === 0 ? x : n - x;
  const angle = (near * Math.PI) / (4 * n);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  switch (octant) {
    case 0:
      return [c, s];
    case 1:
      return [s, c];
    case 2:
      return [-s, c];
    case 3:
      return [-c, s];
    case 4:
      return [-c, -s];
    case 5:
      return [-s, -c];
    case 6:
      return [s, -c];
    default:
      return [c, -s];
  }
}

/** Factors for the stages, or null when one is too large. */
function factorize(n: number): number[] | null {
  const out: number[] = [];
  let rest = n;
  for (const radix of [4, 2, 3, 5]) for (; rest % radix === 0; rest /= radix) out.push(radix);
  const most = n <= SHORT_MAX ? PRIME_MAX_SHORT : PRIME_MAX;
  for (let p = 7; p <= most; p += 2) for (; rest % p === 0; rest /= p) out.push(p);
  return rest === 1 ? out : null;
}

function stagesOf(n: number, factors: readonly number[]): Stage[] {
  let span = 1;
  return factors.map((radix) => {
    const m = n / span / radix;
    const twiddles = new Float64Array(2 * m * radix);
    for (let p = 0; p < m; p++) {
      for (let k = 0; k < radix; k++) {
        const [c, s] = circle(p * k, m * radix);
        twiddles[2 * (p * radix + k)] = c;
        twiddles[2 * (p * radix + k) + 1] = -s;
      }
    }
    const stage = { radix, m, span, twiddles };
    span *= radix;
    return stage;
  });
}

/** Smallest length of radices 2, 3 and 5 that is at least `n`. */
function smooth(n: number): number {
  for (let size = n; ; size++) {
    let rest = size;
    for (const p of [2, 3, 5]) while (rest % p === 0) rest /= p;
    if (rest === 1) return size;
  }
}

function chirpOf(n: number): Chirp {
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n; k++) {
    const [c, s] = circle((k * k) % (2 * n), 2 * n); // exact: n < 2^26
    re[k] = c;
    im[k] = -s;
  }
  const inner = planOf(smooth(2 * n - 1));
  const size = inner.n;
  const filter = { re: new Float64Array(size), im: new Float64Array(size) };
  for (let k = 0; k < n; k++) {
    for (const at of k === 0 ? [0] : [k, size - k]) {
      filter.re[at] = re[k] as number;
      filter.im[at] = -(im[k] as number);
    }
  }
  transform(inner, filter, { re: new Float64Array(size), im: new Float64Array(size) }, 1);
  return { re, im, filter, inner };
}

/** The plan of a length of at least 1; kept for the next use. */
export function planOf(n: number): FftPlan {
  const known = plans.get(n);
  if (known) {
    plans.delete(n);
    plans.set(n, known);
    return known;
  }
  const factors = factorize(n);
  const chirp = factors === null ? chirpOf(n) : null;
  const plan = { n, stages: stagesOf(n, factors ?? []), chirp, length: chirp?.inner.n ?? n };
  plans.set(n, plan);
  let kept = plans.values().reduce((sum, p) => sum + p.length, 0);
  for (const [key, old] of plans) {
    if (kept <= KEPT_MAX || old === plan) break;
    plans.delete(key);
    kept -= old.length;
  }
  return plan;
}

/**
 * Transform `lanes` columns of `x` in place. Both `x` and `work` hold at least `plan.length × lanes` values; afterwards
 * they may have changed their arrays.
 */
export function transform(plan: FftPlan, x: Parts, work: Parts, lanes: number): void {
  if (plan.chirp) return chirped(plan.n, plan.chirp, { x, work }, lanes);
  for (const stage of plan.stages) {
    runStage(stage, x, work, lanes);
    const { re, im } = x;
    x.re = work.re;
    x.im = work.im;
    work.re = re;
    work.im = im;
  }
}

function chirped(n: number, chirp: Chirp, { x, work }: { x: Parts; work: Parts }, lanes: number): void {
  const size = chirp.inner.n;
  for (let k = 0; k < n; k++) {
    const [c, s] = [chirp.re[k] as number, chirp.im[k] as number];
    timesRow(x, k * lanes, lanes, c, s);
  }
  x.re.fill(0, n * lanes, size * lanes);
  x.im.fill(0, n * lanes, size * lanes);
  transform(chirp.inner, x, work, lanes);
  // The inverse transform of a product is the transform with the parts exchanged.
  for (let k = 0; k < size; k++)
    timesRow(x, k * lanes, lanes, chirp.filter.re[k] as number, chirp.filter.im[k] as number);
  const turned = { re: x.im, im: x.re };
  const other = { re: work.im, im: work.re };
  transform(chirp.inner, turned, other, lanes);
  x.re = turned.im;
  x.im = turned.re;
  work.re = other.im;
  work.im = other.re;
  for (let k = 0; k < n; k++)
    timesRow(x, k * lanes, lanes, (chirp.re[k] as number) / size, (chirp.im[k] as number) / size);
}

function timesRow({ re, im }: Parts, from: number, lanes: number, c: number, s: number): void {
  for (let i = from; i < from + lanes; i++) {
    const a = re[i] as number;
    const b = im[i] as number;
    re[i] = a * c - b * s;
    im[i] = a * s + b * c;
  }
}

function runStage(stage: Stage, x: Parts, y: Parts, lanes: number): void {
  switch (stage.radix) {
    case 2:
      return radix2(stage, x, y, lanes);
    case 3:
      return radix3(stage, x, y, lanes);
    case 4:
      return radix4(stage, x, y, lanes);
    case 5:
      return radix5(stage, x, y, lanes);
    default:
      return anyRadix(stage, x, y, lanes);
  }
}

function radix2({ m, span, twiddles }: Stage, x: Parts, y: Parts, lanes: number): void {
  const xr = x.re;
  const xi = x.im;
  const yr = y.re;
  const yi = y.im;
  const row = span * lanes;
  for (let p = 0; p < m; p++) {
    const c = twiddles[4 * p + 2] as number;
    const s = twiddles[4 * p + 3] as number;
    const from = row * p;
    const to = row * 2 * p;
    for (let q = 0; q < row; q++) {
      const ar = xr[from + q] as number;
      const ai = xi[from + q] as number;
      const br = xr[from + m * row + q] as number;
      const bi = xi[from + m * row + q] as number;
      const dr = ar - br;
      const di = ai - bi;
      yr[to + q] = ar + br;
      yi[to + q] = ai + bi;
      yr[to + row + q] = dr * c - di * s;
      yi[to + row + q] = dr * s + di * c;
    }
  }
}

const SIN60 = Math.sqrt(3) / 2;

function radix3({ m, span, twiddles }: Stage, x: Parts, y: Parts, lanes: number): void {
  const xr = x.re;
  const xi = x.im;
  const yr = y.re;
  const yi = y.im;
  const row = span * lanes;
  for (let p = 0; p < m; p++) {
    const c1 = twiddles[6 * p + 2] as number;
    const s1 = twiddles[6 * p + 3] as number;
    const c2 = twiddles[6 * p + 4] as number;
    const s2 = twiddles[6 * p + 5] as number;
    const from = row * p;
    const to = row * 3 * p;
    const gap = m * row;
    for (let q = 0; q < row; q++) {
      const at = from + q;
      const ar = xr[at] as number;
      const ai = xi[at] as number;
      const br = xr[at + gap] as number;
      const bi = xi[at + gap] as number;
      const cr = xr[at + 2 * gap] as number;
      const ci = xi[at + 2 * gap] as number;
      const tr = br + cr;
      const ti = bi + ci;
      const mr = ar - 0.5 * tr;
      const mi = ai - 0.5 * ti;
      const nr = SIN60 * (bi - ci);
      const ni = SIN60 * (cr - br);
      yr[to + q] = ar + tr;
      yi[to + q] = ai + ti;
      yr[to + row + q] = (mr + nr) * c1 - (mi + ni) * s1;
      yi[to + row + q] = (mr + nr) * s1 + (mi + ni) * c1;
      yr[to + 2 * row + q] = (mr - nr) * c2 - (mi - ni) * s2;
      yi[to + 2 * row + q] = (mr - nr) * s2 + (mi - ni) * c2;
    }
  }
}

function radix4({ m, span, twiddles }: Stage, x: Parts, y: Parts, lanes: number): void {
  const xr = x.re;
  const xi = x.im;
  const yr = y.re;
  const yi = y.im;
  const row = span * lanes;
  for (let p = 0; p < m; p++) {
    const t = 8 * p;
    const c1 = twiddles[t + 2] as number;
    const s1 = twiddles[t + 3] as number;
    const c2 = twiddles[t + 4] as number;
    const s2 = twiddles[t + 5] as number;
    const c3 = twiddles[t + 6] as number;
    const s3 = twiddles[t + 7] as number;
    const from = row * p;
    const to = row * 4 * p;
    const gap = m * row;
    for (let q = 0; q < row; q++) {
      const at = from + q;
      const ar = xr[at] as number;
      const ai = xi[at] as number;
      const br = xr[at + gap] as number;
      const bi = xi[at + gap] as number;
      const cr = xr[at + 2 * gap] as number;
      const ci = xi[at + 2 * gap] as number;
      const dr = xr[at + 3 * gap] as number;
      const di = xi[at + 3 * gap] as number;
      const er = ar + cr;
      const ei = ai + ci;
      const fr = ar - cr;
      const fi = ai - ci;
      const gr = br + dr;
      const gi = bi + di;
      const hr = bi - di;
      const hi = dr - br; // (hr, hi) = −i(b − d)
      yr[to + q] = er + gr;
      yi[to + q] = ei + gi;
      yr[to + row + q] = (fr + hr) * c1 - (fi + hi) * s1;
      yi[to + row + q] = (fr + hr) * s1 + (fi + hi) * c1;
      yr[to + 2 * row + q] = (er - gr) * c2 - (ei - gi) * s2;
      yi[to + 2 * row + q] = (er - gr) * s2 + (ei - gi) * c2;
      yr[to + 3 * row + q] = (fr - hr) * c3 - (fi - hi) * s3;
      yi[to + 3 * row + q] = (fr - hr) * s3 + (fi - hi) * c3;
    }
  }
}

const [COS72, SIN72] = circle(1, 5);
const [COS144, SIN144] = circle(2, 5);

function radix5({ m, span, twiddles }: Stage, x: Parts, y: Parts, lanes: number): void {
  const xr = x.re;
  const xi = x.im;
  const yr = y.re;
  const yi = y.im;
  const row = span * lanes;
  const gap = m * row;
  for (let p = 0; p < m; p++) {
    const t = 10 * p;
    const c1 = twiddles[t + 2] as number;
    const s1 = twiddles[t + 3] as number;
    const c2 = twiddles[t + 4] as number;
    const s2 = twiddles[t + 5] as number;
    const c3 = twiddles[t + 6] as number;
    const s3 = twiddles[t + 7] as number;
    const c4 = twiddles[t + 8] as number;
    const s4 = twiddles[t + 9] as number;
    const from = row * p;
    const to = row * 5 * p;
    for (let q = 0; q < row; q++) {
      const at = from + q;
      const ar = xr[at] as number;
      const ai = xi[at] as number;
      // Sums and differences of the pairs 1, 4 and 2, 3.
      const pr = (xr[at + gap] as number) + (xr[at + 4 * gap] as number);
      const pi = (xi[at + gap] as number) + (xi[at + 4 * gap] as number);
      const dr = (xr[at + gap] as number) - (xr[at + 4 * gap] as number);
      const di = (xi[at + gap] as number) - (xi[at + 4 * gap] as number);
      const qr = (xr[at + 2 * gap] as number) + (xr[at + 3 * gap] as number);
      const qi = (xi[at + 2 * gap] as number) + (xi[at + 3 * gap] as number);
      const er = (xr[at + 2 * gap] as number) - (xr[at + 3 * gap] as number);
      const ei = (xi[at + 2 * gap] as number) - (xi[at + 3 * gap] as number);
      const fr = ar + COS72 * pr + COS144 * qr;
      const fi = ai + COS72 * pi + COS144 * qi;
      const gr = ar + COS144 * pr + COS72 * qr;
      const gi = ai + COS144 * pi + COS72 * qi;
      const hr = SIN72 * di + SIN144 * ei;
      const hi = -(SIN72 * dr + SIN144 * er);
      const kr = SIN144 * di - SIN72 * ei;
      const ki = -(SIN144 * dr - SIN72 * er);
      yr[to + q] = ar + pr + qr;
      yi[to + q] = ai + pi + qi;
      yr[to + row + q] = (fr + hr) * c1 - (fi + hi) * s1;
      yi[to + row + q] = (fr + hr) * s1 + (fi + hi) * c1;
      yr[to + 2 * row + q] = (gr + kr) * c2 - (gi + ki) * s2;
      yi[to + 2 * row + q] = (gr + kr) * s2 + (gi + ki) * c2;
      yr[to + 3 * row + q] = (gr - kr) * c3 - (gi - ki) * s3;
      yi[to + 3 * row + q] = (gr - kr) * s3 + (gi - ki) * c3;
      yr[to + 4 * row + q] = (fr - hr) * c4 - (fi - hi) * s4;
      yi[to + 4 * row + q] = (fr - hr) * s4 + (fi - hi) * c4;
    }
  }
}

/** Any radix by its definition, a row of lanes at a time; pairs k and radix − k share products. */
function anyRadix({ radix, m, span, twiddles }: Stage, x: Parts, y: Parts, lanes: number): void {
  const row = span * lanes;
  const roots = Array.from({ length: radix }, (_, k) => circle(k, radix));
  for (let p = 0; p < m; p++) {
    for (let j = 0; j < radix; j++) {
      const to = row * (radix * p + j);
      y.re.set(x.re.subarray(row * p, row * (p + 1)), to);
      y.im.set(x.im.subarray(row * p, row * (p + 1)), to);
      for (let k = 1; k <= radix >> 1; k++) {
        const [c, s] = roots[(j * k) % radix] as readonly [number, number]; // radix of them
        addPair(x, y, { to, a: row * (p + k * m), b: row * (p + (radix - k) * m), row }, c, s);
      }
      const t = 2 * (p * radix + j);
      timesRow(y, to, row, twiddles[t] as number, twiddles[t + 1] as number);
    }
  }
}

interface PairRows {
  readonly to: number;
  readonly a: number;
  readonly b: number;
  readonly row: number;
}

/** y += (x_a + x_b)·c − i·(x_a − x_b)·s, element by element. */
function addPair(x: Parts, y: Parts, { to, a, b, row }: PairRows, c: number, s: number): void {
  const xr = x.re;
  const xi = x.im;
  const yr = y.re;
  const yi = y.im;
  for (let q = 0; q < row; q++) {
    const ar = xr[a + q] as number;
    const ai = xi[a + q] as number;
    const br = xr[b + q] as number;
    const bi = xi[b + q] as number;
    yr[to + q] = (yr[to + q] as number) + (ar + br) * c + (ai - bi) * s;
    yi[to + q] = (yi[to + q] as number) + (ai + bi) * c - (ar - br) * s;
  }
}
