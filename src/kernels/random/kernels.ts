/** The block kernel `random`: a block of draws from its own stream, the child of a seed that its number names. */
import { castScalar, type DType, type TypedArray, viewOf } from "../../dtype/index.ts";
import type { Plain } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import {
  CONTINUOUS,
  CONTINUOUS_FLOAT,
  type Draw,
  standardExponential,
  standardNormal,
  zigguratTable,
} from "./continuous.ts";
import { boundedHalf, boundedPart, boundedWord, coin, DISCRETE } from "./discrete.ts";
import { BitStream, pcgState } from "./pcg64.ts";

/** What is drawn. */
export type Distribution =
  /** A named distribution and its parameters. */
  | { readonly name: string; readonly params: readonly number[] }
  /** Whole numbers from `low` to `low + range`. */
  | { readonly name: "integers"; readonly low: bigint; readonly range: bigint }
  /** Members of `values` (C order), each as likely as the steps of `cumulative` (float64) say, or all equally. */
  | {
      readonly name: "choice";
      readonly values: Uint8Array | null;
      readonly count: number;
      readonly cumulative: Uint8Array | null;
      readonly replace: boolean;
    };

/** Parameters of the kernel `random`. */
export interface RandomParams {
  readonly entropy: bigint;
  /** Children of the seed that were given away before. */
  readonly spawned: number;
  /** Blocks along each axis. */
  readonly grid: readonly number[];
  readonly distribution: Distribution;
}

/** Names of distributions that have parameters. */
export function isDistribution(name: string): boolean {
  return Object.hasOwn(CONTINUOUS, name) || Object.hasOwn(DISCRETE, name);
}

/** A permutation of `0 … count - 1` by a stream: NumPy's shuffle, from the last element down. */
export function shuffled(stream: BitStream, count: number): Float64Array {
  const out = Float64Array.from({ length: count }, (_, i) => i);
  let mask = 1;
  while (mask < count) mask *= 2;
  for (let i = count - 1; i >= 1; i--) {
    while (mask > 2 * i) mask /= 2;
    // The first number below the next power of two that is not too large.
    let j = stream.half() % mask;
    while (j > i) j = stream.half() % mask;
    swap(out, i, j);
  }
  return out;
}

function swap(of: Float64Array, i: number, j: number): void {
  const held = of[i] as number;
  of[i] = of[j] as number;
  of[j] = held;
}

/** `n` different numbers below `count`: NumPy's choice between shuffling a tail of all and R. W. Floyd's sampling. */
function sampled(stream: BitStream, n: number, count: number): Float64Array {
  const mix = (of: Float64Array, first: number): void => {
    for (let i = of.length - 1; i >= first; i--) swap(of, i, boundedHalf(i)(stream));
  };
  if (count > 10_000 && n > Math.floor(count / 50)) {
    const all = Float64Array.from({ length: count }, (_, i) => i);
    mix(all, Math.max(count - n, 1));
    return all.subarray(count - n);
  }
  const taken = new Set<number>();
  const out = new Float64Array(n);
  for (let j = count - n; j < count; j++) {
    const drawn = boundedHalf(j)(stream);
    const pick = taken.has(drawn) ? j : drawn;
    taken.add(pick);
    out[j - count + n] = pick;
  }
  mix(out, 1);
  return out;
}

function fill(data: TypedArray, stream: BitStream, draw: Draw): void {
  const out = data as Float64Array; // numbers are stored alike in all of them
  for (let i = 0; i < out.length; i++) out[i] = draw(stream);
}

/** Names whose draws are straight lines of a ziggurat's, and which. */
const ZIGGURATS: Readonly<Record<string, "normal" | "exponential">> = {
  standardNormal: "normal",
  normal: "normal",
  standardExponential: "exponential",
  exponential: "exponential",
};

/** Draws by compiled loops, where there are such. */
function fillFast(
  out: Float64Array,
  stream: BitStream,
  { name, params }: { name: string; params: readonly number[] },
): boolean {
  const kind = ZIGGURATS[name];
  if (name !== "random" && name !== "uniform" && kind === undefined) return false;
  if (kind === undefined) stream.doubles(out);
  else stream.ziggurat(out, zigguratTable(kind), kind === "normal" ? standardNormal() : standardExponential());
  if (params.length === 0) return true;
  const isScale = name === "exponential";
  const offset = isScale ? 0 : (params[0] as number);
  const scale = isScale
    ? (params[0] as number)
    : name === "uniform"
      ? (params[1] as number) - offset
      : (params[1] as number);
  if (isScale) for (let i = 0; i < out.length; i++) out[i] = scale * (out[i] as number);
  else for (let i = 0; i < out.length; i++) out[i] = offset + scale * (out[i] as number);
  return true;
}

function fillNamed(
  data: TypedArray,
  stream: BitStream,
  { name, params }: { name: string; params: readonly number[] },
): void {
  if (name === "random" && data instanceof Float32Array) {
    const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
    stream.halves(bits);
    for (let i = 0; i < bits.length; i++) data[i] = ((bits[i] as number) >>> 8) * 2 ** -24;
    return;
  }
  if (data instanceof Float64Array && fillFast(data, stream, { name, params })) return;
  const make = (data instanceof Float32Array ? CONTINUOUS_FLOAT[name] : undefined) ?? CONTINUOUS[name];
  if (make) return fill(data, stream, make(params));
  const draw = (DISCRETE[name] as (typeof DISCRETE)[string])(params); // checked when the layer was built
  for (let i = 0; i < data.length; i++) data[i] = castScalar(draw(stream), "int64") as never; // its dtype
}

/** Largest whole number that a float64 surely holds. */
const MOST = BigInt(Number.MAX_SAFE_INTEGER);

/** 32-bit halves that are looked at at once. */
const HALVES = 1024;

