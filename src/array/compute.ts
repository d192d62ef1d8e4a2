/** The door from lazy to run: several objects become one graph, planned, run, and put together. */
import { ArgumentError, CancelledError, invariant, isRsdatError, parseBytes } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import {
  type Chunks,
  currentRunner,
  type Interval,
  type LayerNode,
  type Plain,
  type Plan,
  type PlannedGraph,
  planGraph,
  type RunOptions,
  shapeOfChunks,
} from "../graph/index.ts";
import { planRead, type SourceSpec, sharesTiles } from "../io/index.ts";
import { copyBlock, NDArray } from "../ndarray/index.ts";
import { causeOfLoss } from "./holds.ts";

/** Anything that `compute` takes: layers to run and how their blocks become a result. */
export interface Computable<T> {
  /** What must be known before the layers can be said: other layers to run first. */
  readonly before?: Unsettled<T> | null;
  readonly outputs: readonly LayerNode[];
  /** Make ready what tasks need (a store to write to): called when the plan is known to fit, right before it runs. */
  prepare?(): Promise<void>;
  /** Blocks per output, each in C order of its grid. */
  assemble(blocks: readonly (readonly NDArray[])[]): T | Promise<T>;
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

/** Options of `compute` and its relatives. */
export interface ComputeOptions extends Omit<RunOptions, "memoryBytes"> {
  /** Bytes of blocks that one worker may hold for this plan, e.g. `"4GiB"`; default the runner's limit. */
  readonly memory?: string | number;
}

/** Results of several computables, run as one graph. */
export type Results<T extends readonly Computable<unknown>[]> = {
  -readonly [K in keyof T]: T[K] extends Computable<infer R> ? R : never;
};

/**
 * Run several lazy objects as one graph, so that shared inputs are read once; results come in order.
 * @throws {MemoryBudgetError} the plan cannot fit  @throws the first task's error
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
  return (await runAll(await settleAll(items, options), options)) as Results<T>; // one result per item, of its type
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
  const settled = (await runAll(first, options)) as Computable<T>[]; // in their order
  return items.map((i) => (i.before ? (settled.shift() as Computable<T>) : i));
}

async function runAll(items: readonly Computable<unknown>[], options: ComputeOptions): Promise<unknown[]> {
  try {
    const planned = await planAll(items, options);
    const runner = await currentRunner();
    const { memory: _, ...run } = options;
    if (run.signal?.aborted) throw cancellation(run.signal);
    for (const item of items) await item.prepare?.();
    const blocks = await runner.run(planned.graph, planned.plan, { ...run, ...memoryBytes(options) });
    let at = 0;
    const results: unknown[] = [];
    for (const item of items) {
      results.push(await item.assemble(blocks.slice(at, at + item.outputs.length)));
      at += item.outputs.length;
    }
    return results;
  } catch (error) {
    await Promise.allSettled(items.map((i) => i.abandon?.()));
    // Runners differ in what they throw when they are told to stop; here it is one error.
    if (options.signal?.aborted && !isRsdatError(error, "cancelled")) throw cancellation(options.signal);
    throw await causeOfLoss(
      error,
      items.flatMap((i) => i.outputs),
    );
  }
}

/** What running several lazy objects as one graph would cost; at most, where sizes depend on values. @throws {MemoryBudgetError} it cannot fit */
export async function explainAll(items: readonly Computable<unknown>[], options: ComputeOptions = {}): Promise<Plan> {
  return (await planAll(items, options)).plan;
}

/** Graph and plan of several lazy objects. @throws {MemoryBudgetError} it cannot fit */
export async function planAll(items: readonly Computable<unknown>[], options: ComputeOptions): Promise<PlannedGraph> {
  const limits = await (await currentRunner()).limits();
  const { memoryBytes: given } = memoryBytes(options);
  return planGraph(
    items.flatMap((i) => (i.before ? [...i.before.outputs, ...i.before.atMost] : i.outputs)),
    {
      threads: limits.threads,
      memoryBytes: Math.min(given ?? Number.POSITIVE_INFINITY, limits.memoryBytes),
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

/** One block from an array's blocks. */
export function assembleBlocks(dtype: DType, chunks: Chunks, blocks: readonly NDArray[]): NDArray {
  const first = blocks[0];
  if (blocks.length === 1 && first !== undefined) return first;
  const shape = shapeOfChunks(chunks);
  const out = NDArray.zeros(dtype, shape);
  const grid = chunks.map((c) => c.length);
  const position = grid.map(() => 0);
  const starts = chunks.map((sizes) => {
    let at = 0;
    return sizes.map((n) => {
      at += n;
      return at - n;
    });
  });
  for (const block of blocks) {
    const offset =
      out.offset + position.reduce((sum, p, k) => sum + (starts[k]?.[p] as number) * (out.stride[k] as number), 0);
    invariant(block.dtype === dtype, `block of ${block.dtype} in an array of ${dtype}`);
    copyBlock(new NDArray(dtype, out.data, block.shape, out.stride, offset), block);
    for (let k = grid.length - 1; k >= 0; k--) {
      position[k] = (position[k] as number) + 1;
      if ((position[k] as number) < (grid[k] as number)) break;
      position[k] = 0;
    }
  }
  return out;
}
