/**
 * Operations on terms of an expression under construction: NumPy's dtype rules applied, promotion made explicit.
 * Every surface (methods, `expr`, the labelled layer) builds through here, so all agree.
 */
import { ArgumentError, DTypeError, UsageError } from "../../base/index.ts";
import {
  type Complex,
  canHold,
  castScalar,
  type DType,
  dtypeInfo,
  floatType,
  isComplex,
  isWeakFloat,
  promoteScalar,
  promoteTypes,
  resultType,
  type Scalar,
  scalarDType,
  trueDivideType,
} from "../../dtype/index.ts";
import type { CompareOp, KernelBuilder, NodeId, UnaryOp } from "../../graph/index.ts";
import { complexIsin, complexUnary, demandComplexBinary, onParts } from "./complex-terms.ts";

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
  | "fmod"
  | "pow"
  | "minimum"
  | "maximum"
  | "fmin"
  | "fmax"
  | "atan2"
  | "hypot"
  | "copysign"
  | "nextafter"
  | "logaddexp"
  | "logaddexp2"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | CompareOp;

/** Names of operations with one operand. */
export type UnaryName = UnaryOp;

const COMPARISONS: ReadonlySet<string> = new Set(["lt", "le", "gt", "ge", "eq", "ne"]);
const BITWISE: ReadonlySet<string> = new Set(["and", "or", "xor"]);
/** Operations of two operands whose results are floats whatever enters. */
const FLOAT_OF_TWO: ReadonlySet<string> = new Set([
  "atan2",
  "hypot",
  "copysign",
  "nextafter",
  "logaddexp",
  "logaddexp2",
]);

/**
 * `x op y` with NumPy's result dtype.
 * @throws {DTypeError} the operation is not defined for the dtypes, or a constant is outside the dtype's range
 * @throws {UsageError} code `integer-power`: an integer to a negative integer constant
 */
export function binaryTerm(b: KernelBuilder, op: BinaryName, x: Term, y: Term): Term {
  if (isWeak(x) && isWeak(y)) return foldWeak(op, x.weak, y.weak);
  if (COMPARISONS.has(op)) return { node: compareNode(b, op as CompareOp, x, y) }; // the set holds the comparisons
  const common = binaryType(op, typeOf(b, x), typeOf(b, y));
  if (op === "pow" && isWeak(y) && dtypeInfo(common).kind !== "c")
    return { node: powerNode(b, lift(b, x, common), y.weak) };
  const [p, q] = [lift(b, x, common), lift(b, y, common)];
  switch (op) {
    case "minimum":
      return { node: b.binary("min", p, q) };
    case "maximum":
      return { node: b.binary("max", p, q) };
    case "fmin":
      return { node: besideNaN(b, b.binary("min", p, q), p, q) };
    case "fmax":
      return { node: besideNaN(b, b.binary("max", p, q), p, q) };
    default:
      return { node: b.binary(op, p, q) };
  }
}

/** `both` where neither is NaN, else the other one. */
function besideNaN(b: KernelBuilder, both: NodeId, x: NodeId, y: NodeId): NodeId {
  if (!"fc".includes(dtypeInfo(b.dtype(x)).kind)) return both;
  return b.where(b.unary("isnan", x), y, b.where(b.unary("isnan", y), x, both));
}

/** Power by a constant: products for 2, 3 and 4, the root for one half (with `pow`'s answers for -0 and -inf). */
function powerNode(b: KernelBuilder, x: NodeId, exponent: Scalar): NodeId {
  const dtype = b.dtype(x);
  const e = Number(exponent);
  if (dtypeInfo(dtype).kind !== "f") {
    if (e < 0)
      throw new UsageError(
        "integer-power",
        `pow: ${dtype} to the negative integer ${exponent} is not allowed; cast the array to a float with astype first`,
        { details: { dtype, exponent: String(exponent) } },
      );
    return e === 2 ? b.unary("square", x) : b.binary("pow", x, b.param(exponent, dtype));
  }
  if (e === 2) return b.unary("square", x);
  if (e === 3) return b.binary("mul", b.unary("square", x), x);
  if (e === 4) return b.unary("square", b.unary("square", x));
  if (e === 0.5) {
    const root = b.unary("sqrt", b.binary("add", x, b.param(0, dtype)));
    const inf = b.param(Number.POSITIVE_INFINITY, dtype);
    return b.where(b.binary("eq", x, b.unary("neg", inf)), inf, root);
  }
  return b.binary("pow", x, b.param(exponent, dtype));
}

