/** The lazy chunked array: dask.array's Array in TypeScript. */
import { AxisError, formatBytes, inspectAsText, OperatorError, ShapeError } from "../base/index.ts";
import { asDType, type DType, itemsize, type Scalar } from "../dtype/index.ts";
import {
  type ChunkSpec,
  type Chunks,
  type LayerNode,
  type Plan,
  rechunkNode,
  sameChunks,
  shapeOfChunks,
  sliceNode,
  transposeNode,
} from "../graph/index.ts";
import { type NDArray, normalizeAxis, parseIndex, type SliceArg, sizeOf } from "../ndarray/index.ts";
import { assembleBlocks, type Computable, type ComputeOptions, computeAll, explainAll } from "./compute.ts";
import { elementwise, type Operand } from "./elementwise.ts";
import { cutChunks, type LazyArray } from "./lazy.ts";
import { type Axis, type ReduceOptions, reduceLayer } from "./reduce.ts";
import {
  type BinaryName,
  binaryTerm,
  clipTerm,
  isinTerm,
  lift,
  roundTerm,
  type Term,
  type UnaryName,
  unaryTerm,
  whereTerm,
} from "./terms.ts";

/**
 * A lazy n-dimensional array cut into blocks. Every method builds a layer and returns at once; `compute` runs.
 *
 * Semantics and dtypes are NumPy 2's; chunks are Dask's (api.md §§3, 6).
 */
export class ChunkedArray implements LazyArray, Computable<NDArray> {
  /** The layer behind the array. */
  readonly node: LayerNode;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly chunks: Chunks;

