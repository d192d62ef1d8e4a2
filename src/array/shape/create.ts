/** Lazy arrays from nothing and from memory. */
import { DTypeError, type OptionNames, requireKnownOptions, ShapeError } from "../../base/index.ts";
import {
  allocate,
  asDType,
  type Complex,
  canHold,
  type DType,
  isComplex,
  isWeakFloat,
  type Scalar,
  storeScalar,
  type TypedArray,
} from "../../dtype/index.ts";
import { type ChunkSpec, literalNode } from "../../graph/index.ts";
import { NDArray, type Nested } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { arrayNode, checkShape, cutChunks } from "../lazy.ts";
import { unknownShape } from "../unknown.ts";
import { broadcastLayer } from "./broadcasting.ts";
import { CREATE_OPTIONS, type CreateOptions } from "./create-options.ts";
import { stack } from "./joining.ts";

export type { CreateOptions } from "./create-options.ts";

/** The dtype that was asked for. @throws {ArgumentError} an option that `call` does not have  @throws {DTypeError} no such dtype */
function askedDType(call: string, options: CreateOptions): DType | undefined {
  requireKnownOptions(call, options, CREATE_OPTIONS);
  return options.dtype === undefined ? undefined : asDType(options.dtype);
}

/** What functions take for an array: a lazy one, a block, a typed array (1-d), nested lists of numbers, one number. */
export type ArrayLike = ChunkedArray | NDArray | TypedArray | Nested;

/**
 * Lazy array over values in memory: nested lists, a typed array (1-d), a block, or a number (0-d). A list of arrays is stacked.
 *
 * dtype of nested numbers: bool if all are, int64 if all are whole (uint64 beyond it), else float64. Chunks: `"auto"`,
 * a lazy array's own. Matches NumPy `asarray`.
 * @throws {ShapeError} ragged nesting  @throws {DTypeError} no such dtype, or a value that it cannot hold
 */
export function array(
  values: ArrayLike | readonly (ChunkedArray | NDArray)[],
  options: CreateOptions = {},
): ChunkedArray {
  const dtype = askedDType("array", options);
  if (Array.isArray(values) && values.some((v) => v instanceof ChunkedArray || v instanceof NDArray))
    return array(stack(values as readonly unknown[] as readonly ChunkedArray[]), options); // stack checks the others
  if (values instanceof ChunkedArray) {
    const cast = dtype ? values.astype(dtype) : values;
    return options.chunks === undefined ? cast : cast.rechunk(options.chunks);
  }
  const block =
    values instanceof NDArray
      ? values
      : ArrayBuffer.isView(values)
        ? NDArray.of(values as TypedArray)
        : nestedBlock(values as Nested, dtype); // the other forms are handled above
  const lazy = fromArray(block, options.chunks === undefined ? {} : { chunks: options.chunks });
  return dtype ? lazy.astype(dtype) : lazy;
}

export { array as asanyarray, array as asarray };

function nestedBlock(values: Nested, dtype: DType | undefined): NDArray {
  const shape: number[] = [];
  for (let v: Nested | undefined = values; Array.isArray(v); v = v[0]) shape.push(v.length);
  const flat: (Scalar | Complex)[] = [];
  const walk = (v: Nested, axis: number): void => {
    if (axis === shape.length) {
      if (Array.isArray(v)) throw new ShapeError(`ragged values: expected a number at depth ${axis}`);
      flat.push(v);
    } else {
      if (!Array.isArray(v) || v.length !== shape[axis])
        throw new ShapeError(
          `ragged values: expected ${shape[axis]} entries at depth ${axis}, got ${Array.isArray(v) ? v.length : typeof v}`,
        );
      for (const w of v) walk(w, axis + 1);
    }
  };
  walk(values, 0);
  const chosen = dtype ?? naturalType(flat);
  const data = allocate(chosen, flat.length);
  flat.forEach((v, i) => {
    if (typeof v !== "number" && typeof v !== "bigint" && typeof v !== "boolean" && !isComplex(v))
      throw new DTypeError(`value ${JSON.stringify(v)} is not a number`);
    if (!canHold(chosen, v)) throw new DTypeError(`value ${showScalar(v)} does not fit ${chosen}`);
    storeScalar(data, i, v, chosen);
  });
  return new NDArray(chosen, data, shape);
}

function showScalar(v: Scalar | Complex): string {
  return isComplex(v) ? JSON.stringify(v) : String(v);
}

