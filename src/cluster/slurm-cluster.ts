/** Workers that run as Slurm jobs; the scheduler runs beside the script that starts them. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  ArgumentError,
  ClusterError,
  errorToRecord,
  isRsdatError,
  type Logger,
  NoWorkersError,
  parseBytes,
  parseTimeoutMs,
  type RsdatError,
  UnsupportedError,
  WorkerStartError,
  WriteError,
} from "../base/index.ts";
import type { ClusterHandle } from "../client/index.ts";
import { hostOfInterface, Rpc } from "../comm/index.ts";
import {
  type ConfigTree,
  commSettings,
  config,
  createLogger,
  packageVersion,
  securityFor,
  speaksDialect,
} from "../config/index.ts";
import { IDENTITY, RETIRE_WORKERS, type WorkerIdentity } from "../protocol/index.ts";
import { Adaptive, type AdaptOptions } from "./adaptive.ts";
import { type Child, startChild } from "./child-process.ts";
import { hostTowards } from "./reachable-host.ts";
import { askNodeAddresses, askQueue, askRecords, cancelJobs, listJobs, submitScript } from "./slurm-commands.ts";
import { type ResolvedSlurmOptions, resolveSlurmOptions, type SlurmOptions } from "./slurm-options.ts";
import { lastLines, startError, wholeText } from "./slurm-report.ts";
import { buildJobScript, logName, type ScriptFacts, workerNames } from "./slurm-script.ts";
import { JobTracker, type TrackedJob, type Verdict } from "./slurm-tracker.ts";

/** What `scale` takes besides a number of workers. */
export interface SlurmScale {
  readonly jobs?: number;
  /** Threads of all jobs together. */
  readonly cores?: number;
  /** Memory of all jobs together. */
  readonly memory?: string | number;
}

/** Options of `adapt`. */
export interface SlurmAdaptOptions extends AdaptOptions {
  readonly minimumJobs?: number;
  readonly maximumJobs?: number;
}

/** Tasks of one job array; sites allow 1001 unless they say otherwise. */
const ARRAY_MAX = 250;
const WATCH_MS = 250;
/** Once all workers are there, only losses are looked for. */
const QUIET_MS = 2_000;
const RETIRE_MS = 600_000;
/** Time that a worker which was told to close has, before its job is cancelled. */
const LEAVE_MS = 5_000;
/** Slurm kills what ignores SIGTERM after KillWait, 30 s unless the site says otherwise. */
const GONE_MS = 90_000;

/** Works in a clone, where this file is in src/cluster, and in the package, where it is in dist/cluster. */
const ENTRY = fileURLToPath(new URL("../../bin/rsdat.js", import.meta.url));

/**
 * A scheduler beside this script, and workers in Slurm jobs. What is not given is read from `jobqueue.slurm` of Dask's
 * configuration, so `DASK_JOBQUEUE__SLURM__*` variables work as they are.
 *
 * Jobs that end are replaced while they are wanted; after three starts in a row that brought no worker, none is.
 * `close`, the end of the script and its sudden death end all jobs.
 *
 * @example
 * ```ts
 * await using cluster = await SlurmCluster.start({ partition: "rome", cores: 16, memory: "28GiB", walltime: "01:00:00" });
 * await cluster.scale({ jobs: 4 });
 * await using client = await Client.connect({ cluster });
 * ```
 */
export class SlurmCluster implements ClusterHandle {
  readonly schedulerAddress: string;
  readonly token: string;
  /** File with the token, for workers that are started by hand. */
  readonly tokenFile: string;
  readonly #options: ResolvedSlurmOptions;
  readonly #folder: string;
  readonly #logDirectory: string;
  readonly #scheduler: Child;
  readonly #tracker: JobTracker;
  readonly #logger: Logger;
  readonly #rpc: Rpc;
  readonly #failureListeners = new Set<(failure: RsdatError) => void>();
  #failure: RsdatError | undefined;
  readonly #ending = new AbortController();
  #workers: ReadonlyMap<string, WorkerIdentity> = new Map();
  #nextIndex = 0;
  #lastError: RsdatError | undefined;
  #turns: Promise<unknown> = Promise.resolve();
  #isWatched = false;
  #submitAfterMs = 0;
  #wake: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #adaptive: Adaptive<string> | undefined;

