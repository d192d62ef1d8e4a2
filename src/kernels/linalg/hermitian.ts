/**
 * Eigenvalues of Hermitian matrices: reduction to a real tridiagonal form by Householder reflections, then QL steps with
 * implicit shifts. Sources: G. Golub and C. Van Loan, Matrix Computations, 4th edition, §8.3; EISPACK `tql2` (H. Bowdler,
 * R. Martin, C. Reinsch and J. Wilkinson, 1968).
 */
import { ArgumentError } from "../../base/index.ts";
import { elementOf, identity, type Matrix, setElement, subtractRow, transposed, zeros } from "./matrix.ts";
import { largest, type Reflection, reflect, reflectionOf, scaled, turnRows } from "./orthogonal.ts";

const EPSILON = 2 ** -52;
/** QL steps allowed per eigenvalue. */
const STEPS_MAX = 60;

/** Eigenvalues in rising order and eigenvectors (columns) of a Hermitian matrix; only one triangle is read. */
export function eigh(a: Matrix, lower: boolean): { readonly values: Float64Array; readonly vectors: Matrix } {
  const n = a.rows;
  const scale = largest(a);
  const h = scaled(completed(a, lower), scale);
  const reflections = tridiagonalize(h);
  const q = identity(n, n, a.im !== null);
  for (const reflection of reflections.toReversed()) reflect(q, reflection, reflection.tau, 0);
  const diagonal = Float64Array.from({ length: n }, (_, k) => h.re[k * n + k] as number);
  const beside = Float64Array.from({ length: n }, (_, k) => (k < n - 1 ? (h.re[(k + 1) * n + k] as number) : 0));
  const columns = transposed(q); // rows are eigenvectors to be
  for (let k = 0; k < n; k++) settle(diagonal, beside, columns, k);
  const order = [...diagonal.keys()].sort((x, y) => (diagonal[x] as number) - (diagonal[y] as number) || x - y);
  const vectors = zeros(n, n, a.im !== null);
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) setElement(vectors, i, to, elementOf(columns, from, i));
  });
  return { values: Float64Array.from(order, (k) => (diagonal[k] as number) * scale), vectors };
}

/** The whole matrix from one triangle. */
function completed(a: Matrix, lower: boolean): Matrix {
  const n = a.rows;
  const out = zeros(n, n, a.im !== null);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const [x, y] = lower ? elementOf(a, i, j) : elementOf(a, j, i);
      const im = i === j ? 0 : lower ? y : -y;
      setElement(out, i, j, [x, im]);
      setElement(out, j, i, [x, -im]);
    }
  }
  return out;
}

/** `h` becomes real and tridiagonal: `Qᴴ·h·Q`; gives the reflections whose product is Q. */
function tridiagonalize(h: Matrix): Reflection[] {
  const n = h.rows;
  const out: Reflection[] = [];
  for (let k = 0; k < n - 1; k++) {
    const made = reflectionOf(h, k + 1, k);
    if (!made) continue;
    const { reflection } = made;
    reflect(h, reflection, [reflection.tau[0], -reflection.tau[1]], k);
    reflectColumns(h, reflection, k);
    out.push(reflection);
  }
  return out;
}

/** `h −= τ · (h·v) · vᴴ`, row by row; rows above `top` are not needed any more. */
function reflectColumns(h: Matrix, { first, v, tau }: Reflection, top: number): void {
  const n = h.rows;
  const bar = zeros(1, n, h.im !== null);
  for (let j = first; j < n; j++) {
    const [x, y] = elementOf(v, j - first, 0);
    setElement(bar, 0, j, [x, -y]);
  }
  for (let i = top; i < n; i++) {
    let re = 0;
    let im = 0;
    for (let j = first, at = i * n + first; j < n; j++, at++) {
      const x = h.re[at] as number;
      const y = h.im?.[at] ?? 0;
      const u = bar.re[j] as number;
      const w = -(bar.im?.[j] ?? 0);
      re += x * u - y * w;
      im += x * w + y * u;
    }
    subtractRow(h, i, bar, { row: 0, from: first }, [tau[0] * re - tau[1] * im, tau[0] * im + tau[1] * re]);
  }
}

/** QL steps until element `k` beside the diagonal is negligible. @throws {ArgumentError} no convergence */
function settle(d: Float64Array, e: Float64Array, z: Matrix, k: number): void {
  const n = d.length;
  for (let step = 0; ; step++) {
    let end = k;
    for (; end < n - 1; end++) {
      const near = Math.abs(d[end] as number) + Math.abs(d[end + 1] as number);
      if (Math.abs(e[end] as number) <= EPSILON * near) break;
    }
    if (end === k) return;
    if (step === STEPS_MAX || Number.isNaN(d[k]))
      throw new ArgumentError("Eigenvalues did not converge", {}, "eigenvalues");
    chase(d, e, z, k, end);
  }
}

/** One implicit QL step on rows `start` … `end`: a bulge is chased from the lower end to the upper. */
function chase(d: Float64Array, e: Float64Array, z: Matrix, start: number, end: number): void {
  const first = e[start] as number;
  const slope = ((d[start + 1] as number) - (d[start] as number)) / (2 * first);
  const root = Math.hypot(slope, 1);
  // The eigenvalue of the upper 2 × 2 block that is nearer to d[start].
  let g = (d[end] as number) - (d[start] as number) + first / (slope + (slope < 0 ? -root : root));
  let s = 1;
  let c = 1;
  let shift = 0;
  for (let i = end - 1; i >= start; i--) {
    const f = s * (e[i] as number);
    const b = c * (e[i] as number);
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      // Recover from underflow: the block splits here.
      d[i + 1] = (d[i + 1] as number) - shift;
      e[end] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = (d[i + 1] as number) - shift;
    const t = ((d[i] as number) - g) * s + 2 * c * b;
    shift = s * t;
    d[i + 1] = g + shift;
    g = c * t - b;
    turnRows(z, i, i + 1, { c, s, er: 1, ei: 0 });
  }
  d[start] = (d[start] as number) - shift;
  e[start] = g;
  e[end] = 0;
}
