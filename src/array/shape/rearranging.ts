/** Layers that move elements without computing: rolls, repeats, blocks by number, bytes seen as another dtype. */
import { ArgumentError, SelectionError, ShapeError } from "../../base/index.ts";
import { type DType, itemsize } from "../../dtype/index.ts";
import {
  applyNode,
  concatenateNode,
  type LayerNode,
  makeNode,
  rechunkNode,
  sameChunks,
  shapeOfChunks,
  sliceNode,
  takeNode,
} from "../../graph/index.ts";
import { type AxisIndex, parseIndex, type SliceArg } from "../../ndarray/index.ts";
import { chunkTolerance } from "../auto.ts";
import type { LazyArray } from "../lazy.ts";
import { inBounds, takeLayer } from "./indexing.ts";
import { cutForGroup, groupedSizes } from "./shuffle-chunks.ts";

/** Index that reverses some axes. */
export function reversedIndex(shape: readonly number[], axes: readonly number[]): AxisIndex[] {
  return shape.map((n, k) =>
    axes.includes(k)
      ? { kind: "range", start: n - 1, step: -1, count: n }
      : { kind: "range", start: 0, step: 1, count: n },
  );
}

/** `start … stop` of one axis. */
export function sliceAxis(node: LayerNode, axis: number, start: number, stop: number): LayerNode {
  return sliceNode(
    node,
    shapeOfChunks(node.layer.chunks).map((n, k) =>
      k === axis
        ? { kind: "range", start: Math.min(start, stop), step: 1, count: Math.max(0, stop - start) }
        : { kind: "range", start: 0, step: 1, count: n },
    ),
  );
}

/** Elements shifted along axes by so much each, cut as before: the boxes of all axes at once, so each moves once. */
export function rolledNode(x: LazyArray, shifts: readonly number[]): LayerNode {
  const { node, shape, chunks, dtype } = x;
  for (const by of shifts) if (!Number.isSafeInteger(by)) throw new ArgumentError(`roll by ${by}: expected an integer`);
  const forward = shifts.map((by, k) => positiveModulo(by, shape[k] as number)); // one per axis
  if (forward.every((shift) => shift === 0)) return node;
  interface Box {
    readonly lo: readonly number[];
    readonly hi: readonly number[];
    readonly start: readonly number[];
  }
  let boxes: readonly Box[] = [{ lo: [], hi: [], start: [] }];
  for (const [k, n] of shape.entries()) {
    const shift = forward[k] as number; // one per axis
    const ends = shift === 0 ? [[0, n, 0] as const] : [[0, shift, n - shift] as const, [shift, n, 0] as const];
    boxes = boxes.flatMap(({ lo, hi, start }) =>
      ends.map(([from, to, at]) => ({ lo: [...lo, from], hi: [...hi, to], start: [...start, at] })),
    );
  }
  const parts = boxes.map(({ lo, hi, start }) => ({
    layer: node,
    lo,
    hi,
    walk: start.map((s, axis) => ({ axis, start: s, step: 1 })),
  }));
  return makeNode("roll", { kind: "gather", dtype, chunks, parts });
}

function positiveModulo(value: number, n: number): number {
  return n === 0 ? 0 : ((value % n) + n) % n;
}

/**
 * Elements shifted in the flat order, cut as before. The shift is a number whose digits are places along the axes: where
 * a digit borrows from the next axis decides the box, so there are at most two for each axis, and each element moves once.
 */
export function rollFlatLayer(x: LazyArray, by: number): LayerNode {
  if (!Number.isSafeInteger(by)) throw new ArgumentError(`roll by ${by}: expected an integer`);
  const size = x.shape.reduce((a, b) => a * b, 1);
  let rest = size === 0 ? 0 : ((by % size) + size) % size;
  if (rest === 0) return x.node;
  const digits = [...x.shape].reverse().map((n) => {
    const digit = rest % n;
    rest = Math.floor(rest / n);
    return digit;
  });
  digits.reverse();
  interface Box {
    readonly lo: readonly number[];
    readonly hi: readonly number[];
    readonly start: readonly number[];
    readonly borrow: number;
  }
  let boxes: Box[] = [{ lo: [], hi: [], start: [], borrow: 0 }];
  for (let k = x.ndim - 1; k >= 0; k--) {
    const n = x.shape[k] as number; // k < ndim
    boxes = boxes.flatMap(({ lo, hi, start, borrow }) => {
      const shift = (digits[k] as number) + borrow;
      return [
        { lo: [shift, ...lo], hi: [n, ...hi], start: [0, ...start], borrow: 0 },
        { lo: [0, ...lo], hi: [Math.min(shift, n), ...hi], start: [n - shift, ...start], borrow: 1 },
      ].filter((b) => (b.lo[0] as number) < (b.hi[0] as number));
    });
  }
  const parts = boxes.map(({ lo, hi, start }) => ({
    layer: x.node,
    lo,
    hi,
    walk: start.map((s, axis) => ({ axis, start: s, step: 1 })),
  }));
  return makeNode("roll", { kind: "gather", dtype: x.dtype, chunks: x.chunks, parts });
}

