/** Reductions: NumPy's names over lazy arrays. */
import type { KernelBuilder, NodeId, ReduceOp } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { fromArray } from "../shape/create.ts";
import { type AxisOrOptions, type ReduceOptions, reduceLayer } from "./layer.ts";

/** What reductions take. */
export type Reducible = ChunkedArray | NDArray;

/** A reduction: over one axis, several, or all when `axis` is absent or null. */
export type Reduction = (x: Reducible, axis?: AxisOrOptions, options?: ReduceOptions) => ChunkedArray;

/** A reduction that gives an index: along one axis, or the index in the flat array in C order. */
export type IndexReduction = (
  x: Reducible,
  axis?: AxisOrOptions<number | null>,
  options?: Pick<ReduceOptions, "keepdims" | "splitEvery">,
) => ChunkedArray;

/** A lazy array over what was given. */
export function lazyArray(x: Reducible): ChunkedArray {
  return x instanceof NDArray ? fromArray(x) : x;
}

function reduction(op: ReduceOp): Reduction {
  return (x, axis, options) => new ChunkedArray(reduceLayer(op, lazyArray(x), axis, options));
}

/** Sum. dtype: int64, uint64 (wrapping) or the float's own; exact for float32 up to one rounding. Chunks: one along reduced axes. NumPy `sum`. */
export const sum: Reduction = reduction("sum");
/** Product, in the order of the elements within a block. dtype as of `sum`. NumPy `prod`. */
export const prod: Reduction = reduction("prod");
/** Mean; integers give float64, nothing gives NaN. NumPy `mean`. */
export const mean: Reduction = reduction("mean");
/** Smallest element; NaN propagates. NumPy `min`. @throws {ShapeError} of nothing */
export const min: Reduction = reduction("min");
/** Largest element; NaN propagates. NumPy `max`. @throws {ShapeError} of nothing */
export const max: Reduction = reduction("max");
/** Standard deviation with `ddof` (`correction`) 0 by default. NumPy `std`. */
export const std: Reduction = reduction("std");
/** Variance with `ddof` (`correction`) 0 by default, by Chan's combination of two-pass blocks. NumPy `var`. */
const variance: Reduction = reduction("var");

export { variance as var };
/** True where any element is not zero; NaN is not. NumPy `any`. */
export const any: Reduction = reduction("any");
/** True where no element is zero. NumPy `all`. */
export const all: Reduction = reduction("all");
/** Sum without NaN; nothing gives 0. NumPy `nansum`. */
export const nansum: Reduction = reduction("nansum");
/** Product without NaN; nothing gives 1. NumPy `nanprod`. */
export const nanprod: Reduction = reduction("nanprod");
/** Mean without NaN; nothing gives NaN. NumPy `nanmean`. */
export const nanmean: Reduction = reduction("nanmean");
/** Smallest element that is not NaN; NaN where all are. NumPy `nanmin`. @throws {ShapeError} of nothing */
export const nanmin: Reduction = reduction("nanmin");
/** Largest element that is not NaN; NaN where all are. NumPy `nanmax`. @throws {ShapeError} of nothing */
export const nanmax: Reduction = reduction("nanmax");
/** Variance without NaN. NumPy `nanvar`. */
export const nanvar: Reduction = reduction("nanvar");
/** Standard deviation without NaN. NumPy `nanstd`. */
export const nanstd: Reduction = reduction("nanstd");
/** int64 index of the smallest element: the first of equals, the first NaN. NumPy `argmin`. @throws {AxisError} several axes */
export const argmin: IndexReduction = reduction("argmin") as IndexReduction;
/** int64 index of the largest element: the first of equals, the first NaN. NumPy `argmax`. @throws {AxisError} several axes */
export const argmax: IndexReduction = reduction("argmax") as IndexReduction;
/** int64 index of the smallest element that is not NaN. NumPy `nanargmin`; where all are NaN the run fails, as there. */
export const nanargmin: IndexReduction = reduction("nanargmin") as IndexReduction;
/** int64 index of the largest element that is not NaN. NumPy `nanargmax`; where all are NaN the run fails, as there. */
export const nanargmax: IndexReduction = reduction("nanargmax") as IndexReduction;

/** Elements that are not NaN, as int64 (Xarray's and pandas' `count`). */
export const count: Reduction = (x, axis, options) => lazyArray(x).count(axis, options);

/** Elements that are not zero (NaN is not), as int64. NumPy `count_nonzero`. */
export const countNonzero: Reduction = (x, axis, options) => {
  const notZero = (b: KernelBuilder, value: NodeId): { value: NodeId; mask: NodeId } => {
    const dtype = b.dtype(value);
    return { value, mask: dtype === "bool" ? value : b.binary("ne", value, b.param(0, dtype)) };
  };
  const given = lazyArray(x);
  const array = given.dtype.startsWith("complex") ? given.ne(0) : given;
  return new ChunkedArray(reduceLayer("count", array, axis, options, { value: notZero }));
};
