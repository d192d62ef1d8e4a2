/** Rows of the elementwise functions. */
import type { DType } from "../../../src/dtype/index.ts";
import type { Measure } from "./compare.ts";
import { type Call, COMPLEX, FLOATS, INTEGERS, isFilled, isPlain, NUMBERS, REAL, type Row } from "./row.ts";

const FUSED = "follows its input; fuses with what is elementwise around it";
const UNIFIED = "operands are broadcast and cut like the largest; fuses with what is elementwise around it";

interface Unary {
  readonly numpy?: string;
  readonly measure?: Measure;
  readonly dtypes?: readonly DType[];
  /** Compared with the value in extended precision, rounded once. */
  readonly precise?: true;
  /** Complex operands, held to the value in extended precision. */
  readonly complex?: Measure;
  readonly differs?: string;
}

function unary(name: string, options: Unary = {}): Row {
  const { numpy = `np.${name}`, measure, dtypes = NUMBERS, precise, complex, differs } = options;
  const asked = `lambda x: precise(${numpy}, x)`;
  const ours: Call["ours"] = (f, x) => f(name, x);
  const one: Call = { id: "x", numpy: precise ? asked : numpy, ours, dtypes, ...(measure && { measure }) };
  const parts: Call = { id: "complex x", numpy: asked, ours, dtypes: COMPLEX, ...(complex && { measure: complex }) };
  return { name, chunks: FUSED, calls: complex ? [one, parts] : [one], ...(differs && { differs }) };
}

/** Bounds of kernels.md §10 plus the half unit that rounding the truth costs: float32 and narrower, float64. */
const CLOSE: Measure = { ulp: [2.5, 2] };
const NEAR: Measure = { ulp: [2.5, 2.5] };
const WIDE: Measure = { ulp: [4.5, 2.5] };

function math(name: string, numpy: string, measure: Measure): Row {
  return unary(name, { numpy, measure, precise: true, dtypes: REAL });
}

const UNARY: readonly Row[] = [
  unary("abs", { dtypes: REAL, complex: CLOSE }),
  unary("absolute", { dtypes: REAL, complex: CLOSE }),
  unary("fabs", { dtypes: REAL }),
  unary("negative"),
  unary("positive"),
  unary("sign", { dtypes: REAL, measure: "either-zero", complex: { ulp: [2.5, 3] } }),
  unary("signbit", { dtypes: REAL }),
  unary("square", { dtypes: REAL }),
  unary("sqrt", { dtypes: REAL }),
  math("cbrt", "np.cbrt", NEAR),
  unary("reciprocal", { dtypes: REAL }),
  math("exp", "np.exp", CLOSE),
  math("exp2", "np.exp2", NEAR),
  math("expm1", "np.expm1", NEAR),
  math("log", "np.log", CLOSE),
  math("log2", "np.log2", NEAR),
  math("log10", "np.log10", NEAR),
  math("log1p", "np.log1p", NEAR),
  math("sin", "np.sin", CLOSE),
  math("cos", "np.cos", CLOSE),
  math("tan", "np.tan", WIDE),
  math("arcsin", "np.arcsin", WIDE),
  math("arccos", "np.arccos", WIDE),
  math("arctan", "np.arctan", NEAR),
  math("sinh", "np.sinh", WIDE),
  math("cosh", "np.cosh", WIDE),
  math("tanh", "np.tanh", NEAR),
  math("arcsinh", "np.arcsinh", WIDE),
  math("arccosh", "np.arccosh", WIDE),
  math("arctanh", "np.arctanh", WIDE),
  unary("deg2rad", { dtypes: REAL, measure: { ulp: 1 } }),
  unary("radians", { dtypes: REAL, measure: { ulp: 1 } }),
  unary("rad2deg", { dtypes: REAL, measure: { ulp: 1 } }),
  unary("degrees", { dtypes: REAL, measure: { ulp: 1 } }),
  unary("sinc", { dtypes: REAL, measure: { relative: 1e-15 } }),
  unary("i0", { dtypes: REAL, precise: true, measure: { relative: 1e-14 } }),
  unary("floor", { dtypes: REAL }),
  unary("ceil", { dtypes: REAL }),
  unary("trunc", { dtypes: REAL }),
  unary("fix", { dtypes: REAL }),
  unary("rint", { dtypes: REAL }),
  unary("isnan"),
  unary("isinf"),
  unary("isfinite"),
  unary("isneginf", { dtypes: REAL }),
  unary("isposinf", { dtypes: REAL }),
  unary("isnull", { numpy: "np.isnan" }),
  unary("notnull", { numpy: "lambda x: ~np.isnan(x)" }),
  unary("iscomplex"),
  unary("isreal"),
  unary("logicalNot", { numpy: "np.logical_not" }),
  unary("invert"),
  unary("bitwiseNot", { numpy: "np.bitwise_not" }),
  unary("conj"),
  unary("real"),
  unary("imag"),
  unary("angle", { measure: NEAR }),
  unary("spacing", { dtypes: REAL }),
  unary("nanToNum", { numpy: "np.nan_to_num", dtypes: REAL }),
  unary("frexp", { dtypes: REAL }),
  unary("modf", { dtypes: REAL }),
];

