/** What a job left behind, as an error that an operator can act on. */
import { open, readFile } from "node:fs/promises";
import { WorkerStartError } from "../base/index.ts";
import type { JobRecord } from "./slurm-text.ts";
import type { TrackedJob } from "./slurm-tracker.ts";

/** Lines of a job's output that an error shows. */
const LINES = 20;
const TAIL_BYTES = 2 ** 16;

/** The last lines of a file, and whether there is one. */
export async function lastLines(file: string): Promise<readonly string[] | null> {
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(Math.min(size, TAIL_BYTES)),
      0,
      Math.min(size, TAIL_BYTES),
      Math.max(0, size - TAIL_BYTES),
    );
    return buffer
      .toString("utf8", 0, bytesRead)
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-LINES);
  } catch {
    return null; // no output, or not ours to read: the error says so
  }
}

/** All of a file; empty when there is none. */
export async function wholeText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    return ""; // a job that has not started has written nothing
  }
}

/** Facts of a job without a worker. */
export interface FailedStart {
  readonly job: TrackedJob;
  /** What Slurm still knows of it. */
  readonly record: JobRecord | null;
  /** File with its output. */
  readonly log: string;
  readonly lines: readonly string[] | null;
  /** Failed starts in a row, when they are so many that no more are tried; else 0. */
  readonly givenUpAfter: number;
}

/** The error for a job that ended before its worker was there, or soon after. */
export function startError({ job, record, log, lines, givenUpAfter }: FailedStart): WorkerStartErrorType {
  const state = record?.state ?? job.state;
  const node = record?.node || job.nodes;
  const reason = record?.reason || job.reason;
  const facts = [
    ...(reason && reason !== "None" ? [reason] : []),
    ...(record?.exitCode ? [`exit code ${record.exitCode}`] : []),
    ...(record?.signal ? [`signal ${record.signal}`] : []),
  ];
  const what = `Slurm job ${job.id} (${job.workers.join(", ")})${node ? ` on ${node}` : ""} ${state === "RUNNING" ? "runs, but its worker did not reach the scheduler" : `ended before its worker was there: ${state}`}`;
  const advice = adviceFor(state, record, lines);
  const said =
    lines === null
      ? `there is no output in ${log}`
      : lines.length === 0
        ? `${log} is empty`
        : `last lines of ${log}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  const text = [
    `${what}${facts.length > 0 ? ` (${facts.join(", ")})` : ""}`,
    ...(givenUpAfter > 0 ? [`failed starts in a row: ${givenUpAfter}; no more jobs are submitted`] : []),
    ...advice,
    said,
  ].join("\n");
  return new WorkerStartError(text, {
    details: {
      jobId: job.id,
      node,
      state,
      reason,
      exitCode: record?.exitCode ?? null,
      signal: record?.signal ?? null,
      log,
      lines,
      givenUpAfter,
    },
  });
}

type WorkerStartErrorType = InstanceType<typeof WorkerStartError>;

function adviceFor(state: string, record: JobRecord | null, lines: readonly string[] | null): string[] {
  const text = lines?.join("\n") ?? "";
  if (state === "OUT_OF_MEMORY" || record?.signal === 9 || /oom|out of memory|exceeded memory limit/i.test(text))
    return ["It was killed for its memory: give the jobs more (memory)"];
  if (record?.exitCode === 127) return ["A command was not found on the node: see nodeCommand and jobScriptPrologue"];
  if (/no connection to tcp/.test(text))
    return ["The node cannot reach the scheduler: see schedulerOptions.host and interface"];
  return [];
}
