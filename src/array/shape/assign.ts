/** Item assignment as a new array: values in place of the elements that an index names. */
import { BroadcastError, SelectionError, UnsupportedError } from "../../base/index.ts";
import type { Scalar } from "../../dtype/index.ts";
import { type AxisWalk, type GatherPart, type LayerNode, makeNode, takeNode } from "../../graph/index.ts";
import { type AxisIndex, NDArray, parseIndex, type Range, type SliceArg } from "../../ndarray/index.ts";
import { elementwise, type Operand } from "../elementwise/layer.ts";
import { lift, type Term, whereTerm } from "../elementwise/terms.ts";
import { arrayNode, type LazyArray, lazyOf } from "../lazy.ts";
import { isSelected, unknownShape } from "../unknown.ts";
import { broadcastLayer } from "./broadcasting.ts";
import { flatValues, type IndexArg, inBounds, isArrayIndex } from "./indexing.ts";
import { reshapeLayer } from "./reshape.ts";

/** What is put in place: a number, a block, a lazy array; it broadcasts. */
export type Assigned = Operand;

/** The parts of an index: a list of parts holds something else than the numbers of a slice. */
export function indexParts(index: IndexArg | readonly IndexArg[]): readonly IndexArg[] {
  if (!Array.isArray(index)) return [index as IndexArg]; // no list
  const isSlice = index.length > 0 && index.every((v) => v === null || typeof v === "number");
  return isSlice ? [index as SliceArg] : index;
}

/** Places along one axis. */
type Places = (Range & { readonly kind: "range" }) | { readonly kind: "list"; readonly at: readonly number[] };

/**
 * `x` with `value` at `index`. Blocks stay as they are.
 * @throws {SelectionError} an index that cannot be assigned to  @throws {BroadcastError} a value of another shape
 */
export function setitemLayer(x: LazyArray, index: readonly IndexArg[], value: Assigned): LayerNode {
  if (isSelected(value)) throw unknownShape("setitem", value.selected.selection.axis);
  const parts = index.flatMap((a): IndexArg[] => (typeof a === "string" ? a.split(",").map((s) => s.trim()) : [a]));
  const [first] = parts;
  if (
    parts.length === 1 &&
    isArrayIndex(first) &&
    !ArrayBuffer.isView(first) &&
    first.dtype === "bool" &&
    !isSelected(first)
  )
    if (first.shape.length > 1 || !(first instanceof NDArray)) return masked(x, first as NDArray | LazyArray, value);
  const { places, shape, dropped } = placesOf(x, parts);
  const put = valueLayer(x, value, shape);
  if (shape.includes(0)) return x.node;
  const full = dropped.length > 0 ? reshapeLayer(lazyOf(put), withOnes(shape, dropped)) : put;
  return places.every((p) => p.kind === "range" && Math.abs(p.step) === 1)
    ? boxed(x, places as readonly Range[], full) // just checked
    : scattered(x, places, full);
}

/** A mask over all of the array, or its first axes: one value for all. */
function masked(x: LazyArray, mask: NDArray | LazyArray, value: Assigned): LayerNode {
  const lazy = mask instanceof NDArray ? lazyOf(arrayNode(mask)) : mask;
  if (lazy.ndim > x.ndim || lazy.shape.some((n, k) => n !== x.shape[k]))
    throw new SelectionError(
      `a mask of shape (${lazy.shape.join(", ")}) for an array of shape (${x.shape.join(", ")})`,
    );
  const operand = value instanceof NDArray ? lazyOf(arrayNode(value)) : value;
  if (typeof operand === "object" && "shape" in operand && operand.shape.some((n) => n !== 1))
    throw new UnsupportedError(
      "setitem with a mask and many values: their places depend on the mask; use where(mask, values, x) with values of x's shape",
    );
  const over = reshapeLayer(lazy, [...lazy.shape, ...x.shape.slice(lazy.ndim).map(() => 1)]);
  const one =
    typeof operand === "object" && "node" in operand ? lazyOf(reshapeLayer(operand, [])) : (operand as Scalar); // a lazy array or a number
  return elementwise("setitem", [lazyOf(over), one, x], (b, [c, v, old]) => {
    const put: Term = { node: lift(b, v as Term, x.dtype) }; // three operands
    return whereTerm(b, c as Term, put, old as Term);
  });
}

/** Places per axis, the shape that the value must have, and the axes that numbers drop from it. */
function placesOf(
  x: LazyArray,
  parts: readonly IndexArg[],
): { readonly places: readonly Places[]; readonly shape: number[]; readonly dropped: readonly number[] } {
  const lists: (readonly number[])[] = [];
  const basic = parts.map((p): SliceArg => {
    if (!isArrayIndex(p)) return p;
    if (!(p instanceof NDArray) && !ArrayBuffer.isView(p))
      throw new UnsupportedError("setitem at lazy indices: compute them first, or use where(mask, values, x)");
    const block = p instanceof NDArray ? p : NDArray.of(p);
    if (block.ndim !== 1) throw new SelectionError(`setitem with a list of rank ${block.ndim}: expected rank 1`);
    const flat = flatValues(block);
    lists.push(block.dtype === "bool" ? flat.flatMap((v, i) => (v ? [i] : [])) : flat);
    return ":";
  });
  if (lists.length > 1) throw new SelectionError(`setitem with ${lists.length} lists: expected at most one`);
  const all = parseIndex(basic, x.shape);
  if (all.some((i) => i.kind === "newaxis")) throw new SelectionError("setitem: an index to assign to adds no axis");
  const listed = listedAxis(parts, x.ndim);
  const places = all.map((i, k): Places => {
    if (k === listed) return { kind: "list", at: (lists[0] ?? []).map((v) => inBounds(v, x.shape[k] as number, k)) };
    return i.kind === "element" ? { kind: "range", start: i.at, step: 1, count: 1 } : (i as AxisIndex & Places);
  });
  const dropped = all.flatMap((i, k) => (i.kind === "element" ? [k] : []));
  const shape = places.flatMap((p, k) => (dropped.includes(k) ? [] : [p.kind === "list" ? p.at.length : p.count]));
  return { places, shape, dropped };
}

