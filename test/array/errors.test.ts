import { describe, expect, test } from "vitest";
import { arange, array, concatenate, full, ones, stack, zeros } from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const u8 = array([1, 2, 3], { dtype: "uint8" });

describe("misuse gives a typed error that names the value", () => {
  test.each([
    ["constant outside the dtype", () => u8.add(300), "dtype", /300.*uint8.*0 to 255/s],
    ["negative constant for unsigned", () => u8.add(-1), "dtype", /-1.*uint8/],
    ["wrong chunk list", () => u8.rechunk([[1, 1]]), "chunk", /add up to 2; the axis has 3/],
    ["chunk size 0", () => u8.rechunk(0), "chunk", /chunk size 0/],
    ["too many chunk axes", () => u8.rechunk([1, 1, 1, "auto"]), "chunk", /name 4 axes; the array has 1/],
    ["axis out of bounds", () => u8.sum(1), "axis", /axis 1 is out of bounds for rank 1/],
    ["repeated axis", () => zeros([2, 2]).sum([0, -2]), "axis", /repeat/],
    ["index out of bounds", () => u8.slice(3), "selection", /index 3 is out of bounds/],
    ["text that is no slice", () => u8.slice("a:b"), "selection", /"a:b" is not a slice/],
    ["step 0", () => u8.slice("::0"), "selection", /step must not be 0/],
    ["shapes that do not broadcast", () => u8.add(array([1, 2])), "broadcast", /\(3\) and \(2\)/],
    ["max of nothing", () => zeros([0]).max(), "shape", /empty array/],
    ["unknown dtype", () => u8.astype("uint9" as DType), "dtype", /"uint9" is unknown/],
    ["ragged values", () => array([[1, 2], [3]]), "shape", /ragged/],
    ["a value that does not fit", () => array([1, 300], { dtype: "uint8" }), "dtype", /300 does not fit uint8/],
    ["fill value", () => full([2], -1, { dtype: "uint16" }), "dtype", /-1 does not fit uint16/],
    ["negative size", () => ones([-1]), "shape", /-1 is not a size/],
    ["arange step 0", () => arange(0, 5, 0), "argument", /arange\(0, 5, 0\)/],
    ["concatenate of nothing", () => concatenate([]), "argument", /at least one/],
    [
      "concatenate of unlike shapes",
      () => concatenate([zeros([2, 2]), zeros([2, 3])]),
      "shape",
      /\(2, 2\) and \(2, 3\)/,
    ],
    ["stack of unlike shapes", () => stack([zeros([2]), zeros([3])]), "shape", /\(2\) and \(3\)/],
    ["bitwise and of floats", () => zeros([2]).and(1.5), "dtype", /and is not defined for float64/],
    ["text as operand", () => u8.add("1" as unknown as number), "dtype", /operand "1"/],
  ])("%s", (_, make, code, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code }));
  });

  test("an arithmetic operator on a lazy array", () => {
    // @ts-expect-error TypeScript refuses it too
    expect(() => u8 - 1).toThrow(expect.objectContaining({ code: "operator" }));
    expect(`${u8}`).toMatch(/^ChunkedArray<array, shape=\(3\), dtype=uint8/);
  });

  test("a plan that cannot fit is refused before it runs, and says what would fit", async () => {
    const big = ones([64, 1024, 1024], { chunks: [64, 1024, 1024], dtype: "float64" }).add(1);
    await expect(big.sum().compute({ memory: "64MiB" })).rejects.toMatchObject({
      code: "memory-budget",
      message: expect.stringMatching(/512\.00 MiB|chunks of 64 × 1024 × 1024/) as string,
    });
  });
});
