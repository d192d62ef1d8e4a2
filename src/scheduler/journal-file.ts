/**
 * An append-only file of records. Each is `u32 length, u32 CRC-32 of the payload, payload`, little-endian, behind a first
 * line that names the format. A process that is killed leaves at most one torn record, at the end; it is cut off. Records are
 * brought to the disk as fast as it takes them, while work goes on: a machine that loses its power loses the last moments.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { ConfigError, invariant, type Logger, type RsdatError, WriteError } from "../base/index.ts";
import { lockJournal } from "./journal-lock.ts";

const MAGIC = Buffer.from("rsdat-journal 1\n");
const HEADER_BYTES = 8;
/** A longer length is damage. */
const RECORD_BYTES_MAX = 2 ** 30;

/** What a file may be given. */
export interface JournalFileOptions {
  /** Brings data to the disk, and says when that is done, or why it is not. Default `fdatasync`. */
  readonly syncs?: (fd: number, done: (error: Error | null) => void) => void;
  /** Bytes of the longest record. Default 1 GiB. */
  readonly recordBytesMax?: number;
}

/** Records on disk, written by this process alone. */
export class JournalFile {
  readonly path: string;
  readonly #logger: Logger;
  readonly #syncs: NonNullable<JournalFileOptions["syncs"]>;
  /** Longest record that is written, and believed. */
  readonly recordBytesMax: number;
  readonly #unlock: () => void;
  #fd = -1;
  #bytes = 0;
  /** The descriptor that is being brought to the disk; -1: none is. */
  #syncing = -1;
  /** Something was written since that began. */
  #isStale = false;
  #canSync = true;

  /**
   * Open or create the file, and cut off what a killed process left half-written.
   *
   * @throws {ConfigError} the file is something else, or (code `journal-locked`) another process writes it
   * @throws {WriteError} it cannot be opened for writing
   */
  constructor(
    path: string,
    logger: Logger,
    { syncs = fdatasync, recordBytesMax = RECORD_BYTES_MAX }: JournalFileOptions = {},
  ) {
    this.path = path;
    this.recordBytesMax = recordBytesMax;
    this.#logger = logger;
    this.#syncs = syncs;
    this.#unlock = lockJournal(path);
    try {
      this.#fd = open(path, constants.O_RDWR | constants.O_CREAT);
      this.#bytes = this.#recover();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Bytes of the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Add one record, of `recordBytesMax` at most; it has been handed to the system when this returns. @throws {WriteError} the disk is full, or worse */
  append(payload: Uint8Array): void {
    invariant(payload.byteLength <= this.recordBytesMax, "a record of the journal can be read again");
    this.#bytes += writeRecord(this.#fd, this.path, { payload, at: this.#bytes });
    this.#sync();
  }

  /** All records, oldest first. */
  *records(): Generator<Uint8Array> {
    let at = MAGIC.length;
    while (at < this.#bytes) {
      const payload = this.#read(at, this.#bytes);
      if (!payload) return; // damaged since it was opened: what follows cannot be found
      yield payload;
      at += HEADER_BYTES + payload.byteLength;
    }
  }

  /** Put other records in place of these, at once or not at all; they are on disk when this returns. @throws {WriteError} they cannot be written */
  replace(records: Iterable<Uint8Array>): void {
    const partial = `${this.path}.new`;
    rmSync(partial, { force: true });
    const fd = open(partial, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL);
    let bytes = MAGIC.length;
    try {
      writeAll(fd, this.path, { bytes: MAGIC, at: 0 });
      for (const payload of records) bytes += writeRecord(fd, this.path, { payload, at: bytes });
      bringToDisk(fd);
      renameSync(partial, this.path);
      syncFolder(dirname(this.path));
    } catch (cause) {
      closeSync(fd);
      rmSync(partial, { force: true });
      throw cause instanceof WriteError ? cause : cannotWrite(this.path, cause);
    }
    const old = this.#fd;
    this.#fd = fd;
    this.#bytes = bytes;
    this.#isStale = false;
    this.#leave(old);
  }

  #read(at: number, size: number): Uint8Array | null {
    return readRecord(this.#fd, { at, size, most: this.recordBytesMax });
  }

  /** Give the file up; other schedulers may have it. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) this.#leave(fd);
    this.#unlock();
  }

  /** Bring what was written to the disk; what is written while that goes on waits for the next time. */
  #sync(): void {
    this.#isStale = true;
    if (this.#syncing >= 0 || !this.#canSync) return;
    const fd = this.#fd;
    this.#syncing = fd;
    this.#isStale = false;
    this.#syncs(fd, (error) => {
      this.#syncing = -1;
      if (fd !== this.#fd) closeSync(fd);
      else if (error) this.#cannotSync(error);
      if (this.#isStale && this.#fd >= 0) this.#sync();
    });
  }

  #cannotSync(error: Error): void {
    this.#canSync = false;
    this.#logger.warning(
      `journal ${this.path}: its disk does not say when data are safe (${error.message}); a machine that fails may lose them`,
    );
  }