  private constructor(options: ResolvedSlurmOptions, scheduler: Child, secret: Secret, logger: Logger) {
    this.#options = options;
    this.#scheduler = scheduler;
    this.#folder = secret.folder;
    this.#logDirectory = resolve(options.logDirectory);
    this.#logger = logger;
    this.#tracker = new JobTracker(options);
    this.#rpc = new Rpc({
      logger,
      version: packageVersion(),
      timeoutMs: 5_000,
      security: securityFor("client"),
      settings: commSettings(),
    });
    this.schedulerAddress = scheduler.address;
    this.token = secret.token;
    this.tokenFile = secret.tokenFile;
  }

  /**
   * Start the scheduler, and the jobs that `jobs` or `nWorkers` ask for; resolves when Slurm has accepted them.
   *
   * @throws {ArgumentError} an unknown option or a value that is none
   * @throws {ConfigError} `cores` or `memory` are given nowhere
   * @throws {SlurmSubmitError} `sbatch` is missing, or refuses the jobs
   * @throws {WorkerStartError} the scheduler did not start
   */
  static async start(options: SlurmOptions = {}): Promise<SlurmCluster> {
    if (process.env["RSDAT_PLAN"] === "1")
      throw new UnsupportedError("SlurmCluster.start under rsdat plan, which submits no jobs: plan without a cluster");
    const section = config.get(`jobqueue.${options.configName ?? "slurm"}`, {});
    // Anything but a level holds no option.
    const resolved = resolveSlurmOptions(
      options,
      typeof section === "object" && section !== null && !Array.isArray(section) ? (section as ConfigTree) : {},
    );
    const host = await schedulerHost(resolved);
    const secret = makeSecret(resolved);
    let cluster: SlurmCluster | undefined;
    try {
      const dialect = speaksDialect();
      const scheduler = await startChild({
        role: "scheduler",
        host,
        port: resolved.scheduler.port ?? 0,
        dialect,
        temporaryFolder: secret.folder,
        token: secret.token,
      });
      cluster = new SlurmCluster(resolved, scheduler, secret, createLogger("rsdat.cluster"));
      if (resolved.jobs > 0) await cluster.scale({ jobs: resolved.jobs });
      return cluster;
    } catch (error) {
      if (cluster) await cluster.close();
      rmSync(secret.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Jobs that have not ended, with what Slurm says of them. */
  get jobs(): readonly TrackedJob[] {
    return this.#tracker.jobs;
  }

  /** A WorkerStartError when no worker is left and no job will bring one; `scale` tries anew. */
  get failure(): RsdatError | undefined {
    return this.#failure;
  }

  onFailure(listener: (failure: RsdatError) => void): Disposable {
    this.#failureListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#failureListeners.delete(listener) };
  }

  toString(): string {
    return `SlurmCluster(${this.schedulerAddress}, ${this.#workers.size} workers, ${this.#tracker.jobs.length} jobs)`;
  }

  /** The text that the next submission hands to `sbatch`; for several jobs, a job array. */
  jobScript(jobs = 1): string {
    return buildJobScript(this.#options, this.#facts(jobs));
  }

  /**
   * Want so many workers, or jobs, or jobs for so many cores or so much memory. Resolves when Slurm has accepted new jobs,
   * or when the workers of superfluous ones have handed over their data. The number is kept: lost jobs are replaced.
   *
   * @throws {SlurmSubmitError} `sbatch` refuses
   * @throws {ArgumentError} a number that is none
   */
  async scale(wanted: number | SlurmScale): Promise<void> {
    const jobs = this.#jobsFor(wanted);
    this.#assertOpen();
    this.#tracker.scale(jobs);
    this.#lastError = undefined;
    this.#failure = undefined;
    await this.#turn(async () => {
      try {
        await this.#reconcile();
      } catch (error) {
        // What Slurm refuses now it would refuse again with every look at the queue.
        this.#tracker.scale(this.#tracker.alive.length);
        throw error;
      }
    });
    if (!this.#isWatched) void this.#watch();
    this.#isWatched = true;
    this.#wake?.();
  }

  /**
   * Follow the work: more jobs while much waits, fewer when their workers idle. `minimumJobs` and `maximumJobs` count jobs,
   * the others workers. Ends with its own `stop`, or `close`.
   */
  adapt(options: SlurmAdaptOptions = {}): Adaptive<string> {
    const { minimumJobs, maximumJobs, ...rest } = options;
    const per = this.#options.processes;
    void this.#adaptive?.stop();
    this.#adaptive = new Adaptive<string>(
      {
        schedulerAddress: this.schedulerAddress,
        workersPerUnit: per,
        planned: () => this.#tracker.alive.slice(0, this.#tracker.target).map(({ id }) => id),
        waiting: () => this.#tracker.alive.filter(({ phase }) => phase !== "joined").map(({ id }) => id),
        unitsOf: (names) =>
          this.#tracker.alive
            .filter(({ phase, workers }) => phase === "joined" && workers.every((name) => names.includes(name)))
            .map(({ id }) => id),
        scaleUp: (jobs) => this.scale({ jobs }),
        // Which jobs go is the tracker's choice: those that wait, then those with the fewest bytes.
        scaleDown: (jobs) => this.scale({ jobs: Math.max(0, this.#tracker.target - jobs.length) }),
      },
      {
        ...rest,
        ...(minimumJobs === undefined ? {} : { minimum: minimumJobs * per }),
        ...(maximumJobs === undefined ? {} : { maximum: maximumJobs * per }),
      },
    );
    return this.#adaptive;
  }

  /**
   * Wait until `count` workers are there.
   *
   * @throws {WorkerStartError} jobs ended before their workers were there, and no more are submitted
   * @throws {NoWorkersError} not within `timeout` (default: no limit), or fewer jobs are wanted
   */
  async waitForWorkers(count = 1, { timeout }: { readonly timeout?: string | number } = {}): Promise<void> {
    const until = performance.now() + (timeout === undefined ? Number.POSITIVE_INFINITY : parseTimeoutMs(timeout));
    for (;;) {
      this.#assertOpen();
      if (this.#tracker.present.size >= count) return;
      const possible = this.#tracker.alive.length * this.#options.processes;
      if (this.#tracker.isBroken && possible < count && this.#lastError) throw this.#lastError;
      const details = {
        details: {
          count,
          found: this.#tracker.present.size,
          jobs: this.jobs.map(({ id, state, reason }) => ({ id, state, reason })),
        },
      };
      if (this.#tracker.target * this.#options.processes < count) {
        throw new NoWorkersError(
          `${count} workers are waited for, but jobs for only ${this.#tracker.target * this.#options.processes} are wanted: see scale`,
          details,
        );
      }
      if (performance.now() > until) {
        const states = this.jobs
          .map(({ id, state, reason }) => `${id} ${state}${reason ? ` (${reason})` : ""}`)
          .join(", ");
        throw new NoWorkersError(
          `${this.#tracker.present.size} of ${count} workers are there after ${timeout}; jobs: ${states}`,
          details,
        );
      }
      await sleep(50);
    }
  }

  /** What jobs have written, by job id; of those that have not ended. */
  async logs(): Promise<ReadonlyMap<string, string>> {
    return new Map(await Promise.all(this.jobs.map(async ({ id }) => [id, await wholeText(this.#logOf(id))] as const)));
  }

  /** Cancel all jobs, end the scheduler; resolves when Slurm lists none of the jobs any more. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #jobsFor(wanted: number | SlurmScale): number {
    if (typeof wanted === "number") return Math.ceil(whole(wanted, "workers") / this.#options.processes);
    const { cores, memoryBytes } = this.#options;
    const { jobs, cores: coresWanted, memory } = wanted;
    if (jobs !== undefined) return whole(jobs, "jobs");
    if (coresWanted !== undefined) return Math.ceil(whole(coresWanted, "cores") / cores);
    if (memory !== undefined) return Math.ceil(parseBytes(memory, "memory") / memoryBytes);
    throw new ArgumentError("scale: give a number of workers, or { jobs }, { cores } or { memory }");
  }

  #assertOpen(): void {
    if (this.#ending.signal.aborted) throw new ClusterError("cluster-closed", "the cluster is closed");
  }

  #facts(count: number): ScriptFacts {
    return {
      schedulerAddress: this.schedulerAddress,
      tokenFile: this.tokenFile,
      logDirectory: this.#logDirectory,
      node: process.execPath,
      entry: ENTRY,
      first: this.#nextIndex,
      count,
    };
  }

  #logOf(id: string): string {
    return join(this.#logDirectory, logName(this.#options, id));
  }

  /** One after the other: a look at the queue, a wish of the user's, and the end never mix. */
  #turn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turns.then(work);
    this.#turns = mine.catch(() => undefined); // whoever asked for the turn hears of its failure
    return mine;
  }

  /** Look after the jobs until the end. Its timers do not keep a finished script alive. */
  async #watch(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      try {
        await this.#turn(() => this.#look());
      } catch (error) {
        // Nobody waits for it: the next look may be a better one.
        this.#logger.warning(`looking after Slurm jobs failed: ${errorToRecord(error).message}`);
      }
      const isQuiet = this.#tracker.pollDelayMs(performance.now()) === null;
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      const timer = setTimeout(woken.resolve, isQuiet ? QUIET_MS : WATCH_MS).unref();
      await woken.promise;
      clearTimeout(timer);
    }
  }

  async #look(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    const verdicts: Verdict[] = [];
    const workers = await this.#askWorkers();
    const now = performance.now();
    if (workers) verdicts.push(...this.#tracker.hearWorkers(new Set(workers.keys()), now));
    if (this.#tracker.pollDelayMs(now) === 0) {
      const lines = await askQueue(this.jobs.map(({ id }) => id));
      if (lines) verdicts.push(...this.#tracker.hearQueue(lines, performance.now()));
      else this.#logger.warning("squeue does not answer");
    }
    for (const { id, reason } of this.#tracker.newlyHopeless())
      this.#logger.warning(`Slurm job ${id} waits for ${reason}, which may not pass by itself`);
    for (const verdict of verdicts) await this.#follow(verdict);
    await this.#replace();
    this.#noteFailure();
  }

  /** As `scale` does, but nobody waits for it: what Slurm refuses is tried again later, and not for ever. */
  async #replace(): Promise<void> {
    if (performance.now() < this.#submitAfterMs) return;
    try {
      await this.#reconcile();
    } catch (error) {
      if (!isRsdatError(error, "slurm-submit")) throw error;
      this.#tracker.refused();
      this.#submitAfterMs = performance.now() + this.#options.pollIntervalMs;
      this.#lastError = new WorkerStartError(`no job takes the place of one that ended: ${error.message}`, {
        cause: error,
        details: error.details,
      });
      this.#logger.warning(this.#lastError.message);
    }
  }

  #noteFailure(): void {
    const isHopeless = this.#tracker.isBroken && this.#tracker.alive.length === 0 && this.#tracker.target > 0;
    if (!isHopeless || !this.#lastError || this.#failure) return;
    this.#failure = this.#lastError;
    for (const listener of this.#failureListeners) listener(this.#failure);
  }

  /** Workers by name; null when the scheduler does not answer. */
  async #askWorkers(): Promise<ReadonlyMap<string, WorkerIdentity> | null> {
    try {
      const identity = IDENTITY.parseAnswer(
        await this.#rpc.call(this.schedulerAddress, IDENTITY.ask({ nWorkers: -1 }), { signal: this.#ending.signal }),
      );
      this.#workers = new Map(Array.from(identity.workers?.values() ?? [], (worker) => [String(worker.name), worker]));
      return this.#workers;
    } catch (error) {
      if (!this.#ending.signal.aborted)
        this.#logger.warning(`the scheduler does not answer: ${errorToRecord(error).message}`);
      return null;
    }
  }

  async #follow({ job, kind, mustCancel }: Verdict): Promise<void> {
    if (kind === "start-failure") {
      const [[record = null], lines] = await Promise.all([askRecords(job.id), lastLines(this.#logOf(job.id))]);
      this.#lastError = startError({
        job,
        record,
        log: this.#logOf(job.id),
        lines,
        givenUpAfter: this.#tracker.isBroken ? this.#options.maxStartFailures : 0,
      });
      this.#logger.warning(this.#lastError.message);
    } else if (kind === "cancelled")
      this.#logger.warning(`Slurm job ${job.id} was cancelled by somebody else; it is not replaced`);
    else if (kind === "left") this.#logger.info(`Slurm job ${job.id} ended (${job.state})`);
    if (mustCancel) await cancelJobs([job.id]);
    this.#list();
  }

  /** Submit what is missing, end what is too much. */
  async #reconcile(): Promise<void> {
    const { submit, cancel, retire } = this.#tracker.plan((job) => this.#bytesOf(job));
    const now = performance.now();
    if (cancel.length > 0) {
      for (const { id } of cancel) this.#tracker.drain(id, now);
      await cancelJobs(cancel.map(({ id }) => id));
    }
    if (retire.length > 0) await this.#retire(retire);
    for (let left = submit; left > 0; ) {
      const count = this.#options.useArrays ? Math.min(left, ARRAY_MAX) : 1;
      await this.#submit(count);
      left -= count;
    }
  }

  async #submit(count: number): Promise<void> {
    mkdirSync(this.#logDirectory, { recursive: true });
    const id = await submitScript(this.jobScript(count));
    const now = performance.now();
    for (let i = 0; i < count; i++) {
      const index = this.#nextIndex++;
      this.#tracker.submitted(
        { id: count > 1 ? `${id}_${i}` : id, index, workers: workerNames(this.#options, index) },
        now,
      );
    }
    this.#list();
  }

  /** Workers hand over what only they hold, close, and their jobs end; a job that does not is cancelled. */
  async #retire(jobs: readonly TrackedJob[]): Promise<void> {
    for (const { id } of jobs) this.#tracker.drain(id, performance.now());
    const names = jobs.flatMap(({ workers }) => workers);
    const request = RETIRE_WORKERS.ask({
      names,
      closeWorkers: true,
      remove: true,
      stimulusId: `scale-${performance.now()}`,
    });
    try {
      RETIRE_WORKERS.parseAnswer(
        await this.#rpc.call(this.schedulerAddress, request, { timeoutMs: RETIRE_MS, signal: this.#ending.signal }),
      );
    } catch (error) {
      this.#logger.warning(`workers could not hand over their data: ${errorToRecord(error).message}`); // it is recomputed
    }
    await this.#untilGone(
      jobs.map(({ id }) => id),
      LEAVE_MS,
    );
    const left = this.#tracker.jobs.filter(({ id }) => jobs.some((job) => job.id === id));
    if (left.length > 0) await cancelJobs(left.map(({ id }) => id));
    this.#list();
  }

  /** Wait until Slurm lists none of these jobs as waiting or running, at most so long. */
  async #untilGone(ids: readonly string[], timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs;
    for (let pauseMs = 100; ; pauseMs = Math.min(2_000, pauseMs * 1.5)) {
      const mine = this.#tracker.jobs.filter(({ id }) => ids.includes(id));
      if (mine.length === 0) return true;
      const lines = await askQueue(this.jobs.map(({ id }) => id));
      for (const verdict of lines ? this.#tracker.hearQueue(lines, performance.now()) : []) await this.#follow(verdict);
      if (!this.#tracker.jobs.some(({ id }) => ids.includes(id))) return true;
      if (performance.now() > until) return false;
      await sleep(pauseMs);
    }
  }

  #bytesOf({ workers }: TrackedJob): number {
    return workers.reduce((sum, name) => sum + Number(this.#workers.get(name)?.metrics.get("managed_bytes") ?? 0), 0);
  }

  /** For the scheduler's process, which cancels them should this one die. */
  #list(): void {
    if (!this.#ending.signal.aborted) this.#note(this.jobs.map(({ id }) => id));
  }

  /** A file system that is full, or a folder that somebody cleaned up, is no reason to leave jobs alone. */
  #note(ids: readonly string[]): void {
    try {
      listJobs(this.#folder, ids);
    } catch (error) {
      this.#logger.warning(`the list of Slurm jobs cannot be written: ${errorToRecord(error).message}`);
    }
  }

  async #end(): Promise<void> {
    this.#ending.abort(new ClusterError("cluster-closed", "the cluster is closed"));
    this.#wake?.();
    await this.#adaptive?.stop();
    await this.#turns;
    const now = performance.now();
    const all = this.jobs.map(({ id }) => id);
    const joined = new Set(this.jobs.filter(({ phase }) => phase === "joined").map(({ id }) => id));
    for (const id of all) this.#tracker.drain(id, now);
    await cancelJobs(all.filter((id) => !joined.has(id)));
    await this.#rpc.close();
    this.#note([]);
    await this.#scheduler.stop(); // its workers end with it, and the jobs with them
    if (all.length > 0 && !(await this.#untilGone(all, LEAVE_MS))) {
      await cancelJobs(this.jobs.map(({ id }) => id));
      if (!(await this.#untilGone(all, GONE_MS)))
        this.#logger.error(
          `Slurm still lists the jobs ${this.jobs.map(({ id }) => id).join(", ")}, which were cancelled`,
        );
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Secret {
  readonly folder: string;
  readonly token: string;
  readonly tokenFile: string;
}

/** A fresh token in a folder that all nodes see and only its owner reads. */
function makeSecret({ sharedTempDirectory }: ResolvedSlurmOptions): Secret {
  try {
    mkdirSync(sharedTempDirectory, { recursive: true });
    const folder = mkdtempSync(join(resolve(sharedTempDirectory), "cluster-"));
    const token = randomBytes(32).toString("hex");
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    return { folder, token, tokenFile };
  } catch (cause) {
    throw new WriteError(
      `the cluster's token cannot be written in ${sharedTempDirectory}: ${errorToRecord(cause).message}`,
      { cause, details: { path: sharedTempDirectory } },
    );
  }
}

async function schedulerHost({ scheduler, interface: device, partition }: ResolvedSlurmOptions): Promise<string> {
  if (scheduler.host !== undefined) return scheduler.host;
  if (scheduler.interface !== undefined) return hostOfInterface(scheduler.interface);
  if (device !== null) return hostOfInterface(device);
  return hostTowards(await askNodeAddresses(partition));
}

function whole(n: number, what: string): number {
  if (!Number.isInteger(n) || n < 0) throw new ArgumentError(`${what} is ${n}; expected a whole number`);
  return n;
}
