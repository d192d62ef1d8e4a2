/**
 * Room: cli. The command line: `rsdat scheduler`, `worker`, `submit`, `plan`, `spec`, `config`, `info`, `doctor`.
 * In: arguments. Out: processes that run, lines that are printed, exit codes.
 * Imports: all but testing.
 * @module
 */
import { Command } from "commander";
import { isRsdatError } from "../base/index.ts";
import { packageVersion } from "../config/index.ts";
import { configCommand } from "./config.ts";
import { doctorCommand } from "./doctor.ts";
import { infoCommand } from "./info.ts";
import { planCommand } from "./plan.ts";
import { schedulerCommand } from "./scheduler.ts";
import { specCommand } from "./spec.ts";
import { submitCommand } from "./submit.ts";
import { workerCommand } from "./worker.ts";

/** Run a command line; a user's mistake is one line on stderr and exit code 1. */
export async function main(args: readonly string[]): Promise<void> {
  const program = new Command("rsdat")
    .description("Dask for TypeScript, made for Earth-observation rasters on HPC")
    .version(packageVersion())
    .enablePositionalOptions();
  const commands = [
    schedulerCommand(),
    workerCommand(),
    submitCommand(),
    planCommand(),
    specCommand(),
    configCommand(),
    infoCommand(),
    doctorCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!isRsdatError(error) || error.code === "invariant") throw error;
    process.stderr.write(`rsdat: ${error.message}\n`);
    process.exitCode = 1;
  }
}
