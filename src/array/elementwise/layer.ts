/** From operands to one blockwise layer: broadcasting, common chunks, one kernel. */
import { DTypeError, shownValue } from "../../base/index.ts";
import { type Complex, type DType, isComplex, type Scalar } from "../../dtype/index.ts";
import {
  type BlockInput,
  blockwiseNode,
  type Chunks,
  KernelBuilder,
  type LayerNode,
  literalNode,
  type NodeId,
  rechunkNode,
  sameChunks,
} from "../../graph/index.ts";
import { broadcastShapes, NDArray } from "../../ndarray/index.ts";
import { arrayNode, isLazy, type LazyArray, lazyOf } from "../lazy.ts";
import { type AnyArray, commonSelection, isSelected, selectedNode, uncovered } from "../unknown.ts";
import { complexConstant } from "./complex-terms.ts";
import { strong, type Term } from "./terms.ts";

/** What operations take: lazy arrays, blocks in memory, and numbers. */
export type Operand = LazyArray | AnyArray | NDArray | Scalar | Complex;

/** Operands with a common shape, and per operand the axes along which it is followed. */
export interface Aligned {
  readonly chunks: Chunks;
  readonly inputs: readonly BlockInput<LayerNode>[];
}

/**
 * Broadcast arrays against each other and cut them alike.
 *
 * Where cuts differ along an axis, all follow the array with the most bytes; the others are regathered, so that
 * `a[1:] - b[:-1]` keeps the number of blocks (api.md §3) instead of splintering into the common refinement.
 * @throws {BroadcastError} shapes that do not broadcast
 */
export function align(arrays: readonly LazyArray[]): Aligned {
  const shape = broadcastShapes(...arrays.map((a) => a.shape));
  const bySize = [...arrays].sort((a, b) => b.nbytes - a.nbytes);
  const chunks = shape.map((n, k): readonly number[] => {
    for (const a of bySize) {
      const own = a.ndim - shape.length + k;
      if (own >= 0 && a.shape[own] === n) return a.chunks[own] as readonly number[];
    }
    return [n];
  });
  const inputs = arrays.map((a) => {
    const lead = shape.length - a.ndim;
    const axes = a.shape.map((n, own) => (n === 1 && shape[own + lead] !== 1 ? null : own + lead));
    const wanted = a.shape.map((n, own) => (axes[own] === null ? [n] : (chunks[own + lead] as readonly number[])));
    return { layer: sameChunks(wanted, a.chunks) ? a.node : rechunkNode(a.node, wanted), axes };
  });
  return { chunks, inputs };
}

/**
 * One fused layer from operands: `build` gets a term per operand and gives the result's term.
 * Of arrays whose size is unknown the result is one, selected by the same mask. Where `build` gives its only operand back
 * unchanged, so does this.
 * @throws {UnknownShapeError} masks that differ, or an array with a size along the unknown axis
 */
export function elementwise(
  label: string,
  operands: readonly Operand[],
  build: (b: KernelBuilder, terms: readonly Term[]) => Term,
): LayerNode {
  const selection = commonSelection(label, operands);
  if (selection) {
    const whole = operands.map((o) => (isSelected(o) ? uncovered(o) : o));
    return selectedNode(elementwise(label, whole, build), selection);
  }
  const builder = new KernelBuilder();
  const arrays: LazyArray[] = [];
  const ids: Term[] = [];
  const terms = operands.map((o): Term => {
    const lazy = o instanceof NDArray ? lazyOf(arrayNode(o)) : isLazy(o) ? o : null;
    if (lazy) {
      const known = arrays.findIndex((a) => a.node === lazy.node);
      if (known >= 0) return ids[known] as Term;
      arrays.push(lazy);
      const term = { node: builder.input(lazy.dtype) };
      ids.push(term);
      return term;
    }
    if (isComplex(o)) return { node: complexConstant(builder, o, dtypesOf(operands)) };
    if (typeof o === "number" || typeof o === "bigint" || typeof o === "boolean") return { weak: o };
    throw new DTypeError(`operand ${shownValue(o)}: expected an array, a number, a bigint or a boolean`);
  });
  const root = strong(builder, build(builder, terms));
  const call = builder.build([root]);
  const [only] = arrays;
  if (only !== undefined && arrays.length === 1 && isInput(builder, root)) return only.node;
  if (arrays.length === 0) {
    // Only numbers: a 0-d array whose kernel has one literal input that it ignores.
    const node = literalNode("scalar", "bool", [], new Uint8Array(1));
    builder.input("bool");
    return blockwiseNode(label, builder.build([root]), [{ layer: node, axes: [] }], []);
  }
  const { chunks, inputs } = align(arrays);
  return blockwiseNode(label, call, inputs, chunks);
}

/** True where the result is the operand itself, as `floor` of integers is: lazy arrays do not change, so none is made. */
function isInput(b: KernelBuilder, root: NodeId): boolean {
  return b.node(root).op === "in";
}

function dtypesOf(operands: readonly Operand[]): DType[] {
  return operands.flatMap((o) => (typeof o === "object" && "dtype" in o ? [o.dtype] : []));
}
