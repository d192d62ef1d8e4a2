/** JSON as Zarr libraries write it: NaN and Infinity as bare words, integers beyond 2^53. */
import { ArgumentError, MetadataError } from "../../base/index.ts";

/** A parsed value: JSON plus bigint for integers beyond 2^53 and non-finite numbers. */
export type LooseJson =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly LooseJson[]
  | { readonly [key: string]: LooseJson };

/** A parsed object. */
export type LooseObject = { readonly [key: string]: LooseJson };

/** Stands for a bare word between the two passes; U+0000 cannot be meant in metadata. */
const WORD = "\u0000word:";
const BARE_WORD = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;
const DIGITS = /\d{16}/;

/**
 * Parse metadata text.
 * @throws {MetadataError} `zarr-json` when it is no JSON object
 */
export function parseLooseJson(bytes: Uint8Array, place: string): LooseObject {
  const text = new TextDecoder().decode(bytes);
  let value: LooseJson;
  try {
    value = parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MetadataError(`${place} is not JSON: ${why}`, { cause, details: { object: place } }, "zarr-json");
  }
  if (isObject(value)) return value;
  throw new MetadataError(
    `${place} holds ${describe(value)}, expected a JSON object`,
    { details: { object: place } },
    "zarr-json",
  );
}

function parse(text: string): LooseJson {
  const hasWords = text.includes("NaN") || text.includes("Infinity");
  if (!hasWords && !DIGITS.test(text)) return JSON.parse(text) as LooseJson; // JSON is a subset
  const plain = hasWords
    ? text.replace(BARE_WORD, (found) => (found.startsWith('"') ? found : JSON.stringify(WORD + found)))
    : text;
  return JSON.parse(plain, revive as Parameters<typeof JSON.parse>[1]) as LooseJson; // the reviver makes the extra values
}

/** The reviver's third argument holds the number's own text (ECMAScript "JSON.parse source text access"). */
function revive(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value === "string" && value.startsWith(WORD)) return Number(value.slice(WORD.length));
  if (typeof value !== "number" || Number.isSafeInteger(value) || !Number.isFinite(value)) return value;
  return context.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

/**
 * JSON text of metadata. Non-finite numbers become bare words, as zarr-python writes them; bigints become integers.
 * @throws {ArgumentError} a value that JSON cannot hold
 */
export function writeLooseJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(text(value, "", "metadata"));
}

function text(value: unknown, indent: string, path: string): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  const inner = `${indent}  `;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const items = Array.from(value as ArrayLike<unknown>, (v, k) => text(v, inner, `${path}[${k}]`)); // views iterate too
    return items.length === 0 ? "[]" : `[\n${inner}${items.join(`,\n${inner}`)}\n${indent}]`;
  }
  if (typeof value === "object") {
    const items = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .map(([k, v]) => `${JSON.stringify(k)}: ${text(v, inner, `${path}.${k}`)}`);
    return items.length === 0 ? "{}" : `{\n${inner}${items.join(`,\n${inner}`)}\n${indent}}`;
  }
  throw new ArgumentError(`${path} is a ${typeof value}; metadata holds JSON values only`, { details: { path } });
}

/** True for a plain JSON object. */
export function isObject(value: unknown): value is LooseObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Short text of a value for messages. */
export function describe(value: unknown): string {
  const shown = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}