function listedAxis(parts: readonly IndexArg[], ndim: number): number {
  const at = parts.findIndex(isArrayIndex);
  if (at < 0) return -1;
  const dots = parts.indexOf("...");
  return dots >= 0 && dots < at ? ndim - (parts.length - at) : at;
}

function withOnes(shape: readonly number[], dropped: readonly number[]): number[] {
  let next = 0;
  return Array.from({ length: shape.length + dropped.length }, (_, k) =>
    dropped.includes(k) ? 1 : (shape[next++] as number),
  );
}

/** The value in the shape of the places, in x's dtype. Leading axes of size 1 are dropped as NumPy does. */
function valueLayer(x: LazyArray, value: Assigned, shape: readonly number[]): LayerNode {
  const cast = elementwise("astype", [value], (b, [v]) => ({ node: lift(b, v as Term, x.dtype) })); // one operand
  let lazy = lazyOf(cast);
  while (lazy.ndim > shape.length && lazy.shape[0] === 1) lazy = lazyOf(reshapeLayer(lazy, lazy.shape.slice(1)));
  if (lazy.ndim > shape.length)
    throw new BroadcastError(`a value of shape (${lazy.shape.join(", ")}) at places of shape (${shape.join(", ")})`);
  return broadcastLayer(lazy, shape);
}

/** A box of neighbours: what lies around it comes from x, the box from the value. */
function boxed(x: LazyArray, box: readonly Range[], value: LayerNode): LayerNode {
  const lo = box.map((r) => (r.step > 0 ? r.start : r.start - r.count + 1));
  const hi = box.map((r, k) => (lo[k] as number) + r.count);
  const parts: GatherPart<LayerNode>[] = [];
  const around = (from: readonly number[], to: readonly number[]): void => {
    if (from.some((v, k) => v >= (to[k] as number))) return;
    const walk = from.map((start, axis): AxisWalk => ({ axis, start, step: 1 }));
    parts.push({ layer: x.node, lo: from, hi: to, walk });
  };
  x.shape.forEach((n, k) => {
    const [from, to] = [
      x.shape.map((_, a) => (a < k ? (lo[a] as number) : 0)),
      x.shape.map((s, a) => (a < k ? (hi[a] as number) : s)),
    ];
    around(
      from,
      to.map((v, a) => (a === k ? (lo[k] as number) : v)),
    );
    around(
      from.map((v, a) => (a === k ? (hi[k] as number) : v)),
      to.map((v, a) => (a === k ? n : v)),
    );
  });
  const walk = box.map(
    (r, axis): AxisWalk => ({ axis, start: r.step > 0 ? 0 : r.count - 1, step: r.step > 0 ? 1 : -1 }),
  );
  return makeNode("setitem", {
    kind: "gather",
    dtype: x.dtype,
    chunks: x.chunks,
    parts: [...parts, { layer: value, lo, hi, walk }],
  });
}

/** Places that are no box: the value spread over the axes, chosen where all axes name a place. */
function scattered(x: LazyArray, places: readonly Places[], value: LayerNode): LayerNode {
  let spread = value;
  const masks = places.flatMap((p, k) => {
    const n = x.shape[k] as number; // one place per axis
    const from = new Int32Array(n).fill(-1);
    if (p.kind === "list")
      p.at.forEach((at, i) => {
        from[at] = i;
      });
    else for (let i = 0; i < p.count; i++) from[p.start + i * p.step] = i;
    spread = takeNode(
      "take",
      spread,
      k,
      Array.from(from, (v) => Math.max(0, v)),
      x.chunks[k] as readonly number[],
    );
    if (!from.includes(-1)) return [];
    const flags = NDArray.of(
      Uint8Array.from(from, (v) => (v < 0 ? 0 : 1)),
      [n, ...x.shape.slice(k + 1).map(() => 1)],
      "bool",
    );
    return [lazyOf(arrayNode(flags, [x.chunks[k] as readonly number[], ...x.shape.slice(k + 1).map(() => [1])]))];
  });
  return elementwise("setitem", [lazyOf(spread), x, ...masks], (b, [put, old, ...all]) => {
    const chosen = all.map((t) => lift(b, t, "bool")).reduce((p, q) => b.binary("and", p, q), b.param(true, "bool"));
    return whereTerm(b, { node: chosen }, put as Term, old as Term); // both are operands
  });
}
