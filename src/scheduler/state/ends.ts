/**
 * The end of many tasks of one symbolic graph at one worker, in one loop over columns: what they have in common is looked up
 * once. It says and leaves the same as the table of `transitions.ts` for each of them.
 */
import { MANY_LINKS, NO_LINKS, scalarIn, type TaskId } from "../../graph/index.ts";
import { endArrival, setBytes, unexpect } from "./admission.ts";
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
  NEAR,
  NEAR_NONE,
  NEAR_SOME,
  PAGE,
  PAGE_BITS,
  PLACE,
  RANK,
  RUN_ID,
  type Slot,
  STATE,
  TASK,
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
import type { ClientState, WorkerState } from "./workers.ts";

const PROCESSING_MEMORY = moveOf(PROCESSING, MEMORY);
const WAITING_QUEUED = moveOf(WAITING, QUEUED);

/** Columns of what a worker finished. */
export type Finished = Extract<SchedulerEvent, { type: "tasks-finished" }>;

/** Bytes that a worker says of a result, if that can be. */
export function bytesIn(event: Finished, at: number): number {
  const bytes = event.nbytes[at] as number; // a row of the event
  return bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER ? bytes : 0;
}

/** Rows that are gone through together: they stay in a processor's first cache. */
const MOST = 256;
/** Slots of the tasks of these rows. */
const ended = new Int32Array(MOST);
/** Filled and read within one function. */
const inputs: Slot[] = [];
const users: TaskId[] = [];

/**
 * Finish rows of an event, up to the first that is not as it was sent, or of which something is unusual; gives that row.
 * Claims end, and what waited for these tasks alone is ready. The worker is to be refreshed when all are done.
 */
export function finishRows(core: Core, of: NewsOf, event: Finished, { from, to }: Rows): number {
  canRun = core.eligible(of.batch.taskClass).length > 0;
  becameReady = 0;
  core.story.open(of.batch);
  let row = from;
  // What was sent ahead stays or is called off by the bytes of the moment: one ends after the other there, as by the table.
  const most = core.following > 0 ? 1 : MOST;
  for (let end = from; row === end && row < to; ) {
    end = Math.min(to, row + most);
    const first = row;
    row = accept(core, of, event, { from: first, to: end });
    const count = row - first;
    // None of them is an input of another: a task is sent when its inputs are there.
    endClaims(core, of, count);
    enterMemory(core, of, count);
    supplyUsers(core, of, count);
    tell(core, of, event, { from: first, to: row });
  }
  countMoves(core, PROCESSING, MEMORY, row - from);
  countMoves(core, WAITING, QUEUED, becameReady);
  return row;
}

/** While rows are finished: somebody may run what becomes ready; so many tasks did. */
let canRun = false;
let becameReady = 0;

/** Note the slots of rows that are as they were sent, which their worker has no more, and what it says of them; gives the first row that is not. */
function accept(core: Core, { worker, batch }: NewsOf, event: Finished, { from, to }: Rows): number {
  const { cells, nbytes } = core.columns;
  const { tasks, runIds, seconds } = event;
  const { pages, count } = batch;
  const { index } = worker;
  let mean = worker.meanTaskMs;
  let row = from;
  for (; row < to; row++) {
    const task = tasks[row] as number; // row < to
    const page = task < count ? (pages[task >>> PAGE_BITS] as number) : -1; // one per page
    if (page < 0) break;
    const slot = page + (task & (PAGE - 1));
    const at = slot << CELL;
    if (cells[at + WORKER] !== index || cells[at + STATE] !== PROCESSING) break;
    if (cells[at + RUN_ID] !== ((runIds[row] as number) | 0)) break;
    if (cells[at + FLAGS] !== 0 || cells[at + DEPENDENTS] !== 0) break;
    cells[at + WORKER] = -1;
    ended[row - from] = slot;
    const bytes = bytesIn(event, row);
    if (nbytes[slot] !== bytes) setBytes(core, slot, bytes);
    const spent = seconds[row] as number;
    if (spent >= 0) mean = meanWith(mean, spent * 1000);
  }
  if (!Object.is(mean, worker.meanTaskMs)) setMean(core, worker, mean);
  return row;
}

/** They have claimed their inputs until now. */
function endClaims(core: Core, of: NewsOf, count: number): void {
  const { batch } = of;
  const { cells } = core.columns;
  const { edges } = batch;
  const isFetching = of.worker.arriving > 0;
  for (let k = 0; k < count; k++) {
    const slot = ended[k] as Slot; // k < count
    const task = cells[(slot << CELL) + TASK] as number;
    const away = edges.inputAway[edges.layerOf(task)] as number; // one per layer
    if (away === MANY_LINKS) {
      const n = inputSlots(core, batch, slot, inputs);
      for (let i = 0; i < n; i++) spend(core, of, inputs[i] as Slot, isFetching); // i < n, and it has claimed it
    } else if (away !== NO_LINKS) spend(core, of, slotAt(batch, task - away), isFetching);
  }
}

