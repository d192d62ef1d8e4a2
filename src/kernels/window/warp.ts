/**
 * Resampling of planes on another grid. Output pixel (i, j) lies at column `a·j + b·i + c` and row `d·j + e·i + f` of the
 * source, counted in pixels from the centre of pixel (0, 0): x = (c + b·i) + a·j in float64, i and j in the whole output,
 * so that no result depends on where blocks were cut.
 *
 * `nearest`: the pixel that contains the point, ties toward the lower index. `bilinear`: top = v00·(1-p) + v01·p, bottom
 * likewise, top·(1-q) + bottom·q, in float32 for float32, float16 and integers of up to 16 bits, else in float64. Missing
 * pixels (NaN, nodata, outside the source) have weight zero and the rest are renormalised: Σ w·v / Σ w; a result of less
 * than half the weight is missing. Bytes an element: the source under it once, and the result.
 */
import { invariant, UnsupportedError } from "../../base/index.ts";
import { canHold, DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import type { KernelCall, Plain } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel, BlockPlace } from "../blocks.ts";
import { fill } from "../copy.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";
import { scratch } from "../wasm/runtime.ts";
import { WORK } from "../work.ts";
import { type Params, record } from "./params.ts";
import {
  forEachPlane,
  forEachTile,
  partOf,
  runRows,
  type Size,
  type Surface,
  sizeOfItem,
  surfaceFrom,
  surfaceOf,
  workRows,
  workSurface,
} from "./surface.ts";
import { type WarpFloat, warpElements, warpKernel } from "./warp-module.ts";

/** Six numbers: a, b, c of the columns, d, e, f of the rows. */
type Affine = readonly [number, number, number, number, number, number];

interface Warp {
  readonly affine: Affine;
  readonly method: "nearest" | "bilinear";
  /** First pixel of the input in the source, and the source's extent. */
  readonly start: readonly [row: number, column: number];
  readonly source: Size;
  readonly nodata: number | null;
}

function numbers(value: Plain | undefined, what: string): readonly number[] {
  const all = Array.isArray(value) && value.every((x) => typeof x === "number" && Number.isFinite(x));
  invariant(all, `warp: ${what} are finite numbers`);
  return value as unknown as readonly number[]; // checked
}

/** Parameters for the block at `place`. */
function warpOf(params: Params, { position }: BlockPlace): Warp {
  const { method, nodata = null, starts } = params;
  invariant(
    method === "nearest" || method === "bilinear",
    `warp: method is nearest or bilinear, not ${String(method)}`,
  );
  invariant(nodata === null || typeof nodata === "number", "warp: nodata is a number or null");
  const affine = numbers(params["affine"], "the six terms of the affine");
  const [rows, columns] = numbers(params["source"], "the source's rows and columns");
  invariant(affine.length === 6 && rows !== undefined && columns !== undefined, "warp: six terms, two extents");
  invariant(Array.isArray(starts) && starts.length === 2, "warp: starts are two lists");
  const [top, left] = [0, 1].map((axis) => {
    const list = numbers((starts as readonly Plain[])[axis], "starts"); // checked
    return list[position[position.length - 2 + axis] ?? -1];
  });
  invariant(top !== undefined && left !== undefined, `warp: no start for block (${position.join(", ")})`);
  return { affine: affine as Affine, method, start: [top, left], source: { rows, columns }, nodata }; // six of them
}

/** dtype that results are computed in. */
function computeDType(dtype: DType): WarpFloat {
  const { kind, itemsize } = DTYPES[dtype];
  if (kind === "c" || (kind !== "f" && itemsize === 8))
    throw new UnsupportedError(`resampling of ${dtype} is not supported`, { details: { dtype } });
  return itemsize <= 2 || dtype === "float32" ? "float32" : "float64";
}

/** Pixels of the source that a part of the output may read, as half-open ranges inside the source. */
function footprint(
  w: Warp,
  at: readonly [number, number],
  part: Size,
): { readonly at: readonly [number, number]; readonly size: Size; readonly farthest: number } {
  const [a, b, c, d, e, f] = w.affine;
  const corners = [0, part.rows - 1].flatMap((i) => [0, part.columns - 1].map((j) => [at[0] + i, at[1] + j] as const));
  const [x, y] = [corners.map(([i, j]) => c + b * i + a * j), corners.map(([i, j]) => f + e * i + d * j)];
  const span = (all: readonly number[], n: number): readonly [number, number] => {
    const clip = (v: number): number => Math.min(n, Math.max(0, v));
    return [clip(Math.floor(Math.min(...all)) - 1), clip(Math.ceil(Math.max(...all)) + 2)];
  };
  const [[top, bottom], [left, right]] = [span(y, w.source.rows), span(x, w.source.columns)];
  const farthest = Math.max(...x.map(Math.abs), ...y.map(Math.abs));
  return { at: [top, left], size: { rows: Math.max(0, bottom - top), columns: Math.max(0, right - left) }, farthest };
}

