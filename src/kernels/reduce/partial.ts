/** Partial blocks between tasks: combining them in a fixed order, and the final value; elementwise kernels both. */
import { ArgumentError, InvariantError, invariant } from "../../base/index.ts";
import { castScalar, type DType, givesIndex, skipsNaN, viewOf } from "../../dtype/index.ts";
import type { KernelCall, NodeId, ReduceSpec } from "../../graph/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import { copyStrided } from "../copy.ts";
import { BuiltOnce, CallBuilder, callText } from "../map/ir.ts";
import { forEachOuter, loopNest } from "../map/loop.ts";
import { runMap } from "../map/map.ts";
import { type SlotKind, slotKind } from "./accumulate.ts";
import { isMoments, planReduce } from "./plan.ts";

/** Number of components of a partial, as `partialComponents` of the expression types names them. */
export function componentCount({ op, total }: Pick<ReduceSpec, "op" | "total">): number {
  if (isMoments(op) || givesIndex(op)) return 3;
  return op === "count" || total !== undefined ? 1 : 2;
}

/** How the first component of a partial of `spec` is stored. */
function partialSlot(spec: ReduceSpec): SlotKind {
  switch (spec.op) {
    case "sum":
    case "nansum":
    case "min":
    case "max":
    case "nanmin":
    case "nanmax":
    case "prod":
    case "nanprod":
    case "argmin":
    case "argmax":
    case "nanargmin":
    case "nanargmax":
      return slotKind(spec.from);
    case "any":
    case "all":
      return "i64";
    default:
      return "f64";
  }
}

/** dtype of a component. */
export type SlotDType = "float64" | "int64" | "uint64";

/** dtype of each kind of slot. */
export const SLOT_DTYPE: Readonly<Record<SlotKind, SlotDType>> = { f64: "float64", i64: "int64", u64: "uint64" };

/** dtypes of a partial's components. */
export function componentDTypes(spec: ReduceSpec): readonly DType[] {
  const first = SLOT_DTYPE[partialSlot(spec)];
  const count = componentCount(spec);
  if (count === 2) return [first, "float64"];
  return count === 1 ? [first] : [first, "float64", givesIndex(spec.op) ? "int64" : "float64"];
}

/** Called for many small blocks: texts are made for errors only. */
function notPartial({ op }: ReduceSpec, { dtype, shape }: NDArray): Error {
  return new InvariantError(`partial of ${op} is ${dtype} (${shape.join(", ")})`);
}

function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return true;
}

/** Components of a partial block as blocks of their own, each in its dtype. */
function componentsOf(block: NDArray, spec: ReduceSpec): NDArray[] {
  const dtypes = componentDTypes(spec);
  if (block.dtype !== "float64" || block.shape[0] !== dtypes.length) throw notPartial(spec, block);
  const { data } = block;
  const [shape, stride, step] = [block.shape.slice(1), block.stride.slice(1), block.stride[0] as number]; // rank 1 at least
  return dtypes.map((dtype, k) => {
    const seen = dtype === "float64" ? data : viewOf(dtype, data.buffer, data.byteOffset, data.length);
    return new NDArray(dtype, seen, shape, stride, block.offset + k * step);
  });
}

/** Chan's update of (n, mean, M2). Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm". */
function joinMoments(b: CallBuilder, x: readonly NodeId[], y: readonly NodeId[]): NodeId[] {
  const [[nx, mx, sx], [ny, my, sy]] = [x, y] as unknown as readonly [
    [NodeId, NodeId, NodeId],
    [NodeId, NodeId, NodeId],
  ]; // three components each
  const n = b.binary("add", nx, ny);
  const delta = b.binary("sub", my, mx);
  const mean = b.binary("add", mx, b.binary("div", b.binary("mul", delta, ny), n));
  const between = b.binary("mul", b.binary("mul", b.binary("mul", delta, delta), nx), ny);
  return [n, mean, b.binary("add", b.binary("add", sx, sy), b.binary("div", between, n))];
}

/** Product of two partial products, rounded to the dtype that they are of. */
function joinProducts(b: CallBuilder, { from }: ReduceSpec, x: NodeId, y: NodeId): NodeId {
  const product = b.binary("mul", x, y); // exact in float64 for narrower floats
  return from === "float32" || from === "float16" ? b.cast(b.cast(product, from), "float64") : product;
}

