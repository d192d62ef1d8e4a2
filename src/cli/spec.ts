/** `rsdat spec`: schedulers and workers from a JSON or YAML description, as `dask spec` starts them. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { parse } from "yaml";
import { ArgumentError, parseBytes, parseDurationMs, UnsupportedError } from "../base/index.ts";
import { createLogger, speaksDialect } from "../config/index.ts";
import { type SchedulerOptions, startScheduler } from "../scheduler/index.ts";
import { Worker, type WorkerOptions } from "../worker/index.ts";

/** One server of a specification: a class by name, and keyword arguments. */
interface ServerSpec {
  readonly cls: string;
  readonly opts: Readonly<Record<string, unknown>>;
}

/** A server that runs. */
interface Running {
  close(): Promise<void>;
  readonly ended: Promise<unknown>;
}

/** The command, ready to be added. */
export function specCommand(): Command {
  return new Command("spec")
    .description("Start schedulers and workers that a JSON or YAML specification describes")
    .argument("[scheduler]", "address of the scheduler, for workers")
    .option(
      "--spec <json>",
      'e.g. {"cls": "dask.distributed.Worker", "opts": {"nthreads": 4}}, or names with such values',
    )
    .option("--spec-file <file>", "the same in a file, JSON or YAML")
    .action(async (scheduler: string | undefined, flags: { readonly spec?: string; readonly specFile?: string }) => {
      const running: Running[] = [];
      const end = (): void => void Promise.all(running.map((server) => server.close()));
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
      for (const [name, spec] of readSpecs(flags)) running.push(await start(name, spec, scheduler));
      await Promise.all(running.map((server) => server.ended));
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
    });
}

/**
 * Servers by name.
 * @throws {ArgumentError} there is not exactly one source, or it is no specification
 */
export function readSpecs(flags: {
  readonly spec?: string;
  readonly specFile?: string;
}): ReadonlyMap<string, ServerSpec> {
  if ((flags.spec === undefined) === (flags.specFile === undefined))
    throw new ArgumentError("give exactly one of --spec and --spec-file");
  let tree: unknown;
  try {
    tree = parse(flags.spec ?? readFileSync(flags.specFile as string, "utf8")); // one of both, by the line above
  } catch (cause) {
    throw new ArgumentError(
      `the specification cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
      },
    );
  }
  const isMap = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isMap(tree)) throw new ArgumentError("the specification is no mapping");
  const entries =
    "cls" in tree
      ? [[String(isMap(tree["opts"]) ? (tree["opts"]["name"] ?? 0) : 0), tree] as const]
      : Object.entries(tree);
  return new Map(
    entries.map(([name, spec]) => {
      if (!isMap(spec) || typeof spec["cls"] !== "string")
        throw new ArgumentError(`${name}: expected {"cls": "dask.distributed.Worker", "opts": {…}}`);
      return [name, { cls: spec["cls"], opts: isMap(spec["opts"]) ? spec["opts"] : {} }];
    }),
  );
}

async function start(name: string, { cls, opts }: ServerSpec, scheduler: string | undefined): Promise<Running> {
  const kind = cls.split(".").at(-1);
  if (kind === "Scheduler") {
    const server = await startScheduler({
      ...schedulerOptions(opts),
      logger: createLogger("rsdat.scheduler", "info"),
      dialect: speaksDialect(),
    });
    const failed = server.finished.then((reason) => {
      if (reason !== undefined) throw reason;
    });
    return { close: () => server.close(), ended: failed };
  }
  if (kind !== "Worker" && kind !== "Nanny")
    throw new UnsupportedError(`${name}: class ${cls}; expected dask.distributed.Scheduler, Worker or Nanny`);
  const worker = await Worker.start({
    ...workerSpecOptions({ name, ...opts }, scheduler),
    logger: createLogger("rsdat.worker", "info"),
  });
  return { close: () => worker.close("SIGTERM"), ended: worker.closed };
}

type Reader<T> = Readonly<Record<string, (value: unknown, name: string) => Partial<T>>>;

const text = (value: unknown, name: string): string => {
  if (typeof value === "string") return value;
  throw new ArgumentError(`${name} is ${JSON.stringify(value)}; expected text`);
};
const whole = (value: unknown, name: string): number => {
  if (Number.isInteger(value) && Number(value) >= 0) return Number(value);
  throw new ArgumentError(`${name} is ${JSON.stringify(value)}; expected a whole number`);
};
const size = (value: unknown, name: string): string | number => (typeof value === "number" ? value : text(value, name));

const SCHEDULER: Reader<SchedulerOptions> = {
  host: (v, n) => ({ host: text(v, n) }),
  port: (v, n) => ({ port: whole(v, n) }),
  idle_timeout: (v, n) => ({ idleTimeoutMs: parseDurationMs(size(v, n), n) }),
  scheduler_file: (v, n) => ({ schedulerFile: text(v, n) }),
  protocol: (v, n) => ({ protocol: text(v, n).startsWith("tls") ? "tls" : "tcp" }),
  dashboard_address: (v, n) => ({ httpPort: Number(text(v, n).split(":").at(-1)) }),
  dashboard: () => ({}),
};
const WORKER: Reader<WorkerOptions> = {
  name: (v) => ({ name: String(v) }),
  nthreads: (v, n) => ({ nthreads: whole(v, n) }),
  memory_limit: (v, n) => (v === "auto" ? {} : { memoryLimitBytes: parseBytes(size(v, n), n) }),
  local_directory: (v, n) => ({ localDirectory: text(v, n) }),
  resources: (v) => ({ resources: new Map(Object.entries(v ?? {}).map(([name, amount]) => [name, Number(amount)])) }),
  death_timeout: (v, n) => ({ deathTimeoutMs: parseDurationMs(size(v, n), n) }),
  host: (v, n) => ({ host: text(v, n) }),
  port: (v, n) => ({ port: whole(v, n) }),
  contact_address: (v, n) => ({ contactAddress: text(v, n) }),
  dashboard: () => ({}),
  dashboard_address: () => ({}),
};

/** @throws {ArgumentError} an unknown argument, or a value that is none */
function read<T>(table: Reader<T>, opts: Readonly<Record<string, unknown>>): Partial<T> {
  const out: Partial<T> = {};
  for (const [name, value] of Object.entries(opts)) {
    const reader = table[name];
    if (!reader) throw new ArgumentError(`opts: ${name} is unknown; there are ${Object.keys(table).join(", ")}`);
    if (value !== null) Object.assign(out, reader(value, name));
  }
  return out;
}

/** Options of a scheduler from Dask's keyword arguments. */
export function schedulerOptions(opts: Readonly<Record<string, unknown>>): SchedulerOptions {
  return read(SCHEDULER, opts);
}

/** Options of a worker from Dask's keyword arguments. */
export function workerSpecOptions(
  opts: Readonly<Record<string, unknown>>,
  scheduler: string | undefined,
): WorkerOptions {
  const { scheduler_ip: own, ...rest } = opts;
  const address = scheduler ?? (typeof own === "string" ? own : process.env["DASK_SCHEDULER_ADDRESS"]);
  if (address === undefined)
    throw new ArgumentError("a worker needs the scheduler's address: give it before the options");
  return { scheduler: address, ...read(WORKER, rest) };
}
