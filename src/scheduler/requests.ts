/** Requests that anybody may send: answers from the machine, or passed on to workers (dask-protocol §10). */
import { ArgumentError, UnsupportedError } from "../base/index.ts";
import type { Handler, Handlers } from "../comm/index.ts";
import type { KeptLogs, ProcessFigures, SystemMonitor } from "../config/index.ts";
import { keyPrefix } from "../graph/index.ts";
import {
  DATA_PLACED,
  GATHER,
  HAS_WHAT,
  NBYTES_REQUEST,
  NCORES,
  RETIRE_WORKERS,
  RETRY,
  SCATTER,
  TASK_STATUS,
  UNREGISTER,
  WHO_HAS_REQUEST,
} from "../protocol/index.ts";
import { accountingHandlers } from "./accounting.ts";
import { adaptiveHandlers } from "./adaptive.ts";
import { broadcast, passOn } from "./broadcast.ts";
import type { SemaphoreFigures } from "./coordination/index.ts";
import type { Hub } from "./hub.ts";
import { identityOf, versions, workerIdentity } from "./identity.ts";
import type { Nannies } from "./nannies.ts";
import { operationHandlers } from "./operations.ts";
import type { Plugins } from "./plugins.ts";
import { profileHandlers } from "./profile.ts";
import { rebalanceHandlers } from "./rebalance.ts";
import type { SchedulerPlugins } from "./scheduler-plugins.ts";
import type { WorkerAddress } from "./state/index.ts";
import type { TaskStream } from "./task-stream.ts";
import { gather, scatter } from "./transfer.ts";
import { heartbeat } from "./worker-connection.ts";

/** Facts of the server that requests need. */
export interface RequestContext {
  readonly hub: Hub;
  readonly id: string;
  readonly startedAt: number;
  readonly address: () => string;
  /** Seconds since 1970. */
  readonly wallSeconds: () => number;
  readonly plugins: Plugins;
  readonly nannies: Nannies;
  readonly schedulerPlugins: SchedulerPlugins;
  readonly logs: KeptLogs;
  readonly taskStream: TaskStream;
  readonly process: ProcessFigures;
  readonly monitor: SystemMonitor;
  readonly semaphores: () => readonly SemaphoreFigures[];
  /** Port of the pages for people and machines; null: none. */
  readonly httpPort: () => number | null;
  /** End the server once the answer is on its way. */
  readonly terminate: () => void;
}

/** Handlers by op. */
export function requestHandlers(context: RequestContext): Handlers {
  return {
    ...queries(context),
    ...actions(context),
    ...context.plugins.handlers(),
    ...context.nannies.handlers(),
    ...context.schedulerPlugins.handlers(),
    ...operationHandlers(context),
    ...adaptiveHandlers(context.hub),
    ...accountingHandlers(context.hub),
    ...rebalanceHandlers(context.hub),
    ...profileHandlers(context.hub),
  };
}

function queries(context: RequestContext): Record<string, Handler> {
  const { hub } = context;
  const { views } = hub.machine;
  return {
    identity: (request) => identityOf(context, request.get("n_workers")),
    versions: () => versions(),
    ncores: (request) => ncores(hub, NCORES.parse(withDefault(request, "workers")).workers, () => true),
    ncores_running: (request) =>
      ncores(
        hub,
        NCORES.parse(withDefault(request, "workers")).workers,
        (address) => views.worker(address)?.status === "running",
      ),
    who_has: (request) =>
      WHO_HAS_REQUEST.answer(views.whoHas(WHO_HAS_REQUEST.parse(withDefault(request, "keys")).keys)),
    has_what: (request) => HAS_WHAT.answer(views.hasWhat(HAS_WHAT.parse(withDefault(request, "workers")).workers)),
    processing: (request) => HAS_WHAT.answer(views.processing(HAS_WHAT.parse(withDefault(request, "workers")).workers)),
    nbytes: (request) => {
      const { keys, summary } = NBYTES_REQUEST.parse(withDefault(request, "keys"));
      const bytes = views.nbytes(keys);
      if (!summary) return NBYTES_REQUEST.answer(bytes);
      const byPrefix = new Map<string, number>();
      for (const [key, nbytes] of bytes) byPrefix.set(keyPrefix(key), (byPrefix.get(keyPrefix(key)) ?? 0) + nbytes);
      return byPrefix;
    },
    get_task_status: (request) =>
      TASK_STATUS.answer(new Map(TASK_STATUS.parse(request).keys.map((key) => [key, views.stateOf(key)]))),
    heartbeat_worker: (request) => heartbeat(hub, request),
    get_monitor_info: (request) => context.monitor.answer(request),
    gather: async (request) => GATHER.answer(await gather(hub, GATHER.parse(request).keys)),
    scatter: async (request) => SCATTER.answer(await scatter(hub, SCATTER.parse(request))),
  };
}

