/** Inputs of the grid: shapes, value patterns, views, cuts. All deterministic. */
import { allocate, type DType, dtypeInfo } from "../../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../../src/ndarray/index.ts";

/** `plain`: small values with ties; `holes`: the same with NaN here and there; `special`: the ends of the dtype. */
export type Pattern = "plain" | "holes" | "special";

/** One kind of input. */
export interface Profile {
  readonly name: string;
  readonly shape: readonly number[];
  readonly pattern: Pattern;
  /** Built larger and cut by a strided, partly reversed slice. */
  readonly strided?: true;
}

/** Every kind of input. */
export const PROFILES: readonly Profile[] = [
  { name: "line", shape: [13], pattern: "plain" },
  { name: "plane", shape: [5, 7], pattern: "holes" },
  { name: "special", shape: [37], pattern: "special" },
  { name: "0-d", shape: [], pattern: "plain" },
  { name: "view", shape: [4, 9], pattern: "plain", strided: true },
  { name: "one", shape: [1], pattern: "plain" },
  { name: "cube", shape: [3, 4, 5], pattern: "plain" },
  { name: "empty", shape: [0], pattern: "plain" },
  { name: "empty plane", shape: [3, 0], pattern: "plain" },
  { name: "special plane", shape: [6, 11], pattern: "special", strided: true },
];

/** Ways to cut an axis of `n`. */
export type Cutting = "whole" | "thirds" | "uneven";
export const CUTTINGS: readonly Cutting[] = ["thirds", "whole", "uneven"];

/** Sizes of the blocks along an axis. */
export function cut(n: number, cutting: Cutting): readonly number[] {
  if (cutting === "whole" || n < 2) return [n];
  if (cutting === "uneven") return [1, n - 1];
  const size = Math.ceil(n / 3);
  const full = Math.floor(n / size);
  return [...Array<number>(full).fill(size), ...(n % size ? [n % size] : [])];
}

const PLAIN = [0, 1, 3, -2, 5, 7, -4, 2, 6, 3, -1, 8, 9, -5, 4] as const;
const FLOATS = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e-3,
  Math.PI,
  -Math.PI,
  3.75,
  100.25,
  -7,
  2,
  0.1,
  -8.125,
  9.5,
  10,
] as const;

/** Ends of the float types: largest, smallest normal, subnormals. */
const EXTREMES: Readonly<Partial<Record<DType, readonly number[]>>> = {
  float16: [65504, 6.104e-5, 6e-8, -3e-6],
  float32: [3.4028234663852886e38, 1.1754943508222875e-38, 1e-45, -3e-40],
  float64: [Number.MAX_VALUE, 2.2250738585072014e-308, 5e-324, -3e-310],
  complex64: [1e20, 1e-20, -3, 0.25],
  complex128: [1e150, 1e-150, -3, 0.25],
};

function real(dtype: DType, pattern: Pattern, i: number): number {
  if (pattern === "special") {
    const all = [...FLOATS, ...(EXTREMES[dtype] ?? [])];
    return all[(i * 11) % all.length] as number;
  }
  const base = PLAIN[(i * 7) % PLAIN.length] as number;
  if (pattern === "holes" && i % 6 === 2) return Number.NaN;
  return base + (i % 4) / 4;
}

function integer(dtype: DType, pattern: Pattern, i: number): bigint {
  const { min = 0n, max = 1n, kind } = dtypeInfo(dtype);
  if (pattern === "special") {
    const all = [max, min, 0n, 1n, min + 1n, max - 1n, kind === "i" ? -1n : 2n, max / 2n + 1n, 7n, max / 3n];
    return all[(i * 3) % all.length] as bigint;
  }
  const base = BigInt(PLAIN[(i * 7) % PLAIN.length] as number);
  return kind === "u" && base < 0n ? -base : base;
}

/** Values of `pattern` from element `salt` on. */
export function values(dtype: DType, shape: readonly number[], pattern: Pattern, salt = 0): NDArray {
  const n = sizeOf(shape);
  const data = allocate(dtype, n);
  const { kind, big, components } = dtypeInfo(dtype);
  for (let k = 0; k < n * components; k++) {
    const i = k + salt;
    if (kind === "b") data[k] = (i * 5) % 7 < 3 ? 1 : 0;
    else if (kind === "f" || kind === "c") data[k] = real(dtype, pattern, kind === "c" ? i + (k % 2) * 4 : i);
    else {
      const v = integer(dtype, pattern, i);
      data[k] = (big ? v : Number(v)) as never; // the array class of the dtype
    }
  }
  return new NDArray(dtype, data, shape);
}
