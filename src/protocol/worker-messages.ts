/** Messages of the stream between worker and scheduler (dask-protocol §9). Field names here are ours; the wire's follow by rule. */
import type { Key } from "../graph/index.ts";
import {
  ANYTHING,
  BYTES,
  type Codec,
  type Family,
  FLAG,
  family,
  INTEGER,
  KEY,
  listOf,
  mapOf,
  NUMBER,
  nullable,
  OPAQUE,
  type Op,
  op,
  optional,
  record,
  SERIALIZED,
  TEXT,
} from "./codec.ts";
import type { Pickled, Serialized } from "./msgpack.ts";

/** Contact address of a worker, as it registered. */
export type WorkerAddress = string;
/** Addresses per key. */
export type WhoHas = ReadonlyMap<Key, readonly WorkerAddress[]>;
/** Bytes per key. */
export type NbytesOf = ReadonlyMap<Key, number>;

/** Why a task failed, as it travels: opaque pickles for Python, texts for everybody. */
export interface WireFailure {
  readonly exception: Serialized | Pickled;
  readonly traceback: Serialized | Pickled | null;
  readonly exceptionText: string;
  readonly tracebackText: string;
}

/** One measured part of a task's life; times are seconds since 1970. */
export interface StartStop {
  readonly action: string;
  readonly start: number;
  readonly stop: number;
  readonly source?: string;
}

/** Fields shared by most stream messages. */
interface Caused {
  readonly stimulusId: string;
}

export interface ComputeTask extends Caused {
  readonly op: "compute-task";
  readonly key: Key;
  /** Echoed by the worker; a result with a stale one is dropped. */
  readonly runId: number;
  /** Smaller first, compared as a tuple. */
  readonly priority: readonly number[];
  readonly whoHas: WhoHas;
  readonly nbytes: NbytesOf;
  /** A pickled `Task`, or a native spec (see `taskSpecOf`). */
  readonly runSpec: Serialized | Pickled;
  readonly resourceRestrictions: ReadonlyMap<string, number> | null;
  readonly actor: boolean;
  readonly annotations: ReadonlyMap<unknown, unknown> | null;
  readonly spanId: string | null;
}
export interface FreeKeys extends Caused {
  readonly op: "free-keys";
  readonly keys: readonly Key[];
  /** Only to peers that speak columns: as in `free-tasks`, nobody waits to hear of each key that is dropped. */
  readonly isSilent?: boolean;
}
export interface RemoveReplicas extends Caused {
  readonly op: "remove-replicas";
  readonly keys: readonly Key[];
}
export interface AcquireReplicas extends Caused {
  readonly op: "acquire-replicas";
  readonly whoHas: WhoHas;
  readonly nbytes: NbytesOf;
}
export interface StealRequest extends Caused {
  readonly op: "steal-request";
  readonly key: Key;
}
export interface RefreshWhoHas extends Caused {
  readonly op: "refresh-who-has";
  readonly whoHas: WhoHas;
}
export interface CancelCompute extends Caused {
  readonly op: "cancel-compute";
  readonly key: Key;
}
export interface WorkerStatusChange extends Caused {
  readonly op: "worker-status-change";
  /** Dask's states: init, running, paused, closing, closing_gracefully, closed, … */
  readonly status: string;
}
export interface RemoveWorker extends Caused {
  readonly op: "remove-worker";
  readonly worker: WorkerAddress;
}
/** The scheduler asks the worker to end. */
export interface CloseWorker {
  readonly op: "close";
  readonly reason?: string;
}

/** What a scheduler sends to a worker on its stream. */
export type SchedulerToWorker =
  | ComputeTask
  | FreeKeys
  | RemoveReplicas
  | AcquireReplicas
  | StealRequest
  | RefreshWhoHas
  | CancelCompute
  | WorkerStatusChange
  | RemoveWorker
  | CloseWorker;

