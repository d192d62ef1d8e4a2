/** Rows of selection, sorting, running sums, differences, counting and sets. */
import type { DType } from "../../../src/dtype/index.ts";
import type { Measure } from "./compare.ts";
import { both, type Call, FLOATS, hasRank, INTEGERS, isFilled, isPlain, type Row } from "./row.ts";
import type { Profile } from "./values.ts";

const WHOLE = "one block along the axis; other axes are cut finer where that is needed to bound memory";
const SCAN = "the input's; blocks are summed, their totals scanned and added";

type More = Pick<Call, "dtypes" | "profiles" | "other" | "otherDtypes" | "measure" | "cutMeasure">;

function one(id: string, numpy: string, ours: Call["ours"], more: More = {}): Call {
  const names = more.other ? "x, y" : "x";
  return { id, numpy: `lambda ${names}: ${numpy}`, ours, ...more };
}

const notSpecial = ({ pattern }: Profile): boolean => pattern !== "special";
const INT_AND_FLOAT: readonly DType[] = [...INTEGERS, ...FLOATS];
/** Interpolation rounds once or twice more where it is written in another order. */
const INTERPOLATED: Measure = { ulp: 1 };

const SELECTION: readonly Row[] = [
  ...["median", "nanmedian"].map(
    (name): Row => ({
      name,
      chunks: WHOLE,
      calls: [
        one("last axis", `np.${name}(x, axis=-1)`, (f, x) => f(name, x, -1), {
          dtypes: INT_AND_FLOAT,
          profiles: both(hasRank(1), isFilled),
        }),
        one("all", `np.${name}(x)`, (f, x) => f(name, x), { dtypes: INT_AND_FLOAT, profiles: isFilled }),
        one("axis 0, kept", `np.${name}(x, axis=0, keepdims=True)`, (f, x) => f(name, x, 0, { keepdims: true }), {
          dtypes: INT_AND_FLOAT,
          profiles: both(hasRank(1), isFilled),
        }),
      ],
    }),
  ),
  ...(
    [
      ["quantile", 1],
      ["nanquantile", 1],
      ["percentile", 100],
      ["nanpercentile", 100],
    ] as const
  ).map(
    ([name, scale]): Row => ({
      name,
      chunks: WHOLE,
      ...(scale === 100 ? { differs: "exact of chunked arrays, where Dask approximates" } : {}),
      calls: [
        one("0.3, last axis", `np.${name}(x, ${0.3 * scale}, axis=-1)`, (f, x) => f(name, x, 0.3 * scale, -1), {
          dtypes: INT_AND_FLOAT,
          profiles: both(hasRank(1), isFilled, notSpecial),
          measure: INTERPOLATED,
        }),
        one("list", `np.${name}(x, [${0.25 * scale}, ${scale}])`, (f, x) => f(name, x, [0.25 * scale, scale]), {
          dtypes: INT_AND_FLOAT,
          profiles: both(isFilled, notSpecial),
          measure: INTERPOLATED,
        }),
        ...["lower", "higher", "nearest", "inverted_cdf", "closest_observation"].map((method) =>
          one(
            method,
            `np.${name}(x, ${0.6 * scale}, axis=0, method="${method}")`,
            (f, x) => f(name, x, 0.6 * scale, 0, { method }),
            { dtypes: INT_AND_FLOAT, profiles: both(hasRank(1), isFilled) },
          ),
        ),
        ...["midpoint", "hazen", "weibull", "median_unbiased", "averaged_inverted_cdf"].map((method) =>
          one(
            method,
            `np.${name}(x, ${0.6 * scale}, axis=0, method="${method}")`,
            (f, x) => f(name, x, 0.6 * scale, 0, { method }),
            { dtypes: INT_AND_FLOAT, profiles: both(hasRank(1), isFilled, notSpecial), measure: INTERPOLATED },
          ),
        ),
      ],
    }),
  ),
];

