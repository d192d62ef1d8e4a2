/** Queues of values and futures by name, shared by clients (Dask's `QueueExtension`). */
import { ArgumentError, ClusterError, NotFoundError } from "../../base/index.ts";
import type { Comm, Handlers } from "../../comm/index.ts";
import type { Key } from "../../graph/index.ts";
import type { Hub } from "../hub.ts";
import { holderOf } from "../own-clients.ts";
import { type Held, Keeper } from "./records.ts";
import { nameIn, secondsOf, Waiters } from "./waiters.ts";

interface Queue {
  /** Most values; 0: no limit. */
  readonly max: number;
  readonly items: Held[];
  users: number;
  readonly getters: Waiters<Held>;
  readonly putters: Waiters<true>;
}

/** The queues and the handlers over them. */
export class Queues {
  readonly #queues = new Map<string, Queue>();
  readonly #keeper: Keeper;

  constructor(hub: Hub) {
    this.#keeper = new Keeper(hub);
  }

  handlers(): Handlers {
    return {
      queue_create: (request) => {
        const max = request.get("maxsize") ?? 0;
        if (typeof max !== "number" || !(max >= 0))
          throw new ArgumentError(`maxsize ${String(max)}: expected a number of 0 or more`);
        const known = this.#queues.get(nameIn(request));
        if (known) known.users++;
        else
          this.#queues.set(nameIn(request), {
            max,
            items: [],
            users: 1,
            getters: new Waiters(),
            putters: new Waiters(),
          });
        return null;
      },
      queue_put: (request, comm) => this.#put(request, comm),
      queue_get: (request, comm) => this.#get(request, comm),
      queue_qsize: (request) => this.#find(request).items.length,
    };
  }

  /** A client is done with the queue; with the last one it ends, and lets its keys go. */
  release(name: unknown): void {
    const text = JSON.stringify(name);
    const queue = this.#queues.get(text);
    if (!queue || --queue.users > 0) return;
    this.#queues.delete(text);
    for (const waiters of [queue.getters, queue.putters]) waiters.end(unknown(text));
    for (const item of queue.items) if (item.type === "Future") this.#keeper.drop(item.key, holderOf("queue", text));
  }

  /** A client has taken the key of a future that it got. */
  taken(name: unknown, key: Key, by: string): void {
    this.#keeper.handOver(key, by);
    this.#keeper.drop(key, holderOf("queue", JSON.stringify(name)));
  }

  #find(request: ReadonlyMap<unknown, unknown>): Queue {
    const found = this.#queues.get(nameIn(request));
    if (!found) throw unknown(nameIn(request));
    return found;
  }

  async #put(request: ReadonlyMap<unknown, unknown>, comm: Comm): Promise<null> {
    const queue = this.#find(request);
    const name = nameIn(request);
    const held = await this.#keeper.hold(request, holderOf("queue", name));
    try {
      if (this.#queues.get(name) !== queue) throw unknown(name);
      while (queue.max > 0 && queue.items.length >= queue.max)
        if ((await queue.putters.wait(secondsOf(request), comm)) === null)
          throw new ClusterError("timeout", `queue ${name} stayed full for ${secondsOf(request)} s`);
    } catch (error) {
      if (held.type === "Future") this.#keeper.drop(held.key, holderOf("queue", name));
      throw error;
    }
    if (!queue.getters.give(held)) queue.items.push(held);
    return null;
  }

  async #get(request: ReadonlyMap<unknown, unknown>, comm: Comm): Promise<unknown> {
    const queue = this.#find(request);
    const batch = request.get("batch");
    const seconds = secondsOf(request);
    if (batch === true) {
      const all = queue.items.splice(0);
      for (let k = 0; k < all.length; k++) queue.putters.give(true);
      return all.map((held) => this.#keeper.record(held));
    }
    const next = (): Promise<Held> => take(queue, { seconds, name: nameIn(request), comm });
    if (typeof batch !== "number") return this.#keeper.record(await next());
    if (seconds !== null) throw new ArgumentError("queue_get takes a number of values or a timeout, not both");
    const taken: Held[] = [];
    try {
      while (taken.length < batch) taken.push(await next());
    } catch (error) {
      // Nobody gets them: others who wait do, in order, and the rest goes back.
      while (taken.length > 0 && queue.getters.give(taken[0] as Held)) taken.shift();
      queue.items.unshift(...taken);
      throw error;
    }
    return taken.map((held) => this.#keeper.record(held));
  }
}

function unknown(name: string): Error {
  return new NotFoundError(`no queue ${name}`);
}

async function take(
  queue: Queue,
  { seconds, name, comm }: { readonly seconds: number | null; readonly name: string; readonly comm: Comm },
): Promise<Held> {
  const held = queue.items.shift() ?? (await queue.getters.wait(seconds, comm));
  if (held === null) throw new ClusterError("timeout", `queue ${name} stayed empty for ${seconds} s`);
  queue.putters.give(true);
  return held;
}
