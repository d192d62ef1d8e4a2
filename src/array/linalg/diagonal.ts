/** Diagonals of the last two axes of an array, for sums along them. */
import { AxisError } from "../../base/index.ts";
import { applyNode, type LayerNode, rechunkNode, sameChunks, transposeNode } from "../../graph/index.ts";
import { normalizeAxis } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import type { LazyArray } from "../lazy.ts";

/** Which diagonal. */
export interface DiagonalPlace {
  /** Above the main one, or below where negative. */
  readonly offset: number;
  readonly axis1: number;
  readonly axis2: number;
}

/**
 * Elements of a diagonal as the last axis, after the other axes. Chunks: the two axes are merged into one block.
 * @throws {AxisError} equal axes, or out of bounds
 */
export function diagonalLayer(x: LazyArray, { offset, axis1, axis2 }: DiagonalPlace): LayerNode {
  const [p, q] = [normalizeAxis(axis1, x.ndim), normalizeAxis(axis2, x.ndim)];
  if (p === q) throw new AxisError(`a diagonal of axis ${axis1} with itself: expected two axes`);
  const others = [...x.shape.keys()].filter((k) => k !== p && k !== q);
  const turned = new ChunkedArray(transposeNode(x.node, [...others, p, q]));
  const [rows, columns] = [x.shape[p] as number, x.shape[q] as number]; // axes of x
  const [top, left] = [Math.max(0, -offset), Math.max(0, offset)];
  const n = Math.max(0, Math.min(rows - top, columns - left));
  const square = turned.slice("...", [top, top + n], [left, left + n]);
  const lead = square.chunks.slice(0, -2);
  const whole = [...lead, [n], [n]];
  const node = sameChunks(whole, square.chunks) ? square.node : rechunkNode(square.node, whole);
  return applyNode("diagonal", {
    kernel: "diagonal",
    params: null,
    inputs: [{ layer: node, axes: [...lead.keys(), lead.length, null] }],
    dtype: x.dtype,
    chunks: [...lead, [n]],
    scratchBytes: 0,
  });
}
