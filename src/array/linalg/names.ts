/** The names of `array.linalg`: the Array API's extension, NumPy's and dask.array's. */

import { requireKnownOptions, ShapeError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import type { ChunkedArray } from "../chunked-array.ts";
import { diagonal as diagonalOf } from "../shape/grids.ts";
import { transposed } from "./decompositions.ts";
import { trace as traceOf } from "./norms.ts";
import { outer as outerOf, type ProductOperand, toLazy } from "./products.ts";

export { type SvdCompressedOptions, svdCompressed } from "./compressed.ts";
export {
  type EigenFactors,
  eig,
  eigh,
  eigvals,
  eigvalsh,
  type LeastSquares,
  lstsq,
  matrixRank,
  pinv,
  type QrFactors,
  qr,
  type RankOptions,
  type SvdFactors,
  sfqr,
  svd,
  svdvals,
  type TriangleOptions,
  tsqr,
} from "./decompositions.ts";
export { matrixNorm, type NormOptions, type NormOrder, norm, vectorNorm } from "./norms.ts";
export { cross, matmul, tensordot, vecdot } from "./products.ts";
export {
  cholesky,
  det,
  inv,
  type LuFactors,
  lu,
  matrixPower,
  type SignLogDet,
  slogdet,
  solve,
  solveTriangular,
} from "./solving.ts";

/** The last two axes exchanged. Matches NumPy `linalg.matrix_transpose`. @throws {ShapeError} fewer than two axes */
export function matrixTranspose(x: ProductOperand): ChunkedArray {
  return transposed(stack("matrixTranspose", x));
}

/** A diagonal of the last two axes, as the last axis. Matches NumPy `linalg.diagonal`. @throws {ShapeError} fewer than two axes */
export function diagonal(x: ProductOperand, options: { readonly offset?: number } = {}): ChunkedArray {
  requireKnownOptions("diagonal", options, { offset: true });
  return diagonalOf(stack("diagonal", x), { offset: options.offset ?? 0, axis1: -2, axis2: -1 });
}

/** Sum of a diagonal of the last two axes. Matches NumPy `linalg.trace`. @throws {ShapeError} fewer than two axes */
export function trace(
  x: ProductOperand,
  options: { readonly offset?: number; readonly dtype?: DType } = {},
): ChunkedArray {
  requireKnownOptions("trace", options, { offset: true, dtype: true });
  return traceOf(stack("trace", x), { ...options, axis1: -2, axis2: -1 });
}

/** All products of two vectors. Matches NumPy `linalg.outer`. @throws {ShapeError} not 1-d */
export function outer(a: ProductOperand, b: ProductOperand): ChunkedArray {
  for (const x of [a, b])
    if (x.ndim !== 1) throw new ShapeError(`linalg.outer of rank ${x.ndim}: expected vectors; array.outer flattens`);
  return outerOf(a, b);
}

function stack(name: string, x: ProductOperand): ChunkedArray {
  const lazy = toLazy(x);
  if (lazy.ndim < 2) throw new ShapeError(`${name} of rank ${lazy.ndim}: expected matrices`);
  return lazy;
}
