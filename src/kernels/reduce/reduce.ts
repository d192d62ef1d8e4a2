/**
 * Reductions of fused kernels inside one block, to partial blocks. See kernels.md §7 and `ReduceSpec`.
 *
 * Order of float additions, for every layout, memory and thread: the trailing reduced axes are one flat sequence added
 * pairwise as NumPy does; other reduced axes are added one after the other in C order. A contiguous float64 block thus
 * gives NumPy's bits. Axes of size 1 do not count.
 */
import { InvariantError } from "../../base/index.ts";
import { DTYPES, type DType, givesIndex } from "../../dtype/index.ts";
import type { KernelCall, ReducePlace, ReduceSpec } from "../../graph/index.ts";
import { copyBlock, NDArray, sizeOf } from "../../ndarray/index.ts";
import { splitBlocks, splitCall } from "../complex/split.ts";
import { convert, fill } from "../copy.ts";
import { runNest } from "../map/engine.ts";
import { CallBuilder } from "../map/ir.ts";
import { forEachOuter, type LoopNest, loopNest } from "../map/loop.ts";
import { runMap } from "../map/map.ts";
import { memoryOf } from "../segment.ts";
import { SCRATCH, scratch } from "../wasm/runtime.ts";
import { joinSlot, type Slots, slotKind, slotsOver } from "./accumulate.ts";
import { placesOf, runIndex } from "./index-of.ts";
import {
  accumulatorTiles,
  cellWriter,
  columnsAt,
  component,
  eachColumnTile,
  type Job,
  pick,
  splitAxes,
  type Target,
} from "./job.ts";
import { componentCount, firstValues, reshaped, SLOT_DTYPE, type SlotDType } from "./partial.ts";
import {
  accumulateCall,
  isMoments,
  isNarrowInteger,
  isProduct,
  planReduce,
  planSquares,
  type ReducePlan,
} from "./plan.ts";
import { multiplyRows } from "./product.ts";
import { ROW_BATCH, reduceRows } from "./rows.ts";

/** Shortest flat sequence that is added pairwise along itself; below it pairwise is sequential. */
const PAIRWISE_MIN = 8;
/** Elements that one accumulating kernel takes per accumulator. */
const GROUP_ELEMENTS = 8;
/** Below this many columns, rows are computed as blocks and added in TypeScript. */
const NARROW_COLUMNS = 64;

/**
 * Reduce the values of a fused kernel over `reduced` axes of the loop `shape`.
 *
 * `call` gives the value (dtype `spec.from`) and optionally a bool mask (false: left out); inputs are seen at `shape`.
 * `out` is the float64 partial `[components, …kept]` of `ReduceSpec`, kept axes dropped or of size 1. `place` says where
 * the block lies in the reduced range, for argmin and its kin; without it the block is all of it.
 */
export function runReduce(
  call: KernelCall,
  spec: ReduceSpec,
  inputs: readonly NDArray[],
  shape: readonly number[],
  reduced: readonly number[],
  out: NDArray,
  place?: ReducePlace,
): void {
  if (out.dtype !== "float64" || out.shape[0] !== componentCount(spec))
    throw new InvariantError(`partial of ${spec.op} is ${out.dtype} (${out.shape.join(", ")})`);
  const split = splitCall(call);
  if (split) return runReduce(split, spec, splitBlocks(inputs), shape, reduced, out, place);
  const keptAxes = shape.flatMap((_, k) => (reduced.includes(k) ? [] : [k]));
  const axes = splitAxes(shape, reduced);
  const part = (c: number, dtype: SlotDType = "float64"): NDArray => component(out, c, keptAxes, axes, dtype);
  const size = sizeOf(reduced.map((k) => shape[k] as number));
  const job: Job = { inputs, shape, axes, size };
  if (size === 0) return fillEmpty(spec, out, part);
  if (out.size === 0) return;
  if (size === 1 && out.isContiguous && !isMoments(spec.op) && !givesIndex(spec.op))
    return firstValues(call, spec, inputs, reshaped(out, [componentCount(spec), ...shape]));
  const plan = planReduce(call, spec);
  if (spec.op === "count") {
    if (call.kernel.outputs.length < 2) return fill(part(0), size);
    return accumulate(plan, job, { value: part(0), count: null });
  }
  if (isMoments(spec.op)) return moments(call, spec, job, [part(0), part(1), part(2)]);
  if (givesIndex(spec.op)) {
    const target = { value: part(0, SLOT_DTYPE[slotKind(spec.from)]), count: part(1), index: part(2, "int64") };
    return runIndex(call, spec, job, target, placesOf(shape, reduced, place));
  }
  const slot = slotKind(plan.dtype);
  const averages = spec.op === "mean" || spec.op === "nanmean";
  const dtype = slot === "f64" || averages ? "float64" : slot === "i64" ? "int64" : "uint64";
  accumulate(plan, job, { value: part(0, dtype), count: spec.total === undefined ? part(1) : null });
}

