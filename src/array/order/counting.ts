/** Places among edges, counts and histograms: NumPy's names over lazy arrays. */
import { ArgumentError, DTypeError, requireKnownOptions, ShapeError, UnsupportedError } from "../../base/index.ts";
import { castScalar, type DType, dtypeInfo, type Scalar } from "../../dtype/index.ts";
import { applyNode, arangeNode, type BlockInput, type LayerNode, rechunkNode, sameChunks } from "../../graph/index.ts";
import { blockScratch } from "../../kernels/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { elementwise } from "../elementwise/layer.ts";
import { binaryTerm, type Term } from "../elementwise/terms.ts";
import { known } from "../inputs.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reduceLayer } from "../reduce/layer.ts";
import { type ArrayLike, fromArray, zeros } from "../shape/create.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { whereTrue } from "../unknown.ts";
import { wholeAlong } from "./select-layer.ts";

/** Numbers in memory: what edges are given as. */
export type Numbers = NDArray | readonly number[] | Float64Array | Float32Array | Int32Array;

function numbersOf(values: Numbers, what: string): number[] {
  const block = values instanceof NDArray ? values : null;
  if (block !== null && block.ndim !== 1) throw new ShapeError(`${what} of rank ${block.ndim}: expected one axis`);
  const list = block === null ? Array.from(values as readonly number[]) : (block.toArray() as Scalar[]); // one axis
  return list.map((v) => {
    if (typeof v === "number" || typeof v === "bigint" || typeof v === "boolean") return Number(v);
    throw new ArgumentError(`${what}: ${String(v)} is not a number`);
  });
}

function refuse(what: string, dtype: DType): void {
  const { kind } = dtypeInfo(dtype);
  if (kind === "c" || kind === "M" || kind === "m") throw new DTypeError(`${what} is not defined for ${dtype}`);
}

/** Layer of places of `v` among the sorted `edges`, one block. */
function locate(
  label: string,
  v: LazyArray,
  edges: LayerNode,
  params: { readonly side: "left" | "right"; readonly descending: boolean },
): LayerNode {
  const facts = { dtype: v.dtype, shape: [] };
  return applyNode(label, {
    kernel: "locate",
    params,
    inputs: [
      { layer: v.node, axes: v.shape.map((_, k) => k) },
      { layer: edges, axes: [null] },
    ],
    dtype: "int64",
    chunks: v.chunks,
    scratchBytes: blockScratch("locate", [facts], { dtype: "int64", shape: [] }, null),
  });
}

/** Options of `searchsorted`. */
export interface SearchOptions {
  /** Before (`left`, the default) or after equal elements. */
  readonly side?: "left" | "right";
  /** Not supported: take the sorted elements. */
  readonly sorter?: null;
}

/**
 * Where the elements of `v` would be inserted into the sorted 1-d `a` to keep it sorted; NaN sorts last.
 *
 * Lazy. Shape: `v`'s. dtype int64. Chunks: `v`'s; `a` becomes one block, which every task holds.
 * @throws {ShapeError} `a` is not 1-d  @throws {DTypeError} complex or dates  @throws {UnsupportedError} sorter
 * @example
 * ```ts
 * await searchsorted(array([1, 3, 5]), array([0, 3, 9])).compute(); // => [0n, 1n, 3n]
 * ```
 * Matches NumPy `searchsorted` and dask.array `searchsorted`.
 */
export function searchsorted(a: ArrayLike, v: ArrayLike, options: SearchOptions = {}): ChunkedArray {
  requireKnownOptions("searchsorted", options, { side: true, sorter: true });
  const { side = "left", sorter } = options;
  if (sorter !== undefined && sorter !== null)
    throw new UnsupportedError("searchsorted with a sorter is not supported; give take(a, sorter) instead of a");
  if (side !== "left" && side !== "right")
    throw new ArgumentError(`searchsorted: side ${JSON.stringify(side)}: expected "left" or "right"`);
  const [sorted, values] = [known("searchsorted", a), known("searchsorted", v)];
  if (sorted.ndim !== 1) throw new ShapeError(`searchsorted in an array of ${sorted.ndim} axes: expected one`);
  for (const d of [sorted.dtype, values.dtype]) refuse("searchsorted", d);
  return new ChunkedArray(locate("searchsorted", values, wholeAlong(sorted, [0]).node, { side, descending: false }));
}

