/** Median, quantiles and percentiles: NumPy's names over lazy arrays, exact for any chunks. */
import type { NDArray } from "../../ndarray/index.ts";
import { axisAnd } from "../axis-options.ts";
import { ChunkedArray } from "../chunked-array.ts";
import type { Axis } from "../reduce/layer.ts";
import { lazyArray } from "../reduce/reductions.ts";
import { type MedianOptions, medianOf, type QuantileOptions, quantileOf, TAKEN_BY_QUANTILE } from "./select-layer.ts";

export type { MedianOptions, QuantileOptions, SelectOptions } from "./select-layer.ts";

type Median = (x: ChunkedArray | NDArray, axis?: Axis | MedianOptions, options?: MedianOptions) => ChunkedArray;
type Quantile = (
  x: ChunkedArray | NDArray,
  q: number | readonly number[],
  axis?: Axis | QuantileOptions,
  options?: QuantileOptions,
) => ChunkedArray;

function median_(skipna: boolean): Median {
  return (x, axis, options) => new ChunkedArray(medianOf(skipna, lazyArray(x), axis, options));
}

function quantile_(skipna: boolean, percent: boolean): Quantile {
  return (x, q, axis, options) => {
    const share = percent ? (typeof q === "number" ? q / 100 : q.map((p) => p / 100)) : q;
    return new ChunkedArray(
      quantileOf(skipna, lazyArray(x), share, axisAnd<Axis, QuantileOptions>(axis, options, TAKEN_BY_QUANTILE)),
    );
  };
}

/**
 * Median along axes, or of all elements; a NaN makes its result NaN.
 *
 * Lazy. The ranked axes are dropped, or kept with size 1 by `keepdims`. dtype: floats stay, others become float64; of
 * nothing NaN. Chunks: the ranked axes become whole; of all elements over many blocks digits are counted, block by block.
 * @throws {AxisError} @throws {DTypeError} complex or dates
 * @example
 * ```ts
 * await median(array([[1, 9], [3, 7], [2, 8]]), 0).compute(); // => [2, 8]
 * ```
 * Matches NumPy `median`.
 */
export const median: Median = median_(false);

/** Median of the elements that are not NaN; NaN where there are none. Otherwise as {@link median}. Matches NumPy `nanmedian`. */
export const nanmedian: Median = median_(true);

/**
 * Quantiles in [0, 1]: a number, or a list whose axis comes first in the result.
 *
 * Lazy. dtype: that of the array for discrete methods; else floats stay (float64 for a list of quantiles, as NumPy's),
 * integers become float64. Chunks as {@link median}.
 * @throws {AxisError} @throws {ArgumentError} a quantile outside [0, 1], an unknown method
 * @throws {DTypeError} complex, dates, or bool where it would interpolate  @throws {ShapeError} quantiles of nothing
 * @throws {UnsupportedError} weights
 *
 * Matches NumPy `quantile`; differs where int8 to int64 elements lie further apart than their dtype holds (NumPy wraps).
 */
export const quantile: Quantile = quantile_(false, false);

/** Quantiles of the elements that are not NaN; NaN where there are none. Otherwise as {@link quantile}. Matches NumPy `nanquantile`. */
export const nanquantile: Quantile = quantile_(true, false);

/** Quantiles in [0, 100]. Otherwise as {@link quantile}; exact, where Dask approximates chunked arrays. Matches NumPy `percentile`. */
export const percentile: Quantile = quantile_(false, true);

/** Percentiles of the elements that are not NaN. Otherwise as {@link nanquantile}. Matches NumPy `nanpercentile`. */
export const nanpercentile: Quantile = quantile_(true, true);
