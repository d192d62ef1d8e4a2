/** The door from lazy to run: several objects become one graph, planned, run, and put together. */
import {
  ArgumentError,
  CancelledError,
  isRsdatError,
  type OptionNames,
  parseBytes,
  requireKnownOptions,
  UnsupportedError,
} from "../base/index.ts";
import { config } from "../config/index.ts";
import { itemsize } from "../dtype/index.ts";
import {
  beginAccounting,
  checkRunOptions,
  currentPlanner,
  currentRunner,
  type Graph,
  type Hold,
  heldNode,
  type Interval,
  isAccounted,
  type LayerNode,
  type OutputGroup,
  type Plain,
  type Plan,
  type PlannedGraph,
  planGraph,
  planToRun,
  progressOf,
  type Runner,
  type RunOptions,
  shapeOfChunks,
} from "../graph/index.ts";
import { planRead, type SourceSpec, sharesTiles } from "../io/index.ts";
import { type NDArray, sizeOf } from "../ndarray/index.ts";
import type { Joined, ResultMemory } from "./assemble.ts";
import { causeOfLoss, keepFor } from "./holds.ts";
import { placeholder } from "./planned.ts";
import { requireApart, type WritePlace } from "./store/places.ts";
import { type Call, Tick } from "./together.ts";

/** Anything that `compute` takes: layers to run and how their blocks become a result. */
export interface Computable<T> {
  /** What must be known before the layers can be said: other layers to run first. */
  readonly before?: Unsettled<T> | null;
  readonly outputs: readonly LayerNode[];
  /** What its tasks write. */
  readonly places?: readonly WritePlace[];
  /** Make ready what tasks need (a store to write to): called when the plan is known to fit, right before it runs. */
  prepare?(): Promise<void>;
  /** Blocks per output, each in C order of its grid; `memory` gives memory for what is put together, if not ordinary memory. */
  assemble(blocks: readonly (readonly NDArray[])[], memory?: ResultMemory): T | Promise<T>;
  /** Other layers that make the same result with less work, where it is wanted in one piece; null or none: no. */
  readonly joined?: Joined | null;
  /** Undo what was prepared, when the run failed (a store that was begun); nothing when nothing was. */
  abandon?(): Promise<void>;
}

/** A computable whose layers depend on values: those of `outputs`, one list of blocks for each. */
export interface Unsettled<T> {
  readonly outputs: readonly LayerNode[];
  /** The layers that follow, as large as they can become: what `explain` counts. */
  readonly atMost: readonly LayerNode[];
  settle(blocks: readonly (readonly NDArray[])[]): Computable<T>;
}

/** Share of a worker's memory that results of a tick may take until they are fetched, where others of it are kept. */
const KEPT_SHARE = 1 / 8;

/** Options of `compute` and its relatives. */
export interface ComputeOptions extends Omit<RunOptions, "memoryBytes"> {
  /** Bytes of blocks that one worker may hold for this plan, e.g. `"4GiB"`; default the runner's limit. */
  readonly memory?: string | number;
  /** False: a graph of its own, although other calls are made in the same tick. */
  readonly merge?: boolean;
}

const COMPUTE_OPTIONS: OptionNames<ComputeOptions> = {
  signal: true,
  onProgress: true,
  retries: true,
  priority: true,
  workers: true,
  allowOtherWorkers: true,
  resources: true,
  memory: true,
  merge: true,
};

/** @throws {ArgumentError} an option that `call` does not take, or no such value */
export function checkComputeOptions(call: string, options: ComputeOptions): void {
  requireKnownOptions(call, options, COMPUTE_OPTIONS);
  checkRunOptions(call, options);
}

/** Results of several computables, run as one graph. */
export type Results<T extends readonly Computable<unknown>[]> = {
  -readonly [K in keyof T]: T[K] extends Computable<infer R> ? R : never;
};

/**
 * Run several lazy objects as one graph, so that shared inputs are read once; results come in order. Calls made in one
 * tick are one graph too, each with its own failure; `{ merge: false }` keeps a call to itself.
 * @throws {MemoryBudgetError} the plan cannot fit  @throws {OverlappingWriteError} two write to one place
 * @throws the first task's error
 * @throws {CancelledError} the signal was aborted; its reason is the cause
 */