/** Pixels of one input on a surface: where its first one lies in the source, and how many there are. */
interface Pixels {
  readonly surface: Surface;
  readonly at: readonly [number, number];
  readonly size: Size;
}

/** Pixels along a row that are computed before those of the next one, when rows of the result cross rows of the source. */
const ACROSS = 128;
/** Coordinates are told apart by 32 bits. */
const COORDINATE_MAX = 2 ** 30;

/** Rows of coordinates that a call reads. */
const ROWS_MAX = 256;
const TABLE_BYTES = ROWS_MAX * 32;

/** Resample a part of the output, whose first pixel is `at`; both sides lie where the kernel can see them. */
function runPart(
  w: Warp,
  dtype: WarpFloat,
  pixels: Pixels,
  target: Surface,
  { at, part }: { readonly at: readonly [number, number]; readonly part: Size },
): void {
  const [a, b, c, d, e, f] = w.affine;
  const table = viewOf("float64", scratch().buffer, WORK.start, ROWS_MAX * 4) as Float64Array; // by its dtype
  const { surface, size } = pixels;
  const itemsize = sizeOfItem(dtype);
  if (size.rows === 0 || size.columns === 0) return fill(workRows(dtype, target, part), Number.NaN);
  forEachTile(part, { rows: ROWS_MAX, columns: d === 0 ? part.columns : ACROSS }, ([row, begin], given) => {
    // a last tile that is narrower than one iteration begins earlier
    const back = Math.max(0, warpElements - given.columns);
    const column = begin - back;
    const tile: Size = { rows: given.rows, columns: given.columns + back };
    for (let k = 0; k < tile.rows; k++) {
      const i = at[0] + row + k;
      table.set([c + b * i, a, f + e * i, d], 4 * k);
    }
    runRows(
      warpKernel(w.method, dtype),
      { ...surface, pitch: 0 },
      surfaceFrom(target, [row, column], itemsize),
      tile,
      (words, word) => {
        words.set([surface.address, surface.pitch, size.columns, size.rows, WORK.start, tile.rows], word);
        const view = new DataView(scratch().buffer, 4 * word);
        view.setFloat64(24, at[1] + column, true);
        view.setFloat64(32, pixels.at[1], true);
        view.setFloat64(40, pixels.at[0], true);
      },
    );
  });
}

/** Most pixels of a tile of the output, and room for what it reads. */
const TILE = 64;
const OUT_BYTES = (TILE + 8) * TILE * 8;

/** Cast to the arithmetic with NaN for nodata. */
function decodeCall(from: DType, to: WarpFloat, nodata: number | null): KernelCall {
  const b = new CallBuilder();
  const x = b.input(from);
  const value = b.cast(x, to);
  if (nodata === null || Number.isNaN(nodata) || !canHold(from, nodata)) return b.build([value]);
  return b.build([b.where(b.compare("eq", x, b.param(nodata, from)), b.param(Number.NaN, to), value)]);
}

/** Cast from the arithmetic, rounded half to even for integers, with nodata for NaN. */
function encodeCall(from: WarpFloat, to: DType, nodata: number | null): KernelCall {
  const b = new CallBuilder();
  const x = b.input(from);
  const isFloat = DTYPES[to].kind === "f";
  const value = b.cast(isFloat ? x : b.unary("round", x), to);
  if (nodata === null || Number.isNaN(nodata)) return b.build([value]);
  return b.build([b.where(b.compare("ne", x, x), b.param(nodata, to), value)]);
}

