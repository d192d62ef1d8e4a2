/** Medians, quantiles and percentiles against NumPy, over several chunkings. */
import { expect, test } from "vitest";
import * as rs from "../../src/array/index.ts";
import { config } from "../../src/config/index.ts";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import type { QuantileMethod } from "../../src/graph/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeNumpy, type PythonArgument } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { difference, type Measure } from "./grid/compare.ts";

useInlineRunner();

/** Ties and extremes; floats have NaN, infinities and both zeros in places, or `clean` ones none. */
function block(dtype: DType, shape: readonly number[], clean = false): NDArray {
  const n = sizeOf(shape);
  const data = allocate(dtype, n);
  const { kind, big, min, max } = dtypeInfo(dtype);
  for (let i = 0; i < n; i++) {
    const mixed = ((i * 7919 + 13) % 101) - 50;
    let v: number | bigint = mixed / 4;
    if (kind === "b") v = mixed % 3 === 0 ? 1 : 0;
    else if (kind === "u" || kind === "i") {
      const whole = BigInt(kind === "u" ? mixed + 50 : mixed);
      v = i % 17 === 3 ? ((max as bigint) + whole) / 2n : i % 29 === 5 && kind === "i" ? (min as bigint) / 2n : whole;
      if (!big) v = Number(v);
    } else if (!clean && i % 11 === 4)
      v = [Number.NaN, Number.POSITIVE_INFINITY, -0, Number.NEGATIVE_INFINITY][i % 4] ?? 0;
    data[i] = v as never;
  }
  return new NDArray(dtype, data, shape);
}

const DTYPES: readonly DType[] = [
  ...(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const),
  ...(["float16", "float32", "float64"] as const),
];
const METHODS: readonly QuantileMethod[] = [
  ...(["inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf"] as const),
  ...(["hazen", "weibull", "linear", "median_unbiased", "normal_unbiased"] as const),
  ...(["lower", "higher", "midpoint", "nearest"] as const),
];
const MEDIANS = { median: rs.median, nanmedian: rs.nanmedian };
const QUANTILES = { quantile: rs.quantile, nanquantile: rs.nanquantile };
const PERCENTILES = { percentile: rs.percentile, nanpercentile: rs.nanpercentile };
const CHUNKINGS = [-1, [[4, 3], [5, 6], -1], [3, 4, 2]] as const;
const AXES: readonly (number | readonly number[] | null)[] = [0, 1, -1, [0, 1], [2, 0], null];

function python(axis: number | readonly number[] | null): PythonArgument {
  return typeof axis === "object" && axis !== null ? { $tuple: axis } : axis;
}

describeNumpy("medians are NumPy's", (numpy) => {
  for (const name of ["median", "nanmedian"] as const) {
    test.each(["bool", ...DTYPES] as const)(`${name} of %s`, async (dtype) => {
      const x = block(dtype, [7, 11, 5]);
      for (const axis of AXES) {
        for (const keepdims of axis === 1 || axis === null ? [false, true] : [false]) {
          const want = await numpy.call(`np.${name}`, [x], { axis: python(axis), keepdims });
          for (const chunks of CHUNKINGS) {
            const lazy = MEDIANS[name](rs.fromArray(x, { chunks }), axis, { keepdims });
            const got = await lazy.compute();
            expect([lazy.dtype, [...lazy.shape]]).toEqual([got.dtype, [...got.shape]]);
            expect(difference(got, want, "either-zero"), `axis ${axis} chunks ${JSON.stringify(chunks)}`).toBeNull();
          }
        }
      }
    });
  }

  test("of nothing", async () => {
    for (const [shape, axis] of [
      [[0, 3], 0],
      [[0, 3], 1],
      [[3, 0], 1],
      [[0], null],
    ] as const) {
      const x = NDArray.zeros("float32", shape);
      const want = await numpy.call("np.median", [x], { axis });
      expect(difference(await rs.median(rs.fromArray(x), axis).compute(), want, "bits")).toBeNull();
    }
  });

  test("of a scalar", async () => {
    expect((await rs.median(rs.array(3)).compute()).toArray()).toBe(3);
  });
});

