/** The connection to a scheduler: its stream, its request pool, and what is known of every key somebody waits for. */
import { randomUUID } from "node:crypto";
import {
  CancelledError,
  CommClosedError,
  CommError,
  type CommSettings,
  invariant,
  isRsdatError,
  LONGEST_TIMER_MS,
  type Logger,
  RemoteProtocolError,
  type RsdatError,
  type Security,
} from "../base/index.ts";
import { BatchedStream, type Comm, type ConnectOptions, connect, Rpc, readStream } from "../comm/index.ts";
import { blockKeyAt, endsInDigits, type Key, KeyColumn, scalarIn, showKey } from "../graph/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  type ClientToScheduler,
  type HandshakeOptions,
  IDENTITY,
  type Identity,
  type KeysInMemory,
  type LayerProgress,
  PROGRESS_TOPIC,
  REGISTER_CLIENT,
  readProgress,
  remoteError,
  SCHEDULER_TO_CLIENT,
  type SchedulerToClient,
  type TasksInMemory,
  VERSIONS,
  type Versions,
} from "../protocol/index.ts";
import type { ClusterHandle } from "./cluster-handle.ts";
import { Unfinished } from "./unfinished.ts";
import { BlockWatches, type FutureStatus, type Watch, WatchedLayers } from "./watch.ts";
import { Watches } from "./watches.ts";

export type { FutureStatus, Watch };

/** How to reach a scheduler. */
export interface LinkOptions extends HandshakeOptions {
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly name: string;
  readonly security: Security;
  readonly settings?: CommSettings;
  /** May know that there will be no workers. */
  readonly cluster?: Pick<ClusterHandle, "failure" | "onFailure">;
}

const HEARTBEAT_MS = 5_000;
/** Time that a scheduler with a journal has to be started again, and between two tries. */
const COME_BACK_MS = 60_000;
const RETRY_MS = 200;
/** Blocks in one message. */
const RELEASED_MAX = 2 ** 20;
/** Messages that need not be kept while the scheduler is away: they are said again anyway, or mean nothing any more. */
const SAID_AGAIN: ReadonlySet<string> = new Set([
  "heartbeat-client",
  "update-graph",
  "update-layers",
  "client-releases-keys",
  "client-releases-blocks",
  "client-releases-column",
  "subscribe-topic",
]);

/** How the scheduler was reached, to reach it again. */
interface Reach {
  readonly handshake: Omit<ConnectOptions, "timeoutMs">;
  readonly versions: Versions;
  readonly timeoutMs: number;
}

