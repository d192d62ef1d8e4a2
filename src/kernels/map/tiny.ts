/**
 * Maps over a few elements: what the interpreter would do, with a program that is kept. The bits do not depend on the way
 * taken, so this is the way for blocks that are not worth anything else.
 */
import { DTYPES } from "../../dtype/index.ts";
import type { KernelCall } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { countRun } from "../wasm/runtime.ts";
import { compileFrom, isNeverInterpreted } from "./engine.ts";
import { type Program, prepareProgram } from "./interpret.ts";

/** Elements up to which a map goes this way; of more, compiled code is sooner done once a process has seen many kernels. */
export const TINY = 16;

/** A map made ready for up to {@link TINY} elements. */
export type TinyProgram = Program;

type Cells = { [index: number]: number | bigint };

const programs = new WeakMap<KernelCall, Program | null>();

/** Run the map here if it is one for this way; false: nothing was done. */
export function runTiny(
  call: KernelCall,
  inputs: readonly NDArray[],
  outs: readonly NDArray[],
  shape: readonly number[],
): boolean {
  let size = 1;
  for (const n of shape) size *= n;
  if (size > TINY || compileFrom.elements <= TINY) return false;
  const program = tinyProgram(call);
  if (program === null) return false;
  for (let k = 0; k < inputs.length; k++) {
    const tile = program.inputs[k];
    if (tile) gather(tile as unknown as Cells, inputs[k] as NDArray, shape, size); // k < length; one class of cells
  }
  program.run(size);
  for (let k = 0; k < outs.length; k++)
    scatter(outs[k] as NDArray, program.outputs[k] as unknown as Cells, shape, size); // as above
  countRun("interpreted");
  return true;
}

/** The map as a program for up to {@link TINY} elements; null: it is not one for this way. */
export function tinyProgram(call: KernelCall): Program | null {
  let program = programs.get(call);
  if (program === undefined) {
    program = isSimple(call) && compileFrom.elements > TINY ? prepareProgram(call, TINY) : null;
    programs.set(call, program);
  }
  return program;
}

/** Real numbers only, and no function whose vector code differs from the interpreter. */
function isSimple({ kernel }: KernelCall): boolean {
  const dtypes = [...kernel.inputs, ...kernel.nodes.map((node) => node.dtype)];
  return dtypes.every((dtype) => DTYPES[dtype].components === 1) && !isNeverInterpreted(kernel);
}

function gather(to: Cells, from: NDArray, shape: readonly number[], size: number): void {
  const data = from.data as unknown as Cells; // of the tile's class
  if (shape.length < 2) {
    const step = from.stride[0] ?? 0;
    for (let i = 0, at = from.offset; i < size; i++, at += step) to[i] = data[at] as number;
    return;
  }
  for (let i = 0; i < size; i++) to[i] = data[from.offset + offsetOf(i, shape, from.stride)] as number;
}

function scatter(to: NDArray, from: Cells, shape: readonly number[], size: number): void {
  const data = to.data as unknown as Cells; // of the tile's class
  if (shape.length < 2) {
    const step = to.stride[0] ?? 0;
    for (let i = 0, at = to.offset; i < size; i++, at += step) data[at] = from[i] as number;
    return;
  }
  for (let i = 0; i < size; i++) data[to.offset + offsetOf(i, shape, to.stride)] = from[i] as number;
}

/** Offset of element `index` in C order of `shape`. */
function offsetOf(index: number, shape: readonly number[], stride: readonly number[]): number {
  let offset = 0;
  let rest = index;
  for (let k = shape.length - 1; k >= 0; k--) {
    const n = shape[k] as number; // k < length, as for the stride
    offset += (rest % n) * (stride[k] as number);
    rest = Math.floor(rest / n);
  }
  return offset;
}
