/** Reductions beside NumPy: axes, options, dtypes, chunkings, errors; and what is made of them. */
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { allocate, castScalar, type DType } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeNumpy, dtype as pyDtype, tuple } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

/** Values of some dtype with repeats, so that firsts of equals matter; floats with NaN and signs. */
function sample(dtype: DType, shape: readonly number[], withNaN: boolean): NDArray {
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const v = ((i * 37) % 23) - (dtype.startsWith("u") || dtype === "bool" ? 0 : 9);
    const float = dtype.startsWith("float");
    data[i] = castScalar(float && withNaN && i % 7 === 3 ? Number.NaN : float ? v / 4 : v, dtype) as never; // castScalar gives what the array class takes
  }
  return new NDArray(dtype, data, shape);
}

const PLAIN = ["sum", "prod", "mean", "std", "var", "min", "max", "any", "all", "ptp"] as const;
const NAN = ["nansum", "nanprod", "nanmean", "nanstd", "nanvar", "nanmin", "nanmax"] as const;
const INDEX = ["argmin", "argmax"] as const;
const NANINDEX = ["nanargmin", "nanargmax"] as const;
const DTYPES: readonly DType[] = ["bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64"];

type Named = Record<string, (x: unknown, axis: unknown, options: unknown) => array.ChunkedArray>;
const NAMED = array as unknown as Named;

/** ours as `op(x, axis, options)` whatever the name. */
function apply(name: string, x: array.ChunkedArray, axis: unknown, options: object): array.ChunkedArray {
  return (NAMED[name] as Named[string])(x, axis, options);
}

function flat(block: NDArray): number[] {
  const nested: unknown[] = [block.toArray()];
  return nested.flat(Number.POSITIVE_INFINITY).map(Number);
}

/** Equal, or for sums and what is made of them within what another order of additions may change. */
function close(got: NDArray, want: NDArray, isExact: boolean): void {
  expect(got.dtype).toBe(want.dtype);
  expect(got.shape).toEqual(want.shape);
  const [g, w] = [flat(got), flat(want)];
  const bound = isExact ? 0 : got.dtype === "float32" ? 4e-6 : 1e-12;
  g.forEach((v, i) => {
    const x = w[i] as number;
    if (Object.is(v, x) || v === x) return;
    expect(Math.abs(v - x), `${v} for ${x} at ${i}`).toBeLessThanOrEqual(bound * Math.max(1, Math.abs(x)));
  });
}

const EXACT = /min|max|any|all|arg|count|ptp/;

