/** The layer of `mapBlocks`, for the function and the method. */
import { ArgumentError, ChunkError, type OptionNames, requireKnownOptions } from "../../base/index.ts";
import { asDType, type DType, type TypedArray } from "../../dtype/index.ts";
import { functionText, type LayerNode } from "../../graph/index.ts";
import { type NDArray, normalizeAxis } from "../../ndarray/index.ts";
import type { LazyArray } from "../lazy.ts";
import {
  type AxisLabel,
  adjustedSizes,
  type BlockInfo,
  type BlockResult,
  callLayer,
  type Labelled,
  unify,
} from "./call-layer.ts";
import { type AnyFunction, type ArgumentValue, callLabel } from "./travel.ts";

/** Options of `mapBlocks`. */
export interface MapBlocksOptions<A = ArgumentValue> {
  /** dtype that the function gives; default the first array's. Checked when blocks are made. */
  readonly dtype?: DType;
  /** Sizes of the result's blocks, per axis: one for all, or one per block. Without arrays: one per block, required. */
  readonly chunks?: readonly (number | readonly number[])[];
  /** Axes that the result lacks; they arrive whole. */
  readonly dropAxis?: number | readonly number[];
  /** Axes of the result (counted there) that the arrays lack; of size 1 unless `chunks` says else. */
  readonly newAxis?: number | readonly number[];
  /** Taken for Dask's sake: the shape of each result is always checked. */
  readonly enforceNdim?: boolean;
  /** Taken for Dask's sake: nothing is inferred, `dtype` says it. */
  readonly meta?: unknown;
  /** First word of the keys; default the function's name. */
  readonly name?: string;
  /** As `name`. */
  readonly token?: string;
  /** Last argument of the function: plain data, typed arrays, NDArrays. */
  readonly args?: A;
}

/** What functions on blocks take: lazy arrays, and blocks in memory. */
export type Blocked = LazyArray | NDArray;

/** Elements as most functions see them; those of 64-bit integers are bigint, for which a function names its own type. */
export type NumberArray = Exclude<TypedArray, BigInt64Array | BigUint64Array>;

/** A block as a function gets it: C order. */
export type UserBlock = NDArray & { readonly data: NumberArray };

const OPTIONS: OptionNames<MapBlocksOptions<unknown>> = {
  dtype: true,
  chunks: true,
  dropAxis: true,
  newAxis: true,
  enforceNdim: true,
  meta: true,
  name: true,
  token: true,
  args: true,
};

/** Blocks of these arrays. */
export type BlocksOf<T extends readonly Blocked[]> = { [K in keyof T]: UserBlock };

/** The call of a {@link BlockFunction}; as a method, so that a function may name the dtype of its blocks, `(b: { data: Float32Array }) => …`. */
interface BlockCall<T extends readonly Blocked[], A> {
  call(...args: [...BlocksOf<T>, BlockInfo, A]): BlockResult | Promise<BlockResult>;
}

/** A function on one block of each array. It must be self-contained: its text travels, its surroundings do not. */
export type BlockFunction<T extends readonly Blocked[], A> = BlockCall<T, A>["call"];

/**
 * Layer of `mapBlocks`.
 * @throws {ArgumentError} {ChunkError} {AxisError} {ClosureError}
 */
export function mapBlocksNode(
  fn: AnyFunction,
  arrays: readonly LazyArray[],
  options: MapBlocksOptions<unknown>,
  more: { readonly text?: string; readonly args?: unknown } = {},
): LayerNode {
  requireKnownOptions("mapBlocks", options, OPTIONS);
  const text = more.text ?? functionText(fn);
  const label = callLabel(fn, options.token ?? options.name);
  const operands = arrays.map((array): Labelled => ({ array, labels: array.shape.map((_, k) => array.ndim - 1 - k) }));
  const { chunks } = unify(operands, false);
  const dtype = options.dtype === undefined ? arrays[0]?.dtype : asDType(options.dtype);
  if (dtype === undefined) throw new ArgumentError("mapBlocks without arrays needs the options dtype and chunks");
  if (arrays.length === 0 && options.chunks === undefined)
    throw new ArgumentError("mapBlocks without arrays needs the option chunks: a list of sizes per axis");
  const { labels, added } = resultAxes(Math.max(0, ...arrays.map((a) => a.ndim)), options);
  if (options.chunks && options.chunks.length !== labels.length)
    throw new ChunkError(`chunks for ${options.chunks.length} axes given; the result has ${labels.length}`);
  const cut = labels.map((name, k) => {
    const given = options.chunks?.[k];
    if (!added.has(name)) return adjustedSizes(chunks.get(name) as readonly number[], given, k); // of an array
    const sizes = given === undefined ? [1] : typeof given === "number" ? [given] : given;
    return adjustedSizes(sizes, sizes, k);
  });
  const args = "args" in more ? more.args : options.args;
  return callLayer({ label, text, operands, out: labels, chunks: cut, dtype, args });
}

/** Labels of the result's axes: the arrays' count from the last axis, those of new axes are strings. */
export function resultAxes(
  ndim: number,
  options: MapBlocksOptions<unknown>,
): { readonly labels: readonly AxisLabel[]; readonly added: ReadonlySet<AxisLabel> } {
  const dropped = [options.dropAxis ?? []].flat().map((k) => normalizeAxis(k, ndim));
  const labels: AxisLabel[] = Array.from({ length: ndim }, (_, k) => ndim - 1 - k).filter(
    (_, k) => !dropped.includes(k),
  );
  const missing = (options.chunks?.length ?? 0) - labels.length;
  const given = options.newAxis ?? (missing > 0 ? Array.from({ length: missing }, (_, k) => k) : []);
  const fresh = [given].flat();
  const rank = labels.length + fresh.length;
  const added = fresh.map((k) => normalizeAxis(k, rank)).sort((a, b) => a - b);
  if (new Set(added).size !== added.length) throw new ArgumentError(`newAxis [${fresh.join(", ")}] repeats an axis`);
  for (const k of added) labels.splice(k, 0, `new${k}`);
  return { labels, added: new Set(added.map((k) => `new${k}`)) };
}
