/** The coordinator: scheduler machine and executor in one thread; what passes between them are columns. */
import { assertNever, CancelledError, type ErrorRecord, errorToRecord, invariant } from "../base/index.ts";
import { createLogger, systemClock } from "../config/index.ts";
import { type BlockHandle, createExecutor, type Executor, type TaskOutcome } from "../executor/index.ts";
import { type Key, layersInMemory, valueOfKey } from "../graph/index.ts";
import {
  ANYWHERE,
  Scheduler,
  type SchedulerConfig,
  type SchedulerEvent,
  type SchedulerInstruction,
} from "../scheduler/state/index.ts";
import { blockIn, DELIVERED, LocalBlocks } from "./blocks.ts";
import { type Addressee, Delivery } from "./delivery.ts";
import { localFigures } from "./figures.ts";
import type { CoordinatorOptions, FromCoordinator, RunRequest, ToCoordinator } from "./messages.ts";
import type { Order } from "./order.ts";
import { type Group, Run } from "./run.ts";
import { AHEAD_BYTES, type Failed, ThreadTasks } from "./tasks.ts";

const ADDRESS = "local://threads";
const CLIENT = "local";
/** Wants what is kept between runs. */
const KEEPER = "local-keeper";
/** Progress is told at most this often. */
const PROGRESS_MS = 100;

// Failures are opaque to the scheduler; here they travel as they are.
type Failure = ReturnType<SchedulerConfig["failureOf"]>;
type RunSpec = ReturnType<SchedulerConfig["runSpecOf"]>;
type ToClient = Extract<SchedulerInstruction, { readonly type: "send-client" }>["message"];

type Timeless<E> = E extends { readonly now: number; readonly stimulusId: string }
  ? Omit<E, "now" | "stimulusId">
  : never;

function asFailure(record: ErrorRecord): Failure {
  // The machine only hands it on; `exception` is a record on this side of it as well.
  return {
    exception: record,
    traceback: null,
    exceptionText: `${record.name}: ${record.message}`,
    tracebackText: record.stack ?? "",
  } as unknown as Failure;
}

/** Tells the caller; buffers in `transfer` are handed over. */
type Post = (messages: readonly FromCoordinator[], transfer: readonly ArrayBuffer[]) => void;

/** Runs graphs on threads. What is said in one turn is posted together. */
export class Coordinator implements AsyncDisposable {
  readonly #options: CoordinatorOptions;
  readonly #post: Post;
  #said: FromCoordinator[] = [];
  #transfer: ArrayBuffer[] = [];
  readonly #executor: Executor;
  readonly #scheduler: Scheduler;
  readonly #blocks: LocalBlocks;
  readonly #tasks: ThreadTasks;
  readonly #delivery: Delivery;
  /** Budget under which the threads are known to the scheduler. */
  #budgetBytes: number;
  #events: SchedulerEvent[] = [];
  #isPumping = false;
  #stimulus = 0;
  readonly #runs = new Set<Run>();
  /** Run of a layer's tasks, by the layer's name. */
  readonly #runOf = new Map<string, Run>();
  /** Runs that want blocks of a layer, by its name. */
  readonly #wanting = new Map<string, Run[]>();
  /** Runs whose results are kept, by the group that keeps them, until it is released. */
  readonly #kept = new Map<number, Run>();
  /** Requests that wait because the runs under way have another bound on memory. */
  #waiting: RunRequest[] = [];

