/** Blocks of one run on the caller's thread: copied from shared memory into memory of the caller's own. */
import { type Graph, shapeOfChunks } from "../graph/index.ts";
import { unsetBlock } from "../kernels/index.ts";
import { copyBlock, NDArray } from "../ndarray/index.ts";

function copied(block: NDArray, to: NDArray | null): NDArray {
  const copy = to ?? unsetBlock(block.dtype, block.shape);
  copyBlock(copy, block);
  return copy;
}

/** An array of several blocks, in one piece. */
export class Whole {
  readonly #array: NDArray;
  readonly #sizes: readonly (readonly number[])[];
  /** First element of each block, by axis. */
  readonly #starts: readonly Float64Array[];

  /** @param array in C order, cut into blocks of `sizes` */
  constructor(array: NDArray, sizes: readonly (readonly number[])[]) {
    this.#array = array;
    this.#sizes = sizes;
    this.#starts = sizes.map((axis) => {
      let at = 0;
      return Float64Array.from(axis, (n) => {
        at += n;
        return at - n;
      });
    });
  }

  /** Where block `index` lies; null: it has not the extents that it should have. */
  place(index: number, shape: readonly number[]): NDArray | null {
    const { dtype, data, stride } = this.#array;
    let [rest, offset] = [index, this.#array.offset];
    for (let k = this.#sizes.length - 1; k >= 0; k--) {
      const sizes = this.#sizes[k] as readonly number[]; // k < length
      const at = rest % sizes.length;
      rest = Math.floor(rest / sizes.length);
      if (sizes[at] !== shape[k]) return null;
      offset += (this.#starts[k]?.[at] as number) * (stride[k] as number); // one per axis and block
    }
    return new NDArray(dtype, data, shape, stride, offset);
  }
}

/** One output of a caller: blocks of its own, or parts of one array. */
class Output {
  readonly blocks: NDArray[] = [];
  readonly #graph: Graph;
  readonly #layer: number;
  #whole: Whole | null = null;

  constructor(graph: Graph, layer: number) {
    this.#graph = graph;
    this.#layer = layer;
  }

  /** A block; `isOwn`: in memory that is the caller's already. */
  add(index: number, block: NDArray, isOwn: boolean): void {
    const place = this.#placeOf(index, block);
    this.blocks[index] = place === null && isOwn ? block : copied(block, place);
  }

  #placeOf(index: number, { dtype, shape }: NDArray): NDArray | null {
    const layer = this.#graph.layer(this.#layer);
    if (layer.dtype !== dtype || this.#graph.count(this.#layer) === 1) return null;
    this.#whole ??= new Whole(unsetBlock(dtype, shapeOfChunks(layer.chunks)), layer.chunks);
    return this.#whole.place(index, shape);
  }
}

/** The blocks of all outputs of a caller. */
export class Received {
  readonly #outputs: readonly Output[];

  /** @param outputs layers of the graph */
  constructor(graph: Graph, outputs: readonly number[]) {
    this.#outputs = outputs.map((layer) => new Output(graph, layer));
  }

  /** A block of these outputs; `isOwn`: in memory that is the caller's already, shared otherwise. */
  add(outputs: readonly number[], index: number, block: NDArray, isOwn: boolean): void {
    outputs.forEach((output, k) => {
      this.#outputs[output]?.add(index, block, isOwn && k === 0);
    });
  }

  blocks(): readonly (readonly NDArray[])[] {
    return this.#outputs.map(({ blocks }) => blocks);
  }
}
