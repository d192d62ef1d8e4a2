/** Several labelled arrays that share dimensions. */

import type { LazyWrite, Written } from "../array/index.ts";
import {
  type Computable,
  type ComputeOptions,
  computeAll,
  explainAll,
  type Persistable,
  persistAll,
} from "../array/index.ts";
import {
  ArgumentError,
  inspectAsText,
  MissingCrsError,
  OperatorError,
  SelectionError,
  shownValue,
} from "../base/index.ts";
import { crsText, type GeoBox } from "../geo/index.ts";
import type { LayerNode, Plan } from "../graph/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import { requireAligned } from "./align.ts";
import { DataArray, type Operand } from "./data-array.ts";
import { evaluateLabelled } from "./expr.ts";
import { type Attributes, gridOf, type Labelled } from "./labelled.ts";
import { hasState } from "./map.ts";
import type { Labels, Positions, SelOptions } from "./select.ts";
import type { NamedChunks } from "./source.ts";
import { lazyZarr, type ZarrOptions } from "./to-zarr.ts";

/** Variables by name. */
export type Variables = Record<string, DataArray<string>>;

/** The same variables with their values in memory. */
export type ComputedVariables<V extends Variables> = {
  readonly [N in keyof V]: V[N] & { readonly values: NDArray };
};

/**
 * Variables by name on shared dimensions. Immutable: changes give a new one. `ds.vars.red` is a variable, destructurable.
 */
export class Dataset<V extends Variables = Variables> implements Computable<Dataset<ComputedVariables<V>>> {
  readonly vars: Readonly<V>;
  readonly attrs: Attributes;

  /** For this room; users call `xr.dataset`. @throws {ArgumentError | GridMismatchError | CrsMismatchError | ShapeError} */
  constructor(vars: V, attrs: Attributes = {}) {
    for (const [name, v] of Object.entries(vars))
      if (!hasState(v))
        throw new ArgumentError(
          `variable ${name} is ${shownValue(v)}: expected a labelled array, such as dataArray gives`,
        );
    const named = Object.entries(vars).map(([name, v]) => [name, v.name === name ? v : v.rename(name)]);
    this.vars = Object.freeze(Object.fromEntries(named)) as Readonly<V>; // the same keys, renamed values
    this.attrs = attrs;
    requireAligned(this.#all.map((v) => v.state));
  }

  get #all(): readonly DataArray<string>[] {
    return Object.values(this.vars);
  }

