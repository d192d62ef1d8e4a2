/** Places among edges, counts and histograms against NumPy, over several chunkings. */
import { expect, test } from "vitest";
import * as rs from "../../src/array/index.ts";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeNumpy, type PythonArgument } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { difference } from "./grid/compare.ts";

useInlineRunner();

const REAL: readonly DType[] = [
  ...(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const),
  ...(["float16", "float32", "float64"] as const),
];

/** Eighths from -4 to 4 (whole numbers of integers), ties among them; floats have NaN and infinities. */
function block(dtype: DType, shape: readonly number[], wild = true): NDArray {
  const { kind, big } = dtypeInfo(dtype);
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const mixed = ((i * 7919 + 13) % 65) - 32;
    let v = mixed / 8;
    if (kind === "b") v = mixed % 3 === 0 ? 1 : 0;
    else if (kind === "u") v = Math.abs(mixed) >> 2;
    else if (kind === "i") v = mixed >> 3;
    else if (wild && i % 19 === 3) v = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0][i % 4] ?? 0;
    data[i] = (big ? BigInt(v) : v) as never;
  }
  return new NDArray(dtype, data, shape);
}

const CHUNKINGS = [-1, [4, 17]] as const;

describeNumpy("places are NumPy's", (numpy) => {
  test.each(REAL)("searchsorted and digitize of %s", async (dtype) => {
    const x = block(dtype, [7, 100]);
    const float = dtypeInfo(dtype).kind === "f";
    const lists = [
      [-2, 0, 0, 1, 3],
      [0.5],
      [-3, -1.5, 0, 0.125, 2, 2.5, 3.75],
      Array.from({ length: 70 }, (_, i) => i / 9 - 4),
    ];
    for (const edges of lists) {
      const sorted = NDArray.of(Float64Array.from(edges));
      const own = float ? await numpy.call("np.sort", [block(dtype, [41])]) : sorted;
      for (const chunks of CHUNKINGS) {
        const lazy = rs.fromArray(x, { chunks });
        for (const side of ["left", "right"] as const) {
          for (const a of [sorted, own]) {
            const want = await numpy.call("np.searchsorted", [a, x], { side });
            const got = await rs.searchsorted(rs.fromArray(a, { chunks: 3 }), lazy, { side }).compute();
            expect(difference(got, want, "bits"), `searchsorted ${side} ${edges}`).toBeNull();
          }
          for (const bins of [edges, edges.toReversed()]) {
            const right = side === "right";
            const want = await numpy.call("np.digitize", [x, bins], { right });
            expect(
              difference(await rs.digitize(lazy, bins, { right }).compute(), want, "bits"),
              `digitize ${bins}`,
            ).toBeNull();
          }
        }
      }
    }
  });

  test("searchsorted in nothing, of a scalar, of integers beyond 2^53", async () => {
    const x = block("float32", [5]);
    expect((await rs.searchsorted(NDArray.zeros("float64", [0]), x).compute()).toArray()).toEqual([0n, 0n, 0n, 0n, 0n]);
    expect((await rs.searchsorted([1, 2, 4], 3).compute()).toArray()).toBe(2n);
    const big = NDArray.of(BigInt64Array.of(2n ** 53n, 2n ** 53n + 1n, 2n ** 60n + 1n));
    for (const side of ["left", "right"] as const) {
      const want = await numpy.call("np.searchsorted", [big, big], { side });
      expect(difference(await rs.searchsorted(big, big, { side }).compute(), want, "bits")).toBeNull();
    }
  });

  test("edges that do neither rise nor fall are refused", () => {
    expect(() => rs.digitize(rs.ones([3]), [0, 2, 1])).toThrow(/\[0, 2, 1\] neither rise nor fall/);
    expect(() => rs.searchsorted([1, 2], [1], { side: "middle" as "left" })).toThrow(/"middle": expected "left"/);
    expect(() => rs.searchsorted([1, 2], [1], { sorter: [0] as unknown as null })).toThrow(/sorter/);
    expect(() => rs.searchsorted([[1, 2]], [1])).toThrow(/2 axes: expected one/);
  });
});

