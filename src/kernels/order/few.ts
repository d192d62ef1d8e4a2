/**
 * Places among a few edges: their number less that of the edges that an element is below, counted edge by edge in vector
 * lanes. Edges are moved to the nearest number of the elements' own dtype that parts them alike, so that nothing is
 * converted before it is compared.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { KernelCall } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";

/** Edges that cost less one by one than a search. */
const EDGES_MAX = 16;
const RANGES: Readonly<Partial<Record<DType, readonly [least: number, most: number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
};

/** What elements are compared with: below it (`lt`), or not above it (`le`), and how many edges stand for. */
interface Thresholds {
  readonly op: "lt" | "le";
  readonly dtype: DType;
  readonly values: readonly number[];
  /** Edges that no element is below. */
  readonly passed: number;
}

const single = new Float32Array(1);
const bits = new Int32Array(single.buffer);

/** The float32 nearest to `x` that is not on its other side: `by` 1 not below it, −1 not above it. */
function float32Beside(x: number, by: 1 | -1): number {
  const near = Math.fround(x);
  if (near === x || (by === 1 ? near > x : near < x)) return near;
  single[0] = near;
  if (near === 0) return by * 2 ** -149;
  bits[0] = (bits[0] as number) + (near > 0 === (by === 1) ? 1 : -1); // the next number away from zero, or towards it
  return single[0] as number;
}

/** Thresholds of sorted edges, or null for dtypes and edges of other ways. */
function thresholdsOf(dtype: DType, edges: Float64Array, right: boolean): Thresholds | null {
  const range = RANGES[dtype];
  if (range) {
    // an edge that is not above x, or below it: x is not below the next whole number
    const whole = Array.from(edges, (e) => (right ? Math.ceil(e) : Math.floor(e) + 1));
    const values = whole.filter((t) => t > range[0] && t <= range[1]);
    return { op: "lt", dtype, values, passed: whole.filter((t) => t <= range[0]).length };
  }
  const op = right ? "lt" : "le";
  if (dtype === "float64") return { op, dtype, values: [...edges], passed: 0 };
  if (dtype !== "float32" && dtype !== "float16") return null;
  return { op, dtype: "float32", values: Array.from(edges, (e) => float32Beside(e, right ? 1 : -1)), passed: 0 };
}

const calls = new Map<string, KernelCall>();

/** Elements `from` counted in integers as wide as what is compared; `descending` asks for the edges that they are below. */
function callOf(from: DType, { op, dtype, values }: Thresholds, descending: boolean): KernelCall {
  const key = `${from} ${op} ${values.length} ${descending}`;
  const known = calls.get(key);
  if (known !== undefined) return known;
  const b = new CallBuilder();
  const counted: DType = dtype === "float64" ? "int64" : dtype === "float32" ? "int32" : dtype;
  const zero = DTYPES[counted].big ? 0n : 0;
  const total = b.param(zero, counted);
  const x = b.cast(b.input(from), dtype);
  const below = values.map(() => b.cast(b.compare(op, x, b.param(0, dtype)), counted));
  const sum = below.reduce((p, q) => b.binary("add", p, q));
  const call = b.build([b.cast(b.binary(descending ? "add" : "sub", total, sum), "int64")]);
  calls.set(key, call);
  return call;
}

/**
 * Places of `x` among few sorted `edges` into `out` (int64): how many are below an element, with `right` not above it;
 * with `descending` how many are not. False, and nothing done, where there are more, or NaN among them.
 */
export function placeAmongFew(
  x: NDArray,
  edges: Float64Array,
  out: NDArray,
  { right, descending }: { readonly right: boolean; readonly descending: boolean },
): boolean {
  if (edges.length > EDGES_MAX || edges.some(Number.isNaN)) return false;
  const thresholds = thresholdsOf(x.dtype, edges, right);
  if (thresholds === null || thresholds.values.length === 0) return false;
  const { values, passed, dtype } = thresholds;
  const never = edges.length - values.length - passed; // edges that every element is below
  const total = descending ? never : passed + values.length;
  runMap(
    { ...callOf(x.dtype, thresholds, descending), params: [dtype === "float64" ? BigInt(total) : total, ...values] },
    [x],
    [out],
    out.shape,
  );
  return true;
}

/** What elements are compared with to be counted. */
export interface CountThreshold {
  readonly value: number;
  /** Nothing of the dtype is so large. */
  readonly isNever: boolean;
}

/**
 * For sorted edges: elements that are not below the first ones are those that are not below the threshold; above the last
 * edge are those above it (floats) or not below it (integers). Null where there are more, or NaN among them.
 */
export function countThresholds(dtype: DType, edges: Float64Array): CountThreshold[] | null {
  if (edges.length > EDGES_MAX || edges.some(Number.isNaN)) return null;
  const last = edges.length - 1;
  const range = RANGES[dtype];
  return Array.from(edges, (e, k) => {
    if (dtype === "float64") return { value: e, isNever: false };
    if (!range) return { value: float32Beside(e, k === last ? -1 : 1), isNever: false };
    const whole = k === last ? Math.floor(e) + 1 : Math.ceil(e);
    return { value: Math.min(Math.max(whole, range[0]), range[1]), isNever: whole > range[1] };
  });
}
