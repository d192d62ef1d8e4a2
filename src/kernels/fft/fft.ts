/**
 * Block kernel "fft": transforms along one whole axis. Lanes (all other indices) are gathered a few at a time into
 * double precision, transformed, scaled and stored, so a block needs a few tiles beside itself whatever its size.
 * Bytes an element: read and written once.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { contiguousStride, type NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockFacts, BlockKernel } from "../blocks.ts";
import { type Lines, loadLines, loadPairs, storeLines, storePairs } from "./lines.ts";
import { circle, type Parts, planOf, transform } from "./plan.ts";
import { type FftParams, fitsTiles, isHalved, runTiles } from "./tiles.ts";

/** Values per tile that stay in the second-level cache. */
const TILE_VALUES = 65536;
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

function linesOf(block: NDArray, axis: number, offsets: Float64Array, lanes: number): Lines {
  return {
    data: block.data as Float64Array, // floats: the array room casts
    components: DTYPES[block.dtype].components,
    offsets,
    lanes,
    count: block.shape[axis] as number, // an axis of the block
    step: block.stride[axis] as number,
  };
}

/** How lanes of one block are transformed, tile by tile. */
interface Way {
  /** Transform `lanes` lanes of `x` at `from` and store them in `out` at `to`. */
  readonly run: (from: Float64Array, to: Float64Array, lanes: number) => void;
}

function run(x: NDArray, out: NDArray, params: FftParams): void {
  if (out.size === 0) return;
  const { axis } = params;
  const total = sizeOf(out.shape) / (out.shape[axis] as number);
  if (runTiles(x, out, params, { total, offsets: laneOffsets })) return;
  const tile = Math.min(lanesOf(rowsOf(x.dtype, params)), total);
  const way = isHalved(x.dtype, params) ? halfWay(x, out, params, tile) : wholeWay(x, out, params, tile);
  const [from, to] = [new Float64Array(tile), new Float64Array(tile)];
  for (let first = 0; first < total; first += tile) {
    const lanes = Math.min(tile, total - first);
    laneOffsets(x, axis, first, from, lanes);
    laneOffsets(out, axis, first, to, lanes);
    way.run(from, to, lanes);
  }
}

/** Rows that the arrays of a tile have. */
function rowsOf(dtype: DType, params: FftParams): number {
  const { n } = params;
  return isHalved(dtype, params) ? Math.max(planOf(n >> 1).length, (n >> 1) + 1) : planOf(n).length;
}

function makeParts(rows: number, lanes: number): Parts {
  return { re: new Float64Array(rows * lanes), im: new Float64Array(rows * lanes) };
}

function wholeWay(x: NDArray, out: NDArray, { kind, axis, n, inverse, scale }: FftParams, tile: number): Way {
  const plan = planOf(n);
  const rows = plan.length;
  const [parts, work] = [makeParts(rows, tile), makeParts(rows, tile)];
  const given = Math.min(x.shape[axis] as number, kind === "c2r" ? (n >> 1) + 1 : n); // an axis of x
  return {
    run: (from, to, lanes) => {
      parts.re.fill(0, given * lanes, n * lanes);
      parts.im.fill(0, given * lanes, n * lanes);
      loadLines(linesOf(x, axis, from, lanes), parts, given);
      if (kind === "c2r") mirror(parts, n, lanes);
      // The inverse is the transform with the parts exchanged, before and after.
      const seen = inverse ? { re: parts.im, im: parts.re } : parts;
      transform(plan, seen, work, lanes);
      storeLines(linesOf(out, axis, to, lanes), inverse ? { re: seen.im, im: seen.re } : seen, scale);
      parts.re = seen.re;
      parts.im = seen.im;
    },
  };
}

function halfWay(x: NDArray, out: NDArray, params: FftParams, tile: number): Way {
  const { kind, axis, n, inverse, scale } = params;
  const plan = planOf(n >> 1);
  const rows = rowsOf(x.dtype, params);
  const [parts, work] = [makeParts(rows, tile), makeParts(rows, tile)];
  const turns = Float64Array.from({ length: 2 * ((n >> 1) + 1) }, (_, k) => circle(k >> 1, n)[k & 1] as number); // a pair
  if (kind === "c2r") {
    const given = Math.min(x.shape[axis] as number, (n >> 1) + 1); // an axis of x
    return {
      run: (from, to, lanes) => {
        work.re.fill(0, given * lanes, ((n >> 1) + 1) * lanes);
        work.im.fill(0, given * lanes, ((n >> 1) + 1) * lanes);
        loadLines(linesOf(x, axis, from, lanes), work, given);
        foldSpectrum(work, parts, { n, lanes, turns });
        const seen = { re: parts.im, im: parts.re };
        transform(plan, seen, work, lanes);
        storePairs(linesOf(out, axis, to, lanes), { re: seen.im, im: seen.re }, scale);
        parts.re = seen.re;
        parts.im = seen.im;
      },
    };
  }
  const spectrum = makeParts(kind === "r2c" ? (n >> 1) + 1 : n, tile);
  const given = Math.min(x.shape[axis] as number, n); // an axis of x
  return {
    run: (from, to, lanes) => {
      loadPairs(linesOf(x, axis, from, lanes), parts, { given, half: n >> 1 });
      transform(plan, parts, work, lanes);
      unfoldSpectrum(parts, spectrum, { n, lanes, turns });
      if (kind === "c2c") completeSpectrum(spectrum, n, lanes);
      if (inverse) for (let k = 0; k < spectrum.im.length; k++) spectrum.im[k] = -(spectrum.im[k] as number);
      storeLines(linesOf(out, axis, to, lanes), spectrum, scale);
    },
  };
}

