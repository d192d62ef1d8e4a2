/** Layout of a kernel's parameter block, which lies in the thread's scratch memory: what changes from call to call. */

import type { Kernel } from "../graph/index.ts";
import { itemIsByte } from "./map/op-table.ts";

/** Byte offsets inside the block. */
export interface BlockLayout {
  /** Per operand 16 bytes: address, step from row to row, step from element to element (all bytes, i32). */
  readonly operand: (index: number) => number;
  /** Per parameter 8 bytes, in its own dtype. */
  readonly param: (slot: number) => number;
  /** Members of a set, 8 bytes each, or the 32 bytes of a byte set's table. */
  readonly set: (set: number) => number;
  /** Per operand 256 bytes for the last elements of a row. */
  readonly tail: (index: number) => number;
  readonly bytes: number;
}

export const TAIL_BYTES = 256;

/** Members that a compiled set has room for: the next power of two, so that sizes share modules. Byte sets: 0. */
export function paddedSetSizes(kernel: Kernel, sizes: readonly number[]): number[] {
  return kernel.sets.map((dtype, k) => (itemIsByte(dtype) ? 0 : 2 ** Math.ceil(Math.log2(Math.max(1, sizes[k] ?? 0)))));
}

/** Layout for `operands` operands and the kernel's parameters and sets (padded sizes). */
export function blockLayout(kernel: Kernel, operands: number, sets: readonly number[]): BlockLayout {
  const params = 16 * operands;
  let at = params + 8 * kernel.params.length;
  const setAt = sets.map((n) => {
    const start = at;
    at += n === 0 ? 32 : 8 * n;
    return start;
  });
  const tails = (at + 15) & ~15;
  return {
    operand: (index) => 16 * index,
    param: (slot) => params + 8 * slot,
    set: (set) => setAt[set] as number, // one per set
    tail: (index) => tails + TAIL_BYTES * index,
    bytes: tails + TAIL_BYTES * operands,
  };
}
