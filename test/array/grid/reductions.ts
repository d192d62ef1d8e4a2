/** Rows of the reductions and of the statistics made of them. */
import type { DType } from "../../../src/dtype/index.ts";
import type { Measure } from "./compare.ts";
import { both, type Call, FLOATS, hasRank, INTEGERS, isFilled, NUMBERS, REAL, type Row } from "./row.ts";
import type { Profile } from "./values.ts";

const TREE = "one block along reduced axes, by a fixed tree over the blocks; fuses the elementwise work before it";

/** The ways to name axes: ours, NumPy's, and from which rank on. */
const AXES: readonly (readonly [id: string, ours: readonly unknown[], numpy: string, rank: number])[] = [
  ["all", [], "", 0],
  ["axis 0", [0], ", axis=0", 1],
  ["last axis", [-1], ", axis=-1", 1],
  ["two axes, kept", [[0, 1], { keepdims: true }], ", axis=(0, 1), keepdims=True", 2],
];

interface Reduction {
  /** Body of the lambda; `AXIS` stands for the keywords. */
  readonly numpy?: string;
  readonly dtypes?: readonly DType[];
  readonly measure?: Measure;
  readonly cutMeasure?: Measure;
  /** Index functions take one axis. */
  readonly oneAxis?: true;
  readonly suffix?: string;
  readonly profiles?: (profile: Profile) => boolean;
}

function calls(name: string, options: Reduction = {}): Call[] {
  const { numpy = `np.${name}(xAXIS)`, dtypes = REAL, measure, cutMeasure, oneAxis, suffix = "" } = options;
  const { profiles = () => true } = options;
  return AXES.filter((_, k) => !(oneAxis && k === 3)).map(([id, ours, keywords, rank]) => ({
    id: `${id}${suffix}`,
    numpy: `lambda x: ${numpy.replaceAll("AXIS", keywords)}`,
    ours: (f, x) => f(name, x, ...ours),
    dtypes,
    profiles: both(hasRank(rank), profiles),
    ...(measure && { measure }),
    ...(cutMeasure && { cutMeasure }),
  }));
}

function reduction(name: string, ...options: readonly Reduction[]): Row {
  return { name, chunks: TREE, calls: (options.length === 0 ? [{}] : options).flatMap((o) => calls(name, o)) };
}

const NARROW: readonly DType[] = ["float16", "float32"];
const EXACT: readonly DType[] = ["bool", ...INTEGERS];
const CLOSE: Measure = { relative: 1e-14 };

/** Sums: exact of integers, NumPy's order of float64 in one block, narrower floats held to the sum in float64. */
function summing(name: string, float: Measure = "bits"): Row {
  return reduction(
    name,
    { dtypes: EXACT, measure: float === "bits" ? "bits" : CLOSE, suffix: ", integers", cutMeasure: CLOSE_INTEGERS },
    { dtypes: ["float64"], measure: float, cutMeasure: CLOSE, suffix: ", float64" },
    {
      dtypes: NARROW,
      numpy: `wider(lambda x: np.${name}(xAXIS), x)`,
      measure: { ulp: 1 },
      cutMeasure: { relative: 2e-7 },
      suffix: ", narrow",
    },
    { dtypes: ["complex64"], measure: { relative: 2e-6 }, suffix: ", complex64", profiles: isModest },
    { dtypes: ["complex128"], measure: CLOSE, suffix: ", complex128", profiles: isModest },
  );
}
/** Squares and products of the largest complex64 leave its range on the way in NumPy, not in float64. */
const isModest = ({ pattern }: Profile): boolean => pattern !== "special";

/** Products: NumPy's order in one block; over several, factors meet in another order, so that some leave the range. */
function multiplying(name: string): Row {
  const modest = (dtypes: readonly DType[], relative: number): Reduction => ({
    dtypes,
    measure: { relative },
    suffix: `, ${dtypes.join(" ")}`,
    profiles: isModest,
  });
  return {
    ...reduction(
      name,
      { dtypes: EXACT, suffix: ", integers" },
      modest(["float64", "complex128"], 1e-14),
      modest(["float32"], 2e-6),
      // the product of sixty complex numbers leaves the range
      { ...modest(["complex64"], 2e-6), profiles: (p) => isModest(p) && p.shape.length < 3 },
      { ...modest(["float16"], 1e-2), profiles: ({ shape }) => shape.every((n) => n < 2) },
    ),
    differs: "factors of several blocks meet in another order than NumPy's, so that other products leave the range",
  };
}
/** Means and variances of integers are float64: a different tree, a different last bit. */
const CLOSE_INTEGERS: Measure = CLOSE;

