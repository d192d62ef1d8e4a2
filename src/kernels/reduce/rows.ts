/** Rows of a reduction: each flat sequence to one slot. */
import { allocate, DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import { type BlockLayout, blockLayout, paddedSetSizes } from "../block.ts";
import { type Access, accessKind } from "../map/access.ts";
import { isKernelCompiled, runNest, supports, writeLiterals } from "../map/engine.ts";
import { CallBuilder, kernelText } from "../map/ir.ts";
import type { LoopNest } from "../map/loop.ts";
import type { MapShape } from "../map/module.ts";
import { nativeDType } from "../map/op-table.ts";
import { memoryOf } from "../segment.ts";
import { countRun, kernelFor, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmKernel, WasmMemory } from "../wasm/webassembly.ts";
import { accumulateTile, joinSlot, pairwiseCut, type Slots, slotKind, slotsOver } from "./accumulate.ts";
import { emitReduce, ROW_MAX } from "./module.ts";
import { extremeOf, isProduct, type ReducePlan } from "./plan.ts";

/** Elements that are computed into a tile before they are accumulated. */
export const TILE = 16384;
/** Most rows of one batch. */
export const ROW_BATCH: number = 4096;

/** Rows of equal layout: `steps` lead from row to row, `offsets` to the first one, by operand. */
export interface RowBatch {
  readonly inner: LoopNest;
  readonly steps: readonly number[];
  readonly offsets: readonly number[];
  readonly rows: number;
}

/** Reduces elements `first … first + n` of rows `row …` to slots `into …`. */
type Reducer = (row: number, rows: number, first: number, n: number, into: number) => void;

/** The slots of a batch, as `reduceRows` gives them. */
export function slotsOfBatch(): Slots {
  batchSlots ??= slotsOver(scratch().buffer, SCRATCH.slots, ROW_BATCH + 64); // room for the recursion's halves
  return batchSlots;
}
let batchSlots: Slots | undefined;

/**
 * Reduce each row of the batch to a slot; the slots are valid until the next kernel runs. Products go on from what the
 * slots hold.
 */
export function reduceRows(plan: ReducePlan, batch: RowBatch, inputs: readonly NDArray[]): Slots {
  const n = sizeOf(batch.inner.shape);
  const slots = slotsOfBatch();
  const direct = directReducer(plan, batch, inputs, n * batch.rows);
  const [reduce, most] = direct === null ? [tiledReducer(plan, batch, inputs, slots), TILE] : [direct, longest(plan)];
  if (n <= most) reduce(0, batch.rows, 0, n, 0);
  else
    for (let r = 0; r < batch.rows; r++) {
      const long = { row: r, first: 0, n, into: r, spare: batch.rows };
      if (isProduct(plan.kind) || settledAt(plan) !== null) reduceInTurns(plan, slots, reduce, most, long);
      else reduceLong(plan, slots, reduce, most, long);
    }
  return slots;
}

/** Most elements of an extreme in one call: nothing overflows, and a running call neither switches tiers nor sees a cancellation. */
const EXTREME_MAX = 1 << 20;

/** Most elements of one call. */
function longest({ kind, counted }: ReducePlan): number {
  return (kind === "min" || kind === "max") && !counted ? EXTREME_MAX : ROW_MAX;
}

/** Elements after which it is first looked whether more could change a row's value; then four times as many, and so on. */
const FIRST_PIECE = 4096;

/** The value that no further element changes: a product of integers that is 0, an extreme that nothing is beyond. */
export function settledAt({ kind, dtype, counted }: ReducePlan): bigint | null {
  if (counted || DTYPES[dtype].kind === "f") return null;
  if (kind === "prod-int") return 0n;
  return kind === "min" || kind === "max" ? BigInt(extremeOf(kind === "min" ? "max" : "min", dtype)) : null;
}

/** Piece by piece, until the value is settled; products go on from their slot. The order of what is left is free. */
function reduceInTurns(
  plan: ReducePlan,
  slots: Slots,
  reduce: Reducer,
  most: number,
  { row, n, into, spare }: LongRow,
): void {
  const settled = settledAt(plan);
  const slot = slotKind(plan.dtype);
  let count = 0;
  let piece = settled === null ? most : FIRST_PIECE;
  for (let first = 0; first < n; piece = Math.min(most, 4 * piece)) {
    const size = Math.min(piece, n - first);
    const joins = first > 0 && !isProduct(plan.kind);
    reduce(row, 1, first, size, joins ? spare : into);
    if (joins) joinSlot(plan.kind, slot, slots, into, slots, spare);
    count += slots.f64[2 * (joins ? spare : into) + 1] as number;
    first += size;
    if (settled !== null && slot !== "f64" && slots[slot][2 * into] === settled) {
      count += n - first;
      break;
    }
  }
  slots.f64[2 * into + 1] = count;
}

interface LongRow {
  readonly row: number;
  readonly first: number;
  readonly n: number;
  readonly into: number;
  /** This slot and those after it are free. */
  readonly spare: number;
}

function reduceLong(
  plan: ReducePlan,
  slots: Slots,
  reduce: Reducer,
  most: number,
  { row, first, n, into, spare }: LongRow,
): void {
  if (n <= most) return reduce(row, 1, first, n, into);
  const cut = pairwiseCut(n);
  reduceLong(plan, slots, reduce, most, { row, first, n: cut, into, spare });
  reduceLong(plan, slots, reduce, most, { row, first: first + cut, n: n - cut, into: spare, spare: spare + 1 });
  joinSlot(plan.kind, slotKind(plan.dtype), slots, into, slots, spare);
}

/** A compiled row reduction with its block. */
interface RowKernel {
  readonly run: WasmKernel;
  readonly layout: BlockLayout;
}

function rowKernel(
  plan: ReducePlan,
  steps: readonly number[],
  memories: readonly WasmMemory[],
  total: number,
): RowKernel | null {
  const { call } = plan;
  if (supports(call).way !== "wasm" || call.kernel.nodes.some((n) => nativeDType(n.dtype) === null)) return null;
  const own = scratch();
  const distinct = [...new Set(memories)].filter((m) => m !== own.memory);
  distinct.push(own.memory);
  const inputs = memories.map(
    (memory, k): Access => ({
      dtype: nativeDType(call.kernel.inputs[k] as DType) as DType, // the kernel is lowerable
      kind: accessKind(steps[k] as number, false),
      memory: distinct.indexOf(memory),
    }),
  );
  const sets = paddedSetSizes(
    call.kernel,
    call.sets.map((s) => s.length),
  );
  const shape: MapShape = { outs: [], inputs, sets, memories: distinct.length };
  const variant = `${plan.kind}${plan.clean ? " clean" : ""} ${inputs.map((x) => x.kind + x.memory).join("")}/${distinct.length} ${sets.join()}`;
  const key = (): string => `reduce ${kernelText(call.kernel)} ${variant}`;
  if (!isKernelCompiled(call.kernel, key, total)) return null;
  const layout = blockLayout(call.kernel, 1 + inputs.length, sets);
  if (layout.bytes > SCRATCH.copies) return null;
  const run = kernelFor(call.kernel, `reduce ${variant}`, distinct, { key, emit: () => emitReduce(plan, shape) });
  writeLiterals(call, layout, sets, own);
  return { run, layout };
}

/** Reducer over the inputs themselves: all in segments, the row one axis. */
function directReducer(plan: ReducePlan, batch: RowBatch, inputs: readonly NDArray[], total: number): Reducer | null {
  const { inner, offsets } = batch;
  const memories = inputs.map((x) => memoryOf(x.data.buffer));
  if (inner.shape.length > 1 || memories.some((m) => m === undefined)) return null;
  const steps = inner.strides.map((s) => s[0] ?? 1);
  const kernel = rowKernel(plan, steps, memories as WasmMemory[], total); // none is undefined
  if (kernel === null) return null;
  return (row, rows, first, n, into) => {
    const { i32 } = scratch();
    i32[kernel.layout.operand(0) / 4] = SCRATCH.slots + 16 * into;
    inputs.forEach((x, k) => {
      const word = kernel.layout.operand(1 + k) / 4;
      const size = DTYPES[x.dtype].itemsize;
      const step = steps[k] as number;
      const rowStep = batch.steps[k] as number;
      i32[word] = x.data.byteOffset + size * ((offsets[k] as number) + row * rowStep + first * step);
      i32[word + 1] = size * rowStep;
      i32[word + 2] = size * step;
    });
    countRun("wasm");
    kernel.run(0, rows, n);
  };
}

/** Kernel that reads what another has computed: the value, and the mask if counted. */
function storedPlan(plan: ReducePlan): ReducePlan {
  const b = new CallBuilder();
  const outputs = plan.call.kernel.outputs.map((id) => b.input(plan.call.kernel.nodes[id]?.dtype as DType)); // ids are in range
  return { ...plan, call: b.build(outputs) };
}

const stored = new Map<string, ReducePlan>();

function storedPlanOf(plan: ReducePlan): ReducePlan {
  const key = `${plan.kind} ${plan.dtype} ${plan.counted} ${plan.clean}`;
  const known = stored.get(key) ?? storedPlan(plan);
  stored.set(key, known);
  return known;
}

/** Reducer that first computes rows into contiguous tiles: any strides, any memory, any operation. */
function tiledReducer(plan: ReducePlan, batch: RowBatch, inputs: readonly NDArray[], slots: Slots): Reducer {
  const dtypes = plan.call.kernel.outputs.map((id) => plan.call.kernel.nodes[id]?.dtype as DType); // ids are in range
  const shared = dtypes.every((d) => nativeDType(d) !== null);
  let at = SCRATCH.rows;
  const tiles = dtypes.map((dtype) => {
    if (!shared) return NDArray.of(allocate(dtype, TILE), [TILE], dtype);
    const tile = new NDArray(dtype, viewOf(dtype, scratch().buffer, at, TILE), [TILE]);
    at += TILE * DTYPES[dtype].itemsize;
    return tile;
  });
  const evaluate = (row: number, rows: number, first: number, n: number): void => {
    const base = batch.offsets.map(
      (offset, k) => offset - (inputs[k] as NDArray).offset + row * (batch.steps[k] as number),
    );
    const nest: LoopNest = {
      ...batch.inner,
      offsets: batch.inner.offsets.map((offset, k) => offset + (base[k] as number)),
    };
    const source: Source = { plan, inputs, tiles };
    if (first === 0 && n === sizeOf(nest.shape)) computeRows(source, nest, batch.steps, rows);
    else computeRange(source, nest, first, n, 0);
  };
  return (row, rows, first, n, into) => {
    for (let r = 0; r < rows; ) {
      const m = Math.min(rows - r, Math.max(1, Math.floor(TILE / n)));
      evaluate(row + r, m, first, n);
      const whole: RowBatch = {
        inner: { shape: [n], strides: tiles.map(() => [1]), offsets: tiles.map(() => 0) },
        steps: tiles.map(() => n),
        offsets: tiles.map(() => 0),
        rows: m,
      };
      const direct = shared ? directReducer(storedPlanOf(plan), whole, tiles, n * m) : null;
      if (direct !== null) direct(0, m, 0, n, into + r);
      else
        for (let k = 0; k < m; k++) {
          const cells = tiles.map((t) => t.data.subarray(k * n, (k + 1) * n));
          accumulateTile(
            plan.kind,
            cells[0] as never,
            plan.counted ? (cells[1] ?? null) : null,
            n,
            slots,
            into + r + k,
            slotKind(plan.dtype),
            plan.skips,
          ); // a typed array of the plan's dtype
        }
      r += m;
    }
  };
}

/** What fills tiles. */
interface Source {
  readonly plan: ReducePlan;
  readonly inputs: readonly NDArray[];
  readonly tiles: readonly NDArray[];
}

/** Compute `rows` whole rows, one after the other, from the tiles' start. */
function computeRows({ plan, inputs, tiles }: Source, nest: LoopNest, steps: readonly number[], rows: number): void {
  const shape = [rows, ...nest.shape];
  const tile = contiguousStride(shape);
  const strides = nest.strides.map((s, k) => [steps[k] as number, ...s]);
  runNest(
    plan.call,
    { shape, strides: [...tiles.map(() => tile), ...strides], offsets: [...tiles.map(() => 0), ...nest.offsets] },
    tiles,
    inputs,
  );
}

/** Compute elements `first … first + n` of the flat order of `nest` into the tiles from `at` on. */
function computeRange(source: Source, nest: LoopNest, first: number, n: number, at: number): void {
  if (n === 0) return;
  const [size = 1, ...rest] = nest.shape;
  const inner = sizeOf(rest);
  const shift = (i: number): number[] => nest.offsets.map((offset, k) => offset + i * (nest.strides[k]?.[0] ?? 0));
  const below = (i: number): LoopNest => ({
    shape: rest,
    strides: nest.strides.map((s) => s.slice(1)),
    offsets: shift(i),
  });
  const whole = (i: number, count: number, to: number): void => {
    const shape = nest.shape.length === 0 ? [] : [count, ...rest];
    const tile = contiguousStride(shape);
    const { plan, tiles, inputs } = source;
    runNest(
      plan.call,
      { shape, strides: [...tiles.map(() => tile), ...nest.strides], offsets: [...tiles.map(() => to), ...shift(i)] },
      tiles,
      inputs,
    );
  };
  if (inner === 1 || (first === 0 && n === size * inner)) return whole(first / inner, n / inner, at);
  let [i, from, left, to] = [Math.floor(first / inner), first % inner, n, at];
  if (from > 0 || left < inner) {
    const m = Math.min(left, inner - from);
    computeRange(source, below(i), from, m, to);
    [i, from, left, to] = [i + 1, 0, left - m, to + m];
  }
  const rows = Math.floor(left / inner);
  if (rows > 0) whole(i, rows, to);
  computeRange(source, below(i + rows), 0, left - rows * inner, to + rows * inner);
}
