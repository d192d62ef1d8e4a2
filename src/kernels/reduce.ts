/**
 * Reductions of fused kernels inside one block, to partial blocks. See kernels.md §7 and `ReduceSpec`.
 *
 * Order of float additions, for every layout, memory and thread: the trailing reduced axes are one flat sequence added
 * pairwise as NumPy does; other reduced axes are added one after the other in C order. A contiguous float64 block thus
 * gives NumPy's bits. Axes of size 1 do not count.
 */
import { invariant } from "../base/index.ts";
import { allocate, DTYPES, type DType, viewOf } from "../dtype/index.ts";
import type { KernelCall, ReduceSpec } from "../graph/index.ts";
import { copyBlock, NDArray, sizeOf } from "../ndarray/index.ts";
import { joinSlot, type Slots, slotKind, slotsOver } from "./accumulate.ts";
import { convert, fill } from "./copy.ts";
import { runNest } from "./engine.ts";
import { CallBuilder } from "./ir.ts";
import { forEachOuter, type LoopNest, loopNest } from "./loop.ts";
import { runMap } from "./map.ts";
import { componentCount } from "./partial.ts";
import { accumulateCall, isNarrowInteger, planReduce, planSquares, type ReducePlan } from "./reduce-plan.ts";
import { ROW_BATCH, reduceRows } from "./rows.ts";
import { memoryOf } from "./segment.ts";
import { SCRATCH, scratch } from "./wasm/runtime.ts";

/** Shortest flat sequence that is added pairwise along itself; below it pairwise is sequential. */
const PAIRWISE_MIN = 8;
/** Elements that one accumulating kernel takes per accumulator. */
const GROUP_ELEMENTS = 4;
/** Columns per tile of accumulators: 16 KiB of float64. */
const COLUMN_TILE = 2048;
/** Below this many columns, rows are computed as blocks and added in TypeScript. */
const NARROW_COLUMNS = 64;

/** Axes of a loop by role, without those of size 1: kept, reduced before the flat suffix, the suffix. */
interface Axes {
  readonly kept: readonly number[];
  readonly lead: readonly number[];
  readonly suffix: readonly number[];
}

