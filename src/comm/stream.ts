/** Streams: both sides send arrays of op-maps whenever they like, in order (dask-protocol §7). */
import { CommError, isRsdatError, RemoteProtocolError } from "../base/index.ts";
import type { Comm } from "./comm.ts";

/** Most messages that wait for a peer that does not read before it is dropped. */
const BACKLOG_MAX = 1_000_000;

/** How a stream is written. */
export interface StreamOptions {
  /** Messages that may wait for a peer that does not read. Default a million. */
  readonly backlogMax?: number;
  /** Written after the streams that are not: what somebody waits for goes before what he only hears of. */
  readonly isLate?: boolean;
  /** More is about to be said, within fewer turns of the event loop than it takes to write: wait for it, a little. */
  readonly lingers?: () => boolean;
}

/** Streams that are to be written in this turn of the event loop, those apart that are written late. */
let soonCount = 0;

/** Messages that wait for others to go along with, at the most. */
const ALONG_MAX = 32;

/** Turns of the event loop, and messages, for which a stream lingers at the most. */
const LINGER_TURNS = 32;
const LINGER_MESSAGES = 16;

/**
 * Sender of a stream. Collects what is sent during one turn of the event loop and writes it as one batch at its end;
 * while the peer is slow, batches grow. No timers: an idle link has no delay.
 */
export class BatchedStream<M extends object> {
  readonly comm: Comm;
  readonly #encode: (message: M) => unknown;
  readonly #backlogMax: number;
  readonly #isLate: boolean;
  readonly #lingers: () => boolean;
  #turns = 0;
  #pending: unknown[] = [];
  #isScheduled = false;

  /** @param encode gives the wire map of a message, as protocol's `encodeOp` does */
  constructor(comm: Comm, encode: (message: M) => unknown, options: StreamOptions = {}) {
    this.comm = comm;
    this.#encode = encode;
    this.#backlogMax = options.backlogMax ?? BACKLOG_MAX;
    this.#isLate = options.isLate ?? false;
    this.#lingers = options.lingers ?? never;
  }

  /** Messages not yet written. */
  get backlog(): number {
    return this.#pending.length;
  }

  /**
   * Queue messages; false, and dropped, when the connection is closed (its reader learns why). A peer whose backlog
   * passes the bound is dropped with a logged `slow-peer` error.
   */
  send(...messages: readonly M[]): boolean {
    if (this.comm.isClosed) return false;
    for (const message of messages) this.#pending.push(this.#encode(message));
    if (this.#pending.length > this.#backlogMax) {
      this.comm.abort(
        new CommError("slow-peer", `${this.comm.peer} does not read: ${this.#pending.length} messages wait`),
      );
      this.#pending = [];
      return false;
    }
    this.#schedule();
    return true;
  }

