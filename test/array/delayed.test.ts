/** Blocks one by one: each computes what it needs, and put together again they are the array. */
import { expect, test } from "vitest";
import { arange, block, type ChunkedArray, fromDelayed, toDelayed } from "../../src/array/index.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const x = arange(35, { chunks: 35 }).reshape(5, 7).rechunk([2, 4]).mul(3);

test("each block is what the array holds there, and needs its own tasks alone", async () => {
  const parts = toDelayed(x);
  expect(parts.map((p) => p.shape)).toEqual([
    [2, 4],
    [2, 3],
    [2, 4],
    [2, 3],
    [1, 4],
    [1, 3],
  ]);
  expect(parts[3]?.key).toBe(keyOfValue([x.name, 1, 1]));
  const want = (await x.compute()).slice([2, 4], [4, 7]).toArray();
  expect((await parts[3]?.compute())?.toArray()).toEqual(want);
  expect((await parts[3]?.explain())?.tasks).toBeLessThan((await x.explain()).tasks);
});

test("blocks put together again are the array", async () => {
  const parts = toDelayed(x).map((p) => fromDelayed(p, { shape: p.shape, dtype: "int64" }));
  const rows = [0, 2, 4].map((k) => parts.slice(k, k + 2));
  const again = block(rows) as ChunkedArray;
  expect((await again.compute()).toArray()).toEqual((await x.compute()).toArray());
});

test("a block that is another than said is refused", () => {
  const [first] = toDelayed(x);
  if (!first) throw new Error("there are blocks");
  expect(() => fromDelayed(first, { shape: [4, 2] })).toThrow(expect.objectContaining({ name: "ShapeError" }));
  expect(() => fromDelayed(first, { shape: [2, 4], dtype: "int8" })).toThrow(
    expect.objectContaining({ name: "DTypeMismatchError" }),
  );
});
