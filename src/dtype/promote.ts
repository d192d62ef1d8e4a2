/**
 * Promotion of dtypes: NumPy 2 (NEP 50), the only such rules in the project.
 * JavaScript cannot tell `2` from `2.0`: a number without a fraction is a weak integer, any other a weak float.
 */
import { DTypeError } from "../base/index.ts";
import { DTYPES, type DType, type Scalar } from "./dtypes.ts";

const SIGNED: readonly DType[] = ["int8", "int16", "int32", "int64"];
const FLOATS: readonly DType[] = ["float16", "float32", "float64"];

/**
 * Common dtype of two arrays. Source: NumPy `promote_types`.
 * @throws {DTypeError} no common type (datetime with anything else)
 */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  const [x, y] = [DTYPES[a], DTYPES[b]];
  if ("Mm".includes(x.kind) || "Mm".includes(y.kind)) throw new DTypeError(`no common dtype of ${a} and ${b}`);
  if (x.kind === "b") return b;
  if (y.kind === "b") return a;
  if (x.kind === y.kind) return x.itemsize >= y.itemsize ? a : b;
  if (x.kind === "c" || y.kind === "c") {
    const parts = [x, y].map((d) => (d.kind === "c" ? (d.itemsize === 8 ? "float32" : "float64") : d.name) as DType);
    return promoteTypes(parts[0] as DType, parts[1] as DType) === "float64" ? "complex128" : "complex64";
  }
  if (x.kind === "f" || y.kind === "f") {
    const [float, int] = x.kind === "f" ? [x, y] : [y, x];
    const needed = int.itemsize === 1 ? 2 : int.itemsize === 2 ? 4 : 8; // float whose mantissa holds the integer
    return FLOATS[Math.log2(Math.max(float.itemsize, needed)) - 1] as DType;
  }
  const [signed, unsigned] = x.kind === "i" ? [x, y] : [y, x];
  if (signed.itemsize > unsigned.itemsize) return signed.name;
  return unsigned.itemsize === 8 ? "float64" : (SIGNED[Math.log2(unsigned.itemsize) + 1] as DType);
}

/** True for a number that NEP 50 would treat as a Python float. */
export function isWeakFloat(value: Scalar): boolean {
  return typeof value === "number" && !Number.isInteger(value);
}

/**
 * dtype of an operation between an array and a weak scalar.
 * @throws {DTypeError} a weak integer outside the range of an integer array's dtype
 */
export function promoteScalar(dtype: DType, value: Scalar): DType {
  const d = DTYPES[dtype];
  if (typeof value === "boolean") return dtype;
  if (isWeakFloat(value)) return d.kind === "f" || d.kind === "c" ? dtype : "float64";
  if (d.kind === "b") return "int64";
  if (d.min !== undefined && d.max !== undefined) {
    const big = BigInt(value);
    if (big < d.min || big > d.max) {
      throw new DTypeError(
        `constant ${value} is outside the range of ${dtype} (${d.min} to ${d.max}); cast the array with astype first`,
        {
          details: { value: String(value), dtype },
        },
      );
    }
  }
  return dtype;
}

/** dtype of a scalar on its own: bool, int64 or float64. */
export function scalarDType(value: Scalar): DType {
  return typeof value === "boolean" ? "bool" : isWeakFloat(value) ? "float64" : "int64";
}

/**
 * Common dtype of arrays (given by dtype) and weak scalars. Source: NumPy `result_type`.
 * @throws {DTypeError} see {@link promoteTypes} and {@link promoteScalar}
 */
export function resultType(...operands: readonly (DType | Exclude<Scalar, never>)[]): DType {
  const dtypes = operands.filter((o): o is DType => typeof o === "string");
  const scalars = operands.filter((o): o is Scalar => typeof o !== "string");
  if (dtypes.length === 0) return scalars.map(scalarDType).reduce(promoteTypes);
  return scalars.reduce<DType>((dtype, s) => promoteScalar(dtype, s), dtypes.reduce(promoteTypes));
}

/** dtype of true division and of functions that need a float: integers up to 64 bit give float64, floats stay. */
export function trueDivideType(a: DType, b: DType): DType {
  const common = promoteTypes(a, b);
  const kind = DTYPES[common].kind;
  return kind === "f" || kind === "c" ? common : "float64";
}

/** dtype of unary float functions (`sqrt`, `exp`): int8 float16, int16 float32, wider float64. Source: NumPy's loops. */
export function floatType(dtype: DType): DType {
  const d = DTYPES[dtype];
  if (d.kind === "f" || d.kind === "c") return dtype;
  return d.itemsize === 1 ? "float16" : d.itemsize === 2 ? "float32" : "float64";
}

/** Names of reductions whose dtype rules stand here. */
export type ReductionName =
  | "sum"
  | "prod"
  | "mean"
  | "min"
  | "max"
  | "var"
  | "std"
  | "any"
  | "all"
  | "count"
  | "nansum"
  | "nanmean"
  | "nanmin"
  | "nanmax"
  | "nanvar"
  | "nanstd"
  | "nanprod"
  | "argmin"
  | "argmax"
  | "nanargmin"
  | "nanargmax";

/** True for the reductions that give an index, and so must know where a block lies. */
export function givesIndex(op: ReductionName): boolean {
  return op === "argmin" || op === "argmax" || op === "nanargmin" || op === "nanargmax";
}

/** True where a reduction leaves NaN out: the nan* family over floats. */
export function skipsNaN({ op, from }: { readonly op: ReductionName; readonly from: DType }): boolean {
  return op.startsWith("nan") && DTYPES[from].kind === "f";
}

/** dtype of a reduction's result. Source: NumPy 2.4 (kernels.md §11). */
export function reductionType(name: ReductionName, dtype: DType): DType {
  const d = DTYPES[dtype];
  switch (name) {
    case "sum":
    case "nansum":
    case "prod":
    case "nanprod":
      return d.kind === "b" || d.kind === "i" ? "int64" : d.kind === "u" ? "uint64" : dtype;
    case "mean":
    case "nanmean":
    case "var":
    case "std":
    case "nanvar":
    case "nanstd":
      return d.kind === "f"
        ? dtype
        : d.kind === "c"
          ? name === "mean" || name === "nanmean"
            ? dtype
            : d.itemsize === 8
              ? "float32"
              : "float64"
          : "float64";
    case "min":
    case "max":
    case "nanmin":
    case "nanmax":
      return dtype;
    case "any":
    case "all":
      return "bool";
    case "count":
    case "argmin":
    case "argmax":
    case "nanargmin":
    case "nanargmax":
      return "int64";
  }
}
