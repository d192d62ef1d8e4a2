/** `blockwise`: user functions on blocks, matched by Einstein indices. */
import { ArgumentError, type OptionNames, requireKnownOptions } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import { functionText } from "../../graph/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import type { LazyArray } from "../lazy.ts";
import {
  type AdjustedChunks,
  adjustedSizes,
  callLayer,
  isOptions,
  type Labelled,
  lazyOperand,
  unify,
} from "./call-layer.ts";
import { type AnyFunction, type ArgumentValue, callLabel } from "./travel.ts";

/** Options of {@link blockwise}. */
export interface BlockwiseOptions<A = ArgumentValue> {
  /** dtype of the result; default the first array's. Checked when blocks are made. */
  readonly dtype?: DType;
  /** Contracted axes arrive whole (default false: as lists of blocks). */
  readonly concatenate?: boolean;
  /** Axes that no input has: one size (one block) or a size per block. */
  readonly newAxes?: { readonly [label: string]: number | readonly number[] };
  /** Sizes of the result's blocks where they differ from the inputs'. */
  readonly adjustChunks?: { readonly [label: string]: AdjustedChunks };
  /** Cut arrays alike first (default). */
  readonly alignArrays?: boolean;
  /** Last argument of the function. */
  readonly args?: A;
  readonly name?: string;
}

const OPTIONS: OptionNames<BlockwiseOptions<unknown>> = {
  dtype: true,
  concatenate: true,
  newAxes: true,
  adjustChunks: true,
  alignArrays: true,
  args: true,
  name: true,
};

/**
 * A function on blocks matched by Einstein indices: `blockwise(fn, "ij", a, "ik", b, "kj", { … })`.
 *
 * Lazy. The function is called once per block of the result, `fn(...blocks, info, args)`; an input's axis that the
 * result lacks arrives as a list of blocks, or whole with `concatenate`. Inputs of size 1 broadcast. Chunks: as the
 * inputs', changed by `newAxes` and `adjustChunks`. Matches dask.array `blockwise`.
 * @throws {ArgumentError} indices that do not fit  @throws {ShapeError} sizes that differ  @throws {ClosureError}
 */
export function blockwise(fn: AnyFunction, out: string, ...rest: readonly unknown[]): ChunkedArray {
  const text = functionText(fn);
  const hasOptions = rest.length % 2 === 1 && isOptions(rest.at(-1));
  const options = (hasOptions ? rest.at(-1) : {}) as BlockwiseOptions<unknown>; // an object
  requireKnownOptions("blockwise", options, OPTIONS);
  const pairs = hasOptions ? rest.slice(0, -1) : rest;
  if (pairs.length % 2 !== 0) throw new ArgumentError("blockwise takes arrays and indices in pairs, then options");
  const operands = Array.from({ length: pairs.length / 2 }, (_, i) => labelledPair(pairs[2 * i], pairs[2 * i + 1]));
  const { concatenate = false, newAxes = {}, adjustChunks = {}, alignArrays = true } = options;
  const { arrays, chunks } = unify(operands, alignArrays);
  const labels = [...out];
  if (new Set(labels).size !== labels.length) throw new ArgumentError(`index ${JSON.stringify(out)} repeats a letter`);
  const first = arrays[0];
  const dtype = options.dtype ?? first?.dtype;
  if (dtype === undefined) throw new ArgumentError("blockwise without arrays needs the option dtype");
  const cut = labels.map((label) => {
    const added = newAxes[label];
    const sizes = chunks.get(label) ?? (typeof added === "number" ? [added] : added);
    if (sizes === undefined)
      throw new ArgumentError(`index ${label} of ${JSON.stringify(out)} is in no array; give its size in newAxes`);
    if (chunks.has(label) && added !== undefined) throw new ArgumentError(`newAxes names ${label}, which an array has`);
    return adjustedSizes(sizes, adjustChunks[label], label);
  });
  const node = callLayer({
    label: callLabel(fn, options.name),
    text,
    operands: operands.map((o, i) => ({ ...o, array: arrays[i] as LazyArray })),
    out: labels,
    chunks: cut,
    dtype,
    args: options.args,
    lists: !concatenate,
  });
  return new ChunkedArray(node);
}

function labelledPair(given: unknown, index: unknown): Labelled {
  const array = lazyOperand(given, "blockwise");
  if (typeof index !== "string" || [...index].length !== array.ndim || new Set(index).size !== [...index].length)
    throw new ArgumentError(
      `blockwise: index ${JSON.stringify(index)} of an array of ${array.ndim} axes; expected one different letter per axis`,
    );
  return { array, labels: [...index] };
}
