/** Reductions of complex arrays: sums and moments part by part with the real reductions, order and products per block. */
import { DTypeError } from "../../base/index.ts";
import { type DType, dtypeInfo, givesIndex } from "../../dtype/index.ts";
import {
  applyNode,
  type Chunks,
  type KernelBuilder,
  type LayerNode,
  type NodeId,
  type ReduceOp,
  rechunkNode,
  sliceNode,
} from "../../graph/index.ts";
import { type AxisIndex, normalizeAxes, sizeOf } from "../../ndarray/index.ts";
import { partTypeOf } from "../elementwise/complex-terms.ts";
import { elementwise } from "../elementwise/layer.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";

/** What stays of a reduction's options. */
export interface ComplexReduce {
  readonly axis: number | readonly number[] | null | undefined;
  readonly keepdims: boolean;
  readonly ddof: number;
  /** Which elements take part (bool); null: all. */
  readonly present: LazyArray | null;
  /** Fewer elements than this give NaN. */
  readonly minCount: number;
  /** The reduction of a real array. */
  readonly real: (op: ReduceOp, x: LazyArray, ddof?: number) => LayerNode;
}

/** One elementwise layer over arrays; `f` gets a node for each. */
function build(
  label: string,
  arrays: readonly LazyArray[],
  f: (b: KernelBuilder, p: NodeId, q: NodeId, r: NodeId) => NodeId,
): LazyArray {
  const node = elementwise(label, arrays, (b, terms) => {
    const [p, q, r] = terms.map((t) => (t as { node: NodeId }).node) as [NodeId, NodeId, NodeId]; // arrays give nodes; f takes as many as there are
    return { node: f(b, p, q, r) };
  });
  return lazyOf(node);
}

const PARTS = ["real", "imag"] as const;

/** The parts as float64, so that they are rounded once; NaN (in either part) as `nan`. */
function partsOf(x: LazyArray, nan: number | null): readonly [LazyArray, LazyArray] {
  const part = (name: "real" | "imag"): LazyArray =>
    build(name, [x], (b, z) => {
      const value = b.cast(b.complexUnary(name, z), "float64");
      return nan === null ? value : b.where(b.unary("isnan", z), b.param(nan, "float64"), value);
    });
  return [part(PARTS[0]), part(PARTS[1])];
}

function join(dtype: DType, re: LazyArray, im: LazyArray): LazyArray {
  const part = partTypeOf(dtype);
  return build("complex", [re, im], (b, p, q) => b.complex(b.cast(p, part), b.cast(q, part)));
}

/**
 * Layer of a reduction of complex numbers. Sums round once, from float64 sums of the parts; `var` is real: the variance
 * of the real parts plus that of the imaginary ones. `min` and its kin order by real, then by imaginary part.
 * @throws {DTypeError} NumPy has no such reduction
 */
export function complexReduceLayer(op: ReduceOp, x: LazyArray, options: ComplexReduce): LayerNode {
  const { real } = options;
  const { dtype } = x;
  if (options.present) return maskedLayer(op, x, { ...options, present: options.present });
  const skips = op.startsWith("nan");
  const present = (): LazyArray => build("notnan", [x], (b, z) => b.unary("not", b.unary("isnan", z)));
  switch (op) {
    case "sum":
    case "nansum": {
      const [re, im] = partsOf(x, skips ? 0 : null).map((p) => lazyOf(real("sum", p))) as [LazyArray, LazyArray]; // two parts
      return join(dtype, re, im).node;
    }
    case "mean":
    case "nanmean": {
      const [re, im] = partsOf(x, skips ? 0 : null).map((p) => lazyOf(real("sum", p))) as [LazyArray, LazyArray]; // two parts
      const size = sizeOf(normalizeAxes(options.axis, x.ndim).map((k) => x.shape[k] as number)); // axes of the array
      const part = partTypeOf(dtype);
      const counts = skips ? [lazyOf(real("sum", present()))] : [];
      return build(op, [re, im, ...counts], (b, p, q, n) => {
        const total = b.complex(b.cast(p, part), b.cast(q, part));
        return b.binary("div", total, skips ? b.cast(n, dtype) : b.param(size, dtype));
      }).node;
    }
    case "var":
    case "std":
    case "nanvar":
    case "nanstd": {
      const [re, im] = partsOf(x, skips ? Number.NaN : null);
      const each = [re, im].map((p) => lazyOf(real(skips ? "nanvar" : "var", p, options.ddof)));
      const isRoot = op === "std" || op === "nanstd";
      return build(op, each, (b, p, q) => {
        const sum = b.binary("add", p, q);
        return b.cast(isRoot ? b.unary("sqrt", sum) : sum, partTypeOf(dtype));
      }).node;
    }
    case "any":
    case "all":
      return real(
        op,
        build("nonzero", [x], (b, z) => b.cast(z, "bool")),
      );
    case "count":
      return real("sum", present());
    default:
      return orderedLayer(op, x, options);
  }
}

