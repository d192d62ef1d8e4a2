/** Requests and their answers on rpc connections (dask-protocol §§8–10). */
import type { Key } from "../graph/index.ts";
import { type BlockPack, PACKS } from "./block-packs.ts";
import {
  ANYTHING,
  BYTES,
  type Codec,
  FLAG,
  INTEGER,
  KEY,
  listOf,
  mapOf,
  NUMBER,
  named,
  nullable,
  optional,
  type Request,
  record,
  request,
  SERIALIZED,
  setOf,
  TEXT,
} from "./codec.ts";
import { checkReply } from "./failure.ts";
import type { Serialized } from "./msgpack.ts";
import {
  DATA,
  LOOSE_MAP,
  METRICS,
  WHO_HAS,
  type WhoHas,
  type WorkerAddress,
  type WorkerMetrics,
} from "./worker-messages.ts";

type Loose = ReadonlyMap<unknown, unknown>;
const KEYS = listOf(KEY);
const NOTHING: Codec<unknown> = ANYTHING;

/** What a peer says about its software: free form, only shown and compared. */
export interface Versions {
  readonly host: Loose;
  readonly packages: Loose;
}
const VERSIONS_INFO = record<Versions>({ host: LOOSE_MAP, packages: LOOSE_MAP });

/** Opens a client stream: sent with `reply: false`; answered by a batch with `stream-start`. */
export const REGISTER_CLIENT: Request<{ readonly client: string; readonly versions: Versions }, unknown> = request(
  "register-client",
  { client: TEXT, versions: VERSIONS_INFO },
  NOTHING,
  checkReply,
);

/** A worker's introduction. */
export interface RegisterWorker {
  readonly address: WorkerAddress;
  readonly status: string;
  readonly nthreads: number;
  readonly name: string | number;
  /** Seconds since 1970. */
  readonly now: number;
  readonly resources: ReadonlyMap<string, number>;
  readonly memoryLimit: number | null;
  readonly localDirectory: string;
  readonly services: Loose;
  readonly nanny: string | null;
  readonly pid: number;
  readonly versions: Versions;
  readonly metrics: WorkerMetrics;
  /** Facts of ours (language, job id, end of walltime) go here: a Python scheduler's fields are strict. */
  readonly extra: Loose;
  readonly stimulusId: string;
  readonly serverId: string;
}
/** Answer to a worker's introduction. */
export interface WorkerRegistered {
  readonly status: string;
  readonly time?: number;
  /** Seconds. */
  readonly heartbeatInterval?: number;
  /** Pickled plugins by name; ignored by rsdat workers. */
  readonly workerPlugins?: ReadonlyMap<string, Uint8Array>;
  readonly warning?: string;
  readonly error?: string;
  /** With status "error": why. */
  readonly message?: string;
  /** Ours: this scheduler can be started again from its journal; workers then come back with what they hold. */
  readonly keepsJournal?: boolean;
}
const NAME: Codec<string | number> = {
  read: (value, place) => (typeof value === "number" ? value : TEXT.read(value, place)),
  write: (value) => value,
};
/** Opens a worker stream: sent with `reply: false`; answered by one map. */
export const REGISTER_WORKER: Request<RegisterWorker, WorkerRegistered> = request<RegisterWorker, WorkerRegistered>(
  "register-worker",
  {
    address: TEXT,
    status: TEXT,
    nthreads: INTEGER,
    name: NAME,
    now: NUMBER,
    resources: mapOf(TEXT, NUMBER),
    memoryLimit: nullable(NUMBER),
    localDirectory: TEXT,
    services: LOOSE_MAP,
    nanny: nullable(TEXT),
    pid: INTEGER,
    versions: VERSIONS_INFO,
    metrics: METRICS,
    extra: LOOSE_MAP,
    stimulusId: TEXT,
    serverId: TEXT,
  },
  record<WorkerRegistered>({
    status: TEXT,
    time: optional(NUMBER),
    heartbeatInterval: named("heartbeat-interval", optional(NUMBER)),
    workerPlugins: named("worker-plugins", optional(mapOf(TEXT, BYTES))),
    warning: optional(TEXT),
    error: optional(TEXT),
    message: optional(TEXT),
    keepsJournal: optional(FLAG),
  }),
  checkReply,
);

