/** Arrays that are made of their indices: identities, triangles, diagonals, grids of coordinates. */
import { ArgumentError, AxisError, requireKnownOptions, ShapeError } from "../../base/index.ts";
import { asDType, type DType } from "../../dtype/index.ts";
import { applyNode, type ChunkSpec, concatenateNode, type LayerNode, sliceNode, stackNode } from "../../graph/index.ts";
import { type AxisIndex, normalizeAxis } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { elementwise } from "../elementwise/layer.ts";
import { binaryTerm, type Term, whereTerm } from "../elementwise/terms.ts";
import { known } from "../inputs.ts";
import { checkShape, cutChunks, type LazyArray } from "../lazy.ts";
import { compressedNode, type SelectedNode } from "../unknown.ts";
import { broadcastLayer } from "./broadcasting.ts";
import { type ArrayLike, full, zeros } from "./create.ts";
import { CREATE_OPTIONS, type CreateOptions } from "./create-options.ts";
import { concatenate } from "./joining.ts";
import { diagonalRuns } from "./points.ts";
import { countUp } from "./ranges.ts";
import { nonzero } from "./selecting.ts";

/** Indices along axis `k` of an array, shaped so that they broadcast. */
function indexAlong(
  shape: readonly number[],
  k: number,
  chunks: readonly (readonly number[])[],
  dtype: DType = "int64",
): ChunkedArray {
  const line = new ChunkedArray(countUp(shape[k] as number, dtype, [chunks[k] as readonly number[]]).node);
  return line.reshape(...shape.map((n, a) => (a === k ? n : 1)));
}

/** Rows and columns of a grid, in integers that hold them. */
function rowsAndColumns(
  n: number,
  m: number,
  cut: readonly (readonly number[])[],
  dtype: "int16" | "int32" | "int64",
): [ChunkedArray, ChunkedArray] {
  return [indexAlong([n, m], 0, cut, dtype), indexAlong([n, m], 1, cut, dtype)];
}

/** Options of {@link eye}. */
export interface EyeOptions extends CreateOptions {
  /** Columns; as many as rows by default. */
  readonly M?: number;
  /** Diagonal: 0 is the main one, positive ones lie above it. */
  readonly k?: number;
}

/** Ones on a diagonal, zeros elsewhere; float64 unless told. NumPy `eye`. @throws {ShapeError} */
export function eye(n: number, m?: number | null | EyeOptions, options: EyeOptions = {}): ChunkedArray {
  const given = typeof m === "object" && m !== null ? m : options;
  requireKnownOptions("eye", given, { ...CREATE_OPTIONS, M: true, k: true });
  const columns = typeof m === "number" ? m : (given.M ?? n);
  checkShape([n, columns]);
  const dtype = asDType(given.dtype ?? "float64");
  return new ChunkedArray(
    applyNode("eye", {
      kernel: "eye",
      params: { k: whole(given.k ?? 0) },
      inputs: [],
      dtype,
      chunks: cutChunks([n, columns], dtype, given.chunks),
      scratchBytes: 0,
    }),
  );
}

/** Ones on the main diagonal of a square array. NumPy `identity`. @throws {ShapeError} */
export function identity(n: number, options: CreateOptions = {}): ChunkedArray {
  return eye(n, options);
}

function whole(k: number): number {
  if (!Number.isSafeInteger(k)) throw new ArgumentError(`diagonal ${k}: expected an integer`);
  return k;
}

/** True where `column - row` compares so with `k`. */
function diagonalMask(
  n: number,
  m: number,
  k: number,
  op: "eq" | "le" | "ge",
  chunks: ChunkSpec | undefined,
  dtype: DType,
): ChunkedArray {
  const most = n + m + Math.abs(k);
  const narrow = most < 2 ** 15 ? "int16" : most < 2 ** 31 ? "int32" : "int64";
  const [rows, columns] = rowsAndColumns(n, m, cutChunks([n, m], dtype, chunks), narrow);
  return new ChunkedArray(
    elementwise("diagonal-mask", [rows, columns], (b, [i, j]) => {
      const shifted = binaryTerm(b, "add", i as Term, { node: b.param(k, narrow) });
      return binaryTerm(b, op, j as Term, shifted);
    }),
  );
}

/** Ones at and below a diagonal; float64 unless told. NumPy `tri`. @throws {ShapeError} */
export function tri(n: number, m?: number | null | EyeOptions, options: EyeOptions = {}): ChunkedArray {
  const given = typeof m === "object" && m !== null ? m : options;
  const columns = typeof m === "number" ? m : (given.M ?? n);
  checkShape([n, columns]);
  const dtype = asDType(given.dtype ?? "float64");
  return diagonalMask(n, columns, whole(given.k ?? 0), "le", given.chunks, dtype).astype(dtype);
}

