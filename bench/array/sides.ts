/** The two ways in which our side runs: one thread whose memory holds everything, and the threads that users get. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { array, type ChunkedArray } from "../../src/array/index.ts";
import { seededRandom } from "../../src/base/index.ts";
import { allocate, type DType } from "../../src/dtype/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { OneThread } from "./runner.ts";
import { DTYPES_SWEPT } from "./table.ts";

/** Two inputs of one dtype and form. */
export interface Inputs {
  readonly x: ChunkedArray;
  readonly y: ChunkedArray;
  readonly shape: readonly number[];
}

/** A way to run, with inputs ready: by dtype and form. */
export interface Side extends AsyncDisposable {
  readonly name: string;
  readonly inputs: ReadonlyMap<string, Inputs>;
  /** Makes it the one that runs, until the result is called. */
  use(): () => void;
}

/** Positive values without NaN, so that every function has something to do. */
function input(dtype: DType, shape: readonly number[], seed: number): NDArray {
  const random = seededRandom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const data = allocate(dtype, size);
  for (let i = 0; i < size; i++)
    data[i] = dtype === "float32" ? 0.05 + random.next() * 0.9 : Math.floor(random.next() * 10_000);
  return new NDArray(dtype, data, shape);
}

interface Pair {
  readonly dtype: DType;
  readonly x: NDArray;
  readonly y: NDArray;
}

/** The values of all inputs; the peer finds them in `folder`. */
export function makeValues(folder: string, side: number): Pair[] {
  return DTYPES_SWEPT.map((dtype) => {
    const shape = [side, dtype === "uint16" ? side * 2 : side];
    const [x, y] = [input(dtype, shape, 1), input(dtype, shape, 2)];
    for (const [name, { data }] of Object.entries({ x, y })) {
      writeFileSync(join(folder, `${name}-${dtype}`), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    return { dtype, x, y };
  });
}

async function inputsOf(
  pairs: readonly Pair[],
  hold: (block: NDArray, name: string) => ChunkedArray | Promise<ChunkedArray>,
): Promise<Map<string, Inputs>> {
  const made = new Map<string, Inputs>();
  for (const { dtype, x, y } of pairs) {
    for (const form of ["plane", "line"] as const) {
      const shape = form === "plane" ? x.shape : [x.size];
      const part = (block: NDArray, name: string): ChunkedArray | Promise<ChunkedArray> =>
        hold(new NDArray(dtype, block.data, shape), `${name}-${dtype}-${form}`);
      made.set(`${dtype} ${form}`, { x: await part(x, "x"), y: await part(y, "y"), shape });
    }
  }
  return made;
}

/** This thread, every input one block. */
export async function oneThread(pairs: readonly Pair[]): Promise<Side> {
  const thread = new OneThread();
  const inputs = await inputsOf(pairs, (block, name) => thread.hold(block, name));
  return {
    name: "one thread",
    inputs,
    use: () => pushRunner(thread.runner),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** All threads as `compute` takes them by default, inputs persisted in as many blocks of rows, results in the caller's hands. */
export async function allThreads(pairs: readonly Pair[]): Promise<Side> {
  const runner = localRunner();
  const { threads } = await runner.limits();
  const use = (): (() => void) => pushRunner(runner);
  const back = use();
  const inputs = await inputsOf(pairs, (block) => {
    const [rows = 1, ...rest] = block.shape;
    return array(block, { chunks: [Math.ceil(rows / threads), ...rest] }).persist();
  });
  back();
  return { name: `${threads} threads`, inputs, use, [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose]() };
}
