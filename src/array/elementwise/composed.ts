/** Terms of the functions that are composed of others: NumPy's formulas and result dtypes. */
import { DTypeError } from "../../base/index.ts";
import {
  castScalar,
  type DType,
  dtypeInfo,
  floatType,
  promoteScalar,
  promoteTypes,
  type Scalar,
} from "../../dtype/index.ts";
import type { KernelBuilder, NodeId } from "../../graph/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import { onParts, reciprocalNode } from "./complex-terms.ts";
import { binaryTerm, lift, strong, type Term, unaryTerm, whereTerm } from "./terms.ts";

/** One operand to a term. */
export type Compose1 = (b: KernelBuilder, x: Term) => Term;
/** Two operands to a term. */
export type Compose2 = (b: KernelBuilder, x: Term, y: Term) => Term;

function kindOf(b: KernelBuilder, id: NodeId): string {
  return dtypeInfo(b.dtype(id)).kind;
}

/** The node, whose dtype must be a number. */
function numeric(b: KernelBuilder, x: Term, name: string): NodeId {
  const id = strong(b, x);
  const kind = kindOf(b, id);
  if (kind === "M" || kind === "m") throw new DTypeError(`${name} is not defined for ${b.dtype(id)}`);
  return id;
}

/** The node as a float by the rule of float functions; complex is refused. */
function floating(b: KernelBuilder, x: Term, name: string): NodeId {
  const id = numeric(b, x, name);
  if (kindOf(b, id) === "c") throw new DTypeError(`${name} is not defined for ${b.dtype(id)}`);
  return b.cast(id, floatType(b.dtype(id)));
}

/** True where the element is not 0 (NaN is not). */
export function truth(b: KernelBuilder, x: Term): NodeId {
  return b.cast(strong(b, x), "bool");
}

/** Logical operation on the truth of the operands, whatever their dtypes. */
export function logical(op: "and" | "or" | "xor"): Compose2 {
  return (b, x, y) => ({ node: b.binary(op, truth(b, x), truth(b, y)) });
}

/** True where the operand is zero, whatever its dtype. */
export const logicalNotTerm: Compose1 = (b, x) => ({ node: b.unary("not", truth(b, x)) });

/** The value itself. @throws {DTypeError} bool, as NumPy */
export const positiveTerm: Compose1 = (b, x) => {
  const id = numeric(b, x, "positive");
  if (b.dtype(id) === "bool") throw new DTypeError("positive is not defined for bool");
  return { node: id };
};

/** Absolute value as a float: integers in the float that holds them. NumPy `fabs`. */
export const fabsTerm: Compose1 = (b, x) => ({ node: b.unary("abs", floating(b, x, "fabs")) });

/** Nearest integer as a float, halves to even. NumPy `rint`. */
export const rintTerm: Compose1 = (b, x) => {
  const id = numeric(b, x, "rint");
  return { node: b.unary("round", b.cast(id, floatType(b.dtype(id)))) };
};

/** 1/x; integers as C divides, with NumPy's answer for 0: the smallest int32 and int64, else 0. */
export const reciprocalTerm: Compose1 = (b, x) => {
  const given = numeric(b, x, "reciprocal");
  const id = b.dtype(given) === "bool" ? b.cast(given, "int8") : given;
  const dtype = b.dtype(id);
  const { kind, min } = dtypeInfo(dtype);
  if (kind === "c") return { node: reciprocalNode(b, id) };
  if (kind === "f") return { node: b.binary("div", b.param(1, dtype), id) };
  const constant = (v: Scalar): NodeId => b.param(v, dtype);
  const unit =
    kind === "i"
      ? b.binary("or", b.binary("eq", id, constant(1)), b.binary("eq", id, constant(-1)))
      : b.binary("eq", id, constant(1));
  const byZero = dtype === "int32" || dtype === "int64" ? (min as bigint) : 0; // integers have a minimum
  return { node: b.where(unit, id, b.where(b.binary("eq", id, constant(0)), constant(byZero), constant(0))) };
};

