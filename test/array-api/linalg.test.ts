/** Linear algebra and Fourier transforms: what defines each result holds. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import {
  arrayOf,
  at,
  COMPLEX,
  dtype,
  type Element,
  FLOATS,
  INTEGERS,
  indices,
  NUMERIC,
  type Pair,
  promotable,
  promoted,
  REAL,
  xp,
} from "./arbitraries.ts";

useInlineRunner();
const RUNS = { numRuns: 20 };

const pair = (v: Element): Pair => (typeof v === "object" ? v : { re: Number(v), im: 0 });
const tolerance = (of: DType): number => (of === "float32" || of === "complex64" ? 2e-4 : 1e-9);
const times = (a: Pair, b: Pair): Pair => ({ re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re });

/** Elementwise near, relative to the largest. */
async function expectNear(got: ChunkedArray, want: ChunkedArray, scale = 1): Promise<void> {
  expect(got.shape).toEqual(want.shape);
  const [g, w] = await Promise.all([got.compute(), want.compute()]);
  const values = [...indices(g.shape)].map((i) => [pair(at(g, i)), pair(at(w, i))] as const);
  const largest = Math.max(scale, ...values.map(([, b]) => Math.hypot(b.re, b.im)));
  for (const [a, b] of values)
    expect(Math.hypot(a.re - b.re, a.im - b.im)).toBeLessThanOrEqual(tolerance(g.dtype) * largest);
}

/** Square matrices far from singular. */
const square = (dtypes: readonly DType[]) =>
  fc
    .tuple(
      dtype(dtypes),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 50, maxLength: 50 }),
    )
    .map(([of, n, list]) => {
      const parts = dtypeInfo(of).components;
      const data = allocate(of, n * n);
      for (let k = 0; k < data.length; k++) data[k] = (list[k] as number) / 8 + (k % ((n + 1) * parts) === 0 ? 4 : 0);
      return xp("asarray", new NDArray(of, data, [n, n]));
    });
const T = (x: ChunkedArray): ChunkedArray => xp("matrix_transpose", xp("conj", x));
const eye = (x: ChunkedArray): ChunkedArray => xp("eye", x.shape.at(-1), { dtype: x.dtype });
const mm = (a: ChunkedArray, b: ChunkedArray): ChunkedArray => xp("matmul", a, b);

