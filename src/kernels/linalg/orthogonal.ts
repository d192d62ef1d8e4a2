/**
 * Decompositions by unitary transforms: QR by Householder reflections (signs as LAPACK's geqrf), singular values by
 * one-sided Jacobi rotations after QR. Sources: G. Golub and C. Van Loan, Matrix Computations, 4th edition, §§5.2, 8.6.3;
 * LAPACK `zlarfg`.
 */
import {
  adjoint,
  copyOf,
  elementOf,
  identity,
  type Matrix,
  product,
  setElement,
  subtractRow,
  transposed,
  zeros,
} from "./matrix.ts";

/** One reflection `I − τ·v·vᴴ`; v begins at row `first`, where it is 1. */
export interface Reflection {
  readonly first: number;
  readonly v: Matrix;
  readonly tau: readonly [number, number];
}

/** The reflection that takes column `k` of `a` below row `first` to zero, or null where it is zero already. */
export function reflectionOf(
  a: Matrix,
  first: number,
  k: number,
): { readonly reflection: Reflection; readonly beta: number } | null {
  const [alpha, alphaIm] = elementOf(a, first, k);
  let below = 0;
  for (let i = first + 1; i < a.rows; i++) below = Math.hypot(below, ...elementOf(a, i, k));
  if (below === 0 && alphaIm === 0) return null;
  const norm = Math.hypot(alpha, alphaIm, below);
  const beta = alpha < 0 || Object.is(alpha, -0) ? norm : -norm;
  const v = zeros(a.rows - first, 1, a.im !== null);
  const [dr, di] = [alpha - beta, alphaIm];
  const size = dr * dr + di * di;
  v.re[0] = 1;
  for (let i = first + 1; i < a.rows; i++) {
    const [x, y] = elementOf(a, i, k);
    setElement(v, i - first, 0, [(x * dr + y * di) / size, (y * dr - x * di) / size]);
  }
  return { reflection: { first, v, tau: [(beta - alpha) / beta, -alphaIm / beta] }, beta };
}

/** `a −= τ · v · (vᴴ·a)` from column `from` on. */
export function reflect(a: Matrix, { first, v }: Reflection, tau: readonly [number, number], from: number): void {
  const w = zeros(1, a.cols, a.im !== null);
  for (let i = 0; i < v.rows; i++) {
    const [x, y] = elementOf(v, i, 0);
    subtractRow(w, 0, a, { row: first + i, from }, [-x, y]);
  }
  for (let i = 0; i < v.rows; i++) {
    const [x, y] = elementOf(v, i, 0);
    subtractRow(a, first + i, w, { row: 0, from }, [tau[0] * x - tau[1] * y, tau[0] * y + tau[1] * x]);
  }
}

/** `a = Q·R`: Q has `columns` orthonormal columns, R as many rows. */
export function qr(a: Matrix, columns: number): { readonly q: Matrix; readonly r: Matrix } {
  const work = copyOf(a);
  const reflections: Reflection[] = [];
  for (let k = 0; k < Math.min(a.rows, a.cols); k++) {
    const made = reflectionOf(work, k, k);
    if (!made) continue;
    const { reflection, beta } = made;
    reflect(work, reflection, [reflection.tau[0], -reflection.tau[1]], k + 1);
    setElement(work, k, k, [beta, 0]);
    for (let i = k + 1; i < a.rows; i++) setElement(work, i, k, [0, 0]);
    reflections.push(reflection);
  }
  const r = zeros(columns, a.cols, a.im !== null);
  r.re.set(work.re.subarray(0, r.re.length));
  if (r.im && work.im) r.im.set(work.im.subarray(0, r.im.length));
  const q = identity(a.rows, columns, a.im !== null);
  for (const reflection of reflections.toReversed()) reflect(q, reflection, reflection.tau, 0);
  return { q, r };
}

const SWEEPS_MAX = 60;
const EPSILON = 2 ** -52;

/** Rows i and j of `a` turned by a rotation: `x' = c·x − s·e·y`, `y' = s·x + c·e·y`, with |e| = 1. */
export function turnRows(a: Matrix, i: number, j: number, turn: Rotation): void {
  if (a.im === null) turnReal(a.re, i * a.cols, j * a.cols, a.cols, turn);
  else turnComplex(a.re, a.im, i * a.cols, j * a.cols, a.cols, turn);
}

function turnReal(a: Float64Array, i: number, j: number, n: number, { c, s, er }: Rotation): void {
  const se = s * er;
  const ce = c * er;
  for (let k = 0, p = i, q = j; k < n; k++, p++, q++) {
    const x = a[p] as number;
    const y = a[q] as number;
    a[p] = c * x - se * y;
    a[q] = s * x + ce * y;
  }
}

function turnComplex(ar: Float64Array, ai: Float64Array, i: number, j: number, n: number, turn: Rotation): void {
  const { c, s, er, ei } = turn;
  for (let k = 0, p = i, q = j; k < n; k++, p++, q++) {
    const x = ar[p] as number;
    const u = ai[p] as number;
    const y = ar[q] as number;
    const v = ai[q] as number;
    const yr = er * y - ei * v;
    const yi = er * v + ei * y;
    ar[p] = c * x - s * yr;
    ai[p] = c * u - s * yi;
    ar[q] = s * x + c * yr;
    ai[q] = s * u + c * yi;
  }
}

interface Rotation {
  readonly c: number;
  readonly s: number;
  readonly er: number;
  readonly ei: number;
}

/** The rotation that makes the off-diagonal element (gr, gi) of [[a, g], [ḡ, b]] zero. */
function rotationOf(a: number, b: number, gr: number, gi: number): Rotation {
  const size = Math.hypot(gr, gi);
  const zeta = (b - a) / (2 * size);
  const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
  const c = 1 / Math.sqrt(1 + t * t);
  return { c, s: c * t, er: gr / size, ei: -gi / size };
}

