/** The lazy chunked array: dask.array's Array in TypeScript. */
import { AxisError, inspectAsText, OperatorError, ShapeError } from "../base/index.ts";
import { asDType, type DType, itemsize, type Scalar, type TypedArray } from "../dtype/index.ts";
import {
  type ChunkSpec,
  type Chunks,
  type LayerNode,
  type Plan,
  shapeOfChunks,
  transposeNode,
} from "../graph/index.ts";
import { type NDArray, normalizeAxes, normalizeAxis, type SliceArg, sizeOf } from "../ndarray/index.ts";
import { assembleBlocks, type Joined, joinedOf, type ResultMemory } from "./assemble.ts";
import { type BlockFunction, type MapBlocksOptions, mapBlocksNode } from "./blocks/map-layer.ts";
import { type MapOverlapOptions, mapOverlapNode } from "./blocks/overlap-map.ts";
import type { ArgumentValue } from "./blocks/travel.ts";
import { type Computable, type ComputeOptions, computeAll, explainAll, settleAll, type Unsettled } from "./compute.ts";
import { conjNode, imagNode, realNode } from "./elementwise/complex-terms.ts";
import { elementwise, type Operand } from "./elementwise/layer.ts";
import {
  type BinaryName,
  binaryTerm,
  clipTerm,
  isinTerm,
  lift,
  roundTerm,
  strong,
  type Term,
  type UnaryName,
  unaryTerm,
  whereTerm,
} from "./elementwise/terms.ts";
import { warnOfCast, warnOfWrap } from "./elementwise/wrap-warning.ts";
import { holdsUnder } from "./holds.ts";
import { arrayNode, type LazyArray, lazyOf } from "./lazy.ts";
import { matmulLayer } from "./linalg/contract.ts";
import { persistAll } from "./persist.ts";
import { arraySvg, arrayText } from "./picture.ts";
import { RankedMethods } from "./ranked-methods.ts";
import { type Axis, type AxisOrOptions, type ReduceOptions, reduceLayer } from "./reduce/layer.ts";
import { type Assigned, indexParts, setitemLayer } from "./shape/assign.ts";
import { type IndexArg, type Indices, indexLayer, takeAnyLayer } from "./shape/indexing.ts";
import { type PointIndex, pointsLayer } from "./shape/points.ts";
import { blocksLayer, repeatLayer, viewLayer } from "./shape/rearranging.ts";
import { type RechunkOptions, rechunkLayer } from "./shape/rechunk.ts";
import { reshapeLayer } from "./shape/reshape.ts";
import { lazyStore, type StoreArrayOptions, type StoreTarget } from "./store/store-write.ts";
import type { Written } from "./store/write.ts";
import { type ArrayZarrOptions, zarrWrite } from "./store/zarr-write.ts";
import { compressedNode, countNode, reportedChunks, type SelectedNode, selectionOf, unknownShape } from "./unknown.ts";
import { type VisualizeOptions, visualize } from "./visualize.ts";

/**
 * A lazy n-dimensional array cut into blocks. Every method builds a layer and returns at once; `compute` runs.
 *
 * Semantics and dtypes are NumPy 2's; chunks are Dask's (api.md §§3, 6).
 */
export class ChunkedArray extends RankedMethods<ChunkedArray> implements LazyArray, Computable<NDArray> {
  /** Null where a size is unknown; {@link UnknownArray} is the type that says so. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly chunks: Chunks;
  /** Values and mask of an array whose size is unknown along an axis; null when all sizes are known. */
  readonly selected: SelectedNode | null;
  readonly #node: LayerNode;

  constructor(node: LayerNode) {
    super();
    const selection = selectionOf(node);
    this.#node = node;
    this.selected = selection && (node as SelectedNode); // a node with a selection is one
    // What gives arrays of unknown size to callers says so in its type.
    this.chunks = this.selected ? (reportedChunks(this.selected) as number[][]) : node.layer.chunks;
    this.shape = shapeOfChunks(this.chunks).map((n, k) => (selection?.axis === k ? (null as unknown as number) : n));
    this.dtype = node.layer.dtype;
  }

