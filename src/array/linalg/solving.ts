/** Systems of equations, determinants and inverses over stacks of matrices. */
import { ArgumentError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { real } from "../elementwise/complex.ts";
import { eye } from "../shape/grids.ts";
import { broadcastTo } from "../shape/manipulation.ts";
import { matmulLayer } from "./contract.ts";
import { matrices, matrixLayer, named, realType, unpacked } from "./matrices.ts";
import { type ProductOperand, toLazy } from "./products.ts";

const last = (x: ChunkedArray, k: number): number => x.shape.at(k) as number; // rank 2 at least

/** A stack of right-hand sides; a vector becomes a column, which is dropped again. */
function rightSide(
  name: string,
  a: ChunkedArray,
  b: ProductOperand,
): { readonly columns: ChunkedArray; readonly isVector: boolean } {
  const lazy = toLazy(b);
  const isVector = lazy.ndim === 1;
  const columns = matrices(name, isVector ? lazy.slice(":", null) : lazy);
  if (last(columns, -2) !== last(a, -1))
    throw new ShapeError(
      `${name} of shapes (${a.shape.join(", ")}) and (${lazy.shape.join(", ")}): expected as many rows in both`,
    );
  return { columns, isVector };
}

function solved(
  name: string,
  a: ChunkedArray,
  b: ProductOperand,
  kernel: { kernel: string; params?: { lower: boolean; unit: boolean } },
): ChunkedArray {
  const { columns, isVector } = rightSide(name, a, b);
  const core = [last(columns, -2), last(columns, -1)];
  const x = matrixLayer(name, { ...kernel, inputs: [a, columns], core });
  return isVector ? x.slice("...", 0) : x;
}

/**
 * The x of `a·x = b` by LU with partial pivoting; leading axes broadcast, a 1-d `b` is a vector. Chunks: the matrix axes
 * are merged into one block. Matches NumPy `linalg.solve`.
 * @throws {ShapeError} not square, other numbers of rows  @throws {ArgumentError} when run: code `singular-matrix`
 */
export function solve(a: ProductOperand, b: ProductOperand): ChunkedArray {
  return solved("solve", matrices("solve", a, { square: true }), b, { kernel: "solve" });
}

/**
 * The x of `a·x = b` for a triangular `a`; what lies beyond the triangle is not read. Matches scipy and dask.array
 * `linalg.solve_triangular`.
 * @throws {ShapeError} as of {@link solve}  @throws {ArgumentError} when run: code `singular-matrix`
 */
export function solveTriangular(
  a: ProductOperand,
  b: ProductOperand,
  options: { readonly lower?: boolean; readonly unitDiagonal?: boolean } = {},
): ChunkedArray {
  requireKnownOptions("solveTriangular", options, { lower: true, unitDiagonal: true });
  const { lower = false, unitDiagonal = false } = options;
  const triangle = matrices("solveTriangular", a, { square: true });
  return solved("solveTriangular", triangle, b, { kernel: "solve-triangular", params: { lower, unit: unitDiagonal } });
}

/** Inverse. Chunks as of {@link solve}. Matches NumPy `linalg.inv`. @throws as of {@link solve} */
export function inv(a: ProductOperand): ChunkedArray {
  const x = matrices("inv", a, { square: true });
  return matrixLayer("inv", { kernel: "inv", inputs: [x], core: [last(x, -2), last(x, -1)] });
}

/** Determinant. Matches NumPy `linalg.det`. @throws {ShapeError} not square */
export function det(a: ProductOperand): ChunkedArray {
  return matrixLayer("det", { kernel: "det", inputs: [matrices("det", a, { square: true })], core: [] });
}

/** What {@link slogdet} gives. */
export type SignLogDet = readonly [sign: ChunkedArray, logabsdet: ChunkedArray] & {
  /** Number of modulus 1, or 0. */
  readonly sign: ChunkedArray;
  /** Natural logarithm of the modulus; −∞ of 0. */
  readonly logabsdet: ChunkedArray;
};

/** Sign and logarithm of the determinant, where itself would overflow. Matches NumPy `linalg.slogdet`. @throws {ShapeError} */
export function slogdet(a: ProductOperand): SignLogDet {
  const x = matrices("slogdet", a, { square: true });
  const packed = matrixLayer("slogdet", { kernel: "slogdet", inputs: [x], core: [2] });
  return named({ sign: packed.slice("...", 0), logabsdet: real(packed.slice("...", 1)).astype(realType(x.dtype)) });
}

/**
 * Cholesky factor of Hermitian positive definite matrices: lower L with `L·Lᴴ = a`, or `upper` U with `Uᴴ·U = a`. Only
 * that triangle is read. Matches NumPy `linalg.cholesky`.
 * @throws {ShapeError} not square  @throws {ArgumentError} when run: code `not-positive-definite`
 */
export function cholesky(a: ProductOperand, options: { readonly upper?: boolean } = {}): ChunkedArray {
  requireKnownOptions("cholesky", options, { upper: true });
  const x = matrices("cholesky", a, { square: true });
  const params = { upper: options.upper === true };
  return matrixLayer("cholesky", { kernel: "cholesky", params, inputs: [x], core: [last(x, -2), last(x, -1)] });
}

/** What {@link lu} gives. */
export type LuFactors = readonly [p: ChunkedArray, l: ChunkedArray, u: ChunkedArray] & {
  readonly p: ChunkedArray;
  readonly l: ChunkedArray;
  readonly u: ChunkedArray;
};

/** Factors with `a = p·l·u`: a permutation, a lower triangle with ones, an upper one. Matches scipy and dask.array `linalg.lu`. */
export function lu(a: ProductOperand): LuFactors {
  const x = matrices("lu", a);
  const [m, n] = [last(x, -2), last(x, -1)];
  const k = Math.min(m, n);
  const packed = matrixLayer("lu", { kernel: "lu", inputs: [x], core: [2 * m + k, Math.max(m, n)] });
  return named({
    p: real(unpacked(packed, 0, [m, m])).astype(realType(x.dtype)),
    l: unpacked(packed, m, [m, k]),
    u: unpacked(packed, 2 * m, [k, n]),
  });
}

/**
 * Whole power of square matrices by squaring; 0 gives the identity, negative powers those of the inverse. Matches NumPy
 * `linalg.matrix_power`.
 * @throws {ShapeError} not square  @throws {ArgumentError} `n` is not whole
 */
export function matrixPower(a: ProductOperand, n: number): ChunkedArray {
  if (!Number.isSafeInteger(n)) throw new ArgumentError(`matrixPower to ${n}: expected a whole number`);
  const lazy = toLazy(a);
  if (lazy.ndim < 2 || last(lazy, -1) !== last(lazy, -2))
    throw new ShapeError(`matrixPower of shape (${lazy.shape.join(", ")}): expected square matrices`);
  if (n === 0) return broadcastTo(eye(last(lazy, -1), { dtype: lazy.dtype }), lazy.shape);
  let base = n < 0 ? inv(lazy) : lazy;
  let result: ChunkedArray | null = null;
  const times = (x: ChunkedArray, y: ChunkedArray): ChunkedArray => new ChunkedArray(matmulLayer(x, y));
  for (let left = Math.abs(n); ; ) {
    if (left % 2 === 1) result = result ? times(result, base) : base;
    left = Math.floor(left / 2);
    if (left === 0) return result as ChunkedArray; // at least one bit was set
    base = times(base, base);
  }
}
