/**
 * Columns between rsdat peers (dask-protocol §15): many tasks of one symbolic graph in one message. A worker is given the
 * graph once, as its layers; after that tasks are numbers. Columns are little-endian typed arrays in msgpack binaries.
 * Only peers that both said `rsdat` in the handshake send them.
 */
import { RemoteProtocolError } from "../base/index.ts";
import { KeyColumn } from "../graph/index.ts";
import {
  BYTES,
  type Codec,
  type Family,
  family,
  INTEGER,
  listOf,
  NUMBER,
  type Op,
  op,
  optional,
  TEXT,
} from "./codec.ts";
import { WireColumn } from "./msgpack-write.ts";
import {
  type Ops,
  SCHEDULER_OPS,
  type SchedulerToWorker,
  WORKER_OPS,
  type WorkerToScheduler,
} from "./worker-messages.ts";

/** Most tasks in one message, most inputs, and most addresses. */
const TASKS_MAX = 2 ** 20;
const INPUTS_MAX = 2 ** 22;
const ADDRESSES_MAX = 2 ** 16;
/** Axes of an array. */
const AXES_MAX = 64;

/** The layers of a submission, before its first run at this worker. */
export interface GraphMessage {
  readonly op: "graph";
  /** Number of the submission at its scheduler, never used again. */
  readonly submission: number;
  /** As `encodeGraph` gave them. */
  readonly layers: Uint8Array;
}

/** Run tasks of a graph, in rank order; columns of equal length. */
export interface RunTasks {
  readonly op: "run-tasks";
  readonly submission: number;
  /** Numbers of the tasks in the graph. */
  readonly tasks: Uint32Array;
  readonly runIds: Uint32Array;
  readonly ranks: Uint32Array;
  /** Of all: tuples `[-priority, generation, rank]` compare as in compute-task. */
  readonly priority: number;
  readonly generation: number;
  /** Inputs that are not at the worker: rows `[fetchStart[k], fetchStart[k + 1])` belong to `tasks[k]`. */
  readonly fetchStart: Uint32Array;
  /** Numbers of the inputs in the graph, and who holds each: indices of `addresses`. */
  readonly fetchTasks: Uint32Array;
  readonly fetchFrom: Uint32Array;
  /** Bytes of each; absent where the graph says them. */
  readonly fetchBytes?: Float64Array;
  readonly addresses: readonly string[];
  readonly stimulusId: string;
}

/** Results that are wanted no more, and tasks that are not to run. */
export interface FreeTasks {
  readonly op: "free-tasks";
  readonly submission: number;
  readonly tasks: Uint32Array;
  readonly stimulusId: string;
}

/** No run of the submission will come any more. */
export interface ForgetGraph {
  readonly op: "forget-graph";
  readonly submission: number;
}

/** Tasks that ended well in one turn; columns of equal length. */
export interface TasksFinished {
  readonly op: "tasks-finished";
  readonly submission: number;
  readonly tasks: Uint32Array;
  readonly runIds: Uint32Array;
  readonly nbytes: Float64Array;
  /** On the thread. */
  readonly seconds: Float32Array;
  /** Results that are scalars, so that who waits for them need not ask; absent where there are none. See graph's `scalarIn`. */
  readonly kinds?: Uint8Array;
  readonly scalars?: Float64Array;
}

/** Blocks of one layer that are wanted by a client and have got into memory at one worker: many `key-in-memory` in one. */
export interface TasksInMemory {
  readonly op: "tasks-in-memory";
  /** Name of the layer; its keys are `(layer, i, j, …)`. */
  readonly layer: string;
  /** Blocks along each axis. */
  readonly grid: readonly number[];
  /** Numbers of the blocks, in C order of the grid. */
  readonly blocks: Uint32Array;
  readonly worker: string;
}

/** Results with keys of their own that are wanted by a client and have got into memory at one worker. */
export interface KeysInMemory {
  readonly op: "keys-in-memory";
  readonly keys: KeyColumn;
  /** Those that are scalars, so that nobody has to ask for them: columns as in {@link TasksFinished}. */
  readonly kinds: Uint8Array;
  readonly scalars: Float64Array;
  readonly worker: string;
}

/** A client wants blocks of one layer no more: many keys of `client-releases-keys` in one. */
export interface ReleasesBlocks {
  readonly op: "client-releases-blocks";
  readonly layer: string;
  readonly grid: readonly number[];
  readonly blocks: Uint32Array;
  readonly client: string;
}

/** A client wants results with keys of their own no more: `client-releases-keys` of a column of keys. */
export interface ReleasesColumn {
  readonly op: "client-releases-column";
  readonly keys: KeyColumn;
  readonly client: string;
}

/** What a scheduler of ours sends beside Dask's ops. */
export type ColumnsToWorker = GraphMessage | RunTasks | FreeTasks | ForgetGraph;

