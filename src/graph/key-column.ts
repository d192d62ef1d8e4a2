/**
 * Keys of many tasks as bytes. Most end in 32 hexadecimal digits, a hash: they are a few beginnings and 16 bytes each. Others are
 * texts, one behind the other. A text is made of one only where somebody has to read it.
 */
import { RemoteProtocolError } from "../base/index.ts";
import type { Key } from "./keys.ts";

/** Digits at the end of a key that go as numbers, eight to each. */
const DIGITS = 32;
const WORDS = 4;
/** Beginnings of one column. */
const HEADS_MAX = 65_536;
/** Bytes of one key. */
const KEY_BYTES_MAX = 2 ** 20;

const ENCODER = new TextEncoder();
const STRICT = new TextDecoder("utf-8", { fatal: true });

/** The same, to be packed with what else is plain. */
export type PlainKeys =
  | { readonly heads: readonly string[]; readonly headOf: Uint8Array | null; readonly words: Uint8Array }
  | { readonly bytes: Uint8Array; readonly start: Uint8Array };

interface Hashes {
  readonly heads: readonly string[];
  /** Which beginning each key has; null: all the first. */
  readonly headOf: Uint16Array | null;
  /** Four for each key: its digits. */
  readonly words: Uint32Array;
}

interface Texts {
  /** UTF-8. */
  readonly bytes: Uint8Array;
  readonly start: Uint32Array;
}

/** A list of keys. Immutable. */
export class KeyColumn {
  readonly length: number;
  /** Null: the keys are texts. */
  readonly #hashes: Hashes | null;
  readonly #texts: Texts | null;
  /** Hashes of the beginnings, once somebody has asked. */
  #headHashes: Uint32Array | null = null;

  private constructor(length: number, hashes: Hashes | null, texts: Texts | null) {
    this.length = length;
    this.#hashes = hashes;
    this.#texts = texts;
  }

  /** A column of these. */
  static of(keys: readonly Key[]): KeyColumn {
    const hashes = hashesOf(keys);
    return new KeyColumn(keys.length, hashes, hashes ? null : textsOf(keys));
  }

  /** Keys of one beginning, each with the 32 digits that four numbers say, eight of them each. */
  static ofDigits(head: string, words: Uint32Array): KeyColumn {
    return new KeyColumn(words.length / WORDS, { heads: [head], headOf: null, words }, null);
  }

  /** Key `indices[k]` of `columns[k]` for each k. */
  static pick(columns: readonly KeyColumn[], indices: readonly number[]): KeyColumn {
    const count = columns.length;
    const words = new Uint32Array(WORDS * count);
    const headOf = new Uint16Array(count);
    const heads = new Map<string, number>();
    let last: Hashes | null = null;
    let lastHead = -1;
    let head = 0;
    for (let k = 0; k < count; k++) {
      const index = indices[k] as number; // one for each
      const hashes = (columns[k] as KeyColumn).#hashes;
      if (!hashes) return KeyColumn.of(columns.map((column, i) => column.at(indices[i] as number))); // the same
      const own = hashes.headOf ? (hashes.headOf[index] as number) : 0; // one for each key
      if (hashes !== last || own !== lastHead) {
        const text = hashes.heads[own] as string; // checked when it was read
        head = heads.get(text) ?? heads.size;
        if (head === heads.size) heads.set(text, head);
        if (head >= HEADS_MAX) return KeyColumn.of(columns.map((column, i) => column.at(indices[i] as number)));
        [last, lastHead] = [hashes, own];
      }
      headOf[k] = head;
      for (let w = 0; w < WORDS; w++) words[WORDS * k + w] = hashes.words[WORDS * index + w] as number; // four for each key
    }
    return new KeyColumn(
      count,
      { heads: Array.from(heads.keys()), headOf: heads.size < 2 ? null : headOf, words },
      null,
    );
  }

