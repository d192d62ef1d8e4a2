/** A script as a batch job: the wrapper that Slurm takes, submitting it, waiting for it. */
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ArgumentError } from "../base/index.ts";
import { askQueue, askRecords, submitScript, withoutJob } from "./slurm-commands.ts";
import { quote } from "./slurm-script.ts";
import { type JobRecord, phaseOf } from "./slurm-text.ts";

/** What a batch job is to run. */
export interface BatchOptions {
  /** Absolute path of the script. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Absolute path of Node. Default: this process's. */
  readonly node?: string;
  /** Options of `sbatch` that its own command line may override: `["--time=5"]`. */
  readonly directives?: readonly string[];
}

/** Lines of a script in which its wishes are looked for. */
const HEAD_LINES = 100;
const POLL_FIRST_MS = 250;
const POLL_MAX_MS = 5_000;
const FOLLOW_MS = 250;

/**
 * Text for `sbatch` that runs a script: Slurm itself takes only shell scripts, and copies them elsewhere first. `exec`
 * makes Node the job's own process, which gets the signals that Slurm sends.
 *
 * @throws {ArgumentError} a directive that holds a line break
 */
export function batchScript({ script, args = [], node = process.execPath, directives = [] }: BatchOptions): string {
  for (const directive of directives) {
    if (/[\n\r]/.test(directive)) throw new ArgumentError(`directive ${JSON.stringify(directive)} holds a line break`);
  }
  const lines = directives.map((directive) => `#SBATCH ${directive}`);
  return ["#!/bin/bash", ...lines, `exec ${[node, script, ...args].map(quote).join(" ")}`, ""].join("\n");
}

/**
 * The wishes of a script: `// @slurm partition=rome time=01:00:00 exclusive` in its first hundred lines, as options of
 * `sbatch`. Values with spaces stand in double quotes.
 */
export function slurmWishes(text: string): string[] {
  const lines = text.split("\n").slice(0, HEAD_LINES);
  const wishes = lines.flatMap((line) => /^\s*(?:\/\/|\/?\*)\s*@slurm\s+(.*?)\s*(?:\*\/)?\s*$/.exec(line)?.[1] ?? []);
  const words = wishes.flatMap((wish) => wish.match(/(?:"[^"]*"|[^\s"])+/g) ?? []);
  return words.map((word) => `--${word.replace(/^--/, "")}`);
}

/** A submitted job. */
export class BatchJob {
  readonly id: string;
  /** File with its output; null where Slurm does not say, as for a job array. */
  readonly output: string | null;

  /** @internal */
  constructor(id: string, output: string | null) {
    this.id = id;
    this.output = output;
  }

  /** Wait until it, or all of its array, has ended; 0 when all went well, else the worst exit status, 128 + n for signal n. */
  async wait(): Promise<number> {
    for (let pauseMs = POLL_FIRST_MS; ; pauseMs = Math.min(POLL_MAX_MS, pauseMs * 1.2)) {
      const lines = await askQueue([this.id]);
      if (lines?.every(({ state }) => phaseOf(state) === "over")) break;
      await sleep(pauseMs);
    }
    const records = await askRecords(this.id);
    return records.length === 0 ? 1 : Math.max(...records.map(exitStatus));
  }

  /**
   * Wait as `wait` does, and hand on what the job prints while it prints it.
   * @throws {ArgumentError} a job array, which has no one output
   */
  async follow(write: (text: Uint8Array) => void): Promise<number> {
    const { output } = this;
    if (output === null) throw new ArgumentError(`job ${this.id} has no single file of output to follow`);
    const ending = new AbortController();
    const ended = this.wait().finally(() => ending.abort());
    let at = 0;
    do {
      // An aborted pause is the end of the job.
      await sleep(FOLLOW_MS, undefined, { signal: ending.signal }).catch(() => undefined);
      at += await copyFrom(output, at, write);
    } while (!ending.signal.aborted);
    await copyFrom(output, at, write);
    return await ended;
  }
}

/**
 * Submit a script as a batch job. `sbatchArgs` go to `sbatch` as they are.
 * @throws {SlurmSubmitError} `sbatch` refuses
 */
export async function submitBatch(options: BatchOptions, sbatchArgs: readonly string[] = []): Promise<BatchJob> {
  const preferences = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[0].startsWith("SBATCH_") && entry[1] !== undefined,
  );
  const env = { ...withoutJob(process.env), ...Object.fromEntries(preferences) };
  const id = await submitScript(batchScript(options), sbatchArgs, env);
  const records = await askRecords(id);
  const single = records.length === 1 && records[0]?.isArray === false ? records[0].output : "";
  return new BatchJob(id, single || null);
}

function exitStatus({ state, exitCode, signal }: JobRecord): number {
  if (signal > 0) return 128 + signal;
  return exitCode > 0 || state === "COMPLETED" ? exitCode : 1;
}

/** Hand on what a file holds from `at` on; gives how much that was. */
async function copyFrom(file: string, at: number, write: (text: Uint8Array) => void): Promise<number> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, "r");
  } catch {
    return 0; // the job has not started
  }
  try {
    let copied = 0;
    for (;;) {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(2 ** 16), 0, 2 ** 16, at + copied);
      if (bytesRead === 0) return copied;
      write(buffer.subarray(0, bytesRead));
      copied += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
