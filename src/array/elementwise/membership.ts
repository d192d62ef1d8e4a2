/** Membership of elements in a set. */
import { ArgumentError } from "../../base/index.ts";
import { type Complex, dtypeInfo, promoteTypes, type Scalar } from "../../dtype/index.ts";
import { ascontiguous, NDArray } from "../../ndarray/index.ts";
import { ChunkedArray, isChunkedArray } from "../chunked-array.ts";
import { searchsorted } from "../order/counting.ts";
import { sort } from "../order/sorting.ts";
import { array } from "../shape/create.ts";
import { elementwise, type Operand } from "./layer.ts";
import { isinTerm, strong, type Term } from "./terms.ts";

/** Options of {@link isin}. */
export interface IsinOptions {
  /** True where an element is in no set. */
  readonly invert?: boolean;
  /** Accepted for NumPy's sake; the result is the same. */
  readonly assumeUnique?: boolean;
}

/**
 * True where an element equals one of `values`; NaN equals nothing. Lazy; bool, shape and chunks of `x`; values in
 * memory are a parameter of the fused kernel (8-bit integers: a table of bits), a lazy array is sorted into one block that
 * every task holds. NumPy `isin`.
 * @throws {DTypeError} values that are no numbers
 */
export function isin(
  x: Operand,
  values: readonly (Scalar | Complex)[] | NDArray | ChunkedArray,
  options: IsinOptions = {},
): ChunkedArray {
  if (isChunkedArray(values)) return isinLazy(array(x as ChunkedArray), values, options.invert ?? false); // or a number
  const list = valuesOf(values);
  return new ChunkedArray(
    elementwise("isin", [x], (b, [t]) => {
      const found = isinTerm(b, t as Term, list);
      return options.invert ? { node: b.unary("not", strong(b, found)) } : found;
    }),
  );
}

/** An element is there when the places before and after its like differ. */
function isinLazy(x: ChunkedArray, values: ChunkedArray, invert: boolean): ChunkedArray {
  const common = promoteTypes(x.dtype, values.dtype);
  const [sorted, own] = [sort(values.astype(common), null), x.astype(common)];
  const found = searchsorted(sorted, own, { side: "right" }).gt(searchsorted(sorted, own, { side: "left" }));
  const isFloat = dtypeInfo(common).kind === "f";
  const equal = isFloat ? found.and(own.eq(own)) : found; // NaN sorts as equal to itself
  return invert ? equal.not() : equal;
}

function valuesOf(values: readonly (Scalar | Complex)[] | NDArray): readonly (Scalar | Complex)[] {
  if (values instanceof NDArray && dtypeInfo(values.dtype).kind === "c") {
    const list = new NDArray(values.dtype, ascontiguous(values).data, [values.size]);
    return Array.from({ length: list.size }, (_, k) => list.item(k));
  }
  if (values instanceof NDArray) return Array.from(ascontiguous(values).data as Float64Array); // any dtype's numbers
  if (Array.isArray(values)) return values;
  throw new ArgumentError("isin: expected a list of numbers, a block in memory or a lazy array");
}
