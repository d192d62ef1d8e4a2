/** One block in memory from the blocks of layers: what `compute` hands over. */
import { invariant } from "../base/index.ts";
import { config } from "../config/index.ts";
import type { DType } from "../dtype/index.ts";
import { type Chunks, type GatherPart, type LayerNode, shapeOfChunks } from "../graph/index.ts";
import { allowHugePages, copyParts, unsetBlock } from "../kernels/index.ts";
import { contiguousStride, NDArray } from "../ndarray/index.ts";

/** Gives memory for a result, every element of which is written then. */
export type ResultMemory = (dtype: DType, shape: readonly number[]) => NDArray;

/** Memory for a result on the caller's side, after the configuration's wish. */
const ordinaryMemory: ResultMemory = (dtype, shape) => {
  allowHugePages(config.boolean("rsdat.kernels.huge-pages") ?? true);
  return unsetBlock(dtype, shape);
};

/** A layer's array as a part of a result: where its first element lies in the result, and how far its axes step there. */
interface Leaf {
  readonly node: LayerNode;
  readonly offset: number;
  readonly stride: readonly number[];
  /** Axes of the result along which the array repeats. */
  readonly repeats?: Repeats;
}

interface Repeats {
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}

/** One block from an array's blocks. Those that lie in one array already, each in its place, are that array. */
export function assembleBlocks(
  dtype: DType,
  chunks: Chunks,
  blocks: readonly NDArray[],
  memory: ResultMemory = ordinaryMemory,
): NDArray {
  const first = blocks[0];
  if (blocks.length === 1 && first !== undefined) return first;
  const shape = shapeOfChunks(chunks);
  const whole =
    first === undefined ? null : new NDArray(dtype, first.data, shape, contiguousStride(shape), first.offset);
  if (whole !== null && liesIn(whole, chunks, blocks)) return whole;
  const out = memory(dtype, shape);
  copyParts(partsIn(out, { chunks, offset: 0, stride: out.stride }, blocks));
  return out;
}

const NO_REPEATS: Repeats = { shape: [], stride: [] };

/** The block repeated along new leading axes. */
function repeated({ dtype, data, shape, stride, offset }: NDArray, axes: readonly number[]): NDArray {
  return new NDArray(dtype, data, [...axes, ...shape], [...axes.map(() => 0), ...stride], offset);
}

/** Blocks of a cut array, each with its place. */
function partsIn(
  out: NDArray,
  { chunks, offset, stride, repeats }: { readonly chunks: Chunks } & Omit<Leaf, "node">,
  blocks: readonly NDArray[],
): { readonly to: NDArray; readonly from: NDArray }[] {
  const parts: { readonly to: NDArray; readonly from: NDArray }[] = [];
  forEachPlace(chunks, blocks, (block, starts) => {
    const at = starts.reduce((sum, start, k) => sum + start * (stride[k] as number), out.offset + offset);
    invariant(block.dtype === out.dtype, `block of ${block.dtype} in an array of ${out.dtype}`);
    const { shape, stride: steps } = repeats ?? NO_REPEATS;
    parts.push({
      to: new NDArray(out.dtype, out.data, [...shape, ...block.shape], [...steps, ...stride], at),
      from: repeats === undefined ? block : repeated(block, shape),
    });
  });
  return parts;
}

/** True when all blocks are parts of this array. */
function liesIn(whole: NDArray, chunks: Chunks, blocks: readonly NDArray[]): boolean {
  let isSo = true;
  forEachPlace(chunks, blocks, ({ data, dtype, stride, offset }, starts) => {
    const at = starts.reduce((sum, start, k) => sum + start * (whole.stride[k] as number), whole.offset);
    isSo &&= data === whole.data && dtype === whole.dtype && offset === at && isSame(stride, whole.stride);
  });
  return isSo;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((n, k) => n === b[k]));
}

/** Visit all blocks, each with its first element's place. */
function forEachPlace(
  chunks: Chunks,
  blocks: readonly NDArray[],
  visit: (block: NDArray, starts: readonly number[]) => void,
): void {
  const position = chunks.map(() => 0);
  const starts = chunks.map(() => 0);
  for (const block of blocks) {
    visit(block, starts);
    for (let k = chunks.length - 1; k >= 0; k--) {
      const sizes = chunks[k] as readonly number[]; // k < length
      const p = position[k] as number; // one per axis
      starts[k] = (starts[k] as number) + (sizes[p] as number);
      position[k] = p + 1;
      if (p + 1 < sizes.length) break;
      position[k] = 0;
      starts[k] = 0;
    }
  }
}

/** Layers whose blocks are the result's elements, each once or more, and how they become one block. */
export interface Joined {
  readonly outputs: readonly LayerNode[];
  assemble(blocks: readonly (readonly NDArray[])[], memory?: ResultMemory): NDArray;
}

/**
 * An array that only puts whole arrays side by side (concatenate, stack, block, tile, a rechunk of held blocks), as those
 * arrays: a result in one piece is put together from their blocks once, without blocks of its own before. Null for others.
 */
