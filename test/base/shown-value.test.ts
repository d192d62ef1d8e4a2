import { expect, test } from "vitest";
import { shownValue } from "../../src/base/index.ts";

class Raster {
  toString(): string {
    return "<Raster 3 × 4>\nwith more to say";
  }
}
const circle: unknown[] = [];
circle.push(circle);

test.each([
  [1.5, "1.5"],
  [7n, "7n"],
  ["a", '"a"'],
  [null, "null"],
  [undefined, "undefined"],
  [Number.NaN, "NaN"],
  [[1, "b"], '[1,"b"]'],
  [{ axis: 0 }, '{"axis":0}'],
  [new Float32Array(1e6), "Float32Array"],
  [new Raster(), "<Raster 3 × 4>"],
  [Symbol("s"), "Symbol(s)"],
  [[1n], "a list"],
  [circle, "a list"],
  [Object.create(null), "an object"],
  [{ n: 1n }, "an object"],
  ["x".repeat(99), `"${"x".repeat(56)}...`],
])("%# is told on one line, whatever it is", (value, text) => {
  expect(shownValue(value)).toBe(text);
});
