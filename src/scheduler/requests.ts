/** Requests that anybody may send: answers from the machine, or passed on to workers (dask-protocol §10). */
import { ArgumentError, isRsdatError, NotFoundError, UnsupportedError } from "../base/index.ts";
import type { Handler, Handlers } from "../comm/index.ts";
import { keyPrefix } from "../graph/index.ts";
import {
  BROADCAST,
  DATA_PLACED,
  errorReply,
  GATHER,
  HAS_WHAT,
  NBYTES_REQUEST,
  NCORES,
  PLUGIN_ADD,
  RETIRE_WORKERS,
  RETRY,
  SCATTER,
  TASK_STATUS,
  UNREGISTER,
  WHO_HAS_REQUEST,
} from "../protocol/index.ts";
import type { ConnectedWorker, Hub } from "./hub.ts";
import { identityOf, versions, workerIdentity } from "./identity.ts";
import type { WorkerAddress } from "./state/index.ts";
import { gather, scatter } from "./transfer.ts";
import { heartbeat } from "./worker-connection.ts";

/** Time that a worker has to answer a message that is passed on to it. */
const BROADCAST_MS = 600_000;

/** Facts of the server that requests need. */
export interface RequestContext {
  readonly hub: Hub;
  readonly id: string;
  readonly startedAt: number;
  readonly address: () => string;
  /** Seconds since 1970. */
  readonly wallSeconds: () => number;
  /** Pickled plugins that Python workers get when they join. */
  readonly plugins: Map<string, Uint8Array>;
  /** End the server once the answer is on its way. */
  readonly terminate: () => void;
}

/** Handlers by op. */
export function requestHandlers(context: RequestContext): Handlers {
  return { ...queries(context), ...actions(context), ...plugins(context) };
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

async function passOn(hub: Hub, address: WorkerAddress, message: ReadonlyMap<unknown, unknown>): Promise<unknown> {
  if (!hub.workers.has(address)) throw new NotFoundError(`no worker at ${address}`);
  return hub.rpc.call(address, Object.fromEntries(message), { timeoutMs: BROADCAST_MS });
}

/** One message to many workers; answers by address. A worker that fails answers an error map. */
async function broadcast(hub: Hub, request: ReadonlyMap<unknown, unknown>): Promise<unknown> {
  const { msg, workers, hosts, nanny, onError } = BROADCAST.parse(
    new Map<unknown, unknown>([["workers", null], ["nanny", false], ["on_error", "raise"], ...request]),
  );
  if (nanny) throw new UnsupportedError("broadcast to nannies");
  const named = workers ? workers.map(String) : Array.from(hub.workers.keys());
  const onHosts = hosts
    ? Array.from(hub.workers.values())
        .filter((worker) => hosts.includes(String(worker.info.get("host"))))
        .map((worker) => worker.address)
    : [];
  const targets = hosts && !workers ? onHosts : [...new Set([...named, ...onHosts])];
  const answers = await Promise.all(
    targets.map(async (address): Promise<[string, unknown] | null> => {
      try {
        return [address, await passOn(hub, address, msg)];
      } catch (error) {
        if (!isRsdatError(error)) throw error;
        if (onError === "raise") throw error;
        return onError === "ignore" ? null : [address, { ...errorReply(error), status: "error" }];
      }
    }),
  );
  return new Map(answers.filter((answer) => answer !== null));
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

function plugins({ hub, plugins: kept }: RequestContext): Record<string, Handler> {
  const python = (): ConnectedWorker[] => Array.from(hub.workers.values()).filter((worker) => worker.isPython);
  const tellAll = async (message: Record<string, unknown>): Promise<unknown> =>
    new Map(
      await Promise.all(
        python().map(
          async ({ address }) => [address, await hub.rpc.call(address, message, { timeoutMs: BROADCAST_MS })] as const,
        ),
      ),
    );
  return {
    register_worker_plugin: (request) => {
      const plugin = request.get("plugin");
      const name = String(request.get("name"));
      if (!(plugin instanceof Uint8Array)) throw new ArgumentError(`plugin ${name}: expected pickled bytes`);
      if (request.get("idempotent") === true && kept.has(name)) return new Map();
      kept.set(name, plugin);
      return tellAll(PLUGIN_ADD.ask({ plugin, name }));
    },
    unregister_worker_plugin: (request) => {
      kept.delete(String(request.get("name")));
      return tellAll({ op: "plugin-remove", name: String(request.get("name")) });
    },
    register_nanny_plugin: () => new Map(),
    unregister_nanny_plugin: () => new Map(),
    register_scheduler_plugin: () => {
      throw new UnsupportedError("scheduler plugins: this scheduler is no Python process");
    },
  };
}
