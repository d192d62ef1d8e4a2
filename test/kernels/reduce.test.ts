import { beforeAll, expect, test } from "vitest";
import { DTYPES, type DType, reductionType, type TypedArray, viewOf } from "../../src/dtype/index.ts";
import {
  type KernelCall,
  partialComponents,
  REDUCE_COMPONENTS,
  type ReduceOp,
  type ReducePlace,
  type ReduceSpec,
} from "../../src/graph/index.ts";
import { combinePartials, finalizePartial, runReduce, runReduceOnto } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { componentCount } from "../../src/kernels/reduce/partial.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { bitsOf, blockOf, elementsAt, type Layout, type Place, resetSegments, valuesOf } from "./layouts.ts";

compileFrom.elements = 0;
/** All results instead of some: RSDAT_REDUCE_STEP=1. */
const STEP = process.env["RSDAT_REDUCE_STEP"] === undefined ? null : Number(process.env["RSDAT_REDUCE_STEP"]);

interface Grid {
  readonly arrays: readonly {
    readonly dtype: DType;
    readonly shape: number[];
    readonly bytes: string;
    readonly mask: string;
  }[];
  readonly results: readonly {
    readonly array: number;
    readonly op: ReduceOp;
    readonly axes: number[];
    readonly masked: boolean;
    readonly out: DType;
    readonly bytes: string;
  }[];
}

function decode(dtype: DType, text: string): TypedArray {
  const bytes = new Uint8Array(Buffer.from(text, "base64"));
  return viewOf(dtype, bytes.buffer, 0, bytes.length / DTYPES[dtype].itemsize);
}

function specOf(op: ReduceOp, from: DType, dtype: DType): ReduceSpec {
  return { op, from, dtype, ddof: 1, minCount: 0, empty: null };
}

/** The same with partials that carry no count, where that changes nothing. */
function countless(spec: ReduceSpec, masked: boolean, reduced: readonly number[]): ReduceSpec {
  const asksNone = /^(nan)?(sum|prod)$|^a(ny|ll)$/.test(spec.op);
  const isKnown = !masked && !(spec.op.startsWith("nan") && spec.from.startsWith("float"));
  return (asksNone || isKnown) && sizeOf(reduced) > 0 ? { ...spec, total: sizeOf(reduced) } : spec;
}

/** Partial of one block. */
function partialOf(
  spec: ReduceSpec,
  inputs: readonly NDArray[],
  shape: readonly number[],
  axes: readonly number[],
  keepdims = false,
  place?: ReducePlace,
): NDArray {
  const b = new CallBuilder();
  const call = b.build(inputs.map((x) => b.input(x.dtype)));
  const kept = shape.flatMap((n, k) => (axes.includes(k) ? (keepdims ? [1] : []) : [n]));
  const out = NDArray.zeros("float64", [partialComponents(spec).length, ...kept]);
  runReduce(call, spec, inputs, shape, axes, out, place);
  return out;
}

function resultOf(spec: ReduceSpec, partial: NDArray): NDArray {
  const out = NDArray.zeros(spec.dtype, partial.shape.slice(1));
  finalizePartial(spec, partial, out);
  return out;
}

function show(op: ReduceOp, x: number | bigint): string {
  return bitsOf(x === 0 && (op.endsWith("min") || op.endsWith("max")) ? 0 : x);
}

