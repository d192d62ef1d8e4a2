/** Padding by index: every element of the padding is an element of the array, or one value. Strided pieces, no computing. */
import { ShapeError } from "../../base/index.ts";
import { allocate, type Scalar, storeScalar } from "../../dtype/index.ts";
import {
  type AxisWalk,
  type Chunks,
  type GatherPart,
  type LayerNode,
  literalNode,
  makeNode,
} from "../../graph/index.ts";
import type { LazyArray } from "../lazy.ts";

/** Elements before and after an axis. */
export type Pair = readonly [before: number, after: number];

/** Modes whose padding repeats elements. */
export type RepeatMode = "edge" | "reflect" | "symmetric" | "wrap";

/** A stretch of a padded axis: from the array by `step` (0: one element repeated). Positions count from the padding's start. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly step: -1 | 0 | 1;
}

/** Source of position `at` (0 is the array's first element) of an axis of `n`, and the way it moves. */
function sourceAt(mode: RepeatMode, at: number, n: number): { readonly index: number; readonly step: -1 | 0 | 1 } {
  if (at >= 0 && at < n) return { index: at, step: 1 };
  if (mode === "edge" || n === 1) return { index: at < 0 ? 0 : n - 1, step: 0 };
  const period = mode === "wrap" ? n : mode === "symmetric" ? 2 * n : 2 * (n - 1);
  const place = ((at % period) + period) % period;
  if (place < n) return { index: place, step: 1 };
  return { index: period - place - (mode === "symmetric" ? 1 : 0), step: -1 };
}

function runsOf(mode: RepeatMode, n: number, [before, after]: Pair): Run[] {
  const runs: Run[] = [];
  for (let at = -before; at < n + after; ) {
    const { index, step } = sourceAt(mode, at, n);
    const inside = at >= 0 && at < n;
    const end = inside ? n : at < 0 ? 0 : n + after;
    const length = Math.min(end - at, step === 0 ? end - at : step > 0 ? n - index : index + 1);
    // A reflected edge belongs to the run that reaches it; the next one starts behind it.
    runs.push({ from: at + before, to: at + before + length, start: index, step });
    at += length;
  }
  return runs;
}

/** Cuts of padded axes: the padding joins the blocks at the ends, or is cut like the largest block if it is larger. */
export function paddedChunks(chunks: Chunks, widths: readonly Pair[]): number[][] {
  return chunks.map((sizes, k) => {
    const [before, after] = widths[k] as Pair; // one per axis
    const most = sizes.reduce((a, b) => Math.max(a, b), 1);
    const pieces = (n: number): number[] => {
      const count = Math.ceil(n / most);
      return Array.from({ length: count }, (_, i) => Math.round(((i + 1) * n) / count) - Math.round((i * n) / count));
    };
    const out = [...sizes];
    const [first, last] = [before <= most, after <= most];
    if (first) out[0] = (out[0] ?? 0) + before;
    if (last) out[out.length - 1] = (out.at(-1) ?? 0) + after;
    return [...(first ? [] : pieces(before)), ...out, ...(last ? [] : pieces(after))];
  });
}

/** Every choice of one entry per list. */
function choices<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((all, list) => all.flatMap((head) => list.map((v) => [...head, v])), [[]]);
}

/**
 * The array with its own elements around it.
 * @throws {ShapeError} an axis without elements is to grow
 */
export function repeatPadLayer(x: LazyArray, widths: readonly Pair[], mode: RepeatMode): LayerNode {
  x.shape.forEach((n, k) => {
    const [before, after] = widths[k] as Pair; // one per axis
    if (n === 0 && before + after > 0)
      throw new ShapeError(`pad of axis ${k} without elements by mode ${mode}: expected "constant" or "empty"`);
  });
  const axes = x.shape.map((n, k) => (n === 0 ? [] : runsOf(mode, n, widths[k] as Pair)));
  const parts = choices(axes).map(
    (runs): GatherPart<LayerNode> => ({
      layer: x.node,
      lo: runs.map((r) => r.from),
      hi: runs.map((r) => r.to),
      walk: runs.map(
        (r, axis): AxisWalk =>
          r.step === 0 ? { axis: null, start: r.start, step: 1 } : { axis, start: r.start, step: r.step },
      ),
    }),
  );
  return makeNode("pad", { kind: "gather", dtype: x.dtype, chunks: paddedChunks(x.chunks, widths), parts });
}

/** The array with one value on each side of each axis; where sides meet, the last axis decides. */
export function constantPadLayer(
  x: LazyArray,
  widths: readonly Pair[],
  values: readonly (readonly [Scalar, Scalar])[],
): LayerNode {
  const shape = x.shape.map((n, k) => n + (widths[k] as Pair)[0] + (widths[k] as Pair)[1]);
  const parts: GatherPart<LayerNode>[] = [];
  const add = (layer: LayerNode, lo: readonly number[], hi: readonly number[], walk: readonly AxisWalk[]): void => {
    if (lo.every((v, k) => v < (hi[k] as number))) parts.push({ layer, lo, hi, walk });
  };
  const start = widths.map(([before]) => before);
  const end = x.shape.map((n, k) => n + (start[k] as number));
  add(
    x.node,
    start,
    end,
    x.shape.map((_, axis) => ({ axis, start: 0, step: 1 })),
  );
  shape.forEach((n, k) => {
    const lo = shape.map((_, a) => (a > k ? (start[a] as number) : 0));
    const hi = shape.map((s, a) => (a > k ? (end[a] as number) : s));
    const [before, after] = values[k] as readonly [Scalar, Scalar]; // one pair per axis
    add(one(x, before), lo, hi.with(k, start[k] as number), []);
    add(one(x, after), lo.with(k, end[k] as number), hi.with(k, n), []);
  });
  return makeNode("pad", { kind: "gather", dtype: x.dtype, chunks: paddedChunks(x.chunks, widths), parts });
}

/** A 0-d layer of one value. */
function one(x: LazyArray, value: Scalar): LayerNode {
  const data = allocate(x.dtype, 1);
  storeScalar(data, 0, value, x.dtype);
  return literalNode(
    "full",
    x.dtype,
    [],
    new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength).slice(),
  );
}
