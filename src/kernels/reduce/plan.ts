/**
 * What a reduction accumulates: every reduction is one of a few accumulations of a composed kernel, with masks and NaN
 * rules made part of that kernel, plus a count. See kernels.md §7.
 *
 * - `sum-float`: float64 values added in NumPy's pairwise order; masked elements are 0.
 * - `sum-int`: integers added exactly, wrapping in 64 bits.
 * - `min`, `max`: in the values' own dtype, NaN wins; masked elements are the identity.
 * - `prod-float`, `prod-single`, `prod-half`: multiplied one after the other in float64 or float32; of float16 each row
 *   in float32, rounded at its end, as NumPy does. `prod-int`: integers, wrapping in 64 bits. Masked elements are 1.
 * - `first`: place of the first true.
 */
import { DTYPES, type DType, skipsNaN } from "../../dtype/index.ts";
import type { KernelCall, NodeId, ReduceOp, ReduceSpec } from "../../graph/index.ts";
import { BuiltOnce, CallBuilder, callText } from "../map/ir.ts";

export type Accumulation =
  | "sum-float"
  | "sum-int"
  | "min"
  | "max"
  | "prod-float"
  | "prod-single"
  | "prod-half"
  | "prod-int"
  | "first";

/** True for accumulations that multiply. */
export function isProduct(kind: Accumulation): boolean {
  return kind.startsWith("prod-");
}

/** True for reductions whose partial is (n, mean, M2). */
export function isMoments(op: ReduceOp): boolean {
  return op === "var" || op === "std" || op === "nanvar" || op === "nanstd";
}

