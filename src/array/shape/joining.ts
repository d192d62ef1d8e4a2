/** Arrays side by side: NumPy's joining functions. */
import { ArgumentError, AxisError, ShapeError } from "../../base/index.ts";
import { asDType, type DType, promoteTypes } from "../../dtype/index.ts";
import { concatenateNode, type LayerNode, rechunkNode, sameChunks, sliceNode, stackNode } from "../../graph/index.ts";
import { type AxisIndex, NDArray, normalizeAxis } from "../../ndarray/index.ts";
import { axisAnd } from "../axis-options.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { arrayNode, type LazyArray } from "../lazy.ts";
import { unknownShape } from "../unknown.ts";
import { reshapeLayer } from "./reshape.ts";

/** What can be joined. */
export type Joinable = ChunkedArray | NDArray;

/** Options of joining functions. */
export interface JoinOptions {
  readonly axis?: number;
  /** dtype of the result; by promotion unless told. */
  readonly dtype?: DType;
}

function lazyList(label: string, arrays: readonly Joinable[]): ChunkedArray[] {
  if (!Array.isArray(arrays) || arrays.length === 0)
    throw new ArgumentError(`${label} needs a list of at least one array`);
  return arrays.map((a: unknown) => {
    if (a instanceof NDArray) return new ChunkedArray(arrayNode(a));
    if (!(a instanceof ChunkedArray)) throw new ArgumentError(`${label} of ${String(a)}: expected a list of arrays`);
    if (a.selected) throw unknownShape(label, a.selected.selection.axis);
    return a;
  });
}

function promoted(arrays: readonly ChunkedArray[], dtype: DType | undefined): ChunkedArray[] {
  const common = dtype === undefined ? arrays.map((a) => a.dtype).reduce(promoteTypes) : asDType(dtype);
  return arrays.map((a) => a.astype(common));
}

/** Nodes whose axes (all but `except`) are cut like the largest array's. */
function cutAlike(arrays: readonly LazyArray[], except: number | null): LayerNode[] {
  const largest = arrays.reduce((a, b) => (b.nbytes > a.nbytes ? b : a));
  return arrays.map((a) => {
    const wanted = a.chunks.map((c, k) => (k === except ? c : (largest.chunks[k] as readonly number[])));
    return sameChunks(wanted, a.chunks) ? a.node : rechunkNode(a.node, wanted);
  });
}

/**
 * Arrays joined along an existing axis; `axis` null joins them flat. dtype by promotion. Chunks: those of the arrays
 * along `axis`, elsewhere the largest array's. NumPy `concatenate`.
 * @throws {ShapeError} other axes differ  @throws {AxisError}  @throws {ArgumentError} no array
 */
export function concatenate(
  arrays: readonly Joinable[],
  axis?: number | null | (Omit<JoinOptions, "axis"> & { readonly axis?: number | null }),
  options?: JoinOptions,
): ChunkedArray {
  const given = axisAnd<number | null, Omit<JoinOptions, "axis">>(axis, options, ["concatenate", { dtype: true }]);
  const lazy = promoted(lazyList("concatenate", arrays), given.options.dtype);
  if (given.axis === null) return joined(lazy.map(flat), 0);
  const first = lazy[0] as ChunkedArray; // not empty
  if (first.ndim === 0) throw new AxisError("concatenate of 0-d arrays; use stack");
  return joined(lazy, normalizeAxis(given.axis ?? 0, first.ndim));
}

export { concatenate as concat };

function flat(x: ChunkedArray): ChunkedArray {
  return new ChunkedArray(reshapeLayer(x, [-1]));
}

function joined(lazy: readonly ChunkedArray[], k: number): ChunkedArray {
  const first = lazy[0] as ChunkedArray; // not empty
  for (const a of lazy) {
    if (a.ndim !== first.ndim || a.shape.some((n, i) => i !== k && n !== first.shape[i])) {
      throw new ShapeError(
        `concatenate along axis ${k}: shapes (${first.shape.join(", ")}) and (${a.shape.join(", ")}) differ elsewhere`,
      );
    }
  }
  // What is empty along the axis only adds blocks of nothing.
  const some = lazy.filter((a) => a.shape[k] !== 0);
  const kept = some.length > 0 ? some : [first];
  return kept.length === 1 ? (kept[0] as ChunkedArray) : new ChunkedArray(concatenateNode(cutAlike(kept, k), k));
}

/**
 * Arrays of one shape joined along a new axis; dtype by promotion. Chunks: one block for each array along the new axis.
 * NumPy `stack`.
 * @throws {ShapeError} shapes differ  @throws {AxisError}  @throws {ArgumentError} no array
 */
export function stack(arrays: readonly Joinable[], axis?: number | JoinOptions, options?: JoinOptions): ChunkedArray {
  const given = axisAnd<number, Omit<JoinOptions, "axis">>(axis, options, ["stack", { dtype: true }]);
  const lazy = promoted(lazyList("stack", arrays), given.options.dtype);
  const first = lazy[0] as ChunkedArray; // not empty
  for (const a of lazy) {
    if (a.ndim !== first.ndim || a.shape.some((n, i) => n !== first.shape[i]))
      throw new ShapeError(`stack: shapes (${first.shape.join(", ")}) and (${a.shape.join(", ")}) differ`);
  }
  return new ChunkedArray(stackNode(cutAlike(lazy, null), normalizeAxis(given.axis ?? 0, first.ndim + 1)));
}