/** Options of `digitize`. */
export interface DigitizeOptions {
  /** Intervals include their right end instead of their left. */
  readonly right?: boolean;
}

/**
 * Number of the interval between `bins` that each element lies in: 0 below the first, `bins.length` above the last.
 * Bins rise or fall.
 *
 * Lazy. Shape: the input's. dtype int64. Chunks: the input's.
 * @throws {ArgumentError} bins that do neither  @throws {DTypeError} complex or dates
 * @example
 * ```ts
 * await digitize(array([0.5, 1, 7]), [0, 1, 2]).compute(); // => [1n, 2n, 3n]
 * ```
 * Matches NumPy `digitize`.
 */
export function digitize(x: ArrayLike, bins: Numbers, options: DigitizeOptions = {}): ChunkedArray {
  requireKnownOptions("digitize", options, { right: true });
  const lazy = known("digitize", x);
  refuse("digitize", lazy.dtype);
  const edges = numbersOf(bins, "digitize: bins");
  const rises = edges.every((e, i) => i === 0 || e >= (edges[i - 1] as number));
  const falls = edges.every((e, i) => i === 0 || e <= (edges[i - 1] as number));
  if (!rises && !falls) throw new ArgumentError(`digitize: bins [${edges.join(", ")}] neither rise nor fall`);
  const node = fromArray(NDArray.of(Float64Array.from(edges)), { chunks: -1 }).node;
  const side = options.right ? "left" : "right";
  return new ChunkedArray(locate("digitize", lazy, node, { side, descending: !rises }));
}

/** `x` and perhaps weights, cut alike, as inputs of a layer of one count per block. */
function counted(
  kernel: "bincount" | "count-bins",
  x: LazyArray,
  o: { readonly bins: number; readonly edges?: LayerNode; readonly weights: LazyArray | null },
): LayerNode {
  const axes = x.shape.map((_, k) => k);
  const inputs: BlockInput<LayerNode>[] = [{ layer: x.node, axes }];
  if (o.edges !== undefined) inputs.push({ layer: o.edges, axes: [null] });
  if (o.weights !== null) {
    const { node, chunks } = o.weights;
    inputs.push({ layer: sameChunks(chunks, x.chunks) ? node : rechunkNode(node, x.chunks), axes });
  }
  const dtype = o.weights === null ? "int64" : "float64";
  const partial = applyNode(kernel, {
    kernel,
    params: null,
    inputs,
    dtype,
    chunks: [...x.chunks.map((sizes) => sizes.map(() => 1)), [o.bins]],
    scratchBytes: blockScratch(kernel, [], { dtype, shape: [o.bins] }, null),
  });
  return axes.length === 0 ? partial : reduceLayer("sum", lazyOf(partial), axes);
}

function weightsOf(what: string, weights: ArrayLike | null | undefined, x: LazyArray): ChunkedArray | null {
  if (weights === undefined || weights === null) return null;
  const lazy = known(what, weights);
  refuse(`${what} with weights`, lazy.dtype);
  if (lazy.shape.join() !== x.shape.join())
    throw new ShapeError(
      `${what}: weights of shape (${lazy.shape.join(", ")}) for an array of shape (${x.shape.join(", ")})`,
    );
  return lazy;
}

/** Options of `bincount`. */
export interface BincountOptions {
  /** Added up instead of ones. */
  readonly weights?: ArrayLike | null;
  /** Length of the result. */
  readonly minlength?: number;
}

/**
 * How often each number from 0 on occurs in a 1-d array of integers.
 *
 * Lazy. Shape: `minlength`. Without it, arrays of 8 and 16 bits give an array of unknown size (the largest number + 1),
 * others are refused. dtype int64, float64 with weights. Chunks: one block; counts of blocks are added.
 * @throws {ShapeError} not 1-d  @throws {DTypeError} no integers, or uint64  @throws {ArgumentError} no minlength
 * @throws when run, {ArgumentError} a number that is negative or beyond `minlength` (NumPy makes the result longer)
 * @example
 * ```ts
 * await bincount(array([1, 3, 1]), { minlength: 4 }).compute(); // => [0n, 2n, 0n, 1n]
 * ```
 * Matches NumPy `bincount`.
 */