/** x^y in float64 whatever enters. */
export const floatPowerTerm: Compose2 = (b, x, y) => {
  const wide = (t: Term): Term => {
    if ("weak" in t) return { node: b.param(Number(t.weak), "float64") };
    return { node: b.cast(numeric(b, t, "floatPower"), kindOf(b, t.node) === "c" ? "complex128" : "float64") };
  };
  const weak = "weak" in y ? { weak: Number(y.weak) } : wide(y);
  return binaryTerm(b, "pow", wide(x), "weak" in y && !("weak" in x) ? weak : wide(y));
};

/** Epsilon of each float. */
const TINY: Readonly<Record<string, number>> = {
  float16: 2 ** -10,
  float32: 2 ** -23,
  float64: 2 ** -52,
  complex64: 2 ** -23,
  complex128: 2 ** -52,
};

/** sin(πx)/(πx), 1 at 0; integers give float64. Source: NumPy `sinc`. */
export const sincTerm: Compose1 = (b, x) => {
  const given = numeric(b, x, "sinc");
  const kind = kindOf(b, given);
  const id = kind === "f" || kind === "c" ? given : b.cast(given, "float64");
  const dtype = b.dtype(id);
  const scaled = b.binary("mul", b.param(Math.PI, dtype), id);
  // Any number so small that its sine is itself.
  const y = b.where(b.binary("eq", scaled, b.param(0, dtype)), b.param(TINY[dtype] as number, dtype), scaled); // every float has one
  return { node: b.binary("div", b.unary("sin", y), y) };
};

/** Bessel I0; integers give float64, as NumPy's. */
export const i0Term: Compose1 = (b, x) => {
  const id = numeric(b, x, "i0");
  if (kindOf(b, id) === "c") throw new DTypeError(`i0 is not defined for ${b.dtype(id)}`);
  return { node: b.unary("i0", kindOf(b, id) === "f" ? id : b.cast(id, "float64")) };
};

/** True for one of the infinities. */
export function infiniteTerm(name: "isposinf" | "isneginf"): Compose1 {
  return (b, x) => {
    const id = numeric(b, x, name);
    const dtype = b.dtype(id);
    const { kind } = dtypeInfo(dtype);
    if (kind === "c") throw new DTypeError(`${name} is not defined for ${dtype}`);
    if (kind !== "f") return { node: b.param(false, "bool") };
    const inf = name === "isposinf" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    return { node: b.binary("eq", id, b.param(inf, dtype)) };
  };
}

/** How near two values must be. */
export interface CloseOptions {
  /** Relative to the second operand; 1e-5. */
  readonly rtol?: number;
  /** Absolute; 1e-8. */
  readonly atol?: number;
  /** NaN equals NaN. */
  readonly equalNan?: boolean;
}

/** `|x - y| <= atol + rtol·|y|`, or equal. Source: NumPy `isclose`. */
export function iscloseTerm(b: KernelBuilder, x: Term, y: Term, options: CloseOptions): Term {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  // A constant y is a float to Python's eyes, and takes the dtype of a float x.
  const guide = "node" in y ? y.node : "node" in x ? x.node : strong(b, y);
  const { kind } = dtypeInfo(b.dtype(guide));
  const id = lift(b, y, kind === "f" || kind === "c" ? b.dtype(guide) : "float64");
  const first: Term = "weak" in x && "weak" in y ? { node: strong(b, x) } : x;
  const apart = unaryTerm(b, "abs", binaryTerm(b, "sub", first, { node: id }));
  const size = unaryTerm(b, "abs", { node: id });
  // The tolerances are floats in Python however they look here.
  const dtype = b.dtype(strong(b, size));
  const scaled = b.binary("mul", b.param(rtol, dtype), strong(b, size));
  const bound = b.binary("add", b.param(atol, dtype), scaled);
  const near = binaryTerm(b, "le", apart, { node: bound });
  const finite = b.binary("and", strong(b, near), strong(b, unaryTerm(b, "isfinite", { node: id })));
  const close = b.binary("or", finite, strong(b, binaryTerm(b, "eq", first, { node: id })));
  if (!equalNan) return { node: close };
  const bothNaN = b.binary(
    "and",
    strong(b, unaryTerm(b, "isnan", { node: strong(b, first) })),
    strong(b, unaryTerm(b, "isnan", { node: id })),
  );
  return { node: b.binary("or", close, bothNaN) };
}

