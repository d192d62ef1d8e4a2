/** The worker's shell: connections, timers and values around the machine. One event, drain the outbox, next event. */

import { setTimeout as sleep } from "node:timers/promises";
import {
  type Clock,
  CommClosedError,
  errorToRecord,
  isRsdatError,
  type Logger,
  RemoteProtocolError,
} from "../base/index.ts";
import {
  BatchedStream,
  type Comm,
  connect,
  type Listener,
  listen,
  Rpc,
  readStream,
  serveRequests,
  warnOfOpenDoor,
} from "../comm/index.ts";
import {
  config,
  createLogger,
  debugOnError,
  type KeptLogs,
  keepLogs,
  type LoopWatch,
  memoryLimitBytes,
  SystemMonitor,
  securityFor,
  systemClock,
  watchLoop,
} from "../config/index.ts";
import type { Executor, IoFigures } from "../executor/index.ts";
import type { Key } from "../graph/index.ts";
import {
  COLUMNAR_TO_SCHEDULER,
  type ColumnarToScheduler,
  formatAddress,
  HEARTBEAT_WORKER,
  normalizeAddress,
  parseAddress,
  RETIRE_WORKERS,
  SCHEDULER_TO_COLUMNAR,
  SCHEDULER_TO_WORKER,
  UNREGISTER,
  type WorkerMetrics,
  type WorkerRegistered,
} from "../protocol/index.ts";
import { fetchFrom, type GatherInstruction } from "./fetch.ts";
import { figuresOf, type WorkerFigures } from "./figures.ts";
import { workerLimits } from "./limits.ts";
import { watchMemory } from "./memory-watch.ts";
import { metricsOf, newTransfers, noteIncoming } from "./metrics.ts";
import type { WorkerOptions } from "./options.ts";
import { ownExecutor } from "./own-executor.ts";
import { WorkerPlugins } from "./plugins.ts";
import { Profile, type ProfileSettings, profileSettings } from "./profile.ts";
import { handshakeOf, inventoryOf, reconnect, untilAborted } from "./reconnect.ts";
import { register } from "./register.ts";
import { workerHandlers } from "./requests.ts";
import { needOf } from "./run-task.ts";
import { SpillOrder } from "./spill.ts";
import {
  createWorkerMachine,
  type ValueFacts,
  type WorkerCounts,
  type WorkerEvent,
  type WorkerInstruction,
  type WorkerMachine,
} from "./state/index.ts";
import { Tasks } from "./tasks.ts";
import { type Stored, Values } from "./values.ts";

const DEATH_TIMEOUT_MS = 60_000;
/** Time that running tasks are given to end, and the scheduler to move data, when the worker leaves. */
const LEAVE_MS = 30_000;
const GOODBYE_MS = 2_000;
/** Time that running tasks have to end before this worker goes back to a scheduler that was started again. */
const AWAY_MS = 5_000;
/** Events that may wait while one is handled. */
const BACKLOG_MAX = 1_000_000;

/** What is there before a worker is. */
interface Surroundings {
  readonly address: string;
  readonly ending: AbortController;
  readonly executor: Executor;
  readonly profile: ProfileSettings;
  /** Timers; they end with the worker, or when it cannot start. */
  readonly watches: DisposableStack;
}

/** A worker process's one worker. */
export class Worker implements AsyncDisposable {
  readonly address: string;
  readonly name: string;
  /** Resolves with the reason once the worker has closed. */
  readonly closed: Promise<string>;
  readonly #options: WorkerOptions;
  readonly #memoryLimitBytes: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #logs: KeptLogs;
  readonly #plugins: WorkerPlugins;
  readonly #executor: Executor;
  /** Made anew when the worker comes back to a scheduler that was started again. */
  #machine: WorkerMachine;
  readonly #values: Values;
  readonly #rpc: Rpc;
  #stream: BatchedStream<ColumnarToScheduler>;
  readonly #profile: Profile;
  readonly #tasks: Tasks;
  readonly #transfers = newTransfers();
  readonly #ending: AbortController;
  readonly #done = Promise.withResolvers<string>();
  readonly #isForeign: boolean;
  readonly #backlog: WorkerEvent[] = [];
  #isHandling = false;
  #isPaused = false;
  #stimulus = 0;
  #wake: NodeJS.Timeout | undefined;
  #listener: Listener | undefined;
  readonly #watches: DisposableStack;
  readonly #loop: LoopWatch;
  readonly #monitor: SystemMonitor;
  #isLeaving = false;
  #keepsJournal = false;
  #isAway = false;
  #isBeating = false;

