/**
 * NumPy's streams of random bits: `SeedSequence` turns seeds into states, `PCG64` (XSL-RR 128/64) states into 64-bit
 * words. Sources: M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random
 * Number Generation" (2014) and her `randutils` seed sequence; the values must equal numpy.random's.
 */
import { kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import { emitPcg64, emitZiggurat, LANES, PCG_WORD, ZIGGURAT_WORD } from "./pcg64-module.ts";

const POOL = 4;
const INIT_A = 0x43b0d7e5;
const MULT_A = 0x931e8875;
const INIT_B = 0x8b51f9dd;
const MULT_B = 0x58f38ded;
const MIX_L = 0xca01f9dd;
const MIX_R = 0x4973f715;

/** 32-bit words of a non-negative integer, least significant first; 0 is one word. */
function wordsOf(value: bigint): number[] {
  const out: number[] = [];
  for (let rest = value; out.length === 0 || rest > 0n; rest >>= 32n) out.push(Number(rest & 0xffffffffn));
  return out;
}

/**
 * `count` 64-bit words of state from an entropy and the path of spawned children that leads to a stream.
 * Equals `SeedSequence(entropy, spawn_key=path).generate_state(count, uint64)`.
 */
function seedState(entropy: bigint, path: readonly number[], count: number): bigint[] {
  const own = wordsOf(entropy);
  // A spawned child's entropy fills the pool, so that no other seed gives the same words.
  if (path.length > 0) while (own.length < POOL) own.push(0);
  const words = [...own, ...path.flatMap((k) => wordsOf(BigInt(k)))];
  const pool = mixedPool(words);
  let hash = INIT_B;
  const out32 = Array.from({ length: 2 * count }, (_, i) => {
    let word = (pool[i % POOL] as number) ^ hash;
    hash = Math.imul(hash, MULT_B);
    word = Math.imul(word, hash);
    return (word ^ (word >>> 16)) >>> 0;
  });
  return Array.from(
    { length: count },
    (_, i) => BigInt(out32[2 * i] as number) | (BigInt(out32[2 * i + 1] as number) << 32n),
  );
}

function mixedPool(words: readonly number[]): number[] {
  let hash = INIT_A;
  const hashed = (word: number): number => {
    let value = word ^ hash;
    hash = Math.imul(hash, MULT_A);
    value = Math.imul(value, hash);
    return value ^ (value >>> 16);
  };
  const mixed = (x: number, y: number): number => {
    const value = (Math.imul(MIX_L, x) - Math.imul(MIX_R, y)) | 0;
    return value ^ (value >>> 16);
  };
  const pool = Array.from({ length: POOL }, (_, k) => hashed(words[k] ?? 0));
  for (let from = 0; from < POOL; from++)
    for (let to = 0; to < POOL; to++)
      if (from !== to) pool[to] = mixed(pool[to] as number, hashed(pool[from] as number));
  for (const word of words.slice(POOL))
    for (let to = 0; to < POOL; to++) pool[to] = mixed(pool[to] as number, hashed(word));
  return pool;
}

const MASK_128 = (1n << 128n) - 1n;
const MASK_64 = (1n << 64n) - 1n;
/** The generator's multiplier. */
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** State of a generator: a 128-bit number, and the odd one that every step adds. */
export interface PcgState {
  readonly state: bigint;
  readonly increment: bigint;
}

/** State of `numpy.random.PCG64(SeedSequence(entropy, spawn_key=path))`. */
export function pcgState(entropy: bigint, path: readonly number[]): PcgState {
  const [a, b, c, d] = seedState(entropy, path, 4) as [bigint, bigint, bigint, bigint];
  const increment = ((((c << 64n) | d) << 1n) | 1n) & MASK_128;
  const first = (increment + ((a << 64n) | b)) & MASK_128;
  return { state: (first * PCG_MULTIPLIER + increment) & MASK_128, increment };
}

/** Words made at once. */
const BATCH = 1024;

/** Multiplier and increment of `LANES` steps in one. */
function leap(increment: bigint): { readonly multiplier: bigint; readonly increment: bigint } {
  let [multiplier, added] = [1n, 0n];
  for (let k = 0; k < LANES; k++) {
    added = (added * PCG_MULTIPLIER + increment) & MASK_128;
    multiplier = (multiplier * PCG_MULTIPLIER) & MASK_128;
  }
  return { multiplier, increment: added };
}

/** Where a stream's words lie in the thread's scratch memory, and what may lie beside them. */
const PLACE = { words: SCRATCH.rows, ziggurat: SCRATCH.rows + (16 << 10), draws: SCRATCH.rows + (32 << 10) } as const;

/** The layers of a ziggurat as its module reads them. */
export interface ZigguratTable {
  readonly kind: "normal" | "exponential";
  readonly edges: Float64Array;
  readonly inside: BigUint64Array;
}

/** A stream of random bits in the order of NumPy's `bitgen`: 64-bit words, and 32-bit halves of which the second waits. */
export class BitStream {
  /** Halves of the words at hand: low, high, low, high, … */
  readonly #halves: Uint32Array;
  readonly #words: BigUint64Array;
  /** Words in the scratch memory, which is anyone's between two uses of a stream. */
  readonly #made: BigUint64Array;
  readonly #states: BigUint64Array;
  readonly #seed: BigUint64Array;
  #at = BATCH;
  #waiting = -1;
  /** Low and high half of the word that {@link advance} went to. */
  low = 0;
  high = 0;

  constructor({ state, increment }: PcgState) {
    const { buffer } = scratch();
    const own: bigint[] = [];
    let last = state;
    for (let k = 0; k < LANES; k++) {
      last = (last * PCG_MULTIPLIER + increment) & MASK_128;
      own.push(last & MASK_64, last >> 64n);
    }
    const added = leap(increment).increment;
    this.#states = BigUint64Array.of(...own, added & MASK_64, added >> 64n);
    this.#seed = new BigUint64Array(buffer, PLACE.words, 2 * LANES + 2);
    this.#made = new BigUint64Array(buffer, PLACE.words + PCG_WORD.words, BATCH);
    this.#words = new BigUint64Array(BATCH);
    this.#halves = new Uint32Array(this.#words.buffer);
  }

  /** Make a batch of words, or doubles, in the scratch memory. */
  #make(gives: "words" | "doubles"): void {
    this.#seed.set(this.#states);
    const { multiplier } = leap(0n);
    const run = kernelOf(`pcg64 ${gives}`, [scratch().memory], () => emitPcg64(multiplier, gives));
    run(PLACE.words, 1, BATCH);
    this.#states.set(this.#seed);
  }

  /** Go to the next 64-bit word: `low` and `high`. */
  advance(): void {
    if (this.#at === BATCH) this.#refill();
    const i = this.#at++;
    this.low = this.#halves[2 * i] as number;
    this.high = this.#halves[2 * i + 1] as number;
  }

  /** The next 64-bit word. */
  word(): bigint {
    this.advance();
    return this.#words[this.#at - 1] as bigint;
  }

  /** The next 32 bits: a word's low half, then its high half. */
  half(): number {
    if (this.#waiting >= 0) {
      const half = this.#waiting;
      this.#waiting = -1;
      return half;
    }
    this.advance();
    this.#waiting = this.high;
    return this.low;
  }

  /** A float64 in [0, 1) of 53 bits. */
  double(): number {
    this.advance();
    return (this.high * 2097152 + (this.low >>> 11)) * 2 ** -53;
  }

  /** A float32 in [0, 1) of 24 bits. */
  float(): number {
    return (this.half() >>> 8) * 2 ** -24;
  }

  /** Fill with what {@link double} would give. */
  doubles(out: Float64Array): void {
    let i = 0;
    // Words at hand come first.
    for (; i < out.length && this.#at < BATCH; i++) out[i] = this.double();
    const made = new Float64Array(scratch().buffer, PLACE.words + PCG_WORD.words, BATCH);
    for (; i + BATCH <= out.length; i += BATCH) {
      this.#make("doubles");
      out.set(made, i);
    }
    for (; i < out.length; i++) out[i] = this.double();
  }

  /** Fill with draws of a ziggurat; `slow` draws one from the word that does not lie under the curve at once. */
  ziggurat(out: Float64Array, table: ZigguratTable, slow: (s: BitStream) => number): void {
    const { buffer, memory } = scratch();
    const { ziggurat, draws } = PLACE;
    const block = new Int32Array(buffer, ziggurat, 4);
    const made = new Float64Array(buffer, draws, BATCH);
    const edges = new Float64Array(buffer, ziggurat + ZIGGURAT_WORD.edges, table.edges.length);
    edges.set(table.edges);
    new BigUint64Array(buffer, ziggurat + ZIGGURAT_WORD.inside, table.inside.length).set(table.inside);
    const run = kernelOf(`ziggurat ${table.kind}`, [memory], () => emitZiggurat(table.kind));
    const words = PLACE.words + PCG_WORD.words;
    let isThere = false;
    for (let i = 0; i < out.length; ) {
      if (this.#at === BATCH) {
        this.#refill();
        isThere = true;
      }
      if (isThere) {
        block[0] = words + 8 * this.#at;
        block[1] = words + 8 * BATCH;
        block[2] = draws;
        block[3] = draws + 8 * Math.min(BATCH, out.length - i);
        run(ziggurat, 1, BATCH);
        const n = ((block[2] as number) - draws) / 8;
        out.set(made.subarray(0, n), i);
        this.#at += n;
        i += n;
      }
      if (i < out.length && this.#at < BATCH) {
        const left = BATCH - this.#at;
        out[i++] = slow(this);
        // A slow draw may have gone on to the next words, which then are there.
        isThere ||= BATCH - this.#at > left;
      }
    }
  }

  /** Fill with what {@link half} would give. */
  halves(out: { [i: number]: number; readonly length: number }): void {
    let i = 0;
    if (this.#waiting >= 0 && out.length > 0) out[i++] = this.half();
    while (i + 1 < out.length) {
      if (this.#at === BATCH) this.#refill();
      const n = Math.min(BATCH - this.#at, (out.length - i) >> 1);
      const from = 2 * this.#at;
      for (let k = 0; k < 2 * n; k++) out[i + k] = this.#halves[from + k] as number;
      this.#at += n;
      i += 2 * n;
    }
    if (i < out.length) out[i] = this.half();
  }

  #refill(): void {
    this.#make("words");
    this.#words.set(this.#made);
    this.#at = 0;
  }
}
