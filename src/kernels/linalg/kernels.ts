/**
 * Block kernels of linear algebra. The last two axes of a block are whole matrices, the others a stack of them. All
 * compute in double precision and round once. Several results come packed in one matrix, one below the other.
 */
import { contiguousStride, type NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { fill } from "../copy.ts";
import { eig } from "./eigen.ts";
import { eigh } from "./hermitian.ts";
import {
  adjoint,
  elementOf,
  identity,
  type Matrix,
  product,
  readMatrix,
  setElement,
  writeMatrix,
  zeros,
} from "./matrix.ts";
import { qr, svd } from "./orthogonal.ts";
import { cholesky, determinant, logDeterminant, luOf, solve, substitute } from "./solve.ts";

type Params = Readonly<Record<string, unknown>>;
/** Matrices in, matrices that are stored below each other out. */
type Decomposition = (inputs: readonly Matrix[], params: Params) => readonly Matrix[];

/** Offset of matrix `at` of a stack whose shape (without the matrix axes) is `lead`; axes of size 1 repeat. */
function offsetAt(block: NDArray, lead: readonly number[], core: number, at: number): number {
  const steps = contiguousStride(lead);
  const own = block.ndim - core;
  let [offset, rest] = [block.offset, at];
  lead.forEach((_, k) => {
    const step = steps[k] as number; // one per axis
    const index = step === 0 ? 0 : Math.floor(rest / step);
    rest -= index * step;
    const axis = k - (lead.length - own);
    if (axis >= 0 && block.shape[axis] !== 1) offset += index * (block.stride[axis] as number);
  });
  return offset;
}

/** A decomposition as a kernel; `core` axes of the result belong to one matrix. */
function kernel(core: number, f: Decomposition): BlockKernel {
  return {
    run: (inputs, out, params) => {
      const lead = out.shape.slice(0, out.ndim - core);
      const size = sizeOf(out.shape.slice(out.ndim - core));
      fill(out, 0); // packed results leave gaps
      const width = core === 2 ? (out.shape.at(-1) as number) : 1;
      for (let k = 0; k < sizeOf(lead); k++) {
        const matrices = inputs.map((x) => readMatrix(x, offsetAt(x, lead, 2, k)));
        let top = 0;
        // The array room makes the parameters.
        for (const part of f(matrices, (params ?? {}) as Params)) {
          writeMatrix(out, out.offset + k * size, part, { top, width });
          top += part.rows;
        }
      }
    },
    scratch: (inputs, out) => [...inputs, out].reduce((sum, x) => sum + 5 * 16 * sizeOf(x.shape.slice(-2)), 0),
  };
}

function one(value: readonly [number, number], isComplex: boolean): Matrix {
  const out = zeros(1, 1, isComplex);
  setElement(out, 0, 0, value);
  return out;
}

function columnOf(values: Float64Array): Matrix {
  return { rows: values.length, cols: 1, re: values, im: null };
}

function rowOf(values: Float64Array): Matrix {
  return { rows: 1, cols: values.length, re: values, im: null };
}

/** Factors with `a = P·L·U`. */
function luParts(a: Matrix): readonly Matrix[] {
  const { packed, order } = luOf(a);
  const k = Math.min(a.rows, a.cols);
  const isComplex = a.im !== null;
  const [p, l, u] = [zeros(a.rows, a.rows, isComplex), identity(a.rows, k, isComplex), zeros(k, a.cols, isComplex)];
  for (const [to, from] of order.entries()) setElement(p, from, to, [1, 0]);
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < a.cols; j++) {
      if (i > j && j < k) setElement(l, i, j, elementOf(packed, i, j));
      if (i <= j && i < k) setElement(u, i, j, elementOf(packed, i, j));
    }
  return [p, l, u];
}

export const linalgKernels: Readonly<Record<string, BlockKernel>> = {
  /** `[…, n, n]` and `[…, n, k]` → the solution of a·x = b. */
  solve: kernel(2, ([a, b]) => [solve(a as Matrix, b as Matrix)]),
  /** Triangular `[…, n, n]`, `[…, n, k]`; params lower, unit. */
  "solve-triangular": kernel(2, ([a, b], params) => {
    const x = b as Matrix; // read for this call alone
    substitute(a as Matrix, x, { lower: params["lower"] === true, unit: params["unit"] === true });
    return [x];
  }),
  inv: kernel(2, ([a]) => {
    const x = a as Matrix; // one input
    return [solve(x, identity(x.rows, x.rows, x.im !== null))];
  }),
  /** `[…]`. */
  det: kernel(0, ([a]) => [one(determinant(a as Matrix), a?.im !== null)]),
  /** `[…, 2]`: sign, logarithm of the modulus. */
  slogdet: kernel(1, ([a]) => {
    const { sign, log } = logDeterminant(a as Matrix); // one input
    const isComplex = a?.im !== null;
    return [one(sign, isComplex), one([log, 0], isComplex)];
  }),
  /** Params upper: `Uᴴ·U` from the upper triangle. */
  cholesky: kernel(2, ([a], params) => {
    const x = a as Matrix; // one input
    // The lower triangle of the adjoint is the upper one.
    return [params["upper"] === true ? adjoint(cholesky(adjoint(x))) : cholesky(x)];
  }),
  /** Packed Q over R; params columns. */
  qr: kernel(2, ([a], params) => {
    const { q, r } = qr(a as Matrix, Number(params["columns"])); // one input
    return [q, r];
  }),
  /** R alone, of as many rows as the smaller extent. */
  "qr-r": kernel(2, ([a]) => {
    const x = a as Matrix; // one input
    return [qr(x, Math.min(x.rows, x.cols)).r];
  }),
  /** Q of the first input times the second: a block of a tall matrix's Q (tsqr). */
  "qr-q": kernel(2, ([a, b]) => {
    const x = a as Matrix; // two inputs
    return [product(qr(x, Math.min(x.rows, x.cols)).q, b as Matrix)];
  }),
  /** Packed U over s (a row) over Vᴴ; params full. */
  svd: kernel(2, ([a], params) => {
    const { u, s, vh } = svd(a as Matrix, params["full"] === true); // one input
    return [u, rowOf(s), vh];
  }),
  /** `[…, min(m, n)]`. */
  svdvals: kernel(1, ([a]) => [columnOf(svd(a as Matrix, false).s)]),
  /** Packed eigenvalues (a row) over eigenvectors; params lower. */
  eigh: kernel(2, ([a], params) => {
    const { values, vectors } = eigh(a as Matrix, params["lower"] !== false); // one input
    return [rowOf(values), vectors];
  }),
  eigvalsh: kernel(1, ([a], params) => [columnOf(eigh(a as Matrix, params["lower"] !== false).values)]),
  /** Packed eigenvalues (a row) over eigenvectors, complex. */
  eig: kernel(2, ([a]) => {
    const { values, vectors } = eig(a as Matrix); // one input
    return [{ ...values, rows: 1, cols: values.rows }, vectors];
  }),
  eigvals: kernel(1, ([a]) => [eig(a as Matrix).values]),
  /** Packed P over L over U. */
  lu: kernel(2, ([a]) => luParts(a as Matrix)),
};
