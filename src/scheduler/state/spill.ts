/** Disk beside memory: what a worker may hold when graphs need more than its memory, and which of it is needed last. */
import { CELL, RANK, type Slot, STATE, WAITERS } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerFacts } from "./events.ts";
import { isActive } from "./states.ts";

/** Share of its memory that a worker may fill ahead of the heads, where they alone may need all of it. */
const AHEAD = 1 / 4;
/** Later than every rank: dependents whose turn is not known yet. */
const UNRANKED = 2 ** 31;
/** Later than that: batches that are not open. */
const NOT_OPEN = 2 ** 32;

/**
 * Bytes that may be live at a worker, in its memory and on its disk. What fits its memory stays there: the disk is for
 * open batches that need more at the least, and as much as that, with a little room for what runs ahead: none where some
 * of their blocks may not leave memory.
 */
export function capacityOf(core: Core, { budgetBytes, spillBytes = 0 }: WorkerFacts): number {
  if (budgetBytes === null) return Number.POSITIVE_INFINITY;
  const ahead = core.openInMemory > 0 ? 0 : budgetBytes * AHEAD;
  const wished = core.openLeastBytes + ahead;
  return Math.max(budgetBytes, Math.min(budgetBytes + spillBytes, wished));
}

const dependents: Slot[] = [];

/** When a result is needed next, as a number that grows with the distance: the smallest rank of a dependent that has not run. */
export function nextUseOf(core: Core, slot: Slot): number {
  const count = core.dependentsOf(slot, dependents);
  const { columns } = core;
  let next = Number.POSITIVE_INFINITY;
  let known = 0;
  for (let i = 0; i < count; i++) {
    const dependent = dependents[i] as Slot; // i < count
    const state = columns.cells[(dependent << CELL) + STATE] as number; // a slot given out
    if (isActive(state)) {
      known++;
      const isOpen = core.batchOf(dependent)?.state === "open";
      next = Math.min(next, (columns.cells[(dependent << CELL) + RANK] as number) + (isOpen ? 0 : NOT_OPEN));
    }
  }
  // Claimed by tasks that the order has not come to.
  return (columns.cells[(slot << CELL) + WAITERS] as number) > known ? Math.min(next, UNRANKED) : next;
}
