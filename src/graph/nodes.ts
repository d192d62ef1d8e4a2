/** Constructors of layers under construction: each gives a named, immutable node. Building costs O(1) in tasks. */
import { invariant } from "../base/index.ts";
import { type DType, itemsize, skipsNaN } from "../dtype/index.ts";
import { type AxisIndex, sizeOf } from "../ndarray/index.ts";
import { offsetsOf } from "./chunks.ts";
import {
  type KernelCall,
  partialComponents,
  REDUCE_COMPONENTS,
  type ReduceSpec,
  type SelectSpec,
  specText,
} from "./kernel.ts";
import {
  type BlockInput,
  type Chunks,
  type GatherPart,
  gridOf,
  type LayerNode,
  type LayerOf,
  mapInputs,
  shapeOfChunks,
} from "./layer.ts";
import { plainText } from "./plain.ts";
import type { AxisWalk, Plain } from "./task.ts";
import { tokenOfText } from "./wire.ts";

type Unnamed<L> = L extends unknown ? Omit<L, "name"> : never;

/** Name a layer by its kind or label and a token of all that determines its values. */
export function makeNode(label: string, layer: Unnamed<LayerOf<LayerNode>>): LayerNode {
  // `mapInputs` reads only inputs, so a missing name does not matter to it.
  const named = mapInputs({ ...layer, name: "" } as LayerOf<LayerNode>, (n) => n.layer.name);
  return { layer: { ...layer, name: `${label}-${tokenOf(named)}` } as LayerOf<LayerNode> };
}

const callTexts = new WeakMap<KernelCall, string>();

/** `tokenize(layer)`, with the texts of kernels remembered: they are most of it, and few. */
function tokenOf(layer: LayerOf<string>): string {
  let text = "";
  for (const [name, value] of Object.entries(layer)) {
    if (value !== undefined)
      text += `${text === "" ? "{" : ","}"${name}":${name === "call" ? callText(value) : plainText(value)}`;
  }
  return tokenOfText(`${text}}`);
}

function callText(call: KernelCall): string {
  let text = callTexts.get(call);
  if (text === undefined) {
    text = plainText(call);
    callTexts.set(call, text);
  }
  return text;
}

/** Blocks read from a store. `walk` defaults to the source's own axes in order. */
export function sourceNode(o: {
  readonly label?: string;
  readonly source: Plain;
  readonly dtype: DType;
  readonly chunks: Chunks;
  readonly walk?: readonly AxisWalk[];
  readonly scratchBytes: number;
}): LayerNode {
  const walk = o.walk ?? o.chunks.map((_, k): AxisWalk => ({ axis: k, start: 0, step: 1 }));
  return makeNode(o.label ?? "open", {
    kind: "source",
    source: o.source,
    dtype: o.dtype,
    chunks: o.chunks,
    walk,
    scratchBytes: o.scratchBytes,
  });
}

/** A block of values carried in the graph: bytes in C order, or one element that repeats. */
export function literalNode(label: string, dtype: DType, chunks: Chunks, bytes: Uint8Array): LayerNode {
  const n = shapeOfChunks(chunks).reduce((a, b) => a * b, 1);
  invariant(
    bytes.length === itemsize(dtype) || bytes.length === n * itemsize(dtype),
    `${bytes.length} bytes for ${n} elements of ${dtype}`,
  );
  return makeNode(label, { kind: "literal", dtype, chunks, bytes });
}

/** Evenly spaced numbers. */
export function arangeNode(dtype: DType, chunks: Chunks, start: number, step: number): LayerNode {
  return makeNode("arange", { kind: "arange", dtype, chunks, start, step });
}

/** One fused kernel per block; every input axis that is followed must be cut like the result's. */
export function blockwiseNode(
  label: string,
  call: KernelCall,
  inputs: readonly BlockInput<LayerNode>[],
  chunks: Chunks,
): LayerNode {
  const root = call.kernel.nodes[call.kernel.outputs[0] as number];
  invariant(root !== undefined, "a kernel has an output");
  return makeNode(label, { kind: "blockwise", dtype: root.dtype, chunks, call, inputs });
}

const SPECS_MAX = 256;
const specs = new Map<string, ReduceSpec>();

/** The one spec that is equal to this: what was found out about one is found again. */
function sameSpec(spec: ReduceSpec): ReduceSpec {
  const text = specText(spec);
  const known = specs.get(text);
  if (known) return known;
  if (specs.size === SPECS_MAX) specs.clear();
  specs.set(text, spec);
  return spec;
}

