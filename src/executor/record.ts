/** What a task of a shared program has of its own, as numbers of its slot's record. */
import type { Place } from "./arena.ts";
import { type MessagePlace, RECORD_NUMBERS } from "./ring.ts";

/** In the place of a segment: the thread's own bytes. */
export const OWN = -1;

const HEAD = 9;
/** Most inputs of a task that a record tells. */
export const RECORD_INPUTS_MAX: number = (RECORD_NUMBERS - HEAD) >> 1;

/** Everything but the inputs. */
export interface RecordHead {
  readonly program: number;
  /** Where the program's bytes lie. */
  readonly bytes: MessagePlace;
  readonly output: Place;
  /** Registers; segment {@link OWN}: the thread's own. */
  readonly work: Place;
}

/** Write a slot's record. */
export function writeRecord(
  records: Float64Array,
  slot: number,
  { program, bytes, output, work }: RecordHead,
  inputs: readonly Place[],
): void {
  let at = slot * RECORD_NUMBERS;
  records[at++] = program;
  records[at++] = bytes.buffer;
  records[at++] = bytes.offset;
  records[at++] = bytes.length;
  records[at++] = output.segment;
  records[at++] = output.offset;
  records[at++] = work.segment;
  records[at++] = work.offset;
  records[at++] = inputs.length;
  for (const { segment, offset } of inputs) {
    records[at++] = segment;
    records[at++] = offset;
  }
}

/** Read a slot's record. */
export function readRecord(records: Float64Array, slot: number): RecordHead & { readonly inputs: readonly Place[] } {
  const at = slot * RECORD_NUMBERS;
  const number = (k: number): number => records[at + k] as number; // written by writeRecord
  const inputs: Place[] = [];
  for (let k = 0; k < number(8); k++) inputs.push({ segment: number(HEAD + 2 * k), offset: number(HEAD + 1 + 2 * k) });
  return {
    program: number(0),
    bytes: { buffer: number(1), offset: number(2), length: number(3) },
    output: { segment: number(4), offset: number(5) },
    work: { segment: number(6), offset: number(7) },
    inputs,
  };
}
