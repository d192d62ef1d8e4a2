/** Shared programs on a compute thread: made ready once, then run for task after task with other blocks. */
import { invariant, RemoteProtocolError } from "../base/index.ts";
import { decodePlain, planRegisters, type Register } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { BlockFacts, EncodedProgram } from "./programs.ts";
import type { RecordReader } from "./record.ts";
import { type ComputeStep, computeStep } from "./steps-compute.ts";
import { elementOf, type Whole, wholeProgram } from "./whole.ts";

/** Programs that a thread keeps ready. */
const KEPT_MAX = 1024;

/** Bytes of registers that a thread has room for of its own. */
export const THREAD_BYTES: number = 64 * 1024;

/** Where bytes lie. */
export interface Bytes {
  readonly buffer: SharedArrayBuffer;
  readonly offset: number;
}

/** A program that is ready to run. */
export interface Prepared {
  /** The way of programs over a few cells; null: step by step. */
  readonly whole: Whole | null;
  /** Blocks that it reads. */
  readonly inputs: EncodedProgram["inputs"];
  /** Run it over the blocks that a record tells; `work` holds the registers. */
  run(
    inputs: Pick<RecordReader, "inputSegment" | "inputOffset">,
    bufferOf: (segment: number) => SharedArrayBuffer,
    places: { readonly output: Bytes; readonly work: Bytes },
  ): void;
}

/** A thread's programs by number, the latest used kept. */
export class PreparedPrograms {
  readonly #known = new Map<number, Prepared>();

  /** The program of this number; `bytes` gives it where it is not known. */
  get(number: number, bytes: () => Uint8Array): Prepared {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const made = prepare(bytes());
    if (this.#known.size >= KEPT_MAX) this.#known.delete(this.#known.keys().next().value ?? 0);
    this.#known.set(number, made);
    return made;
  }
}

function prepare(bytes: Uint8Array): Prepared {
  // The text of programText.
  const { spec, inputs } = decodePlain(bytes, "program") as EncodedProgram;
  if (spec.inputs !== inputs.length) throw new RemoteProtocolError(`a program of ${spec.inputs} inputs`);
  const { offsets } = planRegisters(spec.inputs, spec.steps);
  const steps = spec.steps.map((step): ComputeStep => {
    invariant(step.do === "map" || step.do === "reduce" || step.do === "combine" || step.do === "literal", step.do);
    return step;
  });
  const fills = steps.map((step) => (step.do === "literal" ? elementOf(step.bytes, step.dtype) : null));
  const registers: (NDArray | null)[] = new Array<NDArray | null>(spec.inputs + steps.length).fill(null);
  const block = (register: Register): NDArray => registers[register] as NDArray; // programs are made by layers
  let placed: Bytes | null = null;
  /** Blocks of the registers, made anew only where they lie elsewhere than last time. */
  const place = (work: Bytes): void => {
    if (placed !== null && placed.buffer === work.buffer && placed.offset === work.offset) return;
    steps.forEach((step, k) => {
      if (k === steps.length - 1) return;
      registers[spec.inputs + k] = NDArray.view(
        step.dtype,
        work.buffer,
        work.offset + (offsets[k] as number), // one per step
        step.shape,
      );
    });
    placed = work;
  };
  return {
    whole: wholeProgram(spec, inputs),
    inputs,
    run: (record, bufferOf, { output, work }) => {
      if (steps.length > 1) place(work);
      for (let k = 0; k < inputs.length; k++) {
        const { dtype, shape } = inputs[k] as BlockFacts; // k < length
        registers[k] = NDArray.view(dtype, bufferOf(record.inputSegment(k)), record.inputOffset(k), shape);
      }
      const out = NDArray.view(spec.out.dtype, output.buffer, output.offset, spec.out.shape);
      for (let k = 0; k < steps.length; k++) {
        const result = k === steps.length - 1 ? out : block(spec.inputs + k);
        const fill = fills[k] ?? null;
        if (fill !== null)
          result.data.fill(fill as never); // the array's own element type
        else computeStep(steps[k] as ComputeStep, block, result); // k < length
      }
    },
  };
}
