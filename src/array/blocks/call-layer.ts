/** Layers that call a user's function per block, with arrays matched by the labels of their axes. */
import { ArgumentError, ChunkError, ShapeError } from "../../base/index.ts";
import { asDType, type DType } from "../../dtype/index.ts";
import {
  type BlockInput,
  type Chunks,
  callNode,
  functionText,
  type LayerNode,
  rechunkNode,
  sameChunks,
} from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { arrayNode, isLazy, type LazyArray, lazyOf } from "../lazy.ts";
import { plainArguments } from "./travel.ts";

/** What a function on blocks may give: an array, a typed array in C order, nested lists, or the one element. */
export type BlockResult =
  | NDArray
  | {
      readonly data: NDArray["data"];
      readonly shape: readonly number[];
      readonly stride?: readonly number[];
      readonly offset?: number;
      readonly dtype?: DType;
    }
  | NDArray["data"]
  | number
  | bigint
  | boolean
  | readonly unknown[];

/** Where a block lies. */
export interface BlockPlaceInfo {
  /** Shape of the whole array. */
  readonly shape: readonly number[];
  /** Blocks along each axis. */
  readonly numChunks: readonly number[];
  /** The block's place among them. */
  readonly chunkLocation: readonly number[];
  /** Per axis, the first element of the whole array that lies in the block, and the first after it. */
  readonly arrayLocation: readonly (readonly [number, number])[];
}

/** What a function on blocks is told about them. On Python workers the names are in snake_case. */
export interface BlockInfo {
  readonly inputs: readonly BlockPlaceInfo[];
  readonly output: BlockPlaceInfo & { readonly chunkShape: readonly number[]; readonly dtype: DType };
}

/** Label of an axis: equal labels are walked together. */
export type AxisLabel = string | number;

/** An array and the labels of its axes. */
export interface Labelled {
  readonly array: LazyArray;
  readonly labels: readonly AxisLabel[];
}

/** Arrays cut alike, and how each label is cut. */
export interface Unified {
  readonly arrays: readonly LazyArray[];
  readonly chunks: ReadonlyMap<AxisLabel, readonly number[]>;
}

/**
 * Cut arrays alike along equal labels. With `align` all follow the largest array and size 1 broadcasts; else their own
 * cuts stay, and block counts must agree or be 1.
 * @throws {ShapeError} sizes that differ  @throws {ChunkError} block counts that differ
 */
export function unify(operands: readonly Labelled[], align: boolean): Unified {
  const chunks = new Map<AxisLabel, readonly number[]>();
  const bySize = [...operands].sort((a, b) => b.array.nbytes - a.array.nbytes);
  for (const { array, labels } of align ? bySize : operands) {
    labels.forEach((label, k) => {
      const own = array.chunks[k] as readonly number[]; // a label per axis
      const known = chunks.get(label);
      const isBetter = align
        ? known === undefined || (total(known) === 1 && total(own) !== 1)
        : known === undefined || own.length > known.length;
      if (isBetter) chunks.set(label, own);
    });
  }
  const arrays = operands.map(({ array, labels }) => {
    const wanted = labels.map((label, k) =>
      axisCut(array, k, { label, cut: chunks.get(label) as readonly number[], align }),
    );
    return sameChunks(wanted, array.chunks) ? array : lazyOf(rechunkNode(array.node, wanted));
  });
  return { arrays, chunks };
}

function axisCut(
  array: LazyArray,
  axis: number,
  { label, cut, align }: { readonly label: AxisLabel; readonly cut: readonly number[]; readonly align: boolean },
): readonly number[] {
  const own = array.chunks[axis] as readonly number[]; // one per axis
  if (!align) {
    if (own.length !== cut.length && own.length !== 1)
      throw new ChunkError(`axis ${axis} (${label}) has ${own.length} blocks where another array has ${cut.length}`);
    return own;
  }
  const [n, wanted] = [total(own), total(cut)];
  if (n !== wanted && n !== 1)
    throw new ShapeError(`axis ${axis} (${label}) has ${n} elements where another array has ${wanted}`);
  return n === wanted ? cut : own;
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a + b, 0);
}

