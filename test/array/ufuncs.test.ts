/** NumPy's semantics that kernels.md §11 lists, row by row, with the values probed there; errors and warnings of misuse. */
import { afterEach, describe, expect, test } from "vitest";
import * as namespace from "../../src/array/index.ts";
import { onWarning } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { type ChunkedArray, expr } from "../../src/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

const { array, where } = namespace;
useInlineRunner();
const [NAN, INF] = [Number.NaN, Number.POSITIVE_INFINITY];

async function values(x: ChunkedArray): Promise<unknown[]> {
  const flat = [(await x.compute()).toArray({ bigint: false } as never)].flat(9); // a nested list of numbers
  return flat.map((v) => (typeof v === "bigint" ? Number(v) : v));
}

const of = (dtype: DType, list: readonly number[]): ChunkedArray => array([...list], { dtype });

interface Row {
  readonly what: string;
  readonly make: () => ChunkedArray;
  readonly dtype?: DType;
  readonly want: readonly unknown[];
}

const f = namespace;
const ROWS: readonly Row[] = [
  {
    what: "int floor division",
    make: () => f.floorDivide(of("int32", [-7, 7, 5, -(2 ** 31)]), of("int32", [3, -3, 0, -1])),
    dtype: "int32",
    want: [-3, -3, 0, -(2 ** 31)],
  },
  {
    what: "int remainder",
    make: () => f.remainder(of("int32", [-7, 7, 5, -(2 ** 31)]), of("int32", [3, -3, 0, -1])),
    dtype: "int32",
    want: [2, -2, 0, 0],
  },
  { what: "abs of the smallest integer", make: () => f.abs(of("int8", [-128, -3])), dtype: "int8", want: [-128, 3] },
  {
    what: "float floor division",
    make: () => f.floorDivide(of("float64", [7, -7, 0, -1, 1, 1, INF]), of("float64", [0, 0, 0, INF, -INF, 0.1, 1])),
    want: [INF, -INF, NAN, -1, -1, 9, NAN],
  },
  {
    what: "float remainder",
    make: () => f.mod(of("float64", [5, -1, 1, 1, -0, 0]), of("float64", [0, INF, -INF, 0.1, 1, -1])),
    want: [NAN, INF, -INF, 0.09999999999999995, 0, -0],
  },
  { what: "fmod", make: () => f.fmod(of("float64", [-7, 7, -7.5]), of("float64", [3, -3, 2])), want: [-1, 1, -1.5] },
  {
    what: "maximum and fmax beside NaN",
    make: () =>
      f.stack([
        f.maximum(of("float32", [NAN, 1]), of("float32", [2, NAN])),
        f.fmax(of("float32", [NAN, 1]), of("float32", [2, NAN])),
      ]),
    want: [NAN, NAN, 2, 1],
  },
  {
    what: "round half to even",
    make: () => f.round(of("float64", [0.5, 1.5, 2.5, -0.5, -1.5])),
    want: [0, 2, 2, -0, -2],
  },
  { what: "round to decimals", make: () => f.round(of("float64", [2.675, 1.005]), 2), want: [2.68, 1] },
  {
    what: "round integers to tens",
    make: () => f.round(of("int32", [15, 25, 35, -15]), -1),
    dtype: "int32",
    want: [20, 20, 40, -20],
  },
  {
    what: "round uint8 to tens wraps",
    make: () => f.round(of("uint8", [255, 254]), -1),
    dtype: "uint8",
    want: [4, 250],
  },
  {
    what: "shifts beyond the width",
    make: () => f.stack([f.leftShift(of("int8", [1, -1, 3]), 9), f.rightShift(of("int8", [1, -1, 3]), 9)]),
    dtype: "int8",
    want: [0, 0, 0, 0, -1, 0],
  },
  {
    what: "integer powers wrap",
    make: () => f.power(of("uint8", [200, 0, 3]), of("uint8", [2, 0, 5])),
    dtype: "uint8",
    want: [64, 1, 243],
  },
  {
    what: "float powers",
    make: () => f.power(of("float64", [-8, 1, NAN, -INF, -0]), of("float64", [1 / 3, NAN, 0, 0.5, 0.5])),
    want: [NAN, 1, 1, INF, 0],
  },
  {
    what: "powers by constants",
    make: () => f.power(of("float64", [3, -INF, -0, 2.25]), 0.5),
    want: [Math.sqrt(3), INF, 0, 1.5],
  },
  { what: "sign of zeros", make: () => f.sign(of("float64", [-0, 0, NAN, -3])), want: [0, 0, NAN, -1] },
  {
    what: "clip with crossed bounds, NaN stays",
    make: () => f.clip(of("float64", [NAN, 0, 9]), 4, 1),
    want: [NAN, 1, 1],
  },
  {
    what: "clip by what the dtype cannot hold",
    make: () => f.clip(of("uint8", [0, 200]), -5, 300),
    dtype: "uint8",
    want: [0, 200],
  },
  {
    what: "float to integers",
    make: () => of("float64", [300.7, 70000, 3e9, NAN, INF]).astype("uint16"),
    dtype: "uint16",
    want: [300, 4464, 3e9 % 65536, 0, 0],
  },
  {
    what: "to bool",
    make: () => of("float64", [NAN, 0, -0, 0.1]).astype("bool"),
    dtype: "bool",
    want: [true, false, false, true],
  },
  {
    what: "float16 rounds to even",
    make: () => of("float64", [65519.9, 65520, 2.98e-8, 6e-8, 2049]).astype("float16"),
    dtype: "float16",
    want: [65504, INF, 0, 2 ** -24, 2048],
  },
  {
    what: "NaN is in no set",
    make: () => f.isin(of("float64", [NAN, 1]), [NAN, 1]),
    dtype: "bool",
    want: [false, true],
  },
  {
    what: "comparison of int64 and uint64 is exact",
    make: () =>
      f.less(array([9007199254740993n, -1n]), array([9007199254740994n, 18446744073709551615n], { dtype: "uint64" })),
    dtype: "bool",
    want: [true, true],
  },
  {
    what: "comparison with a constant beyond the dtype",
    make: () => f.less(of("uint8", [0, 255]), 300),
    dtype: "bool",
    want: [true, true],
  },
  {
    what: "nanToNum",
    make: () => f.nanToNum(of("float32", [NAN, INF, -INF, 2]), { nan: -1 }),
    dtype: "float32",
    want: [-1, 3.4028234663852886e38, -3.4028234663852886e38, 2],
  },
  {
    what: "isclose",
    make: () =>
      f.isclose(of("float64", [1, 1, NAN, INF]), of("float64", [1 + 1e-6, 1.1, NAN, INF]), { equalNan: true }),
    dtype: "bool",
    want: [true, false, true, true],
  },
  {
    what: "reciprocal of integers",
    make: () => f.reciprocal(of("int32", [1, -1, 2, 0])),
    dtype: "int32",
    want: [1, -1, 0, -(2 ** 31)],
  },
  {
    what: "logical tests of any dtype",
    make: () => f.logicalAnd(of("float64", [NAN, 0, 2]), of("int8", [1, 1, 0])),
    dtype: "bool",
    want: [true, false, false],
  },
  {
    what: "hypot and atan2 of C99",
    make: () =>
      f.concatenate([
        f.hypot(of("float64", [INF, 3]), of("float64", [NAN, 4])),
        f.arctan2(of("float64", [0, -0, 0]), of("float64", [-0, -0, 1])),
      ]),
    want: [INF, 5, Math.PI, -Math.PI, 0],
  },
  {
    what: "ldexp",
    make: () => f.ldexp(of("float32", [1, 3, 1]), of("int32", [4, -200, 2000])),
    dtype: "float32",
    want: [16, 0, INF],
  },
  {
    what: "select",
    make: () =>
      f.select([of("bool", [1, 0, 0]), of("bool", [1, 1, 0])], [of("int16", [1, 1, 1]), of("int16", [2, 2, 2])], 9),
    dtype: "int16",
    want: [1, 2, 9],
  },
  {
    what: "choose",
    make: () => f.choose(of("int8", [0, 1, -1, 5]), [10, of("int32", [20, 21, 22, 23])], { mode: "wrap" }),
    dtype: "int32",
    want: [10, 21, 22, 23],
  },
  {
    what: "choose, clipped",
    make: () => f.choose(of("int8", [-4, 1, 5]), [1, 2.5], { mode: "clip" }),
    dtype: "float64",
    want: [1, 2.5, 2.5],
  },
  {
    what: "piecewise",
    make: () =>
      f.piecewise(of("int32", [-2, 0, 3]), [f.less(of("int32", [-2, 0, 3]), 0)], [(x) => x.mul(10), (x) => f.sqrt(x)]),
    dtype: "int32",
    want: [-20, 0, 1],
  },
  {
    what: "where of any condition",
    make: () => where(of("float64", [0, NAN, 2]), 1, of("uint16", [7, 8, 9])),
    dtype: "uint16",
    want: [7, 1, 1],
  },
];

