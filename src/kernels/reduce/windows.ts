/**
 * Reductions of windows that do not overlap (coarsen): every row of the input is folded into the row of results that it
 * belongs to. Bytes per element: read once, converted to float64 a tile at a time; 8 or 16 per result beside the block.
 *
 * Sums follow NumPy's order for `x.reshape(…, n, w, …).sum(…)`: along the last axis pairwise, rows in memory order.
 * float32 and float16 accumulate in float64 and are rounded once (kernels.md §7).
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { BinaryOp, NodeId, Plain } from "../../graph/index.ts";
import { ascontiguous, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";

/** Reductions of windows that have a kernel of their own. */
export type WindowOp =
  | "sum"
  | "mean"
  | "min"
  | "max"
  | "any"
  | "all"
  | "count"
  | "countNonzero"
  | "nansum"
  | "nanmean"
  | "nanmin"
  | "nanmax";

const OPS: ReadonlySet<string> = new Set([
  ...(["sum", "mean", "min", "max", "any", "all", "count", "countNonzero"] as const),
  ...(["nansum", "nanmean", "nanmin", "nanmax"] as const),
]);

/** True where {@link windowReduceKernels} has the reduction: 64-bit integers, which no float64 holds, only in small windows. */
export function reducesWindows(op: string, dtype: DType, windows: readonly number[]): op is WindowOp {
  const { kind, itemsize } = DTYPES[dtype];
  if (!OPS.has(op) || !"biuf".includes(kind)) return false;
  return kind === "f" || itemsize < 8 || isMapped(dtype, { op: op as WindowOp, windows }); // one of them
}

/** Elements that are converted at once. */
const TILE = 1 << 15;

/** NumPy's pairwise sum of `n` elements from `at`. */
function pairwise(x: Float64Array, at: number, n: number): number {
  if (n < 8) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += x[at + i] as number;
    return sum;
  }
  if (n > 128) {
    const half = Math.floor(n / 2 / 8) * 8;
    return pairwise(x, at, half) + pairwise(x, at + half, n - half);
  }
  let [a, b, c, d] = [x[at] as number, x[at + 1] as number, x[at + 2] as number, x[at + 3] as number];
  let [e, f, g, h] = [x[at + 4] as number, x[at + 5] as number, x[at + 6] as number, x[at + 7] as number];
  let i = 8;
  for (; i + 8 <= n; i += 8) {
    a += x[at + i] as number;
    b += x[at + i + 1] as number;
    c += x[at + i + 2] as number;
    d += x[at + i + 3] as number;
    e += x[at + i + 4] as number;
    f += x[at + i + 5] as number;
    g += x[at + i + 6] as number;
    h += x[at + i + 7] as number;
  }
  let sum = a + b + (c + d) + (e + f + (g + h));
  for (; i < n; i++) sum += x[at + i] as number;
  return sum;
}

/** Folds a row of `count` windows of `width` elements from `from` into results from `to`. */
type Fold = (x: Float64Array, from: number, acc: Float64Array, to: number, count: number, width: number) => void;

const addRow: Fold = (x, from, acc, to, count, width) => {
  if (width === 1) for (let k = 0; k < count; k++) acc[to + k] = (acc[to + k] as number) + (x[from + k] as number);
  else if (width === 2)
    for (let k = 0; k < count; k++)
      acc[to + k] = (acc[to + k] as number) + ((x[from + 2 * k] as number) + (x[from + 2 * k + 1] as number));
  else if (width < 8) {
    for (let k = 0, at = from; k < count; k++) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += x[at++] as number;
      acc[to + k] = (acc[to + k] as number) + sum;
    }
  } else for (let k = 0; k < count; k++) acc[to + k] = (acc[to + k] as number) + pairwise(x, from + k * width, width);
};

const minRow: Fold = (x, from, acc, to, count, width) => {
  for (let k = 0, at = from; k < count; k++) {
    let best = acc[to + k] as number;
    for (let i = 0; i < width; i++) {
      const v = x[at++] as number;
      // NaN is neither less nor equal to itself, and stays.
      if (v < best || Number.isNaN(v)) best = v;
    }
    acc[to + k] = best;
  }
};

const maxRow: Fold = (x, from, acc, to, count, width) => {
  for (let k = 0, at = from; k < count; k++) {
    let best = acc[to + k] as number;
    for (let i = 0; i < width; i++) {
      const v = x[at++] as number;
      if (v > best || Number.isNaN(v)) best = v;
    }
    acc[to + k] = best;
  }
};

const nanminRow: Fold = (x, from, acc, to, count, width) => {
  for (let k = 0, at = from; k < count; k++) {
    let best = acc[to + k] as number;
    for (let i = 0; i < width; i++) {
      const v = x[at++] as number;
      if (!(v >= best) && !Number.isNaN(v)) best = v;
    }
    acc[to + k] = best;
  }
};

