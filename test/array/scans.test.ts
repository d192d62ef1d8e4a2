/** Running sums and products, fills, differences and gradients against NumPy and Dask, over several chunkings. */
import { expect, test } from "vitest";
import * as rs from "../../src/array/index.ts";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeNumpy, dtype as pyDType } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { difference, type Measure } from "./grid/compare.ts";

useInlineRunner();

const DTYPES: readonly DType[] = [
  ...(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const),
  ...(["float16", "float32", "float64", "complex64", "complex128"] as const),
];

/** Small numbers of both signs, zeros of both signs, NaN where asked. */
function block(dtype: DType, shape: readonly number[], nan = false): NDArray {
  const { kind, big, components } = dtypeInfo(dtype);
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const mixed = ((i * 7919 + 13) % 101) - 50;
    let v: number | bigint = mixed / 16 || -0;
    if (kind === "b") v = mixed % 3 === 0 ? 1 : 0;
    else if (kind === "u") v = Math.abs(mixed);
    else if (kind === "i") v = mixed;
    else if (nan && i % 7 === 3) v = Number.NaN;
    data[i] = (big ? BigInt(v) : v) as never;
  }
  expect(components * sizeOf(shape)).toBe(data.length);
  return new NDArray(dtype, data, shape);
}

const SCANS = { cumsum: rs.cumsum, cumprod: rs.cumprod, nancumsum: rs.nancumsum, nancumprod: rs.nancumprod };
type ScanName = keyof typeof SCANS;

describeNumpy("scans are NumPy's", (numpy) => {
  test.each(DTYPES)("of %s in one block, to the bit", async (dtype) => {
    for (const shape of [
      [7, 40, 5],
      [45, 1],
      [1, 67],
      [3, 5, 64],
    ]) {
      for (const name of Object.keys(SCANS) as ScanName[]) {
        const x = block(dtype, shape, name.startsWith("nan"));
        for (const axis of [null, ...shape.keys()]) {
          const want = await numpy.call(`np.${name}`, [x], { axis });
          const got = await SCANS[name](rs.fromArray(x, { chunks: -1 }), axis).compute();
          expect(difference(got, want, "bits"), `${name} ${shape} axis ${axis}`).toBeNull();
        }
      }
    }
  });

  test.each(DTYPES)("of %s in many blocks", async (dtype) => {
    const x = block(dtype, [7, 40, 5]);
    const exact = !["f", "c"].includes(dtypeInfo(dtype).kind);
    const measure: Measure = exact ? "bits" : { relative: dtype === "float16" ? 2 ** -7 : 2 ** -20 };
    for (const axis of [0, 1, 2, null]) {
      const want = await numpy.call("np.cumsum", [x], { axis });
      for (const method of ["sequential", "blelloch"] as const) {
        const got = await rs.cumsum(rs.fromArray(x, { chunks: [3, [9, 1, 30], 2] }), { axis, method }).compute();
        expect(difference(got, want, measure), `axis ${axis}`).toBeNull();
      }
    }
    const want = await numpy.call("np.cumprod", [x], { axis: 1 });
    const got = await rs.cumprod(rs.fromArray(x, { chunks: [3, 7, 2] }), 1).compute();
    expect(difference(got, want, measure)).toBeNull();
  });

  test("with a dtype, wide rows, long lines", async () => {
    const wide = block("uint16", [40, 5000]);
    const long = block("float32", [40_000]);
    for (const [x, axis] of [
      [wide, 0],
      [wide, 1],
      [long, 0],
    ] as const) {
      for (const dtype of ["int32", "uint32", "float64", "float32", "int8"] as const) {
        if (x === long && dtype === "int8") continue;
        const want = await numpy.call("np.cumsum", [x], { axis, dtype: pyDType(dtype) });
        const got = await rs.cumsum(rs.fromArray(x, { chunks: -1 }), { axis, dtype }).compute();
        expect(difference(got, want, "bits"), `${dtype} axis ${axis}`).toBeNull();
      }
    }
  });

  test("the Array API's names", async () => {
    for (const dtype of ["int16", "float32", "complex64"] as const) {
      const x = block(dtype, [6, 4]);
      for (const includeInitial of [false, true]) {
        for (const [name, ours] of [
          ["cumulative_sum", rs.cumulativeSum],
          ["cumulative_prod", rs.cumulativeProd],
        ] as const) {
          const want = await numpy.call(`np.${name}`, [x], { axis: 0, include_initial: includeInitial });
          const lazy = ours(rs.fromArray(x, { chunks: [4, 3] }), { axis: 0, includeInitial });
          expect(difference(await lazy.compute(), want, { relative: 2 ** -21 }), `${name} ${dtype}`).toBeNull();
        }
      }
    }
    expect(() => rs.cumulativeSum(rs.zeros([2, 2]))).toThrow(/needs an axis/);
  });

  test("of nothing", async () => {
    for (const chunks of [-1, 2]) {
      const got = await rs.cumsum(rs.zeros([0, 3], { chunks }), 0).compute();
      expect(got.shape).toEqual([0, 3]);
    }
    const sizes = await rs.cumsum(rs.ones([4], { chunks: [[0, 2, 0, 2]] }), 0).compute();
    expect(sizes.toArray()).toEqual([1, 2, 3, 4]);
  });
});

