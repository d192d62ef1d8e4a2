/**
 * Messages: msgpack in frame 0, with placeholders for objects whose bytes are further frames (dask-protocol §4).
 *
 * Maps decode to `Map` (keys may be arrays), 64-bit integers to number when safe and else bigint, bin to an own
 * `Uint8Array`. Placeholders decode to the classes below and stay opaque until someone asks for their value.
 */
import { Unpackr } from "msgpackr";
import { LocalProtocolError, RemoteProtocolError } from "../base/index.ts";
import { decompressFrame, decompressFrameLater } from "./compression.ts";
import { checkMsgpack } from "./msgpack-scan.ts";
import { MsgpackWriter } from "./msgpack-write.ts";

// "auto" (number when safe, else bigint) is documented by msgpackr but missing from its types.
const INT64_AUTO = "auto" as "number";
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: INT64_AUTO, copyBuffers: true });

/** A serialized object of the wire, opaque: raw msgpack sub-header and its frames, re-emitted verbatim. */
export class Serialized {
  /** Sub-header as it was on the wire. */
  readonly header: Uint8Array;
  readonly frames: readonly Uint8Array[];
  #fields: ReadonlyMap<unknown, unknown> | undefined;
  #plain: readonly Uint8Array[] | undefined;

  constructor(header: Uint8Array, frames: readonly Uint8Array[]) {
    this.header = header;
    this.frames = frames;
  }

  /** Bytes of the frames. */
  get nbytes(): number {
    return this.frames.reduce((sum, frame) => sum + frame.byteLength, 0);
  }

  /** True when some frame is compressed. @throws {RemoteProtocolError} the sub-header is no map */
  get isCompressed(): boolean {
    return compressionOf(this.fields).some((name) => name !== null);
  }

  /** The frames, decompressed: now, unless {@link decompress} has done it. */
  plainFrames(): readonly Uint8Array[] {
    if (this.#plain) return this.#plain;
    const compression = compressionOf(this.fields);
    return this.frames.map((frame, i) => decompressFrame(compression[i] ?? null, frame));
  }

  /** Decompress the frames on other threads. @throws {RemoteProtocolError} as {@link plainFrames} */
  async decompress(): Promise<void> {
    const compression = compressionOf(this.fields);
    const plain: Uint8Array[] = [];
    for (const [i, frame] of this.frames.entries())
      plain.push(await decompressFrameLater(compression[i] ?? null, frame));
    this.#plain = plain;
  }

  /**
   * The sub-header, decoded once.
   * @throws {RemoteProtocolError} it is no map
   */
  get fields(): ReadonlyMap<unknown, unknown> {
    this.#fields ??= asMap(unpack(this.header), "sub-header of a Serialized");
    return this.#fields;
  }
}

/** A pickled object of the wire (`__Pickled__`), opaque: whoever needs it parses the pickle, nobody executes it. */
export class Pickled {
  /** Its own header frame as on the wire; undefined when it was made here. */
  readonly header: Uint8Array | undefined;
  readonly pickle: Uint8Array;
  /** Out-of-band buffers, as on the wire (see `compression`). */
  readonly buffers: readonly Uint8Array[];
  /** Compression of each buffer. */
  readonly compression: readonly (string | null)[];

  constructor(
    pickle: Uint8Array,
    buffers: readonly Uint8Array[] = [],
    compression: readonly (string | null)[] = [],
    header?: Uint8Array,
  ) {
    this.pickle = pickle;
    this.buffers = buffers;
    this.compression = compression;
    this.header = header;
  }

  /** The buffers, decompressed. */
  plainBuffers(): Uint8Array[] {
    return this.buffers.map((buffer, i) => decompressFrame(this.compression[i] ?? null, buffer));
  }
}

/** A Python enum member, e.g. `distributed.core` `Status` `running`. */
export class WireEnum {
  readonly module: string;
  readonly type: string;
  readonly name: string;

