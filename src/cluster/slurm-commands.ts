/** Slurm's commands, run with an environment in which nothing of a surrounding job is left. */
import { type ExecFileException, execFile, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SlurmSubmitError } from "../base/index.ts";
import {
  explainRefusal,
  type JobRecord,
  parseJobRecord,
  parseQueue,
  parseSubmitted,
  QUEUE_FORMAT,
  type QueueLine,
} from "./slurm-text.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How a command ended; `exitCode` null: it could not be run, or was killed. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A controller that is busy answers late, or not at all. */
const COMMAND_MS = 60_000;
const AT_THE_END_MS = 10_000;
/** Ids on one command line. */
const IDS_MAX = 500;

/** Variables that say where Slurm is and who asks: not of a job. */
const KEPT: ReadonlySet<string> = new Set(["SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"]);
const OF_SLURM = /^(SLURM|SLURMD|SBATCH|SRUN|SALLOC|SQUEUE|SCANCEL|SINFO|SCONTROL|SACCT)_/;

/**
 * `env` without what a surrounding job or a user's preferences put there: a job submitted from a job would inherit the
 * other's memory and task counts, and output formats would change.
 */
export function withoutJob(env: Environment): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && (KEPT.has(entry[0]) || !OF_SLURM.test(entry[0])),
  );
  return Object.fromEntries(kept);
}

/** Run one of Slurm's commands to its end; never rejects. */
function runSlurm(
  command: string,
  args: readonly string[],
  {
    input = "",
    env = withoutJob(process.env),
  }: { readonly input?: string; readonly env?: Record<string, string> } = {},
): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const child = execFile(
    command,
    args,
    { env, timeout: COMMAND_MS, maxBuffer: 2 ** 26 },
    (error: ExecFileException | null, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : null;
      const isMissing = (error?.code as unknown) === "ENOENT";
      resolve({
        exitCode,
        stdout,
        stderr: isMissing
          ? `${command} is not on this machine: is this a login node of a Slurm cluster?`
          : stderr || (error?.message ?? ""),
      });
    },
  );
  child.stdin?.on("error", () => undefined); // the command has ended without reading it: its exit code tells
  child.stdin?.end(input);
  return promise;
}

/**
 * Submit a job script; gives the job's id.
 * @throws {SlurmSubmitError} with `exitCode`, `stderr`, `script` and, where the text is known, the `option` at fault
 */
export async function submitScript(
  script: string,
  args: readonly string[] = [],
  env?: Record<string, string>,
): Promise<string> {
  const { exitCode, stdout, stderr } = await runSlurm("sbatch", ["--parsable", ...args], {
    input: script,
    ...(env ? { env } : {}),
  });
  const id = exitCode === 0 ? parseSubmitted(stdout) : null;
  if (id !== null) return id;
  const said = (stderr || stdout).trim();
  const known = explainRefusal(said);
  const hint = known ? `\n${known.option}: ${known.advice}` : "";
  throw new SlurmSubmitError(
    `sbatch refused the job${exitCode === null ? "" : ` (exit code ${exitCode})`}: ${said}${hint}`,
    {
      details: { exitCode, stderr, script, option: known?.option ?? null },
    },
  );
}

/** What Slurm knows of these jobs, ended ones included; null when it does not answer. */
export async function askQueue(ids: readonly string[]): Promise<QueueLine[] | null> {
  const { exitCode, stdout, stderr } = await runSlurm("squeue", [
    "-h",
    "-r",
    "-t",
    "all",
    "-j",
    parentsOf(ids).join(","),
    "-o",
    QUEUE_FORMAT,
  ]);
  if (exitCode === 0) return parseQueue(stdout);
  // One id that it has forgotten is an error, one among several is left out.
  return /Invalid job id/i.test(stderr) ? [] : null;
}

/** Records of a job, or of all tasks of a job array; none where Slurm has forgotten it. */
export async function askRecords(id: string): Promise<JobRecord[]> {
  const { exitCode, stdout } = await runSlurm("scontrol", ["show", "job", "-o", id]);
  return exitCode === 0 ? stdout.split("\n").flatMap((line) => parseJobRecord(line) ?? []) : [];
}

/** Cancel jobs; those that have ended already do not matter. */
export async function cancelJobs(ids: readonly string[]): Promise<void> {
  for (let i = 0; i < ids.length; i += IDS_MAX) await runSlurm("scancel", ["--quiet", ...ids.slice(i, i + IDS_MAX)]);
}

/** Names or addresses at which the nodes of a partition (null: of all) are reached. */
export async function askNodeAddresses(partition: string | null): Promise<string[]> {
  const { exitCode, stdout } = await runSlurm("sinfo", [
    "-h",
    "-N",
    "-o",
    "%o",
    ...(partition === null ? [] : ["-p", partition]),
  ]);
  return exitCode === 0
    ? [
        ...new Set(
          stdout
            .split("\n")
            .map((line) => line.trim())
            .filter(Boolean),
        ),
      ]
    : [];
}

/** Array 12 instead of its tasks 12_0, 12_1, …: a shorter question, the same answer. */
function parentsOf(ids: readonly string[]): string[] {
  return [...new Set(ids.map((id) => id.split("_")[0] as string))]; // split gives at least one part
}

/** File in which a cluster keeps the ids of its jobs, for whoever has to clean up after it. */
const LIST = "jobs";

/** Note which jobs a cluster has. */
export function listJobs(folder: string, ids: readonly string[]): void {
  writeFileSync(join(folder, LIST), ids.join("\n"));
}

/** Cancel the jobs that are noted in a cluster's folder: its script has ended without doing so. */
export function cancelListedJobs(folder: string): void {
  let text: string;
  try {
    text = readFileSync(join(folder, LIST), "utf8");
  } catch {
    return; // no Slurm cluster's folder
  }
  const ids = text.split("\n").filter((id) => /^\d+(_\d+)?$/.test(id));
  if (ids.length > 0)
    spawnSync("scancel", ["--quiet", ...ids], {
      env: withoutJob(process.env),
      timeout: AT_THE_END_MS,
      stdio: "ignore",
    });
}
