/** Runs graphs on one compute thread; inputs lie ready in its memory, as those of a persisted array do. */
import { ChunkedArray } from "../../src/array/index.ts";
import { errorFromRecord, invariant } from "../../src/base/index.ts";
import { type BlockHandle, createExecutor, type Executor } from "../../src/executor/index.ts";
import { type Graph, type Runner, registerRunner, taskOrder } from "../../src/graph/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";

const BUDGET_BYTES = 2 ** 31;

/** One thread, and the blocks it holds. */
export class OneThread implements AsyncDisposable {
  readonly #executor: Executor;
  readonly #held = new Map<string, BlockHandle>();
  #results: BlockHandle[] = [];

  private constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Started, and made the runner of this process. */
  static async start(): Promise<OneThread> {
    const made = new OneThread(await createExecutor({ threads: 1, budgetBytes: BUDGET_BYTES }));
    const runner: Runner = {
      name: "one thread",
      limits: () => Promise.resolve({ threads: 1, memoryBytes: BUDGET_BYTES, workers: 1 }),
      run: (graph) => made.#run(graph),
    };
    registerRunner(() => Promise.resolve(runner));
    return made;
  }

  /** A lazy array whose one block lies in the thread's memory. */
  hold(block: NDArray, name: string): ChunkedArray {
    const chunks = block.shape.map((n) => [n]);
    this.#held.set(name, this.#executor.put(block));
    return new ChunkedArray({ layer: { kind: "held", name, dtype: block.dtype, chunks } });
  }

  /** Frees the results of the runs so far. */
  release(): void {
    for (const handle of this.#results) {
      this.#executor.unpin(handle);
      this.#executor.release(handle);
    }
    this.#results = [];
  }

  async #run(graph: Graph): Promise<NDArray[][]> {
    const blocks = new Map<number, BlockHandle>();
    const own: BlockHandle[] = [];
    for (const task of taskOrder(graph)) {
      const layer = graph.layer(graph.locate(task).layer);
      if (layer.kind === "held") {
        const held = this.#held.get(layer.name);
        invariant(held !== undefined, `layer ${layer.name} is held`);
        blocks.set(task, held);
        continue;
      }
      const { dependencies, spec } = graph.expand(task);
      const inputs = dependencies.map((d) => blocks.get(d) as BlockHandle); // order runs dependencies first
      const outcome = await this.#executor.run({ key: graph.key(task), spec, inputs, trusted: true });
      if (outcome.status === "error") throw errorFromRecord(outcome.error);
      invariant(outcome.status === "ok", `task ended as ${outcome.status}`);
      blocks.set(task, outcome.output);
      own.push(outcome.output);
    }
    const wanted = graph.wanted().map((tasks) => tasks.map((t) => blocks.get(t) as BlockHandle)); // all have run
    for (const handle of wanted.flat()) {
      this.#executor.pin(handle);
      this.#executor.retain(handle);
      this.#results.push(handle);
    }
    for (const handle of own) this.#executor.release(handle);
    return wanted.map((row) => row.map((handle) => this.#executor.view(handle)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    for (const handle of this.#held.values()) this.#executor.release(handle);
    await this.#executor[Symbol.asyncDispose]();
  }
}
