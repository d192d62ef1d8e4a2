/** One connection that carries messages: handshake, ordered sends, a bounded inbox. */
import { CommClosedError, CommError, type CommSettings, invariant, type Logger, RsdatError } from "../base/index.ts";
import {
  COMPRESSORS,
  decodeMessage,
  type EncodedMessage,
  encodeMessage,
  type FramedMessage,
  type FramePlacer,
  type Handshake,
  type HandshakeOptions,
  handshakeMessage,
  parseHandshake,
  type SplitFrames,
  splitterOf,
} from "../protocol/index.ts";
import type { Channel } from "./channel.ts";
import { isSameHost } from "./interfaces.ts";
import { CompressingOutbox } from "./outbox.ts";

/** Bounds and identity of a connection. */
export interface CommOptions extends HandshakeOptions {
  /** Undelivered bytes after which the peer is made to wait. Default 64 MiB. */
  readonly receiveBytesMax?: number;
  /** Undelivered messages after which the peer is made to wait. Default 1024. */
  readonly receiveMessagesMax?: number;
  /** Gets every error that ends a connection. */
  readonly logger?: Logger;
  /** How messages are written. Default: as they are. */
  readonly settings?: CommSettings;
}

/** One connection to a peer. Messages keep their order both ways. */
export interface Comm extends AsyncDisposable {
  /** Address of the other end. */
  readonly peer: string;
  readonly local: string;
  /** What the peer said in its handshake. */
  readonly handshake: Handshake;
  readonly isClosed: boolean;
  /** Bytes that have arrived so far, also of a message that is not complete. */
  readonly bytesReceived: number;
  /** Bytes that have left this process so far, also of a message that has not left as a whole. */
  readonly bytesLeft: number;
  /** True while the peer reads more slowly than we write; `drained` waits for the end of it. */
  readonly isCongested: boolean;
  /**
   * Queue one message; returns at once.
   * @throws {CommClosedError} the connection is closed
   * @throws {LocalProtocolError} the message cannot travel
   */
  send(message: unknown): void;
  /** Resolves when everything sent so far has left this process; until then sent arrays must not change. */
  flushed(): Promise<void>;
  /** Resolves when the connection is not congested, or closed. */
  drained(): Promise<void>;
  /**
   * The next message. One caller at a time.
   * @throws {CommClosedError} the connection is closed
   * @throws {RemoteProtocolError} the peer sent nonsense; the connection is closed
   */
  next(signal?: AbortSignal): Promise<unknown>;
  /** Receive large frames of later messages into the caller's own memory; null: no more. In-process connections do not. */
  place(placer: FramePlacer | null): void;
  /** Resolves, never rejects, once the connection is closed; gives the reason if there was one. */
  readonly closed: Promise<RsdatError | undefined>;
  /** Whether this connection keeps the process alive; true from the start. An idle client should not. */
  hold(isHeld: boolean): void;
  /** End after what was sent has been written. */
  close(): Promise<void>;
  /** Drop the connection now, with a reason that is logged and that `next` reports. */
  abort(reason: RsdatError): void;
}

interface Waiter {
  resolve(message: unknown): void;
  reject(error: unknown): void;
}

/** A {@link Comm} over any channel. */
export class MessageComm implements Comm {
  readonly #channel: Channel;
  readonly #options: CommOptions;
  readonly #receiveBytesMax: number;
  readonly #receiveMessagesMax: number;
  readonly #inbox: FramedMessage[] = [];
  #inboxBytes = 0;
  #isPaused = false;
  #isCongested = false;
  #isClosed = false;
  #reason: RsdatError | undefined;
  #waiter: Waiter | undefined;
  #handshake: Handshake | undefined;
  /** What the handshake led to; undefined and null: messages go as they are. */
  #split: SplitFrames | undefined;
  #outbox: CompressingOutbox | null = null;
  #drain = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<RsdatError | undefined>();

  constructor(channel: Channel, options: CommOptions = {}) {
    this.#channel = channel;
    this.#options = options;
    this.#receiveBytesMax = options.receiveBytesMax ?? 2 ** 26;
    this.#receiveMessagesMax = options.receiveMessagesMax ?? 1024;
    channel.start({
      message: (message) => this.#receive(message),
      drain: () => this.#uncongest(),
      closed: (error) => this.#onClosed(error),
    });
  }

