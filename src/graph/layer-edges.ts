/** Edges between layers, as formulas: which blocks of an input a block needs, axis by axis. */
import { type AxisMap, composeMaps, isMany, placesOf, tableOf } from "./axis-map.ts";
import { blockAt, offsetsOf } from "./chunks.ts";
import type { Graph } from "./graph.ts";
import { type Chunks, type GatherPart, type Layer, shapeOfChunks } from "./layer.ts";
import type { Interval } from "./task.ts";

/** One input of a layer. */
export interface LayerEdge {
  /** The input. */
  readonly layer: number;
  /** Per axis of the input. */
  readonly axes: readonly AxisMap[];
  /** Per axis of the layer: places where the edge exists; null: everywhere. */
  readonly holds: readonly (Uint8Array | null)[];
}

/** Edges that no formula says. */
export class NoFormula extends Error {}

type Kind<K extends Layer["kind"]> = Extract<Layer, { kind: K }>;

const ONE: AxisMap = { kind: "range", from: 0, count: 1 };

/**
 * Edges of a layer to the layers whose tasks it needs, inline ones seen through.
 * @throws {NoFormula} some of its edges cannot be said axis by axis
 */
export function layerEdges(graph: Graph, index: number): LayerEdge[] {
  return directEdges(graph, index).flatMap((edge) => {
    if (!graph.layer(edge.layer).inline) return [edge];
    return layerEdges(graph, edge.layer).map((inner) => compose(graph, index, edge, inner));
  });
}

/**
 * True when the formulas of a layer, one after another, name a task's inputs in the order in which its program reads them.
 * They do not where several blocks of an inline layer are read, each of which has several inputs.
 */
export function isInProgramOrder(graph: Graph, index: number): boolean {
  return directEdges(graph, index).every((edge) => {
    if (!graph.layer(edge.layer).inline) return true;
    if (!isInProgramOrder(graph, edge.layer)) return false;
    if (!edge.axes.some(isMany)) return true;
    const inner = layerEdges(graph, edge.layer);
    return inner.length < 2 && !inner.some(({ axes }) => axes.some(isMany));
  });
}

/**
 * Edges of a layer to all layers whose blocks its programs see: what its tasks need, and inline layers on the way.
 * @throws {NoFormula} some of its edges cannot be said axis by axis
 */
export function layerViews(graph: Graph, index: number): LayerEdge[] {
  return directEdges(graph, index).flatMap((edge) => {
    if (!graph.layer(edge.layer).inline) return [edge];
    return [edge, ...layerViews(graph, edge.layer).map((inner) => compose(graph, index, edge, inner))];
  });
}

/** `inner` is an edge of the inline layer to which `outer` leads. */
function compose(graph: Graph, index: number, outer: LayerEdge, inner: LayerEdge): LayerEdge {
  const grid = graph.grid(index);
  const follows = inner.axes.map((map) => ("axis" in map && map.axis >= 0 ? map.axis : null));
  follows.forEach((axis, k) => {
    const isTwice = axis !== null && follows.indexOf(axis) !== k;
    if (isTwice && isMany(outer.axes[axis] as AxisMap)) throw new NoFormula("a diagonal of several blocks");
  });
  const holds = outer.holds.slice();
  inner.holds.forEach((mask, b) => {
    if (mask === null) return;
    const map = outer.axes[b] as AxisMap; // one per axis of the inline layer
    // Where only some of the blocks in between have the edge, the product of the axes says too much.
    if (isMany(map) || !("axis" in map) || map.axis < 0) throw new NoFormula("an edge of some blocks only");
    const own = new Uint8Array(grid[map.axis] as number);
    for (let p = 0; p < own.length; p++) {
      const [place] = placesOf(map, p);
      own[p] = place !== undefined && mask[place] === 1 && (holds[map.axis]?.[p] ?? 1) === 1 ? 1 : 0;
    }
    holds[map.axis] = own;
  });
  const axes = inner.axes.map((map, k): AxisMap => {
    const b = follows[k] ?? null;
    if (b === null) return map;
    const through = outer.axes[b] as AxisMap; // one per axis of the inline layer
    return composeMaps(through, map, "axis" in through && through.axis >= 0 ? (grid[through.axis] as number) : 1);
  });
  // A block in between that does not exist has no inputs either, also along axes that the input does not follow.
  outer.axes.forEach((map, b) => {
    if (!follows.includes(b) && map.kind === "table" && hasEmptyRow(map)) throw new NoFormula("an edge without blocks");
  });
  return { layer: inner.layer, axes, holds };
}

