/** Rows of manipulation, joining, indexing and padding: values only move, so every bit is NumPy's. */
import { both, type Call, hasRank, isFilled, type Row, SOME } from "./row.ts";

const VIEW = "follows the input's cuts; nothing is copied before it is read";
const GATHER = "the input's sizes where they fit, gathered from the blocks that overlap";

type More = Pick<Call, "dtypes" | "profiles" | "other" | "measure">;

/** `numpy` is the body of the lambda. */
function one(id: string, numpy: string, ours: Call["ours"], more: More = {}): Call {
  const names = more.other ? "x, y" : "x";
  return { id, numpy: `lambda ${names}: ${numpy}`, ours, dtypes: SOME, ...more };
}

const rank = (least: number, most?: number): More => ({ profiles: hasRank(least, most) });
const filled = (least: number, most?: number): More => ({ profiles: both(hasRank(least, most), isFilled) });

const SHAPES: readonly Row[] = [
  {
    name: "reshape",
    chunks: "blocks are reshaped where their elements stay together; the axes that merge are rechunked first",
    calls: [
      one("-1", "np.reshape(x, -1)", (f, x) => f("reshape", x, -1)),
      one("(1, n, 1)", "np.reshape(x, (1, x.size, 1))", (f, x) => f("reshape", x, [1, x.size, 1])),
      one("halved", "np.reshape(x, x.shape + (1,))", (f, x) => f("reshape", x, [...x.shape, 1])),
      one("merged", "np.reshape(x, (-1, x.shape[-1]))", (f, x) => f("reshape", x, [-1, x.shape.at(-1)]), filled(2)),
      one("another size", "np.reshape(x, (x.size + 1,))", (f, x) => f("reshape", x, [x.size + 1])),
    ],
  },
  { name: "ravel", chunks: "as reshape", calls: [one("x", "np.ravel(x)", (f, x) => f("ravel", x))] },
  {
    name: "expandDims",
    chunks: VIEW,
    calls: [
      one("0", "np.expand_dims(x, 0)", (f, x) => f("expandDims", x, 0)),
      one("-1", "np.expand_dims(x, -1)", (f, x) => f("expandDims", x, -1)),
      one("(0, 2)", "np.expand_dims(x, (0, 2))", (f, x) => f("expandDims", x, [0, 2]), rank(1)),
      one("9", "np.expand_dims(x, 9)", (f, x) => f("expandDims", x, 9)),
    ],
  },
  {
    name: "squeeze",
    chunks: VIEW,
    calls: [
      one("all", "np.squeeze(x[None])", (f, x) => f("squeeze", f("expandDims", x, 0))),
      one("0", "np.squeeze(x[None], 0)", (f, x) => f("squeeze", f("expandDims", x, 0), 0)),
      one("of size 5", "np.squeeze(x, 0)", (f, x) => f("squeeze", x, 0), rank(1)),
    ],
  },
  {
    name: "transpose",
    chunks: VIEW,
    calls: [
      one("reversed", "np.transpose(x)", (f, x) => f("transpose", x)),
      one("given", "np.transpose(x, (1, 0, 2))", (f, x) => f("transpose", x, [1, 0, 2]), rank(3)),
      one("repeated", "np.transpose(x, (0, 0))", (f, x) => f("transpose", x, [0, 0]), rank(2, 2)),
    ],
  },
  {
    name: "swapaxes",
    chunks: VIEW,
    calls: [one("0, -1", "np.swapaxes(x, 0, -1)", (f, x) => f("swapaxes", x, 0, -1), rank(1))],
  },
  {
    name: "moveaxis",
    chunks: VIEW,
    calls: [
      one("0 to -1", "np.moveaxis(x, 0, -1)", (f, x) => f("moveaxis", x, 0, -1), rank(1)),
      one("two", "np.moveaxis(x, [0, 1], [-1, 0])", (f, x) => f("moveaxis", x, [0, 1], [-1, 0]), rank(2)),
    ],
  },
  {
    name: "rollaxis",
    chunks: VIEW,
    calls: [one("-1", "np.rollaxis(x, -1)", (f, x) => f("rollaxis", x, -1), rank(1))],
  },
  {
    name: "flip",
    chunks: VIEW,
    calls: [
      one("all", "np.flip(x)", (f, x) => f("flip", x)),
      one("0", "np.flip(x, 0)", (f, x) => f("flip", x, 0), rank(1)),
      one("(0, 1)", "np.flip(x, (0, 1))", (f, x) => f("flip", x, [0, 1]), rank(2)),
    ],
  },
  { name: "flipud", chunks: VIEW, calls: [one("x", "np.flipud(x)", (f, x) => f("flipud", x))] },
  { name: "fliplr", chunks: VIEW, calls: [one("x", "np.fliplr(x)", (f, x) => f("fliplr", x))] },
  {
    name: "rot90",
    chunks: VIEW,
    calls: [1, 2, -1].map((k) => one(`${k}`, `np.rot90(x, ${k})`, (f, x) => f("rot90", x, k), rank(2))),
  },
  {
    name: "roll",
    chunks: GATHER,
    calls: [
      one("2", "np.roll(x, 2)", (f, x) => f("roll", x, 2)),
      one("-3, axis 0", "np.roll(x, -3, 0)", (f, x) => f("roll", x, -3, 0), rank(1)),
      one("two", "np.roll(x, (1, 2), (0, 1))", (f, x) => f("roll", x, [1, 2], [0, 1]), rank(2)),
    ],
  },
  {
    name: "repeat",
    chunks: "the input's sizes times the repeats",
    calls: [
      one("3", "np.repeat(x, 3)", (f, x) => f("repeat", x, 3)),
      one("2, axis 0", "np.repeat(x, 2, 0)", (f, x) => f("repeat", x, 2, 0), rank(1)),
      one(
        "list",
        "np.repeat(x, [i % 3 for i in range(x.shape[0])], 0)",
        (f, x) =>
          f(
            "repeat",
            x,
            Array.from({ length: x.shape[0] as number }, (_, i) => i % 3),
            0,
          ),
        filled(1),
      ),
    ],
  },
  {
    name: "tile",
    chunks: "the input's sizes, repeated",
    calls: [
      one("2", "np.tile(x, 2)", (f, x) => f("tile", x, 2)),
      one("(2, 1, 3)", "np.tile(x, (2, 1, 3))", (f, x) => f("tile", x, [2, 1, 3])),
    ],
  },
  {
    name: "broadcastTo",
    chunks: "the input's along its axes, one block along new ones",
    calls: [
      one("new axis", "np.broadcast_to(x, (3,) + x.shape)", (f, x) => f("broadcastTo", x, [3, ...x.shape])),
      one("no fit", "np.broadcast_to(x, (2, 2))", (f, x) => f("broadcastTo", x, [2, 2]), filled(1, 1)),
    ],
  },
  {
    name: "broadcastArrays",
    chunks: "those of the largest",
    calls: [one("x, y", "np.broadcast_arrays(x, y)", (f, x, y) => f("broadcastArrays", x, y), { other: "broadcast" })],
  },
  {
    name: "rechunk",
    chunks: "as asked; automatic ones as Dask's",
    calls: [one("3", "x", (f, x) => f("rechunk", x, 3))],
  },
  { name: "shape", chunks: "no array", calls: [one("x", "np.shape(x)", (f, x) => f("shape", x))] },
  {
    name: "reshapeBlockwise",
    chunks: "as many blocks as before",
    calls: [
      one("whole", "np.reshape(x, (-1,))", (f, x) => f("reshapeBlockwise", f("rechunk", x, -1), [x.size]), filled(1)),
    ],
  },
  {
    name: "shuffle",
    chunks: "Dask's: groups together up to the average size and its tolerance",
    calls: [
      one(
        "groups",
        "x[np.r_[1:x.shape[0], 0]]",
        (f, x) => {
          const n = x.shape[0] as number;
          return f("shuffle", x, [Array.from({ length: n - 1 }, (_, i) => i + 1), [0]], 0);
        },
        { profiles: both(hasRank(1), ({ shape }) => (shape[0] as number) > 1, isFilled) },
      ),
    ],
  },
];

