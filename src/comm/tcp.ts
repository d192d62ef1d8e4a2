/** The tcp transport: sockets carrying frames. Source of the options: distributed/comm/tcp.py, dask-protocol §1. */
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { CommError, RemoteProtocolError } from "../base/index.ts";
import {
  type Address,
  encodeFrames,
  FrameDecoder,
  type FrameLimits,
  type FramePlacer,
  formatAddress,
} from "../protocol/index.ts";
import type { Acceptor, Channel, ChannelEvents } from "./channel.ts";
import { bytesLeft, keepAliveDelayMs, watchStalled } from "./stalled.ts";

/** Dask's `distributed.comm.timeouts.tcp`, for connections that are told nothing. */
const TIMEOUT_MS = 30_000;
/** Frames with more than this left to come are received straight into their own memory. */
const DIRECT_BYTES_MIN = 65_536;
const READ_BUFFER_BYTES = 65_536;
/** A peer that does not finish closing is cut off after this. */
const LINGER_MS = 5_000;

/** How a socket becomes a channel. */
export interface SocketOptions {
  readonly limits?: Partial<FrameLimits>;
  /** Milliseconds after which a peer that takes nothing is dropped; null: never. Default null. */
  readonly timeoutMs?: number | null;
}

/** A socket that carries frames, plain or encrypted. */
export class TcpChannel implements Channel {
  readonly local: string;
  readonly peer: string;
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  readonly #isEncrypted: boolean;
  #events: ChannelEvents | undefined;
  #error: Error | undefined;
  #isClosed = false;
  #isEnded = false;
  #linger: NodeJS.Timeout | undefined;
  /** Messages that were given to the socket, and of these the ones that it is done with. */
  #written = 0;
  #left = 0;
  #flushes: { readonly upTo: number; readonly resolve: () => void }[] = [];
  #isFirst = true;
  readonly #watch: Disposable | null;

  constructor(
    socket: Socket,
    decoder: FrameDecoder,
    { scheme = "tcp", timeoutMs = null }: { readonly scheme?: "tcp" | "tls"; readonly timeoutMs?: number | null } = {},
  ) {
    this.#socket = socket;
    this.#decoder = decoder;
    this.#isEncrypted = scheme === "tls";
    this.local = endName(scheme, socket.localAddress, socket.localPort);
    this.peer = endName(scheme, socket.remoteAddress, socket.remotePort);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveDelayMs(timeoutMs ?? TIMEOUT_MS));
    const { peer } = this;
    this.#watch = timeoutMs === null ? null : watchStalled(socket, { peer, timeoutMs }, (error) => this.destroy(error));
    socket.on("drain", () => this.#events?.drain());
    socket.on("error", (error) => {
      const code = codeOf(error);
      // The other end may refuse our certificate after we have accepted its own.
      this.#error ??= new CommError(
        /^err_ssl|^eproto/.test(code) ? "tls" : code,
        `connection ${this.local} -> ${this.peer} failed: ${error.message}`,
        { cause: error },
      );
    });
    socket.on("close", () => this.#onClose());
  }

  get bytesReceived(): number {
    return this.#socket.bytesRead;
  }