describeNumpy("differences and gradients are NumPy's", (numpy) => {
  test.each(DTYPES)("diff of %s", async (dtype) => {
    const x = block(dtype, [6, 9]);
    for (const chunks of [-1, [4, 3]] as const) {
      const lazy = rs.fromArray(x, { chunks });
      for (const [n, axis] of [
        [1, 0],
        [1, -1],
        [2, 1],
        [3, 0],
        [0, 0],
        [7, 0],
      ] as const) {
        const want = await numpy.call("np.diff", [x], { n, axis });
        expect(difference(await rs.diff(lazy, n, axis).compute(), want, "bits"), `n ${n} axis ${axis}`).toBeNull();
      }
      const edges = block(dtype, [6, 2]);
      const want = await numpy.call("np.diff", [x], { axis: 1, prepend: 1, append: edges });
      expect(
        difference(await rs.diff(lazy, { axis: 1, prepend: 1, append: edges }).compute(), want, "bits"),
      ).toBeNull();
    }
  });

  test("ediff1d", async () => {
    const x = block("float32", [4, 5]);
    const got = rs.ediff1d(rs.fromArray(x, { chunks: [3, 2] }), { toBegin: [7], toEnd: [1, 2.5] });
    const want = await numpy.call("np.ediff1d", [x], { to_begin: [7], to_end: [1, 2.5] });
    expect(difference(await got.compute(), want, "bits")).toBeNull();
    expect(() => rs.ediff1d(rs.arange(3), { toEnd: [0.5] })).toThrow(/float64 does not fit/);
  });

  test.each(["int16", "uint8", "float16", "float32", "float64", "complex64"] as const)(
    "gradient of %s",
    async (dtype) => {
      const x = block(dtype, [6, 7]);
      const even = Float64Array.from({ length: 7 }, (_, i) => 0.5 * i);
      const uneven = Float64Array.from({ length: 7 }, (_, i) => i * i * 0.25 + i);
      const measure: Measure = dtype === "complex64" ? { relative: 2 ** -22 } : "either-zero";
      for (const edgeOrder of [1, 2] as const) {
        for (const spacing of [1, 2, 0.3, even, uneven]) {
          const args = typeof spacing === "number" ? [x, spacing] : [x, NDArray.of(spacing)];
          const want = await numpy.call("np.gradient", args, { axis: 1, edge_order: edgeOrder });
          for (const chunks of [-1, [4, 3]] as const) {
            const lazy = rs.gradient(rs.fromArray(x, { chunks }), spacing, { axis: 1, edgeOrder });
            expect(Array.isArray(lazy)).toBe(false);
            const got = await (lazy as rs.ChunkedArray).compute();
            expect(difference(got, want, measure), `${edgeOrder} ${spacing} ${chunks}`).toBeNull();
          }
        }
      }
      const both = rs.gradient(rs.fromArray(x), 2, uneven) as readonly rs.ChunkedArray[];
      const want = (await numpy.ask("np.gradient", [x, 2, NDArray.of(uneven)])) as readonly NDArray[];
      for (const [k, g] of both.entries())
        expect(difference(await g.compute(), want[k] as NDArray, measure)).toBeNull();
    },
  );

  test("gradients that cannot be are refused", () => {
    expect(() => rs.gradient(rs.zeros([1, 3]), { axis: 0 })).toThrow(/at least 2 elements/);
    expect(() => rs.gradient(rs.zeros([3]), [1, 2])).toThrow(/2 coordinates for an axis of 3/);
    expect(() => rs.gradient(rs.zeros([3], { dtype: "bool" }))).toThrow(/bool/);
  });
});

test("push fills forward, at most n in a row", async () => {
  const N = Number.NaN;
  const x = rs.array(
    [
      [1, N, N, N, 5, N],
      [N, 2, N, 3, N, N],
    ],
    { chunks: [1, 2] },
  );
  expect((await rs.push(x).compute()).toArray()).toEqual([
    [1, 1, 1, 1, 5, 5],
    [N, 2, 2, 3, 3, 3],
  ]);
  expect((await rs.push(x, 2, 1).compute()).toArray()).toEqual([
    [1, 1, 1, N, 5, 5],
    [N, 2, 2, 3, 3, 3],
  ]);
  expect((await rs.push(x, null, 0).compute()).toArray()).toEqual([
    [1, N, N, N, 5, N],
    [1, 2, N, 3, 5, N],
  ]);
  expect(() => rs.push(x, 0)).toThrow(/limit 0/);
});
