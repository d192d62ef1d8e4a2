/**
 * Runs graphs in this thread, blocks in one shared segment, as a compute thread of the executor does: what is measured is
 * building, planning and computing, and not how long another thread takes to wake. Inputs lie ready, as those of a
 * persisted array; each run writes over the last one's blocks, so that its memory was touched before.
 */
import { ChunkedArray } from "../../src/array/index.ts";
import { invariant } from "../../src/base/index.ts";
import { type DType, itemsize } from "../../src/dtype/index.ts";
import { runTask } from "../../src/executor/index.ts";
import type { Graph, Runner } from "../../src/graph/index.ts";
import { createSegment } from "../../src/kernels/index.ts";
import { copyBlock, NDArray, sizeOf } from "../../src/ndarray/index.ts";

const SEGMENT_BYTES = 3 * 2 ** 30;
const ALIGN_BYTES = 64;

/** The segment, and the blocks it holds for good. */
export class OneThread {
  readonly #segment = createSegment(SEGMENT_BYTES);
  readonly #held = new Map<string, NDArray>();
  #kept = 0;
  #next = 0;

  /** Runs graphs here. */
  readonly runner: Runner = {
    name: "one thread",
    limits: () => Promise.resolve({ threads: 1, memoryBytes: SEGMENT_BYTES, workers: 1 }),
    run: (graph) => this.#run(graph),
    resultBlock: (dtype, shape) => this.#allocate(dtype, shape),
  };

  /** A lazy array whose one block lies in the segment. */
  hold(block: NDArray, name: string): ChunkedArray {
    this.#next = this.#kept;
    const mine = this.#allocate(block.dtype, block.shape);
    copyBlock(mine, block);
    this.#kept = this.#next;
    this.#held.set(name, mine);
    const chunks = block.shape.map((n) => [n]);
    return new ChunkedArray({ layer: { kind: "held", name, dtype: block.dtype, chunks } });
  }

  #allocate(dtype: DType, shape: readonly number[]): NDArray {
    const nbytes = sizeOf(shape) * itemsize(dtype);
    const at = this.#next;
    this.#next = at + Math.ceil(nbytes / ALIGN_BYTES) * ALIGN_BYTES;
    invariant(this.#next <= SEGMENT_BYTES, `the segment of ${SEGMENT_BYTES} bytes is full`);
    return NDArray.view(dtype, this.#segment.buffer, at, shape);
  }

  async #run(graph: Graph): Promise<NDArray[][]> {
    this.#next = this.#kept;
    const blocks = new Map<number, NDArray>();
    const results: NDArray[][] = [];
    for (const tasks of graph.wanted()) {
      const list: NDArray[] = [];
      for (const task of tasks) list.push(await this.#block(graph, task, blocks));
      results.push(list);
    }
    return results;
  }

  /** The block of a task, those it depends on first. */
  async #block(graph: Graph, task: number, blocks: Map<number, NDArray>): Promise<NDArray> {
    const known = blocks.get(task);
    if (known) return known;
    const layer = graph.layer(graph.locate(task).layer);
    let block = layer.kind === "held" ? this.#held.get(layer.name) : undefined;
    if (layer.kind === "held") invariant(block !== undefined, `layer ${layer.name} is held`);
    else {
      const { dependencies, spec } = graph.expand(task);
      const inputs: NDArray[] = [];
      for (const d of dependencies) inputs.push(await this.#block(graph, d, blocks));
      const result = await runTask(spec, inputs, {
        place: (_, step) => this.#allocate(step.dtype, step.shape),
        output: this.#allocate(spec.out.dtype, spec.out.shape),
        trusted: true,
      });
      block = result as NDArray; // native tasks give blocks
    }
    blocks.set(task, block as NDArray); // held, or just made
    return block as NDArray;
  }
}
