/** Local files as a store; every operation also exists synchronously. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  read,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writevSync,
} from "node:fs";
import { opendir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ExistsError, isRsdatError, ReadError, type RsdatError, WriteError } from "../../base/index.ts";
import { snapshot, type Tally, tallyOf } from "./counters.ts";
import { forgetFile, type OpenFile, openFile, releaseFile, versionOf } from "./fd-cache.ts";
import { checkKey, notFound, type Place, placeText, shortRead, sourceChanged, tooLarge } from "./keys.ts";
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

/** One call to the kernel moves at most this much (Linux stops at 2 GiB). */
const IO_BYTES_MAX = 2 ** 30;
const WRITEV_PARTS_MAX = 512;

/** Objects are the files below a folder. Keys stay under the root; `%` in a key is literal. */
export class FileStore implements SyncStore {
  readonly url: URL;
  readonly root: string;
  readonly can: StoreAbilities = { list: true, write: true, suffixRange: true, multipart: false, rename: true };
  readonly #tally: Tally = tallyOf("file:");

  /** @param url `file:` URL of the folder */
  constructor(url: URL) {
    this.url = url;
    this.root = fileURLToPath(url);
  }

  /** Path of `key`. */
  path(key: string): string {
    return join(this.root, checkKey(key));
  }

  readIntoSync(key: string, offset: number, into: Uint8Array, options: ReadOptions = {}): ObjectVersion {
    const at = this.#place(key, offset, into.byteLength);
    const { file, version } = this.#open(key, at, options.expect);
    for (let done = 0; done < into.byteLength; ) {
      const n = readSync(file.fd, into, done, Math.min(into.byteLength - done, IO_BYTES_MAX), offset + done);
      if (n === 0) throw shortRead(at, done);
      done += n;
    }
    this.#count(into.byteLength);
    return version;
  }

  async readInto(key: string, offset: number, into: Uint8Array, options: ReadOptions = {}): Promise<ObjectVersion> {
    options.signal?.throwIfAborted();
    const at = this.#place(key, offset, into.byteLength);
    const { file, version } = this.#open(key, at, options.expect);
    file.users++;
    try {
      for (let done = 0; done < into.byteLength; ) {
        const n = await readSome(file, into, done, offset + done);
        options.signal?.throwIfAborted();
        if (n === 0) throw shortRead(at, done);
        done += n;
      }
    } finally {
      releaseFile(file);
    }
    this.#count(into.byteLength);
    return version;
  }

