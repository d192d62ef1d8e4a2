/** A worker's connection: registration, then its stream until it ends. */
import { type Comm, NO_REPLY, readStream } from "../comm/index.ts";
import {
  COLUMNAR_TO_SCHEDULER,
  type ColumnarToScheduler,
  HEARTBEAT_WORKER,
  REGISTER_WORKER,
  type RegisterWorker,
  type TasksFinished,
  WORKER_TO_SCHEDULER,
  type WorkerToScheduler,
} from "../protocol/index.ts";
import { type ConnectedWorker, type Hub, workerStream } from "./hub.ts";
import type { Plugins } from "./plugins.ts";
import { noteUnmanaged } from "./rebalance.ts";
import { readInventory } from "./restore.ts";
import { UnmanagedMemory, type WorkerFacts } from "./state/index.ts";

/** Longest of Dask's heartbeat intervals by number of workers, in seconds. Source: distributed `heartbeat_interval`. */
function heartbeatSeconds(workers: number): number {
  if (workers <= 10) return 0.5;
  if (workers < 50) return 1;
  return workers < 200 ? 2 : workers / 200 + 1;
}

/** Answer `register-worker`, then read the worker's stream; gives NO_REPLY when it has ended. */
export async function serveWorker(
  hub: Hub,
  request: ReadonlyMap<unknown, unknown>,
  comm: Comm,
  plugins: Plugins,
): Promise<typeof NO_REPLY> {
  const me = REGISTER_WORKER.parse(withoutMetrics(request));
  const taken = [...hub.workers.values(), ...hub.joining].find(
    (other) => other.info.get("name") === me.name && other.address !== me.address && !other.stream.comm.isClosed,
  );
  const time = hub.clock.wall() / 1000;
  if (taken) {
    comm.send(
      REGISTER_WORKER.answer({ status: "error", message: `name taken, ${String(me.name)}, by ${taken.address}`, time }),
    );
    return NO_REPLY;
  }
  const former = hub.workers.get(me.address);
  if (former) hub.removeWorker(former);
  const isPython = me.extra.get("language") !== "rsdat";
  const isColumnar = !isPython && comm.handshake.rsdat !== undefined && me.extra.get("columns") === true;
  const worker: ConnectedWorker = {
    address: me.address,
    stream: workerStream(comm),
    isPython,
    info: infoOf(me, comm),
    metrics: rawMetrics(request),
    unmanaged: new UnmanagedMemory(),
    isLeaving: false,
  };
  noteUnmanaged(worker, hub.clock.now());
  const keepsJournal = hub.restoration !== null && comm.handshake.rsdat !== undefined;
  const connect = (): void => {
    const answer = REGISTER_WORKER.answer({
      status: "OK",
      time,
      heartbeatInterval: heartbeatSeconds(hub.workers.size + 1),
      workerPlugins: plugins.for(isPython),
      warning: "",
      error: "",
      ...(keepsJournal ? { keepsJournal } : {}),
    });
    if (!comm.isClosed) comm.send(answer);
    hub.addWorker(worker);
    hub.feed({ type: "worker-joined", worker: factsOf(me, { isPython, isColumnar }), stimulusId: me.stimulusId });
    hub.logger.info(`worker ${me.address} joined`, { name: me.name, nthreads: me.nthreads, python: isPython });
  };
  try {
    hub.joining.add(worker);
    if (hub.restoration) await hub.restoration.gather(me.address, readInventory(me.extra.get("inventory")), connect);
    else connect();
    hub.joining.delete(worker);
    const { parse } = isColumnar ? COLUMNAR_TO_SCHEDULER : WORKER_TO_SCHEDULER;
    for await (const messages of readStream<ColumnarToScheduler>(comm, parse)) {
      const hearing = hear(hub, worker, messages);
      if (hearing !== undefined) await hearing;
    }
  } finally {
    hub.joining.delete(worker);
    hub.removeWorker(worker);
    hub.logger.info(`worker ${me.address} left`, { expected: worker.isLeaving });
  }
  return NO_REPLY;
}

/** A batch of the worker's stream, in order; a promise where others get their turn in between. */
function hear(hub: Hub, worker: ConnectedWorker, messages: readonly ColumnarToScheduler[]): Promise<void> | undefined {
  const [only] = messages;
  if (messages.length > 1 || only?.op !== "tasks-finished" || only.tasks.length > ENDS_MAX)
    return hearAll(hub, worker, messages);
  if (hub.workers.get(worker.address) !== worker) return undefined;
  const { op: _, ...ends } = only;
  hub.onTasksFinished?.(worker.address, ends);
  hub.feedSoon({ type: "tasks-finished", worker: worker.address, ...ends });
  return hub.turn.spend(ends.tasks.length) ? hub.turn.next() : undefined;
}

async function hearAll(hub: Hub, worker: ConnectedWorker, messages: readonly ColumnarToScheduler[]): Promise<void> {
  let singles: WorkerToScheduler[] = [];
  for (const message of messages) {
    if (message.op !== "tasks-finished") {
      singles.push(message);
      continue;
    }
    hearSingles(hub, worker, singles);
    singles = [];
    await hearColumns(hub, worker, message);
  }
  hearSingles(hub, worker, singles);
  if (hub.turn.spend(singles.length)) await hub.turn.next();
}

function hearSingles(hub: Hub, worker: ConnectedWorker, messages: readonly WorkerToScheduler[]): void {
  if (messages.length === 0 || hub.workers.get(worker.address) !== worker) return;
  for (const message of messages) {
    if (message.op === "log-event") hub.publish(message.topic, message.msg);
    else if (message.op === "worker-status-change") noteLeaving(worker, message.status);
  }
  hub.onWorkerMessages?.(worker.address, messages);
  hub.feed({ type: "worker-messages", worker: worker.address, messages });
  if (messages.some((message) => message.op === "worker-status-change")) hub.workerChanged();
}

