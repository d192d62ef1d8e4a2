/** Statistics, searching, sorting, sets, utilities: every result from the elements of its lane, computed one by one. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import { type DType, dtypeInfo } from "../../src/dtype/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import {
  ALL,
  arrayOf,
  arrays,
  at,
  COMPLEX,
  dtype,
  type Element,
  FLOATS,
  type Given,
  INTEGERS,
  indices,
  promotable,
  promoted,
  REAL,
  same,
  shapes,
  xp,
} from "./arbitraries.ts";

useInlineRunner();
const RUNS = { numRuns: 30 };

/** Axes of a reduction: all, one, or several; never of a lane of no element where `filled`. */
const reducing = (dtypes: readonly DType[], filled = false, plain = true) =>
  fc
    .tuple(dtype(dtypes), shapes({ minSide: filled ? 1 : 0 }), fc.nat(7), fc.boolean())
    .chain(([of, shape, choice, keepdims]) => {
      const axes = choice === 0 ? null : shape.map((_, k) => k).filter((k) => (choice >> k) & 1);
      return fc.tuple(
        arrayOf(of, shape, plain),
        fc.constant(axes === null || axes.length === 0 ? null : axes),
        fc.constant(keepdims),
      );
    });

/** The elements of each lane, by the index of the result. */
function lanes(
  { block }: Given,
  axes: readonly number[] | null,
  keepdims: boolean,
): { shape: number[]; lanes: Map<string, Element[]> } {
  const reduced = (k: number): boolean => axes === null || axes.includes(k);
  const shape = block.shape.flatMap((n, k) => (reduced(k) ? (keepdims ? [1] : []) : [n]));
  const out = new Map([...indices(shape)].map((i) => [i.join(), [] as Element[]]));
  for (const i of indices(block.shape)) {
    const key = i.flatMap((v, k) => (reduced(k) ? (keepdims ? [0] : []) : [v])).join();
    out.get(key)?.push(at(block, i));
  }
  return { shape, lanes: out };
}

const big = (v: Element): bigint => BigInt(v as bigint | number | boolean);
const num = (v: Element): number => Number(v as number);
const isInteger = (of: DType): boolean => "biu".includes(dtypeInfo(of).kind);
const sumType = (of: DType): DType => (dtypeInfo(of).kind === "u" ? "uint64" : isInteger(of) ? "int64" : of);
const wrapTo = (of: DType, v: bigint): bigint => (of === "uint64" ? BigInt.asUintN(64, v) : BigInt.asIntN(64, v));

function close(got: number, want: number, of: DType, scale = Math.abs(want)): boolean {
  if (Number.isNaN(want)) return Number.isNaN(got);
  return got === want || Math.abs(got - want) <= (of === "float32" ? 1e-5 : 1e-11) * Math.max(scale, 1e-30);
}

async function eachLane(
  out: ChunkedArray,
  [given, axes, keepdims]: readonly [Given, readonly number[] | null, boolean],
  check: (got: Element, lane: Element[]) => void,
): Promise<NDArray> {
  const { shape, lanes: all } = lanes(given, axes, keepdims);
  expect(out.shape).toEqual(shape);
  const got = await out.compute();
  for (const i of indices(shape)) check(at(got, i), all.get(i.join()) ?? []);
  return got;
}

