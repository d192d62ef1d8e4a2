/** The ledger of a write that can be resumed: which objects are whole, one append-only file per writing thread (io.md §7). */
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { invariant, isRsdatError } from "../../base/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import type { SourceSpec } from "../source.ts";
import { makeFolders, writeFailed } from "../store/file-store.ts";
import { openStore } from "../store/open-store.ts";
import { isSyncStore, type SyncStore } from "../store/store.ts";
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
/** In the folder of an account: the write has ended, and nobody goes on with it. */
const FINISHED = "finished";
/**
 * A system that fails loses what it had not written back to its disks, half a minute's worth (`vm.dirty_expire_centisecs`).
 * Objects that are older than this at the end of their account are believed by size and time alone.
 */
const WRITTEN_BACK_MS = 60_000;
/** Objects that are read at once to be compared. */
const COMPARED_AT_ONCE = 16;
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
  if (encoded) hashOf(encoded).copy(record, 8);
  const path = join(fileURLToPath(ledger.folder), FILE);
  try {
    appendFileSync(path, record);
  } catch (e) {
    throw writeFailed(path, e, RECORD_BYTES);
  }
}

function hashOf(encoded: Uint8Array): Buffer {
  return createHash("sha1").update(encoded).digest().subarray(0, 8);
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

/** Say that the write has ended: whoever finds the account later removes it. @throws {WriteError} */
export function endLedger(ledger: LedgerSpec): void {
  const path = join(fileURLToPath(ledger.folder), FINISHED);
  try {
    writeFileSync(path, "");
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
}

/** Remove the account in `folder`; the write has ended. */
export function removeLedger(folder: string): void {
  const path = fileURLToPath(folder);
  rmSync(path, { recursive: true, force: true });
  removeEmpty(join(path, ".."));
}

/** Remove the accounts of ended writes that killed runs have left in the store at `storeUrl`. */
export function sweepLedgers(storeUrl: string): void {
  const path = fileURLToPath(new URL(LEDGERS, storeUrl));
  if (!existsSync(path)) return;
  try {
    for (const name of readdirSync(path))
      if (existsSync(join(path, name, FINISHED))) rmSync(join(path, name), { recursive: true, force: true });
    removeEmpty(path);
  } catch {
    // The store may be read, not written, by whoever opens it: what is left there harms nobody.
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Another account is there, or somebody else has removed it.
  }
}

/** True when an earlier run has left an account with a record. */
export function hasLedger(ledger: LedgerSpec): boolean {
  return recordedObjects(ledger) > 0;
}

/** How many objects an account names. */
export function recordedObjects(ledger: LedgerSpec): number {
  return readRecords(ledger).size;
}

/** The last that is recorded of an object. */
interface Finished {
  /** Of its encoded bytes; 0: it is all fill and not there. */
  readonly bytes: number;
  /** When its file of records was last written. */
  readonly byMs: number;
  /** The first eight bytes of the SHA-1 of its encoded bytes. */
  readonly hash: Buffer;
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
      records.set(bytes.readUInt32LE(at), {
        bytes: bytes.readUInt32LE(at + 4),
        byMs: stats.mtimeMs,
        hash: bytes.subarray(at + 8, at + RECORD_BYTES),
      });
  }
  return records;
}

/**
 * Encoded bytes of each finished object of each array, in C order of its grid; NaN for an object still to be written. An object is
 * finished when its record and its size agree, nobody has written it since, and, of those that a failing system may have
 * lost, its bytes are the ones that were recorded. Arrays without a finished object are absent.
 */
export async function finishedObjects(
  ledger: LedgerSpec,
  arrays: Readonly<Record<string, SourceSpec>>,
): Promise<Readonly<Record<string, Float64Array>>> {
  const records = readRecords(ledger);
  const out: Record<string, Float64Array> = {};
  if (records.size === 0) return out;
  for (const [name, source] of Object.entries(arrays)) {
    const first = ledger.first[name];
    if (first === undefined) continue;
    const done = await finishedOf(source, (i) => records.get(first + i));
    if (done.some((bytes) => !Number.isNaN(bytes))) out[name] = done;
  }
  return out;
}

async function finishedOf(
  source: SourceSpec,
  recordOf: (index: number) => Finished | undefined,
): Promise<Float64Array> {
  const store = openStore(source.url);
  invariant(isSyncStore(store), `${source.url} has no synchronous store`);
  const done = new Float64Array(objectCount(source)).fill(Number.NaN);
  const doubted: Doubted[] = [];
  for (let i = 0; i < done.length; i++) {
    const record = recordOf(i);
    if (record === undefined) continue;
    const key = objectKey(storageOf(source).keys, positionOf(source, i));
    const state = stateOf(store, key, record);
    if (state === "whole") done[i] = record.bytes;
    else if (state === "doubted") doubted.push({ index: i, key, record });
  }
  for (let at = 0; at < doubted.length; at += COMPARED_AT_ONCE) {
    const some = doubted.slice(at, at + COMPARED_AT_ONCE);
    const same = await Promise.all(some.map((each) => hasRecordedBytes(store, each)));
    for (const [k, { index, record }] of some.entries()) if (same[k]) done[index] = record.bytes;
  }
  return done;
}

/** An object whose bytes have to be looked at. */
interface Doubted {
  readonly index: number;
  readonly key: string;
  readonly record: Finished;
}

/** Place of an object in the grid. */
function positionOf(source: SourceSpec, index: number): number[] {
  const counts = countsOf(source);
  const position = new Array<number>(counts.length);
  let rest = index;
  for (let k = counts.length - 1; k >= 0; k--) {
    position[k] = rest % (counts[k] as number); // k < length
    rest = Math.floor(rest / (counts[k] as number));
  }
  return position;
}

/** A record is written after its object, so a younger object is another's. */
function stateOf(store: SyncStore, key: string, { bytes, byMs }: Finished): "whole" | "doubted" | "other" {
  const head = store.headSync(key);
  if (head === null) return bytes === 0 ? "whole" : "other";
  const mtimeMs = head.version.mtimeMs ?? 0;
  if (head.size !== bytes || mtimeMs > byMs) return "other";
  return mtimeMs > byMs - WRITTEN_BACK_MS ? "doubted" : "whole";
}

async function hasRecordedBytes(store: SyncStore, { key, record }: Doubted): Promise<boolean> {
  try {
    const found = await store.read(key, { maxBytes: record.bytes });
    return found !== null && hashOf(found.bytes).equals(record.hash);
  } catch (e) {
    if (!isRsdatError(e)) throw e;
    return false; // What cannot be read is written again, and fails by name if that cannot be done either.
  }
}
