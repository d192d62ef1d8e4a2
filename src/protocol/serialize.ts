/** Python objects and blocks inside messages: Dask's serializers, both ways (dask-protocol §5). */
import { RemoteProtocolError, UnsupportedError } from "../base/index.ts";
import { dtypeOfArray, type TypedArray } from "../dtype/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { TYPED } from "./block-header.ts";
import { joinBytes } from "./framing.ts";
import { asArray, asMap, describe, Pickled, pack, Serialized, unpack } from "./msgpack.ts";
import { decodeArray, decodeBlock, encodeBlock } from "./numpy.ts";
import { numpyValue } from "./numpy-pickle.ts";
import { pyValueOf } from "./pickle/build.ts";
import { readPickle } from "./pickle/reader.ts";
import { PyCall, PyGlobal, type PyValue } from "./pickle/tree.ts";
import { nameOf, plainOf } from "./pickle/values.ts";
import { writePickle } from "./pickle/writer.ts";

/** A masked array: true in the mask means missing. */
export class MaskedBlock {
  readonly data: NDArray;
  readonly mask: NDArray | null;
  readonly fillValue: unknown;
  constructor(data: NDArray, mask: NDArray | null, fillValue: unknown) {
    this.data = data;
    this.mask = mask;
    this.fillValue = fillValue;
  }
}

/** Serializer of native task specs on our own wire. */
const NATIVE = "rsdat";
const DEPTH_MAX = 64;
const BYTES_TYPE = writePickle(new PyGlobal("builtins", "bytes"));

/**
 * A value for Python or rsdat peers: blocks as `numpy.ndarray` (no copy when contiguous), typed arrays as such with a mark
 * by which rsdat peers know them, bytes as `bytes`, anything plain as a pickle (arrays are lists, Maps and objects dicts). Immediate.
 *
 * @throws {LocalProtocolError} a value without a Python form
 */
export function serialize(value: unknown): Serialized {
  if (value instanceof NDArray) return serializeBlock(value);
  if (value instanceof Uint8Array) return serializeBytes(value);
  // Views that are no DataView are typed arrays.
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return serializeTyped(value as TypedArray);
  const pickle = writePickle(pyValueOf(value));
  // Objects and Maps are both dicts in Python; among ourselves it is said which they were.
  return hasOnlyObjects(value)
    ? make({ serializer: "pickle", writeable: [], objects: true }, [pickle])
    : serializePickle(pickle);
}

/** Headers of contiguous blocks, which say no more than dtype and shape. */
const HEADERS = new Map<string, Uint8Array>();
const HEADERS_MAX = 256;

function serializeBlock(block: NDArray): Serialized {
  const { fields, frame } = encodeBlock(block);
  const kind = block.isContiguous && block.size > 0 ? `${block.dtype} ${block.shape.join()}` : null;
  const known = kind === null ? undefined : HEADERS.get(kind);
  if (known) return new Serialized(known, [frame]);
  const made = make({ ...fields, serializer: "dask" }, [frame]);
  if (kind === null) return made;
  if (HEADERS.size >= HEADERS_MAX) HEADERS.clear();
  HEADERS.set(kind, made.header);
  return made;
}

/** A typed array: to Python an array of one axis, to rsdat what it was. */
function serializeTyped(data: TypedArray): Serialized {
  const { fields, frame } = encodeBlock(new NDArray(dtypeOfArray(data), data, [data.length]));
  return make({ ...fields, serializer: "dask", [TYPED]: true }, [frame]);
}

/** What stands in the place of a value that has no form on the wire: reading it throws, here as in Python, with this text. */
export function serializeFailure(text: string): Serialized {
  return make({ serializer: "error" }, [new TextEncoder().encode(text)]);
}

/** True where a value has objects at some depth, and no Maps. */
function hasOnlyObjects(value: unknown): boolean {
  let [objects, maps] = [0, 0];
  const count = (each: unknown): void => {
    if (each === null || typeof each !== "object" || ArrayBuffer.isView(each)) return;
    if (each instanceof Map) maps++;
    else if (Array.isArray(each)) for (const item of each) count(item);
    else if (Object.getPrototypeOf(each) === Object.prototype) {
      objects++;
      for (const item of Object.values(each)) count(item);
    }
  };
  count(value);
  return objects > 0 && maps === 0;
}

/** A value in which all dicts were objects. */
function objectsIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(objectsIn);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries(Array.from(value, ([name, item]) => [String(name), objectsIn(item)]));
}

/** Bytes as a Python `bytes` object. */
export function serializeBytes(bytes: Uint8Array): Serialized {
  return make({ "sub-header": {}, type: "bytes", "type-serialized": BYTES_TYPE, serializer: "dask" }, [bytes]);
}