export interface TaskFinished extends Caused {
  readonly op: "task-finished";
  readonly key: Key;
  readonly runId: number;
  readonly nbytes: number;
  /** Pickled class of the result. */
  readonly type: Uint8Array;
  readonly typename: string;
  readonly metadata: ReadonlyMap<unknown, unknown>;
  readonly thread: number | null;
  readonly startstops: readonly StartStop[];
}
export interface TaskErred extends Caused, WireFailure {
  readonly op: "task-erred";
  readonly key: Key;
  readonly runId: number;
  readonly thread: number | null;
  readonly startstops: readonly StartStop[];
}
export interface ReleaseWorkerData extends Caused {
  readonly op: "release-worker-data";
  readonly key: Key;
}
export interface AddKeys extends Caused {
  readonly op: "add-keys";
  readonly keys: readonly Key[];
}
export interface Reschedule extends Caused {
  readonly op: "reschedule";
  readonly key: Key;
}
export interface LongRunning extends Caused {
  readonly op: "long-running";
  readonly key: Key;
  readonly runId: number;
  /** Seconds until the task left its slot. */
  readonly computeDuration: number | null;
}
export interface RequestRefreshWhoHas extends Caused {
  readonly op: "request-refresh-who-has";
  readonly keys: readonly Key[];
}
export interface StealResponse extends Caused {
  readonly op: "steal-response";
  readonly key: Key;
  /** State of the task at the worker; null when it is unknown there. */
  readonly state: string | null;
}
export interface LogEvent {
  readonly op: "log-event";
  readonly topic: string;
  readonly msg: unknown;
}
export interface KeepAlive {
  readonly op: "keep-alive";
}

/** What a worker sends to its scheduler on its stream. */
export type WorkerToScheduler =
  | TaskFinished
  | TaskErred
  | ReleaseWorkerData
  | AddKeys
  | Reschedule
  | LongRunning
  | RequestRefreshWhoHas
  | StealResponse
  | WorkerStatusChange
  | LogEvent
  | KeepAlive;

const KEYS = listOf(KEY);
/** Addresses per key. */
export const WHO_HAS: Codec<WhoHas> = mapOf(KEY, listOf(TEXT));
const NBYTES = mapOf(KEY, INTEGER);
/** A map nobody looks into. */
export const LOOSE_MAP: Codec<ReadonlyMap<unknown, unknown>> = mapOf(ANYTHING, ANYTHING);
const STARTSTOPS = listOf(record<StartStop>({ action: TEXT, start: NUMBER, stop: NUMBER, source: optional(TEXT) }));
const FAILURE = { exception: OPAQUE, traceback: nullable(OPAQUE), exceptionText: TEXT, tracebackText: TEXT };
const CAUSED_KEY = { key: KEY, stimulusId: TEXT };
const CAUSED_KEYS = { keys: KEYS, stimulusId: TEXT };
const STATUS_CHANGE = op<WorkerStatusChange>({ status: TEXT, stimulusId: TEXT });

/** One op of each member of a union of messages. */
export type Ops<M extends { readonly op: string }> = { readonly [O in M["op"]]: Op<Extract<M, { readonly op: O }>> };

/** Ops of the scheduler's half of the worker stream, as Dask has them. */
export const SCHEDULER_OPS: Ops<SchedulerToWorker> = {
  "compute-task": op<ComputeTask>({
    key: KEY,
    runId: INTEGER,
    priority: listOf(NUMBER),
    stimulusId: TEXT,
    whoHas: WHO_HAS,
    nbytes: NBYTES,
    runSpec: OPAQUE,
    resourceRestrictions: nullable(mapOf(TEXT, NUMBER)),
    actor: FLAG,
    annotations: nullable(LOOSE_MAP),
    spanId: nullable(TEXT),
  }),
  "free-keys": op<FreeKeys>({ ...CAUSED_KEYS, isSilent: optional(FLAG) }),
  "remove-replicas": op<RemoveReplicas>(CAUSED_KEYS),
  "acquire-replicas": op<AcquireReplicas>({ whoHas: WHO_HAS, nbytes: NBYTES, stimulusId: TEXT }),
  "steal-request": op<StealRequest>(CAUSED_KEY),
  "refresh-who-has": op<RefreshWhoHas>({ whoHas: WHO_HAS, stimulusId: TEXT }),
  "cancel-compute": op<CancelCompute>(CAUSED_KEY),
  "worker-status-change": STATUS_CHANGE,
  "remove-worker": op<RemoveWorker>({ worker: TEXT, stimulusId: TEXT }),
  close: op<CloseWorker>({ reason: optional(TEXT) }),
};

/** Codec of the scheduler's half of the worker stream. */
export const SCHEDULER_TO_WORKER: Family<SchedulerToWorker> = family("scheduler to worker", SCHEDULER_OPS);