const SKIPPING: Partial<Record<ReduceOp, ReduceOp>> = {
  sum: "nansum",
  prod: "nanprod",
  mean: "nanmean",
  var: "nanvar",
  std: "nanstd",
  min: "nanmin",
  max: "nanmax",
};

/** What does not take part is NaN and skipped; `any` and `all` see a value that decides nothing. */
function maskedLayer(op: ReduceOp, x: LazyArray, options: ComplexReduce & { readonly present: LazyArray }): LayerNode {
  const { present, minCount, real } = options;
  if (op === "count") return real("sum", present);
  if (givesIndex(op)) throw new DTypeError(`${op} of ${x.dtype} is not defined where elements are left out`);
  const neutral = op === "any" ? 0 : op === "all" ? 1 : Number.NaN;
  const filled = build("where", [x, present], (b, z, c) => b.where(c, z, b.param(neutral, x.dtype)));
  const made = lazyOf(complexReduceLayer(SKIPPING[op] ?? op, filled, { ...options, present: null }));
  if (minCount === 0 || made.dtype === "bool") return made.node;
  return build(op, [made, lazyOf(real("sum", present))], (b, value, n) => {
    const isFew = b.binary("lt", n, b.param(minCount, "int64"));
    return b.where(isFew, b.param(Number.NaN, made.dtype), value);
  }).node;
}

/** Products and extremes: a block kernel per block, and once more over what the blocks gave. */
function orderedLayer(op: ReduceOp, x: LazyArray, { axis, keepdims }: ComplexReduce): LayerNode {
  const axes = normalizeAxes(axis, x.ndim);
  const isIndex = givesIndex(op);
  const { kind } = dtypeInfo(x.dtype);
  if (kind !== "c") throw new DTypeError(`${op} of ${x.dtype} is no complex reduction`);
  const wholeChunks = (chunks: Chunks): Chunks =>
    chunks.map((sizes, k) => (axes.includes(k) ? [sizes.reduce((a, b) => a + b, 0)] : sizes));
  const whole = (node: LayerNode): LayerNode => {
    const chunks = wholeChunks(node.layer.chunks);
    return chunks.every((c, k) => c.length === node.layer.chunks[k]?.length) ? node : rechunkNode(node, chunks);
  };
  const step = (node: LayerNode): LayerNode =>
    applyNode(op, {
      kernel: "complex-reduce",
      params: { op, axes },
      inputs: [{ layer: node, axes: x.shape.map((_, k) => k) }],
      dtype: isIndex ? "int64" : x.dtype,
      chunks: node.layer.chunks.map((sizes, k) => (axes.includes(k) ? sizes.map(() => 1) : sizes)),
      scratchBytes:
        4 * sizeOf(axes.map((k) => (node.layer.chunks[k] as readonly number[]).reduce((a, b) => Math.max(a, b), 0))),
    });
  const partial = step(isIndex ? whole(x.node) : x.node);
  const done = isIndex || axes.every((k) => partial.layer.chunks[k]?.length === 1) ? partial : step(whole(partial));
  if (keepdims) return done;
  const index = x.shape.map(
    (n, k): AxisIndex =>
      axes.includes(k) ? { kind: "element", at: 0 } : { kind: "range", start: 0, step: 1, count: n },
  );
  return sliceNode(done, index);
}
