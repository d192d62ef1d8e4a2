/** What the executor takes and gives: blocks by handle, tasks, outcomes, figures. */
import type { ErrorRecord, Logger } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import type { Graph, Key, TaskSpec } from "../graph/index.ts";
import type { KernelStats } from "../kernels/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import type { Place } from "./arena.ts";
import type { IoFigures } from "./io-share.ts";
import type { LaneTask } from "./lane.ts";
import type { Programs, Trust } from "./programs.ts";
import type { RunningTask } from "./running.ts";
import type { SpillFigures, SpillOptions } from "./spill.ts";
import type { StackOptions, StackSamples } from "./stacks.ts";

/** A block in the arena. Immutable once its task has ended; lives while its reference count is above 0. */
export interface BlockHandle {
  readonly id: number;
  readonly nbytes: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** An input of a task, in register order: a block of this executor, or a plain value (for `call` steps only). */
export type TaskInput = BlockHandle | { readonly value: unknown };

/** One task to run. */
export interface ExecutorTask {
  readonly key: Key;
  /** The program, as an object or as `encodeTaskSpec` gave it. */
  readonly spec: TaskSpec | Uint8Array;
  /** Live blocks or values; the executor holds them until the outcome. */
  readonly inputs: readonly TaskInput[];
  /** Allows `call` steps: the caller has verified their mac, or the operator allows insecure code. Default false. */
  readonly trusted?: boolean;
  /** Cancels before the start and between steps; a function of a user wherever it is. */
  readonly signal?: AbortSignal;
}

/** When a task ran and what it moved. Times are milliseconds since 1970. */
export interface TaskFigures {
  readonly startMs: number;
  readonly stopMs: number;
  /** Compute thread that ran it; -1 when none did. */
  readonly thread: number;
  /** Bytes fetched from and written to stores. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** How a task ended. */
export type TaskOutcome = TaskFigures &
  (
    | { readonly status: "ok"; readonly output: BlockHandle }
    /** A `call` step gave something that is no array; `nbytes` is an estimate. */
    | { readonly status: "value"; readonly value: unknown; readonly nbytes: number }
    /** `details` hold the key, and the layer's name and the block's position where the key tells them. */
    | { readonly status: "error"; readonly error: ErrorRecord }
    | { readonly status: "cancelled" }
  );

/** Figures of an executor. */
export interface ExecutorStats {
  /** Bytes of live blocks and of regions in use, and their highest value so far. */
  readonly bytesLive: number;
  readonly bytesPeak: number;
  /** Bytes of blocks that lie on disk instead, and bytes ever written there and read back. */
  readonly spill: SpillFigures;
  /** Bytes of the arena that were ever used; what it may hold resident. */
  readonly bytesTouched: number;
  readonly blocks: number;
  readonly segments: number;
  /** Tasks handed over and not ended. */
  readonly inFlight: number;
  readonly tasksDone: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Milliseconds each compute thread has spent in tasks. */
  readonly busyMs: readonly number[];
  /** Of that: in tasks that read from or wrote to stores, with the computing that is fused into them. */
  readonly storeMs: number;
  /** Compute threads that died and were replaced. */
  readonly threadsLost: number;
  /** Compiled kernels: each once for all threads. */
  readonly kernels: KernelStats;
}

/** Runs native task specs on compute threads, within a byte budget. */
export interface Executor extends AsyncDisposable {
  readonly threads: number;
  /** Bytes that live blocks and workspaces may take together: what admission has to respect. */
  readonly budgetBytes: number;
  /** Bytes that may lie on disk beside that; 0: nothing is spilled. */
  readonly spillBytes: number;
  /** True while a task waits for bytes or a gap: whoever pins blocks for later should not wait. */
  readonly isShort: boolean;
  stats(): ExecutorStats;
  /** What this thread and the compute threads have read from stores; other executors of this thread share its part. */
  ioFigures(): IoFigures;
  /** What the compute threads run at this moment. */
  running(): readonly RunningTask[];
  /** Stacks that were sampled since the last time, where the option `stacks` asks for them. */
  takeStacks(): readonly { readonly thread: number; readonly samples: StackSamples }[];
  /**
   * A block with undefined contents and reference count 1, to be filled at once.
   * @throws {InvariantError} over the budget: admission has to prevent that
   */
  allocate(dtype: DType, shape: readonly number[]): BlockHandle;
  /** As `allocate`; null where there is no room now. */
  allocateIfRoom(dtype: DType, shape: readonly number[]): BlockHandle | null;
  /** A copy of `block` in the arena, with reference count 1. */
  put(block: NDArray): BlockHandle;
  /** As `put`; null where there is no room now. */
  putIfRoom(block: NDArray): BlockHandle | null;
  /** The block's elements, C order, in shared memory; valid until control returns to the event loop unless it is pinned. */
  view(handle: BlockHandle): NDArray;
  /** Where the block lies in the segments that `onSegment` told of; as long as it is pinned. */
  place(handle: BlockHandle): Place;
  /** True when the block's bytes are in memory; otherwise they are on disk, and only `load` and tasks may have them. */
  isResident(handle: BlockHandle): boolean;
  /** Spill until `nbytes` are free, as far as that goes now; true when they are. */
  makeRoom(nbytes: number): Promise<boolean>;
  /** The block's elements in ordinary memory; from the disk in `into`, which is large enough. @throws what kept them from being read back */
  load(handle: BlockHandle, into?: ArrayBuffer): Promise<NDArray>;
  /** Keep the block where it is until `unpin`; pins count. */
  pin(handle: BlockHandle): void;
  unpin(handle: BlockHandle): void;
  /**
   * Until it is disposed, something brings blocks here that nobody can spill yet: tasks that find no room wait for it
   * rather than fail.
   */
  bringing(): Disposable;
  retain(handle: BlockHandle): void;
  /** Drop one reference; the last one frees the block. */
  release(handle: BlockHandle): void;
  /** Run a task; `done` is called exactly once, later, on this thread. An `ok` output has reference count 1. */
  submit(task: ExecutorTask, done: (outcome: TaskOutcome) => void): void;
  /**
   * Begin with a graph, whose tasks then are numbers. `trust` says whether a program with user code may run; `signal`
   * cancels all its tasks. To be closed when no task of it comes any more.
   */
  open(graph: Graph, trust: Trust, signal?: AbortSignal | null): Programs;
  close(programs: Programs): void;
  /** As `submit`, for a task of a graph. */
  submitOf(task: LaneTask): void;
  /**
   * Give up a task that is under way or waits: it ends as `cancelled`, unless it has ended by then. A function of a user
   * that does not end by itself is ended with its thread, which is replaced.
   */
  abort(key: Key): void;
  /** As `abort`, of a task of a graph. */
  cancel(task: LaneTask): void;
  /** As `submit`. Resolves for every way a task can end. */
  run(task: ExecutorTask): Promise<TaskOutcome>;
}

/** Options of {@link Executor}s. */
export interface ExecutorOptions {
  /** Compute threads, at least 1. */
  readonly threads: number;
  /** Bytes for blocks and workspaces; `budgetBytesWithin` gives them for a process's limit. */
  readonly budgetBytes: number;
  /** Where blocks go that find no room. Default: nowhere. */
  readonly spill?: SpillOptions;
  /** False lets allocations pass the budget; for tests that must see it exceeded. Default true. */
  readonly enforceBudget?: boolean;
  /** Bound of one thread's JavaScript heap, beyond which it dies. Default 512 MiB. */
  readonly heapBytes?: number;
  /** Kernels of this process are widened to 256 bits: if a self-test passes, or where this V8 is proven to keep the bits. Default false. */
  readonly wide?: boolean | "proven";
  /** False: blocks lie in small pages, also where the system gives huge ones on request. Default true. */
  readonly hugePages?: boolean;
  /** Sample the stacks of the compute threads. Default: no. */
  readonly stacks?: StackOptions;
  /** Told of the memory of each segment, before a block lies in it. */
  readonly onSegment?: (id: number, buffer: SharedArrayBuffer) => void;
  /** Told when the self-test failed. */
  readonly logger?: Logger;
}