export function bincount(x: ArrayLike, options: BincountOptions = {}): ChunkedArray {
  requireKnownOptions("bincount", options, { minlength: true, weights: true });
  const lazy = known("bincount", x);
  const { minlength = 0 } = options;
  if (!Number.isInteger(minlength) || minlength < 0)
    throw new ArgumentError(`bincount: minlength ${minlength}: expected a whole number, at least 0`);
  if (lazy.ndim !== 1) throw new ShapeError(`bincount of an array of ${lazy.ndim} axes: expected one; ravel it`);
  const { kind, itemsize } = dtypeInfo(lazy.dtype);
  if (!"bui".includes(kind) || lazy.dtype === "uint64")
    throw new DTypeError(`bincount of ${lazy.dtype}: expected integers that int64 holds`);
  const weights = weightsOf("bincount", options.weights, lazy);
  const bins = minlength > 0 ? minlength : kind === "b" ? 2 : itemsize <= 2 ? 2 ** (8 * itemsize) : null;
  if (lazy.shape[0] === 0) return zeros([minlength], { dtype: weights === null ? "int64" : "float64" });
  if (bins === null)
    throw new ArgumentError(`bincount of ${lazy.dtype} needs minlength: its result's size depends on the values`);
  const counts = counted("bincount", lazy, { bins, weights });
  if (minlength > 0) return new ChunkedArray(counts);
  const largest = lazyOf(reduceLayer("max", lazy, null));
  const index = lazyOf(arangeNode("int64", [[bins]], 0, 1));
  const inside = elementwise("le", [index, largest], (b, [i, m]) => binaryTerm(b, "le", i as Term, m as Term));
  return new ChunkedArray(whereTrue(counts, inside));
}

/** Options of `histogram`. */
export interface HistogramOptions {
  /** Number of bins of one width over `range`, or the edges. */
  readonly bins?: number | Numbers;
  readonly range?: readonly [number, number];
  /** Divide by the widths and the number of elements, so that the integral is 1. */
  readonly density?: boolean;
  readonly weights?: ArrayLike | null;
}

/** `count` evenly spaced numbers as NumPy's `linspace` has them. */
function spaced([first, last]: readonly [number, number], bins: number): Float64Array {
  const step = (last - first) / bins;
  const edges = Float64Array.from({ length: bins + 1 }, (_, i) => i * step + first);
  edges[bins] = last;
  return edges;
}

/** Limits as NumPy checks them. */
function limitsOf(what: string, range: readonly [number, number] | undefined): readonly [number, number] {
  if (range === undefined)
    throw new ArgumentError(
      `${what} needs the edges of its bins, or their number and a range: values are not known yet`,
    );
  const [first, last] = range;
  if (!Number.isFinite(first) || !Number.isFinite(last) || first > last)
    throw new ArgumentError(`${what}: range [${first}, ${last}]: expected two finite numbers that rise`);
  return first === last ? [first - 0.5, last + 0.5] : [first, last];
}

function binCount(what: string, bins: number): number {
  if (!Number.isInteger(bins) || bins < 1)
    throw new ArgumentError(`${what}: ${bins} bins: expected a whole number, at least 1`);
  return bins;
}

function risingEdges(what: string, bins: Numbers): NDArray {
  const edges = numbersOf(bins, `${what}: bins`);
  if (edges.length < 2 || edges.some((e, i) => i > 0 && e < (edges[i - 1] as number)))
    throw new ArgumentError(`${what}: bins [${edges.join(", ")}]: expected at least two edges that rise`);
  if (bins instanceof NDArray) return bins;
  return edgesBlock(
    Float64Array.from(edges),
    edges.every(Number.isInteger) && Array.isArray(bins) ? "int64" : "float64",
  );
}

