/** Blocks seen in larger shapes. */
import type { DType } from "../dtype/index.ts";
import { NDArray } from "./ndarray.ts";

/** The same elements seen in a larger shape; axes of size 1 and new leading axes repeat with stride 0. */
export function broadcastTo<D extends DType>(block: NDArray<D>, shape: readonly number[]): NDArray<D> {
  const lead = shape.length - block.ndim;
  const stride = shape.map((n, k) =>
    k < lead ? 0 : block.shape[k - lead] === 1 && n !== 1 ? 0 : (block.stride[k - lead] as number),
  );
  return new NDArray(block.dtype, block.data, shape, stride, block.offset);
}
