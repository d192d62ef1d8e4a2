/** Elements by index and by mask: NumPy's names over lazy arrays. */
import { ArgumentError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import type { TypedArray } from "../../dtype/index.ts";
import { applyNode, rechunkNode } from "../../graph/index.ts";
import { broadcastShapes, NDArray, normalizeAxis, type SliceArg, sizeOf } from "../../ndarray/index.ts";
import { axisAnd } from "../axis-options.ts";
import { ChunkedArray, type UnknownArray } from "../chunked-array.ts";
import { type BoundsMode, boundTerm, coordinateTerm } from "../elementwise/composed.ts";
import { elementwise, type Operand } from "../elementwise/layer.ts";
import { binaryTerm, lift, type Term } from "../elementwise/terms.ts";
import { known } from "../inputs.ts";
import { isLazy, lazyOf } from "../lazy.ts";
import { coordinatesOf, type FromMask, type SelectedNode, selectedNode, whereTrue } from "../unknown.ts";
import { broadcastLayer } from "./broadcasting.ts";
import { type ArrayLike, array } from "./create.ts";
import { blockOf, flatValues, type IndexArg, type Indices, integers, largest, maskLayer } from "./indexing.ts";
import { concatenate, stack } from "./joining.ts";
import { countUp } from "./ranges.ts";

type AxisOption = number | null | { readonly axis?: number | null };

function axisOf(label: string, axis: AxisOption | undefined): number | null {
  return axisAnd<number | null, object>(axis, undefined, [label, {}]).axis ?? null;
}

/** Indexing; see {@link ChunkedArray.slice}. */
export function slice(x: ChunkedArray, ...index: readonly (SliceArg | NDArray | TypedArray)[]): ChunkedArray;
export function slice(x: ChunkedArray, ...index: readonly IndexArg[]): UnknownArray;
export function slice(x: ChunkedArray, ...index: readonly IndexArg[]): UnknownArray {
  return x.slice(...index);
}

/**
 * Elements at `indices` along an axis, whose place the shape of `indices` takes; without an axis of the flat array.
 * Negative indices count from the end. Chunks: as the input's for ascending indices, else equal blocks no larger than
 * the input's; evenly spaced indices are a slice, which moves into sources. Lazy indices make the axis whole. NumPy `take`.
 * @throws {SelectionError} out of bounds (lazy indices: when run)  @throws {AxisError}
 */
export function take(x: ArrayLike, indices: Indices, axis?: AxisOption): ChunkedArray {
  return known("take", x).take(indices, axisOf("take", axis));
}

/**
 * `out[…, i, …] = x[…, indices[…, i, …], …]`: one index for each element along `axis`; other axes broadcast.
 * Chunks: `axis` is merged into one chunk, others follow the larger array. NumPy `take_along_axis`.
 * @throws {ShapeError} ranks that differ  @throws {SelectionError} out of bounds, when run
 */
export function takeAlongAxis(x: ArrayLike, indices: ChunkedArray | NDArray, axis?: AxisOption): ChunkedArray {
  const given = known("takeAlongAxis", x);
  const list = integers("takeAlongAxis", known("takeAlongAxis", indices));
  const at = axis === undefined ? -1 : axisOf("takeAlongAxis", axis);
  const lazy = at === null ? given.ravel() : given;
  if (list.ndim !== lazy.ndim)
    throw new ShapeError(`takeAlongAxis of rank ${lazy.ndim} with indices of rank ${list.ndim}: expected the same`);
  const k = normalizeAxis(at ?? 0, lazy.ndim);
  const others = broadcastShapes(
    lazy.shape.map((n, a) => (a === k ? 1 : n)),
    list.shape.map((n, a) => (a === k ? 1 : n)),
  );
  const shape = others.map((n, a) => (a === k ? (list.shape[k] as number) : n));
  const first = lazy.nbytes >= list.nbytes ? lazy : list;
  const cut = shape.map((n, a): readonly number[] => {
    if (a === k) return list.chunks[k] as readonly number[];
    const from = first.shape[a] === n ? first : lazy.shape[a] === n ? lazy : list;
    return from.chunks[a] as readonly number[];
  });
  const input = (of: ChunkedArray, whole: boolean) => {
    const axes = of.shape.map((n, a) => ((whole && a === k) || (n === 1 && shape[a] !== 1) ? null : a));
    return {
      layer: rechunkNode(
        of.node,
        axes.map((a, own) => (a === null ? [of.shape[own] as number] : (cut[a] as readonly number[]))),
      ),
      axes,
    };
  };
  return new ChunkedArray(
    applyNode("take-along-axis", {
      kernel: "take-along",
      params: { axis: k },
      inputs: [input(lazy, true), input(list, false)],
      dtype: lazy.dtype,
      chunks: cut,
      scratchBytes: 4 * (sizeOf(cut.map((c) => c.reduce((a, b) => Math.max(a, b), 0))) + largest(list)),
    }),
  );
}

/** A condition: bools in memory or lazy, one-dimensional for {@link compress}. */
export type Condition = readonly boolean[] | NDArray | ChunkedArray;

/**
 * Slices along an axis where `condition` is true; without an axis elements of the flat array. A condition in memory may
 * be shorter than the axis; a lazy one leaves the size unknown. NumPy `compress`.
 * @throws {ShapeError} a condition that is not 1-d, or too long  @throws {AxisError}
 */
export function compress(condition: readonly boolean[] | NDArray, x: ArrayLike, axis?: AxisOption): ChunkedArray;
export function compress(condition: Condition, x: ArrayLike, axis?: AxisOption): UnknownArray;
export function compress(condition: Condition, x: ArrayLike, axis?: AxisOption): UnknownArray {
  const lazy = known("compress", x);
  const at = axisOf("compress", axis);
  const line = at === null ? lazy.ravel() : lazy;
  const k = normalizeAxis(at ?? 0, line.ndim);
  const n = line.shape[k] as number; // in bounds
  const mask = Array.isArray(condition)
    ? NDArray.of(Uint8Array.from(condition, Number), [condition.length], "bool")
    : (condition as NDArray | ChunkedArray); // the other forms
  if (mask.ndim !== 1) throw new ShapeError(`compress by a condition of rank ${mask.ndim}: expected rank 1`);
  const length = mask.shape[0] as number; // 1-d
  if (length > n && (!(mask instanceof NDArray) || flatValues(mask).slice(n).some(Boolean)))
    throw new ShapeError(`compress by ${length} conditions along an axis of ${n}`);
  const cut = lazyOf(
    line.slice(...line.shape.map((_, a): SliceArg => (a === k ? [0, Math.min(n, length)] : ":"))).node,
  );
  const fit = length > n && mask instanceof NDArray ? firstOf(mask, n) : mask;
  return new ChunkedArray(maskLayer(cut, asBools(fit), k));
}

function firstOf(mask: NDArray, n: number): NDArray {
  return new NDArray(mask.dtype, mask.data, [n], mask.stride, mask.offset);
}

/** Conditions of any dtype: true where not 0. */
function asBools(mask: NDArray | ChunkedArray): NDArray | ChunkedArray {
  if (mask.dtype === "bool") return mask;
  return mask instanceof NDArray
    ? NDArray.of(
        Uint8Array.from(flatValues(mask), (v) => (v === 0 ? 0 : 1)),
        mask.shape,
        "bool",
      )
    : mask.astype("bool");
}

/** Elements of the flat array where the flat condition is true; of unknown size for a lazy one. NumPy `extract`. @throws {ShapeError} */
export function extract(condition: NDArray | ChunkedArray, x: ArrayLike): UnknownArray {
  const flat = condition instanceof NDArray ? asBools(condition) : known("extract", condition).ravel();
  const mask = flat instanceof NDArray ? NDArray.of(Uint8Array.from(flatValues(flat)), [flat.size], "bool") : flat;
  return compress(mask, x);
}

function notZero(x: ChunkedArray): ChunkedArray {
  return x.dtype === "bool" ? x : x.astype("bool");
}

/**
 * Coordinates of the elements that are not zero (NaN is not), one int64 array for each axis, in C order; of unknown size.
 * NumPy `nonzero`.
 * @throws {ArgumentError} 0-d
 */
export function nonzero(x: ArrayLike): UnknownArray[] {
  const lazy = known("nonzero", x);
  if (lazy.ndim === 0) throw new ArgumentError("nonzero of a 0-d array: use atleast1d first");
  const mask = notZero(lazy);
  return lazy.shape.map((_, k) => {
    const values = broadcastLayer(indexLine(lazy, k), lazy.shape, lazy.chunks);
    const node: SelectedNode = { ...whereTrue(values, mask.node), fromMask: coordinatesOf(lazy.shape, k) };
    return new ChunkedArray(node);
  });
}

/** Indices along axis `k`, shaped so that they broadcast to the array. */
function indexLine(x: ChunkedArray, k: number): ChunkedArray {
  const line = countUp(x.shape[k] as number, "int64", [x.chunks[k] as readonly number[]]);
  return new ChunkedArray(line.node).reshape(...x.shape.map((n, a) => (a === k ? n : 1)));
}

/** Indices in the flat array of the elements that are not zero, int64; of unknown size. NumPy `flatnonzero`. */
export function flatnonzero(x: ArrayLike): UnknownArray {
  return nonzero(known("flatnonzero", x).ravel())[0] as UnknownArray; // one axis
}

/** Coordinates of the elements that are not zero, one row for each: int64, shape (unknown, rank). NumPy `argwhere`. */
export function argwhere(x: ArrayLike): UnknownArray {
  const lazy = known("argwhere", x);
  const wide = lazy.ndim === 0 ? lazy.reshape(1) : lazy;
  const mask = notZero(wide);
  const lines = wide.shape.map((_, k) => {
    const index = indexLine(wide, k).reshape(...wide.shape.map((n, a) => (a === k ? n : 1)), 1);
    return new ChunkedArray(broadcastLayer(index, [...wide.shape, 1], [...wide.chunks, [1]]));
  });
  const values = concatenate(lines, -1);
  const rows = lazy.ndim === 0 ? values.slice("...", [0, 0]) : values;
  const node = selectedNode(rows.node, { axis: 0, rank: wide.ndim, mask: mask.node });
  if (lazy.ndim === 0) return new ChunkedArray(node);
  const fromMask: FromMask = (runs, sizes, counts) => {
    const columns = lazy.shape.map((_, k) => new ChunkedArray(coordinatesOf(lazy.shape, k)(runs, sizes, counts)));
    return stack(columns, -1).rechunk([counts, [lazy.ndim]]).node;
  };
  const direct: SelectedNode = { ...node, fromMask };
  return new ChunkedArray(direct);
}

/**
 * Coordinates of flat indices in an array of `shape`, one int64 array for each axis. NumPy `unravel_index`.
 * @throws {SelectionError} out of bounds (lazy indices: when run)
 */
export function unravelIndex(indices: Indices, shape: number | readonly number[]): ChunkedArray[] {
  const sizes = [shape].flat();
  const flat = integers("unravelIndex", indexArray("unravelIndex", indices));
  return sizes.map(
    (_, axis) =>
      new ChunkedArray(
        elementwise("unravel-index", [new ChunkedArray(flat.node)], (b, [t]) =>
          coordinateTerm(b, t as Term, sizes, axis),
        ),
      ),
  );
}

function indexArray(label: string, indices: Indices): ChunkedArray {
  if (isLazy(indices)) return new ChunkedArray(indices.node);
  const block = blockOf(label, indices);
  return block.dtype === "float64" ? array(block).astype("int64") : array(block);
}

/**
 * Flat indices of coordinates in an array of `shape`, int64; one array of coordinates for each axis, which broadcast.
 * NumPy `ravel_multi_index` (C order).
 * @throws {SelectionError} out of bounds with mode "raise", when run  @throws {ArgumentError} not one for each axis
 */
export function ravelMultiIndex(
  coordinates: readonly Indices[],
  shape: readonly number[],
  options: { readonly mode?: BoundsMode | readonly BoundsMode[] } = {},
): ChunkedArray {
  requireKnownOptions("ravelMultiIndex", options, { mode: true });
  if (coordinates.length !== shape.length)
    throw new ArgumentError(`ravelMultiIndex of ${coordinates.length} coordinates into ${shape.length} axes`);
  const modes = [options.mode ?? "raise"].flat();
  const bound = coordinates.map((c, k): Operand => {
    const lazy = integers("ravelMultiIndex", indexArray("ravelMultiIndex", c));
    const mode = modes[modes.length === 1 ? 0 : k] ?? "raise";
    return new ChunkedArray(
      elementwise(
        "bound-index",
        [new ChunkedArray(lazy.node)],
        (b, [t]) => boundTerm(b, t as Term, shape[k] as number, mode), // one size for each
      ),
    );
  });
  const node = elementwise("ravel-multi-index", bound, (b, terms) =>
    terms.reduce((sum, t, k) => {
      const step: Term = { node: b.param(shape[k] as number, "int64") };
      const here: Term = { node: lift(b, t, "int64") };
      return k === 0 ? here : binaryTerm(b, "add", binaryTerm(b, "mul", sum, step), here);
    }),
  );
  return new ChunkedArray(node);
}
