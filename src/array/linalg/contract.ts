/** Products of two labelled arrays, summed over the labels they share: what matmul, tensordot and einsum are made of. */
import { DTypeError, ShapeError } from "../../base/index.ts";
import { type DType, dtypeInfo, promoteTypes } from "../../dtype/index.ts";
import {
  applyNode,
  type BlockInput,
  type LayerNode,
  rechunkNode,
  sameChunks,
  transposeNode,
} from "../../graph/index.ts";
import { blockScratch } from "../../kernels/index.ts";
import { elementwise } from "../elementwise/layer.ts";
import { lift, type Term } from "../elementwise/terms.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reduceLayer } from "../reduce/layer.ts";

/** An array and a name for each of its axes; no name twice. */
export interface Labelled {
  readonly x: LazyArray;
  readonly labels: readonly string[];
}

/** The array in another dtype. */
export function castTo(x: LazyArray, dtype: DType): LazyArray {
  return x.dtype === dtype ? x : lazyOf(elementwise("astype", [x], (b, [t]) => ({ node: lift(b, t as Term, dtype) })));
}

/**
 * Common dtype of operands of a product.
 * @throws {DTypeError} datetimes and timedeltas
 */
export function productType(label: string, ...dtypes: readonly DType[]): DType {
  const common = dtypes.reduce(promoteTypes);
  const { kind } = dtypeInfo(common);
  if (kind === "M" || kind === "m") throw new DTypeError(`${label} is not defined for ${common}`);
  return common;
}

interface AxisFacts {
  readonly size: number;
  readonly chunks: readonly number[];
}

/** Size and cuts of each label: those of the operand with the most bytes that has the full size. */
function axesOf(label: string, operands: readonly Labelled[]): Map<string, AxisFacts> {
  const out = new Map<string, AxisFacts>();
  const bySize = [...operands].sort((a, b) => b.x.nbytes - a.x.nbytes);
  for (const { x, labels } of bySize) {
    labels.forEach((name, k) => {
      const [size, chunks] = [x.shape[k] as number, x.chunks[k] as readonly number[]]; // one label per axis
      const known = out.get(name);
      if (known === undefined || (known.size === 1 && size !== 1)) out.set(name, { size, chunks });
      else if (size !== known.size && size !== 1)
        throw new ShapeError(
          `${label} of shapes ${operands.map((o) => `(${o.x.shape.join(", ")})`).join(" and ")}: sizes ${known.size} and ${size} differ`,
        );
    });
  }
  return out;
}

/** The operand cut as its labels are, and the result's axis that each of its axes follows. */
function inputOf(
  { x, labels }: Labelled,
  axes: ReadonlyMap<string, AxisFacts>,
  place: (name: string) => number,
): BlockInput<LayerNode> {
  const follows = labels.map((name, k) => (x.shape[k] === 1 && axes.get(name)?.size !== 1 ? null : place(name)));
  const wanted = labels.map((name, k) => (follows[k] === null ? [1] : (axes.get(name) as AxisFacts).chunks)); // all are known
  return { layer: sameChunks(wanted, x.chunks) ? x.node : rechunkNode(x.node, wanted), axes: follows };
}

/**
 * `Σ a · b` over the labels of both that `out` does not name. Every label of one operand alone must be in `out`.
 *
 * Labels of size 1 in one operand repeat. Chunks: the larger operand's. Contracted axes of several blocks give a partial
 * product per block, summed by a fixed tree, so memory is bounded by a few blocks.
 * @throws {ShapeError} sizes that differ  @throws {DTypeError} no numbers
 */
