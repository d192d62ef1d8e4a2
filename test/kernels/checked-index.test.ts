import { expect, test } from "vitest";
import type { KernelCall, ReduceSpec } from "../../src/graph/index.ts";
import { finalizePartial, interpretMap, kernelStats, runMap, runReduce } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { elementsAt, resetSegments } from "./layouts.ts";

/** `x - 1` where it lies in 0 … 4: 0, which unused lanes might hold, fails. */
function call(): KernelCall {
  const b = new CallBuilder();
  const at = b.binary("sub", b.cast(b.input("int16"), "int64"), b.param(1n, "int64"));
  return b.build([b.binary("index", at, b.param(5n, "int64"))]);
}

function block(place: "ordinary" | 0, values: readonly number[]): NDArray {
  const data = elementsAt(place, "int16", values.length);
  values.forEach((v, i) => {
    data[i] = v;
  });
  return new NDArray("int16", data, [values.length]);
}

test.each(["ordinary", 0] as const)("indices within bounds are themselves, and every one beyond fails: %s", (place) => {
  for (let n = 512; n < 529; n++) {
    resetSegments();
    const values = Array.from({ length: n }, (_, i) => 1 + (i % 5));
    const out = (): NDArray => new NDArray("int64", elementsAt(place, "int64", n), [n]);
    const [got, want] = [out(), out()];
    const before = kernelStats().wasm;
    runMap(call(), [block(place, values)], [got], [n]);
    expect(kernelStats().wasm - before).toBe(1);
    interpretMap(call(), [block(place, values)], [want], [n]);
    expect(got.data).toEqual(want.data);
    for (const at of [0, 7, n - 1]) {
      for (const bad of [0, 6, -3]) {
        const x = block(place, values.with(at, bad));
        expect(() => runMap(call(), [x], [got], [n])).toThrow(`index ${bad - 1} is out of bounds: expected 0 to 4`);
      }
    }
  }
});

test("a sum of checked indices looks at its own elements only", () => {
  resetSegments();
  const n = 1003;
  const values = Array.from({ length: n }, (_, i) => 1 + (i % 5));
  const partial = new NDArray("float64", elementsAt(0, "float64", 2), [2]);
  const spec: ReduceSpec = { op: "sum", from: "int64", dtype: "int64", ddof: 0, minCount: 0, empty: null };
  runReduce(call(), spec, [block(0, values)], [n], [0], partial);
  const total = new NDArray("int64", elementsAt(0, "int64", 1), []);
  finalizePartial(spec, partial, total);
  expect(total.data[0]).toBe(BigInt(values.reduce((sum, v) => sum + v - 1, 0)));
  expect(() => runReduce(call(), spec, [block(0, values.with(n - 1, 0))], [n], [0], partial)).toThrow("index -1");
});