function triangle(label: string, x: ArrayLike, k: number, op: "le" | "ge"): ChunkedArray {
  const given = known(label, x);
  if (given.ndim === 0) throw new AxisError(`${label} of a 0-d array: expected at least 1 axis`);
  const lazy =
    given.ndim === 1
      ? new ChunkedArray(broadcastLayer(given, [given.size, given.size], [given.chunks[0] as readonly number[], null]))
      : given;
  const [n, m] = lazy.shape.slice(-2) as [number, number]; // at least 2 axes now
  const mask = diagonalMask(n, m, whole(k), op, lazy.chunks.slice(-2), lazy.dtype);
  return new ChunkedArray(
    elementwise(label, [mask, lazy], (b, [c, v]) =>
      whereTerm(b, c as Term, v as Term, { node: b.param(lazy.dtype === "bool" ? false : 0, lazy.dtype) }),
    ),
  );
}

type DiagonalOption = number | { readonly k?: number };

function diagonalOf(k: DiagonalOption | undefined): number {
  return typeof k === "object" ? (k.k ?? 0) : (k ?? 0);
}

/** The array with zeros above a diagonal of its last two axes. NumPy `tril`. @throws {AxisError} 0-d */
export function tril(x: ArrayLike, k?: DiagonalOption): ChunkedArray {
  return triangle("tril", x, diagonalOf(k), "le");
}
/** The array with zeros below a diagonal of its last two axes. NumPy `triu`. @throws {AxisError} 0-d */
export function triu(x: ArrayLike, k?: DiagonalOption): ChunkedArray {
  return triangle("triu", x, diagonalOf(k), "ge");
}

/** A diagonal of a matrix, or the matrix with a vector on its diagonal. NumPy `diag`. @throws {ShapeError} other ranks */
export function diag(x: ArrayLike, k?: DiagonalOption): ChunkedArray {
  const lazy = known("diag", x);
  const at = whole(diagonalOf(k));
  if (lazy.ndim === 2) return diagonal(lazy, { offset: at });
  if (lazy.ndim !== 1) throw new ShapeError(`diag of rank ${lazy.ndim}: expected 1 or 2`);
  const n = (lazy.shape[0] as number) + Math.abs(at);
  const filler = full([Math.abs(at)], lazy.dtype === "bool" ? false : 0, { dtype: lazy.dtype });
  // One value for each row: row i holds v[i + min(k, 0)].
  const rows = at === 0 ? lazy : at > 0 ? concatenate([lazy, filler]) : concatenate([filler, lazy]);
  const cut = rows.chunks[0] as readonly number[];
  const mask = diagonalMask(n, n, at, "eq", [cut, cut], lazy.dtype);
  return new ChunkedArray(
    elementwise("diag", [mask, rows.reshape(n, 1)], (b, [c, v]) =>
      whereTerm(b, c as Term, v as Term, { node: b.param(lazy.dtype === "bool" ? false : 0, lazy.dtype) }),
    ),
  );
}

/** Options of {@link diagonal}. */
export interface DiagonalOptions {
  readonly offset?: number;
  readonly axis1?: number;
  readonly axis2?: number;
}

/**
 * A diagonal of two axes, which becomes the last axis. Only blocks on the diagonal are read. NumPy `diagonal`.
 * @throws {AxisError} axes that are not two
 */
export function diagonal(x: ArrayLike, offset?: number | DiagonalOptions, options: DiagonalOptions = {}): ChunkedArray {
  const given = typeof offset === "object" ? offset : options;
  const k = whole(typeof offset === "number" ? offset : (given.offset ?? 0));
  const lazy = known("diagonal", x);
  if (lazy.ndim < 2) throw new AxisError(`diagonal of rank ${lazy.ndim}: expected at least 2`);
  const [a, b] = [normalizeAxis(given.axis1 ?? 0, lazy.ndim), normalizeAxis(given.axis2 ?? 1, lazy.ndim)];
  if (a === b) throw new AxisError(`diagonal of axes ${a} and ${b}: expected two different ones`);
  const order = lazy.shape.map((_, axis) => axis).filter((axis) => axis !== a && axis !== b);
  return new ChunkedArray(diagonalLayer(lazy.transpose(...order, a, b), k));
}