/** The better extreme with its index; of equals, and of NaNs, the one that comes first. An index of -1 is of nothing. */
function joinIndices(b: CallBuilder, spec: ReduceSpec, x: readonly NodeId[], y: readonly NodeId[]): NodeId[] {
  const [[vx, nx, ix], [vy, ny, iy]] = [x, y] as unknown as readonly [
    [NodeId, NodeId, NodeId],
    [NodeId, NodeId, NodeId],
  ]; // three components each
  const [and, or] = [(p: NodeId, q: NodeId) => b.binary("and", p, q), (p: NodeId, q: NodeId) => b.binary("or", p, q)];
  let better = b.compare(spec.op.endsWith("min") ? "lt" : "gt", vy, vx);
  let equal = b.compare("eq", vy, vx);
  if (b.dtypeOf(vx) === "float64") {
    const [nanX, nanY] = [b.compare("ne", vx, vx), b.compare("ne", vy, vy)];
    better = or(and(better, b.unary("not", nanX)), and(nanY, b.unary("not", nanX)));
    equal = or(equal, and(nanX, nanY));
  }
  const none = b.param(0n, "int64");
  const [noX, noY] = [b.compare("lt", ix, none), b.compare("lt", iy, none)];
  const takes = and(b.unary("not", noY), or(noX, or(better, and(equal, b.compare("lt", iy, ix)))));
  return [b.where(takes, vy, vx), b.binary("add", nx, ny), b.where(takes, iy, ix)];
}

const joins = new Map<string, KernelCall>();

/** What partials of a reduction are, as text. */
function partialText(spec: ReduceSpec): string {
  return `${spec.op} ${spec.from} ${componentCount(spec)}`;
}

/** Kernel that joins the components of one partial with those of the next. */
export function joinCall(spec: ReduceSpec): KernelCall {
  const key = partialText(spec);
  let call = joins.get(key);
  if (call === undefined) {
    const b = new CallBuilder();
    const [x, y] = [0, 1].map(() => componentDTypes(spec).map((dtype) => b.input(dtype))) as [NodeId[], NodeId[]];
    call = b.build(joined(b, spec, x, y));
    joins.set(key, call);
  }
  return call;
}

/** Components of two partials as one. A side that counted nothing is ignored. */
function joined(b: CallBuilder, spec: ReduceSpec, x: readonly NodeId[], y: readonly NodeId[]): NodeId[] {
  const [x0, y0] = [x[0] as NodeId, y[0] as NodeId]; // one component at least
  if (spec.op === "count") return [b.binary("add", x0, y0)];
  if (givesIndex(spec.op)) return joinIndices(b, spec, x, y);
  const moments = isMoments(spec.op);
  const op =
    spec.op.endsWith("min") || spec.op === "all" ? "min" : spec.op.endsWith("max") || spec.op === "any" ? "max" : "add";
  const value = spec.op.endsWith("prod") ? joinProducts(b, spec, x0, y0) : b.binary(op, x0, y0);
  if (componentCount(spec) === 1) return [value]; // none is of nothing, or what it holds changes nothing
  const [nx, ny] = (moments ? [x0, y0] : [x[1], y[1]]) as [NodeId, NodeId]; // two components or three
  const both = moments ? joinMoments(b, x, y) : [value, b.binary("add", nx, ny)];
  const zero = b.param(0, "float64");
  const [noX, noY] = [b.compare("eq", nx, zero), b.compare("eq", ny, zero)];
  return both.map((z, k) => b.where(noY, x[k] as NodeId, b.where(noX, y[k] as NodeId, z)));
}

/** Join `part` onto `onto`, into `out`, which may be `onto`; equal shapes. */
export function joinPartial(spec: ReduceSpec, onto: NDArray, part: NDArray, out: NDArray): void {
  const inputs = [...componentsOf(onto, spec), ...componentsOf(part, spec)];
  runMap(joinCall(spec), inputs, componentsOf(out, spec), out.shape.slice(1));
}

const ontos = new BuiltOnce<KernelCall, KernelCall>(callText);
const firsts = new BuiltOnce<KernelCall, KernelCall>(callText);

/** Components of the partial of a single element: the values of `call`. Not for moments and indices. */
function single(b: CallBuilder, call: KernelCall, spec: ReduceSpec): NodeId[] {
  const plan = planReduce(call, spec);
  const [value, mask] = b.import(plan.call) as [NodeId, NodeId?];
  const one = b.param(1, "float64");
  if (spec.op === "count") return [call.kernel.outputs.length > 1 ? b.cast(value, "float64") : one];
  const identity = b.param(plan.identity, plan.dtype);
  const taken = plan.skips && mask !== undefined ? b.where(mask, value, identity) : value;
  const y = b.cast(taken, SLOT_DTYPE[partialSlot(spec)]);
  const cell = plan.kind === "sum-float" ? b.binary("add", b.param(0, "float64"), y) : y; // a sum of -0 is +0
  if (componentCount(spec) === 1) return [cell];
  return [cell, mask === undefined ? one : b.cast(mask, "float64")];
}