const SORTING: readonly Row[] = [
  {
    name: "sort",
    chunks: WHOLE,
    calls: [
      one("last", "np.sort(x)", (f, x) => f("sort", x), { profiles: hasRank(1), measure: "either-zero" }),
      one("0", "np.sort(x, 0, stable=True)", (f, x) => f("sort", x, 0), {
        profiles: hasRank(1),
        measure: "either-zero",
      }),
      one("no axis", "np.sort(x)", (f, x) => f("sort", x), { profiles: hasRank(0, 0) }),
    ],
  },
  {
    name: "argsort",
    chunks: WHOLE,
    calls: [
      one("last", "np.argsort(x, stable=True)", (f, x) => f("argsort", x), { profiles: hasRank(1) }),
      one("0", "np.argsort(x, 0, stable=True)", (f, x) => f("argsort", x, 0), { profiles: hasRank(1) }),
    ],
  },
  {
    name: "topk",
    chunks: "a tree along the axis",
    calls: [
      one("3", "np.sort(x)[..., ::-1][..., :3]", (f, x) => f("topk", x, 3, -1), {
        profiles: both(isFilled, ({ shape }) => (shape.at(-1) ?? 0) > 3, isPlain),
        dtypes: INT_AND_FLOAT,
      }),
      one("-3", "np.sort(x)[..., :3]", (f, x) => f("topk", x, -3, -1), {
        profiles: both(isFilled, ({ shape }) => (shape.at(-1) ?? 0) > 3, isPlain),
        dtypes: INT_AND_FLOAT,
      }),
    ],
  },
  {
    name: "argtopk",
    chunks: "a tree along the axis",
    calls: [
      one("3", "np.sort(x)[..., ::-1][..., :3]", (f, x) => f("takeAlongAxis", x, f("argtopk", x, 3, -1), -1), {
        profiles: both(isFilled, ({ shape }) => (shape.at(-1) ?? 0) > 3, isPlain),
        dtypes: INT_AND_FLOAT,
      }),
    ],
  },
  {
    name: "searchsorted",
    chunks: "the values' own; the sorted array is one block",
    calls: ["left", "right"].map((side) =>
      one(
        side,
        `np.searchsorted(np.sort(x), y, side="${side}")`,
        (f, x, y) => f("searchsorted", f("sort", x), y, { side }),
        {
          profiles: hasRank(1, 1),
          other: "same",
        },
      ),
    ),
  },
  {
    name: "digitize",
    chunks: "the input's",
    calls: [false, true].flatMap((right) => [
      one(
        `right ${right}`,
        `np.digitize(x, [-2, 0, 1.5, 4], right=${right ? "True" : "False"})`,
        (f, x) => f("digitize", x, [-2, 0, 1.5, 4], { right }),
        { dtypes: [...INTEGERS, ...FLOATS] },
      ),
    ]),
  },
  {
    name: "histogram",
    chunks: "one block; counts of the blocks are added by a tree",
    differs: "needs the edges, or a number and a range",
    calls: [
      one("range", "np.histogram(x, bins=7, range=(-3, 8))", (f, x) => f("histogram", x, { bins: 7, range: [-3, 8] }), {
        dtypes: ["int16", "uint8", "int64", "float32", "float64"],
        profiles: notSpecial,
      }),
      one("edges", "np.histogram(x, bins=[-3, 0, 1, 4.5])", (f, x) => f("histogram", x, { bins: [-3, 0, 1, 4.5] }), {
        dtypes: ["int16", "uint8", "int64", "float32", "float64"],
        profiles: notSpecial,
      }),
      one(
        "density",
        "np.histogram(x, bins=4, range=(0, 6), density=True)",
        (f, x) => f("histogram", x, { bins: 4, range: [0, 6], density: true }),
        { dtypes: ["int16", "float64"], profiles: both(isFilled, notSpecial, ({ shape }) => shape.length > 0) },
      ),
    ],
  },
  {
    name: "histogram2d",
    chunks: "one block; counts of the blocks are added by a tree",
    differs: "needs the edges, or numbers and ranges",
    calls: [
      one(
        "range",
        "np.histogram2d(x, y, bins=(3, 4), range=((-3, 8), (0, 5)))",
        (f, x, y) =>
          f("histogram2d", x, y, {
            bins: [3, 4],
            range: [
              [-3, 8],
              [0, 5],
            ],
          }),
        { other: "same", dtypes: ["int16", "float64"], profiles: both(hasRank(1, 1), notSpecial) },
      ),
    ],
  },
  {
    name: "histogramdd",
    chunks: "one block; counts of the blocks are added by a tree",
    differs: "needs the edges, or numbers and ranges",
    calls: [
      one(
        "range",
        "np.histogramdd((x, y), bins=(3, 4), range=((-3, 8), (0, 5)))",
        (f, x, y) =>
          f("histogramdd", [x, y], {
            bins: [3, 4],
            range: [
              [-3, 8],
              [0, 5],
            ],
          }),
        { other: "same", dtypes: ["int16", "float64"], profiles: both(hasRank(1, 1), notSpecial) },
      ),
    ],
  },
  {
    name: "bincount",
    chunks: "one block; counts of the blocks are added by a tree",
    differs: "a chunked array needs minlength, as in Dask",
    calls: [
      one(
        "minlength",
        "np.bincount(np.abs(x), minlength=12)",
        (f, x) => f("bincount", f("abs", x), { minlength: 12 }),
        { dtypes: ["int8", "uint8", "int16", "uint16", "int32", "int64"], profiles: both(hasRank(1, 1), isPlain) },
      ),
      one(
        "weights",
        "np.bincount(np.abs(x), weights=np.arange(x.size) / 4, minlength=12)",
        (f, x) =>
          f("bincount", f("abs", x), {
            minlength: 12,
            weights: f("divide", f("arange", x.size, { chunks: x.chunks }), 4),
          }),
        { dtypes: ["uint8", "int32"], profiles: both(hasRank(1, 1), isPlain, isFilled) },
      ),
    ],
  },
];