/**
 * Whole numbers from `low` to `low + range` by Lemire's method from 32-, 16- or 8-bit parts of the stream; range below
 * 2^21. Two entries of `out` make one where `isWide`: 64-bit integers by their halves.
 */
function fillParts(
  out: TypedArray,
  stream: BitStream,
  o: { low: number; range: number; bits: 8 | 16 | 32; isWide: boolean },
): void {
  const { low, range, bits, isWide } = o;
  const count = range + 1;
  const size = 2 ** bits;
  const least = (size - 1 - range) % count;
  const halves = new Uint32Array(HALVES);
  const { buffer } = halves;
  const parts = bits === 32 ? halves : bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
  const to = out as Int32Array; // numbers are stored alike in all of them
  const n = isWide ? out.length / 2 : out.length;
  for (let i = 0; i < n; ) {
    const drawn = Math.min(HALVES, Math.ceil(((n - i) * bits) / 32));
    const there = (drawn * 32) / bits;
    stream.halves(drawn === HALVES ? halves : halves.subarray(0, drawn));
    for (let k = 0; k < there && i < n; k++) {
      const product = (parts[k] as number) * count;
      const high = Math.floor(product / size);
      if (product - high * size < least) continue;
      const value = low + high;
      if (isWide) {
        to[2 * i] = value;
        to[2 * i + 1] = Math.floor(value / 4294967296);
      } else to[i] = value;
      i++;
    }
  }
}

/** 64-bit integers that a float64 holds, by their halves. */
function fillWide(data: TypedArray, stream: BitStream, low: number, range: number): void {
  const halves = new Int32Array(data.buffer, data.byteOffset, 2 * data.length);
  if (range > 0 && range < 2 ** 21) return fillParts(halves, stream, { low, range, bits: 32, isWide: true });
  const draw = boundedHalf(range);
  for (let i = 0; i < data.length; i++) {
    const value = low + draw(stream);
    halves[2 * i] = value;
    halves[2 * i + 1] = Math.floor(value / 4294967296);
  }
}

function wideDraw(range: number): (s: BitStream) => bigint {
  const draw = boundedHalf(range);
  return (s) => BigInt(draw(s));
}

function fillIntegers(out: NDArray, stream: BitStream, { low, range }: { low: bigint; range: bigint }): void {
  const { data, dtype } = out;
  const width = data.BYTES_PER_ELEMENT;
  if (width === 8) {
    const last = low + range;
    if (range <= 0xffffffffn && low >= -MOST && last <= MOST) return fillWide(data, stream, Number(low), Number(range));
    const draw = range <= 0xffffffffn ? wideDraw(Number(range)) : boundedWord(range);
    for (let i = 0; i < data.length; i++) data[i] = castScalar(low + draw(stream), dtype) as never; // castScalar gives what the array class takes
    return;
  }
  const from = Number(low);
  const most = Number(range);
  if (dtype !== "bool" && most > 0 && most < 2 ** 21) {
    const bits = width === 4 ? 32 : width === 2 ? 16 : 8;
    return fillParts(data, stream, { low: from, range: most, bits, isWide: false });
  }
  const draw =
    dtype === "bool" && most === 1 ? coin() : width === 4 ? boundedHalf(most) : boundedPart(most, width === 2 ? 16 : 8);
  fill(data, stream, from === 0 ? draw : (s) => from + draw(s));
}

function choices(
  stream: BitStream,
  n: number,
  { count, cumulative, replace }: Extract<Distribution, { name: "choice" }>,
): ArrayLike<number> {
  if (!replace) return sampled(stream, n, count);
  const out = new Float64Array(n);
  if (cumulative === null) {
    fill(out, stream, boundedHalf(count - 1));
    return out;
  }
  const steps = viewOf("float64", new Uint8Array(cumulative).buffer, 0, count) as Float64Array; // by its dtype
  for (let i = 0; i < n; i++) {
    const u = stream.double();
    let [lo, hi] = [0, count];
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if ((steps[mid] as number) <= u) lo = mid + 1;
      else hi = mid;
    }
    out[i] = lo;
  }
  return out;
}

function fillChoices(out: NDArray, stream: BitStream, what: Extract<Distribution, { name: "choice" }>): void {
  const picks = choices(stream, out.size, what);
  const values = what.values ? tableOf(out.dtype, what.values, what.count) : null;
  for (let i = 0; i < picks.length; i++)
    out.data[i] = (values ? values[picks[i] as number] : castScalar(picks[i] as number, out.dtype)) as never; // of the block's dtype
}

function tableOf(dtype: DType, bytes: Uint8Array, count: number): TypedArray {
  return viewOf(dtype, new Uint8Array(bytes).buffer, 0, count);
}

export const randomKernels: Readonly<Record<string, BlockKernel>> = {
  random: {
    run: (_inputs, out, params, { position }) => {
      const { entropy, spawned, grid, distribution } = params as unknown as RandomParams; // made by the array room
      const block = position.reduce((at, p, k) => at * (grid[k] as number) + p, 0);
      const stream = new BitStream(pcgState(entropy, [spawned + block]));
      const own = new NDArray(out.dtype, out.data.subarray(out.offset, out.offset + out.size) as TypedArray, out.shape);
      if ("params" in distribution) fillNamed(own.data, stream, distribution);
      else if (distribution.name === "integers") fillIntegers(own, stream, distribution);
      else fillChoices(own, stream, distribution);
    },
    // Indices of a draw without replacement.
    scratch: (_inputs, out, params: Plain) => {
      const { distribution } = params as unknown as RandomParams; // made by the array room
      return distribution.name === "choice" && "count" in distribution
        ? 8 * (distribution.count + out.shape.reduce((a, b) => a * b, 1))
        : 0;
    },
  },
};
