/**
 * argmin, argmax and their nan* kin: the extreme, how many elements took part, and where the first of equals lies
 * (the first NaN, where NaN propagates). Places count elements of the block in C order and become indices of the whole
 * range at the end, so that equal extremes of several blocks are told apart however the array was cut.
 *
 * Along rows: a vector extreme per piece, then a search in the piece that has it. Across rows: running extremes and
 * places side by side. Left out NaN counts as the identity, as in NumPy's nanargmin; masked elements are never found.
 */
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import type { KernelCall, ReducePlace, ReduceSpec } from "../../graph/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import { convert, copyStrided, fill } from "../copy.ts";
import { runNest } from "../map/engine.ts";
import { CallBuilder } from "../map/ir.ts";
import { forEachOuter, type LoopNest, loopNest } from "../map/loop.ts";
import { runMap } from "../map/map.ts";
import { SCRATCH, scratch } from "../wasm/runtime.ts";
import { joinBigs, joinFloats, type Slots, slotKind } from "./accumulate.ts";
import {
  accumulatorTiles,
  batchOf,
  columnsAt,
  eachColumnTile,
  eachRun,
  type Job,
  joinOffsets,
  pick,
  type RowNest,
  rowsOf,
} from "./job.ts";
import { excludes, indexCall, planReduce, planSearch, type ReducePlan, type SearchPlan } from "./plan.ts";
import { ROW_BATCH, reduceRows, settledAt, slotsOfBatch, TILE } from "./rows.ts";

/** Rows per pass of the running form. */
const GROUP = 4;
/** Columns from which on they are taken side by side. */
const COLUMNS_MIN = 64;
/** Most rows in one call of the running form: the list of places. */
const PLACE_ROWS = 4096;

/** Components of the partial, seen at the kept axes: the value in its slot's dtype, the float64 count, the int64 index. */
export interface IndexTarget {
  readonly value: NDArray;
  readonly count: NDArray;
  readonly index: NDArray;
}

/** How the place of an element of the block, counted in C order, becomes its index in the whole range. */
export interface Places {
  /** Reduced extents and the weight of a step, in C order of the axes. */
  readonly extents: readonly number[];
  readonly weights: readonly number[];
  readonly first: number;
}

/** Places of the elements of a block of `shape` over its `reduced` axes; without `place` the block is the whole. */
export function placesOf(shape: readonly number[], reduced: readonly number[], place: ReducePlace | undefined): Places {
  const order = reduced.map((axis, k) => ({ axis, k })).sort((a, b) => a.axis - b.axis);
  const extents = order.map(({ axis }) => shape[axis] as number);
  let step = 1;
  const own = extents.map(() => 0);
  for (let k = extents.length - 1; k >= 0; k--) {
    own[k] = step;
    step *= extents[k] as number;
  }
  const weights = place === undefined ? own : order.map(({ k }) => place.weights[k] as number); // one per reduced axis
  return { extents, weights, first: place?.first ?? 0 };
}

/** Index of an element by its place; -1 stays. */
function indexOf({ extents, weights, first }: Places, ordinal: number): number {
  if (ordinal < 0) return -1;
  let [rest, index] = [ordinal, first];
  for (let k = extents.length - 1; k >= 0; k--) {
    const n = extents[k] as number;
    index += (rest % n) * (weights[k] as number);
    rest = Math.floor(rest / n);
  }
  return index;
}

/** Weight of one step in C order, if places are evenly spaced; null otherwise. */
function spacing({ extents, weights }: Places): number | null {
  let even: number | null = null;
  for (let k = extents.length - 1; k >= 0; k--) {
    if (extents[k] === 1) continue;
    if (even !== null && weights[k] !== even) return null;
    even = (extents[k] as number) * (weights[k] as number);
  }
  const last = extents.findLastIndex((n) => n !== 1);
  return last < 0 ? 0 : (weights[last] as number);
}

/** Offsets of the elements of `target` in C order of the kept axes. */
function offsetsOf(blocks: readonly NDArray[]): number[][] {
  const out: number[][] = blocks.map(() => []);
  const nest = loopNest((blocks[0] as NDArray).shape, blocks, "given"); // there are three
  forEachOuter(nest, nest.shape.length, (at) => {
    for (const [k, offset] of at.entries()) out[k]?.push(offset);
  });
  return out;
}

