/**
 * Sums and means over windows, and extremes. `out[…, i, j]` covers `input[…, i … i+rows, j … j+columns]`: the input comes
 * with its halo, edge modes are made by whoever cut it.
 *
 * Sums: float64, in the order of plan.ts (down the columns, then along the rows); float32 to float32 within 15 × 15 in
 * float32 (at most eight roundings on any element's way, so |error| ≤ 5e-7 · Σ|x|); integers of up to 16 bits in int32
 * where that is exact. A mean is the sum divided by the count; a float32 one of a float64 sum is that times 1 / count. `skipna`:
 * over the valid pixels only; no valid one gives NaN, as a sum 0. Extremes are exact; NaN propagates, or is skipped.
 * Bytes an element: input and output once; per pass two more float64, in the second-level cache.
 */
import { UnsupportedError } from "../../base/index.ts";
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { KernelCall, NodeId } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { convert } from "../copy.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";
import { WORK } from "../work.ts";
import { rankDType } from "./lanes.ts";
import { extremePasses, sumPasses } from "./plan.ts";
import { runSeparable, type Separable, SIDE_BYTES, TILE } from "./separable.ts";
import { forEachTile, partOf, type Size, workRows, workSurface } from "./surface.ts";

/** Sides of windows up to which float32 is summed in float32: eight roundings at most on any element's way. */
const SINGLE_MAX = 15;

/** dtype in which sums over a window are computed. */
function sumDType(dtype: DType, out: DType, { rows, columns }: Size): DType {
  const { kind, itemsize } = DTYPES[dtype];
  if (kind === "c" || (kind !== "f" && itemsize === 8))
    throw new UnsupportedError(`window sums of ${dtype} are not supported`, { details: { dtype } });
  if (dtype === "float32" && out === "float32" && Math.max(rows, columns) <= SINGLE_MAX) return "float32";
  return kind !== "f" && itemsize <= 2 && rows * columns * 2 ** (8 * itemsize) <= 2 ** 31 ? "int32" : "float64";
}

function callOf(build: (b: CallBuilder) => NodeId): KernelCall {
  const b = new CallBuilder();
  return b.build([build(b)]);
}

/** Values with 0 for NaN, or 1 for every number and 0 for NaN. */
function validCall(from: DType, what: "values" | "mask"): KernelCall {
  return callOf((b) => {
    const x = b.input(from);
    const valid = b.compare("eq", x, x);
    return what === "mask" ? b.cast(valid, "float64") : b.where(valid, b.cast(x, "float64"), b.param(0, "float64"));
  });
}

function sums(window: Size, dtype: DType): Omit<Separable, "stage"> {
  const [vertical, horizontal] = [sumPasses(window.rows), sumPasses(window.columns)];
  return { combine: "sum", dtype, vertical, horizontal, alwaysStage: false, scale: null };
}

/** Window sums or means of one plane. */
export function boxPlane(input: NDArray, out: NDArray, window: Size, op: "sum" | "mean", skipna: boolean): void {
  const [rows, columns] = out.shape as [number, number]; // a plane
  const size: Size = { rows, columns };
  if (skipna && DTYPES[input.dtype].kind === "f") return validBox(input, out, window, op);
  const count = window.rows * window.columns;
  const dtype = sumDType(input.dtype, out.dtype, window);
  const base = { ...sums(window, dtype), stage: convert };
  if (op === "sum") return runSeparable(base, input, size, { out });
  if ((dtype === "float64" || dtype === "float32") && out.dtype === "float32")
    return runSeparable({ ...base, scale: 1 / count }, input, size, { out });
  const mean = callOf((b) =>
    b.cast(b.binary("div", b.cast(b.input(dtype), "float64"), b.param(count, "float64")), out.dtype),
  );
  runSeparable(base, input, size, {
    emit: (result, at, part) =>
      runMap(mean, [workRows(dtype, result, part)], [partOf(out, at, part)], [part.rows, part.columns]),
  });
}

/** The same over valid pixels: sums of the values and of a mask, tile by tile. */
function validBox(input: NDArray, out: NDArray, window: Size, op: "sum" | "mean"): void {
  const stage = (what: "values" | "mask"): Separable["stage"] => {
    const call = validCall(input.dtype, what);
    return (to, from) => runMap(call, [from], [to], to.shape);
  };
  const base = { ...sums(window, "float64"), alwaysStage: true };
  const [values, mask] = [
    { ...base, stage: stage("values") },
    { ...base, stage: stage("mask") },
  ];
  const divide = callOf((b) => {
    const [sum, n] = [b.input("float64"), b.input("float64")];
    return b.cast(op === "sum" ? sum : b.binary("div", sum, n), out.dtype);
  });
  const [height, width] = out.shape as [number, number]; // a plane
  const reach: Size = { rows: window.rows - 1, columns: window.columns - 1 };
  const side = workSurface(WORK.end - SIDE_BYTES, TILE.columns * 8);
  forEachTile({ rows: height, columns: width }, TILE, (at, part) => {
    const seen = partOf(input, at, { rows: part.rows + reach.rows, columns: part.columns + reach.columns });
    const sum = workRows("float64", side, part);
    runSeparable(values, seen, part, { out: sum });
    runSeparable(mask, seen, part, {
      emit: (counts, within, piece) =>
        runMap(
          divide,
          [partOf(sum, within, piece), workRows("float64", counts, piece)],
          [partOf(partOf(out, at, part), within, piece)],
          [piece.rows, piece.columns],
        ),
    });
  });
}

/** Window extremes of one plane; the result has the input's dtype. */
export function extremePlane(input: NDArray, out: NDArray, window: Size, which: "min" | "max", skipna: boolean): void {
  const dtype = rankDType(input.dtype);
  if (DTYPES[dtype].kind === "c")
    throw new UnsupportedError(`window extremes of ${dtype} are not supported`, { details: { dtype } });
  const [rows, columns] = out.shape as [number, number]; // a plane
  runSeparable(
    {
      combine: { which, skipna },
      dtype,
      vertical: extremePasses(window.rows),
      horizontal: extremePasses(window.columns),
      alwaysStage: false,
      stage: convert,
      scale: null,
    },
    input,
    { rows, columns },
    { out },
  );
}
