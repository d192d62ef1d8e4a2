/** Reductions by a user's functions: a tree of calls in a fixed order. */
import { ArgumentError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import { type Chunks, functionText, type LayerNode, rechunkNode } from "../../graph/index.ts";
import { type NDArray, normalizeAxes } from "../../ndarray/index.ts";
import { type BlockInfo, type BlockResult, callLayer } from "../blocks/call-layer.ts";
import { type AnyFunction, callLabel, composedText } from "../blocks/travel.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { lazyOf } from "../lazy.ts";
import type { Axis } from "./layer.ts";
import { lazyArray, type Reducible } from "./reductions.ts";

/** What the functions of a reduction are told: the axes to reduce, and whether they stay. */
export type ReductionArguments<A> = A & { readonly axis: readonly number[]; readonly keepdims: boolean };

/** A function of a block (of a list of neighbours without `concatenate`), self-contained: `(block, info, { axis, keepdims, …args })`. */
export type ReductionFunction<B, A> = (block: B, info: BlockInfo, args: ReductionArguments<A>) => BlockResult;

/** Options of {@link reduction}. */
export interface UserReductionOptions<A = Record<never, never>, C extends boolean = true> {
  /** Reduces one block; keeps the reduced axes, with `partialSize` elements. */
  readonly chunk: ReductionFunction<NDArray, A>;
  /** Reduces what `chunk` or `combine` gave for neighbouring blocks; default `aggregate`'s work with axes kept. */
  readonly combine?: ReductionFunction<C extends false ? readonly NDArray[] : NDArray, A>;
  /** As `combine`, for the last; gives the result, without the reduced axes unless `keepdims`. */
  readonly aggregate: ReductionFunction<C extends false ? readonly NDArray[] : NDArray, A>;
  readonly axis?: Axis;
  readonly keepdims?: boolean;
  /** dtype of the result; default the array's. */
  readonly dtype?: DType;
  /** dtype of what `chunk` and `combine` give; default the result's. */
  readonly partialDtype?: DType;
  /** Elements along each reduced axis of what `chunk` and `combine` give; default 1. */
  readonly partialSize?: number;
  /** Blocks combined at once, per axis; default 4. */
  readonly splitEvery?: number;
  /** Neighbours arrive as one array (default), else as a list in C order. */
  readonly concatenate?: C;
  readonly args?: A;
  readonly name?: string;
}

/**
 * A tree reduction by functions: `chunk` per block, `combine` on groups of neighbours, `aggregate` on the last group.
 *
 * Lazy. The tree depends on the chunks alone, and neighbours are combined in C order, so equal chunks give equal bits.
 * Chunks: one along reduced axes. Matches dask.array `reduction`; partial results are arrays of one dtype.
 * @throws {ArgumentError} splitEvery below 2 or a partial size below 1  @throws {AxisError} {ClosureError}
 */
export function reduction<A = Record<never, never>, C extends boolean = true>(
  x: Reducible,
  options: UserReductionOptions<A, C>,
): ChunkedArray {
  const array = lazyArray(x);
  const { keepdims = false, splitEvery = 4, partialSize = 1, concatenate = true } = options;
  if (!Number.isInteger(splitEvery) || splitEvery < 2)
    throw new ArgumentError(`splitEvery ${splitEvery}: expected an integer of at least 2`);
  if (!Number.isInteger(partialSize) || partialSize < 1)
    throw new ArgumentError(`partialSize ${partialSize}: expected an integer of at least 1`);
  const reduced = normalizeAxes(options.axis, array.ndim);
  const dtype = options.dtype ?? array.dtype;
  const partial = options.partialDtype ?? dtype;
  const label = callLabel(options.chunk as AnyFunction, options.name);
  const own = { ...options.args, axis: reduced };
  const thin = (chunks: Chunks): Chunks =>
    chunks.map((sizes, k) => (reduced.includes(k) ? sizes.map(() => partialSize) : sizes));
  const step = (node: LayerNode, name: string, fn: AnyFunction, isFirst: boolean): LayerNode =>
    keptLayer(node, {
      label: `${label}-${name}`,
      text: stepText(fn, isFirst || concatenate),
      chunks: thin(node.layer.chunks),
      dtype: partial,
      args: { own: { ...own, keepdims: true }, partialSize, reduced },
    });
  let node = step(array.node, "chunk", options.chunk as AnyFunction, true);
  while (reduced.some((k) => (node.layer.chunks[k]?.length ?? 0) > splitEvery)) {
    const groups = grouped(node, reduced, splitEvery);
    node = step(groups, "combine", (options.combine ?? options.aggregate) as AnyFunction, false);
  }
  const last = lazyOf(grouped(node, reduced, Number.POSITIVE_INFINITY));
  const labels = last.shape.map((_, k) => k);
  const kept = labels.filter((k) => keepdims || !reduced.includes(k));
  const made = callLayer({
    label,
    text: stepText(options.aggregate as AnyFunction, concatenate),
    operands: [{ array: last, labels }],
    out: kept,
    chunks: kept.map((k) => (reduced.includes(k) ? [1] : (last.chunks[k] as readonly number[]))),
    dtype,
    args: { own: { ...own, keepdims }, partialSize, reduced },
  });
  return new ChunkedArray(made);
}

function stepText(fn: AnyFunction, isWhole: boolean): string {
  return composedText(isWhole ? unwrapping : splitting, functionText(fn));
}

function keptLayer(
  node: LayerNode,
  o: {
    readonly label: string;
    readonly text: string;
    readonly chunks: Chunks;
    readonly dtype: DType;
    readonly args: unknown;
  },
): LayerNode {
  const array = lazyOf(node);
  const labels = array.shape.map((_, k) => k);
  return callLayer({ ...o, operands: [{ array, labels }], out: labels });
}

/** Groups of `every` neighbouring blocks along the reduced axes become blocks. */
function grouped(node: LayerNode, reduced: readonly number[], every: number): LayerNode {
  const chunks = node.layer.chunks.map((sizes, k) => {
    if (!reduced.includes(k)) return sizes;
    const out: number[] = [];
    sizes.forEach((n, b) => {
      if (b % every === 0) out.push(n);
      else out.push((out.pop() as number) + n); // not the first
    });
    return out;
  });
  return chunks.every((sizes, k) => sizes.length === node.layer.chunks[k]?.length) ? node : rechunkNode(node, chunks);
}

interface StepArguments {
  readonly own: unknown;
  readonly partialSize: number;
  readonly reduced: readonly number[];
}

/** What travels around the functions of a reduction. Self-contained. */
function unwrapping(fn: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (block, info, args) => fn(block, info, (args as StepArguments).own);
}

/** As `unwrapping`, for functions that take a list of neighbours. Self-contained. */
function splitting(fn: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  interface Block {
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly data: { readonly length: number; [i: number]: unknown };
    readonly constructor: unknown;
  }
  return (given, info, args) => {
    const block = given as Block;
    const { own, partialSize, reduced } = args as StepArguments;
    const counts = block.shape.map((n, k) => (reduced.includes(k) ? n / partialSize : 1));
    const shape = block.shape.map((n, k) => (reduced.includes(k) ? partialSize : n));
    const make = block.constructor as new (dtype: string, data: unknown, shape: readonly number[]) => unknown;
    const stride = block.shape.map((_, k) => block.shape.slice(k + 1).reduce((a, b) => a * b, 1));
    const parts = block.dtype.startsWith("complex") ? 2 : 1;
    const list: unknown[] = [];
    const split = (axis: number, from: number): void => {
      if (axis < counts.length) {
        for (let i = 0; i < (counts[axis] as number); i++)
          split(axis + 1, from + i * (shape[axis] as number) * (stride[axis] as number));
        return;
      }
      const elements: unknown[] = [];
      const copy = (k: number, at: number): void => {
        if (k === shape.length) for (let p = 0; p < parts; p++) elements.push(block.data[at * parts + p]);
        else for (let i = 0; i < (shape[k] as number); i++) copy(k + 1, at + i * (stride[k] as number));
      };
      copy(0, from);
      const typed = block.data.constructor as unknown as { from(values: readonly unknown[]): unknown };
      list.push(new make(block.dtype, typed.from(elements), shape));
    };
    split(0, 0);
    return fn(list, info, own);
  };
}
