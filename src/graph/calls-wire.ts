/**
 * Graphs of calls as bytes: most are one call, and those of many are mostly columns, which JSON would write out in letters.
 *
 * Little-endian words: what these bytes are, how many parts follow, how many bytes each of them has; then the parts, each
 * beginning at a multiple of four. The parts are the columns of `PARTS`, then the texts of all functions, then the beginnings
 * of keys. A part that is null has no bytes, and all bits of its length set.
 */
import { RemoteProtocolError } from "../base/index.ts";
import { chunksOfCalls } from "./calls.ts";
import { KeyColumn, type PlainKeys } from "./key-column.ts";
import type { Layer } from "./layer.ts";

type Held = Extract<Layer, { readonly kind: "held" }>;
type Calls = Extract<Layer, { readonly kind: "calls" }>;

/** No text in UTF-8 begins so, and so no JSON. */
const MAGIC = 0x0143_47ff;
const NULL = 0xffff_ffff;
/** Words before the lengths. */
const HEAD_WORDS = 2;
/** Most parts: functions and beginnings of keys are as many as there may be, and few columns. */
const PARTS_MAX = 2 ** 18;

/** Places of the parts that every graph has. */
const COUNTS = 0;
const NAME = 1;
const MAC = 2;
const FN = 3;
const ARG = 4;
const ARGS = 5;
const ARG_START = 6;
const INPUTS = 7;
const INPUT_START = 8;
/** Four of keys: of digits `headOf` and `words`, of texts `bytes` and `start`. */
const KEYS = 9;
const KNOWN_NAME = 13;
const KNOWN_KEYS = 14;
const FIXED_PARTS = 18;

const SHORT_TEXT = 256;
const STRICT = new TextDecoder("utf-8", { fatal: true });

/** Bytes of a graph whose last layer is of calls with keys, and whose only other one, if any, holds what they read; null for another. */
export function encodeCalls(layers: readonly Layer[], outputs: readonly number[]): Uint8Array | null {
  const calls = layers.at(-1);
  if (calls?.kind !== "calls" || !isPlainCalls(calls) || layers.length > 2) return null;
  if (outputs.length !== 1 || outputs[0] !== layers.length - 1) return null;
  const known = layers.length === 2 ? (layers[0] as Layer) : null; // one of two
  if (known !== null && !isPlainHeld(known)) return null;
  const keys = (calls.keys as KeyColumn).toPlain(); // by isPlainCalls
  const knownKeys = known === null ? null : (known.keys as KeyColumn).toPlain(); // by isPlainHeld
  const { functions } = calls;
  const heads = headsOf(keys);
  const knownHeads = headsOf(knownKeys);
  const parts: (Uint8Array | string | null)[] = [
    new Uint8Array(Uint32Array.of(functions.length, heads.length, knownHeads.length).buffer),
    calls.name,
    calls.mac,
    calls.fn,
    calls.arg,
    calls.args,
    calls.argStart,
    calls.inputs,
    calls.inputStart,
  ];
  pushKeys(parts, keys);
  parts.push(known === null ? null : known.name);
  pushKeys(parts, knownKeys);
  for (const text of functions) parts.push(text);
  for (const head of heads) parts.push(head);
  for (const head of knownHeads) parts.push(head);
  return parts.length > PARTS_MAX ? null : joined(parts);
}

function isPlainHeld(layer: Layer): layer is Held {
  return layer.kind === "held" && !layer.inline && layer.dtype === "float64" && isColumn(layer.keys, layer);
}

function isPlainCalls(layer: Calls): boolean {
  const { functions, fn, arg, args, argStart, inputs, inputStart, inline, dtype, keys } = layer;
  if (inline || dtype !== "float64" || !isColumn(keys, layer)) return false;
  if (!isBytes(args) || !isBytes(argStart) || !isBytes(inputs) || !isBytes(inputStart)) return false;
  if ((fn !== null && !isBytes(fn)) || (arg !== null && !isBytes(arg))) return false;
  // Halves of characters are no UTF-8: JSON has a way to say them.
  for (const text of functions) if (typeof text !== "string" || !text.isWellFormed()) return false;
  return layer.name.isWellFormed();
}

