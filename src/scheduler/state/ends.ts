/**
 * The end of many tasks of one symbolic graph at one worker, in one loop over columns: what they have in common is looked up
 * once. It says and leaves the same as `fused.ts` for each of them.
 */
import { MANY_LINKS, NO_LINKS, scalarIn, type TaskId } from "../../graph/index.ts";
import { endArrival, setBytes, unexpect } from "./admission.ts";
import type { LayerBatch } from "./batches.ts";
import { FLAG_FOLLOWS, PAGE, PAGE_BITS, type Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { SchedulerEvent } from "./events.ts";
import { becomeReady, countMoves, slotAt } from "./fused.ts";
import { meanWith, setMean } from "./load.ts";
import type { NewsOf } from "./news.ts";
import { MEMORY, NO_WORKER, PROCESSING, RELEASED, WAITING } from "./states.ts";
import { moveOf } from "./story.ts";
import { tellMemory } from "./tell.ts";

const PROCESSING_MEMORY = moveOf(PROCESSING, MEMORY);

/** Columns of what a worker finished. */
export type Finished = Extract<SchedulerEvent, { type: "tasks-finished" }>;

/** Bytes that a worker says of a result, if that can be. */
export function bytesIn(event: Finished, at: number): number {
  const bytes = event.nbytes[at] as number; // a row of the event
  return bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER ? bytes : 0;
}

/** Rows `from` up to `to` of an event. */
export interface Rows {
  readonly from: number;
  readonly to: number;
}

/** Filled and read within one function. */
const inputs: TaskId[] = [];
const users: TaskId[] = [];

/**
 * Finish rows of an event, up to the first that is not as it was sent, or of which something is unusual; gives that row.
 * Claims end, and what waited for these tasks alone is ready. The worker is to be refreshed when all are done.
 */
export function finishRows(core: Core, of: NewsOf, event: Finished, { from, to }: Rows): number {
  const { worker, batch } = of;
  const { state, flags, dependents, nbytes, runId } = core.columns;
  const { tasks, runIds, seconds } = event;
  const at = core.columns.worker;
  const { index } = worker;
  let mean = worker.meanTaskMs;
  let row = from;
  core.story.open(batch);
  for (; row < to; row++) {
    const task = tasks[row] as number; // row < to
    if (task >= batch.count) break;
    const page = batch.pages[task >>> PAGE_BITS] as number; // one per page
    const slot = page + (task & (PAGE - 1));
    if (page < 0 || at[slot] !== index || runId[slot] !== runIds[row] || state[slot] !== PROCESSING) break;
    if (flags[slot] !== 0 || dependents[slot] !== 0) break;
    const bytes = bytesIn(event, row);
    if (nbytes[slot] !== bytes) setBytes(core, slot, bytes);
    const spent = seconds[row] as number;
    if (spent >= 0) mean = meanWith(mean, spent * 1000);
    if (event.kinds) core.scalar = scalarIn(event, row);
    finish(core, of, task, slot);
  }
  core.scalar = undefined;
  countMoves(core, PROCESSING, MEMORY, row - from);
  if (!Object.is(mean, worker.meanTaskMs)) setMean(core, worker, mean);
  return row;
}

function finish(core: Core, of: NewsOf, task: TaskId, slot: Slot): void {
  const { worker, batch } = of;
  const { columns } = core;
  const { waiters, wants } = columns;
  columns.worker[slot] = -1;
  worker.processing.delete(slot);
  if (worker.longRunning.size > 0 && worker.longRunning.delete(slot)) core.longRunning--;
  const isFetching = worker.arriving > 0;
  const layer = batch.edges.layerOf(task);
  const away = batch.edges.inputAway[layer] as number; // one per layer
  let n = 0;
  if (away === MANY_LINKS) n = batch.edges.dependencies(task, inputs);
  else if (away !== NO_LINKS) {
    inputs[0] = task - away;
    n = 1;
  }
  for (let i = 0; i < n; i++) {
    const input = slotAt(batch, inputs[i] as TaskId); // i < n, and it has claimed it
    if (isFetching && columns.holder[input] !== worker.index) unexpect(core, input, worker);
    const left = (waiters[input] as number) - 1;
    waiters[input] = left;
    if (left === 0 && wants[input] === 0) core.recommend(input, RELEASED);
  }
  worker.has.addOwn(slot);
  columns.holder[slot] = worker.index;
  if (worker.seeking.size > 0) worker.seeking.delete(slot);
  const reserved = columns.reserved[slot] as number;
  columns.reserved[slot] = 0;
  // No finished prefix has it: it was active until now.
  const isCounted = isFetching && endArrival(core, slot, worker);
  worker.extraBytes += (isCounted ? 0 : (columns.nbytes[slot] as number)) - reserved;
  columns.state[slot] = MEMORY;
  columns.deaths[slot] = 0;
  core.story.note(task, PROCESSING_MEMORY);
  const rank = columns.rank[slot] as number;
  batch.activeRanks.delete(rank);
  batch.order.settle(rank);
  const isClaimed = (waiters[slot] as number) > 0;
  if (isClaimed) supply(core, batch, task, layer);
  if ((wants[slot] as number) > 0) tellMemory(core, slot);
  else if (!isClaimed) core.recommend(slot, RELEASED);
}

/** Tasks that waited for this one miss an input less; those that miss none are ready. */
function supply(core: Core, batch: LayerBatch, task: TaskId, layer: number): void {
  const { columns } = core;
  const canRun = core.eligible(batch.taskClass).length > 0;
  const away = batch.edges.userAway[layer] as number; // one per layer
  if (away === NO_LINKS) return;
  let n = 1;
  if (away === MANY_LINKS) n = batch.edges.dependents(task, users);
  else users[0] = task - away;
  for (let i = 0; i < n; i++) {
    const user = users[i] as TaskId; // i < n
    const page = batch.pages[user >>> PAGE_BITS] as number; // a task of the graph
    const slot = page + (user & (PAGE - 1));
    if (page < 0 || columns.state[slot] !== WAITING) continue;
    const missing = (columns.missing[slot] as number) - 1;
    columns.missing[slot] = missing;
    if (missing > 0) continue;
    if (((columns.flags[slot] as number) & FLAG_FOLLOWS) !== 0) core.recommend(slot, PROCESSING);
    else if (canRun) becomeReady(core, batch, slot);
    else core.recommend(slot, NO_WORKER);
  }
}
