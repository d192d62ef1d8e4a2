import { expect, test } from "vitest";
import {
  add,
  angle,
  array,
  type BinaryName,
  binaryTerm,
  ChunkedArray,
  complex,
  conj,
  corrcoef,
  cov,
  elementwise,
  fromArray,
  imag,
  iscomplex,
  isin,
  isreal,
  type Operand,
  real,
  reciprocal,
  roundTerm,
  type Term,
  type UnaryName,
  unaryTerm,
  where,
} from "../../../src/array/index.ts";
import { isRsdatError } from "../../../src/base/index.ts";
import { DTYPES, type DType } from "../../../src/dtype/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describeNumpy } from "../../oracle/numpy-live.ts";
import { useInlineRunner } from "../../run-inline.ts";
import { distance, numbers, pairs, relativeRms } from "./values.ts";

useInlineRunner();

const unary = (op: UnaryName, x: Operand): ChunkedArray =>
  new ChunkedArray(elementwise(op, [x], (b, [t]) => unaryTerm(b, op, t as Term)));
const binary = (op: BinaryName, x: Operand, y: Operand): ChunkedArray =>
  new ChunkedArray(elementwise(op, [x, y], (b, [s, t]) => binaryTerm(b, op, s as Term, t as Term)));

/** NumPy's names where ours are shorter. */
const PYTHON: Partial<Record<string, string>> = {
  neg: "negative",
  sub: "subtract",
  mul: "multiply",
  div: "divide",
  pow: "power",
  eq: "equal",
  ne: "not_equal",
  lt: "less",
  le: "less_equal",
  gt: "greater",
  ge: "greater_equal",
  asin: "arcsin",
  acos: "arccos",
  atan: "arctan",
  asinh: "arcsinh",
  acosh: "arccosh",
  atanh: "arctanh",
};
const numpyName = (op: string): string => `np.${PYTHON[op] ?? op}`;

const EXACT: readonly UnaryName[] = ["neg", "sign", "isnan", "isinf", "isfinite"];
const FUNCTIONS: readonly UnaryName[] = [
  "sqrt",
  "exp",
  "exp2",
  "expm1",
  "log",
  "log2",
  "log10",
  "log1p",
  "sin",
  "cos",
  "tan",
  "asin",
  "acos",
  "atan",
  "sinh",
  "cosh",
  "tanh",
  "asinh",
  "acosh",
  "atanh",
  "square",
  "abs",
];
const SPECIAL = [0, -0, 1, -1, 0.5, -2.25, 1e-200, 3e200, Infinity, -Infinity, NaN];

/** Sign and kind of each part: where NumPy is infinite, NaN or zero. Beside a NaN C99 leaves the sign of an infinity open. */
function kinds(block: NDArray): string[] {
  const step = block.data.length / block.size;
  return Array.from({ length: block.size }, (_, i) => {
    const parts = Array.from(block.data.subarray(i * step, (i + 1) * step) as Float64Array, (v) =>
      Number.isNaN(v)
        ? "nan"
        : !Number.isFinite(v)
          ? v > 0
            ? "inf"
            : "-inf"
          : Math.abs(v) < 1e-180
            ? "0"
            : v > 0
              ? "+"
              : "-",
    );
    return parts.includes("nan") ? parts.map((p) => p.replace("-inf", "inf")).join() : parts.join();
  });
}

