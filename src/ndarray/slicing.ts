/** Slicing algebra: NumPy's basic indexing on one block, and normalised slices for many blocks. */
import { SelectionError } from "../base/index.ts";

/** A slice with known bounds: elements `start, start + step, …`, `count` of them. `step` is never 0. */
export interface Range {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What one axis of a basic index says: an element (axis dropped), a range, or a new axis. */
export type AxisIndex =
  | { readonly kind: "element"; readonly at: number }
  | ({ readonly kind: "range" } & Range)
  | { readonly kind: "newaxis" };

/** Input forms: number, `":"`, `"10:20"`, `"::-1"`, `[start, stop, step?]` with nulls, null (new axis), `"..."`. */
export type SliceArg = number | string | null | readonly (number | null)[];

/**
 * Python's `slice(start, stop, step).indices(n)` as a {@link Range}.
 * @throws {SelectionError} step 0 or a bound that is no integer
 */
export function rangeOf(start: number | null, stop: number | null, step: number | null, n: number): Range {
  const by = step ?? 1;
  for (const v of [start, stop, by])
    if (v !== null && !Number.isInteger(v)) throw new SelectionError(`slice bound ${v} is not an integer`);
  if (by === 0) throw new SelectionError("slice step must not be 0");
  const clamp = (v: number, lo: number, hi: number): number => Math.min(Math.max(v < 0 ? v + n : v, lo), hi);
  const [lo, hi] = by > 0 ? [0, n] : [-1, n - 1];
  const from = start === null ? (by > 0 ? 0 : n - 1) : clamp(start, lo, hi);
  const to = stop === null ? (by > 0 ? n : -1) : clamp(stop, lo, hi);
  return { start: from, step: by, count: Math.max(0, Math.ceil((to - from) / by)) };
}

/**
 * Basic index of an array of `shape` from user arguments: one per axis, `"..."` fills, missing ones are `":"`.
 * A single string may hold several, separated by commas.
 * @throws {SelectionError} too many indices, an index out of bounds, text that is no slice
 */
export function parseIndex(args: readonly SliceArg[], shape: readonly number[]): AxisIndex[] {
  const parts = args.flatMap((a): SliceArg[] => (typeof a === "string" ? a.split(",").map((s) => s.trim()) : [a]));
  const consuming = parts.filter((p) => p !== null && p !== "..." && p !== "newaxis").length;
  if (consuming > shape.length) throw new SelectionError(`too many indices: ${consuming} for rank ${shape.length}`);
  const out: AxisIndex[] = [];
  let axis = 0;
  const whole = (upTo: number): void => {
    for (; axis < upTo; axis++) out.push({ kind: "range", start: 0, step: 1, count: shape[axis] as number });
  };
  let ellipses = 0;
  parts.forEach((part) => {
    if (part === null || part === "newaxis") out.push({ kind: "newaxis" });
    else if (part === "...") {
      if (++ellipses > 1) throw new SelectionError('an index can hold only one "..."');
      whole(axis + shape.length - consuming);
    } else {
      out.push(axisIndex(part, axis, shape[axis] as number)); // consuming <= rank
      axis++;
    }
  });
  whole(shape.length);
  return out;
}

function axisIndex(part: Exclude<SliceArg, null>, axis: number, n: number): AxisIndex {
  const text = typeof part === "string" ? part : null;
  if (text !== null && !/^[+-]?\d*(:[+-]?\d*){0,2}$/.test(text))
    throw new SelectionError(`${JSON.stringify(text)} is not a slice; expected e.g. "10:20" or "::-1"`);
  if (text === "") throw new SelectionError("empty index");
  if (typeof part === "number" || (text !== null && !text.includes(":"))) {
    const given = Number(part);
    const at = given < 0 ? given + n : given;
    if (!Number.isInteger(at) || at < 0 || at >= n)
      throw new SelectionError(`index ${given} is out of bounds for axis ${axis} of size ${n}`);
    return { kind: "element", at };
  }
  if (Array.isArray(part) && part.length !== 2 && part.length !== 3)
    throw new SelectionError(
      `[${part.join(", ")}] is not a slice; expected [start, stop] or [start, stop, step]; a list of indices is an Int32Array`,
    );
  const bounds =
    text !== null ? text.split(":").map((s) => (s === "" ? null : Number(s))) : (part as readonly (number | null)[]);
  return { kind: "range", ...rangeOf(bounds[0] ?? null, bounds[1] ?? null, bounds[2] ?? null, n) };
}
