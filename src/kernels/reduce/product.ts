/**
 * Products: every cell's elements one after the other in C order, as NumPy multiplies them. float16 multiplies the
 * innermost rows in float32 and rounds at each row's end. Latency bound: about a nanosecond an element along rows.
 */

import { sizeOf } from "../../ndarray/index.ts";
import { forEachOuter } from "../map/loop.ts";
import { rounded, type Slots, slotKind, slotsOver } from "./accumulate.ts";
import { batchOf, cellWriter, eachRun, type Job, joinOffsets, rowsOf, type Target } from "./job.ts";
import type { ReducePlan } from "./plan.ts";
import { ROW_BATCH, reduceRows, slotsOfBatch } from "./rows.ts";

function startSlots(plan: ReducePlan, slots: Slots, count: number): void {
  for (let r = 0; r < count; r++)
    if (slotKind(plan.dtype) === "f64") slots.f64[2 * r] = 1;
    else slots.i64[2 * r] = 1n;
}

function endRow(plan: ReducePlan, slots: Slots, r: number): void {
  if (plan.kind === "prod-half") slots.f64[2 * r] = rounded(plan.kind, slots.f64[2 * r] as number);
}

/** Multiply the rows of each cell. */
export function multiplyRows(plan: ReducePlan, job: Job, target: Target): void {
  const rows = rowsOf(job);
  const write = cellWriter(plan, target);
  const one = slotsOver(new ArrayBuffer(16), 0, 1);
  const slots = slotsOfBatch();
  if (sizeOf(rows.outer.shape) === 1) {
    eachRun(job, ROW_BATCH, ({ count, offsets, steps }) => {
      startSlots(plan, slots, count);
      reduceRows(plan, batchOf(job, rows, { n: rows.n, rows: count }, { rowSteps: steps, offsets }), job.inputs);
      for (let r = 0; r < count; r++) {
        endRow(plan, slots, r);
        one.i64[0] = slots.i64[2 * r] as bigint;
        one.f64[1] = slots.f64[2 * r + 1] as number;
        write(one);
      }
    });
    return;
  }
  const still = rows.steps.map(() => 0);
  const flat = sizeOf(job.axes.suffix.map((k) => job.shape[k] as number));
  eachRun(job, 1, ({ offsets }) => {
    let [count, done] = [0, 0];
    startSlots(plan, one, 1);
    forEachOuter(rows.outer, rows.outer.shape.length, (at) => {
      slots.i64[0] = one.i64[0] as bigint;
      const from = joinOffsets(job, offsets, at);
      reduceRows(plan, batchOf(job, rows, { n: rows.n, rows: 1 }, { rowSteps: still, offsets: from }), job.inputs);
      done += rows.n;
      if (done % flat === 0) endRow(plan, slots, 0); // a row in some layouts is several in others
      one.i64[0] = slots.i64[0] as bigint;
      count += slots.f64[1] as number;
    });
    one.f64[1] = count;
    write(one);
  });
}
