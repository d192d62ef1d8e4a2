/** What is made of each answer: checks of io.md §8.3, then bytes into the reader's view. */
import { type Clock, ReadError } from "../../base/index.ts";
import { answerVersion, contentLength, parseContentRange, wholeRangeError } from "./http-answer.ts";
import type { HttpHeaders, HttpSink } from "./http-exchange.ts";
import { notFound, type Place, placeText, shortRead, sourceChanged, tooLarge } from "./keys.ts";
import { isRetryableStatus, retryAfterMs } from "./retry.ts";
import { type ObjectVersion, sameVersion } from "./store.ts";

/** A server that ignores `Range` may send objects up to this size; they are cut. */
const IGNORED_RANGE_BYTES_MAX = 8 * 2 ** 20;

/** A read in progress: what was asked, what came, and what every attempt must agree with. */
export interface Pending {
  readonly at: Place;
  readonly signal: AbortSignal | undefined;
  pinned: ObjectVersion | undefined;
  attempts: number;
}

/** An attempt that may be repeated. */
export class Retryable extends Error {
  readonly reason: string;
  readonly pauseMs: number | null;
  constructor(reason: string, pauseMs: number | null, cause?: unknown) {
    super(reason, { cause });
    this.reason = reason;
    this.pauseMs = pauseMs;
  }
}

/** True for answers that point elsewhere. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** Throw for answers that carry no data: typed for final ones, {@link Retryable} for the others. */
export function throwUnlessOk(at: Place, status: number, headers: HttpHeaders, ok: readonly number[]): void {
  if (isRetryableStatus(status))
    throw new Retryable(String(status), retryAfterMs(headers["retry-after"], headers["date"]));
  if (status === 404 || status === 410) throw notFound(at);
  if (status === 401 || status === 403) {
    throw new ReadError(
      `${placeText(at)}: status ${status}, access refused; may also mean absent`,
      { details: { ...at, status } },
      "forbidden",
    );
  }
  if (!ok.includes(status))
    throw new ReadError(`${placeText(at)}: unexpected status ${status}`, { details: { ...at, status } }, "http-status");
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new ReadError(
      `${placeText(at)}: sent as ${encoding} although identity was asked for`,
      { details: { ...at, encoding } },
      "content-encoding",
    );
  }
}

/** Pin the first version seen; throw when a later answer shows another. */
export function pin(pending: Pending, headers: HttpHeaders, size: number | null): void {
  const found = answerVersion(headers, size);
  if (pending.pinned === undefined) pending.pinned = found;
  else if (!sameVersion(pending.pinned, found) && Object.keys(found).length > 0)
    throw sourceChanged(pending.at, pending.pinned, found);
}

/** Passes everything on and notes when. */
export class TimedSink implements HttpSink {
  readonly #to: HttpSink;
  readonly #clock: Clock;
  startedAt = 0;
  endedAt = 0;
  nbytes = 0;
  constructor(to: HttpSink, clock: Clock) {
    this.#to = to;
    this.#clock = clock;
  }
  start(status: number, headers: HttpHeaders): boolean {
    this.startedAt = this.endedAt = this.#clock.now();
    return isRedirect(status) ? true : this.#to.start(status, headers);
  }
  data(chunk: Uint8Array): void {
    this.nbytes += chunk.byteLength;
    this.endedAt = this.#clock.now();
    this.#to.data(chunk);
  }
}

/** Receives one byte range into a view. */
export class RangeSink implements HttpSink {
  readonly #pending: Pending;
  readonly #offset: number;
  readonly #into: Uint8Array;
  /** Bytes of the body to pass over: a whole object came and is cut. */
  #skip = 0;
  got = 0;
  received = 0;

  constructor(pending: Pending, offset: number, into: Uint8Array) {
    this.#pending = pending;
    this.#offset = offset;
    this.#into = into;
  }

