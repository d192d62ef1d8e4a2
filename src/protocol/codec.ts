/**
 * Field codecs: how one typed field stands on the wire, both ways, and how untrusted input is refused.
 *
 * Inside, messages are plain objects in camelCase; on the wire, maps with Dask's field names. A message is described
 * once, as a record of codecs that TypeScript holds against its interface, and is read and written from that.
 */
import { LocalProtocolError, RemoteProtocolError } from "../base/index.ts";
import { type Key, type KeyValue, keyOfValue, valueOfKey } from "../graph/index.ts";
import { asMap, describe, Pickled, Serialized } from "./msgpack.ts";

/** One field or value: wire → typed with a check, typed → wire. `place` names op and field in errors. */
export interface Codec<T> {
  /** @throws {RemoteProtocolError} the value is not what the field may hold */
  read(value: unknown, place: string): T;
  write(value: T): unknown;
  /** Wire name, where it is not the snake_case form of the field. */
  readonly wire?: string;
  /** True when the field may be absent. */
  readonly isOptional?: boolean;
  /** True when an absent field reads as null: Python leaves out arguments that default to None. */
  readonly isNullable?: boolean;
}

/** A codec of a field that may be absent. */
export interface OptionalCodec<T> extends Codec<T> {
  readonly isOptional: true;
}

/** One codec per field of `T`; absent fields need {@link optional}. */
export type Fields<T> = {
  readonly [F in keyof T]-?: Partial<Pick<T, F>> extends Pick<T, F>
    ? OptionalCodec<Exclude<T[F], undefined>>
    : Codec<T[F]>;
};

function refuse(value: unknown, place: string, expected: string): never {
  throw new RemoteProtocolError(`${place}: expected ${expected}, got ${describe(value)}`, {
    details: { place, expected },
  });
}

function same<T>(check: (value: unknown) => value is T, expected: string): Codec<T> {
  return { read: (value, place) => (check(value) ? value : refuse(value, place, expected)), write: (value) => value };
}

/** Text. */
export const TEXT: Codec<string> = same((v): v is string => typeof v === "string", "text");
/** True or false. */
export const FLAG: Codec<boolean> = same((v): v is boolean => typeof v === "boolean", "true or false");
/** Any number; 64-bit integers beyond 2^53 lose digits, which no field that is read as a number minds. */
export const NUMBER: Codec<number> = {
  read: (value, place) =>
    typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : refuse(value, place, "a number"),
  write: (value) => value,
};
/** A whole number. */
export const INTEGER: Codec<number> = {
  read: (value, place) => {
    const number = NUMBER.read(value, place);
    return Number.isInteger(number) ? number : refuse(value, place, "an integer");
  },
  write: (value) => {
    if (!Number.isInteger(value)) throw new LocalProtocolError(`${value} where an integer must be sent`);
    return value;
  },
};
/** Bytes. */
export const BYTES: Codec<Uint8Array> = same((v): v is Uint8Array => v instanceof Uint8Array, "bytes");
/** Whatever msgpack holds, unchecked: maps are `Map`. */
export const ANYTHING: Codec<unknown> = { read: (value) => value, write: (value) => value };
/** An opaque serialized object. */
export const SERIALIZED: Codec<Serialized> = same(
  (v): v is Serialized => v instanceof Serialized,
  "a serialized object",
);
/** A pickled object, opaque. */
export const PICKLED: Codec<Pickled> = same((v): v is Pickled => v instanceof Pickled, "a pickled object");
/** Either of the two opaque forms. */
export const OPAQUE: Codec<Serialized | Pickled> = same(
  (v): v is Serialized | Pickled => v instanceof Serialized || v instanceof Pickled,
  "a serialized or pickled object",
);

const KEY_DEPTH_MAX = 16;

function isKeyValue(value: unknown, depth: number): value is KeyValue {
  if (Array.isArray(value)) {
    if (depth >= KEY_DEPTH_MAX) return false;
    for (let i = 0; i < value.length; i++) if (!isKeyValue(value[i], depth + 1)) return false;
    return true;
  }
  return (
    typeof value === "string" || typeof value === "number" || typeof value === "bigint" || value instanceof Uint8Array
  );
}

