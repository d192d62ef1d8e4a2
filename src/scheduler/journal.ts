/**
 * What a scheduler must remember to be started again: what its clients submitted, wanted and let go, and who worked for it.
 * Not what was finished: results are at the workers, which say themselves what they hold when they come back.
 */
import { formatBytes, type Logger, RemoteProtocolError, WriteError } from "../base/index.ts";
import { type Key, valueOfKey } from "../graph/index.ts";
import {
  blockKeys,
  CLIENT_TO_SCHEDULER,
  type ClientToScheduler,
  decodeMessage,
  encodeFrames,
  encodeMessage,
  FrameDecoder,
  joinBytes,
  KEY,
  plainGraphTasks,
  wantedKeys,
} from "../protocol/index.ts";
import { JournalFile, type JournalFileOptions } from "./journal-file.ts";
import type { ClientId, WorkerAddress } from "./state/index.ts";

/** One thing remembered. */
export type JournalEntry =
  /** A message of an rsdat client, as it came. */
  | { readonly kind: "message"; readonly client: ClientId; readonly message: ClientToScheduler }
  /** What a Python client wanted: it gives its futures up with the connection, and is told that they are lost. */
  | { readonly kind: "foreign" | "forgone"; readonly client: ClientId; readonly keys: readonly Key[] }
  /** Data that a client put on workers. */
  | { readonly kind: "placed"; readonly client: ClientId | null; readonly keys: readonly Key[] }
  | { readonly kind: "left"; readonly client: ClientId }
  | { readonly kind: "joined" | "gone"; readonly worker: WorkerAddress }
  /** Everything was forgotten. */
  | { readonly kind: "restart" };

/** Messages that change what is to be done. */
const REMEMBERED: ReadonlySet<string> = new Set([
  "update-graph",
  "update-layers",
  "client-desires-keys",
  "client-releases-keys",
  "client-releases-blocks",
  "client-releases-column",
  "cancel-keys",
]);

/** Those of them with which a client gives results up. */
const GIVEN_UP: ReadonlySet<string> = new Set([
  "client-releases-keys",
  "client-releases-blocks",
  "client-releases-column",
  "cancel-keys",
]);

/** Growth since it was last compacted after which it is compacted again. */
const GROWTH_BYTES_MAX = 2 ** 28;

/** The journal of one scheduler. */
export class Journal {
  readonly #file: JournalFile;
  readonly #logger: Logger;
  #compactAt = Number.POSITIVE_INFINITY;
  /** True while what is remembered is done again: that is no news. */
  isPaused = false;
  #isBroken = false;

  /**
   * @throws {ConfigError} the file is something else
   * @throws {WriteError} it cannot be written
   */
  constructor(path: string, logger: Logger, options: JournalFileOptions = {}) {
    this.#logger = logger;
    this.#file = new JournalFile(path, logger, options);
  }

  /** True when it has grown so much that `compact` is worth it. */
  get isLarge(): boolean {
    return this.#file.bytes > this.#compactAt;
  }

  /** A message of a client came, and will be obeyed. */
  hear(client: ClientId, isNative: boolean, message: ClientToScheduler): void {
    if (!REMEMBERED.has(message.op)) return;
    const isOurs = isNative && (message.op !== "update-graph" || plainGraphTasks(message.exprSer) !== null);
    if (isOurs) this.note({ kind: "message", client, message });
    else if ("keys" in message && Array.isArray(message.keys))
      this.note({ kind: GIVEN_UP.has(message.op) ? "forgone" : "foreign", client, keys: message.keys });
  }

  /** Remember. A journal that cannot be written any more is given up, with an error in the log: work goes on. */
  note(entry: JournalEntry): void {
    if (this.#isBroken || this.isPaused) return;
    try {
      const record = encodeEntry(entry);
      if (record.byteLength > this.#file.recordBytesMax) return this.#tooLong(entry, record.byteLength);
      this.#file.append(record);
    } catch (error) {
      if (!(error instanceof WriteError)) throw error;
      this.#isBroken = true;
      this.#logger.error(`${error.message}; from now on nothing is remembered, and a restart would lose what runs`);
    }
  }

  /** One that could not be read again, and would take with it what comes later. */
  #tooLong(entry: JournalEntry, nbytes: number): void {
    const what = entry.kind === "message" ? entry.message.op : entry.kind;
    const whose = "client" in entry ? entry.client : "the scheduler";
    this.#logger.error(
      `journal ${this.#file.path}: ${what} of ${whose} has ${formatBytes(nbytes)}, a record at most ${formatBytes(this.#file.recordBytesMax)}; it is not remembered, and after a restart only its client can say it again`,
    );
  }