/** dtype in which a binary operation computes, which is its result's. */
function binaryType(op: BinaryName, x: DType | Scalar, y: DType | Scalar): DType {
  const common = FLOAT_OF_TWO.has(op) ? floatOfTwo(x, y) : resultType(x, y);
  const { kind } = dtypeInfo(common);
  if (kind === "M" || kind === "m") throw new DTypeError(`${op} is not defined for ${common}`);
  if (kind === "c") demandComplexBinary(op, common);
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
  if (FLOAT_OF_TWO.has(op)) {
    if (kind === "c") throw new DTypeError(`${op} is not defined for ${common}`);
    return common;
  }
  if (kind !== "b") return common;
  // NumPy: bool - bool is refused; bool + bool is logical or, bool * bool logical and; the others compute in int8.
  if (op === "sub") throw new DTypeError("sub is not defined for two bool arrays; use xor or ne");
  return op === "floordiv" || op === "mod" || op === "fmod" || op === "pow" ? "int8" : common;
}

/** Float loop that both operands cast to without loss by NumPy's rule: int16 and uint16 meet in float32. */
function floatOfTwo(x: DType | Scalar, y: DType | Scalar): DType {
  if ([x, y].some((t) => typeof t === "string" && "Mm".includes(dtypeInfo(t).kind))) return resultType(x, y);
  const float = (t: DType | Scalar): DType | Scalar => (typeof t === "string" ? floatType(t) : t);
  const ofInteger = (t: DType | Scalar): boolean => typeof t === "string" && "biu".includes(dtypeInfo(t).kind);
  const weak = [x, y].find((t): t is Scalar => typeof t !== "string");
  const isBoolOnly = [x, y].includes("bool") && typeof weak !== "boolean"; // a whole number beside bool is an int64
  if (weak !== undefined && (isBoolOnly || (isWeakFloat(weak) && (ofInteger(x) || ofInteger(y))))) return "float64";
  return resultType(float(x), float(y));
}

const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = { lt: "gt", le: "ge", gt: "lt", ge: "le", eq: "eq", ne: "ne" };

/** Comparison as NumPy 2 has it: exact between int64 and uint64, and with constants outside the array's range. */
function compareNode(b: KernelBuilder, op: CompareOp, x: Term, y: Term): NodeId {
  if (isWeak(x)) return compareNode(b, MIRRORED[op], y, x);
  const dtype = b.dtype(x.node);
  const { kind, min, max } = dtypeInfo(dtype);
  if (isWeak(y)) {
    if (min === undefined || max === undefined || typeof y.weak === "boolean" || isWeakFloat(y.weak)) {
      const common = promoteScalar(dtype, y.weak);
      return b.binary(op, b.cast(x.node, common), b.param(y.weak, common));
    }
    const value = BigInt(y.weak);
    if (value >= min && value <= max) return b.binary(op, x.node, b.param(y.weak, dtype));
    const above = value > max; // every element is below the constant, or above it
    return b.param(op === "ne" || (above ? op === "lt" || op === "le" : op === "gt" || op === "ge"), "bool");
  }
  const other = b.dtype(y.node);
  if (dtype === "uint64" && dtypeInfo(other).kind === "i") return compareNode(b, MIRRORED[op], y, x);
  if (kind === "i" && other === "uint64") return compareSigned(b, op, b.cast(x.node, "int64"), y.node);
  const common = promoteTypes(dtype, other);
  return b.binary(op, b.cast(x.node, common), b.cast(y.node, common));
}

