/** A second thread of bench/kernels: runs its share of a row's elements, or of a copy, when it is told to. */
import { parentPort, workerData } from "node:worker_threads";
import { adoptSegment, copyStrided, runMap, type WasmMemory } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { callOf } from "./row.ts";
import { explog, plainNdvi } from "./rows-map.ts";

/** What a thread is given: memory, where its operands lie, and a counter that it answers on. */
export interface Share {
  readonly memory: WasmMemory;
  readonly control: SharedArrayBuffer;
  readonly offsets: readonly number[];
  readonly elements: number;
}

const { memory, control, offsets, elements } = workerData as Share;
const buffer = adoptSegment(memory);
const flags = new Int32Array(control);
const [a, b, out] = offsets.map((at) => NDArray.view("float32", buffer, at, [elements])) as [NDArray, NDArray, NDArray]; // three

export const TASKS: Readonly<Record<number, () => void>> = {
  1: taskOf(plainNdvi),
  2: taskOf(explog),
  3: () => copyStrided(out, a),
};

function taskOf(build: typeof plainNdvi): () => void {
  const call = callOf(["float32", "float32"], build);
  return () => runMap(call, [a, b], [out], [elements]);
}

parentPort?.postMessage("ready");
for (;;) {
  Atomics.wait(flags, 0, 0);
  const task = Atomics.load(flags, 0);
  if (task < 0) break;
  TASKS[task]?.();
  Atomics.store(flags, 0, 0);
  Atomics.store(flags, 1, 1);
  Atomics.notify(flags, 1);
}
