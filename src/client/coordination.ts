/** What tasks and clients coordinate themselves by, through the scheduler: Dask's Lock, Semaphore, Event, Variable, Queue. */
import { randomUUID } from "node:crypto";
import { ArgumentError, parseTimeoutMs, RemoteProtocolError, shownValue, UsageError } from "../base/index.ts";
import { type KeyValue, keyOfValue, valueOfKey } from "../graph/index.ts";
import { type CoordinationMessage, checkReply } from "../protocol/index.ts";
import { Client } from "./client.ts";
import { Future } from "./future.ts";
import type { Link } from "./link.ts";

/** Which client speaks for the object; default the current one. */
export interface OfClient {
  readonly client?: Client;
}

/** How long to wait, e.g. "5s" or seconds; default without limit. */
export interface Waiting {
  readonly timeout?: string | number;
}

/** Dask's `distributed.scheduler.locks.lease-timeout`; leases are refreshed five times as often. */
const LEASE_SECONDS = 30;

class Named {
  readonly name: string;
  readonly #client: Client;

  constructor(kind: string, name: string | undefined, { client = Client.current() }: OfClient) {
    if (!client) throw new UsageError("no-client", `${kind}: connect a Client first, or give one in the options`);
    this.name = name ?? `${kind}-${randomUUID().replaceAll("-", "")}`;
    this.#client = client;
  }

  protected get link(): Link {
    return this.#client.link;
  }

  protected async ask(op: string, fields: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.link.assertOpen();
    using _held = this.link.hold();
    const request = { op, name: this.name, ...fields };
    // The scheduler itself ends the wait.
    const answer = await this.link.rpc.call(this.link.address, request, { timeoutMs: Number.POSITIVE_INFINITY });
    checkReply(answer);
    return answer;
  }

  protected tell(message: CoordinationMessage): void {
    this.link.send(message);
  }
}

/** Seconds, as the wire has them; null: no limit. */
function seconds({ timeout }: Waiting): number | null {
  return timeout === undefined ? null : parseTimeoutMs(timeout) / 1000;
}

/** A flag that many wait for. dask `Event`. */
export class Event extends Named {
  constructor(name?: string, options: OfClient = {}) {
    super("event", name, options);
  }

  /** Resolves when the event is set, true; or false after `timeout`. */
  async wait(options: Waiting = {}): Promise<boolean> {
    return (await this.ask("event_wait", { timeout: seconds(options) })) === true;
  }

  async set(): Promise<void> {
    await this.ask("event_set");
  }

  async clear(): Promise<void> {
    await this.ask("event_clear");
  }

  async isSet(): Promise<boolean> {
    return (await this.ask("event_is_set")) === true;
  }
}

/**
 * At most `maxLeases` holders at a time. A holder that is gone loses its leases after half a minute. dask `Semaphore`.
 * @throws {RemoteError} the name is known with another `maxLeases`
 */
export class Semaphore extends Named {
  readonly maxLeases: number;
  readonly #leases: string[] = [];
  #registered: Promise<unknown> | null = null;
  #refresh: NodeJS.Timeout | undefined;

  constructor(maxLeases = 1, name?: string, options: OfClient = {}) {
    if (!Number.isInteger(maxLeases) || maxLeases < 1)
      throw new ArgumentError(`a semaphore of ${shownValue(maxLeases)} leases: expected a whole number above 0`);
    super(maxLeases === 1 ? "lock" : "semaphore", name, options);
    this.maxLeases = maxLeases;
  }

  /** Take a lease: true, or false when none was free within `timeout`. */
  async acquire(options: Waiting = {}): Promise<boolean> {
    await this.#register();
    const lease = randomUUID().replaceAll("-", "");
    const got = (await this.ask("semaphore_acquire", { timeout: seconds(options), lease_id: lease })) === true;
    if (got) {
      this.#leases.push(lease);
      this.#refresh ??= setInterval(() => void this.#renew(), (LEASE_SECONDS / 5) * 1000).unref();
    }
    return got;
  }

