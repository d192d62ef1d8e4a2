/**
 * What the worker machine hears and says. Stream messages keep Dask's ops and meaning (types in `protocol`); everything
 * else a shell can report or must do is named here. `now` is monotonic milliseconds, given by the shell.
 *
 * The machine knows of every value only that it is there and how large it is. The shell holds one value per key, from the
 * event that announces it (`execute-success`, `gather-success`, `update-data`) until a `drop` names it; a running task
 * keeps its own hold on its inputs.
 */
import type { ColumnScalar, Graph, Key, TaskId } from "../../graph/index.ts";
import type {
  ComputeTask,
  ForgetGraph,
  FreeTasks,
  RunTasks,
  SchedulerToWorker,
  StartStop,
  TasksFinished,
  WireFailure,
  WorkerToScheduler,
} from "../../protocol/index.ts";

/** Address of a worker, spelled one way: `tcp://host:port`. */
export type WorkerAddress = string;

/** Dask's worker states that a machine can be in. Only `running` starts tasks and fetches. */
export type WorkerStatus = "running" | "paused" | "closing_gracefully";

/** What a task is to do, opaque: a native spec or a pickled task. */
export type RunSpec = ComputeTask["runSpec"];

/** What a value is, as `task-finished` tells it. */
export interface ValueFacts {
  readonly nbytes: number;
  /** Pickled class. */
  readonly type: Uint8Array;
  readonly typename: string;
  /** The value itself, if it is a scalar that is told with the end of its task. */
  readonly scalar?: ColumnScalar;
}

/**
 * What a value is called between machine and shell: its key, or, for a block that a run of a graph has named, a number
 * that is never used again. `refOf` gives it for a key.
 */
export type Ref = Key | number;

/** A word of the scheduler. Columns are of graphs that were announced before, by `graph`; numbers lie within them. */
export type SchedulerWord =
  | SchedulerToWorker
  | { readonly op: "graph"; readonly submission: number; readonly graph: Graph }
  | RunTasks
  | FreeTasks
  | ForgetGraph;

interface EventBase {
  readonly now: number;
  readonly stimulusId: string;
}

/** What can happen to a worker. */
export type WorkerEvent =
  /** One batch of the scheduler's stream, in order. */
  | (EventBase & { readonly type: "scheduler-messages"; readonly messages: readonly SchedulerWord[] })
  /** A task ended well; `runId` is the one of its `execute`. */
  | (EventBase & {
      readonly type: "execute-success";
      readonly key: Key;
      readonly runId: number;
      readonly value: ValueFacts;
      readonly thread: number | null;
      readonly startstops: readonly StartStop[];
    })
  | (EventBase & {
      readonly type: "execute-failure";
      readonly key: Key;
      readonly runId: number;
      readonly failure: WireFailure;
      readonly thread: number | null;
      readonly startstops: readonly StartStop[];
    })
  /** Blocks that `execute-blocks` started are there; columns of equal length. */
  | (EventBase & {
      readonly type: "blocks-executed";
      readonly refs: readonly Ref[];
      readonly values: readonly ValueFacts[];
      /** On the thread. */
      readonly seconds: readonly number[];
    })
  /** One of them failed. */
  | (EventBase & {
      readonly type: "block-failed";
      readonly ref: Ref;
      readonly failure: WireFailure;
      readonly thread: number | null;
      readonly startstops: readonly StartStop[];
    })
  /** A running task gives its thread back and goes on (`secede`). */
  | (EventBase & { readonly type: "execute-secede"; readonly key: Key; readonly computeSeconds: number | null })
  /** A peer answered; keys it did not have are absent from `received`. */
  | (EventBase & {
      readonly type: "gather-success";
      readonly worker: WorkerAddress;
      readonly received: ReadonlyMap<Key, ValueFacts>;
      readonly startstop: StartStop;
    })
  | (EventBase & { readonly type: "gather-busy"; readonly worker: WorkerAddress })
  /** The peer cannot be reached: all that it held is taken for lost. */
  | (EventBase & { readonly type: "gather-network-failure"; readonly worker: WorkerAddress })
  /** The peer answered something that cannot be read: the keys are erred. */
  | (EventBase & { readonly type: "gather-failure"; readonly worker: WorkerAddress; readonly failure: WireFailure })
  /** Values put here from outside (scatter); the shell has them already. */
  | (EventBase & { readonly type: "update-data"; readonly values: ReadonlyMap<Key, ValueFacts> })
  | (EventBase & { readonly type: "status"; readonly status: WorkerStatus })
  /** The time asked for by `wake-at`. */
  | (EventBase & { readonly type: "wake" });