const JOINED: readonly Row[] = [
  {
    name: "concatenate",
    chunks: "the inputs' along the axis; along the others those of the largest",
    calls: [
      one("0", "np.concatenate([x, y])", (f, x, y) => f("concatenate", [x, y]), {
        other: "same",
        profiles: hasRank(1),
      }),
      one("-1", "np.concatenate([x, y], -1)", (f, x, y) => f("concatenate", [x, y], -1), {
        other: "same",
        profiles: hasRank(1),
      }),
      one("None", "np.concatenate([x, y], None)", (f, x, y) => f("concatenate", [x, y], null), { other: "same" }),
      one("ranks differ", "np.concatenate([x, y])", (f, x, y) => f("concatenate", [x, y]), {
        other: "broadcast",
        profiles: hasRank(2, 2),
      }),
    ],
  },
  {
    name: "stack",
    chunks: "one block per array along the new axis; along the others those of the largest",
    calls: [
      one("0", "np.stack([x, y])", (f, x, y) => f("stack", [x, y]), { other: "same" }),
      one("-1", "np.stack([x, y], -1)", (f, x, y) => f("stack", [x, y], -1), { other: "same" }),
      one("shapes differ", "np.stack([x, y])", (f, x, y) => f("stack", [x, y]), {
        other: "broadcast",
        profiles: hasRank(1),
      }),
    ],
  },
  ...["vstack", "hstack", "dstack"].map(
    (name): Row => ({
      name,
      chunks: "as concatenate",
      calls: [one("x, y", `np.${name}([x, y])`, (f, x, y) => f(name, [x, y]), { other: "same" })],
    }),
  ),
  {
    name: "block",
    chunks: "as concatenate",
    calls: [
      one(
        "2 x 2",
        "np.block([[x, y], [y, x]])",
        (f, x, y) =>
          f("block", [
            [x, y],
            [y, x],
          ]),
        { other: "same" },
      ),
      one("flat", "np.block([x, y])", (f, x, y) => f("block", [x, y]), { other: "same" }),
    ],
  },
  {
    name: "append",
    chunks: "as concatenate",
    calls: [
      one("flat", "np.append(x, y)", (f, x, y) => f("append", x, y), { other: "same" }),
      one("0", "np.append(x, y, 0)", (f, x, y) => f("append", x, y, 0), { other: "same", profiles: hasRank(1) }),
    ],
  },
  ...[1, 2, 3].map(
    (d): Row => ({
      name: `atleast${d}d`,
      chunks: VIEW,
      calls: [one("x", `np.atleast_${d}d(x)`, (f, x) => f(`atleast${d}d`, x))],
    }),
  ),
];