describe("products", () => {
  test("matmul, of planes, vectors and stacks", async () => {
    const shapesOf = fc.constantFrom(
      [[3], [3]],
      [[2, 3], [3]],
      [[3], [3, 4]],
      [
        [2, 3],
        [3, 4],
      ],
      [
        [2, 2, 3],
        [3, 4],
      ],
      [
        [2, 1, 2, 3],
        [3, 3, 4],
      ],
      [
        [0, 3],
        [3, 2],
      ],
      [
        [2, 0],
        [0, 2],
      ],
    );
    const given = fc
      .tuple(promotable(NUMERIC), shapesOf)
      .chain(([[p, q], [s, t]]) => fc.tuple(arrayOf(p, s, true), arrayOf(q, t, true)));
    await fc.assert(
      fc.asyncProperty(given, async ([x, y]) => {
        const of = promoted(x.block.dtype, y.block.dtype);
        const out = xp("matmul", x.lazy, y.lazy);
        expect(out.dtype).toBe(of);
        const got = await out.compute();
        const [a, b] = [x.block, y.block];
        const n = a.shape.at(-1) as number;
        for (const i of indices(out.shape)) {
          const rest = [...i];
          const column = b.ndim > 1 ? [rest.pop() as number] : [];
          const row = a.ndim > 1 ? [rest.pop() as number] : [];
          let want: Pair = { re: 0, im: 0 };
          let scale = 0;
          for (let k = 0; k < n; k++) {
            const p = times(pair(at(a, [...rest, ...row, k])), pair(at(b, [...rest, k, ...column])));
            want = { re: want.re + p.re, im: want.im + p.im };
            scale += Math.hypot(p.re, p.im);
          }
          const g = pair(at(got, i));
          if (INTEGERS.includes(of as DType)) {
            const { itemsize, kind } = dtypeInfo(of as DType);
            const wrap = kind === "i" ? BigInt.asIntN : BigInt.asUintN;
            expect(g.re).toBe(Number(wrap(itemsize * 8, BigInt(want.re))));
          } else
            expect(Math.hypot(g.re - want.re, g.im - want.im)).toBeLessThanOrEqual(
              tolerance(of as DType) * Math.max(scale, 1e-30),
            );
        }
      }),
      { numRuns: 60 },
    );
    expect(() => xp("matmul", xp("zeros", [2, 3]), xp("zeros", [2, 3]))).toThrow();
    expect(() => xp("matmul", xp("zeros", []), xp("zeros", [2, 3]))).toThrow();
  });

  test("outer, vecdot, tensordot, cross, trace, diagonal are sums of products", async () => {
    const given = promotable([...FLOATS, ...COMPLEX]).chain(([p, q]) =>
      fc.tuple(arrayOf(p, [4, 3], true), arrayOf(q, [4, 3], true)),
    );
    await fc.assert(
      fc.asyncProperty(given, async ([{ lazy: x }, { lazy: y }]) => {
        const column = xp("slice", x, ":", 0);
        const row = xp("slice", y, 0, ":");
        await expectNear(xp("linalg.outer", column, row), xp("multiply", xp("expand_dims", column, 1), row));
        await expectNear(xp("vecdot", x, y), xp("sum", xp("multiply", xp("conj", x), y), -1));
        await expectNear(xp("vecdot", x, y, { axis: 0 }), xp("sum", xp("multiply", xp("conj", x), y), 0));
        await expectNear(xp("tensordot", x, xp("matrix_transpose", y), { axes: 1 }), mm(x, xp("matrix_transpose", y)));
        await expectNear(xp("tensordot", x, y, { axes: [[0], [0]] }), mm(xp("matrix_transpose", x), y));
        const part = (z: ChunkedArray, k: number) => xp("slice", z, ":", k);
        const terms = [
          [1, 2],
          [2, 0],
          [0, 1],
        ].map(([a = 0, b = 0]) =>
          xp("subtract", xp("multiply", part(x, a), part(y, b)), xp("multiply", part(x, b), part(y, a))),
        );
        await expectNear(xp("linalg.cross", x, y), xp("stack", terms, 1));
        const diagonal = xp(
          "stack",
          [0, 1, 2].map((k) => xp("slice", x, k, k)),
        );
        await expectNear(xp("linalg.diagonal", x), diagonal);
        await expectNear(xp("linalg.trace", x), xp("sum", diagonal));
      }),
      RUNS,
    );
  });
});