export function contractLayer(label: string, left: Labelled, right: Labelled, out: readonly string[]): LayerNode {
  const dtype = productType(label, left.x.dtype, right.x.dtype);
  const a = { x: castTo(left.x, dtype), labels: left.labels };
  const b = { x: castTo(right.x, dtype), labels: right.labels };
  const axes = axesOf(label, [a, b]);
  const shared = a.labels.filter((name) => b.labels.includes(name));
  const batch = shared.filter((name) => out.includes(name));
  const depth = shared.filter((name) => !out.includes(name));
  for (const name of depth)
    if ([a, b].some(({ x, labels }) => x.shape[labels.indexOf(name)] !== axes.get(name)?.size))
      throw new ShapeError(
        `${label} of shapes (${a.x.shape.join(", ")}) and (${b.x.shape.join(", ")}): summed axes differ in size`,
      );
  const rows = a.labels.filter((name) => !shared.includes(name));
  const columns = b.labels.filter((name) => !shared.includes(name));
  const chunksOf = (name: string): readonly number[] => (axes.get(name) as AxisFacts).chunks; // all are known
  const leads = depth.some((name) => chunksOf(name).length > 1) ? depth : [];
  const kept = [...batch, ...rows, ...columns];
  const place = (name: string): number =>
    kept.includes(name) ? leads.length + kept.indexOf(name) : leads.indexOf(name);
  const chunks = [...leads.map((name) => chunksOf(name).map(() => 1)), ...kept.map(chunksOf)];
  // A contracted axis of one block is followed by none of the result's.
  const input = (o: Labelled): BlockInput<LayerNode> => inputOf(o, axes, (name) => place(name));
  const inputs = [input(a), input(b)].map((i) => ({ ...i, axes: i.axes.map((k) => (k === -1 ? null : k)) }));
  const params = {
    leads: leads.length,
    batch: batch.length,
    depth: depth.length,
    a: [...batch, ...rows, ...depth].map((name) => a.labels.indexOf(name)),
    b: [...batch, ...depth, ...columns].map((name) => b.labels.indexOf(name)),
  };
  const largest = (c: readonly (readonly number[])[]): number[] =>
    c.map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 0));
  const facts = inputs.map((i) => ({ dtype, shape: largest(i.layer.layer.chunks) }));
  const scratchBytes = blockScratch("contract", facts, { dtype, shape: largest(chunks) }, params);
  let node = applyNode(leads.length > 0 ? `${label}-partial` : label, {
    kernel: "contract",
    params,
    inputs,
    dtype,
    chunks,
    scratchBytes,
  });
  if (leads.length > 0) {
    const over = leads.map((_, k) => k);
    node =
      dtype === "bool" ? reduceLayer("any", lazyOf(node), over) : reduceLayer("sum", lazyOf(node), over, { dtype });
  }
  const order = out.map((name) => kept.indexOf(name));
  return order.every((k, at) => k === at) ? node : transposeNode(node, order);
}

/** `prefix0`, `prefix1`, … */
export function axisNames(prefix: string, n: number): string[] {
  return Array.from({ length: n }, (_, k) => `${prefix}${k}`);
}

/** The matrix product of two arrays; see `matmul`. @throws {ShapeError} sizes that do not agree, or 0-d operands */
export function matmulLayer(x: LazyArray, y: LazyArray): LayerNode {
  if (x.ndim === 0 || y.ndim === 0)
    throw new ShapeError("matmul of a 0-d array: expected at least one axis; use multiply");
  const batch = Math.max(x.ndim, y.ndim) - 2;
  const lead = (n: number): string[] =>
    axisNames("b", Math.max(0, batch)).slice(Math.max(0, batch) - Math.max(0, n - 2));
  const left = [...lead(x.ndim), ...(x.ndim > 1 ? ["m"] : []), "k"];
  const right = y.ndim > 1 ? [...lead(y.ndim), "k", "n"] : ["k"];
  const out = [...axisNames("b", Math.max(0, batch)), ...(x.ndim > 1 ? ["m"] : []), ...(y.ndim > 1 ? ["n"] : [])];
  return contractLayer("matmul", { x, labels: left }, { x: y, labels: right }, out);
}
