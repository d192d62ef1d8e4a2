/** QR, singular values and eigenvalues over stacks of matrices, and what is computed from them. */
import { ArgumentError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import { applyNode, rechunkNode } from "../../graph/index.ts";
import { blockScratch } from "../../kernels/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { conj, real } from "../elementwise/complex.ts";
import { concatenate } from "../shape/joining.ts";
import { matmulLayer } from "./contract.ts";
import { matrices, matrixLayer, named, realType, unpacked } from "./matrices.ts";
import { type ProductOperand, toLazy } from "./products.ts";

const last = (x: ChunkedArray, k: number): number => x.shape.at(k) as number; // rank 2 at least
const times = (x: ChunkedArray, y: ChunkedArray): ChunkedArray => new ChunkedArray(matmulLayer(x, y));

/** The last two axes exchanged. */
export function transposed(x: ChunkedArray): ChunkedArray {
  return x.transpose(...x.shape.slice(2).keys(), x.ndim - 1, x.ndim - 2);
}

/** Conjugate transpose of the last two axes. */
export function adjoint(x: ChunkedArray): ChunkedArray {
  return dtypeInfo(x.dtype).kind === "c" ? conj(transposed(x)) : transposed(x);
}

/** Orthonormal Q and upper R with `a = q·r`. */
export type QrFactors = readonly [q: ChunkedArray, r: ChunkedArray] & {
  readonly q: ChunkedArray;
  readonly r: ChunkedArray;
};

/**
 * QR by Householder reflections, with LAPACK's signs. `reduced`: Q has min(m, n) columns; `complete`: m.
 *
 * A tall matrix of several row blocks and one column block goes by {@link tsqr}; else the matrix axes are merged into one
 * block. Matches NumPy `linalg.qr` and dask.array `linalg.qr`.
 * @throws {ShapeError} fewer than two axes  @throws {ArgumentError} another mode
 */
export function qr(a: ProductOperand, options: { readonly mode?: "reduced" | "complete" } = {}): QrFactors {
  requireKnownOptions("qr", options, { mode: true });
  const { mode = "reduced" } = options;
  if (mode !== "reduced" && mode !== "complete")
    throw new ArgumentError(`qr with mode ${JSON.stringify(mode)}: expected "reduced" or "complete"`);
  const x = matrices("qr", a);
  const [m, n] = [last(x, -2), last(x, -1)];
  if (mode === "reduced" && isTall(x)) return tsqr(x);
  const columns = mode === "complete" ? m : Math.min(m, n);
  const packed = matrixLayer("qr", {
    kernel: "qr",
    params: { columns },
    inputs: [x],
    core: [m + columns, Math.max(columns, n)],
  });
  return named({ q: unpacked(packed, 0, [m, columns]), r: unpacked(packed, m, [columns, n]) });
}

/** One column block, several row blocks, more rows than columns: each block small beside the whole. */
function isTall(x: ChunkedArray): boolean {
  return x.ndim === 2 && x.numblocks[1] === 1 && (x.numblocks[0] as number) > 1 && last(x, -2) > last(x, -1);
}

/**
 * QR of a tall, narrow matrix block by block: each row block is factored, the R factors once more together. The blocks'
 * factors are computed twice instead of kept. Signs may differ from those of one factorisation of the whole. Source:
 * A. Benson, D. Gleich and J. Demmel, "Direct QR factorizations for tall-and-skinny matrices" (2013). dask.array `linalg.tsqr`.
 * @throws {ShapeError} no matrix of one column block
 */
export function tsqr(a: ProductOperand): QrFactors {
  const x = matrices("tsqr", a);
  if (x.ndim !== 2 || x.numblocks[1] !== 1)
    throw new ShapeError(
      `tsqr of shape (${x.shape.join(", ")}) in ${x.numblocks[1]} column blocks: expected a matrix of one`,
    );
  const n = last(x, -1);
  const rows = x.chunks[0] as readonly number[]; // two axes
  const heights = rows.map((m) => Math.min(m, n));
  const { dtype } = x;
  const scratch = (
    kernel: string,
    inputs: readonly (readonly [number, number])[],
    out: readonly [number, number],
  ): number =>
    blockScratch(
      kernel,
      inputs.map((shape) => ({ dtype, shape })),
      { dtype, shape: out },
      null,
    );
  const tallest = Math.max(...rows);
  const triangles = applyNode("qr-r", {
    kernel: "qr-r",
    params: null,
    inputs: [{ layer: x.node, axes: [0, null] }],
    dtype,
    chunks: [heights, [n]],
    scratchBytes: scratch("qr-r", [[tallest, n]], [n, n]),
  });
  const total = heights.reduce((sum, k) => sum + k, 0);
  const k = Math.min(total, n);
  const packed = matrixLayer("qr", {
    kernel: "qr",
    params: { columns: k },
    inputs: [new ChunkedArray(triangles)],
    core: [total + k, n],
  });
  const second = rechunkNode(unpacked(packed, 0, [total, k]).node, [heights, [k]]);
  const q = applyNode("qr-q", {
    kernel: "qr-q",
    params: null,
    inputs: [
      { layer: x.node, axes: [0, null] },
      { layer: second, axes: [0, null] },
    ],
    dtype,
    chunks: [rows, [k]],
    scratchBytes: scratch(
      "qr-q",
      [
        [tallest, n],
        [n, k],
      ],
      [tallest, k],
    ),
  });
  return named({ q: new ChunkedArray(q), r: unpacked(packed, total, [k, n]) });
}

/**
 * QR of a short, wide matrix: the first columns are factored, the others multiplied by Qᴴ, block by block. dask.array
 * `linalg.sfqr`.
 * @throws {ShapeError} more rows than columns in the first column block
 */
export function sfqr(a: ProductOperand): QrFactors {
  const x = matrices("sfqr", a);
  const [m, n] = [last(x, -2), last(x, -1)];
  const width = x.chunks.at(-1)?.[0] ?? 0;
  if (x.ndim !== 2 || width < m)
    throw new ShapeError(
      `sfqr of ${m} rows with a first block of ${width} columns: expected at least as many columns as rows`,
    );
  const { q, r } = qr(x.slice(":", [0, width]));
  return named({ q, r: n === width ? r : concatenate([r, times(adjoint(q), x.slice(":", [width, n]))], { axis: 1 }) });
}

/** Singular value decomposition `a = u·diag(s)·vh`. */
export type SvdFactors = readonly [u: ChunkedArray, s: ChunkedArray, vh: ChunkedArray] & {
  readonly u: ChunkedArray;
  /** Singular values, falling; real. */
  readonly s: ChunkedArray;
  readonly vh: ChunkedArray;
};

/**
 * Singular value decomposition by one-sided Jacobi rotations. `fullMatrices` (default true, as NumPy's) gives square
 * factors; without it, u has min(m, n) columns and vh as many rows, and a tall matrix of several row blocks goes by
 * {@link tsqr}. Signs of the vectors are not NumPy's. Matches NumPy `linalg.svd`; dask.array's is the reduced form.
 * @throws {ShapeError} fewer than two axes
 */
export function svd(a: ProductOperand, options: { readonly fullMatrices?: boolean } = {}): SvdFactors {
  requireKnownOptions("svd", options, { fullMatrices: true });
  const { fullMatrices = true } = options;
  const x = matrices("svd", a);
  const [m, n] = [last(x, -2), last(x, -1)];
  const k = Math.min(m, n);
  if (!fullMatrices && isTall(x)) {
    const { q, r } = tsqr(x);
    const { u, s, vh } = svd(r, { fullMatrices: false });
    return named({ u: times(q, u), s, vh });
  }
  const [wide, high] = fullMatrices ? [m, n] : [k, k];
  const packed = matrixLayer("svd", {
    kernel: "svd",
    params: { full: fullMatrices },
    inputs: [x],
    core: [m + 1 + high, Math.max(wide, n)],
  });
  return named({
    u: unpacked(packed, 0, [m, wide]),
    s: real(packed.slice("...", m, [0, k])).astype(realType(x.dtype)),
    vh: unpacked(packed, m + 1, [high, n]),
  });
}

/** Singular values, falling. Matches NumPy `linalg.svdvals`. @throws {ShapeError} */
export function svdvals(a: ProductOperand): ChunkedArray {
  const x = matrices("svdvals", a);
  const tall = isTall(x) ? tsqr(x).r : x;
  const core = [Math.min(last(tall, -2), last(tall, -1))];
  return matrixLayer("svdvals", { kernel: "svdvals", inputs: [tall], core, dtype: realType(x.dtype) });
}

/** Eigenvalues and eigenvectors (columns of norm 1). */
export type EigenFactors = readonly [eigenvalues: ChunkedArray, eigenvectors: ChunkedArray] & {
  readonly eigenvalues: ChunkedArray;
  readonly eigenvectors: ChunkedArray;
};

/** Which triangle of a Hermitian matrix is read. */
export interface TriangleOptions {
  readonly UPLO?: "L" | "U";
}

function readsLower(name: string, options: TriangleOptions): boolean {
  requireKnownOptions(name, options, { UPLO: true });
  const { UPLO = "L" } = options;
  if (UPLO !== "L" && UPLO !== "U")
    throw new ArgumentError(`${name} with UPLO ${JSON.stringify(UPLO)}: expected "L" or "U"`);
  return UPLO === "L";
}

/**
 * Eigenvalues (real, rising) and eigenvectors of Hermitian matrices by Jacobi rotations; one triangle is read. Signs of
 * the vectors are not NumPy's. Chunks: the matrix axes are merged into one block. Matches NumPy `linalg.eigh`.
 * @throws {ShapeError} not square
 */
export function eigh(a: ProductOperand, options: TriangleOptions = {}): EigenFactors {
  const x = matrices("eigh", a, { square: true });
  const n = last(x, -1);
  const params = { lower: readsLower("eigh", options) };
  const packed = matrixLayer("eigh", { kernel: "eigh", params, inputs: [x], core: [n + 1, n] });
  return named({
    eigenvalues: real(packed.slice("...", 0, ":")).astype(realType(x.dtype)),
    eigenvectors: unpacked(packed, 1, [n, n]),
  });
}

/** Eigenvalues of Hermitian matrices, rising. Matches NumPy `linalg.eigvalsh`. @throws {ShapeError} not square */
export function eigvalsh(a: ProductOperand, options: TriangleOptions = {}): ChunkedArray {
  const x = matrices("eigvalsh", a, { square: true });
  const params = { lower: readsLower("eigvalsh", options) };
  return matrixLayer("eigvalsh", {
    kernel: "eigvalsh",
    params,
    inputs: [x],
    core: [last(x, -1)],
    dtype: realType(x.dtype),
  });
}

/**
 * Eigenvalues and eigenvectors of any square matrices, always complex (as the Array API has it; NumPy gives real dtypes
 * when all happen to be real, which a lazy array cannot know). In the order in which they were found. NumPy `linalg.eig`.
 * @throws {ShapeError} not square
 */
export function eig(a: ProductOperand): EigenFactors {
  const x = complexMatrices("eig", a);
  const n = last(x, -1);
  const packed = matrixLayer("eig", { kernel: "eig", inputs: [x], core: [n + 1, n] });
  return named({ eigenvalues: packed.slice("...", 0, ":"), eigenvectors: unpacked(packed, 1, [n, n]) });
}

/** Eigenvalues of any square matrices, complex; see {@link eig}. NumPy `linalg.eigvals`. @throws {ShapeError} not square */
export function eigvals(a: ProductOperand): ChunkedArray {
  const x = complexMatrices("eigvals", a);
  return matrixLayer("eigvals", { kernel: "eigvals", inputs: [x], core: [last(x, -1)] });
}

function complexMatrices(name: string, a: ProductOperand): ChunkedArray {
  const x = matrices(name, a, { square: true });
  return x.astype(x.dtype === "float32" || x.dtype === "complex64" ? "complex64" : "complex128");
}

/** Unit of the last place of 1. */
function epsilonOf(x: ChunkedArray): number {
  return realType(x.dtype) === "float32" ? 2 ** -23 : 2 ** -52;
}

/** Options of what cuts small singular values. */
export interface RankOptions {
  /** Singular values up to `rtol` times the largest count as 0; default max(m, n)·ε. */
  readonly rtol?: number;
}

/**
 * Number of singular values above `rtol` times the largest (default: max(m, n)·ε), or above `tol`; int64. Matches NumPy
 * `linalg.matrix_rank`.
 * @throws {ShapeError} fewer than two axes
 */
export function matrixRank(a: ProductOperand, options: RankOptions & { readonly tol?: number } = {}): ChunkedArray {
  requireKnownOptions("matrixRank", options, { rtol: true, tol: true });
  const x = matrices("matrixRank", a);
  const s = svdvals(x);
  const rtol = options.rtol ?? Math.max(last(x, -2), last(x, -1)) * epsilonOf(x);
  const limit = options.tol ?? s.max(-1, { keepdims: true }).mul(rtol);
  return s.gt(limit).sum(-1);
}

/**
 * Moore–Penrose inverse by singular values; those up to `rtol` times the largest (default: max(m, n)·ε) count as 0.
 * Matches NumPy `linalg.pinv` with `rtol=None`.
 * @throws {ShapeError} fewer than two axes
 */
export function pinv(a: ProductOperand, options: RankOptions = {}): ChunkedArray {
  requireKnownOptions("pinv", options, { rtol: true });
  const x = matrices("pinv", a);
  const { u, s, vh } = svd(x, { fullMatrices: false });
  const rtol = options.rtol ?? Math.max(last(x, -2), last(x, -1)) * epsilonOf(x);
  const isKept = s.gt(s.max(-1, { keepdims: true }).mul(rtol));
  const inverse = s.mul(0).add(1).div(s).where(isKept, 0);
  return times(adjoint(vh).mul(inverse.slice("...", null, ":")), adjoint(u));
}

/** Solution in the sense of least squares. */
export type LeastSquares = readonly [x: ChunkedArray, residuals: ChunkedArray, rank: ChunkedArray, s: ChunkedArray] & {
  readonly x: ChunkedArray;
  /** Sums of squared residuals, one per column; defined where `a` has full column rank. */
  readonly residuals: ChunkedArray;
  /** int64, 0-d. */
  readonly rank: ChunkedArray;
  /** Singular values of `a`. */
  readonly s: ChunkedArray;
};

/**
 * The x that makes |a·x − b| smallest, the shortest such; by singular values, of which those up to `rcond` times the
 * largest (default: max(m, n)·ε) count as 0. Differs from NumPy where `a` is rank-deficient: residuals are given there
 * too. NumPy and dask.array `linalg.lstsq`.
 * @throws {ShapeError} no matrix, or other numbers of rows
 */
export function lstsq(a: ProductOperand, b: ProductOperand, options: { readonly rcond?: number } = {}): LeastSquares {
  requireKnownOptions("lstsq", options, { rcond: true });
  const x = matrices("lstsq", a);
  const right = toLazy(b);
  if (x.ndim !== 2 || right.ndim < 1 || right.ndim > 2 || right.shape[0] !== x.shape[0])
    throw new ShapeError(
      `lstsq of shapes (${x.shape.join(", ")}) and (${right.shape.join(", ")}): expected a matrix and as many rows`,
    );
  const rtol = options.rcond ?? Math.max(last(x, -2), last(x, -1)) * epsilonOf(x);
  const solution = times(pinv(x, { rtol }), right);
  const gap = times(x, solution).sub(right).abs();
  return named({
    x: solution,
    residuals: gap.mul(gap).sum(0, { keepdims: right.ndim === 1 }),
    rank: matrixRank(x, { rtol }),
    s: svdvals(x),
  });
}
