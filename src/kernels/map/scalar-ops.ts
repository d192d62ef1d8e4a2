/**
 * Every operation on single elements, in plain TypeScript: the meaning that all lowerings must reproduce bit for bit.
 * Values are what a typed array of the node's dtype gives; a result is stored into such an array, which rounds or
 * wraps it. Sources: NumPy 2.4 (`npy_math`, loops), kernels.md §11.
 */
import { SelectionError, UnsupportedError, UsageError } from "../../base/index.ts";
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { BinaryOp, CompareOp, Kernel, KernelNode, NodeId, UnaryOp } from "../../graph/index.ts";
import {
  exp2,
  exponent,
  hypot,
  i0,
  log10,
  logAddExp,
  logAddExp2,
  mantissa,
  nextAfter,
  scale,
  spacing,
} from "./scalar-float.ts";

/** An element as a typed array gives it. */
export type Element = number | bigint;
/** Function of one element. */
export type Unary = (a: Element) => Element;
/** Function of two elements of one dtype. */
export type Binary = (a: Element, b: Element) => Element;

/** How a dtype computes: bool, integers that are numbers, integers that are bigint, floats. */
type ComputeKind = "bool" | "int" | "big" | "float";

/**
 * Compute kind of `dtype`.
 * @throws {UnsupportedError} complex
 */
export function computeKind(dtype: DType): ComputeKind {
  const d = DTYPES[dtype];
  if (d.kind === "c") throw new UnsupportedError(`arithmetic on ${dtype} is not supported yet`);
  return d.kind === "b" ? "bool" : d.kind === "f" ? "float" : d.big ? "big" : "int";
}

function refuse(op: string, dtype: DType): never {
  throw new UnsupportedError(`operation ${op} is not defined for ${dtype}`, { details: { op, dtype } });
}

/** Round half to even. */
export function roundEven(x: number): number {
  const r = Math.round(x); // half towards +inf; keeps -0
  return r - x === 0.5 && r % 2 !== 0 ? (r - 1 === 0 ? copySign(0, x) : r - 1) : r;
}

function copySign(magnitude: number, sign: number): number {
  return sign < 0 || Object.is(sign, -0) ? -Math.abs(magnitude) : Math.abs(magnitude);
}

const FLOAT_UNARY: Readonly<
  Record<Exclude<UnaryOp, "not" | "deg2rad" | "rad2deg" | "spacing">, (a: number) => number>
> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  square: (a) => a * a,
  sign: (a) => (a > 0 ? 1 : a < 0 ? -1 : a === 0 ? 0 : Number.NaN),
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: roundEven,
  exp: Math.exp,
  exp2,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  cbrt: Math.cbrt,
  i0,
  mantissa,
  exponent,
  signbit: (a) => (a < 0 || Object.is(a, -0) ? 1 : 0),
  isnan: (a) => (Number.isNaN(a) ? 1 : 0),
  isinf: (a) => (a === Number.POSITIVE_INFINITY || a === Number.NEGATIVE_INFINITY ? 1 : 0),
  isfinite: (a) => (Number.isFinite(a) ? 1 : 0),
};

const INT_UNARY: Readonly<Partial<Record<UnaryOp, (a: number) => number>>> = {
  neg: (a) => -a,
  abs: Math.abs,
  not: (a) => ~a,
  square: (a) => Math.imul(a, a),
  sign: Math.sign,
  signbit: (a) => (a < 0 ? 1 : 0),
  isfinite: () => 1,
  isnan: () => 0,
  isinf: () => 0,
};

const BIG_UNARY: Readonly<Partial<Record<UnaryOp, (a: bigint) => Element>>> = {
  neg: (a) => -a,
  abs: (a) => (a < 0n ? -a : a),
  not: (a) => ~a,
  square: (a) => a * a,
  sign: (a) => (a > 0n ? 1n : a < 0n ? -1n : 0n),
  signbit: (a) => (a < 0n ? 1 : 0),
  isfinite: () => 1,
  isnan: () => 0,
  isinf: () => 0,
};

