/** Elementwise functions with options or several results. */
import { ArgumentError } from "../../base/index.ts";
import { type DType, isDType, resultType as promote, type Scalar } from "../../dtype/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import {
  type CloseOptions,
  fractionTerm,
  iscloseTerm,
  type NanToNumOptions,
  nanToNumTerm,
  wholePartTerm,
} from "./composed.ts";
import { elementwise, type Operand } from "./layer.ts";
import { lift, roundTerm, type Term, unaryTerm } from "./terms.ts";
import { floorDivide, mod } from "./ufuncs.ts";

export type { CloseOptions, NanToNumOptions };

/**
 * Half to even, to `decimals` places: scaled by 10^decimals, rounded and scaled back. Negative decimals round integers
 * to tens and more. Lazy; dtype kept (bool gives float16). NumPy `round`.
 */
export function round(x: Operand, decimals = 0): ChunkedArray {
  return new ChunkedArray(elementwise("round", [x], (b, [t]) => roundTerm(b, t as Term, decimals)));
}
export { round as around };

/**
 * NaN and infinities replaced by numbers: 0 and the dtype's extremes unless told. Lazy; dtype kept. NumPy `nan_to_num`.
 */
export function nanToNum(x: Operand, options: NanToNumOptions = {}): ChunkedArray {
  return new ChunkedArray(elementwise("nanToNum", [x], (b, [t]) => nanToNumTerm(b, t as Term, options)));
}

/** `|x - y| <= atol + rtol·|y|`. Lazy; bool. NumPy `isclose`. */
export function isclose(x: Operand, y: Operand, options: CloseOptions = {}): ChunkedArray {
  return new ChunkedArray(elementwise("isclose", [x, y], (b, [p, q]) => iscloseTerm(b, p as Term, q as Term, options)));
}

/** True when {@link isclose} holds everywhere. Lazy; 0-d bool, a tree over all blocks. NumPy `allclose`. */
export function allclose(x: Operand, y: Operand, options: CloseOptions = {}): ChunkedArray {
  return isclose(x, y, options).all();
}

/**
 * Mantissa in [0.5, 1) and int32 exponent with x = mantissa·2^exponent; 0, ±inf and NaN are their own mantissas.
 * Lazy; two arrays that share their input's pass when computed together. NumPy `frexp`.
 */
export function frexp(x: Operand): [mantissa: ChunkedArray, exponent: ChunkedArray] {
  const part = (op: "mantissa" | "exponent"): ChunkedArray =>
    new ChunkedArray(
      elementwise(op, [x], (b, [t]) => {
        const value = unaryTerm(b, op, t as Term);
        return op === "exponent" ? { node: lift(b, value, "int32") } : value;
      }),
    );
  return [part("mantissa"), part("exponent")];
}

/** Fraction and whole part, both with the sign of x, as floats by the float rule. Lazy. NumPy `modf`. */
export function modf(x: Operand): [fraction: ChunkedArray, whole: ChunkedArray] {
  return [
    new ChunkedArray(elementwise("modf", [x], (b, [t]) => fractionTerm(b, t as Term))),
    new ChunkedArray(elementwise("modf", [x], (b, [t]) => wholePartTerm(b, t as Term))),
  ];
}

/** Floor of the quotient, and remainder. Lazy. NumPy `divmod`. */
export function divmod(x: Operand, y: Operand): [quotient: ChunkedArray, remainder: ChunkedArray] {
  return [floorDivide(x, y), mod(x, y)];
}

/**
 * dtype that an operation of these arrays, dtypes and numbers gives. NumPy `result_type`.
 * @throws {DTypeError} no common dtype, or a whole number outside an integer dtype's range
 * @throws {ArgumentError} nothing given
 */
export function resultType(...operands: readonly (Operand | DType)[]): DType {
  if (operands.length === 0) throw new ArgumentError("resultType: expected at least one array, dtype or number");
  return promote(
    ...operands.map((o): DType | Scalar => {
      if (typeof o === "string") {
        if (isDType(o)) return o;
        throw new ArgumentError(`resultType: ${JSON.stringify(o)} is no dtype`);
      }
      return o instanceof NDArray ? o.dtype : typeof o === "object" ? (o as { readonly dtype: DType }).dtype : o; // arrays have a dtype
    }),
  );
}
