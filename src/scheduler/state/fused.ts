/**
 * The life of tasks of a symbolic graph in loops over columns. It leads to the same state as the table of
 * `transitions.ts`, which does it one move after another, for the tasks of which nothing is unusual; the others are left to
 * the table.
 */
import { NO_LINKS, type TaskId } from "../../graph/index.ts";
import { reserveNeed } from "./admission.ts";
import { leaveBacklog } from "./backlog.ts";
import { isPlanned, type LayerBatch } from "./batches.ts";
import {
  CELL,
  LINK_BITS,
  LINK_COUNT,
  LINK_COUNT_MASK,
  PAGE,
  PAGE_BITS,
  RUN_ID,
  type Slot,
  STATE,
  TASK,
  WORKER,
} from "./columns.ts";
import type { Core } from "./core.ts";
import { refreshSent } from "./load.ts";
import { FORGOTTEN, PROCESSING, QUEUED, RELEASED, WAITING } from "./states.ts";
import { moveOf } from "./story.ts";
import type { WorkerState } from "./workers.ts";

const FORGOTTEN_RELEASED = moveOf(FORGOTTEN, RELEASED);
const QUEUED_PROCESSING = moveOf(QUEUED, PROCESSING);

/** True when tasks of the batch can be moved here: all they have to do with is the batch's own, and nothing unusual is under way. */
export function isFused(core: Core, batch: LayerBatch): boolean {
  return batch.state === "open" && isAlone(core, batch);
}

/** The same but for being open. */
export function isAlone(core: Core, batch: LayerBatch): boolean {
  return (
    core.config.fused &&
    batch.aliases === null &&
    batch.users === 0 &&
    core.moving.size === 0 &&
    core.config.noWorkersTimeoutMs === null
  );
}

/** Count moves that {@link Core.enter} would make. */
export function countMoves(core: Core, from: number, to: number, moves: number): void {
  core.counts[from] = (core.counts[from] as number) - moves; // one per state
  core.counts[to] = (core.counts[to] as number) + moves;
  core.totals.transitions += moves;
}

function count(core: Core, from: number, to: number): void {
  countMoves(core, from, to, 1);
}

/** Slot of a task of which something is known. */
export function slotAt(batch: LayerBatch, task: TaskId): Slot {
  return (batch.pages[task >>> PAGE_BITS] as number) + (task & (PAGE - 1)); // a page that is there
}

/** A ready task goes to a columnar worker, with whatever else goes there in this round. */
export function send(core: Core, worker: WorkerState, slot: Slot): void {
  const { columns } = core;
  const batch = core.batchOf(slot) as LayerBatch; // of tasks that go in columns
  reserveNeed(core, slot, worker);
  columns.cells[(slot << CELL) + STATE] = PROCESSING;
  count(core, QUEUED, PROCESSING);
  core.story.open(batch);
  core.story.note(columns.cells[(slot << CELL) + TASK] as number, QUEUED_PROCESSING); // a slot given out
  batch.queue.remove(slot);
  if (core.waitsFor.size > 0) leaveBacklog(core, slot);
  worker.processing.add(slot);
  refreshSent(core, worker);
  core.run(worker, slot);
  if (mayDraw(batch, columns.cells[(slot << CELL) + TASK] as number)) core.drawing.push(slot);
}

/** True when the task may begin a chain: one of users' calls, which formulas do not say that nothing reads. */
export function mayDraw({ taskClass, edges }: LayerBatch, task: TaskId): boolean {
  return taskClass.language === "js" && edges.userAway[edges.layerOf(task)] !== NO_LINKS;
}

/** A ready task goes where it is sent, and fetches what is not there. */
export function sendThere(core: Core, worker: WorkerState, slot: Slot): void {
  core.columns.cells[(slot << CELL) + WORKER] = worker.index;
  core.columns.cells[(slot << CELL) + RUN_ID] = core.nextRunId++;
  core.totals.sent++;
  send(core, worker, slot);
}

/** Tasks that are wanted become known, the last first; the order has not come to them. */
export function knowAll(core: Core, batch: LayerBatch, slots: readonly Slot[]): void {
  const { cells } = core.columns;
  const before = batch.live;
  core.story.open(batch);
  for (let i = slots.length - 1; i >= 0; i--) {
    const slot = slots[i] as Slot; // i < length
    if (cells[(slot << CELL) + STATE] !== FORGOTTEN) continue;
    cells[(slot << CELL) + STATE] = RELEASED;
    core.story.note(cells[(slot << CELL) + TASK] as number, FORGOTTEN_RELEASED); // a slot given out
    know(batch, cells[(slot << CELL) + TASK] as number, 1);
    if (isPlanned(batch, cells[(slot << CELL) + TASK] as number)) batch.early++;
    if (core.isNeeded(slot)) core.recommend(slot, WAITING);
  }
  countMoves(core, FORGOTTEN, RELEASED, batch.live - before);
}

/** One more (1) or one less (-1) is known of the batch; gives how many are of the task's page. */
function know(batch: LayerBatch, task: TaskId, sign: 1 | -1): number {
  const page = task >>> PAGE_BITS;
  const known = (batch.pageKnown[page] as number) + sign; // one per page
  batch.pageKnown[page] = known;
  batch.live += sign;
  return known;
}

/** Slots of the inputs of an active task, into `out` from its start; gives their number. Callers have looked that there are many. */
export function inputSlots(core: Core, batch: LayerBatch, slot: Slot, out: Slot[]): number {
  const { cells, links } = core.columns;
  const known = (cells[(slot << CELL) + LINK_COUNT] as number) & LINK_COUNT_MASK; // a slot given out
  if (known > 0) {
    for (let i = 0; i < known - 1; i++) out[i] = links[(slot << LINK_BITS) + i] as Slot; // within the row
    return known - 1;
  }
  const n = batch.edges.dependencies(cells[(slot << CELL) + TASK] as number, out);
  for (let i = 0; i < n; i++) out[i] = slotAt(batch, out[i] as TaskId); // i < n
  return n;
}
