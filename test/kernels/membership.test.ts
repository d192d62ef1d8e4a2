/** Membership in sets of any size: vectors, bit tables and binary search give what a JavaScript Set gives. */
import { beforeEach, expect, test } from "vitest";
import { allocate, castScalar, type DType } from "../../src/dtype/index.ts";
import { runMap, supports } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { blockOf, emptyBlock, resetSegments, valuesOf } from "./layouts.ts";

compileFrom.elements = 0;
beforeEach(resetSegments);

const DTYPES: readonly DType[] = [
  ...(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const),
  ...(["float32", "float64"] as const),
];
const SIZES = [1, 31, 32, 33, 64, 65, 500, 4096];

test.each(DTYPES)("%s", (dtype) => {
  const n = 1003;
  const values = allocate(dtype, n);
  for (let i = 0; i < n; i++)
    values[i] = castScalar(i % 97 === 0 ? (i % 2 === 0 ? -1 : 2 ** 40) : ((i * 7919) % 3001) - 1000, dtype) as never; // by its dtype
  for (const size of SIZES) {
    const members = Array.from({ length: size }, (_, k) => castScalar((k * 37) % 2500 === 5 ? -1 : k * 2 - 700, dtype));
    const b = new CallBuilder();
    const call = b.build([b.inSet(b.input(dtype), members)]);
    expect(supports(call)).toEqual({ way: "wasm" });
    const out = emptyBlock("bool", [n], "contiguous", 0);
    runMap(call, [blockOf(dtype, values, [n], "contiguous", 0)], [out], [n]);
    const set = new Set<number | bigint>(members);
    const want = Array.from(values as Float64Array, (x) => (set.has(x) ? 1 : 0));
    expect(Array.from(valuesOf(out) as Uint8Array), `${size} members`).toEqual(want);
  }
});

test("NaN is in no set, both zeros in a set of one; too many members are the interpreter's", () => {
  const members = [Number.NaN, -0, ...Array.from({ length: 60 }, (_, k) => k + 0.5)];
  const b = new CallBuilder();
  const call = b.build([b.inSet(b.input("float64"), members)]);
  const x = Float64Array.of(Number.NaN, 0, -0, 0.5, 59.5, 60.5, Number.POSITIVE_INFINITY);
  const out = emptyBlock("bool", [7], "contiguous", 0);
  runMap(call, [blockOf("float64", x, [7], "contiguous", 0)], [out], [7]);
  expect(Array.from(valuesOf(out) as Uint8Array)).toEqual([0, 1, 1, 1, 1, 0, 0]);
  const many = new CallBuilder();
  const large = many.build([
    many.inSet(
      many.input("int32"),
      Array.from({ length: 4097 }, (_, k) => k),
    ),
  ]);
  expect(supports(large)).toEqual({ way: "interpreted", reason: "set of 4097 members of int32" });
});
