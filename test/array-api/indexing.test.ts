/** Indexing: which elements are picked, told index by index. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import { ALL, arrayOf, at, dtype, expectMoved, indices, moved, same, shapes, xp } from "./arbitraries.ts";

useInlineRunner();
const RUNS = { numRuns: 30 };

describe("indexing", () => {
  test("basic indices: numbers, slices, ellipsis, new axes", async () => {
    const part = (n: number) =>
      fc.oneof(
        ...(n > 0 ? [fc.integer({ min: -n, max: n - 1 })] : []),
        fc.tuple(
          fc.option(fc.integer({ min: -n - 1, max: n + 1 })),
          fc.option(fc.integer({ min: -n - 1, max: n + 1 })),
          fc.option(fc.constantFrom(1, 2, -1, -2)),
        ),
      );
    const given = fc
      .tuple(dtype(ALL), shapes({ minDims: 1 }))
      .chain(([of, shape]) => fc.tuple(arrayOf(of, shape), fc.tuple(...shape.map(part)), fc.boolean()));
    await fc.assert(
      fc.asyncProperty(given, async ([x, index, isNew]) => {
        const { shape } = x.block;
        const lists = index.map((p, k) => picked(p as number | (number | null)[], shape[k] as number));
        const kept = lists.flatMap((l, k) => (typeof index[k] === "number" ? [] : [l.length]));
        const from = (i: readonly number[]): number[] => {
          let next = isNew ? 1 : 0;
          return lists.map((l, k) =>
            typeof index[k] === "number" ? (l[0] as number) : (l[i[next++] as number] as number),
          );
        };
        const out = (x.lazy as unknown as { slice(...a: unknown[]): ChunkedArray }).slice(
          ...(isNew ? [null] : []),
          ...index,
          "...",
        );
        await expectMoved(out, [...(isNew ? [1] : []), ...kept], moved(x, from));
      }),
      { numRuns: 60 },
    );
  });

  test("a mask selects in C order", async () => {
    const given = fc
      .tuple(dtype(ALL), shapes({ minDims: 1 }))
      .chain(([of, shape]) => fc.tuple(arrayOf(of, shape), arrayOf("bool", shape)));
    await fc.assert(
      fc.asyncProperty(given, async ([x, mask]) => {
        const out = (x.lazy as unknown as { slice(m: unknown): ChunkedArray }).slice(mask.lazy);
        const want = [...indices(x.block.shape)].filter((i) => at(mask.block, i)).map((i) => at(x.block, i));
        const got = await out.compute();
        expect([got.dtype, got.shape]).toEqual([x.block.dtype, [want.length]]);
        for (const [k, v] of want.entries()) expect(same(at(got, [k]), v)).toBe(true);
      }),
      RUNS,
    );
  });

  test("take and take_along_axis", async () => {
    const given = fc.tuple(dtype(ALL), shapes({ minDims: 1, minSide: 1 }), fc.nat()).chain(([of, shape, k]) => {
      const axis = k % shape.length;
      const n = shape[axis] as number;
      return fc.tuple(
        arrayOf(of, shape),
        fc.constant(axis),
        fc.array(fc.integer({ min: 0, max: n - 1 }), { minLength: 1, maxLength: 6 }),
      );
    });
    await fc.assert(
      fc.asyncProperty(given, async ([x, axis, list]) => {
        const { shape } = x.block;
        const wide = shape.map((n, a) => (a === axis ? list.length : n));
        const from = moved(x, (i) => i.map((v, a) => (a === axis ? (list[v] as number) : v)));
        await expectMoved(xp("take", x.lazy, list, { axis }), wide, from);
        const places = xp(
          "broadcast_to",
          xp(
            "reshape",
            xp("asarray", list),
            shape.map((_, a) => (a === axis ? -1 : 1)),
          ),
          wide,
        );
        await expectMoved(xp("take_along_axis", x.lazy, places, { axis }), wide, from);
      }),
      RUNS,
    );
  });

  test("setitem gives an array with the elements replaced", async () => {
    const given = fc
      .tuple(dtype(ALL), shapes({ minDims: 1, minSide: 1 }))
      .chain(([of, shape]) => fc.tuple(arrayOf(of, shape), arrayOf(of, [], true)));
    await fc.assert(
      fc.asyncProperty(given, async ([x, value]) => {
        const { shape } = x.block;
        const out = xp("setitem", x.lazy, [[0, 1]], value.lazy);
        await expectMoved(out, shape, {
          of: x.block.dtype,
          from: (i) => at((i[0] as number) < 1 ? value.block : x.block, (i[0] as number) < 1 ? [] : i),
        });
      }),
      RUNS,
    );
  });
});

/** Python's own meaning of an index along one axis. */
function picked(part: number | readonly (number | null)[], n: number): number[] {
  if (typeof part === "number") return [part < 0 ? part + n : part];
  const [start, stop, step] = part;
  const by = step ?? 1;
  const clamp = (v: number, low: number, high: number): number => Math.max(low, Math.min(high, v < 0 ? v + n : v));
  const out: number[] = [];
  if (by > 0)
    for (let i = start == null ? 0 : clamp(start, 0, n); i < (stop == null ? n : clamp(stop, 0, n)); i += by)
      out.push(i);
  else
    for (
      let i = start == null ? n - 1 : clamp(start, -1, n - 1);
      i > (stop == null ? -1 : clamp(stop, -1, n - 1));
      i += by
    )
      out.push(i);
  return out;
}