  get #states(): Map<string, Labelled> {
    return new Map(Object.entries(this.vars).map(([name, v]) => [name, v.state]));
  }

  /** Elements by dimension, over all variables. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.assign({}, ...this.#all.map((v) => v.sizes));
  }

  get dims(): readonly string[] {
    return Object.keys(this.sizes);
  }

  /** Coordinate system and grid of the first variable that has them. */
  get rio(): { readonly crs: string; readonly geobox: GeoBox } {
    const states = [...this.#states.values()];
    const located = states.find((s) => gridOf(s) !== null) ?? states.find((s) => s.crs !== null);
    return {
      get crs(): string {
        if (located?.crs) return crsText(located.crs);
        throw new MissingCrsError("no variable has a coordinate system; name it with rio.writeCrs");
      },
      get geobox(): GeoBox {
        const grid = located ? gridOf(located) : null;
        if (grid) return grid;
        throw new SelectionError("no variable has a grid of pixels");
      },
    };
  }

  /** A variable. @throws {SelectionError} no such one, naming those there are */
  get<N extends keyof V & string>(name: N): V[N] {
    const found = Object.hasOwn(this.vars, name) ? this.vars[name] : undefined;
    if (found !== undefined) return found;
    throw new SelectionError(
      `no variable ${JSON.stringify(name)}; the dataset has ${Object.keys(this.vars).join(", ") || "none"}`,
      { details: { name } },
    );
  }

  /** Variables added or replaced. */
  assign<W extends Variables>(more: W): Dataset<Omit<V, keyof W> & W> {
    return new Dataset({ ...this.vars, ...more } as unknown as Omit<V, keyof W> & W, this.attrs); // the spread's own type
  }

  assignAttrs(attrs: Attributes): Dataset<V> {
    return new Dataset(this.vars, { ...this.attrs, ...attrs });
  }

  #each(change: (v: DataArray<string>) => DataArray<string>): Dataset<V> {
    const changed = Object.entries(this.vars).map(([name, v]) => [name, change(v)]);
    return new Dataset(Object.fromEntries(changed) as V, this.attrs); // the same names; dimensions as far as types follow them
  }

  /** By position, in all variables that have the dimension. @throws {SelectionError} none has it */
  isel(index: Readonly<Record<string, Positions>>): Dataset<V> {
    return this.#each((v) => v.isel(this.#own(v, index)));
  }

  /** By label, in all variables that have the dimension. @throws {SelectionError} none has it, or no such label */
  sel(index: Readonly<Record<string, Labels>>, options?: SelOptions): Dataset<V> {
    return this.#each((v) => v.sel(this.#own(v, index), options));
  }

  #own<T>(v: DataArray<string>, index: Readonly<Record<string, T>>): Record<string, T> {
    for (const dim of Object.keys(index))
      if (!this.dims.includes(dim))
        throw new SelectionError(`no dimension ${JSON.stringify(dim)}; the dataset has ${this.dims.join(", ")}`);
    return Object.fromEntries(Object.entries(index).filter(([dim]) => v.dims.includes(dim)));
  }

  /** Every variable where `cond` is true, else missing (or `other`). */
  where(cond: Operand, other?: Operand): Dataset<V> {
    return this.#each((v) => v.where(cond, other));
  }

  chunk(chunks: NamedChunks): Dataset<V> {
    const isNamed = typeof chunks === "object" && chunks !== null && !Array.isArray(chunks);
    return this.#each((v) =>
      v.chunk(isNamed ? (this.#own(v, chunks as Record<string, number>) as NamedChunks) : chunks),
    ); // by name
  }

  /**
   * One fused expression in which names are variables: `` ds.expr`(nir - red) / (nir + red)` ``.
   * @throws {ExprSyntaxError} with segment and column; a name that is no variable
   */
  expr(segments: TemplateStringsArray, ...operands: readonly Operand[]): DataArray<string> {
    return new DataArray(evaluateLabelled(segments, operands, this.#states));
  }

  get outputs(): readonly LayerNode[] {
    return this.#all.flatMap((v) => v.outputs);
  }

  assemble(blocks: readonly (readonly NDArray[])[]): Dataset<ComputedVariables<V>> {
    let at = 0;
    const computed = Object.entries(this.vars).map(([name, v]) => {
      const own = blocks.slice(at, at + v.outputs.length);
      at += own.length;
      return [name, v.assemble(own)];
    });
    return new Dataset(Object.fromEntries(computed) as ComputedVariables<V>, this.attrs); // the same names
  }

  /** Run all variables as one graph. @throws {MemoryBudgetError | ReadError | TaskError} */
  async compute(options: ComputeOptions = {}): Promise<Dataset<ComputedVariables<V>>> {
    return (await computeAll<readonly [Computable<Dataset<ComputedVariables<V>>>]>([this], options))[0];
  }

  /** The same dataset over layers with the same values, one for each of `outputs`. */
  over(nodes: readonly LayerNode[]): Dataset<V> {
    let at = 0;
    return this.#each((v) => {
      const { length } = v.outputs;
      at += length;
      return v.over(nodes.slice(at - length, at));
    });
  }

  /** Begin to compute all variables as one graph, and keep the blocks where they are made; gives the dataset over them. */
  async persist(options: ComputeOptions = {}): Promise<Dataset<V>> {
    return (await persistAll([this as Persistable<Dataset<V>>], options))[0] as Dataset<V>; // one per item
  }

  /** Resolves when persisted blocks that the dataset needs are there. @throws the first failure */
  async wait(): Promise<void> {
    await Promise.all(this.#all.map((v) => v.wait()));
  }

  explain(options: ComputeOptions = {}): Promise<Plan> {
    return explainAll([this], options);
  }

  /** Write a Zarr store with CF metadata; see `DataArray.toZarr`. */
  toZarr(url: string | URL, options: ZarrOptions & { readonly compute: false }): Promise<LazyWrite>;
  toZarr(url: string | URL, options?: ZarrOptions): Promise<Written>;
  async toZarr(url: string | URL, options: ZarrOptions = {}): Promise<LazyWrite | Written> {
    const write = await lazyZarr(url, this.#states, this.attrs, options);
    return options.compute === false ? write : write.compute();
  }

  toString(): string {
    const sizes = Object.entries(this.sizes).map(([d, n]) => `${d}: ${n}`);
    const lines = Object.entries(this.vars).map(([name, v]) => `  ${name} (${v.dims.join(", ")}) ${v.dtype}`);
    return [`<xr.Dataset (${sizes.join(", ")})>`, ...lines].join("\n");
  }

  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new OperatorError(
      "an operator such as - was used on a dataset; write ds.expr`nir - red`, or use its variables",
    );
  }
}

inspectAsText(Dataset.prototype);

/** True for labelled arrays of this room. */
export function isLabelled(value: unknown): value is DataArray {
  return hasState(value);
}
