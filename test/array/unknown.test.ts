import { expect, test } from "vitest";
import {
  arange,
  argwhere,
  array,
  type ChunkedArray,
  computeAll,
  nonzero,
  type UnknownArray,
} from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { values } from "./values.ts";

useInlineRunner();

const CHUNKINGS = [-1, [3, 4], [1, 11], [7, 2]] as const;

describeNumpy("selection by a lazy mask", (numpy) => {
  test.each(CHUNKINGS)("the elements are NumPy's, in its order, chunks %j", async (chunks) => {
    for (const dtype of ["uint8", "int16", "float32", "int64", "float64", "bool"] as const) {
      const block = values(dtype);
      const x = array(block, { chunks });
      const [picked, rows, columns] = [
        x.slice(x.astype("float32").gt(3)),
        x.slice(array(block).astype("float32").sum(1).gt(9).rechunk(3)),
        x.slice(":", x.astype("float32").slice(2).gt(0)),
      ];
      const want = await numpy.ask(
        "lambda x: [x[x.astype('f4') > 3], x[x.astype('f4').sum(1) > 9], x[:, x.astype('f4')[2] > 0]]",
        [block],
      );
      const [a, b, c] = want as NDArray[];
      expect((await picked.compute()).toArray()).toEqual(a?.toArray());
      expect((await rows.compute()).toArray()).toEqual(b?.toArray());
      expect((await columns.compute()).toArray()).toEqual(c?.toArray());
    }
  });

  test.each(CHUNKINGS)("elementwise work and reductions go on without compaction, chunks %j", async (chunks) => {
    const block = values("float64", [7, 11]);
    const x = array(block, { chunks });
    const y = x
      .slice(x.gt(3))
      .mul(2)
      .add(x.slice(x.gt(3)));
    expect((await y.compute()).toArray()).toEqual(
      (await numpy.call("lambda x: x[x > 3] * 2 + x[x > 3]", [block])).toArray(),
    );
    const finite = x.slice(x.gt(3).and(x.lt(1e9)));
    for (const op of ["sum", "mean", "min", "max", "var", "prod"] as const) {
      const want = await numpy.call(`lambda x: x[(x > 3) & (x < 1e9)].${op}()`, [block]);
      const got = await finite[op]().compute();
      expect(Number(got.item()) / Number(want.item())).toBeCloseTo(1, 12);
      const kept = await finite[op](null, { keepdims: true }).compute();
      expect(kept.shape).toEqual([1]);
    }
    const columns = array(values("int32"), { chunks }).slice(":", x.slice(2).gt(0)) as UnknownArray;
    expect((await columns.sum(1).compute()).toArray()).toEqual(
      (await numpy.call("lambda i, x: i[:, x[2] > 0].sum(1)", [values("int32"), block])).toArray(),
    );
    const below = columns.sum(0);
    expect(below.shape).toEqual([null]);
    expect((await below.compute()).toArray()).toEqual(
      (await numpy.call("lambda i, x: i[:, x[2] > 0].sum(0)", [values("int32"), block])).toArray(),
    );
  });
});

describeNumpy("selections beside other axes", (numpy) => {
  test.each([-1, [2, 3, 2], [1, 4, 1]] as const)(
    "rows, planes and what broadcasts over them, chunks %j",
    async (chunks) => {
      const block = values("int32", [5, 6, 4]);
      const x = array(block, { chunks });
      const row = array(values("int32", [4], 2));
      const pixels = x.slice(x.slice("...", 0).gt(0)); // (unknown, 4): a mask over two axes
      const want = await numpy.ask(
        `lambda x, r: (lambda p: [p, p + r, p * 2 - p, p.sum(0), p.sum(1), p.max(), p.mean(0, keepdims=True),
         p[:, 1], np.where(p > 3, p, r)])(x[x[..., 0] > 0])`,
        [block, values("int32", [4], 2)],
      );
      const got = [
        pixels,
        pixels.add(row),
        pixels.mul(2).sub(pixels),
        pixels.sum(0),
        pixels.sum(1),
        pixels.max(),
        pixels.mean(0, { keepdims: true }),
        (await pixels.computeChunkSizes()).slice(":", 1),
        pixels.where(pixels.gt(3), row),
      ];
      for (const [k, one] of got.entries()) {
        const block2 = await one.compute();
        const expected = (want as NDArray[])[k] as NDArray;
        expect([block2.dtype, block2.shape, block2.toArray()], `result ${k}`).toEqual([
          expected.dtype,
          expected.shape,
          expected.toArray(),
        ]);
      }
    },
  );
});

