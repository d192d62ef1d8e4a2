/**
 * Values with missing elements, as terms of a kernel: the rules of api.md §2 in one place.
 *
 * A float is missing where it is NaN; an integer where it equals its nodata, if it has one. Arithmetic turns such
 * integers into floats (`lower`); what can stay an integer does. Methods and `expr` both build through here.
 */
import {
  type BinaryName,
  binaryTerm,
  clipTerm,
  isinTerm,
  type Term,
  type UnaryName,
  unaryTerm,
  whereTerm,
} from "../array/index.ts";
import { NodataError, warnOnce } from "../base/index.ts";
import { canHold, castScalar, type DType, dtypeInfo, isWeakFloat, type Scalar } from "../dtype/index.ts";
import type { KernelBuilder, NodeId } from "../graph/index.ts";

/** A term, and for integers the value that stands for missing. */
export interface Value {
  readonly term: Term;
  readonly nodata: number | bigint | null;
  /** No element is missing, although floats could be. */
  readonly isComplete?: boolean;
}

/** A number as an operand. */
export function scalarValue(value: Scalar): Value {
  return { term: { weak: value }, nodata: null, isComplete: !Number.isNaN(Number(value)) };
}

function isNode(term: Term): term is { readonly node: NodeId } {
  return "node" in term;
}

function kindOf(b: KernelBuilder, term: Term): string {
  return isNode(term) ? dtypeInfo(b.dtype(term.node)).kind : "weak";
}

/** Float that holds missing beside values of `dtype`: float32 for up to 16 bits, else float64; floats and complex numbers stay. */
export function missingFloat(dtype: DType): DType {
  const { kind, itemsize } = dtypeInfo(dtype);
  return kind === "f" || kind === "c" ? dtype : itemsize <= 2 ? "float32" : "float64";
}

/** NaN of a float dtype; of a complex one in both parts, as Xarray's. */
function missingNode(b: KernelBuilder, dtype: DType): NodeId {
  if (dtypeInfo(dtype).kind !== "c") return b.param(Number.NaN, dtype);
  const part = b.param(Number.NaN, dtype === "complex64" ? "float32" : "float64");
  return b.complex(part, part);
}

/** The term with missing as NaN. */
export function lower(b: KernelBuilder, v: Value): Term {
  if (v.nodata === null || !isNode(v.term)) return v.term;
  return { node: lowerTo(b, v.term.node, v.nodata, missingFloat(b.dtype(v.term.node))) };
}

function lowerTo(b: KernelBuilder, x: NodeId, nodata: number | bigint, float: DType): NodeId {
  return b.where(equals(b, x, nodata), b.param(Number.NaN, float), b.cast(x, float));
}

function equals(b: KernelBuilder, x: NodeId, value: number | bigint): NodeId {
  return b.binary("eq", x, b.param(value, b.dtype(x)));
}

const COMPARISONS: ReadonlySet<BinaryName> = new Set(["lt", "le", "gt", "ge", "eq", "ne"]);
/** On integers these look at bits, so they see what is stored: bit fields have no missing values. */
const BITWISE: ReadonlySet<BinaryName> = new Set(["and", "or", "xor", "shl", "shr"]);
/** What makes numbers of numbers, overflow aside. */
const TOTAL: ReadonlySet<BinaryName> = new Set(["add", "sub", "mul", "minimum", "maximum"]);
/** What does so with a constant that is not 0 on the right. */
const TOTAL_BY_CONSTANT: ReadonlySet<BinaryName> = new Set(["div", "floordiv", "mod"]);

/** `x op y`. @throws {DTypeError} not defined for the dtypes, or a constant out of range */
export function binaryValue(b: KernelBuilder, op: BinaryName, x: Value, y: Value): Value {
  if (COMPARISONS.has(op)) return compareValues(b, op, x, y);
  if (BITWISE.has(op)) return { term: binaryTerm(b, op, x.term, y.term), nodata: null };
  const term = binaryTerm(b, op, lower(b, x), lower(b, y));
  if (op === "sub") warnOfWrap(b, op, term);
  const byConstant = !isNode(y.term) && Number(y.term.weak) !== 0 && TOTAL_BY_CONSTANT.has(op);
  const isComplete = (TOTAL.has(op) || byConstant) && complete(x) && complete(y);
  return { term, nodata: null, isComplete };
}

function complete(v: Value): boolean {
  return v.isComplete === true && v.nodata === null;
}