  get bytesLeft(): number {
    return bytesLeft(this.#socket);
  }

  start(events: ChannelEvents): void {
    this.#events = events;
    if (this.#isClosed) queueMicrotask(() => events.closed(this.#error));
  }

  /** Bytes from an accepted socket. */
  received(bytes: Uint8Array): void {
    if (this.#isFirst) {
      this.#isFirst = false;
      // A TLS record: a handshake (0x16) or an alert (0x15) of version 3. No message of a Dask peer begins with so many frames.
      if ((bytes[0] === 0x16 || bytes[0] === 0x15) && bytes[1] === 0x03) {
        const { peer } = this;
        return this.destroy(
          new RemoteProtocolError(`${peer} speaks TLS, and this connection does not: use a tls:// address`),
        );
      }
    }
    this.#guard(() => this.#decoder.push(bytes));
  }

  /** Bytes already in the decoder's own space. */
  receivedDirect(count: number): void {
    this.#guard(() => this.#decoder.filled(count));
  }

  write(frames: readonly Uint8Array[], blockFrames: number): boolean {
    if (this.#isClosed || this.#isEnded) return true;
    const pieces = encodeFrames(frames, { blockFrames });
    const last = pieces.length - 1;
    this.#written++;
    if (last === 0) return this.#socket.write(pieces[0] as Uint8Array, this.#onLeft); // the only one
    let isFree = true;
    this.#socket.cork();
    pieces.forEach((piece, i) => {
      isFree = i < last ? this.#socket.write(piece) : this.#socket.write(piece, this.#onLeft);
    });
    this.#socket.uncork();
    return isFree;
  }

  /** Called for each message, in order, with an error where it cannot leave any more. */
  readonly #onLeft = (): void => {
    this.#left++;
    for (let first = this.#flushes[0]; first && first.upTo <= this.#left; first = this.#flushes[0]) {
      this.#flushes.shift();
      first.resolve();
    }
  };

  flushed(): Promise<void> {
    if (this.#isClosed || this.#left === this.#written) return Promise.resolve();
    return new Promise((resolve) => void this.#flushes.push({ upTo: this.#written, resolve }));
  }

  place(placer: FramePlacer | null): void {
    this.#decoder.place(placer);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  hold(isHeld: boolean): void {
    if (isHeld) this.#socket.ref();
    else this.#socket.unref();
  }

  end(): void {
    if (this.#isClosed || this.#isEnded) return;
    this.#isEnded = true;
    this.#socket.end();
    // What still arrives is dropped, but only a socket that reads sees the peer's end.
    this.#socket.resume();
    this.#linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#linger.unref();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  #guard(step: () => void): void {
    if (this.#error !== undefined || this.#isEnded) return;
    try {
      step();
      for (let message = this.#decoder.next(); message; message = this.#decoder.next()) this.#events?.message(message);
    } catch (error) {
      // The stream cannot be resynchronised after a broken length: this connection ends, the error is its reason.
      this.destroy(error instanceof Error ? error : new CommError("comm", String(error)));
    }
  }

  #onClose(): void {
    this.#isClosed = true;
    for (const { resolve } of this.#flushes.splice(0)) resolve();
    clearTimeout(this.#linger);
    this.#watch?.[Symbol.dispose]();
    if (this.#error === undefined && !this.#isEnded && !this.#decoder.isIdle) {
      this.#error = new CommError("comm-closed", `${this.peer} closed the connection in the middle of a message`);
    }
    if (this.#isFirst && !this.#isEnded && this.#error === undefined) {
      this.#error = this.#isEncrypted
        ? new CommError("tls", `${this.peer} closed the connection at once: it may not trust our certificate`)
        : new CommError("comm-closed", `${this.peer} closed the connection at once: it may expect a tls:// address`);
    }
    this.#events?.closed(this.#error);
  }
}

/** Connect once; rejects with the socket's error, or the signal's reason. */
export function connectTcp(address: Address, signal: AbortSignal, options: SocketOptions): Promise<Channel> {
  const { promise, resolve, reject } = Promise.withResolvers<Channel>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const decoder = new FrameDecoder(options.limits);
  const scratch = new Uint8Array(READ_BUFFER_BYTES);
  let channel: TcpChannel | undefined;
  let isDirect = false;
  const socket = connectSocket({
    host: address.host,
    port: address.port,
    onread: {
      buffer: () => {
        isDirect = decoder.frameBytesMissing > DIRECT_BYTES_MIN;
        return isDirect ? decoder.space() : scratch;
      },
      callback: (count) => {
        if (isDirect) channel?.receivedDirect(count);
        else channel?.received(scratch.subarray(0, count));
        return true;
      },
    },
  });
  const onAbort = (): void => {
    socket.destroy();
    reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  const onError = (cause: Error): void => {
    signal.removeEventListener("abort", onAbort); // which keeps the socket, and outlives this try
    reject(new CommError(codeOf(cause), messageOf(cause), { cause }));
  };
  socket.once("error", onError);
  socket.once("connect", () => {
    signal.removeEventListener("abort", onAbort);
    socket.off("error", onError);
    channel = new TcpChannel(socket, decoder, options);
    resolve(channel);
  });
  return promise;
}

/** What an acceptor is given besides its address. `contactHost` is the host in its own address. */
export interface AcceptOptions extends SocketOptions {
  readonly connectionsMax: number;
  readonly backlog: number;
  readonly contactHost: string;
  readonly onError: (error: Error) => void;
}

/** Accept connections on `address`; port 0 lets the system choose. */
export async function listenTcp(
  address: Address,
  onChannel: (channel: Channel) => void,
  options: AcceptOptions,
): Promise<Acceptor> {
  const server = createServer((socket) => {
    const channel = new TcpChannel(socket, new FrameDecoder(options.limits), options);
    socket.on("data", (bytes: Buffer) => channel.received(bytes));
    onChannel(channel);
  });
  return acceptorOf(server, address, options);
}

/** Let a server listen, of plain or of encrypted connections. */
export async function acceptorOf(server: Server, address: Address, options: AcceptOptions): Promise<Acceptor> {
  server.maxConnections = options.connectionsMax;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host: address.host || "0.0.0.0", port: address.port, backlog: options.backlog }, resolve);
  try {
    await promise;
  } catch (cause) {
    throw cannotListen(address, cause);
  }
  // An accept that fails (no descriptor left) must not end the process; those who wait outside try again.
  server.on("error", (error) => options.onError(error));
  const bound = server.address();
  // A tcp server that listens has an address with a port.
  const port = typeof bound === "object" && bound ? bound.port : address.port;
  return {
    address: formatAddress({ scheme: address.scheme, host: options.contactHost, port }),
    close: () => new Promise((done) => server.close(() => done())),
  };
}

function cannotListen(address: Address, cause: unknown): Error {
  return new CommError(codeOf(cause), `cannot listen on ${formatAddress(address)}: ${messageOf(cause)}`, { cause });
}

function endName(scheme: "tcp" | "tls", host: string | undefined, port: number | undefined): string {
  return formatAddress({ scheme, host: (host ?? "?").replace(/^::ffff:(?=\d+\.)/, ""), port: port ?? 0 });
}

/** `econnrefused` and the like, or `comm`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code).toLowerCase() : "comm";
}

/** Text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
