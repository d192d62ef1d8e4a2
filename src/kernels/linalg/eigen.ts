/**
 * Eigenvalues and right eigenvectors of any square matrix, in complex arithmetic: reduction to Hessenberg form by
 * Householder reflections, shifted QR steps to a triangle (Schur form), back substitution. Sources: G. Golub and
 * C. Van Loan, Matrix Computations, 4th edition, §§7.4–7.6; EISPACK `comqr2`; Wilkinson's shift.
 */
import { ArgumentError } from "../../base/index.ts";
import { elementOf, identity, type Matrix, quotient, setElement, transposed, zeros } from "./matrix.ts";

const EPSILON = 2 ** -52;
/** QR steps allowed per eigenvalue. */
const STEPS_MAX = 60;

interface Pair {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** A complex copy. */
function complexCopy(a: Matrix): Matrix & Pair {
  return { ...a, re: a.re.slice(), im: a.im?.slice() ?? new Float64Array(a.re.length) };
}

/**
 * The plane rotation of rows i and i + 1 (and, on the other side, of columns): `[c, s; −s̄, c]` with real c.
 * Applied to `n` entries of two vectors `step` apart.
 */
function turn(
  a: Pair,
  [p, q]: readonly [number, number],
  step: number,
  n: number,
  c: number,
  s: readonly [number, number],
): void {
  const sr = s[0];
  const si = s[1];
  for (let k = 0, i = p, j = q; k < n; k++, i += step, j += step) {
    const x = a.re[i] as number;
    const u = a.im[i] as number;
    const y = a.re[j] as number;
    const v = a.im[j] as number;
    a.re[i] = c * x + sr * y - si * v;
    a.im[i] = c * u + sr * v + si * y;
    a.re[j] = c * y - sr * x - si * u;
    a.im[j] = c * v - sr * u + si * x;
  }
}

/** c and s that take (x, y) to (r, 0). */
function rotation(
  x: readonly [number, number],
  y: readonly [number, number],
): { c: number; s: readonly [number, number] } {
  const [a, b] = [Math.hypot(...x), Math.hypot(...y)];
  if (b === 0) return { c: 1, s: [0, 0] };
  if (a === 0) return { c: 0, s: [y[0] / b, -y[1] / b] };
  const r = Math.hypot(a, b);
  const [er, ei] = [x[0] / a, x[1] / a];
  return { c: a / r, s: [(er * y[0] + ei * y[1]) / r, (ei * y[0] - er * y[1]) / r] };
}

/** Upper Hessenberg form by rotations; the columns of the product of their inverses are the rows of `z`. */
function hessenberg(h: Matrix & Pair, z: Matrix & Pair): void {
  const n = h.rows;
  for (let k = 0; k < n - 2; k++) {
    for (let i = n - 1; i > k + 1; i--) {
      if (h.re[i * n + k] === 0 && h.im[i * n + k] === 0) continue;
      const { c, s } = rotation(elementOf(h, i - 1, k), elementOf(h, i, k));
      turn(h, [(i - 1) * n, i * n], 1, n, c, s);
      setElement(h, i, k, [0, 0]);
      turnBack(h, z, i - 1, n, { c, s });
    }
  }
}

/** Columns i and i + 1 of `h` (first `rows` rows), and rows of `z`, by the inverse rotation. */
function turnBack(
  h: Matrix & Pair,
  z: Matrix & Pair,
  i: number,
  rows: number,
  { c, s }: { c: number; s: readonly [number, number] },
): void {
  const n = h.rows;
  const back: readonly [number, number] = [s[0], -s[1]];
  turn(h, [i, i + 1], n, rows, c, back);
  turn(z, [i * n, (i + 1) * n], 1, n, c, back);
}

/** The eigenvalue of the last 2 × 2 block that is nearer to its last element. */
function shiftOf(h: Matrix, end: number): readonly [number, number] {
  const [a, b] = [elementOf(h, end - 1, end - 1), elementOf(h, end - 1, end)];
  const [c, d] = [elementOf(h, end, end - 1), elementOf(h, end, end)];
  const [pr, pi] = [(a[0] - d[0]) / 2, (a[1] - d[1]) / 2];
  const bc: readonly [number, number] = [b[0] * c[0] - b[1] * c[1], b[0] * c[1] + b[1] * c[0]];
  const [dr, di] = [pr * pr - pi * pi + bc[0], 2 * pr * pi + bc[1]];
  const size = Math.hypot(dr, di);
  let rr = Math.sqrt(Math.max(0, (size + dr) / 2));
  let ri = Math.sqrt(Math.max(0, (size - dr) / 2)) * (di < 0 ? -1 : 1);
  if (pr * rr + pi * ri < 0) {
    rr = -rr;
    ri = -ri;
  }
  if (pr + rr === 0 && pi + ri === 0) return d;
  const [tr, ti] = quotient(bc[0], bc[1], pr + rr, pi + ri);
  return [d[0] - tr, d[1] - ti];
}

/** Schur form: `h` becomes triangular, `z` collects the unitary factor. @throws {ArgumentError} no convergence */
function schur(h: Matrix & Pair, z: Matrix & Pair): void {
  const n = h.rows;
  const norm = (i: number, j: number): number =>
    Math.abs(h.re[i * n + j] as number) + Math.abs(h.im[i * n + j] as number);
  for (let end = n - 1, steps = 0; end > 0; ) {
    let start = end;
    for (; start > 0; start--) {
      const near = norm(start, start) + norm(start - 1, start - 1);
      if (norm(start, start - 1) <= EPSILON * near || norm(start, start - 1) < 1e-300) {
        setElement(h, start, start - 1, [0, 0]);
        break;
      }
    }
    if (start === end) {
      end--;
      steps = 0;
      continue;
    }
    if (++steps > STEPS_MAX) throw new ArgumentError("Eigenvalues did not converge", {}, "eigenvalues");
    // An exceptional shift now and then breaks cycles.
    const shift: readonly [number, number] = steps % 10 === 0 ? [norm(end, end - 1), 0] : shiftOf(h, end);
    qrStep(h, z, { start, end }, shift);
  }
}

function qrStep(
  h: Matrix & Pair,
  z: Matrix & Pair,
  { start, end }: { start: number; end: number },
  shift: readonly [number, number],
): void {
  const n = h.rows;
  for (let k = start; k <= end; k++) {
    h.re[k * n + k] = (h.re[k * n + k] as number) - shift[0];
    h.im[k * n + k] = (h.im[k * n + k] as number) - shift[1];
  }
  const turns: { c: number; s: readonly [number, number] }[] = [];
  for (let k = start; k < end; k++) {
    const made = rotation(elementOf(h, k, k), elementOf(h, k + 1, k));
    turn(h, [k * n + k, (k + 1) * n + k], 1, n - k, made.c, made.s);
    setElement(h, k + 1, k, [0, 0]);
    turns.push(made);
  }
  turns.forEach((made, k) => {
    turnBack(h, z, start + k, Math.min(start + k + 2, n), made);
  });
  for (let k = start; k <= end; k++) {
    h.re[k * n + k] = (h.re[k * n + k] as number) + shift[0];
    h.im[k * n + k] = (h.im[k * n + k] as number) + shift[1];
  }
}

/** Eigenvectors of a triangle: row k holds the k + 1 elements of the k-th that are not 0. */
function triangleVectors(t: Matrix & Pair): Matrix & Pair {
  const n = t.rows;
  const out = complexCopy(zeros(n, n, true));
  let scale = 0;
  for (let k = 0; k < n; k++) scale = Math.max(scale, Math.hypot(...elementOf(t, k, k)));
  const tiny = Math.max(EPSILON * scale, 1e-300);
  for (let k = 0; k < n; k++) {
    const row = k * n;
    out.re[row + k] = 1;
    const [lr, li] = elementOf(t, k, k);
    for (let i = k - 1; i >= 0; i--) {
      const [re, im] = rowProduct(t, i * n, out, row, { from: i + 1, to: k + 1 });
      const [dr, di] = elementOf(t, i, i);
      const isEqual = Math.hypot(dr - lr, di - li) < tiny;
      const [x, y] = isEqual ? quotient(-re, -im, tiny, 0) : quotient(-re, -im, dr - lr, di - li);
      out.re[row + i] = x;
      out.im[row + i] = y;
    }
  }
  return out;
}

/** Σ a·b over elements `from` … `to` of two rows, as [re, im]. */
function rowProduct(
  a: Pair,
  p: number,
  b: Pair,
  q: number,
  { from, to }: { from: number; to: number },
): readonly [number, number] {
  let re = 0;
  let im = 0;
  for (let j = from; j < to; j++) {
    const x = a.re[p + j] as number;
    const u = a.im[p + j] as number;
    const y = b.re[q + j] as number;
    const v = b.im[q + j] as number;
    re += x * y - u * v;
    im += x * v + u * y;
  }
  return [re, im];
}

/** Eigenvalues (n × 1, complex), and the eigenvectors of norm 1 as columns. @throws {ArgumentError} no convergence */
export function eig(a: Matrix): { readonly values: Matrix; readonly vectors: Matrix } {
  const n = a.rows;
  const h = complexCopy(a);
  const z = complexCopy(identity(n, n, true)); // rows are the columns of the unitary factor
  hessenberg(h, z);
  schur(h, z);
  const values = zeros(n, 1, true);
  for (let k = 0; k < n; k++) setElement(values, k, 0, elementOf(h, k, k));
  const inner = triangleVectors(h);
  const rows = complexCopy(transposed(z)); // rows of the unitary factor
  const vectors = zeros(n, n, true);
  for (let k = 0; k < n; k++) {
    let size = 0;
    for (let i = 0; i < n; i++) {
      const [re, im] = rowProduct(rows, i * n, inner, k * n, { from: 0, to: k + 1 });
      setElement(vectors, i, k, [re, im]);
      size = Math.hypot(size, re, im);
    }
    for (let i = 0; i < n; i++) {
      const [re, im] = elementOf(vectors, i, k);
      setElement(vectors, i, k, [re / size, im / size]);
    }
  }
  return { values, vectors };
}
