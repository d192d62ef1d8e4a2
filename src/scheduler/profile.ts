/** Profiles of workers, put together. */
import { ArgumentError, errorToRecord, parseDurationMs } from "../base/index.ts";
import type { Handlers } from "../comm/index.ts";
import { config } from "../config/index.ts";
import {
  emptyProfile,
  mergeProfiles,
  PROFILE,
  PROFILE_METADATA,
  PROFILE_TREE,
  type ProfileCounts,
  type ProfileNode,
  WORKER_PROFILE,
  WORKER_PROFILE_METADATA,
  type WorkerProfileCounts,
} from "../protocol/index.ts";
import type { Hub } from "./hub.ts";
import type { WorkerAddress } from "./state/index.ts";

/** Rows of counts by prefix and time in one answer; prefixes beyond are one, under Dask's name for what has none. */
const ROWS_MAX = 1_000_000;
const OTHERS = "Other";
/** Time that a worker has to answer. */
const WORKER_MS = 30_000;

type Loose = ReadonlyMap<unknown, unknown>;

/** Handlers by op. */
export function profileHandlers(hub: Hub): Handlers {
  return {
    profile: (request) => profile(hub, request),
    profile_metadata: (request) => profileMetadata(hub, request),
  };
}

async function profile(hub: Hub, request: Loose): Promise<unknown> {
  const { workers, mergeWorkers = true, scheduler = false, ...question } = PROFILE.parse(request);
  if (scheduler) return PROFILE.answer(emptyProfile()); // a machine of instructions, which is not looked at
  const ask = WORKER_PROFILE.ask(question);
  const trees: (readonly [WorkerAddress, ProfileNode])[] = await answers(hub, workers, ask, WORKER_PROFILE.parseAnswer);
  if (mergeWorkers) return PROFILE.answer(mergeProfiles(trees.map(([, tree]) => tree)));
  return new Map(trees.map(([address, tree]) => [address, PROFILE_TREE.write(tree)]));
}

async function profileMetadata(hub: Hub, request: Loose): Promise<unknown> {
  const { workers, start, stop, profileCycleInterval } = PROFILE_METADATA.parse(request);
  const ask = WORKER_PROFILE_METADATA.ask({ ...(start === undefined ? {} : { start }), stop });
  const found = await answers(hub, workers, ask, WORKER_PROFILE_METADATA.parseAnswer);
  const cycleMs =
    profileCycleInterval === null
      ? (config.durationMs("distributed.worker.profile.cycle", "ms") ?? 1_000)
      : parseDurationMs(profileCycleInterval, "profile_cycle_interval", "ms");
  if (!(cycleMs > 0)) throw new ArgumentError(`profile_cycle_interval ${cycleMs} ms: expected a time above 0`);
  const counts = found.map(([, each]) => each);
  return PROFILE_METADATA.answer(addCounts(counts, cycleMs / 1_000));
}

/** Counts of several workers by whole cycles. Source: distributed.scheduler `get_profile_metadata`. */
export function addCounts(all: readonly WorkerProfileCounts[], cycleSeconds: number): ProfileCounts {
  const begin = (seconds: number): number => Math.floor(seconds / cycleSeconds) * cycleSeconds;
  const counts = new Map<number, number>();
  for (const [seconds, count] of inTime(all.flatMap((each) => each.counts)))
    counts.set(begin(seconds), (counts.get(begin(seconds)) ?? 0) + count);
  const byTime = new Map<number, Map<string, number>>();
  const prefixes = new Map<string, number>();
  for (const [seconds, seen] of inTime(all.flatMap((each) => each.keys))) {
    const sums = byTime.get(begin(seconds)) ?? new Map<string, number>();
    byTime.set(begin(seconds), sums);
    for (const [prefix, count] of seen) {
      prefixes.set(prefix, (prefixes.get(prefix) ?? 0) + count);
      sums.set(prefix, (sums.get(prefix) ?? 0) + count);
    }
  }
  const rows = Array.from(byTime);
  const most = Math.max(1, Math.floor(ROWS_MAX / Math.max(1, rows.length)));
  const told = most < prefixes.size ? mostSeen(prefixes, most - 1) : new Set(prefixes.keys());
  const keys = Array.from(told, (prefix) => {
    return [prefix, rows.map(([seconds, sums]) => [seconds, sums.get(prefix) ?? 0] as const)] as const;
  });
  const others = rows.map(([seconds, sums]) => [seconds, sumWithout(sums, told)] as const);
  return { counts: Array.from(counts), keys: new Map(told.size < prefixes.size ? [...keys, [OTHERS, others]] : keys) };
}

/** So many of the prefixes, those that were seen most. */
function mostSeen(prefixes: ReadonlyMap<string, number>, most: number): Set<string> {
  const sorted = Array.from(prefixes).sort(([, a], [, b]) => b - a);
  return new Set(sorted.flatMap(([prefix]) => (prefix === OTHERS ? [] : [prefix])).slice(0, most));
}

function sumWithout(sums: ReadonlyMap<string, number>, told: ReadonlySet<string>): number {
  let sum = 0;
  for (const [prefix, count] of sums) if (!told.has(prefix)) sum += count;
  return sum;
}

function inTime<T>(rows: readonly (readonly [seconds: number, value: T])[]): (readonly [number, T])[] {
  return rows.toSorted(([a], [b]) => a - b);
}

/** What workers answer; one that fails is passed over. */
async function answers<T>(
  hub: Hub,
  workers: readonly string[] | null,
  request: Record<string, unknown>,
  parse: (answer: unknown) => T,
): Promise<(readonly [WorkerAddress, T])[]> {
  const asked = Array.from(hub.workers.keys()).filter((address) => workers === null || workers.includes(address));
  const found = await Promise.all(
    asked.map(async (address) => {
      try {
        return [address, parse(await hub.rpc.call(address, request, { timeoutMs: WORKER_MS }))] as const;
      } catch (error) {
        hub.logger.debug(`no profile from ${address}: ${errorToRecord(error).message}`);
        return null;
      }
    }),
  );
  return found.filter((answer) => answer !== null);
}
