/** What a task of a shared program has of its own, as numbers of its slot's record. */
import type { Place } from "./arena.ts";
import type { StoredProgram } from "./program-store.ts";
import { type MessagePlace, RECORD_NUMBERS } from "./ring.ts";

/** In the place of a segment: the thread's own bytes. */
export const OWN = -1;
/** In the place of the output's segment: the record is of a call of a function. */
export const CALL = -2;

const PLACES = 4;
const HEAD = PLACES + 4;
/** Most inputs of a task that a record tells. */
export const RECORD_INPUTS_MAX: number = (RECORD_NUMBERS - HEAD) >> 1;

/** Write which program a slot's task has; its output, registers and inputs follow by {@link writePlace}. */
export function writeProgram(records: Float64Array, slot: number, { number, place }: StoredProgram): void {
  const at = slot * RECORD_NUMBERS;
  records[at] = number;
  records[at + 1] = place.buffer;
  records[at + 2] = place.offset;
  records[at + 3] = place.length;
}

/** Numbers of the places in a slot's record: of its output, of its registers and of its first input. */
export const OUTPUT = 0;
export const WORK = 1;
export const INPUTS = 2;

/** Write where a block lies: {@link OUTPUT}, {@link WORK} (segment {@link OWN}: the thread's own), or an input from {@link INPUTS} on. */
export function writePlace(records: Float64Array, at: number, { segment, offset }: Place): void {
  records[at] = segment;
  records[at + 1] = offset;
}

/** Where {@link writePlace} has to write. */
export function placeAt(slot: number, which: number): number {
  return slot * RECORD_NUMBERS + PLACES + 2 * which;
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

  get isCall(): boolean {
    return this.#number(PLACES) === CALL;
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
