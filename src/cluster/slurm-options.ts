/** Options of a SlurmCluster: arguments over `jobqueue.slurm` of the configuration over defaults. Pure. */
import {
  ArgumentError,
  ConfigError,
  type OptionNames,
  parseBytes,
  parseDurationMs,
  requireKnownOptions,
} from "../base/index.ts";
import type { ConfigTree, ConfigValue } from "../config/index.ts";
import { walltimeSeconds } from "./slurm-text.ts";

/** Options of {@link SlurmCluster.start}. Names are dask-jobqueue's; what is not given is read from `jobqueue.slurm`. */
export interface SlurmOptions {
  /** Threads of each job. */
  readonly cores?: number;
  /** Memory of each job: `"28GiB"`, or bytes. */
  readonly memory?: string | number;
  /** Workers in each job, which share its cores and memory. Default 1: its threads share one memory. */
  readonly processes?: number;
  /** Partition that jobs go to; also `queue`. Default: the site's. */
  readonly partition?: string;
  readonly queue?: string;
  /** Account that is charged; also `project`. */
  readonly account?: string;
  readonly project?: string;
  /** Time limit of each job, as Slurm writes it. Default `"00:30:00"`. */
  readonly walltime?: string;
  /** Jobs to start with; also `nWorkers`, in workers. Default 0: see `scale`. */
  readonly jobs?: number;
  readonly nWorkers?: number;
  /** `--cpus-per-task`, where it must differ from `cores`. */
  readonly jobCpu?: number;
  /** `--mem`, where it must differ from `memory`. */
  readonly jobMem?: string;
  /** Name of the jobs in the queue. Default `"dask-worker"`. */
  readonly jobName?: string;
  /** Lines for `#SBATCH`, after the generated ones. */
  readonly jobExtraDirectives?: readonly string[];
  /** Generated `#SBATCH` lines that contain one of these texts are left out. */
  readonly jobDirectivesSkip?: readonly string[];
  /** Shell lines before the worker: modules, variables. */
  readonly jobScriptPrologue?: readonly string[];
  /** Shell lines after the worker. */
  readonly jobScriptEpilogue?: readonly string[];
  /** First line of the job script. Default `"#!/usr/bin/env bash"`. */
  readonly shebang?: string;
  /** Folder of the jobs' output. Default `.rsdat/logs`. */
  readonly logDirectory?: string;
  /** Folder that all nodes see, for the cluster's token. Default `.rsdat`. */
  readonly sharedTempDirectory?: string;
  /** Command that runs Node on the compute nodes, e.g. with a container's prefix. Default: this process's Node. */
  readonly nodeCommand?: string;
  /** More flags for `rsdat worker`. */
  readonly workerExtraArgs?: readonly string[];
  /** A worker that finds no scheduler for so long ends. Default 60 s. */
  readonly deathTimeout?: string | number;
  /** Folder on the node for short-lived files; `$VARIABLES` are the node's. */
  readonly localDirectory?: string;
  /** Network interface of the workers, and of the scheduler unless `schedulerOptions` says otherwise. */
  readonly interface?: string;
  readonly schedulerOptions?: SlurmSchedulerOptions;
  /** First part of the workers' names. Default `"SlurmCluster"`. */
  readonly name?: string;
  /** Section of `jobqueue` in the configuration. Default `"slurm"`. */
  readonly configName?: string;
  /** Several jobs are submitted as one job array. Default true. */
  readonly useArrays?: boolean;
  /** Jobs in a row that may end before their worker is there. Default 3. */
  readonly maxStartFailures?: number;
  /** Longest time between two questions to Slurm. Default 10 s. */
  readonly pollInterval?: string | number;
  /** How long before its time limit a job is warned, and its workers leave in good order. Default: a tenth of it, 20 s to 3 min. */
  readonly signalBefore?: string | number;
  /** Workers leave in good order after this time. Default: before the warning, so that not all leave at once. */
  readonly lifetime?: string | number;
  /** Spread of the lifetimes, plus or minus. Default: a twentieth of the time limit, at most 5 min. */
  readonly lifetimeStagger?: string | number;
}

