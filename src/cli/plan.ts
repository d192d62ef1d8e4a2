/** `rsdat plan`: what a script would cost, without running it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { ArgumentError, formatBytes } from "../base/index.ts";
import { type Plan, planOnly } from "../graph/index.ts";

/** The command, ready to be added. */
export function planCommand(): Command {
  return new Command("plan")
    .description("Print what every compute, persist and write of a script would cost; nothing of it runs")
    .usage("script [arguments of the script]")
    .argument("<script>")
    .argument("[args...]")
    .passThroughOptions()
    .addHelpText(
      "after",
      "\nThe script runs, and opens its inputs; results are zeros, writes write nothing, and no Slurm job is submitted.",
    )
    .action(async (script: string, args: readonly string[]) => {
      await planScript(script, args);
    });
}

async function planScript(name: string, args: readonly string[]): Promise<void> {
  const script = resolve(name);
  if (!existsSync(script)) throw new ArgumentError(`${name}: no such script`);
  process.argv = [process.execPath, script, ...args];
  process.env["RSDAT_PLAN"] = "1"; // what would start jobs looks here
  const plans: Plan[] = [];
  planOnly((plan) => {
    plans.push(plan);
    process.stdout.write(`${plans.length}. ${String(plan)}\n`);
  });
  process.stderr.write(
    "rsdat plan: nothing runs; the script sees zeros for results, and undefined for what was written\n",
  );
  try {
    await import(pathToFileURL(script).href);
  } catch (error) {
    if (plans.length === 0) throw error;
    // What was planned is worth knowing, also where the script cannot go on without real results.
    process.stderr.write(`rsdat plan: the script stopped on its way, what follows is not planned: ${String(error)}\n`);
    process.exitCode = 1;
  } finally {
    planOnly(null);
  }
  const sum = (pick: (plan: Plan) => number): number => plans.reduce((total, plan) => total + pick(plan), 0);
  const peak = Math.max(0, ...plans.map((plan) => plan.peakWorkerBytes));
  process.stdout.write(
    plans.length === 0
      ? "nothing is computed, persisted or written\n"
      : `in all: ${plans.length} runs, ${sum((plan) => plan.tasks)} tasks, ${formatBytes(sum((plan) => plan.bytesRead))} read in ${sum((plan) => plan.requests)} requests, ${formatBytes(peak)} at the peak of one worker\n`,
  );
}
