/** Functions per block, with and without halos, beside dask.array. */
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeDask } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const cube = NDArray.of(
  Float64Array.from({ length: 60 }, (_, i) => ((i * 37) % 61) - 20),
  [6, 10],
);
const CHUNKS = [
  [[6], [10]],
  [
    [2, 3, 1],
    [4, 3, 3],
  ],
  [
    [1, 1, 1, 1, 1, 1],
    [5, 5],
  ],
] as const;

function lazy(chunks: readonly (readonly number[])[]): array.ChunkedArray {
  return array.fromArray(cube, { chunks: chunks as number[][] });
}

describe("mapBlocks", () => {
  test("a typed array, an array, nested lists and a number are results", async () => {
    const x = array.arange(5, { dtype: "float64", chunks: 2 });
    const typed = array.mapBlocks((b) => (b.data as Float64Array).map((v) => v * 2), x);
    expect((await typed.compute()).toArray()).toEqual([0, 2, 4, 6, 8]);
    const block = x.mapBlocks((b) => ({ data: (b.data as Float64Array).toReversed(), shape: b.shape }));
    expect((await block.compute()).toArray()).toEqual([1, 0, 3, 2, 4]);
    const itself = x.mapBlocks((b) => b);
    expect((await itself.compute()).toArray()).toEqual([0, 1, 2, 3, 4]);
    const strided = x.mapBlocks((b) => ({ data: b.data, shape: b.shape, stride: [-1], offset: (b.shape[0] ?? 1) - 1 }));
    expect((await strided.compute()).toArray()).toEqual([1, 0, 3, 2, 4]);
    const list = x.mapBlocks((b) => Array.from(b.data as Float64Array, (v) => v + 0.5));
    expect((await list.compute()).toArray()).toEqual([0.5, 1.5, 2.5, 3.5, 4.5]);
    const sum = x.mapBlocks((b) => (b.data as Float64Array).reduce((p, q) => p + q), { chunks: [1] });
    expect((await sum.compute()).toArray()).toEqual([1, 5, 4]);
    const later = x.mapBlocks(async (b) => (b.data as Float64Array).map((v) => -v), {});
    expect((await later.compute()).toArray()).toEqual([-0, -1, -2, -3, -4]);
  });

  test("info says where blocks lie", async () => {
    const x = lazy(CHUNKS[1]);
    const y = array.array([1, 2, 3], { chunks: 1, dtype: "float64" }).slice(":", null);
    const made = array.mapBlocks(
      (a, b, info) => {
        const [first, second] = info.inputs;
        const { output } = info;
        return [
          [
            (first?.arrayLocation[0]?.[0] ?? -1) * 1e6 +
              (first?.arrayLocation[1]?.[1] ?? -1) * 1e4 +
              (second?.chunkLocation[0] ?? -1) * 1e3 +
              (first?.numChunks[1] ?? -1) * 100 +
              (output.chunkShape[1] ?? -1) * 10 +
              (output.chunkLocation[1] ?? -1) +
              (b.data[0] as number) / 8 +
              (info.inputs[0]?.shape[1] === 10 && output.shape[0] === 3 && output.dtype === "float64" ? 0 : 0.5) +
              (a.shape[0] === (first?.arrayLocation[0]?.[1] ?? 0) - (first?.arrayLocation[0]?.[0] ?? 0) ? 0 : 0.25),
          ],
        ];
      },
      x,
      y,
      { chunks: [1, 1] },
    );
    expect(made.chunks).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    // first row * 1e6 + end column * 1e4 + y's block * 1e3 + 3 blocks * 100 + chunkShape 1 * 10 + column block + y / 8
    expect((await made.compute()).toArray()).toEqual([
      [40310.125, 70311.125, 100312.125],
      [2041310.25, 2071311.25, 2101312.25],
      [5042310.375, 5072311.375, 5102312.375],
    ]);
  });

  test("args travel: numbers, bigints, lists, typed arrays, blocks", async () => {
    const x = array.zeros(2, { chunks: 1 });
    const args = {
      n: 2,
      big: 3n,
      nan: Number.NaN,
      list: [1, [2, null]],
      typed: Int16Array.of(5, 6),
      block: NDArray.of(Float32Array.of(7, 8), [2, 1]),
      text: "héllo",
      none: null,
    };
    const made = x.mapBlocks(
      (_block, _info, a) =>
        Number(
          a.n === 2 &&
            a.big === 3n &&
            Number.isNaN(a.nan) &&
            JSON.stringify(a.list) === "[1,[2,null]]" &&
            a.typed instanceof Int16Array &&
            a.typed[1] === 6 &&
            a.block.shape.join() === "2,1" &&
            a.block.item(1, 0) === 8 &&
            a.text === "héllo" &&
            a.none === null,
        ),
      { args },
    );
    expect((await made.compute()).toArray()).toEqual([1, 1]);
  });

  test("blocks of strided inputs arrive in C order, with data of their own size", async () => {
    const x = array.fromArray(cube).slice("::2, ::-3");
    const made = x.mapBlocks((b) => (b.data as Float64Array).map((v, i, all) => v + (all.length === b.size ? i : 1e9)));
    const want = (await x.compute()).toArray() as number[][];
    expect((await made.compute()).toArray()).toEqual(want.map((row, r) => row.map((v, c) => v + r * 4 + c)));
  });

  test("no arrays: chunks make the array", async () => {
    const made = array.mapBlocks(
      (info) => new Int32Array(info.output.chunkShape[0] ?? 0).fill(info.output.chunkLocation[0] ?? -1),
      {
        chunks: [[2, 3]],
        dtype: "int32",
      },
    );
    expect((await made.compute()).toArray()).toEqual([0, 0, 1, 1, 1]);
    expect(() => array.mapBlocks(() => 1, { dtype: "int8" })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => array.mapBlocks(() => 1, { chunks: [[1]] })).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("misuse is refused when building", () => {
    const x = array.zeros([4, 4], { chunks: 2 });
    const outside = 3;
    expect(() => x.mapBlocks((b) => (b.data as Float64Array).map((v) => v + outside))).toThrow(
      expect.objectContaining({ code: "closure" }),
    );
    const y = array.zeros([4, 4], { chunks: [1, 4] });
    expect(() => array.mapBlocks((a) => a, x, y)).toThrow(expect.objectContaining({ code: "chunk" }));
    expect(() => x.mapBlocks((b) => b, { chunks: [2] })).toThrow(expect.objectContaining({ code: "chunk" }));
    expect(() => x.mapBlocks((b) => b, { chunks: [[2], 2] })).toThrow(expect.objectContaining({ code: "chunk" }));
    expect(() => x.mapBlocks((b) => b, { dropAxis: 2 })).toThrow(expect.objectContaining({ code: "axis" }));
    expect(() => x.mapBlocks((b) => b, { newAxis: [0, 0] })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => x.mapBlocks((b) => b, { name: "a b" })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => x.mapBlocks((b) => b, { args: { f: (() => 1) as never } })).toThrow(
      expect.objectContaining({ code: "closure" }),
    );
    expect(() => x.mapBlocks((b) => b, { args: { d: new Date() as never } })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(() => x.mapBlocks((b) => b, { args: { a: { input: 1 } } })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(() => array.mapBlocks((a) => a, 3 as never)).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("arrays of unknown size are refused, with the way out", () => {
    const x = array.zeros([6], { chunks: 2 });
    // Types refuse it too.
    const unknown = array.compress(x.gt(0), x) as unknown as array.ChunkedArray;
    const refused = (make: () => unknown): void =>
      expect(make).toThrow(
        expect.objectContaining({ code: "unknown-shape", message: expect.stringContaining("computeChunkSizes") }),
      );
    refused(() => array.mapBlocks((b) => b, unknown));
    refused(() => array.mapOverlap((b) => b, unknown, { depth: 1 }));
    refused(() => array.overlap(unknown, 1));
    refused(() => array.coarsen("sum", unknown, { 0: 2 }));
  });

  test("what a function gives is checked, with the block's place", async () => {
    const x = array.zeros([4, 4], { chunks: 2, dtype: "float32" });
    const failing = (made: array.ChunkedArray): Promise<unknown> =>
      made.compute().then(String, (error: unknown) => error);
    expect(await failing(x.mapBlocks((b) => new Float64Array(b.size)))).toMatchObject({
      code: "dtype-mismatch",
      message: expect.stringMatching(/block \(0, 0\).*float64.*float32/),
    });
    expect(await failing(x.mapBlocks((b) => b, { dtype: "int8" }))).toMatchObject({ code: "dtype-mismatch" });
    expect(
      await failing(
        x.mapBlocks((b) => (b.toArray() as number[][]).map((row) => row.map((v) => v + 0.5)), { dtype: "int8" }),
      ),
    ).toMatchObject({ code: "dtype-mismatch" });
    expect(await failing(x.mapBlocks(() => new Float32Array(3)))).toMatchObject({
      code: "shape",
      message: expect.stringMatching(/block \(0, 0\).*\(3\).*\(2, 2\)/),
    });
    expect(await failing(x.mapBlocks((b) => ({ data: b.data, shape: [4] })))).toMatchObject({ code: "shape" });
    expect(await failing(x.mapBlocks(() => 1))).toMatchObject({ code: "shape" });
    expect(await failing(x.mapBlocks(() => [[1, 2], [3]]))).toMatchObject({ code: "shape" });
    expect(
      await failing(
        x.mapBlocks(() => "no" as never, {
          chunks: [
            [1, 1],
            [1, 1],
          ],
        }),
      ),
    ).toMatchObject({ code: "dtype-mismatch" });
    expect(
      await failing(
        x.mapBlocks((b, info) => {
          if (info.output.chunkLocation.join() === "1,0") throw new RangeError("too much");
          return b;
        }),
      ),
    ).toMatchObject({ message: "too much" });
  });

  test("keys follow the function, its arguments and its dtype", () => {
    const x = array.zeros(4, { chunks: 2 });
    const f = (b: NDArray): NDArray => b;
    expect(x.mapBlocks(f, { args: 1 }).name).toBe(x.mapBlocks(f, { args: 1 }).name);
    expect(x.mapBlocks(f, { args: 1 }).name).not.toBe(x.mapBlocks(f, { args: 2 }).name);
    expect(x.mapBlocks(f).name).toMatch(/^f-[0-9a-f]{32}$/);
    expect(x.mapBlocks(f, { name: "mine" }).name).toMatch(/^mine-/);
  });
});

describeDask("mapBlocks as dask.array", (dask) => {
  test.each(CHUNKS)("dropAxis sees the axis whole (chunks %j, %j)", async (...chunks) => {
    const sums = lazy(chunks).mapBlocks(
      (b) => {
        const [rows, columns] = b.shape as [number, number];
        return Float64Array.from({ length: rows }, (_, r) =>
          (b.data as Float64Array).subarray(r * columns, (r + 1) * columns).reduce((p, q) => p + q, 0),
        );
      },
      { dropAxis: 1 },
    );
    const want = await dask.call(
      "lambda x, c: da.map_blocks(lambda b: b.sum(axis=1), da.from_array(x, chunks=tuple(map(tuple, c))), drop_axis=1, dtype='f8')",
      [cube, chunks as unknown as number[][]],
    );
    expect((await sums.compute()).toArray()).toEqual(want.toArray());
    expect(sums.chunks).toEqual([chunks[0]]);
  });

  test("newAxis, and chunks for it", async () => {
    const x = lazy(CHUNKS[1]);
    const one = x.mapBlocks((b) => ({ data: b.data, shape: [b.shape[0] as number, 1, b.shape[1] as number] }), {
      newAxis: 1,
    });
    const three = x.mapBlocks(
      (b) => [1, 2, 3].map((k) => (b.toArray() as number[][]).map((row) => row.map((v) => v * k))),
      { newAxis: 0, chunks: [3, [2, 3, 1], [4, 3, 3]] },
    );
    const [wantOne, wantThree] = await Promise.all([
      dask.call(
        "lambda x: da.map_blocks(lambda b: b[:, None, :], da.from_array(x, chunks=((2, 3, 1), (4, 3, 3))), new_axis=1, dtype='f8')",
        [cube],
      ),
      dask.call(
        "lambda x: da.map_blocks(lambda b: np.stack([b, 2*b, 3*b]), da.from_array(x, chunks=((2, 3, 1), (4, 3, 3))), new_axis=0, chunks=(3, (2, 3, 1), (4, 3, 3)), dtype='f8')",
        [cube],
      ),
    ]);
    expect((await one.compute()).toArray()).toEqual(wantOne.toArray());
    expect((await three.compute()).toArray()).toEqual(wantThree.toArray());
    expect(three.chunks[0]).toEqual([3]);
  });

  test("arrays of other rank and of one block repeat", async () => {
    const x = lazy(CHUNKS[1]);
    const row = array.arange(10, { dtype: "float64", chunks: [[4, 3, 3]] });
    const one = array.fromArray(NDArray.of(Float64Array.of(100), [1, 1]));
    const made = array.mapBlocks(
      (a, b, c) =>
        (a.data as Float64Array).map(
          (v, i) => v + (b.data[i % (b.shape[0] as number)] as number) + (c.data[0] as number),
        ),
      x,
      row,
      one,
    );
    const want = await dask.call(
      "lambda x: da.map_blocks(lambda a, b, c: a + b + c, da.from_array(x, chunks=((2, 3, 1), (4, 3, 3))), da.arange(10., chunks=((4, 3, 3),)), da.full((1, 1), 100.), dtype='f8')",
      [cube],
    );
    expect((await made.compute()).toArray()).toEqual(want.toArray());
  });
});
