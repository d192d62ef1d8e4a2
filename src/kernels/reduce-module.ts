/**
 * Modules of row reductions: `k(block, rows, count)` reduces each row of `count` elements of a fused kernel to a slot
 * (8-byte value, float64 count). Operand 0 of the block is the slots; the inputs follow. See kernels.md §7.
 *
 * Float sums follow NumPy's `pairwise_sum`: eight accumulators are four f64x2, leaves hold at most 128 elements, halves
 * are cut at multiples of 8. Rows of other accumulations hold at most {@link ROW_MAX} elements.
 * Bytes per element moved: the sum of the inputs' item sizes.
 */
import { DTYPES } from "../dtype/index.ts";
import { loadContiguous } from "./access.ts";
import { slotKind } from "./accumulate.ts";
import { type BlockLayout, blockLayout } from "./block.ts";
import { toInt64Function } from "./cast.ts";
import { floatPattern, LaneCode, type Lanes, pattern, shapeOf, type V, widthOf } from "./lanes.ts";
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
  call,
  extract,
  type F64,
  FunctionBuilder,
  f64,
  getGlobal,
  type I32,
  type I64,
  i32,
  type Local,
  loadScalar,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  splat,
  type Value,
  type Vector,
  type Vector2Name,
  vector1,
  vector2,
} from "./wasm/builder.ts";
import { encodeModule, type FunctionCode } from "./wasm/encoder.ts";

/** Longest row: 16-bit counters and 32-bit sums of 16-bit values do not overflow. */
export const ROW_MAX: number = 1 << 17;

/** Elements per iteration. */
const E = 8;
/** Indices of functions; 1 is the cast's helper. */
const LEAF = 2;
const PAIRWISE = 3;
/** Global that counts a row's elements. */
const COUNT = 0;

type Reducible = "f64" | "i64";

/** Accumulators of one leaf: take an iteration's lanes, at the end give the value. */
interface Accumulator {
  /** Add E elements; lanes where `live` is false (if given) are left out. */
  readonly take: (x: Lanes, live: Lanes | null) => void;
  readonly result: () => Value<Reducible>;
}

function zeros(code: LaneCode, n: number): Local<"v128">[] {
  return Array.from({ length: n }, () => code.let(code.f.constant(new Uint8Array(16))));
}

function floatSum(code: LaneCode): Accumulator {
  const acc = zeros(code, 4);
  return {
    take: (x) => {
      acc.forEach((a, k) => {
        code.f.set(a, vector2("f64x2.add", a, x.v[k] as V)); // float64: four vectors
      });
    },
    result: () => {
      const pair = (k: number): F64 =>
        scalar2(
          "f64.add",
          extract("f64x2.extract_lane", acc[k] as V, 0),
          extract("f64x2.extract_lane", acc[k] as V, 1),
        );
      return scalar2("f64.add", scalar2("f64.add", pair(0), pair(1)), scalar2("f64.add", pair(2), pair(3)));
    },
  };
}

/** Trues of masks, counted in eight 16-bit lanes. */
function maskCount(code: LaneCode): Accumulator {
  const acc = zeros(code, 1)[0] as V;
  return {
    take: (x, live) => {
      const [mask] = code.mask(x, 2) as [V];
      const counted = live === null ? mask : vector2("v128.and", mask, (code.mask(live, 2) as [V])[0]);
      code.f.set(acc, vector2("i16x8.sub", acc, counted));
    },
    result: () => sumLanes(vector1("i32x4.extadd_pairwise_i16x8_u", acc), "u", code),
  };
}

function sumLanes(x: Vector, sign: "s" | "u", code: LaneCode): I64 {
  const v = code.let(x);
  return [0, 1, 2, 3]
    .map((k): I64 => scalar1(`i64.extend_i32_${sign}`, extract("i32x4.extract_lane", v, k)))
    .reduce((a, b) => scalar2("i64.add", a, b));
}

