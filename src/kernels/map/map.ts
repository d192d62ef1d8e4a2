/** Elementwise kernels over blocks: one call for all outputs, one pass over memory. */
import { invariant } from "../../base/index.ts";
import type { KernelCall } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { splitBlocks, splitCall } from "../complex/split.ts";
import { runNest } from "./engine.ts";
import { loopNest } from "./loop.ts";
import { runTiny } from "./tiny.ts";

/**
 * Run a fused elementwise kernel for every element of `shape`.
 *
 * Inputs and outputs are seen at `shape`: any strides, 0 where an operand repeats. An output may be an input of equal
 * address and strides; otherwise outputs overlap nothing. The bits do not depend on strides, memory or the way taken.
 * @throws {UnsupportedError} an operation without meaning for its dtype
 */
export function runMap(
  call: KernelCall,
  inputs: readonly NDArray[],
  outs: readonly NDArray[],
  shape: readonly number[],
): void {
  const { kernel } = call;
  invariant(
    inputs.length === kernel.inputs.length && outs.length === kernel.outputs.length,
    "kernel operands do not match its signature",
  );
  inputs.forEach((x, k) => {
    invariant(
      x.dtype === kernel.inputs[k] && x.ndim === shape.length,
      `kernel input ${k} is ${x.dtype} of rank ${x.ndim}, expected ${kernel.inputs[k]} of rank ${shape.length}`,
    );
  });
  outs.forEach((x, k) => {
    const dtype = kernel.nodes[kernel.outputs[k] as number]?.dtype; // one node per output
    invariant(
      x.dtype === dtype && x.ndim === shape.length,
      `kernel output ${k} is ${x.dtype} of rank ${x.ndim}, expected ${dtype} of rank ${shape.length}`,
    );
  });
  if (runTiny(call, inputs, outs, shape)) return;
  const split = splitCall(call);
  if (split) {
    const [parts, results] = [splitBlocks(inputs), splitBlocks(outs)];
    return runNest(split, loopNest(shape, [...results, ...parts]), results, parts);
  }
  runNest(call, loopNest(shape, [...outs, ...inputs]), outs, inputs);
}
