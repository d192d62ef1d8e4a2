/** Plain data as bytes: JSON with tags for what JSON lacks. */
import { RemoteProtocolError } from "../base/index.ts";

/** Most bytes of one encoded graph or spec that is read from a peer. */
const PLAIN_BYTES_MAX: number = 2 ** 30;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true });

// Tags are one-key objects; a user's own object with such a key is wrapped in `$o`.
function toJson(value: unknown): unknown {
  if (typeof value === "bigint") return { $n: value.toString() };
  if (typeof value === "number")
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { $f: Object.is(value, -0) ? "-0" : String(value) };
  if (value instanceof Uint8Array)
    return { $b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (Array.isArray(value)) return value.map(toJson);
  if (value === null || typeof value !== "object") return value;
  const out: Record<string, unknown> = {};
  for (const [k, v] of Object.entries(value)) if (v !== undefined) out[k] = toJson(v);
  return Object.keys(out).some((k) => k.startsWith("$")) ? { $o: out } : out;
}

/** In place: what JSON gave is ours. */
function fromJson(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    for (let k = 0; k < value.length; k++) {
      const item: unknown = value[k];
      if (typeof item === "object" && item !== null) value[k] = fromJson(item);
    }
    return value;
  }
  const o = value as Record<string, unknown>; // an object that is no array
  if (typeof o["$n"] === "string") return BigInt(o["$n"]);
  if (typeof o["$f"] === "string") return Number(o["$f"]);
  if (typeof o["$b"] === "string") return new Uint8Array(Buffer.from(o["$b"], "base64"));
  const inner = (o["$o"] as Record<string, unknown> | undefined) ?? o;
  for (const name of Object.keys(inner)) {
    const field = inner[name];
    if (typeof field === "object" && field !== null) inner[name] = fromJson(field);
  }
  return inner;
}

/** True for what JSON says as it is: most arguments are, and need no copy. */
function isJson(value: unknown): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || value instanceof Uint8Array) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isJson(item)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const name in value) {
    if (name.startsWith("$")) return false;
    const field = (value as Record<string, unknown>)[name]; // an object
    if (field !== undefined && !isJson(field)) return false;
  }
  return true;
}

/** Text of any plain value; equal values give equal texts (object keys in the order given). */
export function plainText(value: unknown): string {
  return JSON.stringify(isJson(value) ? value : toJson(value));
}

/** Bytes of {@link plainText}. */
export function encodePlain(value: unknown): Uint8Array {
  return ENCODER.encode(plainText(value));
}

/**
 * The value of {@link encodePlain}'s bytes.
 * @throws {RemoteProtocolError} too long, or not such bytes
 */
export function decodePlain(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > PLAIN_BYTES_MAX)
    throw new RemoteProtocolError(`${what} of ${bytes.length} bytes; the limit is ${PLAIN_BYTES_MAX}`);
  try {
    return fromJson(JSON.parse(DECODER.decode(bytes)));
  } catch (cause) {
    throw new RemoteProtocolError(`${what} is not readable: ${(cause as Error).message}`, { cause });
  }
}