function warnOfWrap(b: KernelBuilder, op: string, term: Term): void {
  if (kindOf(b, term) !== "u" || !isNode(term)) return;
  const dtype = b.dtype(term.node);
  warnOnce(
    "UnsignedWrapWarning",
    `${op} of ${dtype} wraps below 0 (1 - 2 = ${castScalar(-1, dtype)}); cast to a signed or float dtype with astype first, or open with decode "masked" or "scaled"`,
  );
}

function compareValues(b: KernelBuilder, op: BinaryName, x: Value, y: Value): Value {
  let term = binaryTerm(b, op, x.term, y.term);
  for (const v of [x, y]) {
    if (v.nodata === null || !isNode(v.term) || !isNode(term)) continue;
    // A missing operand compares as NaN does.
    const missing = equals(b, v.term.node, v.nodata);
    term = {
      node: op === "ne" ? b.binary("or", term.node, missing) : b.binary("and", term.node, b.unary("not", missing)),
    };
  }
  return { term, nodata: null };
}

/** `op(x)`; `not` looks at bits of integers. */
export function unaryValue(b: KernelBuilder, op: UnaryName, x: Value): Value {
  if (op === "not") return { term: unaryTerm(b, op, x.term), nodata: null };
  const term = unaryTerm(b, op, lower(b, x));
  if (op === "neg") warnOfWrap(b, op, term);
  return { term, nodata: null, isComplete: (op === "neg" || op === "abs") && complete(x) };
}

/** True where the element is missing. */
export function isnullValue(b: KernelBuilder, x: Value): Value {
  if (x.nodata !== null && isNode(x.term)) return { term: { node: equals(b, x.term.node, x.nodata) }, nodata: null };
  return { term: unaryTerm(b, "isnan", x.term), nodata: null };
}

/** True where the element is not missing. */
export function notnullValue(b: KernelBuilder, x: Value): Value {
  return { term: unaryTerm(b, "not", isnullValue(b, x).term), nodata: null };
}

/** Membership; a missing element is in no set. */
export function isinValue(b: KernelBuilder, x: Value, values: readonly Scalar[]): Value {
  const seen = x.nodata === null ? values : values.filter((v) => Number(v) !== Number(x.nodata));
  return { term: isinTerm(b, x.term, seen), nodata: null };
}

/** Condition as bool; missing is false. */
function condition(b: KernelBuilder, c: Value): Term {
  if (!isNode(c.term)) return { weak: Boolean(c.term.weak) };
  const { node } = c.term;
  const truth = b.cast(node, "bool");
  if (c.nodata !== null) return { node: b.binary("and", truth, b.unary("not", equals(b, node, c.nodata))) };
  if (dtypeInfo(b.dtype(node)).kind !== "f") return { node: truth };
  return { node: b.binary("and", truth, b.unary("not", b.unary("isnan", node))) };
}

/** `c ? x : missing`: integers with nodata keep their dtype, others become floats wide enough. */
export function maskValue(b: KernelBuilder, c: Value, x: Value): Value {
  const where = condition(b, c);
  if (!isNode(x.term)) return { term: whereTerm(b, where, x.term, { weak: Number.NaN }), nodata: null };
  const dtype = b.dtype(x.term.node);
  if (x.nodata !== null) {
    const missing = { node: b.param(x.nodata, dtype) };
    return { term: whereTerm(b, where, x.term, missing), nodata: x.nodata };
  }
  const float = missingFloat(dtype);
  const value = { node: b.cast(x.term.node, float) };
  return { term: whereTerm(b, where, value, { node: missingNode(b, float) }), nodata: null };
}

/** `c ? x : y`; both branches with their missing elements. */
export function whereValue(b: KernelBuilder, c: Value, x: Value, y: Value): Value {
  const where = condition(b, c);
  const [p, q, nodata] = unify(b, x, y);
  return { term: whereTerm(b, where, p, q), nodata, isComplete: complete(x) && complete(y) };
}

/** Two branches of one result: as stored where both can share a nodata, else lowered. */
function unify(b: KernelBuilder, x: Value, y: Value): [Term, Term, number | bigint | null] {
  if (x.nodata === null && y.nodata === null) return [x.term, y.term, null];
  const one = asStored(b, x, y);
  if (one) return [x.term, one, x.nodata];
  const other = asStored(b, y, x);
  if (other) return [other, y.term, y.nodata];
  return [lower(b, x), lower(b, y), null];
}

