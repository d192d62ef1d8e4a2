/** Objects in this thread's memory: for tests and for results that need no file. */
import { ExistsError } from "../../base/index.ts";
import { snapshot, type Tally, tallyOf } from "./counters.ts";
import { checkKey, notFound, type Place, shortRead, sourceChanged, tooLarge } from "./keys.ts";
import {
  type ObjectHead,
  type ObjectVersion,
  type ReadOptions,
  type StoreAbilities,
  type StoreCounters,
  type StoredObject,
  type StoredStart,
  type SyncStore,
  sameVersion,
  type WriteOptions,
} from "./store.ts";

interface MemoryObject {
  readonly bytes: Uint8Array;
  readonly version: ObjectVersion;
}

/** Objects of each `memory:` authority of this thread; they live until deleted. */
const OBJECTS = new Map<string, Map<string, MemoryObject>>();

/** A `memory://name/prefix/` store; stores of one name share their objects within a thread. */
export class MemoryStore implements SyncStore {
  readonly url: URL;
  readonly can: StoreAbilities = { list: true, write: true, suffixRange: true, multipart: false, rename: false };
  readonly #objects: Map<string, MemoryObject>;
  readonly #prefix: string;
  readonly #tally: Tally;
  static #written = 0;

  constructor(url: URL) {
    this.url = url;
    const name = url.host;
    this.#prefix = url.pathname.replace(/^\//, "");
    this.#tally = tallyOf(`memory://${name}`);
    const found = OBJECTS.get(name) ?? new Map<string, MemoryObject>();
    OBJECTS.set(name, found);
    this.#objects = found;
  }

  readIntoSync(key: string, offset: number, into: Uint8Array, options: ReadOptions = {}): ObjectVersion {
    const at: Place = { store: this.url.href, key, offset, length: into.byteLength };
    const object = this.#objects.get(this.#full(key));
    if (!object) throw notFound(at);
    if (options.expect && !sameVersion(object.version, options.expect))
      throw sourceChanged(at, options.expect, object.version);
    const got = object.bytes.subarray(offset, offset + into.byteLength);
    if (got.byteLength !== into.byteLength) throw shortRead(at, got.byteLength);
    into.set(got);
    this.#tally.requests++;
    this.#tally.reads++;
    this.#tally.bytesRead += got.byteLength;
    return object.version;
  }

  async readInto(key: string, offset: number, into: Uint8Array, options: ReadOptions = {}): Promise<ObjectVersion> {
    options.signal?.throwIfAborted();
    return this.readIntoSync(key, offset, into, options);
  }

  readSync(key: string, options: ReadOptions & { readonly maxBytes: number }): StoredObject | null {
    const head = this.headSync(key);
    if (!head) return null;
    if (head.size > options.maxBytes) throw tooLarge({ store: this.url.href, key }, head.size, options.maxBytes);
    const bytes = new Uint8Array(head.size);
    return { bytes, version: this.readIntoSync(key, 0, bytes, options) };
  }

  async read(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredObject | null> {
    options.signal?.throwIfAborted();
    return this.readSync(key, options);
  }

  async readStart(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredStart | null> {
    const head = this.headSync(key);
    if (!head) return null;
    const bytes = new Uint8Array(Math.min(head.size, options.maxBytes));
    return { bytes, size: head.size, version: await this.readInto(key, 0, bytes, options) };
  }

  headSync(key: string): ObjectHead | null {
    const object = this.#objects.get(this.#full(key));
    return object ? { size: object.bytes.byteLength, version: object.version } : null;
  }

  async head(key: string): Promise<ObjectHead | null> {
    return this.headSync(key);
  }

  writeSync(key: string, parts: readonly Uint8Array[], options: WriteOptions = {}): ObjectVersion {
    const full = this.#full(key);
    if (options.ifAbsent && this.#objects.has(full))
      throw new ExistsError(`${this.url.href}${key} exists already`, { details: { key } });
    const bytes = new Uint8Array(parts.reduce((sum, p) => sum + p.byteLength, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    const version = { etag: `"m${++MemoryStore.#written}"`, size: bytes.byteLength };
    this.#objects.set(full, { bytes, version });
    this.#tally.requests++;
    this.#tally.bytesWritten += bytes.byteLength;
    return version;
  }

  async write(key: string, parts: readonly Uint8Array[], options: WriteOptions = {}): Promise<ObjectVersion> {
    options.signal?.throwIfAborted();
    return this.writeSync(key, parts, options);
  }

  deleteSync(key: string): void {
    this.#objects.delete(this.#full(key));
  }

  async delete(key: string): Promise<void> {
    this.deleteSync(key);
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    for (const [full, object] of [...this.#objects]) {
      if (full.startsWith(this.#prefix + prefix))
        yield { key: full.slice(this.#prefix.length), size: object.bytes.byteLength };
    }
  }

  counters(): StoreCounters {
    return snapshot(this.#tally);
  }

  #full(key: string): string {
    return this.#prefix + checkKey(key);
  }
}
