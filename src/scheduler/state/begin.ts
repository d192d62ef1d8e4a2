/**
 * The beginning of many tasks of one symbolic graph to which its order has come, in one loop over columns. It says and leaves
 * the same as the table of `transitions.ts` for each of them.
 */
import { LISTED, MANY_LINKS, NO_LINKS, type PlacedRows, type TaskId, type TaskLists } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import {
  CELL,
  type Columns,
  FLAG_ROOT,
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
  PAGE_BITS,
  PLACE,
  type Slot,
  STATE,
  TASK,
  WAITERS,
  WANTS,
} from "./columns.ts";
import type { Core } from "./core.ts";
import { countMoves, slotAt } from "./fused.ts";
import type { Rows } from "./rows.ts";
import { FORGOTTEN, isActive, MEMORY, NO_WORKER, QUEUED, RELEASED, WAITING } from "./states.ts";
import { moveOf } from "./story.ts";

const FORGOTTEN_WAITING = moveOf(FORGOTTEN, WAITING);
const RELEASED_WAITING = moveOf(RELEASED, WAITING);
const WAITING_QUEUED = moveOf(WAITING, QUEUED);

/** Where inputs of the task that is begun are; see PLACE. */
let near = NEAR_NONE;

/** Tasks that the order has just come to, by row; their ranks follow each other. */
export interface PlannedPiece {
  readonly rows: PlacedRows;
  /** Tasks that claim each. */
  readonly users: Uint32Array;
  readonly slots: Int32Array;
  firstRank: number;
  /** Tasks without inputs are begun from pieces; see `pieces.ts`. */
  isCut: boolean;
}

/** Begin rows of a piece, up to the first that the table has to see to; gives that row. */
export function beginRows(core: Core, batch: LayerBatch, piece: PlannedPiece, { from, to }: Rows): number {
  const { columns, story } = core;
  const { cells, need, nbytes } = columns;
  const { rows, users, slots, firstRank, isCut } = piece;
  const { edges, queue, pageKnown } = batch;
  const canRun = core.eligible(batch.taskClass).length > 0;
  let fresh = 0;
  let ready = 0;
  story.open(batch);
  let row = from;
  for (; row < to; row++) {
    const slot = slots[row] as Slot; // row < to
    const at = slot << CELL;
    const state = cells[at + STATE] as number;
    if (state !== FORGOTTEN && state !== RELEASED) break;
    const task = cells[at + TASK] as number;
    const away = edges.inputAway[edges.layerOf(task)] as number; // one per layer
    let missing = 0;
    let inputs = 0;
    near = NEAR_NONE;
    if (away === MANY_LINKS) {
      inputs = rows.inputs.count[row] as number; // a row of the walk
      missing = missingOf(columns, batch, slot, rows.inputs, row);
      if (missing < 0) break;
    } else if (away !== NO_LINKS) {
      const input = slotAt(batch, task - away) << CELL;
      if (cells[input + STATE] === MEMORY) near = NEAR + (cells[input + HOLDER] as number);
      else if (isActive(cells[input + STATE] as number)) missing = 1;
      else break;
    }
    if (state === FORGOTTEN) {
      fresh++;
      pageKnown[task >>> PAGE_BITS] = (pageKnown[task >>> PAGE_BITS] as number) + 1; // one per page
    }
    const isRoot = away === MANY_LINKS ? inputs === 0 && edges.isRoot(task) : away === NO_LINKS;
    if (isCut && isRoot) cells[at + FLAGS] = (cells[at + FLAGS] as number) | FLAG_ROOT;
    const waiters = (cells[at + WAITERS] as number) + (users[row] as number);
    cells[at + WAITERS] = waiters;
    cells[at + MISSING] = missing;
    cells[at + PLACE] = near;
    const noted = away === MANY_LINKS && inputs <= LINKS ? inputs + 1 : 0;
    cells[at + LINK_COUNT] = noted | (noteUsers(columns, slot, rows.users, row) << LINK_COUNT_BITS);
    if (Number.isNaN(need[slot])) {
      nbytes[slot] = rows.nbytes[row] as number; // the same
      need[slot] = rows.need[row] as number;
    }
    story.note(task, state === FORGOTTEN ? FORGOTTEN_WAITING : RELEASED_WAITING);
    if (missing > 0) cells[at + STATE] = WAITING;
    else if (canRun) {
      ready++;
      cells[at + STATE] = QUEUED;
      story.note(task, WAITING_QUEUED);
      queue.push(slot);
    } else {
      cells[at + STATE] = WAITING;
      core.recommend(slot, NO_WORKER);
    }
    if (waiters === 0 && cells[at + WANTS] === 0) core.recommend(slot, RELEASED);
  }
  const early = row - from - fresh;
  batch.live += fresh;
  batch.early -= early;
  countMoves(core, FORGOTTEN, WAITING, fresh);
  countMoves(core, RELEASED, WAITING, early);
  countMoves(core, WAITING, QUEUED, ready);
  batch.activeRanks.addNew(firstRank + from, firstRank + row);
  return row;
}

/** Filled and read within one function. */
const asked: TaskId[] = [];

/** Inputs of the task of a row that are not in memory, noted by slot if they are few; -1: one is neither, nor will be. */
function missingOf(columns: Columns, batch: LayerBatch, slot: Slot, { tasks, count }: TaskLists, row: number): number {
  const { cells, links } = columns;
  const n = count[row] as number; // a row
  if (n > LINKS) return missingOfMany(cells, batch, cells[(slot << CELL) + TASK] as number);
  const first = slot << LINK_BITS;
  const from = LISTED * row;
  let missing = 0;
  for (let i = 0; i < n; i++) {
    const input = slotAt(batch, tasks[from + i] as TaskId); // i < n
    links[first + i] = input;
    const state = cells[(input << CELL) + STATE] as number;
    if (state === MEMORY) noteNear(cells[(input << CELL) + HOLDER] as number);
    else if (isActive(state)) missing++;
    else return -1;
  }
  return missing;
}

/** The same of one with more inputs than are noted. */
function missingOfMany(cells: Int32Array, batch: LayerBatch, task: TaskId): number {
  const n = batch.edges.dependencies(task, asked);
  let missing = 0;
  for (let i = 0; i < n; i++) {
    const at = slotAt(batch, asked[i] as TaskId) << CELL; // i < n
    const state = cells[at + STATE] as number;
    if (state === MEMORY) noteNear(cells[at + HOLDER] as number);
    else if (isActive(state)) missing++;
    else return -1;
  }
  return missing;
}

/** One more input of the task that is begun is at this worker. */
function noteNear(holder: number): void {
  if (near === NEAR_NONE) near = NEAR + holder;
  else if (near !== NEAR + holder) near = NEAR_SOME;
}

/** Note the dependents of the task of a row, if they are few and told by a list; gives their number plus one, 0 if they are not noted. */
function noteUsers({ links }: Columns, slot: Slot, { tasks, count }: TaskLists, row: number): number {
  const n = count[row] as number; // a row
  if (n === 0 || n > LINKS) return 0;
  const first = (slot << LINK_BITS) + LINKS;
  const from = LISTED * row;
  for (let i = 0; i < n; i++) links[first + i] = tasks[from + i] as TaskId; // i < n
  return n + 1;
}
