/**
 * Discrete Fourier transforms: the names of `array.fft`, NumPy's, the Array API extension's and dask.array's.
 *
 * All are lazy, and transform along axes of one block each, as dask.array's do. They compute in float64; float32, float16
 * and complex64 give complex64, all else complex128. Matches NumPy's `fft` within a few units of the last place of the norm.
 */
import { ArgumentError, AxisError, ChunkError, DTypeError, requireKnownOptions, ShapeError } from "../base/index.ts";
import { dtypeInfo } from "../dtype/index.ts";
import { applyNode, type ChunkSpec, concatenateNode } from "../graph/index.ts";
import { blockScratch, fftTypes } from "../kernels/index.ts";
import { normalizeAxes, normalizeAxis } from "../ndarray/index.ts";
import { ChunkedArray } from "./chunked-array.ts";
import { cutChunks } from "./lazy.ts";
import { castTo } from "./linalg/contract.ts";
import { type ProductOperand, toLazy } from "./linalg/products.ts";
import { arange } from "./shape/ranges.ts";
import { rolledNode } from "./shape/rearranging.ts";

/** Which direction carries the factor 1/n: the inverse, each half (1/√n), or the forward one. */
export type FftNorm = "backward" | "ortho" | "forward";

/** Options of transforms along one axis. */
export interface FftOptions {
  /** Length of the transform: the axis is cut or filled with zeros; of `irfft` and `hfft` the result's length. */
  readonly n?: number | null;
  readonly axis?: number;
  readonly norm?: FftNorm | null;
}

/** Options of transforms along several axes. */
export interface FftnOptions {
  /** Lengths along `axes`. */
  readonly s?: readonly number[] | null;
  readonly axes?: readonly number[] | null;
  readonly norm?: FftNorm | null;
}

type Kind = "c2c" | "r2c" | "c2r";
/** A transform along one axis: `fft(x)`, `fft(x, n)`, `fft(x, { n, axis, norm })`. */
export type Fft = (x: ProductOperand, n?: number | null | FftOptions, options?: FftOptions) => ChunkedArray;
/** A transform along several axes. */
export type Fftn = (x: ProductOperand, options?: FftnOptions) => ChunkedArray;

interface Transform {
  readonly name: string;
  readonly kind: Kind;
  readonly inverse: boolean;
}

/** The factor; NumPy rounds it to float16 for such values. */
function scaleOf(norm: FftNorm | null | undefined, inverse: boolean, n: number, isHalf: boolean): number {
  const given = norm ?? "backward";
  const round = isHalf ? Math.f16round : (x: number): number => x;
  if (given === "ortho") return round(1 / round(Math.sqrt(n)));
  if (given !== "backward" && given !== "forward")
    throw new ArgumentError(`norm ${JSON.stringify(given)}: expected "backward", "ortho" or "forward"`);
  return (given === "forward") !== inverse ? round(1 / n) : 1;
}

/** One transform along one axis. */
function transformed(x: ChunkedArray, { name, kind, inverse }: Transform, options: FftOptions): ChunkedArray {
  requireKnownOptions(name, options, { n: true, axis: true, norm: true });
  const { kind: letter } = dtypeInfo(x.dtype);
  if (letter === "M" || letter === "m") throw new DTypeError(`${name} is not defined for ${x.dtype}`);
  if (kind === "r2c" && letter === "c") throw new DTypeError(`${name} of ${x.dtype}: expected real values; use fft`);
  if (x.ndim === 0) throw new AxisError(`${name} of a 0-d array: expected at least one axis`);
  const axis = normalizeAxis(options.axis ?? -1, x.ndim);
  const size = x.shape[axis] as number; // an axis of x
  if ((x.chunks[axis] as readonly number[]).length !== 1)
    throw new ChunkError(
      `${name} along axis ${axis}, which is cut into blocks of ${x.chunks[axis]?.join(", ")}: expected one block; use rechunk({ ${axis}: -1 }) first`,
      { details: { axis, sizes: x.chunks[axis] } },
    );
  const n = options.n ?? (kind === "c2r" ? 2 * (size - 1) : size);
  if (!Number.isInteger(n) || n < 1)
    throw new ShapeError(`${name} of ${n} points along axis ${axis} of size ${size}: expected at least 1`);
  const { real, complex } = fftTypes(x.dtype);
  const isComplex = letter === "c";
  const needed = isComplex ? complex : real === "float16" ? "float32" : real;
  const from = castTo(x, needed);
  const dtype = kind === "c2r" ? real : complex;
  const length = kind === "r2c" ? Math.floor(n / 2) + 1 : n;
  const chunks = x.chunks.map((sizes, k) => (k === axis ? [length] : sizes));
  const params = { kind, axis, n, inverse, scale: scaleOf(options.norm, inverse, n, real === "float16") };
  const largest = (of: readonly (readonly number[])[]): number[] =>
    of.map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 0));
  const facts = { dtype, shape: largest(chunks) };
  const scratchBytes = blockScratch("fft", [{ dtype: needed, shape: largest(x.chunks) }], facts, params);
  const inputs = [{ layer: from.node, axes: chunks.map((_, k) => k) }];
  return new ChunkedArray(applyNode(name, { kernel: "fft", params, inputs, dtype, chunks, scratchBytes }));
}