type Column = Uint8Array | Uint32Array | Float32Array | Float64Array;
type ColumnClass<C extends Column> = (new (
  source: ArrayBuffer | number,
) => C) & {
  readonly BYTES_PER_ELEMENT: number;
};

/** Columns of so few bytes are read element by element: they have no memory but the heap's then, as most have one row. */
const FEW_BYTES = 64;
const SCRATCH = new DataView(new ArrayBuffer(FEW_BYTES));
const SCRATCH_BYTES = new Uint8Array(SCRATCH.buffer);

function few<C extends Column>(bytes: Uint8Array, column: C): C {
  for (let i = 0; i < bytes.byteLength; i++) SCRATCH_BYTES[i] = bytes[i] as number; // i < length
  const size = column.BYTES_PER_ELEMENT;
  for (let i = 0; i < column.length; i++) {
    if (size === 1) column[i] = SCRATCH.getUint8(i);
    else if (size === 8) column[i] = SCRATCH.getFloat64(8 * i, true);
    else column[i] = column instanceof Float32Array ? SCRATCH.getFloat32(4 * i, true) : SCRATCH.getUint32(4 * i, true);
  }
  return column;
}

/** Bytes of a typed array, at most `lengthMax` elements. Read as a copy, since binaries of a message are not aligned. */
function column<C extends Column>(make: ColumnClass<C>, lengthMax: number): Codec<C> {
  return {
    read: (value, place) => {
      const bytes = BYTES.read(value, place);
      const size = make.BYTES_PER_ELEMENT;
      if (bytes.byteLength % size !== 0 || bytes.byteLength > size * lengthMax)
        throw new RemoteProtocolError(
          `${place}: ${bytes.byteLength} bytes; expected at most ${lengthMax} elements of ${size} bytes`,
          { details: { place } },
        );
      if (bytes.byteLength <= FEW_BYTES) return few(bytes, new make(bytes.byteLength / size));
      const copy = new Uint8Array(bytes.byteLength);
      copy.set(bytes);
      return new make(copy.buffer);
    },
    write: (array) => new WireColumn(array),
  };
}

const TASK_IDS = column<Uint32Array>(Uint32Array, TASKS_MAX);
const INPUT_IDS = column<Uint32Array>(Uint32Array, INPUTS_MAX);

/** Keys as bytes. */
const KEY_COLUMN: Codec<KeyColumn> = {
  read: (value, place) => {
    if (!(value instanceof Map))
      throw new RemoteProtocolError(`${place}: expected keys in a column`, { details: { place } });
    const keys = KeyColumn.fromPlain(Object.fromEntries(value));
    if (keys.length > TASKS_MAX)
      throw new RemoteProtocolError(`${place}: ${keys.length} keys; the limit is ${TASKS_MAX}`, { details: { place } });
    return keys;
  },
  write: (keys) => new Map(Object.entries(keys.toPlain())),
};

/** A message whose fields also have to fit each other. `broken` names what does not, or gives null. */
function checked<M extends { readonly op: string }>(
  of: Op<M>,
  broken: (message: Omit<M, "op">) => string | null,
): Op<M> {
  const readInto = (value: unknown, place: string, out: Record<string, unknown>): void => {
    of.codec.readInto(value, place, out);
    // Every field was read by its own codec.
    const what = broken(out as unknown as Omit<M, "op">);
    if (what !== null) throw new RemoteProtocolError(`${place}: ${what}`, { details: { place } });
  };
  const read = (value: unknown, place: string): Omit<M, "op"> => {
    const out: Record<string, unknown> = {};
    readInto(value, place, out);
    return out as unknown as Omit<M, "op">; // as above
  };
  return { ...of, codec: { ...of.codec, read, readInto } };
}

function brokenRun(run: Omit<RunTasks, "op">): string | null {
  const { tasks, runIds, ranks, fetchStart, fetchTasks, fetchFrom, fetchBytes, addresses } = run;
  const n = tasks.length;
  if (runIds.length !== n || ranks.length !== n || fetchStart.length !== n + 1) return "columns of different lengths";
  if (fetchFrom.length !== fetchTasks.length) return "inputs without holders";
  if (fetchBytes && fetchBytes.length !== fetchTasks.length) return "inputs without bytes";
  for (const bytes of fetchBytes ?? [])
    if (!(bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER)) return `an input of ${bytes} bytes`;
  if (addresses.length > ADDRESSES_MAX) return `${addresses.length} addresses; the limit is ${ADDRESSES_MAX}`;
  if (fetchStart[0] !== 0 || fetchStart[n] !== fetchTasks.length) return "rows that do not span the inputs";
  for (let k = 0; k < n; k++) if ((fetchStart[k + 1] as number) < (fetchStart[k] as number)) return "rows out of order"; // n + 1 entries
  for (const from of fetchFrom) if (from >= addresses.length) return `address ${from} of ${addresses.length}`;
  return null;
}

