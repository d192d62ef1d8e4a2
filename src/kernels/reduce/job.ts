/** What a reduction inside one block works on: axes by role, inputs, and where results go. */
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { forEachOuter, type LoopNest, loopNest } from "../map/loop.ts";
import { nativeDType } from "../map/op-table.ts";
import { SCRATCH, scratch } from "../wasm/runtime.ts";
import { type Slots, slotKind } from "./accumulate.ts";
import type { ReducePlan } from "./plan.ts";
import type { RowBatch } from "./rows.ts";

/** Axes of a loop by role, without those of size 1: kept, reduced before the flat suffix, the suffix. */
export interface Axes {
  readonly kept: readonly number[];
  readonly lead: readonly number[];
  readonly suffix: readonly number[];
}

export function splitAxes(shape: readonly number[], reduced: readonly number[]): Axes {
  const live = shape.flatMap((n, k) => (n === 1 ? [] : [k]));
  let cut = live.length;
  while (cut > 0 && reduced.includes(live[cut - 1] as number)) cut--;
  const rest = live.slice(0, cut);
  return {
    kept: rest.filter((k) => !reduced.includes(k)),
    lead: rest.filter((k) => reduced.includes(k)),
    suffix: live.slice(cut),
  };
}

export function pick(x: NDArray, axes: readonly number[]): NDArray {
  return new NDArray(
    x.dtype,
    x.data,
    axes.map((k) => x.shape[k] as number),
    axes.map((k) => x.stride[k] as number),
    x.offset,
  );
}

/** One component of the partial at the kept axes that are longer than 1, as float64 or as the 64-bit integer it holds. */
export function component(
  out: NDArray,
  c: number,
  keptAxes: readonly number[],
  axes: Axes,
  dtype: "float64" | "int64" | "uint64",
): NDArray {
  const whole = out.ndim - 1 === keptAxes.length ? keptAxes : null; // else keepdims: one axis per loop axis
  const places = axes.kept.map((k) => 1 + (whole ? whole.indexOf(k) : k));
  const data = out.data as Float64Array; // runReduce checked the dtype
  const seen = dtype === "float64" ? data : viewOf(dtype, data.buffer, data.byteOffset, data.length);
  return new NDArray(
    dtype,
    seen,
    places.map((p) => out.shape[p] as number),
    places.map((p) => out.stride[p] as number),
    out.offset + c * (out.stride[0] as number),
  );
}

/** What is reduced over. */
export interface Job {
  readonly inputs: readonly NDArray[];
  readonly shape: readonly number[];
  readonly axes: Axes;
  /** Elements per kept cell. */
  readonly size: number;
}

/** Where the accumulated values go; seen at the kept axes. A float64 `value` of an integer plan takes its number. */
export interface Target {
  readonly value: NDArray;
  readonly count: NDArray | null;
}

/** Rows of reduced elements: the last run of reduced axes that is one axis in all inputs, and the axes before it. */
export interface RowNest {
  readonly outer: LoopNest;
  /** Elements of a row, and their steps, by input. */
  readonly n: number;
  readonly steps: readonly number[];
}

/** The reduced axes of `job` in C order, as rows. */
export function rowsOf({ inputs, shape, axes }: Job): RowNest {
  const reduced = [...axes.lead, ...axes.suffix].sort((a, b) => a - b);
  const nest = loopNest(
    reduced.map((k) => shape[k] as number),
    inputs.map((x) => pick(x, reduced)),
    "given",
  );
  const outer = { ...nest, shape: nest.shape.slice(0, -1), strides: nest.strides.map((s) => s.slice(0, -1)) };
  return { outer, n: nest.shape.at(-1) ?? 1, steps: nest.strides.map((s) => s.at(-1) ?? 0) };
}

/** The kept axes of `job`, in C order, over its inputs. */
export function cellsOf({ inputs, shape, axes }: Job): LoopNest {
  return loopNest(
    axes.kept.map((k) => shape[k] as number),
    inputs.map((x) => pick(x, axes.kept)),
    "given",
  );
}

