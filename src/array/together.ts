/** Calls that are made in one tick become one graph: what they share is read and computed once (api.md §4). */
import type { Runner } from "../graph/index.ts";

/** A call that waits for the end of its tick. */
export interface Call<T> {
  readonly value: T;
  readonly runner: Promise<Runner>;
  /** Calls of one runner with the same text are run as one. */
  readonly kind: string;
  readonly resolve: (results: unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Collects the calls of a tick. */
export class Tick<T> {
  readonly #run: (runner: Runner, calls: readonly Call<T>[]) => Promise<void>;
  #calls: Call<T>[] = [];

  /** `run` settles every call; it does not throw. */
  constructor(run: (runner: Runner, calls: readonly Call<T>[]) => Promise<void>) {
    this.#run = run;
  }

  /** What will come of a call, run with the others of its kind that are made before the event loop turns. */
  add(call: Omit<Call<T>, "resolve" | "reject">): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.#calls.push({ ...call, resolve, reject }) === 1) setImmediate(() => void this.#flush());
    });
  }

  async #runOne(call: Call<T>): Promise<void> {
    let runner: Runner;
    try {
      runner = await call.runner;
    } catch (error) {
      call.reject(error);
      return;
    }
    return this.#run(runner, [call]);
  }

  async #flush(): Promise<void> {
    const calls = this.#calls;
    this.#calls = [];
    const [only] = calls;
    if (only && calls.length === 1) return this.#runOne(only);
    const byRunner = new Map<Runner, Map<string, Call<T>[]>>();
    for (const call of calls) {
      let runner: Runner;
      try {
        runner = await call.runner;
      } catch (error) {
        call.reject(error);
        continue;
      }
      const kinds = byRunner.get(runner) ?? new Map<string, Call<T>[]>();
      byRunner.set(runner, kinds);
      kinds.set(call.kind, [...(kinds.get(call.kind) ?? []), call]);
    }
    await Promise.all(
      [...byRunner].flatMap(([runner, kinds]) => [...kinds.values()].map((alike) => this.#run(runner, alike))),
    );
  }
}