/** A worker's sign of life. */
export interface HeartbeatWorker {
  readonly address: WorkerAddress;
  readonly now: number;
  readonly metrics: WorkerMetrics;
  /** Seconds each running task has run. */
  readonly executing: ReadonlyMap<Key, number>;
  readonly extensions: Loose;
}
/** `missing` tells the worker that the scheduler has forgotten it. */
export interface HeartbeatReply {
  readonly status: string;
  readonly time?: number;
  /** Seconds. */
  readonly heartbeatInterval?: number;
}
export const HEARTBEAT_WORKER: Request<HeartbeatWorker, HeartbeatReply> = request<HeartbeatWorker, HeartbeatReply>(
  "heartbeat_worker",
  {
    address: TEXT,
    now: NUMBER,
    metrics: METRICS,
    executing: mapOf(KEY, NUMBER),
    extensions: LOOSE_MAP,
  },
  record<HeartbeatReply>({
    status: TEXT,
    time: optional(NUMBER),
    heartbeatInterval: named("heartbeat-interval", optional(NUMBER)),
  }),
  checkReply,
);

/** Results by key, or the keys that could not be had. */
export interface GatherReply {
  readonly status: string;
  readonly data?: ReadonlyMap<Key, Serialized>;
  readonly keys?: readonly Key[];
}
const GATHERED = record<GatherReply>({ status: TEXT, data: optional(DATA), keys: optional(KEYS) });
/** Client asks the scheduler for results. */
export const GATHER: Request<{ readonly keys: readonly Key[] }, GatherReply> = request(
  "gather",
  { keys: KEYS },
  GATHERED,
  checkReply,
);

/** Values that a client places in the cluster. */
export interface Scatter {
  readonly data: ReadonlyMap<Key, Serialized>;
  readonly workers: readonly WorkerAddress[] | null;
  readonly client: string;
  readonly broadcast: boolean | number;
  /** Seconds to wait for a worker. */
  readonly timeout: number;
}
export const SCATTER: Request<Scatter, readonly Key[]> = request<Scatter, readonly Key[]>(
  "scatter",
  {
    data: DATA,
    workers: nullable(listOf(TEXT)),
    client: TEXT,
    broadcast: {
      read: (value, place) => (typeof value === "number" ? value : FLAG.read(value, place)),
      write: (value) => value,
    },
    timeout: NUMBER,
  },
  KEYS,
  checkReply,
);

/** A client tells the scheduler what it has placed on workers by itself (`scatter(direct=True)`). */
export interface DataPlaced {
  readonly whoHas: WhoHas;
  /** Bytes by key. */
  readonly nbytes: ReadonlyMap<Key, number>;
  readonly client: string;
}
export const DATA_PLACED: Request<DataPlaced, unknown> = request<DataPlaced, unknown>(
  "update_data",
  { whoHas: WHO_HAS, nbytes: mapOf(KEY, NUMBER), client: TEXT },
  NOTHING,
  checkReply,
);
/** Failed tasks to run again; answers those that are none. */
export const RETRY: Request<{ readonly keys: readonly Key[]; readonly client?: string }, readonly Key[]> = request<
  { readonly keys: readonly Key[]; readonly client?: string },
  readonly Key[]
>("retry", { keys: KEYS, client: optional(TEXT) }, KEYS, checkReply);
/** Results to move, and workers to move them between; null: all. */
export interface Rebalance {
  readonly keys: readonly Key[] | null;
  readonly workers: readonly WorkerAddress[] | null;
}
/** `OK`, or `partial-fail` and the keys that are nowhere or could not move. */
export interface Rebalanced {
  readonly status: string;
  readonly keys?: readonly Key[];
}
/** Results move until workers have about the same memory. */
export const REBALANCE: Request<Rebalance, Rebalanced> = request(
  "rebalance",
  { keys: nullable(KEYS), workers: nullable(listOf(TEXT)) },
  record<Rebalanced>({ status: TEXT, keys: optional(KEYS) }),
  checkReply,
);
/** States of tasks by key; null for those that are not known. */
export const TASK_STATUS: Request<{ readonly keys: readonly Key[] }, ReadonlyMap<Key, unknown>> = request(
  "get_task_status",
  { keys: KEYS },
  mapOf(KEY, ANYTHING),
  checkReply,
);

const MAYBE_KEYS = { keys: nullable(KEYS) };
const MAYBE_WORKERS = { workers: nullable(listOf(TEXT)) };
/** Who holds these keys; null asks for all. */
export const WHO_HAS_REQUEST: Request<{ readonly keys: readonly Key[] | null }, WhoHas> = request(
  "who_has",
  MAYBE_KEYS,
  WHO_HAS,
  checkReply,
);
/** What these workers hold; null asks for all. */
export const HAS_WHAT: Request<
  { readonly workers: readonly WorkerAddress[] | null },
  ReadonlyMap<WorkerAddress, readonly Key[]>
