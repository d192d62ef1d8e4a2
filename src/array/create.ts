/** Lazy arrays from nothing and from memory. */
import { ArgumentError, DTypeError, ShapeError } from "../base/index.ts";
import {
  allocate,
  type Complex,
  canHold,
  type DType,
  isComplex,
  isWeakFloat,
  type Scalar,
  storeScalar,
  type TypedArray,
} from "../dtype/index.ts";
import { arangeNode, type ChunkSpec, literalNode } from "../graph/index.ts";
import { NDArray, type Nested } from "../ndarray/index.ts";
import { ChunkedArray } from "./chunked-array.ts";
import { arrayNode, cutChunks } from "./lazy.ts";

/** dtype and chunks of a new array. */
export interface CreateOptions {
  readonly dtype?: DType;
  readonly chunks?: ChunkSpec;
}

function checkShape(shape: number | readonly number[]): readonly number[] {
  const list = typeof shape === "number" ? [shape] : shape;
  for (const n of list)
    if (!Number.isSafeInteger(n) || n < 0) throw new ShapeError(`shape (${list.join(", ")}): ${n} is not a size`);
  return list;
}

/**
 * Lazy array over values in memory: nested arrays, a typed array (1-d), a block, or a number (0-d).
 *
 * dtype of nested numbers: int64 if all are whole, else float64; of booleans bool. Matches NumPy `asarray`.
 * @throws {ShapeError} ragged nesting  @throws {DTypeError} a value that the given dtype cannot hold
 */
export function array(values: Nested | TypedArray | NDArray | ChunkedArray, options: CreateOptions = {}): ChunkedArray {
  if (values instanceof ChunkedArray) {
    const cast = options.dtype ? values.astype(options.dtype) : values;
    return options.chunks === undefined ? cast : cast.rechunk(options.chunks);
  }
  const block =
    values instanceof NDArray
      ? values
      : ArrayBuffer.isView(values)
        ? NDArray.of(values as TypedArray)
        : nestedBlock(values as Nested, options.dtype);
  const lazy = fromArray(block, options.chunks === undefined ? {} : { chunks: options.chunks });
  return options.dtype ? lazy.astype(options.dtype) : lazy;
}

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
  return flat.some((v) => typeof v === "number" && isWeakFloat(v)) ? "float64" : "int64";
}

/** Lazy array over a block; its bytes travel with the graph. Chunks: `"auto"` by default. */
export function fromArray(block: NDArray, options: { readonly chunks?: ChunkSpec } = {}): ChunkedArray {
  return new ChunkedArray(arrayNode(block, options.chunks));
}

/**
 * Array of one repeated value. dtype: float64, int64 or bool after the value. Matches NumPy `full`.
 * @throws {DTypeError} the value does not fit  @throws {ShapeError} a negative or fractional size
 */
export function full(
  shape: number | readonly number[],
  value: Scalar | Complex,
  options: CreateOptions = {},
): ChunkedArray {
  const dtype = options.dtype ?? naturalType([value]);
  if (!canHold(dtype, value)) throw new DTypeError(`fill value ${showScalar(value)} does not fit ${dtype}`);
  const one = allocate(dtype, 1);
  storeScalar(one, 0, value, dtype);
  const sizes = checkShape(shape);
  return new ChunkedArray(
    literalNode("full", dtype, cutChunks(sizes, dtype, options.chunks), new Uint8Array(one.buffer as ArrayBuffer)),
  );
}

/** Zeros, float64 unless told. Matches NumPy `zeros`. */
export function zeros(shape: number | readonly number[], options: CreateOptions = {}): ChunkedArray {
  return full(shape, options.dtype === "bool" ? false : 0, { ...options, dtype: options.dtype ?? "float64" });
}

/** Ones, float64 unless told. Matches NumPy `ones`. */
export function ones(shape: number | readonly number[], options: CreateOptions = {}): ChunkedArray {
  return full(shape, options.dtype === "bool" ? true : 1, { ...options, dtype: options.dtype ?? "float64" });
}

/**
 * `start, start + step, …` below `stop`; one argument is `stop`. dtype int64 for whole numbers, else float64. Matches NumPy `arange`.
 * @throws {ArgumentError} step 0 or not finite
 */
export function arange(
  startOrStop: number,
  stop?: number | CreateOptions,
  step: number | CreateOptions = 1,
  options: CreateOptions = {},
): ChunkedArray {
  const last = [step, stop].find((v): v is CreateOptions => typeof v === "object") ?? options;
  const [from, to] = typeof stop === "number" ? [startOrStop, stop] : [0, startOrStop];
  const by = typeof step === "number" ? step : 1;
  if (by === 0 || ![from, to, by].every(Number.isFinite))
    throw new ArgumentError(`arange(${from}, ${to}, ${by}): expected finite numbers and a step that is not 0`);
  const dtype = last.dtype ?? ([from, to, by].every(Number.isInteger) ? "int64" : "float64");
  const n = Math.max(0, Math.ceil((to - from) / by));
  return new ChunkedArray(arangeNode(dtype, cutChunks([n], dtype, last.chunks), from, by));
}