/** Their results are at the worker. */
function enterMemory(core: Core, { worker, batch }: NewsOf, count: number): void {
  const { cells, nbytes, reserved } = core.columns;
  const { processing, has, index } = worker;
  const { activeRanks, order } = batch;
  const { story } = core;
  let bytes = 0;
  for (let k = 0; k < count; k++) {
    const slot = ended[k] as Slot; // k < count
    const at = slot << CELL;
    processing.delete(slot);
    has.addOwn(slot);
    cells[at + HOLDER] = index;
    // No finished prefix has it: it was active until now.
    bytes += (nbytes[slot] as number) - (reserved[slot] as number);
    reserved[slot] = 0;
    cells[at + STATE] = MEMORY;
    cells[at + DEATHS] = 0;
    story.note(cells[at + TASK] as number, PROCESSING_MEMORY);
    const rank = cells[at + RANK] as number;
    activeRanks.delete(rank);
    order.settle(rank);
  }
  worker.extraBytes += bytes;
  if (worker.arriving > 0 || worker.seeking.size > 0 || worker.longRunning.size > 0) endUnusual(core, worker, count);
}

/** Some were asked for or under way there, or had given their threads back. */
function endUnusual(core: Core, worker: WorkerState, count: number): void {
  for (let k = 0; k < count; k++) {
    const slot = ended[k] as Slot; // k < count
    worker.seeking.delete(slot);
    if (worker.longRunning.delete(slot)) core.longRunning--;
    // Counted since it was on its way.
    if (endArrival(core, slot, worker)) worker.extraBytes -= core.columns.nbytes[slot] as number;
  }
}

/** What waited for them misses an input less. */
function supplyUsers(core: Core, of: NewsOf, count: number): void {
  const { cells, links } = core.columns;
  const { edges } = of.batch;
  for (let k = 0; k < count; k++) {
    const slot = ended[k] as Slot; // k < count
    const at = slot << CELL;
    const noted = (cells[at + LINK_COUNT] as number) >> LINK_COUNT_BITS;
    cells[at + LINK_COUNT] = 0;
    if ((cells[at + WAITERS] as number) === 0) continue;
    const task = cells[at + TASK] as number;
    if (noted > 0) {
      const first = (slot << LINK_BITS) + LINKS;
      for (let i = 0; i < noted - 1; i++) supply(core, of, links[first + i] as TaskId); // within the row
      continue;
    }
    const away = edges.userAway[edges.layerOf(task)] as number; // one per layer
    if (away === MANY_LINKS) {
      const n = edges.dependents(task, users);
      for (let i = 0; i < n; i++) supply(core, of, users[i] as TaskId); // i < n
    } else if (away !== NO_LINKS) supply(core, of, task - away);
  }
}

/** Whoever wants them hears of it; what nobody needs goes. */
function tell(core: Core, of: NewsOf, event: Finished, { from, to }: Rows): void {
  const { cells } = core.columns;
  const listener = listenerFor(core, of, event);
  for (let row = from; row < to; row++) {
    const slot = ended[row - from] as Slot; // one per row
    const at = slot << CELL;
    if ((cells[at + WANTS] as number) > 0) {
      if (event.kinds) core.scalar = scalarIn(event, row);
      // No copies of it are known: it was being made until now.
      if (listener) core.tellTask(listener.id, of, cells[at + TASK] as number);
      else tellMemory(core, slot);
    } else if (cells[at + WAITERS] === 0) core.recommend(slot, RELEASED);
  }
  core.scalar = undefined;
}

/** The only client, if it is told of all of them in columns. */
function listenerFor(core: Core, { worker, batch }: NewsOf, { kinds }: Finished): ClientState | null {
  if (core.clients.size !== 1 || batch.isKeyed || kinds || !worker.facts.isColumnar) return null;
  const [client] = core.clients.values();
  return client?.isColumnar ? client : null;
}

/** A claim on an input ends; one that nobody needs any more goes. */
function spend(core: Core, { worker }: NewsOf, input: Slot, isFetching: boolean): void {
  const { cells } = core.columns;
  if (isFetching && cells[(input << CELL) + HOLDER] !== worker.index) unexpect(core, input, worker);
  const left = (cells[(input << CELL) + WAITERS] as number) - 1;
  cells[(input << CELL) + WAITERS] = left;
  if (left === 0 && cells[(input << CELL) + WANTS] === 0) core.recommend(input, RELEASED);
}

/** A task that waited for one that is done misses an input less; if it misses none it is ready. */
function supply(core: Core, { worker, batch }: NewsOf, user: TaskId): void {
  const { cells } = core.columns;
  const page = batch.pages[user >>> PAGE_BITS] as number; // a task of the graph
  const slot = page + (user & (PAGE - 1));
  if (page < 0 || cells[(slot << CELL) + STATE] !== WAITING) return;
  const at = slot << CELL;
  const left = (cells[at + MISSING] as number) - 1;
  cells[at + MISSING] = left;
  const near = cells[at + PLACE] as number;
  if (near !== NEAR + worker.index) cells[at + PLACE] = near === NEAR_NONE ? NEAR + worker.index : NEAR_SOME;
  if (left > 0) return;
  if (((cells[(slot << CELL) + FLAGS] as number) & FLAG_FOLLOWS) !== 0) core.recommend(slot, PROCESSING);
  else if (canRun) {
    becameReady++;
    cells[(slot << CELL) + STATE] = QUEUED;
    core.story.note(user, WAITING_QUEUED);
    batch.queue.push(slot);
  } else core.recommend(slot, NO_WORKER);
}
