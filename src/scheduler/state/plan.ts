/**
 * The order of a symbolic graph, made as places for work appear. A task that the order comes to is known and active from
 * then on, and its dependents claim its result at once, whether the order has come to them or not. Tasks that it has not
 * come to cost nothing.
 */
import { PlacedRows, type TaskId } from "../../graph/index.ts";
import { dropPageIfDone, isPlanned, type LayerBatch, slotOf } from "./batches.ts";
import { beginRows, type PlannedPiece } from "./begin.ts";
import {
  CELL,
  FLAG_NEXT,
  FLAG_ROOT,
  FLAGS,
  PAGE,
  PAGE_BITS,
  RANK,
  type Slot,
  STATE,
  TASK,
  WAITERS,
} from "./columns.ts";
import type { Core } from "./core.ts";
import { isFused } from "./fused.ts";
import type { Pieces } from "./pieces.ts";
import { ERRED, FORGOTTEN, MEMORY, PROCESSING, RELEASED, WAITING } from "./states.ts";
import { dropClaims, settle, transition } from "./transitions.ts";
import type { WorkerState } from "./workers.ts";

/** Ready tasks wanted for each free place, so that those behind one that cannot be sent are looked at as well. */
const READY_PER_PLACE = 2;
/** Tasks that an order comes to at once, at the most. */
const PIECE_MOST = 4096;
/** Tasks that orders come to in one turn, if anything is ready by then; the next turn follows at once. */
const TURN_MOST = 16_384;
/** Where there are many workers: so many for each. */
const TURN_PER_WORKER = 8;

/** Tasks that an order comes to at once where it is cut into pieces, in times `orderAhead`: for each worker, and in all. */
const WINDOW_PER_WORKER = 4;
const WINDOW_LEAST = 64;
const WINDOW_MOST = 512;
/** The most where there are more than some thousand workers, for each, in the same unit: pieces are not to be a few tasks each. */
const WINDOW_MOST_PER_WORKER = 0.25;
/** A piece has so many tasks at the least. */
const TASKS_PER_PIECE = 8;

const pieceTasks = new Uint32Array(PIECE_MOST);
const piece: PlannedPiece = {
  rows: new PlacedRows(PIECE_MOST),
  users: new Uint32Array(PIECE_MOST),
  slots: new Int32Array(PIECE_MOST),
  firstRank: 0,
  isCut: false,
};

/** Let the orders of the open batches go on, the most urgent first, while there are more places than ready tasks; true when one did. */
export function planAhead(core: Core): boolean {
  if (core.places === 0) {
    // Who had nothing to begin has got something else meanwhile.
    for (const { pieces } of core.active) if (pieces) pieces.isHungry = false;
    return false;
  }
  const enough = core.places * READY_PER_PLACE;
  const all = Math.max(TURN_MOST, core.workers.size * TURN_PER_WORKER);
  const turn = { left: all };
  let ready = 0;
  for (const batch of byUrgency(core)) {
    if (ready >= enough && !batch.pieces?.isHungry) continue;
    const workers = isShared(core, batch) ? core.eligible(batch.taskClass) : [];
    if (workers.length > 0 ? !planPieces(core, batch, workers, turn) : !planSome(core, batch, enough - ready, turn)) {
      core.emit({ type: "wake-at", at: core.now });
      return true;
    }
    // Roots of pieces that somebody has are for nobody else.
    ready += batch.queue.size + (batch.pieces && batch.pieces.free.length > 0 ? batch.queue.roots.size : 0);
  }
  return turn.left < all;
}

/** Tasks that orders may come to in this turn. */
interface Turn {
  left: number;
}

/** True when a turn has come to enough tasks, and something is ready or under way. */
function isOver(core: Core, batch: LayerBatch, turn: Turn): boolean {
  return turn.left <= 0 && batch.queue.size + batch.queue.roots.size + (core.counts[PROCESSING] as number) > 0;
}

/** True when the order of a batch is cut into pieces for several workers. */
function isShared(core: Core, batch: LayerBatch): boolean {
  if (!batch.pieces) return false;
  return batch.pieces.covered > 0 || core.eligible(batch.taskClass).length > 1;
}