/** Partial of no elements: counts and values are 0, products 1, places nowhere. */
function fillEmpty(spec: ReduceSpec, out: NDArray, part: (c: number, dtype?: SlotDType) => NDArray): void {
  fill(out, 0);
  if (out.size === 0) return;
  const dtype = SLOT_DTYPE[slotKind(spec.from)];
  if (spec.op === "prod" || spec.op === "nanprod") fill(part(0, dtype), dtype === "float64" ? 1 : 1n);
  if (givesIndex(spec.op)) fill(part(2, "int64"), -1n);
}

/** Var and std: mean, then the sum of squared distances from it. */
function moments(
  call: KernelCall,
  spec: ReduceSpec,
  job: Job,
  [n, mean, m2]: readonly [NDArray, NDArray, NDArray],
): void {
  accumulate(planReduce(call, spec), job, { value: mean, count: n });
  const b = new CallBuilder();
  const divide = b.build([b.binary("div", b.input("float64"), b.input("float64"))]);
  runMap(divide, [mean, n], [mean], mean.shape);
  const near = nearKernels(mean);
  const stride = job.shape.map((_, k) => near.stride[job.axes.kept.indexOf(k)] ?? 0);
  const seen = new NDArray("float64", near.data, job.shape, stride, near.offset);
  accumulate(planSquares(call, spec), { ...job, inputs: [...job.inputs, seen] }, { value: m2, count: null });
}

/** The means where compiled kernels reach them: in scratch if they lie in no segment and fit. */
function nearKernels(mean: NDArray): NDArray {
  const bytes = mean.size * Float64Array.BYTES_PER_ELEMENT;
  if (memoryOf(mean.data.buffer) !== undefined || bytes > SCRATCH.partial - SCRATCH.means) return mean;
  const near = NDArray.view("float64", scratch().buffer, SCRATCH.means, mean.shape);
  copyBlock(near, mean);
  return near;
}

function accumulate(plan: ReducePlan, job: Job, target: Target): void {
  const { kept, lead, suffix } = job.axes;
  const flat = sizeOf(suffix.map((k) => job.shape[k] as number));
  if (target.count !== null && !plan.counted) fill(target.count, job.size);
  const counts = plan.counted ? target.count : null;
  const isNarrow = sizeOf(kept.map((k) => job.shape[k] as number)) < NARROW_COLUMNS;
  // Products of float16 are rounded at each step unless they run along rows.
  if (isProduct(plan.kind) && (flat > 1 || kept.length === 0 || (isNarrow && plan.kind !== "prod-half")))
    multiplyRows(plan, job, { value: target.value, count: counts });
  else if (kept.length === 0 || flat >= PAIRWISE_MIN) accumulateRows(plan, job, { value: target.value, count: counts });
  else {
    const columns = sizeOf(kept.map((k) => job.shape[k] as number));
    const rows = sizeOf(lead.map((k) => job.shape[k] as number));
    if (isNarrow && rows > columns && flat === 1 && plan.kind !== "prod-half")
      accumulateNarrow(plan, job, { value: target.value, count: counts });
    else accumulateColumns(plan, job, { value: target.value, count: counts });
  }
}

/** The cell that is being joined: one at a time. */
const RUNNING = slotsOver(new ArrayBuffer(16), 0, 1);