test.each(ROWS.map((row) => [row.what, row] as const))("%s", async (_what, { make, dtype, want }) => {
  const x = make();
  if (dtype) expect(x.dtype).toBe(dtype);
  const got = await values(x);
  expect(got.length).toBe(want.length);
  got.forEach((v, k) => {
    expect(
      Object.is(v, want[k]) || v === want[k] || (want[k] === 0 && v === 0),
      `[${k}] ${v}, expected ${want[k]}`,
    ).toBe(true);
  });
});

test("zeros keep their signs", async () => {
  const [zero] = await values(f.mod(of("float64", [0]), -1));
  expect(zero).toBe(-0);
  expect(await values(f.arctan2(of("float64", [-0]), 1))).toEqual([-0]);
  expect(await values(f.round(of("float64", [-0.5])))).toEqual([-0]);
});

test("two results that belong together", async () => {
  const x = of("float64", [0.75, -6, 0, INF, -INF, 1e-310]);
  const [mantissa, exponent] = f.frexp(x);
  expect(exponent.dtype).toBe("int32");
  const [m, e] = [await values(mantissa), await values(exponent)];
  expect(m.slice(0, 5)).toEqual([0.75, -0.75, 0, INF, -INF]);
  expect(e.slice(0, 5)).toEqual([0, 3, 0, 0, 0]);
  expect((m[5] as number) * 2 ** -500 * 2 ** ((e[5] as number) + 500)).toBe(1e-310);
  const [fraction, whole] = f.modf(of("float64", [2.5, -2.5, -INF]));
  expect(await values(fraction)).toEqual([0.5, -0.5, -0]);
  expect(await values(whole)).toEqual([2, -2, -INF]);
  const [quotient, remainder] = f.divmod(of("int8", [-7]), 2);
  expect([await values(quotient), await values(remainder)]).toEqual([[-4], [1]]);
});

