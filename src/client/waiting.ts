/** Waiting for futures: all of them, the first, or one after another as they end. */
import {
  ArgumentError,
  ClusterError,
  formatDuration,
  LONGEST_TIMER_MS,
  parseTimeoutMs,
  shownValue,
} from "../base/index.ts";
import { Client } from "./client.ts";
import { Future } from "./future.ts";
import { futuresOf } from "./futures-of.ts";

/** How long to wait for what. */
export interface WaitOptions {
  /** E.g. "5s" or seconds; default without limit. */
  readonly timeout?: string | number;
  /** Default `ALL_COMPLETED`. */
  readonly returnWhen?: "ALL_COMPLETED" | "FIRST_COMPLETED";
}

/** What has ended, well or not, and what has not. */
export interface Waited<T> {
  readonly done: T[];
  readonly notDone: T[];
}

/** Futures, persisted arrays and anything else that can be waited for. */
export interface Waitable {
  wait(): Promise<void>;
}

/**
 * Wait until all, or the first, of these have ended: futures, persisted arrays. Nothing is fetched, and failures of
 * futures do not throw. dask `wait`.
 * @throws {ClusterError} code `timeout`: they have not within `timeout`
 * @throws {CancelledError} one of the futures was cancelled
 */
export async function wait<T extends Waitable>(
  items: T | readonly T[],
  { timeout, returnWhen = "ALL_COMPLETED" }: WaitOptions = {},
): Promise<Waited<T>> {
  const all = Array.isArray(items) ? (items as readonly T[]) : [items as T]; // the one or the other
  if (returnWhen !== "ALL_COMPLETED" && returnWhen !== "FIRST_COMPLETED")
    throw new ArgumentError(`returnWhen ${String(returnWhen)}: expected ALL_COMPLETED or FIRST_COMPLETED`);
  for (const item of all)
    if (typeof (item as Partial<Waitable> | null | undefined)?.wait !== "function")
      throw new ArgumentError(`wait for ${shownValue(item)}: expected futures, or what was persisted`);
  const ended = new Set<T>();
  const ends = all.map((item) => item.wait().then(() => void ended.add(item)));
  if (all.length > 0)
    await within(returnWhen === "ALL_COMPLETED" ? Promise.all(ends) : Promise.race(ends), timeout, "wait");
  for (const item of ended)
    if (item instanceof Future && item.status === "cancelled") throw (await item.exception()) as Error; // of a cancelled one
  return { done: all.filter((item) => ended.has(item)), notDone: all.filter((item) => !ended.has(item)) };
}

/** The promise's value, or an error after `timeout`; `until` is the end of it where it began earlier. */
export async function within<T>(
  promise: Promise<T>,
  timeout: string | number | undefined,
  what: string,
  until?: number,
): Promise<T> {
  if (timeout === undefined) return promise;
  const ms = parseTimeoutMs(timeout);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new ClusterError("timeout", `${what}: not done within ${formatDuration(ms)}`)),
    Math.min(until === undefined ? ms : Math.max(0, until - performance.now()), LONGEST_TIMER_MS),
  );
  promise.catch(() => undefined); // who is no longer waited for may fail
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How {@link asCompleted} gives what has ended. */
export interface AsCompletedOptions {
  /** True: pairs of a future and its result. A failed future's is its error, unless `raiseErrors`. */
  readonly withResults?: boolean;
  /** With `withResults`: throw the error of a failed future. Default true. */
  readonly raiseErrors?: boolean;
  /** For all of them together. */
  readonly timeout?: string | number;
}

/** What {@link AsCompleted} gives: a future, or with results a pair. */
export type Ended<T, R extends boolean> = R extends true ? readonly [future: Future<T>, result: T] : Future<T>;

