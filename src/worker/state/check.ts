/** The invariants of docs/spec/worker.md, checked over the whole state; for tests and for `RSDAT_CHECK`. */
import { InvariantError } from "../../base/index.ts";
import { showKey } from "../../graph/index.ts";
import { CELL } from "./cells.ts";
import { rowOf } from "./columns.ts";
import type { Core } from "./core.ts";
import { isOrdered, type LayerTasks, TASK_STATES, type WorkerTask } from "./task.ts";

/** @throws {InvariantError} the first broken invariant, with the story of the task */
export function checkCore(core: Core): void {
  let managedBytes = 0;
  const counts: Record<string, number> = {};
  for (const task of core.tasks.values()) {
    checkTask(core, task);
    counts[task.state] = (counts[task.state] ?? 0) + 1;
    if (task.state === "memory") managedBytes += task.nbytes;
  }
  for (const layer of core.tasks.layers())
    for (const state of ["ready", "executing", "memory"] as const)
      for (const index of layer.cells.of(CELL[state])) {
        checkCell(core, layer, index);
        counts[state] = (counts[state] ?? 0) + 1;
        if (state === "memory") managedBytes += layer.cells.nbytes(index);
      }
  for (const state of TASK_STATES)
    must(core, null, "W-I10", (counts[state] ?? 0) === core.stateCounts[state], `${counts[state]} tasks are ${state}`);
  must(
    core,
    null,
    "W-I7",
    managedBytes === core.managedBytes,
    `managed bytes ${core.managedBytes}, of tasks ${managedBytes}`,
  );
  checkPlaces(core);
  checkPeers(core);
}

function must(core: Core, task: WorkerTask | null, number: string, holds: boolean, what: string): void {
  if (holds) return;
  const who = task ? ` task ${showKey(task.key)} in ${task.state}` : "";
  throw new InvariantError(`${number}${who}: ${what}`, { details: { story: task ? core.story([task.key]) : [] } });
}

function checkCell(core: Core, layer: LayerTasks, index: number): void {
  const holds = (isTrue: boolean, what: string): void =>
    must(core, null, "W-I10", isTrue, `block ${index} of ${layer.name} ${what}`);
  const { cells } = layer;
  holds(!layer.tasks.has(index), "has a task object as well");
  if (cells.state(index) === CELL.ready) {
    const { order, row } = rowOf(core, layer, index);
    holds(row >= order.next && order.standing > 0, "stands in its order");
  } else if (cells.state(index) === CELL.executing) {
    const row = core.rows.get(cells.number(index));
    holds(row?.layer === layer && row.index === index, "occupies a thread under its number");
  }
}

/** States in which an absent input of a waiting task is on its way. */
const COMING: ReadonlySet<string> = new Set([
  "fetch",
  "missing",
  "flight",
  "cancelled",
  "resumed",
  "waiting",
  "ready",
  "constrained",
  "executing",
  "long-running",
]);

function checkTask(core: Core, task: WorkerTask): void {
  const { state } = task;
  const holds = (number: string, isTrue: boolean, what: string): void => must(core, task, number, isTrue, what);
  holds("W-I1", state !== "forgotten" && core.tasks.has(task), "is in the table and not forgotten");
  holds("W-I1", state !== "released" || task.dependents.size > 0, "released tasks that nobody reads are forgotten");
  holds("W-I2", isOrdered(task) || task.dependencies.length === 0, "only unfinished tasks are linked to inputs");
  const { dependencies, dependents } = task;
  holds(
    "W-I2",
    dependencies.every((input) => input.dependents.has(task)),
    "its inputs know it",
  );
  holds(
    "W-I2",
    Array.from(dependents).every((reader) => reader.dependencies.includes(task)),
    "its readers know it",
  );
  const absent = dependencies.filter((input) => input.state !== "memory");
  const isCounted = task.waitingFor === absent.length && absent.length > 0;
  const isComing = absent.every((input) => COMING.has(input.state));
  holds("W-I3", state !== "waiting" || isCounted, `waits for ${task.waitingFor} inputs, absent are ${absent.length}`);
  holds("W-I3", state !== "waiting" || isComing, "every input is on its way");
  holds("W-I3", (state !== "ready" && state !== "constrained") || absent.length === 0, "has all inputs");
  const isUnwanted = state === "cancelled" || state === "resumed";
  holds("W-I4", isUnwanted === (task.previous !== null), `previous is ${task.previous}`);
  holds("W-I4", (state === "resumed") === (task.next !== null), `next is ${task.next}`);
  holds("W-I4", !task.done, "an ended activity has been dealt with");
  holds("W-I6", state !== "missing" || task.whoHas.size === 0, "is missing though a holder is known");
  holds("W-I6", state !== "fetch" || task.whoHas.size > 0, "is to be fetched from nobody");
}

