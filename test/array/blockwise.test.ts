/** Einstein indices, generalised functions, user reductions and coarsen, beside dask.array and NumPy. */
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { NDArray as Block } from "../../src/ndarray/index.ts";
import { describeDask } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

function numbers(shape: readonly number[], step = 37): NDArray {
  const n = shape.reduce((a, b) => a * b, 1);
  return Block.of(
    Float64Array.from({ length: n }, (_, i) => ((i * step) % 61) - 20),
    shape,
  );
}

const A = numbers([5, 6]);
const B = numbers([6, 4], 41);

/** Matrix product of two blocks. */
function product(a: NDArray, b: NDArray): number[][] {
  const [rows, inner] = a.shape as [number, number];
  const columns = b.shape[1] as number;
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += (a.data[i * inner + k] as number) * (b.data[k * columns + j] as number);
      return sum;
    }),
  );
}

describeDask("blockwise as dask.array", (dask) => {
  test("contracted axes arrive as lists, or whole", async () => {
    const a = array.fromArray(A, { chunks: [2, 3] });
    const b = array.fromArray(B, { chunks: [2, 4] });
    const want = await dask.call("np.matmul", [A, B]);
    const whole = array.blockwise(product, "ij", a, "ik", b, "kj", { concatenate: true, dtype: "float64" });
    expect((await whole.compute()).toArray()).toEqual(want.toArray());
    const lists = array.blockwise(
      (as: NDArray[], bs: NDArray[]) => {
        const rows = as[0]?.shape[0] as number;
        const columns = bs[0]?.shape[1] as number;
        const out = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
        as.forEach((a, at) => {
          const b = bs[at] as NDArray;
          const inner = a.shape[1] as number;
          for (let i = 0; i < rows; i++)
            for (let j = 0; j < columns; j++)
              for (let k = 0; k < inner; k++)
                (out[i] as number[])[j] =
                  ((out[i] as number[])[j] as number) +
                  (a.data[i * inner + k] as number) * (b.data[k * columns + j] as number);
        });
        return out;
      },
      "ij",
      a,
      "ik",
      b,
      "kj",
    );
    expect((await lists.compute()).toArray()).toEqual(want.toArray());
    expect(lists.chunks).toEqual([[2, 2, 1], [4]]);
  });

  test("transposed, new and adjusted axes", async () => {
    const a = array.fromArray(A, { chunks: [2, 3] });
    const turned = array.blockwise((b: NDArray) => b.transpose(), "ji", a, "ij");
    const [wantTurned, wantNew, wantLong] = await Promise.all([
      dask.call("lambda a: da.blockwise(np.transpose, 'ji', da.from_array(a, chunks=(2, 3)), 'ij', dtype='f8')", [A]),
      dask.call(
        "lambda a: da.blockwise(lambda b: np.stack([b, 2*b], axis=1), 'izj', da.from_array(a, chunks=(2, 3)), 'ij', new_axes={'z': 2}, dtype='f8')",
        [A],
      ),
      dask.call(
        "lambda a: da.blockwise(lambda b: np.concatenate([b, -b]), 'ij', da.from_array(a, chunks=(2, 3)), 'ij', adjust_chunks={'i': lambda n: 2*n}, dtype='f8')",
        [A],
      ),
    ]);
    expect((await turned.compute()).toArray()).toEqual(wantTurned.toArray());
    const fresh = array.blockwise(
      (b: NDArray) => (b.toArray() as number[][]).map((row) => [row, row.map((v) => 2 * v)]),
      "izj",
      a,
      "ij",
      { newAxes: { z: 2 } },
    );
    expect((await fresh.compute()).toArray()).toEqual(wantNew.toArray());
    const long = array.blockwise(
      (b: NDArray) => [...(b.toArray() as number[][]), ...(b.toArray() as number[][]).map((row) => row.map((v) => -v))],
      "ij",
      a,
      "ij",
      { adjustChunks: { i: (n: number) => 2 * n } },
    );
    expect((await long.compute()).toArray()).toEqual(wantLong.toArray());
    expect(long.chunks).toEqual([
      [4, 4, 2],
      [3, 3],
    ]);
  });

  test("arrays cut differently are cut alike, size 1 broadcasts", async () => {
    const a = array.fromArray(A, { chunks: [2, 3] });
    const b = array.fromArray(numbers([1, 6], 11), { chunks: [1, 4] });
    const made = array.blockwise(
      (p: NDArray, q: NDArray) =>
        (p.data as Float64Array).map((v, i) => v + (q.data[i % (q.shape[1] as number)] as number)),
      "ij",
      a,
      "ij",
      b,
      "ij",
    );
    const want = await dask.call("lambda a, b: a + b", [A, numbers([1, 6], 11)]);
    expect((await made.compute()).toArray()).toEqual(want.toArray());
    expect(() => array.blockwise(product, "ij", a, "ij", b, "ij", { alignArrays: false })).not.toThrow();
  });

  test("misuse is refused", () => {
    const a = array.zeros([4, 4], { chunks: 2 });
    const b = array.zeros([3, 4], { chunks: 2 });
    const f = (x: NDArray): NDArray => x;
    const refused = (make: () => unknown, code: string): void =>
      expect(make).toThrow(expect.objectContaining({ code }));
    refused(() => array.blockwise(f, "ij", a, "ij", b, "ij"), "shape");
    refused(() => array.blockwise(f, "ij", a, "i"), "argument");
    refused(() => array.blockwise(f, "ij", a, "ii"), "argument");
    refused(() => array.blockwise(f, "iz", a, "ij"), "argument");
    refused(() => array.blockwise(f, "ii", a, "ij"), "argument");
    refused(() => array.blockwise(f, "ij", a), "argument");
    refused(() => array.blockwise(f, "ij", 3, "ij"), "argument");
    refused(() => array.blockwise(f, "ij", a, "ij", { newAxes: { i: 2 } }), "argument");
    refused(() => array.blockwise(f, "ij", a, "ij", { adjustChunks: { i: [1, 2, 3] } }), "chunk");
    refused(() => array.blockwise(f, "", { dtype: undefined }), "argument");
  });
});

