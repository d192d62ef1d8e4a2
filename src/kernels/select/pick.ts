/** Code that picks ranks of sorted columns by a table and interpolates, one pixel after another. */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { widthOf } from "../map/lanes.ts";
import {
  type Address,
  type FunctionBuilder,
  f64,
  type I32,
  i32,
  i64,
  type Local,
  loadScalar,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  type Value,
} from "../wasm/builder.ts";
import type { Ending } from "./quantile.ts";
import { WORD, type Words } from "./words.ts";

/** How a module ends. */
export interface Pick {
  readonly ending: Ending;
  /** Interpolate floats in their own dtype instead of float64. */
  readonly narrow: boolean;
  /** Elements without a count of their own: every row takes part, or the result is missing. */
  readonly whole: boolean;
  /** dtype of the result: the values' for `element`, else float32 or float64. */
  readonly out: DType;
}

/** Bytes of one entry of a table: offsets of two vectors in a column (the first -1: missing), and a weight. */
export const ENTRY_BYTES = 16;

interface PickShape {
  readonly dtype: DType;
  /** Counts lie in scratch. */
  readonly counted: boolean;
  readonly pick: Pick;
  readonly w: Words;
  readonly rows: I32;
  readonly result: Local<"i32">;
}

type Float = Value<"f32"> | Value<"f64">;

/** `value` as a float of `type`. */
function toFloat(value: Float, type: "f32" | "f64"): Float {
  if (value.type === type) return value;
  return type === "f32" ? scalar1("f32.demote_f64", value) : scalar1("f64.promote_f32", value);
}

function arithmetic(op: "add" | "sub" | "mul", a: Float, b: Float): Float {
  return a.type === "f32" && b.type === "f32"
    ? scalar2(`f32.${op}`, a, b)
    : scalar2(`f64.${op}`, toFloat(a, "f64") as Value<"f64">, toFloat(b, "f64") as Value<"f64">); // toFloat gives its type
}

/** One element as its own float, or as float64. */
function elementOf(dtype: DType, at: Address): Float {
  switch (dtype) {
    case "float32":
      return loadScalar("f32.load", at);
    case "float64":
      return loadScalar("f64.load", at);
    case "int16":
      return scalar1("f64.convert_i32_s", loadScalar("i32.load16_s", at));
    case "uint16":
      return scalar1("f64.convert_i32_u", loadScalar("i32.load16_u", at));
    case "int32":
      return scalar1("f64.convert_i32_s", loadScalar("i32.load", at));
    case "uint32":
      return scalar1("f64.convert_i32_u", loadScalar("i32.load", at));
    default:
      return scalar1(dtype === "uint64" ? "f64.convert_i64_u" : "f64.convert_i64_s", bits64(dtype, at));
  }
}

/** An element of 64 bits as it was before it was sorted. */
function bits64(dtype: DType, at: Address): Value<"i64"> {
  const x = loadScalar("i64.load", at);
  return dtype === "uint64" ? scalar2("i64.xor", x, i64(1n << 63n)) : x;
}

const RAW = {
  2: ["i32.load16_u", "i32.store16"],
  4: ["i32.load", "i32.store"],
  8: ["i64.load", "i64.store"],
} as const;

function storeFloat(f: FunctionBuilder, at: Address, x: Float, out: DType): void {
  if (out === "float32") f.storeScalar("f32.store", at, toFloat(x, "f32"));
  else f.storeScalar("f64.store", at, toFloat(x, "f64"));
}

/** Mean of two elements; equal ones are not added, so that large ones do not overflow. */
function middle(f: FunctionBuilder, { dtype, pick }: PickShape, at: readonly [Address, Address], to: Address): void {
  const [a, b] = at.map((x) => f.let(elementOf(dtype, x) as Value<"f64">)) as [Local<"f64">, Local<"f64">]; // or both f32
  const half = arithmetic("mul", arithmetic("add", a, b), constant(a.type, 0.5));
  const same = scalarCompare("i32.eq", at[0].base, at[1].base);
  const x = select(same, a, half as Value<"f64">); // of a's type
  storeFloat(f, to, arithmetic("add", x, constant(a.type, 0)), pick.out); // the mean of -0 is 0
}

function constant(type: "f32" | "f64", x: number): Float {
  return toFloat(f64(x), type);
}

