/** A running scheduler: one port, one machine. */
import { randomUUID } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { type Clock, type CommSettings, errorToRecord, type Logger, type Security, WriteError } from "../base/index.ts";
import { type Handlers, type Listener, listen, Rpc, serveRequests, warnOfOpenDoor } from "../comm/index.ts";
import {
  commSettings,
  config,
  createLogger,
  type KeptLogs,
  keepLogs,
  type Preloads,
  ProcessFigures,
  packageVersion,
  preload,
  SystemMonitor,
  securityFor,
  speaksDialect,
  systemClock,
  watchLoop,
} from "../config/index.ts";
import { formatAddress, parseAddress, type SchedulerHooks } from "../protocol/index.ts";
import { actAgain, serveClient } from "./client-connection.ts";
import { Coordination } from "./coordination/index.ts";
import { serveHttp } from "./http.ts";
import { Hub } from "./hub.ts";
import { identityOf } from "./identity.ts";
import { Journal } from "./journal.ts";
import { Nannies } from "./nannies.ts";
import { Plugins } from "./plugins.ts";
import { Published } from "./published.ts";
import { type RequestContext, requestHandlers } from "./requests.ts";
import { Restoration } from "./restore.ts";
import { SchedulerPlugins } from "./scheduler-plugins.ts";
import { machineSettings } from "./settings.ts";
import type { SchedulerConfig, SchedulerViews } from "./state/index.ts";
import { TaskStream } from "./task-stream.ts";
import { serveWorker } from "./worker-connection.ts";

/** How a scheduler is started. */
export interface SchedulerOptions {
  /** Interface to listen on. Default `127.0.0.1`; `0.0.0.0` and `::` mean all. */
  readonly host?: string;
  /** Default 8786, as Dask; 0 chooses one. */
  readonly port?: number;
  /** Default `tls` where encryption is required, else `tcp`. */
  readonly protocol?: "tcp" | "tls";
  /** Certificates. Default: those of the configuration, `distributed.comm.tls`. */
  readonly security?: Security;
  /** Host in the address that others are told, when listening on all interfaces. Default: the first that is not loopback. */
  readonly contactHost?: string;
  /** Ends the scheduler after so long without a task. Default `distributed.scheduler.idle-timeout`; null: never. */
  readonly idleTimeoutMs?: number | null;
  /** File that says how to connect, as JSON; written whole or not at all, removed at the end. */
  readonly schedulerFile?: string | null;
  /** Port of `/health` and `/json/…`; null: none. */
  readonly httpPort?: number | null;
  /** Modules to import first. Default `distributed.scheduler.preload`. */
  readonly preload?: readonly string[];
  /** Plugins that clients register run here. Default `rsdat.scheduler.plugins`; {@link SchedulerServer.addPlugin} needs no leave. */
  readonly plugins?: boolean;
  /** The cluster's token, which vouches for plugins of clients. Default null: where they run at all, those of everybody do. */
  readonly token?: string | null;
  /** Path under which these pages are served too. */
  readonly httpPrefix?: string | null;
  /** Time that a graph of a Python client waits for a Python worker. Default 5 minutes. */
  readonly pythonWaitMs?: number;
  /** False: pure Dask on the wire. Default: the environment's `RSDAT_DIALECT`. */
  readonly dialect?: boolean;
  /**
   * File in which is kept what clients asked for. A scheduler that is started again with it, at the same address, takes
   * over: workers come back with their results, rsdat clients get theirs. Default: none.
   */
  readonly journal?: string | null;
  /** Time that workers of a former life have to come back. Default 10 seconds; when all are here nobody waits. */
  readonly gatherMs?: number;
  /** Time that a client whose connection broke has to come back, with a journal. Default one minute. */
  readonly clientWaitMs?: number;
  /** Limits of the machine; they win over `distributed.scheduler`. */
  readonly machine?: Omit<SchedulerConfig, "runSpecOf" | "failureOf">;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** A scheduler that listens. */
export interface SchedulerServer extends AsyncDisposable {
  /** Where clients and workers connect to. */
  readonly address: string;
  readonly port: number;
  readonly httpPort: number | null;
  /** What it knows; for people and tests. */
  readonly views: SchedulerViews;
  /** Resolves when it has ended: by `close`, by a client's wish, by idleness, or with the error that broke it. */
  readonly finished: Promise<unknown>;
  close(): Promise<void>;
  /**
   * Have a plugin of this process told what happens here, from now on; one of the same name goes. dask `add_plugin`.
   * @throws what its `start` throws
   */
  addPlugin(plugin: SchedulerHooks): Promise<void>;
  /** dask `remove_plugin`. @throws {ArgumentError} there is none of this name */
  removePlugin(name: string): void;
}

const PORT = 8786;
const PYTHON_WAIT_MS = 300_000;
const GATHER_MS = 10_000;
const CLIENT_WAIT_MS = 60_000;
/** What a scheduler without encryption lets anybody do. */
const OPEN_TO_ALL = "read the data, submit tasks, run code on Python workers, and end the cluster";

/**
 * Start a scheduler that clients and workers of Dask and of rsdat can connect to.
 *
 * @throws {CommError} the port is taken
 * @throws {WriteError} the scheduler file cannot be written
 * @throws {ConfigError} code `journal-locked`: another scheduler writes that journal
 */
export async function startScheduler(options: SchedulerOptions = {}): Promise<SchedulerServer> {
  const server = new Server(options);
  try {
    await server.start();
  } catch (error) {
    await server.close(); // what it holds (its journal, a port) is free again
    throw error;
  }
  return server;
}

class Server implements SchedulerServer {
  readonly #options: SchedulerOptions;
  readonly #security: Security;
  readonly #logger: Logger;
  readonly #logs: KeptLogs;
  readonly #rpc: Rpc;
  readonly #hub: Hub;
  readonly #context: RequestContext;
  readonly #plugins: SchedulerPlugins;
  readonly #finished = Promise.withResolvers<unknown>();
  #coordination: Coordination | undefined;
  #preloads: Preloads | undefined;
  /** What measures this process until the end. */
  readonly #measures: DisposableStack;
  #listener: Listener | undefined;
  #http: { readonly port: number; close(): Promise<void> } | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #hasFile = false;