/** How a reduction is laid out. */
export interface ReduceLayout {
  readonly reduced: readonly number[];
  readonly keepdims: boolean;
  /** Partials combined at once, per reduced axis; in all, as in dask.array, where they are no smaller than what they are made of. */
  readonly splitEvery: number;
}

/** A tree reduction: partials per block, combined in a fixed tree until one is left along the reduced axes. */
export function reduceNode(
  label: string,
  call: KernelCall,
  given: ReduceSpec,
  inputs: readonly BlockInput<LayerNode>[],
  loop: Chunks,
  layout: ReduceLayout,
): LayerNode {
  const { reduced, keepdims } = layout;
  const total = knownTotal(call, given, loop, reduced);
  const spec = sameSpec(total === undefined ? given : { ...given, total });
  const components = partialComponents(spec).length;
  const partialChunks = (grid: readonly number[]): Chunks => [
    [components],
    ...loop.map((sizes, k) => (reduced.includes(k) ? new Array<number>(grid[k] as number).fill(1) : sizes)),
  ];
  const splitEvery = partialsShrink(loop, layout, { components, dtype: spec.from })
    ? layout.splitEvery
    : Math.max(2, Math.floor(layout.splitEvery ** (1 / reduced.length)));
  let grid = gridOf(loop);
  let node = makeNode(`${label}-partial`, {
    kind: "reduce",
    dtype: "float64",
    chunks: partialChunks(grid),
    call,
    inputs,
    loop,
    reduced,
    spec,
  });
  for (;;) {
    const group = grid.map((n, k) => (reduced.includes(k) ? Math.min(splitEvery, Math.max(1, n)) : 1));
    const next = grid.map((n, k) => Math.ceil(n / (group[k] as number)));
    const final = reduced.every((k) => (next[k] as number) <= 1);
    const kept = loop.flatMap((sizes, k) => (reduced.includes(k) ? (keepdims ? [[1]] : []) : [[...sizes]]));
    node = makeNode(final ? label : `${label}-combine`, {
      kind: "combine",
      dtype: final ? spec.dtype : "float64",
      chunks: final ? kept : partialChunks(next),
      input: node,
      spec,
      group,
      reduced,
      final,
      keepdims,
    });
    if (final) return node;
    grid = next;
  }
}

/** Reductions whose result asks for no count, unless it may be `empty`: elements that are left out change nothing. */
const COUNTLESS: ReadonlySet<string> = new Set(["sum", "nansum", "prod", "nanprod", "any", "all"]);

/** What `ReduceSpec.total` is; undefined where partials carry a count. A block without elements has no extreme. */
function knownTotal(call: KernelCall, spec: ReduceSpec, loop: Chunks, reduced: readonly number[]): number | undefined {
  if (REDUCE_COMPONENTS[spec.op].length !== 2 || loop.some((sizes) => sizes.length === 0 || sizes.includes(0)))
    return undefined;
  const leavesOut = call.kernel.outputs.length > 1 || skipsNaN(spec);
  if (leavesOut && (spec.empty !== null || !COUNTLESS.has(spec.op))) return undefined;
  return sizeOf(reduced.map((k) => (loop[k] as readonly number[]).reduce((a, b) => a + b, 0)));
}

/** True when the largest block's partial has fewer bytes than the block, or one axis alone is reduced. */
function partialsShrink(
  loop: Chunks,
  { reduced }: ReduceLayout,
  { components, dtype }: { readonly components: number; readonly dtype: DType },
): boolean {
  if (reduced.length < 2) return true;
  const sizes = loop.map((c) => c.reduce((a, b) => Math.max(a, b), 0));
  const kept = sizes.map((n, k) => (reduced.includes(k) ? 1 : n));
  return 8 * components * sizeOf(kept) < itemsize(dtype) * sizeOf(sizes);
}

/** The whole of `node`, walked: one part that fills the result. */
function gatherOne(label: string, node: LayerNode, chunks: Chunks, walk: readonly AxisWalk[]): LayerNode {
  const shape = shapeOfChunks(chunks);
  return makeNode(label, {
    kind: "gather",
    dtype: node.layer.dtype,
    chunks,
    parts: [{ layer: node, lo: shape.map(() => 0), hi: shape, walk }],
  });
}

/** The same values cut differently. */
export function rechunkNode(node: LayerNode, chunks: Chunks): LayerNode {
  return gatherOne("rechunk", node, chunks, straightWalks(chunks));
}

