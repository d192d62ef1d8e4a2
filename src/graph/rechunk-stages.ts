/**
 * Rechunks in two steps. A block that is cut across all of its input's blocks needs them all at once; with tiles in
 * between, which are as small as both sides need, a step holds one group of blocks, and the tiles may lie on disk.
 * The idea is the Rechunker's (https://rechunker.readthedocs.io/en/latest/algorithm.html). Values and bits stay the same.
 */
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { Graph } from "./graph.ts";
import { type Chunks, type GatherPart, type Layer, mapInputs, shapeOfChunks } from "./layer.ts";
import { targetCuts } from "./rechunks.ts";
import type { AxisWalk } from "./task.ts";
import { tokenize } from "./wire.ts";

type Gather = Extract<Layer, { kind: "gather" }>;

/** Tiles smaller than this cost more requests to the disk than they save memory. */
const TILE_BYTES_MIN = 32 * 1024;

/**
 * The graph with tiles in front of every rechunk or transposition that needs more than `groupBytes` of its input for one
 * block; null when there is none, or none that tiles of at least `tileBytesMin` would help.
 */
export function stageRechunks(graph: Graph, groupBytes: number, tileBytesMin: number = TILE_BYTES_MIN): Graph | null {
  const layers: Layer[] = [];
  const moved: number[] = [];
  let isStaged = false;
  graph.layers.forEach((layer) => {
    const own = { ...mapInputs(layer, (input) => moved[input] as number), inline: layer.inline };
    const tiles = own.kind === "gather" ? tilesOf(own, layers, { groupBytes, tileBytesMin }) : null;
    if (tiles !== null && own.kind === "gather") {
      isStaged = true;
      layers.push(tiles);
      const part = { ...(own.parts[0] as GatherPart<number>), layer: layers.length - 1 }; // tilesOf has seen it
      layers.push({ ...own, parts: [part] });
    } else layers.push(own);
    moved.push(layers.length - 1);
  });
  if (!isStaged) return null;
  return new Graph(
    layers,
    graph.outputs.map((o) => moved[o] as number),
    graph.fusion,
  );
}

/** Layer of tiles between a gather and its input; null where it needs none. */
function tilesOf(
  gather: Gather,
  layers: readonly Layer[],
  { groupBytes, tileBytesMin }: { readonly groupBytes: number; readonly tileBytesMin: number },
): Layer | null {
  const part = gather.parts[0];
  if (gather.parts.length !== 1 || !part) return null;
  const input = layers[part.layer] as Layer; // inputs come first
  const target = targetCuts(gather, part, input);
  if (target === null) return null;
  const size = itemsize(input.dtype);
  const needed = target.map((sizes, k) => widestOverlap(input.chunks[k] as readonly number[], sizes));
  if (sizeOf(needed) * size <= groupBytes) return null;
  const shape = shapeOfChunks(input.chunks);
  const [from, to] = [largestSizes(input.chunks), largestSizes(target)];
  const read = grow(from, to, groupBytes / size);
  const write = grow(to, from, groupBytes / size);
  const tile = read.map((n, k) => Math.min(n, write[k] as number, shape[k] as number));
  const isSame = tile.every((n, k) => n === from[k]) || tile.every((n, k) => n === to[k]);
  if (isSame || sizeOf(tile) * size < tileBytesMin) return null;
  const chunks = tile.map((n, k) => cut(shape[k] as number, n));
  return {
    kind: "gather",
    name: `rechunk-tiles-${tokenize([input.name, chunks])}`,
    dtype: input.dtype,
    chunks,
    parts: [{ layer: part.layer, lo: shape.map(() => 0), hi: shape, walk: shape.map((_, k) => straight(k)) }],
    inline: false,
  };
}

function straight(axis: number): AxisWalk {
  return { axis, start: 0, step: 1 };
}

function largestSizes(chunks: Chunks): number[] {
  return chunks.map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 1));
}

/** Elements along one axis of all blocks that the widest block of `to` touches. */
function widestOverlap(from: readonly number[], to: readonly number[]): number {
  let [widest, first, before, start] = [0, 0, 0, 0];
  for (const size of to) {
    const stop = start + size;
    while (first < from.length && before + (from[first] as number) <= start) before += from[first++] as number;
    let [end, b] = [before, first];
    while (b < from.length && end < stop) end += from[b++] as number;
    widest = Math.max(widest, end - before);
    start = stop;
  }
  return widest;
}

/** `sizes` doubled along axes where `wanted` is larger, that which lacks most first, while a block has at most `elements`. */
function grow(sizes: readonly number[], wanted: readonly number[], elements: number): number[] {
  const out = [...sizes];
  for (;;) {
    let axis = -1;
    for (let k = 0; k < out.length; k++) {
      const lack = (wanted[k] as number) / (out[k] as number);
      const isOpen = lack > 1 && (sizeOf(out) / (out[k] as number)) * larger(out, wanted, k) <= elements;
      if (isOpen && (axis < 0 || lack > (wanted[axis] as number) / (out[axis] as number))) axis = k;
    }
    if (axis < 0) return out;
    out[axis] = larger(out, wanted, axis);
  }
}

function larger(sizes: readonly number[], wanted: readonly number[], axis: number): number {
  return Math.min(2 * (sizes[axis] as number), wanted[axis] as number);
}

function cut(n: number, size: number): number[] {
  const out = new Array<number>(Math.floor(n / size)).fill(size);
  return n % size > 0 ? [...out, n % size] : out;
}
