/** Vector code of accumulators: what one row of a reduction keeps in registers. See kernels.md §7. */
import { invariant } from "../../base/index.ts";
import { DTYPES } from "../../dtype/index.ts";
import {
  floatPattern,
  type LaneCode,
  type Lanes,
  lowHalves,
  pattern,
  shapeOf,
  type V,
  type Width,
  widthOf,
} from "../map/lanes.ts";
import {
  anyTrue,
  extract,
  type F64,
  f64,
  type I64,
  i32,
  type Local,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  type Value,
  type Vector,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { slotKind } from "./accumulate.ts";
import type { ReducePlan } from "./plan.ts";

/** Type of a slot's value in a module. */
export type Reducible = "f64" | "i64";

/** Accumulators of one leaf: take an iteration's lanes, at the end give the value. */
export interface Accumulator {
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

/** Counters side by side: an addition waits for the one before. */
const COUNTERS = 2;

/** Trues of masks, counted at the width of the masks; rows are short enough for 16-bit counters. */
export function maskCount(code: LaneCode): Accumulator {
  const acc = zeros(code, COUNTERS);
  let width: Width = 2;
  return {
    take: (x, live) => {
      width = x.width;
      const v = live === null ? x.v : code.map2("v128.and", x.v, code.mask(live, x.width));
      v.forEach((mask, k) => {
        const a = acc[k % COUNTERS] as V;
        // Eight lanes of a byte each fill half a vector, and the other half is anything.
        const bytes = code.elements === 8 ? "i16x8.extend_low_i8x16_s" : "i16x8.extadd_pairwise_i8x16_s";
        if (x.width === 1) code.f.set(a, vector2("i16x8.sub", a, vector1(bytes, mask)));
        else code.f.set(a, vector2(`${shapeOf(INT_OF[x.width])}.sub` as Vector2Name, a, mask)); // every shape has sub
      });
    },
    result: () => {
      const add = `${shapeOf(INT_OF[width === 1 ? 2 : width])}.add` as Vector2Name; // every shape has add
      const all = acc.slice(1).reduce((sum: Vector, a) => vector2(add, sum, a), acc[0] as V);
      if (width === 8) return sum64(code.let(all));
      return sumLanes(width === 4 ? all : vector1("i32x4.extadd_pairwise_i16x8_u", all), "u", code);
    },
  };
}

const INT_OF = { 2: "int16", 4: "int32", 8: "int64" } as const;

function sum64(x: V): I64 {
  return scalar2("i64.add", extract("i64x2.extract_lane", x, 0), extract("i64x2.extract_lane", x, 1));
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
  const acc = zeros(code, 2);
  const add = (k: number, shape: "i32x4" | "i64x2", x: Vector): void =>
    code.f.set(acc[k] as V, vector2(`${shape}.add`, acc[k] as V, x));
  return {
    take: (x, live) => {
      const v = live === null ? x.v : code.map2("v128.and", x.v, code.mask(live, width));
      if (width <= 2)
        code.resize(v, width, 2, signed).forEach((h, k) => {
          add(k % 2, "i32x4", vector1(`i32x4.extadd_pairwise_i16x8_${sign}`, h));
        });
      else
        code.resize(v, width, 8, signed).forEach((w, k) => {
          add(k % 2, "i64x2", w);
        });
    },
    result: () => {
      if (width <= 2) return sumLanes(vector2("i32x4.add", acc[0] as V, acc[1] as V), sign, code);
      return sum64(code.let(vector2("i64x2.add", acc[0] as V, acc[1] as V)));
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
      const per = Math.min(code.elements, 16 / width);
      const joined = acc.slice(1).reduce((m, x) => code.let(better(m, x)), acc[0] as V);
      const all = Array.from({ length: per }, (_, lane) => lanes64(joined, dtype, lane));
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
  // Any false (min) or any true (max), in vectors of whatever width the masks have.
  const acc = zeros(code, 1)[0] as V;
  return {
    take: (x, live) => {
      const hits = kind === "max" ? x.v : code.map1("v128.not", x.v);
      const seen = live === null ? hits : code.map2("v128.and", hits, code.mask(live, x.width));
      // Eight lanes of a byte each fill half a vector, and the other half is anything.
      const used = code.elements * x.width < 16 ? [code.let(lowHalves(seen[0] as V, acc))] : seen;
      for (const v of used) code.f.set(acc, vector2("v128.or", acc, v));
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
  const nan = zeros(code, plan.clean ? 0 : COUNTERS);
  return {
    take: (x, live) => {
      const v = live === null ? x.v : code.select(code.mask(live, width), x.v, identity);
      acc.forEach((a, k) => {
        const y = v[k] as V; // equal counts
        code.f.set(a, vector2(`${shape}.p${kind}`, a, y));
        const seen = nan[k % COUNTERS];
        if (seen !== undefined) code.f.set(seen, vector2("v128.or", seen, vector2(`${shape}.ne`, y, y)));
      });
    },
    result: () => {
      const per = 16 / width;
      const lane = (x: V, k: number): F64 =>
        dtype === "float32"
          ? scalar1("f64.promote_f32", extract("f32x4.extract_lane", x, k))
          : extract("f64x2.extract_lane", x, k);
      const joined = acc.slice(1).reduce((m, x) => code.let(vector2(`${shape}.p${kind}`, m, x)), acc[0] as V);
      const all = Array.from({ length: per }, (_, k) => lane(joined, k));
      const best = code.f.let(all[0] as F64);
      for (const x of all.slice(1)) {
        const next = code.f.let(x);
        const [a, b] = kind === "min" ? [next, best] : [best, next];
        code.f.set(best, select(scalarCompare("f64.lt", a, b), next, best));
      }
      if (nan.length === 0) return best;
      const any = nan.slice(1).reduce((m: Vector, x) => vector2("v128.or", m, x), nan[0] as V);
      return select(anyTrue(any), f64(Number.NaN), best);
    },
  };
}

/** Products in order, lane after lane, onto `start`. */
function floatProduct(code: LaneCode, dtype: "float32" | "float64", start: F64): Accumulator {
  const one = code.f.constant(floatPattern(dtype, 1));
  const masked = (x: Lanes, live: Lanes | null): readonly V[] =>
    live === null
      ? x.v
      : code.select(
          code.mask(live, widthOf(dtype)),
          x.v,
          x.v.map(() => one),
        );
  if (dtype === "float64") {
    const acc = code.f.let(start);
    return {
      take: (x, live) => {
        for (const v of masked(x, live))
          for (const k of [0, 1]) code.f.set(acc, scalar2("f64.mul", acc, extract("f64x2.extract_lane", v, k)));
      },
      result: () => acc,
    };
  }
  const acc = code.f.let(scalar1("f32.demote_f64", start));
  return {
    take: (x, live) => {
      for (const v of masked(x, live))
        for (const k of [0, 1, 2, 3]) code.f.set(acc, scalar2("f32.mul", acc, extract("f32x4.extract_lane", v, k)));
    },
    result: () => scalar1("f64.promote_f32", acc),
  };
}

/** Products modulo 2^64 of 64-bit integers, in two vectors, onto `start`. */
function intProduct(code: LaneCode, start: I64): Accumulator {
  const one = code.f.constant(pattern(8, 1n));
  const acc = [code.let(one), code.let(one)];
  return {
    take: (x, live) => {
      const v =
        live === null
          ? x.v
          : code.select(
              code.mask(live, 8),
              x.v,
              x.v.map(() => one),
            );
      v.forEach((part, k) => {
        const a = acc[k % 2] as V; // two of them
        code.f.set(a, vector2("i64x2.mul", a, part));
      });
    },
    result: () => {
      const both = code.let(vector2("i64x2.mul", acc[0] as V, acc[1] as V));
      const lane = (k: number): I64 => extract("i64x2.extract_lane", both, k);
      return scalar2("i64.mul", start, scalar2("i64.mul", lane(0), lane(1)));
    },
  };
}

/** The accumulator of a plan; products go on from `start`, the slot's value. */
export function accumulatorOf(code: LaneCode, plan: ReducePlan, start: () => Value<Reducible>): Accumulator {
  const { kind, dtype } = plan;
  if (kind === "prod-int") return intProduct(code, start() as I64); // slots of integers hold integers
  if (kind === "prod-float") return floatProduct(code, "float64", start() as F64); // slots of floats hold float64
  if (kind === "prod-single" || kind === "prod-half") return floatProduct(code, "float32", start() as F64);
  invariant(kind !== "first", "a search accumulates nothing");
  if (kind === "sum-float") return floatSum(code);
  if (kind === "sum-int") return dtype === "bool" ? maskCount(code) : intSum(code, dtype);
  if (dtype === "bool") return boolExtreme(code, kind);
  return DTYPES[dtype].kind === "f" ? floatExtreme(code, plan) : intExtreme(code, plan);
}

/** Type of the value that a plan's rows give. */
export function valueType(plan: ReducePlan): Reducible {
  return plan.kind === "first" || slotKind(plan.dtype) === "f64" ? "f64" : "i64";
}