  /**
   * Queue a message that nobody waits for: it goes with the next one that is sent, before it, or when {@link wake} is
   * called, or when there are many of these.
   */
  sendAlong(message: M): void {
    if (this.comm.isClosed) return;
    this.#pending.push(this.#encode(message));
    if (this.#pending.length >= ALONG_MAX) this.#schedule();
  }

  /** Write what is queued at the end of this turn, whatever it waits for. */
  wake(): void {
    if (this.#pending.length > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    if (this.#isLate) setImmediate(this.#lateTurn);
    else {
      soonCount++;
      setImmediate(this.#soonTurn);
    }
  }

  readonly #soonTurn = (): void => {
    soonCount--;
    this.#turn();
  };

  /** Behind whatever else is written in this turn, and not later where that is nothing. */
  readonly #lateTurn = (): void => {
    if (soonCount > 0) setImmediate(() => this.#turn());
    else this.#turn();
  };

  /** Write what is queued now, and wait until it has left this process. */
  async flush(): Promise<void> {
    this.#write();
    await this.comm.flushed();
  }

  /** Flush, then close the connection. */
  async close(): Promise<void> {
    if (!this.comm.isClosed) this.#write();
    await this.comm.close();
  }

  #turn(): void {
    if (this.#turns++ < LINGER_TURNS && this.#pending.length < LINGER_MESSAGES && this.#lingers()) {
      setImmediate(() => this.#turn());
      return;
    }
    this.#turns = 0;
    this.#isScheduled = false;
    if (!this.comm.isCongested) this.#write();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      // Never rejects; it resolves on closing too.
      void this.comm.drained().then(() => this.#turn());
    }
  }

  #write(): void {
    if (this.#pending.length === 0) return;
    const batch = this.#pending;
    this.#pending = [];
    if (!this.comm.isClosed) this.comm.send(batch);
  }
}

function never(): boolean {
  return false;
}

/**
 * Receiver of a stream: batches of parsed messages as they arrive, until `close-stream` or until the peer leaves.
 *
 * @param parse turns one op-map into a message, as protocol's `parseOp` does; what it throws ends the connection, logged
 * @throws {RemoteProtocolError} the peer sent something else than op-maps it may send
 */
export function readStream<M>(
  comm: Comm,
  parse: (map: ReadonlyMap<unknown, unknown>) => M,
): AsyncIterableIterator<M[], undefined> {
  return new StreamReader(comm, parse);
}

/** Not a generator: that takes several more promises for each batch. */
class StreamReader<M> implements AsyncIterableIterator<M[], undefined> {
  readonly #comm: Comm;
  readonly #parse: (map: ReadonlyMap<unknown, unknown>) => M;
  #isOver = false;

  constructor(comm: Comm, parse: (map: ReadonlyMap<unknown, unknown>) => M) {
    this.#comm = comm;
    this.#parse = parse;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<M[], undefined>> {
    return this.#isOver ? Promise.resolve(OVER) : this.#comm.next().then(this.#received, this.#failed);
  }

  /** The reader wants no more. */
  return(): Promise<IteratorResult<M[], undefined>> {
    this.#isOver = true;
    return Promise.resolve(OVER);
  }

  readonly #received = (
    received: unknown,
  ): IteratorResult<M[], undefined> | Promise<IteratorResult<M[], undefined>> => {
    const messages = this.#parsed(received);
    return messages.length > 0 ? { done: false, value: messages } : this.#afterEmpty();
  };

  #parsed(received: unknown): M[] {
    this.#isOver = true; // unless it goes well
    const { messages, isLast } = parseBatch(this.#comm, received, this.#parse);
    this.#isOver = isLast;
    return messages;
  }

  /** Peers may send as many empty batches as they like: one promise waits through all of them. */
  async #afterEmpty(): Promise<IteratorResult<M[], undefined>> {
    while (!this.#isOver) {
      let received: unknown;
      try {
        received = await this.#comm.next();
      } catch (error) {
        return this.#failed(error);
      }
      const messages = this.#parsed(received);
      if (messages.length > 0) return { done: false, value: messages };
    }
    return OVER;
  }

  readonly #failed = (error: unknown): IteratorResult<M[], undefined> => {
    this.#isOver = true;
    if (isRsdatError(error, "comm-closed")) return OVER;
    throw error;
  };
}

const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined };

function parseBatch<M>(
  comm: Comm,
  received: unknown,
  parse: (map: ReadonlyMap<unknown, unknown>) => M,
): { messages: M[]; isLast: boolean } {
  const messages: M[] = [];
  try {
    for (const item of Array.isArray(received) ? received : [received]) {
      if (!(item instanceof Map))
        throw new RemoteProtocolError(`stream from ${comm.peer}: expected maps with an op, got ${typeof item}`);
      if (item.get("op") === "close-stream") return { messages, isLast: true };
      messages.push(parse(item));
    }
  } catch (error) {
    if (isRsdatError(error)) comm.abort(error);
    throw error;
  }
  return { messages, isLast: false };
}
