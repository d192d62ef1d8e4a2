/** A cluster of processes on this machine, over the wire of every cluster. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ArgumentError,
  errorToRecord,
  type OptionNames,
  parseBytes,
  type RsdatError,
  requireKnownOptions,
  shownValue,
  UnsupportedError,
  WorkerStartError,
} from "../base/index.ts";
import type { ClusterHandle } from "../client/index.ts";
import { Rpc } from "../comm/index.ts";
import {
  allottedCpus,
  commSettings,
  config,
  createLogger,
  memoryLimitBytes,
  packageVersion,
  securityFor,
  speaksDialect,
} from "../config/index.ts";
import { RETIRE_WORKERS } from "../protocol/index.ts";
import { Adaptive, type AdaptOptions } from "./adaptive.ts";
import { type Child, startChild } from "./child-process.ts";

/** Options of {@link LocalCluster.start}. */
export interface LocalClusterOptions {
  /** Worker processes. Default 1: one worker uses all threads, and its blocks never travel. */
  readonly nWorkers?: number;
  /** Compute threads of each worker. Default: the CPUs allotted to this process, shared. */
  readonly threadsPerWorker?: number;
  /** Bytes of each worker process, `"4GiB"` or a number. Default: `rsdat.memory-limit`, shared. */
  readonly memoryLimit?: string | number;
  /** Only true: threads of this process are what lazy arrays run on without any cluster. */
  readonly processes?: boolean;
  /** Port of the scheduler. Default: any. */
  readonly port?: number;
}

const OPTIONS: OptionNames<LocalClusterOptions> = {
  nWorkers: true,
  threadsPerWorker: true,
  memoryLimit: true,
  processes: true,
  port: true,
};

/** Workers that died are replaced so many times in a row, unless one has lived for so long. */
const RESTARTS_MAX = 5;
const LIVED_MS = 60_000;
/** Time that workers have to hand over what only they hold. */
const RETIRE_MS = 600_000;

/**
 * A scheduler and workers as processes of this machine. They end with `close`, with the end of a script that closes
 * nothing, and with its sudden death.
 *
 * @example
 * ```ts
 * await using cluster = await LocalCluster.start({ nWorkers: 2, memoryLimit: "4GiB" });
 * await using client = await Client.connect({ cluster });
 * ```
 */
export class LocalCluster implements ClusterHandle {
  readonly schedulerAddress: string;
  readonly token: string;
  /** File with the token, for workers that are started by hand. */
  readonly tokenFile: string;
  readonly #folder: string;
  readonly #scheduler: Child;
  readonly #workers: Child[] = [];
  /** Workers that are wanted, by name; undefined while one starts. */
  readonly #planned = new Map<string, Child | undefined>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #shape: WorkerShape;
  readonly #rpc: Rpc;
  #nextName = 0;
  #adaptive: Adaptive<string> | undefined;
  #isClosing = false;
  readonly #ending = new AbortController();
  #restarts = 0;
  #failure: RsdatError | undefined;
  readonly #failureListeners = new Set<(failure: RsdatError) => void>();
  #closed: Promise<void> | undefined;

  private constructor(
    scheduler: Child,
    { folder, token, tokenFile }: { readonly folder: string; readonly token: string; readonly tokenFile: string },
    shape: WorkerShape,
  ) {
    this.#scheduler = scheduler;
    this.#shape = shape;
    this.#rpc = new Rpc({ version: packageVersion(), security: securityFor("client"), settings: commSettings() });
    this.#folder = folder;
    this.schedulerAddress = scheduler.address;
    this.token = token;
    this.tokenFile = tokenFile;
  }