const PICKED: readonly Row[] = [
  {
    name: "take",
    chunks: "as large as the input's along the axis",
    calls: [
      one("list, 0", "np.take(x, [0, 2, 2, -1], 0)", (f, x) => f("take", x, [0, 2, 2, -1], 0), {
        profiles: both(hasRank(1), ({ shape }) => (shape[0] as number) > 2),
      }),
      one("out of bounds", "np.take(x, [99], 0)", (f, x) => f("take", x, [99], 0), rank(1)),
      one("number", "np.take(x, 0, -1)", (f, x) => f("take", x, 0, -1), filled(1)),
      one("flat", "np.take(x, [0, -1])", (f, x) => f("take", x, [0, -1]), filled(0)),
    ],
  },
  {
    name: "diagonal",
    chunks: "one block along the diagonal of each pair of blocks",
    calls: [
      one("main", "np.diagonal(x)", (f, x) => f("diagonal", x)),
      one("2", "np.diagonal(x, 2)", (f, x) => f("diagonal", x, 2), rank(2)),
      one("-1", "np.diagonal(x, -1)", (f, x) => f("diagonal", x, -1), rank(2)),
      one("axes", "np.diagonal(x, 0, 1, 2)", (f, x) => f("diagonal", x, 0, { axis1: 1, axis2: 2 }), rank(3)),
    ],
  },
  {
    name: "diag",
    chunks: "of a vector: its sizes along both axes",
    calls: [
      one("vector or matrix", "np.diag(x)", (f, x) => f("diag", x)),
      one("1", "np.diag(x, 1)", (f, x) => f("diag", x, 1), rank(1, 2)),
    ],
  },
  ...["tril", "triu"].map(
    (name): Row => ({
      name,
      chunks: "the input's",
      calls: [0, 1, -2].map((k) =>
        one(`${k}`, `np.${name}(x, ${k})`, (f, x) => f(name, x, k), { profiles: hasRank(2) }),
      ),
    }),
  ),
  {
    name: "compress",
    chunks: "unknown along the axis",
    calls: [
      one("list, 0", "np.compress([True, False, True], x, 0)", (f, x) => f("compress", [true, false, true], x, 0), {
        profiles: both(hasRank(1), ({ shape }) => (shape[0] as number) > 2),
      }),
    ],
  },
  {
    name: "extract",
    chunks: "unknown",
    calls: [one("x > 2", "np.extract(x > 2, x)", (f, x) => f("extract", f("greater", x, 2), x))],
  },
  {
    name: "nonzero",
    chunks: "unknown",
    calls: [one("x", "np.nonzero(x)", (f, x) => f("nonzero", x))],
  },
  { name: "flatnonzero", chunks: "unknown", calls: [one("x", "np.flatnonzero(x)", (f, x) => f("flatnonzero", x))] },
  { name: "argwhere", chunks: "unknown", calls: [one("x", "np.argwhere(x)", (f, x) => f("argwhere", x), rank(1))] },
  {
    name: "insert",
    chunks: "as concatenate",
    calls: [
      one("number", "np.insert(x, 1, 7, axis=0)", (f, x) => f("insert", x, 1, 7, { axis: 0 }), filled(1)),
      one("two", "np.insert(x, [0, 1], 3, axis=-1)", (f, x) => f("insert", x, [0, 1], 3, { axis: -1 }), filled(1)),
    ],
  },
  {
    name: "delete",
    chunks: GATHER,
    calls: [
      one("0", "np.delete(x, 0, axis=0)", (f, x) => f("delete", x, 0, { axis: 0 }), filled(1)),
      one("list", "np.delete(x, [0, -1], axis=-1)", (f, x) => f("delete", x, [0, -1], { axis: -1 }), filled(1)),
    ],
  },
  {
    name: "unravelIndex",
    chunks: "the input's",
    calls: [
      one(
        "(4, 5)",
        "np.unravel_index(np.abs(x.astype(np.int64)) % 20, (4, 5))",
        (f, x) => f("unravelIndex", f("mod", f("abs", f("astype", x, "int64")), 20), [4, 5]),
        { dtypes: ["int8", "uint16", "int32", "int64"], profiles: ({ pattern }) => pattern === "plain" },
      ),
    ],
  },
  {
    name: "ravelMultiIndex",
    chunks: "the inputs'",
    calls: [
      one(
        "(4, 5)",
        "np.ravel_multi_index((np.abs(x.astype(np.int64)) % 4, np.abs(y.astype(np.int64)) % 5), (4, 5))",
        (f, x, y) =>
          f(
            "ravelMultiIndex",
            [f("mod", f("abs", f("astype", x, "int64")), 4), f("mod", f("abs", f("astype", y, "int64")), 5)],
            [4, 5],
          ),
        { other: "same", dtypes: ["int8", "uint16", "int32"], profiles: ({ pattern }) => pattern === "plain" },
      ),
    ],
  },
];