function naturalType(flat: readonly (Scalar | Complex)[]): DType {
  if (flat.length === 0) return "float64";
  if (flat.some(isComplex)) return "complex128";
  if (flat.every((v) => typeof v === "boolean")) return "bool";
  if (flat.some((v) => typeof v === "number" && isWeakFloat(v))) return "float64";
  const beyond = flat.filter((v) => !canHold("int64", v)).length;
  return beyond === 0 ? "int64" : beyond === flat.length ? "uint64" : "float64";
}

/** Lazy array over a block; its bytes travel with the graph. Chunks: `"auto"` by default. */
export function fromArray(block: NDArray, options: { readonly chunks?: ChunkSpec } = {}): ChunkedArray {
  return new ChunkedArray(arrayNode(block, options.chunks));
}

/**
 * Array of one repeated value, or of a smaller array repeated by broadcasting. dtype: float64, int64 or bool after the
 * value, or the array's. Matches NumPy `full`.
 * @throws {DTypeError} the value does not fit  @throws {ShapeError} a negative or fractional size
 */
export function full(
  shape: number | readonly number[],
  value: Scalar | Complex | ChunkedArray | NDArray,
  options: CreateOptions = {},
): ChunkedArray {
  const sizes = checkShape(shape);
  const asked = askedDType("full", options);
  if (value instanceof ChunkedArray || value instanceof NDArray) {
    const wide = new ChunkedArray(broadcastLayer(array(value), sizes, options.chunks));
    return asked ? wide.astype(asked) : wide;
  }
  const dtype = asked ?? naturalType([value]);
  if (!canHold(dtype, value)) throw new DTypeError(`fill value ${showScalar(value)} does not fit ${dtype}`);
  const one = allocate(dtype, 1);
  storeScalar(one, 0, value, dtype);
  return new ChunkedArray(
    literalNode("full", dtype, cutChunks(sizes, dtype, options.chunks), new Uint8Array(one.buffer as ArrayBuffer)),
  );
}

/** Zeros, float64 unless told. Matches NumPy `zeros`. */
export function zeros(shape: number | readonly number[], options: CreateOptions = {}): ChunkedArray {
  const dtype = askedDType("zeros", options) ?? "float64";
  return full(shape, dtype === "bool" ? false : 0, { ...options, dtype });
}

/** Ones, float64 unless told. Matches NumPy `ones`. */
export function ones(shape: number | readonly number[], options: CreateOptions = {}): ChunkedArray {
  const dtype = askedDType("ones", options) ?? "float64";
  return full(shape, dtype === "bool" ? true : 1, { ...options, dtype });
}

/** An array whose values do not matter: zeros, since nothing here is left unset. Matches NumPy `empty`. */
export function empty(shape: number | readonly number[], options: CreateOptions = {}): ChunkedArray {
  return zeros(shape, options);
}

/** How an array like another may differ from it. */
export interface LikeOptions extends CreateOptions {
  readonly shape?: number | readonly number[];
}

const LIKE_OPTIONS: OptionNames<LikeOptions> = { ...CREATE_OPTIONS, shape: true };

function like(x: ArrayLike, value: Scalar | Complex | null, options: LikeOptions): ChunkedArray {
  requireKnownOptions("an array like another", options, LIKE_OPTIONS);
  const model = array(x);
  if (model.selected) throw unknownShape("an array like it", model.selected.selection.axis);
  const dtype = options.dtype ?? model.dtype;
  const chunks = options.chunks ?? (options.shape === undefined ? model.chunks : "auto");
  return full(options.shape ?? model.shape, value ?? (dtype === "bool" ? false : 0), { dtype, chunks });
}

/** Array of one value with the shape, dtype and chunks of `x`. Matches NumPy `full_like`. @throws {DTypeError} the value does not fit */
export function fullLike(x: ArrayLike, value: Scalar | Complex, options: LikeOptions = {}): ChunkedArray {
  return like(x, value, options);
}
/** Zeros with the shape, dtype and chunks of `x`. Matches NumPy `zeros_like`. */
export function zerosLike(x: ArrayLike, options: LikeOptions = {}): ChunkedArray {
  return like(x, null, options);
}
/** Ones with the shape, dtype and chunks of `x`. Matches NumPy `ones_like`. */
export function onesLike(x: ArrayLike, options: LikeOptions = {}): ChunkedArray {
  return like(x, (options.dtype ?? array(x).dtype) === "bool" ? true : 1, options);
}
/** Values that do not matter, with the shape, dtype and chunks of `x`: zeros. Matches NumPy `empty_like`. */
export function emptyLike(x: ArrayLike, options: LikeOptions = {}): ChunkedArray {
  return like(x, null, options);
}