describe("statistics", () => {
  test("sum and prod accumulate integers in 64 bits, floats near the truth", async () => {
    await fc.assert(
      fc.asyncProperty(reducing(REAL), async (given) => {
        const [{ block, lazy }, axes, keepdims] = given;
        const of = sumType(block.dtype);
        for (const name of ["sum", "prod"] as const) {
          const out = xp(name, lazy, axes, { keepdims });
          expect(out.dtype).toBe(of);
          await eachLane(out, given, (got, lane) => {
            if (isInteger(of)) {
              const want = lane.map(big).reduce((a, b) => (name === "sum" ? a + b : a * b), name === "sum" ? 0n : 1n);
              expect(got).toBe(wrapTo(of, want));
            } else {
              const want = lane.map(num).reduce((a, b) => (name === "sum" ? a + b : a * b), name === "sum" ? 0 : 1);
              const scale = name === "sum" ? lane.reduce<number>((a, b) => a + Math.abs(num(b)), 0) : Math.abs(want);
              if (Math.abs(want) < 1e37)
                expect([got, want, close(num(got), want, of, scale)]).toEqual([got, want, true]);
            }
          });
        }
      }),
      RUNS,
    );
  });

  test("min and max are elements; of nothing they are refused", async () => {
    await fc.assert(
      fc.asyncProperty(reducing(REAL, true, false), async (given) => {
        const [{ block, lazy }, axes, keepdims] = given;
        for (const name of ["min", "max"]) {
          const out = xp(name, lazy, axes, { keepdims });
          expect(out.dtype).toBe(block.dtype);
          await eachLane(out, given, (got, lane) => {
            const nan = lane.find((v) => Number.isNaN(v));
            const want = nan ?? lane.reduce((a, b) => ((name === "min" ? b < a : b > a) ? b : a));
            expect([got, want, got === want || same(got, want)]).toEqual([got, want, true]);
          });
        }
      }),
      RUNS,
    );
    for (const name of ["min", "max", "argmin", "argmax"]) expect(() => xp(name, xp("zeros", [0]))).toThrow();
  });

  test("mean, var and std of floats, with a correction", async () => {
    await fc.assert(
      fc.asyncProperty(reducing(FLOATS, true), fc.constantFrom(0, 1), async (given, correction) => {
        const [{ block, lazy }, axes, keepdims] = given;
        const of = block.dtype;
        const moments = (lane: Element[]) => {
          const values = lane.map(num);
          const mean = values.reduce((a, b) => a + b, 0) / values.length;
          const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
          return { mean, squares, n: values.length, scale: Math.max(...values.map(Math.abs)) };
        };
        const mean = xp("mean", lazy, axes, { keepdims });
        expect(mean.dtype).toBe(of);
        await eachLane(mean, given, (got, lane) => {
          const m = moments(lane);
          expect(close(num(got), m.mean, of, m.scale)).toBe(true);
        });
        for (const name of ["var", "std"]) {
          await eachLane(xp(name, lazy, axes, { keepdims, correction }), given, (got, lane) => {
            const { squares, n, scale } = moments(lane);
            if (n <= correction) return; // a division by zero: NaN or infinity
            const variance = squares / (n - correction);
            const want = name === "var" ? variance : Math.sqrt(variance);
            expect([got, want, close(num(got), want, of, name === "var" ? scale * scale : scale)]).toEqual([
              got,
              want,
              true,
            ]);
          });
        }
      }),
      RUNS,
    );
  });

  test.each(["max", "mean", "min", "prod", "std", "sum", "var"])("%s of a NaN is NaN", async (name) => {
    await fc.assert(
      fc.asyncProperty(
        dtype(FLOATS).chain((of) =>
          fc.tuple(
            shapes({ minSide: 1 }).chain((shape) => arrayOf(of, shape, true)),
            fc.nat(),
          ),
        ),
        async ([{ block }, seed]) => {
          block.data[seed % block.size] = Number.NaN;
          expect((await xp(name, xp("asarray", block)).compute()).item()).toBe(Number.NaN);
        },
      ),
      RUNS,
    );
  });

  test("cumulative_sum and cumulative_prod, with and without what they begin from", async () => {
    const given = fc
      .tuple(dtype(REAL), shapes({ minDims: 1 }), fc.nat(), fc.boolean())
      .chain(([of, shape, k, initial]) =>
        fc.tuple(arrayOf(of, shape, true), fc.constant(k % shape.length), fc.constant(initial)),
      );
    await fc.assert(
      fc.asyncProperty(given, async ([{ block, lazy }, axis, includeInitial]) => {
        const of = sumType(block.dtype);
        for (const name of ["cumulative_sum", "cumulative_prod"]) {
          const isSum = name === "cumulative_sum";
          const out = xp(name, lazy, { axis, includeInitial });
          const shape = block.shape.map((n, k) => (k === axis && includeInitial ? n + 1 : n));
          expect([out.dtype, out.shape]).toEqual([of, shape]);
          const got = await out.compute();
          for (const i of indices(shape)) {
            const count = (i[axis] as number) + (includeInitial ? 0 : 1);
            const lane = Array.from({ length: count }, (_, j) =>
              at(
                block,
                i.map((v, k) => (k === axis ? j : v)),
              ),
            );
            if (isInteger(of)) {
              const want = lane.map(big).reduce((a, b) => (isSum ? a + b : a * b), isSum ? 0n : 1n);
              expect(at(got, i)).toBe(wrapTo(of, want));
            } else {
              const want = lane.map(num).reduce((a, b) => (isSum ? a + b : a * b), isSum ? 0 : 1);
              const scale = isSum ? lane.reduce<number>((a, b) => a + Math.abs(num(b)), 0) : Math.abs(want);
              if (Math.abs(want) < 1e37) expect(close(num(at(got, i)), want, of, scale)).toBe(true);
            }
          }
        }
      }),
      RUNS,
    );
  });
});

