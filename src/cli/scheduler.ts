/** `rsdat scheduler`: the flags of `dask scheduler`. */
import { Command, Option } from "commander";
import { parseDurationMs } from "../base/index.ts";
import { hostOfInterface } from "../comm/index.ts";
import { config, createLogger, readToken, speaksDialect } from "../config/index.ts";
import { parseAddress } from "../protocol/index.ts";
import { startScheduler } from "../scheduler/index.ts";
import {
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

interface SchedulerFlags extends ServerFlags {
  readonly host?: string;
  readonly port?: string;
  readonly interface?: string;
  readonly dashboardAddress: string;
  readonly dashboard: boolean;
  readonly dashboardPrefix?: string;
  readonly schedulerFile?: string;
  readonly pidFile?: string;
  readonly idleTimeout?: string;
  readonly journal?: string;
}

const REFUSED: Refusals = {
  jupyter: ["--jupyter", "a scheduler in Node cannot host a Jupyter server; start one beside it"],
};

/** The command, ready to be added. */
export function schedulerCommand(): Command {
  const command = new Command("scheduler")
    .description("Start a scheduler that clients and workers of rsdat and of Dask connect to")
    .option("--host <host>", "host to listen on, or an address such as tcp://10.0.0.1:8786; default: loopback")
    .option("--port <port>", "port to listen on, 0 for any", "8786")
    .option("--interface <name>", "network interface to listen on")
    .option("--dashboard-address <address>", "port of /health, /metrics and /json, e.g. :8787", ":8787")
    .option("--no-dashboard", "no HTTP")
    .option("--dashboard-prefix <path>", "serve these pages under a path too, e.g. /proxy/8787")
    .option("--scheduler-file <file>", "write how to connect into this file, as JSON")
    .option(
      "--journal <file>",
      "remember in this file what clients ask for; started again with it, the scheduler takes over",
    )
    .option("--pid-file <file>", "write the process's id into this file")
    .option("--idle-timeout <duration>", "end after so long without a task");
  return withRefused(withServerFlags(command), REFUSED)
    .addOption(new Option("--dashboard").default(true).hideHelp())
    .addOption(new Option("--no-jupyter").hideHelp())
    .addOption(new Option("--show").hideHelp())
    .addOption(new Option("--no-show").hideHelp())
    .addOption(new Option("--use-xheaders <boolean>").hideHelp()) // these pages hold no addresses that headers could change
    .action(async (flags: SchedulerFlags) => {
      await runScheduler(flags);
    });
}

async function runScheduler(flags: SchedulerFlags): Promise<void> {
  refuse(flags, REFUSED);
  applyLogLevel(flags);
  const logger = createLogger("rsdat.scheduler", "info");
  const { host, port, protocol } = whereToListen(flags);
  const httpPort = flags.dashboard ? dashboardPort(flags.dashboardAddress) : undefined;
  if (flags.pidFile !== undefined) writePidFile(flags.pidFile);
  const plugins = config.boolean("rsdat.scheduler.plugins") ?? false;
  const scheduler = await startScheduler({
    logger,
    plugins,
    token: plugins ? readToken() : null,
    port,
    dialect: speaksDialect(),
    security: securityOf("scheduler", flags),
    httpPort: httpPort ?? null,
    httpPrefix: flags.dashboardPrefix ?? null,
    schedulerFile: flags.schedulerFile ?? null,
    journal: flags.journal ?? null,
    ...(flags.preload === undefined ? {} : { preload: flags.preload }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(host === undefined ? {} : { host }),
    ...(flags.idleTimeout === undefined ? {} : { idleTimeoutMs: parseDurationMs(flags.idleTimeout, "--idle-timeout") }),
  });
  const end = (): void => void scheduler.close();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  if (process.connected) process.on("disconnect", end);
  try {
    const reason = await scheduler.finished;
    if (reason !== undefined) throw reason;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
    if (process.connected) process.disconnect();
  }
}

interface Place {
  readonly host: string | undefined;
  readonly port: number;
  readonly protocol: "tcp" | "tls" | undefined;
}

function whereToListen(flags: SchedulerFlags): Place {
  const port = wholeNumber(flags.port, "--port") ?? 8786;
  const asked = flags.protocol?.startsWith("tls") ? "tls" : flags.protocol === undefined ? undefined : "tcp";
  if (flags.interface !== undefined) return { host: hostOfInterface(flags.interface), port, protocol: asked };
  if (flags.host === undefined || !/:/.test(flags.host)) return { host: flags.host, port, protocol: asked };
  const address = parseAddress(flags.host);
  const scheme = address.scheme === "tls" ? "tls" : asked;
  return { host: address.host, port: address.port || port, protocol: scheme };
}
