/** Blocks with halos beside dask.array, and independence of the chunks. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeDask, type PythonArgument } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const image = NDArray.of(
  Float64Array.from({ length: 84 }, (_, i) => ((i * 37) % 61) - 20),
  [7, 12],
);
const CHUNKS = [
  [[7], [12]],
  [
    [3, 4],
    [5, 4, 3],
  ],
  [
    [2, 2, 2, 1],
    [1, 6, 1, 4],
  ],
] as const;

/** Sum over the 3 × 3 (or larger) neighbourhood, zero beyond the block. */
function sums(block: NDArray, _info: unknown, { dy, dx }: { dy: number; dx: number }): Float64Array {
  const [rows, columns] = block.shape as [number, number];
  const out = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let p = Math.max(0, r - dy); p <= Math.min(rows - 1, r + dy); p++)
        for (let q = Math.max(0, c - dx); q <= Math.min(columns - 1, c + dx); q++)
          out[r * columns + c] = (out[r * columns + c] as number) + (block.data[p * columns + q] as number);
  return out;
}

const PYTHON_SUMS = `lambda x, c, depth, boundary, dy, dx: da.map_overlap(lambda b: np.array([[b[max(0, i - dy):i + dy + 1, max(0, j - dx):j + dx + 1].sum() for j in range(b.shape[1])] for i in range(b.shape[0])]).reshape(b.shape), da.from_array(x, chunks=tuple(map(tuple, c))), depth={int(k): (tuple(v) if isinstance(v, list) else v) for k, v in depth}, boundary={int(k): v for k, v in boundary}, dtype='f8')`;