  private constructor(
    options: WorkerOptions,
    comm: Comm,
    { address, ending, executor, profile, watches }: Surroundings,
  ) {
    this.#options = options;
    this.#ending = ending;
    this.#clock = options.clock ?? systemClock;
    this.#logs = keepLogs(options.logger ?? createLogger("rsdat.worker"), { name: "rsdat.worker", clock: this.#clock });
    this.#logger = this.#logs.logger;
    this.#watches = watches;
    this.#loop = watches.use(watchLoop(this.#logger));
    this.#monitor = watches.use(new SystemMonitor({ clock: this.#clock }));
    this.#memoryLimitBytes = options.memoryLimitBytes ?? memoryLimitBytes();
    this.#executor = executor;
    this.address = address;
    this.name = options.name ?? address;
    this.closed = this.#done.promise;
    this.#isForeign = comm.handshake.rsdat === undefined;
    this.#plugins = new WorkerPlugins({
      executor,
      trust: { token: options.token ?? null, allowInsecure: options.allowInsecure ?? false },
      logger: this.#logger,
      facts: {
        address,
        name: this.name,
        nthreads: executor.threads,
        localDirectory: options.localDirectory ?? "",
      },
    });
    this.#values = new Values(this.#executor, (key) => this.#machine.refOf(key));
    this.#profile = watches.use(new Profile(this.#executor, this.#clock, profile));
    const timeoutMs = config.durationMs("distributed.comm.timeouts.connect") ?? 30_000;
    this.#rpc = new Rpc({ retryRefused: false, timeoutMs, ...handshakeOf(options) });
    this.#stream = this.#streamOn(comm);
    this.#machine = this.#newMachine();
    this.#tasks = new Tasks({
      executor: this.#executor,
      values: this.#values,
      trust: { token: options.token ?? null, allowInsecure: options.allowInsecure ?? false },
      worker: address,
      clock: this.#clock,
      isDrained: () => this.#machine.isDrained,
      handle: (event) => {
        if (!ending.signal.aborted) this.#handle(event);
      },
      send: (message) => void this.#stream.send(message),
    });
  }

  /**
   * Listen, register at the scheduler, and work until closed.
   *
   * @throws {ConnectTimeoutError} no scheduler answered within the death timeout
   * @throws {WorkerStartError} the scheduler refused, with its reason
   * @throws {ConfigError} the memory limit is too small
   */
  static async start(given: WorkerOptions): Promise<Worker> {
    const options = {
      ...given,
      security: given.security ?? securityFor("worker"),
      resources: given.resources ?? config.amounts("distributed.worker.resources"),
    };
    const scheduler = normalizeAddress(options.scheduler, options.security.requiresEncryption ? "tls" : "tcp");
    const ending = new AbortController();
    const logger = untilAborted(options.logger ?? createLogger("rsdat.worker"), ending.signal);
    const limitBytes = options.memoryLimitBytes ?? memoryLimitBytes();
    const profile = profileSettings();
    const order = new SpillOrder();
    const executor = options.executor ?? ownExecutor(options, { limitBytes, profile, order, logger });
    let comm: Comm | undefined;
    let listener: Listener | undefined;
    const watches = new DisposableStack();
    try {
      comm = await connect(scheduler, {
        timeoutMs: options.deathTimeoutMs ?? DEATH_TIMEOUT_MS,
        logger,
        ...handshakeOf(options),
      });
      const started = Promise.withResolvers<Worker>();
      const host = options.host ?? parseAddress(comm.local).host;
      listener = await listen(
        formatAddress({ scheme: parseAddress(scheduler).scheme, host, port: options.port ?? 0 }),
        async (peer) => (await started.promise).#serve(peer),
        {
          logger,
          contactHost: parseAddress(comm.local).host,
          backlog: config.number("distributed.comm.socket-backlog") ?? undefined,
          ...handshakeOf(options),
        },
      );
      const code = options.allowInsecure ? ", run code here" : "";
      const allows = `read and change the data of this worker${code}, and end it`;
      warnOfOpenDoor(logger, { host, address: listener.address, allows });
      const worker = new Worker({ ...options, scheduler, logger }, comm, {
        address: options.contactAddress ?? listener.address,
        ending,
        executor,
        profile,
        watches,
      });
      worker.#listener = listener;
      order.attach({ blocks: () => worker.#values.blocks(), graphs: () => worker.#machine.graphs() });
      started.resolve(worker);
      await worker.#register(comm);
      return worker;
    } catch (error) {
      watches.dispose();
      await Promise.all([comm?.close(), listener?.close(), executor[Symbol.asyncDispose]()]);
      throw error;
    }
  }

  /** Whether the scheduler is a Python one. */
  get isForeign(): boolean {
    return this.#isForeign;
  }

  /** Leave in good order: start nothing new, let what runs end, let the scheduler move what is only here, close. */
  async leave(reason: string): Promise<void> {
    if (this.#isLeaving) return void (await this.closed);
    this.#isLeaving = true;
    this.#logger.info(`leaving: ${reason}`);
    this.#handle({ type: "status", status: "closing_gracefully" });
    const until = this.#clock.now() + LEAVE_MS;
    while (this.#machine.counts().executing.length > 0 && this.#clock.now() < until) await sleep(20);
    try {
      const request = {
        workers: [this.address],
        closeWorkers: false,
        remove: false,
        stimulusId: this.#nextStimulus("retire"),
      };
      RETIRE_WORKERS.parseAnswer(
        await this.#rpc.call(this.#options.scheduler, RETIRE_WORKERS.ask(request), { timeoutMs: LEAVE_MS }),
      );
    } catch (error) {
      this.#logger.warning(`the scheduler did not take over: ${errorToRecord(error).message}`); // it recomputes what is lost
    }
    await this.close(reason);
  }

  /** Close now; the scheduler is told unless it is gone too, and recomputes what was only here. */
  async close(
    reason = "worker-close",
    { isSchedulerGone = false }: { readonly isSchedulerGone?: boolean } = {},
  ): Promise<void> {
    if (this.#ending.signal.aborted) return void (await this.closed);
    this.#ending.abort(new CommClosedError(`worker ${this.address} closes: ${reason}`));
    clearTimeout(this.#wake);
    const goodbye = UNREGISTER.ask({ address: this.address, stimulusId: this.#nextStimulus("close") });
    const { comm } = this.#stream;
    if (isSchedulerGone) void comm.close();
    if (!comm.isClosed && !isSchedulerGone) {
      // A scheduler that does not answer learns of it by the closed stream.
      await this.#rpc.call(this.#options.scheduler, goodbye, { timeoutMs: GOODBYE_MS }).catch(() => undefined);
      if (!comm.isClosed) comm.send([{ op: "close-stream" }]);
      await Promise.race([comm.close(), sleep(GOODBYE_MS, undefined, { ref: false })]);
    }
    await Promise.all([this.#rpc.close(), this.#listener?.close()]);
    this.#tasks.restart();
    this.#watches.dispose();
    await this.#executor[Symbol.asyncDispose]();
    this.#done.resolve(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #register(comm: Comm): Promise<void> {
    const reply = await register(comm, {
      options: this.#options,
      executor: this.#executor,
      address: this.address,
      name: this.name,
      wallMs: this.#clock.wall(),
      memoryLimitBytes: this.#memoryLimitBytes,
      metrics: this.#readMetrics(),
      inventory: this.#isAway ? inventoryOf(this.#values) : null,
      stimulusId: this.#nextStimulus("worker-connect"),
      timeoutMs: this.#options.deathTimeoutMs ?? DEATH_TIMEOUT_MS,
    });
    this.#keepsJournal = reply.keepsJournal ?? false;
    this.#run(comm, reply);
  }

  /** To write costs as much as some of the shortest tasks: while such run, their ends are told together. */
  #streamOn(comm: Comm): BatchedStream<ColumnarToScheduler> {
    return new BatchedStream(comm, COLUMNAR_TO_SCHEDULER.encode, { lingers: () => this.#machine.isBrisk });
  }

  #run(comm: Comm, registered: WorkerRegistered): void {
    this.#handle({ type: "status", status: this.#isPaused ? "paused" : "running" });
    void this.#listen(comm);
    void this.#plugins.addAll(registered.workerPlugins ?? new Map());
    if (this.#isBeating) return;
    void this.#beat((registered.heartbeatInterval ?? 0.5) * 1000);
    const bounds = { limitBytes: this.#memoryLimitBytes, isForeign: this.#isForeign };
    const onChange = (isFull: boolean): void => this.#memoryChanged(isFull);
    void watchMemory(this.#executor, bounds, { signal: this.#ending.signal, onChange });
    this.#isBeating = true;
  }

  /** The scheduler's stream, until it ends. */
  async #listen(comm: Comm): Promise<void> {
    let reason = "the scheduler closed the connection";
    let isOver = true;
    try {
      const { parse } = comm.handshake.rsdat ? SCHEDULER_TO_COLUMNAR : SCHEDULER_TO_WORKER;
      for await (const messages of readStream(comm, (map) => this.#tasks.read(parse(map)))) {
        this.#handle({ type: "scheduler-messages", messages });
        // One that stands still answers nothing, and would be waited for.
        for (const message of messages) if (message.op === "remove-worker") this.#rpc.drop(message.worker);
      }
      isOver = !this.#keepsJournal || this.#isLeaving;
    } catch (error) {
      reason = `the connection to the scheduler broke: ${errorToRecord(error).message}`;
      if (!isRsdatError(error) || isRsdatError(error, "invariant")) throw error; // ours to repair: the process ends
      isOver = !this.#keepsJournal || this.#isLeaving;
    } finally {
      if (isOver || this.#ending.signal.aborted) await this.close(reason);
      else await this.#comeBack(reason);
    }
  }

  /** The scheduler keeps a journal and will be there again: wait for it, and come back with what is here. */
  async #comeBack(reason: string): Promise<void> {
    const { signal } = this.#ending;
    this.#logger.warning(`${reason}; waiting for it to come back, with ${this.#values.keys().length} results`);
    this.#isAway = true;
    this.#handle({ type: "status", status: "paused" });
    const until = this.#clock.now() + AWAY_MS;
    const isBusy = ({ executing, incomingCount }: WorkerCounts): boolean => executing.length + incomingCount > 0;
    while (isBusy(this.#machine.counts()) && this.#clock.now() < until && !signal.aborted) await sleep(20);
    clearTimeout(this.#wake);
    // What still runs ends in the former machine, and nobody asks for it any more.
    this.#values.nameByKeys();
    this.#tasks.restart();
    this.#machine = this.#newMachine();
    this.#handle({ type: "update-data", values: this.#values.facts() });
    try {
      await reconnect(
        { ...handshakeOf(this.#options), ...this.#options, signal, logger: this.#logger },
        async (comm) => {
          this.#stream = this.#streamOn(comm);
          await this.#register(comm);
        },
      );
      this.#isAway = false;
    } catch (error) {
      await this.close(`the scheduler did not come back: ${errorToRecord(error).message}`);
    }
  }

  async #beat(firstMs: number): Promise<void> {
    let intervalMs = firstMs;
    const { signal } = this.#ending;
    for (;;) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined); // aborted when the worker closes
      if (signal.aborted) return;
      try {
        intervalMs = (await this.#sendHeartbeat()) ?? intervalMs;
      } catch (error) {
        // The stream tells when the scheduler is gone; a missed heartbeat is only noted.
        if (!signal.aborted) this.#logger.warning(`heartbeat failed: ${errorToRecord(error).message}`);
      }
    }
  }

  /** Milliseconds until the next one, if the scheduler says. */
  async #sendHeartbeat(): Promise<number | null> {
    if (this.#isAway) return null;
    const now = this.#clock.now();
    const counts = this.#machine.counts();
    const heartbeat = HEARTBEAT_WORKER.ask({
      address: this.address,
      now: this.#clock.wall() / 1000,
      metrics: this.#readMetrics(),
      extensions: new Map(),
      executing: new Map(counts.executing.map(({ key, since }) => [key, (now - since) / 1000])),
    });
    const reply = HEARTBEAT_WORKER.parseAnswer(
      await this.#rpc.call(this.#options.scheduler, heartbeat, { signal: this.#ending.signal }),
    );
    if (reply.status === "missing" && this.#keepsJournal) {
      // Its next life is there already, and our connection to the former one is not known to be over.
      if (!this.#isAway) this.#stream.comm.abort(new CommClosedError("the scheduler was started again"));
      return null;
    }
    this.#transfers.latencyMs = this.#clock.now() - now;
    if (reply.status === "missing") {
      void this.close("the scheduler does not know this worker any more");
      return null;
    }
    return reply.heartbeatInterval === undefined ? null : reply.heartbeatInterval * 1000;
  }

  /** Pause and go on as the process's memory says. */
  #memoryChanged(isFull: boolean): void {
    if (this.#isLeaving) return;
    this.#isPaused = isFull;
    this.#logger.warning(isFull ? "paused: memory is nearly full" : "goes on: there is memory again");
    // Without a scheduler it starts nothing; it says how it is when it comes back.
    if (!this.#isAway) this.#handle({ type: "status", status: isFull ? "paused" : "running" });
  }

  /** What this worker has done since its start, and how it is: measured now, as Dask does for its page. */
  describe(): {
    readonly figures: WorkerFigures;
    readonly io: IoFigures;
    readonly metrics: WorkerMetrics;
    readonly busySeconds: number | null;
    readonly outgoingBytesTotal: number;
    readonly latencyMs: number;
  } {
    this.#monitor.update();
    const { outgoingBytesTotal, latencyMs } = this.#transfers;
    const { busySeconds } = this.#monitor;
    const [figures, io] = [figuresOf(this.#executor, this.#transfers), this.#executor.ioFigures()];
    return { figures, io, metrics: this.#readMetrics(), busySeconds, outgoingBytesTotal, latencyMs };
  }

  #readMetrics(): WorkerMetrics {
    return metricsOf({
      counts: this.#machine.counts(),
      transfers: this.#transfers,
      stats: this.#executor.stats(),
      recent: this.#monitor.recent(),
      eventLoopInterval: this.#loop.intervalSeconds,
    });
  }

  #newMachine(): WorkerMachine {
    const [address, isForeign, resources] = [this.address, this.#isForeign, this.#options.resources];
    return createWorkerMachine(workerLimits(this.#executor, { address, isForeign, resources }), needOf);
  }

  #nextStimulus(what: string): string {
    return `${what}-${this.name}-${++this.#stimulus}`;
  }

  /** Events wait while one is handled; each is handled with its outbox drained. */
  #handle(event: Unstamped): void {
    this.#backlog.push({ now: this.#clock.now(), stimulusId: this.#nextStimulus(event.type), ...event });
    if (this.#backlog.length > BACKLOG_MAX) throw new RemoteProtocolError(`more than ${BACKLOG_MAX} events wait`);
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      for (let next = this.#backlog.shift(); next; next = this.#backlog.shift()) {
        const outbox: WorkerInstruction[] = [];
        this.#machine.handle(next, outbox);
        for (const instruction of outbox) this.#follow(instruction);
      }
    } catch (error) {
      if (isRsdatError(error, "invariant")) debugOnError(this.#logger);
      throw error;
    } finally {
      this.#isHandling = false;
    }
  }

  #follow(instruction: WorkerInstruction): void {
    switch (instruction.type) {
      case "send":
        this.#stream.send(instruction.message);
        return;
      case "send-finished":
        this.#stream.send(instruction.message);
        return;
      case "execute":
        this.#profile.wake();
        return this.#tasks.execute(instruction);
      case "execute-blocks":
        this.#profile.wake();
        return this.#tasks.executeBlocks(instruction);
      case "forget-graph":
        return this.#tasks.forget(instruction);
      case "abort":
        return this.#executor.abort(instruction.key);
      case "gather":
        return void this.#gather(instruction);
      case "drop":
        for (const key of instruction.keys) this.#values.drop(key);
        return;
      case "drop-blocks":
        for (const ref of instruction.refs) this.#values.drop(ref);
        return;
      case "wake-at":
        clearTimeout(this.#wake);
        if (this.#ending.signal.aborted) return; // a timer of a worker that has closed would go off for ever
        this.#wake = setTimeout(() => this.#handle({ type: "wake" }), Math.max(0, instruction.at - this.#clock.now()));
        return;
      case "close":
        return void this.close(instruction.reason);
    }
  }

  async #gather(instruction: GatherInstruction): Promise<void> {
    const machine = this.#machine;
    const began = this.#clock.now();
    using _bringing = this.#values.bringing();
    const end = await fetchFrom(this.#rpc, instruction, {
      me: this.address,
      values: this.#values,
      clock: this.#clock,
      signal: this.#ending.signal,
    });
    if (this.#ending.signal.aborted || machine !== this.#machine) {
      if (end.type === "gather-success") this.#values.giveBack(end.received.values());
      return;
    }
    if (end.type === "gather-success") {
      noteIncoming(this.#transfers, instruction.nbytes, (this.#clock.now() - began) / 1000);
      const received = new Map(
        Array.from(end.received, ([key, stored]) => [key, this.#values.hold(key, stored)] as const),
      );
      this.#handle({ ...end, received });
    } else this.#handle(end);
  }

  #serve(peer: Comm): Promise<void> {
    return serveRequests(peer, this.#handlers(), this.#logger);
  }

  #handlers(): ReturnType<typeof workerHandlers> {
    return workerHandlers({
      address: this.address,
      values: this.#values,
      transfers: this.#transfers,
      rpc: this.#rpc,
      clock: this.#clock,
      signal: this.#ending.signal,
      put: (data) => this.#put(data),
      free: (keys) =>
        this.#handle({
          type: "scheduler-messages",
          messages: [{ op: "free-keys", keys, stimulusId: this.#nextStimulus("free_keys") }],
        }),
      close: (reason) => void this.close(reason),
      isPaused: () => this.#isPaused,
      figures: () => figuresOf(this.#executor, this.#transfers),
      plugins: this.#plugins,
      profile: this.#profile,
      logs: (count) => this.#logs.last(count),
      monitor: this.#monitor,
      outgoingCountMax: config.number("distributed.worker.connections.incoming") ?? 10,
    });
  }

  /** Hold values from outside, unless they are here already. */
  #put(data: ReadonlyMap<Key, Stored>): ReadonlyMap<Key, ValueFacts> {
    const values = new Map<Key, ValueFacts>();
    for (const [key, stored] of data)
      if (this.#values.has(key)) this.#values.giveBack([stored]);
      else values.set(key, this.#values.hold(key, stored));
    this.#handle({ type: "update-data", values });
    return values;
  }
}

/** An event before time and stimulus are known. */
type Unstamped = WorkerEvent extends infer E ? (E extends WorkerEvent ? Omit<E, "now" | "stimulusId"> : never) : never;
