/** `rsdat submit`: a pipeline as a batch job. */
import { existsSync, readFileSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { Command } from "commander";
import { ArgumentError } from "../base/index.ts";
import { batchScript, slurmWishes, submitBatch } from "../cluster/index.ts";
import { parseSubmit, type SubmitArguments } from "./submit-arguments.ts";

const HELP = `
Options of sbatch are passed on: --partition, --cpus-per-task, --mem, --time, --job-name, --output, --account, …
A script may hold defaults: // @slurm partition=rome cpus-per-task=16 time=01:00:00

Options of its own:
  --wait       wait for the job, and end with its exit status
  --follow     wait, and print what the job prints
  --dry-run    print the batch script and the command, submit nothing

The job's id goes to standard output, everything else to standard error.`;

/** The command, ready to be added. */
export function submitCommand(): Command {
  const command = new Command("submit")
    .description("Run a script as a Slurm batch job")
    .usage("[options of sbatch] script [arguments of the script]")
    .argument("[words...]")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText("after", HELP);
  return command.action(async (words: readonly string[]) => {
    const submitted = parseSubmit(words);
    if (submitted.script === null) return void command.outputHelp();
    process.exitCode = await submit(submitted.script, submitted);
  });
}

async function submit(name: string, { scriptArgs, sbatch, wait, follow, dryRun }: SubmitArguments): Promise<number> {
  const script = resolve(name);
  if (!existsSync(script)) throw new ArgumentError(`${name}: no such script`);
  const directives = [
    `--job-name=${basename(script, extname(script)).replace(/\s+/g, "-")}`,
    ...slurmWishes(readFileSync(script, "utf8")),
  ];
  const options = { script, args: scriptArgs, directives };
  if (dryRun) {
    process.stderr.write(`${["sbatch", "--parsable", ...sbatch].join(" ")}\n`);
    process.stdout.write(batchScript(options));
    return 0;
  }
  const job = await submitBatch(options, sbatch);
  process[follow ? "stderr" : "stdout"].write(`${job.id}\n`);
  if (job.output !== null) process.stderr.write(`rsdat: job ${job.id} writes to ${job.output}\n`);
  if (!wait && !follow) return 0;
  const status = follow ? await job.follow((text) => process.stdout.write(text)) : await job.wait();
  if (status !== 0) process.stderr.write(`rsdat: job ${job.id} ended with status ${status}\n`);
  return status;
}
