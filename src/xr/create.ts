/** What users call: making, opening, joining labelled arrays, and functions over them. */
import {
  array,
  ChunkedArray,
  type Computable,
  type ComputeOptions,
  computeAll,
  explainAll,
  exprArray,
  fromArray,
  type Persistable,
  persistAll,
  type Results,
  where as whereArray,
} from "../array/index.ts";
import { ArgumentError, type OptionNames, requireKnownOptions, ShapeError, shownValue } from "../base/index.ts";
import type { Scalar } from "../dtype/index.ts";
import { type Affine, parseCrs } from "../geo/index.ts";
import type { Plan } from "../graph/index.ts";
import { NDArray, type Nested } from "../ndarray/index.ts";
import { sharedAttributes, sharedName } from "./align.ts";
import { transformOf } from "./cf.ts";
import { type ConcatOptions, concat as concatStates } from "./concat.ts";
import { DataArray, type Operand } from "./data-array.ts";
import { Dataset, type Variables } from "./dataset.ts";
import { withNodata } from "./decode.ts";
import { evaluateLabelled } from "./expr.ts";
import { asCoordinate, type LabelValues } from "./label-values.ts";
import { type Attributes, type Coordinate, labelled } from "./labelled.ts";
import { hasState, mapValues } from "./map.ts";
import { checkUrl, type OpenRasterOptions, openRasterState } from "./open-raster.ts";
import { type OpenZarrOptions, openZarrState } from "./open-zarr.ts";
import type { TimeLike } from "./time.ts";
import { type Value, whereValue } from "./values.ts";

/** Names and labels of a new array. */
export interface DataArrayOptions<K extends string = string> {
  /** One name per axis. */
  readonly dims: readonly K[];
  readonly coords?: Readonly<Record<string, LabelValues | number | TimeLike>>;
  readonly attrs?: Attributes;
  readonly name?: string;
  readonly crs?: string | number;
  /** Of y and x, for pixel corners: `x = a·col + b·row + c`, `y = d·col + e·row + f`. */
  readonly transform?: Affine;
  /** Value that is missing. */
  readonly nodata?: Scalar;
}

const OPTIONS: OptionNames<DataArrayOptions> = {
  dims: true,
  coords: true,
  attrs: true,
  name: true,
  crs: true,
  transform: true,
  nodata: true,
};

/**
 * A labelled array over a lazy array, a block, or nested numbers.
 * @throws {ShapeError} names that do not fit the axes  @throws {ArgumentError} labels that do not fit
 * @throws {NodataError} nodata that does not fit the dtype
 */
export function dataArray<const K extends string>(
  values: ChunkedArray | NDArray | Nested,
  options: DataArrayOptions<K>,
): DataArray<K> {
  requireKnownOptions("dataArray", options, OPTIONS);
  if (!Array.isArray(options.dims)) throw new ArgumentError("dataArray needs the option dims: one name per axis");
  const { dims, coords = {}, attrs = {}, name = null, crs, transform = null, nodata } = options;
  const data = values instanceof ChunkedArray ? values : values instanceof NDArray ? fromArray(values) : array(values);
  if (dims.length !== data.ndim || new Set(dims).size !== dims.length)
    throw new ShapeError(
      `dims (${dims.join(", ")}) for an array of shape (${data.shape.join(", ")}): expected one name per axis, each once`,
    );
  const all = new Map<string, Coordinate>();
  for (const [label, given] of Object.entries(coords)) {
    const c = asCoordinate(label, given);
    const axis = dims.indexOf(label as K);
    if (c.dims.length > 0 && (axis < 0 || data.shape[axis] !== c.values.size))
      throw new ArgumentError(
        `coordinate ${label} has ${c.values.size} labels; ${axis < 0 ? "there is no such dimension" : `the dimension has ${data.shape[axis]} elements`}`,
      );
    all.set(label, c);
  }
  const state = labelled({
    dims,
    data,
    coords: all,
    attrs,
    name,
    transform: transform ?? transformOf(dims, all, {}),
    crs: crs === undefined ? null : parseCrs(crs),
  });
  return new DataArray<K>(nodata === undefined ? state : withNodata(state, nodata));
}

/** Variables by name. @throws {GridMismatchError | CrsMismatchError | ShapeError} that do not belong together */
export function dataset<V extends Variables>(vars: V, attrs: Attributes = {}): Dataset<V> {
  return new Dataset(vars, attrs);
}

/**
 * Arrays joined along `dim`: stacked when none has it, one after another when all do. `{ values }` labels it.
 * @throws {ArgumentError} no arrays, or a wrong number of labels
 * @throws {ShapeError | GridMismatchError | CrsMismatchError} that do not belong together
 */
export function concat<K extends string, const D extends string>(
  arrays: readonly DataArray<K>[],
  dim: D,
  options: ConcatOptions = {},
): DataArray<K | D> {
  for (const a of arrays)
    if (!hasState(a)) throw new ArgumentError(`concat of ${shownValue(a)}: expected a list of labelled arrays`);
  return new DataArray<K | D>(
    concatStates(
      arrays.map((a) => a.state),
      dim,
      options,
    ),
  );
}

/**
 * Open a GeoTIFF or COG: dimensions (y, x), or (band, y, x) for several bands without `band`. Reads the header only.
 * @throws {NotFoundError | MetadataError | ReadError | UnsupportedError} what cannot be opened, and why
 * @throws {SelectionError} no such band or overview, naming those there are
 */
export async function openRaster(url: string | URL, options: OpenRasterOptions = {}): Promise<DataArray<"y" | "x">> {
  return new DataArray(await openRasterState(checkUrl(url), options));
}