interface Binary {
  readonly numpy?: string;
  readonly measure?: Measure;
  readonly dtypes?: readonly DType[];
  readonly with?: readonly DType[];
  readonly precise?: true;
  /** Weak scalars at either side; `[3, 1.5]` by default. */
  readonly scalars?: readonly number[];
  readonly differs?: string;
}

function binary(name: string, options: Binary = {}): Row {
  const { numpy = `np.${name}`, measure, dtypes = REAL, precise, scalars = [3, 1.5], differs } = options;
  const asked = (args: string): string =>
    precise ? `lambda x, y: precise(${numpy}, ${args})` : `lambda x, y: ${numpy}(${args})`;
  const alone = (args: string): string => asked(args).replace("x, y:", "x:");
  const common = { dtypes, ...(measure && { measure }) };
  const otherDtypes = options.with ?? ["int16", "uint64", "float32"];
  return {
    name,
    chunks: UNIFIED,
    ...(differs && { differs }),
    calls: [
      { id: "x, y", numpy: asked("x, y"), ours: (f, x, y) => f(name, x, y), other: "same", otherDtypes, ...common },
      { id: "y, x", numpy: asked("y, x"), ours: (f, x, y) => f(name, y, x), other: "broadcast", ...common },
      ...scalars.flatMap((s): Call[] => [
        { id: `x, ${s}`, numpy: alone(`x, ${s}`), ours: (f, x) => f(name, x, s), ...common },
        { id: `${s}, x`, numpy: alone(`${s}, x`), ours: (f, x) => f(name, s, x), ...common },
      ]),
    ],
  };
}

const BINARY: readonly Row[] = [
  binary("add", { dtypes: NUMBERS }),
  binary("subtract", { dtypes: NUMBERS }),
  binary("multiply", { dtypes: REAL }),
  binary("divide", { dtypes: REAL }),
  binary("trueDivide", { numpy: "np.true_divide" }),
  binary("floorDivide", { numpy: "np.floor_divide" }),
  binary("mod"),
  binary("remainder"),
  binary("fmod"),
  binary("divmod"),
  binary("power", { dtypes: INTEGERS, with: [], scalars: [2, 3] }),
  binary("floatPower", { numpy: "np.float_power", measure: NEAR }),
  binary("maximum", { measure: "either-zero" }),
  binary("minimum", { measure: "either-zero" }),
  binary("fmax", { measure: "either-zero" }),
  binary("fmin", { measure: "either-zero" }),
  binary("greater"),
  binary("greaterEqual", { numpy: "np.greater_equal" }),
  binary("less"),
  binary("lessEqual", { numpy: "np.less_equal" }),
  binary("equal", { dtypes: NUMBERS }),
  binary("notEqual", { numpy: "np.not_equal", dtypes: NUMBERS }),
  binary("logicalAnd", { numpy: "np.logical_and" }),
  binary("logicalOr", { numpy: "np.logical_or" }),
  binary("logicalXor", { numpy: "np.logical_xor" }),
  binary("bitwiseAnd", { numpy: "np.bitwise_and", with: ["int16"] }),
  binary("bitwiseOr", { numpy: "np.bitwise_or", with: ["int16"] }),
  binary("bitwiseXor", { numpy: "np.bitwise_xor", with: ["int16"] }),
  binary("leftShift", { numpy: "np.left_shift", with: ["int16"], scalars: [3, 70] }),
  binary("rightShift", { numpy: "np.right_shift", with: ["int16"], scalars: [3, 70] }),
  binary("copysign"),
  binary("nextafter", { scalars: [3] }),
  binary("arctan2", { measure: NEAR, precise: true }),
  binary("hypot", { measure: NEAR, precise: true }),
  binary("logaddexp", { measure: { relative: 1e-15 } }),
  binary("logaddexp2", { measure: { relative: 1e-15 } }),
  binary("isclose"),
];

