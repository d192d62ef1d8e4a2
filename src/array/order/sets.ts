/** Distinct elements: NumPy's and the Array API's names over lazy arrays. */
import { requireKnownOptions, UnsupportedError } from "../../base/index.ts";
import { allocate, castScalar, type DType, dtypeInfo } from "../../dtype/index.ts";
import { applyNode, type LayerNode } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { known } from "../inputs.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { type ArrayLike, fromArray } from "../shape/create.ts";
import { concatenate } from "../shape/joining.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { whereTrue } from "../unknown.ts";
import { bincount } from "./counting.ts";
import { orderLayer, scratchFor } from "./order-layer.ts";
import { scanLayer } from "./scan-layer.ts";
import { wholeAlong } from "./select-layer.ts";

/** Options of `unique`. */
export interface UniqueOptions {
  /** Also give the index of the first of each. */
  readonly returnIndex?: boolean;
  /** Also give, for each element, the index of its value among the distinct ones. */
  readonly returnInverse?: boolean;
  /** Also give how often each occurs. */
  readonly returnCounts?: boolean;
  /** All NaN are one; default true. */
  readonly equalNan?: boolean;
  /** Not supported. */
  readonly axis?: null;
}

/** Distinct values as a mask over more, and what goes with them. */
interface Distinct {
  readonly values: LayerNode;
  readonly mask: LayerNode;
  readonly index: () => LayerNode;
  readonly counts: () => LayerNode;
  /** 1-d, as long as the flat array. */
  readonly inverse: () => LayerNode;
}

function flat(x: LazyArray): LazyArray {
  return x.ndim === 1 ? x : lazyOf(reshapeLayer(x, [-1]));
}

/** Integers of up to 16 bits as unsigned ones of their width, in the same order: these are counted where they lie. */
function unsigned(x: ChunkedArray): ChunkedArray {
  const { kind, itemsize } = dtypeInfo(x.dtype);
  if (kind === "u") return x;
  const bits = 8 * itemsize;
  const places = x.astype(bits === 8 ? "uint8" : "uint16");
  return kind === "b" ? places : places.xor(2 ** (bits - 1));
}

/** Integers of up to 16 bits: all their values, of which those that occur are distinct. */
function distinctByTable(x: ChunkedArray): Distinct {
  const { min = 0n, max = 1n } = dtypeInfo(x.dtype); // bool: 0 and 1
  const n = Number(max - min) + 1;
  const all = allocate(x.dtype, n);
  for (let i = 0; i < n; i++) all[i] = castScalar(i + Number(min), x.dtype) as never; // of its dtype
  const counts = bincount(unsigned(x), { minlength: n });
  const mask = counts.gt(0);
  const inverse = (): LayerNode => {
    const places = x.astype("int32").sub(Number(min));
    const rank = new ChunkedArray(scanLayer("add", mask, 0, "int64")).sub(1);
    const table = wholeAlong(rank, [0]).node;
    return applyNode("inverse", {
      kernel: "lookup",
      params: null,
      inputs: [
        { layer: places.node, axes: [0] },
        { layer: table, axes: [null] },
      ],
      dtype: "int64",
      chunks: x.chunks,
      scratchBytes: scratchFor("lookup", "int64", x.chunks) + 16 * n,
    });
  };
  return {
    values: fromArray(new NDArray(x.dtype, all, [n]), { chunks: -1 }).node,
    mask: mask.node,
    index: () => distinctBySorting(x, true).index(),
    counts: () => counts.node,
    inverse,
  };
}

/** The flat array sorted in one block: first elements of its runs are distinct. */
function distinctBySorting(x: LazyArray, equalNaN: boolean): Distinct {
  const sorted = orderLayer("sort", x, 0, false);
  let order: LayerNode | null = null;
  const ordered = (): LayerNode => {
    order ??= orderLayer("argsort", x, 0, false);
    return order;
  };
  const runs = (kernel: string, dtype: DType, more: readonly LayerNode[] = []): LayerNode =>
    applyNode(kernel, {
      kernel,
      params: { equalNaN },
      inputs: [sorted, ...more].map((layer) => ({ layer, axes: [0] })),
      dtype,
      chunks: sorted.layer.chunks,
      scratchBytes: scratchFor(kernel, x.dtype, sorted.layer.chunks),
    });
  return {
    values: sorted,
    mask: runs("run-starts", "bool"),
    index: ordered,
    counts: () => runs("run-lengths", "int64"),
    inverse: () => runs("run-numbers", "int64", [ordered()]),
  };
}

interface Wanted {
  readonly index?: boolean;
  readonly inverse?: boolean;
  readonly counts?: boolean;
}