test("names and aliases are one function", () => {
  const aliases: Readonly<Record<string, string>> = {
    ...{ absolute: "abs", sub: "subtract", mul: "multiply", div: "divide", trueDivide: "divide", pow: "power" },
    ...{ asin: "arcsin", acos: "arccos", atan: "arctan", atan2: "arctan2", asinh: "arcsinh", acosh: "arccosh" },
    ...{ atanh: "arctanh", radians: "deg2rad", degrees: "rad2deg", remainder: "mod", around: "round", fix: "trunc" },
    ...{
      bitwiseInvert: "invert",
      bitwiseNot: "invert",
      bitwiseLeftShift: "leftShift",
      bitwiseRightShift: "rightShift",
    },
    ...{ gt: "greater", ge: "greaterEqual", lt: "less", le: "lessEqual", eq: "equal", ne: "notEqual", neg: "negative" },
  };
  const all = namespace as unknown as Readonly<Record<string, unknown>>; // by name
  for (const [alias, name] of Object.entries(aliases)) {
    expect(typeof all[name], name).toBe("function");
    expect(all[alias], alias).toBe(all[name]);
  }
});

test("expr knows the functions of api.md §5", async () => {
  const x = of("float64", [0.5]);
  const y = expr`abs(${x}) + sqrt(${x}) + exp(${x}) + log(${x}) + log2(${x}) + log10(${x}) + sin(${x}) + cos(${x}) + tan(${x})`;
  const z = expr`asin(${x}) + acos(${x}) + atan(${x}) + atan2(${x}, 2) + floor(${x}) + ceil(${x}) + round(${x}) + min(${x}, 2) + max(${x}, 2)`;
  const w = expr`clip(${x}, 0, 1) + where(isnan(${x}) || isfinite(${x}), 1, 0) + deg2rad(${x}) + rad2deg(${x}) + ${x} // 0.2 + ${x} % 0.2`;
  const v = 0.5;
  const sums = await Promise.all([y, z, w].map(values));
  expect(sums[0]?.[0]).toBeCloseTo(
    v + Math.sqrt(v) + Math.exp(v) + Math.log(v) - 1 + Math.log10(v) + Math.sin(v) + Math.cos(v) + Math.tan(v),
    13,
  );
  expect(sums[1]?.[0]).toBeCloseTo(Math.PI / 2 + Math.atan(v) + Math.atan2(v, 2) + 0 + 1 + 0 + v + 2, 13);
  expect(sums[2]?.[0]).toBeCloseTo(v + 1 + (v * Math.PI) / 180 + (v * 180) / Math.PI + 2 + 0.1, 13);
});

