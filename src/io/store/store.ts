/** The one interface between bytes at rest and everything that reads or writes them (io.md §1). */

/** What identifies one state of an object: a strong ETag, else size and modification time. */
export interface ObjectVersion {
  readonly etag?: string;
  readonly size?: number;
  readonly mtimeMs?: number;
}

/** Options of a read. */
export interface ReadOptions {
  readonly signal?: AbortSignal;
  /** The version pinned by an earlier answer; another one is a `SourceChangedError`. */
  readonly expect?: ObjectVersion;
}

/** Options of a write. */
export interface WriteOptions {
  readonly signal?: AbortSignal;
  /** Refuse to replace: O_EXCL, `If-None-Match: *`. */
  readonly ifAbsent?: boolean;
  /** Flush file and directory to the device before returning (files only); default false. */
  readonly fsync?: boolean;
}

/** A whole object and its version. */
export interface StoredObject {
  readonly bytes: Uint8Array;
  readonly version: ObjectVersion;
}

/** The first bytes of an object, the size of the whole, and its version. */
export interface StoredStart extends StoredObject {
  readonly size: number;
}

/** Size and version of an object. */
export interface ObjectHead {
  readonly size: number;
  readonly version: ObjectVersion;
}

/** What a store is able to do. */
export interface StoreAbilities {
  readonly list: boolean;
  readonly write: boolean;
  readonly suffixRange: boolean;
  readonly multipart: boolean;
  readonly rename: boolean;
}

/** Traffic of one origin (host, or `file:`, or one memory store) in this thread. */
export interface StoreCounters {
  readonly origin: string;
  /** Requests sent; for files, reads and writes. */
  readonly requests: number;
  /** Of these: not writes. */
  readonly reads: number;
  /** Body bytes received. */
  readonly bytesRead: number;
  /** Received but not asked for, or received by an attempt that failed. */
  readonly bytesWasted: number;
  readonly bytesWritten: number;
  /** Retries by cause: a status (`"503"`), `"connection"`, `"stall"`, `"short"`. */
  readonly retries: Readonly<Record<string, number>>;
  /** Moving averages of a web origin: time to the first byte, and bytes per ms of one connection. */
  readonly ttfbMs?: number;
  readonly bytesPerMs?: number;
}

/** A place that holds objects under keys: a folder, a web server's path, memory. Keys are `/`-separated and relative. */
export interface Store {
  /** The root; never holds a secret. */
  readonly url: URL;
  readonly can: StoreAbilities;
  /**
   * Fill `into` (may view a SharedArrayBuffer) from `offset`.
   * @throws {ReadError} unless exactly that many bytes came
   * @throws {NotFoundError} the store proves absence
   * @throws {SourceChangedError} the version is not `expect`
   */
  readInto(key: string, offset: number, into: Uint8Array, options?: ReadOptions): Promise<ObjectVersion>;
  /**
   * The whole object; `null` only when the store proves absence (404, ENOENT).
   * @throws {ReadError} code `too-large`: the object is larger than `maxBytes`
   */
  read(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredObject | null>;
  /** The first `maxBytes` bytes, fewer when the object is shorter; one request that also tells the size. */
  readStart(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredStart | null>;
  /** Size and version; `null` only when the store proves absence. */
  head(key: string, options?: ReadOptions): Promise<ObjectHead | null>;
  /**
   * Replace or create an object atomically: readers see the old object or the whole new one.
   * @throws {ExistsError} with `ifAbsent`, when the object is there
   * @throws {WriteError} code `no-space`, `read-only` or `write`
   */
  write(key: string, parts: readonly Uint8Array[], options?: WriteOptions): Promise<ObjectVersion>;
  /** Remove an object; an absent one is no error. */
  delete(key: string): Promise<void>;
  /** Objects below `prefix`, in no particular order. */
  list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }>;
  counters(): StoreCounters;
}

/** A store that also answers without an event loop: compute threads read and write local files this way. */
export interface SyncStore extends Store {
  readIntoSync(key: string, offset: number, into: Uint8Array, options?: ReadOptions): ObjectVersion;
  readSync(key: string, options: ReadOptions & { readonly maxBytes: number }): StoredObject | null;
  headSync(key: string): ObjectHead | null;
  writeSync(key: string, parts: readonly Uint8Array[], options?: WriteOptions): ObjectVersion;
  deleteSync(key: string): void;
}

/** True when `store` has the synchronous face. */
export function isSyncStore(store: Store): store is SyncStore {
  return "readIntoSync" in store;
}

/** True when two versions name the same state, comparing only what both carry (at least one field). */
export function sameVersion(a: ObjectVersion, b: ObjectVersion): boolean {
  let compared = false;
  for (const field of ["etag", "size", "mtimeMs"] as const) {
    if (a[field] === undefined || b[field] === undefined) continue;
    if (a[field] !== b[field]) return false;
    compared = true;
  }
  return compared;
}
