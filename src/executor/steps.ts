/** The step interpreter: one task's program over registers, on any thread, with any memory. */
import { CancelledError, type ErrorRecord, errorToRecord, invariant, UnsupportedError } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import { type Key, lastUses, type Register, type Step, showKey, type TaskSpec, valueOfKey } from "../graph/index.ts";
import * as io from "../io/index.ts";
import type { ByteKernels } from "../io/index.ts";
import { copyStrided } from "../kernels/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { callArguments, callText } from "./steps-call.ts";
import { computeStep } from "./steps-compute.ts";
import { type Fetched, readStep, type Traffic, writeStep } from "./steps-io.ts";
import { walkView } from "./walk.ts";

/** Memory for registers; `free` is called once a register's last use is over. */
export interface RegisterMemory {
  take(dtype: DType, shape: readonly number[]): NDArray;
  free(block: NDArray): void;
}

/** What a run may use; everything has a default. */
export interface StepContext {
  /** Where registers live. Default: ordinary memory, left to the garbage collector. */
  readonly memory?: RegisterMemory;
  /** Where the last step's block goes. Default: taken from `memory`. */
  readonly output?: NDArray;
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

const ORDINARY: RegisterMemory = { take: (dtype, shape) => NDArray.zeros(dtype, shape), free: () => undefined };

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
  const run = steps(spec, inputs, context);
  let next = run.next();
  while (!next.done)
    next = await next.value.then(
      (value) => run.next(value),
      (error: unknown) => run.throw(error),
    );
  return next.value;
}

/** One register: a block, or a view of one that another register owns. */
interface Held {
  readonly value: unknown;
  /** The memory that has to be freed once `users` is 0; null for inputs. */
  readonly owner: { readonly block: NDArray; users: number } | null;
}

/** Yields a promise where it has to wait for one, and is resumed with its value. */
export function* steps(
  spec: TaskSpec,
  inputs: readonly unknown[],
  context: StepContext,
): Generator<Promise<unknown>, unknown, unknown> {
  invariant(inputs.length === spec.inputs, `a task of ${spec.inputs} inputs got ${inputs.length}`);
  const memory = context.memory ?? ORDINARY;
  const held: (Held | null)[] = inputs.map((value) => ({ value, owner: null }));
  const frees = lastUses(spec.inputs, spec.steps);
  const last = spec.steps.length - 1;
  for (const [k, step] of spec.steps.entries()) {
    if (context.isCancelled?.()) throw new CancelledError("cancelled between steps");
    const alias = k < last ? aliasOf(step, held) : null;
    if (alias !== null) held.push(alias);
    else if (step.do === "call") held.push({ value: yield* call(step, held, context), owner: null });
    else {
      const out = k === last && context.output ? context.output : memory.take(step.dtype, step.shape);
      held.push({ value: out, owner: { block: out, users: 1 } });
      const waiting = runStep(step, k, held, out, context);
      if (waiting !== undefined) yield waiting;
    }
    for (const register of frees[k] as Register[]) drop(held, register, memory); // one list per step
  }
  const result = held.at(-1)?.value;
  return last >= 0 && context.output && result !== context.output ? store(result, context.output) : result;
}

function runStep(
  step: Exclude<Step, { readonly do: "call" }>,
  k: number,
  held: readonly (Held | null)[],
  out: NDArray,
  context: StepContext,
): Promise<void> | undefined {
  const block = (register: Register): NDArray => blockOf(held, register);
  const bytes = context.bytes ?? io.plainByteKernels;
  const traffic = context.traffic ?? { bytesRead: 0, bytesWritten: 0 };
  switch (step.do) {
    case "read":
      return readStep(step, out, bytes, traffic, context.fetched?.get(k) ?? null);
    case "write-zarr":
    case "write-cog-part":
    case "write-cog":
      writeStep(step, block, out, bytes, traffic);
      return undefined;
    default:
      computeStep(step, block, out);
      return undefined;
  }
}

function blockOf(held: readonly (Held | null)[], register: Register): NDArray {
  const value = held[register]?.value;
  if (value instanceof NDArray) return value;
  throw new UnsupportedError(
    `register ${register} holds ${value === undefined ? "nothing" : `a ${typeof value}`}, and the step needs a block`,
  );
}

function* call(
  step: Extract<Step, { readonly do: "call" }>,
  held: readonly (Held | null)[],
  context: StepContext,
): Generator<Promise<unknown>, unknown, unknown> {
  const args = callArguments(
    step.args,
    step.inputs.map((register) => held[register]?.value),
  );
  const given = callText(step.text, args, context.trusted ?? false);
  return given instanceof Promise ? yield given : given;
}

/** A gather of one whole piece is a view of it, not a copy, where only later steps read it. */
function aliasOf(step: Step, held: readonly (Held | null)[]): Held | null {
  const piece = step.do === "gather" && step.pieces.length === 1 ? step.pieces[0] : undefined;
  if (!piece?.count.every((n, k) => n === step.shape[k])) return null;
  const owner = held[piece.from]?.owner ?? null;
  if (owner) owner.users++;
  return { value: walkView(blockOf(held, piece.from), piece.walk, piece.count), owner };
}

function drop(held: (Held | null)[], register: Register, memory: RegisterMemory): void {
  const owner = held[register]?.owner;
  held[register] = null;
  if (owner && --owner.users === 0) memory.free(owner.block);
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
