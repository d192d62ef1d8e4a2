/** Runs of equal elements in a sorted line: where they begin, how long they are, which of them each element is in. */
import { DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import type { KernelCall } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { copyStrided } from "../copy.ts";
import { indexWords } from "../order/sort.ts";
import { CallBuilder } from "./ir.ts";
import { runMap } from "./map.ts";
import type { Element } from "./scalar-ops.ts";

/** Parameters: NaN equals NaN, or each is a run of its own. */
interface RunParams {
  readonly equalNaN: boolean;
}

/** Elements of a 1-d block, one after another. */
function lineOf(x: NDArray): TypedArray {
  const own = NDArray.zeros(x.dtype, x.shape);
  copyStrided(own, x);
  return own.data;
}

/** True where element `i` equals the one before it. */
function sameAsBefore(dtype: DType, line: TypedArray, equalNaN: boolean): (i: number) => boolean {
  const cells = line as unknown as readonly Element[]; // one loop for all classes
  if (DTYPES[dtype].components === 1) {
    return (i) => {
      const [a, b] = [cells[i - 1] as Element, cells[i] as Element];
      return a === b || (equalNaN && Number.isNaN(a) && Number.isNaN(b));
    };
  }
  const nan = (i: number): boolean => Number.isNaN(cells[2 * i]) || Number.isNaN(cells[2 * i + 1]);
  return (i) => {
    if (nan(i - 1) && nan(i)) return equalNaN;
    return cells[2 * i - 2] === cells[2 * i] && cells[2 * i - 1] === cells[2 * i + 1];
  };
}

/** Writes whole numbers, not negative, into an int64 block. */
function writeIndex(words: Int32Array, at: number, value: number): void {
  words[2 * at] = value;
  words[2 * at + 1] = Math.floor(value / 2 ** 32);
}

const STARTS = new Map<string, KernelCall>();

/** True where an element differs from the one before; compared by a kernel. */
function markStarts(sorted: NDArray, out: NDArray, equalNaN: boolean): void {
  const { dtype } = sorted;
  const n = out.size;
  if (n === 0) return;
  let call = STARTS.get(`${dtype} ${equalNaN}`);
  if (call === undefined) {
    const b = new CallBuilder();
    const [x, y] = [b.input(dtype), b.input(dtype)];
    const differs = b.compare("ne", x, y);
    const isNumber =
      equalNaN && DTYPES[dtype].kind === "f" ? b.binary("or", b.compare("eq", x, x), b.compare("eq", y, y)) : null;
    call = b.build([isNumber === null ? differs : b.binary("and", differs, isNumber)]);
    STARTS.set(`${dtype} ${equalNaN}`, call);
  }
  const from = (x: NDArray, k: number): NDArray =>
    new NDArray(x.dtype, x.data, [n - 1], x.stride, x.offset + k * (x.stride[0] as number)); // of one axis
  out.data[out.offset] = 1 as never; // bool
  if (n > 1) runMap(call, [from(sorted, 1), from(sorted, 0)], [from(out, 1)], [n - 1]);
}

function lineBytes(x: { readonly dtype: DType; readonly shape: readonly number[] } | undefined): number {
  return x === undefined ? 0 : (x.shape[0] ?? 1) * (DTYPES[x.dtype].itemsize + 8);
}

export const setKernels: Readonly<Record<string, BlockKernel>> = {
  "run-starts": {
    run: ([x], out, params) => {
      const sorted = x as NDArray; // one input
      const { equalNaN } = params as unknown as RunParams; // the array room makes them
      if (DTYPES[sorted.dtype].components === 1) markStarts(sorted, out, equalNaN);
      else {
        const same = sameAsBefore(sorted.dtype, lineOf(sorted), equalNaN);
        for (let i = 0, n = out.size; i < n; i++) out.data[out.offset + i] = (i === 0 || !same(i) ? 1 : 0) as never; // bool
      }
    },
    scratch: ([x]) => lineBytes(x),
  },
  "run-lengths": {
    run: ([x], out, params) => {
      const sorted = x as NDArray; // one input
      const { equalNaN } = params as unknown as RunParams; // the array room makes them
      const same = sameAsBefore(sorted.dtype, lineOf(sorted), equalNaN);
      const words = indexWords(out).fill(0);
      let start = 0;
      for (let i = 1; i <= out.size; i++) {
        if (i < out.size && same(i)) continue;
        writeIndex(words, start, i - start);
        start = i;
      }
    },
    scratch: ([x]) => lineBytes(x),
  },
  "run-numbers": {
    run: ([x, order], out, params) => {
      const [sorted, by] = [x as NDArray, order as NDArray]; // two inputs
      const { equalNaN } = params as unknown as RunParams; // the array room makes them
      const same = sameAsBefore(sorted.dtype, lineOf(sorted), equalNaN);
      const places = lineOf(by) as BigInt64Array; // an order is int64
      const low = new Int32Array(places.buffer, places.byteOffset, 2 * places.length); // below 2^31: one block
      const words = indexWords(out);
      let run = -1;
      for (let i = 0; i < out.size; i++) {
        if (i === 0 || !same(i)) run++;
        writeIndex(words, low[2 * i] as number, run);
      }
    },
    scratch: ([x]) => 2 * lineBytes(x),
  },
  lookup: {
    run: ([x, table], out) => {
      const index = NDArray.zeros("int32", (x as NDArray).shape); // places in the table
      copyStrided(index, x as NDArray);
      const values = lineOf(table as NDArray) as BigInt64Array; // an int64 table
      const data = out.data as BigInt64Array; // as the table
      for (let i = 0; i < out.size; i++) data[out.offset + i] = values[index.data[i] as number] as bigint;
    },
    scratch: ([x, table]) => (x === undefined ? 0 : x.shape.reduce((a, b) => a * b, 4)) + lineBytes(table),
  },
};
