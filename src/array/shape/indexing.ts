/** Indexing beyond slices: lists and masks. Layers; the public functions stand in `selecting.ts`. */
import { formatBytes, SelectionError, UnsupportedError, warnOnce } from "../../base/index.ts";
import { config } from "../../config/index.ts";
import { dtypeInfo, itemsize, type TypedArray } from "../../dtype/index.ts";
import { applyNode, type LayerNode, rechunkNode, sliceNode, takeNode, transposeNode } from "../../graph/index.ts";
import {
  type AxisIndex,
  ascontiguous,
  NDArray,
  normalizeAxis,
  parseIndex,
  type SliceArg,
  sizeOf,
} from "../../ndarray/index.ts";
import { chunkSizeBytes } from "../auto.ts";
import { arrayNode, isLazy, type LazyArray, lazyOf } from "../lazy.ts";
import { type AnyArray, compressedNode, isSelected, unknownShape, whereTrue } from "../unknown.ts";
import { reshapeLayer } from "./reshape.ts";

/** A list of indices or a mask, in memory or lazy. */
export type ArrayIndex = NDArray | TypedArray | LazyArray | AnyArray;

/** One part of an index: a basic one, or (once in an index) a list of integers or a mask. */
export type IndexArg = SliceArg | ArrayIndex;

/**
 * `x[index]` as in NumPy: basic parts, and at most one list of integers or mask.
 *
 * Blocks follow the input's cuts. A list gives blocks no larger than the input's along its axis; a lazy mask an axis of unknown size.
 * @throws {SelectionError} out of bounds, no index, more than one list or mask, a mask of another shape
 */
export function indexLayer(x: LazyArray, args: readonly IndexArg[]): LayerNode {
  const parts = args.flatMap((a): IndexArg[] => (typeof a === "string" ? a.split(",").map((s) => s.trim()) : [a]));
  const arrays = parts.filter(isArrayIndex);
  if (arrays.length === 0) return sliceNode(x.node, parseIndex(parts as SliceArg[], x.shape)); // no arrays among them
  if (arrays.length > 1)
    throw new SelectionError(
      `an index with ${arrays.length} lists or masks: expected at most one; vindex(i, j) selects points, take(indices, { axis }) one axis after another`,
    );
  const array = arrayIndex(arrays[0] as ArrayIndex);
  const rank = array.dtype === "bool" ? array.ndim : 1;
  const basic = parts.flatMap((p): SliceArg[] => (isArrayIndex(p) ? new Array<SliceArg>(rank).fill(":") : [p]));
  const index = parseIndex(basic, x.shape);
  const at = placeOf(parts, rank, x.ndim, index);
  const cut = isWhole(index) ? x.node : sliceNode(x.node, index);
  const axis = index.slice(0, at).filter((i) => i.kind !== "element").length;
  const node = array.dtype === "bool" ? maskLayer(lazyOf(cut), array, axis) : listLayer(lazyOf(cut), array, axis);
  // NumPy: a list and a number with a slice between them put the list's axis first.
  const split = index.some((part, k) => part.kind === "element" && isApart(index, at, rank, k));
  if (!split || axis === 0) return node;
  if (isSelected({ selected: "selection" in node ? node : null }))
    throw new UnsupportedError("a mask and a number with a slice between them: index in two steps");
  const axes = node.layer.chunks.map((_, k) => k);
  return transposeNode(node, [...axes.splice(axis, rankOfResult(array)), ...axes]);
}

function rankOfResult(array: LazyArray | NDArray): number {
  return array.dtype === "bool" ? 1 : array.ndim;
}

/** True for what indexes as an array. */
export function isArrayIndex(part: unknown): part is ArrayIndex {
  return part instanceof NDArray || ArrayBuffer.isView(part) || isLazy(part);
}

function arrayIndex(part: ArrayIndex): LazyArray | NDArray {
  if (isSelected(part)) throw unknownShape("an index of unknown size", part.selected.selection.axis);
  const array = part instanceof NDArray ? part : ArrayBuffer.isView(part) ? NDArray.of(part) : (part as LazyArray); // sizes are known
  const { kind } = dtypeInfo(array.dtype);
  if (kind !== "b" && kind !== "i" && kind !== "u")
    throw new SelectionError(`an index of ${array.dtype}: expected integers or bools`);
  if (array.ndim === 0) throw new SelectionError("an index that is a 0-d array: expected a number, or a list");
  return array;
}

/** Entry of `index` at which the array part begins. */
function placeOf(parts: readonly IndexArg[], rank: number, ndim: number, index: readonly AxisIndex[]): number {
  const consumes = (p: IndexArg): number =>
    isArrayIndex(p) ? rank : p === null || p === "..." || p === "newaxis" ? 0 : 1;
  const at = parts.findIndex(isArrayIndex);
  const before = parts.slice(0, at);
  const total = parts.reduce<number>((n, p) => n + consumes(p), 0);
  let axis = before.reduce<number>((n, p) => n + consumes(p), 0) + (before.includes("...") ? ndim - total : 0);
  let entry = 0;
  for (; axis > 0 || index[entry]?.kind === "newaxis"; entry++) if (index[entry]?.kind !== "newaxis") axis--;
  return entry;
}

