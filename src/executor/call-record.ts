/**
 * A call of a user's function as numbers of its slot's record: which program holds the function's text, its inputs, and the text
 * of its arguments. What is longer than a record goes the usual way.
 */
import { DTYPES, type DType } from "../dtype/index.ts";
import { type CallsLayer, writeCallArguments } from "../graph/index.ts";
import type { Place } from "./arena.ts";
import { isScalar, readScalarAt, type Scalar, scalarKind, writeScalarAt } from "./message.ts";
import { CALL } from "./record.ts";
import { RECORD_NUMBERS } from "./ring.ts";
import type { BlockHandle, TaskInput } from "./types.ts";

const NAMES = Object.keys(DTYPES) as DType[]; // the table's own keys
const NUMBERS = new Map(NAMES.map((name, k) => [name, k]));

/** Numbers of a record before the inputs: the program's four, then these. */
const [KIND, BYTES, INPUTS, ARGS, FIRST] = [4, 5, 6, 7, 8];

/** An input as a thread finds it. */
export type CallInput =
  | (Place & { readonly dtype: DType; readonly shape: readonly number[] })
  | { readonly scalar: Scalar };

/** A record, and what lies in it as bytes. */
export interface Records {
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
}

/** Both views of all records. */
export function recordsOf(numbers: Float64Array): Records {
  return { numbers, bytes: new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength) };
}

/** Write inputs and arguments of call `index` of `layer`; false where they do not fit. */
export function writeCall(
  { numbers, bytes }: Records,
  slot: number,
  call: {
    readonly layer: CallsLayer;
    readonly index: number;
    readonly inputs: readonly TaskInput[];
    readonly arena: { place(block: BlockHandle): Place };
  },
): boolean {
  const at = slot * RECORD_NUMBERS;
  const end = at + RECORD_NUMBERS;
  let next = at + FIRST;
  for (const input of call.inputs) {
    if (!("id" in input)) {
      if (!isScalar(input.value) || next + 2 > end) return false;
      numbers[next] = scalarKind(input.value);
      numbers[next + 1] = Number(input.value ?? 0);
      next += 2;
      continue;
    }
    const { shape, dtype } = input;
    if (next + 4 + shape.length > end) return false;
    const { segment, offset } = call.arena.place(input);
    numbers[next] = segment;
    numbers[next + 1] = offset;
    numbers[next + 2] = NUMBERS.get(dtype) as number; // one of the table's
    numbers[next + 3] = shape.length;
    next += 4;
    for (const n of shape) numbers[next++] = n;
  }
  const count = writeCallArguments(call.layer, call.index, { bytes, start: 8 * next, stop: 8 * end });
  if (count < 0) return false;
  numbers[at + KIND] = CALL;
  numbers[at + BYTES] = count;
  numbers[at + INPUTS] = call.inputs.length;
  numbers[at + ARGS] = next - at;
  return true;
}

/** Inputs of the call of a slot. */
export function readCallInputs(numbers: Float64Array, slot: number): readonly CallInput[] {
  const at = slot * RECORD_NUMBERS;
  const count = numbers[at + INPUTS] as number; // written by writeCall, as is all below
  if (count === 0) return NO_INPUTS;
  const inputs: CallInput[] = [];
  let next = at + FIRST;
  for (let k = 0; k < count; k++) {
    const segment = numbers[next] as number;
    if (segment < 0) {
      inputs.push({ scalar: readScalarAt(numbers, next) });
      next += 2;
      continue;
    }
    const ndim = numbers[next + 3] as number;
    const shape = Array.from(numbers.subarray(next + 4, next + 4 + ndim));
    const dtype = NAMES[numbers[next + 2] as number] as DType;
    inputs.push({ segment, offset: numbers[next + 1] as number, dtype, shape });
    next += 4 + ndim;
  }
  return inputs;
}

const NO_INPUTS: readonly CallInput[] = [];
/** Decoders of texts take no shared memory. */
const COPY = Buffer.alloc(8 * RECORD_NUMBERS);

/** Text of the arguments of the call of a slot. */
export function readCallText({ numbers, bytes }: Records, slot: number): string {
  const at = slot * RECORD_NUMBERS;
  const [from, count] = [8 * (at + (numbers[at + ARGS] as number)), numbers[at + BYTES] as number]; // by writeCall
  let or = 0;
  for (let i = 0; i < count; i++) {
    const byte = bytes[from + i] as number; // within the record
    COPY[i] = byte;
    or |= byte;
  }
  return COPY.toString(or < 0x80 ? "latin1" : "utf8", 0, count);
}

/** Write the result over the slot's record, which is read no more. */
export function writeCallResult(numbers: Float64Array, slot: number, value: Scalar): void {
  writeScalarAt(numbers, slot * RECORD_NUMBERS, value);
}

/** The result that a call wrote over its record. */
export function readCallResult(numbers: Float64Array, slot: number): Scalar {
  return readScalarAt(numbers, slot * RECORD_NUMBERS);
}