describe("searching", () => {
  test("argmin and argmax name the first of the extremes", async () => {
    const given = fc
      .tuple(dtype(REAL), shapes({ minDims: 1, minSide: 1 }), fc.nat(), fc.boolean(), fc.boolean())
      .chain(([of, shape, k, all, keepdims]) =>
        fc.tuple(arrayOf(of, shape), fc.constant(all ? null : k % shape.length), fc.constant(keepdims)),
      );
    await fc.assert(
      fc.asyncProperty(given, async ([x, axis, keepdims]) => {
        for (const name of ["argmin", "argmax"]) {
          const out = xp(name, x.lazy, axis, { keepdims });
          expect(out.dtype).toBe("int64");
          await eachLane(out, [x, axis === null ? null : [axis], keepdims], (got, lane) => {
            const nan = lane.findIndex((v) => Number.isNaN(v));
            const best = lane.reduce((a, b) => ((name === "argmin" ? b < a : b > a) ? b : a));
            expect(Number(got as bigint)).toBe(nan >= 0 ? nan : lane.indexOf(best));
          });
        }
      }),
      RUNS,
    );
  });

  test("count_nonzero and nonzero", async () => {
    const zero = (v: Element): boolean => (typeof v === "object" ? v.re === 0 && v.im === 0 : !(v || Number.isNaN(v)));
    await fc.assert(
      fc.asyncProperty(reducing(ALL, false, false), async (given) => {
        const out = xp("count_nonzero", given[0].lazy, given[1], { keepdims: given[2] });
        expect(out.dtype).toBe("int64");
        await eachLane(out, given, (got, lane) =>
          expect(Number(got as bigint)).toBe(lane.filter((v) => !zero(v)).length),
        );
      }),
      RUNS,
    );
    await fc.assert(
      fc.asyncProperty(arrays(ALL, { minDims: 1 }), async ({ block, lazy }) => {
        const parts = xp("nonzero", lazy) as unknown as ChunkedArray[];
        const got = await Promise.all(parts.map((p) => p.compute()));
        const want = [...indices(block.shape)].filter((i) => !zero(at(block, i)));
        expect(got.map((g) => [g.dtype, g.shape])).toEqual(block.shape.map(() => ["int64", [want.length]]));
        got.forEach((g, k) => {
          expect(g.toArray({ bigint: false })).toEqual(want.map((i) => i[k]));
        });
      }),
      RUNS,
    );
    expect(() => xp("nonzero", xp("zeros", []))).toThrow();
  });

  test("where picks by the condition, broadcast", async () => {
    const given = fc
      .tuple(promotable(ALL), shapes())
      .chain(([[p, q], shape]) => fc.tuple(arrayOf("bool", shape), arrayOf(p, shape.slice(1)), arrayOf(q, shape)));
    await fc.assert(
      fc.asyncProperty(given, async ([cond, x, y]) => {
        const of = promoted(x.block.dtype, y.block.dtype) as DType;
        const [X, Y] = await Promise.all([x, y].map((g) => xp("astype", g.lazy, of).compute()));
        const out = xp("where", cond.lazy, x.lazy, y.lazy);
        expect([out.dtype, out.shape]).toEqual([of, cond.block.shape]);
        const got = await out.compute();
        for (const i of indices(cond.block.shape))
          expect(same(at(got, i), at((at(cond.block, i) ? X : Y) as NDArray, i))).toBe(true);
      }),
      RUNS,
    );
  });

  test("searchsorted keeps the order", async () => {
    const given = dtype(REAL).chain((of) =>
      fc.tuple(arrayOf(of, [7], true), arrayOf(of, [5], true), fc.constantFrom("left", "right")),
    );
    await fc.assert(
      fc.asyncProperty(given, async ([x, v, side]) => {
        const sorted = xp("sort", x.lazy);
        const out = xp("searchsorted", sorted, v.lazy, { side });
        expect([out.dtype, out.shape]).toEqual(["int64", [5]]);
        const [s, got] = await Promise.all([sorted.compute(), out.compute()]);
        for (let k = 0; k < 5; k++) {
          const value = at(v.block, [k]);
          const before = Array.from({ length: 7 }, (_, j) => at(s, [j])).filter((e) =>
            side === "left" ? e < value : e <= value,
          );
          expect(Number(at(got, [k]) as bigint)).toBe(before.length);
        }
      }),
      RUNS,
    );
  });
});

