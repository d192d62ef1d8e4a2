/**
 * Results of one symbolic graph that nobody needs any more go, and their tasks with them, in one loop over columns. It says
 * and leaves the same as the table of `transitions.ts` for each of them.
 */
import type { TaskId } from "../../graph/index.ts";
import { removeHolder } from "./admission.ts";
import type { LayerBatch } from "./batches.ts";
import {
  BATCH,
  CELL,
  DEATHS,
  DEPENDENTS,
  FLAGS,
  HOLDER,
  PAGE_BITS,
  RANK,
  RETRIES,
  type Slot,
  STATE,
  TASK,
  WAITERS,
  WANTS,
} from "./columns.ts";
import type { Core } from "./core.ts";
import { countMoves, isAlone } from "./fused.ts";
import { goesAsColumn } from "./outgoing.ts";
import type { RowList } from "./rows.ts";
import { ERRED, FORGOTTEN, MEMORY, RELEASED } from "./states.ts";
import { moveOf } from "./story.ts";
import type { WorkerState } from "./workers.ts";

const MEMORY_FORGOTTEN = moveOf(MEMORY, FORGOTTEN);

/**
 * Release the task that is recommended next, which is in memory, and those behind it that can go the same way; false where
 * the table has to see to it.
 */
export function releaseMany(core: Core, first: Slot): boolean {
  const batch = core.batchOf(first);
  if (batch === null || !isAlone(core, batch) || core.counts[ERRED] !== 0) return false;
  const { recommended, story, outgoing, stolenFor } = core;
  const { cells, nbytes, replicas } = core.columns;
  const { index, retries } = batch;
  const covered = coveredRanks(batch);
  story.open(batch);
  let gone = 0;
  let holder = -1;
  let worker: WorkerState | undefined;
  let frees: RowList | null = null;
  for (let slot = first; slot >= 0; slot = recommended.slot) {
    const at = slot << CELL;
    if (cells[at + STATE] !== MEMORY || recommended.to !== RELEASED || cells[at + BATCH] !== index) break;
    if (!isUnused(cells, at) || (replicas.size > 0 && replicas.has(slot))) break;
    if (cells[at + HOLDER] !== holder) {
      holder = cells[at + HOLDER] as number;
      worker = core.workerOf[holder];
      frees = worker && goesAsColumn(worker, batch) ? outgoing.freesOf(worker, batch) : null;
    }
    if (!worker) break;
    recommended.shift();
    gone++;
    if (worker.has.deleteOwn(slot)) {
      cells[at + HOLDER] = -1;
      if ((cells[at + RANK] as number) >= covered) worker.extraBytes -= nbytes[slot] as number;
    } else removeHolder(core, slot, worker);
    const task = cells[at + TASK] as number;
    if (frees) outgoing.freeRows.add(frees, task);
    else outgoing.freeKey(worker, batch.graph.key(task));
    story.note(task, MEMORY_FORGOTTEN);
    cells[at + STATE] = FORGOTTEN;
    cells[at + DEATHS] = 0;
    cells[at + RETRIES] = retries;
    if (stolenFor.size > 0) stolenFor.delete(slot);
    forgetIn(core, batch, task);
  }
  countMoves(core, MEMORY, FORGOTTEN, gone);
  batch.live -= gone;
  if (batch.live === 0) core.emptied.add(batch);
  return gone > 0;
}

/** Blocks of ranks before this one are counted by no worker. */
function coveredRanks({ state, taskClass, head }: LayerBatch): number {
  return state === "open" && taskClass.language !== "js" ? head : 0;
}

/** True when nobody needs the task in the cell, and nothing unusual is known of it. */
function isUnused(cells: Int32Array, at: number): boolean {
  return (
    cells[at + WANTS] === 0 && cells[at + WAITERS] === 0 && cells[at + FLAGS] === 0 && cells[at + DEPENDENTS] === 0
  );
}

/** One task less is known of its page. */
function forgetIn(core: Core, batch: LayerBatch, task: TaskId): void {
  const page = task >>> PAGE_BITS;
  const known = (batch.pageKnown[page] as number) - 1; // one per page
  batch.pageKnown[page] = known;
  if (known === 0) core.quietPages.push({ batch, task });
}
