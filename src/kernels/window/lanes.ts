/** Smaller and larger of two vectors of any dtype. */
import type { DType } from "../../dtype/index.ts";
import { floatPattern, pattern, shapeOf } from "../map/lanes.ts";
import {
  anyTrue,
  type FunctionBuilder,
  type Local,
  laneSelect,
  type Vector,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";

type V = Local<"v128">;

/** dtype that windows of extremes and ranks compute in: the element's own, float16 as float32. */
export function rankDType(dtype: DType): DType {
  return dtype === "float16" ? "float32" : dtype === "bool" ? "uint8" : dtype;
}

/** True where `b` is less than `a`, for 64-bit integers. */
function lessBig(f: FunctionBuilder, dtype: DType, b: V, a: V): Vector {
  if (dtype === "int64") return vector2("i64x2.lt_s", b, a);
  const sign = f.constant(pattern(8, 1n << 63n));
  return vector2("i64x2.lt_s", vector2("v128.xor", b, sign), vector2("v128.xor", a, sign));
}

function integerName(dtype: DType, which: "min" | "max"): Vector2Name {
  return `${shapeOf(dtype)}.${which}_${dtype.startsWith("u") ? "u" : "s"}` as Vector2Name; // 8 to 32 bits: all exist
}

/** The smaller (larger) of `a` and `b`; together a permutation of both as long as none is NaN. */
export function ordered(f: FunctionBuilder, dtype: DType, which: "min" | "max", a: V, b: V): Vector {
  if (dtype === "float32" || dtype === "float64") {
    const shape = shapeOf(dtype) as "f32x4" | "f64x2";
    return which === "min" ? vector2(`${shape}.pmin`, a, b) : vector2(`${shape}.pmax`, b, a);
  }
  if (dtype === "int64" || dtype === "uint64") {
    const less = lessBig(f, dtype, b, a);
    return which === "min" ? laneSelect(1, b, a, less) : laneSelect(1, a, b, less);
  }
  return vector2(integerName(dtype, which), a, b);
}

/**
 * The extreme of both: a number rather than NaN with `skipna`; otherwise a NaN of either stays (as NumPy's maximum), but
 * not its bits: the end of a chain of these is {@link quieted}.
 */
export function extreme(
  f: FunctionBuilder,
  dtype: DType,
  { which, skipna }: { readonly which: "min" | "max"; readonly skipna: boolean },
  a: V,
  b: V,
): Vector {
  if (dtype !== "float32" && dtype !== "float64") return ordered(f, dtype, which, a, b);
  const shape = shapeOf(dtype) as "f32x4" | "f64x2";
  // the first operand when one of them is NaN
  if (!skipna) return vector2("v128.or", vector2(`${shape}.p${which}`, b, a), vector2(`${shape}.ne`, a, a));
  return laneSelect(1, vector2(`${shape}.p${which}`, a, b), b, vector2(`${shape}.eq`, a, a));
}

/** The one quiet NaN in place of any NaN. */
export function quieted(f: FunctionBuilder, dtype: DType, x: V): Vector {
  if (dtype !== "float32" && dtype !== "float64") return x;
  const shape = shapeOf(dtype) as "f32x4" | "f64x2";
  return laneSelect(1, x, f.constant(floatPattern(dtype, Number.NaN)), vector2(`${shape}.eq`, x, x));
}

/** Run `body` where a lane of the vectors is NaN, or their sum is: rare, so one test stands for all. */
export function whereNaN(f: FunctionBuilder, dtype: DType, vectors: readonly V[], body: () => void): void {
  if (dtype !== "float32" && dtype !== "float64") return;
  const shape = shapeOf(dtype) as "f32x4" | "f64x2";
  const sum = vectors.reduce((a, b) => f.let(vector2(`${shape}.add`, a, b)));
  f.if(anyTrue(vector2(`${shape}.ne`, sum, sum)), body);
}