/** NaN last. */
const order = (a: Element, b: Element): number =>
  Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : a < b ? -1 : a > b ? 1 : 0;

describe("sorting", () => {
  test("sort and argsort, stable, either way", async () => {
    const given = fc
      .tuple(dtype(REAL), shapes({ minDims: 1 }), fc.nat(), fc.boolean())
      .chain(([of, shape, k, descending]) =>
        fc.tuple(arrayOf(of, shape), fc.constant(k % shape.length), fc.constant(descending)),
      );
    await fc.assert(
      fc.asyncProperty(given, async ([{ block, lazy }, axis, descending]) => {
        const [sorted, places] = [xp("sort", lazy, { axis, descending }), xp("argsort", lazy, { axis, descending })];
        expect([sorted.dtype, sorted.shape, places.dtype, places.shape]).toEqual([
          block.dtype,
          block.shape,
          "int64",
          block.shape,
        ]);
        const [s, p] = await Promise.all([sorted.compute(), places.compute()]);
        for (const i of indices(block.shape)) {
          if (i[axis] !== 0) continue;
          const n = block.shape[axis] as number;
          const lane = Array.from({ length: n }, (_, j) => at(block, i.with(axis, j)));
          const ranks = lane
            .map((_, j) => j)
            .sort((a, b) => {
              const [x, y] = [lane[a] as Element, lane[b] as Element];
              return (descending ? -order(x, y) : order(x, y)) || a - b;
            });
          expect(Array.from({ length: n }, (_, j) => Number(at(p, i.with(axis, j)) as bigint))).toEqual(ranks);
          for (const [j, r] of ranks.entries()) {
            const [got, want] = [at(s, i.with(axis, j)), lane[r] as Element];
            expect(got === want || same(got, want)).toBe(true);
          }
        }
      }),
      RUNS,
    );
  });
});