const SETS: readonly Row[] = [
  {
    name: "unique",
    chunks: "unknown",
    calls: [
      one("values", "np.unique(x)", (f, x) => f("unique", x), { measure: "either-zero" }),
      one("counts", "np.unique(x, return_counts=True)", (f, x) => f("unique", x, { returnCounts: true }), {
        measure: "either-zero",
      }),
      one(
        "all",
        "np.unique(x, return_index=True, return_inverse=True, return_counts=True)",
        (f, x) => f("unique", x, { returnIndex: true, returnInverse: true, returnCounts: true }),
        { measure: "either-zero" },
      ),
    ],
  },
  {
    name: "union1d",
    chunks: "unknown",
    calls: [
      one("x, y", "np.union1d(x, y)", (f, x, y) => f("union1d", x, y), { other: "same", measure: "either-zero" }),
    ],
  },
];

function scan(name: string, integers: boolean): Row {
  const measures = (dtypes: readonly DType[]): Pick<Call, "dtypes" | "cutMeasure"> => ({
    dtypes,
    cutMeasure: { relative: 1e-14 },
  });
  return {
    name,
    chunks: SCAN,
    calls: [
      one("axis 0", `np.${name}(x, axis=0)`, (f, x) => f(name, x, 0), {
        dtypes: integers ? ["bool", ...INTEGERS] : [],
        profiles: hasRank(1),
      }),
      one("last axis", `np.${name}(x, axis=-1)`, (f, x) => f(name, x, -1), {
        ...measures(["float64"]),
        // products of several blocks meet in another order, and leave the range elsewhere
        profiles: name.includes("prod") ? both(hasRank(1), notSpecial) : hasRank(1),
      }),
      one("narrow", `np.${name}(x, axis=-1)`, (f, x) => f(name, x, -1), {
        dtypes: ["float32"],
        profiles: both(hasRank(1), notSpecial),
        measure: { relative: 1e-6 },
      }),
      one("flat", `np.${name}(x)`, (f, x) => f(name, x), {
        ...measures(["int16", "uint8", "float64"]),
        profiles: name.includes("prod") ? notSpecial : () => true,
      }),
      one("dtype", `np.${name}(x, axis=0, dtype="float64")`, (f, x) => f(name, x, 0, { dtype: "float64" }), {
        ...measures(["int16", "uint8", "bool"]),
        profiles: hasRank(1),
      }),
    ].filter((c) => c.dtypes?.length !== 0),
  };
}

const RUNNING: readonly Row[] = [
  ...["cumsum", "cumprod", "nancumsum", "nancumprod"].map((name) => scan(name, true)),
  {
    name: "push",
    chunks: SCAN,
    calls: [
      one(
        "all",
        "(lambda v: np.array([v[:i + 1][~np.isnan(v[:i + 1])][-1:].sum() if (~np.isnan(v[:i + 1])).any() else np.nan for i in range(v.size)], v.dtype))(x)",
        (f, x) => f("push", x),
        { dtypes: ["float32", "float64"], profiles: both(hasRank(1, 1), isFilled) },
      ),
    ],
  },
  {
    name: "diff",
    chunks: "the input's, the last one shorter",
    calls: [
      one("x", "np.diff(x)", (f, x) => f("diff", x), { profiles: hasRank(0) }),
      one("2, axis 0", "np.diff(x, 2, 0)", (f, x) => f("diff", x, { n: 2, axis: 0 }), { profiles: hasRank(1) }),
      one("prepend, append", "np.diff(x, prepend=x, append=7)", (f, x) => f("diff", x, { prepend: x, append: 7 }), {
        profiles: hasRank(1, 1),
        dtypes: ["int16", "uint8", "float32", "float64"],
      }),
    ],
  },
  {
    name: "ediff1d",
    chunks: "of the flat input, the last one shorter",
    calls: [
      one("x", "np.ediff1d(x)", (f, x) => f("ediff1d", x), { dtypes: INT_AND_FLOAT }),
      one("ends", "np.ediff1d(x, [7, 8], 9)", (f, x) => f("ediff1d", x, { toEnd: [7, 8], toBegin: 9 }), {
        dtypes: ["int16", "float64"],
      }),
    ],
  },
  {
    name: "gradient",
    chunks: "the input's",
    calls: [
      one("all axes", "np.gradient(x)", (f, x) => f("gradient", x), {
        dtypes: ["int16", "uint8", "int64", "float32", "float64"],
        profiles: both(hasRank(1), isFilled),
      }),
      one("axis 0, 0.5", "np.gradient(x, 0.5, axis=0)", (f, x) => f("gradient", x, 0.5, { axis: 0 }), {
        dtypes: ["int16", "float32", "float64"],
        profiles: both(hasRank(1), isFilled),
      }),
      one(
        "edge order 2",
        "np.gradient(x, axis=-1, edge_order=2)",
        (f, x) => f("gradient", x, { axis: -1, edgeOrder: 2 }),
        {
          dtypes: ["int16", "float64"],
          profiles: both(hasRank(1), isFilled),
        },
      ),
    ],
  },
];

export const ORDERING: readonly Row[] = [...SELECTION, ...SORTING, ...SETS, ...RUNNING];
