/** `coarsen`: a reduction of neighbouring elements, the array at a lower resolution. */
import { ArgumentError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { type DType, reductionType } from "../../dtype/index.ts";
import { applyNode, type Chunks, type Plain } from "../../graph/index.ts";
import { blockScratch, reducesWindows, type WindowParams } from "../../kernels/index.ts";
import { normalizeAxis, type SliceArg } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import * as named from "./reductions.ts";
import { lazyArray, type Reducible } from "./reductions.ts";

/** A reduction of a lazy array over axes: one of this namespace, or made of such. */
export type LazyReduction = (x: ChunkedArray, axes: readonly number[]) => ChunkedArray;

/** Reductions that {@link coarsen} knows by name. */
export type CoarsenName =
  | "sum"
  | "prod"
  | "mean"
  | "min"
  | "max"
  | "std"
  | "var"
  | "any"
  | "all"
  | "count"
  | "countNonzero"
  | "nansum"
  | "nanprod"
  | "nanmean"
  | "nanmin"
  | "nanmax"
  | "nanvar"
  | "nanstd";

/** Options of {@link coarsen}. */
export interface CoarsenOptions {
  /** Leave out the last elements that fill no window; default: they are an error. */
  readonly trimExcess?: boolean;
}

/**
 * A reduction of windows that do not overlap: `coarsen("mean", x, { 0: 2, 1: 2 })`, `coarsen(array.median, x, { 0: 4 })`.
 *
 * Lazy. Axis k has `shape[k] / axes[k]` elements. dtype: the reduction's. The function builds: it takes a lazy array and
 * axes, and gives a lazy array without them. Chunks: as the array's, moved to whole windows where they cut one.
 * @throws {ShapeError} an axis that its window does not divide, without `trimExcess`
 * @throws {ArgumentError} a window below 1, or an unknown name  @throws {AxisError}
 * Matches dask.array `coarsen`.
 */
export function coarsen(
  reduction: CoarsenName | LazyReduction,
  x: Reducible,
  axes: { readonly [axis: number]: number },
  options: CoarsenOptions = {},
): ChunkedArray {
  requireKnownOptions("coarsen", options, { trimExcess: true });
  const array = lazyArray(x);
  const windows = array.shape.map(() => 1);
  const isEmpty = array.size === 0; // throws where a size is unknown
  for (const [axis, size] of Object.entries(axes)) {
    if (!Number.isSafeInteger(size) || size < 1)
      throw new ArgumentError(`coarsen: window ${size} of axis ${axis}, expected an integer of at least 1`);
    windows[normalizeAxis(Number(axis), array.ndim)] = size;
  }
  const reduce = typeof reduction === "function" ? reduction : byName(reduction);
  const whole = trimmed(array, windows, options.trimExcess ?? false);
  const coarse = windows.map((w, k) => windowSizes(whole.chunks[k] as readonly number[], w)); // one per axis
  const aligned = whole.rechunk(coarse.map((sizes, k) => sizes.map((n) => n * (windows[k] as number))));
  const name = typeof reduction === "string" ? reduction : nameOf(reduction);
  if (name !== null && reducesWindows(name, aligned.dtype, windows) && !isEmpty && aligned.size > 0)
    return windowed(aligned, coarse, { op: name, windows });
  // An axis of windows becomes two: which window, and which element of it.
  const isCut = windows.map((w) => w > 1);
  const chunks: Chunks = coarse.flatMap((sizes, k) => (isCut[k] ? [sizes, [windows[k] as number]] : [sizes]));
  const places = isCut.map((_, k) => k + isCut.slice(0, k).filter(Boolean).length);
  const split = applyNode("windows", {
    kernel: "reshape",
    params: null,
    inputs: [{ layer: aligned.node, axes: places }],
    dtype: aligned.dtype,
    chunks,
    scratchBytes: 0,
  });
  const inner = places.flatMap((at, k) => (isCut[k] ? [at + 1] : []));
  return reduce(new ChunkedArray(split), inner);
}

/** One block kernel for what needs no partial results. */
function windowed(x: ChunkedArray, chunks: Chunks, params: WindowParams): ChunkedArray {
  const dtype = reductionType(params.op === "countNonzero" ? "count" : params.op, x.dtype);
  const facts = (of: Chunks, type: DType): { dtype: DType; shape: number[] } => ({
    dtype: type,
    shape: of.map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 0)),
  });
  const plain = params as unknown as Plain; // a name and numbers
  const node = applyNode(`coarsen-${params.op}`, {
    kernel: "window-reduce",
    params: plain,
    inputs: [{ layer: x.node, axes: x.shape.map((_, k) => k) }],
    dtype,
    chunks,
    scratchBytes: blockScratch("window-reduce", [facts(x.chunks, x.dtype)], facts(chunks, dtype), plain),
  });
  return new ChunkedArray(node);
}

/** Name of a reduction of this namespace. */
function nameOf(reduction: LazyReduction): string | null {
  return Object.entries(named).find(([, known]) => known === (reduction as unknown))?.[0] ?? null;
}

function byName(name: string): LazyReduction {
  const found = Object.hasOwn(named, name) ? (named as Record<string, unknown>)[name] : undefined;
  if (typeof found !== "function" || name === "lazyArray" || name.includes("arg"))
    throw new ArgumentError(
      `coarsen: ${JSON.stringify(name)} is no reduction; expected e.g. "mean", or a function of lazy arrays`,
    );
  return found as LazyReduction;
}

function trimmed(array: ChunkedArray, windows: readonly number[], trimExcess: boolean): ChunkedArray {
  const excess = array.shape.map((n, k) => n % (windows[k] as number)); // one per axis
  if (excess.every((n) => n === 0)) return array;
  if (!trimExcess)
    throw new ShapeError(
      `coarsen: windows (${windows.join(", ")}) do not divide shape (${array.shape.join(", ")}); trimExcess: true leaves the rest out`,
    );
  return array.slice(...excess.map((n, k): SliceArg => [0, (array.shape[k] as number) - n]));
}

/** Whole windows per block: cuts move to the nearest window's end, and blocks without one vanish. */
function windowSizes(sizes: readonly number[], window: number): number[] {
  const out: number[] = [];
  let [at, before] = [0, 0];
  for (const n of sizes) {
    at += n;
    const end = Math.round(at / window);
    if (end > before) out.push(end - before);
    before = end;
  }
  return out.length > 0 ? out : [0];
}
