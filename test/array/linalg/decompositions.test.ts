import { expect, test } from "vitest";
import { type ChunkedArray, fromArray } from "../../../src/array/index.ts";
import * as decompositions from "../../../src/array/linalg/decompositions.ts";
import * as names from "../../../src/array/linalg/names.ts";
import * as norms from "../../../src/array/linalg/norms.ts";
import { matmul } from "../../../src/array/linalg/products.ts";
import * as solving from "../../../src/array/linalg/solving.ts";
import type { DType } from "../../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../../src/ndarray/index.ts";
import { describeNumpy, type NumpyLive, type PythonArgument, tuple } from "../../oracle/numpy-live.ts";
import { useInlineRunner } from "../../run-inline.ts";
import { numbers, relativeRms } from "../complex/values.ts";

useInlineRunner();
const linalg = { ...decompositions, ...norms, ...solving };

const DTYPES: readonly DType[] = ["float32", "float64", "complex64", "complex128"];
const eps = (dtype: DType): number => (dtype === "float32" || dtype === "complex64" ? 2e-6 : 1e-13);
const lazy = (x: NDArray, chunk: number | readonly number[] = 100): ChunkedArray =>
  fromArray(x, { chunks: chunk as never });

async function near(lazyGot: ChunkedArray, want: NDArray, note: string, bound = eps(want.dtype)): Promise<void> {
  const got = await lazyGot.compute();
  expect([note, got.dtype, got.shape]).toEqual([note, want.dtype, want.shape]);
  expect([note, relativeRms(got, want)]).toEqual([note, expect.toSatisfy((v: number) => v <= bound)]);
}

async function same(
  numpy: NumpyLive,
  got: ChunkedArray,
  name: string,
  args: readonly PythonArgument[],
  more: Record<string, PythonArgument> = {},
): Promise<void> {
  const want = await numpy.call(name, args, more);
  await near(
    got,
    want,
    `${name} ${args.map((a) => (a instanceof NDArray ? `${a.dtype}(${a.shape})` : String(a)))} ${JSON.stringify(more)}`,
  );
}

/** Well conditioned: more on the diagonal. */
function square(dtype: DType, shape: readonly number[], seed = 1): NDArray {
  const x = numbers(dtype, shape, seed);
  const n = shape.at(-1) as number;
  const step = dtype.startsWith("complex") ? 2 : 1;
  for (let k = 0; k < sizeOf(shape); k += n * n)
    for (let i = 0; i < n; i++)
      x.data[step * (k + i * n + i)] = (Number(x.data[step * (k + i * n + i)]) + 3 * n) as never;
  return x;
}

/** `Aᴴ·A` plus the identity. */
const hermitian = (numpy: NumpyLive, x: NDArray): Promise<NDArray> =>
  numpy.call("lambda x: np.swapaxes(x.conj(), -1, -2) @ x + np.eye(x.shape[-1], dtype=x.dtype)", [x]);

/** `columnsᴴ · columns` is the identity. */
async function isUnitary(u: ChunkedArray, note: string): Promise<void> {
  const gram = matmul(decompositions.adjoint(u), u);
  const n = gram.shape.at(-1) as number;
  const got = await gram.compute();
  const step = got.dtype.startsWith("complex") ? 2 : 1;
  for (let k = 0; k < got.size; k++) {
    const want = (k % (n * n)) % (n + 1) === 0 ? 1 : 0;
    expect([note, k, Math.abs(Number(got.data[step * k]) - want) < 10 * eps(got.dtype)]).toEqual([note, k, true]);
  }
}

