/** What a performance report shows, and sums over it: by kind of key, by what was done, by pair of workers. Pure. */

import type { LogLine, TaskStreamRecord } from "../client/index.ts";
import { keyPrefix, type RunAccounting } from "../graph/index.ts";

/** In place of something that nobody told: why. */
export interface NotTold {
  readonly why: string;
}

/** True for what was told. */
export function isTold<T extends object>(part: T | NotTold): part is T {
  return !("why" in part);
}

/** One worker; seconds and bytes since the report began, null where they are not told. */
export interface WorkerPart {
  readonly address: string;
  readonly name: string;
  /** `rsdat`, or `python`. */
  readonly language: string;
  readonly threads: number;
  /** 0: none. */
  readonly memoryLimitBytes: number;
  readonly sums: {
    readonly tasks: number;
    readonly busySeconds: number;
    readonly storeSeconds: number;
    readonly transferSeconds: number;
    readonly bytesTransferred: number;
    readonly bytesSpilled: number;
    readonly peakBytes: number;
  } | null;
}

/** Memory of processes at one moment. */
export interface MemorySample {
  /** Since the report began. */
  readonly seconds: number;
  /** Bytes by worker. */
  readonly bytes: ReadonlyMap<string, number>;
}

/** All that a report shows. */
export interface PerformanceData {
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly seconds: number;
  /** Who ran it: `client of tcp://…`, `threads`. */
  readonly runner: string;
  /** Text of the function, null: none. */
  readonly code: string | null;
  /** What it threw. */
  readonly error: string | null;
  readonly accounting: RunAccounting | NotTold;
  readonly runs: readonly RunAccounting[];
  readonly workers: readonly WorkerPart[] | NotTold;
  readonly tasks: readonly TaskStreamRecord[] | NotTold;
  /** Tasks that ended: more than there are records when the scheduler has forgotten the first ones. */
  readonly tasksEnded: number;
  readonly memory: readonly MemorySample[];
  readonly reads: readonly { readonly host: string; readonly requests: number; readonly bytes: number }[] | NotTold;
  /** Who has which versions. */
  readonly versions: readonly { readonly who: string; readonly versions: ReadonlyMap<string, string> }[] | NotTold;
  readonly schedulerLogs: readonly LogLine[] | NotTold;
  readonly workerLogs: ReadonlyMap<string, readonly LogLine[]> | NotTold;
}

/** Tasks of one kind of key. */
export interface PrefixSums {
  readonly prefix: string;
  tasks: number;
  erred: number;
  computeSeconds: number;
  longestSeconds: number;
  transferSeconds: number;
  diskSeconds: number;
  bytes: number;
}

/** Sums by kind of key, most computing first. */
export function sumsByPrefix(tasks: readonly TaskStreamRecord[]): PrefixSums[] {
  const sums = new Map<string, PrefixSums>();
  for (const task of tasks) {
    const prefix = keyPrefix(task.key);
    let of = sums.get(prefix);
    if (!of) {
      of = {
        prefix,
        tasks: 0,
        erred: 0,
        computeSeconds: 0,
        longestSeconds: 0,
        transferSeconds: 0,
        diskSeconds: 0,
        bytes: 0,
      };
      sums.set(prefix, of);
    }
    of.tasks++;
    if (task.status !== "OK") of.erred++;
    of.bytes += Number.isFinite(task.nbytes) ? task.nbytes : 0;
    for (const part of task.startstops) {
      const seconds = secondsOf(part);
      if (part.action === "compute") {
        of.computeSeconds += seconds;
        of.longestSeconds = Math.max(of.longestSeconds, seconds);
      } else if (part.action === "transfer") of.transferSeconds += seconds;
      else if (part.action.startsWith("disk")) of.diskSeconds += seconds;
    }
  }
  return [...sums.values()].sort((a, b) => b.computeSeconds - a.computeSeconds || b.tasks - a.tasks);
}

/** Seconds by what was done, in the order in which it first was. */
export function secondsByAction(tasks: readonly TaskStreamRecord[]): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const { startstops } of tasks)
    for (const part of startstops) out.set(part.action, (out.get(part.action) ?? 0) + secondsOf(part));
  return out;
}

/** Transfers from one worker to another. */
export interface TransferSums {
  readonly from: string;
  readonly to: string;
  count: number;
  seconds: number;
}

/** Transfers by pair of workers, longest first; as far as the records say whence. */
export function transfersByPair(tasks: readonly TaskStreamRecord[]): TransferSums[] {
  const pairs = new Map<string, TransferSums>();
  for (const { worker, startstops } of tasks)
    for (const part of startstops) {
      if (part.action !== "transfer" || part.source === undefined) continue;
      const id = `${part.source} ${worker}`;
      const of = pairs.get(id) ?? { from: part.source, to: worker, count: 0, seconds: 0 };
      of.count++;
      of.seconds += secondsOf(part);
      pairs.set(id, of);
    }
  return [...pairs.values()].sort((a, b) => b.seconds - a.seconds);
}

/** Length of a part; a peer's nonsense is nothing. */
export function secondsOf({ start, stop }: { readonly start: number; readonly stop: number }): number {
  const seconds = stop - start;
  return seconds > 0 && Number.isFinite(seconds) ? seconds : 0;
}