describe("sets", () => {
  test("unique_all, unique_counts, unique_inverse, unique_values", async () => {
    await fc.assert(
      fc.asyncProperty(arrays([...INTEGERS, ...FLOATS, "bool"]), async ({ block, lazy }) => {
        const all = [...indices(block.shape)].map((i) => at(block, i));
        // Each NaN is one of its own in the standard's functions; zeros of either sign are one.
        const isNaNs = (v: Element): boolean => Number.isNaN(v);
        const distinct = all
          .toSorted(order)
          .filter((v, k, list) => k === 0 || isNaNs(v) || order(list[k - 1] as Element, v) !== 0);
        const made = xp("unique_all", lazy) as unknown as Record<string, ChunkedArray>;
        const [values, first, inverse, counts] = await Promise.all(
          ["values", "indices", "inverseIndices", "counts"].map((k) => (made[k] as ChunkedArray).compute()),
        );
        expect(values?.dtype).toBe(block.dtype);
        expect([first, inverse, counts].map((b) => b?.dtype)).toEqual(["int64", "int64", "int64"]);
        expect(inverse?.shape).toEqual(block.shape);
        const valuesOf = (b: NDArray | undefined) =>
          Array.from({ length: distinct.length }, (_, k) => at(b as NDArray, [k]));
        expect(values?.shape).toEqual([distinct.length]);
        valuesOf(values).forEach((v, k) => {
          expect(order(v, distinct[k] as Element)).toBe(0);
        });
        const nans = all.flatMap((v, i) => (isNaNs(v) ? [i] : []));
        const ordinary = distinct.length - nans.length;
        valuesOf(first).forEach((f, k) => {
          const own = (v: Element): boolean => order(v, distinct[k] as Element) === 0;
          expect(Number(f as bigint)).toBe(k < ordinary ? all.findIndex(own) : nans[k - ordinary]);
        });
        valuesOf(counts).forEach((c, k) => {
          const own = all.filter((v) => order(v, distinct[k] as Element) === 0).length;
          expect(Number(c as bigint)).toBe(k < ordinary ? own : 1);
        });
        for (const [flat, i] of [...indices(block.shape)].entries())
          expect(order(distinct[Number(at(inverse as NDArray, i) as bigint)] as Element, all[flat] as Element)).toBe(0);
        const again = await (xp("unique_values", lazy) as ChunkedArray).compute();
        expect(again.shape).toEqual([distinct.length]);
        const two = xp("unique_counts", lazy) as unknown as Record<string, ChunkedArray>;
        expect((await (two["counts"] as ChunkedArray).compute()).toArray()).toEqual(counts?.toArray());
        const three = xp("unique_inverse", lazy) as unknown as Record<string, ChunkedArray>;
        expect((await (three["inverseIndices"] as ChunkedArray).compute()).toArray()).toEqual(inverse?.toArray());
      }),
      RUNS,
    );
  });

  test("isin, inverted or not", async () => {
    const given = dtype(REAL).chain((of) => fc.tuple(arrayOf(of, [3, 4], true), arrayOf(of, [5], true), fc.boolean()));
    await fc.assert(
      fc.asyncProperty(given, async ([x, y, invert]) => {
        const out = xp("isin", x.lazy, y.lazy, { invert });
        expect([out.dtype, out.shape]).toEqual(["bool", [3, 4]]);
        const got = await out.compute();
        const members = Array.from({ length: 5 }, (_, k) => at(y.block, [k]));
        for (const i of indices([3, 4])) expect(at(got, i)).toBe(members.includes(at(x.block, i)) !== invert);
      }),
      RUNS,
    );
  });
});

describe("utilities", () => {
  test("all and any", async () => {
    const zero = (v: Element): boolean => (typeof v === "object" ? v.re === 0 && v.im === 0 : !(v || Number.isNaN(v)));
    await fc.assert(
      fc.asyncProperty(reducing([...REAL, ...COMPLEX, "bool"], false, false), async (given) => {
        const [{ lazy }, axes, keepdims] = given;
        for (const name of ["all", "any"]) {
          const out = xp(name, lazy, axes, { keepdims });
          expect(out.dtype).toBe("bool");
          await eachLane(out, given, (got, lane) => {
            expect(got).toBe(name === "all" ? !lane.some(zero) : lane.some((v) => !zero(v)));
          });
        }
      }),
      RUNS,
    );
  });

  test("diff of any order, with what comes before and after", async () => {
    const given = fc
      .tuple(dtype(REAL), shapes({ minDims: 1, minSide: 1 }), fc.nat(), fc.integer({ min: 1, max: 3 }))
      .chain(([of, shape, k, n]) => {
        const axis = k % shape.length;
        const edge = shape.with(axis, 2);
        return fc.tuple(arrayOf(of, shape, true), arrayOf(of, edge, true), fc.constant(axis), fc.constant(n));
      });
    await fc.assert(
      fc.asyncProperty(given, async ([x, edge, axis, n]) => {
        const out = xp("diff", x.lazy, { axis, n, prepend: edge.lazy, append: edge.lazy });
        let want: ChunkedArray = xp("concat", [edge.lazy, x.lazy, edge.lazy], { axis });
        for (let k = 0; k < n && (want.shape[axis] as number) > 0; k++) {
          const size = want.shape[axis] as number;
          const cut = (from: number, to: number) =>
            want.slice(...want.shape.map((_, a) => (a === axis ? ([from, to] as const) : ":")));
          want = xp("subtract", cut(1, size), cut(0, size - 1));
        }
        expect([out.dtype, out.shape]).toEqual([x.block.dtype, want.shape]);
        expect((await out.compute()).toArray()).toEqual((await want.compute()).toArray());
      }),
      RUNS,
    );
  });
});
