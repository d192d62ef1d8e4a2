/** Lazy objects as a client sees them: something that computes, and something that persists. */
import { ArgumentError, shownValue } from "../base/index.ts";
import type { RunOptions } from "../graph/index.ts";

/** Options of a client's `compute` and `persist`; as those of the lazy objects themselves. */
export interface LazyOptions extends Omit<RunOptions, "memoryBytes"> {
  /** Bytes of blocks that one worker may hold for this plan, e.g. `"4GiB"`; default the workers' limit. */
  readonly memory?: string | number;
  /** False: a graph of its own, although other calls are made in the same tick. */
  readonly merge?: boolean;
}

/** Anything lazy that gives a value. */
export interface Runnable {
  compute(options?: LazyOptions): Promise<unknown>;
}

/** Anything lazy whose blocks can stay on the cluster. */
export interface Keepable {
  persist(options?: LazyOptions): Promise<unknown>;
}

/** What computing one lazy object, or each of a list, gives. */
export type ComputedOf<T> = T extends Runnable
  ? Awaited<ReturnType<T["compute"]>>
  : { -readonly [K in keyof T]: T[K] extends Runnable ? Awaited<ReturnType<T[K]["compute"]>> : never };

/** What persisting one lazy object, or each of a list, gives. */
export type PersistedOf<T> = T extends Keepable
  ? Awaited<ReturnType<T["persist"]>>
  : { -readonly [K in keyof T]: T[K] extends Keepable ? Awaited<ReturnType<T[K]["persist"]>> : never };

/**
 * Do it with one, or with each of a list in one tick, so that they become one graph.
 * @throws {ArgumentError} one that has no method `name`
 */
export async function each<T>(
  lazy: T | readonly T[],
  name: "compute" | "persist",
  run: (item: T) => Promise<unknown>,
): Promise<unknown> {
  const items = Array.isArray(lazy) ? (lazy as readonly T[]) : [lazy as T]; // the one or the other
  for (const item of items)
    if (typeof (item as Partial<Record<typeof name, unknown>> | null | undefined)?.[name] !== "function")
      throw new ArgumentError(`${name} of ${shownValue(item)}: expected something lazy that has it`);
  const done = await Promise.all(items.map(run));
  return Array.isArray(lazy) ? done : done[0];
}