  protected made(node: LayerNode): ChunkedArray {
    return new ChunkedArray(node);
  }

  /** The layer behind the array. @throws {UnknownShapeError} a size is unknown */
  get node(): LayerNode {
    if (this.selected) throw unknownShape("this operation", this.selected.selection.axis);
    return this.#node;
  }

  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. @throws {UnknownShapeError} */
  get size(): number {
    if (this.selected) throw unknownShape("size", this.selected.selection.axis);
    return sizeOf(this.shape);
  }

  get itemsize(): number {
    return itemsize(this.dtype);
  }

  get nbytes(): number {
    return this.size * this.itemsize;
  }

  /** Extents of the largest block. */
  get chunksize(): readonly number[] {
    return this.chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0));
  }

  get numblocks(): readonly number[] {
    return this.chunks.map((c) => c.length);
  }

  get npartitions(): number {
    return sizeOf(this.numblocks);
  }

  /** Name of the layer: the first part of its blocks' keys. */
  get name(): string {
    return this.#node.layer.name;
  }

  get outputs(): readonly LayerNode[] {
    return [this.node];
  }

  /** The count of what a mask keeps, where a size is unknown. */
  get before(): Unsettled<NDArray> | null {
    const { selected } = this;
    return (
      selected && {
        outputs: [countNode(selected)],
        atMost: [compressedNode(selected, (sizes) => sizes)],
        settle: (blocks) =>
          new ChunkedArray(compressedNode(selected, () => (blocks[0] ?? []).map((b) => Number(b.item())))),
      }
    );
  }

  get joined(): Joined | null {
    return this.selected ? null : joinedOf(this.#node);
  }

  assemble(blocks: readonly (readonly NDArray[])[], memory?: ResultMemory): NDArray {
    return assembleBlocks(this.dtype, this.chunks, blocks[0] ?? [], memory);
  }

  add(other: Operand): ChunkedArray {
    return this.#binary("add", other);
  }
  /** Difference. Unsigned results wrap as NumPy's do (1 - 2 = 65535 in uint16). */
  sub(other: Operand): ChunkedArray {
    return warnOfWrap("sub", this.#binary("sub", other));
  }
  mul(other: Operand): ChunkedArray {
    return this.#binary("mul", other);
  }
  /** True division: integers give float64. */
  div(other: Operand): ChunkedArray {
    return this.#binary("div", other);
  }
  floordiv(other: Operand): ChunkedArray {
    return this.#binary("floordiv", other);
  }
  mod(other: Operand): ChunkedArray {
    return this.#binary("mod", other);
  }
  pow(other: Operand): ChunkedArray {
    return this.#binary("pow", other);
  }
  gt(other: Operand): ChunkedArray {
    return this.#binary("gt", other);
  }
  ge(other: Operand): ChunkedArray {
    return this.#binary("ge", other);
  }
  lt(other: Operand): ChunkedArray {
    return this.#binary("lt", other);
  }
  le(other: Operand): ChunkedArray {
    return this.#binary("le", other);
  }
  eq(other: Operand): ChunkedArray {
    return this.#binary("eq", other);
  }
  ne(other: Operand): ChunkedArray {
    return this.#binary("ne", other);
  }
  /** Logical and of bools, bitwise of integers. */
  and(other: Operand): ChunkedArray {
    return this.#binary("and", other);
  }
  or(other: Operand): ChunkedArray {
    return this.#binary("or", other);
  }
  xor(other: Operand): ChunkedArray {
    return this.#binary("xor", other);
  }
  shl(other: Operand): ChunkedArray {
    return this.#binary("shl", other);
  }
  shr(other: Operand): ChunkedArray {
    return this.#binary("shr", other);
  }
  /** Larger of each pair; NaN propagates. NumPy `maximum`. */
  maximum(other: Operand): ChunkedArray {
    return this.#binary("maximum", other);
  }
  minimum(other: Operand): ChunkedArray {
    return this.#binary("minimum", other);
  }
  not(): ChunkedArray {
    return this.#unary("not");
  }
  neg(): ChunkedArray {
    return warnOfWrap("neg", this.#unary("neg"));
  }
  abs(): ChunkedArray {
    return this.#unary("abs");
  }
  isnan(): ChunkedArray {
    return this.#unary("isnan");
  }

  /** Elementwise `cond ? this : other`, NumPy's `where(cond, this, other)`; without `other` NaN (which promotes integers). */
  where(cond: Operand, other: Operand = Number.NaN): ChunkedArray {
    return this.#map("where", [cond, this, other], (b, [c, x, y]) => whereTerm(b, c as Term, x as Term, y as Term));
  }

  /** Limit to `[min, max]`; NaN stays; `min > max` gives `max`. NumPy `clip`. */
  clip(min: Operand | null, max: Operand | null = null): ChunkedArray {
    const given = [min, max].filter((v): v is Operand => v !== null);
    return this.#map("clip", [this, ...given], (b, terms) =>
      clipTerm(
        b,
        terms[0] as Term,
        min === null ? null : (terms[1] as Term),
        max === null ? null : (terms.at(-1) as Term),
      ),
    );
  }

  /** True where an element equals one of `values`; NaN equals nothing. NumPy `isin`. */
  isin(values: readonly Scalar[]): ChunkedArray {
    return this.#map("isin", [this], (b, [x]) => isinTerm(b, x as Term, values));
  }

  /** Half to even, to `decimals` places. NumPy `round`. */
  round(decimals = 0): ChunkedArray {
    return this.#map("round", [this], (b, [x]) => roundTerm(b, x as Term, decimals));
  }

  /**
   * The values as another dtype: floats truncate to integers and wrap (kernels.md §11).
   * @throws {DTypeError} unknown dtype
   */
  astype(dtype: DType): ChunkedArray {
    const to = asDType(dtype);
    warnOfCast(this.dtype, to);
    return to === this.dtype ? this : this.#map("astype", [this], (b, [x]) => ({ node: lift(b, x as Term, to) }));
  }

  /**
   * Indexing as in NumPy: `x.slice("10:20, :, ::-1")`, `x.slice([10, 20], ":", -1, null, "...")`, and one list or mask:
   * `x.slice(":", Int32Array.of(4, 2))`, `x.slice(mask)`.
   *
   * A number drops the axis, null adds one; `[start, stop, step]` is a slice. Blocks of the result follow the input's
   * cuts; slices of sources read only what they name. After a lazy mask a size is unknown (null): elementwise work,
   * reductions and `compute` go on, what needs the size wants `computeChunkSizes()`.
   * @throws {SelectionError} out of bounds, no slice, a mask of another shape, more than one list or mask
   */
  slice(...index: readonly (SliceArg | NDArray | TypedArray)[]): ChunkedArray;
  slice(...index: readonly IndexArg[]): UnknownArray;
  slice(...index: readonly IndexArg[]): ChunkedArray {
    return new ChunkedArray(indexLayer(this, index));
  }

  /**
   * The same elements in C order under another shape; one size may be -1. Axes that stay keep their cuts; merged and
   * split axes are cut into runs of the flat order, none more than four times the largest block. NumPy `reshape`.
   * @throws {ShapeError} another number of elements
   */
  reshape(...shape: readonly number[] | readonly [readonly number[]]): ChunkedArray {
    const node = reshapeLayer(this, shape.flat());
    return node === this.node ? this : new ChunkedArray(node);
  }

  /** One axis of all elements in C order. NumPy `ravel`. */
  ravel(): ChunkedArray {
    return this.reshape(-1);
  }
  /** As {@link ravel}. */
  flatten(): ChunkedArray {
    return this.reshape(-1);
  }

  /**
   * Points: `x.vindex([0, 2], [1, 1], ":")`. Lists, typed arrays and blocks of coordinates broadcast; their axes come
   * first, then those of slices. Only blocks with points are touched. dask.array `vindex`.
   * @throws {SelectionError} out of bounds, or no coordinates  @throws {BroadcastError}
   */
  vindex(...index: readonly PointIndex[]): ChunkedArray {
    return new ChunkedArray(pointsLayer(this, index));
  }

  /**
   * A new array with `value` at `index`, cast to this array's dtype and broadcast: `x.setitem("1:3, 0", 5)`,
   * `x.setitem([":", Int32Array.of(4, 2)], row)`, `x.setitem(x.lt(0), 0)`. A list with anything but numbers in it has
   * one part for each axis. Chunks stay. NumPy `x[index] = value`, without changing `x`.
   * @throws {SelectionError} no index that can be assigned to  @throws {BroadcastError} a value of another shape
   */
  setitem(index: IndexArg | readonly IndexArg[], value: Assigned): ChunkedArray {
    return new ChunkedArray(setitemLayer(this, indexParts(index), value));
  }

  /** Elements at `indices` along `axis` (null: of the flat array), whose place the shape of `indices` takes. NumPy `take`. @throws {SelectionError} */
  take(indices: Indices, axis: number | null = null): ChunkedArray {
    return new ChunkedArray(takeAnyLayer(this, indices, axis));
  }

  /** Each element repeated along `axis` (null: in the flat order), all as often or by a list. NumPy `repeat`. @throws {ArgumentError} */
  repeat(repeats: number | readonly number[], axis: number | null = null): ChunkedArray {
    const line = axis === null || this.ndim === 0 ? this.ravel() : this;
    return new ChunkedArray(repeatLayer(line, repeats, normalizeAxis(axis ?? 0, line.ndim)));
  }

  /** The array itself: lazy arrays do not change, so nothing needs a copy. */
  copy(): this {
    return this;
  }

  /** Bytes of the last axis seen as another dtype. NumPy `view`. @throws {ShapeError} bytes that do not divide */
  view(dtype: DType): ChunkedArray {
    return new ChunkedArray(viewLayer(this, asDType(dtype)));
  }

  /** Blocks by number, `x.blocks(0, [2, 4])`: an array of these blocks alone. dask.array `blocks`. @throws {SelectionError} */
  blocks(...index: readonly SliceArg[]): ChunkedArray {
    return new ChunkedArray(blocksLayer(this, index));
  }
  /** As {@link blocks}. */
  partitions(...index: readonly SliceArg[]): ChunkedArray {
    return this.blocks(...index);
  }

  /** The same values cut differently, "auto" after the cuts that it has. @throws {ChunkError} sizes that do not add up */
  rechunk(chunks: ChunkSpec, options: RechunkOptions = {}): ChunkedArray {
    const node = rechunkLayer(this, chunks, options);
    return node === this.node ? this : new ChunkedArray(node);
  }

  /** Axes permuted; reversed without arguments. @throws {AxisError} no permutation */
  transpose(...given: readonly number[] | readonly [readonly number[]]): ChunkedArray {
    const axes = given.flat();
    const order =
      axes.length === 0 ? this.shape.map((_, k) => this.ndim - 1 - k) : axes.map((a) => normalizeAxis(a, this.ndim));
    if (order.length !== this.ndim || new Set(order).size !== this.ndim)
      throw new AxisError(`transpose(${axes.join(", ")}): expected a permutation of ${this.ndim} axes`);
    return order.every((a, k) => a === k) ? this : new ChunkedArray(transposeNode(this.node, order));
  }

  get T(): ChunkedArray {
    return this.transpose();
  }
  /** The last two axes exchanged. @throws {AxisError} fewer than two */
  get mT(): ChunkedArray {
    return this.swapaxes(-1, -2);
  }
  /** Two axes exchanged. NumPy `swapaxes`. @throws {AxisError} */
  swapaxes(axis1: number, axis2: number): ChunkedArray {
    const [a, b] = [normalizeAxis(axis1, this.ndim), normalizeAxis(axis2, this.ndim)];
    return this.transpose(...this.shape.map((_, k) => (k === a ? b : k === b ? a : k)));
  }

  /** Real part; a real array itself. */
  get real(): ChunkedArray {
    return this.#map("real", [this], (b, [x]) => ({ node: realNode(b, strong(b, x as Term)) }));
  }
  /** Imaginary part; zeros of a real array's dtype. */
  get imag(): ChunkedArray {
    return this.#map("imag", [this], (b, [x]) => ({ node: imagNode(b, strong(b, x as Term)) }));
  }
  /** Matrix product; see `matmul`. */
  matmul(other: ChunkedArray | NDArray): ChunkedArray {
    return new ChunkedArray(matmulLayer(this, other instanceof ChunkedArray ? other : lazyOf(arrayNode(other))));
  }
  /** Complex conjugate. */
  conj(): ChunkedArray {
    return this.#map("conj", [this], (b, [x]) => ({ node: conjNode(b, strong(b, x as Term)) }));
  }

  /** Axes of size 1 dropped: all of them, or those named. @throws {ShapeError} a named axis is not of size 1 */
  squeeze(axis?: Axis): ChunkedArray {
    const drop =
      axis === undefined || axis === null
        ? this.shape.flatMap((n, k) => (n === 1 ? [k] : []))
        : this.ndim === 0 && (axis === 0 || axis === -1)
          ? [] // NumPy lets a 0-d array pass
          : normalizeAxes(axis, this.ndim);
    for (const k of drop)
      if (this.shape[k] !== 1) throw new ShapeError(`squeeze of axis ${k} of size ${this.shape[k]}: expected size 1`);
    return this.slice(...this.shape.map((_, k): SliceArg => (drop.includes(k) ? 0 : ":")));
  }

  sum(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("sum", this, axis, options));
  }
  mean(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("mean", this, axis, options));
  }
  min(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("min", this, axis, options));
  }
  max(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("max", this, axis, options));
  }
  std(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("std", this, axis, options));
  }
  var(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("var", this, axis, options));
  }
  any(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("any", this, axis, options));
  }
  all(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("all", this, axis, options));
  }
  prod(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("prod", this, axis, options));
  }
  /** Index of the smallest element, along one axis or in the flat array. */
  argmin(axis?: AxisOrOptions<number | null>, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("argmin", this, axis, options));
  }
  argmax(axis?: AxisOrOptions<number | null>, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("argmax", this, axis, options));
  }
  /** Elements that are not NaN, as int64 (Xarray's and pandas' `count`). */
  count(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    const value = (b: Parameters<typeof unaryTerm>[0], x: number): { value: number; mask: number } => {
      const nan = unaryTerm(b, "isnan", { node: x });
      return { value: x, mask: b.unary("not", (nan as { node: number }).node) };
    };
    return new ChunkedArray(reduceLayer("count", this, axis, options, { value }));
  }
  nansum(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nansum", this, axis, options));
  }
  nanmean(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanmean", this, axis, options));
  }
  nanmin(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanmin", this, axis, options));
  }
  nanmax(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanmax", this, axis, options));
  }
  nanprod(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanprod", this, axis, options));
  }
  nanvar(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanvar", this, axis, options));
  }
  nanstd(axis?: AxisOrOptions, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanstd", this, axis, options));
  }
  nanargmin(axis?: AxisOrOptions<number | null>, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanargmin", this, axis, options));
  }
  nanargmax(axis?: AxisOrOptions<number | null>, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanargmax", this, axis, options));
  }

  /**
   * The same array with all sizes known: runs what decides them (the mask), and nothing when they are known already.
   * dask.array `compute_chunk_sizes`, which changes the array in place.
   */
  async computeChunkSizes(options: ComputeOptions = {}): Promise<ChunkedArray> {
    return (await settleAll([this], options))[0] as ChunkedArray; // its `before` settles to one
  }

  /** A self-contained function on blocks: `x.mapBlocks((block, info, args) => …, { dtype })`. See `mapBlocks`. */
  mapBlocks<A = ArgumentValue>(fn: BlockFunction<[this], A>, options: MapBlocksOptions<A> = {}): ChunkedArray {
    return new ChunkedArray(mapBlocksNode(fn, [this], options));
  }
  /** A self-contained function on blocks with their halos: `x.mapOverlap(fn, { depth: 1 })`. See `mapOverlap`. */
  mapOverlap<A = ArgumentValue>(fn: BlockFunction<[this], A>, options: MapOverlapOptions<A>): ChunkedArray {
    return new ChunkedArray(mapOverlapNode(fn, [this], options));
  }

  /** Write a Zarr v3 store with one array. See `toZarr`. */
  async toZarr(url: string | URL, options: Omit<ArrayZarrOptions, "compute"> = {}): Promise<Written> {
    return (await zarrWrite(this, url, options)).compute();
  }
  /** Give the blocks to an object that takes them, `target.set(region, block)`. See `store`. */
  store(target: StoreTarget, options: Pick<StoreArrayOptions, "regions"> = {}): Promise<void> {
    return lazyStore([this], [target], options.regions).compute();
  }

  /** Run, and give the whole array as one block in memory. */
  async compute(options: ComputeOptions = {}): Promise<NDArray> {
    return (await computeAll([this], options))[0] as NDArray; // one result per computable
  }

  /**
   * Begin to compute and keep the blocks where they are made; gives the array over them. {@link wait} tells when they are there.
   * @throws {MemoryBudgetError} the plan cannot fit
   */
  async persist(options: ComputeOptions = {}): Promise<ChunkedArray> {
    return (await persistAll([this], options))[0] as ChunkedArray; // one per item
  }

  /** The same array over a layer with the same values. */
  over([node]: readonly LayerNode[]): ChunkedArray {
    return new ChunkedArray(node as LayerNode); // one output, one layer
  }

  /** Resolves when the persisted blocks that the array needs are there; at once where it needs none. @throws the first failure */
  async wait(): Promise<void> {
    await Promise.all([...holdsUnder([this.#node])].map((hold) => hold.wait()));
  }

  /** Tasks, bytes to read and peak bytes, before anything runs. @throws {MemoryBudgetError} it cannot fit */
  explain(options: ComputeOptions = {}): Promise<Plan> {
    return explainAll([this], options);
  }

  /** One line: name, shape, dtype, chunks, blocks, bytes and layers; what Node prints. */
  override toString(): string {
    return arrayText({ node: this.#node, shape: this.shape });
  }

  /** The array as a picture: its box cut into blocks, with bytes, shape and counts; the text of an SVG document. */
  toSvg(): string {
    return arraySvg({ node: this.#node, shape: this.shape });
  }

  /** The layers behind the array as a picture; see {@link visualize}. */
  visualize(options?: VisualizeOptions): Promise<string> {
    return visualize(this, options);
  }

  /** Arithmetic operators cannot be overloaded in JavaScript; this refuses instead of giving NaN. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new OperatorError(`an operator such as - was used on a lazy array; write a.sub(b) or expr\`\${a} - \${b}\``);
  }

  #binary(op: BinaryName, other: Operand): ChunkedArray {
    return this.#map(op, [this, other], (b, [x, y]) => binaryTerm(b, op, x as Term, y as Term));
  }

  #unary(op: UnaryName): ChunkedArray {
    return this.#map(op, [this], (b, [x]) => unaryTerm(b, op, x as Term));
  }

  #map(label: string, operands: readonly Operand[], build: Parameters<typeof elementwise>[2]): ChunkedArray {
    return new ChunkedArray(elementwise(label, operands, build));
  }
}

inspectAsText(ChunkedArray.prototype);

/** Methods that work element by element: of an array of unknown size they give one. */
type ElementwiseName = BinaryMethod | "not" | "neg" | "abs" | "isnan" | "where" | "clip" | "isin" | "round" | "astype";
type BinaryMethod = Extract<keyof ChunkedArray, BinaryName>;

type UnknownMembers = {
  readonly [K in Exclude<
    keyof ChunkedArray,
    "shape" | "chunks" | "node" | "size" | "nbytes"
  >]: K extends ElementwiseName ? (...args: Parameters<ChunkedArray[K]>) => UnknownArray : ChunkedArray[K];
};

/** A {@link ChunkedArray} one of whose sizes depends on values: null until `computeChunkSizes()`. */
export interface UnknownArray extends UnknownMembers {
  readonly shape: readonly (number | null)[];
  readonly chunks: readonly (readonly (number | null)[])[];
}

/** True for lazy arrays of this class. */
export function isChunkedArray(value: unknown): value is ChunkedArray {
  return value instanceof ChunkedArray;
}
