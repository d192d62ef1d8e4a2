/** The machine and everybody connected to it: one event in, everything it says sent, then the next event. */
import { type Clock, errorToRecord, LONGEST_TIMER_MS, type Logger, RsdatError } from "../base/index.ts";
import { BatchedStream, type Comm, type Rpc } from "../comm/index.ts";
import { debugOnError } from "../config/index.ts";
import { encodeTaskSpec, type Key } from "../graph/index.ts";
import {
  failureOf,
  SCHEDULER_TO_CLIENT,
  SCHEDULER_TO_COLUMNAR,
  type SchedulerToClient,
  type SchedulerToColumnar,
  Serialized,
  serializeTaskSpec,
  type TasksFinished,
  type WorkerToScheduler,
} from "../protocol/index.ts";
import { SentGraphs, Turn } from "./columns.ts";
import { Figures } from "./figures.ts";
import { FIRE_AND_FORGET } from "./own-clients.ts";
import type { Restoration } from "./restore.ts";
import {
  type ClientId,
  type ResultMove,
  Scheduler,
  type SchedulerConfig,
  type SchedulerEvent,
  type SchedulerInstruction,
  type UnmanagedMemory,
  type WorkerAddress,
} from "./state/index.ts";

/** The sub-header is the same for all native specs. */
const SPEC_HEADER = serializeTaskSpec(new Uint8Array(0)).header;

/** A worker's registration, as far as only the shell needs it. */
export interface ConnectedWorker {
  readonly address: WorkerAddress;
  readonly stream: BatchedStream<SchedulerToColumnar>;
  readonly isPython: boolean;
  /** Fields of the registration, for identity. */
  readonly info: ReadonlyMap<string, unknown>;
  metrics: ReadonlyMap<unknown, unknown>;
  /** What its process has beside results. */
  readonly unmanaged: UnmanagedMemory;
  /** It said goodbye, or was told to go. */
  isLeaving: boolean;
}

/** A client's connection. */
export interface ConnectedClient {
  readonly id: ClientId;
  readonly stream: BatchedStream<SchedulerToClient>;
  readonly isNative: boolean;
}

/** Workers from which on it happens that several answer in one turn of the event loop. */
const MANY_WORKERS = 8;

/** Whoever is told what happens: the scheduler's plugins. */
export interface HubWatcher {
  /** These events were handled in one turn, and what the machine said was sent. */
  handled(events: readonly SchedulerEvent[], instructions: readonly SchedulerInstruction[]): void;
  /** Something was published. */
  published(topic: string, message: unknown): void;
}

/** An event without what the hub adds. */
type BareEvent = SchedulerEvent extends infer E
  ? E extends SchedulerEvent
    ? Omit<E, "now" | "stimulusId"> & { readonly stimulusId?: string }
    : never
  : never;

/** What the hub is given. */
export interface HubOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rpc: Rpc;
  readonly machine: Omit<SchedulerConfig, "runSpecOf" | "failureOf">;
  /** A promise of ours is broken: the server must stop. */
  readonly onFatal: (error: unknown) => void;
}