const IDENTITY = new Set<UnaryOp>(["floor", "ceil", "trunc", "round"]);

/** pi/180 and 180/pi as NumPy's loops have them: computed in the dtype's own precision. */
function angleFactor(op: "deg2rad" | "rad2deg", dtype: DType): number {
  if (dtype === "float64") return op === "deg2rad" ? Math.PI / 180 : 180 / Math.PI;
  const pi = Math.fround(Math.PI);
  return Math.fround(op === "deg2rad" ? pi / 180 : 180 / pi);
}

/**
 * Function of a unary operation on elements of `dtype`.
 * @throws {UnsupportedError} the pair has no meaning
 */
export function unaryFunction(op: UnaryOp, dtype: DType): Unary {
  const kind = computeKind(dtype);
  let f: unknown;
  if (kind === "float") {
    if (op === "deg2rad" || op === "rad2deg") {
      const factor = angleFactor(op, dtype);
      f = dtype === "float64" ? (a: number): number => a * factor : (a: number): number => Math.fround(a * factor);
    } else if (op === "spacing") f = spacing(dtype);
    else if (op !== "not") f = FLOAT_UNARY[op];
  } else if (IDENTITY.has(op)) f = (a: Element): Element => a;
  else if (kind === "bool") {
    f =
      op === "not"
        ? (a: number): number => (a === 0 ? 1 : 0)
        : op === "isnan" || op === "isinf" || op === "isfinite" || op === "signbit"
          ? INT_UNARY[op]
          : op === "abs" || op === "square"
            ? (a: Element): Element => a
            : undefined;
  } else f = kind === "big" ? BIG_UNARY[op] : INT_UNARY[op];
  if (f === undefined) refuse(op, dtype);
  return f as Unary; // elements of this dtype are of the function's type
}

/** Remainder with the divisor's sign. Source: NumPy `npy_divmod`. */
function floatMod(a: number, b: number, round: (x: number) => number): number {
  const mod = a % b;
  if (b === 0 || Number.isNaN(mod)) return Number.NaN;
  if (mod === 0) return copySign(0, b);
  return b < 0 !== mod < 0 ? round(mod + b) : mod;
}

/** Floor of the quotient. Source: NumPy `npy_floor_divide`, every step rounded to the dtype. */
function floatFloorDivide(a: number, b: number, round: (x: number) => number): number {
  if (b === 0) return a / b;
  const mod = a % b;
  let div = round(round(a - mod) / b);
  if (mod !== 0 && b < 0 !== mod < 0) div = round(div - 1);
  if (div === 0) return copySign(0, a / b);
  const floor = Math.floor(div);
  return div - floor > 0.5 ? floor + 1 : floor;
}

/** Power with C's special cases; the square as NumPy's loop has it. */
function floatPow(a: number, b: number): number {
  if (b === 2) return a * a;
  if (a === 1 || (a === -1 && (b === Number.POSITIVE_INFINITY || b === Number.NEGATIVE_INFINITY))) return 1;
  return a ** b;
}

/** Squares of narrower floats neither overflow nor round in float64. */
function hypotInDouble(a: number, b: number): number {
  if (Math.abs(a) === Number.POSITIVE_INFINITY || Math.abs(b) === Number.POSITIVE_INFINITY)
    return Number.POSITIVE_INFINITY;
  return Math.sqrt(a * a + b * b);
}

