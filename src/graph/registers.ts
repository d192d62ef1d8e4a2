/** Registers of a task's program: renumbering, last uses, and the bytes that are live at the peak. */
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import type { Register, Step, TaskSpec } from "./task.ts";

/** Registers that a step reads, in the order it names them. */
export function stepInputs(step: Step): readonly Register[] {
  switch (step.do) {
    case "read":
    case "literal":
    case "arange":
      return [];
    case "reduce":
      return step.onto === undefined ? step.inputs : [...step.inputs, step.onto];
    case "map":
    case "combine":
    case "select":
    case "apply":
    case "take":
    case "call":
      return step.inputs;
    case "gather":
      return step.pieces.map((p) => p.from);
    case "write-cog":
      return step.parts.map((p) => p.from);
    case "coarsen":
    case "write-zarr":
    case "write-cog-part":
      return [step.from];
  }
}

/** The same step over other registers. */
export function mapRegisters(step: Step, f: (register: Register) => Register): Step {
  switch (step.do) {
    case "read":
    case "literal":
    case "arange":
      return step;
    case "reduce":
      return {
        ...step,
        inputs: step.inputs.map(f),
        ...(step.onto === undefined ? {} : { onto: f(step.onto) }),
      };
    case "map":
    case "combine":
    case "select":
    case "apply":
    case "take":
    case "call":
      return { ...step, inputs: step.inputs.map(f) };
    case "gather":
      return { ...step, pieces: step.pieces.map((p) => ({ ...p, from: f(p.from) })) };
    case "write-cog":
      return { ...step, parts: step.parts.map((p) => ({ ...p, from: f(p.from) })) };
    case "coarsen":
    case "write-zarr":
    case "write-cog-part":
      return { ...step, from: f(step.from) };
  }
}

/** Bytes that a step's block takes in block memory: 64-byte aligned with 64 bytes of slack (kernels.md §3.6). */
export function stepBytes(step: Step): number {
  return Math.ceil((sizeOf(step.shape) * itemsize(step.dtype)) / 64) * 64 + 64;
}

/** For each step: registers (steps only) whose last use it is; a step never used dies at once, the last step never. */
export function lastUses(inputs: number, steps: readonly Step[]): readonly (readonly Register[])[] {
  if (steps.length === 1) return NO_USES;
  const last = new Map<Register, number>();
  steps.forEach((step, k) => {
    last.set(inputs + k, k);
    for (const r of stepInputs(step)) last.set(r, k);
  });
  const out: Register[][] = steps.map(() => []);
  for (const [register, k] of last)
    if (register >= inputs && register !== inputs + steps.length - 1) out[k]?.push(register);
  return out;
}

/** Of one step: it is the last. */
const NO_USES: readonly (readonly Register[])[] = [[]];

type ReadStep = Extract<Step, { readonly do: "read" }>;

/** True for reads that take the same elements of the same region, each of its own source. */
export function sharesRegion(a: ReadStep, b: ReadStep): boolean {
  const box = ({ region, walk, shape }: ReadStep): string =>
    JSON.stringify([
      region.map(({ start, stop }) => [start, stop]),
      walk.map(({ axis, start, step }) => [axis, start, step]),
      shape,
    ]);
  return box(a) === box(b);
}

/** Where each step's block lies in the workspace, in bytes; the last step's block lies elsewhere (-1). */
export interface RegisterPlan {
  readonly offsets: readonly number[];
  /** Bytes of the workspace that the plan needs. */
  readonly bytes: number;
}

const NO_WORKSPACE: RegisterPlan = { offsets: [-1], bytes: 0 };

/** Index in `live` of a partial that step `k` goes on from and that nothing reads later: it is overwritten in place. */
function overwritten(
  step: Step,
  frees: readonly Register[],
  live: readonly { readonly step: number }[],
  inputs: number,
): number {
  if (step.do !== "reduce" || step.onto === undefined || !frees.includes(step.onto)) return -1;
  return live.findIndex((l) => l.step === (step.onto as Register) - inputs);
}

/** Static first-fit placement of the registers, freeing each after its last use. */
export function planRegisters(inputs: number, steps: readonly Step[]): RegisterPlan {
  if (steps.length === 1) return NO_WORKSPACE;
  const frees = lastUses(inputs, steps);
  const live: { step: number; start: number; stop: number }[] = []; // sorted by start
  let bytes = 0;
  const offsets = steps.map((step, k) => {
    let start = -1;
    const place = live[overwritten(step, frees[k] ?? [], live, inputs)];
    if (k < steps.length - 1 && place !== undefined) {
      place.step = k;
      start = place.start;
    } else if (k < steps.length - 1) {
      const size = stepBytes(step);
      start = 0;
      let at = 0;
      for (; at < live.length; at++) {
        const other = live[at] as { start: number; stop: number }; // at < length
        if (start + size <= other.start) break;
        start = other.stop;
      }
      live.splice(at, 0, { step: k, start, stop: start + size });
      bytes = Math.max(bytes, start + size);
    }
    for (const r of frees[k] ?? []) {
      const at = live.findIndex((l) => l.step === r - inputs);
      if (at >= 0) live.splice(at, 1);
    }
    return start;
  });
  return { offsets, bytes };
}

/** Complete a program with what its run will need. */
export function finishSpec(inputs: number, steps: readonly Step[], scratch: number): TaskSpec {
  const last = steps.at(-1) as Step; // a program has at least one step
  return {
    v: 1,
    inputs,
    steps,
    workspace: planRegisters(inputs, steps).bytes + scratch,
    scratch,
    out: { dtype: last.dtype, shape: last.shape, nbytes: sizeOf(last.shape) * itemsize(last.dtype) },
  };
}
