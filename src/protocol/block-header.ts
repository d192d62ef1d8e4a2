/** What a serialized block will be, told from its header before its bytes are here: so that they may arrive where they stay. */
import { isRsdatError } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import { contiguousStride, sizeOf } from "../ndarray/index.ts";
import { compressionOf, unpack } from "./msgpack.ts";
import { numpyTypeOfHeader } from "./numpy-type.ts";

/** Longest header that is looked at: larger ones hold more than a plain block's. */
const HEADER_BYTES_MAX = 4096;
const NDIM_MAX = 64;

/** Field of a header that Python does not read: the array of one axis was a typed array. */
export const TYPED = "rsdat-typed";

/** A block whose frames hold its elements, one part after the other, in C order and in our byte order. */
export interface PlainBlock {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly nbytes: number;
  /** Frames in which its bytes come: one, unless the sender splits large ones. */
  readonly frames: number;
}

/**
 * The block that the sub-header of a serialized object announces; undefined for everything else: other objects, other
 * layouts, compressed frames, and headers that make no sense (reading the object tells what is wrong with it).
 */
export function plainBlockOf(header: Uint8Array): PlainBlock | undefined {
  if (header.byteLength > HEADER_BYTES_MAX) return undefined;
  const text = Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString("latin1");
  const known = KNOWN.get(text);
  if (known !== undefined) return known ?? undefined;
  const found = readHeader(header);
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  KNOWN.set(text, found ?? null);
  return found;
}

/** Blocks of one array have few headers between them: what was read is remembered. */
const KNOWN = new Map<string, PlainBlock | null>();
const KNOWN_MAX = 256;

function readHeader(header: Uint8Array): PlainBlock | undefined {
  try {
    const fields = unpack(header);
    return fields instanceof Map ? plainBlock(fields) : undefined;
  } catch (error) {
    if (isRsdatError(error)) return undefined;
    throw error;
  }
}

function plainBlock(fields: ReadonlyMap<unknown, unknown>): PlainBlock | undefined {
  const sub = fields.get("sub-header");
  const isPlain =
    fields.get("serializer") === "dask" &&
    fields.get("type") === "numpy.ndarray" &&
    isOneFrame(fields) &&
    compressionOf(fields).every((name) => name === null) &&
    sub instanceof Map &&
    !fields.has(TYPED) &&
    !sub.has("broadcast_to") &&
    sub.get("pickle") !== true;
  if (!isPlain) return undefined;
  const type = numpyTypeOfHeader(sub.get("dtype"));
  const [shape, strides] = [sub.get("shape"), sub.get("strides")];
  if (type.kind !== "number" || type.bigEndian || !areCounts(shape) || !areCounts(strides)) return undefined;
  const inOrder = contiguousStride(shape).map((step) => step * type.itemsize);
  if (strides.length !== shape.length || shape.some((n, k) => n > 1 && strides[k] !== inOrder[k])) return undefined;
  // As many as it says itself, just looked at.
  return {
    dtype: type.dtype,
    shape,
    nbytes: sizeOf(shape) * type.itemsize,
    frames: fields.get("num-sub-frames") as number,
  };
}

/** One frame, or one that comes in parts. */
function isOneFrame(fields: ReadonlyMap<unknown, unknown>): boolean {
  const count = fields.get("num-sub-frames");
  if (count === 1) return true;
  const [counts, offsets] = [fields.get("split-num-sub-frames"), fields.get("split-offsets")];
  return (
    typeof count === "number" &&
    count > 1 &&
    Array.isArray(counts) &&
    counts.length === 1 &&
    counts[0] === count &&
    Array.isArray(offsets) &&
    offsets[0] === 0
  );
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= NDIM_MAX && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