> = request("has_what", MAYBE_WORKERS, mapOf(TEXT, KEYS), checkReply);
/** Threads per worker; null asks for all. */
export const NCORES: Request<
  { readonly workers: readonly WorkerAddress[] | null },
  ReadonlyMap<WorkerAddress, number>
> = request("ncores", MAYBE_WORKERS, mapOf(TEXT, INTEGER), checkReply);
/** Bytes per key, or per kind of key with `summary`; null asks for all. */
export const NBYTES_REQUEST: Request<
  { readonly keys: readonly Key[] | null; readonly summary?: boolean },
  ReadonlyMap<Key, number>
> = request<{ readonly keys: readonly Key[] | null; readonly summary?: boolean }, ReadonlyMap<Key, number>>(
  "nbytes",
  { ...MAYBE_KEYS, summary: optional(FLAG) },
  mapOf(KEY, NUMBER),
  checkReply,
);

/** One worker in a scheduler's description. */
export interface WorkerIdentity {
  readonly type: string;
  readonly id: string | number;
  readonly host: string;
  readonly resources: ReadonlyMap<string, number>;
  readonly localDirectory: string;
  readonly name: string | number;
  readonly nthreads: number;
  readonly memoryLimit: number | null;
  readonly lastSeen: number;
  readonly services: Loose;
  readonly metrics: Loose;
  readonly status: string;
  readonly nanny: string | null;
  /** What an rsdat worker said in its registration's `extra`: bytes of blocks it may hold. */
  readonly budgetBytes?: number;
  /** And bytes of blocks that it may keep on disk beside those. */
  readonly spillBytes?: number;
  /** Its `extra` says what it is: `rsdat`, or absent for Python. */
  readonly language?: string;
}
/** A server's description of itself; workers have only `type` and `id`. */
export interface Identity {
  readonly type: string;
  readonly id: string | number;
  readonly address?: string;
  readonly services?: Loose;
  readonly started?: number;
  readonly nWorkers?: number;
  readonly totalThreads?: number;
  readonly totalMemory?: number;
  readonly workers?: ReadonlyMap<WorkerAddress, WorkerIdentity>;
}
const WORKER_IDENTITY = record<WorkerIdentity>({
  type: TEXT,
  id: NAME,
  host: TEXT,
  resources: mapOf(TEXT, NUMBER),
  localDirectory: TEXT,
  name: NAME,
  nthreads: INTEGER,
  memoryLimit: nullable(NUMBER),
  lastSeen: NUMBER,
  services: LOOSE_MAP,
  metrics: LOOSE_MAP,
  status: TEXT,
  nanny: nullable(TEXT),
  budgetBytes: optional(NUMBER),
  spillBytes: optional(NUMBER),
  language: optional(TEXT),
});
/** `nWorkers`: how many workers to describe, -1 for all. */
export const IDENTITY: Request<{ readonly nWorkers?: number }, Identity> = request<
  { readonly nWorkers?: number },
  Identity
>(
  "identity",
  { nWorkers: optional(INTEGER) },
  record<Identity>({
    type: TEXT,
    id: NAME,
    address: optional(TEXT),
    services: optional(LOOSE_MAP),
    started: optional(NUMBER),
    nWorkers: optional(INTEGER),
    totalThreads: optional(INTEGER),
    totalMemory: optional(NUMBER),
    workers: optional(mapOf(TEXT, WORKER_IDENTITY)),
  }),
  checkReply,
);

/** Versions of the software at the other end. */
export const VERSIONS: Request<Record<never, never>, Versions> = request("versions", {}, VERSIONS_INFO, checkReply);
/** Liveness of a worker; answers bytes `pong`. */
export const PING: Request<Record<never, never>, unknown> = request("ping", {}, NOTHING, checkReply);

/** One message for many workers. */
export interface Broadcast {
  readonly msg: Loose;
  readonly workers: readonly WorkerAddress[] | null;
  readonly hosts?: readonly string[];
  readonly nanny: boolean;
  readonly onError: string;
}
export const BROADCAST: Request<Broadcast, unknown> = request<Broadcast, unknown>(
  "broadcast",
  {
    msg: LOOSE_MAP,
    workers: nullable(listOf(TEXT)),
    hosts: optional(listOf(TEXT)),
    nanny: FLAG,
    onError: TEXT,
  },
  NOTHING,
  checkReply,
);

