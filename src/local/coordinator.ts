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
import { type Key, showKey, type TaskId, type TaskSpec, valueOfKey } from "../graph/index.ts";
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
  type Ref,
  type SchedulerWord,
  type ValueFacts,
  type WorkerEvent,
  type WorkerInstruction,
  type WorkerMachine,
} from "../worker/state/index.ts";
import { localFigures } from "./figures.ts";
import type { CoordinatorOptions, FromCoordinator, RunRequest, ToCoordinator, WantedBlock } from "./messages.ts";
import { OpenGraphs, Results } from "./results.ts";
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
/** Work that threads find without asking, and the most tasks of it. */
const AHEAD_MS = 2;
const AHEAD_MAX = 512;

// Specs and failures are opaque to the machines; here they travel as they are.
type RunSpec = ReturnType<SchedulerConfig["runSpecOf"]>;
type Failure = ReturnType<SchedulerConfig["failureOf"]>;
type ToScheduler = Extract<WorkerInstruction, { readonly type: "send" }>["message"];
type ToClient = Extract<SchedulerInstruction, { readonly type: "send-client" }>["message"];
type Execute = Extract<WorkerInstruction, { readonly type: "execute" }>;
type ExecuteBlocks = Extract<WorkerInstruction, { readonly type: "execute-blocks" }>;

type Timeless<E> = E extends { readonly now: number; readonly stimulusId: string }
  ? Omit<E, "now" | "stimulusId">
  : never;

function asFailure(record: ErrorRecord): Failure {
  // The machines only hand it on; `exception` is a record on this side of them as well.
  return {
    exception: record,
    traceback: null,
    exceptionText: `${record.name}: ${record.message}`,
    tracebackText: record.stack ?? "",
  } as unknown as Failure;
}

const NONE: readonly Ref[] = [];
const NO_TYPE = new Uint8Array(0);