describePeer("reductions equal NumPy", ["numpy"], () => {
  let grid: Grid;
  beforeAll(async () => {
    grid = JSON.parse(await runPython(["test/kernels/make_reduce.py"])) as Grid;
  }, 240_000);

  /** Failures over every `every`-th result. */
  function check(layout: Layout, place: Place, every: number): string[] {
    const failures: string[] = [];
    let at = -1;
    let blocks: readonly NDArray[] = [];
    grid.results.forEach(({ array, op, axes, masked, out, bytes }, r) => {
      if (r % every !== 0) return;
      const { dtype, shape, bytes: data, mask } = grid.arrays[array] as Grid["arrays"][number];
      if (array !== at) {
        resetSegments();
        blocks = [
          blockOf(dtype, decode(dtype, data), shape, layout, place),
          blockOf("bool", decode("bool", mask), shape, layout, place),
        ];
        at = array;
      }
      const carried = specOf(op, dtype, out);
      const known = countless(
        carried,
        masked,
        axes.map((k) => shape[k] as number),
      );
      const spec = r % 3 === 0 || shape.includes(0) ? carried : known;
      const inputs = blocks.slice(0, masked ? 2 : 1);
      const got = valuesOf(resultOf(spec, partialOf(spec, inputs, shape, axes, r % 2 === 0)));
      const want = decode(out, bytes);
      const wrong = Array.from(got as Float64Array).findIndex((x, i) => show(op, x) !== show(op, want[i] as number));
      if (wrong >= 0 || got.length !== want.length)
        failures.push(
          `${op} ${dtype} (${shape}) axes ${axes}${masked ? " masked" : ""} [${wrong}]: ${got[wrong]}, NumPy ${want[wrong]}`,
        );
    });
    return failures;
  }

  // Every fifth result or fewer per layout, at steps that share no factor with the 42 cases of one array and axes.
  const BOUND_MS = 60_000;
  test("contiguous, in a segment", () => expect(check("contiguous", 0, STEP ?? 5)).toEqual([]), BOUND_MS);
  test(
    "contiguous, in ordinary memory",
    () => expect(check("contiguous", "ordinary", STEP ?? 11)).toEqual([]),
    BOUND_MS,
  );
  test("reversed", () => expect(check("reversed", 1, STEP ?? 11)).toEqual([]), BOUND_MS);
  test("strided", () => expect(check("strided", 0, STEP ?? 13)).toEqual([]), BOUND_MS);

  test("two blocks combine to the whole", () => {
    for (const op of Object.keys(REDUCE_COMPONENTS) as ReduceOp[]) {
      for (const dtype of ["uint8", "int64", "float64"] as const) {
        const data = Array.from({ length: 60 }, (_, i) => ((i * 37) % 50) + 1);
        const values = NDArray.of(
          dtype === "int64"
            ? BigInt64Array.from(data, BigInt)
            : dtype === "uint8"
              ? Uint8Array.from(data)
              : Float64Array.from(data),
          [6, 10],
        );
        const out = reductionType(op, dtype);
        const carried = specOf(op, dtype, out);
        const spec = countless(carried, false, [6]);
        const half = (from: number): NDArray => new NDArray(dtype, values.data, [3, 10], [10, 1], from * 10);
        const part = (first: number): NDArray =>
          partialOf(spec, [half(first)], [3, 10], [0], false, { first, weights: [1] });
        const parts = [part(0), part(3)];
        const joined = NDArray.zeros("float64", parts[0]?.shape ?? []);
        combinePartials(spec, parts, joined);
        const whole = valuesOf(resultOf(carried, partialOf(carried, [values], [6, 10], [0])));
        const got = valuesOf(resultOf(spec, joined));
        for (let i = 0; i < whole.length; i++)
          expect(Number(got[i]), `${op} ${dtype}`).toBeCloseTo(Number(whole[i]), 10);
        expect(sizeOf(joined.shape.slice(1))).toBe(10);
      }
    }
  });

  test("too few elements give the empty value", () => {
    const mask = NDArray.of(Uint8Array.of(1, 0, 0, 0, 1, 1), [2, 3], "bool");
    const spec: ReduceSpec = { ...specOf("sum", "uint8", "uint64"), minCount: 2, empty: 99 };
    const partial = partialOf(spec, [NDArray.of(Uint8Array.of(1, 2, 3, 4, 5, 6), [2, 3]), mask], [2, 3], [1]);
    expect(resultOf(spec, partial).toArray()).toEqual([99n, 11n]);
  });
});

test("partials have the components that the expression types name", () => {
  for (const op of Object.keys(REDUCE_COMPONENTS) as ReduceOp[]) {
    expect(componentCount({ op })).toBe(REDUCE_COMPONENTS[op].length);
    expect(componentCount({ op, total: 7 })).toBe(partialComponents({ op, total: 7 }).length);
  }
});

test("indices of any split are those of the whole: ties, NaN, flat over two axes", () => {
  const cases: readonly (readonly [op: ReduceOp, values: readonly number[], want: number])[] = [
    ["argmin", [3, 1, 1, 2, 1, 5, 1, 1, 9, 4, 4, 4], 1], // NumPy: the first of equals
    ["argmax", [3, 1, 9, 2, 9, 5, 9, 1, 9, 4, 4, 4], 2],
    ["argmin", [3, 1, 1, 2, Number.NaN, 5, 1, Number.NaN, 0, 4, 4, 4], 4], // the first NaN
    ["argmax", [3, 1, 1, 2, 1, Number.NaN, 1, Number.NaN, 0, 4, 4, 4], 5],
    ["nanargmin", [Number.NaN, 1, 1, 2, Number.NaN, 5, 0.5, Number.NaN, 0.5, 4, 4, 4], 6],
    ["nanargmax", [Number.NaN, 1, 1, 2, Number.NaN, 5, 1, Number.NaN, 0, 4, 5, 4], 5],
    ["nanargmin", [Number.NaN, Number.POSITIVE_INFINITY, ...new Array<number>(10).fill(Number.NaN)], 0], // as NumPy's
  ];
  const cuts = [
    [[0, 3, 0, 4]],
    [
      [0, 3, 0, 2],
      [0, 3, 2, 4],
    ],
    [
      [0, 1, 0, 3],
      [1, 3, 0, 3],
      [0, 1, 3, 4],
      [1, 3, 3, 4],
    ],
  ] as const;
  for (const [op, values, want] of cases) {
    for (const boxes of cuts) {
      const spec = specOf(op, "float64", "int64");
      const data = Float64Array.from(values);
      const parts = boxes.map(([top, bottom, left, right]) => {
        const block = new NDArray("float64", data, [bottom - top, right - left], [4, 1], 4 * top + left);
        const place = { first: 4 * top + left, weights: [4, 1] };
        return partialOf(spec, [block], block.shape, [0, 1], false, place);
      });
      for (const order of [parts, [...parts].reverse()]) {
        const joined = NDArray.zeros("float64", [3]);
        combinePartials(spec, order, joined);
        expect(resultOf(spec, joined).toArray(), `${op} of ${values} in ${boxes.length}`).toEqual(BigInt(want));
      }
    }
  }
});

