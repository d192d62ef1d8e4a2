/** What the scheduler says about itself and its workers. */
import { arch, hostname, platform, release } from "node:os";
import { packageVersion } from "../config/index.ts";
import type { ConnectedWorker, Hub } from "./hub.ts";
import type { RequestContext } from "./requests.ts";

/** Workers described by default. Source: distributed `identity`. */
const WORKERS_DEFAULT = 5;

/** Answer to `identity`; -1 describes all workers. */
export function identityOf(
  { hub, id, startedAt, address, httpPort }: Pick<RequestContext, "hub" | "id" | "startedAt" | "address" | "httpPort">,
  limit: unknown,
): Record<string, unknown> {
  const count = typeof limit === "number" ? limit : WORKERS_DEFAULT;
  const all = Array.from(hub.workers.values());
  const views = hub.machine.views.workers();
  return {
    type: "Scheduler",
    id,
    address: address(),
    services: httpPort() === null ? {} : { dashboard: httpPort() },
    started: startedAt,
    n_workers: all.length,
    total_threads: views.reduce((sum, { facts }) => sum + facts.nthreads, 0),
    total_memory: all.reduce((sum, worker) => sum + Number(worker.info.get("memory_limit") ?? 0), 0),
    workers: new Map(
      all.slice(0, count < 0 ? all.length : count).map((worker) => [worker.address, workerIdentity(hub, worker)]),
    ),
  };
}

/** One worker in an identity. */
export function workerIdentity(hub: Hub, worker: ConnectedWorker): Record<string, unknown> {
  const view = hub.machine.views.worker(worker.address);
  const silence = view ? (hub.clock.now() - view.lastSeenMs) / 1000 : 0;
  return {
    ...Object.fromEntries(worker.info),
    metrics: worker.metrics,
    status: view?.status ?? "closed",
    last_seen: hub.clock.wall() / 1000 - silence,
  };
}

/** Answer to `versions`. */
export function versions(): Record<string, unknown> {
  const version = packageVersion();
  return {
    host: {
      rsdat: version,
      node: process.versions.node,
      OS: platform(),
      "OS-release": release(),
      machine: arch(),
      host: hostname(),
    },
    packages: { rsdat: version },
  };
}
