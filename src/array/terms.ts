/**
 * Operations on terms of an expression under construction: NumPy's dtype rules applied, promotion made explicit.
 * Every surface (methods, `expr`, the labelled layer) builds through here, so all agree.
 */
import { ArgumentError, DTypeError } from "../base/index.ts";
import {
  canHold,
  castScalar,
  type DType,
  dtypeInfo,
  floatType,
  isWeakFloat,
  promoteScalar,
  promoteTypes,
  resultType,
  type Scalar,
  scalarDType,
  trueDivideType,
} from "../dtype/index.ts";
import type { BinaryOp, CompareOp, KernelBuilder, NodeId, UnaryOp } from "../graph/index.ts";

/** A value in an expression: a kernel node, or a number whose dtype the others decide. */
export type Term = { readonly node: NodeId } | { readonly weak: Scalar };

const isWeak = (t: Term): t is { readonly weak: Scalar } => "weak" in t;

/** dtype of a node, or the weak scalar itself: what `resultType` takes. */
function typeOf(b: KernelBuilder, t: Term): DType | Scalar {
  return isWeak(t) ? t.weak : b.dtype(t.node);
}

/** The term as a node of `dtype`. */
export function lift(b: KernelBuilder, t: Term, dtype: DType): NodeId {
  return isWeak(t) ? b.param(t.weak, dtype) : b.cast(t.node, dtype);
}

/** The term as a node of its own dtype. */
export function strong(b: KernelBuilder, t: Term): NodeId {
  return isWeak(t) ? b.param(t.weak, scalarDType(t.weak)) : t.node;
}

/** Names of operations with two operands, as methods and in `expr`. */
export type BinaryName =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floordiv"
  | "mod"
  | "pow"
  | "minimum"
  | "maximum"
  | "atan2"
  | "hypot"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | CompareOp;

/** Names of operations with one operand. */
export type UnaryName = UnaryOp;

const KERNEL_NAME: Partial<Record<BinaryName, BinaryOp | CompareOp>> = { minimum: "min", maximum: "max" };
const COMPARISONS: ReadonlySet<string> = new Set(["lt", "le", "gt", "ge", "eq", "ne"]);
const BITWISE: ReadonlySet<string> = new Set(["and", "or", "xor"]);

/**
 * `x op y` with NumPy's result dtype.
 * @throws {DTypeError} the operation is not defined for the dtypes, or a constant is outside the dtype's range
 */
export function binaryTerm(b: KernelBuilder, op: BinaryName, x: Term, y: Term): Term {
  if (isWeak(x) && isWeak(y)) return foldWeak(op, x.weak, y.weak);
  const kernelOp = KERNEL_NAME[op] ?? (op as BinaryOp | CompareOp); // other names are the kernel's own
  if (COMPARISONS.has(op)) {
    const common = comparisonType(b, x, y);
    return { node: b.binary(kernelOp, lift(b, x, common), lift(b, y, common)) };
  }
  const common = binaryType(op, typeOf(b, x), typeOf(b, y));
  return { node: b.binary(kernelOp, lift(b, x, common), lift(b, y, common)) };
}

/** dtype in which a binary operation computes, which is its result's. */
function binaryType(op: BinaryName, x: DType | Scalar, y: DType | Scalar): DType {
  const common = resultType(x, y);
  const { kind } = dtypeInfo(common);
  if (kind === "M" || kind === "m") throw new DTypeError(`${op} is not defined for ${common}`);
  if (BITWISE.has(op)) {
    if (kind === "f" || kind === "c")
      throw new DTypeError(`${op} is not defined for ${common}; it is logical on bool and bitwise on integers`);
    return common;
  }
  if (op === "shl" || op === "shr") {
    if (kind === "f" || kind === "c") throw new DTypeError(`${op} is not defined for ${common}`);
    return kind === "b" ? "int8" : common;
  }
  if (op === "div") return trueDivideType(common, common);
  if (op === "atan2" || op === "hypot") return floatType(common);
  if (kind !== "b") return common;
  // NumPy: bool - bool is refused; bool + bool is logical or, bool * bool logical and; the others compute in int8.
  if (op === "sub") throw new DTypeError("sub is not defined for two bool arrays; use xor or ne");
  return op === "floordiv" || op === "mod" || op === "pow" ? "int8" : common;
}

function comparisonType(b: KernelBuilder, x: Term, y: Term): DType {
  const [array, weak] = isWeak(x) ? [y, x] : [x, y];
  if (!isWeak(weak) || isWeak(array)) return promoteTypes(b.dtype(strong(b, x)), b.dtype(strong(b, y)));
  const dtype = b.dtype(array.node);
  // A constant outside the array's range still compares (NumPy 2 does the same), in a type that holds both.
  if (dtypeInfo(dtype).min !== undefined && !isWeakFloat(weak.weak) && !canHold(dtype, weak.weak)) return "float64";
  return promoteScalar(dtype, weak.weak);
}

