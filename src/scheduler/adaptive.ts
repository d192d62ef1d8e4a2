/** The load of a live scheduler, for adaptive scaling; times of tasks never seen come from the configuration. */
import { parseDurationMs } from "../base/index.ts";
import type { Handlers } from "../comm/index.ts";
import { config } from "../config/index.ts";
import { assumedDurations } from "./durations.ts";
import type { Hub } from "./hub.ts";
import { type AdaptiveLoad, adaptiveTarget, workersToClose } from "./state/index.ts";

/** What the machine knows now. */
function adaptiveLoad(hub: Hub): AdaptiveLoad {
  const { views } = hub.machine;
  const { queued, "no-worker": unrunnable } = views.counts().tasks;
  const all = views.workers();
  const timed = all.map(({ meanTaskMs }) => meanTaskMs).filter((ms) => !Number.isNaN(ms));
  const unknownMs = config.durationMs("distributed.scheduler.unknown-task-duration") ?? 500;
  const meanMs = timed.length > 0 ? timed.reduce((a, b) => a + b, 0) / timed.length : unknownMs;
  const assumed = assumedDurations(hub);
  // Graphs that no worker is there for are not begun: the first one that comes shows how much is ready.
  const ready = queued + unrunnable || Number(all.length === 0 && views.isBusy());
  return {
    ready,
    readyOccupancy: assumed.ready(ready, meanMs) / 1000,
    workers: all.map((view) => ({
      address: view.facts.address,
      nthreads: view.facts.nthreads,
      processing: view.processing,
      occupancy:
        assumed.processing(
          view.facts.address,
          view.processing,
          Number.isNaN(view.meanTaskMs) ? meanMs : view.meanTaskMs,
        ) / 1000,
      memoryLimitBytes: Number(hub.workers.get(view.facts.address)?.info.get("memory_limit") ?? 0),
      heldBytes: view.heldBytes,
      isLongRunning: view.longRunning > 0,
    })),
  };
}

/** Workers wanted; `targetMs` null: `distributed.adaptive.target-duration`. */
export function desiredWorkers(hub: Hub, targetMs: number | null = null): number {
  const ms = targetMs ?? config.durationMs("distributed.adaptive.target-duration") ?? 5_000;
  return adaptiveTarget(adaptiveLoad(hub), ms / 1000);
}

/** Addresses of workers that can go. */
function closableWorkers(hub: Hub, target: number | null): string[] {
  return workersToClose(adaptiveLoad(hub).workers, target);
}

/** Requests of Dask's adaptive clusters, and of ours. */
export function adaptiveHandlers(hub: Hub): Handlers {
  return {
    adaptive_target: (request) => {
      const target = request.get("target_duration");
      const isGiven = typeof target === "number" || typeof target === "string";
      return desiredWorkers(hub, isGiven ? parseDurationMs(target, "target_duration") : null);
    },
    workers_to_close: (request) => {
      const [n, target] = [request.get("n"), request.get("target")];
      const wanted = typeof n === "number" ? hub.machine.views.workers().length - n : target;
      const addresses = closableWorkers(hub, typeof wanted === "number" ? wanted : null);
      if (request.get("attribute") !== "name") return addresses;
      return addresses.map((address) => hub.workers.get(address)?.info.get("name") ?? address);
    },
  };
}