/** Exact integer sums: 8 and 16 bits in 32-bit lanes, wider ones in 64-bit lanes. */
function intSum(code: LaneCode, dtype: Lanes["dtype"]): Accumulator {
  const width = widthOf(dtype);
  const signed = DTYPES[dtype].kind === "i";
  const sign = signed ? "s" : "u";
  const acc = zeros(code, width <= 2 ? 1 : 2);
  const add = (k: number, shape: "i32x4" | "i64x2", x: Vector): void =>
    code.f.set(acc[k] as V, vector2(`${shape}.add`, acc[k] as V, x));
  return {
    take: (x, live) => {
      const v = live === null ? x.v : code.map2("v128.and", x.v, code.mask(live, width));
      if (width <= 2)
        for (const h of code.resize(v, width, 2, signed))
          add(0, "i32x4", vector1(`i32x4.extadd_pairwise_i16x8_${sign}`, h));
      else
        code.resize(v, width, 8, signed).forEach((w, k) => {
          add(k % 2, "i64x2", w);
        });
    },
    result: () => {
      if (width <= 2) return sumLanes(acc[0] as V, sign, code);
      const both = code.let(vector2("i64x2.add", acc[0] as V, acc[1] as V));
      return scalar2("i64.add", extract("i64x2.extract_lane", both, 0), extract("i64x2.extract_lane", both, 1));
    },
  };
}

function lanes64(x: V, dtype: Lanes["dtype"], lane: number): I64 {
  const width = widthOf(dtype);
  const signed = DTYPES[dtype].kind === "i";
  if (width === 8) return extract("i64x2.extract_lane", x, lane);
  const word =
    width === 4
      ? extract("i32x4.extract_lane", x, lane)
      : extract(`${width === 2 ? "i16x8" : "i8x16"}.extract_lane_${signed ? "s" : "u"}`, x, lane);
  return scalar1(`i64.extend_i32_${signed || width < 4 ? "s" : "u"}`, word);
}

function identityBytes(plan: ReducePlan): Uint8Array {
  const { dtype, identity } = plan;
  if (dtype === "float32" || dtype === "float64") return floatPattern(dtype, Number(identity));
  return pattern(widthOf(dtype), BigInt(identity));
}

function intExtreme(code: LaneCode, plan: ReducePlan): Accumulator {
  const { dtype, kind } = plan;
  const width = widthOf(dtype);
  const unsigned = DTYPES[dtype].kind === "u";
  const identity = code.splat(width, identityBytes(plan));
  const acc = identity.map((x) => code.let(x));
  const top = pattern(8, 1n << 63n);
  const better = (a: V, b: V): Vector => {
    if (width < 8) return vector2(`${shapeOf(dtype)}.${kind}_${unsigned ? "u" : "s"}` as Vector2Name, a, b); // exists for 8 to 32 bits
    const order = (x: V): Vector => (unsigned ? vector2("v128.xor", x, code.f.constant(top)) : x);
    return code.select(
      [code.let(vector2(kind === "min" ? "i64x2.lt_s" : "i64x2.gt_s", order(b), order(a)))],
      [b],
      [a],
    )[0] as V;
  };
  return {
    take: (x, live) => {
      const v = live === null ? x.v : code.select(code.mask(live, width), x.v, identity);
      acc.forEach((a, k) => {
        code.f.set(a, better(a, v[k] as V)); // equal counts
      });
    },
    result: () => {
      const per = Math.min(E, 16 / width);
      const all = acc.flatMap((x) => Array.from({ length: per }, (_, lane) => lanes64(x, dtype, lane)));
      const best = code.f.let(all[0] as I64);
      for (const x of all.slice(1)) {
        const next = code.f.let(x);
        const [a, b] = kind === "min" ? [next, best] : [best, next];
        code.f.set(best, select(scalarCompare(unsigned ? "i64.lt_u" : "i64.lt_s", a, b), next, best));
      }
      return best;
    },
  };
}

function boolExtreme(code: LaneCode, kind: "min" | "max"): Accumulator {
  // Any false (min) or any true (max), in eight 16-bit lanes.
  const acc = zeros(code, 1)[0] as V;
  return {
    take: (x, live) => {
      const mask = (code.mask(x, 2) as [V])[0];
      const hit: Vector = kind === "max" ? mask : vector1("v128.not", mask);
      code.f.set(
        acc,
        vector2("v128.or", acc, live === null ? hit : vector2("v128.and", hit, (code.mask(live, 2) as [V])[0])),
      );
    },
    result: () => {
      const any = anyTrue(acc);
      return scalar1("i64.extend_i32_u", kind === "max" ? any : scalarCompare("i32.eq", any, i32(0)));
    },
  };
}

