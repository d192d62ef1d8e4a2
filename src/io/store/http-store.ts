/** Objects on a web server, read by ranges: every answer is checked (io.md §8.3), failures are retried (§8.4). */
import { randomInt } from "node:crypto";
import { type Clock, isRsdatError, ReadError, type RsdatError, UnsupportedError } from "../../base/index.ts";
import { snapshot } from "./counters.ts";
import { contentLength } from "./http-answer.ts";
import { exchange, type HttpOutcome, type HttpSink } from "./http-exchange.ts";
import {
  isRedirect,
  type Pending,
  pin,
  RangeSink,
  Retryable,
  StartSink,
  TimedSink,
  throwUnlessOk,
  WholeSink,
} from "./http-sinks.ts";
import { checkKey, notFound, type Place, placeText, redact, shortRead } from "./keys.ts";
import { Origin } from "./origin.ts";
import { ATTEMPTS_MAX, DEADLINE_MS, retryDelayMs } from "./retry.ts";
import type {
  ObjectHead,
  ObjectVersion,
  ReadOptions,
  Store,
  StoreAbilities,
  StoreCounters,
  StoredObject,
  StoredStart,
} from "./store.ts";
import { sleep, systemClock } from "./system-clock.ts";

/** Options of an HTTP store; clock, sleep and random are injected by tests. */
export interface HttpOptions {
  /** Sent to the configured origin only, never to where it redirects. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly attemptsMax?: number;
  /** Longest silence of a connection; default 30 s. */
  readonly stallMs?: number;
  readonly clock?: Clock;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

const STALL_MS = 30_000;
const REDIRECTS_MAX = 5;

const ORIGINS = new Map<string, Origin>();

/** The state of `url`'s origin in this thread: limits and link estimate. */
function originOf(url: URL, clock: Clock = systemClock): Origin {
  const found = ORIGINS.get(url.origin);
  if (found) return found;
  const made = new Origin(url.origin, clock);
  ORIGINS.set(url.origin, made);
  return made;
}

/** `http:` and `https:` URLs below a root; read only. */
export class HttpStore implements Store {
  readonly url: URL;
  readonly can: StoreAbilities = { list: false, write: false, suffixRange: true, multipart: false, rename: false };
  readonly #root: URL;
  readonly #options: HttpOptions;
  readonly #origin: Origin;

  constructor(root: URL, options: HttpOptions = {}) {
    this.#root = root;
    this.url = new URL(redact(root));
    this.#options = options;
    this.#origin = originOf(root, options.clock);
  }