/** State of the shell: who is connected. Of tasks it knows nothing. */
export class Hub {
  readonly machine: Scheduler;
  /** Counted since the start. */
  readonly figures: Figures = new Figures();
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rpc: Rpc;
  readonly workers: Map<WorkerAddress, ConnectedWorker> = new Map();
  /** Those that have introduced themselves and wait to be connected. */
  readonly joining: Set<ConnectedWorker> = new Set();
  readonly clients: Map<ClientId, ConnectedClient> = new Map();
  /** What must outlive this process; null: nothing. */
  restoration: Restoration | null = null;
  /** What workers that take columns have of graphs. */
  readonly graphs: SentGraphs = new SentGraphs((worker) => this.workers.get(worker)?.stream);
  /** Keeps one worker's columns from holding up everybody else. */
  readonly turn: Turn = new Turn(() => this.clock.now());
  /** Clients that listen to a topic. */
  readonly topics: Map<string, Set<ClientId>> = new Map();
  /** Hears what workers say, before the machine does. */
  onWorkerMessages: ((worker: WorkerAddress, messages: readonly WorkerToScheduler[]) => void) | null = null;
  onTasksFinished: ((worker: WorkerAddress, ends: Omit<TasksFinished, "op">) => void) | null = null;
  /** Null while there is no plugin: then nothing is told. */
  watcher: HubWatcher | null = null;
  readonly #onFatal: (error: unknown) => void;
  readonly #joins = new Set<() => void>();
  readonly #retirements = new Map<number, (workers: readonly WorkerAddress[]) => void>();
  readonly #moves = new Map<number, (failed: readonly Key[]) => void>();
  #nextRequest = 1;
  #nextStimulus = 1;
  #wake: NodeJS.Timeout | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #isDead = false;
  /** Results that are taken in at the end of this turn of the event loop. */
  readonly #soon: SchedulerEvent[] = [];
  /** What the event that is being obeyed came from, and the classes of results in it. */
  #heard: readonly WorkerToScheduler[] = [];
  #classes: Map<Key, Uint8Array> | null = null;
  /** Monotonic time of the last event that was not a heartbeat. */
  lastActiveMs = 0;

  constructor({ clock, logger, rpc, machine, onFatal }: HubOptions) {
    this.clock = clock;
    this.logger = logger;
    this.rpc = rpc;
    this.#onFatal = onFatal;
    this.lastActiveMs = clock.now();
    this.machine = new Scheduler({
      ...machine,
      runSpecOf: (spec) => new Serialized(SPEC_HEADER, [encodeTaskSpec(spec)]),
      failureOf,
    });
  }

  /**
   * Take in what a worker finished, with what others finish in this turn of the event loop: the machine gives out work once
   * for all of them. With few workers there is nothing to wait for.
   */
  feedSoon(event: Extract<BareEvent, { readonly type: "tasks-finished" }>): void {
    if (this.workers.size < MANY_WORKERS) return this.feed(event);
    if (this.#isDead) return;
    if (this.#soon.length === 0) setImmediate(() => this.#handle([]));
    this.#soon.push(this.#dated(event));
  }

  /** Give the machine one event, after what was to come soon, and send all it says. */
  feed(event: BareEvent): void {
    if (this.#isDead) return;
    this.#handle([this.#dated(event)], event);
  }

  /** An event with its time; it is noted. */
  #dated(event: BareEvent): SchedulerEvent {
    const now = this.clock.now();
    if (event.type !== "tick" && event.type !== "worker-heartbeat") this.lastActiveMs = now;
    if (event.type === "restart") this.restoration?.note({ kind: "restart" });
    else if (event.type === "data-placed" && event.client !== null && this.clients.get(event.client)?.isNative)
      this.restoration?.note({ kind: "placed", client: event.client, keys: Array.from(event.whoHas.keys()) });
    this.figures.note(event, this.machine.views);
    // `now` and `stimulusId` are what BareEvent leaves out.
    return { ...event, now, stimulusId: event.stimulusId ?? `${event.type}-${this.#nextStimulus++}` } as SchedulerEvent;
  }

  /** What was to come soon, then these. */
  #handle(events: readonly SchedulerEvent[], heard?: BareEvent): void {
    const all = this.#soon.length === 0 ? events : [...this.#soon.splice(0), ...events];
    if (all.length === 0 || this.#isDead) return;
    const outbox: SchedulerInstruction[] = [];
    try {
      this.machine.handleAll(all, outbox);
    } catch (error) {
      this.#isDead = true;
      this.logger.error(
        `the scheduler's state is broken, it stops: ${error instanceof Error ? error.message : String(error)}`,
        { error: errorToRecord(error) },
      );
      debugOnError(this.logger);
      this.#onFatal(error);
      return;
    }
    this.#classes = null;
    this.#heard = heard?.type === "worker-messages" ? heard.messages : [];
    for (const instruction of outbox) this.#obey(instruction);
    this.#heard = [];
    if (this.watcher !== null) this.watcher.handled(all, outbox);
  }

  /** Have these computed although nobody waits for them: they are wanted until they have ended. */
  fireAndForget(keys: readonly Key[]): void {
    this.feed({ type: "client-joined", client: FIRE_AND_FORGET });
    this.feed({ type: "client-desires-keys", client: FIRE_AND_FORGET, keys });
  }

  /** The pickled class of a result, as the worker says that has just made it. */
  #classOf(key: Key): Uint8Array | undefined {
    this.#classes ??= new Map(
      this.#heard.flatMap((message) => (message.op === "task-finished" ? [[message.key, message.type] as const] : [])),
    );
    return this.#classes.get(key);
  }