/** One client's link to one scheduler. */
export class Link {
  readonly id: string;
  readonly address: string;
  readonly rpc: Rpc;
  /** What else the scheduler serves: ports by name. */
  services: Identity["services"];
  #comm: Comm;
  #stream: BatchedStream<ClientToScheduler>;
  readonly #reach: Reach;
  readonly #logger: Logger;
  readonly #watches = new Watches();
  /** Blocks that are wanted by the layer. Those that need more than a byte have a watch as well. */
  readonly #layers = new WatchedLayers();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #cluster: LinkOptions["cluster"];
  readonly #failureWatch: Disposable | undefined;
  readonly #progress: Set<(layers: ReadonlyMap<string, LayerProgress>) => void> = new Set();
  #isSubscribed = false;
  /** The scheduler can be started again: what must be said again then, and what is to be said once it is back. */
  #unfinished: Unfinished | null = null;
  #unsent: ClientToScheduler[] = [];
  #heldBack: (() => void) | null = null;
  #away: PromiseWithResolvers<void> | null = null;
  readonly #closing = new AbortController();
  #waiting = 0;
  #end: RsdatError | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(
    address: string,
    comm: Comm,
    rpc: Rpc,
    {
      id,
      logger,
      cluster,
      reach,
    }: {
      readonly id: string;
      readonly logger: Logger;
      readonly cluster: LinkOptions["cluster"];
      readonly reach: Reach;
    },
  ) {
    this.#reach = reach;
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
    const { version, dialect, security, settings } = options;
    const handshake = {
      security,
      ...(settings ? { settings } : {}),
      ...(version === undefined ? {} : { version }),
      ...(dialect === undefined ? {} : { dialect }),
    };
    const rpc = new Rpc({ ...handshake, timeoutMs: options.timeoutMs, retryRefused: false });
    let comm: Comm | undefined;
    try {
      comm = await connect(address, { ...handshake, timeoutMs: options.timeoutMs });
      const { services } = await askIdentity(rpc, address, options.timeoutMs);
      const versions = VERSIONS.parseAnswer(await rpc.call(address, VERSIONS.ask({})));
      const id = `${options.name}-${randomUUID()}`;
      const reach = { handshake, versions, timeoutMs: options.timeoutMs };
      const link = new Link(address, comm, rpc, { id, logger: options.logger, cluster: options.cluster, reach });
      link.services = services;
      await link.#start(comm);
      link.#ended = link.#listen();
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

  /** `send` is called at the end of the turn, and before anything else that is said until then. */
  holdBack(send: () => void): void {
    if (this.#heldBack) return;
    this.#heldBack = send;
    // The turn is over then: nothing else will join this batch. A slow scheduler, or none, is the stream's business.
    setImmediate(() => this.sayNow());
  }

  /** Say what was held back, now: there is more to come that takes a while to make. */
  sayNow(): void {
    this.#sayHeldBack();
    if (!this.#away && !this.#comm.isClosed && !this.#comm.isCongested) void this.#stream.flush();
  }

  #sayHeldBack(): void {
    const send = this.#heldBack;
    this.#heldBack = null;
    send?.();
  }

  /** Where what a user should know is told. */
  get logger(): Logger {
    return this.#logger;
  }

  send(message: ClientToScheduler): void {
    this.#sayHeldBack();
    this.#unfinished?.sent(message, (key) => this.isWatched(key));
    if (!this.#away) this.#stream.send(message);
    else if (!SAID_AGAIN.has(message.op)) this.#unsent.push(message);
  }

  /** True when a request that failed may be asked again: its scheduler keeps a journal, and is there (again). */
  async mayAskAgain(error: unknown): Promise<boolean> {
    if (!this.#unfinished || this.#end || !isRsdatError(error) || isRsdatError(error, "invariant")) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    await this.#away?.promise;
    return this.#end === undefined;
  }

  /** The point of this stream that a request about published data waits for: whatever was sent before it. */
  tellPublished(uid: string): void {
    this.send({ op: "publish_flush_batched_send", uid });
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

  /** Want a key: it is watched until every `retain` has been answered by a `release`. What was cancelled is begun anew. */
  retain(key: Key): Watch {
    // Keys of blocks are tuples.
    let watch = endsInDigits(key) ? this.#watches.want(KeyColumn.of([key]), 0) : this.#known(key);
    if (!watch || watch.status === "cancelled") watch = this.#watches.begin(key);
    watch.references++;
    return watch;
  }

  /** The same for all keys of a column, which end in digits. */
  retainAll(keys: KeyColumn): Watch[] {
    this.#watches.reserve(keys.length);
    const watches: Watch[] = [];
    for (let index = 0; index < keys.length; index++) {
      const watch = this.#watches.want(keys, index);
      watch.references++;
      watches.push(watch);
    }
    return watches;
  }

  /**
   * Want all blocks of a layer until `releaseBlocks`; null where some of them are wanted already, so that they have to be
   * wanted by their keys.
   */
  retainBlocks(name: string, grid: readonly number[]): BlockWatches | null {
    if (this.#end || this.#layers.get(name)) return null;
    const prefix = blockKeyAt(name, [], 0).slice(0, -1); // without the bracket
    for (const key of this.#watches.texts()) if (key.startsWith(prefix)) return null;
    this.#flushReleased();
    const blocks = new BlockWatches(name, grid);
    this.#layers.add(blocks);
    return blocks;
  }

  /** Want them no longer. */
  releaseBlocks(blocks: BlockWatches): void {
    this.#layers.delete(blocks);
    for (const watch of blocks.byKey.values()) this.release(watch);
    const gone = Uint32Array.from(blocks.unwatched());
    const { name, grid } = blocks;
    for (let at = 0; at < gone.length; at += RELEASED_MAX)
      this.send({
        op: "client-releases-blocks",
        layer: name,
        grid,
        blocks: gone.subarray(at, at + RELEASED_MAX),
        client: this.id,
      });
  }

  /** Until all of them are in memory. @throws the first one's error */
  async blocksSettled(blocks: BlockWatches): Promise<void> {
    using _held = this.hold();
    await blocks.allEnded();
  }

  /** True for a key that somebody here wants. */
  isWatched(key: Key): boolean {
    if (this.#watches.get(key)) return true;
    const found = this.#layers.find(key);
    return found !== undefined && !found.blocks.byKey.has(found.index);
  }

  /** The watch of a key that is wanted; a block that is wanted by its layer gets one. */
  #known(key: Key): Watch | undefined {
    const watch = this.#watches.get(key);
    if (watch || this.#layers.size === 0) return watch;
    const found = this.#layers.find(key);
    return found && this.#promote(found.blocks, found.index);
  }

  #promote(blocks: BlockWatches, index: number): Watch | undefined {
    if (blocks.byKey.has(index)) return undefined; // it had one, and is wanted by nobody else any more
    const watch = blocks.promote(index);
    this.#watches.add(watch);
    return watch;
  }

  /** What is known of a key that is retained. */
  watch(key: Key): Watch {
    const watch = this.#known(key);
    invariant(watch, `${showKey(key)} is not watched`);
    return watch;
  }

  /** Want what `retain` gave no longer; the scheduler is told at the end of the turn. */
  release(watch: Watch): void {
    if (watch.isReleased || !this.#watches.isCurrent(watch) || --watch.references > 0) return;
    if (!this.#watches.hasReleased) queueMicrotask(() => this.#flushReleased());
    this.#watches.release(watch);
  }

  /** Tell what is released now: before a submission that may name the same keys. */
  #flushReleased(): void {
    const texts: Key[] = [];
    const columns: KeyColumn[] = [];
    const indices: number[] = [];
    for (const watch of this.#watches.takeReleased()) {
      // Who waits for it would wait for ever.
      if (watch.status === "pending" && watch.listeners !== null)
        this.#settle(watch, "cancelled", new CancelledError(`${showKey(watch.key)} was released while it was awaited`));
      if (watch.column === null || !this.isNative) texts.push(watch.key);
      else {
        columns.push(watch.column);
        indices.push(watch.index);
      }
    }
    if (texts.length > 0) this.send({ op: "client-releases-keys", keys: texts, client: this.id });
    for (let at = 0; at < columns.length; at += RELEASED_MAX) {
      const keys = KeyColumn.pick(columns.slice(at, at + RELEASED_MAX), indices.slice(at, at + RELEASED_MAX));
      this.send({ op: "client-releases-column", keys, client: this.id });
    }
  }

  /** Call `listener` as soon as the key is no longer pending; at the latest when the link ends. */
  whenSettled(watch: Watch, listener: (watch: Watch) => void): void {
    if (watch.status !== "pending") queueMicrotask(() => listener(watch));
    else if (watch.listeners) watch.listeners.push(listener);
    else watch.listeners = [listener];
  }

  /** The key is to be computed (again). */
  pend(watch: Watch): void {
    watch.status = "pending";
    watch.error = undefined;
    watch.scalar = null;
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
      const watch = this.#known(key);
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
      this.#closing.abort();
      this.send({ op: "close-client" });
      await this.#stream.flush();
      if (!this.#comm.isClosed) this.#comm.send([{ op: "close-stream" }]);
    }
    clearInterval(this.#heartbeat);
    this.#failureWatch?.[Symbol.dispose]();
    await Promise.all([this.#comm.close(), this.rpc.close()]);
    await this.#ended;
  }

  /** Register over a new connection. */
  async #start(comm: Comm): Promise<void> {
    const { versions, timeoutMs } = this.#reach;
    comm.send({ ...REGISTER_CLIENT.ask({ client: this.id, versions }), reply: false });
    const first = await comm.next(AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER_MS)));
    const start = Array.isArray(first) ? first[0] : first;
    const message = start instanceof Map ? SCHEDULER_TO_CLIENT.parse(start) : undefined;
    if (message?.op !== "stream-start")
      throw new RemoteProtocolError(`${this.address} did not answer register-client with stream-start`);
    if (message.error) throw new RemoteProtocolError(`scheduler ${this.address} refused the client: ${message.error}`);
    // A table of package versions: an rsdat worker has no Python packages, and Dask warns of every difference.
    if (message.warning) this.#logger.info(message.warning);
    if (message.keepsJournal && !this.#unfinished) this.#unfinished = new Unfinished();
    comm.hold(this.#waiting > 0);
  }

  async #listen(): Promise<void> {
    do {
      let reason: RsdatError = new CommClosedError(`scheduler ${this.address} closed the connection`);
      try {
        for await (const messages of readStream(this.#comm, SCHEDULER_TO_CLIENT.parse))
          for (const message of messages) this.#hear(message);
      } catch (error) {
        if (!isRsdatError(error)) throw error;
        reason = error;
      }
      if (this.#unfinished && !this.#end) await this.#comeBack(reason);
      else this.#end ??= reason;
    } while (!this.#end);
    clearInterval(this.#heartbeat);
    this.#failAll(this.#end);
  }

  /** The scheduler keeps a journal: wait for it, introduce ourselves by the same name, and say again what is not done. */
  async #comeBack(reason: RsdatError): Promise<void> {
    this.#logger.warning(`${reason.message}; waiting for scheduler ${this.address} to come back`);
    this.#away = Promise.withResolvers();
    const until = performance.now() + COME_BACK_MS;
    while (!this.#end && !this.isBack) {
      let comm: Comm | undefined;
      try {
        const timeoutMs = Math.max(1, until - performance.now());
        comm = await connect(this.address, {
          ...this.#reach.handshake,
          timeoutMs,
          signal: this.#closing.signal,
        });
        await this.#start(comm);
        this.#comm = comm;
      } catch (error) {
        void comm?.close();
        if (!isRsdatError(error) && !(error instanceof DOMException)) throw error; // the latter: no stream-start in time
        if (performance.now() > until) this.#end ??= reason;
        else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    if (!this.#end) this.#sayAgain();
    this.#away?.resolve();
    this.#away = null;
  }

  /** Whether there is a connection. */
  get isBack(): boolean {
    return !this.#comm.isClosed;
  }

  #sayAgain(): void {
    this.#stream = new BatchedStream<ClientToScheduler>(this.#comm, CLIENT_TO_SCHEDULER.encode);
    for (const blocks of this.#layers.all()) for (const index of blocks.unwatched()) this.#promote(blocks, index);
    const wanted = Array.from(this.#watches.all()).filter(
      ({ status }) => status === "pending" || status === "finished",
    );
    for (const watch of wanted) {
      watch.status = "pending";
      watch.workers = [];
    }
    const keys = wanted.map(({ key }) => key);
    const again: ClientToScheduler[] = [
      ...(this.#isSubscribed ? [{ op: "subscribe-topic" as const, topic: PROGRESS_TOPIC, client: this.id }] : []),
      ...(this.#unfinished?.messages(this.id, (key) => this.isWatched(key)) ?? []),
      ...(keys.length > 0 ? [{ op: "client-desires-keys" as const, keys, client: this.id }] : []),
      ...this.#unsent.splice(0),
    ];
    this.#stream.send(...again);
  }

  #hear(message: SchedulerToClient): void {
    if (message.op === "event") {
      if (message.topic !== PROGRESS_TOPIC || this.#progress.size === 0) return;
      const layers = readProgress(message.event);
      for (const listener of this.#progress) listener(layers);
      return;
    }
    if (message.op === "tasks-in-memory") return this.#hearColumns(message);
    if (message.op === "keys-in-memory") return this.#hearKeys(message);
    if (message.op === "restart") {
      for (const blocks of this.#layers.all()) for (const index of blocks.unwatched()) this.#promote(blocks, index);
      const keys = Array.from(this.#watches.all(), ({ key }) => key);
      // What was on its way to it when it forgot everything it would compute for nobody.
      this.send({ op: "client-releases-keys", keys, client: this.id });
      return this.cancelled(keys, "the scheduler was restarted");
    }
    if (message.op === "cancelled-keys")
      return this.cancelled(message.keys, message.msg ?? message.reason ?? "cancelled");
    if (message.op === "error")
      return this.#logger.error(`scheduler ${this.address} reports: ${remoteError(message.exception).message}`);
    if (message.op === "close" || message.op === "stream-closed") {
      this.#end ??= new CommError("scheduler-closed", `scheduler ${this.address} has closed`);
      return;
    }
    const watch = "key" in message ? this.#known(message.key) : undefined;
    if (!watch) return; // released meanwhile, or for somebody else
    switch (message.op) {
      case "key-in-memory":
        watch.workers = message.workers ?? [];
        watch.scalar = message.scalar ?? null;
        if (message.type !== undefined) watch.type = message.type;
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

  #hearColumns({ layer, grid, blocks, worker }: TasksInMemory): void {
    const known = this.#layers.get(layer);
    const wanted = known?.has(grid) ? known : undefined;
    const workers = [worker];
    for (const index of blocks) {
      if (wanted?.inMemory(index)) continue;
      const watch = this.#watches.get(blockKeyAt(layer, grid, index));
      if (!watch) continue;
      watch.workers = workers;
      watch.scalar = null;
      this.#settle(watch, "finished");
    }
  }

  #hearKeys(message: KeysInMemory): void {
    const workers = [message.worker];
    const { keys } = message;
    for (let i = 0; i < keys.length; i++) {
      const watch = keys.hasTexts ? this.#known(keys.at(i)) : this.#watches.at(keys, i);
      if (!watch) continue;
      const scalar = scalarIn(message, i);
      watch.workers = workers;
      watch.scalar = scalar === undefined ? null : [scalar];
      this.#settle(watch, "finished");
    }
  }

  #failAll(error: RsdatError): void {
    for (const blocks of this.#layers.all()) for (const index of blocks.pending()) this.#promote(blocks, index);
    for (const watch of this.#watches.all()) if (watch.status === "pending") this.#settle(watch, "error", error);
  }

  #settle(watch: Watch, status: FutureStatus, error?: RsdatError): void {
    watch.status = status;
    watch.error = error;
    const { listeners } = watch;
    watch.listeners = null;
    if (listeners) for (const listener of listeners) listener(watch);
  }
}

/** @throws {RemoteProtocolError} the server is no scheduler */
async function askIdentity(rpc: Rpc, address: string, timeoutMs: number): Promise<Identity> {
  const answer = await rpc.call(address, IDENTITY.ask({ nWorkers: 0 }), { timeoutMs });
  try {
    const identity = IDENTITY.parseAnswer(answer);
    if (identity.type === "Scheduler") return identity;
  } catch (cause) {
    // A Python worker refuses the field that a scheduler takes.
    throw new RemoteProtocolError(`${address} is a Dask server, but no scheduler`, { cause, details: { address } });
  }
  throw new RemoteProtocolError(`${address} is a Dask server, but no scheduler`, { details: { address } });
}
