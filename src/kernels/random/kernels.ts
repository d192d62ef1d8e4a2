/** The block kernel `random`: a block of draws from its own stream, the child of a seed that its number names. */
import { castScalar, type DType, type TypedArray, viewOf } from "../../dtype/index.ts";
import type { Plain } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { CONTINUOUS, CONTINUOUS_FLOAT, type Draw } from "./continuous.ts";
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

function fillNamed(
  data: TypedArray,
  stream: BitStream,
  { name, params }: { name: string; params: readonly number[] },
): void {
  const make = (data instanceof Float32Array ? CONTINUOUS_FLOAT[name] : undefined) ?? CONTINUOUS[name];
  if (make) return fill(data, stream, make(params));
  const draw = (DISCRETE[name] as (typeof DISCRETE)[string])(params); // checked when the layer was built
  for (let i = 0; i < data.length; i++) data[i] = castScalar(draw(stream), "int64") as never; // its dtype
}

function fillIntegers(out: NDArray, stream: BitStream, { low, range }: { low: bigint; range: bigint }): void {
  const { data, dtype } = out;
  const width = data.BYTES_PER_ELEMENT;
  if (width === 8) {
    const small = range <= 0xffffffffn ? boundedHalf(Number(range)) : null;
    const large = small ? null : boundedWord(range);
    for (let i = 0; i < data.length; i++) {
      const value = small ? BigInt(small(stream)) : (large as (s: BitStream) => bigint)(stream);
      data[i] = castScalar(low + value, dtype) as never; // castScalar gives what the array class takes
    }
    return;
  }
  const from = Number(low);
  const most = Number(range);
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