/** Futures as they end; more may be added while it runs. dask `as_completed`. */
export class AsCompleted<T, R extends boolean = false> implements AsyncIterableIterator<Ended<T, R>> {
  readonly #options: AsCompletedOptions;
  readonly #until: number;
  /** Times each future is still to be given. */
  readonly #open = new Map<Future<T>, number>();
  #ready: { readonly future: Future<T>; readonly result: unknown }[] = [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(futures: Iterable<Future<T>>, options: AsCompletedOptions = {}) {
    this.#options = options;
    this.#until =
      options.timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + parseTimeoutMs(options.timeout);
    this.update(futures);
  }

  /** Give this one too, once it has ended. */
  add(future: Future<T>): void {
    this.update([future]);
  }

  /** Give these too. @throws {ArgumentError} something that is no future */
  update(futures: Iterable<Future<T>>): void {
    for (const future of futures) {
      if (!(future instanceof Future))
        throw new ArgumentError(`asCompleted: expected futures, got ${shownValue(future)}`);
      this.#open.set(future, (this.#open.get(future) ?? 0) + 1);
      void this.#track(future);
    }
  }

  /** Futures that are still to be given, ended or not. */
  count(): number {
    return Array.from(this.#open.values()).reduce((sum, n) => sum + n, this.#ready.length);
  }

  isEmpty(): boolean {
    return this.count() === 0;
  }

  /** True when the next one is there. */
  hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Forget all that are still to be given. */
  clear(): void {
    this.#open.clear();
    this.#ready = [];
    this.#notify();
  }

  async next(): Promise<IteratorResult<Ended<T, R>, undefined>> {
    while (this.#ready.length === 0) {
      if (this.isEmpty()) return { done: true, value: undefined };
      await this.#changed();
    }
    return { done: false, value: this.#give() };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** All that have ended and not been given; waits for the first unless `block` is false. */
  async nextBatch({ block = true }: { readonly block?: boolean } = {}): Promise<Ended<T, R>[]> {
    const first = block ? await this.next() : undefined;
    const batch = first && !first.done ? [first.value] : [];
    while (this.#ready.length > 0) batch.push(this.#give());
    return batch;
  }

  /** Batches of what has ended, as they come. */
  async *batches(): AsyncGenerator<Ended<T, R>[], void, undefined> {
    for (;;) {
      const batch = await this.nextBatch();
      if (batch.length === 0) return;
      yield batch;
    }
  }

  async #track(future: Future<T>): Promise<void> {
    await future.wait(); // never rejects while the future is held
    const result = this.#options.withResults ? await future.result().catch((error: unknown) => error) : undefined;
    const times = this.#open.get(future) ?? 0;
    if (times === 0) return; // cleared meanwhile
    if (times === 1) this.#open.delete(future);
    else this.#open.set(future, times - 1);
    this.#ready.push({ future, result });
    this.#notify();
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #changed(): Promise<void> {
    const { promise } = this.#wake;
    return within(promise, this.#options.timeout, "asCompleted", this.#until);
  }

  #give(): Ended<T, R> {
    const { future, result } = this.#ready.shift() as { future: Future<T>; result: unknown }; // the callers have looked
    if (!this.#options.withResults) return future as Ended<T, R>; // R is what the options say
    if ((this.#options.raiseErrors ?? true) && future.status !== "finished") throw result;
    return [future, result] as unknown as Ended<T, R>; // R is what the options say
  }
}

/**
 * Futures as they end: `for await (const future of asCompleted(futures))`; `.batches()` gives several at once, `.add()`
 * more to wait for. dask `as_completed`.
 */
export function asCompleted<T>(
  futures: Iterable<Future<T>>,
  options: AsCompletedOptions & { readonly withResults: true },
): AsCompleted<T, true>;
export function asCompleted<T>(futures: Iterable<Future<T>>, options?: AsCompletedOptions): AsCompleted<T>;
export function asCompleted<T>(
  futures: Iterable<Future<T>>,
  options: AsCompletedOptions = {},
): AsCompleted<T, boolean> {
  return new AsCompleted<T, boolean>(futures, options);
}

/**
 * Have these computed although nobody will ask for them: futures, or lazy objects that are persisted. They may be released
 * at once. dask `fire_and_forget`.
 */
export function fireAndForget(items: unknown): void {
  for (const future of futuresOfAll(items)) future.fireAndForget();
}

/**
 * Futures in anything: lists and objects of them at any depth, and the blocks of persisted arrays, of which `client`
 * (default: all that are connected) is asked. dask `futures_of`.
 */
export function futuresOfAll(items: unknown, { client }: { readonly client?: Client } = {}): Future[] {
  return futuresOf(items, { clients: client ? [client] : Client.open() });
}
