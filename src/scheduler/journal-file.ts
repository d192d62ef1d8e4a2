/**
 * An append-only file of records. Each is `u32 length, u32 CRC-32 of the payload, payload`, little-endian, behind a first
 * line that names the format. A process that is killed leaves at most one torn record, at the end; it is cut off.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import { ConfigError, type Logger, type RsdatError, WriteError } from "../base/index.ts";

const MAGIC = Buffer.from("rsdat-journal 1\n");
const HEADER_BYTES = 8;
/** Longest record; a longer length is damage. */
const RECORD_BYTES_MAX = 2 ** 30;

/** Records on disk. */
export class JournalFile {
  readonly path: string;
  readonly #logger: Logger;
  #fd: number;
  #bytes = 0;

  /**
   * Open or create the file, and cut off what a killed process left half-written.
   *
   * @throws {ConfigError} the file is something else
   * @throws {WriteError} it cannot be opened for writing
   */
  constructor(path: string, logger: Logger) {
    this.path = path;
    this.#logger = logger;
    this.#fd = open(path, constants.O_RDWR | constants.O_CREAT);
    this.#bytes = this.#recover();
  }

  /** Bytes of the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Add one record; it has been handed to the system when this returns. @throws {WriteError} the disk is full, or worse */
  append(payload: Uint8Array): void {
    this.#bytes += writeRecord(this.#fd, this.path, { payload, at: this.#bytes });
  }

  /** All records, oldest first. */
  *records(): Generator<Uint8Array> {
    let at = MAGIC.length;
    while (at < this.#bytes) {
      const payload = readRecord(this.#fd, at, this.#bytes);
      if (!payload) return; // damaged since it was opened: what follows cannot be found
      yield payload;
      at += HEADER_BYTES + payload.byteLength;
    }
  }

  /** Put other records in place of these, at once or not at all. @throws {WriteError} they cannot be written */
  replace(records: Iterable<Uint8Array>): void {
    const partial = `${this.path}.new`;
    rmSync(partial, { force: true });
    const fd = open(partial, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL);
    let bytes = MAGIC.length;
    try {
      writeAll(fd, this.path, { bytes: MAGIC, at: 0 });
      for (const payload of records) bytes += writeRecord(fd, this.path, { payload, at: bytes });
      renameSync(partial, this.path);
    } catch (cause) {
      closeSync(fd);
      rmSync(partial, { force: true });
      throw cause instanceof WriteError ? cause : cannotWrite(this.path, cause);
    }
    closeSync(this.#fd);
    this.#fd = fd;
    this.#bytes = bytes;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Length of the whole records; the rest is cut off with one warning. */
  #recover(): number {
    const size = fstatSync(this.#fd).size;
    const magic = Buffer.alloc(Math.min(size, MAGIC.length));
    readSync(this.#fd, magic, 0, magic.length, 0);
    if (!MAGIC.subarray(0, magic.length).equals(magic)) {
      this.close();
      throw new ConfigError(`journal ${this.path} is not a journal of a scheduler: it begins with other bytes`);
    }
    if (size < MAGIC.length) {
      ftruncateSync(this.#fd, 0);
      writeAll(this.#fd, this.path, { bytes: MAGIC, at: 0 });
      return MAGIC.length;
    }
    let at = MAGIC.length;
    let count = 0;
    for (let payload = readRecord(this.#fd, at, size); payload; payload = readRecord(this.#fd, at, size)) {
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

function cannotWrite(path: string, cause: unknown): RsdatError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WriteError(`journal ${path} cannot be written: ${why}`, { cause, details: { path } });
}

/** The record at an offset; null where there is no whole, undamaged one. */
function readRecord(fd: number, at: number, size: number): Uint8Array | null {
  if (size - at < HEADER_BYTES) return null;
  const header = Buffer.alloc(HEADER_BYTES);
  if (readSync(fd, header, 0, HEADER_BYTES, at) < HEADER_BYTES) return null;
  const length = header.readUInt32LE(0);
  if (length > RECORD_BYTES_MAX || length > size - at - HEADER_BYTES) return null;
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
