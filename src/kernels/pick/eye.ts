/** Ones on a diagonal: zeros by the processor's own fill, then an element for each row. */
import { dtypeInfo, storeScalar } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel, BlockPlace } from "../blocks.ts";
import { setBytes } from "../moves.ts";

/** Zeros, and ones where `column - row` is `k` in the whole array. `out` has two axes and is in C order. */
function eye(out: NDArray, k: number, { at }: BlockPlace): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const [rows, columns] = out.shape as [number, number]; // a matrix
  const start = out.data.byteOffset + out.offset * itemsize;
  if (!setBytes(out.data.buffer, start, out.size * itemsize, 0))
    new Uint8Array(out.data.buffer, start, out.size * itemsize).fill(0);
  const shift = (at[0] as number) + k - (at[1] as number); // a place of two axes
  for (let r = Math.max(0, -shift); r < Math.min(rows, columns - shift); r++)
    storeScalar(out.data, out.offset + r * columns + r + shift, 1, out.dtype);
}

export const eyeKernels: Readonly<Record<string, BlockKernel>> = {
  eye: { run: (_, out, params, place) => eye(out, (params as { readonly k: number }).k, place) },
};