function floatBinary(op: BinaryOp, dtype: DType): ((a: number, b: number) => number) | undefined {
  const round: (x: number) => number = dtype === "float64" ? (x) => x : Math.fround;
  switch (op) {
    case "add":
      return (a, b) => a + b;
    case "sub":
      return (a, b) => a - b;
    case "mul":
      return (a, b) => a * b;
    case "div":
      return (a, b) => a / b;
    case "floordiv":
      return (a, b) => floatFloorDivide(a, b, round);
    case "mod":
      return (a, b) => floatMod(a, b, round);
    case "pow":
      return floatPow;
    case "min":
      return (a, b) => (b < a || Number.isNaN(b) ? b : a);
    case "max":
      return (a, b) => (a < b || Number.isNaN(b) ? b : a);
    case "fmod":
      return (a, b) => a % b;
    case "atan2":
      return Math.atan2;
    case "hypot":
      return dtype === "float64" ? hypot : hypotInDouble;
    case "copysign":
      return copySign;
    case "nextafter":
      return nextAfter(dtype);
    case "logaddexp":
      return logAddExp;
    case "logaddexp2":
      return logAddExp2;
    case "ldexp":
      return scale;
    default:
      return undefined;
  }
}

/** @throws {SelectionError} where `a` is outside 0 … b - 1 */
function checkedIndex<T extends Element>(a: T, b: T): T {
  if (a >= 0 && a < b) return a;
  throw new SelectionError(`index ${a} is out of bounds: expected 0 to ${Number(b) - 1}`);
}

function intPow(a: number, b: number): number {
  if (b < 0)
    throw new UsageError("integer-power", `integers to negative integer powers are not allowed (${a} ** ${b})`);
  let result = 1;
  for (let base = a, e = b; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = Math.imul(result, base);
    base = Math.imul(base, base);
  }
  return result;
}

function intBinary(op: BinaryOp, dtype: DType): ((a: number, b: number) => number) | undefined {
  const bits = DTYPES[dtype].itemsize * 8;
  const unsigned = DTYPES[dtype].kind === "u";
  switch (op) {
    case "add":
      return (a, b) => a + b;
    case "sub":
      return (a, b) => a - b;
    case "mul":
      return Math.imul;
    case "floordiv":
      return (a, b) => (b === 0 ? 0 : Math.floor(a / b));
    case "mod":
      return (a, b) => {
        if (b === 0) return 0;
        const r = a % b;
        return r !== 0 && r < 0 !== b < 0 ? r + b : r;
      };
    case "fmod":
      return (a, b) => (b === 0 ? 0 : a % b);
    case "pow":
      return intPow;
    case "index":
      return checkedIndex;
    case "min":
      return (a, b) => (b < a ? b : a);
    case "max":
      return (a, b) => (a < b ? b : a);
    case "and":
      return (a, b) => a & b;
    case "or":
      return (a, b) => a | b;
    case "xor":
      return (a, b) => a ^ b;
    case "shl":
      return (a, b) => (b >= 0 && b < bits ? a << b : 0);
    case "shr":
      return unsigned ? (a, b) => (b < bits ? a >>> b : 0) : (a, b) => (b >= 0 && b < bits ? a >> b : a < 0 ? -1 : 0);
    default:
      return undefined;
  }
}

function bigPow(a: bigint, b: bigint): bigint {
  if (b < 0n)
    throw new UsageError("integer-power", `integers to negative integer powers are not allowed (${a} ** ${b})`);
  let result = 1n;
  for (let base = a, e = b; e > 0n; e >>= 1n) {
    if (e & 1n) result = BigInt.asUintN(64, result * base);
    base = BigInt.asUintN(64, base * base);
  }
  return result;
}

function bigBinary(op: BinaryOp): ((a: bigint, b: bigint) => bigint) | undefined {
  switch (op) {
    case "add":
      return (a, b) => a + b;
    case "sub":
      return (a, b) => a - b;
    case "mul":
      return (a, b) => a * b;
    case "floordiv":
      return (a, b) => {
        if (b === 0n) return 0n;
        const q = a / b;
        return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q;
      };
    case "mod":
      return (a, b) => {
        if (b === 0n) return 0n;
        const r = a % b;
        return r !== 0n && r < 0n !== b < 0n ? r + b : r;
      };
    case "fmod":
      return (a, b) => (b === 0n ? 0n : a % b);
    case "pow":
      return bigPow;
    case "index":
      return checkedIndex;
    case "min":
      return (a, b) => (b < a ? b : a);
    case "max":
      return (a, b) => (a < b ? b : a);
    case "and":
      return (a, b) => a & b;
    case "or":
      return (a, b) => a | b;
    case "xor":
      return (a, b) => a ^ b;
    case "shl":
      return (a, b) => (b >= 0n && b < 64n ? a << b : 0n);
    case "shr":
      return (a, b) => (b >= 0n && b < 64n ? a >> b : a < 0n ? -1n : 0n);
    default:
      return undefined;
  }
}

