/** The step interpreter: one task's program over registers, on any thread, with any memory. */
import { CancelledError, type ErrorRecord, errorToRecord, invariant, UnsupportedError } from "../base/index.ts";
import { type Key, lastUses, type Register, type Step, showKey, type TaskSpec, valueOfKey } from "../graph/index.ts";
import { type ByteKernels, plainByteKernels } from "../io/index.ts";
import { copyStrided } from "../kernels/index.ts";
import { contiguousStride, NDArray } from "../ndarray/index.ts";
import { callArguments, callText, compactBlock, storeResult } from "./steps-call.ts";
import { computeStep } from "./steps-compute.ts";
import {
  type Fetched,
  type Reading,
  type ReadStep,
  readStep,
  readsTogether,
  type StepIo,
  type Traffic,
  writeStep,
} from "./steps-io.ts";
import { walkView } from "./walk.ts";

/** What a run may use; everything has a default. */
export interface StepContext {
  /** Where step `k` puts its block, all but the last step. Default: ordinary memory, left to the garbage collector. */
  readonly place?: (k: number, step: Step) => NDArray;
  /** Where the last step's block goes. Default: ordinary memory. */
  readonly output?: NDArray;
  /** `spec.scratch` bytes for decoders. Default: ordinary memory, as needed. */
  readonly scratch?: Uint8Array;
  /** Byte kernels of codecs. Default: the plain ones. */
  readonly bytes?: ByteKernels;
  /** Allows `call` steps. Default false. */
  readonly trusted?: boolean;
  /** Counts bytes moved. */
  readonly traffic?: Traffic;
  /** Asked between steps. */
  readonly isCancelled?: () => boolean;
  /** Compressed bytes of remote reads, by step number. */
  readonly fetched?: ReadonlyMap<number, Fetched>;
}

/**
 * Run a task's program at once, in this thread.
 * @param inputs blocks (or, for `call` steps, any values) of the dependencies, in register order
 * @returns the last step's block; for a `call` step whatever the function gave
 * @throws {UnsupportedError} code `needs-await`: a store or codec that answers only by promises; use {@link runTask}
 */
export function runTaskSync(spec: TaskSpec, inputs: readonly unknown[], context: StepContext = {}): unknown {
  const run = steps(spec, inputs, context);
  const first = run.next();
  if (first.done) return first.value;
  first.value.catch(() => undefined); // its outcome is of no interest any more
  throw new UnsupportedError("this task waits for a store or a codec that answers by promises", {}, "needs-await");
}

/** As {@link runTaskSync}, waiting where a store, a codec or an async function makes it necessary. */
export async function runTask(spec: TaskSpec, inputs: readonly unknown[], context: StepContext = {}): Promise<unknown> {
  return beginTask(spec, inputs, context).value;
}

/** As {@link runTask}, done at once where nothing has to be waited for; then `value` is no promise. */
export function beginTask(
  spec: TaskSpec,
  inputs: readonly unknown[],
  context: StepContext,
): { readonly isDone: boolean; readonly value: unknown } {
  const run = steps(spec, inputs, context);
  const first = run.next();
  return first.done ? { isDone: true, value: first.value } : { isDone: false, value: finishTask(run, first.value) };
}

async function finishTask(run: ReturnType<typeof steps>, waiting: Promise<unknown>): Promise<unknown> {
  const resume = (promise: Promise<unknown>): Promise<IteratorResult<Promise<unknown>, unknown>> =>
    promise.then(
      (value) => run.next(value),
      (error: unknown) => run.throw(error),
    );
  let next = await resume(waiting);
  while (!next.done) next = await resume(next.value);
  return next.value;
}

