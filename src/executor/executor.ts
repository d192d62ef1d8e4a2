/** The executor: an arena, a ring, threads, and the tasks that are under way. */
import { CancelledError, type ErrorRecord, errorFromRecord, InvariantError, invariant } from "../base/index.ts";
import { type DType, itemsize } from "../dtype/index.ts";
import type { Graph, Key } from "../graph/index.ts";
import { copyStrided, createSegment } from "../kernels/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { Arena, type Place } from "./arena.ts";
import { BriefWait } from "./brief-wait.ts";
import { readCallResult } from "./call-record.ts";
import { fetchReads } from "./fetch.ts";
import { type IoFigures, ioFigures } from "./io-share.ts";
import { CANCELLED, callsFunction, type Hold, isBlock, type Job, NOT_RUN, packJob, valueOutcome } from "./job.ts";
import { createKernelShare, type KernelShare, sharedKernelStats } from "./kernel-share.ts";
import { failSoon, Lane, type LaneTask } from "./lane.ts";
import { writeMessage } from "./message.ts";
import { MessageStore } from "./message-store.ts";
import { Patience } from "./patience.ts";
import { ThreadPool } from "./pool.ts";
import { postedOutcome } from "./posted.ts";
import { THREAD_BYTES } from "./prepared.ts";
import { ProgramStore } from "./program-store.ts";
import { type Program, Programs, type Trust } from "./programs.ts";
import { Reaper } from "./reaper.ts";
import { type Reservation, reserve } from "./reserve.ts";
import { Ring, SLOT_STATE, SLOTS, type SlotFigures } from "./ring.ts";
import { type RunningTask, runningTasks } from "./running.ts";
import { NO_SPILL, Spill } from "./spill.ts";
import { taskErrorRecord } from "./steps.ts";
import type { ToThread } from "./thread.ts";
import type { BlockHandle, Executor, ExecutorOptions, ExecutorStats, ExecutorTask, TaskOutcome } from "./types.ts";

/** Default bound of a compute thread's JavaScript heap: decoders and user functions live there. */
const HEAP_BYTES = 512 * 2 ** 20;