  start(status: number, headers: HttpHeaders): boolean {
    const { at } = this.#pending;
    if (status === 412) throw sourceChanged(at, this.#pending.pinned ?? {}, answerVersion(headers, null));
    if (status === 416) throw shortRead(at, 0, new Error(`status 416, ${headers["content-range"] ?? "no size given"}`));
    throwUnlessOk(at, status, headers, [200, 206]);
    if (status === 200) {
      const size = contentLength(headers);
      if (size === null || size > IGNORED_RANGE_BYTES_MAX) throw wholeRangeError(at, size, IGNORED_RANGE_BYTES_MAX);
      pin(this.#pending, headers, size);
      if (size < this.#offset + this.#into.byteLength) throw shortRead(at, Math.max(0, size - (at.offset ?? 0)));
      this.#skip = this.#offset;
      return true;
    }
    const range = parseContentRange(headers["content-range"]);
    const last = this.#offset + this.#into.byteLength - 1;
    if (
      range &&
      range.first === this.#offset &&
      range.size !== null &&
      range.last === range.size - 1 &&
      range.last < last
    ) {
      throw shortRead(at, range.size - (at.offset ?? 0));
    }
    if (!range || range.first !== this.#offset || range.last !== last) {
      const message = `${placeText(at)}: asked for ${this.#offset}-${last}, Content-Range is ${headers["content-range"] ?? "missing"}`;
      throw new ReadError(message, { details: { ...at } }, "range-mismatch");
    }
    pin(this.#pending, headers, range.size);
    return true;
  }

  data(chunk: Uint8Array): void {
    this.received += chunk.byteLength;
    let from = 0;
    if (this.#skip > 0) {
      from = Math.min(this.#skip, chunk.byteLength);
      this.#skip -= from;
    }
    const n = Math.min(chunk.byteLength - from, this.#into.byteLength - this.got);
    if (n > 0) this.#into.set(from === 0 && n === chunk.byteLength ? chunk : chunk.subarray(from, from + n), this.got);
    this.got += n;
  }
}

/** Collects a body of bounded size. */
abstract class CollectingSink implements HttpSink {
  protected readonly pending: Pending;
  protected readonly maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  received = 0;
  isAbsent = false;

  constructor(pending: Pending, maxBytes: number) {
    this.pending = pending;
    this.maxBytes = maxBytes;
  }

  abstract start(status: number, headers: HttpHeaders): boolean;

  data(chunk: Uint8Array): void {
    if (this.isAbsent) return;
    this.received += chunk.byteLength;
    this.#chunks.push(Uint8Array.prototype.slice.call(chunk));
    if (this.received > this.limit()) throw tooLarge(this.pending.at, null, this.limit());
  }

  bytes(): Uint8Array {
    const whole = Buffer.concat(this.#chunks);
    return new Uint8Array(whole.buffer, whole.byteOffset, Math.min(whole.byteLength, this.maxBytes));
  }

  protected limit(): number {
    return this.maxBytes;
  }
}

export class WholeSink extends CollectingSink {
  expected: number | null = null;

  start(status: number, headers: HttpHeaders): boolean {
    if (status === 404 || status === 410) {
      this.isAbsent = true;
      return true;
    }
    throwUnlessOk(this.pending.at, status, headers, [200]);
    this.expected = contentLength(headers);
    if (this.expected !== null && this.expected > this.maxBytes)
      throw tooLarge(this.pending.at, this.expected, this.maxBytes);
    pin(this.pending, headers, this.expected);
    return true;
  }
}

export class StartSink extends CollectingSink {
  size = 0;

  start(status: number, headers: HttpHeaders): boolean {
    const { at } = this.pending;
    if (status === 404 || status === 410) {
      this.isAbsent = true;
      return true;
    }
    if (status === 412) throw sourceChanged(at, this.pending.pinned ?? {}, answerVersion(headers, null));
    if (status === 416) {
      this.isAbsent = false;
      pin(this.pending, headers, 0);
      return false;
    }
    throwUnlessOk(at, status, headers, [200, 206]);
    const range = parseContentRange(headers["content-range"]);
    const size = status === 200 ? contentLength(headers) : (range?.size ?? null);
    if (status === 206 && (range?.first !== 0 || size === null)) {
      throw new ReadError(
        `${placeText(at)}: Content-Range is ${headers["content-range"] ?? "missing"}`,
        { details: { ...at } },
        "range-mismatch",
      );
    }
    if (size === null || (status === 200 && size > IGNORED_RANGE_BYTES_MAX))
      throw wholeRangeError(at, size, IGNORED_RANGE_BYTES_MAX);
    this.size = size;
    pin(this.pending, headers, size);
    return true;
  }

  protected override limit(): number {
    return IGNORED_RANGE_BYTES_MAX + this.maxBytes;
  }
}