/** A pickle as a serialized object. */
export function serializePickle(pickle: Uint8Array): Serialized {
  return make({ serializer: "pickle", writeable: [] }, [pickle]);
}

/** A graph expression for `update-graph`: the scheduler neither decompresses nor merges it, so it has no such fields. */
export function serializeExpression(expression: PyValue): Serialized {
  return new Serialized(pack({ serializer: "pickle", writeable: [], "num-sub-frames": 1 }), [writePickle(expression)]);
}

/** A native task spec (bytes of `encodeTaskSpec`) as a run spec on our own wire. */
export function serializeTaskSpec(spec: Uint8Array): Serialized {
  return make({ serializer: NATIVE, v: 1 }, [spec]);
}

function make(fields: Record<string, unknown>, frames: readonly Uint8Array[]): Serialized {
  const header = {
    ...fields,
    "split-num-sub-frames": frames.map(() => 1),
    "split-offsets": frames.map((_, i) => i),
    compression: frames.map(() => null),
    "num-sub-frames": frames.length,
  };
  return new Serialized(pack(header), frames);
}

/**
 * The value of a serialized object: NDArray, {@link MaskedBlock}, bytes, plain data. Immediate; blocks are views on the
 * received frames where those allow it.
 *
 * @throws {RemoteProtocolError} malformed
 * @throws {UnsupportedError} a Python object without a JavaScript value, or snappy compression; names it
 */
export function deserialize(value: Serialized | Pickled): unknown {
  if (value instanceof Pickled) return valueOfPickle(value.pickle, value.plainBuffers());
  const fields = value.fields;
  return objectOf(fields, wholeFrames(value), 0);
}

/**
 * What a serialized object says, unread: for objects that only their owner knows. Collections that were serialized item by
 * item are lists and dicts of it.
 * @throws {RemoteProtocolError} malformed
 */
export function pickledTree(value: unknown): PyValue {
  if (value instanceof Pickled) return readPickle(value.pickle, value.plainBuffers());
  if (!(value instanceof Serialized)) throw new RemoteProtocolError(`expected a pickle, got ${describe(value)}`);
  return treeOf(value.fields, wholeFrames(value), 0);
}

function treeOf(fields: ReadonlyMap<unknown, unknown>, frames: readonly Uint8Array[], depth: number): PyValue {
  if (depth > DEPTH_MAX) throw new RemoteProtocolError(`collections nested more than ${DEPTH_MAX} deep`);
  if (!fields.has("is-collection")) {
    if (fields.get("serializer") === "pickle") return readPickle(first(frames), frames.slice(1));
    return pyValueOf(objectOf(fields, frames, depth));
  }
  const items = collectionItems(fields, frames).map((item): [unknown, PyValue] => [
    item.header.get("key"),
    treeOf(item.header, item.frames, depth + 1),
  ]);
  if (fields.get("type-serialized") !== "dict") return items.map(([, item]) => item);
  return new Map(items.map(([key, item]) => [pyValueOf(key), item]));
}

/** Frames decompressed, and split ones joined again. @throws {RemoteProtocolError} malformed */
export function wholeFrames(value: Serialized): readonly Uint8Array[] {
  const plain = value.plainFrames();
  const { fields } = value;
  const counts = fields.get("split-num-sub-frames");
  if (counts === undefined) return plain;
  const offsets = asArray(fields.get("split-offsets"), "split-offsets");
  return asArray(counts, "split-num-sub-frames").map((count, j) => {
    const from = offsets[j];
    if (
      typeof count !== "number" ||
      typeof from !== "number" ||
      !(from >= 0 && count >= 0 && from + count <= plain.length)
    ) {
      throw new RemoteProtocolError(`split frames ${describe(from)} + ${describe(count)} of ${plain.length}`);
    }
    return joinBytes(plain.slice(from, from + count));
  });
}

function objectOf(fields: ReadonlyMap<unknown, unknown>, frames: readonly Uint8Array[], depth: number): unknown {
  if (depth > DEPTH_MAX) throw new RemoteProtocolError(`collections nested more than ${DEPTH_MAX} deep`);
  if (fields.has("is-collection")) return collectionOf(fields, frames, depth);
  const serializer = fields.get("serializer");
  switch (serializer) {
    case "pickle": {
      const value = valueOfPickle(first(frames), frames.slice(1));
      return fields.get("objects") === true ? objectsIn(value) : value;
    }
    case "msgpack":
      return unpack(joinBytes(frames));
    case "error":
      throw new RemoteProtocolError(
        `a peer could not serialize a value: ${frames.map((frame) => Buffer.from(frame).toString("utf-8")).join("\n")}`,
      );
    case "dask":
      return daskValue(fields, frames);
    case NATIVE:
      return first(frames);
    default:
      throw new UnsupportedError(
        `serializer ${describe(serializer)}; expected dask, pickle, msgpack, error or ${NATIVE}`,
      );
  }
}

