/**
 * Windows whose elements combine by rows and then by columns: sums and extremes. See plan.ts for the order.
 * A tile of the plane passes through two buffers in scratch, beside a copy of the input where one is needed.
 */
import { UnsupportedError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { convert } from "../copy.ts";
import { WORK } from "../work.ts";
import { BAND_ROWS, type Banded, isBanded, runBanded } from "./band.ts";
import { overPlane } from "./over-plane.ts";
import type { Pass } from "./plan.ts";
import { SMALL_MAX, smallElements, smallKernel } from "./small.ts";
import {
  forEachTile,
  partOf,
  runRows,
  type Size,
  type Surface,
  sizeOfItem,
  surfaceFrom,
  surfaceOf,
  WORK_BYTES,
  workRows,
  workSurface,
} from "./surface.ts";
import { type Combine, runTaps, type TapKernel, tapElements, writeScale } from "./taps.ts";

/** A window of rows × columns that combines all its elements. */
export interface Separable {
  readonly combine: Combine;
  /** dtype of the arithmetic. */
  readonly dtype: DType;
  readonly vertical: readonly Pass[];
  readonly horizontal: readonly Pass[];
  /** Copies a part of the plane into a block of `dtype`. */
  readonly stage: (to: NDArray, from: NDArray) => void;
  /** The input's own dtype must not enter. */
  readonly alwaysStage: boolean;
  /** Factor of sums whose result is float32; null: the result is `dtype`'s. */
  readonly scale: number | null;
}

/** Most rows and columns of a tile, for the second-level cache. */
export const TILE: Size = { rows: 32, columns: 1024 };
/** The last bytes of the work area, which belong to the caller: a tile of float64. */
export const SIDE_BYTES: number = TILE.rows * TILE.columns * 8;

interface Buffers {
  readonly pitch: number;
  /** Three: what is read, what is written, and the input that may be read again. */
  readonly at: readonly number[];
}

/** Tile and buffers for windows that reach `reach` beyond it. */
function layout(size: Size, reach: Size, dtype: DType): { readonly tile: Size; readonly buffers: Buffers } {
  const elements = tapElements(dtype);
  const columns = Math.min(
    Math.max(size.columns, elements),
    Math.max((TILE.columns * 8) / sizeOfItem(dtype), reach.columns),
  );
  const pitch = (((columns + reach.columns + elements) | 15) + 17) * sizeOfItem(dtype); // no power of two
  const each = Math.floor((WORK_BYTES - SIDE_BYTES) / 3 / pitch);
  const rows = Math.min(size.rows, Math.max(TILE.rows, reach.rows), each - reach.rows - 1);
  if (rows < 1)
    throw new UnsupportedError(`a window of ${reach.rows + 1} x ${reach.columns + 1} pixels of ${dtype} is too large`, {
      details: { rows: reach.rows + 1, columns: reach.columns + 1 },
    });
  return { tile: { rows, columns }, buffers: { pitch, at: [0, 1, 2].map((k) => WORK.start + k * each * pitch) } };
}

/** Takes a tile's result, in scratch: its surface, where it lies in the plane, and its extent. */
export type Emit = (result: Surface, at: readonly [number, number], size: Size) => void;

/**
 * Combine the windows of `input`, which reaches beyond `size` by their extent. The result of each tile (of the
 * arithmetic's dtype) goes to `emit`, or else by the scale and converted to the plane `out`.
 */
export function runSeparable(
  w: Separable,
  input: NDArray,
  size: Size,
  finish: { readonly emit: Emit } | { readonly out: NDArray },
): void {
  const window: Size = { rows: lengthOf(w.vertical), columns: lengthOf(w.horizontal) };
  if ("out" in finish && !w.alwaysStage && isOneDType(w, input)) {
    if (Math.max(window.rows, window.columns) <= SMALL_MAX) return runSmall(w, window, input, finish.out);
    if (runBands(w, window, input, finish.out)) return;
  }
  const reach: Size = { rows: lengthOf(w.vertical) - 1, columns: lengthOf(w.horizontal) - 1 };
  const { tile, buffers } = layout(size, reach, w.dtype);
  const surface = w.alwaysStage || w.vertical.some((p) => p.rest !== null) ? null : loadable(w.dtype, input);
  const elements = tapElements(w.dtype);
  forEachTile(size, tile, (at, part) => {
    const whole: Size = { rows: part.rows + reach.rows, columns: part.columns + reach.columns };
    // what lies beyond a narrow tile is garbage that nobody reads
    const padded: Size = { rows: part.rows, columns: Math.max(part.columns, elements) };
    let input0: Layer;
    if (surface !== null && whole.columns >= elements)
      input0 = { surface: surfaceFrom(surface, at, sizeOfItem(input.dtype)), dtype: input.dtype };
    else {
      const to = buffers.at[2] as number; // there are three
      w.stage(workRows(w.dtype, workSurface(to, buffers.pitch), whole), partOf(input, at, whole));
      input0 = { surface: workSurface(to, buffers.pitch), dtype: w.dtype };
    }
    const rows = { rows: whole.rows, columns: Math.max(whole.columns, elements) };
    const down = passes({ w, buffers, plan: w.vertical, axis: "rows" }, input0, rows, null);
    const direct = "out" in finish ? directTarget(w, finish.out, at, part) : null;
    const across = { rows: part.rows, columns: padded.columns + reach.columns };
    const ends = "out" in finish ? { direct, scale: w.scale } : { direct: null, scale: null };
    const result = passes({ w, buffers, plan: w.horizontal, axis: "columns" }, down, across, ends);
    if ("emit" in finish) finish.emit(result.surface, at, part);
    else if (direct === null) convert(partOf(finish.out, at, part), workRows(result.dtype, result.surface, part));
  });
}

/** True when loads, arithmetic and results need no other dtype on the way. */
function isOneDType(w: Separable, input: NDArray): boolean {
  return input.dtype === w.dtype && (w.scale === null || w.dtype === "float32");
}

/** A small window in one pass. */
function runSmall(w: Separable, window: Size, input: NDArray, out: NDArray): void {
  const tap = oneDType(w);
  const [one, two] = [smallKernel(tap, window, 1), smallKernel(tap, window, 2)];
  const sight = { dtype: w.dtype, elements: smallElements(w.dtype), window };
  overPlane(sight, input, out, (source, target, size) =>
    runRows(size.rows > 1 ? two : one, source, target, size, (_, at) => writeScale(at, w.scale ?? 1)),
  );
}

/** A window of more rows and columns in bands, where the plane has the rows of one; false where it has not. */
function runBands(w: Separable, window: Size, input: NDArray, out: NDArray): boolean {
  const [rows, columns] = out.shape as [number, number]; // a plane
  const [source, target] = [surfaceOf(input), surfaceOf(out)];
  const banded: Banded = { kernel: oneDType(w), vertical: w.vertical, horizontal: w.horizontal };
  const isWide = rows >= BAND_ROWS && columns >= tapElements(w.dtype);
  if (source === null || target === null || out.dtype !== w.dtype || !isWide || !isBanded(banded)) return false;
  runBanded(banded, source, target, { rows, columns }, window.rows * window.columns);
  return true;
}

/** The kernel of a window whose loads, arithmetic and results have one dtype. */
function oneDType(w: Separable): TapKernel {
  const ending = w.scale !== null ? "scaled" : w.combine !== "sum" ? "quieted" : null;
  return { combine: w.combine, from: w.dtype, dtype: w.dtype, to: w.dtype, ending };
}

function lengthOf(plan: readonly Pass[]): number {
  return plan.at(-1)?.length ?? 1;
}

/** The input itself as the first pass's source. */
function loadable(dtype: DType, input: NDArray): Surface | null {
  return input.dtype === dtype || (input.dtype === "float32" && dtype === "float64") ? surfaceOf(input) : null;
}

function directTarget(w: Separable, out: NDArray, at: readonly [number, number], part: Size): Surface | null {
  if (part.columns < tapElements(w.dtype) || out.dtype !== (w.scale === null ? w.dtype : "float32")) return null;
  const surface = surfaceOf(out);
  return surface && surfaceFrom(surface, at, sizeOfItem(out.dtype));
}

/** Elements on a surface. */
interface Layer {
  readonly surface: Surface;
  readonly dtype: DType;
}

interface Axis {
  readonly w: Separable;
  readonly buffers: Buffers;
  readonly plan: readonly Pass[];
  readonly axis: "rows" | "columns";
}

/** All passes along one axis over `extent` of the input; `ends` says where the last one's result goes, and its scale. */
function passes(
  { w, buffers, plan, axis }: Axis,
  input: Layer,
  extent: Size,
  ends: { readonly direct: Surface | null; readonly scale: number | null } | null,
): Layer {
  let source = input;
  for (const [k, pass] of plan.entries()) {
    const last = k === plan.length - 1 ? ends : null;
    const scale = last?.scale ?? null;
    const dtype = scale === null ? w.dtype : "float32";
    const ending = scale !== null ? "scaled" : last !== null && w.combine !== "sum" ? "quieted" : null;
    const step = (x: Layer): number => (axis === "rows" ? x.surface.pitch : sizeOfItem(x.dtype));
    const distances = pass.taps.map((d) => d * step(source));
    if (pass.rest !== null) distances.push(input.surface.address - source.surface.address + pass.rest * step(input)); // both lie in scratch
    const free = buffers.at.find((at) => at !== source.surface.address && at !== input.surface.address) as number; // of three
    const surface = last?.direct ?? workSurface(free, buffers.pitch);
    const size: Size =
      axis === "rows"
        ? { rows: extent.rows - pass.length + 1, columns: extent.columns }
        : { rows: extent.rows, columns: extent.columns - pass.length + 1 };
    runTaps(
      { combine: w.combine, from: source.dtype, dtype: w.dtype, to: dtype, ending },
      { source: source.surface, target: surface },
      size,
      { distances, scale: scale ?? 1 },
    );
    source = { surface, dtype };
  }
  return source;
}
