/** Pointwise indexing: one element, or one slab, for each point. */
import { SelectionError } from "../../base/index.ts";
import { itemsize, type TypedArray } from "../../dtype/index.ts";
import {
  applyNode,
  blockAt,
  concatenateNode,
  type LayerNode,
  literalNode,
  offsetsOf,
  sliceNode,
  takeNode,
} from "../../graph/index.ts";
import {
  type AxisIndex,
  broadcastShapes,
  broadcastTo,
  NDArray,
  parseIndex,
  type SliceArg,
  sizeOf,
} from "../../ndarray/index.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { flatValues, inBounds } from "./indexing.ts";
import { reshapeLayer } from "./reshape.ts";

/** Along one axis: coordinates of points (list, typed array, block), a number (the axis is dropped), a slice as text. */
export type PointIndex = number | string | readonly number[] | NDArray | TypedArray;

/** Coordinates of the points along some axes. */
interface Points {
  readonly axes: readonly number[];
  /** Per axis, one for each point. */
  readonly at: readonly (readonly number[])[];
  readonly count: number;
}

/**
 * `x[points]`: the points' axes come first, then the axes that no coordinates name.
 *
 * Only blocks with points are touched, and of those the box around their points, which moves into sources.
 * @throws {SelectionError} out of bounds, or no coordinates  @throws {BroadcastError} coordinates that do not broadcast
 */
export function pointsLayer(x: LazyArray, index: readonly PointIndex[]): LayerNode {
  const parts = index.flatMap((p): PointIndex[] => (typeof p === "string" ? p.split(",").map((s) => s.trim()) : [p]));
  if (parts.includes("...") || parts.includes("newaxis"))
    throw new SelectionError('vindex takes coordinates, numbers and slices: no "..." or new axes');
  const basic = parseIndex(
    parts.map((p): SliceArg => (isList(p) ? ":" : p)),
    x.shape,
  );
  const cut = lazyOf(sliceNode(x.node, basic));
  const lists = parts.flatMap((p, k) => {
    if (!isList(p)) return [];
    const axis = basic.slice(0, k).filter((i) => i.kind === "range").length;
    return [{ axis, block: p instanceof NDArray ? p : asBlock(p) }];
  });
  if (lists.length === 0) throw new SelectionError("vindex without coordinates: use slice");
  const shape = broadcastShapes(...lists.map((l) => l.block.shape));
  const at = lists.map(({ axis, block }) =>
    flatValues(broadcastTo(block, shape)).map((i) => inBounds(i, cut.shape[axis] as number, axis)),
  );
  const node = pick(cut, { axes: lists.map((l) => l.axis), at, count: sizeOf(shape) });
  const rest = node.layer.chunks.slice(1).map((c) => c.reduce((a, b) => a + b, 0));
  return shape.length === 1 ? node : reshapeLayer(lazyOf(node), [...shape, ...rest]);
}

function isList(p: PointIndex): p is Exclude<PointIndex, number | string> {
  return typeof p === "object" && p !== null;
}

function asBlock(list: readonly number[] | TypedArray): NDArray {
  return ArrayBuffer.isView(list) ? NDArray.of(list) : NDArray.of(Float64Array.from(list));
}

function pick(x: LazyArray, points: Points): LayerNode {
  const { axes, at, count } = points;
  const rest = x.chunks.filter((_, k) => !axes.includes(k));
  if (count === 0) return literalNode("vindex", x.dtype, [[0], ...rest], new Uint8Array(itemsize(x.dtype)));
  // The number of each point's block among those of the points' axes.
  const blocks = new Float64Array(count);
  axes.forEach((k, a) => {
    const sizes = x.chunks[k] as readonly number[]; // one per axis
    const line = at[a] as readonly number[]; // one per axis of the points
    if (sizes.length === 1) return;
    for (let p = 0; p < count; p++)
      blocks[p] = (blocks[p] as number) * sizes.length + blockAt(sizes, line[p] as number); // p < count
  });
  const groups = new Map<number, number[]>();
  blocks.forEach((block, p) => {
    const members = groups.get(block);
    if (members) members.push(p);
    else groups.set(block, [p]);
  });
  const parts = [...groups.values()].map((members) => pointsOfBlock(x, points, members));
  const order = [...groups.values()].flat();
  const joined = parts.length === 1 ? (parts[0] as LayerNode) : concatenateNode(parts, 0);
  const place = new Array<number>(count);
  order.forEach((p, i) => {
    place[p] = i;
  });
  const room = sizeOf(x.chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0)));
  const most = Math.max(
    1,
    Math.floor(room / Math.max(1, sizeOf(rest.map((c) => c.reduce((a, b) => Math.max(a, b), 0))))),
  );
  if (parts.length === 1 && count <= most && place.every((p, i) => p === i)) return joined;
  const pieces = Math.ceil(count / most);
  const sizes = Array.from(
    { length: pieces },
    (_, i) => Math.round(((i + 1) * count) / pieces) - Math.round((i * count) / pieces),
  );
  return takeNode("vindex", joined, 0, place, sizes);
}

/** The points of one block, in the order given. */
function pointsOfBlock(x: LazyArray, { axes, at }: Points, members: readonly number[]): LayerNode {
  const coordinates = axes.map((_, a) => members.map((p) => at[a]?.[p] as number));
  const lo = coordinates.map((c) => c.reduce((p, q) => Math.min(p, q)));
  const hi = coordinates.map((c) => c.reduce((p, q) => Math.max(p, q)));
  const box = x.shape.map((n, k): AxisIndex => {
    const a = axes.indexOf(k);
    return a < 0
      ? { kind: "range", start: 0, step: 1, count: n }
      : { kind: "range", start: lo[a] as number, step: 1, count: (hi[a] as number) - (lo[a] as number) + 1 };
  });
  const local = Int32Array.from(coordinates.flatMap((c, a) => c.map((v) => v - (lo[a] as number))));
  const others = x.shape.flatMap((_, k) => (axes.includes(k) ? [] : [k]));
  return applyNode("points", {
    kernel: "points",
    params: { axes, at: new Uint8Array(local.buffer) },
    inputs: [
      { layer: sliceNode(x.node, box), axes: x.shape.map((_, k) => (axes.includes(k) ? null : others.indexOf(k) + 1)) },
    ],
    dtype: x.dtype,
    chunks: [[members.length], ...others.map((k) => x.chunks[k] as readonly number[])],
    scratchBytes:
      4 *
      (2 * local.length +
        members.length *
          Math.max(
            1,
            sizeOf(others.map((k) => (x.chunks[k] as readonly number[]).reduce((a, b) => Math.max(a, b), 0))),
          )),
  });
}

/** Regions of one block each along the main diagonal of two axes of `n` steps. */
export function diagonalRuns(
  a: readonly number[],
  b: readonly number[],
  from: readonly [number, number],
  n: number,
): number[] {
  const ends = new Set<number>([n]);
  for (const [sizes, start] of [
    [a, from[0]],
    [b, from[1]],
  ] as const)
    for (const edge of offsetsOf(sizes)) if (edge > start && edge - start < n) ends.add(edge - start);
  return [...ends].sort((p, q) => p - q);
}