/** A batch of `rows` rows of `n` elements, `rowSteps` apart, from `offsets` on (which include the inputs' own). */
export function batchOf(
  { inputs }: Pick<Job, "inputs">,
  { steps }: Pick<RowNest, "steps">,
  size: { readonly n: number; readonly rows: number },
  at: { readonly rowSteps: readonly number[]; readonly offsets: readonly number[] },
): RowBatch {
  const inner = { shape: [size.n], strides: steps.map((s) => [s]), offsets: inputs.map((x) => x.offset) };
  return { inner, steps: at.rowSteps, offsets: at.offsets, rows: size.rows };
}

/** Sum of two places in the inputs, each of which includes the inputs' own offsets. */
export function joinOffsets({ inputs }: Pick<Job, "inputs">, a: readonly number[], b: readonly number[]): number[] {
  return inputs.map((x, k) => (a[k] as number) + (b[k] as number) - x.offset); // one per input
}

/** Call `visit` for runs of up to `most` cells along the last kept axis, in C order, with the first one's offsets. */
export function eachRun(
  job: Job,
  most: number,
  visit: (run: {
    readonly count: number;
    readonly offsets: readonly number[];
    readonly steps: readonly number[];
  }) => void,
): void {
  const cells = cellsOf(job);
  const depth = Math.max(0, cells.shape.length - 1);
  const n = cells.shape[depth] ?? 1;
  const steps = cells.strides.map((s) => s[depth] ?? 0);
  forEachOuter(cells, depth, (at) => {
    for (let c = 0; c < n; c += most) {
      const offsets = at.map((offset, k) => offset + c * (steps[k] as number));
      visit({ count: Math.min(most, n - c), offsets, steps });
    }
  });
}

/** Writes one cell after the other, in C order of the kept axes. */
export function cellWriter(plan: ReducePlan, { value, count }: Target): (slots: Slots) => void {
  const slot = slotKind(plan.dtype);
  const cells: number[][] = [[], []];
  const operands = count === null ? [value] : [value, count];
  const nest = loopNest(value.shape, operands, "given");
  forEachOuter(nest, nest.shape.length, (at) => {
    for (const [k, offset] of at.entries()) cells[k]?.push(offset);
  });
  let cell = 0;
  return (slots) => {
    const at = cells[0]?.[cell] as number; // one cell per call
    const v = slots[slot][0] as number | bigint;
    value.data[at] = (value.dtype === "float64" ? Number(v) : v) as never; // by the target's dtype
    if (count !== null) count.data[cells[1]?.[cell] as number] = slots.f64[1] as never;
    cell++;
  };
}

/** Running accumulators of a run of columns lie in scratch, where kernels reach them; a tile holds at most this many. */
const COLUMNS_MAX = 8192;
/** Columns of a tile that many rows come to: 16 KiB of float64 stay in the fastest cache. Few rows are dearer to set up. */
const COLUMNS_OF_MANY_ROWS = 2048;
const MANY_ROWS = 64;

/** One accumulator of `width` columns per dtype. */
export function accumulatorTiles(dtypes: readonly DType[], width: number): NDArray[] {
  const shared = dtypes.every((d) => nativeDType(d) !== null);
  let at = SCRATCH.accumulators;
  return dtypes.map((dtype) => {
    if (!shared) return NDArray.zeros(dtype, [width]);
    const tile = NDArray.view(dtype, scratch().buffer, at, [width]);
    at += COLUMNS_MAX * DTYPES[dtype].itemsize;
    return tile;
  });
}

/** Columns `first … first + n` of the row of `nest` at hand, of operand `k` that begins at `at`. */
export function columnsAt(x: NDArray, nest: LoopNest, k: number, at: number, n: number): NDArray {
  return new NDArray(x.dtype, x.data, [n], [nest.strides[k]?.at(-1) ?? 0], at);
}

/** Call `visit` for the tiles of columns of `nest` that `rows` rows come to, with each operand's offset there. */
export function eachColumnTile(
  nest: LoopNest,
  rows: number,
  visit: (at: readonly number[], width: number) => void,
): void {
  const width = nest.shape.at(-1) ?? 1;
  const most = rows < MANY_ROWS ? COLUMNS_MAX : COLUMNS_OF_MANY_ROWS;
  forEachOuter(nest, Math.max(0, nest.shape.length - 1), (base) => {
    for (let c = 0; c < width; c += most)
      visit(
        base.map((offset, k) => offset + c * (nest.strides[k]?.at(-1) ?? 0)),
        Math.min(most, width - c),
      );
  });
}