function boolBinary(op: BinaryOp): ((a: number, b: number) => number) | undefined {
  switch (op) {
    case "add":
    case "or":
    case "max":
      return (a, b) => a | b;
    case "mul":
    case "and":
    case "min":
      return (a, b) => a & b;
    case "xor":
      return (a, b) => a ^ b;
    default:
      return undefined;
  }
}

/**
 * Function of a binary operation on elements of `dtype`.
 * @throws {UnsupportedError} the pair has no meaning
 */
export function binaryFunction(op: BinaryOp, dtype: DType): Binary {
  const kind = computeKind(dtype);
  const f: unknown =
    kind === "float"
      ? floatBinary(op, dtype)
      : kind === "int"
        ? intBinary(op, dtype)
        : kind === "big"
          ? bigBinary(op)
          : boolBinary(op);
  if (f === undefined) refuse(op, dtype);
  return f as Binary; // elements of this dtype are of the function's type
}

const COMPARE: Readonly<Record<CompareOp, (a: Element, b: Element) => number>> = {
  lt: (a, b) => (a < b ? 1 : 0),
  le: (a, b) => (a <= b ? 1 : 0),
  gt: (a, b) => (a > b ? 1 : 0),
  ge: (a, b) => (a >= b ? 1 : 0),
  eq: (a, b) => (a === b ? 1 : 0),
  ne: (a, b) => (a !== b ? 1 : 0),
};

/** Function of a comparison; any dtype, result 0 or 1. */
export function compareFunction(op: CompareOp): Binary {
  return COMPARE[op];
}

/** int64 as the double that every narrower float rounds from only once (round to odd beyond 53 bits). */
function bigToDouble(a: bigint): number {
  return Number(a & 0x7ffn && (a > 0x1fffffffffffffn || a < -0x1fffffffffffffn) ? (a & ~0x7ffn) | 0x800n : a);
}

/** Function that casts an element of `from` so that storing it into an array of `to` gives `castScalar`'s value. */
export function castFunction(from: DType, to: DType): Unary {
  const [a, b] = [computeKind(from), computeKind(to)];
  let f: unknown;
  if (b === "bool")
    f = a === "big" ? (x: bigint): number => (x !== 0n ? 1 : 0) : (x: number): number => (x !== 0 ? 1 : 0);
  else if (a === "big") {
    f =
      b === "big"
        ? (x: bigint): bigint => x
        : to === "float64"
          ? Number
          : b === "float"
            ? bigToDouble
            : (x: bigint): number => Number(BigInt.asIntN(32, x));
  } else if (b === "big") f = (x: number): bigint => (Number.isFinite(x) ? BigInt(Math.trunc(x)) : 0n);
  else f = (x: number): number => x; // the typed array rounds, truncates and wraps as ECMAScript says
  return f as Unary; // elements of `from` are of the function's type
}

/**
 * True where the value of node `id` may be a NaN of any sign and payload: results of float arithmetic, which differ
 * between processors, compilers and runs. Stores make such NaNs the one quiet NaN (0x7fc00000, 0x7ff8…), so that blocks
 * are equal byte for byte wherever they are computed. Plain copies keep their bits.
 */
export function hasWildNaN({ nodes }: Kernel, id: NodeId): boolean {
  const node = nodes[id] as KernelNode; // ids are in range
  const isFloat = (dtype: DType): boolean => DTYPES[dtype].kind === "f" || DTYPES[dtype].kind === "c";
  if (!isFloat(node.dtype) || node.op === "in") return false;
  return node.op !== "cast" || isFloat((nodes[node.a] as KernelNode).dtype);
}
