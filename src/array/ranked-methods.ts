/** Methods of lazy arrays that rank, sort and run along axes; {@link RankedMethods} is what ChunkedArray is made on. */
import type { DType } from "../dtype/index.ts";
import type { Chunks, LayerNode } from "../graph/index.ts";
import { axisAnd } from "./axis-options.ts";
import type { LazyArray } from "./lazy.ts";
import { orderOf, type SortOptions, type TopOptions, topOf } from "./order/order-layer.ts";
import { type ScanOptions, scanOf } from "./order/scan-layer.ts";
import {
  type MedianOptions,
  medianOf,
  type QuantileOptions,
  quantileOf,
  TAKEN_BY_QUANTILE,
} from "./order/select-layer.ts";
import type { Axis } from "./reduce/layer.ts";

/** `A` is the class that is made of a layer. */
export abstract class RankedMethods<A> implements LazyArray {
  abstract get node(): LayerNode;
  abstract readonly shape: readonly number[];
  abstract readonly dtype: DType;
  abstract readonly chunks: Chunks;
  abstract get ndim(): number;
  abstract get nbytes(): number;
  /** The array of another layer. */
  protected abstract made(node: LayerNode): A;

  /** Exact median; NaN propagates. NumPy `median`. */
  median(axis?: Axis | MedianOptions, options?: MedianOptions): A {
    return this.made(medianOf(false, this, axis, options));
  }
  /** Exact median of what is not NaN. NumPy `nanmedian`. */
  nanmedian(axis?: Axis | MedianOptions, options?: MedianOptions): A {
    return this.made(medianOf(true, this, axis, options));
  }
  /** Exact quantiles in [0, 1]. NumPy `quantile`. */
  quantile(q: number | readonly number[], axis?: Axis | QuantileOptions, options?: QuantileOptions): A {
    return this.made(quantileOf(false, this, q, axisAnd<Axis, QuantileOptions>(axis, options, TAKEN_BY_QUANTILE)));
  }
  /** Exact quantiles of what is not NaN. NumPy `nanquantile`. */
  nanquantile(q: number | readonly number[], axis?: Axis | QuantileOptions, options?: QuantileOptions): A {
    return this.made(quantileOf(true, this, q, axisAnd<Axis, QuantileOptions>(axis, options, TAKEN_BY_QUANTILE)));
  }
  /** Exact percentiles in [0, 100]. NumPy `percentile`. */
  percentile(q: number | readonly number[], axis?: Axis | QuantileOptions, options?: QuantileOptions): A {
    const share = typeof q === "number" ? q / 100 : q.map((x) => x / 100);
    return this.made(quantileOf(false, this, share, axisAnd<Axis, QuantileOptions>(axis, options, TAKEN_BY_QUANTILE)));
  }
  /** Elements in order, NaN last. NumPy `sort`. */
  sort(axis?: number | null | SortOptions, options?: SortOptions): A {
    return this.made(orderOf("sort", this, axis, options));
  }
  /** Indices that sort, stable. NumPy `argsort`. */
  argsort(axis?: number | null | SortOptions, options?: SortOptions): A {
    return this.made(orderOf("argsort", this, axis, options));
  }
  /** The `k` largest, or with negative `k` smallest, elements along an axis. dask.array `topk`. */
  topk(k: number, axis?: number | TopOptions, options?: TopOptions): A {
    return this.made(topOf("topk", this, k, { axis, options }));
  }
  /** Indices of the {@link topk}. dask.array `argtopk`. */
  argtopk(k: number, axis?: number | TopOptions, options?: TopOptions): A {
    return this.made(topOf("argtopk", this, k, { axis, options }));
  }
  /** Running sum. NumPy `cumsum`. */
  cumsum(axis?: number | null | ScanOptions, options?: ScanOptions): A {
    return this.made(scanOf({ op: "add", skipna: false }, this, axis, options));
  }
  /** Running product. NumPy `cumprod`. */
  cumprod(axis?: number | null | ScanOptions, options?: ScanOptions): A {
    return this.made(scanOf({ op: "mul", skipna: false }, this, axis, options));
  }
}
