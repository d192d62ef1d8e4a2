/**
 * Halving a block's last two axes for overviews. Cell (i, j) covers source pixels 2i, 2i+1 × 2j, 2j+1 as far as they
 * exist, so any chunking with even starts gives the same bytes. Sums are exact for integers, and of four float64 terms
 * in row order for floats.
 */
import { invariant } from "../../base/index.ts";
import { canHold, castScalar, DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import type { KernelCall, NodeId } from "../../graph/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import { copyStrided } from "../copy.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";
import { computeKind, type Element } from "../map/scalar-ops.ts";

export type CoarsenMethod = "average" | "nearest" | "mode";

type Pick = (cells: readonly Element[], count: number) => Element;

/** Exact mean of 64-bit integers, half away from zero; steps past nodata as {@link averageCall} does. */
function bigAverage(dtype: DType, nodata: number | bigint | null): Pick {
  return (cells, count) => {
    let sum = 0n;
    let n = 0n;
    for (let k = 0; k < count; k++) if (cells[k] !== nodata) [sum, n] = [sum + (cells[k] as bigint), n + 1n];
    if (n === 0n) return nodata as bigint; // all of them equal it
    const twice = sum < 0n ? 2n * sum - n : 2n * sum + n;
    const mean = twice / (2n * n); // truncation makes this half away from zero
    return mean === nodata ? (mean === DTYPES[dtype].max ? mean - 1n : mean + 1n) : mean;
  };
}

/**
 * dtype that means are computed in. Four 16-bit values add up exactly in float32, and a quarter or a third of them lies
 * too far from any half to be rounded across it.
 */
function meanDType(dtype: DType): DType {
  return DTYPES[dtype].kind !== "f" && DTYPES[dtype].itemsize <= 2 ? "float32" : "float64";
}

/** Sum (in the order of the pixels) and number of those that are valid. */
function sumValid(
  b: CallBuilder,
  pixels: readonly NodeId[],
  missing: NodeId | null,
): { readonly sum: NodeId; readonly n: NodeId } {
  const wide = meanDType(b.dtypeOf(pixels[0] as NodeId)); // there is at least one pixel
  let total: { readonly sum: NodeId; readonly n: NodeId } | null = null;
  for (const x of pixels) {
    const float = DTYPES[b.dtypeOf(x)].kind === "f";
    let valid = float ? b.compare("eq", x, x) : null; // NaN differs from itself
    if (missing !== null) {
      const differs = b.compare("ne", x, missing);
      valid = valid === null ? differs : b.binary("and", valid, differs);
    }
    const value = b.cast(x, wide);
    const sum = valid === null ? value : b.where(valid, value, b.param(0, wide));
    const n = valid === null ? b.param(1, wide) : b.cast(valid, wide);
    total = total === null ? { sum, n } : { sum: b.binary("add", total.sum, sum), n: b.binary("add", total.n, n) };
  }
  return total as { readonly sum: NodeId; readonly n: NodeId }; // there is at least one pixel
}

/**
 * Kernel that averages `count` pixels of `dtype` (not 64-bit integers); integers round half away from zero. A mean of
 * valid pixels never reads as missing: an integer that equals nodata becomes its neighbour, as in GDAL's overviews.
 */
function averageCall(dtype: DType, count: number, nodata: number | null): KernelCall {
  const b = new CallBuilder();
  const wide = meanDType(dtype);
  const missing = nodata === null ? null : b.param(nodata, dtype);
  const pixels = Array.from({ length: count }, () => b.input(dtype));
  const { sum, n } = sumValid(b, pixels, missing);
  const [zero, half] = [b.param(0, wide), b.param(0.5, wide)];
  const mean = b.binary("div", sum, n);
  const none = b.compare("eq", n, zero);
  if (DTYPES[dtype].kind === "f") {
    const narrow = b.cast(mean, dtype); // nothing valid: 0 / 0
    return b.build([missing === null ? narrow : b.where(none, pixels[0] as NodeId, narrow)]);
  }
  const down = b.unary("neg", b.unary("floor", b.binary("sub", half, mean)));
  const up = b.unary("floor", b.binary("add", mean, half));
  const rounded = b.cast(b.where(b.compare("lt", mean, zero), down, up), dtype);
  if (missing === null || nodata === null) return b.build([rounded]);
  const beside = BigInt(nodata) === DTYPES[dtype].max ? nodata - 1 : nodata + 1;
  const safe = b.where(b.compare("eq", rounded, missing), b.param(beside, dtype), rounded);
  return b.build([b.where(none, missing, safe)]);
}

/** Rows and columns of a part of a plane. */
type Size = readonly [rows: number, columns: number];

/** Every second pixel of `x` along its last two axes, from (row, column) on. */
function everySecond(x: NDArray, [row, column]: Size, size: Size): NDArray {
  const lead = x.ndim - 2;
  const [down, right] = x.stride.slice(lead) as [number, number]; // rank 2 at least
  const offset = x.offset + row * down + column * right;
  return new NDArray(
    x.dtype,
    x.data,
    [...x.shape.slice(0, lead), ...size],
    [...x.stride.slice(0, lead), 2 * down, 2 * right],
    offset,
  );
}

/** Cells of `x` from (row, column) on. */
function cellsFrom(x: NDArray, [row, column]: Size, size: Size): NDArray {
  const lead = x.ndim - 2;
  const [down, right] = x.stride.slice(lead) as [number, number]; // rank 2 at least
  return new NDArray(
    x.dtype,
    x.data,
    [...x.shape.slice(0, lead), ...size],
    x.stride,
    x.offset + row * down + column * right,
  );
}

/** Where cells begin along an axis of `n` pixels, how many there are, and which pixels each covers. */
function spans(n: number): { readonly at: number; readonly count: number; readonly pixels: readonly number[] }[] {
  const all = [
    { at: 0, count: n >> 1, pixels: [0, 1] },
    { at: n >> 1, count: n & 1, pixels: [0] },
  ];
  return all.filter((s) => s.count > 0);
}

/** Averages by the map engine: whole cells, then those of the odd last column, row and corner. */
function average(from: NDArray, to: NDArray, nodata: number | null): void {
  const [height, width] = from.shape.slice(-2) as [number, number]; // rank 2 at least
  for (const y of spans(height)) {
    for (const x of spans(width)) {
      const size: Size = [y.count, x.count];
      const inputs = y.pixels.flatMap((dy) =>
        x.pixels.map((dx) => everySecond(from, [2 * y.at + dy, 2 * x.at + dx], size)),
      );
      const out = cellsFrom(to, [y.at, x.at], size);
      runMap(averageCall(from.dtype, inputs.length, nodata), inputs, [out], out.shape);
    }
  }
}

/** nodata as an element of `dtype`; null where no element can equal it. */
function nodataOf(dtype: DType, nodata: number | bigint | null): number | null {
  if (nodata === null || Number.isNaN(Number(nodata)) || !canHold(dtype, nodata)) return null;
  return Number(castScalar(nodata, dtype));
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
  if (from.size === 0) return;
  if (method === "nearest") {
    const [rows, columns] = half.slice(-2) as [number, number]; // rank 2 at least
    return copyStrided(to, everySecond(from, [0, 0], [rows, columns]));
  }
  if (method === "average" && computeKind(from.dtype) !== "big") return average(from, to, nodataOf(from.dtype, nodata));
  const choose = method === "mode" ? modeOf(nodata) : bigAverage(from.dtype, nodata);
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
