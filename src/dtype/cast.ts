/** Casting of single values: ECMAScript's ToIntN for out-of-range floats (kernels.md §11, "rsdat casts"). */
import { DTypeError } from "../base/index.ts";
import { type Complex, DTYPES, type DType, isComplex, type Scalar, type TypedArray } from "./dtypes.ts";

/** `value` as an element of `dtype`: NaN and ±inf give 0 for integers, else truncate and wrap; bool is `value != 0`. */
export function castScalar(value: Scalar, dtype: DType): number | bigint {
  const d = DTYPES[dtype];
  if (d.kind === "b") return Number(value) !== 0 || Number.isNaN(Number(value)) ? 1 : 0;
  if (d.kind === "f" || d.kind === "c") {
    const x = Number(value);
    return d.itemsize === 2 ? Math.f16round(x) : d.name === "float32" || d.name === "complex64" ? Math.fround(x) : x;
  }
  const whole =
    typeof value === "bigint" ? value : Number.isFinite(Number(value)) ? BigInt(Math.trunc(Number(value))) : 0n;
  const bits = d.itemsize * 8;
  const wrapped = d.kind === "u" ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole);
  return d.big ? wrapped : Number(wrapped);
}

/** Store `value` as element `index` of an array of `dtype`; a complex element has two entries in `data`. */
export function storeScalar(data: TypedArray, index: number, value: Scalar | Complex, dtype: DType): void {
  const parts = isComplex(value) ? [value.re, value.im] : [value, 0];
  const { components } = DTYPES[dtype];
  for (let k = 0; k < components; k++) data[components * index + k] = castScalar(parts[k] as Scalar, dtype) as never; // castScalar gives what the array class takes
}

/** True when `dtype` holds `value` without change (float32 and float16: after rounding to them; NaN only in floats). */
export function canHold(dtype: DType, value: Scalar | Complex): boolean {
  const d = DTYPES[dtype];
  if (isComplex(value)) return d.kind === "c";
  if (d.kind === "f" || d.kind === "c") return true;
  if (d.kind === "b") return value === true || value === false || value === 0 || value === 1;
  if (typeof value !== "bigint" && !Number.isInteger(Number(value))) return false;
  const big = BigInt(value);
  return d.min === undefined || d.max === undefined || (big >= d.min && big <= d.max);
}

/**
 * `value` as an element of `dtype`, refused when it does not fit.
 * @throws {DTypeError} out of range, or a fraction or NaN for an integer type
 */
export function checkedScalar(value: Scalar, dtype: DType, what = "value"): number | bigint {
  if (!canHold(dtype, value)) {
    const d = DTYPES[dtype];
    const range = d.min === undefined ? "" : ` (integers ${d.min} to ${d.max})`;
    throw new DTypeError(`${what} ${value} does not fit ${dtype}${range}`, {
      details: { value: String(value), dtype },
    });
  }
  return castScalar(value, dtype);
}
