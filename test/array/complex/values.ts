/** Complex blocks for tests, and how far two of them are apart. */

import { seededRandom } from "../../../src/base/index.ts";
import { allocate, type DType } from "../../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../../src/ndarray/index.ts";

/** Numbers around 0 with parts of several magnitudes, the same for the same seed; integers for other dtypes. */
export function numbers(dtype: DType, shape: readonly number[], seed = 1): NDArray {
  const { next: random } = seededRandom(seed);
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const v = (random() - 0.5) * 2 ** Math.floor(random() * 5);
    const isFloat = dtype.startsWith("float") || dtype.startsWith("complex");
    const whole = Math.floor(v * 4) * (dtype.startsWith("u") || dtype === "bool" ? Math.sign(v) : 1);
    data[i] = (
      data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(whole) : isFloat ? v : whole
    ) as never; // the class's elements
  }
  if (dtype === "bool") for (let i = 0; i < data.length; i++) data[i] = ((data[i] as number) & 1) as never;
  return new NDArray(dtype, data, shape);
}

/** All pairs of these parts, as complex128. */
export function pairs(parts: readonly number[]): NDArray {
  const data = Float64Array.from(parts.flatMap((re) => parts.flatMap((im) => [re, im])));
  return new NDArray("complex128", data, [parts.length ** 2]);
}

/** Difference of two numbers; none between equal infinities or two NaN. */
const gapOf = (a: number, b: number): number => (a === b || (Number.isNaN(a) && Number.isNaN(b)) ? 0 : a - b);

/** Largest distance of two blocks' elements relative to the wanted one; NaN where only one has a NaN. */
export function distance(got: NDArray, want: NDArray): number {
  const step = got.dtype.startsWith("complex") ? 2 : 1;
  const part = (x: NDArray, i: number): number => Number(x.data[i] ?? 0);
  let worst = 0;
  for (let i = 0; i < got.size * step; i += step) {
    const size = Math.hypot(part(want, i), step === 2 ? part(want, i + 1) : 0);
    const second = step === 2 ? gapOf(part(got, i + 1), part(want, i + 1)) : 0;
    const gap = Math.hypot(gapOf(part(got, i), part(want, i)), second);
    if (Number.isNaN(gap)) return gap;
    if (gap !== 0) worst = Math.max(worst, gap / size);
  }
  return worst;
}

/** Root of the mean square distance over that of `want`. */
export function relativeRms(got: NDArray, want: NDArray): number {
  const [a, b] = [got.data as Float64Array, want.data as Float64Array];
  let [gap, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    gap += (Number(a[i]) - Number(b[i])) ** 2;
    size += Number(b[i]) ** 2;
  }
  return size === 0 ? Math.sqrt(gap) : Math.sqrt(gap / size);
}
