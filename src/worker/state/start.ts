/** Which task starts next, and how many may be handed over. */
import { firstOrder, startRow } from "./columns.ts";
import type { Core } from "./core.ts";
import { fetchInputs } from "./gather.ts";
import { comparePriorities, isBefore, type WorkerTask } from "./task.ts";
import { isInColumns, settleAll } from "./transitions.ts";

/** Users' functions that took less on average lately are short. */
const SHORT_SECONDS = 0.0005;
/** Such functions ahead of one thread. */
const SHORT_AHEAD = 128;

/** Start what may start: tasks on free threads, some of a graph beyond these, requests to peers. */
export function start(core: Core): void {
  if (core.status !== "running") return;
  const { nthreads } = core.limits;
  const ahead = aheadOf(core);
  while (core.running < nthreads + ahead) {
    const isAhead = core.running >= nthreads;
    const task = mostUrgent(core);
    const order = firstOrder(core);
    if (order !== null && (task === undefined || comparePriorities(order.head, task.priority) < 0)) {
      if (isAhead && !mayGoAhead(core, order.known)) break;
      startRow(core, order);
      continue;
    }
    if (task === undefined || (isAhead && !mayGoAhead(core, task.order)) || !hasRoom(core, task)) break;
    take(core, task);
    core.reservedBytes += task.need ?? 0;
    core.executing.add(task);
    core.recommend(task, "executing");
    settleAll(core);
  }
  core.starts.flush(core.outbox);
  fetchInputs(core);
}

/** Tasks of graphs that may be handed over beyond the threads. */
function aheadOf({ limits, meanSeconds }: Core): number {
  const { aheadMs = 0, aheadMax = 0, nthreads } = limits;
  if (meanSeconds === null || aheadMax === 0) return 0;
  return Math.min(aheadMax, Math.floor((nthreads * aheadMs) / (1000 * meanSeconds)));
}

/** The most urgent task object whose resources are free. */
function mostUrgent(core: Core): WorkerTask | undefined {
  const ready = core.ready.peek();
  const constrained = core.constrained.peek();
  if (constrained === undefined) return ready;
  const hasResources = resourcesOf(constrained).every(([name, amount]) => (core.free.get(name) ?? 0) >= amount);
  return hasResources && (ready === undefined || isBefore(constrained, ready)) ? constrained : ready;
}

function resourcesOf({ order }: WorkerTask): (readonly [string, number])[] {
  return order === null || isInColumns(order) ? [] : Array.from(order.resourceRestrictions ?? []);
}

/** Off its heap, with its resources. */
function take(core: Core, task: WorkerTask): void {
  if (task.state !== "constrained") return core.ready.delete(task);
  core.constrained.delete(task);
  const amounts = resourcesOf(task);
  for (const [name, amount] of amounts) core.free.set(name, (core.free.get(name) ?? 0) - amount);
  task.heldResources = new Map(amounts);
}

/**
 * A user's function may never end, and what stands behind it in a thread's reach can go nowhere else: it goes ahead only
 * while tasks are so short that asking for the next one would take as long as running it, and only some: the next ones may
 * take long, and then it is well that others can have them.
 */
function mayGoAhead({ meanSeconds, running, limits }: Core, order: WorkerTask["order"]): boolean {
  if (order === null || !isInColumns(order)) return false;
  if (order.isBounded) return true;
  return meanSeconds !== null && meanSeconds < SHORT_SECONDS && running < limits.nthreads * (1 + SHORT_AHEAD);
}

/** Own admission, for schedulers that have none: by priority, within the budget; the first runs when nothing else does. */
function hasRoom(core: Core, task: WorkerTask): boolean {
  const { budgetBytes } = core.limits;
  if (budgetBytes === null || task.need === null || core.running === 0) return true;
  return core.managedBytes + core.incomingBytes + core.reservedBytes + task.need <= budgetBytes;
}
