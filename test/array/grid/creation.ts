/** Rows of creation: what arrays are made of nothing, or like another. */
import { type Call, hasRank, type Row, SOME } from "./row.ts";

const CHOSEN = "as asked; by default cut to the configured size";
const LIKE = "those of the input";

/** A call that needs no input: one input's worth of cases, of one dtype. */
function none(id: string, numpy: string, ours: Call["ours"], measure: Call["measure"] = "bits"): Call {
  return {
    id,
    numpy: `lambda x: ${numpy}`,
    ours,
    measure,
    dtypes: ["float64"],
    profiles: ({ name }) => name === "one",
  };
}

function like(id: string, numpy: string, ours: Call["ours"]): Call {
  return { id, numpy: `lambda x: ${numpy}`, ours, dtypes: SOME };
}

export const CREATION: readonly Row[] = [
  {
    name: "arange",
    chunks: CHOSEN,
    calls: [
      none("7", "np.arange(7)", (f) => f("arange", 7)),
      none("2, 9", "np.arange(2, 9)", (f) => f("arange", 2, 9)),
      none("9, 2, -3", "np.arange(9, 2, -3)", (f) => f("arange", 9, 2, -3)),
      none("0, 1, 0.1", "np.arange(0, 1, 0.1)", (f) => f("arange", 0, 1, 0.1)),
      none("0.5, 7.3", "np.arange(0.5, 7.3)", (f) => f("arange", 0.5, 7.3)),
      none("float32", "np.arange(1, 9, 2, dtype='float32')", (f) =>
        f("arange", 1, 9, 2, { dtype: "float32", chunks: 2 }),
      ),
      none("uint8", "np.arange(5, dtype='uint8')", (f) => f("arange", 5, { dtype: "uint8" })),
      none("empty", "np.arange(5, 1)", (f) => f("arange", 5, 1)),
      none("step 0", "np.arange(5, 1, 0)", (f) => f("arange", 5, 1, 0)),
    ],
  },
  {
    name: "linspace",
    chunks: CHOSEN,
    calls: [
      none("0, 1", "np.linspace(0, 1)", (f) => f("linspace", 0, 1)),
      none("-2.5, 7, 13", "np.linspace(-2.5, 7, 13)", (f) => f("linspace", -2.5, 7, { num: 13, chunks: 5 })),
      none("no endpoint", "np.linspace(0, 3, 7, endpoint=False)", (f) =>
        f("linspace", 0, 3, { num: 7, endpoint: false }),
      ),
      none("float32", "np.linspace(0, 1, 9, dtype='float32')", (f) =>
        f("linspace", 0, 1, { num: 9, dtype: "float32" }),
      ),
      none("int64", "np.linspace(0, 10, 4, dtype='int64')", (f) => f("linspace", 0, 10, { num: 4, dtype: "int64" })),
      none("1", "np.linspace(3, 4, 1)", (f) => f("linspace", 3, 4, { num: 1 })),
      none("0", "np.linspace(3, 4, 0)", (f) => f("linspace", 3, 4, { num: 0 })),
      none("-1", "np.linspace(3, 4, -1)", (f) => f("linspace", 3, 4, { num: -1 })),
    ],
  },
  {
    name: "zeros",
    chunks: CHOSEN,
    calls: [
      none("(3, 4)", "np.zeros((3, 4))", (f) => f("zeros", [3, 4], { chunks: 2 })),
      none("bool", "np.zeros(3, bool)", (f) => f("zeros", 3, { dtype: "bool" })),
      none("complex64", "np.zeros(3, 'complex64')", (f) => f("zeros", 3, { dtype: "complex64" })),
      none("()", "np.zeros(())", (f) => f("zeros", [])),
      none("-1", "np.zeros(-1)", (f) => f("zeros", -1)),
    ],
  },
  {
    name: "ones",
    chunks: CHOSEN,
    calls: [
      none("(0, 4)", "np.ones((0, 4))", (f) => f("ones", [0, 4])),
      none("uint16", "np.ones((3, 4), 'uint16')", (f) => f("ones", [3, 4], { dtype: "uint16", chunks: [2, 3] })),
    ],
  },
  {
    name: "full",
    chunks: CHOSEN,
    calls: [
      none("7", "np.full((2, 3), 7)", (f) => f("full", [2, 3], 7)),
      none("1.5", "np.full(4, 1.5)", (f) => f("full", 4, 1.5)),
      none("true", "np.full(4, True)", (f) => f("full", 4, true)),
      none("nan as float32", "np.full(4, np.nan, 'float32')", (f) => f("full", 4, Number.NaN, { dtype: "float32" })),
      none("int8 of 300", "np.full(4, 300, 'int8')", (f) => f("full", 4, 300, { dtype: "int8" })),
    ],
  },
  {
    name: "empty",
    chunks: CHOSEN,
    differs: "gives zeros: nothing is left unset",
    calls: [
      none("shape", "np.zeros((2, 3), 'int16')", (f) => f("empty", [2, 3], { dtype: "int16" })),
      none("default", "np.zeros(3)", (f) => f("empty", 3)),
    ],
  },
  ...(["zeros", "ones"] as const).map(
    (name): Row => ({
      name: `${name}Like`,
      chunks: LIKE,
      calls: [
        like("x", `np.${name}_like(x)`, (f, x) => f(`${name}Like`, x)),
        like("dtype", `np.${name}_like(x, dtype='int16')`, (f, x) => f(`${name}Like`, x, { dtype: "int16" })),
      ],
    }),
  ),
  {
    name: "emptyLike",
    chunks: LIKE,
    differs: "gives zeros: nothing is left unset",
    calls: [like("x", "np.zeros_like(x)", (f, x) => f("emptyLike", x))],
  },
  {
    name: "fullLike",
    chunks: LIKE,
    calls: [
      like("1", "np.full_like(x, 1)", (f, x) => f("fullLike", x, 1)),
      like("dtype", "np.full_like(x, 2.5, dtype='float32')", (f, x) => f("fullLike", x, 2.5, { dtype: "float32" })),
    ],
  },
  ...(["array", "asarray", "asanyarray"] as const).map(
    (name): Row => ({
      name,
      chunks: "of a lazy array: its own; of values in memory: cut to the configured size",
      calls: [
        like("x", "np.array(x)", (f, x) => f(name, x)),
        like("dtype", "np.array(x, dtype='float64')", (f, x) => f(name, x, { dtype: "float64" })),
        none("lists", "np.array([[1, 2], [3, 4]])", (f) =>
          f(name, [
            [1, 2],
            [3, 4],
          ]),
        ),
        none("bools", "np.array([True, False])", (f) => f(name, [true, false])),
        none("mixed", "np.array([1, 2.5, True])", (f) => f(name, [1, 2.5, true])),
        none("number", "np.array(3)", (f) => f(name, 3)),
        none("empty", "np.array([])", (f) => f(name, [])),
        none("ragged", "np.array([[1, 2], [3]])", (f) => f(name, [[1, 2], [3]])),
        none("out of range", "np.array([300], dtype='uint8')", (f) => f(name, [300], { dtype: "uint8" })),
      ],
    }),
  ),
  {
    name: "eye",
    chunks: CHOSEN,
    calls: [
      none("5", "np.eye(5)", (f) => f("eye", 5, { chunks: 2 })),
      none("4, 6, 1", "np.eye(4, 6, 1)", (f) => f("eye", 4, { M: 6, k: 1, chunks: 3 })),
      none("-2 int8", "np.eye(5, k=-2, dtype='int8')", (f) => f("eye", 5, { k: -2, dtype: "int8" })),
    ],
  },
  {
    name: "tri",
    chunks: CHOSEN,
    calls: [
      none("5", "np.tri(5)", (f) => f("tri", 5, { chunks: 2 })),
      none("4, 6, 1", "np.tri(4, 6, 1)", (f) => f("tri", 4, { M: 6, k: 1 })),
    ],
  },
  {
    name: "meshgrid",
    chunks: "each input's along its axis, one block along the others",
    calls: [
      { ...like("xy", "np.meshgrid(x, x)", (f, x) => f("meshgrid", x, x)), profiles: hasRank(1, 1) },
      {
        ...like("ij", "np.meshgrid(x, x, indexing='ij')", (f, x) => f("meshgrid", x, x, { indexing: "ij" })),
        profiles: hasRank(1, 1),
      },
      {
        ...like("sparse", "np.meshgrid(x, x, sparse=True)", (f, x) => f("meshgrid", x, x, { sparse: true })),
        profiles: hasRank(1, 1),
      },
    ],
  },
  {
    name: "indices",
    chunks: CHOSEN,
    calls: [none("(3, 4)", "np.indices((3, 4))", (f) => f("indices", [3, 4], { chunks: 2 }))],
  },
  {
    name: "fromfunction",
    chunks: CHOSEN,
    calls: [
      none("i + 2 j", "np.fromfunction(lambda i, j: i + 2 * j, (4, 5))", (f) =>
        f("fromfunction", (i: Lazy, j: Lazy) => i.add(j.mul(2)), [4, 5], { chunks: 2 }),
      ),
    ],
  },
  ...(["tril", "triu"] as const).flatMap((name): Row[] => [
    {
      name: `${name}Indices`,
      chunks: "unknown or one block",
      calls: [
        none("4", `np.${name}_indices(4)`, (f) => f(`${name}Indices`, 4)),
        none("4, 1, 6", `np.${name}_indices(4, 1, 6)`, (f) => f(`${name}Indices`, 4, { k: 1, m: 6 })),
      ],
    },
    {
      name: `${name}IndicesFrom`,
      chunks: "unknown or one block",
      calls: [
        {
          ...like("x", `np.${name}_indices_from(x)`, (f, x) => f(`${name}IndicesFrom`, x)),
          profiles: hasRank(2, 2),
        },
      ],
    },
  ]),
  {
    name: "resultType",
    chunks: "no array",
    calls: [
      {
        ...like("x, y", "np.result_type(x, y)", (f, x, y) => f("resultType", x, y)),
        numpy: "lambda x, y: np.result_type(x, y)",
        other: "same",
        otherDtypes: ["int16", "uint64", "float32", "complex64"],
      },
      like("x, 3", "np.result_type(x, 3)", (f, x) => f("resultType", x, 3)),
      like("x, 1.5", "np.result_type(x, 1.5)", (f, x) => f("resultType", x, 1.5)),
    ],
  },
];

interface Lazy {
  add(other: Lazy | number): Lazy;
  mul(other: Lazy | number): Lazy;
}