const PAD_MODES: readonly (readonly [mode: string, options: object, numpy: string])[] = [
  ["constant", {}, ""],
  ["constant", { constantValues: 3 }, ", constant_values=3"],
  ["edge", {}, ""],
  ["linear_ramp", { endValues: 2 }, ", end_values=2"],
  ["maximum", {}, ""],
  ["minimum", { statLength: 2 }, ", stat_length=2"],
  ["reflect", {}, ""],
  ["symmetric", {}, ""],
  ["reflect", { reflectType: "odd" }, ", reflect_type='odd'"],
  ["wrap", {}, ""],
];

const PADDED: readonly Row[] = [
  {
    name: "pad",
    chunks: "the input's, with a block of padding at either end joined to its neighbour",
    calls: [
      ...PAD_MODES.map(([mode, options, numpy], k) =>
        one(`${mode} ${k}`, `np.pad(x, 2, mode="${mode}"${numpy})`, (f, x) => f("pad", x, 2, { mode, ...options }), {
          profiles: both(hasRank(1), isFilled),
          dtypes: mode === "linear_ramp" || k === 8 ? ["int16", "uint8", "float32", "float64"] : SOME,
          measure: mode === "linear_ramp" ? { ulp: 1 } : "bits",
        }),
      ),
      ...["mean", "median"].map((mode) =>
        one(mode, `np.pad(x, 2, mode="${mode}")`, (f, x) => f("pad", x, 2, { mode }), {
          profiles: both(hasRank(1), isFilled, ({ pattern }) => pattern === "plain"),
          dtypes: ["int16", "uint8", "float64"],
          measure: { ulp: 2 },
        }),
      ),
      one(
        "widths",
        "np.pad(x, ((1, 0), (3, 2)))",
        (f, x) =>
          f("pad", x, [
            [1, 0],
            [3, 2],
          ]),
        rank(2, 2),
      ),
      one("empty array", "np.pad(x, 1, mode='edge')", (f, x) => f("pad", x, 1, { mode: "edge" }), {
        profiles: (p) => p.name === "empty",
      }),
    ],
  },
];

export const MANIPULATION: readonly Row[] = [...SHAPES, ...JOINED, ...PICKED, ...PADDED];
