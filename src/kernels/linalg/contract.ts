/**
 * Contraction of two blocks: `out[…, B, M, N] = Σ_K a[B, M, K] · b[B, K, N]`, where each letter stands for several axes
 * that the operands may hold in any order. Axes are brought together by strides where they allow it, else by one copy;
 * the product is `matmul`'s, with its order and rounding. Bytes an element: both operands once more where they are copied.
 */
import { DTYPES } from "../../dtype/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockFacts, BlockKernel } from "../blocks.ts";
import { copyStrided } from "../copy.ts";
import { matmulKernels } from "./matmul.ts";

/** How the axes of the operands are grouped. */
interface Contraction {
  /** Leading axes of size 1 of the result: which of the contracted blocks this is. */
  readonly leads: number;
  /** Axes that both operands and the result have. */
  readonly batch: number;
  /** Axes of `a` in the order B, M, K, and of `b` in the order B, K, N. */
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly depth: number;
}

/** Axes `from` … `to` of a view as one axis, if their strides allow it. */
function mergedStride(x: NDArray, from: number, to: number): number | null {
  let step: number | null = null;
  let expected = 0;
  for (let k = to - 1; k >= from; k--) {
    const [n, s] = [x.shape[k] as number, x.stride[k] as number]; // axes of x
    if (n === 1) continue;
    if (step === null) step = s;
    else if (s !== expected) return null;
    expected = s * n;
  }
  return step ?? 1;
}

/** `x` (axes already in order) with all but the first `batch` axes merged into rows and columns. */
function asMatrices(x: NDArray, batch: number, rows: number): NDArray {
  const lead = x.shape.slice(0, batch);
  const shape = [...lead, sizeOf(x.shape.slice(batch, batch + rows)), sizeOf(x.shape.slice(batch + rows))];
  const [rowStep, step] = [mergedStride(x, batch, batch + rows), mergedStride(x, batch + rows, x.ndim)];
  if (rowStep !== null && step !== null)
    return new NDArray(x.dtype, x.data, shape, [...x.stride.slice(0, batch), rowStep, step], x.offset);
  const copy = NDArray.zeros(x.dtype, x.shape);
  copyStrided(copy, x);
  return new NDArray(x.dtype, copy.data, shape, contiguousStride(shape), copy.offset);
}

const { matmul } = matmulKernels;

export const contractKernels: Readonly<Record<string, BlockKernel>> = {
  contract: {
    run: ([a, b], out, params, place) => {
      const how = params as unknown as Contraction; // made by the array room
      const x = (a as NDArray).transpose(how.a); // two inputs
      const y = (b as NDArray).transpose(how.b);
      const left = asMatrices(x, how.batch, x.ndim - how.batch - how.depth);
      const right = asMatrices(y, how.batch, how.depth);
      const shape = [
        ...out.shape.slice(how.leads, how.leads + how.batch),
        left.shape.at(-2) as number, // rank 2 at least
        right.shape.at(-1) as number,
      ];
      const target = new NDArray(out.dtype, out.data, shape, contiguousStride(shape), out.offset);
      matmul?.run([left, right], target, null, place);
    },
    scratch: (inputs, out) =>
      [...inputs, ...(out.dtype.startsWith("complex") ? [out] : [])].reduce((sum, x) => sum + bytesOf(x), 0),
  },
};

function bytesOf({ dtype, shape }: BlockFacts): number {
  return sizeOf(shape) * DTYPES[dtype].itemsize;
}