/** A task key; arrays on the wire are Dask's tuples. */
export const KEY: Codec<Key> = {
  read: (value, place) =>
    isKeyValue(value, 0)
      ? keyOfValue(value)
      : refuse(value, place, "a task key (text, number, bytes or array of these)"),
  write: (key) => valueOfKey(key),
};

/** Array, or a Python set, of items. Written as an array. */
export function listOf<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    read: (value, place) => {
      const items = value instanceof Set ? Array.from(value) : value;
      if (!Array.isArray(items)) refuse(value, place, "an array");
      return items.map((entry: unknown) => item.read(entry, place));
    },
    write: (items) => items.map((entry) => item.write(entry)),
  };
}

/** As {@link listOf}, written as a Python set. */
export function setOf<T>(item: Codec<T>): Codec<readonly T[]> {
  return { ...listOf(item), write: (items) => new Set(items.map((entry) => item.write(entry))) };
}

/** Map with typed keys and values. */
export function mapOf<K, V>(key: Codec<K>, value: Codec<V>): Codec<ReadonlyMap<K, V>> {
  return {
    read: (map, place) => {
      const out = new Map<K, V>();
      if (!(map instanceof Map)) refuse(map, place, "a map");
      for (const [k, v] of map) out.set(key.read(k, place), value.read(v, place));
      return out;
    },
    write: (map) => new Map(Array.from(map, ([k, v]) => [key.write(k), value.write(v)])),
  };
}

/** Nil or a value; an absent field reads as null. */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    ...codec,
    isNullable: true,
    read: (value, place) => (value === null || value === undefined ? null : codec.read(value, place)),
    write: (value) => (value === null ? null : codec.write(value)),
  };
}

/** A field that may be absent. */
export function optional<T>(codec: Codec<T>): OptionalCodec<T> {
  return { ...codec, isOptional: true };
}

/** A field whose wire name is not the snake_case form of ours. */
export function named<C extends object>(wire: string, codec: C): C & { readonly wire: string } {
  return { ...codec, wire };
}

/** One of a few texts. */
export function oneOf<T extends string>(...texts: readonly T[]): Codec<T> {
  const known: ReadonlySet<unknown> = new Set(texts);
  return same((v): v is T => known.has(v), `one of ${texts.join(", ")}`);
}

/** The first codec that accepts the value; written by `choose`. */
export function either<A, B>(first: Codec<A>, second: Codec<B>, isFirst: (value: A | B) => value is A): Codec<A | B> {
  return {
    read: (value, place) => {
      try {
        return first.read(value, place);
      } catch {
        // Refused by the first form; the second one says what is wrong if both refuse.
        return second.read(value, place);
      }
    },
    // When it is not the first form, the union leaves the second.
    write: (value) => (isFirst(value) ? first.write(value) : second.write(value as B)),
  };
}

/** A codec of typed objects; it can also read or write into what has some fields already. */
export interface RecordCodec<T> extends Codec<T> {
  readInto(value: unknown, place: string, out: Record<string, unknown>): void;
  writeInto(value: T, out: Record<string, unknown>): void;
}