/** Options of the scheduler, which runs beside the script. */
export interface SlurmSchedulerOptions {
  /** Host to listen on; compute nodes must reach it. Default: this machine's address on the way to them. */
  readonly host?: string;
  /** Port to listen on. Default: any. */
  readonly port?: number;
  /** Network interface to listen on. */
  readonly interface?: string;
}

/** Options with everything decided. Times in milliseconds, sizes in bytes. */
export interface ResolvedSlurmOptions {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly partition: string | null;
  readonly account: string | null;
  readonly walltime: string;
  readonly jobs: number;
  readonly jobCpu: number;
  readonly jobMem: string | null;
  readonly jobName: string;
  readonly jobExtraDirectives: readonly string[];
  readonly jobDirectivesSkip: readonly string[];
  readonly jobScriptPrologue: readonly string[];
  readonly jobScriptEpilogue: readonly string[];
  readonly shebang: string;
  readonly logDirectory: string;
  readonly sharedTempDirectory: string;
  readonly nodeCommand: string | null;
  readonly workerExtraArgs: readonly string[];
  readonly deathTimeoutMs: number;
  readonly localDirectory: string | null;
  readonly interface: string | null;
  readonly scheduler: SlurmSchedulerOptions;
  readonly name: string;
  readonly useArrays: boolean;
  readonly maxStartFailures: number;
  readonly pollIntervalMs: number;
  readonly signalBeforeSeconds: number;
  /** Null: until the job ends. */
  readonly lifetimeSeconds: number | null;
  readonly lifetimeStaggerSeconds: number;
}

const NAMES: OptionNames<SlurmOptions> = {
  cores: true,
  memory: true,
  processes: true,
  partition: true,
  queue: true,
  account: true,
  project: true,
  walltime: true,
  jobs: true,
  nWorkers: true,
  jobCpu: true,
  jobMem: true,
  jobName: true,
  jobExtraDirectives: true,
  jobDirectivesSkip: true,
  jobScriptPrologue: true,
  jobScriptEpilogue: true,
  shebang: true,
  logDirectory: true,
  sharedTempDirectory: true,
  nodeCommand: true,
  workerExtraArgs: true,
  deathTimeout: true,
  localDirectory: true,
  interface: true,
  schedulerOptions: true,
  name: true,
  configName: true,
  useArrays: true,
  maxStartFailures: true,
  pollInterval: true,
  signalBefore: true,
  lifetime: true,
  lifetimeStagger: true,
};
const SCHEDULER_NAMES: OptionNames<SlurmSchedulerOptions> = { host: true, port: true, interface: true };

/** Names in the configuration that are not the option's own with dashes. Source: dask-jobqueue's jobqueue.yaml. */
const CONFIG_NAMES: Readonly<Record<string, string>> = { jobName: "name", partition: "queue" };

const NAME = /^[\w.-]+$/;

/**
 * Decide every option.
 *
 * @param section the level of the configuration that `configName` names, e.g. `jobqueue.slurm`
 * @throws {ArgumentError} an unknown option (with the nearest known name), or a value that is none
 * @throws {ConfigError} `cores` or `memory` are given nowhere
 */