describeNumpy("reductions as NumPy", (numpy) => {
  const chunkings = [-1, [2, 2, 3], [[1, 3], [4], [2, 1, 2]]] as const;
  const axes = [null, 0, 1, -1] as const;

  test.each([...PLAIN, ...NAN])("%s", async (name) => {
    for (const dtype of DTYPES) {
      if (name === "ptp" && dtype === "bool") continue;
      const block = sample(dtype, [4, 4, 5], name.startsWith("nan"));
      for (const [k, chunks] of chunkings.entries())
        for (const axis of k === 1 ? [...axes, [0, 2], [1, 2]] : axes) {
          const x = array.fromArray(block, { chunks: chunks as never });
          const keepdims = k === 2;
          const got = await apply(name, x, axis, { keepdims }).compute();
          const want = await numpy.call(`np.${name}`, [block], {
            axis: Array.isArray(axis) ? tuple(...axis) : (axis as number | null),
            ...(keepdims ? { keepdims } : {}),
          });
          close(got, want, EXACT.test(name) || (!dtype.startsWith("float") && !/std|var/.test(name)));
        }
    }
  });

  test.each([...INDEX, ...NANINDEX])("%s", async (name) => {
    for (const dtype of DTYPES)
      for (const withNaN of [false, true]) {
        const block = sample(dtype, [4, 4, 5], withNaN);
        for (const [k, chunks] of chunkings.entries())
          for (const axis of axes) {
            const x = array.fromArray(block, { chunks: chunks as never });
            const got = await apply(name, x, axis, { keepdims: k === 2 }).compute();
            const want = await numpy.call(`np.${name}`, [block], { axis, ...(k === 2 ? { keepdims: true } : {}) });
            close(got, want, true);
          }
      }
  });

  test("countNonzero, count", async () => {
    for (const dtype of DTYPES) {
      const block = sample(dtype, [4, 5], true);
      const x = array.fromArray(block, { chunks: [2, 3] });
      close(await array.countNonzero(x, 1).compute(), await numpy.call("np.count_nonzero", [block], { axis: 1 }), true);
      const want = await numpy.call("lambda x: np.asarray((x == x).sum(axis=0))", [block]);
      close(await array.count(x, 0).compute(), want, true);
    }
  });

  test("ddof and correction", async () => {
    const block = sample("float32", [4, 5], true);
    const x = array.fromArray(block, { chunks: [3, 2] });
    for (const ddof of [1, 2, 4, 5, 0.5]) {
      for (const name of ["std", "var", "nanstd", "nanvar"] as const) {
        const want = await numpy.call(`np.${name}`, [block], { axis: 0, ddof });
        close(await apply(name, x, 0, { ddof }).compute(), want, false);
        close(await apply(name, x, 0, { correction: ddof }).compute(), want, false);
      }
    }
  });

  test("dtype", async () => {
    const cases: [string, DType, DType][] = [
      ["sum", "uint8", "uint8"],
      ["sum", "int8", "int16"],
      ["sum", "float64", "int32"],
      ["sum", "int32", "float32"],
      ["prod", "int8", "uint16"],
      ["prod", "int16", "float32"],
      ["mean", "uint16", "float32"],
      ["mean", "float32", "float64"],
      ["mean", "int32", "int64"],
      ["nansum", "float32", "int16"],
      ["nanmean", "float32", "float64"],
      ["std", "uint8", "float32"],
      ["var", "float32", "float64"],
      ["nanvar", "float32", "float64"],
      ["nanprod", "float32", "float64"],
    ];
    for (const [name, from, to] of cases) {
      const block = sample(from, [6, 7], false);
      const x = array.fromArray(block, { chunks: [4, 4] });
      const got = await apply(name, x, 1, { dtype: to }).compute();
      const want = await numpy.call(`np.${name}`, [block], { axis: 1, dtype: pyDtype(to) });
      // NumPy's nanvar subtracts the mean in the array's own dtype.
      if (name === "nanvar")
        for (const [i, v] of flat(got).entries()) expect(v / (flat(want)[i] as number)).toBeCloseTo(1, 6);
      else close(got, want, false);
      expect(got.dtype).toBe(to);
    }
  });

  test("nothing, and one element", async () => {
    for (const name of [...PLAIN, ...NAN, ...INDEX, ...NANINDEX])
      for (const [shape, axis] of [
        [[0, 3], 0],
        [[0, 3], 1],
        [[3, 0], 1],
        [[0, 0], 0],
        [[0], null],
        [[1], 0],
        [[1, 1], null],
      ] as const) {
        const block = sample("float64", shape, false);
        const want = await numpy.attempt(`np.${name}`, [block], { axis });
        if (!(want instanceof NDArray)) {
          expect(() => apply(name, array.fromArray(block), axis, {}), `${name} ${shape} ${axis}`).toThrow(
            expect.objectContaining({ code: "shape" }),
          );
          continue;
        }
        close(await apply(name, array.fromArray(block), axis, {}).compute(), want, false);
      }
  });

  test("0-d", async () => {
    const block = NDArray.of(Float64Array.of(2.5), []);
    for (const name of [...PLAIN, ...NAN, ...INDEX])
      close(
        await apply(name, array.fromArray(block), null, {}).compute(),
        await numpy.call(`np.${name}`, [block]),
        true,
      );
  });

  test("a slice of NaN has no index", async () => {
    const block = NDArray.of(Float64Array.of(1, Number.NaN, 2, Number.NaN), [2, 2]);
    for (const name of NANINDEX) {
      await expect(numpy.call(`np.${name}`, [block], { axis: 0 })).rejects.toMatchObject({ type: "ValueError" });
      await expect(apply(name, array.fromArray(block, { chunks: 1 }), 0, {}).compute()).rejects.toMatchObject({
        message: expect.stringMatching(/all-nan/i),
      });
    }
  });

  test("average", async () => {
    for (const dtype of ["uint8", "int32", "float32", "float64"] as const) {
      const block = sample(dtype, [4, 5], false);
      const x = array.fromArray(block, { chunks: [3, 2] });
      const w = NDArray.of(Float64Array.of(1, 2, 3, 4, 0.5));
      const all = sample("float32", [4, 5], false);
      close(await array.average(x).compute(), await numpy.call("np.average", [block]), false);
      close(
        await array.average(x, 1, { weights: w }).compute(),
        await numpy.call("np.average", [block], { axis: 1, weights: w }),
        false,
      );
      close(
        await array.average(x, null, { weights: all, keepdims: true }).compute(),
        await numpy.call("np.average", [block], { weights: all, keepdims: true }),
        false,
      );
      const [mean, scale] = array.average(x, 1, { weights: w, returned: true });
      const [wantMean, wantScale] = (await numpy.ask("np.average", [block], {
        axis: 1,
        weights: w,
        returned: true,
      })) as [NDArray, NDArray];
      close(await mean.compute(), wantMean, false);
      close(await scale.compute(), wantScale, false);
      const [plain, n] = array.average(x, 0, { returned: true });
      const [wantPlain, wantN] = (await numpy.ask("np.average", [block], { axis: 0, returned: true })) as [
        NDArray,
        NDArray,
      ];
      close(await plain.compute(), wantPlain, false);
      close(await n.compute(), wantN, false);
    }
    const x = array.zeros([4, 5]);
    expect(() => array.average(x, null, { weights: array.zeros(5) })).toThrow(
      expect.objectContaining({ code: "argument" }),
    );
    expect(() => array.average(x, 0, { weights: array.zeros(5) })).toThrow(expect.objectContaining({ code: "shape" }));
  });

  test("cov and corrcoef", async () => {
    const block = sample("float64", [3, 8], false);
    const ints = sample("int16", [2, 8], false);
    const x = array.fromArray(block, { chunks: [2, 3] });
    close(await array.cov(x).compute(), await numpy.call("np.cov", [block]), false);
    close(
      await array.cov(x, ints, { bias: true }).compute(),
      await numpy.call("np.cov", [block, ints], { bias: true }),
      false,
    );
    close(
      await array.cov(x, null, { rowvar: false, ddof: 0 }).compute(),
      await numpy.call("np.cov", [block], { rowvar: false, ddof: 0 }),
      false,
    );
    const many = sample("float64", [20, 9], false);
    close(
      await array.cov(array.fromArray(many, { chunks: [7, 4] })).compute(),
      await numpy.call("np.cov", [many]),
      false,
    );
    const phases = await array.complex(x, array.fromArray(sample("float64", [3, 8], false)).mul(x)).compute();
    const wantPhases = await numpy.call("np.cov", [phases]);
    const gotPhases = await array.cov(phases).compute();
    expect(gotPhases.dtype).toBe("complex128");
    for (const [i, v] of Array.from(gotPhases.data as Float64Array).entries())
      expect(v).toBeCloseTo((wantPhases.data as Float64Array)[i] as number, 10);
    expect(() => array.moment(phases, 2)).toThrow(expect.objectContaining({ code: "dtype" }));
    const row = sample("float64", [8], false);
    close(await array.cov(row).compute(), await numpy.call("np.cov", [row]), false);
    close(await array.corrcoef(x).compute(), await numpy.call("np.corrcoef", [block]), false);
    close(await array.corrcoef(row, row).compute(), await numpy.call("np.corrcoef", [row, row]), false);
    close(await array.corrcoef(row).compute(), await numpy.call("np.corrcoef", [row]), false);
    expect(() => array.cov(array.zeros([2, 2, 2]))).toThrow(expect.objectContaining({ code: "shape" }));
    expect(() => array.cov(x, array.zeros([2, 7]))).toThrow(expect.objectContaining({ code: "shape" }));
  });

  test("moment, as dask.array", async () => {
    for (const dtype of ["uint8", "float32", "float64"] as const) {
      const block = sample(dtype, [4, 6], false);
      const x = array.fromArray(block, { chunks: [3, 4] });
      for (const order of [0, 1, 2, 3, 4])
        close(
          await array.moment(x, order, 0, { ddof: 1 }).compute(),
          await numpy.call(
            "lambda x, order: da.moment(da.from_array(x, chunks=(3, 4)), order, axis=0, ddof=1).compute()",
            [block, order],
          ),
          false,
        );
    }
    expect(() => array.moment(array.zeros(3), -1)).toThrow(expect.objectContaining({ code: "argument" }));
  });
});