/** The executor of this process's threads; {@link import("./create.ts").createExecutor} makes it. */
export class ThreadedExecutor implements Executor {
  readonly threads: number;
  readonly budgetBytes: number;
  readonly spillBytes: number;
  readonly #arena: Arena;
  readonly #spill: Spill | null;
  readonly #ring = new Ring();
  readonly #messages: MessageStore;
  readonly #pool: ThreadPool;
  readonly #kernels: KernelShare;
  readonly #lane: Lane;
  readonly #reservation: Reservation;
  readonly #reaper: Reaper;
  /** Jobs by slot, free slots, jobs that wait for a slot or a gap in the arena. */
  readonly #jobs: (Job | null)[] = Array.from({ length: SLOTS }, () => null);
  readonly #freeSlots = Array.from({ length: SLOTS }, (_, k) => SLOTS - 1 - k);
  #waiting: Job[] = [];
  /** Pins from outside, and what brings blocks. */
  #lent = 0;
  #inFlight = 0;
  /** Tasks in the ring, those of the lane apart. */
  #inRing = 0;
  #isWatching = false;
  readonly #brief = new BriefWait(this.#ring);
  /** Tasks in the ring for which no thread has been woken yet. */
  #pushed = 0;
  #isClosed = false;
  /** Why no thread is left, once that is so. */
  #dead: ErrorRecord | null = null;
  /** Holds the event loop while tasks are under way: waiting on shared memory does not. */
  readonly #awake: NodeJS.Timeout;
  readonly #busyMs: number[];
  #storeMs = 0;
  #tasksDone = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(options: ExecutorOptions) {
    const { threads, budgetBytes, enforceBudget = true, heapBytes = HEAP_BYTES, spill, onSegment } = options;
    invariant(Number.isInteger(threads) && threads >= 1, `an executor of ${threads} threads`);
    this.threads = threads;
    this.budgetBytes = budgetBytes;
    this.#busyMs = new Array<number>(threads).fill(0);
    this.#awake = setInterval(() => undefined, 2 ** 30).unref();
    const tell = (message: ToThread): void => this.#pool.broadcast(message);
    this.#arena = new Arena({
      budgetBytes,
      enforceBudget,
      onSegment: (id, { memory, buffer }) => {
        tell({ type: "segment", id, memory });
        onSegment?.(id, buffer);
      },
    });
    this.#spill = spill && spill.limitBytes > 0 ? new Spill(this.#arena, spill, () => this.#pumpSoon()) : null;
    this.spillBytes = this.#spill ? (spill?.limitBytes ?? 0) : 0;
    this.#messages = new MessageStore((id, buffer) => tell({ type: "messages", id, buffer }));
    this.#kernels = createKernelShare(threads);
    this.#pool = new ThreadPool({
      threads,
      ring: this.#ring,
      kernels: this.#kernels,
      registers: createSegment(threads * THREAD_BYTES).memory,
      heapBytes,
      stacks: options.stacks,
      introduction: () => [
        ...this.#arena.segments().map(({ memory }, id): ToThread => ({ type: "segment", id, memory })),
        ...this.#messages.buffers().map((buffer, id): ToThread => ({ type: "messages", id, buffer })),
      ],
      onDeath: (slot, error, isLast) => this.#onDeath(slot, error, isLast),
    });
    this.#reservation = {
      arena: this.#arena,
      spill: this.#spill,
      freeSlots: this.#freeSlots,
      isHolding: () => this.#isHolding,
      patience: new Patience(() => this.#pump()),
      putIfRoom: (block) => this.putIfRoom(block),
    };
    this.#reaper = new Reaper({ ring: this.#ring, threads, kill: (thread) => this.#pool.kill(thread) });
    this.#lane = new Lane({
      arena: this.#arena,
      ring: this.#ring,
      programs: new ProgramStore(this.#messages),
      freeSlots: this.#freeSlots,
      isReady: (block) => this.isResident(block),
      free: (block) => this.#free(block),
      reaper: this.#reaper,
    });
  }

  get isShort(): boolean {
    return this.#waiting.length > 0;
  }

  stats(): ExecutorStats {
    const { live, peak, touched, blocks, segments } = this.#arena.stats();
    return {
      bytesLive: live,
      bytesPeak: peak,
      spill: this.#spill?.figures ?? NO_SPILL,
      bytesTouched: touched,
      blocks,
      segments,
      inFlight: this.#inFlight,
      tasksDone: this.#tasksDone,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      busyMs: [...this.#busyMs],
      storeMs: this.#storeMs,
      threadsLost: this.#pool.lost,
      kernels: sharedKernelStats(this.#kernels),
    };
  }

  ioFigures(): IoFigures {
    return ioFigures(this.#pool.io);
  }

  running(): RunningTask[] {
    return runningTasks({ ring: this.#ring, threads: this.threads, lane: this.#lane, jobs: this.#jobs });
  }

  takeStacks(): ReturnType<ThreadPool["takeStacks"]> {
    return this.#pool.takeStacks();
  }

  allocate(dtype: DType, shape: readonly number[]): BlockHandle {
    const block = this.#arena.allocate(dtype, shape);
    if (block === null) throw new InvariantError(`pinned blocks leave no gap for ${dtype} (${shape.join(", ")})`);
    return block;
  }

  allocateIfRoom(dtype: DType, shape: readonly number[]): BlockHandle | null {
    return this.#arena.canHold(sizeOf(shape) * itemsize(dtype)) ? this.#arena.allocate(dtype, shape) : null;
  }

  put(block: NDArray): BlockHandle {
    const handle = this.allocate(block.dtype, block.shape);
    copyStrided(this.#arena.view(handle), block);
    return handle;
  }

  putIfRoom(block: NDArray): BlockHandle | null {
    const handle = this.allocateIfRoom(block.dtype, block.shape);
    if (handle) copyStrided(this.#arena.view(handle), block);
    return handle;
  }

  view(handle: BlockHandle): NDArray {
    return this.#arena.view(handle);
  }

  place(handle: BlockHandle): Place {
    return this.#arena.place(handle);
  }

  isResident(handle: BlockHandle): boolean {
    return this.#spill?.isReady(handle) ?? true;
  }

  async makeRoom(nbytes: number): Promise<boolean> {
    return this.#spill ? this.#spill.makeRoom(nbytes) : this.#arena.hasRoom(nbytes);
  }

  async load(handle: BlockHandle, into?: ArrayBuffer): Promise<NDArray> {
    if (this.#spill && !this.#spill.isReady(handle)) return this.#spill.load(handle, into);
    const { dtype, shape, data } = this.#arena.view(handle);
    return new NDArray(dtype, data.slice(), shape); // sliced: ordinary memory
  }

  pin(handle: BlockHandle): void {
    this.#arena.pin(handle);
    this.#lent++;
  }

  unpin(handle: BlockHandle): void {
    this.#arena.unpin(handle);
    this.#lent--;
    this.#pumpSoon();
  }

  bringing(): Disposable {
    this.#lent++;
    return {
      [Symbol.dispose]: () => {
        this.#lent--;
        this.#pumpSoon();
      },
    };
  }

  retain(handle: BlockHandle): void {
    this.#arena.retain(handle);
  }

  release(handle: BlockHandle): void {
    this.#free(handle);
    this.#pumpSoon();
  }

  #free(handle: BlockHandle): void {
    if (this.#spill) this.#spill.release(handle);
    else this.#arena.release(handle);
  }

  run(task: ExecutorTask): Promise<TaskOutcome> {
    return new Promise((resolve) => this.submit(task, resolve));
  }

  submit(task: ExecutorTask, done: (outcome: TaskOutcome) => void): void {
    invariant(!this.#isClosed, "the executor is closed");
    const job: Job = {
      task,
      done,
      isStopped: false,
      stop: null,
      onAbort: () => this.#cancel(job),
      inputs: [...task.inputs],
      pinned: new Set(),
      hold: null,
      bytesFetched: 0,
      fetching: null,
    };
    for (const input of task.inputs) if (isBlock(input)) this.#arena.retain(input);
    if (this.#inFlight++ === 0) this.#awake.ref();
    if (task.signal?.aborted) {
      queueMicrotask(() => this.#finish(job, CANCELLED));
      return;
    }
    task.signal?.addEventListener("abort", job.onAbort, { once: true });
    this.#waiting.push(job);
    if (this.#waiting.length === 1) this.#pump();
  }

  open(graph: Graph, trust: Trust, signal: AbortSignal | null = null): Programs {
    const programs = new Programs(graph, trust, signal);
    const onAbort = (): void => void this.#lane.cancel((task) => task.programs === programs);
    signal?.addEventListener("abort", onAbort, { once: true });
    return programs;
  }

  abort(key: Key): void {
    for (const job of [...this.#waiting, ...this.#jobs]) if (job?.task.key === key) this.#cancel(job);
    this.#lane.cancel(({ programs, task }) => programs.graph.key(task) === key);
  }

  cancel(task: LaneTask): void {
    if (this.#lane.cancel((each) => each === task)) return;
    const key = task.programs.graph.key(task.task);
    for (const job of [...this.#waiting, ...this.#jobs]) if (job?.task.key === key) this.#cancel(job);
  }

  close(programs: Programs): void {
    this.#lane.close(programs);
  }

  submitOf(task: LaneTask): void {
    invariant(!this.#isClosed, "the executor is closed");
    const { programs } = task;
    const isQuick = this.#waiting.length === 0 && this.#dead === null && !programs.signal?.aborted;
    let program: Program;
    try {
      const call = isQuick ? programs.call(task.task) : null;
      if (call && this.#lane.startCall(task, call)) return this.#started();
      program = programs.of(task.task);
      if (isQuick && this.#lane.start(task, program)) return this.#started();
    } catch (error) {
      failSoon(task, error);
      return;
    }
    this.#submitSlow(task, program);
  }

  /** A task of the lane is in the ring. */
  #started(): void {
    if (this.#inFlight++ === 0) this.#awake.ref();
    this.#wakeSoon();
  }

  #submitSlow(task: LaneTask, { spec, isTrusted }: Program): void {
    const { programs, inputs } = task;
    const key = programs.graph.key(task.task);
    const signal = programs.signal ? { signal: programs.signal } : {};
    this.submit({ key, spec, inputs, trusted: isTrusted, ...signal }, (outcome) => task.done(outcome));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#awake);
    // What is being read goes into memory that is given back below.
    const reading = this.#jobs.flatMap((job) => (job?.hold?.message === null ? [job] : []));
    for (const job of reading) this.#cancel(job);
    await Promise.all([this.#pool.close(), ...reading.map((job) => job.fetching)]);
    this.#spill?.close();
    for (const job of [...this.#waiting, ...this.#jobs]) if (job) this.#finish(job, CANCELLED);
    for (const slot of this.#lane.slots()) this.#failLane(slot, CANCELLED);
  }

  /** Bytes or a gap came free; not now, since a caller may be in the middle of an outcome. */
  #pumpSoon(): void {
    if (this.#waiting.length > 0) queueMicrotask(this.#pumpNow);
  }

  readonly #pumpNow = (): void => this.#pump();

  /** True while something holds blocks that it will give back: tasks under way, or blocks pinned from outside (being sent). */
  get #isHolding(): boolean {
    return this.#freeSlots.length < SLOTS || this.#lent > 0 || this.#spill?.isMoving === true;
  }

  /** Start waiting jobs, in order, as far as slots and gaps go. */
  #pump(): void {
    for (let job = this.#waiting[0]; job !== undefined && !this.#isClosed; job = this.#waiting[0]) {
      try {
        if (this.#dead) throw errorFromRecord(this.#dead);
        job.hold = reserve(job, this.#reservation);
      } catch (error) {
        this.#waiting.shift();
        this.#fail(job, error);
        continue;
      }
      if (job.hold === null) return; // whoever ends next pumps again
      this.#waiting.shift();
      this.#jobs[job.hold.slot] = job;
      if (job.hold.fetched === null) this.#launch(job, job.hold);
      else job.fetching = this.#prefetch(job, job.hold, job.hold.fetched);
    }
  }

  async #prefetch(job: Job, hold: Hold, fetched: BlockHandle): Promise<void> {
    job.stop = new AbortController();
    try {
      const slots = this.#arena.view(fetched).data as Uint8Array; // allocated as uint8
      job.bytesFetched = await fetchReads(hold.reads, slots, job.stop.signal);
      if (job.isStopped) throw new CancelledError("cancelled after reading");
      if (this.#dead) throw errorFromRecord(this.#dead);
    } catch (error) {
      const why = this.#dead ? errorFromRecord(this.#dead) : error;
      this.#fail(job, job.isStopped ? new CancelledError("cancelled while reading") : why);
      this.#pump();
      return;
    }
    this.#launch(job, hold);
  }

  #launch(job: Job, hold: Hold): void {
    try {
      const packed = packJob(job, hold, this.#arena);
      hold.message = this.#messages.put(packed.nbytes, (buffer, offset) => writeMessage(packed, buffer, offset));
    } catch (error) {
      return this.#fail(job, error);
    }
    this.#ring.push(hold.slot, hold.message);
    this.#inRing++;
    this.#wakeSoon();
  }

  /** Whatever else is handed over in this turn is woken for at once. */
  #wakeSoon(): void {
    if (this.#pushed++ === 0) queueMicrotask(this.#wakeNow);
  }

  /** Made once: a function that is made here costs every call of {@link #wakeSoon}. */
  readonly #wakeNow = (): void => {
    const pushed = this.#pushed;
    this.#pushed = 0;
    if (this.#isClosed) return;
    const seen = this.#ring.ended();
    this.#ring.wake(pushed);
    if (this.#inRing + this.#lane.count === 1 && !this.#isWatching) this.#brief.waitFor(seen);
    this.#watch();
  };

  /** See what ended, then sleep until something does; as long as anything is in the ring. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    for (;;) {
      if (!this.#brief.mayLook()) return void setImmediate(this.#watchAgain);
      const seen = this.#ring.ended();
      this.#drain();
      if (this.#isClosed || this.#inRing + this.#lane.count === 0) break;
      const ended = this.#ring.waitEnded(seen);
      if (ended === null) continue;
      void ended.then(this.#watchAgain);
      return;
    }
    this.#isWatching = false;
  }

  /** Made once, as {@link #wakeNow}. */
  readonly #watchAgain = (): void => {
    this.#brief.turned();
    this.#isWatching = false;
    this.#watch();
  };

  #drain(): void {
    for (let slot = this.#ring.nextEnding(); slot >= 0; slot = this.#ring.nextEnding()) {
      const state = this.#ring.state(slot);
      const job = this.#jobs[slot];
      if (job?.hold?.message) {
        if (state === SLOT_STATE.wanting) this.#sendValues(job, slot);
        else this.#ended(job, job.hold, state);
      } else if (this.#lane.job(slot)) this.#endedLane(slot, state);
    }
    this.#pump();
  }

  /** A task of the lane has ended; its output is the caller's. */
  #endedLane(slot: number, state: number): void {
    const ms = this.#ring.msOf(slot);
    this.#brief.lastMs = ms;
    const thread = this.#ring.threadOf(slot);
    this.#pool.noteEnd();
    this.#busyMs[thread] = (this.#busyMs[thread] ?? 0) + ms;
    const task = this.#lane.job(slot) as LaneTask; // by the caller
    if (state === SLOT_STATE.ok && task.made) {
      return task.made(this.#endLane(slot) as BlockHandle, ms / 1000); // calls give none
    }
    const figures = this.#ring.figures(slot);
    if (state === SLOT_STATE.ok) {
      const output = this.#endLane(slot) as BlockHandle; // calls give none
      return task.done({ status: "ok", output, ...figures });
    }
    if (state === SLOT_STATE.cancelled) return this.#failLane(slot, { status: "cancelled", ...figures });
    const outcome =
      state === SLOT_STATE.scalar
        ? valueOutcome(readCallResult(this.#ring.records, slot), figures)
        : this.#posted(slot, figures, () => task.programs.graph.key(task.task));
    const output = this.#endLane(slot);
    if (output) this.#free(output);
    task.done(outcome);
  }

  #endLane(slot: number): BlockHandle | null {
    this.#tasksDone++;
    if (--this.#inFlight === 0) this.#awake.unref();
    return this.#lane.end(slot);
  }

  #failLane(slot: number, outcome: Exclude<TaskOutcome, { readonly status: "ok" | "value" }>): void {
    const task = this.#lane.job(slot) as LaneTask; // by the caller
    const output = this.#endLane(slot);
    if (output) this.#free(output);
    task.done(outcome);
  }

  #sendValues({ inputs }: Job, slot: number): void {
    const { thread } = this.#ring.figures(slot);
    if (this.#ring.current(thread) !== slot) return; // it has died since
    this.#ring.resume(slot);
    const values = inputs.map((i) => (isBlock(i) ? null : i.value));
    this.#pool.postValues(thread, slot, values);
  }

  #ended(job: Job, hold: Hold, state: number): void {
    this.#pool.noteEnd();
    const told = this.#ring.figures(hold.slot);
    const figures = { ...told, bytesRead: told.bytesRead + job.bytesFetched };
    this.#brief.lastMs = told.stopMs - told.startMs;
    this.#busyMs[told.thread] = (this.#busyMs[told.thread] ?? 0) + this.#brief.lastMs;
    this.#bytesRead += figures.bytesRead;
    this.#bytesWritten += figures.bytesWritten;
    if (figures.bytesRead + figures.bytesWritten > 0) this.#storeMs += told.stopMs - told.startMs;
    if (state === SLOT_STATE.ok) {
      this.#arena.retain(hold.output);
      this.#finish(job, { status: "ok", output: hold.output, ...figures });
    } else if (state === SLOT_STATE.cancelled) this.#finish(job, { status: "cancelled", ...figures });
    else if (state === SLOT_STATE.scalar && hold.message)
      this.#finish(job, valueOutcome(this.#messages.scalarAt(hold.message), figures));
    else
      this.#finish(
        job,
        this.#posted(hold.slot, figures, () => job.task.key),
      );
  }

  /** Outcome of a task that had to be posted. */
  #posted(slot: number, figures: SlotFigures, keyOf: () => Key): TaskOutcome {
    return postedOutcome(this.#pool.postOf(slot, figures.thread), figures, keyOf, this.#arena);
  }

  #cancel(job: Job): void {
    job.isStopped = true;
    job.stop?.abort();
    if (job.hold?.message) {
      const { slot, spec } = job.hold;
      this.#ring.cancel(slot); // its thread answers, or is ended
      if (callsFunction(spec)) this.#reaper.watch(slot, () => this.#jobs[slot] === job);
    } else if (job.hold === null && this.#waiting.includes(job)) {
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      this.#finish(job, CANCELLED);
      this.#pumpSoon(); // those behind it may need less
    }
  }

  #fail(job: Job, error: unknown): void {
    if (error instanceof CancelledError) this.#finish(job, CANCELLED);
    else {
      const record = taskErrorRecord(error, job.task.key);
      queueMicrotask(() => {
        this.#finish(job, { status: "error", error: record, ...NOT_RUN });
        this.#pump();
      });
    }
  }

  /** Give back what a job held, and tell how it ended. */
  #finish(job: Job, outcome: TaskOutcome): void {
    const { task, inputs, hold, pinned } = job;
    task.signal?.removeEventListener("abort", job.onAbort);
    for (const input of pinned) this.#arena.unpin(input);
    pinned.clear();
    for (const input of inputs) if (isBlock(input)) this.#free(input);
    if (hold) {
      for (const block of [hold.output, hold.work, hold.fetched]) {
        if (!block) continue;
        this.#arena.unpin(block);
        this.#free(block);
      }
      if (hold.message) {
        this.#messages.free(hold.message);
        this.#inRing--;
      }
      this.#ring.clear(hold.slot);
      this.#jobs[hold.slot] = null;
      this.#freeSlots.push(hold.slot);
    }
    this.#tasksDone++;
    if (--this.#inFlight === 0) this.#awake.unref();
    job.done(outcome);
  }

  #onDeath(slot: number, error: ErrorRecord, isLast: boolean): void {
    if (isLast) this.#dead = error;
    this.#drain(); // what it told before, also that it wants values: the next task in the slot does not
    for (const doomed of isLast ? this.#lane.slots() : slot >= 0 && this.#lane.job(slot) ? [slot] : []) {
      const { programs, task, isCancelled } = this.#lane.job(doomed) as LaneTask; // one of its slots
      const record = taskErrorRecord(errorFromRecord(error), programs.graph.key(task));
      this.#failLane(doomed, isCancelled ? CANCELLED : { status: "error", error: record, ...NOT_RUN });
    }
    const doomed = isLast ? [...this.#waiting.splice(0), ...this.#jobs] : slot >= 0 ? [this.#jobs[slot]] : [];
    for (const job of doomed) {
      if (!job) continue;
      if (job.hold?.message === null) {
        job.stop?.abort(); // it ends once nothing is read into its memory any more
        continue;
      }
      const failed = taskErrorRecord(errorFromRecord(error), job.task.key);
      this.#finish(job, job.isStopped ? CANCELLED : { status: "error", error: failed, ...NOT_RUN });
    }
    this.#pump();
  }
}
