/** `rsdat scheduler`: the flags of `dask scheduler`. */
import { Command, Option } from "commander";
import { parseDurationMs, UnsupportedError } from "../base/index.ts";
import { hostOfInterface } from "../comm/index.ts";
import { createLogger, speaksDialect } from "../config/index.ts";
import { parseAddress } from "../protocol/index.ts";
import { startScheduler } from "../scheduler/index.ts";
import { wholeNumber, writePidFile } from "./flags.ts";

interface SchedulerFlags {
  readonly host?: string;
  readonly port?: string;
  readonly interface?: string;
  readonly dashboardAddress: string;
  readonly dashboard: boolean;
  readonly schedulerFile?: string;
  readonly journal?: string;
  readonly pidFile?: string;
  readonly idleTimeout?: string;
  readonly jupyter?: boolean;
}

/** The command, ready to be added. */
export function schedulerCommand(): Command {
  return new Command("scheduler")
    .description("Start a scheduler that clients and workers of rsdat and of Dask connect to")
    .option("--host <host>", "host to listen on, or an address such as tcp://10.0.0.1:8786; default: loopback")
    .option("--port <port>", "port to listen on, 0 for any", "8786")
    .option("--interface <name>", "network interface to listen on")
    .option("--dashboard-address <address>", "port of /health and /json, e.g. :8787", ":8787")
    .option("--no-dashboard", "no HTTP")
    .option("--scheduler-file <file>", "write how to connect into this file, as JSON")
    .option(
      "--journal <file>",
      "remember in this file what clients ask for; started again with it, the scheduler takes over",
    )
    .option("--pid-file <file>", "write the process's id into this file")
    .option("--idle-timeout <duration>", "end after so long without a task")
    .addOption(new Option("--protocol <protocol>", "tcp").choices(["tcp", "tcp://"]))
    .addOption(new Option("--jupyter").hideHelp())
    .addOption(new Option("--no-jupyter").hideHelp())
    .addOption(new Option("--show").hideHelp())
    .action(async (flags: SchedulerFlags) => {
      await runScheduler(flags);
    });
}

async function runScheduler(flags: SchedulerFlags): Promise<void> {
  if (flags.jupyter === true)
    throw new UnsupportedError("--jupyter: a scheduler in Node cannot host a Jupyter server; start one beside it");
  const logger = createLogger("rsdat.scheduler", "info");
  const { host, port } = whereToListen(flags);
  const httpPort = flags.dashboard
    ? wholeNumber(flags.dashboardAddress.split(":").at(-1), "--dashboard-address")
    : undefined;
  if (flags.pidFile !== undefined) writePidFile(flags.pidFile);
  const scheduler = await startScheduler({
    logger,
    port,
    dialect: speaksDialect(),
    httpPort: httpPort ?? null,
    schedulerFile: flags.schedulerFile ?? null,
    journal: flags.journal ?? null,
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

function whereToListen(flags: SchedulerFlags): { readonly host: string | undefined; readonly port: number } {
  const port = wholeNumber(flags.port, "--port") ?? 8786;
  if (flags.interface !== undefined) return { host: hostOfInterface(flags.interface), port };
  if (flags.host === undefined || !/:/.test(flags.host)) return { host: flags.host, port };
  const address = parseAddress(flags.host);
  return { host: address.host, port: address.port || port };
}
