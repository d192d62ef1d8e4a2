/** Between the columns of a scheduler machine and the messages of a worker machine: what a shell of a columnar worker does. */
import type { Graph, Key, TaskId } from "../../../src/graph/index.ts";
import type { SchedulerToWorker, TaskFinished, WorkerToScheduler } from "../../../src/protocol/index.ts";
import type {
  SchedulerEvent,
  SchedulerInstruction,
  TaskRun,
  WorkerAddress,
} from "../../../src/scheduler/state/index.ts";

type Bare<E> = E extends unknown ? Omit<E, "now" | "stimulusId"> : never;
type FromWorker = Bare<Extract<SchedulerEvent, { readonly type: "worker-messages" | "tasks-finished" }>>;

/** What one worker was sent in columns. */
export class SimColumns {
  readonly #tasks = new Map<Key, { readonly submission: number; readonly task: TaskId }>();

  /** A run as one message per task. */
  computeTasks(run: TaskRun, address: WorkerAddress): SchedulerToWorker[] {
    const { graph, submission } = run;
    return Array.from(run.tasks, (task, k): SchedulerToWorker => {
      const key = graph.key(task);
      this.#tasks.set(key, { submission, task });
      const { dependencies, spec } = graph.expand(task);
      return {
        op: "compute-task",
        key,
        runId: run.runIds[k] as number, // one per task
        priority: [-run.priority, run.generation, run.ranks[k] as number],
        stimulusId: run.stimulusId,
        whoHas: new Map(dependencies.map((input) => [graph.key(input), [holderOf(run, k, input) ?? address]])),
        nbytes: new Map(dependencies.map((input) => [graph.key(input), graph.nbytes(input)])),
        // The simulated cluster's `runSpecOf` hands specs over as they are.
        runSpec: spec as never,
        resourceRestrictions: null,
        actor: false,
        annotations: new Map(),
        spanId: null,
      };
    });
  }

  freeKeys({
    graph,
    tasks,
    stimulusId,
  }: Extract<SchedulerInstruction, { readonly type: "free-tasks" }>): SchedulerToWorker {
    return { op: "free-keys", keys: keysOf(graph, tasks), stimulusId };
  }

  forget(submission: number): void {
    for (const [key, known] of this.#tasks) if (known.submission === submission) this.#tasks.delete(key);
  }

  /** Results of tasks that came in columns go back in columns; everything else as it is, all in order. */
  toEvents(messages: readonly WorkerToScheduler[], worker: WorkerAddress): FromWorker[] {
    const events: FromWorker[] = [];
    for (const message of messages) {
      const known = message.op === "task-finished" ? this.#tasks.get(message.key) : undefined;
      if (message.op === "task-finished" && known) events.push(finished(worker, message, known));
      else events.push({ type: "worker-messages", worker, messages: [message] });
    }
    return events;
  }
}

function finished(
  worker: WorkerAddress,
  { runId, nbytes, startstops }: TaskFinished,
  { submission, task }: { readonly submission: number; readonly task: TaskId },
): FromWorker {
  const seconds = startstops.reduce((sum, { start, stop }) => sum + stop - start, 0);
  return {
    type: "tasks-finished",
    worker,
    submission,
    tasks: Uint32Array.of(task),
    runIds: Uint32Array.of(runId),
    nbytes: Float64Array.of(nbytes),
    seconds: Float32Array.of(startstops.length > 0 ? seconds : Number.NaN),
  };
}

function holderOf(run: TaskRun, row: number, input: TaskId): WorkerAddress | undefined {
  for (let at = run.fetchStart[row] as number; at < (run.fetchStart[row + 1] as number); at++)
    if (run.fetchTasks[at] === input) return run.addresses[run.fetchFrom[at] as number];
  return undefined;
}

function keysOf(graph: Graph, tasks: Uint32Array): Key[] {
  return Array.from(tasks, (task) => graph.key(task));
}