/** Each element repeated along an axis. */
export function repeatLayer(x: LazyArray, repeats: number | readonly number[], axis: number): LayerNode {
  const counts = [repeats].flat();
  const n = x.shape[axis] as number; // an axis of x
  for (const c of counts)
    if (!Number.isSafeInteger(c) || c < 0) throw new ArgumentError(`repeat ${c} times: expected counts`);
  if (counts.length !== 1) {
    if (counts.length !== n) throw new ArgumentError(`repeat by ${counts.length} counts along an axis of ${n}`);
    return takeLayer(
      x,
      counts.flatMap((c, i) => new Array<number>(c).fill(i)),
      axis,
    );
  }
  const times = counts[0] as number;
  if (times === 1) return x.node;
  if (times === 0) return sliceAxis(x.node, axis, 0, 0);
  return applyNode("repeat", {
    kernel: "repeat",
    params: { axis },
    inputs: [{ layer: x.node, axes: x.shape.map((_, k) => k) }],
    dtype: x.dtype,
    chunks: x.chunks.map((sizes, k) => (k === axis ? sizes.map((s) => s * times) : sizes)),
    scratchBytes: 0,
  });
}

/** Blocks by number: an index of the grid, whose axes all stay. @throws {SelectionError} no such block */
export function blocksLayer(x: LazyArray, index: readonly SliceArg[]): LayerNode {
  const chosen = parseIndex(
    index,
    x.chunks.map((c) => c.length),
  );
  if (chosen.some((i) => i.kind === "newaxis")) throw new SelectionError("blocks(…): an index of blocks adds no axis");
  return chosen.reduce<LayerNode>((node, part, axis) => {
    if (part.kind === "newaxis") return node;
    const { start, step, count } = part.kind === "element" ? { start: part.at, step: 1, count: 1 } : part;
    const sizes = x.chunks[axis] as readonly number[]; // one per axis
    const at = (b: number): number => sizes.slice(0, b).reduce((a, c) => a + c, 0);
    if (step === 1 || count === 0) return sliceAxis(node, axis, at(start), at(start + count));
    const parts = Array.from({ length: count }, (_, i) => start + i * step);
    return concatenateNode(
      parts.map((b) => sliceAxis(node, axis, at(b), at(b + 1))),
      axis,
    );
  }, x.node);
}

/** Bytes of the last axis seen as another dtype. @throws {ShapeError} bytes that do not divide */
export function viewLayer(x: LazyArray, dtype: DType): LayerNode {
  if (dtype === x.dtype) return x.node;
  const [from, to] = [itemsize(x.dtype), itemsize(dtype)];
  const last = x.ndim - 1;
  const n = x.shape[last];
  if (from !== to && (n === undefined || (n * from) % to !== 0))
    throw new ShapeError(
      n === undefined
        ? `view of a 0-d ${x.dtype} as ${dtype}: expected a dtype of ${from} bytes`
        : `view of ${n} elements of ${x.dtype} as ${dtype}: ${n * from} bytes are no multiple of ${to}`,
    );
  // Cuts fall where both dtypes have whole elements.
  const unit = Math.max(1, to / from);
  const cut = x.chunks.map((sizes, k) => (k === last ? wholeUnits(sizes, unit) : sizes));
  return applyNode("view", {
    kernel: "view",
    params: null,
    inputs: [{ layer: sameChunks(cut, x.chunks) ? x.node : rechunkNode(x.node, cut), axes: x.shape.map((_, k) => k) }],
    dtype,
    chunks: cut.map((sizes, k) => (k === last ? sizes.map((s) => (s * from) / to) : sizes)),
    scratchBytes: 0,
  });
}

function wholeUnits(sizes: readonly number[], unit: number): number[] {
  const out: number[] = [];
  let [at, done] = [0, 0];
  for (const n of sizes) {
    at += n;
    const upTo = Math.floor(at / unit) * unit;
    if (upTo > done || n === 0) out.push(upTo - done);
    done = upTo;
  }
  return out;
}

/** Groups of indices one after another, each within one block. */
export function shuffleLayer(x: LazyArray, groups: readonly (readonly number[])[], axis: number): LayerNode {
  const n = x.shape[axis] as number; // an axis of x
  const indices = groups.flatMap((g) => g.map((i) => inBounds(i, n, axis)));
  if (indices.length === 0) return sliceAxis(x.node, axis, 0, 0);
  if (
    indices.length === n &&
    indices.every((v, i) => v === i) &&
    endsAtCuts(x.chunks[axis] as readonly number[], groups)
  )
    return x.node;
  const tolerance = chunkTolerance();
  const lengths = groups.map((g) => g.length);
  const longest = lengths.reduce((a, b) => Math.max(a, b), 0);
  const cut = cutForGroup(x.chunks, axis, longest, tolerance);
  const node = sameChunks(cut, x.chunks) ? x.node : rechunkNode(x.node, cut);
  return takeNode(
    "shuffle",
    node,
    axis,
    indices,
    groupedSizes(x.chunks[axis] as readonly number[], lengths, tolerance),
  );
}

/** True for groups that are the blocks. */
function endsAtCuts(sizes: readonly number[], groups: readonly (readonly number[])[]): boolean {
  return sizes.length === groups.length && groups.every((g, i) => g.length === sizes[i]);
}
