/** Layers of running sums and products and of forward fills. */
import { ArgumentError, DTypeError } from "../../base/index.ts";
import { allocate, asDType, castScalar, type DType, dtypeInfo, itemsize, reductionType } from "../../dtype/index.ts";
import {
  applyNode,
  blockwiseNode,
  concatenateNode,
  KernelBuilder,
  type LayerNode,
  literalNode,
  rechunkNode,
  sliceNode,
  takeNode,
} from "../../graph/index.ts";
import { type AxisIndex, normalizeAxis } from "../../ndarray/index.ts";
import { axisAnd, type WithAxis } from "../axis-options.ts";
import { elementwise } from "../elementwise/layer.ts";
import { type Term, unaryTerm, whereTerm } from "../elementwise/terms.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { wholeAlong } from "./select-layer.ts";

/** Bytes that one scanning task needs beside its blocks: none, its tiles lie in the thread's scratch memory. */
const SCRATCH_BYTES = 0;

/** Sum or product. */
export type ScanOp = "add" | "mul";

/** dtype of a running sum or product. Source: NumPy 2.4. @throws {DTypeError} dates, or a dtype that holds no numbers */
export function scanType(x: DType, dtype: DType | undefined): DType {
  const to = dtype === undefined ? reductionType("sum", x) : asDType(dtype);
  for (const d of [x, to]) {
    const { kind } = dtypeInfo(d);
    if (kind === "M" || kind === "m") throw new DTypeError(`running sums and products are not defined for ${d}`);
  }
  return to;
}

/** The element that changes nothing; -0 keeps both zeros. */
function neutralNode(op: ScanOp, dtype: DType, chunks: readonly (readonly number[])[]): LayerNode {
  const one = allocate(dtype, 1);
  const { kind } = dtypeInfo(dtype);
  const isFloat = kind === "f" || kind === "c";
  const sum = op === "add";
  one[0] = (isFloat ? (sum ? -0 : 1) : castScalar(sum ? 0 : 1, dtype)) as never; // of its dtype
  if (kind === "c") one[1] = (sum ? -0 : 0) as never; // a complex element is two floats
  return literalNode("neutral", dtype, chunks, new Uint8Array(one.buffer as ArrayBuffer));
}

function scanBlocks(op: ScanOp, x: LazyArray, axis: number, dtype: DType): LayerNode {
  return applyNode(op === "add" ? "cumsum" : "cumprod", {
    kernel: "scan",
    params: { op, axis },
    inputs: [{ layer: x.node, axes: x.chunks.map((_, k) => k) }],
    dtype,
    chunks: x.chunks,
    scratchBytes: SCRATCH_BYTES,
  });
}

/** Elements `start … start + count` along one axis. */
export function sliceAlong(x: LazyArray, axis: number, start: number, count: number): LazyArray {
  const index = x.shape.map(
    (n, k): AxisIndex =>
      k === axis ? { kind: "range", start, step: 1, count } : { kind: "range", start: 0, step: 1, count: n },
  );
  return lazyOf(sliceNode(x.node, index));
}

/**
 * Running sum or product along `axis`: every block on its own, then the totals of the blocks, whose running sum is added
 * to the blocks after them. One block has NumPy's bits; several are added in order, too. Chunks: the input's.
 */
export function scanLayer(op: ScanOp, x: LazyArray, axis: number, dtype: DType): LayerNode {
  const given = x.chunks[axis] as readonly number[];
  const sizes = given.some((n) => n > 0) ? given.filter((n) => n > 0) : [0];
  const cut = x.chunks.map((c, k) => (k === axis ? sizes : c));
  const own = sizes.length === given.length ? x : lazyOf(rechunkNode(x.node, cut));
  const scanned = scanBlocks(op, own, axis, dtype);
  if (sizes.length === 1) return scanned;
  let end = 0;
  const ends = sizes.map((n) => {
    end += n;
    return end - 1;
  });
  const totals = lazyOf(takeNode("last", scanned, axis, ends.slice(0, -1), [ends.length - 1]));
  const running = scanBlocks(op, totals, axis, dtype);
  const first = totals.chunks.map((c, k) => (k === axis ? [1] : c));
  const before = concatenateNode([neutralNode(op, dtype, first), running], axis);
  const ones = cut.map((c, k) => (k === axis ? sizes.map(() => 1) : c));
  const b = new KernelBuilder();
  const call = b.build([b.binary(op, b.input(dtype), b.input(dtype))]);
  const axes = cut.map((_, k) => k);
  return blockwiseNode(
    scanned.layer.name.replace(/-[^-]*$/, ""),
    call,
    [
      { layer: rechunkNode(before, ones), axes },
      { layer: scanned, axes },
    ],
    cut,
  );
}

