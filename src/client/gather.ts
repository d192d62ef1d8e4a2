/** Values of futures in whatever form they are given. */
import { ArgumentError } from "../base/index.ts";
import type { Key } from "../graph/index.ts";
import { fetchValues, valuesOf } from "./fetch.ts";
import { Future } from "./future.ts";
import { futuresOf } from "./futures-of.ts";
import type { Link } from "./link.ts";

/** Options of `gather`. */
export interface GatherOptions {
  /** `skip` leaves failed and cancelled futures out of lists and sets, and gives null for them elsewhere. Default `raise`. */
  readonly errors?: "raise" | "skip";
}

/** The values of futures, in the form in which they were given. */
export type Gathered<T> =
  T extends Future<infer V>
    ? V
    : T extends readonly unknown[]
      ? { -readonly [K in keyof T]: Gathered<T[K]> }
      : T extends ReadonlyMap<infer K, infer V>
        ? Map<K, Gathered<V>>
        : T extends ReadonlySet<infer V>
          ? Set<Gathered<V>>
          : T extends Readonly<Record<string, unknown>>
            ? { -readonly [K in keyof T]: Gathered<T[K]> }
            : T;

/** As `Client.gather`. */
export async function gatherAll<T>(link: Link, items: T, errors: "raise" | "skip"): Promise<Gathered<T>> {
  if (errors !== "raise" && errors !== "skip")
    throw new ArgumentError(`errors ${String(errors)}: expected raise or skip`);
  const flat = Array.isArray(items) ? onlyFutures(items) : null;
  const futures = flat ?? futuresOf(items);
  for (const future of futures) future.assertHeld();
  if (errors === "skip") await Promise.all(futures.map((future) => future.wait()));
  const wanted = errors === "skip" ? futures.filter((future) => future.status === "finished") : futures;
  // The same form.
  if (flat && errors === "raise")
    return (await valuesOf(
      link,
      flat.map(({ watch }) => watch),
    )) as Gathered<T>;
  const values = await fetchValues(link, Array.from(new Set(wanted.map((future) => future.key))));
  return valuesIn(items, values) as Gathered<T>; // the same form
}

/** A list of futures, if it is one. */
function onlyFutures(items: readonly unknown[]): readonly Future[] | null {
  for (const item of items) if (!(item instanceof Future)) return null;
  return items as readonly Future[]; // looked at just now
}

function valuesIn(item: unknown, values: ReadonlyMap<Key, unknown>): unknown {
  if (item instanceof Future) return values.get(item.key) ?? null;
  if (Array.isArray(item)) {
    const left = item.filter((each) => !(each instanceof Future) || values.has(each.key));
    return left.map((each) => valuesIn(each, values));
  }
  if (item instanceof Set) return new Set(valuesIn(Array.from(item), values) as unknown[]); // a list for a list
  if (item instanceof Map) return new Map(Array.from(item, ([name, each]) => [name, valuesIn(each, values)]));
  if (item !== null && typeof item === "object" && Object.getPrototypeOf(item) === Object.prototype)
    return Object.fromEntries(Object.entries(item).map(([name, each]) => [name, valuesIn(each, values)]));
  return item;
}