function edgesBlock(values: Float64Array, dtype: DType): NDArray {
  const block = NDArray.zeros(dtype, [values.length]);
  values.forEach((v, i) => {
    block.data[i] = castScalar(v, dtype) as never; // of its dtype
  });
  return block;
}

/**
 * Counts of elements between edges: half-open bins, the last one closed. Gives the counts and the edges.
 *
 * Lazy. Shape: one number per bin; the array is counted flat. dtype: int64; with weights theirs; with `density` float64.
 * Chunks: one block; the counts of blocks are added.
 * @throws {ArgumentError} no edges and no range, or such that do not rise  @throws {DTypeError} complex or dates
 * @example
 * ```ts
 * const [counts] = histogram(array([0, 1, 2, 3, 4, 4]), { bins: 4, range: [0, 4] });
 * await counts.compute(); // => [1n, 1n, 1n, 3n]
 * ```
 * Matches NumPy `histogram`; sums of weights add in another order.
 */
export function histogram(
  x: ArrayLike,
  options: HistogramOptions = {},
): readonly [counts: ChunkedArray, edges: ChunkedArray] {
  requireKnownOptions("histogram", options, { bins: true, range: true, density: true, weights: true });
  const lazy = known("histogram", x);
  refuse("histogram", lazy.dtype);
  const { bins = 10, density = false } = options;
  const weights = weightsOf("histogram", options.weights, lazy);
  const float = dtypeInfo(lazy.dtype).kind === "f" ? lazy.dtype : "float64";
  const block =
    typeof bins === "number"
      ? edgesBlock(spaced(limitsOf("histogram", options.range), binCount("histogram", bins)), float)
      : risingEdges("histogram", bins);
  const edges = fromArray(block, { chunks: -1 });
  const sums = counted("count-bins", lazy, { bins: block.size - 1, edges: edges.node, weights });
  const counts = new ChunkedArray(sums).astype(weights?.dtype ?? "int64");
  if (!density) return [counts, edges];
  const values = numbersOf(block, "edges");
  const widths = Float64Array.from(
    { length: values.length - 1 },
    (_, i) => (values[i + 1] as number) - (values[i] as number),
  );
  return [counts.div(NDArray.of(widths)).div(counts.sum()), edges];
}

/** Options of `histogramdd` and `histogram2d`. */
export interface HistogramddOptions {
  /** Bins of all axes, or of each: a number over its range, or edges. */
  readonly bins?: number | readonly (number | Numbers)[];
  readonly range?: readonly (readonly [number, number])[];
  readonly density?: boolean;
  readonly weights?: ArrayLike | null;
}

/** Counts in a grid of bins. */
export type GridHistogram = readonly [counts: ChunkedArray, edges: readonly ChunkedArray[]];

/**
 * Counts of points in a grid of bins. `sample`: (points, axes), or a list of coordinates per axis.
 *
 * Lazy. Shape: bins per axis. dtype float64. Chunks: one block.
 * @throws {ArgumentError} as {@link histogram}, or bins or ranges for other than all axes
 * @throws {ShapeError} coordinates of different lengths
 *
 * Matches NumPy `histogramdd`.
 */
export function histogramdd(sample: ArrayLike | readonly ArrayLike[], options: HistogramddOptions = {}): GridHistogram {
  requireKnownOptions("histogramdd", options, { bins: true, range: true, density: true, weights: true });
  const points = coordinates(sample);
  const { bins = 10, range, density = false } = options;
  const each = typeof bins === "number" ? points.map(() => bins) : bins;
  for (const list of [each, range ?? each])
    if (list.length !== points.length)
      throw new ArgumentError(`histogramdd: ${list.length} bins or ranges for ${points.length} axes`);
  const edges = each.map((b, k) =>
    typeof b === "number"
      ? NDArray.of(spaced(limitsOf("histogramdd", range?.[k]), binCount("histogramdd", b)))
      : risingEdges("histogramdd", b),
  );
  const grid = edges.map((e) => e.size + 1); // a row of outliers at each end
  const places = points.map((p, k) => placesIn(p, edges[k] as NDArray));
  const flat = places.reduce((at, p, k) => at.mul(grid[k] as number).add(p));
  const [first] = points as [ChunkedArray, ...ChunkedArray[]];
  const total = grid.reduce((a, b) => a * b, 1);
  const weights = weightsOf("histogramdd", options.weights, first);
  const sums = counted("bincount", lazyOf(flat.node), { bins: total, weights });
  const all = new ChunkedArray(reshapeLayer(lazyOf(sums), grid)).astype("float64");
  const core = all.slice(...grid.map((n): [number, number] => [1, n - 1]));
  const lazyEdges = edges.map((e) => fromArray(e, { chunks: -1 }));
  return [density ? densityOf(core, edges) : core, lazyEdges];
}