/** What the shell must do about it, in order. */
export type WorkerInstruction =
  /**
   * Run it now on a free thread; answer with `execute-success` or `execute-failure`. `dependencies` are in register
   * order, which is the order of the compute-task's `whoHas`.
   */
  | {
      readonly type: "execute";
      readonly key: Key;
      readonly runId: number;
      readonly runSpec: RunSpec;
      readonly dependencies: readonly Key[];
    }
  /**
   * Run tasks of a known graph, in this order, as threads get free; columns of equal length. Answered by
   * `blocks-executed` and `block-failed`. Inputs `[inputStart[k], inputStart[k + 1])` are those of `tasks[k]`, in register
   * order.
   */
  | {
      readonly type: "execute-blocks";
      readonly submission: number;
      readonly refs: readonly Ref[];
      readonly tasks: readonly TaskId[];
      readonly inputStart: readonly number[];
      readonly inputs: readonly Ref[];
    }
  /** Give up this one, which runs: nobody wants its result. It still ends with `execute-failure` or as it would have. */
  | { readonly type: "abort"; readonly key: Key }
  /** Ask `worker` for these keys in one request; answer with one of the `gather-*` events. */
  | { readonly type: "gather"; readonly worker: WorkerAddress; readonly keys: readonly Key[]; readonly nbytes: number }
  /** Let go of these values. */
  | { readonly type: "drop"; readonly keys: readonly Key[] }
  | { readonly type: "drop-blocks"; readonly refs: readonly number[] }
  /** To the scheduler that ordered the tasks in columns. */
  | { readonly type: "send-finished"; readonly message: TasksFinished }
  /** No task of the graph will be started any more. */
  | { readonly type: "forget-graph"; readonly submission: number }
  | { readonly type: "send"; readonly message: WorkerToScheduler }
  /** Send a `wake` at this time, if none is planned earlier. */
  | { readonly type: "wake-at"; readonly at: number }
  /** The scheduler told this worker to end. */
  | { readonly type: "close"; readonly reason: string };

/** Bounds of transfers of what rechunks cut, beside those of all transfers. Dask: `distributed.p2p.comm`. */
export interface RechunkLimits {
  /** Bytes under way from all peers at once, and in one request; whatever its size, one block always goes. */
  readonly bytesMax: number;
  readonly messageBytesMax: number;
  /** Requests open at once. */
  readonly countMax: number;
}

/** Bounds of a worker machine, fixed at construction. */
export interface WorkerLimits {
  readonly address: WorkerAddress;
  readonly nthreads: number;
  /**
   * Tasks of a graph that may be handed over beyond the threads, so that these find their next one themselves: as many
   * as take `aheadMs` on all threads, by what tasks took so far, and at most `aheadMax`. Default none.
   */
  readonly aheadMs?: number;
  readonly aheadMax?: number;
  /** Bytes of values and of running tasks that `needOf` knows; null: no own admission (our scheduler has admitted them). */
  readonly budgetBytes: number | null;
  /** Amounts of named resources. */
  readonly resources: ReadonlyMap<string, number>;
  /** Bytes under way from all peers at once, and in one request. Dask: 10 % of memory, 50 MB. */
  readonly incomingBytesMax: number;
  readonly messageBytesMax: number;
  /** Peers asked at once while more than `incomingThrottleBytes` are under way. Dask: 10 and 10 MB. */
  readonly incomingCountMax: number;
  readonly incomingThrottleBytes: number;
  /** Of rechunks in known graphs; default none of their own. */
  readonly rechunks?: RechunkLimits;
  /** Wait before a busy peer is asked again, and between questions for missing inputs. Dask: 150 ms and 1 s. */
  readonly busyRetryMs: number;
  readonly missingRetryMs: number;
  /** Transitions that are remembered for stories. Default 16 384. */
  readonly storyLength?: number;
}

/** What only the owner of run specs knows: bytes a task needs beyond its inputs (result and workspace); null: unknown. */
export type NeedOf = (runSpec: RunSpec) => number | null;

/** One transition of one task. */
export interface StoryEntry {
  readonly key: Key;
  readonly from: string;
  readonly to: string;
  readonly stimulusId: string;
  readonly now: number;
}

/** Figures for heartbeats. */
export interface WorkerCounts {
  readonly tasks: ReadonlyMap<string, number>;
  readonly managedBytes: number;
  readonly incomingBytes: number;
  readonly incomingCount: number;
  readonly executing: readonly { readonly key: Key; readonly since: number }[];
}

/** The pure worker. */
export interface WorkerMachine {
  /** Apply one event; append instructions to `outbox`. Never throws for what a peer or task did. */
  handle(event: WorkerEvent, outbox: WorkerInstruction[]): void;
  /** Throw InvariantError, with the story of the guilty task, if any invariant is broken. */
  check(): void;
  /** Recent transitions of these tasks, oldest first. */
  story(...keys: readonly Key[]): readonly StoryEntry[];
  counts(): WorkerCounts;
  /** What a value of this key is called here; the key itself for an unknown one. */
  refOf(key: Key): Ref;
  /** Graphs whose tasks may come in columns. */
  graphs(): Iterable<Graph>;
  /** Keys of all values in memory, by what they are called here. */
  held(): ReadonlyMap<Ref, Key>;
  /** True when at most one task runs and none is ready to follow it. */
  readonly isDrained: boolean;
  /** Tasks run whose like took less than a tenth of a millisecond. */
  readonly isBrisk: boolean;
}