/** int64 against uint64: a negative is below all; otherwise as uint64. */
function compareSigned(b: KernelBuilder, op: CompareOp, x: NodeId, y: NodeId): NodeId {
  const negative = b.binary("lt", x, b.param(0, "int64"));
  const plain = b.binary(op, b.cast(x, "uint64"), y);
  return op === "lt" || op === "le" || op === "ne"
    ? b.binary("or", negative, plain)
    : b.binary("and", b.unary("not", negative), plain);
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
    fmod: () => p % q,
    minimum: () => Math.min(p, q),
    maximum: () => Math.max(p, q),
    fmin: () => (Number.isNaN(p) ? q : Number.isNaN(q) ? p : Math.min(p, q)),
    fmax: () => (Number.isNaN(p) ? q : Number.isNaN(q) ? p : Math.max(p, q)),
    atan2: () => Math.atan2(p, q),
    hypot: () => Math.hypot(p, q),
    copysign: () => (q < 0 || Object.is(q, -0) ? -Math.abs(p) : Math.abs(p)),
    nextafter: () => refuseWeak(op),
    logaddexp: () => (p === q ? p + Math.LN2 : Math.max(p, q) + Math.log1p(Math.exp(-Math.abs(p - q)))),
    logaddexp2: () => (p === q ? p + 1 : Math.max(p, q) + Math.LOG2E * Math.log1p(2 ** -Math.abs(p - q))),
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

function refuseWeak(op: string): never {
  throw new ArgumentError(`${op} of two constants: expected an array, whose dtype decides`);
}

/** Functions whose results are floats whatever enters. */
export const FLOAT_FUNCTIONS: ReadonlySet<string> = new Set<UnaryOp>([
  "sqrt",
  "exp",
  "exp2",
  "expm1",
  "log",
  "log2",
  "log10",
  "log1p",
  "sin",
  "cos",
  "tan",
  "asin",
  "acos",
  "atan",
  "sinh",
  "cosh",
  "tanh",
  "asinh",
  "acosh",
  "atanh",
  "cbrt",
  "i0",
  "deg2rad",
  "rad2deg",
  "mantissa",
  "exponent",
  "spacing",
]);
const ROUNDING: ReadonlySet<string> = new Set(["floor", "ceil", "trunc", "round"]);
const NAT = -(2n ** 63n);

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
  if (kind === "M" || kind === "m") return { node: timeNode(b, op, id) };
  if (kind === "c") return { node: complexUnary(b, op, id) };
  if (FLOAT_FUNCTIONS.has(op)) return { node: b.unary(op, b.cast(id, floatType(dtype))) };
  if (op === "not") {
    if (kind === "f")
      throw new DTypeError(`not is not defined for ${dtype}; it is logical on bool and bitwise on integers`);
    return { node: b.unary("not", id) };
  }
  const exact = kind === "b" || kind === "i" || kind === "u";
  if (exact && (op === "isnan" || op === "isinf" || op === "isfinite"))
    return { node: b.param(op === "isfinite", "bool") };
  if (exact && kind !== "i" && op === "signbit") return { node: b.param(false, "bool") };
  if (kind === "b") {
    if (op === "neg") throw new DTypeError("neg is not defined for bool; use not");
    if (op === "sign") throw new DTypeError("sign is not defined for bool");
    if (op === "square") return { node: b.unary("square", b.cast(id, "int8")) };
    if (op === "round") return { node: b.unary("round", b.cast(id, "float16")) };
    if (op === "abs") return { node: id };
  }
  if ((exact && ROUNDING.has(op)) || (kind === "u" && op === "abs")) return { node: id };
  return { node: b.unary(op, id) };
}

