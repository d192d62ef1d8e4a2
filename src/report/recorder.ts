/** Looks at a runner when a report begins and when it ends, and at the memory of its processes in between. */
import type { Client, ClusterAccounting, TaskStreamRecord, WorkerAccounting } from "../client/index.ts";
import { packageVersion } from "../config/index.ts";
import {
  accountingBetween,
  type RunAccounting,
  type Runner,
  type RunnerFigures,
  watchAccounting,
} from "../graph/index.ts";
import { MemorySampler } from "./memory-sampler.ts";
import { isTold, type NotTold, type PerformanceData, type WorkerPart } from "./performance-data.ts";

/** Time for one question at the end: a report is no reason to wait for a worker that hangs. */
const ANSWER_MS = 30_000;
/** Lines of each log that are asked for. */
const LINES_MAX = 200;
/** Runs that are told of one by one. */
const RUNS_MAX = 10_000;

const THIS_PROCESS = "this process";
const NO_RECORDS: NotTold = { why: "threads of this process keep no record of single tasks" };
const NO_LOGS: NotTold = { why: "threads of this process have no log of their own" };

/** Where to go on in a task stream: a number of records, or a moment in seconds since 1970. */
type From = { readonly startIndex: number } | { readonly start: number };

/** From the begin of a report to its end. */
export class PerformanceRecorder implements Disposable {
  readonly #runner: Runner;
  readonly #client: Client | null;
  readonly #startedAt = Date.now();
  readonly #runs: RunAccounting[] = [];
  readonly #watch: Disposable;
  readonly #sampler: MemorySampler;
  #before: RunnerFigures | NotTold = { why: "the runner keeps no sums" };
  #from: From | NotTold = NO_RECORDS;
  #began = performance.now();