function coordinates(sample: ArrayLike | readonly ArrayLike[]): ChunkedArray[] {
  const isList = Array.isArray(sample) && sample.every((s) => typeof s === "object");
  const list = isList
    ? (sample as readonly ArrayLike[]).map((s) => known("histogramdd", s))
    : columns(known("histogramdd", sample as ArrayLike)); // no list of arrays
  const [first] = list;
  if (first === undefined) throw new ArgumentError("histogramdd of no axes");
  for (const p of list) {
    refuse("histogramdd", p.dtype);
    if (p.ndim !== 1 || p.shape[0] !== first.shape[0])
      throw new ShapeError(`histogramdd: coordinates of shapes (${first.shape.join()}) and (${p.shape.join()})`);
  }
  return list.map(
    (p) => new ChunkedArray(sameChunks(p.chunks, first.chunks) ? p.node : rechunkNode(p.node, first.chunks)),
  );
}

function columns(points: ChunkedArray): ChunkedArray[] {
  if (points.ndim === 1) return [points];
  if (points.ndim !== 2) throw new ShapeError(`histogramdd of rank ${points.ndim}: expected (points, axes)`);
  return Array.from({ length: points.shape[1] as number }, (_, k) => points.slice(":", k));
}

/** Bins from 1 on, 0 and the last for what lies outside; the last edge belongs to the last bin. */
function placesIn(p: ChunkedArray, edges: NDArray): ChunkedArray {
  const node = fromArray(edges, { chunks: -1 }).node;
  const place = new ChunkedArray(locate("digitize", p, node, { side: "right", descending: false }));
  const last = numbersOf(edges, "edges").at(-1) as number;
  return place.sub(p.eq(last).astype("int64"));
}

function densityOf(counts: ChunkedArray, edges: readonly NDArray[]): ChunkedArray {
  const per = edges.reduce((h, e, k) => {
    const v = numbersOf(e, "edges");
    const widths = Float64Array.from({ length: v.length - 1 }, (_, i) => (v[i + 1] as number) - (v[i] as number));
    return h.div(
      NDArray.of(
        widths,
        edges.map((_, axis) => (axis === k ? widths.length : 1)),
      ),
    );
  }, counts);
  return per.div(counts.sum());
}

/** Options of `histogram2d`: one number or list of edges for both axes, or one each. */
export interface Histogram2dOptions extends Omit<HistogramddOptions, "bins"> {
  readonly bins?: number | readonly number[] | readonly [number | Numbers, number | Numbers];
}

/**
 * Counts of points in a plane. Gives counts and the edges of both axes. A list of other than two numbers is edges for both.
 *
 * Lazy; otherwise as {@link histogramdd}. Matches NumPy `histogram2d`.
 */
export function histogram2d(
  x: ArrayLike,
  y: ArrayLike,
  options: Histogram2dOptions = {},
): readonly [counts: ChunkedArray, xEdges: ChunkedArray, yEdges: ChunkedArray] {
  requireKnownOptions("histogram2d", options, { bins: true, range: true, density: true, weights: true });
  const { bins = 10 } = options;
  const both = typeof bins === "number" ? [bins, bins] : bins.length === 2 ? bins : [bins, bins];
  const [counts, edges] = histogramdd([known("histogram2d", x), known("histogram2d", y)], {
    ...options,
    bins: both as readonly (number | Numbers)[], // two entries, or edges twice
  });
  return [counts, edges[0] as ChunkedArray, edges[1] as ChunkedArray];
}
