/**
 * The end of many tasks of one symbolic graph at one worker, in one loop over columns: what they have in common is looked up
 * once. It says and leaves the same as `fused.ts` for each of them.
 */
import { MANY_LINKS, NO_LINKS, scalarIn, type TaskId } from "../../graph/index.ts";
import { endArrival, setBytes, unexpect } from "./admission.ts";
import type { LayerBatch } from "./batches.ts";
import {
  CELL,
  DEATHS,
  DEPENDENTS,
  FLAG_FOLLOWS,
  FLAGS,
  HOLDER,
  LINK_BITS,
  LINK_COUNT,
  LINK_COUNT_BITS,
  LINKS,
  MISSING,
  PAGE,
  PAGE_BITS,
  RANK,
  type Slot,
  STATE,
  WAITERS,
  WANTS,
  WORKER,
} from "./columns.ts";
import type { Core } from "./core.ts";
import type { SchedulerEvent } from "./events.ts";
import { countMoves, inputSlots, slotAt } from "./fused.ts";
import { meanWith, setMean } from "./load.ts";
import type { NewsOf } from "./news.ts";
import type { Rows } from "./rows.ts";
import { MEMORY, NO_WORKER, PROCESSING, QUEUED, RELEASED, WAITING } from "./states.ts";
import { moveOf } from "./story.ts";
import { tellMemory } from "./tell.ts";
import type { ClientState } from "./workers.ts";

const PROCESSING_MEMORY = moveOf(PROCESSING, MEMORY);
const WAITING_QUEUED = moveOf(WAITING, QUEUED);

/** Columns of what a worker finished. */
export type Finished = Extract<SchedulerEvent, { type: "tasks-finished" }>;

/** Bytes that a worker says of a result, if that can be. */
export function bytesIn(event: Finished, at: number): number {
  const bytes = event.nbytes[at] as number; // a row of the event
  return bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER ? bytes : 0;
}

/** Filled and read within one function. */
const inputs: Slot[] = [];
const users: TaskId[] = [];

/**
 * Finish rows of an event, up to the first that is not as it was sent, or of which something is unusual; gives that row.
 * Claims end, and what waited for these tasks alone is ready. The worker is to be refreshed when all are done.
 */
export function finishRows(core: Core, of: NewsOf, event: Finished, { from, to }: Rows): number {
  const { worker, batch } = of;
  const { cells, nbytes } = core.columns;
  const { tasks, runIds, seconds } = event;
  const { pages } = batch;
  const { index } = worker;
  canRun = core.eligible(batch.taskClass).length > 0;
  becameReady = 0;
  listener = listenerFor(core, of, event);
  let mean = worker.meanTaskMs;
  let row = from;
  core.story.open(batch);
  for (; row < to; row++) {
    const task = tasks[row] as number; // row < to
    if (task >= batch.count) break;
    const page = pages[task >>> PAGE_BITS] as number; // one per page
    const slot = page + (task & (PAGE - 1));
    if (
      page < 0 ||
      cells[(slot << CELL) + WORKER] !== index ||
      core.columns.runIdOf(slot) !== runIds[row] ||
      cells[(slot << CELL) + STATE] !== PROCESSING
    )
      break;
    if (cells[(slot << CELL) + FLAGS] !== 0 || cells[(slot << CELL) + DEPENDENTS] !== 0) break;
    const bytes = bytesIn(event, row);
    if (nbytes[slot] !== bytes) setBytes(core, slot, bytes);
    const spent = seconds[row] as number;
    if (spent >= 0) mean = meanWith(mean, spent * 1000);
    if (event.kinds) core.scalar = scalarIn(event, row);
    finish(core, of, task, slot);
  }
  core.scalar = undefined;
  countMoves(core, PROCESSING, MEMORY, row - from);
  countMoves(core, WAITING, QUEUED, becameReady);
  if (!Object.is(mean, worker.meanTaskMs)) setMean(core, worker, mean);
  return row;
}

/** While rows are finished: somebody may run what becomes ready; so many tasks did. */
let canRun = false;
let becameReady = 0;
/** The only client, if it is told of all of them in columns. */
let listener: ClientState | null = null;

function listenerFor(core: Core, { worker, batch }: NewsOf, { kinds }: Finished): ClientState | null {
  if (core.clients.size !== 1 || batch.isKeyed || kinds || !worker.facts.isColumnar) return null;
  const [client] = core.clients.values();
  return client?.isColumnar ? client : null;
}

