/** Kernels that make a plane in one pass over it: in place where memory allows, else tile by tile through scratch. */
import { UnsupportedError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { convert } from "../copy.ts";
import { WORK } from "../work.ts";
import {
  forEachTile,
  partOf,
  type Size,
  type Surface,
  sizeOfItem,
  surfaceFrom,
  surfaceOf,
  WORK_BYTES,
  workRows,
  workSurface,
} from "./surface.ts";

/** Most rows and columns of a tile. */
const TILE: Size = { rows: 64, columns: 1024 };

/** What a kernel computes in, elements per iteration, and how far it sees. */
export interface Sight {
  readonly dtype: DType;
  readonly elements: number;
  readonly window: Size;
}

/**
 * Run a kernel from `input` to `out`, both in its dtype: `run(source, target, size)` where size is at least one
 * iteration wide. Blocks of other dtypes, strides or memory are converted on the way.
 */
export function overPlane(
  { dtype, elements, window }: Sight,
  input: NDArray,
  out: NDArray,
  run: (source: Surface, target: Surface, size: Size) => void,
): void {
  const [rows, columns] = out.shape as [number, number]; // a plane
  const [from, to] = [input.dtype === dtype ? surfaceOf(input) : null, out.dtype === dtype ? surfaceOf(out) : null];
  if (from !== null && to !== null && columns >= elements) return run(from, to, { rows, columns });
  const item = sizeOfItem(dtype);
  const width = Math.max(elements, Math.min(columns, TILE.columns));
  const pitch = (((width + window.columns + elements) | 15) + 17) * item; // no power of two
  const height = Math.min(TILE.rows, Math.floor((WORK_BYTES / pitch - window.rows) / 2));
  if (height < 1)
    throw new UnsupportedError(`a window of ${window.rows} x ${window.columns} pixels of ${dtype} is too large`);
  const source = workSurface(WORK.start, pitch);
  const target = workSurface(WORK.start + (height + window.rows) * pitch, pitch);
  forEachTile({ rows, columns }, { rows: height, columns: width }, (at, part) => {
    const whole: Size = { rows: part.rows + window.rows - 1, columns: part.columns + window.columns - 1 };
    const isWide = part.columns >= elements;
    const seen = isWide && from ? surfaceFrom(from, at, item) : source;
    const kept = isWide && to ? surfaceFrom(to, at, item) : target;
    if (seen === source) convert(workRows(dtype, source, whole), partOf(input, at, whole));
    run(seen, kept, { rows: part.rows, columns: Math.max(part.columns, elements) }); // the rest is garbage nobody reads
    if (kept === target) convert(partOf(out, at, part), workRows(dtype, target, part));
  });
}