const nanmaxRow: Fold = (x, from, acc, to, count, width) => {
  for (let k = 0, at = from; k < count; k++) {
    let best = acc[to + k] as number;
    for (let i = 0; i < width; i++) {
      const v = x[at++] as number;
      if (!(v <= best) && !Number.isNaN(v)) best = v;
    }
    acc[to + k] = best;
  }
};

/** Before the first row, and how a row is seen and folded. */
interface Plan {
  readonly start: number;
  readonly fold: Fold;
  /** Replaces the row's elements by what is folded. */
  readonly see?: (x: Float64Array, n: number) => void;
}

/** NaN becomes 0. */
function withoutNan(x: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) if (Number.isNaN(x[i])) x[i] = 0;
}

/** 1 where an element is not NaN, else 0. */
function present(x: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) x[i] = Number.isNaN(x[i]) ? 0 : 1;
}

/** 1 where an element is not 0 (NaN is not), else 0. */
function notZero(x: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) x[i] = x[i] === 0 ? 0 : 1;
}

const PLANS: Readonly<Record<WindowOp, Plan>> = {
  sum: { start: 0, fold: addRow },
  mean: { start: 0, fold: addRow },
  nansum: { start: 0, fold: addRow, see: withoutNan },
  nanmean: { start: 0, fold: addRow, see: withoutNan },
  count: { start: 0, fold: addRow, see: present },
  countNonzero: { start: 0, fold: addRow, see: notZero },
  any: { start: 0, fold: addRow, see: notZero },
  all: { start: 0, fold: addRow, see: notZero },
  min: { start: Number.POSITIVE_INFINITY, fold: minRow },
  max: { start: Number.NEGATIVE_INFINITY, fold: maxRow },
  nanmin: { start: Number.NaN, fold: nanminRow },
  nanmax: { start: Number.NaN, fold: nanmaxRow },
};

/** Parameters of the kernel `window-reduce`. */
export interface WindowParams {
  readonly op: WindowOp;
  /** Window per axis. */
  readonly windows: readonly number[];
}

/** Folds all rows of `x` (C order) into `acc`, as `plan` sees them. */
function foldRows(x: NDArray, acc: Float64Array, windows: readonly number[], { fold, see }: Plan): void {
  const last = x.ndim - 1;
  const width = windows[last] ?? 1;
  const row = x.shape[last] ?? 1;
  const count = row / width;
  const lead = x.shape.slice(0, -1);
  const rows = sizeOf(lead);
  if (row === 0 || rows === 0) return;
  const steps = lead.map((_, k) =>
    lead.slice(k + 1).reduce((n, m, i) => n * (m / (windows[k + 1 + i] as number)), count),
  );
  const perTile = Math.max(1, Math.floor(TILE / row));
  const tile = new Float64Array(perTile * row);
  const position = lead.map(() => 0);
  for (let r = 0; r < rows; r += perTile) {
    const here = Math.min(perTile, rows - r);
    const from = x.offset + r * row;
    tile.set(x.data.subarray(from, from + here * row) as Float64Array); // converts; no 64-bit integers come here
    see?.(tile, here * row);
    for (let k = 0; k < here; k++) {
      let to = 0;
      for (let a = 0; a < position.length; a++)
        to += Math.floor((position[a] as number) / (windows[a] as number)) * (steps[a] as number);
      fold(tile, k * row, acc, to, count, width);
      for (let a = position.length - 1; a >= 0; a--) {
        position[a] = (position[a] as number) + 1;
        if ((position[a] as number) < (lead[a] as number)) break;
        position[a] = 0;
      }
    }
  }
}

function finish(out: NDArray, acc: Float64Array, op: WindowOp, counts: Float64Array | number): void {
  const { data, offset } = out;
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let i = 0; i < acc.length; i++) {
    const n = typeof counts === "number" ? counts : (counts[i] as number);
    const v = acc[i] as number;
    const value =
      op === "mean" || op === "nanmean" ? v / n : op === "any" ? Number(v > 0) : op === "all" ? Number(v === n) : v;
    data[offset + i] = (wide ? BigInt(value) : value) as never; // what the array class takes
  }
}

/** Most elements of a window that one elementwise kernel takes. */
const MAPPED_MAX = 128;

function isMapped(dtype: DType, { op, windows }: WindowParams): boolean {
  return sizeOf(windows) <= MAPPED_MAX && op !== "count" && op !== "countNonzero" && dtype !== "bool";
}

/** Small windows by one elementwise kernel, whose operands are the array seen from each element of its windows. */
function mapped(x: NDArray, out: NDArray, { op, windows }: WindowParams): boolean {
  if (!isMapped(x.dtype, { op, windows })) return false;
  const width = windows.at(-1) ?? 1;
  const b = new CallBuilder();
  const views = elementsOf(windows).map(
    (at) =>
      new NDArray(
        x.dtype,
        x.data,
        out.shape,
        x.stride.map((s, k) => s * (windows[k] as number)),
        x.offset + at.reduce((sum, p, k) => sum + p * (x.stride[k] as number), 0),
      ),
  );
  const values = views.map(() => b.input(x.dtype));
  runMap(b.build([expression(b, values, { op, width, dtype: out.dtype })]), views, [out], out.shape);
  return true;
}