  /** Close a descriptor that is not used any more: at once, or when it is on disk. */
  #leave(fd: number): void {
    if (fd !== this.#syncing) closeSync(fd);
  }

  /** Length of the whole records; the rest is cut off with one warning. */
  #recover(): number {
    const size = fstatSync(this.#fd).size;
    const magic = Buffer.alloc(Math.min(size, MAGIC.length));
    readSync(this.#fd, magic, 0, magic.length, 0);
    if (!MAGIC.subarray(0, magic.length).equals(magic)) {
      throw new ConfigError(`journal ${this.path} is not a journal of a scheduler: it begins with other bytes`);
    }
    if (size < MAGIC.length) {
      ftruncateSync(this.#fd, 0);
      writeAll(this.#fd, this.path, { bytes: MAGIC, at: 0 });
      return MAGIC.length;
    }
    let at = MAGIC.length;
    let count = 0;
    for (let payload = this.#read(at, size); payload; payload = this.#read(at, size)) {
      at += HEADER_BYTES + payload.byteLength;
      count++;
    }
    if (at < size) {
      this.#logger.warning(
        `journal ${this.path}: the last ${size - at} bytes, behind ${count} records, are torn and dropped`,
      );
      ftruncateSync(this.#fd, at);
    }
    return at;
  }
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

/** File systems that cannot say when data are safe say this. */
const UNABLE: ReadonlySet<unknown> = new Set(["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

function bringToDisk(fd: number): void {
  try {
    fdatasyncSync(fd);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && UNABLE.has(error.code))) throw error;
  }
}

/** A new name is on disk when its folder is. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Folders cannot be opened or brought to the disk everywhere; then the file is safe, its name a little later.
  }
}

function cannotWrite(path: string, cause: unknown): RsdatError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WriteError(`journal ${path} cannot be written: ${why}`, { cause, details: { path } });
}

/** The record at an offset; null where there is no whole, undamaged one. */
function readRecord(
  fd: number,
  { at, size, most }: { readonly at: number; readonly size: number; readonly most: number },
): Uint8Array | null {
  if (size - at < HEADER_BYTES) return null;
  const header = Buffer.alloc(HEADER_BYTES);
  if (readSync(fd, header, 0, HEADER_BYTES, at) < HEADER_BYTES) return null;
  const length = header.readUInt32LE(0);
  if (length > most || length > size - at - HEADER_BYTES) return null;
  const payload = new Uint8Array(length);
  let got = 0;
  while (got < length) {
    const count = readSync(fd, payload, got, length - got, at + HEADER_BYTES + got);
    if (count === 0) return null;
    got += count;
  }
  return crc32(payload) === header.readUInt32LE(4) ? payload : null;
}

/** Bytes written. */
function writeRecord(
  fd: number,
  path: string,
  { payload, at }: { readonly payload: Uint8Array; readonly at: number },
): number {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.byteLength);
  bytes.writeUInt32LE(payload.byteLength, 0);
  bytes.writeUInt32LE(crc32(payload), 4);
  bytes.set(payload, HEADER_BYTES);
  writeAll(fd, path, { bytes, at });
  return bytes.byteLength;
}

function writeAll(fd: number, path: string, { bytes, at }: { readonly bytes: Uint8Array; readonly at: number }): void {
  try {
    for (let done = 0; done < bytes.byteLength; )
      done += writeSync(fd, bytes, done, bytes.byteLength - done, at + done);
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}