  /**
   * Exchange handshakes; both sides write first, so neither waits for the other.
   * @throws {RemoteProtocolError} the peer is no Dask peer
   */
  async shakeHands(signal: AbortSignal): Promise<void> {
    const { settings } = this.#options;
    // As in Dask, nothing is compressed for a peer on this host.
    const wanted = settings?.compression ?? null;
    const compression = wanted !== null && isSameHost(this.local, this.peer) ? null : wanted;
    this.send(handshakeMessage(this.#options, compression));
    try {
      this.#handshake = parseHandshake(await this.next(signal), this.#options);
      if (settings) this.#agree(settings, compression, this.#handshake);
    } catch (error) {
      if (error instanceof RsdatError) this.abort(error);
      else this.#channel.destroy();
      throw error;
    }
  }

  #agree(
    { shardBytes, shardsForOwn, offloadBytes }: CommSettings,
    compression: CommSettings["compression"],
    { rsdat, compression: theirs }: Handshake,
  ): void {
    // A peer of ours receives a block into its place; pieces would save it nothing.
    const splits = shardBytes < Number.POSITIVE_INFINITY && (shardsForOwn || rsdat === undefined);
    const compresses = compression !== null && compression === theirs;
    if (splits || compresses) this.#split = splitterOf(splits ? shardBytes : Number.POSITIVE_INFINITY);
    if (compresses)
      this.#outbox = new CompressingOutbox({
        compressor: COMPRESSORS[compression],
        offloadBytes,
        write: (message) => this.#write(message),
        emptied: () => this.#wakeDrained(),
        failed: (cause) =>
          this.abort(new CommError("compression", `a message to ${this.peer} cannot be compressed`, { cause })),
      });
  }

  get peer(): string {
    return this.#channel.peer;
  }

  get local(): string {
    return this.#channel.local;
  }

  get handshake(): Handshake {
    invariant(this.#handshake, "comm used before its handshake");
    return this.#handshake;
  }

  get bytesReceived(): number {
    return this.#channel.bytesReceived;
  }

  get bytesLeft(): number {
    return this.#channel.bytesLeft;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isCongested(): boolean {
    return this.#isCongested || this.#outbox?.isBusy === true;
  }

  get closed(): Promise<RsdatError | undefined> {
    return this.#done.promise;
  }

  send(message: unknown): void {
    if (this.#isClosed) throw this.#closedError();
    const encoded = encodeMessage(message, this.#split);
    if (this.#outbox) this.#outbox.send(encoded);
    else this.#write(encoded);
  }

  #write({ frames, blockFrames }: EncodedMessage): void {
    if (!this.#channel.write(frames, blockFrames)) this.#isCongested = true;
  }

  flushed(): Promise<void> {
    if (this.#outbox?.isBusy) return this.#outbox.written.then(() => this.#channel.flushed());
    return this.#channel.flushed();
  }

  async drained(): Promise<void> {
    while (this.isCongested && !this.#isClosed) await this.#drain.promise;
  }

  next(signal?: AbortSignal): Promise<unknown> {
    invariant(this.#waiter === undefined, "two callers wait for the next message of one comm");
    const ready = this.#inbox.shift();
    if (ready) {
      this.#inboxBytes -= ready.nbytes;
      this.#unpause();
      return this.#decodeReady(ready);
    }
    if (this.#isClosed) return Promise.reject(this.#closedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (!signal) {
      this.#waiter = { resolve, reject };
      return promise;
    }
    const onAbort = (): void => {
      this.#waiter = undefined;
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const settle =
      <T>(how: (value: T) => void) =>
      (value: T): void => {
        signal.removeEventListener("abort", onAbort);
        how(value);
      };
    this.#waiter = { resolve: settle(resolve), reject: settle(reject) };
    return promise;
  }

  place(placer: FramePlacer | null): void {
    this.#channel.place(placer);
  }

  hold(isHeld: boolean): void {
    this.#channel.hold(isHeld);
  }

  async close(): Promise<void> {
    this.#channel.hold(true); // whoever awaits this must not be cut off by an empty event loop
    if (this.#outbox?.isBusy) await this.#outbox.written;
    this.#channel.end();
    await this.#done.promise;
  }

  abort(reason: RsdatError): void {
    if (this.#isClosed || this.#reason) return;
    this.#reason = reason;
    this.#channel.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #receive(message: FramedMessage): void {
    const waiter = this.#waiter;
    if (waiter) {
      this.#waiter = undefined;
      try {
        waiter.resolve(this.#decode(message));
      } catch (error) {
        waiter.reject(error);
      }
      return;
    }
    this.#inbox.push(message);
    this.#inboxBytes += message.nbytes;
    if (this.#inboxBytes > this.#receiveBytesMax || this.#inbox.length > this.#receiveMessagesMax) {
      this.#isPaused = true;
      this.#channel.pause();
    }
  }

  async #decodeReady(message: FramedMessage): Promise<unknown> {
    return this.#decode(message);
  }

  #decode(message: FramedMessage): unknown {
    try {
      return decodeMessage(message.frames);
    } catch (error) {
      if (error instanceof RsdatError) this.abort(error);
      throw error;
    }
  }

  #unpause(): void {
    if (!this.#isPaused) return;
    if (this.#inboxBytes > this.#receiveBytesMax / 2 || this.#inbox.length > this.#receiveMessagesMax / 2) return;
    this.#isPaused = false;
    this.#channel.resume();
  }

  #uncongest(): void {
    this.#isCongested = false;
    this.#wakeDrained();
  }

  #wakeDrained(): void {
    this.#drain.resolve();
    this.#drain = Promise.withResolvers();
  }

  #onClosed(error: Error | undefined): void {
    this.#isClosed = true;
    if (error && !this.#reason) {
      this.#reason =
        error instanceof RsdatError
          ? error
          : new CommError("comm", `connection to ${this.peer} failed: ${error.message}`, { cause: error });
    }
    if (this.#reason) {
      this.#options.logger?.warning(`connection to ${this.peer} dropped: ${this.#reason.message}`, {
        code: this.#reason.code,
        peer: this.peer,
      });
    }
    this.#uncongest();
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(this.#closedError());
    this.#done.resolve(this.#reason);
  }

  /** A protocol error, and a refused certificate, keep their type; everything else is a closed connection. */
  #closedError(): RsdatError {
    const reason = this.#reason;
    if (reason?.code === "remote-protocol" || reason?.code === "tls") return reason;
    const why = reason ? `: ${reason.message}` : "";
    return new CommClosedError(`connection to ${this.peer} is closed${why}`, {
      cause: reason,
      details: { peer: this.peer },
    });
  }
}
