/** Single blocks of lazy arrays, to be computed or handed on one by one. dask `to_delayed`. */
import type { DType } from "../../dtype/index.ts";
import type { Key, LayerNode, Plan } from "../../graph/index.ts";
import { blockKey } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import type { ChunkedArray } from "../chunked-array.ts";
import { type Computable, type ComputeOptions, computeAll, explainAll } from "../compute.ts";

/** One block of a lazy array; nothing of the others is computed for it. */
export class Delayed implements Computable<NDArray> {
  /** Key of the block's task. */
  readonly key: Key;
  readonly #block: ChunkedArray;

  constructor(block: ChunkedArray, key: Key) {
    this.#block = block;
    this.key = key;
  }

  /** The block as an array of one chunk. */
  get array(): ChunkedArray {
    return this.#block;
  }

  get shape(): readonly number[] {
    return this.#block.shape;
  }

  get dtype(): DType {
    return this.#block.dtype;
  }

  get outputs(): readonly LayerNode[] {
    return this.#block.outputs;
  }

  assemble(blocks: readonly (readonly NDArray[])[]): NDArray {
    return this.#block.assemble(blocks);
  }

  /** Run, and give the block. */
  async compute(options: ComputeOptions = {}): Promise<NDArray> {
    return (await computeAll([this], options))[0] as NDArray; // one result per computable
  }

  explain(options: ComputeOptions = {}): Promise<Plan> {
    return explainAll([this], options);
  }
}

/** The blocks of `x` in C order of its grid, `x.numblocks` of them per axis. */
export function toDelayed(x: ChunkedArray): Delayed[] {
  const grid = x.numblocks;
  let positions: number[][] = [[]];
  for (const n of grid) positions = positions.flatMap((p) => Array.from({ length: n }, (_, k) => [...p, k]));
  return positions.map((p) => new Delayed(x.blocks(...p), blockKey(x.name, p)));
}
