/** Complex numbers in expressions: which operations NumPy has for them, and what dtype comes out. */
import { DTypeError } from "../../base/index.ts";
import { type Complex, type DType, dtypeInfo, isComplex, promoteTypes, type Scalar } from "../../dtype/index.ts";
import type { KernelBuilder, NodeId, UnaryOp } from "../../graph/index.ts";

const UNARY: ReadonlySet<string> = new Set<UnaryOp>([
  "neg",
  "square",
  "sign",
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
  "isnan",
  "isinf",
  "isfinite",
]);
const BINARY: ReadonlySet<string> = new Set(["add", "sub", "mul", "div", "pow", "minimum", "maximum", "fmin", "fmax"]);

/** Refuse what NumPy has not for complex numbers. @throws {DTypeError} no such operation */
export function demandComplexBinary(op: string, dtype: DType): void {
  if (!BINARY.has(op)) throw new DTypeError(`${op} is not defined for ${dtype}`);
}

/**
 * `op` of a complex node; `abs` gives a part's dtype, `round` rounds the parts.
 * @throws {DTypeError} not defined for complex numbers
 */
export function complexUnary(b: KernelBuilder, op: UnaryOp, id: NodeId): NodeId {
  if (op === "abs") return b.complexUnary("abs", id);
  if (op === "round") return onParts(b, id, (part) => b.unary("round", part));
  if (!UNARY.has(op)) throw new DTypeError(`${op} is not defined for ${b.dtype(id)}`);
  return b.unary(op, id);
}

/** Complex node whose parts are `f` of the parts of `id`. */
export function onParts(b: KernelBuilder, id: NodeId, f: (part: NodeId) => NodeId): NodeId {
  return b.complex(f(b.complexUnary("real", id)), f(b.complexUnary("imag", id)));
}

/** dtype of the parts of complex numbers made of `dtype`, as NumPy's `a + 1j` has it. */
export function partTypeOf(dtype: DType): DType {
  return dtype === "float32" || dtype === "float16" || dtype === "complex64" ? "float32" : "float64";
}

/**
 * A complex constant as a node. It is weak as Python's: complex64 beside float16, float32 and complex64, else complex128.
 *
 * @param beside dtypes of the arrays in the expression
 */
export function complexConstant(b: KernelBuilder, value: Complex, beside: readonly DType[]): NodeId {
  const numbers = beside.filter((d) => dtypeInfo(d).kind !== "b");
  const part = numbers.length === 0 ? "float64" : partTypeOf(numbers.reduce(promoteTypes));
  return b.complex(b.param(value.re, part), b.param(value.im, part));
}

/** True for a node whose value is complex. */
export function isComplexNode(b: KernelBuilder, id: NodeId): boolean {
  return dtypeInfo(b.dtype(id)).kind === "c";
}

/** Real part; a real node itself. */
export function realNode(b: KernelBuilder, id: NodeId): NodeId {
  return isComplexNode(b, id) ? b.complexUnary("real", id) : id;
}

/** Imaginary part; zeros of a real node's dtype. */
export function imagNode(b: KernelBuilder, id: NodeId): NodeId {
  return isComplexNode(b, id) ? b.complexUnary("imag", id) : b.param(0, b.dtype(id));
}

/** Conjugate; a real node itself, bool as int8. */
export function conjNode(b: KernelBuilder, id: NodeId): NodeId {
  if (isComplexNode(b, id)) return b.complexUnary("conj", id);
  return b.dtype(id) === "bool" ? b.cast(id, "int8") : id;
}

/** 1/z by Smith's method; of 0 NaN. Source: NumPy `@TYPE@_reciprocal`. */
export function reciprocalNode(b: KernelBuilder, id: NodeId): NodeId {
  const [re, im] = [realNode(b, id), imagNode(b, id)];
  const one = b.param(1, b.dtype(re));
  const isWide = b.binary("le", b.unary("abs", im), b.unary("abs", re));
  const pick = (wide: NodeId, high: NodeId): NodeId => b.where(isWide, wide, high);
  const ratio = b.binary("div", pick(im, re), pick(re, im));
  const scale = pick(b.binary("add", re, b.binary("mul", im, ratio)), b.binary("add", b.binary("mul", re, ratio), im));
  const [whole, share] = [b.binary("div", one, scale), b.binary("div", ratio, scale)];
  const minus = (x: NodeId): NodeId => b.unary("neg", x);
  return b.complex(pick(whole, share), pick(minus(share), minus(whole)));
}

/** True where a complex node equals one of `values`; NaN equals nothing. */
export function complexIsin(b: KernelBuilder, id: NodeId, values: readonly (Scalar | Complex)[]): NodeId {
  const dtype = b.dtype(id);
  const equals = values.map((v) => {
    const z = isComplex(v) ? v : { re: Number(v), im: 0 };
    return b.binary("eq", id, b.cast(complexConstant(b, z, []), dtype));
  });
  return equals.length === 0 ? b.param(false, "bool") : equals.reduce((x, y) => b.binary("or", x, y));
}
