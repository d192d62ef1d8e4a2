/** Messages of the stream between client and scheduler (dask-protocol §§8, 15). */
import type { Key } from "../graph/index.ts";
import {
  ANYTHING,
  BYTES,
  type Codec,
  either,
  type Family,
  FLAG,
  family,
  INTEGER,
  KEY,
  listOf,
  mapOf,
  NUMBER,
  nullable,
  op,
  optional,
  PICKLED,
  SERIALIZED,
  setOf,
  TEXT,
} from "./codec.ts";
import {
  KEYS_IN_MEMORY,
  type KeysInMemory,
  RELEASES_BLOCKS,
  RELEASES_COLUMN,
  type ReleasesBlocks,
  type ReleasesColumn,
  TASKS_IN_MEMORY,
  type TasksInMemory,
} from "./column-messages.ts";
import { Pickled, type Serialized } from "./msgpack.ts";
import { FAILURE_FIELDS, LOOSE_MAP, type WorkerAddress } from "./worker-messages.ts";

export interface UpdateGraph {
  readonly op: "update-graph";
  /** The pickled expression, uncompressed and unsplit. */
  readonly exprSer: Serialized;
  /** Wanted keys. */
  readonly keys: readonly Key[];
  /** Order of the tasks; null lets the scheduler order them. */
  readonly internalPriority: ReadonlyMap<Key, number> | null;
  readonly submittingTask: Key | null;
  readonly userPriority?: number | ReadonlyMap<Key, number>;
  readonly actors: boolean | readonly Key[] | null;
  /** Duration as text ("60s") or seconds. */
  readonly fifoTimeout: string | number;
  readonly code: unknown;
  readonly annotations: Pickled | ReadonlyMap<unknown, unknown> | null;
  readonly spanMetadata: unknown;
  readonly stimulusId?: string;
}
/** Symbolic layers for an rsdat scheduler; only after the dialect was agreed in the handshake. */
export interface UpdateLayers {
  readonly op: "update-layers";
  /** The layers, as `encodeGraph` of `graph` wrote them. */
  readonly layers: Uint8Array;
  /** Wanted blocks: layer, first index, index after the last. */
  readonly wanted: readonly (readonly [layer: string | number, start: number, stop: number])[];
  readonly annotations: ReadonlyMap<unknown, unknown>;
  readonly client: string;
  readonly stimulusId: string;
}
export interface ClientDesiresKeys {
  readonly op: "client-desires-keys";
  readonly keys: readonly Key[];
  /** Absent: the client whose stream it is. `fire-and-forget` stands for nobody in particular. */
  readonly client?: string;
}
export interface ClientReleasesKeys {
  readonly op: "client-releases-keys";
  readonly keys: readonly Key[];
  readonly client: string;
}
export interface ReportKey {
  readonly op: "report-key";
  readonly key: Key;
}
export interface CancelKeys {
  readonly op: "cancel-keys";
  readonly keys: readonly Key[];
  readonly force: boolean;
  readonly reason: string | null;
  readonly msg: string | null;
}
export interface HeartbeatClient {
  readonly op: "heartbeat-client";
}
export interface CloseClient {
  readonly op: "close-client";
}
export interface SubscribeTopic {
  readonly op: "subscribe-topic";
  readonly topic: string;
  readonly client: string;
}
export interface UnsubscribeTopic {
  readonly op: "unsubscribe-topic";
  readonly topic: string;
  readonly client: string;
}

/** Point of the stream that a request about published data waits for. */
export interface PublishFlush {
  readonly op: "publish_flush_batched_send";
  readonly uid: unknown;
}

/** A client has taken the future that it got from a queue. */
export interface QueueFutureRelease {
  readonly op: "queue-future-release";
  readonly name: unknown;
  readonly key: Key;
}
/** A client is done with a queue. */
export interface QueueRelease {
  readonly op: "queue_release";
  readonly name: unknown;
}
/** A client has taken the future that it read from a variable. */
export interface VariableFutureReceived {
  readonly op: "variable-future-received-confirm";
  readonly name: unknown;
  readonly key: Key;
  readonly token: string;
}
export interface VariableDelete {
  readonly op: "variable_delete";
  readonly name: unknown;
}