/** Options of running sums and products. */
export interface ScanOptions extends WithAxis<number | null> {
  /** dtype that the values take before they are combined, and that the result has. */
  readonly dtype?: DType;
  /** Dask's choice of plan; both give the same bits here: blocks, then their totals, in order. */
  readonly method?: "sequential" | "blelloch";
}

/** NaN replaced by what changes nothing. */
function withoutNaN(x: LazyArray, op: ScanOp): LazyArray {
  const { kind } = dtypeInfo(x.dtype);
  if (kind !== "f" && kind !== "c") return x;
  const node = elementwise("nan-to-neutral", [x], (b, [term]) => {
    const value = term as Term; // one operand
    return whereTerm(b, unaryTerm(b, "isnan", value), { weak: op === "add" ? 0 : 1 }, value);
  });
  return lazyOf(node);
}

/**
 * Layer of a running sum or product as callers write their arguments; without an axis of the flat array.
 * @throws {AxisError} @throws {DTypeError} @throws {ArgumentError} an unknown method
 */
export function scanOf(
  { op, skipna }: { readonly op: ScanOp; readonly skipna: boolean },
  x: LazyArray,
  axis: number | null | ScanOptions | undefined,
  options?: ScanOptions,
): LayerNode {
  const given = axisAnd<number | null, ScanOptions>(axis, options, [
    op === "add" ? "cumsum" : "cumprod",
    { dtype: true, method: true },
  ]);
  const { method = "sequential", dtype } = given.options;
  if (method !== "sequential" && method !== "blelloch")
    throw new ArgumentError(`method ${JSON.stringify(method)}: expected "sequential" or "blelloch"`);
  const isFlat = given.axis === undefined || given.axis === null;
  const line = isFlat && x.ndim !== 1 ? lazyOf(reshapeLayer(x, [-1])) : x;
  const k = isFlat ? 0 : normalizeAxis(given.axis as number, x.ndim); // neither null nor undefined
  return scanLayer(op, skipna ? withoutNaN(line, op) : line, k, scanType(x.dtype, dtype));
}

/** The same with the neutral element before the first. */
export function withInitial(op: ScanOp, scanned: LazyArray, axis: number): LayerNode {
  const zero = dtypeInfo(scanned.dtype).kind === "f" && op === "add";
  const chunks = scanned.chunks.map((c, k) => (k === axis ? [1] : c));
  const one = zero
    ? literalNode("initial", scanned.dtype, chunks, new Uint8Array(itemsize(scanned.dtype)))
    : neutralNode(op, scanned.dtype, chunks);
  const joined = concatenateNode([one, scanned.node], axis);
  const [head = 0, ...rest] = scanned.chunks[axis] as readonly number[];
  return rechunkNode(
    joined,
    scanned.chunks.map((c, k) => (k === axis ? [head + 1, ...rest] : c)),
  );
}

/**
 * NaN filled with the last number before it along `axis` (`reverse`: the next one after it), at most `limit` in a row.
 * Chunks: `axis` becomes whole. What `push`, `ffill` and `bfill` are.
 * @throws {ArgumentError} a limit that is no positive whole number
 */
export function pushLayer(
  x: LazyArray,
  axis: number,
  options: { readonly limit?: number | null; readonly reverse?: boolean } = {},
): LayerNode {
  const limit = options.limit ?? null;
  if (limit !== null && (!Number.isInteger(limit) || limit < 1))
    throw new ArgumentError(`limit ${limit}: expected a whole number of at least 1`);
  if (dtypeInfo(x.dtype).kind !== "f") return x.node;
  const { node, chunks } = wholeAlong(x, [axis]);
  return applyNode(options.reverse ? "bfill" : "push", {
    kernel: "push",
    params: { axis, limit, reverse: options.reverse ?? false },
    inputs: [{ layer: node, axes: chunks.map((_, k) => k) }],
    dtype: x.dtype,
    chunks,
    scratchBytes: SCRATCH_BYTES,
  });
}
