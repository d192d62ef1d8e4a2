/** Creation: dtypes by default and as asked, and every element. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import {
  ALL,
  arrayOf,
  arrays,
  at,
  dtype,
  type Element,
  expectMoved,
  FLOATS,
  INTEGERS,
  indices,
  moved,
  NUMERIC,
  REAL,
  shapes,
  xp,
} from "./arbitraries.ts";

useInlineRunner();
const RUNS = { numRuns: 30 };

describe("creation", () => {
  const fill = (of: DType): number | boolean => (of === "bool" ? true : 3);

  test("zeros, ones, full, empty, and their likes", async () => {
    await fc.assert(
      fc.asyncProperty(dtype(ALL), shapes(), dtype(ALL), async (of, shape, other) => {
        const like = xp("zeros", shape, { dtype: other });
        expect([xp("zeros", shape).dtype, xp("ones", shape).dtype, xp("empty", shape).dtype]).toEqual([
          "float64",
          "float64",
          "float64",
        ]);
        expect([xp("full", shape, 1).dtype, xp("full", shape, 1.5).dtype, xp("full", shape, true).dtype]).toEqual([
          "int64",
          "float64",
          "bool",
        ]);
        for (const [name, value] of [
          ["zeros", 0],
          ["ones", 1],
          ["full", 3],
        ] as const) {
          const extra = name === "full" ? [fill(of)] : [];
          for (const made of [
            xp(name, shape, ...extra, { dtype: of }),
            xp(`${name}_like`, like, ...extra, { dtype: of }),
          ]) {
            const flat = (await xp("astype", made, "complex128").compute()).data;
            expect([made.dtype, made.shape]).toEqual([of, shape]);
            const want = of === "bool" ? Number(value !== 0) : value;
            expect([...flat].every((v, i) => v === (i % 2 ? 0 : want))).toBe(true);
          }
        }
        expect([
          xp("zeros_like", like).dtype,
          xp("empty_like", like).dtype,
          xp("empty_like", like, { dtype: of }).dtype,
        ]).toEqual([other, other, of]);
      }),
      RUNS,
    );
  });

  test("arange counts by its step", async () => {
    const int = fc.integer({ min: -30, max: 30 });
    await fc.assert(
      fc.asyncProperty(
        int,
        int,
        int.filter((s) => s !== 0),
        fc.option(dtype(REAL)),
        async (start, stop, step, of) => {
          const want: number[] = [];
          for (let v = start; step > 0 ? v < stop : v > stop; v += step) want.push(v);
          if (of?.startsWith("u") && want.some((v) => v < 0)) return;
          const out = xp("arange", start, stop, step, of ? { dtype: of } : {});
          expect([out.dtype, out.shape]).toEqual([of ?? "int64", [want.length]]);
          expect((await out.compute()).toArray({ bigint: false })).toEqual(want);
        },
      ),
      RUNS,
    );
    expect([xp("arange", 2.5).dtype, xp("arange", 0, 3, 0.5).dtype]).toEqual(["float64", "float64"]);
  });

  test("linspace begins and ends where it is told, in even steps", async () => {
    const end = fc.integer({ min: -50, max: 50 });
    await fc.assert(
      fc.asyncProperty(
        end,
        end,
        fc.integer({ min: 0, max: 20 }),
        dtype(FLOATS),
        fc.boolean(),
        async (start, stop, num, of, endpoint) => {
          const out = xp("linspace", start, stop, { num, dtype: of, endpoint });
          expect([out.dtype, out.shape]).toEqual([of, [num]]);
          const got = (await out.compute()).toArray() as number[];
          const step = (stop - start) / (endpoint ? Math.max(1, num - 1) : num);
          for (const [i, v] of got.entries()) expect(Math.abs(v - (start + i * step))).toBeLessThan(1e-4);
          if (num > 0) expect(got[0]).toBe(start);
          if (num > 1 && endpoint) expect(got.at(-1)).toBe(stop);
        },
      ),
      RUNS,
    );
  });

  test("eye, tril, triu", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(5), fc.nat(5), fc.integer({ min: -6, max: 6 }), dtype(NUMERIC), async (n, m, k, of) => {
        const out = xp("eye", n, { M: m, k, dtype: of });
        expect([out.dtype, out.shape]).toEqual([of, [n, m]]);
        const got = await xp("real", out).compute();
        for (const [i = 0, j = 0] of indices([n, m]))
          expect(Number(at(got, [i, j]) as number)).toBe(j - i === k ? 1 : 0);
      }),
      RUNS,
    );
    const planes = fc
      .tuple(dtype(ALL), shapes({ minDims: 2 }))
      .chain(([of, shape]) => fc.tuple(arrayOf(of, shape), fc.integer({ min: -6, max: 6 })));
    await fc.assert(
      fc.asyncProperty(planes, async ([x, k]) => {
        const { dtype: of, shape } = x.block;
        const none: Element =
          of === "bool"
            ? false
            : of.startsWith("c")
              ? { re: 0, im: 0 }
              : of.endsWith("64") && of !== "float64"
                ? 0n
                : 0;
        for (const name of ["tril", "triu"]) {
          const keeps = (i: readonly number[]): boolean => {
            const above = (i.at(-1) as number) - (i.at(-2) as number);
            return name === "tril" ? above <= k : above >= k;
          };
          await expectMoved(xp(name, x.lazy, { k }), shape, { of, from: (i) => (keeps(i) ? at(x.block, i) : none) });
        }
      }),
      RUNS,
    );
  });

  test("meshgrid, asarray", async () => {
    await fc.assert(
      fc.asyncProperty(
        dtype(NUMERIC).chain((of) => fc.tuple(arrayOf(of, [3]), arrayOf(of, [4]))),
        async ([x, y]) => {
          for (const indexing of ["xy", "ij"]) {
            const [a, b] = xp("meshgrid", x.lazy, y.lazy, { indexing }) as unknown as [ChunkedArray, ChunkedArray];
            const shape = indexing === "xy" ? [4, 3] : [3, 4];
            const [p, q] = indexing === "xy" ? [1, 0] : [0, 1];
            await expectMoved(
              a,
              shape,
              moved(x, (i) => [i[p] as number]),
            );
            await expectMoved(
              b,
              shape,
              moved(y, (i) => [i[q] as number]),
            );
          }
        },
      ),
      RUNS,
    );
    await fc.assert(
      fc.asyncProperty(arrays(ALL), async (x) => {
        for (const given of [x.lazy, x.block])
          await expectMoved(
            xp("asarray", given),
            x.block.shape,
            moved(x, (i) => i),
          );
      }),
      RUNS,
    );
    expect([xp("asarray", [[1, 2]]).dtype, xp("asarray", [1, 0.5]).dtype, xp("asarray", [true]).dtype]).toEqual([
      "int64",
      "float64",
      "bool",
    ]);
    for (const of of INTEGERS) expect(() => xp("asarray", [1e30], { dtype: of })).toThrow(of);
  });
});
