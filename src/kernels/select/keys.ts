/**
 * Order by counting: elements seen as unsigned keys of 16-bit digits, most significant first, that sort as the values
 * do. A pass counts the digits of one level; the digit that holds a rank narrows the next pass. At most four passes
 * find any rank exactly, in memory that does not depend on the number of elements.
 */
import { allocate, DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import type { Element } from "../map/scalar-ops.ts";

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

/** What a pass counts: the digits at `level`, each under its branch. */
export interface Pass {
  readonly level: number;
  readonly branches: readonly Branch[];
}

/** Count the digits of `n` valid elements; elements without a branch are passed over. */
export function countDigits(
  dtype: DType,
  values: TypedArray,
  valid: Uint8Array | null,
  { n, level, branches }: Pass & { readonly n: number },
): void {
  const width = levelsOfKey(dtype);
  if (width === 1) return countShort(dtype, wordsOf(values), valid, { n, level, branches });
  const words = new Int32Array(values.buffer, values.byteOffset, (n * width) >> 1);
  const kind: WideKind = {
    float: DTYPES[dtype].kind === "f",
    flip: topFlip(dtype) === 0 ? 0 : 1 << 31,
    per: width >> 1,
  };
  if (level === 0) countTop(kind, words, valid, { n, level, branches });
  else countBelow(kind, words, valid, { n, level, branches });
}

/** How 32-bit words become keys; `per` of them are an element. */
interface WideKind {
  readonly float: boolean;
  readonly flip: number;
  readonly per: number;
}

/** The first digits of keys of two or four. Numbers stay 32-bit integers: others would be slow. */
function countTop(
  { float, flip, per }: WideKind,
  words: Int32Array,
  valid: Uint8Array | null,
  { n, branches }: Pass & { readonly n: number },
): void {
  const [{ counts }] = branches as readonly [Branch, ...Branch[]]; // a pass has branches
  for (let i = 0, at = per - 1; i < n; i++, at += per) {
    if (valid !== null && valid[i] === 0) continue;
    const w = words[at] as number;
    const top = (float && w < 0 ? ~w : w ^ flip) >>> 16;
    counts[top] = (counts[top] as number) + 1;
  }
}

/** Later digits of keys of two or four: few elements share their first digit with a branch. */
function countBelow(
  { float, flip, per }: WideKind,
  words: Int32Array,
  valid: Uint8Array | null,
  { n, level, branches }: Pass & { readonly n: number },
): void {
  const tops = new Uint8Array(DIGITS);
  for (const { prefix } of branches) tops[Math.floor(prefix / DIGITS ** (level - 1))] = 1;
  for (let i = 0, at = per - 1; i < n; i++, at += per) {
    if (valid !== null && valid[i] === 0) continue;
    const w = words[at] as number;
    const key = float && w < 0 ? ~w : w ^ flip;
    if (tops[key >>> 16] === 0) continue;
    if (level === 1) {
      add(branches, key >>> 16, key & 0xffff);
      continue;
    }
    const low = float && w < 0 ? ~(words[at - 1] as number) : (words[at - 1] as number);
    const high = key < 0 ? key + 2 ** 32 : key;
    if (level === 2) add(branches, high, low >>> 16);
    else add(branches, high * DIGITS + (low >>> 16), low & 0xffff);
  }
}

function add(branches: readonly Branch[], prefix: number, digit: number): void {
  for (const { prefix: own, counts } of branches) if (own === prefix) counts[digit] = (counts[digit] as number) + 1;
}

/** Keys of one digit. */
function countShort(
  dtype: DType,
  words: Uint16Array | Uint8Array,
  valid: Uint8Array | null,
  { n, branches }: Pass & { readonly n: number },
): void {
  const [{ counts }] = branches as readonly [Branch, ...Branch[]]; // a pass has branches
  const flip = topFlip(dtype);
  const float = DTYPES[dtype].kind === "f";
  for (let i = 0; i < n; i++) {
    if (valid !== null && valid[i] === 0) continue;
    const w = words[i] as number;
    const digit = float && w >= 0x8000 ? w ^ 0xffff : w ^ flip;
    counts[digit] = (counts[digit] as number) + 1;
  }
}

/** The element whose key is `prefix` (all digits but the last) and `digit`. */
function elementOfKey(dtype: DType, prefix: number, digit: number): Element {
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
