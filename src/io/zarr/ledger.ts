/** The ledger of a write that can be resumed: which objects are whole, one append-only file per writing thread (io.md §7). */
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { invariant } from "../../base/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import type { SourceSpec } from "../source.ts";
import { makeFolders, writeFailed } from "../store/file-store.ts";
import { openStore } from "../store/open-store.ts";
import { isSyncStore } from "../store/store.ts";
import { objectKey, storageOf } from "./grid.ts";

/** Where a write keeps account of finished objects: plain data, part of its target. */
export interface LedgerSpec {
  /** `file:` URL of the folder `.rsdat/<key>/` in the store that is being written. */
  readonly folder: string;
  /** Number of the first object of each array that tasks write; objects of an array are counted in C order of its grid. */
  readonly first: Readonly<Record<string, number>>;
}

/** Folder of ledgers within a store. */
export const LEDGERS = ".rsdat";
/** u32 object, u32 encoded bytes, u64 hash of them; little-endian. */
const RECORD_BYTES = 16;
/** A ledger larger than this is not one of ours: 2^32 objects are the most that a record can name. */
const LEDGER_BYTES_MAX = 2 ** 31;

/** Objects per axis. */
function countsOf(source: SourceSpec): number[] {
  return source.shape.map((n, k) => Math.ceil(n / (source.chunkShape[k] as number))); // one size per axis
}

/** Number of objects of an array. */
export function objectCount(source: SourceSpec): number {
  return sizeOf(countsOf(source));
}

/** The account of a write under `key` in the store at `writeUrl`. */
export function ledgerAt(writeUrl: string, key: string, arrays: Readonly<Record<string, SourceSpec>>): LedgerSpec {
  const first: Record<string, number> = {};
  let total = 0;
  for (const [name, source] of Object.entries(arrays)) {
    first[name] = total;
    total += objectCount(source);
  }
  invariant(total < 2 ** 32, `a write of ${total} objects; the limit is 2^32`);
  return { folder: new URL(`${LEDGERS}/${key}/`, writeUrl).href, first };
}

/** This thread's file: another name in every process and thread, on every node, so that nobody appends to a torn record. */
const FILE = `${process.pid}-${randomBytes(8).toString("hex")}.ledger`;

/** The object of array `name` at `chunkIndex` is whole: `encoded` was written, or null: it is all fill and not there. */
export function recordObject(
  ledger: LedgerSpec,
  {
    name,
    source,
    chunkIndex,
  }: { readonly name: string; readonly source: SourceSpec; readonly chunkIndex: readonly number[] },
  encoded: Uint8Array | null,
): void {
  const counts = countsOf(source);
  const index = chunkIndex.reduce((sum, c, k) => sum * (counts[k] as number) + c, 0); // one per axis
  const record = Buffer.alloc(RECORD_BYTES);
  const first = ledger.first[name];
  invariant(first !== undefined, `the account of a write has no array ${name}`);
  record.writeUInt32LE(first + index, 0);
  record.writeUInt32LE(encoded?.byteLength ?? 0, 4);
  if (encoded) createHash("sha1").update(encoded).digest().copy(record, 8, 0, 8);
  const path = join(fileURLToPath(ledger.folder), FILE);
  try {
    appendFileSync(path, record);
  } catch (e) {
    throw writeFailed(path, e, RECORD_BYTES);
  }
}

/** Make the folder. @throws {WriteError} */
export function beginLedger(ledger: LedgerSpec): void {
  const path = fileURLToPath(ledger.folder);
  try {
    makeFolders(path);
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
}

/** Remove the account in `folder`; the write has ended. */
export function removeLedger(folder: string): void {
  const path = fileURLToPath(folder);
  rmSync(path, { recursive: true, force: true });
  const parent = join(path, "..");
  if (existsSync(parent) && readdirSync(parent).length === 0) rmSync(parent, { recursive: true });
}

/** True when an earlier run has left an account with a record. */
export function hasLedger(ledger: LedgerSpec): boolean {
  return readRecords(ledger).size > 0;
}

/** The last that is recorded of an object. */
interface Finished {
  /** Of its encoded bytes; 0: it is all fill and not there. */
  readonly bytes: number;
  /** When its file of records was last written. */
  readonly byMs: number;
}

/** Records by object number, all files merged, the newest last; a torn last record is ignored. */
function readRecords(ledger: LedgerSpec): Map<number, Finished> {
  const folder = fileURLToPath(ledger.folder);
  const records = new Map<number, Finished>();
  if (!existsSync(folder)) return records;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".ledger"))
    .map((name) => ({ path: join(folder, name), stats: statSync(join(folder, name)) }))
    .filter(({ stats }) => stats.size <= LEDGER_BYTES_MAX)
    .sort((a, b) => a.stats.mtimeMs - b.stats.mtimeMs);
  for (const { path, stats } of files) {
    const bytes = readFileSync(path);
    for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES)
      records.set(bytes.readUInt32LE(at), { bytes: bytes.readUInt32LE(at + 4), byMs: stats.mtimeMs });
  }
  return records;
}

/**
 * Encoded bytes of each finished object of each array, in C order of its grid; NaN for an object still to be written. An object is
 * finished when its record and its size agree, and nobody has written it since. Arrays without a finished object are absent.
 */
export function finishedObjects(
  ledger: LedgerSpec,
  arrays: Readonly<Record<string, SourceSpec>>,
): Readonly<Record<string, Float64Array>> {
  const records = readRecords(ledger);
  const out: Record<string, Float64Array> = {};
  if (records.size === 0) return out;
  for (const [name, source] of Object.entries(arrays)) {
    const first = ledger.first[name];
    if (first === undefined) continue;
    const done = new Float64Array(objectCount(source)).fill(Number.NaN);
    let count = 0;
    for (let i = 0; i < done.length; i++) {
      const record = records.get(first + i);
      if (record === undefined || !isAsRecorded(source, i, record)) continue;
      done[i] = record.bytes;
      count++;
    }
    if (count > 0) out[name] = done;
  }
  return out;
}

/** True when the object is what its record says: a record is written after its object, so a younger object is another's. */
function isAsRecorded(source: SourceSpec, index: number, { bytes, byMs }: Finished): boolean {
  const counts = countsOf(source);
  const position = new Array<number>(counts.length);
  let rest = index;
  for (let k = counts.length - 1; k >= 0; k--) {
    position[k] = rest % (counts[k] as number); // k < length
    rest = Math.floor(rest / (counts[k] as number));
  }
  const store = openStore(source.url);
  invariant(isSyncStore(store), `${source.url} has no synchronous store`);
  const head = store.headSync(objectKey(storageOf(source).keys, position));
  if (head === null) return bytes === 0;
  return head.size === bytes && (head.version.mtimeMs ?? 0) <= byMs;
}
