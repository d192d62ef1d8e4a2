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
  const prefixes = new Set<string>();
  for (const [seconds, seen] of inTime(all.flatMap((each) => each.keys))) {
    const sums = byTime.get(begin(seconds)) ?? new Map<string, number>();
    byTime.set(begin(seconds), sums);
    for (const [prefix, count] of seen) {
      prefixes.add(prefix);
      sums.set(prefix, (sums.get(prefix) ?? 0) + count);
    }
  }
  const rows = Array.from(byTime);
  const keys = Array.from(prefixes, (prefix) => {
    return [prefix, rows.map(([seconds, sums]) => [seconds, sums.get(prefix) ?? 0] as const)] as const;
  });
  return { counts: Array.from(counts), keys: new Map(keys) };
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