export function resolveSlurmOptions(given: SlurmOptions, section: ConfigTree): ResolvedSlurmOptions {
  refuseUnknown(given);
  const read = new Reader(given, section);
  const cores = read.count("cores") ?? missing("cores", "threads of each job");
  const memory = read.any("memory") ?? missing("memory", 'memory of each job, e.g. "28GiB"');
  const processes = read.count("processes") ?? 1;
  if (processes > cores) throw new ArgumentError(`processes is ${processes}, more than the ${cores} cores of a job`);
  const walltime = String(read.any("walltime") ?? "00:30:00");
  const nWorkers = read.whole("nWorkers");
  return {
    cores,
    memoryBytes: parseBytes(sizeOf(memory), "memory"),
    processes,
    partition: read.either("partition", "queue"),
    account: read.either("account", "project"),
    walltime,
    jobs: read.whole("jobs") ?? (nWorkers === null ? 0 : Math.ceil(nWorkers / processes)),
    jobCpu: read.count("jobCpu") ?? cores,
    jobMem: read.text("jobMem"),
    jobName: read.name("jobName") ?? "dask-worker",
    jobExtraDirectives: joinDirectives(read.lines("jobExtraDirectives")),
    jobDirectivesSkip: read.lines("jobDirectivesSkip"),
    jobScriptPrologue: read.lines("jobScriptPrologue"),
    jobScriptEpilogue: read.lines("jobScriptEpilogue"),
    shebang: read.text("shebang") ?? "#!/usr/bin/env bash",
    logDirectory: read.text("logDirectory") ?? ".rsdat/logs",
    sharedTempDirectory: read.text("sharedTempDirectory") ?? ".rsdat",
    nodeCommand: read.text("nodeCommand"),
    workerExtraArgs: read.lines("workerExtraArgs"),
    deathTimeoutMs: durationOf(read.any("deathTimeout") ?? 60, "deathTimeout"),
    localDirectory: read.text("localDirectory"),
    interface: read.text("interface"),
    scheduler: schedulerOptions(given, section),
    name: (given.name === undefined ? null : checkName(given.name, "name")) ?? "SlurmCluster",
    useArrays: read.any("useArrays") !== false,
    maxStartFailures: read.count("maxStartFailures") ?? 3,
    pollIntervalMs: durationOf(read.any("pollInterval") ?? 10, "pollInterval"),
    ...timesOf(read, walltimeSeconds(walltime)),
  };
}

type Times = Pick<ResolvedSlurmOptions, "signalBeforeSeconds" | "lifetimeSeconds" | "lifetimeStaggerSeconds">;

/** When workers leave. Jobs that started together would lose their results if all left together: lifetimes differ. */
function timesOf(read: Reader, limit: number | null): Times {
  const given = (name: "signalBefore" | "lifetime" | "lifetimeStagger"): number | null => {
    const value = read.any(name);
    return value === null ? null : durationOf(value, name) / 1000;
  };
  const before = Math.ceil(given("signalBefore") ?? signalBefore(limit));
  const stagger = given("lifetimeStagger") ?? (limit === null ? 0 : Math.min(limit / 20, 300));
  const lifetime = given("lifetime") ?? (limit === null ? null : Math.max(1, limit - before - stagger));
  return { signalBeforeSeconds: before, lifetimeSeconds: lifetime, lifetimeStaggerSeconds: stagger };
}

/** Time for a worker to move its results away: at most half of a short job, else 20 s to 3 min (a tenth). */
function signalBefore(limit: number | null): number {
  if (limit === null) return 180;
  return Math.max(1, Math.floor(Math.min(limit / 2, Math.max(20, Math.min(limit / 10, 180)))));
}

function refuseUnknown(given: SlurmOptions): void {
  for (const name of Object.keys(given)) {
    if (name === "host" || name === "dashboardAddress" || name === "port") {
      throw new ArgumentError(
        `SlurmCluster has no option ${name}: it belongs to the scheduler, so give { schedulerOptions: { ${name}: … } }`,
      );
    }
  }
  requireKnownOptions("SlurmCluster", given, NAMES);
  requireKnownOptions("schedulerOptions of SlurmCluster", given.schedulerOptions ?? {}, SCHEDULER_NAMES);
}

/** The scheduler's options; of those in the configuration, written for Dask's scheduler, the ones that ours has. */
function schedulerOptions(given: SlurmOptions, section: ConfigTree): SlurmSchedulerOptions {
  const configured = section["scheduler-options"] ?? section["scheduler_options"] ?? {};
  const known = typeof configured === "object" && configured !== null && !Array.isArray(configured) ? configured : {};
  const taken = Object.fromEntries(
    Object.entries(known).filter(([name, value]) => Object.hasOwn(SCHEDULER_NAMES, name) && value !== null),
  );
  return { ...taken, ...given.schedulerOptions };
}