function diagonalLayer(x: LazyArray, k: number): LayerNode {
  const [n, m] = x.shape.slice(-2) as [number, number]; // the caller moved two axes there
  const from: [number, number] = [Math.max(0, -k), Math.max(0, k)];
  const length = Math.max(0, Math.min(n - from[0], m - from[1]));
  const kept = x.chunks.slice(0, -2);
  if (length === 0) return zeros([...x.shape.slice(0, -2), 0], { dtype: x.dtype, chunks: [...kept, [0]] }).node;
  const [rows, columns] = x.chunks.slice(-2) as [readonly number[], readonly number[]];
  const ends = diagonalRuns(rows, columns, from, length);
  const parts = ends.map((end, i) => {
    const start = ends[i - 1] ?? 0;
    const range = (at: number): AxisIndex => ({ kind: "range", start: at + start, step: 1, count: end - start });
    const index: AxisIndex[] = x.shape.slice(0, -2).map((count) => ({ kind: "range", start: 0, step: 1, count }));
    return applyNode("diagonal", {
      kernel: "diagonal",
      params: null,
      inputs: [
        {
          layer: sliceNode(x.node, [...index, range(from[0]), range(from[1])]),
          axes: [...kept.map((_, axis) => axis), null, null],
        },
      ],
      dtype: x.dtype,
      chunks: [...kept, [end - start]],
      scratchBytes: 0,
    });
  });
  return parts.length === 1 ? (parts[0] as LayerNode) : concatenateNode(parts, kept.length);
}

/** Options of {@link meshgrid}. */
export interface MeshgridOptions {
  /** "xy" (default): the first two axes are exchanged, as for pictures; "ij": axes in order. */
  readonly indexing?: "xy" | "ij";
  /** Axes of size 1 instead of repeated values. */
  readonly sparse?: boolean;
}

/** Coordinates of a grid, one array for each vector. Repeated values are not copied before use. NumPy `meshgrid`. @throws {ArgumentError} */
export function meshgrid(...vectors: readonly (ArrayLike | MeshgridOptions)[]): ChunkedArray[] {
  const last = vectors.at(-1);
  const options = isMeshOptions(last) ? last : {};
  const arrays = (isMeshOptions(last) ? vectors.slice(0, -1) : vectors) as readonly ArrayLike[]; // options come last
  const indexing = options.indexing ?? "xy";
  if (indexing !== "xy" && indexing !== "ij")
    throw new ArgumentError(`meshgrid with indexing ${JSON.stringify(indexing)}: expected "xy" or "ij"`);
  const lines = arrays.map((a) => known("meshgrid", a).ravel());
  const place = lines.map((_, k) => (indexing === "xy" && lines.length > 1 && k < 2 ? 1 - k : k));
  const shape = lines.map((_, k) => (lines[place.indexOf(k)] as ChunkedArray).size);
  const chunks = lines.map((_, k) => (lines[place.indexOf(k)] as ChunkedArray).chunks[0] as readonly number[]);
  return lines.map((line, k) => {
    const thin = line.reshape(...shape.map((n, a) => (a === place[k] ? n : 1)));
    return options.sparse ? thin : new ChunkedArray(broadcastLayer(thin, shape, chunks));
  });
}