  /**
   * Start the processes; resolves when all workers have registered.
   *
   * @throws {ArgumentError} an option that there is not, or a number of workers or threads that is none
   * @throws {WorkerStartError} a process did not start
   * @throws {ConfigError} the memory limit leaves a worker nothing
   */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    requireKnownOptions("LocalCluster", options, OPTIONS);
    if (options.processes === false) {
      throw new UnsupportedError(
        "LocalCluster with processes: false; without a cluster, lazy arrays compute on threads of this process",
      );
    }
    const nWorkers = count(options.nWorkers ?? 1, "nWorkers");
    const nthreads = count(
      options.threadsPerWorker ?? Math.max(1, Math.floor(allottedCpus().value / nWorkers)),
      "threadsPerWorker",
    );
    const limit =
      options.memoryLimit === undefined
        ? Math.floor(memoryLimitBytes() / nWorkers)
        : parseBytes(options.memoryLimit, "memoryLimit");
    const dialect = speaksDialect();
    const secret = makeToken();
    let cluster: LocalCluster | undefined;
    try {
      const scheduler = await startChild({
        role: "scheduler",
        host: "127.0.0.1",
        port: options.port ?? 0,
        dialect,
        temporaryFolder: secret.folder,
        token: secret.token,
      });
      cluster = new LocalCluster(scheduler, secret, { nthreads, memoryLimitBytes: limit, dialect });
      await cluster.#grow(nWorkers);
      return cluster;
    } catch (error) {
      if (cluster) await cluster.close();
      rmSync(secret.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** A WorkerStartError when no worker is left and none is started any more; `scale` tries anew. */
  get failure(): RsdatError | undefined {
    return this.#failure;
  }

  onFailure(listener: (failure: RsdatError) => void): Disposable {
    this.#failureListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#failureListeners.delete(listener) };
  }

  /** Process ids, for tests and tools. */
  get pids(): { readonly scheduler: number; readonly workers: readonly number[] } {
    return { scheduler: this.#scheduler.pid, workers: this.#workers.map(({ pid }) => pid) };
  }

  /**
   * Have so many workers; resolves when new ones have registered, or when superfluous ones have handed over their data.
   * Ends what {@link adapt} began.
   * @throws {ArgumentError} a number that is none  @throws {WorkerStartError} a process did not start
   */
  async scale(workers: number): Promise<void> {
    if (!Number.isInteger(workers) || workers < 0)
      throw new ArgumentError(`scale: ${workers} workers; expected a whole number`);
    await this.#adaptive?.stop();
    this.#adaptive = undefined;
    this.#failure = undefined;
    this.#restarts = 0;
    // Those that are not there yet go first: they end as soon as they have started.
    for (const [name, child] of [...this.#planned])
      if (child === undefined && this.#planned.size > workers) this.#planned.delete(name);
    if (this.#planned.size > workers) {
      const request = { op: "workers_to_close", target: workers, attribute: "name" };
      const names = await this.#rpc.call(this.schedulerAddress, request);
      await this.#shrink(Array.isArray(names) ? names.map(String) : []);
    }
    await this.#grow(workers);
  }

  /** Follow the work: more workers while much waits, fewer when they idle. Ends with `scale`, its own `stop`, or `close`. */
  adapt(options: AdaptOptions = {}): Adaptive<string> {
    void this.#adaptive?.stop();
    this.#adaptive = new Adaptive<string>(
      {
        schedulerAddress: this.schedulerAddress,
        workersPerUnit: 1,
        planned: () => [...this.#planned.keys()],
        waiting: () => [...this.#planned].filter(([, child]) => child === undefined).map(([name]) => name),
        unitsOf: (names) => names.filter((name) => this.#planned.has(name)),
        scaleUp: (count) => this.#grow(count),
        scaleDown: (names) => this.#shrink(names),
      },
      options,
    );
    return this.#adaptive;
  }

  toString(): string {
    return `LocalCluster(${this.schedulerAddress}, ${this.#workers.length} workers)`;
  }

  /** End all processes. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Start workers until so many are wanted; resolves when all that are wanted are there. */
  async #grow(count: number): Promise<void> {
    while (this.#planned.size < count) {
      const name = String(this.#nextName++);
      this.#planned.set(name, undefined);
      const start = this.#addWorker(name).finally(() => this.#starting.delete(name));
      start.catch(() => undefined); // whoever waits for it below hears of it
      this.#starting.set(name, start);
    }
    await Promise.all(this.#starting.values());
  }

  /** Let workers go: they hand over what only they hold, and their processes end. */
  async #shrink(names: readonly string[]): Promise<void> {
    const children = names.map((name) => this.#planned.get(name));
    for (const name of names) this.#planned.delete(name);
    const request = RETIRE_WORKERS.ask({
      names: [...names],
      closeWorkers: true,
      remove: true,
      stimulusId: `scale-${performance.now()}`,
    });
    RETIRE_WORKERS.parseAnswer(await this.#rpc.call(this.schedulerAddress, request, { timeoutMs: RETIRE_MS }));
    await Promise.all(children.map((child) => child?.stop()));
  }

  async #addWorker(name: string): Promise<void> {
    const role = { role: "worker", scheduler: this.schedulerAddress, token: this.token, name, ...this.#shape } as const;
    let worker: Child;
    try {
      worker = await startChild(role, this.#ending.signal);
    } catch (error) {
      this.#planned.delete(name);
      throw error;
    }
    if (this.#isClosing || !this.#planned.has(name)) return worker.stop();
    this.#planned.set(name, worker);
    this.#workers.push(worker);
    const startedMs = performance.now();
    void worker.ended.then((how) => {
      if (performance.now() - startedMs > LIVED_MS) this.#restarts = 0;
      return this.#workerEnded(name, worker, how);
    });
  }

  /** A worker that died by itself is replaced, a bounded number of times. */
  async #workerEnded(name: string, worker: Child, how: string): Promise<void> {
    this.#workers.splice(this.#workers.indexOf(worker), 1);
    const isWanted = this.#planned.has(name);
    if (this.#isClosing || !isWanted || how === "exit code 0") return void this.#planned.delete(name);
    const ended = `worker ${worker.address} ended with ${how}`;
    if (this.#restarts++ >= RESTARTS_MAX) {
      this.#planned.delete(name);
      return this.#giveUp(`${ended}; ${RESTARTS_MAX} were replaced already`);
    }
    createLogger("rsdat.cluster").warning(`${ended}; starting another`);
    this.#planned.set(name, undefined);
    await this.#addWorker(name).catch((error: unknown) => {
      if (!this.#isClosing) this.#giveUp(`${ended}, and none takes its place: ${errorToRecord(error).message}`);
    });
  }

  /** No worker comes in the place of one that ended; where it was the last one, clients had better not wait. */
  #giveUp(why: string): void {
    createLogger("rsdat.cluster").error(why);
    if (this.#planned.size > 0 || this.#adaptive) return;
    this.#failure = new WorkerStartError(`the cluster has no workers any more: ${why}`);
    for (const listener of this.#failureListeners) listener(this.#failure);
  }

  async #end(): Promise<void> {
    this.#isClosing = true;
    this.#ending.abort();
    await Promise.all([this.#adaptive?.stop(), this.#rpc.close()]);
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#scheduler.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What all workers have in common. */
interface WorkerShape {
  readonly nthreads: number;
  readonly memoryLimitBytes: number;
  readonly dialect: boolean;
}

function count(n: number, what: string): number {
  if (!Number.isInteger(n) || n < 1)
    throw new ArgumentError(`${what} is ${shownValue(n)}; expected a whole number above 0`);
  return n;
}

/** A fresh token in a file that only its owner reads. */
function makeToken(): { readonly folder: string; readonly token: string; readonly tokenFile: string } {
  const folder = mkdtempSync(join(config.path("temporary-directory") ?? tmpdir(), "rsdat-cluster-"));
  const token = randomBytes(32).toString("hex");
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  return { folder, token, tokenFile };
}