function isApart(index: readonly AxisIndex[], at: number, rank: number, element: number): boolean {
  const between = element < at ? index.slice(element, at) : index.slice(at + rank, element);
  return between.some((i) => i.kind !== "element");
}

function isWhole(index: readonly AxisIndex[]): boolean {
  return index.every((i) => i.kind === "range" && i.start === 0 && i.step === 1);
}

/** Elements where `mask` is true, along the axes that it covers from `axis` on. */
export function maskLayer(x: LazyArray, mask: LazyArray | NDArray, axis: number): LayerNode {
  const covered = x.shape.slice(axis, axis + mask.ndim);
  if (covered.length !== mask.ndim || mask.shape.some((n, k) => n !== covered[k]))
    throw new SelectionError(
      `a mask of shape (${mask.shape.join(", ")}) on axes of shape (${covered.join(", ")}): expected the same`,
    );
  if (!(mask instanceof NDArray)) return whereTrue(x.node, mask.node, axis);
  const flags = flatValues(mask);
  if (mask.ndim === 1)
    return takeLayer(
      x,
      flags.flatMap((v, i) => (v ? [i] : [])),
      axis,
    );
  return compressedNode(whereTrue(x.node, arrayNode(mask), axis), (sizes) => {
    let at = 0;
    return sizes.map((n) => {
      at += n;
      return flags.slice(at - n, at).reduce((a, b) => a + b, 0);
    });
  });
}

function listLayer(x: LazyArray, list: LazyArray | NDArray, axis: number): LayerNode {
  if (!(list instanceof NDArray)) return lazyTakeLayer(x, list, axis);
  const flat = takeLayer(x, flatValues(list), axis);
  if (list.ndim === 1) return flat;
  throw new SelectionError(
    `a list of rank ${list.ndim} in an index: expected rank 1; take(indices, { axis }) takes any`,
  );
}

/** Values in C order as numbers. */
export function flatValues(block: NDArray): number[] {
  const { data, offset, size } = ascontiguous(block);
  const out = new Array<number>(size);
  for (let i = 0; i < size; i++) out[i] = Number(data[offset + i]);
  return out;
}

/** `index` counted from the front. @throws {SelectionError} outside the axis */
export function inBounds(index: number, n: number, axis: number): number {
  const at = index < 0 ? index + n : index;
  if (!Number.isInteger(at) || at < 0 || at >= n)
    throw new SelectionError(`index ${index} is out of bounds for axis ${axis} of size ${n}`);
  return at;
}

/**
 * `x[…, indices, …]` along `axis`. Evenly spaced indices are a slice, which moves into sources; others are cut into
 * blocks no larger than the input's largest, at the input's cuts where they ascend.
 * @throws {SelectionError} out of bounds
 */
export function takeLayer(x: LazyArray, indices: readonly number[], axis: number): LayerNode {
  const k = normalizeAxis(axis, x.ndim);
  const n = x.shape[k] as number; // in bounds
  const at = indices.map((i) => inBounds(i, n, k));
  const step = at.length > 1 ? (at[1] as number) - (at[0] as number) : 1;
  if (step !== 0 && at.every((v, i) => v === (at[0] as number) + i * step))
    return sliceNode(
      x.node,
      x.shape.map((s, a) =>
        a === k
          ? { kind: "range", start: at[0] ?? 0, step, count: at.length }
          : { kind: "range", start: 0, step: 1, count: s },
      ),
    );
  return takeNode("take", x.node, k, at, takeSizes(x.chunks[k] as readonly number[], at));
}

/** Blocks of taken elements: at the input's cuts where indices ascend, else equal; none above the largest block. */
function takeSizes(sizes: readonly number[], indices: readonly number[]): number[] {
  const most = sizes.reduce((a, b) => Math.max(a, b), 1);
  if (indices.some((v, i) => i > 0 && v < (indices[i - 1] as number))) {
    const pieces = Math.ceil(indices.length / most);
    return Array.from(
      { length: pieces },
      (_, p) => Math.round(((p + 1) * indices.length) / pieces) - Math.round((p * indices.length) / pieces),
    );
  }
  const out: number[] = [];
  let end = 0;
  let i = 0;
  for (const n of sizes) {
    end += n;
    const from = i;
    while (i < indices.length && (indices[i] as number) < end) i++;
    for (let left = i - from; left > 0; left -= most) {
      const count = Math.min(left, most);
      const last = out.at(-1);
      if (last !== undefined && last + count <= most) out[out.length - 1] = last + count;
      else out.push(count);
    }
  }
  return out;
}