test("a plan of what is not known yet counts as if all were kept, and several run as one", async () => {
  const x = arange(1000, { chunks: 100 });
  const odd = x.slice(x.mod(2).eq(1));
  const plan = await odd.explain();
  expect(plan.tasks).toBeGreaterThanOrEqual(20);
  const [a, b, c] = await computeAll([odd, x.slice(x.lt(3)), odd.sum()] as unknown as ChunkedArray[]);
  expect([a?.shape, b?.shape, c?.item()]).toEqual([[500], [3], 250000n]);
});

test("sizes are null until they are asked for", async () => {
  const x = arange(10, { chunks: 4 });
  const odd = x.slice(x.mod(2).eq(1));
  expect([odd.shape, odd.chunks, odd.ndim, odd.dtype]).toEqual([[null], [[null, null, null]], 1, "int64"]);
  expect(String(odd)).toContain("?");
  const known = await odd.computeChunkSizes();
  expect([known.shape, known.chunks]).toEqual([[5], [[2, 2, 1]]]);
  expect((await known.slice([1, 3]).compute()).toArray({ bigint: false })).toEqual([3, 5]);
  expect(await x.computeChunkSizes()).toBe(x);
  const two = array(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    { chunks: [1, 2] },
  );
  const big = two.slice(two.gt(1));
  expect([big.shape, big.chunks]).toEqual([[null], [[null, null, null, null]]]); // one-row blocks are runs already
  expect((await big.computeChunkSizes()).chunks).toEqual([[1, 1, 2, 1]]);
  const banded = array(values("int16"), { chunks: [3, 4] });
  expect(banded.slice(banded.gt(1)).chunks).toEqual([[null, null, null]]); // whole rows
});

test("what needs the size says so, and what to do", async () => {
  const x = arange(10, { chunks: 4 });
  // TypeScript refuses these already; callers without it meet the error.
  const odd = x.slice(x.mod(2).eq(1)) as unknown as ChunkedArray;
  for (const need of [
    () => odd.size,
    () => odd.nbytes,
    () => odd.node,
    () => odd.rechunk(2),
    () => odd.slice(0),
    () => odd.add(arange(5)),
    () => odd.add(x.slice(x.gt(3))),
    () => odd.argmax(),
  ]) {
    const error = (() => {
      try {
        return need();
      } catch (e) {
        return e;
      }
    })();
    expect(isRsdatError(error, "unknown-shape")).toBe(true);
    expect(String(error)).toContain("computeChunkSizes()");
    expect(String(error)).toContain("where(mask)");
  }
  await expect(x.slice(x.gt(100)).max().compute()).rejects.toMatchObject({ code: "shape" });
  expect((await x.slice(x.gt(100)).sum().compute()).item()).toBe(0n);
  expect((await x.slice(x.gt(100)).compute()).shape).toEqual([0]);
});

test("coordinates of true elements compute on like any array", async () => {
  const x = array(
    [
      [0, 5, 0],
      [7, 0, 9],
    ],
    { chunks: [1, 2] },
  );
  const [rows, columns] = nonzero(x) as [UnknownArray, UnknownArray];
  expect((await rows.mul(10).add(columns).compute()).toArray({ bigint: false })).toEqual([1, 10, 12]);
  expect((await columns.sum().compute()).item()).toBe(3n);
  const places = argwhere(x);
  expect(places.shape).toEqual([null, 2]);
  expect((await places.mul(2).compute()).toArray({ bigint: false })).toEqual([
    [0, 2],
    [2, 0],
    [2, 4],
  ]);
  expect((await places.max(0).compute()).toArray({ bigint: false })).toEqual([1, 2]);
});

test("masks in memory give known sizes", async () => {
  const x = array(
    NDArray.of(
      Int16Array.from({ length: 12 }, (_, i) => i),
      [3, 4],
    ),
    { chunks: [2, 3] },
  );
  const mask = NDArray.of(Uint8Array.of(1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0), [3, 4], "bool");
  expect(x.slice(mask).shape).toEqual([5]);
  expect((await x.slice(mask).compute()).toArray()).toEqual([0, 3, 6, 7, 9]);
  expect((await x.slice(NDArray.of(Uint8Array.of(0, 1, 1), [3], "bool"), -1).compute()).toArray()).toEqual([7, 11]);
  expect(() => x.slice(NDArray.of(Uint8Array.of(0, 1), [2], "bool"))).toThrow(/shape \(2\)/);
});