/** What replaces what is no finite number. */
export interface NanToNumOptions {
  /** Instead of NaN; 0. */
  readonly nan?: number;
  /** Instead of +inf; the dtype's largest number. */
  readonly posinf?: number;
  /** Instead of -inf; the dtype's smallest number. */
  readonly neginf?: number;
}

const LARGEST: Readonly<Record<string, number>> = {
  float16: 65504,
  float32: (2 - 2 ** -23) * 2 ** 127,
  float64: Number.MAX_VALUE,
};

/** NumPy `nan_to_num`; integers pass. */
export function nanToNumTerm(b: KernelBuilder, x: Term, options: NanToNumOptions): Term {
  const id = numeric(b, x, "nanToNum");
  const dtype = b.dtype(id);
  const kind = kindOf(b, id);
  if (kind === "c") return { node: onParts(b, id, (part) => strong(b, nanToNumTerm(b, { node: part }, options))) };
  if (kind !== "f") return { node: id };
  const largest = LARGEST[dtype] as number; // every float has one
  const swap = (value: NodeId, test: NodeId, by: number): NodeId => b.where(test, b.param(by, dtype), value);
  const infinite = (sign: number): NodeId => b.binary("eq", id, b.param(sign * Number.POSITIVE_INFINITY, dtype));
  const noNaN = swap(id, b.unary("isnan", id), options.nan ?? 0);
  const noTop = swap(noNaN, infinite(1), options.posinf ?? largest);
  return { node: swap(noTop, infinite(-1), options.neginf ?? -largest) };
}

/** The whole part, towards 0, as C's `modf` has it. */
export const wholePartTerm: Compose1 = (b, x) => ({ node: b.unary("trunc", floating(b, x, "modf")) });

/** What the whole part leaves, with the sign of `x`; 0 for ±inf. */
export const fractionTerm: Compose1 = (b, x) => {
  const id = floating(b, x, "modf");
  const zero = b.param(0, b.dtype(id));
  const rest = b.where(b.unary("isinf", id), zero, b.binary("sub", id, b.unary("trunc", id)));
  return { node: b.binary("copysign", rest, id) };
};

/** x·2^n; `n` must be an integer of at most 64 signed or 32 unsigned bits, as NumPy's. */
export const ldexpTerm: Compose2 = (b, x, n) => {
  const id = floating(b, x, "ldexp");
  const power = strong(b, n);
  const { kind } = dtypeInfo(b.dtype(power));
  if ((kind !== "i" && kind !== "u" && kind !== "b") || b.dtype(power) === "uint64")
    throw new DTypeError(`ldexp: exponents are ${b.dtype(power)}; expected a signed integer`);
  // Wider than any float's range of exponents, so that the cast to the narrower float loses nothing that matters.
  const limit = b.param(4000, "int64");
  const bounded = b.binary("max", b.binary("min", b.cast(power, "int64"), limit), b.param(-4000, "int64"));
  const dtype = b.dtype(id);
  const wide = dtype === "float64" ? dtype : "float64";
  return { node: b.cast(b.binary("ldexp", b.cast(id, wide), b.cast(bounded, wide)), dtype) };
};

/** dtype of `select` and `choose`: all choices together. */
function choicesType(b: KernelBuilder, choices: readonly Term[]): DType {
  let common: DType | null = null;
  const weak: Scalar[] = [];
  for (const t of choices) {
    if ("weak" in t) weak.push(t.weak);
    else common = common === null ? b.dtype(t.node) : promoteTypes(common, b.dtype(t.node));
  }
  for (const w of weak) {
    const own: DType = typeof w === "boolean" ? "bool" : Number.isInteger(Number(w)) ? "int64" : "float64";
    common = common === null ? own : typeof w === "boolean" ? common : promoteScalar(common, w);
  }
  return common as DType; // there is at least one choice
}

