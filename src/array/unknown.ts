/**
 * Arrays of unknown size: what a mask keeps. The values stay uncut beside their mask, so that elementwise work and
 * reductions need no compaction; running counts per block, then compresses into blocks of known sizes.
 */
import { invariant, UnknownShapeError } from "../base/index.ts";
import { type DType, itemsize } from "../dtype/index.ts";
import {
  applyNode,
  type Chunks,
  type LayerNode,
  literalNode,
  rechunkNode,
  sameChunks,
  shapeOfChunks,
} from "../graph/index.ts";
import { type LazyArray, lazyOf } from "./lazy.ts";
import { planReshape, reshapeLayer } from "./shape/reshape.ts";

/** Which elements along one axis of an array are in it: those where `mask` is true. */
export interface Selection {
  /** The axis of unknown size. In the values it is `rank` axes from here on, in C order. */
  readonly axis: number;
  readonly rank: number;
  /** Bools over these axes. */
  readonly mask: LayerNode;
}

/** From a mask in blocks that are runs of the flat order (of `sizes` elements each, `counts` of them kept) to the array. */
export type FromMask = (mask: LayerNode, sizes: readonly number[], counts: readonly number[]) => LayerNode;

/** Values before the selection, and the selection. */
export interface SelectedNode extends LayerNode {
  readonly selection: Selection;
  /** A shorter way to these values, where they follow from the mask alone. */
  readonly fromMask?: FromMask;
}

/** An array of this room whose sizes may be unknown (null). `ChunkedArray` is one. */
export interface AnyArray {
  readonly dtype: DType;
  readonly shape: readonly (number | null)[];
  /** Values and mask where a size is unknown; null where all are known. */
  readonly selected: SelectedNode | null;
}

/** The node with its selection. */
export function selectedNode(node: LayerNode, selection: Selection): SelectedNode {
  return { layer: node.layer, selection };
}

/** The selection that comes with a node. */
export function selectionOf(node: LayerNode): Selection | null {
  // Only `selectedNode` puts this field there.
  return "selection" in node ? (node as SelectedNode).selection : null;
}

/** True for an array whose size is unknown along an axis. */
export function isSelected(value: unknown): value is AnyArray & { readonly selected: SelectedNode } {
  return typeof value === "object" && value !== null && "selected" in value && value.selected !== null;
}

/** The error of whatever needs a size that is unknown; names what to do. */
export function unknownShape(what: string, axis: number): Error {
  return new UnknownShapeError(
    `${what}: the size of axis ${axis} depends on values; await x.computeChunkSizes() first, or keep the shape with where(mask)`,
  );
}

/** Values before the selection, as an array whose sizes are known. */
export function uncovered(array: AnyArray & { readonly selected: SelectedNode }): LazyArray {
  return lazyOf({ layer: array.selected.layer });
}

/** Block sizes as they are reported: null along the axis that is selected. */
export function reportedChunks({ layer, selection }: SelectedNode): (number | null)[][] {
  const { axis, rank } = selection;
  if (shapeOfChunks(layer.chunks).includes(0))
    return flatShape(layer.chunks, axis, rank).map((n, k) => [k === axis ? null : n]);
  const flat = rank === 1 ? layer.chunks : planReshape(layer.chunks, flatShape(layer.chunks, axis, rank)).output;
  return flat.map((sizes, k) => (k === axis ? sizes.map(() => null) : [...sizes]));
}

function flatShape(chunks: Chunks, axis: number, rank: number): number[] {
  const shape = shapeOfChunks(chunks);
  const n = shape.slice(axis, axis + rank).reduce((p, s) => p * s, 1);
  return [...shape.slice(0, axis), n, ...shape.slice(axis + rank)];
}

/** Values and mask with one axis selected, cut alike along it. */
interface Flat {
  readonly values: LayerNode;
  readonly mask: LayerNode;
  readonly axis: number;
  /** Elements of each block along the axis. */
  readonly sizes: readonly number[];
  /** Both keep all their axes: their blocks are runs of the flat order. */
  readonly isRuns: boolean;
}

function flatten({ layer, selection }: SelectedNode): Flat {
  const { axis, rank, mask } = selection;
  const shape = shapeOfChunks(layer.chunks);
  const cut = (node: LayerNode, chunks: Chunks): LayerNode =>
    sameChunks(node.layer.chunks, chunks) ? node : rechunkNode(node, chunks);
  if (rank > 1 && rank === shape.length && !shape.includes(0)) {
    const { input, output } = planReshape(layer.chunks, flatShape(layer.chunks, axis, rank));
    const sizes = output[0] as readonly number[]; // one axis
    return { values: cut({ layer }, input), mask: cut(mask, input), axis, sizes, isRuns: true };
  }
  const values = rank === 1 ? { layer } : reshapeLayer(lazyOf({ layer }), flatShape(layer.chunks, axis, rank));
  const sizes = values.layer.chunks[axis] as readonly number[]; // the axis is the selection's
  const line = rank === 1 ? mask : reshapeLayer(lazyOf(mask), [-1]);
  return { values, mask: cut(line, [sizes]), axis, sizes, isRuns: false };
}