/** Ops of the worker's half of its stream, as Dask has them. */
export const WORKER_OPS: Ops<WorkerToScheduler> = {
  "task-finished": op<TaskFinished>(
    {
      key: KEY,
      runId: INTEGER,
      nbytes: INTEGER,
      type: BYTES,
      typename: TEXT,
      metadata: LOOSE_MAP,
      thread: nullable(INTEGER),
      startstops: STARTSTOPS,
      stimulusId: TEXT,
    },
    { status: "OK" },
  ),
  "task-erred": op<TaskErred>(
    { key: KEY, runId: INTEGER, ...FAILURE, thread: nullable(INTEGER), startstops: STARTSTOPS, stimulusId: TEXT },
    { status: "error" },
  ),
  "release-worker-data": op<ReleaseWorkerData>(CAUSED_KEY),
  "add-keys": op<AddKeys>(CAUSED_KEYS),
  reschedule: op<Reschedule>(CAUSED_KEY),
  "long-running": op<LongRunning>({ key: KEY, runId: INTEGER, computeDuration: nullable(NUMBER), stimulusId: TEXT }),
  "request-refresh-who-has": op<RequestRefreshWhoHas>(CAUSED_KEYS),
  "steal-response": op<StealResponse>({ key: KEY, state: nullable(TEXT), stimulusId: TEXT }),
  "worker-status-change": STATUS_CHANGE,
  "log-event": op<LogEvent>({ topic: TEXT, msg: ANYTHING }),
  "keep-alive": op<KeepAlive>({}),
};

/** Codec of the worker's half of its stream. */
export const WORKER_TO_SCHEDULER: Family<WorkerToScheduler> = family("worker to scheduler", WORKER_OPS);

/** Rates of a device, bytes per second. */
export interface IoRates {
  readonly readBps: number;
  readonly writeBps: number;
}

/** What a worker measures about itself; the minimum that a Dask scheduler and its dashboard read. Absent: not told here. */
export interface WorkerMetrics {
  readonly taskCounts: ReadonlyMap<string, number>;
  /** Bytes per second. */
  readonly bandwidth: {
    readonly total: number;
    readonly workers: ReadonlyMap<unknown, unknown>;
    readonly types: ReadonlyMap<unknown, unknown>;
  };
  readonly digestsTotalSinceHeartbeat: ReadonlyMap<unknown, unknown>;
  readonly managedBytes: number;
  readonly spilledBytes: { readonly memory: number; readonly disk: number };
  readonly transfer: {
    readonly incomingBytes: number;
    readonly incomingCount: number;
    readonly incomingCountTotal: number;
    readonly outgoingBytes: number;
    readonly outgoingCount: number;
    readonly outgoingCountTotal: number;
  };
  /** Seconds. */
  readonly eventLoopInterval: number;
  /** Percent of one CPU. */
  readonly cpu: number;
  /** Bytes of the process. */
  readonly memory: number;
  /** Seconds since 1970. */
  readonly time: number;
  /** Of the whole machine, as the next two. */
  readonly hostNetIo?: IoRates;
  readonly hostDiskIo?: IoRates;
  /** CPUs by what they do. */
  readonly hostCpu?: ReadonlyMap<string, number>;
  /** Share (0 to 1) of the time in which the event loop was busy. */
  readonly gilContention?: number;
  readonly numFds?: number;
}

const IO_RATES = record<IoRates>({ readBps: NUMBER, writeBps: NUMBER });

/** Codec of {@link WorkerMetrics}. */
export const METRICS: Codec<WorkerMetrics> = record<WorkerMetrics>({
  taskCounts: mapOf(TEXT, NUMBER),
  bandwidth: record<WorkerMetrics["bandwidth"]>({ total: NUMBER, workers: LOOSE_MAP, types: LOOSE_MAP }),
  digestsTotalSinceHeartbeat: LOOSE_MAP,
  managedBytes: NUMBER,
  spilledBytes: record<WorkerMetrics["spilledBytes"]>({ memory: NUMBER, disk: NUMBER }),
  transfer: record<WorkerMetrics["transfer"]>({
    incomingBytes: NUMBER,
    incomingCount: NUMBER,
    incomingCountTotal: NUMBER,
    outgoingBytes: NUMBER,
    outgoingCount: NUMBER,
    outgoingCountTotal: NUMBER,
  }),
  eventLoopInterval: NUMBER,
  cpu: NUMBER,
  memory: NUMBER,
  time: NUMBER,
  hostNetIo: optional(IO_RATES),
  hostDiskIo: optional(IO_RATES),
  hostCpu: optional(mapOf(TEXT, NUMBER)),
  gilContention: optional(NUMBER),
  numFds: optional(NUMBER),
});

/** Codec of a failure inside a message. */
export const FAILURE_FIELDS: {
  readonly exception: Codec<Serialized | Pickled>;
  readonly traceback: Codec<Serialized | Pickled | null>;
} = { exception: FAILURE.exception, traceback: FAILURE.traceback };

/** Message values keyed by task. */
export const DATA: Codec<ReadonlyMap<Key, Serialized>> = mapOf(KEY, SERIALIZED);