function missing(name: string, meaning: string): never {
  throw new ConfigError(
    `SlurmCluster needs ${name} (${meaning}): give { ${name}: … }, or set DASK_JOBQUEUE__SLURM__${name.toUpperCase()}`,
    { details: { option: name } },
  );
}

function sizeOf(value: ConfigValue): string | number {
  if (typeof value === "string" || typeof value === "number") return value;
  throw new ArgumentError(`memory is ${JSON.stringify(value)}; expected bytes such as "28GiB"`);
}

function durationOf(value: ConfigValue, name: string): number {
  if (typeof value !== "string" && typeof value !== "number")
    throw new ArgumentError(`${name} is ${JSON.stringify(value)}; expected a duration such as "60s"`);
  return parseDurationMs(value, name);
}

function checkName(text: string, option: string): string {
  if (!NAME.test(text))
    throw new ArgumentError(`${option} ${JSON.stringify(text)} holds more than letters, digits, ".", "_" and "-"`);
  return text;
}

/** An entry without a leading dash is the value of the one before: RS-DAT writes `["--output", "x.out"]`. */
function joinDirectives(entries: readonly string[]): string[] {
  const out: string[] = [];
  for (const entry of entries) {
    if (entry.startsWith("-") || out.length === 0) out.push(entry);
    else out.push(`${out.pop()} ${entry}`);
  }
  return out;
}

/** Reads one option from the arguments, else from the configuration. */
class Reader {
  readonly #given: SlurmOptions;
  readonly #section: ConfigTree;

  constructor(given: SlurmOptions, section: ConfigTree) {
    this.#given = given;
    this.#section = section;
  }

  any(name: keyof SlurmOptions): ConfigValue {
    const own = this.#given[name];
    // What is neither text, number, flag nor list is refused by the reader of its kind.
    if (own !== undefined) return own as ConfigValue;
    const dashed = CONFIG_NAMES[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return this.#section[dashed] ?? this.#section[dashed.replaceAll("-", "_")] ?? null;
  }

  text(name: keyof SlurmOptions): string | null {
    const value = this.any(name);
    if (value === null) return null;
    if (typeof value === "object") throw new ArgumentError(`${name} is ${JSON.stringify(value)}; expected text`);
    const text = String(value);
    if (/[\n\r]/.test(text)) throw new ArgumentError(`${name} ${JSON.stringify(text)} holds a line break`);
    return text;
  }

  /** Two names of one option: whichever the arguments have, before what the configuration has. */
  either(name: keyof SlurmOptions, other: keyof SlurmOptions): string | null {
    const order: (keyof SlurmOptions)[] =
      this.#given[name] === undefined && this.#given[other] !== undefined ? [other, name] : [name, other];
    return order.map((each) => this.text(each)).find((text) => text !== null) ?? null;
  }

  name(name: keyof SlurmOptions): string | null {
    const text = this.text(name);
    return text === null ? null : checkName(text, name);
  }

  lines(name: keyof SlurmOptions): string[] {
    const value = this.any(name) ?? [];
    const list = typeof value === "string" ? [value] : value;
    if (!Array.isArray(list) || list.some((line) => typeof line === "object"))
      throw new ArgumentError(`${name} is ${JSON.stringify(value)}; expected a list of texts`);
    return list.map(String);
  }

  whole(name: keyof SlurmOptions): number | null {
    const value = this.any(name);
    if (value === null) return null;
    const n = Number(value);
    if (!Number.isInteger(n) || n < 0 || typeof value === "object")
      throw new ArgumentError(`${name} is ${JSON.stringify(value)}; expected a whole number`);
    return n;
  }

  count(name: keyof SlurmOptions): number | null {
    const n = this.whole(name);
    if (n === 0) throw new ArgumentError(`${name} is 0; expected a whole number above 0`);
    return n;
  }
}
