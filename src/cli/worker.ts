/** `rsdat worker`: the flags of `dask worker`. */
import { mkdirSync } from "node:fs";
import { Command, Option } from "commander";
import { ArgumentError, type Logger, parseBytes, parseDurationMs, UnsupportedError } from "../base/index.ts";
import { hostOfInterface } from "../comm/index.ts";
import {
  allottedCpus,
  allottedMemoryBytes,
  config,
  createLogger,
  memoryLimitBytes,
  preload,
  readToken,
} from "../config/index.ts";
import { calledAddress, parseAddress } from "../protocol/index.ts";
import { NannyPlugins, runNanny, runWorkerProcess, staggeredMs, type WorkerProcessOptions } from "../worker/index.ts";
import {
  addressInFile,
  applyLogLevel,
  dashboardPort,
  type Refusals,
  refuse,
  type ServerFlags,
  securityOf,
  wholeNumber,
  withRefused,
  withServerFlags,
  writePidFile,
} from "./flags.ts";

interface WorkerFlags extends ServerFlags {
  readonly name?: string;
  readonly nthreads?: string;
  readonly nworkers?: string;
  readonly memoryLimit?: string;
  readonly localDirectory?: string;
  readonly resources?: string;
  readonly deathTimeout?: string;
  readonly lifetime?: string;
  readonly lifetimeStagger?: string;
  readonly lifetimeRestart?: boolean;
  readonly host?: string;
  readonly interface?: string;
  readonly workerPort?: string;
  readonly listenAddress?: string;
  readonly contactAddress?: string;
  readonly schedulerFile?: string;
  readonly pidFile?: string;
  readonly tokenFile?: string;
  readonly allowInsecure?: boolean;
  readonly nanny: boolean;
  readonly preloadNanny?: readonly string[];
  readonly dashboard?: boolean;
  readonly dashboardAddress?: string;
}

const REFUSED: Refusals = {
  workerClass: ["--worker-class <class>", "there is one kind of worker here; use --preload for code of your own"],
  nannyPort: ["--nanny-port <port>", "the nanny listens on no port: it watches its worker over a pipe"],
};

/** The command, ready to be added. */
export function workerCommand(): Command {
  const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  const command = new Command("worker")
    .description("Start a worker: its threads compute what the scheduler sends")
    .argument("[scheduler]", 'address of the scheduler, e.g. "tcp://10.0.0.1:8786"')
    .option("--scheduler-file <file>", "JSON file in which the scheduler wrote its address")
    .option("--name <name>", "name, for restrictions and logs; default the address")
    .option("--nthreads <n>", "compute threads; default or 0: the CPUs allotted")
    .option(
      "--memory-limit <bytes>",
      'bytes of this process: "4GiB", a fraction of what was allotted, "auto" (0.8 of it)',
    )
    .option("--local-directory <folder>", "folder for short-lived files")
    .option("--resources <list>", 'amounts of named resources: "GPU=1 mem=2e9"')
    .option("--host <host>", "host to listen on; default: the one on the way to the scheduler")
    .option("--interface <name>", "network interface to listen on")
    .option("--worker-port <port>", "port to listen on; default: any")
    .option("--listen-address <address>", "host and port to listen on, e.g. tcp://0.0.0.0:9000")
    .option("--contact-address <address>", "address that peers shall use, where it differs")
    .option("--death-timeout <duration>", "give up when no scheduler answers for so long", "60s")
    .option("--lifetime <duration>", "leave in good order after this time")
    .option("--lifetime-stagger <duration>", "spread the lifetimes of many workers by up to so much, plus or minus")
    .option("--lifetime-restart", "the nanny starts a worker again whose lifetime is over")
    .option("--no-lifetime-restart", "it does not")
    .option("--pid-file <file>", "write the process's id into this file")
    .option("--token-file <file>", "file with the cluster's token, mode 600; default RSDAT_TOKEN_FILE")
    .option("--allow-insecure", "run JavaScript that nobody vouches for")
    .option(
      "--nanny",
      "watch the worker from a parent process: start it again when it dies or takes too much memory",
      false,
    )
    .option("--no-nanny", "no parent process")
    .option("--preload-nanny <module>", "module that the nanny imports first; may be repeated", several)
    .option("--scheduler-sni <name>", "name by which the scheduler is asked for with TLS (SNI)")
    .option("--dashboard-address <address>", "port of /health and /metrics, e.g. :8789; default: none")
    .addOption(new Option("--nworkers <n>", "one worker has all threads here").hideHelp())
    .addOption(new Option("--dashboard").hideHelp())
    .addOption(new Option("--no-dashboard").hideHelp())
    .addOption(new Option("--dashboard-prefix <path>").hideHelp()); // these pages hold no links
  return withRefused(withServerFlags(command), REFUSED).action(
    async (scheduler: string | undefined, flags: WorkerFlags) => {
      process.exitCode = await runWorker(scheduler, flags);
    },
  );
}