/** NumPy's `_lerp`. */
function between(
  f: FunctionBuilder,
  { dtype, pick }: PickShape,
  at: readonly [Address, Address],
  o: { readonly weight: Value<"f64">; readonly to: Address },
): void {
  const [a, b] = at.map((x) => f.let(elementOf(dtype, x) as Value<"f64">)) as [Local<"f64">, Local<"f64">]; // or both f32
  const exact = dtype === "int64" || dtype === "uint64";
  const gap = exact
    ? scalar1("f64.convert_i64_u", scalar2("i64.sub", bits64(dtype, at[1]), bits64(dtype, at[0])))
    : arithmetic("sub", b, a);
  const step = f.let(gap as Value<"f64">); // f32 where a is
  const weight = f.let(o.weight);
  const as = (x: Float): Float => (pick.narrow ? toFloat(x, a.type) : toFloat(x, "f64"));
  const one = f64(1);
  f.if(
    scalarCompare("f64.ge", weight, f64(0.5)),
    () => {
      const back = arithmetic("mul", as(step), as(scalar2("f64.sub", one, weight)));
      storeFloat(f, o.to, arithmetic("sub", as(b), back), pick.out);
    },
    () => storeFloat(f, o.to, arithmetic("add", as(a), arithmetic("mul", as(step), as(weight))), pick.out),
  );
}

/** Picks all quantiles of the 64 / width pixels of a group. */
export function emitPick(f: FunctionBuilder, shape: PickShape): void {
  const { dtype, pick, w } = shape;
  const width = widthOf(dtype) as 2 | 4 | 8; // bytes are sorted as 16 bits
  const outWidth = DTYPES[pick.out].itemsize as 2 | 4 | 8; // by Pick
  const at = (base: I32, offset = 0): Address => ({ memory: w.scratch, base, offset });
  const quantiles = f.let(w.word("quantiles"));
  const table = f.let(w.word("table"));
  const row = f.let(shape.result);
  const [to, lane, count, column] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  const [entry, low, high] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const pickOne = (): void => {
    const pair = [at(low), at(high)] as const;
    if (pick.ending === "element") {
      const [load, store] = RAW[width];
      if (width === 8) f.storeScalar(store, at(to), bits64(dtype, pair[0]));
      else f.storeScalar(store, at(to), loadScalar(load, pair[0]));
    } else if (pick.ending === "middle") middle(f, shape, pair, at(to));
    else between(f, shape, pair, { weight: loadScalar("f64.load", at(entry, 8)), to: at(to) });
  };
  const oneLane = (): void => {
    if (shape.counted) {
      const load = width === 2 ? "i32.load16_u" : "i32.load";
      const n = loadScalar(load, at(count));
      f.set(entry, pick.whole ? scalarCompare("i32.eq", n, shape.rows) : n);
    } else f.set(entry, i32(pick.whole ? 1 : 0));
    f.set(entry, scalar2("i32.add", table, scalar2("i32.mul", entry, i32(ENTRY_BYTES))));
    f.set(low, loadScalar("i32.load", at(entry)));
    const [load, store] = RAW[outWidth];
    f.if(
      scalarCompare("i32.lt_s", low, i32(0)),
      () => f.storeScalar(store, at(to), loadScalar(load, at(w.block, WORD.missing))),
      () => {
        f.set(high, scalar2("i32.add", column, scalar2("i32.add", lane, loadScalar("i32.load", at(entry, 4)))));
        f.set(low, scalar2("i32.add", column, scalar2("i32.add", lane, low)));
        pickOne();
      },
    );
  };
  f.doWhile(
    () => quantiles,
    () => {
      f.set(to, row);
      f.set(count, w.word("counts"));
      f.set(column, w.word("sorted"));
      const end = f.let(scalar2("i32.add", count, i32(64)));
      f.doWhile(
        () => scalarCompare("i32.lt_u", count, end),
        () => {
          f.set(lane, i32(0));
          f.doWhile(
            () => scalarCompare("i32.lt_u", lane, i32(16)),
            () => {
              oneLane();
              for (const local of [lane, count]) f.set(local, scalar2("i32.add", local, i32(width)));
              f.set(to, scalar2("i32.add", to, i32(outWidth)));
            },
          );
          f.set(column, scalar2("i32.add", column, w.word("column")));
        },
      );
      f.set(table, scalar2("i32.add", table, w.word("tableStep")));
      f.set(row, scalar2("i32.add", row, w.word("resultStep")));
      f.set(quantiles, scalar2("i32.sub", quantiles, i32(1)));
    },
  );
}