/** Messages about queues and variables. */
export type CoordinationMessage = QueueFutureRelease | QueueRelease | VariableFutureReceived | VariableDelete;

/** What a client sends to its scheduler on its stream. */
export type ClientToScheduler =
  | CoordinationMessage
  | PublishFlush
  | UpdateGraph
  | UpdateLayers
  | ClientDesiresKeys
  | ClientReleasesKeys
  | ReleasesBlocks
  | ReleasesColumn
  | ReportKey
  | CancelKeys
  | HeartbeatClient
  | CloseClient
  | SubscribeTopic
  | UnsubscribeTopic;

/** First answer to register-client; a non-empty `error` is fatal, `warning` is text for people. */
export interface StreamStart {
  readonly op: "stream-start";
  readonly warning?: string;
  readonly error?: string;
  /** Ours: this scheduler can be started again from its journal; clients of ours then come back to it. */
  readonly keepsJournal?: boolean;
}
export interface KeyInMemory {
  readonly op: "key-in-memory";
  readonly key: Key;
  /** Pickled class of the result. */
  readonly type?: Uint8Array;
  readonly workers?: readonly WorkerAddress[];
  /** The result itself, if it is a scalar; a list of one. */
  readonly scalar?: readonly (number | boolean | null)[];
}
export interface ClientTaskErred {
  readonly op: "task-erred";
  readonly key: Key;
  readonly exception: Serialized | Pickled;
  readonly traceback: Serialized | Pickled | null;
}
export interface LostData {
  readonly op: "lost-data";
  readonly key: Key;
}
export interface CancelledKeys {
  readonly op: "cancelled-keys";
  readonly keys: readonly Key[];
  readonly reason: string | null;
  readonly msg: string | null;
}
export interface TaskRetried {
  readonly op: "task-retried";
  readonly key: Key;
}
export interface SchedulerRestart {
  readonly op: "restart";
}
/** A request of this client failed as a whole. */
export interface SchedulerError {
  readonly op: "error";
  readonly exception?: unknown;
  readonly traceback?: unknown;
}
export interface TopicEvent {
  readonly op: "event";
  readonly topic: string;
  readonly event: unknown;
}
export interface AdjustHeartbeatInterval {
  readonly op: "adjust-heartbeat-interval";
  /** Seconds. */
  readonly interval: number;
}
export interface StreamClosed {
  readonly op: "stream-closed";
}
export interface SchedulerClose {
  readonly op: "close";
  readonly reason?: string;
}

/** What a scheduler sends to a client on its stream. */
export type SchedulerToClient =
  | StreamStart
  | KeyInMemory
  | TasksInMemory
  | KeysInMemory
  | ClientTaskErred
  | LostData
  | CancelledKeys
  | TaskRetried
  | SchedulerRestart
  | SchedulerError
  | TopicEvent
  | AdjustHeartbeatInterval
  | StreamClosed
  | SchedulerClose;

const KEYS = listOf(KEY);
const KEY_NUMBERS: Codec<ReadonlyMap<Key, number>> = mapOf(KEY, NUMBER);
const isText = (value: string | number): value is string => typeof value === "string";
const CLIENT_KEYS = { keys: KEYS, client: TEXT };
const TOPIC = { topic: TEXT, client: TEXT };
const SCALAR: Codec<number | boolean | null> = nullable({
  read: (value, place) => (typeof value === "boolean" ? value : NUMBER.read(value, place)),
  write: (value: number | boolean) => value,
});
const WANTED: Codec<UpdateLayers["wanted"][number]> = {
  read: (value, place) => {
    const [layer, start, stop] = listOf(ANYTHING).read(value, place);
    const name = typeof layer === "number" ? INTEGER.read(layer, place) : TEXT.read(layer, place);
    return [name, INTEGER.read(start, place), INTEGER.read(stop, place)];
  },
  write: (value) => value,
};