  private constructor(runner: Runner) {
    this.#runner = runner;
    this.#client = isClient(runner) ? runner : null;
    this.#watch = watchAccounting((run) => {
      if (this.#runs.length < RUNS_MAX) this.#runs.push(run);
    });
    this.#sampler = new MemorySampler(() => memoryOf(this.#client));
  }

  /** Look at a runner; what it does not tell is no error. */
  static async begin(runner: Runner): Promise<PerformanceRecorder> {
    const recorder = new PerformanceRecorder(runner);
    const client = recorder.#client;
    if (client) recorder.#from = await told(() => beginStream(client));
    recorder.#before = await recorder.#figures();
    recorder.#began = performance.now();
    await told(() => recorder.#sampler.start());
    return recorder;
  }

  /** Look again, and give all that there is. */
  async end(about: {
    readonly title: string;
    readonly code: string;
    readonly error: unknown;
  }): Promise<PerformanceData> {
    const seconds = (performance.now() - this.#began) / 1000;
    await told(() => this.#sampler.stop());
    const client = this.#client;
    const after = await this.#figures();
    const { tasks, ended } = await this.#tasks();
    const accounting = this.#accounting(after, about.error === null);
    return {
      title: about.title,
      startedAt: this.#startedAt,
      seconds,
      runner: this.#runner.name,
      code: about.code,
      error: about.error === null ? null : String(about.error),
      accounting,
      runs: this.#runs,
      workers: client ? await told(() => this.#workers(client, after)) : threadsPart(accounting),
      tasks,
      tasksEnded: ended ?? (isTold(accounting) ? accounting.tasks : 0),
      memory: this.#sampler.samples,
      reads: readsBetween(this.#before, after),
      versions: client ? await told(() => versionsOf(client)) : ownVersions(),
      schedulerLogs: client ? await told(() => client.getSchedulerLogs(LINES_MAX)) : NO_LOGS,
      workerLogs: client ? await told(() => client.getWorkerLogs({ count: LINES_MAX })) : NO_LOGS,
    };
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    void this.#sampler.stop();
  }

  #figures(): Promise<RunnerFigures | NotTold> {
    return told(async () => {
      const figures = this.#client ? await this.#client.accounting() : await this.#runner.figures?.();
      return figures ?? { why: "the runner keeps no sums" };
    });
  }

  #accounting(after: RunnerFigures | NotTold, isDone: boolean): RunAccounting | NotTold {
    const before = this.#before;
    if (!isTold(before)) return before;
    if (!isTold(after)) return after;
    const peakBytesPlanned = this.#runs.reduce((most, run) => Math.max(most, run.peakBytesPlanned), 0);
    return accountingBetween(before, after, { runner: this.#runner.name, peakBytesPlanned, isDone });
  }

  async #tasks(): Promise<{ tasks: readonly TaskStreamRecord[] | NotTold; ended: number | null }> {
    const [client, from] = [this.#client, this.#from];
    if (!client || !isTold(from)) return { tasks: isTold(from) ? NO_RECORDS : from, ended: null };
    const tasks = await told(() => client.getTaskStream(from));
    if (!isTold(tasks)) return { tasks, ended: null };
    if ("start" in from) return { tasks, ended: tasks.length };
    const now = await told(async () => ({ index: await client.getTaskStreamIndex() }));
    return { tasks, ended: isTold(now) ? Math.max(tasks.length, now.index - from.startIndex) : tasks.length };
  }

  async #workers(client: Client, after: RunnerFigures | NotTold): Promise<WorkerPart[]> {
    const { workers } = await client.schedulerInfo();
    const [first, last] = [this.#before, after].map((figures) =>
      "byWorker" in figures ? (figures as ClusterAccounting).byWorker : null,
    );
    return Array.from(workers ?? [], ([address, worker]) => {
      const sums = last?.get(address);
      return {
        address,
        name: String(worker.name),
        language: worker.language ?? "python",
        threads: worker.nthreads,
        memoryLimitBytes: worker.memoryLimit ?? 0,
        sums: sums ? sumsBetween(first?.get(address), sums) : null,
      };
    });
  }
}

/** A client tells of its cluster; other runners are of this process. */
function isClient(runner: Runner): runner is Client {
  return "getTaskStreamIndex" in runner;
}

/** What is asked for, or why it is not told. */
async function told<T extends object>(ask: () => Promise<T | NotTold>): Promise<T | NotTold> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<NotTold>((resolve) => {
    timer = setTimeout(() => resolve({ why: `no answer in ${ANSWER_MS / 1000} s` }), ANSWER_MS);
  });
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Have the scheduler record. Older ones of Dask's know no index: for them the clock has to do. */
async function beginStream(client: Client): Promise<From> {
  try {
    return { startIndex: await client.getTaskStreamIndex() };
  } catch {
    await client.getTaskStream({ count: 0 });
    return { start: Date.now() / 1000 };
  }
}

async function memoryOf(client: Client | null): Promise<Map<string, number>> {
  if (!client) return new Map([[THIS_PROCESS, process.memoryUsage.rss()]]);
  const { workers } = await client.schedulerInfo();
  return new Map(
    Array.from(workers ?? [], ([address, { metrics }]) => [address, Number(metrics.get("memory") ?? 0)] as const),
  );
}

function sumsBetween(before: WorkerAccounting | undefined, after: WorkerAccounting): NonNullable<WorkerPart["sums"]> {
  const of = (pick: (sums: WorkerAccounting) => number): number =>
    Math.max(0, pick(after) - (before ? pick(before) : 0));
  return {
    tasks: of((sums) => sums.tasks),
    busySeconds: of((sums) => sums.busySeconds),
    storeSeconds: of((sums) => sums.storeSeconds),
    transferSeconds: of((sums) => sums.transferSeconds),
    bytesTransferred: of((sums) => sums.bytesTransferred),
    bytesSpilled: of((sums) => sums.bytesSpilled),
    peakBytes: after.peakBytes,
  };
}

function threadsPart(accounting: RunAccounting | NotTold): WorkerPart[] | NotTold {
  if (!isTold(accounting)) return accounting;
  const { threads, tasks, computeSeconds, storeSeconds, bytesSpilled, peakBytesObserved } = accounting;
  const [name, address, language] = ["threads", THIS_PROCESS, "rsdat"];
  const sums = { tasks, busySeconds: computeSeconds + storeSeconds, storeSeconds, bytesSpilled };
  const moved = { transferSeconds: 0, bytesTransferred: 0, peakBytes: peakBytesObserved };
  return [{ name, address, language, threads, memoryLimitBytes: accounting.budgetBytes, sums: { ...sums, ...moved } }];
}

function readsBetween(before: RunnerFigures | NotTold, after: RunnerFigures | NotTold): PerformanceData["reads"] {
  if (!isTold(before)) return before;
  if (!isTold(after)) return after;
  const sums = new Map<string, { requests: number; bytes: number }>();
  const add = (reads: RunnerFigures["reads"], sign: number): void => {
    for (const { host, requests, bytes } of reads ?? []) {
      const of = sums.get(host) ?? { requests: 0, bytes: 0 };
      sums.set(host, { requests: of.requests + sign * requests, bytes: of.bytes + sign * bytes });
    }
  };
  add(after.reads, 1);
  add(before.reads, -1);
  // A worker that left takes its sums along: nothing below 0 is told.
  return Array.from(sums, ([host, { requests, bytes }]) => ({
    host,
    requests: Math.max(0, requests),
    bytes: Math.max(0, bytes),
  }));
}

async function versionsOf(client: Client): Promise<{ who: string; versions: ReadonlyMap<string, string> }[]> {
  const { scheduler, workers, client: own } = await client.getVersions();
  return [
    { who: "scheduler", versions: scheduler },
    { who: "client", versions: own },
    ...Array.from(workers, ([who, versions]) => ({ who, versions })),
  ];
}

function ownVersions(): { who: string; versions: ReadonlyMap<string, string> }[] {
  return [
    {
      who: THIS_PROCESS,
      versions: new Map([
        ["rsdat", packageVersion()],
        ["node", process.versions.node],
      ]),
    },
  ];
}
