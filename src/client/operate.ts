/** What operators do through a client: workers that go, restarts, files for workers, logs, metadata, task stream. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  ArgumentError,
  NotFoundError,
  parseTimeoutMs,
  RemoteProtocolError,
  shownValue,
  UnsupportedError,
} from "../base/index.ts";
import { config, fillTemplate } from "../config/index.ts";
import { type Key, keyOfValue, showKey } from "../graph/index.ts";
import {
  checkReply,
  KEY,
  PROFILE,
  type ProfileNode,
  PyCall,
  PyGlobal,
  type PyValue,
  parseAddress,
  REBALANCE,
  RETIRE_WORKERS,
  remoteError,
  writePickle,
} from "../protocol/index.ts";
import { Future } from "./future.ts";
import type { Link } from "./link.ts";

/** Which workers to retire, and how. */
export interface RetireOptions {
  /** Names as the workers gave them, beside addresses. */
  readonly names?: readonly string[];
  /** False: they give up their data and get no more tasks, but stay. Default true. */
  readonly closeWorkers?: boolean;
}

/** Options of `restart`. */
export interface RestartOptions {
  /** Time for workers to come back, e.g. "30s" or seconds. Default 30 s. */
  readonly timeout?: string | number;
  /** True: resolve when as many workers are there as before. Default false. */
  readonly waitForWorkers?: boolean;
}

/** One record of a log: level, and the line. */
export type LogLine = readonly [level: string, line: string];

/** One task that ended. */
export interface TaskStreamRecord {
  readonly key: Key;
  readonly worker: string;
  /** Thread of that worker; null where it does not tell. */
  readonly thread: string | null;
  /** `OK` or `error`. */
  readonly status: string;
  readonly nbytes: number;
  /** What was done, and when, in seconds since 1970; of a transfer also from which worker, where that is told. */
  readonly startstops: readonly {
    readonly action: string;
    readonly start: number;
    readonly stop: number;
    readonly source?: string;
  }[];
}

/** Which records of the task stream. */
export interface TaskStreamOptions {
  /** Seconds since 1970, or so long ago: "5s". */
  readonly start?: number | string;
  readonly stop?: number | string;
  /** So many, the last ones unless `start` says else. */
  readonly count?: number;
  /** From this record on, whatever the clocks say: what `getTaskStreamIndex` gave. `start`, `stop` and `count` mean nothing then. */
  readonly startIndex?: number;
}

/** Which part of the workers' profiles. */
export interface ProfileOptions {
  /** Prefix of tasks' keys, mostly the name of a function or a layer. Default: all tasks. */
  readonly key?: string;
  /** Seconds since 1970; whole cycles (`distributed.worker.profile.cycle`) that reach into this time count. */
  readonly start?: number;
  readonly stop?: number;
  /** Addresses. Default: all workers. */
  readonly workers?: string | readonly string[];
}

const ANSWER_MS = 600_000;

/** Ask the scheduler. */
export async function askScheduler(link: Link, request: Readonly<Record<string, unknown>>): Promise<unknown> {
  link.assertOpen();
  using _held = link.hold();
  const answer = await link.rpc.call(link.address, request, { timeoutMs: ANSWER_MS });
  checkReply(answer);
  return answer;
}

/** As `Client.retireWorkers`. */
export async function retireWorkers(
  link: Link,
  workers: readonly string[],
  { names = [], closeWorkers = true }: RetireOptions,
): Promise<string[]> {
  for (const [given, what] of [
    [workers, "workers"],
    [names, "names"],
  ] as const)
    if (!Array.isArray(given))
      throw new ArgumentError(`retireWorkers: ${what} are a list of texts, not ${shownValue(given)}`);
  if (workers.length > 0 && names.length > 0)
    throw new ArgumentError("retireWorkers: give addresses or names, not both");
  if (workers.length + names.length === 0) return [];
  const which = names.length > 0 ? { names } : { workers };
  const request = RETIRE_WORKERS.ask({ ...which, closeWorkers, remove: true, stimulusId: "retire-by-client" });
  return Array.from(RETIRE_WORKERS.parseAnswer(await askScheduler(link, request)).keys(), String);
}

/** As `Client.rebalance`. */
export async function rebalance(
  link: Link,
  keys: readonly Key[] | null,
  workers: readonly string[] | null,
): Promise<void> {
  const { status, keys: stayed = [] } = REBALANCE.parseAnswer(
    await askScheduler(link, REBALANCE.ask({ keys, workers })),
  );
  if (status !== "OK")
    throw new NotFoundError(
      `rebalance: ${stayed.length} of ${keys?.length ?? "all"} results are nowhere or could not move, ${stayed.slice(0, 3).map(showKey).join(", ")} among them`,
      { details: { keys: stayed } },
    );
}

/** As `Client.restart`. */
export async function restart(link: Link, { timeout = 30, waitForWorkers = false }: RestartOptions): Promise<void> {
  // The answer overtakes the news on the stream, which gives up whatever is wanted when it comes: it ends this one too.
  await using mark = new Future(link, keyOfValue(`restart-${randomUUID()}`));
  await askScheduler(link, {
    op: "restart",
    timeout: parseTimeoutMs(timeout) / 1000,
    wait_for_workers: waitForWorkers,
    stimulus_id: "restart-by-client",
  });
  await mark.wait();
}

