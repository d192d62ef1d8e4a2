/**
 * What the scheduler machine hears and says. Stream messages keep Dask's ops and meaning (types in `protocol`);
 * everything else a shell can report or must do is named here. `now` is monotonic milliseconds, given by the shell.
 */
import type { RsdatError } from "../../base/index.ts";
import type { Graph, Key, KeyColumn, TaskId, TaskSpec, TaskWalk } from "../../graph/index.ts";
import type {
  ComputeTask,
  SchedulerToClient,
  SchedulerToWorker,
  WireFailure,
  WorkerToScheduler,
} from "../../protocol/index.ts";

import type { ResultMove } from "./rebalance.ts";

/** Address of a worker, spelled one way: `tcp://host:port`; in `local` any unique text. */
export type WorkerAddress = string;
/** What a task is to do, opaque: a native spec or a pickled task. */
export type RunSpec = ComputeTask["runSpec"];
/** Name that a client chose for itself. */
export type ClientId = string;

/** What can run a task: native specs and JavaScript run on rsdat workers, pickled ones on Python workers. */
export type Language = "native" | "js" | "python";

/** What a worker is, as it registers. */
export interface WorkerFacts {
  readonly address: WorkerAddress;
  /** Name given by its starter; used in restrictions beside the address. */
  readonly name: string;
  readonly nthreads: number;
  /** Bytes that its chunks may take: limit less runtime. Null: unknown, as for Python workers without a limit. */
  readonly budgetBytes: number | null;
  /** Bytes that it may keep on disk beside those, for graphs that need more. Absent: none. */
  readonly spillBytes?: number;
  /** `rsdat` workers run native specs and user JavaScript, `python` workers pickled tasks. */
  readonly kind: "rsdat" | "python";
  readonly resources: ReadonlyMap<string, number>;
  /** It speaks columns: tasks of symbolic graphs without demands on resources go to it as `run-tasks`. */
  readonly isColumnar: boolean;
  /** `running`, or another of Dask's states until the worker says so itself. */
  readonly status: WorkerStatus;
}

/** Dask's worker states. Only a running worker is given tasks. */
export type WorkerStatus = "init" | "running" | "paused" | "closing_gracefully" | "closing" | "closed";

/** Limits of where and how the tasks of one submission may run. */
export interface Placement {
  /** Addresses, names or hosts; null: anywhere. */
  readonly workers: readonly string[] | null;
  /** True when `workers` is a wish, not a demand. */
  readonly allowOtherWorkers: boolean;
  /** Amounts that a worker must have free, by resource. */
  readonly resources: ReadonlyMap<string, number> | null;
}

/** Runs anywhere. */
export const ANYWHERE: Placement = { workers: null, allowOtherWorkers: false, resources: null };

/** One materialised task. */
export interface SubmittedTask extends Placement {
  readonly key: Key;
  readonly dependencies: readonly Key[];
  /** Forwarded as it is. */
  readonly runSpec: RunSpec;
  readonly language: Language;
  readonly retries: number;
  /** Higher runs earlier, before anything else is compared. */
  readonly priority: number;
  /** Position in the order of its submission; smaller runs earlier. */
  readonly rank: number;
  /** Bytes of inputs excepted: result plus workspace. Null: unknown, no admission by bytes. */
  readonly needBytes: number | null;
}

/**
 * Tasks of one symbolic graph for one worker, in the order in which they are to run; columns of equal length.
 *
 * A task that an earlier submission defines is told under that submission's number; a key is the same task whatever graph names it.
 */
export interface TaskRun {
  /** Number of the submission at this scheduler, never used again. */
  readonly submission: number;
  readonly graph: Graph;
  readonly tasks: Uint32Array;
  /** Attempt of each task. */
  readonly runIds: Uint32Array;
  readonly ranks: Uint32Array;
  /** Priority of all: `[-priority, generation, rank]`. */
  readonly priority: number;
  readonly generation: number;
  /** Inputs that the worker does not hold: rows `[fetchStart[k], fetchStart[k + 1])` belong to `tasks[k]`. */
  readonly fetchStart: Uint32Array;
  /** The input's number in `graph`. */
  readonly fetchTasks: Uint32Array;
  /** Index into `addresses`: its first holder. */
  readonly fetchFrom: Uint32Array;
  /** Bytes of each; absent where the graph says them. */
  readonly fetchBytes?: Float64Array;
  readonly addresses: readonly WorkerAddress[];
  readonly stimulusId: string;
}

interface EventBase {
  readonly now: number;
  readonly stimulusId: string;
}

