/** Laws of slicing, rechunking, transposing, joining: the lazy result equals the same indexing done element by element. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { array, type ChunkedArray, concatenate, stack } from "../../src/array/index.ts";
import { NDArray, type Nested, type SliceArg } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 });
/** A cut of an axis into sizes. */
const cut = (n: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: n }), { minLength: 0, maxLength: 4 }).map((marks) => {
    const edges = [...new Set([0, ...marks.filter((m) => m < n), n])].sort((a, b) => a - b);
    return edges.slice(1).map((e, i) => e - (edges[i] as number));
  });
const cuts = (shape: readonly number[]): fc.Arbitrary<number[][]> =>
  fc.tuple(...shape.map(cut)) as fc.Arbitrary<number[][]>;

function counted(shape: readonly number[]): NDArray {
  return NDArray.of(
    Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    shape,
  );
}

/** Python's own meaning of a slice, one element after another. */
function pickAxis(values: Nested[], part: SliceArg): Nested | Nested[] {
  if (typeof part === "number") return values.at(part) as Nested;
  const [start, stop, step] = part as (number | null)[];
  const by = step ?? 1;
  const n = values.length;
  const fix = (v: number, lo: number, hi: number): number => Math.max(lo, Math.min(hi, v < 0 ? v + n : v));
  const out: Nested[] = [];
  if (by > 0)
    for (let i = start == null ? 0 : fix(start, 0, n); i < (stop == null ? n : fix(stop, 0, n)); i += by)
      out.push(values[i] as Nested);
  else
    for (let i = start == null ? n - 1 : fix(start, -1, n - 1); i > (stop == null ? -1 : fix(stop, -1, n - 1)); i += by)
      out.push(values[i] as Nested);
  return out;
}

function pick(values: Nested, index: readonly SliceArg[]): Nested {
  const [first, ...rest] = index;
  if (first === undefined) return values;
  const chosen = pickAxis(values as Nested[], first);
  return typeof first === "number" ? pick(chosen, rest) : (chosen as Nested[]).map((v) => pick(v, rest));
}

const sliceArg = (n: number): fc.Arbitrary<SliceArg> =>
  fc.oneof(
    fc.integer({ min: -n, max: n - 1 }),
    fc.tuple(
      fc.option(fc.integer({ min: -n - 2, max: n + 2 })),
      fc.option(fc.integer({ min: -n - 2, max: n + 2 })),
      fc.option(fc.integer({ min: -3, max: 3 }).filter((s) => s !== 0)),
    ),
  );

const cases = sizes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    chunks: cuts(shape),
    other: cuts(shape),
    index: fc.tuple(...shape.map(sliceArg)),
  }),
);

async function nested(x: ChunkedArray): Promise<Nested> {
  return (await x.compute()).toArray();
}

test("slices, of slices and of rechunked arrays, are Python's", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, chunks, other, index }) => {
      const whole = counted(shape);
      const want = pick(whole.toArray(), index);
      const lazy = array(whole, { chunks });
      expect(await nested(lazy.slice(...index))).toEqual(want);
      expect(await nested(lazy.rechunk(other).slice(...index))).toEqual(want);
      expect(await nested(lazy.add(0).slice(...index))).toEqual(want);
      const reversed = shape.map((): SliceArg => [null, null, -1]);
      expect(
        await nested(
          lazy
            .slice(...reversed)
            .slice(...reversed)
            .slice(...index),
        ),
      ).toEqual(want);
    }),
    { numRuns: 150 },
  );
});

test("rechunk and transpose keep values, whatever the cuts", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, chunks, other }) => {
      const whole = counted(shape);
      const lazy = array(whole, { chunks });
      const cutAnew = lazy.mul(1).rechunk(other);
      expect(cutAnew.chunks).toEqual(other);
      expect(await nested(cutAnew)).toEqual(whole.toArray());
      expect(await nested(lazy.T)).toEqual(whole.transpose().toArray());
      expect(await nested(lazy.T.add(array(whole, { chunks: other }).T))).toEqual(await nested(array(whole).mul(2).T));
      expect(await nested(lazy.sum())).toBe(BigInt((whole.size * (whole.size - 1)) / 2));
    }),
    { numRuns: 100 },
  );
});

test("concatenate and stack put arrays side by side", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, chunks, other }) => {
      const [a, b] = [counted(shape), counted(shape)];
      const [x, y] = [array(a, { chunks }), array(b, { chunks: other }).add(1000).astype("int32")];
      const second = (await y.compute()).toArray() as Nested[];
      expect(await nested(concatenate([x, y]))).toEqual([...(a.toArray() as Nested[]), ...second]);
      expect(await nested(stack([x, y]))).toEqual([a.toArray(), second]);
      const inner = stack([x, y], -1);
      expect(inner.shape).toEqual([...shape, 2]);
      expect(await nested(inner.slice("...", 1))).toEqual(second);
      expect(
        await nested(
          concatenate([x, y])
            .rechunk(2)
            .slice([0, shape[0] as number]),
        ),
      ).toEqual(a.toArray());
    }),
    { numRuns: 60 },
  );
});