  /** @throws {RemoteProtocolError} what a peer sent is no such column */
  static fromPlain(plain: unknown): KeyColumn {
    if (typeof plain !== "object" || plain === null) throw broken("an object");
    const { heads, headOf, words, bytes, start } = plain as Readonly<Record<string, unknown>>; // an object
    if (bytes instanceof Uint8Array && start instanceof Uint8Array) return columnOfTexts(bytes, start);
    if (!(words instanceof Uint8Array && words.byteLength % (4 * WORDS) === 0)) throw broken("16 bytes for each");
    const length = words.byteLength / (4 * WORDS);
    if (!(Array.isArray(heads) && heads.length <= HEADS_MAX && heads.every(isHead))) throw broken("beginnings");
    if (headOf !== null && !(headOf instanceof Uint8Array && headOf.byteLength === 2 * length))
      throw broken("a beginning for each");
    const own = headOf === null ? null : new Uint16Array(aligned(headOf));
    if (length > 0 && heads.length === 0) throw broken("a beginning");
    if (own) for (const head of own) if (head >= heads.length) throw broken("beginnings of its own");
    return new KeyColumn(length, { heads, headOf: own, words: new Uint32Array(aligned(words)) }, null);
  }

  /** Made by {@link KeyColumn.fromPlain}: texts that were checked. */
  static fromTexts(bytes: Uint8Array, start: Uint32Array): KeyColumn {
    return new KeyColumn(start.length - 1, null, { bytes, start });
  }