export async function computeAll<const T extends readonly Computable<unknown>[]>(
  items: T,
  options: ComputeOptions = {},
): Promise<Results<T>> {
  for (const item of items) {
    if (typeof item !== "object" || item === null || !("outputs" in item))
      throw new ArgumentError(`compute of ${String(item)}: expected lazy arrays, datasets or writes`);
  }
  checkComputeOptions("compute", options);
  const planner = currentPlanner();
  if (planner) {
    planner((await planAll(inOnePiece(items), options)).plan);
    return (await Promise.all(items.map(placeholder))) as Results<T>; // one result per item, as far as there are any
  }
  const runner = currentRunner();
  const isApart = options.merge === false || items.some((i) => i.before);
  const results = isApart
    ? await runAll(await runner, inOnePiece(await settleAll(items, options)), options)
    : await TICK.add({ value: { items: inOnePiece(items), options }, runner, kind: kindOf(options) });
  return results as Results<T>; // one result per item, of its type
}

/** The items, those that are put together from other layers' blocks over these. */
function inOnePiece(items: readonly Computable<unknown>[]): readonly Computable<unknown>[] {
  return items.map((item) => item.joined ?? item);
}

/** What one call of {@link computeAll} asks for. */
interface Asked {
  readonly items: readonly Computable<unknown>[];
  readonly options: ComputeOptions;
  /** What is computed stays where it is: the result is layers over it. */
  readonly keeps?: boolean;
}

const TICK = new Tick<Asked>(runTogether);

/** Calls that agree in this may be one graph; signal and progress are each call's own. */
function kindOf(options: ComputeOptions): string {
  const { memory, retries, priority, workers, allowOtherWorkers, resources } = options;
  const all = [memory, retries, priority, workers, allowOtherWorkers, resources];
  return all.every((one) => one === undefined) ? "" : JSON.stringify(all);
}

/**
 * Begin to compute layers and keep their blocks where they are, as one graph with what else is asked for in this tick;
 * layers over these blocks.
 * @throws {MemoryBudgetError} the plan cannot fit  @throws {UnsupportedError} the runner keeps nothing
 */
export async function holdAll(outputs: readonly LayerNode[], options: ComputeOptions): Promise<readonly LayerNode[]> {
  const value: Asked = { items: [{ outputs, assemble: () => null }], options, keeps: true };
  const runner = currentRunner();
  if (options.merge === false) return holdAlone(await runner, value);
  return (await TICK.add({ value, runner, kind: kindOf(options) })) as LayerNode[]; // of one that keeps
}

async function runTogether(runner: Runner, calls: readonly Call<Asked>[]): Promise<void> {
  if (calls.some(({ value }) => value.keeps)) return keepTogether(runner, calls);
  if (calls.length > 1 && runner.runGroups) {
    const { options } = (calls[0] as Call<Asked>).value; // several
    // Together they may not fit where each does; each then fails, or not, by itself.
    const planned = await planOn(
      runner,
      calls.flatMap((call) => call.value.items),
      options,
    ).catch(() => null);
    if (planned) return runGroups(runner, planned, calls);
  }
  for (const { value, resolve, reject } of calls)
    await runAll(runner, value.items, value.options).then(resolve, reject);
}

/** Calls of which some keep what they compute: one graph with the others, whose results are kept too until they are fetched. */
async function keepTogether(runner: Runner, calls: readonly Call<Asked>[]): Promise<void> {
  const keepers = calls.filter(({ value }) => value.keeps);
  const others = calls.filter(({ value }) => !value.keeps);
  const all = (await mayBeKept(runner, others)) ? calls : keepers;
  const apart = all === calls ? [] : others;
  const { options } = (keepers[0] as Call<Asked>).value; // one keeps
  const planned =
    all.length > 1 && runner.holdGroups
      ? await planOn(
          runner,
          all.flatMap(({ value }) => value.items),
          options,
        ).catch(() => null)
      : null;
  if (planned) await Promise.all([keepGroups(runner, planned, all), apart.length > 0 && runTogether(runner, apart)]);
  else {
    for (const { value, resolve, reject } of keepers)
      await holdAlone(runner, value).then((kept) => resolve([...kept]), reject);
    if (others.length > 0) await runTogether(runner, others);
  }
}