describe("misuse", () => {
  const cases: readonly (readonly [string, () => unknown, string])[] = [
    ["an integer to a negative constant", () => f.power(of("int32", [2]), -1), "integer-power"],
    ["float bits", () => f.bitwiseAnd(of("float32", [1]), 1), "dtype"],
    ["minus of bool", () => f.negative(of("bool", [1])), "dtype"],
    ["a difference of bools", () => f.subtract(of("bool", [1]), of("bool", [0])), "dtype"],
    ["a constant beyond the dtype", () => f.add(of("uint8", [1]), 300), "dtype"],
    ["a lower bound above the dtype", () => f.clip(of("uint8", [1]), 300), "dtype"],
    ["a condition that is not bool", () => f.select([of("int8", [1])], [1]), "dtype"],
    ["more choices than conditions", () => f.select([of("bool", [1])], [1, 2]), "argument"],
    ["choices by floats", () => f.choose(of("float32", [1]), [1]), "dtype"],
    ["no choices", () => f.choose(of("int8", [1]), []), "argument"],
    ["too few pieces", () => f.piecewise(of("int8", [1]), [of("bool", [1]), of("bool", [1])], [1]), "argument"],
    ["float exponents of 2", () => f.ldexp(of("float32", [1]), of("float32", [1])), "dtype"],
    ["shapes that do not broadcast", () => f.add(of("int8", [1, 2]), of("int8", [1, 2, 3])), "broadcast"],
    ["text", () => f.add(of("int8", [1]), "1" as never), "dtype"],
  ];
  test.each(cases)("%s is refused when it is built", (_what, make, code) => {
    expect(make).toThrow(expect.objectContaining({ code }));
  });

  test("what only values can tell fails when it runs", async () => {
    await expect(f.choose(of("int8", [2]), [1, 2]).compute()).rejects.toThrow(/index 2 is out of bounds/);
    await expect(f.power(of("int8", [2]), of("int8", [-1])).compute()).rejects.toThrow(/negative integer powers/);
  });
});

describe("warnings", () => {
  const heard: string[] = [];
  afterEach(() => {
    heard.length = 0;
    onWarning(null);
  });

  test("an unsigned difference that is not promoted is told once per place", () => {
    onWarning((name, message) => heard.push(`${name}: ${message}`));
    for (let k = 0; k < 3; k++) f.subtract(of("uint16", [1]), of("uint16", [2]));
    f.subtract(of("uint16", [1]), of("int32", [2]));
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatch(/^UnsignedWrapWarning: sub of uint16 wraps.*65535.*ufuncs\.test\.ts/);
    of("uint8", [1]).neg();
    expect(heard[1]).toMatch(/^UnsignedWrapWarning: neg of uint8/);
  });

  test("a cast of floats to integers tells that NaN becomes 0", () => {
    onWarning((name, message) => heard.push(`${name}: ${message}`));
    of("float32", [1]).astype("int16");
    of("int32", [1]).astype("int16");
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatch(/^CastWarning: astype from float32 to int16: NaN becomes 0/);
  });
});

test("functions that change nothing make no layer", () => {
  const whole = namespace.arange(0, 6, { dtype: "uint16" });
  const { abs, ceil, conj, floor, positive, real, round, trunc } = namespace;
  for (const f of [abs, ceil, conj, floor, positive, real, round, trunc])
    expect(f(whole).node, f.name).toBe(whole.node);
  const broken = whole.astype("float32");
  expect(floor(broken).node).not.toBe(broken.node);
  expect(abs(whole.astype("int16")).node.layer).toMatchObject({ kind: "blockwise" });
});

describe("logarithms of sums of float32", () => {
  // float64 has 29 bits more, and nothing cancels there that has not cancelled in the float32 operands.
  const rows = [
    ["logaddexp", f.logaddexp, (x: number, y: number) => x + Math.log1p(Math.exp(y - x))],
    ["logaddexp2", f.logaddexp2, (x: number, y: number) => x + Math.log1p(2 ** (y - x)) / Math.LN2],
  ] as const;
  test.each(rows)(
    "%s is within 4 units in the last place where one operand is just above 0",
    async (_, ours, exact) => {
      const n = 20_000;
      const x = Float32Array.from({ length: n }, (_, i) => ((i * 7919) % n) / n / 10 ** (i % 9));
      const y = Float32Array.from({ length: n }, (_, i) => (-25 * ((i * 104_729) % n)) / n);
      const got = await ours(array(NDArray.of(x)), array(NDArray.of(y))).compute();
      const worst = Math.max(
        ...Array.from(got.data as Float32Array, (value, i) => {
          const want = exact(x[i] ?? NAN, y[i] ?? NAN);
          return Math.abs(value - want) / 2 ** (Math.floor(Math.log2(Math.abs(want))) - 23);
        }),
      );
      expect(worst).toBeLessThan(4);
    },
  );
});
