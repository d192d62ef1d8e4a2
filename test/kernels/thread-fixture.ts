/** A compute thread: adopts a segment, takes a compiled module, adds two blocks in place. */
import { parentPort, workerData } from "node:worker_threads";
import type { KernelCall } from "../../src/graph/index.ts";
import {
  adoptSegment,
  importModule,
  kernelStats,
  type NamedModule,
  runMap,
  type WasmMemory,
} from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

const { memory, module, call, n } = workerData as {
  memory: WasmMemory;
  module: NamedModule;
  call: KernelCall;
  n: number;
};
const buffer = adoptSegment(memory);
importModule(module);
const block = (k: number): NDArray => NDArray.view("float32", buffer, 4 * n * k, [n]);
runMap(call, [block(0), block(1)], [block(2)], [n]);
parentPort?.postMessage(kernelStats());
