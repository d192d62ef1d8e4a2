/** Partial blocks between tasks: combining them in a fixed order, and the final value. */
import { invariant } from "../base/index.ts";
import { castScalar, DTYPES, type TypedArray, viewOf } from "../dtype/index.ts";
import type { ReduceOp, ReduceSpec } from "../graph/index.ts";
import { ascontiguous, type NDArray } from "../ndarray/index.ts";
import { joinBigs, joinFloats, type SlotKind, slotKind } from "./accumulate.ts";
import type { Accumulation } from "./reduce-plan.ts";

/** Number of components of a partial, as `REDUCE_COMPONENTS` of the expression types names them. */
export function componentCount(op: ReduceOp): number {
  return op === "count" ? 1 : op === "var" || op === "std" ? 3 : 2;
}

/** How the first component of a partial of `spec` is stored. */
export function partialSlot(spec: ReduceSpec): SlotKind {
  switch (spec.op) {
    case "sum":
    case "nansum":
    case "min":
    case "max":
    case "nanmin":
    case "nanmax":
      return slotKind(spec.from);
    case "any":
    case "all":
      return "i64";
    default:
      return "f64";
  }
}

function joinKind(spec: ReduceSpec): Accumulation {
  switch (spec.op) {
    case "min":
    case "nanmin":
    case "all":
      return "min";
    case "max":
    case "nanmax":
    case "any":
      return "max";
    default:
      return "sum-float";
  }
}

/** Components of a contiguous partial: float64 rows and the 64-bit view of the first. */
interface Rows {
  readonly f64: Float64Array;
  readonly big: BigInt64Array | BigUint64Array;
  readonly count: number;
}

function rowsOf(block: NDArray, spec: ReduceSpec): Rows {
  const { data } = ascontiguous(block) as NDArray<"float64">;
  invariant(data instanceof Float64Array, `partial is ${block.dtype}, expected float64`);
  const big = viewOf(partialSlot(spec) === "u64" ? "uint64" : "int64", data.buffer, data.byteOffset, data.length);
  return {
    f64: data,
    big: big as BigInt64Array | BigUint64Array,
    count: data.length / componentCount(spec.op),
  };
}

/** Chan's update of (n, mean, M2). Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm". */
function joinMoments(a: Float64Array, b: Float64Array, m: number): void {
  for (let i = 0; i < m; i++) {
    const [na, nb] = [a[i] as number, b[i] as number];
    if (nb === 0) continue;
    const [meanA, meanB] = [a[m + i] as number, b[m + i] as number];
    const n = na + nb;
    const delta = meanB - meanA;
    a[i] = n;
    a[m + i] = na === 0 ? meanB : meanA + (delta * nb) / n;
    a[2 * m + i] =
      na === 0
        ? (b[2 * m + i] as number)
        : (a[2 * m + i] as number) + (b[2 * m + i] as number) + (delta * delta * na * nb) / n;
  }
}

function joinValues(spec: ReduceSpec, a: Rows, b: Rows): void {
  const m = a.count;
  const kind = joinKind(spec);
  const plain = partialSlot(spec) === "f64";
  for (let i = 0; i < m; i++) {
    const [na, nb] = [a.f64[m + i] as number, b.f64[m + i] as number];
    if (nb === 0) continue;
    if (plain) a.f64[i] = na === 0 ? (b.f64[i] as number) : joinFloats(kind, a.f64[i] as number, b.f64[i] as number);
    else
      a.big[i] =
        na === 0
          ? (b.big[i] as bigint)
          : joinBigs(kind === "sum-float" ? "sum-int" : kind, a.big[i] as bigint, b.big[i] as bigint);
    a.f64[m + i] = na + nb;
  }
}

/**
 * Combine partial blocks of one reduction, in the given order, into `out` (float64, C order; shapes equal). `out` may
 * be the first part.
 */
export function combinePartials(spec: ReduceSpec, parts: readonly NDArray[], out: NDArray): void {
  const target = rowsOf(out, spec);
  const [first, ...rest] = parts.map((p) => rowsOf(p, spec));
  invariant(
    first && out.isContiguous && parts.every((p) => p.size === out.size),
    "partials of one reduction have one shape",
  );
  if (first.f64 !== target.f64) target.big.set(first.big as never); // as integers: NaN payloads survive; one kind by spec
  for (const part of rest) {
    if (spec.op === "count")
      for (let i = 0; i < target.count; i++) target.f64[i] = (target.f64[i] as number) + (part.f64[i] as number);
    else if (spec.op === "var" || spec.op === "std") joinMoments(target.f64, part.f64, target.count);
    else joinValues(spec, target, part);
  }
}

/** Result of cell `i`, before it is cast to the result dtype. */
function finalValue(spec: ReduceSpec, rows: Rows, i: number): number | bigint {
  const m = rows.count;
  const at = (component: number): number => rows.f64[component * m + i] as number; // within the block
  switch (spec.op) {
    case "count":
      return at(0);
    case "mean":
    case "nanmean":
      return at(0) / at(1);
    case "var":
    case "std": {
      const divisor = at(0) - spec.ddof;
      const variance = at(0) === 0 ? Number.NaN : at(2) / Math.max(divisor, 0);
      return spec.op === "std" ? Math.sqrt(variance) : variance;
    }
    case "sum":
    case "nansum":
      return at(1) === 0 ? 0 : partialSlot(spec) === "f64" ? at(0) : (rows.big[i] as bigint);
    case "any":
    case "all":
      return at(1) === 0 ? (spec.op === "all" ? 1 : 0) : (rows.big[i] as bigint);
    default:
      if (at(1) === 0) return Number.NaN; // of integers 0, unless `empty` says otherwise
      return partialSlot(spec) === "f64" ? at(0) + 0 : (rows.big[i] as bigint); // + 0: a zero is +0 whichever came first
  }
}

/** Elements that took part in cell `i`. */
function counted(spec: ReduceSpec, rows: Rows, i: number): number {
  const component = spec.op === "count" || spec.op === "var" || spec.op === "std" ? 0 : 1;
  return rows.f64[component * rows.count + i] as number;
}

/** Turn a partial block into the result: `out` has `spec.dtype`, C order, and the partial's shape without its first axis. */
export function finalizePartial(spec: ReduceSpec, partial: NDArray, out: NDArray): void {
  const rows = rowsOf(partial, spec);
  invariant(
    out.isContiguous && out.size === rows.count && out.dtype === spec.dtype,
    `result is ${out.dtype} of ${out.size}, expected ${spec.dtype} of ${rows.count}`,
  );
  const cells: TypedArray = out.data;
  const { big } = DTYPES[spec.dtype];
  const empty = spec.empty === null ? null : castScalar(spec.empty, spec.dtype);
  for (let i = 0; i < rows.count; i++) {
    const missing = empty !== null && counted(spec, rows, i) < spec.minCount;
    const value = missing ? empty : finalValue(spec, rows, i);
    // One quiet NaN, as in all stores.
    const plain = Number.isNaN(value) ? Number.NaN : value;
    const fits = (typeof value === "bigint") === big && spec.dtype !== "bool";
    cells[out.offset + i] = (fits ? plain : castScalar(plain, spec.dtype)) as never; // of the array's element type by castScalar
  }
}
