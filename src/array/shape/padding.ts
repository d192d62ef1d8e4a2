/** Padding: NumPy's `pad` in its eleven modes. */
import { ArgumentError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { dtypeInfo, type Scalar } from "../../dtype/index.ts";
import type { LayerNode } from "../../graph/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { elementwise } from "../elementwise/layer.ts";
import { binaryTerm, lift, type Term, whereTerm } from "../elementwise/terms.ts";
import { known } from "../inputs.ts";
import type { LazyArray } from "../lazy.ts";
import { median } from "../order/selection.ts";
import { broadcastLayer } from "./broadcasting.ts";
import type { ArrayLike } from "./create.ts";
import { concatenate } from "./joining.ts";
import { constantPadLayer, type Pair, paddedChunks, repeatPadLayer } from "./pad-layer.ts";
import { countUp } from "./ranges.ts";
import { sliceAxis } from "./rearranging.ts";

/** How the padding is filled. */
export type PadMode =
  | "constant"
  | "edge"
  | "linear_ramp"
  | "maximum"
  | "mean"
  | "median"
  | "minimum"
  | "reflect"
  | "symmetric"
  | "wrap"
  | "empty";

/** One number for all, `[before, after]` for all axes, a pair for each axis, or an object of these by axis. */
export type PadPairs<T> =
  | T
  | readonly [T]
  | readonly [T, T]
  | readonly (readonly [T] | readonly [T, T])[]
  | { readonly [axis: number]: T | readonly [T, T] };

/** Options of {@link pad}. */
export interface PadOptions {
  readonly mode?: PadMode;
  /** Values of mode "constant"; 0 by default. */
  readonly constantValues?: PadPairs<Scalar>;
  /** Outermost values of mode "linear_ramp"; 0 by default. */
  readonly endValues?: PadPairs<Scalar>;
  /** How many elements at each end decide "maximum", "mean", "median", "minimum"; all by default. */
  readonly statLength?: PadPairs<number | null>;
  /** "odd" reflects values too: `2 * edge - value`. */
  readonly reflectType?: "even" | "odd";
}

const ALLOWED: Readonly<Record<PadMode, keyof PadOptions | null>> = {
  constant: "constantValues",
  edge: null,
  linear_ramp: "endValues",
  maximum: "statLength",
  mean: "statLength",
  median: "statLength",
  minimum: "statLength",
  reflect: "reflectType",
  symmetric: "reflectType",
  wrap: null,
  empty: null,
};

/**
 * The array with elements around it: `pad(x, 2)`, `pad(x, [[1, 0], [3, 2]], { mode: "reflect" })`.
 *
 * Chunks: the input's, the padding joined to the blocks at the ends (or cut like the largest block, if it is larger).
 * Means, medians and extremes of whole axes make reductions of them. NumPy `pad`.
 * @throws {ArgumentError} an unknown mode, an option of another mode, widths that do not fit  @throws {ShapeError} of nothing
 */
export function pad(
  x: ArrayLike,
  padWidth: PadPairs<number>,
  mode?: PadMode | PadOptions,
  options: PadOptions = {},
): ChunkedArray {
  const given = typeof mode === "object" ? mode : options;
  const chosen = (typeof mode === "string" ? mode : given.mode) ?? "constant";
  if (!Object.hasOwn(ALLOWED, chosen))
    throw new ArgumentError(`pad mode ${JSON.stringify(chosen)}: expected ${Object.keys(ALLOWED).join(", ")}`);
  requireKnownOptions("pad", given, {
    mode: true,
    constantValues: true,
    endValues: true,
    statLength: true,
    reflectType: true,
  });
  for (const name of Object.keys(given))
    if (name !== "mode" && name !== ALLOWED[chosen] && given[name as keyof PadOptions] !== undefined)
      throw new ArgumentError(`pad mode "${chosen}" has no option ${JSON.stringify(name)}`);
  const lazy = known("pad", x);
  const widths = pairsOf("padWidth", padWidth, lazy.ndim, isCount);
  if (widths.every(([a, b]) => a + b === 0)) return lazy;
  switch (chosen) {
    case "constant":
    case "empty": {
      const values = pairsOf("constantValues", given.constantValues ?? 0, lazy.ndim, () => true);
      return new ChunkedArray(constantPadLayer(lazy, widths, values));
    }
    case "edge":
    case "wrap":
      return new ChunkedArray(repeatPadLayer(lazy, widths, chosen));
    case "reflect":
    case "symmetric": {
      const { reflectType = "even" } = given;
      if (reflectType !== "even" && reflectType !== "odd")
        throw new ArgumentError(`reflectType ${JSON.stringify(reflectType)}: expected "even" or "odd"`);
      return reflectType === "even"
        ? new ChunkedArray(repeatPadLayer(lazy, widths, chosen))
        : eachAxis(lazy, widths, (part, k, width) => oddReflection(part, k, width, chosen === "symmetric"));
    }
    case "linear_ramp": {
      const ends = pairsOf("endValues", given.endValues ?? 0, lazy.ndim, () => true);
      return eachAxis(lazy, widths, (part, k, width) => ramps(part, k, width, ends[k] as readonly [Scalar, Scalar]));
    }
    default: {
      const lengths = pairsOf<number | null>("statLength", given.statLength ?? null, lazy.ndim, isLength);
      return eachAxis(lazy, widths, (part, k, width) =>
        statistics(part, k, width, chosen, lengths[k] as readonly [number | null, number | null]),
      );
    }
  }
}

function isCount(v: number): boolean {
  return Number.isSafeInteger(v) && v >= 0;
}
function isLength(v: number | null): boolean {
  return v === null || isCount(v);
}

/** A pair for each axis. Source: NumPy's `_as_pairs`. */
function pairsOf<T extends Scalar | null>(
  name: string,
  given: PadPairs<T>,
  ndim: number,
  holds: (v: T) => boolean,
): (readonly [T, T])[] {
  const pair = (v: unknown): readonly [T, T] => {
    const list = (Array.isArray(v) ? v : [v]) as T[]; // one value or a list of them
    const [before, after = before] = list;
    if (list.length > 2 || list.length === 0 || !list.every((e) => isScalar(e) && holds(e)))
      throw new ArgumentError(`pad with ${name} ${JSON.stringify(given)}: expected numbers for ${ndim} axes`);
    return [before as T, after as T];
  };
  if (typeof given === "object" && given !== null && !Array.isArray(given)) {
    const named = given as { readonly [axis: number]: unknown };
    const out = new Array<readonly [T, T]>(ndim).fill([0 as T, 0 as T]);
    for (const key of Object.keys(named)) {
      const k = Number(key) < 0 ? Number(key) + ndim : Number(key);
      if (!(k in out)) throw new ArgumentError(`pad with ${name} of axis ${key}: the array has ${ndim} axes`);
      out[k] = pair(named[Number(key)]);
    }
    return out;
  }
  if (!Array.isArray(given)) return new Array(ndim).fill(pair(given));
  if (!given.some((v) => Array.isArray(v))) return new Array(ndim).fill(pair(given));
  if (given.length !== 1 && given.length !== ndim)
    throw new ArgumentError(`pad with ${name} for ${given.length} axes: the array has ${ndim}`);
  return Array.from({ length: ndim }, (_, k) => pair(given[given.length === 1 ? 0 : k]));
}

function isScalar(v: unknown): boolean {
  return v === null || typeof v === "number" || typeof v === "bigint" || typeof v === "boolean";
}

/** What stands before and after an axis. */
type Sides = readonly [before: ChunkedArray | null, after: ChunkedArray | null];

/** One axis after the other, each over the padding of those before it. */
function eachAxis(
  x: ChunkedArray,
  widths: readonly Pair[],
  sides: (part: ChunkedArray, axis: number, width: Pair) => Sides,
): ChunkedArray {
  if (x.shape.some((n, k) => n === 0 && Math.max(...(widths[k] as Pair)) > 0))
    throw new ShapeError(
      `pad of (${x.shape.join(", ")}): an axis without elements can only grow by "constant" or "empty"`,
    );
  if (x.shape.includes(0)) return new ChunkedArray(constantPadLayer(x, widths, new Array(x.ndim).fill([0, 0])));
  const whole = widths.reduce<ChunkedArray>((part, width, k) => {
    if (width[0] + width[1] === 0) return part;
    const [before, after] = sides(part, k, width);
    return concatenate(
      [before, part, after].filter((p) => p !== null),
      k,
    );
  }, x);
  return whole.rechunk(paddedChunks(x.chunks, widths));
}

function along(x: LazyArray, axis: number, start: number, stop: number): ChunkedArray {
  return new ChunkedArray(sliceAxis(x.node, axis, start, stop));
}

function spread(x: ChunkedArray, axis: number, n: number): LayerNode {
  return broadcastLayer(
    x,
    x.shape.map((s, k) => (k === axis ? n : s)),
  );
}

function statistics(
  x: ChunkedArray,
  axis: number,
  [before, after]: Pair,
  mode: "maximum" | "mean" | "median" | "minimum",
  lengths: readonly [number | null, number | null],
): Sides {
  const n = x.shape[axis] as number; // an axis of x
  const side = (width: number, given: number | null, atEnd: boolean): ChunkedArray | null => {
    if (width === 0) return null;
    const length = Math.min(given ?? n, n);
    if (length === 0 && mode !== "mean" && mode !== "median")
      throw new ShapeError(`pad mode "${mode}" with statLength 0 has no value`);
    const part = atEnd ? along(x, axis, n - length, n) : along(x, axis, 0, length);
    const value =
      mode === "maximum"
        ? part.max(axis, { keepdims: true })
        : mode === "minimum"
          ? part.min(axis, { keepdims: true })
          : mode === "mean"
            ? part.mean(axis, { keepdims: true })
            : median(part, axis, { keepdims: true });
    const { kind } = dtypeInfo(x.dtype);
    const rounded = (kind === "i" || kind === "u") && value.dtype !== x.dtype ? value.round() : value;
    return new ChunkedArray(spread(rounded.astype(x.dtype), axis, width));
  };
  return [side(before, lengths[0], false), side(after, lengths[1], true)];
}

/** Source: NumPy's `_set_reflect_both` with method "odd": pass by pass, each about the edges that the last one made. */
function oddReflection(x: ChunkedArray, axis: number, [before, after]: Pair, isSymmetric: boolean): Sides {
  const original = x.shape[axis] as number; // an axis of x
  if (original === 1) {
    const edge = (width: number): ChunkedArray | null =>
      width === 0 ? null : new ChunkedArray(spread(x, axis, width));
    return [edge(before), edge(after)];
  }
  let [left, right] = [before, after];
  let current = x;
  const offset = isSymmetric ? 0 : 1;
  while (left > 0 || right > 0) {
    const n = current.shape[axis] as number; // an axis of it
    const period = isSymmetric
      ? Math.floor(n / original) * original
      : Math.floor((n - 1) / (original - 1)) * (original - 1);
    const [a, b] = [Math.min(period, left), Math.min(period, right)];
    const parts = [
      a > 0 ? mirrored(along(current, axis, offset, offset + a), along(current, axis, 0, 1), axis) : null,
      current,
      b > 0 ? mirrored(along(current, axis, n - offset - b, n - offset), along(current, axis, n - 1, n), axis) : null,
    ];
    current = concatenate(
      parts.filter((p) => p !== null),
      axis,
    );
    left -= a;
    right -= b;
  }
  const end = current.shape[axis] as number; // an axis of it
  return [
    before > 0 ? along(current, axis, 0, before) : null,
    after > 0 ? along(current, axis, end - after, end) : null,
  ];
}

/** `2 * edge - part`, reversed along the axis. */
function mirrored(part: ChunkedArray, edge: ChunkedArray, axis: number): ChunkedArray {
  const reversed = part.slice(...part.shape.map((_, k) => (k === axis ? "::-1" : ":")));
  return new ChunkedArray(
    elementwise("pad", [reversed, edge], (b, [v, e]) => {
      const wide = part.dtype === "bool" ? "int64" : part.dtype;
      const at = (t: Term): Term => ({ node: lift(b, t, wide) });
      const twice = binaryTerm(b, "mul", at(e as Term), { node: b.param(2, wide) });
      return { node: lift(b, binaryTerm(b, "sub", twice, at(v as Term)), part.dtype) };
    }),
  );
}

function ramps(x: ChunkedArray, axis: number, [before, after]: Pair, ends: readonly [Scalar, Scalar]): Sides {
  const n = x.shape[axis] as number; // an axis of x
  const left = before > 0 ? ramp(along(x, axis, 0, 1), axis, before, ends[0]) : null;
  const right = after > 0 ? ramp(along(x, axis, n - 1, n), axis, after, ends[1]) : null;
  return [left, right === null ? null : right.slice(...right.shape.map((_, k) => (k === axis ? "::-1" : ":")))];
}

/** `linspace(end, edge, width, endpoint=False)` along the axis. Source: NumPy's `linspace`, whose formula depends on whether any step is 0. */
function ramp(edge: ChunkedArray, axis: number, width: number, end: Scalar): ChunkedArray {
  const { kind } = dtypeInfo(edge.dtype);
  const from = Number(end);
  const steps = elementwise("pad-step", [edge], (b, [e]) => {
    const delta = binaryTerm(b, "sub", { node: lift(b, e as Term, "float64") }, { node: b.param(from, "float64") });
    return binaryTerm(b, "eq", binaryTerm(b, "div", delta, { node: b.param(width, "float64") }), {
      node: b.param(0, "float64"),
    });
  });
  const anyZero = new ChunkedArray(steps).any();
  const line = new ChunkedArray(countUp(width, "float64", -1).node).reshape(
    ...edge.shape.map((_, k) => (k === axis ? width : 1)),
  );
  const node = elementwise("pad-ramp", [edge, line, anyZero], (b, [e, i, z]) => {
    const p = (v: number): Term => ({ node: b.param(v, "float64") });
    const delta = binaryTerm(b, "sub", { node: lift(b, e as Term, "float64") }, p(from));
    const at = i as Term; // one of three operands
    const scaled = whereTerm(
      b,
      z as Term,
      binaryTerm(b, "mul", binaryTerm(b, "div", at, p(width)), delta),
      binaryTerm(b, "mul", at, binaryTerm(b, "div", delta, p(width))),
    );
    const value = lift(b, binaryTerm(b, "add", scaled, p(from)), "float64");
    return { node: b.cast(kind === "i" || kind === "u" ? b.unary("floor", value) : value, edge.dtype) };
  });
  return new ChunkedArray(node);
}
