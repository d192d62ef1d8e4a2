/**
 * What a reduction accumulates: every reduction is one of four accumulations of a composed kernel, with masks and NaN
 * rules made part of that kernel, plus a count. See kernels.md §7.
 *
 * - `sum-float`: float64 values added in NumPy's pairwise order; masked elements are 0.
 * - `sum-int`: integers added exactly, wrapping in 64 bits.
 * - `min`, `max`: in the values' own dtype, NaN wins; masked elements are the identity.
 */
import { DTYPES, type DType } from "../dtype/index.ts";
import type { KernelCall, NodeId, ReduceSpec } from "../graph/index.ts";
import { CallBuilder } from "./ir.ts";

export type Accumulation = "sum-float" | "sum-int" | "min" | "max";

/** A reduction ready to run. `call` gives the value and, when `counted`, a bool that is true where an element counts. */
export interface ReducePlan {
  readonly kind: Accumulation;
  readonly call: KernelCall;
  readonly counted: boolean;
  /** dtype of the value that `call` gives. */
  readonly dtype: DType;
  /** True where values cannot be NaN, because NaN is masked. */
  readonly clean: boolean;
  /** Start value, of `dtype` (sums: 0). */
  readonly identity: number | bigint;
}

/** Start value of a minimum or maximum over `dtype`: nothing is beyond it. */
export function extremeOf(kind: "min" | "max", dtype: DType): number | bigint {
  const d = DTYPES[dtype];
  if (d.kind === "f") return kind === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  if (d.kind === "b") return kind === "min" ? 1 : 0;
  const bound = (kind === "min" ? d.max : d.min) as bigint; // integers have both
  return d.big ? bound : Number(bound);
}

/** True for integers (bool included) whose sums fit float64 after exact accumulation: up to 32 bits. */
export function isNarrowInteger(dtype: DType): boolean {
  const d = DTYPES[dtype];
  return d.kind === "b" || ((d.kind === "i" || d.kind === "u") && d.itemsize <= 4);
}

function accumulationOf(spec: ReduceSpec): Accumulation {
  switch (spec.op) {
    case "sum":
    case "nansum":
      return DTYPES[spec.from].kind === "f" ? "sum-float" : "sum-int";
    case "mean":
    case "nanmean":
    case "var":
    case "std":
      return isNarrowInteger(spec.from) ? "sum-int" : "sum-float";
    case "min":
    case "nanmin":
    case "all":
      return "min";
    case "max":
    case "nanmax":
    case "any":
      return "max";
    case "count":
      return "sum-int";
  }
}

/** Plan of `spec` over the value and optional mask of `call`. For var and std: of their first pass, the mean. */
export function planReduce(call: KernelCall, spec: ReduceSpec): ReducePlan {
  const b = new CallBuilder();
  const [value, given] = b.import(call) as [NodeId, NodeId?];
  const kind = accumulationOf(spec);
  let mask = given;
  let x = value;
  if (spec.op === "count") {
    if (mask === undefined) mask = b.compare("eq", value, value); // not used by the runner, which knows the number
    return { kind, call: b.build([mask]), counted: false, clean: true, dtype: "bool", identity: 0 };
  }
  if (spec.op === "any" || spec.op === "all") x = b.cast(value, "bool");
  if (spec.op.startsWith("nan") && DTYPES[spec.from].kind === "f") {
    const valid = b.compare("eq", value, value); // NaN differs from itself
    mask = mask === undefined ? valid : b.binary("and", mask, valid);
  }
  const narrow = b.dtypeOf(x);
  const identity = kind === "min" || kind === "max" ? extremeOf(kind, narrow) : DTYPES[narrow].big ? 0n : 0;
  if (mask !== undefined) x = b.where(mask, x, b.param(identity, narrow)); // before the cast, where fewer bytes move
  if (kind === "sum-float") x = b.cast(x, "float64");
  const dtype = b.dtypeOf(x);
  const clean = DTYPES[dtype].kind !== "f" || spec.op.startsWith("nan");
  const outputs = mask === undefined ? [x] : [x, mask];
  return { kind, call: b.build(outputs), counted: mask !== undefined, clean, dtype, identity };
}

/** Second pass of var and std: (x - mean)² added in float64; `call` gains a last input, the float64 mean. */
export function planSquares(call: KernelCall): ReducePlan {
  const b = new CallBuilder();
  const [value, mask] = b.import(call) as [NodeId, NodeId?];
  const mean = b.input("float64");
  const square = b.unary("square", b.binary("sub", b.cast(value, "float64"), mean));
  const x = mask === undefined ? square : b.where(mask, square, b.param(0, "float64"));
  return { kind: "sum-float", call: b.build([x]), counted: false, clean: false, dtype: "float64", identity: 0 };
}

/**
 * Kernel that adds `groups` × `size` elements to running accumulators: the elements of a group are combined first, then
 * added, as NumPy does for short inner axes. Inputs: accumulator, count if counted, then the plan's inputs per element.
 * Outputs: accumulator, count if counted. `dtype` is the accumulator's.
 */
export function accumulateCall(plan: ReducePlan, dtype: DType, groups: number, size: number): KernelCall {
  const b = new CallBuilder();
  let acc = b.input(dtype);
  let count = plan.counted ? b.input("float64") : null;
  const op = plan.kind === "min" || plan.kind === "max" ? plan.kind : "add";
  for (let g = 0; g < groups; g++) {
    let sum: NodeId | null = null;
    for (let k = 0; k < size; k++) {
      const [value, mask] = b.import(plan.call) as [NodeId, NodeId?];
      const x = b.cast(value, dtype);
      sum = sum === null ? x : b.binary(op, sum, x);
      if (count !== null && mask !== undefined) count = b.binary("add", count, b.cast(mask, "float64"));
    }
    if (sum !== null) acc = b.binary(op, acc, sum);
  }
  return b.build(count === null ? [acc] : [acc, count]);
}