describeNumpy("systems and determinants against NumPy", (numpy) => {
  test.each(DTYPES)("solve, inv, det, slogdet, cholesky of %s", async (dtype) => {
    for (const shape of [
      [1, 1],
      [4, 4],
      [2, 3, 5, 5],
      [20, 20],
      [0, 0],
      [0, 3, 3],
    ]) {
      const a = square(dtype, shape);
      for (const chunk of [100, 2]) {
        await same(numpy, solving.inv(lazy(a, chunk)), "np.linalg.inv", [a]);
        await same(numpy, solving.det(lazy(a, chunk)), "np.linalg.det", [a]);
        const { sign, logabsdet } = solving.slogdet(lazy(a, chunk));
        await same(numpy, sign, "lambda x: np.linalg.slogdet(x)[0]", [a]);
        await same(numpy, logabsdet, "lambda x: np.linalg.slogdet(x)[1]", [a]);
        const h = await hermitian(numpy, numbers(dtype, shape, 4));
        await same(numpy, solving.cholesky(lazy(h, chunk)), "np.linalg.cholesky", [h]);
        await same(numpy, solving.cholesky(lazy(h, chunk), { upper: true }), "np.linalg.cholesky", [h], {
          upper: true,
        });
        const b = numbers(dtype, [shape.at(-1) as number, 2], 3);
        await same(numpy, solving.solve(lazy(a, chunk), lazy(b, chunk)), "np.linalg.solve", [a, b]);
        const v = numbers(dtype, [shape.at(-1) as number], 5);
        await same(numpy, solving.solve(lazy(a, chunk), lazy(v, chunk)), "np.linalg.solve", [a, v]);
      }
    }
  });

  test("integers compute in float64, mixed right-hand sides promote, batches broadcast", async () => {
    const a = square("int32", [3, 3]);
    await same(numpy, solving.inv(lazy(a, 2)), "np.linalg.inv", [a]);
    const [x, b] = [square("float32", [2, 1, 3, 3]), numbers("complex64", [4, 3, 2])];
    await same(numpy, solving.solve(lazy(x, 2), lazy(b, 3)), "np.linalg.solve", [x, b]);
  });

  test("matrix powers, triangular systems, LU", async () => {
    for (const dtype of ["float64", "complex64", "int64"] as const) {
      const a = numbers(dtype, [2, 3, 3]);
      for (const n of [0, 1, 2, 5])
        await same(numpy, solving.matrixPower(lazy(a, 2), n), "np.linalg.matrix_power", [a, n]);
    }
    const a = square("float64", [3, 3]);
    await same(numpy, solving.matrixPower(lazy(a, 2), -3), "np.linalg.matrix_power", [a, -3]);
    const b = numbers("float64", [3, 2]);
    await same(numpy, solving.solveTriangular(lazy(a), lazy(b)), "lambda a, b: np.linalg.solve(np.triu(a), b)", [a, b]);
    await same(
      numpy,
      solving.solveTriangular(lazy(a), lazy(b), { lower: true }),
      "lambda a, b: np.linalg.solve(np.tril(a), b)",
      [a, b],
    );
    for (const shape of [
      [5, 5],
      [4, 7],
      [7, 4],
      [2, 3, 3],
    ]) {
      for (const dtype of ["float64", "complex64"] as const) {
        const m = numbers(dtype, shape);
        const { p, l, u } = solving.lu(lazy(m, 3));
        await near(matmul(matmul(p, l), u), m, `lu ${shape}`);
        await same(numpy, l, "np.tril", [await l.compute()]);
        await same(numpy, u, "np.triu", [await u.compute()]);
      }
    }
  });
});