/** Results that take little of the memory wait there until they are fetched; who listens for progress has a run of his own. */
async function mayBeKept(runner: Runner, calls: readonly Call<Asked>[]): Promise<boolean> {
  const outputs = calls.flatMap(({ value }) => value.items.flatMap((item) => item.outputs));
  if (calls.some(({ value }) => progressOf(value.options.onProgress) !== undefined)) return false;
  if (outputs.some(({ layer }) => layer.kind === "held")) return false;
  const nbytes = outputs.reduce(
    (sum, { layer }) => sum + sizeOf(shapeOfChunks(layer.chunks)) * itemsize(layer.dtype),
    0,
  );
  return nbytes <= (await runner.limits()).memoryBytes * KEPT_SHARE;
}

async function holdAlone(runner: Runner, { items, options }: Asked): Promise<readonly LayerNode[]> {
  if (!runner.hold) throw new UnsupportedError(`persist: runner ${runner.name} keeps no results; use compute`);
  const { graph, plan } = await planOn(runner, items, options);
  const { memory: _, merge: __, ...run } = options;
  return keptNodes(
    items.flatMap((item) => item.outputs),
    await runner.hold(graph, plan, run),
  );
}

/** Layers over what is held, which lasts while one of them is in use. */
function keptNodes(outputs: readonly LayerNode[], hold: Hold): readonly LayerNode[] {
  const kept = outputs.map((node, k) => heldNode(node, hold.names[k] as string)); // a name for each
  keepFor(kept, hold);
  return kept;
}

async function keepGroups(runner: Runner, planned: PlannedGraph, calls: readonly Call<Asked>[]): Promise<void> {
  const { ready, graph, plan } = await prepared(runner, planned, calls);
  const [first] = ready;
  if (!first) return;
  const { memory: _, signal: __, onProgress: ___, merge: ____, ...run } = first.value.options;
  const isCounted = ready.some(({ value }) => !value.keeps);
  const isWanted = config.text("rsdat.accounting") !== null;
  const end = isCounted ? await beginAccounting(runner, { plan, isWanted }) : null;
  try {
    const given = { ...run, ...memoryBytes(first.value.options) };
    const holds = (await runner.holdGroups?.(graph, plan, groupsOf(ready), given)) ?? [];
    const fetched = ready.map((call, k) => fetchKept(runner, call, holds[k] as Hold)); // one for each
    await end?.((await Promise.all(fetched)).every((isDone) => isDone));
  } catch (error) {
    for (const { value, reject } of ready) reject(await undone(value, error));
  }
}

/** Settle a call whose results are held; false when it failed. */
async function fetchKept(runner: Runner, { value, resolve, reject }: Call<Asked>, hold: Hold): Promise<boolean> {
  const outputs = value.items.flatMap((item) => item.outputs);
  if (value.keeps) {
    resolve([...keptNodes(outputs, hold)]);
    return true;
  }
  const { signal } = value.options;
  const stop = (): void => hold.release();
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  try {
    await hold.wait();
    const nodes = outputs.map((node, k) => heldNode(node, hold.names[k] as string)); // a name for each
    const { graph, plan } = await planOn(runner, [{ outputs: nodes, assemble: () => null }], {});
    const blocks = await runner.run(graph, plan, signal ? { signal } : {});
    resolve(await assembleAll(runner, value.items, blocks));
    return true;
  } catch (error) {
    reject(await undone(value, error));
    return false;
  } finally {
    signal?.removeEventListener("abort", stop);
    hold.release();
  }
}

