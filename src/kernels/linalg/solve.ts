/**
 * LU with partial pivoting (the largest |re| + |im| of a column, as LAPACK's getrf), and what follows from it:
 * determinants, inverses, solutions; Cholesky factors; triangular systems. Source: G. Golub and C. Van Loan,
 * Matrix Computations, 4th edition, algorithms 3.4.1, 3.1.1 and 4.2.2.
 */
import { ArgumentError } from "../../base/index.ts";
import {
  copyOf,
  elementOf,
  type Matrix,
  quotient,
  scaleRow,
  setElement,
  subtractRow,
  swapRows,
  zeros,
} from "./matrix.ts";

/** `P·A = L·U` packed in one matrix. */
export interface Lu {
  readonly packed: Matrix;
  /** Row of A that stands in each row. */
  readonly order: Int32Array;
  /** 1 or −1: how many exchanges, even or odd. */
  readonly sign: number;
  readonly isSingular: boolean;
}

/** Factors of any matrix. */
export function luOf(a: Matrix): Lu {
  const packed = copyOf(a);
  const { rows, cols, re, im } = packed;
  const order = Int32Array.from({ length: rows }, (_, k) => k);
  let sign = 1;
  let isSingular = false;
  const size = (at: number): number => Math.abs(re[at] as number) + Math.abs(im?.[at] ?? 0);
  for (let k = 0; k < Math.min(rows, cols); k++) {
    let best = k;
    for (let i = k + 1; i < rows; i++) if (size(i * cols + k) > size(best * cols + k)) best = i;
    if (size(best * cols + k) === 0) {
      isSingular = true;
      continue;
    }
    if (best !== k) {
      swapRows(packed, best, k);
      const row = order[best] as number; // within
      order[best] = order[k] as number;
      order[k] = row;
      sign = -sign;
    }
    const [pr, pi] = elementOf(packed, k, k);
    for (let i = k + 1; i < rows; i++) {
      const [xr, xi] = elementOf(packed, i, k);
      const factor = quotient(xr, xi, pr, pi);
      setElement(packed, i, k, factor);
      if (factor[0] !== 0 || factor[1] !== 0) subtractRow(packed, i, packed, { row: k, from: k + 1 }, factor);
    }
  }
  return { packed, order, sign, isSingular };
}

/** The error of a matrix that has no inverse. */
export function singular(): Error {
  return new ArgumentError("Singular matrix: it has no inverse, to working precision", {}, "singular-matrix");
}

/** Solution of `a·x = b`. @throws {ArgumentError} code `singular-matrix` */
export function solve(a: Matrix, b: Matrix): Matrix {
  const { packed, order, isSingular } = luOf(a);
  if (isSingular) throw singular();
  const x = zeros(b.rows, b.cols, b.im !== null);
  order.forEach((from, to) => {
    x.re.set(b.re.subarray(from * b.cols, (from + 1) * b.cols), to * b.cols);
    if (x.im && b.im) x.im.set(b.im.subarray(from * b.cols, (from + 1) * b.cols), to * b.cols);
  });
  substitute(packed, x, { lower: true, unit: true });
  substitute(packed, x, { lower: false, unit: false });
  return x;
}

/** Solve a triangular system in place; what lies beyond the triangle is not read. */
export function substitute(a: Matrix, x: Matrix, { lower, unit }: { lower: boolean; unit: boolean }): void {
  const n = a.rows;
  for (let step = 0; step < n; step++) {
    const k = lower ? step : n - 1 - step;
    if (!unit) {
      const [pr, pi] = elementOf(a, k, k);
      if (pr === 0 && pi === 0) throw singular();
      scaleRow(x, { row: k, from: 0 }, quotient(1, 0, pr, pi));
    }
    for (let i = lower ? k + 1 : 0; i < (lower ? n : k); i++) {
      const factor = elementOf(a, i, k);
      if (factor[0] !== 0 || factor[1] !== 0) subtractRow(x, i, x, { row: k, from: 0 }, factor);
    }
  }
}

/** Sign (of modulus 1, or 0) and the logarithm of the modulus of the determinant. */
export function logDeterminant(a: Matrix): { readonly sign: readonly [number, number]; readonly log: number } {
  const { packed, sign, isSingular } = luOf(a);
  if (isSingular) return { sign: [0, 0], log: Number.NEGATIVE_INFINITY };
  let [sr, si, log] = [sign, 0, 0];
  for (let k = 0; k < a.rows; k++) {
    const [x, y] = elementOf(packed, k, k);
    const size = Math.hypot(x, y);
    [sr, si] = [(sr * x - si * y) / size, (sr * y + si * x) / size];
    log += Math.log(size);
  }
  return { sign: [sr, si], log };
}

/** The determinant. */
export function determinant(a: Matrix): readonly [number, number] {
  const { packed, sign } = luOf(a);
  let [dr, di] = [sign, 0];
  for (let k = 0; k < a.rows; k++) {
    const [x, y] = elementOf(packed, k, k);
    [dr, di] = [dr * x - di * y, dr * y + di * x];
  }
  return [dr, di];
}

/**
 * Lower factor L of a Hermitian matrix, `L·Lᴴ = a`; only the lower triangle is read.
 * @throws {ArgumentError} code `not-positive-definite`
 */
export function cholesky(a: Matrix): Matrix {
  const n = a.rows;
  const out = zeros(n, n, a.im !== null);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let [re, im] = elementOf(a, i, j);
      for (let k = 0, p = i * n, q = j * n; k < j; k++, p++, q++) {
        const x = out.re[p] as number;
        const y = out.im?.[p] ?? 0;
        const u = out.re[q] as number;
        const v = out.im?.[q] ?? 0;
        re -= x * u + y * v;
        im -= y * u - x * v;
      }
      if (i > j) {
        const d = out.re[j * n + j] as number; // real and positive
        setElement(out, i, j, [re / d, im / d]);
      } else {
        if (!(re > 0))
          throw new ArgumentError("Matrix is not positive definite", { details: { row: i } }, "not-positive-definite");
        setElement(out, i, i, [Math.sqrt(re), 0]);
      }
    }
  }
  return out;
}
