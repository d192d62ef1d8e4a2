/** How near a result must come to NumPy's. */
import { dtypeInfo } from "../../../src/dtype/index.ts";
import { ascontiguous, type NDArray } from "../../../src/ndarray/index.ts";

/**
 * - `bits`: the same bits, any NaN equal to any NaN;
 * - `either-zero`: the same, and 0 equals -0 (NumPy's own choice varies with the length);
 * - `{ ulp }`: at most so many units in the last place, of the result's dtype (two numbers: float32 and lower, float64);
 * - `{ relative }`: at most so much of the largest finite magnitude in the expected result, for float64 results;
 *   narrower results are held to their own precision.
 */
export type Measure =
  | "bits"
  | "either-zero"
  | { readonly ulp: number | readonly [number, number] }
  | { readonly relative: number };

const PRECISION: Readonly<Record<string, number>> = {
  float16: 2 ** -10,
  float32: 2 ** -23,
  float64: 2 ** -52,
  complex64: 2 ** -23,
  complex128: 2 ** -52,
};
const SMALLEST: Readonly<Record<string, number>> = {
  float16: 2 ** -24,
  float32: 2 ** -149,
  float64: 2 ** -1074,
  complex64: 2 ** -149,
  complex128: 2 ** -1074,
};

function allowed(measure: Measure, dtype: string, want: number, largest: number): number {
  if (typeof measure === "string") return 0;
  const precision = PRECISION[dtype] as number; // floats only
  if ("relative" in measure) return Math.max(measure.relative, precision === 2 ** -52 ? 0 : precision) * largest;
  const narrow = precision > 2 ** -52;
  const ulp = typeof measure.ulp === "number" ? measure.ulp : measure.ulp[narrow ? 0 : 1];
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(want))), -1074);
  return ulp * Math.max(2 ** Math.max(exponent, -1074) * precision, SMALLEST[dtype] as number);
}

/** What differs, in words; null when nothing does. */
export function difference(got: NDArray, want: NDArray, measure: Measure): string | null {
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, NumPy ${want.dtype}`;
  if (got.shape.join() !== want.shape.join()) return `shape (${got.shape}), NumPy (${want.shape})`;
  const [mine, theirs] = [ascontiguous(got), ascontiguous(want)];
  const { kind, components } = dtypeInfo(got.dtype);
  const from = mine.offset * components;
  const n = want.size * components;
  if (kind !== "f" && kind !== "c") {
    for (let i = 0; i < n; i++) {
      if (mine.data[from + i] !== theirs.data[i]) return `[${i}] ${mine.data[from + i]}, NumPy ${theirs.data[i]}`;
    }
    return null;
  }
  let largest = 0;
  for (let i = 0; i < n; i++) {
    const size = Math.abs(Number(theirs.data[i]));
    if (size > largest && size < Number.POSITIVE_INFINITY) largest = size;
  }
  for (let i = 0; i < n; i++) {
    const [a, b] = [Number(mine.data[from + i]), Number(theirs.data[i])];
    if (Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (measure !== "bits" && a === b) continue;
    if (Math.abs(a - b) <= allowed(measure, got.dtype, b, largest)) continue;
    return `[${i}] ${Object.is(a, -0) ? "-0" : a}, NumPy ${Object.is(b, -0) ? "-0" : b}`;
  }
  return null;
}