async function runWorker(scheduler: string | undefined, flags: WorkerFlags): Promise<number> {
  refuse(flags, REFUSED);
  applyLogLevel(flags);
  const logger = createLogger("rsdat.worker", "info");
  const options = workerOptions(scheduler, flags);
  if (flags.nanny) return runWithNanny(flags, options);
  if (flags.pidFile !== undefined) writePidFile(flags.pidFile);
  const wait = setTimeout(() => logger.info(`waiting for ${options.scheduler}`), WAIT_SAID_MS);
  try {
    return await runWorkerProcess({
      ...options,
      logger,
      onStart: (worker) => {
        clearTimeout(wait);
        logger.info(`worker ${worker.name} at ${worker.address}, registered to ${options.scheduler}`);
      },
    });
  } finally {
    clearTimeout(wait);
  }
}

/** A scheduler that is there answers sooner; for whom a worker waits longer than this, it says. */
const WAIT_SAID_MS = 3_000;
/** Time in which a nanny's process ends by itself once its work is over. */
const LEFT_MS = 1_000;

/** Watch a process that runs the same command line without a nanny. */
async function runWithNanny(flags: WorkerFlags, options: WorkerProcessOptions): Promise<number> {
  const { memoryLimitBytes } = options;
  await preload(flags.preloadNanny ?? []);
  const leave = new AbortController();
  for (const signal of ["SIGTERM", "SIGUSR2", "SIGINT"] as const) process.on(signal, () => leave.abort());
  const fraction = config.fraction("distributed.worker.memory.terminate");
  const args = process.argv.slice(1).filter((arg) => arg !== "--nanny");
  const logger = createLogger("rsdat.nanny", "info");
  const plugins = nannyPlugins(options, { logger, signal: leave.signal });
  const wait = setTimeout(() => logger.info(`waiting for ${options.scheduler}`), WAIT_SAID_MS);
  try {
    await plugins.join();
  } catch (error) {
    if (leave.signal.aborted) return 0; // as a worker that is asked to leave before there is a scheduler
    throw error;
  } finally {
    clearTimeout(wait);
  }
  try {
    // A plugin may have taken its time, and somebody lost patience.
    if (leave.signal.aborted) return 0;
    return await runNanny({
      command: [process.execPath, ...process.execArgv, ...args, "--no-nanny"],
      memoryMaxBytes: fraction === null || memoryLimitBytes === undefined ? null : fraction * memoryLimitBytes,
      monitorIntervalMs: config.durationMs("distributed.worker.memory.monitor-interval") ?? 100,
      restartsAfterLifetime: flags.lifetimeRestart ?? config.boolean("distributed.worker.lifetime.restart") ?? false,
      plugins,
      logger,
      signal: leave.signal,
    });
  } finally {
    leave.abort();
    await plugins.close();
    // Timers that a plugin left keep nobody here.
    setTimeout(() => process.exit(), LEFT_MS).unref();
  }
}

function nannyPlugins(
  { scheduler, name, localDirectory, security, token, allowInsecure, deathTimeoutMs }: WorkerProcessOptions,
  watch: { readonly logger: Logger; readonly signal: AbortSignal },
): NannyPlugins {
  return new NannyPlugins({
    ...watch,
    scheduler,
    name: name ?? "",
    localDirectory: localDirectory ?? "",
    env: process.env,
    trust: { token: token ?? null, allowInsecure: allowInsecure ?? false },
    ...(security ? { security } : {}),
    ...(deathTimeoutMs === undefined ? {} : { deathTimeoutMs }),
  });
}