/** As `Client.uploadFile`. */
export async function uploadFile(link: Link, path: string, load: boolean): Promise<string[]> {
  if (/\.[cm]?[jt]s$/.test(path))
    throw new UnsupportedError(
      `uploadFile takes Python files for Python workers; functions of ${path} travel by kernels(new URL("./${basename(path)}", import.meta.url))`,
    );
  let data: Uint8Array;
  try {
    data = readFileSync(path);
  } catch (cause) {
    throw new NotFoundError(`uploadFile: ${path} cannot be read`, { cause, details: { path } });
  }
  const name = `${path}${Date.now()}`;
  const state = new Map<PyValue, PyValue>([
    ["filename", basename(path)],
    ["load", load],
    ["data", data],
  ]);
  // A Python scheduler reads graphs, and so imports what they name.
  await askScheduler(link, {
    op: "register_scheduler_plugin",
    plugin: pickledPlugin("SchedulerUploadFile", state),
    name,
    idempotent: false,
  });
  const answer = await askScheduler(link, {
    op: "register_worker_plugin",
    plugin: pickledPlugin("UploadFile", state),
    name,
    idempotent: false,
  });
  return answersOf(answer, `uploadFile ${path}`);
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** An object of a plugin's class with this state, made without its constructor. */
function pickledPlugin(name: string, state: Map<PyValue, PyValue>): Uint8Array {
  const made = new PyCall(new PyGlobal("copyreg", "__newobj__"), [
    new PyGlobal("distributed.diagnostics.plugin", name),
  ]);
  made.state = state;
  return writePickle(made);
}

/** Addresses that answered. @throws the first error among the answers */
export function answersOf(answer: unknown, what: string): string[] {
  if (!(answer instanceof Map)) throw new RemoteProtocolError(`${what}: expected answers by worker`);
  for (const [address, each] of answer) {
    if (!(each instanceof Map)) continue;
    checkReply(each, { worker: String(address) });
    if (each.get("status") === "error")
      throw remoteError(each.get("exception"), {
        worker: String(address),
        ...(typeof each.get("message") === "string" ? { exceptionText: String(each.get("message")) } : {}),
      });
  }
  return Array.from(answer.keys(), String);
}

/** As `Client.getSchedulerLogs`. */
export async function schedulerLogs(link: Link, count: number | undefined): Promise<LogLine[]> {
  return linesOf(await askScheduler(link, { op: "logs", n: count ?? null }));
}

/** As `Client.getWorkerLogs`. */
export async function workerLogs(
  link: Link,
  { count, workers }: { readonly count?: number; readonly workers?: readonly string[] },
): Promise<ReadonlyMap<string, LogLine[]>> {
  const answer = await askScheduler(link, {
    op: "worker_logs",
    n: count ?? null,
    workers: workers ?? null,
    nanny: false,
  });
  if (!(answer instanceof Map)) throw new RemoteProtocolError("worker_logs: expected logs by worker");
  return new Map(Array.from(answer, ([address, lines]) => [String(address), linesOf(lines)]));
}

function linesOf(answer: unknown): LogLine[] {
  if (!Array.isArray(answer)) throw new RemoteProtocolError("logs: expected an array of records");
  return answer.map((record) => {
    const [level, line] = Array.isArray(record) ? record : [];
    return [String(level), String(line)];
  });
}

/** As `Client.getTaskStream`. */
export async function taskStream(link: Link, options: TaskStreamOptions): Promise<TaskStreamRecord[]> {
  const { start = null, stop = null, count = null, startIndex = null } = options;
  const answer = await askScheduler(link, { op: "get_task_stream", start, stop, count, start_index: startIndex });
  if (!Array.isArray(answer)) throw new RemoteProtocolError("get_task_stream: expected an array of records");
  return answer.map(recordOf);
}

/** As `Client.getTaskStreamIndex`. */
export async function taskStreamIndex(link: Link): Promise<number> {
  const answer = await askScheduler(link, { op: "get_task_stream_index" });
  if (typeof answer === "number") return answer;
  throw new RemoteProtocolError("get_task_stream_index: expected a number");
}

/** As `Client.profile`. */
export async function profile(link: Link, options: ProfileOptions): Promise<ProfileNode> {
  const { key = null, start = null, stop = null, workers } = options;
  const asked = workers === undefined ? null : [workers].flat();
  return PROFILE.parseAnswer(await askScheduler(link, PROFILE.ask({ key, start, stop, workers: asked })));
}

function recordOf(record: unknown): TaskStreamRecord {
  if (!(record instanceof Map)) throw new RemoteProtocolError("get_task_stream: expected maps");
  const startstops: unknown = record.get("startstops");
  const thread: unknown = record.get("thread") ?? null;
  return {
    key: KEY.read(record.get("key"), "get_task_stream.key"),
    worker: String(record.get("worker")),
    thread: thread === null ? null : String(thread),
    status: String(record.get("status") ?? "OK"),
    nbytes: Number(record.get("nbytes") ?? 0),
    startstops: (Array.isArray(startstops) ? startstops : []).flatMap((each) =>
      each instanceof Map
        ? [
            {
              action: String(each.get("action")),
              start: Number(each.get("start")),
              stop: Number(each.get("stop")),
              ...(typeof each.get("source") === "string" ? { source: String(each.get("source")) } : {}),
            },
          ]
        : [],
    ),
  };
}

/** Link to the scheduler's pages, by the template `distributed.dashboard.link`; null when the scheduler serves none. */
export function dashboardLinkOf(address: string, services: ReadonlyMap<unknown, unknown> | undefined): string | null {
  const port = services?.get("dashboard");
  if (typeof port !== "number") return null;
  const { scheme, host } = parseAddress(address);
  return fillTemplate(
    "distributed.dashboard.link",
    config.text("distributed.dashboard.link") ?? "{scheme}://{host}:{port}/status",
    { scheme: scheme === "tls" ? "https" : "http", host, port: String(port) },
  );
}