/** Flat suffix: one slot per (kept, lead) row, then rows of one cell joined in order. */
function accumulateRows(plan: ReducePlan, job: Job, target: Target): void {
  const { kept, lead, suffix } = job.axes;
  const outerAxes = [...kept, ...lead];
  const perCell = sizeOf(lead.map((k) => job.shape[k] as number));
  const outer = loopNest(
    outerAxes.map((k) => job.shape[k] as number),
    job.inputs.map((x) => pick(x, outerAxes)),
    "given",
  );
  const inner = loopNest(
    suffix.map((k) => job.shape[k] as number),
    job.inputs.map((x) => pick(x, suffix)),
    "given",
  );
  const slot = slotKind(plan.dtype);
  const running = RUNNING;
  const write = cellWriter(plan, target);
  let row = 0;
  const take = (slots: Slots, rows: number): void => {
    for (let r = 0; r < rows; r++, row++) {
      if (row % perCell === 0) {
        running.i64[0] = slots.i64[2 * r] as bigint;
        running.f64[1] = slots.f64[2 * r + 1] as number;
        if (plan.kind === "sum-float") running.f64[0] = 0 + (running.f64[0] as number);
      } else joinSlot(plan.kind, slot, running, 0, slots, r);
      if ((row + 1) % perCell === 0) write(running);
    }
  };
  const depth = Math.max(0, outer.shape.length - 1);
  const rows = outer.shape[depth] ?? 1;
  forEachOuter(outer, depth, (at) => {
    for (let r = 0; r < rows; r += ROW_BATCH) {
      const m = Math.min(ROW_BATCH, rows - r);
      const steps = outer.strides.map((s) => s[depth] ?? 0);
      const offsets = at.map((offset, k) => offset + r * (steps[k] as number));
      take(reduceRows(plan, { inner, steps, offsets, rows: m }, job.inputs), m);
    }
  });
}

/** Accumulator dtype for column sums: sums of narrow integers stay exact in int64 or uint64. */
function columnDType(plan: ReducePlan, target: NDArray, rows: number): DType {
  if (plan.kind === "min" || plan.kind === "max") return plan.dtype;
  if (plan.kind === "sum-float") return "float64";
  if (isProduct(plan.kind)) return plan.kind === "prod-half" ? "float16" : plan.dtype;
  const exact = isNarrowInteger(plan.dtype) && rows * 2 ** (8 * DTYPES[plan.dtype].itemsize) <= 2 ** 53;
  return target.dtype === "float64" && exact ? "float64" : slotKind(plan.dtype) === "u64" ? "uint64" : "int64";
}

/** Kept inner axes: a tile of accumulators takes row after row, a few rows per pass. */
function accumulateColumns(plan: ReducePlan, job: Job, target: Target): void {
  const { kept, lead, suffix } = job.axes;
  const dtype = columnDType(plan, target.value, job.size);
  const shape = kept.map((k) => job.shape[k] as number);
  const targets = target.count === null ? [target.value] : [target.value, target.count];
  const size = sizeOf(suffix.map((k) => job.shape[k] as number));
  const groups = Math.max(1, Math.floor(GROUP_ELEMENTS / size));
  const columns = loopNest(shape, [...targets, ...job.inputs.map((x) => pick(x, kept))]);
  const members = offsetsOf(job.inputs, suffix);
  const several = accumulateCall(plan, dtype, groups, members.length);
  const single = groups === 1 ? several : accumulateCall(plan, dtype, 1, members.length);
  const leads = loopNest(
    lead.map((k) => job.shape[k] as number),
    job.inputs.map((x) => pick(x, lead)),
    "given",
  );
  const depth = Math.max(0, leads.shape.length - 1);
  const rows = leads.shape[depth] ?? 1;
  const steps = leads.strides.map((s) => s[depth] ?? 0);
  const whole = Math.floor(rows / groups) * groups;
  eachColumnTile(columns, job.size, (at, width) => {
    const accs = accumulatorTiles(target.count === null ? [dtype] : [dtype, "int32"], width);
    fill(accs[0] as NDArray, DTYPES[dtype].big ? BigInt(plan.identity) : Number(plan.identity)); // one at least
    if (accs[1] !== undefined) fill(accs[1], 0);
    const inputSteps = columns.strides.slice(accs.length).map((s) => s.at(-1) ?? 0);
    const pass = { accs, inputs: job.inputs, members, width, inputSteps, inputsAt: at.slice(accs.length), steps };
    forEachOuter(leads, depth, (from) => {
      if (whole > 0) addRows({ ...pass, call: several, from }, { first: 0, count: whole / groups, group: groups });
      if (whole < rows) addRows({ ...pass, call: single, from }, { first: whole, count: rows - whole, group: 1 });
    });
    targets.forEach((x, k) => {
      convert(columnsAt(x, columns, k, at[k] as number, width), accs[k] as NDArray); // one accumulator per target
    });
  });
}

/** Offsets of the elements of a short suffix, per element and input. */
function offsetsOf(inputs: readonly NDArray[], suffix: readonly number[]): number[][] {
  const views = inputs.map((x) => pick(x, suffix));
  const nest = loopNest(views[0]?.shape ?? [], views, "given");
  const out: number[][] = [];
  forEachOuter(nest, nest.shape.length, (at) =>
    out.push(at.map((offset, k) => offset - (inputs[k] as NDArray).offset)),
  );
  return out;
}