/** A pickled function to run on a Python worker or scheduler, at once. */
export interface RunFunction {
  readonly function: Uint8Array;
  /** Pickled tuple. */
  readonly args: Uint8Array;
  /** Pickled dict. */
  readonly kwargs: Uint8Array;
  readonly wait: boolean;
}
/** `{status: "OK", result}`; the result is a Serialized when it is no plain value. */
export interface RunReply {
  readonly status: string;
  readonly result?: unknown;
  readonly exception?: unknown;
  readonly traceback?: unknown;
}
export const RUN: Request<RunFunction, RunReply> = request<RunFunction, RunReply>(
  "run",
  { function: BYTES, args: BYTES, kwargs: BYTES, wait: FLAG },
  record<RunReply>({
    status: TEXT,
    result: optional(ANYTHING),
    exception: optional(ANYTHING),
    traceback: optional(ANYTHING),
  }),
  checkReply,
);

/** Shut the other end down. */
export const TERMINATE: Request<{ readonly reason?: string }, unknown> = request(
  "terminate",
  { reason: optional(TEXT) },
  NOTHING,
  checkReply,
);
/** A worker leaves, or is made to. */
export const UNREGISTER: Request<{ readonly address: WorkerAddress; readonly stimulusId: string }, unknown> = request(
  "unregister",
  { address: TEXT, stimulusId: TEXT },
  NOTHING,
  checkReply,
);

/** Workers to retire: their data moves elsewhere first. */
export interface RetireWorkers {
  readonly workers?: readonly WorkerAddress[];
  readonly names?: readonly (string | number)[];
  readonly closeWorkers?: boolean;
  readonly remove?: boolean;
  readonly stimulusId?: string;
}
/** Answers the retired workers by address. */
export const RETIRE_WORKERS: Request<RetireWorkers, Loose> = request<RetireWorkers, Loose>(
  "retire_workers",
  {
    workers: optional(listOf(TEXT)),
    names: optional(listOf(NAME)),
    closeWorkers: optional(FLAG),
    remove: optional(FLAG),
    stimulusId: optional(TEXT),
  },
  LOOSE_MAP,
  checkReply,
);

/** `status` "OK" with the data that is there, or "busy". After OK the requester sends the text "OK": see `comm`'s `getData`. */
export interface GetDataReply {
  readonly status: string;
  readonly data?: ReadonlyMap<Key, Serialized>;
  /** Small blocks, where they were asked for together. */
  readonly packs?: readonly BlockPack[];
}
/** A question for results. */
export interface GetData {
  readonly keys: readonly Key[];
  readonly who: WorkerAddress | null;
  /** Small blocks may come together: only rsdat peers say and hear this. */
  readonly packed?: boolean;
}
/** A peer asks a worker for results it holds. */
export const GET_DATA: Request<GetData, GetDataReply> = request<GetData, GetDataReply>(
  "get_data",
  { keys: setOf(KEY), who: nullable(TEXT), packed: optional(FLAG) },
  record<GetDataReply>({ status: TEXT, data: optional(DATA), packs: optional(PACKS) }),
  checkReply,
);

/** Place values on a worker. */
export const UPDATE_DATA: Request<
  { readonly data: ReadonlyMap<Key, Serialized> },
  { readonly nbytes: ReadonlyMap<Key, number>; readonly status: string }
> = request<
  { readonly data: ReadonlyMap<Key, Serialized> },
  { readonly nbytes: ReadonlyMap<Key, number>; readonly status: string }
>(
  "update_data",
  { data: mapOf(KEY, SERIALIZED) },
  record<{ readonly nbytes: ReadonlyMap<Key, number>; readonly status: string }>({
    nbytes: mapOf(KEY, NUMBER),
    status: TEXT,
  }),
  checkReply,
);
/** Make a worker forget values. */
export const FREE_KEYS_REQUEST: Request<{ readonly keys: readonly Key[]; readonly stimulusId: string }, unknown> =
  request("free_keys", { keys: KEYS, stimulusId: TEXT }, NOTHING, checkReply);
/** Make a worker fetch values from its peers. */
export const WORKER_GATHER: Request<{ readonly whoHas: WhoHas }, GatherReply> = request(
  "gather",
  { whoHas: WHO_HAS },
  GATHERED,
  checkReply,
);
/** A plugin for a Python worker; rsdat workers answer OK and ignore it. */
export const PLUGIN_ADD: Request<{ readonly plugin: Uint8Array; readonly name: string }, unknown> = request(
  "plugin-add",
  { plugin: BYTES, name: TEXT },
  NOTHING,
  checkReply,
);
