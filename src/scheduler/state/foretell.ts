/**
 * A failure before an order has come to what fails with it: whoever wants one of those is told at once. That a result will
 * never come is not to be known only when all the rest is there.
 */
import type { TaskId } from "../../graph/index.ts";
import type { WireFailure } from "../../protocol/index.ts";
import { isPlanned, type LayerBatch, slotIfAny } from "./batches.ts";
import { CELL, type Slot, TASK } from "./columns.ts";
import type { Core } from "./core.ts";
import { TaskBits } from "./task-bits.ts";

/** Filled and read within one turn of the loop. */
const users: TaskId[] = [];

/**
 * A task of a batch has failed: tell clients of what they want, depends on it, and has no place in the order yet. Each task
 * is gone through once in a batch's life, however many fail.
 */
export function foretell(core: Core, batch: LayerBatch, slot: Slot, { exception, traceback }: WireFailure): void {
  batch.doomed ??= new TaskBits(batch.count);
  const { doomed, edges } = batch;
  const failed = core.columns.cells[(slot << CELL) + TASK] as number; // a slot given out
  const stack: TaskId[] = doomed.add(failed) ? [failed] : [];
  for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
    const count = edges.dependents(task, users);
    for (let i = 0; i < count; i++) {
      const user = users[i] as TaskId; // i < count
      if (!doomed.add(user)) continue;
      stack.push(user);
      const known = isPlanned(batch, user) ? slotIfAny(batch, user) : -1;
      if (known >= 0) core.report(known, { op: "task-erred", key: core.keyOf(known), exception, traceback });
    }
  }
}