/** Powers of floats have a bound, of integers none; a negative integer power is refused. */
const POWERS: readonly Call[] = [
  {
    id: "x, y of floats",
    numpy: "lambda x, y: precise(np.power, x, y)",
    ours: (f, x, y) => f("power", x, y),
    other: "same",
    dtypes: FLOATS,
    measure: WIDE,
  },
  ...[2, -1, 0.5, 3].map(
    (s): Call => ({
      id: `to ${s}`,
      numpy: `lambda x: np.power(x, ${s})`,
      ours: (f, x) => f("power", x, s),
      // of nothing NumPy refuses no exponent; its float32 power of -infinity to 0.5 is NaN where C99 has infinity
      profiles: (p) => isFilled(p) && (s !== 0.5 || p.pattern !== "special"),
      measure: WIDE,
    }),
  ),
];

const OTHERS: readonly Row[] = [
  {
    name: "clip",
    chunks: UNIFIED,
    calls: [
      { id: "1, 5", numpy: "lambda x: np.clip(x, 1, 5)", ours: (f, x) => f("clip", x, 1, 5) },
      { id: "none, 2", numpy: "lambda x: np.clip(x, None, 2)", ours: (f, x) => f("clip", x, null, 2) },
      { id: "4, 1", numpy: "lambda x: np.clip(x, 4, 1)", ours: (f, x) => f("clip", x, 4, 1) },
      { id: "0.5, 2.5", numpy: "lambda x: np.clip(x, 0.5, 2.5)", ours: (f, x) => f("clip", x, 0.5, 2.5) },
      {
        id: "array",
        numpy: "lambda x, y: np.clip(x, y, None)",
        ours: (f, x, y) => f("clip", x, y, null),
        other: "broadcast",
        measure: "either-zero",
      },
    ],
  },
  ...["round", "around"].map(
    (name): Row => ({
      name,
      chunks: FUSED,
      calls: [
        { id: "x", numpy: `lambda x: np.${name}(x)`, ours: (f, x) => f(name, x) },
        { id: "x, 2", numpy: `lambda x: np.${name}(x, 2)`, ours: (f, x) => f(name, x, 2) },
        {
          id: "x, -1",
          numpy: `lambda x: np.${name}(x, -1)`,
          ours: (f, x) => f(name, x, -1),
          profiles: isPlain, // tens beyond the dtype's range are casts out of range
        },
      ],
    }),
  ),
  {
    name: "where",
    chunks: UNIFIED,
    calls: [
      {
        id: "x > 2, x, y",
        numpy: "lambda x, y: np.where(x > 2, x, y)",
        ours: (f, x, y) => f("where", f("greater", x, 2), x, y),
        other: "same",
        otherDtypes: ["int16", "uint64", "float32"],
      },
      {
        id: "x, 1, nan",
        numpy: "lambda x: np.where(x, np.nan, x)",
        ours: (f, x) => f("where", x, Number.NaN, x),
      },
      {
        id: "x, y, 7",
        numpy: "lambda x, y: np.where(x, y, 7)",
        ours: (f, x, y) => f("where", x, y, 7),
        other: "broadcast",
      },
    ],
  },
  {
    name: "isin",
    chunks: FUSED,
    calls: [
      { id: "[1, 3, 7]", numpy: "lambda x: np.isin(x, [1, 3, 7])", ours: (f, x) => f("isin", x, [1, 3, 7]) },
      { id: "[nan]", numpy: "lambda x: np.isin(x, [np.nan])", ours: (f, x) => f("isin", x, [Number.NaN]) },
      { id: "[]", numpy: "lambda x: np.isin(x, [])", ours: (f, x) => f("isin", x, []) },
      {
        id: "lazy",
        numpy: "lambda x, y: np.isin(x, y)",
        ours: (f, x, y) => f("isin", x, y),
        other: "broadcast",
        otherDtypes: ["int16", "float64"],
      },
      {
        id: "40 values",
        numpy: "lambda x: np.isin(x, list(range(-20, 120, 3)))",
        ours: (f, x) =>
          f(
            "isin",
            x,
            Array.from({ length: 47 }, (_, i) => -20 + 3 * i),
          ),
        dtypes: ["int16", "int32", "int64", "float32", "float64"],
      },
    ],
  },
  {
    name: "select",
    chunks: UNIFIED,
    calls: [
      {
        id: "two conditions",
        numpy: "lambda x, y: np.select([x > 3, x > 1], [x, y], 0)",
        ours: (f, x, y) => f("select", [f("greater", x, 3), f("greater", x, 1)], [x, y], 0),
        other: "same",
      },
    ],
  },
  {
    name: "choose",
    chunks: UNIFIED,
    calls: [
      {
        id: "of two",
        numpy: "lambda x, y: np.choose((x > 2).astype(np.int64), [x, y])",
        ours: (f, x, y) => f("choose", f("astype", f("greater", x, 2), "int64"), [x, y]),
        other: "same",
      },
    ],
  },
  {
    name: "piecewise",
    chunks: UNIFIED,
    calls: [
      {
        id: "values",
        numpy: "lambda x: np.piecewise(x, [x < 1, x >= 3], [1, 2])",
        ours: (f, x) => f("piecewise", x, [f("less", x, 1), f("greaterEqual", x, 3)], [1, 2]),
        profiles: ({ shape }) => shape.length > 0,
      },
    ],
  },
  {
    name: "ldexp",
    chunks: UNIFIED,
    calls: [
      {
        id: "x, int",
        numpy: "lambda x, y: np.ldexp(x, y)",
        ours: (f, x, y) => f("ldexp", x, y),
        other: "same",
        dtypes: ["float16", "float32", "float64", "int16"],
        otherDtypes: ["int8", "int32"],
      },
    ],
  },
  {
    name: "allclose",
    chunks: "a tree over all blocks",
    calls: [
      {
        id: "x, y",
        numpy: "lambda x, y: np.allclose(x, y)",
        ours: (f, x, y) => f("allclose", x, y),
        other: "same",
      },
      {
        id: "x, x, equal nan",
        numpy: "lambda x: np.allclose(x, x, equal_nan=True)",
        ours: (f, x) => f("allclose", x, x, { equalNan: true }),
      },
    ],
  },
  {
    name: "astype",
    chunks: FUSED,
    differs: "NaN, infinities and values out of range become integers by ECMAScript's ToIntN",
    calls: NUMBERS.map(
      (to): Call => ({
        id: to,
        numpy: `lambda x: x.astype("${to}")`,
        ours: (f, x) => f("astype", x, to),
        profiles: ({ pattern }) => pattern === "plain" || to === "bool" || to.startsWith("f") || to.startsWith("c"),
      }),
    ),
  },
];

export const ELEMENTWISE: readonly Row[] = [
  ...UNARY,
  ...BINARY.map((r) => (r.name === "power" ? { ...r, calls: [...r.calls, ...POWERS] } : r)),
  ...OTHERS,
];
