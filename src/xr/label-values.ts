/** Coordinates from what users write, and as people read them. */
import { ArgumentError } from "../base/index.ts";
import { dtypeInfo } from "../dtype/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { Coordinate } from "./labelled.ts";
import { type TimeLike, timeText, timeValues } from "./time.ts";

/** Labels along one dimension: numbers, or times as dates or ISO texts. */
export type LabelValues = NDArray | readonly (number | TimeLike)[];

/**
 * Labels in memory: whole numbers as int64, other numbers as float64, times as nanoseconds.
 * @throws {ArgumentError} numbers and times mixed, or neither
 */
export function labelBlock(values: readonly (number | TimeLike)[]): NDArray {
  const numbers = values.filter((v) => typeof v === "number");
  if (numbers.length === 0) return timeValues(values as readonly TimeLike[]); // no number among them
  if (numbers.length < values.length) throw new ArgumentError("labels mix numbers with times; expected one kind");
  return numbers.every(Number.isInteger)
    ? new NDArray("int64", BigInt64Array.from(numbers, BigInt), [numbers.length])
    : NDArray.of(Float64Array.from(numbers));
}

/** A coordinate along the dimension of its name, or (from a single value) a scalar. @throws {ArgumentError} two axes */
export function asCoordinate(name: string, given: LabelValues | number | TimeLike): Coordinate {
  if (given instanceof NDArray) {
    if (given.ndim > 1) throw new ArgumentError(`coordinate ${name} has ${given.ndim} axes; expected one`);
    return { dims: given.ndim === 0 ? [] : [name], values: given, attrs: {} };
  }
  if (Array.isArray(given)) return { dims: [name], values: labelBlock(given), attrs: {} };
  const { dtype, data } = labelBlock([given as number | TimeLike]); // neither a block nor a list
  return { dims: [], values: new NDArray(dtype, data, []), attrs: {} };
}

/** First and last labels of a coordinate. */
export function coordinateText(c: Coordinate): string {
  const { values } = c;
  const show = (...at: number[]): string => {
    const v = values.item(...at);
    return dtypeInfo(values.dtype).kind === "M" ? timeText(v as bigint) : String(v);
  };
  if (values.ndim === 0) return show();
  const n = values.size;
  const picks = n <= 4 ? Array.from({ length: n }, (_, i) => show(i)) : [show(0), show(1), "…", show(n - 1)];
  return `(${c.dims.join(", ")}) ${picks.join(" ")}`;
}
