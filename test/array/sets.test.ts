/** Distinct elements against NumPy, over several chunkings. */
import { expect, test } from "vitest";
import * as rs from "../../src/array/index.ts";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { difference } from "./grid/compare.ts";

useInlineRunner();

const DTYPES: readonly DType[] = [
  ...(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const),
  ...(["float16", "float32", "float64", "complex64"] as const),
];

/** Few values, many ties; floats have NaN, infinities and both zeros. */
function block(dtype: DType, shape: readonly number[]): NDArray {
  const { kind, big } = dtypeInfo(dtype);
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const mixed = ((i * 7919 + 13) % 31) - 15;
    let v: number = kind === "f" || kind === "c" ? mixed / 4 : mixed;
    if (kind === "b") v = mixed % 3 === 0 ? 1 : 0;
    else if (kind === "u") v = Math.abs(mixed) * (dtype === "uint8" ? 1 : 17);
    else if (kind === "c") v = mixed % 3;
    else if (kind === "f" && i % 11 === 4) v = [Number.NaN, Number.POSITIVE_INFINITY, -0, 0][i % 4] ?? 0;
    if (kind === "c" && (i >> 1) % 17 === 2) v = Number.NaN; // both parts: of others NumPy keeps any
    data[i] = (big ? BigInt(v) : v) as never;
  }
  return new NDArray(dtype, data, shape);
}

const ALL = { returnIndex: true, returnInverse: true, returnCounts: true };
const PY_ALL = { return_index: true, return_inverse: true, return_counts: true };

describeNumpy("distinct elements are NumPy's", (numpy) => {
  test.each(DTYPES)("of %s", async (dtype) => {
    for (const shape of [[9, 20], [300], [1]]) {
      const x = block(dtype, shape);
      for (const chunks of [-1, 4]) {
        const lazy = rs.fromArray(x, { chunks });
        const values = rs.unique(lazy);
        expect(values.shape).toEqual([null]);
        expect(difference(await values.compute(), await numpy.call("np.unique", [x]), "either-zero")).toBeNull();
        const want = (await numpy.ask("np.unique", [x], PY_ALL)) as readonly NDArray[];
        const got = rs.unique(lazy, ALL) as readonly rs.ChunkedArray[];
        expect(got.length).toBe(4);
        for (const [k, g] of got.entries())
          expect(difference(await g.compute(), want[k] as NDArray, "either-zero"), `${shape} result ${k}`).toBeNull();
        const some = rs.unique(lazy, { returnInverse: true, returnCounts: true }) as readonly rs.ChunkedArray[];
        for (const [k, g] of some.entries())
          expect(difference(await g.compute(), want[[0, 2, 3][k] as number] as NDArray, "either-zero")).toBeNull();
      }
    }
  });

  test("the Array API's names take every NaN for itself", async () => {
    for (const dtype of ["int16", "int64", "float32"] as const) {
      const x = block(dtype, [5, 12]);
      const lazy = rs.fromArray(x, { chunks: [2, 5] });
      const results = {
        unique_counts: rs.uniqueCounts(lazy),
        // NumPy numbers the NaN in any order, except for unique_all
        ...(dtype === "float32" ? {} : { unique_inverse: rs.uniqueInverse(lazy) }),
        unique_all: rs.uniqueAll(lazy),
      };
      for (const [name, arrays] of Object.entries(results)) {
        const want = (await numpy.ask(`np.${name}`, [x])) as readonly NDArray[];
        for (const [k, a] of (Object.values(arrays) as rs.ChunkedArray[]).entries())
          expect(difference(await a.compute(), want[k] as NDArray, "either-zero"), `${name} ${k}`).toBeNull();
      }
      const sorted = await numpy.call("np.sort", [await numpy.call("np.unique_values", [x])]);
      expect(difference(await rs.uniqueValues(lazy).compute(), sorted, "either-zero")).toBeNull();
    }
  });

  test("of many 16-bit integers, by a table", async () => {
    const data = Int16Array.from({ length: 2 ** 20 + 7 }, (_, i) => ((i * 7919) % 5000) - 2000);
    const lazy = rs.fromArray(NDArray.of(data), { chunks: 700_000 });
    const asked = { return_inverse: true, return_counts: true };
    const want = (await numpy.ask("np.unique", [NDArray.of(data)], asked)) as readonly NDArray[];
    const got = rs.unique(lazy, { returnInverse: true, returnCounts: true }) as readonly rs.ChunkedArray[];
    for (const [k, g] of got.entries())
      expect(difference(await g.compute(), want[k] as NDArray, "bits"), `result ${k}`).toBeNull();
  });

  test("union1d", async () => {
    const [x, y] = [block("int16", [40]), block("float32", [3, 7])];
    const got = await rs.union1d(rs.fromArray(x, { chunks: 9 }), y).compute();
    expect(difference(got, await numpy.call("np.union1d", [x, y]), "either-zero")).toBeNull();
  });

  test("of nothing", async () => {
    for (const dtype of ["float64", "uint8"] as const)
      expect((await rs.unique(NDArray.zeros(dtype, [0])).compute()).shape).toEqual([0]);
    expect(() => rs.unique(rs.ones([2]), { axis: 0 as unknown as null })).toThrow(/axis/);
  });
});