/** The array with axes of size 1 where `null` stands in the list of its axes. */
function withAxes(x: ChunkedArray, axes: readonly (number | null)[]): ChunkedArray {
  const index = axes.map(
    (a): AxisIndex =>
      a === null ? { kind: "newaxis" } : { kind: "range", start: 0, step: 1, count: x.shape[a] as number },
  );
  return axes.includes(null) ? new ChunkedArray(sliceNode(x.node, index)) : x;
}

function atLeast1(x: ChunkedArray): ChunkedArray {
  return x.ndim === 0 ? withAxes(x, [null]) : x;
}

function atLeast2(x: ChunkedArray): ChunkedArray {
  return x.ndim >= 2 ? x : withAxes(atLeast1(x), [null, 0]);
}

/** NumPy puts a vector along the second of three axes, a matrix along the first two. */
function atLeast3(x: ChunkedArray): ChunkedArray {
  if (x.ndim >= 3) return x;
  return x.ndim === 2 ? withAxes(x, [0, 1, null]) : withAxes(atLeast1(x), [null, 0, null]);
}

type AtLeast = {
  (x: Joinable): ChunkedArray;
  (x: Joinable, y: Joinable, ...more: readonly Joinable[]): ChunkedArray[];
};

function atLeast(label: string, f: (x: ChunkedArray) => ChunkedArray): AtLeast {
  // One array gives one, several give a list: NumPy's rule, which overloads say and one body cannot.
  return ((...arrays: readonly Joinable[]) => {
    const made = lazyList(label, arrays).map(f);
    return made.length === 1 ? made[0] : made;
  }) as AtLeast;
}

/** A 0-d array as one of 1 axis; others as they are. Several arrays give a list. NumPy `atleast_1d`. */
export const atleast1d: AtLeast = atLeast("atleast1d", atLeast1);
/** At least 2 axes: new ones come first. NumPy `atleast_2d`. */
export const atleast2d: AtLeast = atLeast("atleast2d", atLeast2);
/** At least 3 axes: shape (n) gives (1, n, 1), (m, n) gives (m, n, 1). NumPy `atleast_3d`. */
export const atleast3d: AtLeast = atLeast("atleast3d", atLeast3);

/** Arrays stacked as rows: along the first axis, vectors as rows. NumPy `vstack`. @throws {ShapeError} */
export function vstack(arrays: readonly Joinable[], options: Pick<JoinOptions, "dtype"> = {}): ChunkedArray {
  return concatenate(lazyList("vstack", arrays).map(atLeast2), 0, options);
}

/** Arrays stacked as columns: along the second axis, vectors end to end. NumPy `hstack`. @throws {ShapeError} */
export function hstack(arrays: readonly Joinable[], options: Pick<JoinOptions, "dtype"> = {}): ChunkedArray {
  const lazy = lazyList("hstack", arrays).map(atLeast1);
  return concatenate(lazy, (lazy[0] as ChunkedArray).ndim === 1 ? 0 : 1, options);
}

/** Arrays stacked along the third axis. NumPy `dstack`. @throws {ShapeError} */
export function dstack(arrays: readonly Joinable[], options: Pick<JoinOptions, "dtype"> = {}): ChunkedArray {
  return concatenate(lazyList("dstack", arrays).map(atLeast3), 2, options);
}

/** Arrays nested by axis: the innermost lists are joined along the last axis. */
export type Blocks = Joinable | readonly Blocks[];

/**
 * An array from nested lists of blocks, the innermost joined along the last axis. NumPy `block`.
 * @throws {ShapeError} blocks that do not fit  @throws {ArgumentError} lists of different depth, or an empty one
 */
export function block(arrays: Blocks): ChunkedArray {
  const depthOf = (b: Blocks): number => {
    if (!isList(b)) return 0;
    const depths = new Set(b.map(depthOf));
    if (depths.size !== 1) throw new ArgumentError("block: lists of different depth, or an empty list");
    return 1 + ([...depths][0] as number); // one
  };
  const depth = depthOf(arrays);
  const leaves = (b: Blocks): ChunkedArray[] => (isList(b) ? b.flatMap(leaves) : lazyList("block", [b]));
  const ndim = Math.max(depth, ...leaves(arrays).map((a) => a.ndim));
  const join = (b: Blocks, level: number): ChunkedArray => {
    if (isList(b))
      return concatenate(
        b.map((c) => join(c, level + 1)),
        ndim - depth + level,
      );
    const [x] = lazyList("block", [b]) as [ChunkedArray];
    return withAxes(x, [...new Array<null>(ndim - x.ndim).fill(null), ...x.shape.map((_, k) => k)]);
  };
  return join(arrays, 0);
}

function isList(b: Blocks): b is readonly Blocks[] {
  return Array.isArray(b);
}

/** `values` after `x` along an axis; without an axis both flat. NumPy `append`. @throws {ShapeError} */
export function append(
  x: Joinable,
  values: Joinable,
  axis?: number | null | { readonly axis?: number | null },
): ChunkedArray {
  const given = axisAnd<number | null, object>(axis, undefined, ["append", {}]);
  return concatenate([x, values], { axis: given.axis ?? null });
}

/** The arrays that lie along an axis, without it. Array API `unstack`. @throws {AxisError} */
export function unstack(x: Joinable, axis?: number | { readonly axis?: number }): ChunkedArray[] {
  const [lazy] = lazyList("unstack", [x]) as [ChunkedArray];
  const k = normalizeAxis(axisAnd<number, object>(axis, undefined, ["unstack", {}]).axis ?? 0, lazy.ndim);
  return Array.from({ length: lazy.shape[k] as number }, (_, i) =>
    lazy.slice(...lazy.shape.map((__, a) => (a === k ? i : ":"))),
  );
}