const SIMPLE: readonly Row[] = [
  ...["sum", "mean", "nansum", "nanmean"].map((name) => summing(name, name.includes("mean") ? CLOSE : "bits")),
  multiplying("prod"),
  multiplying("nanprod"),
  ...["var", "std", "nanvar", "nanstd"].map((name) => summing(name, CLOSE)),
  reduction("min", { measure: "either-zero" }),
  reduction("max", { measure: "either-zero" }),
  reduction("nanmin", { measure: "either-zero" }),
  reduction("nanmax", { measure: "either-zero" }),
  reduction("any", { dtypes: NUMBERS }),
  reduction("all", { dtypes: NUMBERS }),
  reduction("countNonzero", { numpy: "np.count_nonzero(xAXIS)" }),
  reduction("argmin", { oneAxis: true }),
  reduction("argmax", { oneAxis: true }),
  reduction("nanargmin", { oneAxis: true }),
  reduction("nanargmax", { oneAxis: true }),
  reduction("ptp"),
];

const WITH_OPTIONS: readonly Row[] = [
  {
    name: "sum",
    chunks: TREE,
    calls: [
      {
        id: "dtype float64",
        numpy: "lambda x: np.sum(x, axis=0, dtype=np.float64)",
        ours: (f, x) => f("sum", x, 0, { dtype: "float64" }),
        profiles: hasRank(1),
        measure: CLOSE,
      },
    ],
  },
  {
    name: "var",
    chunks: TREE,
    calls: [
      {
        id: "ddof 1",
        numpy: "lambda x: wider(lambda v: np.var(v, axis=-1, ddof=1), x)",
        ours: (f, x) => f("var", x, -1, { ddof: 1 }),
        profiles: hasRank(1),
        measure: { relative: 1e-13 },
      },
    ],
  },
  {
    name: "std",
    chunks: TREE,
    calls: [
      {
        id: "ddof 1",
        numpy: "lambda x: wider(lambda v: np.std(v, ddof=1), x)",
        ours: (f, x) => f("std", x, null, { ddof: 1 }),
        measure: { relative: 1e-13 },
      },
    ],
  },
];

const STATISTICS: readonly Row[] = [
  {
    name: "average",
    chunks: TREE,
    differs: "weights that add up to 0 give NaN or infinity where NumPy throws, as in Dask",
    calls: [
      {
        id: "plain",
        numpy: "lambda x: wider(lambda v: np.average(v, axis=0), x)",
        ours: (f, x) => f("average", x, 0),
        profiles: both(hasRank(1), isFilled),
        measure: CLOSE,
      },
      {
        id: "weights of the shape",
        numpy: "lambda x: np.average(x, axis=0, weights=np.ones(x.shape) + 1)",
        ours: (f, x) => f("average", x, 0, { weights: f("full", x.shape, 2, { dtype: "float64" }) }),
        profiles: both(hasRank(1), isFilled),
        dtypes: [...INTEGERS, ...FLOATS],
        measure: { relative: 1e-14 },
      },
    ],
  },
  {
    name: "moment",
    chunks: TREE,
    calls: [
      {
        id: "third",
        numpy: "lambda x: wider(lambda v: np.mean((v - v.mean()) ** 3), x)",
        ours: (f, x) => f("moment", x, 3),
        profiles: both(isFilled, ({ pattern }) => pattern !== "special"),
        dtypes: ["int16", "uint8", "float64"],
        measure: { relative: 1e-11 },
      },
      {
        id: "third, narrow",
        numpy: "lambda x: wider(lambda v: np.mean((v - v.mean()) ** 3), x)",
        ours: (f, x) => f("moment", x, 3),
        profiles: both(isFilled, ({ pattern }) => pattern !== "special"),
        dtypes: ["float32"],
        measure: { relative: 1e-5 },
      },
    ],
  },
  {
    name: "cov",
    chunks: "one block; streams over the observations",
    calls: [
      {
        id: "rows",
        numpy: "lambda x: np.cov(x)",
        ours: (f, x) => f("cov", x),
        profiles: ({ shape, pattern }) => shape.length === 2 && shape[1] !== 0 && pattern !== "special",
        dtypes: ["int16", "float32", "float64"],
        measure: { relative: 1e-13 },
      },
      {
        id: "columns",
        numpy: "lambda x: np.cov(x, rowvar=False)",
        ours: (f, x) => f("cov", x, null, { rowvar: false }),
        profiles: ({ shape, pattern }) => shape.length === 2 && shape[1] !== 0 && pattern !== "special",
        dtypes: ["int16", "float32", "float64"],
        measure: { relative: 1e-13 },
      },
    ],
  },
  {
    name: "corrcoef",
    chunks: "one block; streams over the observations",
    calls: [
      {
        id: "rows",
        numpy: "lambda x: np.corrcoef(x)",
        ours: (f, x) => f("corrcoef", x),
        profiles: ({ shape, pattern }) => shape.length === 2 && shape[1] !== 0 && pattern !== "special",
        dtypes: ["int16", "float64"],
        measure: { relative: 1e-13 },
      },
    ],
  },
];

/** Rows of one function become one. */
function merged(rows: readonly Row[]): Row[] {
  const byName = new Map<string, Row>();
  for (const row of rows) {
    const known = byName.get(row.name);
    byName.set(row.name, known ? { ...known, calls: [...known.calls, ...row.calls] } : row);
  }
  return [...byName.values()];
}

export const REDUCTIONS: readonly Row[] = merged([...SIMPLE, ...WITH_OPTIONS, ...STATISTICS]);
