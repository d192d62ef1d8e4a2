/** Block kernels of scans, sorting and counting: compiled, in any memory and layout, as plainly. */
import { beforeEach, describe, expect, test } from "vitest";
import { allocate, DTYPES, type DType, type TypedArray } from "../../src/dtype/index.ts";
import type { Plain } from "../../src/graph/index.ts";
import { kernelStats, runBlock } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { bitsOf, blockOf, elementsAt, type Layout, type Place, resetSegments } from "./layouts.ts";

const PLACE = { at: [0, 0, 0], position: [0, 0, 0] };
const LAYOUTS: readonly [Layout, Place][] = [
  ["contiguous", 0],
  ["contiguous", 1],
  ["contiguous", "ordinary"],
  ["strided", 0],
  ["reversed", 1],
  ["offset", 0],
];

beforeEach(() => {
  compileFrom.elements = 0;
  resetSegments();
});

function valuesFor(dtype: DType, n: number, wild: boolean): TypedArray {
  const data = allocate(dtype, n);
  const { kind, big } = DTYPES[dtype];
  for (let i = 0; i < n; i++) {
    const mixed = ((i * 7919 + 13) % 127) - 63;
    let v: number = kind === "u" ? Math.abs(mixed) : mixed;
    if (kind === "f") v = wild && i % 13 === 5 ? ([Number.NaN, Infinity, -Infinity, -0][i % 4] as number) : mixed / 16;
    data[i] = (big ? BigInt(v) : v) as never;
  }
  return data;
}

interface Run {
  readonly kernel: string;
  readonly params: Plain;
  readonly out: DType;
  readonly shape: readonly number[];
}

/** The result with inputs laid out so; the output lies where the first input does. */
function result(
  run: Run,
  inputs: readonly (readonly [DType, TypedArray, readonly number[]])[],
  layout: Layout,
  place: Place,
): string[] {
  const blocks = inputs.map(([dtype, values, shape]) => blockOf(dtype, values, shape, layout, place));
  const out = new NDArray(run.out, elementsAt(place, run.out, sizeOf(run.shape)), run.shape);
  runBlock(run.kernel, blocks, out, run.params, PLACE);
  return Array.from(out.data as unknown as ArrayLike<number | bigint>, bitsOf);
}

function plainly(run: Run, inputs: Parameters<typeof result>[1]): string[] {
  compileFrom.elements = Number.POSITIVE_INFINITY;
  const want = result(run, inputs, "contiguous", "ordinary");
  compileFrom.elements = 0;
  return want;
}

const unsigned = (x: string): string => (x === "-0" ? "0" : x);

describe.each(LAYOUTS)("laid out %s in memory %s", (layout, place) => {
  test.each(["float32", "float64", "int32", "uint32", "int64", "uint64"] as const)("scans of %s", (dtype) => {
    for (const shape of [
      [13, 37],
      [1, 1000],
      [4, 8, 33],
      [3, 70, 5],
    ]) {
      const values = valuesFor(dtype, sizeOf(shape), false);
      for (const axis of shape.keys()) {
        for (const op of ["add", "mul"]) {
          const run: Run = { kernel: "scan", params: { axis, op }, out: dtype, shape };
          const inputs = [[dtype, values, shape]] as const;
          expect(result(run, inputs, layout, place), `${shape} ${axis} ${op}`).toEqual(plainly(run, inputs));
        }
      }
    }
  });

  test.each(["int16", "uint16", "float16", "int32", "uint64", "int64", "float32", "float64"] as const)(
    "sorted %s",
    (dtype) => {
      for (const shape of [
        [13, 37],
        [2, 700],
        [4, 6, 33],
        [70, 5],
      ]) {
        const values = valuesFor(dtype, sizeOf(shape), true);
        for (const axis of shape.keys()) {
          const run: Run = { kernel: "sort", params: { axis, descending: false }, out: dtype, shape };
          const inputs = [[dtype, values, shape]] as const;
          const [got, want] = [result(run, inputs, layout, place), plainly(run, inputs)];
          expect(got.map(unsigned), `${shape} ${axis}`).toEqual(want.map(unsigned));
        }
      }
    },
  );

  test.each(["uint8", "uint16", "int16", "int64", "float32"] as const)("counts and places of %s", (dtype) => {
    const shape = [9, 71];
    const inputs = [dtype, valuesFor(dtype, sizeOf(shape), true), shape] as const;
    const weights = ["float64", valuesFor("float64", sizeOf(shape), false), shape] as const;
    const lists = [[0, 1, 2, 3, 4], [-3, 0, 0.5, 2, 40], [0, 64], Array.from({ length: 300 }, (_, i) => i / 7)];
    for (const list of lists) {
      const edges = ["float64", Float64Array.from(list), [list.length]] as const;
      for (const side of ["left", "right"]) {
        const run: Run = { kernel: "locate", params: { side, descending: false }, out: "int64", shape };
        expect(result(run, [inputs, edges], layout, place), `${side} ${list}`).toEqual(plainly(run, [inputs, edges]));
      }
      const bins = [list.length - 1];
      const count: Run = { kernel: "count-bins", params: null, out: "int64", shape: bins };
      expect(result(count, [inputs, edges], layout, place), `${list}`).toEqual(plainly(count, [inputs, edges]));
      const weigh: Run = { ...count, out: "float64" };
      expect(result(weigh, [inputs, edges, weights], layout, place)).toEqual(plainly(weigh, [inputs, edges, weights]));
    }
    if (dtype === "float32") return;
    const places = Array.from(inputs[1] as unknown as ArrayLike<number | bigint>, (v) => Math.abs(Number(v)));
    const data = allocate(dtype, places.length);
    places.forEach((v, i) => {
      data[i] = (DTYPES[dtype].big ? BigInt(v) : v) as never;
    });
    for (const bins of [64, 300, 65_536]) {
      const run: Run = { kernel: "bincount", params: null, out: "int64", shape: [bins] };
      const block = [dtype, data, shape] as const;
      expect(result(run, [block], layout, place)).toEqual(plainly(run, [block]));
      const weighed: Run = { ...run, out: "float64" };
      expect(result(weighed, [block, weights], layout, place)).toEqual(plainly(weighed, [block, weights]));
    }
  });
});

test("what is compared above is compiled", () => {
  const x = blockOf("float32", valuesFor("float32", 800, false), [8, 100], "contiguous", 0);
  for (const [kernel, params] of [
    ["scan", { axis: 1, op: "add" }],
    ["sort", { axis: 1, descending: false }],
  ] as const) {
    const before = kernelStats();
    runBlock(kernel, [x], new NDArray("float32", elementsAt(0, "float32", 800), [8, 100]), params, PLACE);
    expect(kernelStats().wasm, kernel).toBeGreaterThan(before.wasm);
    expect(kernelStats().interpreted, kernel).toBe(before.interpreted);
  }
});
