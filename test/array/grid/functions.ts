/** Rows of what takes functions: per block, per lane, per overlap; reductions of one's own; coarsening. */
import type { NDArray } from "../../../src/ndarray/index.ts";
import { both, type Call, hasRank, isFilled, isPlain, type Row } from "./row.ts";

type More = Pick<Call, "dtypes" | "profiles" | "other" | "measure">;

function one(id: string, numpy: string, ours: Call["ours"], more: More = {}): Call {
  const names = more.other ? "x, y" : "x";
  const dtypes = ["int16", "float32", "float64"] as const;
  return { id, numpy: `lambda ${names}: ${numpy}`, ours, dtypes, profiles: isPlain, ...more };
}

/** Every element doubled; a travelling function may name nothing from outside. */
function doubled(block: NDArray): unknown {
  const out = block.data.slice() as Float64Array;
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) * 2;
  return out;
}

/** The sum of a lane. */
function total(lane: NDArray): number {
  return (lane.data as Float64Array).reduce((sum, v) => sum + v, 0);
}

/** Sums along the first axis, which stays with size 1. */
function summed(block: NDArray): unknown {
  const [n = 1, ...rest] = block.shape;
  const data = new Float64Array(block.size / Math.max(1, n));
  for (let i = 0; i < n; i++)
    for (let k = 0; k < data.length; k++) data[k] = (data[k] as number) + Number(block.data[i * data.length + k]);
  return { data, shape: [1, ...rest] };
}

/** The same, without the axis. */
function summedAway(block: NDArray): unknown {
  const [n = 1, ...shape] = block.shape;
  const data = new Float64Array(block.size / Math.max(1, n));
  for (let i = 0; i < n; i++)
    for (let k = 0; k < data.length; k++) data[k] = (data[k] as number) + Number(block.data[i * data.length + k]);
  return { data, shape };
}

export const FUNCTIONS: readonly Row[] = [
  {
    name: "mapBlocks",
    chunks: "the input's, or as the options say",
    calls: [one("doubled", "x * 2", (f, x) => f("mapBlocks", doubled, x, { dtype: x.dtype }))],
  },
  {
    name: "mapOverlap",
    chunks: "the input's, or larger where the depth is",
    calls: [
      one(
        "doubled, depth 1",
        "x * 2",
        (f, x) => f("mapOverlap", doubled, x, { depth: 1, boundary: "reflect", dtype: x.dtype }),
        { profiles: both(hasRank(1), isPlain, isFilled) },
      ),
    ],
  },
  {
    name: "blockwise",
    chunks: "by the indices",
    calls: [
      one("ij -> ij", "x * 2", (f, x) => f("blockwise", doubled, "ij", x, "ij", { dtype: x.dtype }), {
        profiles: both(hasRank(2, 2), isPlain),
      }),
    ],
  },
  {
    name: "applyAlongAxis",
    chunks: "one block along the axis",
    calls: [
      one(
        "sums",
        "np.apply_along_axis(np.sum, 0, x.astype('float64'))",
        (f, x) => f("applyAlongAxis", total, 0, x, { dtype: "float64" }),
        {
          profiles: both(hasRank(1), isPlain, isFilled),
        },
      ),
    ],
  },
  {
    name: "applyOverAxes",
    chunks: "as the reduction",
    calls: [
      one(
        "sums",
        "np.apply_over_axes(np.sum, x, [0, 1])",
        (f, x) => f("applyOverAxes", (v: unknown, axis: number) => f("sum", v, axis), x, [0, 1]),
        { profiles: both(hasRank(2), isPlain), dtypes: ["int16", "float64"] },
      ),
    ],
  },
  {
    name: "frompyfunc",
    chunks: "as elementwise functions",
    calls: [
      one("squares", "x.astype('float64') ** 2", (f, x) =>
        (
          f("frompyfunc", (v: number) => v * v, 1, 1, { dtype: "float64" }) as unknown as (
            v: unknown,
          ) => ReturnType<typeof f>
        )(x),
      ),
    ],
  },
  {
    name: "reduction",
    chunks: "one block along reduced axes, by a fixed tree over the blocks",
    calls: [
      one(
        "sum",
        "np.sum(x, axis=0, dtype='float64')",
        (f, x) =>
          f("reduction", x, {
            axis: 0,
            dtype: "float64",
            chunk: summed,
            aggregate: summedAway,
          }),
        { profiles: both(hasRank(1), isPlain, isFilled) },
      ),
    ],
  },
  {
    name: "coarsen",
    chunks: "the input's divided, rechunked to multiples first",
    calls: [
      one(
        "mean of 2",
        "x[: x.shape[0] // 2 * 2].reshape((x.shape[0] // 2, 2) + x.shape[1:]).mean(1)",
        (f, x) => f("coarsen", "mean", x, { 0: 2 }, { trimExcess: true }),
        { profiles: both(hasRank(1), isPlain, isFilled), measure: { relative: 1e-7 } },
      ),
      one(
        "max of 2",
        "x[: x.shape[0] // 2 * 2].reshape((x.shape[0] // 2, 2) + x.shape[1:]).max(1)",
        (f, x) => f("coarsen", "max", x, { 0: 2 }, { trimExcess: true }),
        { profiles: both(hasRank(1), isPlain, isFilled) },
      ),
    ],
  },
];
