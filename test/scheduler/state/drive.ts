/** A scheduler machine with its state in sight, driven by hand; checked after every event. */
import { errorToRecord, type RsdatError } from "../../../src/base/index.ts";
import { type Key, keyOfValue } from "../../../src/graph/index.ts";
import {
  type ComputeTask,
  type SchedulerToClient,
  serialize,
  type TaskFinished,
  type WireFailure,
  type WorkerToScheduler,
} from "../../../src/protocol/index.ts";
import { checkCore } from "../../../src/scheduler/state/check.ts";
import { Core } from "../../../src/scheduler/state/core.ts";
import type {
  Language,
  SchedulerConfig,
  SchedulerEvent,
  SchedulerInstruction,
  SubmittedTask,
  TaskRun,
} from "../../../src/scheduler/state/index.ts";
import { handleEvent, handleEvents } from "../../../src/scheduler/state/machine.ts";
import { SchedulerViews } from "../../../src/scheduler/state/views.ts";
import { SimColumns } from "./columns.ts";

/** Key of a name; keys of layers stand for themselves. */
export const k = (name: string): Key => (name.startsWith("\0") ? (name as Key) : keyOfValue(name));
const SPEC = serialize("spec");

/** A failure whose text is its message. */
export function failure(text: string): WireFailure {
  return { exception: serialize(text), traceback: null, exceptionText: text, tracebackText: "" };
}

/** An event without time. */
export type Bare = SchedulerEvent extends infer E
  ? E extends SchedulerEvent
    ? Omit<E, "now" | "stimulusId">
    : never
  : never;

/** A task by name. */
export function task(
  name: string,
  dependencies: readonly string[] = [],
  options: Partial<SubmittedTask> = {},
): SubmittedTask {
  return {
    key: k(name),
    dependencies: dependencies.map(k),
    runSpec: SPEC,
    language: "native" as Language,
    retries: 0,
    priority: 0,
    rank: 0,
    needBytes: null,
    workers: null,
    allowOtherWorkers: false,
    resources: null,
    ...options,
  };
}

/** An attempt that a worker was told to make; `column`: it came in a column, and is answered in one. */
export interface Order {
  readonly worker: string;
  readonly message: ComputeTask;
  readonly column?: { readonly submission: number; readonly task: number };
}

export class Driver {
  readonly core: Core;
  readonly views: SchedulerViews;
  now = 0;
  /** Orders that were sent and not answered, by worker and run. */
  readonly orders: Order[] = [];
  readonly toClients: { readonly client: string; readonly message: SchedulerToClient }[] = [];
  readonly sent: SchedulerInstruction[] = [];

  constructor(config: Partial<SchedulerConfig> = {}) {
    this.core = new Core({
      runSpecOf: () => SPEC,
      failureOf: (error: RsdatError) => failure(`${error.name}: ${errorToRecord(error).message}`),
      ...config,
    });
    this.views = new SchedulerViews(this.core);
  }

  feed(event: Bare): SchedulerInstruction[] {
    const outbox: SchedulerInstruction[] = [];
    handleEvent(this.core, this.#dated(event), outbox);
    return this.#note(outbox);
  }

  /** Events of one turn. */
  feedAll(events: readonly Bare[]): SchedulerInstruction[] {
    const outbox: SchedulerInstruction[] = [];
    handleEvents(
      this.core,
      events.map((event) => this.#dated(event)),
      outbox,
    );
    return this.#note(outbox);
  }

  #dated(event: Bare): SchedulerEvent {
    // The two fields left out are added here.
    return { ...event, now: this.now, stimulusId: event.type } as SchedulerEvent;
  }

  #note(outbox: SchedulerInstruction[]): SchedulerInstruction[] {
    checkCore(this.core);
    for (const instruction of outbox) {
      this.sent.push(instruction);
      if (instruction.type === "send-worker" && instruction.message.op === "compute-task")
        this.orders.push({ worker: instruction.worker, message: instruction.message });
      if (instruction.type === "run-tasks") this.orders.push(...ordersOf(instruction.run, instruction.worker));
      if (instruction.type === "send-client")
        this.toClients.push({ client: instruction.client, message: instruction.message });
    }
    return outbox;
  }