function hasEmptyRow(map: Extract<AxisMap, { readonly kind: "table" }>): boolean {
  return map.start.some((at, p) => p > 0 && at === map.start[p - 1]);
}

function directEdges(graph: Graph, index: number): LayerEdge[] {
  const layer = graph.layer(index);
  const everywhere = graph.grid(index).map(() => null);
  const edge = (input: number, axes: readonly AxisMap[]): LayerEdge => ({ layer: input, axes, holds: everywhere });
  const alike = (input: number): LayerEdge => edge(input, graph.grid(input).map(same));
  switch (layer.kind) {
    case "source":
    case "literal":
    case "arange":
    case "held":
      return [];
    case "blockwise":
      return layer.inputs.map((i) => edge(i.layer, i.axes.map(axisMap)));
    case "apply":
      if (layer.byNumber && layer.inputs.some((i) => !isAlike(graph.grid(i.layer), graph.grid(index))))
        throw new NoFormula("blocks by number");
      return layer.inputs.map((i) => (layer.byNumber ? alike(i.layer) : edge(i.layer, i.axes.map(axisMap))));
    case "call":
      return layer.inputs.map((i) =>
        edge(
          i.layer,
          i.axes.map((a, k) =>
            a === null && layer.lists
              ? { kind: "range", from: 0, count: graph.grid(i.layer)[k] as number }
              : axisMap(a),
          ),
        ),
      );
    case "reduce":
      // The components come first.
      return layer.inputs.map((i) =>
        edge(
          i.layer,
          i.axes.map((a) => axisMap(a === null ? null : a + 1)),
        ),
      );
    case "select":
      return selectEdges(layer).map(({ layer: input, axes }) => edge(input, axes));
    case "combine":
      return [edge(layer.input, combineMaps(graph, layer))];
    case "gather":
      return layer.parts.flatMap((part) => partEdge(graph, index, part, boxesOf(layer.chunks)) ?? []);
    case "window":
      return [...(partEdge(graph, index, wholePart(graph, layer.input), windowBoxes(layer)) ?? [])];
    case "coarsen":
      return [...(partEdge(graph, index, wholePart(graph, layer.input), coarseBoxes(graph, layer)) ?? [])];
    case "take":
      return [edge(layer.input, takeMaps(graph, layer))];
    case "write-zarr":
      if ("done" in layer) throw new NoFormula("a write that is resumed");
      return [alike(layer.input)];
    case "write-cog-part": {
      const rank = graph.grid(layer.input).length;
      return [
        edge(
          layer.input,
          graph.grid(layer.input).map((_, k) => (k === rank - 2 ? same(null, 0) : ONE)),
        ),
      ];
    }
    case "write-cog":
      return layer.inputs.map((input) => edge(input, [{ kind: "range", from: 0, count: graph.count(input) }]));
    case "calls":
      if (layer.inputs.byteLength > 0) throw new NoFormula("calls that read others");
      return [];
    default:
      throw new NoFormula(`layers of kind ${(layer as Layer).kind}`);
  }
}

function same(_: unknown, axis: number): AxisMap {
  return { kind: "same", axis };
}

function axisMap(axis: number | null): AxisMap {
  return axis === null ? ONE : { kind: "same", axis };
}

function isAlike(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, k) => n === b[k]);
}

function selectEdges(layer: Kind<"select">): { readonly layer: number; readonly axes: readonly AxisMap[] }[] {
  let next = layer.spec.isList ? 1 : 0;
  const loop = layer.loop.map((_, k): AxisMap => {
    if (layer.reduced.includes(k) && !layer.keepdims) return ONE;
    return { kind: "same", axis: next++ };
  });
  return layer.inputs.map((i) => ({
    layer: i.layer,
    axes: i.axes.map((a) => (a === null ? ONE : (loop[a] as AxisMap))), // an axis of the loop
  }));
}

function combineMaps(graph: Graph, layer: Kind<"combine">): AxisMap[] {
  const isDropped = (k: number): boolean => layer.final && !layer.keepdims && layer.reduced.includes(k);
  let next = layer.final ? 0 : 1;
  const loop = graph
    .grid(layer.input)
    .slice(1)
    .map((count, k): AxisMap => {
      const size = layer.group[k] as number; // one per loop axis
      if (isDropped(k)) return { kind: "range", from: 0, count: Math.min(size, count) };
      const axis = next++;
      return size === 1 ? { kind: "same", axis } : { kind: "group", axis, size, count };
    });
  return [ONE, ...loop];
}

