/** A cluster of processes on this machine, over the same wire as any other. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArgumentError, parseBytes, UnsupportedError } from "../base/index.ts";
import type { ClusterHandle } from "../client/index.ts";
import { allottedCpus, config, createLogger, memoryLimitBytes, speaksDialect } from "../config/index.ts";
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

/** Times a worker that died is started again. */
const RESTARTS_MAX = 5;

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
  #isClosing = false;
  readonly #ending = new AbortController();
  #restarts = 0;
  #closed: Promise<void> | undefined;

  private constructor(
    scheduler: Child,
    { folder, token, tokenFile }: { readonly folder: string; readonly token: string; readonly tokenFile: string },
  ) {
    this.#scheduler = scheduler;
    this.#folder = folder;
    this.schedulerAddress = scheduler.address;
    this.token = token;
    this.tokenFile = tokenFile;
  }

  /**
   * Start the processes; resolves when all workers have registered.
   *
   * @throws {ArgumentError} a number of workers or threads that is none
   * @throws {WorkerStartError} a process did not start
   * @throws {ConfigError} the memory limit leaves a worker nothing
   */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
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
      });
      cluster = new LocalCluster(scheduler, secret);
      const common = {
        role: "worker",
        scheduler: scheduler.address,
        nthreads,
        memoryLimitBytes: limit,
        token: secret.token,
        dialect,
      } as const;
      const starts = Array.from({ length: nWorkers }, (_, i) =>
        (cluster as LocalCluster).#addWorker((signal) => startChild({ ...common, name: String(i) }, signal)),
      );
      await Promise.all(starts);
      return cluster;
    } catch (error) {
      if (cluster) await cluster.close();
      rmSync(secret.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Process ids, for tests and tools. */
  get pids(): { readonly scheduler: number; readonly workers: readonly number[] } {
    return { scheduler: this.#scheduler.pid, workers: this.#workers.map(({ pid }) => pid) };
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

  async #addWorker(start: StartWorker): Promise<void> {
    const worker = await start(this.#ending.signal);
    if (this.#isClosing) return worker.stop();
    this.#workers.push(worker);
    void worker.ended.then((how) => this.#workerEnded(worker, how, start));
  }

  /** A worker that died by itself is replaced, a bounded number of times. */
  async #workerEnded(worker: Child, how: string, start: StartWorker): Promise<void> {
    this.#workers.splice(this.#workers.indexOf(worker), 1);
    if (this.#isClosing || how === "exit code 0") return;
    const logger = createLogger("rsdat.cluster");
    if (this.#restarts++ >= RESTARTS_MAX)
      return logger.error(`worker ${worker.address} ended with ${how}; ${RESTARTS_MAX} were replaced already`);
    logger.warning(`worker ${worker.address} ended with ${how}; starting another`);
    await this.#addWorker(start).catch((error: unknown) => {
      if (this.#isClosing) return;
      logger.error(`no worker in its place: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  async #end(): Promise<void> {
    this.#isClosing = true;
    this.#ending.abort();
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#scheduler.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts one worker; the signal ends the attempt. */
type StartWorker = (signal: AbortSignal) => Promise<Child>;

function count(n: number, what: string): number {
  if (!Number.isInteger(n) || n < 1) throw new ArgumentError(`${what} is ${n}; expected a whole number above 0`);
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
