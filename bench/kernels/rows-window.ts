/** Rows of windows, resampling and products. */
import type { Plain } from "../../src/graph/index.ts";
import { runBlock } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { EXACT, type Row, type Targets } from "./row.ts";

const AT = { at: [0, 0], position: [0, 0] };

/** The weights of a window, as peer.py makes them. */
function weights(k: number): number[] {
  return Array.from({ length: k * k }, (_, i) => Math.fround(((i * 7) % 11) / 11 + 0.25));
}

function window(
  id: string,
  k: number,
  [kernel, params]: readonly [string, { readonly [name: string]: Plain }],
  peers: Row["peers"],
  near: Row["near"] = EXACT,
): Row {
  return {
    id,
    peers,
    near,
    views: false,
    bind: (source) => {
      const wide = source.get("wide");
      const { side } = source.sides;
      const x = new NDArray(wide.dtype, wide.data, [side + k - 1, side + k - 1], wide.stride, wide.offset);
      const result = source.empty("float32", [side, side]);
      return { result, run: () => runBlock(kernel, [x], result, { ...params, size: [k, k], skipna: false }, AT) };
    },
    reads: ["wide"],
  };
}

/** A grid turned a little, as peer.py makes it. */
export const AFFINE = [0.9, 0.05, 1.3, 0.05, 0.9, 1.6] as const;

function warp(id: string, affine: readonly number[], peers: Row["peers"], near: Row["near"]): Row {
  return {
    id,
    peers,
    near,
    views: false,
    bind: (source) => {
      const x = source.get("warped");
      const result = source.empty("float32", x.shape);
      const params = { affine, method: "bilinear", nodata: null, source: x.shape, starts: [[0], [0]] };
      return { result, run: () => runBlock("warp", [x], result, params, AT) };
    },
    reads: ["warped"],
  };
}

function matmul(id: string, names: readonly [string, string], targets: Targets, near: Row["near"]): Row {
  return {
    id,
    peers: { NumPy: targets },
    near,
    views: false,
    bind: (source) => {
      const [a, b] = names.map((n) => source.get(n)) as [NDArray, NDArray]; // two names
      const result = source.empty(a.dtype, a.shape);
      return { result, run: () => runBlock("matmul", [a, b], result, null, AT) };
    },
    reads: names,
  };
}

export const WINDOW_ROWS: readonly Row[] = [
  window(
    "correlate-3x3",
    3,
    ["window-correlate", { weights: weights(3) }],
    { scipy: { must: 0.12, aim: 0.07 }, numba: {} },
    { relative: 2e-6 },
  ),
  window(
    "correlate-9x9",
    9,
    ["window-correlate", { weights: weights(9) }],
    { scipy: { must: 0.15, aim: 0.08 } },
    { relative: 2e-6 },
  ),
  window("box-9x9", 9, ["window-box", { op: "mean" }], { scipy: { must: 0.08, aim: 0.04 } }, { relative: 2e-6 }),
  window("max-3x3", 3, ["window-extreme", { op: "max" }], { scipy: { must: 0.03, aim: 0.012 } }),
  window("median-3x3", 3, ["window-median", {}], { scipy: { must: 0.02, aim: 0.008 } }),
  warp("warp-bilinear", AFFINE, { scipy: { must: 0.1, aim: 0.04 } }, { relative: 1e-5, absolute: 1e-5 }),
  warp(
    "warp-bilinear-shift",
    [1, 0, 0.25, 0, 1, 0.25],
    { GDAL: { must: 1, aim: 0.4 } },
    { relative: 1e-5, absolute: 1e-5 },
  ),
  matmul("matmul-f32", ["ma", "mb"], { must: 3, aim: 1.9 }, { relative: 1e-4, absolute: 1e-4 }),
  matmul("matmul-f64", ["mda", "mdb"], { must: 3, aim: 1.9 }, { relative: 1e-12, absolute: 1e-12 }),
];
