/** What queues and variables hold: plain values, or keys of results that they keep alive. */
import { ClusterError } from "../../base/index.ts";
import { type Key, valueOfKey } from "../../graph/index.ts";
import { KEY } from "../../protocol/index.ts";
import type { Hub } from "../hub.ts";

/** One value, as it came. */
export type Held =
  | { readonly type: "Future"; readonly key: Key }
  | { readonly type: "msgpack"; readonly value: unknown };

/** How often, and how long at most, an unknown key is asked for again: its submission may be on its way. */
const ASK_MS = 10;
const ASK_MAX_MS = 30_000;

/** Values in the name of which keys are wanted. */
export class Keeper {
  readonly #hub: Hub;
  /** Values that hold a key, by key, by client name. */
  readonly #counts = new Map<string, Map<Key, number>>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** The value of a `put` or `set` request; a key is wanted from now on. @throws {ClusterError} code `timeout`: nobody knows the key */
  async hold(request: ReadonlyMap<unknown, unknown>, client: string): Promise<Held> {
    const raw = request.get("key");
    if (raw === undefined || raw === null) return { type: "msgpack", value: request.get("data") };
    const key = KEY.read(raw, "key");
    await this.#known(key);
    this.keep(key, client);
    return { type: "Future", key };
  }

  /** One value more holds the key. */
  keep(key: Key, client: string): void {
    const counts = this.#counts.get(client) ?? new Map<Key, number>();
    this.#counts.set(client, counts.set(key, (counts.get(key) ?? 0) + 1));
    this.#hub.feed({ type: "client-joined", client });
    this.#hub.feed({ type: "client-desires-keys", client, keys: [key] });
  }

  /** One value less holds the key; a name that holds none is no client any more, for there is no end of names. */
  drop(key: Key, client: string): void {
    const counts = this.#counts.get(client);
    const left = (counts?.get(key) ?? 0) - 1;
    if (!counts || left < 0) return;
    counts.set(key, left);
    if (left > 0) return;
    counts.delete(key);
    this.#hub.feed({ type: "client-releases-keys", client, keys: [key] });
    if (counts.size > 0) return;
    this.#counts.delete(client);
    this.#hub.feed({ type: "client-left", client });
  }

  /** The client has the key itself now. */
  handOver(key: Key, to: string): void {
    this.#hub.feed({ type: "client-desires-keys", client: to, keys: [key] });
  }

  /** As the asking client gets it, with the state of the task. */
  record(held: Held): Record<string, unknown> {
    if (held.type === "msgpack") return { type: held.type, value: held.value };
    const { views } = this.#hub.machine;
    const state = views.stateOf(held.key);
    const failure = views.failureOf(held.key);
    return {
      type: held.type,
      value: valueOfKey(held.key),
      state: state === "forgotten" ? "lost" : state,
      ...(failure ? { exception: failure.exception, traceback: failure.traceback } : {}),
    };
  }

  async #known(key: Key): Promise<void> {
    for (let waited = 0; this.#hub.machine.views.stateOf(key) === "forgotten"; waited += ASK_MS) {
      if (waited >= ASK_MAX_MS) throw new ClusterError("timeout", `Task ${key} unknown to scheduler.`);
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }
}