/** Blocks that have more than so many times the wanted bytes are told of. */
const LARGE_TIMES = 5;

/**
 * The lazy list in blocks that make blocks of about `array.chunk-size` at most, if `array.slicing.split-large-chunks` is
 * true. Only a lazy list may make larger blocks than its array has: what is known is cut by that.
 */
function listInPieces(x: LazyArray, list: LazyArray, axis: number): LazyArray {
  const split = config.boolean("array.slicing.split-large-chunks");
  if (split === false) return list;
  const others = x.chunks.filter((_, k) => k !== axis).map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 0));
  const each = sizeOf(others) * itemsize(x.dtype);
  const most = Math.ceil(chunkSizeBytes() / Math.max(1, each));
  const sizes = list.chunks[0] as readonly number[]; // rank 1
  const longest = sizes.reduce((a, b) => Math.max(a, b), 0);
  if (split !== true) {
    if (longest > LARGE_TIMES * most)
      warnOnce(
        "PerformanceWarning",
        `an index with a lazy list makes blocks of ${formatBytes(longest * each)}, array.chunk-size is ${formatBytes(chunkSizeBytes())}; set array.slicing.split-large-chunks to true to split them, to false to accept them silently`,
      );
    return list;
  }
  if (longest <= most) return list;
  return lazyOf(rechunkNode(list.node, [sizes.flatMap((n) => evenParts(n, Math.ceil(n / most)))]));
}

/** NumPy's `array_split`: the larger parts first. */
function evenParts(n: number, count: number): number[] {
  if (count <= 1) return [n];
  return Array.from({ length: count }, (_, i) => Math.floor(n / count) + (i < n % count ? 1 : 0));
}

/** The same with indices that are lazy themselves: the axis becomes whole, the result is cut like the list. */
function lazyTakeLayer(x: LazyArray, given: LazyArray, axis: number): LayerNode {
  if (given.ndim !== 1) throw new SelectionError(`a lazy list of rank ${given.ndim}: expected rank 1`);
  const list = listInPieces(x, given, axis);
  const whole = x.chunks.map((sizes, k) => (k === axis ? [x.shape[axis] as number] : sizes));
  return applyNode("take", {
    kernel: "take",
    params: { axis },
    inputs: [
      { layer: rechunkNode(x.node, whole), axes: x.shape.map((_, k) => (k === axis ? null : k)) },
      { layer: list.node, axes: [axis] },
    ],
    dtype: x.dtype,
    chunks: x.chunks.map((sizes, k) => (k === axis ? (list.chunks[0] as readonly number[]) : sizes)),
    scratchBytes: 4 * largest(list),
  });
}

/** Elements of an array's largest block. */
export function largest(x: LazyArray): number {
  return sizeOf(x.chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0)));
}

/** Integers: one, a list, a block, or a lazy array. */
export type Indices = number | readonly number[] | NDArray | TypedArray | LazyArray;

/** Indices in memory as a block. @throws {SelectionError} no integers */
export function blockOf(label: string, indices: Exclude<Indices, LazyArray>): NDArray {
  const block =
    indices instanceof NDArray
      ? indices
      : ArrayBuffer.isView(indices)
        ? NDArray.of(indices)
        : new NDArray(
            "float64",
            Float64Array.from([indices].flat() as number[]), // one number or a list
            typeof indices === "number" ? [] : [indices.length],
          );
  const { kind } = dtypeInfo(block.dtype);
  const whole = kind === "i" || kind === "u" || flatValues(block).every(Number.isInteger);
  if (!whole || kind === "b") throw new SelectionError(`${label} with indices that are no integers`);
  return block;
}

/** The array, if it holds integers. @throws {SelectionError} it does not */
export function integers<T extends LazyArray>(label: string, x: T): T {
  const { kind } = dtypeInfo(x.dtype);
  if (kind !== "i" && kind !== "u") throw new SelectionError(`${label} with indices of ${x.dtype}: expected integers`);
  return x;
}

/** NumPy's `take`: the shape of the indices in place of the axis; of the flat array when `axis` is null. */
export function takeAnyLayer(x: LazyArray, indices: Indices, axis: number | null): LayerNode {
  if (isSelected(indices)) throw unknownShape("take", indices.selected.selection.axis);
  const line = axis === null ? lazyOf(reshapeLayer(x, [-1])) : x;
  const k = normalizeAxis(axis ?? 0, line.ndim);
  const list = isLazy(indices) ? integers("take", indices) : blockOf("take", indices);
  const taken =
    list instanceof NDArray
      ? takeLayer(line, flatValues(list), k)
      : lazyTakeLayer(line, lazyOf(reshapeLayer(list, [-1])), k);
  if (list.ndim === 1) return taken;
  return reshapeLayer(lazyOf(taken), [...line.shape.slice(0, k), ...list.shape, ...line.shape.slice(k + 1)]);
}