  constructor(module: string, type: string, name: string) {
    this.module = module;
    this.type = type;
    this.name = name;
  }
}

/** A message as frames; the first `blockFrames` belong into the first block so that array frames arrive aligned. */
export interface EncodedMessage {
  readonly frames: Uint8Array[];
  readonly blockFrames: number;
  /** Where {@link SplitFrames} was asked, the serialized objects among the frames. */
  readonly objects: readonly EncodedObject[];
}

/** A serialized object among a message's frames: the place of its header, and in how many parts each of its frames travels. */
export interface EncodedObject {
  readonly at: number;
  readonly counts: readonly number[];
}

/** Header and frames of an object that is to be split, and in how many parts each frame is; null: it goes as it is. */
export type SplitFrames = (
  header: Uint8Array,
  frames: readonly Uint8Array[],
) => { readonly header: Uint8Array; readonly body: readonly Uint8Array[]; readonly counts: readonly number[] } | null;

const NO_OBJECTS: readonly EncodedObject[] = [];

/** One plain msgpack value as bytes; no placeholders that need frames. */
export function pack(value: unknown): Uint8Array {
  return packInto(value, undefined);
}

/**
 * The value of one msgpack text, checked first.
 * @throws {RemoteProtocolError} malformed or beyond the bounds
 */
export function unpack(bytes: Uint8Array): unknown {
  checkMsgpack(bytes);
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new RemoteProtocolError("not a Dask message: msgpack does not decode", { cause });
  }
}

/**
 * Frames of a message. Plain objects and Maps become maps; `Set` a Python set; `undefined` fields are left out;
 * {@link Serialized} and {@link Pickled} become placeholders with their frames behind.
 *
 * @param split asked of each {@link Serialized}; without it all go as they are, and `objects` is empty
 * @throws {LocalProtocolError} a value the wire does not know (Date, function, class instance, integer beyond 64 bits)
 */
export function encodeMessage(message: unknown, split?: SplitFrames): EncodedMessage {
  const frames: Uint8Array[] = [new Uint8Array(0)];
  const objects: EncodedObject[] | undefined = split && [];
  let blockFrames = -1;
  frames[0] = packInto(message, (header, body, isData) => {
    const index = frames.length;
    const parts = isData && split ? split(header, body) : null;
    frames.push(parts?.header ?? header, ...(parts?.body ?? body));
    if (isData && body.length > 0) {
      if (blockFrames < 0) blockFrames = index + 1;
      objects?.push({ at: index, counts: parts?.counts ?? body.map(() => 1) });
    }
    return index;
  });
  return { frames, blockFrames: blockFrames < 0 ? frames.length : blockFrames, objects: objects ?? NO_OBJECTS };
}

type Sink = (header: Uint8Array, body: readonly Uint8Array[], isData: boolean) => number;

/** One message is written at a time; what stands in it for something else is written meanwhile, by another writer. */
let spare: MsgpackWriter | null = new MsgpackWriter();

function packInto(value: unknown, sink: Sink | undefined): Uint8Array {
  const writer = spare ?? new MsgpackWriter();
  spare = null;
  try {
    writer.value(value, (object, into) => writeOther(object, into, sink));
    return writer.take();
  } finally {
    writer.clear();
    spare = writer;
  }
}

/** What is no plain data, and has a form on the wire. */
function writeOther(value: object, writer: MsgpackWriter, sink: Sink | undefined): boolean {
  if (value instanceof Serialized || value instanceof Pickled) writer.value(placeholder(value, sink), nothingElse);
  else if (value instanceof Set)
    writer.value({ __Set__: true, "as-list": Array.from(value) }, (object, into) => writeOther(object, into, sink));
  else if (value instanceof WireEnum)
    writer.value({ __Enum__: true, name: value.name, __module__: value.module, __name__: value.type }, nothingElse);
  else return false;
  return true;
}

function nothingElse(): boolean {
  return false;
}

function placeholder(value: Serialized | Pickled, sink: Sink | undefined): Record<string, number> {
  if (!sink) throw new LocalProtocolError("a Serialized or Pickled can only travel at message level");
  if (value instanceof Serialized) return { __Serialized__: sink(value.header, value.frames, true) };
  const header =
    value.header ??
    pack({
      "pickled-obj": value.pickle,
      compression: value.buffers.map((_, i) => value.compression[i] ?? null),
      "num-sub-frames": value.buffers.length,
    });
  return { __Pickled__: sink(header, value.buffers, false) };
}