  async readInto(key: string, offset: number, into: Uint8Array, options: ReadOptions = {}): Promise<ObjectVersion> {
    if (into.byteLength === 0) return (await this.#mustHead(key, options)).version;
    const pending = this.#pending(key, options, { offset, length: into.byteLength });
    let done = 0;
    await this.#retrying(pending, async () => {
      const sink = new RangeSink(pending, offset + done, into.subarray(done));
      try {
        await this.#exchange(
          key,
          "GET",
          rangeHeaders(offset + done, into.byteLength - done, pending.pinned),
          sink,
          pending,
        );
      } finally {
        done += sink.got;
        this.#origin.tally.bytesRead += sink.received;
        this.#origin.tally.bytesWasted += sink.received - sink.got;
      }
      if (done < into.byteLength) throw new Retryable("short", null);
    });
    return pending.pinned ?? {};
  }

  async readStart(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredStart | null> {
    const pending = this.#pending(key, options, { offset: 0, length: options.maxBytes });
    return this.#retrying(pending, async () => {
      const sink = new StartSink(pending, options.maxBytes);
      try {
        await this.#exchange(key, "GET", rangeHeaders(0, options.maxBytes, pending.pinned), sink, pending);
      } finally {
        this.#origin.tally.bytesRead += sink.received;
        this.#origin.tally.bytesWasted += Math.max(0, sink.received - options.maxBytes);
      }
      if (sink.isAbsent) return null;
      const bytes = sink.bytes();
      if (bytes.byteLength < Math.min(options.maxBytes, sink.size)) throw new Retryable("short", null);
      return { bytes, size: sink.size, version: pending.pinned ?? {} };
    });
  }

  async read(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredObject | null> {
    const pending = this.#pending(key, options);
    return this.#retrying(pending, async () => {
      const sink = new WholeSink(pending, options.maxBytes);
      try {
        await this.#exchange(key, "GET", {}, sink, pending);
      } finally {
        this.#origin.tally.bytesRead += sink.received;
      }
      if (sink.isAbsent) return null;
      const bytes = sink.bytes();
      if (sink.expected !== null && bytes.byteLength !== sink.expected) throw new Retryable("short", null);
      return { bytes, version: pending.pinned ?? {} };
    });
  }

  async head(key: string, options: ReadOptions = {}): Promise<ObjectHead | null> {
    const pending = this.#pending(key, options);
    return this.#retrying(pending, async () => {
      let found: ObjectHead | null = null;
      const sink: HttpSink = {
        start: (status, headers) => {
          if (status === 404 || status === 410) return true;
          throwUnlessOk(pending.at, status, headers, [200]);
          pin(pending, headers, contentLength(headers));
          const size = contentLength(headers);
          if (size === null)
            throw new ReadError(
              `${placeText(pending.at)}: the server gives no size`,
              { details: { ...pending.at } },
              "no-size",
            );
          found = { size, version: pending.pinned ?? {} };
          return true;
        },
        data: () => undefined,
      };
      await this.#exchange(key, "HEAD", {}, sink, pending);
      return found;
    });
  }

  async write(key: string): Promise<ObjectVersion> {
    throw this.#unsupported("write", key);
  }

  async delete(key: string): Promise<void> {
    throw this.#unsupported("delete", key);
  }

  // A generator so that the refusal comes on iteration, as for every store.
  // biome-ignore lint/correctness/useYield: it only throws
  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    throw this.#unsupported("list", prefix);
  }

  counters(): StoreCounters {
    return { ...snapshot(this.#origin.tally), ...this.#origin.link };
  }

  async #mustHead(key: string, options: ReadOptions): Promise<ObjectHead> {
    const head = await this.head(key, options);
    if (!head) throw notFound(this.#pending(key, options).at);
    return head;
  }

  #unsupported(what: string, key: string): RsdatError {
    const at = { store: this.url.href, key: withoutQuery(key) };
    return new UnsupportedError(`plain HTTP cannot ${what} (${placeText(at)}); use a WebDAV or S3 store`, {
      details: at,
    });
  }

  #pending(
    key: string,
    options: ReadOptions,
    range: { readonly offset?: number; readonly length?: number } = {},
  ): Pending {
    const at = { store: this.url.href, key: checkKey(withoutQuery(key)), ...range };
    return { at, signal: options.signal, pinned: options.expect, attempts: 0 };
  }

  /** Repeat `attempt` while it throws {@link Retryable} and attempts and time are left. */
  async #retrying<T>(pending: Pending, attempt: () => Promise<T>): Promise<T> {
    const { clock = systemClock, random = cryptoRandom, attemptsMax = ATTEMPTS_MAX } = this.#options;
    const wait = this.#options.sleep ?? sleep;
    const deadline = clock.now() + DEADLINE_MS;
    for (;;) {
      if (this.#origin.pauseMs > 0) await wait(this.#origin.pauseMs, pending.signal);
      try {
        pending.attempts++;
        return await this.#origin.run(attempt, pending.signal);
      } catch (e) {
        pending.signal?.throwIfAborted();
        const again = asRetryable(e);
        if (!again) throw e;
        if (again.pauseMs !== null || again.reason === "429" || again.reason === "503" || again.reason === "stall") {
          this.#origin.overloaded(again.pauseMs ?? 0);
        }
        if (pending.attempts >= attemptsMax || clock.now() >= deadline) throw gaveUp(pending, again);
        const { retries } = this.#origin.tally;
        retries[again.reason] = (retries[again.reason] ?? 0) + 1;
        await wait(retryDelayMs(pending.attempts - 1, random()), pending.signal);
      }
    }
  }

  /** One exchange, following redirects; credentials stay with the configured origin. */
  async #exchange(
    key: string,
    method: "GET" | "HEAD",
    headers: Readonly<Record<string, string>>,
    sink: HttpSink,
    pending: Pending,
  ): Promise<HttpOutcome> {
    let url = new URL(this.#root.pathname + key, this.#root);
    for (let hop = 0; ; hop++) {
      const own = url.origin === this.#root.origin ? (this.#options.headers ?? {}) : {};
      const began = (this.#options.clock ?? systemClock).now();
      const probe = new TimedSink(sink, this.#options.clock ?? systemClock);
      this.#origin.tally.requests++;
      this.#origin.tally.reads++;
      const outcome = await exchange(
        {
          url,
          method,
          headers: { "accept-encoding": "identity", ...own, ...headers },
          stallMs: this.#options.stallMs ?? STALL_MS,
          signal: pending.signal,
        },
        probe,
      );
      if (!isRedirect(outcome.status)) {
        if (outcome.status < 300)
          this.#origin.succeeded(probe.startedAt - began, probe.endedAt - probe.startedAt, probe.nbytes);
        return outcome;
      }
      url = redirectTarget(url, outcome.headers["location"], hop, pending.at);
    }
  }
}

/** A query may hold a signature. */
function withoutQuery(key: string): string {
  return key.replace(/\?.*$/s, "");
}

function rangeHeaders(offset: number, length: number, pinned: ObjectVersion | undefined): Record<string, string> {
  const range = { range: `bytes=${offset}-${offset + length - 1}` };
  return pinned?.etag ? { ...range, "if-match": pinned.etag } : range;
}

function redirectTarget(from: URL, location: string | undefined, hop: number, at: Place): URL {
  const to = location === undefined ? null : URL.parse(location, from.href);
  const fail = (why: string): RsdatError =>
    new ReadError(
      `${placeText(at)}: ${why}`,
      { details: { ...at, from: redact(from), ...(to ? { to: redact(to) } : {}) } },
      "redirect",
    );
  if (!to) throw fail("redirect without a valid Location");
  if (hop >= REDIRECTS_MAX) throw fail(`more than ${REDIRECTS_MAX} redirects`);
  if (to.protocol !== "https:" && !(to.protocol === "http:" && from.protocol === "http:"))
    throw fail(`redirect from ${from.protocol} to ${to.protocol} refused`);
  return to;
}

function asRetryable(e: unknown): Retryable | null {
  if (e instanceof Retryable) return e;
  if (isRsdatError(e) || !(e instanceof Error)) return null;
  const code = "code" in e ? String(e.code) : "";
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT" || code === "UND_ERR_CONNECT_TIMEOUT")
    return new Retryable("stall", null, e);
  if (/^(UND_ERR_SOCKET|UND_ERR_CLOSED|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|HPE_|E[A-Z]+$)/.test(code))
    return new Retryable("connection", null, e);
  return null;
}

function gaveUp(pending: Pending, last: Retryable): RsdatError {
  const { at, attempts } = pending;
  const options = { cause: last.cause ?? last, details: { ...at, attempts, last: last.reason } };
  if (last.reason === "short") return shortRead(at, -1, last);
  const what = /^\d+$/.test(last.reason)
    ? `status ${last.reason}`
    : last.cause instanceof Error
      ? `${last.reason}: ${last.cause.message}`
      : last.reason;
  return new ReadError(
    `cannot read ${placeText(at)}: ${what} after ${attempts} attempts`,
    options,
    /^\d+$/.test(last.reason) ? "http-status" : last.reason,
  );
}

function cryptoRandom(): number {
  return randomInt(2 ** 32) / 2 ** 32;
}
