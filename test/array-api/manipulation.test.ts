/** Manipulation: which element goes where, told index by index. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import {
  ALL,
  arrayOf,
  arrays,
  at,
  dtype,
  type Element,
  expectMoved,
  indices,
  moved,
  promotable,
  promoted,
  same,
  shapes,
  xp,
} from "./arbitraries.ts";

useInlineRunner();
const RUNS = { numRuns: 30 };

const withAxis = fc
  .tuple(dtype(ALL), shapes({ minDims: 1 }))
  .chain(([of, shape]) => fc.tuple(arrayOf(of, shape), fc.integer({ min: -shape.length, max: shape.length - 1 })));
const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

describe("manipulation", () => {
  test("broadcast_to and broadcast_arrays repeat along axes of size 1 and new ones", async () => {
    const given = fc
      .tuple(dtype(ALL), shapes({ maxDims: 2 }), shapes({ maxDims: 1 }), fc.integer({ min: 0, max: 4 }))
      .chain(([of, shape, lead, wide]) =>
        fc.tuple(arrayOf(of, shape), fc.constant([...lead, ...shape.map((n) => (n === 1 ? wide : n))])),
      );
    await fc.assert(
      fc.asyncProperty(given, async ([x, shape]) => {
        const source = (i: readonly number[]) => i.slice(shape.length - x.block.ndim);
        await expectMoved(xp("broadcast_to", x.lazy, shape), shape, moved(x, source));
        const [a, b] = xp("broadcast_arrays", x.lazy, xp("zeros", shape)) as unknown as ChunkedArray[];
        await expectMoved(a as ChunkedArray, shape, moved(x, source));
        expect(b?.shape).toEqual(shape);
        expect(xp("broadcast_shapes", x.block.shape, shape)).toEqual(shape);
      }),
      RUNS,
    );
    expect(xp("broadcast_shapes")).toEqual([]);
    expect(() => xp("broadcast_shapes", [2, 3], [2, 4])).toThrow(/\(2, 3\)/);
  });

  test("concat joins along an axis, or flat", async () => {
    const given = fc
      .tuple(promotable(ALL), shapes({ minDims: 1 }), fc.nat(2), fc.nat(4))
      .chain(([[p, q], shape, k, n]) => {
        const axis = k % shape.length;
        const other = shape.map((side, a) => (a === axis ? n : side));
        return fc.tuple(arrayOf(p, shape), arrayOf(q, other), fc.constant(axis));
      });
    await fc.assert(
      fc.asyncProperty(given, async ([x, y, axis]) => {
        const of = promoted(x.block.dtype, y.block.dtype) as DType;
        const [X, Y] = await Promise.all([x, y].map((g) => xp("astype", g.lazy, of).compute()));
        const n = x.block.shape[axis] as number;
        const shape = x.block.shape.map((side, a) => (a === axis ? side + (y.block.shape[a] as number) : side));
        const from = (i: readonly number[]): Element =>
          (i[axis] as number) < n
            ? at(X as NDArray, i)
            : at(
                Y as NDArray,
                i.map((v, a) => (a === axis ? v - n : v)),
              );
        await expectMoved(xp("concat", [x.lazy, y.lazy], { axis }), shape, { of, from });
        await expectMoved(xp("concat", [x.lazy, y.lazy], { axis: axis - shape.length }), shape, { of, from });
        const flat = [...indices(x.block.shape)].map((i) => at(X as NDArray, i));
        flat.push(...[...indices(y.block.shape)].map((i) => at(Y as NDArray, i)));
        await expectMoved(xp("concat", [x.lazy, y.lazy], { axis: null }), [flat.length], {
          of,
          from: ([i]) => flat[i as number] as Element,
        });
      }),
      RUNS,
    );
  });

  test("expand_dims puts axes of size 1 in, and refuses places outside", async () => {
    const given = fc.tuple(dtype(ALL), shapes()).chain(([of, shape]) => {
      const rank = shape.length;
      return fc.tuple(arrayOf(of, shape), fc.integer({ min: 2 * (-rank - 1), max: 2 * rank }));
    });
    await fc.assert(
      fc.asyncProperty(given, async ([x, axis]) => {
        const rank = x.block.ndim;
        if (axis < -rank - 1 || axis > rank) {
          expect(() => xp("expand_dims", x.lazy, { axis })).toThrow();
          return;
        }
        const place = axis < 0 ? axis + rank + 1 : axis;
        const shape = x.block.shape.toSpliced(place, 0, 1);
        await expectMoved(
          xp("expand_dims", x.lazy, { axis }),
          shape,
          moved(x, (i) => i.toSpliced(place, 1)),
        );
      }),
      RUNS,
    );
  });

  test("expand_dims with several axes is one after another", () => {
    fc.assert(
      fc.property(
        shapes(),
        fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 2 }),
        (shape, axes) => {
          const x = xp("zeros", shape);
          const rank = shape.length + axes.length;
          if (axes.some((a) => a >= rank)) {
            expect(() => xp("expand_dims", x, { axis: axes })).toThrow();
            return;
          }
          const want = axes.toSorted((a, b) => a - b).reduce((y, axis) => xp("expand_dims", y, { axis }), x);
          expect(xp("expand_dims", x, { axis: axes }).shape).toEqual(want.shape);
        },
      ),
    );
  });

  test("squeeze takes axes of size 1 out, and refuses others", async () => {
    const given = fc
      .tuple(dtype(ALL), shapes({ minDims: 1, minSide: 1, maxSide: 2 }))
      .chain(([of, shape]) => fc.tuple(arrayOf(of, shape), fc.integer({ min: -shape.length, max: shape.length - 1 })));
    await fc.assert(
      fc.asyncProperty(given, async ([x, axis]) => {
        const k = positive(axis, x.block.ndim);
        if (x.block.shape[k] !== 1) {
          expect(() => xp("squeeze", x.lazy, axis)).toThrow();
          return;
        }
        await expectMoved(
          xp("squeeze", x.lazy, axis),
          x.block.shape.toSpliced(k, 1),
          moved(x, (i) => i.toSpliced(k, 0, 0)),
        );
      }),
      RUNS,
    );
  });

  test("flip, moveaxis, permute_dims and roll", async () => {
    await fc.assert(
      fc.asyncProperty(withAxis, fc.integer({ min: -9, max: 9 }), fc.nat(), async ([x, axis], shift, seed) => {
        const { shape, ndim } = x.block;
        const k = positive(axis, ndim);
        const n = shape[k] as number;
        const reversed = (i: readonly number[], axes: (a: number) => boolean) =>
          i.map((v, a) => (axes(a) ? (shape[a] as number) - 1 - v : v));
        await expectMoved(
          xp("flip", x.lazy, { axis }),
          shape,
          moved(x, (i) => reversed(i, (a) => a === k)),
        );
        await expectMoved(
          xp("flip", x.lazy),
          shape,
          moved(x, (i) => reversed(i, () => true)),
        );
        await expectMoved(
          xp("roll", x.lazy, shift, { axis }),
          shape,
          moved(x, (i) => i.map((v, a) => (a === k ? (((v - shift) % n) + n) % n : v))),
        );
        const order = shape.map((_, a) => a).toSorted((a, b) => ((a * 7 + seed) % 5) - ((b * 7 + seed) % 5) || a - b);
        await expectMoved(
          xp("permute_dims", x.lazy, order),
          order.map((a) => shape[a] as number),
          moved(x, (i) =>
            order.reduce<number[]>((out, a, j) => {
              out[a] = i[j] as number;
              return out;
            }, []),
          ),
        );
        const rest = shape.map((_, a) => a).filter((a) => a !== k);
        const to = seed % ndim;
        const axes = rest.toSpliced(to, 0, k);
        await expectMoved(
          xp("moveaxis", x.lazy, axis, to),
          axes.map((a) => shape[a] as number),
          moved(x, (i) =>
            axes.reduce<number[]>((out, a, j) => {
              out[a] = i[j] as number;
              return out;
            }, []),
          ),
        );
      }),
      RUNS,
    );
  });

  test("roll without an axis is of the flat array, by several of each", async () => {
    await fc.assert(
      fc.asyncProperty(arrays(ALL), fc.integer({ min: -20, max: 20 }), async (x, shift) => {
        const { size, shape } = x.block;
        const all = [...indices(shape)];
        const got = await xp("roll", x.lazy, shift).compute();
        for (const [flat, i] of all.entries())
          expect(same(at(got, i), at(x.block, all[(((flat - shift) % size) + size) % size] as number[]))).toBe(true);
        if (shape.length < 2) return;
        const [n, m] = shape as [number, number];
        await expectMoved(
          xp("roll", x.lazy, [shift, 1], { axis: [0, 1] }),
          shape,
          moved(x, ([a = 0, b = 0, ...rest]) => [(((a - shift) % n) + n) % n, (b - 1 + m) % m, ...rest]),
        );
      }),
      RUNS,
    );
  });

  test("reshape keeps the order of elements; -1 stands for what is left", async () => {
    const given = fc.tuple(
      dtype(ALL),
      fc.constantFrom([12], [3, 4], [2, 2, 3], [1, 12, 1], [2, 6]),
      fc.constantFrom([12], [4, 3], [-1, 2], [2, 3, 2], [6, -1], [-1]),
    );
    await fc.assert(
      fc.asyncProperty(
        given.chain(([of, shape, to]) => fc.tuple(arrayOf(of, shape), fc.constant(to))),
        async ([x, to]) => {
          const known = to.filter((n) => n >= 0).reduce((a, b) => a * b, 1);
          const shape = to.map((n) => (n < 0 ? 12 / known : n));
          const source = [...indices(x.block.shape)];
          const targets = new Map([...indices(shape)].map((i, flat) => [i.join(), flat]));
          await expectMoved(
            xp("reshape", x.lazy, to),
            shape,
            moved(x, (i) => source[targets.get(i.join()) as number] as number[]),
          );
        },
      ),
      RUNS,
    );
  });

  test("repeat and tile", async () => {
    await fc.assert(
      fc.asyncProperty(
        withAxis,
        fc.integer({ min: 0, max: 4 }),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
        async ([x, axis], times, reps) => {
          const { shape, ndim } = x.block;
          const k = positive(axis, ndim);
          await expectMoved(
            xp("repeat", x.lazy, times, { axis }),
            shape.map((n, a) => (a === k ? n * times : n)),
            moved(x, (i) => i.map((v, a) => (a === k ? Math.floor(v / times) : v))),
          );
          const rank = Math.max(ndim, reps.length);
          const padded = [...Array<number>(rank - ndim).fill(1), ...shape];
          const by = [...Array<number>(rank - reps.length).fill(1), ...reps];
          await expectMoved(
            xp("tile", x.lazy, reps),
            padded.map((n, a) => n * (by[a] as number)),
            moved(x, (i) => i.map((v, a) => v % (padded[a] as number)).slice(rank - ndim)),
          );
        },
      ),
      RUNS,
    );
  });

  test("stack and unstack", async () => {
    const given = fc
      .tuple(promotable(ALL), shapes(), fc.nat())
      .chain(([[p, q], shape, k]) =>
        fc.tuple(arrayOf(p, shape), arrayOf(q, shape), fc.constant(k % (shape.length + 1))),
      );
    await fc.assert(
      fc.asyncProperty(given, async ([x, y, axis]) => {
        const of = promoted(x.block.dtype, y.block.dtype) as DType;
        const parts = await Promise.all([x, y].map((g) => xp("astype", g.lazy, of).compute()));
        const shape = x.block.shape.toSpliced(axis, 0, 2);
        const out = xp("stack", [x.lazy, y.lazy], { axis });
        await expectMoved(out, shape, {
          of,
          from: (i) => at(parts[i[axis] as number] as NDArray, i.toSpliced(axis, 1)),
        });
        const again = xp("unstack", out, { axis }) as unknown as ChunkedArray[];
        expect(again.length).toBe(2);
        for (const [j, part] of again.entries())
          await expectMoved(part, x.block.shape, { of, from: (i) => at(parts[j] as NDArray, i) });
      }),
      RUNS,
    );
  });
});