/** Python leaves out arguments that have a default; nil asks for all. */
function withDefault(request: ReadonlyMap<unknown, unknown>, field: string): ReadonlyMap<unknown, unknown> {
  return request.has(field) ? request : new Map(request).set(field, null);
}

function ncores(
  hub: Hub,
  workers: readonly WorkerAddress[] | null,
  isWanted: (address: WorkerAddress) => boolean,
): unknown {
  const all = hub.machine.views
    .workers()
    .filter(({ facts }) => (!workers || workers.includes(facts.address)) && isWanted(facts.address));
  return NCORES.answer(new Map(all.map(({ facts }) => [facts.address, facts.nthreads])));
}

function actions(context: RequestContext): Record<string, Handler> {
  const { hub } = context;
  return {
    update_data: (request) => {
      const { client, whoHas, nbytes } = DATA_PLACED.parse(request);
      hub.feed({ type: "data-placed", client, whoHas, nbytes });
      return null;
    },
    broadcast: (request) => broadcast(hub, request),
    proxy: async (request) => passOn(hub, String(request.get("worker")), messageIn(request)),
    retry: (request) => {
      const { keys } = RETRY.parse(request);
      hub.feed({ type: "retry-keys", keys });
      return RETRY.answer(keys.filter((key) => hub.machine.views.stateOf(key) !== "erred"));
    },
    retire_workers: (request) => retire(hub, request),
    unregister: (request) => {
      const { address } = UNREGISTER.parse(new Map<unknown, unknown>([["stimulus_id", "unregister"], ...request]));
      const worker = hub.workers.get(address);
      if (worker) {
        worker.isLeaving = true;
        hub.removeWorker(worker);
      }
      return "OK";
    },
    restart: () => {
      hub.feed({ type: "restart" });
      return null;
    },
    terminate: () => {
      context.terminate();
      return "OK";
    },
    log_event: (request) => {
      const topics = request.get("topic");
      for (const topic of Array.isArray(topics) ? topics : [topics]) hub.publish(String(topic), request.get("msg"));
      return null;
    },
    run_function: () => {
      throw new UnsupportedError("run_function: this scheduler is no Python process and runs no Python function");
    },
  };
}

function messageIn(request: ReadonlyMap<unknown, unknown>): ReadonlyMap<unknown, unknown> {
  const message = request.get("msg");
  if (message instanceof Map) return message;
  throw new ArgumentError("msg: expected a map with an op");
}

async function retire(hub: Hub, request: ReadonlyMap<unknown, unknown>): Promise<unknown> {
  const { workers, names, closeWorkers, remove } = RETIRE_WORKERS.parse(request);
  const chosen = Array.from(hub.workers.values()).filter(
    (worker) => workers?.includes(worker.address) || names?.map(String).includes(String(worker.info.get("name"))),
  );
  const described = new Map(chosen.map((worker) => [worker.address, workerIdentity(hub, worker)]));
  const done = await hub.retire(
    chosen.map((worker) => worker.address),
    closeWorkers === true || remove !== false,
  );
  return RETIRE_WORKERS.answer(new Map(done.map((address) => [address, described.get(address)])));
}
