/** The connection to a scheduler: its stream, its request pool, and what is known of every key somebody waits for. */
import { randomUUID } from "node:crypto";
import {
  CancelledError,
  CommClosedError,
  CommError,
  invariant,
  isRsdatError,
  type Logger,
  RemoteProtocolError,
  type RsdatError,
  type Security,
} from "../base/index.ts";
import { BatchedStream, type Comm, connect, Rpc, readStream } from "../comm/index.ts";
import { type Key, showKey } from "../graph/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  type ClientToScheduler,
  type HandshakeOptions,
  IDENTITY,
  type LayerProgress,
  PROGRESS_TOPIC,
  REGISTER_CLIENT,
  readProgress,
  remoteError,
  SCHEDULER_TO_CLIENT,
  type SchedulerToClient,
  VERSIONS,
} from "../protocol/index.ts";
import type { ClusterHandle } from "./cluster-handle.ts";

/** State of a key, in Dask's words. */
export type FutureStatus = "pending" | "finished" | "error" | "lost" | "cancelled";

/** What a client knows of one key. */
export interface Watch {
  readonly key: Key;
  status: FutureStatus;
  error: RsdatError | undefined;
  /** Workers that hold the result, as the scheduler last said. */
  workers: readonly string[];
  /** True for data that came from here: nobody can compute it again. */
  isScattered: boolean;
  /** Futures and runs that want it. */
  references: number;
  /** Called, once each, when the status is no longer `pending`. */
  readonly listeners: Set<() => void>;
}

/** How to reach a scheduler. */
export interface LinkOptions extends HandshakeOptions {
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly name: string;
  readonly security: Security;
  /** May know that there will be no workers. */
  readonly cluster?: Pick<ClusterHandle, "failure" | "onFailure">;
}

const HEARTBEAT_MS = 5_000;