function finish(core: Core, of: NewsOf, task: TaskId, slot: Slot): void {
  const { worker, batch } = of;
  const { columns } = core;
  const at = slot << CELL;
  const { cells } = columns;
  const { edges } = batch;
  cells[at + WORKER] = -1;
  worker.processing.delete(slot);
  if (worker.longRunning.size > 0 && worker.longRunning.delete(slot)) core.longRunning--;
  const isFetching = worker.arriving > 0;
  const layer = edges.layerOf(task);
  const away = edges.inputAway[layer] as number; // one per layer
  if (away === MANY_LINKS) {
    const n = inputSlots(core, batch, slot, inputs);
    for (let i = 0; i < n; i++) spend(core, of, inputs[i] as Slot, isFetching); // i < n, and it has claimed it
  } else if (away !== NO_LINKS) spend(core, of, slotAt(batch, task - away), isFetching);
  worker.has.addOwn(slot);
  cells[at + HOLDER] = worker.index;
  if (worker.seeking.size > 0) worker.seeking.delete(slot);
  const reserved = columns.reserved[slot] as number;
  columns.reserved[slot] = 0;
  // No finished prefix has it: it was active until now.
  const isCounted = isFetching && endArrival(core, slot, worker);
  worker.extraBytes += (isCounted ? 0 : (columns.nbytes[slot] as number)) - reserved;
  cells[at + STATE] = MEMORY;
  cells[at + DEATHS] = 0;
  core.story.note(task, PROCESSING_MEMORY);
  const rank = cells[at + RANK] as number;
  batch.activeRanks.delete(rank);
  batch.order.settle(rank);
  const isClaimed = (cells[at + WAITERS] as number) > 0;
  if (isClaimed) {
    const user = edges.userAway[layer] as number; // one per layer
    if (user === MANY_LINKS) supplyAll(core, batch, task, slot);
    else if (user !== NO_LINKS) supply(core, batch, task - user);
  }
  cells[at + LINK_COUNT] = 0;
  if ((cells[at + WANTS] as number) > 0) {
    // No copies of it are known: it was being made until now.
    if (listener) core.tellTask(listener.id, of, task);
    else tellMemory(core, slot);
  } else if (!isClaimed) core.recommend(slot, RELEASED);
}

/** A claim on an input ends; one that nobody needs any more goes. */
function spend(core: Core, { worker }: NewsOf, input: Slot, isFetching: boolean): void {
  const { cells } = core.columns;
  if (isFetching && cells[(input << CELL) + HOLDER] !== worker.index) unexpect(core, input, worker);
  const left = (cells[(input << CELL) + WAITERS] as number) - 1;
  cells[(input << CELL) + WAITERS] = left;
  if (left === 0 && cells[(input << CELL) + WANTS] === 0) core.recommend(input, RELEASED);
}

function supplyAll(core: Core, batch: LayerBatch, task: TaskId, slot: Slot): void {
  const { cells, links } = core.columns;
  const noted = (cells[(slot << CELL) + LINK_COUNT] as number) >> LINK_COUNT_BITS; // a slot given out
  if (noted > 0) {
    const first = (slot << LINK_BITS) + LINKS;
    for (let i = 0; i < noted - 1; i++) supply(core, batch, links[first + i] as TaskId); // within the row
    return;
  }
  const n = batch.edges.dependents(task, users);
  for (let i = 0; i < n; i++) supply(core, batch, users[i] as TaskId); // i < n
}

/** A task that waited for one that is done misses an input less; if it misses none it is ready. */
function supply(core: Core, batch: LayerBatch, user: TaskId): void {
  const { cells } = core.columns;
  const page = batch.pages[user >>> PAGE_BITS] as number; // a task of the graph
  const slot = page + (user & (PAGE - 1));
  if (page < 0 || cells[(slot << CELL) + STATE] !== WAITING) return;
  const left = (cells[(slot << CELL) + MISSING] as number) - 1;
  cells[(slot << CELL) + MISSING] = left;
  if (left > 0) return;
  if (((cells[(slot << CELL) + FLAGS] as number) & FLAG_FOLLOWS) !== 0) core.recommend(slot, PROCESSING);
  else if (canRun) {
    becameReady++;
    cells[(slot << CELL) + STATE] = QUEUED;
    core.story.note(user, WAITING_QUEUED);
    batch.queue.push(slot);
  } else core.recommend(slot, NO_WORKER);
}
