/** Fill values: what metadata write, the bytes of one element, and the scalar users see. */
import { MetadataError } from "../../base/index.ts";
import { canHold, castScalar, DTYPES, type DType, type Scalar, type TypedArray } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { describe, type LooseJson } from "./json.ts";

const HEX = /^0x[0-9a-fA-F]+$/;
const NOT_A_TIME = -(2n ** 63n);

function badFill(place: string, value: LooseJson, dtype: DType, expected: string): Error {
  return new MetadataError(
    `${place}: fill_value ${describe(value)} is no ${dtype}; expected ${expected}`,
    { details: { path: "fill_value", value: describe(value), dtype } },
    "zarr-fill",
  );
}

/**
 * Element bytes (hexadecimal, memory order) of a `fill_value` of either format version.
 * @throws {MetadataError} `zarr-fill` when it is not an element of `dtype`
 */
export function parseFill(value: LooseJson, dtype: DType, place: string): string {
  const { kind, components, itemsize } = DTYPES[dtype];
  if (kind === "c") {
    const parts = Array.isArray(value) ? (value as readonly LooseJson[]) : [value, 0];
    if (parts.length !== 2) throw badFill(place, value, dtype, "[real, imaginary]");
    const part = itemsize === 8 ? "float32" : "float64";
    return parts.map((p) => floatFill(p, part, place)).join("");
  }
  if (kind === "f") return floatFill(value, dtype, place);
  if ((kind === "M" || kind === "m") && value === "NaT") return elementHex(dtype, [NOT_A_TIME]);
  if (kind === "b" && typeof value !== "boolean" && value !== 0 && value !== 1)
    throw badFill(place, value, dtype, "true or false");
  const isScalar = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
  if (!isScalar || (kind !== "b" && typeof value === "boolean") || !canHold(dtype, value)) {
    throw badFill(place, value, dtype, "an integer in its range");
  }
  return elementHex(dtype, new Array(components).fill(castScalar(value, dtype)) as (number | bigint)[]);
}

function floatFill(value: LooseJson, dtype: DType, place: string): string {
  if (typeof value === "number" || typeof value === "bigint") return elementHex(dtype, [Number(value)]);
  if (value === "NaN") return elementHex(dtype, [Number.NaN]);
  if (value === "Infinity") return elementHex(dtype, [Number.POSITIVE_INFINITY]);
  if (value === "-Infinity") return elementHex(dtype, [Number.NEGATIVE_INFINITY]);
  const { itemsize } = DTYPES[dtype];
  if (typeof value === "string" && HEX.test(value) && value.length === 2 + 2 * itemsize) {
    return value.slice(2).toLowerCase().match(/../g)!.reverse().join(""); // non-empty: it matched HEX
  }
  throw badFill(place, value, dtype, `a number, "NaN", "Infinity", "-Infinity" or "0x" and ${2 * itemsize} digits`);
}

function elementHex(dtype: DType, values: readonly (number | bigint)[]): string {
  const element = new DTYPES[dtype].array(values.length);
  values.forEach((v, k) => {
    element[k] = v as never; // castScalar gave what the array class holds
  });
  return Buffer.from(element.buffer as ArrayBuffer).toString("hex");
}

/** Bytes of one element. */
function fillBytes(fill: string | null, dtype: DType): Uint8Array {
  return fill === null ? new Uint8Array(DTYPES[dtype].itemsize) : new Uint8Array(Buffer.from(fill, "hex"));
}

function componentsOf(fill: string | null, dtype: DType): TypedArray {
  return new DTYPES[dtype].array(fillBytes(fill, dtype).buffer as ArrayBuffer);
}

/** The fill value as a scalar (the real part of a complex one), or null where there is none. */
export function fillScalar(fill: string | null, dtype: DType): Scalar | null {
  if (fill === null) return null;
  const value = componentsOf(fill, dtype)[0] as number | bigint; // one element at least
  return dtype === "bool" ? value !== 0 : value;
}

/** The `fill_value` of v3 metadata. */
export function fillJson(fill: string | null, dtype: DType): LooseJson {
  const parts = Array.from(componentsOf(fill, dtype) as ArrayLike<number | bigint>);
  const { kind } = DTYPES[dtype];
  if (kind === "b") return parts[0] !== 0;
  const json = parts.map((v) => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v));
  return kind === "c" ? json : json[0]!;
}

/** Unsigned words of `itemsize` bytes over the same memory, so that filling keeps every bit of a NaN. */
function bitsOf(data: TypedArray): TypedArray {
  switch (data.BYTES_PER_ELEMENT) {
    case 2:
      return new Uint16Array(data.buffer, data.byteOffset, data.length);
    case 4:
      return new Uint32Array(data.buffer, data.byteOffset, data.length);
    case 8:
      return new BigUint64Array(data.buffer, data.byteOffset, data.length);
    default:
      return new Uint8Array(data.buffer, data.byteOffset, data.length);
  }
}

/** Set every element of `block` (any strides) to the fill value. */
export function fillBlock(block: NDArray, fill: string | null): void {
  const { components } = DTYPES[block.dtype];
  const value = bitsOf(componentsOf(fill, block.dtype));
  const bits = bitsOf(block.data);
  if (block.size === 0) return;
  if (block.isContiguous && components === 1) {
    bits.fill(value[0] as never, block.offset, block.offset + block.size); // same word class
    return;
  }
  const walk = (axis: number, at: number): void => {
    if (axis === block.ndim) {
      for (let c = 0; c < components; c++) bits[at * components + c] = value[c] as never; // same word class
      return;
    }
    const [n, step] = [block.shape[axis] as number, block.stride[axis] as number]; // axis < ndim
    if (axis === block.ndim - 1 && step === 1 && components === 1) bits.fill(value[0] as never, at, at + n);
    else for (let i = 0; i < n; i++) walk(axis + 1, at + i * step);
  };
  walk(0, block.offset);
}

/**
 * True when every element of `bytes` is the fill value: the same bits, or any NaN for a NaN.
 * Stops at the first that is not.
 */
export function isAllFill(bytes: Uint8Array, fill: string | null, dtype: DType): boolean {
  const { array, kind, components, itemsize } = DTYPES[dtype];
  const values = componentsOf(fill, dtype);
  const make = (a: Uint8Array): TypedArray => new array(a.buffer, a.byteOffset, (a.length / itemsize) * components);
  if (kind === "f" && Number.isNaN(values[0])) {
    const data = make(bytes) as Float64Array; // a float class: kind "f"
    for (let i = 0; i < data.length; i++) if (!Number.isNaN(data[i]!)) return false;
    return true;
  }
  const data = bitsOf(make(bytes));
  const bits = bitsOf(values);
  if (components === 1) return data.every((v: number | bigint) => v === bits[0]);
  for (let i = 0; i < data.length; i++) if (data[i] !== bits[i % components]) return false;
  return true;
}
