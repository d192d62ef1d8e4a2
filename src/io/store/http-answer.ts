/** What the headers of an HTTP answer say. Pure. */
import { ReadError, type RsdatError } from "../../base/index.ts";
import type { HttpHeaders } from "./http-exchange.ts";
import { type Place, placeText } from "./keys.ts";
import type { ObjectVersion } from "./store.ts";

/** `bytes 0-99/1234`; `size` is null for `*`. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  readonly size: number | null;
}

/** Parse a `Content-Range` header; null when absent or malformed. */
export function parseContentRange(text: string | undefined): ContentRange | null {
  const found = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text ?? "");
  return found
    ? { first: Number(found[1]), last: Number(found[2]), size: found[3] === "*" ? null : Number(found[3]) }
    : null;
}

/** `Content-Length`, or null. */
export function contentLength(headers: HttpHeaders): number | null {
  const text = headers["content-length"];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/** Strong ETag and size; without one, size and modification time. */
export function answerVersion(headers: HttpHeaders, size: number | null): ObjectVersion {
  const etag = headers["etag"];
  const sized = size === null ? {} : { size };
  if (etag?.startsWith('"')) return { etag, ...sized };
  const mtimeMs = Date.parse(headers["last-modified"] ?? "");
  return Number.isNaN(mtimeMs) ? sized : { mtimeMs, ...sized };
}

/** The server sends whole objects only, and this one is too large to cut. */
export function wholeRangeError(at: Place, size: number | null, maxBytes: number): RsdatError {
  const message = `${placeText(at)}: the server ignores Range and the object has ${size ?? "unknown"} bytes (at most ${maxBytes} are cut)`;
  return new ReadError(message, { details: { ...at, size } }, "range-ignored");
}