describeNumpy("complex arithmetic against NumPy", (numpy) => {
  test.each(["complex64", "complex128"] as const)("functions of %s within 4 ulp of the norm", async (dtype) => {
    const x = numbers(dtype, [5, 41]);
    const eps = dtype === "complex64" ? 2 ** -24 : 2 ** -53;
    const far: string[] = [];
    for (const op of [...FUNCTIONS, ...EXACT]) {
      const got = await unary(op, fromArray(x, { chunks: [2, 20] })).compute();
      const want = await numpy.call(numpyName(op), [x]);
      expect([op, got.dtype]).toEqual([op, want.dtype]);
      const far1 = distance(got, want) / eps;
      if (!(far1 <= (op === "sign" ? 3 : EXACT.includes(op) ? 0 : 8))) far.push(`${op}: ${far1}`);
    }
    expect(far).toEqual([]);
  });

  test.each(FUNCTIONS)("%s of special values is C99's", async (op) => {
    // A fused product of NumPy's tells which of two infinities is larger.
    const x = pairs(op === "square" ? SPECIAL.filter((v) => v !== 3e200) : SPECIAL);
    const [got, want] = [kinds(await unary(op, fromArray(x)).compute()), kinds(await numpy.call(numpyName(op), [x]))];
    const unlike = want.flatMap((w, i) =>
      w === got[i] ? [] : [`${op}(${x.data[2 * i]}, ${x.data[2 * i + 1]}) = ${got[i]}, NumPy ${w}`],
    );
    expect(unlike).toEqual([]);
  });

  test.each([
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "minimum",
    "maximum",
    "fmin",
    "fmax",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
  ] as const)("%s with every dtype has NumPy's dtype and values", async (op) => {
    const wrong: string[] = [];
    for (const left of ["complex64", "complex128"] as const) {
      for (const right of Object.keys(DTYPES) as DType[]) {
        if (/datetime|timedelta/.test(right)) continue;
        const [x, y] = [numbers(left, [3, 7]), numbers(right, [7], 5)];
        const got = await binary(op, fromArray(x), fromArray(y, { chunks: 4 })).compute();
        const want = await numpy.call(numpyName(op), [x, y]);
        const eps = got.dtype === "complex64" ? 2 ** -24 : 2 ** -53;
        const bound = op === "pow" ? 64 : op === "mul" ? 3 : op === "div" ? 0 : 0;
        const far = distance(got, want) / eps;
        if (got.dtype !== want.dtype || !(far <= bound))
          wrong.push(`${op} ${left} ${right}: ${got.dtype} ${want.dtype} ${far}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("order, minima and equality of special values", async () => {
    const parts = [0, -0, 1, -1, Infinity, NaN];
    const x = pairs(parts);
    for (const op of ["lt", "ge", "eq", "ne", "minimum", "maximum"] as const) {
      const [a, b] = [new NDArray("complex128", x.data, [36, 1]), new NDArray("complex128", x.data, [1, 36])];
      const got = await binary(op, fromArray(a), fromArray(b)).compute();
      const want = await numpy.call(numpyName(op), [a, b]);
      expect([op, Array.from(got.data as Float64Array, (v) => v + 0)]).toEqual([
        op,
        Array.from(want.data as Float64Array, (v) => v + 0),
      ]);
    }
  });

  test("parts, conjugates and angles of complex and real arrays", async () => {
    for (const dtype of ["complex64", "complex128", "float32", "int16", "bool"] as const) {
      const x = numbers(dtype, [4, 6]);
      for (const [f, name] of [
        [real, "np.real"],
        [imag, "np.imag"],
        [conj, "np.conj"],
        [angle, "np.angle"],
        [iscomplex, "np.iscomplex"],
        [isreal, "np.isreal"],
      ] as const) {
        if (name === "np.conj" && dtype === "bool") continue;
        const [got, want] = [await f(fromArray(x, { chunks: [3, 4] })).compute(), await numpy.call(name, [x])];
        expect([name, dtype, got.dtype]).toEqual([name, dtype, want.dtype]);
        if (name === "np.angle") expect(distance(got, want)).toBeLessThan(2 ** -22);
        else expect(got.toArray()).toEqual(want.toArray());
      }
    }
  });

  test("casts, where, rounding and complex constants have NumPy's dtypes", async () => {
    const z = numbers("complex64", [9]);
    const x = numbers("float32", [9], 3);
    const same = async (lazy: ChunkedArray, text: string, ...args: NDArray[]): Promise<void> => {
      const [got, want] = [await lazy.compute(), await numpy.call(text, args)];
      expect([text, got.dtype, got.toArray()]).toEqual([text, want.dtype, want.toArray()]);
    };
    await same(add(fromArray(x), { re: 0, im: 1 }), "lambda x: x + 1j", x);
    await same(add(fromArray(z), { re: 2, im: 1 }), "lambda x: x + (2 + 1j)", z);
    await same(binary("add", array([1, 2]), { re: 2, im: 1 }), "lambda: np.array([1, 2]) + (2 + 1j)");
    await same(where(fromArray(x).gt(0), fromArray(z), 0), "lambda x, z: np.where(x > 0, z, 0)", x, z);
    await same(fromArray(x).astype("complex128"), "lambda x: x.astype('c16')", x);
    await same(fromArray(z).astype("float32"), "lambda x: x.astype('f4')", z);
    await same(fromArray(z).astype("bool"), "lambda x: x.astype('?')", z);
    await same(
      new ChunkedArray(elementwise("round", [fromArray(z)], (b, [t]) => roundTerm(b, t as Term, 1))),
      "lambda x: np.round(x, 1)",
      z,
    );
    await same(complex(fromArray(x), 2), "lambda x: (x + np.float32(2) * 1j)", x);
    await same(array([{ re: 1, im: -2 }, 3]), "lambda: np.array([1 - 2j, 3])");
    await same(fromArray(z).slice("::-2").transpose(), "lambda x: x[::-2]", z);
  });
});

describeNumpy("complex arrays in other functions", (numpy) => {
  test("reciprocal, isin, cov and corrcoef", async () => {
    for (const dtype of ["complex64", "complex128"] as const) {
      const x = numbers(dtype, [3, 8]);
      (x.data as Float64Array).set([0, 0, -0, 0, 1, 0, 2, -1]);
      const eps = dtype === "complex64" ? 2 ** -22 : 2 ** -50;
      const lazy = fromArray(x, { chunks: [2, 5] });
      const cases: [ChunkedArray, string, ...NDArray[]][] = [
        [reciprocal(lazy), "np.reciprocal", x],
        [isin(lazy, [{ re: 2, im: -1 }, 1]), "lambda x: np.isin(x, [2 - 1j, 1])", x],
        [
          isin(fromArray(numbers("int16", [9])), [
            { re: 1, im: 0 },
            { re: 2, im: 3 },
          ]),
          "lambda x: np.isin(x, [1, 2 + 3j])",
          numbers("int16", [9]),
        ],
        [isin(lazy, new NDArray(dtype, x.data.slice(0, 8), [4])), "lambda x: np.isin(x, x.reshape(-1)[:4])", x],
      ];
      for (const [got, name, ...args] of cases) {
        const [ours, want] = [await got.compute(), await numpy.call(name, args)];
        expect([name, ours.dtype, ours.shape]).toEqual([name, want.dtype, want.shape]);
        expect([name, distance(ours, want)]).toEqual([name, expect.toSatisfy((v: number) => v <= eps)]);
      }
    }
    const x = numbers("complex128", [3, 8]);
    for (const [f, name] of [
      [cov, "np.cov"],
      [corrcoef, "np.corrcoef"],
    ] as const)
      expect(
        relativeRms(await f(fromArray(x, { chunks: [2, 5] })).compute(), await numpy.call(name, [x])),
      ).toBeLessThan(1e-14);
  });
});

test.each(["floordiv", "mod", "atan2", "hypot", "and", "copysign"] as const)(
  "%s of complex numbers is refused",
  (op) => {
    const z = fromArray(numbers("complex128", [3]));
    expect(() => binary(op, z, z)).toThrow(expect.objectContaining({ code: "dtype" }));
  },
);

test.each(["floor", "ceil", "trunc", "deg2rad", "not", "cbrt"] as const)("%s of complex numbers is refused", (op) => {
  let error: unknown;
  try {
    unary(op, fromArray(numbers("complex64", [3])));
  } catch (thrown) {
    error = thrown;
  }
  expect(isRsdatError(error, "dtype")).toBe(true);
});
