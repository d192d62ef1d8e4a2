/** Complex blocks seen as real ones. */
import type { DType } from "../../dtype/index.ts";
import { DTYPES } from "../../dtype/index.ts";
import { NDArray } from "../../ndarray/index.ts";

/** True for complex dtypes. */
export function isComplex(dtype: DType): boolean {
  return DTYPES[dtype].kind === "c";
}

/** dtype of the parts of a complex dtype. */
export function partType(dtype: DType): DType {
  return dtype === "complex64" ? "float32" : "float64";
}

/** The real (0) or imaginary (1) parts of a complex block: a view. */
export function partView(block: NDArray, part: 0 | 1): NDArray {
  const stride = block.stride.map((s) => 2 * s);
  return new NDArray(partType(block.dtype), block.data, block.shape, stride, 2 * block.offset + part);
}