/** Calls that are ready to run, what they need being prepared, and their graph. */
async function prepared(
  runner: Runner,
  planned: PlannedGraph,
  calls: readonly Call<Asked>[],
): Promise<{ readonly ready: readonly Call<Asked>[]; readonly graph: Graph; readonly plan: Plan }> {
  const ready: Call<Asked>[] = [];
  for (const call of calls) {
    try {
      if (call.value.options.signal?.aborted) throw cancellation(call.value.options.signal);
      for (const item of call.value.items) await item.prepare?.();
      ready.push(call);
    } catch (error) {
      call.reject(await undone(call.value, error));
    }
  }
  const [first] = ready;
  const { graph, plan } =
    ready.length === calls.length || !first
      ? planned
      : await planOn(
          runner,
          ready.flatMap((call) => call.value.items),
          first.value.options,
        );
  return { ready, graph, plan };
}

/** What each call wants of the graph of all: outputs stand in their order. */
function groupsOf(calls: readonly Call<Asked>[]): readonly OutputGroup[] {
  let at = 0;
  return calls.map(({ value: { items, options: own } }): OutputGroup => {
    const count = items.reduce((n, item) => n + item.outputs.length, 0);
    at += count;
    return {
      outputs: Array.from({ length: count }, (_, k) => at - count + k),
      ...(own.signal ? { signal: own.signal } : {}),
      ...withProgress(own.onProgress),
    };
  });
}

async function runGroups(runner: Runner, first: PlannedGraph, calls: readonly Call<Asked>[]): Promise<void> {
  const { ready, graph, plan } = await prepared(runner, first, calls);
  if (ready.length === 0) return;
  const { options } = (ready[0] as Call<Asked>).value; // not empty
  const groups = groupsOf(ready);
  const { memory: _, signal: __, onProgress: ___, merge: ____, ...run } = options;
  const isWanted = config.text("rsdat.accounting") !== null;
  const end = await beginAccounting(runner, { plan, isWanted });
  const promises = runner.runGroups?.(graph, plan, groups, { ...run, ...memoryBytes(options) }) ?? [];
  await end?.((await Promise.allSettled(promises)).every(({ status }) => status === "fulfilled"));
  await Promise.all(
    ready.map(async ({ value, resolve, reject }, k) => {
      try {
        resolve(await assembleAll(runner, value.items, await (promises[k] as (typeof promises)[number]))); // one per group
      } catch (error) {
        reject(await undone(value, error));
      }
    }),
  );
}

/** Run, as one graph, what the items that depend on values need first; then every item has its layers. */
export async function settleAll<T>(
  items: readonly Computable<T>[],
  options: ComputeOptions = {},
): Promise<Computable<T>[]> {
  const waiting = items.flatMap((i) => (i.before ? [i.before] : []));
  if (waiting.length === 0) return [...items];
  const first = waiting.map(
    (w): Computable<Computable<T>> => ({ outputs: w.outputs, assemble: (blocks) => w.settle(blocks) }),
  );
  const settled = (await runAll(await currentRunner(), first, options)) as Computable<T>[]; // in their order
  return items.map((i) => (i.before ? (settled.shift() as Computable<T>) : i));
}

async function runAll(
  runner: Runner,
  items: readonly Computable<unknown>[],
  options: ComputeOptions,
): Promise<unknown[]> {
  try {
    const { graph, plan } = await planOn(runner, items, options);
    const { memory: _, merge: __, ...run } = options;
    if (run.signal?.aborted) throw cancellation(run.signal);
    for (const item of items) if (item.prepare) await item.prepare();
    const told = withProgress(run.onProgress);
    const blocks = await accounted(runner, plan, () =>
      runner.run(graph, plan, { ...run, ...told, ...memoryBytes(options) }),
    );
    return await assembleAll(runner, items, blocks);
  } catch (error) {
    throw await undone({ items, options }, error);
  }
}

/** A run, with its accounting if somebody wants that. */
async function accounted<T>(runner: Runner, plan: Plan, run: () => Promise<T>): Promise<T> {
  const isWanted = config.text("rsdat.accounting") !== null;
  if (!isAccounted(isWanted)) return run();
  const end = await beginAccounting(runner, { plan, isWanted });
  if (!end) return run();
  let isDone = false;
  try {
    const result = await run();
    isDone = true;
    return result;
  } finally {
    await end(isDone);
  }
}

