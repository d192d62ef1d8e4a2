/** Memory for results on the caller's side: ordinary memory, of which every element is about to be written. */
import { formatBytes, MemoryBudgetError } from "../base/index.ts";
import { type DType, itemsize } from "../dtype/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { inHugePages } from "./huge-pages.ts";

/** From so many bytes on memory comes from the system, which zeroes it a page at a time when it is first touched. */
const UNSET_BYTES = 128 << 10;

/**
 * A block with whatever its memory held before, all of whose elements the caller writes: where an earlier result lay, if
 * there was one; a large one in huge pages ({@link inHugePages}).
 * @throws {MemoryBudgetError} the system gives no such memory
 */
export function unsetBlock<D extends DType>(dtype: D, shape: readonly number[]): NDArray<D> {
  const nbytes = sizeOf(shape) * itemsize(dtype);
  if (nbytes < UNSET_BYTES) return NDArray.zeros(dtype, shape);
  const { buffer, byteOffset } = allocated(nbytes, dtype, shape);
  return NDArray.view(dtype, inHugePages(buffer), byteOffset, shape);
}

function allocated(nbytes: number, dtype: DType, shape: readonly number[]): Buffer<ArrayBuffer> {
  try {
    return Buffer.allocUnsafeSlow(nbytes);
  } catch (cause) {
    throw new MemoryBudgetError(
      `a result of ${dtype} (${shape.join(", ")}) has ${formatBytes(nbytes)}, which this process does not get; write it with toZarr or compute a part of it`,
      { cause, details: { needed: nbytes, shape: [...shape] } },
    );
  }
}
