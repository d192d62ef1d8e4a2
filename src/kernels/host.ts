/**
 * The one function that compiled kernels call in JavaScript: operations on single floats that have no vector code, and
 * the rare arguments that vector code leaves out. The same functions as the interpreter's, so the same bits.
 */
import { SelectionError, UsageError } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import type { BinaryOp, UnaryOp } from "../graph/index.ts";
import { type Binary, binaryFunction, type Unary, unaryFunction } from "./map/scalar-ops.ts";

const UNARY = [
  ..."exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh cbrt i0".split(
    " ",
  ),
  ..."mantissa exponent spacing".split(" "),
] as readonly UnaryOp[]; // split into names of the list above
const BINARY = "floordiv mod fmod pow atan2 hypot nextafter logaddexp logaddexp2 ldexp".split(
  " ",
) as readonly BinaryOp[]; // as above
const DTYPES: readonly DType[] = ["float16", "float32", "float64"];

const PLACES: ReadonlyMap<string, number> = new Map([...UNARY, ...BINARY].map((op, k) => [op, k]));

/** Codes of what is no operation on floats: they throw. */
const FAIL_POWER = 0;
const FAIL_INDEX = 1;
const FIRST = 2;

/** Code that makes the call fail as the interpreter does: `a` to the negative power `b`, or index `a` of `b`. */
export function failureCode(what: "pow" | "index"): number {
  return what === "pow" ? FAIL_POWER : FAIL_INDEX;
}

/** Code of an operation on floats of `dtype`; undefined where the host has none. The same in every process and version of a run. */
export function hostCode(op: string, dtype: DType): number | undefined {
  const at = PLACES.get(op);
  const kind = DTYPES.indexOf(dtype);
  return at === undefined || kind < 0 ? undefined : FIRST + at * DTYPES.length + kind;
}

/** True for an operation of two operands. */
export function isBinaryCode(code: number): boolean {
  return code >= FIRST + UNARY.length * DTYPES.length;
}

type Host = (a: number, b: number) => number;

function functionOf(code: number): Host {
  if (code === FAIL_POWER)
    return (a, b) => {
      throw new UsageError("integer-power", `integers to negative integer powers are not allowed (${a} ** ${b})`);
    };
  if (code === FAIL_INDEX)
    return (a, b) => {
      throw new SelectionError(`index ${a} is out of bounds: expected 0 to ${b - 1}`);
    };
  const at = Math.floor((code - FIRST) / DTYPES.length);
  const dtype = DTYPES[(code - FIRST) % DTYPES.length] as DType; // within the list
  if (at >= UNARY.length) {
    const binary: Binary = binaryFunction(BINARY[at - UNARY.length] as BinaryOp, dtype); // codes come from hostCode
    return binary as Host; // elements of floats are numbers
  }
  const unary: Unary = unaryFunction(UNARY[at] as UnaryOp, dtype); // codes come from hostCode
  return unary as Host; // elements of floats are numbers
}

const functions: Host[] = [];

/** What modules import as `e.f`. */
export function host(code: number, a: number, b: number): number {
  let f = functions[code];
  if (f === undefined) {
    f = functionOf(code);
    functions[code] = f;
  }
  return f(a, b);
}
