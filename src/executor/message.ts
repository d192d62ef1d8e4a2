/** A task as it lies in shared memory for the thread that takes it: addresses as numbers, then the encoded spec. */
import { DTYPES, type DType } from "../dtype/index.ts";
import type { Place } from "./arena.ts";

const NAMES = Object.keys(DTYPES) as DType[]; // the table's own keys

/** A value that fits in a number: it stands in the message itself. */
export type Scalar = number | boolean | null | undefined;

/** True for a value that fits in a number. */
export function isScalar(value: unknown): value is Scalar {
  return typeof value === "number" || typeof value === "boolean" || value === null || value === undefined;
}

const KIND = { number: -2, boolean: -3, null: -4, undefined: -5 } as const;

/** Number that says of which kind a scalar is; below -1, where places have the number of a segment. */
export function scalarKind(value: Scalar): number {
  if (typeof value === "number") return KIND.number;
  if (typeof value === "boolean") return KIND.boolean;
  return value === null ? KIND.null : KIND.undefined;
}

function scalarOf(kind: number, number: number): Scalar {
  if (kind === KIND.number) return number;
  if (kind === KIND.boolean) return number === 1;
  return kind === KIND.null ? null : undefined;
}

/** An input: a block at a place, a scalar, or null for another plain value, which is posted on demand. */
export type InputPlace =
  | (Place & { readonly dtype: DType; readonly shape: readonly number[] })
  | { readonly scalar: Scalar }
  | null;

/** Compressed bytes of the read at step `step`. */
export interface FetchedPlace extends Place {
  readonly step: number;
  readonly length: number;
}

/** Everything that a thread needs to know of a task. */
export interface TaskMessage {
  readonly inputs: readonly InputPlace[];
  readonly output: Place;
  /** Registers, then scratch. */
  readonly work: Place & { readonly length: number };
  readonly fetched: readonly FetchedPlace[];
  readonly trusted: boolean;
  readonly spec: Uint8Array;
}

function headOf({ inputs, output, work, fetched, trusted, spec }: TaskMessage): number[] {
  const head = [
    0,
    spec.length,
    trusted ? 1 : 0,
    output.segment,
    output.offset,
    work.segment,
    work.offset,
    work.length,
    inputs.length,
    fetched.length,
  ];
  for (const input of inputs) {
    if (input === null) head.push(-1, 0, 0, 0);
    else if ("scalar" in input) head.push(scalarKind(input.scalar), Number(input.scalar ?? 0), 0, 0);
    else head.push(input.segment, input.offset, NAMES.indexOf(input.dtype), input.shape.length, ...input.shape);
  }
  for (const f of fetched) head.push(f.step, f.segment, f.offset, f.length);
  head[0] = head.length;
  return head;
}

/** A message ready to be written. */
export interface PackedMessage {
  readonly head: readonly number[];
  readonly spec: Uint8Array;
  readonly nbytes: number;
}

/** Lay a message out. */
export function packMessage(message: TaskMessage): PackedMessage {
  const head = headOf(message);
  return { head, spec: message.spec, nbytes: head.length * 8 + message.spec.length };
}

/** Write a packed message at `offset`, a multiple of 8. */
export function writeMessage({ head, spec }: PackedMessage, buffer: SharedArrayBuffer, offset: number): void {
  new Float64Array(buffer, offset, head.length).set(head);
  new Uint8Array(buffer, offset + head.length * 8, spec.length).set(spec);
}

/** Read a message; its spec lies where the message does, as long as that is not freed. */
export function readMessage(buffer: SharedArrayBuffer, offset: number): TaskMessage {
  const headLength = new Float64Array(buffer, offset, 1)[0] as number; // written by writeMessage
  const numbers = new Float64Array(buffer, offset, headLength);
  let at = 0;
  const next = (): number => numbers[at++] as number; // written by writeMessage
  next();
  const [specLength, trusted] = [next(), next() === 1];
  const output = { segment: next(), offset: next() };
  const work = { segment: next(), offset: next(), length: next() };
  const [inputCount, fetchedCount] = [next(), next()];
  const inputs: InputPlace[] = [];
  for (let k = 0; k < inputCount; k++) {
    const [segment, start, dtype, ndim] = [next(), next(), next(), next()];
    const shape: number[] = [];
    for (let axis = 0; axis < ndim; axis++) shape.push(next());
    if (segment < -1) inputs.push({ scalar: scalarOf(segment, start) });
    else inputs.push(segment < 0 ? null : { segment, offset: start, dtype: NAMES[dtype] as DType, shape }); // written by writeMessage
  }
  const fetched: FetchedPlace[] = [];
  for (let k = 0; k < fetchedCount; k++)
    fetched.push({ step: next(), segment: next(), offset: next(), length: next() });
  const spec = new Uint8Array(buffer, offset + headLength * 8, specLength);
  return { inputs, output, work, fetched, trusted, spec };
}

/** Write the result of a task over its message, which is read no more. */
export function writeScalar(buffer: SharedArrayBuffer, offset: number, value: Scalar): void {
  writeScalarAt(new Float64Array(buffer, offset, 2), 0, value);
}

/** The same among numbers, as two of them. */
export function writeScalarAt(numbers: Float64Array, at: number, value: Scalar): void {
  numbers[at] = scalarKind(value);
  numbers[at + 1] = Number(value ?? 0);
}

/** What {@link writeScalarAt} wrote. */
export function readScalarAt(numbers: Float64Array, at: number): Scalar {
  return scalarOf(numbers[at] as number, numbers[at + 1] as number); // two of many
}

/** The result that a task wrote over its message. */
export function readScalar(buffer: SharedArrayBuffer, offset: number): Scalar {
  return readScalarAt(new Float64Array(buffer, offset, 2), 0);
}