/** A block of the mask, by its number. */
function byNumber(mask: LayerNode): { readonly layer: LayerNode; readonly axes: readonly null[] } {
  return { layer: mask, axes: mask.layer.chunks.map(() => null) };
}

/** Elements kept per block of the selected axis: float64, one block of one element for each. */
export function countNode(node: SelectedNode): LayerNode {
  const { mask, sizes } = flatten(node);
  return applyNode("count-true", {
    kernel: "count-true",
    params: null,
    inputs: [byNumber(mask)],
    byNumber: true,
    dtype: "float64",
    chunks: [sizes.map(() => 1)],
    scratchBytes: sizes.reduce((a, b) => Math.max(a, b), 0),
  });
}

/** The array itself. `kept`: from the sizes of the blocks along the selected axis to those of the result. */
export function compressedNode(node: SelectedNode, kept: (sizes: readonly number[]) => readonly number[]): LayerNode {
  const { values, mask, axis, sizes, isRuns } = flatten(node);
  const counts = kept(sizes);
  invariant(counts.length === sizes.length, "a count for each block");
  if (node.fromMask) return node.fromMask(mask, sizes, counts);
  const { chunks, dtype } = values.layer;
  const cut = isRuns ? [counts] : chunks.map((c, k) => (k === axis ? counts : c));
  // Nothing is computed for what keeps nothing.
  if (counts.every((n) => n === 0)) return literalNode("compress", dtype, cut, new Uint8Array(itemsize(dtype)));
  const largest = chunks.reduce((n, c) => n * c.reduce((a, b) => Math.max(a, b), 0), 1);
  const scratchBytes = (itemsize(dtype) + 5) * largest;
  if (isRuns)
    return applyNode("compress", {
      kernel: "compress-flat",
      params: null,
      inputs: [byNumber(values), byNumber(mask)],
      byNumber: true,
      dtype,
      chunks: cut,
      scratchBytes,
    });
  return applyNode("compress", {
    kernel: "compress",
    params: { axis },
    inputs: [
      { layer: values, axes: chunks.map((_, k) => k) },
      { layer: mask, axes: [axis] },
    ],
    dtype,
    chunks: cut,
    scratchBytes: scratchBytes + 5 * sizes.reduce((a, b) => Math.max(a, b), 0),
  });
}

/** Coordinates along one axis of an array of `shape`, int64: what {@link SelectedNode.fromMask} gives for them. */
export function coordinatesOf(shape: readonly number[], axis: number): FromMask {
  return (mask, sizes, counts) => {
    const starts = new Float64Array(sizes.length);
    sizes.forEach((n, i) => {
      if (i + 1 < starts.length) starts[i + 1] = (starts[i] as number) + n;
    });
    const first = literalNode("starts", "float64", [sizes.map(() => 1)], new Uint8Array(starts.buffer));
    return applyNode("nonzero", {
      kernel: "true-at",
      params: { shape, axis },
      inputs: [byNumber(mask), byNumber(first)],
      byNumber: true,
      dtype: "int64",
      chunks: [counts],
      scratchBytes: sizes.reduce((a, b) => Math.max(a, b), 0),
    });
  };
}

/**
 * The one selection of several operands of elementwise work; null if all sizes are known.
 * @throws {UnknownShapeError} operands that are selected differently, or whose size along the selected axis is known
 */
export function commonSelection(label: string, operands: readonly unknown[]): Selection | null {
  const selected = operands.filter(isSelected);
  const first = selected[0];
  if (!first) return null;
  const { selection } = first.selected;
  const behind = first.shape.length - selection.axis; // axes from the selected one to the end
  for (const other of selected) {
    const own = other.selected.selection;
    if (
      own.mask.layer.name !== selection.mask.layer.name ||
      own.rank !== selection.rank ||
      other.shape.length - own.axis !== behind
    )
      throw unknownShape(`${label} of arrays that are selected by different masks`, own.axis);
  }
  let ndim = Math.max(...selected.map((o) => o.shape.length));
  for (const o of operands) {
    if (typeof o !== "object" || o === null || isSelected(o) || !("shape" in o)) continue;
    const shape = o.shape as readonly number[]; // operands are arrays or scalars
    const one = shape.length <= ndim && shape.every((n) => n === 1);
    if (!one && ((shape[shape.length - behind] ?? 1) !== 1 || (selection.rank > 1 && shape.length >= behind)))
      throw unknownShape(`${label} with an array of shape (${shape.join(", ")})`, selection.axis);
    ndim = Math.max(ndim, shape.length);
  }
  return { ...selection, axis: ndim - behind };
}

/**
 * `values` where `mask` is true along `axis` (and the axes after it that a mask of higher rank covers).
 * What functions with value-dependent shapes return: `unique`, `nonzero`.
 */
export function whereTrue(values: LayerNode, mask: LayerNode, axis = 0): SelectedNode {
  const covered = values.layer.chunks.slice(axis, axis + mask.layer.chunks.length);
  invariant(
    mask.layer.dtype === "bool" && shapeOfChunks(covered).join() === shapeOfChunks(mask.layer.chunks).join(),
    "a mask of the axes that it selects",
  );
  return selectedNode(values, { axis, rank: mask.layer.chunks.length, mask });
}