/** One that was to retire and could not says that it runs again. */
function noteLeaving(worker: ConnectedWorker, status: string): void {
  if (status.startsWith("clos")) worker.isLeaving = true;
  else if (status === "running") worker.isLeaving = false;
}

/** Ends in one event; in several where there are very many. */
const ENDS_MAX = 4096;

async function hearColumns(hub: Hub, worker: ConnectedWorker, message: TasksFinished): Promise<void> {
  const { submission, tasks, runIds, nbytes, seconds, kinds, scalars } = message;
  for (let from = 0; from < tasks.length; from += ENDS_MAX) {
    if (hub.workers.get(worker.address) !== worker) return;
    const to = from + ENDS_MAX;
    const ends = {
      submission,
      tasks: tasks.subarray(from, to),
      runIds: runIds.subarray(from, to),
      nbytes: nbytes.subarray(from, to),
      seconds: seconds.subarray(from, to),
      ...(kinds && scalars ? { kinds: kinds.subarray(from, to), scalars: scalars.subarray(from, to) } : {}),
    };
    hub.onTasksFinished?.(worker.address, ends);
    hub.feedSoon({ type: "tasks-finished", worker: worker.address, ...ends });
    if (hub.turn.spend(ends.tasks.length)) await hub.turn.next();
  }
}

/** Answer `heartbeat_worker`. */
export function heartbeat(hub: Hub, request: ReadonlyMap<unknown, unknown>): unknown {
  const { address } = HEARTBEAT_WORKER.parse(withoutMetrics(request));
  const worker = hub.workers.get(address);
  if (!worker) return HEARTBEAT_WORKER.answer({ status: "missing" });
  worker.metrics = rawMetrics(request);
  noteUnmanaged(worker, hub.clock.now());
  worker.stream.wake();
  const memory = worker.metrics.get("memory");
  hub.feed({ type: "worker-heartbeat", worker: address, memoryBytes: typeof memory === "number" ? memory : 0 });
  return HEARTBEAT_WORKER.answer({
    status: "OK",
    time: hub.clock.wall() / 1000,
    heartbeatInterval: heartbeatSeconds(hub.workers.size),
  });
}

/** What a worker measures differs between systems and is only shown: it is kept as it came, and not checked. */
function withoutMetrics(request: ReadonlyMap<unknown, unknown>): ReadonlyMap<unknown, unknown> {
  return new Map(request).set("metrics", NO_METRICS);
}

const NO_RATES: ReadonlyMap<string, number> = new Map([
  ["read_bps", 0],
  ["write_bps", 0],
]);
const NO_METRICS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["task_counts", new Map()],
  [
    "bandwidth",
    new Map<string, unknown>([
      ["total", 0],
      ["workers", new Map()],
      ["types", new Map()],
    ]),
  ],
  ["digests_total_since_heartbeat", new Map()],
  ["managed_bytes", 0],
  [
    "spilled_bytes",
    new Map([
      ["memory", 0],
      ["disk", 0],
    ]),
  ],
  [
    "transfer",
    new Map(
      [
        "incoming_bytes",
        "incoming_count",
        "incoming_count_total",
        "outgoing_bytes",
        "outgoing_count",
        "outgoing_count_total",
      ].map((name) => [name, 0]),
    ),
  ],
  ["event_loop_interval", 0],
  ["cpu", 0],
  ["memory", 0],
  ["time", 0],
  ["host_net_io", NO_RATES],
  ["num_fds", 0],
]);

function rawMetrics(request: ReadonlyMap<unknown, unknown>): ReadonlyMap<unknown, unknown> {
  const metrics = request.get("metrics");
  return metrics instanceof Map ? metrics : new Map();
}

function factsOf(
  me: RegisterWorker,
  { isPython, isColumnar }: { readonly isPython: boolean; readonly isColumnar: boolean },
): WorkerFacts {
  const budget = me.extra.get("budget_bytes");
  const spill = me.extra.get("spill_bytes");
  return {
    address: me.address,
    name: String(me.name),
    nthreads: me.nthreads,
    budgetBytes: isPython ? null : typeof budget === "number" ? budget : me.memoryLimit,
    spillBytes: !isPython && typeof spill === "number" && spill > 0 ? spill : 0,
    kind: isPython ? "python" : "rsdat",
    resources: me.resources,
    isColumnar,
    status: "init",
  };
}

/** What identity tells of a worker besides what the machine knows. */
function infoOf(me: RegisterWorker, comm: Comm): ReadonlyMap<string, unknown> {
  // As Dask does, what a worker adds to its registration is told on; the fields below win.
  const extra = Array.from(me.extra, ([name, value]) => [String(name), value] as const).filter(
    ([name]) => name !== "inventory",
  );
  return new Map<string, unknown>([
    ...extra,
    ["type", "Worker"],
    ["id", me.name],
    ["name", me.name],
    ["host", hostOf(me.address)],
    ["resources", me.resources],
    ["local_directory", me.localDirectory],
    ["nthreads", me.nthreads],
    ["memory_limit", me.memoryLimit ?? 0],
    ["services", me.services],
    ["nanny", me.nanny],
    ["pid", me.pid],
    ["peer", comm.peer],
  ]);
}

function hostOf(address: string): string {
  return /^(?:[a-z]+:\/\/)?\[?([^\]]*?)\]?(?::\d+)?$/.exec(address)?.[1] ?? address;
}