/** The extreme skips NaN; a flag remembers it. */
function floatExtreme(code: LaneCode, plan: ReducePlan): Accumulator {
  const dtype = plan.dtype as "float32" | "float64"; // float16 has no lanes
  const shape = shapeOf(dtype) as "f32x4" | "f64x2";
  const kind = plan.kind as "min" | "max";
  const width = widthOf(dtype);
  const identity = code.splat(width, identityBytes(plan));
  const acc = identity.map((x) => code.let(x));
  const nan = zeros(code, 1)[0] as V;
  return {
    take: (x, live) => {
      const v = live === null ? x.v : code.select(code.mask(live, width), x.v, identity);
      acc.forEach((a, k) => {
        const y = v[k] as V; // equal counts
        code.f.set(a, vector2(`${shape}.p${kind}`, a, y));
        if (!plan.clean) code.f.set(nan, vector2("v128.or", nan, vector2(`${shape}.ne`, y, y)));
      });
    },
    result: () => {
      const per = 16 / width;
      const lane = (x: V, k: number): F64 =>
        dtype === "float32"
          ? scalar1("f64.promote_f32", extract("f32x4.extract_lane", x, k))
          : extract("f64x2.extract_lane", x, k);
      const all = acc.flatMap((x) => Array.from({ length: per }, (_, k) => lane(x, k)));
      const best = code.f.let(all[0] as F64);
      for (const x of all.slice(1)) {
        const next = code.f.let(x);
        const [a, b] = kind === "min" ? [next, best] : [best, next];
        code.f.set(best, select(scalarCompare("f64.lt", a, b), next, best));
      }
      return plan.clean ? best : select(anyTrue(nan), f64(Number.NaN), best);
    },
  };
}

function accumulatorOf(code: LaneCode, plan: ReducePlan): Accumulator {
  const { kind, dtype } = plan;
  if (kind === "sum-float") return floatSum(code);
  if (kind === "sum-int") return dtype === "bool" ? maskCount(code) : intSum(code, dtype);
  if (dtype === "bool") return boolExtreme(code, kind);
  return DTYPES[dtype].kind === "f" ? floatExtreme(code, plan) : intExtreme(code, plan);
}

/** Type of a slot's value in a module. */
function valueType(plan: ReducePlan): Reducible {
  return slotKind(plan.dtype) === "f64" ? "f64" : "i64";
}

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
  const acc = accumulatorOf(code, plan);
  const count = plan.counted ? maskCount(code) : null;
  nodes.lower(0, (slot) => loadAt(code, cursor(slot)));
  nodes.lower(1, (slot) => loadAt(code, cursor(slot)));
  const iterations = f.let(scalar2("i32.shr_u", n, i32(3)));
  f.if(iterations, () =>
    f.doWhile(
      () => iterations,
      () => {
        nodes.lower(2, (slot) => loadAt(code, cursor(slot)));
        acc.take(nodes.output(0), null);
        count?.take(nodes.output(1), null);
        for (const c of cursors) if (c !== null) advance(code, c);
        f.set(iterations, scalar2("i32.sub", iterations, i32(1)));
      },
    ),
  );
  const rest = f.let(scalar2("i32.and", n, i32(E - 1)));
  const sum = plan.kind === "sum-float" ? (f.let(acc.result()) as Local<"f64">) : null;
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
    if (sum === null) acc.take(nodes.output(0), live);
    else addInOrder(code, sum, nodes.output(0), rest, 0);
    count?.take(nodes.output(1), live);
  });
  const counted: I32 = count === null ? n : scalar1("i32.wrap_i64", count.result());
  f.setGlobal(COUNT, scalar2("i32.add", getGlobal(COUNT), counted));
  return f.finish(sum ?? acc.result());
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
  return encodeModule(functions, shape.memories, 1);
}