/** `y` in the integers of `x`, which has nodata; null where it does not fit there. */
function asStored(b: KernelBuilder, x: Value, y: Value): Term | null {
  if (x.nodata === null || !isNode(x.term)) return null;
  const dtype = b.dtype(x.term.node);
  if (isNode(y.term)) return b.dtype(y.term.node) === dtype && y.nodata === x.nodata ? y.term : null;
  if (Number.isNaN(Number(y.term.weak))) return { node: b.param(x.nodata, dtype) };
  return !isWeakFloat(y.term.weak) && canHold(dtype, y.term.weak) ? { node: b.param(y.term.weak, dtype) } : null;
}

/** Missing elements replaced; an integer stays one where the filling fits its dtype. */
export function fillnaValue(b: KernelBuilder, x: Value, filling: Value): Value {
  const missing = isnullValue(b, x).term;
  if (x.nodata !== null && isNode(x.term)) {
    const dtype = b.dtype(x.term.node);
    const { term } = filling;
    const fits = isNode(term) ? b.dtype(term.node) === dtype : !isWeakFloat(term.weak) && canHold(dtype, term.weak);
    if (fits) return { term: whereTerm(b, missing, term, x.term), nodata: filling.nodata, isComplete: true };
  }
  const term = whereTerm(b, missing, lower(b, filling), lower(b, x));
  return { term, nodata: null, isComplete: filling.isComplete === true && filling.nodata === null };
}

/** Limits on the elements that are not missing. */
export function clipValue(b: KernelBuilder, x: Value, lo: Value | null, hi: Value | null): Value {
  const limits = [lo, hi].filter((v) => v !== null);
  const isComplete = complete(x) && limits.every(complete);
  if (x.nodata !== null && isNode(x.term)) {
    const dtype = b.dtype(x.term.node);
    const fits = limits.every(({ term }) => !isNode(term) && !isWeakFloat(term.weak) && canHold(dtype, term.weak));
    if (fits) {
      const clipped = clipTerm(b, x.term, lo?.term ?? null, hi?.term ?? null);
      return { term: whereTerm(b, { node: equals(b, x.term.node, x.nodata) }, x.term, clipped), nodata: x.nodata };
    }
  }
  return { term: clipTerm(b, lower(b, x), lo && lower(b, lo), hi && lower(b, hi)), nodata: null, isComplete };
}

/**
 * The values as `dtype`, missing kept: NaN in floats, `fill` (or the nodata there is) in integers, false in bool.
 * @throws {NodataError} missing has no place in `dtype`
 */
export function castValue(b: KernelBuilder, x: Value, dtype: DType, fill: Scalar | null): Value {
  if (!isNode(x.term)) return { term: { node: b.param(x.term.weak, dtype) }, nodata: null };
  const { node } = x.term;
  const from = dtypeInfo(b.dtype(node)).kind;
  const to = dtypeInfo(dtype).kind;
  if (to === "b") return { term: condition(b, x), nodata: null };
  if (to === "f") {
    const cast = x.nodata === null ? b.cast(node, dtype) : lowerTo(b, node, x.nodata, dtype);
    return { term: { node: cast }, nodata: null, isComplete: x.nodata === null && (from !== "f" || complete(x)) };
  }
  if (x.nodata !== null) {
    const nodata = fittingNodata(x.nodata, dtype);
    return { term: { node: b.cast(node, dtype) }, nodata };
  }
  if (from !== "f" || complete(x)) return { term: { node: b.cast(node, dtype) }, nodata: null };
  if (fill === null || Number.isNaN(Number(fill))) {
    throw new NodataError(
      `astype(${JSON.stringify(dtype)}): missing values have no place in ${dtype}; choose a value for them with rio.writeNodata(v), or replace them with fillna(v), before the cast`,
      { details: { dtype } },
    );
  }
  const nodata = fittingNodata(fill, dtype);
  const term = { node: b.where(b.unary("isnan", node), b.param(nodata, dtype), b.cast(node, dtype)) };
  return { term, nodata };
}

/**
 * A nodata value as an element of `dtype`.
 * @throws {NodataError} it does not fit
 */
export function fittingNodata(nodata: Scalar, dtype: DType): number | bigint {
  const { kind, min, max } = dtypeInfo(dtype);
  if (kind !== "b" && canHold(dtype, nodata)) return castScalar(nodata, dtype);
  const range = min === undefined ? "" : `; expected an integer from ${min} to ${max}`;
  throw new NodataError(`nodata ${nodata} does not fit ${dtype}${range}`, {
    details: { nodata: String(nodata), dtype },
  });
}
