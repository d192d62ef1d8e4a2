/** The coordinator: scheduler machine, worker machine and executor in one thread; messages pass between them as objects. */
import { CancelledError, type ErrorRecord, errorToRecord, InvariantError, invariant } from "../base/index.ts";
import { createLogger, systemClock } from "../config/index.ts";
import {
  type BlockHandle,
  createExecutor,
  type Executor,
  type TaskInput,
  type TaskOutcome,
} from "../executor/index.ts";
import { type Key, showKey, type TaskSpec, valueOfKey } from "../graph/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import {
  ANYWHERE,
  Scheduler,
  type SchedulerConfig,
  type SchedulerEvent,
  type SchedulerInstruction,
} from "../scheduler/state/index.ts";
import {
  createWorkerMachine,
  type WorkerEvent,
  type WorkerInstruction,
  type WorkerMachine,
} from "../worker/state/index.ts";
import type { CoordinatorOptions, FromCoordinator, RunRequest, ToCoordinator, WantedBlock } from "./messages.ts";
import { type Group, Run } from "./run.ts";

const ADDRESS = "local://threads";
const CLIENT = "local";
/** Wants what is kept between runs. */
const KEEPER = "local-keeper";
/** Progress is told at most this often. */
const PROGRESS_MS = 100;
/** Wanted blocks are handed over when so many, or so many bytes of them, are there; at the latest when their run ends. */
const POST_BLOCKS = 256;
const POST_BYTES = 2 ** 20;

// Specs and failures are opaque to the machines; here they travel as they are.
type RunSpec = ReturnType<SchedulerConfig["runSpecOf"]>;
type Failure = ReturnType<SchedulerConfig["failureOf"]>;
type ToWorker = Extract<SchedulerInstruction, { readonly type: "send-worker" }>["message"];
type ToScheduler = Extract<WorkerInstruction, { readonly type: "send" }>["message"];
type ToClient = Extract<SchedulerInstruction, { readonly type: "send-client" }>["message"];
type Execute = Extract<WorkerInstruction, { readonly type: "execute" }>;

type Timeless<E> = E extends { readonly now: number; readonly stimulusId: string }
  ? Omit<E, "now" | "stimulusId">
  : never;

/** Result of a task: a block, or nothing any more, as the caller has it and nobody here needs it. */
type Result = { readonly block: BlockHandle } | "delivered";

function asFailure(record: ErrorRecord): Failure {
  // The machines only hand it on; `exception` is a record on this side of them as well.
  return {
    exception: record,
    traceback: null,
    exceptionText: `${record.name}: ${record.message}`,
    tracebackText: record.stack ?? "",
  } as unknown as Failure;
}