function foldWeak(op: BinaryName, x: Scalar, y: Scalar): Term {
  const [p, q] = [Number(x), Number(y)];
  const value: Record<BinaryName, () => Scalar> = {
    add: () => p + q,
    sub: () => p - q,
    mul: () => p * q,
    div: () => p / q,
    pow: () => p ** q,
    floordiv: () => Math.floor(p / q),
    mod: () => p - Math.floor(p / q) * q,
    minimum: () => Math.min(p, q),
    maximum: () => Math.max(p, q),
    atan2: () => Math.atan2(p, q),
    hypot: () => Math.hypot(p, q),
    and: () => p & q,
    or: () => p | q,
    xor: () => p ^ q,
    shl: () => p << q,
    shr: () => p >> q,
    lt: () => p < q,
    le: () => p <= q,
    gt: () => p > q,
    ge: () => p >= q,
    eq: () => p === q,
    ne: () => p !== q,
  };
  return { weak: value[op]() };
}

/** Functions whose results are floats whatever enters. */
export const FLOAT_FUNCTIONS: ReadonlySet<string> = new Set([
  "sqrt",
  "exp",
  "log",
  "log2",
  "log10",
  "sin",
  "cos",
  "tan",
  "asin",
  "acos",
  "atan",
  "deg2rad",
  "rad2deg",
]);

/**
 * `op(x)` with NumPy's result dtype.
 * @throws {DTypeError} the operation is not defined for the dtype
 */
export function unaryTerm(b: KernelBuilder, op: UnaryName, x: Term): Term {
  if (isWeak(x)) {
    if (op === "neg") return { weak: -Number(x.weak) };
    if (op === "not") return { weak: typeof x.weak === "boolean" ? !x.weak : ~Number(x.weak) };
  }
  const id = strong(b, x);
  const dtype = b.dtype(id);
  const { kind } = dtypeInfo(dtype);
  if (FLOAT_FUNCTIONS.has(op)) return { node: b.unary(op, b.cast(id, floatType(dtype))) };
  if (op === "not") {
    if (kind === "f" || kind === "c")
      throw new DTypeError(`not is not defined for ${dtype}; it is logical on bool and bitwise on integers`);
    return { node: b.unary("not", id) };
  }
  if (kind === "b" && op === "neg") throw new DTypeError("neg is not defined for bool; use not");
  if (kind === "b" && (op === "abs" || op === "square")) return { node: id };
  const exact = kind === "b" || kind === "i" || kind === "u";
  if (exact && (op === "floor" || op === "ceil" || op === "trunc" || op === "round")) return { node: id };
  if (exact && (op === "isnan" || op === "isinf" || op === "isfinite")) {
    const answer = b.param(op === "isfinite", "bool");
    return { node: b.where(b.binary("eq", id, id), answer, answer) };
  }
  return { node: b.unary(op, id) };
}

/** `c ? x : y`; `c` must be bool (other dtypes: nonzero). */
export function whereTerm(b: KernelBuilder, c: Term, x: Term, y: Term): Term {
  const common =
    isWeak(x) && isWeak(y)
      ? promoteTypes(scalarDType(x.weak), scalarDType(y.weak))
      : resultType(typeOf(b, x), typeOf(b, y));
  return { node: b.where(b.cast(strong(b, c), "bool"), lift(b, x, common), lift(b, y, common)) };
}

/** True where the term equals one of `values`; NaN equals nothing. */
export function isinTerm(b: KernelBuilder, x: Term, values: readonly Scalar[]): Term {
  const id = strong(b, x);
  const dtype = b.dtype(id);
  const held = values.filter((v) => canHold(dtype, v) && !Number.isNaN(Number(v)));
  // A value that rounds when it becomes float32 is in no float32 array.
  const exact = held.map((v) => [v, castScalar(v, dtype)] as const).filter(([v, c]) => Number(v) === Number(c));
  return {
    node: b.inSet(
      id,
      exact.map(([, c]) => c),
    ),
  };
}

/** NumPy `clip`: NaN stays, `lo > hi` gives `hi`. */
export function clipTerm(b: KernelBuilder, x: Term, lo: Term | null, hi: Term | null): Term {
  if (!lo && !hi) throw new ArgumentError("clip needs min, max or both");
  const raised = lo ? binaryTerm(b, "maximum", x, lo) : x;
  return hi ? binaryTerm(b, "minimum", raised, hi) : raised;
}

/** NumPy `round`: half to even after scaling by 10^decimals. */
export function roundTerm(b: KernelBuilder, x: Term, decimals: number): Term {
  if (!Number.isInteger(decimals)) throw new ArgumentError(`decimals ${decimals} is not an integer`);
  if (decimals === 0) return unaryTerm(b, "round", x);
  const id = strong(b, x);
  const dtype = b.dtype(id);
  if (dtypeInfo(dtype).kind !== "f") {
    if (decimals > 0) return { node: id };
    throw new DTypeError(`round with negative decimals is not defined for ${dtype}; cast to a float first`);
  }
  const power = b.param(10 ** Math.abs(decimals), dtype);
  const [up, down] = decimals > 0 ? (["mul", "div"] as const) : (["div", "mul"] as const);
  return { node: b.binary(down, b.unary("round", b.binary(up, id, power)), power) };
}