/** A reduction ready to run. `call` gives the value and, when `counted`, a bool that is true where an element counts. */
export interface ReducePlan {
  readonly kind: Accumulation;
  readonly call: KernelCall;
  readonly counted: boolean;
  /** dtype of the value that `call` gives. */
  readonly dtype: DType;
  /** True where NaN does not matter: values have none, or min and max step over it. */
  readonly clean: boolean;
  /** True for min and max over values that may be NaN, which is stepped over. */
  readonly skips: boolean;
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

function productOf(dtype: DType): Accumulation {
  if (DTYPES[dtype].kind !== "f") return "prod-int";
  return dtype === "float64" ? "prod-float" : dtype === "float32" ? "prod-single" : "prod-half";
}

function accumulationOf(spec: ReduceSpec): Accumulation {
  switch (spec.op) {
    case "sum":
    case "nansum":
      return DTYPES[spec.from].kind === "f" ? "sum-float" : "sum-int";
    case "prod":
    case "nanprod":
      return productOf(spec.from);
    case "mean":
    case "nanmean":
    case "var":
    case "std":
    case "nanvar":
    case "nanstd":
      return isNarrowInteger(spec.from) ? "sum-int" : "sum-float";
    case "min":
    case "nanmin":
    case "argmin":
    case "nanargmin":
    case "all":
      return "min";
    case "max":
    case "nanmax":
    case "argmax":
    case "nanargmax":
    case "any":
      return "max";
    case "count":
      return "sum-int";
  }
}

/** Start value of an accumulation over `dtype`. */
function identityOf(kind: Accumulation, dtype: DType): number | bigint {
  if (kind === "min" || kind === "max") return extremeOf(kind, dtype);
  const start = isProduct(kind) ? 1 : 0;
  return DTYPES[dtype].big ? BigInt(start) : start;
}

/** dtype that values are cast to before they are accumulated; null: they stay. */
function accumulatedAs(kind: Accumulation, dtype: DType): DType | null {
  if (kind === "sum-float" || kind === "prod-float") return "float64";
  if (kind === "prod-half") return "float32";
  return kind === "prod-int" ? (DTYPES[dtype].kind === "u" ? "uint64" : "int64") : null;
}

const plans = new BuiltOnce<KernelCall, ReducePlan>(callText);

/** Plan of `spec` over the value and optional mask of `call`. For var and std: of their first pass, the mean. */
export function planReduce(call: KernelCall, spec: ReduceSpec): ReducePlan {
  return plans.get(call, `${spec.op} ${spec.from} ${spec.total === undefined}`, () => makePlan(call, spec));
}

function makePlan(call: KernelCall, spec: ReduceSpec): ReducePlan {
  const b = new CallBuilder();
  const [value, given] = b.import(call) as [NodeId, NodeId?];
  const kind = accumulationOf(spec);
  let mask = given;
  let x = value;
  if (spec.op === "count") {
    if (mask === undefined) mask = b.compare("eq", value, value); // not used by the runner, which knows the number
    return { kind, call: b.build([mask]), counted: false, clean: true, skips: false, dtype: "bool", identity: 0 };
  }
  if (spec.op === "any" || spec.op === "all") x = b.cast(value, "bool");
  if (skipsNaN(spec)) {
    const valid = b.compare("eq", value, value); // NaN differs from itself
    mask = mask === undefined ? valid : b.binary("and", mask, valid);
  }
  const narrow = b.dtypeOf(x);
  const identity = identityOf(kind, narrow);
  const skips = (kind === "min" || kind === "max") && skipsNaN(spec) && given === undefined;
  if (mask !== undefined && !skips) x = b.where(mask, x, b.param(identity, narrow)); // before the cast, where fewer bytes move
  const wide = accumulatedAs(kind, narrow);
  if (wide !== null) x = b.cast(x, wide);
  const dtype = b.dtypeOf(x);
  const clean = DTYPES[dtype].kind !== "f" || spec.op.startsWith("nan");
  const counted = mask !== undefined && spec.total === undefined;
  const outputs = mask !== undefined && counted ? [x, mask] : [x];
  const start = DTYPES[dtype].big ? BigInt(identity) : Number(identity);
  return { kind, call: b.build(outputs), counted, clean, skips, dtype, identity: start };
}

/** A search for where a known extreme lies. */
export interface SearchPlan {
  /** Kind `first`; `call` has one more input than what is searched: the extreme, of dtype `target`. */
  readonly plan: ReducePlan;
  readonly target: DType;
}

/** True where masked elements can be no result: a mask was given. NaN counts as the identity, as in NumPy's nanargmin. */
export function excludes(call: KernelCall): boolean {
  return call.kernel.outputs.length > 1;
}

/** One element where extremes are sought; NaN that is left out is the identity. */
interface Candidate {
  readonly x: NodeId;
  /** Where it can be the result; null: everywhere. */
  readonly mask: NodeId | null;
  /** Where it counts; null: everywhere. */
  readonly valid: NodeId | null;
}

function candidateOf(b: CallBuilder, call: KernelCall, spec: ReduceSpec): Candidate {
  const [value, given] = b.import(call) as [NodeId, NodeId?];
  const mask = given ?? null;
  if (!skipsNaN(spec)) return { x: value, mask, valid: mask };
  const number = b.compare("eq", value, value);
  const identity = extremeOf(accumulationOf(spec) as "min" | "max", spec.from); // argmin and its kin are extremes
  const x = b.where(number, value, b.param(identity, spec.from));
  if (mask === null) return { x, mask, valid: number };
  const both = b.binary("and", mask, number);
  return { x, mask: both, valid: both };
}

/** Plan that finds the first element equal to the extreme of its row; one NaN is as good as another. */
export function planSearch(call: KernelCall, spec: ReduceSpec): SearchPlan {
  const b = new CallBuilder();
  const { x, mask } = candidateOf(b, call, spec);
  const d = DTYPES[spec.from];
  const target: DType = d.kind === "f" ? "float64" : d.kind === "u" ? "uint64" : "int64";
  const wanted = b.cast(b.input(target), spec.from);
  let hit = b.compare("eq", x, wanted);
  // Where there is a NaN the extreme is NaN and equals nothing; elsewhere no element differs from itself.
  if (d.kind === "f" && !skipsNaN(spec)) hit = b.binary("or", hit, b.compare("ne", x, x));
  if (mask !== null) hit = b.binary("and", hit, mask);
  const plan = { kind: "first", counted: false, clean: true, skips: false, dtype: "bool", identity: 0 } as const;
  return { plan: { ...plan, call: b.build([hit]) }, target };
}

/**
 * Kernel that takes `groups` rows into running extremes and the places where they were found. Inputs: extreme, place
 * (int32, -1 for none), int32 count if counted, then per row its place (int32) and the plan's inputs. Outputs: as the first
 * two or three inputs. An element that is not better than the one before leaves it: the first of equals stays.
 */
export function indexCall(call: KernelCall, spec: ReduceSpec, groups: number): KernelCall {
  const b = new CallBuilder();
  const kind = accumulationOf(spec) as "min" | "max"; // argmin and its kin are extremes
  let [best, place] = [b.input(spec.from), b.input("int32")];
  const counted = excludes(call) || skipsNaN(spec);
  let count = counted ? b.input("int32") : null;
  const zero = b.param(0, "int32");
  for (let g = 0; g < groups; g++) {
    const here = b.input("int32");
    const { x, mask, valid } = candidateOf(b, call, spec);
    let better = b.compare(kind === "min" ? "lt" : "gt", x, best);
    if (DTYPES[spec.from].kind === "f" && !skipsNaN(spec))
      better = b.binary("or", better, b.binary("and", b.compare("ne", x, x), b.compare("eq", best, best)));
    if (mask !== null) better = b.binary("and", mask, b.binary("or", better, b.compare("lt", place, zero)));
    best = b.where(better, x, best);
    place = b.where(better, here, place);
    if (count !== null && valid !== null) count = b.binary("add", count, b.cast(valid, "int32"));
  }
  return b.build(count === null ? [best, place] : [best, place, count]);
}

/** Second pass of var and std: (x - mean)² added in float64; `call` gains a last input, the float64 mean. */
export function planSquares(call: KernelCall, spec: ReduceSpec): ReducePlan {
  return plans.get(call, `squares ${spec.op} ${spec.from}`, () => makeSquares(call, spec));
}

function makeSquares(call: KernelCall, spec: ReduceSpec): ReducePlan {
  const b = new CallBuilder();
  const [value, given] = b.import(call) as [NodeId, NodeId?];
  let mask = given;
  if (skipsNaN(spec)) {
    const valid = b.compare("eq", value, value);
    mask = mask === undefined ? valid : b.binary("and", mask, valid);
  }
  const mean = b.input("float64");
  const square = b.unary("square", b.binary("sub", b.cast(value, "float64"), mean));
  const x = mask === undefined ? square : b.where(mask, square, b.param(0, "float64"));
  return {
    kind: "sum-float",
    call: b.build([x]),
    counted: false,
    clean: false,
    skips: false,
    dtype: "float64",
    identity: 0,
  };
}

/**
 * Kernel that adds `groups` × `size` elements to running accumulators: the elements of a group are combined first, then
 * added, as NumPy does for short inner axes; products take them one by one. Inputs: accumulator, int32 count if counted, then the plan's inputs per element.
 * Outputs: accumulator, count if counted. `dtype` is the accumulator's.
 */
export function accumulateCall(plan: ReducePlan, dtype: DType, groups: number, size: number): KernelCall {
  return accumulateCalls.get(plan, `${dtype} ${groups} ${size}`, () => makeAccumulate(plan, dtype, groups, size));
}

const accumulateCalls = new BuiltOnce<ReducePlan, KernelCall>();

function makeAccumulate(plan: ReducePlan, dtype: DType, groups: number, size: number): KernelCall {
  const b = new CallBuilder();
  let acc = b.input(dtype);
  let count = plan.counted ? b.input("int32") : null;
  const identity = b.param(plan.identity, plan.dtype);
  const op = plan.kind === "min" || plan.kind === "max" ? plan.kind : isProduct(plan.kind) ? "mul" : "add";
  for (let g = 0; g < groups; g++) {
    let sum: NodeId | null = null;
    for (let k = 0; k < size; k++) {
      const [value, mask] = b.import(plan.call) as [NodeId, NodeId?];
      const x = b.cast(plan.skips && mask !== undefined ? b.where(mask, value, identity) : value, dtype);
      if (op === "mul") acc = b.binary(op, acc, x);
      else sum = sum === null ? x : b.binary(op, sum, x);
      if (count !== null && mask !== undefined) count = b.binary("add", count, b.cast(mask, "int32"));
    }
    if (sum !== null) acc = b.binary(op, acc, sum);
  }
  return b.build(count === null ? [acc] : [acc, count]);
}
