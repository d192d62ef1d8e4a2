/** Requests that wait for something to happen, each at most so long. */

interface Waiter<T> {
  readonly resolve: (value: T | null) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** First come, first served. */
export class Waiters<T> {
  readonly #queue = new Set<Waiter<T>>();

  get size(): number {
    return this.#queue.size;
  }

  /** What the next {@link give} gives; null after `seconds` (null: no limit). */
  wait(seconds: number | null): Promise<T | null> {
    return new Promise((resolve) => {
      const waiter: Waiter<T> = {
        resolve,
        timer:
          seconds === null
            ? undefined
            : setTimeout(() => {
                this.#queue.delete(waiter);
                resolve(null);
              }, Math.max(0, seconds) * 1000).unref(),
      };
      this.#queue.add(waiter);
    });
  }

  /** Serve the first; false when nobody waits. */
  give(value: T): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    this.#queue.delete(first);
    clearTimeout(first.timer);
    first.resolve(value);
    return true;
  }

  /** Serve all. */
  giveAll(value: T): void {
    while (this.give(value));
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