/** A typed object as a map with Dask's field names. Fields it does not know are ignored when reading. */
export function record<T extends object>(fields: Fields<T>): RecordCodec<T> {
  // `Fields` is a record of codecs by construction; its mapped type hides that from Object.entries.
  const entries = Object.entries(fields as Record<string, Codec<unknown>>).map(([name, codec]) => ({
    name,
    codec,
    wire: codec.wire ?? snakeCase(name),
  }));
  const readInto = (value: unknown, place: string, out: Record<string, unknown>): void => {
    const map = asMap(value, place);
    for (let i = 0; i < entries.length; i++) {
      const { name, codec, wire } = entries[i] as (typeof entries)[number]; // i < length
      const field = map.get(wire);
      if (field === undefined || (field === null && codec.isOptional)) {
        if (codec.isOptional) continue;
        if (field === undefined && !codec.isNullable) refuse(field, `${place}.${wire}`, "the field to be there");
      }
      out[name] = codec.read(field, `${place}.${wire}`);
    }
  };
  const writeInto = (value: T, out: Record<string, unknown>): void => {
    for (let i = 0; i < entries.length; i++) {
      const { name, codec, wire } = entries[i] as (typeof entries)[number]; // i < length
      const field = (value as Record<string, unknown>)[name];
      if (field === undefined && codec.isOptional) continue;
      if (field === undefined) throw new LocalProtocolError(`field ${name} is missing in an outgoing message`);
      out[wire] = codec.write(field);
    }
  };
  return {
    readInto,
    writeInto,
    read: (value, place) => {
      const out: Record<string, unknown> = {};
      readInto(value, place, out);
      // Every field of T was read by its own codec.
      return out as T;
    },
    write: (value) => {
      const out: Record<string, unknown> = {};
      writeInto(value, out);
      return out;
    },
  };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Messages of one direction of a stream, told apart by `op`. */
export interface Family<M extends { readonly op: string }> {
  /** Wire ops of the family. */
  readonly ops: readonly M["op"][];
  /** @throws {RemoteProtocolError} unknown op, or a field that is missing or of the wrong type */
  parse(map: ReadonlyMap<unknown, unknown>): M;
  /** The wire map of a message, for `encodeMessage`. */
  encode(message: M): Record<string, unknown>;
}

/** Codec of one op: its fields, and constants that Dask demands and nobody reads. */
export interface Op<M> {
  readonly codec: RecordCodec<Omit<M, "op">>;
  readonly constants: Readonly<Record<string, unknown>>;
}

/** Describe one op. */
export function op<M extends { readonly op: string }>(
  fields: Fields<Omit<M, "op">>,
  constants: Readonly<Record<string, unknown>> = {},
): Op<M> {
  return { codec: record<Omit<M, "op">>(fields), constants };
}

/** Tie ops together. `what` names the direction in errors. */
export function family<M extends { readonly op: string }>(
  what: string,
  ops: { readonly [O in M["op"]]: Op<Extract<M, { readonly op: O }>> },
): Family<M> {
  const known = new Map<unknown, Op<Extract<M, { readonly op: M["op"] }>>>(Object.entries(ops));
  return {
    // Object.keys gives the record's own keys, which are the ops.
    ops: Object.keys(ops) as M["op"][],
    parse: (map) => {
      const name = map.get("op");
      const found = known.get(name);
      if (!found) throw new RemoteProtocolError(`${what}: unknown op ${describe(name)}`, { details: { op: name } });
      const message: Record<string, unknown> = { op: name };
      found.codec.readInto(map, `${what} ${String(name)}`, message);
      // The codec of this op gives this op's fields.
      return message as unknown as M;
    },
    encode: (message) => {
      const found = known.get(message.op);
      if (!found) throw new LocalProtocolError(`${what}: no op ${message.op}`);
      const out: Record<string, unknown> = { op: message.op };
      // `message` is the member of the union that this op describes.
      found.codec.writeInto(message as unknown as Omit<Extract<M, { readonly op: M["op"] }>, "op">, out);
      return Object.assign(out, found.constants);
    },
  };
}

/** One request op: what is asked and what is answered. */
export interface Request<Q, A> {
  readonly op: string;
  /** Wire map of a request, op included. */
  ask(question: Q): Record<string, unknown>;
  /** @throws {RemoteProtocolError} a field is missing or wrong */
  parse(map: ReadonlyMap<unknown, unknown>): Q;
  /** Wire form of an answer. */
  answer(reply: A): unknown;
  /** @throws {RemoteProtocolError} the answer is malformed or an error reply */
  parseAnswer(value: unknown): A;
}

/** Describe a request. `replyCheck` sees the raw answer first, to turn error replies into errors. */
export function request<Q extends object, A>(
  name: string,
  question: Fields<Q>,
  reply: Codec<A>,
  replyCheck: (value: unknown) => void,
): Request<Q, A> {
  const codec = record<Q>(question);
  return {
    op: name,
    ask: (fields) => ({ op: name, ...(codec.write(fields) as Record<string, unknown>) }),
    parse: (map) => codec.read(map, name),
    answer: (value) => reply.write(value),
    parseAnswer: (value) => {
      replyCheck(value);
      return reply.read(value, `reply to ${name}`);
    },
  };
}