interface Halves {
  readonly n: number;
  readonly lanes: number;
  /** cos and sin of 2π k / n. */
  readonly turns: Float64Array;
}

/** X[k] = (Z[k] + conj Z[h−k])/2 − i·w^k·(Z[k] − conj Z[h−k])/2 for k ≤ h = n/2, w = exp(−2πi/n). */
function unfoldSpectrum(z: Parts, x: Parts, { n, lanes, turns }: Halves): void {
  const half = n >> 1;
  const { re: zr, im: zi } = z;
  const { re: xr, im: xi } = x;
  for (let k = 0; k <= half; k++) {
    const c = turns[2 * k] as number;
    const s = turns[2 * k + 1] as number;
    const a = (k % half) * lanes;
    const b = ((half - k) % half) * lanes;
    for (let q = 0, to = k * lanes; q < lanes; q++, to++) {
      const er = 0.5 * ((zr[a + q] as number) + (zr[b + q] as number));
      const ei = 0.5 * ((zi[a + q] as number) - (zi[b + q] as number));
      const dr = 0.5 * ((zr[a + q] as number) - (zr[b + q] as number));
      const di = 0.5 * ((zi[a + q] as number) + (zi[b + q] as number));
      // −i·(c − i·s)·(dr + i·di)
      xr[to] = er + c * di - s * dr;
      xi[to] = ei - c * dr - s * di;
    }
  }
}

/** Z[k] = (X[k] + conj X[h−k]) + i·w^−k·(X[k] − conj X[h−k]); what must be real is taken so. */
function foldSpectrum(x: Parts, z: Parts, { n, lanes, turns }: Halves): void {
  const half = n >> 1;
  const { re: xr, im: xi } = x;
  const { re: zr, im: zi } = z;
  xi.fill(0, 0, lanes);
  xi.fill(0, half * lanes, (half + 1) * lanes);
  for (let k = 0; k < half; k++) {
    const c = turns[2 * k] as number;
    const s = turns[2 * k + 1] as number;
    const a = k * lanes;
    const b = (half - k) * lanes;
    for (let q = 0, to = k * lanes; q < lanes; q++, to++) {
      const er = (xr[a + q] as number) + (xr[b + q] as number);
      const ei = (xi[a + q] as number) - (xi[b + q] as number);
      const dr = (xr[a + q] as number) - (xr[b + q] as number);
      const di = (xi[a + q] as number) + (xi[b + q] as number);
      // i·(c + i·s)·(dr + i·di)
      zr[to] = er - c * di - s * dr;
      zi[to] = ei + c * dr - s * di;
    }
  }
}

/** X[n − k] = conj X[k]. */
function completeSpectrum({ re, im }: Parts, n: number, lanes: number): void {
  for (let k = 1; k < n >> 1; k++) {
    re.copyWithin((n - k) * lanes, k * lanes, (k + 1) * lanes);
    for (let q = 0; q < lanes; q++) im[(n - k) * lanes + q] = -(im[k * lanes + q] as number);
  }
}

function scratch([x]: readonly BlockFacts[], out: BlockFacts, params: FftParams): number {
  const dtype = x?.dtype ?? out.dtype;
  const rows = rowsOf(dtype, params);
  // factors on their way to the thread's scratch, and a plan
  if (fitsTiles(dtype, params)) return 64 * rows + 64 * params.n;
  const total = sizeOf(out.shape) / Math.max(1, out.shape[params.axis] as number);
  const lanes = Math.min(lanesOf(rows), Math.max(1, total));
  // Two tiles, a spectrum, and the plan's twiddles.
  return 8 * lanes * (4 * rows + 2 * params.n) + 64 * rows + 16 * params.n;
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
    scratch: (inputs, out, params) => scratch(inputs, out, params as unknown as FftParams),
  },
};
