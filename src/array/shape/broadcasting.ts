/** Broadcasting: arrays seen in a larger shape, and cut alike. */
import { BroadcastError } from "../../base/index.ts";
import {
  blockwiseNode,
  type ChunkSpec,
  KernelBuilder,
  type LayerNode,
  rechunkNode,
  sameChunks,
} from "../../graph/index.ts";
import { cutChunks, type LazyArray } from "../lazy.ts";

/**
 * The array repeated along new leading axes and axes of size 1. Nothing is copied before it is used: the layer fuses
 * into elementwise work. Chunks of repeated axes: `chunks`, by default one block.
 * @throws {BroadcastError} the shape is not one that the array broadcasts to
 */
export function broadcastLayer(x: LazyArray, shape: readonly number[], chunks?: ChunkSpec): LayerNode {
  const lead = shape.length - x.ndim;
  if (lead < 0 || x.shape.some((n, k) => n !== 1 && n !== shape[k + lead]))
    throw new BroadcastError(`shape (${x.shape.join(", ")}) does not broadcast to (${shape.join(", ")})`);
  if (lead === 0 && x.shape.every((n, k) => n === shape[k]) && chunks === undefined) return x.node;
  const axes = x.shape.map((n, k) => (n === 1 && shape[k + lead] !== 1 ? null : k + lead));
  const own = shape.map((n, k) => (axes.includes(k) ? (x.chunks[k - lead] as readonly number[]) : [n]));
  const cut = chunks === undefined ? own : cutChunks(shape, x.dtype, chunks, { previous: own });
  const wanted = axes.map((k, a) => (k === null ? [x.shape[a] as number] : (cut[k] as readonly number[])));
  const layer = sameChunks(wanted, x.chunks) ? x.node : rechunkNode(x.node, wanted);
  const builder = new KernelBuilder();
  const call = builder.build([builder.input(x.dtype)]);
  return blockwiseNode("broadcast", call, [{ layer, axes }], cut);
}