describeDask("mapOverlap as dask.array", (dask) => {
  const cases: [string, Record<number, array.Depth>, Record<number, array.Boundary>][] = [
    ["none", { 0: 1, 1: 1 }, { 0: "none", 1: "none" }],
    ["reflect", { 0: 1, 1: 2 }, { 0: "reflect", 1: "reflect" }],
    ["nearest", { 0: 2, 1: 1 }, { 0: "nearest", 1: "nearest" }],
    ["periodic", { 0: 1, 1: 2 }, { 0: "periodic", 1: "periodic" }],
    ["constant", { 0: 1, 1: 1 }, { 0: 7, 1: -3 }],
    ["mixed", { 0: 1, 1: 2 }, { 0: "periodic", 1: "none" }],
    ["one axis", { 1: 2 }, { 1: "nearest" }],
    ["asymmetric", { 0: [1, 0], 1: [0, 2] }, { 0: "none", 1: "none" }],
    ["the whole array deep", { 0: 7, 1: 12 }, { 0: "nearest", 1: "nearest" }],
    ["a value in the corners", { 0: 2, 1: 3 }, { 0: 9, 1: "reflect" }],
    ["deep", { 0: 3, 1: 4 }, { 0: "reflect", 1: "periodic" }],
  ];
  test.each(cases)("%s", async (_name, depth, boundary) => {
    const reach = (axis: number): number => Math.max(...[depth[axis] ?? 0].flat());
    const args = { dy: reach(0), dx: reach(1) };
    const isSymmetric = !Object.values(depth).some((d) => Array.isArray(d));
    for (const chunks of CHUNKS) {
      const x = array.fromArray(image, { chunks: chunks as unknown as number[][] });
      const made = x.mapOverlap(sums, { depth, boundary, args });
      const want = await dask.call(PYTHON_SUMS, [
        image,
        chunks as unknown as number[][],
        Object.entries(depth).map(([k, v]) => [k, v as PythonArgument]),
        Object.entries(boundary).map(([k, v]) => [k, v as PythonArgument]),
        args.dy,
        args.dx,
      ]);
      const got = (await made.compute()).toArray();
      // With different depths on the two sides the sums' reach exceeds a halo, so only equal chunks give equal values.
      if (isSymmetric || chunks.every((c) => c.length === 1)) expect(got).toEqual(want.toArray());
      expect(made.shape).toEqual([7, 12]);
    }
  });

  test.each(CHUNKS)("overlap and trimOverlap (chunks %j, %j)", async (...chunks) => {
    const x = array.fromArray(image, { chunks: chunks as unknown as number[][] });
    for (const boundary of ["none", "reflect", "nearest", "periodic", 5] as const) {
      const whole = array.overlap(x, { 0: 1, 1: 1 }, boundary);
      const want = await dask.call(
        "lambda x, c, b: da.overlap.overlap(da.from_array(x, chunks=tuple(map(tuple, c))), depth=(1, 1), boundary=b)",
        [image, chunks as unknown as number[][], boundary],
      );
      expect((await whole.compute()).toArray()).toEqual(want.toArray());
      const back = array.trimOverlap(whole, 1, boundary);
      expect(back.chunks).toEqual(x.chunks);
      expect((await back.compute()).toArray()).toEqual(image.toArray());
    }
  });

  test("two arrays of different rank, one depth each", async () => {
    const x = array.fromArray(image, { chunks: [3, 5] });
    const row = array.arange(12, { dtype: "float64", chunks: 4 });
    const made = array.mapOverlap(
      (a, b) => (a.data as Float64Array).map((v, i) => v * (b.data[i % (b.shape[0] as number)] as number)),
      x,
      row,
      { depth: [{ 0: 1, 1: 1 }, { 0: 1 }], boundary: ["reflect", { 0: "reflect" }] },
    );
    const want = await dask.call("lambda x: x * np.arange(12.)", [image]);
    expect((await made.compute()).toArray()).toEqual(want.toArray());
  });

  test("dropped and new axes are not trimmed", async () => {
    const x = array.fromArray(image, { chunks: [3, 5] });
    const dropped = x.mapOverlap(
      (b) => {
        const [rows, columns] = b.shape as [number, number];
        return Float64Array.from({ length: columns }, (_, c) => {
          let sum = 0;
          for (let r = 0; r < rows; r++) sum += b.data[r * columns + c] as number;
          return sum;
        });
      },
      { depth: { 0: 0, 1: 1 }, boundary: "nearest", dropAxis: 0 },
    );
    const added = x.mapOverlap((b) => ({ data: b.data, shape: [1, ...b.shape] }), { depth: 1, newAxis: 0 });
    const want = await dask.call("lambda x: x.sum(axis=0)", [image]);
    expect((await dropped.compute()).toArray()).toEqual(want.toArray());
    expect(added.shape).toEqual([1, 7, 12]);
    expect((await added.compute()).toArray()).toEqual([image.toArray()]);
  });

  test("errors as Dask's", async () => {
    const python = (more: string): Promise<unknown> =>
      dask.attempt(`lambda x: da.map_overlap(lambda b: b, da.from_array(x, chunks=(2, 12)), dtype='f8', ${more})`, [
        image,
      ]);
    const x = array.fromArray(image, { chunks: [2, 12] });
    expect(await python("depth={0: (1, 2)}, boundary='reflect'")).toBeInstanceOf(Error);
    expect(() => x.mapOverlap((b) => b, { depth: { 0: [1, 2] }, boundary: "reflect" })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(await python("depth={0: 3}, allow_rechunk=False")).toBeInstanceOf(Error);
    expect(() => x.mapOverlap((b) => b, { depth: { 0: 3 }, allowRechunk: false })).toThrow(
      expect.objectContaining({ code: "chunk" }),
    );
    expect(await python("depth={0: 8}")).toBeInstanceOf(Error);
    expect(() => x.mapOverlap((b) => b, { depth: { 0: 8 } })).toThrow(expect.objectContaining({ code: "chunk" }));
  });
});

describe("mapOverlap", () => {
  test("values do not depend on the chunks", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        sizes,
        fc.nat({ max: 2 }),
        fc.nat({ max: 2 }),
        fc.constantFrom<array.Boundary>("none", "reflect", "nearest", "periodic", 2),
        async (rows, columns, dy, dx, boundary) => {
          const shape = [rows, columns].map((c) => c.reduce((a, b) => a + b, 0)) as [number, number];
          fc.pre(dy <= shape[0] && dx <= shape[1]);
          const block = NDArray.of(
            Float64Array.from({ length: shape[0] * shape[1] }, (_, i) => (i * i) % 23),
            shape,
          );
          const options = { depth: { 0: dy, 1: dx }, boundary, args: { dy, dx } };
          const cut = array.fromArray(block, { chunks: [rows, columns] }).mapOverlap(sums, options);
          const one = array.fromArray(block, { chunks: -1 }).mapOverlap(sums, options);
          expect((await cut.compute()).toArray()).toEqual((await one.compute()).toArray());
        },
      ),
      { numRuns: 40 },
    );
  });

  test("every kind of result is trimmed, none of another shape passes", async () => {
    const x = array.arange(9, { dtype: "float64", chunks: 3 });
    const want = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    const options = { depth: 1, boundary: "reflect" } as const;
    expect((await x.mapOverlap((b) => b, options).compute()).toArray()).toEqual(want);
    expect((await x.mapOverlap((b) => b.data, options).compute()).toArray()).toEqual(want);
    expect((await x.mapOverlap((b) => Array.from(b.data as Float64Array), options).compute()).toArray()).toEqual(want);
    expect((await x.mapOverlap(async (b) => b, options).compute()).toArray()).toEqual(want);
    const backwards = x.mapOverlap(
      (b) => ({ data: (b.data as Float64Array).toReversed(), shape: b.shape, stride: [-1], offset: b.size - 1 }),
      options,
    );
    expect((await backwards.compute()).toArray()).toEqual(want);
    const thin = x.mapOverlap((b) => (b.data as Float64Array).subarray(1, b.size - 1), options);
    await expect(thin.compute()).rejects.toMatchObject({ code: "shape", message: expect.stringContaining("halo") });
    const untrimmed = x.mapOverlap((b) => (b.data as Float64Array).subarray(1, b.size - 1), {
      ...options,
      trim: false,
    });
    expect((await untrimmed.compute()).toArray()).toEqual(want);
  });

  test("misuse is refused", () => {
    const x = array.zeros([4, 4], { chunks: 2 });
    expect(() => x.mapOverlap((b) => b, {} as never)).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => x.mapOverlap((b) => b, { depth: -1 })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => x.mapOverlap((b) => b, { depth: { 2: 1 } })).toThrow(expect.objectContaining({ code: "axis" }));
    expect(() => x.mapOverlap((b) => b, { depth: 1, boundary: "mirror" as never })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(() => x.mapOverlap((b) => b, { depth: [1, 1] })).toThrow(expect.objectContaining({ code: "argument" }));
    const y = array.zeros([4], { chunks: 2, dtype: "int8" });
    expect(() => y.mapOverlap((b) => b, { depth: 1, boundary: 300 })).toThrow(
      expect.objectContaining({ code: "dtype" }),
    );
    expect(() => array.trimOverlap(y, 2)).not.toThrow();
    expect(() => array.trimOverlap(y, 2, "reflect")).toThrow(expect.objectContaining({ code: "chunk" }));
  });
});
