/** Requests: one question, one answer, over connections that are kept per address (dask-protocol §7). */
import { CommClosedError, CommError, ConnectTimeoutError, LONGEST_TIMER_MS } from "../base/index.ts";
import { decompressLarge, type Serialized } from "../protocol/index.ts";
import type { Comm } from "./comm.ts";
import { type ConnectOptions, connect } from "./connect.ts";

/** Options of one request. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Time for the answer, the connection apart; it begins anew as long as parts of it arrive, or of the request leave. Default 30 s; `Infinity` waits. */
  readonly timeoutMs?: number;
}

/** Bounds of a pool. */
export interface RpcOptions extends ConnectOptions {
  /** Connections open at once, idle ones included. Default 512, as Dask. */
  readonly connectionsMax?: number;
}

const TIMEOUT_MS = 30_000;

/** A pool of request connections. */
export class Rpc implements AsyncDisposable {
  readonly #options: RpcOptions;
  readonly #idle = new Map<string, Comm[]>();
  /** With the address of each. */
  readonly #open = new Map<Comm, string>();
  readonly #waiting: (() => void)[] = [];
  readonly #ending = new AbortController();
  #places: number;

  constructor(options: RpcOptions = {}) {
    this.#options = options;
    this.#places = options.connectionsMax ?? 512;
  }

  /**
   * Send one request map (`op` and its fields) and give the reply.
   *
   * @throws {CommError} no connection, or it closed before the answer
   * @throws {ConnectTimeoutError} no connection in time; code `rpc-timeout` when the answer did not come in time
   * @throws {RemoteProtocolError} the peer broke the protocol
   */
  call(address: string, request: Readonly<Record<string, unknown>>, options: CallOptions = {}): Promise<unknown> {
    return this.use(
      address,
      async (comm, signal) => {
        comm.send({ ...request, reply: true });
        return await comm.next(signal);
      },
      options,
      String(request.op),
    );
  }

  /**
   * Lend a connection to `address` for a whole exchange; it goes back to the pool when `exchange` resolves and is
   * dropped when it throws, since the two sides may then disagree about whose turn it is.
   */
  async use<T>(
    address: string,
    exchange: (comm: Comm, signal: AbortSignal) => Promise<T>,
    options: CallOptions = {},
    what = "exchange",
  ): Promise<T> {
    const comm = await this.#take(address, options.signal);
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    const late = new AbortController();
    const signals = [late.signal, this.#ending.signal, ...(options.signal ? [options.signal] : [])];
    let watch: Disposable | undefined;
    try {
      const answer = exchange(comm, AbortSignal.any(signals));
      // After what has left at once, which is no reason to wait longer.
      watch = watchSilent(comm, timeoutMs, () =>
        late.abort(
          new ConnectTimeoutError(
            `no answer to ${what} from ${address} within ${timeoutMs / 1000} s`,
            { details: { address } },
            "rpc-timeout",
          ),
        ),
      );
      const result = await answer;
      this.#give(address, comm);
      return result;
    } catch (error) {
      comm.abort(new CommError("rpc-dropped", `${what} to ${address} was not finished`, { cause: error }));
      this.#forget(comm);
      throw error;
    } finally {
      watch?.[Symbol.dispose]();
    }
  }

  /**
   * Objects of an answer that somebody will read at once, decompressed off the event loop if they are large. Undefined:
   * nothing is to be waited for.
   */
  decompress(values: Iterable<Serialized>): Promise<void> | undefined {
    return decompressLarge(values, this.#options.settings?.offloadBytes ?? Number.POSITIVE_INFINITY);
  }

  /** A peer is known to be lost: requests to it fail now, and not when their time is over. */
  drop(address: string): void {
    for (const [comm, at] of this.#open)
      if (at === address) comm.abort(new CommError("peer-lost", `${address} is known to be lost`));
  }

  /** Close all connections; requests under way fail. */
  async close(): Promise<void> {
    this.#ending.abort(new CommClosedError("the connection pool is closed"));
    for (const wake of this.#waiting.splice(0)) wake();
    await Promise.all(Array.from(this.#open.keys(), (comm) => comm.close()));
    this.#open.clear();
    this.#idle.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(address: string, signal: AbortSignal | undefined): Promise<Comm> {
    for (;;) {
      this.#ending.signal.throwIfAborted();
      signal?.throwIfAborted();
      const free = this.#idle.get(address);
      for (let comm = free?.pop(); comm; comm = free?.pop()) {
        if (comm.isClosed) continue;
        comm.hold(true);
        return comm;
      }
      if (this.#places > 0 || this.#dropOneIdle()) break;
      await this.#placeFreed(signal);
    }
    this.#places--;
    try {
      const signals = [this.#ending.signal, ...(signal ? [signal] : [])];
      const comm = await connect(address, { ...this.#options, signal: AbortSignal.any(signals) });
      this.#open.set(comm, address);
      void comm.closed.then(() => this.#forget(comm));
      return comm;
    } catch (error) {
      this.#freePlace();
      throw error;
    }
  }

  /** Resolves when a place or an idle connection may be there, when `signal` aborts, or when the pool closes. */
  #placeFreed(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      signal?.removeEventListener("abort", leave);
      resolve();
    };
    const leave = (): void => {
      // A freed place must wake one that still wants it.
      const at = this.#waiting.indexOf(wake);
      if (at >= 0) this.#waiting.splice(at, 1);
      resolve();
    };
    this.#waiting.push(wake);
    signal?.addEventListener("abort", leave, { once: true });
    return promise;
  }

  #give(address: string, comm: Comm): void {
    if (comm.isClosed || this.#ending.signal.aborted) return;
    comm.hold(false); // an idle connection does not keep a finished script alive
    const free = this.#idle.get(address);
    if (free) free.push(comm);
    else this.#idle.set(address, [comm]);
    this.#waiting.shift()?.();
  }

  #dropOneIdle(): boolean {
    for (const [address, free] of this.#idle) {
      const comm = free.shift();
      if (free.length === 0) this.#idle.delete(address);
      if (!comm) continue;
      this.#forget(comm);
      void comm.close();
      return true;
    }
    return false;
  }

  /** It is closed, or about to be: it has no place any more, and is not idle. */
  #forget(comm: Comm): void {
    const address = this.#open.get(comm);
    if (address === undefined) return;
    this.#open.delete(comm);
    const free = this.#idle.get(address)?.filter((each) => each !== comm) ?? [];
    if (free.length > 0) this.#idle.set(address, free);
    else this.#idle.delete(address);
    this.#freePlace();
  }

  #freePlace(): void {
    this.#places++;
    this.#waiting.shift()?.();
  }
}

/** Call `onSilent` once nothing has arrived, or left for the peer, for `timeoutMs`, or up to twice that. Dispose to stop. */
function watchSilent(comm: Comm, timeoutMs: number, onSilent: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    const { bytesReceived, bytesLeft } = comm;
    timer = setTimeout(
      () => (comm.bytesReceived === bytesReceived && comm.bytesLeft === bytesLeft ? onSilent() : wait()),
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    );
  };
  if (Number.isFinite(timeoutMs)) wait();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
