/** Arithmetic on shapes and strides. */
import { AxisError, BroadcastError, shownValue } from "../base/index.ts";

/** Product of a shape; 1 for rank 0. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const s of shape) n *= s;
  return n;
}

/** Strides (in elements) of C order. */
export function contiguousStride(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length);
  let step = 1;
  for (let k = shape.length - 1; k >= 0; k--) {
    stride[k] = step;
    step *= shape[k] as number; // k < length
  }
  return stride;
}

/**
 * Shape that all `shapes` broadcast to. Source: NumPy broadcasting.
 * @throws {BroadcastError} sizes that differ and are not 1
 */
export function broadcastShapes(...shapes: readonly (readonly number[])[]): number[] {
  const ndim = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: ndim }, (_, k) => {
    let size = 1;
    for (const s of shapes) {
      const n = s[k - ndim + s.length];
      if (n === undefined || n === 1 || n === size) continue;
      if (size !== 1)
        throw new BroadcastError(
          `shapes ${shapes.map((x) => `(${x.join(", ")})`).join(" and ")} do not broadcast: ${size} and ${n} in axis ${k}`,
        );
      size = n;
    }
    return size;
  });
}

/**
 * `axis` counted from the front.
 * @throws {AxisError} outside the rank
 */
export function normalizeAxis(axis: number, ndim: number): number {
  const k = axis < 0 ? axis + ndim : axis;
  if (Number.isInteger(k) && k >= 0 && k < ndim) return k;
  throw new AxisError(
    Number.isInteger(axis)
      ? `axis ${axis} is out of bounds for rank ${ndim}`
      : `axis ${shownValue(axis)}: expected a whole number, from ${-ndim} to ${ndim - 1}`,
  );
}

/**
 * Sorted axes from one, several or none (all).
 * @throws {AxisError} outside the rank, or repeated
 */
export function normalizeAxes(axis: number | readonly number[] | null | undefined, ndim: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: ndim }, (_, k) => k);
  const axes = (Array.isArray(axis) ? axis : [axis]).map((a: number) => normalizeAxis(a, ndim));
  if (new Set(axes).size !== axes.length) throw new AxisError(`axes ${JSON.stringify(axis)} repeat an axis`);
  return axes.sort((a, b) => a - b);
}
