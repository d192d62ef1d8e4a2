/**
 * A scheduler that was started again from its journal: workers that come back are waited for, then everything that is
 * remembered is done again, then what the workers hold is taken in. Until then nobody is served.
 */
import { isRsdatError, RemoteProtocolError } from "../base/index.ts";
import type { Key } from "../graph/index.ts";
import { type ClientToScheduler, KEY } from "../protocol/index.ts";
import type { ConnectedClient, Hub } from "./hub.ts";
import type { Journal, JournalEntry } from "./journal.ts";
import type { ClientId, WorkerAddress } from "./state/index.ts";

/** Bytes of what a worker holds, by key. */
export type Inventory = ReadonlyMap<Key, number>;

/** How long is waited for whom. */
export interface RestoreOptions {
  /** Workers of the former life; when all of them are back, nobody waits any longer. */
  readonly workersMs: number;
  /** Clients whose connection broke; after that what they wanted is given up. */
  readonly clientsMs: number;
  /** Do what a client's message says; resolves when it is done. */
  readonly act: (client: ClientId, message: ClientToScheduler) => Promise<void>;
}

interface Arrival {
  readonly worker: WorkerAddress;
  readonly inventory: Inventory;
  readonly connect: () => void;
}

/** The two lives of a scheduler with a journal: gathering, then serving. */
export class Restoration {
  readonly #hub: Hub;
  readonly #journal: Journal;
  readonly #options: RestoreOptions;
  readonly #entries: readonly JournalEntry[];
  readonly #expected: ReadonlySet<WorkerAddress>;
  readonly #arrivals = new Map<WorkerAddress, Arrival>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #absent = new Map<ClientId, NodeJS.Timeout>();
  readonly #foreign = new Map<ClientId, Set<Key>>();
  #isGathering = true;

  constructor(hub: Hub, journal: Journal, options: RestoreOptions) {
    this.#hub = hub;
    this.#journal = journal;
    this.#options = options;
    this.#entries = [...journal.entries()];
    this.#expected = workersIn(this.#entries);
    journal.isPaused = true;
  }

  /** Something happened that a next life must know. */
  note(entry: JournalEntry): void {
    this.#journal.note(entry);
  }

