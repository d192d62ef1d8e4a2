/**
 * The life of blocks that have a cell and no task object: ordered in columns, without inputs, or at rest in memory. What
 * happens to them is what the table of transitions says of a task in the same state; whatever is not here opens them.
 */
import { invariant } from "../../base/index.ts";
import type { TaskId } from "../../graph/index.ts";
import { CELL } from "./cells.ts";
import type { Core } from "./core.ts";
import type { ValueFacts } from "./events.ts";
import { type Order, priorityOf, type RunningRow } from "./rows.ts";
import type { KnownGraph, LayerTasks, WorkerTask } from "./task.ts";

/** A block is ordered that needs nothing but a thread; it has neither a task object nor a cell. */
export function orderRow(core: Core, order: Order, layer: LayerTasks, index: number): void {
  layer.cells.setReady(index, order.number);
  if (order.standing++ === 0) core.orders.add(order);
  core.orders.ready++;
  core.stateCounts.ready++;
  core.noteCell(layer, index, "released", "ready");
}

/** The order whose next row is the most urgent of all that stand; null: there is none. */
export function firstOrder(core: Core): Order | null {
  const { orders } = core;
  for (let order = orders.first(); order !== null; order = orders.first()) {
    const id = order.tasks[order.next] as TaskId; // next < length
    const layer = order.known.edges.layerOf(id);
    const cells = order.known.layers[layer]?.cells;
    const index = id - order.known.graph.base(layer);
    if (cells?.state(index) === CELL.ready && cells.number(index) === order.number) return order;
    orders.advance();
  }
  return null;
}

/** The next row of `order` occupies a thread. */
export function startRow(core: Core, order: Order): void {
  const { known, next: row } = order;
  const id = order.tasks[row] as TaskId; // of `firstOrder`
  const at = known.edges.layerOf(id);
  const layer = known.layers[at] as LayerTasks; // its cell was seen there
  const index = id - known.graph.base(at);
  const ref = core.tasks.newRef();
  layer.cells.setExecuting(index, ref);
  core.rows.set(ref, { ref, order, row, layer, index, startedAt: core.now });
  if (order.standing > 1) core.orders.advance();
  core.orders.leave(order.number);
  core.stateCounts.ready--;
  core.stateCounts.executing++;
  core.noteCell(layer, index, "ready", "executing");
  core.starts.addRow(known, ref, id, core.outbox);
}

/** A row's block is here. */
export function rowEnded(core: Core, running: RunningRow, value: ValueFacts, seconds: number): void {
  const { ref, order, row, layer, index } = running;
  const { nbytes, scalar } = value;
  core.rows.delete(ref);
  core.stateCounts.executing--;
  core.stateCounts.memory++;
  core.managedBytes += nbytes;
  core.noteCell(layer, index, "executing", "memory");
  if (isPlain(layer, value)) layer.cells.setMemory(index, ref, { nbytes, seconds, scalar });
  else {
    layer.cells.delete(index);
    const task = core.tasks.addOpened(layer, index, ref);
    Object.assign(task, { state: "memory", nbytes, seconds, value, priority: priorityOf(order, row) });
  }
  const taskId = order.tasks[row] as TaskId; // rows are as long as `tasks`
  const runId = order.runIds[row] as number;
  core.ends.add(order.known, { taskId, runId, nbytes, seconds, scalar }, core.outbox);
}

/** Let go of a block at rest, or call off one that is ready; false where it has to be opened for that. */
export function freeCell(core: Core, layer: LayerTasks, index: number): boolean {
  const { cells } = layer;
  const state = cells.state(index);
  if (state === CELL.memory) {
    core.managedBytes -= cells.nbytes(index);
    core.dropRef(cells.number(index));
    core.stateCounts.memory--;
    core.noteCell(layer, index, "memory", "forgotten");
  } else if (state === CELL.ready) {
    core.orders.leave(cells.number(index));
    core.stateCounts.ready--;
    core.noteCell(layer, index, "ready", "forgotten");
  } else return false;
  cells.delete(index);
  core.tasks.sweep(layer);
  return true;
}

/** The order and the row in which a block is ready. */
export function rowOf(core: Core, layer: LayerTasks, index: number): { readonly order: Order; readonly row: number } {
  const order = core.orders.all().find(({ number }) => number === layer.cells.number(index));
  const row = order ? order.tasks.indexOf(idIn(order.known, layer, index), order.next) : -1;
  invariant(order && row >= 0, `block ${index} of ${layer.name} is ready in no order`);
  return { order, row };
}

function idIn({ layers, graph }: KnownGraph, layer: LayerTasks, index: number): TaskId {
  const at = layers.indexOf(layer);
  return at < 0 ? -1 : graph.base(at) + index;
}

/** Make a task of a block that has a cell, in the same state. */
export function open(core: Core, layer: LayerTasks, index: number): WorkerTask {
  const { cells } = layer;
  const state = cells.state(index);
  if (state === CELL.memory) {
    const [ref, nbytes, seconds] = [cells.number(index), cells.nbytes(index), cells.seconds(index)];
    const scalar = cells.scalar(index);
    const { type, typename } = cells;
    cells.delete(index);
    const task = core.tasks.addOpened(layer, index, ref);
    const value = { nbytes, type: type ?? new Uint8Array(0), typename, ...(scalar === undefined ? {} : { scalar }) };
    Object.assign(task, { state: "memory", nbytes, seconds, value });
    core.touched.push(task);
    return task;
  }
  if (state === CELL.ready) {
    const { order, row } = rowOf(core, layer, index);
    core.orders.leave(order.number);
    cells.delete(index);
    const task = ordered(core.tasks.addOpened(layer, index, core.tasks.newRef()), { order, row });
    task.state = "ready";
    core.ready.push(task);
    return task;
  }
  const running = core.rows.get(cells.number(index));
  invariant(running, `block ${index} of ${layer.name} does not run`);
  core.rows.delete(running.ref);
  cells.delete(index);
  const task = ordered(core.tasks.addOpened(layer, index, running.ref), running);
  Object.assign(task, { state: "executing", startedRunId: task.runId, startedAt: running.startedAt });
  core.executing.add(task);
  core.blocks.set(task.ref, task);
  return task;
}

/** Make tasks of all that is ready. */
export function openReady(core: Core): void {
  for (const layer of core.tasks.layers()) for (const index of layer.cells.of(CELL.ready)) open(core, layer, index);
}

function ordered(task: WorkerTask, { order, row }: { readonly order: Order; readonly row: number }): WorkerTask {
  task.order = order.known;
  task.taskId = order.tasks[row] as TaskId; // a row of the order
  task.runId = order.runIds[row] as number;
  task.priority = priorityOf(order, row);
  return task;
}

/** What has been touched in this event, is here, and concerns nobody, goes to rest in its layer's columns. */
export function closeAll(core: Core): void {
  for (const task of core.touched) {
    const { layer, index, ref, value } = task;
    if (task.state !== "memory" || layer === null || typeof ref !== "number" || value === null) continue;
    if (task.hasDependents || task.hasHolders || !isPlain(layer, value) || !core.tasks.has(task)) continue;
    core.tasks.rest(task);
    const { nbytes, seconds } = task;
    layer.cells.setMemory(index, ref, { nbytes, seconds, scalar: value.scalar });
  }
  core.touched.length = 0;
}

/** Values of one layer are of one class. */
function isPlain({ cells }: LayerTasks, { type, typename }: ValueFacts): boolean {
  if (cells.count === 0 || cells.type === null) {
    cells.type = type;
    cells.typename = typename;
  }
  return cells.typename === typename;
}
