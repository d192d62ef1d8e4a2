/** Slurm's texts, read and written: queue lines, job records, refusals, times, memory. Pure. */
import { ArgumentError } from "../base/index.ts";

/** One job, or one task of a job array, as `squeue` tells. */
export interface QueueLine {
  /** `12`, or `12_3` for task 3 of array 12. */
  readonly id: string;
  /** Slurm's word: PENDING, RUNNING, FAILED, … */
  readonly state: string;
  /** Why it waits, or how it failed. */
  readonly reason: string;
  /** When Slurm thinks that it will start, or when it did; null where it does not say. */
  readonly start: string | null;
  /** Nodes it runs on. */
  readonly nodes: string;
}

/** Output format of `squeue` that {@link parseQueue} reads; with `-r`, a task of an array has a line of its own. */
export const QUEUE_FORMAT = "%i|%T|%r|%S|%N";

/** Lines of `squeue -h -r -o QUEUE_FORMAT`. A line that is none (a site's banner) is left out. */
export function parseQueue(text: string): QueueLine[] {
  const lines = text.split("\n").map((line) => line.trim().split("|"));
  return lines
    .filter((fields) => fields.length === 5 && /^\d+(_\d+)?$/.test(fields[0] ?? ""))
    .map(([id = "", state = "", reason = "", start = "", nodes = ""]) => ({
      id,
      state,
      reason,
      start: start === "" || start === "N/A" ? null : start,
      nodes,
    }));
}

const WAITING: ReadonlySet<string> = new Set([
  "PENDING",
  "CONFIGURING",
  "REQUEUED",
  "REQUEUE_HOLD",
  "REQUEUE_FED",
  "RESV_DEL_HOLD",
  "SPECIAL_EXIT",
]);
const RUNNING: ReadonlySet<string> = new Set([
  "RUNNING",
  "COMPLETING",
  "SUSPENDED",
  "STOPPED",
  "SIGNALING",
  "STAGE_OUT",
  "RESIZING",
]);

/** What a state means here: it waits, it holds a node, or it is over. */
export function phaseOf(state: string): "waiting" | "running" | "over" {
  return WAITING.has(state) ? "waiting" : RUNNING.has(state) ? "running" : "over";
}

/** How a job ended, as `scontrol show job` tells. */
export interface JobRecord {
  readonly state: string;
  readonly reason: string;
  readonly exitCode: number;
  /** Signal that ended it; 0: none. */
  readonly signal: number;
  readonly node: string;
  /** File with its output; empty where Slurm does not say. */
  readonly output: string;
  readonly isArray: boolean;
}

/** The record in one line of `scontrol show job -o`; null where there is none. */
export function parseJobRecord(text: string): JobRecord | null {
  const field = (name: string): string => new RegExp(`(?:^|\\s)${name}=(\\S*)`).exec(text)?.[1] ?? "";
  const state = field("JobState");
  if (state === "") return null;
  const [exitCode, signal] = field("ExitCode").split(":").map(Number);
  const plain = (name: string): string => (field(name) === "(null)" || field(name) === "None" ? "" : field(name));
  return {
    state,
    reason: plain("Reason"),
    exitCode: exitCode ?? 0,
    signal: signal ?? 0,
    node: plain("BatchHost") || plain("NodeList"),
    output: plain("StdOut"),
    isArray: field("ArrayJobId") !== "",
  };
}

/** Job id in what `sbatch --parsable` printed (`12` or `12;cluster`), or in what a site's wrapper made of it. */
export function parseSubmitted(text: string): string | null {
  return /^(\d+)(?:;\S*)?\s*$/m.exec(text)?.[1] ?? /\b(\d+)\b/.exec(text)?.[1] ?? null;
}

/** What `sbatch` refuses, and which option to change. */
const REFUSALS: readonly (readonly [RegExp, string, string])[] = [
  [/time limit is invalid|Invalid --time/i, "walltime", "walltime is longer than the partition allows, or not a time"],
  [
    /Memory specification can not be satisfied|Invalid --mem/i,
    "memory",
    "no node of the partition has that much memory",
  ],
  [/Invalid partition name|invalid partition specified/i, "partition", "there is no such partition (sinfo lists them)"],
  [/invalid account/i, "account", "the account is unknown, or may not use this partition"],
  [
    /More processors requested|cpu count|Invalid numeric value .* for --cpus-per-task/i,
    "cores",
    "more cores than a node of the partition has",
  ],
  [/qos/i, "jobExtraDirectives", "the quality of service refuses it"],
  [
    /feature specification|node name specified|generic resource|constraint|gres/i,
    "jobExtraDirectives",
    "no node offers what the extra directives ask for",
  ],
  [
    /node configuration is not available/i,
    "cores, memory or jobExtraDirectives",
    "no node of the partition offers all of it",
  ],
  [/Node count specification/i, "jobExtraDirectives", "the number of nodes is not possible there"],
  [/array/i, "useArrays", "the site refuses this job array"],
  [/unrecognized option|invalid option|Invalid directive/i, "jobExtraDirectives", "Slurm does not know the directive"],
];

/** The option at fault for a refusal by `sbatch`, and what is wrong with it; null where the text is unknown. */
export function explainRefusal(stderr: string): { readonly option: string; readonly advice: string } | null {
  const found = REFUSALS.find(([pattern]) => pattern.test(stderr));
  return found ? { option: found[1], advice: found[2] } : null;
}

/**
 * Seconds of a Slurm time: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`; null for no limit.
 * @throws {ArgumentError} the text is no such time
 */
export function walltimeSeconds(text: string): number | null {
  if (/^(unlimited|infinite)$/i.test(text)) return null;
  const found = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/.exec(text.trim());
  if (!found)
    throw new ArgumentError(
      `walltime ${JSON.stringify(text)} is no Slurm time; expected e.g. "01:30:00", "90" (minutes) or "1-12"`,
    );
  const [days, a, b, c] = found.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  if (days !== undefined) return days * 86_400 + (a ?? 0) * 3600 + (b ?? 0) * 60 + (c ?? 0);
  if (c !== undefined) return (a ?? 0) * 3600 + (b ?? 0) * 60 + c;
  return (a ?? 0) * 60 + (b ?? 0);
}

/** Bytes as `--mem` takes them, rounded up: `28G`, `1500M`, `100K` (1024-based). Source: dask-jobqueue `slurm_format_bytes_ceil`. */
export function memoryDirective(nbytes: number): string {
  for (const [unit, size] of [
    ["G", 2 ** 30],
    ["M", 2 ** 20],
  ] as const)
    if (nbytes >= 10 * size || nbytes % size === 0) return `${Math.ceil(nbytes / size)}${unit}`;
  return `${Math.ceil(nbytes / 1024)}K`;
}
