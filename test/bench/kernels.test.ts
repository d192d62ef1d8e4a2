import { expect, test } from "vitest";
import { OutputsDifferError } from "../../bench/contract.ts";
import { seen } from "../../bench/kernels/inputs.ts";
import { compare, elementsOf, type Row } from "../../bench/kernels/row.ts";
import { NDArray } from "../../src/ndarray/index.ts";

function rowWith(near: Row["near"]): Row {
  return {
    id: "a",
    peers: {},
    near,
    reads: [],
    views: false,
    bind: () => ({ run: () => undefined, result: NDArray.zeros("float32", [1]) }),
  };
}

test("a row is not timed when its outputs differ", () => {
  const ours = NDArray.of(Float64Array.of(1, Number.NaN, -0, 1e6));
  expect(() => compare("a", rowWith({ relative: 0 }), ours, [1, Number.NaN, 0, 1e6])).not.toThrow();
  expect(() => compare("a", rowWith({ relative: 0 }), ours, [1, Number.NaN, 0, 1e6 + 1])).toThrow(OutputsDifferError);
  expect(() => compare("a", rowWith({ relative: 2e-6 }), ours, [1, Number.NaN, 0, 1e6 + 1])).not.toThrow();
  expect(() => compare("a", rowWith({ relative: 2e-6 }), ours, [1, 0, 0, 1e6])).toThrow("a[1]: NaN, not 0");
  expect(() => compare("a", rowWith({ relative: 0, absolute: 0.5 }), ours, [1.4, Number.NaN, 0, 1e6])).not.toThrow();
  expect(() => compare("a", rowWith({ relative: 1 }), ours, [1])).toThrow("4 elements, not 1");
});

test("elements of a file are read whatever their place in a pool", () => {
  const pool = new Uint8Array(19);
  pool.set(new Uint8Array(Float64Array.of(1.5, -2).buffer), 3);
  expect(Array.from(elementsOf("float64", pool.subarray(3)))).toEqual([1.5, -2]);
});

test("views are of other lengths, steps and directions, and repeat all inputs but the first", () => {
  const side = 512;
  const x = NDArray.of(
    Float64Array.from({ length: side * side }, (_, i) => i),
    [side, side],
  );
  const at = (i: number, j: number): number => i * side + j;
  expect(seen(x, "odd", true).shape).toEqual([37, 61]);
  expect(seen(x, "strided", true).item(66, 59)).toBe(at(1 + 3 * 66, 2 + 5 * 59));
  expect(seen(x, "reversed", true).item(0, 0)).toBe(at(100, 60));
  expect(seen(x, "reversed", true).item(100, 60)).toBe(0);
  expect(seen(x, "broadcast", true).item(40, 52)).toBe(at(40, 52));
  expect(seen(x, "broadcast", false).item(40, 52)).toBe(52);
});