describeDask("applyGufunc as dask.array", (dask) => {
  const x = numbers([4, 3, 5]);
  const y = numbers([3, 5], 17);

  test("vectorised inner product, loop axes broadcast", async () => {
    const made = array.applyGufunc(
      (a: NDArray, b: NDArray) => (a.data as Float64Array).reduce((sum, v, i) => sum + v * (b.data[i] as number), 0),
      "(i),(i)->()",
      array.fromArray(x, { chunks: [2, 2, -1] }),
      array.fromArray(y, { chunks: [3, -1] }),
      { vectorize: true },
    ) as array.ChunkedArray;
    const want = await dask.call(
      "lambda x, y: da.apply_gufunc(lambda a, b: (a * b).sum(-1), '(i),(i)->()', da.from_array(x, chunks=(2, 2, -1)), da.from_array(y, chunks=(2, -1)), output_dtypes='f8')",
      [x, y],
    );
    expect(made.shape).toEqual([4, 3]);
    expect((await made.compute()).toArray()).toEqual(want.toArray());
  });

  test("whole blocks, two outputs, an output dimension of its own", async () => {
    const [mean, pair] = array.applyGufunc(
      (a: NDArray, _info: unknown, args: { scale: number }) => {
        const n = a.shape.at(-1) as number;
        const lanes = a.size / n;
        const means = Float64Array.from(
          { length: lanes },
          (_, k) => (a.data as Float64Array).subarray(k * n, (k + 1) * n).reduce((p, q) => p + q, 0) * args.scale,
        );
        const pairs = new Float64Array(2 * lanes);
        means.forEach((v, k) => {
          pairs[2 * k] = v;
          pairs[2 * k + 1] = -v;
        });
        return [means, pairs];
      },
      "(i)->(),(two)",
      array.fromArray(x, { chunks: [2, 2, 5] }),
      { outputDtypes: ["float64", "float64"], outputSizes: { two: 2 }, args: { scale: 2 } },
    ) as [array.ChunkedArray, array.ChunkedArray];
    const want = await dask.call("lambda x: x.sum(-1) * 2", [x]);
    expect((await mean.compute()).toArray()).toEqual(want.toArray());
    const wantPair = await dask.call("lambda x: np.stack([x.sum(-1) * 2, x.sum(-1) * -2], axis=-1)", [x]);
    expect((await pair.compute()).toArray()).toEqual(wantPair.toArray());
  });

  test("axis, axes, keepdims", async () => {
    const f = (a: NDArray): number => Math.max(...(a.data as Float64Array));
    const lazy = array.fromArray(x, { chunks: [2, 3, 2] });
    const kept = array.applyGufunc(f, "(i)->()", lazy, {
      vectorize: true,
      axis: 1,
      keepdims: true,
    }) as array.ChunkedArray;
    expect((await kept.compute()).toArray()).toEqual(
      (await dask.call("lambda x: x.max(axis=1, keepdims=True)", [x])).toArray(),
    );
    const first = array.applyGufunc(f, "(i)->()", lazy, {
      vectorize: true,
      axes: [[0], []],
      allowRechunk: true,
    }) as array.ChunkedArray;
    expect((await first.compute()).toArray()).toEqual((await dask.call("lambda x: x.max(axis=0)", [x])).toArray());
    const turned = array.applyGufunc((a: NDArray) => a.transpose(), "(i,j)->(j,i)", lazy, {
      vectorize: true,
      axes: [
        [0, 2],
        [1, 0],
      ],
      allowRechunk: true,
    }) as array.ChunkedArray;
    // Input core axes i = 0, j = 2; output (j, i) at axes 1 and 0.
    expect(turned.shape).toEqual([4, 5, 3]);
    expect((await turned.compute()).toArray()).toEqual(
      (await dask.call("lambda x: np.transpose(x, (0, 2, 1))", [x])).toArray(),
    );
  });

  test("numbers for (): frompyfunc and asGufunc", async () => {
    const hyp = array.frompyfunc((a: number, b: number) => Math.sqrt(a * a + b * b), 2);
    const made = hyp(array.fromArray(x, { chunks: 2 }), array.fromArray(y, { chunks: 3 })) as array.ChunkedArray;
    expect((await made.compute()).toArray()).toEqual(
      (await dask.call("lambda x, y: np.sqrt(x*x + y*y)", [x, y])).toArray(),
    );
    const peak = array.asGufunc("(i)->()", { vectorize: true, allowRechunk: true })((a: NDArray) =>
      Math.max(...(a.data as Float64Array)),
    );
    expect((await (peak(array.fromArray(x, { chunks: 2 })) as array.ChunkedArray).compute()).toArray()).toEqual(
      (await dask.call("lambda x: x.max(-1)", [x])).toArray(),
    );
  });

  test("applyAlongAxis, applyOverAxes", async () => {
    const lazy = array.fromArray(x, { chunks: 2 });
    const range = array.applyAlongAxis(
      (lane, args: { k: number }) => {
        const values = lane.data as Float64Array;
        return [Math.min(...values) * args.k, Math.max(...values) * args.k];
      },
      1,
      lazy,
      { shape: [2], args: { k: 3 } },
    );
    const want = await dask.call(
      "lambda x: da.apply_along_axis(lambda v: np.array([v.min() * 3, v.max() * 3]), 1, da.from_array(x, chunks=2), dtype='f8', shape=(2,))",
      [x],
    );
    expect(range.shape).toEqual([4, 2, 5]);
    expect((await range.compute()).toArray()).toEqual(want.toArray());
    const one = array.applyAlongAxis((lane) => (lane.data as Float64Array)[0], 0, x);
    expect((await one.compute()).toArray()).toEqual((await dask.call("lambda x: x[0]", [x])).toArray());
    const over = array.applyOverAxes(array.sum, x, [0, 2]);
    expect((await over.compute()).toArray()).toEqual(
      (await dask.call("lambda x: np.apply_over_axes(np.sum, x, [0, 2])", [x])).toArray(),
    );
  });

  test("misuse is refused", async () => {
    const lazy = array.fromArray(x, { chunks: 2 });
    const f = (a: NDArray): NDArray => a;
    const refused = (make: () => unknown, code: string): void =>
      expect(make).toThrow(expect.objectContaining({ code }));
    refused(() => array.applyGufunc(f, "(i)->()", lazy), "chunk");
    refused(() => array.applyGufunc(f, "i->()", lazy), "argument");
    refused(() => array.applyGufunc(f, "(i),(i)->()", lazy), "argument");
    refused(() => array.applyGufunc(f, "(i),(i)->()", lazy, lazy, { axis: 0, axes: [[0], [0], []] }), "argument");
    refused(() => array.applyGufunc(f, "(i,j)->(i)", lazy, { axis: 0, allowRechunk: true }), "argument");
    refused(() => array.applyGufunc(f, "(i)->(k)", lazy, { allowRechunk: true }), "argument");
    refused(() => array.applyGufunc(f, "(i)->(i)", lazy, { keepdims: true, allowRechunk: true }), "argument");
    refused(() => array.applyGufunc(f, "(i,j,k,l)->()", lazy), "shape");
    refused(() => array.applyGufunc(f, "(i),(i)->()", lazy, array.zeros(4), { allowRechunk: true }), "shape");
    refused(() => array.frompyfunc(f, 0), "argument");
    const wrong = array.applyAlongAxis(() => [1, 2], 0, x);
    await expect(wrong.compute()).rejects.toMatchObject({ code: "shape" });
  });
});