  #tellClient(client: ClientId, message: SchedulerToClient): void {
    if (client === FIRE_AND_FORGET) {
      const hasEnded = message.op === "key-in-memory" || message.op === "task-erred";
      // Once everything that the machine said has been sent.
      if (hasEnded) queueMicrotask(() => this.feed({ type: "client-releases-keys", client, keys: [message.key] }));
      return;
    }
    const type = message.op === "key-in-memory" && this.#heard.length > 0 ? this.#classOf(message.key) : undefined;
    sendTo(this.clients.get(client), type === undefined ? message : ({ ...message, type } as SchedulerToClient)); // of a key in memory
  }

  /** Connect a worker's stream. */
  addWorker(worker: ConnectedWorker): void {
    this.workers.set(worker.address, worker);
    if (!worker.isPython) this.restoration?.note({ kind: "joined", worker: worker.address });
    for (const resolve of this.#joins) resolve();
  }

  /** Forget a worker's stream and tell the machine, once. */
  removeWorker(worker: ConnectedWorker): void {
    if (this.workers.get(worker.address) !== worker) return;
    this.workers.delete(worker.address);
    this.graphs.left(worker.stream);
    this.restoration?.note({ kind: "gone", worker: worker.address });
    this.feed({ type: "worker-left", worker: worker.address, isExpected: worker.isLeaving });
  }

  /** Running workers, most recently joined last. */
  running(isWanted: (worker: ConnectedWorker) => boolean = () => true): ConnectedWorker[] {
    return Array.from(this.workers.values()).filter(
      (worker) => isWanted(worker) && this.machine.views.worker(worker.address)?.status === "running",
    );
  }

  /** Running workers, waiting until there is one. Empty after `timeoutMs` or when `signal` is aborted. */
  async waitForWorkers(
    isWanted: (worker: ConnectedWorker) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<ConnectedWorker[]> {
    const deadline = this.clock.now() + timeoutMs;
    for (;;) {
      const found = this.running(isWanted);
      const left = deadline - this.clock.now();
      if (found.length > 0 || !(left > 0) || signal?.aborted || this.#isDead) return found; // NaN is no time
      const { promise, resolve } = Promise.withResolvers<void>();
      // A worker joins first and runs a moment later; its status change ends the wait.
      const timer = setTimeout(resolve, Math.min(left, LONGEST_TIMER_MS));
      this.#joins.add(resolve);
      const stop = (): void => resolve();
      signal?.addEventListener("abort", stop);
      await promise;
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      this.#joins.delete(resolve);
    }
  }

  /** A worker may have become usable. */
  workerChanged(): void {
    for (const resolve of this.#joins) resolve();
  }

  /** Retire workers; resolves with those that have nothing left that is only there. */
  retire(workers: readonly WorkerAddress[], close: boolean): Promise<readonly WorkerAddress[]> {
    const request = this.#nextRequest++;
    const { promise, resolve } = Promise.withResolvers<readonly WorkerAddress[]>();
    this.#retirements.set(request, resolve);
    this.feed({ type: "retire-workers", request, workers, close });
    return promise;
  }

  /** Move results; resolves with the keys of those that stay where they are. */
  move(moves: readonly ResultMove[]): Promise<readonly Key[]> {
    const request = this.#nextRequest++;
    const { promise, resolve } = Promise.withResolvers<readonly Key[]>();
    this.#moves.set(request, resolve);
    this.feed({ type: "move-results", request, moves });
    return promise;
  }

  /** Tell the clients that listen to a topic. */
  publish(topic: string, message: unknown): void {
    for (const id of this.topics.get(topic) ?? []) {
      this.clients.get(id)?.stream.send({ op: "event", topic, event: [this.clock.wall() / 1000, message] });
    }
    if (this.watcher !== null) this.watcher.published(topic, message);
  }

  /** Stop timers and end what waits. */
  dispose(): void {
    this.#isDead = true;
    clearTimeout(this.#wake);
    this.restoration?.dispose();
    for (const resolve of this.#joins) resolve();
    for (const resolve of this.#retirements.values()) resolve([]);
    this.#retirements.clear();
    for (const resolve of this.#moves.values()) resolve([]);
    this.#moves.clear();
  }

  #obey(instruction: SchedulerInstruction): void {
    switch (instruction.type) {
      case "send-worker": {
        const worker = this.workers.get(instruction.worker);
        if (worker && instruction.message.op === "close") worker.isLeaving = true;
        worker?.stream.send(instruction.message);
        return;
      }
      case "run-tasks":
        return this.graphs.run(instruction);
      case "free-tasks":
        return this.graphs.free(instruction);
      case "forget-submission":
        return this.graphs.forget(instruction);
      case "send-client":
        return this.#tellClient(instruction.client, instruction.message);
      case "wake-at":
        return this.#wakeBy(instruction.at);
      case "drop-worker": {
        const worker = this.workers.get(instruction.worker);
        this.workers.delete(instruction.worker);
        if (worker) this.graphs.left(worker.stream);
        this.restoration?.note({ kind: "gone", worker: instruction.worker });
        worker?.stream.comm.abort(
          new RsdatError("worker-lost", `worker ${instruction.worker} dropped: ${instruction.reason}`),
        );
        return;
      }
      case "retired":
        this.#retirements.get(instruction.request)?.(instruction.workers);
        this.#retirements.delete(instruction.request);
        return;
      case "moved":
        this.#moves.get(instruction.request)?.(instruction.failed);
        this.#moves.delete(instruction.request);
        return;
    }
  }

  #wakeBy(at: number): void {
    if (at >= this.#wakeAt || this.#isDead) return;
    this.#wakeAt = at;
    clearTimeout(this.#wake);
    this.#wake = setTimeout(
      () => {
        this.#wakeAt = Number.POSITIVE_INFINITY;
        this.feed({ type: "tick" });
      },
      Math.max(0, Math.min(at - this.clock.now(), LONGEST_TIMER_MS)),
    );
    this.#wake.unref();
  }
}

/** Streams of both kinds of peers. */
export function workerStream(comm: Comm): BatchedStream<SchedulerToColumnar> {
  return new BatchedStream(comm, SCHEDULER_TO_COLUMNAR.encode);
}

export function clientStream(comm: Comm): BatchedStream<SchedulerToClient> {
  // Workers wait for work; a client that reads its news is in their way on a small machine.
  return new BatchedStream(comm, SCHEDULER_TO_CLIENT.encode, { isLate: true });
}

/** Who holds a result is told in the dialect only: Dask's schedulers do not say it, and its clients ask. */
function sendTo(client: ConnectedClient | undefined, message: SchedulerToClient): void {
  const { op } = message;
  if (op !== "key-in-memory" || !client || client.isNative) {
    client?.stream.send(message);
    return;
  }
  client.stream.send({ op, key: message.key, ...(message.type ? { type: message.type } : {}) });
}