/** Σ x·y of two parts of rows. */
function dotParts(x: Float64Array, i: number, y: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += (x[i + k] as number) * (y[j + k] as number);
  return sum;
}

/** Σ conj(x)·y of two rows, as [re, im]. */
function dotRows({ re, im, cols }: Matrix, i: number, j: number): readonly [number, number] {
  const [p, q] = [i * cols, j * cols];
  const real = dotParts(re, p, re, q, cols);
  if (im === null) return [real, 0];
  return [real + dotParts(im, p, im, q, cols), dotParts(re, p, im, q, cols) - dotParts(im, p, re, q, cols)];
}

/** Singular values and vectors: `a = U·diag(s)·Vᴴ`. `u` has `columns` columns, `vh` has `rows` rows. */
export interface Svd {
  readonly u: Matrix;
  readonly s: Float64Array;
  readonly vh: Matrix;
}

/** Full sets of vectors with `full`, else min(rows, cols) of each. */
export function svd(a: Matrix, full: boolean): Svd {
  if (a.rows < a.cols) {
    const { u, s, vh } = svd(adjoint(a), full);
    return { u: adjoint(vh), s, vh: adjoint(u) };
  }
  const n = a.cols;
  const scale = largest(a);
  const { q, r } = qr(scaled(a, scale), full ? a.rows : n);
  // Rows of w are the columns of R; they are made orthogonal, and v follows.
  const square = { ...r, rows: n, re: r.re.slice(0, n * n), im: r.im?.slice(0, n * n) ?? null };
  const w = transposed(square);
  const v = identity(n, n, a.im !== null);
  for (let sweep = 0, isDone = false; !isDone && sweep < SWEEPS_MAX; sweep++) isDone = orthogonalize(w, v);
  const norms = Float64Array.from({ length: n }, (_, k) => Math.sqrt(dotRows(w, k, k)[0]));
  const order = [...norms.keys()].sort((x, y) => (norms[y] as number) - (norms[x] as number) || x - y);
  const s = Float64Array.from(order, (k) => norms[k] as number);
  const inner = leftVectors(w, order, s);
  const outer = identity(full ? a.rows : n, full ? a.rows : n, a.im !== null);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) setElement(outer, i, j, elementOf(inner, i, j));
  const vh = zeros(n, n, a.im !== null);
  order.forEach((from, to) => {
    for (let j = 0; j < n; j++) {
      const [x, y] = elementOf(v, from, j);
      setElement(vh, to, j, [x, -y]);
    }
  });
  return { u: product(q, outer), s: s.map((x) => x * scale), vh };
}

/** A power of 2 near the largest element. */
export function largest(a: Matrix): number {
  let max = 0;
  for (const part of a.im ? [a.re, a.im] : [a.re]) for (const x of part) max = Math.max(max, Math.abs(x));
  return max === 0 || !Number.isFinite(max) ? 1 : 2 ** Math.floor(Math.log2(max));
}

/** All elements divided by a number. */
export function scaled(a: Matrix, by: number): Matrix {
  return { ...a, re: a.re.map((x) => x / by), im: a.im?.map((x) => x / by) ?? null };
}

/** One sweep over all pairs; true when none needed a rotation. Squared norms follow the rotations within a sweep. */
function orthogonalize(w: Matrix, v: Matrix): boolean {
  const squares = Float64Array.from({ length: w.rows }, (_, k) => dotRows(w, k, k)[0]);
  let isDone = true;
  for (let i = 0; i < w.rows; i++) {
    for (let j = i + 1; j < w.rows; j++) {
      const [gr, gi] = dotRows(w, i, j);
      const a = squares[i] as number; // one per row
      const b = squares[j] as number;
      const size = Math.hypot(gr, gi);
      if (!(size > EPSILON * Math.sqrt(Math.abs(a * b)))) continue;
      isDone = false;
      const turn = rotationOf(a, b, gr, gi);
      turnRows(w, i, j, turn);
      turnRows(v, i, j, turn);
      const moved = (turn.s / turn.c) * size;
      squares[i] = Math.max(0, a - moved);
      squares[j] = b + moved;
    }
  }
  return isDone;
}

/** Columns w/s in the order of `s`; where s is 0, whatever completes an orthonormal set. */
function leftVectors(w: Matrix, order: readonly number[], s: Float64Array): Matrix {
  const n = w.rows;
  const rows = zeros(n, n, w.im !== null);
  const tiny = n * EPSILON * (s[0] ?? 0);
  let unit = 0;
  order.forEach((from, to) => {
    const size = s[to] as number; // one per column
    if (size > tiny) {
      for (let j = 0; j < n; j++) {
        const [x, y] = elementOf(w, from, j);
        setElement(rows, to, j, [x / size, y / size]);
      }
      return;
    }
    while (!completeRow(rows, to, unit++)) if (unit > n) break;
  });
  return transposed(rows);
}

/** Make row `to` the unit vector `unit` less its share in the rows above; false when nothing is left. */
function completeRow(a: Matrix, to: number, unit: number): boolean {
  for (let j = 0; j < a.cols; j++) setElement(a, to, j, [j === unit ? 1 : 0, 0]);
  for (let pass = 0; pass < 2; pass++)
    for (let i = 0; i < to; i++) subtractRow(a, to, a, { row: i, from: 0 }, dotRows(a, i, to));
  const size = Math.sqrt(dotRows(a, to, to)[0]);
  if (size < 0.1 / Math.sqrt(a.cols)) return false;
  for (let j = 0; j < a.cols; j++) {
    const [x, y] = elementOf(a, to, j);
    setElement(a, to, j, [x / size, y / size]);
  }
  return true;
}
