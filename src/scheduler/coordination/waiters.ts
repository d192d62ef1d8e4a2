/** Requests that wait for something to happen, each at most so long, and no longer than somebody waits for the answer. */
import { CommClosedError, LONGEST_TIMER_MS } from "../../base/index.ts";
import type { Comm } from "../../comm/index.ts";

interface Waiter<T> {
  give(value: T | null): void;
  fail(error: Error): void;
}

/** What is to be done when a connection closes; one look at its end for all that ever waits over it. */
const AT_CLOSE = new WeakMap<Comm, Set<() => void>>();

/** Have something done when the connection closes; the answer takes that back. */
export function atClose(comm: Comm, run: () => void): () => void {
  let all = AT_CLOSE.get(comm);
  if (!all) {
    const runs = new Set<() => void>();
    AT_CLOSE.set(comm, runs);
    void comm.closed.then(() => {
      for (const each of runs) each();
    });
    all = runs;
  }
  all.add(run);
  return () => void all.delete(run);
}

/** First come, first served. */
export class Waiters<T> {
  readonly #queue = new Set<Waiter<T>>();

  get size(): number {
    return this.#queue.size;
  }

  /**
   * What the next {@link give} gives; null after `seconds` (null: no limit).
   *
   * @param comm where the answer is waited for
   * @throws {CommClosedError} nobody waits there any more  @throws what {@link end} is given
   */
  wait(seconds: number | null, comm: Comm): Promise<T | null> {
    const { promise, resolve, reject } = Promise.withResolvers<T | null>();
    const leave = (): void => {
      this.#queue.delete(waiter);
      clearTimeout(timer);
      forget();
    };
    const waiter: Waiter<T> = {
      give: (value) => {
        leave();
        resolve(value);
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    const timer =
      seconds === null
        ? undefined
        : setTimeout(() => waiter.give(null), Math.min(Math.max(0, seconds) * 1000, LONGEST_TIMER_MS)).unref();
    const gone = (): void => waiter.fail(new CommClosedError(`${comm.peer} has gone while it waited`));
    const forget = atClose(comm, gone);
    this.#queue.add(waiter);
    if (comm.isClosed) gone();
    return promise;
  }

  /** Serve the first; false when nobody waits. */
  give(value: T): boolean {
    const [first] = this.#queue;
    first?.give(value);
    return first !== undefined;
  }

  /** Serve all. */
  giveAll(value: T): void {
    while (this.give(value));
  }

  /** What is waited for will not come. */
  end(why: Error): void {
    for (const waiter of this.#queue) waiter.fail(why);
  }
}

/** `timeout` of a request in seconds; null: no limit. */
export function secondsOf(request: ReadonlyMap<unknown, unknown>): number | null {
  const value = request.get("timeout");
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** One text per name, which may be any plain value. */
export function nameIn(request: ReadonlyMap<unknown, unknown>): string {
  return JSON.stringify(request.get("name") ?? null);
}
