import { expect, test } from "vitest";
import { allocate, DTYPES, type DType, type TypedArray } from "../../../src/dtype/index.ts";
import type { Plain } from "../../../src/graph/index.ts";
import { runBlock } from "../../../src/kernels/index.ts";
import { ascontiguous, NDArray, sizeOf } from "../../../src/ndarray/index.ts";
import { describeNumpy } from "../../oracle/numpy-live.ts";
import { bitsOf, blockOf, emptyBlock, type Layout, type Place, resetSegments, valuesOf } from "../layouts.ts";

const AT = { at: [], position: [] };
const WINDOWS = "np.lib.stride_tricks.sliding_window_view";

let state = 3;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
}

function randomValues(dtype: DType, n: number, missing = 0): TypedArray {
  const out = allocate(dtype, n);
  const { kind, itemsize } = DTYPES[dtype];
  for (let i = 0; i < n; i++) {
    const wide = Math.floor((random() - 0.5) * 2 ** Math.min(50, 8 * itemsize));
    const float = random() < missing ? Number.NaN : random() < 0.02 ? Number.POSITIVE_INFINITY : random() * 20 - 7;
    const x = kind === "f" ? float : kind === "b" ? Math.floor(random() * 2) : wide;
    out[i] = (itemsize === 8 && kind !== "f" ? BigInt(x) * 8191n : x) as never; // by its dtype
  }
  return out;
}

type Size = readonly [number, number];
const MEMORY: readonly (readonly [Layout, Place])[] = [
  ["contiguous", 0],
  ["strided", 1],
  ["reversed", 0],
  ["contiguous", "ordinary"],
];

/** A window kernel over a block that holds `values` with its halo. */
function run(
  [kernel, params]: readonly [string, Plain],
  values: NDArray,
  size: Size,
  [dtype, layout, place]: readonly [DType, Layout, Place],
): NDArray {
  const shape = values.shape.map((n, k) => n - (k < values.ndim - 2 ? 0 : (size[k - values.ndim + 2] as number) - 1));
  const out = emptyBlock(dtype, shape, "contiguous", place);
  runBlock(kernel, [blockOf(values.dtype, valuesOf(values), values.shape, layout, place)], out, params, AT);
  return out;
}

/** Values with `instead` for infinity. */
function finite(values: TypedArray, instead: number): TypedArray {
  values.forEach((v, i) => {
    if (v === Number.POSITIVE_INFINITY) values[i] = instead as never; // a float dtype
  });
  return values;
}

/** |got - want| ≤ tolerance · magnitude everywhere, NaN where NaN is wanted. */
function expectWithin(got: NDArray, want: NDArray, magnitude: NDArray, tolerance: number): void {
  const values = valuesOf(got);
  const wrong = Array.from({ length: values.length }, (_, i) => i).filter((i) => {
    const [x, y] = [Number(values[i]), Number(want.data[i])];
    return Number.isNaN(y) ? !Number.isNaN(x) : !(Math.abs(x - y) <= tolerance * Number(magnitude.data[i]));
  });
  expect(wrong.map((i) => [i, values[i], want.data[i]])).toEqual([]);
}

function bits(x: NDArray): string[] {
  return Array.from(valuesOf(x) as unknown as ArrayLike<number | bigint>, bitsOf);
}

/** Zeros compared without their sign: which one of equals an extreme gives is not stated. */
function unsigned(list: readonly string[]): string[] {
  return list.map((x) => (x === "-0" ? "0" : x));
}