/** Each place (heap, set) holds exactly the tasks of its states. */
function checkPlaces(core: Core): void {
  for (const task of core.tasks.values()) {
    const running = task.state === "executing" || task.state === "long-running" ? task.state : task.previous;
    must(core, task, "W-I5", core.ready.has(task) === (task.state === "ready"), "ready heap");
    must(core, task, "W-I5", core.constrained.has(task) === (task.state === "constrained"), "constrained heap");
    must(core, task, "W-I5", core.missing.has(task) === (task.state === "missing"), "missing set");
    must(core, task, "W-I5", core.executing.has(task) === (running === "executing"), "executing set");
    must(core, task, "W-I5", core.longRunning.has(task) === (running === "long-running"), "long-running set");
    for (const address of task.whoHas) {
      const peer = core.peers.get(address);
      must(core, task, "W-I6", peer?.hasWhat.has(task) === true, `its holder ${address} knows it`);
      must(
        core,
        task,
        "W-I6",
        peer?.needed.has(task) === (task.state === "fetch"),
        `is asked of ${address} exactly while in fetch`,
      );
    }
  }
  const { nthreads, aheadMax = 0 } = core.limits;
  const others = Array.from(core.executing).filter((task) => core.blocks.get(task.ref) !== task).length;
  let [ready, executing] = [0, 0];
  for (const { cells } of core.tasks.layers()) {
    ready += Array.from(cells.of(CELL.ready)).length;
    executing += Array.from(cells.of(CELL.executing)).length;
  }
  const standing = core.orders.all().reduce((sum, order) => sum + order.standing, 0);
  must(
    core,
    null,
    "W-I10",
    ready === standing && ready === core.orders.ready,
    `${ready} ready, ${standing} rows stand`,
  );
  must(core, null, "W-I10", executing === core.rows.size, `${executing} run, ${core.rows.size} rows do`);
  must(core, null, "W-I8", others <= nthreads + aheadMax, `${others} tasks on ${nthreads} threads`);
  must(
    core,
    null,
    "W-I8",
    core.running <= nthreads + aheadMax,
    `${core.running} tasks on ${nthreads} threads with ${aheadMax} ahead`,
  );
  for (const task of core.blocks.values())
    must(core, task, "W-I8", core.executing.has(task), "was handed over and occupies no thread");
  for (const [name, amount] of core.free)
    must(core, null, "W-I8", amount >= 0, `resource ${name} is overdrawn: ${amount}`);
  const needs = Array.from(core.executing)
    .concat(Array.from(core.longRunning))
    .reduce((sum, task) => sum + (task.need ?? 0), 0);
  must(core, null, "W-I7", needs === core.reservedBytes, `reserved bytes ${core.reservedBytes}, of tasks ${needs}`);
  const { budgetBytes } = core.limits;
  // What has seceded waits for others, and keeps its bytes: the first of these runs whatever is left.
  const isAlone = Array.from(core.executing).filter(({ need }) => need !== null).length <= 1;
  must(
    core,
    null,
    "W-C1",
    budgetBytes === null || isAlone || core.reservedBytes <= budgetBytes,
    `${core.reservedBytes} bytes reserved of ${budgetBytes}`,
  );
}

function checkPeers(core: Core): void {
  let [count, bytes, cutCount, cutBytes] = [0, 0, 0, 0];
  const flying = new Set<WorkerTask>();
  for (const peer of core.peers.values()) {
    if (peer.asked === null) continue;
    count++;
    bytes += peer.askedBytes;
    if (peer.askedCutBytes >= 0) {
      cutCount++;
      cutBytes += peer.askedCutBytes;
    }
    for (const task of peer.asked) {
      must(core, task, "W-I9", !flying.has(task), "is asked of two peers");
      flying.add(task);
    }
  }
  must(
    core,
    null,
    "W-I9",
    count === core.incomingCount &&
      bytes === core.incomingBytes &&
      cutCount === core.cutCount &&
      cutBytes === core.cutBytes,
    "transfers under way are counted",
  );
  for (const task of core.tasks.values()) {
    const isFlying = task.state === "flight" || task.previous === "flight";
    must(core, task, "W-I9", flying.has(task) === isFlying, "flies exactly while a request asks for it");
  }
}