describe("reductions", () => {
  const x = array.zeros([3, 4]);
  const refused = (make: () => unknown, code: string): void => expect(make).toThrow(expect.objectContaining({ code }));

  test("misuse is refused", () => {
    refused(() => array.argmin(x, [0, 1] as never), "axis");
    refused(() => array.sum(x, 2), "axis");
    refused(() => array.sum(x, [0, 0]), "axis");
    refused(() => array.sum(x, 0, { where: x } as never), "argument");
    refused(() => array.max(x, 0, { initial: 0 } as never), "argument");
    refused(() => array.sum(x, 0, { keepdim: true } as never), "argument");
    refused(() => array.sum(x, 0, { splitEvery: 1 }), "argument");
    refused(() => array.sum(x, 0, { ddof: 1 }), "argument");
    refused(() => array.var(x, 0, { ddof: 1, correction: 2 }), "argument");
    refused(() => array.var(x, 0, { ddof: Number.NaN }), "argument");
    refused(() => array.max(x, 0, { dtype: "float32" }), "argument");
    refused(() => array.var(x, 0, { dtype: "int32" }), "dtype");
    refused(() => array.sum(x, 0, { dtype: "bool" }), "dtype");
    refused(() => array.ptp(array.zeros(3, { dtype: "bool" })), "dtype");
  });

  test("methods are the functions", async () => {
    const y = array.fromArray(sample("float64", [4, 5], true), { chunks: 2 });
    for (const name of [...NAN, ...NANINDEX, ...INDEX, "prod"] as const) {
      const method = (y[name] as (axis: number) => array.ChunkedArray).call(y, 0);
      expect(method.name).toBe(apply(name, y, 0, {}).name);
    }
  });
});

test("products of float16 do not depend on what a block alone would be rounded to", async () => {
  for (const [given, want] of [
    [[300, 300, 0, 1], 0],
    [[300, 300, 0.001, 0.01], 0.900390625], // numpy.prod of the same float16 values
  ] as const)
    for (const chunks of [4, 2, 1]) {
      const product = array.array([...given], { dtype: "float16", chunks }).prod();
      expect([product.dtype, (await product.compute()).item()]).toEqual(["float16", want]);
    }
});
