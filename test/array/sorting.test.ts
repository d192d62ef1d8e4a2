/** Sorted arrays and orders against NumPy and Dask, over several chunkings. */
import { expect, test } from "vitest";
import * as rs from "../../src/array/index.ts";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeDask, describeNumpy } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { difference } from "./grid/compare.ts";

useInlineRunner();

const DTYPES: readonly DType[] = [
  ...(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const),
  ...(["float16", "float32", "float64", "complex64", "complex128"] as const),
];

/** Ties, extremes; floats have NaN, infinities and both zeros. */
function block(dtype: DType, shape: readonly number[], salt = 0): NDArray {
  const { kind, big, min, max, components } = dtypeInfo(dtype);
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const mixed = (((i + salt) * 7919 + 13) % 211) - 105;
    let v: number | bigint = mixed / 8;
    if (kind === "b") v = mixed % 3 === 0 ? 1 : 0;
    else if (kind === "u" || kind === "i") {
      const [low, high] = [min as bigint, max as bigint]; // integers have both
      v = i % 37 === 4 ? low : i % 41 === 5 ? high : BigInt(kind === "u" ? Math.abs(mixed) : mixed);
      if (!big) v = Number(v);
    } else if (i % 13 === 6) v = [Number.NaN, Number.POSITIVE_INFINITY, -0, 0, Number.NEGATIVE_INFINITY][i % 5] ?? 0;
    else if (components === 2 && i % 2 === 0) v = mixed % 5;
    data[i] = v as never;
  }
  return new NDArray(dtype, data, shape);
}

describeNumpy("sorted as NumPy sorts", (numpy) => {
  test.each(DTYPES)("%s", async (dtype) => {
    for (const shape of [
      [7, 3, 40],
      [1, 61],
      [300, 3],
      [2, 1],
    ]) {
      const x = block(dtype, shape);
      for (const axis of [null, ...shape.keys()]) {
        const sorted = await numpy.call("np.sort", [x], { axis, stable: true });
        const order = await numpy.call("np.argsort", [x], { axis, stable: true });
        const k = axis ?? 0;
        const flipped = await numpy.call("np.flip", [sorted], { axis: k });
        for (const chunks of [-1, 4]) {
          const lazy = rs.fromArray(x, { chunks });
          const what = `${shape} axis ${axis} chunks ${chunks}`;
          expect(difference(await rs.sort(lazy, axis).compute(), sorted, "either-zero"), what).toBeNull();
          expect(difference(await rs.argsort(lazy, { axis }).compute(), order, "bits"), what).toBeNull();
          const down = await rs.sort(lazy, { axis, descending: true }).compute();
          expect(difference(down, flipped, "either-zero"), what).toBeNull();
        }
      }
    }
  });

  test.each(["uint16", "int8", "uint32", "int32", "int64", "float16", "float32", "float64"] as const)(
    "long lines of %s",
    async (dtype) => {
      for (const shape of [[5, 1000], [6000], [25_000, 4]]) {
        const x = block(dtype, shape, 3);
        const sorted = await numpy.call("np.sort", [x], { axis: 0 });
        expect(
          difference(await rs.sort(rs.fromArray(x, { chunks: -1 }), 0).compute(), sorted, "either-zero"),
          `${shape}`,
        ).toBeNull();
        const order = await numpy.call("np.argsort", [x], { axis: -1, stable: true });
        expect(difference(await rs.argsort(x).compute(), order, "bits"), `${shape}`).toBeNull();
      }
    },
  );

  test("descending order is stable too", async () => {
    const x = block("int16", [500]);
    const order = await rs.argsort(x, { descending: true }).compute();
    const negative = await numpy.call("np.negative", [await numpy.call("np.astype", [x, { $dtype: "int64" }])]);
    expect(difference(order, await numpy.call("np.argsort", [negative], { stable: true }), "bits")).toBeNull();
  });

  test("of nothing", async () => {
    expect((await rs.sort(rs.zeros([0, 3]), 0).compute()).shape).toEqual([0, 3]);
    expect((await rs.argsort(rs.zeros([3, 0])).compute()).shape).toEqual([3, 0]);
    expect(() => rs.sort(rs.array(3))).toThrow(/without axes/);
  });
});

describeDask("largest as Dask finds them", (dask) => {
  test.each(DTYPES.filter((d) => dtypeInfo(d).kind !== "c"))("topk of %s", async (dtype) => {
    const x = block(dtype, [7, 50]);
    for (const chunks of [-1, [3, 9]] as const) {
      const lazy = rs.fromArray(x, { chunks });
      for (const [k, axis] of [
        [3, 1],
        [-4, -1],
        [2, 0],
        [-100, 0],
        [60, 1],
        [1, 1],
      ] as const) {
        const want = await dask.call("da.topk", [x, k], { axis });
        const top = rs.topk(lazy, k, axis);
        const got = await top.compute();
        expect([...top.shape]).toEqual([...got.shape]);
        expect(difference(got, want, "either-zero"), `k ${k} axis ${axis}`).toBeNull();
        const indices = await rs.argtopk(lazy, k, { axis, splitEvery: 2 }).compute();
        const picked = await dask.call("np.take_along_axis", [x, indices], { axis });
        expect(difference(picked, got, "either-zero"), `argtopk ${k} axis ${axis}`).toBeNull();
      }
    }
  });

  test("topk of complex numbers, by their real parts first", async () => {
    const x = block("complex64", [32]);
    const [want] = (await dask.ask("lambda x: [np.sort(x)[::-1][:3]]", [x])) as NDArray[];
    const got = await rs.topk(rs.fromArray(x), 3).compute();
    expect(difference(got, want as NDArray, "either-zero")).toBeNull();
  });

  test("of equal elements the first", async () => {
    const x = rs.fromArray(NDArray.of(Int32Array.of(1, 5, 5, 0, 5, 1)), { chunks: 2 });
    expect((await rs.argtopk(x, 4).compute()).toArray()).toEqual([1n, 2n, 4n, 0n]);
    expect((await rs.argtopk(x, -3).compute()).toArray()).toEqual([3n, 0n, 5n]);
    expect(() => rs.topk(x, 0)).toThrow(/k 0/);
  });
});
