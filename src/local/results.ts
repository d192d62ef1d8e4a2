/** Results of tasks by what the worker machine calls them, and the graphs whose tasks it takes in columns. */
import type { BlockHandle, Executor, Programs } from "../executor/index.ts";
import type { Graph, Key, TaskId } from "../graph/index.ts";
import type { Ref, SchedulerWord } from "../worker/state/index.ts";
import type { Run } from "./run.ts";

/** Result of a task: a block, or nothing any more, as the caller has it and nobody here needs it. */
export type Result = { readonly block: BlockHandle } | "delivered";

/** Whose block it is that has a number instead of a key. */
export interface BlockOf {
  readonly run: Run;
  readonly task: TaskId;
}

/** Results that are here, or were until they were delivered. */
export class Results {
  readonly #executor: Executor;
  readonly #results = new Map<Ref, Result>();
  readonly #names = new Map<number, BlockOf>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  get size(): number {
    return this.#results.size;
  }

  get(ref: Ref): Result | undefined {
    return this.#results.get(ref);
  }

  /** A block is here. */
  set(ref: Ref, block: BlockHandle, name: BlockOf): void {
    this.#results.set(ref, { block });
    if (typeof ref === "number") this.#names.set(ref, name);
  }

  /** The callers have it. */
  deliver(ref: Ref): void {
    const result = this.#results.get(ref);
    if (result === undefined || result === "delivered") return;
    this.#executor.release(result.block);
    this.#results.set(ref, "delivered");
  }

  drop(ref: Ref): void {
    const result = this.#results.get(ref);
    this.#results.delete(ref);
    if (typeof ref === "number") this.#names.delete(ref);
    if (result !== undefined && result !== "delivered") this.#executor.release(result.block);
  }

  /** Run that made a block; undefined where its key tells. */
  runOf(ref: Ref): Run | undefined {
    return typeof ref === "number" ? this.#names.get(ref)?.run : undefined;
  }

  /** Blocks with their keys. */
  *blocks(): Generator<readonly [Key, BlockHandle], void, undefined> {
    for (const [ref, result] of this.#results) {
      if (result === "delivered") continue;
      const name = typeof ref === "number" ? this.#names.get(ref) : undefined;
      // Without a name it is a key.
      yield [name ? name.run.graph.key(name.task) : (ref as Key), result.block];
    }
  }
}

/** A graph that the worker machine knows. */
export interface OpenGraph {
  readonly run: Run;
  readonly programs: Programs;
}

/** Graphs of submissions, from the first word about one until it is forgotten. */
export class OpenGraphs {
  readonly #executor: Executor;
  readonly #runs = new WeakMap<Graph, Run>();
  readonly #open = new Map<number, OpenGraph>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Before its tasks are spoken of. */
  add(run: Run): void {
    this.#runs.set(run.graph, run);
  }

  get(submission: number): OpenGraph | undefined {
    return this.#open.get(submission);
  }

  /** What the worker machine has to hear first, if it has not heard of this graph; null otherwise. */
  announce(submission: number, graph: Graph): SchedulerWord | null {
    if (this.#open.has(submission)) return null;
    const run = this.#runs.get(graph) as Run; // every submission is a run's
    this.#open.set(submission, { run, programs: this.#executor.open(graph, () => true, run.stop.signal) });
    return { op: "graph", submission, graph };
  }

  forget(submission: number): void {
    const open = this.#open.get(submission);
    this.#open.delete(submission);
    if (open) this.#executor.close(open.programs);
  }

  /** The worker machine is made anew. */
  forgetAll(): void {
    for (const submission of Array.from(this.#open.keys())) this.forget(submission);
  }
}
