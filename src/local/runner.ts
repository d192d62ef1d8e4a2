/** The embedded runner, seen from the caller's thread: starts the coordinator when it is first needed, collects blocks. */
import { Worker } from "node:worker_threads";
import { assertNever, CancelledError, errorFromRecord, invariant, RsdatError } from "../base/index.ts";
import { computeThreads, config, memoryLimitBytes, spillSetting } from "../config/index.ts";
import { itemsize } from "../dtype/index.ts";
import { budgetBytesWithin, createExecutor, type Executor, Relief } from "../executor/index.ts";
import {
  type CallTask,
  Graph,
  type Hold,
  type Key,
  type Layer,
  leastBytesIfMade,
  type OutputGroup,
  type Plan,
  type Runner,
  type RunnerFigures,
  type RunnerLimits,
  type RunOptions,
  type RunProgress,
  shapeOfChunks,
} from "../graph/index.ts";
import { allowHugePages } from "../kernels/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { runCallsOn } from "./calls.ts";
import { constantResults } from "./constants.ts";
import type { CoordinatorOptions, FromCoordinator, RunGroup, ToCoordinator, WantedBlock } from "./messages.ts";
import { Received } from "./receive.ts";

// Sources run as they are, and so do built files: the entry has the ending of this file.
const ENTRY = new URL(`./coordinator-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Bytes of fresh objects that the coordinator may pile up: its garbage counts against the memory limit, too. */
const YOUNG_MIB = 12;

/** Options of {@link localRunner}; each defaults to the configuration. */
export interface LocalOptions {
  /** Compute threads; default `num-workers`, else the CPUs allotted. */
  readonly threads?: number;
  /** Bytes that the process may take; default `rsdat.memory-limit`. */
  readonly memoryLimitBytes?: number;
  /** False: nothing is spilled. Default: as configured. */
  readonly spill?: boolean;
  /** False switches the byte budget off; only `rsdat/testing` does. */
  readonly admission?: boolean;
}

/** Part of the memory for blocks that results of single calls may take, beside those of plans. */
const CALLS_SHARE = 4;

/** A run that has not ended. */
interface Pending {
  readonly received: Received;
  readonly onProgress: ((progress: RunProgress) => void) | undefined;
  readonly resolve: (blocks: readonly (readonly NDArray[])[]) => void;
  readonly reject: (error: Error) => void;
}

/** Runs graphs on threads of this process. Holds the event loop only while runs are under way. */
export class LocalRunner implements Runner, AsyncDisposable {
  readonly name = "local";
  readonly #options: LocalOptions;
  #settings: CoordinatorOptions | null = null;
  #worker: Worker | null = null;
  /** Of what the making of plans leaves in this thread, which only waits while they run. */
  #relief: Relief | null = null;
  readonly #pending = new Map<number, Pending>();
  /** Memory of the coordinator's blocks. */
  readonly #segments = new Map<number, SharedArrayBuffer>();
  /** Who waits for figures. */
  readonly #asked = new Map<number, (figures: RunnerFigures | null) => void>();
  #nextId = 1;
  #calls: Executor | null = null;
  /** Bytes of blocks that are kept between runs. */
  #keptBytes = 0;

  constructor(options: LocalOptions = {}) {
    this.#options = options;
  }

  /**
   * Threads, and bytes for blocks: the memory limit less what the runtime itself takes.
   * @throws {ConfigError} the limit leaves nothing
   */
  async limits(): Promise<RunnerLimits> {
    const { threads, budgetBytes, spill, admission } = this.#resolved();
    const memoryBytes = admission ? Math.max(0, budgetBytes - this.#keptBytes) : Number.POSITIVE_INFINITY;
    return { threads, memoryBytes, spillBytes: spill?.limitBytes ?? 0, workers: 1 };
  }

  /**
   * Compute the graph's outputs.
   * @throws the first failing task's error  @throws {CancelledError} the signal was aborted
   */
  async run(graph: Graph, plan: Plan, options: RunOptions): Promise<readonly (readonly NDArray[])[]> {
    const { signal, onProgress, ...rest } = options;
    const constant = onProgress || signal?.aborted ? null : constantResults(graph);
    if (constant) return constant;
    const group: OutputGroup = {
      outputs: graph.outputs.map((_, k) => k),
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
    };
    return this.runGroups(graph, plan, [group], rest)[0] as Promise<readonly (readonly NDArray[])[]>; // one for one
  }

  /** As {@link run} for several callers at once; each is rejected by what concerns it alone. */
  runGroups(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: Omit<RunOptions, "signal" | "onProgress">,
  ): Promise<readonly (readonly NDArray[])[]>[] {
    const ids = groups.map(() => this.#nextId++);
    const promises = groups.map((group, k) => this.#await(ids[k] as number, graph, group)); // as many ids
    this.#begin(graph, plan, asked(groups, ids), { ...options, keeps: false });
    return promises;
  }

  /** As {@link run}, with the blocks kept here for later runs; they count against the memory limit until released. */
  async hold(graph: Graph, plan: Plan, options: RunOptions): Promise<Hold> {
    const outputs = graph.outputs.map((_, k) => k);
    const { signal, onProgress, ...rest } = options;
    const group = { outputs, ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
    return (await this.holdGroups(graph, plan, [group], rest))[0] as Hold; // one for one
  }

  /** The same for several callers at once, each of which lets go what it wants alone. */
  async holdGroups(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: Omit<RunOptions, "signal" | "onProgress">,
  ): Promise<readonly Hold[]> {
    const ids = groups.map(() => this.#nextId++);
    // Names of their own: another run may have a layer of the same name, of which it keeps nothing.
    const own = new Set(graph.outputs);
    const kept = new Graph(
      graph.layers.map((layer, k) => (own.has(k) ? { ...layer, name: `${layer.name}~kept${ids[0]}` } : layer)),
      graph.outputs,
    );
    const holds = groups.map((group, k) => this.#holdOf(ids[k] as number, kept, group)); // as many ids
    this.#begin(kept, plan, asked(groups, ids), { ...options, keeps: true });
    return holds;
  }

  #holdOf(id: number, kept: Graph, group: OutputGroup): Hold {
    const layers = group.outputs.map((k) => kept.layer(kept.outputs[k] as number)); // numbers of outputs
    const bytes = layers.reduce((sum, layer) => sum + nbytesOf(layer), 0);
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      this.#keptBytes -= bytes;
      if (this.#worker) this.#send(this.#worker, { type: "release", id });
    };
    this.#keptBytes += bytes;
    const ended = this.#await(id, kept, group).then(() => undefined);
    ended.catch(release); // whoever waits for it, or computes with it, hears of the failure
    return { names: layers.map(({ name }) => name), wait: () => ended, release };
  }

  /** Calls of functions have threads of their own: their values are no blocks of a plan. */
  async runCalls(calls: readonly CallTask[], wanted: readonly Key[], options: RunOptions): Promise<readonly unknown[]> {
    const { threads, budgetBytes } = this.#resolved();
    this.#calls ??= createExecutor({ threads, budgetBytes: budgetBytes / CALLS_SHARE });
    return runCallsOn(this.#calls, calls, { wanted, options });
  }

  /** What will come of a group; asked for before the run begins. */
  #await(
    id: number,
    graph: Graph,
    { outputs, signal, onProgress }: OutputGroup,
  ): Promise<readonly (readonly NDArray[])[]> {
    const worker = this.#started();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#send(worker, { type: "cancel", id });
      const end = (): void => {
        signal?.removeEventListener("abort", onAbort);
        this.#pending.delete(id);
        if (this.#pending.size + this.#asked.size === 0) this.#worker?.unref();
      };
      this.#pending.set(id, {
        received: new Received(
          graph,
          outputs.map((output) => graph.outputs[output] as number), // outputs of the graph
        ),
        onProgress,
        resolve: (blocks) => {
          end();
          resolve(blocks);
        },
        reject: (error) => {
          end();
          reject(signal?.aborted ? cancelled(signal, error) : error);
        },
      });
      // One that was aborted before is cancelled as soon as the run is known.
      if (signal?.aborted) queueMicrotask(onAbort);
      else signal?.addEventListener("abort", onAbort, { once: true });
      worker.ref();
    });
  }

  #begin(
    graph: Graph,
    plan: Plan,
    groups: readonly RunGroup[],
    options: Omit<RunOptions, "signal" | "onProgress"> & { readonly keeps: boolean },
  ): void {
    const leastBytes = leastBytesIfMade(plan);
    const request: ToCoordinator = {
      type: "run",
      groups,
      layers: graph.layers,
      outputs: graph.outputs,
      leastBytes,
      memoryBytes: options.memoryBytes ?? null,
      retries: options.retries ?? 0,
      priority: options.priority ?? 0,
      keeps: options.keeps,
    };
    try {
      this.#send(this.#started(), request);
    } catch (error) {
      // Memory of the caller's that is no more cannot be told: nobody will hear of this run.
      for (const { id } of groups) this.#pending.get(id)?.reject(asError(error));
      return;
    }
    this.#relief?.expect(leastBytes);
  }

  /** Sums since the threads were started. */
  figures(): Promise<RunnerFigures | null> {
    const worker = this.#started();
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<RunnerFigures | null>();
    this.#asked.set(id, resolve);
    worker.ref(); // as for a run: whoever waits must not be cut off by an empty event loop
    this.#send(worker, { type: "figures", id });
    return promise.finally(() => {
      if (this.#pending.size + this.#asked.size === 0) this.#worker?.unref();
    });
  }

  /** End the threads. Runs under way are rejected; a later run starts new ones. */
  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#segments.clear();
    const calls = this.#calls;
    this.#calls = null;
    const end = this.#underWay();
    await Promise.all([worker?.terminate(), calls?.[Symbol.asyncDispose]()]);
    end(new CancelledError("the runner was closed"));
  }

  #resolved(): CoordinatorOptions {
    if (this.#settings) return this.#settings;
    const threads = this.#options.threads ?? computeThreads();
    const limit = this.#options.memoryLimitBytes ?? memoryLimitBytes();
    const budgetBytes = budgetBytesWithin(limit, threads);
    const wide = config.boolean("rsdat.kernels.wide") ?? "proven";
    const hugePages = config.boolean("rsdat.kernels.huge-pages") ?? true;
    allowHugePages(hugePages); // here for results
    const spill = this.#options.spill === false ? null : spillSetting();
    this.#settings = {
      threads,
      limitBytes: limit,
      budgetBytes,
      spill,
      admission: this.#options.admission ?? true,
      wide,
      hugePages,
    };
    return this.#settings;
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(ENTRY, {
      name: "rsdat-coordinator",
      workerData: this.#resolved(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker = worker;
    const relief = new Relief(this.#resolved(), () => this.#pending.size > 0);
    this.#relief = relief;
    worker.on("exit", () => relief[Symbol.dispose]());
    worker.on("message", (messages: readonly FromCoordinator[]) => {
      // A thread that was ended may still have said something: its numbers are not those of the next one.
      if (this.#worker === worker) for (const message of messages) this.#receive(message);
    });
    worker.on("error", (error: unknown) => this.#lost(worker, error));
    worker.on("exit", (code) =>
      this.#lost(worker, new RsdatError("coordinator", `the coordinator's thread ended with code ${code}`)),
    );
    return worker;
  }

  #send(worker: Worker, message: ToCoordinator): void {
    worker.postMessage(message);
  }

  #lost(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#segments.clear();
    this.#underWay()(asError(error));
  }

  /** Ends what is under way now; what begins before it is called has other threads. */
  #underWay(): (error: Error) => void {
    const [runs, questions] = [Array.from(this.#pending.values()), Array.from(this.#asked)];
    return (error) => {
      for (const run of runs) run.reject(error);
      for (const [id, resolve] of questions) {
        this.#asked.delete(id);
        resolve(null);
      }
    };
  }

  #receive(message: FromCoordinator): void {
    switch (message.type) {
      case "progress":
        this.#pending.get(message.id)?.onProgress?.(message.progress);
        break;
      case "segment":
        this.#segments.set(message.id, message.buffer);
        break;
      case "blocks": {
        const { blocks, parcel } = message;
        for (const block of blocks) {
          try {
            this.#take(block);
          } catch (error) {
            this.#refuse(block.id, error);
          }
        }
        if (this.#worker && parcel !== null) this.#send(this.#worker, { type: "taken", parcel });
        break;
      }
      case "figures":
        this.#asked.get(message.id)?.(message.figures);
        this.#asked.delete(message.id);
        break;
      case "done": {
        const pending = this.#pending.get(message.id);
        pending?.resolve(pending.received.blocks());
        break;
      }
      case "failed":
        this.#pending.get(message.id)?.reject(errorFromRecord(message.error));
        break;
      default:
        assertNever(message);
    }
  }

  /** There is no room for a result here: nobody needs the rest. */
  #refuse(id: number, error: unknown): void {
    if (this.#worker) this.#send(this.#worker, { type: "cancel", id });
    this.#pending.get(id)?.reject(asError(error));
  }

  /** A copy of a block, in the caller's memory. */
  #take({ id, outputs, index, dtype, shape, from }: WantedBlock): void {
    const received = this.#pending.get(id)?.received;
    if (!received) return;
    if (ArrayBuffer.isView(from)) return received.add(outputs, index, new NDArray(dtype, from, shape), true);
    const buffer = this.#segments.get(from.segment);
    invariant(buffer, `segment ${from.segment} was told of before its blocks`);
    received.add(outputs, index, NDArray.view(dtype, buffer, from.offset, shape), false);
  }
}

/** What each caller of a run wants, by the number of its call. */
function asked(groups: readonly OutputGroup[], ids: readonly number[]): RunGroup[] {
  return groups.map(({ outputs, onProgress }, k) => ({
    id: ids[k] as number, // as many
    outputs,
    listens: onProgress !== undefined,
  }));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function nbytesOf({ dtype, chunks }: Pick<Layer, "dtype" | "chunks">): number {
  return sizeOf(shapeOfChunks(chunks)) * itemsize(dtype);
}

function cancelled(signal: AbortSignal, error?: Error): Error {
  return error !== undefined && !(error instanceof RsdatError && error.code === "cancelled")
    ? error
    : new CancelledError("the run was cancelled", { cause: signal.reason });
}

/** The embedded runner. Nothing starts before the first run. */
export function localRunner(options: LocalOptions = {}): LocalRunner {
  return new LocalRunner(options);
}
