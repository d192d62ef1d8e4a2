/** Laws of reshapes, takes, masks, rolls, padding and assignment under any cuts: the same done element by element. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { array, type ChunkedArray, pad, repeat, roll, take, takeAlongAxis } from "../../src/array/index.ts";
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

/** Another shape of as many elements: the same prime factors, dealt anew. */
function reshaped(shape: readonly number[]): fc.Arbitrary<number[]> {
  const factors: number[] = [];
  for (let rest = shape.reduce((a, b) => a * b, 1), p = 2; rest > 1; )
    if (rest % p === 0) {
      factors.push(p);
      rest /= p;
    } else p++;
  return fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat(3), { minLength: factors.length, maxLength: factors.length }),
    )
    .map(([rank, places]) => {
      const out = new Array<number>(rank).fill(1);
      factors.forEach((f, i) => {
        const k = (places[i] as number) % rank;
        out[k] = (out[k] as number) * f;
      });
      return out;
    });
}

const cases = sizes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    chunks: cuts(shape),
    to: reshaped(shape),
    axis: fc.nat(shape.length - 1),
    seed: fc.nat(1000),
  }),
);

function counted(shape: readonly number[]): NDArray {
  return NDArray.of(
    Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    shape,
  );
}

async function nested(x: Pick<ChunkedArray, "compute">): Promise<Nested> {
  return (await x.compute()).toArray();
}

/** Values of an axis moved to the front, as lists. */
function along(block: NDArray, axis: number): NDArray[] {
  const order = [axis, ...block.shape.map((_, k) => k).filter((k) => k !== axis)];
  const front = block.transpose(order);
  return Array.from(
    { length: front.shape[0] as number },
    (_, i) =>
      new NDArray(
        front.dtype,
        front.data,
        front.shape.slice(1),
        front.stride.slice(1),
        front.offset + i * (front.stride[0] as number),
      ),
  );
}

test("reshape keeps the flat order, there and back, of whatever was made before", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, chunks, to }) => {
      const whole = counted(shape);
      const lazy = array(whole, { chunks });
      const other = lazy.reshape(...to);
      expect(other.shape).toEqual(to);
      expect(await nested(other)).toEqual(new NDArray("int32", whole.data, to).toArray());
      expect(await nested(other.add(0).reshape(...shape))).toEqual(whole.toArray());
      expect(await nested(lazy.T.reshape(-1))).toEqual(
        ((await lazy.T.compute()).toArray() as Nested[]).flat(Number.POSITIVE_INFINITY as 1),
      );
    }),
    { numRuns: 200 },
  );
});

test("lists and masks pick what they name, along any axis", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, chunks, axis, seed }) => {
      const whole = counted(shape);
      const lazy = array(whole, { chunks }).mul(1);
      const n = shape[axis] as number;
      const list = Array.from({ length: (seed % 7) + 1 }, (_, i) => ((seed * 31 + i * 17) % (2 * n)) - n);
      const want = list.map((i) => along(whole, axis).at(i)?.toArray() as Nested);
      expect(along(await take(lazy, list, axis).compute(), axis).map((b) => b.toArray())).toEqual(want);
      const lazyList = array(Int32Array.from(list), { chunks: 2 });
      expect(along(await take(lazy, lazyList, axis).compute(), axis).map((b) => b.toArray())).toEqual(want);
      const flags = Array.from({ length: n }, (_, i) => (i * 7 + seed) % 3 !== 0);
      const mask = array(flags, { chunks: 2 });
      const index: (SliceArg | ChunkedArray)[] = [...new Array<SliceArg>(axis).fill(":"), mask];
      expect(along(await lazy.slice(...index).compute(), axis).map((b) => b.toArray())).toEqual(
        along(whole, axis)
          .filter((_, i) => flags[i])
          .map((b) => b.toArray()),
      );
      const all = lazy.mod(3).eq(seed % 3);
      const kept = Array.from(whole.data as Int32Array).filter((v) => v % 3 === seed % 3);
      expect(await nested(lazy.slice(all))).toEqual(kept);
      expect(Number((await lazy.slice(all).sum().compute()).item())).toBe(kept.reduce((a, b) => a + b, 0));
    }),
    { numRuns: 100 },
  );
});

test("rolls, repeats, padding and assignment touch what they say", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, chunks, axis, seed }) => {
      const whole = counted(shape);
      const lazy = array(whole, { chunks });
      const lanes = along(whole, axis).map((b) => b.toArray());
      const n = lanes.length;
      const by = (seed % 11) - 5;
      const rolled = lanes.map((_, i) => lanes[(((i - by) % n) + n) % n]);
      expect(along(await roll(lazy, by, axis).compute(), axis).map((b) => b.toArray())).toEqual(rolled);
      const often = (seed % 3) + 1;
      expect(along(await repeat(lazy, often, axis).compute(), axis).map((b) => b.toArray())).toEqual(
        lanes.flatMap((l) => new Array<Nested>(often).fill(l as Nested)),
      );
      const widths = shape.map((_, k) => (k === axis ? ([seed % 5, seed % 3] as const) : ([0, 0] as const)));
      const padded = along(await pad(lazy, widths, "wrap").compute(), axis).map((b) => b.toArray());
      expect(padded).toEqual(padded.map((_, i) => lanes[(((i - (seed % 5)) % n) + n) % n]));
      const at = seed % n;
      const index = [...new Array<SliceArg>(axis).fill(":"), at];
      const set = along(await lazy.setitem(index.length > 1 ? index : String(at), -1).compute(), axis);
      set.forEach((b, i) => {
        const same =
          (b.toArray() as Nested[]).constructor === Array
            ? (b.toArray() as Nested[]).flat(Number.POSITIVE_INFINITY as 1)
            : [b.toArray()];
        if (i === at) expect(new Set(same)).toEqual(new Set([-1]));
        else expect(b.toArray()).toEqual(lanes[i]);
      });
      const order = lazy.mul(0).add(n - 1);
      expect(along(await takeAlongAxis(lazy, order, axis).compute(), axis)[0]?.toArray()).toEqual(lanes[n - 1]);
    }),
    { numRuns: 80 },
  );
});
