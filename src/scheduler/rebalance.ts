/** `rebalance`: results move until workers have about the same memory, measured as the configuration says. */
import { ConfigError, NotFoundError } from "../base/index.ts";
import type { Handlers } from "../comm/index.ts";
import { type Config, config } from "../config/index.ts";
import { REBALANCE, type Rebalance, type Rebalanced } from "../protocol/index.ts";
import type { ConnectedWorker, Hub } from "./hub.ts";
import {
  findMoves,
  MEMORY_MEASURES,
  type MemoryMeasure,
  type MemoryState,
  measured,
  memoryState,
  type RebalanceLimits,
  type RebalanceWorker,
} from "./state/index.ts";

const SECTION = "distributed.worker.memory.rebalance";

/**
 * How memory is measured, and who gives and takes.
 *
 * @throws {ConfigError} a measure that is none of Dask's, or a fraction that is none
 */
export function rebalanceSettings(from: Config = config): RebalanceLimits & { readonly measure: MemoryMeasure } {
  const name = from.text(`${SECTION}.measure`) ?? "optimistic";
  const measure = MEMORY_MEASURES.find((each) => each === name);
  if (!measure)
    throw new ConfigError(
      `configuration ${SECTION}.measure is ${JSON.stringify(name)}, expected one of ${MEMORY_MEASURES.join(", ")}`,
    );
  return {
    measure,
    senderMin: from.fraction(`${SECTION}.sender-min`) ?? 0,
    recipientMax: from.fraction(`${SECTION}.recipient-max`) ?? 0,
    gap: from.fraction(`${SECTION}.sender-recipient-gap`) ?? 0,
  };
}

/** A figure among what a worker said of itself. */
function figure(metrics: ReadonlyMap<unknown, unknown>, name: string): number {
  const value = metrics.get(name);
  return typeof value === "number" && value > 0 ? value : 0;
}

function spilledBytes(metrics: ReadonlyMap<unknown, unknown>, name: "memory" | "disk"): number {
  const spilled = metrics.get("spilled_bytes");
  return spilled instanceof Map ? figure(spilled, name) : 0;
}

/** A worker told its metrics: what its process has beside results is one of the sizes of which the least counts. */
export function noteUnmanaged({ unmanaged, metrics }: ConnectedWorker, nowMs: number): void {
  const managed = figure(metrics, "managed_bytes") - spilledBytes(metrics, "memory");
  const whileMs = config.durationMs("distributed.worker.memory.recent-to-old-time") ?? 30_000;
  unmanaged.note(nowMs, Math.max(0, figure(metrics, "memory") - managed), whileMs);
}

/** Memory of a worker, by its last metrics and the results that it is known to hold. */
export function memoryOf(hub: Hub, { address, metrics, unmanaged }: ConnectedWorker): MemoryState {
  const held = hub.machine.views.worker(address)?.heldBytes ?? 0;
  return memoryState({
    resident: figure(metrics, "memory"),
    managed: Math.max(0, held - spilledBytes(metrics, "memory")),
    spilled: spilledBytes(metrics, "disk"),
    unmanagedOld: unmanaged.oldBytes,
  });
}

/** The request. */
export function rebalanceHandlers(hub: Hub): Handlers {
  return {
    rebalance: async (request) =>
      REBALANCE.answer(
        await rebalance(
          hub,
          REBALANCE.parse(new Map<unknown, unknown>([["keys", null], ["workers", null], ...request])),
        ),
      ),
  };
}

async function rebalance(hub: Hub, { keys, workers }: Rebalance): Promise<Rebalanced> {
  const chosen = workers ? workers.map((address) => workerAt(hub, address)) : [...hub.workers.values()];
  const absent = keys ? Array.from(hub.machine.views.whoHas(keys)).filter(([, holders]) => holders.length === 0) : [];
  if (absent.length > 0) return { status: "partial-fail", keys: absent.map(([key]) => key) };
  const { measure, ...limits } = rebalanceSettings();
  const wanted = keys && new Set(keys);
  // Workers of one kind cannot use results of the other.
  const kinds = [true, false].map((isPython) => chosen.filter((worker) => worker.isPython === isPython));
  const moves = kinds.flatMap((kind) =>
    kind.length === 0
      ? []
      : findMoves(
          kind.map((worker) => sideOf(hub, worker, measure)),
          limits,
          wanted,
        ),
  );
  if (moves.length === 0) return { status: "OK" };
  const failed = await hub.move(moves);
  // As Dask: what was not asked for by name may stay where it is.
  return failed.length === 0 || !keys ? { status: "OK" } : { status: "partial-fail", keys: [...new Set(failed)] };
}

function workerAt(hub: Hub, address: string): ConnectedWorker {
  const worker = hub.workers.get(address);
  if (!worker) throw new NotFoundError(`rebalance: no worker at ${address}`);
  return worker;
}

function sideOf(hub: Hub, worker: ConnectedWorker, measure: MemoryMeasure): RebalanceWorker {
  const { views } = hub.machine;
  const { address } = worker;
  return {
    address,
    memoryBytes: measured(memoryOf(hub, worker), measure),
    memoryLimitBytes: Number(worker.info.get("memory_limit") ?? 0),
    hasResults: (views.worker(address)?.inMemory ?? 0) > 0,
    results: () => views.results(address),
    has: (key) => views.holds(address, key),
  };
}
