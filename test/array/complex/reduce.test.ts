import { expect, test } from "vitest";
import { type ChunkedArray, fromArray, ChunkedArray as Lazy, reduceLayer } from "../../../src/array/index.ts";
import type { ReduceOp } from "../../../src/graph/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describeNumpy, tuple } from "../../oracle/numpy-live.ts";
import { useInlineRunner } from "../../run-inline.ts";
import { distance, numbers } from "./values.ts";

useInlineRunner();

const AXES = [null, 0, 1, -1, [0, 2]] as const;
const CHUNKS = [-1, [3, 4, 2]] as const;
const OPS = [
  "sum",
  "prod",
  "mean",
  "var",
  "std",
  "min",
  "max",
  "any",
  "all",
  "nansum",
  "nanprod",
  "nanmean",
  "nanvar",
  "nanstd",
  "nanmin",
  "nanmax",
] as const;

const reduced = (
  op: ReduceOp,
  x: ChunkedArray,
  ...rest: [axis?: number | readonly number[] | null, options?: object]
): ChunkedArray => new Lazy(reduceLayer(op, x, ...rest));

/** Every fifth element NaN in one part. */
function withNaN(x: NDArray): NDArray {
  for (let i = 0; i < x.size; i += 5) x.data[2 * i + (i % 2)] = Number.NaN as never;
  return x;
}

describeNumpy("complex reductions against NumPy", (numpy) => {
  test.each(OPS)("%s", async (op) => {
    for (const dtype of ["complex64", "complex128"] as const) {
      const plain = numbers(dtype, [4, 5, 3]);
      for (const x of op.startsWith("nan") ? [plain, withNaN(numbers(dtype, [4, 5, 3]))] : [plain]) {
        for (const axis of AXES) {
          for (const keepdims of [false, true]) {
            const want = await numpy.call(
              "lambda x, axis, keepdims, name: wider(lambda v: getattr(np, name)(v, axis=axis, keepdims=keepdims), x)",
              [x, axis === null ? null : typeof axis === "number" ? axis : tuple(...axis), keepdims, op],
            );
            for (const chunks of CHUNKS) {
              const lazy = reduced(op, fromArray(x, { chunks: chunks as never }), axis, { keepdims });
              const got = await lazy.compute();
              expect([op, axis, got.dtype, got.shape]).toEqual([op, axis, want.dtype, want.shape]);
              expect(distance(got, want)).toBeLessThan(
                (dtype === "complex64" ? 2 ** -23 : 2 ** -49) * (op.endsWith("prod") ? 60 : 1),
              );
            }
          }
        }
      }
    }
  });

  test("sum and mean of NaN and infinities, of nothing, with dtype and ddof", async () => {
    const x = withNaN(numbers("complex128", [20]));
    for (const op of ["sum", "mean", "min", "max", "prod"] as const) {
      const got = await reduced(op, fromArray(x, { chunks: 7 })).compute();
      expect([op, got.toArray()]).toEqual([op, (await numpy.call(`np.${op}`, [x])).toArray()]);
    }
    const none = NDArray.zeros("complex64", [0, 3]);
    for (const op of ["sum", "prod", "mean", "any", "all"] as const)
      expect([op, (await reduced(op, fromArray(none), 0).compute()).toArray()]).toEqual([
        op,
        (await numpy.call(`np.${op}`, [none, 0])).toArray(),
      ]);
    const real = numbers("float32", [11]);
    expect((await reduced("sum", fromArray(real), null, { dtype: "complex128" }).compute()).toArray()).toEqual(
      (await numpy.call("lambda x: x.sum(dtype='c16')", [real])).toArray(),
    );
    const spread = await reduced("var", fromArray(numbers("complex128", [9])), null, {
      ddof: 1,
    }).compute();
    expect(spread.dtype).toBe("float64");
  });

  test("indices of extremes, ties and NaN", async () => {
    const x = new NDArray("complex128", Float64Array.of(1, 2, 1, 3, 1, 3, 0, 9, 0, 9, 1, -1), [2, 3]);
    const y = withNaN(numbers("complex64", [6, 7]));
    for (const [block, op, axis] of [
      [x, "argmax", null],
      [x, "argmin", 0],
      [x, "argmax", 1],
      [y, "argmax", 0],
      [y, "argmin", null],
      [y, "nanargmax", 0],
      [y, "nanargmin", 1],
    ] as const) {
      const got = await reduced(op, fromArray(block, { chunks: 2 }), axis).compute();
      const want = await numpy.call(`np.${op}`, [block, axis]);
      expect([op, axis, got.dtype, got.toArray()]).toEqual([op, axis, want.dtype, want.toArray()]);
    }
  });
});

test("min of nothing and an index of only NaN are errors", async () => {
  expect(() => reduced("max", fromArray(NDArray.zeros("complex64", [0])))).toThrow(
    expect.objectContaining({ code: "shape" }),
  );
  const nans = new NDArray("complex64", Float32Array.of(Number.NaN, 0), [1]);
  await expect(reduced("nanargmin", fromArray(nans)).compute()).rejects.toThrow("All-NaN slice");
});