/** Kernel that gives the components of the partial of single elements. Not for moments and indices. */
export function firstCall(call: KernelCall, spec: ReduceSpec): KernelCall {
  return firsts.get(call, partialText(spec), () => {
    const b = new CallBuilder();
    return b.build(single(b, call, spec));
  });
}

/** The values of a fused kernel, one per cell, as the partial `out`, which has a cell per element. */
export function firstValues(call: KernelCall, spec: ReduceSpec, inputs: readonly NDArray[], out: NDArray): void {
  runMap(firstCall(call, spec), inputs, componentsOf(out, spec), out.shape.slice(1));
}

/**
 * Kernel that joins single elements onto a partial: what reducing blocks of one element per cell and then joining gives.
 * Inputs: the partial's components, then those of `call`.
 */
export function ontoCall(call: KernelCall, spec: ReduceSpec): KernelCall {
  return ontos.get(call, partialText(spec), () => {
    const b = new CallBuilder();
    const x = componentDTypes(spec).map((dtype) => b.input(dtype));
    return b.build(joined(b, spec, x, single(b, call, spec)));
  });
}

/**
 * Join the values of a fused kernel, one per cell of `shape`, onto the partial `onto`, into `out` (which may be `onto`).
 * Both have a cell per element of `shape`. Not for moments and indices.
 */
export function joinValues(
  call: KernelCall,
  spec: ReduceSpec,
  inputs: readonly NDArray[],
  onto: NDArray,
  out: NDArray,
): void {
  const shape = out.shape.slice(1);
  runMap(ontoCall(call, spec), [...componentsOf(onto, spec), ...inputs], componentsOf(out, spec), shape);
}

/**
 * Combine partial blocks of one reduction, in the given order, into `out` (float64; shapes equal). `out` may be the
 * first part.
 */
export function combinePartials(spec: ReduceSpec, parts: readonly NDArray[], out: NDArray): void {
  const [first, ...rest] = parts;
  invariant(first && parts.every((p) => isSameShape(p.shape, out.shape)), "partials of one reduction have one shape");
  const target = componentsOf(out, spec);
  if (first.data !== out.data || first.offset !== out.offset) {
    for (const [k, x] of componentsOf(first, spec).entries()) copyStrided(target[k] as NDArray, x);
  }
  const call = rest.length > 0 ? joinCall(spec) : null;
  for (const part of rest)
    if (call !== null) runMap(call, [...target, ...componentsOf(part, spec)], target, out.shape.slice(1));
}

/** The same of a partial that carries no count: there are elements, `total` of them. */
function knownResult(
  b: CallBuilder,
  { op }: ReduceSpec,
  value: NodeId,
  total: number,
): { readonly value: NodeId; readonly n: NodeId } {
  const n = b.param(total, "float64");
  if (op === "mean" || op === "nanmean") return { value: b.binary("div", value, n), n };
  const isExtreme = op.endsWith("min") || op.endsWith("max");
  const isFloat = b.dtypeOf(value) === "float64";
  return { value: isExtreme && isFloat ? b.binary("add", value, b.param(0, "float64")) : value, n }; // a zero is +0
}

