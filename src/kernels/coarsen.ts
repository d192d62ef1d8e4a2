/**
 * Halving a block's last two axes for overviews. Cell (i, j) covers source pixels 2i, 2i+1 × 2j, 2j+1 as far as they
 * exist, so any chunking with even starts gives the same bytes. Sums are float64: exact for integers up to 32 bits,
 * and of four terms in row order for floats.
 */
import { invariant } from "../base/index.ts";
import { DTYPES, type DType, type TypedArray } from "../dtype/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { computeKind, type Element } from "./scalar-ops.ts";

export type CoarsenMethod = "average" | "nearest" | "mode";

/** Integers round half away from zero, as GDAL's overviews do. */
function roundAway(x: number): number {
  return x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5);
}

/** Keeps a mean of valid pixels from reading as missing: steps to the neighbouring value. Source: GDAL overviews. */
function avoid(mean: number, nodata: number | null, dtype: DType): number {
  if (nodata === null || mean !== nodata || DTYPES[dtype].kind === "f") return mean;
  return BigInt(nodata) === DTYPES[dtype].max ? nodata - 1 : nodata + 1;
}

type Pick = (cells: readonly Element[], count: number) => Element;

function averageOf(dtype: DType, nodata: number | bigint | null): Pick {
  const missing = nodata === null ? null : Number(nodata);
  const float = computeKind(dtype) === "float";
  if (DTYPES[dtype].big) {
    return (cells, count) => {
      let sum = 0n;
      let n = 0n;
      for (let k = 0; k < count; k++) if (cells[k] !== nodata) [sum, n] = [sum + (cells[k] as bigint), n + 1n];
      if (n === 0n) return nodata as bigint; // all four equal it
      const twice = sum < 0n ? 2n * sum - n : 2n * sum + n;
      const mean = twice / (2n * n); // truncation makes this half away from zero
      return mean === nodata ? (mean === DTYPES[dtype].max ? mean - 1n : mean + 1n) : mean;
    };
  }
  return (cells, count) => {
    let sum = 0;
    let n = 0;
    for (let k = 0; k < count; k++) {
      const x = cells[k] as number;
      if (x === missing || Number.isNaN(x)) continue;
      sum += x;
      n++;
    }
    if (n === 0) return cells[0] as number; // missing, as all of them are
    return float ? sum / n : avoid(roundAway(sum / n), missing, dtype);
  };
}

/** Most frequent valid value; ties go to the first in row order. */
function modeOf(nodata: number | bigint | null): Pick {
  return (cells, count) => {
    let best = cells[0] as Element;
    let votes = 0;
    for (let k = 0; k < count; k++) {
      const x = cells[k] as Element;
      if (x === nodata || Number.isNaN(x)) continue;
      let n = 0;
      for (let j = k; j < count; j++) if (cells[j] === x) n++;
      if (n > votes) [best, votes] = [x, n];
    }
    return best;
  };
}

/** One plane: `at`/`rowStep`/`step` walk each block in elements. */
interface Plane {
  readonly data: TypedArray;
  readonly at: number;
  readonly rowStep: number;
  readonly step: number;
}

function coarsenPlane(from: Plane, to: Plane, [height, width]: readonly [number, number], choose: Pick): void {
  const [source, target] = [from.data as unknown as Element[], to.data as unknown as Element[]]; // one loop for all dtypes
  const cells: Element[] = [0, 0, 0, 0];
  for (let i = 0; i < height; i += 2) {
    const rows = Math.min(2, height - i);
    for (let j = 0; j < width; j += 2) {
      const columns = Math.min(2, width - j);
      let count = 0;
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++)
          cells[count++] = source[from.at + (i + y) * from.rowStep + (j + x) * from.step] as Element;
      }
      target[to.at + (i >> 1) * to.rowStep + (j >> 1) * to.step] = choose(cells, count);
    }
  }
}

/**
 * Halve the last two axes of `from` into `to` (sizes rounded up, other axes equal).
 *
 * `average`: mean of the valid pixels (not `nodata`, not NaN), integers rounded half away from zero; where none is
 * valid the cell is missing. `nearest`: the upper left pixel. `mode`: the most frequent valid value, first on ties.
 */
export function coarsen(from: NDArray, to: NDArray, method: CoarsenMethod, nodata: number | bigint | null): void {
  const half = from.shape.map((n, k) => (k < from.ndim - 2 ? n : Math.ceil(n / 2)));
  invariant(
    from.ndim >= 2 && to.dtype === from.dtype && to.shape.join() === half.join(),
    `coarsen of (${from.shape.join(", ")}) gives (${half.join(", ")}), not (${to.shape.join(", ")})`,
  );
  const choose: Pick =
    method === "average"
      ? averageOf(from.dtype, nodata)
      : method === "mode"
        ? modeOf(nodata)
        : (cells) => cells[0] as Element;
  const lead = from.ndim - 2;
  const planes = sizeOf(from.shape.slice(0, lead));
  const plane = (x: NDArray, p: number): Plane => {
    let at = x.offset;
    for (let k = lead - 1, rest = p; k >= 0; k--) {
      const n = x.shape[k] as number; // k < rank
      at += (rest % n) * (x.stride[k] as number);
      rest = Math.floor(rest / n);
    }
    return { data: x.data, at, rowStep: x.stride[lead] as number, step: x.stride[lead + 1] as number };
  };
  const size = [from.shape[lead] as number, from.shape[lead + 1] as number] as const;
  for (let p = 0; p < planes; p++) coarsenPlane(plane(from, p), plane(to, p), size, choose);
}
