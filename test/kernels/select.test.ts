/** Networks, counting and the plain form give the same results; orders of the columns come from sorting them here. */
import { beforeEach, describe, expect, test } from "vitest";
import { allocate, DTYPES, type DType, type TypedArray } from "../../src/dtype/index.ts";
import type { QuantileMethod, SelectSpec } from "../../src/graph/index.ts";
import { kernelStats, runSelect } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { DEEP_FROM } from "../../src/kernels/select/select.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { bitsOf, blockOf, emptyBlock, type Layout, type Place, resetSegments } from "./layouts.ts";

const DTYPES_SORTED: readonly DType[] = [
  ...(["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const),
  ...(["float32", "float64"] as const),
];
const DEPTHS = [...Array.from({ length: 40 }, (_, k) => k + 1), 63, 64, 65, 100, 127, 130, 400, 1000];

beforeEach(() => {
  compileFrom.elements = 0;
  resetSegments();
});

/** Ties, extremes, and for floats NaN, infinities and both zeros. */
function valuesFor(dtype: DType, n: number, seed: number): TypedArray {
  const data = allocate(dtype, n);
  const d = DTYPES[dtype];
  let s = seed;
  for (let i = 0; i < n; i++) {
    s = (Math.imul(s, 1103515245) + 12345) & 0x7fffffff;
    const pick = s % 23;
    let v: number | bigint = (s >> 8) % 97;
    if (d.kind === "b") v = s & 1;
    else if (d.min !== undefined && d.max !== undefined) {
      v = pick === 0 ? d.min : pick === 1 ? d.max : d.kind === "i" ? BigInt((s >> 8) % 97) - 48n : BigInt(v);
      if (!d.big) v = Number(v);
    } else
      v = [Number.NaN, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0][pick] ?? (v - 48) / 7;
    data[i] = v as never;
  }
  return data;
}

function specOf(from: DType, more: Partial<SelectSpec> = {}): SelectSpec {
  const dtype = DTYPES[from].kind === "f" ? from : "float64";
  return {
    op: "median",
    q: [],
    isList: false,
    method: "linear",
    skipna: true,
    from,
    dtype,
    empty: null,
    ...more,
  };
}

function select(
  spec: SelectSpec,
  x: NDArray,
  reduced: readonly number[],
  o: { readonly mask?: NDArray; readonly place?: Place; readonly elements?: number } = {},
): string[] {
  const b = new CallBuilder();
  const inputs = o.mask ? [x, o.mask] : [x];
  const call = b.build(inputs.map((i) => b.input(i.dtype)));
  const kept = x.shape.filter((_, k) => !reduced.includes(k));
  const out = emptyBlock(spec.dtype, [...(spec.isList ? [spec.q.length] : []), ...kept], "contiguous", o.place ?? 0);
  compileFrom.elements = o.elements ?? 0;
  runSelect(call, spec, inputs, x.shape, reduced, out);
  return Array.from({ length: out.size }, (_, i) => bitsOf(unsigned(out.data[out.offset + i] as number | bigint)));
}

const unsigned = (x: number | bigint): number | bigint => (x === 0 ? 0 : x);

const PLAINLY = { elements: Number.POSITIVE_INFINITY };

describe("networks equal the plain form", () => {
  test.each(DTYPES_SORTED)("median of %s at every depth", (dtype) => {
    for (const depth of DEPTHS) {
      const pixels = depth > 200 ? 21 : 70;
      const x = blockOf(dtype, valuesFor(dtype, depth * pixels, depth), [depth, pixels], "contiguous", 0);
      for (const skipna of [true, false]) {
        const spec = specOf(dtype, { skipna });
        expect(select(spec, x, [0]), `${depth} deep, skipna ${skipna}`).toEqual(select(spec, x, [0], PLAINLY));
      }
      resetSegments();
    }
  });

  const layouts: readonly [Layout, Place][] = [
    ["contiguous", "ordinary"],
    ["strided", 0],
    ["reversed", 0],
    ["offset", 1],
    ["far", 0],
  ];
  test.each(layouts)("blocks laid out %s in %s memory, any axes", (layout, place) => {
    for (const dtype of ["uint8", "int16", "float32", "float64", "uint64"] as const) {
      const shape = [5, 3, 37];
      const x = blockOf(dtype, valuesFor(dtype, sizeOf(shape), 7), shape, layout, place);
      for (const reduced of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
        const spec = specOf(dtype);
        expect(select(spec, x, reduced, { place }), `${dtype} ${reduced}`).toEqual(
          select(spec, x, reduced, { ...PLAINLY, place }),
        );
      }
      resetSegments();
    }
  });

  test.each(["uint8", "int16", "uint16", "int32", "int64", "float32", "float64"] as const)("masks of %s", (dtype) => {
    for (const [depth, pixels] of [
      [1, 5],
      [24, 70],
      [130, 33],
    ] as const) {
      const shape = [depth, pixels];
      const x = blockOf(dtype, valuesFor(dtype, depth * pixels, 3), shape, "contiguous", 0);
      const bits = Uint8Array.from({ length: depth * pixels }, (_, i) => (i % pixels === 2 || i % 3 === 1 ? 0 : 1));
      const mask = blockOf("bool", bits, shape, "contiguous", 1);
      for (const spec of [specOf(dtype), specOf(dtype, { skipna: false }), specOf(dtype, { empty: -7 })])
        expect(select(spec, x, [0], { mask })).toEqual(select(spec, x, [0], { mask, ...PLAINLY }));
    }
  });

  const methods: readonly QuantileMethod[] = [
    ...(["inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf"] as const),
    ...(["hazen", "weibull", "linear", "median_unbiased", "normal_unbiased"] as const),
    ...(["lower", "higher", "midpoint", "nearest"] as const),
  ];
  test.each(methods)("several quantiles by %s", (method) => {
    const discrete = ["inverted_cdf", "closest_observation", "lower", "higher", "nearest"].includes(method);
    for (const from of DTYPES_SORTED) {
      if (from === "bool" && !discrete) continue;
      for (const [q, isList] of [
        [[0.37], false],
        [[0, 0.1, 0.5, 0.9, 1], true],
      ] as const) {
        const float = DTYPES[from].kind === "f";
        const dtype = discrete ? from : float && !isList ? from : "float64";
        for (const skipna of [true, false]) {
          const spec = specOf(from, { op: "quantile", q, isList, method, skipna, dtype });
          const x = blockOf(from, valuesFor(from, 29 * 35, 11), [29, 35], "contiguous", 0);
          expect(select(spec, x, [0]), `${from} ${q}`).toEqual(select(spec, x, [0], PLAINLY));
          resetSegments();
        }
      }
    }
  });
});

test("columns too deep to sort are counted, with the same results", () => {
  const depth = DEEP_FROM + 1;
  for (const dtype of [...DTYPES_SORTED, "float16"] as const) {
    const values = valuesFor(dtype, depth * 3, 5);
    const x = blockOf(dtype, values, [depth, 3], "contiguous", 0);
    const sorted = [0, 1, 2].map((p) => values.filter((v, i) => i % 3 === p && !Number.isNaN(v as number)).sort());
    const spec = specOf(dtype, { op: "quantile", method: "lower", q: [0, 0.25, 1], isList: true, dtype });
    const at = (q: number): string[] =>
      sorted.map((s) => bitsOf(unsigned(s[Math.floor((s.length - 1) * q)] as number | bigint)));
    expect(select(spec, x, [0]), dtype).toEqual([...at(0), ...at(0.25), ...at(1)]);
    resetSegments();
  }
});

test("an empty column is missing, and so is an empty quantile list nothing", () => {
  const x = NDArray.zeros("float32", [0, 4]);
  expect(select(specOf("float32"), x, [0])).toEqual(["NaN", "NaN", "NaN", "NaN"]);
  const list = specOf("float32", { op: "quantile", q: [], isList: true });
  expect(select(list, NDArray.zeros("float32", [3, 4]), [0])).toEqual([]);
});

test("a map before the selection is computed tile by tile, with the bits of a map beforehand", () => {
  const shape = [24, 500];
  const red = blockOf("uint16", valuesFor("uint16", 24 * 500, 1), shape, "contiguous", 0);
  const nir = blockOf("uint16", valuesFor("uint16", 24 * 500, 2), shape, "contiguous", 0);
  const b = new CallBuilder();
  const [r, n] = [b.cast(b.input("uint16"), "float32"), b.cast(b.input("uint16"), "float32")];
  const ndvi = b.binary("div", b.binary("sub", n, r), b.binary("add", n, r));
  const call = b.build([ndvi]);
  const out = emptyBlock("float32", [500], "contiguous", 0);
  const spec = specOf("float32");
  const before = kernelStats().wasm;
  runSelect(call, spec, [red, nir], shape, [0], out);
  expect(kernelStats().wasm).toBeGreaterThan(before);
  const cube = NDArray.zeros("float32", shape);
  for (let i = 0; i < cube.size; i++) {
    const [p, q] = [red.data[red.offset + i] as number, nir.data[nir.offset + i] as number];
    cube.data[i] = Math.fround(Math.fround(q - p) / Math.fround(q + p));
  }
  const want = select(spec, cube, [0], PLAINLY);
  expect(Array.from({ length: 500 }, (_, i) => bitsOf(unsigned(out.data[out.offset + i] as number)))).toEqual(want);
});