/** What can happen to a scheduler. */
export type SchedulerEvent =
  | (EventBase & { readonly type: "worker-joined"; readonly worker: WorkerFacts })
  /** Its connection ended. `isExpected`: it said goodbye or was told to close, so no task is blamed. */
  | (EventBase & { readonly type: "worker-left"; readonly worker: WorkerAddress; readonly isExpected: boolean })
  | (EventBase & {
      readonly type: "worker-messages";
      readonly worker: WorkerAddress;
      readonly messages: readonly WorkerToScheduler[];
    })
  /** What a columnar worker finished: columns of equal length. Of a submission that is gone, or not as asked: too late. */
  | (EventBase & {
      readonly type: "tasks-finished";
      readonly worker: WorkerAddress;
      readonly submission: number;
      readonly tasks: Uint32Array;
      readonly runIds: Uint32Array;
      readonly nbytes: Float64Array;
      /** Time that each took. */
      readonly seconds: Float32Array;
      /** Results that are scalars are told on to who waits for them; as in the message. */
      readonly kinds?: Uint8Array;
      readonly scalars?: Float64Array;
    })
  | (EventBase & { readonly type: "worker-heartbeat"; readonly worker: WorkerAddress; readonly memoryBytes: number })
  | (EventBase & {
      readonly type: "client-joined";
      readonly client: ClientId;
      /** It takes `tasks-in-memory`. Default: it does not, or what it said before. */
      readonly isColumnar?: boolean;
    })
  | (EventBase & { readonly type: "client-left"; readonly client: ClientId })
  /**
   * A symbolic graph; its tasks are never objects. Layers that are already known by name are shared.
   * `leastBytes` is the plan's, 0 where there is none. Results of `wanted` are kept until the client releases them.
   */
  | (EventBase & {
      readonly type: "submit-layers";
      readonly client: ClientId;
      readonly graph: Graph;
      readonly wanted: readonly TaskId[];
      readonly leastBytes: number;
      /** The order of what is wanted of the graph, not begun; made here if absent. */
      readonly walk?: TaskWalk;
      readonly placement: Placement;
      readonly retries: number;
      readonly priority: number;
    })
  | (EventBase & {
      readonly type: "submit-tasks";
      readonly client: ClientId;
      readonly tasks: readonly SubmittedTask[];
      readonly wanted: readonly Key[];
    })
  /** A submission could not be understood: its wanted keys are erred. */
  | (EventBase & {
      readonly type: "submit-failed";
      readonly client: ClientId;
      readonly keys: readonly Key[];
      readonly failure: WireFailure;
    })
  | (EventBase & {
      readonly type: "client-desires-keys" | "client-releases-keys";
      readonly client: ClientId;
      readonly keys: readonly Key[];
    })
  /** Blocks of a layer, by their numbers in C order of its grid, which is said to be this. */
  | (EventBase & {
      readonly type: "client-releases-blocks";
      readonly client: ClientId;
      readonly layer: string;
      readonly grid: readonly number[];
      readonly blocks: Uint32Array;
    })
  | (EventBase & { readonly type: "client-releases-column"; readonly client: ClientId; readonly keys: KeyColumn })
  | (EventBase & { readonly type: "report-key"; readonly client: ClientId; readonly key: Key })
  | (EventBase & {
      readonly type: "cancel-keys";
      readonly client: ClientId;
      readonly keys: readonly Key[];
      readonly force: boolean;
      readonly reason: string;
      readonly message: string;
    })
  /** Run erred tasks again, with whatever of their inputs erred too. */
  | (EventBase & { readonly type: "retry-keys"; readonly keys: readonly Key[] })
  /** Data that a client put on workers (scatter, update-data). */
  | (EventBase & {
      readonly type: "data-placed";
      readonly client: ClientId | null;
      readonly whoHas: ReadonlyMap<Key, readonly WorkerAddress[]>;
      readonly nbytes: ReadonlyMap<Key, number>;
    })
  /** A gather found these keys absent where we believed them. */
  | (EventBase & { readonly type: "data-missing"; readonly worker: WorkerAddress; readonly keys: readonly Key[] })
  /** Move away what exists only on these workers, then let them go; `retired` answers with the same `request`. */
  | (EventBase & {
      readonly type: "retire-workers";
      readonly request: number;
      readonly workers: readonly WorkerAddress[];
      readonly close: boolean;
    })
  /** Move results from one worker to another, where they are not in use; `moved` answers with the same `request`. */
  | (EventBase & { readonly type: "move-results"; readonly request: number; readonly moves: readonly ResultMove[] })
  /** Forget every task; clients are told. */
  | (EventBase & { readonly type: "restart" })
  /** Time passed: worker time-to-live, stealing. */
  | (EventBase & { readonly type: "tick" });