/** A call layer from labelled arrays. Axes whose label the result lacks are one block each, or lists of blocks with `lists`. */
export function callLayer(o: {
  readonly label: string;
  readonly text: string;
  readonly operands: readonly Labelled[];
  readonly out: readonly AxisLabel[];
  readonly chunks: Chunks;
  readonly dtype: DType;
  readonly args: unknown;
  readonly lists?: boolean;
}): LayerNode {
  const { label, operands, out, chunks, dtype, lists = false } = o;
  const inputs = operands.map(({ array, labels }): BlockInput<LayerNode> => {
    const axes = labels.map((name, k) => {
      const at = out.indexOf(name);
      return at >= 0 && array.chunks[k]?.length === chunks[at]?.length ? at : null;
    });
    const wanted = array.chunks.map((own, k) => (axes[k] === null && !lists ? [total(own)] : own));
    return { layer: sameChunks(wanted, array.chunks) ? array.node : rechunkNode(array.node, wanted), axes };
  });
  // Per input, its axes that arrive as lists: true where that is meant, false where the one block repeats.
  const levels = operands.map(({ labels }, i) =>
    labels.flatMap((name, k) => (inputs[i]?.axes[k] === null ? [!out.includes(name)] : [])),
  );
  const repeats = lists && levels.flat().includes(false);
  const args = repeats ? { own: o.args ?? {}, levels } : (o.args ?? {});
  const text = repeats ? `(${functionText(unlisting)})(${o.text})` : o.text;
  return callNode(label, { text, inputs, lists, args: plainArguments(args), dtype: asDType(dtype), chunks });
}

/** What travels around a function where the one block of an axis repeats: it comes without a list around it. Self-contained. */
function unlisting(fn: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...given) => {
    const { own, levels } = given.pop() as { own: unknown; levels: readonly (readonly boolean[])[] };
    const info = given.pop();
    const strip = (value: unknown, kept: readonly boolean[]): unknown => {
      if (kept.length === 0) return value;
      const list = value as readonly unknown[];
      return kept[0] ? list.map((inner) => strip(inner, kept.slice(1))) : strip(list[0], kept.slice(1));
    };
    return fn(...given.map((value, i) => strip(value, levels[i] ?? [])), info, own);
  };
}

/** The lazy array behind an argument. @throws {ArgumentError} no array */
export function lazyOperand(value: unknown, what: string): LazyArray {
  if (value instanceof NDArray) return lazyOf(arrayNode(value));
  // An array of unknown size has no node, and says so.
  if (isLazy(value) && value.node) return value;
  throw new ArgumentError(`${what}: expected lazy arrays or NDArrays; other values go into the option args`);
}

/** True for an options object, which comes last. */
export function isOptions(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value) || isLazy(value)) return false;
  return !(value instanceof NDArray) && !ArrayBuffer.isView(value);
}

/** How an axis of a result is cut: one size for all its blocks, a size per block, or a function of the input's sizes. */
export type AdjustedChunks = number | readonly number[] | ((size: number) => number);

/** Block sizes after an adjustment. @throws {ChunkError} another number of blocks, or no sizes */
export function adjustedSizes(
  sizes: readonly number[],
  adjust: AdjustedChunks | undefined,
  axis: AxisLabel,
): readonly number[] {
  if (adjust === undefined) return sizes;
  const made =
    typeof adjust === "function" ? sizes.map(adjust) : typeof adjust === "number" ? sizes.map(() => adjust) : adjust;
  if (made.length !== sizes.length)
    throw new ChunkError(`${made.length} chunks given for axis ${axis}, which has ${sizes.length} blocks`);
  for (const n of made)
    if (!Number.isSafeInteger(n) || n < 0) throw new ChunkError(`chunk ${n} of axis ${axis}: expected a size`);
  return made;
}

/** Arrays, and the options that may follow them. */
export function splitOptions<O extends object>(
  rest: readonly unknown[],
  what: string,
): { readonly arrays: readonly LazyArray[]; readonly options: O } {
  const last = rest.at(-1);
  const options = (isOptions(last) ? last : {}) as O; // the callers' types say what it holds
  const given = isOptions(last) ? rest.slice(0, -1) : rest;
  return { arrays: given.map((a) => lazyOperand(a, what)), options };
}
