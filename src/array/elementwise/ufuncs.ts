/**
 * Elementwise functions of one and two operands: NumPy's ufuncs over lazy arrays.
 *
 * All are lazy and fuse with what is elementwise around them. Operands are lazy arrays, blocks in memory and numbers;
 * shapes broadcast; blocks are cut like the operand with the most bytes. dtypes follow NumPy 2 (NEP 50). "Float rule":
 * floats stay; bool and 8-bit integers give float16, 16-bit float32, wider integers float64. Transcendental functions
 * are within 2 ulp of the true value (float32 tan, asin, acos, sinh, cosh, pow and logaddexp 4, the inverse hyperbolic ones 4 and in
 * float64 2.5), whatever stands beside them in a block.
 */
import { ChunkedArray } from "../chunked-array.ts";
import {
  type Compose1,
  type Compose2,
  fabsTerm,
  floatPowerTerm,
  i0Term,
  infiniteTerm,
  ldexpTerm,
  logical,
  logicalNotTerm,
  notnullTerm,
  positiveTerm,
  reciprocalTerm,
  rintTerm,
  sincTerm,
} from "./composed.ts";
import { elementwise, type Operand } from "./layer.ts";
import { type BinaryName, binaryTerm, type Term, type UnaryName, unaryTerm } from "./terms.ts";
import { warnOfWrap } from "./wrap-warning.ts";

/** A function of one operand, element by element. */
export type UnaryFunction = (x: Operand) => ChunkedArray;
/** A function of two operands, element by element. */
export type BinaryFunction = (x: Operand, y: Operand) => ChunkedArray;

function composed1(label: string, build: Compose1): UnaryFunction {
  return (x) => new ChunkedArray(elementwise(label, [x], (b, [p]) => build(b, p as Term)));
}
function composed2(label: string, build: Compose2): BinaryFunction {
  return (x, y) => new ChunkedArray(elementwise(label, [x, y], (b, [p, q]) => build(b, p as Term, q as Term)));
}
function unary(op: UnaryName): UnaryFunction {
  const apply = composed1(op, (b, p) => unaryTerm(b, op, p));
  return op === "neg" ? (x) => warnOfWrap(op, apply(x)) : apply;
}
function binary(op: BinaryName): BinaryFunction {
  const apply = composed2(op, (b, p, q) => binaryTerm(b, op, p, q));
  return op === "sub" ? (x, y) => warnOfWrap(op, apply(x, y)) : apply;
}