/** As {@link rechunkNode}, on the way to other cuts: the layer stays as it is, in tasks of its own. */
export function rechunkStepNode(node: LayerNode, chunks: Chunks): LayerNode {
  const shape = shapeOfChunks(chunks);
  return makeNode("rechunk-step", {
    kind: "gather",
    dtype: node.layer.dtype,
    chunks,
    parts: [{ layer: node, lo: shape.map(() => 0), hi: shape, walk: straightWalks(chunks) }],
    isStep: true,
  });
}

function straightWalks(chunks: Chunks): AxisWalk[] {
  return chunks.map((_, axis) => ({ axis, start: 0, step: 1 }));
}

/** Axes permuted. */
export function transposeNode(node: LayerNode, axes: readonly number[]): LayerNode {
  const chunks = axes.map((a) => node.layer.chunks[a] as readonly number[]);
  return gatherOne(
    "transpose",
    node,
    chunks,
    axes.map((_, inAxis) => ({ axis: axes.indexOf(inAxis), start: 0, step: 1 })),
  );
}

/** Basic indexing; blocks of the result follow the input's cuts. */
export function sliceNode(node: LayerNode, index: readonly AxisIndex[]): LayerNode {
  const chunks: number[][] = [];
  const walk: AxisWalk[] = [];
  for (const part of index) {
    const sizes = node.layer.chunks[walk.length] ?? [];
    if (part.kind === "newaxis") chunks.push([1]);
    else if (part.kind === "element") walk.push({ axis: null, start: part.at, step: 1 });
    else {
      walk.push({ axis: chunks.length, start: part.start, step: part.step });
      chunks.push(sliceSizes(sizes, part.start, part.step, part.count));
    }
  }
  return gatherOne("getitem", node, chunks, walk);
}

function sliceSizes(sizes: readonly number[], start: number, step: number, count: number): number[] {
  if (count === 0) return [0];
  const offsets = offsetsOf(sizes);
  const out: number[] = [];
  const order = step > 0 ? sizes.map((_, b) => b) : sizes.map((_, b) => sizes.length - 1 - b);
  for (const b of order) {
    const [lo, hi] = [offsets[b] as number, offsets[b + 1] as number];
    // Smallest and largest i in [0, count) with lo <= start + i * step < hi.
    const first = step > 0 ? Math.ceil((lo - start) / step) : Math.ceil((hi - 1 - start) / step);
    const last = step > 0 ? Math.floor((hi - 1 - start) / step) : Math.floor((lo - start) / step);
    const n = Math.min(count - 1, last) - Math.max(0, first) + 1;
    if (n > 0) out.push(n);
  }
  return out;
}

/** Arrays joined along an existing axis; other axes must be cut alike. */
export function concatenateNode(nodes: readonly LayerNode[], axis: number): LayerNode {
  const first = (nodes[0] as LayerNode).layer; // callers pass at least one
  const chunks = first.chunks.map((sizes, k) =>
    k === axis ? nodes.flatMap((n) => n.layer.chunks[axis] as readonly number[]) : sizes,
  );
  let at = 0;
  const parts = nodes.map((layer): GatherPart<LayerNode> => {
    const shape = shapeOfChunks(layer.layer.chunks);
    const lo = shape.map((_, k) => (k === axis ? at : 0));
    at += shape[axis] as number;
    return {
      layer,
      lo,
      hi: shape.map((n, k) => (k === axis ? at : n)),
      walk: shape.map((_, k) => ({ axis: k, start: 0, step: 1 })),
    };
  });
  return makeNode("concatenate", { kind: "gather", dtype: first.dtype, chunks, parts });
}

/** Arrays of one shape joined along a new axis, one block each. */
export function stackNode(nodes: readonly LayerNode[], axis: number): LayerNode {
  const first = (nodes[0] as LayerNode).layer; // callers pass at least one
  const chunks = [...first.chunks.slice(0, axis), nodes.map(() => 1), ...first.chunks.slice(axis)];
  const shape = shapeOfChunks(first.chunks);
  const parts = nodes.map(
    (layer, i): GatherPart<LayerNode> => ({
      layer,
      lo: [...shape.slice(0, axis).map(() => 0), i, ...shape.slice(axis).map(() => 0)],
      hi: [...shape.slice(0, axis), i + 1, ...shape.slice(axis)],
      walk: shape.map((_, k) => ({ axis: k < axis ? k : k + 1, start: 0, step: 1 })),
    }),
  );
  return makeNode("stack", { kind: "gather", dtype: first.dtype, chunks, parts });
}

