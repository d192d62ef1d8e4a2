/**
 * Medians of sorted columns, all pixels of a group at once. Of the elements that take no part every second one, lane by
 * lane, was put before all others and the rest behind them: so the middle of those that do take part lies in the middle
 * of the column, whatever their number, and a group needs no table of ranks.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { storeContiguous } from "../map/access.ts";
import { lowerCast } from "../map/cast.ts";
import { floatPattern, type LaneCode, type Lanes, pattern, shapeOf, type V, widthOf } from "../map/lanes.ts";
import {
  type I32,
  i32,
  type Local,
  loadVector,
  scalar2,
  select,
  splat,
  type Vector,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { WORD, type Words } from "./words.ts";

/** True for dtypes whose medians are taken so: means of two are exact, or rounded once in the result's own dtype. */
export function hasMiddle(dtype: DType, out: DType): boolean {
  const isFloat = out === "float32" || out === "float64";
  return isFloat && (dtype === out || (DTYPES[dtype].kind !== "f" && widthOf(dtype) === 2));
}

/** Smallest value of a dtype that {@link hasMiddle}. */
export function smallest(dtype: DType): Uint8Array {
  if (DTYPES[dtype].kind === "f") return floatPattern(dtype as "float32" | "float64", Number.NEGATIVE_INFINITY);
  return pattern(widthOf(dtype), DTYPES[dtype].min as bigint); // integers have one
}

interface Middle {
  readonly dtype: DType;
  readonly out: "float32" | "float64";
  /** How many elements of each pixel take part; null: all rows. */
  readonly counts: readonly V[] | null;
  /** A pixel without one of the rows has no result. */
  readonly whole: boolean;
  readonly rows: I32;
  readonly result: Local<"i32">;
}

/** Stores the medians of a group, whose four columns are sorted. */
export function emitMiddle(code: LaneCode, w: Words, m: Middle): void {
  const { f } = code;
  const { dtype, out, result } = m;
  const width = widthOf(dtype);
  const half = scalar2("i32.shr_u", m.rows, i32(1));
  const below = scalar2("i32.sub", half, i32(1));
  const low = f.let(scalar2("i32.shl", select(half, below, i32(0)), i32(4)));
  const high = f.let(scalar2("i32.shl", half, i32(4)));
  const single = f.let(select(scalar2("i32.and", m.rows, i32(1)), high, low));
  const at = (offset: I32): Lanes => {
    const v = [0, 1, 2, 3].map((k) => {
      const column = scalar2("i32.add", w.word("sorted"), scalar2("i32.mul", w.word("column"), i32(k)));
      const base = scalar2("i32.add", column, offset);
      return code.let(loadVector("v128.load", { memory: w.scratch, base, offset: 0 }));
    });
    return lowerCast(code, { dtype, width, v }, out);
  };
  const [a, b, one] = [at(low), at(high), at(single)];
  const shape = shapeOf(out) as "f32x4" | "f64x2";
  const halves = code.splat(widthOf(out), floatPattern(out, 0.5));
  const mean = code.map2(`${shape}.mul`, code.map2(`${shape}.add`, a.v, b.v), halves);
  // The mean of -0 is 0.
  const zero = code.splat(widthOf(out), new Uint8Array(16));
  const { isOdd, isMissing } = masksOf(code, m);
  const odd = code.mask(isOdd, widthOf(out));
  const value = code.map2(`${shape}.add`, code.select(odd, one.v, mean), zero);
  const missing = loadVector(out === "float32" ? "v128.load32_splat" : "v128.load64_splat", {
    memory: w.scratch,
    base: w.block,
    offset: WORD.missing,
  });
  const none = code.let(missing);
  const v =
    isMissing === null
      ? value
      : code.select(
          code.mask(isMissing, widthOf(out)),
          value.map(() => none),
          value,
        );
  storeContiguous(code, { ...a, v }, { memory: w.scratch, base: result, offset: 0 });
}

interface Masks {
  readonly isOdd: Lanes;
  readonly isMissing: Lanes | null;
}

/** Masks of pixels with an odd number of elements, and of those without a result. */
function masksOf(code: LaneCode, { dtype, counts, whole, rows }: Middle): Masks {
  const width = widthOf(dtype);
  const ints = ({ 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" } as const)[width];
  const lanes = (v: readonly V[]): Lanes => ({ dtype: "bool", width, v });
  const one = code.f.constant(pattern(width, 1n));
  const word = splat(width === 2 ? "i16x8.splat" : "i32x4.splat", rows);
  const all = code.let(width === 8 ? vector2("v128.and", word, code.f.constant(pattern(8, 0xffffffffn))) : word);
  const n = counts ?? [all, all, all, all];
  const same = (x: Vector, y: Vector): V => code.let(vector2(`${ints}.eq` as Vector2Name, x, y)); // every shape has eq
  const isOdd = lanes(n.map((x) => same(vector2("v128.and", x, one), one)));
  if (counts === null) return { isOdd, isMissing: null };
  const zero = code.f.constant(new Uint8Array(16));
  const isMissing = counts.map((x) => (whole ? code.let(vector1("v128.not", same(x, all))) : same(x, zero)));
  return { isOdd, isMissing: lanes(isMissing) };
}