  /** Everything remembered, oldest first. Entries that this version cannot read are passed over, with a warning. */
  *entries(): Generator<JournalEntry> {
    for (const payload of this.#file.records()) {
      const entry = this.#read(payload);
      if (entry) yield entry;
    }
  }

  /**
   * Keep only what still matters.
   *
   * @param isKnown whether the machine knows a task
   * @param workers those that are here
   */
  compact(isKnown: (key: Key) => boolean, workers: Iterable<WorkerAddress>): void {
    if (this.#isBroken) return;
    const before = this.#file.bytes;
    try {
      this.#file.replace(this.#kept(isKnown, workers));
    } catch (error) {
      if (!(error instanceof WriteError)) throw error;
      this.#logger.warning(`${error.message}; it stays as long as it is`);
    }
    this.#compactAt = this.#file.bytes + GROWTH_BYTES_MAX;
    if (this.#file.bytes < before) this.#logger.debug(`journal: ${before} bytes compacted to ${this.#file.bytes}`);
  }

  close(): void {
    this.#isBroken = true;
    this.#file.close();
  }

  *#kept(isKnown: (key: Key) => boolean, workers: Iterable<WorkerAddress>): Generator<Uint8Array> {
    const clients = new Set<ClientId | null>();
    /** Keys that stand beside known ones in what is kept, and are not known themselves: that they were let go counts too. */
    const beside = new Set<Key>();
    for (const payload of this.#file.records()) {
      const entry = this.#read(payload);
      if (entry?.kind === "restart" && clients.size > 0) yield payload; // what is kept of the time before it has ended
      if (!entry || !("client" in entry)) continue;
      const keys = keysOf(entry);
      if (entry.kind === "left" ? !clients.has(entry.client) : !keys.some((key) => isKnown(key) || beside.has(key)))
        continue;
      clients.add(entry.client);
      for (const key of keys) if (!isKnown(key)) beside.add(key);
      yield payload;
    }
    for (const worker of workers) yield encodeEntry({ kind: "joined", worker });
  }

  #read(payload: Uint8Array): JournalEntry | null {
    try {
      return decodeEntry(payload);
    } catch (error) {
      if (!(error instanceof RemoteProtocolError)) throw error;
      this.#logger.warning(`journal ${this.#file.path}: one record is not understood: ${error.message}`);
      return null;
    }
  }
}

/** Keys whose tasks an entry is about. */
function keysOf(entry: JournalEntry): readonly Key[] {
  if (entry.kind !== "message") return "keys" in entry ? entry.keys : [];
  const { message } = entry;
  if (message.op === "update-graph")
    return [...message.keys, ...(plainGraphTasks(message.exprSer) ?? []).map((task) => task.key)];
  if (message.op === "update-layers") return wantedKeys(message);
  if (message.op === "client-releases-blocks") return blockKeys(message);
  if (message.op === "client-releases-column") return message.keys.toArray();
  return "keys" in message ? message.keys : [];
}

function encodeEntry(entry: JournalEntry): Uint8Array {
  const plain =
    entry.kind === "message"
      ? { ...entry, message: CLIENT_TO_SCHEDULER.encode(entry.message) }
      : "keys" in entry
        ? { ...entry, keys: entry.keys.map(valueOfKey) }
        : entry;
  return joinBytes(encodeFrames(encodeMessage(plain).frames));
}

/** @throws {RemoteProtocolError} it is none */
function decodeEntry(payload: Uint8Array): JournalEntry {
  const decoder = new FrameDecoder();
  decoder.push(payload);
  const value = decodeMessage(decoder.next()?.frames ?? []);
  if (!(value instanceof Map)) throw new RemoteProtocolError("a journal's record is a map");
  const [kind, client, worker] = ["kind", "client", "worker"].map((name) => value.get(name));
  switch (kind) {
    case "message": {
      const message: unknown = value.get("message");
      if (typeof client !== "string" || !(message instanceof Map)) break;
      return { kind, client, message: CLIENT_TO_SCHEDULER.parse(message) };
    }
    case "foreign":
    case "forgone":
      if (typeof client === "string") return { kind, client, keys: readKeys(value) };
      break;
    case "placed":
      if (typeof client === "string" || client === null) return { kind, client, keys: readKeys(value) };
      break;
    case "left":
      if (typeof client === "string") return { kind, client };
      break;
    case "joined":
    case "gone":
      if (typeof worker === "string") return { kind, worker };
      break;
    case "restart":
      return { kind };
  }
  throw new RemoteProtocolError(`a journal's record of kind ${String(kind)} is not understood`);
}

function readKeys(entry: ReadonlyMap<unknown, unknown>): Key[] {
  const keys = entry.get("keys");
  if (!Array.isArray(keys)) throw new RemoteProtocolError("a journal's record has no keys");
  return keys.map((key) => KEY.read(key, "journal"));
}
