/** Orders of the scheduler to compute: one task by its key, or many of a graph in columns. */
import type { ComputeTask, FreeTasks, RunTasks } from "../../protocol/index.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import { isUnstarted, type WorkerTask } from "./task.ts";
import { sendBlock, sendFinished, settleAll, step } from "./transitions.ts";

/** One task. */
export function compute(core: Core, message: ComputeTask): void {
  if (core.status === "closing_gracefully" && core.tasks.get(message.key)?.state !== "memory")
    return core.send({ op: "reschedule", key: message.key, stimulusId: core.stimulusId }); // sent before it was known
  const task = core.ensure(message.key, message.priority);
  if (task.state === "memory") return sendFinished(core, task, message.runId);
  if (!isNews(core, task, message.runId)) return;
  task.order = message;
  task.runId = message.runId;
  task.priority = message.priority;
  for (const [key, workers] of message.whoHas) {
    if (key === message.key) continue;
    expectInput(core, core.ensure(key, message.priority), message.nbytes.get(key) ?? 0, workers);
  }
  core.recommend(task, "waiting");
}

/** Take back what was ordered before, unless it is the same order twice. */
function isNews(core: Core, task: WorkerTask, runId: number): boolean {
  if (task.order !== null && task.runId === runId && task.state !== "error" && task.state !== "released") return false;
  if (isUnstarted(task)) step(core, task, "released");
  return true;
}

/** Who has an input that is not here. */
function expectInput(core: Core, input: WorkerTask, nbytes: number, workers: readonly WorkerAddress[]): void {
  if (input.state === "memory") return;
  input.nbytes = Math.max(0, nbytes);
  core.setWhoHas(input, workers);
}

/** Tasks of a known graph. Numbers have been checked by the shell. */
export function runTasks(core: Core, run: RunTasks): void {
  const known = core.tasks.graph(run.submission);
  if (!known) return;
  const { tasks, runIds, ranks, fetchStart, fetchTasks, fetchFrom, fetchBytes, addresses } = run;
  for (let k = 0; k < tasks.length; k++) {
    // Columns are as long as `tasks`.
    const id = tasks[k] as number;
    const runId = runIds[k] as number;
    const priority = [-run.priority, run.generation, ranks[k] as number];
    if (core.status === "closing_gracefully" && core.tasks.block(known, id)?.state !== "memory") {
      core.send({ op: "reschedule", key: known.graph.key(id), stimulusId: core.stimulusId });
      continue;
    }
    const task = core.ensureBlock(known, id, priority);
    if (task.state === "memory") {
      task.taskId = id;
      sendBlock(core, task, known, runId);
      continue;
    }
    if (!isNews(core, task, runId)) continue;
    task.order = known;
    task.taskId = id;
    task.runId = runId;
    task.priority = priority;
    for (let row = fetchStart[k] as number; row < (fetchStart[k + 1] as number); row++) {
      const input = fetchTasks[row] as number;
      const holder = addresses[fetchFrom[row] as number] as string;
      const nbytes = fetchBytes?.[row] ?? known.graph.nbytes(input);
      expectInput(core, core.ensureBlock(known, input, priority), nbytes, [holder]);
    }
    core.recommend(task, "waiting");
  }
}

/** Blocks that are wanted no more. Who frees in columns does not wait to hear of each. */
export function freeTasks(core: Core, { submission, tasks }: FreeTasks): void {
  const graph = core.tasks.graph(submission);
  if (!graph) return;
  for (const id of tasks) {
    const task = core.tasks.block(graph, id);
    if (task) core.recommend(task, "released");
  }
  core.isSilent = true;
  settleAll(core);
  core.isSilent = false;
}