function factsOf({ nbytes }: BlockHandle): ValueFacts {
  return { nbytes, type: NO_TYPE, typename: "NDArray" };
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
  readonly #results: Results;
  readonly #graphs: OpenGraphs;
  /** Blocks made in this turn. */
  #made: { readonly refs: Ref[]; readonly values: ValueFacts[]; readonly seconds: number[] } | null = null;
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
    const { threads, budgetBytes, spill, admission, wide = false, hugePages = true } = options;
    const logger = createLogger("rsdat.local");
    this.#executor = createExecutor({
      threads,
      budgetBytes,
      ...(spill && admission ? { spill: { ...spill, order: () => this.#spillOrder() } } : {}),
      enforceBudget: admission,
      wide,
      hugePages,
      logger,
    });
    this.#results = new Results(this.#executor);
    this.#graphs = new OpenGraphs(this.#executor);
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
    else if (message.type === "figures")
      this.#post({ type: "figures", id: message.id, figures: localFigures(this.#executor) });
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
    this.#graphs.forgetAll();
    const worker = createWorkerMachine({
      address: ADDRESS,
      nthreads,
      aheadMs: AHEAD_MS,
      aheadMax: AHEAD_MAX,
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
        isColumnar: true,
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
    this.#graphs.add(run);
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
    const messages: SchedulerWord[] = [];
    for (const instruction of outbox) {
      if (instruction.type === "run-tasks") {
        const { graph, ...run } = instruction.run;
        const first = this.#graphs.announce(run.submission, graph);
        if (first) messages.push(first);
        messages.push({ op: "run-tasks", ...run });
      } else if (instruction.type === "free-tasks") {
        const { submission, graph, tasks, stimulusId } = instruction;
        const first = this.#graphs.announce(submission, graph);
        if (first) messages.push(first);
        messages.push({ op: "free-tasks", submission, tasks, stimulusId });
      } else if (instruction.type === "forget-submission") {
        const { submission } = instruction;
        if (this.#graphs.get(submission)) messages.push({ op: "forget-graph", submission });
      } else if (instruction.type === "send-worker") messages.push(instruction.message);
      else if (instruction.type === "send-client") this.#heard(instruction.message, instruction.client);
      else if (instruction.type === "wake-at") this.#wake(instruction.at, () => this.#tell({ type: "tick" }));
      else invariant(instruction.type === "retired", "the only worker cannot be dropped");
    }
    if (messages.length > 0) this.#tellWorker({ type: "scheduler-messages", messages });
  }

  #obeyWorker(outbox: readonly WorkerInstruction[]): void {
    const messages: ToScheduler[] = [];
    for (const instruction of outbox) {
      if (instruction.type === "execute-blocks") this.#executeBlocks(instruction);
      else if (instruction.type === "send-finished") {
        const { op: _, ...ends } = instruction.message;
        this.#tell({ type: "tasks-finished", worker: ADDRESS, ...ends });
      } else if (instruction.type === "execute") this.#execute(instruction);
      else if (instruction.type === "drop-blocks") for (const ref of instruction.refs) this.#results.drop(ref);
      else if (instruction.type === "drop") for (const key of instruction.keys) this.#results.drop(key);
      else if (instruction.type === "forget-graph") this.#graphs.forget(instruction.submission);
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

  /** Blocks of these inputs; all are here. */
  #inputs(refs: readonly Ref[]): TaskInput[] {
    return refs.map((ref) => {
      const result = this.#results.get(ref);
      if (result !== undefined && result !== "delivered") return result.block;
      throw new InvariantError(`${ref} is not here, but a task needs it`);
    });
  }

  #execute({ key, runId, runSpec, dependencies }: Execute): void {
    const run = this.#runFor(key);
    if (run === undefined) throw new InvariantError(`${showKey(key)} belongs to no run`);
    const inputs = this.#inputs(dependencies.map((each) => this.#worker.refOf(each)));
    run.inFlight.add(key);
    const spec = runSpec as unknown as TaskSpec; // made by runSpecOf
    this.#executor.submit({ key, spec, inputs, trusted: true, signal: run.stop.signal }, (outcome) => {
      const startstops = [{ action: "compute", start: outcome.startMs / 1e3, stop: outcome.stopMs / 1e3 }];
      const told = { key, runId, thread: outcome.thread, startstops };
      const block = this.#ended(run, key, outcome);
      if (block !== null) {
        const ref = this.#worker.refOf(key);
        this.#results.set(ref, block, { run, task: -1 });
        this.#tellWorker({ type: "execute-success", value: factsOf(block), ...told });
      } else this.#tellWorker({ type: "execute-failure", failure: this.#failureOf(key, outcome), ...told });
      this.#progress(run, false);
    });
  }

  #executeBlocks({ submission, refs, tasks, inputStart, inputs }: ExecuteBlocks): void {
    const open = this.#graphs.get(submission);
    if (open === undefined) throw new InvariantError(`submission ${submission} is not known`);
    const { run, programs } = open;
    for (const [k, ref] of refs.entries()) {
      const task = tasks[k] as TaskId; // columns of equal length
      run.inFlight.add(ref);
      const own = inputStart[k] === inputStart[k + 1] ? NONE : inputs.slice(inputStart[k], inputStart[k + 1]);
      const done = (outcome: TaskOutcome): void => this.#endedBlock(run, { ref, task }, outcome);
      this.#executor.submitOf({ programs, task, inputs: this.#inputs(own), done });
    }
  }

  /** Blocks are told to the worker machine together, at the end of the turn. */
  #endedBlock(run: Run, { ref, task }: { readonly ref: Ref; readonly task: TaskId }, outcome: TaskOutcome): void {
    const block = this.#ended(run, ref, outcome);
    if (block === null) {
      this.#tellMade();
      const startstops = [{ action: "compute", start: outcome.startMs / 1e3, stop: outcome.stopMs / 1e3 }];
      const failure = this.#failureOf(run.graph.key(task), outcome);
      this.#tellWorker({ type: "block-failed", ref, failure, thread: outcome.thread, startstops });
      this.#progress(run, false);
      return;
    }
    this.#results.set(ref, block, { run, task });
    if (this.#made === null) {
      this.#made = { refs: [], values: [], seconds: [] };
      queueMicrotask(() => this.#tellMade());
    }
    this.#made.refs.push(ref);
    this.#made.values.push(factsOf(block));
    this.#made.seconds.push((outcome.stopMs - outcome.startMs) / 1e3);
  }

  #tellMade(): void {
    const made = this.#made;
    if (made === null) return;
    this.#made = null;
    this.#tellWorker({ type: "blocks-executed", ...made });
    for (const run of this.#runs) this.#progress(run, false);
  }

  /** Count the end of a task; its block, if it made one. */
  #ended(run: Run, ref: Ref, outcome: TaskOutcome): BlockHandle | null {
    run.inFlight.delete(ref);
    for (const group of run.groups) group.draining.delete(ref);
    run.bytesRead += outcome.bytesRead;
    run.bytesWritten += outcome.bytesWritten;
    // A graph's tasks give blocks; the executor sees to it.
    invariant(outcome.status !== "value", "a task gave no block");
    if (outcome.status !== "ok") return null;
    run.done++;
    return outcome.output;
  }

  #failureOf(key: Key, outcome: TaskOutcome): Failure {
    const isError = outcome.status === "error";
    return asFailure(isError ? outcome.error : errorToRecord(new CancelledError(`${showKey(key)} was cancelled`)));
  }

  #progress(run: Run, isLast: boolean): void {
    const now = systemClock.now();
    if (!isLast && now - run.lastProgressMs < PROGRESS_MS) return;
    run.lastProgressMs = now;
    const { done, bytesRead, bytesWritten } = run;
    const { kernels, bytesPeak, spill } = this.#executor.stats();
    const memory = { peakBytes: bytesPeak, spilledBytes: spill.bytesWritten };
    const progress = { done, total: run.total, bytesRead, bytesWritten, kernels, memory };
    for (const { id, isLive } of run.groups) if (isLive) this.#post({ type: "progress", id, progress });
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
    const ref = this.#worker.refOf(key);
    const result = this.#results.get(ref);
    if (result === undefined || result === "delivered") return;
    if (this.#executor.isResident(result.block)) this.#hand(groups, key, this.#executor.view(result.block));
    else void this.#loadFor(run, groups, { key, block: result.block });
    if (!run.inputs.has(key) && (this.#results.runOf(ref) ?? this.#runFor(key)) === run) this.#results.deliver(ref);
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
    const blocks = Array.from(this.#results.blocks(), ([key, block]) => ({
      block,
      next: this.#scheduler.views.nextUse(key),
    }));
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