/** Yields a promise where it has to wait for one, and is resumed with its value. */
function* steps(
  spec: TaskSpec,
  inputs: readonly unknown[],
  context: StepContext,
): Generator<Promise<unknown>, unknown, unknown> {
  invariant(inputs.length === spec.inputs, `a task of ${spec.inputs} inputs got ${inputs.length}`);
  const registers: unknown[] = [...inputs];
  const block = (register: Register): NDArray => blockOf(registers, register);
  const frees = lastUses(spec.inputs, spec.steps);
  const last = spec.steps.length - 1;
  const placeOf = (k: number, step: Step): NDArray =>
    (k === last ? context.output : context.place?.(k, step)) ?? NDArray.zeros(step.dtype, step.shape);
  let ahead: readonly NDArray[] = []; // blocks of the next steps that were read along
  const views = new Set<Register>(); // registers that show a dependency's block
  const isShown = (register: Register): boolean => register < spec.inputs || views.has(register);
  for (const [k, step] of spec.steps.entries()) {
    if (context.isCancelled?.()) throw new CancelledError("cancelled between steps");
    const view = k < last ? inputView(step, isShown, block) : null;
    if (ahead[0] !== undefined) {
      registers.push(ahead[0]);
      ahead = ahead.slice(1);
    } else if (view !== null) {
      views.add(registers.length);
      registers.push(view);
    } else if (step.do === "call") {
      const values = step.inputs.map((register) => registers[register]);
      const args = callArguments(step.args, step.block ? values.map(compactBlock) : values);
      const given = callText(step.text, args, context.trusted ?? false);
      const value = given instanceof Promise ? yield given : given;
      registers.push(step.block ? storeResult(value, placeOf(k, step), args.at(-2)) : value);
    } else {
      const out = placeOf(k, step);
      const others = spec.steps
        .slice(k + 1, k + readsTogether(spec.steps, k))
        .map((other, i) => ({ step: other as ReadStep, out: placeOf(k + 1 + i, other) })); // by readsTogether
      ahead = others.map((other) => other.out);
      const waiting = runStep({ step, k, block, out, others, context });
      if (waiting !== undefined) yield waiting;
      registers.push(out);
    }
    for (const register of frees[k] as Register[]) registers[register] = null; // one list per step
  }
  const result = registers.at(-1);
  return context.output && result !== context.output ? store(result, context.output) : result;
}

/** One step that is about to run. */
interface Run {
  readonly step: Exclude<Step, { readonly do: "call" }>;
  readonly k: number;
  readonly block: (register: Register) => NDArray;
  readonly out: NDArray;
  /** Reads that are done along with this one. */
  readonly others: readonly Reading[];
  readonly context: StepContext;
}

function runStep({ step, k, block, out, others, context }: Run): Promise<void> | undefined {
  const kernels = context.bytes ?? plainByteKernels;
  const door: StepIo = {
    context: context.scratch ? { kernels, scratch: context.scratch } : { kernels },
    traffic: context.traffic ?? { bytesRead: 0, bytesWritten: 0 },
  };
  switch (step.do) {
    case "read":
      return readStep({ step, out }, door, context.fetched?.get(k) ?? null, others);
    case "write-zarr":
    case "write-cog-part":
    case "write-cog":
      writeStep(step, block, out, door);
      return undefined;
    default:
      computeStep(step, block, out);
      return undefined;
  }
}

function blockOf(registers: readonly unknown[], register: Register): NDArray {
  const value = registers[register];
  if (value instanceof NDArray) return value;
  throw new UnsupportedError(
    `register ${register} holds ${value === undefined ? "nothing" : `a ${typeof value}`}, and the step needs a block`,
  );
}

/**
 * A gather of one whole piece of a dependency, or a dependency under another shape, is a view of it, where only later
 * steps read it. (Views of blocks made here would outlive the places that the static plan gives them.)
 * @param isShown true for registers that show a dependency's block
 */
function inputView(
  step: Step,
  isShown: (register: Register) => boolean,
  block: (register: Register) => NDArray,
): NDArray | null {
  if (step.do === "apply" && step.kernel === "reshape") {
    const from = step.inputs[0] as Register; // a reshape has one
    if (!isShown(from)) return null;
    const { dtype, data, offset, isContiguous } = block(from);
    return isContiguous ? new NDArray(dtype, data, step.shape, contiguousStride(step.shape), offset) : null;
  }
  const piece = step.do === "gather" && step.pieces.length === 1 ? step.pieces[0] : undefined;
  if (piece === undefined || !isShown(piece.from) || !piece.count.every((n, k) => n === step.shape[k])) return null;
  return walkView(block(piece.from), piece.walk, piece.count);
}

/** Put a function's array into the block that waits for it, where it fits; else hand it on as it is. */
function store(result: unknown, output: NDArray): unknown {
  if (!(result instanceof NDArray) || result.dtype !== output.dtype) return result;
  if (result.ndim !== output.ndim || result.shape.some((n, k) => n !== output.shape[k])) return result;
  copyStrided(output, result);
  return output;
}

/** Plain form of a task's error, with the task's key, its layer's name and the block's position in `details`. */
export function taskErrorRecord(error: unknown, key: Key): ErrorRecord {
  const record = errorToRecord(error);
  const value = valueOfKey(key);
  const [layer, ...position] = Array.isArray(value) ? value : [value];
  return {
    ...record,
    details: {
      ...record.details,
      key: showKey(key),
      layer: String(layer),
      ...(position.length > 0 ? { position } : {}),
    },
  };
}
