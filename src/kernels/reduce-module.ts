/**
 * Modules of row reductions: `k(block, rows, count)` reduces each row of `count` elements of a fused kernel to a slot
 * (8-byte value, float64 count); products go on from the slot's value. Operand 0 of the block is the slots; the inputs follow. See kernels.md §7.
 *
 * Float sums follow NumPy's `pairwise_sum`: eight accumulators are four f64x2, leaves hold at most 128 elements, halves
 * are cut at multiples of 8. Rows of other accumulations hold at most {@link ROW_MAX} elements.
 * Bytes per element moved: the sum of the inputs' item sizes.
 */
import { loadContiguous } from "./access.ts";
import { type Accumulator, accumulatorOf, E, maskCount, type Reducible, valueType } from "./accumulators.ts";
import { type BlockLayout, blockLayout } from "./block.ts";
import { toInt64Function } from "./cast.ts";
import { LaneCode, type Lanes, type V } from "./lanes.ts";
import {
  advance,
  type Cursor,
  cursorOf,
  fixedSources,
  levelsOf,
  loadAt,
  type MapShape,
  moveTail,
  NodeCode,
} from "./map-module.ts";
import type { ReducePlan } from "./reduce-plan.ts";
import {
  type Address,
  anyTrue,
  bitmask,
  call,
  extract,
  FunctionBuilder,
  getGlobal,
  type I32,
  i32,
  type Local,
  loadScalar,
  scalar1,
  scalar2,
  scalarCompare,
  splat,
  type Value,
  vector2,
} from "./wasm/builder.ts";
import { encodeModule, type FunctionCode } from "./wasm/encoder.ts";

/** Longest row: 16-bit counters and 32-bit sums of 16-bit values do not overflow. */
export const ROW_MAX: number = 1 << 17;

/** Indices of functions; 1 is the cast's helper. */
const LEAF = 2;
const PAIRWISE = 3;
/** Globals: count of a row's elements, address of its slot. */
const COUNT = 0;
const SLOT = 1;

/** `leaf(block, first, n)`: reduces `n` elements of the current row and adds their count to the global. */
function leafFunction(plan: ReducePlan, shape: MapShape, layout: BlockLayout): FunctionCode {
  const f = new FunctionBuilder(["i32", "i32", "i32"], [valueType(plan)]);
  const [block, first, n] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const code = new LaneCode(f, E);
  const scratch = shape.memories - 1;
  const { kernel } = plan.call;
  const levels = levelsOf(kernel, shape.inputs);
  const used = (slot: number): boolean =>
    kernel.nodes.some((x, id) => x.op === "in" && x.slot === slot && levels[id] !== null);
  const word = (offset: number): I32 => loadScalar("i32.load", { memory: scratch, base: block, offset });
  const cursors = shape.inputs.map((x, k) => (used(k) ? cursorOf(f, x, 1 + k, word, layout) : null));
  const cursor = (slot: number): Cursor => cursors[slot] as Cursor; // asked for used slots only
  for (const c of cursors) if (c !== null) f.set(c.at, scalar2("i32.add", c.row, scalar2("i32.mul", first, c.step)));
  const nodes = new NodeCode(code, kernel, levels, fixedSources(code, layout, block, { sets: shape.sets, scratch }));
  const isSearch = plan.kind === "first";
  const start = (): Value<Reducible> =>
    loadScalar(`${valueType(plan)}.load`, { memory: scratch, base: getGlobal(SLOT), offset: 0 });
  const acc = isSearch ? null : accumulatorOf(code, plan, start);
  const count = plan.counted ? maskCount(code) : null;
  nodes.lower(0, (slot) => loadAt(code, cursor(slot)));
  nodes.lower(1, (slot) => loadAt(code, cursor(slot)));
  const iterations = f.let(scalar2("i32.shr_u", n, i32(3)));
  const whole = (left: I32): I32 =>
    scalar2("i32.shl", scalar2("i32.sub", scalar2("i32.shr_u", n, i32(3)), left), i32(3));
  f.if(iterations, () =>
    f.doWhile(
      () => iterations,
      () => {
        nodes.lower(2, (slot) => loadAt(code, cursor(slot)));
        if (acc === null) returnFirst(code, nodes.output(0), whole(iterations));
        acc?.take(nodes.output(0), null);
        count?.take(nodes.output(1), null);
        for (const c of cursors) if (c !== null) advance(code, c);
        f.set(iterations, scalar2("i32.sub", iterations, i32(1)));
      },
    ),
  );
  const rest = f.let(scalar2("i32.and", n, i32(E - 1)));
  const sum = plan.kind === "sum-float" ? (f.let((acc as Accumulator).result()) as Local<"f64">) : null;
  f.if(rest, () => {
    const place = (c: Cursor): Address => ({ memory: scratch, base: block, offset: layout.tail(c.index) });
    for (const c of cursors) if (c !== null && c.access.kind !== "s") moveTail(code, c, place(c), rest, "in");
    nodes.lower(2, (slot) => loadContiguous(code, cursor(slot).access.dtype, place(cursor(slot))));
    const order = f.constant(new Uint8Array(Uint16Array.of(0, 1, 2, 3, 4, 5, 6, 7).buffer));
    const live: Lanes = {
      dtype: "bool",
      width: 2,
      v: [code.let(vector2("i16x8.lt_u", order, splat("i16x8.splat", rest)))],
    };
    if (acc === null) returnFirst(code, nodes.output(0), whole(i32(0)), live);
    else if (sum === null) acc.take(nodes.output(0), live);
    else addInOrder(code, sum, nodes.output(0), rest, 0);
    count?.take(nodes.output(1), live);
  });
  const counted: I32 = count === null ? n : scalar1("i32.wrap_i64", count.result());
  f.setGlobal(COUNT, scalar2("i32.add", getGlobal(COUNT), counted));
  return f.finish(acc === null ? scalar1("i64.extend_i32_u", n) : (sum ?? acc.result()));
}

