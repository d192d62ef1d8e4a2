/** The door between what is lazy and what runs: a runner takes a graph and gives blocks. */
import { AsyncLocalStorage } from "node:async_hooks";
import { UsageError } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import type { RunnerFigures } from "./accounting.ts";
import type { CallTask } from "./call-spec.ts";
import type { Graph } from "./graph.ts";
import type { Key } from "./keys.ts";
import type { Plan } from "./plan.ts";

/** Progress of one run; counts of tasks and bytes, at most ten times a second. */
export interface RunProgress {
  readonly done: number;
  readonly total: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Kernels of the runner so far, where it runs in this process. */
  readonly kernels?: KernelFigures;
  /** Blocks of the runner so far, where it runs in this process: most bytes in memory at once, and bytes written to disk. */
  readonly memory?: { readonly peakBytes: number; readonly spilledBytes: number };
}

/** What compiled kernels have cost since the runner was started. */
export interface KernelFigures {
  readonly modulesCompiled: number;
  readonly moduleBytes: number;
  readonly compileMs: number;
  /** Uses of a kernel that was at hand. */
  readonly cacheHits: number;
  /** Loop nests that the interpreter ran, for want of a compiled kernel. */
  readonly interpreted: number;
}

/** Options of a run. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
  /** Bytes per worker that this plan may use; default the runner's own limit. */
  readonly memoryBytes?: number;
  readonly retries?: number;
  readonly priority?: number;
  /** Addresses, names or hosts of workers. */
  readonly workers?: string | readonly string[];
  /** The workers are a wish, not a demand. */
  readonly allowOtherWorkers?: boolean;
  /** Amounts that a worker must have free for each task, by name. */
  readonly resources?: Readonly<Record<string, number>>;
}

/** What one of several callers wants of a graph. */
export interface OutputGroup {
  /** Numbers of the graph's outputs. */
  readonly outputs: readonly number[];
  readonly signal?: AbortSignal;
  /** Progress of the whole graph. */
  readonly onProgress?: (progress: RunProgress) => void;
}

/** Results that a runner keeps for later graphs. */
export interface Hold {
  /** Names under which the runner has the outputs' layers, in their order; a `held` layer says them. */
  readonly names: readonly string[];
  /** Resolves when all blocks are there. @throws the first task's error */
  wait(): Promise<void>;
  /** Let the runner forget them. */
  release(): void;
}

/** What a runner is known to have, for planning. */
export interface RunnerLimits {
  /** Threads that will compute. */
  readonly threads: number;
  /** Bytes of blocks that one worker may hold in memory, and beside that on disk. */
  readonly memoryBytes: number;
  readonly spillBytes?: number;
  readonly workers: number;
}

/** Runs graphs: `local` (threads of this process) or a connected `Client`. */
export interface Runner {
  readonly name: string;
  /** Threads that will compute, and bytes per worker, as far as known; for planning. */
  limits(): Promise<RunnerLimits>;
  /** Sums since its start; null where it cannot say. Absent where a runner keeps none. */
  figures?(): Promise<RunnerFigures | null>;
  /**
   * Compute the graph's outputs; blocks come back in output order, each output's blocks in C order of its chunk grid, in
   * memory that is the caller's. Those of one output may be parts of one array.
   */
  run(graph: Graph, plan: Plan, options: RunOptions): Promise<readonly (readonly NDArray[])[]>;
  /** Memory for a result that is put together of several blocks, where this runner keeps results; absent: ordinary memory. */
  readonly resultBlock?: (dtype: DType, shape: readonly number[]) => NDArray;
  /**
   * As {@link run} for several callers of one graph: a promise for each group, which fails by what it needs itself, or
   * by its own signal, and not by what others need. Absent where a runner cannot.
   */
  runGroups?(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: Omit<RunOptions, "signal" | "onProgress">,
  ): readonly Promise<readonly (readonly NDArray[])[]>[];
  /**
   * Begin to compute the graph's outputs and keep them: later graphs of this runner name them by `held` layers.
   * Resolves when the runner has the graph. Absent where a runner cannot.
   */
  hold?(graph: Graph, plan: Plan, options: RunOptions): Promise<Hold>;
  /** As {@link hold} for several callers of one graph: each has a hold of what it wants. Absent where a runner cannot. */
  holdGroups?(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: Omit<RunOptions, "signal" | "onProgress">,
  ): Promise<readonly Hold[]>;
  /**
   * Run calls of functions, each once its inputs are there; gives the results of `wanted`. Absent where a runner cannot.
   */
  runCalls?(calls: readonly CallTask[], wanted: readonly Key[], options: RunOptions): Promise<readonly unknown[]>;
  /** True where calls may name blocks that `hold` keeps by their keys. */
  readonly callsReadHeld?: boolean;
}

type Listener = (progress: RunProgress) => void;

const listeners = new Set<Listener>();

/** Hear of the progress of all runs that begin until the answer is disposed of. */
export function watchRuns(listener: Listener): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => void listeners.delete(listener) };
}

/** What a run that begins now has to call: its caller's own listener, and those that watch all runs. */
export function progressOf(own: Listener | undefined): Listener | undefined {
  if (listeners.size === 0) return own;
  const all = [...(own ? [own] : []), ...listeners];
  return (progress) => {
    for (const listener of all) listener(progress);
  };
}

let registered: (() => Promise<Runner>) | null = null;
const connected: Runner[] = [];

/** Register the runner that serves when no client is connected; called once by a front door. */
export function registerRunner(make: () => Promise<Runner>): void {
  registered = make;
}

/** Make `runner` the current one until the returned function is called (a connected Client does this). */
export function pushRunner(runner: Runner): () => void {
  connected.push(runner);
  return () => {
    const at = connected.lastIndexOf(runner);
    if (at >= 0) connected.splice(at, 1);
  };
}

const chosen = new AsyncLocalStorage<Runner>();

/** Call `run`: for it and all that it awaits `runner` is the current one, and for nobody else meanwhile. */
export function withRunner<T>(runner: Runner, run: () => T): T {
  return chosen.run(runner, run);
}

/**
 * The runner that `compute()` uses now.
 * @throws {UsageError} none is registered (a room was imported without a front door)
 */
export async function currentRunner(): Promise<Runner> {
  const top = chosen.getStore() ?? connected.at(-1);
  if (top) return top;
  if (!registered)
    throw new UsageError("no-runner", 'no runner: import from "rsdat" or one of its sub-paths, or connect a Client');
  return registered();
}

/** Takes plans of what would have run. */
export type Planner = (plan: Plan) => void;

let planner: Planner | null = null;

/** From now on plan what is asked for, and run nothing; null: run again. `rsdat plan` does this. */
export function planOnly(to: Planner | null): void {
  planner = to;
}

/** Who takes plans instead of results; null: nobody, as usual. */
export function currentPlanner(): Planner | null {
  return planner;
}
