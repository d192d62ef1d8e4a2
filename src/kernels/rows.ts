/** Rows of a reduction: each flat sequence to one slot. */
import { allocate, type DType } from "../dtype/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { accumulateTile, joinSlot, pairwiseCut, type Slots, slotKind, slotsOver } from "./accumulate.ts";
import { runNest } from "./engine.ts";
import type { LoopNest } from "./loop.ts";
import type { ReducePlan } from "./reduce-plan.ts";

/** Elements of a row that are computed into a tile before they are accumulated. */
const TILE = 16384;

/** Rows of equal layout: `steps` lead from row to row, `offsets` to the first one, by operand. */
export interface RowBatch {
  readonly inner: LoopNest;
  readonly steps: readonly number[];
  readonly offsets: readonly number[];
  readonly rows: number;
}

/** Reduce each row of the batch to a slot. */
export function reduceRows(plan: ReducePlan, batch: RowBatch, inputs: readonly NDArray[]): Slots {
  const slots = slotsOver(new ArrayBuffer(16 * (batch.rows + 64)), 0, batch.rows + 64); // room for the recursion's halves
  const n = sizeOf(batch.inner.shape);
  const outs = plan.call.kernel.outputs.map((id) => {
    const dtype = plan.call.kernel.nodes[id]?.dtype as DType; // output ids are in range
    return new NDArray(dtype, allocate(dtype, Math.min(n, TILE)), [Math.min(n, TILE)]);
  });
  const own = inputs.map((x) => x.offset);
  for (let r = 0; r < batch.rows; r++) {
    const base = batch.offsets.map((offset, k) => offset - (own[k] as number) + r * (batch.steps[k] as number));
    const nest: LoopNest = {
      ...batch.inner,
      offsets: batch.inner.offsets.map((offset, k) => offset + (base[k] as number)),
    };
    reduceRange({ plan, nest, inputs, outs, slots }, 0, n, r, batch.rows);
  }
  return slots;
}

interface Row {
  readonly plan: ReducePlan;
  readonly nest: LoopNest;
  readonly inputs: readonly NDArray[];
  readonly outs: readonly NDArray[];
  readonly slots: Slots;
}

/** Elements `first … first + n` of a row into slot `into`; `spare` and the slots after it are free. */
function reduceRange(row: Row, first: number, n: number, into: number, spare: number): void {
  const { plan, slots } = row;
  if (n <= TILE) {
    evaluate(row, row.nest, first, n, 0);
    accumulateTile(
      plan.kind,
      row.outs[0]?.data as never,
      plan.counted ? (row.outs[1]?.data ?? null) : null,
      n,
      slots,
      into,
      slotKind(plan.dtype),
    );
    return;
  }
  const cut = pairwiseCut(n);
  reduceRange(row, first, cut, into, spare);
  reduceRange(row, first + cut, n - cut, spare, spare + 1);
  joinSlot(plan.kind, slotKind(plan.dtype), slots, into, slots, spare);
}

/** Compute elements `first … first + n` of the flat order of `nest` into the tiles from `at` on. */
function evaluate(row: Row, nest: LoopNest, first: number, n: number, at: number): void {
  if (n === 0) return;
  const [size = 1, ...rest] = nest.shape;
  const inner = sizeOf(rest);
  const shift = (i: number): number[] => nest.offsets.map((offset, k) => offset + i * (nest.strides[k]?.[0] ?? 0));
  const below = (i: number): LoopNest => ({
    shape: rest,
    strides: nest.strides.map((s) => s.slice(1)),
    offsets: shift(i),
  });
  const whole = (i: number, count: number, to: number): void => {
    const shape = nest.shape.length === 0 ? [] : [count, ...rest];
    let step = 1;
    const tile = shape.map(() => 0);
    for (let k = shape.length - 1; k >= 0; k--) {
      tile[k] = step;
      step *= shape[k] as number; // k < length
    }
    runNest(
      row.plan.call,
      {
        shape,
        strides: [...row.outs.map(() => tile), ...nest.strides],
        offsets: [...row.outs.map(() => to), ...shift(i)],
      },
      row.outs,
      row.inputs,
    );
  };
  if (inner === 1 || (first === 0 && n === size * inner)) return whole(first / inner, n / inner, at);
  let [i, from, left, to] = [Math.floor(first / inner), first % inner, n, at];
  if (from > 0 || left < inner) {
    const m = Math.min(left, inner - from);
    evaluate(row, below(i), from, m, to);
    [i, from, left, to] = [i + 1, 0, left - m, to + m];
  }
  const rows = Math.floor(left / inner);
  if (rows > 0) whole(i, rows, to);
  evaluate(row, below(i + rows), 0, left - rows * inner, to + rows * inner);
}
