/** Rules about keys, and the errors that every store words alike. */
import { ArgumentError, NotFoundError, ReadError, type RsdatError, SourceChangedError } from "../../base/index.ts";
import type { ObjectVersion } from "./store.ts";

/**
 * `key` itself when it is relative, `/`-separated, and cannot leave the root.
 * @throws {ArgumentError} otherwise
 */
export function checkKey(key: string): string {
  const parts = key.split("/");
  if (key === "" || key.includes("\0") || parts.some((p) => p === "" || p === "." || p === "..")) {
    throw new ArgumentError(`key ${JSON.stringify(key)} is not a relative path below the store's root`, {
      details: { key },
    });
  }
  return key;
}

/** `url` without credentials, query and fragment: the only form that messages and keys may carry. */
export function redact(url: URL | string): string {
  const u = new URL(url);
  u.username = u.password = u.search = u.hash = "";
  return u.href;
}

/** Place of a failed read, for messages and `details`. */
export interface Place {
  readonly store: string;
  readonly key: string;
  readonly offset?: number;
  readonly length?: number;
}

/** `store/key bytes a-b`. */
export function placeText(at: Place): string {
  const base = at.store.endsWith("/") ? at.store : `${at.store}/`;
  const range = at.offset === undefined ? "" : ` bytes ${at.offset}-${at.offset + (at.length ?? 0) - 1}`;
  return `${base}${at.key}${range}`;
}

export function notFound(at: Place, detail = ""): RsdatError {
  return new NotFoundError(`${placeText({ store: at.store, key: at.key })} does not exist${detail}`, {
    details: { ...at },
  });
}

export function shortRead(at: Place, got: number, cause?: unknown): RsdatError {
  const message = `${placeText(at)}: got ${got} bytes, expected ${at.length}`;
  return new ReadError(message, { details: { ...at, got }, cause }, "short");
}

export function tooLarge(at: Place, size: number | null, maxBytes: number): RsdatError {
  const message = `${placeText(at)} has ${size ?? "more"} bytes; at most ${maxBytes} were expected`;
  return new ReadError(message, { details: { ...at, size, maxBytes } }, "too-large");
}

export function sourceChanged(at: Place, expected: ObjectVersion, found: ObjectVersion): RsdatError {
  const message = `${placeText(at)} changed while it was being read: was ${JSON.stringify(expected)}, is ${JSON.stringify(found)}; run again`;
  return new SourceChangedError(message, { details: { ...at, expected, found } });
}
