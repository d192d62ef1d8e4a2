/** The invariants of docs/spec/worker.md, checked over the whole state; for tests and for `RSDAT_CHECK`. */
import { InvariantError } from "../../base/index.ts";
import { showKey } from "../../graph/index.ts";
import type { Core } from "./core.ts";
import type { WorkerTask } from "./task.ts";

/** @throws {InvariantError} the first broken invariant, with the story of the task */
export function checkCore(core: Core): void {
  let managedBytes = 0;
  for (const task of core.tasks.values()) {
    checkTask(core, task);
    if (task.state === "memory") managedBytes += task.nbytes;
  }
  must(core, null, "W-I7", managedBytes === core.managedBytes, `managed bytes ${core.managedBytes}, of tasks ${managedBytes}`);
  checkPlaces(core);
  checkPeers(core);
}

function must(core: Core, task: WorkerTask | null, number: string, holds: boolean, what: string): void {
  if (holds) return;
  const who = task ? ` task ${showKey(task.key)} in ${task.state}` : "";
  throw new InvariantError(`${number}${who}: ${what}`, { details: { story: task ? core.story([task.key]) : [] } });
}

function checkTask(core: Core, task: WorkerTask): void {
  const { state } = task;
  const isUnfinished = state === "waiting" || state === "ready" || state === "constrained" || state === "executing" || state === "long-running";
  must(core, task, "W-I1", state !== "forgotten" && core.tasks.get(task.key) === task, "is in the table and not forgotten");
  must(core, task, "W-I1", state !== "released" || task.dependents.size > 0, "released tasks that nobody reads are forgotten");
  must(core, task, "W-I2", isUnfinished || task.dependencies.length === 0, "only unfinished tasks are linked to inputs");
  must(core, task, "W-I2", task.dependencies.every((input) => input.dependents.has(task)), "its inputs know it");
  must(core, task, "W-I2", Array.from(task.dependents).every((reader) => reader.dependencies.includes(task)), "its readers know it");
  const absent = task.dependencies.filter((input) => input.state !== "memory").length;
  if (state === "waiting") {
    must(core, task, "W-I3", task.waitingFor === absent && absent > 0, `waits for ${task.waitingFor}, absent are ${absent}`);
    must(core, task, "W-I3", task.dependencies.every((i) => ["memory", "fetch", "missing", "flight", "resumed", "cancelled", "executing", "long-running", "waiting", "ready", "constrained"].includes(i.state)), "every input is on its way");
  }
  if (state === "ready" || state === "constrained") must(core, task, "W-I3", absent === 0, "has all inputs");
  must(core, task, "W-I4", (state === "cancelled" || state === "resumed") === (task.previous !== null), `previous is ${task.previous}`);
  must(core, task, "W-I4", (state === "resumed") === (task.next !== null), `next is ${task.next}`);
  must(core, task, "W-I4", !task.done, "an ended activity has been dealt with");
  must(core, task, "W-I6", state !== "missing" || task.whoHas.size === 0, "is missing though a holder is known");
  must(core, task, "W-I6", state !== "fetch" || task.whoHas.size > 0, "is to be fetched from nobody");
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
      must(core, task, "W-I6", peer?.needed.has(task) === (task.state === "fetch"), `is asked of ${address} exactly while in fetch`);
    }
  }
  must(core, null, "W-I8", core.executing.size <= core.limits.nthreads, `${core.executing.size} tasks on ${core.limits.nthreads} threads`);
  for (const [name, amount] of core.free) must(core, null, "W-I8", amount >= 0, `resource ${name} is overdrawn: ${amount}`);
  const needs = Array.from(core.executing).concat(Array.from(core.longRunning)).reduce((sum, task) => sum + (task.need ?? 0), 0);
  must(core, null, "W-I7", needs === core.reservedBytes, `reserved bytes ${core.reservedBytes}, of tasks ${needs}`);
  const { budgetBytes } = core.limits;
  const isAlone = core.executing.size + core.longRunning.size <= 1;
  must(core, null, "W-C1", budgetBytes === null || isAlone || core.reservedBytes <= budgetBytes, `${core.reservedBytes} bytes reserved of ${budgetBytes}`);
}

function checkPeers(core: Core): void {
  let count = 0;
  let bytes = 0;
  const flying = new Set<WorkerTask>();
  for (const peer of core.peers.values()) {
    if (peer.asked === null) continue;
    count++;
    bytes += peer.askedBytes;
    for (const task of peer.asked) {
      must(core, task, "W-I9", !flying.has(task), "is asked of two peers");
      flying.add(task);
    }
  }
  must(core, null, "W-I9", count === core.incomingCount && bytes === core.incomingBytes, "transfers under way are counted");
  for (const task of core.tasks.values()) {
    const isFlying = task.state === "flight" || task.previous === "flight";
    must(core, task, "W-I9", flying.has(task) === isFlying, "flies exactly while a request asks for it");
  }
}
