/** Memory for results on the caller's side: ordinary memory, of which every element is about to be written. */
import { type DType, itemsize } from "../dtype/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { inHugePages } from "./huge-pages.ts";

/** From so many bytes on memory comes from the system, which zeroes it a page at a time when it is first touched. */
const UNSET_BYTES = 128 << 10;

/**
 * A block with whatever its memory held before, all of whose elements the caller writes: where an earlier result lay, if
 * there was one; a large one in huge pages ({@link inHugePages}).
 */
export function unsetBlock<D extends DType>(dtype: D, shape: readonly number[]): NDArray<D> {
  const nbytes = sizeOf(shape) * itemsize(dtype);
  if (nbytes < UNSET_BYTES) return NDArray.zeros(dtype, shape);
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(nbytes);
  return NDArray.view(dtype, inHugePages(buffer), byteOffset, shape);
}
