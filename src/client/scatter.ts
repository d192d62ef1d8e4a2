/** Placing values on the cluster. */
import { randomUUID } from "node:crypto";
import { ArgumentError, isRsdatError, parseTimeoutMs, shownKind } from "../base/index.ts";
import { argumentIdentity, type Key, keyOfValue, tokenize } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { SCATTER, type Serialized, serialize } from "../protocol/index.ts";
import { Future } from "./future.ts";
import type { Link } from "./link.ts";

/** Options of `scatter`. */
export interface ScatterOptions {
  /** Addresses, names or hosts of workers. */
  readonly workers?: string | readonly string[];
  /** True: on every worker; a number: on so many. */
  readonly broadcast?: boolean | number;
  /** False: a key of its own for each, although the same value was placed before. Default true. */
  readonly hash?: boolean;
  /** Time to wait for a worker, e.g. "30s" or seconds. Default 30 s. */
  readonly timeout?: string | number;
}

/** What `scatter` gives: one future for a value, a list for a list, an object for an object of values. */
export type Scattered<T> = T extends NDArray | Uint8Array
  ? Future<T>
  : T extends readonly (infer E)[]
    ? Future<E>[]
    : T extends Readonly<Record<string, unknown>>
      ? { [N in keyof T]: Future<T[N]> }
      : Future<T>;

const WAIT_MS = 30_000;
/** Values of one message; more take several. */
const VALUES_MAX = 10_000;

/** As `Client.scatter`. */
export async function scatterValues<T>(link: Link, value: T, options: ScatterOptions = {}): Promise<Scattered<T>> {
  const { broadcast = false } = options;
  if (typeof broadcast === "number" && !(Number.isInteger(broadcast) && broadcast >= 1))
    throw new ArgumentError(`broadcast ${broadcast}: expected true, false, or a number of workers`);
  const futures = async (given: readonly (readonly [Key, unknown])[]): Promise<Future[]> => {
    const made = given.map(([key]) => new Future(link, key));
    for (let at = 0; at < given.length; at += VALUES_MAX)
      await place(link, new Map(given.slice(at, at + VALUES_MAX)), options);
    return made;
  };
  const keyOf = (item: unknown): Key =>
    keyOfValue(`${kindOf(item)}-${options.hash === false ? randomUUID() : tokenOf(item)}`);
  if (Array.isArray(value)) return (await futures(value.map((item) => [keyOf(item), item]))) as Scattered<T>;
  if (isObject(value)) {
    const names = Object.keys(value);
    const made = await futures(names.map((name) => [keyOfValue(name), value[name]]));
    return Object.fromEntries(names.map((name, i) => [name, made[i]])) as Scattered<T>; // one per name
  }
  return (await futures([[keyOf(value), value]]))[0] as Scattered<T>; // one for one
}

async function place(link: Link, values: ReadonlyMap<Key, unknown>, options: ScatterOptions): Promise<void> {
  const data = new Map<Key, Serialized>(Array.from(values, ([key, value]) => [key, written(value)]));
  const waitMs = options.timeout === undefined ? WAIT_MS : parseTimeoutMs(options.timeout);
  const request = SCATTER.ask({
    data,
    workers: options.workers === undefined ? null : [options.workers].flat(),
    client: link.id,
    broadcast: options.broadcast ?? false,
    timeout: waitMs / 1000,
  });
  SCATTER.parseAnswer(await link.rpc.call(link.address, request, { timeoutMs: waitMs + 600_000 }));
  const keys = Array.from(values.keys());
  link.send({ op: "client-desires-keys", keys, client: link.id });
  for (const key of keys) link.scattered(link.watch(key));
}

function written(value: unknown): Serialized {
  try {
    return serialize(value);
  } catch (cause) {
    if (!isRsdatError(cause, "local-protocol")) throw cause;
    throw new ArgumentError(
      `scatter: ${shownKind(value)} cannot be sent: ${cause.message}; give numbers, texts, arrays, lists, objects, Maps or Sets of these`,
      { cause },
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function kindOf(value: unknown): string {
  return value instanceof NDArray ? "ndarray" : value === null ? "null" : typeof value;
}

function tokenOf(value: unknown): string {
  return tokenize(argumentIdentity([value], () => null));
}
