/** Small programs for tests of the executor. */
import { itemsize } from "../../src/dtype/index.ts";
import {
  type KernelCall,
  type Key,
  keyOfValue,
  planRegisters,
  type Step,
  type TaskSpec,
} from "../../src/graph/index.ts";
import { sizeOf } from "../../src/ndarray/index.ts";

/** A complete spec of these steps. */
export function specOf(inputs: number, steps: readonly Step[], scratch = 0): TaskSpec {
  const last = steps.at(-1) as Step;
  const out = { dtype: last.dtype, shape: last.shape, nbytes: sizeOf(last.shape) * itemsize(last.dtype) };
  return { v: 1, inputs, steps, out, workspace: planRegisters(inputs, steps).bytes + scratch, scratch };
}

/** A key by name and position. */
export function keyOf(name: string, ...position: readonly number[]): Key {
  return keyOfValue([name, ...position]);
}

/** a + b in float64. */
export const ADD: KernelCall = {
  kernel: {
    inputs: ["float64", "float64"],
    params: [],
    sets: [],
    nodes: [
      { op: "in", slot: 0, dtype: "float64" },
      { op: "in", slot: 1, dtype: "float64" },
      { op: "add", a: 0, b: 1, dtype: "float64" },
    ],
    outputs: [2],
  },
  params: [],
  sets: [],
};

/** start, start + 1, … */
export function counting(n: number, start = 0): TaskSpec {
  return specOf(0, [{ do: "arange", dtype: "float64", shape: [n], start, step: 1, first: 0 }]);
}

/** Sum of two blocks of `n` and of `0 … n-1`, made in the task itself. */
export function addBoth(n: number): TaskSpec {
  return specOf(2, [
    { do: "arange", dtype: "float64", shape: [n], start: 0, step: 1, first: 0 },
    { do: "map", dtype: "float64", shape: [n], call: ADD, inputs: [0, 1], axes: [[0], [0]] },
    { do: "map", dtype: "float64", shape: [n], call: ADD, inputs: [3, 2], axes: [[0], [0]] },
  ]);
}

/** A user function over the inputs. */
export function callOf(text: string, inputs: number, args: Extract<Step, { do: "call" }>["args"] = null): TaskSpec {
  return specOf(inputs, [
    {
      do: "call",
      dtype: "float64",
      shape: [4],
      text,
      inputs: Array.from({ length: inputs }, (_, k) => k),
      args,
      mac: null,
    },
  ]);
}
