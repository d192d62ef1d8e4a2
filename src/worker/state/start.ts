/** Which task starts next, and how many may be handed over. */
import type { Core } from "./core.ts";
import { fetchInputs } from "./gather.ts";
import { isBefore, type WorkerTask } from "./task.ts";
import { isInColumns, settleAll } from "./transitions.ts";

/** Users' functions that took less on average lately are short. */
const SHORT_SECONDS = 0.0005;
/** Such functions ahead of one thread. */
const SHORT_AHEAD = 32;

/** Start what may start: tasks on free threads, some of a graph beyond these, requests to peers. */
export function start(core: Core): void {
  if (core.status !== "running") return;
  const { nthreads } = core.limits;
  const ahead = aheadOf(core);
  while (core.executing.size < nthreads + ahead) {
    const task = nextTask(core, core.executing.size >= nthreads);
    if (!task) break;
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

/** The most urgent task that may run, off its heap and holding its resources; `isAhead`: before a thread is free for it. */
function nextTask(core: Core, isAhead: boolean): WorkerTask | undefined {
  const ready = core.ready.peek();
  const constrained = core.constrained.peek();
  if (constrained === undefined) {
    if (ready === undefined || (isAhead && !mayGoAhead(core, ready)) || !hasRoom(core, ready)) return undefined;
    core.ready.delete(ready);
    return ready;
  }
  const order = constrained.order;
  const wanted = order === null || isInColumns(order) ? null : order.resourceRestrictions;
  const amounts = Array.from(wanted ?? []);
  const hasResources = amounts.every(([name, amount]) => (core.free.get(name) ?? 0) >= amount);
  const isConstrainedFirst = hasResources && (ready === undefined || isBefore(constrained, ready));
  const task = isConstrainedFirst ? constrained : ready;
  if (!task || (isAhead && !mayGoAhead(core, task)) || !hasRoom(core, task)) return undefined;
  if (isConstrainedFirst) {
    core.constrained.delete(task);
    for (const [name, amount] of amounts) core.free.set(name, (core.free.get(name) ?? 0) - amount);
    task.heldResources = wanted;
  } else core.ready.delete(task);
  return task;
}

/**
 * A user's function may never end, and what stands behind it in a thread's reach can go nowhere else: it goes ahead only
 * while tasks are so short that asking for the next one would take as long as running it, and only some: the next ones may
 * take long, and then it is well that others can have them.
 */
function mayGoAhead({ meanSeconds, executing, limits }: Core, { order }: WorkerTask): boolean {
  if (order === null || !isInColumns(order)) return false;
  if (order.isBounded) return true;
  return meanSeconds !== null && meanSeconds < SHORT_SECONDS && executing.size < limits.nthreads * (1 + SHORT_AHEAD);
}

/** Own admission, for schedulers that have none: by priority, within the budget; the first runs when nothing else does. */
function hasRoom(core: Core, task: WorkerTask): boolean {
  const { budgetBytes } = core.limits;
  if (budgetBytes === null || task.need === null || core.executing.size === 0) return true;
  return core.managedBytes + core.incomingBytes + core.reservedBytes + task.need <= budgetBytes;
}