describeNumpy("decompositions against NumPy", (numpy) => {
  test.each(DTYPES)("qr of %s has LAPACK's signs", async (dtype) => {
    for (const shape of [
      [4, 4],
      [7, 3],
      [3, 7],
      [2, 5, 3],
      [1, 1],
      [30, 20],
      [3, 0],
    ]) {
      const a = numbers(dtype, shape);
      for (const mode of ["reduced", "complete"] as const) {
        const { q, r } = decompositions.qr(lazy(a), { mode });
        await same(numpy, q, "lambda a, mode: np.linalg.qr(a, mode)[0]", [a, mode]);
        await same(numpy, r, "lambda a, mode: np.linalg.qr(a, mode)[1]", [a, mode]);
      }
    }
  });

  test.each(DTYPES)("tsqr and sfqr of %s, blocks shorter than wide", async (dtype) => {
    const tall = numbers(dtype, [50, 6]);
    for (const rows of [10, [4, 40, 6], [1, 1, 48]]) {
      const x = lazy(tall, [rows as never, -1]);
      const { q, r } = decompositions.qr(x);
      expect([q.shape, r.shape, q.chunks[0]]).toEqual([[50, 6], [6, 6], x.chunks[0]]);
      await near(matmul(q, r), tall, "tsqr");
      await isUnitary(q, "tsqr");
      const { u, s, vh } = decompositions.svd(x, { fullMatrices: false });
      await near(matmul(u.mul(s), vh), tall, "tall svd");
      await same(numpy, decompositions.svdvals(x), "np.linalg.svdvals", [tall]);
    }
    const wide = numbers(dtype, [4, 30]);
    const { q, r } = decompositions.sfqr(lazy(wide, [-1, 8]));
    await near(matmul(q, r), wide, "sfqr");
    await isUnitary(q, "sfqr");
  });

  test.each(DTYPES)("svd of %s: values, and factors that give the matrix", async (dtype) => {
    for (const shape of [
      [4, 4],
      [7, 3],
      [3, 7],
      [2, 5, 3],
      [1, 1],
      [24, 24],
    ]) {
      const a = numbers(dtype, shape);
      await same(numpy, decompositions.svdvals(lazy(a, 3)), "np.linalg.svdvals", [a]);
      for (const fullMatrices of [true, false]) {
        const { u, s, vh } = decompositions.svd(lazy(a, 2), { fullMatrices });
        const k = Math.min(...(shape.slice(-2) as number[]));
        await near(
          matmul(u.slice("...", [0, k]).mul(s.slice("...", null, ":")), vh.slice("...", [0, k], ":")),
          a,
          `svd ${shape}`,
        );
        await isUnitary(u, `u ${shape}`);
        await isUnitary(decompositions.adjoint(vh), `vh ${shape}`);
        await same(numpy, s, "lambda a: np.linalg.svd(a)[1]", [a]);
      }
    }
  });

  test("svdCompressed finds the largest values: exactly of low rank, nearly otherwise", async () => {
    for (const dtype of ["float64", "complex64"] as const) {
      const low = await numpy.call("lambda x, y: x @ y", [numbers(dtype, [90, 5]), numbers(dtype, [5, 60], 7)]);
      const { u, s, vh } = names.svdCompressed(lazy(low, [40, 25]), 5, { seed: 3 });
      await near(matmul(u.mul(s), vh), low, "low rank");
      await isUnitary(u, "compressed");
      await same(numpy, s, "lambda a: np.linalg.svdvals(a)[:5]", [low]);
      const decaying = await numpy.call("lambda x: x * (0.5 ** np.arange(60)).astype(x.dtype)", [
        numbers(dtype, [90, 60]),
      ]);
      const nearly = names.svdCompressed(lazy(decaying, 30), 6, { nPowerIter: 2 }).s;
      await near(nearly, await numpy.call("lambda a: np.linalg.svdvals(a)[:6]", [decaying]), "decaying", 1e-5);
    }
    expect(() => names.svdCompressed(lazy(numbers("float64", [3, 4])), 4)).toThrow(/expected 1 to 3/);
  });

  test("a matrix of lower rank: zero singular values, orthonormal vectors", async () => {
    for (const dtype of ["float64", "complex128"] as const) {
      const a = await numpy.call("lambda x, y: x @ y", [numbers(dtype, [6, 2]), numbers(dtype, [2, 5], 7)]);
      const { u, s, vh } = decompositions.svd(lazy(a));
      await isUnitary(u, "u");
      await isUnitary(decompositions.adjoint(vh), "vh");
      expect(Number((await s.compute()).item(2))).toBeLessThan(1e-13);
      await same(numpy, decompositions.matrixRank(lazy(a)), "np.linalg.matrix_rank", [a]);
      await same(numpy, decompositions.pinv(lazy(a)), "lambda a: np.linalg.pinv(a, rtol=None)", [a]);
      const zero = NDArray.zeros(dtype, [3, 3]);
      const { u: v } = decompositions.svd(lazy(zero));
      await isUnitary(v, "u of 0");
    }
  });

  test.each(DTYPES)("eigh of %s: values, and vectors that diagonalise", async (dtype) => {
    for (const shape of [
      [1, 1],
      [4, 4],
      [2, 5, 5],
      [25, 25],
    ]) {
      const raw = numbers(dtype, shape, 3);
      const a = await numpy.call("lambda x: x + np.swapaxes(x.conj(), -1, -2)", [raw]);
      for (const UPLO of ["L", "U"] as const) {
        const { eigenvalues, eigenvectors } = decompositions.eigh(lazy(a, 2), { UPLO });
        await same(numpy, eigenvalues, "np.linalg.eigvalsh", [a]);
        await same(numpy, decompositions.eigvalsh(lazy(raw, 2), { UPLO }), "np.linalg.eigvalsh", [raw], { UPLO });
        await isUnitary(eigenvectors, "eigh");
        const back = matmul(
          eigenvectors.mul(eigenvalues.slice("...", null, ":")),
          decompositions.adjoint(eigenvectors),
        );
        await near(back, a, `eigh ${shape}`);
      }
    }
  });

  test.each(DTYPES)("eig of %s: values in any order, and vectors of norm 1", async (dtype) => {
    const SORT = "lambda x: np.sort_complex(np.round(x.astype('c16'), 4))";
    for (const shape of [
      [1, 1],
      [2, 2],
      [5, 5],
      [2, 4, 4],
      [20, 20],
    ]) {
      const a = numbers(dtype, shape, 11);
      const { eigenvalues, eigenvectors } = decompositions.eig(lazy(a, 3));
      const left = matmul(lazy(a).astype(eigenvalues.dtype), eigenvectors);
      const right = eigenvectors.mul(eigenvalues.slice("...", null, ":"));
      await near(left, await right.compute(), `eig ${shape}`, 20 * eps(dtype));
      const ours = await numpy.call(SORT, [await decompositions.eigvals(lazy(a)).compute()]);
      const theirs = await numpy.call(SORT, [await numpy.call("np.linalg.eigvals", [a])]);
      expect(relativeRms(ours, theirs)).toBeLessThan(2e-4);
      await near(
        linalg.vectorNorm(eigenvectors, { axis: -2 }),
        await numpy
          .call("lambda s: np.ones(s, 'f8')", [tuple(...shape.slice(0, -1))])
          .then((x) =>
            eigenvectors.dtype === "complex64"
              ? new NDArray("float32", Float32Array.from(x.data as Float64Array), x.shape)
              : x,
          ),
        "norms",
      );
    }
  });

  test("pinv, lstsq, ranks of tall, wide and square", async () => {
    for (const dtype of ["float64", "complex64", "int16"] as const) {
      for (const shape of [
        [6, 3],
        [3, 6],
        [4, 4],
        [2, 5, 3],
      ]) {
        const a = numbers(dtype, shape, 5);
        await same(numpy, decompositions.pinv(lazy(a, 2)), "np.linalg.pinv", [a]);
        await same(numpy, decompositions.matrixRank(lazy(a, 2)), "np.linalg.matrix_rank", [a]);
      }
      const [a, b] = [numbers(dtype, [9, 3]), numbers(dtype, [9, 2], 2)];
      const made = decompositions.lstsq(lazy(a, 4), lazy(b, 4));
      for (const [k, name] of (["x", "residuals", "rank", "s"] as const).entries()) {
        const want = await numpy.call("lambda a, b, k: np.linalg.lstsq(a, b)[k]", [a, b, k]);
        if (name === "rank") expect(Number((await made.rank.compute()).item())).toBe(Number(want.item()));
        else await near(made[name], want, name, 10 * eps(want.dtype));
      }
    }
  });

  test("lstsq of a vector, and a tall matrix in row blocks", async () => {
    const [a, b] = [numbers("float64", [40, 3]), numbers("float64", [40], 2)];
    const { x, residuals } = decompositions.lstsq(lazy(a, [9, 3]), lazy(b, 7));
    await same(numpy, x, "lambda a, b: np.linalg.lstsq(a, b)[0]", [a, b]);
    await same(numpy, residuals, "lambda a, b: np.linalg.lstsq(a, b)[1]", [a, b]);
  });

  test("norms of every order, and traces", async () => {
    for (const dtype of ["int8", "float32", "float64", "complex64"] as const) {
      const x = numbers(dtype, [3, 4, 5]);
      await same(numpy, norms.norm(lazy(x, 2)), "np.linalg.norm", [x]);
      for (const ord of [2, 1, 0, 3, 0.5, -1, Infinity, -Infinity]) {
        const value = { $float: ord };
        await same(numpy, norms.norm(lazy(x, 2), { ord, axis: 1 }), "np.linalg.norm", [x], { ord: value, axis: 1 });
        await same(
          numpy,
          norms.vectorNorm(lazy(x, 2), { ord, axis: [0, 2], keepdims: true }),
          "np.linalg.vector_norm",
          [x],
          { ord: value, axis: tuple(0, 2), keepdims: true },
        );
      }
      for (const ord of ["fro", "nuc", 1, -1, 2, -2, Infinity, -Infinity] as const) {
        const value = typeof ord === "string" ? ord : { $float: ord };
        await same(numpy, norms.matrixNorm(lazy(x, 2), { ord }), "np.linalg.matrix_norm", [x], { ord: value });
        await same(numpy, norms.norm(lazy(x, 2), { ord, axis: [2, 0], keepdims: true }), "np.linalg.norm", [x], {
          ord: value,
          axis: tuple(2, 0),
          keepdims: true,
        });
      }
      for (const [offset, axis1, axis2] of [
        [0, 0, 1],
        [1, 0, 1],
        [-2, 2, 0],
        [9, 0, 1],
      ] as const)
        await same(numpy, norms.trace(lazy(x, 2), { offset, axis1, axis2 }), "np.trace", [x], { offset, axis1, axis2 });
    }
  });
});