/** Codec of the client's half of its stream. */
export const CLIENT_TO_SCHEDULER: Family<ClientToScheduler> = family<ClientToScheduler>("client to scheduler", {
  "update-graph": op<UpdateGraph>({
    exprSer: SERIALIZED,
    keys: setOf(KEY),
    internalPriority: nullable(KEY_NUMBERS),
    submittingTask: nullable(KEY),
    userPriority: optional(either(NUMBER, KEY_NUMBERS, (value): value is number => typeof value === "number")),
    actors: nullable(either(FLAG, KEYS, (value): value is boolean => typeof value === "boolean")),
    fifoTimeout: either(TEXT, NUMBER, isText),
    code: ANYTHING,
    annotations: nullable(either(PICKLED, LOOSE_MAP, (value): value is Pickled => value instanceof Pickled)),
    spanMetadata: ANYTHING,
    stimulusId: optional(TEXT),
  }),
  "update-layers": op<UpdateLayers>({
    layers: BYTES,
    wanted: listOf(WANTED),
    annotations: LOOSE_MAP,
    client: TEXT,
    stimulusId: TEXT,
  }),
  "client-desires-keys": op<ClientDesiresKeys>({ keys: KEYS, client: optional(TEXT) }),
  "client-releases-keys": op<ClientReleasesKeys>(CLIENT_KEYS),
  "client-releases-blocks": RELEASES_BLOCKS,
  "client-releases-column": RELEASES_COLUMN,
  "report-key": op<ReportKey>({ key: KEY }),
  "cancel-keys": op<CancelKeys>({ keys: KEYS, force: FLAG, reason: nullable(TEXT), msg: nullable(TEXT) }),
  "heartbeat-client": op<HeartbeatClient>({}),
  "close-client": op<CloseClient>({}),
  "subscribe-topic": op<SubscribeTopic>(TOPIC),
  "unsubscribe-topic": op<UnsubscribeTopic>(TOPIC),
  publish_flush_batched_send: op<PublishFlush>({ uid: ANYTHING }),
  "queue-future-release": op<QueueFutureRelease>({ name: ANYTHING, key: KEY }),
  queue_release: op<QueueRelease>({ name: ANYTHING }),
  "variable-future-received-confirm": op<VariableFutureReceived>({ name: ANYTHING, key: KEY, token: TEXT }),
  variable_delete: op<VariableDelete>({ name: ANYTHING }),
});

/** Codec of the scheduler's half of the client stream. */
export const SCHEDULER_TO_CLIENT: Family<SchedulerToClient> = family<SchedulerToClient>("scheduler to client", {
  "stream-start": op<StreamStart>({ warning: optional(TEXT), error: optional(TEXT), keepsJournal: optional(FLAG) }),
  "key-in-memory": op<KeyInMemory>({
    key: KEY,
    type: optional(BYTES),
    workers: optional(listOf(TEXT)),
    scalar: optional(listOf(SCALAR)),
  }),
  "tasks-in-memory": TASKS_IN_MEMORY,
  "keys-in-memory": KEYS_IN_MEMORY,
  "task-erred": op<ClientTaskErred>({ key: KEY, ...FAILURE_FIELDS }),
  "lost-data": op<LostData>({ key: KEY }),
  "cancelled-keys": op<CancelledKeys>({ keys: KEYS, reason: nullable(TEXT), msg: nullable(TEXT) }),
  "task-retried": op<TaskRetried>({ key: KEY }),
  restart: op<SchedulerRestart>({}),
  error: op<SchedulerError>({ exception: optional(ANYTHING), traceback: optional(ANYTHING) }),
  event: op<TopicEvent>({ topic: TEXT, event: ANYTHING }),
  "adjust-heartbeat-interval": op<AdjustHeartbeatInterval>({ interval: NUMBER }),
  "stream-closed": op<StreamClosed>({}),
  close: op<SchedulerClose>({ reason: optional(TEXT) }),
});
