/** Task keys: Dask's values (texts, numbers, tuples) and our one canonical text for each. */
import { InvariantError } from "../base/index.ts";

/** A key as Dask has it: text, integer, or a tuple of such. */
export type KeyValue = string | number | bigint | Uint8Array | readonly KeyValue[];

/** Canonical text of a key, usable in Map and Set. Texts stand for themselves; everything else begins with a NUL. */
export type Key = string & { readonly __key: true };

/** Canonical text of `value`; equal keys give equal texts. Integral floats equal integers, as in Python. */
export function keyOfValue(value: KeyValue): Key {
  if (isOfBlock(value)) return blockKey(value[0] as string, value.slice(1) as number[]); // a name, then numbers
  // The brand marks texts made here.
  return (
    typeof value === "string" ? (value.startsWith("\0") ? `\0${encode(value)}` : value) : `\0${encode(value)}`
  ) as Key;
}

/** A name and numbers. */
function isOfBlock(value: KeyValue): value is readonly KeyValue[] {
  if (!Array.isArray(value) || typeof value[0] !== "string") return false;
  for (let i = 1; i < value.length; i++) if (typeof value[i] !== "number") return false;
  return true;
}

function encode(value: KeyValue): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `b"${Buffer.from(value).toString("hex")}"`;
  return `[${value.map(encode).join(",")}]`;
}

/** The Dask value of a canonical key. */
export function valueOfKey(key: Key): KeyValue {
  if (!key.startsWith("\0")) return key;
  return valueOfBlock(key) ?? parsed(key);
}

/** How the key of a block began that was read last, up to its name; and the name. */
let lastHead = "";
let lastHeadName = "";
const [COMMA, ZERO, NINE, BRACKET] = [44, 48, 57, 93];
/** Digits of numbers that are exact. */
const DIGITS_MAX = 15;

/** The same of `(name, i, j, …)` with the name of the key before, without a walk; null: it is another form. */
function valueOfBlock(key: Key): KeyValue | null {
  if (lastHead === "" || !key.startsWith(lastHead)) return null;
  const out: KeyValue[] = [lastHeadName];
  let at = lastHead.length;
  for (;;) {
    const c = key.charCodeAt(at);
    if (c === BRACKET) return at === key.length - 1 ? out : null;
    if (c !== COMMA) return null;
    const from = ++at;
    let n = 0;
    for (let d = key.charCodeAt(at); d >= ZERO && d <= NINE; d = key.charCodeAt(++at)) n = 10 * n + d - ZERO;
    if (at === from || at - from > DIGITS_MAX) return null;
    out.push(n);
  }
}

function parsed(key: Key): KeyValue {
  const text = key.slice(1);
  let at = 0;
  const parse = (): KeyValue => {
    const c = text[at];
    if (c === "[") {
      const out: KeyValue[] = [];
      at++;
      while (text[at] !== "]") {
        out.push(parse());
        if (text[at] === ",") at++;
      }
      at++;
      return out;
    }
    const token = /^(?:b"[0-9a-f]*"|"(?:[^"\\]|\\.)*"|[^,\]]+)/.exec(text.slice(at))?.[0];
    if (!token) throw new InvariantError(`key ${JSON.stringify(key)} is not canonical`);
    at += token.length;
    if (c === "b") return new Uint8Array(Buffer.from(token.slice(2, -1), "hex"));
    if (c === '"') return JSON.parse(token) as string; // written by JSON.stringify
    const n = Number(token);
    return Number.isSafeInteger(n) || !/^-?\d+$/.test(token) ? n : BigInt(token);
  };
  const value = parse();
  if (Array.isArray(value) && typeof value[0] === "string") {
    lastHeadName = value[0];
    lastHead = `\0[${JSON.stringify(lastHeadName)}`;
  }
  return value;
}

let lastName = "";
let lastStart = '\0[""';

/** Key of one block: `(name, i, j, …)`. */
export function blockKey(name: string, index: readonly number[]): Key {
  // Same text as keyOfValue([name, ...index]), without the walk; many of one layer are made in a row.
  if (name !== lastName) [lastName, lastStart] = [name, `\0[${JSON.stringify(name)}`];
  let places = "";
  for (let k = 0; k < index.length; k++) places += `,${index[k]}`; // `join` takes half as long again
  return `${lastStart}${places}]` as Key;
}

/** Key of a block by its number in C order of the grid. */
export function blockKeyAt(name: string, grid: readonly number[], index: number): Key {
  const position: number[] = new Array(grid.length);
  let rest = index;
  for (let axis = grid.length - 1; axis >= 0; axis--) {
    const n = grid[axis] as number; // axis < length
    position[axis] = rest % n;
    rest = Math.floor(rest / n);
  }
  return blockKey(name, position);
}

/** Readable form for people and logs: Python's tuple notation. */
export function showKey(key: Key): string {
  const show = (v: KeyValue): string =>
    typeof v === "string"
      ? `'${v}'`
      : Array.isArray(v)
        ? `(${v.map(show).join(", ")}${v.length === 1 ? "," : ""})`
        : String(v);
  return key.startsWith("\0") ? show(valueOfKey(key)) : key;
}

/**
 * Prefix by which tasks are grouped: words up to the first with other than letters, and up to a word of eight letters whose
 * first is one of a to f, which may be part of a token. Source: dask.utils `key_split`, which gives "Other" where it fails.
 */
export function keyPrefix(key: Key): string {
  let value = valueOfKey(key);
  while (Array.isArray(value)) value = value[0] as KeyValue; // a tuple key is never empty
  if (typeof value !== "string" || value === "" || value.startsWith("-")) return "Other";
  const [first = "", ...words] = value.split("-");
  let out = /^\p{L}/u.test(first) ? first : strip(first.split(",")[0] as string, "_'()\""); // a split gives one at the least
  for (const word of words) {
    if (!/^\p{L}+$/u.test(word) || (word.length === 8 && /^[a-f]/.test(word))) break;
    out += `-${word}`;
  }
  if (/^[a-f0-9]{32}$/.test(out)) return "data";
  if (!out.startsWith("<")) return out === "" ? "Other" : out;
  const named = strip(out, "<>").trim();
  return named === "" ? "Other" : (named.split(/\s/)[0]?.split(".").at(-1) as string); // splits give one at the least
}

/** The text without any of some characters at its ends. */
function strip(text: string, characters: string): string {
  let [from, to] = [0, text.length];
  while (from < to && characters.includes(text[from] as string)) from++; // from < length
  while (to > from && characters.includes(text[to - 1] as string)) to--; // the same
  return text.slice(from, to);
}
