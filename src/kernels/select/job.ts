/** A selection taken apart: the axes that are ranked, and runs of the pixels that stay. */
import type { KernelCall, SelectSpec } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { forEachOuter, type LoopNest } from "../map/loop.ts";

/** Axes of the loop, split. */
export interface SelectJob {
  readonly call: KernelCall;
  readonly spec: SelectSpec;
  readonly views: readonly NDArray[];
  /** Extents and strides (per view) along the reduced axes. */
  readonly depths: readonly number[];
  readonly depthStrides: readonly (readonly number[])[];
  /** Elements per pixel, and pixels. */
  readonly depth: number;
  readonly pixels: number;
  readonly quantiles: number;
  /** Runs of pixels: operand 0 is the result of the first quantile, the views follow. */
  readonly nest: LoopNest;
  readonly out: NDArray;
}

/** Runs of pixels: `visit(offsets of result and views, width, steps)`. */
export function forEachRun(
  { nest }: SelectJob,
  visit: (at: readonly number[], width: number, steps: readonly number[]) => void,
): void {
  const last = nest.shape.length - 1;
  const steps = nest.strides.map((s) => (last < 0 ? 0 : (s[last] as number)));
  const width = last < 0 ? 1 : (nest.shape[last] as number);
  forEachOuter(nest, Math.max(0, last), (at) => visit(at, width, steps));
}