/** The first choice whose condition holds, else `otherwise`. */
export function selectTerm(
  b: KernelBuilder,
  conditions: readonly Term[],
  choices: readonly Term[],
  otherwise: Term,
): Term {
  const dtype = choicesType(b, [...choices, otherwise]);
  let value = lift(b, otherwise, dtype);
  for (let k = conditions.length - 1; k >= 0; k--) {
    const c = strong(b, conditions[k] as Term); // k is in range
    if (b.dtype(c) !== "bool") throw new DTypeError(`select: condition ${k} is ${b.dtype(c)}; expected bool`);
    value = b.where(c, lift(b, choices[k] as Term, dtype), value); // one choice per condition
  }
  return { node: value };
}

/** What becomes of indices out of bounds: an error, their remainder, or the nearest one within. */
export type BoundsMode = "raise" | "wrap" | "clip";

type NodeTerm = Extract<Term, { readonly node: NodeId }>;

/** An index into `n`, int64, taken as `mode` says. */
export function boundTerm(b: KernelBuilder, index: Term, n: number, mode: BoundsMode): NodeTerm {
  const id = b.cast(strong(b, index), "int64");
  const size = b.param(n, "int64");
  if (mode === "raise") return { node: b.binary("index", id, size) };
  if (mode === "wrap") return { node: b.binary("mod", id, size) };
  return { node: b.binary("min", b.binary("max", id, b.param(0, "int64")), b.param(n - 1, "int64")) };
}

/** Coordinate along `axis` of a flat index into `shape`, int64; an index out of bounds fails. */
export function coordinateTerm(b: KernelBuilder, index: Term, shape: readonly number[], axis: number): Term {
  const size = sizeOf(shape);
  const inner = sizeOf(shape.slice(axis + 1));
  // Narrow integers divide faster.
  const dtype: DType = size < 2 ** 31 ? "int32" : "int64";
  const flat = b.cast(boundTerm(b, index, size, "raise").node, dtype);
  const step = inner === 1 ? flat : b.binary("floordiv", flat, b.param(inner, dtype));
  const here = axis === 0 ? step : b.binary("mod", step, b.param(shape[axis] as number, dtype)); // an axis of the shape
  return { node: b.cast(here, "int64") };
}

/** `choices[index]`, element by element. */
export function chooseTerm(b: KernelBuilder, index: Term, choices: readonly Term[], mode: BoundsMode): Term {
  const given = strong(b, index);
  const { kind } = dtypeInfo(b.dtype(given));
  if (kind !== "i" && kind !== "u" && kind !== "b")
    throw new DTypeError(`choose: indices are ${b.dtype(given)}; expected integers`);
  const n = choices.length;
  const constant = (v: number): NodeId => b.param(v, "int64");
  const at = boundTerm(b, { node: given }, n, mode).node;
  const dtype = choicesType(b, choices);
  const value = choices.reduceRight<NodeId | null>((rest, t, k) => {
    const own = lift(b, t, dtype);
    return rest === null ? own : b.where(b.binary("eq", at, constant(k)), own, rest);
  }, null) as NodeId; // there is a choice
  // Even a single choice looks at the index.
  return n === 1 && mode === "raise"
    ? { node: b.where(b.binary("ge", at, constant(0)), value, b.cast(at, dtype)) }
    : { node: value };
}

/** `value` where the condition holds, else `rest`; cast to the dtype of `rest`, as assignment does. */
export function assignTerm(b: KernelBuilder, condition: Term, value: Term, rest: Term): Term {
  const base = strong(b, rest);
  const dtype = b.dtype(base);
  const given = "weak" in value ? b.param(castScalar(value.weak, dtype), dtype) : b.cast(value.node, dtype);
  return whereTerm(b, { node: truth(b, condition) }, { node: given }, { node: base });
}

/** True where the value is not NaN or NaT. Xarray `notnull`. */
export const notnullTerm: Compose1 = (b, x) => ({ node: b.unary("not", strong(b, unaryTerm(b, "isnan", x))) });