interface ColumnPass {
  /** Accumulators of a tile of `width` columns. */
  readonly accs: readonly NDArray[];
  readonly inputs: readonly NDArray[];
  readonly members: readonly (readonly number[])[];
  /** The accumulating kernel for the group at hand. */
  readonly call: KernelCall;
  readonly width: number;
  /** By input: step from column to column, offset of the first column. */
  readonly inputSteps: readonly number[];
  readonly inputsAt: readonly number[];
  /** By input: step from row to row, and offset of the first row. Offsets include the input's own. */
  readonly steps: readonly number[];
  readonly from: readonly number[];
}

/** Add `count` passes of `group` rows each, starting at row `first`, to the accumulators of one tile. */
function addRows(
  pass: ColumnPass,
  { first, count, group }: { readonly first: number; readonly count: number; readonly group: number },
): void {
  const { call, accs, inputs, members, width, inputSteps, inputsAt, steps, from } = pass;
  const operands = [...accs];
  const strides = [...accs, ...accs].map(() => [0, 1]);
  const offsets = [...accs, ...accs].map((x) => x.offset);
  for (let g = 0; g < group; g++) {
    for (const member of members) {
      inputs.forEach((x, k) => {
        const step = steps[k] as number; // one per input, as below
        operands.push(x);
        strides.push([step * group, inputSteps[k] as number]);
        const column = (inputsAt[k] as number) - x.offset;
        offsets.push((from[k] as number) + column + (member[k] as number) + (first + g) * step);
      });
    }
  }
  const nest: LoopNest = { shape: [count, width], strides, offsets };
  runNest(call, nest, accs, operands);
}

/** Few columns, many rows: values come in blocks of rows and are added here. */
function accumulateNarrow(plan: ReducePlan, job: Job, target: Target): void {
  const { kept, lead } = job.axes;
  const order = [...lead, ...kept];
  const width = sizeOf(kept.map((k) => job.shape[k] as number));
  const [outerAxis, ...rest] = order as [number, ...number[]]; // there are more rows than columns, so lead has an axis
  const inputs = job.inputs.map((x) => pick(x, order));
  const perStep = sizeOf(rest.map((k) => job.shape[k] as number));
  const total = job.shape[outerAxis] as number;
  const batch = Math.max(1, Math.floor(16384 / perStep));
  const slots = slotsOver(new ArrayBuffer(16 * width), 0, width);
  const slot = slotKind(plan.dtype);
  const cells = slots[slot] as unknown as (number | bigint)[]; // one loop for both element types
  for (let c = 0; c < width; c++) cells[2 * c] = slot === "f64" ? Number(plan.identity) : BigInt(plan.identity);
  for (let i = 0; i < total; i += batch) {
    const n = Math.min(batch, total - i);
    const shape = [n, ...rest.map((k) => job.shape[k] as number)];
    const outs = plan.call.kernel.outputs.map((id) => NDArray.zeros(plan.call.kernel.nodes[id]?.dtype as DType, shape));
    runMap(
      plan.call,
      inputs.map((x) => new NDArray(x.dtype, x.data, shape, x.stride, x.offset + i * (x.stride[0] as number))),
      outs,
      shape,
    );
    addNarrow(plan, outs, width, slots, n * perStep);
  }
  const write = cellWriter(plan, target);
  const one = slotsOver(new ArrayBuffer(16), 0, 1);
  for (let c = 0; c < width; c++) {
    one.i64[0] = slots.i64[2 * c] as bigint;
    one.i64[1] = slots.i64[2 * c + 1] as bigint;
    write(one);
  }
}

function addNarrow(plan: ReducePlan, [values, mask]: readonly NDArray[], width: number, slots: Slots, n: number): void {
  const slot = slotKind(plan.dtype);
  const value = slotsOver(new ArrayBuffer(16), 0, 1);
  for (let i = 0; i < n; i++) {
    const v = values?.data[i] as number | bigint;
    if (slot === "f64") value.f64[0] = plan.skips && Number.isNaN(v) ? Number(plan.identity) : (v as number);
    else value[slot][0] = BigInt(v);
    value.f64[1] = mask === undefined ? 0 : (mask.data[i] as number);
    joinSlot(plan.kind, slot, slots, i % width, value, 0);
  }
}
