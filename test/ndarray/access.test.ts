/** A block in memory as a user handles it: slices are views, `at` and iteration go along the first axis. */
import { describe, expect, test } from "vitest";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy, pySlice, tuple } from "../oracle/numpy-live.ts";

const x = NDArray.of(
  Int32Array.from({ length: 60 }, (_, i) => i),
  [3, 4, 5],
);

describeNumpy("NDArray.slice", (numpy) => {
  test.each([
    ["1", [1]],
    ["1:, ::2", [pySlice(1, null, null), pySlice(null, null, 2)]],
    ["::-1, -1, 3:0:-2", [pySlice(null, null, -1), -1, pySlice(3, 0, -2)]],
    ["..., 2", [{ $ellipsis: true as const }, 2]],
    ["5:2", [pySlice(5, 2, null)]],
  ])("[%s] is NumPy's", async (text, index) => {
    const want = await numpy.call("operator.getitem", [x, tuple(...index)]);
    const got = x.slice(text);
    expect([got.shape, got.toArray()]).toEqual([want.shape, want.toArray()]);
    expect(got.data).toBe(x.data);
  });
});

describe("NDArray", () => {
  test("takes pairs, numbers, null and dots as slices", () => {
    expect(x.slice([1, 3], 0, null, "...").shape).toEqual([2, 1, 5]);
    expect(() => x.slice(3)).toThrow(expect.objectContaining({ name: "SelectionError" }));
  });

  test("gives elements or views along its first axis, from the end if negative", () => {
    expect((x.at(-1) as NDArray).toArray()).toEqual(x.slice(2).toArray());
    const line = x.slice(0, 0);
    expect([line.at(0), line.at(-1), line.at(5), line.at(-6), line.at(0.5)]).toEqual([
      0,
      4,
      undefined,
      undefined,
      undefined,
    ]);
    expect([...line]).toEqual([0, 1, 2, 3, 4]);
    expect(Array.from(x, (plane) => (plane as NDArray).shape)).toEqual([
      [4, 5],
      [4, 5],
      [4, 5],
    ]);
    expect(() => [...x.slice(0, 0, 0)]).toThrow(expect.objectContaining({ name: "SelectionError" }));
  });
});
