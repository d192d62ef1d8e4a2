import { expect, test } from "vitest";
import { isRsdatError } from "../../src/base/index.ts";
import { allocate, DTYPES, type DType, type TypedArray } from "../../src/dtype/index.ts";
import { runBlock } from "../../src/kernels/index.ts";
import { ascontiguous, NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { blockOf, emptyBlock, type Layout, type Place, resetSegments, valuesOf } from "./layouts.ts";

const AT = { at: [], position: [] };
const INTEGERS: readonly DType[] = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];
/** Odd extents on both sides of every panel's end. */
const EXTENTS = [
  [1, 1, 1],
  [3, 5, 2],
  [4, 8, 8],
  [7, 9, 131],
  [33, 17, 257],
  [65, 70, 300],
  [259, 31, 40],
  [131, 1, 300],
  [1, 64, 515],
  [40, 1, 101],
  [1, 2052, 9],
] as const;

let state = 7;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
}

function randomValues(dtype: DType, n: number): TypedArray {
  const out = allocate(dtype, n);
  const { kind, itemsize } = DTYPES[dtype];
  for (let i = 0; i < n; i++) {
    const wide = Math.floor((random() - 0.5) * 2 ** Math.min(50, 8 * itemsize));
    const x = kind === "f" ? random() * 2 - 0.7 : kind === "b" ? Math.floor(random() * 1.1) : wide;
    out[i] = (itemsize === 8 && kind !== "f" ? BigInt(x) * 8191n : x) as never; // by its dtype
  }
  return out;
}

function product(
  dtype: DType,
  [a, b]: readonly [TypedArray, TypedArray],
  shapes: readonly [readonly number[], readonly number[], readonly number[]],
  [layout, place]: readonly [Layout, Place],
): { readonly a: NDArray; readonly b: NDArray; readonly out: NDArray } {
  const x = blockOf(dtype, a, shapes[0], layout, place);
  const y = blockOf(dtype, b, shapes[1], layout, place);
  const out = emptyBlock(dtype, shapes[2], "contiguous", place);
  runBlock("matmul", [x, y], out, null, AT);
  return { a: NDArray.of(a, shapes[0], dtype), b: NDArray.of(b, shapes[1], dtype), out };
}

describeNumpy("matrix products of blocks", (numpy) => {
  test.each(INTEGERS)("of %s equal NumPy's, every layout and memory", async (dtype) => {
    for (const [m, n, k] of EXTENTS) {
      resetSegments();
      const values = [randomValues(dtype, m * k), randomValues(dtype, k * n)] as const;
      const shapes = [
        [m, k],
        [k, n],
        [m, n],
      ] as const;
      const first = product(dtype, values, shapes, ["contiguous", 0]);
      const want = await numpy.call("np.matmul", [first.a, first.b]);
      expect(want.dtype).toBe(dtype);
      expect(valuesOf(first.out), `${m} x ${n} x ${k}`).toEqual(valuesOf(want));
      for (const way of [
        ["strided", 1],
        ["reversed", 0],
        ["contiguous", "ordinary"],
      ] as const)
        expect(valuesOf(product(dtype, values, shapes, way).out), way.join()).toEqual(valuesOf(want));
    }
  });

  test.each(["float32", "float64"] as const)("of %s are as near to the exact product as NumPy's", async (dtype) => {
    const ulp = dtype === "float32" ? 2 ** -24 : 2 ** -53;
    for (const [m, n, k] of EXTENTS) {
      resetSegments();
      const values = [randomValues(dtype, m * k), randomValues(dtype, k * n)] as const;
      const shapes = [
        [m, k],
        [k, n],
        [m, n],
      ] as const;
      const { a, b, out } = product(dtype, values, shapes, ["contiguous", 0]);
      const want = await numpy.call("lambda a, b: (a.astype('longdouble') @ b.astype('longdouble')).astype('f8')", [
        a,
        b,
      ]);
      const size = await numpy.call("lambda a, b: abs(a.astype('f8')) @ abs(b.astype('f8'))", [a, b]);
      const got = valuesOf(out);
      for (let i = 0; i < got.length; i++) {
        const error = Math.abs((got[i] as number) - (want.data[i] as number));
        expect(error, `${m} x ${n} x ${k} [${i}]`).toBeLessThanOrEqual((k + 2) * ulp * (size.data[i] as number));
      }
      for (const way of [
        ["strided", 1],
        ["reversed", 0],
        ["contiguous", "ordinary"],
      ] as const)
        expect(valuesOf(product(dtype, values, shapes, way).out), way.join()).toEqual(got);
    }
  });

  test("of float16 round once, as NumPy's", async () => {
    const shapes = [
      [20, 31],
      [31, 9],
      [20, 9],
    ] as const;
    const values = [randomValues("float16", 20 * 31), randomValues("float16", 31 * 9)] as const;
    const { a, b, out } = product("float16", values, shapes, ["contiguous", "ordinary"]);
    const want = await numpy.call("np.matmul", [a, b]);
    expect(valuesOf(out)).toEqual(valuesOf(want));
  });

  test("leading axes broadcast", async () => {
    for (const side of [3, 24]) {
      resetSegments();
      const shapes = [
        [2, 1, side, 5],
        [3, 5, side],
        [2, 3, side, side],
      ] as const;
      const values = [randomValues("int32", sizeOf(shapes[0])), randomValues("int32", sizeOf(shapes[1]))] as const;
      const { a, b, out } = product("int32", values, shapes, ["contiguous", 0]);
      expect(valuesOf(out)).toEqual(valuesOf(await numpy.call("np.matmul", [a, b])));
    }
  });

  test("NaN and infinity reach their rows and columns only", async () => {
    const [m, n, k] = [37, 21, 40];
    const a = randomValues("float64", m * k);
    a[5 * k + 3] = Number.NaN as never;
    a[36 * k + 39] = Number.POSITIVE_INFINITY as never;
    const shapes = [
      [m, k],
      [k, n],
      [m, n],
    ] as const;
    const got = product("float64", [a, randomValues("float64", k * n)], shapes, ["contiguous", 0]);
    const want = await numpy.call("np.matmul", [got.a, got.b]);
    // of dtype float64
    const finite = (x: NDArray): boolean[] => Array.from(valuesOf(x) as Float64Array, Number.isFinite);
    expect(finite(got.out)).toEqual(finite(want));
  });
});