  constructor(options: SchedulerOptions) {
    using measures = new DisposableStack(); // a wrong setting ends them
    this.#options = options;
    this.#security = options.security ?? securityFor("scheduler");
    const clock = options.clock ?? systemClock;
    this.#logs = keepLogs(options.logger ?? createLogger("rsdat.scheduler"), {
      name: "rsdat.scheduler",
      clock,
    });
    this.#logger = this.#logs.logger;
    measures.use(watchLoop(this.#logger));
    const timeoutMs = config.durationMs("distributed.comm.timeouts.connect") ?? 30_000;
    this.#rpc = new Rpc({ ...this.#handshake(), timeoutMs, logger: this.#logger });
    this.#hub = new Hub({
      clock,
      logger: this.#logger,
      rpc: this.#rpc,
      machine: { ...machineSettings(), ...options.machine },
      onFatal: (error) => void this.#end(error),
    });
    const taskStream = new TaskStream(() => clock.wall() / 1000);
    this.#hub.onWorkerMessages = (worker, messages) => taskStream.hear(worker, messages);
    this.#hub.onTasksFinished = (worker, ends) =>
      taskStream.hearColumns(worker, this.#hub.graphs.graph(ends.submission), ends);
    const { token = null } = options;
    this.#plugins = new SchedulerPlugins(this.#hub, {
      isOn: options.plugins ?? config.boolean("rsdat.scheduler.plugins") ?? false,
      token,
      allowInsecure: token === null,
      address: () => this.address,
    });
    this.#context = {
      hub: this.#hub,
      id: `Scheduler-${randomUUID()}`,
      startedAt: clock.wall() / 1000,
      address: () => this.address,
      wallSeconds: () => clock.wall() / 1000,
      plugins: new Plugins(this.#hub),
      nannies: new Nannies(this.#hub),
      schedulerPlugins: this.#plugins,
      logs: this.#logs,
      process: measures.adopt(new ProcessFigures(), (figures) => figures.close()),
      monitor: measures.use(new SystemMonitor({ clock })),
      semaphores: () => this.#coordination?.semaphores() ?? [],
      taskStream,
      httpPort: () => this.httpPort,
      terminate: () => setImmediate(() => void this.#end(undefined)),
    };
    this.#measures = measures.move();
  }

  get address(): string {
    return this.#listener?.address ?? "";
  }

  get port(): number {
    return parseAddress(this.address).port;
  }

  get httpPort(): number | null {
    return this.#http?.port ?? null;
  }

  get views(): SchedulerViews {
    return this.#hub.machine.views;
  }

  get finished(): Promise<unknown> {
    return this.#finished.promise;
  }

  async start(): Promise<void> {
    this.#preloads = await preload(
      this.#options.preload ?? config.texts("distributed.scheduler.preload"),
      config.lists("distributed.scheduler.preload-argv"),
    );
    const { host = "127.0.0.1", port = PORT, httpPort = null, schedulerFile = null } = this.#options;
    const published = new Published(this.#hub);
    const coordination = new Coordination(this.#hub, this.#options.clock ?? systemClock);
    this.#coordination = coordination;
    const handlers: Handlers = {
      ...requestHandlers(this.#context),
      ...published.handlers(),
      ...coordination.handlers,
      "register-worker": (request, comm) => serveWorker(this.#hub, request, comm, this.#context.plugins),
      "register-client": (request, comm) =>
        serveClient(this.#hub, request, comm, {
          pythonWaitMs: this.#options.pythonWaitMs ?? PYTHON_WAIT_MS,
          flushes: published,
          coordination,
        }),
    };
    const restoration = this.#restoration(published, coordination);
    const contactHost = this.#options.contactHost ?? firstInterface();
    const scheme = this.#options.protocol ?? (this.#security.requiresEncryption ? "tls" : "tcp");
    this.#listener = await listen(
      formatAddress({ scheme, host, port }),
      (comm) => serveRequests(comm, handlers, this.#logger),
      {
        ...this.#handshake(),
        contactHost,
        logger: this.#logger,
        backlog: config.number("distributed.comm.socket-backlog") ?? undefined,
      },
    );
    if (httpPort !== null)
      this.#http = await serveHttp(this.#context, { host, port: httpPort, prefix: this.#options.httpPrefix ?? "" });
    if (schedulerFile !== null) this.#writeFile(schedulerFile);
    warnOfOpenDoor(this.#logger, { host, address: this.address, allows: OPEN_TO_ALL });
    this.#watchIdle();
    this.#logger.info(`scheduler at ${this.address}`);
    if (this.#http) this.#logger.info(`pages at http://${host}:${this.#http.port}`);
    await restoration?.start();
    await this.#preloads.setup(this);
  }

  /** The former life of this scheduler, if it keeps a journal. */
  #restoration(published: Published, coordination: Coordination): Restoration | null {
    const { journal, gatherMs = GATHER_MS, clientWaitMs = CLIENT_WAIT_MS } = this.#options;
    if (!journal) return null;
    const restoration = new Restoration(this.#hub, new Journal(journal, this.#logger), {
      workersMs: gatherMs,
      clientsMs: clientWaitMs,
      act: (client, message) =>
        actAgain(this.#hub, client, {
          message,
          pythonWaitMs: 0,
          flushes: published,
          coordination,
          signal: new AbortController().signal,
        }),
    });
    this.#hub.restoration = restoration;
    return restoration;
  }

  close(): Promise<void> {
    return this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  addPlugin(plugin: SchedulerHooks): Promise<void> {
    return this.#plugins.add(plugin);
  }

  removePlugin(name: string): void {
    this.#plugins.remove(name);
  }

  #handshake(): {
    readonly version: string;
    readonly dialect: boolean;
    readonly security: Security;
    readonly settings: CommSettings;
  } {
    const dialect = this.#options.dialect ?? speaksDialect();
    return { version: packageVersion(), dialect, security: this.#security, settings: commSettings() };
  }

  #end(reason: unknown): Promise<void> {
    this.#closing ??= this.#shutDown(reason);
    return this.#closing;
  }

  async #shutDown(reason: unknown): Promise<void> {
    clearInterval(this.#idleTimer);
    await this.#plugins.end("beforeClose");
    await this.#plugins.end("close");
    // Python workers and ours end on `close`; clients hear that the stream is over.
    for (const worker of this.#hub.workers.values()) {
      worker.stream.send({ op: "close", reason: "scheduler-close" });
      await worker.stream.flush();
    }
    this.#hub.dispose();
    this.#coordination?.close();
    this.#measures.dispose();
    await Promise.all([this.#listener?.close(), this.#rpc.close(), this.#http?.close()]);
    const { schedulerFile } = this.#options;
    if (schedulerFile && this.#hasFile) rmSync(schedulerFile, { force: true });
    try {
      await this.#preloads?.teardown(this);
    } catch (error) {
      // Code of the operator's: whoever waits for the end waits for nothing else.
      this.#logger.error(`a preloaded module failed at the scheduler's end: ${errorToRecord(error).message}`);
    }
    this.#finished.resolve(reason);
  }

  #writeFile(path: string): void {
    const identity = JSON.stringify({ ...identityOf(this.#context, 0), workers: {} }, null, 2);
    const partial = `${path}.${randomUUID()}.tmp`;
    try {
      writeFileSync(partial, `${identity}\n`, { mode: 0o600 });
      renameSync(partial, path);
      this.#hasFile = true;
    } catch (cause) {
      rmSync(partial, { force: true });
      throw new WriteError(
        `scheduler file ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause, details: { path } },
      );
    }
  }

  #watchIdle(): void {
    const { idleTimeoutMs: limit = config.durationMs("distributed.scheduler.idle-timeout") } = this.#options;
    if (!limit) return;
    this.#idleTimer = setInterval(
      () => {
        if (this.views.isBusy()) this.#hub.lastActiveMs = this.#hub.clock.now();
        else if (this.#hub.clock.now() - this.#hub.lastActiveMs >= limit) {
          this.#logger.info(`idle for ${limit} ms; the scheduler ends`);
          void this.#end(undefined);
        }
      },
      Math.min(1000, Math.max(10, limit / 4)),
    );
    this.#idleTimer.unref();
  }
}

/** The first address of this machine that others can reach. */
function firstInterface(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((address) => !address.internal && address.family === "IPv4")?.address ?? "127.0.0.1";
}