export function joinedOf(node: LayerNode): Joined | null {
  const { layer } = node;
  if (layer.kind !== "gather") return null;
  const [only] = layer.parts;
  if (layer.parts.length < 2 && only?.layer.layer.kind !== "held") return null;
  const shape = shapeOfChunks(layer.chunks);
  const leaves = leavesOf({ node, offset: 0, stride: contiguousStride(shape) });
  if (leaves === null) return null;
  const outputs = [...new Set(leaves.map((leaf) => leaf.node))];
  return {
    outputs,
    assemble(blocks, memory = ordinaryMemory) {
      const out = memory(layer.dtype, shape);
      copyParts(
        leaves.flatMap((leaf) =>
          partsIn(out, { ...leaf, chunks: leaf.node.layer.chunks }, blocks[outputs.indexOf(leaf.node)] ?? []),
        ),
      );
      return out;
    },
  };
}

/** More parts are one task each way; so many copies need the threads. */
const LEAVES_MAX = 1024;

/** Null: some part is not a whole array. */
function leavesOf(whole: Leaf): Leaf[] | null {
  const done: Leaf[] = [];
  const open: Leaf[] = [whole];
  for (let leaf = open.pop(); leaf; leaf = open.pop()) {
    const parts = leaf === whole || isJoin(leaf.node) ? partsOf(leaf) : null;
    if (parts === null) {
      if (leaf === whole) return null;
      done.push(reshaped(leaf) ?? broadcasted(leaf) ?? leaf);
    } else open.push(...parts);
    if (open.length + done.length > LEAVES_MAX) return null;
  }
  return done.reverse(); // in the order in which they were given
}

/** An array that is only seen in a larger shape, as the array that it repeats. */
function broadcasted({ node: { layer }, offset, stride }: Leaf): Leaf | null {
  if (layer.kind !== "blockwise") return null;
  const [input] = layer.inputs;
  const { nodes, outputs } = layer.call.kernel;
  if (input === undefined || layer.inputs.length > 1 || nodes.length > 1 || outputs.length > 1) return null;
  if (nodes[0]?.op !== "in" || input.layer.layer.dtype !== layer.dtype) return null;
  const shape = shapeOfChunks(layer.chunks);
  const rest = shape.flatMap((n, k) => (n === 1 || input.axes.includes(k) ? [] : [k]));
  return {
    node: input.layer,
    offset,
    stride: input.axes.map((k) => (k === null ? 0 : (stride[k] as number))), // an axis of the result
    repeats: { shape: rest.map((k) => shape[k] as number), stride: rest.map((k) => stride[k] as number) }, // as above
  };
}

/** Whether a part's own parts are taken instead: not where its cut into blocks is a wish of its own. */
function isJoin({ layer }: LayerNode): boolean {
  if (layer.kind !== "gather") return false;
  const [only] = layer.parts;
  return layer.parts.length > 1 || only?.layer.layer.kind === "held";
}

/** A reshape that lies in one piece in the result, as the array that it reshapes: the elements are in the same order (parameters: in another). */
function reshaped({ node: { layer }, offset, stride }: Leaf): Leaf | null {
  if (layer.kind !== "apply" || layer.kernel !== "reshape" || layer.params !== null) return null;
  const [input] = layer.inputs;
  const shape = shapeOfChunks(layer.chunks);
  const dense = contiguousStride(shape);
  if (input === undefined || !shape.every((n, k) => n === 1 || stride[k] === dense[k])) return null;
  return { node: input.layer, offset, stride: contiguousStride(shapeOfChunks(input.layer.layer.chunks)) };
}

/** The parts of a gather, all of them whole arrays in the result's order of axes; else null. */
function partsOf({ node: { layer }, offset, stride }: Leaf): Leaf[] | null {
  if (layer.kind !== "gather") return null;
  const out: Leaf[] = [];
  for (const part of layer.parts) {
    if (!isWhole(part)) return null;
    out.push({
      node: part.layer,
      offset: part.lo.reduce((sum, lo, k) => sum + lo * (stride[k] as number), offset),
      stride: part.walk.map(({ axis }) => (axis === null ? 0 : (stride[axis] as number))),
    });
  }
  return out;
}

function isWhole({ layer, lo, hi, walk }: GatherPart<LayerNode>): boolean {
  const shape = shapeOfChunks(layer.layer.chunks);
  const axes = walk.flatMap(({ axis }) => axis ?? []);
  return (
    walk.every(({ axis, start, step }, k) =>
      axis === null ? shape[k] === 1 : start === 0 && step === 1 && hi[axis] === (lo[axis] as number) + (shape[k] ?? 0),
    ) &&
    axes.every((axis, k) => k === 0 || axis > (axes[k - 1] as number)) &&
    hi.every((h, k) => axes.includes(k) || h === (lo[k] as number) + 1)
  );
}