describeNumpy("the namespace's own forms", (numpy) => {
  test("diagonal, trace, matrixTranspose and outer follow the Array API", async () => {
    const x = numbers("int16", [2, 3, 4]);
    await same(numpy, names.diagonal(lazy(x, 2), { offset: 1 }), "np.linalg.diagonal", [x], { offset: 1 });
    await same(numpy, names.trace(lazy(x, 2), { offset: -1 }), "np.linalg.trace", [x], { offset: -1 });
    await same(numpy, names.matrixTranspose(lazy(x, 2)), "np.linalg.matrix_transpose", [x]);
    const [u, v] = [numbers("float32", [3]), numbers("float32", [4], 2)];
    await same(numpy, names.outer(u, v), "np.linalg.outer", [u, v]);
    expect(() => names.outer(x, v)).toThrow(expect.objectContaining({ code: "shape" }));
    expect(() => names.trace(v)).toThrow(expect.objectContaining({ code: "shape" }));
  });
});

test("what has no answer is refused by name", async () => {
  const x = lazy(numbers("float64", [2, 3]));
  for (const name of ["inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "eig", "eigvals"] as const)
    expect(() => linalg[name](x), name).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => solving.inv(lazy(numbers("float16", [2, 2])))).toThrow(expect.objectContaining({ code: "dtype" }));
  expect(() => decompositions.qr(lazy(numbers("float64", [2])))).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => norms.norm(x, { ord: "fro", axis: 0 })).toThrow(/expected a number/);
  expect(() => norms.norm(x, { ord: 7 })).toThrow(/expected "fro"/);
  await expect(solving.inv(lazy(NDArray.zeros("float64", [2, 2]))).compute()).rejects.toThrow("Singular matrix");
  const bad = new NDArray("float64", Float64Array.of(1, 2, 2, 1), [2, 2]);
  await expect(solving.cholesky(lazy(bad)).compute()).rejects.toThrow("not positive definite");
});