  /** A message of a client came, and will be obeyed. */
  hear(client: ConnectedClient, message: ClientToScheduler): void {
    this.#journal.hear(client.id, client.isNative, message);
    if (this.#journal.isLarge) this.#compact();
  }

  /** Resolves when clients may be served. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Begin to wait; where nothing is remembered there is nothing to wait for. */
  async start(): Promise<void> {
    const isEmpty = !this.#entries.some(({ kind }) => kind === "message" || kind === "placed");
    if (isEmpty || this.#expected.size === 0) return this.#restore();
    this.#hub.logger.info(`journal: waiting for ${this.#expected.size} workers, ${this.#options.workersMs} ms at most`);
    this.#after(this.#options.workersMs, () => void this.#restore());
  }

  /** A worker has introduced itself. Resolves once it is connected, by its turn among those that come back. */
  async gather(worker: WorkerAddress, inventory: Inventory, connect: () => void): Promise<void> {
    if (!this.#isGathering) {
      connect();
      // The same life: a key that a user chose may mean something else by now; one that a layer made cannot.
      const made = Array.from(inventory).filter(([key]) => key.startsWith("\0["));
      if (inventory.size > 0) this.#takeIn(worker, new Map(made), inventory);
      return;
    }
    this.#arrivals.set(worker, { worker, inventory, connect });
    if (
      this.#arrivals.size >= this.#expected.size &&
      Array.from(this.#expected).every((each) => this.#arrivals.has(each))
    )
      await this.#restore();
    await this.ready;
  }

  /** The connection of an rsdat client broke: it may come back. */
  clientLost(client: ClientId): void {
    if (this.#hub.clients.has(client)) return; // it is back already
    clearTimeout(this.#absent.get(client));
    const timer = this.#after(this.#options.clientsMs, () => {
      this.#absent.delete(client);
      this.#journal.note({ kind: "left", client });
      this.#hub.feed({ type: "client-left", client });
    });
    this.#absent.set(client, timer);
  }

  /** A client is here (again): keys that it had wanted of a former life, and that are lost to it. */
  clientJoined(client: ClientId): readonly Key[] {
    const timer = this.#absent.get(client);
    clearTimeout(timer);
    this.#absent.delete(client);
    const lost = [...(this.#foreign.get(client) ?? [])];
    this.#foreign.delete(client);
    return lost;
  }

  dispose(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#journal.close();
    this.#isGathering = false;
    this.#ready.resolve();
  }

  async #restore(): Promise<void> {
    if (!this.#isGathering) return;
    this.#isGathering = false;
    for (const { connect } of this.#arrivals.values()) connect();
    const clients = new Set<ClientId>();
    for (const entry of this.#entries) await this.#again(entry, clients);
    for (const { worker, inventory } of this.#arrivals.values()) this.#takeIn(worker, inventory, inventory);
    for (const client of clients) this.clientLost(client);
    this.#journal.isPaused = false;
    this.#compact();
    if (this.#entries.length > 0)
      this.#hub.logger.info(
        `journal: ${this.#entries.length} records, ${this.#arrivals.size} of ${this.#expected.size} workers are back`,
      );
    this.#ready.resolve();
  }

  #compact(): void {
    const { views } = this.#hub.machine;
    const workers = Array.from(this.#hub.workers.values()).filter(({ isPython }) => !isPython);
    this.#journal.compact(
      (key) => views.stateOf(key) !== "forgotten",
      workers.map(({ address }) => address),
    );
  }

  /** Do one remembered thing again. */
  async #again(entry: JournalEntry, clients: Set<ClientId>): Promise<void> {
    switch (entry.kind) {
      case "message":
        clients.add(entry.client);
        this.#hub.feed({ type: "client-joined", client: entry.client });
        return this.#act(entry.client, entry.message);
      case "placed":
        return this.#place(entry, clients);
      case "foreign": {
        const keys = this.#foreign.get(entry.client) ?? new Set();
        for (const key of entry.keys) keys.add(key);
        this.#foreign.set(entry.client, keys);
        return;
      }
      case "forgone":
        for (const key of entry.keys) this.#foreign.get(entry.client)?.delete(key);
        return;
      case "left":
        clients.delete(entry.client);
        this.#foreign.delete(entry.client);
        return this.#hub.feed({ type: "client-left", client: entry.client });
      case "restart":
        clients.clear();
        this.#foreign.clear();
        return this.#hub.feed({ type: "restart" });
      case "joined":
      case "gone":
        return;
    }
  }

  /** What a client asked for and nobody can do was refused in the former life too. */
  async #act(client: ClientId, message: ClientToScheduler): Promise<void> {
    try {
      await this.#options.act(client, message);
    } catch (error) {
      if (!isRsdatError(error) || error.code === "invariant") throw error;
      this.#hub.logger.warning(`journal: ${message.op} of ${client} is passed over: ${error.message}`);
    }
  }

  /** Data of a client, where workers that came back still have it. */
  #place({ client, keys }: Extract<JournalEntry, { kind: "placed" }>, clients: Set<ClientId>): void {
    if (client !== null) {
      clients.add(client);
      this.#hub.feed({ type: "client-joined", client });
    }
    const whoHas = new Map<Key, WorkerAddress[]>();
    const nbytes = new Map<Key, number>();
    for (const key of keys) {
      for (const { worker, inventory } of this.#arrivals.values()) {
        const bytes = inventory.get(key);
        if (bytes === undefined) continue;
        nbytes.set(key, bytes);
        whoHas.set(key, [...(whoHas.get(key) ?? []), worker]);
      }
    }
    this.#hub.feed({ type: "data-placed", client, whoHas, nbytes });
  }

  /** What a worker brought; it is told to drop what is of no use. */
  #takeIn(worker: WorkerAddress, useful: Inventory, all: Inventory): void {
    this.#hub.feed({
      type: "data-placed",
      client: null,
      whoHas: new Map(Array.from(useful.keys(), (key) => [key, [worker]])),
      nbytes: useful,
    });
    const dropped = Array.from(all.keys()).filter((key) => !useful.has(key));
    if (dropped.length > 0)
      this.#hub.workers.get(worker)?.stream.send({ op: "free-keys", keys: dropped, stimulusId: "inventory" });
  }

  #after(ms: number, run: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms).unref();
    this.#timers.add(timer);
    return timer;
  }
}

/** What a worker says it holds: pairs of key and bytes. @throws {RemoteProtocolError} something else */
export function readInventory(value: unknown): Inventory {
  if (value === undefined) return new Map();
  if (!Array.isArray(value)) throw new RemoteProtocolError("register-worker.extra.inventory: expected an array");
  return new Map(
    value.map((pair: unknown) => {
      const [key, nbytes] = Array.isArray(pair) ? pair : [];
      if (typeof nbytes !== "number" || !(nbytes >= 0 && nbytes <= Number.MAX_SAFE_INTEGER))
        throw new RemoteProtocolError("register-worker.extra.inventory: expected pairs of key and bytes");
      return [KEY.read(key, "register-worker.extra.inventory"), nbytes] as const;
    }),
  );
}

function workersIn(entries: readonly JournalEntry[]): Set<WorkerAddress> {
  const workers = new Set<WorkerAddress>();
  for (const entry of entries) {
    if (entry.kind === "joined") workers.add(entry.worker);
    else if (entry.kind === "gone") workers.delete(entry.worker);
  }
  return workers;
}