test("small and packed products have the same bits", () => {
  resetSegments();
  const k = 700;
  const [a, b] = [randomValues("float32", 40 * k), randomValues("float32", k * 9)];
  const whole = emptyBlock("float32", [40, 9], "contiguous", 0);
  runBlock(
    "matmul",
    [blockOf("float32", a, [40, k], "contiguous", 0), blockOf("float32", b, [k, 9], "contiguous", 0)],
    whole,
    null,
    AT,
  );
  const row = NDArray.zeros("float32", [1, 5]);
  const part = Float32Array.from({ length: k * 5 }, (_, i) => b[Math.floor(i / 5) * 9 + (i % 5)] as number);
  runBlock("matmul", [NDArray.of(a.slice(0, k), [1, k]), NDArray.of(part, [k, 5])], row, null, AT);
  expect(valuesOf(row)).toEqual(valuesOf(whole).slice(0, 5));
});

test.each(["float32", "float64", "int32", "int64", "uint8"] as const)(
  "transposed operands of %s give the same bits",
  (dtype) => {
    resetSegments();
    const [m, n, k] = [45, 52, 140];
    const [a, b] = [randomValues(dtype, m * k), randomValues(dtype, k * n)];
    const turned = (values: TypedArray, rows: number, columns: number): NDArray => {
      const out = emptyBlock(dtype, [columns, rows], "contiguous", 0);
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) out.data[j * rows + i] = values[i * columns + j] as never; // of one dtype
      return out.transpose();
    };
    const plain = product(
      dtype,
      [a, b],
      [
        [m, k],
        [k, n],
        [m, n],
      ],
      ["contiguous", 0],
    );
    const out = emptyBlock(dtype, [m, n], "contiguous", 0);
    runBlock("matmul", [turned(a, m, k), turned(b, k, n)], out, null, AT);
    expect(valuesOf(out)).toEqual(valuesOf(plain.out));
  },
);

test.each(["float32", "float64", "int32", "int64"] as const)(
  "products of %s with vectors have the bits of the whole",
  (dtype) => {
    resetSegments();
    const [m, n, k] = [67, 52, 523];
    const [a, b] = [randomValues(dtype, m * k), randomValues(dtype, k * n)];
    const x = blockOf(dtype, a, [m, k], "contiguous", 0);
    const y = blockOf(dtype, b, [k, n], "contiguous", 0);
    const turned = blockOf(
      dtype,
      valuesOf(ascontiguous(NDArray.of(b, [k, n]).transpose())),
      [n, k],
      "contiguous",
      0,
    ).transpose();
    const out = emptyBlock(dtype, [m, n], "contiguous", 0);
    runBlock("matmul", [x, y], out, null, AT);
    const view = (of: NDArray, shape: readonly number[], offset: number): NDArray =>
      new NDArray(dtype, of.data, shape, of.stride, of.offset + offset);
    const column = emptyBlock(dtype, [m, 1], "contiguous", 0);
    runBlock("matmul", [x, view(y, [k, 1], 5)], column, null, AT);
    expect(valuesOf(column)).toEqual(valuesOf(ascontiguous(view(out, [m, 1], 5))));
    for (const right of [y, turned]) {
      const row = emptyBlock(dtype, [1, n], "contiguous", 0);
      runBlock("matmul", [view(x, [1, k], 9 * k), right], row, null, AT);
      expect(valuesOf(row)).toEqual(valuesOf(ascontiguous(view(out, [1, n], 9 * n))));
    }
  },
);

test("a sum of no terms is zero", () => {
  const out = NDArray.of(Float64Array.of(5, 5, 5, 5), [2, 2]);
  runBlock("matmul", [NDArray.zeros("float64", [2, 0]), NDArray.zeros("float64", [0, 2])], out, null, AT);
  expect(out.toArray()).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test("refuses what does not multiply", () => {
  const [x, y] = [NDArray.zeros("float64", [2, 3]), NDArray.zeros("float64", [2, 3])];
  expect(() => runBlock("matmul", [x, y], NDArray.zeros("float64", [2, 3]), null, AT)).toThrow(/matrix product of/);
  const c = NDArray.zeros("timedelta64[ns]", [2, 2]);
  let thrown: unknown;
  try {
    runBlock("matmul", [c, c], NDArray.zeros("timedelta64[ns]", [2, 2]), null, AT);
  } catch (error) {
    thrown = error;
  }
  expect(isRsdatError(thrown, "unsupported")).toBe(true);
});
