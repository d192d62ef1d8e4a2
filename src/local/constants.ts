/**
 * Results of one value throughout. They are made where they are wanted: filling memory is less work for the caller's
 * thread than taking blocks from others and copying them, and memory that the system gives is zero already.
 */
import { itemsize } from "../dtype/index.ts";
import { type Graph, type Layer, shapeOfChunks } from "../graph/index.ts";
import { unsetBlock } from "../kernels/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import { Whole } from "./receive.ts";

/** Bytes up to which a result is filled in one go: a few milliseconds, which the caller's event loop waits. */
const FILL_BYTES = 64 << 20;
/** Blocks up to which it is cut here. */
const BLOCKS = 4096;

type Literal = Extract<Layer, { readonly kind: "literal" }>;

/** Blocks of all outputs of a graph, if each of them has one value throughout, and little enough to do; else null. */
export function constantResults(graph: Graph): NDArray[][] | null {
  const results: NDArray[][] = [];
  for (const output of graph.outputs) {
    const layer = graph.layer(output);
    if (!isConstant(layer) || graph.count(output) > BLOCKS) return null;
    const block = constantBlock(layer);
    if (block === null) return null;
    results.push(blocksOf(graph, output, block));
  }
  return results;
}

function isConstant(layer: Layer): layer is Literal {
  return layer.kind === "literal" && layer.bytes.length === itemsize(layer.dtype);
}

function constantBlock({ dtype, chunks, bytes }: Literal): NDArray | null {
  const shape = shapeOfChunks(chunks);
  if (bytes.every((byte) => byte === 0)) return zeroBlock(dtype, shape);
  if (sizeOf(shape) * bytes.length > FILL_BYTES) return null;
  const block = unsetBlock(dtype, shape);
  repeat(bytes, new Uint8Array(block.data.buffer, block.data.byteOffset, block.data.byteLength));
  return block;
}

/** Null: the system gives no such memory, and the threads' way tells so. */
function zeroBlock(dtype: NDArray["dtype"], shape: readonly number[]): NDArray | null {
  try {
    return NDArray.zeros(dtype, shape);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Write `bytes` again and again over `to`, whose length is a multiple. Words are filled bit by bit: any NaN stays itself. */
function repeat(bytes: Uint8Array, to: Uint8Array): void {
  const { buffer } = bytes.slice();
  switch (bytes.length) {
    case 1:
      to.fill(bytes[0] as number); // of one byte
      break;
    case 2:
      new Uint16Array(to.buffer, to.byteOffset, to.length / 2).fill(new Uint16Array(buffer)[0] as number); // of one word
      break;
    case 4:
      new Uint32Array(to.buffer, to.byteOffset, to.length / 4).fill(new Uint32Array(buffer)[0] as number); // of one word
      break;
    case 8:
      new BigUint64Array(to.buffer, to.byteOffset, to.length / 8).fill(new BigUint64Array(buffer)[0] as bigint); // of one word
      break;
    default:
      to.set(bytes.subarray(0, to.length)); // of no elements: nothing
      for (let done = bytes.length; done < to.length; done *= 2)
        to.copyWithin(done, 0, Math.min(done, to.length - done));
  }
}

function blocksOf(graph: Graph, output: number, block: NDArray): NDArray[] {
  const count = graph.count(output);
  if (count === 1) return [block];
  const whole = new Whole(block, graph.layer(output).chunks);
  return Array.from({ length: count }, (_, index) => {
    const shape = graph.blockShape(output, graph.position(output, index));
    return whole.place(index, shape) as NDArray; // of the layer's own extents
  });
}
