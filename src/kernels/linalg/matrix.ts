/** Small dense matrices in double precision, row by row, real or complex: what the decompositions work on. */
import { DTYPES } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";

/** A matrix in C order; `im` is null where all is real. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly re: Float64Array;
  readonly im: Float64Array | null;
}

/** Zeros. */
export function zeros(rows: number, cols: number, isComplex: boolean): Matrix {
  return { rows, cols, re: new Float64Array(rows * cols), im: isComplex ? new Float64Array(rows * cols) : null };
}

/** Ones on the diagonal. */
export function identity(rows: number, cols: number, isComplex: boolean): Matrix {
  const out = zeros(rows, cols, isComplex);
  for (let k = 0; k < Math.min(rows, cols); k++) out.re[k * cols + k] = 1;
  return out;
}

/** A copy. */
export function copyOf(a: Matrix): Matrix {
  return { ...a, re: a.re.slice(), im: a.im?.slice() ?? null };
}

/** Elements of a block's matrix whose first element is `at`. */
export function readMatrix(block: NDArray, at: number): Matrix {
  const isComplex = DTYPES[block.dtype].components === 2;
  const [rows, cols] = block.shape.slice(-2) as [number, number]; // rank 2 at least
  const [rowStep, step] = block.stride.slice(-2) as [number, number];
  const out = zeros(rows, cols, isComplex);
  const data = block.data as Float64Array; // floats: the array room casts
  for (let i = 0; i < rows; i++) {
    for (let j = 0, from = at + i * rowStep, to = i * cols; j < cols; j++, from += step, to++) {
      out.re[to] = data[isComplex ? 2 * from : from] as number;
      if (out.im) out.im[to] = data[2 * from + 1] as number;
    }
  }
  return out;
}

/** Store `a` at rows `top` … of the matrix of `out` (C order) that begins at `at` and has `width` columns. */
export function writeMatrix(out: NDArray, at: number, a: Matrix, { top, width }: { top: number; width: number }): void {
  const isComplex = DTYPES[out.dtype].components === 2;
  const data = out.data as Float64Array; // floats
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0, to = at + (top + i) * width, from = i * a.cols; j < a.cols; j++, to++, from++) {
      if (!isComplex) data[to] = a.re[from] as number;
      else {
        data[2 * to] = a.re[from] as number;
        data[2 * to + 1] = a.im?.[from] ?? 0;
      }
    }
  }
}

/** Rows of `a` as columns, conjugated. */
export function adjoint(a: Matrix): Matrix {
  const out = zeros(a.cols, a.rows, a.im !== null);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) {
      out.re[j * a.rows + i] = a.re[i * a.cols + j] as number;
      if (out.im && a.im) out.im[j * a.rows + i] = -(a.im[i * a.cols + j] as number);
    }
  }
  return out;
}

/** Rows of `a` as columns. */
export function transposed(a: Matrix): Matrix {
  const out = zeros(a.cols, a.rows, a.im !== null);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) {
      out.re[j * a.rows + i] = a.re[i * a.cols + j] as number;
      if (out.im && a.im) out.im[j * a.rows + i] = a.im[i * a.cols + j] as number;
    }
  }
  return out;
}

/** Which part of a row: `row` of the matrix, columns `from` and on. */
export interface RowPart {
  readonly row: number;
  readonly from: number;
}

/** `a[to] −= (re + i·im) · b[row]` from column `from` on; equal numbers of columns. */
export function subtractRow(
  a: Matrix,
  to: number,
  b: Matrix,
  { row, from }: RowPart,
  factor: readonly [number, number],
): void {
  const n = a.cols;
  const t = to * n;
  const s = row * b.cols;
  const cr = factor[0];
  const ci = factor[1];
  const ar = a.re;
  const br = b.re;
  if (a.im === null || b.im === null) {
    for (let j = from; j < n; j++) ar[t + j] = (ar[t + j] as number) - cr * (br[s + j] as number);
    return;
  }
  const ai = a.im;
  const bi = b.im;
  for (let j = from; j < n; j++) {
    const x = br[s + j] as number;
    const y = bi[s + j] as number;
    ar[t + j] = (ar[t + j] as number) - (cr * x - ci * y);
    ai[t + j] = (ai[t + j] as number) - (cr * y + ci * x);
  }
}

/** Multiply columns `from` … of a row by a number. */
export function scaleRow(a: Matrix, { row, from }: RowPart, factor: readonly [number, number]): void {
  const at = row * a.cols;
  for (let j = from; j < a.cols; j++) {
    const x = a.re[at + j] as number;
    const y = a.im?.[at + j] ?? 0;
    a.re[at + j] = x * factor[0] - y * factor[1];
    if (a.im) a.im[at + j] = x * factor[1] + y * factor[0];
  }
}

/** Exchange two rows. */
export function swapRows(a: Matrix, i: number, j: number): void {
  if (i === j) return;
  for (const part of a.im ? [a.re, a.im] : [a.re]) {
    const row = part.slice(i * a.cols, (i + 1) * a.cols);
    part.copyWithin(i * a.cols, j * a.cols, (j + 1) * a.cols);
    part.set(row, j * a.cols);
  }
}

/** `a · b`. */
export function product(a: Matrix, b: Matrix): Matrix {
  const out = zeros(a.rows, b.cols, a.im !== null || b.im !== null);
  const right = out.im && b.im === null ? { ...b, im: new Float64Array(b.re.length) } : b;
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.cols; k++) {
      const at = i * a.cols + k;
      subtractRow(out, i, right, { row: k, from: 0 }, [-(a.re[at] as number), -(a.im?.[at] ?? 0)]);
    }
  }
  return out;
}

/** Quotient of two complex numbers, as [re, im]. Source: R. L. Smith (1962). */
export function quotient(ar: number, ai: number, br: number, bi: number): readonly [number, number] {
  if (bi === 0) return [ar / br, ai / br];
  if (Math.abs(br) >= Math.abs(bi)) {
    const r = bi / br;
    const d = br + bi * r;
    return [(ar + ai * r) / d, (ai - ar * r) / d];
  }
  const r = br / bi;
  const d = bi + br * r;
  return [(ar * r + ai) / d, (ai * r - ar) / d];
}

/** Element as [re, im]. */
export function elementOf(a: Matrix, i: number, j: number): readonly [number, number] {
  const at = i * a.cols + j;
  return [a.re[at] as number, a.im?.[at] ?? 0];
}

/** Set an element. */
export function setElement(a: Matrix, i: number, j: number, value: readonly [number, number]): void {
  a.re[i * a.cols + j] = value[0];
  if (a.im) a.im[i * a.cols + j] = value[1];
}
