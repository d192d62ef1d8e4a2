/** Singular values of a large matrix by random projection. */
import { ArgumentError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import type { ChunkedArray } from "../chunked-array.ts";
import { defaultRng, type Seed } from "../random.ts";
import { adjoint, type SvdFactors, svd, tsqr } from "./decompositions.ts";
import { matrices, named } from "./matrices.ts";
import { matmul, type ProductOperand } from "./products.ts";

/** Options of {@link svdCompressed}. */
export interface SvdCompressedOptions {
  /** Products with `a·aᴴ` that sharpen the decay of the singular values; 0 unless told. */
  readonly nPowerIter?: number;
  /** Columns of the projection beyond `k`; 10 unless told. */
  readonly nOversamples?: number;
  /** Of the projection; the same seed gives the same result. */
  readonly seed?: Seed;
}

/** Fewest columns of a projection. */
const COLUMNS_MIN = 20;

/**
 * The `k` largest singular values and their vectors, approximately: the range of `a` is found from its products with
 * random vectors, `a` is projected to it and decomposed. Exact where the rank is below the projection's columns.
 *
 * Chunks: u has the row blocks of `a`, vh one block. Source: N. Halko, P. Martinsson and J. Tropp, "Finding structure with
 * randomness" (2011). dask.array `linalg.svd_compressed`.
 * @throws {ShapeError} no matrix  @throws {ArgumentError} `k` is no number from 1 to the smaller extent
 */
export function svdCompressed(a: ProductOperand, k: number, options: SvdCompressedOptions = {}): SvdFactors {
  requireKnownOptions("svdCompressed", options, { nPowerIter: true, nOversamples: true, seed: true });
  const x = matrices("svdCompressed", a);
  const { nPowerIter = 0, nOversamples = 10, seed = 0 } = options;
  if (x.ndim !== 2) throw new ShapeError(`svdCompressed of shape (${x.shape.join(", ")}): expected a matrix`);
  const [m, n] = x.shape as [number, number];
  if (!Number.isInteger(k) || k < 1 || k > Math.min(m, n))
    throw new ArgumentError(`svdCompressed to ${k} values of a ${m} × ${n} matrix: expected 1 to ${Math.min(m, n)}`);
  for (const [name, value] of Object.entries({ nPowerIter, nOversamples }))
    if (!Number.isInteger(value) || value < 0)
      throw new ArgumentError(`svdCompressed with ${name} ${value}: expected 0 or more`);
  const columns = Math.min(Math.max(COLUMNS_MIN, k + nOversamples), m, n);
  const chunks = [x.chunks[1] as readonly number[], [columns]]; // two axes
  const omega = defaultRng(seed).standardNormal([n, columns], { chunks }).astype(x.dtype);
  let range = orthonormal(matmul(x, omega));
  for (let i = 0; i < nPowerIter; i++) range = orthonormal(matmul(x, orthonormal(matmul(adjoint(x), range))));
  const { u, s, vh } = svd(matmul(adjoint(range), x), { fullMatrices: false });
  return named({
    u: matmul(range, u).slice(":", [0, k]),
    s: s.slice([0, k]),
    vh: vh.slice([0, k], ":"),
  });
}

/** Orthonormal columns with the same span. */
function orthonormal(y: ChunkedArray): ChunkedArray {
  return tsqr(y.rechunk({ 1: -1 })).q;
}