/** Keys for all of a layer's tasks, of which each is one. */
function isColumn(keys: unknown, { chunks }: Layer): boolean {
  const [sizes] = chunks;
  return keys instanceof KeyColumn && chunks.length === 1 && sizes?.length === keys.length;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

const NO_HEADS: readonly string[] = [];

function headsOf(keys: PlainKeys | null): readonly string[] {
  return keys !== null && "heads" in keys ? keys.heads : NO_HEADS;
}

function pushKeys(parts: (Uint8Array | string | null)[], keys: PlainKeys | null): void {
  if (keys === null) parts.push(null, null, null, null);
  else if ("heads" in keys) parts.push(keys.headOf, keys.words, null, null);
  else parts.push(null, null, keys.bytes, keys.start);
}

function joined(parts: readonly (Uint8Array | string | null)[]): Uint8Array {
  const words = new Uint32Array(HEAD_WORDS + parts.length);
  words[0] = MAGIC;
  words[1] = parts.length;
  let total = words.byteLength;
  for (let k = 0; k < parts.length; k++) {
    const part = parts[k] as Uint8Array | string | null; // k < length
    if (part === null) {
      words[HEAD_WORDS + k] = NULL;
      continue;
    }
    const nbytes = typeof part === "string" ? Buffer.byteLength(part) : part.byteLength;
    words[HEAD_WORDS + k] = nbytes;
    total += padded(nbytes);
  }
  const bytes = Buffer.from(new ArrayBuffer(total));
  bytes.set(new Uint8Array(words.buffer));
  let at = words.byteLength;
  for (let k = 0; k < parts.length; k++) {
    const part = parts[k] as Uint8Array | string | null; // k < length
    if (part === null) continue;
    if (typeof part === "string") bytes.write(part, at);
    else bytes.set(part, at);
    at += padded(words[HEAD_WORDS + k] as number); // one for each
  }
  return new Uint8Array(bytes.buffer);
}

function padded(nbytes: number): number {
  return (nbytes + 3) & ~3;
}

/** True for what {@link encodeCalls} gave. */
export function isEncodedCalls(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0xff;
}

/**
 * The layers of such a graph, whose columns are not checked yet, nor how many tasks they have. They stand on these bytes, or on a copy of them.
 * @throws {RemoteProtocolError} no such bytes
 */
export function decodeCalls(given: Uint8Array): readonly Layer[] {
  const parts = new Parts(given);
  const counts = parts.words(COUNTS);
  if (counts.length !== 3) throw broken("counts");
  const [functions, heads, knownHeads] = counts as unknown as [number, number, number]; // three of them
  if (FIXED_PARTS + functions + heads + knownHeads !== parts.count) throw broken("as many texts as are counted");
  const texts = parts.texts(FIXED_PARTS, functions);
  const keys = parts.keys(KEYS, FIXED_PARTS + functions, heads);
  const calls: Calls = {
    kind: "calls",
    name: parts.text(NAME),
    dtype: "float64",
    chunks: chunksOfCalls(keys.length),
    keys,
    functions: texts,
    fn: parts.bytesOrNull(FN),
    arg: parts.bytesOrNull(ARG),
    args: parts.bytes(ARGS),
    argStart: parts.bytes(ARG_START),
    inputs: parts.bytes(INPUTS),
    inputStart: parts.bytes(INPUT_START),
    mac: parts.isNull(MAC) ? null : parts.text(MAC),
    inline: false,
  };
  if (parts.isNull(KNOWN_NAME)) return [calls];
  const known = parts.keys(KNOWN_KEYS, FIXED_PARTS + functions + heads, knownHeads);
  const chunks = chunksOfCalls(known.length);
  const held: Held = {
    kind: "held",
    name: parts.text(KNOWN_NAME),
    dtype: "float64",
    chunks,
    keys: known,
    inline: false,
  };
  return [held, calls];
}

/** Parts by number, as views. */
class Parts {
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #starts: Uint32Array;

  constructor(given: Uint8Array) {
    const bytes = given.byteOffset % 4 === 0 ? given : copyOf(given);
    if (bytes.byteLength % 4 !== 0 || bytes.byteLength < 4 * HEAD_WORDS) throw broken("whole words");
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    const count = words[1] as number; // there are two at the least
    const head = HEAD_WORDS + count;
    if (words[0] !== MAGIC || count < FIXED_PARTS || count > PARTS_MAX || head > words.length) throw broken("parts");
    const starts = new Uint32Array(count);
    let at = 4 * head;
    for (let k = 0; k < count; k++) {
      starts[k] = at;
      const nbytes = words[HEAD_WORDS + k] as number; // head <= length
      if (nbytes === NULL) continue;
      // The sum of numbers, each below 2^32, of which there are few enough: no bits are lost.
      at += 4 * Math.ceil(nbytes / 4);
      if (at > bytes.byteLength) throw broken("parts within the bytes");
    }
    if (at !== bytes.byteLength) throw broken("nothing behind the last part");
    this.count = count;
    this.#bytes = bytes;
    this.#words = words;
    this.#starts = starts;
  }

  isNull(part: number): boolean {
    return this.#words[HEAD_WORDS + part] === NULL;
  }

  bytesOrNull(part: number): Uint8Array | null {
    return this.isNull(part) ? null : this.bytes(part);
  }

  bytes(part: number): Uint8Array {
    const nbytes = this.#words[HEAD_WORDS + part] as number; // callers know of the part
    if (nbytes === NULL) throw broken("a part that is there");
    const { buffer, byteOffset } = this.#bytes;
    return new Uint8Array(buffer, byteOffset + (this.#starts[part] as number), nbytes);
  }

  words(part: number): Uint32Array {
    const { buffer, byteOffset, byteLength } = this.bytes(part);
    if (byteLength % 4 !== 0) throw broken("whole numbers");
    return new Uint32Array(buffer, byteOffset, byteLength >> 2);
  }

  text(part: number): string {
    const bytes = this.bytes(part);
    if (isAscii(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    try {
      return STRICT.decode(bytes);
    } catch (cause) {
      throw new RemoteProtocolError("a graph of calls: expected texts in UTF-8", { cause });
    }
  }

  texts(from: number, count: number): string[] {
    const texts: string[] = [];
    for (let k = 0; k < count; k++) texts.push(this.text(from + k));
    return texts;
  }

  /** Keys of four parts, whose beginnings are the texts from `from` on. */
  keys(part: number, from: number, count: number): KeyColumn {
    if (!this.isNull(part + 2))
      return KeyColumn.fromPlain({ bytes: this.bytes(part + 2), start: this.bytes(part + 3) });
    const heads = this.texts(from, count);
    return KeyColumn.fromPlain({ heads, headOf: this.bytesOrNull(part), words: this.bytes(part + 1) });
  }
}

/** Of a short text: that is seen sooner than a decoder has begun. */
function isAscii(bytes: Uint8Array): boolean {
  if (bytes.length > SHORT_TEXT) return false;
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) >= 0x80) return false; // i < length
  return true;
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

function broken(what: string): Error {
  return new RemoteProtocolError(`a graph of calls: expected ${what}`);
}
