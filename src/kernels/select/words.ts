/** The parameter block of a selection, which lies in scratch. */
import type { I32 } from "../wasm/builder.ts";

/** Words of the block, in bytes. */
export const WORD = {
  /** First row of the first group, step from row to row, step from group to group. */
  source: 0,
  rowStep: 4,
  groupStep: 8,
  /** The same of the mask (one byte a pixel), in scratch. */
  mask: 12,
  maskRowStep: 16,
  maskGroupStep: 20,
  /** Rows, rounded up to 8, times 16: bytes of a column. */
  column: 24,
  /** Where the four columns lie, and the counts of a group. */
  sorted: 28,
  counts: 32,
  table: 36,
  /** Number of quantiles, and bytes from table to table. */
  quantiles: 40,
  tableStep: 44,
  /** Results of the first group, step from quantile to quantile. */
  result: 48,
  resultStep: 52,
  /** The result where values are missing, in its own dtype. */
  missing: 56,
  /** Bytes of a sorted column up to the highest rank, a multiple of 128. */
  needed: 64,
  bytes: 68,
} as const;

/** Words of the block as expressions. */
export interface Words {
  readonly word: (name: Exclude<keyof typeof WORD, "bytes">) => I32;
  readonly block: I32;
  readonly scratch: number;
}
