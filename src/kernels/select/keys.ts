/**
 * Order by counting: elements seen as unsigned keys of 16-bit digits, most significant first, that sort as the values
 * do. A pass counts the digits of one level; the digit that holds a rank narrows the next pass. At most four passes
 * find any rank exactly, in memory that does not depend on the number of elements.
 */
import { allocate, DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import type { Element } from "../scalar-ops.ts";

/** Values of a digit. */
export const DIGITS = 65536;

/** Values of a digit of `dtype`. */
export function digitsOf(dtype: DType): number {
  return DTYPES[dtype].itemsize === 1 ? 256 : DIGITS;
}

/** Digits of a key of `dtype`. */
export function levelsOfKey(dtype: DType): number {
  return Math.max(1, DTYPES[dtype].itemsize >> 1);
}

/** Bits to flip in the top digit: where signed values pass from negative to positive. */
function topFlip(dtype: DType): number {
  const d = DTYPES[dtype];
  if (d.kind === "u" || d.kind === "b") return 0;
  return d.itemsize === 1 ? 0x80 : 0x8000;
}

/** The 16-bit words (bytes of 8-bit types) under `values`, least significant first. */
function wordsOf(values: TypedArray): Uint16Array | Uint8Array {
  const bytes = values.byteLength;
  return values.BYTES_PER_ELEMENT === 1
    ? new Uint8Array(values.buffer, values.byteOffset, bytes)
    : new Uint16Array(values.buffer, values.byteOffset, bytes >> 1);
}

/** One prefix of digits under which some rank lies, and the counts of its next digit. */
export interface Branch {
  /** The digits so far as one number below 2^48. */
  readonly prefix: number;
  readonly counts: Float64Array;
}

/** Count the digits at `level` of valid elements, each under its branch; elements without a branch are passed over. */
export function countDigits(
  dtype: DType,
  values: TypedArray,
  valid: Uint8Array | null,
  n: number,
  { level, branches }: { readonly level: number; readonly branches: readonly Branch[] },
): void {
  const words = wordsOf(values);
  const width = levelsOfKey(dtype);
  const flip = topFlip(dtype);
  const float = DTYPES[dtype].kind === "f";
  const byPrefix = new Map(branches.map((b) => [b.prefix, b.counts]));
  const only = branches.length === 1 ? (branches[0] as Branch) : null;
  for (let i = 0; i < n; i++) {
    if (valid !== null && valid[i] === 0) continue;
    const top = words[i * width + width - 1] as number;
    const rest = float && top >= 0x8000 ? 0xffff : 0;
    let digit = top ^ (rest === 0 ? flip : rest);
    let prefix = 0;
    for (let l = 1; l <= level; l++) {
      prefix = prefix * DIGITS + digit;
      digit = (words[i * width + width - 1 - l] as number) ^ rest;
    }
    const counts = only === null ? byPrefix.get(prefix) : only.prefix === prefix ? only.counts : undefined;
    if (counts !== undefined) counts[digit] = (counts[digit] as number) + 1;
  }
}

/** The element whose key is `prefix` (all digits but the last) and `digit`. */
export function elementOfKey(dtype: DType, prefix: number, digit: number): Element {
  const one = allocate(dtype, 1);
  const words = wordsOf(one);
  const width = levelsOfKey(dtype);
  const digits = [digit];
  for (let rest = prefix, k = 1; k < width; k++) {
    digits.push(rest % DIGITS);
    rest = Math.floor(rest / DIGITS);
  }
  const top = digits[width - 1] as number; // width digits
  const inverted = DTYPES[dtype].kind === "f" && top < 0x8000;
  digits.forEach((x, k) => {
    words[k] = inverted ? x ^ 0xffff : k === width - 1 ? x ^ topFlip(dtype) : x;
  });
  return one[0] as Element;
}

/** The digit under which `rank` lies, and its rank there. */
function digitOfRank(counts: Float64Array, rank: number): { readonly digit: number; readonly rank: number } {
  let rest = rank;
  let digit = 0;
  while (rest >= (counts[digit] as number)) rest -= counts[digit++] as number; // ranks are below the sum
  return { digit, rank: rest };
}

/** A search for the elements of some ranks, level by level. */
export class RankSearch {
  readonly #dtype: DType;
  readonly #found = new Map<number, Element>();
  /** By rank: its prefix so far, and what remains of the rank under it. */
  #sought: ReadonlyMap<number, { readonly prefix: number; readonly rank: number }>;
  #level = 0;
  #prefixes: readonly number[] = [0];

  constructor(dtype: DType, ranks: Iterable<number>) {
    this.#dtype = dtype;
    this.#sought = new Map([...ranks].map((rank) => [rank, { prefix: 0, rank }]));
  }

  /** Level whose digits must be counted next, under each of `prefixes`. */
  get level(): number {
    return this.#level;
  }

  get prefixes(): readonly number[] {
    return this.#prefixes;
  }

  get isDone(): boolean {
    return this.#level === levelsOfKey(this.#dtype);
  }

  /** Go one level deeper; `counts` in the order of `prefixes`. */
  narrow(counts: readonly Float64Array[]): void {
    const last = this.#level === levelsOfKey(this.#dtype) - 1;
    const next = new Map<number, { readonly prefix: number; readonly rank: number }>();
    for (const [rank, sought] of this.#sought) {
      const own = counts[this.#prefixes.indexOf(sought.prefix)] as Float64Array; // one per prefix
      const at = digitOfRank(own, sought.rank);
      if (last) this.#found.set(rank, elementOfKey(this.#dtype, sought.prefix, at.digit));
      else next.set(rank, { prefix: sought.prefix * DIGITS + at.digit, rank: at.rank });
    }
    this.#sought = next;
    this.#prefixes = [...new Set([...next.values()].map((s) => s.prefix))];
    this.#level++;
  }

  /** The element of a rank that was asked for; once all levels are done. */
  element(rank: number): Element {
    return this.#found.get(rank) as Element; // asked for in the constructor
  }
}