  constructor(node: LayerNode) {
    this.node = node;
    this.chunks = node.layer.chunks;
    this.shape = shapeOfChunks(this.chunks);
    this.dtype = node.layer.dtype;
  }

  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
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
    return this.chunks.map((c) => Math.max(0, ...c));
  }

  get numblocks(): readonly number[] {
    return this.chunks.map((c) => c.length);
  }

  get npartitions(): number {
    return sizeOf(this.numblocks);
  }

  /** Name of the layer: the first part of its blocks' keys. */
  get name(): string {
    return this.node.layer.name;
  }

  get outputs(): readonly LayerNode[] {
    return [this.node];
  }

  assemble(blocks: readonly (readonly NDArray[])[]): NDArray {
    return assembleBlocks(this.dtype, this.chunks, blocks[0] ?? []);
  }

  add(other: Operand): ChunkedArray {
    return this.#binary("add", other);
  }
  /** Difference. Unsigned results wrap as NumPy's do (1 - 2 = 65535 in uint16). */
  sub(other: Operand): ChunkedArray {
    return this.#binary("sub", other);
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
    return this.#unary("neg");
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
    return to === this.dtype ? this : this.#map("astype", [this], (b, [x]) => ({ node: lift(b, x as Term, to) }));
  }

  /**
   * Basic indexing as in NumPy: `x.slice("10:20, :, ::-1")`, `x.slice([10, 20], ":", -1, null, "...")`.
   * A number drops the axis, null adds one. Blocks of the result follow the input's cuts; slices of sources read only what they name.
   * @throws {SelectionError} out of bounds or no slice
   */
  slice(...index: readonly SliceArg[]): ChunkedArray {
    return new ChunkedArray(sliceNode(this.node, parseIndex(index, this.shape)));
  }

  /** The same values cut differently; forms of `chunks` as api.md §3. @throws {ChunkError} sizes that do not add up */
  rechunk(chunks: ChunkSpec): ChunkedArray {
    const cut = cutChunks(this.shape, this.dtype, chunks, { previous: this.chunks });
    return sameChunks(cut, this.chunks) ? this : new ChunkedArray(rechunkNode(this.node, cut));
  }

  /** Axes permuted; reversed without arguments. @throws {AxisError} no permutation */
  transpose(...axes: readonly number[]): ChunkedArray {
    const order =
      axes.length === 0 ? this.shape.map((_, k) => this.ndim - 1 - k) : axes.map((a) => normalizeAxis(a, this.ndim));
    if (order.length !== this.ndim || new Set(order).size !== this.ndim)
      throw new AxisError(`transpose(${axes.join(", ")}): expected a permutation of ${this.ndim} axes`);
    return order.every((a, k) => a === k) ? this : new ChunkedArray(transposeNode(this.node, order));
  }

  get T(): ChunkedArray {
    return this.transpose();
  }

  /** Axes of size 1 dropped: all of them, or those named. @throws {ShapeError} a named axis is not of size 1 */
  squeeze(axis?: Axis): ChunkedArray {
    const drop =
      axis === undefined || axis === null
        ? this.shape.flatMap((n, k) => (n === 1 ? [k] : []))
        : [axis].flat().map((a) => normalizeAxis(a, this.ndim));
    for (const k of drop)
      if (this.shape[k] !== 1) throw new ShapeError(`squeeze of axis ${k} of size ${this.shape[k]}: expected size 1`);
    return this.slice(...this.shape.map((_, k): SliceArg => (drop.includes(k) ? 0 : ":")));
  }

  sum(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("sum", this, axis, options));
  }
  mean(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("mean", this, axis, options));
  }
  min(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("min", this, axis, options));
  }
  max(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("max", this, axis, options));
  }
  std(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("std", this, axis, options));
  }
  var(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("var", this, axis, options));
  }
  any(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("any", this, axis, options));
  }
  all(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("all", this, axis, options));
  }
  prod(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("prod", this, axis, options));
  }
  /** Index of the smallest element, along one axis or in the flat array. */
  argmin(axis?: number | null, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("argmin", this, axis, options));
  }
  argmax(axis?: number | null, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("argmax", this, axis, options));
  }
  /** Elements that are not NaN, as int64 (Xarray's and pandas' `count`). */
  count(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    const value = (b: Parameters<typeof unaryTerm>[0], x: number): { value: number; mask: number } => {
      const nan = unaryTerm(b, "isnan", { node: x });
      return { value: x, mask: b.unary("not", (nan as { node: number }).node) };
    };
    return new ChunkedArray(reduceLayer("count", this, axis, options, { value }));
  }
  nansum(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nansum", this, axis, options));
  }
  nanmean(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanmean", this, axis, options));
  }
  nanmin(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanmin", this, axis, options));
  }
  nanmax(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanmax", this, axis, options));
  }
  nanprod(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanprod", this, axis, options));
  }
  nanvar(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanvar", this, axis, options));
  }
  nanstd(axis?: Axis, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanstd", this, axis, options));
  }
  nanargmin(axis?: number | null, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanargmin", this, axis, options));
  }
  nanargmax(axis?: number | null, options?: ReduceOptions): ChunkedArray {
    return new ChunkedArray(reduceLayer("nanargmax", this, axis, options));
  }

  /** Run, and give the whole array as one block in memory. */
  async compute(options: ComputeOptions = {}): Promise<NDArray> {
    return (await computeAll([this], options))[0] as NDArray; // one result per computable
  }

  /** Tasks, bytes to read and peak bytes, before anything runs. @throws {MemoryBudgetError} it cannot fit */
  explain(options: ComputeOptions = {}): Promise<Plan> {
    return explainAll([this], options);
  }

  toString(): string {
    return `ChunkedArray<${this.name.replace(/-[0-9a-f]+$/, "")}, shape=(${this.shape.join(", ")}), dtype=${this.dtype}, chunks=(${this.chunksize.join(", ")}), ${this.npartitions} blocks, ${formatBytes(this.nbytes)}>`;
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

/** True for lazy arrays of this class. */
export function isChunkedArray(value: unknown): value is ChunkedArray {
  return value instanceof ChunkedArray;
}
