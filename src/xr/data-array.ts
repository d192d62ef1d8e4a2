/** The labelled array: a lazy array with names for its axes, coordinates, a place on Earth, and missing values. */

import type { LazyWrite, Written } from "../array/index.ts";
import {
  ChunkedArray,
  type Computable,
  type ComputeOptions,
  computeAll,
  explainAll,
  fromArray,
  type Persistable,
  persistAll,
} from "../array/index.ts";
import { ArgumentError, formatBytes, inspectAsText, OperatorError, SelectionError, shownValue } from "../base/index.ts";
import { asDType, type DType, type Scalar } from "../dtype/index.ts";
import type { Chunks, LayerNode, Plan } from "../graph/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import { sharedAttributes, sharedName } from "./align.ts";
import { transformOf } from "./cf.ts";
import { asCoordinate, coordinateText, type LabelValues } from "./label-values.ts";
import {
  type Attributes,
  type Coordinate,
  coordinateNames,
  coordinateOf,
  type Labelled,
  labelled,
  spatialDims,
} from "./labelled.ts";
import { type AnyOperand, type HasState, hasState, mapSame, mapValues } from "./map.ts";
import { type ReduceName, type ReduceOptions, reduce } from "./reduce.ts";
import { Rio } from "./rio.ts";
import {
  expandDims,
  isel,
  type Labels,
  type Positions,
  renameDims,
  type SelOptions,
  sel,
  transpose,
} from "./select.ts";
import { type NamedChunks, positionalChunks } from "./source.ts";
import type { TimeLike } from "./time.ts";
import { type CogOptions, lazyCog } from "./to-cog.ts";
import { lazyZarr, UNNAMED, type ZarrOptions } from "./to-zarr.ts";
import {
  binaryValue,
  castValue,
  clipValue,
  fillnaValue,
  isinValue,
  isnullValue,
  maskValue,
  notnullValue,
  unaryValue,
  type Value,
  whereValue,
} from "./values.ts";

/** What operations take. */
export type Operand<K extends string = string> = Scalar | DataArray<K> | ChunkedArray | NDArray;

/** A labelled array with its values in memory. */
export type Computed<K extends string = string> = DataArray<K> & { readonly values: NDArray };

/**
 * A lazy labelled array. Every method gives a new one at once; `compute` runs.
 *
 * Names, rules and results are Xarray's, but that a missing value is part of the type: an integer array may carry
 * `nodata`, keeps its dtype through selection and writing, and computes as if it held NaN there (api.md §2). Arrays that
 * are combined must lie on one grid in one coordinate system (§7).
 */
export class DataArray<K extends string = string> implements HasState, Computable<Computed<K>> {
  #state: Labelled;
  #block: NDArray | null;

  /** For this room; users call `xr.dataArray`. */
  constructor(state: Labelled, block: NDArray | null = null) {
    this.#state = state;
    this.#block = null;
    if (block) this.#hold(block);
  }

  /** Values in memory from here on; the lazy form over them is made when it is needed. */
  #hold(block: NDArray): void {
    const { data: _, ...labels } = Object.getOwnPropertyDescriptors(this.#state);
    let lazy: ChunkedArray | null = null;
    const get = (): ChunkedArray => {
      lazy ??= fromArray(block);
      return lazy;
    };
    this.#block = block;
    this.#state = Object.defineProperties({}, { ...labels, data: { get, enumerable: true } }) as Labelled; // all fields, one lazily
    Object.defineProperty(this, "values", { value: block, enumerable: false, configurable: true });
  }

  /** For this room. */
  get state(): Labelled {
    return this.#state;
  }

  get dims(): readonly K[] {
    return this.#state.dims as readonly K[]; // the type's names are the state's
  }

  get shape(): readonly number[] {
    return this.#block?.shape ?? this.#state.data.shape;
  }

  get dtype(): DType {
    return this.#block?.dtype ?? this.#state.data.dtype;
  }

  get chunks(): Chunks {
    return this.#state.data.chunks;
  }

  get attrs(): Attributes {
    return this.#state.attrs;
  }

  get name(): string | null {
    return this.#state.name;
  }

  /** The lazy array without labels; integers hold nodata as it is stored. */
  get data(): ChunkedArray {
    return this.#state.data;
  }