/** Resample one plane; `at` is the output block's first pixel. */
function warpPlane(w: Warp, input: NDArray, out: NDArray, at: readonly [number, number]): void {
  const dtype = computeDType(input.dtype);
  invariant(
    w.nodata === null ? DTYPES[out.dtype].kind === "f" : canHold(out.dtype, w.nodata),
    `warp to ${out.dtype} needs a nodata value that it can hold, not ${w.nodata}`,
  );
  const [rows, columns] = out.shape as [number, number]; // planes
  const [height, width] = input.shape as [number, number];
  const need = footprint(w, at, { rows, columns });
  if (need.farthest >= COORDINATE_MAX)
    throw new UnsupportedError(
      `warp: the grid lies ${need.farthest} pixels from the source: ${COORDINATE_MAX} at most`,
    );
  invariant(
    need.size.rows === 0 ||
      need.size.columns === 0 ||
      (need.at[0] >= w.start[0] &&
        need.at[1] >= w.start[1] &&
        need.at[0] + need.size.rows <= w.start[0] + height &&
        need.at[1] + need.size.columns <= w.start[1] + width),
    `warp: the block at (${at.join(", ")}) reads (${need.at.join(", ")}) + ${need.size.rows} x ${need.size.columns}, beyond its input at (${w.start.join(", ")})`,
  );
  const plain = (x: NDArray): Surface | null =>
    x.dtype === dtype && (w.nodata === null || Number.isNaN(w.nodata)) ? surfaceOf(x) : null;
  const [from, to] = [input.size === 0 ? null : plain(input), plain(out)];
  const whole: Pixels | null = from && { surface: from, at: w.start, size: { rows: height, columns: width } };
  if (whole !== null && to !== null && columns >= warpElements)
    return runPart(w, dtype, whole, to, { at, part: { rows, columns } });
  const [decode, encode] = [decodeCall(input.dtype, dtype, w.nodata), encodeCall(dtype, out.dtype, w.nodata)];
  const target = workSurface(WORK.start + TABLE_BYTES, (TILE + warpElements) * sizeOfItem(dtype));
  const visit = (first: readonly [number, number], part: Size): void => {
    const place = {
      at: [at[0] + first[0], at[1] + first[1]] as const,
      part: { ...part, columns: Math.max(part.columns, warpElements) },
    };
    const pixels = whole ?? stage(w, dtype, input, decode, place);
    if (pixels === null) {
      const half = { rows: Math.ceil(part.rows / 2), columns: Math.ceil(part.columns / 2) };
      return forEachTile(part, half, (within, piece) => visit([first[0] + within[0], first[1] + within[1]], piece));
    }
    runPart(w, dtype, pixels, target, place);
    runMap(encode, [workRows(dtype, target, part)], [partOf(out, first, part)], [part.rows, part.columns]);
  };
  forEachTile({ rows, columns }, { rows: TILE, columns: TILE }, visit);
}

/** Copy what a part of the output reads into scratch; null when there is no room for it. */
function stage(
  w: Warp,
  dtype: WarpFloat,
  input: NDArray,
  decode: KernelCall,
  { at, part }: { readonly at: readonly [number, number]; readonly part: Size },
): Pixels | null {
  const { at: from, size: wanted } = footprint(w, at, part);
  const address = WORK.start + TABLE_BYTES + OUT_BYTES;
  // a part widened to one iteration may look beyond the input; those results are dropped
  const size = {
    rows: Math.min(wanted.rows, w.start[0] + (input.shape[0] as number) - from[0]),
    columns: Math.min(wanted.columns, w.start[1] + (input.shape[1] as number) - from[1]),
  };
  const pitch = (((size.columns + 4) | 15) + 1) * sizeOfItem(dtype);
  const surface = workSurface(address, pitch);
  if (size.rows <= 0 || size.columns <= 0) return { surface, at: from, size: { rows: 0, columns: 0 } };
  if (address + (size.rows + 1) * pitch > WORK.end) {
    if (part.rows * part.columns > warpElements) return null;
    throw new UnsupportedError("warp: one pixel reads more of the source than there is room for");
  }
  const seen = partOf(input, [from[0] - w.start[0], from[1] - w.start[1]], size);
  runMap(decode, [seen], [workRows(dtype, surface, size)], [size.rows, size.columns]);
  return { surface, at: from, size };
}

export const warpKernels: Readonly<Record<string, BlockKernel>> = {
  /**
   * `{ affine: [a, b, c, d, e, f], method, source: [rows, columns], starts: [row per block row, column per block column],
   * nodata }`: the input is the window of the source that begins at its block's starts and holds all that is read.
   */
  warp: {
    run: ([input], out, params, place) => {
      invariant(
        input !== undefined && input.ndim === out.ndim && out.ndim >= 2,
        "warp has one input, of the result's rank",
      );
      if (out.size === 0) return;
      const w = warpOf(record(params), place);
      const at = place.at.slice(-2) as unknown as readonly [number, number]; // rank 2 at least
      forEachPlane([input, out], ([from, to]) => warpPlane(w, from as NDArray, to as NDArray, at)); // two planes
    },
  },
};
