/** Loop nests over strided operands: axes of size 1 dropped, axes that are contiguous in all operands merged. */
import type { NDArray } from "../../ndarray/index.ts";

/** A loop nest; `strides[operand][axis]` and `offsets[operand]` count elements of the operand's dtype. */
export interface LoopNest {
  readonly shape: readonly number[];
  readonly strides: readonly (readonly number[])[];
  readonly offsets: readonly number[];
}

/** Order of the axes in a loop nest: as given, or by falling stride of the first operand. */
type AxisOrder = "given" | "memory";

/**
 * Loop nest over `operands`, all seen at `shape`. With order `given` the elements are visited in C order of `shape`.
 * The innermost axis is last; a nest of rank 0 visits one element.
 */
export function loopNest(
  shape: readonly number[],
  operands: readonly NDArray[],
  order: AxisOrder = "memory",
): LoopNest {
  const axes = shape.flatMap((n, k) => (n === 1 ? [] : [k]));
  const lead = operands[0];
  if (order === "memory" && lead !== undefined) {
    const step = (k: number): number => Math.abs(lead.stride[k] as number); // operands have the shape's rank
    axes.sort((a, b) => step(b) - step(a) || a - b);
  }
  const sizes: number[] = [];
  const strides: number[][] = operands.map(() => []);
  for (const axis of axes) {
    const n = shape[axis] as number;
    const last = sizes.length - 1;
    const merges = last >= 0 && operands.every((x, k) => strides[k]?.[last] === (x.stride[axis] as number) * n);
    if (merges) sizes[last] = (sizes[last] as number) * n;
    else sizes.push(n);
    operands.forEach((x, k) => {
      const row = strides[k] as number[]; // one per operand
      row[merges ? last : last + 1] = x.stride[axis] as number;
    });
  }
  return { shape: sizes, strides, offsets: operands.map((x) => x.offset) };
}

/**
 * Call `visit` for every index of the first `depth` axes of `nest`, in order; `at` holds each operand's offset there
 * and is reused between calls.
 */
export function forEachOuter(nest: LoopNest, depth: number, visit: (at: number[]) => void): void {
  const at = [...nest.offsets];
  const walk = (axis: number): void => {
    if (axis === depth) return visit(at);
    const n = nest.shape[axis] as number; // axis < depth <= rank
    for (let i = 0; i < n; i++) {
      walk(axis + 1);
      for (let k = 0; k < at.length; k++) at[k] = (at[k] as number) + (nest.strides[k]?.[axis] as number);
    }
    for (let k = 0; k < at.length; k++) at[k] = (at[k] as number) - n * (nest.strides[k]?.[axis] as number);
  };
  if (nest.shape.every((n) => n > 0)) walk(0);
}