describeDask("reduction and coarsen as dask.array", (dask) => {
  const x = numbers([9, 10]);
  const cuts = [
    [[9], [10]],
    [
      [2, 2, 2, 2, 1],
      [3, 3, 3, 1],
    ],
    [
      [1, 1, 1, 1, 1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ],
  ] as const;

  /** Sum of squares over all of a block's axes in `axis`. */
  function squares(block: NDArray, _info: unknown, args: { axis: readonly number[]; keepdims: boolean }): unknown {
    return fold(block, args, (v) => v * v);
    function fold(b: NDArray, { axis, keepdims }: typeof args, f: (v: number) => number): unknown {
      const [rows, columns] = b.shape as [number, number];
      const shape = [axis.includes(0) ? 1 : rows, axis.includes(1) ? 1 : columns] as const;
      const out = new Float64Array(shape[0] * shape[1]);
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++) {
          const at = (axis.includes(0) ? 0 : r) * shape[1] + (axis.includes(1) ? 0 : c);
          out[at] = (out[at] as number) + f(b.data[r * columns + c] as number);
        }
      return keepdims ? { data: out, shape } : { data: out, shape: shape.filter((_, k) => !axis.includes(k)) };
    }
  }
  function adding(
    block: NDArray,
    _info: unknown,
    { axis, keepdims }: { axis: readonly number[]; keepdims: boolean },
  ): unknown {
    const [rows, columns] = block.shape as [number, number];
    const shape = [axis.includes(0) ? 1 : rows, axis.includes(1) ? 1 : columns] as const;
    const out = new Float64Array(shape[0] * shape[1]);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        const at = (axis.includes(0) ? 0 : r) * shape[1] + (axis.includes(1) ? 0 : c);
        out[at] = (out[at] as number) + (block.data[r * columns + c] as number);
      }
    return { data: out, shape: keepdims ? shape : shape.filter((_, k) => !axis.includes(k)) };
  }

  test.each(cuts)("a tree of functions (chunks %j, %j)", async (...chunks) => {
    const lazy = array.fromArray(x, { chunks: chunks as unknown as number[][] });
    for (const axis of [null, 0, 1] as const)
      for (const keepdims of [false, true]) {
        const made = array.reduction(lazy, {
          chunk: squares as never,
          combine: adding as never,
          aggregate: adding as never,
          axis,
          keepdims,
          splitEvery: 3,
        });
        const want = await dask.call(
          "lambda x, axis, keepdims: da.reduction(da.from_array(x, chunks=3), chunk=lambda b, axis, keepdims: (b * b).sum(axis=axis, keepdims=keepdims), aggregate=lambda b, axis, keepdims: b.sum(axis=axis, keepdims=keepdims), axis=axis, keepdims=keepdims, dtype='f8')",
          [x, axis, keepdims],
        );
        expect((await made.compute()).toArray()).toEqual(want.toArray());
      }
  });

  test("partials of several elements, neighbours as a list in C order", async () => {
    const lazy = array.fromArray(x, { chunks: [2, 3] });
    const made = array.reduction(lazy, {
      axis: 1,
      partialSize: 2,
      concatenate: false,
      splitEvery: 2,
      args: { digits: 10 },
      chunk: (b) => {
        const [rows, columns] = b.shape as [number, number];
        return Array.from({ length: rows }, (_, r) => {
          const row = (b.data as Float64Array).subarray(r * columns, (r + 1) * columns);
          return [row.reduce((p, q) => p + q), row.length];
        });
      },
      combine: (list) => {
        const rows = list[0]?.shape[0] as number;
        return Array.from({ length: rows }, (_, r) =>
          [0, 1].map((k) => list.reduce((sum, b) => sum + (b.data[2 * r + k] as number), 0)),
        );
      },
      aggregate: (list, _info, { digits }) => {
        const rows = list[0]?.shape[0] as number;
        return Array.from({ length: rows }, (_, r) => {
          const [sum, n] = [0, 1].map((k) => list.reduce((all, b) => all + (b.data[2 * r + k] as number), 0)) as [
            number,
            number,
          ];
          return (sum / n) * digits;
        });
      },
    });
    const want = await dask.call("lambda x: x.sum(axis=1) / 10 * 10", [x]);
    expect((await made.compute()).toArray()).toEqual(want.toArray());
  });

  test.each(cuts)("coarsen (chunks %j, %j)", async (...chunks) => {
    const lazy = array.fromArray(x, { chunks: chunks as unknown as number[][] });
    for (const name of [
      "sum",
      "mean",
      "min",
      "max",
      "std",
      "prod",
      "any",
      "all",
      "nansum",
      "nanmean",
      "nanmin",
      "nanmax",
    ] as const) {
      const made = array.coarsen(name, lazy, { 0: 3, 1: 2 });
      const want = await dask.call(`lambda x: da.coarsen(np.${name}, da.from_array(x, chunks=(3, 2)), {0: 3, 1: 2})`, [
        x,
      ]);
      const got = await made.compute();
      expect(got.dtype).toBe(want.dtype);
      const pairs = (got.toArray() as number[][])
        .flat()
        .map((v, i) => [v, (want.toArray() as number[][]).flat()[i]] as [number, number]);
      for (const [g, w] of pairs)
        expect(Math.abs(Number(g) - Number(w))).toBeLessThanOrEqual(Math.abs(Number(w)) * 1e-15 * 8);
    }
    const rest = array.coarsen(array.sum, lazy, { 0: 2, 1: 4 }, { trimExcess: true });
    const want = await dask.call(
      "lambda x: da.coarsen(np.sum, da.from_array(x, chunks=(4, 4)), {0: 2, 1: 4}, trim_excess=True)",
      [x],
    );
    expect((await rest.compute()).toArray()).toEqual(want.toArray());
  });

  test("sums and means of float64 windows are NumPy's to the bit", async () => {
    const block = await array.random.defaultRng(1).standardNormal([96, 1280], { chunks: -1 }).compute();
    const x = array.fromArray(block, { chunks: -1 });
    for (const [a, b] of [
      [1, 2],
      [3, 5],
      [2, 4],
      [8, 8],
      [6, 10],
      [4, 20],
      [16, 16],
      [2, 128],
      [1, 160],
      [4, 1],
    ] as const)
      for (const name of ["sum", "mean"] as const) {
        const want = await dask.call(`lambda x, a, b: np.${name}(x.reshape(96 // a, a, 1280 // b, b), axis=(1, 3))`, [
          block,
          a,
          b,
        ]);
        expect((await array.coarsen(name, x, { 0: a, 1: b }).compute()).toArray()).toEqual(want.toArray());
      }
  });

  test("coarsen of every dtype, along one axis and three, NaN and strides included", async () => {
    for (const dtype of ["bool", "uint8", "int16", "uint32", "int64", "float32", "float64"] as const) {
      const block = new Block(
        dtype,
        (
          await array
            .fromArray(numbers([4, 6, 32]))
            .astype(dtype)
            .compute()
        ).data,
        [4, 6, 32],
      );
      if (dtype.startsWith("float")) for (let i = 5; i < block.size; i += 7) block.data[i] = Number.NaN as never; // floats hold it
      const lazy = array.fromArray(block, { chunks: [3, 4, 20] }).transpose(2, 0, 1);
      const names = [
        "sum",
        "mean",
        "min",
        "max",
        "any",
        "all",
        "nansum",
        "nanmean",
        "nanmin",
        "nanmax",
        "var",
      ] as const;
      for (const name of names)
        for (const windows of [{ 0: 16 }, { 0: 2, 1: 4, 2: 3 }, { 2: 2 }, { 0: 32, 2: 6 }]) {
          const made = await array.coarsen(name, lazy, windows).compute();
          const want = await dask.call(
            `lambda x, w: (lambda t: np.${name}(t.reshape([n for k in range(3) for n in (t.shape[k] // w[k], w[k])]), axis=(1, 3, 5)))(x.transpose(2, 0, 1))`,
            [block, [0, 1, 2].map((k) => (windows as Record<number, number>)[k] ?? 1)],
          );
          expect(made.dtype, `${name} of ${dtype}`).toBe(want.dtype);
          expect(made.shape).toEqual(want.shape);
          const isExact = !/sum|mean|var/.test(name) || (!dtype.startsWith("float") && name !== "var");
          const flat = (b: NDArray): number[] => (b.toArray() as number[][][]).flat(2).map(Number);
          const [g, w] = [flat(made), flat(want)];
          if (isExact) expect(g).toEqual(w);
          else
            for (const [i, v] of g.entries()) {
              const x = w[i] as number;
              if (!(Number.isNaN(v) && Number.isNaN(x)))
                expect(Math.abs(v - x)).toBeLessThanOrEqual(
                  Math.max(1, Math.abs(x)) * (dtype === "float32" ? 4e-6 : 1e-12),
                );
            }
        }
    }
    const counted = await array
      .coarsen(
        array.countNonzero,
        array.array([
          [0, 1, 2],
          [0, 0, 3],
        ]),
        { 1: 3 },
      )
      .compute();
    expect(counted.toArray()).toEqual([[2n], [1n]]);
  });

  test("misuse is refused", () => {
    expect(() => array.coarsen("sum", x, { 0: 2 })).toThrow(expect.objectContaining({ code: "shape" }));
    expect(() => array.coarsen("sum", x, { 0: 0 })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => array.coarsen("sum", x, { 2: 1 })).toThrow(expect.objectContaining({ code: "axis" }));
    expect(() => array.coarsen("frobnicate" as never, x, { 0: 3 })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    const options = { chunk: adding as never, aggregate: adding as never };
    expect(() => array.reduction(x, { ...options, splitEvery: 1 })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(() => array.reduction(x, { ...options, partialSize: 0 })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(() => array.reduction(x, { ...options, axis: 2 })).toThrow(expect.objectContaining({ code: "axis" }));
  });
});

describe("blockwise without a peer", () => {
  test("needs a function", () => {
    expect(() => array.blockwise(Math.max, "i", array.zeros(2), "i")).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
  });
});