/**
 * Options of a worker from its flags.
 * @throws {ArgumentError} a flag is not what it should be
 * @throws {UnsupportedError} several workers in one process
 */
export function workerOptions(scheduler: string | undefined, flags: WorkerFlags): WorkerProcessOptions {
  if (flags.nworkers !== undefined && flags.nworkers !== "auto" && Number(flags.nworkers) !== 1) {
    throw new UnsupportedError(
      `--nworkers ${flags.nworkers}: one rsdat worker uses all threads of a machine; give --nthreads instead`,
    );
  }
  const address =
    scheduler ??
    (flags.schedulerFile === undefined ? process.env["DASK_SCHEDULER_ADDRESS"] : addressInFile(flags.schedulerFile));
  if (address === undefined) throw new ArgumentError("no scheduler: give its address, or --scheduler-file");
  calledAddress(address);
  const nthreads = wholeNumber(flags.nthreads, "--nthreads") || allottedCpus().value;
  if (flags.localDirectory !== undefined) mkdirSync(flags.localDirectory, { recursive: true });
  const { host, port } = whereToListen(flags);
  const httpPort = dashboardPort(flags.dashboardAddress);
  const isShown = httpPort !== undefined && flags.dashboard !== false;
  return {
    scheduler: address,
    security: securityOf("worker", flags),
    nthreads,
    memoryLimitBytes: memoryLimit(flags.memoryLimit),
    resources:
      flags.resources === undefined ? config.amounts("distributed.worker.resources") : resourcesOf(flags.resources),
    token: readToken(flags.tokenFile),
    allowInsecure: flags.allowInsecure ?? false,
    deathTimeoutMs: parseDurationMs(flags.deathTimeout ?? "60s", "--death-timeout"),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(flags.contactAddress === undefined ? {} : { contactAddress: flags.contactAddress }),
    ...(flags.localDirectory === undefined ? {} : { localDirectory: flags.localDirectory }),
    ...(flags.lifetime === undefined ? {} : { lifetimeMs: staggered(flags.lifetime, flags.lifetimeStagger) }),
    ...(flags.preload === undefined ? {} : { preload: flags.preload }),
    ...(isShown ? { httpPort } : {}),
  };
}

/** As Dask: a size, a fraction of what was allotted, "auto", or 0 for no limit of its own. */
function memoryLimit(text: string | undefined): number {
  if (text === undefined || text === "auto") return memoryLimitBytes();
  const fraction = Number(text);
  if (fraction > 0 && fraction <= 1) return Math.floor(fraction * allottedMemoryBytes().value);
  const bytes = parseBytes(text, "--memory-limit");
  return bytes === 0 ? allottedMemoryBytes().value : bytes;
}

/** `"GPU=1 mem=2e9"` or with commas. */
function resourcesOf(text: string): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const part of text.split(/[\s,]+/).filter(Boolean)) {
    const [name = "", amount = ""] = part.split("=");
    if (name === "" || amount === "" || !(Number(amount) >= 0))
      throw new ArgumentError(`--resources: ${JSON.stringify(part)} is not name=amount`);
    out.set(name, Number(amount));
  }
  return out;
}

function staggered(lifetime: string, stagger: string | undefined): number {
  const spreadMs =
    stagger === undefined
      ? (config.durationMs("distributed.worker.lifetime.stagger") ?? 0)
      : parseDurationMs(stagger, "--lifetime-stagger");
  return staggeredMs(parseDurationMs(lifetime, "--lifetime"), spreadMs, process.pid);
}

function whereToListen(flags: WorkerFlags): { readonly host: string | undefined; readonly port: number | undefined } {
  const port = wholeNumber(flags.workerPort, "--worker-port");
  if (flags.listenAddress !== undefined) {
    if (flags.host !== undefined || flags.interface !== undefined || port !== undefined)
      throw new ArgumentError("--listen-address says host and port: leave out --host, --interface and --worker-port");
    const address = parseAddress(flags.listenAddress);
    return { host: address.host === "" ? "0.0.0.0" : address.host, port: address.port };
  }
  return { host: flags.interface === undefined ? flags.host : hostOfInterface(flags.interface), port };
}