/** The last two axes at half the resolution; blocks begin at even pixels, `chunks` cut the result. */
export function coarsenNode(
  node: LayerNode,
  chunks: Chunks,
  method: "average" | "nearest" | "mode",
  nodata: number | bigint | null,
): LayerNode {
  return makeNode("overview", { kind: "coarsen", dtype: node.layer.dtype, chunks, input: node, method, nodata });
}

/** One Zarr object per block of `node`; those with a number of bytes in `done` (by block, NaN: none) are written already. */
export function writeZarrNode(node: LayerNode, target: Plain, array: string, done?: Float64Array): LayerNode {
  const chunks = node.layer.chunks.map((sizes) => sizes.map(() => 1));
  const bytes = done && new Uint8Array(done.buffer, done.byteOffset, done.byteLength);
  return makeNode("store-zarr", {
    kind: "write-zarr",
    dtype: "float64",
    chunks,
    input: node,
    target,
    array,
    ...(bytes && { done: bytes }),
  });
}

/** One spooled part per block of `node`, whose blocks are full-width bands of whole tile rows; `tiles` counts each part's tiles. */
export function cogPartNode(node: LayerNode, plan: Plain, level: number, tiles: readonly number[]): LayerNode {
  return makeNode("encode-cog", {
    kind: "write-cog-part",
    dtype: "float64",
    chunks: [tiles],
    input: node,
    plan,
    level,
    tiles,
  });
}

/** The file assembled from the parts of all levels, full resolution first. */
export function cogNode(levels: readonly LayerNode[], plan: Plain): LayerNode {
  return makeNode("store-cog", { kind: "write-cog", dtype: "float64", chunks: [[1]], inputs: levels, plan });
}

/** Median or quantiles along `reduced` axes, each of one block in `loop`. */
export function selectNode(
  label: string,
  call: KernelCall,
  spec: SelectSpec,
  inputs: readonly BlockInput<LayerNode>[],
  loop: Chunks,
  layout: { readonly reduced: readonly number[]; readonly keepdims: boolean },
): LayerNode {
  const { reduced, keepdims } = layout;
  invariant(
    reduced.every((k) => loop[k]?.length === 1),
    "a selection needs whole axes",
  );
  const kept = loop.flatMap((sizes, k) => (reduced.includes(k) ? (keepdims ? [[1]] : []) : [sizes]));
  const chunks = spec.isList ? [[spec.q.length], ...kept] : kept;
  return makeNode(label, { kind: "select", dtype: spec.dtype, chunks, call, inputs, loop, reduced, keepdims, spec });
}

/** One block kernel per block of `chunks`. An input's axis follows a result's axis (as many blocks), or is one block. */
export function applyNode(
  label: string,
  o: {
    readonly kernel: string;
    readonly params: Plain;
    readonly inputs: readonly BlockInput<LayerNode>[];
    readonly byNumber?: boolean;
    readonly dtype: DType;
    readonly chunks: Chunks;
    readonly scratchBytes: number;
  },
): LayerNode {
  return makeNode(label, { kind: "apply", ...o });
}

/** Block b along axis k is `node[starts[k][b] … + chunks[k][b])`: blocks with halos. The result's array is these blocks side by side. */
export function windowNode(
  label: string,
  node: LayerNode,
  chunks: Chunks,
  starts: readonly (readonly number[])[],
): LayerNode {
  return makeNode(label, { kind: "window", dtype: node.layer.dtype, chunks, input: node, starts });
}

/** `node[…, indices, …]` along `axis`; `sizes` cut the result's axis. Indices are not negative and in bounds. */
export function takeNode(
  label: string,
  node: LayerNode,
  axis: number,
  indices: readonly number[],
  sizes: readonly number[],
): LayerNode {
  const chunks = node.layer.chunks.map((c, k) => (k === axis ? sizes : c));
  const bytes = new Uint8Array(Float64Array.from(indices).buffer);
  return makeNode(label, { kind: "take", dtype: node.layer.dtype, chunks, input: node, axis, indices: bytes });
}

/** The blocks of `node` as its runner holds them, under the runner's own name. */
export function heldNode(node: LayerNode, name: string): LayerNode {
  const { dtype, chunks } = node.layer;
  return { layer: { kind: "held", name, dtype, chunks } };
}

/** `text` per block: `f(...blocks, info, args)`. */
export function callNode(
  label: string,
  o: {
    readonly text: string;
    readonly inputs: readonly BlockInput<LayerNode>[];
    readonly lists: boolean;
    readonly args: Plain;
    readonly dtype: DType;
    readonly chunks: Chunks;
  },
): LayerNode {
  return makeNode(label, { kind: "call", ...o, mac: null });
}
