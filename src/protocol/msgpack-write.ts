/**
 * msgpack out of values, in one pass over them: what is sent is small, mostly, and to bring it into another form first took longer than
 * to write it. Integers are as short as they can be; numbers that are none are float64.
 */
import { LocalProtocolError } from "../base/index.ts";

/** Space that is kept; what is larger is handed out as it is. */
const SPACE_BYTES = 2 ** 16;
/** Texts up to this length are written letter by letter: to begin with a call of the runtime takes longer. */
const SHORT_TEXT = 48;

/** Columns up to this many bytes are written number by number. */
const FEW_BYTES = 64;

/** Writes one value of a kind that is no plain data; false where it is none that it knows. */
export type WriteOther = (value: object, writer: MsgpackWriter) => boolean;

/** Numbers that travel as their bytes, little-endian. */
export class WireColumn {
  readonly numbers: Uint8Array | Uint32Array | Float32Array | Float64Array;

  constructor(numbers: WireColumn["numbers"]) {
    this.numbers = numbers;
  }
}

/** Values as msgpack, one behind the other. */
export class MsgpackWriter {
  #bytes: Buffer = space(SPACE_BYTES);
  #at = 0;

  /** What was written; the writer begins anew. */
  take(): Uint8Array {
    const end = this.#at;
    this.#at = 0;
    const bytes = this.#bytes;
    if (bytes.length > SPACE_BYTES) {
      this.#bytes = space(SPACE_BYTES);
      return new Uint8Array(bytes.buffer, 0, end);
    }
    const copy = new Uint8Array(end);
    copy.set(bytes.subarray(0, end));
    return copy;
  }

  /** Forget what was written. */
  clear(): void {
    this.#at = 0;
  }

  /**
   * Write any value. Fields of objects that are undefined are left out.
   * @throws {LocalProtocolError} a value that the wire does not know
   */
  value(value: unknown, other: WriteOther): void {
    switch (typeof value) {
      case "string":
        return this.text(value);
      case "number":
        return this.number(value);
      case "boolean":
        return this.#byte(value ? 0xc3 : 0xc2);
      case "undefined":
        return this.#byte(0xc0);
      case "bigint":
        return this.#bigint(value);
      case "object":
        return value === null ? this.#byte(0xc0) : this.#object(value, other);
      default:
        throw noData(value);
    }
  }