function along(transform: Transform): Fft {
  return (x, n, options) => {
    return transformed(toLazy(x), transform, optionsOf(n, options));
  };
}

/** Complex transform along an axis. NumPy `fft.fft`. @throws {ChunkError} the axis is cut  @throws {ShapeError} no points */
export const fft: Fft = along({ name: "fft", kind: "c2c", inverse: false });
/** Inverse of {@link fft}. NumPy `fft.ifft`. */
export const ifft: Fft = along({ name: "ifft", kind: "c2c", inverse: true });
/** Transform of real values: the first n/2 + 1 frequencies. NumPy `fft.rfft`. @throws {DTypeError} complex values */
export const rfft: Fft = along({ name: "rfft", kind: "r2c", inverse: false });
/** Inverse of {@link rfft}: `n` real values, 2·(size − 1) unless told. NumPy `fft.irfft`. */
export const irfft: Fft = along({ name: "irfft", kind: "c2r", inverse: true });

function swapped(norm: FftNorm | null | undefined): FftNorm {
  return norm === "ortho" ? "ortho" : norm === "forward" ? "backward" : "forward";
}

function optionsOf(n: number | null | FftOptions | undefined, options: FftOptions | undefined): FftOptions {
  return typeof n === "object" && n !== null ? n : { ...options, ...(n === undefined ? {} : { n }) };
}

/** Transform of a signal whose spectrum is real: `n` real values of the first n/2 + 1 of the signal. NumPy `fft.hfft`. */
export const hfft: Fft = (x, n, options) => {
  const given = optionsOf(n, options);
  const lazy = toLazy(x);
  const source = dtypeInfo(lazy.dtype).kind === "c" ? lazy.conj() : lazy;
  return transformed(source, { name: "hfft", kind: "c2r", inverse: true }, { ...given, norm: swapped(given.norm) });
};
/** Inverse of {@link hfft}. NumPy `fft.ihfft`. @throws {DTypeError} complex values */
export const ihfft: Fft = along({ name: "ihfft", kind: "r2c", inverse: true });

interface Axes {
  readonly axes: readonly number[];
  readonly s: readonly (number | null)[];
}

/** Axes and lengths as NumPy reads them. */
function axesOf(name: string, x: ChunkedArray, options: FftnOptions, preset: readonly number[] | null): Axes {
  requireKnownOptions(name, options, { s: true, axes: true, norm: true });
  const { s, axes } = options;
  const wanted = axes ?? preset ?? null;
  const count = s?.length ?? x.ndim;
  const list = wanted ?? Array.from({ length: count }, (_, k) => k - count);
  if (s && s.length !== list.length)
    throw new ArgumentError(`${name}: ${s.length} lengths for ${list.length} axes; expected one for each`);
  for (const k of list) normalizeAxis(k, x.ndim);
  return { axes: list, s: s ? s.map((n) => (n === -1 ? null : n)) : list.map(() => null) };
}

function manyAxes(name: string, inverse: boolean, preset: readonly number[] | null): Fftn {
  return (x, options = {}) => {
    const lazy = toLazy(x);
    const { axes, s } = axesOf(name, lazy, options, preset);
    if (axes.length === 0) return new ChunkedArray(castTo(lazy, fftTypes(lazy.dtype).complex).node);
    const step = (y: ChunkedArray, k: number): ChunkedArray =>
      transformed(
        y,
        { name, kind: "c2c", inverse },
        { n: s[k] ?? null, axis: axes[k] as number, norm: options.norm ?? null },
      ); // one per axis
    return axes.reduceRight((y, _, k) => step(y, k), lazy);
  };
}

function manyReal(name: string, preset: readonly number[] | null): Fftn {
  return (x, options = {}) => {
    const lazy = toLazy(x);
    const { axes, s } = axesOf(name, lazy, options, preset);
    const norm = options.norm ?? null;
    return axes.reduceRight((y, axis, k) => {
      const kind = k === axes.length - 1 ? "r2c" : "c2c";
      return transformed(y, { name, kind, inverse: false }, { n: s[k] ?? null, axis, norm });
    }, lazy);
  };
}