/** Magnitude; the smallest signed integer stays itself. dtype kept. NumPy `absolute`. */
export const abs: UnaryFunction = unary("abs");
/** Magnitude as a float: int8 gives float16, int16 float32, wider integers float64. NumPy `fabs`. */
export const fabs: UnaryFunction = composed1("fabs", fabsTerm);
/** -x; unsigned integers wrap. dtype kept. @throws {DTypeError} bool. NumPy `negative`. */
export const negative: UnaryFunction = unary("neg");
/** +x. dtype kept. @throws {DTypeError} bool. NumPy `positive`. */
export const positive: UnaryFunction = composed1("positive", positiveTerm);
/** -1, 0 or 1; NaN stays. dtype kept. @throws {DTypeError} bool. NumPy `sign`. */
export const sign: UnaryFunction = unary("sign");
/** True where the sign is minus, -0 included. NumPy `signbit`. */
export const signbit: UnaryFunction = unary("signbit");
/** Distance to the next float away from 0, with the sign of x. Float rule. NumPy `spacing`. */
export const spacing: UnaryFunction = unary("spacing");
/** Square root, exactly rounded; NaN below 0. Float rule. NumPy `sqrt`. */
export const sqrt: UnaryFunction = unary("sqrt");
/** x·x; integers wrap. dtype kept, bool gives int8. NumPy `square`. */
export const square: UnaryFunction = unary("square");
/** Cube root. Float rule. NumPy `cbrt`. */
export const cbrt: UnaryFunction = unary("cbrt");
/** 1/x; integers divide as C does. dtype kept, bool gives int8. NumPy `reciprocal`. */
export const reciprocal: UnaryFunction = composed1("reciprocal", reciprocalTerm);
/** e^x. Float rule. NumPy `exp`. */
export const exp: UnaryFunction = unary("exp");
/** 2^x, exact for whole x. Float rule. NumPy `exp2`. */
export const exp2: UnaryFunction = unary("exp2");
/** e^x - 1 without cancellation near 0. Float rule. NumPy `expm1`. */
export const expm1: UnaryFunction = unary("expm1");
/** Natural logarithm; -inf at 0, NaN below. Float rule. NumPy `log`. */
export const log: UnaryFunction = unary("log");
/** Binary logarithm, exact for powers of 2. Float rule. NumPy `log2`. */
export const log2: UnaryFunction = unary("log2");
/** Decadic logarithm, exact for powers of 10. Float rule. NumPy `log10`. */
export const log10: UnaryFunction = unary("log10");
/** log(1 + x) without cancellation near 0. Float rule. NumPy `log1p`. */
export const log1p: UnaryFunction = unary("log1p");
/** Sine of radians. Float rule. NumPy `sin`. */
export const sin: UnaryFunction = unary("sin");
/** Cosine of radians. Float rule. NumPy `cos`. */
export const cos: UnaryFunction = unary("cos");
/** Tangent of radians. Float rule. NumPy `tan`. */
export const tan: UnaryFunction = unary("tan");
/** Inverse sine, NaN outside [-1, 1]. Float rule. NumPy `arcsin`. */
export const arcsin: UnaryFunction = unary("asin");
/** Inverse cosine, NaN outside [-1, 1]. Float rule. NumPy `arccos`. */
export const arccos: UnaryFunction = unary("acos");
/** Inverse tangent. Float rule. NumPy `arctan`. */
export const arctan: UnaryFunction = unary("atan");
/** Hyperbolic sine. Float rule. NumPy `sinh`. */
export const sinh: UnaryFunction = unary("sinh");
/** Hyperbolic cosine. Float rule. NumPy `cosh`. */
export const cosh: UnaryFunction = unary("cosh");
/** Hyperbolic tangent. Float rule. NumPy `tanh`. */
export const tanh: UnaryFunction = unary("tanh");
/** Inverse hyperbolic sine. Float rule. NumPy `arcsinh`. */
export const arcsinh: UnaryFunction = unary("asinh");
/** Inverse hyperbolic cosine, NaN below 1. Float rule. NumPy `arccosh`. */
export const arccosh: UnaryFunction = unary("acosh");
/** Inverse hyperbolic tangent, NaN outside [-1, 1]. Float rule. NumPy `arctanh`. */
export const arctanh: UnaryFunction = unary("atanh");
/** Degrees to radians. Float rule. NumPy `deg2rad`. */
export const deg2rad: UnaryFunction = unary("deg2rad");
/** Radians to degrees. Float rule. NumPy `rad2deg`. */
export const rad2deg: UnaryFunction = unary("rad2deg");
/** sin(πx)/(πx), 1 at 0. Integers give float64. NumPy `sinc`. */
export const sinc: UnaryFunction = composed1("sinc", sincTerm);
/** Modified Bessel function of the first kind, order 0. Integers give float64. NumPy `i0`. */
export const i0: UnaryFunction = composed1("i0", i0Term);
/** True where x is NaN (a datetime: not a time). NumPy `isnan`. */
export const isnan: UnaryFunction = unary("isnan");
/** True where x is infinite. NumPy `isinf`. */
export const isinf: UnaryFunction = unary("isinf");
/** True where x is a finite number. NumPy `isfinite`. */
export const isfinite: UnaryFunction = unary("isfinite");
/** True where x is +inf. @throws {DTypeError} complex. NumPy `isposinf`. */
export const isposinf: UnaryFunction = composed1("isposinf", infiniteTerm("isposinf"));
/** True where x is -inf. @throws {DTypeError} complex. NumPy `isneginf`. */
export const isneginf: UnaryFunction = composed1("isneginf", infiniteTerm("isneginf"));
/** True where x is NaN or not a time. dask.array `isnull`. */
export const isnull: UnaryFunction = unary("isnan");
/** True where x is neither NaN nor not-a-time. dask.array `notnull`. */
export const notnull: UnaryFunction = composed1("notnull", notnullTerm);
/** Nearest whole number, half to even, as a float by the float rule. NumPy `rint`. */
export const rint: UnaryFunction = composed1("rint", rintTerm);
/** Largest whole number not above x. dtype kept. NumPy `floor`. */
export const floor: UnaryFunction = unary("floor");
/** Smallest whole number not below x. dtype kept. NumPy `ceil`. */
export const ceil: UnaryFunction = unary("ceil");
/** Whole part, towards 0. dtype kept. NumPy `trunc` and `fix`. */
export const trunc: UnaryFunction = unary("trunc");
/** True where x is 0. NumPy `logical_not`. */
export const logicalNot: UnaryFunction = composed1("logicalNot", logicalNotTerm);
/** All bits flipped; logical on bool. @throws {DTypeError} floats. NumPy `invert`. */
export const invert: UnaryFunction = unary("not");
/** Sum; bool is logical or, integers wrap. NumPy `add`. */
export const add: BinaryFunction = binary("add");
/** Difference; unsigned integers wrap, told once by `UnsignedWrapWarning`. @throws {DTypeError} two bools. NumPy `subtract`. */
export const subtract: BinaryFunction = binary("sub");
/** Product; bool is logical and, integers wrap. NumPy `multiply`. */
export const multiply: BinaryFunction = binary("mul");
/** Quotient; integers give float64. NumPy `divide`. */
export const divide: BinaryFunction = binary("div");
/** Floor of the quotient; integers by 0 give 0. NumPy `floor_divide`. */
export const floorDivide: BinaryFunction = binary("floordiv");
/** Remainder with the divisor's sign; integers by 0 give 0. NumPy `remainder`. */
export const mod: BinaryFunction = binary("mod");
/** Remainder with the dividend's sign, C's `fmod`. NumPy `fmod`. */
export const fmod: BinaryFunction = binary("fmod");
/** x^y; integers wrap. @throws {UsageError} an integer to a negative integer (a constant: here; in an array: when it runs). NumPy `power`. */
export const power: BinaryFunction = binary("pow");
/** x^y in float64. NumPy `float_power`. */
export const floatPower: BinaryFunction = composed2("floatPower", floatPowerTerm);
/** Magnitude of x with the sign of y. Float rule. NumPy `copysign`. */
export const copysign: BinaryFunction = binary("copysign");
/** Next float from x towards y. Float rule. NumPy `nextafter`. */
export const nextafter: BinaryFunction = binary("nextafter");
/** log(e^x + e^y). Float rule. NumPy `logaddexp`. */
export const logaddexp: BinaryFunction = binary("logaddexp");
/** log2(2^x + 2^y). Float rule. NumPy `logaddexp2`. */
export const logaddexp2: BinaryFunction = binary("logaddexp2");
/** x·2^y for integers y, rounded once. dtype of x by the float rule. NumPy `ldexp`. */
export const ldexp: BinaryFunction = composed2("ldexp", ldexpTerm);
/** Angle of the point (y, x): the first operand is y. Float rule. NumPy `arctan2`. */
export const arctan2: BinaryFunction = binary("atan2");
/** sqrt(x² + y²) without overflow. Float rule. NumPy `hypot`. */
export const hypot: BinaryFunction = binary("hypot");
/** Larger of each pair; NaN propagates. NumPy `maximum`. */
export const maximum: BinaryFunction = binary("maximum");
/** Smaller of each pair; NaN propagates. NumPy `minimum`. */
export const minimum: BinaryFunction = binary("minimum");
/** Larger of each pair; a NaN gives way to a number. NumPy `fmax`. */
export const fmax: BinaryFunction = binary("fmax");
/** Smaller of each pair; a NaN gives way to a number. NumPy `fmin`. */
export const fmin: BinaryFunction = binary("fmin");
/** x > y; exact between all integers. NumPy `greater`. */
export const greater: BinaryFunction = binary("gt");
/** x >= y. NumPy `greater_equal`. */
export const greaterEqual: BinaryFunction = binary("ge");
/** x < y. NumPy `less`. */
export const less: BinaryFunction = binary("lt");
/** x <= y. NumPy `less_equal`. */
export const lessEqual: BinaryFunction = binary("le");
/** x == y; NaN equals nothing. NumPy `equal`. */
export const equal: BinaryFunction = binary("eq");
/** x != y. NumPy `not_equal`. */
export const notEqual: BinaryFunction = binary("ne");
/** Both are not 0. NumPy `logical_and`. */
export const logicalAnd: BinaryFunction = composed2("logicalAnd", logical("and"));
/** One is not 0. NumPy `logical_or`. */
export const logicalOr: BinaryFunction = composed2("logicalOr", logical("or"));
/** Exactly one is not 0. NumPy `logical_xor`. */
export const logicalXor: BinaryFunction = composed2("logicalXor", logical("xor"));
/** Bits of both; logical on bool. @throws {DTypeError} floats. NumPy `bitwise_and`. */
export const bitwiseAnd: BinaryFunction = binary("and");
/** Bits of either; logical on bool. @throws {DTypeError} floats. NumPy `bitwise_or`. */
export const bitwiseOr: BinaryFunction = binary("or");
/** Bits of one of both; logical on bool. @throws {DTypeError} floats. NumPy `bitwise_xor`. */
export const bitwiseXor: BinaryFunction = binary("xor");
/** x·2^y, modulo the width; beyond the width 0. @throws {DTypeError} floats. NumPy `left_shift`. */
export const leftShift: BinaryFunction = binary("shl");
/** x/2^y rounded down; beyond the width 0 or -1. @throws {DTypeError} floats. NumPy `right_shift`. */
export const rightShift: BinaryFunction = binary("shr");

export {
  abs as absolute,
  arccos as acos,
  arccosh as acosh,
  arcsin as asin,
  arcsinh as asinh,
  arctan as atan,
  arctan2 as atan2,
  arctanh as atanh,
  bitwiseAnd as and,
  bitwiseOr as or,
  bitwiseXor as xor,
  deg2rad as radians,
  divide as div,
  divide as trueDivide,
  equal as eq,
  floorDivide as floordiv,
  greater as gt,
  greaterEqual as ge,
  invert as bitwiseInvert,
  invert as bitwiseNot,
  invert as not,
  leftShift as bitwiseLeftShift,
  leftShift as shl,
  less as lt,
  lessEqual as le,
  mod as remainder,
  multiply as mul,
  negative as neg,
  notEqual as ne,
  power as pow,
  rad2deg as degrees,
  rightShift as bitwiseRightShift,
  rightShift as shr,
  subtract as sub,
  trunc as fix,
};