  #object(value: object, other: WriteOther): void {
    if (Array.isArray(value)) {
      this.#count(value.length, 0x90, 0xdc);
      for (let i = 0; i < value.length; i++) this.value(value[i], other);
      return;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null)
      return this.#record(value as Readonly<Record<string, unknown>>, other); // any object has fields
    if (value instanceof Uint8Array) return this.#binary(value);
    if (value instanceof Map) {
      this.mapOf(value.size);
      for (const [key, field] of value) {
        this.value(key, other);
        this.value(field, other);
      }
      return;
    }
    if (value instanceof WireColumn) return this.#column(value);
    if (!other(value, this)) throw noData(value);
  }

  #record(fields: Readonly<Record<string, unknown>>, other: WriteOther): void {
    const names = Object.keys(fields);
    let count = 0;
    for (let i = 0; i < names.length; i++) if (fields[names[i] as string] !== undefined) count++; // i < length
    this.mapOf(count);
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string; // i < length
      const field = fields[name];
      if (field === undefined) continue;
      this.text(name);
      this.value(field, other);
    }
  }

  /** Begin a map of so many entries. */
  mapOf(count: number): void {
    this.#count(count, 0x80, 0xde);
  }

  /** Items or entries: four bits of a byte, or two bytes, or four. */
  #count(count: number, few: number, many: number): void {
    if (count < 16) return this.#byte(few | count);
    if (count < 2 ** 16) return this.#headed(many, count, 2);
    this.#headed(many + 1, count, 4);
  }

  /** Numbers that are integers beyond 32 bits have eight bytes: Python indexes with them, and formats them. */
  number(value: number): void {
    if (!Number.isInteger(value)) return this.#float(value);
    if (value >= 0) {
      if (value < 0x80) return this.#byte(value | 0);
      if (value < 2 ** 8) return this.#headed(0xcc, value, 1);
      if (value < 2 ** 16) return this.#headed(0xcd, value, 2);
      if (value < 2 ** 32) return this.#headed(0xce, value, 4);
    } else {
      if (value >= -0x20) return this.#byte(value + 0x100);
      if (value >= -(2 ** 7)) return this.#headed(0xd0, value + 2 ** 8, 1);
      if (value >= -(2 ** 15)) return this.#headed(0xd1, value + 2 ** 16, 2);
      if (value >= -(2 ** 31)) return this.#headed(0xd2, value + 2 ** 32, 4);
    }
    if (!Number.isSafeInteger(value)) return this.#float(value);
    const at = this.#room(9);
    this.#bytes[at] = 0xd3;
    this.#bytes.writeInt32BE(Math.floor(value / 2 ** 32), at + 1);
    this.#bytes.writeUInt32BE(value - Math.floor(value / 2 ** 32) * 2 ** 32, at + 5);
  }

  #bigint(value: bigint): void {
    if (value < -(2n ** 63n) || value >= 2n ** 64n)
      throw new LocalProtocolError(`integer ${value} does not fit in 64 bits`);
    const at = this.#room(9);
    this.#bytes[at] = value >= 2n ** 63n ? 0xcf : 0xd3;
    this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at + 1);
  }

  #float(value: number): void {
    const at = this.#room(9);
    this.#bytes[at] = 0xcb;
    this.#bytes.writeDoubleBE(value, at + 1);
  }

  text(value: string): void {
    const { length } = value;
    if (length <= SHORT_TEXT && this.#ascii(value, length)) return;
    const nbytes = Buffer.byteLength(value);
    if (nbytes < 32) this.#byte(0xa0 | nbytes);
    else if (nbytes < 2 ** 8) this.#headed(0xd9, nbytes, 1);
    else if (nbytes < 2 ** 16) this.#headed(0xda, nbytes, 2);
    else this.#headed(0xdb, nbytes, 4);
    const at = this.#room(nbytes);
    this.#bytes.write(value, at, nbytes, "utf8");
  }

  /** False, and nothing is written, when a letter takes more than a byte. */
  #ascii(value: string, length: number): boolean {
    const start = this.#at;
    const head = length < 32 ? 1 : 2;
    const at = this.#room(head + length) + head;
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        this.#at = start;
        return false;
      }
      bytes[at + i] = code;
    }
    if (head === 1) bytes[start] = 0xa0 | length;
    else {
      bytes[start] = 0xd9;
      bytes[start + 1] = length;
    }
    return true;
  }

  /** Few numbers are written one by one: a view of their bytes would cost more. */
  #column({ numbers }: WireColumn): void {
    const { byteLength } = numbers;
    if (numbers instanceof Uint8Array) return this.#binary(numbers);
    if (byteLength > FEW_BYTES) return this.#binary(new Uint8Array(numbers.buffer, numbers.byteOffset, byteLength));
    const at = this.#few(byteLength);
    const bytes = this.#bytes;
    // Each i is below the length.
    if (numbers instanceof Uint32Array)
      for (let i = 0; i < numbers.length; i++) bytes.writeUInt32LE(numbers[i] as number, at + 4 * i);
    else if (numbers instanceof Float64Array)
      for (let i = 0; i < numbers.length; i++) bytes.writeDoubleLE(numbers[i] as number, at + 8 * i);
    else for (let i = 0; i < numbers.length; i++) bytes.writeFloatLE(numbers[i] as number, at + 4 * i);
  }

  /** Where so few bytes go. */
  #few(byteLength: number): number {
    this.#headed(0xc4, byteLength, 1);
    return this.#room(byteLength);
  }

  #binary(value: Uint8Array): void {
    const { byteLength } = value;
    if (byteLength < 2 ** 8) this.#headed(0xc4, byteLength, 1);
    else if (byteLength < 2 ** 16) this.#headed(0xc5, byteLength, 2);
    else this.#headed(0xc6, byteLength, 4);
    const at = this.#room(byteLength);
    const bytes = this.#bytes;
    if (byteLength > SHORT_TEXT) bytes.set(value, at);
    else for (let i = 0; i < byteLength; i++) bytes[at + i] = value[i] as number; // i < length
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  /** A byte that says what comes, and a number of so many bytes. */
  #headed(head: number, value: number, width: 1 | 2 | 4): void {
    const at = this.#room(1 + width);
    const bytes = this.#bytes;
    bytes[at] = head;
    for (let i = width; i > 0; i--) {
      bytes[at + i] = value & 0xff;
      value = Math.floor(value / 256);
    }
  }

  /** Where the next `nbytes` go. */
  #room(nbytes: number): number {
    const at = this.#at;
    const end = at + nbytes;
    if (end > this.#bytes.length) this.#grow(end);
    this.#at = end;
    return at;
  }

  #grow(least: number): void {
    const larger = space(Math.max(least, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

function space(nbytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(nbytes));
}

function noData(value: unknown): Error {
  const name = typeof value === "object" ? value?.constructor?.name : typeof value;
  return new LocalProtocolError(`a ${name} cannot travel in a message; expected plain data, Serialized or Pickled`);
}
