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

/** A slot's record, to be read at once: one object serves all. */
export class RecordReader {
  #records: Float64Array = new Float64Array(0);
  #at = 0;

  read(records: Float64Array, slot: number): this {
    this.#records = records;
    this.#at = slot * RECORD_NUMBERS;
    return this;
  }

  get program(): number {
    return this.#number(0);
  }

  get bytes(): MessagePlace {
    return { buffer: this.#number(1), offset: this.#number(2), length: this.#number(3) };
  }

  get outputSegment(): number {
    return this.#number(4);
  }

  get outputOffset(): number {
    return this.#number(5);
  }

  get workSegment(): number {
    return this.#number(6);
  }

  get workOffset(): number {
    return this.#number(7);
  }

  inputSegment(k: number): number {
    return this.#number(HEAD + 2 * k);
  }

  inputOffset(k: number): number {
    return this.#number(HEAD + 2 * k + 1);
  }

  #number(k: number): number {
    return this.#records[this.#at + k] as number; // written by writeRecord
  }
}

const READER = new RecordReader();

/** Read a slot's record; what it gives is the slot's until the next call. */
export function recordAt(records: Float64Array, slot: number): RecordReader {
  return READER.read(records, slot);
}
