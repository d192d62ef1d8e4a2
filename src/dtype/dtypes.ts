/** Names, sizes, typed arrays and foreign codes of every dtype: the only such table in the project. */
import { DTypeError } from "../base/index.ts";

/** All dtype names. T1: bool, the integers, float32 and float64; datetime and timedelta as coordinates. */
export type DType =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float16"
  | "float32"
  | "float64"
  | "complex64"
  | "complex128"
  | "datetime64[ns]"
  | "timedelta64[ns]";

/** Kind letters of NumPy. */
export type Kind = "b" | "i" | "u" | "f" | "c" | "M" | "m";

/** Any typed array that holds a block's elements. */
export type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float16Array
  | Float32Array
  | Float64Array;

/** A scalar value of some dtype. */
export type Scalar = number | bigint | boolean;

/** A complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** True for a {@link Complex}. */
export function isComplex(value: unknown): value is Complex {
  if (typeof value !== "object" || value === null) return false;
  return "re" in value && "im" in value && typeof value.re === "number" && typeof value.im === "number";
}

/** Constructor of a typed array over a buffer. */
export interface TypedArrayConstructor {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
}

/** Facts of one dtype. */
export interface DTypeInfo {
  readonly name: DType;
  readonly kind: Kind;
  /** Bytes of one element. */
  readonly itemsize: number;
  /** Array class of the elements; complex types use two components per element. */
  readonly array: TypedArrayConstructor;
  /** Components per element: 2 for complex types. */
  readonly components: 1 | 2;
  /** NumPy's little-endian type string, e.g. `<f4`. */
  readonly numpy: string;
  /** True where elements are bigint in JavaScript. */
  readonly big: boolean;
  /** Smallest and largest integer, for integer kinds. */
  readonly min?: bigint;
  readonly max?: bigint;
}

function info(name: DType, kind: Kind, itemsize: number, array: unknown, numpy: string): DTypeInfo {
  const bits = BigInt(itemsize * 8);
  const range =
    kind === "i"
      ? { min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n }
      : kind === "u"
        ? { min: 0n, max: (1n << bits) - 1n }
        : {};
  // The typed-array constructors share a call shape that their TypeScript types do not express.
  return {
    name,
    kind,
    itemsize,
    array: array as TypedArrayConstructor,
    components: kind === "c" ? 2 : 1,
    numpy,
    big: itemsize === 8 && kind !== "f" && kind !== "c",
    ...range,
  };
}

/** Facts by name. */
export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  bool: info("bool", "b", 1, Uint8Array, "|b1"),
  int8: info("int8", "i", 1, Int8Array, "|i1"),
  int16: info("int16", "i", 2, Int16Array, "<i2"),
  int32: info("int32", "i", 4, Int32Array, "<i4"),
  int64: info("int64", "i", 8, BigInt64Array, "<i8"),
  uint8: info("uint8", "u", 1, Uint8Array, "|u1"),
  uint16: info("uint16", "u", 2, Uint16Array, "<u2"),
  uint32: info("uint32", "u", 4, Uint32Array, "<u4"),
  uint64: info("uint64", "u", 8, BigUint64Array, "<u8"),
  float16: info("float16", "f", 2, Float16Array, "<f2"),
  float32: info("float32", "f", 4, Float32Array, "<f4"),
  float64: info("float64", "f", 8, Float64Array, "<f8"),
  complex64: info("complex64", "c", 8, Float32Array, "<c8"),
  complex128: info("complex128", "c", 16, Float64Array, "<c16"),
  "datetime64[ns]": info("datetime64[ns]", "M", 8, BigInt64Array, "<M8[ns]"),
  "timedelta64[ns]": info("timedelta64[ns]", "m", 8, BigInt64Array, "<m8[ns]"),
};

/** Facts of `dtype`. */
export function dtypeInfo(dtype: DType): DTypeInfo {
  return DTYPES[dtype];
}

/** Bytes of one element. */
export function itemsize(dtype: DType): number {
  return DTYPES[dtype].itemsize;
}

/** True when `name` is a dtype. */
export function isDType(name: unknown): name is DType {
  return typeof name === "string" && Object.hasOwn(DTYPES, name);
}

/**
 * `name` as a dtype.
 * @throws {DTypeError} unknown name
 */
export function asDType(name: unknown): DType {
  if (isDType(name)) return name;
  throw new DTypeError(`dtype ${JSON.stringify(name)} is unknown; expected one of ${Object.keys(DTYPES).join(", ")}`);
}

const BY_NUMPY = new Map<string, DType>(Object.values(DTYPES).map((d) => [d.numpy.slice(1), d.name]));

/** dtype and byte order of a NumPy type string (`<f4`, `>i2`, `|u1`), or null where rsdat has no such type. */
export function fromNumpy(code: string): { readonly dtype: DType; readonly bigEndian: boolean } | null {
  const found = /^([<>|=]?)(.+)$/.exec(code);
  const dtype = found?.[2] === undefined ? undefined : BY_NUMPY.get(found[2] === "?" ? "b1" : found[2]);
  return dtype === undefined ? null : { dtype, bigEndian: found?.[1] === ">" };
}

/** New zeroed typed array for `length` elements of `dtype`. */
export function allocate(dtype: DType, length: number): TypedArray {
  const d = DTYPES[dtype];
  return new d.array(length * d.components);
}

/** View `length` elements of `dtype` in `buffer` at `byteOffset` (aligned to the item's component size). */
export function viewOf(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray {
  const d = DTYPES[dtype];
  return new d.array(buffer, byteOffset, length * d.components);
}

/** dtype that a typed array has by its class alone (Uint8Array is uint8, BigInt64Array int64). */
export function dtypeOfArray(data: TypedArray): DType {
  const name = data.constructor.name.replace("Array", "").replace("Big", "").toLowerCase();
  return asDType(name);
}
