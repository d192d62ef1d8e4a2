/** An HTTP server on the loopback that misbehaves as told, one object, with a log of what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to one request; the first matching fault is used up by it. */
export type Fault =
  /** Answer with this status; `retryAfter` as text. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** Send this many body bytes, then cut the connection. */
  | { readonly kind: "cut"; readonly after: number }
  /** Ignore `Range` and send the whole object. */
  | { readonly kind: "whole" }
  /** Claim another range than the one asked for. */
  | { readonly kind: "wrong-range" }
  | { readonly kind: "encoding" }
  /** Say nothing at all. */
  | { readonly kind: "silence" }
  /** Show another version of the object from now on. */
  | { readonly kind: "change" }
  | { readonly kind: "redirect"; readonly to: string };

/** A request as it came. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly ifMatch: string | undefined;
  readonly acceptEncoding: string | undefined;
}

/** Settings of {@link FaultServer.start}. */
export interface FaultServerOptions {
  readonly body: Uint8Array;
  /** Send a strong ETag; default true. Without it only `Last-Modified`. */
  readonly etag?: boolean;
}

/** Serves one body under every path but `/missing`. */
export class FaultServer implements AsyncDisposable {
  readonly log: LoggedRequest[] = [];
  readonly #server: Server;
  readonly #faults: Fault[] = [];
  readonly #options: FaultServerOptions;
  #version = 1;

  private constructor(options: FaultServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(options: FaultServerOptions): Promise<FaultServer> {
    const made = new FaultServer(options);
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  /** Base URL, ending in `/`. */
  get url(): string {
    // A listening TCP server has an address of this form.
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/`;
  }

  /** The next requests meet these, one each, in order. */
  plan(...faults: readonly Fault[]): void {
    this.#faults.push(...faults);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { range, authorization } = request.headers;
    const ifMatch = request.headers["if-match"];
    const acceptEncoding = String(request.headers["accept-encoding"]);
    this.log.push({ method: request.method!, path: request.url!, range, authorization, ifMatch, acceptEncoding });
    if (request.url!.startsWith("/missing")) return void response.writeHead(404).end("no");
    const fault = this.#faults.shift();
    if (fault?.kind === "silence") return;
    if (fault?.kind === "change") this.#version++;
    if (fault?.kind === "redirect") return void response.writeHead(307, { location: fault.to }).end();
    if (fault?.kind === "status") {
      const retry = fault.retryAfter === undefined ? {} : { "retry-after": fault.retryAfter };
      return void response.writeHead(fault.status, retry).end("fault");
    }
    this.#send(request, response, fault);
  }

  #send(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const { body, etag = true } = this.#options;
    const tag = `"v${this.#version}"`;
    const modified = new Date(1e12 + this.#version * 1e6).toUTCString();
    if (etag && request.headers["if-match"] !== undefined && request.headers["if-match"] !== tag) {
      return void response.writeHead(412).end();
    }
    const asked = /^bytes=(\d+)-(\d+)$/.exec(fault?.kind === "whole" ? "" : (request.headers.range ?? ""));
    const first = asked ? Number(asked[1]) : 0;
    const last = asked ? Math.min(Number(asked[2]), body.length - 1) : body.length - 1;
    if (first >= body.length) return void response.writeHead(416, { "content-range": `bytes */${body.length}` }).end();
    const shift = fault?.kind === "wrong-range" ? 1 : 0;
    response.writeHead(asked ? 206 : 200, {
      "content-length": last - first + 1,
      "last-modified": modified,
      ...(etag ? { etag: tag } : {}),
      ...(asked ? { "content-range": `bytes ${first + shift}-${last + shift}/${body.length}` } : {}),
      ...(fault?.kind === "encoding" ? { "content-encoding": "gzip" } : {}),
    });
    if (request.method === "HEAD") return void response.end();
    const chunk = body.subarray(first, last + 1);
    if (fault?.kind !== "cut") return void response.end(chunk);
    response.write(chunk.subarray(0, fault.after), () => response.destroy());
  }
}