/** Places in a window, the last axis fastest. */
function elementsOf(windows: readonly number[]): number[][] {
  return windows.reduce<number[][]>(
    (all, n) => all.flatMap((head) => Array.from({ length: n }, (_, i) => [...head, i])),
    [[]],
  );
}

/** A row joined as {@link pairwise} does it. */
function pairs(row: readonly NodeId[], join: (p: NodeId, q: NodeId) => NodeId): NodeId {
  if (row.length < 8) return row.reduce(join);
  const whole = row.length - (row.length % 8);
  const lane = (k: number): NodeId =>
    Array.from({ length: whole / 8 }, (_, i) => row[8 * i + k] as NodeId).reduce(join);
  const four = (k: number): NodeId => join(join(lane(k), lane(k + 1)), join(lane(k + 2), lane(k + 3)));
  return row.slice(whole).reduce(join, join(four(0), four(4)));
}

/** The reduction of a window's elements: along the last axis first, then row to row. */
function expression(
  b: CallBuilder,
  values: readonly NodeId[],
  { op, width, dtype }: { readonly op: WindowOp; readonly width: number; readonly dtype: DType },
): NodeId {
  const own = b.dtypeOf(values[0] as NodeId); // windows have elements
  const isFloat = DTYPES[own].kind === "f";
  const zero = (of: DType): NodeId =>
    b.param(DTYPES[of].array === BigInt64Array || DTYPES[of].array === BigUint64Array ? 0n : 0, of);
  const fold = (of: readonly NodeId[], with_: BinaryOp): NodeId => {
    const join = (p: NodeId, q: NodeId): NodeId => b.binary(with_, p, q);
    const rows: NodeId[] = [];
    for (let k = 0; k < of.length; k += width) rows.push(pairs(of.slice(k, k + width), join));
    return rows.reduce(join);
  };
  switch (op) {
    case "min":
    case "max":
      return fold(values, op);
    case "nanmin":
    case "nanmax": {
      const best = op === "nanmin" ? "min" : "max";
      const skip = (p: NodeId, q: NodeId): NodeId =>
        b.where(b.unary("isnan", p), q, b.where(b.unary("isnan", q), p, b.binary(best, p, q)));
      return isFloat ? values.reduce(skip) : fold(values, best);
    }
    case "any":
    case "all": {
      const truths = values.map((v) => b.compare("ne", v, zero(own)));
      return fold(truths, op === "any" ? "or" : "and");
    }
    default: {
      // Means and floats add in float64, sums of integers in their own result's dtype.
      const wide: DType = isFloat || op === "mean" || op === "nanmean" ? "float64" : dtype;
      const skips = isFloat && op.startsWith("nan");
      const nothing = zero(wide);
      const seen = values.map((v) => {
        const cast = b.cast(v, wide);
        return skips ? b.where(b.unary("isnan", cast), nothing, cast) : cast;
      });
      const sum = fold(seen, "add");
      if (op === "sum" || op === "nansum") return b.cast(sum, dtype);
      const one = b.param(1, wide);
      const n = skips
        ? fold(
            values.map((v) => b.where(b.unary("isnan", b.cast(v, wide)), nothing, one)),
            "add",
          )
        : b.param(values.length, wide);
      return b.cast(b.binary("div", sum, n), dtype);
    }
  }
}

export const windowReduceKernels: Readonly<Record<string, BlockKernel>> = {
  "window-reduce": {
    run: ([input], out, params) => {
      const { op, windows } = params as unknown as WindowParams; // made by the array room
      if (mapped(input as NDArray, out, { op, windows })) return; // one input
      const x = ascontiguous(input as NDArray); // one input
      const plan = PLANS[op];
      const acc = new Float64Array(out.size).fill(plan.start);
      foldRows(x, acc, windows, plan);
      if (op !== "nanmean") return finish(out, acc, op, sizeOf(windows));
      const counts = new Float64Array(out.size);
      foldRows(x, counts, windows, PLANS.count);
      finish(out, acc, op, counts);
    },
    scratch: ([x], out, params: Plain) => {
      const { op, windows } = params as unknown as WindowParams; // made by the array room
      if (x && isMapped(x.dtype, { op, windows })) return 0;
      // Sums (and counts), a tile of rows, and a copy of an input that is not in C order.
      const row = x?.shape.at(-1) ?? 1;
      const copy = x ? sizeOf(x.shape) * DTYPES[x.dtype].itemsize : 0;
      return sizeOf(out.shape) * (op === "nanmean" ? 16 : 8) + 8 * Math.max(TILE, row) + copy;
    },
  },
};