/** Result before the cast to the result's dtype, and the number of elements that took part. */
function resultOf(
  b: CallBuilder,
  spec: ReduceSpec,
  x: readonly NodeId[],
): { readonly value: NodeId; readonly n: NodeId } {
  const [first, second, third] = x as unknown as readonly [NodeId, NodeId, NodeId]; // as many as the operation has
  if (spec.total !== undefined && x.length === 1 && spec.op !== "count") return knownResult(b, spec, first, spec.total);
  const zero = b.param(0, "float64");
  const literal = (value: number): NodeId => {
    const dtype = b.dtypeOf(first);
    return b.param(castScalar(value, dtype), dtype);
  };
  switch (spec.op) {
    case "count":
      return { value: first, n: first };
    case "sum":
    case "nansum":
    case "prod":
    case "nanprod":
      return { value: first, n: second };
    case "argmin":
    case "argmax":
    case "nanargmin":
    case "nanargmax":
      return { value: third, n: second };
    case "mean":
    case "nanmean":
      return { value: b.binary("div", first, second), n: second };
    case "var":
    case "std":
    case "nanvar":
    case "nanstd": {
      const divisor = b.binary("max", b.binary("sub", first, b.param(spec.ddof, "float64")), zero);
      let variance = b.binary("div", third, divisor); // nothing: 0 / 0
      // Too few give NaN in NumPy's nan* family, where var and std give what the division gives.
      if (skipsNaN(spec)) variance = b.where(b.compare("gt", divisor, zero), variance, b.param(Number.NaN, "float64"));
      return { value: spec.op.endsWith("std") ? b.unary("sqrt", variance) : variance, n: first };
    }
    case "any":
    case "all":
      return { value: b.where(b.compare("eq", second, zero), literal(spec.op === "all" ? 1 : 0), first), n: second };
    default: {
      // A zero is +0 whichever came first; of nothing floats give NaN, integers 0 unless `empty` says otherwise.
      const value = partialSlot(spec) === "f64" ? b.binary("add", first, zero) : first;
      return { value: b.where(b.compare("eq", second, zero), literal(Number.NaN), value), n: second };
    }
  }
}

/** A block in C order seen at another shape of its size. */
export function reshaped(block: NDArray, shape: readonly number[]): NDArray {
  if (!block.isContiguous)
    throw new InvariantError(`a block of strides (${block.stride.join(", ")}) has no shape (${shape.join(", ")})`);
  return new NDArray(block.dtype, block.data, shape, contiguousStride(shape), block.offset);
}

/** Throw where an index was asked of nothing, as NumPy does. */
function checkIndices(spec: ReduceSpec, partial: NDArray): void {
  const counts = componentsOf(partial, spec)[1] as NDArray; // value, n, index
  const nest = loopNest(counts.shape, [counts]);
  const depth = Math.max(0, nest.shape.length - 1);
  const [n, step] = [nest.shape[depth] ?? 1, nest.strides[0]?.[depth] ?? 0];
  forEachOuter(nest, depth, ([at = 0]) => {
    for (let i = 0; i < n; i++)
      if (counts.data[at + i * step] === 0)
        throw new ArgumentError(
          skipsNaN(spec)
            ? `${spec.op}: All-NaN slice encountered`
            : `${spec.op}: attempt to get ${spec.op} of an empty sequence`,
          { details: { op: spec.op, cell: i } },
        );
  });
}

/**
 * Turn a partial block into the result: `out` has `spec.dtype` and the partial's shape without its first axis, or, in C
 * order, another shape of that size.
 * @throws {ArgumentError} an index (argmin and its kin) of no elements, where the spec names no empty value
 */
export function finalizePartial(spec: ReduceSpec, partial: NDArray, out: NDArray): void {
  const cells = partial.shape.slice(1);
  if (out.dtype !== spec.dtype || sizeOf(cells) !== out.size)
    throw new InvariantError(
      `result is ${out.dtype} (${out.shape.join(", ")}), expected ${spec.dtype} (${cells.join(", ")})`,
    );
  const target = isSameShape(out.shape, cells) ? out : reshaped(out, cells);
  if (givesIndex(spec.op) && spec.empty === null) checkIndices(spec, partial);
  runMap(finalCall(spec), componentsOf(partial, spec), [target], cells);
}

/** Kernel that turns the components of a partial into the result. */
export function finalCall(spec: ReduceSpec): KernelCall {
  const { op, from, dtype, ddof, minCount, empty, total } = spec;
  const none = Object.is(empty, -0) ? "-0" : `${typeof empty} ${empty}`;
  const text = `${op} ${from} ${dtype} ${ddof} ${minCount} ${none} ${total}`;
  const known = FINAL_CALLS.get(text);
  if (known !== undefined) return known;
  const b = new CallBuilder();
  const { value, n } = resultOf(
    b,
    spec,
    componentDTypes(spec).map((dtype) => b.input(dtype)),
  );
  let result = b.cast(value, spec.dtype);
  if (spec.empty !== null) {
    const few = b.compare("lt", n, b.param(spec.minCount, "float64"));
    result = b.where(few, b.param(castScalar(spec.empty, spec.dtype), spec.dtype), result);
  }
  const call = b.build([result]);
  if (FINAL_CALLS.size === FINAL_CALLS_MAX) FINAL_CALLS.clear();
  FINAL_CALLS.set(text, call);
  return call;
}
const FINAL_CALLS_MAX = 256;
/** By text: specs of tasks that came from elsewhere are decoded anew each time. */
const FINAL_CALLS = new Map<string, KernelCall>();