/** Runs graphs on threads. `post` tells the caller; buffers in `transfer` are handed over. */
export class Coordinator implements AsyncDisposable {
  readonly #options: CoordinatorOptions;
  readonly #post: (message: FromCoordinator, transfer?: readonly ArrayBuffer[]) => void;
  readonly #executor: Executor;
  readonly #scheduler: Scheduler;
  #worker: WorkerMachine;
  /** Budget under which the worker is known to the scheduler. */
  #budgetBytes: number;
  readonly #events: (
    | { readonly to: "scheduler"; readonly event: SchedulerEvent }
    | { readonly to: "worker"; readonly event: WorkerEvent }
  )[] = [];
  #isPumping = false;
  #stimulus = 0;
  readonly #results = new Map<Key, Result>();
  /** Wanted blocks that have not been posted yet. */
  #blocks: WantedBlock[] = [];
  #blockBytes = 0;
  readonly #runs = new Set<Run>();
  /** Run of a layer's tasks, by the layer's name. */
  readonly #runOf = new Map<string, Run>();
  /** Runs whose results are kept, until they are released. */
  readonly #kept = new Map<number, Run>();
  /** Requests that wait because the runs under way have another bound on memory. */
  #waiting: RunRequest[] = [];

  constructor(
    options: CoordinatorOptions,
    post: (message: FromCoordinator, transfer?: readonly ArrayBuffer[]) => void,
  ) {
    this.#options = options;
    this.#post = post;
    const { threads, budgetBytes, spill, admission, wide = false } = options;
    const logger = createLogger("rsdat.local");
    this.#executor = createExecutor({
      threads,
      budgetBytes,
      ...(spill && admission ? { spill: { ...spill, order: () => this.#spillOrder() } } : {}),
      enforceBudget: admission,
      wide,
      logger,
    });
    this.#scheduler = new Scheduler({
      admission,
      workerTtlMs: Number.POSITIVE_INFINITY,
      runSpecOf: (spec) => spec as unknown as RunSpec,
      failureOf: (error) => asFailure(errorToRecord(error)),
    });
    this.#budgetBytes = budgetBytes;
    this.#worker = this.#join();
    this.#tell({ type: "client-joined", client: CLIENT });
    this.#tell({ type: "client-joined", client: KEEPER });
  }

  /** Something from the caller. */
  handle(message: ToCoordinator): void {
    if (message.type === "run") {
      this.#waiting.push(message);
      this.#startWaiting();
      return;
    }
    if (message.type === "release") this.#forget(message.id);
    else this.#cancel(message.id);
  }

  #cancel(id: number): void {
    const cancelled = errorToRecord(new CancelledError("the run was cancelled"));
    for (const run of this.#runs) {
      const group = run.groups.find((each) => each.id === id);
      if (group) return this.#failGroup(run, group, cancelled);
    }
    if (!this.#waiting.some((request) => request.groups.some((group) => group.id === id))) return;
    this.#waiting = this.#waiting.flatMap((request) => {
      const groups = request.groups.filter((group) => group.id !== id);
      return groups.length > 0 ? [{ ...request, groups }] : [];
    });
    this.#post({ type: "failed", id, error: cancelled });
  }

  /** What a run kept is wanted no more; one that is still under way is cancelled. */
  #forget(id: number): void {
    const run = this.#kept.get(id);
    if (!run) return this.#cancel(id);
    this.#kept.delete(id);
    for (const group of run.groups)
      this.#tell({ type: "client-releases-keys", client: KEEPER, keys: [...group.wanted.keys()] });
    this.#forgetNames(run);
  }

  #forgetNames(run: Run): void {
    for (const name of run.names()) if (this.#runOf.get(name) === run) this.#runOf.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#executor[Symbol.asyncDispose]();
  }

  /** Begin the next requests, in order, as long as they share the bound on memory of those under way. */
  #startWaiting(): void {
    for (let request = this.#waiting[0]; request !== undefined; request = this.#waiting[0]) {
      const bytes = Math.min(request.memoryBytes ?? Number.POSITIVE_INFINITY, this.#options.budgetBytes);
      // Beside kept blocks the worker stays as it is; the request's plan fits the smaller bound.
      if (bytes !== this.#budgetBytes && this.#kept.size === 0) {
        if (this.#runs.size > 0) return;
        invariant(this.#results.size === 0, "an idle worker holds nothing");
        this.#budgetBytes = bytes;
        this.#tell({ type: "worker-left", worker: ADDRESS, isExpected: true });
        this.#worker = this.#join();
      }
      this.#waiting.shift();
      this.#start(request);
    }
  }

  #join(): WorkerMachine {
    const { threads } = this.#options;
    // One task more than threads is at the executor, so that a thread finds its next one without asking here.
    const nthreads = threads + 1;
    const worker = createWorkerMachine({
      address: ADDRESS,
      nthreads,
      budgetBytes: null,
      resources: new Map(),
      incomingBytesMax: 0,
      messageBytesMax: 0,
      incomingCountMax: 0,
      incomingThrottleBytes: 0,
      busyRetryMs: 0,
      missingRetryMs: 0,
    });
    this.#worker = worker;
    this.#tell({
      type: "worker-joined",
      worker: {
        address: ADDRESS,
        name: "threads",
        nthreads: threads,
        budgetBytes: this.#budgetBytes,
        // Who bounds a run's memory more tightly means its disk too.
        spillBytes: this.#budgetBytes === this.#options.budgetBytes ? this.#executor.spillBytes : 0,
        kind: "rsdat",
        resources: new Map(),
        isColumnar: false,
        status: "running",
      },
    });
    this.#tellWorker({ type: "status", status: "running" });
    return worker;
  }

  #start(request: RunRequest): void {
    let run: Run;
    try {
      run = new Run(request, (name) => this.#runOf.has(name));
    } catch (error) {
      for (const { id } of request.groups) this.#post({ type: "failed", id, error: errorToRecord(error) });
      return;
    }
    this.#runs.add(run);
    for (const name of run.names()) this.#runOf.set(name, run);
    this.#tell({
      type: "submit-layers",
      client: request.keeps ? KEEPER : CLIENT,
      graph: run.graph,
      wanted: run.wanted,
      walk: run.walk,
      leastBytes: request.leastBytes,
      placement: ANYWHERE,
      retries: request.retries,
      priority: request.priority,
    });
  }

  #tell(event: Timeless<SchedulerEvent>): void {
    const at = { now: systemClock.now(), stimulusId: `${event.type}-${this.#stimulus++}` };
    this.#events.push({ to: "scheduler", event: { ...event, ...at } as SchedulerEvent }); // the union's own members
    this.#pump();
  }

  #tellWorker(event: Timeless<WorkerEvent>): void {
    const at = { now: systemClock.now(), stimulusId: `${event.type}-${this.#stimulus++}` };
    this.#events.push({ to: "worker", event: { ...event, ...at } as WorkerEvent }); // the union's own members
    this.#pump();
  }

  /** One event, all that follows from it, then the next. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        if (next.to === "scheduler") {
          const outbox: SchedulerInstruction[] = [];
          this.#scheduler.handle(next.event, outbox);
          this.#obeyScheduler(outbox);
        } else {
          const outbox: WorkerInstruction[] = [];
          this.#worker.handle(next.event, outbox);
          this.#obeyWorker(outbox);
        }
      }
    } finally {
      this.#isPumping = false;
    }
    for (const run of [...this.#runs]) this.#endWhatIsDone(run);
  }

  #postBlocks(): void {
    if (this.#blocks.length === 0) return;
    const blocks = this.#blocks;
    this.#blocks = [];
    this.#blockBytes = 0;
    this.#post(
      { type: "blocks", blocks },
      blocks.map(({ data }) => data.buffer as ArrayBuffer),
    ); // sliced: not shared
  }

  #obeyScheduler(outbox: readonly SchedulerInstruction[]): void {
    const messages: ToWorker[] = [];
    for (const instruction of outbox) {
      if (instruction.type === "send-worker") messages.push(instruction.message);
      else if (instruction.type === "send-client") this.#heard(instruction.message, instruction.client);
      else if (instruction.type === "wake-at") this.#wake(instruction.at, () => this.#tell({ type: "tick" }));
      else invariant(instruction.type === "retired", "the only worker cannot be dropped");
    }
    if (messages.length > 0) this.#tellWorker({ type: "scheduler-messages", messages });
  }

  #obeyWorker(outbox: readonly WorkerInstruction[]): void {
    const messages: ToScheduler[] = [];
    for (const instruction of outbox) {
      if (instruction.type === "execute") this.#execute(instruction);
      else if (instruction.type === "drop") for (const key of instruction.keys) this.#drop(key);
      else if (instruction.type === "abort") this.#executor.abort(instruction.key);
      else if (instruction.type === "send") messages.push(instruction.message);
      else if (instruction.type === "wake-at") this.#wake(instruction.at, () => this.#tellWorker({ type: "wake" }));
      else invariant(instruction.type === "close", "there is nobody to gather from");
    }
    if (messages.length > 0) this.#tell({ type: "worker-messages", worker: ADDRESS, messages });
  }

  #wake(at: number, act: () => void): void {
    if (at !== Number.POSITIVE_INFINITY) setTimeout(act, Math.max(0, at - systemClock.now())).unref();
  }

  #runFor(key: Key): Run | undefined {
    const value = valueOfKey(key);
    return this.#runOf.get(String(Array.isArray(value) ? value[0] : value));
  }

  #execute({ key, runId, runSpec, dependencies }: Execute): void {
    const run = this.#runFor(key);
    if (run === undefined) throw new InvariantError(`${showKey(key)} belongs to no run`);
    const inputs = dependencies.map((dependency): TaskInput => {
      const result = this.#results.get(dependency);
      if (result !== undefined && result !== "delivered") return result.block;
      throw new InvariantError(`${showKey(dependency)} is not here, but ${showKey(key)} needs it`);
    });
    run.inFlight.add(key);
    const spec = runSpec as unknown as TaskSpec; // made by runSpecOf
    this.#executor.submit({ key, spec, inputs, trusted: true, signal: run.stop.signal }, (outcome) =>
      this.#ended(run, { key, runId }, outcome),
    );
  }

  #ended(run: Run, { key, runId }: { readonly key: Key; readonly runId: number }, outcome: TaskOutcome): void {
    run.inFlight.delete(key);
    for (const group of run.groups) group.draining.delete(key);
    run.bytesRead += outcome.bytesRead;
    run.bytesWritten += outcome.bytesWritten;
    const startstops = [{ action: "compute", start: outcome.startMs / 1e3, stop: outcome.stopMs / 1e3 }];
    const told = { key, runId, thread: outcome.thread, startstops };
    // A graph's tasks give blocks; the executor sees to it.
    invariant(outcome.status !== "value", `${showKey(key)} gave no block`);
    if (outcome.status === "ok") {
      run.done++;
      this.#results.set(key, { block: outcome.output });
      const { nbytes } = outcome.output;
      this.#tellWorker({
        type: "execute-success",
        value: { nbytes, type: new Uint8Array(), typename: "NDArray" },
        ...told,
      });
    } else {
      const record =
        outcome.status === "error" ? outcome.error : errorToRecord(new CancelledError(`${showKey(key)} was cancelled`));
      this.#tellWorker({ type: "execute-failure", failure: asFailure(record), ...told });
    }
    this.#progress(run, false);
  }

  #progress(run: Run, isLast: boolean): void {
    const now = systemClock.now();
    if (!isLast && now - run.lastProgressMs < PROGRESS_MS) return;
    run.lastProgressMs = now;
    const { done, bytesRead, bytesWritten } = run;
    const { kernels } = this.#executor.stats();
    const progress = { done, total: run.total, bytesRead, bytesWritten, kernels };
    for (const { id, isLive } of run.groups) if (isLive) this.#post({ type: "progress", id, progress });
  }

  #drop(key: Key): void {
    const result = this.#results.get(key);
    this.#results.delete(key);
    if (result !== undefined && result !== "delivered") this.#executor.release(result.block);
  }

  /** What the scheduler says to the clients that we are. */
  #heard(message: ToClient, client: string): void {
    if (message.op !== "key-in-memory" && message.op !== "task-erred") return;
    // A kept block may be wanted by runs that did not make it.
    for (const run of [...this.#runs]) {
      const { keeps } = run.request;
      if (keeps !== (client === KEEPER)) continue;
      const groups = run.groups.filter((group) => group.isLive && group.wanted.has(message.key));
      if (message.op === "task-erred") {
        const failure = message.exception as unknown as ErrorRecord; // made by asFailure
        for (const group of groups) this.#failGroup(run, group, failure);
      } else if (keeps) for (const group of groups) group.undelivered.delete(message.key);
      else this.#deliver(run, groups, message.key);
    }
  }

  /** Hand a wanted block to its callers. It stays counted as held here: they have it in this same process. */
  #deliver(run: Run, groups: readonly Group[], key: Key): void {
    const result = this.#results.get(key);
    if (result === undefined || result === "delivered") return;
    if (this.#executor.isResident(result.block)) this.#hand(groups, key, this.#executor.view(result.block));
    else void this.#loadFor(run, groups, { key, block: result.block });
    if (!run.inputs.has(key) && this.#runFor(key) === run) {
      this.#executor.release(result.block);
      this.#results.set(key, "delivered");
    }
  }

  /** A copy of a block for each caller. */
  #hand(groups: readonly Group[], key: Key, { dtype, shape, data }: NDArray): void {
    for (const group of groups) {
      if (!group.undelivered.delete(key)) continue;
      const places = group.wanted.get(key) ?? [];
      this.#blocks.push({ id: group.id, places, dtype, shape, data: data.slice() }); // sliced: ordinary memory
      this.#blockBytes += data.byteLength;
    }
    if (this.#blockBytes >= POST_BYTES || this.#blocks.length >= POST_BLOCKS) this.#postBlocks();
  }

  /** As {@link #hand}, of a block that lies on disk. */
  async #loadFor(
    run: Run,
    groups: readonly Group[],
    { key, block }: { readonly key: Key; readonly block: BlockHandle },
  ): Promise<void> {
    try {
      const loaded = await this.#executor.load(block);
      this.#hand(
        groups.filter((group) => group.isLive),
        key,
        loaded,
      );
    } catch (error) {
      for (const group of groups) this.#failGroup(run, group, errorToRecord(error));
    }
    this.#pump();
  }

  /** Blocks, those whose next use is furthest first. */
  #spillOrder(): BlockHandle[] {
    const blocks = Array.from(this.#results, ([key, result]) =>
      result === "delivered" ? [] : [{ block: result.block, next: this.#scheduler.views.nextUse(key) }],
    ).flat();
    return blocks.sort((a, b) => (a.next === b.next ? 0 : b.next - a.next)).map(({ block }) => block);
  }

  #failGroup(run: Run, group: Group, failure: ErrorRecord): void {
    if (!group.isLive) return;
    group.failure = failure;
    group.draining = new Set(run.inFlight);
    if (!run.groups.some((each) => each.isLive)) run.stop.abort();
    this.#releaseWanted(run, group);
  }

  /** What only this group wants is wanted no more. */
  #releaseWanted(run: Run, group: Group): void {
    const others = run.groups.filter((each) => each !== group && each.isLive);
    const keys = [...group.wanted.keys()].filter((key) => !others.some((each) => each.wanted.has(key)));
    this.#tell({ type: "client-releases-keys", client: run.request.keeps ? KEEPER : CLIENT, keys });
  }

  /** A group ends when it has all it wants, or has failed and nothing that may be its own is at the executor; a run with the last. */
  #endWhatIsDone(run: Run): void {
    for (const group of run.groups) {
      const isLast = !run.groups.some((each) => each !== group && !each.isEnded);
      if (group.isEnded || (isLast && run.inFlight.size > 0)) continue;
      if (group.failure === null ? group.undelivered.size === 0 : group.draining.size === 0) this.#end(run, group);
    }
    if (run.groups.some((group) => !group.isEnded) || !this.#runs.delete(run)) return;
    if (!this.#kept.has(run.groups[0]?.id ?? 0)) this.#forgetNames(run);
    this.#startWaiting();
  }

  #end(run: Run, group: Group): void {
    this.#postBlocks();
    const { id, failure } = group;
    if (failure === null) {
      this.#progress(run, true);
      group.isEnded = true;
      if (run.request.keeps) this.#kept.set(id, run);
      else this.#releaseWanted(run, group);
      this.#post({ type: "done", id });
    } else {
      group.isEnded = true;
      this.#post({ type: "failed", id, error: failure });
    }
  }
}