function manyRealBack(name: string, preset: readonly number[] | null): Fftn {
  return (x, options = {}) => {
    const lazy = toLazy(x);
    const { axes, s } = axesOf(name, lazy, options, preset);
    const norm = options.norm ?? null;
    return axes.reduce((y, axis, k) => {
      const kind = k === axes.length - 1 ? "c2r" : "c2c";
      return transformed(y, { name, kind, inverse: true }, { n: s[k] ?? null, axis, norm });
    }, lazy);
  };
}

/** Transform along several axes, all unless told; `s` gives their lengths. NumPy `fft.fftn`. */
export const fftn: Fftn = manyAxes("fftn", false, null);
/** Inverse of {@link fftn}. NumPy `fft.ifftn`. */
export const ifftn: Fftn = manyAxes("ifftn", true, null);
/** Transform along the last two axes. NumPy `fft.fft2`. */
export const fft2: Fftn = manyAxes("fft2", false, [-2, -1]);
/** Inverse of {@link fft2}. NumPy `fft.ifft2`. */
export const ifft2: Fftn = manyAxes("ifft2", true, [-2, -1]);
/** Transform of real values along several axes; the last one keeps half of its frequencies. NumPy `fft.rfftn`. */
export const rfftn: Fftn = manyReal("rfftn", null);
/** Inverse of {@link rfftn}. NumPy `fft.irfftn`. */
export const irfftn: Fftn = manyRealBack("irfftn", null);
/** {@link rfftn} along the last two axes. NumPy `fft.rfft2`. */
export const rfft2: Fftn = manyReal("rfft2", [-2, -1]);
/** Inverse of {@link rfft2}. NumPy `fft.irfft2`. */
export const irfft2: Fftn = manyRealBack("irfft2", [-2, -1]);

/** Options of {@link fftfreq}. */
export interface FrequencyOptions {
  /** Spacing of the samples. */
  readonly d?: number;
  readonly chunks?: ChunkSpec;
}

function checkPoints(name: string, n: number): void {
  if (!Number.isInteger(n) || n < 1)
    throw new ArgumentError(`${name} of ${n} points: expected a whole number of at least 1`);
}

/** Frequencies of {@link fft}'s result, float64: 0, 1, …, then the negative ones, over n·d. NumPy `fft.fftfreq`. */
export function fftfreq(n: number, options: FrequencyOptions = {}): ChunkedArray {
  requireKnownOptions("fftfreq", options, { d: true, chunks: true });
  checkPoints("fftfreq", n);
  const { d = 1, chunks } = options;
  const half = Math.floor((n - 1) / 2) + 1;
  const parts = [arange(0, half), arange(-Math.floor(n / 2), 0)].filter((part) => part.size > 0);
  const joined = new ChunkedArray(
    concatenateNode(
      parts.map((part) => part.node),
      0,
    ),
  );
  return joined
    .rechunk(cutChunks(joined.shape, joined.dtype, chunks))
    .astype("float64")
    .mul(1 / (n * d));
}

/** Frequencies of {@link rfft}'s result, float64. NumPy `fft.rfftfreq`. */
export function rfftfreq(n: number, options: FrequencyOptions = {}): ChunkedArray {
  requireKnownOptions("rfftfreq", options, { d: true, chunks: true });
  checkPoints("rfftfreq", n);
  const { d = 1, chunks } = options;
  const steps = arange(0, Math.floor(n / 2) + 1, chunks === undefined ? {} : { chunks });
  return steps.astype("float64").mul(1 / (n * d));
}

function rotated(
  x: ProductOperand,
  axes: number | readonly number[] | null | undefined,
  by: (n: number) => number,
): ChunkedArray {
  const lazy = toLazy(x);
  const turned = normalizeAxes(axes, lazy.ndim);
  const shifts = lazy.shape.map((n, axis) => (turned.includes(axis) && n > 0 ? by(n) % n : 0));
  return new ChunkedArray(rolledNode(lazy, shifts));
}

/** Frequency 0 moved to the middle of `axes` (all unless told). Chunks: as before. NumPy `fft.fftshift`. */
export function fftshift(
  x: ProductOperand,
  options: { readonly axes?: number | readonly number[] | null } = {},
): ChunkedArray {
  requireKnownOptions("fftshift", options, { axes: true });
  return rotated(x, options.axes, (n) => n >> 1);
}

/** Inverse of {@link fftshift}. NumPy `fft.ifftshift`. */
export function ifftshift(
  x: ProductOperand,
  options: { readonly axes?: number | readonly number[] | null } = {},
): ChunkedArray {
  requireKnownOptions("ifftshift", options, { axes: true });
  return rotated(x, options.axes, (n) => n - (n >> 1));
}