  readSync(key: string, options: ReadOptions & { readonly maxBytes: number }): StoredObject | null {
    const head = this.headSync(key);
    if (!head) return null;
    if (head.size > options.maxBytes) throw tooLarge(this.#place(key), head.size, options.maxBytes);
    const bytes = new Uint8Array(head.size);
    return { bytes, version: this.readIntoSync(key, 0, bytes, { expect: options.expect ?? head.version }) };
  }

  async read(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredObject | null> {
    const head = this.headSync(key);
    if (!head) return null;
    if (head.size > options.maxBytes) throw tooLarge(this.#place(key), head.size, options.maxBytes);
    const bytes = new Uint8Array(head.size);
    return {
      bytes,
      version: await this.readInto(key, 0, bytes, { ...options, expect: options.expect ?? head.version }),
    };
  }

  async readStart(key: string, options: ReadOptions & { readonly maxBytes: number }): Promise<StoredStart | null> {
    const head = this.headSync(key);
    if (!head) return null;
    const bytes = new Uint8Array(Math.min(head.size, options.maxBytes));
    const version = await this.readInto(key, 0, bytes, { ...options, expect: options.expect ?? head.version });
    return { bytes, size: head.size, version };
  }

  headSync(key: string): ObjectHead | null {
    try {
      const stats = statSync(this.path(key));
      return stats.isDirectory() ? null : { size: stats.size, version: versionOf(stats) };
    } catch (e) {
      if (isAbsence(e)) return null;
      throw readFailed(this.#place(key), e);
    }
  }

  async head(key: string): Promise<ObjectHead | null> {
    return this.headSync(key);
  }

  writeSync(key: string, parts: readonly Uint8Array[], options: WriteOptions = {}): ObjectVersion {
    const path = this.path(key);
    const nbytes = parts.reduce((sum, p) => sum + p.byteLength, 0);
    forgetFile(path);
    const version = writeFileAtomic(path, (fd) => writeAll(fd, parts), { ...options, nbytes });
    this.#tally.requests++;
    this.#tally.bytesWritten += nbytes;
    return version;
  }

  async write(key: string, parts: readonly Uint8Array[], options: WriteOptions = {}): Promise<ObjectVersion> {
    options.signal?.throwIfAborted();
    return this.writeSync(key, parts, options);
  }

  deleteSync(key: string): void {
    const path = this.path(key);
    forgetFile(path);
    try {
      rmSync(path, { force: true });
    } catch (e) {
      throw writeFailed(path, e, 0);
    }
  }

  async delete(key: string): Promise<void> {
    this.deleteSync(key);
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    const base = prefix === "" ? this.root : this.path(prefix.replace(/\/$/, ""));
    const folder = await opendir(base, { recursive: true }).catch((e: unknown) => {
      if (isAbsence(e)) return null;
      throw readFailed(this.#place(prefix), e);
    });
    if (!folder) return;
    for await (const entry of folder) {
      if (!entry.isFile() || isTemporaryName(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      yield { key: relative(this.root, path).replaceAll("\\", "/"), size: statSync(path).size };
    }
  }

  counters(): StoreCounters {
    return snapshot(this.#tally);
  }

  #place(key: string, offset?: number, length?: number): Place {
    return {
      store: this.url.href,
      key,
      ...(offset === undefined ? {} : { offset }),
      ...(length === undefined ? {} : { length }),
    };
  }

  #open(key: string, at: Place, expect: ObjectVersion | undefined): ReturnType<typeof openFile> {
    let opened: ReturnType<typeof openFile>;
    try {
      opened = openFile(this.path(key), expect);
    } catch (e) {
      if (isErrno(e, "EISDIR")) throw notFound(at, " as a file: it is a folder");
      if (isAbsence(e)) throw notFound(at, nearestParent(this.path(key)));
      throw readFailed(at, e);
    }
    if (expect && !sameVersion(opened.version, expect)) throw sourceChanged(at, expect, opened.version);
    return opened;
  }

  #count(nbytes: number): void {
    this.#tally.requests++;
    this.#tally.reads++;
    this.#tally.bytesRead += nbytes;
  }
}

/** Options of {@link writeFileAtomic}; `nbytes` is for messages. */
export interface AtomicWriteOptions extends WriteOptions {
  readonly nbytes?: number;
}

/**
 * Write a file beside its final name, then rename it into place; a failure leaves nothing behind.
 * @throws {ExistsError} with `ifAbsent`, when the file is there
 * @throws {WriteError} code `no-space`, `read-only` or `write`
 */
export function writeFileAtomic(
  path: string,
  fill: (fd: number) => void,
  options: AtomicWriteOptions = {},
): ObjectVersion {
  const folder = dirname(path);
  const temporary = join(folder, temporaryName(path));
  let fd: number | undefined;
  try {
    fd = openNew(temporary, folder);
    fill(fd);
    if (options.fsync) fsyncSync(fd);
    const version = versionOf(fstatSync(fd));
    closeSync(fd);
    fd = undefined;
    if (options.ifAbsent) {
      linkSync(temporary, path);
      rmSync(temporary);
    } else renameSync(temporary, path);
    if (options.fsync) syncFolder(folder);
    return version;
  } catch (e) {
    if (fd !== undefined) closeSync(fd);
    // The first failure is the one to report; a folder that vanished has nothing to clean.
    if (fd !== undefined || !isErrno(e, "ENOENT", "EACCES", "EROFS")) rmSync(temporary, { force: true });
    throw writeFailed(path, e, options.nbytes ?? 0);
  }
}

/** Write all `parts` in order at the descriptor's position. */
export function writeAll(fd: number, parts: readonly Uint8Array[]): void {
  let queue = parts.filter((p) => p.byteLength > 0);
  while (queue.length > 0) {
    let n = writevSync(fd, queue.slice(0, WRITEV_PARTS_MAX));
    let taken = 0;
    while (taken < queue.length && n >= queue[taken]!.byteLength) n -= queue[taken++]!.byteLength;
    queue = queue.slice(taken);
    if (n > 0) queue[0] = queue[0]!.subarray(n);
  }
}

/** A typed error for a failed write to `path`. */
export function writeFailed(path: string, e: unknown, nbytes: number): RsdatError {
  if (isRsdatError(e)) return e;
  const details = { path, nbytes };
  if (isErrno(e, "EEXIST")) return new ExistsError(`${path} exists already`, { cause: e, details });
  const code = isErrno(e, "ENOSPC", "EDQUOT", "EFBIG")
    ? "no-space"
    : isErrno(e, "EROFS", "EACCES", "EPERM")
      ? "read-only"
      : "write";
  const why =
    code === "no-space"
      ? `no space left for ${nbytes} bytes`
      : code === "read-only"
        ? "the folder is not writable"
        : messageOf(e);
  return new WriteError(`cannot write ${path}: ${why}; nothing was left there`, { cause: e, details }, code);
}

/** True for names that {@link writeFileAtomic} gives to unfinished files. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.\d+\.[0-9a-f]{8}\.tmp$/.test(name);
}

function temporaryName(path: string): string {
  return `.${path.slice(dirname(path).length + 1).slice(0, 200)}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
}

function openNew(path: string, folder: string): number {
  try {
    return openSync(path, "wx");
  } catch (e) {
    if (!isErrno(e, "ENOENT")) throw e;
    makeFolders(folder);
    return openSync(path, "wx");
  }
}

/** A folder and those above it. Node's own recursive form reports a read-only file system as a missing folder. */
export function makeFolders(path: string): void {
  if (makeFolder(path)) return;
  makeFolders(dirname(path));
  // Not there although its parent is: some file systems (/proc) answer so for good.
  if (!makeFolder(path)) throw new Error(`no folder can be made in ${dirname(path)}`);
}

/** False when the folder above is missing. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (e) {
    if (isErrno(e, "EEXIST") && statSync(path).isDirectory()) return true;
    if (isErrno(e, "ENOENT") && dirname(path) !== path) return false;
    throw e;
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function readSome(file: OpenFile, into: Uint8Array, done: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file.fd, into, done, Math.min(into.byteLength - done, IO_BYTES_MAX), position, (e, n) =>
      e ? reject(e) : resolve(n),
    );
  });
}

function readFailed(at: Place, e: unknown): RsdatError {
  if (isRsdatError(e)) return e;
  const code = isErrno(e, "EACCES", "EPERM") ? "forbidden" : "read";
  return new ReadError(`cannot read ${placeText(at)}: ${messageOf(e)}`, { cause: e, details: { ...at } }, code);
}

function nearestParent(path: string): string {
  let folder = dirname(path);
  while (folder !== dirname(folder) && !statSync(folder, { throwIfNoEntry: false })) folder = dirname(folder);
  return `; the nearest existing folder is ${folder}`;
}

function isAbsence(e: unknown): boolean {
  return isErrno(e, "ENOENT", "ENOTDIR", "EISDIR");
}

function isErrno(e: unknown, ...codes: readonly string[]): boolean {
  return e instanceof Error && "code" in e && codes.includes(String(e.code));
}

function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}