test("an index of nothing is an error, as in NumPy", () => {
  const nothing = NDArray.of(Float64Array.of(Number.NaN, 1, Number.NaN, 2), [2, 2]);
  const spec = specOf("nanargmax", "float64", "int64");
  expect(() => resultOf(spec, partialOf(spec, [nothing], [2, 2], [0]))).toThrow(
    expect.objectContaining({ code: "argument", message: expect.stringContaining("All-NaN slice encountered") }),
  );
  const plain = specOf("argmin", "float64", "int64");
  expect(() => resultOf(plain, partialOf(plain, [NDArray.zeros("float64", [0, 2])], [0, 2], [0]))).toThrow(
    expect.objectContaining({ code: "argument", message: expect.stringContaining("empty sequence") }),
  );
});

test("products of nothing are 1; nanvar of too few is NaN where var is infinite", () => {
  const product = specOf("prod", "int16", "int64");
  expect(resultOf(product, partialOf(product, [NDArray.zeros("int16", [0, 2])], [0, 2], [0])).toArray()).toEqual([
    1n,
    1n,
  ]);
  const two = NDArray.of(Float64Array.of(1, 2), [2]);
  const spread = (op: ReduceOp): unknown => {
    const spec = { ...specOf(op, "float64", "float64"), ddof: 5 };
    return resultOf(spec, partialOf(spec, [two], [2], [0])).toArray();
  };
  expect([spread("var"), spread("nanvar")]).toEqual([Number.POSITIVE_INFINITY, Number.NaN]); // NumPy 2.4
});

test("going on from a partial gives the bits of reducing and combining, in place or not", () => {
  resetSegments();
  const call = (masked: boolean, dtype: DType): KernelCall => {
    const b = new CallBuilder();
    return b.build(masked ? [b.input(dtype), b.input("bool")] : [b.input(dtype)]);
  };
  for (const [loop, reduced] of [
    [[1, 3, 70], [0]],
    [[2, 2, 4500], [0]],
    [
      [5, 8],
      [0, 1],
    ],
  ] as const) {
    for (const dtype of ["float32", "int16"] as const) {
      const make = (seed: number): NDArray[] => {
        const n = sizeOf(loop);
        const at = (i: number): number => ((i + seed) * 7919) % 251;
        const value = (i: number): number => (dtype === "float32" && at(i) < 40 ? Number.NaN : at(i) - 100);
        const data = elementsAt(0, dtype, n);
        for (let i = 0; i < n; i++) data[i] = value(i) as never;
        const mask = elementsAt(1, "bool", n);
        for (let i = 0; i < n; i++) mask[i] = (at(i + 3) < 200 ? 1 : 0) as never;
        return [new NDArray(dtype, data, loop), new NDArray("bool", mask, loop)];
      };
      const [first, second] = [make(1), make(77)];
      const ops = Object.keys(REDUCE_COMPONENTS) as ReduceOp[];
      for (const [k, op] of ops.entries()) {
        for (const masked of loop[0] === 1 ? [false, true] : [k % 2 === 0]) {
          const extents = reduced.map((axis) => loop[axis] as number);
          const carried = specOf(op, dtype, reductionType(op, dtype));
          const spec = k % 3 === 0 ? carried : countless(carried, masked, extents);
          const shape = [partialComponents(spec).length, ...loop.map((n, k) => (reduced.includes(k as never) ? 1 : n))];
          const inputs = (blocks: readonly NDArray[]): NDArray[] => blocks.slice(0, masked ? 2 : 1);
          const [onto, part, want, out] = [0, 1, 2, 3].map(
            () => new NDArray("float64", elementsAt(0, "float64", sizeOf(shape)), shape),
          ) as [NDArray, NDArray, NDArray, NDArray];
          runReduce(call(masked, dtype), spec, inputs(first), loop, reduced, onto);
          runReduce(call(masked, dtype), spec, inputs(second), loop, reduced, part, {
            first: 1000,
            weights: reduced.map(() => 1),
          });
          combinePartials(spec, [onto, part], want);
          const place = { first: 1000, weights: reduced.map(() => 1) };
          runReduceOnto(call(masked, dtype), spec, inputs(second), loop, reduced, { onto, out, place });
          const bits = (x: NDArray): BigUint64Array =>
            viewOf("uint64", x.data.buffer, x.data.byteOffset, x.size).slice() as BigUint64Array; // by its dtype
          expect(bits(out), `${op} ${dtype} (${loop}) ${masked}`).toEqual(bits(want));
          runReduceOnto(call(masked, dtype), spec, inputs(second), loop, reduced, { onto, out: onto, place });
          expect(bits(onto), `${op} ${dtype} (${loop}) ${masked} in place`).toEqual(bits(want));
        }
      }
      resetSegments();
    }
  }
}, 240_000);