/**
 * Value of a message: maps are `Map`, Python sets `Set`, placeholders {@link Serialized} and {@link Pickled}.
 *
 * @throws {RemoteProtocolError} malformed msgpack, or a placeholder that points outside the frames
 */
export function decodeMessage(frames: readonly Uint8Array[]): unknown {
  const first = frames[0];
  if (!first) throw new RemoteProtocolError("message without frames");
  return resolve(unpack(first), frames);
}

/** Replace placeholders, in place. */
function resolve(value: unknown, frames: readonly Uint8Array[]): unknown {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === "object" && item !== null) value[i] = resolve(item, frames);
    }
    return value;
  }
  if (!(value instanceof Map)) return value;
  for (const [key, field] of value) {
    if (typeof field === "object" && field !== null) value.set(key, resolve(field, frames));
  }
  return value.size > 0 && value.size <= 4 ? resolvePlaceholder(value, frames) : value;
}

function resolvePlaceholder(map: Map<unknown, unknown>, frames: readonly Uint8Array[]): unknown {
  const serialized = map.get("__Serialized__");
  if (serialized === true) return nestedSerialized(map);
  if (typeof serialized === "number" && serialized > 0) {
    const { header, body } = subFrames(frames, serialized);
    return new Serialized(header, body);
  }
  const pickled = map.get("__Pickled__");
  if (typeof pickled === "number" && pickled > 0) {
    const { header, fields, body } = subFrames(frames, pickled);
    const pickle = fields.get("pickled-obj");
    if (!(pickle instanceof Uint8Array)) throw new RemoteProtocolError("__Pickled__ without pickled-obj bytes");
    return new Pickled(pickle, body, compressionOf(fields), header);
  }
  if (map.get("__Set__") === true) return new Set(asArray(map.get("as-list"), "as-list of a __Set__"));
  if (map.get("__Enum__") === true) {
    return new WireEnum(String(map.get("__module__")), String(map.get("__name__")), String(map.get("name")));
  }
  return map;
}

/** `{"__Serialized__": true, data: [header, frames]}`: the nested form inside sub-headers. */
function nestedSerialized(map: ReadonlyMap<unknown, unknown>): Serialized {
  const [fields, frames] = asArray(map.get("data"), "data of a nested __Serialized__");
  const body = asArray(frames, "frames of a nested __Serialized__");
  if (!body.every((frame) => frame instanceof Uint8Array))
    throw new RemoteProtocolError("nested __Serialized__ with frames that are not bytes");
  return new Serialized(pack(fields), body);
}

function subFrames(
  frames: readonly Uint8Array[],
  index: number,
): { header: Uint8Array; fields: ReadonlyMap<unknown, unknown>; body: Uint8Array[] } {
  const header = frames[index];
  if (!header) throw new RemoteProtocolError(`placeholder names frame ${index} of ${frames.length}`);
  const fields = asMap(unpack(header), `sub-header in frame ${index}`);
  const count = fields.get("num-sub-frames");
  if (typeof count !== "number" || !(count >= 0) || index + 1 + count > frames.length) {
    throw new RemoteProtocolError(`num-sub-frames ${String(count)} in frame ${index} of ${frames.length}`);
  }
  return { header, fields, body: frames.slice(index + 1, index + 1 + count) };
}

/** Compression name of each frame in a sub-header; empty when it has none. */
export function compressionOf(fields: ReadonlyMap<unknown, unknown>): (string | null)[] {
  const names = fields.get("compression") ?? [];
  return asArray(names, "compression").map((name) => (name === null ? null : String(name)));
}

/** `value` as a Map. @throws {RemoteProtocolError} it is something else */
export function asMap(value: unknown, what: string): ReadonlyMap<unknown, unknown> {
  if (value instanceof Map) return value;
  throw new RemoteProtocolError(`${what}: expected a map, got ${describe(value)}`);
}

/** `value` as an array. @throws {RemoteProtocolError} it is something else */
export function asArray(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new RemoteProtocolError(`${what}: expected an array, got ${describe(value)}`);
}

/** A short name of what `value` is, for error messages. */
export function describe(value: unknown): string {
  if (value === null) return "nil";
  if (typeof value === "object") return value.constructor?.name ?? "map";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