const DTYPE_LIST: readonly DType[] = [
  ...(["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const),
  ...(["float16", "float32", "float64"] as const),
];
const PLANES: readonly (readonly [readonly number[], Size])[] = [
  [
    [3, 3],
    [3, 3],
  ],
  [
    [5, 12],
    [3, 3],
  ],
  [
    [70, 45],
    [5, 3],
  ],
  [
    [2, 13, 40],
    [7, 9],
  ],
  [
    [24, 1100],
    [1, 4],
  ],
];

describeNumpy("windows", (numpy) => {
  test.each(DTYPE_LIST)("extremes of %s are NumPy's over sliding windows", async (dtype) => {
    for (const [shape, size] of PLANES) {
      for (const op of ["min", "max"] as const) {
        resetSegments();
        const x = NDArray.of(randomValues(dtype, sizeOf(shape), 0.02), shape, dtype);
        const want = await numpy.call(`lambda x, s: ${WINDOWS}(x, s, axis=(-2, -1)).${op}(axis=(-2, -1))`, [
          x,
          { $tuple: size },
        ]);
        for (const [layout, place] of MEMORY) {
          const got = run(["window-extreme", { size, op, skipna: false }], x, size, [dtype, layout, place]);
          expect(unsigned(bits(got)), `${shape} ${size} ${layout}`).toEqual(unsigned(bits(want)));
        }
        if (DTYPES[dtype].kind !== "f") continue;
        const skipped = await numpy.call(`lambda x, s: np.nan${op}(${WINDOWS}(x, s, axis=(-2, -1)), axis=(-2, -1))`, [
          x,
          { $tuple: size },
        ]);
        const got = run(["window-extreme", { size, op, skipna: true }], x, size, [dtype, "contiguous", 0]);
        expect(unsigned(bits(got))).toEqual(unsigned(bits(skipped)));
      }
    }
  });

  test.each(DTYPE_LIST)("medians of %s are NumPy's", async (dtype) => {
    for (const [shape, size] of [
      ...PLANES.filter((p) => p[1][0] * p[1][1] < 49),
      [
        [9, 30],
        [7, 7],
      ],
    ] as typeof PLANES) {
      resetSegments();
      const x = NDArray.of(randomValues(dtype, sizeOf(shape), 0.02), shape, dtype);
      const [rows, columns] = size;
      const sorted = `np.sort(${WINDOWS}(x, s, axis=(-2, -1)).reshape(*(np.array(x.shape[:-2]).astype(int)), x.shape[-2] - s[0] + 1, x.shape[-1] - s[1] + 1, -1))`;
      const want = await numpy.call(
        `lambda x, s, r: (lambda w: np.where(w[..., -1] != w[..., -1], w[..., -1], w[..., r]))(${sorted})`,
        [x, { $tuple: size }, (rows * columns) >> 1],
      );
      for (const [layout, place] of MEMORY) {
        const got = run(["window-median", { size, skipna: false }], x, size, [dtype, layout, place]);
        expect(unsigned(bits(got)), `${shape} ${size} ${layout}`).toEqual(unsigned(bits(want)));
      }
    }
  });

  test.each(["float32", "float64"] as const)("medians of the valid %s are nanmedian's", async (dtype) => {
    for (const missing of [0, 0.3, 0.9]) {
      for (const size of [
        [3, 3],
        [2, 2],
        [5, 5],
      ] as const) {
        resetSegments();
        const shape = [20, 33];
        const x = NDArray.of(randomValues(dtype, sizeOf(shape), missing), shape, dtype);
        const want = await numpy.call(`lambda x, s: np.nanmedian(${WINDOWS}(x, s), axis=(-2, -1)).astype(x.dtype)`, [
          x,
          { $tuple: size },
        ]);
        const got = run(["window-median", { size, skipna: true }], x, size, [dtype, "contiguous", 0]);
        expect(unsigned(bits(got)), `${missing} ${size}`).toEqual(unsigned(bits(want)));
      }
    }
  });

  test("correlation is the sum of products, in float64 within 1e-6 of the magnitudes in float32", async () => {
    for (const [shape, size] of [
      ...PLANES,
      [
        [40, 60],
        [11, 13],
      ],
    ] as typeof PLANES) {
      for (const [from, to, tolerance] of [
        ["float32", "float32", 1e-6],
        ["float64", "float64", 1e-14],
        ["uint16", "float32", 1e-6],
        ["int32", "float64", 1e-14],
      ] as const) {
        resetSegments();
        const values = finite(randomValues(from, sizeOf(shape)), 1);
        const x = NDArray.of(values, shape, from);
        const weights = Array.from({ length: size[0] * size[1] }, () => Math.fround(random() - 0.3));
        const w = NDArray.of(Float64Array.from(weights), [...size]);
        const sums = (of: string): string => `lambda x, w: np.einsum("...ij,ij->...", ${of})`;
        const [want, magnitude] = [
          await numpy.call(sums(`${WINDOWS}(x.astype("f8"), w.shape, axis=(-2, -1)), w`), [x, w]),
          await numpy.call(sums(`${WINDOWS}(abs(x.astype("f8")), w.shape, axis=(-2, -1)), abs(w)`), [x, w]),
        ];
        const first = run(["window-correlate", { size, weights, skipna: false }], x, size, [to, "contiguous", 0]);
        expectWithin(first, want, magnitude, tolerance);
        for (const [layout, place] of MEMORY)
          expect(
            bits(run(["window-correlate", { size, weights, skipna: false }], x, size, [to, layout, place])),
          ).toEqual(bits(first));
      }
    }
  });

  test("correlation over valid pixels is the weighted mean of them", async () => {
    for (const size of [
      [3, 3],
      [11, 13],
    ] as const) {
      resetSegments();
      const shape = [30, 44];
      const x = NDArray.of(finite(randomValues("float64", sizeOf(shape), 0.6), 2), shape);
      const weights = Array.from({ length: size[0] * size[1] }, () => random() + 0.1);
      const w = NDArray.of(Float64Array.from(weights), [...size]);
      const want = await numpy.call(
        `lambda x, w: np.nansum(${WINDOWS}(x, w.shape) * w, axis=(-2, -1)) / np.sum(~np.isnan(${WINDOWS}(x, w.shape)) * w, axis=(-2, -1))`,
        [x, w],
      );
      const got = run(["window-correlate", { size, weights, skipna: true }], x, size, ["float64", "contiguous", 0]);
      expectWithin(got, want, NDArray.of(new Float64Array(want.size).fill(1000)), 1e-13);
    }
  });

  test("box sums and means are NumPy's: integers exactly, floats to the last bits", async () => {
    for (const [shape, size] of [
      ...PLANES,
      [
        [60, 70],
        [31, 17],
      ],
      [
        [33, 80],
        [11, 49],
      ],
    ] as typeof PLANES) {
      for (const [from, to, op, tolerance] of [
        ["uint8", "int32", "sum", 0],
        ["int16", "float64", "mean", 0],
        ["int32", "float64", "sum", 0],
        ["float32", "float32", "mean", Math.max(...size) <= 15 ? 5e-7 : 6.1e-8],
        ["float32", "float64", "sum", 1e-14],
        ["float64", "float64", "mean", 1e-14],
      ] as const) {
        resetSegments();
        const values = finite(randomValues(from, sizeOf(shape)), 1);
        const x = NDArray.of(values, shape, from);
        const windows = (of: string): string =>
          `lambda x, s: ${WINDOWS}(${of}, s, axis=(-2, -1)).${op}(axis=(-2, -1), dtype="f8")`;
        const want = await numpy.call(windows("x"), [x, { $tuple: size }]);
        const magnitude = await numpy.call(windows('abs(x.astype("f8"))'), [x, { $tuple: size }]);
        const first = run(["window-box", { size, op, skipna: false }], x, size, [to, "contiguous", 0]);
        expectWithin(first, want, magnitude, tolerance);
        for (const [layout, place] of MEMORY)
          expect(bits(run(["window-box", { size, op, skipna: false }], x, size, [to, layout, place]))).toEqual(
            bits(first),
          );
      }
    }
  });

  test("box sums and means over valid pixels", async () => {
    const shape = [70, 600];
    for (const [op, size] of [
      ["sum", [3, 5]],
      ["mean", [9, 9]],
    ] as const) {
      resetSegments();
      const x = NDArray.of(finite(randomValues("float64", sizeOf(shape), 0.8), 2), shape);
      const want = await numpy.call(`lambda x, s: np.nan${op}(${WINDOWS}(x, s), axis=(-2, -1))`, [x, { $tuple: size }]);
      const got = run(["window-box", { size, op, skipna: true }], x, size, ["float64", "contiguous", 0]);
      expectWithin(got, want, NDArray.of(new Float64Array(want.size).fill(1000)), 1e-13);
    }
  });
});

test.each([
  ["window-correlate", { weights: Array.from({ length: 15 }, (_, k) => k / 7 - 1), skipna: false }],
  ["window-correlate", { weights: Array.from({ length: 15 }, (_, k) => k / 7), skipna: true }],
  ["window-box", { op: "mean", skipna: false }],
  ["window-box", { op: "sum", skipna: true }],
  ["window-extreme", { op: "max", skipna: false }],
  ["window-median", { skipna: false }],
  ["window-median", { skipna: true }],
] as const)("%s %# gives the same bits however the plane is cut", (kernel, rest) => {
  const params: Plain = { ...rest, size: [3, 5] };
  for (const dtype of ["float32", "float64"] as const) {
    resetSegments();
    const shape = [41, 1090];
    const x = blockOf(dtype, randomValues(dtype, sizeOf(shape), 0.1), shape, "contiguous", 0);
    const whole = emptyBlock(dtype, [39, 1086], "contiguous", 0);
    runBlock(kernel, [x], whole, params, AT);
    const [rows, columns] = [
      [0, 1, 18, 39],
      [0, 2, 77, 600, 1086],
    ];
    for (const [i, top] of rows.slice(0, -1).entries()) {
      for (const [j, left] of columns.slice(0, -1).entries()) {
        const size = [(rows[i + 1] as number) - top, (columns[j + 1] as number) - left] as const;
        const see = (b: NDArray, shape: readonly number[]): NDArray =>
          new NDArray(dtype, b.data, shape, b.stride, b.offset + top * (b.stride[0] as number) + left);
        const out = emptyBlock(dtype, size, "contiguous", 0);
        runBlock(kernel, [see(x, [size[0] + 2, size[1] + 4])], out, params, AT);
        const wanted = ascontiguous(see(whole, size));
        expect(bits(out), `${top}, ${left}`).toEqual(bits(wanted));
      }
    }
  }
});

test("windows refuse what they cannot hold", () => {
  const out = NDArray.zeros("float32", [4, 4]);
  const x = NDArray.zeros("float32", [6, 6]);
  const go =
    (kernel: string, params: Plain, input: NDArray = x) =>
    () =>
      runBlock(kernel, [input], out, params, AT);
  expect(go("window-box", { size: [3, 4], op: "sum", skipna: false })).toThrow(/needs \(6, 7\), not \(6, 6\)/);
  expect(go("window-box", { size: [3, 3], op: "product", skipna: false })).toThrow(/op is one of sum, mean/);
  expect(go("window-median", { size: [3, 0], skipna: false })).toThrow(/two positive integers/);
  expect(go("window-correlate", { size: [3, 3], weights: [1], skipna: false })).toThrow(/1 weights for 3 x 3/);
  expect(go("window-median", { size: [9, 9], skipna: false }, NDArray.zeros("float32", [12, 12]))).toThrow(/9 x 9/);
  const far = NDArray.zeros("uint8", [4, 1_000_003]);
  expect(go("window-extreme", { size: [1, 1_000_000], op: "max", skipna: false }, far)).toThrow(/too large/);
});

test("windows of more rows and columns give the same bits in bands and in passes", () => {
  const [height, width] = [37, 83];
  for (const [dtype, size] of [
    ["float32", [9, 9]],
    ["float32", [6, 14]],
    ["float64", [12, 7]],
    ["uint8", [7, 25]],
  ] as const) {
    for (const [kernel, op] of [
      ["window-box", "mean"],
      ["window-extreme", "max"],
    ] as const) {
      resetSegments();
      const values = randomValues(dtype, (height + size[0] - 1) * (width + size[1] - 1), 0.02);
      const x = blockOf(dtype, values, [height + size[0] - 1, width + size[1] - 1], "contiguous", 0);
      const params: Plain = { size, op, skipna: false };
      const whole = emptyBlock(dtype, [height, width], "contiguous", 0);
      runBlock(kernel, [x], whole, params, AT);
      // five rows make no band
      for (let top = 0; top < height; top += 5) {
        const rows = Math.min(5, height - top);
        const from = [rows + size[0] - 1, width + size[1] - 1];
        const out = emptyBlock(dtype, [rows, width], "contiguous", 0);
        runBlock(
          kernel,
          [new NDArray(dtype, x.data, from, x.stride, x.offset + top * (x.stride[0] as number))],
          out,
          params,
          AT,
        );
        expect(bits(out), `${kernel} ${dtype} ${size} ${top}`).toEqual(
          bits(new NDArray(dtype, whole.data, [rows, width], whole.stride, whole.offset + top * width)),
        );
      }
    }
  }
});