function splitAxes(shape: readonly number[], reduced: readonly number[]): Axes {
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

function pick(x: NDArray, axes: readonly number[]): NDArray {
  return new NDArray(
    x.dtype,
    x.data,
    axes.map((k) => x.shape[k] as number),
    axes.map((k) => x.stride[k] as number),
    x.offset,
  );
}

/** One component of the partial at the kept axes that are longer than 1, as float64 or as the 64-bit integer it holds. */
function component(
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

/**
 * Reduce the values of a fused kernel over `reduced` axes of the loop `shape`.
 *
 * `call` gives the value (dtype `spec.from`) and optionally a bool mask (false: left out); inputs are seen at `shape`.
 * `out` is the float64 partial `[components, …kept]` of `ReduceSpec`, kept axes dropped or of size 1.
 */
export function runReduce(
  call: KernelCall,
  spec: ReduceSpec,
  inputs: readonly NDArray[],
  shape: readonly number[],
  reduced: readonly number[],
  out: NDArray,
): void {
  invariant(
    out.dtype === "float64" && out.shape[0] === componentCount(spec.op),
    `partial of ${spec.op} is ${out.dtype} (${out.shape.join(", ")})`,
  );
  const keptAxes = shape.flatMap((_, k) => (reduced.includes(k) ? [] : [k]));
  const axes = splitAxes(shape, reduced);
  const part = (c: number, dtype: "float64" | "int64" | "uint64" = "float64"): NDArray =>
    component(out, c, keptAxes, axes, dtype);
  const size = sizeOf(reduced.map((k) => shape[k] as number));
  const job: Job = { inputs, shape, axes, size };
  if (size === 0) return fill(out, 0); // nothing took part: counts and values are 0
  if (out.size === 0) return;
  const plan = planReduce(call, spec);
  if (spec.op === "count") {
    if (call.kernel.outputs.length < 2) return fill(part(0), size);
    return accumulate(plan, job, { value: part(0), count: null });
  }
  if (spec.op === "var" || spec.op === "std") return moments(call, plan, job, [part(0), part(1), part(2)]);
  const slot = slotKind(plan.dtype);
  const averages = spec.op === "mean" || spec.op === "nanmean";
  const dtype = slot === "f64" || averages ? "float64" : slot === "i64" ? "int64" : "uint64";
  accumulate(plan, job, { value: part(0, dtype), count: part(1) });
}

/** What is reduced over. */
interface Job {
  readonly inputs: readonly NDArray[];
  readonly shape: readonly number[];
  readonly axes: Axes;
  /** Elements per kept cell. */
  readonly size: number;
}

/** Where the accumulated values go; seen at the kept axes. A float64 `value` of an integer plan takes its number. */
interface Target {
  readonly value: NDArray;
  readonly count: NDArray | null;
}

/** Var and std: mean, then the sum of squared distances from it. */
function moments(
  call: KernelCall,
  plan: ReducePlan,
  job: Job,
  [n, mean, m2]: readonly [NDArray, NDArray, NDArray],
): void {
  accumulate(plan, job, { value: mean, count: n });
  const b = new CallBuilder();
  const divide = b.build([b.binary("div", b.input("float64"), b.input("float64"))]);
  runMap(divide, [mean, n], [mean], mean.shape);
  const near = nearKernels(mean);
  const stride = job.shape.map((_, k) => near.stride[job.axes.kept.indexOf(k)] ?? 0);
  const seen = new NDArray("float64", near.data, job.shape, stride, near.offset);
  accumulate(planSquares(call), { ...job, inputs: [...job.inputs, seen] }, { value: m2, count: null });
}

/** The means where compiled kernels reach them: in scratch if they lie in no segment and fit. */
function nearKernels(mean: NDArray): NDArray {
  const bytes = mean.size * Float64Array.BYTES_PER_ELEMENT;
  if (memoryOf(mean.data.buffer) !== undefined || bytes > SCRATCH.end - SCRATCH.means) return mean;
  const near = NDArray.view("float64", scratch().buffer, SCRATCH.means, mean.shape);
  copyBlock(near, mean);
  return near;
}

function accumulate(plan: ReducePlan, job: Job, target: Target): void {
  const { kept, lead, suffix } = job.axes;
  const flat = sizeOf(suffix.map((k) => job.shape[k] as number));
  if (target.count !== null && !plan.counted) fill(target.count, job.size);
  const counts = plan.counted ? target.count : null;
  if (kept.length === 0 || flat >= PAIRWISE_MIN) accumulateRows(plan, job, { value: target.value, count: counts });
  else {
    const columns = sizeOf(kept.map((k) => job.shape[k] as number));
    const rows = sizeOf(lead.map((k) => job.shape[k] as number));
    if (columns < NARROW_COLUMNS && rows > columns && flat === 1)
      accumulateNarrow(plan, job, { value: target.value, count: counts });
    else accumulateColumns(plan, job, { value: target.value, count: counts });
  }
}

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
  const running = slotsOver(new ArrayBuffer(16), 0, 1);
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

/** Writes one cell after the other, in C order of the kept axes. */
function cellWriter(plan: ReducePlan, { value, count }: Target): (slots: Slots) => void {
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

/** Accumulator dtype for column sums: sums of narrow integers stay exact in int64 or uint64. */
function columnDType(plan: ReducePlan, target: NDArray, rows: number): DType {
  if (plan.kind === "min" || plan.kind === "max") return plan.dtype;
  if (plan.kind === "sum-float") return "float64";
  const exact = isNarrowInteger(plan.dtype) && rows * 2 ** (8 * DTYPES[plan.dtype].itemsize) <= 2 ** 53;
  return target.dtype === "float64" && exact ? "float64" : slotKind(plan.dtype) === "u64" ? "uint64" : "int64";
}

/** Kept inner axes: a tile of accumulators takes row after row, a few rows per pass. */
function accumulateColumns(plan: ReducePlan, job: Job, target: Target): void {
  const { kept, lead, suffix } = job.axes;
  const dtype = columnDType(plan, target.value, job.size);
  const shape = kept.map((k) => job.shape[k] as number);
  const direct = dtype === target.value.dtype;
  const acc = direct ? target.value : new NDArray(dtype, allocate(dtype, sizeOf(shape)), shape);
  fill(acc, DTYPES[dtype].big ? BigInt(plan.identity) : Number(plan.identity));
  if (target.count !== null) fill(target.count, 0);
  const accs = target.count === null ? [acc] : [acc, target.count];
  const size = sizeOf(suffix.map((k) => job.shape[k] as number));
  const groups = Math.max(1, Math.floor(GROUP_ELEMENTS / size));
  const columns = loopNest(shape, [...accs, ...job.inputs.map((x) => pick(x, kept))]);
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
  forEachOuter(columns, Math.max(0, columns.shape.length - 1), (base) => {
    const width = columns.shape.at(-1) ?? 1;
    for (let c = 0; c < width; c += COLUMN_TILE) {
      const at = base.map((offset, k) => offset + c * (columns.strides[k]?.at(-1) ?? 0));
      const tile = { width: Math.min(COLUMN_TILE, width - c), steps: columns.strides.map((s) => s.at(-1) ?? 0), at };
      forEachOuter(leads, depth, (from) => {
        const whole = Math.floor(rows / groups) * groups;
        const run = (first: number, count: number, group: number): void => {
          const call = group === 1 ? single : several;
          addRows({ call, accs, inputs: job.inputs, members, tile, steps, from }, { first, count, group });
        };
        if (whole > 0) run(0, whole / groups, groups);
        if (whole < rows) run(whole, rows - whole, 1);
      });
    }
  });
  if (!direct) convert(target.value, acc);
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
  readonly accs: readonly NDArray[];
  readonly inputs: readonly NDArray[];
  readonly members: readonly (readonly number[])[];
  /** The accumulating kernel for the group at hand. */
  readonly call: KernelCall;
  /** Columns at hand; `steps` and `at` by operand: accumulators, then inputs. */
  readonly tile: { readonly width: number; readonly steps: readonly number[]; readonly at: readonly number[] };
  /** Step from row to row and offset of the first row, by input (offsets include the input's own). */
  readonly steps: readonly number[];
  readonly from: readonly number[];
}

/** Add `count` passes of `group` rows each, starting at row `first`, to the accumulators of one tile. */
function addRows(
  pass: ColumnPass,
  { first, count, group }: { readonly first: number; readonly count: number; readonly group: number },
): void {
  const { call, accs, inputs, members, tile, steps, from } = pass;
  const operands = [...accs];
  const strides: number[][] = [];
  const offsets: number[] = [];
  const both = [...accs, ...accs];
  both.forEach((_, k) => {
    strides.push([0, tile.steps[k % accs.length] as number]);
    offsets.push(tile.at[k % accs.length] as number);
  });
  for (let g = 0; g < group; g++) {
    for (const member of members) {
      inputs.forEach((x, k) => {
        const step = steps[k] as number;
        operands.push(x);
        strides.push([step * group, tile.steps[accs.length + k] as number]);
        const column = (tile.at[accs.length + k] as number) - x.offset;
        offsets.push((from[k] as number) + column + (member[k] as number) + (first + g) * step);
      });
    }
  }
  const nest: LoopNest = { shape: [count, tile.width], strides, offsets };
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
    if (slot === "f64") value.f64[0] = v as number;
    else value[slot][0] = BigInt(v);
    value.f64[1] = mask === undefined ? 0 : (mask.data[i] as number);
    joinSlot(plan.kind, slot, slots, i % width, value, 0);
  }
}