  worker(
    address: string,
    options: {
      readonly nthreads?: number;
      readonly kind?: "rsdat" | "python";
      readonly resources?: Record<string, number>;
      readonly budgetBytes?: number;
      readonly spillBytes?: number;
      readonly isColumnar?: boolean;
    } = {},
  ): void {
    this.feed({
      type: "worker-joined",
      worker: {
        address,
        name: `name-of-${address}`,
        nthreads: options.nthreads ?? 1,
        budgetBytes: options.budgetBytes ?? null,
        spillBytes: options.spillBytes ?? 0,
        kind: options.kind ?? "rsdat",
        resources: new Map(Object.entries(options.resources ?? {})),
        isColumnar: options.isColumnar ?? false,
        status: "running",
      },
    });
  }

  client(client = "alice"): void {
    this.feed({ type: "client-joined", client });
  }

  submit(tasks: readonly SubmittedTask[], wanted: readonly string[], client = "alice"): void {
    this.client(client);
    this.feed({ type: "submit-tasks", client, tasks, wanted: wanted.map(k) });
  }

  release(...names: string[]): void {
    this.feed({ type: "client-releases-keys", client: "alice", keys: names.map(k) });
  }

  say(worker: string, ...messages: WorkerToScheduler[]): SchedulerInstruction[] {
    return this.feed({ type: "worker-messages", worker, messages });
  }

  /** The open order for a key. */
  order(name: string): Order {
    const found = this.orders.findLast((order) => order.message.key === k(name));
    if (!found) throw new Error(`no order for ${name}`);
    return found;
  }

  finish(name: string, nbytes = 8): void {
    this.answer(this.order(name), nbytes);
  }

  /** The worker says that the attempt succeeded. */
  answer({ worker, message, column }: Order, nbytes: number, seconds: number = Number.NaN): SchedulerInstruction[] {
    if (!column) return this.say(worker, finished(message, nbytes));
    return this.feed({
      type: "tasks-finished",
      worker,
      submission: column.submission,
      tasks: Uint32Array.of(column.task),
      runIds: Uint32Array.of(message.runId),
      nbytes: Float64Array.of(nbytes),
      seconds: Float32Array.of(seconds),
    });
  }

  fail(name: string, text = "no luck"): void {
    const { worker, message } = this.order(name);
    this.say(worker, {
      op: "task-erred",
      key: message.key,
      runId: message.runId,
      ...failure(text),
      thread: 0,
      startstops: [],
      stimulusId: "fail",
    });
  }

  leave(worker: string, isExpected = false): void {
    this.feed({ type: "worker-left", worker, isExpected });
  }

  state(name: string): string {
    return this.views.stateOf(k(name));
  }

  slot(name: string): number {
    const slot = this.core.find(k(name));
    if (slot === undefined) throw new Error(`${name} is not known`);
    return slot;
  }

  /** Moves of a task so far, as `from→to`. */
  moves(name: string): string[] {
    return this.core.story.of([k(name)]).map(({ from, to }) => `${from}→${to}`);
  }
}

/** The orders of a run, each as the message that it stands for. */
function ordersOf(run: TaskRun, worker: string): Order[] {
  return new SimColumns().computeTasks(run, worker).map((message, i) => ({
    worker,
    message: message as ComputeTask, // runs are orders to compute
    column: { submission: run.submission, task: run.tasks[i] as number }, // one per task
  }));
}

export function finished(message: ComputeTask, nbytes: number): TaskFinished {
  return {
    op: "task-finished",
    key: message.key,
    runId: message.runId,
    nbytes,
    type: new Uint8Array(0),
    typename: "test",
    metadata: new Map(),
    thread: 0,
    startstops: [],
    stimulusId: "finish",
  };
}
