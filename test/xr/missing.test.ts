/** The missing-value rules of api.md §2, one row each; expected values by NumPy and Xarray (make_missing.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { array } from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import type { Nested } from "../../src/ndarray/index.ts";
import { type DataArray, dataArray, expr } from "../../src/xr/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

interface Expected {
  readonly dtype: DType;
  readonly dims: readonly string[];
  readonly values: unknown;
}
const fixture: {
  readonly inputs: Readonly<Record<string, Expected>>;
  readonly cases: Readonly<Record<string, Expected>>;
} = JSON.parse(readFileSync(new URL("./fixtures/missing.json", import.meta.url), "utf8"));

/** JSON has no NaN: null stands for it. */
function nan(v: unknown): unknown {
  return Array.isArray(v) ? v.map(nan) : v === null ? Number.NaN : v;
}

function input(name: string, nodata?: number): DataArray<"y" | "x"> {
  const { dtype, values } = fixture.inputs[name] as Expected;
  const lazy = array(nan(values) as Nested, { dtype, chunks: [1, 2] });
  return dataArray(lazy, { dims: ["y", "x"], ...(nodata === undefined ? {} : { nodata }) });
}

const a = input("U16", 0);
const b = input("V16", 0);
const i = input("I32", -9);
const f = input("F32");
const p = input("PLAIN");
const c = input("COND");

const cases: Readonly<Record<string, () => DataArray<string>>> = {
  add: () => a.add(b),
  sub: () => a.sub(b),
  mul: () => a.mul(b),
  div: () => a.div(b),
  "sub-scalar": () => a.sub(1),
  "div-scalar": () => a.div(3),
  floordiv: () => a.floordiv(2),
  mod: () => a.mod(2),
  pow: () => a.pow(2),
  neg: () => a.neg(),
  "abs-int32": () => i.abs(),
  "add-int32": () => i.add(1),
  "add-mixed": () => a.add(f),
  "add-plain": () => a.add(p),
  "sub-plain-wraps": () => p.sub(1),
  gt: () => a.gt(1),
  le: () => a.le(b),
  eq: () => a.eq(b),
  ne: () => a.ne(b),
  "ne-scalar": () => a.ne(1),
  "eq-float": () => f.eq(7),
  isin: () => a.isin([0, 1, 7]),
  "isin-plain": () => p.isin([0, 7]),
  isnull: () => a.isnull(),
  notnull: () => a.notnull(),
  "isnull-float": () => f.isnull(),
  "isnull-plain": () => p.isnull(),
  where: () => a.where(c),
  "where-plain": () => p.where(c),
  "where-int32-plain": () => input("I32").where(c),
  "where-float": () => f.where(c),
  "where-other-int": () => a.where(c, 9),
  "where-other-float": () => a.where(c, 0.5),
  "where-other-array": () => a.where(c, b),
  "where-bool": () => c.where(a.notnull()),
  fillna: () => a.fillna(9),
  "fillna-float": () => a.fillna(0.5),
  clip: () => a.clip({ min: 2, max: 100 }),
  "clip-float": () => f.clip({ max: 3.5 }),
  "astype-float64": () => a.astype("float64"),
  "astype-int32": () => a.astype("int32"),
  mean: () => a.mean(),
  "mean-y": () => a.mean("y"),
  "sum-y": () => a.sum("y"),
  "sum-minCount": () => a.sum("y", { minCount: 2 }),
  "min-y": () => a.min("y"),
  max: () => a.max(),
  count: () => a.count(),
  "count-y": () => a.count("y"),
  "std-y": () => a.std("y"),
  "var-ddof": () => a.var("x", { ddof: 1 }),
  "mean-strict": () => a.mean("y", { skipna: false }),
  "max-strict": () => a.max("y", { skipna: false }),
  "mean-float": () => f.mean("y"),
  "max-float": () => f.max("x"),
  "sum-float": () => f.sum("y"),
  any: () => a.gt(3).any("y"),
  all: () => a.gt(0).all("x"),
  "expr-ndvi": () => expr`(${a} - ${b}) / (${a} + ${b})`,
  "expr-bits": () => expr`(${a} & 2) == 0`,
  "expr-choose": () => expr`${a} > 1 ? ${a} : nan`,
  "expr-min": () => expr`min(${a}, ${b})`,
};

describe("missing values", () => {
  test("every expected case is tested", () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(fixture.cases).sort());
  });

  test.each(Object.entries(cases))("%s", async (name, make) => {
    const expected = fixture.cases[name] as Expected;
    const lazy = make();
    const { values } = await lazy.compute();
    expect({ dtype: lazy.dtype, dims: lazy.dims, shape: lazy.shape }).toEqual({
      dtype: values.dtype,
      dims: expected.dims,
      shape: values.shape,
    });
    // expr-choose keeps the stored integers: missing is nodata there as in `where`.
    if (name === "expr-choose") {
      expect(lazy.rio.nodata).toBe(0);
      expect(values.dtype).toBe("uint16");
      expect((await lazy.astype("float32").compute()).values.toArray()).toEqual(nan(expected.values));
      return;
    }
    expect(values.dtype).toBe(expected.dtype);
    const got = values.toArray({ bigint: false });
    if (/^(std|var|mean)/.test(name)) expectClose(got, nan(expected.values));
    else expect(got).toEqual(nan(expected.values));
  });

  test("nodata stays where integers do, and goes where they become floats", () => {
    expect(
      [a, a.where(c), a.max("y"), a.clip({ min: 1 }), a.astype("int32"), a.isel({ y: 0 })].map((x) => x.rio.nodata),
    ).toEqual([0, 0, 0, 0, 0, 0]);
    expect([a.add(1), a.mean()].map((x) => x.rio.nodata)).toEqual([Number.NaN, Number.NaN]);
    expect([p, a.gt(1), a.and(1), a.fillna(3)].map((x) => x.rio.nodata)).toEqual([null, null, null, null]);
  });

  test("a finite nodata of floats is NaN in memory and itself when written", async () => {
    const x = f.rio.writeNodata(7);
    expect((await x.compute()).values.toArray()).toEqual([
      [1.5, Number.NaN, -2, Number.NaN],
      [0, 3, Number.NaN, 4],
    ]);
    expect([x.rio.nodata, x.rio.encodedNodata]).toEqual([Number.NaN, 7]);
    expect((await x.astype("int16").compute()).values.toArray()).toEqual([
      [1, 7, -2, 7],
      [0, 3, 7, 4],
    ]);
  });
});

function expectClose(got: unknown, expected: unknown): void {
  if (Array.isArray(expected)) {
    expect(got).toHaveLength(expected.length);
    expected.forEach((e, k) => {
      expectClose((got as unknown[])[k], e);
    });
  } else if (Number.isNaN(expected)) expect(got).toBeNaN();
  else
    expect(Math.abs((got as number) - (expected as number))).toBeLessThanOrEqual(1e-12 * Math.abs(expected as number));
}