/** Return `first` plus the place of the first true lane, if there is one. */
function returnFirst(code: LaneCode, hits: Lanes, first: I32, live?: Lanes): void {
  const [mask] = code.mask(hits, 2) as [V];
  const seen = live === undefined ? mask : code.let(vector2("v128.and", mask, (code.mask(live, 2) as [V])[0]));
  code.f.if(anyTrue(seen), () => {
    const at = scalar2("i32.add", first, scalar1("i32.ctz", bitmask("i16x8", seen)));
    code.f.return(scalar1("i64.extend_i32_u", at));
  });
}

/** Add the first `rest` (1 … 7) float64 lanes one by one. */
function addInOrder(code: LaneCode, sum: Local<"f64">, x: Lanes, rest: I32, k: number): void {
  if (k === E - 1) return;
  code.f.set(sum, scalar2("f64.add", sum, extract("f64x2.extract_lane", x.v[k >> 1] as V, k % 2)));
  code.f.if(scalarCompare("i32.gt_u", rest, i32(k + 1)), () => addInOrder(code, sum, x, rest, k + 1));
}

/** `pairwise(block, first, n)`: the leaf, or the sum of two halves. Source: NumPy `pairwise_sum`. */
function pairwiseFunction(): FunctionCode {
  const f = new FunctionBuilder(["i32", "i32", "i32"], ["f64"]);
  const [block, first, n] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  f.if(scalarCompare("i32.le_u", n, i32(128)), () => f.return(call(LEAF, "f64", [block, first, n])));
  const half = f.let(scalar2("i32.and", scalar2("i32.shr_u", n, i32(1)), i32(~7)));
  const left = call(PAIRWISE, "f64", [block, first, half]);
  return f.finish(
    scalar2(
      "f64.add",
      left,
      call(PAIRWISE, "f64", [block, scalar2("i32.add", first, half), scalar2("i32.sub", n, half)]),
    ),
  );
}

/** Module of a row reduction. `shape.outs` is empty: the slots lie in scratch. */
export function emitReduce(plan: ReducePlan, shape: MapShape): Uint8Array<ArrayBuffer> {
  const layout = blockLayout(plan.call.kernel, 1 + shape.inputs.length, shape.sets);
  const scratch = shape.memories - 1;
  const type = valueType(plan);
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, rows, count] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const at = (offset: number): Address => ({ memory: scratch, base: block, offset });
  const slot = f.let(loadScalar("i32.load", at(layout.operand(0))));
  f.doWhile(
    () => rows,
    () => {
      f.setGlobal(COUNT, i32(0));
      f.setGlobal(SLOT, slot);
      const slotAt = (offset: number): Address => ({ memory: scratch, base: slot, offset });
      f.storeScalar(
        `${type}.store`,
        slotAt(0),
        call(plan.kind === "sum-float" ? PAIRWISE : LEAF, type, [block, i32(0), count]),
      );
      f.storeScalar("f64.store", slotAt(8), scalar1("f64.convert_i32_u", getGlobal(COUNT)));
      f.set(slot, scalar2("i32.add", slot, i32(16)));
      shape.inputs.forEach((_, k) => {
        const base = layout.operand(1 + k);
        const [address, step] = [loadScalar("i32.load", at(base)), loadScalar("i32.load", at(base + 4))];
        f.storeScalar("i32.store", at(base), scalar2("i32.add", address, step));
      });
      f.set(rows, scalar2("i32.sub", rows, i32(1)));
    },
  );
  const functions = [f.finish(), toInt64Function(), leafFunction(plan, shape, layout)];
  if (plan.kind === "sum-float") functions.push(pairwiseFunction());
  return encodeModule(functions, shape.memories, 2);
}