function distinct(name: string, x: ArrayLike, wanted: Wanted, equalNaN: boolean): readonly ChunkedArray[] {
  const lazy = known(name, x);
  const { kind, itemsize } = dtypeInfo(lazy.dtype);
  const line = new ChunkedArray(flat(lazy).node);
  const n = line.shape[0] as number; // one axis
  const few = itemsize === 1 ? n > 0 : itemsize === 2 && n > 2 ** 20; // the table of 16 bits is worth its size
  const byTable = "bui".includes(kind) && few && !wanted.index;
  const d = byTable ? distinctByTable(line) : distinctBySorting(line, equalNaN);
  const kept = (node: LayerNode): ChunkedArray => new ChunkedArray(whereTrue(node, d.mask));
  return [
    kept(d.values),
    ...(wanted.index ? [kept(d.index())] : []),
    ...(wanted.inverse ? [new ChunkedArray(shaped(d.inverse(), lazy))] : []),
    ...(wanted.counts ? [kept(d.counts())] : []),
  ];
}

function shaped(inverse: LayerNode, like: LazyArray): LayerNode {
  return like.ndim === 1 ? inverse : reshapeLayer(lazyOf(inverse), like.shape);
}

/**
 * The distinct elements of the flat array, sorted: NaN last and once, -0 equal to 0. With options a list: values, index
 * of the first of each, inverse (of the input's shape), counts, as far as asked for.
 *
 * Lazy. Shape: 1-d, of unknown size until `computeChunkSizes()`. dtype: the input's; indices and counts int64. Chunks:
 * one block. Integers of 8 bits, and many of 16, are counted block by block; others are sorted as one block in memory.
 * @throws {UnsupportedError} axis
 * @example
 * ```ts
 * await unique(array([3, 1, 3, 2])).compute(); // => [1n, 2n, 3n]
 * ```
 * Matches NumPy `unique`.
 */
export function unique(x: ArrayLike, options?: Pick<UniqueOptions, "equalNan">): ChunkedArray;
export function unique(x: ArrayLike, options: UniqueOptions): ChunkedArray | readonly ChunkedArray[];
export function unique(x: ArrayLike, options: UniqueOptions = {}): ChunkedArray | readonly ChunkedArray[] {
  requireKnownOptions("unique", options, {
    returnIndex: true,
    returnInverse: true,
    returnCounts: true,
    equalNan: true,
    axis: true,
  });
  const { returnIndex, returnInverse, returnCounts, equalNan = true, axis } = options;
  if (axis !== undefined && axis !== null)
    throw new UnsupportedError("unique along an axis is not supported; only of the flat array");
  const wanted = { index: returnIndex ?? false, inverse: returnInverse ?? false, counts: returnCounts ?? false };
  const results = distinct("unique", x, wanted, equalNan);
  return results.length === 1 ? (results[0] as ChunkedArray) : results;
}

/** Distinct elements; each NaN is one of its own. The Array API's `unique_values`; otherwise as {@link unique}. */
export function uniqueValues(x: ArrayLike): ChunkedArray {
  return distinct("uniqueValues", x, {}, false)[0] as ChunkedArray; // always there
}

/** Distinct elements and how often each occurs. The Array API's `unique_counts`. */
export function uniqueCounts(x: ArrayLike): { readonly values: ChunkedArray; readonly counts: ChunkedArray } {
  const [values, counts] = distinct("uniqueCounts", x, { counts: true }, false) as readonly [
    ChunkedArray,
    ChunkedArray,
  ]; // as asked for
  return { values, counts };
}

/** Distinct elements and, of the input's shape, which of them each element is. The Array API's `unique_inverse`. */
export function uniqueInverse(x: ArrayLike): { readonly values: ChunkedArray; readonly inverseIndices: ChunkedArray } {
  const both = distinct("uniqueInverse", x, { inverse: true }, false) as readonly [ChunkedArray, ChunkedArray]; // as asked for
  return { values: both[0], inverseIndices: both[1] };
}

/** What {@link uniqueAll} gives. */
export interface UniqueAll {
  readonly values: ChunkedArray;
  /** Index of the first of each in the flat array. */
  readonly indices: ChunkedArray;
  /** Of the input's shape. */
  readonly inverseIndices: ChunkedArray;
  readonly counts: ChunkedArray;
}

/** Distinct elements, the index of the first of each, which of them each element is, and counts. The Array API's `unique_all`. */
export function uniqueAll(x: ArrayLike): UniqueAll {
  const all = distinct("uniqueAll", x, { index: true, inverse: true, counts: true }, false);
  const [values, indices, inverseIndices, counts] = all as readonly [
    ChunkedArray,
    ChunkedArray,
    ChunkedArray,
    ChunkedArray,
  ]; // as asked for
  return { values, indices, inverseIndices, counts };
}

/** The distinct elements of two arrays, sorted. Matches NumPy `union1d`. */
export function union1d(x: ArrayLike, y: ArrayLike): ChunkedArray {
  const parts = [x, y].map((a) => new ChunkedArray(flat(known("union1d", a)).node));
  return unique(concatenate(parts, 0));
}