function isMeshOptions(value: unknown): value is MeshgridOptions {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Options of {@link indices}. */
export interface IndicesOptions extends CreateOptions {
  /** A list of arrays with axes of size 1, instead of one array. */
  readonly sparse?: boolean;
}

/** Indices of a grid: shape (rank, …shape), int64 unless told; with `sparse` a list of arrays. NumPy `indices`. @throws {ShapeError} */
export function indices(shape: readonly number[], options: IndicesOptions & { readonly sparse: true }): ChunkedArray[];
export function indices(shape: readonly number[], options?: IndicesOptions): ChunkedArray;
export function indices(shape: readonly number[], options: IndicesOptions = {}): ChunkedArray | ChunkedArray[] {
  const sizes = checkShape(shape);
  const dtype = asDType(options.dtype ?? "int64");
  const cut = cutChunks(sizes, dtype, options.chunks);
  const lines = sizes.map((_, k) => indexAlong(sizes, k, cut, dtype));
  if (options.sparse) return lines;
  if (lines.length === 0) return zeros([0], { dtype });
  return new ChunkedArray(
    stackNode(
      lines.map((line) => broadcastLayer(line, sizes, cut)),
      0,
    ),
  );
}

/** Options of {@link fromfunction}. */
export interface IndexFunctionOptions extends CreateOptions {
  /** dtype of the indices that the function gets; float64 by default, as in NumPy. */
  readonly dtype?: DType;
}

/**
 * The array that a function makes of lazy arrays of indices, one for each axis: `fromfunction((i, j) => i.add(j), [3, 4])`.
 * NumPy `fromfunction`.
 * @throws {ArgumentError} the function gives no lazy array or number
 */
export function fromfunction(
  f: (...indices: ChunkedArray[]) => ChunkedArray | number,
  shape: readonly number[],
  options: IndexFunctionOptions = {},
): ChunkedArray {
  requireKnownOptions("fromfunction", options, CREATE_OPTIONS);
  const sizes = checkShape(shape);
  const dtype = asDType(options.dtype ?? "float64");
  const cut = cutChunks(sizes, dtype, options.chunks);
  const made = f(
    ...sizes.map((_, k) => new ChunkedArray(broadcastLayer(indexAlong(sizes, k, cut, dtype), sizes, cut))),
  );
  if (typeof made === "number") return full(sizes, made, { chunks: cut });
  if (!(made instanceof ChunkedArray))
    throw new ArgumentError(`fromfunction: the function gave ${String(made)}: expected a lazy array of its indices`);
  return made;
}

/** Options of the functions that give indices of triangles. */
export interface TriangleOptions {
  readonly k?: number;
  readonly m?: number;
  readonly chunks?: ChunkSpec;
}

/** Coordinates of a triangle. How many elements each row has is known, so that the sizes are too. */
function triangleIndices(
  n: number,
  m: number,
  k: number,
  lower: boolean,
  chunks: ChunkSpec | undefined,
): ChunkedArray[] {
  checkShape([n, m]);
  const mask = diagonalMask(n, m, whole(k), lower ? "le" : "ge", chunks, "int64");
  const row = (i: number): number => {
    const below = Math.max(0, Math.min(m, lower ? i + k + 1 : i + k));
    return lower ? below : m - below;
  };
  const before = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) before[i + 1] = (before[i] as number) + row(i);
  /** Elements kept among the first `end` of the flat mask. */
  const upTo = (end: number): number => {
    const i = m === 0 ? 0 : Math.floor(end / m);
    const column = end - i * m;
    const here = i < n ? (lower ? Math.min(column, row(i)) : Math.max(0, column - (m - row(i)))) : 0;
    return (before[i] as number) + here;
  };
  return nonzero(mask).map((index) => {
    const node = index.selected as SelectedNode; // of unknown size until here
    return new ChunkedArray(
      compressedNode(node, (sizes) => {
        let at = 0;
        return sizes.map((size) => {
          at += size;
          return upTo(at) - upTo(at - size);
        });
      }),
    );
  });
}

/** Rows and columns at and below a diagonal of an (n, m) array, int64. NumPy `tril_indices`. @throws {ShapeError} */
export function trilIndices(n: number, k?: number | TriangleOptions, options: TriangleOptions = {}): ChunkedArray[] {
  const given = typeof k === "object" ? k : options;
  return triangleIndices(n, given.m ?? n, typeof k === "number" ? k : (given.k ?? 0), true, given.chunks);
}
/** Rows and columns at and above a diagonal of an (n, m) array, int64. NumPy `triu_indices`. @throws {ShapeError} */
export function triuIndices(n: number, k?: number | TriangleOptions, options: TriangleOptions = {}): ChunkedArray[] {
  const given = typeof k === "object" ? k : options;
  return triangleIndices(n, given.m ?? n, typeof k === "number" ? k : (given.k ?? 0), false, given.chunks);
}

function matrixShape(label: string, x: ArrayLike): [number, number] {
  const { shape } = known(label, x);
  if (shape.length !== 2) throw new ShapeError(`${label} of rank ${shape.length}: expected 2`);
  return shape as [number, number]; // just checked
}

/** {@link trilIndices} of the shape of a matrix. NumPy `tril_indices_from`. @throws {ShapeError} other ranks */
export function trilIndicesFrom(x: ArrayLike, k?: DiagonalOption): ChunkedArray[] {
  const [n, m] = matrixShape("trilIndicesFrom", x);
  return trilIndices(n, { k: diagonalOf(k), m });
}
/** {@link triuIndices} of the shape of a matrix. NumPy `triu_indices_from`. @throws {ShapeError} other ranks */
export function triuIndicesFrom(x: ArrayLike, k?: DiagonalOption): ChunkedArray[] {
  const [n, m] = matrixShape("triuIndicesFrom", x);
  return triuIndices(n, { k: diagonalOf(k), m });
}