/** One client's link to one scheduler. */
export class Link {
  readonly id: string;
  readonly address: string;
  readonly rpc: Rpc;
  readonly #comm: Comm;
  readonly #stream: BatchedStream<ClientToScheduler>;
  readonly #logger: Logger;
  readonly #watches = new Map<Key, Watch>();
  readonly #released = new Set<Key>();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #cluster: LinkOptions["cluster"];
  readonly #failureWatch: Disposable | undefined;
  readonly #progress: Set<(layers: ReadonlyMap<string, LayerProgress>) => void> = new Set();
  #isSubscribed = false;
  #waiting = 0;
  #end: RsdatError | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(
    address: string,
    comm: Comm,
    rpc: Rpc,
    { id, logger, cluster }: { readonly id: string; readonly logger: Logger; readonly cluster: LinkOptions["cluster"] },
  ) {
    this.address = address;
    this.id = id;
    this.rpc = rpc;
    this.#comm = comm;
    this.#logger = logger;
    this.#cluster = cluster;
    this.#failureWatch = cluster?.onFailure?.((failure) => this.#failAll(failure));
    this.#stream = new BatchedStream<ClientToScheduler>(comm, CLIENT_TO_SCHEDULER.encode);
    this.#heartbeat = setInterval(() => this.send({ op: "heartbeat-client" }), HEARTBEAT_MS).unref();
  }

  /**
   * Connect and register.
   *
   * @throws {ConnectTimeoutError} nobody answered in time
   * @throws {RemoteProtocolError} what answers is no Dask scheduler
   */
  static async open(address: string, options: LinkOptions): Promise<Link> {
    // What goes wrong on these connections is thrown where it matters; idle ones may break.
    const { version, dialect, security } = options;
    const handshake = {
      security,
      ...(version === undefined ? {} : { version }),
      ...(dialect === undefined ? {} : { dialect }),
    };
    const rpc = new Rpc({ ...handshake, timeoutMs: options.timeoutMs, retryRefused: false });
    let comm: Comm | undefined;
    try {
      comm = await connect(address, { ...handshake, timeoutMs: options.timeoutMs });
      await askIdentity(rpc, address, options.timeoutMs);
      const versions = VERSIONS.parseAnswer(await rpc.call(address, VERSIONS.ask({})));
      const id = `${options.name}-${randomUUID()}`;
      comm.send({ ...REGISTER_CLIENT.ask({ client: id, versions }), reply: false });
      const link = new Link(address, comm, rpc, { id, logger: options.logger, cluster: options.cluster });
      await link.#start(options.timeoutMs);
      return link;
    } catch (error) {
      await Promise.all([rpc.close(), comm?.close()]);
      throw error;
    }
  }

  /** Whether both ends speak the rsdat dialect. */
  get isNative(): boolean {
    return this.#comm.handshake.rsdat !== undefined;
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /** @throws {CommClosedError} the link has ended; or why its cluster has no workers and will have none */
  assertOpen(): void {
    if (this.#cluster?.failure) throw this.#cluster.failure;
    if (this.#end)
      throw new CommClosedError(`the client of ${this.address} is closed: ${this.#end.message}`, { cause: this.#end });
  }

  send(message: ClientToScheduler): void {
    this.#stream.send(message);
  }

  /** Hear of the progress of layers, from now until the answer is disposed of. */
  listen(listener: (layers: ReadonlyMap<string, LayerProgress>) => void): Disposable {
    if (!this.#isSubscribed) this.send({ op: "subscribe-topic", topic: PROGRESS_TOPIC, client: this.id });
    this.#isSubscribed = true;
    this.#progress.add(listener);
    return { [Symbol.dispose]: () => void this.#progress.delete(listener) };
  }

  /** Keep the process alive while somebody waits; dispose of the answer when done. */
  hold(): Disposable {
    if (this.#waiting++ === 0) this.#comm.hold(true);
    return {
      [Symbol.dispose]: () => {
        if (--this.#waiting === 0) this.#comm.hold(false);
      },
    };
  }

  /** Want a key: it is watched until every `retain` has been answered by a `release`. */
  retain(key: Key): Watch {
    let watch = this.#watches.get(key);
    if (!watch) {
      watch = {
        key,
        status: "pending",
        error: undefined,
        workers: [],
        isScattered: false,
        references: 0,
        listeners: new Set(),
      };
      this.#watches.set(key, watch);
      this.#released.delete(key);
    }
    watch.references++;
    return watch;
  }

  /** What is known of a key that is retained. */
  watch(key: Key): Watch {
    const watch = this.#watches.get(key);
    invariant(watch, `${showKey(key)} is not watched`);
    return watch;
  }

  /** Want it no longer; the scheduler is told at the end of the turn. */
  release(key: Key): void {
    const watch = this.#watches.get(key);
    if (!watch || --watch.references > 0) return;
    this.#watches.delete(key);
    if (this.#released.size === 0) queueMicrotask(() => this.#flushReleased());
    this.#released.add(key);
  }

  /** Tell what is released now: before a submission that may name the same keys. */
  #flushReleased(): void {
    const keys = Array.from(this.#released);
    this.#released.clear();
    if (keys.length > 0) this.send({ op: "client-releases-keys", keys, client: this.id });
  }

  /** Call `listener` as soon as the key is no longer pending; at the latest when the link ends. */
  whenSettled(watch: Watch, listener: () => void): void {
    if (watch.status === "pending") watch.listeners.add(listener);
    else queueMicrotask(listener);
  }

  /** The key is to be computed (again). */
  pend(watch: Watch): void {
    watch.status = "pending";
    watch.error = undefined;
    if (this.#end) this.#settle(watch, "error", this.#end);
  }

  /** Mark a key as placed in the cluster from here. */
  scattered(watch: Watch): void {
    watch.isScattered = true;
    this.#settle(watch, "finished");
  }

  /** Mark keys as cancelled, as soon as that is asked for. */
  cancelled(keys: readonly Key[], reason: string): void {
    for (const key of keys) {
      const watch = this.#watches.get(key);
      if (watch)
        this.#settle(
          watch,
          "cancelled",
          new CancelledError(`${showKey(key)} was cancelled: ${reason}`, { details: { key: showKey(key) } }),
        );
    }
  }

  /** Say goodbye and close. */
  async close(): Promise<void> {
    if (!this.#end) {
      this.#end = new CommClosedError("closed by its owner");
      this.send({ op: "close-client" });
      await this.#stream.flush();
      if (!this.#comm.isClosed) this.#comm.send([{ op: "close-stream" }]);
    }
    clearInterval(this.#heartbeat);
    this.#failureWatch?.[Symbol.dispose]();
    await Promise.all([this.#comm.close(), this.rpc.close()]);
    await this.#ended;
  }

  async #start(timeoutMs: number): Promise<void> {
    const first = await this.#comm.next(AbortSignal.timeout(timeoutMs));
    const start = Array.isArray(first) ? first[0] : first;
    const message = start instanceof Map ? SCHEDULER_TO_CLIENT.parse(start) : undefined;
    if (message?.op !== "stream-start")
      throw new RemoteProtocolError(`${this.address} did not answer register-client with stream-start`);
    if (message.error) throw new RemoteProtocolError(`scheduler ${this.address} refused the client: ${message.error}`);
    // A table of package versions: an rsdat worker has no Python packages, and Dask warns of every difference.
    if (message.warning) this.#logger.info(message.warning);
    this.#comm.hold(false);
    this.#ended = this.#listen();
  }

  async #listen(): Promise<void> {
    try {
      for await (const messages of readStream(this.#comm, SCHEDULER_TO_CLIENT.parse))
        for (const message of messages) this.#hear(message);
      this.#end ??= new CommClosedError(`scheduler ${this.address} closed the connection`);
    } catch (error) {
      if (!isRsdatError(error)) throw error;
      this.#end ??= error;
    }
    clearInterval(this.#heartbeat);
    this.#failAll(this.#end);
  }

  #hear(message: SchedulerToClient): void {
    if (message.op === "event") {
      if (message.topic !== PROGRESS_TOPIC || this.#progress.size === 0) return;
      const layers = readProgress(message.event);
      for (const listener of this.#progress) listener(layers);
      return;
    }
    if (message.op === "restart")
      return this.cancelled(Array.from(this.#watches.keys()), "the scheduler was restarted");
    if (message.op === "cancelled-keys")
      return this.cancelled(message.keys, message.msg ?? message.reason ?? "cancelled");
    if (message.op === "error")
      return this.#logger.error(`scheduler ${this.address} reports: ${remoteError(message.exception).message}`);
    if (message.op === "close" || message.op === "stream-closed") {
      this.#end ??= new CommError("scheduler-closed", `scheduler ${this.address} has closed`);
      return;
    }
    const watch = "key" in message ? this.#watches.get(message.key) : undefined;
    if (!watch) return; // released meanwhile, or for somebody else
    switch (message.op) {
      case "key-in-memory":
        watch.workers = message.workers ?? [];
        return this.#settle(watch, "finished");
      case "task-erred":
        return this.#settle(watch, "error", remoteError(message.exception, { key: showKey(watch.key) }));
      case "lost-data":
        if (watch.isScattered)
          return this.#settle(
            watch,
            "lost",
            new CommError(
              "lost-data",
              `${showKey(watch.key)} was lost with its worker, and nobody can compute it again`,
            ),
          );
        return this.pend(watch);
      case "task-retried":
        return this.pend(watch);
    }
  }

  #failAll(error: RsdatError): void {
    for (const watch of this.#watches.values()) if (watch.status === "pending") this.#settle(watch, "error", error);
  }

  #settle(watch: Watch, status: FutureStatus, error?: RsdatError): void {
    watch.status = status;
    watch.error = error;
    const listeners = Array.from(watch.listeners);
    watch.listeners.clear();
    for (const listener of listeners) listener();
  }
}

/** @throws {RemoteProtocolError} the server is no scheduler */
async function askIdentity(rpc: Rpc, address: string, timeoutMs: number): Promise<void> {
  const answer = await rpc.call(address, IDENTITY.ask({ nWorkers: 0 }), { timeoutMs });
  try {
    const { type } = IDENTITY.parseAnswer(answer);
    if (type === "Scheduler") return;
  } catch (cause) {
    // A Python worker refuses the field that a scheduler takes.
    throw new RemoteProtocolError(`${address} is a Dask server, but no scheduler`, { cause, details: { address } });
  }
  throw new RemoteProtocolError(`${address} is a Dask server, but no scheduler`, { details: { address } });
}