describeNumpy("quantiles are NumPy's", (numpy) => {
  for (const name of ["quantile", "nanquantile"] as const) {
    test.each(METHODS)(`${name} by %s`, async (method) => {
      const discrete = ["inverted_cdf", "closest_observation", "lower", "higher", "nearest"].includes(method);
      const measure: Measure = discrete ? "either-zero" : { ulp: 1 };
      for (const dtype of discrete ? (["bool", ...DTYPES] as const) : DTYPES) {
        const x = block(dtype, [7, 11, 5], dtype === "float16");
        for (const [q, axis] of [
          [0.3, 0],
          [0.9, [0, 2]],
          [[0, 0.25, 0.5, 0.99, 1], 1],
          [0.62, null],
        ] as const) {
          const want = await numpy.call(`np.${name}`, [x, q as PythonArgument], { axis: python(axis), method });
          for (const chunks of CHUNKINGS.slice(1)) {
            const lazy = QUANTILES[name](rs.fromArray(x, { chunks }), q, axis, { method });
            const got = await lazy.compute();
            expect([lazy.dtype, [...lazy.shape]]).toEqual([got.dtype, [...got.shape]]);
            const what = `${dtype} q ${q} axis ${axis} chunks ${JSON.stringify(chunks)}`;
            expect(difference(got, want, measure), what).toBeNull();
          }
        }
      }
    });
  }

  test("percentiles", async () => {
    for (const dtype of ["float16", "float32", "float64", "uint16"] as const) {
      const x = block(dtype, [9, 13], true);
      for (const q of [37, 2.5, [0, 33.3, 100]]) {
        for (const name of ["percentile", "nanpercentile"] as const) {
          const want = await numpy.call(`np.${name}`, [x, q], { axis: 0 });
          const got = await PERCENTILES[name](rs.fromArray(x, { chunks: [4, 5] }), q, { axis: 0 }).compute();
          expect(difference(got, want, { ulp: 1 }), `${name} ${dtype} ${q}`).toBeNull();
        }
      }
    }
  });

  test("elements further apart than their dtype holds are not wrapped, as NumPy does", async () => {
    const x = NDArray.of(Int8Array.of(-128, 127));
    expect((await numpy.call("np.quantile", [x, 0.5])).toArray()).not.toBe(-0.5);
    expect((await rs.quantile(x, 0.5).compute()).toArray()).toBe(-0.5);
  });
});

describeNumpy("of all elements of many blocks, counted", (numpy) => {
  test.each(["uint8", "int16", "uint32", "int64", "float16", "float32", "float64"] as const)("%s", async (dtype) => {
    const x = block(dtype, [40, 31], dtype === "float16");
    using _small = config.set({ "array.chunk-size": "100B" });
    for (const name of ["median", "nanmedian"] as const) {
      const lazy = MEDIANS[name](rs.fromArray(x, { chunks: [20, 31] }));
      const want = await numpy.call(`np.${name}`, [x]);
      expect(difference(await lazy.compute(), want, "either-zero"), name).toBeNull();
    }
    const lazy = rs.nanquantile(rs.fromArray(x, { chunks: [20, 31] }), [0.1, 0.7], { keepdims: true });
    const want = await numpy.call("np.nanquantile", [x, [0.1, 0.7]], { keepdims: true });
    expect(difference(await lazy.compute(), want, { ulp: 1 })).toBeNull();
  });
});

test("misuse is refused where it is written", () => {
  const x = rs.zeros([4, 3]);
  expect(() => rs.quantile(x, 1.5)).toThrow(/1\.5: expected a number from 0 to 1/);
  expect(() => rs.quantile(x, 0.5, 2)).toThrow(/axis 2 is out of bounds/);
  expect(() => rs.quantile(x, 0.5, { method: "cubic" as "linear" })).toThrow(/"cubic": expected one of inverted_cdf/);
  expect(() => rs.quantile(x, 0.5, { weights: [1] as unknown as null })).toThrow(/weights/);
  expect(() => rs.quantile(x.astype("bool"), 0.5)).toThrow(/bool/);
  expect(() => rs.median(x.astype("complex64"))).toThrow(/complex64/);
  expect(() => rs.quantile(rs.zeros([0, 3]), 0.5, 0)).toThrow(/has no value/);
});
