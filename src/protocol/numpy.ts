/** `numpy.ndarray` on the wire: header and one buffer, both ways. Source: distributed/protocol/numpy.py. */
import { RemoteProtocolError, UnsupportedError } from "../base/index.ts";
import { DTYPES } from "../dtype/index.ts";
import { ascontiguous, contiguousStride, NDArray, sizeOf } from "../ndarray/index.ts";
import { asArray, describe } from "./msgpack.ts";
import { type NumpyType, numpyTypeOfHeader } from "./numpy-type.ts";
import { PyGlobal } from "./pickle/tree.ts";
import { writePickle } from "./pickle/writer.ts";

/** An array whose elements have no dtype of ours (texts, bytes, records, Python objects): values in C order. */
export class PyArray {
  /** NumPy's type string, e.g. `<U2`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly items: readonly unknown[];
  constructor(dtype: string, shape: readonly number[], items: readonly unknown[]) {
    this.dtype = dtype;
    this.shape = shape;
    this.items = items;
  }
}

/** The fixed pickle of the class, by which receivers dispatch. */
const NDARRAY_TYPE = writePickle(new PyGlobal("numpy", "ndarray"));
const NDIM_MAX = 64;
/** Most elements of an array of texts, records or objects: each becomes a JavaScript value. */
const ITEMS_MAX = 2 ** 24;

/** Sub-header fields and buffer of a block; the buffer is a view unless the block is neither C nor Fortran contiguous. */
export function encodeBlock(block: NDArray): { readonly fields: Record<string, unknown>; readonly frame: Uint8Array } {
  const info = DTYPES[block.dtype];
  // Broadcast axes (stride 0) travel as one element, as NumPy's own do.
  const isRepeated = block.shape.map((n, k) => n > 1 && block.stride[k] === 0);
  const distinct = new NDArray(
    block.dtype,
    block.data,
    block.shape.map((n, k) => (isRepeated[k] ? 1 : n)),
    block.stride,
    block.offset,
  );
  const isFortran = !distinct.isContiguous && distinct.transpose().isContiguous;
  const sent = isFortran ? distinct : ascontiguous(distinct);
  const stride = isFortran ? distinct.stride : contiguousStride(distinct.shape);
  const first = sent.offset * info.components * sent.data.BYTES_PER_ELEMENT;
  const header = {
    dtype: [0, info.numpy],
    shape: distinct.shape,
    strides: stride.map((s, k) => (isRepeated[k] ? 0 : s * info.itemsize)),
    writeable: [true],
    ...(isRepeated.includes(true) ? { broadcast_to: block.shape } : {}),
  };
  return {
    fields: { "sub-header": header, type: "numpy.ndarray", "type-serialized": NDARRAY_TYPE },
    frame: new Uint8Array(sent.data.buffer, sent.data.byteOffset + first, sent.nbytes),
  };
}

/**
 * The block of a header and its buffer. A view on the buffer where its alignment and byte order allow it.
 *
 * @throws {RemoteProtocolError} shape and strides reach outside the buffer
 * @throws {UnsupportedError} a dtype without a JavaScript form, or one that is no block (use {@link decodeArray})
 */
export function decodeBlock(header: ReadonlyMap<unknown, unknown>, frame: Uint8Array): NDArray {
  const value = decodeArray(header, frame);
  if (value instanceof NDArray) return value;
  throw new UnsupportedError(`an array of dtype ${value.dtype} is no block of numbers`, {
    details: { dtype: value.dtype },
  });
}

/** As {@link decodeBlock}; texts, bytes and records give a {@link PyArray}. */
export function decodeArray(header: ReadonlyMap<unknown, unknown>, frame: Uint8Array): NDArray | PyArray {
  const type = numpyTypeOfHeader(header.get("dtype"));
  const shape = extents(header.get("broadcast_to") ?? header.get("shape"), "shape");
  const strides = extents(header.get("strides"), "strides");
  return arrayOf(type, frame, { shape, strides });
}

/** Extents and byte strides of a buffer. */
export interface Layout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Array over a buffer. @throws {RemoteProtocolError} the layout reaches outside the buffer */
export function arrayOf(type: NumpyType, frame: Uint8Array, layout: Layout): NDArray | PyArray {
  const { shape, strides } = layout;
  if (strides.length !== shape.length)
    throw new RemoteProtocolError(`array with ${shape.length} extents and ${strides.length} strides`);
  const isEmpty = shape.includes(0);
  const last = isEmpty ? 0 : shape.reduce((sum, n, k) => sum + (n - 1) * strides[k]!, type.itemsize);
  if (last > frame.byteLength)
    throw new RemoteProtocolError(
      `array of shape (${shape.join(", ")}) and strides (${strides.join(", ")}) needs ${last} bytes; its buffer has ${frame.byteLength}`,
    );
  return type.kind === "number"
    ? numberBlock(type, frame, { shape, strides: isEmpty ? strides.map(() => 0) : strides })
    : itemArray(type, frame, layout);
}

function numberBlock(
  type: NumpyType & { readonly kind: "number" },
  frame: Uint8Array,
  { shape, strides }: Layout,
): NDArray {
  const info = DTYPES[type.dtype];
  const width = info.itemsize / info.components;
  const stride = strides.map((s) => s / info.itemsize);
  if (!stride.every(Number.isInteger))
    throw new RemoteProtocolError(`strides (${strides.join(", ")}) of items of ${info.itemsize} bytes`);
  const length = Math.floor(frame.byteLength / width);
  const isView = frame.byteOffset % width === 0 && !type.bigEndian;
  const bytes = isView ? frame : frame.slice(0, length * width);
  if (type.bigEndian) swapBytes(bytes, width);
  return new NDArray(
    type.dtype,
    new info.array(bytes.buffer, bytes.byteOffset, length),
    shape,
    shape.includes(0) ? contiguousStride(shape) : stride,
  );
}

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let from = 0; from + width <= bytes.byteLength; from += width) {
    for (let i = from, j = from + width - 1; i < j; i++, j--) {
      const low = bytes[i]!;
      bytes[i] = bytes[j]!;
      bytes[j] = low;
    }
  }
}

