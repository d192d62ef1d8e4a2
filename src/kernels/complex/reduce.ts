/**
 * Reductions of complex blocks that are no sums: products in the order of the elements, extremes and their indices in
 * lexicographic order. A NaN is one in either part; it propagates, and the `nan` family skips it. Bytes an element: read once.
 */
import { ArgumentError } from "../../base/index.ts";
import { contiguousStride, type NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { binaryOf, COMPARE, hasNaN } from "./arithmetic.ts";
import type { Pair } from "./parts.ts";

/** Offsets (in elements) of all indices of `axes`, in C order. */
function offsetsOf(block: NDArray, axes: readonly number[]): Int32Array {
  let offsets = Int32Array.of(0);
  for (const k of axes) {
    const [n, step] = [block.shape[k] as number, block.stride[k] as number]; // axes of the block
    const next = new Int32Array(offsets.length * n);
    offsets.forEach((from, i) => {
      for (let j = 0; j < n; j++) next[i * n + j] = from + j * step;
    });
    offsets = next;
  }
  return offsets;
}

type Fold = (value: Pair, index: number) => void;

interface Folding {
  readonly start: () => void;
  readonly take: Fold;
  readonly result: (out: NDArray, cell: number) => void;
}

function product(out: NDArray, skips: boolean): Folding {
  const times = binaryOf("mul", out.dtype === "complex64" ? Math.fround : (x) => x);
  const [total, next] = [new Float64Array(2), new Float64Array(2)];
  const cells = out.data as Float64Array; // complex blocks hold floats
  return {
    start: () => total.set([1, 0]),
    take: (value) => {
      if (skips && hasNaN(value)) return;
      times?.(total, value, next);
      if (out.dtype === "complex64") for (const k of [0, 1]) next[k] = Math.fround(next[k] as number);
      total.set(next);
    },
    result: (_, cell) => cells.set(total, 2 * (out.offset + cell)),
  };
}

/** No index yet: no element seen, or none but NaN. */
const NOTHING = -1;
const ONLY_NAN = -2;

/** Keeps the first of the best; a NaN beats all unless it is skipped. */
function extreme(op: string): Folding {
  const skips = op.startsWith("nan");
  const wins = COMPARE[op.endsWith("min") ? "lt" : "gt"];
  const best = new Float64Array(2);
  let at = NOTHING;
  return {
    start: () => {
      at = NOTHING;
      best.fill(Number.NaN);
    },
    take: (value, index) => {
      const isUnknown = hasNaN(value);
      if (skips && isUnknown) {
        if (at === NOTHING) best.set(value); // all NaN gives the first, as NumPy's fmin and fmax
        at = at === NOTHING ? ONLY_NAN : at;
        return;
      }
      if (at >= 0 && (hasNaN(best) || !(isUnknown || wins(value, best)))) return;
      best.set(value);
      at = index;
    },
    result: (block, cell) => {
      if (block.dtype !== "int64") {
        (block.data as Float64Array).set(best, 2 * (block.offset + cell)); // complex blocks hold floats
        return;
      }
      if (at < 0) throw new ArgumentError(`${op}: All-NaN slice encountered`);
      block.data[block.offset + cell] = BigInt(at) as never; // int64
    },
  };
}

export const complexReduceKernels: Readonly<Record<string, BlockKernel>> = {
  "complex-reduce": {
    run: ([input], out, params) => {
      const x = input as NDArray; // one input
      const { op, axes } = params as unknown as { op: string; axes: readonly number[] }; // made by the array room
      const folding = op.endsWith("prod") ? product(out, op === "nanprod") : extreme(op);
      const reduced = offsetsOf(x, axes);
      const data = x.data as Float64Array; // complex blocks hold floats
      const value = new Float64Array(2);
      const stride = contiguousStride(out.shape);
      for (let cell = 0; cell < sizeOf(out.shape); cell++) {
        let base = x.offset;
        let rest = cell;
        out.shape.forEach((_, k) => {
          const i = Math.floor(rest / (stride[k] as number));
          rest -= i * (stride[k] as number);
          base += i * (x.stride[k] as number);
        });
        folding.start();
        for (let i = 0; i < reduced.length; i++) {
          const from = 2 * (base + (reduced[i] as number));
          value[0] = data[from] as number;
          value[1] = data[from + 1] as number;
          folding.take(value, i);
        }
        folding.result(out, cell);
      }
    },
  },
};
