/** Window kernels by name. Their input reaches beyond the result by the window's extent less one, along the last two axes. */
import { invariant } from "../../base/index.ts";
import type { Plain } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { boxPlane, extremePlane } from "./box.ts";
import { correlatePlane } from "./correlate.ts";
import { medianPlane } from "./median.ts";
import { checkHalo, type Params, record, weightsOf, windowSize } from "./params.ts";
import { forEachPlane, type Size } from "./surface.ts";

/** A kernel that works plane by plane. */
function planeKernel(run: (input: NDArray, out: NDArray, window: Size, params: Params) => void): BlockKernel {
  return {
    run: ([input], out, given) => {
      invariant(input !== undefined, "a window kernel has one input");
      const params = record(given);
      const window = windowSize(params);
      checkHalo(input, out, window);
      if (out.size === 0) return;
      forEachPlane([input, out], ([from, to]) => run(from as NDArray, to as NDArray, window, params)); // two planes
    },
  };
}

function oneOf<T extends string>(name: string, value: Plain | undefined, known: readonly T[]): T {
  const found = known.find((k) => k === value);
  invariant(found !== undefined, `${name} is one of ${known.join(", ")}, not ${String(value)}`);
  return found;
}

export const windowKernels: Readonly<Record<string, BlockKernel>> = {
  /** `{ size, op: "sum" | "mean", skipna }`. */
  "window-box": planeKernel((input, out, window, { op, skipna }) =>
    boxPlane(input, out, window, oneOf("op", op, ["sum", "mean"]), skipna === true),
  ),
  /** `{ size, weights, skipna }`: weights in C order. */
  "window-correlate": planeKernel((input, out, window, params) =>
    correlatePlane(input, out, window, { weights: weightsOf(params), skipna: params.skipna === true }),
  ),
  /** `{ size, skipna }`. */
  "window-median": planeKernel((input, out, window, { skipna }) => medianPlane(input, out, window, skipna === true)),
  /** `{ size, op: "min" | "max", skipna }`. */
  "window-extreme": planeKernel((input, out, window, { op, skipna }) =>
    extremePlane(input, out, window, oneOf("op", op, ["min", "max"]), skipna === true),
  ),
};