function brokenEnds({ tasks, runIds, nbytes, seconds, kinds, scalars }: Omit<TasksFinished, "op">): string | null {
  const n = tasks.length;
  if ((kinds?.length ?? n) !== n || (scalars?.length ?? n) !== n) return "scalars of another number";
  if (runIds.length !== n || nbytes.length !== n || seconds.length !== n) return "columns of different lengths";
  for (let i = 0; i < n; i++) {
    const bytes = nbytes[i] as number; // columns of equal length
    const s = seconds[i] as number;
    if (!(bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER)) return `a result of ${bytes} bytes`;
    if (!(s >= 0 && s < Number.POSITIVE_INFINITY)) return `a task of ${s} seconds`;
  }
  return null;
}

function brokenBlocks({ grid, blocks }: Pick<TasksInMemory, "grid" | "blocks">): string | null {
  if (grid.length > AXES_MAX) return `${grid.length} axes; the limit is ${AXES_MAX}`;
  const count = grid.reduce((product, n) => product * n, 1);
  if (grid.some((n) => n < 0) || count > 2 ** 32) return `a grid of ${grid.join(" x ")} blocks`;
  for (const block of blocks) if (block >= count) return `block ${block} of ${count}`;
  return null;
}

/** For the stream to a client: see {@link TasksInMemory}. */
export const TASKS_IN_MEMORY: Op<TasksInMemory> = checked(
  op<TasksInMemory>({ layer: TEXT, grid: listOf(INTEGER), blocks: TASK_IDS, worker: TEXT }),
  brokenBlocks,
);

/** For the stream of a client: see {@link ReleasesBlocks}. */
export const RELEASES_BLOCKS: Op<ReleasesBlocks> = checked(
  op<ReleasesBlocks>({ layer: TEXT, grid: listOf(INTEGER), blocks: TASK_IDS, client: TEXT }),
  brokenBlocks,
);

/** For the stream to a client: see {@link KeysInMemory}. */
export const KEYS_IN_MEMORY: Op<KeysInMemory> = checked(
  op<KeysInMemory>({
    keys: KEY_COLUMN,
    kinds: column<Uint8Array>(Uint8Array, TASKS_MAX),
    scalars: column<Float64Array>(Float64Array, TASKS_MAX),
    worker: TEXT,
  }),
  ({ keys, kinds, scalars }) =>
    keys.length === kinds.length && keys.length === scalars.length ? null : "columns of different lengths",
);

/** For the stream of a client: see {@link ReleasesColumn}. */
export const RELEASES_COLUMN: Op<ReleasesColumn> = op<ReleasesColumn>({ keys: KEY_COLUMN, client: TEXT });

const COLUMN_OPS: Ops<ColumnsToWorker> = {
  graph: op<GraphMessage>({ submission: INTEGER, layers: BYTES }),
  "run-tasks": checked(
    op<RunTasks>({
      submission: INTEGER,
      tasks: TASK_IDS,
      runIds: TASK_IDS,
      ranks: TASK_IDS,
      priority: NUMBER,
      generation: INTEGER,
      fetchStart: column<Uint32Array>(Uint32Array, TASKS_MAX + 1),
      fetchTasks: INPUT_IDS,
      fetchFrom: INPUT_IDS,
      fetchBytes: optional(column<Float64Array>(Float64Array, INPUTS_MAX)),
      addresses: listOf(TEXT),
      stimulusId: TEXT,
    }),
    brokenRun,
  ),
  "free-tasks": op<FreeTasks>({ submission: INTEGER, tasks: TASK_IDS, stimulusId: TEXT }),
  "forget-graph": op<ForgetGraph>({ submission: INTEGER }),
};

const TASKS_FINISHED: Op<TasksFinished> = checked(
  op<TasksFinished>({
    submission: INTEGER,
    tasks: TASK_IDS,
    runIds: TASK_IDS,
    nbytes: column<Float64Array>(Float64Array, TASKS_MAX),
    seconds: column<Float32Array>(Float32Array, TASKS_MAX),
    kinds: optional(column<Uint8Array>(Uint8Array, TASKS_MAX)),
    scalars: optional(column<Float64Array>(Float64Array, TASKS_MAX)),
  }),
  brokenEnds,
);

/** What a scheduler sends to a worker that speaks the dialect, and what that worker sends. */
export type SchedulerToColumnar = SchedulerToWorker | ColumnsToWorker;
export type ColumnarToScheduler = WorkerToScheduler | TasksFinished;

/** Codec of the scheduler's half of the stream to a worker that speaks the dialect. */
export const SCHEDULER_TO_COLUMNAR: Family<SchedulerToColumnar> = family<SchedulerToColumnar>("scheduler to worker", {
  ...SCHEDULER_OPS,
  ...COLUMN_OPS,
});

/** Codec of that worker's half. */
export const COLUMNAR_TO_SCHEDULER: Family<ColumnarToScheduler> = family<ColumnarToScheduler>("worker to scheduler", {
  ...WORKER_OPS,
  "tasks-finished": TASKS_FINISHED,
});