/** Extremes, counts and indices of every cell of `job`. */
export function runIndex(call: KernelCall, spec: ReduceSpec, job: Job, target: IndexTarget, places: Places): void {
  const { kept, suffix } = job.axes;
  const columns = sizeOf(kept.map((k) => job.shape[k] as number));
  if (suffix.length === 0 && columns >= COLUMNS_MIN) alongColumns(call, spec, job, target, places);
  else new RowSearch(call, spec, job, target, places).run();
}

/** The best piece of a cell so far. */
interface Best {
  value: number | bigint | null;
  readonly count: number;
  readonly offsets: readonly number[];
  readonly ordinal: number;
  readonly n: number;
}

/** Rows: extremes of pieces, then a search in the best. */
class RowSearch {
  readonly #job: Job;
  readonly #plan: ReducePlan;
  readonly #search: SearchPlan;
  readonly #excludes: boolean;
  readonly #target: IndexTarget;
  readonly #places: Places;

  constructor(call: KernelCall, spec: ReduceSpec, job: Job, target: IndexTarget, places: Places) {
    this.#job = job;
    this.#plan = planReduce(call, spec);
    this.#search = planSearch(call, spec);
    this.#excludes = excludes(call);
    this.#target = target;
    this.#places = places;
  }

  run(): void {
    const rows = rowsOf(this.#job);
    if (sizeOf(rows.outer.shape) === 1 && rows.n <= TILE) return this.#runBatches(rows);
    const cells = offsetsOf([this.#target.value, this.#target.count, this.#target.index]);
    let cell = 0;
    eachRun(this.#job, 1, ({ offsets }) => {
      const best = this.#best(offsets, rows);
      let ordinal = -1;
      if (best.value !== null) {
        const wanted = this.#wanted(1);
        wanted.data[0] = best.value as never; // slots hold the target's dtype
        this.#find(
          wanted,
          best.offsets,
          best.offsets.map(() => 0),
          { ...rows, n: best.n },
        );
        ordinal = best.ordinal + (slotsOfBatch().f64[0] as number);
      }
      const [value, count, index] = [this.#target.value, this.#target.count, this.#target.index];
      const [v, n, i] = cells.map((list) => list[cell] as number) as [number, number, number]; // three blocks
      value.data[v] = (best.value ?? this.#plan.identity) as never; // as the component's dtype
      count.data[n] = best.count as never;
      index.data[i] = BigInt(indexOf(this.#places, ordinal)) as never;
      cell++;
    });
  }

  /** One row per cell: a run of cells at a time, all by kernels. */
  #runBatches(rows: RowNest): void {
    const { kept } = this.#job.axes;
    const { value, count, index } = this.#target;
    const shape = kept.map((k) => this.#job.shape[k] as number);
    const nest = loopNest(shape, [value, count, index, ...this.#job.inputs.map((x) => pick(x, kept))], "given");
    const depth = Math.max(0, nest.shape.length - 1);
    const width = nest.shape[depth] ?? 1;
    const steps = nest.strides.slice(3).map((s) => s[depth] ?? 0);
    const slot = (k: 0 | 1, dtype: DType, n: number): NDArray =>
      new NDArray(dtype, viewOf(dtype, scratch().buffer, SCRATCH.slots, 2 * n), [n], [2], k);
    forEachOuter(nest, depth, (base) => {
      for (let c = 0; c < width; c += ROW_BATCH) {
        const n = Math.min(ROW_BATCH, width - c);
        const at = base.map((offset, k) => offset + c * (nest.strides[k]?.[depth] ?? 0));
        const cells = [value, count, index].map((x, k) => columnsAt(x, nest, k, at[k] as number, n));
        const [values, counts, indices] = cells as [NDArray, NDArray, NDArray]; // three targets
        const offsets = at.slice(3);
        const batch = batchOf(this.#job, rows, { n: rows.n, rows: n }, { rowSteps: steps, offsets });
        reduceRows(this.#plan, batch, this.#job.inputs);
        const wanted = this.#wanted(n);
        copyStrided(wanted, slot(0, wanted.dtype, n));
        copyStrided(values, wanted);
        if (this.#plan.counted) copyStrided(counts, slot(1, "float64", n));
        else fill(counts, this.#job.size);
        this.#find(wanted, offsets, steps, rows);
        toIndices(slot(0, "float64", n), indices, this.#places, rows.n);
      }
    });
  }

  /** The first piece that holds the extreme of one cell. */
  #best(cell: readonly number[], rows: RowNest): Best {
    let best: Best = { value: null, count: 0, offsets: cell, ordinal: 0, n: 0 };
    let [ordinal, count] = [0, 0];
    const settled = settledAt(this.#plan);
    const isSettled = (): boolean => settled !== null && best.value === settled; // nothing is better, and all count
    const pieces = (from: readonly number[], n: number, number: number): void => {
      const rowSteps = rows.steps.map((s) => s * n);
      const batch = batchOf(this.#job, rows, { n, rows: number }, { rowSteps, offsets: from });
      const slots = reduceRows(this.#plan, batch, this.#job.inputs);
      for (let r = 0; r < number; r++, ordinal += n) {
        const offsets = (): number[] => from.map((offset, k) => offset + r * (rowSteps[k] as number));
        count += this.#plan.counted ? (slots.f64[2 * r + 1] as number) : n;
        const value = this.#better(best.value, slots, r);
        if (value !== null) best = { value, count: 0, offsets: offsets(), ordinal, n };
      }
    };
    forEachOuter(rows.outer, rows.outer.shape.length, (at) => {
      let from: readonly number[] = joinOffsets(this.#job, cell, at);
      const whole = Math.floor(rows.n / TILE);
      let most = settled === null ? ROW_BATCH : 1;
      for (let w = 0; w < whole && !isSettled(); ) {
        const number = Math.min(most, whole - w);
        const start = from;
        pieces(start, TILE, number);
        from = start.map((offset, k) => offset + number * TILE * (rows.steps[k] as number));
        w += number;
        most = Math.min(ROW_BATCH, 8 * most);
      }
      if (rows.n % TILE > 0 && !isSettled()) pieces(from, rows.n % TILE, 1);
    });
    return { ...best, count: isSettled() ? this.#job.size : count };
  }

  /** The extreme of slot `r` if it is the first or better than `best`, else null. */
  #better(best: number | bigint | null, slots: Slots, r: number): number | bigint | null {
    if (this.#excludes && slots.f64[2 * r + 1] === 0) return null;
    const value = slots[slotKind(this.#plan.dtype)][2 * r] as number | bigint;
    if (best === null) return value;
    const joined =
      typeof value === "bigint"
        ? joinBigs(this.#plan.kind, best as bigint, value)
        : joinFloats(this.#plan.kind, best as number, value);
    const isNew = joined !== best && !(Number.isNaN(best) && Number.isNaN(joined));
    return isNew ? value : null;
  }

  /** Room for the extremes of `n` rows, which a search reads. */
  #wanted(n: number): NDArray {
    return NDArray.view(this.#search.target, scratch().buffer, SCRATCH.means, [n]);
  }

  /** Slots: places of the `wanted` extremes in their rows of `rows.n` elements; the row's length where one is not there. */
  #find(
    wanted: NDArray,
    offsets: readonly number[],
    rowSteps: readonly number[],
    rows: Pick<RowNest, "n" | "steps">,
  ): void {
    const inputs = [...this.#job.inputs, wanted];
    const batch = batchOf(
      { inputs },
      { steps: [...rows.steps, 0] },
      { n: rows.n, rows: wanted.size },
      { rowSteps: [...rowSteps, 1], offsets: [...offsets, 0] },
    );
    reduceRows(this.#search.plan, batch, inputs);
  }
}

/** Kept inner axes: extremes and places of a tile of columns take row after row. */
function alongColumns(call: KernelCall, spec: ReduceSpec, job: Job, target: IndexTarget, places: Places): void {
  const { kept } = job.axes;
  const shape = kept.map((k) => job.shape[k] as number);
  const plan = planReduce(call, spec);
  const dtypes: DType[] = plan.counted ? [spec.from, "int32", "int32"] : [spec.from, "int32"];
  const kernels = { several: indexCall(call, spec, GROUP), single: indexCall(call, spec, 1), inputs: job.inputs };
  const order = NDArray.view("int32", scratch().buffer, SCRATCH.means, [PLACE_ROWS]);
  const targets = [target.value, target.index, target.count];
  const columns = loopNest(shape, [...targets, ...job.inputs.map((x) => pick(x, kept))]);
  const rows = rowsOf(job);
  if (!plan.counted) fill(target.count, job.size);
  eachColumnTile(columns, job.size, (at, width) => {
    const accs = accumulatorTiles(dtypes, width);
    const [best, place, count] = accs as [NDArray, NDArray, NDArray?]; // by `dtypes`
    fill(best, DTYPES[spec.from].big ? BigInt(plan.identity) : Number(plan.identity));
    fill(place, excludes(call) ? -1 : 0);
    if (count !== undefined) fill(count, 0);
    const steps = columns.strides.slice(targets.length).map((s) => s.at(-1) ?? 0);
    const pass: Pass = { ...kernels, accs, order, width, columnSteps: steps, columnsAt: at.slice(targets.length) };
    let ordinal = 0;
    forEachOuter(rows.outer, rows.outer.shape.length, (outer) => {
      for (let r = 0; r < rows.n; r += PLACE_ROWS) {
        const n = Math.min(PLACE_ROWS, rows.n - r);
        const from = outer.map((offset, k) => offset + r * (rows.steps[k] as number));
        takeRows(pass, { from, steps: rows.steps, n, ordinal });
        ordinal += n;
      }
    });
    const [value, index, counts] = targets.map((x, k) => columnsAt(x, columns, k, at[k] as number, width));
    convert(value as NDArray, best);
    if (count !== undefined) convert(counts as NDArray, count);
    toIndices(place, index as NDArray, places, Number.POSITIVE_INFINITY); // three targets
  });
}

interface Pass {
  readonly several: KernelCall;
  readonly single: KernelCall;
  readonly accs: readonly NDArray[];
  readonly inputs: readonly NDArray[];
  /** Places of the rows at hand. */
  readonly order: NDArray;
  readonly width: number;
  /** By input: step from column to column, offset of the first column. */
  readonly columnSteps: readonly number[];
  readonly columnsAt: readonly number[];
}

interface Rows {
  readonly from: readonly number[];
  readonly steps: readonly number[];
  readonly n: number;
  readonly ordinal: number;
}

/** Take up to `PLACE_ROWS` rows into one tile of columns. */
function takeRows(pass: Pass, rows: Rows): void {
  const { several, single, accs, inputs, order, width, columnSteps, columnsAt: columns } = pass;
  const places = order.data as Int32Array; // by its dtype
  for (let r = 0; r < rows.n; r++) places[r] = rows.ordinal + r;
  const take = (call: KernelCall, group: number, first: number, count: number): void => {
    if (count === 0) return;
    const operands: NDArray[] = [...accs];
    const strides = [...accs, ...accs].map(() => [0, 1]);
    const offsets = [...accs, ...accs].map((x) => x.offset);
    for (let g = 0; g < group; g++) {
      operands.push(order);
      strides.push([group, 0]);
      offsets.push(first + g);
      inputs.forEach((x, k) => {
        const step = rows.steps[k] as number; // one per input
        operands.push(x);
        strides.push([step * group, columnSteps[k] as number]);
        offsets.push((rows.from[k] as number) + (columns[k] as number) - x.offset + (first + g) * step);
      });
    }
    const nest: LoopNest = { shape: [count, width], strides, offsets };
    runNest(call, nest, accs, operands);
  };
  const whole = Math.floor(rows.n / GROUP);
  take(several, GROUP, 0, whole);
  take(single, 1, whole * GROUP, rows.n - whole * GROUP);
}

/** Places in the block (-1, or `none` and more, for nothing) as indices of the whole range. */
function toIndices(place: NDArray, index: NDArray, places: Places, none: number): void {
  const step = spacing(places);
  if (step === null) {
    const [from, to] = offsetsOf([place, index]) as [number[], number[]]; // two blocks
    from.forEach((offset, k) => {
      const ordinal = Number(place.data[offset]);
      index.data[to[k] as number] = BigInt(indexOf(places, ordinal < none ? ordinal : -1)) as never;
    });
    return;
  }
  const b = new CallBuilder();
  let at = b.input(place.dtype);
  if (place.dtype === "float64")
    at = b.where(b.compare("lt", at, b.param(none, "float64")), at, b.param(-1, "float64"));
  const x = b.cast(b.cast(at, "int32"), "int64");
  const scaled = b.binary("mul", x, b.param(BigInt(step), "int64"));
  const whole = b.binary("add", scaled, b.param(BigInt(places.first), "int64"));
  const isNothing = b.compare("lt", x, b.param(0n, "int64"));
  runMap(b.build([b.where(isNothing, b.param(-1n, "int64"), whole)]), [place], [index], place.shape);
}