  /** Elements by dimension. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.dims.map((d, k) => [d, this.shape[k] as number])); // one entry per dimension
  }

  /** Coordinate system, grid and nodata. */
  get rio(): Rio<DataArray<K>> {
    return new Rio(this.#state, (state) => new DataArray<K>(state));
  }

  /** Names of the coordinates. */
  get coords(): readonly string[] {
    return coordinateNames(this.#state);
  }

  /**
   * A coordinate as an array of its own, with its values.
   * @throws {SelectionError} no such coordinate, naming those there are
   */
  coord(name: string): Computed {
    const c = coordinateOf(this.#state, name);
    if (!c)
      throw new SelectionError(`no coordinate ${JSON.stringify(name)}; there are ${this.coords.join(", ") || "none"}`);
    const state = labelled({ dims: c.dims, data: fromArray(c.values), attrs: c.attrs, name });
    return new DataArray(state, c.values) as Computed; // the constructor gives it its values
  }

  add<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("add", other);
  }
  /** Difference. Unsigned integers without nodata wrap, with a warning; with nodata they become floats. */
  sub<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("sub", other);
  }
  mul<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("mul", other);
  }
  div<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("div", other);
  }
  floordiv<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("floordiv", other);
  }
  mod<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("mod", other);
  }
  pow<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("pow", other);
  }
  /** False where either is missing, as all comparisons but `ne`. */
  gt<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("gt", other);
  }
  ge<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("ge", other);
  }
  lt<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("lt", other);
  }
  le<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("le", other);
  }
  eq<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("eq", other);
  }
  /** True where either is missing. */
  ne<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("ne", other);
  }
  /** Logical and of bools; bitwise of integers, on what is stored (bit fields have no missing values). */
  and<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("and", other);
  }
  or<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("or", other);
  }
  xor<J extends string = never>(other: Operand<J>): DataArray<K | J> {
    return this.#binary("xor", other);
  }
  not(): DataArray<K> {
    return this.#computed("not", (b, x) => unaryValue(b, "not", x));
  }
  neg(): DataArray<K> {
    return this.#computed("neg", (b, x) => unaryValue(b, "neg", x));
  }
  abs(): DataArray<K> {
    return this.#computed("abs", (b, x) => unaryValue(b, "abs", x));
  }

  /** True where the element is one of `values`; a missing one never is. */
  isin(values: readonly Scalar[]): DataArray<K> {
    return this.#computed("isin", (b, x) => isinValue(b, x, values));
  }
  /** True where the element is missing. */
  isnull(): DataArray<K> {
    return this.#computed("isnull", isnullValue);
  }
  notnull(): DataArray<K> {
    return this.#computed("notnull", notnullValue);
  }

  /**
   * Elements where `cond` is true, else `other`, else missing. Without `other` integers that have nodata keep their
   * dtype; others become float32 (up to 16 bits, bool) or float64.
   */
  where<J extends string = never>(cond: Operand<J>, other?: Operand<J>): DataArray<K | J> {
    if (other === undefined) return this.#same("where", [cond], (b, x, [c]) => maskValue(b, c as Value, x)); // one per operand
    return this.#same("where", [cond, other], (b, x, [c, y]) => whereValue(b, c as Value, x, y as Value)); // one per operand
  }

  /** Missing elements replaced; integers stay integers where `value` fits. */
  fillna<J extends string = never>(value: Operand<J>): DataArray<K | J> {
    return this.#same("fillna", [value], (b, x, [v]) => fillnaValue(b, x, v as Value)); // one per operand
  }

  /** Elements limited to `[min, max]`; missing ones stay. @throws {ArgumentError} neither is given */
  clip(limits: { readonly min?: number; readonly max?: number }): DataArray<K> {
    const { min, max } = limits;
    const given = [min, max].filter((v) => v !== undefined);
    return this.#same("clip", given, (b, x, values) =>
      clipValue(
        b,
        x,
        min === undefined ? null : (values[0] as Value),
        max === undefined ? null : (values.at(-1) as Value),
      ),
    );
  }

  /**
   * Elements as another dtype: floats truncate to integers. Missing is kept: NaN in floats, nodata in integers.
   * @throws {NodataError} missing has no place in the dtype  @throws {DTypeError} no such dtype
   */
  astype(dtype: DType): DataArray<K> {
    const to = asDType(dtype);
    if (to === this.dtype) return this;
    const fill = this.#state.encoding.nodata ?? null;
    return new DataArray(mapSame("astype", this, [], (b, x) => castValue(b, x, to, fill)));
  }

  /** Another name, or (from an object) other names of dimensions and coordinates. */
  rename(name: string): DataArray<K>;
  rename(names: Readonly<Record<string, string>>): DataArray<string>;
  rename(name: string | Readonly<Record<string, string>>): DataArray<string> | DataArray<K> {
    if (typeof name !== "string" && (typeof name !== "object" || name === null))
      throw new ArgumentError(`rename to ${shownValue(name)}: expected a name, or new names by old`);
    return new DataArray<K>(
      typeof name === "string" ? { ...this.#state, name } : renameDims(this.#state, name),
      typeof name === "string" ? this.#block : null,
    );
  }

  /** Attributes added or replaced. */
  assignAttrs(attrs: Attributes): DataArray<K> {
    return new DataArray({ ...this.#state, attrs: { ...this.#state.attrs, ...attrs } }, this.#block);
  }

  /**
   * Labels added or replaced: along the dimension of that name, or (a single number or time) of the whole array.
   * @throws {ArgumentError} labels that do not fit
   */
  assignCoords(coords: Readonly<Record<string, LabelValues | number | TimeLike>>): DataArray<K> {
    const all = new Map(this.#state.coords);
    let { transform } = this.#state;
    const dims = this.#state.dims;
    for (const [name, given] of Object.entries(coords)) {
      const c = asCoordinate(name, given);
      const n = c.dims.length === 0 ? null : this.sizes[name];
      if (n !== null && c.values.size !== n)
        throw new ArgumentError(
          `coordinate ${name} has ${c.values.size} labels; dimension ${name} has ${n ?? "no"} elements`,
        );
      all.set(name, c);
      const { y, x } = spatialDims([name]);
      if (y !== null || x !== null) transform = null; // labels now say where the pixels are
    }
    return new DataArray({ ...this.#state, coords: all, transform: transform ?? transformOf(dims, all, {}) });
  }

  /**
   * Elements by position: a number drops the dimension, `slice(start, stop, step)` is half-open, a list picks.
   * @throws {SelectionError} no such dimension or position
   */
  isel(index: { readonly [P in K]?: Positions }): DataArray<K> {
    return new DataArray(isel(this.#state, index as Record<string, Positions>)); // names are checked there
  }

  /**
   * Elements by label; slices include both ends, ISO texts take all they cover.
   * @throws {SelectionError} no such dimension or label
   */
  sel(index: { readonly [P in K]?: Labels }, options?: SelOptions): DataArray<K> {
    return new DataArray(sel(this.#state, index as Record<string, Labels>, options)); // names are checked there
  }

  /** The same values cut differently, by dimension name or as `array` takes it. @throws {ChunkError | ArgumentError} */
  chunk(chunks: NamedChunks<K>): DataArray<K> {
    const spec = positionalChunks(chunks as NamedChunks, this.dims);
    return new DataArray({ ...this.#state, data: this.data.rechunk(spec) });
  }

  /** Dimensions in another order; reversed without arguments. @throws {ShapeError} not each of them once */
  transpose(...dims: readonly K[]): DataArray<K> {
    return new DataArray(transpose(this.#state, dims));
  }

  /** Dimensions of one element dropped. */
  squeeze(): DataArray<K> {
    const ones = this.dims.filter((_, k) => this.shape[k] === 1);
    return new DataArray(isel(this.#state, Object.fromEntries(ones.map((d) => [d, 0]))));
  }

  /** A new first dimension of one element. @throws {ShapeError} it is there already */
  expandDims<const D extends string>(dim: D): DataArray<K | D> {
    return new DataArray<K | D>(expandDims(this.#state, dim));
  }

  sum<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("sum", dim, options);
  }
  mean<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("mean", dim, options);
  }
  min<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("min", dim, options);
  }
  max<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("max", dim, options);
  }
  std<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("std", dim, options);
  }
  var<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("var", dim, options);
  }
  /** Elements that are not missing, as int64. */
  count<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("count", dim, options);
  }
  any<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("any", dim, options);
  }
  all<const D extends K = K>(
    dim?: D | readonly D[] | ReduceOptions<D>,
    options?: ReduceOptions,
  ): DataArray<Exclude<K, D>> {
    return this.#reduce("all", dim, options);
  }

  get outputs(): readonly LayerNode[] {
    return this.#block ? [] : [this.data.node];
  }

  assemble(blocks: readonly (readonly NDArray[])[]): Computed<K> {
    const block = this.#block ?? this.data.assemble(blocks);
    return new DataArray<K>(this.#state, block) as Computed<K>; // the constructor gives it its values
  }

  /** Run; gives an array whose `values` are in memory. @throws {MemoryBudgetError | ReadError | TaskError} */
  async compute(options: ComputeOptions = {}): Promise<Computed<K>> {
    if (this.#block) return this as unknown as Computed<K>; // values are set with the block
    return (await computeAll<readonly [Computable<Computed<K>>]>([this], options))[0];
  }

  /** As `compute`, and this very array holds the values from then on. */
  async load(options: ComputeOptions = {}): Promise<Computed<K>> {
    const { values } = await this.compute(options);
    this.#hold(values);
    return this as unknown as Computed<K>; // just set
  }

  /** The same array over layers with the same values. */
  over(nodes: readonly LayerNode[]): DataArray<K> {
    const [node] = nodes;
    return node ? new DataArray<K>({ ...this.#state, data: new ChunkedArray(node) }) : this;
  }

  /** Begin to compute, and keep the blocks where they are made; gives the array over them. `wait([array])` tells when they are there. */
  async persist(options: ComputeOptions = {}): Promise<DataArray<K>> {
    return (await persistAll([this as Persistable<DataArray<K>>], options))[0] as DataArray<K>; // one per item
  }

  /** Resolves when persisted blocks that the array needs are there. @throws the first failure */
  wait(): Promise<void> {
    return this.#block ? Promise.resolve() : this.data.wait();
  }

  /** Tasks, bytes to read and peak bytes, before anything runs. @throws {MemoryBudgetError} it cannot fit */
  explain(options: ComputeOptions = {}): Promise<Plan> {
    return explainAll([this], options);
  }

  /**
   * Write a Zarr store with CF metadata; `{ compute: false }` gives a lazy write.
   * @throws {ExistsError} the store is there and `mode` is not `"w"`  @throws {WriteError} nothing half-written remains
   */
  toZarr(url: string | URL, options: ZarrOptions & { readonly compute: false }): Promise<LazyWrite>;
  toZarr(url: string | URL, options?: ZarrOptions): Promise<Written>;
  async toZarr(url: string | URL, options: ZarrOptions = {}): Promise<LazyWrite | Written> {
    const variables = new Map([[this.name ?? UNNAMED, this.#state]]);
    const write = await lazyZarr(url, variables, {}, options);
    return options.compute === false ? write : write.compute();
  }

  /**
   * Write a cloud-optimised GeoTIFF of (y, x) or (band or time, y, x); `{ compute: false }` gives a lazy write.
   * @throws {ExistsError} the file is there and `mode` is not `"w"`  @throws {WriteError} nothing half-written remains
   */
  toCog(url: string | URL, options: CogOptions & { readonly compute: false }): Promise<LazyWrite>;
  toCog(url: string | URL, options?: CogOptions): Promise<Written>;
  async toCog(url: string | URL, options: CogOptions = {}): Promise<LazyWrite | Written> {
    const write = lazyCog(this.#state, url, options);
    return options.compute === false ? write : write.compute();
  }

  toString(): string {
    const sizes = this.dims.map((d, k) => `${d}: ${this.shape[k]}`).join(", ");
    const { nodata, crs, data } = this.#state;
    const head = `<xr.DataArray ${this.name === null ? "" : `'${this.name}' `}(${sizes})> ${this.dtype}`;
    const how = this.#block
      ? "in memory"
      : `${data.npartitions} ${data.npartitions === 1 ? "block" : "blocks"} of (${data.chunksize.join(", ")})`;
    const coords = this.coords.map(
      (name) => `  ${name}: ${coordinateText(coordinateOf(this.#state, name) as Coordinate)}`,
    );
    return [
      `${head}, ${how}, ${formatBytes(data.nbytes)}`,
      ...(nodata === null ? [] : [`nodata: ${nodata}`]),
      ...(crs === null ? [] : [`crs: ${this.rio.crs.slice(0, 60)}`]),
      ...(coords.length > 0 ? ["coordinates:", ...coords] : []),
    ].join("\n");
  }

  /** Arithmetic operators cannot be overloaded in JavaScript; this refuses instead of giving NaN. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new OperatorError(
      `an operator such as - was used on a labelled array; write a.sub(b) or expr\`\${a} - \${b}\``,
    );
  }

  #binary<J extends string>(op: Parameters<typeof binaryValue>[1], other: Operand<J>): DataArray<K | J> {
    const operands: AnyOperand[] = [this, other];
    const states = operands.flatMap((o) => (hasState(o) ? [o.state] : []));
    const labels = { attrs: sharedAttributes(states), name: sharedName(states) };
    return new DataArray(
      mapValues(op, operands, (b, [x, y]) => binaryValue(b, op, x as Value, y as Value), labels), // one value per operand
    );
  }

  /** A new quantity: attributes that measure the old one are dropped. */
  #computed(label: string, build: (b: Parameters<typeof isnullValue>[0], x: Value) => Value): DataArray<K> {
    const labels = { attrs: sharedAttributes([this.#state]), name: this.name };
    return new DataArray(mapValues(label, [this], (b, [x]) => build(b, x as Value), labels)); // one value per operand
  }

  #same<J extends string>(
    label: string,
    others: readonly Operand<J>[],
    build: Parameters<typeof mapSame>[3],
  ): DataArray<K | J> {
    return new DataArray(mapSame(label, this, others, build));
  }

  #reduce<D extends K>(
    op: ReduceName,
    dim: D | readonly D[] | ReduceOptions<D> | undefined,
    options: ReduceOptions | undefined,
  ): DataArray<Exclude<K, D>> {
    const first = dim as string | readonly string[] | ReduceOptions | undefined; // told apart there
    return new DataArray(reduce(this.#state, op, first, options));
  }
}

inspectAsText(DataArray.prototype);