/** What the shell must do about it, in order. */
export type SchedulerInstruction =
  | { readonly type: "send-worker"; readonly worker: WorkerAddress; readonly message: SchedulerToWorker }
  /** To a columnar worker. Its first run of a submission needs the graph before it. */
  | { readonly type: "run-tasks"; readonly worker: WorkerAddress; readonly run: TaskRun }
  /** As `free-keys`, to a columnar worker. It may hold such results without having run anything of the submission. */
  | {
      readonly type: "free-tasks";
      readonly worker: WorkerAddress;
      readonly submission: number;
      readonly graph: Graph;
      readonly tasks: Uint32Array;
      readonly stimulusId: string;
    }
  /** Nothing of it is known any more: no run of it will come, and what a worker has of it is of no use to anybody. */
  | { readonly type: "forget-submission"; readonly submission: number }
  | { readonly type: "send-client"; readonly client: ClientId; readonly message: SchedulerToClient }
  /** Send a `tick` at this time, if none is planned earlier. */
  | { readonly type: "wake-at"; readonly at: number }
  /** End the connection to this worker; it counts as gone already. */
  | { readonly type: "drop-worker"; readonly worker: WorkerAddress; readonly reason: string }
  /** Answer to `retire-workers`: these have nothing that is not elsewhere. */
  | { readonly type: "retired"; readonly request: number; readonly workers: readonly WorkerAddress[] }
  /** Answer to `move-results`: all is where it was to go, but these. */
  | { readonly type: "moved"; readonly request: number; readonly failed: readonly Key[] };

/** What a machine is given once and for all. */
export interface SchedulerConfig {
  /** Tasks sent to a worker beyond its threads, at the least. Default 1. */
  readonly sendAhead?: number;
  /** Tasks that the order of a symbolic graph comes to at once, at the least. Default 64. */
  readonly orderAhead?: number;
  /** Milliseconds of work sent to each thread ahead, once tasks have been timed. Default 5. */
  readonly sendAheadMs?: number;
  /**
   * Bytes that sources sent ahead may leave in all; beyond that one goes ahead for every two threads. Default: no matter how
   * many, as what is not ahead costs a way to the worker and back.
   */
  readonly sendAheadBytes?: number;
  /**
   * Tasks that a worker has at the most, per thread; null: as many as the times of its tasks ask for, by the two above.
   * Dask's `worker-saturation`.
   */
  readonly saturation?: number | null;
  /** False: tasks that wait at a busy worker stay there. Default true. */
  readonly stealing?: boolean;
  /** Time that a ready task waits for a worker that may run it, before it fails. Default null: for ever. */
  readonly noWorkersTimeoutMs?: number | null;
  /** Workers that may vanish under a task before it is blamed. Dask: 3. */
  readonly allowedFailures?: number;
  /** Silence after which a worker is taken for lost. Dask: 5 minutes. Infinity: never. */
  readonly workerTtlMs?: number;
  /** Time for which a worker asks in vain for a block before the copies of its holders do not count. Default 10 seconds. */
  readonly inVainMs?: number;
  /** Bytes per second that are taken to move between two workers. Dask: 100 MB/s. */
  readonly bandwidth?: number;
  /** False switches the byte budget off; only `rsdat/testing` does. */
  readonly admission?: boolean;
  /** False: tasks of symbolic graphs are moved one by one as others are; only tests do. */
  readonly fused?: boolean;
  /** Transitions that are remembered for stories. Default 16 384. */
  readonly storyLength?: number;
  /** Run spec of a native task, as it is to be sent. */
  readonly runSpecOf: (spec: TaskSpec) => RunSpec;
  /** An error of ours in the form in which failures travel. */
  readonly failureOf: (error: RsdatError) => WireFailure;
}

/** One transition of one task. */
export interface StoryEntry {
  readonly key: Key;
  readonly from: string;
  readonly to: string;
  readonly stimulusId: string;
  readonly now: number;
}

/** The pure scheduler. */
export interface SchedulerMachine {
  /** Apply one event; append instructions to `outbox`. Never throws for what a peer or task did. */
  handle(event: SchedulerEvent, outbox: SchedulerInstruction[]): void;
  /** The same for what was heard in one turn: all of it is taken in, in order, before anything is sent to run. */
  handleAll(events: readonly SchedulerEvent[], outbox: SchedulerInstruction[]): void;
  /** Throw InvariantError, with the story of the guilty task, if any invariant is broken. */
  check(): void;
  /** Recent transitions of these tasks, oldest first. */
  story(...keys: readonly Key[]): readonly StoryEntry[];
}
