/**
 * Block kernel "fft": transforms along one whole axis. Lanes (all other indices) are gathered a few at a time into
 * double precision, transformed, scaled and stored, so a block needs a few tiles beside itself whatever its size.
 * Bytes an element: read and written once.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { contiguousStride, type NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockFacts, BlockKernel } from "../blocks.ts";
import { type Parts, planOf, transform } from "./plan.ts";

/** What is transformed to what: complex (or real) to complex, real to half a spectrum, half a spectrum to real. */
export type FftKind = "c2c" | "r2c" | "c2r";

interface FftParams {
  readonly kind: FftKind;
  readonly axis: number;
  /** Length of the transform; the axis is cut or filled with 0. */
  readonly n: number;
  readonly inverse: boolean;
  readonly scale: number;
}

/** Values per tile that stay in the second-level cache. */
const TILE_VALUES = 16384;
const LANES_MAX = 32;

function lanesOf(n: number): number {
  return Math.max(1, Math.min(LANES_MAX, Math.floor(TILE_VALUES / n)));
}

/** Offsets (in elements) of the lanes from `first` on, in C order of the other axes. */
function laneOffsets(block: NDArray, axis: number, first: number, into: Float64Array, count: number): void {
  const others = block.shape.flatMap((_, k) => (k === axis ? [] : [k]));
  const steps = contiguousStride(others.map((k) => block.shape[k] as number)); // axes of the block
  for (let lane = 0; lane < count; lane++) {
    let rest = first + lane;
    let at = block.offset;
    others.forEach((k, i) => {
      const step = steps[i] as number; // one per axis
      const index = Math.floor(rest / step);
      rest -= index * step;
      at += index * (block.stride[k] as number);
    });
    into[lane] = at;
  }
}

/** Copy `count` values of each lane into rows of parts; the rest of `total` rows is 0. */
function load(block: NDArray, axis: number, offsets: Float64Array, parts: Parts, lanes: number, count: number): void {
  const isComplex = DTYPES[block.dtype].components === 2;
  const step = block.stride[axis] as number; // an axis of the block
  const data = block.data as Float64Array; // floats: the array room casts
  for (let lane = 0; lane < lanes; lane++) {
    let at = offsets[lane] as number;
    for (let j = 0, to = lane; j < count; j++, to += lanes, at += step) {
      parts.re[to] = data[isComplex ? 2 * at : at] as number;
      parts.im[to] = isComplex ? (data[2 * at + 1] as number) : 0;
    }
  }
}

/** Fill a spectrum from its first half: X[n − k] = conj X[k]; what must be real is taken so. */
function mirror({ re, im }: Parts, n: number, lanes: number): void {
  const half = n >> 1;
  im.fill(0, 0, lanes);
  if (n % 2 === 0) im.fill(0, half * lanes, (half + 1) * lanes);
  for (let k = 1; k < n - half; k++) {
    for (let lane = 0; lane < lanes; lane++) {
      re[(n - k) * lanes + lane] = re[k * lanes + lane] as number;
      im[(n - k) * lanes + lane] = -(im[k * lanes + lane] as number);
    }
  }
}

function store(block: NDArray, axis: number, offsets: Float64Array, parts: Parts, lanes: number, scale: number): void {
  const isComplex = DTYPES[block.dtype].components === 2;
  const [count, step] = [block.shape[axis] as number, block.stride[axis] as number]; // an axis of the block
  const data = block.data as Float64Array; // floats
  for (let lane = 0; lane < lanes; lane++) {
    let at = offsets[lane] as number;
    for (let j = 0, from = lane; j < count; j++, from += lanes, at += step) {
      if (!isComplex) data[at] = (parts.re[from] as number) * scale;
      else {
        data[2 * at] = (parts.re[from] as number) * scale;
        data[2 * at + 1] = (parts.im[from] as number) * scale;
      }
    }
  }
}

function run(x: NDArray, out: NDArray, { kind, axis, n, inverse, scale }: FftParams): void {
  if (out.size === 0) return;
  const plan = planOf(n);
  const total = sizeOf(out.shape) / (out.shape[axis] as number);
  const tile = Math.min(lanesOf(plan.length), total);
  const make = (): Parts => ({ re: new Float64Array(plan.length * tile), im: new Float64Array(plan.length * tile) });
  const [parts, work] = [make(), make()];
  const [from, to] = [new Float64Array(tile), new Float64Array(tile)];
  const given = Math.min(x.shape[axis] as number, kind === "c2r" ? (n >> 1) + 1 : n);
  for (let first = 0; first < total; first += tile) {
    const lanes = Math.min(tile, total - first);
    laneOffsets(x, axis, first, from, lanes);
    laneOffsets(out, axis, first, to, lanes);
    parts.re.fill(0, given * lanes, n * lanes);
    parts.im.fill(0, given * lanes, n * lanes);
    load(x, axis, from, parts, lanes, given);
    if (kind === "c2r") mirror(parts, n, lanes);
    // The inverse is the transform with the parts exchanged, before and after.
    const seen = inverse ? { re: parts.im, im: parts.re } : parts;
    transform(plan, seen, work, lanes);
    store(out, axis, to, inverse ? { re: seen.im, im: seen.re } : seen, lanes, scale);
    parts.re = seen.re;
    parts.im = seen.im;
  }
}

function scratch(out: BlockFacts, { axis, n }: FftParams): number {
  const { length } = planOf(n);
  const total = sizeOf(out.shape) / Math.max(1, out.shape[axis] as number);
  return 4 * 8 * length * Math.min(lanesOf(length), Math.max(1, total)) + 64 * length;
}

/** dtype of real and complex values of a transform of `dtype`. */
export function fftTypes(dtype: DType): { readonly real: DType; readonly complex: DType } {
  if (dtype === "float16") return { real: "float16", complex: "complex64" };
  const isSingle = dtype === "float32" || dtype === "complex64";
  return isSingle ? { real: "float32", complex: "complex64" } : { real: "float64", complex: "complex128" };
}

export const fftKernels: Readonly<Record<string, BlockKernel>> = {
  fft: {
    // The array room makes the parameters.
    run: ([x], out, params) => run(x as NDArray, out, params as unknown as FftParams),
    scratch: (_, out, params) => scratch(out, params as unknown as FftParams),
  },
};
