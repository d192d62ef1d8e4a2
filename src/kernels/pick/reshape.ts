/** The same elements in C order under another shape. Bytes an element: read and written once. */
import { contiguousStride, NDArray } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { copyStrided } from "../copy.ts";

export const reshapeKernels: Readonly<Record<string, BlockKernel>> = {
  reshape: {
    run: ([input], out) => {
      const x = input as NDArray; // one input
      copyStrided(new NDArray(out.dtype, out.data, x.shape, contiguousStride(x.shape), out.offset), x);
    },
  },
};