/** The items of a collection: header and frames of each. */
function collectionItems(
  fields: ReadonlyMap<unknown, unknown>,
  frames: readonly Uint8Array[],
): { readonly header: ReadonlyMap<unknown, unknown>; readonly frames: readonly Uint8Array[] }[] {
  const lengths = asArray(fields.get("frame-lengths"), "frame-lengths");
  let from = 0;
  return asArray(fields.get("sub-headers"), "sub-headers").map((sub, i) => {
    const header = asMap(sub, "sub-header of a collection");
    const length = lengths[i];
    if (typeof length !== "number" || !(length >= 0) || from + length > frames.length)
      throw new RemoteProtocolError(`frame-lengths of a collection: ${describe(length)}`);
    from += length;
    return { header, frames: frames.slice(from - length, from) };
  });
}

function collectionOf(fields: ReadonlyMap<unknown, unknown>, frames: readonly Uint8Array[], depth: number): unknown {
  const found = collectionItems(fields, frames);
  const headers = found.map(({ header }) => header);
  const items = found.map((item) => objectOf(item.header, item.frames, depth + 1));
  switch (fields.get("type-serialized")) {
    case "list":
    case "tuple":
      return items;
    case "set":
      return new Set(items);
    case "dict":
      return new Map(items.map((item, i) => [headers[i]?.get("key"), item]));
    default:
      throw new UnsupportedError(`collection of type ${describe(fields.get("type-serialized"))}`);
  }
}

function daskValue(fields: ReadonlyMap<unknown, unknown>, frames: readonly Uint8Array[]): unknown {
  const type = classPath(fields.get("type-serialized"));
  const header = asMap(fields.get("sub-header"), "sub-header");
  switch (type) {
    case "builtins.bytes":
    case "builtins.bytearray":
      return joinBytes(frames);
    case "numpy.ndarray":
    case "numpy.matrix": {
      const block = blockOf(header, frames);
      return fields.get(TYPED) === true && block instanceof NDArray && block.ndim === 1 ? block.data : block;
    }
    case "numpy.ma.core.MaskedArray":
    case "numpy.ma.MaskedArray":
      return maskedOf(header, frames);
    default:
      throw new UnsupportedError(`Python object of class ${type} has no JavaScript value`, {
        details: { python: type },
      });
  }
}

/** Dispatch is on the pickled class, as in Python; the readable `type` field is not trusted. */
function classPath(pickle: unknown): string {
  if (!(pickle instanceof Uint8Array))
    throw new RemoteProtocolError(`type-serialized is ${describe(pickle)}; expected bytes`);
  const cls = readPickle(pickle);
  return cls instanceof PyGlobal ? cls.path : nameOf(cls);
}

function blockOf(header: ReadonlyMap<unknown, unknown>, frames: readonly Uint8Array[]): unknown {
  if (header.get("pickle") === true) return valueOfPickle(first(frames), frames.slice(1));
  return decodeArray(header, first(frames));
}

function maskedOf(header: ReadonlyMap<unknown, unknown>, frames: readonly Uint8Array[]): MaskedBlock {
  const count = header.get("nframes");
  if (typeof count !== "number" || !(count >= 0) || count > frames.length)
    throw new RemoteProtocolError(`nframes of a masked array: ${describe(count)}`);
  const data = decodeBlock(asMap(header.get("data-header"), "data-header"), first(frames));
  const maskHeader = header.get("mask-header");
  const mask =
    maskHeader === undefined ? null : decodeBlock(asMap(maskHeader, "mask-header"), first(frames.slice(count)));
  const [isPickled, fill] = asArray(header.get("fill-value"), "fill-value");
  return new MaskedBlock(data, mask, isPickled === true && fill instanceof Uint8Array ? valueOfPickle(fill, []) : fill);
}

/** A pickle's value, NumPy's own objects included. */
export function valueOfPickle(pickle: Uint8Array, buffers: readonly Uint8Array[] = []): unknown {
  return plainOf(readPickle(pickle, buffers), (node, plain) => {
    const value = node instanceof PyCall ? numpyValue(node, plain) : undefined;
    if (value !== undefined) return value;
    throw new UnsupportedError(`Python object ${nameOf(node)} has no JavaScript value`, {
      details: { python: nameOf(node) },
    });
  });
}

function first(frames: readonly Uint8Array[]): Uint8Array {
  const frame = frames[0];
  if (!frame) throw new RemoteProtocolError("a serialized object without frames");
  return frame;
}