  /** Give the oldest lease back. @throws {UsageError} code `not-held`: there is none */
  async release(): Promise<void> {
    const lease = this.#leases.shift();
    if (lease === undefined)
      throw new UsageError("not-held", `${this.name} is released, and this object holds no lease`);
    if (this.#leases.length === 0) this.#stop();
    await this.ask("semaphore_release", { lease_id: lease });
  }

  /** A lease for as long as the answer is not disposed of: `await using _lease = await lock.hold()`. @throws {UsageError} code `timeout` */
  async hold(options: Waiting = {}): Promise<AsyncDisposable> {
    if (!(await this.acquire(options)))
      throw new UsageError("timeout", `no lease of ${this.name} was free within ${options.timeout}`);
    return { [Symbol.asyncDispose]: () => this.release() };
  }

  /** Leases that are out, whoever has them. */
  async getValue(): Promise<number> {
    await this.#register();
    return Number(await this.ask("semaphore_value"));
  }

  /** Forget the semaphore, whoever holds a lease. */
  async close(): Promise<void> {
    this.#stop();
    this.#leases.splice(0);
    this.#registered = null;
    await this.ask("semaphore_close");
  }

  #register(): Promise<unknown> {
    this.#registered ??= this.ask("semaphore_register", {
      max_leases: this.maxLeases,
      lease_timeout: LEASE_SECONDS,
    });
    return this.#registered;
  }

  /** A scheduler that does not answer ends the leases by itself; the next call tells why. */
  async #renew(): Promise<void> {
    await this.ask("semaphore_refresh_leases", { lease_ids: [...this.#leases] }).catch(() => this.#stop());
  }

  #stop(): void {
    clearInterval(this.#refresh);
    this.#refresh = undefined;
  }
}

/** One holder at a time. dask `Lock`. */
export class Lock extends Semaphore {
  constructor(name?: string, options: OfClient = {}) {
    super(1, name, options);
  }

  /** True while somebody holds it. */
  async locked(): Promise<boolean> {
    return (await this.getValue()) >= 1;
  }
}

/** What a record of the scheduler stands for. */
function readValue(
  record: unknown,
  link: Link,
): { readonly value: unknown; readonly future: Future | null; readonly token: string } {
  if (!(record instanceof Map)) throw new RemoteProtocolError("the scheduler answered no record of a value");
  const token = String(record.get("token") ?? "");
  if (record.get("type") !== "Future") return { value: record.get("value"), future: null, token };
  const future = new Future(link, keyOfValue(record.get("value") as KeyValue)); // a key by the record's type
  return { value: future, future, token };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return value instanceof Future ? { key: valueOfKey(value.key) } : { data: value };
}

/** One plain value or future that clients share. dask `Variable`. */
export class Variable<T = unknown> extends Named {
  constructor(name?: string, options: OfClient = {}) {
    super("variable", name, options);
  }

  /** Set it to a plain value (numbers, texts, lists, maps) or a future, which stays alive by it. */
  async set(value: T): Promise<void> {
    await this.ask("variable_set", { ...fieldsOf(value), timeout: 30 });
  }

  /** The value, once it is set. @throws {RemoteError} not set within `timeout` */
  async get(options: Waiting = {}): Promise<T> {
    const { value, future, token } = readValue(
      await this.ask("variable_get", { timeout: seconds(options), client: this.link.id }),
      this.link,
    );
    if (future) this.tell({ op: "variable-future-received-confirm", name: this.name, key: future.key, token });
    return value as T; // what was set
  }

  /** Forget it, for all. */
  delete(): void {
    this.tell({ op: "variable_delete", name: this.name });
  }
}

/** Plain values and futures from clients to clients, first in first out. dask `Queue`. */
export class Queue<T = unknown> extends Named implements Disposable {
  readonly maxsize: number;
  readonly #created: Promise<unknown>;

  /** `maxsize` 0: no limit. */
  constructor(name?: string, options: OfClient & { readonly maxsize?: number } = {}) {
    super("queue", name, options);
    this.maxsize = options.maxsize ?? 0;
    this.#created = this.ask("queue_create", { maxsize: this.maxsize, client: this.link.id });
    this.#created.catch(() => undefined); // told by whatever is called next
  }

  /** Resolves when there is room. @throws {RemoteError} there was none within `timeout` */
  async put(value: T, options: Waiting = {}): Promise<void> {
    await this.#created;
    await this.ask("queue_put", { ...fieldsOf(value), timeout: seconds(options) });
  }

  /** The oldest value, once there is one. @throws {RemoteError} none came within `timeout` */
  async get(options: Waiting = {}): Promise<T> {
    await this.#created;
    return this.#taken(await this.ask("queue_get", { timeout: seconds(options), batch: false }));
  }

  /** So many values; all that are there, perhaps none, without a number. */
  async getBatch(count?: number): Promise<T[]> {
    await this.#created;
    const records = await this.ask("queue_get", { timeout: null, batch: count ?? true });
    return Array.isArray(records) ? records.map((record) => this.#taken(record)) : [];
  }

  async qsize(): Promise<number> {
    await this.#created;
    return Number(await this.ask("queue_qsize"));
  }

  /** This client is done with the queue; the last one's close empties it. */
  close(): void {
    this.tell({ op: "queue_release", name: this.name });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #taken(record: unknown): T {
    const { value, future } = readValue(record, this.link);
    if (future) this.tell({ op: "queue-future-release", name: this.name, key: future.key });
    return value as T; // what was put
  }
}
