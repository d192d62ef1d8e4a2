/** The bounds of a worker's machine, from its executor and the configuration. */
import { type Config, config, SCHEMA, storyLength } from "../config/index.ts";
import type { Executor } from "../executor/index.ts";
import { NATIVE_RESOURCE } from "../protocol/index.ts";
import type { RechunkLimits, WorkerLimits } from "./state/index.ts";

/** A resource amount that no set of tasks uses up: native tasks on a Python scheduler demand 1 of it. */
const PLENTY = 1e9;
/** Work that threads find without asking, and the most tasks of it. */
const AHEAD_MS = 2;
const AHEAD_MAX = 512;
/** Of the budget one answer of a peer takes: what the peer has on disk it holds beside its own budget until it is sent. */
const MESSAGE_SHARE = 32;

/** What a worker has, by name; native tasks are always among it. */
export function workerResources(given: ReadonlyMap<string, number> = new Map()): ReadonlyMap<string, number> {
  return given.has(NATIVE_RESOURCE) ? given : new Map([...given, [NATIVE_RESOURCE, PLENTY]]);
}

/** @throws {ConfigError} a setting is not what it should be */
export function workerLimits(
  { budgetBytes, threads }: Pick<Executor, "budgetBytes" | "threads">,
  {
    address,
    isForeign,
    resources,
  }: {
    readonly address: string;
    readonly isForeign: boolean;
    readonly resources: ReadonlyMap<string, number> | undefined;
  },
  from: Config = config,
): WorkerLimits {
  return {
    address,
    nthreads: threads,
    aheadMs: AHEAD_MS,
    aheadMax: AHEAD_MAX,
    budgetBytes: isForeign ? budgetBytes : null,
    resources: workerResources(resources),
    incomingBytesMax: budgetBytes * (from.fraction("distributed.worker.memory.transfer") ?? 1),
    messageBytesMax: Math.min(
      from.bytes("distributed.worker.transfer.message-bytes-limit") ?? 50e6,
      budgetBytes / MESSAGE_SHARE,
    ),
    incomingCountMax: from.number("distributed.worker.connections.outgoing") ?? 50,
    incomingThrottleBytes: 10e6,
    rechunks: rechunkLimits(from),
    busyRetryMs: 150,
    missingRetryMs: 1000,
    storyLength: storyLength(from),
  };
}

/**
 * Dask pushes pieces of blocks, and may send several messages to one peer at once; here whole blocks are asked for, in one
 * request to a peer at a time. Its defaults for messages would only make these wait for each other, so they are no bounds.
 */
function rechunkLimits(from: Config): RechunkLimits {
  const boundOf = (name: "message-bytes-limit" | "concurrency"): number => {
    const key = `distributed.p2p.comm.${name}`;
    if (from.get(key, null) === SCHEMA[key]?.default) return Number.POSITIVE_INFINITY;
    return (name === "concurrency" ? from.number(key) : from.bytes(key)) ?? Number.POSITIVE_INFINITY;
  };
  return {
    bytesMax: from.bytes("distributed.p2p.comm.buffer") ?? Number.POSITIVE_INFINITY,
    messageBytesMax: boundOf("message-bytes-limit"),
    countMax: Math.max(1, boundOf("concurrency")), // none at once would be none ever
  };
}
