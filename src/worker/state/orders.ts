/** Orders of the scheduler to compute: one task by its key, or many of a graph in columns. */
import type { TaskId } from "../../graph/index.ts";
import type { ComputeTask, FreeKeys, FreeTasks, RunTasks } from "../../protocol/index.ts";
import { CELL } from "./cells.ts";
import { freeCell, orderRow } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import type { Order } from "./rows.ts";
import { isUnstarted, type KnownGraph, type LayerTasks, type WorkerTask } from "./task.ts";
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
  const { tasks, fetchStart } = run;
  let order: Order | null = null;
  for (let k = 0; k < tasks.length; k++) {
    // Columns are as long as `tasks`.
    const id = tasks[k] as number;
    const at = known.edges.layerOf(id);
    const layer = known.layers[at];
    const isPlain = layer && fetchStart[k] === fetchStart[k + 1] && known.edges.dependencies(id, ids) === 0;
    if (!isPlain || core.status === "closing_gracefully" || !isUnknown(layer, id - known.graph.base(at))) {
      runTask(core, known, run, k);
      continue;
    }
    order ??= orderOf(core, known, run);
    orderRow(core, order, layer, id - known.graph.base(at));
  }
}

function orderOf(core: Core, known: KnownGraph, { tasks, runIds, ranks, priority, generation }: RunTasks): Order {
  const fields = { number: core.orderCount++, known, next: 0, standing: 0 };
  if (isAscending(ranks)) return { ...fields, tasks, runIds, ranks, head: [-priority, generation, ranks[0] ?? 0] };
  // A scheduler of ours sends them in rank order.
  const rows = Uint32Array.from(ranks.keys()).sort((i, j) => (ranks[i] as number) - (ranks[j] as number) || i - j);
  const sorted = (column: Uint32Array): Uint32Array => rows.map((row) => column[row] as number);
  const first = ranks[rows[0] as number] as number; // not empty
  const head: Order["head"] = [-priority, generation, first];
  return { ...fields, tasks: sorted(tasks), runIds: sorted(runIds), ranks: sorted(ranks), head };
}

function isAscending(ranks: Uint32Array): boolean {
  for (let k = 1; k < ranks.length; k++) if ((ranks[k - 1] as number) > (ranks[k] as number)) return false;
  return true;
}

const ids: TaskId[] = [];

function isUnknown({ cells, tasks }: LayerTasks, index: number): boolean {
  return cells.state(index) === CELL.none && !tasks.has(index);
}

/** Row `k` of a message, where the block has or gets a task object. */
function runTask(core: Core, known: KnownGraph, run: RunTasks, k: number): void {
  const { fetchStart, fetchTasks, fetchFrom, fetchBytes, addresses } = run;
  // Columns are as long as `tasks`.
  const [id, runId] = [run.tasks[k] as number, run.runIds[k] as number];
  const priority = [-run.priority, run.generation, run.ranks[k] as number];
  if (core.status === "closing_gracefully" && core.tasks.block(known, id)?.state !== "memory")
    return core.send({ op: "reschedule", key: known.graph.key(id), stimulusId: core.stimulusId });
  const task = core.ensureBlock(known, id, priority);
  if (task.state === "memory") {
    task.taskId = id;
    return sendBlock(core, task, known, runId);
  }
  if (!isNews(core, task, runId)) return;
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

/** Blocks that are wanted no more. Who frees in columns does not wait to hear of each. */
export function freeTasks(core: Core, { submission, tasks }: FreeTasks): void {
  const graph = core.tasks.graph(submission);
  if (!graph) return;
  for (let k = 0; k < tasks.length; k++) {
    const id = tasks[k] as TaskId; // k < length
    const at = graph.edges.layerOf(id);
    const layer = graph.layers[at];
    if (layer && freeCell(core, layer, id - graph.graph.base(at))) continue;
    const task = core.tasks.block(graph, id);
    if (task) core.recommend(task, "released");
  }
  settleSilently(core);
}

/** The same by key. */
export function freeKeys(core: Core, { keys, isSilent = false }: FreeKeys): void {
  for (const key of keys) {
    const block = isSilent ? core.tasks.blockOf(key) : null;
    if (block && freeCell(core, block.layer, block.index)) continue;
    const task = core.tasks.get(key);
    if (task) core.recommend(task, "released");
  }
  if (isSilent) settleSilently(core);
}

function settleSilently(core: Core): void {
  core.isSilent = true;
  settleAll(core);
  core.isSilent = false;
}
