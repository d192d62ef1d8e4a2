/** Reductions of arrays whose size is unknown: masked reductions of the values, so that nothing is compacted. */
import {
  applyNode,
  type BlockInput,
  type LayerNode,
  type ReduceOp,
  rechunkNode,
  sameChunks,
  shapeOfChunks,
} from "../../graph/index.ts";
import { normalizeAxes } from "../../ndarray/index.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { type AnyArray, type SelectedNode, selectedNode, uncovered, unknownShape } from "../unknown.ts";
import type { Axis, MaskedReduce, ReduceOptions } from "./layer.ts";

/** The reduction of an array whose sizes are known. */
type ReduceKnown = (x: LazyArray, axis: readonly number[], options: ReduceOptions, masked: MaskedReduce) => LayerNode;

/**
 * Layer of a reduction; of unknown size where the selected axis is not reduced.
 * @throws {UnknownShapeError} an index of an extreme, which counts what is selected
 */
export function reduceSelected(
  op: ReduceOp,
  x: AnyArray & { readonly selected: SelectedNode },
  o: { readonly axis: Axis | undefined; readonly options: ReduceOptions; readonly masked: MaskedReduce },
  reduce: (op: ReduceOp) => ReduceKnown,
): LayerNode {
  const { axis: at, rank, mask } = x.selected.selection;
  const reduced = normalizeAxes(o.axis, x.shape.length);
  const keepdims = o.options.keepdims ?? false;
  const values = uncovered(x);
  const own = reduced.flatMap((k) =>
    k < at ? [k] : k > at ? [k + rank - 1] : Array.from({ length: rank }, (_, r) => at + r),
  );
  if (!reduced.includes(at)) {
    const left = keepdims ? at : at - reduced.filter((k) => k < at).length;
    return selectedNode(reduce(op)(values, own, o.options, o.masked), { axis: left, rank, mask });
  }
  if (/^(nan)?arg/.test(op)) throw unknownShape(op, at);
  const rows = rowsOf(values, mask, at);
  const node = reduce(op)(values, own, o.options, { ...o.masked, rows });
  const result = /min|max/.test(op) && o.masked.empty === undefined ? demandSome(op, node, counted()) : node;
  if (!keepdims || rank === 1) return result;
  return reshapeLayer(
    lazyOf(result),
    shapeOfChunks(result.layer.chunks).filter((_, k) => k <= at || k >= at + rank),
  );

  function counted(): LayerNode {
    return reduce("count")(values, own, { keepdims }, { rows });
  }
}

/** The mask as an input of the kernel, cut like the values. */
function rowsOf(values: LazyArray, mask: LayerNode, at: number): BlockInput<LayerNode> {
  const axes = mask.layer.chunks.map((_, r) => at + r);
  const cut = axes.map((k) => values.chunks[k] as readonly number[]); // the mask covers these axes
  return { layer: sameChunks(cut, mask.layer.chunks) ? mask : rechunkNode(mask, cut), axes };
}

/** `node`, which has no value where `count` is 0. */
function demandSome(op: ReduceOp, node: LayerNode, count: LayerNode): LayerNode {
  const { chunks, dtype } = node.layer;
  const axes = chunks.map((_, k) => k);
  return applyNode(op, {
    kernel: "demand-some",
    params: { op },
    inputs: [
      { layer: node, axes },
      { layer: count, axes },
    ],
    dtype,
    chunks,
    scratchBytes: 8 * chunks.reduce((n, c) => n * c.reduce((a, b) => Math.max(a, b), 0), 1),
  });
}