describe("decompositions", () => {
  test("inv, solve, det, slogdet, matrix_power", async () => {
    await fc.assert(
      fc.asyncProperty(square([...FLOATS, ...COMPLEX]), async (a) => {
        const inverse = xp("linalg.inv", a);
        expect(inverse.dtype).toBe(a.dtype);
        await expectNear(mm(a, inverse), eye(a));
        await expectNear(mm(a, xp("linalg.solve", a, a)), a);
        const { sign, logabsdet } = xp("linalg.slogdet", a) as unknown as Record<string, ChunkedArray>;
        const product = xp("multiply", sign, xp("exp", logabsdet));
        await expectNear(xp("linalg.det", a), product, 1);
        await expectNear(xp("linalg.matrix_power", a, 3), mm(a, mm(a, a)));
        await expectNear(xp("linalg.matrix_power", a, 0), eye(a));
        await expectNear(mm(a, xp("linalg.matrix_power", a, -1)), eye(a));
      }),
      RUNS,
    );
  });

  test("cholesky, eigh, eigvalsh of Hermitian matrices", async () => {
    await fc.assert(
      fc.asyncProperty(square([...FLOATS, ...COMPLEX]), async (a) => {
        const h = mm(a, T(a));
        const lower = xp("linalg.cholesky", h);
        await expectNear(mm(lower, T(lower)), h);
        await expectNear(lower, xp("tril", lower));
        await expectNear(xp("linalg.cholesky", h, { upper: true }), T(lower));
        const { eigenvalues, eigenvectors } = xp("linalg.eigh", h) as unknown as Record<
          "eigenvalues" | "eigenvectors",
          ChunkedArray
        >;
        await expectNear(mm(h, eigenvectors), xp("multiply", eigenvectors, eigenvalues));
        await expectNear(mm(T(eigenvectors), eigenvectors), eye(h));
        await expectNear(xp("linalg.eigvalsh", h), eigenvalues);
        const values = (await eigenvalues.compute()).toArray() as number[];
        expect(values).toEqual(values.toSorted((p, q) => p - q));
      }),
      RUNS,
    );
  });

  test("qr, svd, svdvals, pinv, matrix_rank", async () => {
    const shapesOf = fc.constantFrom([3, 3], [5, 2], [2, 4], [1, 1]);
    const given = fc.tuple(dtype([...FLOATS, ...COMPLEX]), shapesOf).chain(([of, shape]) => arrayOf(of, shape, true));
    await fc.assert(
      fc.asyncProperty(given, async ({ lazy: a }) => {
        const [m, n] = a.shape as [number, number];
        const k = Math.min(m, n);
        const qr = xp("linalg.qr", a) as unknown as Record<string, ChunkedArray>;
        const [q, r] = [qr["q"] ?? qr["Q"], qr["r"] ?? qr["R"]] as [ChunkedArray, ChunkedArray];
        expect([q.shape, r.shape]).toEqual([
          [m, k],
          [k, n],
        ]);
        await expectNear(mm(q, r), a);
        await expectNear(mm(T(q), q), eye(q));
        await expectNear(r, xp("triu", r));
        const svd = xp("linalg.svd", a, { fullMatrices: false }) as unknown as Record<string, ChunkedArray>;
        const [u, s, vh] = [svd["u"] ?? svd["U"], svd["s"] ?? svd["S"], svd["vh"] ?? svd["Vh"]] as [
          ChunkedArray,
          ChunkedArray,
          ChunkedArray,
        ];
        expect([u.shape, s.shape, vh.shape]).toEqual([[m, k], [k], [k, n]]);
        await expectNear(mm(xp("multiply", u, s), vh), a);
        await expectNear(mm(T(u), u), eye(u));
        await expectNear(xp("linalg.svdvals", a), s);
        const values = (await s.compute()).toArray() as number[];
        expect(values).toEqual(values.toSorted((p, o) => o - p));
        await expectNear(mm(a, mm(xp("linalg.pinv", a), a)), a);
        const largest = values[0] as number;
        const eps = a.dtype === "float32" || a.dtype === "complex64" ? 2 ** -23 : 2 ** -52;
        const isClear = values.every((v) => v > 1e-3 * largest || v === 0);
        if (isClear && largest > 0) {
          const rank = values.filter((v) => v > largest * Math.max(m, n) * eps).length;
          expect(Number((await xp("linalg.matrix_rank", a).compute()).item())).toBe(rank);
        }
      }),
      RUNS,
    );
  });

  test("norms of matrices and vectors", async () => {
    await fc.assert(
      fc.asyncProperty(
        dtype(FLOATS).chain((of) => arrayOf(of, [3, 4], true)),
        async ({ lazy: x }) => {
          const abs = xp("abs", x);
          await expectNear(xp("linalg.vector_norm", x, { axis: 1 }), xp("sqrt", xp("sum", xp("square", x), 1)));
          await expectNear(xp("linalg.vector_norm", x), xp("sqrt", xp("sum", xp("square", x))));
          await expectNear(xp("linalg.vector_norm", x, { axis: 0, ord: 1 }), xp("sum", abs, 0));
          await expectNear(xp("linalg.vector_norm", x, { axis: 0, ord: Number.POSITIVE_INFINITY }), xp("max", abs, 0));
          await expectNear(xp("linalg.matrix_norm", x), xp("sqrt", xp("sum", xp("square", x))));
          await expectNear(xp("linalg.matrix_norm", x, { ord: 1 }), xp("max", xp("sum", abs, 0)));
          await expectNear(xp("linalg.matrix_norm", x, { ord: 2 }), xp("max", xp("linalg.svdvals", x)));
          await expectNear(xp("linalg.matrix_norm", x, { ord: "nuc" }), xp("sum", xp("linalg.svdvals", x)));
        },
      ),
      RUNS,
    );
  });

  test("eig and eigvals", async () => {
    await fc.assert(
      fc.asyncProperty(square([...FLOATS, ...COMPLEX]), async (a) => {
        const { eigenvalues, eigenvectors } = xp("linalg.eig", a) as unknown as Record<
          "eigenvalues" | "eigenvectors",
          ChunkedArray
        >;
        expect(dtypeInfo(eigenvalues.dtype).kind).toBe("c");
        const wide = xp("astype", a, eigenvectors.dtype);
        await expectNear(mm(wide, eigenvectors), xp("multiply", eigenvectors, eigenvalues));
        await expectNear(xp("sum", xp("linalg.eigvals", a)), xp("sum", eigenvalues), 8);
        await expectNear(xp("sum", eigenvalues), xp("astype", xp("linalg.trace", a), eigenvalues.dtype), 8);
      }),
      RUNS,
    );
  });
});