  constructor(options: CoordinatorOptions, post: Post) {
    this.#options = options;
    this.#post = post;
    const { threads, budgetBytes, spill, admission, wide = false, hugePages = true } = options;
    this.#executor = createExecutor({
      threads,
      budgetBytes,
      ...(spill && admission ? { spill: { ...spill, order: () => this.#spillOrder() } } : {}),
      enforceBudget: admission,
      wide,
      hugePages,
      logger: createLogger("rsdat.local"),
      onSegment: (id, buffer) => this.#say({ type: "segment", id, buffer }),
    });
    this.#blocks = new LocalBlocks(this.#executor);
    this.#delivery = new Delivery(this.#executor, (message, buffers) => this.#say(message, buffers));
    this.#tasks = new ThreadTasks(this.#executor, this.#blocks, {
      left: (order, outcome) => this.#left(order, outcome),
      finished: (columns) => this.#tell({ type: "tasks-finished", worker: ADDRESS, ...columns }),
      failed: (failed) => this.#failed(failed),
      turned: () => this.#turned(),
    });
    this.#scheduler = new Scheduler({
      admission,
      workerTtlMs: Number.POSITIVE_INFINITY,
      sendAheadBytes: AHEAD_BYTES, // threads of this process find the next task without a message
      runSpecOf: (spec) => spec as unknown as RunSpec, // never asked: tasks go in columns
      failureOf: (error) => asFailure(errorToRecord(error)),
    });
    this.#budgetBytes = budgetBytes;
    this.#join();
    this.#tell({ type: "client-joined", client: CLIENT, isColumnar: true });
    this.#tell({ type: "client-joined", client: KEEPER, isColumnar: true });
  }

  #say(message: FromCoordinator, transfer: readonly ArrayBuffer[] = []): void {
    this.#transfer.push(...transfer);
    if (this.#said.push(message) === 1) queueMicrotask(() => this.#postSaid());
  }

  #postSaid(): void {
    if (this.#said.length === 0) return;
    const [said, transfer] = [this.#said, this.#transfer];
    this.#said = [];
    this.#transfer = [];
    this.#post(said, transfer);
  }

  /** True while a run is under way. */
  get isBusy(): boolean {
    return this.#runs.size > 0;
  }

  /** Something from the caller. */
  handle(message: ToCoordinator): void {
    switch (message.type) {
      case "run":
        this.#waiting.push(message);
        return this.#startWaiting();
      case "taken":
        return this.#delivery.taken(message.parcel);
      case "release":
        return this.#forget(message.id);
      case "figures":
        return this.#say({ type: "figures", id: message.id, figures: localFigures(this.#executor) });
      case "cancel":
        return this.#cancel(message.id);
      default:
        return assertNever(message);
    }
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
    this.#say({ type: "failed", id, error: cancelled });
    this.#startWaiting(); // those behind it may share the bound of those under way
  }

  /** What a group kept is wanted no more; one that is still under way is cancelled. */
  #forget(id: number): void {
    const run = this.#kept.get(id);
    if (!run) return this.#cancel(id);
    this.#kept.delete(id);
    const group = run.groups.find((each) => each.id === id);
    if (group) this.#release(run, group);
    if (!this.#runs.has(run)) this.#forgetNames(run);
  }

  #isKept(run: Run): boolean {
    return run.groups.some(({ id }) => this.#kept.has(id));
  }

  /** Names of a run that has ended, and of which nothing is kept, are free. */
  #forgetNames(run: Run): void {
    if (this.#isKept(run)) return;
    for (const name of run.names()) if (this.#runOf.get(name) === run) this.#runOf.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#executor[Symbol.asyncDispose]();
  }

  /** Begin the next requests, in order, as long as they share the bound on memory of those under way. */
  #startWaiting(): void {
    for (let request = this.#waiting[0]; request !== undefined; request = this.#waiting[0]) {
      const bytes = Math.min(request.memoryBytes ?? Number.POSITIVE_INFINITY, this.#options.budgetBytes);
      // Beside kept blocks the threads stay as they are; the request's plan fits the smaller bound.
      if (bytes !== this.#budgetBytes && this.#kept.size === 0) {
        if (this.#runs.size > 0) return;
        invariant(this.#blocks.isEmpty, "idle threads hold nothing");
        this.#budgetBytes = bytes;
        this.#tell({ type: "worker-left", worker: ADDRESS, isExpected: true });
        this.#join();
      }
      this.#waiting.shift();
      this.#start(request);
    }
  }

  #join(): void {
    this.#blocks.forgetAll();
    this.#tell({
      type: "worker-joined",
      worker: {
        address: ADDRESS,
        name: "threads",
        nthreads: this.#options.threads,
        budgetBytes: this.#budgetBytes,
        // Who bounds a run's memory more tightly means its disk too.
        spillBytes: this.#budgetBytes === this.#options.budgetBytes ? this.#executor.spillBytes : 0,
        kind: "rsdat",
        resources: new Map(),
        isColumnar: true,
        status: "running",
      },
    });
  }

  #start(request: RunRequest): void {
    let run: Run;
    try {
      run = new Run(request, (name) => this.#runOf.has(name));
    } catch (error) {
      for (const { id } of request.groups) this.#say({ type: "failed", id, error: errorToRecord(error) });
      return;
    }
    this.#runs.add(run);
    this.#blocks.add(run);
    for (const name of run.names()) this.#runOf.set(name, run);
    for (const name of run.wantedNames()) this.#wanting.set(name, [...(this.#wanting.get(name) ?? []), run]);
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
    this.#events.push({ ...event, ...at } as SchedulerEvent); // the union's own members
    this.#pump();
  }

  /** What has happened, and all that follows from it. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#events.length > 0) {
        const events = this.#events;
        this.#events = [];
        const outbox: SchedulerInstruction[] = [];
        this.#scheduler.handleAll(events, outbox);
        this.#obey(outbox);
        this.#tasks.start();
      }
    } finally {
      this.#isPumping = false;
    }
    for (const run of [...this.#runs]) this.#endWhatIsDone(run);
    // What stays pinned until its parcel is full may be what the waiting task waits for.
    if (this.#executor.isShort) this.#delivery.flush();
  }

  #obey(outbox: readonly SchedulerInstruction[]): void {
    for (const instruction of outbox) {
      if (instruction.type === "run-tasks") this.#tasks.run(instruction.run);
      else if (instruction.type === "free-tasks")
        this.#tasks.free(instruction.submission, instruction.graph, instruction.tasks);
      else if (instruction.type === "forget-submission") this.#blocks.forget(instruction.submission);
      else if (instruction.type === "send-client") this.#heard(instruction.message, instruction.client);
      else if (instruction.type === "wake-at") this.#wake(instruction.at);
      else invariant(instruction.type === "retired", `the only worker takes no ${instruction.type}`);
    }
  }

  #wake(at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    setTimeout(() => this.#tell({ type: "tick" }), Math.max(0, at - systemClock.now())).unref();
  }

  /** A task has left its thread. */
  #left(order: Order, outcome: TaskOutcome | null): void {
    const { run } = order.open;
    run.underWay--;
    for (const group of run.groups) if (group.draining.size > 0) group.draining.delete(order);
    if (outcome === null || outcome.status === "ok") run.done++;
    run.bytesRead += outcome?.bytesRead ?? 0;
    run.bytesWritten += outcome?.bytesWritten ?? 0;
  }

  #failed({ order, error, outcome }: Failed): void {
    const { open, task, runId } = order;
    this.#tell({
      type: "worker-messages",
      worker: ADDRESS,
      messages: [
        {
          op: "task-erred",
          key: open.graph.key(task),
          runId,
          ...asFailure(error),
          thread: outcome.thread,
          startstops: [{ action: "compute", start: outcome.startMs / 1e3, stop: outcome.stopMs / 1e3 }],
          stimulusId: "task-erred",
        },
      ],
    });
  }

  #turned(): void {
    for (const run of this.#runs) this.#progress(run, false);
    this.#tasks.start();
    this.#pump();
  }

  #progress(run: Run, isLast: boolean): void {
    if (!run.groups.some(({ isLive, listens }) => isLive && listens)) return;
    const now = systemClock.now();
    if (!isLast && now - run.lastProgressMs < PROGRESS_MS) return;
    run.lastProgressMs = now;
    const { done, bytesRead, bytesWritten } = run;
    const { kernels, bytesPeak, spill } = this.#executor.stats();
    const memory = { peakBytes: bytesPeak, spilledBytes: spill.bytesWritten };
    const progress = { done, total: run.total, bytesRead, bytesWritten, kernels, memory };
    for (const { id, isLive, listens } of run.groups)
      if (isLive && listens) this.#say({ type: "progress", id, progress });
  }

  /** What the scheduler says to the clients that we are. */
  #heard(message: ToClient, client: string): void {
    const keeps = client === KEEPER;
    if (message.op === "tasks-in-memory") {
      // A kept block may be wanted by runs that did not make it.
      for (const run of this.#wanting.get(message.layer) ?? []) {
        if (run.request.keeps !== keeps) continue;
        if (keeps) for (const group of run.groups) group.takeAll(message.layer, message.blocks);
        else for (const index of message.blocks) this.#arrived(run, message.layer, index);
      }
    } else if (message.op === "key-in-memory" || message.op === "task-erred") {
      const [name, position] = partsOf(message.key);
      for (const run of [...(this.#wanting.get(name) ?? [])]) {
        if (run.request.keeps !== keeps) continue;
        if (message.op === "key-in-memory") this.#arrived(run, name, run.indexOf(name, position));
        // Made by asFailure.
        else this.#failWhoWants(run, name, message.exception as unknown as ErrorRecord);
      }
    }
  }

  #failWhoWants(run: Run, name: string, failure: ErrorRecord): void {
    for (const group of run.groups) if (group.wishes.has(name)) this.#failGroup(run, group, failure);
  }

  /** A wanted block is there: kept, or handed to its callers. It stays counted as held here: they are in this same process. */
  #arrived(run: Run, name: string, index: number): void {
    if (run.request.keeps) {
      for (const group of run.groups) group.take(name, index);
      return;
    }
    const layer = this.#blocks.layer(name);
    const block = blockIn(layer?.get(index));
    if (!layer || !block) return;
    const isHere = this.#executor.isResident(block);
    let isFinal = false;
    for (const group of run.groups) {
      const wish = group.take(name, index);
      if (!wish) continue;
      isFinal = run.isFinal(wish, index);
      const to = { id: group.id, outputs: wish.outputs, index };
      if (isHere) this.#delivery.lend(to, block);
      else void this.#load(run, group, { to, block });
    }
    if (!isFinal) return;
    layer.set(index, DELIVERED);
    this.#executor.release(block);
  }

  /** As `lend`, of a block that lies on disk. */
  async #load(
    run: Run,
    group: Group,
    { to, block }: { readonly to: Addressee; readonly block: BlockHandle },
  ): Promise<void> {
    group.loading++;
    try {
      const loaded = await this.#executor.load(block);
      if (group.isLive) this.#delivery.give(to, loaded);
    } catch (error) {
      this.#failGroup(run, group, errorToRecord(error));
    }
    group.loading--;
    this.#pump();
  }

  /** Blocks that may leave memory, those whose next use is furthest first. */
  #spillOrder(): BlockHandle[] {
    const staying = layersInMemory(Array.from(this.#runs, ({ graph }) => graph));
    const blocks = Array.from(this.#blocks.blocks(), ([key, block]) => ({
      block,
      next: this.#scheduler.views.nextUse(key),
      stays: staying?.has(partsOf(key)[0]) === true,
    })).filter(({ stays }) => !stays);
    return blocks.sort((a, b) => (a.next === b.next ? 0 : b.next - a.next)).map(({ block }) => block);
  }

  #failGroup(run: Run, group: Group, failure: ErrorRecord): void {
    if (!group.isLive) return;
    group.failure = failure;
    group.draining = new Set(this.#tasks.running.filter((order) => order.open.run === run));
    if (!run.groups.some((each) => each.isLive)) run.stop.abort();
    this.#release(run, group);
  }

  /** What only this group wants, or keeps, is wanted no more. */
  #release(run: Run, group: Group): void {
    const others = run.groups.filter((each) => each !== group && (each.isLive || this.#kept.has(each.id)));
    const client = run.request.keeps ? KEEPER : CLIENT;
    for (const [name, { count, layer }] of group.wishes) {
      if (others.some((each) => each.wishes.has(name))) continue;
      const blocks = new Uint32Array(count);
      for (let index = 0; index < count; index++) blocks[index] = index;
      this.#tell({ type: "client-releases-blocks", client, layer: name, grid: run.graph.grid(layer), blocks });
    }
  }

  /** A group ends when it has all it wants, or has failed and nothing that may be its own is at the executor; a run with the last. */
  #endWhatIsDone(run: Run): void {
    for (const group of run.groups) {
      const isLast = !run.groups.some((each) => each !== group && !each.isEnded);
      if (group.isEnded || (isLast && run.underWay > 0)) continue;
      if (group.failure === null ? group.left === 0 && group.loading === 0 : group.draining.size === 0)
        this.#end(run, group);
    }
    if (run.groups.some((group) => !group.isEnded) || !this.#runs.delete(run)) return;
    for (const name of run.wantedNames()) {
      const others = this.#wanting.get(name)?.filter((other) => other !== run) ?? [];
      if (others.length > 0) this.#wanting.set(name, others);
      else this.#wanting.delete(name);
    }
    this.#forgetNames(run);
    this.#startWaiting();
  }

  #end(run: Run, group: Group): void {
    this.#delivery.flush();
    const { id, failure } = group;
    if (failure === null) this.#progress(run, true);
    group.isEnded = true;
    if (failure !== null) return this.#say({ type: "failed", id, error: failure });
    this.#say({ type: "done", id });
    this.#postSaid(); // nobody waits for what follows
    if (run.request.keeps) this.#kept.set(id, run);
    else this.#release(run, group);
  }
}

/** Layer and place of a block's key. */
function partsOf(key: Key): [name: string, position: readonly number[]] {
  const value = valueOfKey(key);
  return Array.isArray(value) ? [String(value[0]), value.slice(1).map(Number)] : [String(value), []];
}