describeNumpy("counts are NumPy's", (numpy) => {
  test.each(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"] as const)(
    "bincount of %s",
    async (dtype) => {
      const x = await numpy.call("np.abs", [block(dtype, [3000])]);
      const weights = block("float32", [3000], false);
      for (const chunks of [-1, 700]) {
        const lazy = rs.fromArray(x, { chunks });
        for (const minlength of [9, 100, 70_000]) {
          const want = await numpy.call("np.bincount", [x], { minlength });
          expect(difference(await rs.bincount(lazy, { minlength }).compute(), want, "bits"), `${minlength}`).toBeNull();
        }
        const want = await numpy.call("np.bincount", [x, weights], { minlength: 9 });
        const got = await rs.bincount(lazy, { minlength: 9, weights }).compute();
        expect(difference(got, want, { relative: 1e-14 })).toBeNull();
      }
    },
  );

  test("bincount without minlength has an unknown size", async () => {
    const x = NDArray.of(Uint8Array.of(3, 1, 1, 7));
    const counts = rs.bincount(rs.fromArray(x, { chunks: 2 }));
    expect(counts.shape).toEqual([null]);
    expect(difference(await counts.compute(), await numpy.call("np.bincount", [x]), "bits")).toBeNull();
    expect(() => rs.bincount(rs.array([1, 2]))).toThrow(/needs minlength/);
    expect((await rs.bincount(NDArray.zeros("uint8", [0])).compute()).shape).toEqual([0]);
  });

  test("what bincount cannot count is refused", async () => {
    expect(() => rs.bincount(rs.ones([3]))).toThrow(/float64: expected integers/);
    expect(() => rs.bincount(rs.ones([3, 2], { dtype: "uint8" }))).toThrow(/2 axes: expected one/);
    await expect(rs.bincount([1, -2], { minlength: 5 }).compute()).rejects.toThrow(/value -2 is outside 0 … 4/);
    await expect(rs.bincount([1, 5], { minlength: 5 }).compute()).rejects.toThrow(/value 5 is outside 0 … 4/);
  });

  test.each(REAL)("histogram of %s", async (dtype) => {
    const x = block(dtype, [30, 100]);
    const weights = block("float64", [30, 100], false);
    const uneven: readonly number[] = [-3, -1, 0, 0.5, 0.5, 2, 4];
    for (const chunks of [-1, [9, 40]] as const) {
      const lazy = rs.fromArray(x, { chunks });
      for (const [bins, range] of [
        [8, [-4, 4]],
        [10, [0, 1]],
        [7, [-0.3, 2.9]],
        [256, [0, 3]],
        [1, [2, 2]],
        [uneven, null],
      ] as const) {
        const options = range === null ? { bins } : { bins: bins as number, range };
        const kwargs: Record<string, PythonArgument> = {
          bins,
          ...(range === null ? {} : { range: { $tuple: range } }),
        };
        const [want, edges] = (await numpy.ask("np.histogram", [x], kwargs)) as readonly NDArray[];
        const [counts, lazyEdges] = rs.histogram(lazy, options);
        expect(difference(await lazyEdges.compute(), edges as NDArray, "either-zero"), `edges ${bins}`).toBeNull();
        expect(difference(await counts.compute(), want as NDArray, "bits"), `${bins} ${range}`).toBeNull();
      }
      const options = { bins: 8, range: [-4, 4] as const, weights, density: true };
      const [density] = rs.histogram(lazy, options);
      const asked = { bins: 8, range: { $tuple: [-4, 4] }, weights, density: true };
      const [want] = (await numpy.ask("np.histogram", [x], asked)) as readonly NDArray[];
      expect(difference(await density.compute(), want as NDArray, { relative: 1e-13 })).toBeNull();
    }
  });

  test("histogram finds the bins of numbers beside every edge", async () => {
    for (const [first, last, bins] of [
      [0, 1, 10],
      [0, 256, 256],
      [-0.7, 1.9, 1000],
      [1e6, 1e6 + 1, 37],
    ] as const) {
      const edges = Array.from({ length: bins + 1 }, (_, i) => first + (i * (last - first)) / bins);
      const near = edges.flatMap((e) => [
        e * (1 - 2 ** -52),
        e,
        e * (1 + 2 ** -52),
        e * (1 + 2 ** -45),
        e + 0.3 / bins,
      ]);
      const x = NDArray.of(Float64Array.from(near));
      const [want] = (await numpy.ask("np.histogram", [x], {
        bins,
        range: { $tuple: [first, last] },
      })) as readonly NDArray[];
      const [counts] = rs.histogram(x, { bins, range: [first, last] });
      expect(difference(await counts.compute(), want as NDArray, "bits"), `${first} ${last} ${bins}`).toBeNull();
    }
  });

  test("histograms of points", async () => {
    const [x, y] = [block("float64", [500]), block("float32", [500])];
    const weights = block("float64", [500], false);
    const clean = { weights, density: true };
    for (const chunks of [-1, 130]) {
      const [a, b] = [rs.fromArray(x, { chunks }), rs.fromArray(y, { chunks: 200 })];
      for (const more of [{}, clean]) {
        const asked = {
          bins: [4, 5],
          range: [
            [-2, 2],
            [0, 3],
          ],
        };
        const want = (await numpy.ask("np.histogram2d", [x, y], { ...asked, ...more })) as readonly NDArray[];
        const [counts, xs, ys] = rs.histogram2d(a, b, {
          ...asked,
          range: [
            [-2, 2],
            [0, 3],
          ],
          ...more,
        });
        expect(difference(await counts.compute(), want[0] as NDArray, { relative: 1e-13 })).toBeNull();
        expect(difference(await xs.compute(), want[1] as NDArray, "bits")).toBeNull();
        expect(difference(await ys.compute(), want[2] as NDArray, "bits")).toBeNull();
      }
      const points = block("float64", [200, 3], false);
      const bins = [3, [-4, 0, 1, 4], 2];
      const range = [
        [-4, 4],
        [0, 0],
        [-1, 1],
      ] as const;
      const want = (await numpy.ask("np.histogramdd", [points], {
        bins: [3, NDArray.of(Float64Array.of(-4, 0, 1, 4)), 2],
        range: range.map((r) => [...r]),
      })) as readonly NDArray[];
      const [counts] = rs.histogramdd(rs.fromArray(points, { chunks: [60, 2] }), { bins, range });
      expect(difference(await counts.compute(), want[0] as NDArray, "bits")).toBeNull();
    }
  });

  test("histograms without limits are refused", () => {
    expect(() => rs.histogram(rs.ones([3]))).toThrow(/needs the edges/);
    expect(() => rs.histogram(rs.ones([3]), { bins: 0, range: [0, 1] })).toThrow(/0 bins/);
    expect(() => rs.histogram(rs.ones([3]), { bins: [1, 0] })).toThrow(/expected at least two edges that rise/);
    expect(() => rs.histogram(rs.ones([3]), { bins: 2, range: [1, 0] })).toThrow(/\[1, 0\]/);
    expect(() => rs.histogram(rs.ones([3], { dtype: "complex64" }), { bins: 2, range: [0, 1] })).toThrow(/complex64/);
  });
});