/** Dimensions that a variable of a store may have, as far as types know. */
type StoreDims = "time" | "y" | "x" | "latitude" | "longitude";

/**
 * Open a Zarr group, v2 or v3: metadata and coordinates are read, no chunk of a variable is.
 * @throws {NotFoundError | MetadataError | ReadError | UnsupportedError} what cannot be opened, and why
 * @throws {SelectionError} no such variable, naming those there are
 */
export function openZarr<const N extends readonly string[]>(
  url: string | URL,
  options: OpenZarrOptions & { readonly vars: N },
): Promise<Dataset<{ [P in N[number]]: DataArray<StoreDims> }>>;
export function openZarr(url: string | URL, options?: OpenZarrOptions): Promise<Dataset>;
export async function openZarr(url: string | URL, options: OpenZarrOptions = {}): Promise<Dataset> {
  const { variables, attrs } = await openZarrState(checkUrl(url), options);
  return new Dataset(Object.fromEntries([...variables].map(([name, state]) => [name, new DataArray(state)])), attrs);
}

/** Dimensions of labelled operands. */
type DimsOf<T> = T extends DataArray<infer K> ? K : never;

/**
 * One fused expression: `` expr`(${nir} - ${red}) / (${nir} + ${red})` ``; labelled if any operand is. Lazy: errors are
 * thrown here, and it is one pass over memory when it runs.
 * @throws {ExprSyntaxError} with segment and column  @throws {DTypeError | BroadcastError | GridMismatchError}
 */
export function expr<const T extends readonly (ChunkedArray | NDArray | number | bigint)[]>(
  segments: TemplateStringsArray,
  ...operands: T
): ChunkedArray;
// biome-ignore lint/suspicious/noExplicitAny: arrays of any dimensions; `string` would not accept narrower ones
export function expr<const T extends readonly (Operand<any> & (object | number | bigint))[]>(
  segments: TemplateStringsArray,
  ...operands: T
): DataArray<DimsOf<T[number]>>;
export function expr(segments: TemplateStringsArray, ...operands: readonly Operand[]): ChunkedArray | DataArray {
  if (operands.some(hasState)) return new DataArray(evaluateLabelled(segments, operands));
  return exprArray(segments, ...(operands as readonly (ChunkedArray | NDArray | Scalar)[])); // none is labelled
}

/** `cond ? x : y`, element by element; labelled if any operand is. Missing counts as false in `cond`. */
export function where(
  cond: ChunkedArray,
  x: ChunkedArray | NDArray | Scalar,
  y: ChunkedArray | NDArray | Scalar,
): ChunkedArray;
export function where<K extends string = never, J extends string = never, L extends string = never>(
  cond: Operand<K>,
  x: Operand<J>,
  y: Operand<L>,
): DataArray<K | J | L>;
export function where(cond: Operand, x: Operand, y: Operand): ChunkedArray | DataArray {
  const operands = [cond, x, y];
  if (!operands.some(hasState)) {
    const [c, p, q] = operands as (ChunkedArray | NDArray | Scalar)[]; // none is labelled
    return whereArray(c as ChunkedArray, p as ChunkedArray, q as ChunkedArray); // three, of what `array` takes
  }
  const states = [x, y].flatMap((o) => (hasState(o) ? [o.state] : []));
  const labels = { attrs: sharedAttributes(states), name: sharedName(states) };
  return new DataArray(
    mapValues("where", operands, (b, [c, p, q]) => whereValue(b, c as Value, p as Value, q as Value), labels), // one per operand
  );
}

/**
 * Run several lazy objects (arrays, datasets, lazy writes) as one graph: shared inputs are read once. Results in order.
 * @throws {MemoryBudgetError | ReadError | WriteError | TaskError} the first failure; writes leave nothing behind
 */
export function compute<const T extends readonly Computable<unknown>[]>(
  items: T,
  options: ComputeOptions = {},
): Promise<Results<T>> {
  return computeAll(lazyList("compute", items), options);
}

/** Lazy objects of several kinds, each persisted as its own kind. */
export type Persisted<T extends readonly Persistable<unknown>[]> = {
  -readonly [K in keyof T]: T[K] extends Persistable<infer R> ? R : never;
};

/**
 * Begin to compute several lazy objects as one graph, and keep the blocks where they are made: gives the same objects
 * over these blocks as soon as the runner has the graph. `wait(objects)` tells when all are there.
 * @throws {MemoryBudgetError} the plan cannot fit
 */
export async function persist<const T extends readonly Persistable<unknown>[]>(
  items: T,
  options: ComputeOptions = {},
): Promise<Persisted<T>> {
  return (await persistAll(lazyList("persist", items), options)) as Persisted<T>; // each over its own layers
}

/** What running one or several lazy objects as one graph would cost. @throws {MemoryBudgetError} it cannot fit */
export function explain(
  items: Computable<unknown> | readonly Computable<unknown>[],
  options: ComputeOptions = {},
): Promise<Plan> {
  return explainAll(lazyList("explain", Array.isArray(items) ? items : [items as Computable<unknown>]), options); // one or a list
}

/** @throws {ArgumentError} no list, or an item that cannot be computed */
function lazyList<T extends readonly unknown[]>(call: string, items: T): T {
  if (!Array.isArray(items))
    throw new ArgumentError(`${call} of ${shownValue(items)}: expected a list of lazy objects, as in ${call}([a, b])`);
  for (const item of items)
    if (typeof item !== "object" || item === null || !("outputs" in item))
      throw new ArgumentError(`${call} of ${shownValue(item)}: expected lazy arrays, datasets or lazy writes`);
  return items;
}