/** True when an order is to go on, because a worker has nothing to begin. */
export function isHungry(core: Core): boolean {
  for (const batch of core.active) if (batch.pieces?.isHungry && batch.state === "open") return true;
  return false;
}

/** Come to tasks until so many are ready; false when the turn is over before. */
function planSome(core: Core, batch: LayerBatch, enough: number, turn: Turn): boolean {
  while (batch.queue.size < enough && !batch.walk.isDone) {
    if (isOver(core, batch, turn)) return false;
    const wish = Math.min(PIECE_MOST, Math.max(core.config.orderAhead, enough - batch.queue.size));
    turn.left -= planPiece(core, batch, wish);
    batch.pieces?.cuts.drop(batch.head);
    settle(core);
  }
  return true;
}

/** Come to as many tasks as make good pieces, when nobody's are left, and cut them; false when the turn is over before. */
function planPieces(core: Core, batch: LayerBatch, workers: readonly WorkerState[], turn: Turn): boolean {
  const { order, walk } = batch;
  const pieces = batch.pieces as Pieces; // callers have looked
  const isUsedUp = pieces.isHungry || batch.queue.roots.size === 0;
  if (pieces.goal <= pieces.covered && !walk.isDone && isUsedUp) {
    const most = Math.max(WINDOW_MOST, workers.length * WINDOW_MOST_PER_WORKER);
    const whole = Math.max(WINDOW_LEAST, Math.min(most, workers.length * WINDOW_PER_WORKER));
    const window = whole * core.config.orderAhead;
    pieces.goal = pieces.covered + (walk.total - walk.ranked > window ? window >> 1 : window);
  }
  pieces.isHungry = false;
  while (order.count < pieces.goal && !walk.isDone) {
    if (isOver(core, batch, turn)) return false;
    turn.left -= planPiece(core, batch, Math.min(PIECE_MOST, pieces.goal - order.count), true);
    settle(core);
  }
  if (order.count === pieces.covered) return true;
  pieces.workers = Math.max(pieces.workers, workers.length);
  pieces.cuts.drop(batch.head);
  const { nthreads } = (workers[0] as WorkerState).facts; // there is one
  const most = Math.min(batch.queue.roots.size / nthreads, (order.count - pieces.covered) / TASKS_PER_PIECE);
  pieces.cut(order.count, Math.min(workers.length, Math.ceil(most)));
  return true;
}

function byUrgency(core: Core): LayerBatch[] {
  const open: LayerBatch[] = [];
  for (const batch of core.active) if (batch.state === "open" && !isPlannedOut(batch)) open.push(batch);
  return open.length < 2 ? open : open.sort((a, b) => a.urgency - b.urgency);
}

/** True when there is nothing to plan, nor to count. */
function isPlannedOut({ walk, queue, pieces, order }: LayerBatch): boolean {
  return walk.isDone && queue.size === 0 && (!pieces || pieces.covered === order.count || pieces.covered === 0);
}

/** A new batch waits to be opened; where no plan says what it needs at the least, its first tasks do. */
export function openPlan(core: Core, batch: LayerBatch): void {
  batch.state = "pending";
  core.active.add(batch);
  if (batch.leastBytes === 0) planPiece(core, batch, core.config.orderAhead);
}

/** Come to some more tasks; gives their number. What follows is recommended. */
function planPiece(core: Core, batch: LayerBatch, most: number, isCut = false): number {
  const { walk } = batch;
  const { rows, users, slots } = piece;
  const count = walk.next(pieceTasks, Math.min(most, PIECE_MOST), users, rows);
  piece.firstRank = giveRanks(core, batch, count);
  piece.isCut = isCut;
  const canFuse = isFused(core, batch);
  for (let i = 0; i < count; i++) {
    if (canFuse) i = beginRows(core, batch, piece, { from: i, to: count });
    if (i < count) comeTo(core, batch, slots[i] as Slot, users[i] as number, isCut);
  }
  if (walk.leastBytes > batch.leastBytes) {
    if (batch.state === "open") core.openLeastBytes += walk.leastBytes - batch.leastBytes;
    batch.leastBytes = walk.leastBytes;
  }
  if (walk.isDone) core.emptied.add(batch);
  return count;
}