/** Datetimes and timedeltas know only whether they are "not a time". */
function timeNode(b: KernelBuilder, op: UnaryName, id: NodeId): NodeId {
  const dtype = b.dtype(id);
  if (op === "isnan") return b.binary("eq", id, b.param(NAT, dtype));
  if (op === "isfinite") return b.binary("ne", id, b.param(NAT, dtype));
  throw new DTypeError(`${op} is not defined for ${dtype}`);
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
export function isinTerm(b: KernelBuilder, x: Term, values: readonly (Scalar | Complex)[]): Term {
  const id = strong(b, x);
  const dtype = b.dtype(id);
  if (dtypeInfo(dtype).kind === "c") return { node: complexIsin(b, id, values) };
  const real = values.flatMap((v) => (isComplex(v) ? (v.im === 0 ? [v.re] : []) : [v]));
  const held = real.filter((v) => canHold(dtype, v) && !Number.isNaN(Number(v)));
  // A value that rounds when it becomes float32 is in no float32 array.
  const exact = held.map((v) => [v, castScalar(v, dtype)] as const).filter(([v, c]) => Number(v) === Number(c));
  if (exact.length === 0) return { node: b.param(false, "bool") };
  return {
    node: b.inSet(
      id,
      exact.map(([, c]) => c),
    ),
  };
}

/**
 * NumPy `clip`: NaN stays, without bounds all stays, `lo > hi` gives `hi`; the dtype of all three together. A bound that lies beyond the range of
 * an integer array binds nothing.
 * @throws {DTypeError} a lower bound above the array's range, or an upper one below it
 */
export function clipTerm(b: KernelBuilder, x: Term, lo: Term | null, hi: Term | null): Term {
  const [low, high] = [binding(b, x, lo, -1), binding(b, x, hi, 1)];
  const given = [x, low, high].filter((t) => t !== null);
  if (given.every(isWeak)) {
    const raised = low ? binaryTerm(b, "maximum", x, low) : x;
    return high ? binaryTerm(b, "minimum", raised, high) : raised;
  }
  const common = resultType(...given.map((t) => typeOf(b, t)));
  const { kind } = dtypeInfo(common);
  if (kind === "M" || kind === "m") throw new DTypeError(`clip is not defined for ${common}`);
  const raised = low ? b.binary("max", lift(b, x, common), lift(b, low, common)) : lift(b, x, common);
  return { node: high ? b.binary("min", raised, lift(b, high, common)) : raised };
}

/** The bound, or null when no element of `x` can be beyond it. */
function binding(b: KernelBuilder, x: Term, bound: Term | null, side: -1 | 1): Term | null {
  if (!bound || !isWeak(bound) || isWeak(x) || typeof bound.weak === "boolean" || isWeakFloat(bound.weak)) return bound;
  const { min, max } = dtypeInfo(b.dtype(x.node));
  if (min === undefined || max === undefined) return bound;
  return (side < 0 ? BigInt(bound.weak) < min : BigInt(bound.weak) > max) ? null : bound;
}

/**
 * NumPy `round`: half to even after scaling by 10^decimals; integers with negative decimals are scaled in float64 and
 * cast back, so that uint8 255 to tens wraps to 4.
 */
export function roundTerm(b: KernelBuilder, x: Term, decimals: number): Term {
  if (!Number.isInteger(decimals)) throw new ArgumentError(`decimals ${decimals} is not an integer`);
  if (decimals === 0) return unaryTerm(b, "round", x);
  const given = strong(b, x);
  const dtype = b.dtype(given);
  const { kind } = dtypeInfo(dtype);
  if (kind === "M" || kind === "m" || kind === "b")
    throw new DTypeError(`round to ${decimals} decimals is not defined for ${dtype}`);
  if (kind === "c") return { node: onParts(b, given, (part) => strong(b, roundTerm(b, { node: part }, decimals))) };
  const isInteger = kind === "i" || kind === "u";
  if (isInteger && decimals > 0) return { node: given };
  const float = isInteger ? "float64" : dtype;
  const id = b.cast(given, float);
  const power = b.param(10 ** Math.abs(decimals), float);
  const [up, down] = decimals > 0 ? (["mul", "div"] as const) : (["div", "mul"] as const);
  const rounded = b.binary(down, b.unary("round", b.binary(up, id, power)), power);
  return { node: isInteger ? b.cast(rounded, dtype) : rounded };
}
