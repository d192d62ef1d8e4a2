import { expect, test } from "vitest";
import type { ChunkedArray, PadMode, PadOptions, PadPairs } from "../../src/array/index.ts";
import * as array from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { type Case, disagreements } from "./agree.ts";

useInlineRunner();

/** Small whole numbers, so that means and sums are the same in any order. */
function numbers(shape: readonly number[], dtype: DType): NDArray {
  const n = shape.reduce((a, b) => a * b, 1);
  const block = NDArray.zeros(dtype, shape);
  for (let i = 0; i < n; i++) {
    const v = ((i * 37 + 11) % 23) - (dtype.startsWith("u") || dtype === "bool" ? 0 : 9);
    block.data[i] = (
      dtype === "bool" ? v % 2 : dtype.endsWith("64") && !dtype.startsWith("f") ? BigInt(v) : v
    ) as never; // the array class of the dtype
  }
  return block;
}

const WIDTHS: readonly PadPairs<number>[] = [
  2,
  [0, 3],
  [
    [1, 4],
    [2, 0],
  ],
  17,
];
const OPTIONS: Readonly<Record<string, readonly PadOptions[]>> = {
  constant: [
    {},
    { constantValues: 7 },
    {
      constantValues: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  edge: [{}],
  linear_ramp: [{}, { endValues: 5 }, { endValues: [-3, 4] }],
  maximum: [{}, { statLength: 2 }],
  mean: [
    {},
    {
      statLength: [
        [1, 2],
        [3, 9],
      ],
    },
  ],
  median: [{}, { statLength: 4 }],
  minimum: [{}, { statLength: [1, 2] }],
  reflect: [{}, { reflectType: "odd" }],
  symmetric: [{}, { reflectType: "odd" }],
  wrap: [{}],
};

function python(mode: string, options: PadOptions): string {
  const text = (v: unknown): string => JSON.stringify(v).replaceAll("null", "None");
  const named = Object.entries({
    constant_values: options.constantValues,
    end_values: options.endValues,
    stat_length: options.statLength,
    reflect_type: options.reflectType,
  }).flatMap(([k, v]) => (v === undefined ? [] : [`, ${k}=${text(v)}`]));
  return `lambda x, w: np.pad(x, w, mode="${mode}"${named.join("")})`;
}

describeNumpy("pad", (numpy) => {
  for (const [mode, choices] of Object.entries(OPTIONS))
    test(mode, async () => {
      const cases: Record<string, Case> = {};
      for (const dtype of ["int16", "uint8", "float32", "bool"] as const)
        for (const [shape, cuts] of [
          [
            [4, 5],
            [-1, [3, 2]],
          ],
          [[1, 3], [-1]],
        ] as const)
          for (const options of choices)
            for (const width of WIDTHS) {
              if (
                dtype === "bool" &&
                (mode === "linear_ramp" || mode === "mean" || mode === "median" || options.reflectType)
              )
                continue;
              if (
                dtype === "uint8" &&
                options.endValues !== undefined &&
                JSON.stringify(options.endValues).includes("-")
              )
                continue;
              for (const chunks of cuts) {
                const x = numbers(shape, dtype);
                cases[
                  `${dtype} (${shape}) ${JSON.stringify(chunks)} by ${JSON.stringify(width)} ${JSON.stringify(options)}`
                ] = {
                  make: () =>
                    array.pad(array.array(x, { chunks: chunks as -1 }), width, { mode: mode as PadMode, ...options }),
                  python: python(mode, options),
                  args: [x, width as never],
                };
              }
            }
      expect((await disagreements(numpy, cases)).slice(0, 12)).toEqual([]);
    });

  test("vectors, widths by axis, arrays of nothing, three axes", async () => {
    const [v, cube] = [numbers([6], "float32"), numbers([3, 1, 4], "int32")];
    const none = numbers([0, 3], "int16");
    expect(
      await disagreements(numpy, {
        vector: {
          make: () => array.pad(array.array(v, { chunks: 4 }), [3, 8], "reflect"),
          python: "lambda v: np.pad(v, (3, 8), 'reflect')",
          args: [v],
        },
        named: {
          make: () => array.pad(array.array(cube, { chunks: 2 }), { 0: 1, "-1": [0, 5] } as never, "wrap"),
          python: "lambda c: np.pad(c, ((1, 1), (0, 0), (0, 5)), 'wrap')",
          args: [cube],
        },
        cube: {
          make: () => array.pad(array.array(cube, { chunks: 2 }), 2, "symmetric"),
          python: "lambda c: np.pad(c, 2, 'symmetric')",
          args: [cube],
        },
        nothing: { make: () => array.pad(none, 1), python: "lambda n: np.pad(n, 1)", args: [none] },
        nothingEdge: { make: () => array.pad(none, 1, "edge"), python: "lambda n: np.pad(n, 1, 'edge')", args: [none] },
        nothingKept: {
          make: () =>
            array.pad(
              none,
              [
                [0, 0],
                [1, 2],
              ],
              "maximum",
            ),
          python: "lambda n: np.pad(n, ((0, 0), (1, 2)), 'maximum')",
          args: [none],
        },
        widthsOfThree: {
          make: () => array.pad(cube, [1, 2, 3] as never),
          python: "lambda c: np.pad(c, (1, 2, 3))",
          args: [cube],
        },
        negative: { make: () => array.pad(v, -1), python: "lambda v: np.pad(v, -1)", args: [v] },
      }),
    ).toEqual([]);
  });
});

test("blocks grow at the ends, and what does not fit a mode is refused", async () => {
  const x: ChunkedArray = array.zeros([10, 8], { chunks: [4, 8] });
  expect(array.pad(x, 1).chunks).toEqual([[5, 4, 3], [10]]);
  expect(array.pad(x, 1, "mean").chunks).toEqual([[5, 4, 3], [10]]);
  expect(
    array.pad(
      x,
      [
        [9, 0],
        [0, 0],
      ],
      "wrap",
    ).chunks,
  ).toEqual([[3, 3, 3, 4, 4, 2], [8]]);
  expect(array.pad(x, 3, "empty").shape).toEqual([16, 14]);
  for (const options of [
    { mode: "mirror" },
    { mode: "edge", constantValues: 1 },
    { mode: "reflect", reflectType: "strange" },
  ]) {
    let error: unknown = null;
    try {
      array.pad(x, 1, options as PadOptions);
    } catch (e) {
      error = e;
    }
    expect(isRsdatError(error, "argument"), String(error)).toBe(true);
  }
});