/** Give the tasks of a piece their ranks, in order, and note their slots; gives the first rank. */
function giveRanks(core: Core, batch: LayerBatch, count: number): number {
  const { pages, pageRanked } = batch;
  const { slots } = piece;
  const hasOwn = batch.aliases === null;
  const first = batch.order.pushAll(pieceTasks, count);
  for (let i = 0; i < count; i++) {
    const task = pieceTasks[i] as TaskId; // i < count
    const page = hasOwn ? (pages[task >>> PAGE_BITS] as number) : -1; // one per page
    const slot = page >= 0 ? page + (task & (PAGE - 1)) : slotOf(core.columns, batch, task);
    core.columns.cells[(slot << CELL) + RANK] = first + i;
    slots[i] = slot;
    pageRanked[task >>> PAGE_BITS] = (pageRanked[task >>> PAGE_BITS] as number) + 1; // one per page
  }
  return first;
}

/** The order has come to a task, which so many others claim. */
function comeTo(core: Core, batch: LayerBatch, slot: Slot, users: number, isCut: boolean): void {
  const { columns } = core;
  const at = slot << CELL;
  columns.cells[at + WAITERS] = (columns.cells[at + WAITERS] as number) + users;
  const state = columns.cells[at + STATE] as number;
  // A task without inputs is begun from a piece, if it is not there already.
  const isToBegin = state === FORGOTTEN || state === RELEASED;
  if (isCut && isToBegin && batch.edges.isRoot(columns.cells[at + TASK] as number)) {
    columns.cells[at + FLAGS] = (columns.cells[at + FLAGS] as number) | FLAG_ROOT;
  }
  if (state !== FORGOTTEN) batch.early--;
  if (state === MEMORY || state === ERRED) dropClaims(core, slot);
  else {
    if (state === FORGOTTEN) transition(core, slot, RELEASED);
    columns.cells[at + FLAGS] = (columns.cells[at + FLAGS] as number) | FLAG_NEXT;
    transition(core, slot, WAITING);
  }
  if (users === 0 && !core.isNeeded(slot)) core.recommend(slot, RELEASED);
}

/** Come to all tasks of the batch: somebody asks about one, or builds on them. */
export function reach(core: Core, batch: LayerBatch): void {
  while (!batch.walk.isDone) planPiece(core, batch, PIECE_MOST);
}

/** Slot of a task that somebody names; all of its batch is come to if it is planned. */
export function reachTask(core: Core, batch: LayerBatch, task: TaskId): Slot {
  if (isPlanned(batch, task)) reach(core, batch);
  return slotOf(core.columns, batch, task);
}

/** Results that the orders have not come to were given up: the rest of the order, or all of it, is of no use. */
export function settleDisturbed(core: Core): void {
  if (core.disturbed.size === 0) return;
  for (const batch of core.disturbed) {
    if (batch.wants > 0) reach(core, batch);
    else abandon(core, batch);
  }
  core.disturbed.clear();
}

/** Nobody wants anything of the batch: what its order has not come to claims nothing any more. */
function abandon(core: Core, batch: LayerBatch): void {
  if (batch.walk.isDone) return;
  const { columns } = core;
  const users: TaskId[] = [];
  batch.pages.forEach((first, page) => {
    const count = Math.min(PAGE, batch.count - (page << PAGE_BITS));
    for (let slot = first; first >= 0 && slot < first + count; slot++) {
      if (columns.cells[(slot << CELL) + STATE] === FORGOTTEN) continue;
      const task = columns.cells[(slot << CELL) + TASK] as number; // a slot given out
      const found = batch.walk.isRanked(task) ? batch.edges.dependents(task, users) : 0;
      let planned = 0;
      for (let i = 0; i < found; i++) if (isPlanned(batch, users[i] as TaskId)) planned++; // i < found
      columns.cells[(slot << CELL) + WAITERS] = (columns.cells[(slot << CELL) + WAITERS] as number) - planned;
      if (!core.isNeeded(slot))
        core.recommend(slot, columns.cells[(slot << CELL) + STATE] === RELEASED ? FORGOTTEN : RELEASED);
    }
  });
  batch.walk.stop();
  for (let page = 0; page < batch.pages.length; page++) dropPageIfDone(columns, batch, page << PAGE_BITS);
  core.emptied.add(batch);
}
