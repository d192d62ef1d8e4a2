/** Membership of elements in a set. */
import { ArgumentError } from "../base/index.ts";
import type { Scalar } from "../dtype/index.ts";
import { ascontiguous, NDArray } from "../ndarray/index.ts";
import { ChunkedArray } from "./chunked-array.ts";
import { elementwise, type Operand } from "./elementwise.ts";
import { isinTerm, strong, type Term } from "./terms.ts";

/** Options of {@link isin}. */
export interface IsinOptions {
  /** True where an element is in no set. */
  readonly invert?: boolean;
  /** Accepted for NumPy's sake; the result is the same. */
  readonly assumeUnique?: boolean;
}

/**
 * True where an element equals one of `values`; NaN equals nothing. Lazy; bool, shape and chunks of `x`; the values are
 * a parameter of the fused kernel (8-bit integers: a table of bits). NumPy `isin`.
 * @throws {DTypeError} values that are no numbers
 */
export function isin(x: Operand, values: readonly Scalar[] | NDArray, options: IsinOptions = {}): ChunkedArray {
  const list = valuesOf(values);
  return new ChunkedArray(
    elementwise("isin", [x], (b, [t]) => {
      const found = isinTerm(b, t as Term, list);
      return options.invert ? { node: b.unary("not", strong(b, found)) } : found;
    }),
  );
}

function valuesOf(values: readonly Scalar[] | NDArray): readonly Scalar[] {
  if (values instanceof NDArray) return Array.from(ascontiguous(values).data as Float64Array); // any dtype's numbers
  if (Array.isArray(values)) return values;
  throw new ArgumentError("isin: expected a list of numbers or a block in memory; compute a lazy array first");
}