function takeMaps(graph: Graph, layer: Kind<"take">): AxisMap[] {
  const sizes = graph.layer(layer.input).chunks[layer.axis] as readonly number[]; // the axis is the input's too
  const bytes = layer.indices.slice(); // aligned
  const indices = new Float64Array(bytes.buffer, 0, bytes.length >> 3);
  let at = 0;
  const rows = (layer.chunks[layer.axis] as readonly number[]).map((count) => {
    const row = new Set<number>();
    for (const index of indices.subarray(at, at + count)) row.add(blockAt(sizes, index));
    at += count;
    return Array.from(row);
  });
  return layer.chunks.map((_, k) => (k === layer.axis ? tableOf(k, rows) : same(null, k)));
}

/** Per axis of the result the region of each place, in elements. */
type Boxes = readonly (readonly Interval[])[];

function boxesOf(chunks: Chunks): Boxes {
  return chunks.map((sizes) => {
    const offsets = offsetsOf(sizes);
    return sizes.map((_, p) => ({ start: offsets[p] as number, stop: offsets[p + 1] as number }));
  });
}

function windowBoxes(layer: Kind<"window">): Boxes {
  return layer.chunks.map((sizes, k) =>
    sizes.map((size, p) => {
      const start = layer.starts[k]?.[p] as number; // one per block of each axis
      return { start, stop: start + size };
    }),
  );
}

function coarseBoxes(graph: Graph, layer: Kind<"coarsen">): Boxes {
  const extents = shapeOfChunks(graph.layer(layer.input).chunks);
  return boxesOf(layer.chunks).map((boxes, k) =>
    k < extents.length - 2
      ? boxes
      : boxes.map(({ start, stop }) => ({ start: 2 * start, stop: Math.min(2 * stop, extents[k] as number) })),
  );
}

function wholePart(graph: Graph, layer: number): GatherPart<number> {
  const shape = shapeOfChunks(graph.layer(layer).chunks);
  return { layer, lo: shape.map(() => 0), hi: shape, walk: shape.map((_, axis) => ({ axis, start: 0, step: 1 })) };
}

/** The part's edge; none when it lies in no block at all. */
function partEdge(graph: Graph, index: number, part: GatherPart<number>, boxes: Boxes): LayerEdge[] {
  const inside = boxes.map((places, k) =>
    places.map(({ start, stop }) => ({
      start: Math.max(start, part.lo[k] as number),
      stop: Math.min(stop, part.hi[k] as number),
    })),
  );
  const holds = inside.map((places) => {
    if (places.every((i) => i.stop > i.start)) return null;
    return Uint8Array.from(places, (i) => (i.stop > i.start ? 1 : 0));
  });
  if (holds.some((mask) => mask?.every((bit) => bit === 0))) return [];
  const { chunks } = graph.layer(part.layer);
  const axes = part.walk.map((walk, k): AxisMap => {
    const sizes = chunks[k] as readonly number[]; // one per axis of the input
    if (walk.axis === null) return { kind: "range", from: blockAt(sizes, walk.start), count: 1 };
    const places = inside[walk.axis] as readonly Interval[]; // walks name axes of the result
    const lo = part.lo[walk.axis] as number;
    return compact(
      tableOf(
        walk.axis,
        places.map((place) => blocksAlong(sizes, walk, place, lo)),
      ),
      graph.grid(index)[walk.axis] as number,
    );
  });
  return [{ layer: part.layer, axes, holds }];
}

/** Blocks of one axis that a stretch of the result needs, in the order in which it meets them. */
function blocksAlong(
  sizes: readonly number[],
  walk: { readonly start: number; readonly step: number },
  { start, stop }: Interval,
  lo: number,
): number[] {
  const offsets = offsetsOf(sizes);
  const out: number[] = [];
  for (let o = start; o < stop; ) {
    const at = walk.start + walk.step * (o - lo);
    const block = blockAt(sizes, at);
    out.push(block);
    const edge = walk.step > 0 ? (offsets[block + 1] as number) - 1 - at : at - (offsets[block] as number);
    o += Math.floor(edge / Math.abs(walk.step)) + 1;
  }
  return out;
}

/** A table that says what a formula says takes no memory. */
function compact(map: AxisMap, count: number): AxisMap {
  if (map.kind !== "table" || map.items.length !== count) return map;
  for (let p = 0; p < count; p++) if (map.items[p] !== p || map.start[p] !== p) return map;
  return { kind: "same", axis: map.axis };
}