function itemArray(type: NumpyType, frame: Uint8Array, { shape, strides }: Layout): PyArray {
  if (sizeOf(shape) > ITEMS_MAX)
    throw new RemoteProtocolError(
      `array of ${sizeOf(shape)} items of dtype ${type.code}; at most ${ITEMS_MAX} are read`,
    );
  const items: unknown[] = [];
  const walk = (axis: number, at: number): void => {
    if (axis === shape.length) items.push(itemOf(type, frame, at));
    else for (let i = 0; i < shape[axis]!; i++) walk(axis + 1, at + i * strides[axis]!);
  };
  walk(0, 0);
  return new PyArray(type.code, shape, items);
}

/** One element: number, bigint, text, bytes or a record as a plain object. */
export function itemOf(type: NumpyType, frame: Uint8Array, at: number): unknown {
  switch (type.kind) {
    case "number": {
      const block = numberBlock(type, frame.slice(at, at + type.itemsize), { shape: [], strides: [] });
      return type.dtype.startsWith("complex") ? Array.from(block.data as Float64Array) : block.item();
    }
    case "text":
      return textOf(frame.subarray(at, at + type.itemsize), type.bigEndian);
    case "bytes": {
      let end = at + type.itemsize;
      while (end > at && frame[end - 1] === 0) end--;
      return frame.slice(at, end);
    }
    case "record":
      return Object.fromEntries(type.fields.map((field) => [field.name, itemOf(field.type, frame, at + field.offset)]));
    case "object":
      throw new RemoteProtocolError("Python objects in a plain buffer");
  }
}

/** UTF-32 with trailing NULs. */
function textOf(bytes: Uint8Array, bigEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
    const point = view.getUint32(at, !bigEndian);
    if (point > 0x10ffff) throw new RemoteProtocolError(`0x${point.toString(16)} in a text is no Unicode character`);
    text += String.fromCodePoint(point);
  }
  return text.replace(/\0+$/, "");
}

function extents(value: unknown, what: string): number[] {
  const items = asArray(value, `${what} of an array`);
  if (items.length > NDIM_MAX)
    throw new RemoteProtocolError(`${what} of an array: ${items.length} axes; at most ${NDIM_MAX} expected`);
  return items.map((item) => {
    if (typeof item !== "number" || !Number.isSafeInteger(item) || item < 0)
      throw new RemoteProtocolError(`${what} of an array: ${describe(item)}; expected integers from 0`);
    return item;
  });
}