  /** What {@link KeyColumn.fromPlain} reads. */
  toPlain(): PlainKeys {
    if (this.#texts) return { bytes: this.#texts.bytes, start: asBytes(this.#texts.start) };
    const { heads, headOf, words } = this.#hashes as Hashes; // one of the two
    return { heads, headOf: headOf && asBytes(headOf), words: asBytes(words) };
  }

  /** True when some key may be other than a text with 32 digits at its end. */
  get hasTexts(): boolean {
    return this.#texts !== null;
  }

  /** True when some key is a tuple, as those of blocks are. */
  get hasTuples(): boolean {
    if (this.#texts === null) return false; // a tuple ends in a bracket
    const { bytes, start } = this.#texts;
    for (let k = 0; k < this.length; k++) if (bytes[start[k] as number] === 0 && start[k] !== start[k + 1]) return true; // k < length
    return false;
  }

  /** The key as a text. */
  at(index: number): Key {
    if (this.#texts) return utf8(this.#textAt(index)) as Key; // made from one
    const { heads, headOf, words } = this.#hashes as Hashes; // one of the two
    const head = heads[headOf ? (headOf[index] as number) : 0] as string; // checked when it was read
    for (let w = 0; w < WORDS; w++) DIGEST.writeUInt32BE(words[WORDS * index + w] as number, 4 * w); // four for each key
    return `${head}${DIGEST.toString("hex")}` as Key; // made from one
  }

  /** All of them as texts. */
  toArray(): Key[] {
    return Array.from({ length: this.length }, (_, index) => this.at(index));
  }

  /** A number that is equal for equal keys, whatever columns they stand in; 32 bits. */
  hashAt(index: number): number {
    if (this.#texts) {
      const { bytes, start } = this.#texts;
      return hashOfText(bytes, start[index] as number, start[index + 1] as number); // one for each, and the end
    }
    const { heads, headOf, words } = this.#hashes as Hashes; // one of the two
    this.#headHashes ??= Uint32Array.from(heads, (head) => hashOfBytes(ENCODER.encode(head)));
    const head = this.#headHashes[headOf ? (headOf[index] as number) : 0] as number; // one for each
    const at = WORDS * index;
    // Four for each key.
    return mixed(head, words[at] as number, words[at + 1] as number, words[at + 2] as number, words[at + 3] as number);
  }

  /** True when key `index` is key `other` of another column. */
  equals(index: number, column: KeyColumn, other: number): boolean {
    const a = this.#hashes;
    const b = column.#hashes;
    if (a && b) {
      const at = WORDS * index;
      const to = WORDS * other;
      for (let w = 0; w < WORDS; w++) if (a.words[at + w] !== b.words[to + w]) return false;
      const mine = a.heads[a.headOf ? (a.headOf[index] as number) : 0]; // one for each key
      return mine === b.heads[b.headOf ? (b.headOf[other] as number) : 0];
    }
    if (a || b) return this.at(index) === column.at(other);
    return sameText(this.#texts as Texts, index, { texts: column.#texts as Texts, index: other }); // neither has digits
  }

  #textAt(index: number): Uint8Array {
    const { bytes, start } = this.#texts as Texts; // asked for texts only
    return bytes.subarray(start[index], start[index + 1]);
  }
}

/** From the end: keys of one beginning differ there. */
function sameText(a: Texts, index: number, b: { readonly texts: Texts; readonly index: number }): boolean {
  const { bytes, start } = b.texts;
  let p = a.start[index + 1] as number; // one for each, and the end
  let q = start[b.index + 1] as number;
  const n = p - (a.start[index] as number);
  if (q - (start[b.index] as number) !== n) return false;
  for (let k = 0; k < n; k++) if (a.bytes[--p] !== bytes[--q]) return false;
  return true;
}

/** Where the digits of one key become bytes. */
const DIGEST = Buffer.alloc(DIGITS / 2);

function columnOfTexts(bytes: Uint8Array, starts: Uint8Array): KeyColumn {
  if (starts.byteLength < 4 || starts.byteLength % 4 !== 0) throw broken("where each begins");
  const start = new Uint32Array(aligned(starts));
  if (start[0] !== 0 || start.at(-1) !== bytes.length) throw broken("texts that fill the bytes");
  // What is no text would be read as one, and two keys as the same.
  if (!isUtf8(bytes)) throw broken("UTF-8");
  for (let k = 1; k < start.length; k++) {
    const size = (start[k] as number) - (start[k - 1] as number); // k < length
    if (size < 0 || size > KEY_BYTES_MAX) throw broken("texts one behind the other");
    if (isInside(bytes, start[k] as number)) throw broken("texts that end with a character");
  }
  return KeyColumn.fromTexts(copyOf(bytes), start);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    STRICT.decode(bytes);
    return true;
  } catch {
    return false; // that is what it was asked
  }
}

/** True where a byte is not the first one of its character. */
function isInside(bytes: Uint8Array, at: number): boolean {
  return at < bytes.length && ((bytes[at] as number) & 0xc0) === 0x80;
}

function broken(what: string): Error {
  return new RemoteProtocolError(`keys of tasks: expected ${what}`);
}

/** A beginning of keys that are no longer than keys may be. */
function isHead(value: unknown): value is string {
  return typeof value === "string" && Buffer.byteLength(value) + DIGITS <= KEY_BYTES_MAX;
}

/** A copy that a wider column can stand on. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return copyOf(bytes).buffer;
}

/** `slice` of a Buffer is none. */
function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

function asBytes(column: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** Whether a key ends in digits, so that a column of it holds these. */
export function endsInDigits(key: Key): boolean {
  const digits = key.length - DIGITS;
  return digits >= 0 && readDigits(key, digits, SCRATCH, 0) && key.isWellFormed();
}

function hashesOfOne(key: Key): Hashes | null {
  const digits = key.length - DIGITS;
  if (digits < 0 || !readDigits(key, digits, SCRATCH, 0) || !key.isWellFormed()) return null;
  return { heads: [key.slice(0, digits)], headOf: null, words: SCRATCH.slice() };
}

/** Keys that all end in digits; null: some do not. */
function hashesOf(keys: readonly Key[]): Hashes | null {
  if (keys.length === 1) return hashesOfOne(keys[0] as Key); // its length is 1
  const words = new Uint32Array(WORDS * keys.length);
  const headOf = new Uint16Array(keys.length);
  const numbers = new Map<string, number>();
  for (let k = 0; k < keys.length; k++) {
    const key = keys[k] as Key; // k < length
    const digits = key.length - DIGITS;
    if (digits < 0 || !readDigits(key, digits, words, WORDS * k)) return null;
    const head = key.slice(0, digits);
    const number = numbers.get(head) ?? numbers.size;
    if (number === HEADS_MAX || !head.isWellFormed()) return null;
    if (number === numbers.size) numbers.set(head, number);
    headOf[k] = number;
  }
  const heads = Array.from(numbers.keys());
  return { heads, headOf: heads.length < 2 ? null : headOf, words };
}

/** Read 32 digits of a text as four numbers; false where there are others. */
function readDigits(text: string, from: number, words: Uint32Array, to: number): boolean {
  for (let w = 0; w < WORDS; w++) {
    let word = 0;
    for (let i = from + 8 * w; i < from + 8 * w + 8; i++) {
      const digit = digitOf(text.charCodeAt(i));
      if (digit < 0) return false;
      word = (word << 4) | digit;
    }
    words[to + w] = word;
  }
  return true;
}

/** Value of a small hexadecimal digit; -1: it is none. */
function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : -1;
}

function textsOf(keys: readonly Key[]): Texts {
  const bytes = ENCODER.encode(keys.join(""));
  const start = new Uint32Array(keys.length + 1);
  let chars = 0;
  for (let k = 0; k < keys.length; k++) {
    chars += (keys[k] as Key).length; // k < length
    start[k + 1] = chars;
  }
  // Texts of ASCII have as many bytes as characters.
  if (bytes.length === chars) return { bytes, start };
  const parts = keys.map((key) => ENCODER.encode(key)); // one by one: halves of a character must not meet
  for (let k = 0; k < parts.length; k++) start[k + 1] = (start[k] as number) + (parts[k] as Uint8Array).length; // k < length
  const own = new Uint8Array(start.at(-1) as number);
  for (let k = 0; k < parts.length; k++) own.set(parts[k] as Uint8Array, start[k]); // k < length
  return { bytes: own, start };
}

const SCRATCH = new Uint32Array(WORDS);

/** Hash of a key that is a text: the same that it has where its digits go as numbers. */
function hashOfText(bytes: Uint8Array, from: number, to: number): number {
  const digits = to - DIGITS;
  if (digits < from) return mixed(hashOfBytes(bytes, from, to), 0, 0, 0, 0);
  for (let w = 0; w < WORDS; w++) {
    let word = 0;
    for (let i = digits + 8 * w; i < digits + 8 * w + 8; i++) {
      const digit = digitOf(bytes[i] as number); // i < to
      if (digit < 0) return mixed(hashOfBytes(bytes, from, to), 0, 0, 0, 0);
      word = (word << 4) | digit;
    }
    SCRATCH[w] = word;
  }
  const head = hashOfBytes(bytes, from, digits);
  return mixed(head, SCRATCH[0] as number, SCRATCH[1] as number, SCRATCH[2] as number, SCRATCH[3] as number); // four of them
}

/** FNV-1a. */
function hashOfBytes(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  let hash = 0x811c_9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x0100_0193); // to <= length
  return hash >>> 0;
}

/** Every bit of the four numbers and of the beginning's hash counts in every bit of the answer. */
function mixed(head: number, a: number, b: number, c: number, d: number): number {
  let hash = head;
  hash = Math.imul((hash ^ a) >>> 0, 0x9e37_79b1);
  hash = Math.imul((hash ^ (hash >>> 15) ^ b) >>> 0, 0x85eb_ca77);
  hash = Math.imul((hash ^ (hash >>> 13) ^ c) >>> 0, 0xc2b2_ae3d);
  hash = Math.imul((hash ^ (hash >>> 16) ^ d) >>> 0, 0x27d4_eb2f);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85eb_ca77);
  return (hash ^ (hash >>> 13)) >>> 0;
}
