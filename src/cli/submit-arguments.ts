/** The command line of `rsdat submit`, taken apart: options of `sbatch`, our own, the script, its arguments. */
import { ArgumentError } from "../base/index.ts";

/** A command line of `rsdat submit`. */
export interface SubmitArguments {
  /** Null: only help is asked for. */
  readonly script: string | null;
  readonly scriptArgs: readonly string[];
  /** For `sbatch`, as given. */
  readonly sbatch: readonly string[];
  readonly wait: boolean;
  readonly follow: boolean;
  readonly dryRun: boolean;
}

/** Options of `sbatch` without a value in the next word. Source: `sbatch --help` of Slurm 22.05 to 24.11. */
const FLAGS: ReadonlySet<string> = new Set([
  "contiguous",
  "exclusive",
  "export",
  "get-user-env",
  "hold",
  "ignore-pbs",
  "nice",
  "no-kill",
  "no-requeue",
  "overcommit",
  "oversubscribe",
  "parsable",
  "propagate",
  "quiet",
  "reboot",
  "requeue",
  "resv-ports",
  "share",
  "spread-job",
  "stepmgr",
  "test-only",
  "use-min-nodes",
  "verbose",
]);
const SHORT_FLAGS = /^-[HkIOQsv]+$/;

/**
 * Options stand before the script; everything after it is the script's.
 * @throws {ArgumentError} no script, an option without its value, or `--wrap`
 */
export function parseSubmit(words: readonly string[]): SubmitArguments {
  const sbatch: string[] = [];
  const own = { wait: false, follow: false, dryRun: false };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string; // i < length
    if (word === "--help" || word === "-h") return { ...own, script: null, scriptArgs: [], sbatch };
    if (word === "--wait" || word === "-W") own.wait = true;
    else if (word === "--follow") own.follow = true;
    else if (word === "--dry-run") own.dryRun = true;
    else if (/^--wrap\b/.test(word))
      throw new ArgumentError(
        "--wrap: rsdat submit writes the batch script itself; give it the script, or use sbatch --wrap",
      );
    else if (word === "--" || !word.startsWith("-")) {
      const [script, ...scriptArgs] = words.slice(word === "--" ? i + 1 : i);
      if (script === undefined) break;
      return { ...own, script, scriptArgs, sbatch };
    } else {
      sbatch.push(word);
      if (!takesNext(word)) continue;
      const value = words[++i];
      if (value === undefined) throw new ArgumentError(`${word} needs a value`);
      sbatch.push(value);
    }
  }
  throw new ArgumentError("no script: give rsdat submit [options of sbatch] pipeline.js [arguments]");
}

function takesNext(word: string): boolean {
  if (word.startsWith("--")) return !word.includes("=") && !FLAGS.has(word.slice(2));
  return word.length === 2 && !SHORT_FLAGS.test(word); // `-N2` has its value
}