function withProgress(own: ComputeOptions["onProgress"]): { onProgress?: NonNullable<ComputeOptions["onProgress"]> } {
  const onProgress = progressOf(own);
  return onProgress ? { onProgress } : {};
}

/** Results from the blocks of all outputs. */
async function assembleAll(
  { resultBlock }: Runner,
  items: readonly Computable<unknown>[],
  blocks: readonly (readonly NDArray[])[],
): Promise<unknown[]> {
  let at = 0;
  const results: unknown[] = [];
  for (const item of items) {
    const made = item.assemble(blocks.slice(at, at + item.outputs.length), resultBlock);
    results.push(made instanceof Promise ? await made : made);
    at += item.outputs.length;
  }
  return results;
}

/** Undo what was prepared; gives the error to tell. */
async function undone({ items, options }: Asked, error: unknown): Promise<unknown> {
  await Promise.allSettled(items.map((i) => i.abandon?.()));
  // Runners differ in what they throw when they are told to stop; here it is one error.
  if (options.signal?.aborted && !isRsdatError(error, "cancelled")) return cancellation(options.signal);
  return causeOfLoss(
    error,
    items.flatMap((i) => i.outputs),
  );
}

/**
 * What running several lazy objects as one graph would cost; at most, where sizes depend on values.
 * @throws {MemoryBudgetError} it cannot fit  @throws {ArgumentError} an option that there is not
 */
export async function explainAll(items: readonly Computable<unknown>[], options: ComputeOptions = {}): Promise<Plan> {
  checkComputeOptions("explain", options);
  return (await planAll(inOnePiece(items), options)).plan;
}

/** Graph and plan of several lazy objects. @throws {MemoryBudgetError} it cannot fit */
export async function planAll(items: readonly Computable<unknown>[], options: ComputeOptions): Promise<PlannedGraph> {
  return planOn(await currentRunner(), items, options, planGraph);
}

/** As {@link planAll} for what is run at once: figures may be worked out when somebody asks for them. */
export async function planRun(items: readonly Computable<unknown>[], options: ComputeOptions): Promise<PlannedGraph> {
  return planOn(await currentRunner(), items, options);
}

async function planOn(
  runner: Runner,
  items: readonly Computable<unknown>[],
  options: ComputeOptions,
  plan: typeof planGraph = planToRun,
): Promise<PlannedGraph> {
  requireApart(items.flatMap((item) => item.places ?? []));
  const limits = await runner.limits();
  const { memoryBytes: given } = memoryBytes(options);
  return plan(
    items.flatMap((i) => (i.before ? [...i.before.outputs, ...i.before.atMost] : i.outputs)),
    {
      threads: limits.threads,
      memoryBytes: Math.min(given ?? Number.POSITIVE_INFINITY, limits.memoryBytes),
      // A bound that the caller gives is one on all live bytes.
      spillBytes: given !== undefined && given < limits.memoryBytes ? 0 : (limits.spillBytes ?? 0),
      rechunksOnDisk: config.boolean("distributed.p2p.storage.disk") ?? true,
      workers: limits.workers,
      readCost,
      readsTogether: (a, b) => sharesTiles(a as unknown as SourceSpec, b as unknown as SourceSpec), // as in readCost
    },
  );
}

/** The one error of a run that was given up, on whatever runner; the signal's reason is its cause. */
function cancellation({ reason }: AbortSignal): Error {
  const why = Error.isError(reason) && reason.name !== "AbortError" ? `: ${reason.message}` : "";
  return new CancelledError(`the run was cancelled${why}`, { cause: reason });
}

function readCost(source: Plain, region: readonly Interval[]): { bytes: number; requests: number } {
  // `source` was made by io's open functions and travelled unchanged.
  const read = planRead(source as unknown as SourceSpec, region);
  return { bytes: read.bytes, requests: read.requests.length };
}

function memoryBytes(options: ComputeOptions): { memoryBytes?: number } {
  return options.memory === undefined ? {} : { memoryBytes: parseBytes(options.memory, "memory") };
}
