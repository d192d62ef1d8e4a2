/** One HTTP request and its answer, body delivered chunk by chunk; no retries, no redirects, no checks. */
import type { Dispatcher } from "undici";

/** Answer headers, lower-case; repeated ones joined by commas. */
export type HttpHeaders = Readonly<Record<string, string>>;

/** A request of the range reader. */
export interface HttpRequest {
  readonly url: URL;
  readonly method: "GET" | "HEAD";
  readonly headers: Readonly<Record<string, string>>;
  /** Longest silence before and within the body. */
  readonly stallMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Decides about an answer once its headers are here. */
export interface HttpSink {
  /** Return true to receive the body, false to drop the connection. May throw. */
  start(status: number, headers: HttpHeaders): boolean;
  /** One chunk of the body; valid only during the call. May throw. */
  data(chunk: Uint8Array): void;
}

/** How an exchange ended: `complete`, or dropped because the sink refused the body. */
export interface HttpOutcome {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly isComplete: boolean;
}

const CONNECTIONS_PER_ORIGIN_MAX = 64;
let shared: Promise<Dispatcher> | undefined;

/** The agent of this thread: one pool per origin, `HTTP(S)_PROXY` and `NO_PROXY` honoured. Loaded on first use. */
function agent(): Promise<Dispatcher> {
  shared ??= import("undici").then(
    ({ EnvHttpProxyAgent }) => new EnvHttpProxyAgent({ connections: CONNECTIONS_PER_ORIGIN_MAX, pipelining: 1 }),
  );
  return shared;
}

/**
 * Send `request`; rejects with what the transport or the sink threw.
 * undici's `dispatch` rather than `fetch`: twice the throughput, less than half of the CPU (io.md §8.1).
 */
export async function exchange(request: HttpRequest, sink: HttpSink): Promise<HttpOutcome> {
  request.signal?.throwIfAborted();
  const dispatcher = await agent();
  return new Promise<HttpOutcome>((resolve, reject) => {
    const handler = new ExchangeHandler(request.signal, sink, resolve, reject);
    dispatcher.dispatch(
      {
        origin: request.url.origin,
        path: request.url.pathname + request.url.search,
        method: request.method,
        headers: request.headers,
        headersTimeout: request.stallMs,
        bodyTimeout: request.stallMs,
      },
      handler,
    );
  });
}

class RefusedBody extends Error {}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal | undefined;
  readonly #sink: HttpSink;
  readonly #resolve: (outcome: HttpOutcome) => void;
  readonly #reject: (e: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: HttpHeaders = {};

  constructor(
    signal: AbortSignal | undefined,
    sink: HttpSink,
    resolve: (outcome: HttpOutcome) => void,
    reject: (e: unknown) => void,
  ) {
    this.#signal = signal;
    this.#sink = sink;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  readonly #onAbort = (): void => this.#controller?.abort(asError(this.#signal?.reason));

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal?.aborted) this.#onAbort();
    else this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, unknown>>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), String(v)]));
    try {
      if (!this.#sink.start(status, this.#headers)) controller.abort(new RefusedBody("body not wanted"));
    } catch (e) {
      controller.abort(asError(e));
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    try {
      this.#sink.data(chunk);
    } catch (e) {
      controller.abort(asError(e));
    }
  }

  onResponseEnd(): void {
    this.#done();
    this.#resolve({ status: this.#status, headers: this.#headers, isComplete: true });
  }

  onResponseError(_controller: Dispatcher.DispatchController, e: Error): void {
    this.#done();
    if (e instanceof RefusedBody) this.#resolve({ status: this.#status, headers: this.#headers, isComplete: false });
    else this.#reject(e);
  }

  #done(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

function asError(e: unknown): Error {
  return e instanceof Error ? e : new Error(String(e));
}