describe("fft", () => {
  const sizes = fc.integer({ min: 1, max: 12 });

  /** The transform by its definition. */
  function naive(x: NDArray, sign: number): Pair[] {
    const n = x.size;
    return Array.from({ length: n }, (_, k) => {
      let [re, im] = [0, 0];
      for (let j = 0; j < n; j++) {
        const t = (sign * 2 * Math.PI * j * k) / n;
        const p = times(pair(at(x, [j])), { re: Math.cos(t), im: Math.sin(t) });
        re += p.re;
        im += p.im;
      }
      return { re, im };
    });
  }

  test("fft is its definition; ifft, rfft, irfft, hfft, ihfft go with it", async () => {
    const given = fc.tuple(dtype([...FLOATS, ...COMPLEX]), sizes).chain(([of, n]) => arrayOf(of, [n], true));
    await fc.assert(
      fc.asyncProperty(given, async ({ block }) => {
        const x = xp("asarray", block);
        const n = block.size;
        const out = xp("fft.fft", x);
        const isReal = dtypeInfo(block.dtype).kind === "f";
        expect(out.dtype).toBe(block.dtype === "float32" || block.dtype === "complex64" ? "complex64" : "complex128");
        const got = await out.compute();
        const want = naive(block, -1);
        const scale = Math.max(1, ...want.map((v) => Math.hypot(v.re, v.im)));
        want.forEach((v, k) => {
          const g = pair(at(got, [k]));
          expect(Math.hypot(g.re - v.re, g.im - v.im)).toBeLessThanOrEqual(tolerance(out.dtype) * scale);
        });
        await expectNear(xp("fft.ifft", out), xp("astype", x, out.dtype), 100);
        for (const norm of ["backward", "ortho", "forward"])
          await expectNear(xp("fft.ifft", xp("fft.fft", x, { norm }), { norm }), xp("astype", x, out.dtype), 100);
        if (!isReal) {
          if (n > 1)
            await expectNear(
              xp("fft.ihfft", xp("fft.hfft", x, { n: 2 * n - 2 })).slice([1, n - 1]),
              x.slice([1, n - 1]),
              100,
            );
          return;
        }
        const half = xp("fft.rfft", x);
        await expectNear(half, out.slice([0, Math.floor(n / 2) + 1]));
        await expectNear(xp("fft.irfft", half, { n }), x, 100);
      }),
      RUNS,
    );
  });

  test("fftn is one fft after another; rfftn and the inverses go with it", async () => {
    const given = fc.tuple(dtype(FLOATS), sizes, sizes).chain(([of, n, m]) => arrayOf(of, [n, m], true));
    await fc.assert(
      fc.asyncProperty(given, async ({ block }) => {
        const x = xp("asarray", block);
        const [n, m] = block.shape as [number, number];
        const out = xp("fft.fftn", x);
        await expectNear(out, xp("fft.fft", xp("fft.fft", x, { axis: 1 }), { axis: 0 }));
        await expectNear(xp("fft.ifftn", out), xp("astype", x, out.dtype), 100);
        const half = xp("fft.rfftn", x);
        await expectNear(half, out.slice(":", [0, Math.floor(m / 2) + 1]));
        await expectNear(xp("fft.irfftn", half, { s: [n, m] }), x, 100);
      }),
      RUNS,
    );
  });

  test("fftfreq, rfftfreq, fftshift, ifftshift", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.constantFrom(1, 0.25, 2), dtype(REAL), async (n, d, of) => {
        const frequency = (k: number) => (k < Math.ceil(n / 2) ? k : k - n) / (n * d);
        const got = (await xp("fft.fftfreq", n, { d }).compute()).toArray() as number[];
        expect(got.map((v, k) => Math.abs(v - frequency(k)) < 1e-12)).toEqual(got.map(() => true));
        const half = (await xp("fft.rfftfreq", n, { d }).compute()).toArray() as number[];
        expect(half.map((v, k) => Math.abs(v - k / (n * d)) < 1e-12)).toEqual(Array(Math.floor(n / 2) + 1).fill(true));
        const x = xp("arange", n, { dtype: of });
        const shifted = (await xp("fft.fftshift", x).compute()).toArray({ bigint: false }) as number[];
        expect(shifted).toEqual(Array.from({ length: n }, (_, k) => (k + Math.ceil(n / 2)) % n));
        await expectNear(xp("fft.ifftshift", xp("fft.fftshift", x)), x);
      }),
      RUNS,
    );
  });
});
