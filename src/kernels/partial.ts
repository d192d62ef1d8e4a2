/** Partial blocks between tasks: combining them in a fixed order, and the final value; elementwise kernels both. */
import { invariant } from "../base/index.ts";
import { castScalar, type DType, viewOf } from "../dtype/index.ts";
import type { KernelCall, NodeId, ReduceOp, ReduceSpec } from "../graph/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../ndarray/index.ts";
import { type SlotKind, slotKind } from "./accumulate.ts";
import { copyStrided } from "./copy.ts";
import { CallBuilder } from "./ir.ts";
import { runMap } from "./map.ts";

/** Number of components of a partial, as `REDUCE_COMPONENTS` of the expression types names them. */
export function componentCount(op: ReduceOp): number {
  return op === "count" ? 1 : op === "var" || op === "std" ? 3 : 2;
}

/** How the first component of a partial of `spec` is stored. */
export function partialSlot(spec: ReduceSpec): SlotKind {
  switch (spec.op) {
    case "sum":
    case "nansum":
    case "min":
    case "max":
    case "nanmin":
    case "nanmax":
      return slotKind(spec.from);
    case "any":
    case "all":
      return "i64";
    default:
      return "f64";
  }
}

const SLOT_DTYPE: Readonly<Record<SlotKind, DType>> = { f64: "float64", i64: "int64", u64: "uint64" };

/** dtypes of a partial's components. */
function componentDTypes(spec: ReduceSpec): DType[] {
  return Array.from({ length: componentCount(spec.op) }, (_, k) =>
    k === 0 ? SLOT_DTYPE[partialSlot(spec)] : "float64",
  );
}

/** Components of a partial block as blocks of their own, each in its dtype. */
function componentsOf(block: NDArray, spec: ReduceSpec): NDArray[] {
  const dtypes = componentDTypes(spec);
  invariant(
    block.dtype === "float64" && block.shape[0] === dtypes.length,
    `partial of ${spec.op} is ${block.dtype} (${block.shape.join(", ")})`,
  );
  const { data } = block;
  return dtypes.map((dtype, k) => {
    const seen = dtype === "float64" ? data : viewOf(dtype, data.buffer, data.byteOffset, data.length);
    return new NDArray(
      dtype,
      seen,
      block.shape.slice(1),
      block.stride.slice(1),
      block.offset + k * (block.stride[0] as number),
    ); // rank 1 at least
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

/** Kernel that joins the components of one partial with those of the next. A side that counted nothing is ignored. */
function joinCall(spec: ReduceSpec): KernelCall {
  const b = new CallBuilder();
  const [x, y] = [0, 1].map(() => componentDTypes(spec).map((dtype) => b.input(dtype))) as [NodeId[], NodeId[]];
  const [x0, y0] = [x[0] as NodeId, y[0] as NodeId]; // one component at least
  if (spec.op === "count") return b.build([b.binary("add", x0, y0)]);
  const moments = spec.op === "var" || spec.op === "std";
  const [nx, ny] = (moments ? [x0, y0] : [x[1], y[1]]) as [NodeId, NodeId];
  const op =
    spec.op.endsWith("min") || spec.op === "all" ? "min" : spec.op.endsWith("max") || spec.op === "any" ? "max" : "add";
  const joined = moments ? joinMoments(b, x, y) : [b.binary(op, x0, y0), b.binary("add", nx, ny)];
  const zero = b.param(0, "float64");
  const [noX, noY] = [b.compare("eq", nx, zero), b.compare("eq", ny, zero)];
  return b.build(joined.map((both, k) => b.where(noY, x[k] as NodeId, b.where(noX, y[k] as NodeId, both))));
}

/**
 * Combine partial blocks of one reduction, in the given order, into `out` (float64; shapes equal). `out` may be the
 * first part.
 */
export function combinePartials(spec: ReduceSpec, parts: readonly NDArray[], out: NDArray): void {
  const [first, ...rest] = parts;
  invariant(
    first && parts.every((p) => p.shape.join() === out.shape.join()),
    "partials of one reduction have one shape",
  );
  const target = componentsOf(out, spec);
  if (first.data !== out.data || first.offset !== out.offset) {
    for (const [k, x] of componentsOf(first, spec).entries()) copyStrided(target[k] as NDArray, x);
  }
  const call = rest.length > 0 ? joinCall(spec) : null;
  for (const part of rest)
    if (call !== null) runMap(call, [...target, ...componentsOf(part, spec)], target, out.shape.slice(1));
}

/** Result before the cast to the result's dtype, and the number of elements that took part. */
function resultOf(
  b: CallBuilder,
  spec: ReduceSpec,
  x: readonly NodeId[],
): { readonly value: NodeId; readonly n: NodeId } {
  const [first, second, third] = x as unknown as readonly [NodeId, NodeId, NodeId]; // as many as the operation has
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
      return { value: first, n: second };
    case "mean":
    case "nanmean":
      return { value: b.binary("div", first, second), n: second };
    case "var":
    case "std": {
      const divisor = b.binary("max", b.binary("sub", first, b.param(spec.ddof, "float64")), zero);
      const variance = b.binary("div", third, divisor); // nothing: 0 / 0
      return { value: spec.op === "std" ? b.unary("sqrt", variance) : variance, n: first };
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
function reshaped(block: NDArray, shape: readonly number[]): NDArray {
  invariant(block.isContiguous, `a block of strides (${block.stride.join(", ")}) has no shape (${shape.join(", ")})`);
  return new NDArray(block.dtype, block.data, shape, contiguousStride(shape), block.offset);
}

/**
 * Turn a partial block into the result: `out` has `spec.dtype` and the partial's shape without its first axis, or, in C
 * order, another shape of that size.
 */
export function finalizePartial(spec: ReduceSpec, partial: NDArray, out: NDArray): void {
  const cells = partial.shape.slice(1);
  invariant(
    out.dtype === spec.dtype && sizeOf(cells) === out.size,
    `result is ${out.dtype} (${out.shape.join(", ")}), expected ${spec.dtype} (${cells.join(", ")})`,
  );
  const target = out.shape.join() === cells.join() ? out : reshaped(out, cells);
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
  runMap(b.build([result]), componentsOf(partial, spec), [target], cells);
}
